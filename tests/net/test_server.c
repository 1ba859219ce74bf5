/* server.h: a task for every client. See test_server_faults.c for what goes wrong. */
#include "support/children.h"
#include "support/net.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/deadline.h"
#include "eddy/server.h"
#include "eddy/stream.h"

enum { CROWD = 100 };

static eddy_server server;

static int setup(void **state)
{
    int result = testing_setup(state);

    memset(&server, 0, sizeof server);
    return result;
}

#define server_case(name) cmocka_unit_test_setup_teardown(name, setup, testing_teardown)

/* ---- handlers */

/* Echoes until the client has shut its side; greets first if there is a greeting. */
eddy_frame(echo) {
    eddy_coro co;
    eddy_stream *stream;
    const char *greeting;
    int64_t result;
    size_t count;
    char buffer[64];
};

static void echo(eddy_coro *co)
{
    eddy_begin(echo);
    if (self->greeting != NULL) {
        eddy_await(eddy_write(co, self->stream, self->greeting, strlen(self->greeting)));
    }
    do {
        eddy_await(self->count, eddy_read(co, self->stream, self->buffer, sizeof self->buffer));
        eddy_await(eddy_write(co, self->stream, self->buffer, self->count));
    } while (self->count > 0);
    eddy_return(self->result);
eddy_finally:
    testing_log("bye");
    eddy_end;
}

/* Reads nothing and takes its time; its cleanup takes some too. */
eddy_frame(lingers) {
    eddy_coro co;
    eddy_stream *stream;
    int64_t sleep;
    int64_t cleanup;
    int64_t result;
};

static void lingers(eddy_coro *co)
{
    eddy_begin(lingers);
    eddy_await(eddy_sleep(co, self->sleep));
    testing_log_at("served", "");
    eddy_return(self->result);
eddy_finally:
    if (self->cleanup > 0) {
        eddy_await(eddy_sleep(co, self->cleanup));
        testing_log_at("cleaned", "");
    }
    eddy_end;
}

/* ---- serving */

eddy_frame(serves_echo) {
    eddy_coro co;
    const char *host;
    int port;
    const char *greeting;
    int64_t result;
};

static void serves_echo(eddy_coro *co)
{
    eddy_begin(serves_echo);
    eddy_await(eddy_serve(co, &server, self->host, self->port, echo, .greeting = self->greeting,
                          .result = self->result));
    eddy_end;
}

eddy_frame(serves_lingering) {
    eddy_coro co;
    int64_t sleep;
    int64_t cleanup;
    int64_t result;
};

static void serves_lingering(eddy_coro *co)
{
    eddy_begin(serves_lingering);
    eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, lingers, .sleep = self->sleep,
                          .cleanup = self->cleanup, .result = self->result));
    eddy_end;
}

eddy_frame(waits_until_closed) {
    eddy_coro co;
    int64_t limit;
    int64_t rc;
};

static void waits_until_closed(eddy_coro *co)
{
    eddy_begin(waits_until_closed);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                       eddy_server_wait_closed(co, &server)));
    testing_log_at("closed", "");
    eddy_return(self->rc);
    eddy_end;
}

#define serve_echo(...) testing_run_task(serves_echo, .host = "127.0.0.1", __VA_ARGS__)

/* A server that listens on a port of the system's choice. */
static void listen_with_echo(void)
{
    assert_int_equal(serve_echo(.port = 0), 0);
}

static void listen_with_lingering(int64_t sleep, int64_t cleanup, int64_t result)
{
    assert_int_equal(
        testing_run_task(serves_lingering, .sleep = sleep, .cleanup = cleanup, .result = result),
        0);
}

/* A client whom the server has accepted. */
static int accepted_client(void)
{
    int fd = net_connect(eddy_server_port(&server));
    uint64_t before = server.accepted;

    net_wait_readable(server.first.io.fd);
    testing_turns();
    assert_int_equal(server.accepted, before + 1);
    return fd;
}

static int64_t close_and_wait(int64_t limit)
{
    eddy_server_close(&server);
    return testing_run_task(waits_until_closed, .limit = limit);
}

/* ---- listening */

test(a_server_is_bound_when_it_returns_and_the_system_has_picked_the_port)
{
    listen_with_echo();
    assert_in_range(eddy_server_port(&server), 1, 65535);
    close(net_connect(eddy_server_port(&server)));
    assert_int_equal(close_and_wait(0), 0);
    testing.log[0] = '\0';
}

test(a_server_listens_on_the_port_it_is_told)
{
    int port = net_unused_port();

    assert_int_equal(serve_echo(.port = port), 0);
    assert_int_equal(eddy_server_port(&server), port);
    assert_int_equal(close_and_wait(0), 0);
    testing_assert_log("closed@0");
}

