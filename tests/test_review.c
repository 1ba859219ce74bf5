/* Defects that a review has found, each with what showed it. Those of streams and servers are in
 * test_writev.c, test_idle.c and test_server_limits.c. */
#include "support/net.h"
#include "support/tasks.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "eddy/gather.h"
#include "eddy/group.h"
#include "eddy/signal.h"
#include "eddy/stream.h"
#include "eddy/timer.h"

#define MS EDDY_MILLISECOND

static long long now(void)
{
    return (long long)testing.clock.now;
}

static void run_loop(void *argument)
{
    (void)argument;
    eddy_loop_run(testing.loop);
}

/* Sleeps so many nanoseconds, swallows a cancel, and returns 0. */
eddy_frame(stubborn) {
    eddy_coro co;
    int64_t sleep;
    int64_t rc;
};

static void stubborn(eddy_coro *co)
{
    eddy_begin(stubborn);
    eddy_catch(self->rc, eddy_sleep(co, self->sleep));
    eddy_return(0);
    eddy_end;
}

/* ---- timers and sleeps that were put off */

static void log_timer(eddy_timer *timer)
{
    testing_log("%s", (const char *)timer->user);
}

static void start_timer(eddy_timer *timer, int64_t delay)
{
    assert_int_equal(eddy_timer_start(testing.loop, timer, delay, log_timer), 0);
}

test(timers_that_are_due_at_once_fire_in_the_order_of_their_true_deadlines)
{
    static eddy_timer a = {.user = "a"};
    static eddy_timer b = {.user = "b"};

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start_timer(&a, 5);
    start_timer(&b, 7);
    start_timer(&a, 10); /* put off: now after b */
    eddy_clock_advance(&testing.clock, 12);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("b a");
}

test(a_timer_that_was_put_off_to_the_deadline_of_another_fires_after_it)
{
    static eddy_timer a = {.user = "a"};
    static eddy_timer b = {.user = "b"};

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start_timer(&a, 5);
    start_timer(&b, 10);
    start_timer(&a, 10); /* equal, and started later */
    eddy_clock_advance(&testing.clock, 10);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("b a");
}

eddy_frame(sleeps_again) {
    eddy_coro co;
    const char *name;
    int64_t first;
    int64_t second;
    int64_t rc;
};

static void sleeps_again(eddy_coro *co)
{
    eddy_begin(sleeps_again);
    if (self->first > 0) {
        eddy_catch(self->rc, eddy_sleep(co, self->first)); /* is cancelled */
    }
    eddy_await(eddy_sleep(co, self->second));
    testing_log("%s", self->name);
    eddy_end;
}

test(sleeps_that_are_due_at_once_end_in_the_order_of_their_true_deadlines)
{
    eddy_task a;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    a = start(sleeps_again, .name = "a", .first = 5, .second = 10);
    start(sleeps_again, .name = "b", .second = 7);
    testing_turn();
    assert_int_equal(eddy_cancel(a), 0);
    testing_turn();
    eddy_clock_advance(&testing.clock, 12);
    testing_turns();
    testing_assert_log("b a");
}

/* ---- time-outs that are ignored or swallowed */

eddy_frame(waits_in_its_finally) {
    eddy_coro co;
    eddy_task task;
    int64_t rc;
};

static void waits_in_its_finally(eddy_coro *co)
{
    eddy_begin(waits_in_its_finally);
    eddy_await(eddy_sleep(co, 1000));
eddy_finally:
    self->task = eddy_spawn(co, stubborn, .sleep = 100);
    eddy_catch(self->rc, eddy_wait_for(co, 10, eddy_join(co, self->task)));
    testing_log("inner=%lld@%lld", (long long)self->rc, now());
    eddy_end;
}

eddy_frame(has_five_for_that) {
    eddy_coro co;
};

static void has_five_for_that(eddy_coro *co)
{
    eddy_begin(has_five_for_that);
    eddy_await(eddy_wait_for(co, 5, eddy_call(co, waits_in_its_finally)));
    eddy_end;
}

