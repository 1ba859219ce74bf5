/* io.h: readiness of fds: what is told, errors, changing the interest. */
#include "support/io.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- what is told */

test(a_readable_fd_is_told_once_a_turn_as_long_as_it_is_readable)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    testing_pipe(fds);
    start(&io, fds[0], EDDY_READ, log_events);
    assert_int_equal(testing_turn(), 0);
    testing_poke(fds[1]);
    assert_int_equal(testing_turn(), 1);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("a:R a:R");
    testing_drain(fds[0]);
    assert_int_equal(testing_turn(), 0);
    eddy_io_stop(&io);
    close_both(fds);
}

test(a_writable_fd_is_told_as_long_as_it_is_writable)
{
    static eddy_io io = {.user = "a"};
    static const char page[4096];
    int fds[2];

    testing_pipe(fds);
    start(&io, fds[1], EDDY_WRITE, log_events);
    (void)testing_turn();
    (void)testing_turn();
    testing_assert_log("a:W a:W");
    while (write(fds[1], page, sizeof page) > 0) {}
    assert_int_equal(testing_turn(), 0);
    testing_drain(fds[0]);
    (void)testing_turn();
    testing_assert_log("a:W");
    eddy_io_stop(&io);
    close_both(fds);
}

test(both_directions_are_told_together)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    testing_socketpair(fds);
    start(&io, fds[0], EDDY_READ | EDDY_WRITE, log_events);
    testing_poke(fds[1]);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("a:RW");
    eddy_io_stop(&io);
    close_both(fds);
}

test(an_eventfd_is_watched_as_any_fd)
{
    static eddy_io io = {.user = "a"};
    int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);

    start(&io, fd, EDDY_READ, log_events);
    (void)testing_turn();
    testing_assert_log("a:R");
    testing_drain(fd);
    assert_int_equal(testing_turn(), 0);
    eddy_io_stop(&io);
    close(fd);
}

test(only_what_is_asked_for_is_told)
{
    static eddy_io reader = {.user = "r"}, writer = {.user = "w"};
    int fds[2];

    testing_socketpair(fds);
    testing_poke(fds[0]);
    testing_poke(fds[1]);
    start(&reader, fds[0], EDDY_READ, log_events);
    start(&writer, fds[1], EDDY_WRITE, log_events);
    assert_int_equal(testing_turn(), 2);
    assert_string_equal(testing.log[0] == 'r' ? "r:R w:W" : "w:W r:R", testing.log);
    eddy_io_stop(&reader);
    eddy_io_stop(&writer);
    close_both(fds);
    testing.log[0] = '\0';
}

test(a_peer_that_has_shut_its_write_side_is_told_with_read)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    testing_socketpair(fds);
    start(&io, fds[0], EDDY_READ, log_events);
    shutdown(fds[1], SHUT_WR);
    (void)testing_turn();
    testing_assert_log("a:RC");
    eddy_io_stop(&io);
    close_both(fds);
}

test(a_hangup_is_told_to_readers_and_writers_alike)
{
    static eddy_io reader = {.user = "r"}, writer = {.user = "w"};
    int one[2], two[2];

    testing_socketpair(one);
    testing_socketpair(two);
    close(one[1]);
    close(two[1]);
    start(&reader, one[0], EDDY_READ, log_events);
    (void)testing_turn();
    testing_assert_log("r:RHC");
    eddy_io_stop(&reader);
    start(&writer, two[0], EDDY_WRITE, log_events);
    (void)testing_turn();
    testing_assert_log("w:WH");
    eddy_io_stop(&writer);
    close(one[0]);
    close(two[0]);
}

/* epoll says EPOLLHUP without EPOLLIN; but EDDY_READ is "readable, or at its end". Who reads only
 * when he is told so would never see the end, and be called for ever. */
test(the_end_of_a_pipe_is_told_as_readable)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    testing_pipe(fds);
    start(&io, fds[0], EDDY_READ, log_events);
    close(fds[1]);
    (void)testing_turn();
    testing_assert_log("a:RH");
    eddy_io_stop(&io);
    close(fds[0]);
}

