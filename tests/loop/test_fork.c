/* fork(2): the child's calls are refused until eddy_loop_after_fork, and the parent notices
 * nothing of what the child does. */
#include "support/fork.h"
#include "support/tasks.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "eddy/signal.h"
#include "eddy/stream.h"
#include "loop/loop_internal.h"

/* ---- before eddy_loop_after_fork */

static int call_everything(void *argument)
{
    eddy_io io = {0};

    (void)argument;
    CHECK(eddy_loop_free(testing.loop) == -ECHILD);
    CHECK(testing.memory.bytes > 0);
    CHECK(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0) == -ECHILD);
    CHECK(eddy_loop_run(testing.loop) == -ECHILD);
    CHECK(run(returns, .result = 1) == -ECHILD);
    CHECK(eddy_loop_prepare(testing.loop, 0) == -ECHILD);
    CHECK(eddy_loop_wait(testing.loop) == -ECHILD);
    CHECK(eddy_io_start(testing.loop, &io, watched.fds[1], EDDY_WRITE, log_io) == -ECHILD);
    CHECK(eddy_io_change(&watched.io, EDDY_READ | EDDY_PRIORITY) == -ECHILD);
    CHECK(eddy_signal_watch(testing.loop, EDDY_SIGNAL(SIGUSR1)) == -ECHILD);
    CHECK(testing.errors.count == 0);
    CHECK_LOG("");
    return 0;
}

test(in_a_child_what_touches_the_kernels_side_is_refused)
{
    start_all();
    in_child(call_everything);
    assert_all_undisturbed();
    stop_all();
}

/* Each of these would reach into the parent if it were let. */
static int do_damage(void *argument)
{
    static eddy_callback callback = {.user = "callback"}, message = {.user = "message"};
    static eddy_timer timer = {.user = "timer"};

    (void)argument;
    eddy_loop_wake(testing.loop);
    eddy_loop_call_threadsafe(testing.loop, &message, log_callback);
    eddy_callback_start(testing.loop, &callback, log_callback);
    CHECK(eddy_timer_start(testing.loop, &timer, 1, log_timer) == 0);
    eddy_detach(start(returns));
    eddy_io_stop(&watched.io);
    close(watched.fds[0]);
    close(watched.fds[1]);
    return 0;
}

test(whatever_a_child_does_the_parent_is_not_disturbed)
{
    true_time_loop_with_timerfd();
    start_all();
    in_child(do_damage);
    assert_all_undisturbed();
    stop_all();
}

static int do_nothing(void *argument)
{
    (void)argument;
    return 0;
}

test(a_child_that_calls_nothing_disturbs_nothing)
{
    true_time_loop_with_timerfd();
    start_all();
    in_child(do_nothing);
    assert_all_undisturbed();
    stop_all();
}

/* ---- afterwards */

/* All that a loop can wait for, in the child. */
static int use_everything(void *argument)
{
    static eddy_timer timer = {.user = "timer"};
    static eddy_callback message = {.user = "message"};

    (void)argument;
    CHECK(part());
    CHECK(!loop_fd_is_readable());
    CHECK(write(watched.fds[1], "x", 1) == 1);
    CHECK(loop_fd_is_readable());
    CHECK(testing_turn() == 1);
    CHECK_LOG("io");
    eddy_loop_call_threadsafe(testing.loop, &message, log_callback);
    CHECK(loop_fd_is_readable());
    CHECK(testing_turn() == 1);
    CHECK_LOG("message");
    CHECK(eddy_timer_start(testing.loop, &timer, 5, log_timer) == 0);
    CHECK(run(sleeps, .seconds = 1, .result = 7) == 7);
    CHECK_LOG("timer");
    eddy_io_stop(&watched.io);
    eddy_timer_stop(&far_timer);
    CHECK(eddy_loop_run(testing.loop) == 0);
    CHECK(eddy_loop_free(testing.loop) == 0);
    CHECK(testing.memory.bytes == 0);
    return 0;
}

test(afterwards_the_loop_of_the_child_works_and_the_parent_keeps_its_own)
{
    start_all();
    in_child(use_everything);
    assert_all_undisturbed();
    stop_all();
}

static int have_no_duplicate_of_events(void *argument)
{
    (void)argument;
    CHECK(part());
    eddy_io_stop(&watched.io); /* in the child's set alone */
    return 0;
}

