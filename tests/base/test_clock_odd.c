/*
 * clock.h: clocks that do what a clock should not. They stand still, go back, jump, or go at another
 * pace than the time by which the kernel waits; the machine sleeps. No timer fires early by the
 * loop's clock, none waits for ever, and nobody spins.
 */
#include "support/loop.h"
#include "support/tasks.h"

#include <string.h>
#include <time.h>

static const int64_t HOUR = 3600 * EDDY_SECOND;
static const int64_t YEAR = 365 * 24 * 3600 * EDDY_SECOND;

/* True time is testing.sys.now, which waits move; what a clock makes of it: */
static struct {
    int64_t (*show)(int64_t now);
    int64_t since; /* when it began to be odd */
    int64_t by;
    bool moved; /* by on_wait */
    int wakes;
} odd;

static int64_t odd_now(const struct eddy_sys *sys, clockid_t clock)
{
    int64_t now = testing.sys.now + (clock == CLOCK_BOOTTIME ? testing.sys.suspended : 0);

    (void)sys;
    return odd.show != NULL ? odd.show(now) : now;
}

static void open_odd(enum eddy_clock_kind kind, unsigned flags, int64_t (*show)(int64_t now))
{
    memset(&odd, 0, sizeof odd);
    testing_fake_clock(YEAR); /* for the kernel's timerfd that never comes */
    odd.since = testing.sys.now;
    testing.sys.table.clock_now = odd_now;
    testing_reopen_with(kind, flags);
    odd.show = show;
}

static int64_t fired_at;    /* true time */
static int64_t fired_shown; /* on the loop's clock */

static void note_fired(eddy_timer *timer)
{
    (void)timer;
    fired_at = testing.sys.now;
    fired_shown = eddy_loop_now(testing.loop);
}

/* How long a timer of that delay takes; asserts that it is not early. */
static int64_t take(int64_t delay)
{
    static eddy_timer timer;
    int64_t begun = testing.sys.now;
    int64_t shown = eddy_loop_now(testing.loop);

    fired_at = 0;
    assert_int_equal(eddy_timer_start(testing.loop, &timer, delay, note_fired), 0);
    testing_run();
    assert_true(fired_at > 0);
    assert_true(fired_shown - shown >= delay);
    return fired_at - begun;
}

static int64_t frozen(int64_t now)
{
    (void)now;
    return odd.since;
}

/* ---- the machine sleeps: boot time goes on, the kernel's waits do not */

static void suspend_once(void)
{
    testing.sys.suspended = HOUR;
}

test(a_timer_on_boot_time_fires_soon_after_the_machine_has_slept)
{
    open_odd(EDDY_CLOCK_BOOTTIME, 0, NULL);
    testing.sys.on_wait = suspend_once;
    assert_in_range(take(2 * EDDY_SECOND), 0, 100 * MS);
}

test(on_boot_time_a_wait_for_a_deadline_looks_at_the_clock_ten_times_a_second)
{
    open_odd(EDDY_CLOCK_BOOTTIME, 0, NULL);
    assert_int_equal(take(2 * EDDY_SECOND), 2 * EDDY_SECOND);
    assert_int_equal(testing_waits(), 20);
}

test(nobody_sees_that_but_the_kernel)
{
    static eddy_hook prepare = {.user = "prepare"};
    static eddy_timer timer = {.user = "timer"};

    open_odd(EDDY_CLOCK_BOOTTIME, 0, NULL);
    eddy_hook_start(testing.loop, &prepare, EDDY_HOOK_PREPARE, log_hook);
    assert_int_equal(eddy_timer_start(testing.loop, &timer, 2 * EDDY_SECOND, log_timer), 0);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_SECOND, 0), 0);
    assert_int_equal(testing.sys.now - YEAR, EDDY_SECOND);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    assert_int_equal(testing.sys.now - YEAR, 2 * EDDY_SECOND);
    testing_assert_log("prepare prepare timer");
    eddy_hook_stop(&prepare);
}

