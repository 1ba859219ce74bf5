/* stream.h: copying a stream to another. How it bears bad days is in test_bad_clients.c and
 * test_torture.c. */
#include "support/children.h"
#include "support/net.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/callback.h"
#include "eddy/stream.h"

enum { BIG = 1024 * 1024 };

/* Two streams, and the other ends of both. */
static eddy_stream from;
static eddy_stream to;
static int from_peer;
static int to_peer;
static uint64_t count;

static void open_stream(eddy_stream *stream, int *peer)
{
    int fds[2];

    testing_socketpair(fds);
    memset(stream, 0, sizeof *stream);
    assert_int_equal(eddy_stream_open(testing.loop, stream, fds[0]), 0);
    *peer = fds[1];
}

static int setup(void **state)
{
    int result = testing_setup(state);

    open_stream(&from, &from_peer);
    open_stream(&to, &to_peer);
    count = 0;
    return result;
}

static int teardown(void **state)
{
    eddy_stream_close(&from);
    eddy_stream_close(&to);
    close(from_peer);
    close(to_peer);
    return testing_teardown(state);
}

#define copy_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

eddy_frame(copies) {
    eddy_coro co;
    uint64_t *count;
};

static void copies(eddy_coro *co)
{
    eddy_begin(copies);
    eddy_await(eddy_copy(co, &from, &to, self->count));
    eddy_end;
}

static eddy_task start_copy(void)
{
    return eddy_loop_spawn(testing.loop, copies, .count = &count);
}

static int64_t finish(eddy_task task)
{
    return eddy_loop_run_until(testing.loop, task);
}

test(what_one_brings_goes_to_the_other_until_its_end)
{
    eddy_task task = start_copy();

    net_send(from_peer, "hello");
    net_expect(to_peer, "hello");
    net_send(from_peer, ", world");
    net_expect(to_peer, ", world");
    assert_int_equal(count, 12);
    assert_int_equal(shutdown(from_peer, SHUT_WR), 0);
    assert_int_equal(finish(task), 0);
    assert_true(eddy_stream_is_open(&to)); /* also for writing */
    assert_int_equal(eddy_try_write(&to, "!", 1), 1);
    net_expect(to_peer, "!");
}

test(an_end_that_is_there_already_is_the_end)
{
    net_send(from_peer, "hello");
    assert_int_equal(shutdown(from_peer, SHUT_WR), 0);
    assert_int_equal(testing_run_task(copies, .count = NULL), 0);
    net_expect(to_peer, "hello");
}

static void log_count(eddy_callback *callback)
{
    (void)callback;
    testing_log("%d", (int)count);
}

/* Two bytes arrive, and a callback that was ready before looks how many were copied. */
static void copy_during_poll(int64_t budget)
{
    static eddy_callback callback;

    net_send(from_peer, "hi");
    eddy_callback_start(testing.loop, &callback, log_count);
    assert_true(eddy_loop_poll_once(testing.loop, 0, budget) > 0);
    net_expect(to_peer, "hi");
}

test(bytes_are_copied_when_the_loop_hears_of_them_but_in_a_poll_with_a_budget_in_their_turn)
{
    eddy_task task = start_copy();

    testing_turns();
    copy_during_poll(0);
    testing_assert_log("2");
    copy_during_poll(EDDY_SECOND);
    testing_assert_log("2");
    assert_int_equal(count, 4);
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
}

test(one_that_takes_no_more_stops_the_other)
{
    static const char block[4096];
    eddy_task task = start_copy();
    size_t sent = 0;
    size_t got = 0;
    ssize_t moved = 1;

    while (moved > 0) {
        moved = send(from_peer, block, sizeof block, MSG_DONTWAIT);
        sent += moved > 0 ? (size_t)moved : 0;
        moved = testing_turns() > 0 ? 1 : moved;
    }
    assert_true(sent < BIG); /* what two sockets and one rest hold */
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(shutdown(from_peer, SHUT_WR), 0);
    while (got < sent) {
        got += net_drain(to_peer);
        testing_turns();
    }
    assert_int_equal(finish(task), 0);
    assert_int_equal(got, sent);
    assert_int_equal(count, sent);
}

static int sends; /* how often the kernel takes two bytes more */

static ssize_t send_two_bytes(const struct eddy_sys *sys, int fd, const void *data, size_t size)
{
    (void)sys;
    return sends-- > 0 ? send(fd, data, size < 2 ? size : 2, MSG_NOSIGNAL) : -EAGAIN;
}

test(the_counter_tells_what_was_written_of_a_piece_that_was_not_taken_whole)
{
    eddy_task task;

    testing.sys.table.send = send_two_bytes;
    sends = 2;
    task = start_copy();
    net_send(from_peer, "hello");
    net_expect(to_peer, "hell");
    assert_int_equal(count, 4);
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    assert_int_equal(count, 4);
}

eddy_frame(sends_later) {
    eddy_coro co;
    int64_t at;
};

static void sends_later(eddy_coro *co)
{
    eddy_begin(sends_later);
    eddy_await(eddy_sleep(co, self->at));
    net_send(from_peer, "x");
    eddy_end;
}

eddy_frame(takes_later) {
    eddy_coro co;
    int64_t at;
};

static void takes_later(eddy_coro *co)
{
    eddy_begin(takes_later);
    eddy_await(eddy_sleep(co, self->at));
    net_expect(to_peer, "xx");
    eddy_end;
}

