/* gather.h: waiting for several tasks. */
#include "support/children.h"

#include <string.h>

#include "eddy/deadline.h"
#include "eddy/gather.h"

enum { MOST = 1000 };

#define count_of(array) ((int)(sizeof(array) / sizeof *(array)))

/* Spawns the children, sleeps `before`, and gathers them, within `limit` if that is set. */
eddy_frame(gathering) {
    eddy_coro co;
    const struct child *children;
    int count;
    int64_t before;
    int64_t limit;
    eddy_task tasks[8];
    int i;
    int64_t rc;
};

static void gathering(eddy_coro *co)
{
    eddy_begin(gathering);
    for (self->i = 0; self->i < self->count; self->i++) {
        self->tasks[self->i] = eddy_spawn(co, CHILD_LIKE(&self->children[self->i]));
    }
    eddy_await(eddy_sleep(co, self->before));
    eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                       eddy_gather(co, self->tasks, (size_t)self->count)));
    testing_log_at("gather", "");
    for (self->i = 0; self->i < self->count; self->i++) {
        assert_int_equal(eddy_task_result(self->tasks[self->i]), -ESRCH); /* consumed */
    }
    eddy_return(self->rc);
    eddy_end;
}

#define run_gathering(array) run_gathering_with(array, .before = 0)
#define run_gathering_with(array, ...) \
    testing_run_task(gathering, .children = array, .count = count_of(array), __VA_ARGS__)

/* ---- success */

test(a_gather_ends_with_the_last_task)
{
    const struct child three[] = {
        {.name = "a", .sleep = 300 * MS, .result = 1},
        {.name = "b", .sleep = 100 * MS, .result = 2},
        {.name = "c", .sleep = 200 * MS, .result = 3},
    };

    assert_int_equal(run_gathering(three), 0);
    testing_assert_log("b@100 c@200 a@300 gather@300");
}

test(no_tasks_are_gathered_at_once)
{
    assert_int_equal(testing_run_task(gathering, .count = 0), 0);
    testing_assert_log("gather@0");
}

test(tasks_that_have_ended_are_gathered_at_once)
{
    const struct child two[] = {{.name = "a"}, {.name = "b"}};

    assert_int_equal(run_gathering_with(two, .before = 100 * MS), 0);
    testing_assert_log("a@0 b@0 gather@100");
}

test(tasks_that_have_ended_and_tasks_that_run_are_gathered_together)
{
    const struct child two[] = {{.name = "a"}, {.name = "b", .sleep = 200 * MS}};

    assert_int_equal(run_gathering_with(two, .before = 100 * MS), 0);
    testing_assert_log("a@0 b@200 gather@200");
}

eddy_frame(gather_many) {
    eddy_coro co;
    eddy_task tasks[MOST];
    int i;
    unsigned allocations;
};

static void gather_many(eddy_coro *co)
{
    eddy_begin(gather_many);
    for (self->i = 0; self->i < MOST; self->i++) {
        self->tasks[self->i] = eddy_spawn(co, cancel_later, .sleep = (MOST - self->i) * MS);
    }
    eddy_await(eddy_pause(co)); /* now all of them sleep */
    self->allocations = testing.memory.calls;
    eddy_await(eddy_gather(co, self->tasks, MOST));
    assert_int_equal(testing.memory.calls, self->allocations);
    eddy_end;
}

test(a_thousand_tasks_are_gathered_without_memory)
{
    assert_int_equal(testing_run_task(gather_many), 0);
    assert_int_equal(testing.clock.now, MOST * MS);
}

/* ---- failure */

test(the_first_error_in_time_cancels_the_others_and_is_returned_when_they_have_ended)
{
    const struct child three[] = {
        {.name = "a", .sleep = 300 * MS, .result = -EPERM, .cleanup = 50 * MS},
        {.name = "b", .sleep = 100 * MS, .result = -EIO},
        {.name = "c", .sleep = 200 * MS, .result = -ENOENT, .cleanup = 20 * MS},
    };

    assert_int_equal(run_gathering(three), -EIO);
    testing_assert_log("b@100 a!@100 c!@100 c~@120 a~@150 gather@150");
}