test(a_wait_of_a_second_is_no_longer_on_boot_time_that_stands_still)
{
    static eddy_timer timer;

    open_odd(EDDY_CLOCK_BOOTTIME, 0, frozen);
    assert_int_equal(eddy_timer_start(testing.loop, &timer, 2 * EDDY_SECOND, note_fired), 0);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_SECOND, 0), 0);
    assert_int_equal(testing.sys.now - YEAR, EDDY_SECOND);
    eddy_timer_stop(&timer);
}

test(on_boot_time_a_wait_without_a_deadline_is_one)
{
    open_odd(EDDY_CLOCK_BOOTTIME, 0, NULL);
    start_watched();
    testing.sys.on_wait = poke_watched;
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    assert_int_equal(testing.sys.milliseconds, -1);
    testing_assert_log("io");
    stop_watched();
}

/* The timerfd counts by boot time, and wakes the loop by itself. */
test(with_a_timerfd_on_boot_time_nobody_looks_at_the_clock_meanwhile)
{
    open_odd(EDDY_CLOCK_BOOTTIME, EDDY_LOOP_TIMERFD, NULL);
    assert_int_equal(take(2 * EDDY_SECOND), 2 * EDDY_SECOND);
    assert_int_equal(testing_waits(), 1);
}

static eddy_timer started_inside;

static void start_inside(eddy_callback *callback)
{
    (void)callback;
    assert_int_equal(eddy_timer_start(testing.loop, &started_inside, 2 * EDDY_SECOND, note_fired),
                     0);
}

test(nor_for_a_timer_that_is_started_while_the_loop_runs)
{
    static eddy_callback callback;

    open_odd(EDDY_CLOCK_BOOTTIME, EDDY_LOOP_TIMERFD, NULL);
    eddy_callback_start(testing.loop, &callback, start_inside);
    testing_forget_calls();
    testing_run();
    assert_int_equal(testing_waits(), 2); /* for the callback, and for the timer */
    assert_int_equal(fired_at, YEAR + 2 * EDDY_SECOND);
}

test(with_a_timerfd_that_could_not_be_set_somebody_does)
{
    open_odd(EDDY_CLOCK_BOOTTIME, EDDY_LOOP_TIMERFD, NULL);
    testing_fail_from(timerfd_settime, 1, -ENOMEM);
    testing.sys.on_wait = suspend_once;
    assert_in_range(take(2 * EDDY_SECOND), 0, 100 * MS);
}

test(a_wait_in_another_thread_looks_at_boot_time_too)
{
    static eddy_timer timer;

    open_odd(EDDY_CLOCK_BOOTTIME, 0, NULL);
    assert_int_equal(eddy_timer_start(testing.loop, &timer, 2 * EDDY_SECOND, note_fired), 0);
    testing.sys.on_wait = suspend_once;
    assert_int_equal(eddy_loop_prepare(testing.loop, EDDY_FOREVER), 0);
    assert_int_equal(eddy_loop_wait(testing.loop), 0);
    assert_in_range(testing.sys.nanoseconds, 1, 100 * MS);
    assert_int_equal(testing_turn(), 1);
}

/* ---- a clock that goes back */

static int64_t gone_back(int64_t now)
{
    return odd.moved ? now - odd.by : now;
}

static void go_back(void)
{
    odd.moved = true;
}

test(a_clock_that_goes_back_an_hour_makes_a_timer_later_by_one_wait_at_most)
{
    for (int kind = EDDY_CLOCK_MONOTONIC; kind <= EDDY_CLOCK_BOOTTIME; kind++) {
        open_odd((enum eddy_clock_kind)kind, 0, gone_back);
        odd.by = HOUR;
        testing.sys.on_wait = go_back;
        assert_in_range(take(2 * EDDY_SECOND), 2 * EDDY_SECOND, 4 * EDDY_SECOND);
    }
}

test(the_time_of_a_loop_never_goes_back)
{
    int64_t before;

    open_odd(EDDY_CLOCK_MONOTONIC, 0, gone_back);
    odd.by = HOUR;
    before = eddy_loop_now(testing.loop);
    go_back();
    testing.sys.now += 5;
    assert_int_equal(eddy_loop_now(testing.loop), before);
    testing.sys.now += 5;
    assert_int_equal(eddy_loop_now(testing.loop), before + 5);
    odd.moved = false; /* and forth again */
    assert_int_equal(eddy_loop_now(testing.loop), before + 5 + HOUR);
}

