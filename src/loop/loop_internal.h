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

#include "loop/loop_state.h"

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

/* How long the look that is about to be taken may wait, by who has limited it; used up by that. */
int64_t eddy_ask_limited(eddy_loop *loop, int64_t max_wait);

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

/* One turn that waits at most that long; 0 or an error of the kernel. */
int eddy_loop_turn(eddy_loop *loop, int64_t max_wait);

/* Runs what is no task, and in no list any more. */
void eddy_loop_run_ready(eddy_loop *loop, struct eddy_ready *ready);

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

/* Likewise of spawns that failed, whose error nobody has taken. */
void eddy_unstarted_tell_left(eddy_loop *loop);

/* ---- io.c */

/* How a watcher is told of events, and whose its fd is. */
enum eddy_io_mode {
    EDDY_IO_CALLBACK, /* the user's callback, through the ready list */
    EDDY_IO_NOTIFY,   /* the library's own, in the middle of the batch of events */
    EDDY_IO_OWN,      /* likewise; the fd is the loop's */
    EDDY_IO_LISTENER, /* likewise a server's; it is closed with the loop */
    EDDY_IO_KEPT,     /* likewise; the fd is the user's, and stays registered without an interest */
    EDDY_IO_EDGE,     /* likewise a stream's, and edge-triggered: registered once for everything */
    EDDY_IO_EDGE_DATAGRAM, /* likewise a datagram socket's */
    EDDY_IO_EDGE_WATCH     /* likewise that of a watch of files */
};

enum {
    EDDY_IO_IN_EPOLL = 1, /* eddy_io.registered: the fd is in the epoll set */
    /* Told to the library's own callbacks: the fd is closed, and its number somebody else's. What has
     * it ends, and stops the watcher. */
    EDDY_IO_GONE = 0x10000
};

/* A watcher's interest has the public values, but for those that do not fit. One of AS_IS alone is kept
 * as none. */
enum { EDDY_INTEREST_PEER_CLOSED = 0x40 };

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

/* Two edge-triggered watchers exchange their fds, of which the kernel hears nothing. */
static inline void eddy_io_exchange(eddy_io *one, eddy_io *other)
{
    struct eddy_io_slot *slots = one->loop->slots;
    int fd = one->fd;
    uint8_t registered = one->registered;

    one->fd = other->fd;
    one->registered = other->registered;
    other->fd = fd;
    other->registered = registered & 0xFu;
    slots[one->fd].io = one;
    slots[other->fd].io = other;
}

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

void eddy_hooks_run_all(eddy_loop *loop, enum eddy_hook_point point);

static inline void eddy_hooks_run(eddy_loop *loop, enum eddy_hook_point point)
{
    if (!eddy_list_empty(&loop->hooks[point])) {
        eddy_hooks_run_all(loop, point);
    }
}

/* Whether any is started: somebody sees where a turn ends. */
static inline bool eddy_hooks_any(const eddy_loop *loop)
{
    return !eddy_list_empty(&loop->hooks[EDDY_HOOK_PREPARE]) ||
           !eddy_list_empty(&loop->hooks[EDDY_HOOK_CHECK]) ||
           !eddy_list_empty(&loop->hooks[EDDY_HOOK_AWAKE]);
}

void eddy_hooks_fini(eddy_loop *loop);

#endif
