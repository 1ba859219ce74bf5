/* server.h: what its sockets are, max_clients, reuse_port, and memory that is short. */
#include "support/children.h"
#include "support/net.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/server.h"

static eddy_server server;
static eddy_server second;

/* The pause was told, once. */
static void assert_pause_told(int64_t error)
{
    assert_int_equal(testing.errors.count, 1);
    assert_int_equal(testing.errors.code, error);
    assert_non_null(strstr(testing.errors.text, "accepts no clients for now: "));
    testing.errors.count = 0;
}

static int setup(void **state)
{
    int result = testing_setup(state);

    memset(&server, 0, sizeof server);
    memset(&second, 0, sizeof second);
    return result;
}

#define limits_case(name) cmocka_unit_test_setup_teardown(name, setup, testing_teardown)

/* Says hello and reads until the client has gone. */
eddy_frame(greets) {
    eddy_coro co;
    eddy_stream *stream;
    int64_t rc;
    char buffer[100000]; /* no block of the pool's: every client needs memory */
};

static void greets(eddy_coro *co)
{
    eddy_begin(greets);
    eddy_await(eddy_write(co, self->stream, "hello", 5));
    do {
        eddy_await(self->rc, eddy_read(co, self->stream, self->buffer, sizeof self->buffer));
    } while (self->rc > 0);
    eddy_end;
}

eddy_frame(listens) {
    eddy_coro co;
    eddy_server *server;
    int port;
};

static void listens(eddy_coro *co)
{
    eddy_begin(listens);
    eddy_await(eddy_serve(co, self->server, "127.0.0.1", self->port, greets));
    eddy_end;
}

#define listen_at(its_server, its_port) \
    testing_run_task(listens, .server = its_server, .port = its_port)

eddy_frame(waits) {
    eddy_coro co;
    int64_t until;
};

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    eddy_await(eddy_sleep(co, self->until - testing.clock.now));
    eddy_end;
}

static void wait_until(int64_t time)
{
    assert_int_equal(testing_run_task(waits, .until = time), 0);
    testing_turns();
}

eddy_frame(awaits_the_end) {
    eddy_coro co;
};

static void awaits_the_end(eddy_coro *co)
{
    eddy_begin(awaits_the_end);
    eddy_await(eddy_server_wait_closed(co, &server));
    eddy_end;
}

/* A client who stands in the server's line and is not accepted yet. */
static int waiting_client(void)
{
    int fd = net_connect(eddy_server_port(&server));

    net_wait_readable(server.first.io.fd);
    return fd;
}

static int greeted_client(void)
{
    int fd = waiting_client();

    net_expect(fd, "hello");
    return fd;
}

/* A client goes, and the server has learned of it. */
static void leave(int fd)
{
    uint32_t before = server.active;

    close(fd);
    for (int i = 0; i < 1000 && server.active == before; i++) {
        testing_turn();
    }
}

static void end(void)
{
    eddy_server_close(&server);
    eddy_server_close(&second);
    testing_run();
    assert_int_equal(server.active, 0);
    assert_false(eddy_timer_started(&server.retry)); /* it lies in the server, which may go now */
}

/* ---- its sockets */

eddy_frame(looks) {
    eddy_coro co;
    eddy_stream *stream;
};

/* Logs what the client's socket is. */
static void looks(eddy_coro *co)
{
    int no_delay = 0;
    socklen_t size = sizeof no_delay;
    int fd;

    eddy_begin(looks);
    fd = eddy_stream_fd(self->stream);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
    testing_log("%s %s %s %s", (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 ? "nonblocking" : "blocking",
                (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 ? "close-on-exec" : "inherited",
                no_delay != 0 ? "no-delay" : "delayed", fd > 2 ? "apart" : "standard");
    eddy_end;
}

eddy_frame(serves_looks) {
    eddy_coro co;
};

static void serves_looks(eddy_coro *co)
{
    eddy_begin(serves_looks);
    eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, looks));
    eddy_end;
}

static void look_at_client(int fd)
{
    net_expect_end(fd);
    testing_assert_log("nonblocking close-on-exec no-delay apart");
    close(fd);
}

test(the_sockets_are_nonblocking_close_on_exec_and_without_delay)
{
    assert_int_equal(testing_run_task(serves_looks), 0);
    assert_true((fcntl(server.first.io.fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(server.first.io.fd, F_GETFD) & FD_CLOEXEC) != 0);
    look_at_client(waiting_client());
    end();
}

test(a_client_is_never_one_of_the_standard_fds)
{
    int fd;
    int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 100);

    assert_true(saved >= 0);
    assert_int_equal(testing_run_task(serves_looks), 0);
    fd = waiting_client();
    close(STDIN_FILENO);
    look_at_client(fd);
    assert_true((fcntl(STDIN_FILENO, F_GETFL) & O_PATH) != 0); /* the gap is filled */
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    close(saved);
    end();
}

