/*
 * Waiting for one task: join, whose cancel is passed on, and shield, whose is not.
 *
 *     a cancel comes         join                            shield
 *     while the task runs    goes to the task, the wait      ends the wait; the task goes on, and
 *                            goes on until that has ended    may be joined again
 *     when it has ended      stays pending: the result has come, and is not thrown away
 *
 * Who joins is the task's owner until then, and nobody else may be: the result is taken once, and the
 * record freed with it. So join is a wait that owns (eddy_own_begin): a cancel that is pending before
 * it reaches the task, and does not leave it behind with nobody to collect it.
 */
#include "loop/look.h"
#include "task/task_internal.h"

static int pass_cancel_on(struct eddy_task_record *task)
{
    eddy_cancel_record(task->in.object);
    return 0;
}

static void give_up(struct eddy_task_record *task)
{
    eddy_owner_set(task->in.object, NULL);
}

static int let_go(struct eddy_task_record *task)
{
    give_up(task);
    return 1;
}

static void child_done(eddy_owner *owner, struct eddy_task_record *child, int64_t result)
{
    struct eddy_task_record *task = eddy_waiting_owner(owner);

    eddy_error_pass(child, task, result);
    eddy_task_release(child);
    eddy_wake(task, result);
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    eddy_task_describe(task->in.object, text, size);
}

static struct eddy_task_record *blocker(const struct eddy_task_record *task)
{
    return task->in.object;
}

static const struct eddy_wait_kind join_kind = {
    .name = "join",
    .abort = pass_cancel_on,
    .give_up = give_up,
    .child_done = child_done,
    .describe = describe,
    .blocker = blocker,
};

static const struct eddy_wait_kind shield_kind = {
    .name = "shielded join",
    .abort = let_go,
    .child_done = child_done,
    .describe = describe,
    .blocker = blocker,
};

/* Whether the caller may wait for the task: 0, or an error, such as that of a spawn that failed. */
static int64_t check_joinable(struct eddy_task_record *self, eddy_task handle)
{
    const struct eddy_task_record *task = eddy_task_find(handle);

    return task == NULL && eddy_spawn_failed(handle) ? eddy_unstarted_take(handle)
                                                     : eddy_task_claimable(self, task);
}

/* Of a task that has ended: consumes it. */
static int64_t take_result(struct eddy_task_record *self, struct eddy_task_record *child)
{
    int64_t result = child->in.result;

    eddy_error_pass(child, self, result);
    eddy_task_release(child);
    return result;
}

/* Begins as a wait that owns; one that does not has taken what was pending before. */
static int64_t wait_for(eddy_coro *co, const struct eddy_wait_kind *kind, eddy_task task)
{
    int64_t result;

    eddy_own_begin(co);
    result = check_joinable(co->task, task);
    if (result < 0) {
        return eddy_own_none(co, result);
    }
    if (task.record->timed.ready.state == EDDY_TASK_DONE_) {
        return eddy_own_complete(co, take_result(co->task, task.record));
    }
    eddy_owner_set(task.record, &co->task->wait);
    return eddy_own_park(co, kind, task.record, NULL);
}

int64_t eddy_join(eddy_coro *co, eddy_task task)
{
    return wait_for(co, &join_kind, task);
}

int64_t eddy_shield(eddy_coro *co, eddy_task task)
{
    int64_t result = eddy_check(co);

    return result < 0 ? result : wait_for(co, &shield_kind, task);
}

/* ---- tasks that wait for each other in a circle */

/* Whether the task may go on although that of which it waits for the end has not ended. What a task has
 * spawned, and may have memory of its frames, is younger than itself; so it may if the other is older. In
 * a circle of nothing but such waits there is always one. */
static bool may_give_up(const struct eddy_task_record *task, const struct eddy_task_record *other)
{
    return task->wait->give_up != NULL &&
           (int32_t)(task->timed.ready.generation - other->timed.ready.generation) > 0;
}

struct breaking {
    uint32_t circle;                /* that is gone round */
    struct eddy_task_record *waits; /* for the next of it; NULL: that was given up */
    bool any;                       /* wait was given up, in this circle or before */
};

/* Gives up one wait of each circle, if that can be done with any. */
static void break_circle(struct eddy_task_record *task, uint32_t circle, void *context)
{
    struct breaking *breaking = context;
    struct eddy_task_record *waits = breaking->circle == circle ? breaking->waits : task;

    if (breaking->circle == circle && waits != NULL && may_give_up(waits, task)) {
        waits->wait->give_up(waits);
        eddy_wake(waits, -ECANCELED);
        waits = NULL;
        breaking->any = true;
    }
    breaking->waits = waits != NULL ? task : NULL;
    breaking->circle = circle;
}

bool eddy_join_break_circles(eddy_loop *loop)
{
    struct breaking breaking = {0};

    eddy_look_each_in_circles(loop, break_circle, &breaking);
    return breaking.any;
}
