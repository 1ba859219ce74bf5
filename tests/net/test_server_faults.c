/* server.h: system calls and memory that fail. */
#include "support/children.h"
#include "support/echo.h"
#include "support/net.h"

#include <string.h>
#include <unistd.h>

#include "eddy/deadline.h"
#include "eddy/server.h"
#include "eddy/stream.h"

static eddy_server server;
static struct eddy_sys real; /* the kit's own functions, under those that a test puts in */

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

    real = testing.sys.table;
    memset(&server, 0, sizeof server);
    return result;
}

#define server_case(name) cmocka_unit_test_setup_teardown(name, setup, testing_teardown)

/* ---- a conversation: a server, a client, a message and its echo */

eddy_frame(talks) {
    eddy_coro co;
    eddy_stream stream;
    size_t count;
    char buffer[64];
};

static void talks(eddy_coro *co)
{
    eddy_begin(talks);
    eddy_await(eddy_connect(co, &self->stream, "127.0.0.1", eddy_server_port(&server)));
    eddy_await(eddy_write(co, &self->stream, "hello", 5));
    eddy_await(self->count, eddy_read(co, &self->stream, self->buffer, sizeof self->buffer));
    eddy_return(self->count == 5 && memcmp(self->buffer, "hello", 5) == 0 ? 0 : -EPROTO);
eddy_finally:
    eddy_stream_close(&self->stream);
    eddy_end;
}

eddy_frame(converses) {
    eddy_coro co;
    int64_t rc;
};

static void converses(eddy_coro *co)
{
    eddy_begin(converses);
    eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, echo));
    eddy_await(eddy_call(co, talks));
eddy_finally:
    eddy_server_close(&server);
    eddy_catch(self->rc, eddy_server_wait_closed(co, &server));
    eddy_end;
}

eddy_frame(serves) {
    eddy_coro co;
};

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, echo));
    eddy_end;
}

eddy_frame(sleeps) {
    eddy_coro co;
    int64_t duration;
};

static void sleeps(eddy_coro *co)
{
    eddy_begin(sleeps);
    eddy_await(eddy_sleep(co, self->duration));
    eddy_end;
}

static void let_pass(int64_t duration)
{
    assert_int_equal(testing_run_task(sleeps, .duration = duration), 0);
}

/* A client who stands in the server's line and is not accepted yet. */
static int waiting_client(void)
{
    int fd = net_connect(eddy_server_port(&server));

    net_wait_readable(server.first.io.fd);
    return fd;
}

/* ---- opening */

static void assert_serve_fails(int error)
{
    assert_int_equal(testing_run_task(serves), error);
    assert_int_equal(eddy_server_port(&server), -EBADF);
}

test(every_system_call_of_opening_that_fails_is_the_result_and_leaks_no_fd)
{
    testing_fail(socket, 1, -EMFILE);
    assert_serve_fails(-EMFILE);
    testing_fail(setsockopt, 1, -ENOPROTOOPT);
    assert_serve_fails(-ENOPROTOOPT);
    testing_fail(bind, 1, -EACCES);
    assert_serve_fails(-EACCES);
    testing_fail(listen, 1, -EADDRINUSE);
    assert_serve_fails(-EADDRINUSE);
    testing_fail(getsockname, 1, -ENOBUFS);
    assert_serve_fails(-ENOBUFS);
    testing_fail(epoll_ctl, 1, -ENOSPC);
    assert_serve_fails(-ENOSPC);
    assert_int_equal(testing_run_task(serves), 0);
    eddy_server_close(&server);
}

/* ---- accepting */

test(an_error_of_one_connection_does_not_stop_the_server)
{
    const int errors[] = {-ECONNABORTED, -EPROTO, -EPERM, -ENETDOWN, -EHOSTUNREACH, -EINTR};
    int fd;

    assert_int_equal(testing_run_task(serves), 0);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        fd = waiting_client();
        testing_fail(accept4, 1, errors[i]);
        testing_turns();
        assert_int_equal(server.accepted, i + 1); /* in the same turn */
        close(fd);
    }
    eddy_server_close(&server);
    testing_turns();
}

