/* task.h: eddy_join and eddy_shield (rule 9). */
#include "support/tasks.h"

/* Joins (or shields) a task, with a time-out if it has one, and logs how that ended and the sleep of a
 * second after it. */
eddy_frame(joins) {
    eddy_coro co;
    const char *name;
    eddy_task task;
    bool shield;
    int limit; /* seconds; 0: none */
    int64_t rc, after;
};

static int64_t join_or_shield(eddy_coro *co, const struct joins *self)
{
    return self->shield ? eddy_shield(co, self->task) : eddy_join(co, self->task);
}

static void joins(eddy_coro *co)
{
    eddy_begin(joins);
    if (self->limit > 0) {
        eddy_catch(self->rc,
                   eddy_wait_for(co, self->limit * EDDY_SECOND, join_or_shield(co, self)));
    } else {
        eddy_catch(self->rc, join_or_shield(co, self));
    }
    log_end(self->name, self->rc);
    eddy_catch(self->after, eddy_sleep(co, EDDY_SECOND));
    log_end("after", self->after);
    eddy_return(self->rc);
    eddy_end;
}

/* Sleeps for `seconds`, takes no notice of cancels, and returns `result`. */
eddy_frame(stubborn) {
    eddy_coro co;
    int seconds;
    int64_t result;
    int64_t rc;
    int64_t until;
};

static void stubborn(eddy_coro *co)
{
    eddy_begin(stubborn);
    self->until = testing.clock.now + self->seconds * EDDY_SECOND;
    while (testing.clock.now < self->until) {
        eddy_catch(self->rc, eddy_sleep(co, self->until - testing.clock.now));
        if (self->rc < 0) {
            log_end("ignored", self->rc);
        }
    }
    eddy_return(self->result);
    eddy_end;
}

/* ---- joining */

test(join_waits_for_the_end_and_gives_the_result)
{
    eddy_task task = start(sleeps, .seconds = 2, .result = 7);

    assert_int_equal(run(joins, .name = "j", .task = task), 7);
    testing_assert_log("j=7@2 after=0@3");
    assert_int_equal(eddy_task_result(task), -ESRCH);
}

test(join_of_a_task_that_has_ended_gives_its_result_at_once)
{
    eddy_task task = start(returns, .result = 7);

    testing_run();
    assert_int_equal(run(joins, .name = "j", .task = task), 7);
    testing_assert_log("j=7@0 after=0@1");
    assert_int_equal(eddy_task_result(task), -ESRCH);
}

test(join_gives_the_error_of_the_task)
{
    assert_int_equal(run(joins, .name = "j", .task = start(sleeps, .seconds = 1, .result = -EIO)),
                     -EIO);
    testing_assert_log("j=EIO@1 after=0@2");
}

test(join_gives_the_cancel_of_the_task_and_the_joiner_goes_on)
{
    eddy_task task = start(sleeps, .seconds = 5);

    start(cancels, .task = task, .at = 1);
    assert_int_equal(run(joins, .name = "j", .task = task), -ECANCELED);
    testing_assert_log("j=ECANCELED@1 after=0@2");
}

test(a_task_that_another_joins_is_busy)
{
    eddy_task task = start(sleeps, .seconds = 5, .result = 7);

    start(joins, .name = "first", .task = task);
    start(joins, .name = "second", .task = task);
    start(joins, .name = "third", .task = task, .shield = true);
    testing_turns();
    assert_int_equal(eddy_detach(task), -EBUSY);
    assert_int_equal(finish(task), -EBUSY);
    assert_int_equal(eddy_task_result(task), -EAGAIN);
    testing_run();
    testing_assert_log("second=EBUSY@0 third=EBUSY@0 after=0@1 after=0@1 first=7@5 after=0@6");
    testing_free();
    testing.errors.count = 0; /* the two -EBUSY */
}

test(a_detached_task_cannot_be_joined)
{
    eddy_task task = start(sleeps, .seconds = 5);

    eddy_detach(task);
    assert_int_equal(run(joins, .name = "j", .task = task), -EBUSY);
}

eddy_frame(joins_itself) {
    eddy_coro co;
};

static void joins_itself(eddy_coro *co)
{
    eddy_begin(joins_itself);
    eddy_await(eddy_join(co, eddy_task_self(co)));
    eddy_end;
}

test(a_task_cannot_join_itself)
{
    assert_int_equal(run(joins_itself), -EDEADLK);
}

/* ---- cancelling a join */

