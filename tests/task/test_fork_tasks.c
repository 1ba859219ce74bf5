/* fork(2): tasks that wait for streams and signals, and forks inside of a step. */
#include "support/fork.h"
#include "support/tasks.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "eddy/signal.h"
#include "eddy/stream.h"

/* ---- streams and signals */

static eddy_stream stream;
static int peer;

struct reads_once {
    eddy_coro co;
    char buffer[16];
    int64_t rc;
};

static void reads_once(eddy_coro *co)
{
    eddy_begin(reads_once);
    eddy_await(self->rc, eddy_read(co, &stream, self->buffer, sizeof self->buffer));
    testing_log("%.*s", (int)self->rc, self->buffer);
    eddy_end;
}

static int read_in_child(void *argument)
{
    (void)argument;
    CHECK(part());
    CHECK(write(peer, "child", 5) == 5);
    CHECK(testing_turns() == 1); /* the task that waited before the fork */
    CHECK_LOG("child");
    eddy_stream_close(&stream); /* the child's copy */
    return 0;
}

test(a_task_that_waits_for_a_stream_waits_in_both)
{
    eddy_task task;
    int fds[2];

    testing_socketpair(fds);
    memset(&stream, 0, sizeof stream);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    peer = fds[1];
    task = start(reads_once);
    (void)testing_turns();
    in_child(read_in_child);
    assert_int_equal(write(peer, "parent", 6), 6);
    assert_int_equal(finish(task), 0);
    testing_assert_log("parent");
    eddy_stream_close(&stream);
    close(peer);
}

struct waits_for_signal {
    eddy_coro co;
    uint64_t set;
};

static void waits_for_signal(eddy_coro *co)
{
    eddy_begin(waits_for_signal);
    eddy_return(eddy_signal_wait(co, self->set));
    eddy_end;
}

#define SIGNALS (EDDY_SIGNAL(SIGUSR1) | EDDY_SIGNAL(SIGUSR2))

static int use_signals(void *argument)
{
    (void)argument;
    CHECK(part());
    kill(getpid(), SIGUSR2); /* not the one that came before the fork */
    CHECK(run(waits_for_signal, .set = SIGNALS) == SIGUSR2);
    /* Widening the child's signalfd does not widen the parent's. */
    CHECK(eddy_signal_watch(testing.loop, EDDY_SIGNAL(SIGHUP)) == 0);
    return 0;
}

/* A signalfd that a child has widened would tell of it here. */
static void assert_hangup_is_not_watched(void)
{
    sigset_t hangup;

    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    sigprocmask(SIG_BLOCK, &hangup, NULL);
    kill(getpid(), SIGHUP);
    assert_false(loop_fd_is_readable());
    signal(SIGHUP, SIG_IGN); /* drops it */
    signal(SIGHUP, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &hangup, NULL);
}

test(a_child_has_its_own_signals)
{
    assert_int_equal(eddy_signal_watch(testing.loop, SIGNALS), 0);
    kill(getpid(), SIGUSR1);
    (void)testing_turn(); /* it is kept for the next wait */
    in_child(use_signals);
    assert_int_equal(run(waits_for_signal, .set = SIGNALS), SIGUSR1);
    assert_hangup_is_not_watched();
}

static int watch_more_signals(void *argument)
{
    (void)argument;
    CHECK(eddy_signal_watch(testing.loop, EDDY_SIGNAL(SIGHUP)) == -ECHILD);
    return 0;
}

test(a_child_cannot_widen_what_its_parent_watches)
{
    assert_int_equal(eddy_signal_watch(testing.loop, SIGNALS), 0);
    in_child(watch_more_signals);
    assert_hangup_is_not_watched();
}

/* ---- inside of a step */

static int status_of_child;

static void assert_child_went_well(void)
{
    assert_true(WIFEXITED(status_of_child));
    assert_int_not_equal(WEXITSTATUS(status_of_child), WRONG);
}

/* Forks; the child goes on with what the argument says. */
static void fork_in_step(eddy_callback *callback)
{
    int (*in_step)(void) = *(int (**)(void))callback->user;
    pid_t child;
    pid_t parent = getpid();

    fflush(NULL);
    child = fork();
    if (child == 0) {
        int line = in_step();
        if (line != 0 || getpid() == parent) {
            _exit(WRONG);
        }
        return; /* which it must not do */
    }
    waitpid(child, &status_of_child, 0);
}

static int leave_after_a_loop_of_its_own(void)
{
    CHECK(eddy_loop_after_fork(testing.loop) == -EBUSY);
    CHECK(eddy_loop_run(testing.loop) == -EBUSY);
    _exit(eddy_run(returns, .result = 5) == 5 ? 0 : WRONG);
}

test(a_child_of_a_step_may_have_a_loop_of_its_own)
{
    static int (*in_step)(void) = leave_after_a_loop_of_its_own;
    static eddy_callback callback = {.user = &in_step};

    start_all();
    eddy_callback_start(testing.loop, &callback, fork_in_step);
    assert_int_equal(testing_turn(), 1);
    assert_child_went_well();
    assert_all_undisturbed();
    stop_all();
}

static int return_from_step(void)
{
    return 0;
}

static void start_next_turn(eddy_callback *callback)
{
    callback->user = "turn";
    eddy_callback_start(testing.loop, callback, log_callback);
}

test(a_child_that_returns_from_a_step_is_refused_the_next_turn)
{
    static eddy_callback next;
    static int (*in_step)(void) = return_from_step;
    static eddy_callback callback = {.user = &in_step};
    pid_t parent = getpid();
    int result;

    start_all();
    eddy_callback_start(testing.loop, &callback, fork_in_step);
    eddy_callback_start(testing.loop, &next, start_next_turn);
    result = (int)eddy_loop_poll_once(testing.loop, 0, EDDY_FOREVER);
    if (getpid() != parent) {
        _exit(result == -ECHILD && part() && testing_turn() == 1 ? 0 : WRONG);
    }
    assert_int_equal(result, 3);
    testing_assert_log("turn");
    assert_child_went_well();
    assert_all_undisturbed();
    stop_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_task_that_waits_for_a_stream_waits_in_both),
        testing_case(a_child_has_its_own_signals),
        testing_case(a_child_cannot_widen_what_its_parent_watches),
        testing_case(a_child_of_a_step_may_have_a_loop_of_its_own),
        testing_case(a_child_that_returns_from_a_step_is_refused_the_next_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
