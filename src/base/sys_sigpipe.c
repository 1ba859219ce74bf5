/*
 * System calls that raise SIGPIPE, and know no MSG_NOSIGNAL: writev(2) to a pipe, sendfile(2).
 *
 * What the process does with a signal is not for a library to change. So the signal is blocked in this thread
 * around the call, and taken if the call has raised it. It is the thread's own, so it is pending here
 * when the call has returned, unless one was already: that is somebody else's.
 *
 *     the process and SIGPIPE    the calls more
 *     ignores it                 one, which finds that out: who sends many files ignores it, as servers do
 *     blocks it in this thread   that, the mask, and whether one is pending
 *     neither                    that, the mask and the mask again: what is not blocked cannot be pending
 *
 * (Who ignores it and blocks it, too, has one pending afterwards, which is dropped when he unblocks it.)
 *
 * Whether it was raised is not to be seen from the result: a call that has moved some bytes when its reader goes
 * away raises it too, and returns how many those were. Only one that has moved all has raised none.
 */
#include "base/sys_sigpipe.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/sendfile.h>
#include <time.h>

struct mask {
    bool ignored; /* there is nothing to do */
    bool blocked; /* it was before */
    bool pending; /* one was before */
};

static bool is_ignored(void)
{
    struct sigaction action;

    return sigaction(SIGPIPE, NULL, &action) == 0 && (action.sa_flags & SA_SIGINFO) == 0 &&
           action.sa_handler == SIG_IGN;
}

static bool is_pending(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

static void pipe_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGPIPE);
}

static int block(struct mask *mask)
{
    sigset_t set;
    sigset_t old;

    *mask = (struct mask){.ignored = is_ignored()};
    if (mask->ignored) {
        return 0;
    }
    pipe_set(&set);
    if (sigprocmask(SIG_BLOCK, &set, &old) < 0) {
        return -errno;
    }
    mask->blocked = sigismember(&old, SIGPIPE) == 1;
    mask->pending = mask->blocked && is_pending();
    return 0;
}

/* After a call with that result, which it returns, of so many bytes. */
static ssize_t unblock(const struct mask *mask, ssize_t result, size_t size)
{
    const struct timespec at_once = {0, 0};
    sigset_t set;

    if (mask->ignored) {
        return result;
    }
    pipe_set(&set);
    if (result != (ssize_t)size && !mask->pending) {
        while (sigtimedwait(&set, NULL, &at_once) < 0 && errno == EINTR) {}
    }
    if (!mask->blocked) {
        (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    }
    return result;
}

ssize_t eddy_sys_writev_masked(const struct eddy_sys *sys, int fd, const struct iovec *pieces,
                               int count)
{
    struct mask mask;
    int error = block(&mask);
    size_t size = 0;
    ssize_t result;

    (void)sys;
    if (error < 0) {
        return error;
    }
    for (int i = 0; i < count; i++) {
        size += pieces[i].iov_len;
    }
    result = writev(fd, pieces, count);
    return unblock(&mask, result < 0 ? -errno : result, size);
}

ssize_t eddy_sys_sendfile(const struct eddy_sys *sys, int to, int from, int64_t offset, size_t size)
{
    struct mask mask;
    off_t at = (off_t)offset;
    int error = block(&mask);
    ssize_t result;

    (void)sys;
    if (error < 0) {
        return error;
    }
    result = sendfile(to, from, &at, size);
    return unblock(&mask, result < 0 ? -errno : result, size);
}
