/* Steps 2 to 6 of a turn: asks the kernel and the clock what has happened. */
#include "loop_internal.h"

static const int64_t ASK_AT_LEAST_EVERY = EDDY_MILLISECOND;

static bool real_time(const eddy_loop *loop)
{
    return loop->clock->kind == EDDY_CLOCK_MONOTONIC || loop->clock->kind == EDDY_CLOCK_BOOTTIME;
}

static int wait_for_events(eddy_loop *loop, int64_t timeout)
{
    const struct eddy_sys *sys = loop->sys;
    int64_t milliseconds;

    if (timeout > 0 && timeout != EDDY_FOREVER && !loop->no_pwait2) {
        int result = sys->epoll_pwait2(sys, loop->epoll, loop->events, EVENTS_A_TURN, timeout);
        if (result != -ENOSYS && result != -EPERM) { /* -EPERM: a filter that knows less calls */
            return result;
        }
        loop->no_pwait2 = true;
    }
    /* Rounded up: a timer never fires early, and the loop never spins through a last
     * millisecond. */
    milliseconds = timeout == EDDY_FOREVER ? -1
                   : timeout > INT64_C(1000000) * INT32_MAX
                       ? INT32_MAX
                       : (timeout + EDDY_MILLISECOND - 1) / EDDY_MILLISECOND;
    return sys->epoll_wait(sys, loop->epoll, loop->events, EVENTS_A_TURN, (int)milliseconds);
}

/* How long the kernel may be asked to wait. A virtual clock is first asked without waiting. */
static int64_t kernel_timeout(eddy_loop *loop, int64_t max_wait)
{
    int64_t next;

    if (max_wait == 0 || eddy_loop_has_ready(loop) || !eddy_list_empty(&loop->always) ||
        eddy_messages_waiting(loop)) {
        return 0;
    }
    next = eddy_timers_next(loop);
    if (real_time(loop)) {
        int64_t now = eddy_loop_update(loop);
        if (next == EDDY_FOREVER) {
            return max_wait;
        }
        next = next > now ? next - now : 0;
        return next < max_wait ? next : max_wait;
    }
    if (next <= loop->clock->now) {
        return 0;
    }
    if (loop->clock->kind == EDDY_CLOCK_MANUAL) {
        return max_wait;
    }
    return loop->holds == 0 && (next != EDDY_FOREVER || max_wait != EDDY_FOREVER) ? 0 : max_wait;
}

static int fetch_events(eddy_loop *loop, int64_t timeout)
{
    /* With no fd to ask about, a look that does not wait can bring nothing but a wake-up. */
    if (timeout == 0 && loop->watched == 0 &&
        __atomic_load_n(&loop->woken, __ATOMIC_RELAXED) == 0 && loop->timerfd < 0) {
        return 0;
    }
    loop->stopped_since_asked = false;
    loop->counts.waits++;
    return wait_for_events(loop, timeout);
}

/* Nothing came and nothing is ready: virtual time jumps to the next deadline. */
static void jump(eddy_loop *loop, int64_t max_wait)
{
    int64_t next = eddy_timers_next(loop);
    int64_t limit = eddy_deadline_after(loop->clock->now, max_wait);

    if (max_wait == 0 || loop->holds > 0 || eddy_loop_has_ready(loop) ||
        eddy_messages_waiting(loop) || !eddy_list_empty(&loop->always)) {
        return;
    }
    next = next < limit ? next : limit;
    if (next != EDDY_FOREVER && next > loop->clock->now) {
        loop->counts.idle += next - loop->clock->now;
        loop->clock->now = next;
    }
}

/* Fits the number of steps between two looks to what they cost. */
static void adapt_interval(eddy_loop *loop, int64_t elapsed)
{
    if (elapsed > ASK_AT_LEAST_EVERY) {
        loop->ask_interval = (int)(loop->ask_interval * ASK_AT_LEAST_EVERY / elapsed);
        loop->ask_interval = loop->ask_interval > 0 ? loop->ask_interval : 1;
    } else if (loop->ask_interval < MOST_ASK_INTERVAL) {
        loop->ask_interval *= 2;
    }
}

/* ---- turns that are cut in two */

