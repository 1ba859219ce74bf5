/* As test_io_gone.c, for what owns its fd: streams, servers, and the loop. */
#include "support/gone.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "eddy/server.h"
#include "eddy/signal.h"
#include "eddy/stream.h"
#include "support/echo.h"
#include "support/loop.h"

/* ---- streams */

static void open_a_stream(void)
{
    int fds[2];

    testing_socketpair(fds);
    open_stream(fds);
}

test(a_stream_whose_number_comes_again_is_closed_and_its_reader_told)
{
    int fds[2];
    eddy_stream other = {0};
    eddy_task reader;
    int number;

    open_a_stream();
    number = eddy_stream_fd(&stream);
    reader = spawn(reads, .name = "r", .times = 2);
    (void)testing_turns();
    testing_socketpair(fds);
    dup2(fds[0], number);
    close(fds[0]);
    assert_int_equal(eddy_stream_open(testing.loop, &other, number), 0);
    assert_told_gone(number, "a stream", "it gives way");
    assert_false(eddy_stream_is_open(&stream));
    assert_int_equal(finish(reader), 0);
    testing_assert_log("r=-EBADF r=-EBADF");
    eddy_stream_close(&stream);
    assert_true(net_is_open(number)); /* the other's */
    eddy_stream_close(&other);
    assert_false(net_is_open(number));
    close(peer);
    close(fds[1]);
}

test(a_stream_that_is_closed_when_its_number_is_another_files_leaves_that_alone)
{
    int number;
    int end;

    open_a_stream();
    number = eddy_stream_fd(&stream);
    end = reuse(number);
    eddy_stream_close(&stream);
    assert_told_gone(number, "a stream", "it is not closed again");
    assert_false(eddy_stream_is_open(&stream));
    assert_true(net_is_open(number));
    close(number);
    close(peer);
    close(end);
}

test(so_does_one_that_is_left_open_when_the_loop_ends)
{
    int number;
    int end;

    open_a_stream();
    number = eddy_stream_fd(&stream);
    end = reuse(number);
    testing_free();
    assert_told_gone(number, "a stream", "it is not closed again");
    assert_true(net_is_open(number));
    close(number);
    close(peer);
    close(end);
}

/* ---- servers and connections: the kernel has just given the number out */

eddy_frame(serves) {
    eddy_coro co;
    eddy_server *server;
    int64_t rc;
};

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    eddy_await(eddy_serve(co, self->server, "127.0.0.1", 0, echo));
    testing_log("serves");
    eddy_catch(self->rc, eddy_server_wait_closed(co, self->server));
    testing_log_result("closed", self->rc);
    eddy_end;
}

static void assert_serves_a_client(eddy_server *server)
{
    int client = net_connect(eddy_server_port(server));

    net_send(client, "hello");
    net_expect(client, "hello");
    close(client);
}

static void serve_with_a_stale_watcher(unsigned interest)
{
    static eddy_server server;
    eddy_task task;
    int client;

    memset(&server, 0, sizeof server);
    task = spawn(serves, .server = &server);
    (void)testing_turns();
    testing_assert_log("serves");
    client = net_connect(eddy_server_port(&server)); /* so that the lowest number is the server's */
    watch_a_pipe(interest);
    close(pair[0]);
    net_send(client, "hello");
    net_expect(client, "hello");
    assert_told_gone(pair[0], "a watcher", "it gives way");
    close(client);
    assert_serves_a_client(&server);
    eddy_cancel(task);
    assert_int_equal(finish(task), 0);
    testing_assert_log("closed=-ECANCELED");
    close(pair[1]);
}

test(a_server_serves_a_client_whose_number_has_a_watcher_still)
{
    serve_with_a_stale_watcher(EDDY_READ);
}

test(also_if_that_asks_about_nothing_just_now)
{
    serve_with_a_stale_watcher(0);
}

eddy_frame(connects) {
    eddy_coro co;
    int port;
};

static void connects(eddy_coro *co)
{
    eddy_begin(connects);
    eddy_await(eddy_connect(co, &stream, "127.0.0.1", self->port));
    eddy_end;
}

test(a_connect_succeeds_whose_number_has_a_watcher_still)
{
    int port;
    int listener = net_listener(&port);

    memset(&stream, 0, sizeof stream);
    watch_a_pipe(EDDY_READ);
    close(pair[0]);
    assert_int_equal(run(connects, port), 0);
    assert_told_gone(pair[0], "a watcher", "it gives way");
    assert_int_equal(eddy_stream_fd(&stream), pair[0]);
    eddy_stream_close(&stream);
    close(listener);
    close(pair[1]);
}

