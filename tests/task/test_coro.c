/* coro.h: await, catch, except, return and finally. Calls: test_call.c; scopes: test_scope.c. */
#include "support/tasks.h"

#include <limits.h>

/* ---- eddy_await */

static int64_t got; /* the variable of the coroutines that leave one behind */

eddy_frame(awaits_value) {
    eddy_coro co;
    int64_t value;
    bool later;
};

static void awaits_value(eddy_coro *co)
{
    eddy_begin(awaits_value);
    if (self->later) {
        eddy_await(got, eddy_call(co, sleeps, .seconds = 1, .result = self->value));
    } else {
        eddy_await(got, give(co, self->value));
    }
    testing_log("went on");
    eddy_end;
}

test(await_stores_a_value_that_is_there_at_once)
{
    assert_int_equal(run(awaits_value, .value = 7), 0);
    assert_int_equal(got, 7);
    assert_int_equal(run(awaits_value, .value = INT64_MAX), 0);
    assert_int_equal(got, INT64_MAX);
}

test(await_stores_a_value_that_comes_later)
{
    assert_int_equal(run(awaits_value, .value = INT64_MAX, .later = true), 0);
    assert_int_equal(got, INT64_MAX);
    assert_int_equal(seconds(), 1);
}

test(an_error_ends_the_coroutine_and_leaves_the_variable_alone)
{
    got = 42;
    assert_int_equal(run(awaits_value, .value = -EIO), -EIO);
    assert_int_equal(run(awaits_value, .value = -EPIPE, .later = true), -EPIPE);
    assert_int_equal(got, 42);
    testing_assert_log("");
}

eddy_frame(drops_value) {
    eddy_coro co;
    int64_t value;
};

static void drops_value(eddy_coro *co)
{
    eddy_begin(drops_value);
    eddy_await(give(co, self->value));
    eddy_await(eddy_call(co, returns, .result = self->value));
    testing_log("went on");
    eddy_end;
}

test(await_without_a_variable_drops_the_value_and_passes_the_error)
{
    assert_int_equal(run(drops_value, .value = 7), 0);
    testing_assert_log("went on");
    assert_int_equal(run(drops_value, .value = -EIO), -EIO);
    testing_assert_log("");
}

eddy_frame(awaits_narrow) {
    eddy_coro co;
    int64_t value;
    uint8_t byte;
    int8_t signed_byte;
    unsigned word;
    bool flag;
    int64_t rc;
};

static struct awaits_narrow narrow;

static void awaits_narrow(eddy_coro *co)
{
    eddy_begin(awaits_narrow);
    eddy_await(self->word, give(co, self->value));
    eddy_await(self->byte, give(co, self->value));
    eddy_await(self->signed_byte, give(co, self->value));
    eddy_await(self->flag, give(co, self->value));
eddy_finally:
    narrow = *self;
    eddy_end;
}

test(a_value_that_fits_lands_in_a_narrow_variable)
{
    assert_int_equal(run(awaits_narrow, .value = 1), 0);
    assert_int_equal(narrow.word, 1);
    assert_int_equal(narrow.byte, 1);
    assert_int_equal(narrow.signed_byte, 1);
    assert_true(narrow.flag);
}

test(a_value_that_does_not_fit_is_an_error_and_leaves_the_variable_alone)
{
    assert_int_equal(run(awaits_narrow, .value = 2), -EOVERFLOW);
    assert_int_equal(narrow.signed_byte, 2);
    assert_false(narrow.flag);
    assert_int_equal(run(awaits_narrow, .value = 200, .signed_byte = 3), -EOVERFLOW);
    assert_int_equal(narrow.byte, 200);
    assert_int_equal(narrow.signed_byte, 3);
    assert_int_equal(run(awaits_narrow, .value = 256, .byte = 3), -EOVERFLOW);
    assert_int_equal(narrow.word, 256);
    assert_int_equal(narrow.byte, 3);
    assert_int_equal(run(awaits_narrow, .value = INT64_C(1) << 32, .word = 3), -EOVERFLOW);
    assert_int_equal(narrow.word, 3);
}

eddy_frame(awaits_everywhere) {
    eddy_coro co;
    int i, j, sum;
};

