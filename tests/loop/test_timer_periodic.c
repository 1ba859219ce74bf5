/* timer.h: periodic timers. */
#include "support/timer.h"

/* ---- periodic */

test(a_fixed_rate_keeps_its_rhythm)
{
    static eddy_timer timer;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start_periodic(&timer, 10, EDDY_TIMER_FIXED_RATE, log_missed);
    advance(9);
    advance(1);
    advance(14); /* 24: four late */
    advance(5);  /* 29: not yet */
    advance(1);  /* 30: in rhythm again */
    testing_assert_log("@10:0 @24:0 @30:0");
    assert_int_equal(timer.deadline, 40);
    eddy_timer_stop(&timer);
}

test(a_fixed_rate_counts_the_ticks_that_it_missed)
{
    static eddy_timer timer;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start_periodic(&timer, 10, EDDY_TIMER_FIXED_RATE, log_missed);
    advance(10); /* in time */
    advance(19); /* 29: the tick of 20, late */
    advance(1);  /* 30: in time */
    advance(30); /* 60: the tick of 40; those of 50 and 60 are left out */
    advance(10); /* 70: in time */
    advance(35); /* 105: the tick of 80; those of 90 and 100 are left out */
    testing_assert_log("@10:0 @29:0 @30:0 @60:2 @70:0 @105:2");
    assert_int_equal(timer.deadline, 110);
    eddy_timer_stop(&timer);
}

test(a_fixed_delay_counts_from_the_start_of_the_callback)
{
    static eddy_timer timer;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start_periodic(&timer, 10, EDDY_TIMER_FIXED_DELAY, log_missed);
    advance(13);
    advance(9); /* 22 */
    advance(1); /* 23 */
    advance(100);
    testing_assert_log("@13:0 @23:0 @123:0");
    assert_int_equal(timer.deadline, 133);
    eddy_timer_stop(&timer);
}

static void take_25(eddy_timer *timer)
{
    log_missed(timer);
    eddy_clock_advance(&testing.clock, 25);
    eddy_loop_update(testing.loop);
}

test(a_callback_that_takes_longer_than_the_period_misses_ticks)
{
    static eddy_timer rate, delay;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start_periodic(&rate, 10, EDDY_TIMER_FIXED_RATE, take_25);
    advance(10);
    (void)testing_turn(); /* at 35: the tick of 20; that of 30 is left out */
    testing_assert_log("@10:0 @35:1");
    eddy_timer_stop(&rate);
    start_periodic(&delay, 10, EDDY_TIMER_FIXED_DELAY, take_25);
    advance(10);
    assert_int_equal(delay.deadline, 80); /* the callback began at 70 */
    eddy_timer_stop(&delay);
}

test(periodic_timers_fire_once_a_turn_however_late_they_are)
{
    static eddy_timer timer;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start_periodic(&timer, 1, EDDY_TIMER_FIXED_RATE, log_missed);
    eddy_clock_advance(&testing.clock, 1000000);
    assert_int_equal(testing_turns(), 1);
    testing_assert_log("@1000000:999999");
    eddy_timer_stop(&timer);
}

test(equal_deadlines_of_periodic_timers_fire_in_the_order_of_their_restarts)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"};

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start_periodic(&a, 20, EDDY_TIMER_FIXED_RATE, log_name);
    start_periodic(&b, 10, EDDY_TIMER_FIXED_RATE, log_name);
    advance(10);
    advance(10); /* both; a was started before b was restarted */
    advance(10);
    advance(10); /* both; a was restarted at 20, b at 30 */
    testing_assert_log("b a b b a b");
    eddy_timer_stop(&a);
    eddy_timer_stop(&b);
}

test(one_that_is_started_anew_has_missed_nothing)
{
    static eddy_timer timer;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start_periodic(&timer, 10, EDDY_TIMER_FIXED_RATE, log_missed);
    advance(35);
    assert_int_equal(timer.missed, 2);
    start_periodic(&timer, 10, EDDY_TIMER_FIXED_DELAY, log_missed);
    assert_int_equal(timer.missed, 0);
    advance(35);
    assert_int_equal(timer.missed, 0); /* a delay misses no ticks */
    eddy_timer_stop(&timer);
}

test(a_period_must_be_above_zero)
{
    static eddy_timer timer;

    assert_int_equal(
        eddy_timer_start_periodic(testing.loop, &timer, 0, EDDY_TIMER_FIXED_RATE, log_name),
        -EINVAL);
    assert_int_equal(
        eddy_timer_start_periodic(testing.loop, &timer, -1, EDDY_TIMER_FIXED_DELAY, log_name),
        -EINVAL);
    assert_int_equal(eddy_timer_start_periodic(testing.loop, &timer, 10, EDDY_TIMER_ONCE, log_name),
                     -EINVAL);
    assert_false(eddy_timer_started(&timer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_fixed_rate_keeps_its_rhythm),
        testing_case(a_fixed_rate_counts_the_ticks_that_it_missed),
        testing_case(a_fixed_delay_counts_from_the_start_of_the_callback),
        testing_case(a_callback_that_takes_longer_than_the_period_misses_ticks),
        testing_case(periodic_timers_fire_once_a_turn_however_late_they_are),
        testing_case(equal_deadlines_of_periodic_timers_fire_in_the_order_of_their_restarts),
        testing_case(one_that_is_started_anew_has_missed_nothing),
        testing_case(a_period_must_be_above_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
