/*
 * How a child process is made: between clone(2) and execve(2).
 *
 * The child borrows the parent's memory, and the parent's thread stands still until the child has
 * become its command or has ended (CLONE_VM, CLONE_VFORK), as posix_spawn(3) does it: a fork would
 * copy the page tables of a large parent, and be refused where memory is not overcommitted. So:
 *
 *   - the child runs on a stack of its own, and calls nothing but system calls: another thread may hold
 *     any lock of libc's
 *   - all signals are blocked around it, or a handler of the parent's would run in the child, in the
 *     parent's memory. The child sets all that are caught to their defaults before it unblocks them
 *   - nothing of it is instrumented: a sanitizer would take its stack for the parent's
 *   - what went wrong it leaves in `report`, and writes it into a pipe that exec closes, too. The pipe
 *     is for those who make a fork of it all the same (valgrind, qemu's user mode): there `report` is a
 *     copy, the parent does not stand still, and it is the end of the pipe that tells of the exec
 *
 * CLONE_PIDFD: the child's pidfd comes with the child, so that no other process can have got its pid
 * by then.
 */
#include "base/spawn.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* ThreadSanitizer takes every clone for a fork, and would undo in the shared memory what it does before
 * one; it does not know the other name that glibc has for it. */
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
int __clone(int (*function)(void *), void *stack, int flags, void *argument, ...);
#define CLONE __clone
#else
#define CLONE clone
#endif

/* The child's own functions. */
#define IN_CHILD \
    static __attribute__((no_sanitize("address"), no_sanitize("undefined"), no_sanitize("thread")))

enum {
    STACK = 128 * 1024,
    FIRST_FD = 3,
    CLOSE_ON_EXEC = 4,  /* CLOSE_RANGE_CLOEXEC */
    MOST_FDS = 1 << 20, /* that are gone through one by one */
    LAST_SIGNAL = 64,
    COMMAND_FAILED = 127 /* the status of a child that could not become its command */
};

struct report {
    bool ran;  /* by the child: the memory is really one */
    int error; /* negated errno */
    enum eddy_spawn_stage stage;
};

struct child {
    const struct eddy_sys_spawn *spawn;
    volatile struct report report;
    pid_t parent;
    int told;  /* the pipe's end for the report */
    int above; /* all fds that the child is to have are below it */
};

/* ---- in the child: its fds are its own, which who keeps account of calls in this memory would not know, so
 * these are made by number */

IN_CHILD int fd_control(int fd, int command, int argument)
{
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

IN_CHILD void fail(struct child *child, enum eddy_spawn_stage stage, int error)
{
    struct report report;

    child->report.error = error;
    child->report.stage = stage;
    memset(&report, 0, sizeof report);
    report.ran = true;
    report.error = error;
    report.stage = stage;
    (void)syscall(SYS_write, child->told, &report, sizeof report);
    _exit(COMMAND_FAILED);
}

/* Those that are caught, and SIGPIPE, which many programs ignore for themselves only. What else is ignored
 * stays so, as nohup(1) wants it. */
IN_CHILD void reset_signals(void)
{
    struct sigaction action;

    for (int number = 1; number <= LAST_SIGNAL; number++) {
        if (sigaction(number, NULL, &action) == 0 &&
            (action.sa_handler != SIG_IGN || number == SIGPIPE) && action.sa_handler != SIG_DFL) {
            action.sa_handler = SIG_DFL;
            action.sa_flags = 0;
            (void)sigaction(number, &action, NULL);
        }
    }
}

/* A parent that has ended by now tells of it no more. */
IN_CHILD int follow_parent(const struct child *child)
{
    if (child->spawn->death_signal == 0) {
        return 0;
    }
    if (prctl(PR_SET_PDEATHSIG, (unsigned long)child->spawn->death_signal) < 0) {
        return -errno;
    }
    return getppid() == child->parent ? 0 : -ESRCH;
}

IN_CHILD int set_session(const struct eddy_sys_spawn *spawn)
{
    if (spawn->session) {
        return setsid() < 0 ? -errno : 0;
    }
    return spawn->group && setpgid(0, 0) < 0 ? -errno : 0;
}

/* Before Linux 5.11 one by one; what lies above the limit of fds by now is not found then. */
IN_CHILD void close_others(void)
{
    struct rlimit limit = {MOST_FDS, MOST_FDS};

    if (syscall(SYS_close_range, FIRST_FD, ~0u, CLOSE_ON_EXEC) == 0) {
        return;
    }
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = FIRST_FD; fd < MOST_FDS && (rlim_t)fd < limit.rlim_cur; fd++) {
        (void)fd_control(fd, F_SETFD, FD_CLOEXEC);
    }
}

