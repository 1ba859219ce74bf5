/* loop.h: the turn, which is a contract; run and poll; time; making and freeing. */
#include "support/testing.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "eddy/callback.h"
#include "eddy/hook.h"
#include "eddy/io.h"
#include "eddy/timer.h"
#include "loop_internal.h"

#define MS EDDY_MILLISECOND

/* ---- one of each kind, that logs what it is */

static void log_callback(eddy_callback *callback)
{
    testing_log("%s", (const char *)callback->user);
}

static void log_timer(eddy_timer *timer)
{
    testing_log("%s", (const char *)timer->user);
}

static void log_timer_and_time(eddy_timer *timer)
{
    testing_log("%s@%lld", (const char *)timer->user, (long long)eddy_loop_now(testing.loop));
}

static void log_hook(eddy_hook *hook)
{
    testing_log("%s", (const char *)hook->user);
}

static void log_io(eddy_io *io, unsigned events)
{
    (void)events;
    testing_log("%s", (const char *)io->user);
    testing_drain(io->fd);
}

static void log_wait(void)
{
    testing_log("wait");
}

/* A watcher of a pipe: poke(watched.fds[1]) makes it ready; its callback drains it. */
static struct watched {
    eddy_io io;
    int fds[2];
} watched;

static void start_watched(void)
{
    memset(&watched, 0, sizeof watched);
    watched.io.user = "io";
    testing_pipe(watched.fds);
    assert_int_equal(eddy_io_start(testing.loop, &watched.io, watched.fds[0], EDDY_READ, log_io),
                     0);
}

static void stop_watched(void)
{
    eddy_io_stop(&watched.io);
    close(watched.fds[0]);
    close(watched.fds[1]);
}

static void poke_watched(void)
{
    testing_poke(watched.fds[1]);
}

static void start_timer(eddy_timer *timer, int64_t delay)
{
    assert_int_equal(eddy_timer_start(testing.loop, timer, delay, log_timer_and_time), 0);
}

/* A loop on a monotonic clock that stands at 0 and moves only when the kernel "sleeps". */
static void real_time_loop(unsigned flags)
{
    testing_fake_clock(0);
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, flags);
}

/* ---- the order of a turn: one test an arrow */

test(a_turn_has_the_order_of_the_contract)
{
    static eddy_hook prepare = {.user = "prepare"}, check = {.user = "check"};
    static eddy_timer timer = {.user = "timer"};
    static eddy_callback message = {.user = "message"};

    start_watched();
    eddy_hook_start(testing.loop, &check, EDDY_HOOK_CHECK, log_hook);
    eddy_hook_start(testing.loop, &prepare, EDDY_HOOK_PREPARE, log_hook);
    eddy_loop_call_threadsafe(testing.loop, &message, log_callback);
    assert_int_equal(eddy_timer_start(testing.loop, &timer, 0, log_timer), 0);
    poke_watched();
    testing.sys.on_wait = log_wait;
    assert_int_equal(testing_turn(), 3);
    testing_assert_log("prepare wait io timer message check");
    stop_watched();
}

static void poke_in_hook(eddy_hook *hook)
{
    poke_watched();
    eddy_hook_stop(hook);
}

test(prepare_hooks_run_before_the_kernel_is_asked)
{
    static eddy_hook hook;

    start_watched();
    eddy_hook_start(testing.loop, &hook, EDDY_HOOK_PREPARE, poke_in_hook);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("io");
    stop_watched();
}

static void let_time_pass(void)
{
    testing.sys.now += 10 * MS;
}

test(the_clock_is_read_after_the_kernel_was_asked)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    start_watched();
    start_timer(&timer, 10 * MS);
    testing.sys.on_wait = let_time_pass;
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 0), 1);
    testing_assert_log("timer@10000000");
    stop_watched();
}

test(fd_events_come_before_due_timers)
{
    static eddy_timer timer = {.user = "timer"};

    start_watched();
    start_timer(&timer, 0);
    poke_watched();
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("io timer@0");
    stop_watched();
}

test(due_timers_come_before_messages)
{
    static eddy_timer timer = {.user = "timer"};
    static eddy_callback message = {.user = "message"};

    eddy_loop_call_threadsafe(testing.loop, &message, log_callback);
    start_timer(&timer, 0);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("timer@0 message");
}

static void start_in_hook(eddy_hook *hook)
{
    eddy_callback_start(testing.loop, hook->user, log_callback);
    eddy_hook_stop(hook);
}

/* In the second poll the kernel is asked although something is ready. */
test(what_was_ready_before_comes_before_events_and_timers)
{
    static eddy_callback warm_up = {.user = "warm-up"}, callback = {.user = "callback"};
    static eddy_hook hook = {.user = &callback};
    static eddy_timer timer = {.user = "timer"};

    eddy_callback_start(testing.loop, &warm_up, log_callback);
    assert_int_equal(testing_turn(), 1);
    start_timer(&timer, 0);
    eddy_hook_start(testing.loop, &hook, EDDY_HOOK_PREPARE, start_in_hook);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("warm-up callback timer@0");
}

