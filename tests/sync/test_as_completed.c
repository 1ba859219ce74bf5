/* gather.h: tasks in the order in which they end. */
#include "support/children.h"

#include "eddy/gather.h"
#include "support/tasks.h"

enum { MOST = 1000 };

#define count_of(array) ((int)(sizeof(array) / sizeof *(array)))

static eddy_task tasks[MOST];

/* Joins the tasks as they end, with a rest after each; stops after `stop` of them, if set. */
eddy_frame(collects) {
    eddy_coro co;
    int count;
    int stop;
    int64_t rest;
    int64_t limit;
    size_t i;
    int64_t rc;
};

static void collects(eddy_coro *co)
{
    eddy_begin(collects);
    eddy_with_timeout(self->limit > 0 ? self->limit : EDDY_FOREVER) {
        eddy_for_each(self->i, eddy_as_completed, .tasks = tasks, .count = (size_t)self->count) {
            eddy_catch(self->rc, eddy_join(co, tasks[self->i]));
            testing_log("%d=%d@%d", (int)self->i, (int)self->rc, (int)(testing.clock.now / MS));
            eddy_await(eddy_sleep(co, self->rest));
            if (--self->stop == 0) {
                break;
            }
        }
    }
    eddy_end;
}

static void spawn(const struct child *children, int count)
{
    for (int i = 0; i < count; i++) {
        tasks[i] = eddy_loop_spawn(testing.loop, sleeps, .seconds = (int)children[i].sleep,
                                   .result = children[i].result);
    }
}

static const struct child three[] = {
    {.sleep = 3, .result = 7}, {.sleep = 1, .result = -EIO}, {.sleep = 2, .result = 9}};

test(tasks_come_in_the_order_in_which_they_end)
{
    spawn(three, 3);
    assert_int_equal(run(collects, .count = 3), 0);
    testing_assert_log("1=-5@1000 2=9@2000 0=7@3000");
}

test(tasks_that_end_while_the_body_runs_are_not_lost)
{
    spawn(three, 3);
    assert_int_equal(run(collects, .count = 3, .rest = 5000 * MS), 0);
    testing_assert_log("1=-5@1000 2=9@6000 0=7@11000");
}

test(tasks_that_end_in_one_turn_come_in_the_order_of_their_ends)
{
    const struct child equal[] = {{.sleep = 1, .result = 1}, {.sleep = 1, .result = 2}};

    spawn(equal, 2);
    testing_turn();
    assert_int_equal(run(collects, .count = 2), 0);
    testing_assert_log("0=1@1000 1=2@1000");
}

test(tasks_that_had_ended_come_first_in_the_order_of_the_array)
{
    spawn(three, 3);
    assert_int_equal(run(sleeps, .seconds = 2), 0);
    testing_turns();
    assert_int_equal(run(collects, .count = 3), 0);
    testing_assert_log("1=-5@2000 2=9@2000 0=7@3000");
}

test(failed_spawns_come_too_and_zeroed_elements_are_left_out)
{
    spawn(three, 3);
    tasks[3] = testing_failed_spawn();
    tasks[4] = (eddy_task){NULL, 0};
    assert_int_equal(run(collects, .count = 5), 0);
    testing_assert_log("3=-12@0 1=-5@1000 2=9@2000 0=7@3000");
    assert_int_equal(run(collects, .count = 0), 0);
    testing_assert_log("");
}

test(leaving_early_lets_the_other_tasks_run_on_to_be_joined)
{
    spawn(three, 3);
    assert_int_equal(run(collects, .count = 3, .stop = 1), 0);
    testing_assert_log("1=-5@1000");
    assert_int_equal(finish(tasks[0]), 7);
    assert_int_equal(finish(tasks[2]), 9);
}

