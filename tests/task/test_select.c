/* select.h: which of several operations wins, what becomes of the others, and that nothing is lost of those. */
#include "support/children.h"

#include "eddy/error.h"
#include "eddy/event.h"
#include "eddy/io.h"
#include "eddy/lock.h"
#include "eddy/memory.h"
#include "eddy/queue.h"
#include "eddy/select.h"
#include "eddy/stream.h"
#include "support/tasks.h"

static eddy_queue one;
static eddy_queue other;
static eddy_event event;
static eddy_lock lock;
static eddy_semaphore semaphore;
static eddy_barrier barrier;
static int from_one;
static int from_other;
static int64_t results[8];
static int evaluated;

static int setup(void **state)
{
    int result = testing_setup(state);

    memset(&one, 0, sizeof one);
    memset(&other, 0, sizeof other);
    assert_int_equal(eddy_queue_init(testing.loop, &one, int, .capacity = 4), 0);
    assert_int_equal(eddy_queue_init(testing.loop, &other, int, .capacity = 4), 0);
    eddy_event_init(&event);
    eddy_lock_init(&lock);
    eddy_semaphore_init(&semaphore, 0);
    eddy_barrier_init(&barrier, 3);
    memset(results, 0, sizeof results);
    from_one = 0;
    from_other = 0;
    evaluated = 0;
    return result;
}

static int teardown(void **state)
{
    eddy_queue_fini(&one);
    eddy_queue_fini(&other);
    return testing_teardown(state);
}

static void put(eddy_queue *queue, int item)
{
    assert_int_equal(eddy_queue_try_put(queue, &item), 0);
}

/* Selects from two queues and a sleep of ten seconds; logs how that ended. */
eddy_frame_of(picks, int64_t rc);

static void picks(eddy_coro *co)
{
    eddy_begin(picks);
    eddy_catch(self->rc, eddy_select(co, results, eddy_queue_get(co, &one, &from_one),
                                     eddy_queue_get(co, &other, &from_other),
                                     eddy_sleep(co, 10 * EDDY_SECOND)));
    log_end("picked", self->rc);
    eddy_catch(self->rc, eddy_pause(co));
    if (self->rc < 0) {
        log_end("next", self->rc);
    }
    eddy_end;
}

static void assert_results(int64_t a, int64_t b, int64_t c)
{
    assert_int_equal(results[0], a);
    assert_int_equal(results[1], b);
    assert_int_equal(results[2], c);
}

test(the_first_that_ends_is_told_by_its_index)
{
    eddy_task task = start(picks);

    testing_turns();
    put(&other, 7);
    assert_int_equal(finish(task), 0);
    testing_assert_log("picked=1@0");
    assert_int_equal(from_other, 7);
    assert_results(-ECANCELED, 0, -ECANCELED);
    put(&one, 5); /* nobody waits there any more */
    assert_int_equal(eddy_queue_count(&one), 1);
}

test(a_sleep_among_them_is_a_deadline)
{
    assert_int_equal(run(picks), 0);
    testing_assert_log("picked=2@10");
    assert_results(-ECANCELED, -ECANCELED, 0);
    assert_int_equal(eddy_loop_check(testing.loop), 0);
}

test(what_comes_for_two_in_one_turn_is_taken_once)
{
    eddy_task task = start(picks);

    testing_turns();
    put(&other, 7);
    put(&one, 5);
    assert_int_equal(finish(task), 0);
    testing_assert_log("picked=1@0");
    assert_int_equal(from_one, 0);
    assert_int_equal(eddy_queue_count(&one), 1);
    assert_int_equal(eddy_queue_count(&other), 0);
}

static int64_t counted(eddy_coro *co, int number)
{
    evaluated += number;
    return eddy_sleep(co, EDDY_SECOND);
}

eddy_frame_of(picks_at_once, int64_t rc);

