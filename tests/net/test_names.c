/* stream.h and server.h: names in place of addresses. */
#include "support/net.h"
#include "support/threads.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/server.h"
#include "eddy/stream.h"

static struct gate gate;
static eddy_stream stream;
static eddy_server server;
static int listener;
static int port;

static int setup(void **state)
{
    int result = testing_setup(state);

    gate_init(&gate);
    memset(&stream, 0, sizeof stream);
    memset(&server, 0, sizeof server);
    listener = net_listener(&port);
    return result;
}

static int teardown(void **state)
{
    eddy_stream_close(&stream);
    close(listener);
    return testing_teardown(state);
}

#define names_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* The host's text is on its C stack: it is copied. */
eddy_frame(connects) {
    eddy_coro co;
    const char *host;
    int port;
    int limit;
    int64_t rc;
};

static void connects(eddy_coro *co)
{
    char host[300];

    eddy_begin(connects);
    snprintf(host, sizeof host, "%s", self->host);
    eddy_catch(self->rc,
               eddy_wait_for(co, self->limit > 0 ? self->limit * EDDY_SECOND : EDDY_FOREVER,
                             eddy_connect(co, &stream, host, self->port)));
    eddy_return(self->rc);
    eddy_end;
}

static void answer(const char *first, const char *second, const char *third)
{
    resolver_install();
    resolver.answers[0] = first;
    resolver.answers[1] = second;
    resolver.answers[2] = third;
}

static void assert_connected(void)
{
    int client;

    assert_true(eddy_stream_is_open(&stream));
    net_wait_readable(listener);
    client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_int_equal(eddy_try_write(&stream, "hello", 5), 5);
    net_expect(client, "hello");
    close(client);
}

/* ---- connect */

test(localhost_is_connected_to)
{
    if (!resolver_knows_localhost()) {
        skip();
    }
    assert_int_equal(run(connects, "localhost", port), 0);
    assert_connected();
}

test(a_numeric_address_starts_no_thread)
{
    assert_int_equal(run(connects, "127.0.0.1", port), 0);
    assert_connected();
    assert_int_equal(testing_calls(thread_create), 0);
    assert_int_equal(testing_calls(getaddrinfo), 0);
}

test(each_address_is_tried_until_one_answers)
{
    answer("127.0.0.2", "127.0.0.3", "127.0.0.1");
    assert_int_equal(run(connects, "example", port), 0);
    assert_connected();
    assert_int_equal(testing_calls(connect), 3);
}

test(no_address_is_tried_behind_the_one_that_answers)
{
    answer("127.0.0.1", "127.0.0.2", NULL);
    assert_int_equal(run(connects, "example", port), 0);
    assert_connected();
    assert_int_equal(testing_calls(connect), 1);
}

test(if_none_answers_it_is_the_most_telling_error)
{
    answer("127.0.0.2", "127.0.0.3", NULL);
    testing_fail(connect, 1, -ENETUNREACH);
    assert_int_equal(run(connects, "example", port), -ECONNREFUSED);
    assert_false(eddy_stream_is_open(&stream));
    assert_int_equal(testing_calls(connect), 2);
}

test(a_host_that_does_not_exist_is_enoent)
{
    answer(NULL, NULL, NULL);
    resolver.code = EAI_NONAME;
    assert_int_equal(run(connects, "example", port), -ENOENT);
    assert_false(eddy_stream_is_open(&stream));
    assert_int_equal(testing_calls(socket), 0);
}

static int connect_takes_long(const struct eddy_sys *sys, int fd, const struct sockaddr *address,
                              socklen_t size)
{
    (void)sys;
    (void)fd;
    (void)address;
    (void)size;
    return -EINPROGRESS;
}

static int full_socket(const struct eddy_sys *sys, int domain, int type, int protocol)
{
    static const char block[4096];
    int fds[2];

    (void)sys;
    (void)domain;
    (void)type;
    (void)protocol;
    testing_socketpair(fds);
    while (send(fds[0], block, sizeof block, MSG_DONTWAIT) > 0) {}
    listener = dup3(fds[1], listener, O_CLOEXEC);
    close(fds[1]);
    return fds[0];
}

/* The first address does not answer. */
static eddy_task start_slowly(int limit)
{
    eddy_task task;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    answer("127.0.0.2", "127.0.0.1", NULL);
    testing.sys.table.connect = connect_takes_long;
    testing.sys.table.socket = full_socket;
    task = start(connects, "example", port, limit);
    while (!eddy_stream_is_open(&stream)) {
        assert_true(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0) >= 0);
    }
    return task;
}

