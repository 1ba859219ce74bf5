/* process.h: children that are spawned, waited for, signalled and ended. */
#include "support/process.h"

#include "eddy/deadline.h"
#include "eddy/error.h"
#include "eddy/event.h"
#include "eddy/gather.h"
#include "eddy/group.h"
#include "eddy/io.h"
#include "eddy/lock.h"
#include "eddy/look.h"
#include "loop/loop_internal.h"

/* ---- how it ended */

test(a_child_that_exits_says_with_what)
{
    assert_int_equal(run_process((struct eddy_process_options)SHELL("exit 0")), 0);
    assert_int_equal(run_process((struct eddy_process_options)SHELL("exit 7")), 7);
    assert_int_equal(run_process((struct eddy_process_options)SHELL("exit 255")), 255);
    assert_int_equal(eddy_status_code(255), 255);
    assert_int_equal(eddy_status_signal(255), 0);
}

test(a_child_that_was_killed_says_by_what)
{
    int64_t status = run_process((struct eddy_process_options)SHELL("kill -9 $$"));

    assert_int_equal(eddy_status_signal(status), SIGKILL);
    assert_int_equal(eddy_status_code(status), 128 + SIGKILL);
}

eddy_frame(asks_late) {
    eddy_coro co;
    eddy_process process;
    int64_t rc;
};

/* As soon as the loop has reaped it. */
static void asks_late(eddy_coro *co)
{
    eddy_begin(asks_late);
    eddy_await(
        eddy_process_spawn(co, &self->process, &(struct eddy_process_options)SHELL("exit 4")));
    assert_true(eddy_process_pid(&self->process) > 0);
    while (eddy_process_pid(&self->process) > 0) {
        eddy_await(eddy_pause(co));
    }
    assert_no_children();
    assert_int_equal(eddy_process_signal(&self->process, SIGTERM), -ESRCH);
    eddy_await(self->rc, eddy_process_wait(co, &self->process));
    testing_log("%lld", (long long)self->rc);
    eddy_await(self->rc, eddy_process_stop(co, &self->process, 0));
    testing_log("%lld", (long long)self->rc);
    eddy_process_close(&self->process);
    eddy_catch(self->rc, eddy_process_wait(co, &self->process));
    eddy_return(self->rc);
    eddy_end;
}

test(a_child_is_reaped_before_anybody_waits_and_its_status_kept)
{
    assert_int_equal(testing_run_task(asks_late), -EBADF);
    testing_assert_log("4 4");
}

/* ---- many */

enum { MANY = 1000 };

eddy_frame(has_many) {
    eddy_coro co;
    int i;
    eddy_process *processes;
    char text[16];
    int64_t rc;
};

static void has_many(eddy_coro *co)
{
    const char *argv[] = {"/bin/sh", "-c", NULL, NULL};

    eddy_begin(has_many);
    for (self->i = 0; self->i < MANY; self->i++) {
        snprintf(self->text, sizeof self->text, self->i % 2 == 0 ? "exit %d" : "kill -%d $$",
                 self->i % 2 == 0   ? self->i % 256
                 : self->i % 4 == 1 ? SIGTERM
                                    : SIGKILL);
        argv[2] = self->text;
        eddy_await(eddy_process_spawn(co, &self->processes[self->i],
                                      &(struct eddy_process_options){.argv = argv}));
    }
    for (self->i = MANY - 1; self->i >= 0; self->i--) {
        eddy_await(self->rc, eddy_process_wait(co, &self->processes[self->i]));
        assert_int_equal(eddy_status_signal(self->rc), self->i % 2 == 0   ? 0
                                                       : self->i % 4 == 1 ? SIGTERM
                                                                          : SIGKILL);
        assert_true(self->i % 2 != 0 || self->rc == self->i % 256);
        eddy_process_close(&self->processes[self->i]);
    }
    assert_no_children();
    eddy_end;
}

