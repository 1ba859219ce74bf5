/* timer.h: timers, on a virtual clock unless the test says otherwise. */
#include "support/testing.h"

#include <stdio.h>
#include <stdlib.h>

#include "eddy/callback.h"
#include "eddy/timer.h"

static const char *name_of(const eddy_timer *timer)
{
    return timer->user;
}

static void log_name(eddy_timer *timer)
{
    testing_log("%s", name_of(timer));
}

static void log_name_and_time(eddy_timer *timer)
{
    testing_log("%s@%lld", name_of(timer), (long long)eddy_loop_now(testing.loop));
}

static void start(eddy_timer *timer, int64_t delay, eddy_timer_fn *callback)
{
    assert_int_equal(eddy_timer_start(testing.loop, timer, delay, callback), 0);
}

static void start_periodic(eddy_timer *timer, int64_t period, enum eddy_timer_mode mode,
                           eddy_timer_fn *callback)
{
    assert_int_equal(eddy_timer_start_periodic(testing.loop, timer, period, mode, callback), 0);
}

/* Moves a manual clock and runs one turn. */
static void advance(int64_t duration)
{
    eddy_clock_advance(&testing.clock, duration);
    (void)testing_turn();
}

/* ---- deadlines */

test(a_timer_fires_once_at_its_deadline)
{
    static eddy_timer timer = {.user = "a"};

    start(&timer, 10, log_name_and_time);
    testing_run();
    testing_run();
    testing_assert_log("a@10");
}

test(a_timer_is_started_until_it_fires)
{
    static eddy_timer timer = {.user = "a"};

    assert_false(eddy_timer_started(&timer));
    start(&timer, 10, log_name);
    assert_true(eddy_timer_started(&timer));
    assert_int_equal(timer.deadline, 10);
    testing_run();
    assert_false(eddy_timer_started(&timer));
    testing_assert_log("a");
}

test(timers_fire_in_the_order_of_their_deadlines)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"}, c = {.user = "c"};

    start(&c, 30, log_name_and_time);
    start(&a, 10, log_name_and_time);
    start(&b, 20, log_name_and_time);
    testing_run();
    testing_assert_log("a@10 b@20 c@30");
}

test(timers_that_are_due_together_still_fire_in_the_order_of_their_deadlines)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"}, c = {.user = "c"};

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start(&c, 30, log_name);
    start(&a, 10, log_name);
    start(&b, 20, log_name);
    advance(100);
    testing_assert_log("a b c");
}

test(equal_deadlines_fire_in_the_order_of_their_starts)
{
    static eddy_timer timers[26];
    static char names[26][2];

    for (int i = 0; i < 26; i++) {
        names[i][0] = (char)('a' + i);
        timers[i].user = names[i];
        start(&timers[i], 10, log_name);
    }
    testing_run();
    testing_assert_log("a b c d e f g h i j k l m n o p q r s t u v w x y z");
}

test(equal_deadlines_from_different_delays_fire_in_the_order_of_their_starts)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"};

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start(&a, 30, log_name);
    advance(20);
    start(&b, 10, log_name);
    advance(10);
    testing_assert_log("a b");
}

test(a_restart_at_the_same_deadline_goes_behind_the_others)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"}, c = {.user = "c"};

    start(&a, 10, log_name);
    start(&b, 10, log_name);
    start(&c, 10, log_name);
    start(&a, 10, log_name);
    testing_run();
    testing_assert_log("b c a");
}

/* The heap keeps the entry of a timer that was put off where it was; see test_heap.c. */
test(putting_a_timer_off_does_not_change_the_order_of_others)
{
    static eddy_timer root = {.user = "root"}, off = {.user = "off"}, x = {.user = "x"};
    static eddy_timer y = {.user = "y"}, late = {.user = "late"}, early = {.user = "early"};
    static eddy_timer last = {.user = "last"};

    start(&root, 5, log_name);
    start(&off, 10, log_name);
    start(&x, 11, log_name);
    start(&y, 12, log_name);
    start(&late, 13, log_name);
    start(&early, 10, log_name);
    start(&last, 50, log_name);
    start(&late, 10, log_name);
    start(&off, 20, log_name);
    testing_run();
    testing_assert_log("root early late x y off last");
}

