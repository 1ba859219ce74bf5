/* process.h: what ends around a child: its owner, its loop, its parent, its fd. */
#include "support/process.h"

#include <poll.h>

#include "child/child_internal.h"
#include "eddy/io.h"
#include "eddy/look.h"
#include "support/fork.h"
#include "support/text.h"

static const struct eddy_process_options SLEEPS = {
    .argv = (const char *const[]){"sleep", "1000", NULL}};

/* Outside of frames: nobody closes it. */
static eddy_process process;

eddy_frame(starts) {
    eddy_coro co;
    struct eddy_process_options options;
};

static void starts(eddy_coro *co)
{
    eddy_begin(starts);
    eddy_await(eddy_process_spawn(co, &process, &self->options));
    eddy_end;
}

static void start_process(struct eddy_process_options options)
{
    memset(&process, 0, sizeof process);
    assert_int_equal(testing_run_task(starts, .options = options), 0);
}

/* Its end is there for the loop to hear of. */
static void await_end(void)
{
    struct pollfd fd = {process.child->io.fd, POLLIN, 0};

    assert_int_equal(poll(&fd, 1, 20000), 1);
}

/* ---- the owner */

eddy_frame(has_in_block) {
    eddy_coro co;
    eddy_process process;
    int i;
    int64_t rc;
};

/* A life: spawned, waited for, killed, ended. */
static void has_in_block(eddy_coro *co)
{
    eddy_begin(has_in_block);
    eddy_await(eddy_pause(co));
    eddy_with_process(&self->process, eddy_process_spawn(co, &self->process, &SLEEPS))
    {
        eddy_await(eddy_pause(co));
        assert_int_equal(eddy_process_signal(&self->process, SIGINT), 0);
        eddy_await(eddy_pause(co));
        eddy_await(self->rc, eddy_process_wait(co, &self->process));
        eddy_await(eddy_pause(co));
    }
    eddy_await(eddy_pause(co));
    eddy_return(self->rc);
    eddy_end;
}

test(an_owner_that_is_cancelled_in_any_turn_leaves_no_child_no_zombie_no_fd_and_no_mask)
{
    int64_t result = -ECANCELED;
    sigset_t before;
    sigset_t after;

    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &before), 0);
    eddy_loop_hold(testing.loop); /* a turn waits for the child, whose time is real */
    for (int turn = 0; result == -ECANCELED; turn++) {
        eddy_task task = eddy_loop_spawn(testing.loop, has_in_block);
        for (int i = 0; i < turn && !eddy_task_done(task); i++) {
            assert_true(eddy_loop_poll_once(testing.loop, 100 * EDDY_MILLISECOND, 1) >= 0);
        }
        (void)eddy_cancel(task);
        result = eddy_loop_run_until(testing.loop, task);
        assert_no_children();
        assert_true(turn < 50);
    }
    eddy_loop_release(testing.loop);
    assert_int_equal(result, SIGINT << 8);
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &after), 0);
    for (int number = 1; number < 32; number++) {
        assert_int_equal(sigismember(&before, number), sigismember(&after, number));
    }
}

eddy_frame(forgets) {
    eddy_coro co;
    eddy_process process;
};

static void forgets(eddy_coro *co)
{
    eddy_begin(forgets);
    eddy_await(eddy_process_spawn(co, &self->process, &SLEEPS));
    eddy_process_signal(&self->process, SIGKILL);
    eddy_end;
}

static void forget(void *argument)
{
    (void)argument;
    (void)testing_run_task(forgets);
}

test(a_frame_that_ends_with_an_open_process_aborts_and_is_named)
{
    testing_expect_abort(forget, NULL,
                         "forgets: the coroutine ends although a stream, reader, writer, server, "
                         "file, watch of files, process, eddy_fd, queue or "
                         "group in its frame is still open: close it in eddy_finally");
}

eddy_frame_of(waits_for_it, int64_t rc);

static void waits_for_it(eddy_coro *co)
{
    eddy_begin(waits_for_it);
    eddy_catch(self->rc, eddy_process_wait(co, &process));
    testing_log_result("wait", self->rc);
    eddy_return(self->rc);
    eddy_end;
}

