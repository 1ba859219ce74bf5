/* loop.h: how long it waits, and what time it is. */
#include "support/loop.h"

/* ---- how long it waits: real time */

test(a_poll_waits_for_the_next_deadline)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    start_timer(&timer, 1500000);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("timer@1500000");
    assert_int_equal(testing_calls(epoll_pwait2), 1);
    assert_int_equal(testing.sys.nanoseconds, 1500000);
}

test(a_poll_waits_no_longer_than_it_is_allowed_to)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    start_timer(&timer, EDDY_SECOND);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 7, 0), 0);
    assert_int_equal(testing.sys.nanoseconds, 7);
    assert_int_equal(testing.sys.now, 7);
    eddy_timer_stop(&timer);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 9, 0), 0);
    assert_int_equal(testing.sys.nanoseconds, 9);
}

test(a_poll_that_may_not_wait_does_not)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    start_watched();
    start_timer(&timer, EDDY_SECOND);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 0), 0);
    assert_int_equal(testing.sys.now, 0);
    assert_int_equal(testing.sys.milliseconds, 0);
    assert_int_equal(testing_calls(epoll_pwait2), 0);
    eddy_timer_stop(&timer);
    stop_watched();
}

test(with_nothing_but_an_fd_a_poll_waits_for_ever)
{
    real_time_loop(0);
    start_watched();
    testing.sys.on_wait = poke_watched;
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    assert_int_equal(testing.sys.milliseconds, -1);
    testing_assert_log("io");
    stop_watched();
}

test(a_deadline_that_is_past_is_not_waited_for)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    start_timer(&timer, 5);
    testing.sys.now = 100;
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("timer@100");
    assert_int_equal(testing_calls(epoll_pwait2), 0);
}

test(a_kernel_without_epoll_pwait2_is_asked_for_whole_milliseconds_rounded_up)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    testing_fail_from(epoll_pwait2, 1, -ENOSYS);
    start_timer(&timer, 1500000);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    assert_int_equal(testing.sys.milliseconds, 2);
    start_timer(&timer, 1);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    assert_int_equal(testing.sys.milliseconds, 1);
    start_timer(&timer, 3 * MS);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    assert_int_equal(testing.sys.milliseconds, 3);
    testing_assert_log("timer@2000000 timer@3000000 timer@6000000");
    assert_int_equal(testing_calls(epoll_pwait2), 1); /* it is remembered */
}

test(a_deadline_too_far_for_epoll_wait_is_waited_for_in_parts)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    testing_fail_from(epoll_pwait2, 1, -ENOSYS);
    start_timer(&timer, INT64_C(10000000000) * MS);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 0);
    assert_int_equal(testing.sys.milliseconds, INT32_MAX);
    eddy_timer_stop(&timer);
}

/* ---- how long it waits: virtual and manual time */

test(virtual_time_jumps_only_when_no_event_comes)
{
    static eddy_timer timer = {.user = "timer"};

    start_watched();
    start_timer(&timer, 10);
    poke_watched();
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("io");
    assert_int_equal(testing.clock.now, 0);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("timer@10");
    stop_watched();
}

test(virtual_time_jumps_although_an_fd_is_watched)
{
    static eddy_timer timer = {.user = "timer"};

    start_watched();
    start_timer(&timer, 3600 * EDDY_SECOND);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("timer@3600000000000");
    stop_watched();
}

test(virtual_time_jumps_no_further_than_the_poll_may_wait)
{
    static eddy_timer timer = {.user = "timer"};

    start_timer(&timer, 50);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 20, 0), 0);
    assert_int_equal(testing.clock.now, 20);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 0), 0);
    assert_int_equal(testing.clock.now, 20);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 40, 0), 1);
    testing_assert_log("timer@50");
}

test(virtual_time_does_not_jump_while_something_is_ready)
{
    static eddy_timer timer = {.user = "timer"};
    static eddy_callback callback = {.user = "callback"};

    start_timer(&timer, 50);
    eddy_callback_start(testing.loop, &callback, log_callback);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("callback");
    assert_int_equal(testing.clock.now, 0);
    eddy_timer_stop(&timer);
}

test(with_no_deadline_virtual_time_waits_for_the_kernel)
{
    start_watched();
    testing.sys.on_wait = poke_watched;
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("io");
    assert_int_equal(testing.clock.now, 0);
    stop_watched();
}

test(virtual_time_stands_still_while_a_hold_is_taken)
{
    static eddy_timer timer = {.user = "timer"};

    testing_fake_clock(0); /* so that the wait takes no time */
    start_timer(&timer, 10);
    eddy_loop_hold(testing.loop);
    eddy_loop_hold(testing.loop);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 50, 0), 0);
    eddy_loop_release(testing.loop);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 50, 0), 0);
    assert_int_equal(testing.clock.now, 0);
    assert_int_equal(testing.sys.now, 100); /* it waited in the kernel meanwhile */
    eddy_loop_release(testing.loop);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 50, 0), 1);
    testing_assert_log("timer@10");
}