test(an_inner_time_out_that_is_ignored_leaves_an_outer_one_that_has_struck)
{
    assert_int_equal(run(has_five_for_that), -ETIMEDOUT);
    testing_assert_log("inner=0@15");
}

eddy_frame(swallows) {
    eddy_coro co;
    eddy_task task;
    int64_t rc;
};

static void swallows(eddy_coro *co)
{
    eddy_begin(swallows);
    eddy_catch(self->rc, eddy_sleep(co, 1000));
    testing_log("%lld@%lld", (long long)self->rc, now());
    self->task = eddy_spawn(co, stubborn, .sleep = 100);
    eddy_catch(self->rc, eddy_wait_for(co, 10, eddy_join(co, self->task)));
    testing_log("%lld@%lld", (long long)self->rc, now());
    eddy_catch(self->rc, eddy_sleep(co, 1));
    testing_log("%lld@%lld", (long long)self->rc, now());
    eddy_catch(self->rc, eddy_sleep(co, 1));
    testing_log("%lld@%lld", (long long)self->rc, now());
    eddy_return(3);
    eddy_end;
}

eddy_frame(has_five_to_swallow) {
    eddy_coro co;
    int64_t rc;
};

static void has_five_to_swallow(eddy_coro *co)
{
    eddy_begin(has_five_to_swallow);
    eddy_catch(self->rc, eddy_wait_for(co, 5, eddy_call(co, swallows)));
    eddy_return(self->rc);
    eddy_end;
}

test(a_time_out_that_was_swallowed_is_not_delivered_twice)
{
    char expected[64];

    assert_int_equal(run(has_five_to_swallow), 3);
    snprintf(expected, sizeof expected, "%d@5 0@15 0@16 0@17", -ECANCELED);
    testing_assert_log(expected);
}

/* ---- words */

eddy_frame(catches_into_an_array) {
    eddy_coro co;
    int i;
    int64_t results[3];
};

static void catches_into_an_array(eddy_coro *co)
{
    eddy_begin(catches_into_an_array);
    self->results[1] = 77;
    self->results[2] = 78;
    eddy_catch(self->results[self->i++], eddy_sleep(co, -1));
    eddy_catch(self->results[self->i++], eddy_sleep(co, 1));
    testing_log("%d: %lld %lld %lld", self->i, (long long)self->results[0],
                (long long)self->results[1], (long long)self->results[2]);
    eddy_end;
}

test(catch_evaluates_its_variable_once)
{
    assert_int_equal(run(catches_into_an_array), 0);
    testing_assert_log("2: 0 0 78");
}

eddy_frame(yields_in_its_finally) {
    eddy_coro co;
    int value;
    int64_t rc;
};

static void yields_in_its_finally(eddy_coro *co)
{
    eddy_begin(yields_in_its_finally);
    eddy_yield(1);
eddy_finally:
    eddy_yield(2);
    eddy_catch(self->rc, eddy_sleep(co, 100));
    testing_log("slept=%lld@%lld", (long long)self->rc, now());
    eddy_end;
}

eddy_frame(runs_that_generator) {
    eddy_coro co;
    int value;
};

static void runs_that_generator(eddy_coro *co)
{
    eddy_begin(runs_that_generator);
    eddy_for_each(self->value, yields_in_its_finally) {
        testing_log("%d", self->value);
    }
    eddy_await(eddy_pause(co));
    testing_log("not cancelled");
    eddy_end;
}

test(a_generator_that_yields_in_its_finally_is_still_not_cancelled_there)
{
    eddy_task task = start(runs_that_generator);

    testing_turns();
    testing_assert_log("1 2");
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("slept=0@100");
}

/* ---- the end of a loop */

static eddy_stream stream;

eddy_frame(hangs_in_its_finally) {
    eddy_coro co;
    char byte;
};

static void hangs_in_its_finally(eddy_coro *co)
{
    eddy_begin(hangs_in_its_finally);
    eddy_await(eddy_read(co, &stream, &self->byte, 1));
eddy_finally:
    eddy_await(eddy_read(co, &stream, &self->byte, 1));
    eddy_end;
}