static void picks_at_once(eddy_coro *co)
{
    eddy_begin(picks_at_once);
    eddy_catch(self->rc, eddy_select(co, results, counted(co, 1),
                                     eddy_queue_get(co, &one, &from_one), counted(co, 10)));
    log_end("picked", self->rc);
    eddy_end;
}

test(one_that_ends_at_once_wins_and_those_behind_it_are_not_begun)
{
    put(&one, 5);
    assert_int_equal(run(picks_at_once), 0);
    testing_assert_log("picked=1@0");
    assert_int_equal(evaluated, 1);
    assert_results(-ECANCELED, 0, -ECANCELED);
    assert_int_equal(from_one, 5);
}

static int64_t sleeps_unless(eddy_coro *co, int64_t error)
{
    return eddy_sleep(co, eddy_error(co)->code == error ? EDDY_SECOND : 0);
}

eddy_frame_of(asks_in_arguments, int64_t rc);

static void asks_in_arguments(eddy_coro *co)
{
    eddy_begin(asks_in_arguments);
    eddy_catch(self->rc, give(co, -EPIPE));
    eddy_catch(self->rc,
               eddy_select(co, results, eddy_event_wait(co, &event), sleeps_unless(co, -EPIPE)));
    log_end("picked", self->rc);
    eddy_end;
}

test(what_is_asked_of_the_task_in_the_arguments_is_the_tasks)
{
    assert_int_equal(run(asks_in_arguments), 0);
    testing_assert_log("picked=1@1");
}

/* ---- things that are somebody's */

eddy_frame_of(picks_lock, int64_t rc);

static void picks_lock(eddy_coro *co)
{
    eddy_begin(picks_lock);
    eddy_catch(self->rc,
               eddy_select(co, NULL, eddy_event_wait(co, &event), eddy_lock_acquire(co, &lock)));
    log_end("picked", self->rc);
    log_end("again", eddy_lock_try_acquire(co, &lock));
    log_end("released", eddy_lock_release(co, &lock));
    eddy_end;
}

eddy_frame_of(holds_lock, int64_t rc);

static void holds_lock(eddy_coro *co)
{
    eddy_begin(holds_lock);
    eddy_await(eddy_lock_acquire(co, &lock));
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    assert_int_equal(eddy_lock_release(co, &lock), 0);
    eddy_end;
}

test(a_lock_that_wins_is_the_tasks)
{
    assert_int_equal(run(picks_lock), 0);
    testing_assert_log("picked=1@0 again=EAGAIN@0 released=0@0");
}

test(a_lock_that_is_handed_over_is_the_tasks)
{
    eddy_task holder = start(holds_lock);

    assert_int_equal(run(picks_lock), 0);
    testing_assert_log("picked=1@1 again=EAGAIN@1 released=0@1");
    assert_int_equal(finish(holder), 0);
}

test(a_lock_that_does_not_win_goes_to_the_next_in_line)
{
    eddy_task holder = start(holds_lock);
    eddy_task task = start(picks_lock);
    eddy_task next = start(holds_lock);

    testing_turns();
    eddy_event_set(&event);
    testing_turns();
    testing_assert_log("picked=0@0 again=EAGAIN@0 released=EPERM@0");
    assert_int_equal(finish(next), 0);
    assert_int_equal(seconds(), 2);
    assert_int_equal(finish(holder), 0);
    assert_int_equal(finish(task), 0);
}

eddy_frame_of(picks_twice_of_one, int64_t rc);

static void picks_twice_of_one(eddy_coro *co)
{
    eddy_begin(picks_twice_of_one);
    eddy_catch(self->rc, eddy_select(co, results, eddy_barrier_wait(co, &barrier),
                                     eddy_barrier_wait(co, &barrier)));
    log_end("picked", self->rc);
    eddy_catch(self->rc, eddy_select(co, results, eddy_semaphore_acquire(co, &semaphore),
                                     eddy_semaphore_acquire(co, &semaphore)));
    log_end("picked", self->rc);
    eddy_end;
}

eddy_frame_of(arrives, int64_t rc);

