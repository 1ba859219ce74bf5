/* group.h: tasks that end together. */
#include "support/children.h"

#include <stdio.h>
#include <string.h>

#include "eddy/deadline.h"
#include "eddy/group.h"

/* Starts the children in a group and waits for it, at most `limit` if that is set. */
eddy_frame(family) {
    eddy_coro co;
    const struct child *children;
    int count;
    int64_t before; /* sleeps that long before it waits */
    int64_t limit;
    eddy_group group;
    int i;
    int64_t rc;
};

static void family(eddy_coro *co)
{
    eddy_begin(family);
    for (self->i = 0; self->i < self->count; self->i++) {
        eddy_group_spawn(co, &self->group, CHILD_LIKE(&self->children[self->i]));
    }
    eddy_await(eddy_sleep(co, self->before));
    eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                       eddy_group_wait(co, &self->group)));
    testing_log_at("wait", "");
    eddy_return(self->rc);
eddy_finally:
    eddy_except(-ECANCELED, eddy_group_wait(co, &self->group)) {}
    eddy_end;
}

#define count_of(array) ((int)(sizeof(array) / sizeof *(array)))
#define run_family(array) run_family_with(array, .before = 0)
#define run_family_with(array, ...) \
    testing_run_task(family, .children = array, .count = count_of(array), __VA_ARGS__)

/* ---- success */

test(children_run_side_by_side_and_the_wait_ends_with_the_last)
{
    const struct child three[] = {
        {.name = "a", .sleep = 300 * MS},
        {.name = "b", .sleep = 100 * MS},
        {.name = "c", .sleep = 200 * MS},
    };

    assert_int_equal(run_family(three), 0);
    testing_assert_log("b@100 c@200 a@300 wait@300");
}

test(children_start_in_the_order_of_their_spawns)
{
    const struct child three[] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};

    assert_int_equal(run_family(three), 0);
    testing_assert_log("a@0 b@0 c@0 wait@0");
}

test(values_of_children_are_dropped)
{
    const struct child two[] = {{.name = "a", .result = 7}, {.name = "b", .result = 8}};

    assert_int_equal(run_family(two), 0);
    testing_assert_log("a@0 b@0 wait@0");
}

test(an_empty_group_is_waited_for_at_once)
{
    assert_int_equal(testing_run_task(family), 0);
    testing_assert_log("wait@0");
}

test(a_group_whose_children_have_ended_is_waited_for_at_once)
{
    const struct child two[] = {{.name = "a"}, {.name = "b"}};

    assert_int_equal(run_family_with(two, .before = 50 * MS), 0);
    testing_assert_log("a@0 b@0 wait@50");
}

eddy_frame(many) {
    eddy_coro co;
    eddy_group group;
    int i;
};

static void many(eddy_coro *co)
{
    eddy_begin(many);
    for (self->i = 1; self->i <= 1000; self->i++) {
        eddy_group_spawn(co, &self->group, cancel_later, .sleep = self->i * MS);
    }
    assert_int_equal(eddy_group_count(&self->group), 1000);
    eddy_await(eddy_group_wait(co, &self->group));
    assert_int_equal(eddy_group_count(&self->group), 0);
    eddy_end;
}

test(a_thousand_children_are_waited_for)
{
    assert_int_equal(testing_run_task(many), 0);
    assert_int_equal(testing.clock.now, 1000 * MS);
}

/* ---- failure */

test(the_first_error_cancels_the_siblings_and_is_returned_when_all_have_ended)
{
    const struct child three[] = {
        {.name = "a", .sleep = 300 * MS, .cleanup = 50 * MS},
        {.name = "b", .sleep = 100 * MS, .result = -EIO},
        {.name = "c", .sleep = 200 * MS, .cleanup = 20 * MS},
    };

    assert_int_equal(run_family(three), -EIO);
    testing_assert_log("b@100 a!@100 c!@100 c~@120 a~@150 wait@150");
}

test(an_error_cancels_the_siblings_also_when_nobody_waits_yet)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS},
        {.name = "b", .sleep = 100 * MS, .result = -EIO},
    };

    assert_int_equal(run_family_with(two, .before = 1000 * MS), -EIO);
    testing_assert_log("b@100 a!@100 wait@1000");
}

eddy_frame(fail_at_once) {
    eddy_coro co;
};

static void fail_at_once(eddy_coro *co)
{
    eddy_begin(fail_at_once);
    eddy_return(-EIO);
    eddy_end;
}

