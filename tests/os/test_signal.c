/* signal.h: signals, waited for like anything else. */
#include "support/children.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "eddy/deadline.h"
#include "eddy/signal.h"

static const uint64_t ONE = EDDY_SIGNAL(SIGUSR1);
static const uint64_t TWO = EDDY_SIGNAL(SIGUSR2);

static volatile sig_atomic_t handled;

static void on_signal(int number)
{
    handled = number;
}

/* With a handler, a signal that is not blocked is seen instead of ending the test. */
static int setup(void **state)
{
    handled = 0;
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    return testing_setup(state);
}

static int teardown(void **state)
{
    int result = testing_teardown(state);

    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
    return result;
}

#define signal_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

eddy_frame(waits_for_signal) {
    eddy_coro co;
    const char *name;
    uint64_t set;
    int times;
    int64_t limit;
    int64_t rc;
};

static void waits_for_signal(eddy_coro *co)
{
    eddy_begin(waits_for_signal);
    do {
        eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                           eddy_signal_wait(co, self->set)));
        testing_log_result(self->name, self->rc == SIGUSR1   ? 1
                                       : self->rc == SIGUSR2 ? 2
                                                             : self->rc);
    } while (--self->times > 0);
    eddy_return(self->rc);
    eddy_end;
}

static eddy_task start_waiting(const char *name, uint64_t set, int times)
{
    return eddy_loop_spawn(testing.loop, waits_for_signal, .name = name, .set = set,
                           .times = times);
}

static int64_t wait_for(uint64_t set)
{
    int64_t result = eddy_loop_run_until(testing.loop, start_waiting("s", set, 1));

    testing.log[0] = '\0';
    return result;
}

static bool is_blocked(int number)
{
    sigset_t mask;

    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
    return sigismember(&mask, number) == 1;
}

static void set_blocked(int number, bool blocked)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, number);
    assert_int_equal(sigprocmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL), 0);
}

test(a_signal_that_comes_while_a_task_waits_is_its_result)
{
    eddy_task task = start_waiting("s", ONE, 1);

    testing_turns();
    testing_assert_log("");
    raise(SIGUSR1);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), SIGUSR1);
    assert_int_equal(handled, 0);
}

test(a_signal_that_was_blocked_and_came_before_the_first_wait_is_returned)
{
    set_blocked(SIGUSR1, true);
    raise(SIGUSR1);
    assert_int_equal(wait_for(ONE), SIGUSR1);
    testing_free();
    assert_true(is_blocked(SIGUSR1)); /* as it was */
    set_blocked(SIGUSR1, false);
    assert_int_equal(handled, 0);
}

test(a_signal_that_comes_between_two_waits_is_not_lost)
{
    eddy_task task = start_waiting("s", ONE, 1);

    testing_turns();
    raise(SIGUSR1);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), SIGUSR1);
    raise(SIGUSR1);
    assert_int_equal(wait_for(ONE), SIGUSR1);
    raise(SIGUSR1);
    testing_turns(); /* the loop has it, and keeps it */
    assert_int_equal(wait_for(ONE), SIGUSR1);
    assert_int_equal(handled, 0);
}

test(of_several_that_have_come_the_lowest_is_returned_first)
{
    eddy_task task = start_waiting("s", ONE | TWO, 3);

    testing_turns();
    raise(SIGUSR2);
    raise(SIGUSR1);
    testing_turns();
    raise(SIGUSR2);
    testing_turns();
    testing_assert_log(SIGUSR1 < SIGUSR2 ? "s=1 s=2 s=2" : "s=2 s=1 s=2");
    assert_true(eddy_task_done(task));
    assert_int_equal(eddy_detach(task), 0);
}

test(a_signal_goes_to_every_task_that_waits_for_it)
{
    eddy_task first = start_waiting("first", ONE, 1);
    eddy_task second = start_waiting("second", ONE | TWO, 1);
    eddy_task third = start_waiting("third", TWO, 1);

    testing_turns();
    raise(SIGUSR1);
    testing_turns();
    testing_assert_log("first=1 second=1");
    raise(SIGUSR2);
    assert_int_equal(eddy_loop_run_until(testing.loop, third), SIGUSR2);
    testing_assert_log("third=2");
    eddy_detach(first);
    eddy_detach(second);
}

