/*
 * Steps 2 to 6 of a turn: asks the kernel and the clock what has happened.
 *
 * When the kernel has to be asked although something is ready:
 *
 *     must_ask           a poll has begun, or something is due that no event tells of
 *     steps_left <= 0    the interval has run: 128 steps, or as many as took about a millisecond
 *
 * Asking sets both anew, and nothing else sets them back; so no poll begins without asking, and none
 * goes on without for longer than 128 steps and the batch that they end in.
 *
 * A clock may do what it wants. That it goes back is unknown from clock.c on. One that stands still,
 * or is slower than the time by which the kernel waits, makes waits too short: each of these in a
 * row lets the next be longer, so that nobody spins. One that goes on while the machine sleeps, as
 * the kernel's waits do not, is looked at every now and then, unless a timerfd counts by it.
 */
#include "loop/loop_internal.h"

static const int64_t ASK_AT_LEAST_EVERY = EDDY_MILLISECOND;
static const int64_t LONGEST_BLIND_WAIT = 100 * EDDY_MILLISECOND;

enum { MOST_SHORT_WAITS = 17 }; /* 2^17 us: an eighth of a second */

/* All that one turn tells of is touched twice, when it is told and when it runs: of a thousand clients with a file
 * each, that are more than the caches hold, theirs and the kernel's. So a turn that is followed by the next
 * takes less at once. One that is all of a poll may not: a game that polls once a frame is told of all. */
static int room_for_events(const eddy_loop *loop)
{
    if (loop->most_events > 0) {
        return loop->most_events;
    }
    return loop->one_turn || __atomic_load_n(&loop->split, __ATOMIC_RELAXED) != EDDY_SPLIT_NONE
               ? EVENTS_A_TURN
               : EVENTS_AT_EASE;
}

