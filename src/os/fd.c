/*
 * Waiting for an fd that is not the loop's: one watcher for those who wait for it, two at most, who ask about
 * different events: as a rule one to read and one to write. Its interest is what both ask about.
 *
 * The fd stays registered until the task runs, and not only until the event: what comes in between
 * is one with it. It is level-triggered, so what is still there the next wait hears of: nothing is lost
 * between two. If the fd is closed meanwhile, the waits end with -EBADF.
 */
#include "eddy/io.h"

#include <stdio.h>
#include <string.h>

#include "loop/look.h"
#include "task/task_internal.h"

enum { MOST_WAITERS = 2 };

struct waiter {
    struct eddy_task_record *task; /* NULL: there is none */
    unsigned events;               /* that it asks about */
    int result;                    /* the events that came, or that the fd is gone */
};

/* From the pool, for a task's own record has no room for it. */
struct fd_wait {
    eddy_io io;
    struct waiter waiters[MOST_WAITERS];
    unsigned pool_class;
};

static struct waiter *waiter_of(struct fd_wait *wait, const struct eddy_task_record *task)
{
    return &wait->waiters[wait->waiters[0].task != task];
}

static struct waiter *other_than(struct fd_wait *wait, const struct waiter *waiter)
{
    return &wait->waiters[waiter == &wait->waiters[0]];
}

/* The end of a wait, whichever: the fd is out of the set before the task runs, so that the user may
 * close it then; unless another task waits for it. */
static void leave(struct eddy_task_record *task)
{
    struct fd_wait *wait = task->in.object;
    struct waiter *waiter = waiter_of(wait, task);
    const struct waiter *other = other_than(wait, waiter);

    *waiter = (struct waiter){.task = NULL};
    eddy_task_loop(task)->references--;
    if (other->task != NULL) {
        (void)eddy_io_change(&wait->io, other->events); /* of an fd that is gone it has been told */
        return;
    }
    eddy_io_stop(&wait->io);
    eddy_pool_give(&eddy_task_loop(task)->pool, wait, wait->pool_class);
}

static int abort_wait(struct eddy_task_record *task)
{
    leave(task);
    return 1;
}

static int64_t resume(struct eddy_task_record *task)
{
    int result = waiter_of(task->in.object, task)->result;

    leave(task);
    return result;
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    struct fd_wait *wait = task->in.object;
    unsigned events = waiter_of(wait, task)->events;
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

/* What of the events is told to him. */
static unsigned told(const struct waiter *waiter, unsigned events)
{
    unsigned always = EDDY_ERROR | EDDY_HANGUP;

    return events & (waiter->events | always |
                     ((waiter->events & EDDY_READ) != 0 ? (unsigned)EDDY_PEER_CLOSED : 0u));
}

/* In the middle of the batch of events; the first that comes wakes, what else comes is added. */
static void on_events(eddy_io *io, unsigned events)
{
    struct fd_wait *wait = io->user;

    for (struct waiter *each = wait->waiters; each < wait->waiters + MOST_WAITERS; each++) {
        if (each->task == NULL) {
            continue;
        }
        if (events == EDDY_IO_GONE) {
            each->result = -EBADF;
            eddy_wake_to_try(each->task);
        } else if (each->result >= 0 && told(each, events) != 0) {
            each->result |= (int)told(each, events);
            eddy_wake_to_try(each->task);
        }
    }
    if (events == EDDY_IO_GONE) {
        eddy_io_stop(io);
    }
}

/* The wait of another task for that fd, which asks about nothing of this; NULL: there is none. */
static struct fd_wait *joined(eddy_loop *loop, int fd, unsigned events)
{
    eddy_io *io = fd >= 0 && fd < loop->slot_count ? loop->slots[fd].io : NULL;
    const struct waiter *one;
    struct fd_wait *wait;

    if (io == NULL || io->mode != EDDY_IO_NOTIFY || io->callback != on_events ||
        !eddy_epoll_has(loop, io)) {
        return NULL;
    }
    wait = io->user;
    one = wait->waiters[0].task != NULL ? &wait->waiters[0] : &wait->waiters[1];
    return other_than(wait, one)->task == NULL &&
                   (one->events & events & ~(unsigned)EDDY_AS_IS) == 0
               ? wait
               : NULL;
}

static int64_t park(eddy_coro *co, struct fd_wait *wait, unsigned events)
{
    struct waiter *waiter = waiter_of(wait, NULL);

    *waiter = (struct waiter){.task = co->task, .events = events};
    /* a task that waits for an fd keeps the loop going; its watcher is not counted */
    eddy_task_loop(co->task)->references++;
    return eddy_park(co, &fd_kind, wait, NULL);
}

static int64_t join(eddy_coro *co, struct fd_wait *wait, unsigned events)
{
    int result =
        eddy_io_change(&wait->io, wait->waiters[0].events | wait->waiters[1].events | events);

    return result < 0 ? result : park(co, wait, events);
}

static int64_t begin(eddy_coro *co, int fd, unsigned events)
{
    eddy_loop *loop = eddy_task_loop(co->task);
    unsigned pool_class;
    struct fd_wait *wait = eddy_pool_take(&loop->pool, sizeof *wait, &pool_class);
    int result;

    if (wait == NULL) {
        return -ENOMEM;
    }
    memset(wait, 0, sizeof *wait);
    wait->io.user = wait;
    wait->pool_class = pool_class;
    result = eddy_io_watch(loop, &wait->io, fd, events, EDDY_IO_NOTIFY, on_events);
    if (result < 0) {
        eddy_pool_give(&loop->pool, wait, pool_class);
        return result;
    }
    return park(co, wait, events);
}

int64_t eddy_fd_wait(eddy_coro *co, int fd, unsigned events)
{
    struct fd_wait *other;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if ((events & ~(unsigned)EDDY_AS_IS) == 0) {
        return -EINVAL;
    }
    other = joined(eddy_task_loop(co->task), fd, events);
    return other != NULL ? join(co, other, events) : begin(co, fd, events);
}