test(an_error_is_told_with_any_interest)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    testing_pipe(fds);
    start(&io, fds[1], EDDY_WRITE, log_events);
    close(fds[0]);
    (void)testing_turn();
    testing_assert_log("a:WE");
    eddy_io_stop(&io);
    close(fds[1]);
}

static void tcp_pair(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fds[0], (struct sockaddr *)&address, size), 0);
    fds[1] = accept(listener, NULL, NULL);
    assert_true(fds[1] >= 0);
    close(listener);
}

test(urgent_data_is_told_as_priority)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    tcp_pair(fds);
    start(&io, fds[0], EDDY_PRIORITY, log_events);
    assert_int_equal(send(fds[1], "x", 1, MSG_OOB), 1);
    (void)testing_turn();
    testing_assert_log("a:P");
    eddy_io_stop(&io);
    close_both(fds);
}

test(more_fds_than_the_kernel_gives_at_once_all_get_their_turn)
{
    enum { MANY = 600 };
    static eddy_io ios[MANY];
    static char name[] = "";
    int fds[MANY];
    int64_t steps = 0;

    for (int i = 0; i < MANY; i++) {
        fds[i] = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
        ios[i].user = name;
        start(&ios[i], fds[i], EDDY_READ, log_events);
    }
    for (int turn = 0; turn < 2; turn++) {
        steps += testing_turn();
        for (int i = 0; i < MANY; i++) {
            if (i < 300) {
                testing_drain(fds[i]); /* so that only the other half is left for the next turn */
            }
        }
    }
    assert_true(steps >= MANY);
    for (int i = 0; i < MANY; i++) {
        eddy_io_stop(&ios[i]);
        close(fds[i]);
    }
}

/* ---- errors */

test(a_second_watcher_of_the_same_fd_is_refused)
{
    static eddy_io first = {.user = "first"}, second = {.user = "second"};
    int fds[2];

    testing_pipe(fds);
    start(&first, fds[0], 0, log_events);
    assert_int_equal(eddy_io_start(testing.loop, &second, fds[0], EDDY_READ, log_events), -EEXIST);
    assert_false(eddy_io_started(&second));
    eddy_io_stop(&first);
    start(&second, fds[0], EDDY_READ, log_events);
    testing_poke(fds[1]);
    (void)testing_turn();
    testing_assert_log("second:R");
    eddy_io_stop(&second);
    close_both(fds);
}

test(two_loops_may_watch_the_same_fd)
{
    static eddy_io here = {.user = "here"}, there = {.user = "there"};
    eddy_loop *other;
    int fds[2];

    testing_pipe(fds);
    assert_int_equal(eddy_loop_new(&other, &testing.options), 0);
    start(&here, fds[0], EDDY_READ, log_events);
    assert_int_equal(eddy_io_start(other, &there, fds[0], EDDY_READ, log_events), 0);
    testing_poke(fds[1]);
    (void)testing_turn();
    assert_int_equal(eddy_loop_poll_once(other, 0, 0), 1);
    testing_assert_log("here:R there:R");
    eddy_io_stop(&here);
    assert_int_equal(eddy_loop_free(other), 0);
    assert_false(eddy_io_started(&there));
    close_both(fds);
}

test(a_watcher_that_is_started_cannot_be_started)
{
    static eddy_io io = {.user = "a"};
    int one[2], two[2];

    testing_pipe(one);
    testing_pipe(two);
    start(&io, one[0], EDDY_READ, log_events);
    assert_int_equal(eddy_io_start(testing.loop, &io, two[0], EDDY_READ, log_events), -EINVAL);
    assert_int_equal(io.fd, one[0]);
    testing_poke(one[1]);
    (void)testing_turn();
    testing_assert_log("a:R");
    eddy_io_stop(&io);
    close_both(one);
    close_both(two);
}

test(what_is_no_interest_cannot_be_asked_for)
{
    static eddy_io io;
    const unsigned unknown[] = {EDDY_ERROR, 1u << 6, 1u << 8, 1u << 31};
    int fds[2];

    testing_pipe(fds);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        assert_int_equal(
            eddy_io_start(testing.loop, &io, fds[0], EDDY_READ | unknown[i], log_events), -EINVAL);
        assert_false(eddy_io_started(&io));
    }
    start(&io, fds[0], EDDY_READ, log_events);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        assert_int_equal(eddy_io_change(&io, EDDY_READ | unknown[i]), -EINVAL);
    }
    eddy_io_stop(&io);
    close_both(fds);
}

