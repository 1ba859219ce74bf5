/* server.h: clients that misbehave. None takes a byte, a turn, memory or an fd from another. */
#include "support/children.h"
#include "support/echo.h"
#include "support/loop.h"
#include "support/net.h"

#include "loop/loop_internal.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/server.h"

enum { ROUNDS = 20, AT_ONCE = 8 };

static eddy_server server;
static bool by_copy; /* the handler uses eddy_copy */
static int good;     /* a client that behaves, and is there all the time */
static unsigned said;

/* How much the pool may come to hold after the first round: what the kernel does not take of a copy
 * is now this long and now that, and each class keeps blocks for all who were there at once. */
static size_t slack;

/* ---- the server */

eddy_frame(serves) {
    eddy_coro co;
};

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    if (by_copy) {
        eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, echo_by_copy));
    } else {
        eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, echo));
    }
    eddy_end;
}

static int setup(void **state)
{
    int result = testing_setup(state);

    memset(&server, 0, sizeof server);
    assert_int_equal(testing_run_task(serves), 0);
    good = net_connect(eddy_server_port(&server));
    said = 0;
    slack = 0;
    return result;
}

static int teardown(void **state)
{
    close(good);
    eddy_server_close(&server);
    testing_turns();
    assert_int_equal(server.active, 0);
    return testing_teardown(state);
}

static int setup_copies(void **state)
{
    by_copy = true;
    return setup(state);
}

static int setup_echo(void **state)
{
    by_copy = false;
    return setup(state);
}

/* A case for each handler. */
#define clients_cases(name)                                   \
    {#name, name, setup_echo, teardown, NULL},                \
    {                                                         \
#name "__by_copy", name, setup_copies, teardown, NULL \
    }

/* The good client is echoed, byte by byte. */
static void assert_good_is_served(void)
{
    char message[32];

    snprintf(message, sizeof message, "message %u", said++);
    net_send(good, message);
    net_expect(good, message);
}

/* Turns until nothing has moved in many of them: what is on its way to who does not read needs
 * several to and fro (and now and then the kernel tries again). Whoever keeps the loop busy fails. */
static void come_to_rest(void)
{
    int quiet = 0;

    for (int turns = 0; quiet < 20; turns++) {
        assert_true(turns < 10000);
        quiet = testing_turn() > 0 || loop_fd_is_readable() ? 0 : quiet + 1;
    }
}

/* ---- those who misbehave */

/* A client that is served already. */
static int open_client(void)
{
    uint64_t before = server.accepted;
    int fd = net_connect(eddy_server_port(&server));

    for (int turns = 0; server.accepted == before && turns < 1000; turns++) {
        testing_turns();
    }
    return fd;
}

static int vanish_in_a_message(void)
{
    int fd = open_client();

    net_send(fd, "half a mess");
    testing_turns();
    close(fd); /* the echo was not read: a reset */
    return -1;
}

static int vanish_after_a_message(void)
{
    int fd = open_client();

    net_send(fd, "hello");
    net_expect(fd, "hello");
    close(fd);
    return -1;
}

static int reset(void)
{
    int fd = open_client();

    net_send(fd, "half a mess");
    net_reset_on_close(fd);
    close(fd);
    return -1;
}

static int reset_before_it_is_accepted(void)
{
    int fd = net_connect(eddy_server_port(&server));

    net_reset_on_close(fd);
    close(fd);
    return -1;
}

static int say_nothing(void)
{
    return open_client();
}

static int shut_and_stay(void)
{
    int fd = open_client();

    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    return fd;
}

/* Sends until neither the kernel nor the server takes any more, and reads nothing. */
static int read_nothing(void)
{
    static char block[100000];
    int fd = open_client();
    bool moved = true;

    while (moved) {
        moved = send(fd, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
        moved = testing_turns() > 0 || moved;
    }
    come_to_rest();
    return fd;
}

static int send_urgent_data(void)
{
    int fd = open_client();

    net_send(fd, "abc");
    assert_int_equal(send(fd, "!", 1, MSG_OOB), 1);
    net_send(fd, "def");
    net_expect(fd, "abcdef");
    return fd;
}

/* Lets a client misbehave again and again beside the good one; nothing is left of it but, until it
 * goes, what it has open. */
static void assert_harms_nobody(int (*misbehave)(void), int rounds)
{
    int fds[AT_ONCE];
    size_t bytes = 0;
    int64_t references;

    assert_good_is_served();
    references = testing.loop->references;
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < AT_ONCE; i++) {
            fds[i] = misbehave();
            assert_good_is_served();
        }
        come_to_rest();
        for (int i = 0; i < AT_ONCE; i++) {
            if (fds[i] >= 0) {
                close(fds[i]);
            }
            assert_good_is_served();
        }
        testing_turns();
        assert_int_equal(server.active, 1);
        assert_int_equal(testing.loop->references, references);
        bytes = round == 0 ? testing.memory.bytes : bytes;
        assert_true(testing.memory.bytes <= bytes + slack);
    }
}

