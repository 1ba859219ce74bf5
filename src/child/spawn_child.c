/*
 * Spawning: what the options mean, as a struct eddy_sys_spawn.
 *
 * Everything that may fail comes before the child, but for what can only be done with its pidfd, which is
 * moved above the standard fds and watched: if that fails, the child is killed again.
 *
 * The operation does its work at once, while the options, which may lie on the C stack, are there. Only
 * its failure is a coroutine, for an error's text is one's to give (eddy_fail).
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/printable.h"
#include "child/child_internal.h"
#include "eddy/error.h"

extern char **environ;

enum {
    STANDARD = 3,
    MOST_MORE_FDS = 32,
    AWAITS_A_SPAWN = 32 /* of a step's share: it takes as long as very many other operations */
};

static const char DEFAULT_PATH[] = "/bin:/usr/bin"; /* that of execvp(3) */
static const int64_t DEFAULT_GRACE = 5 * EDDY_SECOND;

_Static_assert(STANDARD + MOST_MORE_FDS <= EDDY_MOST_CHILD_FDS, "they have room");

/* ---- failing with a text */

struct text {
    char line[112]; /* what an error's text has room for */
};

eddy_frame(spawn_failed) {
    eddy_coro co;
    int64_t error;
    struct text text;
};

static void spawn_failed(eddy_coro *co)
{
    eddy_begin(spawn_failed);
    eddy_fail(co, self->error, "%s", self->text.line);
    eddy_end;
}

static int64_t fail(eddy_coro *co, int64_t error, const struct eddy_process_options *options,
                    enum eddy_spawn_stage stage)
{
    const char *name = options->file != NULL ? options->file : options->argv[0];
    struct text text;

    switch (stage) {
    case EDDY_SPAWN_EXEC:
        snprintf(text.line, sizeof text.line, "cannot run \"%s\"", name);
        break;
    case EDDY_SPAWN_DIRECTORY:
        snprintf(text.line, sizeof text.line, "cannot run \"%s\" in the directory \"%s\"", name,
                 options->directory);
        break;
    case EDDY_SPAWN_HOOK:
        snprintf(text.line, sizeof text.line, "cannot run \"%s\": in_child says so", name);
        break;
    case EDDY_SPAWN_FORK:
    case EDDY_SPAWN_CHILD:
        snprintf(text.line, sizeof text.line, "no child for \"%s\"", name);
        break;
    }
    return eddy_call(co, spawn_failed, .error = error, .text = text);
}

/* ---- what is asked for */

static bool fds_are_valid(const struct eddy_process_options *options)
{
    if (options->fd_count > MOST_MORE_FDS) {
        return false;
    }
    for (size_t i = 0; i < options->fd_count; i++) {
        if (options->fds[i].to < STANDARD) {
            return false;
        }
        for (size_t k = 0; k < i; k++) {
            if (options->fds[k].to == options->fds[i].to) {
                return false;
            }
        }
    }
    return true;
}

static bool stdio_is_valid(const struct eddy_stdio *stdio, bool is_error)
{
    return stdio->kind <= EDDY_STDIO_PIPE || (stdio->kind == EDDY_STDIO_OUTPUT && is_error);
}

static bool options_are_valid(const struct eddy_process_options *options)
{
    const unsigned known = EDDY_PROCESS_GROUP | EDDY_PROCESS_SESSION | EDDY_PROCESS_KEEP_FDS |
                           EDDY_PROCESS_DIES_WITH_PARENT;

    return options->argv != NULL && options->argv[0] != NULL && (options->flags & ~known) == 0 &&
           options->grace >= 0 && stdio_is_valid(&options->input, false) &&
           stdio_is_valid(&options->output, false) && stdio_is_valid(&options->error, true) &&
           fds_are_valid(options);
}

/* ---- standard fds */

/* What is being built. */
struct plan {
    struct eddy_sys_spawn spawn;
    struct eddy_child_fd fds[STANDARD + MOST_MORE_FDS];
    /* What is closed when the child has it: /dev/null, and its ends of pipes. */
    int lent[STANDARD + 1];
    int lent_count;
    int null; /* one of these; -1: not needed */
};

static int lend(struct plan *plan, int fd)
{
    if (fd >= 0) {
        plan->lent[plan->lent_count++] = fd;
    }
    return fd;
}

static void close_lent(eddy_loop *loop, const struct plan *plan)
{
    for (int i = 0; i < plan->lent_count; i++) {
        (void)loop->sys->close(loop->sys, plan->lent[i]);
    }
}

static int open_null(eddy_loop *loop, struct plan *plan)
{
    if (plan->null < 0) {
        plan->null = lend(plan, eddy_above_stdio(loop, loop->sys->open(loop->sys, "/dev/null",
                                                                       O_RDWR | O_CLOEXEC, 0)));
    }
    return plan->null;
}

