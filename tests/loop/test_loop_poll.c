/* loop.h: several turns in one go; poll_once; a foreign poller. */
#include "support/loop.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- several turns in one go: nobody can tell */

static eddy_callback chain[5];

static void start_next_in_chain(eddy_callback *callback)
{
    long i = callback - chain;

    testing_log("%ld", i);
    if (i < 4) {
        eddy_callback_start(testing.loop, &chain[i + 1], start_next_in_chain);
    }
}

static void start_chain(void)
{
    eddy_callback_start(testing.loop, &chain[0], start_next_in_chain);
}

static void unchecked_loop(void)
{
    testing.options.flags = 0;
    testing_reopen();
}

test(an_unchecked_loop_runs_in_the_same_order)
{
    static eddy_callback other = {.user = "other"};

    unchecked_loop();
    start_chain();
    eddy_callback_start(testing.loop, &other, log_callback);
    testing_run();
    testing_assert_log("0 other 1 2 3 4");
}

test(an_unchecked_loop_runs_its_hooks_in_every_turn)
{
    static eddy_hook prepare = {.user = "prepare"}, check = {.user = "check"};

    unchecked_loop();
    eddy_hook_start(testing.loop, &prepare, EDDY_HOOK_PREPARE, log_hook);
    start_chain();
    testing_run();
    testing_assert_log("prepare 0 prepare 1 prepare 2 prepare 3 prepare 4");
    eddy_hook_stop(&prepare);
    eddy_hook_start(testing.loop, &check, EDDY_HOOK_CHECK, log_hook);
    start_chain();
    testing_run();
    testing_assert_log("0 check 1 check 2 check 3 check 4 check");
}

static void stop_and_start_chain(eddy_callback *callback)
{
    log_callback(callback);
    start_chain();
    eddy_loop_stop(testing.loop);
}

test(an_unchecked_loop_stops_after_the_turn_that_is_running)
{
    static eddy_callback stop = {.user = "stop"}, next = {.user = "next"};

    unchecked_loop();
    eddy_callback_start(testing.loop, &stop, stop_and_start_chain);
    eddy_callback_start(testing.loop, &next, log_callback);
    testing_run();
    testing_assert_log("stop next");
    testing_run();
    testing_assert_log("0 1 2 3 4");
}

test(an_unchecked_loop_polls_exactly_one_turn_without_a_budget)
{
    unchecked_loop();
    start_chain();
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 0), 1);
    testing_assert_log("0");
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, EDDY_FOREVER), 4);
    testing_assert_log("1 2 3 4");
}

/* ---- poll_once */

test(poll_once_returns_the_number_of_steps)
{
    static eddy_callback a = {.user = "a"}, b = {.user = "b"};
    static eddy_timer timer = {.user = "t"};

    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 0), 0);
    eddy_callback_start(testing.loop, &a, log_callback);
    eddy_callback_start(testing.loop, &b, log_callback);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 0), 2);
    start_timer(&timer, 0);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 0), 1);
    testing_assert_log("a b t@0");
}

test(poll_once_refuses_negative_arguments)
{
    static eddy_callback a = {.user = "a"};

    eddy_callback_start(testing.loop, &a, log_callback);
    assert_int_equal(eddy_loop_poll_once(testing.loop, -1, 0), -EINVAL);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, -1), -EINVAL);
    testing_assert_log("");
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("a");
}

test(poll_once_returns_the_error_of_the_kernel_and_can_go_on_afterwards)
{
    start_watched();
    poke_watched();
    testing_fail(epoll_wait, 1, -EBADF);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 0), -EBADF);
    testing_assert_log("");
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("io");
    stop_watched();
}

test(an_interrupted_wait_is_no_error)
{
    start_watched();
    testing_fail(epoll_wait, 1, -EINTR);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 0);
    stop_watched();
}

test(without_a_budget_poll_once_is_exactly_one_turn)
{
    start_chain();
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("0");
    assert_int_equal(testing_turns(), 4);
    testing_assert_log("1 2 3 4");
}

