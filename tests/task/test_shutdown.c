/* task.h and loop.h: eddy_run, and how tasks end with their loop (rules 9 and 15). */
#include "support/tasks.h"

#include <stdlib.h>

#include "eddy/error.h"

/* Parks for ever. */
static const struct eddy_wait_kind nothing_kind = {.name = "nothing"};

static int64_t wait_for_nothing(eddy_coro *co)
{
    int64_t result = eddy_check(co);

    return result < 0 ? result : eddy_park(co, &nothing_kind, NULL, NULL);
}

/* Waits for nothing, and logs how that ended; its finally may wait for nothing again, or sleep. */
eddy_frame(hangs) {
    eddy_coro co;
    const char *name;
    bool in_finally;
    int cleanup; /* seconds */
    int64_t rc;
};

static void hangs(eddy_coro *co)
{
    eddy_begin(hangs);
    eddy_catch(self->rc, wait_for_nothing(co));
    log_end(self->name, self->rc);
    eddy_return(self->rc);
eddy_finally:
    if (self->in_finally) {
        eddy_await(wait_for_nothing(co));
    }
    eddy_await(eddy_sleep(co, self->cleanup * EDDY_SECOND));
    log_end("clean", 0);
    eddy_end;
}

/* ---- eddy_run */

#define run_alone(...) eddy_run_with(&testing.options, __VA_ARGS__)

test(run_gives_the_result_of_the_coroutine)
{
    assert_int_equal(eddy_run(returns, .result = 7), 7);
    assert_int_equal(eddy_run(returns, .result = -EIO), -EIO);
    assert_int_equal(run_alone(sleeps, .seconds = 3600, .result = 7), 7);
    assert_int_equal(seconds(), 3600);
}

test(run_passes_on_why_there_is_no_loop)
{
    testing_fail_allocation(1);
    assert_int_equal(run_alone(returns), -ENOMEM);
    testing.options.flags = 1u << 31;
    assert_int_equal(run_alone(returns), -EINVAL);
}

test(run_without_memory_for_the_task_says_so)
{
    unsigned k = 1;

    do {
        testing_fail_allocations_from(k++);
        testing.errors.count = 0;
    } while (run_alone(returns, .result = 7) == -ENOMEM);
    testing_fail_allocation(0);
    assert_in_range(k, 4, 20);
}

eddy_frame(leaves_children) {
    eddy_coro co;
    int64_t result;
};

static void leaves_children(eddy_coro *co)
{
    eddy_begin(leaves_children);
    (void)eddy_spawn(co, cleans, .name = "a", .body = 100, .cleanup = 2);
    (void)eddy_spawn(co, cleans, .name = "b", .body = 100, .cleanup = 1);
    eddy_detach(eddy_spawn(co, cleans, .name = "c", .body = 100));
    (void)eddy_spawn(co, hangs, .name = "d");
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    (void)eddy_spawn(co, cleans, .name = "never", .body = 100);
    eddy_return(self->result);
    eddy_end;
}

test(when_run_returns_nobody_is_left_behind_and_every_finally_has_run)
{
    assert_int_equal(run_alone(leaves_children, .result = 7), 7);
    testing_assert_log(
        "a=ECANCELED@1 b=ECANCELED@1 c=ECANCELED@1 d=ECANCELED@1 c.clean@1 clean=0@1 "
        "b.clean@2 a.clean@3");
    assert_int_equal(testing.errors.count, 0);
}

test(run_returns_an_error_after_the_same_cleanups)
{
    assert_int_equal(run_alone(leaves_children, .result = -EIO), -EIO);
    assert_int_equal(seconds(), 3);
    testing.errors.count = 0;
}

static int failing_line;

eddy_frame(fails) {
    eddy_coro co;
    int64_t code;
};

static void fails(eddy_coro *co)
{
    eddy_begin(fails);
    failing_line = __LINE__ + 1;
    eddy_fail(co, self->code, "config line %d: bad", 5);
    eddy_end;
}

eddy_frame(calls_fails) {
    eddy_coro co;
    int64_t code;
};