test(a_port_that_was_just_left_can_be_bound_again)
{
    int port;
    int fd;

    listen_with_echo();
    port = eddy_server_port(&server);
    fd = accepted_client();
    eddy_server_close(&server);
    shutdown(fd, SHUT_WR);
    assert_int_equal(testing_run_task(waits_until_closed), 0); /* the server's side closes first */
    close(fd);
    assert_int_equal(serve_echo(.port = port), 0);
    assert_int_equal(close_and_wait(0), 0);
    testing.log[0] = '\0';
}

test(a_port_that_is_in_use_is_refused)
{
    int port;
    int fd = net_listener(&port);

    assert_int_equal(serve_echo(.port = port), -EADDRINUSE);
    assert_int_equal(eddy_server_port(&server), -EBADF);
    close(fd);
}

test(what_is_no_address_no_name_or_no_port_is_invalid)
{
    assert_int_equal(testing_run_task(serves_echo, .host = "local host"), -EINVAL);
    assert_int_equal(serve_echo(.port = -1), -EINVAL);
    assert_int_equal(serve_echo(.port = 65536), -EINVAL);
    assert_int_equal(testing_calls(socket), 0);
}

test(a_server_that_is_open_is_not_opened_again)
{
    int port;

    listen_with_echo();
    port = eddy_server_port(&server);
    assert_int_equal(serve_echo(.port = 0), -EINVAL);
    assert_int_equal(eddy_server_port(&server), port);
    assert_int_equal(close_and_wait(0), 0);
    testing_assert_log("closed@0");
}

test(ipv6_is_served)
{
    if (!net_has_ipv6()) {
        skip();
    }
    assert_int_equal(testing_run_task(serves_echo, .host = "::1"), 0);
    assert_in_range(eddy_server_port(&server), 1, 65535);
    assert_int_equal(close_and_wait(0), 0);
    testing.log[0] = '\0';
}

static int backlog_of_listen;

static int note_backlog(const struct eddy_sys *sys, int fd, int backlog)
{
    backlog_of_listen = backlog;
    return eddy_sys_default()->listen(sys, fd, backlog);
}

test(the_backlog_is_somaxconn_or_what_was_set)
{
    testing.sys.table.listen = note_backlog;
    listen_with_echo();
    assert_int_equal(backlog_of_listen, SOMAXCONN);
    assert_int_equal(close_and_wait(0), 0);
    server.backlog = 7;
    listen_with_echo();
    assert_int_equal(backlog_of_listen, 7);
    assert_int_equal(close_and_wait(0), 0);
    testing.log[0] = '\0';
}

/* ---- clients */

test(every_client_has_a_task_of_its_own)
{
    int first;
    int second;

    assert_int_equal(serve_echo(.greeting = "hi "), 0);
    first = accepted_client();
    second = accepted_client();
    assert_int_equal(server.active, 2);
    net_send(second, "two"); /* although the first is silent */
    testing_turns();
    net_expect(second, "hi two");
    net_send(first, "one");
    testing_turns();
    net_expect(first, "hi one");
    close(first);
    close(second);
    assert_int_equal(close_and_wait(0), 0);
    testing_assert_log("bye bye closed@0");
    assert_int_equal(server.accepted, 2);
    assert_int_equal(server.active, 0);
}

test(the_stream_is_closed_when_the_handler_has_ended)
{
    int fd;

    listen_with_echo();
    fd = accepted_client();
    net_send(fd, "all");
    shutdown(fd, SHUT_WR);
    net_expect(fd, "all");
    net_expect_end(fd);
    assert_int_equal(server.active, 0);
    close(fd);
    assert_int_equal(close_and_wait(0), 0);
    testing_assert_log("bye closed@0");
}

test(at_most_64_clients_are_accepted_in_a_turn)
{
    int fds[CROWD];

    listen_with_lingering(EDDY_SECOND, 0, 0);
    for (int i = 0; i < CROWD; i++) {
        fds[i] = net_connect(eddy_server_port(&server));
    }
    testing_turn();
    assert_int_equal(server.accepted, 64);
    testing_turn();
    assert_int_equal(server.accepted, CROWD);
    for (int i = 0; i < CROWD; i++) {
        close(fds[i]);
    }
    assert_int_equal(close_and_wait(1), -ETIMEDOUT);
    testing.log[0] = '\0';
}

/* ---- errors of handlers */

static void serve_one_that_returns(int64_t result)
{
    int fd;

    listen_with_lingering(0, 0, result);
    fd = net_connect(eddy_server_port(&server));
    net_wait_readable(server.first.io.fd);
    testing_turns();
    close(fd);
    assert_int_equal(close_and_wait(0), 0);
    testing.log[0] = '\0';
}