static void start_three_ways(eddy_callback *callback)
{
    static eddy_timer timer = {.user = "timer"};
    static eddy_callback next = {.user = "next"};

    log_callback(callback);
    eddy_callback_start(testing.loop, &next, log_callback);
    start_timer(&timer, 0);
    poke_watched();
}

test(exactly_what_is_ready_at_its_start_runs_in_a_batch)
{
    static eddy_callback first = {.user = "first"}, second = {.user = "second"};

    start_watched();
    eddy_callback_start(testing.loop, &first, start_three_ways);
    eddy_callback_start(testing.loop, &second, log_callback);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("first second");
    assert_int_equal(testing_turns(), 3);
    testing_assert_log("next io timer@0");
    stop_watched();
}

test(check_hooks_run_after_the_batch)
{
    static eddy_hook check = {.user = "check"};
    static eddy_callback callback = {.user = "callback"};

    eddy_hook_start(testing.loop, &check, EDDY_HOOK_CHECK, log_hook);
    eddy_callback_start(testing.loop, &callback, log_callback);
    (void)testing_turn();
    testing_assert_log("callback check");
}

/* ---- nothing starves anything else */

enum { WARM_UP = 1400 };

/* A callback that runs for ever, so that every turn finds something ready. After its warm-up it
 * does something, and it stops the loop when that was heard of, or at last. */
static struct {
    eddy_callback callback;
    void (*after_warm_up)(void);
    unsigned steps, last;
    int64_t cost; /* real time that a step takes */
} busy;

static void be_busy(eddy_callback *callback)
{
    busy.steps++;
    testing.sys.now += busy.cost;
    if (busy.steps == WARM_UP && busy.after_warm_up != NULL) {
        busy.after_warm_up();
    }
    if (busy.steps == busy.last || testing.log[0] != '\0') {
        eddy_loop_stop(testing.loop);
    }
    eddy_callback_start(testing.loop, callback, be_busy);
}

static void start_busy(unsigned last, int64_t cost, void (*after_warm_up)(void))
{
    memset(&busy, 0, sizeof busy);
    busy.last = last;
    busy.cost = cost;
    busy.after_warm_up = after_warm_up;
    eddy_callback_start(testing.loop, &busy.callback, be_busy);
}

static void run_busy(unsigned last, int64_t cost, void (*after_warm_up)(void))
{
    start_busy(last, cost, after_warm_up);
    testing_run();
    eddy_callback_stop(&busy.callback);
}

/* A loop without EDDY_LOOP_CHECK may run several turns in one go. */
static const unsigned CHECKED_OR_NOT[] = {EDDY_LOOP_CHECK, 0};

static void assert_heard_within_128_steps(void (*action)(void), const char *what)
{
    for (int i = 0; i < 2; i++) {
        testing.options.flags = CHECKED_OR_NOT[i];
        testing_reopen();
        start_watched();
        run_busy(WARM_UP + 2000, 0, action);
        testing_assert_log(what);
        assert_in_range(busy.steps, WARM_UP + 1, WARM_UP + 129);
        stop_watched();
    }
}

test(a_busy_loop_hears_of_an_fd_within_128_steps)
{
    assert_heard_within_128_steps(poke_watched, "io");
}

static void start_a_timer(void)
{
    static eddy_timer timer = {.user = "timer"};

    start_timer(&timer, 0);
}

test(a_busy_loop_hears_of_a_timer_within_128_steps)
{
    assert_heard_within_128_steps(start_a_timer, "timer@0");
}

static void send_a_message(void)
{
    static eddy_callback message = {.user = "message"};

    eddy_loop_call_threadsafe(testing.loop, &message, log_callback);
}

test(a_busy_loop_hears_of_a_message_within_128_steps)
{
    assert_heard_within_128_steps(send_a_message, "message");
}

static void forget_calls(void)
{
    testing_forget_calls();
}

test(a_busy_loop_with_fast_steps_asks_the_kernel_every_128_steps)
{
    for (int i = 0; i < 2; i++) {
        testing.options.flags = CHECKED_OR_NOT[i];
        testing_reopen();
        start_watched();
        run_busy(WARM_UP + 1280, 0, forget_calls);
        assert_in_range(testing_waits(), 10, 11);
        stop_watched();
    }
}

test(a_busy_loop_with_slow_steps_asks_the_kernel_about_once_a_millisecond)
{
    real_time_loop(0);
    start_watched();
    run_busy(WARM_UP + 400, MS / 4, forget_calls);
    assert_in_range(testing_waits(), 50, 200); /* a hundred milliseconds */
    run_busy(WARM_UP + 100, 10 * MS, forget_calls);
    assert_in_range(testing_waits(), 50, 100); /* after every step or two */
    stop_watched();
}

static unsigned io_steps, timer_steps;

static void count_io(eddy_io *io, unsigned events)
{
    (void)io;
    (void)events;
    io_steps++;
}

