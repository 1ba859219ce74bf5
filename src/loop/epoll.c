/*
 * What a loop has in epoll(7): the set of its fds, and the fd that foreign loops sleep on.
 *
 * epoll knows an fd as its open file and its number. A registration is gone when the file is, which
 * is later than the fd if a duplicate is open: it is told of for ever, and nothing can take it out,
 * for the number is not that file's any more. So the set may have to be made anew at any time; and
 * whoever watches the set itself with an epoll of his own watches that file and not its number, so
 * that he would never hear of the new one. Therefore he gets another set, the outer one, which
 * stays as long as the loop and has nothing in it but the set that is in use: it is readable when
 * that is. It is made when somebody asks for it, so that no other program pays for it.
 */
#include <fcntl.h>

#include "loop/loop_internal.h"

#define SAME(ours, epolls) _Static_assert((unsigned)(ours) == (unsigned)(epolls), "epoll's value")
SAME(EDDY_READ, EPOLLIN);
SAME(EDDY_PRIORITY, EPOLLPRI);
SAME(EDDY_WRITE, EPOLLOUT);
SAME(EDDY_ERROR, EPOLLERR);
SAME(EDDY_HANGUP, EPOLLHUP);
SAME(EDDY_PEER_CLOSED, EPOLLRDHUP);

/* What the kernel is asked to tell of a watcher. */
static uint32_t to_epoll(const eddy_io *io)
{
    if (io->mode >= EDDY_IO_EDGE) {
        return EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;
    }
    if (io->mode == EDDY_IO_KEPT && io->interest == 0) {
        return EPOLLET; /* told once of an end, which cannot be turned off, and of nothing else */
    }
    return (io->interest & (EDDY_READ | EDDY_WRITE | EDDY_PRIORITY)) |
           ((io->interest & (EDDY_READ | EDDY_INTEREST_PEER_CLOSED)) != 0 ? (uint32_t)EPOLLRDHUP
                                                                          : 0);
}

static int control(eddy_loop *loop, const eddy_io *io, int operation)
{
    struct epoll_event event = {.events = to_epoll(io), .data.u64 = eddy_io_key(loop, io)};

    loop->counts.controls++;
    return loop->sys->epoll_ctl(loop->sys, loop->epoll, operation, io->fd, &event);
}

int eddy_epoll_control(eddy_loop *loop, const eddy_io *io, int operation)
{
    int result = eddy_loop_forked(loop) ? -ECHILD : control(loop, io, operation);

    if (result == -EEXIST) {
        /* A watcher has left it behind whose fd was closed, and is this file's again. */
        return control(loop, io, EPOLL_CTL_MOD);
    }
    return result == -ENOENT ? -EBADF : result; /* the number is another file's */
}

/* ---- the outer set */

/* Shows the set in use to those who watch the outer one. */
static int show(eddy_loop *loop, int operation, int epoll)
{
    struct epoll_event event = {.events = EPOLLIN};

    return loop->outer < 0 ? 0
                           : loop->sys->epoll_ctl(loop->sys, loop->outer, operation, epoll, &event);
}

int eddy_loop_fd(eddy_loop *loop)
{
    int result;

    eddy_loop_here(loop, __func__);
    if (loop->outer >= 0) {
        return loop->outer;
    }
    if (eddy_loop_forked(loop)) {
        return -ECHILD;
    }
    loop->outer = eddy_above_stdio(loop, loop->sys->epoll_create(loop->sys));
    if (loop->outer < 0) {
        return loop->outer;
    }
    result = show(loop, EPOLL_CTL_ADD, loop->epoll);
    if (result < 0) {
        (void)loop->sys->close(loop->sys, loop->outer);
        loop->outer = -1;
        return result;
    }
    return loop->outer;
}

/* ---- whether an fd is still the file that was registered */

/* In the set of this process, which may be asked by changing nothing. */
static bool is_ours(eddy_loop *loop, const eddy_io *io)
{
    int result = control(loop, io, EPOLL_CTL_MOD);

    return result != -ENOENT && result != -EBADF;
}

/* In a set that is the parent's, too, and must not be touched. Several registrations of one number
 * are those of closed fds, but for one. A kernel that cannot tell is believed to say yes. */
static bool is_the_parents(eddy_loop *loop, const eddy_io *io)
{
    const struct eddy_sys *sys = loop->sys;
    int result = 1;

    for (uint32_t nth = 0; result > 0; nth++) {
        result = sys->kcmp_epoll(sys, io->fd, loop->epoll, nth);
    }
    return result != -ENOENT &&
           !(result == -EBADF && sys->fcntl(sys, io->fd, F_GETFD, 0) == -EBADF);
}

bool eddy_epoll_has(eddy_loop *loop, const eddy_io *io)
{
    return eddy_loop_forked(loop) ? is_the_parents(loop, io) : is_ours(loop, io);
}

/* ---- making it anew */

/* Want of memory is returned; no other error can be, for an fd that is open and was registered
 * before. */
static int register_all(eddy_loop *loop)
{
    for (int fd = 0; fd < loop->slot_count; fd++) {
        eddy_io *io = loop->slots[fd].io;
        int result =
            io != NULL && io->registered == EDDY_IO_IN_EPOLL ? control(loop, io, EPOLL_CTL_ADD) : 0;
        if (result == -ENOMEM || result == -ENOSPC) {
            return result;
        }
    }
    return 0;
}

int eddy_epoll_renew(eddy_loop *loop)
{
    const struct eddy_sys *sys = loop->sys;
    int old = loop->epoll;
    int fresh = eddy_above_stdio(loop, sys->epoll_create(sys));
    int result;

    if (fresh < 0) {
        return fresh;
    }
    loop->epoll = fresh;
    result = register_all(loop);
    if (result == 0) {
        result = show(loop, EPOLL_CTL_ADD, fresh);
    }
    if (result < 0) {
        loop->epoll = old;
    }
    if (fresh != old) { /* a child that has closed all fds may get it anew */
        if (result == 0) {
            (void)show(loop, EPOLL_CTL_DEL, old);
        }
        (void)sys->close(sys, result == 0 ? old : fresh);
    }
    loop->left_behind = loop->left_behind && result < 0;
    return result;
}
