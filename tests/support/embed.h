/*
 * One loop inside a foreign one, which knows of it nothing but its fd: what happens, and how often the
 * foreign loop polls for that. The file that includes this says what the foreign loop is:
 *
 *     static void foreign_open(int fd);      watches the fd from now on: embed_poll whenever it is readable
 *     static void foreign_call_soon(void);   embed_called in the next round of the foreign loop, once
 *     static void foreign_run(void);         runs it until foreign_quit
 *     static void foreign_quit(void);
 *     static void foreign_close(void);
 *
 *     const struct CMUnitTest tests[] = {EMBED_CASES};
 *
 * A case is a function that the foreign loop calls, as a user's program would between two polls, and the
 * log of what follows: "a poll:1" is a step that logged "a" in a poll of one step. When the polls that
 * it expects have been made, the foreign loop goes through some more rounds: they would show one too
 * many.
 */
#ifndef EDDY_TESTING_EMBED_H
#define EDDY_TESTING_EMBED_H

#include "support/loop.h"
#include "support/tasks.h"

#include <pthread.h>

static void foreign_open(int fd);
static void foreign_call_soon(void);
static void foreign_run(void);
static void foreign_quit(void);
static void foreign_close(void);

enum { EMBED_QUIET_ROUNDS = 20 };

static struct {
    void (*begin)(void); /* called in the first round; NULL later */
    void (*then)(void);  /* called in the round after the first poll, unless it is NULL */
    int64_t budget;      /* of each poll */
    int polls;           /* that are still expected */
    int rounds;          /* that are still to come, quiet ones */
    pthread_t thread;
    bool threaded;
} embed;

static void embed_called(void)
{
    void (*begin)(void) = embed.begin;

    embed.begin = NULL;
    if (begin != NULL) {
        begin();
        if (embed.polls > 0) {
            return; /* from now on the loop's fd is all that makes rounds */
        }
    }
    if (--embed.rounds > 0) {
        foreign_call_soon();
    } else {
        foreign_quit();
    }
}

static void embed_poll(void)
{
    int64_t steps = eddy_loop_poll_once(testing.loop, 0, embed.budget);

    testing_log("poll:%d", (int)steps);
    embed.begin = embed.then;
    embed.then = NULL;
    if (--embed.polls == 0 || embed.begin != NULL) {
        foreign_call_soon();
    }
}

static void embed_run(void (*begin)(void), int64_t budget, int polls)
{
    memset(&embed, 0, sizeof embed);
    embed.begin = begin;
    embed.budget = budget;
    embed.polls = polls;
    embed.rounds = EMBED_QUIET_ROUNDS;
    true_time_loop_with_timerfd();
    foreign_open(eddy_loop_fd(testing.loop));
    foreign_call_soon();
    foreign_run();
    foreign_close();
    if (embed.threaded) {
        pthread_join(embed.thread, NULL);
    }
    assert_false(loop_fd_is_readable());
    assert_int_equal(embed.polls, 0);
}

static void embed_start_thread(void *(*function)(void *argument))
{
    assert_int_equal(pthread_create(&embed.thread, NULL, function, NULL), 0);
    embed.threaded = true;
}

/* ---- nothing to do: no poll */

static void embed_begin_nothing(void) {}

test(a_loop_with_nothing_to_do_is_never_polled)
{
    embed_run(embed_begin_nothing, 0, 0);
    testing_assert_log("");
}

static eddy_timer embed_far = {.user = "far"};

static void embed_begin_far_timer(void)
{
    start_watched();
    assert_int_equal(eddy_timer_start(testing.loop, &embed_far, 3600 * EDDY_SECOND, log_timer), 0);
}

test(a_deadline_and_an_fd_that_are_not_due_cause_no_poll)
{
    embed_run(embed_begin_far_timer, 0, 0);
    testing_assert_log("");
    eddy_timer_stop(&embed_far);
    stop_watched();
}

/* ---- one event: one poll */

static void embed_begin_timer(void)
{
    static eddy_timer timer = {.user = "timer"};

    assert_int_equal(eddy_timer_start(testing.loop, &timer, 1, log_timer), 0);
}

test(a_timer_that_is_started_between_polls_takes_one_poll)
{
    embed_run(embed_begin_timer, 0, 1);
    testing_assert_log("timer poll:1");
}

static void embed_begin_io(void)
{
    start_watched();
    poke_watched();
}

test(an_fd_takes_one_poll)
{
    embed_run(embed_begin_io, 0, 1);
    testing_assert_log("io poll:1");
    stop_watched();
}