static void arrives(eddy_coro *co)
{
    eddy_begin(arrives);
    eddy_catch(self->rc, eddy_barrier_wait(co, &barrier));
    eddy_end;
}

test(two_of_one_object_are_woken_as_one)
{
    eddy_task task = start(picks_twice_of_one);
    eddy_task third = start(arrives);

    testing_turns();
    testing_assert_log("picked=0@0");
    assert_int_equal(barrier.waiting, 0);
    assert_int_equal(eddy_semaphore_release(&semaphore), 0);
    assert_int_equal(eddy_semaphore_release(&semaphore), 0);
    assert_int_equal(finish(task), 0);
    testing_assert_log("picked=0@0");
    assert_int_equal(semaphore.permits, 1);
    assert_int_equal(finish(third), 0);
}

/* ---- what does its work in the task's turn */

static eddy_stream near;
static eddy_stream far;
static char bytes[4];

eddy_frame_of(reads_or_gets, int64_t rc);

static void reads_or_gets(eddy_coro *co)
{
    eddy_begin(reads_or_gets);
    eddy_catch(self->rc, eddy_select(co, results, eddy_read(co, &near, bytes, sizeof bytes),
                                     eddy_queue_get(co, &one, &from_one)));
    log_end("picked", self->rc);
    eddy_end;
}

static void open_pair(void)
{
    memset(&near, 0, sizeof near);
    memset(&far, 0, sizeof far);
    assert_int_equal(eddy_memory_pair(testing.loop, &near, &far, 16), 0);
}

static void close_pair(void)
{
    eddy_stream_close(&near);
    eddy_stream_close(&far);
}

test(a_read_that_does_not_win_leaves_its_bytes)
{
    eddy_task task;

    open_pair();
    task = start(reads_or_gets);
    testing_turns();
    assert_int_equal(eddy_try_write(&far, "abc", 3), 3);
    put(&one, 5); /* the read is only ready to try, and this is there */
    assert_int_equal(finish(task), 0);
    testing_assert_log("picked=1@0");
    assert_int_equal(eddy_try_read(&near, bytes, sizeof bytes), 3);
    close_pair();
}

test(a_read_that_wins_runs_the_task_in_the_same_turn)
{
    eddy_task task;

    open_pair();
    task = start(reads_or_gets);
    testing_turns();
    assert_int_equal(eddy_try_write(&far, "abc", 3), 3);
    testing_turn();
    testing_assert_log("picked=0@0");
    assert_int_equal(results[0], 3);
    assert_int_equal(finish(task), 0);
    close_pair();
}

eddy_frame_of(picks_pause, int64_t rc);

static void picks_pause(eddy_coro *co)
{
    eddy_begin(picks_pause);
    eddy_catch(self->rc, eddy_select(co, results, eddy_event_wait(co, &event), eddy_pause(co)));
    log_end("picked", self->rc);
    eddy_end;
}

test(a_pause_wins_when_its_turn_comes)
{
    eddy_task task = start(picks_pause);

    testing_turn();
    testing_assert_log("");
    testing_turn();
    testing_assert_log("picked=1@0");
    assert_int_equal(finish(task), 0);
}

test(a_pause_that_does_not_win_has_no_result_and_no_cancel_ends_it)
{
    eddy_task task = start(picks_pause);

    testing_turn();
    eddy_event_set(&event);
    assert_int_equal(finish(task), 0);
    testing_assert_log("picked=0@0");
    assert_int_equal(results[1], -ECANCELED);
    eddy_event_clear(&event);
    task = start(picks_pause);
    testing_turn();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), 0);
    testing_assert_log("picked=1@0");
}

/* ---- operations of one select that lead to each other's results */

eddy_frame_of(meets_itself, int64_t rc);

static void meets_itself(eddy_coro *co)
{
    eddy_begin(meets_itself);
    from_other = 7;
    eddy_catch(self->rc, eddy_select(co, results, eddy_queue_get(co, &one, &from_one),
                                     eddy_queue_put(co, &one, &from_other), counted(co, 1)));
    log_end("picked", self->rc);
    eddy_end;
}

