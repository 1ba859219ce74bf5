/* Scenarios of child processes: one that is waited for, one in a block, and a command with its pipes. */
#include "scenarios.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "child/child_internal.h"
#include "eddy/process.h"

/*
 * What children do keeps step with the turns: after each, those that were told to end have, and one that
 * has had all of its input has written or ended. So in every turn the loop hears of the same.
 */

static bool has_pipes;

enum { PATIENCE = 20000 }; /* milliseconds; only a failure takes them */

static void await_any(const struct pollfd *fds, nfds_t count)
{
    struct pollfd copy[2];

    memcpy(copy, fds, count * sizeof *fds);
    scenario_assert(poll(copy, count, PATIENCE) > 0);
}

static void follow(const struct eddy_child *child)
{
    const eddy_process *process = child->process;
    struct pollfd fds[2] = {{child->io.fd, POLLIN, 0}, {-1, POLLIN, 0}};

    if (child->status != EDDY_CHILD_RUNS) {
        return;
    }
    if (child->doomed) {
        await_any(fds, 1);
    } else if (process != NULL && has_pipes && !eddy_stream_is_open(&process->input)) {
        fds[1].fd = eddy_stream_is_open(&process->output) ? process->output.io.fd : -1;
        await_any(fds, 2);
    }
}

static void follow_all(void)
{
    const struct eddy_children *children;

    if (testing.loop == NULL || eddy_loop_forked(testing.loop) ||
        testing.loop->counts.children == 0) {
        return;
    }
    children = eddy_children_of(testing.loop);
    for (const struct eddy_link *link = eddy_list_first(&children->list);
         link != NULL && link != &children->list; link = link->next) {
        follow((const struct eddy_child *)(const void *)link);
    }
}

static void begin(void)
{
    has_pipes = false;
    scenario_works_beside(follow_all, NULL);
}

static void begin_with_pipes(void)
{
    begin();
    has_pipes = true;
}

/* All are closed: those that still run were killed, and are the loop's. */
static void check(void)
{
    while (testing.loop->counts.children > 0) {
        follow_all();
        testing_turn();
    }
}

static const struct eddy_process_options long_sleep = {
    .argv = (const char *const[]){"sleep", "1000", NULL}};

eddy_frame(waits_for_child) {
    eddy_coro co;
    int id;
    eddy_process process;
    int64_t status;
};

static void waits_for_child(eddy_coro *co)
{
    eddy_begin(waits_for_child);
    scenario_opened();
    eddy_await(eddy_process_spawn(co, &self->process, &long_sleep));
    eddy_await(eddy_sleep(co, TICK));
    scenario_assert(eddy_process_signal(&self->process, SIGKILL) == 0);
    eddy_await(self->status, eddy_process_wait(co, &self->process));
    scenario_assert(eddy_status_signal(self->status) == SIGKILL);
eddy_finally:
    eddy_process_close(&self->process);
    scenario_closed();
    eddy_end;
}
scenario_role(waits_for_child);

eddy_frame(has_child_in_block) {
    eddy_coro co;
    int id;
    eddy_process process;
};

static void has_child_in_block(eddy_coro *co)
{
    eddy_begin(has_child_in_block);
    eddy_with_process(&self->process, eddy_process_spawn(co, &self->process, &long_sleep))
    {
        eddy_await(eddy_sleep(co, 2 * TICK));
    }
    scenario_assert(!eddy_process_is_open(&self->process));
    eddy_end;
}
scenario_role(has_child_in_block);

eddy_frame(runs_cat) {
    eddy_coro co;
    int id;
    struct eddy_output output;
    int64_t status;
};

static void runs_cat(eddy_coro *co)
{
    eddy_begin(runs_cat);
    scenario_opened();
    self->output.limit = 100;
    eddy_await(self->status,
               eddy_process_run(
                   co, &(struct eddy_process_options){.argv = (const char *const[]){"cat", NULL}},
                   "hello", 5, &self->output, NULL));
    scenario_assert(self->status == 0);
    scenario_assert(strcmp(self->output.bytes, "hello") == 0);
eddy_finally:
    eddy_output_free(eddy_loop_of(co), &self->output);
    scenario_closed();
    eddy_end;
}
scenario_role(runs_cat);

const struct scenario child_scenarios[] = {
    {"a child that is waited for", begin, {play_waits_for_child}, check},
    {"a child in a block", begin, {play_has_child_in_block}, check},
    {"a command", begin_with_pipes, {play_runs_cat}, check},
    {NULL, NULL, {NULL}, NULL},
};
