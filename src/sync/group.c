/*
 * Groups: tasks that one task waits for, together or as they end. The block around a group is in
 * with_group.c.
 *
 *     new        no task, no outcome           a wait is over at once
 *     filled     has tasks                     the guard is linked, the loop's end followed
 *     closing    likewise; they are cancelled  refuses spawns; until it was waited for
 *     ended      no task, but an outcome       likewise linked and followed: it must stay until then
 *     over       as new                        what `errors` has counted can still be read
 *
 * What a failure does is said by the policy. One that could not be started is a failure, too; a task that
 * was cancelled is none.
 *
 *     CANCEL     the first is the group's error, and cancels the tasks and the block; others are told
 *     COLLECT    the first is the group's error; others are told
 *     KEEP       the task stays in `ended` until eddy_group_next takes it; what a wait finds there is
 *                treated as by COLLECT
 *
 * Always: a task that has not ended is in `children` and counted in `count`; one that is kept is in `ended`;
 * no task is in both. There is one waiter at most, and no memory is needed to wait, since the lists go
 * through records that the tasks have (struct eddy_task_extra): so a wait cannot fail and leave tasks
 * behind. (Waits for an array, several.c, do without lists; they know all their tasks from the beginning.)
 */
#include "sync/group.h"

#include <stdio.h>

/* A link in a list of the group is in the extra record of a task. */
static struct eddy_task_record *child_of(struct eddy_link *link)
{
    return ((struct eddy_task_extra *)(void *)((char *)link -
                                               offsetof(struct eddy_task_extra, sibling)))
        ->task;
}

void eddy_group_cancel(eddy_group *group)
{
    struct eddy_link *children = &group->children;
    eddy_loop *loop;
    bool first;

    group->closing = true;
    if (eddy_list_empty(children)) {
        return;
    }
    /* Cancelling runs nothing, so the list stays as it is. */
    loop = eddy_task_loop(child_of(children->next));
    first = eddy_cancel_begin(loop);
    for (struct eddy_link *link = children->next; link != children; link = link->next) {
        eddy_cancel_record(child_of(link));
    }
    eddy_cancel_end(loop, first);
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
    if (group->deadline != NULL) {
        eddy_deadline_strike(group->host, group->deadline);
    }
}

/* ---- tasks that end */

/* Nothing is left in it that would have to be waited for. */
static void settle(eddy_group *group)
{
    if (eddy_link_used(&group->guard)) {
        eddy_list_remove(&group->guard);
    }
    if (group->host == NULL) {
        eddy_loop_end_leave(&group->end);
    }
}

void eddy_group_collect_kept(eddy_group *group)
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

int64_t eddy_group_finish(eddy_group *group, struct eddy_task_record *waiter)
{
    int64_t result;

    eddy_group_collect_kept(group);
    result = group->error;
    eddy_error_give(waiter, &group->origin);
    if (result < 0 && group->deadline != NULL) {
        eddy_deadline_reset(group->host, group->deadline); /* the body has the error itself */
    }
    group->waiter = NULL;
    group->error = 0;
    group->unstarted = 0;
    group->closing = false;
    group->used = false;
    group->cancelled = false;
    group->stopped = false;
    group->over = true;
    settle(group);
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
        settle(group);
    }
    return true;
}

static const struct eddy_wait_kind next_kind;

/* A task has ended, or could not be started. Who waits for all goes on with the last. A cancel of that wait
 * counts as delivered only if it has ended a task and nothing else went wrong: else the group's result
 * stands, and the cancel stays pending. */
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
        cancelled = group->cancelled && eddy_has(waiter, EDDY_TASK_UNDER_WAY_);
        if (group->stopped) {
            eddy_interrupt_ignored(waiter); /* a deadline that passed since is not what ended it */
        }
        result = eddy_group_finish(group, waiter);
        eddy_wake(waiter, result == 0 && cancelled ? -ECANCELED : result);
    }
}

static eddy_group *group_of(eddy_owner *owner)
{
    return (eddy_group *)(void *)((char *)owner - offsetof(eddy_group, owner));
}

/* The task leaves `children` first: what its failure cancels are the others. */
static void child_done(eddy_owner *owner, struct eddy_task_record *child, int64_t result)
{
    eddy_group *group = group_of(owner);

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
        settle(group); /* an error or result that nobody has waited for keeps it */
    }
    if (group->waiter != NULL) {
        wake_waiter(group);
    }
}

/* ---- the end of the loop */

/* Its tasks have ended, or were cut off; their records, and the text of an error, go with the loop. It
 * is as new. */
