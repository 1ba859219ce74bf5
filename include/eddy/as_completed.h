/* Tasks in the order in which they end. */
#ifndef EDDY_AS_COMPLETED_H
#define EDDY_AS_COMPLETED_H

#include "eddy/task.h"

#ifdef __cplusplus
extern "C" {
#endif

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
