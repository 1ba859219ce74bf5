/* Waiting for tasks without joining them. */
#ifndef EDDY_WAIT_TASKS_H
#define EDDY_WAIT_TASKS_H

#include "eddy/task.h"

#ifdef __cplusplus
extern "C" {
#endif

enum eddy_wait_mode {
    EDDY_WAIT_FIRST,       /* until one has ended */
    EDDY_WAIT_FIRST_ERROR, /* until one has failed (a cancelled one has not), or all have ended */
    EDDY_WAIT_ALL          /* until all have ended */
};

/*
 * Waits for tasks of the array, and returns how many of them have ended: eddy_task_done and
 * eddy_task_result tell which, and how. That consumes none: they are still to be joined, or waited
 * for again. An element that is zeroed is left out, so that a program can zero what it has joined;
 * if all are, the result is 0 at once. A failed spawn counts as a task that has failed.
 *
 * A cancel or time-out only ends the wait; it cancels no task. -ESRCH, -EDEADLK, -EBUSY: as
 * eddy_join, of any of the tasks; -EINVAL: no such mode, or more than 2^32 - 1 tasks. While it
 * waits, the tasks can neither be joined by others nor detached (-EBUSY). The array must stay
 * until it returns: keep it in the frame.
 */
EDDY_API EDDY_MUST_USE int64_t eddy_wait(eddy_coro *co, const eddy_task *tasks, size_t count,
                                         enum eddy_wait_mode mode);

#ifdef __cplusplus
}
#endif

#endif
