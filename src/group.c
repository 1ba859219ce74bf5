#include "eddy/group.h"

#include "task_internal.h"

/* A link in the list of children is the first member of the extra record of a task. */
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

static void fail(eddy_group *group, struct eddy_task_record *child, int64_t error)
{
    const struct eddy_task_extra *extra = child != NULL ? eddy_extra(child) : NULL;

    if (group->error != 0) {
        if (child != NULL) {
            eddy_error_report(child, error, "failed when its group was failing already");
        }
        return;
    }
    group->error = error;
    if (extra != NULL && extra->error == error) {
        group->function = extra->function;
        group->file = extra->file;
        group->line = extra->line;
    }
    if (!group->closing) {
        eddy_group_cancel(group);
    }
}

/* Makes the group as new and returns its result to the task that waited. */
static int64_t finish(eddy_group *group, struct eddy_task_record *waiter)
{
    int64_t result = group->error;

    if (result < 0 && group->function != NULL) {
        eddy_error_note(waiter, result, group->function, group->file, group->line);
        eddy_set(waiter, EDDY_TASK_CASCADED_);
    }
    group->waiter = NULL;
    group->error = 0;
    group->function = NULL;
    group->closing = false;
    group->cancelled = false;
    if (eddy_link_used(&group->guard)) {
        eddy_list_remove(&group->guard);
    }
    return result;
}

static void child_done(struct eddy_owner *owner, struct eddy_task_record *child, int64_t result)
{
    eddy_group *group = (eddy_group *)(void *)owner;
    struct eddy_task_record *waiter = group->waiter;

    eddy_list_remove(&eddy_extra(child)->sibling);
    if (result == -ECANCELED) {
        group->cancelled = true;
    } else if (result < 0) {
        fail(group, child, result);
    }
    eddy_task_release(child);
    if (--group->count > 0) {
        return;
    }
    if (eddy_link_used(&group->guard) && group->error == 0) {
        eddy_list_remove(&group->guard); /* an error that nobody has waited for keeps it */
    }
    if (waiter != NULL) {
        bool cancelled =
            group->error == 0 && group->cancelled && eddy_has(waiter, EDDY_TASK_PASSED_);
        result = finish(group, waiter);
        eddy_wake(waiter, cancelled ? -ECANCELED : result);
    }
}

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

/* The tasks of a group that has failed are being cancelled already: once is enough. */
static int pass_cancel_on(struct eddy_task_record *task)
{
    eddy_group *group = task->in.object;

    if (group->error == 0) {
        eddy_group_cancel(group);
    }
    return 0;
}

static const struct eddy_wait group_kind = {.name = "group", .abort = pass_cancel_on};

int64_t eddy_group_wait(eddy_coro *co, eddy_group *group)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (group->waiter != NULL) {
        return -EBUSY;
    }
    if (group->count == 0) {
        return eddy_done(co, finish(group, co->task));
    }
    group->waiter = co->task;
    return eddy_park(co, &group_kind, group, NULL);
}