eddy_frame_of(gathers_twice, const struct child *first, const struct child *second, int64_t rc);

static void gathers_twice(eddy_coro *co)
{
    eddy_begin(gathers_twice);
    eddy_catch(self->rc, eddy_call(co, gathering, .children = self->first, .count = 2));
    assert_int_equal(self->rc, -EIO);
    eddy_await(eddy_call(co, gathering, .children = self->second, .count = 2));
    eddy_end;
}

test(a_gather_that_failed_leaves_nothing_for_the_next_of_the_same_task)
{
    const struct child first[] = {{.name = "a", .result = -EIO}, {.name = "b", .sleep = 100 * MS}};
    const struct child second[] = {{.name = "c"}, {.name = "d", .sleep = 100 * MS}};

    assert_int_equal(testing_run_task(gathers_twice, .first = first, .second = second), 0);
    testing_assert_log("a@0 b!@0 gather@0 c@0 d@100 gather@100");
}

test(a_task_that_had_failed_before_cancels_the_others)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .cleanup = 50 * MS},
        {.name = "b", .sleep = 10 * MS, .result = -EIO},
    };

    assert_int_equal(run_gathering_with(two, .before = 100 * MS), -EIO);
    testing_assert_log("b@10 a!@100 a~@150 gather@150");
}

test(tasks_that_have_all_failed_before_give_their_first_error_at_once)
{
    const struct child two[] = {{.name = "a"}, {.name = "b", .result = -EIO}};

    assert_int_equal(run_gathering_with(two, .before = 100 * MS), -EIO);
    testing_assert_log("a@0 b@0 gather@100");
}

test(a_task_that_is_cancelled_from_outside_fails_the_gather)
{
    const struct child one[] = {{.name = "a", .sleep = 300 * MS, .result = -ECANCELED}};

    assert_int_equal(run_gathering(one), -ECANCELED);
    testing_assert_log("a@300 gather@300");
}

test(an_error_that_comes_second_is_reported_for_nobody_collects_it)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .stubborn = 1 * MS, .result = -ENOENT},
        {.name = "b", .sleep = 100 * MS, .result = -EIO},
    };

    assert_int_equal(run_gathering(two), -EIO);
    testing_assert_log("b@100 a!@100 a@101 gather@101");
    assert_int_equal(testing.errors.count, 1);
    assert_int_equal(testing.errors.code, -ENOENT);
    testing.errors.count = 0;
}

test(two_errors_that_both_say_that_the_peer_is_gone_are_one)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .stubborn = 1 * MS, .result = -ENOTCONN},
        {.name = "b", .sleep = 100 * MS, .result = -ECONNRESET},
    };

    assert_int_equal(run_gathering(two), -ECONNRESET);
    testing_assert_log("b@100 a!@100 a@101 gather@101");
    assert_int_equal(testing.errors.count, 0);
}

/* ---- spawns that failed */

eddy_frame(gather_failed_spawn) {
    eddy_coro co;
    bool with_a_task;
    eddy_task tasks[3];
    int64_t rc;
};

static void gather_failed_spawn(eddy_coro *co)
{
    eddy_begin(gather_failed_spawn);
    self->tasks[0] = eddy_spawn(co, child, .name = "a", .sleep = 300 * MS, .cleanup = 50 * MS);
    self->tasks[1] = testing_failed_spawn();
    self->tasks[2] = eddy_spawn(co, child, .name = "c", .cleanup = 50 * MS);
    eddy_await(eddy_sleep(co, 100 * MS));
    eddy_catch(self->rc, eddy_gather(co, self->tasks + !self->with_a_task, 2));
    testing_log_at("gather", "");
    if (!self->with_a_task) {
        eddy_cancel(self->tasks[0]);
        eddy_detach(self->tasks[0]);
    } else {
        eddy_await(eddy_join(co, self->tasks[2]));
    }
    eddy_return(self->rc);
    eddy_end;
}

test(a_failed_spawn_cancels_the_others_and_is_the_error)
{
    assert_int_equal(testing_run_task(gather_failed_spawn, .with_a_task = true), -ENOMEM);
    testing_assert_log("c@0 c~@50 a!@100 a~@150 gather@150");
}

