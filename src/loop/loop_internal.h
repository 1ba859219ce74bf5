/*
 * The loop's inside: the face of this floor to those above it, and of its files to each other.
 *
 * A floor above hangs itself in and is never named here: tasks by struct eddy_loop_task_class, what
 * keeps something with a loop (signals, workers, traces) by struct eddy_attachment, what must hear of
 * the loop's end (queues) by struct eddy_loop_end, what looks at a program by loop/look.h.
 *
 * Circle: ask.c, callback.c, io.c, split.c, timer.c and timerfd.c. Who sleeps for a loop (the kernel
 * for ask.c, another thread for split.c, a foreign loop for timerfd.c) must be told when something is
 * due earlier than he was told, and what makes it so is whatever is started from outside of a turn: a
 * callback, a watcher of a regular file, a timer. So these three reach those three, who need what is
 * due to know for how long to sleep. The arrow back is one function, eddy_loop_changed.
 */
#ifndef EDDY_SRC_LOOP_INTERNAL_H
#define EDDY_SRC_LOOP_INTERNAL_H

#include "base/heap.h"
#include "base/pool.h"
#include "base/printable.h"
#include "eddy/callback.h"
#include "eddy/io.h"
#include "eddy/look.h"
#include "eddy/loop.h"
#include "eddy/timer.h"

enum {
    EVENTS_A_TURN = 512, /* taken from the kernel at once */
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
    int64_t made_at;
    int64_t idle;
    int64_t longest_step;
    uint64_t wakes; /* last: each looks at `trace`, too */
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
    struct eddy_stopwatch stall; /* stall.c: since virtual time stands still */
    int64_t stalled_at;          /* the virtual time at which it does; EDDY_FOREVER: it does not */
    bool stall_told;
    struct eddy_heap heap;    /* of timers, and of tasks with a deadline */
    eddy_clock *clock;        /* the program's, or own_clock; fixed */
    eddy_clock own_clock;     /* monotonic; used unless the options have one */
    int64_t shutdown_timeout; /* of end.c; more than 0 */

    /* The kernel. */
    const struct eddy_sys *sys;
    int epoll;           /* what the loop sleeps on: another fd whenever the set is made anew */
    int outer;           /* what others sleep on (epoll.c); -1 until somebody asks for it */
    int timerfd;         /* -1 unless EDDY_LOOP_TIMERFD */
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

    struct eddy_link hooks[2];    /* by enum eddy_hook_point; started ones */
    struct eddy_link attachments; /* oldest first */
    struct eddy_link ends;        /* of struct eddy_loop_end: who is told of the loop's */
    uint32_t epoch;  /* no other loop's that had or will have its address: locks know it by that */
    uint32_t misled; /* marks of lines near which there was none, since they were made */

    eddy_error_fn *on_error; /* NULL: standard error */
    void *user;              /* the program's, for it to find again */
    bool reporting;          /* inside on_error */

