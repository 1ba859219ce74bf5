/*
 * A sparse file to a client that takes it slowly, by eddy_send_file: what memory that needs, and whether an idle
 * time-out sees it move.
 *
 *     bench_send_file [BYTES]
 *
 * Default: 4 GiB. The client, a process of its own, pauses after each 64 MiB for two thirds of the idle time-out,
 * which is therefore over many times before the end. Prints one line name=value ...; exits 1 if a byte is missing.
 */
#include <eddy.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define IDLE (300 * EDDY_MILLISECOND)

enum { SLICE = 64 * 1024 * 1024, PAUSE_US = 200000, KIB = 1024 };

static int64_t now(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * EDDY_SECOND + time.tv_nsec;
}

/* ---- the client */

static int64_t take_all(int fd)
{
    static char buffer[256 * KIB];
    int64_t total = 0;
    int64_t pause_at = SLICE;
    ssize_t count;

    while ((count = read(fd, buffer, sizeof buffer)) > 0) {
        total += count;
        if (total >= pause_at) {
            usleep(PAUSE_US);
            pause_at += SLICE;
        }
    }
    return total;
}

/* Never returns. */
static void be_client(int port, int64_t size)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 ||
        connect(fd, (const struct sockaddr *)(const void *)&address, sizeof address) < 0) {
        _exit(2);
    }
    _exit(take_all(fd) == size ? 0 : 1);
}

/* ---- the server */

eddy_frame(send_it) {
    eddy_coro co;
    eddy_stream *stream;
    int file;
    int64_t *sent;
};

static void send_it(eddy_coro *co)
{
    eddy_begin(send_it);
    eddy_await(*self->sent, eddy_send_file(co, self->stream, self->file, 0, EDDY_TO_THE_END));
    eddy_end;
}

eddy_frame(serve_one) {
    eddy_coro co;
    eddy_server server;
    int file;
    int64_t size;
    int64_t *sent;
    pid_t client;
};

static void serve_one(eddy_coro *co)
{
    eddy_begin(serve_one);
    self->server.idle_timeout = IDLE;
    eddy_await(eddy_serve(co, &self->server, "127.0.0.1", 0, send_it, .file = self->file,
                          .sent = self->sent));
    self->client = fork();
    if (self->client == 0) {
        be_client(eddy_server_port(&self->server), self->size);
    }
    while (self->server.accepted == 0) {
        eddy_await(eddy_sleep(co, EDDY_MILLISECOND));
    }
    eddy_server_close(&self->server);
    eddy_await(eddy_server_wait_closed(co, &self->server));
    eddy_return(self->client);
eddy_finally:
    eddy_server_close(&self->server);
    eddy_end;
}

static long peak_kib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

int main(int argc, char **argv)
{
    int64_t size = argc > 1 ? strtoll(argv[1], NULL, 10) : INT64_C(4) * KIB * KIB * KIB;
    FILE *file = tmpfile();
    int64_t sent = 0;
    int status = -1;
    int64_t begun;
    long before;
    int64_t client;

    if (file == NULL || ftruncate(fileno(file), (off_t)size) < 0) {
        perror("bench_send_file");
        return 1;
    }
    begun = now(CLOCK_MONOTONIC);
    before = peak_kib();
    client = eddy_run(serve_one, .file = fileno(file), .size = size, .sent = &sent);
    if (client > 0) {
        (void)waitpid((pid_t)client, &status, 0);
    }
    printf("bench=send_file bytes=%" PRId64 " sent=%" PRId64 " seconds=%.1f cpu=%.2f "
           "peak_kib_more=%ld client=%d\n",
           size, sent, (double)(now(CLOCK_MONOTONIC) - begun) / EDDY_SECOND,
           (double)now(CLOCK_PROCESS_CPUTIME_ID) / EDDY_SECOND, peak_kib() - before, status);
    fclose(file);
    return sent == size && status == 0 ? 0 : 1;
}