test(a_failed_spawn_among_tasks_that_have_ended_is_the_error_at_once)
{
    assert_int_equal(testing_run_task(gather_failed_spawn, .with_a_task = false), -ENOMEM);
    testing_assert_log("c@0 c~@50 gather@100");
    testing_free();
    testing_assert_log("a!@100 a~@150");
}

eddy_frame(gather_without_memory) {
    eddy_coro co;
    eddy_task tasks[100];
    int i;
};

static void gather_without_memory(eddy_coro *co)
{
    eddy_begin(gather_without_memory);
    testing_fail_allocations_from(1);
    for (self->i = 0; self->i < 100; self->i++) {
        self->tasks[self->i] = eddy_spawn(co, child, .name = "b", .sleep = 200 * MS);
    }
    testing_fail_allocation(0);
    eddy_await(eddy_gather(co, self->tasks, 100));
    eddy_end;
}

test(spawns_without_memory_need_no_check_for_the_gather_returns_the_error)
{
    assert_int_equal(testing_run_task(gather_without_memory), -ENOMEM);
    testing_assert_log(""); /* those that could be spawned were cancelled before they began */
}

/* ---- handles that cannot be gathered */

eddy_frame(join_it) {
    eddy_coro co;
    eddy_task task;
};

static void join_it(eddy_coro *co)
{
    eddy_begin(join_it);
    eddy_await(eddy_join(co, self->task));
    eddy_end;
}

enum odd { GONE, NO_TASK, MYSELF, JOINED_BY_OTHER, DETACHED, TWICE };

eddy_frame(gather_odd) {
    eddy_coro co;
    enum odd odd;
    size_t place;
    eddy_task good;
    eddy_task other;
    eddy_task tasks[3];
    eddy_task joiner;
    int64_t rc;
};

/* Makes the odd handle. */
static eddy_task odd_handle(eddy_coro *co, struct gather_odd *self)
{
    eddy_task none = {NULL, 0};

    switch (self->odd) {
    case GONE:
        eddy_cancel(self->other);
        eddy_detach(self->other);
        break;
    case NO_TASK:
        return none;
    case MYSELF:
        return eddy_task_self(co);
    case JOINED_BY_OTHER:
        self->joiner = eddy_spawn(co, join_it, .task = self->other);
        break;
    case DETACHED:
        eddy_detach(self->other);
        break;
    case TWICE:
        return self->good;
    }
    return self->other;
}

static void gather_odd(eddy_coro *co)
{
    eddy_begin(gather_odd);
    self->good = eddy_spawn(co, child, .name = "good", .sleep = 300 * MS);
    self->other = eddy_spawn(co, child, .name = "other", .sleep = 300 * MS);
    self->tasks[0] = self->tasks[1] = self->tasks[2] = self->good;
    self->tasks[self->place] = odd_handle(co, self);
    self->tasks[(self->place + 1) % 2] = self->good;
    eddy_await(eddy_sleep(co, 100 * MS));
    eddy_catch(self->rc, eddy_gather(co, self->tasks, 2));
    testing_log_at("gather", "");
    eddy_await(eddy_join(co, self->good)); /* nobody has it, nobody has cancelled it */
    if (self->odd == JOINED_BY_OTHER) {
        eddy_await(eddy_join(co, self->joiner));
    } else {
        (void)eddy_detach(self->other);
    }
    eddy_return(self->rc);
    eddy_end;
}

static void assert_refused(enum odd odd, int error, const char *log)
{
    for (size_t place = 0; place < 2; place++) {
        assert_int_equal(testing_run_task(gather_odd, .odd = odd, .place = place), error);
        testing_run();
        testing_assert_log(log);
        testing_reopen();
        testing.clock.now = 0;
    }
}

test(a_task_that_is_gone_refuses_the_gather_and_leaves_all_untouched)
{
    assert_refused(GONE, -ESRCH, "gather@100 good@300");
}

