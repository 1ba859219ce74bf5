/* offload.h: cancels, time-outs, the end of the loop, and failures. */
#include "support/net.h"
#include "support/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "eddy/loop.h"

static struct gate gate;
static int begun; /* atomic: works that have begun */

static int setup(void **state)
{
    int result = testing_setup(state);

    gate_init(&gate);
    begun = 0;
    assert_int_equal(eddy_offload_workers(testing.loop, 1), 0);
    return result;
}

#define ends_case(name) cmocka_unit_test_setup_teardown(name, setup, testing_teardown)

enum manner { GATED_OBEYS, GATED_IGNORES, POLLS };

/* What a worker does; the argument is enum manner. */
static int64_t work(eddy_job *job, void *argument)
{
    const enum manner manner = *(enum manner *)argument;

    __atomic_fetch_add(&begun, 1, __ATOMIC_SEQ_CST);
    if (manner == POLLS) {
        sem_post(&gate.come);
        while (!eddy_offload_cancelled(job)) {
            sched_yield();
        }
        return -ECANCELED;
    }
    gate_pass(&gate);
    return manner == GATED_OBEYS && eddy_offload_cancelled(job) ? -ECANCELED : 7;
}

eddy_frame(offloads) {
    eddy_coro co;
    const char *name;
    enum manner manner;
    int limit; /* in seconds; 0: none */
    int64_t rc;
};

static void offloads(eddy_coro *co)
{
    eddy_begin(offloads);
    eddy_catch(self->rc, eddy_wait_for(co,
                                       self->limit > 0   ? self->limit * EDDY_SECOND
                                       : self->limit < 0 ? 0
                                                         : EDDY_FOREVER,
                                       eddy_offload(co, work, &self->manner)));
    log_end(self->name, self->rc);
    eddy_catch(self->rc, eddy_pause(co));
    log_end("next", self->rc);
    eddy_return(self->rc);
    eddy_end;
}

/* The one worker is busy: it stands at the gate. */
static eddy_task start_busy(enum manner manner)
{
    eddy_task task = start(offloads, "busy", manner);

    testing_turn();
    gate_await(&gate);
    return task;
}

static void finish_busy(eddy_task task)
{
    gate_open(&gate);
    assert_int_equal(finish(task), 0);
    testing_assert_log("busy=7@0 next=0@0");
}

/* ---- cancels */

test(work_that_has_not_begun_is_withdrawn_at_once)
{
    eddy_task busy = start_busy(GATED_OBEYS);
    eddy_task task = start(offloads, "queued");

    testing_turn();
    assert_int_equal(eddy_cancel(task), 0);
    testing_turns();
    testing_assert_log("queued=ECANCELED@0 next=0@0");
    assert_int_equal(finish(task), 0);
    finish_busy(busy);
    assert_int_equal(begun, 1);
    testing_run(); /* ends, for nothing holds the loop any more */
}

test(work_that_is_withdrawn_from_the_middle_leaves_the_others_in_order)
{
    eddy_task busy = start_busy(GATED_OBEYS);
    eddy_task tasks[3];

    for (int i = 0; i < 3; i++) {
        tasks[i] = start(offloads, i == 0 ? "a" : i == 1 ? "b" : "c", GATED_OBEYS);
    }
    testing_turn();
    assert_int_equal(eddy_cancel(tasks[1]), 0);
    assert_int_equal(finish(tasks[1]), 0);
    testing_assert_log("b=ECANCELED@0 next=0@0");
    finish_busy(busy);
    gate_open(&gate);
    assert_int_equal(finish(tasks[0]), 0);
    testing_assert_log("a=7@0 next=0@0");
    gate_open(&gate);
    assert_int_equal(finish(tasks[2]), 0);
    testing_assert_log("c=7@0 next=0@0");
}

test(work_that_runs_is_told_and_waited_for)
{
    eddy_task task = start_busy(GATED_OBEYS);

    assert_int_equal(eddy_cancel(task), 0);
    testing_turns();
    testing_assert_log("");
    gate_open(&gate);
    assert_int_equal(finish(task), 0);
    testing_assert_log("busy=ECANCELED@0 next=0@0");
}

test(the_result_of_work_that_ignores_a_cancel_stands_and_the_cancel_comes_at_the_next_await)
{
    eddy_task task = start_busy(GATED_IGNORES);

    assert_int_equal(eddy_cancel(task), 0);
    gate_open(&gate);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("busy=7@0 next=ECANCELED@0");
}

