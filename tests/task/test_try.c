/* coro.h: eddy_try, a block that catches, and eddy_outcome. */
#include "support/tasks.h"

#include "eddy/error.h"
#include "eddy/lock.h"

enum how {
    ENDS,
    FAILS,
    FAILS_IN_A_CALL,
    FAILS_WITH_TEXT,
    FAILS_INSIDE, /* of a block with a lock */
    RETURNS_ERROR,
    RETURNS_VALUE,
    BREAKS,
    SLEEPS,
    TIMES_OUT /* a block of its own in it */
};

static eddy_lock lock;

eddy_frame(tries) {
    eddy_coro co;
    enum how how;
    int64_t also;
    int64_t rc;
    int i;
};

static void tries(eddy_coro *co)
{
    eddy_begin(tries);
    self->rc = 99;
    for (self->i = 0; self->i < 2; self->i++) {
        eddy_try(self->rc, self->also) {
            testing_log("in");
            if (self->how == FAILS) {
                eddy_await(give(co, -EIO));
            } else if (self->how == FAILS_IN_A_CALL) {
                eddy_await(eddy_call(co, returns, .result = -EIO));
            } else if (self->how == FAILS_WITH_TEXT) {
                eddy_fail(co, -EIO, "no %s", "disk");
            } else if (self->how == FAILS_INSIDE) {
                eddy_with_lock(&lock) {
                    eddy_await(give(co, 0));
                    eddy_await(give(co, -EIO));
                }
            } else if (self->how == RETURNS_ERROR) {
                eddy_return(-EIO);
            } else if (self->how == RETURNS_VALUE) {
                eddy_return(7);
            } else if (self->how == BREAKS) {
                break;
            } else if (self->how == SLEEPS) {
                eddy_await(eddy_sleep(co, 10 * EDDY_SECOND));
            } else if (self->how == TIMES_OUT) {
                eddy_with_timeout(EDDY_SECOND) {
                    eddy_await(eddy_sleep(co, 10 * EDDY_SECOND));
                }
            }
            eddy_await(give(co, 0));
            testing_log("through");
        }
        log_end("rc", self->rc);
        if (self->how == FAILS_WITH_TEXT) {
            testing_log("%s", eddy_error(co)->text);
        }
    }
    eddy_return(1);
eddy_finally:
    log_end("outcome", eddy_outcome(co));
    eddy_end;
}

static int64_t try_it(enum how how)
{
    eddy_lock_init(&lock);
    return run(tries, .how = how);
}

test(a_block_that_ends_leaves_0_and_one_that_fails_its_error)
{
    assert_int_equal(try_it(ENDS), 1);
    testing_assert_log("in through rc=0@0 in through rc=0@0 outcome=1@0");
    assert_int_equal(try_it(FAILS), 1);
    testing_assert_log("in rc=EIO@0 in rc=EIO@0 outcome=1@0");
}

test(an_error_of_a_call_a_return_or_with_a_text_is_caught_with_its_text)
{
    assert_int_equal(try_it(FAILS_IN_A_CALL), 1);
    assert_int_equal(try_it(RETURNS_ERROR), 1);
    testing.log[0] = '\0';
    assert_int_equal(try_it(FAILS_WITH_TEXT), 1);
    testing_assert_log("in rc=EIO@0 no disk in rc=EIO@0 no disk outcome=1@0");
}

test(blocks_inside_are_left_by_their_exits)
{
    assert_int_equal(try_it(FAILS_INSIDE), 1);
    assert_null(eddy_lock_holder(&lock).record);
    testing.log[0] = '\0';
}

test(a_return_of_a_value_and_a_break_leave_the_block_as_any_other)
{
    assert_int_equal(try_it(RETURNS_VALUE), 7);
    testing_assert_log("in outcome=7@0");
    assert_int_equal(try_it(BREAKS), 1);
    testing_assert_log("in outcome=1@0");
}

test(a_time_out_of_a_block_inside_is_an_error_of_the_block)
{
    assert_int_equal(try_it(TIMES_OUT), 1);
    testing_assert_log("in rc=ETIMEDOUT@1 in rc=ETIMEDOUT@2 outcome=1@2");
}

test(a_cancel_passes_through_unless_it_is_named)
{
    eddy_task task = start(tries, .how = SLEEPS);

    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("in outcome=ECANCELED@0");

    task = start(tries, .how = SLEEPS, .also = -ECANCELED);
    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), 1);
    testing_assert_log("in rc=ECANCELED@0 in through rc=0@10 outcome=1@10");
}

eddy_frame_of(limits_try, int64_t rc);

static void limits_try(eddy_coro *co)
{
    eddy_begin(limits_try);
    eddy_with_timeout(EDDY_SECOND) {
        eddy_try(self->rc) {
            eddy_await(eddy_sleep(co, 10 * EDDY_SECOND));
        }
        testing_log("behind");
    }
    eddy_end;
}

