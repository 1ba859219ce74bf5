/* loop.h: the turn, which is a contract; nothing starves anything else. */
#include "support/loop.h"

#include <string.h>
#include <unistd.h>

/* ---- the order of a turn: one test an arrow */

static void log_wait(void)
{
    testing_log("wait");
}

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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
