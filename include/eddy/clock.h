/*
 * The three clocks of a loop.
 *
 * - monotonic: CLOCK_MONOTONIC, or CLOCK_BOOTTIME, which goes on while the machine is suspended. The
 *   kernel's waits do not: a loop that waits for a deadline by boot time looks at the clock ten times
 *   a second, so that it is late by a tenth of a second at most, unless EDDY_LOOP_TIMERFD is set;
 * - virtual: jumps to the next deadline when nothing else can happen, so that an hour of sleeps
 *   takes no time. While something is always ready (a task that polls with eddy_pause, a watcher of a
 *   regular file) it stands still: if a deadline waits for it in vain for two seconds of real time,
 *   the error hook is told (-EDEADLK), with who is ready, once each time;
 * - manual: moves only by eddy_clock_advance, can be paused and scaled; a game's time.
 *
 * The first kind is the system's, which may fail. If it goes back, the loop's time goes on from where
 * it was; if it stands still or is slow, the loop waits for it and does not spin; if it jumps, all
 * that is due fires once, in order. No timer fires early by it.
 *
 * The caller owns the clock; it must outlive the loops that use it. Only the thread that polls
 * the loop may touch it. One clock may serve several loops; a virtual one only loops that wait
 * for nothing of each other.
 */
#ifndef EDDY_CLOCK_H
#define EDDY_CLOCK_H

#include <stdbool.h>

#include "eddy/result.h"

#ifdef __cplusplus
extern "C" {
#endif

enum eddy_clock_kind {
    EDDY_CLOCK_MONOTONIC, /* a zeroed clock is this one */
    EDDY_CLOCK_BOOTTIME,
    EDDY_CLOCK_VIRTUAL,
    EDDY_CLOCK_MANUAL
};

typedef struct eddy_clock {
    enum eddy_clock_kind kind; /* set by _init, fixed afterwards */
    bool paused;               /* manual: eddy_clock_advance does nothing */
    double scale;              /* manual: what an advance is multiplied by; 0 stands for 1 */
    int64_t now;               /* virtual and manual: the time, in nanoseconds; starts at 0 */
} eddy_clock;

EDDY_API void eddy_clock_init(eddy_clock *clock, enum eddy_clock_kind kind);

/* Moves a manual clock on by `duration` (>= 0) times its scale; nothing while it is paused.
 * Timers that fall due fire in the loop's next turn. Returns the new time, or -EINVAL for
 * another kind of clock or a negative duration. Never suspends. */
EDDY_API int64_t eddy_clock_advance(eddy_clock *clock, int64_t duration);

/* Stops a manual clock until eddy_clock_resume; -EINVAL for another kind. */
EDDY_API int eddy_clock_pause(eddy_clock *clock);
EDDY_API int eddy_clock_resume(eddy_clock *clock);

/* Makes a manual clock run `scale` times as fast as it is advanced (0.5 is slow motion). -EINVAL
 * for another kind, or unless scale is a finite number > 0. */
EDDY_API int eddy_clock_scale(eddy_clock *clock, double scale);

#ifdef __cplusplus
}
#endif

#endif