static void *embed_wake(void *argument)
{
    eddy_loop_wake(testing.loop);
    return argument;
}

static void embed_begin_wake(void)
{
    embed_start_thread(embed_wake);
}

test(a_wake_up_by_another_thread_takes_one_poll)
{
    embed_run(embed_begin_wake, 0, 1);
    testing_assert_log("poll:0");
}

static void *embed_send(void *argument)
{
    static eddy_callback message = {.user = "message"};

    eddy_loop_call_threadsafe(testing.loop, &message, log_callback);
    return argument;
}

static void embed_begin_message(void)
{
    embed_start_thread(embed_send);
}

test(a_message_of_another_thread_takes_one_poll)
{
    embed_run(embed_begin_message, 0, 1);
    testing_assert_log("message poll:1");
}

static void embed_begin_callback(void)
{
    static eddy_callback callback = {.user = "callback"};

    eddy_callback_start(testing.loop, &callback, log_callback);
}

test(a_callback_that_is_started_between_polls_takes_one_poll)
{
    embed_run(embed_begin_callback, 0, 1);
    testing_assert_log("callback poll:1");
}

/* ---- tasks */

static void embed_begin_task(void)
{
    eddy_detach(start(pauses, .name = "task", .times = 3));
}

test(a_task_that_is_spawned_between_polls_runs_a_step_a_poll_without_a_budget)
{
    embed_run(embed_begin_task, 0, 4);
    testing_assert_log("task poll:1 task poll:1 task poll:1 poll:1");
}

test(a_task_that_is_spawned_between_polls_takes_one_poll_with_a_budget)
{
    embed_run(embed_begin_task, EDDY_FOREVER, 1);
    testing_assert_log("task task task poll:4");
}

struct embed_sleeper {
    eddy_coro co;
};

static void embed_sleeper(eddy_coro *co)
{
    eddy_begin(embed_sleeper);
    testing_log("sleeps");
    eddy_await(eddy_sleep(co, 1));
    testing_log("slept");
    eddy_end;
}

static void embed_begin_sleeper(void)
{
    eddy_detach(start(embed_sleeper));
}

test(a_task_that_sleeps_takes_a_poll_to_begin_and_one_to_end)
{
    embed_run(embed_begin_sleeper, 0, 2);
    testing_assert_log("sleeps poll:1 slept poll:1");
}

static eddy_task embed_task;

static void embed_cancel(void)
{
    assert_int_equal(eddy_cancel(embed_task), 0);
}

static void embed_begin_sleeper_to_cancel(void)
{
    embed_task = start(sleeps, .name = "s", .seconds = 3600);
    embed.then = embed_cancel;
}

test(a_task_that_is_cancelled_between_polls_takes_one_poll)
{
    embed_run(embed_begin_sleeper_to_cancel, EDDY_FOREVER, 2);
    testing_assert_log("poll:1 s=ECANCELED@0 poll:1");
    assert_int_equal(finish(embed_task), -ECANCELED);
}

/* ---- what was taken back */

static void embed_begin_and_stop(void)
{
    static eddy_callback callback = {.user = "callback"};

    eddy_callback_start(testing.loop, &callback, log_callback);
    eddy_callback_stop(&callback);
}

test(what_was_started_and_stopped_between_polls_takes_one_poll_for_nothing)
{
    embed_run(embed_begin_and_stop, 0, 1);
    testing_assert_log("poll:0");
}

#define EMBED_CASES                                                                             \
    testing_case(a_loop_with_nothing_to_do_is_never_polled),                                    \
        testing_case(a_deadline_and_an_fd_that_are_not_due_cause_no_poll),                      \
        testing_case(a_timer_that_is_started_between_polls_takes_one_poll),                     \
        testing_case(an_fd_takes_one_poll),                                                     \
        testing_case(a_wake_up_by_another_thread_takes_one_poll),                               \
        testing_case(a_message_of_another_thread_takes_one_poll),                               \
        testing_case(a_callback_that_is_started_between_polls_takes_one_poll),                  \
        testing_case(a_task_that_is_spawned_between_polls_runs_a_step_a_poll_without_a_budget), \
        testing_case(a_task_that_is_spawned_between_polls_takes_one_poll_with_a_budget),        \
        testing_case(a_task_that_sleeps_takes_a_poll_to_begin_and_one_to_end),                  \
        testing_case(a_task_that_is_cancelled_between_polls_takes_one_poll),                    \
        testing_case(what_was_started_and_stopped_between_polls_takes_one_poll_for_nothing)

#endif
