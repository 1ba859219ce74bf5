/* stream.h: a peer that takes all as fast as it comes does not keep the loop for itself: one step
 * writes so much, and then others get their turn. */
#include "support/stream.h"
#include "support/tasks.h"

#include <limits.h>
#include <sys/mman.h>

#include "eddy/stream.h"

enum { MEBIBYTE = 1 << 20, CALLS = 16, PIECES = 1000 };

static const size_t HUGE_SIZE = (size_t)64 * MEBIBYTE;

/* ---- a kernel that takes at most so much in one call, and always has room */

static size_t takes_at_once;
static size_t taken;     /* since another task had its turn */
static int calls;        /* likewise */
static size_t all_taken; /* since the test began */
static int64_t call_takes;

static void note_turn(void)
{
    assert_true(calls <= CALLS);
    assert_true(taken <= MEBIBYTE);
    calls = 0;
    taken = 0;
}

static ssize_t take(size_t size)
{
    size_t count = size < takes_at_once ? size : takes_at_once;

    calls++;
    taken += count;
    all_taken += count;
    testing.sys.now += call_takes;
    return (ssize_t)count;
}

static ssize_t take_bytes(const struct eddy_sys *sys, int fd, const void *data, size_t size)
{
    (void)sys;
    (void)fd;
    (void)data;
    return take(size);
}

static ssize_t take_pieces(const struct eddy_sys *sys, int fd, struct iovec *pieces, int count)
{
    size_t size = 0;

    (void)sys;
    (void)fd;
    for (int i = 0; i < count; i++) {
        size += pieces[i].iov_len;
    }
    return take(size);
}

static void open_to_who_takes(size_t at_once)
{
    int fds[2];

    eddy_stream_close(&stream);
    close(peer);
    testing.sys.table.send = take_bytes;
    testing.sys.table.sendv = take_pieces;
    testing_reopen_with(EDDY_CLOCK_MANUAL, EDDY_LOOP_CHECK);
    testing_socketpair(fds);
    open_stream(fds);
    takes_at_once = at_once;
    taken = all_taken = 0;
    calls = 0;
    call_takes = 0;
}