test(who_waits_for_a_process_that_is_closed_hears_of_it)
{
    eddy_task task;

    start_process(SLEEPS);
    task = eddy_loop_spawn(testing.loop, waits_for_it);
    testing_turns();
    eddy_process_close(&process);
    eddy_process_close(&process);
    assert_int_equal(eddy_process_signal(&process, 0), -EBADF);
    assert_int_equal(eddy_process_detach(&process), -EBADF);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -EBADF);
    testing_assert_log("wait=-EBADF");
}

test(a_process_may_be_spawned_again_when_it_is_closed)
{
    start_process(SLEEPS);
    assert_int_equal(testing_run_task(starts, .options = SLEEPS), -EINVAL);
    eddy_process_close(&process);
    start_process((struct eddy_process_options)SHELL("exit 3"));
    assert_int_equal(testing_run_task(waits_for_it), 3);
    testing_assert_log("wait=3");
    eddy_process_close(&process);
}

/* ---- the loop */

test(a_child_that_nobody_has_closed_is_killed_with_its_loop_and_told)
{
    char text[128];

    start_process(SLEEPS);
    snprintf(text, sizeof text,
             "child %d (sleep) is killed: its process is open at the end of the loop",
             (int)process.child->pid);
    testing_free();
    testing_assert_error(-ECANCELED, text);
    assert_false(eddy_process_is_open(&process));
    assert_no_children();
}

test(a_child_that_was_closed_is_reaped_before_its_loop_is_gone)
{
    start_process(SLEEPS);
    eddy_process_close(&process);
    testing_free();
    assert_no_children();
}

test(a_child_that_has_ended_unseen_is_reaped_with_its_loop)
{
    start_process((struct eddy_process_options)SHELL("exit 0"));
    await_end();
    testing_free();
    testing.errors.count = 0;
    assert_no_children();
}

test(a_child_that_was_detached_outlives_its_loop)
{
    int status;
    pid_t pid;

    start_process(SLEEPS);
    pid = eddy_process_pid(&process);
    assert_int_equal(eddy_process_detach(&process), 0);
    assert_false(eddy_process_is_open(&process));
    testing_free();
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, SIGKILL);
}

test(a_child_that_was_detached_is_reaped_by_its_loop)
{
    start_process(SLEEPS);
    assert_int_equal(kill(eddy_process_pid(&process), SIGKILL), 0);
    await_end();
    assert_int_equal(eddy_process_detach(&process), 0);
    testing_turns();
    assert_no_children();
}

/* A process that nobody waits for keeps no loop going. */
test(a_child_alone_keeps_no_loop_going)
{
    start_process(SLEEPS);
    testing_run();
    eddy_process_close(&process);
}

/* ---- its status */

test(a_child_whose_status_somebody_else_got_is_told_so)
{
    int status;
    pid_t pid;

    start_process((struct eddy_process_options)SHELL("exit 3"));
    pid = eddy_process_pid(&process);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(testing_run_task(waits_for_it), -ECHILD);
    testing_assert_log("wait=-ECHILD");
    assert_int_equal(eddy_process_signal(&process, 0), -ESRCH);
    eddy_process_close(&process);
}

test(a_program_that_ignores_sigchld_hears_of_the_end_all_the_same)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction old;

    assert_int_equal(sigaction(SIGCHLD, &ignore, &old), 0);
    start_process((struct eddy_process_options)SHELL("exit 3"));
    assert_int_equal(testing_run_task(waits_for_it), -ECHILD);
    testing_assert_log("wait=-ECHILD");
    eddy_process_close(&process);
    assert_int_equal(sigaction(SIGCHLD, &old, NULL), 0);
}

static void ignore_events(eddy_io *io, unsigned events)
{
    (void)io;
    (void)events;
}

