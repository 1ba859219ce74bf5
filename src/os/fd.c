/*
 * Waiting for an fd that is not the loop's: one watcher for those who wait for it, two at most, who ask about
 * different events: as a rule one to read and one to write. Level-triggered, so what is still there the next
 * wait hears of: nothing is lost between two. If the fd is closed meanwhile, the waits end with -EBADF.
 *
 *                      once (eddy_fd_wait)               kept (eddy_fd)
 *     it is            a block of the pool               the caller's
 *     registered       with the first waiter             by init
 *     its interest     what they ask about               that, and what was asked about before
 *     an event that    cannot be                         turns off what nobody asks about: one that is left
 *     nobody awaits                                      on and not told to anybody would come in each turn
 *     a wait ends      the interest shrinks; with the    the interest stays
 *                      last waiter it is unregistered
 *
 * A wait lasts until the task runs, and not only until the event: what comes in between is one with it. A kept
 * one that asks about nothing stays in the epoll set, so that a wait needs no memory, and that it is
 * found out if its fd was closed.
 */
#include "eddy/io.h"

#include <stdio.h>
#include <string.h>

#include "loop/look.h"
#include "task/task_internal.h"

enum { MOST_WAITERS = 2, INTERESTS = EDDY_READ | EDDY_WRITE | EDDY_PRIORITY };

/* From the pool, for a task's own record has no room for it. */
struct fd_once {
    eddy_fd fd; /* first */
    unsigned pool_class;
};

static struct eddy_fd_waiter *waiter_of(eddy_fd *fd, const struct eddy_task_record *task)
{
    return &fd->waiters[fd->waiters[0].task != task];
}

/* What both ask about. */
static unsigned asked(const eddy_fd *fd)
{
    return fd->waiters[0].events | fd->waiters[1].events;
}

/* ---- the ends of a wait */

static void leave(struct eddy_task_record *task)
{
    *waiter_of(task->in.object, task) = (struct eddy_fd_waiter){.task = NULL};
    eddy_task_loop(task)->references--;
}

/* Whichever end it is, the fd is out of the set before the task runs, so that the user may close it
 * then; unless another task waits for it. */
static void leave_once(struct eddy_task_record *task)
{
    struct fd_once *once = task->in.object;

    leave(task);
    if (once->fd.waiters[0].task != NULL || once->fd.waiters[1].task != NULL) {
        (void)eddy_io_change(&once->fd.io,
                             asked(&once->fd)); /* it has been told of one that is gone */
        return;
    }
    eddy_io_stop(&once->fd.io);
    eddy_pool_give(&eddy_task_loop(task)->pool, once, once->pool_class);
}

static int abort_wait(struct eddy_task_record *task)
{
    leave(task);
    return 1;
}

static int abort_once(struct eddy_task_record *task)
{
    leave_once(task);
    return 1;
}

static int64_t resume(struct eddy_task_record *task)
{
    int result = waiter_of(task->in.object, task)->result;

    leave(task);
    return result;
}

static int64_t resume_once(struct eddy_task_record *task)
{
    int result = waiter_of(task->in.object, task)->result;

    leave_once(task);
    return result;
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    eddy_fd *fd = task->in.object;
    unsigned events = waiter_of(fd, task)->events;
    char name[EDDY_FD_TEXT];

    eddy_look_describe_fd(eddy_task_loop(task), fd->io.fd, name, sizeof name);
    snprintf(text, size, "%s%s%s%s", name, (events & EDDY_READ) != 0 ? " read" : "",
             (events & EDDY_WRITE) != 0 ? " write" : "",
             (events & EDDY_PRIORITY) != 0 ? " priority" : "");
}

static const struct eddy_wait_kind once_kind = {
    .name = "fd",
    .abort = abort_once,
    .resume = resume_once,
    .describe = describe,
};

static const struct eddy_wait_kind kept_kind = {
    .name = "fd",
    .abort = abort_wait,
    .resume = resume,
    .describe = describe,
};

/* ---- events */

/* What of the events is told to him. */
static unsigned told(const struct eddy_fd_waiter *waiter, unsigned events)
{
    unsigned always = EDDY_ERROR | EDDY_HANGUP;

    return events & (waiter->events | always |
                     ((waiter->events & EDDY_READ) != 0 ? (unsigned)EDDY_PEER_CLOSED : 0u));
}

static void tell(eddy_fd *fd, unsigned events)
{
    for (struct eddy_fd_waiter *each = fd->waiters; each < fd->waiters + MOST_WAITERS; each++) {
        if (each->task == NULL || each->result < 0) {
            continue;
        }
        if (events == EDDY_IO_GONE) {
            each->result = -EBADF;
            eddy_wake_to_try(each->task);
        } else if (told(each, events) != 0) {
            each->result |= (int)told(each, events);
            eddy_wake_to_try(each->task);
        }
    }
}

/* The end of a kept one. Who waits is let go at once, for it may be initialized anew before he runs. */
static void end(eddy_fd *fd)
{
    for (struct eddy_fd_waiter *each = fd->waiters; each < fd->waiters + MOST_WAITERS; each++) {
        struct eddy_task_record *task = each->task;
        if (task != NULL) {
            leave(task);
            eddy_wake(task, -EBADF);
        }
    }
    if (eddy_link_used(&fd->guard)) {
        eddy_list_remove(&fd->guard);
    }
    eddy_io_stop(&fd->io);
}