    const struct eddy_loop_task_class *task_class; /* NULL: no task yet */
    struct eddy_task_table *tasks;                 /* task_table.c's; NULL: no task yet */
    struct eddy_snapshot *snapshot;         /* likewise: the newest that is in use, or NULL */
    struct eddy_task_record *current;       /* the task whose step runs, or NULL */
    const struct eddy_task_record *awaited; /* the task for which the loop runs, or NULL */
    /* While a cancel is passed on, see cancel.c: tasks that are still to be reached, those that the
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

/* ---- loop.c */

/* Lets `end`, which is in no loop's list, be told of the end of this one. */
static inline void eddy_loop_end_follow(eddy_loop *loop, struct eddy_loop_end *end,
                                        void (*on_end)(struct eddy_loop_end *end, eddy_loop *loop))
{
    end->told = on_end;
    eddy_list_append(&loop->ends, &end->link);
}

static inline bool eddy_loop_end_followed(const struct eddy_loop_end *end)
{
    return eddy_link_used(&end->link);
}

/* Nothing of the loop's is left in it. */
static inline void eddy_loop_end_leave(struct eddy_loop_end *end)
{
    if (eddy_loop_end_followed(end)) {
        eddy_list_remove(&end->link);
    }
}

/* Appends to the ready list, whose head is always initialized. */
static inline void eddy_loop_append(eddy_loop *loop, struct eddy_ready *ready)
{
    struct eddy_link *head = &loop->ready;
    struct eddy_link *link = &ready->link;
    struct eddy_link *last = head->prev;

    /* In this order the compiler does not make one vector of two stores, which takes longer. */
    link->next = head;
    last->next = link;
    link->prev = last;
    head->prev = link;
}

/* Takes the first out of the batch, which is not empty. */
static inline struct eddy_ready *eddy_batch_take(eddy_loop *loop)
{
    struct eddy_link *batch = &loop->batch;
    struct eddy_link *first = batch->next;

    batch->next = first->next;
    first->next->prev = batch;
    first->next = NULL; /* in no list */
    return (struct eddy_ready *)(void *)first;
}

/* Step 7 of the next turn begins, while that makes no difference to anybody: true if there is
 * something in the batch again. `steps` have run in the loop since it was last counted. */
static inline bool eddy_batch_refill(eddy_loop *loop, int steps)
{
    struct eddy_link *ready = &loop->ready;
    struct eddy_link *batch = &loop->batch;
    struct eddy_link *first = ready->next;
    struct eddy_link *last = ready->prev;

    if (loop->turn_seen || first == ready || steps >= loop->steps_left) {
        return false;
    }
    /* In this order the compiler does not make one vector of the two ends, which would wait for the
     * stores that made them. */
    first->prev = batch;
    batch->next = first;
    last->next = batch;
    batch->prev = last;
    eddy_list_init(ready);
    loop->counts.turns++;
    return true;
}

/* report.c: tells the error hook. */
void eddy_loop_report(eddy_loop *loop, eddy_task task, int64_t code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Something is left that could run or wake somebody. */
bool eddy_loop_alive(eddy_loop *loop);

static inline bool eddy_loop_has_ready(const eddy_loop *loop)
{
    return !eddy_list_empty(&loop->ready) || !eddy_list_empty(&loop->batch);
}

/* Something is due that no event tells of: the next turn asks, although something is ready. */
static inline void eddy_loop_ask_soon(eddy_loop *loop)
{
    loop->must_ask = true;
    loop->turn_seen = true;
}

/* timerfd.c: opens it, if the loop is to have one: 0 or an error. */
int eddy_timerfd_open(eddy_loop *loop);
/* Keeps it at the next deadline; one that is past is the next nanosecond. */
void eddy_loop_mirror_deadline(eddy_loop *loop);

/* split.c: wakes the waiter if something is due earlier than it was told, unless a timerfd does. */
void eddy_split_changed(eddy_loop *loop);

/* The next deadline may have changed: outside of a poll the timerfd, and who waits in a split turn,
 * have to be told. */
static inline void eddy_loop_changed(eddy_loop *loop)
{
    if (!loop->running) {
        eddy_loop_mirror_deadline(loop);
        eddy_split_changed(loop);
    }
}

/* time.c: eddy_loop_update for who is on the loop's thread for sure. Sets loop->now, which never
 * goes back. */
int64_t eddy_loop_read_clock(eddy_loop *loop);

/* Likewise eddy_loop_now. */
static inline int64_t eddy_loop_now_inline(eddy_loop *loop)
{
    return loop->in_turn ? loop->now : eddy_loop_read_clock(loop);
}

/* ---- owner.c */

/* The calling thread begins a poll. */
void eddy_owner_take(eddy_loop *loop);
void eddy_owner_check(const eddy_loop *loop, const char *what);

/* With EDDY_LOOP_CHECK aborts, by the name of what was called, if another thread polls the loop. */
static inline void eddy_loop_here(const eddy_loop *loop, const char *what)
{
    if (__builtin_expect((loop->flags & EDDY_LOOP_CHECK) != 0, 0)) {
        eddy_owner_check(loop, what);
    }
}

/* ---- fork.c */

int eddy_fork_open(eddy_loop *loop);
void eddy_fork_close(eddy_loop *loop);

/* This process is a child of the one that the loop belongs to: what the kernel has of the loop is
 * the parent's, and must not be touched. From any thread, and from a signal handler. */
static inline bool eddy_loop_forked(const eddy_loop *loop)
{
    return loop->not_forked != NULL ? *loop->not_forked == 0
                                    : loop->sys->getpid(loop->sys) != loop->pid;
}

/* Puts a new fd, or the error of making it, in the place and under the number of an old one. 0 or
 * the error. */
int eddy_fd_replace(eddy_loop *loop, int old, int made);

/* ---- ask.c */

/* How long the kernel may be asked to wait: 0 if anything is ready or due. */
int64_t eddy_ask_timeout(eddy_loop *loop, int64_t max_wait);

/* The system call, and nothing of the loop but `events`: how many there are, or an error. */
int eddy_ask_kernel(eddy_loop *loop, int64_t timeout);

/* Waits for events, at most `max_wait`, reads the clock, and makes ready what has come. 0, or an
 * error of the kernel. */
int eddy_loop_ask(eddy_loop *loop, int64_t max_wait);

/* ---- stdio.c */

/* Sees to it that no fd of the loop becomes 0, 1 or 2, until it is released. 0 or an error. */
int eddy_stdio_hold(eddy_loop *loop);
void eddy_stdio_release(eddy_loop *loop);

/* Everything that makes an fd hands it through this. One that is 0, 1 or 2 all the same is moved
 * out of the way: returns its new number, or closes it and returns the error. An error is passed
 * through. From any thread. */
int eddy_above_stdio(eddy_loop *loop, int fd);

/* ---- shuffle.c */

/* Puts what is ready in a random order; only if loop->shuffle is not 0. */
void eddy_loop_shuffle(eddy_loop *loop);

/* ---- split.c */

/* Marks the loop as running, or says -EBUSY or -ECHILD. Its own frame is the base of the steps: the
 * caller's may be the program's, where one function was made of both. */
int eddy_loop_enter(eddy_loop *loop);
void eddy_loop_leave(eddy_loop *loop);

/* Takes the loop back from a split turn: -EBUSY if somebody waits just now. */
int eddy_split_end(eddy_loop *loop);

/* ---- turn.c */

/* One turn that waits at most until `deadline`; 0 or an error of the kernel. */
int eddy_loop_turn(eddy_loop *loop, int64_t max_wait);

struct eddy_attachment *eddy_loop_attachment(eddy_loop *loop, const void *key);

/* ---- time.c */

/* The time of the loop's clock, which is not noted. */
int64_t eddy_loop_peek_clock(const eddy_loop *loop);

/* Whether the clock moves by itself, with the time that the kernel waits by. */
static inline bool eddy_clock_is_real(const eddy_clock *clock)
{
    return clock->kind == EDDY_CLOCK_MONOTONIC || clock->kind == EDDY_CLOCK_BOOTTIME;
}

struct eddy_stopwatch eddy_stopwatch_begin(eddy_loop *loop);

/* Whether `duration` has passed. A clock that stands still, or has gone back, makes nobody wait for
 * ever: looks in vain count too. */
bool eddy_stopwatch_is_past(eddy_loop *loop, struct eddy_stopwatch *watch, int64_t duration);

/* ---- stall.c */

/* After a look at the kernel: tells the error hook once if virtual time stands still for long
 * although `deadline`, the next one, waits for it. */
void eddy_stall_watch(eddy_loop *loop, int64_t max_wait, int64_t deadline);

/* ---- end.c */

/* Runs until tasks and messages have ended, or the shutdown time-out has passed: 0, -ETIMEDOUT, or the
 * error of the kernel. */
int eddy_loop_end(eddy_loop *loop);

/* Tells the error hook of messages that come too late to be run. */
void eddy_messages_tell_left(eddy_loop *loop);

/* ---- io.c */

/* How a watcher is told of events, and whose its fd is. */
enum eddy_io_mode {
    EDDY_IO_CALLBACK, /* the user's callback, through the ready list */
    EDDY_IO_NOTIFY,   /* the library's own, in the middle of the batch of events */
    EDDY_IO_OWN,      /* likewise; the fd is the loop's */
    EDDY_IO_LISTENER, /* likewise a server's; it is closed with the loop */
    EDDY_IO_EDGE      /* likewise a stream's, and edge-triggered: registered once for everything */
};

enum {
    EDDY_IO_IN_EPOLL = 1, /* eddy_io.registered: the fd is in the epoll set */
    /* Told to the library's own callbacks: the fd is closed, and its number somebody else's. What has
     * it ends, and stops the watcher. */
    EDDY_IO_GONE = 0x10000
};

/* epoll's data is slot and generation, never a pointer: an event of a watcher that is gone finds
 * that out. */
static inline uint64_t eddy_io_key(const eddy_loop *loop, const eddy_io *io)
{
    return (uint64_t)loop->slots[io->fd].generation << 32 | (uint32_t)io->fd;
}

/* Makes room for a new watcher of `fd`: one that has lost its fd gives way. `fresh`: the kernel has
 * just given the number out, so that whoever has it has lost it. 0, -EEXIST or -ECHILD. */
int eddy_io_make_way(eddy_loop *loop, int fd, bool fresh);
/* All watchers give way whose fd is closed or another file's. */
void eddy_io_lose_closed(eddy_loop *loop);
/* Stops a watcher whose owner closes the fd. False if there is nothing to close: somebody else has
 * closed it, and the number is not the owner's any more. */
bool eddy_io_release(eddy_io *io);

int eddy_io_watch(eddy_loop *loop, eddy_io *io, int fd, unsigned events, enum eddy_io_mode mode,
                  eddy_io_fn *callback);
/* Tells the watchers of the first `count` events that were fetched. */
void eddy_io_dispatch(eddy_loop *loop, int count);
void eddy_io_dispatch_always(eddy_loop *loop);
void eddy_io_run(struct eddy_ready *ready);
void eddy_io_fini(eddy_loop *loop);
int eddy_io_check(eddy_loop *loop);

/* ---- epoll.c */

/* epoll_ctl(2) of the watcher's fd; -ECHILD in a child of fork(2). -EBADF: it is closed, or was, and
 * the number is another file's. */
int eddy_epoll_control(eddy_loop *loop, const eddy_io *io, int operation);
/* Whether the fd of a watcher that is in the set is still the file that was put into it. */
bool eddy_epoll_has(eddy_loop *loop, const eddy_io *io);
/* Makes the set anew, with all watchers. 0; or an error, and then the old one stays. */
int eddy_epoll_renew(eddy_loop *loop);

/* ---- timer.c */

/* With any of these bits, each start of a timer looks at the heap. */
enum {
    EDDY_TIMER_PERIODIC = 1 << 0,
    EDDY_TIMER_PLACED = 1 << 1, /* its place is noted, that of its last start */
    EDDY_TIMER_OWN = 1 << 2     /* the library's: part of something else, and no leak by itself */
};

/* As eddy_timer_start, for a timer of the library's own. */
int eddy_timer_start_own(eddy_loop *loop, eddy_timer *timer, int64_t delay,
                         eddy_timer_fn *callback);

/* What an alarm in the heap belongs to. */
static inline struct eddy_timed *eddy_timed_of(struct eddy_alarm *alarm)
{
    return (struct eddy_timed *)(void *)((char *)alarm - offsetof(struct eddy_timed, alarm));
}

void eddy_timer_due(eddy_loop *loop, eddy_timer *timer);
void eddy_timer_run(struct eddy_ready *ready);
void eddy_timers_init(eddy_loop *loop);
void eddy_timers_fini(eddy_loop *loop);

/* Fires what is due at loop->now. */
void eddy_timers_expire(eddy_loop *loop);

/* The earliest true deadline, or EDDY_FOREVER: puts stale entries right on the way. */
int64_t eddy_timers_next(eddy_loop *loop);

/* ---- callback.c */

void eddy_callback_run(struct eddy_ready *ready);
/* Makes the messages of other threads ready. */
void eddy_messages_receive(eddy_loop *loop);
bool eddy_messages_waiting(eddy_loop *loop);
/* Runs those that have come, and nothing else that is ready; whether there were any. */
bool eddy_messages_run(eddy_loop *loop);
/* How many have come and were not run, the library's own left out. */
uint32_t eddy_messages_left(eddy_loop *loop);
/* As eddy_loop_call_threadsafe, for messages of the library's own: nobody misses those that come
 * too late. */
void eddy_loop_call_own(eddy_loop *loop, eddy_callback *callback, eddy_callback_fn *function);
int eddy_wake_open(eddy_loop *loop);

/* ---- hook.c */

void eddy_hooks_run(eddy_loop *loop, enum eddy_hook_point point);
void eddy_hooks_fini(eddy_loop *loop);

#endif