static void awaits_everywhere(eddy_coro *co)
{
    eddy_begin(awaits_everywhere);
    for (self->i = 0; self->i < 3; self->i++) {
        self->j = 0;
        do {
            if (self->j == 1)
                eddy_await(eddy_pause(co));
            else
                eddy_await(eddy_sleep(co, EDDY_SECOND));
            if (self->i == 1) {
                continue;
            }
            self->sum += 10 * self->i + self->j;
        } while (++self->j < 3);
    }
    eddy_return(self->sum);
    eddy_end;
}

test(await_works_in_any_loop_and_under_an_unbraced_if)
{
    assert_int_equal(run(awaits_everywhere), 0 + 1 + 2 + 20 + 21 + 22);
    assert_int_equal(seconds(), 6);
}

test(every_run_of_a_coroutine_has_a_frame_of_its_own)
{
    start(pauses, .name = "a", .times = 3);
    start(pauses, .name = "b", .times = 1);
    start(pauses, .name = "c", .times = 2);
    testing_run();
    testing_assert_log("a b c a c a");
}

/* ---- eddy_catch */

eddy_frame(catches) {
    eddy_coro co;
    int64_t value;
    bool later;
    int64_t rc;
};

static void catches(eddy_coro *co)
{
    eddy_begin(catches);
    if (self->later) {
        eddy_catch(self->rc, eddy_call(co, sleeps, .seconds = 1, .result = self->value));
    } else {
        eddy_catch(self->rc, give(co, self->value));
    }
    testing_log("went on");
    eddy_await(eddy_pause(co));
    got = self->rc;
    eddy_end;
}

test(catch_stores_a_value)
{
    assert_int_equal(run(catches, .value = 7), 0);
    assert_int_equal(got, 7);
    assert_int_equal(run(catches, .value = 8, .later = true), 0);
    assert_int_equal(got, 8);
}

test(catch_stores_an_error_and_the_coroutine_goes_on)
{
    assert_int_equal(run(catches, .value = -EIO), 0);
    assert_int_equal(got, -EIO);
    assert_int_equal(run(catches, .value = EDDY_ERROR_USER - 5, .later = true), 0);
    assert_int_equal(got, EDDY_ERROR_USER - 5);
    testing_assert_log("went on went on");
}

eddy_frame(catches_narrow) {
    eddy_coro co;
    int64_t value;
    short rc;
};

static void catches_narrow(eddy_coro *co)
{
    eddy_begin(catches_narrow);
    eddy_catch(self->rc, give(co, self->value));
    eddy_return(self->rc);
    eddy_end;
}

test(catch_stores_that_a_value_does_not_fit)
{
    assert_int_equal(run(catches_narrow, .value = SHRT_MAX), SHRT_MAX);
    assert_int_equal(run(catches_narrow, .value = SHRT_MAX + 1), -EOVERFLOW);
    assert_int_equal(run(catches_narrow, .value = -EIO), -EIO);
}

/* ---- eddy_except */

eddy_frame(excepts) {
    eddy_coro co;
    int64_t value;
    bool later;
};

static void excepts(eddy_coro *co)
{
    eddy_begin(excepts);
    if (self->later) {
        eddy_except(-EIO, eddy_call(co, sleeps, .seconds = 1, .result = self->value)) {
            testing_log("caught");
            eddy_await(eddy_sleep(co, EDDY_SECOND));
            log_end("block", 0);
        }
    } else {
        eddy_except(-EIO, give(co, self->value)) {
            testing_log("caught");
        }
    }
    testing_log("went on");
    eddy_end;
}

test(except_runs_its_block_on_that_error)
{
    assert_int_equal(run(excepts, .value = -EIO), 0);
    testing_assert_log("caught went on");
    assert_int_equal(run(excepts, .value = -EIO, .later = true), 0);
    testing_assert_log("caught block=0@2 went on");
}

test(except_skips_its_block_on_success)
{
    assert_int_equal(run(excepts, .value = 5), 0);
    assert_int_equal(run(excepts, .value = 5, .later = true), 0);
    testing_assert_log("went on went on");
}

test(except_passes_other_errors_on)
{
    assert_int_equal(run(excepts, .value = -EPIPE), -EPIPE);
    assert_int_equal(run(excepts, .value = -EPIPE, .later = true), -EPIPE);
    testing_assert_log("");
}

eddy_frame(excepts_in_a_loop) {
    eddy_coro co;
    int i;
};

