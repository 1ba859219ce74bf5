/* Deferred calls: run a function in the loop's next batch, or hand one over from another thread. */
#ifndef EDDY_CALLBACK_H
#define EDDY_CALLBACK_H

#include "eddy/impl/ready.h"
#include "eddy/version.h"

#ifdef __cplusplus
extern "C" {
#endif

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

#ifdef __cplusplus
}
#endif

#endif
