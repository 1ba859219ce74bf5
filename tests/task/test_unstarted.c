/* Spawns that failed: who is told of the error, and how often. Their joins: test_task.c, test_gather.c,
 * test_as_completed.c; those into a group: test_group_policy.c. */
#include "support/tasks.h"

#include "eddy/gather.h"
#include "eddy/group.h"
#include "eddy/look.h"

/* More than a pool has: without memory its spawn fails. */
eddy_frame(huge) {
    eddy_coro co;
    char room[200000];
};

static void huge(eddy_coro *co)
{
    eddy_begin(huge);
    testing_log("runs");
    eddy_end;
}

static eddy_task no_more; /* what each case has of them */
static int line;          /* where the spawn stands */

#define fail_to_start()                                                                          \
    (testing_fail_allocation(1), line = __LINE__, no_more = eddy_loop_spawn(testing.loop, huge), \
     testing_fail_allocation(0), no_more)

static void assert_told_of(const char *what)
{
    char text[256];

    snprintf(text, sizeof text, "task huge (%s:%d) could not be started, and %s: %s", __FILE__,
             line, what, eddy_strerror(-ENOMEM));
    testing_assert_error(-ENOMEM, text);
}

/* ---- one */

test(detaching_a_task_that_could_not_be_started_tells_once_why)
{
    assert_int_equal(eddy_detach(fail_to_start()), 0);
    assert_told_of("was detached");
    assert_int_equal(eddy_detach(no_more), -ESRCH);
    testing_free(); /* and asserts that nothing more is told */
}

test(it_is_told_even_if_there_is_no_memory_for_any_task)
{
    testing_fail_allocations_from(1);
    assert_int_equal(eddy_detach((line = __LINE__, start(huge))), 0);
    assert_told_of("was detached");
    assert_int_equal(eddy_detach(start(huge)), 0);
    testing_fail_allocation(0);
    testing.errors.count = 0;
}

test(whoever_drops_the_handle_is_told_when_the_loop_ends)
{
    (void)fail_to_start();
    testing_run();
    assert_int_equal(testing.errors.count, 0);
    testing_free();
    assert_told_of("nobody has asked why");
}

test(whoever_has_asked_why_is_not_told)
{
    assert_int_equal(eddy_spawn_error(fail_to_start()), -ENOMEM);
    assert_int_equal(eddy_spawn_error(no_more), -ENOMEM);
    assert_int_equal(eddy_detach(no_more), -ESRCH);
    testing_free();
}

test(the_result_is_the_error_and_taken_with_that)
{
    assert_int_equal(eddy_task_result(fail_to_start()), -ENOMEM);
    assert_true(eddy_task_done(no_more));
    assert_int_equal(eddy_cancel(no_more), -ESRCH);
    assert_null(eddy_task_name(no_more));
    testing_free();
}

test(running_until_its_end_takes_the_error)
{
    assert_int_equal(finish(fail_to_start()), -ENOMEM);
    testing_free();
}

test(only_a_failed_spawn_has_a_spawn_error)
{
    eddy_task none = {NULL, 0};
    eddy_task task = start(returns, .result = -EIO);

    assert_int_equal(eddy_spawn_error(none), 0);
    assert_int_equal(eddy_spawn_error(task), 0);
    assert_int_equal(finish(task), -EIO);
    assert_int_equal(eddy_spawn_error(task), 0);
}

static void log_done(eddy_done_callback *callback)
{
    log_end("done", callback->result);
}

test(its_done_callback_runs_with_the_error)
{
    static eddy_done_callback callback;

    assert_int_equal(eddy_task_on_done(fail_to_start(), &callback, log_done), 0);
    assert_int_equal(eddy_task_on_done(no_more, &callback, log_done), -EBUSY);
    testing_assert_log("");
    testing_turns();
    testing_assert_log("done=ENOMEM@0");
    testing_free();
}

/* ---- several */

eddy_frame(last) {
    eddy_coro co;
    char room[200000];
};

static void last(eddy_coro *co)
{
    eddy_begin(last);
    eddy_end;
}

static void log_names(eddy_loop *loop, eddy_task task, int64_t code, const char *text)
{
    char name[16];

    (void)loop;
    assert_null(task.record);
    assert_int_equal(code, -ENOMEM);
    assert_int_equal(sscanf(text, "task %15s", name), 1);
    testing_log("%s", name);
}

test(the_last_eight_that_were_dropped_are_told_the_oldest_first)
{
    testing.options.on_error = log_names;
    testing_reopen();
    for (int i = 0; i < 8; i++) {
        (void)fail_to_start();
        if (i % 2 == 0) {
            (void)eddy_spawn_error(no_more);
        }
    }
    testing_fail_allocation(1);
    start(last);
    testing_free();
    testing_assert_log("huge huge huge huge last");
}