test(the_shutdown_limit_on_a_manual_clock_is_real_time)
{
    int fds[2];

    testing_socketpair(fds);
    testing.options.shutdown_limit = 100 * MS;
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    testing_fake_clock(EDDY_SECOND);
    memset(&stream, 0, sizeof stream);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    start(hangs_in_its_finally);
    testing_turn();
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    assert_int_equal(testing.sys.now, EDDY_SECOND + 100 * MS);
    assert_int_equal(testing.clock.now, 0);
    assert_told(-ETIMEDOUT, "");
    close(fds[0]);
    close(fds[1]);
}

eddy_frame(awaits_a_signal_in_its_finally) {
    eddy_coro co;
};

static void awaits_a_signal_in_its_finally(eddy_coro *co)
{
    eddy_begin(awaits_a_signal_in_its_finally);
    eddy_await(eddy_sleep(co, EDDY_FOREVER));
eddy_finally:
    eddy_await(eddy_signal_wait(co, EDDY_SIGNAL(SIGUSR1)));
    eddy_end;
}

test(a_cleanup_that_waits_for_a_signal_is_cut_off)
{
    testing.options.shutdown_limit = 50 * MS;
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    testing_fake_clock(EDDY_SECOND);
    start(awaits_a_signal_in_its_finally);
    testing_turn();
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    assert_int_equal(testing.memory.bytes, 0);
    assert_told(-ETIMEDOUT, "");
}

/* ---- turns */

static int64_t worst_gap;
static int64_t last_tick;

static void note_gap(eddy_timer *timer)
{
    (void)timer;
    if (last_tick > 0 && testing.sys.now - last_tick > worst_gap) {
        worst_gap = testing.sys.now - last_tick;
    }
    last_tick = testing.sys.now;
}

enum pause_kind { PAUSE, LIMITED_PAUSE, SLEEP };

/* 400 steps of a millisecond each. */
eddy_frame(computes) {
    eddy_coro co;
    enum pause_kind kind;
    int i;
};

static void computes(eddy_coro *co)
{
    eddy_begin(computes);
    for (self->i = 0; self->i < 400; self->i++) {
        testing.sys.now += MS;
        if (self->i == 200) { /* the loop has seen by now that steps are slow */
            worst_gap = 0;
        }
        if (self->kind == PAUSE) {
            eddy_await(eddy_pause(co));
        } else if (self->kind == LIMITED_PAUSE) {
            eddy_await(eddy_wait_for(co, EDDY_SECOND, eddy_pause(co)));
        } else {
            eddy_await(eddy_sleep(co, 0));
        }
    }
    eddy_end;
}

static int64_t worst_gap_with(enum pause_kind kind)
{
    static eddy_timer timer;

    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    testing_fake_clock(EDDY_SECOND);
    last_tick = 0;
    assert_int_equal(
        eddy_timer_start_periodic(testing.loop, &timer, MS, EDDY_TIMER_FIXED_RATE, note_gap), 0);
    assert_int_equal(run(computes, .kind = kind), 0);
    eddy_timer_stop(&timer);
    return worst_gap;
}

test(slow_steps_with_time_outs_or_sleeps_in_them_hold_up_no_timer)
{
    assert_in_range(worst_gap_with(PAUSE), 1, 4 * MS);
    assert_in_range(worst_gap_with(LIMITED_PAUSE), 1, 4 * MS);
    assert_in_range(worst_gap_with(SLEEP), 1, 4 * MS);
}

static int turns;
static int fired_in;

static void note_turn(eddy_timer *timer)
{
    (void)timer;
    fired_in = turns;
}

eddy_frame(advances_the_clock) {
    eddy_coro co;
};