test(a_cancelled_join_cancels_the_task_and_waits_for_its_end)
{
    eddy_task task = start(cleans, .name = "t", .body = 9, .cleanup = 2);
    eddy_task joiner = start(joins, .name = "j", .task = task);

    start(cancels, .task = joiner, .at = 1);
    assert_int_equal(finish(joiner), -ECANCELED);
    testing_assert_log("t=ECANCELED@1 t.clean@3 j=ECANCELED@3 after=0@4");
}

test(a_join_that_times_out_cancels_the_task_and_waits_for_its_end)
{
    eddy_task task = start(cleans, .name = "t", .body = 9, .cleanup = 2);

    assert_int_equal(run(joins, .name = "j", .task = task, .limit = 1), -ETIMEDOUT);
    testing_assert_log("t=ECANCELED@1 t.clean@3 j=ETIMEDOUT@3 after=0@4");
}

test(a_chain_of_joins_is_cancelled_from_the_innermost_outwards)
{
    eddy_task a = start(cleans, .name = "a", .body = 9, .cleanup = 1);
    eddy_task b = start(joins, .name = "b", .task = a);
    eddy_task c = start(joins, .name = "c", .task = b);

    start(cancels, .task = c, .at = 1);
    assert_int_equal(finish(c), -ECANCELED);
    testing_assert_log("a=ECANCELED@1 a.clean@2 b=ECANCELED@2 after=0@3 c=ECANCELED@3 after=0@4");
}

test(the_result_of_a_task_that_ignores_the_cancel_stands_and_the_cancel_stays_pending)
{
    eddy_task task = start(stubborn, .seconds = 3, .result = 7);
    eddy_task joiner = start(joins, .name = "j", .task = task);

    start(cancels, .task = joiner, .at = 1);
    assert_int_equal(finish(joiner), 7);
    testing_assert_log("ignored=ECANCELED@1 j=7@3 after=ECANCELED@3");
}

test(the_result_of_a_task_that_ignores_the_time_out_stands)
{
    eddy_task task = start(stubborn, .seconds = 3, .result = 7);

    assert_int_equal(run(joins, .name = "j", .task = task, .limit = 1), 7);
    testing_assert_log("ignored=ECANCELED@1 j=7@3 after=0@4");
}

test(an_error_of_the_task_that_answers_the_cancel_stands_and_the_cancel_stays_pending)
{
    eddy_task task = start(stubborn, .seconds = 3, .result = -EIO);
    eddy_task joiner = start(joins, .name = "j", .task = task);

    start(cancels, .task = joiner, .at = 1);
    assert_int_equal(finish(joiner), -EIO);
    testing_assert_log("ignored=ECANCELED@1 j=EIO@3 after=ECANCELED@3");
}

test(a_second_cancel_of_a_join_is_passed_on_again)
{
    eddy_task task = start(stubborn, .seconds = 3, .result = 7);
    eddy_task joiner = start(joins, .name = "j", .task = task);

    start(cancels, .task = joiner, .at = 1);
    start(cancels, .task = joiner, .at = 2);
    assert_int_equal(finish(joiner), 7);
    testing_assert_log("ignored=ECANCELED@1 ignored=ECANCELED@2 j=7@3 after=ECANCELED@3");
}

test(a_deadline_of_a_join_that_is_being_cancelled_is_not_passed_on)
{
    eddy_task task = start(stubborn, .seconds = 3, .result = 7);
    eddy_task joiner = start(joins, .name = "j", .task = task, .limit = 2);

    start(cancels, .task = joiner, .at = 1);
    assert_int_equal(finish(joiner), 7);
    testing_assert_log("ignored=ECANCELED@1 j=7@3 after=ECANCELED@3");
}

test(a_deadline_that_passes_in_the_cleanup_of_a_cancelled_join_leaves_it_a_cancel)
{
    eddy_task task = start(cleans, .name = "t", .body = 9, .cleanup = 5);
    eddy_task joiner = start(joins, .name = "j", .task = task, .limit = 2);

    start(cancels, .task = joiner, .at = 1);
    assert_int_equal(finish(joiner), -ECANCELED);
    testing_assert_log("t=ECANCELED@1 t.clean@6 j=ECANCELED@6 after=0@7");
}

