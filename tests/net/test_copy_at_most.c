/* stream.h: eddy_copy_at_most. What all copies do the same is in test_copy.c. */
#include "support/children.h"
#include "support/net.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/stream.h"

enum { BIG = 1024 * 1024 };

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

eddy_frame_of(copies, int64_t limit, int64_t rc);

static void copies(eddy_coro *co)
{
    eddy_begin(copies);
    eddy_catch(self->rc, eddy_copy_at_most(co, &from, &to, self->limit, &count));
    testing_log_result("copied", self->rc);
    eddy_end;
}

static eddy_task start(int64_t limit)
{
    return eddy_loop_spawn(testing.loop, copies, .limit = limit);
}

static void finish(eddy_task task)
{
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
}

/* What is left in the source is the next reader's. */
static void assert_left(const char *text)
{
    char left[64] = "";

    (void)recv(eddy_stream_fd(&from), left, sizeof left - 1, MSG_DONTWAIT);
    assert_string_equal(left, text);
}

test(not_a_byte_more_is_taken)
{
    eddy_task task;

    net_send(from_peer, "hello, world");
    finish(start(5));
    testing_assert_log("copied=5");
    net_expect(to_peer, "hello");
    task = start(3);
    net_expect(to_peer, ", w");
    finish(task);
    assert_left("orld");
    testing_assert_log("copied=3");
    assert_int_equal(count, 8);
}

test(it_waits_for_bytes_until_the_limit)
{
    eddy_task task = start(7);

    testing_turns();
    net_send(from_peer, "hel");
    net_expect(to_peer, "hel");
    testing_turns();
    testing_assert_log("");
    net_send(from_peer, "lo, world");
    net_expect(to_peer, "lo, ");
    finish(task);
    testing_assert_log("copied=7");
    assert_left("world");
}

test(an_end_before_the_limit_is_told_by_fewer_bytes)
{
    eddy_task task = start(7);

    net_send(from_peer, "hello");
    assert_int_equal(shutdown(from_peer, SHUT_WR), 0);
    finish(task);
    testing_assert_log("copied=5");
}

test(nothing_is_copied_at_once_and_a_limit_below_that_is_refused)
{
    finish(start(0));
    finish(start(-1));
    testing_assert_log("copied=0 copied=-22"); /* EINVAL */
}

test(a_limit_that_is_never_reached_is_none)
{
    eddy_task task = start(INT64_MAX);

    net_send(from_peer, "hello");
    assert_int_equal(shutdown(from_peer, SHUT_WR), 0);
    finish(task);
    testing_assert_log("copied=5");
}

test(more_than_a_turn_copies_goes_to_a_slow_target)
{
    static unsigned char bytes[BIG];
    size_t sent = 0;
    size_t got = 0;

    net_fill(bytes, 0, BIG);
    start(BIG - 1);
    while (testing.log[0] == '\0') {
        static unsigned char buffer[10000];
        ssize_t size = send(from_peer, bytes + sent, BIG - sent, MSG_DONTWAIT);
        sent += size > 0 ? (size_t)size : 0;
        testing_turns();
        size = recv(to_peer, buffer, sizeof buffer, MSG_DONTWAIT);
        if (size > 0) {
            assert_true(net_matches(buffer, got, (size_t)size));
            got += (size_t)size;
        }
    }
    testing_assert_log("copied=1048575");
    got += net_drain(to_peer);
    assert_int_equal(got, BIG - 1);
    assert_int_equal(count, BIG - 1);
}

test(a_target_that_hangs_up_ends_it_whose_source_is_silent)
{
    start(10);
    testing_turns();
    close(to_peer);
    testing_turns();
    testing_assert_log("copied=-EPIPE");
    to_peer = dup(from_peer);
}

test(a_cancel_takes_effect_at_once_and_leaves_both_to_others)
{
    eddy_task task = start(10);

    net_send(from_peer, "hello");
    testing_turns();
    eddy_cancel(task);
    finish(task);
    testing_assert_log("copied=-ECANCELED");
    assert_int_equal(count, 5);
    task = start(5);
    net_send(from_peer, ", world");
    finish(task);
    testing_assert_log("copied=5");
    net_expect(to_peer, "hello, wor");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        copy_case(not_a_byte_more_is_taken),
        copy_case(it_waits_for_bytes_until_the_limit),
        copy_case(an_end_before_the_limit_is_told_by_fewer_bytes),
        copy_case(nothing_is_copied_at_once_and_a_limit_below_that_is_refused),
        copy_case(a_limit_that_is_never_reached_is_none),
        copy_case(more_than_a_turn_copies_goes_to_a_slow_target),
        copy_case(a_target_that_hangs_up_ends_it_whose_source_is_silent),
        copy_case(a_cancel_takes_effect_at_once_and_leaves_both_to_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
