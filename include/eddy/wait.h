/*
 * The one wait primitive: every operation that suspends, the library's and yours, is made of it.
 *
 *     int64_t gate_wait(eddy_coro *co, struct gate *gate)
 *     {
 *         int64_t result = eddy_check(co);              // 1. a pending cancel comes first
 *         if (result < 0) {
 *             return result;
 *         }
 *         if (gate->open) {
 *             return eddy_complete(co, 0);              // 2. finish at once if that is possible
 *         }
 *         return eddy_park(co, &gate_kind, gate, &gate->line);   // 3. otherwise wait in line
 *     }
 *
 *     void gate_open(struct gate *gate)
 *     {
 *         struct eddy_task_record *task;
 *         gate->open = true;
 *         while ((task = eddy_waiters_first(&gate->line)) != NULL) {
 *             eddy_wake(task, 0);                       // the result is final: completion wins
 *         }
 *     }
 *
 * A task waits for one thing at a time, so the wait is one record inside the task: parking
 * allocates nothing. A wait has one outcome: the first of result, cancel and time-out. The abort
 * of a cancel or a time-out takes the task out of its line at once.
 */
#ifndef EDDY_WAIT_H
#define EDDY_WAIT_H

#include "eddy/coro.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Returns whether it wants to hear of more. */
typedef int eddy_blocker_fn(struct eddy_task_record *blocker, void *context);

/* A kind of wait: static and constant, one an operation. */
struct eddy_wait_kind {
    const char *name; /* for people: "sleep", "lock" */

    /* A cancel or a time-out ends the wait. Undo what parking did (the task's line and deadline
     * are the library's) and return 1; or pass the cancel on to what is waited for and return 0,
     * then the wait goes on until that ends. Tasks that it cancels are reached when it has returned;
     * the abort of a wait in a line must not cancel tasks that wait in one. NULL: nothing to
     * undo. */
    int (*abort)(struct eddy_task_record *task);

    /* Of waits for the end of tasks, where those may wait for this one in turn, so that none ends:
     * at the end of the loop such a wait is given up, and is -ECANCELED. Undo what parking did, but
     * for the task's line. Else NULL: then its cleanup is cut off. */
    void (*give_up)(struct eddy_task_record *task);

    /* Of waits that are resumed by eddy_wake_to_try: does the work just before the task runs, and
     * returns its result, or EDDY_PENDING to go on waiting. Else NULL. */
    int64_t (*resume)(struct eddy_task_record *task);

    /* Private, of waits for tasks: one that `owner` has taken over has ended. Else NULL. */
    void (*child_done)(eddy_owner *owner, struct eddy_task_record *child, int64_t result);

    /* For people: writes what just this task waits for, such as "3 of 3 items, to put", at most
     * `size` bytes with the end of the string; must change nothing. NULL: the name says it all. */
    void (*describe)(const struct eddy_task_record *task, char *text, size_t size);

    /* The one task that must act before this wait can end, such as the holder of a lock; NULL if
     * there is none, or more than one. Circles of such tasks are found by it. Or NULL. */
    struct eddy_task_record *(*blocker)(const struct eddy_task_record *task);

    /* Of waits for the end of several tasks, all of them: tells each that has not ended to `found`,
     * until that returns 0. Who else waits so for one of them waits for all of them. Circles are found by it where
     * `blocker` says NULL. Or NULL. */
    void (*blockers)(const struct eddy_task_record *task, eddy_blocker_fn *found, void *context);

    /* The loop has ended in the middle of the wait: undo what parking did to the object, which may be
     * used again; the line is undone already. No task may be woken or looked at. Or NULL. */
    void (*cut_off)(struct eddy_task_record *task);
};

/* The line of tasks that wait for an object, first come, first served. Valid when zeroed. A frame
 * must not end while a task stands in a line that lies in it: that aborts, and names the coroutine.
 * Nobody finds it out in memory that is given back in another way: ask eddy_event_fini and its like
 * before. */
struct eddy_waiters {
    struct eddy_link tasks;
};

EDDY_API EDDY_MUST_USE int64_t eddy_check_slow_(eddy_coro *co); /* private */

/* Private: the frame is the task's innermost, nothing else was begun, no cancel is to be delivered. */
static inline int eddy_is_clear_(const eddy_coro *co)
{
    const struct eddy_task_record *task = co->task;

    return task->top == co && task->timed.ready.state == EDDY_TASK_RUNNING_ &&
           (task->timed.ready.bits & EDDY_TASK_INTERRUPTED_) == 0;
}

/* First thing in every operation, before it looks at anything, be it only for a mistake: delivers a
 * pending cancel or a passed deadline (-ECANCELED: return it), else 0. Aborts if another operation was
 * begun and not awaited. */
