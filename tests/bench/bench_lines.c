/*
 * What a line of 64 bytes costs, and an answer to it, on a pipe or a pair of sockets that the program itself fills:
 * what it has to read is all written by the time that it waits.
 *
 *     bench_lines pair [ROUNDS]                     eddy and libuv in turn, pipe and socket; medians
 *     bench_lines eddy|uv pipe|socket LINES BATCH   one of them, for callgrind
 *     bench_lines writer|write LINES BATCH          answers: by an eddy_writer, or a write for each
 *
 * BATCH lines are written at once: 1 is a dialogue, 16 is pipelined. Both cut lines out of a buffer of 4 KiB: eddy in a
 * coroutine with a reader, libuv in a callback with memchr(3) and what is left moved to the front. Prints
 * one line name=value ... a result. Without libuv only eddy is measured.
 */
#include <eddy.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef BENCH_UV
#include <uv.h>
#endif

enum { LINE = 64, BUFFER = 4096, MOST_BATCH = 32, PAIR_LINES = 200000 };

struct source {
    int fd;
    uint64_t left; /* lines that are not written yet */
    uint64_t batch;
    uint64_t due; /* lines that are written and not read yet */
};

static char lines[LINE * MOST_BATCH];

static void must(bool true_)
{
    if (!true_) {
        fprintf(stderr, "bench_lines: a system call failed\n");
        exit(1);
    }
}

static int64_t cpu_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * EDDY_SECOND + time.tv_nsec;
}

/* A line was read: when all are, the next ones come, or the end. */
static void next(struct source *source)
{
    if (--source->due > 0) {
        return;
    }
    if (source->left == 0) {
        if (shutdown(source->fd, SHUT_WR) < 0) { /* a pipe */
            close(source->fd);
            source->fd = -1;
        }
        return;
    }
    source->due = source->batch < source->left ? source->batch : source->left;
    source->left -= source->due;
    must(write(source->fd, lines, LINE * (size_t)source->due) == (ssize_t)(LINE * source->due));
}

static void close_source(const struct source *source)
{
    if (source->fd >= 0) {
        close(source->fd);
    }
}

/* Two ends, the first to be read; the first lines are in it. */
static int open_source(struct source *source, bool sockets, uint64_t count, uint64_t batch)
{
    int fds[2];

    must((sockets ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) : pipe(fds)) == 0);
    *source = (struct source){.fd = fds[1], .left = count, .batch = batch, .due = 1};
    next(source);
    return fds[0];
}

/* ---- eddy */

enum answer { NONE, BY_WRITER, BY_WRITE };

eddy_frame(cut_lines) {
    eddy_coro co;
    struct source *source;
    int fd;
    enum answer answer;
    int64_t length;
    eddy_stream stream;
    eddy_reader in;
    eddy_writer out;
    char buffer[BUFFER];
};

/* The answers are read as soon as all of a batch are there. */
static void take_answers(const struct source *source)
{
    static char answers[sizeof lines];

    if (source->due == 1) {
        while (recv(source->fd, answers, sizeof answers, MSG_DONTWAIT) > 0) {}
    }
}

static void cut_lines(eddy_coro *co)
{
    eddy_begin(cut_lines);
    eddy_await(eddy_stream_open(eddy_loop_of(co), &self->stream, self->fd));
    eddy_reader_init(&self->in, &self->stream, self->buffer, sizeof self->buffer);
    eddy_await(eddy_writer_open(&self->out, &self->stream, NULL));
    for (;;) {
        eddy_await(self->length, eddy_read_line(co, &self->in, sizeof self->buffer));
        if (self->length == 0) {
            break;
        }
        if (self->answer == BY_WRITER) {
            eddy_await(eddy_writer_put(&self->out, self->in.line, (size_t)self->length));
            eddy_await(eddy_writer_drain(co, &self->out));
        } else if (self->answer == BY_WRITE) {
            eddy_await(eddy_write(co, &self->stream, self->in.line, (size_t)self->length));
        }
        if (self->answer != NONE) {
            take_answers(self->source);
        }
        next(self->source);
    }
    eddy_await(eddy_writer_close(co, &self->out));
eddy_finally:
    eddy_writer_drop(&self->out);
    eddy_stream_close(&self->stream);
    eddy_end;
}

static int64_t by_eddy(bool sockets, uint64_t count, uint64_t batch, enum answer answer)
{
    struct source source;
    eddy_loop *loop;
    eddy_task task;
    int64_t begun;

    must(eddy_loop_new(&loop, NULL) == 0);
    task = eddy_loop_spawn(loop, cut_lines, .source = &source, .answer = answer,
                           .fd = open_source(&source, sockets, count, batch));
    begun = cpu_now();
    must(eddy_loop_run_until(loop, task) == 0);
    begun = cpu_now() - begun;
    must(eddy_loop_free(loop) == 0);
    close_source(&source);
    return begun;
}

/* ---- libuv */

#ifdef BENCH_UV

struct cutter {
    uv_pipe_t pipe; /* first */
    struct source source;
    size_t size; /* of what is left of the last read */
    char buffer[BUFFER];
};

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct cutter *cutter = (struct cutter *)(void *)handle;

    (void)suggested;
    *room = uv_buf_init(cutter->buffer + cutter->size, (unsigned)(BUFFER - cutter->size));
}

