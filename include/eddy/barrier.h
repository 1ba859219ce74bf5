/*
 * Barriers: tasks that go on together.
 *
 *     eddy_barrier_init(&self->barrier, 3);
 *
 *     eddy_await(self->index, eddy_barrier_wait(co, self->barrier));  // in each of three tasks
 *     if (self->index == 0) {
 *         printf("all are here\n");                                   // one of them says so
 *     }
 *
 * The task that makes the party complete lets all go, and the barrier is ready for the next
 * round at once.
 */
#ifndef EDDY_BARRIER_H
#define EDDY_BARRIER_H

#include <stdbool.h>

#include "eddy/wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The caller's, valid when zeroed but for the parties. */
typedef struct eddy_barrier {
    struct eddy_line waiters; /* private */
    uint32_t parties;         /* the caller's, set before the first use: how many go on together */
    uint32_t waiting;         /* private: how many are in the line, always fewer */
    bool broken;              /* private */
} eddy_barrier;

/* Makes a barrier for that many tasks, at least 1. */
EDDY_API void eddy_barrier_init(eddy_barrier *barrier, uint32_t parties);

/* Before the barrier's memory goes: 0; -EBUSY: tasks wait for it. */
EDDY_API EDDY_MUST_USE int eddy_barrier_fini(const eddy_barrier *barrier);

/* Waits until as many tasks wait as the barrier has parties; returns how many of them came
 * before: 0, 1, ... parties - 1, each to one task. The last does not suspend. -ENOTRECOVERABLE:
 * the barrier is broken, or was reset meanwhile (asyncio's BrokenBarrierError); -EINVAL: it has no
 * parties; -ECANCELED, and with a time-out -ETIMEDOUT: the task leaves, as if it had not come, and
 * the others wait on. */
EDDY_API EDDY_MUST_USE int64_t eddy_barrier_wait(eddy_coro *co, eddy_barrier *barrier);

/* Breaks the barrier: all waits, present and future, return -ENOTRECOVERABLE, until it is reset.
 * For when a party will not come. From tasks and callbacks alike. */
EDDY_API void eddy_barrier_abort(eddy_barrier *barrier);

/* Makes the barrier whole and empty: who waits gets -ENOTRECOVERABLE, who comes begins a new round.
 * From tasks and callbacks alike. */
EDDY_API void eddy_barrier_reset(eddy_barrier *barrier);

/* How many tasks wait. */
static inline uint32_t eddy_barrier_waiting(const eddy_barrier *barrier)
{
    return barrier->waiting;
}

static inline bool eddy_barrier_broken(const eddy_barrier *barrier)
{
    return barrier->broken;
}

#ifdef __cplusplus
}
#endif

#endif
