/*
 * Timers, as callbacks. The caller owns the struct, zeroed before its first start; starting
 * allocates nothing but room in the loop's heap.
 *
 * A timer never fires early by the loop's clock. Timers with equal deadlines fire in the order
 * in which they were started. One that was stopped never fires afterwards, and its memory may be
 * freed or used again at once, also inside its own callback.
 */
#ifndef EDDY_TIMER_H
#define EDDY_TIMER_H

#include "eddy/impl/ready.h"
#include "eddy/result.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_timer eddy_timer;
typedef void eddy_timer_fn(eddy_timer *timer);

enum eddy_timer_mode {
    EDDY_TIMER_ONCE,
    /* next = previous + period; ticks that were missed are counted and skipped */
    EDDY_TIMER_FIXED_RATE,
    EDDY_TIMER_FIXED_DELAY /* next = the start of the callback + period */
};

/* What starting anew touches comes first, so that it lies in one cache line or two. */
struct eddy_timer {
    struct eddy_timed timed; /* private */
    eddy_loop *loop;         /* private: NULL while stopped */
    eddy_timer_fn *callback; /* private: set by start */
    int64_t deadline;        /* when it fires next, on the loop's clock; valid while started */
    int64_t entered;         /* private: the deadline in its entry in the heap, not later */
    int64_t period;          /* > 0: of a periodic timer */
    enum eddy_timer_mode mode;
    uint64_t missed; /* fixed rate: ticks left out just before this callback; valid inside it */
    void *user;      /* the caller's; the library never touches it */
};

/* Starts the timer, or starts it anew, `delay` nanoseconds (<= 0: none) after eddy_loop_now(loop).
 * Without delay it fires in the next turn, also if others are ready: that turn asks kernel and clock
 * (loop.h), so that the timer comes behind all that were due before. With a delay it fires in the
 * turn that first finds it due, which is up to 128 steps later while others are ready all the time.
 * -ENOMEM: the heap cannot grow; the timer is as it was. -EINVAL: it is started in another loop.
 * Moving a started timer to a later deadline is O(1). Never suspends; may be called from any step or
 * callback of the loop's thread. A timer that is started anew inside its callback with no delay
 * fires in the next turn, not in this one; one that a prepare hook starts, in the hook's own. */
EDDY_API int eddy_timer_start(eddy_loop *loop, eddy_timer *timer, int64_t delay,
                              eddy_timer_fn *callback);
#define eddy_timer_start(...) eddy_timer_start_(__VA_ARGS__, EDDY_PLACE_)

/* Likewise, at a time of the loop's clock: timers that are started for times read earlier keep the
 * order of those, whatever the time is by now. One that is past is no delay. */
EDDY_API int eddy_timer_start_at(eddy_loop *loop, eddy_timer *timer, int64_t deadline,
                                 eddy_timer_fn *callback);
#define eddy_timer_start_at(...) eddy_timer_start_at_(__VA_ARGS__, EDDY_PLACE_)

/* Starts a periodic timer that fires first one `period` (> 0, else -EINVAL) from now. Otherwise as
 * eddy_timer_start. */
EDDY_API int eddy_timer_start_periodic(eddy_loop *loop, eddy_timer *timer, int64_t period,
                                       enum eddy_timer_mode mode, eddy_timer_fn *callback);
#define eddy_timer_start_periodic(...) eddy_timer_start_periodic_(__VA_ARGS__, EDDY_PLACE_)

/* Stops the timer; nothing if it is stopped. */
EDDY_API void eddy_timer_stop(eddy_timer *timer);

static inline int eddy_timer_started(const eddy_timer *timer)
{
    return timer->loop != NULL;
}

/* Private. */
EDDY_API int eddy_timer_start_(eddy_loop *loop, eddy_timer *timer, int64_t delay,
                               eddy_timer_fn *callback, const char *place);
EDDY_API int eddy_timer_start_at_(eddy_loop *loop, eddy_timer *timer, int64_t deadline,
                                  eddy_timer_fn *callback, const char *place);
EDDY_API int eddy_timer_start_periodic_(eddy_loop *loop, eddy_timer *timer, int64_t period,
                                        enum eddy_timer_mode mode, eddy_timer_fn *callback,
                                        const char *place);

#ifdef __cplusplus
}
#endif

#endif
