/* Locks, conditions and semaphores: who may go on, one at a time or so many. */
#ifndef EDDY_LOCK_H
#define EDDY_LOCK_H

#include <limits.h>

#include "eddy/task.h"
#include "eddy/wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- locks */

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

/* The caller's, valid when zeroed. All of it is private. */
typedef struct eddy_lock {
    struct eddy_waiters waiters;     /* not empty only while the lock is held */
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

/* ---- conditions */

/*
 * Conditions: waiting until what a lock protects has changed.
 *
 *     eddy_with_cond(&self->box->full) {                  // holds the condition's lock
 *         while (self->box->count == 0) {
 *             eddy_await(eddy_cond_wait(co, &self->box->full));
 *         }
 *         self->box->count--;
 *     }
 *
 *     eddy_with_cond(&self->box->full) {
 *         self->box->count++;
 *         eddy_await(eddy_cond_notify(co, &self->box->full, 1));
 *     }
 *
 * A condition belongs to a lock for good, several may belong to one: tell it so with
 * eddy_cond_init, or {.lock = &the_lock}. The lock is held on every return of a wait, also with an
 * error. A notified task gets its place in the lock's line at that moment, and the notification is
 * never lost: its wait returns 0, and a cancel or an outer time-out strikes at its next await. If
 * what is waited for needs no lock, an eddy_event is simpler.
 */

/* The caller's, valid when zeroed but for the lock. */
typedef struct eddy_cond {
    eddy_lock *lock;             /* the caller's, set before the first use, never changed */
    struct eddy_waiters waiters; /* private: those not notified yet */
} eddy_cond;

/* Makes a condition of that lock, on which nobody waits. */
EDDY_API void eddy_cond_init(eddy_cond *cond, eddy_lock *lock);

/* Before the condition's memory goes: 0; -EBUSY: tasks wait for it. Those that were notified wait
 * for the lock only, and do not count. */
EDDY_API EDDY_MUST_USE int eddy_cond_fini(const eddy_cond *cond);

/* Gives the lock up, waits to be notified, and takes the lock again. 0; -ECANCELED, and with a
 * time-out -ETIMEDOUT: it was not notified before that; it left the line at once, and had to wait
 * for the lock only. -EPERM: the task does not hold the lock; -EINVAL: the condition has none;
 * both at once. */
EDDY_API EDDY_MUST_USE int64_t eddy_cond_wait(eddy_coro *co, eddy_cond *cond);

/* Waits until the predicate holds: calls it with its argument, always with the lock held, at once
 * and after every notification. It must not suspend, nor touch the lock; the argument must stay
 * until then: keep it in the frame. Results as eddy_cond_wait, and -ENOMEM: it does not hold,
 * and there is no memory for the frame of that loop. Without time (eddy_wait_for) it is called
 * once, and the lock is not given up. */
EDDY_API EDDY_MUST_USE int64_t eddy_cond_wait_for(eddy_coro *co, eddy_cond *cond,
                                                  bool (*predicate)(void *argument),
                                                  void *argument);

/* Notifies up to `most` tasks, those that have waited longest, and returns how many that were. They
 * get the lock in this order after the task has released it. -EPERM: the task does not hold the
 * lock (as in asyncio: what changes without the lock can change between a waiter's look and its
 * wait); -EINVAL: the condition has none, or `most` is negative. Never suspends. */
EDDY_API int eddy_cond_notify(eddy_coro *co, eddy_cond *cond, int most);

/* Notifies all tasks that wait. */
static inline int eddy_cond_notify_all(eddy_coro *co, eddy_cond *cond)
{
    return eddy_cond_notify(co, cond, INT_MAX);
}

/* eddy_with_cond(cond) { ... }: eddy_with_lock of the condition's lock. -EINVAL: it has none. */
#define eddy_with_cond(cond) \
    EDDY_WITH_OBJECT_(eddy_cond_object_(cond), eddy_lock_leave_, eddy_lock_enter_(co))

/* Private. */
static inline void *eddy_cond_object_(eddy_cond *cond)
{
    return cond->lock;
}

/* ---- semaphores */

/*
 * Semaphores: so many tasks at a time.
 *
 *     eddy_semaphore_init(&self->slots, 10);
 *
 *     eddy_with_semaphore(&self->slots) {
 *         eddy_await(eddy_call(co, download, .url = self->url));      // ten at a time
 *     }
 *
 * Permits are handed over: one that is released goes to the first in line, and nobody barges in.
 */

/* The caller's, valid when zeroed: no permits, no bound. */
typedef struct eddy_semaphore {
    struct eddy_waiters waiters; /* private: not empty only while there is no permit */
    uint32_t permits;            /* that can be had at once; the caller's to set at first */
    uint32_t bound;              /* how many it has at most; 0: no bound; likewise */
} eddy_semaphore;

/* Makes a semaphore with that many permits, to which more may be released. */
EDDY_API void eddy_semaphore_init(eddy_semaphore *semaphore, uint32_t permits);

/* Likewise, but it takes back no more than it has handed out: for finding mistakes. */
EDDY_API void eddy_semaphore_init_bounded(eddy_semaphore *semaphore, uint32_t permits);

/* Before the semaphore's memory goes: 0; -EBUSY: tasks wait for it, or (of a bounded one) permits
 * are still out. */
EDDY_API EDDY_MUST_USE int eddy_semaphore_fini(const eddy_semaphore *semaphore);

/* Takes a permit, or waits in line until one is handed over. 0; -ECANCELED, and with a time-out
 * -ETIMEDOUT: without a permit. One that was handed over is not taken away by a later cancel or
 * time-out. */
EDDY_API EDDY_MUST_USE int64_t eddy_semaphore_acquire(eddy_coro *co, eddy_semaphore *semaphore);

/* Takes a permit if there is one: 0; -EAGAIN: there is none. Never suspends. From tasks and
 * callbacks alike. */
EDDY_API EDDY_MUST_USE int eddy_semaphore_try_acquire(eddy_semaphore *semaphore);

/* Hands a permit to the first in line, or adds it. 0; -EOVERFLOW: there are as many as the bound,
 * or as a uint32_t can count, and none was added. Never suspends. From tasks and callbacks alike;
 * it need not be the task that acquired it. */
EDDY_API int eddy_semaphore_release(eddy_semaphore *semaphore);

/*
 * eddy_with_semaphore(semaphore) { ... }: takes a permit, runs the block, and releases it however
 * the block is left; see eddy_with for `break`, `continue` and eddy_return in it. The errors are
 * those of eddy_semaphore_acquire, and -ENOMEM: no memory for the scope; with any, the block does
 * not run. -EOVERFLOW at its end: the block has released the permit itself.
 */
#define eddy_with_semaphore(semaphore)                                          \
    EDDY_WITH_OBJECT_(eddy_semaphore_object_(semaphore), eddy_semaphore_leave_, \
                      eddy_semaphore_enter_(co))

/* Private. */
EDDY_API EDDY_MUST_USE int64_t eddy_semaphore_enter_(eddy_coro *co);
EDDY_API int64_t eddy_semaphore_leave_(eddy_coro *co, struct eddy_scope *scope);
static inline void *eddy_semaphore_object_(eddy_semaphore *semaphore) /* checks the type */
{
    return semaphore;
}

#ifdef __cplusplus
}
#endif

#endif