test(a_cancel_after_the_work_has_ended_takes_no_result_away)
{
    eddy_task task = start_busy(GATED_OBEYS);

    gate_open(&gate);
    net_wait_readable(eddy_loop_fd(testing.loop));
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("busy=7@0 next=ECANCELED@0");
}

test(a_task_that_is_cancelled_before_it_offloads_offloads_nothing)
{
    eddy_task task = start(offloads, "never");

    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("");
    assert_int_equal(testing_calls(thread_create), 0);
}

eddy_frame(cleans_up_offloaded) {
    eddy_coro co;
    enum manner manner;
    int64_t rc;
};

static void cleans_up_offloaded(eddy_coro *co)
{
    eddy_begin(cleans_up_offloaded);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
eddy_finally:
    eddy_catch(self->rc, eddy_offload(co, work, &self->manner));
    log_end("cleanup", self->rc);
    eddy_end;
}

test(a_cleanup_can_offload_and_a_cancel_is_held_back_from_it)
{
    eddy_task task = start(cleans_up_offloaded, GATED_OBEYS);

    testing_turn();
    assert_int_equal(eddy_cancel(task), 0);
    testing_turn();
    gate_await(&gate);
    assert_int_equal(eddy_cancel(task), 0);
    gate_open(&gate);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("cleanup=7@0");
}

/* ---- time-outs: on a manual clock, as a virtual one stands still */

static void advance_to(int second)
{
    assert_true(eddy_clock_advance(&testing.clock, second * EDDY_SECOND - testing.clock.now) >= 0);
    testing_turns();
}

static void manual_clock(void)
{
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    assert_int_equal(eddy_offload_workers(testing.loop, 1), 0);
}

test(a_time_out_withdraws_what_has_not_begun)
{
    eddy_task busy;
    eddy_task task;

    manual_clock();
    busy = start_busy(GATED_OBEYS);
    task = start(offloads, "queued", .limit = 2);
    testing_turn();
    advance_to(1);
    testing_assert_log("");
    advance_to(2);
    testing_assert_log("queued=ETIMEDOUT@2 next=0@2");
    assert_int_equal(finish(task), 0);
    gate_open(&gate);
    assert_int_equal(finish(busy), 0);
    testing_assert_log("busy=7@2 next=0@2");
}

static int64_t time_out_running(enum manner manner)
{
    eddy_task task;

    manual_clock();
    task = start(offloads, "work", manner, 2);
    testing_turn();
    gate_await(&gate);
    advance_to(5);
    testing_assert_log("");
    gate_open(&gate);
    return finish(task);
}

test(a_time_out_tells_work_that_runs_and_waits_for_it)
{
    assert_int_equal(time_out_running(GATED_OBEYS), 0);
    testing_assert_log("work=ETIMEDOUT@5 next=0@5");
}

test(the_result_of_work_that_ignores_a_time_out_stands)
{
    assert_int_equal(time_out_running(GATED_IGNORES), 0);
    testing_assert_log("work=7@5 next=0@5");
}

test(without_time_work_that_cannot_begin_is_withdrawn_at_once)
{
    eddy_task busy = start_busy(GATED_OBEYS);
    eddy_task task = start(offloads, "none", .limit = -1);

    assert_int_equal(finish(task), 0);
    testing_assert_log("none=ETIMEDOUT@0 next=0@0");
    finish_busy(busy);
}

/* ---- the end of the loop */

test(the_end_of_the_loop_withdraws_what_has_not_begun_and_tells_what_runs)
{
    start_busy(POLLS);
    start(offloads, "queued");
    testing_turn();
    testing_free();
    /* How soon the worker ends is its own affair. */
    assert_int_equal(strncmp(testing.log, "queued=ECANCELED@0 ", 19), 0);
    assert_non_null(strstr(testing.log, "busy=ECANCELED@0"));
    assert_int_equal(begun, 1);
}

static void open_gate_on_error(eddy_loop *loop, eddy_task task, int64_t code, const char *text)
{
    testing_on_error(loop, task, code, text);
    gate_open(&gate);
}