/* All are moved out of the way first, for one may stand where another is to go. */
IN_CHILD int set_fds(struct child *child, int moved[EDDY_MOST_CHILD_FDS])
{
    const struct eddy_sys_spawn *spawn = child->spawn;

    child->told = fd_control(child->told, F_DUPFD_CLOEXEC, child->above);
    if (child->told < 0) {
        return -errno;
    }
    for (size_t i = 0; i < spawn->fd_count; i++) {
        moved[i] = fd_control(spawn->fds[i].from, F_DUPFD_CLOEXEC, child->above);
        if (moved[i] < 0) {
            return -errno;
        }
    }
    if (!spawn->keep_fds) {
        close_others();
    }
    for (size_t i = 0; i < spawn->fd_count; i++) {
        if (syscall(SYS_dup3, moved[i], spawn->fds[i].to, 0) < 0) {
            return -errno;
        }
    }
    return 0;
}

/* The next directory of a path and the file in it, as execvp(3) has it: an empty one is the present. NULL:
 * it is too long. */
IN_CHILD const char *join_path(char buffer[PATH_MAX], const char *directory, size_t length,
                               const char *file, size_t file_length)
{
    size_t used = 0;

    if (length + 1 + file_length >= PATH_MAX) {
        return NULL;
    }
    for (; used < length; used++) {
        buffer[used] = directory[used];
    }
    if (length > 0) {
        buffer[used++] = '/';
    }
    for (size_t i = 0; i <= file_length; i++) {
        buffer[used + i] = file[i];
    }
    return buffer;
}

/* Returns only if there is no such command, or it cannot be run. */
IN_CHILD int run_command(const struct eddy_sys_spawn *spawn)
{
    char buffer[PATH_MAX];
    const char *directory = spawn->path;
    size_t file_length = 0;
    bool has_slash = false;
    int error = -ENOENT;

    for (; spawn->file[file_length] != '\0'; file_length++) {
        has_slash = has_slash || spawn->file[file_length] == '/';
    }
    if (has_slash || file_length == 0) {
        (void)execve(spawn->file, spawn->argv, spawn->environment);
        return -errno;
    }
    for (;;) {
        size_t length = 0;
        const char *name;
        while (directory[length] != '\0' && directory[length] != ':') {
            length++;
        }
        name = join_path(buffer, directory, length, spawn->file, file_length);
        if (name == NULL) {
            error = -ENAMETOOLONG;
        } else {
            (void)execve(name, spawn->argv, spawn->environment);
            if (errno == EACCES) {
                error = -EACCES; /* told if there is no other */
            } else if (errno != ENOENT && errno != ENOTDIR) {
                return -errno;
            }
        }
        if (directory[length] == '\0') {
            return error;
        }
        directory += length + 1;
    }
}

IN_CHILD int become(void *argument)
{
    struct child *child = argument;
    const struct eddy_sys_spawn *spawn = child->spawn;
    int moved[EDDY_MOST_CHILD_FDS];
    sigset_t none;
    int error;

    child->report.ran = true;
    reset_signals();
    error = follow_parent(child);
    error = error == 0 ? set_session(spawn) : error;
    error = error == 0 ? set_fds(child, moved) : error;
    if (error < 0) {
        fail(child, EDDY_SPAWN_CHILD, error);
    }
    if (spawn->directory != NULL && chdir(spawn->directory) < 0) {
        fail(child, EDDY_SPAWN_DIRECTORY, -errno);
    }
    error = spawn->in_child != NULL ? spawn->in_child(spawn->in_child_user) : 0;
    if (error < 0) {
        fail(child, EDDY_SPAWN_HOOK, error);
    }
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    fail(child, EDDY_SPAWN_EXEC, run_command(spawn));
    return COMMAND_FAILED;
}

