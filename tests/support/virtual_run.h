/*
 * Included in front of a program (-include), makes its eddy_run run on a virtual clock: an hour of sleeps
 * takes no time, and the output is the same.
 */
#ifndef EDDY_TESTING_VIRTUAL_RUN_H
#define EDDY_TESTING_VIRTUAL_RUN_H

#include <eddy.h>

static inline const struct eddy_loop_options *virtual_run_options(void)
{
    static eddy_clock clock;
    static struct eddy_loop_options options;

    eddy_clock_init(&clock, EDDY_CLOCK_VIRTUAL);
    options.clock = &clock;
    return &options;
}

#undef eddy_run
#define eddy_run(...) eddy_run_with(virtual_run_options(), __VA_ARGS__)

#endif
