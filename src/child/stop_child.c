/*
 * Ending a child: asked first, then killed.
 *
 * Waiting for the end comes in any case, for a child that is left behind is what this is against. So a
 * cancel of it does not end it, but its patience.
 */
#include <signal.h>

#include "child/child_internal.h"
#include "eddy/deadline.h"

eddy_frame(stop) {
    eddy_coro co;
    eddy_process *process;
    int64_t grace;
    int64_t status;
    bool close; /* afterwards */
};

static bool runs(const eddy_process *process)
{
    return process->child != NULL && process->child->status == EDDY_CHILD_RUNS;
}

/* What is left of its group goes with it, whichever way the leader ends. */
static void terminate(const eddy_process *process)
{
    struct eddy_child *child = process->child;

    child->doomed = true;
    (void)eddy_child_signal(child, SIGTERM);
    (void)eddy_child_signal(child, SIGCONT);
}

/* Nothing more can be done about one that may not be killed. */
static int64_t kill_child(const eddy_process *process)
{
    return runs(process) ? eddy_child_kill(process->child) : 0;
}

static void stop(eddy_coro *co)
{
    eddy_begin(stop);
    if (runs(self->process)) {
        terminate(self->process);
        eddy_catch(self->status,
                   eddy_wait_for(co, self->grace, eddy_process_wait(co, self->process)));
        if (self->status != -ETIMEDOUT) {
            eddy_return(self->status);
        }
        self->status = kill_child(self->process);
        if (self->status < 0) {
            eddy_return(self->status);
        }
    }
    eddy_await(self->status, eddy_process_wait(co, self->process));
    eddy_return(self->status);
eddy_finally:
    if (co->outcome == -ECANCELED && kill_child(self->process) == 0) {
        eddy_catch(self->status, eddy_process_wait(co, self->process));
    }
    if (self->close) {
        eddy_process_close(self->process);
    }
    eddy_end;
}

int64_t eddy_process_stop(eddy_coro *co, eddy_process *process, int64_t grace)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (process->child == NULL || grace < 0) {
        return eddy_complete(co, process->child == NULL ? -EBADF : -EINVAL);
    }
    if (eddy_loop_forked(process->child->loop)) {
        return eddy_complete(co, -ECHILD);
    }
    eddy_check_pointer(co, process);
    return eddy_call(co, stop, .process = process, .grace = grace);
}

/* Without memory for the frame it is killed at once. */
int64_t eddy_process_leave_(eddy_coro *co, struct eddy_scope *scope)
{
    eddy_process *process = scope->object;
    int64_t result = 0;

    if (scope->leaving != EDDY_LEAVE_CUT_OFF_ && runs(process)) {
        result =
            eddy_call(co, stop, .process = process, .grace = process->child->grace, .close = true);
    }
    if (result != EDDY_PENDING) {
        eddy_process_close(process);
    }
    return result;
}
