/* group.h: groups that collect errors or keep results, and eddy_group_next. */
#include "support/children.h"

#include "eddy/group.h"
#include "support/tasks.h"

#define count_of(array) ((int)(sizeof(array) / sizeof *(array)))

static const struct child three[] = {
    {.name = "a", .sleep = 300 * MS, .result = 1},
    {.name = "b", .sleep = 100 * MS, .result = -EPIPE},
    {.name = "c", .sleep = 200 * MS, .result = -EIO},
};

/* ---- collecting */

eddy_frame(family) {
    eddy_coro co;
    eddy_group group; /* an argument */
    const struct child *children;
    int count;
    int64_t limit;
    int i;
    int64_t rc;
};

static void family(eddy_coro *co)
{
    eddy_begin(family);
    for (self->i = 0; self->i < self->count; self->i++) {
        eddy_group_spawn(co, &self->group, CHILD_LIKE(&self->children[self->i]));
    }
    eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                       eddy_group_wait(co, &self->group)));
    testing_log_result("wait", self->rc);
    testing_log("errors=%u", self->group.errors);
    eddy_end;
}

#define run_family(its_policy, ...)                                                          \
    testing_run_task(family, .group = {.policy = its_policy}, .children = three, .count = 3, \
                     __VA_ARGS__)

test(a_group_that_cancels_counts_its_errors)
{
    assert_int_equal(run_family(EDDY_GROUP_CANCEL, .limit = 0), 0);
    testing_assert_log("b@100 a!@100 c!@100 wait=-EPIPE errors=1");
}

test(a_group_that_collects_cancels_none_returns_the_first_error_and_tells_the_others)
{
    assert_int_equal(run_family(EDDY_GROUP_COLLECT, .limit = 0), 0);
    testing_assert_log("b@100 c@200 a@300 wait=-EPIPE errors=2");
    assert_told(-EIO, "which failed when its group was failing already)");
}

test(a_time_out_cancels_a_group_that_collects_even_if_one_has_failed)
{
    assert_int_equal(run_family(EDDY_GROUP_COLLECT, .limit = 150 * MS), 0);
    testing_assert_log("b@100 a!@150 c!@150 wait=-EPIPE errors=1");
}

test(a_group_that_keeps_results_is_waited_for_as_one_that_collects)
{
    assert_int_equal(run_family(EDDY_GROUP_KEEP, .limit = 0), 0);
    testing_assert_log("b@100 c@200 a@300 wait=-EPIPE errors=2");
    assert_told(-EIO, "which failed when its group was failing already)");
}

test(two_errors_that_both_say_that_the_peer_is_gone_are_one)
{
    static const struct child gone[] = {
        {.name = "a", .sleep = 300 * MS, .result = -ENOTCONN},
        {.name = "b", .sleep = 100 * MS, .result = -EPIPE},
        {.name = "c", .sleep = 200 * MS, .result = -ECONNRESET},
    };

    assert_int_equal(testing_run_task(family, .group = {.policy = EDDY_GROUP_COLLECT},
                                      .children = gone, .count = 3),
                     0);
    testing_assert_log("b@100 c@200 a@300 wait=-EPIPE errors=3");
    assert_int_equal(testing.errors.count, 0);
}

eddy_frame(uses_a_group_twice) {
    eddy_coro co;
    eddy_group group;
    int64_t rc;
};

static void uses_a_group_twice(eddy_coro *co)
{
    eddy_begin(uses_a_group_twice);
    self->group.policy = EDDY_GROUP_COLLECT;
    eddy_group_spawn(co, &self->group, returns, .result = -EIO);
    eddy_catch(self->rc, eddy_group_wait(co, &self->group));
    testing_log("%u", self->group.errors);
    eddy_group_spawn(co, &self->group, returns, .result = 0);
    eddy_catch(self->rc, eddy_group_wait(co, &self->group));
    testing_log("%u", self->group.errors);
    eddy_end;
}

test(errors_are_counted_anew_for_each_use)
{
    assert_int_equal(run(uses_a_group_twice), 0);
    testing_assert_log("1 0");
}

/* ---- taking one after the other */

eddy_frame(takes) {
    eddy_coro co;
    eddy_group group;
    const struct child *children;
    int count;
    int64_t rest;
    int stop;
    int64_t limit;
    int i;
    int64_t more;
    int64_t result;
};

static void takes(eddy_coro *co)
{
    eddy_begin(takes);
    self->group.policy = EDDY_GROUP_KEEP;
    for (self->i = 0; self->i < self->count; self->i++) {
        eddy_group_spawn(co, &self->group, CHILD_LIKE(&self->children[self->i]));
    }
    do {
        eddy_catch(self->more, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                             eddy_group_next(co, &self->group, &self->result)));
        if (self->more != 1) {
            testing_log_result("more", self->more);
        } else {
            testing_log_result("next", self->result);
        }
        eddy_await(eddy_sleep(co, self->rest));
    } while (self->more != 0 && --self->stop != 0);
eddy_finally:
    eddy_except(-EIO, eddy_group_wait(co, &self->group)) {
        testing_log("left");
    }
    eddy_end;
}

#define run_takes(...) testing_run_task(takes, .children = three, .count = 3, __VA_ARGS__)

test(next_returns_the_results_in_the_order_of_their_ends)
{
    assert_int_equal(run_takes(.rest = 0), 0);
    testing_assert_log("b@100 next=-EPIPE c@200 next=-5 a@300 next=1 more=0");
}

test(results_wait_for_who_comes_late)
{
    assert_int_equal(run_takes(.rest = 1000 * MS), 0);
    testing_assert_log("b@100 next=-EPIPE c@200 a@300 next=-5 next=1 more=0");
}

