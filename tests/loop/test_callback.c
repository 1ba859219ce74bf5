/* callback.h and eddy_loop_wake: deferred calls, also from threads and signal handlers. */
#include "support/testing.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "eddy/callback.h"
#include "eddy/timer.h"
#include "loop/loop_internal.h"

static void log_name(eddy_callback *callback)
{
    testing_log("%s", (const char *)callback->user);
}

static void log_other_name(eddy_callback *callback)
{
    testing_log("other-%s", (const char *)callback->user);
}

/* ---- on the loop's thread */

test(a_callback_runs_once)
{
    static eddy_callback a = {.user = "a"};

    eddy_callback_start(testing.loop, &a, log_name);
    testing_assert_log("");
    testing_run();
    testing_run();
    testing_assert_log("a");
}

test(callbacks_run_in_the_order_in_which_they_were_started)
{
    static eddy_callback a = {.user = "a"}, b = {.user = "b"}, c = {.user = "c"};

    eddy_callback_start(testing.loop, &b, log_name);
    eddy_callback_start(testing.loop, &c, log_name);
    eddy_callback_start(testing.loop, &a, log_name);
    assert_int_equal(testing_turn(), 3);
    testing_assert_log("b c a");
}

test(one_that_is_scheduled_keeps_its_place_and_takes_the_new_function)
{
    static eddy_callback a = {.user = "a"}, b = {.user = "b"};

    eddy_callback_start(testing.loop, &a, log_name);
    eddy_callback_start(testing.loop, &b, log_name);
    eddy_callback_start(testing.loop, &a, log_other_name);
    testing_run();
    testing_assert_log("other-a b");
}

static void start_friend(eddy_callback *callback)
{
    testing_log("first");
    eddy_callback_start(testing.loop, callback->user, log_name);
}

test(one_that_is_started_from_a_step_runs_in_the_next_turn)
{
    static eddy_callback friend = {.user = "friend"}, first = {.user = &friend};

    eddy_callback_start(testing.loop, &first, start_friend);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("first");
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("friend");
}

static void again(eddy_callback *callback)
{
    log_name(callback);
    eddy_callback_start(testing.loop, callback, again);
}

test(one_that_reschedules_itself_runs_once_a_turn)
{
    static eddy_callback a = {.user = "a"}, b = {.user = "b"};

    eddy_callback_start(testing.loop, &a, again);
    eddy_callback_start(testing.loop, &b, again);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("a b");
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("a b");
    eddy_callback_stop(&a);
    eddy_callback_stop(&b);
}

test(a_stopped_callback_never_runs)
{
    static eddy_callback a = {.user = "a"}, b = {.user = "b"};

    eddy_callback_start(testing.loop, &a, log_name);
    eddy_callback_start(testing.loop, &b, log_name);
    eddy_callback_stop(&a);
    eddy_callback_stop(&a);
    testing_run();
    testing_assert_log("b");
}

test(stopping_one_that_was_never_started_does_nothing)
{
    static eddy_callback a;

    eddy_callback_stop(&a);
}

static void stop_friend(eddy_callback *callback)
{
    testing_log("first");
    eddy_callback_stop(callback->user);
}

test(a_stopped_callback_never_runs_even_if_its_batch_is_running)
{
    static eddy_callback friend = {.user = "friend"}, first = {.user = &friend};

    eddy_callback_start(testing.loop, &first, stop_friend);
    eddy_callback_start(testing.loop, &friend, log_name);
    testing_run();
    testing_assert_log("first");
}

static void free_friend_and_self(eddy_callback *callback)
{
    eddy_callback *friend = callback->user;

    testing_log("first");
    eddy_callback_stop(friend);
    free(friend);
    free(callback);
}

test(a_callback_may_free_itself_and_another)
{
    eddy_callback *friend = calloc(1, sizeof *friend);
    eddy_callback *first = calloc(1, sizeof *first);

    first->user = friend;
    eddy_callback_start(testing.loop, first, free_friend_and_self);
    eddy_callback_start(testing.loop, friend, log_name);
    testing_run();
    testing_assert_log("first");
}

test(a_callback_that_is_left_when_the_loop_is_freed_may_be_used_again)
{
    static eddy_callback a = {.user = "a"};

    eddy_callback_start(testing.loop, &a, log_name);
    testing_reopen();
    testing_run();
    testing_assert_log("");
    eddy_callback_start(testing.loop, &a, log_name);
    testing_run();
    testing_assert_log("a");
}

/* ---- messages */

