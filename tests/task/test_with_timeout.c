/* deadline.h: eddy_with_timeout, a deadline over a block. */
#include "support/tasks.h"

#include "eddy/group.h"

/* A block of two seconds, in which a sleep of so many; then another sleep of a second. */
eddy_frame(block) {
    eddy_coro co;
    int seconds;
    bool swallow;
    int64_t inner; /* a wait_for around the sleep, in seconds; 0: none */
    int64_t rc;
};

static void block(eddy_coro *co)
{
    eddy_begin(block);
    eddy_with_timeout(2 * EDDY_SECOND) {
        eddy_catch(self->rc,
                   eddy_wait_for(co, self->inner > 0 ? self->inner * EDDY_SECOND : EDDY_FOREVER,
                                 eddy_sleep(co, self->seconds * EDDY_SECOND)));
        log_end("sleep", self->rc);
        if (self->rc < 0 && !self->swallow) {
            eddy_return(self->rc);
        }
    }
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    log_end("after", 0);
    eddy_return(7);
eddy_finally:
    log_end("finally", 0);
    eddy_end;
}

test(a_block_that_ends_in_time_is_not_touched)
{
    assert_int_equal(run(block, .seconds = 1), 7);
    testing_assert_log("sleep=0@1 after=0@2 finally=0@2");
}

test(past_the_deadline_the_block_is_left_with_a_time_out)
{
    assert_int_equal(run(block, .seconds = 3), -ETIMEDOUT);
    testing_assert_log("sleep=ECANCELED@2 finally=0@2");
}

test(a_block_that_swallows_the_cancel_goes_on)
{
    assert_int_equal(run(block, .seconds = 3, .swallow = true), 7);
    testing_assert_log("sleep=ECANCELED@2 after=0@3 finally=0@3");
}

test(a_wait_for_in_the_block_has_its_own_time_out)
{
    assert_int_equal(run(block, .seconds = 3, .inner = 1, .swallow = true), 7);
    testing_assert_log("sleep=ETIMEDOUT@1 after=0@2 finally=0@2");
    assert_int_equal(run(block, .seconds = 3, .inner = 3), -ETIMEDOUT);
    testing_assert_log("sleep=ECANCELED@4 finally=0@4");
}

test(a_cancel_from_outside_stays_a_cancel)
{
    eddy_task task = start(block, .seconds = 3);

    start(cancels, .task = task, .at = 1);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("sleep=ECANCELED@1 finally=0@1");
}

/* ---- many awaits under one deadline */

eddy_frame(many_awaits) {
    eddy_coro co;
    int i;
};

static void many_awaits(eddy_coro *co)
{
    eddy_begin(many_awaits);
    eddy_with_timeout(5 * EDDY_SECOND) {
        for (self->i = 0;; self->i++) {
            eddy_await(eddy_call(co, sleeps, .seconds = 2));
            eddy_await(give(co, 0));
        }
    }
eddy_finally:
    testing_log("%d", self->i);
    eddy_end;
}

test(the_deadline_holds_for_the_whole_block)
{
    assert_int_equal(run(many_awaits), -ETIMEDOUT);
    testing_assert_log("2");
    assert_int_equal(seconds(), 5);
}

/* ---- without time */

eddy_frame(no_time) {
    eddy_coro co;
    int64_t timeout;
};

static void no_time(eddy_coro *co)
{
    eddy_begin(no_time);
    eddy_with_timeout(self->timeout) {
        eddy_await(give(co, 1));
        eddy_await(eddy_call(co, returns));
        testing_log("body");
        eddy_await(eddy_sleep(co, EDDY_SECOND));
        testing_log("never");
    }
    eddy_end;
}

test(without_time_the_block_runs_up_to_its_first_await_that_waits)
{
    assert_int_equal(run(no_time, .timeout = 0), -ETIMEDOUT);
    assert_int_equal(run(no_time, .timeout = -5), -ETIMEDOUT);
    testing_assert_log("body body");
    assert_int_equal(testing.clock.now, 0);
}

/* As above in a busy loop, which does not look at the clock in each turn. */
eddy_frame(pauses_without_time) {
    eddy_coro co;
    int64_t warm_up;
    int64_t timeout;
    int pauses;
};

