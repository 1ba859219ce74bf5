/* Events, futures and barriers: waiting for what others do. */
#ifndef EDDY_EVENT_H
#define EDDY_EVENT_H

#include <stdbool.h>

#include "eddy/wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- events */

/*
 * Events: a flag that tasks wait for.
 *
 *     eddy_await(eddy_event_wait(co, &self->server->ready));     // in any number of tasks
 *
 *     eddy_event_set(&server->ready);                            // anywhere on the loop's thread
 */

/* The caller's, valid when zeroed: not set. All of it is private. */
typedef struct eddy_event {
    struct eddy_waiters waiters; /* not empty only while it is not set */
    bool set;
} eddy_event;

/* Makes the event not set, as zeroing it does. */
EDDY_API void eddy_event_init(eddy_event *event);

/* Before the event's memory goes: 0; -EBUSY: tasks wait for it. */
EDDY_API EDDY_MUST_USE int eddy_event_fini(const eddy_event *event);

/* Waits until the event is set; at once if it is. 0; -ECANCELED. Who was waiting when it was set
 * returns 0, whether it is cleared again or a cancel comes before the task runs. */
EDDY_API EDDY_MUST_USE int64_t eddy_event_wait(eddy_coro *co, eddy_event *event);

/* Sets the event, and wakes all who wait, in the order in which they came. From tasks and callbacks
 * alike; never suspends. */
EDDY_API void eddy_event_set(eddy_event *event);

/* Takes that back: who comes from now on waits. */
static inline void eddy_event_clear(eddy_event *event)
{
    event->set = false;
}

static inline bool eddy_event_is_set(const eddy_event *event)
{
    return event->set;
}

/* ---- futures */

/*
 * Futures: a result that somebody will set, once, and that any number of tasks wait for.
 *
 *     eddy_await(self->answer, eddy_future_wait(co, &request->answer));    // one side
 *     eddy_future_set(&request->answer, 42);                               // the other
 *
 * The caller owns the struct, valid when zeroed; it holds no memory, and must stay while tasks wait
 * for it. It is set on the thread of the tasks' loop, by a task, a callback or whoever runs the
 * loop; other threads reach it through eddy_loop_call_threadsafe.
 */

/* All of it is private. */
typedef struct eddy_future {
    eddy_event event; /* that the result is set */
    int64_t result;   /* valid once it is */
} eddy_future;

/* Before the future's memory goes: 0; -EBUSY: tasks wait for it. */
EDDY_API EDDY_MUST_USE int eddy_future_fini(const eddy_future *future);

/* Sets the result, a value or an error, and wakes all who wait, in the order in which they came;
 * never suspends. 0; -EALREADY: it has one, which stays; -EINVAL: EDDY_PENDING is no result. */
EDDY_API int eddy_future_set(eddy_future *future, int64_t result);

/* Waits until the result is set, and returns it. A cancel or time-out only ends this wait, with
 * -ECANCELED or -ETIMEDOUT; the future, and others who wait for it, know nothing of it. */
EDDY_API EDDY_MUST_USE int64_t eddy_future_wait(eddy_coro *co, eddy_future *future);

/* Makes the future as new, to be set again. Who waits goes on waiting; who was woken has the
 * result. */
static inline void eddy_future_reset(eddy_future *future)
{
    eddy_event_clear(&future->event);
}

/* Whether the result is set. */
static inline bool eddy_future_done(const eddy_future *future)
{
    return eddy_event_is_set(&future->event);
}

/* The result; -EAGAIN: it is not set. */
static inline int64_t eddy_future_result(const eddy_future *future)
{
    return eddy_future_done(future) ? future->result : -EAGAIN;
}

/* ---- barriers */

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

/* The caller's, valid when zeroed but for the parties. */
typedef struct eddy_barrier {
    struct eddy_waiters waiters; /* private */
    uint32_t parties; /* the caller's, set before the first use: how many go on together */
    uint32_t waiting; /* private: how many are in the line, always fewer */
    bool broken;      /* private */
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