test(a_timer_never_fires_early)
{
    static eddy_timer timer = {.user = "a"};

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start(&timer, EDDY_SECOND, log_name);
    advance(EDDY_SECOND - 1);
    testing_assert_log("");
    advance(1);
    testing_assert_log("a");
}

/* The kernel may return before the time-out; then nothing is due yet. */
test(a_timer_does_not_fire_when_the_kernel_wakes_up_early)
{
    static eddy_timer timer = {.user = "a"};

    testing_fake_clock(0);
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    start(&timer, 10 * EDDY_MILLISECOND, log_name_and_time);
    testing_fail(epoll_pwait2, 1, -EINTR);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 0);
    testing_assert_log("");
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("a@10000000");
}

test(no_delay_and_a_negative_one_fire_in_the_next_turn)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"};

    start(&a, -5, log_name_and_time);
    start(&b, 0, log_name_and_time);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("a@0 b@0");
}

test(a_delay_without_end_never_fires)
{
    static eddy_timer timer = {.user = "a"};

    start(&timer, EDDY_FOREVER, log_name);
    assert_int_equal(timer.deadline, EDDY_FOREVER);
    testing_run();
    testing_assert_log("");
    eddy_timer_stop(&timer);
}

test(a_delay_counts_from_the_time_of_the_turn)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"};

    testing_fake_clock(100);
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    start(&a, 10, log_name);
    testing.sys.now = 105;
    start(&b, 10, log_name);
    assert_int_equal(a.deadline, 110);
    assert_int_equal(b.deadline, 115);
    eddy_timer_stop(&a);
    eddy_timer_stop(&b);
}

/* ---- starting anew */

test(a_restart_replaces_deadline_and_callback)
{
    static eddy_timer timer = {.user = "a"};

    start(&timer, 10, log_name);
    start(&timer, 20, log_name_and_time);
    testing_run();
    testing_assert_log("a@20");
}

test(a_timer_may_be_moved_forward)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"};

    start(&a, 10, log_name_and_time);
    start(&b, 20, log_name_and_time);
    start(&b, 5, log_name_and_time);
    testing_run();
    testing_assert_log("b@5 a@10");
}

test(a_timer_that_is_put_off_again_and_again_fires_once_at_last)
{
    static eddy_timer timer = {.user = "idle"};

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    for (int i = 0; i < 1000; i++) {
        start(&timer, 10, log_name_and_time);
        advance(9);
    }
    testing_assert_log("");
    advance(1);
    testing_assert_log("idle@9001");
    advance(1000);
    testing_assert_log("");
}

test(the_next_deadline_of_the_loop_knows_a_timer_that_was_put_off)
{
    static eddy_timer timer = {.user = "a"};

    start(&timer, 10, log_name);
    start(&timer, 50, log_name);
    assert_int_equal(eddy_loop_next_deadline(testing.loop), 50);
    start(&timer, 20, log_name);
    assert_int_equal(eddy_loop_next_deadline(testing.loop), 20);
    eddy_timer_stop(&timer);
    assert_int_equal(eddy_loop_next_deadline(testing.loop), EDDY_FOREVER);
}

static void restart_at_once(eddy_timer *timer)
{
    testing_log("%s", name_of(timer));
    start(timer, 0, restart_at_once);
}

test(a_restart_without_delay_inside_the_callback_fires_in_the_next_turn_only)
{
    static eddy_timer timer = {.user = "a"};

    start(&timer, 0, restart_at_once);
    for (int turn = 0; turn < 3; turn++) {
        assert_int_equal(testing_turn(), 1);
        testing_assert_log("a");
    }
    eddy_timer_stop(&timer);
}

