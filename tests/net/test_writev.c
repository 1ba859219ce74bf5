/* stream.h: eddy_writev, several pieces in a row. */
#include "support/children.h"
#include "support/net.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/stream.h"

enum { MEBIBYTE = 1 << 20, MOST = 1024 };

/* One end is the loop's stream, the other a plain fd of the test's. */
static eddy_stream stream;
static int peer;

static int setup(void **state)
{
    int result = testing_setup(state);
    int fds[2];

    testing_socketpair(fds);
    memset(&stream, 0, sizeof stream);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    peer = fds[1];
    return result;
}

static int teardown(void **state)
{
    eddy_stream_close(&stream);
    close(peer);
    return testing_teardown(state);
}

#define writev_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- pieces: in memory of their own, so that a read past the array or a piece is seen */

/* Pieces of these sizes, filled with the pattern from one to the next. */
static struct iovec *pieces_new(const size_t *sizes, size_t count)
{
    struct iovec *pieces = malloc(count * sizeof *pieces);
    size_t offset = 0;

    assert_non_null(pieces);
    for (size_t i = 0; i < count; i++) {
        pieces[i].iov_len = sizes[i];
        pieces[i].iov_base = sizes[i] > 0 ? malloc(sizes[i]) : NULL;
        assert_true(sizes[i] == 0 || pieces[i].iov_base != NULL);
        net_fill(pieces[i].iov_base, offset, sizes[i]);
        offset += sizes[i];
    }
    return pieces;
}

static void pieces_free(struct iovec *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(pieces[i].iov_base);
    }
    free(pieces);
}

eddy_frame(writes) {
    eddy_coro co;
    const struct iovec *pieces;
    int count;
    int64_t rc;
};

static void writes(eddy_coro *co)
{
    eddy_begin(writes);
    eddy_catch(self->rc, eddy_writev(co, &stream, self->pieces, self->count));
    eddy_return(self->rc);
    eddy_end;
}

/* What there is now must go on with the pattern; how much it was. */
static size_t take(size_t offset, size_t most)
{
    static unsigned char buffer[50000];
    ssize_t count = recv(peer, buffer, most < sizeof buffer ? most : sizeof buffer, MSG_DONTWAIT);

    if (count <= 0) {
        return 0;
    }
    assert_true(net_matches(buffer, offset, (size_t)count));
    return (size_t)count;
}

/* Takes slices of at most that size, and lets the loop run after each. */
static void take_slowly(size_t total, size_t slice)
{
    size_t got = 0;
    size_t count;

    while ((count = take(got, slice)) > 0) {
        got += count;
        testing_turns();
    }
    assert_int_equal(got, total);
}

static void assert_written(const size_t *sizes, size_t count, size_t slice)
{
    struct iovec *pieces = pieces_new(sizes, count);
    size_t total = 0;
    eddy_task task = eddy_loop_spawn(testing.loop, writes, .pieces = pieces, .count = (int)count);

    for (size_t i = 0; i < count; i++) {
        total += sizes[i];
    }
    testing_turns();
    take_slowly(total, slice);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), total);
    assert_int_equal(eddy_stream_written(&stream), total);
    pieces_free(pieces, count);
}

/* ---- cases */

test(small_pieces_go_in_one_call)
{
    const size_t sizes[] = {5, 1, 7};

    assert_written(sizes, 3, 100);
    assert_int_equal(testing_calls(sendv), 1);
}

test(a_write_that_goes_on_ends_with_the_array)
{
    const size_t sizes[] = {MEBIBYTE, MEBIBYTE};

    assert_written(sizes, 2, 50000);
    assert_true(testing_calls(sendv) > 2); /* it had to wait */
}

test(empty_pieces_are_passed_over)
{
    const size_t small[] = {0, 3, 0, 0, 4, 0};
    const size_t big[] = {0, MEBIBYTE, 0, 1, 0, MEBIBYTE, 0};

    assert_written(small, 6, 100);
    assert_written(big, 7, 50000);
}