test(a_cancel_cancels_none_of_the_tasks)
{
    eddy_task task;

    spawn(three, 3);
    task = start(collects, .count = 3);
    assert_int_equal(testing_run_and_cancel(task, 1500 * MS), -ECANCELED);
    testing_assert_log("1=-5@1000");
    assert_int_equal(finish(tasks[0]), 7);
    assert_int_equal(finish(tasks[2]), 9);
    assert_int_equal(testing.clock.now, 3 * EDDY_SECOND);
}

test(a_time_out_cancels_none_of_the_tasks)
{
    spawn(three, 3);
    assert_int_equal(run(collects, .count = 3, .limit = 1500 * MS), -ETIMEDOUT);
    testing_assert_log("1=-5@1000");
    assert_int_equal(finish(tasks[0]), 7);
    assert_int_equal(finish(tasks[2]), 9);
}

test(the_tasks_are_owned_meanwhile)
{
    eddy_task task;

    spawn(three, 3);
    task = start(collects, .count = 3);
    testing_turns();
    assert_int_equal(eddy_detach(tasks[0]), -EBUSY);
    assert_int_equal(eddy_cancel(tasks[0]), 0);
    assert_int_equal(finish(task), 0);
    testing_assert_log("0=-125@0 1=-5@1000 2=9@2000");
}

test(what_cannot_be_waited_for_is_an_error_and_touches_none)
{
    spawn(three, 3);
    tasks[3] = tasks[0];
    assert_int_equal(run(collects, .count = 4), -EBUSY);
    tasks[3] = (eddy_task){tasks[0].record, 77};
    assert_int_equal(run(collects, .count = 4), -ESRCH);
    assert_int_equal(run(collects, .count = 3), 0);
    testing_assert_log("1=-5@1000 2=9@2000 0=7@3000");
}

test(without_memory_it_is_an_error_and_touches_none)
{
    memset(tasks, 0, sizeof tasks);
    spawn(three, 3);
    testing_turns();
    testing_fail_allocations_from(1); /* what it needs for so many is not in the pool */
    assert_int_equal(run(collects, .count = MOST), -ENOMEM);
    testing_fail_allocation(0);
    testing_assert_log("");
    assert_int_equal(run(collects, .count = MOST), 0);
    testing_assert_log("1=-5@1000 2=9@2000 0=7@3000");
}

/* ---- many */

eddy_frame(collects_many) {
    eddy_coro co;
    size_t i;
    int next;
};

static void collects_many(eddy_coro *co)
{
    eddy_begin(collects_many);
    for (int i = 0; i < MOST; i++) {
        tasks[i] = eddy_spawn(co, sleeps, .seconds = 1 + i * 7919 % MOST, .result = i);
    }
    eddy_for_each(self->i, eddy_as_completed, .tasks = tasks, .count = MOST) {
        assert_int_equal(self->i * 7919 % MOST, self->next);
        self->next++;
        eddy_await(eddy_join(co, tasks[self->i]));
    }
    eddy_return(self->next);
    eddy_end;
}

test(a_thousand_tasks_come_in_order)
{
    assert_int_equal(run(collects_many), MOST);
}

int main(void)
{
    const struct CMUnitTest tests_of_it[] = {
        testing_case(tasks_come_in_the_order_in_which_they_end),
        testing_case(tasks_that_end_while_the_body_runs_are_not_lost),
        testing_case(tasks_that_end_in_one_turn_come_in_the_order_of_their_ends),
        testing_case(tasks_that_had_ended_come_first_in_the_order_of_the_array),
        testing_case(failed_spawns_come_too_and_zeroed_elements_are_left_out),
        testing_case(leaving_early_lets_the_other_tasks_run_on_to_be_joined),
        testing_case(a_cancel_cancels_none_of_the_tasks),
        testing_case(a_time_out_cancels_none_of_the_tasks),
        testing_case(the_tasks_are_owned_meanwhile),
        testing_case(what_cannot_be_waited_for_is_an_error_and_touches_none),
        testing_case(without_memory_it_is_an_error_and_touches_none),
        testing_case(a_thousand_tasks_come_in_order),
    };
    return cmocka_run_group_tests(tests_of_it, NULL, NULL);
}
