/*
 * Running a loop until a task has ended.
 *
 * It differs from eddy_loop_run in when it stops: at the end of the turn in which the task has ended
 * (`awaited`), even if others go on; and, told by the hook, when nothing is left that could end it. The
 * caller owns the task as one that joins it does: the result is taken and the record freed.
 */
#include <stdio.h>

#include "task/run.h"

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

static bool is_told(const struct eddy_runner *runner, int64_t result)
{
    bool expected = result == -ECANCELED &&
                    (runner->expects_cancel == NULL || runner->expects_cancel(runner->context));

    return result < 0 && !expected;
}

/* The task's result in *result, or an error of the running itself. The runner's hook is told of the task's
 * error; NULL: nobody is. */
static int run_until(eddy_loop *loop, eddy_task handle, int64_t *result,
                     const struct eddy_runner *runner)
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
        if (runner != NULL && is_told(runner, *result)) {
            eddy_error_report(task, *result, runner->what);
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

static int begin(const struct eddy_runner *runner, eddy_loop *loop, eddy_task task)
{
    int error = runner->begin != NULL ? runner->begin(loop, task, runner->context) : 0;

    if (error < 0) {
        eddy_loop_report(loop, task, error, "the program could not be started: %s",
                         eddy_strerror(error));
    }
    return error;
}

int64_t eddy_run_by(const struct eddy_runner *runner, const struct eddy_loop_options *options,
                    const char *named_place, const void *frame, size_t size)
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
    run_error = begin(runner, loop, task);
    if (run_error == 0) {
        run_error = run_until(loop, task, &result, runner);
    }
    free_error = eddy_loop_free(loop);
    if (run_error < 0) {
        return run_error;
    }
    return free_error < 0 ? free_error : result;
}

int64_t eddy_run_(const struct eddy_loop_options *options, const char *named_place,
                  const void *frame, size_t size)
{
    static const struct eddy_runner runner = {.what = "was run by eddy_run"};

    return eddy_run_by(&runner, options, named_place, frame, size);
}
