/*
 * What is known of a task: its records beyond struct eddy_task_record (include/eddy/impl/task.h), the
 * pages in which those lie, and how to get from one to the other. What the files of this floor do for
 * each other is in task/task_internal.h, which is what they include.
 *
 *     record    88   every task; they stay the loop's, so that a stale handle can be asked
 *     extra     72   who has a deadline, is owned by a group, or has opened something
 *     rare     184   who fails, has caught an error, has a name or a done callback
 *
 * The two last (bytes on a 64-bit machine) are made when they are first needed. They are not one, for then a
 * task with a deadline, such as the handler of each client may be, took 240 instead of 72.
 */
#ifndef EDDY_SRC_TASK_RECORDS_H
#define EDDY_SRC_TASK_RECORDS_H

#include "eddy/deadline.h"
#include "eddy/error.h"
#include "eddy/task.h"
#include "eddy/wait.h"
#include "loop/loop_internal.h"

enum {
    /* calls, yields and awaits that end at once, before others get their turn */
    AWAITS_A_STEP = 128
};

/* A deadline that a frame has set; they nest as the awaits do, innermost first. */
struct eddy_deadline {
    struct eddy_deadline *below; /* the next one outwards */
    eddy_coro *frame;            /* who set it */
    int64_t at;                  /* by the loop's clock */
    int64_t earliest; /* of this one and those below with the same mask, of those that are set */
    uint16_t mask;    /* the frame's mask then: a cleanup entered since holds it back */
    uint8_t stage;    /* enum eddy_deadline_stage */
    bool zero;        /* it had no time to begin with */
    bool block;       /* over a block of the frame: not dropped with the frame's next operation */
    unsigned pool_class;
};

/* What has become of it: see the table in interrupt.c. */
enum eddy_deadline_stage {
    EDDY_DEADLINE_SET,
    EDDY_DEADLINE_UNDER_WAY, /* it has passed, and its interrupt is not delivered yet */
    EDDY_DEADLINE_STRUCK,    /* delivered: the -ECANCELED that comes back becomes -ETIMEDOUT */
    EDDY_DEADLINE_SPENT      /* the -ECANCELED that comes is another's */
};

/* What only few tasks need, made when they first do. */
struct eddy_task_extra {
    /* in a list of the group that owns the task, which leads from there to `task` */
    struct eddy_link sibling;
    eddy_owner *owner;               /* who is told of its end: see eddy_owner_of */
    struct eddy_task_record *task;   /* whose it is */
    struct eddy_deadline *deadlines; /* innermost first; with EDDY_TASK_DEADLINES_ */
    struct eddy_link guards;         /* links inside of what the task has opened and not closed */
    struct eddy_task_rare *rare;     /* or NULL */
    unsigned pool_class;
};

/* An error that waits for the end of a cleanup, in which another was raised. */
struct eddy_kept_error {
    struct eddy_kept_error *below; /* that of a cleanup further outwards */
    struct eddy_error_info info;
    const void *cleanup; /* the frame or scope */
    unsigned pool_class;
};

/* What hardly a task needs, likewise. */
struct eddy_task_rare {
    struct eddy_error_info error;  /* the last that was raised, and where */
    struct eddy_error_info caught; /* the last error that was caught; its text is that of `error` */
    const void *cleanup;           /* the outermost that runs because of `error`; or NULL: none */
    struct eddy_kept_error *kept;  /* or NULL */
    const char *name;              /* given by eddy_task_set_name, or NULL */
    struct eddy_value *values;     /* its own, and those it has inherited (value.c); or NULL */
    struct eddy_waiters waiting;   /* in eddy_task_wait, for its end */
    uint32_t keepers;              /* eddy_task_keep, less those that have dropped it */
    bool taken;                    /* its owner has the result; it is there for its keepers */
    bool seen;                     /* somebody else has the result: an error need not be told */
    struct eddy_link done;         /* of eddy_done_callback: who is to be told of its end */
    struct eddy_link lent;         /* frame_guard of tasks that run in memory of this task's */
    struct eddy_link frame_guard;  /* of a task of eddy_spawn_in, in the list of its spawner */
    const eddy_coro *frame;        /* its first frame */
    unsigned pool_class;
};

/* ---- where the records of tasks lie: see task_table.c */

enum { RECORDS_A_PAGE = (EDDY_TASK_PAGE_ - sizeof(eddy_loop *)) / sizeof(struct eddy_task_record) };

/* Aligned to its size, EDDY_TASK_PAGE_, so that a record finds its loop: eddy_task_loop. */
struct eddy_task_page {
    eddy_loop *loop;
    struct eddy_task_record records[RECORDS_A_PAGE];
};

/* Pages that were allocated as one, with this in front of the first. */
struct eddy_task_region {
    struct eddy_task_region *next;
    uint32_t pages;
    uint32_t used; /* records handed out at least once */
};

struct eddy_task_table {
    struct eddy_task_region *regions; /* newest first */
    struct eddy_link free;            /* records to be used again */
    uint32_t spawned;                 /* the number of the newest task */
    uint32_t live;                    /* tasks that have not ended */
    uint32_t ending; /* of those, the ones that the end of the loop has cancelled */
    bool closed;     /* the loop is being freed, its tasks have ended */
};

/* ---- from one to the other */

static inline struct eddy_task_record *eddy_task_of(struct eddy_ready *ready)
{
    return (struct eddy_task_record *)(void *)ready;
}

static inline uint16_t *eddy_bits(struct eddy_task_record *task)
{
    return &task->timed.ready.bits;
}

static inline void eddy_set(struct eddy_task_record *task, unsigned bits)
{
    task->timed.ready.bits = (uint16_t)(task->timed.ready.bits | bits);
}

static inline void eddy_clear(struct eddy_task_record *task, unsigned bits)
{
    task->timed.ready.bits = (uint16_t)(task->timed.ready.bits & ~bits);
}

static inline bool eddy_has(const struct eddy_task_record *task, unsigned bits)
{
    return (task->timed.ready.bits & bits) != 0;
}

static inline struct eddy_task_extra *eddy_extra(const struct eddy_task_record *task)
{
    return eddy_has(task, EDDY_TASK_EXTRA_) ? (struct eddy_task_extra *)task->owner : NULL;
}

static inline struct eddy_task_rare *eddy_rare(const struct eddy_task_record *task)
{
    return eddy_has(task, EDDY_TASK_EXTRA_) ? eddy_extra(task)->rare : NULL;
}

/* Who is told of the task's end; or NULL. */
static inline eddy_owner *eddy_owner_of(const struct eddy_task_record *task)
{
    return eddy_has(task, EDDY_TASK_EXTRA_) ? eddy_extra(task)->owner : (eddy_owner *)task->owner;
}

/* The task that owns others, by its wait. */
static inline struct eddy_task_record *eddy_waiting_owner(eddy_owner *owner)
{
    return (struct eddy_task_record *)(void *)((char *)owner -
                                               offsetof(struct eddy_task_record, wait));
}

#endif