test(a_message_runs_once_and_in_order)
{
    static eddy_callback a = {.user = "a"}, b = {.user = "b"}, c = {.user = "c"};

    eddy_loop_call_threadsafe(testing.loop, &c, log_name);
    eddy_loop_call_threadsafe(testing.loop, &a, log_name);
    eddy_loop_call_threadsafe(testing.loop, &b, log_name);
    testing_assert_log("");
    testing_run();
    testing_run();
    testing_assert_log("c a b");
}

static void send_again(eddy_callback *callback)
{
    int *left = callback->user;

    testing_log("%d", *left);
    if (--*left > 0) {
        eddy_loop_call_threadsafe(testing.loop, callback, send_again);
    }
}

test(the_node_of_a_message_may_be_used_again_from_its_function_on)
{
    static int left = 4;
    static eddy_callback message = {.user = &left};

    eddy_loop_call_threadsafe(testing.loop, &message, send_again);
    testing_run();
    testing_assert_log("4 3 2 1");
}

static void free_self(eddy_callback *callback)
{
    testing_log("freed");
    free(callback);
}

test(the_function_of_a_message_may_free_its_node)
{
    eddy_loop_call_threadsafe(testing.loop, calloc(1, sizeof(eddy_callback)), free_self);
    eddy_loop_call_threadsafe(testing.loop, calloc(1, sizeof(eddy_callback)), free_self);
    testing_run();
    testing_assert_log("freed freed");
}

/* ---- messages that are under way when the loop is freed */

test(a_message_that_is_left_when_the_loop_is_freed_is_run_and_may_be_used_again)
{
    static eddy_callback a = {.user = "a"};

    eddy_loop_call_threadsafe(testing.loop, &a, log_name);
    testing_reopen();
    testing_assert_log("a");
    eddy_loop_call_threadsafe(testing.loop, &a, log_name);
    testing_run();
    testing_assert_log("a");
}

test(freeing_the_loop_runs_messages_in_order_and_no_callbacks)
{
    static eddy_callback a = {.user = "a"}, b = {.user = "b"}, callback = {.user = "callback"};

    eddy_loop_call_threadsafe(testing.loop, &a, log_name);
    eddy_callback_start(testing.loop, &callback, log_name); /* takes in the message before it */
    eddy_loop_call_threadsafe(testing.loop, &b, log_name);
    testing_free();
    testing_assert_log("a b");
}

test(the_node_of_a_message_may_become_a_callback_which_freeing_the_loop_stops)
{
    static eddy_callback a = {.user = "a"};

    eddy_loop_call_threadsafe(testing.loop, &a, log_name);
    testing_run();
    eddy_callback_start(testing.loop, &a, log_name);
    testing_free();
    testing_assert_log("a");
}

static void take_a_millisecond(eddy_callback *callback)
{
    log_name(callback);
    testing.sys.now += EDDY_MILLISECOND;
}

test(a_message_that_a_budget_has_cut_off_is_run_when_the_loop_is_freed)
{
    static eddy_callback a = {.user = "a"}, b = {.user = "b"};

    testing_fake_clock(0);
    eddy_loop_call_threadsafe(testing.loop, &a, take_a_millisecond);
    eddy_loop_call_threadsafe(testing.loop, &b, take_a_millisecond);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, EDDY_MILLISECOND), 1);
    testing_free();
    testing_assert_log("a b");
}

test(what_such_a_message_sends_is_run_too)
{
    static int left = 4;
    static eddy_callback message = {.user = &left};

    eddy_loop_call_threadsafe(testing.loop, &message, send_again);
    testing_free();
    testing_assert_log("4 3 2 1");
}

static void send_for_ever(eddy_callback *callback)
{
    int *runs = callback->user;

    ++*runs;
    testing.clock.now += EDDY_SECOND;
    eddy_loop_call_threadsafe(testing.loop, callback, send_for_ever);
}

test(a_message_that_sends_itself_for_ever_is_run_up_to_the_shutdown_limit_and_told)
{
    static int runs;
    static eddy_callback message = {.user = &runs};

    runs = 0;
    eddy_loop_call_threadsafe(testing.loop, &message, send_for_ever);
    testing_free();
    assert_in_range(runs, 2, 11); /* of ten seconds */
    testing_assert_error(-ECANCELED, "1 message came too late: the loop is freed, and the function "
                                     "will not run");
}

static void poll_and_free(eddy_callback *callback)
{
    (void)callback;
    testing_log("%d %d", (int)eddy_loop_poll_once(testing.loop, 0, 0),
                eddy_loop_free(testing.loop));
}

test(such_a_message_can_neither_poll_nor_free_the_loop)
{
    static eddy_callback message;
    char expected[32];

    eddy_loop_call_threadsafe(testing.loop, &message, poll_and_free);
    testing_free();
    snprintf(expected, sizeof expected, "%d %d", -EBUSY, -EBUSY);
    testing_assert_log(expected);
}

