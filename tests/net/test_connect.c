/* stream.h: connecting to a server. */
#include "support/children.h"
#include "support/net.h"
#include "support/text.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/address.h"
#include "eddy/deadline.h"
#include "eddy/stream.h"

enum { NOBODYS_PORT = 1 /* the system gives it to nobody who asks for any */ };

static eddy_stream stream;
static int listener;
static int port;

static int setup(void **state)
{
    int result = testing_setup(state);

    memset(&stream, 0, sizeof stream);
    listener = net_listener(&port);
    return result;
}

static int teardown(void **state)
{
    eddy_stream_close(&stream);
    close(listener);
    return testing_teardown(state);
}

#define connect_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

eddy_frame(connects) {
    eddy_coro co;
    const char *host;
    int port;
    int64_t limit;
    int64_t rc;
};

static void connects(eddy_coro *co)
{
    eddy_begin(connects);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                       eddy_connect(co, &stream, self->host, self->port)));
    testing_log_result("connect", self->rc);
    eddy_return(self->rc);
    eddy_end;
}

static int64_t connect_to(const char *host, int number)
{
    int64_t result = testing_run_task(connects, .host = host, .port = number);

    testing.log[0] = '\0';
    return result;
}

static void assert_fails(const char *host, int number, int error)
{
    assert_int_equal(connect_to(host, number), error);
    assert_false(eddy_stream_is_open(&stream));
}

static int accept_client(void)
{
    net_wait_readable(listener);
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

/* ---- success */

test(a_stream_that_is_connected_talks_to_the_server)
{
    int client;
    char buffer[8];

    assert_int_equal(connect_to("127.0.0.1", port), 0);
    assert_true(eddy_stream_is_open(&stream));
    client = accept_client();
    assert_int_equal(eddy_try_write(&stream, "hello", 5), 5);
    net_expect(client, "hello");
    net_send(client, "world");
    net_wait_readable(eddy_stream_fd(&stream));
    testing_turns();
    assert_int_equal(eddy_try_read(&stream, buffer, sizeof buffer), 5);
    close(client);
}

static int option(int level, int name)
{
    int value = 0;
    socklen_t size = sizeof value;

    assert_int_equal(getsockopt(eddy_stream_fd(&stream), level, name, &value, &size), 0);
    return value;
}

test(the_socket_is_nonblocking_close_on_exec_and_without_delay)
{
    assert_int_equal(connect_to("127.0.0.1", port), 0);
    assert_int_not_equal(option(IPPROTO_TCP, TCP_NODELAY), 0);
    assert_true((fcntl(eddy_stream_fd(&stream), F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(eddy_stream_fd(&stream), F_GETFD) & FD_CLOEXEC) != 0);
}

test(the_socket_is_never_one_of_the_standard_fds)
{
    int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 100);

    assert_true(saved >= 0);
    close(STDIN_FILENO);
    assert_int_equal(connect_to("127.0.0.1", port), 0);
    assert_true(eddy_stream_fd(&stream) > 2);
    assert_true((fcntl(STDIN_FILENO, F_GETFL) & O_PATH) != 0); /* the gap is filled */
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    close(saved);
}

test(a_stream_can_be_connected_again_after_its_close)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(connect_to("127.0.0.1", port), 0);
        eddy_stream_close(&stream);
        close(accept_client());
    }
}

test(ipv6_addresses_are_connected_to)
{
    if (!net_has_ipv6()) {
        skip();
    }
    /* Nobody listens there with IPv6, which is what the answer shows. */
    assert_fails("::1", NOBODYS_PORT, -ECONNREFUSED);
}

/* ---- what can be seen wrong at once, and what cannot */

test(a_port_on_which_nobody_listens_refuses)
{
    assert_fails("127.0.0.1", NOBODYS_PORT, -ECONNREFUSED);
}

test(what_is_no_address_no_name_or_no_port_is_invalid)
{
    assert_fails("local host", port, -EINVAL);
    assert_fails("", port, -EINVAL);
    assert_fails("127.0.0.1 ", port, -EINVAL);
    assert_fails("127.0.0", port, -EINVAL);
    assert_fails("[::1]", port, -EINVAL);
    assert_fails("127.0.0.1", 0, -EINVAL);
    assert_fails("127.0.0.1", -1, -EINVAL);
    assert_fails("127.0.0.1", 65536, -EINVAL);
    assert_int_equal(testing_calls(socket), 0);
}

test(a_stream_that_is_open_is_not_connected_again)
{
    int fd;

    assert_int_equal(connect_to("127.0.0.1", port), 0);
    fd = eddy_stream_fd(&stream);
    assert_int_equal(connect_to("127.0.0.1", port), -EINVAL);
    assert_int_equal(eddy_stream_fd(&stream), fd);
}

test(a_task_that_is_cancelled_already_connects_nowhere)
{
    eddy_task task = eddy_loop_spawn(testing.loop, connects, .host = "127.0.0.1", .port = port);

    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -ECANCELED);
    assert_int_equal(testing_calls(socket), 0);
}

