/* deadline.h: eddy_wait_for together with cleanups, with cancels from outside, and with a task that
 * is ready (rule 7). */
#include "support/tasks.h"

/* eddy_wait_for around a call of `sleeps`, and a sleep after it. */
eddy_frame(limits) {
    eddy_coro co;
    const char *name;
    int64_t limit;
    int seconds; /* of the child */
    int64_t rc;
};

static void limits(eddy_coro *co)
{
    eddy_begin(limits);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit,
                                       eddy_call(co, sleeps, .name = "child",
                                                 .seconds = self->seconds, .result = 7)));
    log_end(self->name, self->rc);
    eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
    log_end("after", self->rc);
    eddy_end;
}

eddy_frame(limits_cleans) {
    eddy_coro co;
    int limit;
    int body, cleanup;
    int64_t rc;
};

static void limits_cleans(eddy_coro *co)
{
    eddy_begin(limits_cleans);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit * EDDY_SECOND,
                                       eddy_call(co, cleans, .name = "c", .body = self->body,
                                                 .cleanup = self->cleanup, .result = 7)));
    log_end("w", self->rc);
    eddy_end;
}

/* ---- held back by cleanups */

/* In its finally a wait with a deadline of 3 seconds, and after it a sleep of one. */
eddy_frame(limits_in_finally) {
    eddy_coro co;
    int64_t rc;
};

static void limits_in_finally(eddy_coro *co)
{
    eddy_begin(limits_in_finally);
    eddy_return(7);
eddy_finally:
    eddy_catch(self->rc, eddy_wait_for(co, 3 * EDDY_SECOND, eddy_sleep(co, 9 * EDDY_SECOND)));
    log_end("finally", self->rc);
    eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
    log_end("finally", self->rc);
    eddy_end;
}

/* Calls that, and then waits again: with an operation that finishes at once, or by a sleep. */
eddy_frame(goes_on) {
    eddy_coro co;
    bool at_once;
    int64_t rc;
};

static void goes_on(eddy_coro *co)
{
    eddy_begin(goes_on);
    eddy_catch(self->rc, eddy_call(co, limits_in_finally));
    log_end("call", self->rc);
    if (self->at_once) {
        eddy_catch(self->rc, give(co, 1));
    } else {
        eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
    }
    log_end("next", self->rc);
    eddy_catch(self->rc, give(co, 2));
    log_end("last", self->rc);
    eddy_return(self->rc);
    eddy_end;
}

eddy_frame(holds_back) {
    eddy_coro co;
    bool at_once;
    int64_t rc;
};

static void holds_back(eddy_coro *co)
{
    eddy_begin(holds_back);
    eddy_catch(self->rc,
               eddy_wait_for(co, EDDY_SECOND, eddy_call(co, goes_on, .at_once = self->at_once)));
    log_end("w", self->rc);
    eddy_end;
}

#define HELD_BACK "finally=ETIMEDOUT@3 finally=0@4 call=7@4 next=ECANCELED@4 last=2@4 w=2@4"

test(a_deadline_inside_finally_fires_and_the_outer_one_comes_at_the_next_wait_after_it)
{
    assert_int_equal(run(holds_back), 0);
    testing_assert_log(HELD_BACK);
}

test(a_deadline_that_was_held_back_comes_also_before_an_operation_that_could_finish_at_once)
{
    assert_int_equal(run(holds_back, .at_once = true), 0);
    testing_assert_log(HELD_BACK);
}

eddy_frame(resource) {
    eddy_coro co;
};

static void resource(eddy_coro *co)
{
    eddy_begin(resource);
    eddy_body;
eddy_finally:
    eddy_await(eddy_sleep(co, 5 * EDDY_SECOND));
    log_end("exit", 0);
    eddy_end;
}

eddy_frame(uses_resource) {
    eddy_coro co;
    bool at_once;
    int64_t rc;
};