test(a_timerfd_is_set_by_the_clock_that_has_gone_back)
{
    static eddy_timer timer = {.user = "timer"};

    open_odd(EDDY_CLOCK_MONOTONIC, EDDY_LOOP_TIMERFD, gone_back);
    odd.by = YEAR + HOUR; /* to before the kernel's time */
    assert_int_equal(eddy_timer_start(testing.loop, &timer, 2 * HOUR, log_timer), 0);
    testing_forget_calls();
    go_back();
    (void)testing_turn();
    assert_int_equal(testing_calls(timerfd_settime), 1); /* anew, for the same deadline */
    eddy_timer_stop(&timer);
}

static void wind_back(eddy_callback *callback)
{
    (void)callback;
    testing.clock.now = -25;
    (void)eddy_loop_update(testing.loop);
}

/* A manual clock is its owner's, who may wind it back. */
test(a_periodic_timer_misses_nothing_on_a_clock_that_is_wound_back_before_it_runs)
{
    static eddy_timer timer = {.user = "timer"};
    static eddy_callback callback;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    assert_int_equal(eddy_timer_start_periodic(testing.loop, &timer, 10, EDDY_TIMER_FIXED_RATE,
                                               log_timer_and_time),
                     0);
    testing.clock.now = 35;
    eddy_callback_start(testing.loop, &callback, wind_back); /* runs before what is due */
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("timer@-25");
    assert_int_equal(timer.missed, 0);
    assert_int_equal(timer.deadline, 20);
    testing.clock.now = 20;
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("timer@20");
    eddy_timer_stop(&timer);
}

/* ---- a clock that stands still, or is slow */

static int64_t stands_still(int64_t now)
{
    return odd.moved ? now - odd.since - odd.by + odd.since : odd.since;
}

static void count_wake(void)
{
    odd.wakes++;
    if (testing.sys.now - odd.since >= 100 * EDDY_SECOND && !odd.moved) { /* it goes again */
        odd.by = testing.sys.now - odd.since;
        odd.moved = true;
    }
}

test(who_waits_for_a_clock_that_stands_still_does_not_spin_and_fires_when_it_goes_again)
{
    static const int64_t delays[] = {1, 999, 10 * MS, EDDY_SECOND, 1000 * EDDY_SECOND};

    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        open_odd(EDDY_CLOCK_MONOTONIC, 0, stands_still);
        testing.sys.on_wait = count_wake;
        assert_in_range(take(delays[i]), 100 * EDDY_SECOND, 101 * EDDY_SECOND + 2 * delays[i]);
        assert_in_range(odd.wakes, 1, 2000); /* in a hundred seconds */
    }
}

static int64_t half(int64_t now)
{
    return odd.since + (now - odd.since) / 2;
}

static void count_only(void)
{
    odd.wakes++;
}

test(a_clock_at_half_the_pace_takes_twice_as_long_and_few_waits)
{
    open_odd(EDDY_CLOCK_MONOTONIC, 0, half);
    testing.sys.on_wait = count_only;
    assert_in_range(take(2 * EDDY_SECOND), 4 * EDDY_SECOND, 4 * EDDY_SECOND + 10 * MS);
    assert_in_range(odd.wakes, 2, 40);
}

static int64_t coarse(int64_t now)
{
    return now - now % (4 * MS);
}

test(a_clock_of_four_milliseconds_a_tick_makes_nobody_spin)
{
    open_odd(EDDY_CLOCK_MONOTONIC, 0, coarse);
    testing.sys.on_wait = count_only;
    assert_in_range(take(10 * MS), 10 * MS, 20 * MS);
    assert_in_range(odd.wakes, 1, 20);
}

static void again(eddy_callback *callback)
{
    eddy_callback_start(testing.loop, callback, again);
}