/* ---- connections that take long: a socket that cannot be written to yet */

static int far_end;
static int connect_says;
static int pending_error;

static int full_socket(const struct eddy_sys *sys, int domain, int type, int protocol)
{
    int fds[2];
    static const char block[4096];

    (void)sys;
    (void)domain;
    (void)type;
    (void)protocol;
    testing_socketpair(fds);
    while (send(fds[0], block, sizeof block, MSG_DONTWAIT) > 0) {}
    far_end = fds[1];
    return fds[0];
}

static int connect_takes_long(const struct eddy_sys *sys, int fd, const struct sockaddr *address,
                              socklen_t size)
{
    (void)sys;
    (void)fd;
    (void)address;
    (void)size;
    return connect_says;
}

static int how_it_went(const struct eddy_sys *sys, int fd, int level, int name, void *value,
                       socklen_t *size)
{
    (void)sys;
    (void)fd;
    assert_int_equal(level, SOL_SOCKET);
    if (name != SO_ERROR) {
        return -ENOTCONN;
    }
    assert_int_equal(*size, sizeof(int));
    *(int *)value = pending_error;
    return 0;
}

/* Connects with a socket that is full, and a connect(2) that says `error`. */
static eddy_task start_slowly_with(int error, int64_t limit)
{
    eddy_task task;

    pending_error = 0;
    connect_says = error;
    testing.sys.table.socket = full_socket;
    testing.sys.table.connect = connect_takes_long;
    testing.sys.table.getsockopt = how_it_went;
    task =
        eddy_loop_spawn(testing.loop, connects, .host = "127.0.0.1", .port = port, .limit = limit);
    testing_turn();
    testing_turn();
    testing_assert_log("");
    return task;
}

static eddy_task start_slowly(int64_t limit)
{
    return start_slowly_with(-EINPROGRESS, limit);
}

test(a_connection_that_takes_long_is_waited_for)
{
    eddy_task task = start_slowly(0);

    testing_turns();
    testing_assert_log("");
    net_drain(far_end);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
    testing_assert_log("connect=0");
    assert_true(eddy_stream_is_open(&stream));
    assert_int_equal(eddy_try_write(&stream, "hello", 5), 5);
    net_expect(far_end, "hello");
    close(far_end);
}

test(a_connect_that_is_interrupted_goes_on_by_itself)
{
    eddy_task task = start_slowly_with(-EINTR, 0);

    net_drain(far_end);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
    testing_assert_log("connect=0");
    close(far_end);
}

test(a_connection_that_fails_late_closes_the_fd)
{
    eddy_task task = start_slowly(0);
    int fd = eddy_stream_fd(&stream);

    pending_error = EHOSTUNREACH;
    net_drain(far_end);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -EHOSTUNREACH);
    assert_false(net_is_open(fd));
    assert_false(eddy_stream_is_open(&stream));
    close(far_end);
}

test(a_cancel_while_connecting_closes_the_fd)
{
    eddy_task task = start_slowly(0);
    int fd = eddy_stream_fd(&stream);

    assert_true(net_is_open(fd));
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -ECANCELED);
    assert_false(net_is_open(fd));
    assert_false(eddy_stream_is_open(&stream));
    close(far_end);
}

test(a_time_out_while_connecting_closes_the_fd)
{
    eddy_task task = start_slowly(100 * MS);
    int fd = eddy_stream_fd(&stream);

    assert_int_equal(eddy_loop_run_until(testing.loop, task), -ETIMEDOUT);
    assert_int_equal(testing.clock.now, 100 * MS);
    assert_false(net_is_open(fd));
    assert_false(eddy_stream_is_open(&stream));
    close(far_end);
}

enum { MOST_FILLERS = 16 };

/* A server to which the kernel lets nobody connect: its backlog is full. */
struct full {
    struct eddy_address address;
    int listener;
    int fillers[MOST_FILLERS];
    int count;
};

