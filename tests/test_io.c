/* io.h: readiness of fds. */
#include "support/testing.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "eddy/callback.h"
#include "eddy/io.h"
#include "eddy/timer.h"

/* "RW", "RHC", ... */
static const char *letters(unsigned events)
{
    static const struct {
        unsigned event;
        char letter;
    } all[] = {{EDDY_READ, 'R'},  {EDDY_WRITE, 'W'},    {EDDY_HANGUP, 'H'},
               {EDDY_ERROR, 'E'}, {EDDY_PRIORITY, 'P'}, {EDDY_PEER_CLOSED, 'C'}};
    static char text[sizeof all / sizeof *all + 1];
    size_t used = 0;

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if ((events & all[i].event) != 0) {
            text[used++] = all[i].letter;
        }
    }
    text[used] = '\0';
    return text;
}

static void log_events(eddy_io *io, unsigned events)
{
    testing_log("%s:%s", (const char *)io->user, letters(events));
}

static void start(eddy_io *io, int fd, unsigned events, eddy_io_fn *callback)
{
    assert_int_equal(eddy_io_start(testing.loop, io, fd, events, callback), 0);
}

static void close_both(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

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

test(only_read_write_and_priority_can_be_asked_for)
{
    static eddy_io io;
    const unsigned unknown[] = {EDDY_HANGUP, EDDY_ERROR, EDDY_PEER_CLOSED, 1u << 6, 1u << 31};
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

/* ---- inside callbacks; two watchers whose events come in one batch */

static struct pair {
    eddy_io first, second;
    int one[2], two[2];
} pair;

/* What the one of the two does that runs first; the other is its argument. */
static void (*act)(eddy_io *other);

static void act_once(eddy_io *io, unsigned events)
{
    void (*action)(eddy_io * other) = act;

    log_events(io, events);
    act = NULL;
    if (action != NULL) {
        action(io == &pair.first ? &pair.second : &pair.first);
    }
}

static void open_pair(void (*action)(eddy_io *other))
{
    memset(&pair, 0, sizeof pair);
    act = action;
    testing_socketpair(pair.one);
    testing_socketpair(pair.two);
    pair.first.user = pair.second.user = "x";
    start(&pair.first, pair.one[0], EDDY_READ, act_once);
    start(&pair.second, pair.two[0], EDDY_READ, act_once);
    testing_poke(pair.one[1]);
    testing_poke(pair.two[1]);
}

static void close_pair(void)
{
    eddy_io_stop(&pair.first);
    eddy_io_stop(&pair.second);
    close_both(pair.one);
    close_both(pair.two);
}

test(two_events_of_one_batch_are_both_told)
{
    open_pair(NULL);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("x:R x:R");
    close_pair();
}

test(a_stopped_watcher_is_not_told_of_an_event_that_was_fetched)
{
    open_pair(eddy_io_stop);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("x:R");
    close_pair();
}

static void stop_and_start_again(eddy_io *other)
{
    eddy_io_stop(other);
    start(other, other->fd, EDDY_READ, log_events);
}

test(one_that_is_started_anew_is_not_told_of_an_event_that_was_fetched_before)
{
    open_pair(stop_and_start_again);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("x:R");
    assert_int_equal(testing_turn(), 2); /* it is level-triggered: now it is told */
    testing_assert_log("x:R x:R");
    close_pair();
}

static int reused[2];

/* Closes the other's fd, and has its number used again by a pipe in which nothing is. */
static void reuse_fd(eddy_io *other)
{
    int fd = other->fd;

    eddy_io_stop(other);
    close(fd);
    testing_pipe(reused);
    if (reused[0] != fd) {
        assert_int_equal(dup3(reused[0], fd, O_CLOEXEC), fd);
        close(reused[0]);
        reused[0] = fd;
    }
    start(other, fd, EDDY_READ, log_events);
}

test(a_stale_event_does_not_reach_the_new_user_of_an_fd_number)
{
    open_pair(reuse_fd);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("x:R");
    assert_int_equal(testing_turn(), 1); /* the first again; nothing of the pipe */
    testing_assert_log("x:R");
    testing_poke(reused[1]);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("x:R x:R");
    close(reused[1]);
    close_pair();
}

static void ask_for_writing(eddy_io *other)
{
    assert_int_equal(eddy_io_change(other, EDDY_WRITE), 0);
}

test(an_event_that_was_fetched_is_not_told_when_it_is_not_asked_for_any_more)
{
    open_pair(ask_for_writing);
    (void)testing_turn();
    testing_assert_log("x:R");
    close_pair();
}

static void ask_for_nothing(eddy_io *other)
{
    assert_int_equal(eddy_io_change(other, 0), 0);
}

test(a_hangup_that_was_fetched_is_not_told_to_one_that_asks_for_nothing_any_more)
{
    open_pair(ask_for_nothing);
    close(pair.one[1]);
    close(pair.two[1]);
    (void)testing_turn();
    testing_assert_log("x:RHC");
    eddy_io_stop(&pair.first);
    eddy_io_stop(&pair.second);
    close(pair.one[0]);
    close(pair.two[0]);
}

test(a_peer_that_closed_is_told_with_read_only)
{
    open_pair(ask_for_writing);
    shutdown(pair.one[1], SHUT_WR);
    shutdown(pair.two[1], SHUT_WR);
    (void)testing_turn();
    testing_assert_log("x:RC");
    close_pair();
}

static void stop_close_and_free_self(eddy_io *io, unsigned events)
{
    testing_log("%s", letters(events));
    eddy_io_stop(io);
    close(io->fd);
    free(io);
}

test(a_watcher_may_be_freed_in_its_own_callback)
{
    eddy_io *io = calloc(1, sizeof *io);
    int fds[2];

    testing_pipe(fds);
    start(io, fds[0], EDDY_READ, stop_close_and_free_self);
    testing_poke(fds[1]);
    testing_run();
    testing_assert_log("R");
    close(fds[1]);
}

static eddy_io *to_free;

static void free_the_other(eddy_io *io, unsigned events)
{
    log_events(io, events);
    eddy_io_stop(to_free);
    free(to_free);
}

test(a_watcher_may_be_freed_in_another_callback_of_the_same_batch)
{
    static eddy_io io = {.user = "a"};
    int fds[2], others[2];

    to_free = calloc(1, sizeof *to_free);
    testing_pipe(fds);
    testing_pipe(others);
    start(&io, fds[0], EDDY_READ, free_the_other);
    start(to_free, others[0], EDDY_READ, log_events);
    testing_poke(fds[1]); /* first, so that its event comes first */
    testing_poke(others[1]);
    (void)testing_turn();
    testing_assert_log("a:R");
    eddy_io_stop(&io);
    close_both(fds);
    close_both(others);
}

test(stopping_what_is_stopped_does_nothing)
{
    static eddy_io io;

    eddy_io_stop(&io);
    assert_false(eddy_io_started(&io));
}

test(freeing_the_loop_stops_its_watchers_and_closes_no_fd_of_theirs)
{
    static eddy_io io = {.user = "a"}, fetched = {.user = "b"};
    int fds[2], others[2];

    testing_pipe(fds);
    testing_pipe(others);
    start(&io, fds[0], EDDY_READ, log_events);
    start(&fetched, others[0], 0, log_events);
    testing_reopen();
    assert_false(eddy_io_started(&io));
    assert_false(eddy_io_started(&fetched));
    start(&io, fds[0], EDDY_READ, log_events);
    testing_poke(fds[1]);
    (void)testing_turn();
    testing_assert_log("a:R");
    eddy_io_stop(&io);
    close_both(fds);
    close_both(others);
}

/* ---- closed behind our back: the fd is closed while a duplicate keeps its description open */

static bool loop_fd_is_readable(void)
{
    struct pollfd question = {.fd = eddy_loop_fd(testing.loop), .events = POLLIN};

    return poll(&question, 1, 0) == 1;
}

/* Leaves a registration in the epoll set that nobody can take out: returns the duplicate. */
static int leave_a_stale_registration(int write_end[1])
{
    static eddy_io io = {.user = "gone"};
    int fds[2];
    int duplicate;

    testing_pipe(fds);
    duplicate = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
    start(&io, fds[0], EDDY_READ, log_events);
    close(fds[0]);
    eddy_io_stop(&io);
    testing_poke(fds[1]);
    write_end[0] = fds[1];
    return duplicate;
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
    assert_int_equal(testing_turn(), 0);
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
    testing_fail(epoll_create, 1, -EMFILE);
    assert_int_equal(testing_turn(), 0);
    assert_true(loop_fd_is_readable());
    assert_int_equal(testing_turn(), 0);
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
    testing_fail_from(epoll_ctl, 1, -ENOMEM);
    assert_int_equal(testing_turn(), 0);
    testing_fail(epoll_ctl, 0, 0);
    assert_int_equal(testing_turn(), 0);
    testing_poke(live_fds[1]);
    (void)testing_turn();
    testing_assert_log("live:R");
    eddy_loop_wake(testing.loop); /* nor the loop's own */
    assert_true(loop_fd_is_readable());
    stop_live_watcher();
    close(duplicate);
    close(write_end);
}

test(a_rebuild_that_cannot_take_over_the_number_still_works)
{
    int write_end;
    int duplicate;

    start_live_watcher();
    duplicate = leave_a_stale_registration(&write_end);
    testing_fail(dup3, 1, -EMFILE);
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(testing_turn(), 0);
    assert_only_the_live_watcher_is_told();
    stop_live_watcher();
    close(duplicate);
    close(write_end);
}

test(a_rebuild_leaves_out_a_watcher_whose_fd_is_closed)
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
    assert_only_the_live_watcher_is_told();
    eddy_io_stop(&closed);
    stop_live_watcher();
    close(fds[1]);
    close(duplicate);
    close(write_end);
}

/* ---- regular files */

static int open_file(void)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {
        fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    }
    assert_true(fd >= 0);
    return fd;
}