static void told_of_end(struct eddy_loop_end *end, eddy_loop *loop)
{
    eddy_group *group = (eddy_group *)(void *)((char *)end - offsetof(eddy_group, end));
    const eddy_task none = {NULL, 0};

    if (group->error != 0 && group->error != -ECANCELED && group->policy != EDDY_GROUP_KEEP) {
        eddy_loop_report(
            loop, none, group->error, "a group failed, and nobody has waited for it: %s",
            group->origin.code != 0 ? group->origin.text : eddy_strerror(group->error));
    }
    group->host = NULL;
    settle(group);
    *group = (eddy_group){.policy = group->policy,
                          .errors = group->errors,
                          .over = true,
                          .scope = group->scope}; /* still in a frame that was cut off */
}

void eddy_group_follow_end(eddy_loop *loop, eddy_group *group)
{
    if (!eddy_loop_end_followed(&group->end)) {
        eddy_loop_end_follow(loop, &group->end, told_of_end);
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
    group->owner = &eddy_group_kind;
    group->count++;
    group->used = true;
    eddy_list_append(&group->children, &extra->sibling);
    eddy_owner_set(child, &group->owner);
    return 0;
}

/* Takes back a spawn: the task never runs, and nobody is told. */
static void withdraw(eddy_task handle)
{
    (void)eddy_detach(handle);
    eddy_cancel_record(handle.record);
}

/* It is what comes next for who waits for that. */
static void fail_to_start(eddy_group *group, int64_t error)
{
    fail(group, NULL, error);
    if (group->waiter != NULL && group->waiter->wait == &next_kind) {
        wake_waiter(group);
    }
}

eddy_task eddy_group_spawn_(eddy_coro *co, eddy_group *group, const char *named_place,
                            const void *frame, size_t size)
{
    eddy_loop *loop = eddy_task_loop(co->task);
    eddy_task task;

    eddy_group_follow_end(loop, group);
    if (group->over) {
        group->over = false;
        group->errors = 0;
    }
    task = group->closing ? eddy_unstarted(loop, named_place, -ESHUTDOWN)
                          : eddy_spawn_(loop, named_place, frame, size);
    if (!eddy_spawn_failed(task) && adopt(co, group, task.record) < 0) {
        withdraw(task);
        task = eddy_unstarted(loop, named_place, -ENOMEM);
    }
    if (eddy_spawn_failed(task)) {
        fail_to_start(group, eddy_unstarted_error(task));
        task = eddy_unstarted_owned(task);
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
        eddy_has(task, EDDY_TASK_UNDER_WAY_)) {
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

    return group->count == 1 ? child_of(eddy_list_front(&group->children)) : NULL;
}

static void blockers(const struct eddy_task_record *task, eddy_blocker_fn *found, void *context)
{
    eddy_group *group = task->in.object;

    for (struct eddy_link *link = eddy_list_front(&group->children); link != &group->children;
         link = link->next) {
        if (!found(child_of(link), context)) {
            return;
        }
    }
}

const struct eddy_wait_kind eddy_group_kind = {
    .name = "group",
    .abort = pass_cancel_on,
    .child_done = child_done,
    .describe = describe,
    .blocker = blocker,
    .blockers = blockers,
};

static const struct eddy_wait_kind next_kind = {
    .name = "next of a group",
    .abort = stop_waiting,
    .describe = describe,
    .blocker = blocker,
};

static int64_t wait_for_none(eddy_coro *co, eddy_group *group)
{
    int64_t result = eddy_own_none(co, 0);

    if (result != -ECANCELED) {
        (void)eddy_group_finish(group, co->task);
    }
    return result;
}

int64_t eddy_group_wait(eddy_coro *co, eddy_group *group)
{
    eddy_own_begin(co);
    if (group->waiter != NULL || (group->host != NULL && group->host != eddy_acting(co->task))) {
        return eddy_own_none(co, -EBUSY);
    }
    if (eddy_group_is_empty(group)) {
        return wait_for_none(co, group);
    }
    if (group->count == 0) {
        return eddy_own_complete(co, eddy_group_finish(group, co->task));
    }
    group->waiter = co->task;
    return eddy_own_park(co, &eddy_group_kind, group, NULL);
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
        return eddy_complete(co, 1);
    }
    if (group->count == 0) {
        return eddy_complete(co, eddy_group_finish(group, co->task));
    }
    eddy_check_pointer(co, result);
    group->waiter = co->task;
    co->task->with.value = result;
    return eddy_park(co, &next_kind, group, NULL);
}