/* Changes what a kept one asks about. One whose fd turns out to be closed gives way. A regular file is told of
 * once for each change. */
static int ask_about(eddy_fd *fd, unsigned events)
{
    bool same = events == fd->io.interest && fd->io.registered == EDDY_IO_IN_EPOLL;
    int result = same ? 0 : eddy_io_change(&fd->io, events);

    if (result == -EBADF) {
        (void)eddy_io_make_way(fd->io.loop, fd->io.fd, false);
    }
    return result;
}

/* What came, and nobody waits for, is not asked about any more. An error or the end comes as long as anything is
 * asked about. */
static void calm(eddy_fd *fd, unsigned events)
{
    unsigned unheard = fd->io.interest & ~asked(fd);
    unsigned come = (events & (EDDY_ERROR | EDDY_HANGUP)) != 0 ? unheard : events & unheard;

    if (come != 0) { /* if it fails, it comes again, and so does this */
        (void)ask_about(fd, fd->io.interest & ~come);
    }
}

/* In the middle of the batch of events; the first that comes wakes, what else comes is added. */
static void on_events(eddy_io *io, unsigned events)
{
    eddy_fd *fd = (eddy_fd *)(void *)io;

    if (io->mode == EDDY_IO_KEPT && events == EDDY_IO_GONE) {
        end(fd);
        return;
    }
    tell(fd, events);
    if (events == EDDY_IO_GONE) {
        eddy_io_stop(io);
    } else if (io->mode == EDDY_IO_KEPT) {
        calm(fd, events);
    }
}

/* ---- waiting */

/* Whether there is room for one more who asks about this. */
static bool has_room(const eddy_fd *fd, unsigned events)
{
    return (fd->waiters[0].task == NULL || fd->waiters[1].task == NULL) &&
           (asked(fd) & events & ~(unsigned)EDDY_AS_IS) == 0;
}

static int64_t park(eddy_coro *co, const struct eddy_wait_kind *kind, eddy_fd *fd, unsigned events)
{
    *waiter_of(fd, NULL) = (struct eddy_fd_waiter){.task = co->task, .events = events};
    /* a task that waits for an fd keeps the loop going; its watcher is not counted */
    eddy_task_loop(co->task)->references++;
    return eddy_park(co, kind, fd, NULL);
}

/* The wait of another task for that fd, which asks about nothing of this; NULL: there is none. */
static eddy_fd *joined(eddy_loop *loop, int number, unsigned events)
{
    eddy_io *io = number >= 0 && number < loop->slot_count ? loop->slots[number].io : NULL;

    if (io == NULL || io->mode != EDDY_IO_NOTIFY || io->callback != on_events ||
        !eddy_epoll_has(loop, io)) {
        return NULL;
    }
    return has_room((eddy_fd *)(void *)io, events) ? (eddy_fd *)(void *)io : NULL;
}

static int64_t join(eddy_coro *co, eddy_fd *fd, unsigned events)
{
    int result = eddy_io_change(&fd->io, asked(fd) | events);

    return result < 0 ? result : park(co, &once_kind, fd, events);
}

static int64_t begin(eddy_coro *co, int number, unsigned events)
{
    eddy_loop *loop = eddy_task_loop(co->task);
    unsigned pool_class;
    struct fd_once *once = eddy_pool_take(&loop->pool, sizeof *once, &pool_class);
    int result;

    if (once == NULL) {
        return -ENOMEM;
    }
    memset(once, 0, sizeof *once);
    once->pool_class = pool_class;
    result = eddy_io_watch(loop, &once->fd.io, number, events, EDDY_IO_NOTIFY, on_events);
    if (result < 0) {
        eddy_pool_give(&loop->pool, once, pool_class);
        return result;
    }
    return park(co, &once_kind, &once->fd, events);
}

int64_t eddy_fd_wait(eddy_coro *co, int fd, unsigned events)
{
    eddy_fd *other;
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

/* ---- one that is kept */

int eddy_fd_init_(eddy_loop *loop, eddy_fd *fd, int number, const char *place)
{
    int result;

    if (eddy_io_started(&fd->io)) {
        return -EINVAL;
    }
    memset(fd, 0, sizeof *fd);
    result = eddy_io_watch(loop, &fd->io, number, 0, EDDY_IO_KEPT, on_events);
    if (result == 0 && loop->current != NULL) {
        result = eddy_guard_add(loop->current, &fd->guard);
        if (result < 0) {
            eddy_io_stop(&fd->io);
        }
    }
    if (result == 0) {
        eddy_look_note_place(loop, &fd->io, place);
    }
    return result;
}

int(eddy_fd_init)(eddy_loop *loop, eddy_fd *fd, int number)
{
    return eddy_fd_init_(loop, fd, number, NULL);
}

int64_t eddy_fd_ready(eddy_coro *co, eddy_fd *fd, unsigned events)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (!eddy_io_started(&fd->io)) {
        return -EBADF;
    }
    if (events == 0 || (events & ~(unsigned)INTERESTS) != 0) {
        return -EINVAL;
    }
    if (!has_room(fd, events)) {
        return -EBUSY;
    }
    eddy_check_pointer(co, fd);
    result = ask_about(fd, fd->io.interest | events);
    return result < 0 ? result : park(co, &kept_kind, fd, events);
}

void eddy_fd_fini(eddy_fd *fd)
{
    if (eddy_io_started(&fd->io)) {
        end(fd);
    }
}
