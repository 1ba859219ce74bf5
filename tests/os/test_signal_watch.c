/* signal.h: signals that are watched before they are waited for. */
#include "support/tasks.h"

#include <signal.h>

#include "eddy/signal.h"

static const uint64_t USR1 = EDDY_SIGNAL(SIGUSR1);
static const uint64_t USR2 = EDDY_SIGNAL(SIGUSR2);

eddy_frame(awaits_signal) {
    eddy_coro co;
    uint64_t set;
};

static void awaits_signal(eddy_coro *co)
{
    eddy_begin(awaits_signal);
    eddy_await(self->set, eddy_signal_wait(co, self->set));
    eddy_return((int64_t)self->set);
    eddy_end;
}

test(a_signal_that_comes_between_watch_and_wait_is_returned_by_the_wait)
{
    assert_int_equal(eddy_signal_watch(testing.loop, USR1), 0);
    assert_int_equal(raise(SIGUSR1), 0); /* blocked: it does not kill us */
    assert_int_equal(run(awaits_signal, .set = USR1), SIGUSR1);
}

test(a_signal_that_the_loop_has_seen_before_the_wait_is_returned_too)
{
    assert_int_equal(eddy_signal_watch(testing.loop, USR1 | USR2), 0);
    assert_int_equal(raise(SIGUSR2), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    testing_turns();
    assert_int_equal(run(awaits_signal, .set = USR1 | USR2), SIGUSR1);
    assert_int_equal(run(awaits_signal, .set = USR1 | USR2), SIGUSR2);
}

test(what_cannot_be_watched_is_invalid)
{
    assert_int_equal(eddy_signal_watch(testing.loop, 0), -EINVAL);
    assert_int_equal(eddy_signal_watch(testing.loop, EDDY_SIGNAL(SIGKILL)), -EINVAL);
    assert_int_equal(eddy_signal_watch(testing.loop, USR1 | EDDY_SIGNAL(SIGSTOP)), -EINVAL);
    assert_int_equal(eddy_signal_watch(testing.loop, EDDY_SIGNAL(32)), -EINVAL);
    assert_int_equal(testing_calls(signalfd), 0);
    assert_int_equal(testing_calls(signal_mask), 0);
}

test(a_wait_for_more_widens_what_is_watched)
{
    eddy_task task;

    assert_int_equal(eddy_signal_watch(testing.loop, USR1), 0);
    assert_int_equal(eddy_signal_watch(testing.loop, USR1), 0);
    assert_int_equal(testing_calls(signalfd), 1);
    task = start(awaits_signal, .set = USR2);
    testing_turns();
    assert_int_equal(testing_calls(signalfd), 2);
    assert_int_equal(raise(SIGUSR1), 0); /* still watched, and kept */
    testing_turns();
    assert_int_equal(raise(SIGUSR2), 0);
    assert_int_equal(finish(task), SIGUSR2);
    assert_int_equal(run(awaits_signal, .set = USR1), SIGUSR1);
}

test(a_watch_that_fails_leaves_the_mask_as_it_was)
{
    sigset_t mask;

    testing_fail(signalfd, 1, -EMFILE);
    assert_int_equal(eddy_signal_watch(testing.loop, USR1), -EMFILE);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGUSR1), 0);
    testing_fail_allocations_from(1);
    testing_free();
    testing_fail_allocation(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_signal_that_comes_between_watch_and_wait_is_returned_by_the_wait),
        testing_case(a_signal_that_the_loop_has_seen_before_the_wait_is_returned_too),
        testing_case(what_cannot_be_watched_is_invalid),
        testing_case(a_wait_for_more_widens_what_is_watched),
        testing_case(a_watch_that_fails_leaves_the_mask_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
