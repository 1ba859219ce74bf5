/*
 * Cancelling. A cancel that is passed on reaches the tasks that are waited for, and through them
 * those that these wait for, and so on. That tree is gone down here in a loop and not by recursion:
 * a task whose wait is still to be interrupted stands in a list, linked by the link with which it
 * would stand in a line; a task that waits for tasks stands in none.
 */
#include "task_internal.h"

/* Ends the wait (true), or passes the cancel on, and the wait goes on. */
static bool interrupt(struct eddy_task_record *task)
{
    const struct eddy_wait *wait = task->wait;

    if (wait->abort == NULL || wait->abort(task)) {
        eddy_clear(task, EDDY_TASK_PASSING_);
        eddy_wake(task, -ECANCELED);
        return true;
    }
    eddy_set(task, EDDY_TASK_PASSED_);
    return false;
}

/* Whether the cancel is to interrupt the task's wait now. */
static bool reaches_wait(struct eddy_task_record *task)
{
    bool again = eddy_has(task, EDDY_TASK_CANCEL_);

    eddy_traced(eddy_task_loop(task), task, EDDY_TRACE_CANCEL);
    eddy_set(task, EDDY_TASK_CANCEL_);
    if (task->wait == NULL || task->top->mask != 0 || eddy_has(task, EDDY_TASK_PASSING_)) {
        return false; /* delivered at the next await, or on its way already */
    }
    /* What it waits for is being cancelled already. Only a second cancel from outside is passed
     * on again, for the first may have been ignored; a time-out that was passed on is enough. */
    return !eddy_has(task, EDDY_TASK_PASSED_) || again;
}

/* A task that has passed the cancel on stays marked until the whole tree is done, so that a circle
 * of tasks that wait for each other is gone round once. */
static void keep_mark(struct eddy_task_record *task)
{
    if (eddy_link_used(&task->timed.ready.link)) {
        eddy_clear(task, EDDY_TASK_PASSING_); /* it stands in a line: no list of ours */
    } else {
        eddy_list_append(&eddy_task_loop(task)->passed, &task->timed.ready.link);
    }
}

/* Interrupts one wait. What its abort has cancelled comes next, in that order, before what was to
 * come before: as a recursion would have it. */
static bool interrupt_one(struct eddy_task_record *task)
{
    eddy_loop *loop = eddy_task_loop(task);
    bool over = interrupt(task);

    if (!over) {
        keep_mark(task);
    }
    eddy_list_splice(&loop->found, &loop->to_cancel);
    eddy_list_splice(&loop->to_cancel, &loop->found);
    return over;
}

static void cancel_one(struct eddy_task_record *task)
{
    if (interrupt_one(task)) {
        eddy_clear(task, EDDY_TASK_CANCEL_);
        eddy_limit_disown(task);
    }
}

static struct eddy_task_record *take_first(struct eddy_link *list)
{
    struct eddy_link *link = eddy_list_first(list);

    if (link == NULL) {
        return NULL;
    }
    eddy_list_remove(link);
    return eddy_task_of((struct eddy_ready *)(void *)link);
}

static void cancel_found(eddy_loop *loop)
{
    struct eddy_task_record *task;

    while ((task = take_first(&loop->to_cancel)) != NULL) {
        cancel_one(task);
    }
    while ((task = take_first(&loop->passed)) != NULL) {
        eddy_clear(task, EDDY_TASK_PASSING_);
    }
    loop->cancelling = false;
}

bool eddy_interrupt(struct eddy_task_record *task)
{
    eddy_loop *loop = eddy_task_loop(task);
    bool over;

    loop->cancelling = true;
    eddy_set(task, EDDY_TASK_PASSING_);
    over = interrupt_one(task);
    cancel_found(loop);
    return over;
}

void eddy_cancel_record(struct eddy_task_record *task)
{
    eddy_loop *loop = eddy_task_loop(task);

    if (!reaches_wait(task)) {
        return;
    }
    eddy_set(task, EDDY_TASK_PASSING_);
    if (!loop->cancelling) {
        loop->cancelling = true;
        cancel_one(task);
        cancel_found(loop);
    } else if (!eddy_link_used(&task->timed.ready.link)) {
        eddy_list_append(&loop->found, &task->timed.ready.link);
    } else {
        cancel_one(task); /* it stands in a line */
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