test(nothing_but_empty_pieces_is_done_at_once)
{
    const size_t sizes[] = {0, 0, 0};

    assert_written(sizes, 3, 100);
    assert_written(sizes, 0, 100);
    assert_int_equal(testing_calls(sendv), 0);
}

test(more_pieces_than_go_in_one_call)
{
    size_t sizes[200];

    for (size_t i = 0; i < 200; i++) {
        sizes[i] = i % 7; /* some of them empty */
    }
    assert_written(sizes, 200, 50000);
    assert_int_equal(testing_calls(sendv), 3); /* 171 that are not empty */
}

test(more_big_pieces_than_go_in_one_call)
{
    size_t sizes[130];

    for (size_t i = 0; i < 130; i++) {
        sizes[i] = 10007 + i;
    }
    assert_written(sizes, 130, 30011);
}

test(a_piece_is_cut_at_any_byte)
{
    size_t sizes[100];

    net_small_send_buffer(eddy_stream_fd(&stream));
    for (size_t i = 0; i < 100; i++) {
        sizes[i] = 1 + i * 13 % 997;
    }
    assert_written(sizes, 100, 101);
}

test(at_most_1024_pieces)
{
    size_t sizes[MOST];
    struct iovec *pieces;

    for (size_t i = 0; i < MOST; i++) {
        sizes[i] = 1;
    }
    assert_written(sizes, MOST, 50000);
    assert_int_equal(testing_calls(sendv), MOST / 64);
    pieces = pieces_new(sizes, 1);
    assert_int_equal(testing_run_task(writes, .pieces = pieces, .count = MOST + 1), -EINVAL);
    assert_int_equal(testing_run_task(writes, .pieces = pieces, .count = -1), -EINVAL);
    assert_int_equal(testing_calls(sendv), MOST / 64);
    pieces_free(pieces, 1);
}

test(a_cancelled_write_tells_exactly_what_the_kernel_has)
{
    const size_t sizes[] = {100, MEBIBYTE, MEBIBYTE};
    struct iovec *pieces = pieces_new(sizes, 3);
    eddy_task task = eddy_loop_spawn(testing.loop, writes, .pieces = pieces, .count = 3);
    size_t written;
    size_t got = 0;
    size_t count;

    testing_turns();
    got += take(got, 50000);
    got += take(got, 50000);
    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -ECANCELED);
    written = eddy_stream_written(&stream);
    pieces_free(pieces, 3); /* nobody looks at them any more */
    assert_in_range(written, 100001, 2 * MEBIBYTE + 99);
    while ((count = take(got, 50000)) > 0) {
        got += count;
        testing_turns();
    }
    assert_int_equal(got, written);
    assert_int_equal(eddy_stream_written(&stream), written);
}

eddy_frame(takes) {
    eddy_coro co;
    int64_t at;
};

/* At that time the peer takes what there is. */
static void takes(eddy_coro *co)
{
    eddy_begin(takes);
    eddy_await(eddy_sleep(co, self->at));
    assert_true(net_drain(peer) > 0);
    eddy_end;
}

test(bytes_that_are_written_put_an_idle_time_out_off)
{
    const size_t sizes[] = {MEBIBYTE, MEBIBYTE};
    struct iovec *pieces = pieces_new(sizes, 2);
    struct eddy_idle idle = {.timeout = 0};
    eddy_task task = eddy_loop_spawn(testing.loop, writes, .pieces = pieces, .count = 2);

    assert_int_equal(eddy_stream_idle_timeout(&stream, &idle, 100 * MS), 0);
    eddy_detach(eddy_loop_spawn(testing.loop, takes, .at = 70 * MS));
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -ETIMEDOUT);
    assert_int_equal(testing.clock.now, 170 * MS);
    pieces_free(pieces, 2);
}

test(a_peer_that_is_gone_is_epipe)
{
    const size_t sizes[] = {MEBIBYTE, MEBIBYTE};
    struct iovec *pieces = pieces_new(sizes, 2);
    eddy_task task = eddy_loop_spawn(testing.loop, writes, .pieces = pieces, .count = 2);
    size_t written;

    testing_turns();
    written = eddy_stream_written(&stream);
    assert_true(written > 0);
    close(peer);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -EPIPE);
    assert_int_equal(eddy_stream_written(&stream), written);
    pieces_free(pieces, 2);
    peer = dup(eddy_stream_fd(&stream)); /* for the teardown */
}

