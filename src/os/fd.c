/*
 * Waiting for an fd that is not the loop's: one watcher for one wait.
 *
 * The fd stays registered until the task runs, and not only until the event: what comes in between
 * is one with it. It is level-triggered, so what is still there the next wait hears of: nothing is lost
 * between two. If the fd is closed meanwhile, the wait ends with -EBADF.
 */
#include "eddy/io.h"

#include <stdio.h>

#include "loop/look.h"
#include "task/task_internal.h"

/* The watcher of one wait; from the pool, for the task's own record has no room for it. */
struct fd_wait {
    eddy_io io;
    struct eddy_task_record *task;
    int result; /* the events that came, or that the fd is gone */
    unsigned pool_class;
};

/* The end of the wait, whichever: the fd is out of the set before the task runs, so that the user may
 * close it then. */
static void leave(struct eddy_task_record *task)
{
    struct fd_wait *wait = task->in.object;

    eddy_io_stop(&wait->io);
    eddy_task_loop(task)->references--;
    eddy_pool_give(&eddy_task_loop(task)->pool, wait, wait->pool_class);
}

static int abort_wait(struct eddy_task_record *task)
{
    leave(task);
    return 1;
}

static int64_t resume(struct eddy_task_record *task)
{
    int result = ((struct fd_wait *)task->in.object)->result;

    leave(task);
    return result;
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const struct fd_wait *wait = task->in.object;
    unsigned events = wait->io.interest;
    char fd[EDDY_FD_TEXT];

    eddy_look_describe_fd(eddy_task_loop(task), wait->io.fd, fd, sizeof fd);
    snprintf(text, size, "%s%s%s%s", fd, (events & EDDY_READ) != 0 ? " read" : "",
             (events & EDDY_WRITE) != 0 ? " write" : "",
             (events & EDDY_PRIORITY) != 0 ? " priority" : "");
}

static const struct eddy_wait_kind fd_kind = {
    .name = "fd",
    .abort = abort_wait,
    .resume = resume,
    .describe = describe,
};

/* In the middle of the batch of events; the first that comes wakes, what else comes is added. */
static void on_events(eddy_io *io, unsigned events)
{
    struct fd_wait *wait = io->user;

    if (events == EDDY_IO_GONE) {
        wait->result = -EBADF;
        eddy_io_stop(io);
    } else if (wait->result >= 0) {
        wait->result |= (int)events;
    }
    eddy_wake_to_try(wait->task);
}

int64_t eddy_fd_wait(eddy_coro *co, int fd, unsigned events)
{
    eddy_loop *loop = eddy_task_loop(co->task);
    unsigned pool_class;
    struct fd_wait *wait;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if ((events & ~(unsigned)EDDY_AS_IS) == 0) {
        return -EINVAL;
    }
    wait = eddy_pool_take(&loop->pool, sizeof *wait, &pool_class);
    if (wait == NULL) {
        return -ENOMEM;
    }
    wait->io.loop = NULL;
    wait->io.user = wait;
    wait->task = co->task;
    wait->result = 0;
    wait->pool_class = pool_class;
    result = eddy_io_watch(loop, &wait->io, fd, events, EDDY_IO_NOTIFY, on_events);
    if (result < 0) {
        eddy_pool_give(&loop->pool, wait, pool_class);
        return result;
    }
    loop->references++; /* a task that waits for an fd keeps the loop going; its watcher is not counted */
    return eddy_park(co, &fd_kind, wait, NULL);
}
