/* timer.h: the end of time, several loops, no memory, many timers. */
#include "support/timer.h"

#include <stdio.h>

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
