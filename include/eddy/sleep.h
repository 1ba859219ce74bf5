/* Letting time pass, and letting others run. */
#ifndef EDDY_SLEEP_H
#define EDDY_SLEEP_H

#include "eddy/coro.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Suspends for `duration` nanoseconds from now (the clock is read anew), never less; <= 0 is a
 * pause. Returns 0; -ECANCELED; -ENOMEM: no room in the timer heap. Sleeps that end at the same
 * time wake in the order in which they began. */
EDDY_API EDDY_MUST_USE int64_t eddy_sleep(eddy_coro *co, int64_t duration);

/* Goes behind all that is ready: others run first. Returns 0; -ECANCELED: a cancel was pending
 * before, or a deadline had passed. One that comes meanwhile is delivered at the next await. */
EDDY_API EDDY_MUST_USE int64_t eddy_pause(eddy_coro *co);

#ifdef __cplusplus
}
#endif

#endif