static void count_timer(eddy_timer *timer)
{
    timer_steps++;
    assert_int_equal(eddy_timer_start(testing.loop, timer, 0, count_timer), 0);
}

test(callbacks_timers_and_fds_that_are_always_ready_all_get_their_share)
{
    static eddy_timer timer;
    static eddy_io io;
    int fds[2];

    testing_pipe(fds);
    testing_poke(fds[1]);
    assert_int_equal(eddy_timer_start(testing.loop, &timer, 0, count_timer), 0);
    assert_int_equal(eddy_io_start(testing.loop, &io, fds[0], EDDY_READ, count_io), 0);
    run_busy(12800, 0, NULL);
    assert_true(timer_steps >= 98);
    assert_true(io_steps >= 98);
    eddy_timer_stop(&timer);
    eddy_io_stop(&io);
    close(fds[0]);
    close(fds[1]);
}

test(a_turn_does_not_wait_if_anything_is_ready)
{
    real_time_loop(0);
    start_watched();
    start_busy(0, 0, NULL);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
        assert_int_equal(testing.sys.milliseconds, 0);
    }
    assert_int_equal(testing_calls(epoll_pwait2), 0);
    eddy_callback_stop(&busy.callback);
    stop_watched();
}

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

static eddy_callback letters[8];

static void start_letters(int count, eddy_callback_fn *function)
{
    static char names[][2] = {"a", "b", "c", "d", "e", "f", "g", "h"};

    memset(letters, 0, sizeof letters);
    for (int i = 0; i < count; i++) {
        letters[i].user = names[i];
        eddy_callback_start(testing.loop, &letters[i], function);
    }
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

static void run_tests_nested(eddy_callback *callback)
{
    (void)callback;
    testing_log("poll:%d", (int)-eddy_loop_poll_once(testing.loop, 0, 0));
    testing_log("run:%d", -eddy_loop_run(testing.loop));
    testing_log("free:%d", -eddy_loop_free(testing.loop));
}

static void assert_all_busy(void)
{
    char expected[64];

    snprintf(expected, sizeof expected, "poll:%d run:%d free:%d", EBUSY, EBUSY, EBUSY);
    testing_assert_log(expected);
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

/* ---- how long it waits: real time */

test(a_poll_waits_for_the_next_deadline)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    start_timer(&timer, 1500000);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("timer@1500000");
    assert_int_equal(testing_calls(epoll_pwait2), 1);
    assert_int_equal(testing.sys.nanoseconds, 1500000);
}

test(a_poll_waits_no_longer_than_it_is_allowed_to)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    start_timer(&timer, EDDY_SECOND);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 7, 0), 0);
    assert_int_equal(testing.sys.nanoseconds, 7);
    assert_int_equal(testing.sys.now, 7);
    eddy_timer_stop(&timer);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 9, 0), 0);
    assert_int_equal(testing.sys.nanoseconds, 9);
}

test(a_poll_that_may_not_wait_does_not)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    start_watched();
    start_timer(&timer, EDDY_SECOND);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 0), 0);
    assert_int_equal(testing.sys.now, 0);
    assert_int_equal(testing.sys.milliseconds, 0);
    assert_int_equal(testing_calls(epoll_pwait2), 0);
    eddy_timer_stop(&timer);
    stop_watched();
}

test(with_nothing_but_an_fd_a_poll_waits_for_ever)
{
    real_time_loop(0);
    start_watched();
    testing.sys.on_wait = poke_watched;
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    assert_int_equal(testing.sys.milliseconds, -1);
    testing_assert_log("io");
    stop_watched();
}

test(a_deadline_that_is_past_is_not_waited_for)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    start_timer(&timer, 5);
    testing.sys.now = 100;
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("timer@100");
    assert_int_equal(testing_calls(epoll_pwait2), 0);
}

test(a_kernel_without_epoll_pwait2_is_asked_for_whole_milliseconds_rounded_up)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    testing_fail_from(epoll_pwait2, 1, -ENOSYS);
    start_timer(&timer, 1500000);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    assert_int_equal(testing.sys.milliseconds, 2);
    start_timer(&timer, 1);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    assert_int_equal(testing.sys.milliseconds, 1);
    start_timer(&timer, 3 * MS);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    assert_int_equal(testing.sys.milliseconds, 3);
    testing_assert_log("timer@2000000 timer@3000000 timer@6000000");
    assert_int_equal(testing_calls(epoll_pwait2), 1); /* it is remembered */
}

test(a_deadline_too_far_for_epoll_wait_is_waited_for_in_parts)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    testing_fail_from(epoll_pwait2, 1, -ENOSYS);
    start_timer(&timer, INT64_C(10000000000) * MS);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 0);
    assert_int_equal(testing.sys.milliseconds, INT32_MAX);
    eddy_timer_stop(&timer);
}

/* ---- how long it waits: virtual and manual time */

test(virtual_time_jumps_only_when_no_event_comes)
{
    static eddy_timer timer = {.user = "timer"};

    start_watched();
    start_timer(&timer, 10);
    poke_watched();
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("io");
    assert_int_equal(testing.clock.now, 0);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("timer@10");
    stop_watched();
}