test(a_chain_of_five_hand_overs_takes_one_call)
{
    start_chain();
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, EDDY_SECOND), 5);
    testing_assert_log("0 1 2 3 4");
}

/* Takes a millisecond of real time. */
static void take_a_millisecond(eddy_callback *callback)
{
    log_callback(callback);
    testing.sys.now += MS;
}

test(a_budget_that_is_used_up_cuts_a_batch_at_the_end_of_a_step)
{
    testing_fake_clock(0);
    start_letters(8, take_a_millisecond);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 3 * MS), 3);
    testing_assert_log("a b c");
    assert_int_equal(eddy_loop_next_deadline(testing.loop), 0); /* work is left: now */
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 2 * MS + 1), 3);
    testing_assert_log("d e f");
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, EDDY_SECOND), 2);
    testing_assert_log("g h");
    assert_int_equal(eddy_loop_next_deadline(testing.loop), EDDY_FOREVER);
}

static void take_a_millisecond_and_start_next(eddy_callback *callback)
{
    static eddy_callback next = {.user = "next"};

    take_a_millisecond(callback);
    eddy_callback_start(testing.loop, &next, log_callback);
}

test(what_a_budget_has_cut_off_runs_before_what_became_ready_since)
{
    testing_fake_clock(0);
    start_letters(3, take_a_millisecond_and_start_next);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, MS), 1);
    testing_assert_log("a");
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 0), 3);
    testing_assert_log("b c next");
}

test(what_a_budget_has_cut_off_does_not_let_the_next_poll_wait)
{
    real_time_loop(0);
    start_letters(3, take_a_millisecond);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, MS), 1);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 2);
    testing_assert_log("a b c");
}

test(one_that_a_budget_has_cut_off_can_be_stopped)
{
    testing_fake_clock(0);
    start_letters(3, take_a_millisecond);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, MS), 1);
    eddy_callback_stop(&letters[1]);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("a c");
}

static void take_a_millisecond_of_timer(eddy_timer *timer)
{
    log_timer(timer);
    testing.sys.now += MS;
}

/* It waits, *then* runs until the budget is used up. */
test(the_budget_begins_after_the_wait)
{
    static eddy_timer a = {.user = "a"}, b = {.user = "b"}, c = {.user = "c"};

    real_time_loop(0);
    eddy_timer_start(testing.loop, &a, 500 * MS, take_a_millisecond_of_timer);
    eddy_timer_start(testing.loop, &b, 500 * MS, take_a_millisecond_of_timer);
    eddy_timer_start(testing.loop, &c, 500 * MS, take_a_millisecond_of_timer);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_SECOND, 5 * MS), 3);
    testing_assert_log("a b c");
}

test(inside_a_callback_poll_run_and_free_are_busy_and_do_nothing)
{
    static eddy_callback nested, next = {.user = "next"};

    eddy_callback_start(testing.loop, &nested, run_tests_nested);
    eddy_callback_start(testing.loop, &next, log_callback);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 0), 2);
    testing.log[strlen(testing.log) - strlen(" next")] = '\0';
    assert_all_busy();
    eddy_callback_start(testing.loop, &nested, run_tests_nested);
    testing_run();
    assert_all_busy();
}

static void run_tests_nested_in_hook(eddy_hook *hook)
{
    run_tests_nested(NULL);
    eddy_hook_stop(hook);
}

test(inside_a_hook_poll_run_and_free_are_busy_too)
{
    static eddy_hook hook;

    eddy_hook_start(testing.loop, &hook, EDDY_HOOK_CHECK, run_tests_nested_in_hook);
    (void)testing_turn();
    assert_all_busy();
}

/* ---- a foreign poller */

test(the_fd_of_the_loop_is_readable_when_an_fd_is)
{
    start_watched();
    assert_false(loop_fd_is_readable());
    poke_watched();
    assert_true(loop_fd_is_readable());
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("io");
    assert_false(loop_fd_is_readable());
    stop_watched();
}

