/*
 * The default table of system calls: each is the call and nothing else, with -1 and errno turned into
 * the negated errno, which no later call can overwrite.
 *
 * Everything the library asks of the system goes through the table of its loop, so that a test can
 * make any of it fail, or play a kernel of its own. Flags that are never left out are set here: a new fd is
 * close-on-exec from its first moment, a socket does not block, and a write to a peer that is gone
 * gives -EPIPE and no signal. Two entries are NULL, those of threads and of names: a table that named
 * pthread_create or getaddrinfo would link them into every program.
 *
 * Calls that glibc has only lately are made by number (syscall(2)); where the kernel has not got them,
 * -ENOSYS says so and the caller knows another way.
 */
#include "eddy/sys.h"

#include "base/messages.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/sys_child.h"
#include "base/sys_files.h"
#include "base/sys_sigpipe.h"

/* libc says -1 and errno; the library wants the negated errno. */
static int checked(int result)
{
    return result < 0 ? -errno : result;
}

static ssize_t checked_size(ssize_t result)
{
    return result < 0 ? -errno : result;
}

static struct timespec to_timespec(int64_t nanoseconds)
{
    struct timespec time;

    time.tv_sec = (time_t)(nanoseconds / EDDY_SECOND);
    time.tv_nsec = (long)(nanoseconds % EDDY_SECOND);
    return time;
}

static int64_t sys_clock_now(const struct eddy_sys *sys, clockid_t clock)
{
    struct timespec now;

    (void)sys;
    if (clock_gettime(clock, &now) < 0) {
        return 0; /* only for a clock that the kernel does not know */
    }
    return (int64_t)now.tv_sec * EDDY_SECOND + now.tv_nsec;
}

static int sys_epoll_create(const struct eddy_sys *sys)
{
    (void)sys;
    return checked(epoll_create1(EPOLL_CLOEXEC));
}

static int sys_epoll_ctl(const struct eddy_sys *sys, int epoll, int op, int fd,
                         struct epoll_event *event)
{
    (void)sys;
    return checked(epoll_ctl(epoll, op, fd, event));
}

/* By number: glibc has the function only since 2.35, the kernel the call since 5.11. It takes the
 * 64-bit time of the kernel on every architecture. */
static int sys_epoll_pwait2(const struct eddy_sys *sys, int epoll, struct epoll_event *events,
                            int most, int64_t timeout)
{
#ifdef SYS_epoll_pwait2
    struct {
        int64_t seconds;
        int64_t nanoseconds;
    } limit = {timeout / EDDY_SECOND, timeout % EDDY_SECOND};

    (void)sys;
    return checked((int)syscall(SYS_epoll_pwait2, epoll, events, most, timeout < 0 ? NULL : &limit,
                                NULL, (size_t)0));
#else
    (void)sys;
    (void)epoll;
    (void)events;
    (void)most;
    (void)timeout;
    return -ENOSYS;
#endif
}

/* libc has no function for it. */
static int sys_kcmp_epoll(const struct eddy_sys *sys, int fd, int epoll, uint32_t nth)
{
#if defined SYS_kcmp
    struct {
        uint32_t epoll;
        uint32_t fd;
        uint32_t nth;
    } slot = {(uint32_t)epoll, (uint32_t)fd, nth};
    const int kind = 7; /* KCMP_EPOLL_TFD: headers may be older than the kernel */
    long self = getpid();

    (void)sys;
    return checked((int)syscall(SYS_kcmp, self, self, kind, (unsigned long)fd, &slot));
#else
    (void)sys;
    (void)fd;
    (void)epoll;
    (void)nth;
    return -ENOSYS;
#endif
}

static int sys_epoll_wait(const struct eddy_sys *sys, int epoll, struct epoll_event *events,
                          int most, int milliseconds)
{
    (void)sys;
    return checked(epoll_wait(epoll, events, most, milliseconds));
}