test(a_handle_of_no_task_refuses_the_gather_and_leaves_all_untouched)
{
    assert_refused(NO_TASK, -ESRCH, "gather@100 good@300 other@300");
}

test(the_gatherer_itself_refuses_the_gather_and_leaves_all_untouched)
{
    assert_refused(MYSELF, -EDEADLK, "gather@100 good@300 other@300");
}

test(a_task_that_another_joins_refuses_the_gather_and_leaves_all_untouched)
{
    assert_refused(JOINED_BY_OTHER, -EBUSY, "gather@100 good@300 other@300");
}

test(a_detached_task_refuses_the_gather_and_leaves_all_untouched)
{
    assert_refused(DETACHED, -EBUSY, "gather@100 good@300 other@300");
}

test(a_task_that_is_in_the_array_twice_refuses_the_gather_and_leaves_all_untouched)
{
    assert_refused(TWICE, -EBUSY, "gather@100 good@300 other@300");
}

#if SIZE_MAX > UINT32_MAX
eddy_frame(gather_too_many) {
    eddy_coro co;
    eddy_task task;
    int64_t rc;
};

static void gather_too_many(eddy_coro *co)
{
    eddy_begin(gather_too_many);
    eddy_catch(self->rc, eddy_gather(co, &self->task, (size_t)UINT32_MAX + 1));
    eddy_return(self->rc);
    eddy_end;
}

test(more_tasks_than_can_be_counted_are_refused)
{
    assert_int_equal(testing_run_task(gather_too_many), -EINVAL);
}
#endif

/* ---- cancels and time-outs */

test(a_cancel_of_the_gather_cancels_all_and_waits_for_their_cleanups)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .cleanup = 50 * MS},
        {.name = "b", .sleep = 200 * MS},
    };
    eddy_task task = eddy_loop_spawn(testing.loop, gathering, .children = two, .count = 2);

    assert_int_equal(testing_run_and_cancel(task, 100 * MS), -ECANCELED);
    testing_assert_log("a!@100 b!@100 a~@150 gather@150");
}

test(a_time_out_of_the_gather_cancels_all_and_waits_for_their_cleanups)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .cleanup = 50 * MS},
        {.name = "b", .sleep = 200 * MS},
    };

    assert_int_equal(run_gathering_with(two, .limit = 100 * MS), -ETIMEDOUT);
    testing_assert_log("a!@100 b!@100 a~@150 gather@150");
}

test(children_that_all_swallow_the_cancel_give_their_result)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .stubborn = 30 * MS},
        {.name = "b", .sleep = 200 * MS, .stubborn = 20 * MS},
    };

    assert_int_equal(run_gathering_with(two, .limit = 100 * MS), 0);
    testing_assert_log("a!@100 b!@100 b@120 a@130 gather@130");
}

test(a_cancel_reaches_each_task_once_and_one_that_swallows_it_does_not_hide_it)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .stubborn = 30 * MS},
        {.name = "b", .sleep = 200 * MS},
    };

    assert_int_equal(run_gathering_with(two, .limit = 100 * MS), -ETIMEDOUT);
    testing_assert_log("a!@100 b!@100 a@130 gather@130");
}

test(a_sibling_that_swallows_the_cancel_does_not_hide_the_error)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .stubborn = 30 * MS},
        {.name = "b", .sleep = 100 * MS, .result = -EIO},
    };

    assert_int_equal(run_gathering(two), -EIO);
    testing_assert_log("b@100 a!@100 a@130 gather@130");
}

/* Runs a gather that fails at 100 ms, of which a task goes on until 1100; cancels it then. */
static void cancel_failed_gather(int64_t first, int64_t second)
{
    const struct child two[] = {
        {.name = "a", .sleep = 300 * MS, .stubborn = 1000 * MS},
        {.name = "b", .sleep = 100 * MS, .result = -EIO},
    };
    eddy_task task =
        eddy_loop_spawn(testing.loop, gathering, .children = two, .count = count_of(two));

    (void)eddy_detach(
        eddy_loop_spawn(testing.loop, cancel_later, .task = task, .sleep = first * MS));
    assert_int_equal(testing_run_and_cancel(task, second * MS), -EIO);
}

