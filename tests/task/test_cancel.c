/* task.h: eddy_cancel (rules 4 and 6). Cancelled joins: test_join.c; lines: test_wait.c; together with
 * deadlines: test_deadline.c. */
#include "support/tasks.h"

/* Sleeps `times` times a second, and logs how each sleep ended. */
eddy_frame(naps) {
    eddy_coro co;
    int times;
    int64_t rc;
};

static void naps(eddy_coro *co)
{
    eddy_begin(naps);
    while (self->times-- > 0) {
        eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
        log_end("nap", self->rc);
    }
    eddy_return(7);
    eddy_end;
}

/* ---- delivery */

test(a_cancel_ends_the_wait_once_and_the_coroutine_may_carry_on)
{
    eddy_task task = start(naps, .times = 3);

    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), 7);
    testing_assert_log("nap=ECANCELED@0 nap=0@1 nap=0@2");
}

test(cancel_does_not_run_the_task_at_once)
{
    eddy_task task = start(naps, .times = 1);

    testing_turns();
    eddy_cancel(task);
    testing_assert_log("");
    assert_false(eddy_task_done(task));
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("nap=ECANCELED@0");
}

test(a_task_cancelled_before_its_first_step_never_runs_its_body)
{
    eddy_task task = start(cleans, .name = "t");

    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("");
}

eddy_frame(spawns_and_cancels) {
    eddy_coro co;
    eddy_task child;
    int64_t rc;
};

static void spawns_and_cancels(eddy_coro *co)
{
    eddy_begin(spawns_and_cancels);
    self->child = eddy_spawn(co, naps, .times = 1);
    eddy_cancel(self->child);
    eddy_cancel(self->child);
    eddy_catch(self->rc, eddy_join(co, self->child));
    log_end("joined", self->rc);
    eddy_end;
}

test(a_child_cancelled_in_the_turn_of_its_spawn_never_runs)
{
    assert_int_equal(run(spawns_and_cancels), 0);
    testing_assert_log("joined=ECANCELED@0");
}

test(two_cancels_before_the_first_is_delivered_are_one)
{
    eddy_task task = start(naps, .times = 3);

    testing_turns();
    eddy_cancel(task); /* ends the wait */
    eddy_cancel(task); /* it has not run since */
    eddy_cancel(task);
    assert_int_equal(finish(task), 7);
    testing_assert_log("nap=ECANCELED@0 nap=0@1 nap=0@2");
}

test(a_cancel_after_one_that_was_ignored_is_delivered_again)
{
    eddy_task task = start(naps, .times = 3);

    testing_turns();
    eddy_cancel(task);
    testing_turns();
    eddy_cancel(task);
    testing_turns();
    eddy_cancel(task);
    assert_int_equal(finish(task), 7);
    testing_assert_log("nap=ECANCELED@0 nap=ECANCELED@0 nap=ECANCELED@0");
}

test(a_task_that_has_ended_cannot_be_cancelled_and_keeps_its_result)
{
    eddy_task task = start(returns, .result = 7);

    testing_run();
    assert_int_equal(eddy_cancel(task), -ESRCH);
    assert_int_equal(finish(task), 7);
    assert_int_equal(eddy_cancel(task), -ESRCH);
}

/* ---- completion wins */

test(a_wait_that_has_its_result_keeps_it_and_the_cancel_comes_at_the_next_await)
{
    eddy_task task = start(naps, .times = 3);

    start(cancels, .task = task, .at = 1); /* in the turn in which the first nap ends */
    assert_int_equal(finish(task), 7);
    testing_assert_log("nap=0@1 nap=ECANCELED@1 nap=0@2");
}

eddy_frame(pauses_and_gives) {
    eddy_coro co;
    int64_t rc;
};

static void pauses_and_gives(eddy_coro *co)
{
    eddy_begin(pauses_and_gives);
    eddy_catch(self->rc, eddy_pause(co));
    log_end("pause", self->rc);
    eddy_catch(self->rc, give(co, 1));
    log_end("give", self->rc);
    eddy_catch(self->rc, give(co, 2));
    log_end("give", self->rc);
    eddy_end;
}

test(a_task_that_pauses_is_cancelled_at_its_next_await)
{
    eddy_task task = start(pauses_and_gives);

    testing_turn();
    eddy_cancel(task);
    testing_run();
    testing_assert_log("pause=0@0 give=ECANCELED@0 give=2@0");
}

