/* clock.h: the three kinds of clock, alone and under a loop. */
#include "support/testing.h"

#include "eddy/timer.h"

static void log_now(eddy_timer *timer)
{
    testing_log("%s@%lld", (const char *)timer->user, (long long)eddy_loop_now(testing.loop));
}

static eddy_clock manual_clock(void)
{
    eddy_clock clock;

    eddy_clock_init(&clock, EDDY_CLOCK_MANUAL);
    return clock;
}

/* ---- the manual clock, alone */

test(a_manual_clock_starts_at_zero)
{
    eddy_clock clock = manual_clock();

    assert_int_equal(clock.now, 0);
    assert_int_equal(eddy_clock_advance(&clock, 0), 0);
}

test(advance_moves_a_manual_clock_and_returns_the_new_time)
{
    eddy_clock clock = manual_clock();

    assert_int_equal(eddy_clock_advance(&clock, 7), 7);
    assert_int_equal(eddy_clock_advance(&clock, EDDY_SECOND), EDDY_SECOND + 7);
    assert_int_equal(clock.now, EDDY_SECOND + 7);
}

test(advance_refuses_a_negative_duration)
{
    eddy_clock clock = manual_clock();

    eddy_clock_advance(&clock, 7);
    assert_int_equal(eddy_clock_advance(&clock, -1), -EINVAL);
    assert_int_equal(clock.now, 7);
}

test(advance_is_exact_beyond_the_53_bits_of_a_double)
{
    eddy_clock clock = manual_clock();

    assert_int_equal(eddy_clock_advance(&clock, (INT64_C(1) << 60) + 1), (INT64_C(1) << 60) + 1);
}

test(advance_stops_at_the_end_of_time)
{
    eddy_clock clock = manual_clock();

    eddy_clock_advance(&clock, 5);
    assert_int_equal(eddy_clock_advance(&clock, EDDY_FOREVER), EDDY_FOREVER);
    assert_int_equal(eddy_clock_advance(&clock, 1), EDDY_FOREVER);
}

test(a_paused_clock_stands_still_until_it_is_resumed)
{
    eddy_clock clock = manual_clock();

    eddy_clock_advance(&clock, 5);
    assert_int_equal(eddy_clock_pause(&clock), 0);
    assert_int_equal(eddy_clock_advance(&clock, 100), 5);
    assert_int_equal(eddy_clock_resume(&clock), 0);
    assert_int_equal(eddy_clock_advance(&clock, 100), 105);
}

test(a_scale_multiplies_the_advance)
{
    eddy_clock clock = manual_clock();

    assert_int_equal(eddy_clock_scale(&clock, 0.5), 0);
    assert_int_equal(eddy_clock_advance(&clock, EDDY_SECOND), EDDY_SECOND / 2);
    assert_int_equal(eddy_clock_scale(&clock, 3), 0);
    assert_int_equal(eddy_clock_advance(&clock, EDDY_SECOND), EDDY_SECOND / 2 + 3 * EDDY_SECOND);
}

test(a_scaled_advance_stops_at_the_end_of_time)
{
    eddy_clock clock = manual_clock();

    eddy_clock_scale(&clock, 1e300);
    assert_int_equal(eddy_clock_advance(&clock, EDDY_SECOND), EDDY_FOREVER);
}

test(a_zero_scale_field_stands_for_one)
{
    eddy_clock clock = {.kind = EDDY_CLOCK_MANUAL};

    assert_int_equal(eddy_clock_advance(&clock, 7), 7);
}

test(a_scale_must_be_a_number_above_zero)
{
    eddy_clock clock = manual_clock();

    assert_int_equal(eddy_clock_scale(&clock, 0), -EINVAL);
    assert_int_equal(eddy_clock_scale(&clock, -1), -EINVAL);
    assert_int_equal(eddy_clock_scale(&clock, __builtin_nan("")), -EINVAL);
    assert_int_equal(eddy_clock_advance(&clock, 7), 7);
}

test(an_infinite_scale_is_no_number_to_advance_by)
{
    eddy_clock clock = manual_clock();

    /* Whether it is refused or makes every advance endless: the time stays a time. */
    (void)eddy_clock_scale(&clock, __builtin_inf());
    assert_true(eddy_clock_advance(&clock, 0) >= 0);
}

