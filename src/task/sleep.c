#include "eddy/deadline.h"

#include "base/duration.h"
#include "task/task_internal.h"

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    eddy_duration_format_left(text, size, task->with.until,
                              eddy_loop_peek_clock(eddy_task_loop(task)));
}

const struct eddy_wait_kind eddy_sleep_kind = {.name = "sleep", .describe = describe};

/* A deadline that has passed strikes here, before the loop hears of it: a block that has no time goes
 * no further than its first pause. */
static int64_t __attribute__((noinline)) pause_slow(eddy_coro *co)
{
    int64_t result;

    if (eddy_limit_next(co->task) <= eddy_task_loop(co->task)->now) {
        eddy_set(co->task, EDDY_TASK_LIMIT_);
    }
    result = eddy_check(co);
    if (result < 0) {
        return result;
    }
    co->task->in.result = 0;
    eddy_mark_begun(co);
    eddy_requeue(co->task);
    return EDDY_PENDING;
}

int64_t eddy_pause(eddy_coro *co)
{
    struct eddy_task_record *task = co->task;

    if (!eddy_is_plain(co)) {
        return pause_slow(co);
    }
    task->in.result = 0;
    eddy_mark_begun(co);
    task->timed.ready.state = EDDY_TASK_READY_;
    eddy_loop_append(eddy_task_loop(task), &task->timed.ready);
    EDDY_PROBE(suspend, task);
    return EDDY_PENDING;
}

int64_t eddy_sleep(eddy_coro *co, int64_t duration)
{
    struct eddy_task_record *task = co->task;
    int64_t until;
    int64_t result;

    if (duration <= 0) {
        return eddy_pause(co);
    }
    result = eddy_check(co);
    if (result < 0) {
        return result;
    }
    until = eddy_deadline_after(eddy_loop_update(eddy_task_loop(task)), duration);
    if (eddy_heap_start(&eddy_task_loop(task)->heap, &task->timed.alarm, until) < 0) {
        return -ENOMEM;
    }
    task->with.until = until;
    return eddy_park(co, &eddy_sleep_kind, NULL, NULL);
}
