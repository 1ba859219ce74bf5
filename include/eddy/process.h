/*
 * Child processes: started, waited for, signalled and ended, as awaits.
 *
 *     static const char *const command[] = {"sort", "-n", NULL};
 *
 *     eddy_with_process(&self->sort, eddy_process_spawn(co, &self->sort,
 *                       &(struct eddy_process_options){.argv = command, .input = {EDDY_STDIO_PIPE},
 *                                                      .output = {EDDY_STDIO_PIPE}})) {
 *         eddy_await(eddy_write(co, &self->sort.input, self->numbers, self->size));
 *         eddy_stream_close(&self->sort.input);
 *         eddy_await(self->size, eddy_read(co, &self->sort.output, self->buffer, sizeof self->buffer));
 *         eddy_await(self->status, eddy_process_wait(co, &self->sort));
 *     }
 *
 * However the block is left, afterwards there is no child: one that still runs is asked to end
 * (SIGTERM), killed after a grace, and waited for.
 *
 * The loop hears of a child's end by its pidfd (pidfd_open(2)): no handler for SIGCHLD is needed or set,
 * and only the loop's own children are waited for. Each is reaped when it ends, whether somebody waits
 * for it or not, so there are no zombies. If the program waits for any child itself (waitpid(2) with
 * -1), or ignores SIGCHLD, a child's status may be lost: then waiting for it is -ECHILD.
 *
 * The child begins as one of a shell does: with the working directory, the user and the limits of the
 * parent; no signal blocked, none caught, those that are ignored still ignored, but for SIGPIPE. Fds
 * that it was not given are closed, also those that somebody opened without FD_CLOEXEC.
 */
#ifndef EDDY_PROCESS_H
#define EDDY_PROCESS_H

#include <sys/types.h>

#include "eddy/coro.h"
#include "eddy/stream.h"
#include "eddy/sys.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A child. The caller owns the struct, zeroed before it is spawned. A coroutine must not end with an open
 * process in its frame: close it in eddy_finally. */
typedef struct eddy_process {
    /* Open where a pipe was asked for, and closed with the process; the user may close them before. */
    eddy_stream input;        /* what is written becomes the child's standard input */
    eddy_stream output;       /* what the child writes is read here */
    eddy_stream error;        /* likewise of its standard error */
    struct eddy_child *child; /* private; NULL: not open */
    struct eddy_link guard;   /* private */
} eddy_process;

/* What one of the standard fds of a child is. */
enum eddy_stdio_kind {
    EDDY_STDIO_INHERIT, /* what the parent has; closed, if that has none */
    EDDY_STDIO_NULL,    /* /dev/null */
    EDDY_STDIO_FD,      /* `fd`, one of the parent's, which stays the parent's */
    EDDY_STDIO_PIPE,    /* a pipe, whose other end is a stream of the process */
    EDDY_STDIO_OUTPUT   /* of standard error: the same as standard output */
};

struct eddy_stdio {
    enum eddy_stdio_kind kind;
    int fd; /* of EDDY_STDIO_FD */
};

enum eddy_process_flag {
    /* A process group of its own (setpgid(2)): a terminal's Ctrl-C does not reach it, and what is sent to
     * it by the functions below goes to the whole group, so that the children of a shell, say, end with
     * it. */
    EDDY_PROCESS_GROUP = 1 << 0,
    /* Likewise, and a session without a terminal (setsid(2)). */
    EDDY_PROCESS_SESSION = 1 << 1,
    /* The child inherits all fds that do not have FD_CLOEXEC. The library's have it. */
    EDDY_PROCESS_KEEP_FDS = 1 << 2,
    /* The kernel kills it when the thread that has spawned it ends, however that comes about
     * (PR_SET_PDEATHSIG of prctl(2)): it outlasts no parent that crashes. Not the children of the
     * child, and none that changes its user. */
    EDDY_PROCESS_DIES_WITH_PARENT = 1 << 3
};