eddy_frame(fail_before_the_last_starts) {
    eddy_coro co;
    eddy_group group;
};

static void fail_before_the_last_starts(eddy_coro *co)
{
    eddy_begin(fail_before_the_last_starts);
    eddy_group_spawn(co, &self->group, child, .name = "a", .cleanup = 10 * MS);
    eddy_group_spawn(co, &self->group, fail_at_once);
    eddy_group_spawn(co, &self->group, child, .name = "c", .cleanup = 10 * MS);
    eddy_await(eddy_group_wait(co, &self->group));
    eddy_end;
}

test(a_sibling_that_has_not_started_never_runs_when_one_fails)
{
    assert_int_equal(testing_run_task(fail_before_the_last_starts), -EIO);
    testing_assert_log("a@0 a~@10"); /* a was pausing, which keeps its result; c never ran */
}

test(the_first_error_in_time_wins)
{
    const struct child three[] = {
        {.name = "a", .sleep = 300 * MS, .result = -EPERM},
        {.name = "b", .sleep = 100 * MS, .result = -EIO},
        {.name = "c", .sleep = 200 * MS, .result = -ENOENT},
    };

    assert_int_equal(run_family(three), -EIO);
    testing_assert_log("b@100 a!@100 c!@100 wait@100");
}

test(an_error_that_comes_second_is_reported_for_nobody_collects_it)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .stubborn = 1 * MS, .result = -ENOENT},
        {.name = "b", .sleep = 100 * MS, .result = -EIO},
    };

    assert_int_equal(run_family(two), -EIO);
    testing_assert_log("b@100 a!@100 a@101 wait@101");
    assert_int_equal(testing.errors.count, 1);
    assert_int_equal(testing.errors.code, -ENOENT);
    testing.errors.count = 0;
}

/* ---- cancelling */

eddy_frame(cancel_one) {
    eddy_coro co;
    eddy_group group;
    eddy_task first;
};

static void cancel_one(eddy_coro *co)
{
    eddy_begin(cancel_one);
    self->first = eddy_group_spawn(co, &self->group, child, .name = "a", .sleep = 300 * MS);
    eddy_group_spawn(co, &self->group, child, .name = "b", .sleep = 200 * MS);
    eddy_await(eddy_sleep(co, 100 * MS));
    assert_int_equal(eddy_cancel(self->first), 0);
    eddy_await(eddy_group_wait(co, &self->group));
    testing_log_at("wait", "");
    eddy_end;
}

test(a_child_that_is_cancelled_on_its_own_is_no_failure)
{
    assert_int_equal(testing_run_task(cancel_one), 0);
    testing_assert_log("a!@100 b@200 wait@200");
}

test(a_cancel_of_the_wait_cancels_all_and_waits_for_their_cleanups)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .cleanup = 50 * MS},
        {.name = "b", .sleep = 200 * MS},
    };
    eddy_task task = eddy_loop_spawn(testing.loop, family, .children = two, .count = 2);

    assert_int_equal(testing_run_and_cancel(task, 100 * MS), -ECANCELED);
    testing_assert_log("a!@100 b!@100 a~@150 wait@150");
}

test(a_time_out_of_the_wait_cancels_all_and_waits_for_their_cleanups)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .cleanup = 50 * MS},
        {.name = "b", .sleep = 200 * MS},
    };

    assert_int_equal(run_family_with(two, .limit = 100 * MS), -ETIMEDOUT);
    testing_assert_log("a!@100 b!@100 a~@150 wait@150");
}

test(an_error_that_came_before_the_cancel_is_what_the_wait_returns)
{
    const struct child two[] = {
        {.name = "a", .sleep = 100 * MS, .result = -EIO},
        {.name = "b", .sleep = 300 * MS, .cleanup = 100 * MS},
    };

    assert_int_equal(run_family_with(two, .limit = 150 * MS), -EIO);
    testing_assert_log("a@100 b!@100 b~@200 wait@200");
}

test(an_error_of_a_cleanup_after_the_cancel_is_what_the_wait_returns)
{
    const struct child one[] = {
        {.name = "a", .sleep = 300 * MS, .stubborn = 10 * MS, .result = -EIO},
    };
    eddy_task task = eddy_loop_spawn(testing.loop, family, .children = one, .count = 1);

    assert_int_equal(testing_run_and_cancel(task, 100 * MS), -EIO);
    testing_assert_log("a!@100 a@110 wait@110");
}

