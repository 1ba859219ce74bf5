/* Callbacks of the loop: deferred calls, messages of other threads, and hooks. */
#ifndef EDDY_CALLBACK_H
#define EDDY_CALLBACK_H

#include "eddy/impl/ready.h"
#include "eddy/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- deferred calls: in the loop's next batch, or handed over from another thread */

typedef struct eddy_callback eddy_callback;
typedef void eddy_callback_fn(eddy_callback *callback);

/* The caller owns it, zeroed before its first use. */
struct eddy_callback {
    struct eddy_ready ready;    /* private */
    eddy_callback *next;        /* private: the messages of other threads */
    eddy_callback_fn *function; /* private */
    void *user;                 /* the caller's */
};

/* Runs function(callback) once, behind everything that is ready, and behind every message that was
 * sent before (eddy_loop_call_threadsafe); called from a step it runs in the next turn. One that is
 * scheduled already keeps its place and takes the new function. Cannot fail. */
EDDY_API void eddy_callback_start(eddy_loop *loop, eddy_callback *callback,
                                  eddy_callback_fn *function);

/* Takes it back, if it has not run; it never runs afterwards. Only on the loop's thread. Not for
 * messages of eddy_loop_call_threadsafe, which run in any case. */
EDDY_API void eddy_callback_stop(eddy_callback *callback);

/* Runs function(callback) on the loop's thread: from any thread (not from a signal handler),
 * each call exactly once, in the order of the calls. Callbacks that the loop's thread starts
 * (eddy_callback_start) stand in the same line. Tasks, timers and fds that become ready after the
 * call may run before it, for the loop takes messages in when it asks the kernel (loop.h). The node
 * belongs to the loop until the function is entered, and may be used again from there on. Cannot
 * fail, never waits.
 *
 * The loop must live until this has returned: join the thread before the loop is freed. Freeing it
 * runs what has come; inside such a function the loop can be used, but not run or freed. So that
 * eddy_loop_run waits for the message, take a hold (eddy_loop_hold) before the thread starts, and
 * release it in the function. */
EDDY_API void eddy_loop_call_threadsafe(eddy_loop *loop, eddy_callback *callback,
                                        eddy_callback_fn *function);

/* ---- hooks: callbacks at fixed points of every turn */

/* A callback at a fixed point of every turn. The caller owns the struct, zeroed before its first
 * start. */
enum eddy_hook_point {
    EDDY_HOOK_PREPARE, /* at its beginning: before the loop asks the kernel, and perhaps sleeps */
    EDDY_HOOK_CHECK,   /* at its end: behind what was ready */
    /* when the loop has asked: what has come is ready, and nothing of it has run. Only in turns that
     * ask (loop.h): those that a poll begins with, and each that slept, do. */
    EDDY_HOOK_AWAKE,
    EDDY_HOOK_POINTS_ /* private: how many there are */
};

typedef struct eddy_hook eddy_hook;
typedef void eddy_hook_fn(eddy_hook *hook);

struct eddy_hook {
    struct eddy_link link;  /* private */
    eddy_loop *loop;        /* private: NULL while stopped */
    eddy_hook_fn *callback; /* private */
    void *user;             /* the caller's */
};

/* Starts a hook, behind those of the same point; one that is started already moves there. It runs
 * the next time that its point comes: one that a step starts, however many are ready behind it, at
 * the end of this turn or the beginning of the next. A hook that is started inside a hook of its
 * point runs from the next turn on. Keeps no loop alive. */
EDDY_API void eddy_hook_start(eddy_loop *loop, eddy_hook *hook, enum eddy_hook_point point,
                              eddy_hook_fn *callback);
EDDY_API void eddy_hook_stop(eddy_hook *hook);

/* Limits the next look at the kernel: it waits `duration` nanoseconds at most (<= 0: not at all),
 * whatever else the loop would wait for. For a prepare hook that has something due which the loop
 * does not know of; of several the shortest counts. When that look is over the limit is, too. (A
 * foreign poller that sleeps on eddy_loop_fd does not see it: it is only known when the turn has
 * begun.) */
EDDY_API void eddy_loop_limit_wait(eddy_loop *loop, int64_t duration);

#ifdef __cplusplus
}
#endif

#endif
