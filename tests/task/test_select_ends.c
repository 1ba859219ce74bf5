/* select.h: what takes time to be given up, cancels and deadlines, errors, no memory, and the end of the loop. */
#include "support/children.h"

#include "eddy/error.h"
#include "eddy/event.h"
#include "eddy/gather.h"
#include "eddy/lock.h"
#include "eddy/look.h"
#include "eddy/queue.h"
#include "eddy/select.h"
#include "support/tasks.h"

static eddy_event event;
static eddy_queue queue;
static eddy_lock lock;
static eddy_cond cond;
static int item;
static int64_t results[4];

static int setup(void **state)
{
    int result = testing_setup(state);

    memset(&queue, 0, sizeof queue);
    assert_int_equal(eddy_queue_init(testing.loop, &queue, int, .capacity = 4), 0);
    eddy_event_init(&event);
    eddy_lock_init(&lock);
    eddy_cond_init(&cond, &lock);
    memset(results, 0, sizeof results);
    return result;
}

static int teardown(void **state)
{
    eddy_queue_fini(&queue);
    return testing_teardown(state);
}

static void put(int number)
{
    assert_int_equal(eddy_queue_try_put(&queue, &number), 0);
}

/* Logs a result, and the loop's time in ms. */
static void log_result(const char *name, int64_t result)
{
    testing_log_result(name, result);
    testing_log_at("", "");
}

/* Selects among a child that it calls, a get and an event, for `limit` at most; then pauses. */
eddy_frame(calls) {
    eddy_coro co;
    struct child child; /* its arguments */
    int64_t limit;      /* 0: none */
    int64_t rc;
};

static void calls(eddy_coro *co)
{
    eddy_begin(calls);
    eddy_catch(
        self->rc,
        eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                      eddy_select(co, results, eddy_call(co, CHILD_LIKE(&self->child)),
                                  eddy_queue_get(co, &queue, &item), eddy_event_wait(co, &event))));
    log_result("picked", self->rc);
    eddy_catch(self->rc, eddy_pause(co));
    if (self->rc < 0) {
        log_result("next", self->rc);
    }
    eddy_end;
}

#define start_calls(...) start(calls, .child = {.name = "a", __VA_ARGS__})

static void assert_results(int64_t a, int64_t b, int64_t c)
{
    assert_int_equal(results[0], a);
    assert_int_equal(results[1], b);
    assert_int_equal(results[2], c);
}

/* ---- coroutines */

test(a_coroutine_that_wins)
{
    assert_int_equal(finish(start_calls(.sleep = 50 * MS, .result = 7)), 0);
    testing_assert_log("a@50 picked=0 @50");
    assert_results(7, -ECANCELED, -ECANCELED);
}

test(a_coroutine_that_does_not_win_is_cancelled_and_waited_for)
{
    eddy_task task = start_calls(.sleep = 50 * MS, .cleanup = 20 * MS);

    testing_turns();
    put(5);
    assert_int_equal(finish(task), 0);
    testing_assert_log("a!@0 a~@20 picked=1 @20");
    assert_results(-ECANCELED, 0, -ECANCELED);
}

test(a_coroutine_that_ends_all_the_same_has_its_result_told)
{
    eddy_task task = start_calls(.sleep = 50 * MS, .stubborn = 20 * MS, .result = 7);

    testing_turns();
    put(5);
    assert_int_equal(finish(task), 0);
    testing_assert_log("a!@0 a@20 picked=1 @20");
    assert_results(7, 0, -ECANCELED);
}

test(a_coroutine_that_fails_when_another_has_won_is_told)
{
    eddy_task task = start_calls(.sleep = 50 * MS, .stubborn = 20 * MS, .result = -EPIPE);

    testing_turns();
    put(5);
    assert_int_equal(finish(task), 0);
    testing_assert_log("a!@0 a@20 picked=1 @20");
    assert_results(-EPIPE, 0, -ECANCELED);
    assert_told(-EPIPE, "failed when another operation of its select had ended");
}