test(a_thousand_children_at_once_are_all_reaped_each_with_its_own_status)
{
    struct eddy_metrics metrics;
    static eddy_process processes[MANY];

    memset(processes, 0, sizeof processes);
    assert_int_equal(testing_run_task(has_many, .processes = processes), 0);
    eddy_loop_metrics(testing.loop, &metrics);
    assert_int_equal(metrics.children_spawned, MANY);
    assert_int_equal(metrics.children, 0);
}

/* ---- others */

eddy_frame(fails_on) {
    eddy_coro co;
    eddy_process process;
    int i;
    int64_t rc;
};

static void fails_on(eddy_coro *co)
{
    eddy_begin(fails_on);
    for (self->i = 0; self->i < 12; self->i++) {
        eddy_catch(self->rc, eddy_process_spawn(co, &self->process,
                                                &(struct eddy_process_options){
                                                    .argv = (const char *const[]){"/no", NULL}}));
        testing_log("s");
    }
    eddy_end;
}

eddy_frame_of(takes_turns, int i);

static void takes_turns(eddy_coro *co)
{
    eddy_begin(takes_turns);
    for (self->i = 0; self->i < 3; self->i++) {
        testing_log("turn");
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

/* A spawn takes long for an operation that never waits. */
test(who_spawns_on_and_on_lets_others_have_their_turns)
{
    eddy_task task = eddy_loop_spawn(testing.loop, fails_on);

    assert_int_equal(testing_run_task(takes_turns), 0);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
    testing_assert_log("s s s turn s s s s turn s s s s turn s");
}

/* ---- several that wait, and a wait that is given up */

eddy_frame(waits) {
    eddy_coro co;
    eddy_process *process;
    int64_t limit;
    int64_t rc;
};

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                       eddy_process_wait(co, self->process)));
    testing_log_result("wait", self->rc);
    eddy_return(self->rc);
    eddy_end;
}

eddy_frame(has_waiters) {
    eddy_coro co;
    eddy_process process;
    eddy_task tasks[3];
    int i;
    int64_t rc;
};

static void has_waiters(eddy_coro *co)
{
    eddy_begin(has_waiters);
    eddy_await(eddy_process_spawn(co, &self->process,
                                  &(struct eddy_process_options)SHELL("exec sleep 1000")));
    for (self->i = 0; self->i < 3; self->i++) {
        self->tasks[self->i] = eddy_spawn(co, waits, .process = &self->process);
    }
    eddy_await(eddy_pause(co));
    assert_int_equal(eddy_cancel(self->tasks[1]), 0);
    eddy_catch(self->rc, eddy_join(co, self->tasks[1]));
    assert_true(eddy_process_pid(&self->process) > 0);
    assert_int_equal(eddy_process_signal(&self->process, SIGINT), 0);
    eddy_await(self->rc, eddy_join(co, self->tasks[0]));
    eddy_await(self->rc, eddy_join(co, self->tasks[2]));
eddy_finally:
    eddy_process_close(&self->process);
    eddy_end;
}

test(several_may_wait_and_one_that_gives_up_takes_nothing_away)
{
    assert_int_equal(testing_run_task(has_waiters), 0);
    testing_assert_log("wait=-ECANCELED wait=512 wait=512");
    assert_int_equal(testing.loop->references, 0); /* nobody waits: the loop may end */
}

eddy_frame(gives_up) {
    eddy_coro co;
    eddy_process process;
    int64_t rc;
};

static void gives_up(eddy_coro *co)
{
    eddy_begin(gives_up);
    eddy_await(eddy_process_spawn(co, &self->process,
                                  &(struct eddy_process_options)SHELL("exec sleep 1000")));
    eddy_await(self->rc, eddy_call(co, waits, .process = &self->process, .limit = EDDY_SECOND));
eddy_finally:
    assert_true(eddy_process_pid(&self->process) > 0);
    eddy_process_close(&self->process);
    eddy_end;
}

test(a_time_out_of_a_wait_leaves_the_child_to_its_owner)
{
    assert_int_equal(testing_run_task(gives_up), -ETIMEDOUT);
    testing_assert_log("wait=-ETIMEDOUT");
}

/* ---- stopping */