test(a_time_out_is_over_all_addresses)
{
    eddy_task task = start_slowly(2);

    assert_int_equal(eddy_clock_advance(&testing.clock, 2 * EDDY_SECOND), 2 * EDDY_SECOND);
    assert_int_equal(finish(task), -ETIMEDOUT);
    assert_false(eddy_stream_is_open(&stream));
}

test(a_cancel_tries_no_further_address)
{
    eddy_task task = start_slowly(0);

    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    assert_false(eddy_stream_is_open(&stream));
}

test(closing_the_stream_tries_no_further_address)
{
    eddy_task task = start_slowly(0);

    eddy_stream_close(&stream);
    assert_int_equal(finish(task), -EBADF);
    assert_false(eddy_stream_is_open(&stream));
}

test(a_stream_that_was_opened_meanwhile_is_left_alone)
{
    int fds[2];
    eddy_task task;

    answer("127.0.0.1", NULL, NULL);
    resolver.gate = &gate;
    task = start(connects, "example", port);
    testing_turn();
    gate_await(&gate);
    testing_socketpair(fds);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    gate_open(&gate);
    assert_int_equal(finish(task), -EINVAL);
    assert_int_equal(eddy_stream_fd(&stream), fds[0]);
    close(fds[1]);
}

/* ---- serve */

eddy_frame(greets) {
    eddy_coro co;
    eddy_stream *stream;
    const char *text;
};

static void greets(eddy_coro *co)
{
    eddy_begin(greets);
    eddy_await(eddy_write(co, self->stream, self->text, strlen(self->text)));
    eddy_end;
}

eddy_frame(serves) {
    eddy_coro co;
    const char *host;
    int port;
    int64_t rc;
};

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    eddy_catch(self->rc, eddy_serve(co, &server, self->host, self->port, greets, .text = "hello"));
    testing_log("serve=%d", (int)self->rc);
    if (self->rc == 0) {
        eddy_await(eddy_server_wait_closed(co, &server));
    }
    eddy_return(self->rc);
    eddy_end;
}

static void assert_served_and_closed(eddy_task task)
{
    int client;

    while (testing.log[0] == '\0') {
        assert_true(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0) >= 0);
    }
    testing_assert_log("serve=0");
    client = net_connect(eddy_server_port(&server));
    net_expect(client, "hello");
    close(client);
    eddy_server_close(&server);
    assert_int_equal(finish(task), 0);
}

test(localhost_is_served)
{
    answer("127.0.0.1", NULL, NULL); /* which might be ::1 */
    assert_served_and_closed(start(serves, "localhost", 0));
}

test(all_addresses_of_a_name_are_served_but_those_that_the_host_does_not_have)
{
    struct eddy_address where[4];
    eddy_task task;

    answer("127.0.0.2", "192.0.2.1", "127.0.0.1");
    task = start(serves, "example", 0);
    while (testing.log[0] == '\0') {
        assert_true(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0) >= 0);
    }
    assert_int_equal(testing.errors.count, 1);
    assert_int_equal(testing.errors.code, -EADDRNOTAVAIL);
    assert_non_null(strstr(testing.errors.text, "server: 192.0.2.1:0 ("));
    assert_non_null(strstr(testing.errors.text, ") is left out: "));
    testing.errors.count = 0;
    assert_int_equal(eddy_server_addresses(&server, where, 4), 2);
    assert_int_equal(eddy_address_port(&where[1]), eddy_server_port(&server));
    assert_served_and_closed(task); /* 127.0.0.1 */
}

test(an_address_that_a_name_has_twice_is_served_once)
{
    answer("127.0.0.1", "127.0.0.1", NULL);
    assert_served_and_closed(start(serves, "example", 0));
    assert_int_equal(testing_calls(bind), 1);
}

test(if_one_of_a_names_addresses_is_in_use_none_is_served)
{
    answer("127.0.0.2", "127.0.0.1", NULL);
    assert_int_equal(run(serves, "example", port), -EADDRINUSE);
    testing_assert_log("serve=-98");
    assert_int_equal(eddy_server_port(&server), -EBADF);
}

test(if_the_host_has_none_of_them_it_is_the_error_of_the_first)
{
    answer("192.0.2.1", "198.51.100.1", NULL);
    assert_int_equal(run(serves, "example", 0), -EADDRNOTAVAIL);
    testing_assert_log("serve=-99");
}

