/* deadline.h: eddy_wait_for (rule 7). With cleanups and cancels: test_deadline_races.c; with joins:
 * test_join.c; with lines: test_wait.c. */
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

/* ---- one deadline */

test(what_finishes_in_time_gives_its_value_and_the_deadline_is_gone)
{
    assert_int_equal(run(limits, .name = "w", .limit = 100 * EDDY_SECOND, .seconds = 1), 0);
    testing_run();
    testing_assert_log("child=7@1 w=7@1 after=0@2");
    assert_int_equal(seconds(), 2);
}

test(what_takes_too_long_is_cancelled_at_the_deadline)
{
    assert_int_equal(run(limits, .name = "w", .limit = 3 * EDDY_SECOND, .seconds = 5), 0);
    testing_assert_log("child=ECANCELED@3 w=ETIMEDOUT@3 after=0@4");
}

test(for_ever_is_no_deadline)
{
    assert_int_equal(run(limits, .name = "w", .limit = EDDY_FOREVER, .seconds = 1000000), 0);
    testing_assert_log("child=7@1000000 w=7@1000000 after=0@1000001");
}

eddy_frame(limits_sleep) {
    eddy_coro co;
    int64_t limit, sleep;
};

static void limits_sleep(eddy_coro *co)
{
    eddy_begin(limits_sleep);
    eddy_await(eddy_wait_for(co, self->limit, eddy_sleep(co, self->sleep)));
    eddy_end;
}

test(a_deadline_holds_for_an_operation_without_a_frame_too)
{
    assert_int_equal(run(limits_sleep, .limit = EDDY_SECOND, .sleep = 2 * EDDY_SECOND), -ETIMEDOUT);
    assert_int_equal(seconds(), 1);
    assert_int_equal(run(limits_sleep, .limit = 2 * EDDY_SECOND, .sleep = EDDY_SECOND), 0);
    assert_int_equal(seconds(), 2);
}

test(an_operation_that_ends_at_its_deadline_has_ended_in_time)
{
    assert_int_equal(run(limits_sleep, .limit = EDDY_SECOND, .sleep = EDDY_SECOND), 0);
    assert_int_equal(run(limits_sleep, .limit = EDDY_SECOND, .sleep = EDDY_SECOND + 1), -ETIMEDOUT);
}

eddy_frame(limits_naps) {
    eddy_coro co;
    int i;
};

static void limits_naps(eddy_coro *co)
{
    eddy_begin(limits_naps);
    for (self->i = 0; self->i < 10; self->i++) {
        eddy_await(eddy_call(co, sleeps, .name = "nap", .seconds = 1));
    }
    eddy_end;
}

eddy_frame(limits_many) {
    eddy_coro co;
};

static void limits_many(eddy_coro *co)
{
    eddy_begin(limits_many);
    eddy_await(eddy_wait_for(co, 5 * EDDY_SECOND / 2, eddy_call(co, limits_naps)));
    eddy_end;
}

test(a_deadline_holds_for_all_that_the_operation_awaits)
{
    assert_int_equal(run(limits_many), -ETIMEDOUT);
    testing_assert_log("nap=0@1 nap=0@2 nap=ECANCELED@2");
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

test(the_time_out_is_told_once_the_cleanup_has_ended)
{
    assert_int_equal(run(limits_cleans, .limit = 1, .body = 9, .cleanup = 5), 0);
    testing_assert_log("c=ECANCELED@1 c.clean@6 w=ETIMEDOUT@6");
}

test(a_deadline_that_passes_in_a_finally_is_held_back_and_the_result_stands)
{
    assert_int_equal(run(limits_cleans, .limit = 2, .body = 1, .cleanup = 5), 0);
    testing_assert_log("c=0@1 c.clean@6 w=7@6");
}

eddy_frame(ignores) {
    eddy_coro co;
    int64_t rc;
};

static void ignores(eddy_coro *co)
{
    eddy_begin(ignores);
    eddy_catch(self->rc, eddy_sleep(co, 5 * EDDY_SECOND));
    log_end("first", self->rc);
    eddy_catch(self->rc, eddy_sleep(co, 5 * EDDY_SECOND));
    log_end("second", self->rc);
    eddy_return(7);
    eddy_end;
}

eddy_frame(limits_ignores) {
    eddy_coro co;
    int64_t rc;
};

static void limits_ignores(eddy_coro *co)
{
    eddy_begin(limits_ignores);
    eddy_await(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_call(co, ignores)));
    eddy_return(self->rc);
    eddy_end;
}

test(a_deadline_strikes_once_and_the_result_of_one_who_ignores_it_stands)
{
    assert_int_equal(run(limits_ignores), 7);
    testing_assert_log("first=ECANCELED@1 second=0@6");
}