static void calls_fails(eddy_coro *co)
{
    eddy_begin(calls_fails);
    eddy_await(eddy_call(co, fails, .code = self->code));
    eddy_end;
}

test(an_error_that_run_returns_is_told_once_with_its_text_and_where_it_began)
{
    char text[512];
    int line = __LINE__ + 1;
    assert_int_equal(run_alone(calls_fails, .code = EDDY_ERROR_USER), EDDY_ERROR_USER);
    snprintf(
        text, sizeof text,
        "%s:%d: fails: config line 5: bad: application error (in task calls_fails (%s:%d), which "
        "was run by eddy_run)",
        __FILE__, failing_line, __FILE__, line);
    testing_assert_error(EDDY_ERROR_USER, text);
}

test(a_cancel_or_a_value_that_run_returns_is_not_told)
{
    assert_int_equal(run_alone(returns, .result = -ECANCELED), -ECANCELED);
    assert_int_equal(run_alone(returns, .result = 1), 1);
    assert_int_equal(testing.errors.count, 0);
}

static void run_without_a_hook(void *argument)
{
    (void)argument;
    eddy_run(calls_fails, .code = -EIO);
    abort();
}

test(without_a_hook_that_is_said_on_standard_error)
{
    char text[128];

    snprintf(text, sizeof text, "fails: config line 5: bad: %s (in task calls_fails",
             strerror(EIO)); /* libcs differ */
    testing_expect_abort(run_without_a_hook, NULL, text);
}

eddy_frame(spawns_in_finally) {
    eddy_coro co;
    int64_t rc;
};

static void spawns_in_finally(eddy_coro *co)
{
    eddy_begin(spawns_in_finally);
    eddy_await(eddy_sleep(co, 100 * EDDY_SECOND));
eddy_finally:
    eddy_catch(self->rc,
               eddy_join(co, eddy_spawn(co, sleeps, .name = "s", .seconds = 1, .result = 7)));
    log_end("joined", self->rc);
    eddy_end;
}

eddy_frame(leaves_spawns_in_finally) {
    eddy_coro co;
};

static void leaves_spawns_in_finally(eddy_coro *co)
{
    eddy_begin(leaves_spawns_in_finally);
    (void)eddy_spawn(co, spawns_in_finally);
    eddy_await(eddy_pause(co));
    eddy_end;
}

test(a_cleanup_may_spawn_and_join_while_the_loop_ends)
{
    assert_int_equal(run_alone(leaves_spawns_in_finally), 0);
    testing_assert_log("s=7@1 joined=7@1");
}

eddy_frame(spawns_when_cancelled) {
    eddy_coro co;
    int64_t rc;
};

static void spawns_when_cancelled(eddy_coro *co)
{
    eddy_begin(spawns_when_cancelled);
    eddy_catch(self->rc, eddy_sleep(co, 100 * EDDY_SECOND));
    (void)eddy_spawn(co, sleeps, .seconds = 100);
    eddy_end;
}

/* Frees the loop in the middle of a test. */
static int64_t free_loop(void)
{
    int64_t result = eddy_loop_free(testing.loop);

    testing.loop = NULL;
    assert_int_equal(testing.memory.bytes, 0);
    return result;
}

test(a_task_that_is_spawned_while_the_loop_ends_and_that_nobody_joins_is_ended_too)
{
    start(spawns_when_cancelled);
    testing_turns();
    assert_int_equal(free_loop(), 0);
    assert_int_equal(seconds(), 0);
    assert_int_equal(testing.errors.count, 0);
}

/* ---- a cleanup that hangs */

test(a_finally_that_waits_for_nothing_is_cut_off_and_told_with_its_spawn)
{
    char text[128];

    start(hangs, .name = "h", .in_finally = true);
    snprintf(text, sizeof text, "%s:%d", __FILE__, __LINE__ - 1);
    testing_turns();
    assert_int_equal(free_loop(), -ETIMEDOUT);
    testing_assert_log("h=ECANCELED@0");
    assert_told(-ETIMEDOUT, text);
}

