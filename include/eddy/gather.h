/* Waiting for several tasks. */
#ifndef EDDY_GATHER_H
#define EDDY_GATHER_H

#include "eddy/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Waits until all `count` tasks of the array have ended, and returns 0, or the error of the one
 * that failed first. That consumes the tasks. As soon as one fails, or the gather is cancelled
 * or timed out, the others are cancelled, and the gather returns when they have ended too: none
 * is left behind, also if a cancel or deadline was pending before. The array must stay until then: keep it in the frame. A failed spawn counts as
 * a task that failed. -ESRCH, -EDEADLK, -EBUSY: as eddy_join, of any of the tasks; -EINVAL: more
 * than 2^32 - 1 tasks; then none was touched. No tasks: 0 at once. */
EDDY_API EDDY_MUST_USE int64_t eddy_gather(eddy_coro *co, const eddy_task *tasks, size_t count);

/* Likewise, but a failure cancels no other task: waits for all, puts the result or error of
 * tasks[i] into results[i], and returns how many have failed (or were cancelled). A cancel or
 * time-out cancels all and returns when they have ended, and the results are there: with -ECANCELED
 * (-ETIMEDOUT) if any has ended in that way, else as ever, and the cancel stays pending. Both
 * arrays must stay until then. Errors as eddy_gather's; then none was touched. Needs no memory.
 *
 * If it returns > 0, eddy_error(co) is the error of the first in the array that has failed, with
 * its text. For the texts of all: eddy_wait for the tasks with EDDY_WAIT_ALL, and eddy_join each. */
EDDY_API EDDY_MUST_USE int64_t eddy_gather_all(eddy_coro *co, const eddy_task *tasks, size_t count,
                                               int64_t *results);

#ifdef __cplusplus
}
#endif

#endif
