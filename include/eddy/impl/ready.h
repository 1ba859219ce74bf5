/*
 * What can stand in a loop's ready list: tasks, and the callbacks of fds, timers and deferred
 * work. Everything in this header is the library's own; it is public because it lies inside
 * public structs.
 */
#ifndef EDDY_IMPL_READY_H
#define EDDY_IMPL_READY_H

#include <stdint.h>

#include "eddy/impl/list.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_loop eddy_loop;
typedef struct eddy_coro eddy_coro;
struct eddy_task_record;

enum eddy_ready_kind {
    EDDY_READY_TASK,
    EDDY_READY_BRANCH, /* of an eddy_select: a task's record, which stands in for the task */
    EDDY_READY_CALLBACK,
    EDDY_READY_IO,
    EDDY_READY_TIMER,
    EDDY_READY_RELAY,    /* never ready: see struct eddy_relay */
    EDDY_READY_UNSTARTED /* nor this: what the handles of failed spawns lead to */
};

struct eddy_ready {
    struct eddy_link link; /* in the ready list, or (a task) in the line in which it waits */
    uint8_t kind;          /* enum eddy_ready_kind */
    uint8_t state;         /* a task's: enum eddy_task_state */
    uint16_t bits;         /* a task's: EDDY_TASK_...; a timer's: EDDY_TIMER_... */
    /* a task's: its number, which no other task of the loop has; a timer's: orders a start that its
     * entry in the heap does not know of yet, or 0 */
    uint32_t generation;
};

/* Whether it is a record of tasks. */
static inline int eddy_ready_is_record(const struct eddy_ready *ready)
{
    return ready->kind <= EDDY_READY_BRANCH;
}

/* Private: what a cancel of any of several tasks goes on to, such as the clients of a server for
 * those who wait for its end. Reached once a cancel. */
struct eddy_relay {
    struct eddy_ready ready; /* its link is used while a cancel that has come to it goes on */
    void (*pass_on)(struct eddy_relay *relay); /* cancels what there is */
};

/* A place in the loop's timer heap; zeroed: not in it. */
struct eddy_alarm {
    uint32_t position; /* 1 + the index of its entry; 0: none. The heap keeps it. */
    uint32_t sequence; /* orders equal deadlines: counts starts */
};

/* What can be ready and has a deadline: a timer or a task. The heap knows the alarm only, and
 * finds the kind beside it. */
struct eddy_timed {
    struct eddy_ready ready;
    struct eddy_alarm alarm;
};

/* What is the caller's and has something of the loop's: links, memory, tasks. It is told of the
 * loop's end, newest first, when the tasks have ended or were cut off and none runs any more, and
 * lets go of what goes with the loop, so that its struct may be used again. */
struct eddy_loop_end {
    struct eddy_link link; /* in the loop's list; not used: it has nothing of a loop's */
    void (*told)(struct eddy_loop_end *end, eddy_loop *loop);
    /* On what it is left open, such as "memory", if nothing else tells of that. Or NULL. */
    void (*describe)(const struct eddy_loop_end *end, char *text, size_t size);
};

/* Who owns tasks, and is told of their ends: the record of each points at one of these in him, and the
 * kind's `child_done` finds him by that. Of a task that waits for others it is its `wait`. */
typedef const struct eddy_wait_kind *eddy_owner;

/* A task, as its users hold it: it never dangles while its loop lives. Zeroed it is no task;
 * whatever is done with one that is gone gives -ESRCH. See task.h. */
typedef struct eddy_task {
    struct eddy_task_record *record; /* NULL: there never was one */
    uint32_t
        generation; /* the task's number in its loop; of a failed spawn, which one, and its error */
} eddy_task;

/* Where a call stands, "file:line"; of one over several lines, one of them. Macros that have the
 * names of functions hand it to those, for EDDY_LOOP_REPORT_LEAKS. */
#define EDDY_STRING_2_(x) #x
#define EDDY_STRING_(x) EDDY_STRING_2_(x)
#define EDDY_PLACE_ __FILE__ ":" EDDY_STRING_(__LINE__)

#ifdef __cplusplus
}
#endif

#endif
