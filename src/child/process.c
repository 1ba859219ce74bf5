/*
 * The life of a child, from its first moment to its last.
 *
 *     state      process   io        status    left by
 *     running    set       started   RUNS      its end; closing; detaching
 *     ended      set       stopped   known     closing: freed
 *     orphaned   NULL      started   RUNS      its end: freed. It was killed (doomed) or detached (let_go)
 *
 * The end of a child makes its pidfd readable, and it is reaped at once, also if nobody waits: the
 * status is kept here, and the pidfd closed. Until then its pid is its own, for only its parent may
 * reap it, so that a signal by the pid reaches nobody else. The pid of a group is that of its leader;
 * what is left of a group that is to die is killed just before the leader is reaped, while the number is
 * still taken.
 *
 * Who waits is in the child's line. A wait that is cancelled takes nothing away.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/duration.h"
#include "base/spawn.h"
#include "child/child_internal.h"

/* ---- the record */

void eddy_child_free(struct eddy_child *child)
{
    eddy_list_remove(&child->link);
    eddy_pool_give(&child->loop->pool, child, child->pool_class);
}

void eddy_child_part(struct eddy_child *child)
{
    eddy_process *process = child->process;

    if (process != NULL) {
        if (eddy_link_used(&process->guard)) {
            eddy_list_remove(&process->guard);
        }
        process->child = NULL;
        child->process = NULL;
    }
}

/* ---- its end */

static void wake_all(struct eddy_child *child, int64_t result)
{
    struct eddy_task_record *task;

    while ((task = eddy_waiters_first(&child->waiting)) != NULL) {
        child->loop->references--;
        eddy_wake(task, result);
    }
}

static void close_pidfd(struct eddy_child *child)
{
    int fd = child->io.fd;

    if (eddy_io_started(&child->io) && eddy_io_release(&child->io)) {
        (void)child->loop->sys->close(child->loop->sys, fd);
    }
}

void eddy_child_ended(struct eddy_child *child, int64_t status)
{
    close_pidfd(child);
    child->status = status;
    child->loop->counts.children--;
    wake_all(child, status);
    if (child->process == NULL) {
        eddy_child_free(child);
    }
}

/* Asks how it has ended; RUNS: it has not, or who asks is to ask again. */
static int64_t ask(const struct eddy_child *child, int options)
{
    const struct eddy_sys *sys = child->loop->sys;
    struct eddy_waited end = {0, 0, 0};
    int result = sys->waitid(sys, EDDY_P_PIDFD, child->io.fd, WEXITED | options, &end);

    if (result < 0) {
        return result == -EINTR ? EDDY_CHILD_RUNS : result;
    }
    return end.pid == 0             ? EDDY_CHILD_RUNS
           : end.code == CLD_EXITED ? end.status & 0xff
                                    : (int64_t)end.status << 8;
}

/* Nobody of a group that is to die may be left when its number is free. */
static void end_group(struct eddy_child *child)
{
    if (child->group && child->doomed) {
        (void)eddy_child_signal(child, SIGKILL);
    }
}

/* Somebody has closed the pidfd. The pid is still the child's: nobody else may reap it. */
static void reopen(struct eddy_child *child)
{
    eddy_loop *loop = child->loop;
    int fd;
    int result;

    eddy_io_stop(&child->io);
    fd = eddy_above_stdio(loop, loop->sys->pidfd_open(loop->sys, child->pid));
    result = fd < 0 ? fd : eddy_child_begin(child, fd);
    if (result < 0 && fd >= 0) {
        (void)loop->sys->close(loop->sys, fd);
    }
    if (result < 0) {
        eddy_loop_report(loop, (eddy_task){0}, result,
                         "the loop does not hear of the end of child %d (%s) any more",
                         (int)child->pid, child->name);
        eddy_child_ended(child, result);
    }
}

/* In the middle of the batch of events. */
static void on_pidfd(eddy_io *io, unsigned events)
{
    struct eddy_child *child = io->user;
    int64_t status;

    if (events == EDDY_IO_GONE) {
        reopen(child);
        return;
    }
    end_group(child);
    status = ask(child, WNOHANG);
    if (status != EDDY_CHILD_RUNS) {
        eddy_child_ended(child, status);
    }
}

int eddy_child_begin(struct eddy_child *child, int pidfd)
{
    return eddy_io_watch(child->loop, &child->io, pidfd, EDDY_READ, EDDY_IO_OWN, on_pidfd);
}