test(a_coroutine_behind_one_that_ends_at_once_is_never_called)
{
    eddy_event_set(&event);
    put(5);
    assert_int_equal(finish(start_calls(.sleep = 50 * MS)), 0);
    testing_assert_log("picked=1 @0"); /* the call was begun, and never ran */
    assert_results(-ECANCELED, 0, -ECANCELED);
}

/* ---- cancels and deadlines */

test(a_cancel_ends_all_and_takes_nothing)
{
    eddy_task task = start_calls(.sleep = 50 * MS, .cleanup = 20 * MS);

    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    put(5);
    assert_int_equal(finish(task), 0);
    testing_assert_log("a!@0 a~@20 picked=-ECANCELED @20");
    assert_int_equal(eddy_queue_count(&queue), 1);
}

test(a_result_before_a_cancel_stands_and_the_cancel_comes_next)
{
    eddy_task task = start_calls(.sleep = 50 * MS);

    testing_turns();
    put(5);
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), 0);
    testing_assert_log("a!@0 picked=1 @0 next=-ECANCELED @0");
}

test(what_ends_with_a_value_in_spite_of_a_cancel_is_the_result)
{
    eddy_task task = start_calls(.sleep = 50 * MS, .stubborn = 20 * MS, .result = 7);

    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), 0);
    testing_assert_log("a!@0 a@20 picked=0 @20 next=-ECANCELED @20");
    assert_results(7, -ECANCELED, -ECANCELED);
}

test(a_second_cancel_is_passed_on_too)
{
    eddy_task task = start_calls(.sleep = 50 * MS, .stubborn = 20 * MS, .result = 7);

    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), 0);
    testing_assert_log("a!@0 picked=-ECANCELED @0");
}

test(a_deadline_over_a_select)
{
    eddy_task task = start_calls(.sleep = 50 * MS, .cleanup = 20 * MS);

    assert_int_equal(finish(task), 0);
    testing_assert_log("a@50 a~@70 picked=0 @70");
    assert_int_equal(
        finish(start(calls, .child = {.name = "a", .sleep = 50 * MS, .cleanup = 20 * MS},
                     .limit = 30 * MS)),
        0);
    testing_assert_log("a!@100 a~@120 picked=-ETIMEDOUT @120");
}

eddy_frame_of(pends, eddy_task child, int64_t rc);

static void pends(eddy_coro *co)
{
    eddy_begin(pends);
    self->child = eddy_spawn(co, child, .name = "a", .sleep = 50 * MS, .cleanup = 20 * MS);
    eddy_await(eddy_sleep(co, 10 * MS));
    eddy_cancel(eddy_task_self(co));
    eddy_catch(self->rc, eddy_select(co, results, eddy_queue_get(co, &queue, &item),
                                     eddy_join(co, self->child)));
    log_result("picked", self->rc);
    eddy_end;
}

test(a_cancel_before_it_reaches_what_is_joined_and_takes_nothing)
{
    put(5);
    assert_int_equal(run(pends), 0);
    testing_assert_log("a!@10 a~@30 picked=-ECANCELED @30");
    assert_int_equal(eddy_queue_count(&queue), 1);
}

test(a_deadline_before_it_is_a_time_out)
{
    put(5);
    assert_int_equal(finish(start(calls, .child = {.name = "a", .sleep = 50 * MS}, .limit = -1)),
                     0);
    testing_assert_log("picked=1 @0"); /* no limit: the get is there */
}

/* ---- tasks */

eddy_frame_of(joins, eddy_task child, bool shields, int64_t rc);

static void joins(eddy_coro *co)
{
    eddy_begin(joins);
    self->child = eddy_spawn(co, child, .name = "a", .sleep = 50 * MS, .result = 7);
    eddy_catch(self->rc, eddy_select(co, results,
                                     self->shields ? eddy_shield(co, self->child)
                                                   : eddy_join(co, self->child),
                                     eddy_sleep(co, 20 * MS)));
    log_result("picked", self->rc);
    eddy_catch(self->rc, eddy_join(co, self->child));
    log_result("joined", self->rc);
    eddy_end;
}