test(a_server_whose_listener_is_gone_is_closed)
{
    static eddy_server server;
    eddy_task task;
    int number;
    int end;

    memset(&server, 0, sizeof server);
    task = spawn(serves, .server = &server);
    (void)testing_turns();
    number = server.first.io.fd;
    end = reuse(number);
    watch_a_pipe(0);
    start(&young, number, EDDY_READ, log_events);
    assert_told_gone(number, "a server", "it gives way");
    assert_int_equal(finish(task), 0);
    testing_assert_log("serves closed=0");
    assert_true(net_is_open(number));
    eddy_io_stop(&old);
    eddy_io_stop(&young);
    close(number);
    close(end);
    close_both(pair);
}

test(a_server_that_is_closed_when_its_number_is_another_files_leaves_that_alone)
{
    static eddy_server server;
    eddy_task task;
    int number;
    int end;

    memset(&server, 0, sizeof server);
    task = spawn(serves, .server = &server);
    (void)testing_turns();
    number = server.first.io.fd;
    end = reuse(number);
    eddy_server_close(&server);
    assert_told_gone(number, "a server", "it is not closed again");
    assert_int_equal(finish(task), 0);
    testing_assert_log("serves closed=0");
    assert_true(net_is_open(number));
    close(number);
    close(end);
}

/* ---- the loop's own */

/* Closes the fd of the loop that was made last, whose number is then a watcher's. */
static int take_over(int number)
{
    int end = reuse(number);

    watch_a_pipe(0);
    start(&young, number, EDDY_READ, log_events);
    assert_int_equal(testing.errors.count, 1);
    assert_non_null(strstr(testing.errors.text, "while the loop had it"));
    testing.errors.count = 0;
    return end;
}

static void give_back(int number, int end)
{
    eddy_io_stop(&old);
    eddy_io_stop(&young);
    close(number);
    close(end);
    close_both(pair);
}

static int made; /* the last eventfd, timerfd or signalfd */

static int note_eventfd(const struct eddy_sys *sys)
{
    return made = eddy_sys_default()->eventfd(sys);
}

static int note_timerfd(const struct eddy_sys *sys, clockid_t clock)
{
    return made = eddy_sys_default()->timerfd_create(sys, clock);
}

static int note_signalfd(const struct eddy_sys *sys, int fd, const sigset_t *set)
{
    return made = eddy_sys_default()->signalfd(sys, fd, set);
}

test(a_loop_whose_eventfd_is_gone_makes_another_and_can_be_woken)
{
    int number;
    int end;

    testing.sys.table.eventfd = note_eventfd;
    testing_reopen();
    number = made;
    eddy_loop_wake(testing.loop); /* which is on its way */
    end = take_over(number);
    assert_true(loop_fd_is_readable());
    assert_int_equal(testing_turn(), 0);
    assert_false(loop_fd_is_readable());
    eddy_loop_wake(testing.loop);
    assert_true(loop_fd_is_readable());
    assert_int_equal(testing_turn(), 0);
    give_back(number, end);
}

test(a_loop_whose_timerfd_is_gone_makes_another_and_tells_of_deadlines)
{
    static eddy_timer timer = {.user = "timer"};
    int number;
    int end;

    testing.sys.table.timerfd_create = note_timerfd;
    true_time_loop_with_timerfd();
    number = made;
    assert_int_equal(eddy_timer_start(testing.loop, &timer, 1, log_timer), 0);
    end = take_over(number);
    assert_true(loop_fd_becomes_readable());
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("timer");
    give_back(number, end);
}

/* A loop that has lost an fd of its own and cannot have another. */

static int no_eventfd(const struct eddy_sys *sys)
{
    (void)sys;
    return -EMFILE;
}

/* Puts an eventfd, which anybody may write to, under the number, and has the loop find out. */
static int find_another_file_at(int number)
{
    int file = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    dup3(file, number, O_CLOEXEC);
    memset(&young, 0, sizeof young);
    young.user = "young";
    start(&young, number, EDDY_READ, log_events);
    return file;
}

static void assert_told_last(const char *text)
{
    assert_int_equal(testing.errors.count, 2); /* before, that it was closed */
    assert_non_null(strstr(testing.errors.text, text));
    testing.errors.count = 0;
}

