#include "eddy/timer.h"

#include <stddef.h>

#include "loop_internal.h"

static struct eddy_timed *timed_of(struct eddy_alarm *alarm)
{
    return (struct eddy_timed *)(void *)((char *)alarm - offsetof(struct eddy_timed, alarm));
}

static int start(eddy_loop *loop, eddy_timer *timer, int64_t delay, eddy_timer_fn *callback)
{
    int64_t deadline = eddy_deadline_after(eddy_loop_now(loop), delay);
    int result;

    if (timer->loop != NULL && timer->loop != loop) {
        return -EINVAL;
    }
    result = eddy_heap_start(&loop->heap, &timer->timed.alarm, deadline);
    if (result < 0) {
        return result;
    }
    if (eddy_link_used(&timer->timed.ready.link)) {
        eddy_list_remove(&timer->timed.ready.link); /* due, but started anew before it ran */
    }
    timer->timed.ready.kind = EDDY_READY_TIMER;
    timer->loop = loop;
    timer->callback = callback;
    timer->deadline = deadline;
    eddy_loop_changed(loop);
    return 0;
}

int eddy_timer_start(eddy_loop *loop, eddy_timer *timer, int64_t delay, eddy_timer_fn *callback)
{
    int result = start(loop, timer, delay, callback);

    if (result == 0) {
        timer->mode = EDDY_TIMER_ONCE;
        timer->period = 0;
    }
    return result;
}

int eddy_timer_start_periodic(eddy_loop *loop, eddy_timer *timer, int64_t period,
                              enum eddy_timer_mode mode, eddy_timer_fn *callback)
{
    int result;

    if (period <= 0 || (mode != EDDY_TIMER_FIXED_RATE && mode != EDDY_TIMER_FIXED_DELAY)) {
        return -EINVAL;
    }
    result = start(loop, timer, period, callback);
    if (result == 0) {
        timer->mode = mode;
        timer->period = period;
        timer->missed = 0;
    }
    return result;
}

void eddy_timer_stop(eddy_timer *timer)
{
    if (timer->loop == NULL) {
        return;
    }
    if (eddy_heap_has(&timer->timed.alarm)) {
        eddy_heap_remove(&timer->loop->heap, &timer->timed.alarm);
    }
    if (eddy_link_used(&timer->timed.ready.link)) {
        eddy_list_remove(&timer->timed.ready.link);
    }
    timer->loop = NULL;
}

/* The entry of a timer has come up: make the timer ready, unless it was put off. A periodic
 * timer stays in the heap, so that its next start cannot fail. */
void eddy_timer_due(eddy_loop *loop, eddy_timer *timer)
{
    if (timer->deadline > eddy_heap_entry_of(&loop->heap, &timer->timed.alarm)->deadline) {
        eddy_heap_set(&loop->heap, &timer->timed.alarm, timer->deadline);
        return;
    }
    if (timer->period > 0) {
        eddy_heap_set(&loop->heap, &timer->timed.alarm, EDDY_FOREVER);
    } else {
        eddy_heap_remove(&loop->heap, &timer->timed.alarm);
    }
    if (!eddy_link_used(&timer->timed.ready.link)) {
        eddy_loop_append(loop, &timer->timed.ready);
    }
}

/* Sets the next deadline of a periodic timer. */
static void rearm(eddy_timer *timer)
{
    eddy_loop *loop = timer->loop;
    int64_t late = loop->now - timer->deadline;

    timer->missed = 0;
    if (timer->mode == EDDY_TIMER_FIXED_RATE) {
        timer->missed = (uint64_t)(late / timer->period);
        timer->deadline += (late / timer->period) * timer->period;
        timer->deadline = eddy_deadline_after(timer->deadline, timer->period);
    } else {
        timer->deadline = eddy_deadline_after(loop->now, timer->period);
    }
    /* The entry stands at EDDY_FOREVER: this moves it forward, which needs no memory. */
    (void)eddy_heap_start(&loop->heap, &timer->timed.alarm, timer->deadline);
}

void eddy_timer_run(struct eddy_ready *ready)
{
    eddy_timer *timer = (eddy_timer *)(void *)ready;

    if (timer->period > 0) {
        rearm(timer);
    } else {
        timer->loop = NULL;
    }
    timer->callback(timer);
}

void eddy_timers_expire(eddy_loop *loop)
{
    struct eddy_heap *heap = &loop->heap;

    while (heap->count > 0 && eddy_heap_top(heap)->deadline <= loop->now &&
           eddy_heap_top(heap)->deadline != EDDY_FOREVER) {
        struct eddy_timed *timed = timed_of(eddy_heap_top(heap)->alarm);
        if (timed->ready.kind == EDDY_READY_TIMER) {
            eddy_timer_due(loop, (eddy_timer *)timed);
        } else {
            loop->task_class->due(loop, timed);
        }
    }
}

static bool settled(eddy_loop *loop, struct eddy_timed *timed, int64_t deadline)
{
    eddy_timer *timer = (eddy_timer *)timed;

    if (timed->ready.kind == EDDY_READY_TASK) {
        return loop->task_class->settled(loop, timed);
    }
    if (timer->deadline <= deadline) {
        return true;
    }
    eddy_heap_set(&loop->heap, &timed->alarm, timer->deadline);
    return false;
}

int64_t eddy_timers_next(eddy_loop *loop)
{
    struct eddy_heap *heap = &loop->heap;

    while (heap->count > 0) {
        int64_t deadline = eddy_heap_top(heap)->deadline;
        if (settled(loop, timed_of(eddy_heap_top(heap)->alarm), deadline)) {
            return deadline;
        }
    }
    return EDDY_FOREVER;
}

void eddy_timers_fini(eddy_loop *loop)
{
    struct eddy_heap *heap = &loop->heap;

    for (uint32_t i = 0; i < heap->count; i++) {
        struct eddy_timed *timed = timed_of(heap->entries[i].alarm);
        timed->alarm.position = 0;
        if (timed->ready.kind == EDDY_READY_TIMER) {
            ((eddy_timer *)timed)->loop = NULL;
        }
    }
    eddy_heap_fini(heap);
}
