/*
 * The event loop: one thread, one epoll set, one heap of deadlines, one list of what is ready.
 *
 * A turn, in this order, which is a contract:
 *
 *   1. prepare hooks
 *   2. epoll_wait, not waiting if anything is ready
 *   3. the clock is read
 *   4. fd events resolve their waiters
 *   5. due timers resolve theirs
 *   6. messages from other threads (eddy_loop_call_threadsafe); awake hooks
 *   7. exactly those tasks and callbacks that are ready at this point run, first come, first served
 *   8. check hooks
 *
 * Steps 4 to 6 never run user code but those hooks; they only append to the ready list. Step 4 takes 64
 * events at most, 512 in a poll that is one turn; the next turn takes others.
 *
 * A turn that finds something ready leaves out 2 to 6 until 128 steps have run since the loop last
 * asked, or as many as take a millisecond at the speed of those before. It never leaves them out
 * when a poll begins, nor when something is due by then: a timer was started without delay, a block
 * without time (eddy_with_timeout) waits, a manual clock was advanced.
 *
 * A loop belongs to the thread that polls it. Other threads may call eddy_loop_wake and
 * eddy_loop_call_threadsafe, one of them eddy_loop_wait, a signal handler eddy_loop_wake; nothing
 * else. Between polls it may be handed to another thread. With EDDY_LOOP_CHECK a call from another
 * thread than the one that polls, or is between eddy_loop_prepare and its poll, aborts by name.
 * Loops share nothing: a process may have one a thread.
 *
 * None of its fds is ever 0, 1 or 2: in a process that was started without them the loop fills the
 * gaps, until it is freed, with fds that are good for nothing (open(2), O_PATH), on which reads and
 * writes are EBADF as before. (A gap that comes later is filled when the kernel gives the loop its
 * number: until then somebody who prints to what he has closed writes to whatever that is.)
 *
 * A loop belongs to the process that made it, too. In a child of fork(2), what touches the kernel's
 * side of it (polls, runs, freeing, starting a watcher or a signal) is refused with -ECHILD until
 * eddy_loop_after_fork, and whatever else the child does to it, the parent never notices.
 */
#ifndef EDDY_LOOP_H
#define EDDY_LOOP_H

#include <stdbool.h>
#include <stddef.h>

#include "eddy/clock.h"
#include "eddy/impl/ready.h"
#include "eddy/result.h"
#include "eddy/sys.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Told of every error that nobody collects, once: `code` is the negated errno, `task` the task
 * it is about (or a zeroed one), `text` one line without a line break that says what and where.
 * It runs inside the loop and must not call into it, but may look (eddy_loop_dump). The default
 * writes the line to standard error; to that of a deadlock, and of cleanups that are cut off, it
 * adds the dump. */
typedef void eddy_error_fn(eddy_loop *loop, eddy_task task, int64_t code, const char *text);

/* The loop's allocator, as Lua's: grows, shrinks or (new_size 0) frees `memory` (NULL: none yet)
 * and returns the block, or NULL if there is none; then the old block is untouched. It must not call
 * into the loop. Blocks are aligned as malloc's: to 16 on machines of 64 bits, to 8 or more on those
 * of 32. */
typedef void *eddy_allocate_fn(void *user, void *memory, size_t old_size, size_t new_size);

