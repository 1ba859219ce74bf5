/* Timers, sleeps and clocks that were put off or held up, and the order in which they come. */
#include "support/tasks.h"

#include "eddy/timer.h"

#define MS EDDY_MILLISECOND

/* ---- timers and sleeps that were put off */

static void log_timer(eddy_timer *timer)
{
    testing_log("%s", (const char *)timer->user);
}

static void start_timer(eddy_timer *timer, int64_t delay)
{
    assert_int_equal(eddy_timer_start(testing.loop, timer, delay, log_timer), 0);
}

test(timers_that_are_due_at_once_fire_in_the_order_of_their_true_deadlines)
{
    static eddy_timer a = {.user = "a"};
    static eddy_timer b = {.user = "b"};

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start_timer(&a, 5);
    start_timer(&b, 7);
    start_timer(&a, 10); /* put off: now after b */
    eddy_clock_advance(&testing.clock, 12);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("b a");
}

test(a_timer_that_was_put_off_to_the_deadline_of_another_fires_after_it)
{
    static eddy_timer a = {.user = "a"};
    static eddy_timer b = {.user = "b"};

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start_timer(&a, 5);
    start_timer(&b, 10);
    start_timer(&a, 10); /* equal, and started later */
    eddy_clock_advance(&testing.clock, 10);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("b a");
}

eddy_frame(sleeps_again) {
    eddy_coro co;
    const char *name;
    int64_t first;
    int64_t second;
    int64_t rc;
};

static void sleeps_again(eddy_coro *co)
{
    eddy_begin(sleeps_again);
    if (self->first > 0) {
        eddy_catch(self->rc, eddy_sleep(co, self->first)); /* is cancelled */
    }
    eddy_await(eddy_sleep(co, self->second));
    testing_log("%s", self->name);
    eddy_end;
}

test(sleeps_that_are_due_at_once_end_in_the_order_of_their_true_deadlines)
{
    eddy_task a;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    a = start(sleeps_again, .name = "a", .first = 5, .second = 10);
    start(sleeps_again, .name = "b", .second = 7);
    testing_turn();
    assert_int_equal(eddy_cancel(a), 0);
    testing_turn();
    eddy_clock_advance(&testing.clock, 12);
    testing_turns();
    testing_assert_log("b a");
}

/* ---- turns */

static int64_t worst_gap;
static int64_t last_tick;

static void note_gap(eddy_timer *timer)
{
    (void)timer;
    if (last_tick > 0 && testing.sys.now - last_tick > worst_gap) {
        worst_gap = testing.sys.now - last_tick;
    }
    last_tick = testing.sys.now;
}

enum pause_kind { PAUSE, LIMITED_PAUSE, SLEEP };

/* 400 steps of a millisecond each. */
eddy_frame(computes) {
    eddy_coro co;
    enum pause_kind kind;
    int i;
};

static void computes(eddy_coro *co)
{
    eddy_begin(computes);
    for (self->i = 0; self->i < 400; self->i++) {
        testing.sys.now += MS;
        if (self->i == 200) { /* the loop has seen by now that steps are slow */
            worst_gap = 0;
        }
        if (self->kind == PAUSE) {
            eddy_await(eddy_pause(co));
        } else if (self->kind == LIMITED_PAUSE) {
            eddy_await(eddy_wait_for(co, EDDY_SECOND, eddy_pause(co)));
        } else {
            eddy_await(eddy_sleep(co, 0));
        }
    }
    eddy_end;
}

static int64_t worst_gap_with(enum pause_kind kind)
{
    static eddy_timer timer;

    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    testing_fake_clock(EDDY_SECOND);
    last_tick = 0;
    assert_int_equal(
        eddy_timer_start_periodic(testing.loop, &timer, MS, EDDY_TIMER_FIXED_RATE, note_gap), 0);
    assert_int_equal(run(computes, .kind = kind), 0);
    eddy_timer_stop(&timer);
    return worst_gap;
}

test(slow_steps_with_time_outs_or_sleeps_in_them_hold_up_no_timer)
{
    assert_in_range(worst_gap_with(PAUSE), 1, 4 * MS);
    assert_in_range(worst_gap_with(LIMITED_PAUSE), 1, 4 * MS);
    assert_in_range(worst_gap_with(SLEEP), 1, 4 * MS);
}

static int turns;
static int fired_in;

static void note_turn(eddy_timer *timer)
{
    (void)timer;
    fired_in = turns;
}

eddy_frame(advances_the_clock) {
    eddy_coro co;
    bool look; /* at the clock in the same step, which tells nobody what is due */
};

static void advances_the_clock(eddy_coro *co)
{
    eddy_begin(advances_the_clock);
    for (turns = 0; turns < 300; turns++) {
        if (turns == 100) {
            eddy_clock_advance(&testing.clock, 10);
        }
        if (self->look) {
            (void)eddy_loop_update(testing.loop);
        }
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

test(a_manual_clock_that_is_advanced_in_a_step_fires_timers_in_the_next_turn)
{
    static eddy_timer timer;

    testing.options.flags = 0; /* with EDDY_LOOP_CHECK turns never go on without an end */
    for (int look = 0; look < 2; look++) {
        testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
        fired_in = -1;
        assert_int_equal(eddy_timer_start(testing.loop, &timer, 5, note_turn), 0);
        assert_int_equal(run(advances_the_clock, .look = look == 1), 0);
        assert_int_equal(fired_in, 101);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(timers_that_are_due_at_once_fire_in_the_order_of_their_true_deadlines),
        testing_case(a_timer_that_was_put_off_to_the_deadline_of_another_fires_after_it),
        testing_case(sleeps_that_are_due_at_once_end_in_the_order_of_their_true_deadlines),
        testing_case(slow_steps_with_time_outs_or_sleeps_in_them_hold_up_no_timer),
        testing_case(a_manual_clock_that_is_advanced_in_a_step_fires_timers_in_the_next_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