/* Zeroed, but for argv: a child with the parent's standard fds and environment. All of it is copied, or
 * used up, before eddy_process_spawn returns: it may lie on the C stack. */
struct eddy_process_options {
    /* The command and its arguments, NULL behind the last. */
    const char *const *argv;
    /* The program, if it is not argv[0]. One without '/' is looked for in the PATH of the child's
     * environment, as execvp(3) does. */
    const char *file;
    const char *const *environment; /* "NAME=value", NULL behind the last; NULL: the parent's */
    const char *directory; /* where it begins; NULL: where the parent is. A relative file is then
                            * relative to that. */
    struct eddy_stdio input;
    struct eddy_stdio output;
    struct eddy_stdio error;
    const struct eddy_child_fd *fds; /* more fds for it, each under a number of 3 or more */
    size_t fd_count;                 /* at most 32 */
    unsigned flags;                  /* EDDY_PROCESS_..., or-ed */
    int64_t grace; /* between SIGTERM and SIGKILL, when a block is left; 0: 5 seconds */
    /* Called in the child just before exec, with what its caller wants of setuid(2), setrlimit(2), nice(2)
     * and the like. The memory is the parent's, which stands still meanwhile: async-signal-safe functions
     * only (signal-safety(7)), and nothing may be written that the parent would not like to see. Returns
     * 0, or a negated errno, which is the error of the spawn. */
    int (*in_child)(void *user);
    void *in_child_user;
};

/*
 * Spawns a child. Never waits; the thread stands still until the child has become its command, which
 * takes a part of a millisecond, or, where others keep all processors busy, until it gets one. 0, and the process is open; or an error, and there is no child:
 *
 *   -ENOENT, -EACCES, -ENOEXEC, -E2BIG, -ENOTDIR, ...   of execve(2), or of chdir(2) for the directory:
 *               the text of the error (eddy_error) says which, and names it
 *   -EBADF      an fd is not open; and what else the child could not set up
 *   -EINVAL     no argv, unknown flags, a number of an fd that is below 3 or comes twice, or the process is
 *               open
 *   -EAGAIN, -ENOMEM, -EMFILE, -ENFILE   of clone(2) and pipe(2)
 *   -ENOSYS     the kernel has no pidfds (they came with Linux 5.4)
 *   -ECANCELED  a cancel was pending: nothing was started
 *   -ENOSPC     of epoll_ctl(2); this, -ENOMEM and -EMFILE may also come when the child was running
 *               already, and then it was killed
 */
EDDY_API EDDY_MUST_USE int64_t eddy_process_spawn(eddy_coro *co, eddy_process *process,
                                                  const struct eddy_process_options *options);

/*
 * Waits for the child's end, and returns its status: 0 if it has exited with 0, else more; see below.
 * May be asked any number of times, also by several tasks at once. -EBADF: the process is not
 * open, or was closed meanwhile; -ECHILD: it has ended, but how was told to somebody else; -ECANCELED:
 * the wait alone has ended. The child goes on, and is still the owner's.
 */
EDDY_API EDDY_MUST_USE int64_t eddy_process_wait(eddy_coro *co, eddy_process *process);

/* What a status says: the signal that has killed it, or 0; and its exit code (0..255), or, as a shell
 * has it, 128 and the number of that signal. */
static inline int eddy_status_signal(int64_t status)
{
    return (int)(status >> 8);
}

static inline int eddy_status_code(int64_t status)
{
    return status < 256 ? (int)status : 128 + (int)(status >> 8);
}

/* Sends a signal (kill(2)) to the child, or to its whole group if it has one of its own. 0; -ESRCH: it
 * has ended; -EBADF: the process is not open; -EINVAL: no such signal; -EPERM: it has become another
 * user's; -ECHILD: this is a child of fork(2), and the process is its parent's. */
EDDY_API int eddy_process_signal(eddy_process *process, int signal);

