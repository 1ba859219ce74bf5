/* timer.h: timers, on a virtual clock unless the test says otherwise. */
#include "support/timer.h"

#include <stdlib.h>

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

/* ---- at a time */

static int64_t when[200];
static eddy_timer at[200];
static int64_t last_when;
static int fired;

static void note_when(eddy_timer *timer)
{
    assert_true(when[timer - at] >= last_when);
    last_when = when[timer - at];
    fired++;
}

/* Time goes on from start to start, as it does outside of a turn. */
test(timers_that_are_started_at_times_fire_in_the_order_of_those)
{
    int64_t base;

    testing_fake_clock(EDDY_SECOND);
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    base = eddy_loop_now(testing.loop) + EDDY_SECOND;
    last_when = fired = 0;
    for (int i = 0; i < 200; i++) {
        when[i] = base - (int64_t)i * 10;
        assert_int_equal(eddy_timer_start_at(testing.loop, &at[i], when[i], note_when), 0);
        assert_int_equal(at[i].deadline, when[i]);
        testing.sys.now += 100;
    }
    testing_run();
    assert_int_equal(fired, 200);
}

test(equal_times_fire_in_the_order_of_the_starts_and_one_that_is_past_in_the_next_turn)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"}, past = {.user = "past"};

    testing.clock.now = 100;
    assert_int_equal(eddy_timer_start_at(testing.loop, &b, 150, log_name_and_time), 0);
    assert_int_equal(eddy_timer_start_at(testing.loop, &a, 150, log_name_and_time), 0);
    assert_int_equal(eddy_timer_start_at(testing.loop, &past, -7, log_name_and_time), 0);
    assert_int_equal(testing_turn(), 1);
    testing_run();
    testing_assert_log("past@100 b@150 a@150");
}

test(a_time_without_end_never_comes_and_a_time_may_be_changed)
{
    static eddy_timer a = {.user = "a"};

    assert_int_equal(eddy_timer_start_at(testing.loop, &a, EDDY_FOREVER, log_name_and_time), 0);
    assert_int_equal(eddy_loop_next_deadline(testing.loop), EDDY_FOREVER);
    assert_int_equal(eddy_timer_start_at(testing.loop, &a, 50, log_name_and_time), 0);
    assert_int_equal(eddy_timer_start_at(testing.loop, &a, 70, log_name_and_time), 0);
    testing_run();
    testing_assert_log("a@70");
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
        testing_case(timers_that_are_started_at_times_fire_in_the_order_of_those),
        testing_case(
            equal_times_fire_in_the_order_of_the_starts_and_one_that_is_past_in_the_next_turn),
        testing_case(a_time_without_end_never_comes_and_a_time_may_be_changed),
        testing_case(a_stopped_timer_never_fires),
        testing_case(stopping_what_is_stopped_does_nothing),
        testing_case(a_stopped_timer_never_fires_even_if_it_was_due),
        testing_case(one_that_was_due_and_is_started_anew_fires_at_its_new_deadline_only),
        testing_case(a_timer_may_be_freed_inside_its_own_and_inside_anothers_callback),
        testing_case(a_periodic_timer_may_stop_itself),
        testing_case(a_periodic_timer_may_free_itself),
        testing_case(a_periodic_timer_may_become_a_single_shot_in_its_callback),
        testing_case(a_stopped_periodic_timer_never_fires_even_if_it_was_due),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