static int accept4_and_log(const struct eddy_sys *sys, int fd, struct sockaddr *address,
                           socklen_t *size, int flags)
{
    testing_log("%lld", (long long)(testing.clock.now / MS));
    return real.accept4(sys, fd, address, size, flags);
}

/* Runs a server without fds for a client for five seconds. */
static int serve_without_fds(int error)
{
    int fd;

    testing.sys.table.accept4 = accept4_and_log;
    assert_int_equal(testing_run_task(serves), 0);
    testing_fail_from(accept4, 1, error);
    fd = waiting_client();
    let_pass(5 * EDDY_SECOND);
    testing_assert_log("0 10 30 70 150 310 630 1270 2270 3270 4270");
    assert_int_equal(server.accepted, 0);
    assert_pause_told(error);
    return fd;
}

test(a_server_without_fds_neither_spins_nor_dies_and_tries_again_ever_more_seldom)
{
    close(serve_without_fds(-EMFILE));
    eddy_server_close(&server);
}

test(a_machine_without_fds_or_memory_is_treated_alike)
{
    const int errors[] = {-ENFILE, -ENOBUFS, -ENOMEM};

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        close(serve_without_fds(errors[i]));
        eddy_server_close(&server);
        testing_reopen();
        testing.clock.now = 0;
    }
}

test(a_system_that_refuses_every_connection_is_asked_ever_more_seldom)
{
    int fd;

    assert_int_equal(testing_run_task(serves), 0);
    testing_fail_from(accept4, 1, -EPERM);
    fd = waiting_client();
    let_pass(EDDY_SECOND);
    assert_pause_told(-EPERM);
    assert_int_equal(testing_calls(accept4), 64 * 7); /* at 0, 10, 30, 70, 150, 310, 630 ms */
    close(fd);
    eddy_server_close(&server);
}

test(a_client_that_goes_ends_the_pause_for_the_next)
{
    int first;
    int second;

    testing.sys.table.accept4 = accept4_and_log;
    assert_int_equal(testing_run_task(serves), 0);
    first = waiting_client();
    testing_turns();
    testing_fail_from(accept4, 1, -EMFILE);
    second = waiting_client();
    let_pass(2 * EDDY_SECOND);
    assert_pause_told(-EMFILE);
    testing_assert_log("0 0 0 10 30 70 150 310 630 1270");
    testing_fail(accept4, 0, 0);
    close(first);
    net_send(second, "hello");
    net_expect(second, "hello"); /* without any time passing */
    testing_assert_log("2000 2000");
    close(second);
    eddy_server_close(&server);
    testing_turns();
}

test(a_server_that_has_fds_again_accepts_who_waited_and_forgets_the_delay)
{
    int first = serve_without_fds(-EMFILE);
    int second;

    testing_fail(accept4, 0, 0);
    let_pass(EDDY_SECOND);
    testing_assert_log("5270 5270"); /* the second finds nobody */
    assert_int_equal(server.accepted, 1);
    net_send(first, "hello");
    net_expect(first, "hello");
    testing_fail(accept4, 1, -EMFILE);
    second = waiting_client();
    let_pass(EDDY_SECOND);
    testing_assert_log("6000 6010 6010");
    assert_pause_told(-EMFILE);
    assert_int_equal(server.accepted, 2);
    close(first);
    close(second);
    eddy_server_close(&server);
    testing_turns();
}

test(a_server_may_be_closed_while_it_pauses)
{
    int fd = serve_without_fds(-EMFILE);

    eddy_server_close(&server);
    testing_fail(accept4, 0, 0);
    let_pass(5 * EDDY_SECOND);
    testing_assert_log("");
    close(fd);
}

test(a_loop_may_be_freed_while_its_server_pauses)
{
    int fd = serve_without_fds(-EMFILE);

    testing_free();
    net_assert_refused(eddy_address_port(&server.address));
    close(fd);
}

test(a_client_that_cannot_be_registered_is_dropped_and_the_server_goes_on)
{
    int first;
    int second;

    assert_int_equal(testing_run_task(serves), 0);
    first = waiting_client();
    testing_fail(epoll_ctl, 1, -ENOSPC);
    testing_turns();
    assert_int_equal(server.accepted, 0);
    net_expect_end(first);
    assert_pause_told(-ENOMEM);
    second = waiting_client();
    let_pass(EDDY_SECOND);
    assert_int_equal(server.accepted, 1);
    net_send(second, "hello");
    net_expect(second, "hello");
    close(first);
    close(second);
    eddy_server_close(&server);
    testing_turns();
}