test(another_wait_widens_what_is_watched)
{
    eddy_task first = start_waiting("first", ONE, 1);
    eddy_task second;

    testing_turns();
    assert_false(is_blocked(SIGUSR2));
    second = start_waiting("second", TWO, 1);
    testing_turns();
    assert_true(is_blocked(SIGUSR2));
    raise(SIGUSR2);
    raise(SIGUSR1);
    testing_turns();
    assert_int_equal(testing_calls(signalfd), 2);
    assert_int_equal(eddy_task_result(first), SIGUSR1);
    assert_int_equal(eddy_task_result(second), SIGUSR2);
    testing.log[0] = '\0';
    eddy_detach(first);
    eddy_detach(second);
}

test(a_second_wait_for_the_same_signals_makes_no_system_call_of_its_own)
{
    raise(SIGUSR1);
    set_blocked(SIGUSR1, true);
    raise(SIGUSR1);
    assert_int_equal(wait_for(ONE), SIGUSR1);
    testing_forget_calls();
    raise(SIGUSR1);
    assert_int_equal(wait_for(ONE), SIGUSR1);
    assert_int_equal(testing_calls(signalfd), 0);
    assert_int_equal(testing_calls(signal_mask), 0);
    assert_int_equal(testing_calls(epoll_ctl), 0);
    testing_free();
    set_blocked(SIGUSR1, false);
}

test(freeing_the_loop_restores_the_mask_and_drops_what_has_come)
{
    eddy_task task = start_waiting("s", ONE | TWO, 1);

    set_blocked(SIGUSR2, true);
    testing_turns();
    assert_true(is_blocked(SIGUSR1));
    raise(SIGUSR1);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), SIGUSR1);
    raise(SIGUSR1);
    raise(SIGUSR2);
    testing_free();
    assert_false(is_blocked(SIGUSR1));
    assert_true(is_blocked(SIGUSR2));
    set_blocked(SIGUSR2, false);
    assert_int_equal(handled, 0);
    testing.log[0] = '\0';
}

test(signals_that_nobody_waits_for_keep_their_way)
{
    eddy_task task = start_waiting("s", ONE, 1);

    testing_turns();
    raise(SIGUSR2);
    assert_int_equal(handled, SIGUSR2);
    raise(SIGUSR1);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), SIGUSR1);
}

test(sets_that_cannot_be_waited_for_are_invalid)
{
    assert_int_equal(wait_for(0), -EINVAL);
    assert_int_equal(wait_for(EDDY_SIGNAL(SIGKILL)), -EINVAL);
    assert_int_equal(wait_for(ONE | EDDY_SIGNAL(SIGSTOP)), -EINVAL);
    assert_false(is_blocked(SIGUSR1));
}

test(a_cancel_ends_the_wait_and_takes_no_signal)
{
    eddy_task task = start_waiting("s", ONE, 2);

    testing_turns();
    raise(SIGUSR1);
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), SIGUSR1);
    testing_assert_log("s=-ECANCELED s=1");
}

test(a_time_out_ends_the_wait)
{
    assert_int_equal(testing_run_task(waits_for_signal, .name = "s", .set = ONE, .limit = 100 * MS),
                     -ETIMEDOUT);
    assert_int_equal(testing.clock.now, 100 * MS);
    testing.log[0] = '\0';
}

test(a_real_time_signal_can_be_waited_for)
{
    const int number = SIGRTMAX - 1; /* the last is valgrind's own */
    eddy_task task = start_waiting("s", EDDY_SIGNAL(number), 1);

    testing_turns();
    raise(number);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), number);
}

test(a_call_that_fails_leaves_the_mask_as_it_was)
{
    testing_fail(signal_mask, 1, -EINVAL);
    assert_int_equal(wait_for(ONE), -EINVAL);
    testing_fail(signalfd, 1, -EMFILE);
    assert_int_equal(wait_for(ONE), -EMFILE);
    assert_false(is_blocked(SIGUSR1));
    testing_fail(epoll_ctl, 1, -ENOSPC);
    assert_int_equal(wait_for(ONE), -ENOSPC);
    assert_false(is_blocked(SIGUSR1));
}

test(a_set_that_cannot_be_widened_goes_on_with_the_old_one)
{
    eddy_task task = start_waiting("s", ONE, 1);

    testing_turns();
    testing_fail(signalfd, 1, -ENOMEM);
    assert_int_equal(wait_for(ONE | TWO), -ENOMEM);
    assert_false(is_blocked(SIGUSR2));
    assert_true(is_blocked(SIGUSR1));
    raise(SIGUSR1);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), SIGUSR1);
}

