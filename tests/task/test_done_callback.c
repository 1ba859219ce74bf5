/* task.h: callbacks for the end of a task; and names of tasks. */
#include "support/tasks.h"

#include "eddy/group.h"
#include "eddy/task.h"

static void log_done(eddy_done_callback *callback)
{
    log_end(callback->user, callback->result);
}

static eddy_done_callback first, second;

static void clear(void)
{
    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    first.user = "first";
    second.user = "second";
}

test(callbacks_run_in_order_when_the_task_has_ended_before_who_joins_it)
{
    eddy_task task = start(sleeps, .name = "task", .seconds = 2, .result = 5);

    clear();
    assert_int_equal(eddy_task_on_done(task, &first, log_done), 0);
    assert_int_equal(eddy_task_on_done(task, &second, log_done), 0);
    assert_int_equal(eddy_task_on_done(task, &second, log_done), -EBUSY);
    eddy_detach(start(sleeps, .name = "other", .seconds = 1));
    testing_run();
    testing_assert_log("other=0@1 task=5@2 first=5@2 second=5@2");
    assert_int_equal(finish(task), 5);
}

eddy_frame(joins) {
    eddy_coro co;
    eddy_task task;
    int64_t rc;
};

static void joins(eddy_coro *co)
{
    eddy_begin(joins);
    eddy_catch(self->rc, eddy_join(co, self->task));
    log_end("joined", self->rc);
    eddy_end;
}

test(a_callback_gets_the_result_of_a_task_that_is_joined_and_of_one_that_is_detached)
{
    eddy_task task = start(sleeps, .seconds = 1, .result = -EIO);

    clear();
    assert_int_equal(eddy_task_on_done(task, &first, log_done), 0);
    assert_int_equal(run(joins, .task = task), 0);
    testing_assert_log("first=EIO@1 joined=EIO@1");
    task = start(sleeps, .seconds = 1, .result = 3);
    assert_int_equal(eddy_detach(task), 0);
    assert_int_equal(eddy_task_on_done(task, &first, log_done), 0);
    testing_run();
    testing_assert_log("first=3@2");
}

test(who_joins_a_task_in_the_turn_of_its_end_does_not_wait_for_its_callbacks)
{
    eddy_task task = start(returns, .result = 3);

    clear();
    assert_int_equal(eddy_task_on_done(task, &first, log_done), 0);
    assert_int_equal(run(joins, .task = task), 0);
    testing_run();
    testing_assert_log("joined=3@0 first=3@0");
}

test(a_task_that_is_cancelled_before_its_first_step_runs_its_callbacks)
{
    eddy_task task = start(sleeps, .seconds = 1);

    clear();
    assert_int_equal(eddy_task_on_done(task, &first, log_done), 0);
    assert_int_equal(eddy_cancel(task), 0);
    testing_run();
    testing_assert_log("first=ECANCELED@0");
}

test(a_callback_for_a_task_that_has_ended_runs_in_the_next_turn)
{
    eddy_task task = start(returns, .result = 4);

    clear();
    testing_turns();
    assert_int_equal(eddy_task_on_done(task, &first, log_done), 0);
    testing_assert_log("");
    testing_turn();
    testing_assert_log("first=4@0");
    assert_int_equal(finish(task), 4);
    assert_int_equal(eddy_task_on_done(task, &first, log_done), -ESRCH);
}

test(a_callback_that_is_stopped_never_runs)
{
    eddy_task task = start(sleeps, .seconds = 1);

    clear();
    assert_int_equal(eddy_task_on_done(task, &first, log_done), 0);
    assert_int_equal(eddy_task_on_done(task, &second, log_done), 0);
    eddy_done_callback_stop(&first);
    testing_run();
    eddy_done_callback_stop(&second); /* it has run: nothing */
    testing_assert_log("second=0@1");
    assert_int_equal(eddy_task_on_done(task, &first, log_done), 0);
    eddy_done_callback_stop(&first); /* it was ready */
    testing_run();
    testing_assert_log("");
}

static void set_again(eddy_done_callback *callback)
{
    log_end("again", callback->result);
    if (callback->user != NULL) {
        eddy_task *task = callback->user;
        callback->user = NULL;
        assert_int_equal(eddy_task_on_done(*task, callback, set_again), 0);
    }
}

test(a_callback_may_be_set_again_inside_itself)
{
    static eddy_task task;

    clear();
    task = start(returns, .result = 4);
    first.user = &task;
    assert_int_equal(eddy_task_on_done(task, &first, set_again), 0);
    testing_run();
    testing_assert_log("again=4@0 again=4@0");
}