static void excepts_in_a_loop(eddy_coro *co)
{
    eddy_begin(excepts_in_a_loop);
    for (self->i = 0; self->i < 6; self->i++) {
        eddy_except(-EIO, eddy_call(co, returns, .result = self->i % 2 == 0 ? -EIO : 1)) {
            if (self->i == 4) {
                break;
            }
            continue;
        }
        testing_log("%d", self->i);
    }
    eddy_return(self->i);
    eddy_end;
}

test(break_and_continue_in_an_except_block_are_those_of_the_loop_around_it)
{
    assert_int_equal(run(excepts_in_a_loop), 4);
    testing_assert_log("1 3");
}

/* ---- eddy_return */

eddy_frame(falls_off) {
    eddy_coro co;
};

static void falls_off(eddy_coro *co)
{
    eddy_begin(falls_off);
    eddy_await(eddy_pause(co));
    eddy_end;
}

test(falling_off_the_end_returns_0)
{
    assert_int_equal(run(falls_off), 0);
}

test(return_gives_any_value_and_any_error)
{
    assert_int_equal(run(returns, .result = 0), 0);
    assert_int_equal(run(returns, .result = INT64_MAX), INT64_MAX);
    assert_int_equal(run(returns, .result = -EIO), -EIO);
    assert_int_equal(run(returns, .result = EDDY_ERROR_USER - 1), EDDY_ERROR_USER - 1);
}

eddy_frame(returns_from_within) {
    eddy_coro co;
    int i, j;
};

static void returns_from_within(eddy_coro *co)
{
    eddy_begin(returns_from_within);
    for (self->i = 0; self->i < 3; self->i++) {
        for (self->j = 0; self->j < 3; self->j++) {
            eddy_await(eddy_pause(co));
            if (self->i == 1 && self->j == 2)
                eddy_return(10 * self->i + self->j);
        }
    }
    eddy_end;
}

test(return_leaves_any_number_of_loops)
{
    assert_int_equal(run(returns_from_within), 12);
}

/* ---- eddy_finally */

/* Its body sleeps a second if `sleeps`, and ends with `result`; its finally ends with `cleanup`. */
eddy_frame(has_finally) {
    eddy_coro co;
    bool sleeps;
    int64_t result;
    int64_t cleanup;
};

static void has_finally(eddy_coro *co)
{
    eddy_begin(has_finally);
    testing_log("body");
    if (self->sleeps) {
        eddy_await(eddy_sleep(co, EDDY_SECOND));
    }
    eddy_await(give(co, self->result));
    testing_log("end");
eddy_finally:
    testing_log("finally");
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    log_end("slept", 0);
    eddy_await(give(co, self->cleanup));
    testing_log("last");
    eddy_end;
}

test(finally_runs_after_success_and_may_await)
{
    assert_int_equal(run(has_finally), 0);
    testing_assert_log("body end finally slept=0@1 last");
}

test(finally_runs_after_an_error_and_the_error_goes_on)
{
    assert_int_equal(run(has_finally, .result = -EIO), -EIO);
    testing_assert_log("body finally slept=0@1 last");
}

test(finally_runs_after_a_cancel_and_the_cancel_goes_on)
{
    eddy_task task = start(has_finally, .sleeps = true);

    testing_turn();
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("body finally slept=0@1 last");
}

test(an_error_in_finally_ends_it_and_replaces_a_success)
{
    assert_int_equal(run(has_finally, .cleanup = -EPIPE), -EPIPE);
    testing_assert_log("body end finally slept=0@1");
}

test(the_error_of_the_body_wins_and_that_of_finally_is_told)
{
    assert_int_equal(run(has_finally, .result = -EIO, .cleanup = -EPIPE), -EIO);
    testing_assert_log("body finally slept=0@1");
    assert_told(-EPIPE, "has_finally");
}

eddy_frame(returns_in_finally) {
    eddy_coro co;
    int64_t result;
    int64_t cleanup;
};

static void returns_in_finally(eddy_coro *co)
{
    eddy_begin(returns_in_finally);
    eddy_return(self->result);
eddy_finally:
    eddy_await(eddy_pause(co));
    eddy_return(self->cleanup);
    testing_log("never");
    eddy_end;
}

test(return_in_finally_replaces_a_value)
{
    assert_int_equal(run(returns_in_finally, .result = 1, .cleanup = 2), 2);
    assert_int_equal(run(returns_in_finally, .result = 1, .cleanup = -EIO), -EIO);
    testing_assert_log("");
}

