/* io.h: fds that were closed while the kernel still tells of them. */
#include "support/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "eddy/timer.h"
#include "support/loop.h"

/* ---- closed behind our back: the fd is closed while a duplicate keeps its description open */

static int stale_fd;

/* Leaves a registration in the epoll set that nobody can take out: returns the duplicate. */
static int leave_a_stale_registration(int write_end[1])
{
    static eddy_io io = {.user = "gone"};
    int fds[2];
    int duplicate;

    testing_pipe(fds);
    duplicate = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
    start(&io, fds[0], EDDY_READ, log_events);
    stale_fd = fds[0];
    close(fds[0]);
    eddy_io_stop(&io);
    testing_poke(fds[1]);
    write_end[0] = fds[1];
    return duplicate;
}

static void assert_told_of_the_set(int64_t code, const char *end)
{
    char text[200];

    snprintf(text, sizeof text,
             "fd %d was closed before its watcher was stopped, and is open as a duplicate: the "
             "epoll set %s made anew",
             stale_fd, end);
    testing_assert_error(code, text);
}

static eddy_io live;
static int live_fds[2];

static void start_live_watcher(void)
{
    memset(&live, 0, sizeof live);
    live.user = "live";
    testing_pipe(live_fds);
    start(&live, live_fds[0], EDDY_READ, log_events);
}

static void stop_live_watcher(void)
{
    eddy_io_stop(&live);
    close_both(live_fds);
}

/* The watcher that is left works, and nothing else makes the loop wake up. */
static void assert_only_the_live_watcher_is_told(void)
{
    assert_false(loop_fd_is_readable());
    assert_int_equal(testing_turn(), 0);
    testing_poke(live_fds[1]);
    assert_true(loop_fd_is_readable());
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("live:R");
    testing_drain(live_fds[0]);
}

test(an_fd_that_was_closed_while_a_duplicate_lives_does_not_spin)
{
    int write_end;
    int duplicate;
    int loop_fd = eddy_loop_fd(testing.loop);

    start_live_watcher();
    duplicate = leave_a_stale_registration(&write_end);
    assert_true(loop_fd_is_readable()); /* the kernel goes on about it */
    testing_forget_calls();
    assert_int_equal(testing_turn(), 0);
    assert_told_of_the_set(-EBADF, "was");
    assert_int_equal(testing_calls(epoll_create), 1);
    assert_only_the_live_watcher_is_told();
    assert_int_equal(testing_calls(epoll_create), 1);
    assert_int_equal(eddy_loop_fd(testing.loop), loop_fd); /* a foreign poller may know it */
    stop_live_watcher();
    close(duplicate);
    close(write_end);
}

static void log_tick(eddy_timer *timer)
{
    testing_log("%s", (const char *)timer->user);
}

/* ---- stopped after the kernel was asked */

/* A watcher has an event, which was fetched, when it is stopped. */
static void stop_after_the_kernel_was_asked(void)
{
    static eddy_io io = {.user = "late"};
    int fds[2];

    testing_pipe(fds);
    start(&io, fds[0], EDDY_READ, log_events);
    testing_poke(fds[1]);
    assert_int_equal(eddy_loop_prepare(testing.loop, 0), 0);
    assert_int_equal(eddy_loop_wait(testing.loop), 0);
    eddy_io_stop(&io);
    close_both(fds);
    assert_int_equal(testing_turn(), 0);
}

test(an_event_that_is_older_than_the_end_of_its_watcher_is_no_reason_to_make_the_set_anew)
{
    for (int i = 0; i < 100; i++) {
        stop_after_the_kernel_was_asked();
    }
    assert_int_equal(testing_calls(epoll_create), 0);
}

test(not_even_if_several_watchers_of_the_fd_have_come_and_gone_since)
{
    static eddy_io io = {.user = "late"};
    int fds[2];

    testing_pipe(fds);
    start(&io, fds[0], EDDY_READ, log_events);
    testing_poke(fds[1]);
    assert_int_equal(eddy_loop_prepare(testing.loop, 0), 0);
    eddy_io_stop(&io);
    start(&io, fds[0], EDDY_READ, log_events);
    assert_int_equal(eddy_loop_wait(testing.loop), 0);
    eddy_io_stop(&io);
    start(&io, fds[0], 0, log_events);
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(testing_calls(epoll_create), 0);
    eddy_io_stop(&io);
    close_both(fds);
}

test(among_such_events_one_that_will_not_end_is_found_all_the_same)
{
    int write_end;
    int duplicate = leave_a_stale_registration(&write_end);

    stop_after_the_kernel_was_asked();
    assert_told_of_the_set(-EBADF, "was");
    assert_int_equal(testing_calls(epoll_create), 1);
    assert_false(loop_fd_is_readable());
    close(duplicate);
    close(write_end);
}

/* The number of the fd that will not end has a watcher, which is stopped after the kernel was asked. */
test(also_if_a_later_watcher_of_the_same_number_is_stopped_in_every_turn)
{
    static eddy_io io = {.user = "late"};
    int write_end;
    int duplicate = leave_a_stale_registration(&write_end);
    int other[2];

    testing_pipe(other);
    assert_int_equal(other[0], stale_fd);
    start(&io, other[0], EDDY_READ, log_events);
    assert_int_equal(eddy_loop_prepare(testing.loop, 0), 0);
    assert_int_equal(eddy_loop_wait(testing.loop), 0);
    eddy_io_stop(&io);
    assert_int_equal(testing_turn(), 0);
    assert_told_of_the_set(-EBADF, "was");
    close_both(other);
    close(duplicate);
    close(write_end);
}

