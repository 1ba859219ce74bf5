/* Fds that are closed while something of the loop has them, and whose numbers come again: whatever had
 * them gives way, the error hook is told once, and nothing happens to the file that has the number now. */
#include "support/io.h"
#include "support/stream.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/connect.h"
#include "eddy/fd.h"
#include "eddy/server.h"
#include "eddy/signal.h"
#include "support/echo.h"
#include "support/fork.h"

#define spawn(...) eddy_loop_spawn(testing.loop, __VA_ARGS__)
#define finish(task) eddy_loop_run_until(testing.loop, task)
#define run(...) finish(spawn(__VA_ARGS__))

/* ---- what is told */

static void assert_told_gone(int fd, const char *who, const char *end)
{
    char text[200];

    snprintf(text, sizeof text, "fd %d was closed while %s had it: %s", fd, who, end);
    testing_assert_error(-EBADF, text);
}

/* Closes an fd, and gives its number to one end of a new pipe; the other is returned. */
static int reuse(int fd)
{
    int fds[2];

    testing_pipe(fds);
    dup2(fds[0], fd);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    close(fds[0]);
    return fds[1];
}

/* ---- watchers */

static eddy_io old, young;
static int pair[2];

static void watch_a_pipe(unsigned events)
{
    memset(&old, 0, sizeof old);
    memset(&young, 0, sizeof young);
    old.user = "old";
    young.user = "young";
    testing_pipe(pair);
    start(&old, pair[0], events, log_events);
}

test(a_watcher_gives_way_to_one_of_another_file_that_has_its_number_now)
{
    int end;

    watch_a_pipe(EDDY_READ);
    end = reuse(pair[0]);
    start(&young, pair[0], EDDY_READ, log_events);
    assert_told_gone(pair[0], "a watcher", "it gives way");
    assert_false(eddy_io_started(&old));
    assert_int_equal(eddy_io_change(&old, EDDY_READ), -EINVAL);
    testing_poke(end);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("young:R");
    eddy_io_stop(&old); /* nothing */
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("young:R");
    eddy_io_stop(&young);
    close(pair[0]);
    close(pair[1]);
    close(end);
}

test(it_is_told_with_the_place_where_it_was_started)
{
    int end;
    char *at;

    testing_reopen_with(EDDY_CLOCK_VIRTUAL, EDDY_LOOP_REPORT_LEAKS);
    watch_a_pipe(0);
    eddy_io_stop(&old);
    assert_int_equal(eddy_io_start(testing.loop, &old, pair[0], EDDY_READ, log_events), 0);
    end = reuse(pair[0]);
    start(&young, pair[0], EDDY_READ, log_events);
    at = strstr(testing.errors.text, "test_io_gone.c:");
    assert_non_null(at);
    testing.errors.count = 0;
    eddy_io_stop(&young);
    close(pair[0]);
    close(pair[1]);
    close(end);
}

test(an_event_that_was_fetched_for_the_old_one_is_not_the_new_ones)
{
    int end;

    watch_a_pipe(EDDY_READ);
    testing_poke(pair[1]);
    assert_int_equal(eddy_loop_prepare(testing.loop, 0), 0);
    assert_int_equal(eddy_loop_wait(testing.loop), 0);
    end = reuse(pair[0]);
    start(&young, pair[0], EDDY_READ, log_events);
    assert_told_gone(pair[0], "a watcher", "it gives way");
    assert_int_equal(testing_turn(), 0);
    testing_assert_log("");
    assert_int_equal(testing_calls(epoll_create), 0);
    eddy_io_stop(&young);
    close(pair[0]);
    close(pair[1]);
    close(end);
}

test(a_watcher_whose_fd_is_open_does_not_give_way)
{
    watch_a_pipe(EDDY_READ);
    assert_int_equal(eddy_io_start(testing.loop, &young, pair[0], EDDY_READ, log_events), -EEXIST);
    testing_poke(pair[1]);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("old:R");
    eddy_io_stop(&old);
    close_both(pair);
}