test(other_clocks_cannot_be_moved)
{
    const enum eddy_clock_kind kinds[] = {EDDY_CLOCK_MONOTONIC, EDDY_CLOCK_BOOTTIME,
                                          EDDY_CLOCK_VIRTUAL};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        eddy_clock clock;
        eddy_clock_init(&clock, kinds[i]);
        assert_int_equal(eddy_clock_advance(&clock, 1), -EINVAL);
        assert_int_equal(eddy_clock_pause(&clock), -EINVAL);
        assert_int_equal(eddy_clock_resume(&clock), -EINVAL);
        assert_int_equal(eddy_clock_scale(&clock, 2), -EINVAL);
        assert_int_equal(clock.now, 0);
    }
}

/* ---- under a loop */

test(a_zeroed_clock_is_the_monotonic_one)
{
    static eddy_clock zeroed;

    testing_fake_clock(42);
    testing.sys.suspended = 1000;
    testing.options.clock = &zeroed;
    testing_reopen();
    assert_int_equal(eddy_loop_now(testing.loop), 42);
}

test(no_clock_is_the_monotonic_one)
{
    testing_fake_clock(42);
    testing.sys.suspended = 1000;
    testing.options.clock = NULL;
    testing_reopen();
    assert_int_equal(eddy_loop_now(testing.loop), 42);
}

test(boot_time_goes_on_while_the_machine_is_suspended)
{
    static eddy_timer timer = {.user = "a"};

    testing_fake_clock(100);
    testing_reopen_with(EDDY_CLOCK_BOOTTIME, 0);
    assert_int_equal(eddy_timer_start(testing.loop, &timer, 50, log_now), 0);
    testing.sys.suspended = 60;
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("a@160");
}

test(a_virtual_clock_starts_at_zero)
{
    assert_int_equal(eddy_loop_now(testing.loop), 0);
}

test(a_virtual_clock_jumps_from_deadline_to_deadline)
{
    static eddy_timer hour = {.user = "hour"}, second = {.user = "second"};

    eddy_timer_start(testing.loop, &hour, 3600 * EDDY_SECOND, log_now);
    eddy_timer_start(testing.loop, &second, EDDY_SECOND, log_now);
    testing_run();
    testing_assert_log("second@1000000000 hour@3600000000000");
    assert_int_equal(testing.clock.now, 3600 * EDDY_SECOND);
}

test(a_virtual_clock_never_sleeps_in_the_kernel)
{
    static eddy_timer timer = {.user = "a"};

    eddy_timer_start(testing.loop, &timer, 3600 * EDDY_SECOND, log_now);
    testing.sys.milliseconds = 0;
    testing_run();
    testing_assert_log("a@3600000000000");
    assert_int_equal(testing_calls(epoll_pwait2), 0);
    assert_int_equal(testing.sys.milliseconds, 0);
}

test(a_virtual_clock_has_nothing_to_do_with_the_real_one)
{
    testing_fake_clock(EDDY_SECOND);
    testing_reopen();
    testing.sys.now += EDDY_SECOND;
    assert_int_equal(eddy_loop_now(testing.loop), 0);
}

test(a_manual_clock_fires_what_an_advance_made_due_in_the_next_turn)
{
    static eddy_timer early = {.user = "early"}, late = {.user = "late"};

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    eddy_timer_start(testing.loop, &late, 30, log_now);
    eddy_timer_start(testing.loop, &early, 10, log_now);
    assert_int_equal(testing_turn(), 0);
    eddy_clock_advance(&testing.clock, 9);
    assert_int_equal(testing_turn(), 0);
    eddy_clock_advance(&testing.clock, 1);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("early@10");
    eddy_clock_advance(&testing.clock, 100);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("late@110");
}

test(a_manual_clock_does_not_move_by_itself)
{
    static eddy_timer timer = {.user = "a"};

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    eddy_timer_start(testing.loop, &timer, 10, log_now);
    testing_run();
    assert_int_equal(testing.clock.now, 0);
    testing_assert_log("");
}

test(a_paused_game_fires_no_timer)
{
    static eddy_timer timer = {.user = "a"};

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    eddy_timer_start(testing.loop, &timer, 10, log_now);
    eddy_clock_pause(&testing.clock);
    eddy_clock_advance(&testing.clock, 100);
    assert_int_equal(testing_turn(), 0);
    eddy_clock_resume(&testing.clock);
    eddy_clock_advance(&testing.clock, 10);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("a@10");
}

