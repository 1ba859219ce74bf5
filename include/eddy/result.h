/*
 * Results and time.
 *
 * A result is a signed 64-bit number: >= 0 is a value, < 0 a negated errno (-ECANCELED, -ETIMEDOUT,
 * -EPIPE, ...), as in the Linux system calls. Codes below -4095 are the application's own.
 */
#ifndef EDDY_RESULT_H
#define EDDY_RESULT_H

#include <errno.h>
#include <stdint.h>

#include "eddy/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What an operation returns that could not finish at once: the task is parked, and eddy_await
 * returns to the loop. It never reaches the code that awaits. */
#define EDDY_PENDING INT64_MIN

/* The first error code that belongs to the application: use EDDY_ERROR_USER - 0, - 1, ... */
#define EDDY_ERROR_USER INT64_C(-4096)

/* Durations and deadlines are nanoseconds of the loop's clock. */
#define EDDY_NANOSECOND INT64_C(1)
#define EDDY_MICROSECOND INT64_C(1000)
#define EDDY_MILLISECOND INT64_C(1000000)
#define EDDY_SECOND INT64_C(1000000000)

/* A duration or deadline that never comes. */
#define EDDY_FOREVER INT64_MAX

/* Names a result: the system's text for a negated errno, "application error" below -4095,
 * "success" for a value. The text is static, or belongs to the C library (strerror(3)). Any
 * thread may call. */
EDDY_API const char *eddy_strerror(int64_t result);

/* Makes an exit status for main of a result: a value becomes itself (255 at most), an error 1. */
EDDY_API int eddy_exit_status(int64_t result);

/* The deadline `duration` after `now`, where too far is EDDY_FOREVER and a negative duration is
 * now. */
static inline int64_t eddy_deadline_after(int64_t now, int64_t duration)
{
    if (duration <= 0) {
        return now;
    }
    return duration >= EDDY_FOREVER - now ? EDDY_FOREVER : now + duration;
}

#ifdef __cplusplus
}
#endif

#endif