test(a_manual_clock_does_not_move_while_the_kernel_waits)
{
    static eddy_timer timer = {.user = "timer"};

    testing_fake_clock(0);
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start_timer(&timer, 10);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 500, 0), 0);
    assert_int_equal(testing.sys.nanoseconds, 500);
    assert_int_equal(testing.clock.now, 0);
    eddy_clock_advance(&testing.clock, 10);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("timer@10");
}

/* ---- now, update, next_deadline */

static void log_two_times(eddy_callback *callback)
{
    testing_log("%lld", (long long)eddy_loop_now(testing.loop));
    testing.sys.now += 5;
    testing_log("%lld", (long long)eddy_loop_now(testing.loop));
    if (callback->user != NULL) {
        testing_log("updated:%lld", (long long)eddy_loop_update(testing.loop));
        testing_log("%lld", (long long)eddy_loop_now(testing.loop));
    }
}

test(all_of_a_turn_sees_one_time)
{
    static eddy_callback a, b;

    real_time_loop(0);
    testing.sys.now = 100;
    eddy_callback_start(testing.loop, &a, log_two_times);
    eddy_callback_start(testing.loop, &b, log_two_times);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("100 100 100 100");
}

test(update_reads_the_clock_inside_a_turn)
{
    static eddy_callback a = {.user = "update"}, b;

    real_time_loop(0);
    testing.sys.now = 100;
    eddy_callback_start(testing.loop, &a, log_two_times);
    eddy_callback_start(testing.loop, &b, log_two_times);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("100 100 updated:105 105 105 105");
}

test(outside_a_turn_now_reads_the_clock_anew)
{
    real_time_loop(0);
    assert_int_equal(eddy_loop_now(testing.loop), 0);
    testing.sys.now = 50;
    assert_int_equal(eddy_loop_now(testing.loop), 50);
    (void)testing_turn();
    testing.sys.now = 60;
    assert_int_equal(eddy_loop_now(testing.loop), 60);
}

test(the_next_deadline_is_never_if_only_an_fd_or_a_thread_can_wake_it)
{
    assert_int_equal(eddy_loop_next_deadline(testing.loop), EDDY_FOREVER);
    start_watched();
    eddy_loop_hold(testing.loop);
    assert_int_equal(eddy_loop_next_deadline(testing.loop), EDDY_FOREVER);
    eddy_loop_release(testing.loop);
    stop_watched();
}

test(the_next_deadline_is_that_of_the_earliest_timer)
{
    static eddy_timer a, b;

    start_timer(&a, 30);
    start_timer(&b, 20);
    assert_int_equal(eddy_loop_next_deadline(testing.loop), 20);
    eddy_timer_stop(&b);
    assert_int_equal(eddy_loop_next_deadline(testing.loop), 30);
    eddy_timer_stop(&a);
}

test(the_next_deadline_is_now_while_something_is_ready)
{
    static eddy_callback callback = {.user = "callback"}, message = {.user = "message"};

    real_time_loop(0);
    testing.sys.now = 100;
    eddy_callback_start(testing.loop, &callback, log_callback);
    assert_true(eddy_loop_next_deadline(testing.loop) <= 100);
    (void)testing_turn();
    assert_int_equal(eddy_loop_next_deadline(testing.loop), EDDY_FOREVER);
    eddy_loop_call_threadsafe(testing.loop, &message, log_callback);
    assert_true(eddy_loop_next_deadline(testing.loop) <= 100);
    (void)testing_turn();
    testing_assert_log("callback message");
    assert_int_equal(eddy_loop_next_deadline(testing.loop), EDDY_FOREVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_poll_waits_for_the_next_deadline),
        testing_case(a_poll_waits_no_longer_than_it_is_allowed_to),
        testing_case(a_poll_that_may_not_wait_does_not),
        testing_case(with_nothing_but_an_fd_a_poll_waits_for_ever),
        testing_case(a_deadline_that_is_past_is_not_waited_for),
        testing_case(a_kernel_without_epoll_pwait2_is_asked_for_whole_milliseconds_rounded_up),
        testing_case(a_deadline_too_far_for_epoll_wait_is_waited_for_in_parts),
        testing_case(virtual_time_jumps_only_when_no_event_comes),
        testing_case(virtual_time_jumps_although_an_fd_is_watched),
        testing_case(virtual_time_jumps_no_further_than_the_poll_may_wait),
        testing_case(virtual_time_does_not_jump_while_something_is_ready),
        testing_case(with_no_deadline_virtual_time_waits_for_the_kernel),
        testing_case(virtual_time_stands_still_while_a_hold_is_taken),
        testing_case(a_manual_clock_does_not_move_while_the_kernel_waits),
        testing_case(all_of_a_turn_sees_one_time),
        testing_case(update_reads_the_clock_inside_a_turn),
        testing_case(outside_a_turn_now_reads_the_clock_anew),
        testing_case(the_next_deadline_is_never_if_only_an_fd_or_a_thread_can_wake_it),
        testing_case(the_next_deadline_is_that_of_the_earliest_timer),
        testing_case(the_next_deadline_is_now_while_something_is_ready),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