enum eddy_loop_flag {
    /* Mirror the next deadline to a timerfd in the epoll set, so that "eddy_loop_fd is readable"
     * is the whole truth for a foreign poller, also for what is started between two polls: as long
     * as it is not readable there is nothing to do. (For something that was stopped meanwhile it
     * may be readable once, for nothing.) Only with a monotonic or boot-time clock. */
    EDDY_LOOP_TIMERFD = 1 << 0,
    /* Run eddy_loop_check after every turn and abort with a message if it fails; likewise if another
     * thread uses the loop. For tests. */
    EDDY_LOOP_CHECK = 1 << 1,
    /* Overwrite the unused C stack after every step of a task, so that a plain local that is
     * used after an await reads garbage in tests. */
    EDDY_LOOP_POISON_STACK = 1 << 2,
    /* When the loop is freed, tell the error hook (-EBUSY) of what nobody has ended: tasks that
     * were neither joined nor detached, those among them that still run, and what they wait for;
     * watchers, streams, servers and timers that are not stopped; each with the place of the call
     * that has made it. (So a few functions are also macros, which hand on their line. As a function,
     * (eddy_io_start)(...), or through a pointer, such a call has no place, nor where there was no
     * memory to note it.) For tests, and for programs that mean to leave nothing. */
    EDDY_LOOP_REPORT_LEAKS = 1 << 3
};

/* Zeroed options are the defaults. */
struct eddy_loop_options {
    eddy_allocate_fn *allocate; /* NULL: realloc and free */
    void *allocate_user;
    eddy_clock *clock;          /* NULL: monotonic; must outlive the loop */
    const struct eddy_sys *sys; /* NULL: libc; must outlive the loop */
    eddy_error_fn *on_error;    /* NULL: to standard error */
    void *user;                 /* the caller's: eddy_loop_user returns it */
    int64_t shutdown_timeout;   /* of eddy_loop_free; 0: ten seconds */
    unsigned flags;             /* enum eddy_loop_flag, or-ed */
    /* For tests. Not 0: those that are ready in the same turn run in an order that depends on
     * this number alone, and not first come, first served, to find out what relies on that
     * without meaning to. Deferred callbacks and messages keep their order among themselves. */
    uint64_t shuffle_seed;
    /* How many events of fds a turn takes from the kernel at most, 1 to 512. 0: 64, and in a poll of just one
     * turn (eddy_loop_poll_once without a duration, or after eddy_loop_wait) 512. Fewer let timers and messages
     * come sooner when very many fds are busy, and what they lead to finds more in the caches. */
    unsigned most_events;
};

/* Makes a loop. Returns 0; -EINVAL (a flag that is unknown or does not fit the clock; a negative
 * limit; a header that is not the library's), -ENOMEM, or what epoll_create1(2), eventfd(2),
 * timerfd_create(2), mmap(2) or open(2) say, and then *loop is NULL. `options` NULL: the defaults. The
 * caller owns the loop and frees it. */
#define eddy_loop_new(loop, options) \
    eddy_loop_new_versioned(loop, options, EDDY_VERSION, sizeof(struct eddy_loop_options))

EDDY_API int eddy_loop_new_versioned(eddy_loop **loop, const struct eddy_loop_options *options,
                                     unsigned version, size_t options_size);

/* Ends a loop: cancels all tasks, runs until their cleanups are done and the messages that other
 * threads have sent have run, or shutdown_timeout has passed; then stops all watchers, timers and
 * callbacks, closes its own fds and frees all memory. The structs of the caller may be freed or used
 * again afterwards, whatever was left in them: a group has no tasks and no results, a server is
 * closed, nobody stands in a line, a lock is free; only the permits of a semaphore that were taken
 * without eddy_with_semaphore are as they were. Returns 0; -ETIMEDOUT if a task had to be cut off
 * (told to the error hook); -EBUSY, and does nothing, inside a step or callback of this loop, or
 * while a thread is in eddy_loop_wait; -ECHILD, likewise, in a child of fork(2) before
 * eddy_loop_after_fork. NULL is 0.
 *
 * The shutdown time-out is time of the loop's clock, or real time on a manual clock and while holds are taken.
 * On a virtual clock, which stands still while something is always ready, it is both, but real time
 * is counted anew whenever a task has ended, and is a second at least. Messages that come later than all that, from work that has to be
 * waited for, are told to the error hook (-ECANCELED): how many. */
EDDY_API int eddy_loop_free(eddy_loop *loop);

/* The user pointer of the options. */
EDDY_API void *eddy_loop_user(const eddy_loop *loop);

