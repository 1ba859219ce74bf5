/*
 * Groups: tasks that end together.
 *
 *     eddy_group_spawn(co, &self->group, fetch, .url = "a");
 *     eddy_group_spawn(co, &self->group, fetch, .url = "b");
 *     eddy_await(eddy_group_wait(co, &self->group));
 *
 * As soon as one task of a group fails, the others are cancelled. The caller owns the struct,
 * valid when zeroed; a coroutine must not end while a group in its frame has tasks: wait for it,
 * in eddy_finally if need be (that aborts, naming the coroutine, because the tasks would outlive
 * the group).
 */
#ifndef EDDY_GROUP_H
#define EDDY_GROUP_H

#include "eddy/task.h"
#include "eddy/wait.h"

#ifdef __cplusplus
extern "C" {
#endif

struct eddy_owner;

/* All of it is private. */
typedef struct eddy_group {
    /* Told of the end of a task of the group. */
    void (*child_done)(struct eddy_owner *owner, struct eddy_task_record *child, int64_t result);
    struct eddy_link guard;          /* linked while there are tasks */
    struct eddy_link children;       /* their extra records */
    struct eddy_task_record *waiter; /* in eddy_group_wait, or NULL */
    int64_t error;                   /* of the task that failed first */
    const char *function, *file;     /* where that was */
    int line;
    uint32_t count; /* of tasks that have not ended */
    bool cancelled; /* a task of it ended with -ECANCELED */
    bool closing;   /* being cancelled: takes no more tasks */
} eddy_group;

/* Starts a coroutine as a task of the group; only enqueues it. The group owns the task: it may
 * be cancelled and looked at, not joined or detached. If it cannot be started (-ENOMEM;
 * -ESHUTDOWN: the group is being cancelled), that counts as its failure, which eddy_group_wait
 * returns. */
#define eddy_group_spawn(co, group, ...) EDDY_GROUP_SPAWN_(co, group, __VA_ARGS__, )
#define EDDY_GROUP_SPAWN_(co, group, name, ...) \
    eddy_group_spawn_(co, group, EDDY_SITE_, EDDY_SPAWNED_(name, __VA_ARGS__), sizeof(struct name))

/* Waits until all tasks of the group have ended, and returns 0 or the error of the one that
 * failed first (a task that was cancelled on its own is no failure). Afterwards the group is
 * empty and may be used again. -EBUSY: another task waits for it. A cancel or time-out cancels
 * all tasks of the group and returns when they have ended. */
EDDY_API EDDY_MUST_USE int64_t eddy_group_wait(eddy_coro *co, eddy_group *group);

/* Cancels all tasks of the group; it takes no more until eddy_group_wait has returned. */
EDDY_API void eddy_group_cancel(eddy_group *group);

/* The number of its tasks that have not ended. */
static inline uint32_t eddy_group_count(const eddy_group *group)
{
    return group->count;
}

/* Private. */
EDDY_API eddy_task eddy_group_spawn_(eddy_coro *co, eddy_group *group, const char *site,
                                     const void *frame, size_t size);

#ifdef __cplusplus
}
#endif

#endif
