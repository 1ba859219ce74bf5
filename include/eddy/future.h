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
#ifndef EDDY_FUTURE_H
#define EDDY_FUTURE_H

#include <stdbool.h>

#include "eddy/wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All of it is private. */
typedef struct eddy_future {
    struct eddy_line waiting;
    int64_t result; /* valid once it is done */
    bool done;
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
    future->done = false;
}

/* Whether the result is set. */
static inline bool eddy_future_done(const eddy_future *future)
{
    return future->done;
}

/* The result; -EAGAIN: it is not set. */
static inline int64_t eddy_future_result(const eddy_future *future)
{
    return future->done ? future->result : -EAGAIN;
}

#ifdef __cplusplus
}
#endif

#endif
