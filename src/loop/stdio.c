/*
 * Fds 0, 1 and 2, which programs print to, and which a program may have been started without. The
 * kernel gives out the lowest number that is free: one of these would go to a socket or a file of
 * the loop's, and what another thread prints would go into it before the fd could be moved. So the
 * loop fills the gaps before it makes anything, and for as long as it lives, with fds that are good
 * for nothing (O_PATH): whoever reads, writes or waits on one gets EBADF, as if it were closed, and a
 * child that execs has none. A program that wants the number takes it by dup2(2).
 *
 * A gap that comes later, because the program closes such an fd, is found when the kernel gives its
 * number to the loop. That fd is moved, and the gap filled; what was printed in between is the
 * program's mistake, which it would have made with any file of its own.
 */
#include <fcntl.h>

#include "loop/loop_internal.h"

enum { FIRST_ABOVE = 3 };

/* Any thread may come here: the files' are opened by workers. */
static int fill_gaps(eddy_loop *loop)
{
    const struct eddy_sys *sys = loop->sys;

    for (;;) {
        int fd = sys->open(sys, "/", O_PATH | O_CLOEXEC, 0);
        if (fd < 0) {
            return fd;
        }
        if (fd >= FIRST_ABOVE) {
            (void)sys->close(sys, fd);
            return 0;
        }
        (void)__atomic_fetch_or(&loop->stdio_held, 1u << fd, __ATOMIC_RELAXED);
    }
}

int eddy_stdio_hold(eddy_loop *loop)
{
    for (int fd = 0; fd < FIRST_ABOVE; fd++) {
        if (loop->sys->fcntl(loop->sys, fd, F_GETFD, 0) == -EBADF) {
            return fill_gaps(loop);
        }
    }
    return 0;
}

void eddy_stdio_release(eddy_loop *loop)
{
    for (int fd = 0; fd < FIRST_ABOVE; fd++) {
        if ((loop->stdio_held & 1u << fd) != 0) {
            int flags = loop->sys->fcntl(loop->sys, fd, F_GETFL, 0);
            if (flags >= 0 && (flags & O_PATH) != 0) { /* the program has not taken it over */
                (void)loop->sys->close(loop->sys, fd);
            }
        }
    }
}

int eddy_above_stdio(eddy_loop *loop, int fd)
{
    int moved;

    if (fd < 0 || fd >= FIRST_ABOVE) {
        return fd;
    }
    moved = loop->sys->fcntl(loop->sys, fd, F_DUPFD_CLOEXEC, FIRST_ABOVE);
    (void)loop->sys->close(loop->sys, fd);
    (void)fill_gaps(loop); /* or the next one does */
    return moved;
}