/* Waits until a byte comes from the child. */
eddy_frame(stops) {
    eddy_coro co;
    const char *line;
    int64_t grace;
    int ends[2];
    eddy_process process;
    unsigned flags;
    bool until_stopped;
    int64_t rc;
};

static void stops(eddy_coro *co)
{
    siginfo_t info;

    eddy_begin(stops);
    testing_pipe(self->ends);
    eddy_await(
        eddy_process_spawn(co, &self->process,
                           &(struct eddy_process_options){
                               .argv = (const char *const[]){"/bin/sh", "-c", self->line, NULL},
                               .output = {EDDY_STDIO_FD, self->ends[1]},
                               .flags = self->flags}));
    eddy_loop_hold(testing.loop); /* time stands until the child is ready */
    eddy_await(eddy_fd_wait(co, self->ends[0], EDDY_READ));
    eddy_loop_release(testing.loop);
    if (self->until_stopped) {
        assert_int_equal(
            waitid(P_PID, (id_t)eddy_process_pid(&self->process), &info, WSTOPPED | WNOWAIT), 0);
    }
    testing_log("stop");
    eddy_await(self->rc, eddy_process_stop(co, &self->process, self->grace));
    eddy_return(self->rc);
eddy_finally:
    close(self->ends[0]);
    close(self->ends[1]);
    eddy_process_close(&self->process);
    eddy_end;
}

test(a_child_that_ends_when_it_is_asked_is_not_killed)
{
    int64_t status;

    eddy_loop_hold(testing.loop); /* or the virtual clock would jump over the grace */
    status = testing_run_task(stops, .grace = 3600 * EDDY_SECOND,
                              .line = "trap 'exit 3' TERM; echo; while :; do sleep 0.01; done");
    eddy_loop_release(testing.loop);
    assert_int_equal(status, 3);
}

test(a_child_that_does_not_end_when_it_is_asked_is_killed_after_the_grace)
{
    int64_t status = testing_run_task(stops, .grace = 5 * EDDY_SECOND,
                                      .line = "trap '' TERM; echo; while :; do sleep 0.01; done");

    assert_int_equal(eddy_status_signal(status), SIGKILL);
    assert_int_equal(eddy_loop_now(testing.loop), 5 * EDDY_SECOND);
}

test(a_child_that_is_stopped_ends_too)
{
    int64_t status;

    eddy_loop_hold(testing.loop);
    status = testing_run_task(stops, .grace = 3600 * EDDY_SECOND, .line = "echo; kill -STOP $$",
                              .until_stopped = true);
    eddy_loop_release(testing.loop);
    assert_int_equal(eddy_status_signal(status), SIGTERM);
}

test(a_cancel_of_a_stop_takes_its_patience_and_not_the_child)
{
    eddy_task task = eddy_loop_spawn(testing.loop, stops, .grace = 3600 * EDDY_SECOND,
                                     .line = "trap '' TERM; echo; while :; do sleep 0.01; done");

    assert_int_equal(testing_run_and_cancel(task, 600 * EDDY_SECOND), -ECANCELED);
    testing_assert_log("stop");
    assert_int_equal(eddy_loop_now(testing.loop), 600 * EDDY_SECOND);
    assert_no_children();
}

/* The shell's own child holds the pipe; with the group it goes too, and the pipe ends. */
eddy_frame(reads_to_the_end) {
    eddy_coro co;
    const char *line;
    unsigned flags;
    int64_t grace;
    bool close;
    int ends[2];
    eddy_process process;
    int64_t rc;
};

static void reads_to_the_end(eddy_coro *co)
{
    char byte[8];

    eddy_begin(reads_to_the_end);
    testing_pipe(self->ends);
    eddy_await(
        eddy_process_spawn(co, &self->process,
                           &(struct eddy_process_options){
                               .argv = (const char *const[]){"/bin/sh", "-c", self->line, NULL},
                               .output = {EDDY_STDIO_FD, self->ends[1]},
                               .flags = self->flags}));
    close(self->ends[1]);
    eddy_await(eddy_fd_wait(co, self->ends[0], EDDY_READ));
    assert_int_equal(read(self->ends[0], byte, sizeof byte), 1);
    if (self->close) {
        eddy_process_close(&self->process);
    } else {
        eddy_catch(self->rc, eddy_process_stop(co, &self->process, self->grace));
        testing_log_result("stop", self->rc);
    }
    do {
        eddy_await(eddy_fd_wait(co, self->ends[0], EDDY_READ));
    } while (read(self->ends[0], byte, sizeof byte) > 0);
eddy_finally:
    close(self->ends[0]);
    eddy_process_close(&self->process);
    eddy_end;
}

