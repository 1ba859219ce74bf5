#include "task_internal.h"

bool eddy_interrupt(struct eddy_task_record *task)
{
    const struct eddy_wait *wait = task->wait;

    if (wait->abort != NULL && !wait->abort(task)) {
        eddy_set(task, EDDY_TASK_PASSED_);
        return false;
    }
    eddy_wake(task, -ECANCELED);
    return true;
}

void eddy_cancel_record(struct eddy_task_record *task)
{
    if (task->wait == NULL || task->top->mask != 0) {
        eddy_set(task, EDDY_TASK_CANCEL_); /* delivered at the next await */
        return;
    }
    if (eddy_has(task, EDDY_TASK_PASSED_)) {
        /* What it waits for is being cancelled already. Only a second cancel from outside is passed on
         * again, for the first may have been ignored; a time-out was under way, that is enough. */
        if (eddy_has(task, EDDY_TASK_CANCEL_)) {
            (void)task->wait->abort(task);
        }
        eddy_set(task, EDDY_TASK_CANCEL_);
        return;
    }
    eddy_set(task, EDDY_TASK_CANCEL_);
    if (eddy_interrupt(task)) {
        eddy_clear(task, EDDY_TASK_CANCEL_);
        eddy_limit_disown(task);
    }
}

int eddy_cancel(eddy_task handle)
{
    struct eddy_task_record *task = eddy_task_find(handle);

    if (task == NULL || task->timed.ready.state == EDDY_TASK_DONE_) {
        return -ESRCH;
    }
    eddy_cancel_record(task);
    return 0;
}