test(an_fd_that_is_not_open_is_refused)
{
    static eddy_io io;

    assert_int_equal(eddy_io_start(testing.loop, &io, -1, EDDY_READ, log_events), -EBADF);
    assert_int_equal(eddy_io_start(testing.loop, &io, INT_MIN, EDDY_READ, log_events), -EBADF);
    assert_int_equal(eddy_io_start(testing.loop, &io, 999, EDDY_READ, log_events), -EBADF);
    assert_int_equal(eddy_io_start(testing.loop, &io, 50000, EDDY_READ, log_events), -EBADF);
    assert_false(eddy_io_started(&io));
}

static int start_largest(void *argument)
{
    testing_fail_allocations_from(1); /* the table has a slot for every fd: 32 GiB */
    return eddy_io_start(testing.loop, argument, INT_MAX, EDDY_READ, log_events);
}

test(the_largest_fd_number_is_refused_and_nothing_hangs)
{
    static eddy_io io;

    testing_expect_return(start_largest, &io, -EBADF);
}

/* The table of watchers has a slot for every number up to the largest: it is not to grow for it. */
test(an_fd_that_is_not_open_costs_no_memory)
{
    static eddy_io io;
    unsigned calls = testing.memory.calls;

    assert_int_equal(eddy_io_start(testing.loop, &io, 50000, EDDY_READ, log_events), -EBADF);
    assert_int_equal(testing.memory.calls, calls);
}

static void assert_start_fails(int error)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    testing_pipe(fds);
    testing_poke(fds[1]);
    testing_fail(epoll_ctl, 1, error);
    assert_int_equal(eddy_io_start(testing.loop, &io, fds[0], EDDY_READ, log_events), error);
    assert_false(eddy_io_started(&io));
    testing_run(); /* it is no reason to go on */
    start(&io, fds[0], EDDY_READ, log_events);
    (void)testing_turn();
    testing_assert_log("a:R");
    eddy_io_stop(&io);
    close_both(fds);
}

test(what_epoll_ctl_says_is_returned_and_the_watcher_is_not_started)
{
    assert_start_fails(-ENOMEM);
    assert_start_fails(-ENOSPC);
}

test(without_memory_for_its_slot_a_watcher_is_not_started)
{
    static eddy_io io = {.user = "a"};
    int fds[2];
    int high;

    testing_pipe(fds);
    high = fcntl(fds[0], F_DUPFD_CLOEXEC, 500);
    testing_fail_allocation(1);
    assert_int_equal(eddy_io_start(testing.loop, &io, high, EDDY_READ, log_events), -ENOMEM);
    assert_false(eddy_io_started(&io));
    start(&io, high, EDDY_READ, log_events);
    testing_poke(fds[1]);
    (void)testing_turn();
    testing_assert_log("a:R");
    eddy_io_stop(&io);
    close(high);
    close_both(fds);
}

test(a_change_that_fails_changes_nothing)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    testing_socketpair(fds);
    testing_poke(fds[1]);
    start(&io, fds[0], EDDY_READ, log_events);
    testing_fail(epoll_ctl, 1, -ENOMEM);
    assert_int_equal(eddy_io_change(&io, EDDY_WRITE), -ENOMEM);
    (void)testing_turn();
    testing_assert_log("a:R");
    assert_int_equal(eddy_io_change(&io, 0), 0);
    testing_fail(epoll_ctl, 1, -ENOSPC);
    assert_int_equal(eddy_io_change(&io, EDDY_READ), -ENOSPC);
    testing_run(); /* it still asks for nothing */
    testing_assert_log("");
    eddy_io_stop(&io);
    close_both(fds);
}

/* ---- changing the interest */

test(the_interest_can_be_changed)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    testing_socketpair(fds);
    testing_poke(fds[1]);
    start(&io, fds[0], EDDY_READ, log_events);
    (void)testing_turn();
    assert_int_equal(eddy_io_change(&io, EDDY_WRITE), 0);
    (void)testing_turn();
    assert_int_equal(eddy_io_change(&io, EDDY_READ | EDDY_WRITE), 0);
    (void)testing_turn();
    testing_assert_log("a:R a:W a:RW");
    eddy_io_stop(&io);
    close_both(fds);
}

