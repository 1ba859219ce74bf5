#include "eddy/gather.h"

#include <stdio.h>

#include "task/task_internal.h"

/* While it gathers, a task keeps the array in in.object, and how many have not ended and how
 * many there are in with.count: no memory is needed, so that it cannot fail and leave the tasks
 * behind. Children that have ended keep their records until all have. */
enum { RUNNING, ALL };

static void cancel_all(struct eddy_task_record *self, const eddy_task *tasks, size_t count)
{
    bool first = eddy_cancel_begin(eddy_task_loop(self));

    for (size_t i = 0; i < count; i++) {
        if (tasks[i].record != NULL && tasks[i].record->timed.ready.state != EDDY_TASK_DONE_) {
            eddy_cancel_record(tasks[i].record);
        }
    }
    eddy_cancel_end(eddy_task_loop(self), first);
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
        if (eddy_spawn_failed(tasks[i])) {
            return -(int64_t)tasks[i].generation;
        }
    }
    return 0;
}

/* What the gather returns: the error of a spawn, or else of the first that failed, or 0. */
static int64_t result_of(const eddy_task *tasks, size_t count)
{
    int64_t result = first_spawn_error(tasks, count);

    for (size_t i = 0; i < count && result == 0; i++) {
        if (eddy_has(tasks[i].record, EDDY_TASK_FAILED_)) {
            result = tasks[i].record->in.result;
        }
    }
    return result;
}

/* All have ended: frees the records and returns the gather's result. */
static int64_t collect(struct eddy_task_record *task, const eddy_task *tasks, size_t count)
{
    bool by_spawn = first_spawn_error(tasks, count) < 0;
    int64_t result = result_of(tasks, count);

    for (size_t i = 0; i < count; i++) {
        struct eddy_task_record *child = tasks[i].record;
        if (eddy_spawn_failed(tasks[i])) {
            continue;
        }
        if (eddy_has(child, EDDY_TASK_FAILED_) && !by_spawn) {
            eddy_error_pass(child, task, result);
        } else if (child->in.result < 0 && child->in.result != -ECANCELED) {
            eddy_error_report_second(child, child->in.result, result,
                                     "failed when a gather was failing already");
        }
        eddy_task_release(child);
    }
    eddy_clear(task, EDDY_TASK_GATHER_FAILED_);
    return result;
}

/* The children of a gather that has failed are being cancelled already: once is enough, unless it
 * is cancelled a second time, for the first may have been ignored. */
static int pass_cancel_on(struct eddy_task_record *task)
{
    if (!eddy_has(task, EDDY_TASK_GATHER_FAILED_) || eddy_has(task, EDDY_TASK_UNDER_WAY_)) {
        cancel_all(task, task->in.object, task->with.count[ALL]);
    }
    return 0;
}

static void child_done(struct eddy_task_record *task, struct eddy_task_record *child,
                       int64_t result)
{
    const eddy_task *tasks = task->in.object;
    bool cancelled_before = eddy_has(task, EDDY_TASK_GATHER_FAILED_ | EDDY_TASK_UNDER_WAY_);

    (void)result;
    note_end(task, child);
    if (eddy_has(task, EDDY_TASK_GATHER_FAILED_) && !cancelled_before) {
        cancel_all(task, tasks, task->with.count[ALL]);
    }
    if (--task->with.count[RUNNING] == 0) {
        eddy_wake(task, collect(task, tasks, task->with.count[ALL]));
    }
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    snprintf(text, size, "%u of %u tasks", task->with.count[RUNNING], task->with.count[ALL]);
}

static struct eddy_task_record *blocker(const struct eddy_task_record *task)
{
    return eddy_tasks_last(task->in.object, task->with.count[ALL]);
}

static void blockers(const struct eddy_task_record *task, eddy_blocker_fn *found, void *context)
{
    eddy_tasks_each(task->in.object, task->with.count[ALL], found, context);
}

static const struct eddy_wait_kind gather_kind = {
    .name = "gather",
    .abort = pass_cancel_on,
    .child_done = child_done,
    .describe = describe,
    .blocker = blocker,
    .blockers = blockers,
};