test(clients_that_vanish_in_a_message)
{
    assert_harms_nobody(vanish_in_a_message, ROUNDS);
}

test(clients_that_vanish_after_a_message)
{
    assert_harms_nobody(vanish_after_a_message, ROUNDS);
}

test(clients_that_reset)
{
    assert_harms_nobody(reset, ROUNDS);
}

test(clients_that_reset_before_they_are_accepted)
{
    assert_harms_nobody(reset_before_it_is_accepted, ROUNDS);
}

test(clients_that_say_nothing)
{
    assert_harms_nobody(say_nothing, ROUNDS);
}

test(clients_that_shut_their_side_and_stay)
{
    assert_harms_nobody(shut_and_stay, ROUNDS);
}

test(clients_that_read_nothing)
{
    slack = by_copy ? AT_ONCE * 2 * (size_t)65536 : 0;
    assert_harms_nobody(read_nothing, by_copy ? 6 : 2);
}

test(clients_that_send_urgent_data)
{
    assert_harms_nobody(send_urgent_data, ROUNDS);
}

/* ---- what a client that reads nothing costs */

test(a_client_that_reads_nothing_gets_all_of_it_when_it_reads)
{
    char buffer[4096];
    int fd = read_nothing();
    size_t got = 0;
    ssize_t count = 1;

    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    while (count > 0) {
        testing_turns();
        net_wait_readable(fd);
        count = recv(fd, buffer, sizeof buffer, 0);
        assert_true(count >= 0);
        got += (size_t)count;
    }
    assert_true(got > 100000);
    close(fd);
    testing_turns();
    assert_good_is_served();
}

enum { MESSAGE = 1000 };

static ssize_t send_one_byte_of_a_message(const struct eddy_sys *sys, int fd, const void *buffer,
                                          size_t size)
{
    int error = 0;
    socklen_t error_size = sizeof error;

    (void)sys;
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size), 0);
    if (error != 0) {
        return -error;
    }
    return size == MESSAGE ? send(fd, buffer, 1, MSG_NOSIGNAL) : -EAGAIN;
}

/* More of them than the pool has spare memory for. */
test(what_a_client_has_not_taken_is_freed_with_it)
{
    static const char message[MESSAGE];
    size_t bytes = 0;

    testing.sys.table.send = send_one_byte_of_a_message;
    for (int i = 0; i < 500; i++) {
        int fd = open_client();
        assert_int_equal(send(fd, message, MESSAGE, 0), MESSAGE);
        testing_turns();
        net_wait_readable(fd);
        close(fd);
        for (int turns = 0; server.active > 1 && turns < 1000; turns++) {
            testing_turns();
        }
        assert_int_equal(server.active, 1);
        bytes = i == 0 ? testing.memory.bytes : bytes;
        assert_int_equal(testing.memory.bytes, bytes);
    }
}

/* ---- an fd whose number is used again */

/* The client is reset, and the next one is accepted, in one turn: the kernel gives the fd of the
 * one to the other only after it is closed, so that no event of the first meets the second. */
test(a_client_that_gets_the_fd_of_one_that_was_reset)
{
    for (int round = 0; round < ROUNDS; round++) {
        int first = open_client();
        int second;

        net_send(first, "lost");
        net_reset_on_close(first);
        close(first);
        second = net_connect(eddy_server_port(&server));
        net_send(second, "hello");
        net_expect(second, "hello");
        assert_good_is_served();
        close(second);
        testing_turns();
        assert_int_equal(server.active, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        clients_cases(clients_that_vanish_in_a_message),
        clients_cases(clients_that_vanish_after_a_message),
        clients_cases(clients_that_reset),
        clients_cases(clients_that_reset_before_they_are_accepted),
        clients_cases(clients_that_say_nothing),
        clients_cases(clients_that_shut_their_side_and_stay),
        clients_cases(clients_that_read_nothing),
        clients_cases(clients_that_send_urgent_data),
        clients_cases(a_client_that_reads_nothing_gets_all_of_it_when_it_reads),
        clients_cases(what_a_client_has_not_taken_is_freed_with_it),
        clients_cases(a_client_that_gets_the_fd_of_one_that_was_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
