/*
 * Waiting for several tasks: gather, gather all, and the modes of wait. They are one operation, whose
 * kinds differ in what the table at the end says:
 *
 *     kind                  ends with       the tasks      a failure          its result
 *     gather                all             are consumed   cancels the rest   the first error
 *     gather all            all             are consumed   -                  how many have failed
 *     wait for the first    the first       stay           -                  how many have ended
 *     wait for an error     the first error stay           -                  how many have ended
 *     wait for all          all             stay           -                  how many have ended
 *
 * A wait that consumes owns the tasks: a cancel is passed on to them, and it ends when they have, so
 * that none runs on in memory of a frame that is gone. One after which they stay ends with the cancel.
 *
 * Each wait first claims all tasks, or none: it is their owner, and is told of their ends. The array of
 * handles is the caller's, and the one list of them that there is, so that no memory is needed: such a
 * wait cannot fail and leave the tasks behind. While it waits, in.object is the array, and with.count
 * how many of it run, and how long it is. Tasks that have ended keep their records until it is over:
 *
 *     a handle of a claimed array            record                   generation
 *     a gap (only where the tasks stay)      NULL                     0
 *     a spawn that failed: has ended         the loop's for those     with the error
 *     a task that runs, or has ended         its own, and it is ours  its number
 *
 * as_completed and groups are made otherwise: their callers take one end after the other, in the order
 * in which they come, so that each task has a place of its own in a list.
 */
#include <stdio.h>

#include "eddy/gather.h"
#include "task/task_internal.h"

enum { RUNNING, ALL };

struct several {
    struct eddy_wait_kind wait; /* first, so that a task's `wait` leads to it */
    /* all have ended, or (they stay) enough: the wait's result; tells errors that nobody gets */
    int64_t (*outcome)(struct eddy_task_record *task, const eddy_task *tasks, size_t count);
    enum eddy_wait_mode until;
    bool consumes;
    bool fails_as_one; /* the first failure cancels the others */
    /* There are two arrays: in.object is that of the results, whose first is where the tasks are. */
    bool has_results;
};

static const struct several *kind_of(const struct eddy_task_record *task)
{
    return (const struct several *)(const void *)task->wait;
}

static const eddy_task *tasks_of(const struct eddy_task_record *task)
{
    const int64_t *results = task->in.object;

    return kind_of(task)->has_results ? (const eddy_task *)(uintptr_t)results[0] : task->in.object;
}

/* ---- the claimed set */

static void give_back(const eddy_task *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (eddy_record_of(tasks[i]) != NULL) {
            eddy_owner_set(tasks[i].record, NULL);
        }
    }
}

static void consume(const eddy_task *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (eddy_spawn_failed(tasks[i])) {
            (void)eddy_unstarted_take(tasks[i]);
        } else if (tasks[i].record != NULL) {
            eddy_task_release(tasks[i].record);
        }
    }
}

/* 0, -EINVAL (more than 2^32 - 1), or as eddy_task_claimable. */
static int claim(struct eddy_task_record *self, const eddy_task *tasks, size_t count,
                 bool with_gaps)
{
    if (count > UINT32_MAX) {
        return -EINVAL;
    }
    for (size_t i = 0; i < count; i++) {
        struct eddy_task_record *child = eddy_task_find(tasks[i]);
        int result;
        if (eddy_spawn_failed(tasks[i]) || (with_gaps && tasks[i].record == NULL)) {
            continue;
        }
        result = eddy_task_claimable(self, child);
        if (result < 0) {
            give_back(tasks, i); /* those before it */
            return result;
        }
        eddy_owner_set(child, &self->wait);
    }
    return 0;
}

static void cancel_all(struct eddy_task_record *self, const eddy_task *tasks, size_t count)
{
    bool first = eddy_cancel_begin(eddy_task_loop(self));

    for (size_t i = 0; i < count; i++) {
        if (tasks[i].record != NULL && !eddy_task_ended(tasks[i])) {
            eddy_cancel_record(tasks[i].record);
        }
    }
    eddy_cancel_end(eddy_task_loop(self), first);
}

/* ---- outcomes */

static bool failed(int64_t result)
{
    return result < 0 && result != -ECANCELED;
}

static int64_t first_spawn_error(const eddy_task *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (eddy_spawn_failed(tasks[i])) {
            return eddy_task_outcome(tasks[i]);
        }
    }
    return 0;
}

