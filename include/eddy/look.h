/* Looking at a program: its tasks, numbers about its loop, its steps. */
#ifndef EDDY_LOOK_H
#define EDDY_LOOK_H

#include <stdbool.h>
#include <stdio.h>

#include "eddy/coro.h"
#include "eddy/impl/ready.h"
#include "eddy/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- for people */

/*
 * What is the program stuck on? The dump says it, for people:
 *
 *   eddy: 3 tasks: 3 waiting
 *   #1 bank waits 2 ms for gather: 2 of 2 tasks
 *         at bank (transfer.c:38)
 *   |-- #2 transfer waits 1 ms for lock: Bob's, held by task 3, transfer; #3 must act; in circle 1
 *   |         at transfer (transfer.c:18)
 *   `-- #3 transfer waits 1 ms for lock: Ann's, held by task 2, transfer; #2 must act; in circle 1
 *             at transfer (transfer.c:18)
 *   circle 1: #2 transfer -> #3 transfer -> #2 transfer
 *
 * A task stands below the one that spawned it, if that still lives; below each task stands its
 * stack of awaits, innermost first. docs/debugging.md explains every word.
 */

/* Prints all tasks of the loop. May be called from where eddy_loop_inspect may, and changes
 * nothing either. Without memory it prints a list instead of a tree. Returns 0; -EIO: the file has
 * an error. */
EDDY_API int eddy_loop_dump(eddy_loop *loop, FILE *file);

/* ---- for programs */

/*
 * Looking at the tasks of a loop: what each waits for, since when, and where. This is for
 * programs; eddy_loop_dump prints the same for people.
 *
 * Looking changes nothing. It may be done from any step or callback, between polls, and inside
 * the error hook; also while the arguments of an eddy_call are worked out.
 */

/* One frame of a task's stack of awaits. */
struct eddy_frame_info {
    const char *function;
    const char *file;
    uint32_t line; /* of the await in which it is, or was last; 0: it has not awaited yet */
};

/* The frames of a task that are still to be visited, innermost first. */
struct eddy_frames {
    eddy_coro *next; /* private */
};

enum eddy_task_doing { EDDY_TASK_READY, EDDY_TASK_RUNNING, EDDY_TASK_WAITING, EDDY_TASK_ENDED };

/* A task; valid during the visit, but for the strings that are literals of the program: name, place
 * and waits_for. */
struct eddy_task_info {
    eddy_task task;
    uint32_t number; /* which no other task of the loop has; they count up */
    /* of the task that spawned it, or that serves its client, which may be gone; 0: there is none */
    uint32_t parent;
    uint32_t depth;    /* in the tree: 0 stands at the top, for want of a parent that still lives */
    bool last;         /* no sibling follows */
    const char *name;  /* as eddy_task_name: its coroutine, or what eddy_task_set_name gave it */
    const char *place; /* "file:line" where it was spawned */
    enum eddy_task_doing doing;
    bool cancelled;            /* a cancel is on its way to it */
    int64_t result;            /* of one that has ended */
    int64_t deadline;          /* its earliest time-out on the loop's clock; EDDY_FOREVER: none */
    struct eddy_frames frames; /* its stack; of one that has ended empty */

    /* Only while it waits: */
    const char *waits_for; /* the kind of wait: "sleep", "read"; else NULL */
    const char *detail;    /* what just this one waits for: "fd 7 (127.0.0.1:80)"; else "" */
    int64_t age;           /* for how long, in nanoseconds, good to about a millisecond */
    /* The number of the one task that must act first; of one in a circle for which several must, of one
     * in the same circle. 0: none, or unknown. */
    uint32_t blocker;
    uint32_t circle; /* > 0: it waits for itself, by way of the others with the same number */
};

typedef void eddy_inspect_fn(const struct eddy_task_info *info, void *user);

/* Visits every task of the loop, parents before the tasks that they have spawned, otherwise in the
 * order in which they were spawned. `visit` must not call into the loop, but may look. Returns 0;
 * -ENOMEM: there was no memory to make a tree of them: all were visited all the same, each at depth
 * 0, in no order, and circles were not looked for. */
EDDY_API int eddy_loop_inspect(eddy_loop *loop, eddy_inspect_fn *visit, void *user);

/* The next frame of a stack, outwards; false: there is none. */
EDDY_API bool eddy_frames_next(struct eddy_frames *frames, struct eddy_frame_info *info);

/* ---- numbers about a loop: counters that only grow, and what there is at the moment */

struct eddy_metrics {
    /* Since the loop was made: */
    uint64_t turns;            /* of the loop (see loop.h) */
    uint64_t steps;            /* of tasks and callbacks */
    uint64_t sleeps;           /* times that it slept in the kernel, and was woken */
    uint64_t fd_events;        /* that the kernel told */
    uint64_t deadlines;        /* that came up: timers, sleeps, time-outs */
    uint64_t spawned;          /* tasks; counts modulo 2^32 */
    uint64_t children_spawned; /* processes */
    int64_t idle;              /* nanoseconds of the loop's clock that it has slept in the kernel */
    int64_t busy;              /* all others; with a foreign main loop that one's too */
    int64_t longest_step;      /* nanoseconds; 0 unless slow steps are looked for, see below */
    uint64_t wakes; /* of tasks that waited: what for came, or a cancel or time-out did */

