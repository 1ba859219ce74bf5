#include "eddy/gather.h"

#include <stdio.h>

#include "task/task_internal.h"

/* While it waits, a task keeps the array in in.object, and in with.count how many run, and how long
 * the array is. It is told of the tasks' ends as if it joined them, and gives them back. */
enum { RUNNING, ALL };

static bool failed(int64_t result)
{
    return result < 0 && result != -ECANCELED;
}

static int give_back(struct eddy_task_record *task)
{
    eddy_tasks_disclaim(task->in.object, task->with.count[ALL]);
    return 1;
}

static uint32_t count_ended(const eddy_task *tasks, size_t count)
{
    uint32_t ended = 0;

    for (size_t i = 0; i < count; i++) {
        ended += eddy_task_ended(tasks[i]);
    }
    return ended;
}

static void end_wait(struct eddy_task_record *task)
{
    uint32_t ended = count_ended(task->in.object, task->with.count[ALL]);

    (void)give_back(task);
    eddy_wake(task, ended);
}

static void one_done(struct eddy_task_record *task, struct eddy_task_record *child, int64_t result)
{
    (void)child;
    (void)result;
    end_wait(task);
}

static void done(struct eddy_task_record *task, struct eddy_task_record *child, int64_t result)
{
    (void)child;
    (void)result;
    if (--task->with.count[RUNNING] == 0) {
        end_wait(task);
    }
}

static void done_or_failed(struct eddy_task_record *task, struct eddy_task_record *child,
                           int64_t result)
{
    (void)child;
    if (--task->with.count[RUNNING] == 0 || failed(result)) {
        end_wait(task);
    }
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    uint32_t ended = count_ended(task->in.object, task->with.count[ALL]);

    snprintf(text, size, "%u task%s, %u ended", task->with.count[ALL],
             task->with.count[ALL] == 1 ? "" : "s", ended);
}

static struct eddy_task_record *blocker(const struct eddy_task_record *task)
{
    return eddy_tasks_last(task->in.object, task->with.count[ALL]);
}

static void blockers(const struct eddy_task_record *task, eddy_blocker_fn *found, void *context)
{
    eddy_tasks_each(task->in.object, task->with.count[ALL], found, context);
}

static const struct eddy_wait_kind kinds[] = {
    [EDDY_WAIT_FIRST] = {.name = "wait for the first",
                         .abort = give_back,
                         .child_done = one_done,
                         .describe = describe,
                         .blocker = blocker},
    [EDDY_WAIT_FIRST_ERROR] = {.name = "wait for an error",
                               .abort = give_back,
                               .child_done = done_or_failed,
                               .describe = describe,
                               .blocker = blocker},
    [EDDY_WAIT_ALL] = {.name = "wait for all",
                       .abort = give_back,
                       .child_done = done,
                       .describe = describe,
                       .blocker = blocker,
                       .blockers = blockers},
};

/* How many run; whether what the mode waits for has happened. */
static uint32_t survey(const eddy_task *tasks, size_t count, enum eddy_wait_mode mode, bool *met)
{
    uint32_t running = 0;

    *met = false;
    for (size_t i = 0; i < count; i++) {
        if (eddy_task_ended(tasks[i])) {
            *met |= mode == EDDY_WAIT_FIRST ||
                    (mode == EDDY_WAIT_FIRST_ERROR && failed(eddy_task_outcome(tasks[i])));
        } else {
            running += tasks[i].record != NULL;
        }
    }
    *met |= running == 0;
    return running;
}

int64_t eddy_wait_tasks(eddy_coro *co, const eddy_task *tasks, size_t count,
                        enum eddy_wait_mode mode)
{
    int64_t result = eddy_check(co);
    uint32_t running;
    bool met;

    if (result < 0) {
        return result;
    }
    if ((unsigned)mode > EDDY_WAIT_ALL) {
        return -EINVAL;
    }
    result = eddy_tasks_claim(co->task, tasks, count, true);
    if (result < 0) {
        return result;
    }
    running = survey(tasks, count, mode, &met);
    if (met) {
        eddy_tasks_disclaim(tasks, count);
        return eddy_complete(co, count_ended(tasks, count));
    }
    eddy_check_pointer(co, tasks);
    co->task->with.count[RUNNING] = running;
    co->task->with.count[ALL] = (uint32_t)count;
    return eddy_park(co, &kinds[mode], (void *)(uintptr_t)tasks, NULL);
}