test(a_loop_that_can_have_no_other_eventfd_writes_to_nobody_elses_file)
{
    uint64_t written;
    int number;
    int file;

    testing.sys.table.eventfd = note_eventfd;
    testing_reopen();
    number = made;
    testing.sys.table.eventfd = no_eventfd;
    file = find_another_file_at(number);
    assert_told_last("the loop cannot be woken any more");
    eddy_loop_wake(testing.loop);
    assert_int_equal(read(file, &written, sizeof written), -1);
    assert_int_equal(errno, EAGAIN);
    eddy_io_stop(&young);
    close(number);
    close(file);
}

static int refuses_what_was_made(const struct eddy_sys *sys, int epoll, int op, int fd,
                                 struct epoll_event *event)
{
    return op == EPOLL_CTL_ADD && fd == made
               ? -ENOSPC
               : eddy_sys_default()->epoll_ctl(sys, epoll, op, fd, event);
}

test(a_timerfd_that_cannot_be_watched_is_closed)
{
    int number;
    int file;

    testing.sys.table.timerfd_create = note_timerfd;
    true_time_loop_with_timerfd();
    number = made;
    testing.sys.table.epoll_ctl = refuses_what_was_made;
    file = find_another_file_at(number);
    assert_told_last("the loop has no timerfd any more");
    assert_int_not_equal(made, number);
    assert_false(net_is_open(made));
    eddy_io_stop(&young);
    close(number);
    close(file);
}

eddy_frame(waits_for_signal) {
    eddy_coro co;
};

static void waits_for_signal(eddy_coro *co)
{
    int64_t rc;

    eddy_begin(waits_for_signal);
    eddy_await(rc, eddy_signal_wait(co, EDDY_SIGNAL(SIGUSR1)));
    eddy_return(rc);
    eddy_end;
}

test(a_loop_whose_signalfd_is_gone_makes_another_and_hears_of_signals)
{
    int number;
    int end;

    testing.sys.table.signalfd = note_signalfd;
    testing_reopen();
    assert_int_equal(eddy_signal_watch(testing.loop, EDDY_SIGNAL(SIGUSR1)), 0);
    number = made;
    end = take_over(number);
    raise(SIGUSR1);
    assert_int_equal(run(waits_for_signal), SIGUSR1);
    give_back(number, end);
}

static int no_signalfd(const struct eddy_sys *sys, int fd, const sigset_t *set)
{
    (void)sys;
    (void)fd;
    (void)set;
    return -EMFILE;
}

test(a_loop_that_could_have_no_other_signalfd_makes_one_for_the_next_wait)
{
    int number;
    int file;

    testing.sys.table.signalfd = note_signalfd;
    testing_reopen();
    assert_int_equal(eddy_signal_watch(testing.loop, EDDY_SIGNAL(SIGUSR1)), 0);
    number = made;
    testing.sys.table.signalfd = no_signalfd;
    file = find_another_file_at(number);
    assert_told_last("the loop hears of no signals any more");
    assert_int_equal(run(waits_for_signal), -EMFILE);
    testing.sys.table.signalfd = note_signalfd;
    raise(SIGUSR1);
    assert_int_equal(run(waits_for_signal), SIGUSR1);
    eddy_io_stop(&young);
    close(number);
    close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_stream_whose_number_comes_again_is_closed_and_its_reader_told),
        testing_case(a_stream_that_is_closed_when_its_number_is_another_files_leaves_that_alone),
        testing_case(so_does_one_that_is_left_open_when_the_loop_ends),
        testing_case(a_server_serves_a_client_whose_number_has_a_watcher_still),
        testing_case(also_if_that_asks_about_nothing_just_now),
        testing_case(a_connect_succeeds_whose_number_has_a_watcher_still),
        testing_case(a_server_whose_listener_is_gone_is_closed),
        testing_case(a_server_that_is_closed_when_its_number_is_another_files_leaves_that_alone),
        testing_case(a_loop_whose_eventfd_is_gone_makes_another_and_can_be_woken),
        testing_case(a_loop_whose_timerfd_is_gone_makes_another_and_tells_of_deadlines),
        testing_case(a_loop_that_can_have_no_other_eventfd_writes_to_nobody_elses_file),
        testing_case(a_timerfd_that_cannot_be_watched_is_closed),
        testing_case(a_loop_whose_signalfd_is_gone_makes_another_and_hears_of_signals),
        testing_case(a_loop_that_could_have_no_other_signalfd_makes_one_for_the_next_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