test(a_regular_file_is_always_ready)
{
    static eddy_io io = {.user = "file"};
    int fd = open_file();

    start(&io, fd, EDDY_READ, log_events);
    assert_int_equal(testing_turn(), 1);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("file:R file:R");
    assert_int_equal(eddy_io_change(&io, EDDY_READ | EDDY_WRITE), 0);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("file:RW");
    eddy_io_stop(&io);
    assert_int_equal(testing_turn(), 0);
    close(fd);
}

test(a_regular_file_without_interest_is_not_told)
{
    static eddy_io io = {.user = "file"};
    int fd = open_file();

    start(&io, fd, 0, log_events);
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(eddy_io_change(&io, EDDY_WRITE), 0);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("file:W");
    assert_int_equal(eddy_io_change(&io, 0), 0);
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(eddy_io_change(&io, EDDY_READ), 0);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("file:R");
    eddy_io_stop(&io);
    close(fd);
}

test(a_regular_file_keeps_the_loop_from_sleeping)
{
    static eddy_io io = {.user = "file"};
    int fd = open_file();

    testing_fake_clock(0);
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    start(&io, fd, EDDY_READ, log_events);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("file:R");
    assert_int_equal(testing.sys.now, 0);
    assert_int_equal(eddy_loop_next_deadline(testing.loop), 0);
    eddy_io_stop(&io);
    assert_int_equal(eddy_loop_next_deadline(testing.loop), EDDY_FOREVER);
    close(fd);
}