test(a_server_whose_name_does_not_exist_can_be_opened_by_another)
{
    answer("127.0.0.1", NULL, NULL);
    resolver.code = EAI_NONAME;
    assert_int_equal(run(serves, "example", 0), -ENOENT);
    testing_assert_log("serve=-2");
    resolver.code = 0;
    assert_served_and_closed(start(serves, "example", 0));
}

test(a_server_that_is_being_opened_is_not_opened_again)
{
    eddy_task task;

    answer("127.0.0.1", NULL, NULL);
    resolver.gate = &gate;
    task = start(serves, "example", 0);
    testing_turn();
    gate_await(&gate);
    assert_int_equal(run(serves, "127.0.0.1", 0), -EINVAL);
    testing_assert_log("serve=-22");
    gate_open(&gate);
    assert_served_and_closed(task);
}

test(a_cancel_while_the_name_is_resolved_leaves_nothing_behind)
{
    eddy_task task;

    answer("127.0.0.1", NULL, NULL);
    resolver.gate = &gate;
    task = start(serves, "example", 0);
    testing_turn();
    gate_await(&gate);
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("serve=-125");
    assert_int_equal(eddy_server_port(&server), -EBADF);
    gate_open(&gate);
    testing_free();
}

/* ---- memory that fails */

static bool serves_in_spite_of(unsigned k, bool on)
{
    unsigned before;
    eddy_task task;
    int64_t result;

    testing_reopen();
    before = testing.memory.calls;
    (on ? testing_fail_allocations_from : testing_fail_allocation)(k);
    task = start(serves, "example", 0);
    while (testing.log[0] == '\0' && !eddy_task_done(task)) {
        assert_true(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0) >= 0);
    }
    testing_fail_allocation(0);
    eddy_server_close(&server);
    result = finish(task);
    assert_true(result == 0 || result == -ENOMEM);
    testing.log[0] = '\0';
    return testing.memory.calls - before >= k;
}

static bool connects_in_spite_of(unsigned k, bool on)
{
    unsigned before;
    int64_t result;

    testing_reopen();
    before = testing.memory.calls;
    (on ? testing_fail_allocations_from : testing_fail_allocation)(k);
    result = run(connects, "example", port);
    testing_fail_allocation(0);
    assert_true(result == 0 || result == -ENOMEM);
    assert_int_equal(eddy_stream_is_open(&stream), result == 0);
    eddy_stream_close(&stream);
    return testing.memory.calls - before >= k;
}

static void sweep(bool (*in_spite_of)(unsigned k, bool on))
{
    unsigned k = 1;

    answer("127.0.0.1", NULL, NULL);
    while (in_spite_of(k, false)) {
        (void)in_spite_of(k, true);
        k++;
        assert_true(k < 50);
    }
}

test(memory_that_fails_while_connecting_leaks_nothing)
{
    sweep(connects_in_spite_of);
}

test(memory_that_fails_while_opening_a_server_leaks_nothing)
{
    sweep(serves_in_spite_of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        names_case(localhost_is_connected_to),
        names_case(a_numeric_address_starts_no_thread),
        names_case(each_address_is_tried_until_one_answers),
        names_case(no_address_is_tried_behind_the_one_that_answers),
        names_case(if_none_answers_it_is_the_most_telling_error),
        names_case(a_host_that_does_not_exist_is_enoent),
        names_case(a_time_out_is_over_all_addresses),
        names_case(a_cancel_tries_no_further_address),
        names_case(closing_the_stream_tries_no_further_address),
        names_case(a_stream_that_was_opened_meanwhile_is_left_alone),
        names_case(localhost_is_served),
        names_case(all_addresses_of_a_name_are_served_but_those_that_the_host_does_not_have),
        names_case(an_address_that_a_name_has_twice_is_served_once),
        names_case(if_one_of_a_names_addresses_is_in_use_none_is_served),
        names_case(if_the_host_has_none_of_them_it_is_the_error_of_the_first),
        names_case(a_server_whose_name_does_not_exist_can_be_opened_by_another),
        names_case(a_server_that_is_being_opened_is_not_opened_again),
        names_case(a_cancel_while_the_name_is_resolved_leaves_nothing_behind),
        names_case(memory_that_fails_while_connecting_leaks_nothing),
        names_case(memory_that_fails_while_opening_a_server_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