/* Never touched, so that it takes no memory. */
static void *huge_new(void)
{
    void *memory =
        mmap(NULL, HUGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_ptr_not_equal(memory, MAP_FAILED);
    return memory;
}

/* ---- tasks */

static bool over;

eddy_frame(takes_turns) {
    eddy_coro co;
    int turns;
};

static void takes_turns(eddy_coro *co)
{
    eddy_begin(takes_turns);
    for (over = false; !over; self->turns++) {
        note_turn();
        eddy_await(eddy_pause(co));
    }
    eddy_return(self->turns);
    eddy_end;
}

eddy_frame(writes_all) {
    eddy_coro co;
    void *data;
    size_t size;
    int64_t limit;
    int64_t n;
};

static void writes_all(eddy_coro *co)
{
    eddy_begin(writes_all);
    eddy_catch(self->n,
               eddy_wait_for(co, self->limit, eddy_write(co, &stream, self->data, self->size)));
    over = true;
    eddy_return(self->n);
    eddy_end;
}

eddy_frame(writes_pieces) {
    eddy_coro co;
    char *data;
    size_t size; /* of each */
    struct iovec pieces[PIECES];
    int64_t n;
};

static void writes_pieces(eddy_coro *co)
{
    eddy_begin(writes_pieces);
    for (int i = 0; i < PIECES; i++) {
        self->pieces[i].iov_base = self->data;
        self->pieces[i].iov_len = self->size;
    }
    eddy_catch(self->n, eddy_writev(co, &stream, self->pieces, PIECES));
    over = true;
    eddy_return(self->n);
    eddy_end;
}

/* Runs the writer of so much to its end, beside another task: how many steps it took. */
static int64_t steps_of(eddy_task writer, size_t size)
{
    eddy_task counter = start(takes_turns);

    assert_int_equal(finish(writer), size);
    assert_int_equal(all_taken, size);
    note_turn();
    return finish(counter) + 1; /* the other had its turn between two of them */
}

test(a_write_makes_sixteen_calls_a_step)
{
    void *data = huge_new();

    open_to_who_takes(65536);
    assert_int_equal(
        steps_of(start(writes_all, .data = data, .size = HUGE_SIZE, .limit = EDDY_FOREVER),
                 HUGE_SIZE),
        64);
    open_to_who_takes(1);
    assert_int_equal(
        steps_of(start(writes_all, .data = data, .size = 1600, .limit = EDDY_FOREVER), 1600), 100);
    munmap(data, HUGE_SIZE);
}

test(a_write_to_who_takes_all_at_once_is_a_mebibyte_a_step)
{
    void *data = huge_new();

    open_to_who_takes(SIZE_MAX);
    assert_int_equal(
        steps_of(start(writes_all, .data = data, .size = HUGE_SIZE, .limit = EDDY_FOREVER),
                 HUGE_SIZE),
        64);
    munmap(data, HUGE_SIZE);
}

test(what_is_not_more_than_that_is_one_call_and_no_turn)
{
    void *data = huge_new();

    open_to_who_takes(SIZE_MAX);
    assert_int_equal(
        finish(start(writes_all, .data = data, .size = MEBIBYTE, .limit = EDDY_FOREVER)), MEBIBYTE);
    assert_int_equal(calls, 1);
    munmap(data, HUGE_SIZE);
}

test(pieces_are_bounded_likewise)
{
    void *data = huge_new();

    open_to_who_takes(16384);
    assert_int_equal(
        steps_of(start(writes_pieces, .data = data, .size = 16384), (size_t)PIECES * 16384),
        (PIECES + CALLS - 1) / CALLS);
    open_to_who_takes(SIZE_MAX);
    assert_int_equal(
        steps_of(start(writes_pieces, .data = data, .size = 65536), (size_t)PIECES * 65536),
        63); /* 62 and a half */
    munmap(data, HUGE_SIZE);
}

eddy_frame(writes_too_much) {
    eddy_coro co;
    struct iovec pieces[2];
};

static void writes_too_much(eddy_coro *co)
{
    eddy_begin(writes_too_much);
    self->pieces[0] = (struct iovec){big, SSIZE_MAX};
    self->pieces[1] = (struct iovec){big, 1};
    eddy_await(eddy_writev(co, &stream, self->pieces, 2));
    eddy_end;
}

test(pieces_of_more_bytes_than_a_result_can_tell_are_invalid)
{
    open_to_who_takes(65536);
    assert_int_equal(finish(start(writes_too_much)), -EINVAL);
    assert_int_equal(all_taken, 0);
}

/* ---- what may come between two steps of one write */

test(a_deadline_strikes_in_the_middle_and_it_is_known_how_much_is_written)
{
    void *data = huge_new();
    eddy_task writer;

    open_to_who_takes(65536);
    writer = start(writes_all, .data = data, .size = HUGE_SIZE, .limit = EDDY_SECOND);
    start(takes_turns);
    for (int turn = 0; turn < 5; turn++) {
        testing_turn();
    }
    eddy_clock_advance(&testing.clock, EDDY_SECOND);
    assert_int_equal(finish(writer), -ETIMEDOUT);
    assert_int_equal(all_taken, 5 * MEBIBYTE);
    assert_int_equal(eddy_stream_written(&stream), all_taken);
    munmap(data, HUGE_SIZE);
}

test(a_cancel_ends_it_in_the_middle)
{
    void *data = huge_new();
    eddy_task writer;

    open_to_who_takes(65536);
    writer = start(writes_all, .data = data, .size = HUGE_SIZE, .limit = EDDY_FOREVER);
    testing_turn();
    testing_turn();
    assert_int_equal(eddy_cancel(writer), 0);
    assert_int_equal(finish(writer), -ECANCELED);
    assert_int_equal(eddy_stream_written(&stream), 2 * MEBIBYTE);
    munmap(data, HUGE_SIZE);
}

test(the_stream_is_closed_in_the_middle)
{
    void *data = huge_new();
    eddy_task writer;

    open_to_who_takes(65536);
    writer = start(writes_all, .data = data, .size = HUGE_SIZE, .limit = EDDY_FOREVER);
    testing_turn();
    eddy_stream_close(&stream);
    assert_int_equal(finish(writer), -EBADF);
    assert_int_equal(all_taken, MEBIBYTE);
    munmap(data, HUGE_SIZE);
}

test(a_poll_with_a_budget_ends_after_the_step_in_which_it_is_over)
{
    void *data = huge_new();
    eddy_task writer;

    open_to_who_takes(65536);
    testing_fake_clock(EDDY_SECOND);
    call_takes = EDDY_MILLISECOND / CALLS;
    writer = start(writes_all, .data = data, .size = HUGE_SIZE, .limit = EDDY_FOREVER);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 5 * EDDY_MILLISECOND), 5);
    assert_int_equal(all_taken, 5 * MEBIBYTE);
    assert_int_equal(eddy_cancel(writer), 0);
    assert_int_equal(finish(writer), -ECANCELED);
    munmap(data, HUGE_SIZE);
}

