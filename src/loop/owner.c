/*
 * The thread a loop belongs to: the one that polls it, from the beginning of a poll to its end, or from
 * eddy_loop_prepare to the poll that follows. Between polls it may go from hand to hand.
 *
 * Nothing in a loop is locked, so that a call from another thread damages it, mostly without a trace.
 * With EDDY_LOOP_CHECK whatever takes a loop, or something that knows its loop, compares the thread,
 * and aborts by the name of what was called. What a task does in its own step without waiting is left
 * out: it is on the hottest path, and no other thread has that task's hand.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "loop/loop_internal.h"

/* Each thread has an errno, at an address of its own. pthread_self(3) would link threads into programs
 * that have none. */
static const void *this_thread(void)
{
    return &errno;
}

void eddy_owner_take(eddy_loop *loop)
{
    loop->thread = this_thread();
}

void eddy_owner_check(const eddy_loop *loop, const char *what)
{
    bool polled =
        loop->running || __atomic_load_n(&loop->split, __ATOMIC_RELAXED) != EDDY_SPLIT_NONE;

    if (polled && loop->thread != this_thread()) {
        fprintf(stderr, "eddy: %s: in another thread than the one that polls the loop\n", what);
        abort();
    }
}
