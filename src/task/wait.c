/*
 * The wait primitive of wait.h: how a wait begins, and how it ends.
 *
 *     RUNNING   eddy_check, eddy_own_begin   nothing else was begun, and what is pending is delivered
 *     RUNNING   eddy_park, eddy_own_park     WAITING, with a kind and an object, perhaps in a line
 *     WAITING   eddy_wake                    READY, out of its line, with the result: that is final
 *     WAITING   eddy_wake_to_try             READY, but the wait goes on: `resume` decides in its turn
 *     WAITING   eddy_repark                  WAITING for something else
 *
 * A task is in one list at a time, by one link: its line, the ready list, or that of a cancel on its way.
 * So whoever wakes takes it out of its list, and no wait has to be asked to forget it.
 *
 * An operation that owns (join, gather) cannot be refused by what is pending before it, for then what it
 * was to take over would be nobody's: it parks first, and is interrupted then.
 */
#include "eddy/wait.h"

#include "loop/look.h"
#include "task/task_internal.h"

void eddy_own_begin(eddy_coro *co)
{
    eddy_loop_here(eddy_task_loop(co->task), "an operation of a coroutine");
    eddy_frame_check_idle(co);
}

int64_t eddy_check_slow_(eddy_coro *co)
{
    eddy_own_begin(co);
    return eddy_interrupt_deliver(co->task);
}

void eddy_share_is_over_(eddy_coro *co, int64_t result)
{
    co->task->in.result = result;
    (void)eddy_requeue(co->task);
}

int64_t eddy_park(eddy_coro *co, const struct eddy_wait_kind *wait, void *object,
                  struct eddy_waiters *line)
{
    if (line != NULL) {
        eddy_check_pointer_inline(co, line);
        eddy_guard_line(eddy_task_loop(co->task), line);
        eddy_list_append(&line->tasks, &co->task->timed.ready.link);
    }
    return eddy_park_inline(co, wait, object);
}

void eddy_repark(struct eddy_task_record *task, const struct eddy_wait_kind *wait, void *object,
                 struct eddy_waiters *line)
{
    struct eddy_link *link = &task->timed.ready.link;

    if (eddy_link_used(link)) {
        eddy_list_remove(link);
    }
    if (line != NULL) {
        eddy_guard_line(eddy_task_loop(task), line);
        eddy_list_append(&line->tasks, link);
    }
    task->wait = wait;
    task->in.object = object;
    task->since = (uint32_t)(eddy_task_loop(task)->now >> EDDY_TASK_TICK_SHIFT_);
}

/* ---- waits that own */

int64_t eddy_own_none(eddy_coro *co, int64_t result)
{
    int64_t interruption = eddy_interrupt_deliver(co->task);

    return interruption < 0 ? interruption : eddy_complete(co, result);
}

int64_t eddy_own_complete(eddy_coro *co, int64_t result)
{
    if (result == -ECANCELED) {
        (void)eddy_interrupt_deliver(co->task);
    }
    return eddy_complete(co, result);
}

int64_t eddy_own_park(eddy_coro *co, const struct eddy_wait_kind *wait, void *object,
                      struct eddy_waiters *line)
{
    int64_t result = eddy_park(co, wait, object, line);

    if (eddy_has(co->task, EDDY_TASK_INTERRUPTED_)) {
        eddy_interrupt_parked(co->task);
    }
    return result;
}

/* ---- the end of a wait */

static inline void make_ready(struct eddy_task_record *task)
{
    eddy_loop_here(eddy_task_loop(task), "what wakes a task");
    if (task->timed.ready.state != EDDY_TASK_WAITING_) {
        return; /* ready to try already */
    }
    if (eddy_link_used(&task->timed.ready.link)) {
        eddy_list_remove(&task->timed.ready.link);
        eddy_clear(task, EDDY_TASK_PASSING_); /* the list was that of a cancel on its way */
    }
    eddy_make_ready(task);
    eddy_loop_changed(eddy_task_loop(task));
}

void eddy_wake(struct eddy_task_record *task, int64_t result)
{
    if (task->wait == NULL) {
        eddy_misuse_(__func__, __FILE__, __LINE__, "eddy_wake of a task that does not wait");
    }
    task->wait = NULL;
    task->in.result = result;
    if (eddy_is_branch(task)) {
        eddy_branch_ended(task);
        return;
    }
    make_ready(task);
}

void eddy_wake_all(struct eddy_waiters *line, int64_t result)
{
    struct eddy_task_record *task;

    while ((task = eddy_waiters_first(line)) != NULL) {
        eddy_wake(task, result);
    }
}

void eddy_wake_to_try(struct eddy_task_record *task)
{
    eddy_set(task, EDDY_TASK_TRY_);
    make_ready(task);
}

size_t eddy_waiters_ahead(const struct eddy_waiters *line, const struct eddy_task_record *task)
{
    size_t count = eddy_look_position_in_line(eddy_task_loop(task), line, task);

    if (count > 0) {
        return count - 1;
    }
    for (const struct eddy_link *link = eddy_list_front(&line->tasks);
         link != &task->timed.ready.link; link = link->next) {
        count++;
    }
    return count;
}

void eddy_stack_pointer_misuse(eddy_coro *co)
{
    eddy_frame_misuse(co,
                      "the task is to wait with a pointer to a local variable, which is gone by "
                      "then: keep it in the frame");
}

void eddy_check_pointer(eddy_coro *co, const void *pointer)
{
    eddy_check_pointer_inline(co, pointer);
}
