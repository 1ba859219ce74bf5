/* group.h: what a use of a group leaves behind: nothing, for the next one or for its frame. */
#include "support/tasks.h"

#include "eddy/group.h"

static eddy_group group;

static int setup(void **state)
{
    memset(&group, 0, sizeof group);
    return testing_setup(state);
}

#define again_case(name) cmocka_unit_test_setup_teardown(name, setup, testing_teardown)

eddy_frame_of(swallows, int64_t rc);

static void swallows(eddy_coro *co)
{
    eddy_begin(swallows);
    eddy_catch(self->rc, eddy_sleep(co, 100 * EDDY_SECOND));
    eddy_end;
}

/* ---- the block of a cancelled task */

eddy_frame_of(sleeps_in_a_block);

static void sleeps_in_a_block(eddy_coro *co)
{
    eddy_begin(sleeps_in_a_block);
    eddy_with_group(&group) {
        eddy_group_spawn(co, &group, sleeps, .seconds = 100);
        eddy_await(eddy_sleep(co, 100 * EDDY_SECOND));
    }
    eddy_end;
}

eddy_frame_of(times_out, int64_t rc);

static void times_out(eddy_coro *co)
{
    eddy_begin(times_out);
    eddy_group_spawn(co, &group, sleeps, .seconds = 100);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_group_wait(co, &group)));
    eddy_return(self->rc);
    eddy_end;
}

test(a_time_out_is_one_after_a_cancel_has_ended_the_block_before)
{
    eddy_task task = start(sleeps_in_a_block);

    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    assert_int_equal(run(times_out), -ETIMEDOUT);
}

/* ---- a task that was cancelled on its own */

eddy_frame_of(cancels_one_then_times_out, eddy_task task, int64_t rc);

static void cancels_one_then_times_out(eddy_coro *co)
{
    eddy_begin(cancels_one_then_times_out);
    self->task = eddy_group_spawn(co, &group, sleeps, .seconds = 100);
    eddy_cancel(self->task);
    eddy_await(eddy_group_wait(co, &group));
    eddy_group_spawn(co, &group, swallows);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_group_wait(co, &group)));
    eddy_return(self->rc);
    eddy_end;
}

test(tasks_that_swallow_the_cancel_are_no_time_out_after_one_that_was_cancelled_before)
{
    assert_int_equal(run(cancels_one_then_times_out), 0);
    assert_int_equal(seconds(), 1);
}

/* ---- results that are kept */

eddy_frame_of(fails_to_start, int64_t rc, int64_t result);

static void fails_to_start(eddy_coro *co)
{
    eddy_begin(fails_to_start);
    group.policy = EDDY_GROUP_KEEP;
    eddy_group_cancel(&group);
    assert_int_equal(eddy_spawn_error(eddy_group_spawn(co, &group, returns)), -ESHUTDOWN);
    eddy_catch(self->rc, eddy_group_wait(co, &group));
    assert_int_equal(self->rc, -ESHUTDOWN);
    eddy_catch(self->rc, eddy_group_next(co, &group, &self->result));
    eddy_return(self->rc);
    eddy_end;
}

test(a_failed_spawn_that_a_wait_has_told_is_not_there_for_next)
{
    assert_int_equal(run(fails_to_start), 0);
}

eddy_frame_of(fails_second);

static void fails_second(eddy_coro *co)
{
    eddy_begin(fails_second);
    group.policy = EDDY_GROUP_KEEP;
    eddy_with_group(&group) {
        eddy_group_spawn(co, &group, sleeps, .seconds = 1, .result = -EIO);
        eddy_await(eddy_sleep(co, 2 * EDDY_SECOND));
        eddy_return(-EDOM);
    }
    eddy_end;
}

test(an_error_that_is_kept_came_before_that_of_the_body)
{
    assert_int_equal(run(fails_second), -EIO);
    assert_told(-EDOM, "failed when its group was failing already");
}

/* ---- the end of its frame */

eddy_frame_of(leaves_a_group_whose_tasks_have_ended, eddy_group group);

static void leaves_a_group_whose_tasks_have_ended(eddy_coro *co)
{
    eddy_begin(leaves_a_group_whose_tasks_have_ended);
    eddy_group_spawn(co, &self->group, returns, .result = 1);
    eddy_group_spawn(co, &self->group, returns, .result = 2);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    eddy_end;
}

test(a_frame_may_end_with_a_group_whose_tasks_have_all_ended_well)
{
    assert_int_equal(run(leaves_a_group_whose_tasks_have_ended), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        again_case(a_time_out_is_one_after_a_cancel_has_ended_the_block_before),
        again_case(
            tasks_that_swallow_the_cancel_are_no_time_out_after_one_that_was_cancelled_before),
        again_case(a_failed_spawn_that_a_wait_has_told_is_not_there_for_next),
        again_case(an_error_that_is_kept_came_before_that_of_the_body),
        again_case(a_frame_may_end_with_a_group_whose_tasks_have_all_ended_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
