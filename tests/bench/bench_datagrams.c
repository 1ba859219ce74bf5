/*
 * Echoing datagrams of 64 bytes: eddy beside a loop on recvmmsg and sendmmsg written by hand, in turns
 * within one run, so that both meet the same machine.
 *
 *     bench_datagrams [--rounds N] [--count DATAGRAMS]
 *
 * A client in this thread keeps a window of datagrams on their way to a server in a process of its own,
 * which is one or the other. Prints for each the datagrams a second and the server's CPU time (user and
 * system) for each, and the medians of the
 * ratios within a round. What is lost by the kernel is counted, and sent again
 * when nothing comes for 100 ms. Only to the loopback.
 */
#include <eddy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64, AT_ONCE = 64, WINDOW = 256, MOST_ROUNDS = 100 };

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int bound_socket(struct sockaddr_in *address, int flags)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | flags, 0);

    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)address, sizeof *address) < 0 ||
        getsockname(fd, (struct sockaddr *)address, &size) < 0) {
        fail("socket");
    }
    return fd;
}

/* ---- by hand */

static char bytes[AT_ONCE][SIZE];

static void serve_by_hand(int fd)
{
    static struct mmsghdr messages[AT_ONCE];
    static struct iovec pieces[AT_ONCE];
    static struct sockaddr_in from[AT_ONCE];
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        fail("epoll");
    }
    while (true) {
        int count = AT_ONCE;
        if (epoll_wait(epoll, &event, 1, -1) < 0) {
            fail("epoll_wait");
        }
        while (count == AT_ONCE) { /* fewer have emptied the socket */
            for (int i = 0; i < AT_ONCE; i++) {
                pieces[i] = (struct iovec){bytes[i], SIZE};
                messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
                                                      .msg_namelen = sizeof from[i],
                                                      .msg_iov = &pieces[i],
                                                      .msg_iovlen = 1};
            }
            count = recvmmsg(fd, messages, AT_ONCE, 0, NULL);
            if (count > 0 && sendmmsg(fd, messages, (unsigned)count, 0) != count) {
                fail("sendmmsg");
            }
        }
    }
}

/* ---- by eddy */

eddy_frame(echoes) {
    eddy_coro co;
    int fd;
    eddy_datagram socket;
    struct eddy_packet packets[AT_ONCE];
    struct eddy_address from[AT_ONCE];
    int count;
};

static void echoes(eddy_coro *co)
{
    eddy_begin(echoes);
    eddy_await(eddy_datagram_open_fd(eddy_loop_of(co), &self->socket, self->fd));
    while (true) {
        for (int i = 0; i < AT_ONCE; i++) {
            self->packets[i] = (struct eddy_packet){bytes[i], SIZE, 0, &self->from[i]};
        }
        eddy_await(self->count,
                   eddy_datagram_receive_many(co, &self->socket, self->packets, AT_ONCE));
        eddy_await(eddy_datagram_send_many(co, &self->socket, self->packets, self->count));
    }
eddy_finally:
    eddy_datagram_close(&self->socket);
    eddy_end;
}

static void serve_by_eddy(int fd)
{
    exit(eddy_exit_status(eddy_run(echoes, .fd = fd)));
}

/* ---- the client */

struct figures {
    double rate; /* datagrams a second */
    double cpu;  /* nanoseconds of the server's, for each */
    long lost;
};

static void send_some(int fd, int count)
{
    static struct mmsghdr messages[WINDOW];
    static struct iovec pieces[WINDOW];
    static char text[SIZE];

    for (int i = 0; i < count; i++) {
        pieces[i] = (struct iovec){text, SIZE};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    if (sendmmsg(fd, messages, (unsigned)count, 0) != count) {
        fail("sendmmsg");
    }
}

static int receive_some(int fd)
{
    static struct mmsghdr messages[WINDOW];
    static struct iovec pieces[WINDOW];
    static char text[WINDOW][SIZE];

    for (int i = 0; i < WINDOW; i++) {
        pieces[i] = (struct iovec){text[i], SIZE};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    return recvmmsg(fd, messages, WINDOW, MSG_DONTWAIT, NULL);
}

static long ask(int fd, long count)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    long done = 0;
    long lost = 0;

    send_some(fd, WINDOW);
    while (done < count) {
        int got;
        if (poll(&wait, 1, 100) == 0) { /* what is on its way is lost */
            lost += WINDOW;
            send_some(fd, WINDOW);
            continue;
        }
        got = receive_some(fd);
        if (got > 0) {
            done += got;
            send_some(fd, got);
        }
    }
    return lost;
}

static struct figures measure(void (*serve)(int fd), long count)
{
    struct sockaddr_in address;
    struct figures figures;
    struct rusage usage;
    int server = bound_socket(&address, SOCK_NONBLOCK);
    int client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    pid_t child = fork();
    double begin;

    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(client);
        serve(server);
    }
    close(server);
    if (child < 0 || connect(client, (struct sockaddr *)&address, sizeof address) < 0) {
        fail("client");
    }
    begin = seconds(CLOCK_MONOTONIC);
    figures.lost = ask(client, count);
    figures.rate = (double)count / (seconds(CLOCK_MONOTONIC) - begin);
    kill(child, SIGKILL);
    if (wait4(child, NULL, 0, &usage) != child) {
        fail("wait4");
    }
    figures.cpu = ((double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3) /
                  (double)count;
    close(client);
    return figures;
}

static int by_size(const void *one, const void *other)
{
    double a = *(const double *)one;
    double b = *(const double *)other;

    return (a > b) - (a < b);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_size);
    return values[count / 2];
}

int main(int argc, char **argv)
{
    static double rates[2][MOST_ROUNDS];
    static double costs[2][MOST_ROUNDS];
    static double ratios[2][MOST_ROUNDS]; /* of a round: of the rates, of the costs */
    long lost = 0;
    long count = 500000;
    int rounds = 7;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--rounds") == 0 && atoi(argv[i + 1]) <= MOST_ROUNDS) {
            rounds = atoi(argv[i + 1]);
        } else if (strcmp(argv[i], "--count") == 0) {
            count = atol(argv[i + 1]);
        }
    }
    for (int i = 0; i < rounds; i++) {
        for (int who = 0; who < 2; who++) {
            struct figures figures = measure(who == 0 ? serve_by_hand : serve_by_eddy, count);
            rates[who][i] = figures.rate;
            costs[who][i] = figures.cpu;
            lost += figures.lost;
        }
        ratios[0][i] = rates[1][i] / rates[0][i];
        ratios[1][i] = costs[1][i] / costs[0][i];
    }
    for (int who = 0; who < 2; who++) {
        printf("%s: %.0f datagrams a second, %.0f ns of the server's time for each\n",
               who == 0 ? "by hand" : "eddy", median(rates[who], rounds),
               median(costs[who], rounds));
    }
    printf("eddy/by hand, medians of the rounds: rate %.3f, time %.3f; %ld lost by the kernel\n",
           median(ratios[0], rounds), median(ratios[1], rounds), lost);
    return 0;
}
