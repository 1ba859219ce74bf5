/*
 * Clocks that a program moves, and arithmetic with time.
 *
 *     MONOTONIC, BOOTTIME   the system's; `now` is not used
 *     VIRTUAL               moved by the loop, when nothing is ready: to the next deadline
 *     MANUAL                moved by the program alone, by eddy_clock_advance
 *
 * Time is an int64_t of nanoseconds: 292 years, so that no program sees it overflow unless it adds to
 * EDDY_FOREVER. Every sum that may is made by eddy_deadline_after, which stops there. A scale of 1
 * is not multiplied by, since a double has 53 bits: after 104 days it would be off by a nanosecond, and
 * a game that is replayed would not be the same game.
 */
#include "eddy/clock.h"

#include <errno.h>
#include <float.h>
#include <string.h>

void eddy_clock_init(eddy_clock *clock, enum eddy_clock_kind kind)
{
    memset(clock, 0, sizeof *clock);
    clock->kind = kind;
    clock->scale = 1;
}

/* While it is paused, time that is given to it is lost: a game that was paused for an hour does not
 * run for an hour to catch up. */
int64_t eddy_clock_advance(eddy_clock *clock, int64_t duration)
{
    double scaled;

    if (clock->kind != EDDY_CLOCK_MANUAL || duration < 0) {
        return -EINVAL;
    }
    if (clock->paused) {
        return clock->now;
    }
    if (clock->scale == 0 || clock->scale == 1) { /* exact, where a double would round */
        clock->now = eddy_deadline_after(clock->now, duration);
        return clock->now;
    }
    scaled = (double)duration * clock->scale;
    clock->now = eddy_deadline_after(clock->now, scaled < (double)EDDY_FOREVER ? (int64_t)scaled
                                                                               : EDDY_FOREVER);
    return clock->now;
}

static int set_paused(eddy_clock *clock, bool paused)
{
    if (clock->kind != EDDY_CLOCK_MANUAL) {
        return -EINVAL;
    }
    clock->paused = paused;
    return 0;
}

int eddy_clock_pause(eddy_clock *clock)
{
    return set_paused(clock, true);
}

int eddy_clock_resume(eddy_clock *clock)
{
    return set_paused(clock, false);
}

int eddy_clock_scale(eddy_clock *clock, double scale)
{
    if (clock->kind != EDDY_CLOCK_MANUAL || !(scale > 0) || scale > DBL_MAX) {
        return -EINVAL;
    }
    clock->scale = scale;
    return 0;
}