    /* Since then, system calls, also those that failed; what opens and closes is left out: */
    uint64_t waits;    /* for events: epoll_pwait2(2), or epoll_wait(2) where that is missing */
    uint64_t controls; /* epoll_ctl(2) */
    uint64_t reads;    /* from streams and datagram sockets: read(2), recvmmsg(2), ... */
    uint64_t writes;   /* likewise to them: send(2), sendmsg(2), sendmmsg(2) */
    uint64_t accepts;  /* accept4(2) */

    /* Since then: */
    uint64_t file_jobs; /* operations on files that were given to workers (file.h, path.h) */

    /* At the moment: */
    uint64_t ready;    /* tasks and callbacks that are to run */
    uint64_t live;     /* tasks that have not ended */
    uint64_t waiting;  /* those of them that wait for something: they neither run nor are to */
    uint64_t armed;    /* entries in the heap: timers, sleeps and time-outs */
    uint64_t watched;  /* fds in the epoll set, the loop's own left out */
    uint64_t children; /* processes that run, those that were closed or detached too */
};

/* Fills the struct. From any step or callback, and between polls; changes nothing. Takes as long
 * as walking the ready list does. Who wants to know of each single system call counts in a table
 * of his own (sys.h). */
EDDY_API void eddy_loop_metrics(const eddy_loop *loop, struct eddy_metrics *metrics);

/* ---- steps */

/*
 * Watching the steps of tasks: which take too long, and what happens when. Unset, neither costs
 * anything: the loop runs tasks by another function while one is set.
 *
 * Both kinds of hook run inside the loop and must not call into it, but may look (above).
 * Times are those of CLOCK_MONOTONIC, whatever the loop's clock.
 */

/* ---- slow steps: while one runs, nothing else does */

struct eddy_slow_step {
    eddy_task task;       /* may have ended by now; record NULL: it was a callback */
    uint32_t number;      /* the task's; 0: a callback */
    const char *function; /* the coroutine that the step resumed; NULL: a callback */
    const char *file;
    uint32_t line; /* of the await behind which it was resumed; 0: it began */
    int64_t took;  /* nanoseconds */
};

typedef void eddy_slow_fn(eddy_loop *loop, const struct eddy_slow_step *step, void *user);

/* Tells of every step of a task or callback that takes `duration` (> 0) nanoseconds or longer, as soon
 * as it is over; costs two looks at the clock a step. `slow` NULL: the error hook is told, with
 * -ETIME. From the next turn on; a duration of 0 ends it, at once. 0; -EINVAL: duration < 0; -ENOMEM. */
EDDY_API int eddy_loop_slow_steps(eddy_loop *loop, int64_t duration, eddy_slow_fn *slow,
                                  void *user);

/* ---- tracing */

enum eddy_trace_kind {
    EDDY_TRACE_SPAWN,   /* a task was spawned */
    EDDY_TRACE_RESUME,  /* its step begins */
    EDDY_TRACE_SUSPEND, /* its step is over, and it goes on later */
    EDDY_TRACE_WAKE,    /* what it waits for is there: it is ready */
    EDDY_TRACE_CANCEL,  /* it is asked to end */
    EDDY_TRACE_FINISH   /* it has ended; inside its last step, after which nothing comes */
};

struct eddy_trace_event {
    enum eddy_trace_kind kind;
    eddy_task task;
    uint32_t number;
    uint32_t by;          /* the task in whose step it happens; 0: in none */
    int64_t time;         /* CLOCK_MONOTONIC */
    const char *function; /* its innermost coroutine; FINISH: NULL */
    const char *file;
    uint32_t line;         /* of the await in which that is, or was last; 0: none yet */
    const char *waits_for; /* SUSPEND: the kind of wait, NULL: it only pauses; else NULL */
    int64_t result;        /* FINISH: the task's; else 0 */
};

typedef void eddy_trace_fn(eddy_loop *loop, const struct eddy_trace_event *event, void *user);

/* Tells of all that happens to tasks: of their steps from the next turn on, of the rest at once.
 * NULL ends it, at once. 0, or -ENOMEM. */
EDDY_API int eddy_loop_trace(eddy_loop *loop, eddy_trace_fn *trace, void *user);

/* ---- leaving it out */

/*
 * Leaving out what looks at a program.
 *
 * By default a program tells by itself of a deadlock with the circle of those who wait for each other, of
 * leaks (EDDY_LOOP_REPORT_LEAKS), and dumps all tasks when a cleanup is cut off; and what it prints of an
 * fd has the address of its peer. A program that links the static library and wants to be small
 * can do without:
 *
 *     EDDY_LEAVE_OUT_LOOK;
 *
 * once in one file of it, outside of functions. Deadlocks and cut-off cleanups are then told in one
 * line each, leaks of watchers and timers are not, and a circle of tasks that join each other is cut off at the end of
 * its loop instead of cancelled. What the program calls itself (eddy_loop_dump, say) is there all the same. With the
 * shared library it has no effect.
 */

struct eddy_look;

/* Private: the table by which the library reaches it; NULL: it is left out. */
extern const struct eddy_look *const eddy_look_;

#define EDDY_LEAVE_OUT_LOOK const struct eddy_look *const eddy_look_ = 0

#ifdef __cplusplus
}
#endif

#endif
