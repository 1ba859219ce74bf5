/* group.h: eddy_with_group in other scopes and in cleanups; what its block may do with it. */
#include "support/children.h"

#include "eddy/group.h"
#include "support/tasks.h"

/* ---- nested */

eddy_frame(nested) {
    eddy_coro co;
    eddy_group outer, inner;
    int outer_fails, inner_fails; /* after so many milliseconds; 0: never */
    int64_t rc;
};

eddy_frame(fails_after) {
    eddy_coro co;
    int milliseconds;
    int64_t error;
};

static void fails_after(eddy_coro *co)
{
    eddy_begin(fails_after);
    eddy_await(eddy_sleep(co, self->milliseconds > 0 ? self->milliseconds * MS : EDDY_FOREVER));
    eddy_return(self->error);
    eddy_end;
}

static void nested(eddy_coro *co)
{
    eddy_begin(nested);
    eddy_with_group(&self->outer) {
        eddy_group_spawn(co, &self->outer, fails_after, .milliseconds = self->outer_fails,
                         .error = -EIO);
        eddy_with_group(&self->inner) {
            eddy_group_spawn(co, &self->inner, fails_after, .milliseconds = self->inner_fails,
                             .error = -EPIPE);
            eddy_await(eddy_sleep(co, EDDY_SECOND));
        }
        testing_log("never");
    }
eddy_finally:
    testing_log_at("end", "");
    eddy_end;
}

test(a_failure_in_the_inner_group_is_its_error_and_cancels_the_outer_tasks)
{
    assert_int_equal(testing_run_task(nested, .inner_fails = 100), -EPIPE);
    testing_assert_log("end@100");
}

test(a_failure_in_the_outer_group_goes_through_the_inner_as_a_cancel)
{
    assert_int_equal(testing_run_task(nested, .outer_fails = 100), -EIO);
    testing_assert_log("end@100");
}

test(both_in_one_turn_leave_the_one_that_came_first_and_the_other_is_told)
{
    /* the outer task was started first, and ends first; the inner one is cancelled, but fails */
    assert_int_equal(testing_run_task(nested, .outer_fails = 100, .inner_fails = 100), -EIO);
    testing_assert_log("end@100");
    assert_told(-EPIPE, "fails_after");
}

/* ---- the body itself waits for the group */

eddy_frame(waits_inside) {
    eddy_coro co;
    eddy_group group;
    int64_t rc;
};

static void waits_inside(eddy_coro *co)
{
    eddy_begin(waits_inside);
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, fails_after, .milliseconds = 100, .error = -EPIPE);
        eddy_catch(self->rc, eddy_group_wait(co, &self->group));
        testing_log_result("wait", self->rc);
        eddy_catch(self->rc, eddy_pause(co));
        testing_log_result("pause", self->rc);
        eddy_group_spawn(co, &self->group, fails_after, .milliseconds = 100, .error = -EIO);
        eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
        testing_log_result("sleep", self->rc);
        eddy_catch(self->rc, eddy_group_wait(co, &self->group));
        testing_log_result("wait", self->rc);
    }
    testing_log("fine");
    eddy_end;
}

test(an_error_that_the_body_has_waited_for_is_its_own)
{
    assert_int_equal(testing_run_task(waits_inside), 0);
    testing_assert_log("wait=-EPIPE pause=0 sleep=-ECANCELED wait=-5 fine");
}

eddy_frame(cancels_itself_later) {
    eddy_coro co;
    eddy_group group;
    int64_t rc;
};

static void cancels_itself_later(eddy_coro *co)
{
    eddy_begin(cancels_itself_later);
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, fails_after, .milliseconds = 100, .error = -EPIPE);
        eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
        testing_log_result("sleep", self->rc);
        eddy_catch(self->rc, eddy_group_wait(co, &self->group));
        testing_log_result("wait", self->rc);
        eddy_return(-ECANCELED); /* not the group's doing any more */
    }
    eddy_end;
}

test(a_cancel_after_an_error_that_the_body_has_waited_for_is_no_longer_the_groups)
{
    assert_int_equal(testing_run_task(cancels_itself_later), -ECANCELED);
    testing_assert_log("sleep=-ECANCELED wait=-EPIPE");
}

eddy_frame(takes_inside) {
    eddy_coro co;
    eddy_group group;
    int64_t more;
    int64_t result;
};

static void takes_inside(eddy_coro *co)
{
    eddy_begin(takes_inside);
    self->group.policy = EDDY_GROUP_KEEP;
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, fails_after, .milliseconds = 200, .error = -EPIPE);
        eddy_group_spawn(co, &self->group, fails_after, .milliseconds = 100, .error = 5);
        for (;;) {
            eddy_await(self->more, eddy_group_next(co, &self->group, &self->result));
            if (self->more == 0) {
                break;
            }
            testing_log_result("next", self->result);
        }
        testing_log("all");
    }
    testing_log("fine");
    eddy_end;
}

test(the_body_may_take_the_results_of_a_group_that_keeps_them)
{
    assert_int_equal(testing_run_task(takes_inside), 0);
    testing_assert_log("next=5 next=-EPIPE all fine");
}

/* ---- a cleanup in the body holds the cancel back */

eddy_frame(cleans_up) {
    eddy_coro co;
    int64_t rc;
};

static void cleans_up(eddy_coro *co)
{
    eddy_begin(cleans_up);
eddy_finally:
    eddy_catch(self->rc, eddy_sleep(co, 300 * MS));
    testing_log_result("clean", self->rc);
    eddy_end;
}

eddy_frame(is_masked) {
    eddy_coro co;
    eddy_group group;
};