/* ---- every await delivers a pending cancel first */

enum operation { GIVE, PAUSE, SLEEP, CALL, CALL_IN, WAIT_FOR, SHIELD, FOR_EACH, WITH, OPERATIONS };

eddy_frame(generates) {
    eddy_coro co;
    int value;
};

static void generates(eddy_coro *co)
{
    eddy_begin(generates);
    testing_log("never");
    eddy_yield(1);
eddy_finally:
    testing_log("never");
    eddy_end;
}

eddy_frame(manages) {
    eddy_coro co;
};

static void manages(eddy_coro *co)
{
    eddy_begin(manages);
    testing_log("never");
    eddy_body;
eddy_finally:
    testing_log("never");
    eddy_end;
}

eddy_frame(cancels_itself) {
    eddy_coro co;
    enum operation operation;
    eddy_task done;
    struct naps child;
    int i;
};

static void cancels_itself(eddy_coro *co)
{
    eddy_begin(cancels_itself);
    eddy_cancel(eddy_task_self(co));
    if (self->operation == GIVE)
        eddy_await(give(co, 1));
    else if (self->operation == PAUSE)
        eddy_await(eddy_pause(co));
    else if (self->operation == SLEEP)
        eddy_await(eddy_sleep(co, EDDY_SECOND));
    else if (self->operation == CALL)
        eddy_await(eddy_call(co, naps, .times = 1));
    else if (self->operation == CALL_IN)
        eddy_await(eddy_call_in(co, &self->child, naps, .times = 1));
    else if (self->operation == WAIT_FOR)
        eddy_await(eddy_wait_for(co, 0, give(co, 1)));
    else if (self->operation == SHIELD)
        eddy_await(eddy_shield(co, self->done));
    else if (self->operation == FOR_EACH) {
        eddy_for_each(self->i, generates) {
            testing_log("never");
        }
    } else {
        eddy_with(manages) {
            testing_log("never");
        }
    }
    testing_log("never");
    eddy_end;
}

test(every_await_delivers_a_pending_cancel_first)
{
    for (enum operation operation = GIVE; operation < OPERATIONS; operation++) {
        eddy_task done = start(returns, .result = 3);
        testing_turn();
        assert_int_equal(run(cancels_itself, .operation = operation, .done = done), -ECANCELED);
        assert_int_equal(finish(done), 3);
        testing_assert_log("");
    }
}

eddy_frame(cancels_itself_and_returns) {
    eddy_coro co;
};

static void cancels_itself_and_returns(eddy_coro *co)
{
    eddy_begin(cancels_itself_and_returns);
    eddy_cancel(eddy_task_self(co));
    eddy_return(7);
    eddy_end;
}

test(a_cancel_without_another_await_changes_nothing)
{
    assert_int_equal(run(cancels_itself_and_returns), 7);
}

/* ---- unwinding */

eddy_frame(calls_cleans) {
    eddy_coro co;
    bool catches;
    int64_t rc;
};

static void calls_cleans(eddy_coro *co)
{
    eddy_begin(calls_cleans);
    if (self->catches) {
        eddy_catch(self->rc, eddy_call(co, cleans, .name = "inner", .body = 5, .cleanup = 1));
        log_end("caught", self->rc);
    } else {
        eddy_await(eddy_call(co, cleans, .name = "inner", .body = 5, .cleanup = 1));
    }
    eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
    log_end("next", self->rc);
eddy_finally:
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    log_end("outer.clean", 0);
    eddy_end;
}

test(a_cancel_reaches_the_innermost_frame_and_unwinds_outwards)
{
    eddy_task task = start(calls_cleans);

    start(cancels, .task = task, .at = 1);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("inner=ECANCELED@1 inner.clean@2 outer.clean=0@3");
}

test(a_caller_may_catch_the_cancel_and_carry_on)
{
    eddy_task task = start(calls_cleans, .catches = true);

    start(cancels, .task = task, .at = 1);
    assert_int_equal(finish(task), 0);
    testing_assert_log(
        "inner=ECANCELED@1 inner.clean@2 caught=ECANCELED@2 next=0@3 outer.clean=0@4");
}

/* ---- held back */

