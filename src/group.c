#include "eddy/group.h"

#include <stdio.h>

#include "task_internal.h"

/* A link in a list of the group is the first member of the extra record of a task. */
static struct eddy_task_record *child_of(struct eddy_link *link)
{
    return ((struct eddy_task_extra *)(void *)link)->task;
}

void eddy_group_cancel(eddy_group *group)
{
    struct eddy_link *children = &group->children;

    group->closing = true;
    if (eddy_list_empty(children)) {
        return;
    }
    /* Cancelling runs nothing, so the list stays as it is. */
    for (struct eddy_link *link = children->next; link != children; link = link->next) {
        eddy_cancel_record(child_of(link));
    }
}

/* ---- errors */

/* The first becomes the group's, the others are told. */
static void collect_error(eddy_group *group, struct eddy_task_record *child, int64_t error)
{
    if (group->error == 0) {
        group->error = error;
        if (child != NULL) {
            eddy_error_take(child, error, &group->origin);
        }
    } else if (child != NULL) {
        eddy_error_report_second(child, error, group->error,
                                 "failed when its group was failing already");
    }
}

/* A task of the group has failed, or (child NULL) could not be started. */
static void fail(eddy_group *group, struct eddy_task_record *child, int64_t error)
{
    group->errors++;
    if (group->policy == EDDY_GROUP_KEEP) { /* its result is kept with the task */
        group->unstarted += child == NULL;
        group->error = child == NULL ? error : group->error;
        return;
    }
    collect_error(group, child, error);
    if (group->policy == EDDY_GROUP_COLLECT) {
        return;
    }
    if (!group->closing) {
        eddy_group_cancel(group);
    }
    if (group->limit != NULL) {
        eddy_limit_strike_by_hand(group->host, group->limit);
    }
}

/* ---- tasks that end */

static void drop_guard(eddy_group *group)
{
    if (eddy_link_used(&group->guard)) {
        eddy_list_remove(&group->guard);
    }
}

/* Nobody has taken the results that are kept: they are as those of policy COLLECT. */
static void collect_kept(eddy_group *group)
{
    struct eddy_link *link;

    while ((link = eddy_list_first(&group->ended)) != NULL) {
        struct eddy_task_record *child = child_of(link);
        int64_t result = child->in.result;
        eddy_list_remove(link);
        if (result < 0 && result != -ECANCELED) {
            collect_error(group, child, result);
        }
        eddy_task_release(child);
    }
}

/* Makes the group as new and returns its result to the task that waited. */
static int64_t finish(eddy_group *group, struct eddy_task_record *waiter)
{
    int64_t result;

    collect_kept(group);
    result = group->error;
    eddy_error_give(waiter, &group->origin);
    if (result < 0 && group->limit != NULL) {
        eddy_limit_reset(group->host, group->limit); /* the body has the error itself */
    }
    group->waiter = NULL;
    group->error = 0;
    group->unstarted = 0;
    group->closing = false;
    group->cancelled = false;
    group->stopped = false;
    group->over = true;
    drop_guard(group);
    return result;
}

/* Policy KEEP: takes the result that comes next, if there is one. */
static bool take_next(eddy_group *group, struct eddy_task_record *taker, int64_t *result)
{
    struct eddy_link *link = group->unstarted > 0 ? NULL : eddy_list_first(&group->ended);
    struct eddy_task_record *child = link != NULL ? child_of(link) : NULL;

    if (group->unstarted > 0) {
        *result = group->error;
        group->error = --group->unstarted > 0 ? group->error : 0;
    } else if (child != NULL) {
        *result = child->in.result;
        eddy_list_remove(link);
    } else {
        return false;
    }
    if (*result < 0) {
        eddy_error_hand_over(child, taker, *result);
    }
    if (child != NULL) {
        eddy_task_release(child);
    }
    if (group->count == 0 && group->unstarted == 0 && eddy_list_empty(&group->ended)) {
        drop_guard(group);
    }
    return true;
}

static const struct eddy_wait next_kind;