test(return_in_finally_replaces_no_error)
{
    assert_int_equal(run(returns_in_finally, .result = -EIO, .cleanup = 2), -EIO);
    assert_int_equal(testing.errors.count, 0);
    assert_int_equal(run(returns_in_finally, .result = -EIO, .cleanup = -EPIPE), -EIO);
    assert_told(-EPIPE, "returns_in_finally");
}

eddy_frame(keeps_value) {
    eddy_coro co;
};

static void keeps_value(eddy_coro *co)
{
    eddy_begin(keeps_value);
    eddy_return(7);
eddy_finally:
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    eddy_await(eddy_call(co, returns, .result = 99));
    eddy_end;
}

test(return_passes_through_finally_whose_awaits_do_not_touch_the_value)
{
    assert_int_equal(run(keeps_value), 7);
    assert_int_equal(seconds(), 1);
}

eddy_frame(nests_finally) {
    eddy_coro co;
    int depth;
    int64_t result;
};

static void nests_finally(eddy_coro *co)
{
    eddy_begin(nests_finally);
    if (self->depth == 0) {
        eddy_return(self->result);
    }
    eddy_await(eddy_call(co, nests_finally, .depth = self->depth - 1, .result = self->result));
eddy_finally:
    eddy_await(eddy_pause(co));
    testing_log("%d", self->depth);
    eddy_end;
}

test(the_finallys_of_nested_calls_run_from_the_innermost_outwards)
{
    assert_int_equal(run(nests_finally, .depth = 3, .result = -EIO), -EIO);
    testing_assert_log("0 1 2 3");
    assert_int_equal(run(nests_finally, .depth = 2), 0);
    testing_assert_log("0 1 2");
}

eddy_frame(cleans_by_a_call) {
    eddy_coro co;
};

static void cleans_by_a_call(eddy_coro *co)
{
    eddy_begin(cleans_by_a_call);
    eddy_await(give(co, -EIO));
eddy_finally:
    eddy_await(eddy_call(co, has_finally));
    testing_log("cleaned");
    eddy_end;
}

test(a_finally_may_call_coroutines_that_have_a_finally)
{
    assert_int_equal(run(cleans_by_a_call), -EIO);
    testing_assert_log("body end finally slept=0@1 last cleaned");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(await_stores_a_value_that_is_there_at_once),
        testing_case(await_stores_a_value_that_comes_later),
        testing_case(an_error_ends_the_coroutine_and_leaves_the_variable_alone),
        testing_case(await_without_a_variable_drops_the_value_and_passes_the_error),
        testing_case(a_value_that_fits_lands_in_a_narrow_variable),
        testing_case(a_value_that_does_not_fit_is_an_error_and_leaves_the_variable_alone),
        testing_case(await_works_in_any_loop_and_under_an_unbraced_if),
        testing_case(every_run_of_a_coroutine_has_a_frame_of_its_own),
        testing_case(catch_stores_a_value),
        testing_case(catch_stores_an_error_and_the_coroutine_goes_on),
        testing_case(catch_stores_that_a_value_does_not_fit),
        testing_case(except_runs_its_block_on_that_error),
        testing_case(except_skips_its_block_on_success),
        testing_case(except_passes_other_errors_on),
        testing_case(break_and_continue_in_an_except_block_are_those_of_the_loop_around_it),
        testing_case(falling_off_the_end_returns_0),
        testing_case(return_gives_any_value_and_any_error),
        testing_case(return_leaves_any_number_of_loops),
        testing_case(finally_runs_after_success_and_may_await),
        testing_case(finally_runs_after_an_error_and_the_error_goes_on),
        testing_case(finally_runs_after_a_cancel_and_the_cancel_goes_on),
        testing_case(an_error_in_finally_ends_it_and_replaces_a_success),
        testing_case(the_error_of_the_body_wins_and_that_of_finally_is_told),
        testing_case(return_in_finally_replaces_a_value),
        testing_case(return_in_finally_replaces_no_error),
        testing_case(return_passes_through_finally_whose_awaits_do_not_touch_the_value),
        testing_case(the_finallys_of_nested_calls_run_from_the_innermost_outwards),
        testing_case(a_finally_may_call_coroutines_that_have_a_finally),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