/* ---- max_clients */

test(the_next_client_waits_until_one_has_gone)
{
    int fds[3];

    server.max_clients = 2;
    assert_int_equal(listen_at(&server, 0), 0);
    fds[0] = greeted_client();
    fds[1] = greeted_client();
    fds[2] = waiting_client();
    testing_turns();
    assert_int_equal(server.accepted, 2);
    assert_int_equal(server.active, 2);
    assert_int_equal(net_drain(fds[2]), 0);
    close(fds[0]);
    net_expect(fds[2], "hello");
    assert_int_equal(server.accepted, 3);
    assert_int_equal(server.active, 2);
    close(fds[1]);
    close(fds[2]);
    end();
}

test(one_at_a_time)
{
    int fds[5];

    server.max_clients = 1;
    assert_int_equal(listen_at(&server, 0), 0);
    for (int i = 0; i < 5; i++) {
        fds[i] = net_connect(eddy_server_port(&server));
    }
    for (unsigned i = 0; i < 5; i++) {
        net_expect(fds[i], "hello"); /* in the order in which they came */
        testing_turns();
        assert_int_equal(server.active, 1);
        assert_int_equal(server.accepted, i + 1);
        close(fds[i]);
    }
    end();
    assert_int_equal(server.accepted, 5);
}

test(a_full_server_does_not_spin)
{
    int fds[2];

    server.max_clients = 1;
    assert_int_equal(listen_at(&server, 0), 0);
    fds[0] = greeted_client();
    fds[1] = waiting_client();
    testing_turns();
    testing_forget_calls();
    wait_until(10 * EDDY_SECOND);
    assert_int_equal(testing_calls(accept4), 0);
    assert_in_range(testing_waits(), 1, 5);
    close(fds[0]);
    net_expect(fds[1], "hello");
    close(fds[1]);
    end();
}

test(a_full_server_that_closes_refuses_those_who_wait_and_serves_the_others)
{
    int fds[2];
    eddy_task task;

    server.max_clients = 1;
    assert_int_equal(listen_at(&server, 0), 0);
    fds[0] = greeted_client();
    fds[1] = waiting_client();
    testing_turns();
    task = eddy_loop_spawn(testing.loop, awaits_the_end);
    eddy_server_close(&server);
    testing_turns();
    assert_int_equal(server.active, 1);
    close(fds[0]);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
    assert_int_equal(server.accepted, 1);
    close(fds[1]);
}

test(a_limit_that_is_raised_takes_effect_when_the_next_client_goes)
{
    int fds[4];

    server.max_clients = 1;
    assert_int_equal(listen_at(&server, 0), 0);
    fds[0] = greeted_client();
    for (int i = 1; i < 4; i++) {
        fds[i] = waiting_client();
    }
    testing_turns();
    assert_int_equal(server.accepted, 1);
    server.max_clients = 2;
    close(fds[0]);
    net_expect(fds[1], "hello");
    net_expect(fds[2], "hello");
    testing_turns();
    assert_int_equal(server.accepted, 3);
    for (int i = 1; i < 4; i++) {
        close(fds[i]);
    }
    end();
}

test(a_full_server_that_cannot_listen_again_tries_later)
{
    int fds[2];

    server.max_clients = 1;
    assert_int_equal(listen_at(&server, 0), 0);
    fds[0] = greeted_client();
    fds[1] = waiting_client();
    testing_turns();
    testing_fail(epoll_ctl, 2, -ENOMEM); /* the first takes the stream out */
    leave(fds[0]);
    testing_turns();
    assert_int_equal(server.active, 0);
    assert_int_equal(server.accepted, 1);
    assert_pause_told(-ENOMEM);
    wait_until(testing.clock.now + 10 * MS);
    net_expect(fds[1], "hello");
    close(fds[1]);
    end();
}

/* ---- reuse_port */

test(two_servers_share_a_port)
{
    int fds[16];
    uint64_t accepted = 0;

    server.reuse_port = true;
    second.reuse_port = true;
    assert_int_equal(listen_at(&server, 0), 0);
    assert_int_equal(listen_at(&second, eddy_server_port(&server)), 0);
    assert_int_equal(eddy_server_port(&second), eddy_server_port(&server));
    for (int i = 0; i < 16; i++) {
        fds[i] = net_connect(eddy_server_port(&server));
        net_expect(fds[i], "hello");
    }
    accepted = server.accepted + second.accepted;
    assert_int_equal(accepted, 16);
    for (int i = 0; i < 16; i++) {
        close(fds[i]);
    }
    end();
}

test(both_have_to_ask_for_it)
{
    assert_int_equal(listen_at(&server, 0), 0);
    second.reuse_port = true;
    assert_int_equal(listen_at(&second, eddy_server_port(&server)), -EADDRINUSE);
    end();
    server.reuse_port = true;
    second.reuse_port = false;
    assert_int_equal(listen_at(&server, 0), 0);
    assert_int_equal(listen_at(&second, eddy_server_port(&server)), -EADDRINUSE);
    end();
}