test(a_first_cancel_of_a_gather_that_has_failed_is_not_passed_on_again)
{
    cancel_failed_gather(200, 5000);
    testing_assert_log("b@100 a!@100 a@1100 gather@1100");
}

test(a_second_cancel_of_it_reaches_a_task_that_has_swallowed_the_first)
{
    cancel_failed_gather(200, 300);
    testing_assert_log("b@100 a!@100 gather@300");
}

/* ---- cycles */

static eddy_task first_of_the_cycle;

eddy_frame(gathers_who_joins_it) {
    eddy_coro co;
    eddy_task tasks[1];
};

static void gathers_who_joins_it(eddy_coro *co)
{
    eddy_begin(gathers_who_joins_it);
    first_of_the_cycle = eddy_task_self(co);
    self->tasks[0] = eddy_spawn(co, join_it, .task = first_of_the_cycle);
    eddy_await(eddy_gather(co, self->tasks, 1));
    eddy_end;
}

static int run_and_free_a_cycle(void *unused)
{
    int64_t result = testing_run_task(gathers_who_joins_it);

    (void)unused;
    (void)eddy_loop_free(testing.loop);
    return result == -EDEADLK || result == -EBUSY ? 0 : 1;
}

test(tasks_that_wait_for_each_other_are_told_and_can_be_freed)
{
    testing_expect_return(run_and_free_a_cycle, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_gather_ends_with_the_last_task),
        testing_case(no_tasks_are_gathered_at_once),
        testing_case(tasks_that_have_ended_are_gathered_at_once),
        testing_case(tasks_that_have_ended_and_tasks_that_run_are_gathered_together),
        testing_case(a_thousand_tasks_are_gathered_without_memory),
        testing_case(
            the_first_error_in_time_cancels_the_others_and_is_returned_when_they_have_ended),
        testing_case(a_gather_that_failed_leaves_nothing_for_the_next_of_the_same_task),
        testing_case(a_task_that_had_failed_before_cancels_the_others),
        testing_case(tasks_that_have_all_failed_before_give_their_first_error_at_once),
        testing_case(a_task_that_is_cancelled_from_outside_fails_the_gather),
        testing_case(an_error_that_comes_second_is_reported_for_nobody_collects_it),
        testing_case(two_errors_that_both_say_that_the_peer_is_gone_are_one),
        testing_case(a_failed_spawn_cancels_the_others_and_is_the_error),
        testing_case(a_failed_spawn_among_tasks_that_have_ended_is_the_error_at_once),
        testing_case(spawns_without_memory_need_no_check_for_the_gather_returns_the_error),
        testing_case(a_task_that_is_gone_refuses_the_gather_and_leaves_all_untouched),
        testing_case(a_handle_of_no_task_refuses_the_gather_and_leaves_all_untouched),
        testing_case(the_gatherer_itself_refuses_the_gather_and_leaves_all_untouched),
        testing_case(a_task_that_another_joins_refuses_the_gather_and_leaves_all_untouched),
        testing_case(a_detached_task_refuses_the_gather_and_leaves_all_untouched),
        testing_case(a_task_that_is_in_the_array_twice_refuses_the_gather_and_leaves_all_untouched),
#if SIZE_MAX > UINT32_MAX
        testing_case(more_tasks_than_can_be_counted_are_refused),
#endif
        testing_case(a_cancel_of_the_gather_cancels_all_and_waits_for_their_cleanups),
        testing_case(a_time_out_of_the_gather_cancels_all_and_waits_for_their_cleanups),
        testing_case(children_that_all_swallow_the_cancel_give_their_result),
        testing_case(a_cancel_reaches_each_task_once_and_one_that_swallows_it_does_not_hide_it),
        testing_case(a_sibling_that_swallows_the_cancel_does_not_hide_the_error),
        testing_case(a_first_cancel_of_a_gather_that_has_failed_is_not_passed_on_again),
        testing_case(a_second_cancel_of_it_reaches_a_task_that_has_swallowed_the_first),
        testing_case(tasks_that_wait_for_each_other_are_told_and_can_be_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