test(a_put_that_hands_over_to_a_get_of_the_same_select_is_done_too)
{
    assert_int_equal(run(meets_itself), 0);
    testing_assert_log("picked=0@0");
    assert_results(0, 0, -ECANCELED);
    assert_int_equal(from_one, 7);
    assert_int_equal(evaluated, 0);
}

/* Two waits of which the first, when it is tried, ends the other. */
static struct eddy_waiters others;
static struct eddy_task_record *trier;
static int64_t tried;

static int64_t try_it(struct eddy_task_record *task)
{
    (void)task;
    eddy_wake_all(&others, 5);
    return tried;
}

static int give_up(struct eddy_task_record *task)
{
    testing_log("aborted%s", task == trier ? "" : " another");
    return 1;
}

static const struct eddy_wait_kind tried_kind = {
    .name = "tried", .resume = try_it, .abort = give_up};
static const struct eddy_wait_kind other_kind = {.name = "other"};

EDDY_MUST_USE static int64_t wait_to_try(eddy_coro *co)
{
    trier = eddy_waiter(co);
    return eddy_park(co, &tried_kind, NULL, NULL);
}

EDDY_MUST_USE static int64_t wait_for_other(eddy_coro *co)
{
    return eddy_park(co, &other_kind, NULL, &others);
}

eddy_frame_of(ends_by_trying, int64_t rc);

static void ends_by_trying(eddy_coro *co)
{
    eddy_begin(ends_by_trying);
    eddy_catch(self->rc, eddy_select(co, results, wait_to_try(co), wait_for_other(co)));
    log_end("picked", self->rc);
    eddy_end;
}

static void try_with(int64_t result)
{
    eddy_task task = start(ends_by_trying);

    tried = result;
    testing_turns();
    eddy_wake_to_try(trier);
    assert_int_equal(finish(task), 0);
}

test(one_that_wins_while_another_is_tried_lets_that_come_to_its_end_first)
{
    try_with(EDDY_PENDING); /* then it waits on, and is given up */
    testing_assert_log("aborted picked=1@0");
    assert_int_equal(results[0], -ECANCELED);
    assert_int_equal(results[1], 5);
    try_with(3);
    testing_assert_log("picked=1@0");
    assert_int_equal(results[0], 3);
    assert_int_equal(results[1], 5);
}

/* ---- selects in each other, and operations with deadlines of their own */

eddy_frame_of(nests, int64_t inner[2], int64_t rc);

static void nests(eddy_coro *co)
{
    eddy_begin(nests);
    eddy_catch(
        self->rc,
        eddy_select(co, results, eddy_event_wait(co, &event),
                    eddy_select(co, self->inner, eddy_queue_get(co, &one, &from_one),
                                eddy_lock_acquire(co, &lock)),
                    eddy_wait_for(co, EDDY_SECOND, eddy_queue_get(co, &other, &from_other))));
    log_end("picked", self->rc);
    log_end("inner", self->inner[0]);
    log_end("inner", self->inner[1]);
    if (eddy_lock_locked(&lock)) {
        log_end("released", eddy_lock_release(co, &lock));
    }
    eddy_end;
}

test(a_select_in_a_select)
{
    eddy_task holder = start(holds_lock);
    eddy_task task = start(nests);

    testing_turns();
    put(&one, 5);
    testing_turns();
    testing_assert_log("picked=1@0 inner=0@0 inner=ECANCELED@0 released=EPERM@0");
    assert_results(-ECANCELED, 0, -ECANCELED);
    assert_int_equal(finish(task), 0);
    assert_int_equal(finish(holder), 0);
}

test(a_lock_of_an_inner_select_is_the_tasks)
{
    assert_int_equal(run(nests), 0);
    testing_assert_log("picked=1@0 inner=ECANCELED@0 inner=0@0 released=0@0");
}