test(a_system_that_does_not_know_reuse_port)
{
    server.reuse_port = true;
    testing_fail(setsockopt, 2, -ENOPROTOOPT);
    assert_int_equal(listen_at(&server, 0), -ENOPROTOOPT);
    assert_int_equal(eddy_server_port(&server), -EBADF);
    assert_int_equal(listen_at(&server, 0), 0);
    end();
}

/* ---- options that change while the server is open */

test(an_idle_time_out_that_is_set_later_changes_nothing)
{
    int fds[2];

    assert_int_equal(listen_at(&server, 0), 0);
    fds[0] = greeted_client();
    server.idle_timeout = 50 * MS;
    fds[1] = greeted_client();
    wait_until(EDDY_SECOND);
    assert_int_equal(server.active, 2);
    leave(fds[0]);
    leave(fds[1]);
    end();
}

test(an_idle_time_out_that_is_cleared_later_holds_on)
{
    int fds[3];

    server.idle_timeout = 50 * MS;
    assert_int_equal(listen_at(&server, 0), 0);
    fds[0] = greeted_client();
    fds[1] = greeted_client();
    server.idle_timeout = 0;
    fds[2] = greeted_client();
    leave(fds[0]);
    wait_until(49 * MS);
    assert_int_equal(server.active, 2);
    wait_until(50 * MS);
    assert_int_equal(server.active, 0);
    close(fds[1]);
    close(fds[2]);
    end();
}

test(a_server_that_is_opened_again_takes_the_new_one)
{
    int fd;

    assert_int_equal(listen_at(&server, 0), 0);
    end();
    server.idle_timeout = 50 * MS;
    assert_int_equal(listen_at(&server, 0), 0);
    fd = greeted_client();
    wait_until(50 * MS);
    assert_int_equal(server.active, 0);
    close(fd);
    end();
}

/* ---- memory */

test(a_server_with_all_options_opens_or_says_that_memory_is_out)
{
    unsigned k = 0;
    int64_t result = -ENOMEM;

    while (result == -ENOMEM && k < 50) {
        k++;
        testing_reopen();
        memset(&server, 0, sizeof server);
        server.max_clients = 1;
        server.idle_timeout = EDDY_SECOND;
        server.reuse_port = true;
        testing_fail_allocation(k);
        result = listen_at(&server, 0);
        testing_fail_allocation(0);
        if (result < 0) {
            assert_int_equal(eddy_server_port(&server), -EBADF);
        }
    }
    assert_int_equal(result, 0);
    assert_true(k > 1);
    end();
}

test(a_client_for_whom_there_is_no_memory_is_closed_and_the_next_is_served)
{
    unsigned failures = 0;

    for (unsigned k = 1; k < 50; k++) {
        int first;
        int next;
        testing_reopen();
        memset(&server, 0, sizeof server);
        server.max_clients = 1;
        server.idle_timeout = EDDY_SECOND;
        assert_int_equal(listen_at(&server, 0), 0);
        first = waiting_client();
        testing_fail_allocation(k);
        testing_turns();
        if (testing.memory.fail_at == 0 || testing.memory.calls < testing.memory.fail_at) {
            testing_fail_allocation(0);
            leave(first);
            end();
            break;
        }
        testing_fail_allocation(0);
        failures++;
        assert_pause_told(-ENOMEM);
        wait_until(testing.clock.now + 10 * MS); /* the pause */
        close(first);
        testing_turns();
        next = greeted_client();
        assert_int_equal(server.active, 1);
        leave(next);
        end();
    }
    assert_in_range(failures, 1, 48);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        limits_case(the_sockets_are_nonblocking_close_on_exec_and_without_delay),
        limits_case(a_client_is_never_one_of_the_standard_fds),
        limits_case(the_next_client_waits_until_one_has_gone),
        limits_case(one_at_a_time),
        limits_case(a_full_server_does_not_spin),
        limits_case(a_full_server_that_closes_refuses_those_who_wait_and_serves_the_others),
        limits_case(a_limit_that_is_raised_takes_effect_when_the_next_client_goes),
        limits_case(a_full_server_that_cannot_listen_again_tries_later),
        limits_case(two_servers_share_a_port),
        limits_case(both_have_to_ask_for_it),
        limits_case(a_system_that_does_not_know_reuse_port),
        limits_case(an_idle_time_out_that_is_set_later_changes_nothing),
        limits_case(an_idle_time_out_that_is_cleared_later_holds_on),
        limits_case(a_server_that_is_opened_again_takes_the_new_one),
        limits_case(a_server_with_all_options_opens_or_says_that_memory_is_out),
        limits_case(a_client_for_whom_there_is_no_memory_is_closed_and_the_next_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