test(bytes_that_are_copied_put_the_idle_time_outs_of_both_off)
{
    struct eddy_idle idle[2] = {{.timeout = 0}, {.timeout = 0}};
    eddy_task task = start_copy();

    assert_int_equal(eddy_stream_idle_timeout(&from, &idle[0], 100 * MS), 0);
    assert_int_equal(eddy_stream_idle_timeout(&to, &idle[1], 90 * MS), 0);
    eddy_detach(eddy_loop_spawn(testing.loop, sends_later, .at = 70 * MS));
    eddy_detach(eddy_loop_spawn(testing.loop, sends_later, .at = 150 * MS));
    eddy_detach(eddy_loop_spawn(testing.loop, takes_later, .at = 200 * MS));
    assert_int_equal(finish(task), -ETIMEDOUT);
    assert_int_equal(testing.clock.now, 240 * MS);
    assert_true(eddy_stream_is_open(&from));
    testing_run();
    assert_int_equal(testing.clock.now, 250 * MS);
    assert_false(eddy_stream_is_open(&from));
}

test(closing_either_ends_it)
{
    eddy_task task = start_copy();

    testing_turns();
    eddy_stream_close(&to);
    assert_int_equal(finish(task), -EBADF);
    close(to_peer);
    open_stream(&to, &to_peer);
    task = start_copy();
    testing_turns();
    eddy_stream_close(&from);
    assert_int_equal(finish(task), -EBADF);
    close(from_peer);
    open_stream(&from, &from_peer);
    assert_int_equal(eddy_try_write(&to, "x", 1), 1); /* the streams are free again */
}

test(a_receiver_that_is_gone_is_epipe)
{
    eddy_task task = start_copy();

    testing_turns();
    assert_int_equal(shutdown(to_peer, SHUT_RD), 0);
    net_send(from_peer, "hello");
    assert_int_equal(finish(task), -EPIPE);
    assert_int_equal(count, 0);
}

test(a_cancel_takes_effect_at_once_and_leaves_both_to_others)
{
    eddy_task task = start_copy();
    char buffer[8];

    net_send(from_peer, "hello");
    net_expect(to_peer, "hello");
    assert_int_equal(testing_run_and_cancel(task, MS), -ECANCELED);
    net_send(from_peer, "later");
    testing_turns();
    assert_int_equal(eddy_try_read(&from, buffer, sizeof buffer), 5);
    assert_int_equal(eddy_try_write(&to, "x", 1), 1);
    assert_int_equal(count, 5);
}

test(nobody_else_reads_the_one_or_writes_the_other)
{
    eddy_task task = start_copy();
    char byte;

    testing_turns();
    assert_int_equal(eddy_try_read(&from, &byte, 1), -EBUSY);
    assert_int_equal(eddy_try_write(&to, "x", 1), -EBUSY);
    assert_int_equal(testing_run_task(copies), -EBUSY);
    assert_int_equal(eddy_try_write(&from, "x", 1), 1); /* the other directions are free */
    net_send(to_peer, "y");
    testing_turns();
    assert_int_equal(eddy_try_read(&to, &byte, 1), 1);
    assert_int_equal(shutdown(from_peer, SHUT_WR), 0);
    assert_int_equal(finish(task), 0);
}

test(streams_that_are_not_open_are_refused)
{
    eddy_stream_close(&to);
    assert_int_equal(testing_run_task(copies), -EBADF);
    eddy_stream_close(&from);
    assert_int_equal(testing_run_task(copies), -EBADF);
}

test(memory_that_fails_is_enomem_and_frees_both)
{
    bool failed = true;

    for (unsigned k = 1; failed; k++) {
        eddy_task task = start_copy();
        int64_t result;
        testing_fail_allocations_from(k);
        net_send(from_peer, "hello");
        testing_turns();
        failed = testing.memory.calls >= testing.memory.fail_at;
        testing_fail_allocation(0);
        if (!failed) {
            assert_int_equal(shutdown(from_peer, SHUT_WR), 0);
        }
        result = finish(task);
        assert_int_equal(result, failed ? -ENOMEM : 0);
        assert_int_equal(eddy_try_write(&to, "x", 1), 1);
    }
}

test(a_target_that_hangs_up_ends_a_copy_whose_source_is_silent)
{
    eddy_task task = start_copy();

    testing_turns();
    close(to_peer);
    assert_int_equal(finish(task), -EPIPE);
    to_peer = dup(from_peer);
}

test(a_target_that_has_hung_up_before_ends_a_copy_at_once)
{
    close(to_peer);
    testing_turns();
    assert_int_equal(finish(start_copy()), -EPIPE);
    to_peer = dup(from_peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        copy_case(what_one_brings_goes_to_the_other_until_its_end),
        copy_case(a_target_that_hangs_up_ends_a_copy_whose_source_is_silent),
        copy_case(a_target_that_has_hung_up_before_ends_a_copy_at_once),
        copy_case(an_end_that_is_there_already_is_the_end),
        copy_case(
            bytes_are_copied_when_the_loop_hears_of_them_but_in_a_poll_with_a_budget_in_their_turn),
        copy_case(one_that_takes_no_more_stops_the_other),
        copy_case(the_counter_tells_what_was_written_of_a_piece_that_was_not_taken_whole),
        copy_case(bytes_that_are_copied_put_the_idle_time_outs_of_both_off),
        copy_case(closing_either_ends_it),
        copy_case(a_receiver_that_is_gone_is_epipe),
        copy_case(a_cancel_takes_effect_at_once_and_leaves_both_to_others),
        copy_case(nobody_else_reads_the_one_or_writes_the_other),
        copy_case(streams_that_are_not_open_are_refused),
        copy_case(memory_that_fails_is_enomem_and_frees_both),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
