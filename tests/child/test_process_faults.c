/* process.h: what the system refuses, on the way to a child and on the way back. */
#include "support/process.h"

#include "base/spawn.h"
#include "child/child_internal.h"
#include "eddy/look.h"

static const struct eddy_process_options NULLS = {
    .argv = (const char *const[]){"sleep", "1000", NULL}, .input = {EDDY_STDIO_NULL, 0}};

eddy_frame(stops_at_once) {
    eddy_coro co;
    struct eddy_process_options options;
    eddy_process process;
    int64_t rc;
};

/* Closes in any case, and logs the outcome. */
static void stops_at_once(eddy_coro *co)
{
    eddy_begin(stops_at_once);
    eddy_await(eddy_process_spawn(co, &self->process, &self->options));
    eddy_await(self->rc, eddy_process_stop(co, &self->process, 0));
    eddy_return(self->rc);
eddy_finally:
    eddy_process_close(&self->process);
    eddy_end;
}

static int64_t stop_at_once(unsigned flags)
{
    struct eddy_process_options options = NULLS;

    options.flags = flags;
    return testing_run_task(stops_at_once, .options = options);
}

#define KILLED (SIGKILL << 8)

/* With a grace of nothing it is SIGTERM or SIGKILL, whichever the child has seen first. */
static void assert_ended(int64_t status)
{
    assert_true(status == KILLED || status == SIGTERM << 8);
}

test(what_the_system_refuses_is_the_error_of_the_spawn)
{
    testing_fail(open, 1, -EMFILE);
    assert_int_equal(stop_at_once(0), -EMFILE);
    testing_fail(spawn, 1, -EAGAIN);
    assert_int_equal(stop_at_once(0), -EAGAIN);
    testing_fail(spawn, 1, -ENOSYS);
    assert_int_equal(stop_at_once(0), -ENOSYS);
    assert_no_children();
    assert_ended(stop_at_once(0));
}

test(a_child_that_cannot_be_watched_is_killed_and_its_spawn_fails)
{
    struct eddy_metrics metrics;

    testing_fail(epoll_ctl, 1, -ENOSPC);
    assert_int_equal(stop_at_once(0), -ENOSPC);
    assert_no_children();
    testing_fail(epoll_ctl, 1, -ENOSPC);
    testing_fail(waitid, 1, -EINTR);
    assert_int_equal(stop_at_once(EDDY_PROCESS_GROUP), -ENOSPC);
    assert_no_children();
    eddy_loop_metrics(testing.loop, &metrics);
    assert_int_equal(metrics.children, 0);
    assert_int_equal(metrics.children_spawned, 2);
}

/* It has become another user's by then. */
test(one_that_can_neither_be_watched_nor_killed_is_told_and_counted_no_more)
{
    struct eddy_process_options ends = {.argv = (const char *const[]){"true", NULL}};
    struct eddy_metrics metrics;
    siginfo_t info;

    testing_fail(epoll_ctl, 1, -ENOSPC);
    testing_fail(pidfd_send_signal, 1, -EPERM);
    testing_fail(kill, 1, -EPERM);
    assert_int_equal(run_process(ends), -ENOSPC);
    assert_non_null(strstr(testing.errors.text, "(true) could not be killed, and runs on"));
    testing_assert_error(-EPERM, testing.errors.text);
    eddy_loop_metrics(testing.loop, &metrics);
    assert_int_equal(metrics.children, 0);
    assert_int_equal(waitid(P_ALL, 0, &info, WEXITED), 0); /* nobody else reaps it */
}

test(a_kernel_without_signals_by_pidfd_is_asked_by_pid)
{
    testing_fail_from(pidfd_send_signal, 1, -ENOSYS);
    assert_ended(stop_at_once(0));
    assert_true(testing_calls(kill) >= 2);
    assert_ended(stop_at_once(EDDY_PROCESS_GROUP));
    testing_fail_from(pidfd_send_signal, 1, -EINVAL); /* groups came later */
    assert_ended(stop_at_once(EDDY_PROCESS_GROUP));
}

test(a_wait_that_is_interrupted_is_begun_again)
{
    testing_fail(waitid, 1, -EINTR);
    assert_ended(stop_at_once(0));
    assert_int_equal(testing_calls(waitid), 2);
}

/* One that has become another user's: nothing hangs, and it is told. */
test(a_child_that_may_not_be_killed_is_told_and_nobody_waits_for_it)
{
    char text[128];
    pid_t pid;

    testing_fail_from(pidfd_send_signal, 1, -EPERM);
    testing_fail_from(kill, 1, -EPERM);
    assert_int_equal(stop_at_once(0), -EPERM);
    assert_int_equal(sscanf(testing.errors.text, "child %d (sleep)", &pid), 1);
    snprintf(text, sizeof text, "child %d (sleep) could not be killed, and runs on", (int)pid);
    testing_assert_error(-EPERM, text); /* once, not by the close again */
    testing_free();
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

test(without_memory_there_is_no_child)
{
    int64_t result = -ENOMEM;

    for (unsigned k = 1; result == -ENOMEM; k++) {
        testing_fail_allocation(k);
        result = testing_run_task(runs, .options = SHELL("exit 3"));
        testing_fail_allocation(0);
        assert_int_equal(testing_run_task(runs, .options = SHELL("exit 0")), 0);
        assert_no_children();
        testing_reopen();
        assert_true(k < 100);
    }
    assert_int_equal(result, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_case(what_the_system_refuses_is_the_error_of_the_spawn),
        process_case(a_child_that_cannot_be_watched_is_killed_and_its_spawn_fails),
        process_case(one_that_can_neither_be_watched_nor_killed_is_told_and_counted_no_more),
        process_case(a_kernel_without_signals_by_pidfd_is_asked_by_pid),
        process_case(a_wait_that_is_interrupted_is_begun_again),
        process_case(a_child_that_may_not_be_killed_is_told_and_nobody_waits_for_it),
        process_case(without_memory_there_is_no_child),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