test(a_finally_that_takes_too_long_is_cut_off_at_the_shutdown_limit)
{
    testing.options.shutdown_timeout = 5 * EDDY_SECOND;
    testing_reopen();
    start(cleans, .name = "slow", .body = 1000, .cleanup = 6);
    start(cleans, .name = "fast", .body = 1000, .cleanup = 4);
    testing_turns();
    assert_int_equal(free_loop(), -ETIMEDOUT);
    assert_int_equal(seconds(), 5);
    testing_assert_log("slow=ECANCELED@0 fast=ECANCELED@0 fast.clean@4");
    assert_told(-ETIMEDOUT, "test_shutdown.c:");
}

test(the_shutdown_limit_is_ten_seconds_unless_said_otherwise)
{
    start(cleans, .name = "slow", .body = 1000, .cleanup = 1000);
    testing_turns();
    assert_int_equal(free_loop(), -ETIMEDOUT);
    assert_int_equal(seconds(), 10);
    testing_assert_log("slow=ECANCELED@0");
    assert_told(-ETIMEDOUT, "test_shutdown.c:");
}

eddy_frame(leaves_hanging) {
    eddy_coro co;
    int64_t result;
};

static void leaves_hanging(eddy_coro *co)
{
    eddy_begin(leaves_hanging);
    (void)eddy_spawn(co, hangs, .name = "h", .in_finally = true);
    eddy_await(eddy_pause(co));
    eddy_return(self->result);
    eddy_end;
}

test(run_says_that_a_cleanup_was_cut_off)
{
    assert_int_equal(run_alone(leaves_hanging, .result = 7), -ETIMEDOUT);
    assert_told(-ETIMEDOUT, "test_shutdown.c:");
    testing_assert_log("h=ECANCELED@0");
}

/* ---- deadlocks */

test(run_ends_a_deadlock_after_the_finallys)
{
    assert_int_equal(run_alone(hangs, .name = "h", .cleanup = 1), -EDEADLK);
    testing_assert_log("h=ECANCELED@0 clean=0@1");
    assert_told(-EDEADLK, "1 task");
}

eddy_frame(joins_what_hangs) {
    eddy_coro co;
    int64_t rc;
};

static void joins_what_hangs(eddy_coro *co)
{
    eddy_begin(joins_what_hangs);
    eddy_catch(self->rc, eddy_join(co, eddy_spawn(co, hangs, .name = "h")));
    log_end("joined", self->rc);
    eddy_end;
}

test(a_deadlock_of_several_tasks_is_told_once_and_unwound)
{
    assert_int_equal(run_alone(joins_what_hangs), -EDEADLK);
    testing_assert_log("h=ECANCELED@0 clean=0@0 joined=ECANCELED@0");
    assert_told(-EDEADLK, "2 tasks");
}

test(loop_run_tells_a_deadlock_and_leaves_the_tasks_waiting)
{
    eddy_task task = start(hangs, .name = "h");

    assert_int_equal(eddy_loop_run(testing.loop), -EDEADLK);
    assert_told(-EDEADLK, "1 task");
    assert_false(eddy_task_done(task));
    testing_assert_log("");
    assert_int_equal(finish(task), -EDEADLK);
    assert_told(-EDEADLK, "1 task");
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("h=ECANCELED@0 clean=0@0");
}

test(a_task_that_sleeps_is_no_deadlock)
{
    start(hangs, .name = "h");
    assert_int_equal(run(sleeps, .seconds = 100, .result = 7), 7);
    assert_int_equal(testing.errors.count, 0);
}

eddy_frame(limits_nothing) {
    eddy_coro co;
};

static void limits_nothing(eddy_coro *co)
{
    eddy_begin(limits_nothing);
    eddy_await(eddy_wait_for(co, EDDY_SECOND, wait_for_nothing(co)));
    eddy_end;
}

test(a_task_that_waits_with_a_deadline_is_no_deadlock)
{
    assert_int_equal(run(limits_nothing), -ETIMEDOUT);
    assert_int_equal(seconds(), 1);
}

eddy_frame(limits_for_ever) {
    eddy_coro co;
};