test(one_that_failed_long_ago_is_told_without_its_name)
{
    eddy_task old = fail_to_start();
    char text[128];

    for (int i = 0; i < 8; i++) {
        (void)eddy_spawn_error(fail_to_start());
    }
    assert_int_equal(eddy_detach(old), 0);
    snprintf(text, sizeof text, "a task could not be started, and was detached: %s",
             eddy_strerror(-ENOMEM));
    testing_assert_error(-ENOMEM, text);
    assert_int_equal(eddy_spawn_error(old), -ENOMEM);
    testing_free();
}

eddy_frame(gathers) {
    eddy_coro co;
    bool all;
    eddy_task tasks[3];
    int64_t results[3];
};

static void gathers(eddy_coro *co)
{
    eddy_begin(gathers);
    self->tasks[0] = fail_to_start();
    self->tasks[1] = fail_to_start();
    self->tasks[2] = eddy_spawn(co, returns, .result = 7);
    if (!self->all) {
        eddy_await(eddy_gather(co, self->tasks, 3));
    }
    eddy_await(eddy_gather_all(co, self->tasks, 3, self->results));
    assert_int_equal(self->results[0], -ENOMEM);
    assert_int_equal(self->results[1], -ENOMEM);
    assert_int_equal(self->results[2], 7);
    eddy_end;
}

test(a_gather_takes_the_errors_of_all)
{
    assert_int_equal(run(gathers), -ENOMEM);
    testing_free();
}

test(a_gather_of_all_takes_the_errors_of_all)
{
    assert_int_equal(run(gathers, .all = true), 0);
    testing_free();
}

eddy_frame(only_waits) {
    eddy_coro co;
    eddy_task tasks[2]; /* one failed, and a gap */
    int64_t ended;
};

static void only_waits(eddy_coro *co)
{
    eddy_begin(only_waits);
    self->tasks[0] = fail_to_start();
    eddy_await(self->ended, eddy_wait_tasks(co, self->tasks, 2, EDDY_WAIT_ALL));
    assert_int_equal(self->ended, 1);
    eddy_end;
}

test(a_wait_after_which_the_tasks_stay_takes_no_error)
{
    assert_int_equal(run(only_waits), 0);
    testing_free();
    assert_told_of("nobody has asked why");
}

eddy_frame(in_a_group) {
    eddy_coro co;
    eddy_group group;
    eddy_task task;
    int64_t rc;
};

static void in_a_group(eddy_coro *co)
{
    eddy_begin(in_a_group);
    testing_fail_allocation(1);
    self->task = eddy_group_spawn(co, &self->group, huge);
    testing_fail_allocation(0);
    assert_int_equal(eddy_detach(self->task), -EBUSY);
    assert_int_equal(eddy_spawn_error(self->task), -ENOMEM);
    eddy_catch(self->rc, eddy_group_wait(co, &self->group));
    eddy_return(self->rc);
    eddy_end;
}

test(one_of_a_group_is_the_groups_and_told_by_its_wait_alone)
{
    assert_int_equal(run(in_a_group), -ENOMEM);
    testing_free();
}

/* ---- those who look */

static void count_visit(const struct eddy_task_info *info, void *user)
{
    (void)info;
    ++*(int *)user;
}

test(nobody_who_looks_meets_one)
{
    struct eddy_metrics metrics;
    int visits = 0;

    start(sleeps, .seconds = 1);
    (void)eddy_spawn_error(fail_to_start());
    assert_int_equal(eddy_loop_inspect(testing.loop, count_visit, &visits), 0);
    assert_int_equal(visits, 1);
    eddy_loop_metrics(testing.loop, &metrics);
    assert_int_equal(metrics.live, 1);
    assert_int_equal(metrics.spawned, 1);
    assert_int_equal(eddy_loop_check(testing.loop), 0);
    testing_run();
}

static void spawn_in_null(void *argument)
{
    eddy_loop_spawn(argument, huge);
}

test(a_spawn_in_no_loop_says_so)
{
    testing_expect_abort(spawn_in_null, NULL, "task huge was to be spawned in a loop that is NULL");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        testing_case(detaching_a_task_that_could_not_be_started_tells_once_why),
        testing_case(it_is_told_even_if_there_is_no_memory_for_any_task),
        testing_case(whoever_drops_the_handle_is_told_when_the_loop_ends),
        testing_case(whoever_has_asked_why_is_not_told),
        testing_case(the_result_is_the_error_and_taken_with_that),
        testing_case(running_until_its_end_takes_the_error),
        testing_case(only_a_failed_spawn_has_a_spawn_error),
        testing_case(its_done_callback_runs_with_the_error),
        testing_case(the_last_eight_that_were_dropped_are_told_the_oldest_first),
        testing_case(one_that_failed_long_ago_is_told_without_its_name),
        testing_case(a_gather_takes_the_errors_of_all),
        testing_case(a_gather_of_all_takes_the_errors_of_all),
        testing_case(a_wait_after_which_the_tasks_stay_takes_no_error),
        testing_case(one_of_a_group_is_the_groups_and_told_by_its_wait_alone),
        testing_case(nobody_who_looks_meets_one),
        testing_case(a_spawn_in_no_loop_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