int64_t eddy_gather(eddy_coro *co, const eddy_task *tasks, size_t count)
{
    struct eddy_task_record *task = co->task;
    uint32_t running = 0;
    bool failed = false;
    int64_t result;

    eddy_own_begin(co);
    result = eddy_tasks_claim(task, tasks, count, false);
    if (result < 0 || count == 0) {
        return eddy_own_none(co, result);
    }
    for (size_t i = 0; i < count; i++) {
        if (eddy_spawn_failed(tasks[i])) {
            failed = true;
        } else if (tasks[i].record->timed.ready.state == EDDY_TASK_DONE_) {
            note_end(task, tasks[i].record);
        } else {
            running++;
        }
    }
    if (running == 0) {
        return eddy_own_complete(co, collect(task, tasks, count));
    }
    eddy_check_pointer(co, tasks);
    if (failed || eddy_has(task, EDDY_TASK_GATHER_FAILED_)) {
        eddy_set(task, EDDY_TASK_GATHER_FAILED_);
        cancel_all(task, tasks, count);
    }
    task->with.count[RUNNING] = running;
    task->with.count[ALL] = (uint32_t)count;
    return eddy_own_park(co, &gather_kind, (void *)(uintptr_t)tasks, NULL);
}

/* ---- gathering all */

/* It has two arrays to keep: while it gathers, the first of the results is where the tasks are. */

static void keep_tasks(int64_t *results, const eddy_task *tasks)
{
    results[0] = (int64_t)(uintptr_t)tasks;
}

static const eddy_task *tasks_of(const struct eddy_task_record *task)
{
    const int64_t *results = task->in.object;

    return (const eddy_task *)(uintptr_t)results[0];
}

/* All have ended: hands their results over, frees the records, and returns how many have failed. */
static int64_t collect_all(struct eddy_task_record *task, const eddy_task *tasks, size_t count,
                           int64_t *results)
{
    bool cancelled = false;
    int64_t failures = 0;
    size_t first = 0; /* of those that have failed */

    for (size_t i = 0; i < count; i++) {
        results[i] = eddy_task_outcome(tasks[i]);
        cancelled |= results[i] == -ECANCELED;
        if (results[i] < 0 && failures++ == 0) {
            first = i;
        }
    }
    cancelled = cancelled && eddy_has(task, EDDY_TASK_UNDER_WAY_);
    if (failures > 0 && !cancelled) {
        eddy_error_hand_over(tasks[first].record, task, results[first]);
    }
    for (size_t i = 0; i < count; i++) {
        if (tasks[i].record != NULL) {
            eddy_task_release(tasks[i].record);
        }
    }
    return cancelled ? -ECANCELED : failures;
}

static int cancel_each(struct eddy_task_record *task)
{
    cancel_all(task, tasks_of(task), task->with.count[ALL]);
    return 0;
}

static void one_done(struct eddy_task_record *task, struct eddy_task_record *child, int64_t result)
{
    (void)child;
    (void)result;
    if (--task->with.count[RUNNING] == 0) {
        eddy_wake(task, collect_all(task, tasks_of(task), task->with.count[ALL], task->in.object));
    }
}

static struct eddy_task_record *blocker_of_all(const struct eddy_task_record *task)
{
    return eddy_tasks_last(tasks_of(task), task->with.count[ALL]);
}

static void blockers_of_all(const struct eddy_task_record *task, eddy_blocker_fn *found,
                            void *context)
{
    eddy_tasks_each(tasks_of(task), task->with.count[ALL], found, context);
}

static const struct eddy_wait_kind gather_all_kind = {
    .name = "gather all",
    .abort = cancel_each,
    .child_done = one_done,
    .describe = describe,
    .blocker = blocker_of_all,
    .blockers = blockers_of_all,
};

int64_t eddy_gather_all(eddy_coro *co, const eddy_task *tasks, size_t count, int64_t *results)
{
    struct eddy_task_record *task = co->task;
    uint32_t running = 0;
    int64_t result;

    eddy_own_begin(co);
    result = eddy_tasks_claim(task, tasks, count, false);
    if (result < 0 || count == 0) {
        return eddy_own_none(co, result);
    }
    for (size_t i = 0; i < count; i++) {
        running += !eddy_task_ended(tasks[i]);
    }
    if (running == 0) {
        return eddy_own_complete(co, collect_all(task, tasks, count, results));
    }
    eddy_check_pointer(co, tasks);
    eddy_check_pointer(co, results);
    keep_tasks(results, tasks);
    task->with.count[RUNNING] = running;
    task->with.count[ALL] = (uint32_t)count;
    return eddy_own_park(co, &gather_all_kind, results, NULL);
}
