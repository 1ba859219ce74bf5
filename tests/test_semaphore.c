/* semaphore.h: so many tasks at a time (rules 4, 5 and 8). */
#include "support/tasks.h"

#include "eddy/semaphore.h"

_Static_assert(sizeof(eddy_semaphore) <= 32, "a semaphore is small, in every build type");

static eddy_semaphore semaphore;

/* Takes a permit, holds it for some seconds (none: a pause), releases it; logs how it got it. */
eddy_frame(takes) {
    eddy_coro co;
    const char *name;
    int64_t limit; /* 0: none; < 0: no time */
    int hold;
    int64_t rc, then;
};

static void takes(eddy_coro *co)
{
    eddy_begin(takes);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit == 0 ? EDDY_FOREVER : self->limit,
                                       eddy_semaphore_acquire(co, &semaphore)));
    log_end(self->name, self->rc);
    eddy_catch(self->then, eddy_sleep(co, self->hold * EDDY_SECOND));
    if (self->then < 0) {
        log_end("then", self->then);
    }
    if (self->rc == 0) {
        assert_int_equal(eddy_semaphore_release(&semaphore), 0);
    }
    eddy_end;
}

/* Permits and waiters are never both there. */
static void assert_permits(uint32_t permits, bool waited_for)
{
    assert_int_equal(semaphore.permits, permits);
    assert_int_equal(eddy_line_first(&semaphore.waiters) != NULL, waited_for);
    assert_true(permits == 0 || !waited_for);
}

static int set_up(void **state)
{
    eddy_semaphore_init(&semaphore, 1);
    return testing_setup(state);
}

#define semaphore_case(name) cmocka_unit_test_setup_teardown(name, set_up, testing_teardown)

/* ---- permits */

test(so_many_at_a_time_and_the_others_in_the_order_in_which_they_came)
{
    eddy_semaphore_init(&semaphore, 2);
    start(takes, .name = "a", .hold = 1);
    start(takes, .name = "b", .hold = 2);
    start(takes, .name = "c", .hold = 2);
    start(takes, .name = "d", .hold = 1);
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

/* ---- cancels and time-outs */

test(a_cancel_or_a_time_out_leaves_the_line_without_a_permit)
{
    eddy_task b;

    start(takes, .name = "a", .hold = 3);
    b = start(takes, .name = "b");
    start(takes, .name = "c", .limit = EDDY_SECOND);
    start(takes, .name = "d");
    testing_turn();
    assert_int_equal(eddy_semaphore_fini(&semaphore), -EBUSY);
    eddy_cancel(b);
    testing_run();
    testing_assert_log("a=0@0 b=ECANCELED@0 c=ETIMEDOUT@1 d=0@3");
    assert_permits(1, false);
}

test(a_permit_is_taken_even_without_time)
{
    start(takes, .name = "a", .limit = -1, .hold = 1);
    start(takes, .name = "b", .limit = -1);
    testing_run();
    testing_assert_log("a=0@0 b=ETIMEDOUT@0");
    assert_permits(1, false);
}

eddy_frame(cancels_itself_first) {
    eddy_coro co;
};

static void cancels_itself_first(eddy_coro *co)
{
    eddy_begin(cancels_itself_first);
    eddy_cancel(eddy_task_self(co));
    eddy_await(eddy_semaphore_acquire(co, &semaphore));
    eddy_end;
}

test(a_pending_cancel_comes_before_the_permit)
{
    assert_int_equal(run(cancels_itself_first), -ECANCELED);
    assert_permits(1, false);
}

test(a_permit_that_was_handed_over_is_not_lost_to_a_cancel)
{
    eddy_task b;

    start(takes, .name = "a");
    b = start(takes, .name = "b");
    start(takes, .name = "c");
    testing_turn();
    testing_turn();
    eddy_cancel(b);
    testing_turns();
    testing_assert_log("a=0@0 b=0@0 then=ECANCELED@0 c=0@0");
    assert_permits(1, false);
}

test(a_cancel_just_before_the_release_lets_the_next_in_line_have_it)
{
    eddy_task b;

    start(takes, .name = "a");
    b = start(takes, .name = "b");
    start(takes, .name = "c");
    testing_turn();
    eddy_cancel(b);
    testing_turns();
    testing_assert_log("a=0@0 b=ECANCELED@0 c=0@0");
    assert_permits(1, false);
}

test(a_permit_that_was_handed_over_is_not_lost_to_a_deadline)
{
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start(takes, .name = "a");
    start(takes, .name = "b", .limit = EDDY_SECOND);
    testing_turn();
    testing_turn();
    eddy_clock_advance(&testing.clock, 5 * EDDY_SECOND);
    testing_turns();
    testing_assert_log("a=0@0 b=0@5");
    assert_permits(1, false);
}

test(a_deadline_in_the_turn_of_the_release_is_a_time_out)
{
    start(takes, .name = "a", .hold = 1);
    start(takes, .name = "b", .limit = EDDY_SECOND);
    testing_run();
    testing_assert_log("a=0@0 b=ETIMEDOUT@1");
    assert_permits(1, false);
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
        semaphore_case(so_many_at_a_time_and_the_others_in_the_order_in_which_they_came),
        semaphore_case(a_zeroed_semaphore_has_no_permit_until_one_is_released),
        semaphore_case(a_static_semaphore_may_be_made_by_its_fields),
        semaphore_case(a_permit_is_handed_over_and_nobody_barges_in),
        semaphore_case(a_bounded_semaphore_takes_back_no_more_than_it_has_handed_out),
        semaphore_case(one_without_a_bound_takes_as_many_as_it_can_count),
        semaphore_case(a_cancel_or_a_time_out_leaves_the_line_without_a_permit),
        semaphore_case(a_permit_is_taken_even_without_time),
        semaphore_case(a_pending_cancel_comes_before_the_permit),
        semaphore_case(a_permit_that_was_handed_over_is_not_lost_to_a_cancel),
        semaphore_case(a_cancel_just_before_the_release_lets_the_next_in_line_have_it),
        semaphore_case(a_permit_that_was_handed_over_is_not_lost_to_a_deadline),
        semaphore_case(a_deadline_in_the_turn_of_the_release_is_a_time_out),
        semaphore_case(one_who_waits_tells_how_many_stand_before_it),
        semaphore_case(ten_thousand_tasks_pass_in_order_seven_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