static inline int wait_for_events(eddy_loop *loop, int64_t timeout)
{
    const struct eddy_sys *sys = loop->sys;
    int64_t milliseconds;

    loop->room = room_for_events(loop);
    if (timeout > 0 && timeout != EDDY_FOREVER && !loop->no_pwait2) {
        int result = sys->epoll_pwait2(sys, loop->epoll, loop->events, loop->room, timeout);
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
    return sys->epoll_wait(sys, loop->epoll, loop->events, loop->room, (int)milliseconds);
}

/* Nothing wakes the loop when the machine does, by whose sleep a deadline may have come nearer. */
static bool may_oversleep(eddy_loop *loop, int64_t next)
{
    if (loop->clock->kind != EDDY_CLOCK_BOOTTIME) {
        return false;
    }
    eddy_loop_mirror_deadline(loop);
    return loop->timerfd < 0 || loop->timerfd_deadline != next;
}

static int64_t real_timeout(eddy_loop *loop, int64_t max_wait, int64_t next)
{
    int64_t now = eddy_loop_read_clock(loop);
    int64_t timeout = next > now ? next - now : 0;

    if (next == EDDY_FOREVER || timeout == 0) {
        return next == EDDY_FOREVER ? max_wait : 0;
    }
    if (loop->short_waits > 0) {
        int64_t least = EDDY_MICROSECOND << loop->short_waits;
        timeout = timeout > least ? timeout : least;
    }
    timeout = timeout < max_wait ? timeout : max_wait;
    loop->in_pieces = timeout > LONGEST_BLIND_WAIT && may_oversleep(loop, next);
    return loop->in_pieces ? LONGEST_BLIND_WAIT : timeout;
}

/* How long the kernel may be asked to wait. A virtual clock is first asked without waiting. */
static inline int64_t kernel_timeout(eddy_loop *loop, int64_t max_wait)
{
    int64_t next;

    loop->in_pieces = false;
    if (max_wait == 0 || eddy_loop_has_ready(loop) || !eddy_list_empty(&loop->always) ||
        eddy_messages_waiting(loop)) {
        return 0;
    }
    next = eddy_timers_next(loop);
    if (eddy_clock_is_real(loop->clock)) {
        return real_timeout(loop, max_wait, next);
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
    if (timeout == 0 && loop->watched == 0 && !loop->left_behind &&
        __atomic_load_n(&loop->woken, __ATOMIC_RELAXED) == 0 && loop->timerfd < 0) {
        return 0;
    }
    loop->asks++;
    loop->counts.waits++;
    return wait_for_events(loop, timeout);
}

/* Likewise, a wait that is cut into pieces to its end. Each has taken its time, as the kernel counts
 * it: so the whole ends, whatever the loop's clock says. */
static int fetch_in_pieces(eddy_loop *loop, int64_t *timeout, int64_t max_wait)
{
    int count = fetch_events(loop, *timeout);

    while (count == 0 && loop->in_pieces) {
        max_wait -= max_wait == EDDY_FOREVER ? 0 : *timeout;
        *timeout = kernel_timeout(loop, max_wait);
        count = fetch_events(loop, *timeout);
    }
    return count;
}

/* Nothing came and nothing is ready: virtual time jumps to the next deadline. */
static void jump(eddy_loop *loop, int64_t max_wait)
{
    int64_t next = eddy_timers_next(loop);
    int64_t latest = eddy_deadline_after(loop->clock->now, max_wait);

    if (max_wait == 0 || loop->holds > 0 || eddy_loop_has_ready(loop) ||
        eddy_messages_waiting(loop) || !eddy_list_empty(&loop->always)) {
        return;
    }
    next = next < latest ? next : latest;
    if (next != EDDY_FOREVER && next > loop->clock->now) {
        loop->counts.idle += next - loop->clock->now;
        loop->clock->now = next;
    }
}

/* Fits the number of steps between two looks to what those of the last interval have cost, which
 * was run to its end: at the same speed the next takes a millisecond at most, or is one step. */
static void adapt_interval(eddy_loop *loop, int64_t elapsed)
{
    int64_t interval = loop->ask_interval;

    if (elapsed > ASK_AT_LEAST_EVERY) {
        interval = interval * ASK_AT_LEAST_EVERY / elapsed;
    } else if (elapsed <= ASK_AT_LEAST_EVERY / 2) {
        interval *= 2;
    }
    loop->ask_interval = interval < 1                   ? 1
                         : interval > MOST_ASK_INTERVAL ? MOST_ASK_INTERVAL
                                                        : (int)interval;
}

/* If the kernel has told as much as there is room for, it may have more. What stays ready it tells
 * again, behind what it has not told yet: once it has told as many as there were when it began, it
 * has told all of those. */
static void note_told(eddy_loop *loop, int count)
{
    const int own = 2; /* eventfd and timerfd */

    if (!loop->more_to_tell) {
        loop->to_tell = loop->watched + own;
    }
    loop->to_tell -= count;
    loop->more_to_tell = count == loop->room && loop->to_tell > 0;
}

/* A wait that has brought nothing has to end when it was said to, by the loop's clock. */
static void note_wait(eddy_loop *loop, int count, int64_t until)
{
    if (count != 0 || loop->now >= until || !eddy_clock_is_real(loop->clock)) {
        loop->short_waits = 0;
    } else if (loop->short_waits < MOST_SHORT_WAITS) {
        loop->short_waits++;
    }
}

/* ---- for a turn that is cut in two; the turns of the usual kind have both inline */

int64_t eddy_ask_limited(eddy_loop *loop, int64_t max_wait)
{
    int64_t limit = loop->wait_limit;

    loop->wait_limit = EDDY_FOREVER;
    return loop->stop && !loop->closing ? 0 : limit < max_wait ? limit : max_wait;
}

int64_t eddy_ask_timeout(eddy_loop *loop, int64_t max_wait)
{
    return kernel_timeout(loop, max_wait);
}

int eddy_ask_kernel(eddy_loop *loop, int64_t timeout)
{
    return wait_for_events(loop, timeout);
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

/* Steps 4 to 6. */
static void tell(eddy_loop *loop, int count)
{
    loop->counts.fd_events += (uint64_t)count;
    note_told(loop, count);
    eddy_io_dispatch(loop, count);
    eddy_io_dispatch_always(loop);
    eddy_timers_expire(loop);
    eddy_messages_receive(loop);
}

int eddy_loop_ask(eddy_loop *loop, int64_t max_wait)
{
    bool interval_ran = !loop->must_ask && loop->steps_left <= 0;
    bool split = loop->waited;
    int64_t timeout = split ? loop->split_timeout : kernel_timeout(loop, max_wait);
    bool sleeps = timeout != 0;
    int64_t before = loop->now;
    int count = split ? take_waited(loop, &max_wait) : fetch_in_pieces(loop, &timeout, max_wait);
    int64_t until = eddy_deadline_after(split ? loop->split_at : loop->now, timeout);

    if (count < 0 && count != -EINTR) {
        return count;
    }
    if (count == 0 && loop->clock->kind == EDDY_CLOCK_VIRTUAL) {
        jump(loop, max_wait);
    }
    eddy_loop_read_clock(loop);
    if (sleeps) {
        loop->counts.sleeps++;
        loop->counts.idle += loop->now - before;
        note_wait(loop, count, until);
    } else if (interval_ran) {
        adapt_interval(loop, loop->now - loop->asked_at);
    }
    loop->must_ask = false;
    loop->steps_left = loop->ask_interval;
    loop->asked_at = loop->now;
    tell(loop, count < 0 ? 0 : count);
    if (loop->clock->kind == EDDY_CLOCK_VIRTUAL) {
        eddy_stall_watch(loop, max_wait, eddy_timers_next(loop));
    }
    return 0;
}