test(a_cancel_in_the_cleanup_of_a_join_that_timed_out_makes_it_a_cancel)
{
    eddy_task task = start(cleans, .name = "t", .body = 9, .cleanup = 5);
    eddy_task joiner = start(joins, .name = "j", .task = task, .limit = 1);

    start(cancels, .task = joiner, .at = 2);
    assert_int_equal(finish(joiner), -ECANCELED);
    testing_assert_log("t=ECANCELED@1 t.clean@6 j=ECANCELED@6 after=0@7");
}

test(a_cancel_of_a_join_whose_task_has_just_ended_comes_at_the_next_await)
{
    eddy_task task = start(sleeps, .seconds = 1, .result = 7);
    eddy_task joiner = start(joins, .name = "j", .task = task);

    start(cancels, .task = joiner, .at = 1);
    assert_int_equal(finish(joiner), 7);
    testing_assert_log("j=7@1 after=ECANCELED@1");
}

eddy_frame(cancels_itself_and_joins) {
    eddy_coro co;
    eddy_task task;
    int64_t rc;
};

static void cancels_itself_and_joins(eddy_coro *co)
{
    eddy_begin(cancels_itself_and_joins);
    eddy_cancel(eddy_task_self(co));
    eddy_catch(self->rc, eddy_join(co, self->task));
    log_end("join", self->rc);
    eddy_catch(self->rc, give(co, 0));
    log_end("next", self->rc);
    eddy_end;
}

test(
    a_join_of_a_task_that_has_ended_takes_its_result_and_leaves_a_pending_cancel_for_the_next_await)
{
    eddy_task task = start(returns, .result = 7);

    testing_run();
    assert_int_equal(run(cancels_itself_and_joins, .task = task), 0);
    assert_int_equal(eddy_task_result(task), -ESRCH);
    testing_assert_log("join=7@0 next=ECANCELED@0");
}

test(a_join_of_a_task_that_has_ended_with_a_cancel_delivers_the_pending_one_with_it)
{
    eddy_task task = start(returns, .result = -ECANCELED);

    testing_run();
    assert_int_equal(run(cancels_itself_and_joins, .task = task), 0);
    testing_assert_log("join=ECANCELED@0 next=0@0");
}

test(a_pending_cancel_goes_on_to_the_task_that_is_joined_and_the_join_returns_when_it_has_ended)
{
    eddy_task task = start(cleans, .name = "child", .body = 9, .cleanup = 2);

    testing_turns();
    assert_int_equal(run(cancels_itself_and_joins, .task = task), 0);
    assert_int_equal(eddy_task_result(task), -ESRCH);
    testing_assert_log("child=ECANCELED@0 child.clean@2 join=ECANCELED@2 next=0@2");
}

test(a_join_that_takes_nothing_delivers_a_pending_cancel_and_not_its_error)
{
    eddy_task none = {NULL, 0};

    assert_int_equal(run(cancels_itself_and_joins, .task = none), 0);
    testing_assert_log("join=ECANCELED@0 next=0@0");
}

eddy_frame(joins_in_finally) {
    eddy_coro co;
    eddy_task task;
    int64_t rc;
};

static void joins_in_finally(eddy_coro *co)
{
    eddy_begin(joins_in_finally);
    eddy_await(eddy_sleep(co, 9 * EDDY_SECOND));
eddy_finally:
    eddy_catch(self->rc, eddy_join(co, self->task));
    log_end("joined", self->rc);
    eddy_end;
}

test(a_join_in_finally_is_not_cancelled_and_neither_is_its_task)
{
    eddy_task task = start(sleeps, .seconds = 5, .result = 7);
    eddy_task joiner = start(joins_in_finally, .task = task);

    start(cancels, .task = joiner, .at = 1);
    start(cancels, .task = joiner, .at = 2);
    assert_int_equal(finish(joiner), -ECANCELED);
    testing_assert_log("joined=7@5");
}

/* ---- shielding */

test(shield_gives_the_result_as_join_does)
{
    eddy_task task = start(sleeps, .seconds = 2, .result = 7);

    assert_int_equal(run(joins, .name = "s", .task = task, .shield = true), 7);
    testing_assert_log("s=7@2 after=0@3");
    assert_int_equal(eddy_task_result(task), -ESRCH);
}

test(a_cancelled_shield_ends_at_once_and_the_task_goes_on_and_may_be_joined_again)
{
    eddy_task task = start(sleeps, .name = "t", .seconds = 5, .result = 7);
    eddy_task joiner = start(joins, .name = "s", .task = task, .shield = true);

    start(cancels, .task = joiner, .at = 1);
    assert_int_equal(finish(joiner), -ECANCELED);
    assert_int_equal(run(joins, .name = "j", .task = task), 7);
    testing_assert_log("s=ECANCELED@1 after=0@2 t=7@5 j=7@5 after=0@6");
}

