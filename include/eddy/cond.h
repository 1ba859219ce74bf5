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
#ifndef EDDY_COND_H
#define EDDY_COND_H

#include <limits.h>

#include "eddy/lock.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The caller's, valid when zeroed but for the lock. */
typedef struct eddy_cond {
    eddy_lock *lock;          /* the caller's, set before the first use, never changed */
    struct eddy_line waiters; /* private: those not notified yet */
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

#ifdef __cplusplus
}
#endif

#endif