/* The number is another file's by now; the loop finds that out, and asks for the child anew. */
test(a_pidfd_that_somebody_closes_is_opened_again)
{
    static eddy_io io;
    int ends[2];
    int fd;

    if (under_valgrind("has no pidfd_open")) {
        return;
    }
    start_process(SLEEPS);
    fd = process.child->io.fd;
    assert_int_equal(close(fd), 0);
    testing_pipe(ends);
    assert_true(dup3(ends[0], fd, O_CLOEXEC) == fd || ends[0] == fd);
    memset(&io, 0, sizeof io);
    assert_int_equal(eddy_io_start(testing.loop, &io, fd, EDDY_READ, ignore_events), 0);
    assert_int_equal(testing.errors.count, 1);
    assert_int_equal(testing.errors.code, -EBADF);
    testing.errors.count = 0;
    assert_int_equal(eddy_process_signal(&process, SIGKILL), 0);
    assert_int_equal(testing_run_task(waits_for_it), SIGKILL << 8);
    testing_assert_log("wait=2304");
    eddy_io_stop(&io);
    if (ends[0] != fd) {
        close(ends[0]);
    }
    close(ends[1]);
    close(fd);
    eddy_process_close(&process);
}

/* ---- fork(2) */

static int uses_the_parents_child(void *argument)
{
    (void)argument;
    CHECK(eddy_process_signal(&process, SIGKILL) == -ECHILD);
    CHECK(part());
    CHECK(eddy_process_is_open(&process));
    CHECK(eddy_process_pid(&process) == -1);
    CHECK(eddy_process_signal(&process, SIGKILL) == -ESRCH);
    CHECK(testing_run_task(waits_for_it) == -ECHILD);
    eddy_process_close(&process);
    CHECK(testing_run_task(runs, .options = SHELL("exit 6")) == 6);
    return 0;
}

static int closes_the_parents_child(void *argument)
{
    (void)argument;
    eddy_process_close(&process);
    CHECK(part());
    return 0;
}

static int frees_the_loop(void *argument)
{
    (void)argument;
    CHECK(part());
    CHECK(eddy_loop_free(testing.loop) == 0);
    return 0;
}

test(a_forked_child_lets_the_children_of_its_parent_alone)
{
    start_process(SLEEPS);
    in_child(uses_the_parents_child);
    in_child(closes_the_parents_child);
    in_child(frees_the_loop);
    assert_int_equal(kill(eddy_process_pid(&process), 0), 0);
    assert_int_equal(eddy_process_signal(&process, SIGTERM), 0);
    assert_int_equal(testing_run_task(waits_for_it), SIGTERM << 8);
    testing_assert_log("wait=3840");
    eddy_process_close(&process);
}

/* ---- what can be seen */

test(a_dump_says_which_children_run_since_when_and_who_waits)
{
    char expected[256];
    eddy_task task;
    struct eddy_metrics metrics;

    start_process(SLEEPS);
    task = eddy_loop_spawn(testing.loop, waits_for_it);
    testing_turns();
    snprintf(expected, sizeof expected, "for process: %d (sleep), which runs for ",
             (int)process.child->pid);
    assert_dumped(expected);
    snprintf(expected, sizeof expected, "\nchild %d (sleep) runs for ", (int)process.child->pid);
    assert_dumped(expected);
    eddy_loop_metrics(testing.loop, &metrics);
    assert_int_equal(metrics.children, 1);
    eddy_process_close(&process);
    assert_dumped("; killed\n");
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -EBADF);
    testing_assert_log("wait=-EBADF");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_case(
            an_owner_that_is_cancelled_in_any_turn_leaves_no_child_no_zombie_no_fd_and_no_mask),
        process_case(a_frame_that_ends_with_an_open_process_aborts_and_is_named),
        process_case(who_waits_for_a_process_that_is_closed_hears_of_it),
        process_case(a_process_may_be_spawned_again_when_it_is_closed),
        process_case(a_child_that_nobody_has_closed_is_killed_with_its_loop_and_told),
        process_case(a_child_that_was_closed_is_reaped_before_its_loop_is_gone),
        process_case(a_child_that_has_ended_unseen_is_reaped_with_its_loop),
        process_case(a_child_that_was_detached_outlives_its_loop),
        process_case(a_child_that_was_detached_is_reaped_by_its_loop),
        process_case(a_child_alone_keeps_no_loop_going),
        process_case(a_child_whose_status_somebody_else_got_is_told_so),
        process_case(a_program_that_ignores_sigchld_hears_of_the_end_all_the_same),
        process_case(a_pidfd_that_somebody_closes_is_opened_again),
        process_case(a_forked_child_lets_the_children_of_its_parent_alone),
        process_case(a_dump_says_which_children_run_since_when_and_who_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
