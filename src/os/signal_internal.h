/*
 * Signals, as their two files see them.
 *
 * Circle: signal.c and signal_callback.c. A signal goes to all that want it, tasks and watchers, and is kept
 * if nobody does: so who delivers has to ask the watchers; and a watcher that is started gets what
 * was kept.
 */
#ifndef EDDY_SRC_SIGNAL_INTERNAL_H
#define EDDY_SRC_SIGNAL_INTERNAL_H

#include "eddy/signal.h"
#include "task/task_internal.h"

enum {
    EDDY_SIGNALS = 64,      /* the highest number */
    EDDY_SIGNALS_TEXT = 192 /* room for the names of a set */
};

/* What a loop knows of signals; made at the first wait. */
struct eddy_signals {
    struct eddy_attachment attachment;
    eddy_io io;                      /* the signalfd; started once there is one */
    uint64_t watched;                /* waited for at least once */
    uint64_t blocked_here;           /* of those, the ones that were not blocked before */
    uint32_t came[EDDY_SIGNALS + 1]; /* by number: how often while nobody waited for it */
    uint8_t
        kept[EDDY_SIGNALS]; /* the numbers that came so, the one that has waited longest first */
    int kept_count;
    struct eddy_waiters waiting;
    struct eddy_link watchers; /* of eddy_signal, in the order of their starts */
    unsigned pool_class;
};

/* ---- signal.c */

/* What the loop knows of signals, made if there is nothing yet; NULL: no memory. */
struct eddy_signals *eddy_signals_of(eddy_loop *loop);

/* The signal of the set that has waited longest, or 0. What is left of it goes behind the others. */
int eddy_signals_take_kept(struct eddy_signals *signals, uint64_t set);

/* To all that want it; kept, if there is none. */
void eddy_signals_deliver(struct eddy_signals *signals, int number);

/* "SIGINT, SIGTERM" */
void eddy_signals_describe(uint64_t set, char *text, size_t size);

/* ---- signal_callback.c */

/* The place of a watcher of the library's own, which is no reason for the loop to go on, nor a leak. */
extern const char eddy_signal_own[];

/* Whether there is one that wants it. */
bool eddy_signals_tell_watchers(struct eddy_signals *signals, int number);

/* What they have still to be told is another process's. */
void eddy_signals_forget_watchers(struct eddy_signals *signals);

/* At the end of the loop. */
void eddy_signals_stop_watchers(eddy_loop *loop, struct eddy_signals *signals);

#endif
