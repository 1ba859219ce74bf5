/* loop.h: leaving a turn from its midst, limits of the next wait, the awake hook, events a turn. */
#include "support/loop.h"

#include <unistd.h>

#include "support/tasks.h"

/* ---- eddy_loop_break */

static void break_off(eddy_callback *callback)
{
    testing_log("%s!", (const char *)callback->user);
    eddy_loop_break(testing.loop);
}

test(a_break_leaves_the_rest_of_the_batch_for_the_next_poll)
{
    start_letters(4, log_callback);
    eddy_callback_start(testing.loop, &letters[1], break_off);
    assert_int_equal(testing_turns(), 2);
    testing_assert_log("a b!");
    assert_int_equal(testing_turns(), 2);
    testing_assert_log("c d");
}

static void start_another_and_break(eddy_callback *callback)
{
    static eddy_callback another = {.user = "another"};

    eddy_callback_start(testing.loop, &another, log_callback);
    break_off(callback);
}

test(what_was_left_runs_before_what_became_ready_meanwhile)
{
    start_letters(3, log_callback);
    eddy_callback_start(testing.loop, &letters[0], start_another_and_break);
    testing_run();
    testing_assert_log("a!");
    testing_run();
    testing_assert_log("b c another");
}

eddy_frame(breaks) {
    eddy_coro co;
    const char *name;
};

static void breaks(eddy_coro *co)
{
    eddy_begin(breaks);
    testing_log("%s", self->name);
    eddy_loop_break(testing.loop);
    eddy_await(eddy_pause(co));
    testing_log("%s again", self->name);
    eddy_end;
}

eddy_frame(logs) {
    eddy_coro co;
    const char *name;
};

static void logs(eddy_coro *co)
{
    eddy_begin(logs);
    testing_log("%s", self->name);
    eddy_end;
}

test(a_step_that_breaks_is_finished_and_no_other_task_runs)
{
    eddy_task a = start(breaks, .name = "a");
    eddy_task b = start(logs, .name = "b");

    testing_run();
    testing_assert_log("a");
    testing_run();
    testing_assert_log("b a again");
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
}

test(check_hooks_run_after_a_break)
{
    static eddy_hook check = {.user = "check"};

    eddy_hook_start(testing.loop, &check, EDDY_HOOK_CHECK, log_hook);
    start_letters(2, break_off);
    (void)testing_turn();
    testing_assert_log("a! check");
    (void)testing_turn();
    testing_assert_log("b! check");
    eddy_hook_stop(&check);
}

static void break_in_hook(eddy_hook *hook)
{
    eddy_hook_stop(hook);
    testing_log("hook");
    eddy_loop_break(testing.loop);
}

test(a_break_in_a_prepare_hook_asks_and_runs_nothing)
{
    static eddy_hook prepare;
    static eddy_timer timer = {.user = "timer"};

    eddy_hook_start(testing.loop, &prepare, EDDY_HOOK_PREPARE, break_in_hook);
    start_timer(&timer, EDDY_SECOND);
    start_letters(1, log_callback);
    testing_forget_calls();
    testing_run();
    testing_assert_log("hook");
    assert_int_equal(testing_waits(), 0);
    testing_run();
    testing_assert_log("a timer@1000000000");
}

test(a_break_outside_of_a_poll_is_a_stop)
{
    start_letters(1, log_callback);
    eddy_loop_break(testing.loop);
    testing_run();
    testing_assert_log("");
    testing_run();
    testing_assert_log("a");
}

eddy_frame(breaks_at_the_end) {
    eddy_coro co;
};

static void breaks_at_the_end(eddy_coro *co)
{
    eddy_begin(breaks_at_the_end);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
eddy_finally:
    eddy_loop_break(testing.loop);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    testing_log("cleaned@%d", seconds());
    eddy_end;
}

test(the_end_of_a_loop_is_not_broken_off)
{
    (void)eddy_detach(start(breaks_at_the_end));
    testing_turns();
    testing_free();
    testing_assert_log("cleaned@1");
}

/* ---- a stop in a prepare hook */

static void stop_in_hook(eddy_hook *hook)
{
    eddy_hook_stop(hook);
    eddy_loop_stop(testing.loop);
}

test(a_stop_in_a_prepare_hook_does_not_let_the_loop_sleep)
{
    static eddy_hook prepare;
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    eddy_hook_start(testing.loop, &prepare, EDDY_HOOK_PREPARE, stop_in_hook);
    start_timer(&timer, EDDY_SECOND);
    testing_run();
    assert_int_equal(testing.sys.now, 0);
    testing_run();
    testing_assert_log("timer@1000000000");
}

/* ---- eddy_loop_limit_wait */

static int limits;

static void limit_to_ten_and_seven(eddy_hook *hook)
{
    (void)hook;
    testing_log("hook@%lld", (long long)(eddy_loop_now(testing.loop) / MS));
    if (++limits == 3) {
        eddy_hook_stop(hook);
        return;
    }
    eddy_loop_limit_wait(testing.loop, 10 * MS);
    eddy_loop_limit_wait(testing.loop, 7 * MS);
    eddy_loop_limit_wait(testing.loop, 8 * MS);
}

test(a_prepare_hook_shortens_the_wait_of_its_turn)
{
    static eddy_hook prepare;
    static eddy_timer timer = {.user = "timer"};

    limits = 0;
    real_time_loop(0);
    eddy_hook_start(testing.loop, &prepare, EDDY_HOOK_PREPARE, limit_to_ten_and_seven);
    start_timer(&timer, 100 * MS);
    testing_run();
    testing_assert_log("hook@0 hook@7 hook@14 timer@100000000");
}

