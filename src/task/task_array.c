/*
 * Arrays of tasks, for those who wait for several: gather, wait, as_completed.
 *
 * A handle in an array is a task; or, with no record, one whose spawn failed, whose error stands in its
 * generation: so a program spawns ten tasks and looks at no result before it waits for them all; or,
 * zeroed, a gap.
 *
 * Claiming is all or nothing: each task has one owner, and two who wait for the same one would both
 * take its result. A task that occurs twice finds itself claimed already, and what was claimed before
 * it is let go.
 */
#include "task/task_internal.h"

bool eddy_spawn_failed(eddy_task handle)
{
    return handle.record == NULL && handle.generation != 0;
}

bool eddy_task_ended(eddy_task handle)
{
    return handle.record == NULL ? handle.generation != 0
                                 : handle.record->timed.ready.state == EDDY_TASK_DONE_;
}

int64_t eddy_task_outcome(eddy_task handle)
{
    return handle.record == NULL ? -(int64_t)handle.generation : handle.record->in.result;
}

void eddy_tasks_disclaim(const eddy_task *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (tasks[i].record != NULL) {
            eddy_owner_set(tasks[i].record, NULL);
        }
    }
}

int eddy_tasks_claim(struct eddy_task_record *self, const eddy_task *tasks, size_t count,
                     bool with_gaps)
{
    if (count > UINT32_MAX) {
        return -EINVAL;
    }
    for (size_t i = 0; i < count; i++) {
        struct eddy_task_record *child = eddy_task_find(tasks[i]);
        int result;
        if (eddy_spawn_failed(tasks[i]) || (with_gaps && tasks[i].record == NULL)) {
            continue;
        }
        result = eddy_task_claimable(self, child);
        if (result < 0) {
            eddy_tasks_disclaim(tasks, i); /* those before it are given back */
            return result;
        }
        eddy_owner_set(child, self);
    }
    return 0;
}

struct eddy_task_record *eddy_tasks_last(const eddy_task *tasks, size_t count)
{
    struct eddy_task_record *last = NULL;

    for (size_t i = 0; i < count; i++) {
        if (tasks[i].record != NULL && !eddy_task_ended(tasks[i])) {
            if (last != NULL) {
                return NULL;
            }
            last = tasks[i].record;
        }
    }
    return last;
}

void eddy_tasks_each(const eddy_task *tasks, size_t count, eddy_blocker_fn *found, void *context)
{
    for (size_t i = 0; i < count; i++) {
        if (tasks[i].record != NULL && !eddy_task_ended(tasks[i])) {
            found(tasks[i].record, context);
        }
    }
}