static void wake_waiter(eddy_group *group)
{
    struct eddy_task_record *waiter = group->waiter;
    bool cancelled;
    int64_t result;

    if (waiter->wait == &next_kind) {
        group->waiter = NULL;
        (void)take_next(group, waiter, waiter->with.value);
        eddy_wake(waiter, 1);
    } else if (group->count == 0) {
        cancelled = group->cancelled && eddy_has(waiter, EDDY_TASK_PASSED_);
        if (group->stopped) {
            eddy_limit_ignored(waiter); /* a deadline that passed since is not what ended it */
        }
        result = finish(group, waiter);
        eddy_wake(waiter, result == 0 && cancelled ? -ECANCELED : result);
    }
}

static void child_done(struct eddy_owner *owner, struct eddy_task_record *child, int64_t result)
{
    eddy_group *group = (eddy_group *)(void *)owner;

    eddy_list_remove(&eddy_extra(child)->sibling);
    group->count--;
    if (result == -ECANCELED) {
        group->cancelled = true;
    } else if (result < 0) {
        fail(group, child, result);
    }
    if (group->policy == EDDY_GROUP_KEEP) {
        eddy_list_append(&group->ended, &eddy_extra(child)->sibling);
    } else {
        eddy_task_release(child);
    }
    if (group->count == 0 && group->error == 0 && eddy_list_empty(&group->ended)) {
        drop_guard(group); /* an error or result that nobody has waited for keeps it */
    }
    if (group->waiter != NULL) {
        wake_waiter(group);
    }
}

/* ---- starting */

/* Makes the group the owner of a task that was just spawned. */
static int adopt(eddy_coro *co, eddy_group *group, struct eddy_task_record *child)
{
    struct eddy_task_extra *extra = eddy_extra_make(child);

    if (extra == NULL) {
        return -ENOMEM;
    }
    if (!eddy_link_used(&group->guard) && eddy_guard_add(co->task, &group->guard) < 0) {
        return -ENOMEM;
    }
    group->child_done = child_done;
    group->count++;
    eddy_list_append(&group->children, &extra->sibling);
    eddy_set(child, EDDY_TASK_OWNED_);
    eddy_owner_set(child, group);
    return 0;
}

/* Takes back a spawn: the task never runs, and nobody is told. */
static void withdraw(eddy_task handle)
{
    (void)eddy_detach(handle);
    eddy_cancel_record(handle.record);
}

eddy_task eddy_group_spawn_(eddy_coro *co, eddy_group *group, const char *site, const void *frame,
                            size_t size)
{
    eddy_task failed = {NULL, ESHUTDOWN};
    eddy_task task;

    if (group->over) {
        group->over = false;
        group->errors = 0;
    }
    if (group->closing) {
        fail(group, NULL, -ESHUTDOWN);
        return failed;
    }
    task = eddy_spawn_(eddy_task_loop(co->task), site, frame, size);
    if (task.record != NULL && adopt(co, group, task.record) < 0) {
        withdraw(task);
        task.record = NULL;
        task.generation = ENOMEM;
    }
    if (task.record == NULL) {
        fail(group, NULL, -(int64_t)task.generation);
    }
    return task;
}

/* ---- waiting */

/* The tasks of a group whose policy has cancelled them are on their way: once is enough, unless the
 * wait is cancelled a second time, for the first may have been ignored. */
static int pass_cancel_on(struct eddy_task_record *task)
{
    eddy_group *group = task->in.object;

    if (group->error == 0 || group->policy != EDDY_GROUP_CANCEL ||
        eddy_has(task, EDDY_TASK_PASSED_)) {
        eddy_group_cancel(group);
    }
    return 0;
}

static int stop_waiting(struct eddy_task_record *task)
{
    ((eddy_group *)task->in.object)->waiter = NULL;
    return 1;
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const eddy_group *group = task->in.object;

    snprintf(text, size, "%u task%s", group->count, group->count == 1 ? "" : "s");
}

static struct eddy_task_record *blocker(const struct eddy_task_record *task)
{
    const eddy_group *group = task->in.object;

    return group->count == 1 ? child_of(group->children.next) : NULL;
}

static void blockers(const struct eddy_task_record *task, eddy_blocker_fn *found, void *context)
{
    eddy_group *group = task->in.object;

    for (struct eddy_link *link = group->children.next; link != &group->children;
         link = link->next) {
        found(child_of(link), context);
    }
}

