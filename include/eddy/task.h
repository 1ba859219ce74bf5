/*
 * Tasks: coroutines that run side by side.
 *
 * A spawned task is joined, detached, or owned by a group; what is none of these when its loop
 * ends is cancelled, and told if it failed.
 */
#ifndef EDDY_TASK_H
#define EDDY_TASK_H

#include <stdbool.h>

#include "eddy/callback.h"
#include "eddy/coro.h"
#include "eddy/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * eddy_run(name, .argument = value, ...): makes a loop, runs the coroutine in it as a task,
 * cancels what it has left running and waits for its cleanups, frees the loop, and returns the
 * coroutine's result. An error of the coroutine is also told to the error hook, with its text and the
 * place where it began, for here both are lost; but not a cancel. Errors of its own: those of eddy_loop_new; -ENOMEM; -EDEADLK: every task
 * waits and nothing could wake any (they are cancelled, and told to the error hook); -ETIMEDOUT:
 * a cleanup took longer than the loop's shutdown time-out and was cut off. eddy_run_with(options,
 * name, ...): likewise, with options for eddy_loop_new.
 */
#define eddy_run(...) eddy_run_with(NULL, __VA_ARGS__)
#define eddy_run_with(options, ...) EDDY_RUN_WITH_(options, __VA_ARGS__, )
#define EDDY_RUN_WITH_(options, name, ...)                                        \
    eddy_run_(options, EDDY_NAMED_PLACE_(name), EDDY_SPAWNED_(name, __VA_ARGS__), \
              sizeof(struct name))

/*
 * eddy_spawn(co, name, .argument = value, ...): starts the coroutine as a task of its own; only
 * enqueues it, so the caller goes on first. If it cannot (-ENOMEM; -ESHUTDOWN: the loop is being
 * freed), the task is one that has ended with that error: its join, gather or callback gives it, and
 * eddy_detach tells the error hook. No check is needed; eddy_spawn_error is for who wants to know at once.
 * Of a handle that is dropped, so that nobody has asked, the end of the loop tells the hook, if it is one of
 * the last eight that failed.
 * eddy_loop_spawn(loop, name, ...): likewise, from outside of coroutines; a loop that is NULL aborts. eddy_spawn_in(co,
 * &frame, name, ...): with the frame in memory of the caller's (a struct name), which must stay
 * until the task has ended. If that memory lies in a frame of the spawning task, the end of the
 * frame while the task still runs aborts in a loop with EDDY_LOOP_CHECK, naming the coroutine;
 * without that flag it is not found out: join the task in eddy_finally.
 */
#define eddy_spawn(co, ...) EDDY_LOOP_SPAWN_(eddy_task_loop((co)->task), __VA_ARGS__, )
#define eddy_loop_spawn(loop, ...) EDDY_LOOP_SPAWN_(loop, __VA_ARGS__, )
#define EDDY_LOOP_SPAWN_(loop, name, ...)                                        \
    eddy_spawn_(loop, EDDY_NAMED_PLACE_(name), EDDY_SPAWNED_(name, __VA_ARGS__), \
                sizeof(struct name))

#define eddy_spawn_in(co, memory, ...) EDDY_SPAWN_IN_(co, memory, __VA_ARGS__, )
#define EDDY_SPAWN_IN_(co, memory, name, ...)                                                      \
    (*(memory) = EDDY_FRAME_VALUE_(name, EDDY_HEAD_(name, NULL, NULL, 0, 0, EDDY_FRAME_BORROWED_), \
                                   __VA_ARGS__),                                                   \
     eddy_spawn_in_(eddy_task_loop((co)->task), EDDY_NAMED_PLACE_(name), &(memory)->co))

/* The error with which the spawn of the task failed; 0: it did not. Whoever has asked knows: it is
 * not told to the error hook then. */
EDDY_API int eddy_spawn_error(eddy_task task);

/* Runs the loop until the task has ended, joins it and returns its result. -ESRCH: no such task;
 * -EBUSY: the loop is running, or the task is joined by another or owned by a group; -EDEADLK:
 * nothing is left that could wake any task (told to the error hook; they still wait); -EINTR:
 * eddy_loop_stop was called. */
EDDY_API int64_t eddy_loop_run_until(eddy_loop *loop, eddy_task task);

/* Waits until the task has ended, and returns its result. That consumes the task. -ESRCH: it is
 * gone already (joined, detached and ended, or never spawned); -EDEADLK: it is the caller
 * itself; -EBUSY: another joins it, or a group owns it. A cancel or time-out of the join cancels
 * the joined task and returns when that has ended: with -ECANCELED (-ETIMEDOUT) if that is how
 * it ended, else with its result, and the cancel stays pending. So does one that was pending
 * before: the task is taken over first. After -ESRCH, -EDEADLK and -EBUSY nothing was taken. */
EDDY_API EDDY_MUST_USE int64_t eddy_join(eddy_coro *co, eddy_task task);