test(work_that_runs_beyond_the_shutdown_limit_is_waited_for_all_the_same)
{
    testing.options.on_error = open_gate_on_error;
    testing_reopen();
    testing_fake_clock(1);
    start_busy(GATED_IGNORES);
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    assert_told(-ETIMEDOUT, "was cut off");
    testing_assert_log(""); /* the task was not resumed, but its frame has outlived the work */
    assert_int_equal(begun, 1);
}

test(work_of_a_cleanup_that_is_cut_off_is_told)
{
    eddy_task task;

    testing_fake_clock(1);
    task = start(cleans_up_offloaded, POLLS);
    testing_turn();
    assert_int_equal(eddy_cancel(task), 0);
    testing_turn();
    gate_await(&gate);
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    assert_told(-ETIMEDOUT, "was cut off");
}

test(a_loop_whose_workers_have_no_work_is_freed)
{
    eddy_task task = start_busy(GATED_OBEYS);

    finish_busy(task);
    testing_free();
}

/* ---- failures */

test(without_any_thread_it_is_an_error_and_the_next_try_may_do)
{
    testing_fail(thread_create, 1, -EAGAIN);
    assert_int_equal(run(offloads, "fails"), 0);
    testing_assert_log("fails=EAGAIN@0 next=0@0");
    testing_fail(signal_mask, 2, -EINVAL); /* behind the question for the mask */
    assert_int_equal(run(offloads, "fails"), 0);
    testing_assert_log("fails=EINVAL@0 next=0@0");
    gate_open(&gate);
    assert_int_equal(run(offloads, "works"), 0);
    testing_assert_log("works=7@0 next=0@0");
    assert_int_equal(begun, 1);
}

test(with_fewer_threads_than_wanted_it_goes_on)
{
    eddy_task a;
    eddy_task b;

    assert_int_equal(eddy_offload_workers(testing.loop, 2), 0);
    testing_fail_from(thread_create, 2, -EAGAIN);
    a = start(offloads, "a", GATED_OBEYS);
    b = start(offloads, "b", GATED_OBEYS);
    testing_turn();
    assert_int_equal(testing_calls(thread_create), 2);
    gate_open(&gate);
    gate_open(&gate);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
    assert_int_equal(begun, 2);
    testing.log[0] = '\0';
}

test(memory_that_fails_anywhere_is_enomem_and_leaks_nothing)
{
    bool failed = true;

    for (unsigned k = 1; failed; k++) {
        testing_reopen();
        start(returns); /* what tasks themselves need is there */
        testing_turn();
        for (int on = 0; on < 2; on++) {
            (on ? testing_fail_allocations_from : testing_fail_allocation)(k);
            gate_open(&gate);
            failed = run(offloads, "work") != 0 || strncmp(testing.log, "work=7", 6) != 0;
            testing_fail_allocation(0);
            if (failed && sem_trywait(&gate.open) != 0) {
                fail_msg("it failed, but the work has run: %s", testing.log);
            }
            testing.log[0] = '\0';
        }
        assert_true(k < 20);
    }
}

test(work_that_cannot_be_started_or_is_withdrawn_keeps_no_memory)
{
    eddy_task busy;
    size_t bytes = 0;

    for (int i = 0; i < 1000; i++) {
        testing_fail(thread_create, 1, -EAGAIN);
        assert_int_equal(run(offloads, "fails"), 0);
        testing.log[0] = '\0';
        if (i == 0) {
            bytes = testing.memory.bytes;
        }
    }
    busy = start_busy(GATED_OBEYS);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(run(offloads, "queued", .limit = -1), 0);
        testing.log[0] = '\0';
    }
    assert_int_equal(testing.memory.bytes, bytes);
    finish_busy(busy);
}

/* ---- many, at random */

enum { JOBS = 100000, AT_ONCE = 64 };

struct slot {
    int runs;  /* how often its work has run */
    int ended; /* how often its task has ended */
    bool gave_up;
    int64_t result;
};

static struct slot slots[JOBS];
static eddy_task flying[AT_ONCE];

/* Every third gives up when it is told, as long as it looks. */
static int64_t count(eddy_job *job, void *argument)
{
    struct slot *slot = *(struct slot **)argument;

    slot->runs++;
    if ((slot - slots) % 5 == 0) {
        sched_yield();
    }
    eddy_offload_progress(job, 1);
    slot->gave_up = (slot - slots) % 3 == 0 && eddy_offload_cancelled(job);
    return slot->gave_up ? -ECANCELED : slot - slots;
}

eddy_frame(counts) {
    eddy_coro co;
    struct slot *slot;
    eddy_progress progress;
};

