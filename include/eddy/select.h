/*
 * This or that: waiting for the first of several operations.
 *
 *     eddy_await(self->first, eddy_select(co, self->results,
 *                                         eddy_event_wait(co, &server->stop),
 *                                         eddy_read_line(co, &self->reader, MOST),
 *                                         eddy_queue_get(co, &self->inbox, &self->message),
 *                                         eddy_sleep(co, 30 * EDDY_SECOND)));
 *     if (self->first == 1) {
 *         ...a line came; its length is self->results[1]
 *     } else if (self->first == 2) {
 *         ...the message is in self->message
 *     }
 *
 * There is no task for each: a branch is one record, and the one that ends wakes the task itself.
 */
#ifndef EDDY_SELECT_H
#define EDDY_SELECT_H

#include "eddy/coro.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * eddy_select(co, results, operation, ...): begins the operations (2 to 8, any, also eddy_call, eddy_wait_for and
 * another eddy_select), and waits until one has ended, the winner. The others are then cancelled, and it returns
 * when they have ended, too: the index of the winner, from 0 on, or the winner's error. `results`, an array of as
 * many int64_t of the frame, gets the result of each: -ECANCELED of one that was given up or not begun. NULL: they
 * are not wanted.
 *
 * Nothing is lost of those that did not win. An operation that lets go of what it waits for (a read, a queue, a
 * lock, an event, a sleep, eddy_shield, eddy_wait_tasks: nearly all) does so in the moment in which the winner has
 * its result, and has taken nothing: the next line, item or lock is there for who asks next. One that passes a cancel on
 * to what it waits for (a coroutine, eddy_join, eddy_gather, a job that has begun) is waited for; if it ends with a
 * value all the same, that is in its place of `results`, and an error is told to the error hook. So two
 * results may be there only if one of those takes part, or if one leads to the other's, as a put does to a get of the same queue.
 *
 * They are begun in their order, and if one ends at once it is the winner, and those behind it are not begun,
 * nor are their arguments evaluated: so the order is one of preference. What is always ready starves those
 * behind it: what stops the program stands first.
 *
 * A cancel or a time-out, also one that was pending before, is that of every branch; the result is -ECANCELED when
 * all have ended with it, or else the index of the first that has not, and the cancel stays pending. A branch's own
 * eddy_wait_for is its own: its -ETIMEDOUT is its result. What a branch is given, locks too, is the calling task's. A coroutine runs as a task of its own, from the next
 * turn on, and holds none of the caller's locks: eddy_cond_wait_for, which is one, is -EPERM (eddy_cond_wait is not).
 *
 * Errors of its own: -ENOMEM; those that were begun before are cancelled as after a winner.
 */
#define eddy_select(co, results, ...)                                                    \
    eddy_operation_((eddy_select_begin_(co, results, EDDY_SELECT_COUNT_(__VA_ARGS__)) && \
                             EDDY_SELECT_OF_(__VA_ARGS__)(co, __VA_ARGS__)               \
                         ? (void)0                                                       \
                         : (void)0,                                                      \
                     eddy_select_end_(co)))

/* The most operations of one. */
#define EDDY_SELECT_MOST 8

/* ---- private */

#define EDDY_SELECT_PICK_(a, b, c, d, e, f, g, h, i, j, k, l, picked, ...) picked
#define EDDY_SELECT_COUNT_(...) EDDY_SELECT_PICK_(__VA_ARGS__, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, )
#define EDDY_SELECT_OF_(...)                                                             \
    EDDY_SELECT_PICK_(__VA_ARGS__, EDDY_SELECT_NOT_, EDDY_SELECT_NOT_, EDDY_SELECT_NOT_, \
                      EDDY_SELECT_NOT_, EDDY_SELECT_8_, EDDY_SELECT_7_, EDDY_SELECT_6_,  \
                      EDDY_SELECT_5_, EDDY_SELECT_4_, EDDY_SELECT_3_, EDDY_SELECT_2_,    \
                      EDDY_SELECT_NOT_, )

/* One branch: false once there is a winner. */
#define EDDY_BRANCH_(co, operation) \
    (eddy_select_next_(co) && eddy_select_took_(co, eddy_operation_(operation)))

#define EDDY_SELECT_NOT_(...) eddy_select_takes_two_to_eight_operations
#define EDDY_SELECT_2_(co, a, b) (EDDY_BRANCH_(co, a) && EDDY_BRANCH_(co, b))
#define EDDY_SELECT_3_(co, a, ...) (EDDY_BRANCH_(co, a) && EDDY_SELECT_2_(co, __VA_ARGS__))
#define EDDY_SELECT_4_(co, a, ...) (EDDY_BRANCH_(co, a) && EDDY_SELECT_3_(co, __VA_ARGS__))
#define EDDY_SELECT_5_(co, a, ...) (EDDY_BRANCH_(co, a) && EDDY_SELECT_4_(co, __VA_ARGS__))
#define EDDY_SELECT_6_(co, a, ...) (EDDY_BRANCH_(co, a) && EDDY_SELECT_5_(co, __VA_ARGS__))
#define EDDY_SELECT_7_(co, a, ...) (EDDY_BRANCH_(co, a) && EDDY_SELECT_6_(co, __VA_ARGS__))
#define EDDY_SELECT_8_(co, a, ...) (EDDY_BRANCH_(co, a) && EDDY_SELECT_7_(co, __VA_ARGS__))

EDDY_API int eddy_select_begin_(eddy_coro *co, int64_t *results, int count);
EDDY_API int eddy_select_next_(eddy_coro *co);
EDDY_API int eddy_select_took_(eddy_coro *co, int64_t result);
EDDY_API int64_t eddy_select_end_(eddy_coro *co);

#ifdef __cplusplus
}
#endif

#endif
