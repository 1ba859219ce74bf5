/* eddy_loop_prepare and eddy_loop_wait: a turn that waits in one thread and runs in another. */
#include "support/loop.h"
#include "support/tasks.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "eddy/look.h"

static void prepare(int64_t max_wait)
{
    assert_int_equal(eddy_loop_prepare(testing.loop, max_wait), 0);
}

static void wait_now(void)
{
    assert_int_equal(eddy_loop_wait(testing.loop), 0);
}

/* ---- in one thread */

test(a_wait_runs_nothing_and_the_next_poll_takes_what_it_brought)
{
    start_watched();
    poke_watched();
    prepare(EDDY_FOREVER);
    wait_now();
    testing_assert_log("");
    testing_forget_calls();
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("io");
    assert_int_equal(testing_waits(), 0); /* the kernel was asked once, by the wait */
    stop_watched();
}

test(a_run_takes_it_too)
{
    static eddy_timer timer = {.user = "timer"};

    start_timer(&timer, 5);
    prepare(EDDY_FOREVER);
    wait_now();
    testing_run();
    testing_assert_log("timer@5");
}

test(a_wait_ends_at_the_next_deadline_or_after_max_wait)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    start_timer(&timer, 50);
    prepare(EDDY_FOREVER);
    wait_now();
    assert_int_equal(testing.sys.now, 50);
    assert_int_equal(testing_turn(), 1);
    start_timer(&timer, 50);
    prepare(20);
    wait_now();
    assert_int_equal(testing.sys.now, 70);
    assert_int_equal(testing_turn(), 0);
    prepare(0);
    wait_now();
    assert_int_equal(testing.sys.now, 70);
    assert_int_equal(testing_turn(), 0);
    eddy_timer_stop(&timer);
    testing_assert_log("timer@50");
}

test(a_wait_does_not_sleep_while_something_is_ready)
{
    static eddy_callback callback = {.user = "callback"};

    eddy_callback_start(testing.loop, &callback, log_callback);
    prepare(EDDY_FOREVER);
    wait_now();
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("callback");
}

test(virtual_time_jumps_when_the_wait_has_brought_nothing)
{
    static eddy_timer timer = {.user = "timer"};

    start_timer(&timer, EDDY_SECOND);
    prepare(EDDY_FOREVER);
    wait_now();
    assert_int_equal(testing.clock.now, 0);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("timer@1000000000");
}

test(prepare_hooks_run_in_prepare_and_once)
{
    static eddy_hook before = {.user = "prepare"}, after = {.user = "check"};

    eddy_hook_start(testing.loop, &before, EDDY_HOOK_PREPARE, log_hook);
    eddy_hook_start(testing.loop, &after, EDDY_HOOK_CHECK, log_hook);
    prepare(0);
    testing_assert_log("prepare");
    wait_now();
    (void)testing_turn();
    testing_assert_log("check");
    (void)testing_turn();
    testing_assert_log("prepare check");
    eddy_hook_stop(&before);
    eddy_hook_stop(&after);
}

test(a_wait_must_be_prepared_each_time)
{
    assert_int_equal(eddy_loop_wait(testing.loop), -EINVAL);
    prepare(0);
    wait_now();
    assert_int_equal(eddy_loop_wait(testing.loop), -EINVAL);
    (void)testing_turn();
    assert_int_equal(eddy_loop_wait(testing.loop), -EINVAL);
}

test(a_poll_between_prepare_and_wait_takes_the_preparation_back)
{
    static eddy_callback callback = {.user = "callback"};

    prepare(EDDY_FOREVER);
    eddy_callback_start(testing.loop, &callback, log_callback);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("callback");
    assert_int_equal(eddy_loop_wait(testing.loop), -EINVAL);
}

/* Events of edge-triggered watchers come only once. */
test(what_a_wait_has_brought_survives_another_preparation)
{
    start_watched();
    poke_watched();
    prepare(EDDY_FOREVER);
    wait_now();
    testing_drain(watched.fds[0]); /* the kernel knows of nothing more */
    prepare(EDDY_FOREVER);
    wait_now();
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("io");
    stop_watched();
}

test(a_watcher_that_was_stopped_since_the_wait_never_fires)
{
    start_watched();
    poke_watched();
    prepare(EDDY_FOREVER);
    wait_now();
    eddy_io_stop(&watched.io);
    assert_int_equal(testing_turn(), 0);
    testing_assert_log("");
    stop_watched();
}

test(a_loop_that_was_stopped_takes_it_at_the_poll_after)
{
    start_watched();
    poke_watched();
    prepare(EDDY_FOREVER);
    wait_now();
    eddy_loop_stop(testing.loop);
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("io");
    stop_watched();
}