test(a_time_out_around_the_block_strikes_it)
{
    assert_int_equal(run(limits_try), -ETIMEDOUT);
    testing_assert_log("");
}

eddy_frame_of(tries_late, int64_t rc);

static void tries_late(eddy_coro *co)
{
    eddy_begin(tries_late);
    (void)eddy_cancel(eddy_task_self(co));
    eddy_try(self->rc, -ECANCELED) {
        testing_log("in");
    }
    testing_log("behind");
    eddy_end;
}

test(a_cancel_that_was_pending_before_keeps_the_block_from_running)
{
    assert_int_equal(run(tries_late), -ECANCELED);
    testing_assert_log("");
}

/* ---- nested, and in a finally */

eddy_frame_of(nests, int64_t inner, int64_t outer);

static void nests(eddy_coro *co)
{
    eddy_begin(nests);
    eddy_try(self->outer) {
        eddy_try(self->inner) {
            eddy_fail(co, -EIO, "the first");
        }
        eddy_return(self->inner);
    }
    log_end("inner", self->inner);
    log_end("outer", self->outer);
    testing_log("%s:%d", eddy_error(co)->text, eddy_error(co)->line > 0);
    eddy_end;
}

test(an_error_that_is_raised_on_is_caught_further_out_with_its_text_and_place)
{
    assert_int_equal(run(nests), 0);
    testing_assert_log("inner=EIO@0 outer=EIO@0 the first:1");
}

eddy_frame_of(cleans_up, int64_t result, int64_t rc, bool ends_in_it);

static void cleans_up(eddy_coro *co)
{
    eddy_begin(cleans_up);
    if (self->result < 0) {
        eddy_fail(co, self->result, "the body");
    }
    eddy_return(self->result);
eddy_finally:
    eddy_try(self->rc) {
        log_end("outcome", eddy_outcome(co));
        if (self->ends_in_it) {
            eddy_return(5);
        }
        eddy_await(give(co, -EIO));
    }
    log_end("rc", self->rc);
    log_end("outcome", eddy_outcome(co));
    eddy_end;
}

static void log_text(eddy_coro *co)
{
    testing_log("%s", eddy_error(co)->text);
}

eddy_frame_of(asks_for_text, int64_t result, int64_t rc);

static void asks_for_text(eddy_coro *co)
{
    eddy_begin(asks_for_text);
    eddy_catch(self->rc, eddy_call(co, cleans_up, .result = self->result));
    log_text(co);
    eddy_return(self->rc);
    eddy_end;
}

test(in_a_finally_it_catches_its_own_errors_and_the_outcome_stays)
{
    assert_int_equal(run(cleans_up, .result = 3), 3);
    testing_assert_log("outcome=3@0 rc=EIO@0 outcome=3@0");
    assert_int_equal(run(asks_for_text, .result = -EPERM), -EPERM);
    testing_assert_log("outcome=EPERM@0 rc=EIO@0 outcome=EPERM@0 the body"); /* nobody was told */
    assert_int_equal(run(cleans_up, .result = -EPERM, .ends_in_it = true), -EPERM);
    testing_assert_log("outcome=EPERM@0");
}

static int64_t on_the_stack(eddy_coro *co)
{
    return give(co, 0);
}

eddy_frame_of(catches_on_its_stack);

static void catches_on_its_stack(eddy_coro *co)
{
    int64_t rc;

    eddy_begin(catches_on_its_stack);
    eddy_try(rc) {
        eddy_await(on_the_stack(co));
    }
    eddy_end;
}

static void run_on_its_stack(void *argument)
{
    (void)argument;
    run(catches_on_its_stack);
}

test(a_variable_on_the_c_stack_aborts)
{
    testing_expect_abort(run_on_its_stack, NULL, "a pointer to a local variable");
}

test(without_memory_for_the_block_it_is_enomem_and_nothing_runs)
{
    eddy_task task = start(tries, .how = ENDS);

    use_up_memory();
    assert_int_equal(finish(task), -ENOMEM);
    testing_fail_allocation(0);
    testing_assert_log("outcome=ENOMEM@0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_block_that_ends_leaves_0_and_one_that_fails_its_error),
        testing_case(an_error_of_a_call_a_return_or_with_a_text_is_caught_with_its_text),
        testing_case(blocks_inside_are_left_by_their_exits),
        testing_case(a_return_of_a_value_and_a_break_leave_the_block_as_any_other),
        testing_case(a_time_out_of_a_block_inside_is_an_error_of_the_block),
        testing_case(a_cancel_passes_through_unless_it_is_named),
        testing_case(a_time_out_around_the_block_strikes_it),
        testing_case(a_cancel_that_was_pending_before_keeps_the_block_from_running),
        testing_case(an_error_that_is_raised_on_is_caught_further_out_with_its_text_and_place),
        testing_case(in_a_finally_it_catches_its_own_errors_and_the_outcome_stays),
        testing_case(a_variable_on_the_c_stack_aborts),
        testing_case(without_memory_for_the_block_it_is_enomem_and_nothing_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