static eddy_loop *second_loop_on_the_same_clock(void)
{
    eddy_loop *loop;

    assert_int_equal(eddy_loop_new(&loop, &testing.options), 0);
    return loop;
}

/* Two loops on one manual clock, each with a timer that is due at 10; the other one. */
static eddy_loop *start_here_and_there(void)
{
    static eddy_timer here = {.user = "here"}, there = {.user = "there"};
    eddy_loop *other;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    other = second_loop_on_the_same_clock();
    eddy_timer_start(testing.loop, &here, 10, log_now);
    eddy_timer_start(other, &there, 10, log_now);
    return other;
}

test(one_manual_clock_serves_two_loops)
{
    eddy_loop *other = start_here_and_there();

    eddy_clock_advance(&testing.clock, 10);
    assert_int_equal(testing_turn(), 1);
    assert_int_equal(eddy_loop_poll_once(other, 0, 0), 1);
    testing_assert_log("here@10 there@10");
    assert_int_equal(eddy_loop_free(other), 0);
}

/* A game and its slow motion: each loop is polled at its own pace, on the one clock. */
test(two_loops_on_one_clock_are_paused_and_slowed_down_together)
{
    eddy_loop *other = start_here_and_there();

    eddy_clock_scale(&testing.clock, 0.5);
    eddy_clock_advance(&testing.clock, 19);
    assert_int_equal(testing_turn(), 0);
    eddy_clock_pause(&testing.clock);
    eddy_clock_advance(&testing.clock, 100);
    assert_int_equal(eddy_loop_poll_once(other, 0, 0), 0);
    eddy_clock_resume(&testing.clock);
    eddy_clock_advance(&testing.clock, 2);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("here@10");
    eddy_clock_advance(&testing.clock, 20); /* the other loop is late, and sees that */
    assert_int_equal(eddy_loop_poll_once(other, 0, 0), 1);
    testing_assert_log("there@20");
    assert_int_equal(eddy_loop_free(other), 0);
}

/* One loop's timer cannot be moved on by the other's turns. */
static void advance_the_clock(eddy_timer *timer)
{
    log_now(timer);
    eddy_clock_advance(&testing.clock, 5);
}

test(a_clock_that_is_advanced_in_a_step_moves_the_turn_after)
{
    static eddy_timer first = {.user = "first"}, second = {.user = "second"};

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    eddy_timer_start(testing.loop, &first, 10, advance_the_clock);
    eddy_timer_start(testing.loop, &second, 15, log_now);
    eddy_clock_advance(&testing.clock, 10);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("first@10");
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("second@15");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_manual_clock_starts_at_zero),
        testing_case(advance_moves_a_manual_clock_and_returns_the_new_time),
        testing_case(advance_refuses_a_negative_duration),
        testing_case(advance_is_exact_beyond_the_53_bits_of_a_double),
        testing_case(advance_stops_at_the_end_of_time),
        testing_case(a_paused_clock_stands_still_until_it_is_resumed),
        testing_case(a_scale_multiplies_the_advance),
        testing_case(a_scaled_advance_stops_at_the_end_of_time),
        testing_case(a_zero_scale_field_stands_for_one),
        testing_case(a_scale_must_be_a_number_above_zero),
        testing_case(an_infinite_scale_is_no_number_to_advance_by),
        testing_case(other_clocks_cannot_be_moved),
        testing_case(a_zeroed_clock_is_the_monotonic_one),
        testing_case(no_clock_is_the_monotonic_one),
        testing_case(boot_time_goes_on_while_the_machine_is_suspended),
        testing_case(a_virtual_clock_starts_at_zero),
        testing_case(a_virtual_clock_jumps_from_deadline_to_deadline),
        testing_case(a_virtual_clock_never_sleeps_in_the_kernel),
        testing_case(a_virtual_clock_has_nothing_to_do_with_the_real_one),
        testing_case(a_manual_clock_fires_what_an_advance_made_due_in_the_next_turn),
        testing_case(a_manual_clock_does_not_move_by_itself),
        testing_case(a_paused_game_fires_no_timer),
        testing_case(one_manual_clock_serves_two_loops),
        testing_case(two_loops_on_one_clock_are_paused_and_slowed_down_together),
        testing_case(a_clock_that_is_advanced_in_a_step_moves_the_turn_after),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
