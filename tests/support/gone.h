/* What the tests of fds share that are closed while something of the loop has them. */
#ifndef EDDY_TESTING_GONE_H
#define EDDY_TESTING_GONE_H

#include "support/io.h"
#include "support/stream.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define spawn(...) eddy_loop_spawn(testing.loop, __VA_ARGS__)
#define finish(task) eddy_loop_run_until(testing.loop, task)
#define run(...) finish(spawn(__VA_ARGS__))

/* ---- what is told */

static inline void assert_told_gone(int fd, const char *who, const char *end)
{
    char text[200];

    snprintf(text, sizeof text, "fd %d was closed while %s had it: %s", fd, who, end);
    testing_assert_error(-EBADF, text);
}

/* Closes an fd, and gives its number to one end of a new pipe; the other is returned. */
static inline int reuse(int fd)
{
    int fds[2];

    testing_pipe(fds);
    dup2(fds[0], fd);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    close(fds[0]);
    return fds[1];
}

/* ---- watchers */

static eddy_io old, young;
static int pair[2];

static inline void watch_a_pipe(unsigned events)
{
    memset(&old, 0, sizeof old);
    memset(&young, 0, sizeof young);
    old.user = "old";
    young.user = "young";
    testing_pipe(pair);
    start(&old, pair[0], events, log_events);
}

#endif
