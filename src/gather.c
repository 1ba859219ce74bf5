#include "eddy/gather.h"

#include "task_internal.h"

/* While it gathers, a task keeps the array in in.object, and how many have not ended and how
 * many there are in with.count: no memory is needed. Children that have ended keep their records
 * until all have. */
enum { RUNNING, ALL };

static bool spawn_failed(eddy_task handle)
{
    return handle.record == NULL && handle.generation != 0;
}

static void cancel_all(const eddy_task *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (tasks[i].record != NULL && tasks[i].record->timed.ready.state != EDDY_TASK_DONE_) {
            eddy_cancel_record(tasks[i].record);
        }
    }
}

/* Notes a child that has ended; the first that failed decides. */
static void note_end(struct eddy_task_record *task, struct eddy_task_record *child)
{
    if (child->in.result < 0 && !eddy_has(task, EDDY_TASK_GATHER_FAILED_)) {
        eddy_set(child, EDDY_TASK_FAILED_);
        eddy_set(task, EDDY_TASK_GATHER_FAILED_);
    }
}

static int64_t first_spawn_error(const eddy_task *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (spawn_failed(tasks[i])) {
            return -(int64_t)tasks[i].generation;
        }
    }
    return 0;
}

/* All have ended: frees the records and returns the gather's result. */
static int64_t collect(struct eddy_task_record *task, const eddy_task *tasks, size_t count)
{
    int64_t spawn_error = first_spawn_error(tasks, count);
    int64_t result = 0;

    for (size_t i = 0; i < count; i++) {
        struct eddy_task_record *child = tasks[i].record;
        if (spawn_failed(tasks[i])) {
            continue;
        }
        if (eddy_has(child, EDDY_TASK_FAILED_) && spawn_error == 0) {
            result = child->in.result;
            eddy_error_pass(child, task, result);
        } else if (child->in.result < 0 && child->in.result != -ECANCELED) {
            eddy_error_report(child, child->in.result, "failed when a gather was failing already");
        }
        eddy_task_release(child);
    }
    eddy_clear(task, EDDY_TASK_GATHER_FAILED_);
    return spawn_error < 0 ? spawn_error : result;
}

/* The children of a gather that has failed are being cancelled already: once is enough. */
static int pass_cancel_on(struct eddy_task_record *task)
{
    if (!eddy_has(task, EDDY_TASK_GATHER_FAILED_)) {
        cancel_all(task->in.object, task->with.count[ALL]);
    }
    return 0;
}

static void child_done(struct eddy_task_record *task, struct eddy_task_record *child,
                       int64_t result)
{
    const eddy_task *tasks = task->in.object;
    bool cancelled_before = eddy_has(task, EDDY_TASK_GATHER_FAILED_ | EDDY_TASK_PASSED_);

    (void)result;
    note_end(task, child);
    if (eddy_has(task, EDDY_TASK_GATHER_FAILED_) && !cancelled_before) {
        cancel_all(tasks, task->with.count[ALL]);
    }
    if (--task->with.count[RUNNING] == 0) {
        eddy_wake(task, collect(task, tasks, task->with.count[ALL]));
    }
}

static const struct eddy_wait gather_kind = {
    .name = "gather",
    .abort = pass_cancel_on,
    .child_done = child_done,
};

/* Makes the task the one that is told of the end of each child; all or none. */
static int claim_all(struct eddy_task_record *task, const eddy_task *tasks, size_t count)
{
    int result = 0;
    size_t i;

    for (i = 0; i < count && result == 0; i++) {
        struct eddy_task_record *child = eddy_task_find(tasks[i]);
        if (spawn_failed(tasks[i])) {
            continue;
        }
        result = eddy_task_claimable(task, child);
        if (result == 0) {
            eddy_owner_set(child, task);
        }
    }
    if (result == 0) {
        return 0;
    }
    for (i--; i-- > 0;) { /* the last one failed, those before it are given back */
        if (!spawn_failed(tasks[i])) {
            eddy_owner_set(tasks[i].record, NULL);
        }
    }
    return result;
}

int64_t eddy_gather(eddy_coro *co, const eddy_task *tasks, size_t count)
{
    struct eddy_task_record *task = co->task;
    uint32_t running = 0;
    bool failed = false;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    result = count > UINT32_MAX ? -EINVAL : claim_all(task, tasks, count);
    if (result < 0) {
        return result;
    }
    for (size_t i = 0; i < count; i++) {
        if (spawn_failed(tasks[i])) {
            failed = true;
        } else if (tasks[i].record->timed.ready.state == EDDY_TASK_DONE_) {
            note_end(task, tasks[i].record);
        } else {
            running++;
        }
    }
    if (running == 0) {
        return eddy_done(co, collect(task, tasks, count));
    }
    eddy_check_pointer(co, tasks);
    if (failed || eddy_has(task, EDDY_TASK_GATHER_FAILED_)) {
        eddy_set(task, EDDY_TASK_GATHER_FAILED_);
        cancel_all(tasks, count);
    }
    task->with.count[RUNNING] = running;
    task->with.count[ALL] = (uint32_t)count;
    return eddy_park(co, &gather_kind, (void *)(uintptr_t)tasks, NULL);
}
