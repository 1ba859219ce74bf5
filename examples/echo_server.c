/*
 * A TCP echo server: sends back what it gets, to any number of clients at once.
 *
 *     echo_server [--host H] [--port P] [--max-clients N] [--idle-timeout SECONDS] [--workers N]
 *
 * Prints "listening on HOST:PORT" when it is ready. On SIGINT or SIGTERM it stops listening,
 * gives its clients a second to finish, and prints what it has served. On SIGUSR1 it prints what
 * each of its tasks waits for. With --workers, N processes share the port and its clients;
 * --max-clients is for each of them. Started with sockets (systemd.socket(5)), it serves on those.
 */
#include <eddy.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_FDS = 8 };

struct options {
    const char *host;
    int port;
    uint32_t max_clients;
    int64_t idle_timeout;
    int workers;
};

/* ---- the server: one coroutine a client */

eddy_frame(echo) {
    eddy_coro co;
    eddy_stream *stream; /* the client: set by eddy_serve */
    uint64_t *bytes;     /* echoed to all clients so far */
};

static void echo(eddy_coro *co)
{
    eddy_begin(echo);
    eddy_await(eddy_copy(co, self->stream, self->stream, self->bytes));
    eddy_end;
}

/* What a server has done. */
struct totals {
    uint64_t connections;
    uint64_t bytes;
};

eddy_frame(serve) {
    eddy_coro co;
    const struct options *options;
    struct totals *totals;
    int parent; /* a worker's: a pipe to its parent, who waits for a byte; else -1 */
    eddy_server server;
    int fds[MOST_FDS]; /* with which it was started */
    int count;
    int signal;
    int64_t rc;
};

static const uint64_t SIGNALS = EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM) | EDDY_SIGNAL(SIGUSR1);

static int report_ready(const struct serve *self);

static void serve(eddy_coro *co)
{
    eddy_begin(serve);
    self->server.max_clients = self->options->max_clients;
    self->server.idle_timeout = self->options->idle_timeout;
    self->server.reuse_port = self->parent >= 0;
    eddy_await(eddy_signal_watch(eddy_loop_of(co), SIGNALS)); /* before anybody knows of us */
    eddy_await(self->count, eddy_listen_fds(eddy_loop_of(co), NULL, self->fds, MOST_FDS));
    eddy_catch(self->rc, self->count > 0 ? eddy_serve_fds(co, &self->server, self->fds, self->count,
                                                          echo, .bytes = &self->totals->bytes)
                                         : eddy_serve(co, &self->server, self->options->host,
                                                      self->options->port, echo,
                                                      .bytes = &self->totals->bytes));
    if (self->rc < 0) {
        eddy_fail(co, self->rc, "%s:%d", self->options->host, self->options->port);
    }
    eddy_await(report_ready(self));
    eddy_await(self->signal, eddy_signal_wait(co, SIGNALS));
    while (self->signal == SIGUSR1) {
        eddy_loop_dump(eddy_loop_of(co), stderr);
        eddy_await(self->signal, eddy_signal_wait(co, SIGNALS));
    }

    eddy_server_close(&self->server);
    eddy_except(-ETIMEDOUT,
                eddy_wait_for(co, EDDY_SECOND, eddy_server_wait_closed(co, &self->server))) {
        fprintf(stderr, "echo_server: cut off clients that did not finish\n");
    }
eddy_finally:
    eddy_server_close(&self->server);
    eddy_await(eddy_server_wait_closed(co, &self->server));
    self->totals->connections = self->server.accepted;
    eddy_end;
}

/* ---- processes */

/* One line on standard error, and the exit status. */
static int fail(const struct options *options, int64_t error)
{
    fprintf(stderr, "echo_server: %s:%d: %s\n", options->host, options->port, eddy_strerror(error));
    return 1;
}

static int say_listening(const char *host, int port)
{
    return printf("listening on %s:%d\n", host, port) < 0 || fflush(stdout) != 0 ? -errno : 0;
}

static int say_served(const struct options *options, const struct totals *totals)
{
    if (printf("served %" PRIu64 " connections, %" PRIu64 " bytes\n", totals->connections,
               totals->bytes) < 0 ||
        fflush(stdout) != 0) {
        return fail(options, -errno);
    }
    return 0;
}

