/*
 * A task's record. Private, but the words of coro.h look at it, as the operations of who writes his own
 * do (wait.h); what users do with tasks is in task.h.
 */
#ifndef EDDY_IMPL_TASK_H
#define EDDY_IMPL_TASK_H

#include <stdint.h>

#include "eddy/impl/ready.h"

#ifdef __cplusplus
extern "C" {
#endif

struct eddy_wait_kind;

/* Records lie in pages, which begin with their loop: see eddy_task_loop. */
struct eddy_task_record {
    struct eddy_timed timed; /* its place in the ready list or in a line, and in the heap */
    uint32_t parent; /* the number (its generation) of who spawned it, or serves its client; or 0 */
    uint32_t since;  /* while it waits: from when on, in EDDY_TASK_TICK_ of the loop's clock */
    eddy_coro *top;  /* the innermost frame: a wake-up resumes it directly */
    eddy_owner wait; /* what kind of operation it waits for; NULL: none */
    union {
        void *object;   /* while it waits: on what */
        int64_t result; /* afterwards: the operation's result; of a finished task: its own */
    } in;
    union {
        void *value;       /* while it waits: where a value goes, or whatever the operation needs */
        int64_t until;     /* while it sleeps: the deadline */
        uint32_t count[2]; /* while it gathers */
        int64_t outcome;   /* while it waits for a lock: what that wait is to return */
    } with;
    void *owner; /* an eddy_owner: who is told of its end; with EDDY_TASK_EXTRA_ its extra record */
    const char *named_place; /* "coroutine\0file:line": what was spawned, and where */
};

enum eddy_task_state {
    EDDY_TASK_FREE_,
    EDDY_TASK_READY_,
    EDDY_TASK_RUNNING_,
    EDDY_TASK_WAITING_,
    EDDY_TASK_DONE_
};

/* Those of an interrupt are explained in src/task/interrupt.c. */
enum {
    EDDY_TASK_UNTIMED_ =
        1 << 0, /* there was no memory for the deadline of what it waits for, or is to */
    EDDY_TASK_CANCEL_ = 1 << 1,    /* a cancel from outside was not delivered yet */
    EDDY_TASK_PASSED_ = 1 << 2,    /* a deadline has passed and waits to be delivered */
    EDDY_TASK_ZERO_ = 1 << 3,      /* an eddy_wait_for without time: no coroutine may start */
    EDDY_TASK_DEADLINES_ = 1 << 4, /* has deadlines, also such as have struck */
    /* an interrupt was passed on to what it waits for, or is the result of its wait, which it has not
     * seen */
    EDDY_TASK_UNDER_WAY_ = 1 << 5,
    EDDY_TASK_EXTRA_ = 1 << 6,          /* owner is an extra record */
    EDDY_TASK_DETACHED_ = 1 << 7,       /* nobody will join it */
    EDDY_TASK_FAILED_ = 1 << 8,         /* it was the first child of a gather that failed */
    EDDY_TASK_CASCADED_ = 1 << 9,       /* the error on its way up was noted where it began */
    EDDY_TASK_GATHER_FAILED_ = 1 << 10, /* it gathers, and a child has failed */
    /* has opened things that must not be left open in a dead frame */
    EDDY_TASK_GUARDS_ = 1 << 12,
    /* woken to try: its wait goes on until `resume` has a result; or it has not taken its first step */
    EDDY_TASK_TRY_ = 1 << 13,
    EDDY_TASK_PASSING_ = 1 << 14, /* a cancel is just being passed on */
    EDDY_TASK_ENDING_ = 1 << 15,  /* it was cancelled because the loop ends */
    EDDY_TASK_PREPARED_ =
        EDDY_TASK_DEADLINES_ | EDDY_TASK_TRY_ | EDDY_TASK_UNDER_WAY_ | EDDY_TASK_UNTIMED_,
    EDDY_TASK_INTERRUPTED_ = EDDY_TASK_CANCEL_ | EDDY_TASK_PASSED_ | EDDY_TASK_UNTIMED_,
    EDDY_TASK_REFUSES_CALLS_ = EDDY_TASK_INTERRUPTED_ | EDDY_TASK_ZERO_
};

/* Records come in pages of this size, aligned to it, so that none has to keep its loop. */
#define EDDY_TASK_PAGE_ ((uintptr_t)4096)
#define EDDY_TASK_TICK_SHIFT_ 20 /* `since` counts 2^20 ns, about a millisecond, and wraps */

/* The loop of a task. */
static inline eddy_loop *eddy_task_loop(const struct eddy_task_record *task)
{
    return *(eddy_loop **)((uintptr_t)task & ~(EDDY_TASK_PAGE_ - 1));
}

#ifdef __cplusplus
}
#endif

#endif