static void pauses_without_time(eddy_coro *co)
{
    eddy_begin(pauses_without_time);
    for (; self->warm_up > 0; self->warm_up--) {
        eddy_await(eddy_pause(co));
    }
    eddy_with_timeout(self->timeout) {
        while (true) {
            testing_log("%d", self->pauses);
            self->pauses++;
            eddy_await(eddy_pause(co));
        }
    }
    eddy_end;
}

static void unchecked_loop(void)
{
    testing.options.flags = 0;
    testing_reopen();
}

test(without_time_a_block_is_struck_at_its_first_pause)
{
    unchecked_loop();
    for (int64_t warm_up = 0; warm_up < 300; warm_up += 37) {
        assert_int_equal(run(pauses_without_time, .warm_up = warm_up), -ETIMEDOUT);
        testing_assert_log("0");
    }
}

eddy_frame(waits_for_pause) {
    eddy_coro co;
    int64_t rc;
};

static void waits_for_pause(eddy_coro *co)
{
    eddy_begin(waits_for_pause);
    eddy_catch(self->rc, eddy_wait_for(co, 0, eddy_pause(co)));
    log_end("pause", self->rc);
    eddy_catch(self->rc, eddy_wait_for(co, 0, eddy_sleep(co, 0)));
    log_end("sleep", self->rc);
    eddy_catch(self->rc, eddy_wait_for(co, 1, eddy_pause(co)));
    log_end("in time", self->rc);
    eddy_await(eddy_pause(co)); /* nothing is left of it */
    eddy_end;
}

test(a_pause_without_time_is_a_time_out_and_one_with_is_none)
{
    assert_int_equal(run(waits_for_pause), 0);
    testing_assert_log("pause=ETIMEDOUT@0 sleep=ETIMEDOUT@0 in time=0@0");
}

eddy_frame(shields_and_times) {
    eddy_coro co;
};

static void shields_and_times(eddy_coro *co)
{
    eddy_begin(shields_and_times);
    eddy_await(eddy_pause(co));
eddy_finally:
    eddy_with_timeout(0) {
        testing_log("cleanup");
        eddy_await(eddy_pause(co));
        testing_log("never");
    }
    eddy_end;
}

test(so_it_is_in_a_cleanup)
{
    assert_int_equal(run(shields_and_times), -ETIMEDOUT);
    testing_assert_log("cleanup");
}

static int other_steps;

eddy_frame(counts_steps) {
    eddy_coro co;
};