test(a_budget_ends_also_on_a_clock_that_stands_still_or_goes_back)
{
    static eddy_callback callback;

    testing.options.flags = 0;
    open_odd(EDDY_CLOCK_MONOTONIC, 0, frozen);
    eddy_callback_start(testing.loop, &callback, again);
    assert_true(eddy_loop_poll_once(testing.loop, 0, MS) > 1000);
    eddy_callback_stop(&callback);
}

static void go_back_and_go_on(eddy_callback *callback)
{
    go_back();
    testing.sys.now += MS;
    eddy_callback_start(testing.loop, callback, go_back_and_go_on);
}

test(a_budget_is_not_an_hour_longer_on_a_clock_that_goes_back_an_hour)
{
    static eddy_callback callback;

    open_odd(EDDY_CLOCK_MONOTONIC, 0, gone_back);
    odd.by = HOUR;
    eddy_callback_start(testing.loop, &callback, go_back_and_go_on);
    assert_in_range(eddy_loop_poll_once(testing.loop, 0, 5 * MS), 5, 6);
    eddy_callback_stop(&callback);
}

/* ---- a clock that jumps */

static int64_t jumped(int64_t now)
{
    return odd.moved ? now + odd.by : now;
}

test(after_a_jump_all_that_is_due_fires_once_in_the_order_of_the_deadlines)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"}, never = {.user = "never"};
    static eddy_timer tick = {.user = "tick"};

    open_odd(EDDY_CLOCK_MONOTONIC, 0, jumped);
    odd.by = 100 * YEAR;
    assert_int_equal(eddy_timer_start(testing.loop, &b, 2 * YEAR, log_timer), 0);
    assert_int_equal(eddy_timer_start(testing.loop, &a, YEAR, log_timer), 0);
    assert_int_equal(eddy_timer_start(testing.loop, &never, EDDY_FOREVER, log_timer), 0);
    assert_int_equal(
        eddy_timer_start_periodic(testing.loop, &tick, 3 * YEAR, EDDY_TIMER_FIXED_RATE, log_timer),
        0);
    go_back(); /* in fact forth */
    assert_int_equal(testing_turn(), 3);
    assert_int_equal(testing_turn(), 0);
    testing_assert_log("a b tick");
    assert_int_equal(tick.missed, 32);
    eddy_timer_stop(&tick);
    eddy_timer_stop(&never);
}

/* ---- the end of a loop */

eddy_frame(never_ends) {
    eddy_coro co;
};

