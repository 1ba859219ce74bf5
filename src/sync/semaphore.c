/*
 * Semaphores: a number of permits, and a line of those who wait for one.
 *
 * permits > 0 only while nobody stands in line: a release gives its permit to the first in line and
 * does not count it. So who waits is served in order, and a newcomer takes only what nobody waits for.
 *
 * A permit belongs to nobody, unlike a lock, and may be released by another task than took it; a
 * bounded semaphore says -EOVERFLOW where more come back than there are.
 */
#include "eddy/lock.h"

#include <stdio.h>

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const eddy_semaphore *semaphore = task->in.object;

    snprintf(text, size, "%zu in line before it", eddy_waiters_ahead(&semaphore->waiters, task));
}

static const struct eddy_wait_kind semaphore_kind = {.name = "semaphore", .describe = describe};

void eddy_semaphore_init(eddy_semaphore *semaphore, uint32_t permits)
{
    eddy_list_init(&semaphore->waiters.tasks);
    semaphore->permits = permits;
    semaphore->bound = 0;
}

void eddy_semaphore_init_bounded(eddy_semaphore *semaphore, uint32_t permits)
{
    eddy_semaphore_init(semaphore, permits);
    semaphore->bound = permits;
}

int eddy_semaphore_fini(const eddy_semaphore *semaphore)
{
    bool out = semaphore->bound != 0 && semaphore->permits < semaphore->bound;

    return out || eddy_waiters_first(&semaphore->waiters) != NULL ? -EBUSY : 0;
}

int eddy_semaphore_try_acquire(eddy_semaphore *semaphore)
{
    if (semaphore->permits == 0) {
        return -EAGAIN;
    }
    semaphore->permits--;
    return 0;
}

int64_t eddy_semaphore_acquire(eddy_coro *co, eddy_semaphore *semaphore)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (eddy_semaphore_try_acquire(semaphore) == 0) {
        return eddy_complete(co, 0);
    }
    return eddy_park(co, &semaphore_kind, semaphore, &semaphore->waiters);
}

/* The permit of who leaves goes to the first in line without being counted. */
int eddy_semaphore_release(eddy_semaphore *semaphore)
{
    struct eddy_task_record *next = eddy_waiters_first(&semaphore->waiters);

    if (next != NULL) {
        eddy_wake(next, 0);
        return 0;
    }
    if (semaphore->permits == (semaphore->bound != 0 ? semaphore->bound : UINT32_MAX)) {
        return -EOVERFLOW;
    }
    semaphore->permits++;
    return 0;
}

int64_t eddy_semaphore_enter_(eddy_coro *co)
{
    return eddy_semaphore_acquire(co, co->scope->object);
}

int64_t eddy_semaphore_leave_(eddy_coro *co, struct eddy_scope *scope)
{
    (void)co;
    if (scope->stage == EDDY_STAGE_ENTER_) {
        return 0; /* not entered; only a task that was cut off comes here */
    }
    return eddy_semaphore_release(scope->object);
}
