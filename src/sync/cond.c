/*
 * Conditions: a line of tasks that wait for something to be true, under a lock.
 *
 *     holds the lock -- eddy_cond_wait --> in the condition's line, the lock handed on
 *                    -- notified --------> in the lock's line, outcome 0
 *                    -- cancelled -------> in the lock's line, outcome -ECANCELED
 *                    -- has the lock ----> runs, with that outcome
 *
 * A notified task is moved to the lock's line by the notifier, who holds the lock: so it is woken when
 * it can run and not only to wait again, and no later comer makes the condition false before it. (A loop
 * around the wait is needed all the same where several are notified.) There are no spurious wake-ups.
 *
 * On every return the lock is held, or the user's cleanup would release what it has not got: so a wait
 * that is cancelled takes as long as the lock is held by others, and a second cancel does not shorten it.
 */
#include "eddy/lock.h"

#include <stdio.h>

#include "sync/lock.h"

/* A cancel or a time-out came before the notification: only the lock is still to be had. */
static int take_lock_back(struct eddy_task_record *task)
{
    const eddy_cond *cond = task->in.object;

    return eddy_lock_give_back(cond->lock, task, -ECANCELED);
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const eddy_cond *cond = task->in.object;

    snprintf(text, size, "%zu in line before it", eddy_waiters_ahead(&cond->waiters, task));
}

static const struct eddy_wait_kind cond_kind = {
    .name = "condition",
    .abort = take_lock_back,
    .describe = describe,
};

void eddy_cond_init(eddy_cond *cond, eddy_lock *lock)
{
    eddy_list_init(&cond->waiters.tasks);
    cond->lock = lock;
}

int eddy_cond_fini(const eddy_cond *cond)
{
    return eddy_waiters_first(&cond->waiters) != NULL ? -EBUSY : 0;
}

/* 0 if the task holds the condition's lock. */
static int check_lock(const eddy_coro *co, const eddy_cond *cond)
{
    if (cond->lock == NULL) {
        return -EINVAL;
    }
    return eddy_lock_held_by(cond->lock, co->task) ? 0 : -EPERM;
}

static int64_t check(eddy_coro *co, const eddy_cond *cond)
{
    int64_t result = eddy_check(co);

    return result < 0 ? result : check_lock(co, cond);
}

int64_t eddy_cond_wait(eddy_coro *co, eddy_cond *cond)
{
    int64_t result = check(co, cond);

    if (result < 0) {
        return result;
    }
    /* Nothing can come between the two: nobody runs before this step is over. */
    eddy_lock_hand_over(cond->lock);
    return eddy_park(co, &cond_kind, cond, &cond->waiters);
}

/* A wait with a predicate is a coroutine, since what it does between two waits is the user's: it looks
 * while it holds the lock, and only a look that fails waits on. */
eddy_frame(wait_until) {
    eddy_coro co;
    eddy_cond *cond;
    bool (*predicate)(void *argument);
    void *argument;
};

static void wait_until(eddy_coro *co)
{
    eddy_begin(wait_until);
    do {
        eddy_await(eddy_cond_wait(co, self->cond));
    } while (!self->predicate(self->argument));
    eddy_end;
}

int64_t eddy_cond_wait_for(eddy_coro *co, eddy_cond *cond, bool (*predicate)(void *argument),
                           void *argument)
{
    int64_t result = check(co, cond);

    if (result < 0) {
        return result;
    }
    if (predicate(argument)) {
        return eddy_complete(co, 0);
    }
    return eddy_call(co, wait_until, .cond = cond, .predicate = predicate, .argument = argument);
}

int eddy_cond_notify(eddy_coro *co, eddy_cond *cond, int most)
{
    int result = check_lock(co, cond);
    int count = 0;
    struct eddy_task_record *task;

    if (result < 0) {
        return result;
    }
    if (most < 0) {
        return -EINVAL;
    }
    while (count < most && (task = eddy_waiters_first(&cond->waiters)) != NULL) {
        (void)eddy_lock_give_back(cond->lock, task, 0); /* not yet: the notifier holds it */
        count++;
    }
    return count;
}