static void uses_resource(eddy_coro *co)
{
    eddy_begin(uses_resource);
    eddy_with(resource) {
        eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
        log_end("block", self->rc);
    }
    if (self->at_once) {
        eddy_catch(self->rc, give(co, 7));
    } else {
        eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
    }
    log_end("after", self->rc);
    eddy_return(self->rc);
    eddy_end;
}

eddy_frame(limits_resource) {
    eddy_coro co;
    bool at_once;
    int64_t rc;
};

static void limits_resource(eddy_coro *co)
{
    eddy_begin(limits_resource);
    eddy_catch(self->rc, eddy_wait_for(co, 2 * EDDY_SECOND,
                                       eddy_call(co, uses_resource, .at_once = self->at_once)));
    log_end("w", self->rc);
    eddy_end;
}

test(a_deadline_that_passes_in_the_exit_of_a_with_is_held_back_until_it_has_run)
{
    assert_int_equal(run(limits_resource), 0);
    testing_assert_log("block=0@1 exit=0@6 after=ECANCELED@6 w=ETIMEDOUT@6");
}

test(a_deadline_that_an_exit_has_held_back_comes_also_before_what_could_finish_at_once)
{
    assert_int_equal(run(limits_resource, .at_once = true), 0);
    testing_assert_log("block=0@1 exit=0@6 after=ECANCELED@6 w=ETIMEDOUT@6");
}

/* ---- cancels from outside */

test(a_cancel_from_outside_before_the_deadline_stays_a_cancel)
{
    eddy_task task = start(limits, .name = "w", .limit = 5 * EDDY_SECOND, .seconds = 9);

    start(cancels, .task = task, .at = 1);
    assert_int_equal(finish(task), 0);
    testing_assert_log("child=ECANCELED@1 w=ECANCELED@1 after=0@2");
}

test(a_deadline_that_passes_in_the_cleanup_of_a_cancel_leaves_it_a_cancel)
{
    eddy_task task = start(limits_cleans, .limit = 2, .body = 9, .cleanup = 5);

    start(cancels, .task = task, .at = 1);
    assert_int_equal(finish(task), 0);
    testing_assert_log("c=ECANCELED@1 c.clean@6 w=ECANCELED@6");
}

test(a_cancel_in_the_turn_in_which_the_deadline_has_struck_comes_at_the_next_await)
{
    eddy_task task = start(limits, .name = "w", .limit = EDDY_SECOND, .seconds = 9);

    start(cancels, .task = task, .at = 1);
    assert_int_equal(finish(task), 0);
    testing_assert_log("child=ECANCELED@1 w=ETIMEDOUT@1 after=ECANCELED@1");
}

eddy_frame(cancels_and_advances) {
    eddy_coro co;
    eddy_task task;
};

static void cancels_and_advances(eddy_coro *co)
{
    eddy_begin(cancels_and_advances);
    eddy_cancel(self->task);
    eddy_clock_advance(&testing.clock, 5 * EDDY_SECOND);
    eddy_end;
}

test(a_deadline_that_passes_between_a_cancel_and_its_delivery_leaves_it_a_cancel)
{
    eddy_task task;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    task = start(limits, .name = "w", .limit = EDDY_SECOND, .seconds = 9);
    testing_turn();
    start(cancels_and_advances, .task = task);
    testing_turn();
    testing_turn();
    testing_assert_log("child=ECANCELED@5 w=ECANCELED@5");
    eddy_clock_advance(&testing.clock, EDDY_SECOND);
    testing_turns();
    testing_assert_log("after=0@6");
}

eddy_frame(ignores_one) {
    eddy_coro co;
    int64_t rc;
};

static void ignores_one(eddy_coro *co)
{
    eddy_begin(ignores_one);
    eddy_catch(self->rc, eddy_sleep(co, 9 * EDDY_SECOND));
    log_end("ignored", self->rc);
    eddy_await(eddy_sleep(co, 9 * EDDY_SECOND));
    eddy_end;
}

eddy_frame(limits_ignores_one) {
    eddy_coro co;
    int64_t rc;
};