static int sys_eventfd(const struct eddy_sys *sys)
{
    (void)sys;
    return checked(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

static int sys_timerfd_create(const struct eddy_sys *sys, clockid_t clock)
{
    (void)sys;
    return checked(timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK));
}

static int sys_timerfd_settime(const struct eddy_sys *sys, int fd, int64_t deadline)
{
    struct itimerspec setting = {.it_value = to_timespec(deadline)};

    (void)sys;
    return checked(timerfd_settime(fd, TFD_TIMER_ABSTIME, &setting, NULL));
}

static int sys_signalfd(const struct eddy_sys *sys, int fd, const sigset_t *set)
{
    (void)sys;
    return checked(signalfd(fd, set, SFD_CLOEXEC | SFD_NONBLOCK));
}

static int sys_signal_mask(const struct eddy_sys *sys, int how, const sigset_t *set, sigset_t *old)
{
    (void)sys;
    return checked(sigprocmask(how, set, old)); /* the calling thread's: no more is asked of libc */
}

static int sys_signal_ignored(const struct eddy_sys *sys, int number)
{
    struct sigaction action;
    int result = checked(sigaction(number, NULL, &action));

    (void)sys;
    return result < 0 ? result : action.sa_handler == SIG_IGN;
}

static int sys_socket(const struct eddy_sys *sys, int domain, int type, int protocol)
{
    (void)sys;
    return checked(socket(domain, type, protocol));
}

static int sys_bind(const struct eddy_sys *sys, int fd, const struct sockaddr *address,
                    socklen_t size)
{
    (void)sys;
    return checked(bind(fd, address, size));
}

static int sys_listen(const struct eddy_sys *sys, int fd, int backlog)
{
    (void)sys;
    return checked(listen(fd, backlog));
}

static int sys_accept4(const struct eddy_sys *sys, int fd, struct sockaddr *address,
                       socklen_t *size, int flags)
{
    (void)sys;
    return checked(accept4(fd, address, size, flags));
}

static int sys_connect(const struct eddy_sys *sys, int fd, const struct sockaddr *address,
                       socklen_t size)
{
    (void)sys;
    return checked(connect(fd, address, size));
}

static int sys_shutdown(const struct eddy_sys *sys, int fd, int how)
{
    (void)sys;
    return checked(shutdown(fd, how));
}

static int sys_getsockopt(const struct eddy_sys *sys, int fd, int level, int name, void *value,
                          socklen_t *size)
{
    (void)sys;
    return checked(getsockopt(fd, level, name, value, size));
}

static int sys_setsockopt(const struct eddy_sys *sys, int fd, int level, int name,
                          const void *value, socklen_t size)
{
    (void)sys;
    return checked(setsockopt(fd, level, name, value, size));
}

static int sys_getsockname(const struct eddy_sys *sys, int fd, struct sockaddr *address,
                           socklen_t *size)
{
    (void)sys;
    return checked(getsockname(fd, address, size));
}

static int sys_getpeername(const struct eddy_sys *sys, int fd, struct sockaddr *address,
                           socklen_t *size)
{
    (void)sys;
    return checked(getpeername(fd, address, size));
}

static ssize_t sys_read(const struct eddy_sys *sys, int fd, void *buffer, size_t size)
{
    (void)sys;
    return checked_size(read(fd, buffer, size));
}

static ssize_t sys_write(const struct eddy_sys *sys, int fd, const void *buffer, size_t size)
{
    (void)sys;
    return checked_size(write(fd, buffer, size));
}

static ssize_t sys_send(const struct eddy_sys *sys, int fd, const void *buffer, size_t size)
{
    (void)sys;
    return checked_size(send(fd, buffer, size, MSG_NOSIGNAL));
}

static ssize_t sys_sendv(const struct eddy_sys *sys, int fd, struct iovec *pieces, int count)
{
    struct msghdr message = {.msg_iov = pieces};

    (void)sys;
    message.msg_iovlen = (__typeof__(message.msg_iovlen))count; /* size_t in glibc, int in musl */
    return checked_size(sendmsg(fd, &message, MSG_NOSIGNAL));
}

/* libc's headers may be older than the flag, and a libc's function than the call. An offset of -1 is the
 * file's own place. */
static ssize_t sys_writev_nosignal(const struct eddy_sys *sys, int fd, const struct iovec *pieces,
                                   int count)
{
#ifdef SYS_pwritev2
    const int nosignal = 0x100; /* RWF_NOSIGNAL */

    (void)sys;
    return checked_size(
        syscall(SYS_pwritev2, fd, pieces, (unsigned long)count, -1L, -1L, nosignal));
#else
    (void)sys;
    (void)fd;
    (void)pieces;
    (void)count;
    return -ENOSYS;
#endif
}

static int sys_terminal(const struct eddy_sys *sys, int fd)
{
    char name[64];

    (void)sys;
    if (isatty(fd) == 0) {
        return -errno;
    }
    return ptsname_r(fd, name, sizeof name) == ENOTTY ? 0 : -ENOTTY;
}

static int sys_kcmp_file(const struct eddy_sys *sys, int fd, int other)
{
#if defined SYS_kcmp
    const int kind = 0; /* KCMP_FILE */
    long self = getpid();

    (void)sys;
    return checked(
        (int)syscall(SYS_kcmp, self, self, kind, (unsigned long)fd, (unsigned long)other));
#else
    (void)sys;
    (void)fd;
    (void)other;
    return -ENOSYS;
#endif
}

static int sys_unsent(const struct eddy_sys *sys, int fd, int *bytes)
{
    int result = checked(ioctl(fd, TIOCOUTQ, bytes));

    (void)sys;
    return result == -ENOTTY ? checked(ioctl(fd, FIONREAD, bytes)) : result;
}

static int sys_fcntl(const struct eddy_sys *sys, int fd, int command, int argument)
{
    (void)sys;
    return checked(fcntl(fd, command, argument));
}

static pid_t sys_getpid(const struct eddy_sys *sys)
{
    (void)sys;
    return getpid();
}

static int sys_mmap(const struct eddy_sys *sys, size_t size, void **memory)
{
    void *mapped =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, (off_t)0);

    (void)sys;
    if (mapped == MAP_FAILED) {
        return -errno;
    }
    *memory = mapped;
    return 0;
}

