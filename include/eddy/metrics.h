/* Numbers about a loop: counters that only grow, and what there is at the moment. */
#ifndef EDDY_METRICS_H
#define EDDY_METRICS_H

#include "eddy/impl/ready.h"
#include "eddy/version.h"

#ifdef __cplusplus
extern "C" {
#endif

struct eddy_metrics {
    /* Since the loop was made: */
    uint64_t turns;       /* of the loop (see loop.h) */
    uint64_t steps;       /* of tasks and callbacks */
    uint64_t sleeps;      /* times that it slept in the kernel, and was woken */
    uint64_t fd_events;   /* that the kernel told */
    uint64_t deadlines;   /* that came up: timers, sleeps, time-outs */
    uint64_t spawned;     /* tasks; counts modulo 2^32 */
    int64_t idle;         /* nanoseconds of the loop's clock that it has slept in the kernel */
    int64_t busy;         /* all others; with a foreign main loop that one's too */
    int64_t longest_step; /* nanoseconds; 0 unless slow steps are looked for, see trace.h */
    uint64_t wakes;       /* of tasks that waited: what for came, or a cancel or time-out did */

    /* Since then, system calls, also those that failed; what opens and closes is left out: */
    uint64_t waits;    /* for events: epoll_pwait2(2), or epoll_wait(2) where that is missing */
    uint64_t controls; /* epoll_ctl(2) */
    uint64_t reads;    /* from streams: read(2) */
    uint64_t writes;   /* to streams: send(2), sendmsg(2) */
    uint64_t accepts;  /* accept4(2) */

    /* At the moment: */
    uint64_t ready;   /* tasks and callbacks that are to run */
    uint64_t live;    /* tasks that have not ended */
    uint64_t waiting; /* those of them that wait for something: they neither run nor are to */
    uint64_t armed;   /* entries in the heap: timers, sleeps and time-outs */
    uint64_t watched; /* fds in the epoll set, the loop's own left out */
};

/* Fills the struct. From any step or callback, and between polls; changes nothing. Takes as long
 * as walking the ready list does. Who wants to know of each single system call counts in a table
 * of his own (sys.h). */
EDDY_API void eddy_loop_metrics(const eddy_loop *loop, struct eddy_metrics *metrics);

#ifdef __cplusplus
}
#endif

#endif
