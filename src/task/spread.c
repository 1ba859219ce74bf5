/*
 * How an interrupt spreads: from a task to those that it waits for, and those that these wait for. That
 * graph is gone through here in a loop and not by recursion, and each task in it is reached once a cancel,
 * however many ways lead to it: so a cancel takes as long as there are tasks and ways, and no C stack.
 * What is still to be reached stands in a list:
 *
 *     found       by the abort that runs just now
 *     to_cancel   before; what was found goes in front of it, in that order: as a recursion would
 *                 have it
 *     passed      it has been, and passes the cancel on; it keeps its mark until all is done
 *
 * A task stands there by the link with which it would stand in a line, for who waits for tasks
 * stands in none, and is marked with EDDY_TASK_PASSING_. One that waits in a line is a leaf and
 * interrupted at once. Where tasks that wait in a line have what a cancel goes on to in common (the
 * clients of a server), that is a relay, which stands in the list for all of them.
 *
 * What becomes of each task that is reached is said by the table of interrupt.c.
 */
#include "task/task_internal.h"

/* Interrupts the wait of a task that stands in a line, or is ready to try. */
static void interrupt_leaf(struct eddy_task_record *task)
{
    eddy_loop *loop = eddy_task_loop(task);
    bool nested = loop->interrupting_leaf;

    if (nested && !loop->reporting) { /* the user's error hook may cancel what it likes */
        eddy_frame_misuse(task->top, "the abort of a wait that stands in a line has cancelled this "
                                     "task, which stands in one, too");
    }
    loop->interrupting_leaf = true;
    (void)eddy_interrupt_wait(task);
    loop->interrupting_leaf = nested;
}

static void find(struct eddy_task_record *task)
{
    if (eddy_link_used(&task->timed.ready.link)) {
        interrupt_leaf(task);
    } else {
        eddy_set(task, EDDY_TASK_PASSING_);
        eddy_list_append(&eddy_task_loop(task)->found, &task->timed.ready.link);
    }
}

/* The mark stays, so that a circle of tasks that wait for each other is gone round once. */
static void pass_on(eddy_loop *loop, struct eddy_ready *ready)
{
    struct eddy_relay *relay = (struct eddy_relay *)(void *)ready;

    if (ready->kind == EDDY_READY_RELAY) {
        eddy_list_append(&loop->passed, &ready->link);
        relay->pass_on(relay);
    } else if (eddy_interrupt_wait(eddy_task_of(ready)) || eddy_link_used(&ready->link)) {
        eddy_clear(eddy_task_of(ready), EDDY_TASK_PASSING_); /* ready, or in a line */
    } else {
        eddy_list_append(&loop->passed, &ready->link);
    }
    eddy_list_splice(&loop->found, &loop->to_cancel);
    eddy_list_splice(&loop->to_cancel, &loop->found);
}

static struct eddy_ready *take_first(struct eddy_link *list)
{
    struct eddy_link *link = eddy_list_first(list);

    if (link != NULL) {
        eddy_list_remove(link);
    }
    return (struct eddy_ready *)(void *)link;
}

static void go_through(eddy_loop *loop)
{
    struct eddy_ready *ready;

    eddy_list_splice(&loop->to_cancel, &loop->found);
    while ((ready = take_first(&loop->to_cancel)) != NULL) {
        pass_on(loop, ready);
    }
}

static void unmark_all(eddy_loop *loop)
{
    struct eddy_ready *ready;

    while ((ready = take_first(&loop->passed)) != NULL) {
        if (eddy_ready_is_record(ready)) {
            eddy_clear(eddy_task_of(ready), EDDY_TASK_PASSING_);
        }
    }
}

bool eddy_cancel_begin(eddy_loop *loop)
{
    bool first = !loop->one_cancel;

    loop->one_cancel = true;
    return first;
}

void eddy_cancel_end(eddy_loop *loop, bool first)
{
    if (first) {
        loop->one_cancel = false;
        unmark_all(loop);
    }
}

void eddy_interrupt_spread(struct eddy_task_record *task)
{
    eddy_loop *loop = eddy_task_loop(task);
    bool first = eddy_cancel_begin(loop);
    bool outermost = !loop->cancelling; /* else an abort runs, or the hook that it has called */

    loop->cancelling = true;
    find(task);
    if (outermost) {
        go_through(loop);
        loop->cancelling = false;
    }
    eddy_cancel_end(loop, first);
}

void eddy_cancel_relay(eddy_loop *loop, struct eddy_relay *relay)
{
    if (!eddy_link_used(&relay->ready.link)) {
        eddy_list_append(&loop->found, &relay->ready.link);
    }
}