test(an_error_of_a_handler_goes_to_the_error_hook_with_where_it_began)
{
    serve_one_that_returns(-EIO);
    assert_int_equal(testing.errors.count, 1);
    assert_int_equal(testing.errors.code, -EIO);
    assert_non_null(strstr(testing.errors.text, "test_server.c:"));
    assert_non_null(strstr(testing.errors.text, ": lingers: "));
    assert_non_null(strstr(testing.errors.text, "served a client"));
    testing.errors.count = 0;
}

test(what_clients_do_and_cancels_are_no_errors_of_a_handler)
{
    serve_one_that_returns(-ECONNRESET);
    serve_one_that_returns(-EPIPE);
    serve_one_that_returns(-ENOTCONN);
    serve_one_that_returns(-ETIMEDOUT);
    serve_one_that_returns(-ECANCELED);
    serve_one_that_returns(5);
}

test(a_client_that_resets_the_connection_ends_its_handler_only)
{
    int rude;
    int polite;

    listen_with_echo();
    rude = accepted_client();
    polite = accepted_client();
    net_reset_on_close(rude);
    close(rude);
    testing_turns();
    testing_assert_log("bye");
    net_send(polite, "hello");
    testing_turns();
    net_expect(polite, "hello");
    close(polite);
    assert_int_equal(close_and_wait(0), 0);
    testing_assert_log("bye closed@0");
}

/* ---- closing */

test(closing_refuses_new_clients_and_lets_the_old_ones_finish)
{
    int fd;

    listen_with_echo();
    fd = accepted_client();
    eddy_server_close(&server);
    net_assert_refused(eddy_server_port(&server));
    testing_turns();
    testing_assert_log("");
    net_send(fd, "still here");
    testing_turns();
    net_expect(fd, "still here");
    close(fd);
    assert_int_equal(testing_run_task(waits_until_closed), 0);
    testing_assert_log("bye closed@0");
}

test(who_waits_until_closed_waits_for_the_last_handler)
{
    int fd;
    eddy_task task;

    listen_with_lingering(300 * MS, 50 * MS, 0);
    fd = accepted_client();
    task = eddy_loop_spawn(testing.loop, waits_until_closed);
    testing_turns();
    eddy_server_close(&server);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
    testing_assert_log("served@300 cleaned@350 closed@350");
    close(fd);
}

test(several_tasks_may_wait_until_closed)
{
    eddy_task first;
    eddy_task second;

    listen_with_echo();
    first = eddy_loop_spawn(testing.loop, waits_until_closed);
    second = eddy_loop_spawn(testing.loop, waits_until_closed);
    testing_turns();
    testing_assert_log("");
    eddy_server_close(&server);
    assert_int_equal(eddy_loop_run_until(testing.loop, first), 0);
    assert_int_equal(eddy_loop_run_until(testing.loop, second), 0);
    testing_assert_log("closed@0 closed@0");
}

test(a_time_out_cancels_the_handlers_and_waits_for_their_cleanups)
{
    int fd;

    listen_with_lingering(300 * MS, 50 * MS, 0);
    fd = accepted_client();
    assert_int_equal(close_and_wait(100 * MS), -ETIMEDOUT);
    testing_assert_log("cleaned@150 closed@150");
    net_expect_end(fd);
    close(fd);
}

test(a_time_out_that_is_long_enough_changes_nothing)
{
    int fd;

    listen_with_lingering(300 * MS, 0, 0);
    fd = accepted_client();
    assert_int_equal(close_and_wait(EDDY_SECOND), 0);
    testing_assert_log("served@300 closed@300");
    close(fd);
}

test(a_cancel_of_the_wait_closes_the_server_and_cancels_the_handlers)
{
    int fd;
    eddy_task task;

    listen_with_lingering(300 * MS, 50 * MS, 0);
    fd = accepted_client();
    task = eddy_loop_spawn(testing.loop, waits_until_closed);
    testing_turns();
    assert_int_equal(testing_run_and_cancel(task, 100 * MS), -ECANCELED);
    testing_assert_log("cleaned@150 closed@150");
    net_assert_refused(eddy_server_port(&server));
    close(fd);
}

test(a_cancel_of_the_wait_closes_a_server_without_clients_at_once)
{
    eddy_task cancelled;
    eddy_task other;

    listen_with_echo();
    cancelled = eddy_loop_spawn(testing.loop, waits_until_closed);
    other = eddy_loop_spawn(testing.loop, waits_until_closed);
    testing_turns();
    assert_int_equal(eddy_cancel(cancelled), 0);
    assert_int_equal(eddy_loop_run_until(testing.loop, cancelled), -ECANCELED);
    assert_int_equal(eddy_loop_run_until(testing.loop, other), 0);
    testing_assert_log("closed@0 closed@0");
    net_assert_refused(eddy_server_port(&server));
}

