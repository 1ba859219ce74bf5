/* server.h: how far a server goes for a client whose handler has ended, and what may come between. */
#include "support/linger.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include "eddy/io.h"
#include "eddy/look.h"
#include "support/fork.h"
#include "support/unix.h"

enum { PIECE = 16384, PIECES_A_TURN = 4, MOST_DROPPED = 64 * 1024 * 1024 };

static void let_pass(int64_t duration)
{
    assert_int_equal(testing_run_task(sleeps, .duration = duration), 0);
}

static struct eddy_sys real;
static unsigned endless_reads; /* of a client who sends without end */

static ssize_t read_without_end(const struct eddy_sys *sys, int fd, void *buffer, size_t size)
{
    (void)sys;
    (void)fd;
    (void)buffer;
    endless_reads++;
    return (ssize_t)size;
}

/* A client who lingers, and sends as fast as one can from now on: one byte of him stays unread. */
static int endless_client(void)
{
    int fd = asking_client();

    assert_int_equal(server.lingering, 1);
    real = testing.sys.table;
    testing.sys.table.read = read_without_end;
    endless_reads = 0;
    net_send(fd, "x");
    net_settle();
    return fd;
}

/* ---- limits */

test(of_what_comes_a_bounded_share_is_dropped_in_a_turn)
{
    int fd = endless_client();

    for (unsigned turn = 1; turn <= 10; turn++) {
        testing_turn();
        assert_int_equal(endless_reads, turn * PIECES_A_TURN);
    }
    testing.sys.table = real;
    end(fd);
}

test(who_sends_without_end_is_closed_after_64_mebibytes)
{
    int fd = endless_client();

    for (int turn = 0; server.lingering > 0 && turn < 10000; turn++) {
        testing_turn();
    }
    assert_int_equal(server.lingering, 0);
    /* what his handler and the first look left of the question counts, too */
    assert_in_range(endless_reads, MOST_DROPPED / PIECE - 2 * PIECES_A_TURN, MOST_DROPPED / PIECE);
    testing.sys.table = real;
    end(fd);
}

/* Never silent for as long as five seconds, for so many. */
static void sends_now_and_then(int fd, int seconds)
{
    const int on = 1; /* a byte is not held back for an answer that takes real time */

    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    for (int i = 0; i < seconds; i++) {
        (void)send(fd, "x", 1, MSG_NOSIGNAL);
        net_settle();
        let_pass(EDDY_SECOND);
    }
}

test(who_goes_on_sending_is_closed_after_thirty_seconds)
{
    int fd = asking_client();

    sends_now_and_then(fd, 29);
    assert_int_equal(server.lingering, 1);
    let_pass(EDDY_SECOND + 1);
    assert_int_equal(server.lingering, 0);
    end(fd);
}

test(the_program_says_how_long)
{
    int fd;

    server.linger_time = 7 * EDDY_SECOND;
    fd = asking_client();
    sends_now_and_then(fd, 6);
    assert_int_equal(server.lingering, 1);
    let_pass(EDDY_SECOND + 1);
    assert_int_equal(server.lingering, 0);
    end(fd);
}

/* ---- Unix-domain sockets */

test(a_client_of_a_path_gets_his_answer_too)
{
    int fd;

    assert_int_equal(open_directory(), 0);
    memset(answer, 'a', sizeof answer);
    assert_int_equal(testing_run_task(listens, .at = &address), 0);
    fd = unix_connect(&address);
    assert_int_equal(send(fd, answer, 20000, 0), 20000);
    for (int i = 0; i < 1000 && (server.accepted == 0 || server.active > 0); i++) {
        testing_turn();
    }
    assert_int_equal(server.lingering, 1);
    assert_int_equal(send(fd, answer, 20000, 0), 20000);
    testing_turn();
    expect_answer(fd);
    net_expect_end(fd);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    testing_turns();
    assert_int_equal(server.lingering, 0);
    end(fd);
    assert_int_equal(close_directory(), 0);
}

/* ---- the end of the server */

static int unsent; /* as the kernel is to say: when it hears of what was taken is its own affair */

static int say_unsent(const struct eddy_sys *sys, int fd, int *bytes)
{
    (void)sys;
    (void)fd;
    *bytes = unsent;
    return 0;
}

test(of_a_closed_server_nobody_lingers_who_has_all)
{
    int fd;

    testing.sys.table.unsent = say_unsent;
    unsent = 10000;
    fd = asking_client();
    eddy_server_close(&server);
    let_pass(EDDY_SECOND);
    assert_int_equal(server.lingering, 1);
    unsent = 1; /* the end, which counts as a byte */
    let_pass(50 * EDDY_MILLISECOND);
    assert_int_equal(server.lingering, 0);
    end(fd);
}

test(of_a_server_that_closes_nobody_is_kept_who_has_all_already)
{
    int fd;

    testing.sys.table.unsent = say_unsent;
    unsent = 1;
    fd = asking_client();
    assert_int_equal(server.lingering, 1); /* he has not sent his end */
    eddy_server_close(&server);
    assert_int_equal(server.lingering, 0);
    end(fd);
}