/* A pipe's end as a stream, which does not block; the other end shares no mode with it. */
static int open_stream(eddy_loop *loop, eddy_stream *stream, int fd)
{
    int result = fd;

    if (result >= 0) {
        result = loop->sys->fcntl(loop->sys, fd, F_SETFL, O_NONBLOCK);
    }
    if (result >= 0) {
        result = eddy_stream_open_(loop, stream, fd, NULL);
    }
    if (result < 0 && fd >= 0) {
        (void)loop->sys->close(loop->sys, fd);
    }
    return result;
}

/* The child's end, or an error. */
static int open_pipe(eddy_loop *loop, struct plan *plan, eddy_stream *stream, bool child_reads)
{
    int ends[2];
    int result = loop->sys->pipe(loop->sys, ends);
    int theirs;

    if (result < 0) {
        return result;
    }
    theirs = lend(plan, eddy_above_stdio(loop, ends[child_reads ? 0 : 1]));
    result = open_stream(loop, stream, eddy_above_stdio(loop, ends[child_reads ? 1 : 0]));
    return result < 0 ? result : theirs;
}

static void add_fd(struct plan *plan, int from, int to)
{
    plan->fds[plan->spawn.fd_count].from = from;
    plan->fds[plan->spawn.fd_count].to = to;
    plan->spawn.fd_count++;
}

/* The parent's fd that the child is to have, or an error. */
static int open_stdio(eddy_loop *loop, struct plan *plan, const struct eddy_stdio *stdio,
                      eddy_stream *stream, bool child_reads)
{
    switch (stdio->kind) {
    case EDDY_STDIO_NULL:
        return open_null(loop, plan);
    case EDDY_STDIO_PIPE:
        return open_pipe(loop, plan, stream, child_reads);
    case EDDY_STDIO_FD:
    case EDDY_STDIO_INHERIT:
    case EDDY_STDIO_OUTPUT:
        break;
    }
    return stdio->fd >= 0 ? stdio->fd : -EBADF;
}

/* 0 or an error. One that is inherited the child has already. */
static int add_stdio(eddy_loop *loop, struct plan *plan, const struct eddy_stdio *stdio,
                     eddy_stream *stream, int to)
{
    int from;

    if (stdio->kind == EDDY_STDIO_INHERIT) {
        return 0;
    }
    from = open_stdio(loop, plan, stdio, stream, to == STDIN_FILENO);
    if (from < 0) {
        return from;
    }
    add_fd(plan, from, to);
    return 0;
}

/* Where standard output goes, which was added last, if it was. */
static void add_output_again(struct plan *plan, const struct eddy_process_options *options)
{
    bool inherited = options->output.kind == EDDY_STDIO_INHERIT;

    add_fd(plan, inherited ? STDOUT_FILENO : plan->fds[plan->spawn.fd_count - 1].from,
           STDERR_FILENO);
}

static int add_fds(eddy_loop *loop, struct plan *plan, eddy_process *process,
                   const struct eddy_process_options *options)
{
    int result = add_stdio(loop, plan, &options->input, &process->input, STDIN_FILENO);

    if (result == 0) {
        result = add_stdio(loop, plan, &options->output, &process->output, STDOUT_FILENO);
    }
    if (result == 0 && options->error.kind == EDDY_STDIO_OUTPUT) {
        add_output_again(plan, options);
    } else if (result == 0) {
        result = add_stdio(loop, plan, &options->error, &process->error, STDERR_FILENO);
    }
    for (size_t i = 0; result == 0 && i < options->fd_count; i++) {
        add_fd(plan, options->fds[i].from, options->fds[i].to);
    }
    return result;
}

/* ---- the command */

/* Where commands are looked for: by the child's environment. */
static const char *path_of(char *const *environment)
{
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, "PATH=", 5) == 0) {
            return *environment + 5;
        }
    }
    return DEFAULT_PATH;
}

static void set_command(struct eddy_sys_spawn *spawn, const struct eddy_process_options *options)
{
    static char *const none[] = {NULL};

    spawn->argv = (char *const *)(uintptr_t)options->argv; /* exec does not change them */
    spawn->file = options->file != NULL ? options->file : options->argv[0];
    spawn->environment = options->environment != NULL
                             ? (char *const *)(uintptr_t)options->environment
                         : environ != NULL ? environ
                                           : none;
    spawn->path = path_of(spawn->environment);
    spawn->directory = options->directory;
    spawn->session = (options->flags & EDDY_PROCESS_SESSION) != 0;
    spawn->group = (options->flags & EDDY_PROCESS_GROUP) != 0;
    spawn->keep_fds = (options->flags & EDDY_PROCESS_KEEP_FDS) != 0;
    spawn->death_signal = (options->flags & EDDY_PROCESS_DIES_WITH_PARENT) != 0 ? SIGKILL : 0;
    spawn->in_child = options->in_child;
    spawn->in_child_user = options->in_child_user;
}

