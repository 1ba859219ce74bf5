/*
 * The end of a loop: what is still run before it is taken apart.
 *
 *     tasks       are cancelled, those that cleanups spawn too; whole turns, until none is left
 *     messages    of other threads are run in those turns, or afterwards, and nothing else then
 *
 * Messages may spawn tasks and send messages. Both together have the shutdown time-out: by the loop's
 * clock, or in real time where that clock does not pass by itself. A virtual one does, but not while
 * something is always ready; in real time it has a second and some turns at least, counted anew
 * whenever there are fewer tasks than there ever were, so that a slow machine ends no test's cleanups
 * early. What is left then is cut off, and told.
 */
#include <string.h>

#include "loop/loop_internal.h"

static const int64_t LEAST_OF_REAL_TIME = EDDY_SECOND;

enum { LEAST_TURNS = 4 }; /* one may take long: each task has its step in it */

/* How long tasks may take to end. */
struct shutdown {
    int64_t deadline; /* on the loop's clock */
    struct eddy_stopwatch watch;
    uint32_t fewest; /* tasks that were left at any time */
    int turns;       /* since there were as few */
};

/* Real time is no measure of time that does not pass, but of a cleanup that hangs. */
static bool passes_by_jumps(const eddy_loop *loop)
{
    return loop->clock->kind == EDDY_CLOCK_VIRTUAL && loop->holds == 0;
}

static bool time_is_up(eddy_loop *loop, struct shutdown *shutdown)
{
    int64_t real = loop->shutdown_timeout;

    bool turns_over = true;

    if (passes_by_jumps(loop)) {
        real = real < LEAST_OF_REAL_TIME ? LEAST_OF_REAL_TIME : real;
        turns_over = ++shutdown->turns > LEAST_TURNS;
    }
    return eddy_loop_read_clock(loop) >= shutdown->deadline ||
           (eddy_stopwatch_is_past(loop, &shutdown->watch, real) && turns_over);
}

static bool tasks_are_left(eddy_loop *loop, struct shutdown *shutdown)
{
    uint32_t left = loop->task_class != NULL ? loop->task_class->end(loop) : 0;

    if (left < shutdown->fewest) {
        shutdown->fewest = left;
        shutdown->turns = 0;
        if (passes_by_jumps(loop)) {
            shutdown->watch = eddy_stopwatch_begin(loop);
        }
    }
    return left > 0;
}

/* One turn of tasks that end; false: nothing could ever end them. */
static bool run_tasks(eddy_loop *loop, const struct shutdown *shutdown, int *error)
{
    if (*error < 0 && !eddy_loop_has_ready(loop)) {
        return false; /* the kernel cannot be asked any more */
    }
    if (!eddy_loop_alive(loop) && !loop->task_class->break_circles(loop)) {
        return false; /* a cleanup waits for nothing */
    }
    *error = eddy_loop_turn(loop, shutdown->deadline - loop->now);
    return true;
}

static int run(eddy_loop *loop)
{
    struct shutdown shutdown = {
        .deadline = eddy_deadline_after(loop->now, loop->shutdown_timeout),
        .watch = eddy_stopwatch_begin(loop),
        .fewest = UINT32_MAX,
    };
    int error = 0;
    bool more = true;

    while (more && !time_is_up(loop, &shutdown)) {
        more = tasks_are_left(loop, &shutdown) ? run_tasks(loop, &shutdown, &error)
                                               : eddy_messages_run(loop);
    }
    (void)eddy_messages_run(loop); /* what came last, also behind a cleanup that hangs */
    return error;
}

int eddy_loop_end(eddy_loop *loop)
{
    int error = eddy_loop_enter(loop);
    int result;

    if (error < 0) {
        return error;
    }
    error = run(loop);
    eddy_loop_leave(loop);
    result = loop->task_class != NULL ? loop->task_class->cut_off(loop) : 0;
    return result < 0 ? result : error;
}

void eddy_messages_tell_left(eddy_loop *loop)
{
    eddy_task none = {NULL, 0};
    uint32_t left = eddy_messages_left(loop);

    if (left > 0) {
        eddy_loop_report(loop, none, -ECANCELED,
                         "%u message%s came too late: the loop is freed, and the function%s will "
                         "not run",
                         (unsigned)left, left == 1 ? "" : "s", left == 1 ? "" : "s");
    }
}

void eddy_unstarted_tell_left(eddy_loop *loop)
{
    eddy_task none = {NULL, 0};

    for (uint32_t i = 1; i <= EDDY_UNSTARTED_NEWEST; i++) { /* the oldest first */
        const struct eddy_unstarted_spawn *spawn =
            &loop->unstarted.newest[(loop->unstarted.count + i) % EDDY_UNSTARTED_NEWEST];
        int64_t error = -(int64_t)(spawn->generation & EDDY_UNSTARTED_ERROR);
        if (spawn->generation != 0 && !spawn->taken) {
            eddy_loop_report(loop, none, error,
                             "task %s (%s) could not be started, and nobody has asked why: %s",
                             spawn->named_place, strchr(spawn->named_place, '\0') + 1,
                             eddy_strerror(error));
        }
    }
}