/* ---- many operations, each of which moves much */

enum { MUCH = 65536, TIMES = 160 };

static ssize_t give_all(const struct eddy_sys *sys, int fd, void *data, size_t size)
{
    if (fd != stream.io.fd) {
        return eddy_sys_default()->read(sys, fd, data, size);
    }
    return take(size);
}

eddy_frame(moves_much) {
    eddy_coro co;
    bool reads;
    int i;
    struct iovec piece;
};

static void moves_much(eddy_coro *co)
{
    eddy_begin(moves_much);
    self->piece = (struct iovec){big, MUCH};
    for (; self->i < TIMES; self->i++) {
        if (self->reads) {
            eddy_await(eddy_read(co, &stream, big, MUCH));
        } else if (self->i % 2 == 0) {
            eddy_await(eddy_write(co, &stream, big, MUCH));
        } else {
            eddy_await(eddy_writev(co, &stream, &self->piece, 1));
        }
    }
    over = true;
    eddy_return(TIMES * MUCH);
    eddy_end;
}

test(a_task_that_moves_much_in_each_await_gives_others_their_turn_as_often)
{
    for (int reads = 0; reads < 2; reads++) {
        testing.sys.table.read = give_all;
        open_to_who_takes(SIZE_MAX);
        testing_poke(peer); /* there is something to read */
        assert_in_range(steps_of(start(moves_much, .reads = reads != 0), TIMES * MUCH), 10, 16);
    }
}

/* ---- copies, whose peer takes less than was read */

eddy_frame(copies) {
    eddy_coro co;
    eddy_stream from;
    int fd;
    uint64_t count;
    int64_t rc;
};

static void copies(eddy_coro *co)
{
    eddy_begin(copies);
    eddy_await(eddy_stream_open(eddy_loop_of(co), &self->from, self->fd));
    eddy_catch(self->rc, eddy_copy(co, &self->from, &stream, &self->count));
    over = true;
    eddy_return(self->rc < 0 ? self->rc : (int64_t)self->count);
eddy_finally:
    eddy_stream_close(&self->from);
    eddy_end;
}

test(a_copy_to_who_takes_a_byte_at_a_time_makes_sixteen_calls_a_step)
{
    enum { SIZE = 1600 };
    int fds[2];

    open_to_who_takes(1);
    testing_socketpair(fds);
    net_fill(big, 0, SIZE);
    assert_int_equal(write(fds[0], big, SIZE), SIZE);
    close(fds[0]);
    assert_in_range(steps_of(start(copies, .fd = fds[1]), SIZE), SIZE / CALLS, SIZE / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stream_case(a_write_makes_sixteen_calls_a_step),
        stream_case(a_write_to_who_takes_all_at_once_is_a_mebibyte_a_step),
        stream_case(what_is_not_more_than_that_is_one_call_and_no_turn),
        stream_case(pieces_are_bounded_likewise),
        stream_case(pieces_of_more_bytes_than_a_result_can_tell_are_invalid),
        stream_case(a_deadline_strikes_in_the_middle_and_it_is_known_how_much_is_written),
        stream_case(a_cancel_ends_it_in_the_middle),
        stream_case(the_stream_is_closed_in_the_middle),
        stream_case(a_poll_with_a_budget_ends_after_the_step_in_which_it_is_over),
        stream_case(a_task_that_moves_much_in_each_await_gives_others_their_turn_as_often),
        stream_case(a_copy_to_who_takes_a_byte_at_a_time_makes_sixteen_calls_a_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