static void limits_ignores_one(eddy_coro *co)
{
    eddy_begin(limits_ignores_one);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_call(co, ignores_one)));
    log_end("w", self->rc);
    eddy_end;
}

test(a_cancel_from_outside_after_a_deadline_that_was_ignored_stays_a_cancel)
{
    eddy_task task = start(limits_ignores_one);

    start(cancels, .task = task, .at = 3);
    assert_int_equal(finish(task), 0);
    testing_assert_log("ignored=ECANCELED@1 w=ECANCELED@3");
}

/* ---- a deadline that passes while the task is ready */

eddy_frame(pauses_and_gives) {
    eddy_coro co;
    bool returns;
    int64_t rc;
};

static void pauses_and_gives(eddy_coro *co)
{
    eddy_begin(pauses_and_gives);
    eddy_catch(self->rc, eddy_pause(co));
    log_end("pause", self->rc);
    if (self->returns) {
        eddy_return(7);
    }
    eddy_catch(self->rc, give(co, 1));
    log_end("give", self->rc);
    eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
    log_end("sleep", self->rc);
    eddy_return(self->rc);
    eddy_end;
}

eddy_frame(limits_pause) {
    eddy_coro co;
    bool returns;
    int64_t rc;
};

static void limits_pause(eddy_coro *co)
{
    eddy_begin(limits_pause);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND,
                                       eddy_call(co, pauses_and_gives, .returns = self->returns)));
    log_end("w", self->rc);
    eddy_catch(self->rc, eddy_pause(co));
    log_end("after", self->rc);
    eddy_end;
}

static void run_past_the_deadline_while_it_is_ready(bool returns)
{
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start(limits_pause, .returns = returns);
    testing_turn();
    eddy_clock_advance(&testing.clock, 2 * EDDY_SECOND);
    testing_turns();
}

test(a_deadline_that_passes_while_the_task_is_ready_strikes_at_its_next_await)
{
    run_past_the_deadline_while_it_is_ready(false);
    testing_assert_log("pause=0@2 give=ECANCELED@2");
    eddy_clock_advance(&testing.clock, EDDY_SECOND);
    testing_turns();
    testing_assert_log("sleep=0@3 w=0@3 after=0@3");
}

test(a_deadline_that_passes_while_the_task_is_ready_changes_nothing_without_another_await)
{
    run_past_the_deadline_while_it_is_ready(true);
    testing_assert_log("pause=0@2 w=7@2 after=0@2");
}

eddy_frame(pauses_and_cleans) {
    eddy_coro co;
    int64_t rc;
};

static void pauses_and_cleans(eddy_coro *co)
{
    eddy_begin(pauses_and_cleans);
    eddy_catch(self->rc, eddy_pause(co));
eddy_finally:
    eddy_catch(self->rc, give(co, 1));
    log_end("finally", self->rc);
    eddy_catch(self->rc, eddy_pause(co));
    log_end("finally", self->rc);
    eddy_end;
}

eddy_frame(calls_pauses_and_cleans) {
    eddy_coro co;
    int64_t rc;
};

static void calls_pauses_and_cleans(eddy_coro *co)
{
    eddy_begin(calls_pauses_and_cleans);
    eddy_await(eddy_call(co, pauses_and_cleans));
    eddy_catch(self->rc, give(co, 1));
    log_end("give", self->rc);
    eddy_return(self->rc);
    eddy_end;
}

eddy_frame(limits_that) {
    eddy_coro co;
    int64_t rc;
};

static void limits_that(eddy_coro *co)
{
    eddy_begin(limits_that);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_call(co, calls_pauses_and_cleans)));
    log_end("w", self->rc);
    eddy_end;
}

test(a_deadline_that_passes_while_the_task_is_ready_to_enter_its_finally_is_held_back)
{
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start(limits_that);
    testing_turn();
    eddy_clock_advance(&testing.clock, 2 * EDDY_SECOND);
    testing_turns();
    testing_assert_log("finally=1@2 finally=0@2 give=ECANCELED@2 w=ETIMEDOUT@2");
}