test(a_join_that_does_not_win_cancels_and_a_shield_leaves_it)
{
    assert_int_equal(run(joins, .shields = false), 0);
    testing_assert_log("a!@20 picked=1 @20 joined=-3 @20");
    assert_int_equal(run(joins, .shields = true), 0);
    testing_assert_log("picked=1 @40 a@70 joined=7 @70");
}

eddy_frame_of(waits_twice, eddy_task child, bool joins, int64_t rc);

static void waits_twice(eddy_coro *co)
{
    eddy_begin(waits_twice);
    self->child = eddy_spawn(co, child, .name = "a", .sleep = 20 * MS, .result = 7);
    eddy_catch(self->rc,
               eddy_select(co, results,
                           self->joins ? eddy_join(co, self->child) : eddy_shield(co, self->child),
                           eddy_task_wait(co, self->child)));
    log_result("picked", self->rc);
    eddy_catch(self->rc, eddy_join(co, self->child));
    log_result("joined", self->rc);
    eddy_end;
}

test(two_waits_for_one_task)
{
    assert_int_equal(run(waits_twice, .joins = false), 0);
    testing_assert_log("a@20 picked=1 @20 joined=7 @20");
    assert_results(-ECANCELED, 7, 0);
    assert_int_equal(run(waits_twice, .joins = true), 0); /* it has ended, and cannot let go */
    testing_assert_log("a@40 picked=1 @40 joined=-3 @40");
    assert_results(7, 7, 0);
}

eddy_frame_of(joins_itself, int64_t rc);

static void joins_itself(eddy_coro *co)
{
    eddy_begin(joins_itself);
    eddy_catch(self->rc, eddy_select(co, results, eddy_event_wait(co, &event),
                                     eddy_join(co, eddy_task_self(co))));
    log_result("picked", self->rc);
    eddy_end;
}

test(a_task_that_would_wait_for_itself)
{
    assert_int_equal(run(joins_itself), 0);
    testing_assert_log("picked=-35 @0");
}

eddy_frame_of(waits_for_condition, int64_t rc);

static void waits_for_condition(eddy_coro *co)
{
    eddy_begin(waits_for_condition);
    eddy_await(eddy_lock_acquire(co, &lock));
    eddy_catch(self->rc,
               eddy_select(co, results, eddy_cond_wait(co, &cond), eddy_sleep(co, 20 * MS)));
    log_result("picked", self->rc);
    testing_log("%s", eddy_lock_release(co, &lock) == 0 ? "held" : "not held");
    eddy_end;
}

test(a_condition_that_does_not_win_has_its_lock_back)
{
    assert_int_equal(run(waits_for_condition), 0);
    testing_assert_log("picked=1 @20 held");
}

eddy_frame_of(waits_for_event, int64_t rc);

static void waits_for_event(eddy_coro *co)
{
    eddy_begin(waits_for_event);
    eddy_await(eddy_event_wait(co, &event));
    eddy_end;
}

eddy_frame_of(limits_a_join, eddy_task child, int64_t rc);

static void limits_a_join(eddy_coro *co)
{
    eddy_begin(limits_a_join);
    self->child = eddy_spawn(co, child, .name = "a", .sleep = EDDY_SECOND, .cleanup = 50 * MS);
    eddy_catch(self->rc,
               eddy_select(co, results, eddy_wait_for(co, 10 * MS, eddy_join(co, self->child)),
                           eddy_sleep(co, 20 * MS)));
    log_result("picked", self->rc);
    eddy_end;
}

test(one_that_was_timed_out_already_and_did_not_win_is_cancelled)
{
    assert_int_equal(run(limits_a_join), 0);
    testing_assert_log("a!@10 a~@60 picked=1 @60");
    assert_results(-ECANCELED, 0,
                   0); /* a time-out, then a cancel: that stays one, and is not told */
}