static void cut(uv_stream_t *stream, ssize_t count, const uv_buf_t *room)
{
    struct cutter *cutter = (struct cutter *)(void *)stream;
    const char *begin = cutter->buffer;
    const char *end = cutter->buffer + cutter->size + (count > 0 ? count : 0);
    const char *found;

    (void)room;
    if (count < 0) {
        uv_close((uv_handle_t *)stream, NULL);
        return;
    }
    while ((found = memchr(begin, '\n', (size_t)(end - begin))) != NULL) {
        begin = found + 1;
        next(&cutter->source);
    }
    cutter->size = (size_t)(end - begin);
    memmove(cutter->buffer, begin, cutter->size);
}

static int64_t by_uv(bool sockets, uint64_t count, uint64_t batch)
{
    static struct cutter cutter;
    uv_loop_t loop;
    int64_t begun;

    memset(&cutter, 0, sizeof cutter);
    must(uv_loop_init(&loop) == 0 && uv_pipe_init(&loop, &cutter.pipe, 0) == 0);
    must(uv_pipe_open(&cutter.pipe, open_source(&cutter.source, sockets, count, batch)) == 0);
    must(uv_read_start((uv_stream_t *)&cutter.pipe, give_room, cut) == 0);
    begun = cpu_now();
    must(uv_run(&loop, UV_RUN_DEFAULT) == 0);
    begun = cpu_now() - begun;
    must(uv_loop_close(&loop) == 0);
    close_source(&cutter.source);
    return begun;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static void pair(bool sockets, uint64_t batch, size_t rounds)
{
    double *ratios = calloc(rounds, sizeof *ratios);
    double *ns = calloc(rounds, sizeof *ns);

    must(ratios != NULL && ns != NULL);
    for (size_t i = 0; i < rounds; i++) {
        int64_t uv = i % 2 == 0 ? by_uv(sockets, PAIR_LINES, batch) : 0;
        int64_t eddy = by_eddy(sockets, PAIR_LINES, batch, NONE);
        uv = i % 2 == 0 ? uv : by_uv(sockets, PAIR_LINES, batch);
        ratios[i] = (double)eddy / (double)uv;
        ns[i] = (double)eddy / PAIR_LINES;
    }
    qsort(ratios, rounds, sizeof *ratios, compare_doubles);
    qsort(ns, rounds, sizeof *ns, compare_doubles);
    printf("bench=lines on=%s batch=%" PRIu64 " rounds=%zu eddy_ns=%.0f ratio_to_uv=%.2f "
           "least=%.2f most=%.2f\n",
           sockets ? "socket" : "pipe", batch, rounds, ns[rounds / 2], ratios[rounds / 2],
           ratios[0], ratios[rounds - 1]);
    free(ratios);
    free(ns);
}

#else

static int64_t by_uv(bool sockets, uint64_t count, uint64_t batch)
{
    (void)sockets;
    (void)count;
    (void)batch;
    fprintf(stderr, "bench_lines: built without libuv\n");
    exit(2);
}

static void pair(bool sockets, uint64_t batch, size_t rounds)
{
    for (size_t i = 0; i < rounds; i++) {
        printf("bench=lines on=%s batch=%" PRIu64 " eddy_ns=%.0f\n", sockets ? "socket" : "pipe",
               batch, (double)by_eddy(sockets, PAIR_LINES, batch, NONE) / PAIR_LINES);
    }
}

#endif

/* ---- */

static void usage(void)
{
    fprintf(stderr, "usage: bench_lines pair [ROUNDS] | eddy|uv pipe|socket LINES BATCH | "
                    "writer|write LINES BATCH\n");
    exit(2);
}

static void pairs(size_t rounds)
{
    for (int sockets = 0; sockets < 2; sockets++) {
        pair(sockets != 0, 1, rounds);
        pair(sockets != 0, 16, rounds);
    }
}

static uint64_t number(const char *text, uint64_t most)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    if (*end != '\0' || value == 0 || value > most) {
        usage();
    }
    return value;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    bool answers = strcmp(what, "writer") == 0 || strcmp(what, "write") == 0;
    uint64_t count = 0;
    uint64_t batch = 0;
    int64_t took;

    for (size_t i = 0; i < sizeof lines; i++) {
        lines[i] = i % LINE == LINE - 1 ? '\n' : 'x';
    }
    if (strcmp(what, "pair") == 0 && argc <= 3) {
        pairs(argc > 2 ? (size_t)number(argv[2], 1000) : 11);
        return 0;
    }
    if (argc != (answers ? 4 : 5)) {
        usage();
    }
    count = number(argv[argc - 2], UINT64_MAX);
    batch = number(argv[argc - 1], MOST_BATCH);
    if (answers) {
        took = by_eddy(true, count, batch, strcmp(what, "writer") == 0 ? BY_WRITER : BY_WRITE);
    } else if (strcmp(what, "eddy") == 0) {
        took = by_eddy(strcmp(argv[2], "socket") == 0, count, batch, NONE);
    } else if (strcmp(what, "uv") == 0) {
        took = by_uv(strcmp(argv[2], "socket") == 0, count, batch);
    } else {
        usage();
        return 2;
    }
    printf("bench=lines impl=%s batch=%" PRIu64 " n=%" PRIu64 " cpu_ns=%.0f\n", what, batch, count,
           (double)took / (double)count);
    return 0;
}
