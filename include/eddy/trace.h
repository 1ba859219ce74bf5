/*
 * Watching the steps of tasks: which take too long, and what happens when. Unset, neither costs
 * anything: the loop runs tasks by another function while one is set.
 *
 * Both kinds of hook run inside the loop and must not call into it, but may look (inspect.h,
 * metrics.h). Times are those of CLOCK_MONOTONIC, whatever the loop's clock.
 */
#ifndef EDDY_TRACE_H
#define EDDY_TRACE_H

#include "eddy/impl/ready.h"
#include "eddy/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- slow steps: while one runs, nothing else does */

struct eddy_slow_step {
    eddy_task task;       /* may have ended by now; record NULL: it was a callback */
    uint32_t number;      /* the task's; 0: a callback */
    const char *function; /* the coroutine that the step resumed; NULL: a callback */
    const char *file;
    uint32_t line; /* of the await behind which it was resumed; 0: it began */
    int64_t took;  /* nanoseconds */
};

typedef void eddy_slow_fn(eddy_loop *loop, const struct eddy_slow_step *step, void *user);

/* Tells of every step of a task or callback that takes `limit` (> 0) nanoseconds or longer, as soon
 * as it is over; costs two looks at the clock a step. `slow` NULL: the error hook is told, with
 * -ETIME. From the next turn on; a limit of 0 ends it, at once. 0; -EINVAL: limit < 0; -ENOMEM. */
EDDY_API int eddy_loop_slow_steps(eddy_loop *loop, int64_t limit, eddy_slow_fn *slow, void *user);

/* ---- tracing */

enum eddy_trace_kind {
    EDDY_TRACE_SPAWN,   /* a task was spawned */
    EDDY_TRACE_RESUME,  /* its step begins */
    EDDY_TRACE_SUSPEND, /* its step is over, and it goes on later */
    EDDY_TRACE_WAKE,    /* what it waits for is there: it is ready */
    EDDY_TRACE_CANCEL,  /* it is asked to end */
    EDDY_TRACE_FINISH   /* it has ended; inside its last step, after which nothing comes */
};

struct eddy_trace_event {
    enum eddy_trace_kind kind;
    eddy_task task;
    uint32_t number;
    uint32_t by;          /* the task in whose step it happens; 0: in none */
    int64_t time;         /* CLOCK_MONOTONIC */
    const char *function; /* its innermost coroutine; FINISH: NULL */
    const char *file;
    uint32_t line;         /* of the await in which that is, or was last; 0: none yet */
    const char *waits_for; /* SUSPEND: the kind of wait, NULL: it only pauses; else NULL */
    int64_t result;        /* FINISH: the task's; else 0 */
};

typedef void eddy_trace_fn(eddy_loop *loop, const struct eddy_trace_event *event, void *user);

/* Tells of all that happens to tasks: of their steps from the next turn on, of the rest at once.
 * NULL ends it, at once. 0, or -ENOMEM. */
EDDY_API int eddy_loop_trace(eddy_loop *loop, eddy_trace_fn *trace, void *user);

#ifdef __cplusplus
}
#endif

#endif