test(one_task_writes_at_a_time)
{
    const size_t sizes[] = {MEBIBYTE, MEBIBYTE};
    struct iovec *pieces = pieces_new(sizes, 2);
    eddy_task task = eddy_loop_spawn(testing.loop, writes, .pieces = pieces, .count = 2);

    testing_turns();
    assert_int_equal(testing_run_task(writes, .pieces = pieces, .count = 2), -EBUSY);
    assert_int_equal(eddy_try_write(&stream, "x", 1), -EBUSY);
    take_slowly(2 * MEBIBYTE, 50000);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 2 * MEBIBYTE);
    pieces_free(pieces, 2);
}

test(closing_wakes_the_writer)
{
    const size_t sizes[] = {MEBIBYTE, MEBIBYTE};
    struct iovec *pieces = pieces_new(sizes, 2);
    eddy_task task = eddy_loop_spawn(testing.loop, writes, .pieces = pieces, .count = 2);

    testing_turns();
    eddy_stream_close(&stream);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -EBADF);
    assert_int_equal(testing_run_task(writes, .pieces = pieces, .count = 2), -EBADF);
    pieces_free(pieces, 2);
}

/* ---- what must not lie on the C stack: by the time it is written, the stack is another's */

enum { THE_ARRAY, A_PIECE };

eddy_frame(writes_from_the_stack) {
    eddy_coro co;
    int what;
};

static char much[MEBIBYTE];

static void writes_from_the_stack(eddy_coro *co)
{
    static char still[1];
    static struct iovec kept[2];
    struct iovec local[2];
    char byte = 'x';

    eddy_begin(writes_from_the_stack);
    kept[0] = (struct iovec){much, sizeof much}; /* more than the kernel takes at once */
    kept[1] = (struct iovec){self->what == A_PIECE ? &byte : still, 1};
    local[0] = kept[0];
    local[1] = kept[1];
    eddy_await(eddy_writev(co, &stream, self->what == THE_ARRAY ? local : kept, 2));
    eddy_end;
}

/* In a child that would wait for ever if nothing were found. */
static void run_for_ten_seconds(void *argument)
{
    (void)argument;
    alarm(10);
    (void)eddy_loop_run(testing.loop);
}

test(pieces_and_their_array_on_the_stack_abort)
{
    for (int what = THE_ARRAY; what <= A_PIECE; what++) {
        eddy_task task = eddy_loop_spawn(testing.loop, writes_from_the_stack, .what = what);
        testing_expect_abort(run_for_ten_seconds, NULL, "with a pointer to a local variable");
        eddy_cancel(task);
        testing_turns();
        assert_int_equal(eddy_loop_run_until(testing.loop, task), -ECANCELED);
    }
}

test(an_interrupted_call_is_made_again)
{
    const size_t sizes[] = {3, 4};

    testing_fail(sendv, 1, -EINTR);
    assert_written(sizes, 2, 100);
    assert_int_equal(testing_calls(sendv), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        writev_case(small_pieces_go_in_one_call),
        writev_case(a_write_that_goes_on_ends_with_the_array),
        writev_case(empty_pieces_are_passed_over),
        writev_case(nothing_but_empty_pieces_is_done_at_once),
        writev_case(more_pieces_than_go_in_one_call),
        writev_case(more_big_pieces_than_go_in_one_call),
        writev_case(a_piece_is_cut_at_any_byte),
        writev_case(at_most_1024_pieces),
        writev_case(a_cancelled_write_tells_exactly_what_the_kernel_has),
        writev_case(bytes_that_are_written_put_an_idle_time_out_off),
        writev_case(a_peer_that_is_gone_is_epipe),
        writev_case(one_task_writes_at_a_time),
        writev_case(closing_wakes_the_writer),
        writev_case(pieces_and_their_array_on_the_stack_abort),
        writev_case(an_interrupted_call_is_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
