/* Time-outs on any operation. */
#ifndef EDDY_DEADLINE_H
#define EDDY_DEADLINE_H

#include "eddy/coro.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * eddy_wait_for(co, timeout, operation): the operation (any, also an eddy_call), with at most
 * `timeout` nanoseconds to finish. Past that it is cancelled, and the result is -ETIMEDOUT once
 * it has ended. If it finishes all the same, its result stands. EDDY_FOREVER is no limit. With a
 * timeout <= 0 an operation that can finish at once does, and a coroutine is not even started.
 *
 * The deadline is on the calling frame: it holds for everything the operation awaits, several
 * may be nested, and only this eddy_wait_for turns the cancel that its own deadline caused into
 * -ETIMEDOUT; a cancel from outside stays -ECANCELED. -ENOMEM: no memory for the deadline; the
 * operation was not begun.
 */
#define eddy_wait_for(co, timeout, operation)                                         \
    eddy_operation_(eddy_limit_begin_(co, timeout) ? eddy_limit_end_(co, (operation)) \
                                                   : (int64_t)-ENOMEM)

/* Private. */
EDDY_API EDDY_MUST_USE int eddy_limit_begin_(eddy_coro *co, int64_t timeout);
EDDY_API EDDY_MUST_USE int64_t eddy_limit_end_(eddy_coro *co, int64_t result);

#ifdef __cplusplus
}
#endif

#endif