test(an_error_after_the_cancel_does_not_cancel_the_others_a_second_time)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .stubborn = 30 * MS},
        {.name = "b", .sleep = 200 * MS, .stubborn = 10 * MS, .result = -EIO},
    };

    assert_int_equal(run_family_with(two, .limit = 100 * MS), -EIO);
    testing_assert_log("a!@100 b!@100 b@110 a@130 wait@130");
}

/* Runs a group that fails at 100 ms, of which a task goes on until 1100; cancels the wait then. */
static void cancel_failed_group(int64_t first, int64_t second)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .stubborn = 1000 * MS},
        {.name = "b", .sleep = 100 * MS, .result = -EIO},
    };
    eddy_task task = eddy_loop_spawn(testing.loop, family, .children = two, .count = count_of(two));

    (void)eddy_detach(
        eddy_loop_spawn(testing.loop, cancel_later, .task = task, .sleep = first * MS));
    assert_int_equal(testing_run_and_cancel(task, second * MS), -EIO);
}

test(a_first_cancel_of_a_group_that_has_failed_is_not_passed_on_again)
{
    cancel_failed_group(200, 5000);
    testing_assert_log("b@100 a!@100 a@1100 wait@1100");
}

test(a_second_cancel_of_it_reaches_a_task_that_has_swallowed_the_first)
{
    cancel_failed_group(200, 300);
    testing_assert_log("b@100 a!@100 wait@300");
}

eddy_frame(cancel_group) {
    eddy_coro co;
    eddy_group group;
    int64_t rc;
};

static void cancel_group(eddy_coro *co)
{
    eddy_begin(cancel_group);
    eddy_group_spawn(co, &self->group, child, .name = "a", .sleep = 300 * MS, .cleanup = 50 * MS);
    eddy_await(eddy_sleep(co, 100 * MS));
    eddy_group_cancel(&self->group);
    eddy_catch(self->rc, eddy_group_wait(co, &self->group));
    testing_log_at("wait", "");
    eddy_return(self->rc);
    eddy_end;
}

test(cancelling_the_group_is_no_failure_of_its_wait)
{
    assert_int_equal(testing_run_task(cancel_group), 0);
    testing_assert_log("a!@100 a~@150 wait@150");
}

/* ---- spawns that fail */

eddy_frame(spawn_without_memory) {
    eddy_coro co;
    eddy_group group;
    int64_t rc;
    unsigned k;
    int i;
};

static void spawn_without_memory(eddy_coro *co)
{
    eddy_begin(spawn_without_memory);
    eddy_group_spawn(co, &self->group, child, .name = "a", .sleep = 300 * MS, .cleanup = 1 * MS);
    eddy_await(eddy_sleep(co, 100 * MS));
    testing_fail_allocations_from(self->k);
    for (self->i = 0; self->i < 100; self->i++) { /* the pool is empty some time */
        eddy_group_spawn(co, &self->group, child, .name = "b", .sleep = 200 * MS);
    }
    testing_fail_allocation(0);
    eddy_catch(self->rc, eddy_group_wait(co, &self->group));
    testing_log_at("wait", "");
    eddy_return(self->rc);
    eddy_end;
}

test(a_spawn_that_fails_for_want_of_memory_fails_the_group)
{
    for (unsigned k = 1; k <= 3; k++) {
        assert_int_equal(testing_run_task(spawn_without_memory, .k = k), -ENOMEM);
        assert_non_null(strstr(testing.log, "a!@"));
        assert_null(strstr(testing.log, "b@"));
        testing.log[0] = '\0';
        testing_reopen();
        testing.clock.now = 0;
    }
}

eddy_frame(spawn_into_closing) {
    eddy_coro co;
    eddy_group group;
    eddy_task late;
    int64_t rc;
};

static void spawn_into_closing(eddy_coro *co)
{
    eddy_begin(spawn_into_closing);
    eddy_group_spawn(co, &self->group, child, .name = "a", .sleep = 300 * MS, .cleanup = 50 * MS);
    eddy_await(eddy_sleep(co, 100 * MS));
    eddy_group_cancel(&self->group);
    self->late = eddy_group_spawn(co, &self->group, child, .name = "b");
    assert_int_equal(eddy_task_result(self->late), -ESHUTDOWN);
    assert_int_equal(eddy_group_count(&self->group), 1);
    eddy_catch(self->rc, eddy_group_wait(co, &self->group));
    testing_log_at("wait", "");
    eddy_return(self->rc);
    eddy_end;
}

