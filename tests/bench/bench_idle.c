/*
 * What an idle connection costs in memory: N clients have each had a byte echoed, and then say
 * nothing. A child process is the client, so that the limit of open files holds for each side.
 *
 *     bench_idle [N [--server-exe PATH]]          default 10000 connections
 *
 * Without a server it is one of its own, whose loop has a counting allocator: heap_each is what
 * the loop took for each connection, frame the handler's frame in it, and besides_frame the rest;
 * rss_each is the growth of the process. With --server-exe it starts PATH --port 0, which must
 * print "listening on HOST:PORT", and tells the growth of that process alone.
 */
#include <eddy.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_SECONDS = 60 }; /* then the clients give up */

static int64_t rss_bytes(pid_t pid)
{
    char path[64];
    char line[256];
    long kib = -1;
    FILE *status;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    status = fopen(path, "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "VmRSS: %ld", &kib) == 1) {
            break;
        }
    }
    if (status != NULL) {
        fclose(status);
    }
    return (int64_t)kib * 1024;
}

/* ---- the clients: a process */

/* Opens a connection and has a byte echoed; the connection stays. */
static bool open_client(const struct sockaddr_in *address)
{
    char byte = 'x';
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 &&
           write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1 && byte == 'x';
}

/* Reads the server's port, opens the connections, writes how many there are, and keeps them until
 * the other side of the control socket is closed. */
static int be_the_clients(int control, uint32_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    uint32_t opened = 0;
    char end;
    int port;

    alarm(PATIENCE_SECONDS);
    if (read(control, &port, sizeof port) != (ssize_t)sizeof port) {
        return 1;
    }
    address.sin_port = htons((uint16_t)port);
    while (opened < count && open_client(&address)) {
        opened++;
    }
    if (opened < count) {
        perror("bench_idle: a client");
    }
    if (write(control, &opened, sizeof opened) != (ssize_t)sizeof opened) {
        return 1;
    }
    return read(control, &end, 1) == 0 && opened == count ? 0 : 1;
}

/* Starts the clients; *control is this side of their control socket. */
static pid_t start_clients(int *control, uint32_t count)
{
    int pair[2];
    pid_t child;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        return -1;
    }
    child = fork();
    if (child == 0) {
        close(pair[0]);
        _exit(be_the_clients(pair[1], count));
    }
    close(pair[1]);
    *control = pair[0];
    return child;
}

