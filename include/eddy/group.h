/*
 * Groups: tasks that end together.
 *
 *     eddy_with_group(&self->group) {
 *         eddy_group_spawn(co, &self->group, fetch, .url = "a");
 *         eddy_group_spawn(co, &self->group, fetch, .url = "b");
 *     }                                          // goes on when both have ended
 *
 * As soon as one task of a group fails, the others are cancelled, unless its policy says otherwise.
 * The caller owns the struct, valid when zeroed. Without eddy_with_group a coroutine must not end
 * while a group in its frame has tasks: eddy_group_wait for it, in eddy_finally if need be (else it
 * aborts, naming the coroutine, because the tasks would outlive the group).
 */
#ifndef EDDY_GROUP_H
#define EDDY_GROUP_H

#include "eddy/error.h"
#include "eddy/task.h"
#include "eddy/wait.h"

#ifdef __cplusplus
extern "C" {
#endif

struct eddy_deadline;

enum eddy_group_policy {
    EDDY_GROUP_CANCEL,  /* the first failure cancels the other tasks; it is the group's error */
    EDDY_GROUP_COLLECT, /* a failure cancels none; the first is the group's error */
    EDDY_GROUP_KEEP     /* likewise, and results are kept until eddy_group_next takes them */
};

/* A group with tasks, or with results or an error that nobody has waited for, must stay until the
 * loop ends, which drops these; an error is told to the error hook then.
 *
 * In all policies a task that was cancelled on its own is no failure, and failures after the first
 * are told to the error hook, but for those that eddy_group_next has taken. */
typedef struct eddy_group {
    eddy_owner owner; /* private: of its tasks */

    enum eddy_group_policy policy; /* to be set while it is empty */
    /* To be read: how many of its tasks have failed, or could not be started, since the first
     * spawn into the group when it was new or waited for. */
    uint32_t errors;

    /* Private. */
    uint32_t count;                  /* of tasks that have not ended */
    uint32_t unstarted;              /* policy KEEP: spawns that failed and nobody has taken */
    int64_t error;                   /* the group's, or that of the spawns that failed */
    struct eddy_error_info origin;   /* where it began, if known */
    struct eddy_link guard;          /* linked while there are tasks, or an error is to be told */
    struct eddy_loop_end end;        /* followed from its first spawn, or enter, to its new life */
    struct eddy_link children;       /* their extra records */
    struct eddy_link ended;          /* policy KEEP: of those that have ended, in that order */
    struct eddy_task_record *waiter; /* in eddy_group_wait, eddy_group_next or the exit; or NULL */
    struct eddy_task_record *host;   /* in eddy_with_group, or NULL */
    struct eddy_scope scope;         /* of eddy_with_group; `leave` NULL: it is in none */
    struct eddy_deadline *deadline;  /* over the body of that; NULL: it runs no longer */
    bool cancelled;                  /* a task of it ended with -ECANCELED */
    bool closing;                    /* being cancelled: takes no more tasks */
    bool over;                       /* it was waited for: the next spawn counts errors anew */
    bool used;                       /* it has got tasks since it was new or waited for */
    bool stopped;                    /* a cancel from outside has ended its block */
} eddy_group;

/* Starts a coroutine as a task of the group; only enqueues it. The group owns the task: it may
 * be cancelled and looked at, not joined or detached. If it cannot be started (-ENOMEM;
 * -ESHUTDOWN: the group is being cancelled), that counts as its failure, which eddy_group_wait
 * returns. */
#define eddy_group_spawn(co, group, ...) EDDY_GROUP_SPAWN_(co, group, __VA_ARGS__, )
#define EDDY_GROUP_SPAWN_(co, group, name, ...)                                             \
    eddy_group_spawn_(co, group, EDDY_NAMED_PLACE_(name), EDDY_SPAWNED_(name, __VA_ARGS__), \
                      sizeof(struct name))

/*
 * eddy_with_group(&group) { ... }: runs the block, and leaves it, however that is done, when all
 * tasks of the group have ended: no task outlives it.
 *
 *   - If the block is left by an error, the tasks are cancelled first. Its error goes on.
 *   - If a task fails (policy CANCEL), the others are cancelled, and so is the block, once: the
 *     await in it that waits or else its next one returns -ECANCELED, and what goes on is the error
 *     of the task. A cancel from outside stays one.
 *   - A cancel or time-out while it waits for the tasks cancels them, as that of eddy_group_wait.
 *
 * What came first goes on; errors after it are told to the error hook. What is said of eddy_with
 * holds: `break` leaves the loop around it, `continue` the block. Errors of the enter: -EBUSY: the
 * group is in use by another eddy_with_group or waited for; -ENOMEM; -ECANCELED. Tasks that the group
 * has already are the block's: then a cancel that is pending comes with the first await of the
 * block; after -ENOMEM they were cancelled and have ended, and after -EBUSY they are whose they were. The group must
 * not lie on the C stack, and a generator must not yield inside the block (that aborts).
 */
#define eddy_with_group(group) \
    EDDY_WITH_OPENED_(eddy_group_open_(co, group, EDDY_POINT_(1)), eddy_group_enter_(co))

/* Waits until all tasks of the group have ended, and returns 0 or the group's error. Afterwards
 * the group is empty and may be used again. -EBUSY: another task waits for it. A cancel or
 * time-out cancels all tasks of the group and returns when they have ended: with -ECANCELED
 * (-ETIMEDOUT) if one has ended in that way and none has failed, else with the group's result, and
 * the cancel stays pending. So does one that was pending before, unless the group has got no tasks
 * since it was new or waited for: that is -ECANCELED at once. */
EDDY_API EDDY_MUST_USE int64_t eddy_group_wait(eddy_coro *co, eddy_group *group);

/* Policy EDDY_GROUP_KEEP: waits until a task of the group ends, or takes the one that ended first
 * of those that were not taken: returns 1, and its result is in *result. 0: there is no task left.
 * Spawns that failed come first, and wake who waits. If the result is an error, eddy_error(co) tells its text and where
 * it began. -EINVAL: another policy; -EBUSY: another task waits for the group. A cancel or time-out
 * only ends the wait and takes nothing. `result` must not lie on the C stack. */
EDDY_API EDDY_MUST_USE int64_t eddy_group_next(eddy_coro *co, eddy_group *group, int64_t *result);

/* Cancels all tasks of the group; it takes no more until eddy_group_wait has returned, or
 * eddy_group_next 0. */
EDDY_API void eddy_group_cancel(eddy_group *group);

/* The number of its tasks that have not ended. */
static inline uint32_t eddy_group_count(const eddy_group *group)
{
    return group->count;
}

/* Private. */
EDDY_API eddy_task eddy_group_spawn_(eddy_coro *co, eddy_group *group, const char *named_place,
                                     const void *frame, size_t size);
EDDY_API int eddy_group_open_(eddy_coro *co, eddy_group *group, uint32_t exit);
EDDY_API EDDY_MUST_USE int64_t eddy_group_enter_(eddy_coro *co);
EDDY_API EDDY_MUST_USE int64_t eddy_group_leave_(eddy_coro *co, struct eddy_scope *scope);

#ifdef __cplusplus
}
#endif

#endif
