/* signal.h: signals as callbacks, and giving them back. */
#include "support/tasks.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "eddy/signal.h"

static const uint64_t USR1 = EDDY_SIGNAL(SIGUSR1);
static const uint64_t USR2 = EDDY_SIGNAL(SIGUSR2);

static void log_signal(eddy_signal *signal, int number)
{
    testing_log("%s:%s", (const char *)signal->user, number == SIGUSR1 ? "1" : "2");
}

static void start_on(eddy_signal *signal, uint64_t set, eddy_signal_fn *function)
{
    assert_int_equal(eddy_signal_start(testing.loop, signal, set, function), 0);
}

static bool is_blocked(int number)
{
    sigset_t mask;

    sigprocmask(SIG_BLOCK, NULL, &mask);
    return sigismember(&mask, number) == 1;
}

test(each_signal_that_comes_is_told_in_the_order_of_its_number)
{
    static eddy_signal signal = {.user = "a"};

    start_on(&signal, USR1 | USR2, log_signal);
    assert_int_equal(raise(SIGUSR2), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    testing_turns();
    testing_assert_log("a:1 a:2");
    assert_int_equal(raise(SIGUSR2), 0);
    testing_turns();
    testing_assert_log("a:2");
    eddy_signal_stop(&signal);
}

eddy_frame(awaits_signal) {
    eddy_coro co;
    uint64_t set;
};

static void awaits_signal(eddy_coro *co)
{
    eddy_begin(awaits_signal);
    eddy_await(eddy_signal_wait(co, self->set));
    testing_log("task");
    eddy_end;
}

test(all_watchers_and_all_tasks_that_want_it_get_it)
{
    static eddy_signal a = {.user = "a"}, b = {.user = "b"}, c = {.user = "c"};
    eddy_task task = start(awaits_signal, .set = USR1);

    start_on(&a, USR1, log_signal);
    start_on(&b, USR2, log_signal);
    start_on(&c, USR1 | USR2, log_signal);
    testing_turns();
    assert_int_equal(raise(SIGUSR1), 0);
    testing_turns();
    testing_assert_log("task a:1 c:1");
    assert_int_equal(finish(task), 0);
    eddy_signal_stop(&a);
    eddy_signal_stop(&b);
    eddy_signal_stop(&c);
}

test(what_has_come_before_is_told_when_it_starts)
{
    static eddy_signal signal = {.user = "a"};

    assert_int_equal(eddy_signal_watch(testing.loop, USR1 | USR2), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(raise(SIGUSR2), 0);
    testing_turns();
    start_on(&signal, USR1, log_signal);
    testing_turns();
    testing_assert_log("a:1");
    eddy_signal_stop(&signal);
    signal = (eddy_signal){.user = "b"};
    start_on(&signal, USR1 | USR2, log_signal); /* the other was kept */
    testing_turns();
    testing_assert_log("b:2");
    eddy_signal_stop(&signal);
}

static void stop_it(eddy_signal *signal, int number)
{
    log_signal(signal, number);
    eddy_signal_stop(signal);
}

test(a_watcher_that_stops_itself_is_not_told_of_the_rest)
{
    static eddy_signal signal = {.user = "a"};

    start_on(&signal, USR1 | USR2, stop_it);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(raise(SIGUSR2), 0);
    testing_turns();
    testing_assert_log("a:1");
    testing_run(); /* nothing keeps the loop */
}

static eddy_signal other = {.user = "b"};

static void stop_the_other(eddy_signal *signal, int number)
{
    log_signal(signal, number);
    eddy_signal_stop(&other);
}

test(what_has_come_for_a_watcher_that_is_stopped_before_its_turn_is_not_told)
{
    static eddy_signal signal = {.user = "a"};

    start_on(&signal, USR1, stop_the_other);
    start_on(&other, USR1, log_signal);
    assert_int_equal(raise(SIGUSR1), 0);
    testing_turns();
    testing_assert_log("a:1");
    start_on(&other, USR1, log_signal); /* nor when it is started again */
    testing_turns();
    testing_assert_log("");
    eddy_signal_stop(&other);
    eddy_signal_stop(&signal);
}

static eddy_signal shared;

static int child_of_one_that_was_told(void *argument)
{
    (void)argument;
    if (eddy_signal_unwatch(testing.loop, USR2) != -ECHILD ||
        eddy_loop_after_fork(testing.loop) != 0) {
        return 1;
    }
    testing_turns();
    if (testing.log[0] != '\0') {
        return 2; /* what came before the fork is the parent's */
    }
    raise(SIGUSR1);
    testing_turns();
    return strcmp(testing.log, "a:1") == 0 ? 0 : 3;
}

test(in_a_child_a_watcher_hears_of_its_own_signals_only)
{
    shared = (eddy_signal){.user = "a"};
    assert_int_equal(eddy_signal_watch(testing.loop, USR2), 0);
    start_on(&shared, USR1, log_signal);
    assert_int_equal(raise(SIGUSR1), 0);
    /* A poll for fds makes its callback ready, and does not run it. */
    assert_int_equal(eddy_loop_poll_fds(testing.loop, 0), 0);
    testing_expect_in_child(child_of_one_that_was_told, NULL, 0);
    testing_turns();
    testing_assert_log("a:1");
    eddy_signal_stop(&shared);
}

static void free_it(eddy_signal *signal, int number)
{
    (void)number;
    testing_log("freed");
    eddy_signal_stop(signal);
    free(signal);
}

test(a_watcher_may_be_freed_in_its_function)
{
    start_on(calloc(1, sizeof(eddy_signal)), USR1 | USR2, free_it);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(raise(SIGUSR2), 0);
    testing_turns();
    testing_assert_log("freed");
}

test(what_is_wrong_is_invalid)
{
    static eddy_signal signal = {.user = "a"};

    assert_int_equal(eddy_signal_start(testing.loop, &signal, USR1, NULL), -EINVAL);
    assert_int_equal(eddy_signal_start(testing.loop, &signal, 0, log_signal), -EINVAL);
    start_on(&signal, USR1, log_signal);
    assert_int_equal(eddy_signal_start(testing.loop, &signal, USR1, log_signal), -EINVAL);
    eddy_signal_stop(&signal);
    eddy_signal_stop(&signal);
}

test(without_memory_or_an_fd_nothing_is_started)
{
    static eddy_signal signal = {.user = "a"};
    unsigned before, requests, failures = 0;
    int result;

    before = testing.memory.calls;
    start_on(&signal, USR1, log_signal);
    requests = testing.memory.calls - before;
    eddy_signal_stop(&signal);
    for (unsigned k = 1; k <= requests; k++) {
        testing_reopen();
        testing_fail_allocations_from(k);
        result = eddy_signal_start(testing.loop, &signal, USR1, log_signal);
        assert_true(result == 0 || result == -ENOMEM);
        assert_true(is_blocked(SIGUSR1) == (result == 0));
        testing_fail_allocation(0);
        failures += result < 0;
        eddy_signal_stop(&signal);
    }
    assert_true(failures > 0);
    testing_reopen();
    testing_fail(signalfd, 1, -EMFILE);
    assert_int_equal(eddy_signal_start(testing.loop, &signal, USR1, log_signal), -EMFILE);
    assert_false(is_blocked(SIGUSR1));
    testing_run();
}

test(at_the_end_of_the_loop_it_is_stopped_and_told_as_a_leak)
{
    static eddy_signal signal = {.user = "a"};

    testing.options.flags |= EDDY_LOOP_REPORT_LEAKS;
    testing_reopen();
    assert_int_equal((eddy_signal_start)(testing.loop, &signal, USR1 | USR2, log_signal), 0);
    testing_free();
    testing_assert_error(-EBUSY, "leak: a signal watcher is still started on SIGUSR1, SIGUSR2");
    assert_null(signal.loop);
    assert_false(is_blocked(SIGUSR1));
}

/* ---- giving back */

test(a_signal_that_is_given_back_has_its_old_disposition)
{
    static eddy_signal signal = {.user = "a"};

    start_on(&signal, USR1 | USR2, log_signal);
    assert_int_equal(eddy_signal_unwatch(testing.loop, USR1), -EBUSY);
    eddy_signal_stop(&signal);
    assert_int_equal(eddy_signal_unwatch(testing.loop, USR1 | EDDY_SIGNAL(SIGHUP)), 0);
    assert_false(is_blocked(SIGUSR1));
    assert_true(is_blocked(SIGUSR2)); /* that one stays */
    start_on(&signal, USR1, log_signal);
    assert_int_equal(raise(SIGUSR1), 0); /* watched again */
    testing_turns();
    testing_assert_log("a:1");
    eddy_signal_stop(&signal);
}

test(what_has_come_and_nobody_has_taken_is_dropped_when_it_is_given_back)
{
    assert_int_equal(eddy_signal_watch(testing.loop, USR1), 0);
    assert_int_equal(raise(SIGUSR1), 0); /* is in the kernel: the loop has not seen it */
    assert_int_equal(eddy_signal_unwatch(testing.loop, USR1), 0); /* and it does not kill us */
    assert_int_equal(eddy_signal_watch(testing.loop, USR1), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    testing_turns(); /* kept */
    assert_int_equal(eddy_signal_unwatch(testing.loop, USR1), 0);
    assert_int_equal(eddy_signal_watch(testing.loop, USR1), 0);
    start(awaits_signal, .set = USR1);
    testing_turns();
    testing_assert_log("");
    assert_int_equal(raise(SIGUSR1), 0);
    testing_turns();
    testing_assert_log("task");
}

test(a_signal_for_which_a_task_waits_is_not_given_back)
{
    eddy_task task = start(awaits_signal, .set = USR1);

    testing_turns();
    assert_int_equal(eddy_signal_unwatch(testing.loop, USR1 | USR2), -EBUSY);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(finish(task), 0);
    assert_int_equal(eddy_signal_unwatch(testing.loop, USR1 | USR2), 0);
    testing_assert_log("task");
}

test(a_signal_that_was_blocked_before_stays_blocked)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    assert_int_equal(eddy_signal_watch(testing.loop, USR1), 0);
    assert_int_equal(eddy_signal_unwatch(testing.loop, USR1), 0);
    assert_true(is_blocked(SIGUSR1));
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

test(giving_back_what_is_not_watched_is_nothing_and_a_failure_changes_nothing)
{
    assert_int_equal(eddy_signal_unwatch(testing.loop, USR1), 0);
    assert_int_equal(eddy_signal_watch(testing.loop, USR1), 0);
    testing_fail(signalfd, 1, -ENOMEM);
    assert_int_equal(eddy_signal_unwatch(testing.loop, USR1), -ENOMEM);
    assert_true(is_blocked(SIGUSR1));
    assert_int_equal(eddy_signal_unwatch(testing.loop, USR1), 0);
    assert_false(is_blocked(SIGUSR1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(each_signal_that_comes_is_told_in_the_order_of_its_number),
        testing_case(all_watchers_and_all_tasks_that_want_it_get_it),
        testing_case(what_has_come_before_is_told_when_it_starts),
        testing_case(a_watcher_that_stops_itself_is_not_told_of_the_rest),
        testing_case(what_has_come_for_a_watcher_that_is_stopped_before_its_turn_is_not_told),
        testing_case(in_a_child_a_watcher_hears_of_its_own_signals_only),
        testing_case(a_watcher_may_be_freed_in_its_function),
        testing_case(what_is_wrong_is_invalid),
        testing_case(without_memory_or_an_fd_nothing_is_started),
        testing_case(at_the_end_of_the_loop_it_is_stopped_and_told_as_a_leak),
        testing_case(a_signal_that_is_given_back_has_its_old_disposition),
        testing_case(what_has_come_and_nobody_has_taken_is_dropped_when_it_is_given_back),
        testing_case(a_signal_for_which_a_task_waits_is_not_given_back),
        testing_case(a_signal_that_was_blocked_before_stays_blocked),
        testing_case(giving_back_what_is_not_watched_is_nothing_and_a_failure_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