/* ---- one line of messages and callbacks */

static void *send_message(void *message)
{
    eddy_loop_call_threadsafe(testing.loop, message, log_name);
    return NULL;
}

static void send_by_a_thread_that_ends(eddy_callback *message)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, send_message, message), 0);
    pthread_join(thread, NULL);
}

test(messages_and_callbacks_run_in_the_order_of_the_calls)
{
    static eddy_callback a = {.user = "a"}, b = {.user = "b"}, c = {.user = "c"}, d = {.user = "d"};

    send_by_a_thread_that_ends(&a);
    eddy_callback_start(testing.loop, &b, log_name);
    send_by_a_thread_that_ends(&c);
    eddy_callback_start(testing.loop, &d, log_name);
    assert_int_equal(testing_turn(), 4);
    testing_assert_log("a b c d");
}

static void start_friends(eddy_callback *callback)
{
    eddy_callback *const *friends = callback->user;

    log_name(friends[0]);
    eddy_loop_call_threadsafe(testing.loop, friends[1], log_name);
    eddy_callback_start(testing.loop, friends[2], log_name);
    eddy_loop_call_threadsafe(testing.loop, friends[3], log_name);
}

test(so_do_those_of_a_step)
{
    static eddy_callback a = {.user = "a"}, b = {.user = "b"}, c = {.user = "c"}, d = {.user = "d"};
    static eddy_callback *friends[] = {&a, &b, &c, &d};
    static eddy_callback first = {.user = friends};

    eddy_callback_start(testing.loop, &first, start_friends);
    assert_int_equal(testing_turn(), 1);
    testing_run();
    testing_assert_log("a b c d");
}

test(many_messages_cost_one_write)
{
    static eddy_callback messages[1000];
    static char name[] = "";

    for (int i = 0; i < 1000; i++) {
        messages[i].user = name;
        eddy_loop_call_threadsafe(testing.loop, &messages[i], log_name);
    }
    assert_int_equal(testing_calls(write), 1);
    assert_int_equal(testing_turn(), 1000);
}

/* ---- from other threads */

enum { THREADS = 4, MESSAGES = 10000 };

struct message {
    eddy_callback callback; /* first: a callback is its message */
    int thread;
    int number;
};

static struct message messages[THREADS][MESSAGES];
static int next_number[THREADS];
static int received;

static void receive(eddy_callback *callback)
{
    const struct message *message = (const struct message *)(void *)callback;

    assert_int_equal(message->number, next_number[message->thread]);
    next_number[message->thread]++;
    if (++received == THREADS * MESSAGES) {
        eddy_loop_release(testing.loop);
    }
}

static void *send_messages(void *argument)
{
    int thread = *(const int *)argument;

    for (int i = 0; i < MESSAGES; i++) {
        messages[thread][i].thread = thread;
        messages[thread][i].number = i;
        eddy_loop_call_threadsafe(testing.loop, &messages[thread][i].callback, receive);
    }
    return NULL;
}

test(four_threads_call_each_exactly_once_and_in_its_order)
{
    static int numbers[THREADS];
    pthread_t threads[THREADS];

    received = 0;
    memset(next_number, 0, sizeof next_number);
    eddy_loop_hold(testing.loop);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, send_messages, &numbers[i]), 0);
    }
    testing_run();
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(next_number[i], MESSAGES);
    }
    assert_int_equal(received, THREADS * MESSAGES);
    assert_int_equal(testing_turn(), 0);
}

/* ---- waking */

test(a_wake_up_makes_the_next_poll_return_at_once)
{
    static eddy_timer timer = {.user = "a"};

    assert_int_equal(eddy_timer_start(testing.loop, &timer, 10, NULL), 0);
    eddy_loop_wake(testing.loop);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 0);
    assert_int_equal(testing.clock.now, 0); /* it did not even jump */
    eddy_timer_stop(&timer);
}

test(many_wake_ups_are_one)
{
    for (int i = 0; i < 1000; i++) {
        eddy_loop_wake(testing.loop);
    }
    assert_int_equal(testing_calls(write), 1);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 0);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 10, 0), 0);
    assert_int_equal(testing.clock.now, 10); /* nothing was left of the wake-ups */
}

test(a_wake_up_after_the_poll_wakes_the_next_one_too)
{
    for (int i = 0; i < 3; i++) {
        eddy_loop_wake(testing.loop);
        assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 0);
    }
    assert_int_equal(testing_calls(write), 3);
}

