/*
 * eddy_with_group: a block that is left when all tasks of its group have ended.
 *
 * The block is one more member of the group. A deadline without a time stands over it, which a task that
 * fails strikes (policy CANCEL): so the block is cancelled once, by the machine that cancels any block for
 * its time (task/deadline.c), and the exit can tell that cancel from one that came from outside.
 *
 *     the block was left by     its tasks       what goes on
 *     its end, break            are waited for  the group's error, if any
 *     the group's own cancel    likewise        the error of the task that failed
 *     an error                  are cancelled   the older of the two, and the other is told
 *     a cancel from outside     are cancelled   the cancel; an error of the group's is told
 *     the end of the loop       -               the group is told of that itself (group.c)
 *
 * While it is open the task is the group's host, and nobody else may wait for the group. The exit waits
 * with the mask of the block: a second cancel reaches the tasks.
 *
 * The group may have tasks before. They are not to be left behind for want of memory, so the scope lies in
 * the group, and without memory for the deadline the block is not run, but the tasks are waited for.
 */
#include "sync/group.h"

/* The group may have tasks already, which are not to be left behind for want of memory: so it brings
 * that of its scope. If it is in use, another block sees to them, and this one is not entered. */
int eddy_group_open_(eddy_coro *co, eddy_group *group, uint32_t exit)
{
    if (group->scope.leave != NULL) {
        return eddy_scope_open_object_(co, group, eddy_group_leave_, exit);
    }
    eddy_scope_open_in(co, &group->scope, group, eddy_group_leave_, exit);
    return 1;
}

/* Without memory the block does not run, and nobody else would wait for the tasks of the group. */
static int64_t not_entered(eddy_coro *co, eddy_group *group)
{
    if (eddy_group_is_empty(group)) {
        return eddy_complete(co, -ENOMEM);
    }
    eddy_group_collect_kept(group);
    group->error = group->error < 0 ? group->error : -ENOMEM;
    if (group->count == 0) {
        return eddy_own_complete(co, eddy_group_finish(group, co->task));
    }
    eddy_group_cancel(group);
    group->waiter = co->task;
    return eddy_own_park(co, &eddy_group_kind, group, NULL);
}

/* A group that has tasks already is the block's from here on, also if a cancel is pending, which
 * comes with the block's first await. */
int64_t eddy_group_enter_(eddy_coro *co)
{
    eddy_group *group = co->scope->object;
    int64_t result = 0;

    eddy_own_begin(co);
    if (group->host != NULL || group->waiter != NULL) {
        return eddy_own_none(co, -EBUSY);
    }
    if (eddy_group_is_empty(group)) {
        result = eddy_check(co);
    }
    if (result < 0) {
        return result;
    }
    eddy_check_pointer(co, group);
    group->deadline = eddy_deadline_open(co, EDDY_FOREVER);
    if (group->deadline == NULL) {
        return not_entered(co, group);
    }
    group->host = co->task;
    eddy_group_follow_end(eddy_task_loop(co->task), group);
    return eddy_own_complete(co, 0);
}

/* The block was left by an error: it counts as the failure of a task of the group, so that what
 * came first goes on; but a cancel from outside always does. */
static void body_failed(eddy_coro *co, const struct eddy_scope *scope, eddy_group *group)
{
    int64_t error = co->outcome;

    group->stopped = error == -ECANCELED;
    if (group->policy == EDDY_GROUP_KEEP) {
        eddy_group_collect_kept(group);
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

int64_t eddy_group_leave_(eddy_coro *co, struct eddy_scope *scope)
{
    eddy_group *group = scope->object;
    bool failed = scope->leaving == EDDY_LEAVE_UNWIND_ && co->outcome < 0;

    if (scope->leaving == EDDY_LEAVE_CUT_OFF_) {
        return 0; /* it is told of the loop's end itself */
    }
    if (eddy_deadline_close(co, scope, group->deadline)) {
        eddy_scope_turn(co, 0); /* the cancel was the group's own */
    } else if (failed) {
        body_failed(co, scope, group);
    }
    group->deadline = NULL;
    group->host = NULL;
    if (group->waiter != NULL) {
        eddy_frame_misuse(co, "eddy_with_group ends while another task waits for its group");
    }
    eddy_scope_unmask(co, scope);
    if (group->count == 0) {
        return eddy_group_finish(group, co->task);
    }
    group->waiter = co->task;
    return eddy_own_park(co, &eddy_group_kind, group, NULL);
}