test(a_server_that_was_never_opened_is_not_waited_for)
{
    assert_int_equal(eddy_server_port(&server), -EBADF);
    eddy_server_close(&server);
    assert_int_equal(testing_run_task(waits_until_closed), 0);
    testing.log[0] = '\0';
}

test(a_closed_server_can_be_opened_again)
{
    for (int i = 0; i < 3; i++) {
        int fd;
        listen_with_echo();
        fd = accepted_client();
        close(fd);
        assert_int_equal(close_and_wait(0), 0);
        testing_assert_log("bye closed@0");
    }
}

/* Larger than what the pool keeps: it goes back to the allocator at once. */
eddy_frame(huge) {
    eddy_coro co;
    eddy_stream *stream;
    char room[200000];
};

static void huge(eddy_coro *co)
{
    eddy_begin(huge);
    eddy_end;
}

eddy_frame(serves_huge) {
    eddy_coro co;
};

static void serves_huge(eddy_coro *co)
{
    eddy_begin(serves_huge);
    eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, huge));
    eddy_end;
}

test(a_server_that_has_ended_gives_the_frame_of_its_handler_back)
{
    size_t before;

    assert_int_equal(testing_run_task(serves_huge), 0);
    before = testing.memory.bytes;
    eddy_server_close(&server);
    assert_true(testing.memory.bytes <= before - sizeof(struct huge));
}

/* ---- the end of the loop */

test(freeing_the_loop_closes_a_server_in_static_storage)
{
    int fd;

    listen_with_echo();
    fd = server.first.io.fd;
    testing_free();
    assert_false(net_is_open(fd));
    net_assert_refused(eddy_server_port(&server));
    eddy_server_close(&server);
}

test(freeing_the_loop_cancels_the_handlers_and_runs_their_cleanups)
{
    int fd;

    listen_with_lingering(300 * MS, 50 * MS, 0);
    fd = accepted_client();
    testing_free();
    testing_assert_log("cleaned@50");
    net_expect_end(fd);
    close(fd);
}

test(a_server_that_listens_keeps_the_loop_going)
{
    eddy_task task;

    listen_with_echo();
    task = eddy_loop_spawn(testing.loop, waits_until_closed, .limit = 3600 * EDDY_SECOND);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -ETIMEDOUT); /* and no deadlock */
    testing_assert_log("closed@3600000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        server_case(a_server_is_bound_when_it_returns_and_the_system_has_picked_the_port),
        server_case(a_server_listens_on_the_port_it_is_told),
        server_case(a_port_that_was_just_left_can_be_bound_again),
        server_case(a_port_that_is_in_use_is_refused),
        server_case(what_is_no_address_no_name_or_no_port_is_invalid),
        server_case(a_server_that_is_open_is_not_opened_again),
        server_case(ipv6_is_served),
        server_case(the_backlog_is_somaxconn_or_what_was_set),
        server_case(every_client_has_a_task_of_its_own),
        server_case(the_stream_is_closed_when_the_handler_has_ended),
        server_case(at_most_64_clients_are_accepted_in_a_turn),
        server_case(an_error_of_a_handler_goes_to_the_error_hook_with_where_it_began),
        server_case(what_clients_do_and_cancels_are_no_errors_of_a_handler),
        server_case(a_client_that_resets_the_connection_ends_its_handler_only),
        server_case(closing_refuses_new_clients_and_lets_the_old_ones_finish),
        server_case(who_waits_until_closed_waits_for_the_last_handler),
        server_case(several_tasks_may_wait_until_closed),
        server_case(a_time_out_cancels_the_handlers_and_waits_for_their_cleanups),
        server_case(a_time_out_that_is_long_enough_changes_nothing),
        server_case(a_cancel_of_the_wait_closes_the_server_and_cancels_the_handlers),
        server_case(a_cancel_of_the_wait_closes_a_server_without_clients_at_once),
        server_case(a_server_that_was_never_opened_is_not_waited_for),
        server_case(a_closed_server_can_be_opened_again),
        server_case(a_server_that_has_ended_gives_the_frame_of_its_handler_back),
        server_case(freeing_the_loop_closes_a_server_in_static_storage),
        server_case(freeing_the_loop_cancels_the_handlers_and_runs_their_cleanups),
        server_case(a_server_that_listens_keeps_the_loop_going),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
