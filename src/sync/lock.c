/*
 * Locks: one holder, and a line of those who wait.
 *
 *     holder NULL                   free; then nobody stands in line
 *     holder, number, epoch         the task that holds it. All three, for a record may be another
 *                                   task's by now (number), or memory of another loop's (epoch)
 *
 * A release hands the lock to the first in line at once: it is never free while somebody waits, so no
 * newcomer can overtake, and none is woken in vain. The price is that a lock under contention changes
 * hands once a turn; who cannot pay that does not await while he holds it.
 *
 * Who was handed the lock and is cancelled before he runs has it: the result has come. His next await is
 * interrupted, and his cleanup releases.
 *
 * The waits of conditions end in the same line (eddy_lock_give_back), with an outcome that stands
 * already: those are not to be interrupted, for on each return the lock is held.
 */
#include "sync/lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "task/task_internal.h"

/* Of a branch of a select it is the task, which has it when that is over. */
static void make_holder(eddy_lock *lock, struct eddy_task_record *waiter)
{
    struct eddy_task_record *task = eddy_acting(waiter);

    lock->holder = task;
    lock->number = task->timed.ready.generation;
    lock->epoch = eddy_task_loop(task)->epoch;
}

/* The number too: the record of a task that has ended may be another's by now. */
bool eddy_lock_held_by(const eddy_lock *lock, struct eddy_task_record *waiter)
{
    const struct eddy_task_record *task = eddy_acting(waiter);

    return lock->holder == task && lock->number == task->timed.ready.generation &&
           lock->epoch == eddy_task_loop(task)->epoch;
}

/* A lock is of one loop: one that is held in another was left held when that ended. */
static bool is_taken(const eddy_lock *lock, const struct eddy_task_record *task)
{
    return eddy_lock_locked(lock) && lock->epoch == eddy_task_loop(task)->epoch;
}

/* Straight to the first in line, who holds it before he runs. */
void eddy_lock_hand_over(eddy_lock *lock)
{
    struct eddy_task_record *next = eddy_waiters_first(&lock->waiters);

    if (next == NULL) {
        lock->holder = NULL;
        lock->number = 0;
        return;
    }
    make_holder(lock, next);
    eddy_wake(next, next->with.outcome);
}

/* ---- waiting: `with.outcome` is what the wait ends with when the lock is handed over */

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const eddy_lock *lock = task->in.object;
    eddy_task holder = eddy_lock_holder(lock);
    bool ended = eddy_task_done(holder);

    snprintf(text, size, "0x%" PRIxPTR ", held by task %u, %s", (uintptr_t)lock,
             (unsigned)holder.generation, ended ? "which has ended" : eddy_task_name(holder));
}

static struct eddy_task_record *blocker(const struct eddy_task_record *task)
{
    const eddy_lock *lock = task->in.object;

    return eddy_task_done(eddy_lock_holder(lock)) ? NULL : lock->holder;
}

/* The outcome of a wait on a condition stands already, and its lock is held on every return. */
static int wait_on(struct eddy_task_record *task)
{
    (void)task;
    return 0;
}

static const struct eddy_wait_kind lock_kind = {
    .name = "lock",
    .describe = describe,
    .blocker = blocker,
};

static const struct eddy_wait_kind lock_again_kind = {
    .name = "lock of a condition",
    .abort = wait_on,
    .describe = describe,
    .blocker = blocker,
};

/* From a condition: the task, which waits there, is to have the lock again; true: it has it. */
bool eddy_lock_give_back(eddy_lock *lock, struct eddy_task_record *task, int64_t outcome)
{
    if (!is_taken(lock, task)) {
        make_holder(lock, task);
        return true;
    }
    eddy_repark(task, &lock_again_kind, lock, &lock->waiters);
    task->with.outcome = outcome;
    return false;
}

/* ---- what users call */

void eddy_lock_init(eddy_lock *lock)
{
    memset(lock, 0, sizeof *lock);
}

int eddy_lock_fini(const eddy_lock *lock)
{
    return eddy_lock_locked(lock) ? -EBUSY : 0;
}

int64_t eddy_lock_acquire(eddy_coro *co, eddy_lock *lock)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (!is_taken(lock, co->task)) {
        make_holder(lock, co->task);
        return eddy_complete(co, 0);
    }
    if (eddy_lock_held_by(lock, co->task)) {
        return -EDEADLK;
    }
    result = eddy_park(co, &lock_kind, lock, &lock->waiters);
    co->task->with.outcome = 0;
    return result;
}

int eddy_lock_try_acquire(eddy_coro *co, eddy_lock *lock)
{
    if (is_taken(lock, co->task)) {
        return -EAGAIN;
    }
    make_holder(lock, co->task);
    return 0;
}

int eddy_lock_release(eddy_coro *co, eddy_lock *lock)
{
    if (!eddy_lock_held_by(lock, co->task)) {
        return -EPERM;
    }
    eddy_lock_hand_over(lock);
    return 0;
}

/* ---- eddy_with_lock, and eddy_with_cond, whose condition may have no lock */

int64_t eddy_lock_enter_(eddy_coro *co)
{
    eddy_lock *lock = co->scope->object;
    int64_t result = lock == NULL ? eddy_check(co) : 0;

    if (result < 0) {
        return result;
    }
    return lock == NULL ? -EINVAL : eddy_lock_acquire(co, lock);
}

int64_t eddy_lock_leave_(eddy_coro *co, struct eddy_scope *scope)
{
    if (scope->object == NULL) {
        return 0; /* not entered; only a task that was cut off comes here */
    }
    return eddy_lock_release(co, scope->object);
}