eddy_frame(limits_result) {
    eddy_coro co;
    int64_t result;
};

static void limits_result(eddy_coro *co)
{
    eddy_begin(limits_result);
    eddy_await(eddy_wait_for(co, EDDY_SECOND, eddy_call(co, returns, .result = self->result)));
    eddy_end;
}

test(an_error_of_the_operation_is_passed_as_it_is)
{
    assert_int_equal(run(limits_result, .result = -EIO), -EIO);
    assert_int_equal(run(limits_result, .result = -ETIMEDOUT), -ETIMEDOUT);
    assert_int_equal(run(limits_result, .result = -ECANCELED), -ECANCELED);
}

/* ---- no time at all */

static int64_t begun(eddy_coro *co, int64_t result)
{
    testing_log("begun");
    return give(co, result);
}

static struct sleeps child;

eddy_frame(without_time) {
    eddy_coro co;
    int64_t limit;
    int64_t rc;
};

static void without_time(eddy_coro *co)
{
    eddy_begin(without_time);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit, begun(co, 5)));
    log_end("give", self->rc);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit, eddy_call(co, sleeps, .name = "never")));
    log_end("call", self->rc);
    eddy_catch(self->rc,
               eddy_wait_for(co, self->limit, eddy_call_in(co, &child, sleeps, .name = "never")));
    log_end("call in", self->rc);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit, eddy_sleep(co, EDDY_SECOND)));
    log_end("sleep", self->rc);
    eddy_catch(self->rc, eddy_call(co, returns, .result = 6));
    log_end("afterwards", self->rc);
    eddy_end;
}

test(without_time_an_operation_that_finishes_at_once_does_and_a_coroutine_never_starts)
{
    const char *expected = "begun give=5@0 call=ETIMEDOUT@0 call in=ETIMEDOUT@0 sleep=ETIMEDOUT@0 "
                           "afterwards=6@0";

    assert_int_equal(run(without_time, .limit = 0), 0);
    testing_assert_log(expected);
    assert_int_equal(run(without_time, .limit = -1), 0);
    testing_assert_log(expected);
    assert_int_equal(run(without_time, .limit = INT64_MIN), 0);
    testing_assert_log(expected);
}

/* ---- nested */

eddy_frame(nests) {
    eddy_coro co;
    int inner, outer; /* seconds */
    int level;
    int64_t rc;
};

static void nests(eddy_coro *co)
{
    eddy_begin(nests);
    if (self->level == 0) {
        eddy_catch(self->rc, eddy_wait_for(co, self->outer * EDDY_SECOND,
                                           eddy_call(co, nests, .level = 1, .inner = self->inner)));
    } else {
        eddy_catch(self->rc, eddy_wait_for(co, self->inner * EDDY_SECOND,
                                           eddy_call(co, sleeps, .name = "child", .seconds = 9)));
    }
    log_end(self->level == 0 ? "outer" : "inner", self->rc);
    eddy_return(self->rc);
    eddy_end;
}

test(the_inner_deadline_is_the_inner_frames_time_out)
{
    assert_int_equal(run(nests, .inner = 1, .outer = 2), -ETIMEDOUT); /* it passes the error on */
    testing_assert_log("child=ECANCELED@1 inner=ETIMEDOUT@1 outer=ETIMEDOUT@1");
}

test(the_outer_deadline_is_a_cancel_to_the_inner_frame)
{
    assert_int_equal(run(nests, .inner = 2, .outer = 1), -ETIMEDOUT);
    testing_assert_log("child=ECANCELED@1 inner=ECANCELED@1 outer=ETIMEDOUT@1");
}

test(of_equal_deadlines_the_outer_one_strikes_for_it_was_set_first)
{
    assert_int_equal(run(nests, .inner = 1, .outer = 1), -ETIMEDOUT);
    testing_assert_log("child=ECANCELED@1 inner=ECANCELED@1 outer=ETIMEDOUT@1");
}

eddy_frame(retries) {
    eddy_coro co;
    int64_t rc;
};

static void retries(eddy_coro *co)
{
    eddy_begin(retries);
    while (true) {
        eddy_except(-ETIMEDOUT, eddy_wait_for(co, EDDY_SECOND, eddy_sleep(co, 9 * EDDY_SECOND))) {
            log_end("retry", 0);
        }
    }
    eddy_end;
}

eddy_frame(limits_retries) {
    eddy_coro co;
};

static void limits_retries(eddy_coro *co)
{
    eddy_begin(limits_retries);
    eddy_await(eddy_wait_for(co, 7 * EDDY_SECOND / 2, eddy_call(co, retries)));
    eddy_end;
}