/* A wait in a line whose abort hands over to the next in it, as a turnstile would. */
static struct eddy_waiters turnstile;

static int hand_over(struct eddy_task_record *task)
{
    struct eddy_task_record *first = eddy_waiters_first(&turnstile);

    if (first != NULL && first != task) {
        eddy_wake(first, 0);
    }
    return 1;
}

static const struct eddy_wait_kind turnstile_kind = {.name = "turnstile", .abort = hand_over};

EDDY_MUST_USE static int64_t pass_turnstile(eddy_coro *co)
{
    int64_t result = eddy_check(co);

    return result < 0 ? result : eddy_park(co, &turnstile_kind, &turnstile, &turnstile);
}

eddy_frame_of(passes_or_joins, eddy_task child, int64_t rc);

static void passes_or_joins(eddy_coro *co)
{
    eddy_begin(passes_or_joins);
    self->child = eddy_spawn(co, waits_for_event, .rc = 0);
    eddy_catch(self->rc, eddy_select(co, results, pass_turnstile(co), eddy_join(co, self->child)));
    log_result("picked", self->rc);
    eddy_end;
}

eddy_frame_of(only_passes, int64_t rc);

static void only_passes(eddy_coro *co)
{
    eddy_begin(only_passes);
    eddy_catch(self->rc, pass_turnstile(co));
    log_result("passed", self->rc);
    eddy_end;
}

test(one_may_win_by_the_abort_of_another_wait_in_a_line)
{
    eddy_task first = start(passes_or_joins);
    eddy_task second = start(only_passes);

    testing_turns();
    assert_int_equal(eddy_cancel(second),
                     0); /* hands over, which cancels who waits for the event */
    assert_int_equal(finish(first), 0);
    assert_int_equal(finish(second), 0);
    testing_assert_log("passed=-ECANCELED @0 picked=0 @0");
    assert_results(0, -ECANCELED, 0);
}

/* ---- in a cleanup */

eddy_frame_of(cleans_up, int64_t rc);

static void cleans_up(eddy_coro *co)
{
    eddy_begin(cleans_up);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
eddy_finally:
    eddy_catch(self->rc,
               eddy_select(co, results, eddy_call(co, child, .name = "a", .sleep = 50 * MS),
                           eddy_sleep(co, 20 * MS), eddy_event_wait(co, &event)));
    log_result("picked", self->rc);
    eddy_end;
}

test(in_a_cleanup_the_others_are_cancelled_as_ever)
{
    eddy_task task = start(cleans_up);

    assert_int_equal(testing_run_and_cancel(task, 10 * MS), -ECANCELED);
    testing_assert_log("a!@30 picked=1 @30");
    assert_results(-ECANCELED, 0, -ECANCELED);
}

/* ---- errors */

eddy_frame_of(fails, int64_t rc);

static void fails(eddy_coro *co)
{
    eddy_begin(fails);
    eddy_await(eddy_pause(co));
    eddy_fail(co, -EBADMSG, "item %d is broken", 7);
    eddy_end;
}

eddy_frame_of(meets_error, int64_t rc);

static void meets_error(eddy_coro *co)
{
    eddy_begin(meets_error);
    eddy_try(self->rc) {
        eddy_await(eddy_select(co, results, eddy_event_wait(co, &event), eddy_call(co, fails)));
    }
    log_result("caught", self->rc);
    testing_log("%s", eddy_error(co)->text);
    eddy_end;
}

test(an_error_that_wins_is_raised_with_its_text)
{
    assert_int_equal(run(meets_error), 0);
    testing_assert_log("caught=-74 @0 item 7 is broken");
    assert_int_equal(results[1], -EBADMSG);
}

eddy_frame_of(has_no_memory, int64_t rc);

