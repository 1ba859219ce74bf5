#define _GNU_SOURCE
#include "players.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* A guest who sends four lines a second, and drops what he is told. */
eddy_frame(chatterer) {
    eddy_coro co;
    int port; /* arguments */
    unsigned number;
    eddy_stream stream;
    unsigned i;
    char line[64];
};

static void drop_input(eddy_stream *stream)
{
    char bytes[4096];

    while (eddy_try_read(stream, bytes, sizeof bytes) > 0) {}
}

static void chatterer(eddy_coro *co)
{
    static const char *const lines[] = {"left",  "say hello",      "up",
                                        "right", "say look at me", "down"};

    eddy_begin(chatterer);
    eddy_await(eddy_connect(co, &self->stream, "127.0.0.1", self->port));
    snprintf(self->line, sizeof self->line, "name c%u\n", self->number);
    for (self->i = self->number;; self->i++) {
        eddy_await(eddy_write(co, &self->stream, self->line, strlen(self->line)));
        drop_input(&self->stream);
        eddy_await(eddy_sleep(co, (150 + (self->i * 7919) % 201) * EDDY_MILLISECOND));
        snprintf(self->line, sizeof self->line, "%s\n", lines[self->i % 6]);
    }
eddy_finally:
    eddy_stream_close(&self->stream);
    eddy_end;
}

eddy_frame(chatterers) {
    eddy_coro co;
    int port; /* arguments */
    unsigned count;
    eddy_group group;
};

static void chatterers(eddy_coro *co)
{
    eddy_begin(chatterers);
    for (unsigned i = 0; i < self->count; i++) {
        eddy_group_spawn(co, &self->group, chatterer, .port = self->port, .number = i);
    }
    eddy_await(eddy_group_wait(co, &self->group));
eddy_finally:
    eddy_group_cancel(&self->group);
    eddy_await(eddy_group_wait(co, &self->group));
    eddy_end;
}

/* The child's main. */
static int chatter(unsigned count, int port_pipe)
{
    int port;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (read(port_pipe, &port, sizeof port) != (ssize_t)sizeof port) {
        return 0; /* the parent has given up */
    }
    return eddy_exit_status(eddy_run(chatterers, .port = port, .count = count));
}

/* Forks before there is any loop, so that the child inherits none. */
int64_t chatter_start(unsigned count, int *port_pipe)
{
    int ends[2];
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) < 0) {
        return -errno;
    }
    child = fork();
    if (child == 0) {
        close(ends[1]);
        _exit(chatter(count, ends[0]));
    }
    close(ends[0]);
    if (child < 0) {
        int error = errno;
        close(ends[1]);
        return -error;
    }
    *port_pipe = ends[1];
    return child;
}