test(of_a_closed_server_who_takes_his_answer_slowly_has_the_thirty_seconds)
{
    int fd;

    testing.sys.table.unsent = say_unsent;
    unsent = 10000;
    fd = asking_client();
    eddy_server_close(&server);
    for (int passed = 4; passed < 30; passed += 4) {
        unsent -= 100;
        let_pass(4 * EDDY_SECOND);
        assert_int_equal(server.lingering, 1);
    }
    unsent -= 100;
    let_pass(2 * EDDY_SECOND);
    assert_int_equal(server.lingering, 0);
    end(fd);
}

test(of_a_closed_server_who_takes_nothing_is_silent)
{
    int fd;

    testing.sys.table.unsent = say_unsent;
    unsent = 10000;
    fd = asking_client();
    eddy_server_close(&server);
    let_pass(5 * EDDY_SECOND - EDDY_MILLISECOND);
    assert_int_equal(server.lingering, 1);
    let_pass(51 * EDDY_MILLISECOND);
    assert_int_equal(server.lingering, 0);
    end(fd);
}

/* ---- what may come between */

static void never(eddy_io *io, unsigned events)
{
    (void)io;
    (void)events;
    fail_msg("nothing happens there");
}

/* The server's end of the connection, which nobody shows any more. */
static int other_end_of(int fd)
{
    struct sockaddr_in own;
    struct sockaddr_in peer;
    socklen_t size = sizeof own;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
    for (int i = 0; i < 1024; i++) {
        size = sizeof peer;
        if (getpeername(i, (struct sockaddr *)&peer, &size) == 0 && peer.sin_family == AF_INET &&
            peer.sin_port == own.sin_port) {
            return i;
        }
    }
    fail_msg("there is none");
    return -1;
}

test(an_fd_that_is_closed_behind_it_ends_it_and_the_next_file_is_left_alone)
{
    static eddy_io io;
    int fds[2];
    int fd = asking_client();
    int number = other_end_of(fd);

    testing_pipe(fds);
    close(number);
    assert_int_equal(dup3(fds[0], number, O_CLOEXEC), number);
    assert_int_equal(eddy_io_start(testing.loop, &io, number, EDDY_READ, never), 0);
    assert_int_equal(testing.errors.count, 1);
    assert_int_equal(testing.errors.code, -EBADF);
    testing.errors.count = 0;
    assert_int_equal(server.lingering, 0);
    eddy_io_stop(&io);
    assert_true(net_is_open(number));
    close(number);
    close(fds[0]);
    close(fds[1]);
    end(fd);
}

static int frees_the_loop(void *argument)
{
    (void)argument;
    CHECK(part());
    CHECK(eddy_loop_free(testing.loop) == 0);
    testing.loop = NULL;
    return 0;
}

test(a_child_that_ends_its_loop_takes_nothing_from_the_client)
{
    int fd = asking_client();

    testing_expect_in_child(frees_the_loop, NULL, 0);
    assert_int_equal(server.lingering, 1);
    expect_answer(fd);
    net_expect_end(fd);
    assert_int_equal(send(fd, "more", 4, MSG_NOSIGNAL), 4); /* no reset has come */
    net_settle();
    testing_turn();
    assert_int_equal(server.lingering, 1);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    net_settle();
    testing_turns();
    assert_int_equal(server.lingering, 0);
    end(fd);
}

/* ---- what is told */

test(who_lingers_is_no_leak)
{
    int fd;

    testing.options.flags |= EDDY_LOOP_REPORT_LEAKS;
    testing_reopen();
    fd = asking_client();
    assert_int_equal(server.lingering, 1);
    eddy_server_close(&server);
    testing_free(); /* an error that was not asserted would fail the test */
    close(fd);
}

static char told[512];

static void keep_wait(const struct eddy_task_info *info, void *user)
{
    (void)user;
    snprintf(told, sizeof told, "%s: %s", info->waits_for, info->detail);
}

test(a_dump_tells_how_many_linger)
{
    char expected[128];
    int fd = asking_client();
    eddy_task task = eddy_loop_spawn(testing.loop, waits_until_closed, .limit = EDDY_FOREVER);

    testing_turns();
    snprintf(expected, sizeof expected, "server: port %d, 0 clients, 1 lingering",
             eddy_server_port(&server));
    assert_int_equal(eddy_loop_inspect(testing.loop, keep_wait, NULL), 0);
    assert_string_equal(told, expected);
    close(fd);
    eddy_server_close(&server);
    (void)eddy_loop_run_until(testing.loop, task);
    testing_assert_log("closed=0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        linger_case(of_what_comes_a_bounded_share_is_dropped_in_a_turn),
        linger_case(who_sends_without_end_is_closed_after_64_mebibytes),
        linger_case(who_goes_on_sending_is_closed_after_thirty_seconds),
        linger_case(the_program_says_how_long),
        linger_case(a_client_of_a_path_gets_his_answer_too),
        linger_case(of_a_closed_server_nobody_lingers_who_has_all),
        linger_case(of_a_server_that_closes_nobody_is_kept_who_has_all_already),
        linger_case(of_a_closed_server_who_takes_his_answer_slowly_has_the_thirty_seconds),
        linger_case(of_a_closed_server_who_takes_nothing_is_silent),
        linger_case(an_fd_that_is_closed_behind_it_ends_it_and_the_next_file_is_left_alone),
        linger_case(a_child_that_ends_its_loop_takes_nothing_from_the_client),
        linger_case(who_lingers_is_no_leak),
        linger_case(a_dump_tells_how_many_linger),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