EDDY_MUST_USE static inline int64_t eddy_check(eddy_coro *co)
{
    return eddy_is_clear_(co) ? 0 : eddy_check_slow_(co);
}

/* Last thing in an operation that finished at once, to say so: returns `result`, and a plain `return`
 * is the same. It is the await that sees to it that a task whose operations all finish at once, with
 * a value or an error, starves nobody: after 128 of them, calls included, the task goes once through
 * the ready list before it gets the result. */
EDDY_MUST_USE static inline int64_t eddy_complete(eddy_coro *co, int64_t result)
{
    (void)co;
    return result;
}

/* Parks the task at the end of `line` (NULL: in none). `object` is what it waits on, task->with
 * is the operation's to set afterwards. Returns EDDY_PENDING. Cannot fail; aborts if the line lies
 * on the C stack, as eddy_check_pointer. */
EDDY_API EDDY_MUST_USE int64_t eddy_park(eddy_coro *co, const struct eddy_wait_kind *wait,
                                         void *object, struct eddy_waiters *line);

/*
 * An operation that takes over what must have ended before it returns, such as the tasks of a join,
 * is made of these instead. A cancel or deadline that was pending before it does not keep it from
 * that: it comes when the wait has begun, and is passed on as one that comes during the wait.
 *
 *     eddy_own_begin(co);                           // 1. delivers nothing
 *     if (there is nothing to take over, or it is another's) {
 *         return eddy_own_none(co, result);         // 2. then it is an operation as others are
 *     }
 *     ...takes over...
 *     if (all has ended) {
 *         return eddy_own_complete(co, result);     // 3. what is pending comes at the next await
 *     }
 *     co->task->with.value = ...;                   // 4. all that `abort` needs
 *     return eddy_own_park(co, &kind, object, NULL);
 */

/* Aborts if another operation was begun and not awaited. */
EDDY_API void eddy_own_begin(eddy_coro *co);

/* Nothing was taken over: delivers what is pending, or else is as eddy_complete. */
EDDY_API EDDY_MUST_USE int64_t eddy_own_none(eddy_coro *co, int64_t result);

/* As eddy_complete: the result stands. If it is -ECANCELED, what is pending is delivered with it. */
EDDY_API EDDY_MUST_USE int64_t eddy_own_complete(eddy_coro *co, int64_t result);

/* As eddy_park; what is pending reaches the wait, perhaps before this has returned. So task->with,
 * too, is to be set before. */
EDDY_API EDDY_MUST_USE int64_t eddy_own_park(eddy_coro *co, const struct eddy_wait_kind *wait,
                                             void *object, struct eddy_waiters *line);

/* Lets a parked task wait on for something else, at the end of another line (NULL: in none):
 * for waits of several stages, also from an abort that then returns 0. task->with stays. */
EDDY_API void eddy_repark(struct eddy_task_record *task, const struct eddy_wait_kind *wait,
                          void *object, struct eddy_waiters *line);

/* Ends the wait of a parked task with a result; the task runs when its turn in the ready list
 * comes. */
EDDY_API void eddy_wake(struct eddy_task_record *task, int64_t result);

/* Ends so the waits of all tasks in the line, in its order. */
EDDY_API void eddy_wake_all(struct eddy_waiters *line, int64_t result);

/* Makes a parked task, one that waits in no line, ready to try: its kind's `resume` runs just
 * before it. Until then it still waits, and a cancel takes nothing away. Nothing if it is ready
 * already. */
EDDY_API void eddy_wake_to_try(struct eddy_task_record *task);

/* The task that has waited longest, or NULL. */
static inline struct eddy_task_record *eddy_waiters_first(const struct eddy_waiters *line)
{
    return (struct eddy_task_record *)(void *)eddy_list_first(&line->tasks);
}

/* How many tasks stand in the line in front of that one, which is in it. For `describe`: a dump of all
 * tasks walks each line once; otherwise each call walks it. */
EDDY_API size_t eddy_waiters_ahead(const struct eddy_waiters *line,
                                   const struct eddy_task_record *task);

/* Aborts if a pointer that a parked operation will use lies on the part of the C stack that is
 * gone as soon as the coroutine has returned to the loop. */
EDDY_API void eddy_check_pointer(eddy_coro *co, const void *pointer);

/* The task that runs the coroutine: what eddy_wake is to be called with, for an operation that stands in
 * no line and notes who waits. It is the same until the operation has its result. In an eddy_select it is what
 * stands in for the task in this operation: whose something is says eddy_task_self. */
static inline struct eddy_task_record *eddy_waiter(const eddy_coro *co)
{
    return co->task;
}

/* In an `abort`, a `describe` and the like: what the task was parked on. */
static inline void *eddy_wait_object(const struct eddy_task_record *task)
{
    return task->in.object;
}

#ifdef __cplusplus
}
#endif

#endif