test(the_fd_of_the_loop_is_readable_when_a_message_has_come)
{
    static eddy_callback message = {.user = "message"};

    assert_false(loop_fd_is_readable());
    eddy_loop_call_threadsafe(testing.loop, &message, log_callback);
    assert_true(loop_fd_is_readable());
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("message");
    assert_false(loop_fd_is_readable());
}

test(the_fd_of_the_loop_is_readable_after_a_wake_up)
{
    eddy_loop_wake(testing.loop);
    assert_true(loop_fd_is_readable());
    assert_int_equal(testing_turn(), 0);
    assert_false(loop_fd_is_readable());
}

static void log_timer_only_name(eddy_timer *timer)
{
    testing_log("%s", (const char *)timer->user);
}

static void start_timer_from_callback(eddy_callback *callback)
{
    assert_int_equal(eddy_timer_start(testing.loop, callback->user, 1, log_timer_only_name), 0);
}

test(with_a_timerfd_a_deadline_makes_the_fd_readable)
{
    static eddy_timer timer = {.user = "timer"};
    static eddy_callback callback = {.user = &timer};

    true_time_loop_with_timerfd();
    eddy_callback_start(testing.loop, &callback, start_timer_from_callback);
    assert_int_equal(testing_turn(), 1);
    for (int i = 0; i < 100 && eddy_timer_started(&timer); i++) {
        assert_true(loop_fd_becomes_readable());
        (void)testing_turn();
    }
    testing_assert_log("timer");
    (void)testing_turn();
    assert_false(loop_fd_is_readable());
}

test(with_a_timerfd_a_deadline_that_was_stopped_leaves_the_fd_quiet)
{
    static eddy_timer timer = {.user = "timer"};
    static eddy_callback callback = {.user = &timer};

    true_time_loop_with_timerfd();
    eddy_callback_start(testing.loop, &callback, start_timer_from_callback);
    assert_int_equal(testing_turn(), 1);
    assert_true(loop_fd_becomes_readable());
    eddy_timer_stop(&timer);
    (void)testing_turn();
    assert_false(loop_fd_is_readable());
}

test(with_a_timerfd_work_that_a_poll_has_left_makes_the_fd_readable)
{
    true_time_loop_with_timerfd();
    start_busy(0, 0, NULL);
    assert_int_equal(testing_turn(), 1);
    assert_true(loop_fd_becomes_readable());
    eddy_callback_stop(&busy.callback);
    (void)testing_turn();
    assert_false(loop_fd_is_readable());
}

/* A foreign main loop starts things between two polls, and then sleeps on the fd: "the fd is
 * readable" is the whole truth. */
test(with_a_timerfd_a_callback_that_was_started_between_two_polls_makes_the_fd_readable)
{
    static eddy_callback callback = {.user = "callback"};

    true_time_loop_with_timerfd();
    (void)testing_turn();
    eddy_callback_start(testing.loop, &callback, log_callback);
    assert_true(loop_fd_becomes_readable());
    eddy_callback_stop(&callback);
}

test(with_a_timerfd_a_timer_that_was_started_between_two_polls_makes_the_fd_readable)
{
    static eddy_timer timer = {.user = "timer"};

    true_time_loop_with_timerfd();
    (void)testing_turn();
    assert_int_equal(eddy_timer_start(testing.loop, &timer, 1, log_timer_only_name), 0);
    assert_true(loop_fd_becomes_readable());
    eddy_timer_stop(&timer);
}

test(with_a_timerfd_a_regular_file_that_was_started_between_two_polls_makes_the_fd_readable)
{
    static eddy_io io = {.user = "file"};
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    true_time_loop_with_timerfd();
    (void)testing_turn();
    assert_int_equal(eddy_io_start(testing.loop, &io, fd, EDDY_READ, log_io), 0);
    assert_true(loop_fd_becomes_readable());
    (void)testing_turn();
    assert_true(loop_fd_becomes_readable()); /* it is always ready */
    testing_assert_log("file");
    eddy_io_stop(&io);
    close(fd);
}