test(the_set_is_made_anew_once_for_all_that_will_not_end)
{
    enum { MANY = 20 };
    int write_ends[MANY];
    int duplicates[MANY];

    for (int i = 0; i < MANY; i++) {
        duplicates[i] = leave_a_stale_registration(&write_ends[i]);
    }
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(testing.errors.count, 1);
    testing.errors.count = 0;
    assert_int_equal(testing_calls(epoll_create), 1);
    for (int i = 0; i < MANY; i++) {
        close(duplicates[i]);
        close(write_ends[i]);
    }
}

test(a_stale_registration_does_not_hold_up_a_virtual_clock)
{
    static eddy_timer timer = {.user = "tick"};
    int write_end;
    int duplicate;

    start_live_watcher();
    duplicate = leave_a_stale_registration(&write_end);
    assert_int_equal(eddy_timer_start(testing.loop, &timer, EDDY_SECOND, log_tick), 0);
    for (int i = 0; i < 3; i++) {
        assert_true(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0) >= 0);
        if (!eddy_timer_started(&timer)) {
            break;
        }
    }
    testing_assert_log("tick");
    assert_told_of_the_set(-EBADF, "was");
    stop_live_watcher();
    close(duplicate);
    close(write_end);
}

test(a_rebuild_is_tried_again_when_it_fails)
{
    int write_end;
    int duplicate;

    start_live_watcher();
    duplicate = leave_a_stale_registration(&write_end);
    assert_true(loop_fd_is_readable());
    testing_fail_from(epoll_create, 1, -EMFILE);
    assert_int_equal(testing_turn(), 0);
    assert_told_of_the_set(-EMFILE, "cannot be");
    assert_int_equal(testing_turn(), 0); /* told once */
    assert_true(loop_fd_is_readable());
    testing_fail(epoll_create, 0, 0);
    assert_int_equal(testing_turn(), 0);
    assert_told_of_the_set(-EBADF, "was");
    assert_only_the_live_watcher_is_told();
    stop_live_watcher();
    close(duplicate);
    close(write_end);
}

/* The new set cannot take one of the live fds: it must not be forgotten for that. */
test(a_rebuild_that_fails_half_way_loses_no_watcher)
{
    int write_end;
    int duplicate;

    start_live_watcher();
    duplicate = leave_a_stale_registration(&write_end);
    testing_fail_from(epoll_ctl, 3, -ENOMEM); /* behind the questions about two watchers */
    assert_int_equal(testing_turn(), 0);
    testing_fail(epoll_ctl, 0, 0);
    assert_told_of_the_set(-ENOMEM, "cannot be");
    assert_int_equal(testing_turn(), 0);
    assert_told_of_the_set(-EBADF, "was");
    testing_poke(live_fds[1]);
    (void)testing_turn();
    testing_assert_log("live:R");
    eddy_loop_wake(testing.loop); /* nor the loop's own */
    assert_true(loop_fd_is_readable());
    stop_live_watcher();
    close(duplicate);
    close(write_end);
}

test(a_rebuild_that_cannot_be_shown_to_a_foreign_poller_is_none)
{
    int write_end;
    int duplicate;

    start_live_watcher();
    duplicate = leave_a_stale_registration(&write_end);
    assert_true(loop_fd_is_readable());
    testing_fail(epoll_ctl, 5, -ENOSPC); /* behind two questions and two registrations */
    assert_int_equal(testing_turn(), 0);
    assert_told_of_the_set(-ENOSPC, "cannot be");
    assert_true(loop_fd_is_readable());
    assert_int_equal(testing_turn(), 0);
    assert_told_of_the_set(-EBADF, "was");
    assert_only_the_live_watcher_is_told();
    stop_live_watcher();
    close(duplicate);
    close(write_end);
}

test(a_rebuild_leaves_out_a_watcher_whose_fd_is_closed_and_tells_of_it)
{
    static eddy_io closed = {.user = "closed"};
    int fds[2];
    int write_end;
    int duplicate;

    start_live_watcher();
    testing_pipe(fds);
    start(&closed, fds[0], EDDY_READ, log_events);
    duplicate = leave_a_stale_registration(&write_end);
    close(fds[0]); /* before it is stopped, a mistake; the new epoll set is given that number */
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(testing.errors.count, 2);
    testing.errors.count = 0;
    assert_false(eddy_io_started(&closed));
    assert_only_the_live_watcher_is_told();
    eddy_io_stop(&closed);
    stop_live_watcher();
    close(fds[1]);
    close(duplicate);
    close(write_end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(an_fd_that_was_closed_while_a_duplicate_lives_does_not_spin),
        testing_case(
            an_event_that_is_older_than_the_end_of_its_watcher_is_no_reason_to_make_the_set_anew),
        testing_case(not_even_if_several_watchers_of_the_fd_have_come_and_gone_since),
        testing_case(also_if_a_later_watcher_of_the_same_number_is_stopped_in_every_turn),
        testing_case(the_set_is_made_anew_once_for_all_that_will_not_end),
        testing_case(among_such_events_one_that_will_not_end_is_found_all_the_same),
        testing_case(a_stale_registration_does_not_hold_up_a_virtual_clock),
        testing_case(a_rebuild_is_tried_again_when_it_fails),
        testing_case(a_rebuild_that_fails_half_way_loses_no_watcher),
        testing_case(a_rebuild_that_cannot_be_shown_to_a_foreign_poller_is_none),
        testing_case(a_rebuild_leaves_out_a_watcher_whose_fd_is_closed_and_tells_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