/* As eddy_join, but a cancel or time-out only ends the wait; the task goes on and may be joined
 * again. */
EDDY_API EDDY_MUST_USE int64_t eddy_shield(eddy_coro *co, eddy_task task);

/*
 * Waits until the task has ended, and returns its result, which stays where it is: any number of tasks may wait
 * for one, beside the one that joins it, or the group that owns it. They are woken in the order in which they came,
 * before the owner is told. Each has the error with its text; then it counts as told, and neither eddy_detach nor
 * the end of the loop tells the hook of it. A cancel or time-out only ends the wait. -ESRCH, -EDEADLK: as
 * eddy_join; -EINVAL: it is another loop's; -ENOMEM; -ECANCELED, also if that is how the task ended.
 *
 * The result of a task that has ended is there until its owner takes it. Who may come later keeps it:
 */
EDDY_API EDDY_MUST_USE int64_t eddy_task_wait(eddy_coro *co, eddy_task task);

/* Keeps the result of the task, for eddy_task_wait and eddy_task_result, also when it was joined, or is detached
 * and ends: until eddy_task_drop was called as often. To join or to detach it is its owner's business as ever; a
 * second join is -ESRCH. Takes a record of the task, no more. Never suspends. 0; -ESRCH: it is gone;
 * -ENOMEM. */
EDDY_API int eddy_task_keep(eddy_task task);

/* 0; -ESRCH: it is gone; -EINVAL: nobody keeps it. */
EDDY_API int eddy_task_drop(eddy_task task);

/* Nobody will join it: its record is freed when it ends, and an error of it goes to the error hook,
 * once, at once if its spawn has failed. 0, -ESRCH, or -EBUSY as eddy_join. */
EDDY_API int eddy_detach(eddy_task task);

/* Asks the task to end: its await returns -ECANCELED, once; one that has not started never does.
 * Again before the task has seen that, it is the same cancel; afterwards it is another.
 * A wait whose result is there already keeps it, and the cancel comes at the next await. During
 * a cleanup it is held back. Cancelling oneself takes effect at the next await. Never suspends.
 * 0; -ESRCH: the task is gone or has ended. */
EDDY_API int eddy_cancel(eddy_task task);

/* Whether the task has ended (or is gone). */
EDDY_API bool eddy_task_done(eddy_task task);

/* The result of a task that has ended and was not joined, or is kept; -EAGAIN: it has not; -ESRCH: it is
 * gone. */
EDDY_API int64_t eddy_task_result(eddy_task task);

/* Names the task, for the error hook and for dumps; the string is the caller's and must stay as
 * long as the task. NULL: its coroutine's name again, which it has at first. 0, -ESRCH, -ENOMEM. */
EDDY_API int eddy_task_set_name(eddy_task task, const char *name);

/* The task's name; NULL: the task is gone. */
EDDY_API const char *eddy_task_name(eddy_task task);

/* The task that a coroutine runs in; it cannot be joined from there, but cancelled or handed on. */
EDDY_API eddy_task eddy_task_self(eddy_coro *co);

/* The loop that a coroutine runs in. */
static inline eddy_loop *eddy_loop_of(const eddy_coro *co)
{
    return eddy_task_loop(co->task);
}

/* Private. */
EDDY_API int64_t eddy_run_(const struct eddy_loop_options *options, const char *named_place,
                           const void *frame, size_t size);
EDDY_API eddy_task eddy_spawn_(eddy_loop *loop, const char *named_place, const void *frame,
                               size_t size);
EDDY_API eddy_task eddy_spawn_in_(eddy_loop *loop, const char *named_place, eddy_coro *frame);

/* ---- callbacks for the end of a task, for those who are no coroutine and cannot join it */

typedef struct eddy_done_callback eddy_done_callback;
typedef void eddy_done_callback_fn(eddy_done_callback *callback);

/* The caller owns it, zeroed before its first use, until the function has been entered or it was
 * stopped. */
struct eddy_done_callback {
    eddy_callback scheduled;         /* private */
    eddy_done_callback_fn *function; /* private */
    int64_t result;                  /* inside the function: the result of the task */
    void *user;                      /* the caller's */
};

/* Runs function(callback) once when the task has ended, however it ends: in the batch after its
 * last step, as a callback of the loop; at once in that way if it has ended already. A task may
 * have any number of them, which run in the order in which they were set, before whoever waited for
 * it. Not if the loop is freed first. 0; -ESRCH: no such task; -EBUSY: `callback` is set already;
 * -ENOMEM. */
EDDY_API int eddy_task_on_done(eddy_task task, eddy_done_callback *callback,
                               eddy_done_callback_fn *function);

/* Takes it back, if it has not run; it never runs afterwards. */
EDDY_API void eddy_done_callback_stop(eddy_done_callback *callback);

#ifdef __cplusplus
}
#endif

#endif
