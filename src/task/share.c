/*
 * Several who want one task's result: waiting for its end beside its owner, and keeping the result.
 *
 *     joined, detached, a group's   by one: the owner, who takes the result, and the record is free
 *     waited for (here)             by any number, who take nothing
 *     kept (here)                   the record outlives the owner's taking, until the last has dropped it
 *
 *     the task     kept      eddy_task_wait    taken by its owner          dropped
 *     runs         or not    waits             -                           nothing
 *     has ended    no        gives the result  the record is free          -
 *     has ended    yes       gives the result  `taken`; the record stays   nothing
 *     is taken     yes       gives the result  -ESRCH: by one only         free, with the last
 *
 * What that takes lies in the rare record: who does without pays nothing. Those who wait are woken before
 * the owner hears of the end, so no result can be taken from under them.
 */
#include "eddy/task.h"

#include "task/task_internal.h"

/* ---- waiting */

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    eddy_task_describe(task->in.object, text, size);
}

static struct eddy_task_record *blocker(const struct eddy_task_record *task)
{
    return task->in.object;
}

static const struct eddy_wait_kind wait_kind = {
    .name = "task",
    .describe = describe,
    .blocker = blocker,
};

/* Somebody has the error: it is not to be told as one that nobody has. */
static int64_t hand_out(struct eddy_task_record *from, struct eddy_task_record *to)
{
    eddy_error_copy(from, to, from->in.result);
    eddy_rare(from)->seen = true;
    return from->in.result;
}

void eddy_share_tell(struct eddy_task_record *task)
{
    struct eddy_task_record *waiter;

    while ((waiter = eddy_waiters_first(&eddy_rare(task)->waiting)) != NULL) {
        eddy_wake(waiter, hand_out(task, waiter));
    }
}

static int check_waitable(struct eddy_task_record *self, const struct eddy_task_record *task)
{
    if (task == NULL) {
        return -ESRCH;
    }
    if (task == eddy_acting(self)) {
        return -EDEADLK;
    }
    return eddy_task_loop(task) != eddy_task_loop(self) ? -EINVAL : 0;
}

int64_t eddy_task_wait(eddy_coro *co, eddy_task handle)
{
    int64_t result = eddy_check(co);
    struct eddy_task_record *task = eddy_task_find(handle);

    if (result < 0) {
        return result;
    }
    if (task == NULL && eddy_spawn_failed(handle)) {
        return eddy_unstarted_take(handle);
    }
    result = check_waitable(co->task, task);
    if (result < 0) {
        return result;
    }
    if (eddy_rare_make(task) == NULL) {
        return -ENOMEM;
    }
    if (task->timed.ready.state == EDDY_TASK_DONE_) {
        return eddy_complete(co, hand_out(task, co->task));
    }
    return eddy_park(co, &wait_kind, task, &eddy_rare(task)->waiting);
}

/* ---- keeping */

int eddy_task_keep(eddy_task handle)
{
    struct eddy_task_record *task = eddy_task_find(handle);
    struct eddy_task_rare *rare;

    if (task == NULL) {
        return eddy_spawn_failed(handle) ? 0 : -ESRCH; /* that handle gives its error for ever */
    }
    rare = eddy_rare_make(task);
    if (rare == NULL) {
        return -ENOMEM;
    }
    rare->keepers++;
    return 0;
}

int eddy_task_drop(eddy_task handle)
{
    struct eddy_task_record *task = eddy_task_find(handle);
    struct eddy_task_rare *rare = task != NULL ? eddy_rare(task) : NULL;

    if (task == NULL) {
        return eddy_spawn_failed(handle) ? 0 : -ESRCH;
    }
    if (rare == NULL || rare->keepers == 0) {
        return -EINVAL;
    }
    if (--rare->keepers == 0 && rare->taken) {
        eddy_task_release(task);
    }
    return 0;
}

bool eddy_share_keeps(struct eddy_task_record *task)
{
    struct eddy_task_rare *rare = eddy_rare(task);

    if (rare == NULL || rare->keepers == 0) {
        return false;
    }
    rare->taken = true;
    eddy_owner_set(task, NULL);
    return true;
}