/* The file is the one that was registered: the watcher is as good as ever. */
test(nor_does_one_whose_fd_has_come_back_as_a_duplicate)
{
    int duplicate;

    watch_a_pipe(EDDY_READ);
    duplicate = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
    close(pair[0]);
    assert_int_equal(fcntl(duplicate, F_DUPFD_CLOEXEC, pair[0]), pair[0]);
    assert_int_equal(eddy_io_start(testing.loop, &young, pair[0], EDDY_READ, log_events), -EEXIST);
    testing_poke(pair[1]);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("old:R");
    eddy_io_stop(&old);
    close(duplicate);
    close_both(pair);
}

test(a_registration_that_was_left_behind_is_taken_over_if_its_file_comes_back)
{
    int duplicate;

    watch_a_pipe(EDDY_READ);
    duplicate = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
    close(pair[0]);
    eddy_io_stop(&old); /* which nobody can take out */
    assert_int_equal(fcntl(duplicate, F_DUPFD_CLOEXEC, pair[0]), pair[0]);
    start(&young, pair[0], EDDY_READ, log_events);
    testing_poke(pair[1]);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("young:R");
    assert_int_equal(testing_calls(epoll_create), 0);
    eddy_io_stop(&young);
    close(duplicate);
    close_both(pair);
}

test(changing_a_watcher_whose_fd_is_closed_or_another_file_is_ebadf)
{
    int end;

    watch_a_pipe(EDDY_READ);
    close(pair[0]);
    assert_int_equal(eddy_io_change(&old, EDDY_READ | EDDY_PRIORITY), -EBADF);
    end = reuse(pair[0]);
    assert_int_equal(eddy_io_change(&old, EDDY_READ | EDDY_PRIORITY), -EBADF);
    assert_int_equal(eddy_io_change(&old, 0), 0);
    assert_int_equal(eddy_io_change(&old, EDDY_READ), -EBADF); /* the other file's number */
    eddy_io_stop(&old);
    close(pair[0]);
    close(pair[1]);
    close(end);
}

test(a_regular_files_watcher_gives_way_to_what_is_none)
{
    FILE *file = tmpfile();
    int fd = fileno(file);
    int end;

    watch_a_pipe(0);
    eddy_io_stop(&old);
    start(&old, fd, EDDY_READ, log_events);
    assert_int_equal(eddy_io_start(testing.loop, &young, fd, EDDY_READ, log_events), -EEXIST);
    end = reuse(fd);
    start(&young, fd, EDDY_READ, log_events);
    assert_told_gone(fd, "a watcher", "it gives way");
    assert_int_equal(testing_turn(), 0);
    testing_poke(end);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("young:R");
    eddy_io_stop(&young);
    fclose(file);
    close(end);
    close_both(pair);
}

test(a_directory_is_no_regular_file)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    watch_a_pipe(0);
    assert_int_equal(eddy_io_start(testing.loop, &young, fd, EDDY_READ, log_events), -EISDIR);
    eddy_io_stop(&old);
    close(fd);
    close_both(pair);
}

test(what_has_no_callback_or_would_watch_the_loop_itself_is_refused)
{
    watch_a_pipe(0);
    assert_int_equal(eddy_io_start(testing.loop, &young, pair[1], EDDY_READ, NULL), -EINVAL);
    assert_int_equal(
        eddy_io_start(testing.loop, &young, eddy_loop_fd(testing.loop), EDDY_READ, log_events),
        -ELOOP);
    eddy_io_stop(&old);
    close_both(pair);
}

/* ---- making the set anew */

static int leave_a_stale_registration(int *write_end)
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
    *write_end = fds[1];
    return duplicate;
}

test(a_new_set_has_no_watcher_whose_number_is_another_files_now)
{
    int write_end;
    int duplicate;
    int end;

    watch_a_pipe(EDDY_READ);
    end = reuse(pair[0]);
    testing_poke(end);
    duplicate = leave_a_stale_registration(&write_end);
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(testing.errors.count, 2); /* of the watcher and of the set */
    testing.errors.count = 0;
    assert_int_equal(testing_turn(), 0);
    testing_assert_log("");
    assert_false(eddy_io_started(&old));
    close(pair[0]);
    close(pair[1]);
    close(end);
    close(duplicate);
    close(write_end);
}