/* ---- in the parent */

/* A kernel that knows pidfds says of another fd that it is none. */
static int check_pidfds(int other_fd)
{
    siginfo_t info;

    return waitid((idtype_t)EDDY_P_PIDFD, (id_t)other_fd, &info, WEXITED | WNOHANG) < 0 &&
                   errno == EBADF
               ? 0
               : -ENOSYS;
}

/* 0, or what the child has told; it has become its command, or has ended. */
static int hear(const struct child *child, int pipe_end, struct report *report)
{
    ssize_t count;

    if (child->report.ran) {
        report->error = child->report.error;
        report->stage = child->report.stage;
        return report->error;
    }
    do {
        count = read(pipe_end, report, sizeof *report);
    } while (count < 0 && errno == EINTR);
    return count == (ssize_t)sizeof *report ? report->error : 0;
}

static void reap(pid_t pid)
{
    siginfo_t info;

    while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0 && errno == EINTR) {}
}

static int clone_with(struct child *child, char *stack, int flags, int *pidfd)
{
    int pid = CLONE(become, stack + STACK, flags | CLONE_VM | CLONE_VFORK | SIGCHLD, child, pidfd,
                    NULL, NULL);

    return pid < 0 ? -errno : pid;
}

/* Old emulators refuse to make a pidfd with the child. */
static int clone_child(struct child *child, char *stack, int *pidfd)
{
    sigset_t all;
    sigset_t old;
    int pid;

    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, &old) < 0) {
        return -errno;
    }
    *pidfd = -1;
    pid = clone_with(child, stack, CLONE_PIDFD, pidfd);
    if (pid == -EINVAL) {
        pid = clone_with(child, stack, 0, pidfd);
    }
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    return pid;
}

/* An emulator may make the child, and leave the pidfd out. */
static int made(struct eddy_sys_spawn *spawn, const struct child *child, int pipe_end, int pidfd)
{
    struct report report = {.error = 0};
    int error = hear(child, pipe_end, &report);

    if (error == 0 && pidfd < 0) {
        pidfd = (int)syscall(SYS_pidfd_open, spawn->pid, 0);
        if (pidfd < 0) {
            error = -errno;
            report.stage = EDDY_SPAWN_FORK;
            (void)kill(spawn->pid, SIGKILL);
        }
    }
    if (error == 0) {
        return pidfd;
    }
    spawn->stage = report.stage;
    reap(spawn->pid);
    if (pidfd >= 0) {
        (void)close(pidfd);
    }
    return error;
}

static int run_child(struct eddy_sys_spawn *spawn, struct child *child, const int ends[2])
{
    void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK,
                       -1, (off_t)0);
    int pidfd;
    int result;

    if (stack == MAP_FAILED) {
        result = -errno;
        (void)close(ends[1]);
        return result;
    }
    child->told = ends[1];
    result = clone_child(child, stack, &pidfd);
    (void)munmap(stack, STACK);
    (void)close(ends[1]); /* or its end would never come */
    if (result < 0) {
        return result;
    }
    spawn->pid = result;
    return made(spawn, child, ends[0], pidfd);
}

int eddy_sys_spawn(const struct eddy_sys *sys, struct eddy_sys_spawn *spawn)
{
    struct child child = {.spawn = spawn, .parent = getpid(), .above = FIRST_FD};
    int ends[2];
    int result;

    (void)sys;
    for (size_t i = 0; i < spawn->fd_count; i++) {
        child.above = spawn->fds[i].to >= child.above ? spawn->fds[i].to + 1 : child.above;
    }
    spawn->stage = EDDY_SPAWN_FORK;
    if (spawn->fd_count > EDDY_MOST_CHILD_FDS) {
        return -EINVAL;
    }
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return -errno;
    }
    result = check_pidfds(ends[0]);
    if (result == 0) {
        result = run_child(spawn, &child, ends);
    } else {
        (void)close(ends[1]);
    }
    (void)close(ends[0]);
    return result;
}