/* Connects until the kernel drops what asks for the connection. */
static void fill_backlog(struct full *full)
{
    struct pollfd wait = {.events = POLLOUT, .revents = POLLOUT};

    while (wait.revents != 0) {
        assert_true(full->count < MOST_FILLERS);
        wait.fd =
            socket(full->address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(wait.fd, (const struct sockaddr *)&full->address.storage, full->address.size);
        full->fillers[full->count++] = wait.fd;
        assert_true(poll(&wait, 1, 100) >= 0);
    }
}

static void full_open(struct full *full, const char *host)
{
    struct sockaddr *raw = (struct sockaddr *)&full->address.storage;

    assert_int_equal(eddy_address_parse(&full->address, host, 0), 0);
    full->count = 0;
    full->listener = socket(raw->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(full->listener, raw, full->address.size), 0);
    assert_int_equal(listen(full->listener, 0), 0);
    assert_int_equal(getsockname(full->listener, raw, &full->address.size), 0);
    fill_backlog(full);
}

static void full_close(struct full *full)
{
    while (full->count > 0) {
        close(full->fillers[--full->count]);
    }
    close(full->listener);
}

/* Connects to one for a second. */
static void connect_in_vain(const char *host, const char *address_format)
{
    struct full full;
    char address[64];
    char expected[128];
    eddy_task task;
    int64_t begin = testing.clock.now;

    full_open(&full, host);
    task = eddy_loop_spawn(testing.loop, connects, .host = host,
                           .port = eddy_address_port(&full.address), .limit = EDDY_SECOND);
    testing_turns();
    snprintf(address, sizeof address, address_format, eddy_address_port(&full.address));
    snprintf(expected, sizeof expected,
             "waits 0 ms for connect: fd %d (%s); time-out: 1.0 s left\n", eddy_stream_fd(&stream),
             address);
    assert_dumped(expected);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -ETIMEDOUT);
    testing_assert_log("connect=-ETIMEDOUT");
    assert_int_equal(testing.clock.now - begin, EDDY_SECOND);
    assert_false(eddy_stream_is_open(&stream));
    full_close(&full);
}

test(a_server_whose_backlog_is_full_is_timed_out_and_until_then_is_told_to_be_waited_for)
{
    connect_in_vain("127.0.0.1", "127.0.0.1:%d");
    if (net_has_ipv6()) {
        connect_in_vain("::1", "[::1]:%d");
    }
}

test(closing_the_stream_while_connecting_wakes_the_task)
{
    eddy_task task = start_slowly(0);

    eddy_stream_close(&stream);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -EBADF);
    close(far_end);
}

/* ---- system calls and memory that fail */

test(every_system_call_that_fails_is_the_result_and_leaks_no_fd)
{
    testing_fail(socket, 1, -EMFILE);
    assert_fails("127.0.0.1", port, -EMFILE);
    testing_fail(connect, 1, -ENETUNREACH);
    assert_fails("127.0.0.1", port, -ENETUNREACH);
    testing_fail(epoll_ctl, 1, -ENOSPC);
    assert_fails("127.0.0.1", port, -ENOSPC);
    testing_fail(getsockopt, 1, -ENOBUFS);
    assert_int_equal(connect_to("127.0.0.1", port), -ENOBUFS);
}

test(a_socket_without_the_no_delay_option_is_good_enough)
{
    testing_fail(setsockopt, 1, -EPERM);
    assert_int_equal(connect_to("127.0.0.1", port), 0);
}

/* Connects while allocation k, or with `on` also each that follows, fails; false if it needs less
 * than k. */
static bool connects_in_spite_of(unsigned k, bool on)
{
    unsigned before;
    int64_t result;

    testing_reopen();
    before = testing.memory.calls;
    (on ? testing_fail_allocations_from : testing_fail_allocation)(k);
    result = connect_to("127.0.0.1", port);
    testing_fail_allocation(0);
    assert_true(result == 0 || result == -ENOMEM);
    assert_int_equal(eddy_stream_is_open(&stream), result == 0);
    if (result == 0) {
        close(accept_client());
        eddy_stream_close(&stream);
    }
    return testing.memory.calls - before >= k;
}

test(memory_that_fails_anywhere_is_enomem_and_leaks_nothing)
{
    unsigned k = 1;

    while (connects_in_spite_of(k, false)) {
        k++;
    }
    assert_in_range(k, 2, 50);
    while (--k > 0) {
        (void)connects_in_spite_of(k, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        connect_case(a_stream_that_is_connected_talks_to_the_server),
        connect_case(the_socket_is_nonblocking_close_on_exec_and_without_delay),
        connect_case(the_socket_is_never_one_of_the_standard_fds),
        connect_case(a_stream_can_be_connected_again_after_its_close),
        connect_case(ipv6_addresses_are_connected_to),
        connect_case(a_port_on_which_nobody_listens_refuses),
        connect_case(what_is_no_address_no_name_or_no_port_is_invalid),
        connect_case(a_stream_that_is_open_is_not_connected_again),
        connect_case(a_task_that_is_cancelled_already_connects_nowhere),
        connect_case(a_connection_that_takes_long_is_waited_for),
        connect_case(a_connect_that_is_interrupted_goes_on_by_itself),
        connect_case(a_connection_that_fails_late_closes_the_fd),
        connect_case(a_cancel_while_connecting_closes_the_fd),
        connect_case(a_time_out_while_connecting_closes_the_fd),
        connect_case(
            a_server_whose_backlog_is_full_is_timed_out_and_until_then_is_told_to_be_waited_for),
        connect_case(closing_the_stream_while_connecting_wakes_the_task),
        connect_case(every_system_call_that_fails_is_the_result_and_leaks_no_fd),
        connect_case(a_socket_without_the_no_delay_option_is_good_enough),
        connect_case(memory_that_fails_anywhere_is_enomem_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
