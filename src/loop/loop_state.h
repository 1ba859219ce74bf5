/*
 * What a loop consists of: its fields, and what stands beside it in its memory. What its files do for
 * each other and for the floors above is in loop/loop_internal.h, which is what they include.
 *
 * The fields stand by what a step, a turn or a look at the kernel touches together, hot ones first: the
 * loop is some 7 KiB, most of it the events that the kernel fills.
 */
#ifndef EDDY_SRC_LOOP_STATE_H
#define EDDY_SRC_LOOP_STATE_H

#include "base/heap.h"
#include "base/pool.h"
#include "base/printable.h"
#include "eddy/callback.h"
#include "eddy/impl/task.h"
#include "eddy/io.h"
#include "eddy/look.h"
#include "eddy/loop.h"
#include "eddy/timer.h"

enum {
    EVENTS_A_TURN = 512, /* taken from the kernel at once, at most */
    EVENTS_AT_EASE = 64, /* likewise, where the next turn follows by itself: see room_for_events */
    /* steps between two looks at kernel and clock while something is ready */
    MOST_ASK_INTERVAL = 128
};

/* Real time since a moment, CLOCK_MONOTONIC: for what is limited whatever the loop's clock does. */
struct eddy_stopwatch {
    int64_t begun;
    int64_t seen;   /* when it was last looked at */
    uint32_t looks; /* since the time has changed */
};

/* What the tasks do for the loop, which knows none (step.c has the only table, which tracing may stand
 * in front of); set when the first task is spawned. */
struct eddy_loop_task_class {
    /* Runs the tasks at the head of the batch, `most` of them, and goes on with those that became
     * ready meanwhile where eddy_batch_refill lets it; returns how many. */
    int (*run)(eddy_loop *loop, int most);
    void (*due)(eddy_loop *loop, struct eddy_timed *timed);
    /* True if the task's entry in the heap says its true deadline; else puts it right, or
     * removes it. */
    bool (*settled)(eddy_loop *loop, struct eddy_timed *timed);
    /* -EDEADLK, told to the error hook, if tasks wait although nothing is left that could wake
     * them. */
    int (*stuck)(eddy_loop *loop);
    /* The loop ends: cancels the tasks that it has not cancelled yet; how many are left. */
    uint32_t (*end)(eddy_loop *loop);
    /* Nothing is left that could wake those: helps one of each circle out of it; whether there was
     * a circle. */
    bool (*break_circles)(eddy_loop *loop);
    /* From here on nobody may spawn. -ETIMEDOUT, told to the error hook, if tasks are left. */
    int (*cut_off)(eddy_loop *loop);
    /* Tasks that were cut off wait for nothing any more, before anybody is told of the end. */
    void (*forget_waits)(eddy_loop *loop);
    void (*fini)(eddy_loop *loop);
    int (*check)(eddy_loop *loop);
};

/* What a module of a higher floor keeps with the loop; closed, newest first, when the loop is
 * freed. */
struct eddy_attachment {
    struct eddy_link link;
    const void *key; /* names the kind of attachment: the address of something static */
    void (*close)(eddy_loop *loop, struct eddy_attachment *attachment);
    /* Parts from what a forked child shares with its parent; 0 or an error, after which it may be
     * called again. NULL: there is nothing such. */
    int (*after_fork)(eddy_loop *loop, struct eddy_attachment *attachment);
    /* For dumps: tells `line` of each thing that runs beside the tasks. NULL: there is nothing such. */
    void (*describe)(eddy_loop *loop, struct eddy_attachment *attachment,
                     void (*line)(const char *text, void *context), void *context);
};

/* Who may use the loop, while its turns are cut in two (eddy_loop_prepare). */
enum eddy_loop_split {
    EDDY_SPLIT_NONE,     /* the loop's thread alone */
    EDDY_SPLIT_PREPARED, /* likewise, until somebody begins to wait */
    EDDY_SPLIT_WAITING,  /* `events` and what `waited` says of them are the waiter's */
    EDDY_SPLIT_WAITED    /* the loop's thread, which finds the events there */
};

/* A slot of the table of watchers, one an fd. */
struct eddy_io_slot {
    eddy_io *io;          /* NULL: no watcher */
    uint32_t generation;  /* counts the watchers of this fd; events of an older one are stale */
    uint16_t ended_at;    /* loop->asks when a watcher of it was last stopped */
    uint16_t first_ended; /* the generation of the first that was stopped since then, cut off */
};

/* Where what is started was started: a hash table of what it is of, kept by what looks at the loop. */
struct eddy_places {
    struct eddy_place *entries; /* NULL: none; `place` NULL: nothing is known */
    uint32_t size;              /* a power of two */
    uint32_t used;              /* entries with an object, at most three of four */
};

