/* lock.h: so many tasks at a time (rules 4, 5 and 8). */
#include "support/tasks.h"

#include "eddy/lock.h"

_Static_assert(sizeof(eddy_semaphore) <= 32, "a semaphore is small, in every build type");

static eddy_semaphore semaphore;

/* Permits and waiters are never both there. */
static void assert_permits(uint32_t permits, bool waited_for)
{
    assert_int_equal(semaphore.permits, permits);
    assert_int_equal(eddy_waiters_first(&semaphore.waiters) != NULL, waited_for);
    assert_true(permits == 0 || !waited_for);
}

static void assert_free(void)
{
    assert_permits(1, false);
    assert_int_equal(eddy_semaphore_fini(&semaphore), 0);
}

static void assert_taken(bool waited_for)
{
    assert_permits(0, waited_for);
    assert_int_equal(eddy_semaphore_fini(&semaphore), -EBUSY);
}

static int64_t take(eddy_coro *co)
{
    return eddy_semaphore_acquire(co, &semaphore);
}

static void give_back(eddy_coro *co)
{
    (void)co;
    assert_int_equal(eddy_semaphore_release(&semaphore), 0);
}

static int set_up(void **state)
{
    eddy_semaphore_init_bounded(&semaphore, 1);
    return testing_setup(state);
}

#include "support/hand_over.h"

#define semaphore_case(name) cmocka_unit_test_setup_teardown(name, set_up, testing_teardown)

/* ---- permits */

test(so_many_at_a_time_and_the_others_in_the_order_in_which_they_came)
{
    eddy_semaphore_init(&semaphore, 2);
    start(takes, .name = "a", .keep = 1);
    start(takes, .name = "b", .keep = 2);
    start(takes, .name = "c", .keep = 2);
    start(takes, .name = "d", .keep = 1);
    testing_turns();
    assert_permits(0, true);
    testing_run();
    testing_assert_log("a=0@0 b=0@0 c=0@1 d=0@2");
    assert_permits(2, false);
}

test(a_zeroed_semaphore_has_no_permit_until_one_is_released)
{
    memset(&semaphore, 0, sizeof semaphore);
    start(takes, .name = "a");
    testing_turns();
    assert_permits(0, true);
    assert_int_equal(eddy_semaphore_release(&semaphore), 0);
    assert_permits(0, false);
    testing_turns();
    testing_assert_log("a=0@0");
    assert_permits(1, false);
}

test(a_static_semaphore_may_be_made_by_its_fields)
{
    static eddy_semaphore made = {.permits = 1, .bound = 1};

    assert_int_equal(eddy_semaphore_try_acquire(&made), 0);
    assert_int_equal(eddy_semaphore_try_acquire(&made), -EAGAIN);
    assert_int_equal(eddy_semaphore_release(&made), 0);
    assert_int_equal(eddy_semaphore_release(&made), -EOVERFLOW);
}

test(a_permit_is_handed_over_and_nobody_barges_in)
{
    start(takes, .name = "a");
    start(takes, .name = "b");
    testing_turn();
    testing_turn(); /* a has released it, b has not run yet */
    testing_assert_log("a=0@0");
    assert_permits(0, false);
    assert_int_equal(eddy_semaphore_try_acquire(&semaphore), -EAGAIN);
    start(takes, .name = "c");
    testing_turns();
    testing_assert_log("b=0@0 c=0@0");
    assert_permits(1, false);
}

/* ---- the bound */

test(a_bounded_semaphore_takes_back_no_more_than_it_has_handed_out)
{
    eddy_semaphore_init_bounded(&semaphore, 2);
    assert_int_equal(eddy_semaphore_release(&semaphore), -EOVERFLOW);
    assert_int_equal(eddy_semaphore_try_acquire(&semaphore), 0);
    assert_int_equal(eddy_semaphore_fini(&semaphore), -EBUSY);
    assert_int_equal(eddy_semaphore_release(&semaphore), 0);
    assert_int_equal(eddy_semaphore_release(&semaphore), -EOVERFLOW);
    assert_permits(2, false);
    assert_int_equal(eddy_semaphore_fini(&semaphore), 0);
}

test(one_without_a_bound_takes_as_many_as_it_can_count)
{
    eddy_semaphore_init(&semaphore, UINT32_MAX - 1);
    assert_int_equal(eddy_semaphore_release(&semaphore), 0);
    assert_int_equal(eddy_semaphore_release(&semaphore), -EOVERFLOW);
    assert_permits(UINT32_MAX, false);
    assert_int_equal(eddy_semaphore_fini(&semaphore), 0);
}

test(one_who_waits_tells_how_many_stand_before_it)
{
    char text[100];
    eddy_task c;

    start(takes, .name = "a");
    start(takes, .name = "b");
    c = start(takes, .name = "c");
    testing_turn();
    assert_string_equal(c.record->wait->name, "semaphore");
    c.record->wait->describe(c.record, text, sizeof text);
    assert_string_equal(text, "1 in line before it");
    testing_turns();
    testing_assert_log("a=0@0 b=0@0 c=0@0");
}

/* ---- many */

enum { MANY = 10000, PERMITS = 7 };

static int inside, most_inside, passed;

eddy_frame(passes) {
    eddy_coro co;
    int number;
};

static void passes(eddy_coro *co)
{
    eddy_begin(passes);
    eddy_with_semaphore(&semaphore) {
        assert_int_equal(passed++, self->number);
        inside++;
        most_inside = inside > most_inside ? inside : most_inside;
        eddy_await(eddy_pause(co));
        inside--;
    }
    eddy_end;
}

test(ten_thousand_tasks_pass_in_order_seven_at_a_time)
{
    testing.options.flags = 0;
    testing_reopen();
    eddy_semaphore_init_bounded(&semaphore, PERMITS);
    inside = most_inside = passed = 0;
    for (int i = 0; i < MANY; i++) {
        start(passes, .number = i);
    }
    testing_run();
    assert_int_equal(passed, MANY);
    assert_int_equal(most_inside, PERMITS);
    assert_permits(PERMITS, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HAND_OVER_CASES(semaphore_case),
        semaphore_case(so_many_at_a_time_and_the_others_in_the_order_in_which_they_came),
        semaphore_case(a_zeroed_semaphore_has_no_permit_until_one_is_released),
        semaphore_case(a_static_semaphore_may_be_made_by_its_fields),
        semaphore_case(a_permit_is_handed_over_and_nobody_barges_in),
        semaphore_case(a_bounded_semaphore_takes_back_no_more_than_it_has_handed_out),
        semaphore_case(one_without_a_bound_takes_as_many_as_it_can_count),
        semaphore_case(one_who_waits_tells_how_many_stand_before_it),
        semaphore_case(ten_thousand_tasks_pass_in_order_seven_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