static void start_friend(eddy_timer *timer)
{
    testing_log("first");
    start(timer->user, 0, log_name);
}

test(one_that_a_callback_starts_without_delay_fires_in_the_next_turn)
{
    static eddy_timer friend = {.user = "friend"}, first = {.user = &friend};

    start(&first, 0, start_friend);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("first");
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("friend");
}

static void restart_later(eddy_timer *timer)
{
    testing_log("%s@%lld", name_of(timer), (long long)eddy_loop_now(testing.loop));
    start(timer, 10, log_name_and_time);
}

test(a_timer_may_be_started_anew_inside_its_callback)
{
    static eddy_timer timer = {.user = "a"};

    start(&timer, 5, restart_later);
    testing_run();
    testing_assert_log("a@5 a@15");
}

/* ---- stopping */

test(a_stopped_timer_never_fires)
{
    static eddy_timer timer = {.user = "a"};

    start(&timer, 10, log_name);
    eddy_timer_stop(&timer);
    assert_false(eddy_timer_started(&timer));
    testing_run();
    testing_assert_log("");
}

test(stopping_what_is_stopped_does_nothing)
{
    static eddy_timer timer = {.user = "a"};

    eddy_timer_stop(&timer);
    start(&timer, 10, log_name);
    eddy_timer_stop(&timer);
    eddy_timer_stop(&timer);
    testing_run();
    testing_assert_log("");
}

static void stop_friend(eddy_timer *timer)
{
    testing_log("first");
    eddy_timer_stop(timer->user);
}

test(a_stopped_timer_never_fires_even_if_it_was_due)
{
    static eddy_timer friend = {.user = "friend"}, first = {.user = &friend};

    start(&first, 10, stop_friend);
    start(&friend, 10, log_name);
    testing_run();
    testing_assert_log("first");
    assert_false(eddy_timer_started(&friend));
}

static void put_friend_off(eddy_timer *timer)
{
    testing_log("first");
    start(timer->user, 10, log_name_and_time);
}

test(one_that_was_due_and_is_started_anew_fires_at_its_new_deadline_only)
{
    static eddy_timer friend = {.user = "friend"}, first = {.user = &friend};

    start(&first, 10, put_friend_off);
    start(&friend, 10, log_name);
    testing_run();
    testing_assert_log("first friend@20");
}

static void free_friend_and_self(eddy_timer *timer)
{
    eddy_timer *friend = timer->user;

    testing_log("first");
    eddy_timer_stop(friend);
    free(friend);
    eddy_timer_stop(timer);
    free(timer);
}

static eddy_timer *new_timer(void *user)
{
    eddy_timer *timer = calloc(1, sizeof *timer);

    assert_non_null(timer);
    timer->user = user;
    return timer;
}

test(a_timer_may_be_freed_inside_its_own_and_inside_anothers_callback)
{
    static char name[] = "friend";
    eddy_timer *friend = new_timer(name);

    start(new_timer(friend), 10, free_friend_and_self);
    start(friend, 10, log_name);
    testing_run();
    testing_assert_log("first");
}

static void stop_self(eddy_timer *timer)
{
    testing_log("%s@%lld", name_of(timer), (long long)eddy_loop_now(testing.loop));
    eddy_timer_stop(timer);
}

test(a_periodic_timer_may_stop_itself)
{
    static eddy_timer timer = {.user = "a"};

    start_periodic(&timer, 10, EDDY_TIMER_FIXED_RATE, stop_self);
    testing_run();
    testing_assert_log("a@10");
}

static void free_self(eddy_timer *timer)
{
    testing_log("freed");
    eddy_timer_stop(timer);
    free(timer);
}

test(a_periodic_timer_may_free_itself)
{
    eddy_timer *timer = new_timer(NULL);

    start_periodic(timer, 10, EDDY_TIMER_FIXED_DELAY, free_self);
    testing_run();
    testing_assert_log("freed");
}

