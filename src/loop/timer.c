/*
 * Timers: alarms of the program's, in the heap that tasks are in, too.
 *
 *     state        loop    heap position    ready.link    becomes
 *     stopped      NULL    0                free          started by eddy_timer_start
 *     started      set     set              free          due when its deadline has passed
 *     due, once    set     0                ready list    stopped, just before its callback
 *     due, period  set     set (FOREVER)    ready list    started, just before its callback
 *
 * Starting a timer that is started is starting it anew, in any state. Stopping takes it out of heap
 * and ready list, so that a stopped timer never fires, not even one that was due.
 *
 * `deadline` is the timer's own, `entered` is what its entry says, which may be earlier. Postponing, as
 * a time-out of a connection does with each message, writes only the timer: the deadline, and the
 * sequence of the start into ready.generation, which no timer needs otherwise. Entry and sequence
 * are brought in line when the entry comes up (take_pending, enter). It is left out where somebody has
 * to be told: outside of a turn, of a periodic timer, of one whose place is noted.
 *
 * A periodic timer keeps its entry while it is due, at EDDY_FOREVER, so that its next start needs no
 * memory: a timer that could fail to go on is one that nobody can rely on.
 */
#include "eddy/timer.h"

#include "loop/look.h"

/* The entry and the alarm's sequence as the timer knows them. */
static void take_pending(eddy_timer *timer)
{
    if (timer->timed.ready.generation != 0) {
        timer->timed.alarm.sequence = timer->timed.ready.generation;
        timer->timed.ready.generation = 0;
    }
}

/* Moves the entry of a started timer to a deadline that is not earlier. */
static void enter(struct eddy_heap *heap, eddy_timer *timer, int64_t deadline)
{
    take_pending(timer);
    timer->entered = deadline;
    eddy_heap_set(heap, &timer->timed.alarm, deadline);
}

/* Whether a timer is started already, and can start anew later without a look at the heap: its
 * entry is put right when it comes up. (While it is due only a periodic one is in the heap.) */
static inline bool can_postpone(const eddy_loop *loop, const eddy_timer *timer, int64_t deadline)
{
    return timer->loop == loop && eddy_heap_has(&timer->timed.alarm) &&
           timer->timed.ready.bits == 0 && deadline > timer->entered &&
           loop->heap.sequence != UINT32_MAX;
}

static int __attribute__((noinline))
start(eddy_loop *loop, eddy_timer *timer, int64_t deadline, eddy_timer_fn *callback)
{
    int result;

    if (timer->loop != NULL && timer->loop != loop) {
        return -EINVAL;
    }
    result = eddy_heap_start(&loop->heap, &timer->timed.alarm, deadline);
    if (result < 0) {
        return result;
    }
    timer->timed.ready.generation = 0;
    if (eddy_link_used(&timer->timed.ready.link)) {
        eddy_list_remove(&timer->timed.ready.link); /* due, but started anew before it ran */
    }
    timer->timed.ready.kind = EDDY_READY_TIMER;
    timer->timed.ready.bits = 0;
    timer->loop = loop;
    timer->callback = callback;
    timer->deadline = deadline;
    timer->entered = eddy_heap_entry_of(&loop->heap, &timer->timed.alarm)->deadline;
    timer->mode = EDDY_TIMER_ONCE;
    timer->period = 0;
    if (deadline <= loop->now) {
        eddy_loop_ask_soon(loop);
    }
    eddy_loop_changed(loop);
    return 0;
}

static int start_after(eddy_loop *loop, eddy_timer *timer, int64_t delay, eddy_timer_fn *callback)
{
    eddy_loop_here(loop, "eddy_timer_start");
    return start(loop, timer, eddy_deadline_after(eddy_loop_now_inline(loop), delay), callback);
}

/* Notes where a timer was started, if it was: from now on no start of it is left out. */
static int note(eddy_loop *loop, eddy_timer *timer, int result, const char *place)
{
    if (result == 0) {
        timer->timed.ready.bits |= EDDY_TIMER_PLACED;
        eddy_look_note_place(loop, timer, place);
    }
    return result;
}

static int __attribute__((noinline, cold))
start_and_note(eddy_loop *loop, eddy_timer *timer, int64_t delay, eddy_timer_fn *callback,
               const char *place)
{
    return note(loop, timer, start_after(loop, timer, delay, callback), place);
}

static int __attribute__((noinline)) start_anyhow(eddy_loop *loop, eddy_timer *timer, int64_t delay,
                                                  eddy_timer_fn *callback, const char *place)
{
    return eddy_loop_reports_leaks(loop) ? start_and_note(loop, timer, delay, callback, place)
                                         : start_after(loop, timer, delay, callback);
}

int eddy_timer_start_(eddy_loop *loop, eddy_timer *timer, int64_t delay, eddy_timer_fn *callback,
                      const char *place)
{
    int64_t deadline = eddy_deadline_after(loop->now, delay);

    /* inside a turn nobody has to be told of a later deadline */
    if (delay <= 0 || !loop->in_turn || !can_postpone(loop, timer, deadline)) {
        return start_anyhow(loop, timer, delay, callback, place);
    }
    timer->timed.ready.generation = ++loop->heap.sequence;
    timer->deadline = deadline;
    timer->callback = callback;
    return 0;
}

int(eddy_timer_start)(eddy_loop *loop, eddy_timer *timer, int64_t delay, eddy_timer_fn *callback)
{
    return eddy_timer_start_(loop, timer, delay, callback, NULL);
}

int eddy_timer_start_at_(eddy_loop *loop, eddy_timer *timer, int64_t deadline,
                         eddy_timer_fn *callback, const char *place)
{
    int result = start(loop, timer, deadline, callback);

    return eddy_loop_reports_leaks(loop) ? note(loop, timer, result, place) : result;
}

