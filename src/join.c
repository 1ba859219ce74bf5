/* Waiting for one task. */
#include "look.h"
#include "task_internal.h"

static int pass_cancel_on(struct eddy_task_record *task)
{
    eddy_cancel_record(task->in.object);
    return 0;
}

static int let_go(struct eddy_task_record *task)
{
    eddy_owner_set(task->in.object, NULL);
    return 1;
}

static void child_done(struct eddy_task_record *task, struct eddy_task_record *child,
                       int64_t result)
{
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

static const struct eddy_wait join_kind = {
    .name = "join",
    .abort = pass_cancel_on,
    .child_done = child_done,
    .describe = describe,
    .blocker = blocker,
};

static const struct eddy_wait shield_kind = {
    .name = "shielded join",
    .abort = let_go,
    .child_done = child_done,
    .describe = describe,
    .blocker = blocker,
};

static int64_t join(eddy_coro *co, eddy_task handle, const struct eddy_wait *kind)
{
    struct eddy_task_record *child = eddy_task_find(handle);
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (handle.record == NULL && handle.generation != 0) {
        return -(int64_t)handle.generation; /* the spawn had failed */
    }
    result = eddy_task_claimable(co->task, child);
    if (result < 0) {
        return result;
    }
    if (child->timed.ready.state == EDDY_TASK_DONE_) {
        result = child->in.result;
        eddy_error_pass(child, co->task, result);
        eddy_task_release(child);
        return eddy_done(co, result);
    }
    eddy_owner_set(child, co->task);
    return eddy_park(co, kind, child, NULL);
}

int64_t eddy_join(eddy_coro *co, eddy_task task)
{
    return join(co, task, &join_kind);
}

int64_t eddy_shield(eddy_coro *co, eddy_task task)
{
    return join(co, task, &shield_kind);
}

/* ---- tasks that join each other in a circle */

/* Ends the wait of a task, although the one that it joins has not ended. */
static void abandon(struct eddy_task_record *task)
{
    (void)let_go(task);
    eddy_wake(task, -ECANCELED);
}

struct breaking {
    uint32_t circle; /* the last in which a join was ended; 0: none */
};

/* Ends the first join of each circle, if there is any. */
static void break_circle(struct eddy_task_record *task, uint32_t circle, void *context)
{
    struct breaking *breaking = context;

    if (breaking->circle != circle && task->wait == &join_kind) {
        abandon(task);
        breaking->circle = circle;
    }
}

bool eddy_join_break_circles(eddy_loop *loop)
{
    struct breaking breaking = {0};

    eddy_look_each_in_circles(loop, break_circle, &breaking);
    return breaking.circle > 0;
}