static void become_a_single_shot(eddy_timer *timer)
{
    testing_log("%s@%lld", name_of(timer), (long long)eddy_loop_now(testing.loop));
    start(timer, 7, log_name_and_time);
}

test(a_periodic_timer_may_become_a_single_shot_in_its_callback)
{
    static eddy_timer timer = {.user = "a"};

    start_periodic(&timer, 10, EDDY_TIMER_FIXED_RATE, become_a_single_shot);
    testing_run();
    testing_assert_log("a@10 a@17");
    assert_false(eddy_timer_started(&timer));
}

test(a_stopped_periodic_timer_never_fires_even_if_it_was_due)
{
    static eddy_timer friend = {.user = "friend"}, first = {.user = &friend};

    start(&first, 10, stop_friend);
    start_periodic(&friend, 10, EDDY_TIMER_FIXED_RATE, log_name);
    testing_run();
    testing_assert_log("first");
}

/* ---- periodic */

static void log_missed(eddy_timer *timer)
{
    testing_log("@%lld:%llu", (long long)eddy_loop_now(testing.loop),
                (unsigned long long)timer->missed);
}

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

/* ---- the end of time */

static int turn_at_the_end_of_time(void *argument)
{
    (void)argument;
    eddy_clock_advance(&testing.clock, EDDY_FOREVER);
    return (int)eddy_loop_poll_once(testing.loop, 0, 0);
}

test(a_deadline_without_end_never_comes_not_even_at_the_end_of_time)
{
    static eddy_timer timer = {.user = "a"};

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start(&timer, EDDY_FOREVER, log_name);
    assert_int_equal(turn_at_the_end_of_time(NULL), 0);
    eddy_timer_stop(&timer);
}

test(a_periodic_timer_fires_once_at_the_end_of_time)
{
    static eddy_timer timer = {.user = "a"};

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start_periodic(&timer, 10, EDDY_TIMER_FIXED_RATE, log_name);
    testing_expect_return(turn_at_the_end_of_time, NULL, 1);
    eddy_timer_stop(&timer);
}

/* ---- several loops */

test(a_timer_that_is_started_in_another_loop_is_refused)
{
    static eddy_timer timer = {.user = "a"};
    eddy_loop *other;

    assert_int_equal(eddy_loop_new(&other, &testing.options), 0);
    start(&timer, 10, log_name);
    assert_int_equal(eddy_timer_start(other, &timer, 5, log_name), -EINVAL);
    assert_int_equal(eddy_timer_start_periodic(other, &timer, 5, EDDY_TIMER_FIXED_RATE, log_name),
                     -EINVAL);
    assert_int_equal(timer.deadline, 10);
    testing_run();
    testing_assert_log("a");
    assert_int_equal(eddy_timer_start(other, &timer, 5, log_name), 0);
    assert_int_equal(eddy_loop_run(other), 0);
    testing_assert_log("a");
    assert_int_equal(eddy_loop_free(other), 0);
}

test(freeing_the_loop_stops_its_timers)
{
    static eddy_timer once, periodic, again = {.user = "again"};

    start(&once, 10, log_name);
    start_periodic(&periodic, 10, EDDY_TIMER_FIXED_RATE, log_name);
    start(&again, 10, log_name);
    testing_reopen();
    assert_false(eddy_timer_started(&once));
    assert_false(eddy_timer_started(&periodic));
    assert_false(eddy_timer_started(&again));
    eddy_timer_stop(&once);
    start(&again, 10, log_name);
    testing_run();
    testing_assert_log("again");
}

static void use_up_the_budget(eddy_timer *timer)
{
    testing_log("%s", name_of(timer));
    testing.sys.now += EDDY_SECOND;
}