static void counts(eddy_coro *co)
{
    eddy_begin(counts);
    eddy_catch(self->slot->result, eddy_offload_watched(co, count, &self->slot, &self->progress));
    self->slot->ended++;
    eddy_return(self->slot->result);
    eddy_end;
}

eddy_frame(storms) {
    eddy_coro co;
    uint64_t random;
    int i;
    int joined;
    int64_t rc;
};

/* Keeps AT_ONCE tasks in the air, and cancels some of them, some of those at once. */
static void storms(eddy_coro *co)
{
    eddy_begin(storms);
    for (self->i = 0; self->i < JOBS + AT_ONCE; self->i++) {
        if (self->i >= AT_ONCE) {
            eddy_catch(self->rc, eddy_join(co, flying[self->i % AT_ONCE]));
            self->joined += self->rc >= 0 || self->rc == -ECANCELED;
        }
        if (self->i < JOBS) {
            slots[self->i].result = -ECANCELED; /* of one that never starts */
            flying[self->i % AT_ONCE] = eddy_spawn(co, counts, .slot = &slots[self->i]);
        }
        if (testing_random(&self->random) % 2 == 0) {
            (void)eddy_cancel(flying[testing_random(&self->random) % AT_ONCE]);
        }
    }
    eddy_return(self->joined);
    eddy_end;
}

/* EDDY_TEST_SEED repeats a failure, or tries what nobody has tried. */
static uint64_t seed(void)
{
    const char *text = getenv("EDDY_TEST_SEED");

    return text != NULL ? strtoull(text, NULL, 10) : 1;
}

test(a_hundred_thousand_works_with_random_cancels_lose_none)
{
    int completed = 0;
    int withdrawn = 0;

    memset(slots, 0, sizeof slots);
    testing.options.flags = 0;
    testing_reopen();
    assert_int_equal(run(storms, .random = seed()), JOBS);
    for (int i = 0; i < JOBS; i++) {
        const struct slot *slot = &slots[i];
        bool good = slot->result == i ? slot->runs == 1 && slot->ended == 1 && !slot->gave_up
                                      : slot->result == -ECANCELED && slot->ended <= 1 &&
                                            slot->runs == (slot->gave_up ? 1 : 0);
        if (!good) {
            fail_msg("seed %llu, work %d: result %lld, ran %d times, ended %d times",
                     (unsigned long long)seed(), i, (long long)slot->result, slot->runs,
                     slot->ended);
        }
        completed += slot->result == i;
        withdrawn += slot->runs == 0;
    }
    assert_true(completed > JOBS / 10);
    assert_true(withdrawn > JOBS / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ends_case(work_that_has_not_begun_is_withdrawn_at_once),
        ends_case(work_that_is_withdrawn_from_the_middle_leaves_the_others_in_order),
        ends_case(work_that_runs_is_told_and_waited_for),
        ends_case(
            the_result_of_work_that_ignores_a_cancel_stands_and_the_cancel_comes_at_the_next_await),
        ends_case(a_cancel_after_the_work_has_ended_takes_no_result_away),
        ends_case(a_task_that_is_cancelled_before_it_offloads_offloads_nothing),
        ends_case(a_cleanup_can_offload_and_a_cancel_is_held_back_from_it),
        ends_case(a_time_out_withdraws_what_has_not_begun),
        ends_case(a_time_out_tells_work_that_runs_and_waits_for_it),
        ends_case(the_result_of_work_that_ignores_a_time_out_stands),
        ends_case(without_time_work_that_cannot_begin_is_withdrawn_at_once),
        ends_case(the_end_of_the_loop_withdraws_what_has_not_begun_and_tells_what_runs),
        ends_case(work_that_runs_beyond_the_shutdown_limit_is_waited_for_all_the_same),
        ends_case(work_of_a_cleanup_that_is_cut_off_is_told),
        ends_case(a_loop_whose_workers_have_no_work_is_freed),
        ends_case(without_any_thread_it_is_an_error_and_the_next_try_may_do),
        ends_case(with_fewer_threads_than_wanted_it_goes_on),
        ends_case(work_that_cannot_be_started_or_is_withdrawn_keeps_no_memory),
        ends_case(memory_that_fails_anywhere_is_enomem_and_leaks_nothing),
        ends_case(a_hundred_thousand_works_with_random_cancels_lose_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
