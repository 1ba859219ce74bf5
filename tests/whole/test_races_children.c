/* Child processes: what comes first is the outcome; a wait that is given up leaves the child, a stop that is
 * given up has ended it (rules 4, 6 and 7). */
#include "support/process.h"
#include "support/races.h"

#include <poll.h>

#include "child/child_internal.h"

static eddy_process process;

static int ignore_term(void *user)
{
    (void)user;
    return signal(SIGTERM, SIG_IGN) == SIG_ERR ? -errno : 0;
}

static void begin_child(eddy_coro *co)
{
    const struct eddy_process_options options = {
        .argv = (const char *const[]){"sleep", "1000", NULL}, .in_child = ignore_term};

    memset(&process, 0, sizeof process);
    assert_int_equal(eddy_process_spawn(co, &process, &options), 0);
}

/* Its end is there for the loop to hear of. */
static void await_end(void)
{
    struct pollfd fd = {-1, POLLIN, 0};

    if (eddy_process_pid(&process) > 0) {
        fd.fd = process.child->io.fd;
        assert_int_equal(poll(&fd, 1, 20000), 1);
    }
}

static void kill_child(eddy_coro *co)
{
    (void)co;
    if (eddy_process_pid(&process) > 0) {
        assert_int_equal(kill(eddy_process_pid(&process), SIGKILL), 0);
        await_end();
    }
}

static void close_child(eddy_coro *co)
{
    (void)co;
    eddy_process_close(&process);
}

static void settle_doomed(eddy_coro *co)
{
    (void)co;
    if (process.child != NULL && process.child->doomed) {
        await_end();
    }
}

static void log_child(void)
{
    testing_log("%s", !eddy_process_is_open(&process)  ? "closed"
                      : eddy_process_pid(&process) > 0 ? "runs"
                                                       : "ended");
}

static void end_child(void)
{
    eddy_process_close(&process);
    testing_free(); /* reaps it */
    assert_no_children();
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
}

/* ---- waiting */

static int64_t wait_child(eddy_coro *co)
{
    return eddy_process_wait(co, &process);
}

static const struct race_table wait_races = {
    .operation = "process",
    .set_up = begin_child,
    .wait = wait_child,
    .wake = kill_child,
    .close = close_child,
    .log_left = log_child,
    .tear_down = end_child,
    .wakes_by_event = true,
    .pending = {"ECANCELED; runs", "ECANCELED; runs"},
    .cells =
        {
            [WAKE] = {"ok; ended", "ok; ended", "ok, then ECANCELED; ended", "ok; closed"},
            [TIME_OUT] = {"ETIMEDOUT; ended", ONE_DEADLINE, "ECANCELED; runs", "ETIMEDOUT; closed"},
            [CANCEL] = {"ECANCELED; ended", "ECANCELED; runs", "ECANCELED; runs",
                        "ECANCELED; closed"},
            [CLOSE] = {"EBADF; closed", "EBADF; closed", "EBADF, then ECANCELED; closed",
                       "EBADF; closed"},
        },
};

test(a_wait_for_a_child)
{
    run_race_table(&wait_races);
}

/* ---- stopping: the child ignores that it is asked */

static int64_t stop_child(eddy_coro *co)
{
    return eddy_process_stop(co, &process, 3600 * EDDY_SECOND);
}

static const struct race_table stop_races = {
    .operation = "stop of a process",
    .set_up = begin_child,
    .wait = stop_child,
    .wake = kill_child,
    .close = close_child,
    .settle = settle_doomed,
    .log_left = log_child,
    .tear_down = end_child,
    .wakes_by_event = true,
    .pending = {"ECANCELED; runs", "ECANCELED; runs"},
    .cells =
        {
            [WAKE] = {"ok; ended", "ok; ended", "ok, then ECANCELED; ended", "ok; closed"},
            [TIME_OUT] = {"ETIMEDOUT; ended", ONE_DEADLINE, "ECANCELED; ended",
                          "ETIMEDOUT; closed"},
            [CANCEL] = {"ECANCELED; ended", "ECANCELED; ended", "ECANCELED; ended",
                        "ECANCELED; closed"},
            [CLOSE] = {"EBADF; closed", "EBADF; closed", "EBADF, then ECANCELED; closed",
                       "EBADF; closed"},
        },
};

test(a_stop_of_a_child)
{
    run_race_table(&stop_races);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_case(a_wait_for_a_child),
        process_case(a_stop_of_a_child),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
