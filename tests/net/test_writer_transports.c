/* writer.h: writers on every kind of stream, and what the dump tells of who waits for them. */
#include "support/children.h"
#include "support/net.h"
#include "support/tasks.h"
#include "support/text.h"

#include <sys/socket.h>
#include <unistd.h>

#include "eddy/memory.h"
#include "eddy/reader.h"
#include "eddy/writer.h"

enum { PIECE = 777, PIECES = 300, TOTAL = PIECE * PIECES };

static eddy_stream ends[2]; /* what is written into the first comes out of the second */

static void open_pipe(size_t unused)
{
    int fds[2];

    (void)unused;
    testing_pipe(fds);
    assert_int_equal(eddy_stream_open(testing.loop, &ends[0], fds[1]), 0);
    assert_int_equal(eddy_stream_open(testing.loop, &ends[1], fds[0]), 0);
}

static void open_sockets(size_t unused)
{
    int fds[2];

    (void)unused;
    testing_socketpair(fds);
    for (int i = 0; i < 2; i++) {
        net_small_send_buffer(fds[i]);
        assert_int_equal(eddy_stream_open(testing.loop, &ends[i], fds[i]), 0);
    }
}

static void open_tcp(size_t unused)
{
    int fds[2];

    (void)unused;
    net_tcp_pair(fds);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(eddy_stream_open(testing.loop, &ends[i], fds[i]), 0);
    }
}

static void open_memory(size_t capacity)
{
    assert_int_equal(eddy_memory_pair(testing.loop, &ends[0], &ends[1], capacity), 0);
}

eddy_frame(puts_all) {
    eddy_coro co;
    eddy_writer out;
    int i;
    unsigned char piece[PIECE];
};

static void puts_all(eddy_coro *co)
{
    static const struct eddy_writer_options options = {
        .flush_at = 1000, .high = 3000, .low = 1000, .limit = 5000};

    eddy_begin(puts_all);
    eddy_with_writer(&self->out, &ends[0], &options) {
        for (; self->i < PIECES; self->i++) {
            net_fill(self->piece, (size_t)self->i * PIECE, PIECE);
            eddy_await(eddy_writer_write(co, &self->out, self->piece, PIECE));
            if (self->i % 10 == 0) {
                eddy_await(eddy_writer_drain(co, &self->out));
            }
        }
    }
    eddy_stream_close(&ends[0]);
    eddy_end;
}

eddy_frame(takes_all) {
    eddy_coro co;
    eddy_reader in;
    size_t got;
    int64_t count;
    unsigned char piece[1000];
};

static void takes_all(eddy_coro *co)
{
    eddy_begin(takes_all);
    eddy_with_reader(&self->in, &ends[1], 5000) {
        do {
            eddy_await(self->count,
                       eddy_reader_read(co, &self->in, self->piece, sizeof self->piece));
            assert_true(net_matches(self->piece, self->got, (size_t)self->count));
            self->got += (size_t)self->count;
        } while (self->count > 0);
    }
    eddy_return((int64_t)self->got);
    eddy_end;
}

test(a_writer_works_on_every_kind_of_stream)
{
    static const struct {
        void (*open)(size_t size);
        size_t size;
    } kinds[] = {
        {open_pipe, 0},   {open_sockets, 0},   {open_tcp, 0},
        {open_memory, 1}, {open_memory, 1000}, {open_memory, 1000000},
    };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        eddy_task putter;
        memset(ends, 0, sizeof ends);
        kinds[i].open(kinds[i].size);
        putter = start(puts_all);
        assert_int_equal(run(takes_all), TOTAL);
        assert_int_equal(finish(putter), 0);
        eddy_stream_close(&ends[1]);
    }
}

/* ---- who waits */

enum deed { DRAINS, FLUSHES, WRITES, CLOSES };

static eddy_writer writer;

eddy_frame_of(waits, enum deed deed);

static void waits(eddy_coro *co)
{
    static const char bytes[2000];

    eddy_begin(waits);
    if (self->deed == DRAINS) {
        eddy_await(eddy_writer_drain(co, &writer));
    } else if (self->deed == FLUSHES) {
        eddy_await(eddy_writer_flush(co, &writer));
    } else if (self->deed == WRITES) {
        eddy_await(eddy_writer_write(co, &writer, bytes, 5));
    } else {
        eddy_await(eddy_writer_close(co, &writer));
    }
    eddy_end;
}

static void open_full(void)
{
    static const struct eddy_writer_options options = {.high = 10, .limit = 2000};
    static const char bytes[2000];

    memset(ends, 0, sizeof ends);
    memset(&writer, 0, sizeof writer);
    open_memory(7);
    assert_int_equal(eddy_writer_open(&writer, &ends[0], &options), 0);
    assert_int_equal(eddy_writer_put(&writer, bytes, 2000), 0);
    testing_turns(); /* the memory has taken what it may */
    assert_int_equal(eddy_writer_buffered(&writer), 1993);
    assert_int_equal(eddy_writer_put(&writer, bytes, 7), 0);
}

test(who_waits_for_a_writer_is_told_with_how_much)
{
    eddy_task tasks[4];

    open_full();
    for (int deed = DRAINS; deed <= CLOSES; deed++) {
        tasks[deed] = start(waits, .deed = (enum deed)deed);
    }
    testing_turns();
    assert_dumped("unread by the other end, 2000 bytes wait, to drain\n");
    assert_dumped("unread by the other end, 2000 bytes wait, to flush\n");
    assert_dumped("unread by the other end, 2000 bytes wait, to put 5 more\n");
    assert_dumped("unread by the other end, 2000 bytes wait, to close\n");
    eddy_writer_drop(&writer);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(finish(tasks[i]), -EBADF);
    }
    eddy_stream_close(&ends[0]);
    eddy_stream_close(&ends[1]);
}

test(a_drain_that_nobody_can_end_is_told_as_a_deadlock)
{
    eddy_task task;

    open_full();
    task = start(waits, .deed = DRAINS);
    assert_int_equal(finish(task), -EDEADLK);
    assert_told(-EDEADLK, "deadlock: 1 task waits");
    eddy_cancel(task);
    testing_turns();
    assert_int_equal(finish(task), -ECANCELED);
    eddy_writer_drop(&writer);
    eddy_stream_close(&ends[0]);
    eddy_stream_close(&ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_writer_works_on_every_kind_of_stream),
        testing_case(who_waits_for_a_writer_is_told_with_how_much),
        testing_case(a_drain_that_nobody_can_end_is_told_as_a_deadlock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