/* Runs turns until nothing is left that could happen, or eddy_loop_stop. Left over are started
 * watchers and timers, deferred callbacks, tasks and holds. Returns 0; -EDEADLK if tasks wait
 * and nothing could ever wake any of them (told to the error hook; the tasks still wait); -EBUSY
 * if the loop is running already, or a thread is in eddy_loop_wait; -ECHILD in a child of fork(2);
 * or the error of epoll_wait(2). */
EDDY_API int eddy_loop_run(eddy_loop *loop);

/* Makes eddy_loop_run, eddy_loop_run_until or eddy_loop_poll_once return after the turn that is
 * running; outside of those it makes the next one return before its first turn. */
EDDY_API void eddy_loop_stop(eddy_loop *loop);

/* Likewise, but at once: after the step or callback that is running nothing else of this turn runs,
 * check hooks excepted. What was ready is the first that runs when the loop goes on. For who must
 * leave the loop from its midst: an interpreter with an exception, a debugger. */
EDDY_API void eddy_loop_break(eddy_loop *loop);

/* Serves a foreign main loop: waits at most max_wait nanoseconds (0: not at all; EDDY_FOREVER)
 * for something to happen, then runs turns until nothing is ready and the kernel has told of each fd
 * that was, or `budget` nanoseconds of real time are used up, which is looked at after each step (0:
 * exactly one turn). What is left runs at the next call. Returns the number of steps (tasks and
 * callbacks) run; -EINVAL for a negative argument; -EBUSY inside a step, or while a thread is in
 * eddy_loop_wait; -ECHILD in a child of fork(2); or the error of epoll_wait(2). */
EDDY_API int64_t eddy_loop_poll_once(eddy_loop *loop, int64_t max_wait, int64_t budget);

/* A poll for fds only: waits at most max_wait nanoseconds for one, and runs the callbacks of the
 * watchers (eddy_io_start) that are ready by then, those included that were when it was called. All
 * else stays ready and runs, in its order, when the loop goes on: tasks, timers, messages, deferred
 * callbacks; no hook runs. It returns early when something of that falls due. Unlike other polls it
 * may also be called inside a callback or hook of the loop, for who computes for long there and has
 * to answer meanwhile; watchers may so run inside of each other, and eddy_loop_now moves on. Returns
 * how many callbacks it has run; -EINVAL: max_wait is negative; -EBUSY inside a step of a task, in
 * the error hook, while the loop is being freed, or while a thread is in eddy_loop_wait; -ECHILD in a
 * child of fork(2); or the error of epoll_wait(2). eddy_loop_stop ends it after the callback that is running. */
EDDY_API int64_t eddy_loop_poll_fds(eddy_loop *loop, int64_t max_wait);

/* Cuts a turn in two, for a program that waits in a thread of its own while the loop's thread does
 * other things:
 *
 *   1. eddy_loop_prepare, on the loop's thread: prepare hooks run; the wait may take max_wait
 *      nanoseconds (0, EDDY_FOREVER) and ends at the next deadline. 0; -EINVAL if that is negative;
 *      -EBUSY inside a step, or while a thread is in eddy_loop_wait; -ECHILD in a child of fork(2).
 *   2. eddy_loop_wait, on any thread, once: sleeps until something happens, and runs nothing (by
 *      boot time without EDDY_LOOP_TIMERFD, for a tenth of a second at most). 0;
 *      -EINVAL unless eddy_loop_prepare came before (or if a poll came in between); -ECHILD; or
 *      the error of epoll_wait(2), which the next poll returns, too. When it has returned, the
 *      thread tells the loop's thread, by whatever way.
 *   3. eddy_loop_poll_once(loop, 0, budget), or a run, on the loop's thread: takes what the wait
 *      has brought and goes on with step 3 of the turn. It is -EBUSY as long as the wait goes on,
 *      so it may be tried at any time: eddy_loop_wake ends the wait early.
 *
 * Meanwhile the loop's thread may use the loop as between any two polls: start, stop and spawn.
 * What is due earlier than the wait would have ended wakes it by itself. (A manual clock that is
 * moved on does not: it knows no loops.) */