void eddy_child_reap(struct eddy_child *child)
{
    int64_t status;

    end_group(child);
    do {
        status = ask(child, 0);
    } while (status == EDDY_CHILD_RUNS);
    eddy_child_ended(child, status);
}

/* ---- signals */

/* By its pid where the kernel cannot do it by the pidfd: it is the child's as long as it is not
 * reaped. */
int eddy_child_signal(struct eddy_child *child, int signal)
{
    const struct eddy_sys *sys = child->loop->sys;
    unsigned flags = child->group ? EDDY_PIDFD_SIGNAL_GROUP : 0;
    int result = sys->pidfd_send_signal(sys, child->io.fd, signal, flags);

    if (result == -ENOSYS || result == -EPERM || (result == -EINVAL && child->group)) {
        result = sys->kill(sys, child->group ? -child->pid : child->pid, signal);
    }
    return result;
}

int eddy_child_kill(struct eddy_child *child)
{
    int result = eddy_child_signal(child, SIGKILL);
    bool known = child->let_go;

    if (result == -ESRCH) { /* it has ended, and the loop has not heard of it */
        result = 0;
    }
    child->doomed = result == 0;
    child->let_go = result < 0;
    if (result < 0 && !known) {
        eddy_loop_report(child->loop, (eddy_task){0}, result,
                         "child %d (%s) could not be killed, and runs on", (int)child->pid,
                         child->name);
    }
    return result;
}

int eddy_process_signal(eddy_process *process, int signal)
{
    struct eddy_child *child = process->child;
    int result;

    if (child == NULL) {
        return -EBADF;
    }
    eddy_loop_here(child->loop, __func__);
    if (eddy_loop_forked(child->loop)) {
        return -ECHILD;
    }
    if (child->status != EDDY_CHILD_RUNS) {
        return -ESRCH;
    }
    result = eddy_child_signal(child, signal);
    child->doomed = child->doomed || (result == 0 && signal == SIGKILL);
    return result;
}

pid_t eddy_process_pid(const eddy_process *process)
{
    const struct eddy_child *child = process->child;

    return child != NULL && child->status == EDDY_CHILD_RUNS ? child->pid : -1;
}

/* ---- waiting */

static int abort_wait(struct eddy_task_record *task)
{
    eddy_task_loop(task)->references--;
    return 1;
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const struct eddy_child *child = task->in.object;
    char age[EDDY_DURATION_TEXT];

    eddy_duration_format(age, eddy_loop_peek_clock(child->loop) - child->since);
    snprintf(text, size, "%d (%s), which runs for %s", (int)child->pid, child->name, age);
}

static const struct eddy_wait_kind process_kind = {
    .name = "process",
    .abort = abort_wait,
    .describe = describe,
};

int64_t eddy_process_wait(eddy_coro *co, eddy_process *process)
{
    struct eddy_child *child = process->child;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (child == NULL || child->status != EDDY_CHILD_RUNS) {
        return eddy_complete(co, child == NULL ? -EBADF : child->status);
    }
    child->loop->references++;
    return eddy_park(co, &process_kind, child, &child->waiting);
}

/* ---- closing */

void eddy_child_close_streams(eddy_process *process)
{
    eddy_stream_close(&process->input);
    eddy_stream_close(&process->output);
    eddy_stream_close(&process->error);
}

/* The loop has it alone now; it is freed when it ends, or now. */
static void orphan(struct eddy_child *child)
{
    eddy_child_close_streams(child->process);
    eddy_child_part(child);
    wake_all(child, -EBADF);
    if (child->status != EDDY_CHILD_RUNS) {
        eddy_child_free(child);
    }
}

void eddy_process_close(eddy_process *process)
{
    struct eddy_child *child = process->child;

    if (child == NULL) {
        return;
    }
    eddy_loop_here(child->loop, __func__);
    if (child->status == EDDY_CHILD_RUNS && !eddy_loop_forked(child->loop)) {
        (void)eddy_child_kill(child);
    }
    orphan(child);
}

int eddy_process_detach(eddy_process *process)
{
    struct eddy_child *child = process->child;

    if (child == NULL) {
        return -EBADF;
    }
    eddy_loop_here(child->loop, __func__);
    child->let_go = true;
    orphan(child);
    return 0;
}
