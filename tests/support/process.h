/* Child processes for tests. */
#ifndef EDDY_TESTING_PROCESS_H
#define EDDY_TESTING_PROCESS_H

#include "support/children.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "eddy/process.h"

/* Runs a line of the shell. */
#define SHELL(line)                     \
    {                                   \
        .argv = (const char *const[])   \
        {                               \
            "/bin/sh", "-c", line, NULL \
        }                               \
    }

/* There is no child of this process, be it one that runs or a zombie. */
static inline void assert_no_children(void)
{
    siginfo_t info;

    assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), -1);
    assert_int_equal(errno, ECHILD);
}

/* Some things a child cannot do there. */
static inline bool under_valgrind(const char *why)
{
    const char *preloaded = getenv("LD_PRELOAD");
    bool is = preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;

    if (is) {
        printf("skipped: valgrind %s\n", why);
    }
    return is;
}

static inline int process_teardown(void **state)
{
    int result = testing_teardown(state);
    siginfo_t info;

    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD) {
        fprintf(stderr, "a child is left\n");
        return -1;
    }
    return result;
}

#define process_case(name) cmocka_unit_test_setup_teardown(name, testing_setup, process_teardown)

/* Spawns, and waits for the end; the status, or the error of the spawn. */
struct runs {
    eddy_coro co;
    struct eddy_process_options options;
    eddy_process process;
    int64_t rc;
};

static void runs(eddy_coro *co)
{
    eddy_begin(runs);
    eddy_await(eddy_process_spawn(co, &self->process, &self->options));
    eddy_await(self->rc, eddy_process_wait(co, &self->process));
    eddy_return(self->rc);
eddy_finally:
    eddy_process_close(&self->process);
    eddy_end;
}

static inline int64_t run_process(struct eddy_process_options options)
{
    return testing_run_task(runs, .options = options);
}

#endif
