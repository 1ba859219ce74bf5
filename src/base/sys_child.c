/*
 * The system calls around child processes, but for the making of one (spawn.c).
 *
 * Those with a pidfd are made by number, for glibc has them only since 2.36. libc's headers may be older than
 * the kernel, so the numbers, which are the same on all machines, stand here if they are missing.
 */
#include "base/sys_child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

static int checked(int result)
{
    return result < 0 ? -errno : result;
}

int eddy_sys_pipe(const struct eddy_sys *sys, int ends[2])
{
    (void)sys;
    return checked(pipe2(ends, O_CLOEXEC));
}

int eddy_sys_waitid(const struct eddy_sys *sys, int kind, int id, int options,
                    struct eddy_waited *waited)
{
    siginfo_t info;
    int result;

    (void)sys;
    info.si_pid = 0;
    result = checked(waitid((idtype_t)kind, (id_t)id, &info, options));
    if (result == 0) {
        waited->pid = info.si_pid;
        waited->code = info.si_pid != 0 ? info.si_code : 0;
        waited->status = info.si_pid != 0 ? info.si_status : 0;
    }
    return result;
}

int eddy_sys_pidfd_open(const struct eddy_sys *sys, pid_t pid)
{
    (void)sys;
    return checked((int)syscall(SYS_pidfd_open, pid, 0));
}

int eddy_sys_pidfd_send_signal(const struct eddy_sys *sys, int pidfd, int signal, unsigned flags)
{
    (void)sys;
    return checked((int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, flags));
}

int eddy_sys_kill(const struct eddy_sys *sys, pid_t pid, int signal)
{
    (void)sys;
    return checked(kill(pid, signal));
}