test(the_whole_group_ends_with_its_leader)
{
    assert_int_equal(testing_run_task(reads_to_the_end, .flags = EDDY_PROCESS_GROUP,
                                      .line = "trap '' TERM; sleep 1000 & echo; wait"),
                     0);
    testing_assert_log("stop=2304");
    assert_int_equal(testing_run_task(reads_to_the_end, .flags = EDDY_PROCESS_GROUP, .close = true,
                                      .line = "sleep 1000 & echo; wait"),
                     0);
    assert_int_equal(testing_run_task(reads_to_the_end, .flags = EDDY_PROCESS_SESSION,
                                      .close = true, .line = "sleep 1000 & echo; wait"),
                     0);
}

/* The leader ends at once when it is asked, its child ignores that. */
test(what_is_left_of_the_group_of_a_child_that_was_asked_is_killed)
{
    eddy_loop_hold(testing.loop);
    assert_int_equal(
        testing_run_task(reads_to_the_end, .flags = EDDY_PROCESS_GROUP, .grace = 3600 * EDDY_SECOND,
                         .line =
                             "(trap '' TERM; echo; exec sleep 1000) & trap 'exit 0' TERM; wait"),
        0);
    eddy_loop_release(testing.loop);
    testing.log[0] = '\0';
}

/* ---- blocks */

eddy_frame(has_a_block) {
    eddy_coro co;
    const char *command;
    eddy_process process;
};

static void has_a_block(eddy_coro *co)
{
    eddy_begin(has_a_block);
    eddy_with_process(
        &self->process,
        eddy_process_spawn(co, &self->process,
                           &(struct eddy_process_options){
                               .argv = (const char *const[]){self->command, "1000", NULL}}))
    {
        testing_log("in");
        eddy_await(eddy_sleep(co, EDDY_SECOND));
        testing_log("out");
    }
    assert_false(eddy_process_is_open(&self->process));
    assert_no_children();
    eddy_end;
}

test(a_block_that_is_left_has_no_child)
{
    eddy_task task;

    assert_int_equal(testing_run_task(has_a_block, .command = "sleep"), 0);
    testing_assert_log("in out");
    task = eddy_loop_spawn(testing.loop, has_a_block, .command = "sleep");
    assert_int_equal(testing_run_and_cancel(task, EDDY_SECOND / 2), -ECANCELED);
    testing_assert_log("in");
    assert_no_children();
    assert_int_equal(testing_run_task(has_a_block, .command = "/no/such/command"), -ENOENT);
    testing_assert_log("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_case(a_child_that_exits_says_with_what),
        process_case(a_child_that_was_killed_says_by_what),
        process_case(a_child_is_reaped_before_anybody_waits_and_its_status_kept),
        process_case(a_thousand_children_at_once_are_all_reaped_each_with_its_own_status),
        process_case(who_spawns_on_and_on_lets_others_have_their_turns),
        process_case(several_may_wait_and_one_that_gives_up_takes_nothing_away),
        process_case(a_time_out_of_a_wait_leaves_the_child_to_its_owner),
        process_case(a_child_that_ends_when_it_is_asked_is_not_killed),
        process_case(a_child_that_does_not_end_when_it_is_asked_is_killed_after_the_grace),
        process_case(a_child_that_is_stopped_ends_too),
        process_case(a_cancel_of_a_stop_takes_its_patience_and_not_the_child),
        process_case(the_whole_group_ends_with_its_leader),
        process_case(what_is_left_of_the_group_of_a_child_that_was_asked_is_killed),
        process_case(a_block_that_is_left_has_no_child),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
