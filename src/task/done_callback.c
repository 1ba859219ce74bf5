/*
 * Callbacks that are told of a task's end, beside whoever joins it: an end may be told to many, a result
 * is taken by one.
 *
 *     link free            not registered
 *     in the task's list   until the task has ended
 *     in the ready list    from then on, as any callback; the result is in the callback's own struct,
 *                          for the record may be another task's when it runs
 *
 * One link does for both lists, for it is never in both.
 */
#include "eddy/task.h"

#include "task/task_internal.h"

/* Until the task has ended, the links of the callbacks are in its list; then in the ready list. */

static void run(eddy_callback *scheduled)
{
    eddy_done_callback *callback = (eddy_done_callback *)(void *)scheduled;

    callback->function(callback);
}

static void start(struct eddy_task_record *task, eddy_done_callback *callback)
{
    callback->result = task->in.result;
    eddy_callback_start(eddy_task_loop(task), &callback->scheduled, run);
}

int eddy_task_on_done(eddy_task handle, eddy_done_callback *callback,
                      eddy_done_callback_fn *function)
{
    struct eddy_task_record *task = eddy_task_find(handle);
    struct eddy_task_rare *rare;

    if (task == NULL && !eddy_spawn_failed(handle)) {
        return -ESRCH;
    }
    if (eddy_link_used(&callback->scheduled.ready.link)) {
        return -EBUSY;
    }
    callback->function = function;
    if (task == NULL) {
        return eddy_unstarted_on_done(handle, callback, run);
    }
    if (task->timed.ready.state == EDDY_TASK_DONE_) {
        start(task, callback);
        return 0;
    }
    rare = eddy_rare_make(task);
    if (rare == NULL) {
        return -ENOMEM;
    }
    eddy_list_append(&rare->done, &callback->scheduled.ready.link);
    return 0;
}

void eddy_done_tell(struct eddy_task_record *task)
{
    struct eddy_link *link;

    while ((link = eddy_list_first(&eddy_rare(task)->done)) != NULL) {
        eddy_list_remove(link);
        start(task, (eddy_done_callback *)(void *)link);
    }
}

void eddy_done_callback_stop(eddy_done_callback *callback)
{
    eddy_callback_stop(&callback->scheduled);
}