test(virtual_time_jumps_although_an_fd_is_watched)
{
    static eddy_timer timer = {.user = "timer"};

    start_watched();
    start_timer(&timer, 3600 * EDDY_SECOND);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("timer@3600000000000");
    stop_watched();
}

test(virtual_time_jumps_no_further_than_the_poll_may_wait)
{
    static eddy_timer timer = {.user = "timer"};

    start_timer(&timer, 50);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 20, 0), 0);
    assert_int_equal(testing.clock.now, 20);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 0), 0);
    assert_int_equal(testing.clock.now, 20);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 40, 0), 1);
    testing_assert_log("timer@50");
}

test(virtual_time_does_not_jump_while_something_is_ready)
{
    static eddy_timer timer = {.user = "timer"};
    static eddy_callback callback = {.user = "callback"};

    start_timer(&timer, 50);
    eddy_callback_start(testing.loop, &callback, log_callback);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("callback");
    assert_int_equal(testing.clock.now, 0);
    eddy_timer_stop(&timer);
}

test(with_no_deadline_virtual_time_waits_for_the_kernel)
{
    start_watched();
    testing.sys.on_wait = poke_watched;
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("io");
    assert_int_equal(testing.clock.now, 0);
    stop_watched();
}

test(virtual_time_stands_still_while_a_hold_is_taken)
{
    static eddy_timer timer = {.user = "timer"};

    testing_fake_clock(0); /* so that the wait takes no time */
    start_timer(&timer, 10);
    eddy_loop_hold(testing.loop);
    eddy_loop_hold(testing.loop);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 50, 0), 0);
    eddy_loop_release(testing.loop);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 50, 0), 0);
    assert_int_equal(testing.clock.now, 0);
    assert_int_equal(testing.sys.now, 100); /* it waited in the kernel meanwhile */
    eddy_loop_release(testing.loop);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 50, 0), 1);
    testing_assert_log("timer@10");
}

test(a_manual_clock_does_not_move_while_the_kernel_waits)
{
    static eddy_timer timer = {.user = "timer"};

    testing_fake_clock(0);
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start_timer(&timer, 10);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 500, 0), 0);
    assert_int_equal(testing.sys.nanoseconds, 500);
    assert_int_equal(testing.clock.now, 0);
    eddy_clock_advance(&testing.clock, 10);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("timer@10");
}

/* ---- now, update, next_deadline */

static void log_two_times(eddy_callback *callback)
{
    testing_log("%lld", (long long)eddy_loop_now(testing.loop));
    testing.sys.now += 5;
    testing_log("%lld", (long long)eddy_loop_now(testing.loop));
    if (callback->user != NULL) {
        testing_log("updated:%lld", (long long)eddy_loop_update(testing.loop));
        testing_log("%lld", (long long)eddy_loop_now(testing.loop));
    }
}

test(all_of_a_turn_sees_one_time)
{
    static eddy_callback a, b;

    real_time_loop(0);
    testing.sys.now = 100;
    eddy_callback_start(testing.loop, &a, log_two_times);
    eddy_callback_start(testing.loop, &b, log_two_times);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("100 100 100 100");
}

test(update_reads_the_clock_inside_a_turn)
{
    static eddy_callback a = {.user = "update"}, b;

    real_time_loop(0);
    testing.sys.now = 100;
    eddy_callback_start(testing.loop, &a, log_two_times);
    eddy_callback_start(testing.loop, &b, log_two_times);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("100 100 updated:105 105 105 105");
}

test(outside_a_turn_now_reads_the_clock_anew)
{
    real_time_loop(0);
    assert_int_equal(eddy_loop_now(testing.loop), 0);
    testing.sys.now = 50;
    assert_int_equal(eddy_loop_now(testing.loop), 50);
    (void)testing_turn();
    testing.sys.now = 60;
    assert_int_equal(eddy_loop_now(testing.loop), 60);
}

test(the_next_deadline_is_never_if_only_an_fd_or_a_thread_can_wake_it)
{
    assert_int_equal(eddy_loop_next_deadline(testing.loop), EDDY_FOREVER);
    start_watched();
    eddy_loop_hold(testing.loop);
    assert_int_equal(eddy_loop_next_deadline(testing.loop), EDDY_FOREVER);
    eddy_loop_release(testing.loop);
    stop_watched();
}

test(the_next_deadline_is_that_of_the_earliest_timer)
{
    static eddy_timer a, b;

    start_timer(&a, 30);
    start_timer(&b, 20);
    assert_int_equal(eddy_loop_next_deadline(testing.loop), 20);
    eddy_timer_stop(&b);
    assert_int_equal(eddy_loop_next_deadline(testing.loop), 30);
    eddy_timer_stop(&a);
}