test(freeing_the_loop_stops_timers_that_were_due)
{
    static eddy_timer first = {.user = "first"}, once = {.user = "once"};
    static eddy_timer periodic = {.user = "periodic"};

    testing_fake_clock(0);
    start(&first, 0, use_up_the_budget);
    start(&once, 0, log_name);
    start_periodic(&periodic, 1, EDDY_TIMER_FIXED_RATE, log_name);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, EDDY_SECOND), 1);
    testing_assert_log("first");
    testing_reopen();
    assert_false(eddy_timer_started(&once));
    assert_false(eddy_timer_started(&periodic));
    start(&once, 10, log_name);
    testing_run();
    testing_assert_log("once");
}

/* ---- no memory */

test(without_memory_a_timer_is_not_started)
{
    static eddy_timer timer = {.user = "a"};

    testing_fail_allocation(1);
    assert_int_equal(eddy_timer_start(testing.loop, &timer, 10, log_name), -ENOMEM);
    assert_false(eddy_timer_started(&timer));
    testing_fail_allocation(1);
    assert_int_equal(
        eddy_timer_start_periodic(testing.loop, &timer, 10, EDDY_TIMER_FIXED_RATE, log_name),
        -ENOMEM);
    assert_false(eddy_timer_started(&timer));
    start(&timer, 10, log_name);
    testing_run();
    testing_assert_log("a");
}

static eddy_timer fillers[1000];

/* Starts timers until the heap is full; then it cannot grow any more. */
static void fill_the_heap(void)
{
    int i = 0;

    testing_fail_allocations_from(1);
    while (eddy_timer_start(testing.loop, &fillers[i], 1000, log_name) == 0) {
        i++;
    }
    assert_true(i > 0 && i < 1000);
}

static void empty_the_heap(void)
{
    for (int i = 0; i < 1000; i++) {
        eddy_timer_stop(&fillers[i]);
    }
}

test(a_started_timer_is_started_anew_without_memory)
{
    static eddy_timer timer = {.user = "a"};

    start(&timer, 10, log_name_and_time);
    fill_the_heap();
    start(&timer, 5, log_name_and_time);
    start(&timer, 15, log_name_and_time);
    empty_the_heap();
    testing_run();
    testing_assert_log("a@15");
}

static void fill_the_heap_and_restart_friend(eddy_timer *timer)
{
    fill_the_heap();
    testing_log("%d", eddy_timer_start(testing.loop, timer->user, 10, log_name_and_time));
    empty_the_heap();
}

test(one_that_was_due_and_cannot_be_started_anew_still_fires)
{
    static eddy_timer friend = {.user = "friend"}, first = {.user = &friend};
    char expected[64];

    start(&first, 10, fill_the_heap_and_restart_friend);
    start(&friend, 10, log_name_and_time);
    testing_run();
    snprintf(expected, sizeof expected, "%d friend@10", -ENOMEM);
    testing_assert_log(expected);
}

static void fill_the_heap_once(eddy_timer *timer)
{
    log_missed(timer);
    if (eddy_loop_now(testing.loop) == 10) {
        fill_the_heap();
    } else if (eddy_loop_now(testing.loop) == 30) {
        empty_the_heap();
        eddy_timer_stop(timer);
    }
}

test(a_periodic_timer_goes_on_without_memory)
{
    static eddy_timer timer;

    start_periodic(&timer, 10, EDDY_TIMER_FIXED_RATE, fill_the_heap_once);
    testing_run();
    testing_assert_log("@10:0 @20:0 @30:0");
}

/* ---- many */

static int64_t last_deadline;
static int fired;

static void count_in_order(eddy_timer *timer)
{
    if (timer->deadline < last_deadline || timer->deadline > eddy_loop_now(testing.loop)) {
        fail_msg("timer %d is out of order or early", fired);
    }
    last_deadline = timer->deadline;
    fired++;
}

