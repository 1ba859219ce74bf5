/*
 * Signals, waited for like anything else (signalfd(2)).
 *
 * A signal that is watched is blocked in the calling thread until the loop is freed (or gives it
 * back: eddy_signal_unwatch), so that it
 * is never lost between two waits; freeing the loop, on that thread, drops what came meanwhile and
 * restores the mask. A signal belongs to one loop of a process: of several that wait for it, any
 * gets it, and the first that is freed unblocks it. Threads that are started before must block it
 * themselves, or they take it with its default action: watch it first, or start them afterwards.
 * (The threads of eddy_offload see to it by themselves, but for work that runs already.) A child of
 * fork(2) or exec inherits the mask, one that is started by offloaded work that of the loop's thread:
 * posix_spawnattr_setsigmask(3) gives it another.
 */
#ifndef EDDY_SIGNAL_H
#define EDDY_SIGNAL_H

#include <signal.h>

#include "eddy/callback.h"
#include "eddy/coro.h"
#include "eddy/impl/ready.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The bit of a signal (1..64) in a set. */
#define EDDY_SIGNAL(number) (UINT64_C(1) << ((number)-1))

/* Watches the signals of the set from now on: one that comes is kept for eddy_signal_wait. For a
 * program that tells others that it is ready before it waits. 0, or the errors of eddy_signal_wait
 * but for -ECANCELED; -ECHILD in a child of fork(2) before eddy_loop_after_fork. Never suspends. */
EDDY_API int eddy_signal_watch(eddy_loop *loop, uint64_t set);

/* Watches the signals, and waits for one of the set, EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM),
 * and returns its number. One that has come since the last wait is returned at once. Several are
 * returned in turn, so that a signal that comes all the time hides no other: first the one that has
 * been there longest; of those that came together, which the kernel hands out so, the lowest number.
 * A standard signal that comes again before it is waited for is one, as for the kernel; each
 * real-time signal counts (signal(7)). If several tasks wait for a signal, each gets it. -EINVAL: the
 * set is empty, or has SIGKILL or SIGSTOP; -ENOMEM; -EMFILE and the like of signalfd(2);
 * -ECANCELED. */
EDDY_API EDDY_MUST_USE int64_t eddy_signal_wait(eddy_coro *co, uint64_t set);

/* ---- as callbacks */

typedef struct eddy_signal eddy_signal;
typedef void eddy_signal_fn(eddy_signal *signal, int number);

/* The caller owns it, zeroed before its first start. */
struct eddy_signal {
    struct eddy_link link;    /* private, like the rest but `user` */
    eddy_loop *loop;          /* NULL while stopped */
    eddy_callback callback;   /* started while something has come */
    eddy_signal_fn *function; /* set by start, like the next */
    uint64_t set;
    uint64_t came;     /* of the set: what the function has still to be told */
    const char *place; /* of the start, or NULL */
    void *user;        /* the caller's */
};

/* Watches the signals of the set, and runs function(signal, number) on the loop's thread, as a callback
 * in its turn (not as a signal handler), for each that comes, and for what has come since they were
 * watched and nobody has taken. One that comes again before the function runs is told once, a real-time
 * signal too. All watchers and all tasks that wait for a signal get it. A started watcher keeps the loop
 * going. 0; -EINVAL: it is started, or there is no function; else as eddy_signal_watch. */
EDDY_API int eddy_signal_start(eddy_loop *loop, eddy_signal *signal, uint64_t set,
                               eddy_signal_fn *function);
#define eddy_signal_start(...) eddy_signal_start_(__VA_ARGS__, EDDY_PLACE_)

/* Stops; nothing if it is stopped. The function is not called any more, not even for what has come; the
 * struct may be freed or used again at once, also in the function. The signals stay watched. */
EDDY_API void eddy_signal_stop(eddy_signal *signal);

/* Gives signals back: they have the disposition that they had, and those that the loop has blocked
 * are unblocked in the calling thread. What has come and nobody has taken is dropped. 0, also of
 * signals that the loop does not watch; -EBUSY: a task waits for one of them, or a watcher has it;
 * -ECHILD in a child of fork(2) before eddy_loop_after_fork; or what signalfd(2) says, and then
 * nothing has changed. */
EDDY_API int eddy_signal_unwatch(eddy_loop *loop, uint64_t set);

/* Private. */
EDDY_API int eddy_signal_start_(eddy_loop *loop, eddy_signal *signal, uint64_t set,
                                eddy_signal_fn *function, const char *place);

#ifdef __cplusplus
}
#endif

#endif
