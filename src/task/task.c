/*
 * Tasks: their records beyond the first, their names, and their end. What a record is in each of its states
 * is said in step.c, where it lies in task_table.c.
 *
 * A task that ends tells it to one: its owner, which is the task that joins it, a group or a client of a
 * server; or else, if it is detached, the error hook. So its result is taken once, and with it the record is
 * free, unless somebody keeps it. Who takes nothing is told beside that (done_callback.c, share.c).
 */
#include "eddy/task.h"

#include <stdio.h>
#include <string.h>

#include "task/task_internal.h"

/* ---- records */

/* There is no task of that handle, which is not to be asked on another thread all the same. */
static struct eddy_task_record *__attribute__((cold, noinline)) find_none(eddy_task handle)
{
    if (eddy_record_of(handle) != NULL) {
        eddy_loop_here(eddy_task_loop(handle.record), "an operation on a task");
    }
    return NULL;
}

struct eddy_task_record *eddy_task_find(eddy_task handle)
{
    struct eddy_task_record *task = handle.record;

    if (task == NULL || task->timed.ready.generation != handle.generation ||
        task->timed.ready.state == EDDY_TASK_FREE_) {
        return find_none(handle);
    }
    eddy_loop_here(eddy_task_loop(task), "an operation on a task");
    return task;
}

struct eddy_task_extra *eddy_extra_make(struct eddy_task_record *task)
{
    struct eddy_task_extra *extra = eddy_extra(task);
    unsigned pool_class;

    if (extra != NULL) {
        return extra;
    }
    extra = eddy_pool_take(&eddy_task_loop(task)->pool, sizeof *extra, &pool_class);
    if (extra == NULL) {
        return NULL;
    }
    memset(extra, 0, sizeof *extra);
    extra->owner = task->owner;
    extra->task = task;
    extra->pool_class = pool_class;
    task->owner = extra;
    eddy_set(task, EDDY_TASK_EXTRA_);
    return extra;
}

struct eddy_task_rare *eddy_rare_make(struct eddy_task_record *task)
{
    struct eddy_task_extra *extra = eddy_extra_make(task);
    unsigned pool_class;

    if (extra == NULL || extra->rare != NULL) {
        return extra != NULL ? extra->rare : NULL;
    }
    extra->rare = eddy_pool_take(&eddy_task_loop(task)->pool, sizeof *extra->rare, &pool_class);
    if (extra->rare != NULL) {
        memset(extra->rare, 0, sizeof *extra->rare);
        extra->rare->pool_class = pool_class;
    }
    return extra->rare;
}

void eddy_owner_set(struct eddy_task_record *task, eddy_owner *owner)
{
    if (eddy_has(task, EDDY_TASK_EXTRA_)) {
        eddy_extra(task)->owner = owner;
    } else {
        task->owner = owner;
    }
}

static void empty_list(struct eddy_link *list)
{
    while (!eddy_list_empty(list)) {
        eddy_list_remove(list->next);
    }
}

void eddy_task_forget_links(struct eddy_task_record *task)
{
    struct eddy_task_rare *rare = eddy_rare(task);

    if (eddy_extra(task) != NULL) {
        empty_list(&eddy_extra(task)->guards); /* open things elsewhere than in frames */
    }
    if (rare != NULL) {
        empty_list(&rare->done);
        empty_list(&rare->lent);
    }
    if (rare != NULL && eddy_link_used(&rare->frame_guard)) {
        eddy_list_remove(&rare->frame_guard);
    }
}

void eddy_task_release(struct eddy_task_record *task)
{
    struct eddy_pool *pool = &eddy_task_loop(task)->pool;
    struct eddy_task_extra *extra = eddy_extra(task);

    if (extra != NULL) {
        if (eddy_share_keeps(task)) {
            return;
        }
        eddy_task_forget_links(task);
        eddy_error_forget(task);
        if (extra->rare != NULL) {
            eddy_values_drop(task);
            eddy_pool_give(pool, extra->rare, extra->rare->pool_class);
        }
        eddy_pool_give(pool, extra, extra->pool_class);
    }
    eddy_task_record_free(task);
}

/* ---- names */

int eddy_task_set_name(eddy_task handle, const char *name)
{
    struct eddy_task_record *task = eddy_task_find(handle);
    struct eddy_task_rare *rare;

    if (task == NULL) {
        return -ESRCH;
    }
    rare = eddy_rare_make(task);
    if (rare == NULL) {
        return -ENOMEM;
    }
    rare->name = name;
    return 0;
}