static int report_ready(const struct serve *self)
{
    int error;

    if (self->parent < 0) {
        return say_listening(self->options->host, eddy_server_port(&self->server));
    }
    error = write(self->parent, "", 1) == 1 ? 0 : -errno;
    close(self->parent);
    return error;
}

/* Serves in this process; the exit status. */
static int run_server(const struct options *options, struct totals *totals, int parent)
{
    int64_t result = eddy_run(serve, .options = options, .totals = totals, .parent = parent);

    return result < 0 ? 1 : 0; /* the error was told */
}

static int run_alone(const struct options *options)
{
    struct totals totals = {0, 0};
    int status = run_server(options, &totals, -1);

    return status == 0 ? say_served(options, &totals) : status;
}

/* A socket that is bound to the address, or a negated errno; *port is its port. */
static int bind_to(const struct options *options, bool share, int *port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)*port)};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    bool is6 = inet_pton(AF_INET6, options->host, &in6.sin6_addr) == 1;
    struct sockaddr *address = is6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in;
    socklen_t size = is6 ? sizeof in6 : sizeof in;
    int fd = socket(is6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;

    (void)inet_pton(AF_INET, options->host, &in.sin_addr);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0) ||
        bind(fd, address, size) < 0 || getsockname(fd, address, &size) < 0) {
        int error = -errno;
        if (fd >= 0) {
            close(fd);
        }
        return error;
    }
    *port = ntohs(is6 ? in6.sin6_port : in.sin_port);
    return fd;
}

/* Finds out whether the port is free, without sharing it, and then keeps it for the workers to
 * share. */
static int reserve_port(struct options *options)
{
    int fd = bind_to(options, false, &options->port);

    if (fd < 0) {
        return fd;
    }
    close(fd);
    return bind_to(options, true, &options->port);
}

struct worker {
    pid_t pid;
    struct totals totals; /* shared with the worker, who sets them at its end */
};

static int run_worker(const struct options *options, struct worker *worker, pid_t parent, int pipe)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* a parent that is killed leaves none behind */
    if (getppid() != parent) {        /* also if that was before */
        return 1;
    }
    return run_server(options, &worker->totals, pipe);
}

/* Starts a worker, and waits until it listens: false, and that is told, if it does not. */
static bool start_worker(const struct options *options, struct worker *worker)
{
    int fds[2];
    char byte;
    bool ready;
    pid_t parent = getpid();
    pid_t pid; /* in the worker it is 0: not to be seen by the parent */

    if (pipe(fds) < 0) {
        fail(options, -errno);
        return false;
    }
    pid = fork();
    if (pid == 0) {
        close(fds[0]);
        exit(run_worker(options, worker, parent, fds[1]));
    }
    if (pid < 0) {
        fail(options, -errno);
    }
    worker->pid = pid;
    close(fds[1]);
    ready = pid > 0 && read(fds[0], &byte, 1) == 1; /* a worker that ends, ends the pipe */
    close(fds[0]);
    return ready;
}

static void signal_workers(const struct worker *workers, int count, int number)
{
    for (int i = 0; i < count; i++) {
        if (workers[i].pid > 0) {
            kill(workers[i].pid, number);
        }
    }
}

static void stop_workers(const struct worker *workers, int count)
{
    signal_workers(workers, count, SIGTERM);
}

/* Passes SIGINT, SIGTERM and SIGUSR1 on until all workers have ended; whether all have ended well. */
static bool tend_workers(const struct worker *workers, int count, const sigset_t *signals)
{
    bool good = true;
    int number;
    int status;

    for (;;) {
        pid_t ended;
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
            if (status != 0) { /* one has failed: the others end too */
                good = false;
                stop_workers(workers, count);
            }
        }
        if (ended < 0) {
            return good; /* there is none any more */
        }
        if (sigwait(signals, &number) == 0 && number != SIGCHLD) {
            signal_workers(workers, count, number == SIGUSR1 ? SIGUSR1 : SIGTERM);
        }
    }
}