struct eddy_place {
    const void *object; /* a watcher or a timer, perhaps one that is gone; NULL: a free entry */
    const char *place;
};

/* What eddy_loop_metrics tells; counted a turn or a system call and not a step, so that it costs
 * nothing, but for the wakes: one instruction each. */
struct eddy_counts {
    uint64_t turns;
    uint64_t steps;
    uint64_t sleeps;
    uint64_t fd_events;
    uint64_t deadlines;
    uint64_t waits; /* of system calls: those that a program makes again and again */
    uint64_t controls;
    uint64_t reads;
    uint64_t writes;
    uint64_t accepts;
    uint64_t file_jobs;
    uint64_t children_spawned;
    uint64_t children; /* that run now */
    int64_t made_at;
    int64_t idle;
    int64_t longest_step;
    uint64_t wakes; /* stays the last: each looks at `trace`, too */
};

/* A spawn that failed. */
struct eddy_unstarted_spawn {
    const char *named_place; /* as a task's */
    uint32_t generation;     /* of its handle; 0: there was none yet */
    bool taken;              /* somebody has its error, or was told */
};

enum {
    EDDY_UNSTARTED_ERROR = (1 << 12) - 1, /* in a handle's generation: the error, positive */
    EDDY_UNSTARTED_NEWEST = 8             /* a power of two */
};

/* The spawns of the loop's that failed: see task/unstarted.c. */
struct eddy_unstarted {
    /* What their handles lead to: always free, and of a kind of its own since the first of them. */
    struct eddy_task_record record;
    uint32_t count;                                            /* of them; may wrap */
    struct eddy_unstarted_spawn newest[EDDY_UNSTARTED_NEWEST]; /* by `count` */
};

struct eddy_loop {
    /* First, in this order: the words of coro.h reach them through the loop's address. */
    struct eddy_pool pool;
    /* of the task that runs; the one that takes it below 0 sends the task through the ready list */
    int awaits_left;

    /* What runs. */
    struct eddy_link ready; /* runs in a later batch */
    /* runs in this one; not empty between turns only if a poll's budget ended */
    struct eddy_link batch;
    int ask_interval;   /* 1..MOST_ASK_INTERVAL: as many steps as take about a millisecond */
    int steps_left;     /* of the interval; at 0 or less no turn begins without asking */
    bool must_ask;      /* nor does the next one: a poll has begun, or something is due by then */
    bool running;       /* inside a poll */
    bool in_turn;       /* inside a turn: `now` is the turn's time */
    bool stop;          /* set by eddy_loop_stop, cleared by the run that obeys */
    bool leaving;       /* eddy_loop_break: the turn that is running runs nothing more */
    bool one_turn;      /* a poll that is to run exactly one turn */
    bool in_a_hurry;    /* a poll that is to end at a time */
    bool awaited_ended; /* the task for which the loop runs has ended */
    /* somebody sees where a turn ends: hooks, a poll that is to end, a clock that others move,
     * tests */
    bool turn_seen;
    bool closing;   /* eddy_loop_free is at work */
    bool no_pwait2; /* the kernel has no epoll_pwait2 */
    unsigned flags;
    uint64_t shuffle; /* the state of the random numbers; 0: nothing is shuffled */
    /* of the outermost poll: what lies between it and a step is gone after it */
    const char *stack_base;

    /* Time. */
    int64_t now;      /* when the clock was last read; never goes back, see eddy_loop_read_clock */
    int64_t asked_at; /* when it was read because the kernel was asked */
    int64_t behind;   /* by how much the system's clock has gone back so far */
    int64_t real_now; /* likewise of CLOCK_MONOTONIC, for stopwatches */
    int64_t real_behind;
    bool in_pieces;  /* the time-out that was computed last is only a piece of the wait */
    int short_waits; /* in a row, after which the clock stood before the end of the time-out */
    int64_t
        wait_limit; /* of the next look at the kernel (eddy_loop_limit_wait); EDDY_FOREVER: none */
    struct eddy_stopwatch stall; /* stall.c: since virtual time stands still */
    int64_t stalled_at;          /* the virtual time at which it does; EDDY_FOREVER: it does not */
    bool stall_told;
    struct eddy_heap heap;    /* of timers, and of tasks with a deadline */
    eddy_clock *clock;        /* the program's, or own_clock; fixed */
    eddy_clock own_clock;     /* monotonic; used unless the options have one */
    int64_t shutdown_timeout; /* of end.c; more than 0 */