/* Waits while allocation k fails; false if it needs less than k. */
static bool waits_in_spite_of(unsigned k)
{
    unsigned before;
    int64_t result;

    testing_reopen(); /* which drops what the last loop has left */
    raise(SIGUSR1);
    before = testing.memory.calls;
    testing_fail_allocation(k);
    result = wait_for(ONE);
    testing_fail_allocation(0);
    assert_true(result == SIGUSR1 || result == -ENOMEM);
    return testing.memory.calls - before >= k;
}

test(memory_that_fails_anywhere_is_enomem)
{
    unsigned k = 1;

    set_blocked(SIGUSR1, true);
    while (waits_in_spite_of(k)) {
        k++;
    }
    assert_in_range(k, 2, 50);
    testing_free();
    set_blocked(SIGUSR1, false);
}

test(a_second_loop_watches_other_signals_and_leaves_the_first_alone)
{
    eddy_loop *other;

    assert_int_equal(eddy_loop_new(&other, &testing.options), 0);
    assert_int_equal(eddy_signal_watch(testing.loop, ONE), 0);
    assert_int_equal(eddy_signal_watch(other, TWO), 0);
    raise(SIGUSR1);
    raise(SIGUSR2);
    assert_int_equal(eddy_loop_run_until(other, eddy_loop_spawn(other, waits_for_signal,
                                                                .name = "other", .set = ONE)),
                     SIGUSR1); /* any loop that waits for it gets it: the documented caveat */
    assert_int_equal(eddy_loop_free(other), 0);
    assert_true(is_blocked(SIGUSR1));
    assert_false(is_blocked(SIGUSR2));
    testing.log[0] = '\0';
    raise(SIGUSR1);
    assert_int_equal(wait_for(ONE), SIGUSR1);
    testing_free();
    assert_false(is_blocked(SIGUSR1));
    assert_int_equal(handled, 0);
}

/* Blocking is the thread's business, and a signal to the process goes to one that does not block. */
static void *watch_in_thread(void *argument)
{
    *(bool *)argument = eddy_signal_watch(testing.loop, ONE) == 0 && is_blocked(SIGUSR1);
    return NULL;
}

test(a_signal_is_blocked_in_the_thread_that_watches_it_and_in_no_other)
{
    bool watched = false;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, watch_in_thread, &watched), 0);
    pthread_join(thread, NULL);
    assert_true(watched);
    assert_false(is_blocked(SIGUSR1));
    raise(SIGUSR1);
    assert_int_equal(handled, SIGUSR1);
}

test(a_thread_that_is_started_after_the_watch_blocks_the_signal_too)
{
    bool blocked = false;
    pthread_t thread;

    assert_int_equal(eddy_signal_watch(testing.loop, ONE), 0);
    assert_int_equal(pthread_create(&thread, NULL, watch_in_thread, &blocked), 0);
    pthread_join(thread, NULL);
    assert_true(blocked); /* it is watched already: the thread has inherited the mask */
    kill(getpid(), SIGUSR1);
    assert_int_equal(wait_for(ONE), SIGUSR1);
    assert_int_equal(handled, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        signal_case(a_signal_that_comes_while_a_task_waits_is_its_result),
        signal_case(a_signal_that_was_blocked_and_came_before_the_first_wait_is_returned),
        signal_case(a_signal_that_comes_between_two_waits_is_not_lost),
        signal_case(of_several_that_have_come_the_lowest_is_returned_first),
        signal_case(a_signal_goes_to_every_task_that_waits_for_it),
        signal_case(another_wait_widens_what_is_watched),
        signal_case(a_second_wait_for_the_same_signals_makes_no_system_call_of_its_own),
        signal_case(freeing_the_loop_restores_the_mask_and_drops_what_has_come),
        signal_case(signals_that_nobody_waits_for_keep_their_way),
        signal_case(sets_that_cannot_be_waited_for_are_invalid),
        signal_case(a_cancel_ends_the_wait_and_takes_no_signal),
        signal_case(a_time_out_ends_the_wait),
        signal_case(a_real_time_signal_can_be_waited_for),
        signal_case(a_call_that_fails_leaves_the_mask_as_it_was),
        signal_case(a_set_that_cannot_be_widened_goes_on_with_the_old_one),
        signal_case(memory_that_fails_anywhere_is_enomem),
        signal_case(a_second_loop_watches_other_signals_and_leaves_the_first_alone),
        signal_case(a_signal_is_blocked_in_the_thread_that_watches_it_and_in_no_other),
        signal_case(a_thread_that_is_started_after_the_watch_blocks_the_signal_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
