/*
 * What eddy's echo servers are held against: the same thing written by hand on epoll, with no
 * library in between. Not an example of anything: it serves a benchmark until it is killed.
 *
 *     bench_echo_by_hand PORT [edge]
 *
 * Level-triggered, one read and one write an event; or edge-triggered, registered once. One buffer
 * for all clients; what the kernel does not take is kept for its client.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_FDS = 65536, BUFFER_SIZE = 65536, EVENTS = 1024 };

struct client {
    char *rest; /* what the kernel has not taken yet, or NULL */
    size_t done, size;
};

static struct client clients[MOST_FDS];
static char buffer[BUFFER_SIZE];
static int epoll;
static bool edge;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(int fd, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    if (epoll_ctl(epoll, operation, fd, &event) < 0) {
        fail("epoll_ctl");
    }
}

static void drop(int fd)
{
    free(clients[fd].rest);
    memset(&clients[fd], 0, sizeof clients[fd]);
    close(fd);
}

static void accept_all(int listener)
{
    const int on = 1;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= MOST_FDS) {
            close(fd);
            continue;
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(fd, EPOLL_CTL_ADD, edge ? EPOLLIN | EPOLLOUT | EPOLLET : EPOLLIN);
    }
}

/* Writes what was kept: true when all of it is gone. */
static bool write_rest(int fd)
{
    struct client *client = &clients[fd];

    while (client->done < client->size) {
        ssize_t count =
            send(fd, client->rest + client->done, client->size - client->done, MSG_NOSIGNAL);
        if (count < 0) {
            if (errno != EAGAIN) {
                drop(fd);
            }
            return false;
        }
        client->done += (size_t)count;
    }
    free(client->rest);
    client->rest = NULL;
    if (!edge) {
        watch(fd, EPOLL_CTL_MOD, EPOLLIN);
    }
    return true;
}

static void keep_rest(int fd, size_t done, size_t size)
{
    struct client *client = &clients[fd];

    client->rest = malloc(size - done);
    if (client->rest == NULL) {
        fail("malloc");
    }
    memcpy(client->rest, buffer + done, size - done);
    client->done = 0;
    client->size = size - done;
    if (!edge) {
        watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
    }
}

/* Reads and writes once: true if there may be more to read. */
static bool echo_once(int fd)
{
    ssize_t count = read(fd, buffer, sizeof buffer);
    ssize_t done;

    if (count <= 0) {
        if (count == 0 || errno != EAGAIN) {
            drop(fd);
        }
        return false;
    }
    done = send(fd, buffer, (size_t)count, MSG_NOSIGNAL);
    if (done == count) {
        return count == BUFFER_SIZE;
    }
    if (done < 0 && errno != EAGAIN) {
        drop(fd);
    } else {
        keep_rest(fd, done < 0 ? 0 : (size_t)done, (size_t)count);
    }
    return false;
}

static void serve(int fd)
{
    if (clients[fd].rest != NULL && !write_rest(fd)) {
        return;
    }
    while (echo_once(fd) && edge) {}
}

static int listen_on(int port)
{
    const int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, SOMAXCONN) < 0) {
        fail("listen");
    }
    return fd;
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS];
    int listener;

    if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "edge") != 0)) {
        fputs("usage: bench_echo_by_hand PORT [edge]\n", stderr);
        return 2;
    }
    edge = argc == 3;
    listener = listen_on(atoi(argv[1]));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) {
        fail("epoll_create1");
    }
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener) {
                accept_all(listener);
            } else {
                serve(events[i].data.fd);
            }
        }
    }
}