test(a_group_that_is_being_cancelled_takes_no_more_tasks)
{
    assert_int_equal(testing_run_task(spawn_into_closing), -ESHUTDOWN);
    testing_assert_log("a!@100 a~@150 wait@150");
}

/* ---- using it again, and together */

eddy_frame(use_twice) {
    eddy_coro co;
    eddy_group group;
    int64_t rc;
};

static void use_twice(eddy_coro *co)
{
    eddy_begin(use_twice);
    eddy_group_spawn(co, &self->group, child, .name = "a", .sleep = 10 * MS, .result = -EIO);
    eddy_catch(self->rc, eddy_group_wait(co, &self->group));
    assert_int_equal(self->rc, -EIO);
    eddy_group_spawn(co, &self->group, child, .name = "b", .sleep = 10 * MS);
    eddy_catch(self->rc, eddy_group_wait(co, &self->group));
    assert_int_equal(self->rc, 0);
    eddy_group_cancel(&self->group);
    eddy_catch(self->rc, eddy_group_wait(co, &self->group));
    assert_int_equal(self->rc, 0);
    eddy_group_spawn(co, &self->group, child, .name = "c", .sleep = 10 * MS);
    eddy_await(eddy_group_wait(co, &self->group));
    eddy_end;
}

test(a_group_may_be_used_again_after_its_wait_whatever_that_returned)
{
    assert_int_equal(testing_run_task(use_twice), 0);
    testing_assert_log("a@10 b@20 c@30");
}

eddy_frame(wait_for_group_of_other) {
    eddy_coro co;
    eddy_group *group;
};

static void wait_for_group_of_other(eddy_coro *co)
{
    eddy_begin(wait_for_group_of_other);
    eddy_await(eddy_group_wait(co, self->group));
    eddy_end;
}

eddy_frame(two_waiters) {
    eddy_coro co;
    eddy_group group;
    eddy_task other;
    int64_t rc;
};

static void two_waiters(eddy_coro *co)
{
    eddy_begin(two_waiters);
    eddy_group_spawn(co, &self->group, child, .name = "a", .sleep = 100 * MS);
    self->other = eddy_spawn(co, wait_for_group_of_other, .group = &self->group);
    eddy_await(eddy_sleep(co, 10 * MS));
    eddy_catch(self->rc, eddy_group_wait(co, &self->group));
    assert_int_equal(self->rc, -EBUSY);
    eddy_await(eddy_join(co, self->other));
    testing_log_at("wait", "");
    eddy_end;
}

test(a_second_waiter_is_refused)
{
    assert_int_equal(testing_run_task(two_waiters), 0);
    testing_assert_log("a@100 wait@100");
}

eddy_frame(spawn_more) {
    eddy_coro co;
    eddy_group *group;
    int more;
};

static void spawn_more(eddy_coro *co)
{
    eddy_begin(spawn_more);
    eddy_await(eddy_sleep(co, 10 * MS));
    testing_log_at("s", "");
    if (self->more > 0) {
        eddy_group_spawn(co, self->group, spawn_more, .group = self->group, .more = self->more - 1);
    }
    eddy_end;
}

eddy_frame(growing) {
    eddy_coro co;
    eddy_group group;
};

static void growing(eddy_coro *co)
{
    eddy_begin(growing);
    eddy_group_spawn(co, &self->group, spawn_more, .group = &self->group, .more = 2);
    eddy_await(eddy_group_wait(co, &self->group));
    testing_log_at("wait", "");
    eddy_end;
}

test(a_child_may_spawn_into_its_own_group)
{
    assert_int_equal(testing_run_task(growing), 0);
    testing_assert_log("s@10 s@20 s@30 wait@30");
}

eddy_frame(owned) {
    eddy_coro co;
    eddy_group group;
    eddy_task first;
    int64_t rc;
};

static void owned(eddy_coro *co)
{
    eddy_begin(owned);
    self->first = eddy_group_spawn(co, &self->group, child, .name = "a", .sleep = 10 * MS);
    eddy_catch(self->rc, eddy_join(co, self->first));
    assert_int_equal(self->rc, -EBUSY);
    assert_int_equal(eddy_detach(self->first), -EBUSY);
    assert_false(eddy_task_done(self->first));
    eddy_await(eddy_group_wait(co, &self->group));
    assert_true(eddy_task_done(self->first));
    assert_int_equal(eddy_cancel(self->first), -ESRCH);
    eddy_end;
}

