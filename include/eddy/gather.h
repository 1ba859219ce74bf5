/* Waiting for several tasks: for all (gather), for some of them (wait), as they end. */
#ifndef EDDY_GATHER_H
#define EDDY_GATHER_H

#include "eddy/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- waiting for several tasks */

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
 * its text. For the texts of all: eddy_wait_tasks for the tasks with EDDY_WAIT_ALL, and eddy_join each. */
EDDY_API EDDY_MUST_USE int64_t eddy_gather_all(eddy_coro *co, const eddy_task *tasks, size_t count,
                                               int64_t *results);

/* ---- waiting for tasks without joining them */

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
EDDY_API EDDY_MUST_USE int64_t eddy_wait_tasks(eddy_coro *co, const eddy_task *tasks, size_t count,
                                               enum eddy_wait_mode mode);

/* ---- tasks in the order in which they end */

/*
 * A generator of the tasks of an array, as they end:
 *
 *     eddy_for_each(self->i, eddy_as_completed, .tasks = self->tasks, .count = COUNT) {
 *         eddy_await(self->value, eddy_join(co, self->tasks[self->i]));    // at once
 *         printf("%s: %d\n", self->urls[self->i], self->value);
 *     }
 *
 * It yields the index of each task that has ended, in the order of their ends; those that had ended
 * before come first, in the order of the array; a failed spawn counts as one. An element that is
 * zeroed is left out. It consumes no task: join it when it is yielded (not before), or it is told
 * as never joined.
 *
 * It owns no task either: if the loop is left early, or cancelled or timed out, the other tasks run
 * on, and are still to be joined. Until then they can neither be joined by others nor detached
 * (-EBUSY). Errors: -ESRCH, -EDEADLK, -EBUSY: as eddy_join, of any of the tasks; -EINVAL: more than
 * 2^32 - 1; -ENOMEM: it takes 32 bytes a task. The array must stay: keep it in the frame.
 */
struct eddy_as_completed {
    eddy_coro co;
    const eddy_task *tasks; /* the arguments */
    size_t count;

    /* private */
    struct eddy_ending *endings;      /* one a task */
    struct eddy_ending *first, *last; /* those that were not yielded, in order; NULL: none */
    size_t left;                      /* tasks that were not yielded */
    unsigned pool_class;
    size_t value;
};
EDDY_API void eddy_as_completed(eddy_coro *co);

#ifdef __cplusplus
}
#endif

#endif
