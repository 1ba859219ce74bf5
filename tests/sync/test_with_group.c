/* group.h: eddy_with_group, whose tasks do not outlive its block. */
#include "support/children.h"

#include "eddy/group.h"
#include "support/tasks.h"

#define count_of(array) ((int)(sizeof(array) / sizeof *(array)))

enum way { FALL, CONTINUE, BREAK, RETURN, FAIL };

/* Spawns the children in the block, sleeps, swallows what that brings if it is to, and leaves. */
eddy_frame(scope) {
    eddy_coro co;
    eddy_group group; /* an argument */
    const struct child *children;
    int count;
    int64_t sleep;
    bool swallow;
    enum way way;
    int i, j;
    int64_t rc;
};

static void scope(eddy_coro *co)
{
    eddy_begin(scope);
    for (self->j = 0; self->j < 1; self->j++) {
        eddy_with_group(&self->group) {
            for (self->i = 0; self->i < self->count; self->i++) {
                eddy_group_spawn(co, &self->group, CHILD_LIKE(&self->children[self->i]));
            }
            eddy_catch(self->rc, eddy_sleep(co, self->sleep));
            testing_log_at("body", self->rc == -ECANCELED ? "!" : "");
            if (self->rc < 0 && !self->swallow) {
                eddy_return(self->rc);
            }
            if (self->way == CONTINUE) {
                continue;
            }
            if (self->way == BREAK) {
                break;
            }
            if (self->way == RETURN) {
                eddy_return(7);
            }
            if (self->way == FAIL) {
                eddy_return(-EIO);
            }
        }
        testing_log_at("next", "");
    }
    eddy_catch(self->rc, eddy_pause(co));
    testing_log_at("after", self->rc == -ECANCELED ? "!" : "");
    eddy_return(self->rc);
eddy_finally:
    testing_log_at("finally", "");
    assert_int_equal(eddy_group_count(&self->group), 0);
    eddy_end;
}

#define run_scope(array, ...) \
    testing_run_task(scope, .children = array, .count = count_of(array), __VA_ARGS__)
#define start_scope(array, ...) \
    eddy_loop_spawn(testing.loop, scope, .children = array, .count = count_of(array), __VA_ARGS__)

static const struct child good[] = {
    {.name = "a", .sleep = 300 * MS, .result = 1},
    {.name = "b", .sleep = 100 * MS, .result = 2},
};

static const struct child failing[] = {
    {.name = "a", .sleep = 300 * MS, .cleanup = 20 * MS},
    {.name = "b", .sleep = 100 * MS, .result = -EPIPE},
};

/* ---- every way out waits for the tasks */

test(the_block_is_left_when_all_tasks_have_ended)
{
    assert_int_equal(run_scope(good, .way = FALL), 0);
    testing_assert_log("body@0 b@100 a@300 next@300 after@300 finally@300");
}

test(continue_break_and_return_wait_too)
{
    assert_int_equal(run_scope(good, .way = CONTINUE), 0);
    testing_assert_log("body@0 b@100 a@300 next@300 after@300 finally@300");
    assert_int_equal(run_scope(good, .way = BREAK), 0);
    testing_assert_log("body@300 b@400 a@600 after@600 finally@600");
    assert_int_equal(run_scope(good, .way = RETURN), 7);
    testing_assert_log("body@600 b@700 a@900 finally@900");
}

test(a_block_without_tasks_is_left_at_once)
{
    assert_int_equal(testing_run_task(scope, .count = 0), 0);
    testing_assert_log("body@0 next@0 after@0 finally@0");
}

test(an_error_of_the_block_cancels_the_tasks_and_goes_on_when_they_have_ended)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .cleanup = 20 * MS},
        {.name = "b", .sleep = 300 * MS},
    };

    assert_int_equal(run_scope(two, .sleep = 50 * MS, .way = FAIL), -EIO);
    testing_assert_log("body@50 a!@50 b!@50 a~@70 finally@70");
}

/* ---- tasks that fail */

test(a_failure_while_the_block_runs_cancels_it_and_goes_on)
{
    assert_int_equal(run_scope(failing, .sleep = 1000 * MS), -EPIPE);
    testing_assert_log("b@100 a!@100 body!@100 a~@120 finally@120");
}

test(a_failure_while_the_block_waits_at_its_end_goes_on)
{
    assert_int_equal(run_scope(failing, .sleep = 0), -EPIPE);
    testing_assert_log("body@0 b@100 a!@100 a~@120 finally@120");
}