test(the_next_deadline_is_now_while_something_is_ready)
{
    static eddy_callback callback = {.user = "callback"}, message = {.user = "message"};

    real_time_loop(0);
    testing.sys.now = 100;
    eddy_callback_start(testing.loop, &callback, log_callback);
    assert_true(eddy_loop_next_deadline(testing.loop) <= 100);
    (void)testing_turn();
    assert_int_equal(eddy_loop_next_deadline(testing.loop), EDDY_FOREVER);
    eddy_loop_call_threadsafe(testing.loop, &message, log_callback);
    assert_true(eddy_loop_next_deadline(testing.loop) <= 100);
    (void)testing_turn();
    testing_assert_log("callback message");
    assert_int_equal(eddy_loop_next_deadline(testing.loop), EDDY_FOREVER);
}

/* ---- a foreign poller */

static bool loop_fd_is_readable(void)
{
    struct pollfd question = {.fd = eddy_loop_fd(testing.loop), .events = POLLIN};

    return poll(&question, 1, 0) == 1;
}

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

/* Sleeps in poll(2) until the loop's fd is readable, on the real clock; a second is for ever. */
static bool loop_fd_becomes_readable(void)
{
    struct pollfd question = {.fd = eddy_loop_fd(testing.loop), .events = POLLIN};

    return poll(&question, 1, 1000) == 1;
}

/* The timerfd is the kernel's: these run on the true clock, but wait for a nanosecond only. */
static void true_time_loop_with_timerfd(void)
{
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, EDDY_LOOP_TIMERFD);
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

/* ---- run and stop */

test(run_returns_when_nothing_is_left)
{
    testing_run();
    assert_int_equal(testing_waits(), 0);
}

static void stop_io(eddy_io *io, unsigned events)
{
    log_io(io, events);
    eddy_io_stop(io);
}

test(run_goes_on_while_watchers_timers_and_callbacks_are_left)
{
    static eddy_timer timer = {.user = "timer"};
    static eddy_callback callback = {.user = "callback"};

    start_watched();
    watched.io.callback = stop_io;
    start_timer(&timer, 10);
    eddy_callback_start(testing.loop, &callback, log_callback);
    poke_watched();
    testing_run();
    testing_assert_log("callback io timer@10");
    stop_watched();
}

static void release(eddy_callback *callback)
{
    log_callback(callback);
    eddy_loop_release(testing.loop);
}

static void *send_release(void *argument)
{
    eddy_loop_call_threadsafe(testing.loop, argument, release);
    return NULL;
}

static pthread_t helper;
static eddy_callback release_message;

static void start_helper(void)
{
    testing.sys.on_wait = NULL;
    assert_int_equal(pthread_create(&helper, NULL, send_release, &release_message), 0);
}

test(run_goes_on_while_a_hold_is_taken)
{
    release_message.user = "released";
    eddy_loop_hold(testing.loop);
    testing.sys.on_wait = start_helper;
    testing_run();
    pthread_join(helper, NULL);
    testing_assert_log("released");
}

test(run_returns_the_error_of_the_kernel)
{
    start_watched();
    testing_fail(epoll_wait, 1, -EBADF);
    assert_int_equal(eddy_loop_run(testing.loop), -EBADF);
    stop_watched();
}

test(run_goes_on_after_an_interrupted_wait)
{
    start_watched();
    watched.io.callback = stop_io;
    poke_watched();
    testing_fail(epoll_wait, 1, -EINTR);
    testing_run();
    testing_assert_log("io");
    stop_watched();
}

static void stop_loop(eddy_callback *callback)
{
    log_callback(callback);
    eddy_loop_stop(testing.loop);
}

static void start_stopper_and_another(void)
{
    static eddy_callback stopper = {.user = "stop"}, next = {.user = "next"};

    eddy_callback_start(testing.loop, &stopper, stop_loop);
    eddy_callback_start(testing.loop, &next, log_callback);
}

test(stop_makes_run_return_after_the_turn_that_is_running)
{
    static eddy_timer timer = {.user = "timer"};

    start_stopper_and_another();
    start_timer(&timer, 10);
    testing_run();
    testing_assert_log("stop next");
    testing_run();
    testing_assert_log("timer@10");
}

static void stop_and_go_on(eddy_callback *callback)
{
    static eddy_callback later = {.user = "later"};

    stop_loop(callback);
    eddy_callback_start(testing.loop, &later, log_callback);
}

test(stop_makes_poll_once_return_after_the_turn_that_is_running)
{
    static eddy_callback callback = {.user = "stop"};

    eddy_callback_start(testing.loop, &callback, stop_and_go_on);
    assert_int_equal(testing_turns(), 1);
    testing_assert_log("stop");
    assert_int_equal(testing_turns(), 1);
    testing_assert_log("later");
}

test(stop_outside_makes_the_next_run_return_before_its_first_turn)
{
    static eddy_callback callback = {.user = "callback"};

    eddy_callback_start(testing.loop, &callback, log_callback);
    eddy_loop_stop(testing.loop);
    testing_run();
    testing_assert_log("");
    testing_run();
    testing_assert_log("callback");
}

