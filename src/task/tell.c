/*
 * What is told by itself: that nothing can go on (a deadlock), that a cleanup does not end, that a task
 * is left over. By the error hook, once each; and if the program has no hook, with a dump of all tasks
 * behind it, for whoever meets it at a terminal has nothing else to ask.
 *
 * A deadlock is: tasks are live, none is ready, and neither a timer nor an fd nor another thread could
 * make one so. The line names the first circle of them; finding it is the business of `look`, and a
 * program without that, or without memory, gets the line all the same.
 *
 * A task is left over if it was not joined, and nobody has said that nobody will: not detached, not
 * owned by somebody who waits, and not cut off by the loop's end, which was told then.
 */
#include <stdio.h>

#include "loop/look.h"
#include "task/task_internal.h"

struct circle {
    char *text;
    size_t size;
    size_t used;
};

/* Appends the members of the first circle, as many as there is room for. */
static void append_member(struct eddy_task_record *task, uint32_t circle, void *context)
{
    struct circle *first = context;

    if (circle == 1 && first->used < first->size) {
        first->used +=
            (size_t)snprintf(first->text + first->used, first->size - first->used, "%s#%u %s",
                             first->used > 0 ? " -> " : ": ",
                             (unsigned)task->timed.ready.generation, eddy_task_display_name(task));
    }
}

/* Without memory, or without what looks at a program, the line says the rest all the same. */
static void describe_circle(eddy_loop *loop, char *text, size_t size)
{
    struct circle circle = {text, size, 0};

    text[0] = '\0';
    eddy_look_each_in_circles(loop, append_member, &circle);
    if (circle.used >= size) {
        snprintf(text + size - sizeof "...", sizeof "...", "...");
    }
}

/* What a task does that nobody will join: "still waits for lock: Ann's, held by task 3, transfer". */
static void describe_doing(const struct eddy_task_record *task, char *text, size_t size)
{
    const struct eddy_wait_kind *wait = task->wait;
    size_t used;

    if (task->timed.ready.state == EDDY_TASK_DONE_) {
        snprintf(text, size, "has ended");
    } else if (wait == NULL) {
        snprintf(text, size, "is still ready");
    } else {
        used = (size_t)snprintf(text, size, "still waits for %s", wait->name);
        if (wait->describe != NULL && used + 2 < size) {
            snprintf(text + used, size - used, ": ");
            wait->describe(task, text + used + 2, size - used - 2);
        }
    }
}

void eddy_tell_leak(struct eddy_task_record *task)
{
    char doing[256];

    if ((eddy_task_loop(task)->flags & EDDY_LOOP_REPORT_LEAKS) == 0 ||
        eddy_owner_of(task) != NULL || eddy_has(task, EDDY_TASK_DETACHED_ | EDDY_TASK_ENDING_)) {
        return; /* somebody has seen to it, or it was told already */
    }
    describe_doing(task, doing, sizeof doing);
    eddy_loop_report(eddy_task_loop(task), eddy_handle(task), -EBUSY,
                     "leak: #%u %s was never joined, and %s (spawned at %s)",
                     (unsigned)task->timed.ready.generation, eddy_task_display_name(task), doing,
                     eddy_task_place(task));
}

void eddy_tell_all(eddy_loop *loop)
{
    if (loop->on_error == NULL) { /* a hook of the user's dumps where it wants to */
        eddy_look_dump(loop, stderr);
    }
}

int eddy_tell_deadlock(eddy_loop *loop)
{
    eddy_task none = {NULL, 0};
    uint32_t live = loop->tasks->live;
    char circle[400];

    if (live == 0) {
        return 0;
    }
    describe_circle(loop, circle, sizeof circle);
    eddy_loop_report(loop, none, -EDEADLK,
                     "deadlock: %u task%s wait%s, and nothing could wake any%s", (unsigned)live,
                     live == 1 ? "" : "s", live == 1 ? "s" : "", circle);
    eddy_tell_all(loop);
    return -EDEADLK;
}