/* The last part of a command's path, as others see it. */
static void set_name(struct eddy_child *child, const char *command)
{
    const char *slash = strrchr(command, '/');

    command = slash != NULL && slash[1] != '\0' ? slash + 1 : command;
    snprintf(child->name, sizeof child->name, "%.*s",
             (int)eddy_whole_characters(command, sizeof child->name - 1), command);
    eddy_make_printable(child->name);
}

/* ---- the operation */

/* Its pidfd is closed, for lack of a number above the standard fds. Its pid is its own until it is reaped. */
static void kill_by_pid(eddy_loop *loop, const struct eddy_sys_spawn *spawn)
{
    bool group = spawn->group || spawn->session;
    struct eddy_waited end;

    if (loop->sys->kill(loop->sys, group ? -spawn->pid : spawn->pid, SIGKILL) == 0) {
        while (loop->sys->waitid(loop->sys, P_PID, spawn->pid, WEXITED, &end) == -EINTR) {}
    }
}

/* The child's pidfd, or an error and where it came from. */
static int run_plan(eddy_loop *loop, eddy_process *process, struct plan *plan,
                    const struct eddy_process_options *options)
{
    int result = add_fds(loop, plan, process, options);

    plan->spawn.stage = EDDY_SPAWN_CHILD;
    if (result == 0) {
        plan->spawn.fds = plan->fds;
        set_command(&plan->spawn, options);
        result = loop->sys->spawn(loop->sys, &plan->spawn);
    }
    if (result >= 0) {
        result = eddy_above_stdio(loop, result);
        if (result < 0) {
            kill_by_pid(loop, &plan->spawn);
        }
    }
    close_lent(loop, plan);
    return result;
}

/* Nobody would hear of its end. */
static void undo(struct eddy_child *child, int pidfd)
{
    child->io.fd = pidfd;
    if (eddy_child_kill(child) == 0) {
        eddy_child_reap(child);
    } else {
        child->loop->counts.children--; /* it runs on, and is the loop's no more */
    }
    (void)child->loop->sys->close(child->loop->sys, pidfd);
}

static int spawn(eddy_loop *loop, struct eddy_child *child, struct plan *plan,
                 const struct eddy_process_options *options)
{
    int pidfd = run_plan(loop, child->process, plan, options);
    int result;

    loop->awaits_left -= AWAITS_A_SPAWN;
    if (pidfd < 0) {
        return pidfd;
    }
    child->pid = plan->spawn.pid;
    child->group = plan->spawn.group || plan->spawn.session;
    child->grace = options->grace > 0 ? options->grace : DEFAULT_GRACE;
    set_name(child, plan->spawn.file);
    loop->counts.children++;
    loop->counts.children_spawned++;
    result = eddy_child_begin(child, pidfd);
    if (result < 0) {
        undo(child, pidfd);
    }
    return result;
}

/* A record for a child that is to be; NULL: no memory. */
static struct eddy_child *new_child(eddy_loop *loop, eddy_process *process)
{
    struct eddy_children *children = eddy_children_of(loop);
    struct eddy_child *child = NULL;
    unsigned pool_class;

    if (children != NULL) {
        child = eddy_pool_take(&loop->pool, sizeof *child, &pool_class);
    }
    if (child == NULL) {
        return NULL;
    }
    memset(child, 0, sizeof *child);
    child->loop = loop;
    child->process = process;
    child->status = EDDY_CHILD_RUNS;
    child->since = eddy_loop_now_inline(loop);
    child->pool_class = pool_class;
    child->io.user = child;
    eddy_list_append(&children->list, &child->link);
    return child;
}

/* 0 or an error; of that `stage` says where it came from. */
static int begin(struct eddy_task_record *task, eddy_process *process, struct plan *plan,
                 const struct eddy_process_options *options)
{
    eddy_loop *loop = eddy_task_loop(task);
    struct eddy_child *child = new_child(loop, process);
    int result;

    plan->spawn.stage = EDDY_SPAWN_FORK;
    if (child == NULL) {
        return -ENOMEM;
    }
    result = eddy_guard_add(task, &process->guard);
    if (result == 0) {
        process->child = child;
        result = spawn(loop, child, plan, options);
    }
    if (result < 0) {
        eddy_child_part(child);
        eddy_child_free(child);
        eddy_child_close_streams(process);
    }
    return result;
}

int64_t eddy_child_spawn(eddy_coro *co, eddy_process *process,
                         const struct eddy_process_options *options)
{
    struct plan plan = {.null = -1};
    int result;

    if (eddy_process_is_open(process) || !options_are_valid(options)) {
        return eddy_complete(co, -EINVAL);
    }
    if (eddy_loop_forked(eddy_task_loop(co->task))) {
        return eddy_complete(co, -ECHILD);
    }
    result = begin(co->task, process, &plan, options);
    return result < 0 ? fail(co, result, options, plan.spawn.stage) : eddy_complete(co, 0);
}

int64_t eddy_process_spawn(eddy_coro *co, eddy_process *process,
                           const struct eddy_process_options *options)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    eddy_check_pointer(co, process);
    return eddy_child_spawn(co, process, options);
}