/* ---- a deadline and a cancel, before the task has run: one delivery, at a leaf and at a join */

eddy_frame(cleans_up_in_block) {
    eddy_coro co;
    bool joins;
    eddy_task child;
    int64_t rc;
};

static void cleans_up_in_block(eddy_coro *co)
{
    eddy_begin(cleans_up_in_block);
    self->child = eddy_spawn(co, sleeps, .seconds = 99);
    eddy_with_timeout(EDDY_SECOND) {
        if (self->joins) {
            eddy_catch(self->rc, eddy_join(co, self->child));
        } else {
            eddy_catch(self->rc, eddy_sleep(co, 99 * EDDY_SECOND));
        }
        log_end("block", self->rc);
        eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND)); /* is not interrupted again */
        log_end("clean", self->rc);
        eddy_return(-ECANCELED);
    }
eddy_finally:
    log_end("out", co->outcome);
    eddy_except(-ESRCH, eddy_shield(co, self->child)) {}
    eddy_end;
}

/* The two come in either order, in one turn; the task runs afterwards. */
static void interrupt_twice(bool joins, bool cancel_first)
{
    eddy_task task;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    task = start(cleans_up_in_block, .joins = joins);
    testing_turns();
    if (cancel_first) {
        assert_int_equal(eddy_cancel(task), 0);
        eddy_clock_advance(&testing.clock, EDDY_SECOND);
    } else {
        eddy_clock_advance(&testing.clock, EDDY_SECOND);
        (void)eddy_detach(start(cancels, .task = task)); /* ready before the task is */
    }
    testing_turns();
    testing_assert_log("block=ECANCELED@1");
    eddy_clock_advance(&testing.clock, EDDY_SECOND);
    testing_turns();
    testing_assert_log("clean=0@2 out=ECANCELED@2");
    eddy_clock_advance(&testing.clock, 99 * EDDY_SECOND);
    assert_int_equal(finish(task), -ECANCELED);
}

test(a_time_out_and_then_a_cancel_are_one_delivery_at_a_leaf_and_at_a_join)
{
    interrupt_twice(false, false);
    interrupt_twice(true, false);
}

test(a_cancel_and_then_a_time_out_are_one_delivery_at_a_leaf_and_at_a_join)
{
    interrupt_twice(false, true);
    interrupt_twice(true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(
            a_deadline_inside_finally_fires_and_the_outer_one_comes_at_the_next_wait_after_it),
        testing_case(
            a_deadline_that_was_held_back_comes_also_before_an_operation_that_could_finish_at_once),
        testing_case(a_deadline_that_passes_in_the_exit_of_a_with_is_held_back_until_it_has_run),
        testing_case(
            a_deadline_that_an_exit_has_held_back_comes_also_before_what_could_finish_at_once),
        testing_case(a_cancel_from_outside_before_the_deadline_stays_a_cancel),
        testing_case(a_deadline_that_passes_in_the_cleanup_of_a_cancel_leaves_it_a_cancel),
        testing_case(a_cancel_in_the_turn_in_which_the_deadline_has_struck_comes_at_the_next_await),
        testing_case(a_deadline_that_passes_between_a_cancel_and_its_delivery_leaves_it_a_cancel),
        testing_case(a_cancel_from_outside_after_a_deadline_that_was_ignored_stays_a_cancel),
        testing_case(a_deadline_that_passes_while_the_task_is_ready_strikes_at_its_next_await),
        testing_case(
            a_deadline_that_passes_while_the_task_is_ready_changes_nothing_without_another_await),
        testing_case(
            a_deadline_that_passes_while_the_task_is_ready_to_enter_its_finally_is_held_back),
        testing_case(a_time_out_and_then_a_cancel_are_one_delivery_at_a_leaf_and_at_a_join),
        testing_case(a_cancel_and_then_a_time_out_are_one_delivery_at_a_leaf_and_at_a_join),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
