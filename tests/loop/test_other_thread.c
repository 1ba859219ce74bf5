/* EDDY_LOOP_CHECK: whoever uses a loop while another thread polls it is found out, by name. */
#include "support/loop.h"
#include "support/tasks.h"
#include "support/threads.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "eddy/event.h"
#include "eddy/look.h"
#include "eddy/signal.h"
#include "eddy/stream.h"

/* ---- what another thread does, while the loop waits for it */

static eddy_timer timer;
static eddy_callback callback;
static eddy_hook hook;
static eddy_io io;
static eddy_stream stream, other;
static eddy_event event;
static eddy_task task;
static eddy_coro *waiting; /* of a task that waits for an event */
static int fds[2], pair[2];

static void starts_a_timer(void)
{
    (void)eddy_timer_start(testing.loop, &timer, 1, log_timer);
}

static void starts_a_callback(void)
{
    eddy_callback_start(testing.loop, &callback, log_callback);
}

static void starts_a_hook(void)
{
    eddy_hook_start(testing.loop, &hook, EDDY_HOOK_CHECK, log_hook);
}

static void starts_a_watcher(void)
{
    static eddy_io another;

    (void)eddy_io_start(testing.loop, &another, fds[1], EDDY_WRITE, log_io);
}

static void changes_a_watcher(void)
{
    (void)eddy_io_change(&io, 0);
}

static void stops_a_watcher(void)
{
    eddy_io_stop(&io);
}

static void opens_a_stream(void)
{
    (void)eddy_stream_open(testing.loop, &other, pair[1]);
}

static void closes_a_stream(void)
{
    eddy_stream_close(&stream);
}

static void reads_a_stream(void)
{
    char byte;

    (void)eddy_try_read(&stream, &byte, 1);
}

static void writes_to_a_stream(void)
{
    (void)eddy_try_write(&stream, "x", 1);
}

static void shuts_a_stream_down(void)
{
    (void)eddy_stream_shutdown_write(&stream);
}

static void takes_a_streams_fd(void)
{
    (void)eddy_stream_fd(&stream);
}

static void spawns_a_task(void)
{
    (void)start(sleeps, .seconds = 1);
}

static void cancels_a_task(void)
{
    (void)eddy_cancel(task);
}

static void looks_at_a_task(void)
{
    (void)eddy_task_done(task);
}

static void sets_an_event(void)
{
    eddy_event_set(&event);
}

static void awaits_in_a_task(void)
{
    int64_t ignored = eddy_event_wait(waiting, &event);

    (void)ignored;
}

static void stops_the_loop(void)
{
    eddy_loop_stop(testing.loop);
}

static void asks_for_the_time(void)
{
    (void)eddy_loop_update(testing.loop);
}

static void asks_for_the_next_deadline(void)
{
    (void)eddy_loop_next_deadline(testing.loop);
}

static void asks_for_the_fd(void)
{
    (void)eddy_loop_fd(testing.loop);
}

static void holds_the_loop(void)
{
    eddy_loop_hold(testing.loop);
}

static void releases_the_loop(void)
{
    eddy_loop_release(testing.loop);
}

static void watches_a_signal(void)
{
    (void)eddy_signal_watch(testing.loop, EDDY_SIGNAL(SIGUSR1));
}

static void counts(void)
{
    struct eddy_metrics metrics;

    eddy_loop_metrics(testing.loop, &metrics);
}

static void dumps(void)
{
    (void)eddy_loop_dump(testing.loop, stderr);
}

static void polls(void)
{
    (void)eddy_loop_poll_once(testing.loop, 0, 0);
}

static void frees(void)
{
    (void)eddy_loop_free(testing.loop);
}

static const struct misuse {
    void (*call)(void);
    const char *name;
} misuses[] = {
    {starts_a_timer, "eddy_timer_start"},
    {starts_a_callback, "eddy_callback_start"},
    {starts_a_hook, "eddy_hook_start"},
    {starts_a_watcher, "eddy_io_start"},
    {changes_a_watcher, "eddy_io_change"},
    {stops_a_watcher, "eddy_io_stop"},
    {opens_a_stream, "eddy_stream_open"},
    {closes_a_stream, "eddy_stream_close"},
    {reads_a_stream, "eddy_try_read"},
    {writes_to_a_stream, "eddy_try_write"},
    {shuts_a_stream_down, "eddy_stream_shutdown_write"},
    {takes_a_streams_fd, "eddy_stream_fd"},
    {spawns_a_task, "eddy_spawn"},
    {cancels_a_task, "an operation on a task"},
    {looks_at_a_task, "an operation on a task"},
    {sets_an_event, "what wakes a task"},
    {awaits_in_a_task, "an operation of a coroutine"},
    {stops_the_loop, "eddy_loop_stop"},
    {asks_for_the_time, "eddy_loop_update"},
    {asks_for_the_next_deadline, "eddy_loop_next_deadline"},
    {asks_for_the_fd, "eddy_loop_fd"},
    {holds_the_loop, "eddy_loop_hold"},
    {releases_the_loop, "eddy_loop_release"},
    {watches_a_signal, "eddy_signal_watch"},
    {counts, "eddy_loop_metrics"},
    {dumps, "a dump or a look at the tasks"},
    {polls, "a poll or a run while another goes on"},
    {frees, "eddy_loop_free"},
};