static void limits_for_ever(eddy_coro *co)
{
    eddy_begin(limits_for_ever);
    eddy_await(eddy_wait_for(co, EDDY_FOREVER, wait_for_nothing(co)));
    eddy_end;
}

test(a_deadline_that_never_comes_does_not_hide_a_deadlock)
{
    assert_int_equal(run_alone(limits_for_ever), -EDEADLK);
    assert_told(-EDEADLK, "1 task");
}

/* ---- the loop itself */

eddy_frame(frees_loop) {
    eddy_coro co;
};

static void frees_loop(eddy_coro *co)
{
    eddy_begin(frees_loop);
    eddy_return(eddy_loop_free(eddy_loop_of(co)));
    eddy_end;
}

test(a_loop_cannot_be_freed_in_a_step)
{
    assert_int_equal(run(frees_loop), -EBUSY);
}

eddy_frame(runs_loop) {
    eddy_coro co;
    eddy_task task;
};

static void runs_loop(eddy_coro *co)
{
    eddy_begin(runs_loop);
    log_end("run", eddy_loop_run(eddy_loop_of(co)));
    log_end("until", eddy_loop_run_until(eddy_loop_of(co), self->task));
    log_end("poll", eddy_loop_poll_once(eddy_loop_of(co), 0, 0));
    eddy_end;
}

test(a_loop_cannot_be_run_in_a_step)
{
    eddy_task task = start(sleeps, .seconds = 1, .result = 7);

    assert_int_equal(run(runs_loop, .task = task), 0);
    testing_assert_log("run=EBUSY@0 until=EBUSY@0 poll=EBUSY@0");
    assert_int_equal(finish(task), 7);
}

eddy_frame(stops_loop) {
    eddy_coro co;
};

static void stops_loop(eddy_coro *co)
{
    eddy_begin(stops_loop);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    eddy_loop_stop(eddy_loop_of(co));
    eddy_end;
}

test(run_until_says_that_the_loop_was_stopped_and_the_task_goes_on_in_the_next_run)
{
    eddy_task task = start(sleeps, .seconds = 3, .result = 7);

    start(stops_loop);
    assert_int_equal(finish(task), -EINTR);
    assert_int_equal(seconds(), 1);
    assert_int_equal(finish(task), 7);
    assert_int_equal(seconds(), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(run_gives_the_result_of_the_coroutine),
        testing_case(run_passes_on_why_there_is_no_loop),
        testing_case(run_without_memory_for_the_task_says_so),
        testing_case(when_run_returns_nobody_is_left_behind_and_every_finally_has_run),
        testing_case(run_returns_an_error_after_the_same_cleanups),
        testing_case(an_error_that_run_returns_is_told_once_with_its_text_and_where_it_began),
        testing_case(a_cancel_or_a_value_that_run_returns_is_not_told),
        testing_case(without_a_hook_that_is_said_on_standard_error),
        testing_case(a_cleanup_may_spawn_and_join_while_the_loop_ends),
        testing_case(a_task_that_is_spawned_while_the_loop_ends_and_that_nobody_joins_is_ended_too),
        testing_case(a_finally_that_waits_for_nothing_is_cut_off_and_told_with_its_spawn),
        testing_case(a_finally_that_takes_too_long_is_cut_off_at_the_shutdown_limit),
        testing_case(the_shutdown_limit_is_ten_seconds_unless_said_otherwise),
        testing_case(run_says_that_a_cleanup_was_cut_off),
        testing_case(run_ends_a_deadlock_after_the_finallys),
        testing_case(a_deadlock_of_several_tasks_is_told_once_and_unwound),
        testing_case(loop_run_tells_a_deadlock_and_leaves_the_tasks_waiting),
        testing_case(a_task_that_sleeps_is_no_deadlock),
        testing_case(a_task_that_waits_with_a_deadline_is_no_deadlock),
        testing_case(a_deadline_that_never_comes_does_not_hide_a_deadlock),
        testing_case(a_loop_cannot_be_freed_in_a_step),
        testing_case(a_loop_cannot_be_run_in_a_step),
        testing_case(run_until_says_that_the_loop_was_stopped_and_the_task_goes_on_in_the_next_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
