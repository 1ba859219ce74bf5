/*
 * Pausing and sleeping. A pause stands in no line and has no kind: the task goes to the end of the ready
 * list. A sleep is a wait whose one end is the task's entry in the heap (step.c: due).
 *
 * The check of a pause is a function of its own, for it is not the end of one: what follows would keep its
 * arguments in saved registers, whether there is anything to check or not.
 */
#include "eddy/deadline.h"

#include "task/task_internal.h"

static inline int64_t go_last(eddy_coro *co)
{
    co->task->in.result = 0;
    eddy_mark_begun(co);
    return eddy_requeue(co->task);
}

/* A deadline that has passed strikes here, before the loop hears of it: a block that has no time goes
 * no further than its first pause. */
static int64_t __attribute__((noinline)) check_and_go_last(eddy_coro *co)
{
    int64_t result;

    eddy_deadline_look(co->task);
    result = eddy_check(co);
    return result < 0 ? result : go_last(co);
}

int64_t eddy_pause(eddy_coro *co)
{
    return eddy_is_clear_(co) && !eddy_has(co->task, EDDY_TASK_DEADLINES_) ? go_last(co)
                                                                           : check_and_go_last(co);
}

int64_t eddy_sleep(eddy_coro *co, int64_t duration)
{
    struct eddy_task_record *task = co->task;
    int64_t until;
    int64_t result;

    if (duration <= 0) {
        return eddy_pause(co);
    }
    result = eddy_check(co);
    if (result < 0) {
        return result;
    }
    until = eddy_deadline_after(eddy_loop_update(eddy_task_loop(task)), duration);
    if (eddy_heap_start(&eddy_task_loop(task)->heap, &task->timed.alarm, until) < 0) {
        return -ENOMEM;
    }
    task->with.until = until;
    return eddy_park(co, &eddy_sleep_kind, NULL, NULL);
}