static void stop_in_callback(eddy_io *io, unsigned events)
{
    log_events(io, events);
    eddy_io_stop(io);
}

/* poll(2) says so too: it is readable and writable, but has no urgent data. */
test(a_regular_file_has_no_urgent_data_and_does_not_spin_for_it)
{
    static eddy_io io = {.user = "file"};
    int fd = open_file();

    testing_fake_clock(0);
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    start(&io, fd, EDDY_PRIORITY, log_events);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_SECOND, 0), 0);
    assert_int_equal(testing.sys.now, EDDY_SECOND); /* it slept */
    eddy_io_stop(&io);
    close(fd);
}

test(a_regular_file_may_be_stopped_in_its_callback)
{
    static eddy_io io = {.user = "file"};
    int fd = open_file();

    start(&io, fd, EDDY_READ, stop_in_callback);
    testing_run();
    testing_assert_log("file:R");
    close(fd);
}

test(a_regular_file_does_not_keep_others_from_running)
{
    static eddy_io file = {.user = "file"}, other = {.user = "pipe"};
    int fd = open_file();
    int fds[2];

    testing_pipe(fds);
    start(&file, fd, EDDY_READ, log_events);
    start(&other, fds[0], EDDY_READ, log_events);
    testing_poke(fds[1]);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("pipe:R file:R");
    eddy_io_stop(&file);
    eddy_io_stop(&other);
    close(fd);
    close_both(fds);
}

test(a_regular_file_that_is_left_when_the_loop_is_freed_may_be_used_again)
{
    static eddy_io io = {.user = "file"};
    int fd = open_file();

    start(&io, fd, EDDY_READ, log_events);
    testing_reopen();
    assert_false(eddy_io_started(&io));
    start(&io, fd, EDDY_READ, log_events);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("file:R");
    eddy_io_stop(&io);
    close(fd);
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
        testing_case(only_read_write_and_priority_can_be_asked_for),
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
        testing_case(two_events_of_one_batch_are_both_told),
        testing_case(a_stopped_watcher_is_not_told_of_an_event_that_was_fetched),
        testing_case(one_that_is_started_anew_is_not_told_of_an_event_that_was_fetched_before),
        testing_case(a_stale_event_does_not_reach_the_new_user_of_an_fd_number),
        testing_case(an_event_that_was_fetched_is_not_told_when_it_is_not_asked_for_any_more),
        testing_case(a_hangup_that_was_fetched_is_not_told_to_one_that_asks_for_nothing_any_more),
        testing_case(a_peer_that_closed_is_told_with_read_only),
        testing_case(a_watcher_may_be_freed_in_its_own_callback),
        testing_case(a_watcher_may_be_freed_in_another_callback_of_the_same_batch),
        testing_case(stopping_what_is_stopped_does_nothing),
        testing_case(freeing_the_loop_stops_its_watchers_and_closes_no_fd_of_theirs),
        testing_case(an_fd_that_was_closed_while_a_duplicate_lives_does_not_spin),
        testing_case(a_stale_registration_does_not_hold_up_a_virtual_clock),
        testing_case(a_rebuild_is_tried_again_when_it_fails),
        testing_case(a_rebuild_that_fails_half_way_loses_no_watcher),
        testing_case(a_rebuild_that_cannot_take_over_the_number_still_works),
        testing_case(a_rebuild_leaves_out_a_watcher_whose_fd_is_closed),
        testing_case(a_regular_file_is_always_ready),
        testing_case(a_regular_file_without_interest_is_not_told),
        testing_case(a_regular_file_keeps_the_loop_from_sleeping),
        testing_case(a_regular_file_has_no_urgent_data_and_does_not_spin_for_it),
        testing_case(a_regular_file_may_be_stopped_in_its_callback),
        testing_case(a_regular_file_does_not_keep_others_from_running),
        testing_case(a_regular_file_that_is_left_when_the_loop_is_freed_may_be_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