test(the_interest_of_a_stopped_watcher_cannot_be_changed)
{
    static eddy_io io;

    assert_int_equal(eddy_io_change(&io, EDDY_READ), -EINVAL);
}

test(no_interest_is_nothing_for_now)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    testing_pipe(fds);
    testing_poke(fds[1]);
    start(&io, fds[0], 0, log_events);
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(eddy_io_change(&io, EDDY_READ), 0);
    assert_int_equal(testing_turn(), 1);
    assert_int_equal(eddy_io_change(&io, 0), 0);
    assert_int_equal(testing_turn(), 0);
    testing_assert_log("a:R");
    assert_true(eddy_io_started(&io));
    eddy_io_stop(&io);
    close_both(fds);
}

static void nothing_for_now(eddy_io *io, unsigned events)
{
    log_events(io, events);
    eddy_io_change(io, 0);
}

/* epoll tells of a hangup whether it was asked or not, and would not let the loop sleep. */
test(a_hangup_of_an_fd_without_interest_does_not_spin)
{
    static eddy_io io = {.user = "a"}, other = {.user = "other"};
    int fds[2], others[2];

    testing_fake_clock(0);
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    testing_socketpair(fds);
    testing_socketpair(others);
    start(&other, others[0], EDDY_READ, log_events);
    start(&io, fds[0], EDDY_READ, nothing_for_now);
    close(fds[1]);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("a:RHC");
    testing_forget_calls();
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_SECOND, 0), 0);
    assert_int_equal(testing_waits(), 1);
    assert_int_equal(testing.sys.now, EDDY_SECOND); /* it slept */
    eddy_io_stop(&io);
    eddy_io_stop(&other);
    close(fds[0]);
    close_both(others);
}

test(a_watcher_keeps_the_loop_alive_only_while_it_asks_for_something)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    testing_pipe(fds);
    testing_poke(fds[1]);
    start(&io, fds[0], EDDY_READ, nothing_for_now);
    testing_run();
    testing_assert_log("a:R");
    testing_run();
    testing_assert_log("");
    eddy_io_stop(&io);
    close_both(fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_readable_fd_is_told_once_a_turn_as_long_as_it_is_readable),
        testing_case(a_writable_fd_is_told_as_long_as_it_is_writable),
        testing_case(both_directions_are_told_together),
        testing_case(an_eventfd_is_watched_as_any_fd),
        testing_case(only_what_is_asked_for_is_told),
        testing_case(a_peer_that_has_shut_its_write_side_is_told_with_read),
        testing_case(a_hangup_is_told_to_readers_and_writers_alike),
        testing_case(the_end_of_a_pipe_is_told_as_readable),
        testing_case(an_error_is_told_with_any_interest),
        testing_case(urgent_data_is_told_as_priority),
        testing_case(more_fds_than_the_kernel_gives_at_once_all_get_their_turn),
        testing_case(a_second_watcher_of_the_same_fd_is_refused),
        testing_case(two_loops_may_watch_the_same_fd),
        testing_case(a_watcher_that_is_started_cannot_be_started),
        testing_case(what_is_no_interest_cannot_be_asked_for),
        testing_case(an_fd_that_is_not_open_is_refused),
        testing_case(the_largest_fd_number_is_refused_and_nothing_hangs),
        testing_case(an_fd_that_is_not_open_costs_no_memory),
        testing_case(what_epoll_ctl_says_is_returned_and_the_watcher_is_not_started),
        testing_case(without_memory_for_its_slot_a_watcher_is_not_started),
        testing_case(a_change_that_fails_changes_nothing),
        testing_case(the_interest_can_be_changed),
        testing_case(the_interest_of_a_stopped_watcher_cannot_be_changed),
        testing_case(no_interest_is_nothing_for_now),
        testing_case(a_hangup_of_an_fd_without_interest_does_not_spin),
        testing_case(a_watcher_keeps_the_loop_alive_only_while_it_asks_for_something),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
