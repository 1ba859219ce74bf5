/*
 * Looking at the tasks of a loop: what each waits for, since when, and where. This is for
 * programs; eddy_loop_dump (dump.h) prints the same for people.
 *
 * Looking changes nothing. It may be done from any step or callback, between polls, and inside
 * the error hook; also while the arguments of an eddy_call are worked out.
 */
#ifndef EDDY_INSPECT_H
#define EDDY_INSPECT_H

#include <stdbool.h>

#include "eddy/coro.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One frame of a task's stack of awaits. */
struct eddy_frame_info {
    const char *function;
    const char *file;
    uint32_t line; /* of the await in which it is, or was last; 0: it has not awaited yet */
};

/* The frames of a task that are still to be visited, innermost first. */
struct eddy_frames {
    eddy_coro *next; /* private */
};

enum eddy_task_doing { EDDY_TASK_READY, EDDY_TASK_RUNNING, EDDY_TASK_WAITING, EDDY_TASK_ENDED };

/* A task; valid during the visit, but for the strings that are literals of the program: name, site
 * and waits_for. */
struct eddy_task_info {
    eddy_task task;
    uint32_t number; /* which no other task of the loop has; they count up */
    /* of the task that spawned it, or that serves its client, which may be gone; 0: there is none */
    uint32_t parent;
    uint32_t depth;   /* in the tree: 0 stands at the top, for want of a parent that still lives */
    bool last;        /* no sibling follows */
    const char *name; /* as eddy_task_name: its coroutine, or what eddy_task_set_name gave it */
    const char *site; /* "file:line" where it was spawned */
    enum eddy_task_doing doing;
    bool cancelled;            /* a cancel is on its way to it */
    int64_t result;            /* of one that has ended */
    int64_t deadline;          /* its earliest time-out on the loop's clock; EDDY_FOREVER: none */
    struct eddy_frames frames; /* its stack; of one that has ended empty */

    /* Only while it waits: */
    const char *waits_for; /* the kind of wait: "sleep", "read"; else NULL */
    const char *detail;    /* what just this one waits for: "fd 7 (127.0.0.1:80)"; else "" */
    int64_t age;           /* for how long, in nanoseconds, good to about a millisecond */
    /* The number of the one task that must act first; of one in a circle for which several must, of one
     * in the same circle. 0: none, or unknown. */
    uint32_t blocker;
    uint32_t circle; /* > 0: it waits for itself, by way of the others with the same number */
};

typedef void eddy_inspect_fn(const struct eddy_task_info *info, void *user);

/* Visits every task of the loop, parents before the tasks that they have spawned, otherwise in the
 * order in which they were spawned. `visit` must not call into the loop, but may look. Returns 0;
 * -ENOMEM: there was no memory to make a tree of them: all were visited all the same, each at depth
 * 0, in no order, and circles were not looked for. */
EDDY_API int eddy_loop_inspect(eddy_loop *loop, eddy_inspect_fn *visit, void *user);

/* The next frame of a stack, outwards; false: there is none. */
EDDY_API bool eddy_frames_next(struct eddy_frames *frames, struct eddy_frame_info *info);

#ifdef __cplusplus
}
#endif

#endif