test(stop_outside_makes_the_next_poll_return_before_its_first_turn)
{
    static eddy_callback callback = {.user = "callback"};

    eddy_callback_start(testing.loop, &callback, log_callback);
    eddy_loop_stop(testing.loop);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, EDDY_SECOND), 0);
    testing_assert_log("");
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, EDDY_SECOND), 1);
    testing_assert_log("callback");
}

/* ---- errors that nobody collects */

static const eddy_task no_task = {NULL, 0};

test(the_error_hook_is_told_code_and_text)
{
    eddy_loop_report(testing.loop, no_task, -EIO, "%s went wrong", "something");
    testing_assert_error(-EIO, "something went wrong");
}

static void report_again(eddy_loop *loop, eddy_task task, int64_t code, const char *text)
{
    testing_on_error(loop, task, code, text);
    eddy_loop_report(loop, task, code, "again");
    run_tests_nested(NULL);
}

test(the_error_hook_does_not_re_enter)
{
    testing.options.on_error = report_again;
    testing_reopen();
    eddy_loop_report(testing.loop, no_task, -EIO, "once");
    testing_assert_error(-EIO, "once");
    assert_all_busy();
    eddy_loop_report(testing.loop, no_task, -EPIPE, "twice");
    testing_assert_error(-EPIPE, "twice");
    assert_all_busy();
}

test(the_default_error_hook_writes_one_line_to_standard_error)
{
    char text[128] = "";
    int fds[2];
    int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

    testing.options.on_error = NULL;
    testing_reopen();
    testing_pipe(fds);
    dup2(fds[1], STDERR_FILENO);
    eddy_loop_report(testing.loop, no_task, -EIO, "something went wrong");
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    assert_true(read(fds[0], text, sizeof text - 1) > 0);
    assert_string_equal(text, "eddy: something went wrong\n");
    close(saved);
    close(fds[0]);
    close(fds[1]);
}

/* ---- making */

static int new_with(struct eddy_loop_options options)
{
    eddy_loop *loop = testing.loop;
    int result = eddy_loop_new(&loop, &options);

    if (result < 0) {
        assert_null(loop);
    } else {
        assert_int_equal(eddy_loop_free(loop), 0);
    }
    return result;
}

test(no_options_are_the_defaults)
{
    eddy_loop *loop;

    assert_int_equal(eddy_loop_new(&loop, NULL), 0);
    assert_null(eddy_loop_user(loop));
    assert_int_equal(eddy_loop_run(loop), 0);
    assert_int_equal(eddy_loop_free(loop), 0);
}

test(the_user_pointer_is_that_of_the_options)
{
    assert_ptr_equal(eddy_loop_user(testing.loop), &testing);
}

test(a_header_that_is_not_the_librarys_is_refused)
{
    eddy_loop *loop = testing.loop;

    assert_int_equal(
        eddy_loop_new_versioned(&loop, &testing.options, EDDY_VERSION + 1, sizeof testing.options),
        -EINVAL);
    assert_null(loop);
    loop = testing.loop;
    assert_int_equal(
        eddy_loop_new_versioned(&loop, &testing.options, EDDY_VERSION, sizeof testing.options - 1),
        -EINVAL);
    assert_null(loop);
    loop = testing.loop;
    assert_int_equal(eddy_loop_new_versioned(&loop, NULL, EDDY_VERSION + 1, sizeof testing.options),
                     -EINVAL);
    assert_null(loop);
}

test(an_unknown_flag_is_refused)
{
    struct eddy_loop_options options = testing.options;

    options.flags |= 1u << 3;
    assert_int_equal(new_with(options), -EINVAL);
    options.flags = 1u << 31;
    assert_int_equal(new_with(options), -EINVAL);
}

static int new_with_timerfd_and_clock(enum eddy_clock_kind kind)
{
    struct eddy_loop_options options = testing.options;
    eddy_clock clock;

    eddy_clock_init(&clock, kind);
    options.clock = &clock;
    options.flags |= EDDY_LOOP_TIMERFD;
    return new_with(options);
}

test(a_timerfd_fits_a_monotonic_or_boot_time_clock_only)
{
    assert_int_equal(new_with_timerfd_and_clock(EDDY_CLOCK_MONOTONIC), 0);
    assert_int_equal(new_with_timerfd_and_clock(EDDY_CLOCK_VIRTUAL), -EINVAL);
    assert_int_equal(new_with_timerfd_and_clock(EDDY_CLOCK_MANUAL), -EINVAL);
    assert_int_equal(new_with_timerfd_and_clock(EDDY_CLOCK_BOOTTIME), 0);
}

/* A loop with everything it can have, so that all of its making can fail. */
static struct eddy_loop_options full_options(void)
{
    struct eddy_loop_options options = testing.options;

    options.clock = NULL;
    options.flags |= EDDY_LOOP_TIMERFD;
    return options;
}