static int child_reuses_the_number(void *argument)
{
    int end = reuse(pair[0]);

    (void)argument;
    testing_poke(end);
    CHECK(part());
    CHECK(testing_turn() == 0);
    CHECK_LOG("");
    CHECK(!eddy_io_started(&old));
    CHECK(testing.errors.count == 0); /* a child may close what it does not need */
    return 0;
}

test(nor_has_that_of_a_child_which_has_given_a_number_to_another_file)
{
    watch_a_pipe(EDDY_READ);
    in_child(child_reuses_the_number);
    testing_poke(pair[1]);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("old:R");
    eddy_io_stop(&old);
    close_both(pair);
}

/* As before such kernels were. */
static int child_cannot_ask(void *argument)
{
    (void)argument;
    testing_fail_from(kcmp_epoll, 1, -ENOSYS);
    CHECK(part());
    testing_poke(pair[1]);
    CHECK(testing_turn() == 1);
    CHECK_LOG("old:R");
    return 0;
}

test(where_the_kernel_cannot_tell_a_child_believes_its_fds)
{
    watch_a_pipe(EDDY_READ);
    in_child(child_cannot_ask);
    eddy_io_stop(&old);
    close_both(pair);
}

/* ---- tasks that wait for an fd */

eddy_frame(waits_for_fd) {
    eddy_coro co;
    int fd;
    int64_t rc;
};

static void waits_for_fd(eddy_coro *co)
{
    eddy_begin(waits_for_fd);
    eddy_catch(self->rc, eddy_fd_wait(co, self->fd, EDDY_READ));
    testing_log_result("fd", self->rc);
    eddy_end;
}

test(a_task_that_waits_for_an_fd_is_told_ebadf_when_its_number_comes_again)
{
    eddy_task first;
    int end;

    watch_a_pipe(0);
    eddy_io_stop(&old);
    first = spawn(waits_for_fd, .fd = pair[0]);
    (void)testing_turns();
    end = reuse(pair[0]);
    start(&young, pair[0], EDDY_READ, log_events);
    assert_told_gone(pair[0], "a task that waits for it", "it gives way");
    assert_int_equal(finish(first), 0);
    testing_assert_log("fd=-EBADF");
    eddy_io_stop(&young);
    close(pair[0]);
    close(pair[1]);
    close(end);
}

test(and_a_task_that_comes_to_wait_for_it_does)
{
    eddy_task task;
    int end;

    watch_a_pipe(EDDY_READ);
    end = reuse(pair[0]);
    testing_poke(end);
    task = spawn(waits_for_fd, .fd = pair[0]);
    assert_int_equal(finish(task), 0);
    testing_assert_log("fd=1");
    assert_told_gone(pair[0], "a watcher", "it gives way");
    close(pair[0]);
    close(pair[1]);
    close(end);
}

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
    number = server.io.fd;
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
    number = server.io.fd;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_watcher_gives_way_to_one_of_another_file_that_has_its_number_now),
        testing_case(it_is_told_with_the_place_where_it_was_started),
        testing_case(an_event_that_was_fetched_for_the_old_one_is_not_the_new_ones),
        testing_case(a_watcher_whose_fd_is_open_does_not_give_way),
        testing_case(nor_does_one_whose_fd_has_come_back_as_a_duplicate),
        testing_case(a_registration_that_was_left_behind_is_taken_over_if_its_file_comes_back),
        testing_case(changing_a_watcher_whose_fd_is_closed_or_another_file_is_ebadf),
        testing_case(a_regular_files_watcher_gives_way_to_what_is_none),
        testing_case(a_directory_is_no_regular_file),
        testing_case(what_has_no_callback_or_would_watch_the_loop_itself_is_refused),
        testing_case(a_new_set_has_no_watcher_whose_number_is_another_files_now),
        testing_case(nor_has_that_of_a_child_which_has_given_a_number_to_another_file),
        testing_case(where_the_kernel_cannot_tell_a_child_believes_its_fds),
        testing_case(a_task_that_waits_for_an_fd_is_told_ebadf_when_its_number_comes_again),
        testing_case(and_a_task_that_comes_to_wait_for_it_does),
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
        testing_case(a_loop_whose_signalfd_is_gone_makes_another_and_hears_of_signals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
