/* loop.h: run and stop; errors that nobody collects; making, freeing and checking. */
#include "support/loop.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "loop/loop_internal.h"

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

    options.flags |= 1u << 4;
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
    assert_new_fails_with(mmap, 1, -ENOMEM);
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