/* The teardown sees what was not cleaned up. */
#define assert_new_fails_with(call, k, error)              \
    do {                                                   \
        testing_fail(call, k, error);                      \
        assert_int_equal(new_with(full_options()), error); \
        testing_fail(call, 0, 0);                          \
        assert_int_equal(new_with(full_options()), 0);     \
    } while (0)

test(a_failure_of_any_system_call_is_returned_and_cleaned_up)
{
    assert_new_fails_with(epoll_create, 1, -EMFILE);
    assert_new_fails_with(eventfd, 1, -ENFILE);
    assert_new_fails_with(epoll_ctl, 1, -ENOMEM);
    assert_new_fails_with(timerfd_create, 1, -ENODEV);
    assert_new_fails_with(epoll_ctl, 2, -ENOSPC);
}

test(a_failure_of_any_allocation_is_returned_and_cleaned_up)
{
    size_t before = testing.memory.bytes;
    unsigned k = 0;
    int result;

    do {
        testing_fail_allocation(++k);
        result = new_with(full_options());
        assert_true(result == 0 || result == -ENOMEM);
        assert_int_equal(testing.memory.bytes, before);
    } while (result < 0);
    assert_true(k >= 2);
}

/* Design, section 6: standard input, output and error may be closed, and are not taken. */
test(the_loops_own_fds_lie_above_the_standard_ones)
{
    int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    eddy_loop *loop;
    int fd, wake_fd;

    testing_free();
    close(STDIN_FILENO);
    assert_int_equal(eddy_loop_new(&loop, &testing.options), 0);
    fd = eddy_loop_fd(loop);
    wake_fd = loop->wake_io.fd;
    assert_int_equal(eddy_loop_free(loop), 0);
    dup2(saved, STDIN_FILENO);
    close(saved);
    assert_true(fd > 2);
    assert_true(wake_fd > 2);
}

test(all_fds_of_the_loop_are_close_on_exec)
{
    true_time_loop_with_timerfd();
    assert_true(fcntl(eddy_loop_fd(testing.loop), F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(testing.loop->wake_io.fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(testing.loop->timerfd, F_GETFD) & FD_CLOEXEC);
}

/* ---- freeing */

test(freeing_no_loop_is_fine)
{
    assert_int_equal(eddy_loop_free(NULL), 0);
}

test(a_loop_that_was_stopped_can_be_freed)
{
    eddy_loop_stop(testing.loop);
    testing_free();
}

test(a_loop_with_a_hold_can_be_freed)
{
    eddy_loop_hold(testing.loop);
    testing_free();
}

static void use_up_the_budget(eddy_callback *callback)
{
    log_callback(callback);
    testing.sys.now += EDDY_SECOND;
}

test(freeing_a_loop_detaches_what_is_ready)
{
    static eddy_callback late = {.user = "late"};

    testing_fake_clock(0);
    start_watched();
    start_letters(2, use_up_the_budget);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 1), 1);
    eddy_callback_start(testing.loop, &late, log_callback);
    testing_reopen();
    assert_false(eddy_io_started(&watched.io));
    eddy_callback_start(testing.loop, &letters[1], log_callback);
    eddy_callback_start(testing.loop, &late, log_callback);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("a b late");
    stop_watched();
}

/* ---- the check */

test(a_sound_loop_passes_its_check)
{
    static eddy_timer timers[50];

    for (int i = 0; i < 50; i++) {
        start_timer(&timers[i], (i * 7) % 50);
    }
    start_watched();
    assert_int_equal(eddy_loop_check(testing.loop), 0);
    for (int i = 0; i < 50; i++) {
        eddy_timer_stop(&timers[i]);
    }
    stop_watched();
}

test(the_check_finds_a_broken_heap)
{
    static eddy_timer a, b;

    start_timer(&a, 10);
    start_timer(&b, 20);
    b.timed.alarm.position = 1;
    assert_int_equal(eddy_loop_check(testing.loop), -EINVAL);
    b.timed.alarm.position = 2;
    assert_int_equal(eddy_loop_check(testing.loop), 0);
    eddy_timer_stop(&a);
    eddy_timer_stop(&b);
}

test(the_check_finds_a_broken_link)
{
    static eddy_callback callback;
    struct eddy_link *prev;

    eddy_callback_start(testing.loop, &callback, log_callback);
    prev = callback.ready.link.prev;
    callback.ready.link.prev = NULL;
    assert_int_equal(eddy_loop_check(testing.loop), -EINVAL);
    callback.ready.link.prev = prev;
    assert_int_equal(eddy_loop_check(testing.loop), 0);
    eddy_callback_stop(&callback);
}

test(the_check_finds_a_watcher_that_was_overwritten)
{
    start_watched();
    watched.io.fd++;
    assert_int_equal(eddy_loop_check(testing.loop), -EINVAL);
    watched.io.fd--;
    stop_watched();
}

static void break_and_poll(void *argument)
{
    eddy_timer *timer = argument;

    timer->timed.alarm.position = 7;
    (void)eddy_loop_poll_once(testing.loop, 0, 0);
}

