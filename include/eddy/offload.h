/*
 * Work beside the loop: what would block it, or compute for long, runs in a thread.
 *
 *     static int64_t digest(eddy_job *job, void *argument)       // on a worker's thread
 *     {
 *         struct input *input = argument;
 *         for (size_t i = 0; i < input->count && !eddy_offload_cancelled(job); i++) {
 *             ...
 *             eddy_offload_progress(job, (int64_t)i);
 *         }
 *         return input->sum;
 *     }
 *
 *     eddy_await(self->sum, eddy_offload(co, digest, &self->input));
 *
 * The work must touch nothing of the loop: of this library it may call the two functions above,
 * eddy_loop_call_threadsafe and eddy_loop_wake. Until it has ended, its argument is its own.
 *
 * Names (address.h) and files (file.h) have threads of their own, which are none of these.
 *
 * A loop has no threads until the first job. They start as jobs come, up to the number of
 * eddy_offload_workers, and wait for more until the loop is freed. While they wait
 * they have all signals blocked but those of a crash (SIGSEGV and the like). Work runs with the
 * signal mask that the loop's thread had when it was offloaded, so that processes which it starts
 * inherit that one; a signal that is watched (eddy_signal_watch) while work runs is not blocked in
 * that work, so watch signals first. The stack size is the system's default
 * (pthread_attr_init(3)). A program that offloads nothing, uses no files and no names, and connects
 * and serves by address alone (eddy_connect_to, eddy_serve_at), is not linked with them.
 */
#ifndef EDDY_OFFLOAD_H
#define EDDY_OFFLOAD_H

#include <stdbool.h>

#include "eddy/coro.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A piece of work, as that work sees it; valid until it returns. */
typedef struct eddy_job eddy_job;

/* The work, on a worker's thread. Returns a result: a value >= 0 or a negated errno. */
typedef int64_t eddy_offload_fn(eddy_job *job, void *argument);

/*
 * Runs work(job, argument) on a worker's thread, first come, first served, and returns its result.
 * It holds the loop meanwhile (eddy_loop_hold): a virtual clock stands still, and no deadlock is
 * seen. No memory is allocated but a record from the loop's pool. The argument must stay until
 * then: not on the C stack.
 *
 * A cancel or time-out withdraws work that has not begun. Work that runs is only told
 * (eddy_offload_cancelled) and waited for: if it completes all the same, its result stands, and
 * the cancel comes at the next await; if it returns -ECANCELED, that is the end. The end of the
 * loop is a cancel too. As a thread cannot be cut off, eddy_loop_free waits for work that runs
 * even beyond the shutdown time-out.
 *
 * Errors: those of the work; -ENOMEM; -EAGAIN and the like of pthread_create(3): no thread could
 * be started, and there is none yet (otherwise the work waits for one of those that run);
 * -ECANCELED; -ECHILD in a child of fork(2), which has no threads, for what had not ended.
 */
EDDY_API EDDY_MUST_USE int64_t eddy_offload(eddy_coro *co, eddy_offload_fn *work, void *argument);

/* In the work: whether it should end early, because whoever awaits it was cancelled, timed out, or
 * its loop ends. Cheap enough for an inner loop. */
EDDY_API bool eddy_offload_cancelled(const eddy_job *job);

/* How far a job is, on the loop's side. The caller owns it; it must stay until eddy_offload_watched
 * has returned. */
typedef struct eddy_progress eddy_progress;
typedef void eddy_progress_fn(eddy_progress *progress, int64_t value);

struct eddy_progress {
    eddy_progress_fn *callback; /* set by the caller: called on the loop's thread; or NULL */
    void *user;                 /* the caller's */
    int64_t value;              /* the newest value that has come; the library sets it */
};

/* As eddy_offload, and tells of what the work says by eddy_offload_progress. */
EDDY_API EDDY_MUST_USE int64_t eddy_offload_watched(eddy_coro *co, eddy_offload_fn *work,
                                                    void *argument, eddy_progress *progress);

/* In the work: tells the loop how far it is. The value goes to progress->value and to the callback,
 * both on the loop's thread. Values that come faster than the loop takes them are merged: it sees
 * the newest, in order, and the last one always, before the work's result. Nothing if nobody
 * watches. Never waits, cannot fail. */
EDDY_API void eddy_offload_progress(eddy_job *job, int64_t value);

/* Sets how many threads the loop may have for eddy_offload: 1 to 1024, else -EINVAL; without it 4.
 * Those that are there stay: -EBUSY if they are more. -ENOMEM. If it is raised, a thread is started
 * for each work that waits for one, as far as the number allows; if the system refuses one, the work
 * waits for those that run. */
EDDY_API int eddy_offload_workers(eddy_loop *loop, unsigned count);

#ifdef __cplusplus
}
#endif

#endif
