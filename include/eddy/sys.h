/*
 * The system calls that the library uses, as a table.
 *
 * The default table calls libc. A test hands its own to eddy_loop_new, which injects failures,
 * short reads, children that are none or a whole simulated network. Every function gets the table itself first, so that
 * a replacement can keep its state around it (make the table the first member of a struct), and
 * returns the call's result or a negated errno; none ever sets errno for its caller to read. The
 * man page of the same name (section 2) says what each does. Those of files, signal_mask, fcntl and
 * getaddrinfo are called from several threads, by work that is offloaded.
 */
#ifndef EDDY_SYS_H
#define EDDY_SYS_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "eddy/result.h"

#ifdef __cplusplus
extern "C" {
#endif

struct addrinfo;
struct mmsghdr;

/* What a file is (fstatat(2)), of the same size for every program on a machine. */
struct eddy_file_info {
    int64_t size;     /* bytes */
    int64_t modified; /* nanoseconds since 1970 */
    uint64_t device;  /* the two say whether two files are the same */
    uint64_t inode;
    mode_t mode; /* kind and permissions: S_ISREG(mode), S_ISDIR(mode) */
};

/* An fd that a child is to have: `from`, the parent's, becomes the child's `to`. */
struct eddy_child_fd {
    int from;
    int to;
};

enum { EDDY_MOST_CHILD_FDS = 64 };

/* Where a child has failed to become its command. */
enum eddy_spawn_stage {
    EDDY_SPAWN_FORK,  /* there is no child: no memory, no pid, no fd */
    EDDY_SPAWN_CHILD, /* its session, group or fds */
    EDDY_SPAWN_DIRECTORY,
    EDDY_SPAWN_HOOK,
    EDDY_SPAWN_EXEC
};

/* How a child has ended, as waitid(2) says it. */
struct eddy_waited {
    pid_t pid;
    int code;   /* CLD_EXITED, ... */
    int status; /* its exit code, or the signal */
};

/* A child that is to be: all that it does before exec, in this order. */
struct eddy_sys_spawn {
    bool session;          /* setsid(2) */
    bool group;            /* a process group of its own: setpgid(2) */
    bool keep_fds;         /* those without FD_CLOEXEC stay open; else only 0, 1, 2 and `fds` */
    int death_signal;      /* what it gets when the thread that spawns it ends; 0: nothing */
    const char *directory; /* chdir(2); NULL: the parent's */
    size_t fd_count;       /* at most EDDY_MOST_CHILD_FDS */
    const struct eddy_child_fd *fds;
    int (*in_child)(
        void *user); /* a negated errno is the error of the spawn; NULL: nothing to call */
    void *in_child_user;
    const char *file; /* with a '/': a path; else a name that is looked for in `path` */
    const char *path; /* directories, with ':' between */
    char *const *argv;
    char *const *environment;

    pid_t pid;                   /* set by the call: the child's */
    enum eddy_spawn_stage stage; /* set by the call, if it fails: where */
};

struct eddy_sys {
    /* Nanoseconds of a clock (clock_gettime(2)). */
    int64_t (*clock_now)(const struct eddy_sys *sys, clockid_t clock);

    int (*epoll_create)(const struct eddy_sys *sys); /* with EPOLL_CLOEXEC */
    int (*epoll_ctl)(const struct eddy_sys *sys, int epoll, int op, int fd,
                     struct epoll_event *event);
    /* Waits at most `timeout` nanoseconds; < 0 is for ever. -ENOSYS: the kernel has no
     * epoll_pwait2. */
    int (*epoll_pwait2)(const struct eddy_sys *sys, int epoll, struct epoll_event *events, int most,
                        int64_t timeout);
    int (*epoll_wait)(const struct eddy_sys *sys, int epoll, struct epoll_event *events, int most,
                      int milliseconds);
    /* kcmp(2) of this process with KCMP_EPOLL_TFD: 0 if `fd` is the file that is registered in the
     * set under that number, the `nth` (from 0) of several; 1 or more if it is another; -ENOENT: there
     * is no such registration; -ENOSYS, -EPERM: the kernel does not tell. Linux 4.13. */
    int (*kcmp_epoll)(const struct eddy_sys *sys, int fd, int epoll, uint32_t nth);

    int (*eventfd)(const struct eddy_sys *sys); /* nonblocking, close-on-exec, at 0 */
    int (*timerfd_create)(const struct eddy_sys *sys, clockid_t clock); /* likewise */
    /* Sets an absolute time of that clock in nanoseconds; 0 disarms. */
    int (*timerfd_settime)(const struct eddy_sys *sys, int fd, int64_t deadline);
    int (*signalfd)(const struct eddy_sys *sys, int fd, const sigset_t *set);
    int (*signal_mask)(const struct eddy_sys *sys, int how, const sigset_t *set, sigset_t *old);
    /* sigaction(2): 1 if the signal is ignored (SIG_IGN), else 0. */
    int (*signal_ignored)(const struct eddy_sys *sys, int number);

    int (*socket)(const struct eddy_sys *sys, int domain, int type, int protocol);
    int (*bind)(const struct eddy_sys *sys, int fd, const struct sockaddr *address, socklen_t size);
    int (*listen)(const struct eddy_sys *sys, int fd, int backlog);
    /* With the peer's address, also of one that has reset the connection by now. */
    int (*accept4)(const struct eddy_sys *sys, int fd, struct sockaddr *address, socklen_t *size,
                   int flags);
    int (*connect)(const struct eddy_sys *sys, int fd, const struct sockaddr *address,
                   socklen_t size);
    int (*shutdown)(const struct eddy_sys *sys, int fd, int how);
    int (*getsockopt)(const struct eddy_sys *sys, int fd, int level, int name, void *value,
                      socklen_t *size);
    int (*setsockopt)(const struct eddy_sys *sys, int fd, int level, int name, const void *value,
                      socklen_t size);
    int (*getsockname)(const struct eddy_sys *sys, int fd, struct sockaddr *address,
                       socklen_t *size);
    int (*getpeername)(const struct eddy_sys *sys, int fd, struct sockaddr *address,
                       socklen_t *size);

    ssize_t (*read)(const struct eddy_sys *sys, int fd, void *buffer, size_t size);
    ssize_t (*write)(const struct eddy_sys *sys, int fd, const void *buffer, size_t size);
    /* For sockets: send(2) with MSG_NOSIGNAL, so that a vanished peer is -EPIPE and no signal. */
    ssize_t (*send)(const struct eddy_sys *sys, int fd, const void *buffer, size_t size);
    /* Likewise, several pieces: sendmsg(2). */
    ssize_t (*sendv)(const struct eddy_sys *sys, int fd, struct iovec *pieces, int count);
    /* For what is no socket: writev(2) that raises no SIGPIPE. The first asks the kernel for that, by
     * pwritev2(2) with RWF_NOSIGNAL: -EOPNOTSUPP, -EINVAL or -ENOSYS before Linux 6.18. The second blocks
     * the signal in the thread meanwhile, and takes it if it has come. */
    ssize_t (*writev_nosignal)(const struct eddy_sys *sys, int fd, const struct iovec *pieces,
                               int count);
    ssize_t (*writev_masked)(const struct eddy_sys *sys, int fd, const struct iovec *pieces,
                             int count);
    /* From a file at that offset to a socket: sendfile(2), and raises no SIGPIPE. 0: the file ends there. */
    ssize_t (*sendfile)(const struct eddy_sys *sys, int to, int from, int64_t offset, size_t size);
    ssize_t (*pread)(const struct eddy_sys *sys, int fd, void *buffer, size_t size, int64_t offset);
    /* 0: a terminal, but not the master's end of one; -ENOTTY. */
    int (*terminal)(const struct eddy_sys *sys, int fd);
    /* kcmp(2) of this process with KCMP_FILE: 0 if both are the same open file description. */
    int (*kcmp_file)(const struct eddy_sys *sys, int fd, int other);
    /* sendmsg(2) with MSG_NOSIGNAL, recvmsg(2): with what goes beside the bytes. Of a message for
     * recvmsg the lengths say how much room there is, and then how much came. */
    ssize_t (*sendmsg)(const struct eddy_sys *sys, int fd, const struct msghdr *message, int flags);
    ssize_t (*recvmsg)(const struct eddy_sys *sys, int fd, struct msghdr *message, int flags);
    /* sendmmsg(2), recvmmsg(2) without a time-out: many at once, of at most 1024. */
    int (*sendmmsg)(const struct eddy_sys *sys, int fd, struct mmsghdr *messages, unsigned count,
                    int flags);
    int (*recvmmsg)(const struct eddy_sys *sys, int fd, struct mmsghdr *messages, unsigned count,
                    int flags);
    /* How many bytes that were sent the peer has not taken yet: ioctl(2) with TIOCOUTQ; of a pipe with
     * FIONREAD. */
    int (*unsent)(const struct eddy_sys *sys, int fd, int *bytes);
    int (*fcntl)(const struct eddy_sys *sys, int fd, int command, int argument);
    pid_t (*getpid)(const struct eddy_sys *sys);
    /* Private, readable and writable zeroed memory in *memory: MAP_PRIVATE | MAP_ANONYMOUS. */
    int (*mmap)(const struct eddy_sys *sys, size_t size, void **memory);
    int (*munmap)(const struct eddy_sys *sys, void *memory, size_t size);
    /* MADV_WIPEONFORK: a child process sees the memory zeroed. */
    int (*madvise_wipe_on_fork)(const struct eddy_sys *sys, void *memory, size_t size);
    int (*dup3)(const struct eddy_sys *sys, int from, int to); /* with O_CLOEXEC */
    int (*close)(const struct eddy_sys *sys, int fd);

    int (*open)(const struct eddy_sys *sys, const char *path, int flags, mode_t mode);
    /* st_size and st_mode */
    int (*fstat)(const struct eddy_sys *sys, int fd, int64_t *size, mode_t *mode);
    /* st_dev and st_ino */
    int (*lstat)(const struct eddy_sys *sys, const char *path, uint64_t *device, uint64_t *inode);
    int (*fchmod)(const struct eddy_sys *sys, int fd, mode_t mode);
    int (*fsync)(const struct eddy_sys *sys, int fd);
    int (*rename)(const struct eddy_sys *sys, const char *from, const char *to);
    int (*unlink)(const struct eddy_sys *sys, const char *path);
    int (*mkdir)(const struct eddy_sys *sys, const char *path, mode_t mode);
    int (*rmdir)(const struct eddy_sys *sys, const char *path);
    ssize_t (*pwrite)(const struct eddy_sys *sys, int fd, const void *buffer, size_t size,
                      int64_t offset);
    int (*ftruncate)(const struct eddy_sys *sys, int fd, int64_t size);
    int (*fdatasync)(const struct eddy_sys *sys, int fd);
    /* Relative to `fd`, which may be AT_FDCWD; flags as in the man page. */
    int (*fstatat)(const struct eddy_sys *sys, int fd, const char *path,
                   struct eddy_file_info *info, int flags);
    /* getdents64(2): fills the buffer with records of names; 0: there are no more. */
    ssize_t (*getdents)(const struct eddy_sys *sys, int fd, void *buffer, size_t size);

    int (*pipe)(const struct eddy_sys *sys, int ends[2]); /* with O_CLOEXEC */
    /* A child with all signals as they are by default (ignored ones stay so, but for SIGPIPE) and none
     * blocked, which runs the command by now: its pidfd, or the error of what it could not do, and then
     * there is no child. -ENOSYS: the kernel has no pidfds (Linux 5.4). */
    int (*spawn)(const struct eddy_sys *sys, struct eddy_sys_spawn *spawn);
    /* What siginfo_t says; `pid` 0: it has not ended (WNOHANG). */
    int (*waitid)(const struct eddy_sys *sys, int kind, int id, int options,
                  struct eddy_waited *waited);
    int (*pidfd_open)(const struct eddy_sys *sys, pid_t pid);
    int (*pidfd_send_signal)(const struct eddy_sys *sys, int pidfd, int signal, unsigned flags);
    int (*kill)(const struct eddy_sys *sys, pid_t pid, int signal);

    int (*inotify_init)(const struct eddy_sys *sys); /* nonblocking, close-on-exec */
    int (*inotify_add_watch)(const struct eddy_sys *sys, int fd, const char *path, uint32_t mask);
    int (*inotify_rm_watch)(const struct eddy_sys *sys, int fd, int number);

    /* NULL, as in the default table: the module that needs them calls libc itself, so that no
     * program is linked with threads or the resolver because of this table. */
    int (*thread_create)(const struct eddy_sys *sys, pthread_t *thread, void *(*function)(void *),
                         void *argument);
    /* Returns what getaddrinfo(3) does, which is no errno; *error is that of EAI_SYSTEM. */
    int (*getaddrinfo)(const struct eddy_sys *sys, const char *host, const struct addrinfo *hints,
                       struct addrinfo **results, int *error);
    void (*freeaddrinfo)(const struct eddy_sys *sys, struct addrinfo *results);
};

/* The table that calls libc. */
EDDY_API const struct eddy_sys *eddy_sys_default(void);

#ifdef __cplusplus
}
#endif

#endif