test(a_block_that_swallows_the_cancel_still_ends_with_the_error)
{
    assert_int_equal(run_scope(failing, .sleep = 1000 * MS, .swallow = true), -EPIPE);
    testing_assert_log("b@100 a!@100 body!@100 a~@120 finally@120");
    assert_int_equal(run_scope(failing, .sleep = 1000 * MS, .swallow = true, .way = RETURN),
                     -EPIPE);
    testing_assert_log("b@220 a!@220 body!@220 a~@240 finally@240");
}

test(an_error_of_the_block_after_a_tasks_is_told)
{
    assert_int_equal(run_scope(failing, .sleep = 1000 * MS, .swallow = true, .way = FAIL), -EPIPE);
    testing_assert_log("b@100 a!@100 body!@100 a~@120 finally@120");
    assert_told(-EIO, "failed when its group was failing already");
}

test(an_error_of_a_task_after_the_blocks_is_told)
{
    const struct child one[] = {
        {.name = "a", .sleep = 300 * MS, .stubborn = 20 * MS, .result = -EPIPE}};

    assert_int_equal(run_scope(one, .sleep = 50 * MS, .way = FAIL), -EIO);
    testing_assert_log("body@50 a!@50 a@70 finally@70");
    assert_told(-EPIPE, "(in task child (");
}

test(a_group_that_collects_lets_the_block_and_the_other_tasks_run)
{
    assert_int_equal(run_scope(failing, .sleep = 400 * MS, .group = {.policy = EDDY_GROUP_COLLECT}),
                     -EPIPE);
    testing_assert_log("b@100 a@300 a~@320 body@400 finally@400");
}

/* ---- cancels from outside */

test(a_cancel_of_the_block_cancels_the_tasks_and_stays_one)
{
    eddy_task task = start_scope(good, .sleep = 1000 * MS);

    assert_int_equal(testing_run_and_cancel(task, 200 * MS), -ECANCELED);
    testing_assert_log("b@100 body!@200 a!@200 finally@200");
}

test(a_cancel_while_it_waits_for_the_tasks_reaches_them)
{
    eddy_task task = start_scope(good, .sleep = 0);

    assert_int_equal(testing_run_and_cancel(task, 200 * MS), -ECANCELED);
    testing_assert_log("body@0 b@100 a!@200 finally@200");
}

test(a_cancel_that_the_tasks_swallow_stays_pending)
{
    const struct child one[] = {{.name = "a", .sleep = 300 * MS, .stubborn = 50 * MS}};
    eddy_task task = start_scope(one, .sleep = 0);

    assert_int_equal(testing_run_and_cancel(task, 100 * MS), -ECANCELED);
    testing_assert_log("body@0 a!@100 a@150 next@150 after!@150 finally@150");
}

/* The body was cancelled by the group, and the task from outside before the block was left. */
test(a_cancel_that_comes_while_the_failure_is_under_way_is_not_swallowed)
{
    eddy_task task = start_scope(failing, .sleep = 1000 * MS, .swallow = true);

    assert_int_equal(testing_run_and_cancel(task, 110 * MS), -EPIPE);
    testing_assert_log("b@100 a!@100 body!@100 a~@120 finally@120");
}

eddy_frame(outer) {
    eddy_coro co;
    int64_t rc;
};

static void outer(eddy_coro *co)
{
    eddy_begin(outer);
    eddy_catch(self->rc, eddy_call(co, scope, .children = failing, .count = 2, .sleep = 1000 * MS));
    testing_log_result("scope", self->rc);
    eddy_catch(self->rc, eddy_pause(co));
    testing_log_result("pause", self->rc);
    eddy_end;
}

test(it_comes_at_the_next_await)
{
    eddy_task task = eddy_loop_spawn(testing.loop, outer);

    assert_int_equal(testing_run_and_cancel(task, 110 * MS), 0);
    testing_assert_log("b@100 a!@100 body!@100 a~@120 finally@120 scope=-EPIPE pause=-ECANCELED");
}

/* ---- one turn: a failure and a cancel */

static eddy_task host;

eddy_frame(fails_and_cancels) {
    eddy_coro co;
    bool cancels_first;
};

static void fails_and_cancels(eddy_coro *co)
{
    eddy_begin(fails_and_cancels);
    eddy_await(eddy_sleep(co, 100 * MS));
    if (self->cancels_first) {
        eddy_cancel(host);
    }
    eddy_return(-EPIPE);
    eddy_end;
}