test(a_server_that_cannot_listen_again_after_its_pause_tries_once_more)
{
    int fd = serve_without_fds(-EMFILE);

    testing_fail(accept4, 0, 0);
    testing_fail(epoll_ctl, 1, -ENOMEM);
    let_pass(3 * EDDY_SECOND);
    assert_int_equal(server.accepted, 1);
    testing.log[0] = '\0';
    close(fd);
    eddy_server_close(&server);
    testing_turns();
}

/* ---- memory */

static bool is_for_want_of_memory(int64_t result)
{
    /* Whom the server cannot serve sees the connection end. */
    return result == 0 || result == -ENOMEM || result == -EPROTO || result == -ECONNRESET ||
           result == -EPIPE;
}

/* A whole conversation while allocation k, or with `on` also each that follows, fails; false if it
 * needs less than k. */
static bool converses_in_spite_of(unsigned k, bool on)
{
    unsigned before;
    int64_t result;

    testing_reopen();
    memset(&server, 0, sizeof server);
    before = testing.memory.calls;
    (on ? testing_fail_allocations_from : testing_fail_allocation)(k);
    result = testing_run_task(converses);
    testing_fail_allocation(0);
    assert_true(is_for_want_of_memory(result));
    assert_false(eddy_io_started(&server.first.io));
    assert_int_equal(server.active, 0);
    testing.errors.count = 0; /* handlers that failed were told */
    return testing.memory.calls - before >= k;
}

test(memory_that_fails_anywhere_in_a_conversation_leaks_nothing_and_crashes_nothing)
{
    unsigned k = 1;

    while (converses_in_spite_of(k, false)) {
        k++;
    }
    assert_in_range(k, 4, 100);
    while (--k > 0) {
        (void)converses_in_spite_of(k, true);
    }
}

static bool serves_in_spite_of(unsigned k, bool on)
{
    unsigned before;
    int fds[3];

    testing_reopen();
    memset(&server, 0, sizeof server);
    assert_int_equal(testing_run_task(serves), 0);
    before = testing.memory.calls;
    (on ? testing_fail_allocations_from : testing_fail_allocation)(k);
    for (int i = 0; i < 3; i++) {
        fds[i] = waiting_client();
    }
    testing_turns();
    testing_fail_allocation(0);
    let_pass(2 * EDDY_SECOND); /* whoever was not dropped is served now */
    assert_int_equal(server.accepted, server.active);
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
    eddy_server_close(&server);
    testing_turns();
    assert_int_equal(server.active, 0);
    testing.errors.count = 0; /* its pauses were told */
    return testing.memory.calls - before >= k;
}

test(memory_that_fails_while_accepting_drops_clients_and_nothing_else)
{
    unsigned k = 1;

    while (serves_in_spite_of(k, false)) {
        k++;
    }
    while (--k > 0) {
        (void)serves_in_spite_of(k, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        server_case(every_system_call_of_opening_that_fails_is_the_result_and_leaks_no_fd),
        server_case(an_error_of_one_connection_does_not_stop_the_server),
        server_case(a_server_without_fds_neither_spins_nor_dies_and_tries_again_ever_more_seldom),
        server_case(a_machine_without_fds_or_memory_is_treated_alike),
        server_case(a_system_that_refuses_every_connection_is_asked_ever_more_seldom),
        server_case(a_client_that_goes_ends_the_pause_for_the_next),
        server_case(a_server_that_has_fds_again_accepts_who_waited_and_forgets_the_delay),
        server_case(a_server_may_be_closed_while_it_pauses),
        server_case(a_loop_may_be_freed_while_its_server_pauses),
        server_case(a_client_that_cannot_be_registered_is_dropped_and_the_server_goes_on),
        server_case(a_server_that_cannot_listen_again_after_its_pause_tries_once_more),
        server_case(memory_that_fails_anywhere_in_a_conversation_leaks_nothing_and_crashes_nothing),
        server_case(memory_that_fails_while_accepting_drops_clients_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
