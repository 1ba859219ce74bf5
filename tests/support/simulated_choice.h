/* What random programs over simulated children are made of: numbers, children, options, and faults of the system.
 * All of it comes from `chosen`, which a program sets to its seed. */
#ifndef EDDY_TESTING_SIMULATED_CHOICE_H
#define EDDY_TESTING_SIMULATED_CHOICE_H

#include "support/simulated_children.h"

#include <limits.h>
#include <signal.h>

#include "eddy/process.h"

enum { MOST_APPETITE = 300 };

static uint64_t chosen;

static inline unsigned below(unsigned limit)
{
    return (unsigned)(testing_random(&chosen) % limit);
}

static inline int64_t below_time(unsigned milliseconds)
{
    return below(milliseconds) * EDDY_MILLISECOND + below(1000);
}

static inline void choose_spawn_error(struct simulated_script *script)
{
    static const struct {
        int error;
        enum eddy_spawn_stage stage;
    } errors[] = {
        {-EAGAIN, EDDY_SPAWN_FORK},
        {-ENOMEM, EDDY_SPAWN_FORK},
        {-EBADF, EDDY_SPAWN_CHILD},
        {-ENOENT, EDDY_SPAWN_EXEC},
    };
    unsigned which = below(40);

    if (which < sizeof errors / sizeof *errors) {
        script->error = errors[which].error;
        script->stage = errors[which].stage;
    }
}

static inline struct simulated_child *choose_child(void)
{
    static const int signals[] = {0, 0, 0, SIGSEGV, SIGKILL};
    struct simulated_script script = {
        .life = below(3) == 0 ? EDDY_FOREVER : below_time(300),
        .signal = signals[below(5)],
        .code = (int)below(256),
        .term = (enum simulated_term)below(3),
        .term_delay = below_time(60),
        .kill_delay = below(3) == 0 ? below_time(10) : 0,
        .untouchable = below(40) == 0,
        .pace = EDDY_MILLISECOND / 2 + below_time(20),
        .lines = {below(12), below(6)},
        .echoes = below(2) == 0,
        .appetite = below(3) == 0 ? 1 + below(MOST_APPETITE) : UINT_MAX,
        .shuts = below(4) == 0,
        .ends_when_done = below(2) == 0,
        .background = below(6) == 0 ? below_time(100) : 0,
    };

    choose_spawn_error(&script);
    if (script.error == 0 && script.echoes) {
        script.lines[0] = 0; /* its output says what it has read, and nothing else */
    }
    return simulated_script(&script);
}

static inline struct eddy_process_options choose_options(struct simulated_child *child)
{
    static const unsigned flags[] = {0, 0, EDDY_PROCESS_GROUP, EDDY_PROCESS_SESSION};
    struct eddy_process_options options = {
        .argv = child->argv,
        .flags = flags[below(4)],
        .grace = 1 + below_time(100),
        .input = {below(2) == 0 ? EDDY_STDIO_PIPE : EDDY_STDIO_NULL, 0},
        .output = {below(4) > 0 ? EDDY_STDIO_PIPE : EDDY_STDIO_NULL, 0},
        .error = {below(2) == 0 ? EDDY_STDIO_PIPE : EDDY_STDIO_NULL, 0},
    };

    return options;
}

/* Something that the system refuses in the spawn that follows; whether it is memory. */
static inline bool choose_fault(void)
{
    if (below(12) == 0) {
        testing_fail_allocation(1 + below(4));
        return true;
    }
    if (below(25) == 0) {
        testing_fail(epoll_ctl, 1 + below(4), -ENOSPC);
    } else if (below(25) == 0) {
        testing_fail(pipe, 1 + below(3), -EMFILE);
    }
    return false;
}

static inline void end_faults(void)
{
    testing_fail(epoll_ctl, 0, 0);
    testing_fail(pipe, 0, 0);
    testing_fail_allocation(0);
}

#endif