test(with_a_timerfd_the_deadline_is_set_in_the_kernel_only_when_it_changes)
{
    static eddy_timer timer = {.user = "timer"};

    true_time_loop_with_timerfd();
    start_timer(&timer, 3600 * EDDY_SECOND);
    (void)testing_turn();
    (void)testing_turn();
    assert_int_equal(testing_calls(timerfd_settime), 1);
    start_timer(&timer, 7200 * EDDY_SECOND);
    (void)testing_turn();
    (void)testing_turn();
    assert_int_equal(testing_calls(timerfd_settime), 2);
    eddy_timer_stop(&timer);
}

test(with_a_timerfd_many_starts_between_two_polls_set_it_once)
{
    static eddy_callback first = {.user = "first"}, second = {.user = "second"};

    true_time_loop_with_timerfd();
    (void)testing_turn();
    testing_forget_calls();
    eddy_callback_start(testing.loop, &first, log_callback);
    (void)eddy_loop_now(testing.loop); /* "now" is another time by then */
    eddy_callback_start(testing.loop, &second, log_callback);
    assert_int_equal(testing_calls(timerfd_settime), 1);
    assert_true(loop_fd_becomes_readable());
    assert_int_equal(testing_turn(), 2);
    assert_false(loop_fd_is_readable());
    testing_assert_log("first second");
}

test(with_a_timerfd_that_could_not_be_set_the_next_change_tries_again)
{
    true_time_loop_with_timerfd();
    (void)testing_turn();
    testing_fail(timerfd_settime, 1, -EINVAL);
    start_letters(1, log_callback);
    assert_false(loop_fd_is_readable());
    start_letters(1, log_callback);
    assert_true(loop_fd_becomes_readable());
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(an_unchecked_loop_runs_in_the_same_order),
        testing_case(an_unchecked_loop_runs_its_hooks_in_every_turn),
        testing_case(an_unchecked_loop_stops_after_the_turn_that_is_running),
        testing_case(an_unchecked_loop_polls_exactly_one_turn_without_a_budget),
        testing_case(poll_once_returns_the_number_of_steps),
        testing_case(poll_once_refuses_negative_arguments),
        testing_case(poll_once_returns_the_error_of_the_kernel_and_can_go_on_afterwards),
        testing_case(an_interrupted_wait_is_no_error),
        testing_case(without_a_budget_poll_once_is_exactly_one_turn),
        testing_case(a_chain_of_five_hand_overs_takes_one_call),
        testing_case(a_budget_that_is_used_up_cuts_a_batch_at_the_end_of_a_step),
        testing_case(what_a_budget_has_cut_off_runs_before_what_became_ready_since),
        testing_case(what_a_budget_has_cut_off_does_not_let_the_next_poll_wait),
        testing_case(one_that_a_budget_has_cut_off_can_be_stopped),
        testing_case(the_budget_begins_after_the_wait),
        testing_case(inside_a_callback_poll_run_and_free_are_busy_and_do_nothing),
        testing_case(inside_a_hook_poll_run_and_free_are_busy_too),
        testing_case(the_fd_of_the_loop_is_readable_when_an_fd_is),
        testing_case(the_fd_of_the_loop_is_readable_when_a_message_has_come),
        testing_case(the_fd_of_the_loop_is_readable_after_a_wake_up),
        testing_case(with_a_timerfd_a_deadline_makes_the_fd_readable),
        testing_case(with_a_timerfd_a_deadline_that_was_stopped_leaves_the_fd_quiet),
        testing_case(with_a_timerfd_work_that_a_poll_has_left_makes_the_fd_readable),
        testing_case(
            with_a_timerfd_a_callback_that_was_started_between_two_polls_makes_the_fd_readable),
        testing_case(
            with_a_timerfd_a_timer_that_was_started_between_two_polls_makes_the_fd_readable),
        testing_case(
            with_a_timerfd_a_regular_file_that_was_started_between_two_polls_makes_the_fd_readable),
        testing_case(with_a_timerfd_the_deadline_is_set_in_the_kernel_only_when_it_changes),
        testing_case(with_a_timerfd_many_starts_between_two_polls_set_it_once),
        testing_case(with_a_timerfd_that_could_not_be_set_the_next_change_tries_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