test(a_shield_that_times_out_leaves_the_task_alone)
{
    eddy_task task = start(sleeps, .name = "t", .seconds = 5, .result = 7);

    assert_int_equal(run(joins, .name = "s", .task = task, .shield = true, .limit = 1), -ETIMEDOUT);
    assert_int_equal(finish(task), 7);
    testing_assert_log("s=ETIMEDOUT@1 after=0@2 t=7@5");
}

/* ---- joining the task for which the loop runs */

eddy_frame(stops_loop) {
    eddy_coro co;
};

static void stops_loop(eddy_coro *co)
{
    eddy_begin(stops_loop);
    eddy_await(eddy_sleep(co, 100 * EDDY_SECOND));
    eddy_loop_stop(testing.loop);
    eddy_end;
}

test(the_task_for_which_the_loop_runs_cannot_be_joined)
{
    eddy_task task = start(sleeps, .seconds = 2, .result = 7);

    start(joins, .name = "j", .task = task);
    start(stops_loop);
    assert_int_equal(finish(task), 7);
    testing_assert_log("j=EBUSY@0 after=0@1");
    testing.errors.count = 0;
    testing_free();
    testing.errors.count = 0; /* the -EBUSY */
}

eddy_frame(detaches_itself) {
    eddy_coro co;
};

static void detaches_itself(eddy_coro *co)
{
    eddy_begin(detaches_itself);
    log_end("detach", eddy_detach(eddy_task_self(co)));
    eddy_return(7);
    eddy_end;
}

test(the_task_for_which_the_loop_runs_cannot_be_detached)
{
    eddy_task task = start(detaches_itself);

    start(stops_loop);
    assert_int_equal(finish(task), 7);
    testing_assert_log("detach=EBUSY@0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(join_waits_for_the_end_and_gives_the_result),
        testing_case(join_of_a_task_that_has_ended_gives_its_result_at_once),
        testing_case(join_gives_the_error_of_the_task),
        testing_case(join_gives_the_cancel_of_the_task_and_the_joiner_goes_on),
        testing_case(a_task_that_another_joins_is_busy),
        testing_case(a_detached_task_cannot_be_joined),
        testing_case(a_task_cannot_join_itself),
        testing_case(a_cancelled_join_cancels_the_task_and_waits_for_its_end),
        testing_case(a_join_that_times_out_cancels_the_task_and_waits_for_its_end),
        testing_case(a_chain_of_joins_is_cancelled_from_the_innermost_outwards),
        testing_case(
            the_result_of_a_task_that_ignores_the_cancel_stands_and_the_cancel_stays_pending),
        testing_case(the_result_of_a_task_that_ignores_the_time_out_stands),
        testing_case(
            an_error_of_the_task_that_answers_the_cancel_stands_and_the_cancel_stays_pending),
        testing_case(a_second_cancel_of_a_join_is_passed_on_again),
        testing_case(a_deadline_of_a_join_that_is_being_cancelled_is_not_passed_on),
        testing_case(a_deadline_that_passes_in_the_cleanup_of_a_cancelled_join_leaves_it_a_cancel),
        testing_case(a_cancel_in_the_cleanup_of_a_join_that_timed_out_makes_it_a_cancel),
        testing_case(a_cancel_of_a_join_whose_task_has_just_ended_comes_at_the_next_await),
        testing_case(
            a_join_of_a_task_that_has_ended_takes_its_result_and_leaves_a_pending_cancel_for_the_next_await),
        testing_case(
            a_join_of_a_task_that_has_ended_with_a_cancel_delivers_the_pending_one_with_it),
        testing_case(
            a_pending_cancel_goes_on_to_the_task_that_is_joined_and_the_join_returns_when_it_has_ended),
        testing_case(a_join_that_takes_nothing_delivers_a_pending_cancel_and_not_its_error),
        testing_case(a_join_in_finally_is_not_cancelled_and_neither_is_its_task),
        testing_case(shield_gives_the_result_as_join_does),
        testing_case(a_cancelled_shield_ends_at_once_and_the_task_goes_on_and_may_be_joined_again),
        testing_case(a_shield_that_times_out_leaves_the_task_alone),
        testing_case(the_task_for_which_the_loop_runs_cannot_be_joined),
        testing_case(the_task_for_which_the_loop_runs_cannot_be_detached),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