test(a_checked_loop_aborts_with_a_message_when_an_invariant_is_broken)
{
    static eddy_timer timer;

    start_timer(&timer, 10);
    testing_expect_abort(break_and_poll, &timer,
                         "eddy_loop_check: an invariant of the loop is broken");
    eddy_timer_stop(&timer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_turn_has_the_order_of_the_contract),
        testing_case(prepare_hooks_run_before_the_kernel_is_asked),
        testing_case(the_clock_is_read_after_the_kernel_was_asked),
        testing_case(fd_events_come_before_due_timers),
        testing_case(due_timers_come_before_messages),
        testing_case(what_was_ready_before_comes_before_events_and_timers),
        testing_case(exactly_what_is_ready_at_its_start_runs_in_a_batch),
        testing_case(check_hooks_run_after_the_batch),
        testing_case(a_busy_loop_hears_of_an_fd_within_128_steps),
        testing_case(a_busy_loop_hears_of_a_timer_within_128_steps),
        testing_case(a_busy_loop_hears_of_a_message_within_128_steps),
        testing_case(a_busy_loop_with_fast_steps_asks_the_kernel_every_128_steps),
        testing_case(a_busy_loop_with_slow_steps_asks_the_kernel_about_once_a_millisecond),
        testing_case(callbacks_timers_and_fds_that_are_always_ready_all_get_their_share),
        testing_case(a_turn_does_not_wait_if_anything_is_ready),
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
        testing_case(a_poll_waits_for_the_next_deadline),
        testing_case(a_poll_waits_no_longer_than_it_is_allowed_to),
        testing_case(a_poll_that_may_not_wait_does_not),
        testing_case(with_nothing_but_an_fd_a_poll_waits_for_ever),
        testing_case(a_deadline_that_is_past_is_not_waited_for),
        testing_case(a_kernel_without_epoll_pwait2_is_asked_for_whole_milliseconds_rounded_up),
        testing_case(a_deadline_too_far_for_epoll_wait_is_waited_for_in_parts),
        testing_case(virtual_time_jumps_only_when_no_event_comes),
        testing_case(virtual_time_jumps_although_an_fd_is_watched),
        testing_case(virtual_time_jumps_no_further_than_the_poll_may_wait),
        testing_case(virtual_time_does_not_jump_while_something_is_ready),
        testing_case(with_no_deadline_virtual_time_waits_for_the_kernel),
        testing_case(virtual_time_stands_still_while_a_hold_is_taken),
        testing_case(a_manual_clock_does_not_move_while_the_kernel_waits),
        testing_case(all_of_a_turn_sees_one_time),
        testing_case(update_reads_the_clock_inside_a_turn),
        testing_case(outside_a_turn_now_reads_the_clock_anew),
        testing_case(the_next_deadline_is_never_if_only_an_fd_or_a_thread_can_wake_it),
        testing_case(the_next_deadline_is_that_of_the_earliest_timer),
        testing_case(the_next_deadline_is_now_while_something_is_ready),
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
        testing_case(run_returns_when_nothing_is_left),
        testing_case(run_goes_on_while_watchers_timers_and_callbacks_are_left),
        testing_case(run_goes_on_while_a_hold_is_taken),
        testing_case(run_returns_the_error_of_the_kernel),
        testing_case(run_goes_on_after_an_interrupted_wait),
        testing_case(stop_makes_run_return_after_the_turn_that_is_running),
        testing_case(stop_makes_poll_once_return_after_the_turn_that_is_running),
        testing_case(stop_outside_makes_the_next_run_return_before_its_first_turn),
        testing_case(stop_outside_makes_the_next_poll_return_before_its_first_turn),
        testing_case(the_error_hook_is_told_code_and_text),
        testing_case(the_error_hook_does_not_re_enter),
        testing_case(the_default_error_hook_writes_one_line_to_standard_error),
        testing_case(no_options_are_the_defaults),
        testing_case(the_user_pointer_is_that_of_the_options),
        testing_case(a_header_that_is_not_the_librarys_is_refused),
        testing_case(an_unknown_flag_is_refused),
        testing_case(a_timerfd_fits_a_monotonic_or_boot_time_clock_only),
        testing_case(a_failure_of_any_system_call_is_returned_and_cleaned_up),
        testing_case(a_failure_of_any_allocation_is_returned_and_cleaned_up),
        testing_case(the_loops_own_fds_lie_above_the_standard_ones),
        testing_case(all_fds_of_the_loop_are_close_on_exec),
        testing_case(freeing_no_loop_is_fine),
        testing_case(a_loop_that_was_stopped_can_be_freed),
        testing_case(a_loop_with_a_hold_can_be_freed),
        testing_case(freeing_a_loop_detaches_what_is_ready),
        testing_case(a_sound_loop_passes_its_check),
        testing_case(the_check_finds_a_broken_heap),
        testing_case(the_check_finds_a_broken_link),
        testing_case(the_check_finds_a_watcher_that_was_overwritten),
        testing_case(a_checked_loop_aborts_with_a_message_when_an_invariant_is_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