eddy_frame(hangs) {
    eddy_coro co;
};

static void hangs(eddy_coro *co)
{
    eddy_begin(hangs);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
eddy_finally:
    eddy_await(eddy_sleep(co, 100 * EDDY_SECOND));
    eddy_end;
}

test(a_loop_that_is_freed_lets_go_of_callbacks_that_have_not_run)
{
    clear();
    testing.options.shutdown_timeout = EDDY_SECOND;
    testing_reopen();
    assert_int_equal(eddy_task_on_done(start(hangs), &first, log_done), 0);
    testing_turns();
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    assert_told(-ETIMEDOUT, "was cut off in its cleanup");
    assert_false(eddy_link_used(&first.scheduled.ready.link));
}

test(without_memory_nothing_is_set)
{
    eddy_task task = start(sleeps, .seconds = 1);

    clear();
    use_up_memory();
    assert_int_equal(eddy_task_on_done(task, &first, log_done), -ENOMEM);
    assert_int_equal(eddy_task_set_name(task, "x"), -ENOMEM);
    testing_fail_allocation(0);
    assert_int_equal(eddy_task_on_done(task, &first, log_done), 0);
    testing_run();
    testing_assert_log("first=0@1");
}

/* ---- names */

test(a_task_is_named_after_its_coroutine_until_it_gets_a_name)
{
    eddy_task task = start(returns, .result = -EIO);

    assert_string_equal(eddy_task_name(task), "returns");
    assert_int_equal(eddy_task_set_name(task, "the door"), 0);
    assert_string_equal(eddy_task_name(task), "the door");
    assert_int_equal(eddy_detach(task), 0);
    testing_run();
    assert_told(-EIO, "(in task the door (");
    assert_null(eddy_task_name(task));
    assert_int_equal(eddy_task_set_name(task, "the door"), -ESRCH);
    task = start(returns);
    assert_int_equal(eddy_task_set_name(task, "x"), 0);
    assert_int_equal(eddy_task_set_name(task, NULL), 0);
    assert_string_equal(eddy_task_name(task), "returns");
}

eddy_frame(names_children) {
    eddy_coro co;
    eddy_group group;
    struct returns child;
    eddy_task task;
};

static void names_children(eddy_coro *co)
{
    eddy_begin(names_children);
    self->task = eddy_group_spawn(co, &self->group, sleeps);
    assert_string_equal(eddy_task_name(self->task), "sleeps");
    eddy_await(eddy_group_wait(co, &self->group));
    self->task = eddy_spawn_in(co, &self->child, returns);
    assert_string_equal(eddy_task_name(self->task), "returns");
    eddy_await(eddy_join(co, self->task));
    assert_string_equal(eddy_task_name(eddy_task_self(co)), "names_children");
    eddy_end;
}

test(every_way_to_spawn_names_the_task)
{
    assert_int_equal(run(names_children), 0);
}

test(a_join_tells_whom_it_waits_for)
{
    eddy_task joined = start(sleeps, .seconds = 1);
    eddy_task task = start(joins, .task = joined);
    char expected[256];
    char text[256];

    snprintf(expected, sizeof expected, "sleeps (%s:%d)", __FILE__, __LINE__ - 5);
    testing_turns();
    assert_ptr_equal(task.record->wait->blocker(task.record), joined.record);
    task.record->wait->describe(task.record, text, sizeof text);
    assert_string_equal(text, expected);
    assert_int_equal(finish(task), 0);
    testing.log[0] = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(callbacks_run_in_order_when_the_task_has_ended_before_who_joins_it),
        testing_case(
            a_callback_gets_the_result_of_a_task_that_is_joined_and_of_one_that_is_detached),
        testing_case(who_joins_a_task_in_the_turn_of_its_end_does_not_wait_for_its_callbacks),
        testing_case(a_task_that_is_cancelled_before_its_first_step_runs_its_callbacks),
        testing_case(a_callback_for_a_task_that_has_ended_runs_in_the_next_turn),
        testing_case(a_callback_that_is_stopped_never_runs),
        testing_case(a_callback_may_be_set_again_inside_itself),
        testing_case(a_loop_that_is_freed_lets_go_of_callbacks_that_have_not_run),
        testing_case(without_memory_nothing_is_set),
        testing_case(a_task_is_named_after_its_coroutine_until_it_gets_a_name),
        testing_case(every_way_to_spawn_names_the_task),
        testing_case(a_join_tells_whom_it_waits_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