static bool ended_well(pid_t child)
{
    int status;

    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- the server inside */

struct heap {
    int64_t bytes; /* that the loop has now */
    int64_t calls;
};

static void *count_and_allocate(void *user, void *memory, size_t old_size, size_t new_size)
{
    struct heap *heap = user;
    void *result = NULL;

    if (new_size == 0) {
        free(memory);
    } else {
        result = realloc(memory, new_size);
    }
    if (new_size == 0 || result != NULL) {
        heap->bytes += (int64_t)new_size - (int64_t)old_size;
        heap->calls++;
    }
    return result;
}

eddy_frame(echo) {
    eddy_coro co;
    eddy_stream *stream;
};

static void echo(eddy_coro *co)
{
    static char buffer[4096]; /* nobody else runs between reading and writing */
    int64_t count;

    eddy_begin(echo);
    do {
        eddy_await(eddy_readable(co, self->stream));
        count = eddy_try_read(self->stream, buffer, sizeof buffer);
        if (count > 0 && eddy_try_write(self->stream, buffer, (size_t)count) != count) {
            eddy_return(-EIO);
        }
    } while (count > 0 || count == -EAGAIN);
    eddy_end;
}

struct growth {
    struct heap heap;
    int64_t heap_bytes;
    int64_t rss_bytes;
};

eddy_frame(measure) {
    eddy_coro co;
    struct growth *growth;
    uint32_t clients;
    int control_fd;
    int port;
    uint32_t opened;
    eddy_stream control;
    eddy_server server;
};

static void measure(eddy_coro *co)
{
    eddy_begin(measure);
    eddy_await(eddy_stream_open(eddy_loop_of(co), &self->control, self->control_fd));
    eddy_await(eddy_serve(co, &self->server, "127.0.0.1", 0, echo));
    self->port = eddy_server_port(&self->server);
    self->growth->heap_bytes = self->growth->heap.bytes;
    self->growth->rss_bytes = rss_bytes(getpid());
    eddy_await(eddy_write(co, &self->control, &self->port, sizeof self->port));
    eddy_await(eddy_read(co, &self->control, &self->opened, sizeof self->opened));
    self->growth->heap_bytes = self->growth->heap.bytes - self->growth->heap_bytes;
    self->growth->rss_bytes = rss_bytes(getpid()) - self->growth->rss_bytes;
    if (self->opened != self->clients || self->server.active != self->clients) {
        eddy_return(-ECONNABORTED);
    }
eddy_finally:
    eddy_stream_close(&self->control); /* the clients go */
    eddy_server_close(&self->server);
    eddy_await(eddy_server_wait_closed(co, &self->server));
    eddy_end;
}

static int64_t run_inside(uint32_t count, int control)
{
    struct growth growth = {{0, 0}, 0, 0};
    struct eddy_loop_options options = {.allocate = count_and_allocate,
                                        .allocate_user = &growth.heap};
    int64_t result = eddy_run_with(&options, measure, .growth = &growth, .clients = count,
                                   .control_fd = control);
    double heap_each = (double)growth.heap_bytes / count;

    if (result == 0) {
        printf("impl=eddy bench=idle n=%" PRIu32 " heap_each=%.1f frame=%zu besides_frame=%.1f "
               "rss_each=%.1f\n",
               count, heap_each, sizeof(struct echo), heap_each - (double)sizeof(struct echo),
               (double)growth.rss_bytes / count);
    }
    return result;
}

/* ---- a server that is another program */

/* Starts it; its port, or a negated errno. */
static int start_server(const char *path, pid_t *server)
{
    int fds[2];
    FILE *output;
    int port = 0;

    if (pipe(fds) < 0) {
        return -errno;
    }
    *server = fork();
    if (*server == 0) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        execl(path, path, "--port", "0", (char *)NULL);
        perror(path);
        _exit(127);
    }
    close(fds[1]);
    output = fdopen(fds[0], "r");
    if (output == NULL || fscanf(output, "listening on %*[^:]:%d", &port) != 1) {
        port = -ECHILD;
    }
    /* the pipe stays open: the server may print more */
    return port;
}

static int64_t run_outside(uint32_t count, int control, const char *path)
{
    pid_t server = -1;
    uint32_t opened = 0;
    int port = start_server(path, &server);
    int64_t before = rss_bytes(server);
    int64_t result = port;

    if (port > 0) {
        result = write(control, &port, sizeof port) == (ssize_t)sizeof port &&
                         read(control, &opened, sizeof opened) == (ssize_t)sizeof opened &&
                         opened == count
                     ? 0
                     : -ECONNABORTED;
    }
    if (result == 0) {
        printf("bench=idle n=%" PRIu32 " rss_each=%.1f rss_kb=%" PRId64 "\n", count,
               (double)(rss_bytes(server) - before) / count, rss_bytes(server) / 1024);
    }
    close(control); /* the clients go */
    if (server > 0) {
        kill(server, SIGTERM);
        waitpid(server, NULL, 0);
    }
    return result;
}

/* ---- the command line */

/* Whether each side may have so many connections: without room for all, both would wait. */
static bool raise_file_limit(uint32_t count)
{
    enum { OTHERS = 16 }; /* standard streams, listener, what the loop has for itself */
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return false;
    }
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 && (uint64_t)count + OTHERS <= limit.rlim_max;
}

int main(int argc, char **argv)
{
    uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 10000;
    const char *path = argc == 4 && strcmp(argv[2], "--server-exe") == 0 ? argv[3] : NULL;
    int64_t result;
    int control;
    pid_t clients;
    bool good;

    if (count == 0 || (argc > 2 && path == NULL)) {
        fprintf(stderr, "usage: bench_idle [N [--server-exe PATH]]\n");
        return 2;
    }
    if (!raise_file_limit(count)) {
        fprintf(stderr, "bench_idle: fewer open files are allowed than N and some more\n");
        return 1;
    }
    clients = start_clients(&control, count);
    if (clients < 0) {
        perror("bench_idle");
        return 1;
    }
    result = path != NULL ? run_outside(count, control, path) : run_inside(count, control);
    good = ended_well(clients);
    if (result < 0) {
        fprintf(stderr, "bench_idle: %s\n", eddy_strerror(result));
    }
    return result == 0 && good ? 0 : 1;
}