/* A failed spawn is the first of all errors: it was there before a task could run. */
static int64_t first_error(struct eddy_task_record *task, const eddy_task *tasks, size_t count)
{
    int64_t result = first_spawn_error(tasks, count);
    struct eddy_task_record *first = NULL; /* whose error that is, if it is none of a spawn */

    for (size_t i = 0; i < count && result == 0; i++) {
        if (eddy_has(tasks[i].record, EDDY_TASK_FAILED_)) {
            first = tasks[i].record;
            result = first->in.result;
            eddy_error_pass(first, task, result);
        }
    }
    for (size_t i = 0; i < count && result < 0; i++) {
        struct eddy_task_record *child = eddy_record_of(tasks[i]);
        if (child != NULL && child != first && failed(child->in.result)) {
            eddy_error_report_second(child, child->in.result, result,
                                     "failed when a gather was failing already");
        }
    }
    eddy_clear(task, EDDY_TASK_GATHER_FAILED_);
    return result;
}

/* Hands the results over; and, as the error that was caught, that of the first in the array. */
static int64_t count_failed(struct eddy_task_record *task, const eddy_task *tasks, size_t count)
{
    int64_t *results = task->in.object;
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
    if (cancelled && eddy_has(task, EDDY_TASK_UNDER_WAY_)) {
        return -ECANCELED;
    }
    if (failures > 0) {
        eddy_error_hand_over(eddy_record_of(tasks[first]), task, results[first]);
    }
    return failures;
}

static int64_t count_ended(struct eddy_task_record *task, const eddy_task *tasks, size_t count)
{
    int64_t ended = 0;

    (void)task;
    for (size_t i = 0; i < count; i++) {
        ended += eddy_task_ended(tasks[i]);
    }
    return ended;
}

/* The wait is over: returns its result, and the array is the caller's again. */
static int64_t collect(const struct several *kind, struct eddy_task_record *task,
                       const eddy_task *tasks, size_t count)
{
    int64_t result = kind->outcome(task, tasks, count);

    (kind->consumes ? consume : give_back)(tasks, count);
    return result;
}

/* ---- ends */

/* Whether one end with that result is the end of the wait. */
static bool is_enough(const struct several *kind, int64_t result)
{
    return kind->until != EDDY_WAIT_ALL && (kind->until == EDDY_WAIT_FIRST || failed(result));
}

/* Of those that fail as one, a task or a spawn (child NULL) has failed, also by a cancel. The first to
 * do so decides. */
static void note_failure(struct eddy_task_record *task, struct eddy_task_record *child)
{
    if (child != NULL && !eddy_has(task, EDDY_TASK_GATHER_FAILED_)) {
        eddy_set(child, EDDY_TASK_FAILED_);
    }
    eddy_set(task, EDDY_TASK_GATHER_FAILED_);
}

static void child_failed(struct eddy_task_record *task, struct eddy_task_record *child)
{
    bool cancelled_before = eddy_has(task, EDDY_TASK_GATHER_FAILED_ | EDDY_TASK_UNDER_WAY_);

    note_failure(task, child);
    if (!cancelled_before) {
        cancel_all(task, tasks_of(task), task->with.count[ALL]);
    }
}

static void child_done(eddy_owner *owner, struct eddy_task_record *child, int64_t result)
{
    struct eddy_task_record *task = eddy_waiting_owner(owner);
    const struct several *kind = kind_of(task);

    if (result < 0 && kind->fails_as_one) {
        child_failed(task, child);
    }
    if (--task->with.count[RUNNING] == 0 || is_enough(kind, result)) {
        eddy_wake(task, collect(kind, task, tasks_of(task), task->with.count[ALL]));
    }
}

/* Those that have failed as one are being cancelled already: once is enough, unless the wait is
 * cancelled a second time, for the first may have been ignored. */
static int abort_wait(struct eddy_task_record *task)
{
    if (!kind_of(task)->consumes) {
        give_back(tasks_of(task), task->with.count[ALL]);
        return 1;
    }
    if (!eddy_has(task, EDDY_TASK_GATHER_FAILED_) || eddy_has(task, EDDY_TASK_UNDER_WAY_)) {
        cancel_all(task, tasks_of(task), task->with.count[ALL]);
    }
    return 0;
}

/* ---- for those who look */

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    uint32_t all = task->with.count[ALL];

    if (kind_of(task)->consumes) {
        snprintf(text, size, "%u of %u tasks", task->with.count[RUNNING], all);
    } else {
        snprintf(text, size, "%u task%s, %u ended", all, all == 1 ? "" : "s",
                 (unsigned)count_ended(NULL, tasks_of(task), all));
    }
}