test(a_cancel_during_finally_is_held_back_and_comes_at_the_callers_next_await)
{
    eddy_task task = start(calls_cleans, .catches = true);

    start(cancels, .task = task, .at = 1); /* ends the body of the inner one */
    eddy_loop_poll_once(testing.loop, EDDY_FOREVER, EDDY_FOREVER);
    eddy_loop_poll_once(testing.loop, EDDY_FOREVER, EDDY_FOREVER);
    assert_int_equal(seconds(), 1);
    eddy_cancel(task); /* comes during its finally */
    assert_int_equal(finish(task), 0);
    testing_assert_log(
        "inner=ECANCELED@1 inner.clean@2 caught=ECANCELED@2 next=ECANCELED@2 outer.clean=0@3");
}

test(a_cancel_during_the_outermost_finally_changes_nothing)
{
    eddy_task task = start(cleans, .name = "t", .body = 1, .cleanup = 5, .result = 7);

    start(cancels, .task = task, .at = 2);
    start(cancels, .task = task, .at = 3);
    assert_int_equal(finish(task), 7);
    testing_assert_log("t=0@1 t.clean@6");
}

eddy_frame(calls_in_finally) {
    eddy_coro co;
    int64_t rc;
};

static void calls_in_finally(eddy_coro *co)
{
    eddy_begin(calls_in_finally);
eddy_finally:
    eddy_catch(self->rc, eddy_call(co, naps, .times = 2));
    eddy_catch(self->rc, give(co, 1));
    log_end("give", self->rc);
    eddy_end;
}

test(what_a_finally_calls_is_not_cancelled_either)
{
    eddy_task task = start(calls_in_finally);

    start(cancels, .task = task, .at = 1);
    assert_int_equal(finish(task), 0);
    testing_assert_log("nap=0@1 nap=0@2 give=1@2");
}

eddy_frame(cancels_itself_in_finally) {
    eddy_coro co;
    int64_t rc;
};

static void cancels_itself_in_finally(eddy_coro *co)
{
    eddy_begin(cancels_itself_in_finally);
    eddy_return(7);
eddy_finally:
    eddy_cancel(eddy_task_self(co));
    eddy_catch(self->rc, give(co, 1));
    log_end("give", self->rc);
    eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
    log_end("sleep", self->rc);
    eddy_end;
}

eddy_frame(calls_that) {
    eddy_coro co;
    int64_t rc;
};

static void calls_that(eddy_coro *co)
{
    eddy_begin(calls_that);
    eddy_catch(self->rc, eddy_call(co, cancels_itself_in_finally));
    log_end("call", self->rc);
    eddy_catch(self->rc, give(co, 1));
    log_end("give", self->rc);
    eddy_end;
}

test(a_cancel_of_oneself_in_finally_is_delivered_after_it)
{
    assert_int_equal(run(calls_that), 0);
    testing_assert_log("give=1@0 sleep=0@1 call=7@1 give=ECANCELED@1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_cancel_ends_the_wait_once_and_the_coroutine_may_carry_on),
        testing_case(cancel_does_not_run_the_task_at_once),
        testing_case(a_task_cancelled_before_its_first_step_never_runs_its_body),
        testing_case(a_child_cancelled_in_the_turn_of_its_spawn_never_runs),
        testing_case(two_cancels_before_the_first_is_delivered_are_one),
        testing_case(a_cancel_after_one_that_was_ignored_is_delivered_again),
        testing_case(a_task_that_has_ended_cannot_be_cancelled_and_keeps_its_result),
        testing_case(a_wait_that_has_its_result_keeps_it_and_the_cancel_comes_at_the_next_await),
        testing_case(a_task_that_pauses_is_cancelled_at_its_next_await),
        testing_case(every_await_delivers_a_pending_cancel_first),
        testing_case(a_cancel_without_another_await_changes_nothing),
        testing_case(a_cancel_reaches_the_innermost_frame_and_unwinds_outwards),
        testing_case(a_caller_may_catch_the_cancel_and_carry_on),
        testing_case(a_cancel_during_finally_is_held_back_and_comes_at_the_callers_next_await),
        testing_case(a_cancel_during_the_outermost_finally_changes_nothing),
        testing_case(what_a_finally_calls_is_not_cancelled_either),
        testing_case(a_cancel_of_oneself_in_finally_is_delivered_after_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