EDDY_API int eddy_loop_prepare(eddy_loop *loop, int64_t max_wait);
EDDY_API int eddy_loop_wait(eddy_loop *loop);

/* An epoll fd, for a foreign poller to sleep on: readable means that eddy_loop_poll_once has
 * work. Level-triggered: a poll may leave work, which no new edge tells of. Deadlines are not in it
 * unless EDDY_LOOP_TIMERFD is set: wait until eddy_loop_next_deadline at most. It is made at the
 * first call, and stays as long as the loop lives: the same number and the same open file, so that a
 * poller by epoll(7), which knows the file, hears of the loop whatever that does. In a child of
 * fork(2), eddy_loop_after_fork puts another file under the number: there it is to be added again.
 *
 * Or the errors of epoll_create1(2) and epoll_ctl(2), and -ECHILD in a child before
 * eddy_loop_after_fork if it was not made before. Sets of epoll may be nested five deep: the poller,
 * two of the loop, and two of a loop that is watched by this one. */
EDDY_API int eddy_loop_fd(eddy_loop *loop);

/* When the loop wants to be polled next, by its clock: now (eddy_loop_now or earlier) while
 * something is ready, EDDY_FOREVER if only an fd or another thread can wake it. */
EDDY_API int64_t eddy_loop_next_deadline(eddy_loop *loop);

/* The time on the loop's clock: inside a turn the time at which the turn last read it, so that
 * all of a turn sees one time; outside it is read anew. It never goes back, but with a manual or
 * virtual clock whose owner has set it back. */
EDDY_API int64_t eddy_loop_now(eddy_loop *loop);

/* Reads the clock anew, also inside a turn, and returns it: for callbacks that have computed for
 * long. */
EDDY_API int64_t eddy_loop_update(eddy_loop *loop);

/* Makes the poll that is sleeping, or the next one, return at once. From any thread, and from a
 * signal handler (async-signal-safe; errno is kept). Many calls may be seen as one. The loop must
 * live until the call has returned. */
EDDY_API void eddy_loop_wake(eddy_loop *loop);

/* In a child of fork(2): parts from the parent. The child gets an epoll set, an eventfd, a timerfd
 * and a signalfd of its own, under the old numbers, with all watchers whose fds it still has; the
 * parent's are not touched, and no event of its is lost. 0, also in a process that is no such
 * child, where it does nothing; -EBUSY inside a step; or the error of the system call that failed,
 * and then it may be called again.
 *
 * The fork happens on the loop's thread, between polls. (Inside of a step, the child must not
 * return from it: exec, _exit, or a new loop of its own.) Afterwards both processes have all tasks,
 * timers and messages, and share the fds of their streams, so that a child mostly cancels most of
 * them, or frees the loop: that runs their cleanups, in the child. What came of signals before the
 * fork is the parent's; offloaded work that had not ended is -ECHILD in the child. Holds
 * (eddy_loop_hold) of threads that the child does not have are its own to release. A child that
 * only wants to exec or to leave need not call this. */
EDDY_API int eddy_loop_after_fork(eddy_loop *loop);

/* While holds are taken, eddy_loop_run goes on and a virtual clock stands still, although the
 * loop sees nothing that could happen: another thread is about to call. Each hold is released
 * once. */
EDDY_API void eddy_loop_hold(eddy_loop *loop);
EDDY_API void eddy_loop_release(eddy_loop *loop);

/* Walks every invariant of the loop's structures (heap order and back indices, links, each
 * waiting task in exactly one place). 0, or -EINVAL if one is broken. Slow: for tests. */
EDDY_API int eddy_loop_check(eddy_loop *loop);

#ifdef __cplusplus
}
#endif

#endif
