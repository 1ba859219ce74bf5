/* timer.h: timers that are started anew for later, which the heap is told of only when their entries
 * come up. */
#include "support/timer.h"

#include "loop/loop_internal.h"

static void start_late(eddy_timer *timer, int64_t delay)
{
    start(timer, delay, log_name);
}

test(one_that_was_put_off_fires_behind_those_that_had_the_deadline_before)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"}, c = {.user = "c"};

    start_late(&a, 10);
    start_late(&b, 20);
    start_late(&a, 20);
    start_late(&c, 20);
    testing_run();
    testing_assert_log("b a c");
}

test(those_that_were_put_off_fire_in_the_order_in_which_they_were)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"}, c = {.user = "c"};

    start_late(&a, 10);
    start_late(&b, 5);
    start_late(&c, 15);
    start_late(&c, 20);
    start_late(&a, 20);
    start_late(&b, 20);
    testing_run();
    testing_assert_log("c a b");
}

static void put_all_off(eddy_timer *timer)
{
    eddy_timer **timers = timer->user;

    start_late(timers[0], 20);
    start_late(timers[1], 20);
    start_late(timers[2], 20);
}

test(those_that_are_put_off_in_one_turn_fire_in_that_order_and_before_those_started_behind_them)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"}, c = {.user = "c"};
    static eddy_timer *timers[] = {&b, &a, &c};
    static eddy_timer first = {.user = timers};

    start_late(&a, 10);
    start_late(&b, 10);
    start(&first, 1, put_all_off);
    testing_run();
    testing_assert_log("b a c");
}

test(one_that_was_put_off_and_brought_forward_again_has_its_last_place)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"};

    start_late(&a, 10);
    start_late(&a, 30);
    start_late(&b, 10);
    start_late(&a, 10);
    testing_run();
    testing_assert_log("b a");
}

test(putting_off_takes_the_new_callback)
{
    static eddy_timer timer = {.user = "a"};

    start(&timer, 10, log_name);
    start(&timer, 20, log_name_and_time);
    testing_run();
    testing_assert_log("a@20");
}

test(one_that_was_put_off_and_stopped_starts_as_any_other)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"};

    start_late(&a, 10);
    start_late(&a, 20);
    eddy_timer_stop(&a);
    start_late(&b, 10);
    start_late(&a, 10);
    testing_run();
    testing_assert_log("b a");
}

/* The numbers that order equal deadlines have 32 bits, and start anew at their end. */
test(the_order_stays_when_the_numbers_start_anew)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"}, c = {.user = "c"}, d = {.user = "d"};

    start_late(&a, 10);
    start_late(&b, 15);
    testing.loop->heap.sequence = UINT32_MAX - 3;
    start_late(&c, 20); /* the last but two */
    start_late(&b, 20);
    start_late(&a, 20); /* the last */
    start_late(&d, 20);
    assert_true(testing.loop->heap.sequence < 100);
    testing_run();
    testing_assert_log("c b a d");
}

test(one_is_put_off_when_the_numbers_start_anew)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"};

    start_late(&a, 10);
    start_late(&b, 20);
    testing.loop->heap.sequence = UINT32_MAX;
    start_late(&a, 20);
    assert_true(testing.loop->heap.sequence < 100);
    testing_run();
    testing_assert_log("b a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(one_that_was_put_off_fires_behind_those_that_had_the_deadline_before),
        testing_case(those_that_were_put_off_fire_in_the_order_in_which_they_were),
        testing_case(
            those_that_are_put_off_in_one_turn_fire_in_that_order_and_before_those_started_behind_them),
        testing_case(one_that_was_put_off_and_brought_forward_again_has_its_last_place),
        testing_case(putting_off_takes_the_new_callback),
        testing_case(one_that_was_put_off_and_stopped_starts_as_any_other),
        testing_case(the_order_stays_when_the_numbers_start_anew),
        testing_case(one_is_put_off_when_the_numbers_start_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