static void advances_the_clock(eddy_coro *co)
{
    eddy_begin(advances_the_clock);
    for (turns = 0; turns < 300; turns++) {
        if (turns == 100) {
            eddy_clock_advance(&testing.clock, 10);
        }
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

test(a_manual_clock_that_is_advanced_in_a_step_fires_timers_in_the_next_turn)
{
    static eddy_timer timer;

    testing.options.flags = 0; /* with EDDY_LOOP_CHECK turns never go on without an end */
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    fired_in = -1;
    assert_int_equal(eddy_timer_start(testing.loop, &timer, 5, note_turn), 0);
    assert_int_equal(run(advances_the_clock), 0);
    assert_int_equal(fired_in, 101);
}

/* ---- errors that were lost, or told of the wrong place */

eddy_frame(leaves_a_failed_group) {
    eddy_coro co;
    eddy_group group;
};

static void leaves_a_failed_group(eddy_coro *co)
{
    eddy_begin(leaves_a_failed_group);
    eddy_group_spawn(co, &self->group, returns, .result = -EIO);
    eddy_await(eddy_pause(co));
    eddy_await(eddy_pause(co));
    assert_int_equal(eddy_group_count(&self->group), 0);
    eddy_end;
}

test(a_group_whose_error_nobody_has_waited_for_is_still_open)
{
    start(leaves_a_failed_group);
    testing_expect_abort(run_loop, NULL, "leaves_a_failed_group: the coroutine ends although");
}

eddy_frame(waits_late) {
    eddy_coro co;
    eddy_group group;
};

static void waits_late(eddy_coro *co)
{
    eddy_begin(waits_late);
    eddy_group_spawn(co, &self->group, returns, .result = -EIO);
    eddy_await(eddy_pause(co));
    eddy_await(eddy_pause(co));
    eddy_except(-EIO, eddy_group_wait(co, &self->group)) {
        testing_log("EIO");
    }
    eddy_group_spawn(co, &self->group, returns);
    eddy_await(eddy_group_wait(co, &self->group));
    eddy_end;
}

test(a_group_tells_its_error_to_who_waits_late_and_may_be_used_again)
{
    assert_int_equal(run(waits_late), 0);
    testing_assert_log("EIO");
}

eddy_frame(times_out_over_swallowers) {
    eddy_coro co;
    eddy_group group;
    eddy_task task;
    int64_t rc;
};

static void times_out_over_swallowers(eddy_coro *co)
{
    eddy_begin(times_out_over_swallowers);
    eddy_group_spawn(co, &self->group, stubborn, .sleep = 100);
    eddy_group_spawn(co, &self->group, stubborn, .sleep = 100);
    eddy_catch(self->rc, eddy_wait_for(co, 5, eddy_group_wait(co, &self->group)));
    testing_log("group=%lld@%lld", (long long)self->rc, now());
    self->task = eddy_spawn(co, stubborn, .sleep = 100);
    eddy_catch(self->rc, eddy_wait_for(co, 5, eddy_gather(co, &self->task, 1)));
    testing_log("gather=%lld@%lld", (long long)self->rc, now());
    eddy_group_spawn(co, &self->group, stubborn, .sleep = 100);
    eddy_group_spawn(co, &self->group, sleeps, .seconds = 1);
    eddy_catch(self->rc, eddy_wait_for(co, 5, eddy_group_wait(co, &self->group)));
    testing_log("group=%lld@%lld", (long long)self->rc, now());
    eddy_end;
}

test(a_group_whose_tasks_have_all_swallowed_the_cancel_is_no_time_out)
{
    char expected[64];

    assert_int_equal(run(times_out_over_swallowers), 0);
    snprintf(expected, sizeof expected, "group=0@5 gather=0@10 group=%d@15", -ETIMEDOUT);
    testing_assert_log(expected);
}

eddy_frame(large) {
    eddy_coro co;
    char bytes[1 << 20];
};

static void large(eddy_coro *co)
{
    eddy_begin(large);
    eddy_end;
}

eddy_frame(gathers_two_failures) {
    eddy_coro co;
    eddy_task tasks[2];
};

static void gathers_two_failures(eddy_coro *co)
{
    eddy_begin(gathers_two_failures);
    self->tasks[0] = eddy_spawn(co, returns, .result = -EIO);
    eddy_await(eddy_pause(co));
    testing_fail_allocations_from(1);
    self->tasks[1] = eddy_spawn(co, large);
    testing_fail_allocation(0);
    eddy_await(eddy_gather(co, self->tasks, 2));
    eddy_end;
}

test(a_gather_tells_of_a_failed_child_beside_a_failed_spawn)
{
    assert_int_equal(run(gathers_two_failures), -ENOMEM);
    assert_told(-EIO, "failed when a gather was failing already");
}

static int line_of_the_error;

eddy_frame(fails_twice) {
    eddy_coro co;
    int64_t rc;
    char byte;
};

static void fails_twice(eddy_coro *co)
{
    eddy_begin(fails_twice);
    eddy_catch(self->rc, eddy_call(co, returns, .result = -EBADF));
    eddy_await(eddy_sleep(co, 1));
    line_of_the_error = __LINE__ + 1;
    eddy_await(eddy_read(co, &stream, &self->byte, 1));
    eddy_end;
}

test(the_origin_of_an_error_is_not_that_of_an_equal_one_that_was_caught)
{
    char place[64];

    memset(&stream, 0, sizeof stream);
    assert_int_equal(eddy_detach(start(fails_twice)), 0);
    testing_run();
    snprintf(place, sizeof place, "test_review.c:%d", line_of_the_error);
    assert_told(-EBADF, place);
}

/* ---- streams left open */

static int pair[2];

eddy_frame(leaves_a_stream_open) {
    eddy_coro co;
    eddy_stream stream;
};

static void leaves_a_stream_open(eddy_coro *co)
{
    eddy_begin(leaves_a_stream_open);
    eddy_await(eddy_stream_open(eddy_loop_of(co), &self->stream, pair[0]));
    eddy_end;
}

eddy_frame(calls_it) {
    eddy_coro co;
};

static void calls_it(eddy_coro *co)
{
    eddy_begin(calls_it);
    eddy_await(eddy_call(co, leaves_a_stream_open));
    eddy_end;
}

test(a_stream_from_stream_open_must_not_be_left_open_in_a_dying_frame)
{
    testing_socketpair(pair);
    start(calls_it);
    testing_expect_abort(run_loop, NULL, "leaves_a_stream_open: the coroutine ends although");
    close(pair[0]);
    close(pair[1]);
}

/* ---- signals that are watched before they are waited for */

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
        testing_case(timers_that_are_due_at_once_fire_in_the_order_of_their_true_deadlines),
        testing_case(a_timer_that_was_put_off_to_the_deadline_of_another_fires_after_it),
        testing_case(sleeps_that_are_due_at_once_end_in_the_order_of_their_true_deadlines),
        testing_case(an_inner_time_out_that_is_ignored_leaves_an_outer_one_that_has_struck),
        testing_case(a_time_out_that_was_swallowed_is_not_delivered_twice),
        testing_case(catch_evaluates_its_variable_once),
        testing_case(a_generator_that_yields_in_its_finally_is_still_not_cancelled_there),
        testing_case(the_shutdown_limit_on_a_manual_clock_is_real_time),
        testing_case(a_cleanup_that_waits_for_a_signal_is_cut_off),
        testing_case(slow_steps_with_time_outs_or_sleeps_in_them_hold_up_no_timer),
        testing_case(a_manual_clock_that_is_advanced_in_a_step_fires_timers_in_the_next_turn),
        testing_case(a_group_whose_error_nobody_has_waited_for_is_still_open),
        testing_case(a_group_tells_its_error_to_who_waits_late_and_may_be_used_again),
        testing_case(a_group_whose_tasks_have_all_swallowed_the_cancel_is_no_time_out),
        testing_case(a_gather_tells_of_a_failed_child_beside_a_failed_spawn),
        testing_case(the_origin_of_an_error_is_not_that_of_an_equal_one_that_was_caught),
        testing_case(a_stream_from_stream_open_must_not_be_left_open_in_a_dying_frame),
        testing_case(a_signal_that_comes_between_watch_and_wait_is_returned_by_the_wait),
        testing_case(a_signal_that_the_loop_has_seen_before_the_wait_is_returned_too),
        testing_case(what_cannot_be_watched_is_invalid),
        testing_case(a_wait_for_more_widens_what_is_watched),
        testing_case(a_watch_that_fails_leaves_the_mask_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