/* Another thread sends something in the middle of a wake-up's being taken. */
static ssize_t read_while_another_sends(const struct eddy_sys *sys, int fd, void *bytes,
                                        size_t size)
{
    static eddy_callback meanwhile = {.user = "meanwhile"};

    testing.sys.table.read = eddy_sys_default()->read;
    eddy_loop_call_threadsafe(testing.loop, &meanwhile, log_name);
    return eddy_sys_default()->read(sys, fd, bytes, size);
}

test(a_message_that_comes_while_a_wake_up_is_taken_is_seen_and_so_is_the_next)
{
    static eddy_callback next = {.user = "next"};
    struct pollfd fd = {.fd = eddy_loop_fd(testing.loop), .events = POLLIN};

    eddy_loop_wake(testing.loop);
    testing.sys.table.read = read_while_another_sends;
    (void)testing_turn();
    testing_assert_log("meanwhile");
    (void)testing_turn(); /* the wake-up of that message, if it was one of its own */
    eddy_loop_call_threadsafe(testing.loop, &next, log_name);
    assert_int_equal(poll(&fd, 1, 0), 1);
    (void)testing_turn();
    testing_assert_log("next");
}

static void *wake(void *argument)
{
    eddy_loop_wake(testing.loop);
    return argument;
}

static pthread_t waker;

static void start_waker(void)
{
    assert_int_equal(pthread_create(&waker, NULL, wake, NULL), 0);
}

test(another_thread_wakes_a_poll_that_sleeps)
{
    testing.sys.on_wait = start_waker;
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 0);
    pthread_join(waker, NULL);
    assert_int_equal(testing_waits(), 1);
}

static void on_signal(int number)
{
    (void)number;
    eddy_loop_wake(testing.loop);
}

static void raise_signal(void)
{
    raise(SIGUSR1);
}

test(a_signal_handler_wakes_a_poll_that_is_about_to_sleep)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct sigaction old;

    sigaction(SIGUSR1, &action, &old);
    testing.sys.on_wait = raise_signal;
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 0);
    sigaction(SIGUSR1, &old, NULL);
    assert_int_equal(testing_waits(), 1);
}

test(a_wake_up_keeps_errno)
{
    const uint64_t full = UINT64_MAX - 1;

    /* The eventfd takes nothing more, so that the write inside fails. */
    assert_int_equal(write(testing.loop->wake_io.fd, &full, sizeof full), sizeof full);
    errno = ENOTTY;
    eddy_loop_wake(testing.loop);
    assert_int_equal(errno, ENOTTY);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_callback_runs_once),
        testing_case(callbacks_run_in_the_order_in_which_they_were_started),
        testing_case(one_that_is_scheduled_keeps_its_place_and_takes_the_new_function),
        testing_case(one_that_is_started_from_a_step_runs_in_the_next_turn),
        testing_case(one_that_reschedules_itself_runs_once_a_turn),
        testing_case(a_stopped_callback_never_runs),
        testing_case(stopping_one_that_was_never_started_does_nothing),
        testing_case(a_stopped_callback_never_runs_even_if_its_batch_is_running),
        testing_case(a_callback_may_free_itself_and_another),
        testing_case(a_callback_that_is_left_when_the_loop_is_freed_may_be_used_again),
        testing_case(a_message_runs_once_and_in_order),
        testing_case(the_node_of_a_message_may_be_used_again_from_its_function_on),
        testing_case(the_function_of_a_message_may_free_its_node),
        testing_case(a_message_that_is_left_when_the_loop_is_freed_is_run_and_may_be_used_again),
        testing_case(freeing_the_loop_runs_messages_in_order_and_no_callbacks),
        testing_case(the_node_of_a_message_may_become_a_callback_which_freeing_the_loop_stops),
        testing_case(a_message_that_a_budget_has_cut_off_is_run_when_the_loop_is_freed),
        testing_case(what_such_a_message_sends_is_run_too),
        testing_case(a_message_that_sends_itself_for_ever_is_run_up_to_the_shutdown_limit_and_told),
        testing_case(such_a_message_can_neither_poll_nor_free_the_loop),
        testing_case(messages_and_callbacks_run_in_the_order_of_the_calls),
        testing_case(so_do_those_of_a_step),
        testing_case(many_messages_cost_one_write),
        testing_case(four_threads_call_each_exactly_once_and_in_its_order),
        testing_case(a_wake_up_makes_the_next_poll_return_at_once),
        testing_case(many_wake_ups_are_one),
        testing_case(a_wake_up_after_the_poll_wakes_the_next_one_too),
        testing_case(a_message_that_comes_while_a_wake_up_is_taken_is_seen_and_so_is_the_next),
        testing_case(another_thread_wakes_a_poll_that_sleeps),
        testing_case(a_signal_handler_wakes_a_poll_that_is_about_to_sleep),
        testing_case(a_wake_up_keeps_errno),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