/*
 * Ends the child: sends SIGTERM (and SIGCONT, for one that is stopped would not see it), waits for
 * `grace` nanoseconds at most, sends SIGKILL, and waits for its end. Returns its status as
 * eddy_process_wait does; at once if it has ended. Whatever of its own group is left then is killed
 * with it. A cancel or time-out shortens the grace to nothing: it returns when the child is dead.
 * -EBADF, -ECHILD and -EPERM as above; -ENOMEM: then nothing was sent.
 */
EDDY_API EDDY_MUST_USE int64_t eddy_process_stop(eddy_coro *co, eddy_process *process,
                                                 int64_t grace);

/* Closes the process and its streams. One that still runs is killed (its group, if it has one), and reaped by the loop;
 * who waits for it gets -EBADF. Never suspends. Nothing if it is not open. */
EDDY_API void eddy_process_close(eddy_process *process);

/* Closes the process and its streams, and lets the child run on, also beyond the end of the loop: the loop reaps it if
 * it ends before. 0; -EBADF. */
EDDY_API int eddy_process_detach(eddy_process *process);

/* The child's pid, for others to use while it has not ended; afterwards, and if the process is not open,
 * -1. */
EDDY_API pid_t eddy_process_pid(const eddy_process *process);

static inline int eddy_process_is_open(const eddy_process *process)
{
    return process->child != NULL;
}

/*
 * eddy_with_process(&process, operation) { ... }: spawns by the operation, runs the block, and ends
 * the child however the block is left, by eddy_process_stop with the grace of its options; then the
 * process is closed. How the child ended is not looked at: wait for it in the block. If the operation
 * fails, its error goes on and the block does not run.
 */
#define eddy_with_process(process, operation) \
    EDDY_WITH_OBJECT_(process, eddy_process_leave_, operation)
EDDY_API EDDY_MUST_USE int64_t eddy_process_leave_(eddy_coro *co, struct eddy_scope *scope);

/* ---- running a command from its begin to its end */

/* What a command has written, in memory of the loop's; valid when zeroed. Freed by eddy_output_free before
 * the loop ends. */
struct eddy_output {
    char *bytes;  /* with a '\0' behind the last; NULL: none */
    size_t size;  /* without that */
    size_t limit; /* set by the caller, in bytes: a command that writes more is ended */
    size_t room;  /* private */
};

/* Gives the bytes back; nothing if there are none. */
EDDY_API void eddy_output_free(eddy_loop *loop, struct eddy_output *output);

/*
 * Runs a command: spawns it, writes `input` (`size` bytes; NULL: it has what the options say) to it,
 * collects what it writes, and waits for its end, all at once, so that neither of the two waits for the other
 * for ever. `output` and `error` (NULL: not collected, it goes where the options say) must be empty but for
 * their limit; if they are the same, they get both, as they come. They, and the input, must stay until it has
 * returned; the options need not.
 *
 * Returns the status (eddy_process_wait). That the command did not read all of its input is no
 * error. When it returns, also after an error, there is no child: it was ended by eddy_process_stop with the
 * grace of the options, and what it has written by then is in `output` and `error`. -EFBIG: it has
 * written more than a limit; -EINVAL: an output that is not empty, or a limit of 0; those of
 * eddy_process_spawn, and of the streams; -ENOMEM; -ECANCELED.
 *
 * It ends when all who have the pipes have closed them: a child of the command that goes on with them in the
 * background is waited for. A time-out (eddy_wait_for) ends that too.
 */
EDDY_API EDDY_MUST_USE int64_t eddy_process_run(eddy_coro *co,
                                                const struct eddy_process_options *options,
                                                const void *input, size_t size,
                                                struct eddy_output *output,
                                                struct eddy_output *error);

/*
 * At the end of a loop, children whose process is open are killed, reaped, and told to the error hook,
 * for nobody has closed them. In a child of fork(2) the parent's children are let alone: after
 * eddy_loop_after_fork their processes are ones that have ended, with -ECHILD.
 */

#ifdef __cplusplus
}
#endif

#endif