test(an_event_of_the_parent_is_not_lost_to_the_child)
{
    start_all();
    poke_watched();
    in_child(have_no_duplicate_of_events);
    assert_true(loop_fd_is_readable());
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("io");
    stop_all();
}

static int use_timerfd(void *argument)
{
    static eddy_timer timer = {.user = "timer"}, late = {.user = "late"};
    int fd = eddy_loop_fd(testing.loop);

    (void)argument;
    CHECK(eddy_timer_start(testing.loop, &timer, 1, log_timer) == 0);
    CHECK(part());
    CHECK(eddy_loop_fd(testing.loop) == fd);
    CHECK(loop_fd_becomes_readable());
    CHECK(testing_turn() == 1);
    CHECK_LOG("timer");
    CHECK(!loop_fd_is_readable());
    CHECK(eddy_timer_start(testing.loop, &late, 1, log_timer) == 0);
    CHECK(loop_fd_becomes_readable());
    CHECK(testing_turn() == 1);
    CHECK_LOG("late");
    return 0;
}

test(the_child_has_a_timerfd_of_its_own_and_the_fds_keep_their_numbers)
{
    true_time_loop_with_timerfd();
    start_all();
    in_child(use_timerfd);
    assert_all_undisturbed();
    stop_all();
}

static int wake_then_part(void *argument)
{
    static eddy_callback message = {.user = "message"};

    (void)argument;
    eddy_loop_call_threadsafe(testing.loop, &message, log_callback);
    CHECK(part());
    CHECK(loop_fd_is_readable());
    CHECK(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0) == 1);
    CHECK_LOG("message");
    eddy_loop_wake(testing.loop);
    CHECK(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0) == 0);
    CHECK(!loop_fd_is_readable());
    return 0;
}

test(a_message_between_the_fork_and_parting_is_not_lost)
{
    in_child(wake_then_part);
    assert_false(loop_fd_is_readable());
}

static int take_the_message_too(void *argument)
{
    (void)argument;
    CHECK(part());
    CHECK(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0) == 1);
    CHECK_LOG("message");
    return 0;
}

test(a_message_that_came_before_the_fork_runs_in_both)
{
    static eddy_callback message = {.user = "message"};

    eddy_loop_call_threadsafe(testing.loop, &message, log_callback);
    in_child(take_the_message_too);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("message");
}

test(in_the_process_that_made_the_loop_parting_does_nothing)
{
    start_all();
    testing_forget_calls();
    assert_int_equal(eddy_loop_after_fork(testing.loop), 0);
    for (size_t call = 0; call < TESTING_CALLS; call++) {
        assert_int_equal(testing_calls_of(call), 0);
    }
    assert_all_undisturbed();
    stop_all();
}

static int part_and_fork_again(void *argument)
{
    int status;
    pid_t child;

    (void)argument;
    CHECK(part());
    child = fork();
    if (child == 0) {
        _exit(eddy_loop_poll_once(testing.loop, 0, 0) == -ECHILD && use_everything(NULL) == 0
                  ? 0
                  : WRONG);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    CHECK(WEXITSTATUS(status) != WRONG);
    CHECK(write(watched.fds[1], "x", 1) == 1);
    CHECK(testing_turn() == 1);
    CHECK_LOG("io");
    return 0;
}

test(a_grandchild_parts_from_its_parent_too)
{
    start_all();
    in_child(part_and_fork_again);
    assert_all_undisturbed();
    stop_all();
}

static int part_without_fds(void *argument)
{
    static eddy_timer timer = {.user = "timer"};

    (void)argument;
    for (int fd = 3; fd < 1024; fd++) {
        close(fd); /* as a daemon does */
    }
    CHECK(part());
    CHECK(eddy_timer_start(testing.loop, &timer, 5, log_timer) == 0);
    eddy_loop_wake(testing.loop);
    CHECK(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0) == 0);
    CHECK(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0) == 1);
    CHECK_LOG("timer");
    CHECK(eddy_loop_free(testing.loop) == 0);
    return 0;
}

test(a_child_that_has_closed_all_fds_loses_its_watchers_and_no_more)
{
    start_all();
    in_child(part_without_fds);
    assert_all_undisturbed();
    stop_all();
}

static int part_without_eventfd(void *argument)
{
    (void)argument;
    close(testing.loop->wake_io.fd); /* its number is free for the new one */
    CHECK(part());
    eddy_loop_wake(testing.loop);
    CHECK(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0) == 0);
    CHECK(!loop_fd_is_readable());
    return 0;
}