const char *eddy_task_display_name(const struct eddy_task_record *task)
{
    const struct eddy_task_rare *rare = eddy_rare(task);

    return rare != NULL && rare->name != NULL ? rare->name : task->named_place;
}

const char *eddy_task_name(eddy_task handle)
{
    const struct eddy_task_record *task = eddy_task_find(handle);

    return task != NULL ? eddy_task_display_name(task) : NULL;
}

const char *eddy_place_in(const char *named_place)
{
    return named_place + strlen(named_place) + 1;
}

const char *eddy_task_place(const struct eddy_task_record *task)
{
    return eddy_place_in(task->named_place);
}

void eddy_task_describe(const struct eddy_task_record *task, char *text, size_t size)
{
    snprintf(text, size, "%s (%s)", eddy_task_display_name(task), eddy_task_place(task));
}

/* ---- ending */

/* Its frame is the caller's again, and the callbacks become ready. */
static void tell_rare(struct eddy_task_rare *rare, struct eddy_task_record *task)
{
    if (eddy_link_used(&rare->frame_guard)) {
        eddy_list_remove(&rare->frame_guard);
    }
    eddy_done_tell(task);
    eddy_share_tell(task);
}

/* Nobody will take its result: an error is told, unless somebody has seen it. */
static void drop_result(struct eddy_task_record *task)
{
    if (eddy_error_is_lost(task)) {
        eddy_error_report(task, task->in.result, "was detached");
    }
    eddy_task_release(task);
}

void eddy_task_finish(struct eddy_task_record *task, int64_t result)
{
    eddy_owner *owner;

    if (eddy_heap_has(&task->timed.alarm)) {
        eddy_heap_remove(&eddy_task_loop(task)->heap, &task->timed.alarm);
    }
    task->timed.ready.state = EDDY_TASK_DONE_;
    task->in.result = result;
    eddy_task_loop(task)->tasks->live--;
    eddy_task_loop(task)->tasks->ending -= eddy_has(task, EDDY_TASK_ENDING_);
    eddy_traced(eddy_task_loop(task), task, EDDY_TRACE_FINISH);
    if (eddy_rare(task) != NULL) {
        tell_rare(eddy_rare(task), task);
    }
    if (task == eddy_task_loop(task)->awaited) {
        eddy_task_loop(task)->awaited_ended = true;
        eddy_task_loop(task)->turn_seen = true;
    }
    owner = eddy_owner_of(task); /* not before: who was told may have let the task go */
    if (owner != NULL) {
        (*owner)->child_done(owner, task, result);
    } else if (eddy_has(task, EDDY_TASK_DETACHED_)) {
        drop_result(task);
    }
}

int eddy_task_claimable(struct eddy_task_record *self, const struct eddy_task_record *task)
{
    if (task == NULL || eddy_task_is_taken(task)) {
        return -ESRCH;
    }
    if (self != NULL && task == eddy_acting(self)) {
        return -EDEADLK;
    }
    if (self != NULL && eddy_task_loop(self) != eddy_task_loop(task)) {
        return -EINVAL;
    }
    return eddy_owner_of(task) != NULL || eddy_has(task, EDDY_TASK_DETACHED_) ||
                   task == eddy_task_loop(task)->awaited
               ? -EBUSY
               : 0;
}

int eddy_detach(eddy_task handle)
{
    struct eddy_task_record *task = eddy_task_find(handle);
    int result =
        eddy_spawn_failed(handle) ? eddy_unstarted_detach(handle) : eddy_task_claimable(NULL, task);

    if (result < 0 || task == NULL) {
        return result;
    }
    eddy_set(task, EDDY_TASK_DETACHED_);
    if (task->timed.ready.state == EDDY_TASK_DONE_) {
        drop_result(task);
    }
    return 0;
}

/* ---- looking */

bool eddy_task_done(eddy_task handle)
{
    const struct eddy_task_record *task = eddy_task_find(handle);

    return task == NULL || task->timed.ready.state == EDDY_TASK_DONE_;
}

int64_t eddy_task_result(eddy_task handle)
{
    const struct eddy_task_record *task = eddy_task_find(handle);

    if (task == NULL) {
        return eddy_spawn_failed(handle) ? eddy_unstarted_take(handle) : -ESRCH;
    }
    return task->timed.ready.state == EDDY_TASK_DONE_ ? task->in.result : -EAGAIN;
}

eddy_task eddy_task_self(eddy_coro *co)
{
    return eddy_handle(eddy_acting(co->task));
}
