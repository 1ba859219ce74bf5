/* Running a coroutine in a loop of its own, for those who do more around it than eddy_run. */
#ifndef EDDY_SRC_RUN_H
#define EDDY_SRC_RUN_H

#include "task/task_internal.h"

struct eddy_runner {
    const char *what; /* for people: "was run by eddy_run" */

    /* The task has been spawned and has not begun: what is there to be started, or an error, which is
     * told, and then the task never begins. NULL: nothing. */
    int (*begin)(eddy_loop *loop, eddy_task task, void *context);

    /* Whether the task may end by a cancel, and nobody is told. NULL: it may. */
    bool (*expects_cancel)(const void *context);

    void *context;
};

/* As eddy_run_with. */
int64_t eddy_run_by(const struct eddy_runner *runner, const struct eddy_loop_options *options,
                    const char *named_place, const void *frame, size_t size);

#endif