test(an_outer_branch_that_wins_ends_the_inner_select)
{
    eddy_task holder = start(holds_lock);
    eddy_task task = start(nests);

    testing_turns();
    eddy_event_set(&event);
    put(&one, 5);
    testing_turns();
    testing_assert_log("picked=0@0 inner=ECANCELED@0 inner=ECANCELED@0 released=EPERM@0");
    assert_int_equal(eddy_queue_count(&one), 1);
    assert_int_equal(finish(task), 0);
    assert_int_equal(finish(holder), 0);
}

eddy_frame_of(limits_one, int64_t rc);

static void limits_one(eddy_coro *co)
{
    eddy_begin(limits_one);
    eddy_catch(self->rc, eddy_select(co, results, eddy_event_wait(co, &event),
                                     eddy_wait_for(co, EDDY_SECOND,
                                                   eddy_queue_get(co, &other, &from_other))));
    log_end("picked", self->rc);
    log_end("result", results[1]);
    eddy_end;
}

test(a_time_limit_of_one_operation_is_its_result)
{
    assert_int_equal(run(limits_one), 0);
    testing_assert_log("picked=ETIMEDOUT@1 result=ETIMEDOUT@1");
}

test(a_limit_of_one_that_did_not_win_is_gone_with_it)
{
    eddy_task task = start(limits_one);

    testing_turns();
    eddy_event_set(&event);
    assert_int_equal(finish(task), 0);
    testing_assert_log("picked=0@0 result=ECANCELED@0");
    assert_int_equal(eddy_loop_next_deadline(testing.loop), EDDY_FOREVER);
}

/* ---- the table of all that may stand in one */

eddy_frame_of(picks_of_eight, int64_t rc);

static void picks_of_eight(eddy_coro *co)
{
    eddy_begin(picks_of_eight);
    eddy_catch(self->rc, eddy_select(co, results, eddy_sleep(co, 8), eddy_sleep(co, 7),
                                     eddy_sleep(co, 6), eddy_sleep(co, 5), eddy_sleep(co, 4),
                                     eddy_sleep(co, 3), eddy_sleep(co, 2), eddy_sleep(co, 1)));
    log_end("picked", self->rc);
    eddy_end;
}

test(eight_are_the_most)
{
    assert_int_equal(run(picks_of_eight), 0);
    testing_assert_log("picked=7@0");
    assert_int_equal(results[7], 0);
    assert_int_equal(results[0], -ECANCELED);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(the_first_that_ends_is_told_by_its_index),
        CASE(a_sleep_among_them_is_a_deadline),
        CASE(what_comes_for_two_in_one_turn_is_taken_once),
        CASE(one_that_ends_at_once_wins_and_those_behind_it_are_not_begun),
        CASE(what_is_asked_of_the_task_in_the_arguments_is_the_tasks),
        CASE(a_lock_that_wins_is_the_tasks),
        CASE(a_lock_that_is_handed_over_is_the_tasks),
        CASE(a_lock_that_does_not_win_goes_to_the_next_in_line),
        CASE(two_of_one_object_are_woken_as_one),
        CASE(a_read_that_does_not_win_leaves_its_bytes),
        CASE(a_read_that_wins_runs_the_task_in_the_same_turn),
        CASE(a_pause_wins_when_its_turn_comes),
        CASE(a_pause_that_does_not_win_has_no_result_and_no_cancel_ends_it),
        CASE(a_put_that_hands_over_to_a_get_of_the_same_select_is_done_too),
        CASE(one_that_wins_while_another_is_tried_lets_that_come_to_its_end_first),
        CASE(a_select_in_a_select),
        CASE(a_lock_of_an_inner_select_is_the_tasks),
        CASE(an_outer_branch_that_wins_ends_the_inner_select),
        CASE(a_time_limit_of_one_operation_is_its_result),
        CASE(a_limit_of_one_that_did_not_win_is_gone_with_it),
        CASE(eight_are_the_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
