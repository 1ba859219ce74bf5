/* task.h: spawning, handles, and errors that nobody collects. Joining: test_join.c; eddy_run and the end
 * of a loop: test_shutdown.c. */
#include "support/tasks.h"

/* ---- starting */

eddy_frame(spawns_three) {
    eddy_coro co;
};

static void spawns_three(eddy_coro *co)
{
    eddy_begin(spawns_three);
    eddy_detach(eddy_spawn(co, pauses, .name = "a", .times = 2));
    eddy_detach(eddy_spawn(co, pauses, .name = "b", .times = 2));
    eddy_detach(eddy_spawn(co, pauses, .name = "c", .times = 2));
    testing_log("spawned");
    eddy_end;
}

test(spawn_only_enqueues_and_tasks_start_in_order)
{
    start(spawns_three);
    start(pauses, .name = "x", .times = 1);
    testing_run();
    testing_assert_log("spawned x a b c a b c");
}

static struct sleeps borrowed;

eddy_frame(spawns_in) {
    eddy_coro co;
    struct returns child;
    int64_t rc;
};

static void spawns_in(eddy_coro *co)
{
    eddy_begin(spawns_in);
    testing_fail_allocations_from(1);
    eddy_await(self->rc,
               eddy_join(co, eddy_spawn_in(co, &borrowed, sleeps, .seconds = 1, .result = 5)));
    log_end("static", self->rc);
    eddy_await(self->rc, eddy_join(co, eddy_spawn_in(co, &self->child, returns, .result = 6)));
    log_end("frame", self->rc);
    testing_fail_allocation(0);
    eddy_end;
}

test(spawn_in_takes_the_callers_memory_and_allocates_nothing)
{
    assert_int_equal(run(sleeps, .seconds = 1),
                     0); /* the heap has room for one sleep from now on */
    assert_int_equal(run(spawns_in), 0);
    testing_assert_log("static=5@2 frame=6@2");
}

eddy_frame(looks_around) {
    eddy_coro co;
    eddy_task *self_out;
};

static void looks_around(eddy_coro *co)
{
    eddy_begin(looks_around);
    assert_ptr_equal(eddy_loop_of(co), testing.loop);
    *self->self_out = eddy_task_self(co);
    eddy_end;
}

test(a_coroutine_knows_its_task_and_loop)
{
    static eddy_task told;
    eddy_task task = start(looks_around, .self_out = &told);

    assert_int_equal(finish(task), 0);
    assert_ptr_equal(told.record, task.record);
    assert_int_equal(told.generation, task.generation);
}

/* ---- without memory */

eddy_frame(bulky) {
    eddy_coro co;
    char bytes[1000000];
};

static void bulky(eddy_coro *co)
{
    eddy_begin(bulky);
    testing_log("never");
    eddy_end;
}

eddy_frame(joins_failed) {
    eddy_coro co;
    eddy_task task;
    int64_t rc;
};

static void joins_failed(eddy_coro *co)
{
    eddy_begin(joins_failed);
    testing_fail_allocation(1);
    self->task = eddy_spawn(co, bulky);
    eddy_catch(self->rc, eddy_join(co, self->task));
    log_end("join", self->rc);
    eddy_catch(self->rc, eddy_shield(co, self->task));
    log_end("shield", self->rc);
    log_end("cancel", eddy_cancel(self->task));
    log_end("detach", eddy_detach(self->task));
    log_end("result", eddy_task_result(self->task));
    testing_log(eddy_task_done(self->task) ? "done" : "not done");
    eddy_end;
}

static int64_t rounds;

eddy_frame(goes_round) {
    eddy_coro co;
};