static void has_no_memory(eddy_coro *co)
{
    eddy_begin(has_no_memory);
    use_up_memory();
    eddy_catch(self->rc, eddy_select(co, results, eddy_event_wait(co, &event),
                                     eddy_queue_get(co, &queue, &item)));
    testing_fail_allocation(0);
    log_result("picked", self->rc);
    eddy_end;
}

test(no_memory_for_a_select_is_its_error)
{
    assert_int_equal(run(has_no_memory), 0);
    testing_assert_log("picked=-12 @0");
}

/* ---- seen from outside */

test(the_dump_says_what_each_waits_for)
{
    eddy_task task = start_calls(.sleep = 50 * MS);
    const struct eddy_wait_kind *wait;
    char text[120];

    testing_turns();
    wait = task.record->wait;
    assert_string_equal(wait->name, "select");
    wait->describe(task.record, text, sizeof text);
    assert_string_equal(text, "child | queue 0 of 4 items, to get | event");
    wait->describe(task.record, text, 20);
    assert_string_equal(text, "child | queue 0 of ");
    eddy_event_set(&event);
    assert_int_equal(finish(task), 0);
    testing.log[0] = '\0';
}

static void count(const struct eddy_task_info *info, void *user)
{
    (void)info;
    ++*(int *)user;
}

test(operations_are_no_tasks_but_coroutines_are)
{
    eddy_task task = start_calls(.sleep = 50 * MS);
    int tasks = 0;

    testing_turns();
    eddy_loop_inspect(testing.loop, count, &tasks);
    assert_int_equal(tasks, 2);
    assert_int_equal(eddy_loop_check(testing.loop), 0);
    assert_int_equal(finish(task), 0);
    testing.log[0] = '\0';
}

test(the_end_of_the_loop_cancels_it)
{
    (void)start_calls(.sleep = 50 * MS, .cleanup = 20 * MS);
    testing_turns();
    testing_free();
    testing_assert_log("a!@0 a~@20 picked=-ECANCELED @20");
}

test(the_end_of_the_loop_cuts_it_off)
{
    (void)start(calls, .child = {.name = "a", .sleep = 50 * MS, .cleanup = EDDY_FOREVER / 4});
    testing_turns();
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    testing.errors.count = 0; /* of each task that was cut off */
    testing_assert_log("a!@0");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_coroutine_that_wins),
        CASE(a_coroutine_that_does_not_win_is_cancelled_and_waited_for),
        CASE(a_coroutine_that_ends_all_the_same_has_its_result_told),
        CASE(a_coroutine_that_fails_when_another_has_won_is_told),
        CASE(a_coroutine_behind_one_that_ends_at_once_is_never_called),
        CASE(a_cancel_ends_all_and_takes_nothing),
        CASE(a_result_before_a_cancel_stands_and_the_cancel_comes_next),
        CASE(what_ends_with_a_value_in_spite_of_a_cancel_is_the_result),
        CASE(a_second_cancel_is_passed_on_too),
        CASE(a_deadline_over_a_select),
        CASE(a_cancel_before_it_reaches_what_is_joined_and_takes_nothing),
        CASE(a_deadline_before_it_is_a_time_out),
        CASE(a_join_that_does_not_win_cancels_and_a_shield_leaves_it),
        CASE(two_waits_for_one_task),
        CASE(a_task_that_would_wait_for_itself),
        CASE(a_condition_that_does_not_win_has_its_lock_back),
        CASE(one_that_was_timed_out_already_and_did_not_win_is_cancelled),
        CASE(one_may_win_by_the_abort_of_another_wait_in_a_line),
        CASE(in_a_cleanup_the_others_are_cancelled_as_ever),
        CASE(an_error_that_wins_is_raised_with_its_text),
        CASE(no_memory_for_a_select_is_its_error),
        CASE(the_dump_says_what_each_waits_for),
        CASE(operations_are_no_tasks_but_coroutines_are),
        CASE(the_end_of_the_loop_cancels_it),
        CASE(the_end_of_the_loop_cuts_it_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
