/* The mistakes of docs/guide.md, "Traps", that no other test shows. */
#include "support/traps.h"

#include "eddy/event.h"
#include "eddy/gather.h"
#include "eddy/lock.h"

/* ---- tasks */

eddy_frame(joins_again) {
    eddy_coro co;
    eddy_task task;
    int64_t rc;
};

static void joins_again(eddy_coro *co)
{
    eddy_begin(joins_again);
    self->task = eddy_spawn(co, returns, .result = 7);
    eddy_catch(self->rc, eddy_join(co, self->task));
    log_end("first", self->rc);
    eddy_catch(self->rc, eddy_join(co, self->task));
    log_end("second", self->rc);
    eddy_end;
}

test(a_task_is_joined_once)
{
    assert_int_equal(run(joins_again), 0);
    testing_assert_log("first=7@0 second=ESRCH@0");
}

TRAPS(gathers_a_local);

static void gathers_a_local(eddy_coro *co)
{
    eddy_task tasks[1];

    eddy_begin(gathers_a_local);
    eddy_await(eddy_pause(co));
    tasks[0] = eddy_spawn(co, sleeps, .seconds = 1);
    TRAP eddy_await(eddy_gather(co, tasks, 1));
    eddy_end;
}

test(an_array_of_a_gather_on_the_c_stack_aborts)
{
    assert_traps_near(gathers_a_local, "the task is to wait with a pointer to a local");
}

static eddy_task gathered[1];

TRAPS(gathers_all_into_a_local);

static void gathers_all_into_a_local(eddy_coro *co)
{
    int64_t results[1];

    eddy_begin(gathers_all_into_a_local);
    eddy_await(eddy_pause(co));
    gathered[0] = eddy_spawn(co, sleeps, .seconds = 1);
    TRAP eddy_await(eddy_gather_all(co, gathered, 1, results));
    eddy_end;
}

test(the_results_of_a_gather_on_the_c_stack_abort)
{
    assert_traps_near(gathers_all_into_a_local, "the task is to wait with a pointer to a local");
}

eddy_frame(tries_again) {
    eddy_coro co;
    int64_t rc;
};

static void tries_again(eddy_coro *co)
{
    eddy_begin(tries_again);
    do {
        eddy_catch(self->rc, eddy_sleep(co, 2 * EDDY_SECOND));
        log_end("try", self->rc);
    } while (self->rc < 0); /* a cancel, too */
    eddy_end;
}

test(a_loop_that_tries_again_on_every_error_swallows_the_cancel)
{
    eddy_task task = start(tries_again);

    start(cancels, .task = task, .at = 1);
    assert_int_equal(finish(task), 0);
    testing_assert_log("try=ECANCELED@1 try=0@3");
}

/* ---- objects that are waited for */

static eddy_event event;
static eddy_semaphore semaphore;
static eddy_barrier barrier = {.parties = 2};
static eddy_future future;
static eddy_lock lock;
static eddy_cond cond = {.lock = &lock};

#define WAITS(name, operation)      \
    eddy_frame(name) {              \
        eddy_coro co;               \
    };                              \
    static void name(eddy_coro *co) \
    {                               \
        eddy_begin(name);           \
        eddy_await(operation);      \
        eddy_end;                   \
    }                               \
    _Static_assert(1, "")

WAITS(waits_for_event, eddy_event_wait(co, &event));
WAITS(waits_for_semaphore, eddy_semaphore_acquire(co, &semaphore));
WAITS(waits_for_barrier, eddy_barrier_wait(co, &barrier));
WAITS(waits_for_future, eddy_future_wait(co, &future));

eddy_frame(waits_for_cond) {
    eddy_coro co;
};

static void waits_for_cond(eddy_coro *co)
{
    eddy_begin(waits_for_cond);
    eddy_with_cond(&cond) {
        eddy_await(eddy_cond_wait(co, &cond));
    }
    eddy_end;
}

test(what_is_waited_for_is_not_to_be_freed)
{
    start(waits_for_event);
    start(waits_for_semaphore);
    start(waits_for_barrier);
    start(waits_for_future);
    start(waits_for_cond);
    testing_turns();
    assert_int_equal(eddy_event_fini(&event), -EBUSY);
    assert_int_equal(eddy_semaphore_fini(&semaphore), -EBUSY);
    assert_int_equal(eddy_barrier_fini(&barrier), -EBUSY);
    assert_int_equal(eddy_future_fini(&future), -EBUSY);
    assert_int_equal(eddy_cond_fini(&cond), -EBUSY);
    testing_free();
    assert_int_equal(eddy_event_fini(&event), 0);
    assert_int_equal(eddy_semaphore_fini(&semaphore), 0);
    assert_int_equal(eddy_barrier_fini(&barrier), 0);
    assert_int_equal(eddy_future_fini(&future), 0);
    assert_int_equal(eddy_cond_fini(&cond), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_task_is_joined_once),
        testing_case(an_array_of_a_gather_on_the_c_stack_aborts),
        testing_case(the_results_of_a_gather_on_the_c_stack_abort),
        testing_case(a_loop_that_tries_again_on_every_error_swallows_the_cancel),
        testing_case(what_is_waited_for_is_not_to_be_freed),
    };

    return cmocka_run_group_tests(tests, set_up_traps, NULL);
}