test(virtual_time_jumps_no_further_than_the_limit)
{
    static eddy_hook prepare;
    static eddy_timer timer = {.user = "timer"};

    limits = 0;
    eddy_hook_start(testing.loop, &prepare, EDDY_HOOK_PREPARE, limit_to_ten_and_seven);
    start_timer(&timer, 100 * MS);
    testing_run();
    testing_assert_log("hook@0 hook@7 hook@14 timer@100000000");
}

test(a_limit_is_for_one_look_and_below_zero_is_no_wait)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    start_timer(&timer, 100 * MS);
    eddy_loop_limit_wait(testing.loop, -5);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 0);
    assert_int_equal(testing.sys.now, 0);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("timer@100000000");
}

test(a_turn_that_is_cut_in_two_is_limited_too)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    start_timer(&timer, 100 * MS);
    eddy_loop_limit_wait(testing.loop, 3 * MS);
    assert_int_equal(eddy_loop_prepare(testing.loop, EDDY_FOREVER), 0);
    assert_int_equal(eddy_loop_wait(testing.loop), 0);
    assert_int_equal(testing.sys.now, 3 * MS);
    eddy_timer_stop(&timer);
}

/* ---- the awake hook */

test(an_awake_hook_runs_when_events_are_fetched_and_before_their_callbacks)
{
    static eddy_hook prepare = {.user = "prepare"}, awake = {.user = "awake"};
    static eddy_hook check = {.user = "check"};

    start_watched();
    eddy_hook_start(testing.loop, &check, EDDY_HOOK_CHECK, log_hook);
    eddy_hook_start(testing.loop, &awake, EDDY_HOOK_AWAKE, log_hook);
    eddy_hook_start(testing.loop, &prepare, EDDY_HOOK_PREPARE, log_hook);
    poke_watched();
    (void)testing_turn();
    testing_assert_log("prepare awake io check");
    eddy_hook_stop(&prepare);
    eddy_hook_stop(&check);
    stop_watched();
    (void)testing_turn();
    testing_assert_log("awake");
    eddy_hook_stop(&awake);
}

static void start_next(eddy_callback *callback)
{
    log_callback(callback);
    eddy_callback_start(testing.loop, &letters[1], log_callback);
}

static void count_down(eddy_callback *callback)
{
    int *left = callback->user;

    if (--*left > 0) {
        eddy_callback_start(testing.loop, callback, count_down);
    }
}

test(a_turn_that_does_not_ask_has_no_awake_hook)
{
    static eddy_hook awake = {.user = "awake"};
    static eddy_callback chain;
    static int left;

    left = 1000; /* so that the loop knows them to be fast, and asks more seldom */
    chain.user = &left;
    eddy_callback_start(testing.loop, &chain, count_down);
    testing_turns();
    start_letters(1, start_next);
    letters[1].user = "b";
    eddy_hook_start(testing.loop, &awake, EDDY_HOOK_AWAKE, log_hook);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, EDDY_SECOND), 2);
    testing_assert_log("awake a b"); /* the second turn found b ready */
    eddy_hook_stop(&awake);
}

/* ---- most_events */

test(a_turn_takes_as_many_events_as_the_options_say)
{
    static eddy_io ios[3] = {{.user = "a"}, {.user = "b"}, {.user = "c"}};
    int fds[3][2];

    testing.options.most_events = 2;
    testing_reopen();
    for (int i = 0; i < 3; i++) {
        testing_pipe(fds[i]);
        assert_int_equal(eddy_io_start(testing.loop, &ios[i], fds[i][0], EDDY_READ, log_io), 0);
        testing_poke(fds[i][1]);
    }
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("a b");
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("c");
    for (int i = 0; i < 3; i++) { /* a poll with a budget goes on until each was told */
        testing_poke(fds[i][1]);
    }
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, EDDY_SECOND), 3);
    testing.log[0] = '\0'; /* the kernel begins where it has ended */
    for (int i = 0; i < 3; i++) {
        eddy_io_stop(&ios[i]);
        close(fds[i][0]);
        close(fds[i][1]);
    }
}

test(more_events_than_there_is_room_for_are_invalid)
{
    struct eddy_loop_options options = testing.options;
    eddy_loop *loop;

    options.most_events = 513;
    assert_int_equal(eddy_loop_new(&loop, &options), -EINVAL);
    options.most_events = 512;
    assert_int_equal(eddy_loop_new(&loop, &options), 0);
    assert_int_equal(eddy_loop_free(loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_break_leaves_the_rest_of_the_batch_for_the_next_poll),
        testing_case(what_was_left_runs_before_what_became_ready_meanwhile),
        testing_case(a_step_that_breaks_is_finished_and_no_other_task_runs),
        testing_case(check_hooks_run_after_a_break),
        testing_case(a_break_in_a_prepare_hook_asks_and_runs_nothing),
        testing_case(a_break_outside_of_a_poll_is_a_stop),
        testing_case(the_end_of_a_loop_is_not_broken_off),
        testing_case(a_stop_in_a_prepare_hook_does_not_let_the_loop_sleep),
        testing_case(a_prepare_hook_shortens_the_wait_of_its_turn),
        testing_case(virtual_time_jumps_no_further_than_the_limit),
        testing_case(a_limit_is_for_one_look_and_below_zero_is_no_wait),
        testing_case(a_turn_that_is_cut_in_two_is_limited_too),
        testing_case(an_awake_hook_runs_when_events_are_fetched_and_before_their_callbacks),
        testing_case(a_turn_that_does_not_ask_has_no_awake_hook),
        testing_case(a_turn_takes_as_many_events_as_the_options_say),
        testing_case(more_events_than_there_is_room_for_are_invalid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
