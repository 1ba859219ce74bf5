/* Time in coroutines: sleeps, and time-outs on any operation. */
#ifndef EDDY_DEADLINE_H
#define EDDY_DEADLINE_H

#include "eddy/coro.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- letting time pass, and letting others run */

/* Suspends for `duration` nanoseconds from now (the clock is read anew), never less; <= 0 is a
 * pause. Returns 0; -ECANCELED; -ENOMEM: no room in the timer heap. Sleeps that end at the same
 * time wake in the order in which they began. */
EDDY_API EDDY_MUST_USE int64_t eddy_sleep(eddy_coro *co, int64_t duration);

/* Goes behind all that is ready: others run first. Returns 0; -ECANCELED: a cancel was pending
 * before, or a deadline had passed. One that comes meanwhile is delivered at the next await. */
EDDY_API EDDY_MUST_USE int64_t eddy_pause(eddy_coro *co);

/* ---- time-outs on any operation */

/*
 * eddy_wait_for(co, timeout, operation): the operation (any, also an eddy_call), with at most
 * `timeout` nanoseconds to finish. A function that returns one is an operation, too. Past that it is cancelled, and the result is -ETIMEDOUT once
 * it has ended. If it finishes all the same, its result stands. EDDY_FOREVER is no deadline. With a
 * timeout <= 0 an operation that can finish at once does, a coroutine is not even started, and a pause
 * is a time-out.
 *
 * The deadline is on the calling frame: it holds for everything the operation awaits, several
 * may be nested, and only this eddy_wait_for turns the cancel that its own deadline caused into
 * -ETIMEDOUT; a cancel from outside stays -ECANCELED, also if it comes when the deadline has passed
 * and the task has not run since. -ENOMEM, in place of -ETIMEDOUT: no memory for the deadline. Then
 * the operation is interrupted at once, as if that had passed before: one that takes tasks over
 * (eddy_join, eddy_gather, ...) cancels them and returns when all have ended; any other is not begun.
 */
#define eddy_wait_for(co, timeout, operation) \
    eddy_operation_((eddy_deadline_begin_(co, timeout), eddy_deadline_end_(co, (operation))))

/*
 * eddy_with_timeout(timeout) { ... }: likewise, over a block, all of it: past the deadline the
 * await in it that waits is cancelled, or else its next one, once; and the -ECANCELED that this
 * caused becomes -ETIMEDOUT when it leaves the block. A block that catches it and goes on has its
 * way. Blocks and eddy_wait_for may be nested in any order. With a timeout <= 0 the block runs up
 * to its first await that suspends: eddy_pause is struck at once, any other in the next turn, unless
 * it has its result by then; then the next await is. What is said of eddy_with holds: `break` leaves the loop
 * around it, `continue` the block. Errors: -ENOMEM, -ECANCELED; then the block does not run.
 *
 *     eddy_with_timeout(5 * EDDY_SECOND) {
 *         eddy_await(eddy_connect(co, &self->stream, host, port));
 *         eddy_await(eddy_write(co, &self->stream, hello, sizeof hello));
 *     }
 *
 * A generator must not yield inside it (that aborts): the deadline would strike its user.
 */
#define eddy_with_timeout(timeout) \
    EDDY_WITH_OBJECT_(NULL, eddy_timeout_leave_, eddy_timeout_enter_(co, timeout))

/* Private. */
EDDY_API void eddy_deadline_begin_(eddy_coro *co, int64_t timeout);
EDDY_API EDDY_MUST_USE int64_t eddy_deadline_end_(eddy_coro *co, int64_t result);
EDDY_API EDDY_MUST_USE int64_t eddy_timeout_enter_(eddy_coro *co, int64_t timeout);
EDDY_API EDDY_MUST_USE int64_t eddy_timeout_leave_(eddy_coro *co, struct eddy_scope *scope);

#ifdef __cplusplus
}
#endif

#endif
