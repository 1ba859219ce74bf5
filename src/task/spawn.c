/*
 * How a task begins: its first frame, its record and its place in the ready list, in this order. So a spawn
 * that fails has made nothing, and the handle says why (unstarted.c).
 * The loop comes to know tasks by the first of them: it is given the table of step.c here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eddy/task.h"
#include "task/task_internal.h"

static eddy_task start(eddy_loop *loop, const char *named_place, eddy_coro *frame)
{
    struct eddy_task_record *task = eddy_task_record_new(loop);

    if (task == NULL) {
        return eddy_unstarted(loop, named_place, -ENOMEM);
    }
    if (loop->current != NULL) {
        task->parent = loop->current->timed.ready.generation;
        if (eddy_has(loop->current, EDDY_TASK_EXTRA_) &&
            eddy_values_inherit(task, loop->current) < 0) {
            eddy_task_release(task);
            return eddy_unstarted(loop, named_place, -ENOMEM);
        }
    }
    task->named_place = named_place;
    eddy_task_start(task, frame);
    return eddy_handle(task);
}

/* Nobody's error hook could be told. */
static void __attribute__((noreturn, cold)) tell_no_loop(const char *named_place)
{
    fprintf(stderr, "eddy: %s: task %s was to be spawned in a loop that is NULL\n",
            eddy_place_in(named_place), named_place);
    abort();
}

static inline int may_spawn(eddy_loop *loop, const char *named_place)
{
    if (__builtin_expect(loop == NULL, 0)) {
        tell_no_loop(named_place);
    }
    eddy_loop_here(loop, "eddy_spawn");
    if (__builtin_expect(loop->tasks == NULL, 0)) {
        return eddy_task_table_make(loop, &eddy_task_class);
    }
    return loop->tasks->closed ? -ESHUTDOWN : 0;
}

eddy_task eddy_spawn_(eddy_loop *loop, const char *named_place, const void *frame, size_t size)
{
    int result = may_spawn(loop, named_place);
    unsigned pool_class;
    eddy_coro *co;
    eddy_task task;

    if (result < 0) {
        return eddy_unstarted(loop, named_place, result);
    }
    co = eddy_pool_take(&loop->pool, size, &pool_class);
    if (co == NULL) {
        return eddy_unstarted(loop, named_place, -ENOMEM);
    }
    memcpy(co, frame, size);
    co->pool_class = (uint8_t)pool_class;
    task = start(loop, named_place, co);
    if (eddy_spawn_failed(task)) {
        eddy_pool_give(&loop->pool, co, pool_class);
    }
    return task;
}

/* In a loop that checks itself, a frame of the caller's that is about to go while a task runs in it
 * is found out; otherwise the memory for that is saved. */
static int guard_frame(struct eddy_task_record *spawner, struct eddy_task_record *task)
{
    struct eddy_task_rare *rare = eddy_rare_make(task);

    if (rare == NULL || eddy_rare_make(spawner) == NULL) {
        return -ENOMEM;
    }
    rare->frame = task->top;
    eddy_list_append(&eddy_rare(spawner)->lent, &rare->frame_guard);
    eddy_set(spawner, EDDY_TASK_GUARDS_);
    return 0;
}

eddy_task eddy_spawn_in_(eddy_loop *loop, const char *named_place, eddy_coro *frame)
{
    int result = may_spawn(loop, named_place);
    eddy_task task;

    if (result < 0) {
        return eddy_unstarted(loop, named_place, result);
    }
    task = start(loop, named_place, frame);
    if (!eddy_spawn_failed(task) && loop->current != NULL && (loop->flags & EDDY_LOOP_CHECK) != 0) {
        (void)guard_frame(loop->current, task.record); /* without memory it is not checked */
    }
    return task;
}