test(a_child_belongs_to_its_group_and_is_neither_joined_nor_detached)
{
    assert_int_equal(testing_run_task(owned), 0);
    testing_assert_log("a@10");
}

/* ---- where it began */

static int line_of_the_error;

eddy_frame(deep_failure) {
    eddy_coro co;
    int depth;
};

static void deep_failure(eddy_coro *co)
{
    eddy_begin(deep_failure);
    if (self->depth > 0) {
        eddy_await(eddy_call(co, deep_failure, .depth = self->depth - 1));
    }
    eddy_await(eddy_sleep(co, 10 * MS));
    line_of_the_error = __LINE__ + 1;
    eddy_return(-EBADMSG);
    eddy_end;
}

eddy_frame(family_of_failure) {
    eddy_coro co;
    eddy_group group;
};

static void family_of_failure(eddy_coro *co)
{
    eddy_begin(family_of_failure);
    eddy_group_spawn(co, &self->group, deep_failure, .depth = 3);
    eddy_group_spawn(co, &self->group, child, .name = "a", .sleep = 300 * MS);
    eddy_await(eddy_group_wait(co, &self->group));
    eddy_end;
}

test(the_report_of_a_child_s_error_names_where_it_began)
{
    char where[64];

    eddy_detach(eddy_loop_spawn(testing.loop, family_of_failure));
    testing_run();
    testing_assert_log("a!@10");
    snprintf(where, sizeof where, "test_group.c:%d: deep_failure: ", line_of_the_error);
    assert_int_equal(testing.errors.count, 1);
    assert_int_equal(testing.errors.code, -EBADMSG);
    assert_non_null(strstr(testing.errors.text, where));
    testing.errors.count = 0;
}

/* ---- freeing the loop */

test(freeing_the_loop_cancels_a_group_and_runs_its_cleanups)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .cleanup = 50 * MS},
        {.name = "b", .sleep = 200 * MS},
    };

    eddy_detach(eddy_loop_spawn(testing.loop, family, .children = two, .count = 2));
    testing_turns();
    testing_free();
    testing_assert_log("a!@0 b!@0 a~@50 wait@50");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(children_run_side_by_side_and_the_wait_ends_with_the_last),
        testing_case(children_start_in_the_order_of_their_spawns),
        testing_case(values_of_children_are_dropped),
        testing_case(an_empty_group_is_waited_for_at_once),
        testing_case(a_group_whose_children_have_ended_is_waited_for_at_once),
        testing_case(a_thousand_children_are_waited_for),
        testing_case(the_first_error_cancels_the_siblings_and_is_returned_when_all_have_ended),
        testing_case(an_error_cancels_the_siblings_also_when_nobody_waits_yet),
        testing_case(a_sibling_that_has_not_started_never_runs_when_one_fails),
        testing_case(the_first_error_in_time_wins),
        testing_case(an_error_that_comes_second_is_reported_for_nobody_collects_it),
        testing_case(a_child_that_is_cancelled_on_its_own_is_no_failure),
        testing_case(a_cancel_of_the_wait_cancels_all_and_waits_for_their_cleanups),
        testing_case(a_time_out_of_the_wait_cancels_all_and_waits_for_their_cleanups),
        testing_case(an_error_that_came_before_the_cancel_is_what_the_wait_returns),
        testing_case(an_error_of_a_cleanup_after_the_cancel_is_what_the_wait_returns),
        testing_case(an_error_after_the_cancel_does_not_cancel_the_others_a_second_time),
        testing_case(cancelling_the_group_is_no_failure_of_its_wait),
        testing_case(a_spawn_that_fails_for_want_of_memory_fails_the_group),
        testing_case(a_group_that_is_being_cancelled_takes_no_more_tasks),
        testing_case(a_group_may_be_used_again_after_its_wait_whatever_that_returned),
        testing_case(a_second_waiter_is_refused),
        testing_case(a_child_may_spawn_into_its_own_group),
        testing_case(a_child_belongs_to_its_group_and_is_neither_joined_nor_detached),
        testing_case(the_report_of_a_child_s_error_names_where_it_began),
        testing_case(freeing_the_loop_cancels_a_group_and_runs_its_cleanups),
        testing_case(a_first_cancel_of_a_group_that_has_failed_is_not_passed_on_again),
        testing_case(a_second_cancel_of_it_reaches_a_task_that_has_swallowed_the_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