static void is_masked(eddy_coro *co)
{
    eddy_begin(is_masked);
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, fails_after, .milliseconds = 100, .error = -EPIPE);
        eddy_await(eddy_call(co, cleans_up));
        testing_log_at("cleaned", "");
        eddy_await(eddy_pause(co));
        testing_log("never");
    }
    eddy_end;
}

test(a_failure_during_a_cleanup_in_the_block_comes_at_the_next_await_after_it)
{
    assert_int_equal(testing_run_task(is_masked), -EPIPE);
    testing_assert_log("clean=0 cleaned@300");
}

/* ---- what is pending when the block is left */

eddy_frame(leaves_late) {
    eddy_coro co;
    eddy_group group;
    bool cancel;
};

static void leaves_late(eddy_coro *co)
{
    eddy_begin(leaves_late);
    eddy_with_timeout(100 * MS) {
        eddy_with_group(&self->group) {
            eddy_group_spawn(co, &self->group, child, .name = "a", .sleep = EDDY_SECOND);
            if (self->cancel) {
                eddy_await(eddy_pause(co));
                eddy_cancel(eddy_task_self(co));
            } else {
                eddy_await(eddy_call(co, cleans_up)); /* the deadline passes in it */
            }
        }
    }
eddy_finally:
    testing_log_at("end", "");
    eddy_end;
}

test(a_cancel_that_is_pending_when_the_block_is_left_reaches_the_tasks)
{
    assert_int_equal(testing_run_task(leaves_late, .cancel = true), -ECANCELED);
    testing_assert_log("a!@0 end@0");
}

test(a_deadline_that_was_held_back_when_the_block_is_left_reaches_the_tasks)
{
    assert_int_equal(testing_run_task(leaves_late), -ETIMEDOUT);
    testing_assert_log("clean=0 a!@300 end@300");
}

eddy_frame(group_in_finally) {
    eddy_coro co;
    eddy_group group;
    int64_t error;
    int64_t fails;
};

static void group_in_finally(eddy_coro *co)
{
    eddy_begin(group_in_finally);
    eddy_return(self->error);
eddy_finally:
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, fails_after, .milliseconds = 100, .error = self->fails);
    }
    testing_log_at("end", "");
    eddy_end;
}

test(a_group_in_a_finally_waits_and_its_error_counts_if_the_body_had_succeeded)
{
    assert_int_equal(testing_run_task(group_in_finally, .error = -EIO), -EIO);
    testing_assert_log("end@100");
    assert_int_equal(testing_run_task(group_in_finally, .fails = -EPIPE), -EPIPE);
    assert_int_equal(testing_run_task(group_in_finally, .error = -EIO, .fails = -EPIPE), -EIO);
    assert_told(-EPIPE, "was failing already");
}

/* ---- misuse and memory */

eddy_frame(enters_twice) {
    eddy_coro co;
    eddy_group group;
};

static void enters_twice(eddy_coro *co)
{
    eddy_begin(enters_twice);
    eddy_with_group(&self->group) {
        eddy_with_group(&self->group) {
            testing_log("never");
        }
    }
    eddy_end;
}

test(a_group_that_is_in_use_is_busy)
{
    assert_int_equal(testing_run_task(enters_twice), -EBUSY);
    testing_assert_log("");
}

/* From here on the loop's pool has at most so many bytes left, besides blocks that it was given
 * back, and gets no more, until testing_fail_allocation(0). */
static void leave_memory(size_t bytes)
{
    struct eddy_pool *pool = (struct eddy_pool *)(void *)testing.loop;

    testing_fail_allocations_from(1);
    if ((size_t)(pool->fresh_end - pool->fresh) > bytes) {
        pool->fresh = pool->fresh_end - bytes;
    }
}

eddy_frame(sweeps) {
    eddy_coro co;
    eddy_group group;
    size_t left;
};

static void sweeps(eddy_coro *co)
{
    eddy_begin(sweeps);
    leave_memory(self->left);
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, fails_after, .milliseconds = 100);
        eddy_group_spawn(co, &self->group, fails_after, .milliseconds = 50);
        eddy_await(eddy_sleep(co, 10 * MS));
    }
eddy_finally:
    testing_fail_allocation(0);
    eddy_end;
}

test(wherever_memory_runs_out_it_is_an_error_and_no_task_is_left)
{
    size_t left = 0;
    int64_t result;

    do {
        testing_reopen();
        assert_int_equal(testing_run_task(sleeps, .seconds = 1), 0);
        result = testing_run_task(sweeps, .left = left);
        assert_true(result == 0 || result == -ENOMEM);
        left += 16;
    } while (result < 0);
    assert_true(left > 150); /* it takes some records, smaller ones on machines of 32 bits */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_failure_in_the_inner_group_is_its_error_and_cancels_the_outer_tasks),
        testing_case(a_failure_in_the_outer_group_goes_through_the_inner_as_a_cancel),
        testing_case(both_in_one_turn_leave_the_one_that_came_first_and_the_other_is_told),
        testing_case(an_error_that_the_body_has_waited_for_is_its_own),
        testing_case(a_cancel_after_an_error_that_the_body_has_waited_for_is_no_longer_the_groups),
        testing_case(the_body_may_take_the_results_of_a_group_that_keeps_them),
        testing_case(a_failure_during_a_cleanup_in_the_block_comes_at_the_next_await_after_it),
        testing_case(a_cancel_that_is_pending_when_the_block_is_left_reaches_the_tasks),
        testing_case(a_deadline_that_was_held_back_when_the_block_is_left_reaches_the_tasks),
        testing_case(a_group_in_a_finally_waits_and_its_error_counts_if_the_body_had_succeeded),
        testing_case(a_group_that_is_in_use_is_busy),
        testing_case(wherever_memory_runs_out_it_is_an_error_and_no_task_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
