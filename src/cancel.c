#include "task_internal.h"

/* Ends the wait, or passes the cancel on; false: the wait goes on. While a cancel is being
 * passed on the task is marked, so that a circle of tasks that wait for each other is gone round
 * once. */
static bool interrupt(struct eddy_task_record *task)
{
    const struct eddy_wait *wait = task->wait;
    int left = 1;

    if (wait->abort != NULL) {
        eddy_set(task, EDDY_TASK_PASSING_);
        left = wait->abort(task);
        eddy_clear(task, EDDY_TASK_PASSING_);
    }
    if (!left) {
        eddy_set(task, EDDY_TASK_PASSED_);
        return false;
    }
    eddy_wake(task, -ECANCELED);
    return true;
}

static void cancel_one(struct eddy_task_record *task)
{
    bool again = eddy_has(task, EDDY_TASK_CANCEL_);

    eddy_traced(eddy_task_loop(task), task, EDDY_TRACE_CANCEL);
    eddy_set(task, EDDY_TASK_CANCEL_);
    if (task->wait == NULL || task->top->mask != 0 || eddy_has(task, EDDY_TASK_PASSING_)) {
        return; /* delivered at the next await, or on its way already */
    }
    /* What it waits for is being cancelled already. Only a second cancel from outside is passed
     * on again, for the first may have been ignored; a time-out that was passed on is enough. */
    if (eddy_has(task, EDDY_TASK_PASSED_) && !again) {
        return;
    }
    if (interrupt(task)) {
        eddy_clear(task, EDDY_TASK_CANCEL_);
        eddy_limit_disown(task);
    }
}

/* A chain of tasks that join each other is gone down here, and not by recursion. */
static void cancel_chain(eddy_loop *loop)
{
    while (loop->to_cancel != NULL) {
        struct eddy_task_record *task = loop->to_cancel;
        loop->to_cancel = NULL;
        cancel_one(task);
    }
}

void eddy_cancel_next(struct eddy_task_record *task)
{
    eddy_task_loop(task)->to_cancel = task;
}

bool eddy_interrupt(struct eddy_task_record *task)
{
    bool over = interrupt(task);

    cancel_chain(eddy_task_loop(task));
    return over;
}

void eddy_cancel_record(struct eddy_task_record *task)
{
    cancel_one(task);
    cancel_chain(eddy_task_loop(task));
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