eddy_frame(races) {
    eddy_coro co;
    eddy_group group;
    bool cancels_first;
    int64_t rc;
};

static void races(eddy_coro *co)
{
    eddy_begin(races);
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, fails_and_cancels, .cancels_first = self->cancels_first);
        eddy_await(eddy_sleep(co, EDDY_SECOND));
    }
eddy_finally:
    testing_log_result("end", co->outcome);
    eddy_end;
}

test(a_cancel_before_a_failure_in_one_turn_stays_a_cancel_and_the_failure_is_told)
{
    host = eddy_loop_spawn(testing.loop, races, .cancels_first = true);
    assert_int_equal(finish(host), -ECANCELED);
    testing_assert_log("end=-ECANCELED");
    assert_told(-EPIPE, "fails_and_cancels");
}

eddy_frame(catches_races) {
    eddy_coro co;
    int64_t rc;
};

static void catches_races(eddy_coro *co)
{
    eddy_begin(catches_races);
    eddy_catch(self->rc, eddy_call(co, races));
    testing_log_result("caught", self->rc);
    eddy_catch(self->rc, eddy_pause(co));
    testing_log_result("pause", self->rc);
    eddy_end;
}

test(a_failure_before_a_cancel_in_one_turn_is_told_and_the_cancel_goes_on)
{
    host = eddy_loop_spawn(testing.loop, catches_races);
    testing_turns(); /* the child sleeps, and so does the block */
    while (testing.clock.now < 100 * MS) {
        eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0); /* the child's last step */
    }
    assert_int_equal(eddy_cancel(host), 0); /* the block was struck, and has not run */
    assert_int_equal(finish(host), 0);
    testing_assert_log("end=-ECANCELED caught=-ECANCELED pause=0");
    assert_told(-EPIPE, "fails_and_cancels");
}

eddy_frame(has_limit) {
    eddy_coro co;
    int64_t limit;
    int64_t rc;
};

static void has_limit(eddy_coro *co)
{
    eddy_begin(has_limit);
    eddy_with_timeout(self->limit) {
        eddy_await(eddy_call(co, races));
    }
    eddy_end;
}

test(a_time_out_before_a_failure_in_one_turn_is_a_time_out_and_the_failure_is_told)
{
    /* timers come before steps; the child is cancelled before it can fail */
    assert_int_equal(testing_run_task(has_limit, .limit = 100 * MS), -ETIMEDOUT);
    testing_assert_log("end=-ECANCELED");
    assert_told(-EPIPE, "fails_and_cancels");
}

test(a_failure_before_a_time_out_is_the_error)
{
    assert_int_equal(testing_run_task(has_limit, .limit = 101 * MS), -EPIPE);
    testing_assert_log("end=-EPIPE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(the_block_is_left_when_all_tasks_have_ended),
        testing_case(continue_break_and_return_wait_too),
        testing_case(a_block_without_tasks_is_left_at_once),
        testing_case(an_error_of_the_block_cancels_the_tasks_and_goes_on_when_they_have_ended),
        testing_case(a_failure_while_the_block_runs_cancels_it_and_goes_on),
        testing_case(a_failure_while_the_block_waits_at_its_end_goes_on),
        testing_case(a_block_that_swallows_the_cancel_still_ends_with_the_error),
        testing_case(an_error_of_the_block_after_a_tasks_is_told),
        testing_case(an_error_of_a_task_after_the_blocks_is_told),
        testing_case(a_group_that_collects_lets_the_block_and_the_other_tasks_run),
        testing_case(a_cancel_of_the_block_cancels_the_tasks_and_stays_one),
        testing_case(a_cancel_while_it_waits_for_the_tasks_reaches_them),
        testing_case(a_cancel_that_the_tasks_swallow_stays_pending),
        testing_case(a_cancel_that_comes_while_the_failure_is_under_way_is_not_swallowed),
        testing_case(it_comes_at_the_next_await),
        testing_case(a_cancel_before_a_failure_in_one_turn_stays_a_cancel_and_the_failure_is_told),
        testing_case(a_failure_before_a_cancel_in_one_turn_is_told_and_the_cancel_goes_on),
        testing_case(a_time_out_before_a_failure_in_one_turn_is_a_time_out_and_the_failure_is_told),
        testing_case(a_failure_before_a_time_out_is_the_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