static const struct eddy_wait group_kind = {
    .name = "group",
    .abort = pass_cancel_on,
    .describe = describe,
    .blocker = blocker,
    .blockers = blockers,
};

static const struct eddy_wait next_kind = {
    .name = "next of a group",
    .abort = stop_waiting,
    .describe = describe,
    .blocker = blocker,
};

int64_t eddy_group_wait(eddy_coro *co, eddy_group *group)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (group->waiter != NULL || (group->host != NULL && group->host != co->task)) {
        return -EBUSY;
    }
    if (group->count == 0) {
        return eddy_done(co, finish(group, co->task));
    }
    group->waiter = co->task;
    return eddy_park(co, &group_kind, group, NULL);
}

int64_t eddy_group_next(eddy_coro *co, eddy_group *group, int64_t *result)
{
    int64_t interrupted = eddy_check(co);

    if (interrupted < 0) {
        return interrupted;
    }
    if (group->policy != EDDY_GROUP_KEEP) {
        return -EINVAL;
    }
    if (group->waiter != NULL) {
        return -EBUSY;
    }
    if (take_next(group, co->task, result)) {
        return eddy_done(co, 1);
    }
    if (group->count == 0) {
        return eddy_done(co, finish(group, co->task));
    }
    eddy_check_pointer(co, result);
    group->waiter = co->task;
    co->task->with.value = result;
    return eddy_park(co, &next_kind, group, NULL);
}

/* ---- the scope */

int64_t eddy_group_enter_(eddy_coro *co)
{
    eddy_group *group = co->scope->object;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (group->host != NULL || group->waiter != NULL) {
        return -EBUSY;
    }
    eddy_check_pointer(co, group);
    group->limit = eddy_limit_open(co, EDDY_FOREVER);
    if (group->limit == NULL) {
        return -ENOMEM;
    }
    group->host = co->task;
    return eddy_done(co, 0);
}

/* The block was left by an error: it counts as the failure of a task of the group, so that what
 * came first goes on; but a cancel from outside always does. */
static void body_failed(eddy_coro *co, const struct eddy_scope *scope, eddy_group *group)
{
    int64_t error = co->outcome;

    group->stopped = error == -ECANCELED && !eddy_limit_any_struck(co->task);
    if (group->policy == EDDY_GROUP_KEEP) {
        collect_kept(group);
    }
    if (group->error == 0) {
        group->error = error;
    } else if (error == -ECANCELED || (scope->flags & EDDY_SCOPE_AFTER_ERROR_) != 0) {
        eddy_error_give(co->task, &group->origin);
        eddy_error_report_second(co->task, group->error, error, "was failing already");
        group->error = error;
    } else {
        eddy_error_report_second(co->task, error, group->error,
                                 "failed when its group was failing already");
        eddy_scope_turn(co, 0);
    }
    eddy_group_cancel(group);
}

/* What was held back or came meanwhile reaches the wait that has just begun. */
static void deliver_pending(struct eddy_task_record *task)
{
    if (eddy_has(task, EDDY_TASK_CANCEL_) && task->top->mask == 0) {
        eddy_clear(task, EDDY_TASK_CANCEL_);
        eddy_cancel_record(task);
    } else if (eddy_has(task, EDDY_TASK_LIMIT_)) {
        eddy_clear(task, EDDY_TASK_LIMIT_);
        eddy_limit_reach(task);
    }
}

int64_t eddy_group_leave_(eddy_coro *co, struct eddy_scope *scope)
{
    eddy_group *group = scope->object;
    bool failed = scope->leaving == EDDY_LEAVE_UNWIND_ && co->outcome < 0;
    int64_t result;

    if (eddy_limit_close(co, scope, group->limit)) {
        eddy_scope_turn(co, 0); /* the cancel was the group's own */
    } else if (failed) {
        body_failed(co, scope, group);
    }
    group->limit = NULL;
    group->host = NULL;
    if (group->waiter != NULL) {
        eddy_frame_misuse(co, "eddy_with_group ends while another task waits for its group");
    }
    eddy_scope_unmask(co, scope);
    if (group->count == 0) {
        return finish(group, co->task);
    }
    group->waiter = co->task;
    result = eddy_park(co, &group_kind, group, NULL);
    deliver_pending(co->task);
    return result;
}
