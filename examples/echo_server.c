/*
 * A TCP echo server: sends back what it gets, to any number of clients at once.
 *
 *     echo_server [--host H] [--port P] [--max-clients N] [--idle-timeout SECONDS] [--workers N]
 *
 * Prints "listening on HOST:PORT" when it is ready. On SIGINT or SIGTERM it stops listening,
 * gives its clients a second to finish, and prints what it has served. With --workers, N
 * processes share the port.
 */
#include <eddy.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* What a server has done; a worker sends it to its parent: zeroes when it listens, the totals at
 * its end. */
struct totals {
    uint64_t connections;
    uint64_t bytes;
};

eddy_frame(serve) {
    eddy_coro co;
    const struct options *options;
    struct totals *totals;
    int parent; /* a pipe to it, or -1: there is none */
    eddy_server server;
};

static const uint64_t STOP = EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM);

static void report_ready(const struct serve *self);

static void serve(eddy_coro *co)
{
    eddy_begin(serve);
    self->server.max_clients = self->options->max_clients;
    self->server.idle_timeout = self->options->idle_timeout;
    self->server.reuse_port = self->parent >= 0;
    eddy_await(eddy_signal_watch(eddy_loop_of(co), STOP)); /* before anybody knows of us */
    eddy_await(eddy_serve(co, &self->server, self->options->host, self->options->port, echo,
                          .bytes = &self->totals->bytes));
    report_ready(self);
    eddy_await(eddy_signal_wait(co, STOP));

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

static void say_listening(const char *host, int port)
{
    printf("listening on %s:%d\n", host, port);
    fflush(stdout);
}

static void say_served(const struct totals *totals)
{
    printf("served %" PRIu64 " connections, %" PRIu64 " bytes\n", totals->connections,
           totals->bytes);
}

static int fail(const struct options *options, int64_t error)
{
    fprintf(stderr, "echo_server: %s:%d: %s\n", options->host, options->port, eddy_strerror(error));
    return 1;
}

static void send_totals(int parent, const struct totals *totals)
{
    if (write(parent, totals, sizeof *totals) != (ssize_t)sizeof *totals) {
        fprintf(stderr, "echo_server: a worker cannot reach its parent\n");
    }
}

static void report_ready(const struct serve *self)
{
    static const struct totals none;

    if (self->parent >= 0) {
        send_totals(self->parent, &none);
    } else {
        say_listening(self->options->host, eddy_server_port(&self->server));
    }
}

static int run_alone(const struct options *options)
{
    struct totals totals = {0, 0};
    int64_t result = eddy_run(serve, .options = options, .totals = &totals, .parent = -1);

    if (result < 0) {
        return fail(options, result);
    }
    say_served(&totals);
    return 0;
}

static int run_worker(const struct options *options, int parent)
{
    struct totals totals = {0, 0};
    int64_t result = eddy_run(serve, .options = options, .totals = &totals, .parent = parent);

    if (result < 0) {
        return fail(options, result);
    }
    send_totals(parent, &totals);
    return 0;
}

/* A socket that is bound to the address, or a negated errno; *port is its port. */
static int bind_to(const struct options *options, int option, int *port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)*port)};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    bool is6 = inet_pton(AF_INET6, options->host, &in6.sin6_addr) == 1;
    struct sockaddr *address = is6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in;
    socklen_t size = is6 ? sizeof in6 : sizeof in;
    int fd = socket(is6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;

    (void)inet_pton(AF_INET, options->host, &in.sin_addr);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, option, &on, sizeof on) < 0 ||
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
    int fd = bind_to(options, SO_REUSEADDR, &options->port);

    if (fd < 0) {
        return fd;
    }
    close(fd);
    return bind_to(options, SO_REUSEPORT, &options->port);
}

static void stop_workers(const pid_t *workers, int count)
{
    for (int i = 0; i < count; i++) {
        kill(workers[i], SIGTERM);
    }
}

/* Passes SIGINT and SIGTERM on until all workers have ended; the number of those that failed. */
static int tend_workers(const pid_t *workers, int count, const sigset_t *signals)
{
    int failed = 0;
    int left = count;
    int number = SIGCHLD;

    while (left > 0 && sigwait(signals, &number) == 0) {
        pid_t ended;
        int status;
        if (number != SIGCHLD) {
            stop_workers(workers, count);
        }
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
            left--;
            if (status != 0) { /* one has failed: the others end too */
                failed++;
                stop_workers(workers, count);
            }
        }
    }
    return failed + left;
}

/* Starts the workers; they write to the pipe. Returns how many run. */
static int start_workers(const struct options *options, pid_t *workers, const int pipe_fds[2])
{
    for (int i = 0; i < options->workers; i++) {
        workers[i] = fork();
        if (workers[i] == 0) {
            close(pipe_fds[0]);
            exit(run_worker(options, pipe_fds[1]));
        }
        if (workers[i] < 0) {
            return i;
        }
    }
    return options->workers;
}

static bool read_totals(int fd, struct totals *sum)
{
    struct totals totals;

    if (read(fd, &totals, sizeof totals) != (ssize_t)sizeof totals) {
        return false;
    }
    sum->connections += totals.connections;
    sum->bytes += totals.bytes;
    return true;
}

/* The parent's part: tells that the workers are ready, tends them, and adds up what they have done. */
static int lead_workers(const struct options *options, pid_t *workers, int fds[2])
{
    struct totals sum = {0, 0};
    sigset_t signals;
    int ready = 0;
    int started;
    int failed;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    started = start_workers(options, workers, fds);
    close(fds[1]);
    while (ready < started && read_totals(fds[0], &sum)) {
        ready++;
    }
    if (ready == options->workers) {
        say_listening(options->host, options->port);
    } else {
        stop_workers(workers, started);
    }
    failed = tend_workers(workers, started, &signals);
    while (read_totals(fds[0], &sum)) {}
    close(fds[0]);
    if (failed > 0 || ready < options->workers) {
        return 1;
    }
    say_served(&sum);
    return 0;
}

static int run_workers(struct options *options)
{
    int port = reserve_port(options);
    pid_t *workers;
    int fds[2];
    int status;

    if (port < 0) {
        return fail(options, port);
    }
    workers = calloc((size_t)options->workers, sizeof *workers);
    if (workers == NULL || pipe(fds) < 0) {
        status = fail(options, workers == NULL ? -ENOMEM : -errno);
    } else {
        status = lead_workers(options, workers, fds);
    }
    free(workers);
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

    if (*text == '\0' || *end != '\0' || number < least || number > most) {
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
            (uint32_t)parse_number(value, 1, 100000000, "not a number of clients");
    } else if (strcmp(name, "--idle-timeout") == 0) {
        options->idle_timeout =
            parse_number(value, 1, 1000000000, "not a number of seconds") * EDDY_SECOND;
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
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (max_clients > limit.rlim_max) {
        fprintf(stderr, "echo_server: only %llu open files are allowed: some clients will wait\n",
                (unsigned long long)limit.rlim_max);
    }
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);

    raise_file_limit(options.max_clients);
    return options.workers > 1 ? run_workers(&options) : run_alone(&options);
}