int eddy_loop_prepare(eddy_loop *loop, int64_t max_wait)
{
    int result;

    if (max_wait < 0) {
        return -EINVAL;
    }
    result = eddy_loop_enter(loop);
    if (result < 0) {
        return result;
    }
    if (!loop->waited) {
        eddy_hooks_run(loop, EDDY_HOOK_PREPARE);
        loop->stopped_since_asked = false;
    }
    loop->split_wait = max_wait;
    loop->split_timeout = kernel_timeout(loop, max_wait);
    loop->split_until = loop->split_timeout == 0 ? INT64_MIN : eddy_timers_next(loop);
    eddy_loop_leave(loop);
    __atomic_store_n(&loop->split, EDDY_SPLIT_PREPARED, __ATOMIC_RELEASE);
    return 0;
}

int eddy_loop_wait(eddy_loop *loop)
{
    int prepared = EDDY_SPLIT_PREPARED;
    int error;

    if (eddy_loop_forked(loop)) {
        return -ECHILD;
    }
    if (!__atomic_compare_exchange_n(&loop->split, &prepared, EDDY_SPLIT_WAITING, false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        return -EINVAL;
    }
    if (!loop->waited) { /* what is there already would be overwritten */
        loop->waited_count = wait_for_events(loop, loop->split_timeout);
        loop->waited = true;
    }
    error = loop->waited_count < 0 && loop->waited_count != -EINTR ? loop->waited_count : 0;
    __atomic_store_n(&loop->split, EDDY_SPLIT_WAITED, __ATOMIC_RELEASE);
    return error; /* from here on the loop may be gone */
}

int eddy_split_end(eddy_loop *loop)
{
    int split = __atomic_load_n(&loop->split, __ATOMIC_ACQUIRE);

    if (split == EDDY_SPLIT_PREPARED) { /* nobody has waited, and nobody will */
        (void)__atomic_compare_exchange_n(&loop->split, &split, EDDY_SPLIT_NONE, false,
                                          __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE);
    }
    if (split == EDDY_SPLIT_WAITING) {
        return -EBUSY;
    }
    __atomic_store_n(&loop->split, EDDY_SPLIT_NONE, __ATOMIC_RELAXED);
    return 0;
}

void eddy_split_changed(eddy_loop *loop)
{
    int split = __atomic_load_n(&loop->split, __ATOMIC_RELAXED);

    if (loop->timerfd < 0 && (split == EDDY_SPLIT_PREPARED || split == EDDY_SPLIT_WAITING) &&
        eddy_loop_next_deadline(loop) < loop->split_until) {
        loop->split_until = INT64_MIN; /* once is enough */
        eddy_loop_wake(loop);
    }
}

/* The outcome of a wait that was cut off from its turn. It waited as long as it was allowed to. */
static int take_waited(eddy_loop *loop, int64_t *max_wait)
{
    loop->waited = false;
    loop->counts.waits++; /* not by the waiter: the counts are the loop's thread's */
    *max_wait = loop->split_wait;
    return loop->waited_count;
}

/* ---- asking */

int eddy_loop_ask(eddy_loop *loop, int64_t max_wait)
{
    bool busy = eddy_loop_has_ready(loop);
    int64_t timeout = loop->waited ? loop->split_timeout : kernel_timeout(loop, max_wait);
    int64_t before = busy ? loop->asked_at : loop->now;
    int count = loop->waited ? take_waited(loop, &max_wait) : fetch_events(loop, timeout);

    if (count == -EINTR) {
        count = 0;
    } else if (count < 0) {
        return count;
    } else if (count == 0 && loop->clock->kind == EDDY_CLOCK_VIRTUAL) {
        jump(loop, max_wait);
    }
    eddy_loop_update(loop);
    loop->steps_since_asked = 0;
    loop->asked_at = loop->now;
    loop->counts.fd_events += (uint64_t)count;
    if (timeout != 0) {
        loop->counts.sleeps++;
        loop->counts.idle += loop->now - before;
    } else if (busy) {
        adapt_interval(loop, loop->now - before);
    }
    eddy_io_dispatch(loop, count);
    eddy_io_dispatch_always(loop);
    eddy_timers_expire(loop);
    eddy_messages_receive(loop);
    return 0;
}