int(eddy_timer_start_at)(eddy_loop *loop, eddy_timer *timer, int64_t deadline,
                         eddy_timer_fn *callback)
{
    return eddy_timer_start_at_(loop, timer, deadline, callback, NULL);
}

int eddy_timer_start_own(eddy_loop *loop, eddy_timer *timer, int64_t delay, eddy_timer_fn *callback)
{
    int result = start_after(loop, timer, delay, callback);

    if (result == 0) {
        timer->timed.ready.bits |= EDDY_TIMER_OWN;
    }
    return result;
}

static int start_periodic(eddy_loop *loop, eddy_timer *timer, int64_t period,
                          enum eddy_timer_mode mode, eddy_timer_fn *callback)
{
    int result;

    if (period <= 0 || (mode != EDDY_TIMER_FIXED_RATE && mode != EDDY_TIMER_FIXED_DELAY)) {
        return -EINVAL;
    }
    result = start_after(loop, timer, period, callback);
    if (result == 0) {
        timer->timed.ready.bits = EDDY_TIMER_PERIODIC;
        timer->mode = mode;
        timer->period = period;
        timer->missed = 0;
    }
    return result;
}

int eddy_timer_start_periodic_(eddy_loop *loop, eddy_timer *timer, int64_t period,
                               enum eddy_timer_mode mode, eddy_timer_fn *callback,
                               const char *place)
{
    int result = start_periodic(loop, timer, period, mode, callback);

    return eddy_loop_reports_leaks(loop) ? note(loop, timer, result, place) : result;
}

int(eddy_timer_start_periodic)(eddy_loop *loop, eddy_timer *timer, int64_t period,
                               enum eddy_timer_mode mode, eddy_timer_fn *callback)
{
    return eddy_timer_start_periodic_(loop, timer, period, mode, callback, NULL);
}

void eddy_timer_stop(eddy_timer *timer)
{
    if (timer->loop == NULL) {
        return;
    }
    eddy_loop_here(timer->loop, __func__);
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
    if (timer->deadline > timer->entered) {
        enter(&loop->heap, timer, timer->deadline);
        return;
    }
    if (timer->period > 0) {
        enter(&loop->heap, timer, EDDY_FOREVER);
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
    /* a manual clock may have been set back since it fell due */
    int64_t late = loop->now > timer->deadline ? loop->now - timer->deadline : 0;

    if (timer->mode == EDDY_TIMER_FIXED_RATE) { /* a delay misses no ticks */
        timer->missed = (uint64_t)(late / timer->period);
        timer->deadline += (late / timer->period) * timer->period;
        timer->deadline = eddy_deadline_after(timer->deadline, timer->period);
    } else {
        timer->deadline = eddy_deadline_after(loop->now, timer->period);
    }
    /* The entry stands at EDDY_FOREVER: this moves it forward, which needs no memory. */
    (void)eddy_heap_start(&loop->heap, &timer->timed.alarm, timer->deadline);
    timer->entered = timer->deadline;
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

/* Nothing of the user's runs here: what is due becomes ready. An entry at EDDY_FOREVER is of a periodic
 * timer that is due. */
void eddy_timers_expire(eddy_loop *loop)
{
    struct eddy_heap *heap = &loop->heap;

    while (heap->count > 0 && eddy_heap_top(heap)->deadline <= loop->now &&
           eddy_heap_top(heap)->deadline != EDDY_FOREVER) {
        struct eddy_timed *timed = eddy_timed_of(eddy_heap_top(heap)->alarm);
        loop->counts.deadlines++;
        if (timed->ready.kind == EDDY_READY_TIMER) {
            eddy_timer_due(loop, (eddy_timer *)timed);
        } else {
            loop->task_class->due(loop, timed);
        }
    }
}

/* Whether the entry says its true deadline; if not, it does now, and may have sunk. */
static bool settled(eddy_loop *loop, struct eddy_timed *timed)
{
    eddy_timer *timer = (eddy_timer *)timed;

    if (eddy_ready_is_record(&timed->ready)) {
        return loop->task_class->settled(loop, timed);
    }
    if (timer->deadline <= timer->entered) {
        return true;
    }
    enter(&loop->heap, timer, timer->deadline);
    return false;
}

int64_t eddy_timers_next(eddy_loop *loop)
{
    struct eddy_heap *heap = &loop->heap;

    while (heap->count > 0) {
        int64_t deadline = eddy_heap_top(heap)->deadline;
        if (settled(loop, eddy_timed_of(eddy_heap_top(heap)->alarm))) {
            return deadline;
        }
    }
    return EDDY_FOREVER;
}

/* For the numbering of all starts anew: what the heap was not told of yet. */
static void settle(struct eddy_heap_entry *entry)
{
    struct eddy_timed *timed = eddy_timed_of(entry->alarm);
    eddy_timer *timer = (eddy_timer *)timed;

    if (timed->ready.kind == EDDY_READY_TIMER && timed->ready.generation != 0) {
        take_pending(timer);
        timer->entered = timer->deadline;
        entry->deadline = timer->deadline;
    }
}

void eddy_timers_init(eddy_loop *loop)
{
    eddy_heap_init(&loop->heap, &loop->pool);
    loop->heap.settle = settle;
}

void eddy_timers_fini(eddy_loop *loop)
{
    struct eddy_heap *heap = &loop->heap;

    for (uint32_t i = 0; i < heap->count; i++) {
        struct eddy_timed *timed = eddy_timed_of(heap->entries[i].alarm);
        timed->alarm.position = 0;
        if (timed->ready.kind == EDDY_READY_TIMER) {
            ((eddy_timer *)timed)->loop = NULL;
        }
    }
    eddy_heap_fini(heap);
}
