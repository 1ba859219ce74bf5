/*
 * Tasks that could not be started. Such a spawn has made nothing; its handle counts as a task that has ended
 * with the error, and all it can lead to is its loop, whose error hook is to be told if nobody takes that.
 * So it leads to the one record that each loop keeps for all of them (loop->unstarted), which is in no page
 * and no list, and is known by its kind: who goes through the tasks never meets it, and a failed spawn
 * needs no memory.
 *
 *     generation    number | owned | error         the number counts the failures of the loop, and wraps
 *
 *     untaken    -- join, gather, eddy_spawn_error, eddy_task_result, a callback --> taken
 *                -- eddy_detach: told ---------------------------------------------> taken
 *                -- the end of the loop: told
 *     taken      eddy_detach is -ESRCH, as of a task that was joined; whoever asks gets the error still
 *     owned      a group has taken it: eddy_detach is -EBUSY, as of the group's tasks
 *
 * The loop remembers the names of the newest few. Of older ones it does not know whether they were taken:
 * if they are detached they are told (an error twice is better than never), without a name, and its end
 * tells of the newest alone.
 */
#include "eddy/task.h"
#include "task/task_internal.h"

enum { OWNED = EDDY_UNSTARTED_ERROR + 1, NUMBER = OWNED << 1 };

static struct eddy_unstarted *unstarted_of(eddy_task handle)
{
    return (struct eddy_unstarted *)(void *)handle.record; /* it begins with the record */
}

static eddy_loop *loop_of(eddy_task handle)
{
    return (eddy_loop *)(void *)((char *)handle.record - offsetof(eddy_loop, unstarted));
}

static struct eddy_unstarted_spawn *spawn_of(eddy_task handle)
{
    return &unstarted_of(handle)->newest[handle.generation / NUMBER % EDDY_UNSTARTED_NEWEST];
}

/* False if it was taken before, as far as is known. */
static bool take(eddy_task handle)
{
    struct eddy_unstarted_spawn *spawn = spawn_of(handle);
    bool taken = spawn->generation == handle.generation && spawn->taken;

    eddy_loop_here(loop_of(handle), "an operation on a task");
    if (spawn->generation == handle.generation) {
        spawn->taken = true;
    }
    return !taken;
}

eddy_task eddy_unstarted(eddy_loop *loop, const char *named_place, int64_t error)
{
    struct eddy_unstarted *unstarted = &loop->unstarted;
    eddy_task handle = {&unstarted->record, ++unstarted->count * NUMBER | (uint32_t)-error};

    unstarted->record.timed.ready.kind = EDDY_READY_UNSTARTED;
    *spawn_of(handle) = (struct eddy_unstarted_spawn){named_place, handle.generation, false};
    return handle;
}

eddy_task eddy_unstarted_owned(eddy_task handle)
{
    (void)take(handle);
    handle.generation |= OWNED;
    return handle;
}

int eddy_unstarted_take(eddy_task handle)
{
    (void)take(handle);
    return eddy_unstarted_error(handle);
}

int eddy_spawn_error(eddy_task handle)
{
    return eddy_spawn_failed(handle) ? eddy_unstarted_take(handle) : 0;
}

int eddy_unstarted_detach(eddy_task handle)
{
    const struct eddy_unstarted_spawn *spawn = spawn_of(handle);
    bool known = spawn->generation == handle.generation;

    if ((handle.generation & OWNED) != 0) {
        return -EBUSY;
    }
    if (!take(handle)) {
        return -ESRCH;
    }
    eddy_error_report_spawn(loop_of(handle), known ? spawn->named_place : NULL,
                            eddy_unstarted_error(handle), ", and was detached");
    return 0;
}

int eddy_unstarted_on_done(eddy_task handle, eddy_done_callback *callback,
                           eddy_callback_fn *function)
{
    callback->result = eddy_unstarted_take(handle);
    eddy_callback_start(loop_of(handle), &callback->scheduled, function);
    return 0;
}
