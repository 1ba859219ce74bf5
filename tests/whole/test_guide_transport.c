/* What docs/guide.md says of pipes, memory and transports: its programs, as they stand there. */
#include "support/net.h"
#include "support/tasks.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <eddy.h>
#include <eddy/check_transport.h>

/* ---- standard input and output */

/* Puts each line of one fd into brackets on another, such as 0 and 1. */
eddy_frame(brackets) {
    eddy_coro co;
    int from, to;
    eddy_stream in, out;
    eddy_reader reader;
    size_t length;
    struct iovec pieces[3];
    char buffer[1024];
};

static void brackets(eddy_coro *co)
{
    eddy_begin(brackets);
    eddy_await(eddy_stream_open(eddy_loop_of(co), &self->in, self->from));
    eddy_await(eddy_stream_open(eddy_loop_of(co), &self->out, self->to));
    eddy_reader_init(&self->reader, &self->in, self->buffer, sizeof self->buffer);
    for (;;) {
        eddy_await(self->length, eddy_read_line(co, &self->reader, sizeof self->buffer));
        if (self->length == 0) {
            eddy_return(0);
        }
        self->length = eddy_line_strip(self->reader.line, self->length);
        self->pieces[0] = (struct iovec){"[", 1};
        self->pieces[1] = (struct iovec){self->reader.line, self->length};
        self->pieces[2] = (struct iovec){"]\n", 2};
        eddy_await(eddy_writev(co, &self->out, self->pieces, 3));
    }
eddy_finally:
    eddy_stream_close(&self->in);
    eddy_stream_close(&self->out);
    eddy_end;
}

test(lines_of_a_pipe_get_brackets)
{
    int before[2];
    int after[2];
    char text[64] = "";

    assert_int_equal(pipe2(before, O_CLOEXEC), 0);
    assert_int_equal(pipe2(after, O_CLOEXEC), 0);
    assert_int_equal(write(before[1], "one\ntwo", 7), 7);
    close(before[1]);
    assert_int_equal(
        eddy_loop_run_until(testing.loop, eddy_loop_spawn(testing.loop, brackets, .from = before[0],
                                                          .to = after[1])),
        0);
    assert_int_equal(read(after[0], text, sizeof text), 12);
    assert_string_equal(text, "[one]\n[two]\n");
    close(after[0]);
}

/* ---- memory */

eddy_frame(asks_in_memory) {
    eddy_coro co;
    eddy_stream near, far;
    int count;
    char answer[16];
};

static void asks_in_memory(eddy_coro *co)
{
    eddy_begin(asks_in_memory);
    eddy_await(eddy_memory_pair(eddy_loop_of(co), &self->near, &self->far, 4096));
    eddy_await(eddy_write(co, &self->near, "question", 8));
    eddy_await(eddy_stream_shutdown_write(&self->near));
    eddy_await(self->count, eddy_read(co, &self->far, self->answer, sizeof self->answer));
    eddy_return(self->count);
eddy_finally:
    eddy_stream_close(&self->near);
    eddy_stream_close(&self->far);
    eddy_end;
}

test(a_pair_in_memory_needs_no_kernel)
{
    assert_int_equal(
        eddy_loop_run_until(testing.loop, eddy_loop_spawn(testing.loop, asks_in_memory)), 8);
    assert_int_equal(eddy_loop_now(testing.loop), 0);
}

/* ---- a transport of one's own */

/* A stream over another that counts what goes each way. */
struct counted {
    eddy_transport transport; /* first: it is what the functions get */
    eddy_stream stream;       /* to be read and written */
    uint64_t came, went;
};

static int64_t counted_read(eddy_transport *transport, void *buffer, size_t size)
{
    struct counted *self = (struct counted *)(void *)transport;
    int64_t count = eddy_below_read(transport, buffer, size);

    self->came += count > 0 ? (uint64_t)count : 0;
    return count;
}

static int64_t counted_write(eddy_transport *transport, const void *data, size_t size)
{
    struct counted *self = (struct counted *)(void *)transport;
    int64_t count = eddy_below_write(transport, data, size);

    self->went += count > 0 ? (uint64_t)count : 0;
    return count;
}

static int counted_shutdown_write(eddy_transport *transport)
{
    return transport->below != NULL ? eddy_stream_shutdown_write(transport->below) : -EPIPE;
}

static void counted_close(eddy_transport *transport, int fd)
{
    (void)fd; /* it has none */
    if (transport->below != NULL) {
        eddy_stream_close(transport->below);
    }
}

static const struct eddy_transport_kind counted_kind = {
    .name = "counted",
    .read = counted_read,
    .write = counted_write,
    .shutdown_write = counted_shutdown_write,
    .close = counted_close,
};

static int counted_open(struct counted *self, eddy_stream *below)
{
    self->transport.kind = &counted_kind;
    return eddy_stream_open_over(below, &self->stream, &self->transport);
}

/* ---- its test */

static eddy_stream below[2];
static struct counted ends[2];

static int open_counted(eddy_loop *loop, eddy_stream *one, eddy_stream *other, void *user)
{
    int result = eddy_memory_pair(loop, &below[0], &below[1], 100);

    (void)user;
    memset(ends, 0, sizeof ends);
    ends[0].transport.kind = ends[1].transport.kind = &counted_kind;
    if (result == 0) {
        result = eddy_stream_open_over(&below[0], one, &ends[0].transport);
    }
    return result < 0 ? result : eddy_stream_open_over(&below[1], other, &ends[1].transport);
}

static const struct eddy_transport_pair counted_pair = {.name = "counted", .open = open_counted};

eddy_frame_of(checks_counted);

static void checks_counted(eddy_coro *co)
{
    eddy_begin(checks_counted);
    eddy_await(eddy_check_transport(co, &counted_pair));
    eddy_end;
}

test(it_passes_the_test_of_transports)
{
    assert_int_equal(
        eddy_loop_run_until(testing.loop, eddy_loop_spawn(testing.loop, checks_counted)), 0);
}

eddy_frame(counts) {
    eddy_coro co;
    eddy_stream near, far;
    struct counted counted;
    int count;
    char buffer[16];
};

static void counts(eddy_coro *co)
{
    eddy_begin(counts);
    eddy_await(eddy_memory_pair(eddy_loop_of(co), &self->near, &self->far, 100));
    eddy_await(counted_open(&self->counted, &self->near));
    eddy_await(eddy_write(co, &self->counted.stream, "question", 8));
    eddy_await(self->count, eddy_read(co, &self->far, self->buffer, sizeof self->buffer));
    eddy_await(eddy_write(co, &self->far, "yes", 3));
    eddy_await(self->count,
               eddy_read(co, &self->counted.stream, self->buffer, sizeof self->buffer));
    testing_log("%d went, %d came", (int)self->counted.went, (int)self->counted.came);
eddy_finally:
    eddy_stream_close(&self->counted.stream);
    eddy_stream_close(&self->near);
    eddy_stream_close(&self->far);
    eddy_end;
}

test(it_counts_what_goes_each_way)
{
    assert_int_equal(eddy_loop_run_until(testing.loop, eddy_loop_spawn(testing.loop, counts)), 0);
    testing_assert_log("8 went, 3 came");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(lines_of_a_pipe_get_brackets),
        testing_case(a_pair_in_memory_needs_no_kernel),
        testing_case(it_counts_what_goes_each_way),
        testing_case(it_passes_the_test_of_transports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
