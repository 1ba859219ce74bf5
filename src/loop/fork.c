/*
 * A loop and fork(2). What a loop has in the kernel (epoll set, eventfd, timerfd, signalfd) belongs
 * to open file descriptions, which a child shares with its parent: a child that took a watcher out
 * of "its" epoll set would take it out of the parent's.
 *
 * A child is known by a page that it finds zeroed, which costs one load to look at; glibc's getpid
 * is a system call, and only for kernels that have no such pages. The page is the loop's own, for
 * one of the process would be a mutable global.
 */
#include "loop/loop_internal.h"

/* From here on the loop is this process's. */
static void settle(eddy_loop *loop)
{
    if (loop->not_forked != NULL) {
        *loop->not_forked = 1;
    } else {
        loop->pid = loop->sys->getpid(loop->sys);
    }
}

/* The set could not be rebuilt: the loop is still the parent's. */
static void unsettle(eddy_loop *loop)
{
    if (loop->not_forked != NULL) {
        *loop->not_forked = 0;
    } else {
        loop->pid = 0; /* nobody's */
    }
}

int eddy_fork_open(eddy_loop *loop)
{
    const struct eddy_sys *sys = loop->sys;
    void *page;
    int result = sys->mmap(sys, sizeof *loop->not_forked, &page);

    if (result < 0) {
        return result;
    }
    if (sys->madvise_wipe_on_fork(sys, page, sizeof *loop->not_forked) == 0) {
        loop->not_forked = page;
    } else {
        (void)sys->munmap(sys, page, sizeof *loop->not_forked);
    }
    settle(loop);
    return 0;
}

void eddy_fork_close(eddy_loop *loop)
{
    if (loop->not_forked != NULL) {
        (void)loop->sys->munmap(loop->sys, loop->not_forked, sizeof *loop->not_forked);
    }
}

int eddy_fd_replace(eddy_loop *loop, int old, int made)
{
    int result;

    if (made < 0 || made == old) { /* a child that has closed all fds may get it anew */
        return made < 0 ? made : 0;
    }
    result = loop->sys->dup3(loop->sys, made, old);
    (void)loop->sys->close(loop->sys, made);
    return result < 0 ? result : 0;
}

/* Each fd keeps its number, so that the table of watchers stays as it is. Closing the old one
 * closes the child's copy. What fails half-way is begun anew by the next call. */
static int replace_fds(eddy_loop *loop)
{
    const struct eddy_sys *sys = loop->sys;
    int wake = loop->wake_io.fd; /* -1: it was lost before */
    int result = wake >= 0 ? eddy_fd_replace(loop, wake, sys->eventfd(sys)) : 0;
    clockid_t clock = loop->clock->kind == EDDY_CLOCK_BOOTTIME ? CLOCK_BOOTTIME : CLOCK_MONOTONIC;

    if (result == 0 && loop->outer >= 0) {
        result = eddy_fd_replace(loop, loop->outer, sys->epoll_create(sys));
    }
    if (result == 0 && loop->timerfd >= 0) {
        result = eddy_fd_replace(loop, loop->timerfd, sys->timerfd_create(sys, clock));
    }
    for (struct eddy_link *link = eddy_list_first(&loop->attachments);
         result == 0 && link != NULL && link != &loop->attachments; link = link->next) {
        struct eddy_attachment *attachment = (struct eddy_attachment *)(void *)link;
        result = attachment->after_fork != NULL ? attachment->after_fork(loop, attachment) : 0;
    }
    return result;
}

/* What was asked of the loop between the fork and now, or before it, and not done yet. */
static void catch_up(eddy_loop *loop)
{
    bool wake = __atomic_exchange_n(&loop->woken, 0, __ATOMIC_ACQ_REL) != 0;

    loop->split = EDDY_SPLIT_NONE; /* a thread that waited is the parent's */
    loop->waited = false;
    loop->timerfd_deadline = EDDY_FOREVER;
    eddy_loop_mirror_deadline(loop);
    if (wake || eddy_messages_waiting(loop)) {
        eddy_loop_wake(loop);
    }
}

int eddy_loop_after_fork(eddy_loop *loop)
{
    int result;

    eddy_loop_here(loop, __func__);
    if (loop->running || loop->closing || loop->reporting) {
        return -EBUSY;
    }
    if (!eddy_loop_forked(loop)) {
        return 0;
    }
    eddy_io_lose_closed(loop); /* as long as the kernel still tells which those are */
    result = replace_fds(loop);
    if (result < 0) {
        return result;
    }
    settle(loop);
    result = eddy_epoll_renew(loop);
    if (result < 0) {
        unsettle(loop);
        return result;
    }
    catch_up(loop);
    return 0;
}