test(inner_deadlines_one_after_another_leave_the_outer_one_as_it_is)
{
    assert_int_equal(run(limits_retries), -ETIMEDOUT);
    testing_assert_log("retry=0@1 retry=0@2 retry=0@3");
    assert_int_equal(testing.clock.now, 7 * EDDY_SECOND / 2);
}

eddy_frame(limits_twice) {
    eddy_coro co;
    int outer, inner;
};

static void limits_twice(eddy_coro *co)
{
    eddy_begin(limits_twice);
    eddy_await(eddy_wait_for(
        co, self->outer * EDDY_SECOND,
        eddy_wait_for(co, self->inner * EDDY_SECOND, eddy_sleep(co, 9 * EDDY_SECOND))));
    eddy_end;
}

test(two_deadlines_on_one_operation_are_its_earlier_one)
{
    assert_int_equal(run(limits_twice, .outer = 1, .inner = 2), -ETIMEDOUT);
    assert_int_equal(seconds(), 1);
    assert_int_equal(run(limits_twice, .outer = 2, .inner = 1), -ETIMEDOUT);
    assert_int_equal(seconds(), 2);
    assert_int_equal(run(limits_twice, .outer = 100, .inner = 100), 0);
    assert_int_equal(seconds(), 11);
}

/* ---- memory */

eddy_frame(limits_without_memory) {
    eddy_coro co;
    unsigned k;
    int64_t rc;
};

static void limits_without_memory(eddy_coro *co)
{
    eddy_begin(limits_without_memory);
    testing_fail_allocations_from(1);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_sleep(co, 1)));
    log_end("sleep", self->rc);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_pause(co)));
    log_end("pause", self->rc);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_call(co, limits_without_memory)));
    log_end("call", self->rc);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_wait_for(co, 1, eddy_sleep(co, 1))));
    log_end("two", self->rc);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, begun(co, 5)));
    log_end("at once", self->rc);
    eddy_cancel(eddy_task_self(co));
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_sleep(co, 1)));
    log_end("cancelled", self->rc);
    testing_fail_allocation(0);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, begun(co, 5)));
    log_end("second", self->rc);
    eddy_end;
}

test(without_memory_for_the_deadline_the_operation_is_interrupted_at_once)
{
    assert_int_equal(run(limits_without_memory), 0);
    testing_assert_log(
        "sleep=ENOMEM@0 pause=ENOMEM@0 call=ENOMEM@0 two=ENOMEM@0 begun at once=ENOMEM@0 "
        "cancelled=ECANCELED@0 begun second=5@0");
}

eddy_frame(nests_until_memory_ends) {
    eddy_coro co;
    int depth;
};

static void nests_until_memory_ends(eddy_coro *co)
{
    eddy_begin(nests_until_memory_ends);
    if (self->depth == 0) {
        eddy_return(0);
    }
    eddy_await(eddy_wait_for(co, EDDY_SECOND,
                             eddy_call(co, nests_until_memory_ends, .depth = self->depth - 1)));
    eddy_end;
}

test(no_failed_allocation_of_many_deadlines_leaks)
{
    unsigned k = 1;
    int64_t result;

    do {
        testing_fail_allocation(0);
        testing_reopen();
        testing_fail_allocations_from(k++);
        result = run(nests_until_memory_ends, .depth = 1000);
        assert_true(result == 0 || result == -ENOMEM);
    } while (result < 0);
    assert_true(k > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(what_finishes_in_time_gives_its_value_and_the_deadline_is_gone),
        testing_case(what_takes_too_long_is_cancelled_at_the_deadline),
        testing_case(for_ever_is_no_deadline),
        testing_case(a_deadline_holds_for_an_operation_without_a_frame_too),
        testing_case(an_operation_that_ends_at_its_deadline_has_ended_in_time),
        testing_case(a_deadline_holds_for_all_that_the_operation_awaits),
        testing_case(the_time_out_is_told_once_the_cleanup_has_ended),
        testing_case(a_deadline_that_passes_in_a_finally_is_held_back_and_the_result_stands),
        testing_case(a_deadline_strikes_once_and_the_result_of_one_who_ignores_it_stands),
        testing_case(an_error_of_the_operation_is_passed_as_it_is),
        testing_case(
            without_time_an_operation_that_finishes_at_once_does_and_a_coroutine_never_starts),
        testing_case(the_inner_deadline_is_the_inner_frames_time_out),
        testing_case(the_outer_deadline_is_a_cancel_to_the_inner_frame),
        testing_case(of_equal_deadlines_the_outer_one_strikes_for_it_was_set_first),
        testing_case(inner_deadlines_one_after_another_leave_the_outer_one_as_it_is),
        testing_case(two_deadlines_on_one_operation_are_its_earlier_one),
        testing_case(without_memory_for_the_deadline_the_operation_is_interrupted_at_once),
        testing_case(no_failed_allocation_of_many_deadlines_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
