/*
 * Signals, waited for like anything else (signalfd(2)).
 *
 * A signal that is watched is blocked in the calling thread until the loop is freed, so that it
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

#ifdef __cplusplus
}
#endif

#endif