static void never_ends(eddy_coro *co)
{
    eddy_begin(never_ends);
    eddy_await(eddy_sleep(co, EDDY_FOREVER));
eddy_finally:
    for (;;) {
        testing.sys.now += odd.by;
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

static void assert_cut_off(enum eddy_clock_kind kind, int64_t (*show)(int64_t now), int64_t by)
{
    testing.options.flags = 0;
    testing.options.shutdown_timeout = 10 * MS;
    open_odd(kind, 0, show);
    start(never_ends);
    testing_turn();
    odd.by = by;
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    assert_told(-ETIMEDOUT, "was cut off in its cleanup");
    testing.loop = NULL;
    assert_int_equal(eddy_loop_new(&testing.loop, &testing.options), 0);
}

test(a_cleanup_that_is_always_ready_is_cut_off_whatever_the_clock)
{
    static const enum eddy_clock_kind kinds[] = {EDDY_CLOCK_MONOTONIC, EDDY_CLOCK_BOOTTIME,
                                                 EDDY_CLOCK_VIRTUAL, EDDY_CLOCK_MANUAL};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        assert_cut_off(kinds[i], NULL, MS / 10);
        assert_cut_off(kinds[i], frozen, 0);
    }
}

static void log_message(eddy_callback *callback)
{
    (void)callback;
    testing_log("message");
}

eddy_frame(sends_at_last) {
    eddy_coro co;
};

static void sends_at_last(eddy_coro *co)
{
    static eddy_callback message;

    eddy_begin(sends_at_last);
    eddy_await(eddy_sleep(co, EDDY_FOREVER));
eddy_finally:
    testing.sys.now += EDDY_SECOND;
    eddy_loop_call_threadsafe(testing.loop, &message, log_message);
    eddy_await(eddy_pause(co));
    testing_log("never");
    eddy_end;
}

test(a_message_that_comes_as_a_cleanup_is_cut_off_is_run)
{
    testing.options.shutdown_timeout = 10 * MS;
    open_odd(EDDY_CLOCK_MONOTONIC, 0, NULL);
    start(sends_at_last);
    testing_turn();
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    assert_told(-ETIMEDOUT, "was cut off in its cleanup");
    testing_assert_log("message");
}

test(on_a_virtual_clock_it_has_a_second_of_real_time_at_least)
{
    assert_cut_off(EDDY_CLOCK_VIRTUAL, NULL, MS);
    assert_in_range(testing.sys.now - YEAR, EDDY_SECOND, EDDY_SECOND + 200 * MS);
}

eddy_frame(ends_slowly) {
    eddy_coro co;
};

static void ends_slowly(eddy_coro *co)
{
    eddy_begin(ends_slowly);
    eddy_await(eddy_sleep(co, EDDY_FOREVER));
eddy_finally:
    testing.sys.now += 400 * MS;
    eddy_await(eddy_pause(co));
    eddy_end;
}

test(on_a_virtual_clock_cleanups_that_end_one_after_the_other_have_all_the_time_they_need)
{
    testing.options.flags = 0;
    testing.options.shutdown_timeout = 10 * MS;
    open_odd(EDDY_CLOCK_VIRTUAL, 0, NULL);
    for (int i = 0; i < 20; i++) {
        start(ends_slowly);
        testing_turn();
    }
    start(never_ends); /* is always ready; by itself it has a second after the last of them */
    testing_turn();
    odd.by = MS;
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    assert_int_equal(testing.errors.count, 1);
    assert_told(-ETIMEDOUT, "was cut off in its cleanup");
    assert_int_equal(eddy_loop_new(&testing.loop, &testing.options), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_timer_on_boot_time_fires_soon_after_the_machine_has_slept),
        testing_case(on_boot_time_a_wait_for_a_deadline_looks_at_the_clock_ten_times_a_second),
        testing_case(nobody_sees_that_but_the_kernel),
        testing_case(a_wait_of_a_second_is_no_longer_on_boot_time_that_stands_still),
        testing_case(on_boot_time_a_wait_without_a_deadline_is_one),
        testing_case(with_a_timerfd_on_boot_time_nobody_looks_at_the_clock_meanwhile),
        testing_case(nor_for_a_timer_that_is_started_while_the_loop_runs),
        testing_case(with_a_timerfd_that_could_not_be_set_somebody_does),
        testing_case(a_wait_in_another_thread_looks_at_boot_time_too),
        testing_case(a_clock_that_goes_back_an_hour_makes_a_timer_later_by_one_wait_at_most),
        testing_case(the_time_of_a_loop_never_goes_back),
        testing_case(a_timerfd_is_set_by_the_clock_that_has_gone_back),
        testing_case(a_periodic_timer_misses_nothing_on_a_clock_that_is_wound_back_before_it_runs),
        testing_case(
            who_waits_for_a_clock_that_stands_still_does_not_spin_and_fires_when_it_goes_again),
        testing_case(a_clock_at_half_the_pace_takes_twice_as_long_and_few_waits),
        testing_case(a_clock_of_four_milliseconds_a_tick_makes_nobody_spin),
        testing_case(a_budget_ends_also_on_a_clock_that_stands_still_or_goes_back),
        testing_case(a_budget_is_not_an_hour_longer_on_a_clock_that_goes_back_an_hour),
        testing_case(after_a_jump_all_that_is_due_fires_once_in_the_order_of_the_deadlines),
        testing_case(a_cleanup_that_is_always_ready_is_cut_off_whatever_the_clock),
        testing_case(a_message_that_comes_as_a_cleanup_is_cut_off_is_run),
        testing_case(on_a_virtual_clock_it_has_a_second_of_real_time_at_least),
        testing_case(
            on_a_virtual_clock_cleanups_that_end_one_after_the_other_have_all_the_time_they_need),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