static void counts_steps(eddy_coro *co)
{
    eddy_begin(counts_steps);
    for (other_steps = 0; other_steps < 1000; other_steps++) {
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

eddy_frame(sleeps_without_time) {
    eddy_coro co;
    int begun, ended;
};

static void sleeps_without_time(eddy_coro *co)
{
    eddy_begin(sleeps_without_time);
    while (other_steps < 300) { /* the loop is busy, and asks seldom */
        eddy_await(eddy_pause(co));
    }
    self->begun = other_steps;
    eddy_with_timeout(0) {
        eddy_await(eddy_sleep(co, EDDY_SECOND));
    }
eddy_finally:
    self->ended = other_steps;
    testing_log("%d", self->ended - self->begun);
    eddy_end;
}

/* The others that are ready in that turn have theirs. */
test(without_time_an_await_that_waits_is_struck_in_the_next_turn)
{
    eddy_task other;

    unchecked_loop();
    other = start(counts_steps);
    assert_int_equal(run(sleeps_without_time), -ETIMEDOUT);
    testing_assert_log("1");
    assert_int_equal(finish(other), 0);
}

/* ---- nested */

eddy_frame(nested) {
    eddy_coro co;
    int outer, inner;
    int64_t rc;
};

static int inner_line; /* of its block */

eddy_frame(inner_block) {
    eddy_coro co;
    int inner;
};

static void inner_block(eddy_coro *co)
{
    eddy_begin(inner_block);
    inner_line = __LINE__ + 1;
    eddy_with_timeout(self->inner *EDDY_SECOND) {
        eddy_await(eddy_sleep(co, 9 * EDDY_SECOND));
    }
    eddy_end;
}

static void nested(eddy_coro *co)
{
    eddy_begin(nested);
    eddy_with_timeout(self->outer *EDDY_SECOND) {
        eddy_catch(self->rc, eddy_call(co, inner_block, .inner = self->inner));
        log_end("inner", self->rc);
        eddy_await(eddy_sleep(co, 9 * EDDY_SECOND));
    }
eddy_finally:
    log_end("outer", 0);
    eddy_end;
}

test(each_block_turns_its_own_deadline)
{
    assert_int_equal(run(nested, .outer = 3, .inner = 1), -ETIMEDOUT);
    testing_assert_log("inner=ETIMEDOUT@1 outer=0@3");
}

/* It is caught on the way, so the block goes on to its next sleep: struck once, it is over. */
test(an_outer_deadline_that_strikes_in_an_inner_block_stays_a_cancel_there)
{
    assert_int_equal(run(nested, .outer = 1, .inner = 3), 0);
    testing_assert_log("inner=ECANCELED@1 outer=0@10");
}

test(of_equal_deadlines_the_outer_strikes_first_and_then_the_inner_is_gone)
{
    assert_int_equal(run(nested, .outer = 2, .inner = 2), 0);
    testing_assert_log("inner=ECANCELED@2 outer=0@11");
}

/* ---- every way out, and where it is used */

enum way { FALL, CONTINUE, BREAK, RETURN, FAIL };

eddy_frame(leaves) {
    eddy_coro co;
    enum way way;
    int i;
};

static void leaves(eddy_coro *co)
{
    eddy_begin(leaves);
    for (self->i = 0; self->i < 2; self->i++) {
        eddy_with_timeout(EDDY_SECOND) {
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
            testing_log("end");
        }
        testing_log("next");
    }
    eddy_await(eddy_sleep(co, 5 * EDDY_SECOND)); /* no deadline is left */
    testing_log("after");
    eddy_end;
}

test(every_way_out_of_the_block_takes_the_deadline_away)
{
    assert_int_equal(run(leaves, .way = FALL), 0);
    testing_assert_log("end next end next after");
    assert_int_equal(run(leaves, .way = CONTINUE), 0);
    testing_assert_log("next next after");
    assert_int_equal(run(leaves, .way = BREAK), 0);
    testing_assert_log("after");
    assert_int_equal(run(leaves, .way = RETURN), 7);
    assert_int_equal(run(leaves, .way = FAIL), -EIO);
    testing_assert_log("");
}

eddy_frame(in_finally) {
    eddy_coro co;
    int64_t error;
    int64_t rc;
};

static void in_finally(eddy_coro *co)
{
    eddy_begin(in_finally);
    if (self->error == -ECANCELED) {
        eddy_await(eddy_sleep(co, 9 * EDDY_SECOND));
    }
    eddy_return(self->error);
eddy_finally:
    eddy_with_timeout(EDDY_SECOND) {
        eddy_await(eddy_sleep(co, 5 * EDDY_SECOND));
    }
    testing_log("never");
    eddy_end;
}

test(a_time_out_in_a_finally_is_the_error_of_a_body_that_succeeded)
{
    assert_int_equal(run(in_finally), -ETIMEDOUT);
}

test(a_time_out_in_a_finally_after_an_error_is_told)
{
    assert_int_equal(run(in_finally, .error = -EIO), -EIO);
    assert_told(-ETIMEDOUT, "was failing already");
}

test(a_time_out_in_a_finally_does_not_swallow_a_cancel_from_outside)
{
    eddy_task task = start(in_finally, .error = -ECANCELED);

    start(cancels, .task = task, .at = 1);
    assert_int_equal(finish(task), -ECANCELED);
    assert_told(-ETIMEDOUT, "was failing already");
    assert_int_equal(seconds(), 2);
}

eddy_frame(times_body) {
    eddy_coro co;
};

static void times_body(eddy_coro *co)
{
    eddy_begin(times_body);
    eddy_with_timeout(EDDY_SECOND) {
        eddy_body;
    }
    testing_log("no time-out");
eddy_finally:
    testing_log("exit");
    eddy_end;
}

eddy_frame(times_times_body) {
    eddy_coro co;
};

static void times_times_body(eddy_coro *co)
{
    eddy_begin(times_times_body);
    eddy_with(times_body) {
        eddy_body;
    }
    eddy_end;
}

eddy_frame(uses_manager) {
    eddy_coro co;
    bool twice;
    int64_t sleep;
};

static void uses_manager(eddy_coro *co)
{
    eddy_begin(uses_manager);
    if (self->twice) {
        eddy_with(times_times_body) {
            eddy_await(eddy_sleep(co, self->sleep));
        }
    } else {
        eddy_with(times_body) {
            eddy_await(eddy_sleep(co, self->sleep));
        }
    }
    eddy_end;
}

test(a_manager_may_be_composed_of_a_time_out)
{
    assert_int_equal(run(uses_manager), 0);
    testing_assert_log("no time-out exit");
    assert_int_equal(run(uses_manager, .sleep = 2 * EDDY_SECOND), -ETIMEDOUT);
    testing_assert_log("exit");
    assert_int_equal(run(uses_manager, .twice = true, .sleep = 2 * EDDY_SECOND), -ETIMEDOUT);
    testing_assert_log("exit");
}

test(a_cancel_from_outside_of_a_composed_manager_stays_one)
{
    eddy_task task = start(uses_manager, .sleep = 2 * EDDY_SECOND);

    testing_turns();
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("exit");
}

/* ---- one turn */

eddy_frame(waits_in_block) {
    eddy_coro co;
    eddy_task task;
    int64_t rc;
};

static void waits_in_block(eddy_coro *co)
{
    eddy_begin(waits_in_block);
    eddy_with_timeout(EDDY_SECOND) {
        eddy_await(self->rc, eddy_shield(co, self->task));
        log_end("join", self->rc);
        eddy_catch(self->rc, eddy_pause(co));
        log_end("next", self->rc);
    }
eddy_finally:
    log_end("end", co->outcome);
    if (!eddy_task_done(self->task)) {
        eddy_await(eddy_join(co, self->task));
    }
    eddy_end;
}

test(a_deadline_before_an_end_in_one_turn_leaves_the_task)
{
    eddy_task task;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    task = start(waits_in_block, .task = start(sleeps, .seconds = 1, .result = 5));
    testing_turns();
    eddy_clock_advance(&testing.clock, EDDY_SECOND);
    testing_turns(); /* timers: the child's sleep, then the deadline; then the child's step */
    testing_assert_log("end=ETIMEDOUT@1");
    assert_true(eddy_task_done(task));
    assert_int_equal(finish(task), -ETIMEDOUT);
}

test(an_end_before_the_deadline_is_the_result_and_the_deadline_strikes_at_the_next_await)
{
    eddy_task child_task;
    eddy_task task;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    child_task = start(pauses, .name = "child", .times = 1);
    task = start(waits_in_block, .task = child_task);
    testing_turn(); /* the child pauses, the block begins */
    testing_turn(); /* the child ends: the join has its result */
    eddy_clock_advance(&testing.clock, EDDY_SECOND);
    testing_turns();
    testing_assert_log("child join=0@1 next=ECANCELED@1 end=0@1");
    assert_int_equal(finish(task), 0); /* that was caught */
}

test(a_cancel_before_the_deadline_in_one_turn_is_a_cancel)
{
    eddy_task task;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    task = start(block, .seconds = 5);
    testing_turns();
    eddy_clock_advance(&testing.clock, 2 * EDDY_SECOND);
    assert_int_equal(eddy_cancel(task), 0);
    testing_turns();
    testing_assert_log("sleep=ECANCELED@2 finally=0@2");
    assert_int_equal(finish(task), -ECANCELED);
}

/* Blocks the loop until past its deadline, and goes on. */
eddy_frame(computes) {
    eddy_coro co;
    bool pause;
    int64_t rc;
};

static void computes(eddy_coro *co)
{
    eddy_begin(computes);
    eddy_with_timeout(EDDY_SECOND) {
        if (self->pause) {
            eddy_await(eddy_pause(co));
        }
        testing.clock.now += 2 * EDDY_SECOND;
        while (self->pause) { /* until the loop looks at the clock again */
            eddy_await(eddy_pause(co));
        }
    }
    eddy_await(eddy_pause(co));
    eddy_end;
}

test(a_deadline_that_passes_while_the_block_runs_strikes_at_its_next_await_if_there_is_one)
{
    assert_int_equal(run(computes), 0);
    assert_int_equal(run(computes, .pause = true), -ETIMEDOUT);
}

test(a_deadline_before_a_cancel_in_one_turn_is_a_time_out)
{
    eddy_task task = start(block, .seconds = 5);
    eddy_task canceller = start(cancels, .task = task, .at = 2);

    assert_int_equal(finish(task), -ETIMEDOUT); /* timers come before steps */
    testing_assert_log("sleep=ECANCELED@2 finally=0@2");
    assert_int_equal(finish(canceller), -ESRCH);
}

/* ---- memory and misuse */

eddy_frame(tries) {
    eddy_coro co;
};

static void tries(eddy_coro *co)
{
    eddy_begin(tries);
    use_up_memory();
    eddy_with_timeout(EDDY_SECOND) {
        testing_log("never");
    }
    eddy_end;
}

test(without_memory_the_block_is_left_out)
{
    int64_t result = run(tries);

    testing_fail_allocation(0);
    assert_int_equal(result, -ENOMEM);
    testing_assert_log("");
}

static void run_loop(void *argument)
{
    (void)argument;
    eddy_loop_run(testing.loop);
}

eddy_frame(yields_inside) {
    eddy_coro co;
    int value;
};

static void yields_inside(eddy_coro *co)
{
    eddy_begin(yields_inside);
    eddy_with_timeout(EDDY_SECOND) {
        eddy_yield(1);
    }
    eddy_end;
}

eddy_frame(runs_that) {
    eddy_coro co;
    int value;
};

static void runs_that(eddy_coro *co)
{
    eddy_begin(runs_that);
    eddy_for_each(self->value, yields_inside) {
        testing_log("%d", self->value);
    }
    eddy_end;
}

test(a_yield_inside_aborts)
{
    start(runs_that);
    testing_expect_abort(
        run_loop, NULL, "yields_inside: eddy_yield inside an eddy_with_timeout or eddy_with_group");
}

/* ---- where it began */

test(the_time_out_is_told_with_the_line_of_the_block)
{
    char text[256];

    eddy_detach(start(inner_block, .inner = 1));
    testing_run();
    snprintf(text, sizeof text, "%s:%d: inner_block: %s (in task inner_block (", __FILE__,
             inner_line, strerror(ETIMEDOUT));
    assert_told(-ETIMEDOUT, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_block_that_ends_in_time_is_not_touched),
        testing_case(past_the_deadline_the_block_is_left_with_a_time_out),
        testing_case(a_block_that_swallows_the_cancel_goes_on),
        testing_case(a_wait_for_in_the_block_has_its_own_time_out),
        testing_case(a_cancel_from_outside_stays_a_cancel),
        testing_case(the_deadline_holds_for_the_whole_block),
        testing_case(without_time_the_block_runs_up_to_its_first_await_that_waits),
        testing_case(without_time_a_block_is_struck_at_its_first_pause),
        testing_case(a_pause_without_time_is_a_time_out_and_one_with_is_none),
        testing_case(so_it_is_in_a_cleanup),
        testing_case(without_time_an_await_that_waits_is_struck_in_the_next_turn),
        testing_case(each_block_turns_its_own_deadline),
        testing_case(an_outer_deadline_that_strikes_in_an_inner_block_stays_a_cancel_there),
        testing_case(of_equal_deadlines_the_outer_strikes_first_and_then_the_inner_is_gone),
        testing_case(every_way_out_of_the_block_takes_the_deadline_away),
        testing_case(a_time_out_in_a_finally_is_the_error_of_a_body_that_succeeded),
        testing_case(a_time_out_in_a_finally_after_an_error_is_told),
        testing_case(a_time_out_in_a_finally_does_not_swallow_a_cancel_from_outside),
        testing_case(a_manager_may_be_composed_of_a_time_out),
        testing_case(a_cancel_from_outside_of_a_composed_manager_stays_one),
        testing_case(a_deadline_before_an_end_in_one_turn_leaves_the_task),
        testing_case(
            an_end_before_the_deadline_is_the_result_and_the_deadline_strikes_at_the_next_await),
        testing_case(a_cancel_before_the_deadline_in_one_turn_is_a_cancel),
        testing_case(
            a_deadline_that_passes_while_the_block_runs_strikes_at_its_next_await_if_there_is_one),
        testing_case(a_deadline_before_a_cancel_in_one_turn_is_a_time_out),
        testing_case(without_memory_the_block_is_left_out),
        testing_case(a_yield_inside_aborts),
        testing_case(the_time_out_is_told_with_the_line_of_the_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
