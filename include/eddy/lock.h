/*
 * Locks: one task at a time.
 *
 *     eddy_with_lock(&self->account->lock) {
 *         eddy_await(self->balance, eddy_call(co, fetch, .from = self->account));
 *         eddy_await(eddy_call(co, store, .to = self->account, .balance = self->balance + 1));
 *     }
 *
 * Only what waits in the middle needs a lock: between two awaits no other task runs anyway. A lock
 * is handed over: the task that gives it up makes the first in line its holder, and nobody barges
 * in between. It is of one loop, is not recursive, and allocates nothing. A task that ends with a
 * lock leaves it held as long as the loop lives: those who wait for it then are told of as a deadlock
 * if nothing else goes on, and the wait tells whose it was.
 */
#ifndef EDDY_LOCK_H
#define EDDY_LOCK_H

#include "eddy/task.h"
#include "eddy/wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The caller's, valid when zeroed. All of it is private. */
typedef struct eddy_lock {
    struct eddy_line waiters;        /* not empty only while the lock is held */
    struct eddy_task_record *holder; /* NULL: free */
    uint32_t number;                 /* the holder's: the record may be another task's by now */
    uint32_t epoch;                  /* of the holder's loop, which may have ended since */
} eddy_lock;

/* Makes the lock free, as zeroing it does. */
EDDY_API void eddy_lock_init(eddy_lock *lock);

/* Before the lock's memory goes: 0; -EBUSY: it is held, or tasks wait for it. */
EDDY_API EDDY_MUST_USE int eddy_lock_fini(const eddy_lock *lock);

/* Takes the lock, or waits in line until it is handed over. 0; -EDEADLK: the task holds it itself;
 * -ECANCELED, and with a time-out -ETIMEDOUT: the task is not, or no longer, in line, and has not
 * got the lock. A lock that was handed over is not taken away by a later cancel or time-out. */
EDDY_API EDDY_MUST_USE int64_t eddy_lock_acquire(eddy_coro *co, eddy_lock *lock);

/* Takes the lock if it is free: 0; -EAGAIN: it is held, by whomever. Never suspends, and delivers
 * no cancel. */
EDDY_API EDDY_MUST_USE int eddy_lock_try_acquire(eddy_coro *co, eddy_lock *lock);

/* Hands the lock to the first in line, which runs when its turn in the ready list comes, or frees
 * it. 0; -EPERM: the task does not hold it. Never suspends. */
EDDY_API int eddy_lock_release(eddy_coro *co, eddy_lock *lock);

/* Whether anybody holds it. */
static inline bool eddy_lock_locked(const eddy_lock *lock)
{
    return lock->holder != NULL;
}

/* The task that holds it, or the zeroed task. What has ended since is found out when used, while the
 * loop lives. */
static inline eddy_task eddy_lock_holder(const eddy_lock *lock)
{
    eddy_task holder = {lock->holder, lock->number};
    return holder;
}

/*
 * eddy_with_lock(lock) { ... }: acquires the lock, runs the block, and releases the lock however
 * the block is left; see eddy_with for `break`, `continue` and eddy_return in it. The errors are
 * those of eddy_lock_acquire, and -ENOMEM: no memory for the scope; with any, the block does not
 * run. -EPERM at its end: the block has released the lock itself.
 */
#define eddy_with_lock(lock) \
    EDDY_WITH_OBJECT_(eddy_lock_object_(lock), eddy_lock_leave_, eddy_lock_enter_(co))

/* Private. */
EDDY_API EDDY_MUST_USE int64_t eddy_lock_enter_(eddy_coro *co);
EDDY_API int64_t eddy_lock_leave_(eddy_coro *co, struct eddy_scope *scope);
static inline void *eddy_lock_object_(eddy_lock *lock) /* checks the type */
{
    return lock;
}

#ifdef __cplusplus
}
#endif

#endif
