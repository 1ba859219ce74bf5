/*
 * Barriers: tasks wait until as many are there as it takes, then all go on, and it begins anew.
 *
 * `waiting` is the number of tasks in the line. It is kept, not counted, since each arrival asks for it;
 * so whatever takes a task out of the line counts it down: the last arrival, a cancel (leave), the end of
 * the loop (cut_off). The last to arrive does not wait: it lets the others go and has the highest
 * index.
 *
 *     whole     a wait parks, or, as the last, lets all go
 *     broken    by eddy_barrier_abort: a wait is -ENOTRECOVERABLE, until eddy_barrier_reset
 *
 * A task that is cancelled leaves, and does not break the barrier (in asyncio neither): its place is free
 * for another.
 */
#include "eddy/event.h"

#include <stdio.h>
#include <string.h>

/* A cancel: it stands in line no longer, and is not to be counted. */
static int leave(struct eddy_task_record *task)
{
    ((eddy_barrier *)task->in.object)->waiting--;
    return 1;
}

static void cut_off(struct eddy_task_record *task)
{
    (void)leave(task);
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const eddy_barrier *barrier = task->in.object;

    snprintf(text, size, "%u of %u are here", barrier->waiting, barrier->parties);
}

static const struct eddy_wait_kind barrier_kind = {
    .name = "barrier",
    .abort = leave,
    .describe = describe,
    .cut_off = cut_off,
};

void eddy_barrier_init(eddy_barrier *barrier, uint32_t parties)
{
    memset(barrier, 0, sizeof *barrier);
    barrier->parties = parties;
}

int eddy_barrier_fini(const eddy_barrier *barrier)
{
    return barrier->waiting > 0 ? -EBUSY : 0;
}

/* Numbers those in line as they stand: one that left in the middle leaves no gap. */
static void let_go(eddy_barrier *barrier)
{
    struct eddy_task_record *task;
    int64_t index = 0;

    while ((task = eddy_waiters_first(&barrier->waiters)) != NULL) {
        barrier->waiting--;
        eddy_wake(task, index++);
    }
}

static void send_away(eddy_barrier *barrier)
{
    struct eddy_task_record *task;

    while ((task = eddy_waiters_first(&barrier->waiters)) != NULL) {
        barrier->waiting--;
        eddy_wake(task, -ENOTRECOVERABLE);
    }
}

int64_t eddy_barrier_wait(eddy_coro *co, eddy_barrier *barrier)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (barrier->parties == 0) {
        return -EINVAL;
    }
    if (barrier->broken) {
        return -ENOTRECOVERABLE;
    }
    if (barrier->waiting + 1 == barrier->parties) {
        let_go(barrier);
        return eddy_complete(co, barrier->parties - 1);
    }
    barrier->waiting++;
    return eddy_park(co, &barrier_kind, barrier, &barrier->waiters);
}

void eddy_barrier_abort(eddy_barrier *barrier)
{
    barrier->broken = true;
    send_away(barrier);
}

void eddy_barrier_reset(eddy_barrier *barrier)
{
    barrier->broken = false;
    send_away(barrier);
}