test(a_thousand_random_timers_fire_in_order_and_never_early)
{
    uint64_t random = 1;

    last_deadline = 0;
    fired = 0;
    for (int i = 0; i < 1000; i++) {
        start(&fillers[i], (int64_t)(testing_random(&random) % 5000), count_in_order);
    }
    for (int i = 0; i < 1000; i += 3) {
        start(&fillers[i], (int64_t)(testing_random(&random) % 5000), count_in_order);
    }
    for (int i = 0; i < 1000; i += 10) {
        eddy_timer_stop(&fillers[i]);
    }
    testing_run();
    assert_int_equal(fired, 900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_timer_fires_once_at_its_deadline),
        testing_case(a_timer_is_started_until_it_fires),
        testing_case(timers_fire_in_the_order_of_their_deadlines),
        testing_case(timers_that_are_due_together_still_fire_in_the_order_of_their_deadlines),
        testing_case(equal_deadlines_fire_in_the_order_of_their_starts),
        testing_case(equal_deadlines_from_different_delays_fire_in_the_order_of_their_starts),
        testing_case(a_restart_at_the_same_deadline_goes_behind_the_others),
        testing_case(putting_a_timer_off_does_not_change_the_order_of_others),
        testing_case(a_timer_never_fires_early),
        testing_case(a_timer_does_not_fire_when_the_kernel_wakes_up_early),
        testing_case(no_delay_and_a_negative_one_fire_in_the_next_turn),
        testing_case(a_delay_without_end_never_fires),
        testing_case(a_delay_counts_from_the_time_of_the_turn),
        testing_case(a_restart_replaces_deadline_and_callback),
        testing_case(a_timer_may_be_moved_forward),
        testing_case(a_timer_that_is_put_off_again_and_again_fires_once_at_last),
        testing_case(the_next_deadline_of_the_loop_knows_a_timer_that_was_put_off),
        testing_case(a_restart_without_delay_inside_the_callback_fires_in_the_next_turn_only),
        testing_case(one_that_a_callback_starts_without_delay_fires_in_the_next_turn),
        testing_case(a_timer_may_be_started_anew_inside_its_callback),
        testing_case(a_stopped_timer_never_fires),
        testing_case(stopping_what_is_stopped_does_nothing),
        testing_case(a_stopped_timer_never_fires_even_if_it_was_due),
        testing_case(one_that_was_due_and_is_started_anew_fires_at_its_new_deadline_only),
        testing_case(a_timer_may_be_freed_inside_its_own_and_inside_anothers_callback),
        testing_case(a_periodic_timer_may_stop_itself),
        testing_case(a_periodic_timer_may_free_itself),
        testing_case(a_periodic_timer_may_become_a_single_shot_in_its_callback),
        testing_case(a_stopped_periodic_timer_never_fires_even_if_it_was_due),
        testing_case(a_fixed_rate_keeps_its_rhythm),
        testing_case(a_fixed_rate_counts_the_ticks_that_it_missed),
        testing_case(a_fixed_delay_counts_from_the_start_of_the_callback),
        testing_case(a_callback_that_takes_longer_than_the_period_misses_ticks),
        testing_case(periodic_timers_fire_once_a_turn_however_late_they_are),
        testing_case(equal_deadlines_of_periodic_timers_fire_in_the_order_of_their_restarts),
        testing_case(a_period_must_be_above_zero),
        testing_case(a_deadline_without_end_never_comes_not_even_at_the_end_of_time),
        testing_case(a_periodic_timer_fires_once_at_the_end_of_time),
        testing_case(a_timer_that_is_started_in_another_loop_is_refused),
        testing_case(freeing_the_loop_stops_its_timers),
        testing_case(freeing_the_loop_stops_timers_that_were_due),
        testing_case(without_memory_a_timer_is_not_started),
        testing_case(a_started_timer_is_started_anew_without_memory),
        testing_case(one_that_was_due_and_cannot_be_started_anew_still_fires),
        testing_case(a_periodic_timer_goes_on_without_memory),
        testing_case(a_thousand_random_timers_fire_in_order_and_never_early),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
