/*
 * A virtual clock jumps when nothing is ready. If something always is (a task that polls with
 * eddy_pause, a watcher of a regular file), no deadline ever comes, and a test that waits for one
 * hangs. That is told, with who is ready, once each time that the clock stands still for so long.
 * What is merely slow is told too, and goes on.
 */
#include <stdio.h>

#include "base/duration.h"
#include "loop/loop_internal.h"

static const int64_t TOLD_AFTER = 2 * EDDY_SECOND; /* of real time */

static void describe_ready(const struct eddy_ready *ready, char *text, size_t size)
{
    switch ((enum eddy_ready_kind)ready->kind) {
    case EDDY_READY_TASK:
    case EDDY_READY_BRANCH:
        snprintf(text, size, "task #%u", (unsigned)ready->generation);
        break;
    case EDDY_READY_CALLBACK:
        snprintf(text, size, "a callback");
        break;
    case EDDY_READY_IO:
        snprintf(text, size, "the watcher of fd %d", ((const eddy_io *)(const void *)ready)->fd);
        break;
    case EDDY_READY_TIMER:
        snprintf(text, size, "a timer");
        break;
    case EDDY_READY_RELAY: /* never ready */
    case EDDY_READY_UNSTARTED:
        break;
    }
}

static void tell(eddy_loop *loop, struct eddy_ready *ready, int64_t deadline)
{
    eddy_task task = {NULL, 0};
    char who[64];
    char at[EDDY_DURATION_TEXT];
    char due[EDDY_DURATION_TEXT];

    if (eddy_ready_is_record(ready)) {
        task.record = (struct eddy_task_record *)(void *)ready;
        task.generation = ready->generation;
    }
    describe_ready(ready, who, sizeof who);
    eddy_duration_format(at, loop->now);
    eddy_duration_format(due, deadline);
    eddy_loop_report(loop, task, -EDEADLK,
                     "virtual time stands still at %s, and the deadline at %s never comes: "
                     "something is always ready, now %s",
                     at, due, who);
}

/* Who keeps the clock from jumping, or NULL. */
static struct eddy_ready *first_ready(eddy_loop *loop)
{
    struct eddy_link *link = eddy_list_first(&loop->batch);

    if (link == NULL) {
        link = eddy_list_first(&loop->ready);
    }
    return (struct eddy_ready *)(void *)link;
}

void eddy_stall_watch(eddy_loop *loop, int64_t max_wait, int64_t deadline)
{
    struct eddy_ready *ready = first_ready(loop);

    if (ready == NULL || deadline == EDDY_FOREVER || max_wait == 0 || loop->holds > 0 ||
        loop->closing) {
        loop->stalled_at = EDDY_FOREVER;
    } else if (loop->stalled_at != loop->now) {
        loop->stalled_at = loop->now;
        loop->stall_told = false;
        loop->stall = eddy_stopwatch_begin(loop);
    } else if (!loop->stall_told && eddy_stopwatch_is_past(loop, &loop->stall, TOLD_AFTER)) {
        loop->stall_told = true;
        tell(loop, ready, deadline);
    }
}
