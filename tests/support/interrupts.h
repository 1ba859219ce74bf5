/* What a task's interrupt is at, and a child that takes its time to end: for test_interrupts*.c. */
#ifndef EDDY_TESTING_INTERRUPTS_H
#define EDDY_TESTING_INTERRUPTS_H

#include "support/tasks.h"

#include "eddy/event.h"
#include "task/task_internal.h"

static eddy_event gate, never, child_end;

static inline void init_events(void)
{
    eddy_event_init(&gate);
    eddy_event_init(&never);
    eddy_event_init(&child_end);
}

/* Its cleanup waits until the child may end. */
eddy_frame(child) {
    eddy_coro co;
    bool swallows;
    int64_t rc;
};

static inline void child(eddy_coro *co)
{
    eddy_begin(child);
    eddy_catch(self->rc, eddy_event_wait(co, &never));
    eddy_return(self->swallows ? 7 : self->rc);
eddy_finally:
    eddy_await(eddy_event_wait(co, &child_end));
    eddy_end;
}

/* A state of the table in src/task/interrupt.c, and from whom: c(ancel), d(eadline), m(emory). */
static inline const char *state_of(eddy_task handle)
{
    static char text[32];
    const struct eddy_task_record *task = eddy_task_find(handle);
    bool comes;
    bool deadline;

    if (task == NULL || task->timed.ready.state == EDDY_TASK_DONE_) {
        return "ended";
    }
    comes = eddy_has(task, EDDY_TASK_UNDER_WAY_);
    deadline = eddy_has(task, EDDY_TASK_PASSED_);
    for (struct eddy_deadline *each = eddy_deadline_innermost(task); each != NULL;
         each = each->below) {
        deadline |= each->stage == EDDY_DEADLINE_UNDER_WAY;
    }
    snprintf(text, sizeof text, "%s%s%s%s",
             comes && task->wait != NULL              ? "way/"
             : comes                                  ? "come/"
             : eddy_has(task, EDDY_TASK_INTERRUPTED_) ? "pending/"
                                                      : "none",
             eddy_has(task, EDDY_TASK_CANCEL_) ? "c" : "", deadline ? "d" : "",
             eddy_has(task, EDDY_TASK_UNTIMED_) ? "m" : "");
    return text;
}

/* As the loop does when it looks at its heap. */
static inline void second_passes(struct eddy_task_record *task)
{
    testing.clock.now += EDDY_SECOND;
    eddy_loop_update(testing.loop);
    if (task->timed.ready.state == EDDY_TASK_RUNNING_) {
        eddy_deadline_look(task);
    } else if (eddy_heap_has(&task->timed.alarm)) {
        eddy_deadline_due(testing.loop, &task->timed);
    }
}

#endif
