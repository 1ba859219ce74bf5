/* event.h: a result that is set once, and waited for by many (rules 4, 6, 7 and 8). */
#include "support/tasks.h"

#include "eddy/event.h"

static eddy_future future;

static int set_up(void **state)
{
    memset(&future, 0, sizeof future);
    return testing_setup(state);
}

#define future_case(name) cmocka_unit_test_setup_teardown(name, set_up, testing_teardown)

eddy_frame(waiter) {
    eddy_coro co;
    const char *name;
    int64_t limit; /* 0: none */
    int64_t rc;
};

static void waiter(eddy_coro *co)
{
    eddy_begin(waiter);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit == 0 ? EDDY_FOREVER : self->limit,
                                       eddy_future_wait(co, &future)));
    log_end(self->name, self->rc);
    eddy_end;
}

test(a_future_that_is_zeroed_has_no_result)
{
    assert_false(eddy_future_done(&future));
    assert_int_equal(eddy_future_result(&future), -EAGAIN);
}

test(a_result_can_be_had_at_any_time)
{
    assert_int_equal(eddy_future_set(&future, 42), 0);
    assert_true(eddy_future_done(&future));
    assert_int_equal(eddy_future_result(&future), 42);
    start(waiter, .name = "a");
    assert_int_equal(testing_turn(), 1);
    start(waiter, .name = "b");
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("a=42@0 b=42@0");
}

test(all_who_wait_get_the_result_in_the_order_in_which_they_came)
{
    start(waiter, .name = "a");
    start(waiter, .name = "b");
    start(waiter, .name = "c");
    testing_turns();
    testing_assert_log("");
    assert_int_equal(eddy_future_set(&future, 5), 0);
    testing_assert_log("");
    assert_int_equal(testing_turn(), 3);
    testing_assert_log("a=5@0 b=5@0 c=5@0");
}

test(an_error_is_a_result_too)
{
    start(waiter, .name = "a");
    testing_turns();
    assert_int_equal(eddy_future_set(&future, -EIO), 0);
    start(waiter, .name = "b");
    testing_turns();
    testing_assert_log("a=EIO@0 b=EIO@0");
    assert_true(eddy_future_done(&future));
    assert_int_equal(eddy_future_result(&future), -EIO);
}

test(only_the_first_result_counts)
{
    assert_int_equal(eddy_future_set(&future, 1), 0);
    assert_int_equal(eddy_future_set(&future, 2), -EALREADY);
    assert_int_equal(eddy_future_set(&future, -EIO), -EALREADY);
    assert_int_equal(eddy_future_result(&future), 1);
}

test(pending_is_no_result)
{
    assert_int_equal(eddy_future_set(&future, EDDY_PENDING), -EINVAL);
    assert_false(eddy_future_done(&future));
}

test(who_gives_up_leaves_the_others_waiting)
{
    eddy_task b;

    start(waiter, .name = "a", .limit = EDDY_SECOND);
    b = start(waiter, .name = "b");
    start(waiter, .name = "c");
    start(cancels, .task = b, .at = 2);
    assert_int_equal(eddy_loop_run(testing.loop), -EDEADLK);
    assert_told(-EDEADLK, "deadlock: 1 task waits");
    testing_assert_log("a=ETIMEDOUT@1 b=ECANCELED@2");
    eddy_future_set(&future, 3);
    testing_turns();
    testing_assert_log("c=3@2");
}

test(without_time_a_result_that_is_there_is_returned)
{
    assert_int_equal(run(waiter, .name = "a", .limit = -1), 0);
    eddy_future_set(&future, 9);
    assert_int_equal(run(waiter, .name = "b", .limit = -1), 0);
    testing_assert_log("a=ETIMEDOUT@0 b=9@0");
}

eddy_frame(cancelled_before) {
    eddy_coro co;
};

static void cancelled_before(eddy_coro *co)
{
    eddy_begin(cancelled_before);
    eddy_cancel(eddy_task_self(co));
    eddy_await(eddy_future_wait(co, &future));
    eddy_end;
}

test(a_pending_cancel_comes_before_a_result_that_is_there)
{
    eddy_future_set(&future, 9);
    assert_int_equal(run(cancelled_before), -ECANCELED);
}

test(a_future_that_was_reset_is_as_new)
{
    start(waiter, .name = "a");
    testing_turns();
    eddy_future_set(&future, 1);
    eddy_future_reset(&future);
    assert_false(eddy_future_done(&future));
    start(waiter, .name = "b");
    testing_turns();
    testing_assert_log("a=1@0"); /* its result was there already */
    assert_int_equal(eddy_future_set(&future, 2), 0);
    testing_turns();
    testing_assert_log("b=2@0");
}

test(a_reset_leaves_those_who_wait_waiting)
{
    start(waiter, .name = "a");
    testing_turns();
    eddy_future_reset(&future);
    eddy_future_set(&future, 1);
    testing_turns();
    testing_assert_log("a=1@0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        future_case(a_future_that_is_zeroed_has_no_result),
        future_case(a_result_can_be_had_at_any_time),
        future_case(all_who_wait_get_the_result_in_the_order_in_which_they_came),
        future_case(an_error_is_a_result_too),
        future_case(only_the_first_result_counts),
        future_case(pending_is_no_result),
        future_case(who_gives_up_leaves_the_others_waiting),
        future_case(without_time_a_result_that_is_there_is_returned),
        future_case(a_pending_cancel_comes_before_a_result_that_is_there),
        future_case(a_future_that_was_reset_is_as_new),
        future_case(a_reset_leaves_those_who_wait_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
