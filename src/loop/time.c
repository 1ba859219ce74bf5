/*
 * A loop's time: what it reads from its clock, and stopwatches of real time beside that.
 *
 * Whatever the clock does, the loop's time never goes back, and what waits for time to pass ends.
 */
#include "loop/loop_internal.h"

int64_t eddy_loop_peek_clock(const eddy_loop *loop)
{
    const struct eddy_sys *sys = loop->sys;

    switch (loop->clock->kind) {
    case EDDY_CLOCK_MONOTONIC:
        return sys->clock_now(sys, CLOCK_MONOTONIC) + loop->behind;
    case EDDY_CLOCK_BOOTTIME:
        return sys->clock_now(sys, CLOCK_BOOTTIME) + loop->behind;
    case EDDY_CLOCK_VIRTUAL:
    case EDDY_CLOCK_MANUAL:
        break;
    }
    return loop->clock->now;
}

/* The system's clock has gone back (a machine that was restored elsewhere, a broken table of system
 * calls): the loop's time goes on from where it was, or whoever waits would wait for as long again.
 * The timerfd counts by the system's clock, and is to be set anew. */
static int64_t __attribute__((noinline, cold)) gone_back(eddy_loop *loop, int64_t now)
{
    loop->behind += loop->now - now;
    loop->timerfd_deadline = EDDY_FOREVER;
    return loop->now;
}

int64_t eddy_loop_read_clock(eddy_loop *loop)
{
    int64_t now = eddy_loop_peek_clock(loop);

    loop->now = now < loop->now && eddy_clock_is_real(loop->clock) ? gone_back(loop, now) : now;
    return loop->now;
}

/* ---- stopwatches */

enum { MOST_LOOKS = 1 << 16 }; /* at a clock that does not move */

static int64_t real_time(eddy_loop *loop)
{
    int64_t now = loop->sys->clock_now(loop->sys, CLOCK_MONOTONIC) + loop->real_behind;

    if (now < loop->real_now) {
        loop->real_behind += loop->real_now - now;
        now = loop->real_now;
    }
    loop->real_now = now;
    return now;
}

struct eddy_stopwatch eddy_stopwatch_begin(eddy_loop *loop)
{
    int64_t now = real_time(loop);
    struct eddy_stopwatch watch = {.begun = now, .seen = now, .looks = 0};

    return watch;
}

bool eddy_stopwatch_is_past(eddy_loop *loop, struct eddy_stopwatch *watch, int64_t duration)
{
    int64_t now = real_time(loop);

    watch->looks = now == watch->seen ? watch->looks + 1 : 0;
    watch->seen = now;
    return now - watch->begun >= duration || watch->looks >= MOST_LOOKS;
}