static int sys_munmap(const struct eddy_sys *sys, void *memory, size_t size)
{
    (void)sys;
    return checked(munmap(memory, size));
}

/* Linux 4.14; libc's headers may be older. */
static int sys_madvise_wipe_on_fork(const struct eddy_sys *sys, void *memory, size_t size)
{
#ifdef MADV_WIPEONFORK
    (void)sys;
    return checked(madvise(memory, size, MADV_WIPEONFORK));
#else
    (void)sys;
    (void)memory;
    (void)size;
    return -EINVAL;
#endif
}

static int sys_dup3(const struct eddy_sys *sys, int from, int to)
{
    (void)sys;
    return checked(dup3(from, to, O_CLOEXEC));
}

static int sys_close(const struct eddy_sys *sys, int fd)
{
    (void)sys;
    return checked(close(fd));
}

static const struct eddy_sys table = {
    .clock_now = sys_clock_now,
    .epoll_create = sys_epoll_create,
    .epoll_ctl = sys_epoll_ctl,
    .epoll_pwait2 = sys_epoll_pwait2,
    .epoll_wait = sys_epoll_wait,
    .kcmp_epoll = sys_kcmp_epoll,
    .eventfd = sys_eventfd,
    .timerfd_create = sys_timerfd_create,
    .timerfd_settime = sys_timerfd_settime,
    .signalfd = sys_signalfd,
    .signal_mask = sys_signal_mask,
    .signal_ignored = sys_signal_ignored,
    .socket = sys_socket,
    .bind = sys_bind,
    .listen = sys_listen,
    .accept4 = sys_accept4,
    .connect = sys_connect,
    .shutdown = sys_shutdown,
    .getsockopt = sys_getsockopt,
    .setsockopt = sys_setsockopt,
    .getsockname = sys_getsockname,
    .getpeername = sys_getpeername,
    .read = sys_read,
    .write = sys_write,
    .send = sys_send,
    .sendv = sys_sendv,
    .writev_nosignal = sys_writev_nosignal,
    .writev_masked = eddy_sys_writev_masked,
    .sendfile = eddy_sys_sendfile,
    .pread = eddy_sys_pread,
    .terminal = sys_terminal,
    .kcmp_file = sys_kcmp_file,
    .sendmsg = eddy_sys_sendmsg,
    .recvmsg = eddy_sys_recvmsg,
    .sendmmsg = eddy_sys_sendmmsg,
    .recvmmsg = eddy_sys_recvmmsg,
    .unsent = sys_unsent,
    .fcntl = sys_fcntl,
    .getpid = sys_getpid,
    .mmap = sys_mmap,
    .munmap = sys_munmap,
    .madvise_wipe_on_fork = sys_madvise_wipe_on_fork,
    .dup3 = sys_dup3,
    .close = sys_close,
    .open = eddy_sys_open,
    .fstat = eddy_sys_fstat,
    .lstat = eddy_sys_lstat,
    .fchmod = eddy_sys_fchmod,
    .fsync = eddy_sys_fsync,
    .rename = eddy_sys_rename,
    .unlink = eddy_sys_unlink,
    .mkdir = eddy_sys_mkdir,
    .rmdir = eddy_sys_rmdir,
    .pwrite = eddy_sys_pwrite,
    .ftruncate = eddy_sys_ftruncate,
    .fdatasync = eddy_sys_fdatasync,
    .fstatat = eddy_sys_fstatat,
    .getdents = eddy_sys_getdents,
    .pipe = eddy_sys_pipe,
    .spawn = eddy_sys_spawn,
    .waitid = eddy_sys_waitid,
    .pidfd_open = eddy_sys_pidfd_open,
    .pidfd_send_signal = eddy_sys_pidfd_send_signal,
    .kill = eddy_sys_kill,
    .inotify_init = eddy_sys_inotify_init,
    .inotify_add_watch = eddy_sys_inotify_add_watch,
    .inotify_rm_watch = eddy_sys_inotify_rm_watch,
};

const struct eddy_sys *eddy_sys_default(void)
{
    return &table;
}