test(a_new_fd_that_gets_the_old_number_by_itself_stays_there)
{
    in_child(part_without_eventfd);
}

/* ---- failures, and kernels without pages that are wiped */

#define CHECK_PARTING_FAILS(call, k, error)                                       \
    do {                                                                          \
        testing_fail(call, k, error);                                             \
        CHECK(eddy_loop_after_fork(testing.loop) == (error));                     \
        testing_fail(call, 0, 0);                                                 \
        CHECK(eddy_loop_poll_once(testing.loop, 0, 0) == -ECHILD);                \
        CHECK(eddy_io_change(&watched.io, EDDY_READ | EDDY_PRIORITY) == -ECHILD); \
    } while (0)

static int fail_to_part(void *argument)
{
    (void)argument;
    CHECK_PARTING_FAILS(eventfd, 1, -ENFILE);
    CHECK_PARTING_FAILS(dup3, 1, -EBUSY);
    CHECK_PARTING_FAILS(timerfd_create, 1, -EMFILE);
    CHECK_PARTING_FAILS(dup3, 2, -EBUSY);
    CHECK_PARTING_FAILS(signalfd, 1, -ENODEV);
    CHECK_PARTING_FAILS(epoll_create, 1, -EMFILE);
    CHECK_PARTING_FAILS(epoll_ctl, 2, -ENOSPC);
    CHECK(part());
    CHECK(write(watched.fds[1], "x", 1) == 1);
    CHECK(testing_turn() == 1);
    CHECK_LOG("io");
    CHECK(eddy_loop_free(testing.loop) == 0);
    return 0;
}

test(parting_that_fails_leaves_the_child_refused_and_can_be_done_again)
{
    true_time_loop_with_timerfd();
    start_all();
    assert_int_equal(eddy_signal_watch(testing.loop, EDDY_SIGNAL(SIGUSR1) | EDDY_SIGNAL(SIGUSR2)),
                     0);
    in_child(fail_to_part);
    assert_all_undisturbed();
    stop_all();
}

test(a_kernel_without_pages_that_are_wiped_is_asked_for_the_process)
{
    testing_fail_from(madvise_wipe_on_fork, 1, -EINVAL);
    testing_reopen();
    start_all();
    assert_true(testing_calls(getpid) > 0);
    in_child(call_everything);
    in_child(do_damage);
    in_child(use_everything);
    in_child(part_and_fork_again);
    assert_all_undisturbed();
    stop_all();
}

test(a_kernel_with_them_is_never_asked)
{
    start_all();
    assert_all_undisturbed();
    stop_all();
    assert_int_equal(testing_calls(getpid), 0);
}

test(the_page_goes_with_the_loop)
{
    unsigned mapped = testing_calls(mmap) + 1; /* and the first, which was forgotten */

    testing_fail(madvise_wipe_on_fork, 2, -EINVAL);
    for (int i = 0; i < 3; i++) {
        eddy_loop *loop;
        assert_int_equal(eddy_loop_new(&loop, &testing.options), 0);
        assert_int_equal(eddy_loop_free(loop), 0);
        mapped++;
    }
    testing_free();
    assert_int_equal(testing_calls(munmap), mapped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(in_a_child_what_touches_the_kernels_side_is_refused),
        testing_case(whatever_a_child_does_the_parent_is_not_disturbed),
        testing_case(a_child_that_calls_nothing_disturbs_nothing),
        testing_case(afterwards_the_loop_of_the_child_works_and_the_parent_keeps_its_own),
        testing_case(an_event_of_the_parent_is_not_lost_to_the_child),
        testing_case(the_child_has_a_timerfd_of_its_own_and_the_fds_keep_their_numbers),
        testing_case(a_message_between_the_fork_and_parting_is_not_lost),
        testing_case(a_message_that_came_before_the_fork_runs_in_both),
        testing_case(in_the_process_that_made_the_loop_parting_does_nothing),
        testing_case(a_grandchild_parts_from_its_parent_too),
        testing_case(a_child_that_has_closed_all_fds_loses_its_watchers_and_no_more),
        testing_case(a_new_fd_that_gets_the_old_number_by_itself_stays_there),
        testing_case(parting_that_fails_leaves_the_child_refused_and_can_be_done_again),
        testing_case(a_kernel_without_pages_that_are_wiped_is_asked_for_the_process),
        testing_case(a_kernel_with_them_is_never_asked),
        testing_case(the_page_goes_with_the_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