    /* The kernel. */
    const struct eddy_sys *sys;
    int epoll;       /* what the loop sleeps on: another fd whenever the set is made anew */
    int outer;       /* what others sleep on (epoll.c); -1 until somebody asks for it */
    int most_events; /* 1..EVENTS_A_TURN: taken from the kernel at once, if an option says so; else 0 */
    int room;        /* for events in the last wait; at first EVENTS_A_TURN */
    int timerfd;     /* -1 unless EDDY_LOOP_TIMERFD */
    unsigned stdio_held; /* atomic: which of the fds 0, 1 and 2 the loop has filled (stdio.c) */
    int64_t timerfd_deadline;   /* where it stands; EDDY_FOREVER: disarmed (timerfd.c) */
    struct eddy_io_slot *slots; /* by fd */
    int slot_count;
    int watched;             /* fds in the epoll set, the wake-up eventfd left out */
    uint16_t asks;           /* counts how often the kernel was asked; may wrap */
    int to_tell;             /* fds that the kernel may still tell of in this poll */
    bool more_to_tell;       /* it had as much as there is room for, and may have more */
    bool left_behind;        /* a registration may be in the set that no watcher has */
    bool renewal_failed;     /* the epoll set could not be made anew: told, and tried again */
    struct eddy_link always; /* regular files with an interest: always ready */
    eddy_io wake_io;         /* an eventfd */
    eddy_io timer_io;        /* the timerfd */
    int woken;               /* atomic: the eventfd is written, or about to be */
    eddy_callback *messages; /* atomic: from other threads, newest first */

    const void *thread; /* that polls it, or has done so last (owner.c) */

    /* Detecting a fork (fork.c); fixed but for eddy_loop_after_fork. */
    int *not_forked; /* in a page that a child finds zeroed; NULL: the kernel has no such pages */
    pid_t pid;       /* then: of the process that made the loop */

    /* A turn that is cut in two (split.c). */
    int split;             /* atomic: enum eddy_loop_split */
    bool waited;           /* `waited_count` is the outcome of a wait that no turn has seen yet */
    int waited_count;      /* events, or the error of the kernel */
    int64_t split_wait;    /* how long the turn may wait, as eddy_loop_prepare was told */
    int64_t split_timeout; /* how long the kernel is to be asked */
    int64_t split_at;      /* when that was computed */
    int64_t split_until;   /* the loop's thread's: what is due earlier must wake the waiter */

    /* Why the loop goes on: watchers with an interest, holds, tasks that wait for an fd. */
    int references;
    int holds; /* those of them that keep a virtual clock from jumping */

    struct eddy_link hooks[EDDY_HOOK_POINTS_]; /* by enum eddy_hook_point; started ones */
    struct eddy_link attachments;              /* oldest first */
    struct eddy_link ends; /* of struct eddy_loop_end: who is told of the loop's */
    uint32_t epoch;  /* no other loop's that had or will have its address: locks know it by that */
    uint32_t misled; /* marks of lines near which there was none, since they were made */

    eddy_error_fn *on_error; /* NULL: standard error */
    void *user;              /* the program's, for it to find again */
    bool reporting;          /* inside on_error */

    const struct eddy_loop_task_class *task_class; /* NULL: no task yet */
    struct eddy_task_table *tasks;                 /* task_table.c's; NULL: no task yet */
    struct eddy_unstarted unstarted;               /* unstarted.c's */
    struct eddy_snapshot *snapshot;         /* likewise: the newest that is in use, or NULL */
    struct eddy_task_record *current;       /* the task whose step runs, or NULL */
    const struct eddy_task_record *awaited; /* the task for which the loop runs, or NULL */
    /* While a cancel is passed on, see spread.c: tasks that are still to be reached, those that the
     * abort which runs has just found, and those that have passed it on. */
    struct eddy_link to_cancel, found, passed;
    bool cancelling;          /* they are gone through */
    bool one_cancel;          /* several that count as one: eddy_cancel_begin */
    bool interrupting_leaf;   /* the abort of a wait in a line runs */
    const char *who_function; /* the answer of the coroutine that was asked last where it is */
    const char *who_file;

    /* Who watches; see trace.c. */
    uintptr_t openings; /* of streams so far (eddy_stream_opening) */
    struct eddy_counts counts;
    void (*trace)(eddy_loop *loop, struct eddy_task_record *task, enum eddy_trace_kind kind);
    void (*run_callback)(eddy_loop *loop, void (*function)(struct eddy_ready *ready),
                         struct eddy_ready *ready);
    struct eddy_places places; /* with EDDY_LOOP_REPORT_LEAKS */

    struct epoll_event events[EVENTS_A_TURN];
};

_Static_assert(offsetof(struct eddy_loop, awaits_left) == sizeof(struct eddy_pool),
               "eddy_takes_turns_ finds the count behind the pool");

#endif
