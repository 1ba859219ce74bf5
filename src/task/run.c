/*
 * Running a loop until a task has ended.
 *
 * It differs from eddy_loop_run in when it stops: at the end of the turn in which the task has ended
 * (`awaited`), even if others go on; and, told by the hook, when nothing is left that could end it. The
 * caller owns the task as one that joins it does: the result is taken and the record freed.
 */
#include <stdio.h>

#include "task/task_internal.h"

static int run_until_done(eddy_loop *loop, const struct eddy_task_record *task)
{
    int result = eddy_loop_enter(loop);

    if (result < 0) {
        return result;
    }
    loop->awaited = task;
    while (result == 0 && task->timed.ready.state != EDDY_TASK_DONE_) {
        if (loop->stop) {
            result = -EINTR;
        } else if (!eddy_loop_alive(loop)) {
            result = loop->task_class->stuck(loop);
        } else {
            result = eddy_loop_turn(loop, EDDY_FOREVER);
        }
    }
    loop->stop = false;
    loop->awaited = NULL;
    loop->awaited_ended = false;
    eddy_loop_leave(loop);
    return result;
}

/* The task's result in *result, or an error of the running itself. `what`, as in "was detached": tells
 * the error hook of the task's error; NULL: does not. */
static int run_until(eddy_loop *loop, eddy_task handle, int64_t *result, const char *what)
{
    struct eddy_task_record *task = eddy_task_find(handle);
    int error;

    if (eddy_spawn_failed(handle)) {
        *result = eddy_unstarted_take(handle);
        return 0;
    }
    error = eddy_task_claimable(NULL, task);
    if (error == 0) {
        error = run_until_done(loop, task);
    }
    if (error == 0) {
        *result = task->in.result;
        if (what != NULL && *result < 0 && *result != -ECANCELED) {
            eddy_error_report(task, *result, what);
        }
        eddy_task_release(task);
    }
    return error;
}

int64_t eddy_loop_run_until(eddy_loop *loop, eddy_task task)
{
    int64_t result = 0;
    int error = run_until(loop, task, &result, NULL);

    return error < 0 ? error : result;
}

int64_t eddy_run_(const struct eddy_loop_options *options, const char *named_place,
                  const void *frame, size_t size)
{
    eddy_loop *loop;
    eddy_task task;
    int64_t result = 0;
    int run_error;
    int free_error;
    int error = eddy_loop_new(&loop, options);

    if (error < 0) {
        if (options == NULL || options->on_error == NULL) { /* a hook is told by a loop only */
            fprintf(stderr, "eddy: task %s (%s) could not be started, for want of a loop: %s\n",
                    named_place, eddy_place_in(named_place), eddy_strerror(error));
        }
        return error;
    }
    task = eddy_spawn_(loop, named_place, frame, size);
    if (eddy_spawn_failed(task)) {
        eddy_error_report_spawn(loop, named_place, eddy_unstarted_error(task), "");
    }
    run_error = run_until(loop, task, &result, "was run by eddy_run");
    free_error = eddy_loop_free(loop);
    if (run_error < 0) {
        return run_error;
    }
    return free_error < 0 ? free_error : result;
}
