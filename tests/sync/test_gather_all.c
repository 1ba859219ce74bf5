/* gather.h: eddy_gather_all. */
#include "support/children.h"

#include "eddy/gather.h"
#include "support/tasks.h"

#define count_of(array) ((int)(sizeof(array) / sizeof *(array)))

eddy_frame(gathers_all) {
    eddy_coro co;
    const struct child *children;
    int count;
    int64_t limit;
    eddy_task tasks[8];
    int64_t results[8];
    int i;
    int64_t rc;
};

static void gathers_all(eddy_coro *co)
{
    eddy_begin(gathers_all);
    for (self->i = 0; self->i < self->count; self->i++) {
        self->tasks[self->i] = eddy_spawn(co, CHILD_LIKE(&self->children[self->i]));
    }
    eddy_catch(self->rc,
               eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                             eddy_gather_all(co, self->tasks, (size_t)self->count, self->results)));
    testing_log_result("all", self->rc);
    for (self->i = 0; self->i < self->count; self->i++) {
        assert_int_equal(eddy_task_result(self->tasks[self->i]), -ESRCH); /* consumed */
        testing_log_result(self->children[self->i].name, self->results[self->i]);
    }
    eddy_catch(self->rc, eddy_pause(co));
    testing_log_result("next", self->rc);
    eddy_end;
}

#define run_gather_all(array, ...) \
    testing_run_task(gathers_all, .children = array, .count = count_of(array), __VA_ARGS__)

static const struct child three[] = {
    {.name = "a", .sleep = 300 * MS, .result = 1},
    {.name = "b", .sleep = 100 * MS, .result = -EPIPE},
    {.name = "c", .sleep = 200 * MS, .result = 3},
};

test(a_failure_cancels_no_other_and_each_result_is_there)
{
    assert_int_equal(run_gather_all(three, .limit = 0), 0);
    testing_assert_log("b@100 c@200 a@300 all=1 a=1 b=-EPIPE c=3 next=0");
}

test(no_tasks_are_gathered_at_once)
{
    assert_int_equal(testing_run_task(gathers_all, .count = 0), 0);
    testing_assert_log("all=0 next=0");
}

test(a_time_out_cancels_all_and_the_results_are_there)
{
    assert_int_equal(run_gather_all(three, .limit = 150 * MS), 0);
    testing_assert_log("b@100 a!@150 c!@150 all=-ETIMEDOUT a=-ECANCELED b=-EPIPE c=-ECANCELED "
                       "next=0");
}

test(a_cancel_cancels_all_and_waits)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .cleanup = 50 * MS},
        {.name = "b", .sleep = 100 * MS, .result = 2},
    };
    eddy_task task = eddy_loop_spawn(testing.loop, gathers_all, .children = two, .count = 2);

    assert_int_equal(testing_run_and_cancel(task, 150 * MS), 0);
    testing_assert_log("b@100 a!@150 a~@200 all=-ECANCELED a=-ECANCELED b=2 next=0");
}

test(a_cancel_that_all_swallow_stays_pending)
{
    const struct child one[] = {{.name = "a", .sleep = 300 * MS, .stubborn = 50 * MS}};
    eddy_task task = eddy_loop_spawn(testing.loop, gathers_all, .children = one, .count = 1);

    assert_int_equal(testing_run_and_cancel(task, 100 * MS), 0);
    testing_assert_log("a!@100 a@150 all=0 a=0 next=-ECANCELED");
}

test(a_task_that_was_cancelled_on_its_own_is_a_failure_and_no_cancel)
{
    const struct child two[] = {{.name = "a", .result = -ECANCELED}, {.name = "b", .result = 2}};

    assert_int_equal(run_gather_all(two, .limit = 0), 0);
    testing_assert_log("a@0 b@0 all=1 a=-ECANCELED b=2 next=0");
}

eddy_frame(gathers_badly) {
    eddy_coro co;
    eddy_task tasks[2];
    int64_t results[2];
    int64_t rc;
};

static void gathers_badly(eddy_coro *co)
{
    eddy_begin(gathers_badly);
    self->tasks[0] = eddy_spawn(co, sleeps, .seconds = 1, .result = 5);
    eddy_catch(self->rc, eddy_gather_all(co, self->tasks, 2, self->results));
    log_end("zeroed", self->rc);
    self->tasks[1] = self->tasks[0];
    eddy_catch(self->rc, eddy_gather_all(co, self->tasks, 2, self->results));
    log_end("twice", self->rc);
    self->tasks[1] = testing_failed_spawn();
    eddy_catch(self->rc, eddy_gather_all(co, self->tasks, 2, self->results));
    log_end("unspawned", self->rc);
    log_end("0", self->results[0]);
    log_end("1", self->results[1]);
    eddy_end;
}

test(misuse_is_an_error_and_a_failed_spawn_a_result)
{
    assert_int_equal(run(gathers_badly), 0);
    testing_assert_log("zeroed=ESRCH@0 twice=EBUSY@0 unspawned=1@1 0=5@1 1=ENOMEM@1");
}

eddy_frame(gathers_without_memory) {
    eddy_coro co;
    eddy_task tasks[2];
    int64_t results[2];
};

static void gathers_without_memory(eddy_coro *co)
{
    eddy_begin(gathers_without_memory);
    self->tasks[0] = eddy_spawn(co, sleeps, .seconds = 1, .result = 5);
    self->tasks[1] = eddy_spawn(co, sleeps, .seconds = 2, .result = 6);
    eddy_await(eddy_sleep(co, EDDY_SECOND / 2)); /* the children have what they need */
    use_up_memory();
    eddy_await(eddy_gather_all(co, self->tasks, 2, self->results));
    testing_fail_allocation(0);
    log_end("0", self->results[0]);
    log_end("1", self->results[1]);
    eddy_end;
}

test(it_needs_no_memory_to_wait)
{
    assert_int_equal(run(gathers_without_memory), 0);
    testing_assert_log("0=5@2 1=6@2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_failure_cancels_no_other_and_each_result_is_there),
        testing_case(no_tasks_are_gathered_at_once),
        testing_case(a_time_out_cancels_all_and_the_results_are_there),
        testing_case(a_cancel_cancels_all_and_waits),
        testing_case(a_cancel_that_all_swallow_stays_pending),
        testing_case(a_task_that_was_cancelled_on_its_own_is_a_failure_and_no_cancel),
        testing_case(misuse_is_an_error_and_a_failed_spawn_a_result),
        testing_case(it_needs_no_memory_to_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
