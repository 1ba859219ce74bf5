/* Time-outs and cancels that are ignored, swallowed or held back. */
#include "support/tasks.h"

/* ---- time-outs that are ignored or swallowed */

eddy_frame(waits_in_its_finally) {
    eddy_coro co;
    eddy_task task;
    int64_t rc;
};

static void waits_in_its_finally(eddy_coro *co)
{
    eddy_begin(waits_in_its_finally);
    eddy_await(eddy_sleep(co, 1000));
eddy_finally:
    self->task = eddy_spawn(co, swallows_cancel, .sleep = 100);
    eddy_catch(self->rc, eddy_wait_for(co, 10, eddy_join(co, self->task)));
    testing_log("inner=%lld@%lld", (long long)self->rc, (long long)testing.clock.now);
    eddy_end;
}

eddy_frame(has_five_for_that) {
    eddy_coro co;
};

static void has_five_for_that(eddy_coro *co)
{
    eddy_begin(has_five_for_that);
    eddy_await(eddy_wait_for(co, 5, eddy_call(co, waits_in_its_finally)));
    eddy_end;
}

test(an_inner_time_out_that_is_ignored_leaves_an_outer_one_that_has_struck)
{
    assert_int_equal(run(has_five_for_that), -ETIMEDOUT);
    testing_assert_log("inner=0@15");
}

eddy_frame(swallows) {
    eddy_coro co;
    eddy_task task;
    int64_t rc;
};

static void swallows(eddy_coro *co)
{
    eddy_begin(swallows);
    eddy_catch(self->rc, eddy_sleep(co, 1000));
    testing_log("%lld@%lld", (long long)self->rc, (long long)testing.clock.now);
    self->task = eddy_spawn(co, swallows_cancel, .sleep = 100);
    eddy_catch(self->rc, eddy_wait_for(co, 10, eddy_join(co, self->task)));
    testing_log("%lld@%lld", (long long)self->rc, (long long)testing.clock.now);
    eddy_catch(self->rc, eddy_sleep(co, 1));
    testing_log("%lld@%lld", (long long)self->rc, (long long)testing.clock.now);
    eddy_catch(self->rc, eddy_sleep(co, 1));
    testing_log("%lld@%lld", (long long)self->rc, (long long)testing.clock.now);
    eddy_return(3);
    eddy_end;
}

eddy_frame(has_five_to_swallow) {
    eddy_coro co;
    int64_t rc;
};

static void has_five_to_swallow(eddy_coro *co)
{
    eddy_begin(has_five_to_swallow);
    eddy_catch(self->rc, eddy_wait_for(co, 5, eddy_call(co, swallows)));
    eddy_return(self->rc);
    eddy_end;
}

test(a_time_out_that_was_swallowed_is_not_delivered_twice)
{
    char expected[64];

    assert_int_equal(run(has_five_to_swallow), 3);
    snprintf(expected, sizeof expected, "%d@5 0@15 0@16 0@17", -ECANCELED);
    testing_assert_log(expected);
}

/* ---- words */

eddy_frame(catches_into_an_array) {
    eddy_coro co;
    int i;
    int64_t results[3];
};

static void catches_into_an_array(eddy_coro *co)
{
    eddy_begin(catches_into_an_array);
    self->results[1] = 77;
    self->results[2] = 78;
    eddy_catch(self->results[self->i++], eddy_sleep(co, -1));
    eddy_catch(self->results[self->i++], eddy_sleep(co, 1));
    testing_log("%d: %lld %lld %lld", self->i, (long long)self->results[0],
                (long long)self->results[1], (long long)self->results[2]);
    eddy_end;
}

test(catch_evaluates_its_variable_once)
{
    assert_int_equal(run(catches_into_an_array), 0);
    testing_assert_log("2: 0 0 78");
}

eddy_frame(yields_in_its_finally) {
    eddy_coro co;
    int value;
    int64_t rc;
};

static void yields_in_its_finally(eddy_coro *co)
{
    eddy_begin(yields_in_its_finally);
    eddy_yield(1);
eddy_finally:
    eddy_yield(2);
    eddy_catch(self->rc, eddy_sleep(co, 100));
    testing_log("slept=%lld@%lld", (long long)self->rc, (long long)testing.clock.now);
    eddy_end;
}

eddy_frame(runs_that_generator) {
    eddy_coro co;
    int value;
};

static void runs_that_generator(eddy_coro *co)
{
    eddy_begin(runs_that_generator);
    eddy_for_each(self->value, yields_in_its_finally) {
        testing_log("%d", self->value);
    }
    eddy_await(eddy_pause(co));
    testing_log("not cancelled");
    eddy_end;
}

test(a_generator_that_yields_in_its_finally_is_still_not_cancelled_there)
{
    eddy_task task = start(runs_that_generator);

    testing_turns();
    testing_assert_log("1 2");
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("slept=0@100");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(an_inner_time_out_that_is_ignored_leaves_an_outer_one_that_has_struck),
        testing_case(a_time_out_that_was_swallowed_is_not_delivered_twice),
        testing_case(catch_evaluates_its_variable_once),
        testing_case(a_generator_that_yields_in_its_finally_is_still_not_cancelled_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