/* ---- the loop meanwhile */

eddy_frame(waits_for_event) {
    eddy_coro co;
};

static void waits_for_event(eddy_coro *co)
{
    eddy_begin(waits_for_event);
    waiting = co;
    eddy_await(eddy_event_wait(co, &event));
    eddy_end;
}

static void have_all(void)
{
    memset(&event, 0, sizeof event);
    memset(&stream, 0, sizeof stream);
    memset(&other, 0, sizeof other);
    memset(&io, 0, sizeof io);
    eddy_event_init(&event);
    testing_pipe(fds);
    testing_socketpair(pair);
    (void)eddy_io_start(testing.loop, &io, fds[0], EDDY_READ, log_io);
    (void)eddy_stream_open(testing.loop, &stream, pair[0]);
    task = start(waits_for_event);
    (void)testing_turns();
}

static void have_none(void)
{
    eddy_event_set(&event);
    assert_int_equal(finish(task), 0);
    eddy_io_stop(&io);
    eddy_stream_close(&stream);
    close(pair[1]);
    close(fds[0]);
    close(fds[1]);
}

static const struct misuse *current;

static void *misuse(void *argument)
{
    current->call();
    return argument;
}

static void misuse_in_a_thread(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, misuse, NULL);
    pthread_join(thread, NULL);
}

static void on_callback(eddy_callback *running)
{
    (void)running;
    misuse_in_a_thread();
}

static void misuse_while_it_is_polled(void *argument)
{
    static eddy_callback running;

    (void)argument;
    eddy_callback_start(testing.loop, &running, on_callback);
    (void)testing_turn();
}

static void misuse_between_prepare_and_poll(void *argument)
{
    (void)argument;
    (void)eddy_loop_prepare(testing.loop, 0);
    misuse_in_a_thread();
}

static void expect_all(void (*function)(void *argument))
{
    for (size_t i = 0; i < sizeof misuses / sizeof *misuses; i++) {
        char text[200];
        current = &misuses[i];
        if (function == misuse_between_prepare_and_poll &&
            (current->call == polls || current->call == frees)) {
            continue; /* they end the turn, in whatever thread */
        }
        snprintf(text, sizeof text, "eddy: %s: in another thread than the one that polls the loop",
                 current->name);
        testing_expect_abort(function, NULL, text);
    }
}

/* ---- tests */

test(whoever_uses_a_loop_that_another_thread_polls_is_told_by_name)
{
    testing_reopen_with(EDDY_CLOCK_VIRTUAL, EDDY_LOOP_CHECK);
    have_all();
    expect_all(misuse_while_it_is_polled);
    have_none();
}

test(or_one_whose_turn_another_thread_has_cut_in_two)
{
    testing_reopen_with(EDDY_CLOCK_VIRTUAL, EDDY_LOOP_CHECK);
    have_all();
    expect_all(misuse_between_prepare_and_poll);
    have_none();
}

static void *use(void *argument)
{
    starts_a_callback();
    eddy_callback_stop(&callback);
    *(int64_t *)argument = run(sleeps, .seconds = 1, .result = 7);
    return NULL;
}

test(between_polls_it_may_be_handed_to_another_thread)
{
    pthread_t thread;
    int64_t result = 0;

    testing_reopen_with(EDDY_CLOCK_VIRTUAL, EDDY_LOOP_CHECK);
    assert_int_equal(run(sleeps, .seconds = 1, .result = 5), 5);
    pthread_create(&thread, NULL, use, &result);
    pthread_join(thread, NULL);
    assert_int_equal(result, 7);
    assert_int_equal(run(sleeps, .seconds = 1, .result = 9), 9);
}

static void *wake_and_call(void *argument)
{
    eddy_loop_wake(testing.loop);
    eddy_loop_call_threadsafe(testing.loop, &callback, log_callback);
    return argument;
}

static void *wait_for_loop(void *argument)
{
    assert_int_equal(eddy_loop_wait(testing.loop), 0);
    return argument;
}

test(what_is_for_other_threads_may_be_called_at_any_time)
{
    pthread_t thread;

    testing_reopen_with(EDDY_CLOCK_VIRTUAL, EDDY_LOOP_CHECK);
    callback.user = "message";
    assert_int_equal(eddy_loop_prepare(testing.loop, EDDY_FOREVER), 0);
    pthread_create(&thread, NULL, wake_and_call, NULL);
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, wait_for_loop, NULL);
    pthread_join(thread, NULL);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("message");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(whoever_uses_a_loop_that_another_thread_polls_is_told_by_name),
        testing_case(or_one_whose_turn_another_thread_has_cut_in_two),
        testing_case(between_polls_it_may_be_handed_to_another_thread),
        testing_case(what_is_for_other_threads_may_be_called_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