static void each_that_runs(const struct eddy_task_record *task, eddy_blocker_fn *found,
                           void *context)
{
    const eddy_task *tasks = tasks_of(task);

    for (size_t i = 0; i < task->with.count[ALL]; i++) {
        if (tasks[i].record != NULL && !eddy_task_ended(tasks[i]) &&
            !found(tasks[i].record, context)) {
            return;
        }
    }
}

/* Whichever kind it is, the last one that runs ends the wait. */
static struct eddy_task_record *last_that_runs(const struct eddy_task_record *task)
{
    const eddy_task *tasks = tasks_of(task);

    for (size_t i = 0; task->with.count[RUNNING] == 1 && i < task->with.count[ALL]; i++) {
        if (tasks[i].record != NULL && !eddy_task_ended(tasks[i])) {
            return tasks[i].record;
        }
    }
    return NULL;
}

/* ---- the kinds */

#define SEVERAL(called, all_of)         \
    .wait = {.name = (called),          \
             .abort = abort_wait,       \
             .child_done = child_done,  \
             .describe = describe,      \
             .blocker = last_that_runs, \
             .blockers = (all_of)}

static const struct several gather_kind = {
    SEVERAL("gather", each_that_runs),
    .outcome = first_error,
    .until = EDDY_WAIT_ALL,
    .consumes = true,
    .fails_as_one = true,
};

static const struct several gather_all_kind = {
    SEVERAL("gather all", each_that_runs),
    .outcome = count_failed,
    .until = EDDY_WAIT_ALL,
    .consumes = true,
    .has_results = true,
};

static const struct several wait_kinds[] = {
    [EDDY_WAIT_FIRST] = {SEVERAL("wait for the first", NULL), .outcome = count_ended,
                         .until = EDDY_WAIT_FIRST},
    [EDDY_WAIT_FIRST_ERROR] = {SEVERAL("wait for an error", NULL), .outcome = count_ended,
                               .until = EDDY_WAIT_FIRST_ERROR},
    [EDDY_WAIT_ALL] = {SEVERAL("wait for all", each_that_runs), .outcome = count_ended,
                       .until = EDDY_WAIT_ALL},
};

/* ---- the operation */

/* Notes what has happened already; how many run, or 0 if that is enough. */
static uint32_t survey(const struct several *kind, struct eddy_task_record *task,
                       const eddy_task *tasks, size_t count)
{
    uint32_t running = 0;
    bool enough = false;

    for (size_t i = 0; i < count; i++) {
        if (!eddy_task_ended(tasks[i])) {
            running += tasks[i].record != NULL;
            continue;
        }
        enough |= is_enough(kind, eddy_task_outcome(tasks[i]));
        if (kind->fails_as_one && eddy_task_outcome(tasks[i]) < 0) {
            note_failure(task, eddy_record_of(tasks[i]));
        }
    }
    return enough ? 0 : running;
}

/* Begins as a wait that takes over; one that does not has taken what was pending before. */
static int64_t wait_for(eddy_coro *co, const struct several *kind, const eddy_task *tasks,
                        size_t count, void *object)
{
    struct eddy_task_record *task = co->task;
    int64_t result;
    uint32_t running;

    eddy_own_begin(co);
    result = claim(task, tasks, count, !kind->consumes);
    if (result < 0 || count == 0) {
        return eddy_own_none(co, result);
    }
    running = survey(kind, task, tasks, count);
    task->in.object = object;
    if (running == 0) {
        return eddy_own_complete(co, collect(kind, task, tasks, count));
    }
    eddy_check_pointer(co, tasks);
    eddy_check_pointer(co, object);
    if (kind->has_results) {
        *(int64_t *)object = (int64_t)(uintptr_t)tasks;
    }
    if (eddy_has(task, EDDY_TASK_GATHER_FAILED_)) {
        cancel_all(task, tasks, count);
    }
    task->with.count[RUNNING] = running;
    task->with.count[ALL] = (uint32_t)count;
    return eddy_own_park(co, &kind->wait, object, NULL);
}

int64_t eddy_gather(eddy_coro *co, const eddy_task *tasks, size_t count)
{
    return wait_for(co, &gather_kind, tasks, count, (void *)(uintptr_t)tasks);
}

int64_t eddy_gather_all(eddy_coro *co, const eddy_task *tasks, size_t count, int64_t *results)
{
    return wait_for(co, &gather_all_kind, tasks, count, results);
}

int64_t eddy_wait_tasks(eddy_coro *co, const eddy_task *tasks, size_t count,
                        enum eddy_wait_mode mode)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if ((unsigned)mode > EDDY_WAIT_ALL) {
        return -EINVAL;
    }
    return wait_for(co, &wait_kinds[mode], tasks, count, (void *)(uintptr_t)tasks);
}
