/* Scenarios of streams that are no sockets: pairs in memory, pipes, one stream over another. */
#include "scenarios.h"

#include <fcntl.h>
#include <unistd.h>

#include "eddy/memory.h"
#include "eddy/reader.h"
#include "eddy/stream.h"
#include "eddy/transport.h"

enum { CAPACITY = 10, PIECE = 25, PIECES = 3 };

/* What goes into `near` comes out of `far`: each byte is the low byte of its offset. */
static eddy_stream near, far, low[2];
static size_t sent, received;

static void open_memory(void)
{
    memset(&near, 0, sizeof near);
    memset(&far, 0, sizeof far);
    sent = received = 0;
    (void)eddy_memory_pair(testing.loop, &near, &far, CAPACITY);
}

static void open_pipe(void)
{
    int fds[2];

    memset(&near, 0, sizeof near);
    memset(&far, 0, sizeof far);
    sent = received = 0;
    scenario_assert(pipe2(fds, O_CLOEXEC) == 0);
    if (eddy_stream_open(testing.loop, &far, fds[0]) < 0) {
        close(fds[0]);
    }
    if (eddy_stream_open(testing.loop, &near, fds[1]) < 0) {
        close(fds[1]);
    }
}

/* ---- over another: with a byte in front of each, so that a piece is not what it seems */

static int64_t pass_read(eddy_transport *transport, void *buffer, size_t size)
{
    return eddy_below_read(transport, buffer, size < 3 ? size : 3);
}

static int64_t pass_write(eddy_transport *transport, const void *data, size_t size)
{
    return eddy_below_write(transport, data, size < 4 ? size : 4);
}

static int pass_shutdown(eddy_transport *transport)
{
    return transport->below != NULL ? eddy_stream_shutdown_write(transport->below) : -EPIPE;
}

static void pass_close(eddy_transport *transport, int fd)
{
    (void)fd;
    if (transport->below != NULL) {
        eddy_stream_close(transport->below);
    }
}

static const struct eddy_transport_kind pass_kind = {
    .name = "pass",
    .read = pass_read,
    .write = pass_write,
    .shutdown_write = pass_shutdown,
    .close = pass_close,
};

static eddy_transport passes[2];

static void open_over(void)
{
    open_memory();
    eddy_stream_close(&near);
    eddy_stream_close(&far);
    memset(low, 0, sizeof low);
    memset(passes, 0, sizeof passes);
    passes[0].kind = passes[1].kind = &pass_kind;
    if (eddy_memory_pair(testing.loop, &low[0], &low[1], CAPACITY) == 0) {
        (void)eddy_stream_open_over(&low[0], &near, &passes[0]);
        (void)eddy_stream_open_over(&low[1], &far, &passes[1]);
    }
}

/* ---- roles */

static void fill(char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        data[i] = (char)(sent + i);
    }
}

static void receive(const char *data, int64_t size)
{
    for (int64_t i = 0; i < size; i++) {
        scenario_assert((unsigned char)data[i] == (unsigned char)received++);
    }
}

eddy_frame(writes) {
    eddy_coro co;
    int id;
    int i;
    int64_t rc;
    char data[PIECE];
};

static void writes(eddy_coro *co)
{
    eddy_begin(writes);
    for (; self->i < PIECES; self->i++) {
        fill(self->data, PIECE);
        eddy_catch(self->rc, eddy_write(co, &near, self->data, PIECE));
        if (self->rc < 0) {
            sent += eddy_stream_is_open(&near) ? eddy_stream_written(&near) : 0;
            eddy_return(self->rc);
        }
        sent += PIECE;
    }
eddy_finally:
    (void)eddy_stream_shutdown_write(&near);
    eddy_end;
}
scenario_role(writes);

/* Makes what it sends when there is room. */
eddy_frame(writes_when_it_may) {
    eddy_coro co;
    int id;
    int64_t rc;
    char data[PIECE];
};

static void writes_when_it_may(eddy_coro *co)
{
    eddy_begin(writes_when_it_may);
    while (sent < (size_t)PIECE * PIECES) {
        eddy_await(eddy_writable(co, &near));
        fill(self->data, PIECE);
        self->rc = eddy_try_write(&near, self->data, PIECE);
        scenario_assert(self->rc > 0 || self->rc == -EAGAIN);
        sent += self->rc > 0 ? (size_t)self->rc : 0;
    }
eddy_finally:
    (void)eddy_stream_shutdown_write(&near);
    eddy_end;
}
scenario_role(writes_when_it_may);

eddy_frame(reads) {
    eddy_coro co;
    int id;
    int64_t count;
    char data[7];
};

static void reads(eddy_coro *co)
{
    eddy_begin(reads);
    do {
        eddy_await(self->count, eddy_read(co, &far, self->data, sizeof self->data));
        receive(self->data, self->count);
    } while (self->count > 0);
    eddy_end;
}
scenario_role(reads);

eddy_frame(reads_when_it_may) {
    eddy_coro co;
    int id;
    int64_t count;
    char data[7];
};

static void reads_when_it_may(eddy_coro *co)
{
    eddy_begin(reads_when_it_may);
    do {
        eddy_await(eddy_readable(co, &far));
        self->count = eddy_try_read(&far, self->data, sizeof self->data);
        scenario_assert(self->count >= 0 || self->count == -EAGAIN);
        receive(self->data, self->count);
    } while (self->count != 0);
    eddy_end;
}
scenario_role(reads_when_it_may);

/* What of a pipe the loop has not heard of yet. */
static void receive_unheard(int fd)
{
    char data[16];
    ssize_t count;

    scenario_assert(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    while ((count = read(fd, data, sizeof data)) > 0) {
        receive(data, count);
    }
}

/* What was sent and not received is still there. */
static void check(void)
{
    char data[16];
    int64_t count;

    while ((count = eddy_try_read(&far, data, sizeof data)) > 0) {
        receive(data, count);
    }
    if (eddy_stream_fd(&far) >= 0) {
        receive_unheard(eddy_stream_fd(&far));
    }
    scenario_assert(received == sent || scenario_lacks_memory());
    eddy_stream_close(&near);
    eddy_stream_close(&far);
    eddy_stream_close(&low[0]);
    eddy_stream_close(&low[1]);
}

const struct scenario transport_scenarios[] = {
    {"memory", open_memory, {play_writes, play_reads}, check},
    {"asked memory", open_memory, {play_writes_when_it_may, play_reads_when_it_may}, check},
    {"pipe", open_pipe, {play_writes, play_reads}, check},
    {"over another", open_over, {play_writes, play_reads_when_it_may}, check},
    {NULL, NULL, {NULL}, NULL},
};