test(a_time_out_of_next_takes_nothing)
{
    assert_int_equal(run_takes(.limit = 60 * MS), 0);
    testing_assert_log("more=-ETIMEDOUT b@100 next=-EPIPE more=-ETIMEDOUT c@200 next=-5 "
                       "more=-ETIMEDOUT a@300 next=1 more=0");
}

test(results_that_nobody_takes_go_to_who_waits)
{
    assert_int_equal(run_takes(.stop = 1), 0);
    testing_assert_log("b@100 next=-EPIPE c@200 a@300 left");
}

eddy_frame(cannot_start) {
    eddy_coro co;
    eddy_group group;
    int64_t rc;
    int64_t result;
};

static void cannot_start(eddy_coro *co)
{
    eddy_begin(cannot_start);
    eddy_catch(self->rc, eddy_group_next(co, &self->group, &self->result));
    testing_log("policy=%d", self->rc == -EINVAL);
    self->group.policy = EDDY_GROUP_KEEP;
    eddy_group_spawn(co, &self->group, sleeps, .seconds = 1, .result = 3);
    eddy_group_cancel(&self->group);
    assert_int_equal(eddy_spawn_error(eddy_group_spawn(co, &self->group, returns)), -ESHUTDOWN);
    assert_int_equal(eddy_spawn_error(eddy_group_spawn(co, &self->group, returns)), -ESHUTDOWN);
    eddy_catch(self->rc, eddy_group_next(co, &self->group, &self->result));
    testing_log("%d:%d", (int)self->rc, self->result == -ESHUTDOWN);
    eddy_catch(self->rc, eddy_group_next(co, &self->group, &self->result));
    testing_log("%d:%d", (int)self->rc, self->result == -ESHUTDOWN);
    eddy_catch(self->rc, eddy_group_next(co, &self->group, &self->result));
    testing_log("%d:%d", (int)self->rc, self->result == -ECANCELED);
    eddy_catch(self->rc, eddy_group_next(co, &self->group, &self->result));
    testing_log("%d", (int)self->rc);
    eddy_group_spawn(co, &self->group, returns, .result = 8);
    eddy_catch(self->rc, eddy_group_next(co, &self->group, &self->result));
    testing_log("%d:%d", (int)self->rc, (int)self->result);
    eddy_end;
}

test(spawns_into_a_group_that_closes_fail_and_next_tells)
{
    assert_int_equal(run(cannot_start), 0);
    testing_assert_log("policy=1 1:1 1:1 1:1 0 1:8");
}

eddy_frame(takes_what_comes) {
    eddy_coro co;
    eddy_group *group;
    int64_t rc;
    int64_t result;
};

static void takes_what_comes(eddy_coro *co)
{
    eddy_begin(takes_what_comes);
    do {
        eddy_await(self->rc, eddy_group_next(co, self->group, &self->result));
        testing_log("%d", (int)self->rc);
        log_end("next", self->result);
    } while (self->rc > 0);
    eddy_end;
}

eddy_frame(fails_to_start) {
    eddy_coro co;
    eddy_group group;
    eddy_task taker;
};

static void fails_to_start(eddy_coro *co)
{
    eddy_begin(fails_to_start);
    self->group.policy = EDDY_GROUP_KEEP;
    eddy_group_spawn(co, &self->group, sleeps, .seconds = 5, .result = 3);
    self->taker = eddy_spawn(co, takes_what_comes, .group = &self->group);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    testing_fail_allocations_from(1);
    use_up_memory();
    assert_int_equal(eddy_spawn_error(eddy_group_spawn(co, &self->group, returns)), -ENOMEM);
    testing_fail_allocation(0);
    eddy_await(eddy_join(co, self->taker));
    eddy_end;
}

test(a_spawn_that_fails_wakes_who_waits_for_the_next)
{
    assert_int_equal(run(fails_to_start), 0);
    testing_assert_log("1 next=ENOMEM@1 1 next=3@5 0 next=3@5");
}

static void run_loop(void *argument)
{
    (void)argument;
    eddy_loop_run(testing.loop);
}

eddy_frame(leaves_results) {
    eddy_coro co;
    eddy_group group;
};

static void leaves_results(eddy_coro *co)
{
    eddy_begin(leaves_results);
    self->group.policy = EDDY_GROUP_KEEP;
    eddy_group_spawn(co, &self->group, returns);
    eddy_await(eddy_sleep(co, 1));
    eddy_end;
}

test(a_group_whose_results_nobody_has_taken_is_still_open)
{
    start(leaves_results);
    testing_expect_abort(run_loop, NULL, "leaves_results: the coroutine ends although");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_group_that_cancels_counts_its_errors),
        testing_case(
            a_group_that_collects_cancels_none_returns_the_first_error_and_tells_the_others),
        testing_case(a_time_out_cancels_a_group_that_collects_even_if_one_has_failed),
        testing_case(a_group_that_keeps_results_is_waited_for_as_one_that_collects),
        testing_case(two_errors_that_both_say_that_the_peer_is_gone_are_one),
        testing_case(errors_are_counted_anew_for_each_use),
        testing_case(next_returns_the_results_in_the_order_of_their_ends),
        testing_case(results_wait_for_who_comes_late),
        testing_case(a_time_out_of_next_takes_nothing),
        testing_case(results_that_nobody_takes_go_to_who_waits),
        testing_case(spawns_into_a_group_that_closes_fail_and_next_tells),
        testing_case(a_spawn_that_fails_wakes_who_waits_for_the_next),
        testing_case(a_group_whose_results_nobody_has_taken_is_still_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