test(the_error_of_a_wait_is_returned_by_the_next_poll_too)
{
    prepare(0);
    testing_fail(epoll_wait, 1, -EBADF);
    assert_int_equal(eddy_loop_wait(testing.loop), -EBADF);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 0), -EBADF);
    assert_int_equal(testing_turn(), 0);
}

test(an_interrupted_wait_is_no_error)
{
    prepare(0);
    testing_fail(epoll_wait, 1, -EINTR);
    wait_now();
    assert_int_equal(testing_turn(), 0);
}

test(a_negative_wait_is_refused)
{
    assert_int_equal(eddy_loop_prepare(testing.loop, -1), -EINVAL);
    assert_int_equal(eddy_loop_wait(testing.loop), -EINVAL);
}

static void prepare_nested(eddy_callback *callback)
{
    (void)callback;
    testing_log("prepare:%d", -eddy_loop_prepare(testing.loop, 0));
    testing_log("wait:%d", -eddy_loop_wait(testing.loop));
}

test(inside_a_step_prepare_is_busy)
{
    static eddy_callback nested;
    char expected[64];

    eddy_callback_start(testing.loop, &nested, prepare_nested);
    (void)testing_turn();
    snprintf(expected, sizeof expected, "prepare:%d wait:%d", EBUSY, EINVAL);
    testing_assert_log(expected);
}

static void run_tests_nested_in_hook(eddy_hook *hook)
{
    (void)hook;
    run_tests_nested(NULL);
}

test(inside_a_prepare_hook_of_prepare_poll_run_and_free_are_busy)
{
    static eddy_hook hook;

    eddy_hook_start(testing.loop, &hook, EDDY_HOOK_PREPARE, run_tests_nested_in_hook);
    prepare(0);
    assert_all_busy();
    eddy_hook_stop(&hook);
}

struct nests {
    eddy_coro co;
};

static void nests(eddy_coro *co)
{
    eddy_begin(nests);
    run_tests_nested(NULL);
    eddy_return(run(returns, .result = 3));
    eddy_end;
}

test(inside_a_task_poll_run_and_free_are_busy)
{
    assert_int_equal(run(nests), -EBUSY);
    assert_all_busy();
    assert_int_equal(testing_turns(), 1); /* the task that was to be run */
    testing_free();
    testing.errors.count = 0;
}

test(a_prepared_loop_and_one_that_was_waited_for_can_be_freed)
{
    start_watched();
    prepare(EDDY_FOREVER);
    eddy_io_stop(&watched.io);
    testing_reopen();
    prepare(0);
    wait_now();
    testing_free();
    stop_watched();
}

/* ---- in two threads */

static pthread_barrier_t about_to_sleep;

/* The wait of the fixture's table: from here on the thread sleeps in the kernel. Once: a kernel
 * without epoll_pwait2 is asked twice. */
static void tell_about_to_sleep(void)
{
    testing.sys.on_wait = NULL;
    (void)pthread_barrier_wait(&about_to_sleep);
}

static pthread_t waiter;

static void *wait_in_thread(void *argument)
{
    int *result = argument;

    *result = eddy_loop_wait(testing.loop);
    return NULL;
}

static int result_of_wait;

static void start_waiting(int64_t max_wait)
{
    result_of_wait = 1;
    assert_int_equal(pthread_barrier_init(&about_to_sleep, NULL, 2), 0);
    testing.sys.on_wait = tell_about_to_sleep;
    prepare(max_wait);
    assert_int_equal(pthread_create(&waiter, NULL, wait_in_thread, &result_of_wait), 0);
    (void)pthread_barrier_wait(&about_to_sleep);
}

/* Joining is the hand-over: the waiter has returned. */
static void end_waiting(void)
{
    pthread_join(waiter, NULL);
    assert_int_equal(result_of_wait, 0);
    pthread_barrier_destroy(&about_to_sleep);
}

test(an_event_ends_the_wait_of_another_thread)
{
    start_watched();
    start_waiting(EDDY_FOREVER);
    poke_watched();
    end_waiting();
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("io");
    stop_watched();
}

test(while_another_thread_waits_the_loop_cannot_be_polled_or_freed)
{
    start_waiting(EDDY_FOREVER);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 0), -EBUSY);
    assert_int_equal(eddy_loop_run(testing.loop), -EBUSY);
    assert_int_equal(eddy_loop_prepare(testing.loop, 0), -EBUSY);
    assert_int_equal(eddy_loop_wait(testing.loop), -EINVAL);
    assert_int_equal(eddy_loop_free(testing.loop), -EBUSY);
    eddy_loop_wake(testing.loop);
    end_waiting();
    assert_int_equal(testing_turn(), 0);
    testing_free();
}

static uint64_t waits_counted(void)
{
    struct eddy_metrics metrics;

    eddy_loop_metrics(testing.loop, &metrics);
    return metrics.waits;
}

