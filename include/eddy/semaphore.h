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
#ifndef EDDY_SEMAPHORE_H
#define EDDY_SEMAPHORE_H

#include "eddy/wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The caller's, valid when zeroed: no permits, no bound. */
typedef struct eddy_semaphore {
    struct eddy_line waiters; /* private: not empty only while there is no permit */
    uint32_t permits;         /* that can be had at once; the caller's to set at first */
    uint32_t bound;           /* how many it has at most; 0: no bound; likewise */
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