static void goes_round(eddy_coro *co)
{
    eddy_begin(goes_round);
    for (rounds = 1;; rounds++) {
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

eddy_frame(rests) {
    eddy_coro co;
    int times;
};

static void rests(eddy_coro *co)
{
    eddy_begin(rests);
    while (self->times-- > 0) {
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

/* With nobody to see where turns end, they run without a look in between. */
test(a_run_until_a_task_has_ended_ends_with_the_turn_in_which_it_has)
{
    testing.options.flags = 0;
    testing_reopen();
    eddy_detach(start(goes_round));
    for (int times = 0; times < 300; times++) {
        int64_t before = rounds;
        assert_int_equal(eddy_loop_run_until(testing.loop, start(rests, .times = times)), 0);
        assert_int_equal(rounds - before, times + 1);
    }
}

test(a_spawn_that_failed_gives_a_task_whose_join_returns_the_error)
{
    assert_int_equal(run(joins_failed), 0);
    testing_assert_log(
        "join=ENOMEM@0 shield=ENOMEM@0 cancel=ESRCH@0 detach=ESRCH@0 result=ENOMEM@0 "
        "done");
}

test(a_task_that_could_not_be_spawned_ends_at_once_with_the_error)
{
    testing_fail_allocation(1);
    assert_int_equal(run(bulky), -ENOMEM);
    testing_assert_log("");
}

test(no_allocation_of_a_spawn_leaks_when_another_fails)
{
    unsigned k = 1;

    do {
        testing_fail_allocation(0);
        testing_reopen();
        testing_fail_allocations_from(k++);
    } while (run(returns, .result = 1) == -ENOMEM);
    assert_in_range(k, 3, 20); /* the table, a slab of records and a frame at least */
}

/* ---- handles */

eddy_frame(uses_stale) {
    eddy_coro co;
    eddy_task task;
    int64_t rc;
};

static void uses_stale(eddy_coro *co)
{
    eddy_begin(uses_stale);
    log_end("cancel", eddy_cancel(self->task));
    log_end("detach", eddy_detach(self->task));
    log_end("result", eddy_task_result(self->task));
    testing_log(eddy_task_done(self->task) ? "done" : "not done");
    eddy_catch(self->rc, eddy_join(co, self->task));
    log_end("join", self->rc);
    eddy_catch(self->rc, eddy_shield(co, self->task));
    log_end("shield", self->rc);
    eddy_end;
}

#define STALE "cancel=ESRCH@0 detach=ESRCH@0 result=ESRCH@0 done join=ESRCH@0 shield=ESRCH@0"

test(whatever_is_done_with_a_task_that_is_gone_says_so)
{
    eddy_task gone = start(returns, .result = 3);

    assert_int_equal(finish(gone), 3);
    assert_int_equal(run(uses_stale, .task = gone), 0);
    testing_assert_log(STALE);
    assert_int_equal(finish(gone), -ESRCH);
}

test(a_zeroed_task_is_one_that_is_gone)
{
    eddy_task none = {NULL, 0};

    assert_int_equal(run(uses_stale, .task = none), 0);
    testing_assert_log(STALE);
    assert_int_equal(finish(none), -ESRCH);
}

test(a_stale_handle_does_not_reach_the_task_that_uses_its_record_again)
{
    eddy_task gone = start(returns);
    eddy_task now;

    assert_int_equal(finish(gone), 0);
    now = start(sleeps, .seconds = 1, .result = 7);
    assert_ptr_equal(now.record, gone.record);
    assert_int_not_equal(now.generation, gone.generation);
    assert_int_equal(eddy_cancel(gone), -ESRCH);
    assert_int_equal(eddy_detach(gone), -ESRCH);
    assert_int_equal(eddy_task_result(gone), -ESRCH);
    assert_int_equal(eddy_task_result(now), -EAGAIN);
    assert_int_equal(finish(now), 7);
}

test(records_are_used_again)
{
    unsigned requests;

    testing.options.flags = 0;
    testing_reopen();
    assert_int_equal(run(returns), 0);
    requests = testing.memory.calls;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(run(returns, .result = i), i);
    }
    assert_int_equal(testing.memory.calls, requests);
}

/* ---- looking */

test(done_and_result_tell_how_far_a_task_is)
{
    eddy_task task = start(sleeps, .seconds = 1, .result = 7);

    assert_false(eddy_task_done(task));
    assert_int_equal(eddy_task_result(task), -EAGAIN);
    testing_turns();
    assert_false(eddy_task_done(task));
    assert_int_equal(eddy_task_result(task), -EAGAIN);
    testing_run();
    assert_true(eddy_task_done(task));
    assert_int_equal(eddy_task_result(task), 7);
    assert_int_equal(eddy_task_result(task), 7);
    assert_int_equal(finish(task), 7);
    assert_int_equal(eddy_task_result(task), -ESRCH);
}

/* ---- detaching */

test(a_detached_task_runs_on_and_is_gone_when_it_ends)
{
    eddy_task task = start(sleeps, .name = "x", .seconds = 1, .result = 7);

    assert_int_equal(eddy_detach(task), 0);
    assert_false(eddy_task_done(task));
    assert_int_equal(eddy_detach(task), -EBUSY);
    assert_int_equal(finish(task), -EBUSY);
    testing_run();
    testing_assert_log("x=7@1");
    assert_int_equal(eddy_task_result(task), -ESRCH);
}

test(detaching_a_task_that_has_ended_frees_it)
{
    eddy_task task = start(returns, .result = 7);

    testing_run();
    assert_int_equal(eddy_detach(task), 0);
    assert_int_equal(eddy_task_result(task), -ESRCH);
    assert_int_equal(eddy_detach(task), -ESRCH);
}

test(a_detached_task_may_be_cancelled)
{
    eddy_task task = start(sleeps, .name = "x", .seconds = 1);

    eddy_detach(task);
    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    testing_run();
    testing_assert_log("x=ECANCELED@0");
}

/* ---- errors that nobody collects */

static int failing_line;

eddy_frame(fails) {
    eddy_coro co;
    int64_t error;
};

static void fails(eddy_coro *co)
{
    eddy_begin(fails);
    eddy_await(eddy_pause(co));
    failing_line = __LINE__ + 1;
    eddy_await(give(co, self->error));
    eddy_end;
}

eddy_frame(calls_fails) {
    eddy_coro co;
};

static void calls_fails(eddy_coro *co)
{
    eddy_begin(calls_fails);
    eddy_await(eddy_call(co, fails, .error = -EIO));
    eddy_end;
}

/* Exactly one report came, of -EIO, that says where it happened and where the task was spawned. */
static void assert_told_of(const char *name, int spawn_line, const char *end)
{
    char text[512];

    snprintf(text, sizeof text, "%s:%d: fails: %s (in task %s (%s:%d), which %s)", __FILE__,
             failing_line, strerror(EIO), name, __FILE__, spawn_line, end);
    testing_assert_error(-EIO, text);
}

test(an_error_of_a_detached_task_is_told_once_with_function_file_and_line)
{
    eddy_detach(start(fails, .error = -EIO));
    testing_run();
    assert_told_of("fails", __LINE__ - 2, "was detached");
    testing_free();
}

test(an_error_is_told_with_the_place_where_it_began_not_the_callers)
{
    eddy_detach(start(calls_fails));
    testing_run();
    assert_told_of("calls_fails", __LINE__ - 2, "was detached");
}

test(an_error_of_a_task_that_is_detached_afterwards_is_told)
{
    eddy_task task = start(fails, .error = -EIO);

    testing_run();
    assert_int_equal(testing.errors.count, 0);
    eddy_detach(task);
    assert_told_of("fails", __LINE__ - 5, "was detached");
}

test(an_error_of_a_task_that_was_never_joined_is_told_when_the_loop_is_freed)
{
    start(fails, .error = -EIO);
    testing_run();
    assert_int_equal(testing.errors.count, 0);
    testing_free();
    assert_told_of("fails", __LINE__ - 4, "was never joined");
}

test(the_report_names_the_task)
{
    eddy_task task = start(fails, .error = -EIO);

    eddy_detach(task);
    testing_run();
    assert_ptr_equal(testing.errors.task.record, task.record);
    assert_int_equal(testing.errors.task.generation, task.generation);
    assert_told(-EIO, "fails");
}

eddy_frame(catches_then_fails) {
    eddy_coro co;
    int64_t error;
    int64_t rc;
};

static void catches_then_fails(eddy_coro *co)
{
    eddy_begin(catches_then_fails);
    eddy_catch(self->rc, eddy_call(co, fails, .error = -EIO));
    if (self->error == 0) {
        eddy_return(self->rc);
    }
    failing_line = __LINE__ + 1;
    eddy_return(self->error);
    eddy_end;
}

test(another_error_than_the_one_that_was_caught_is_told_with_its_own_place)
{
    char text[64];

    eddy_detach(start(catches_then_fails, .error = -EPIPE));
    testing_run();
    snprintf(text, sizeof text, "test_task.c:%d: catches_then_fails: ", failing_line);
    assert_told(-EPIPE, text);
}

test(an_error_that_was_caught_and_is_returned_is_told_with_the_place_where_it_began)
{
    eddy_detach(start(catches_then_fails));
    testing_run();
    assert_told_of("catches_then_fails", __LINE__ - 2, "was detached");
}

static void nested_error(eddy_loop *loop, eddy_task task, int64_t code, const char *text)
{
    testing_on_error(loop, task, code, text);
    assert_int_equal(eddy_loop_free(loop), -EBUSY);
    assert_int_equal(eddy_loop_poll_once(loop, 0, 0), -EBUSY);
}

test(the_error_hook_may_not_re_enter)
{
    testing.options.on_error = nested_error;
    testing_reopen();
    eddy_detach(start(fails, .error = -EIO));
    testing_run();
    assert_told(-EIO, "fails");
}

static int64_t late_spawn;

static void spawning_error(eddy_loop *loop, eddy_task task, int64_t code, const char *text)
{
    testing_on_error(loop, task, code, text);
    late_spawn = eddy_task_result(eddy_loop_spawn(loop, returns));
}

test(a_loop_whose_tasks_have_ended_takes_no_more)
{
    testing.options.on_error = spawning_error;
    testing_reopen();
    start(fails, .error = -EIO);
    testing_run();
    testing_free();
    assert_told(-EIO, "was never joined");
    assert_int_equal(late_spawn, -ESHUTDOWN);
}

test(neither_a_value_nor_a_cancel_is_told)
{
    eddy_task task = start(sleeps, .seconds = 10);

    start(returns, .result = 5);
    eddy_detach(start(returns, .result = 5));
    start(returns, .result = -ECANCELED);
    eddy_detach(start(returns, .result = -ECANCELED));
    testing_turns();
    eddy_cancel(task);
    testing_run();
    testing_free();
    assert_int_equal(testing.errors.count, 0);
}

eddy_frame(joins_fails) {
    eddy_coro co;
    bool catches;
    int64_t rc;
};

static void joins_fails(eddy_coro *co)
{
    eddy_begin(joins_fails);
    eddy_catch(self->rc, eddy_join(co, eddy_spawn(co, fails, .error = -EIO)));
    log_end("joined", self->rc);
    if (!self->catches) {
        eddy_await(eddy_join(co, eddy_spawn(co, fails, .error = -EIO)));
    }
    eddy_end;
}

test(an_error_that_is_joined_is_not_told)
{
    assert_int_equal(run(joins_fails, .catches = true), 0);
    testing_assert_log("joined=EIO@0");
    testing_free();
    assert_int_equal(testing.errors.count, 0);
}

test(an_error_that_goes_on_through_a_join_is_told_once_with_the_place_where_it_began)
{
    eddy_detach(start(joins_fails));
    testing_run();
    assert_told_of("joins_fails", __LINE__ - 2, "was detached");
    testing_free();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(spawn_only_enqueues_and_tasks_start_in_order),
        testing_case(spawn_in_takes_the_callers_memory_and_allocates_nothing),
        testing_case(a_coroutine_knows_its_task_and_loop),
        testing_case(a_run_until_a_task_has_ended_ends_with_the_turn_in_which_it_has),
        testing_case(a_spawn_that_failed_gives_a_task_whose_join_returns_the_error),
        testing_case(a_task_that_could_not_be_spawned_ends_at_once_with_the_error),
        testing_case(no_allocation_of_a_spawn_leaks_when_another_fails),
        testing_case(whatever_is_done_with_a_task_that_is_gone_says_so),
        testing_case(a_zeroed_task_is_one_that_is_gone),
        testing_case(a_stale_handle_does_not_reach_the_task_that_uses_its_record_again),
        testing_case(records_are_used_again),
        testing_case(done_and_result_tell_how_far_a_task_is),
        testing_case(a_detached_task_runs_on_and_is_gone_when_it_ends),
        testing_case(detaching_a_task_that_has_ended_frees_it),
        testing_case(a_detached_task_may_be_cancelled),
        testing_case(an_error_of_a_detached_task_is_told_once_with_function_file_and_line),
        testing_case(an_error_is_told_with_the_place_where_it_began_not_the_callers),
        testing_case(an_error_of_a_task_that_is_detached_afterwards_is_told),
        testing_case(an_error_of_a_task_that_was_never_joined_is_told_when_the_loop_is_freed),
        testing_case(the_report_names_the_task),
        testing_case(another_error_than_the_one_that_was_caught_is_told_with_its_own_place),
        testing_case(
            an_error_that_was_caught_and_is_returned_is_told_with_the_place_where_it_began),
        testing_case(the_error_hook_may_not_re_enter),
        testing_case(a_loop_whose_tasks_have_ended_takes_no_more),
        testing_case(neither_a_value_nor_a_cancel_is_told),
        testing_case(an_error_that_is_joined_is_not_told),
        testing_case(
            an_error_that_goes_on_through_a_join_is_told_once_with_the_place_where_it_began),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