test(the_counts_are_the_loops_threads_also_while_another_waits)
{
    uint64_t before = waits_counted();

    start_waiting(EDDY_FOREVER);
    assert_int_equal(waits_counted(), before);
    eddy_loop_wake(testing.loop);
    end_waiting();
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(waits_counted(), before + 1);
}

static void start_callback(void)
{
    static eddy_callback callback = {.user = "callback"};

    eddy_callback_start(testing.loop, &callback, log_callback);
}

static void start_earlier_timer(void)
{
    static eddy_timer timer = {.user = "timer"};

    assert_int_equal(eddy_timer_start(testing.loop, &timer, 0, log_timer), 0);
}

static void start_task(void)
{
    eddy_detach(start(pauses, .name = "task", .times = 1));
}

static void start_message(void)
{
    static eddy_callback message = {.user = "message"};

    eddy_loop_call_threadsafe(testing.loop, &message, log_callback);
}

static void start_ready_watcher(void)
{
    start_watched();
    poke_watched();
}

static int part_and_poll(void *argument)
{
    (void)argument;
    return eddy_loop_after_fork(testing.loop) == 0 && eddy_loop_poll_once(testing.loop, 0, 0) == 0
               ? 0
               : 1;
}

test(a_child_need_not_wait_for_the_waiter_of_its_parent)
{
    start_waiting(EDDY_FOREVER);
    testing_expect_in_child(part_and_poll, NULL, 0);
    eddy_loop_wake(testing.loop);
    end_waiting();
    assert_int_equal(testing_turn(), 0);
}

static int drain_part_and_poll(void *argument)
{
    (void)argument;
    testing_drain(watched.fds[0]);
    return eddy_loop_after_fork(testing.loop) == 0 && eddy_loop_poll_once(testing.loop, 0, 0) == 0
               ? 0
               : 1;
}

test(what_a_wait_has_brought_to_the_parent_is_not_the_childs)
{
    start_watched();
    poke_watched();
    prepare(EDDY_FOREVER);
    wait_now();
    testing_expect_in_child(drain_part_and_poll, NULL, 0);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("io");
    stop_watched();
}

/* What becomes due while another thread waits for an hour wakes that. */
static void assert_wakes_the_waiter(unsigned flags, void (*start_it)(void), const char *log,
                                    unsigned writes)
{
    static eddy_timer far = {.user = "far"};

    testing.options.flags = 0;
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, flags);
    assert_int_equal(eddy_timer_start(testing.loop, &far, 3600 * EDDY_SECOND, log_timer), 0);
    start_waiting(EDDY_FOREVER);
    testing_forget_calls();
    start_it();
    end_waiting();
    assert_int_equal(testing_calls(write), writes);
    (void)testing_turn();
    testing_assert_log(log);
    eddy_timer_stop(&far);
}

test(what_is_started_while_another_thread_waits_wakes_it)
{
    assert_wakes_the_waiter(0, start_callback, "callback", 1);
    assert_wakes_the_waiter(0, start_earlier_timer, "timer", 1);
    assert_wakes_the_waiter(0, start_task, "task", 1);
    assert_wakes_the_waiter(0, start_message, "message", 1);
    assert_wakes_the_waiter(0, start_ready_watcher, "io", 0);
    stop_watched();
}

/* It is the timerfd that wakes the waiter, in its own time. */
test(with_a_timerfd_it_wakes_the_waiter_too)
{
    assert_wakes_the_waiter(EDDY_LOOP_TIMERFD, start_callback, "callback", 0);
    assert_wakes_the_waiter(EDDY_LOOP_TIMERFD, start_earlier_timer, "timer", 0);
    assert_wakes_the_waiter(EDDY_LOOP_TIMERFD, start_task, "task", 0);
    assert_wakes_the_waiter(EDDY_LOOP_TIMERFD, start_message, "message", 1);
    assert_wakes_the_waiter(EDDY_LOOP_TIMERFD, start_ready_watcher, "io", 0);
    stop_watched();
}

/* A spurious wake-up would be a write. */
test(a_later_timer_does_not_wake_it)
{
    static eddy_timer first = {.user = "first"}, later = {.user = "later"};

    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    assert_int_equal(eddy_timer_start(testing.loop, &first, 3600 * EDDY_SECOND, log_timer), 0);
    start_waiting(EDDY_FOREVER);
    testing_forget_calls();
    assert_int_equal(eddy_timer_start(testing.loop, &later, 7200 * EDDY_SECOND, log_timer), 0);
    assert_int_equal(testing_calls(write), 0);
    eddy_loop_wake(testing.loop);
    end_waiting();
    assert_int_equal(testing_turn(), 0);
    eddy_timer_stop(&first);
    eddy_timer_stop(&later);
}