/* The parent's part: tells that the workers are ready, tends them, and adds up what they did. */
static int lead_workers(const struct options *options, struct worker *workers)
{
    struct totals sum = {0, 0};
    sigset_t signals;
    int started = 0;
    int error;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    while (started < options->workers && start_worker(options, &workers[started])) {
        started++;
    }
    error = started == options->workers ? say_listening(options->host, options->port) : 0;
    if (error < 0) {
        fail(options, error);
    }
    if (error < 0 || started < options->workers) {
        stop_workers(workers, options->workers);
    }
    if (!tend_workers(workers, options->workers, &signals) || error < 0 ||
        started < options->workers) {
        return 1;
    }
    for (int i = 0; i < started; i++) {
        sum.connections += workers[i].totals.connections;
        sum.bytes += workers[i].totals.bytes;
    }
    return say_served(options, &sum);
}

static int run_workers(struct options *options)
{
    size_t size = (size_t)options->workers * sizeof(struct worker);
    int port = reserve_port(options);
    struct worker *workers;
    int status;

    if (port < 0) {
        return fail(options, port);
    }
    workers = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (workers == MAP_FAILED) {
        status = fail(options, -errno);
    } else {
        status = lead_workers(options, workers);
        munmap(workers, size);
    }
    close(port);
    return status;
}

/* ---- the command line */

static void usage_error(const char *what, const char *argument)
{
    fprintf(stderr,
            "echo_server: %s: %s (usage: echo_server [--host H] [--port P] [--max-clients N] "
            "[--idle-timeout SECONDS] [--workers N])\n",
            what, argument);
    exit(2);
}

static long parse_number(const char *text, long least, long most, const char *what)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || number < least || number > most) {
        usage_error(what, text);
    }
    return number;
}

static const char *parse_host(const char *text)
{
    char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, text, address) != 1 && inet_pton(AF_INET6, text, address) != 1) {
        usage_error("not a numeric address", text);
    }
    return text;
}

static void parse_option(struct options *options, const char *name, const char *value)
{
    if (strcmp(name, "--host") == 0) {
        options->host = parse_host(value);
    } else if (strcmp(name, "--port") == 0) {
        options->port = (int)parse_number(value, 0, 65535, "not a port between 0 and 65535");
    } else if (strcmp(name, "--max-clients") == 0) {
        options->max_clients =
            (uint32_t)parse_number(value, 1, 100000000, "not a number of clients up to 100000000");
    } else if (strcmp(name, "--idle-timeout") == 0) {
        options->idle_timeout =
            parse_number(value, 1, 1000000000, "not a number of seconds up to 1000000000") *
            EDDY_SECOND;
    } else {
        options->workers = (int)parse_number(value, 1, 1024, "not a number of workers up to 1024");
    }
}

static struct options parse(int argc, char **argv)
{
    static const char *const names[] = {"--host", "--port", "--max-clients", "--idle-timeout",
                                        "--workers"};
    struct options options = {.host = "127.0.0.1", .port = 8888, .workers = 1};

    for (int i = 1; i < argc; i += 2) {
        size_t known = 0;
        while (known < sizeof names / sizeof *names && strcmp(argv[i], names[known]) != 0) {
            known++;
        }
        if (known == sizeof names / sizeof *names) {
            usage_error("unknown option", argv[i]);
        }
        if (i + 1 == argc) {
            usage_error("missing value of", argv[i]);
        }
        parse_option(&options, argv[i], argv[i + 1]);
    }
    return options;
}

/* As many open files as the system allows; says so if that is not enough. */
static void raise_file_limit(uint32_t max_clients)
{
    enum { OTHERS = 8 }; /* standard streams, listener, what the loop has for itself */
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (max_clients > 0 && (uint64_t)max_clients + OTHERS > limit.rlim_max) {
        fprintf(stderr,
                "echo_server: --max-clients %" PRIu32
                ": only %llu open files are allowed, further clients will wait\n",
                max_clients, (unsigned long long)limit.rlim_max);
    }
}

/* Opens the standard streams that are closed, or else a socket would get such a number, and with
 * it the lines that are printed. For reading only, so that to print is still an error. */
static void occupy_standard_streams(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDONLY);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);

    occupy_standard_streams();
    raise_file_limit(options.max_clients);
    return options.workers > 1 ? run_workers(&options) : run_alone(&options);
}