/* ---- a guest of another main loop: one thread waits for ever anew, the other runs */

enum { ROUNDS = 200 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool prepared; /* the waiter's turn */
    bool quit;
    int waits;
} guest;

static void *wait_again_and_again(void *argument)
{
    pthread_mutex_lock(&guest.lock);
    while (!guest.quit) {
        if (!guest.prepared) {
            pthread_cond_wait(&guest.changed, &guest.lock);
            continue;
        }
        pthread_mutex_unlock(&guest.lock);
        (void)eddy_loop_wait(testing.loop);
        pthread_mutex_lock(&guest.lock);
        guest.prepared = false;
        guest.waits++;
        pthread_cond_broadcast(&guest.changed);
    }
    pthread_mutex_unlock(&guest.lock);
    return argument;
}

static void hand_to_waiter(void)
{
    prepare(EDDY_FOREVER);
    pthread_mutex_lock(&guest.lock);
    guest.prepared = true;
    pthread_cond_broadcast(&guest.changed);
    pthread_mutex_unlock(&guest.lock);
}

static void take_from_waiter(void)
{
    pthread_mutex_lock(&guest.lock);
    while (guest.prepared) {
        pthread_cond_wait(&guest.changed, &guest.lock);
    }
    pthread_mutex_unlock(&guest.lock);
}

static int rounds;

static void count_round(eddy_callback *callback)
{
    (void)callback;
    rounds++;
}

/* Each round something else is started while the waiter waits, or is about to. */
test(a_thread_that_waits_again_and_again_misses_nothing)
{
    static eddy_callback callback, message;
    pthread_t thread;

    rounds = 0;
    memset(&guest, 0, sizeof guest);
    pthread_mutex_init(&guest.lock, NULL);
    pthread_cond_init(&guest.changed, NULL);
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    assert_int_equal(pthread_create(&thread, NULL, wait_again_and_again, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        hand_to_waiter();
        if (i % 2 == 0) {
            eddy_callback_start(testing.loop, &callback, count_round);
        } else {
            eddy_loop_call_threadsafe(testing.loop, &message, count_round);
        }
        take_from_waiter();
        assert_int_equal(eddy_loop_poll_once(testing.loop, 0, EDDY_FOREVER), 1);
    }
    pthread_mutex_lock(&guest.lock);
    guest.quit = true;
    pthread_cond_broadcast(&guest.changed);
    pthread_mutex_unlock(&guest.lock);
    pthread_join(thread, NULL);
    assert_int_equal(rounds, ROUNDS);
    assert_int_equal(guest.waits, ROUNDS);
    pthread_cond_destroy(&guest.changed);
    pthread_mutex_destroy(&guest.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_wait_runs_nothing_and_the_next_poll_takes_what_it_brought),
        testing_case(a_run_takes_it_too),
        testing_case(a_wait_ends_at_the_next_deadline_or_after_max_wait),
        testing_case(a_wait_does_not_sleep_while_something_is_ready),
        testing_case(virtual_time_jumps_when_the_wait_has_brought_nothing),
        testing_case(prepare_hooks_run_in_prepare_and_once),
        testing_case(a_wait_must_be_prepared_each_time),
        testing_case(a_poll_between_prepare_and_wait_takes_the_preparation_back),
        testing_case(what_a_wait_has_brought_survives_another_preparation),
        testing_case(a_watcher_that_was_stopped_since_the_wait_never_fires),
        testing_case(a_loop_that_was_stopped_takes_it_at_the_poll_after),
        testing_case(the_error_of_a_wait_is_returned_by_the_next_poll_too),
        testing_case(an_interrupted_wait_is_no_error),
        testing_case(a_negative_wait_is_refused),
        testing_case(inside_a_step_prepare_is_busy),
        testing_case(inside_a_prepare_hook_of_prepare_poll_run_and_free_are_busy),
        testing_case(inside_a_task_poll_run_and_free_are_busy),
        testing_case(a_prepared_loop_and_one_that_was_waited_for_can_be_freed),
        testing_case(an_event_ends_the_wait_of_another_thread),
        testing_case(while_another_thread_waits_the_loop_cannot_be_polled_or_freed),
        testing_case(the_counts_are_the_loops_threads_also_while_another_waits),
        testing_case(a_child_need_not_wait_for_the_waiter_of_its_parent),
        testing_case(what_a_wait_has_brought_to_the_parent_is_not_the_childs),
        testing_case(what_is_started_while_another_thread_waits_wakes_it),
        testing_case(with_a_timerfd_it_wakes_the_waiter_too),
        testing_case(a_later_timer_does_not_wake_it),
        testing_case(a_thread_that_waits_again_and_again_misses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
