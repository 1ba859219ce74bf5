/* stream.h: connecting to an address, that of a Unix-domain socket above all. */
#include "support/text.h"
#include "support/unix.h"

#include <netinet/in.h>

#include "eddy/deadline.h"
#include "eddy/stream.h"
#include "net/stream_internal.h"

enum { CROWD = 16 };

static eddy_stream stream;
static int own_port;
static struct eddy_sys real; /* the kit's own functions, under those that a test puts in */

static int setup(void **state)
{
    int result = testing_setup(state);

    real = testing.sys.table;
    memset(&stream, 0, sizeof stream);
    return result != 0 ? result : open_directory();
}

static int teardown(void **state)
{
    int removed = close_directory();

    eddy_stream_close(&stream);
    return testing_teardown(state) != 0 || removed != 0 ? -1 : 0;
}

#define connect_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

eddy_frame(connects) {
    eddy_coro co;
    struct eddy_address *to;
    int64_t limit;
    int64_t rc;
};

static void connects(eddy_coro *co)
{
    eddy_begin(connects);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                       eddy_connect_to(co, &stream, self->to)));
    testing_log_at(self->rc == 0 ? "connected" : "failed", "");
    eddy_return(self->rc);
    eddy_end;
}

static int64_t connect_to(struct eddy_address *to)
{
    int64_t result = testing_run_task(connects, .to = to);

    testing.log[0] = '\0';
    return result;
}

static void assert_fails(struct eddy_address *to, int error)
{
    assert_int_equal(connect_to(to), error);
    assert_false(eddy_stream_is_open(&stream));
}

static void assert_talks_to(int peer)
{
    char buffer[8];

    assert_true(eddy_stream_is_open(&stream));
    assert_int_equal(eddy_try_write(&stream, "hello", 5), 5);
    net_expect(peer, "hello");
    net_send(peer, "world");
    net_wait_readable(eddy_stream_fd(&stream));
    testing_turns();
    assert_int_equal(eddy_try_read(&stream, buffer, sizeof buffer), 5);
    close(peer);
}

static int accept_client(int listener)
{
    net_wait_readable(listener);
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

/* ---- success */

test(a_path_is_connected_to)
{
    int listener = unix_listener(1);

    assert_int_equal(connect_to(&address), 0);
    assert_talks_to(accept_client(listener));
    close(listener);
}

test(an_abstract_name_is_connected_to)
{
    int listener;

    snprintf(path, sizeof path, "@%s", directory); /* is as unique as that */
    assert_int_equal(eddy_address_unix(&address, path), 0);
    listener = unix_listener(1);
    assert_int_equal(connect_to(&address), 0);
    assert_talks_to(accept_client(listener));
    close(listener);
    unix_assert_fails(&address, -ECONNREFUSED);
}

test(an_address_of_tcp_is_connected_to)
{
    int port;
    int listener = net_listener(&port);

    assert_int_equal(eddy_address_parse(&address, "127.0.0.1", port), 0);
    assert_int_equal(connect_to(&address), 0);
    assert_int_equal(testing_calls(setsockopt), 1); /* TCP_NODELAY */
    assert_int_not_equal(stream.state & EDDY_STREAM_DRAINS, 0);
    assert_talks_to(accept_client(listener));
    close(listener);
}

test(what_is_for_tcp_is_not_done_to_a_unix_socket)
{
    int listener = unix_listener(1);

    assert_int_equal(connect_to(&address), 0);
    assert_int_equal(testing_calls(setsockopt), 0);
    assert_int_equal(stream.state & EDDY_STREAM_DRAINS, 0);
    close(listener);
}

eddy_frame(reads) {
    eddy_coro co;
    char buffer[8];
};

static void reads(eddy_coro *co)
{
    eddy_begin(reads);
    eddy_await(eddy_read(co, &stream, self->buffer, sizeof self->buffer));
    eddy_end;
}

test(a_stream_is_told_with_the_path_of_its_peer)
{
    int listener = unix_listener(1);
    char expected[128];
    eddy_task task;

    assert_int_equal(connect_to(&address), 0);
    task = eddy_loop_spawn(testing.loop, reads);
    testing_turns();
    snprintf(expected, sizeof expected, "for read: fd %d (unix:%s)\n", eddy_stream_fd(&stream),
             path);
    assert_dumped(expected);
    close(listener);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -ECONNRESET);
}

/* ---- what is wrong at once */

test(a_path_that_is_not_there_or_where_nobody_listens)
{
    assert_fails(&address, -ENOENT);
    close(unix_listener(1));
    assert_fails(&address, -ECONNREFUSED);
}

test(an_address_without_a_port_to_connect_to_is_invalid)
{
    assert_int_equal(eddy_address_parse(&address, "127.0.0.1", 0), 0);
    assert_fails(&address, -EINVAL);
    assert_int_equal(testing_calls(socket), 0);
}

test(an_address_of_another_kind_is_not_supported)
{
    memset(&address, 0, sizeof address);
    assert_fails(&address, -EAFNOSUPPORT);
    assert_int_equal(testing_calls(socket), 0);
}

test(a_stream_that_is_open_is_not_connected_again)
{
    int listener = unix_listener(1);
    int fd;

    assert_int_equal(connect_to(&address), 0);
    fd = eddy_stream_fd(&stream);
    assert_int_equal(connect_to(&address), -EINVAL);
    assert_int_equal(eddy_stream_fd(&stream), fd);
    close(listener);
}

test(a_task_that_is_cancelled_already_connects_nowhere)
{
    eddy_task task = eddy_loop_spawn(testing.loop, connects, .to = &address);

    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -ECANCELED);
    assert_int_equal(testing_calls(socket), 0);
}

test(every_system_call_that_fails_is_the_result_and_leaks_no_fd)
{
    int listener = unix_listener(1);

    testing_fail(socket, 1, -EMFILE);
    assert_fails(&address, -EMFILE);
    testing_fail(connect, 1, -EACCES);
    assert_fails(&address, -EACCES);
    testing_fail(epoll_ctl, 1, -ENOSPC);
    assert_fails(&address, -ENOSPC);
    close(listener);
}

/* ---- a server whose backlog is full */

static int listener;
static int waiting[CROWD];
static int waiting_count;

/* The system picks as the socket's own port the one that it is to connect to. */
static int socket_at_its_target(const struct eddy_sys *sys, int domain, int type, int protocol)
{
    int fd = real.socket(sys, domain, type, protocol);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)own_port)};

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

test(a_socket_is_not_connected_to_itself)
{
    const char *const hosts[] = {"127.0.0.1", "0.0.0.0"};
    struct eddy_address itself;

    testing.sys.table.socket = socket_at_its_target;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        own_port = net_unused_port();
        assert_int_equal(eddy_address_parse(&itself, hosts[i], own_port), 0);
        assert_int_equal(connect_to(&itself), -ECONNREFUSED);
        assert_false(eddy_stream_is_open(&stream));
    }
}

static int connect_and_log(const struct eddy_sys *sys, int fd, const struct sockaddr *to,
                           socklen_t size)
{
    testing_log("%lld", (long long)(testing.clock.now / MS));
    return real.connect(sys, fd, to, size);
}

/* Clients that wait until the kernel takes no more. */
static void fill_backlog(void)
{
    bool full = false;

    for (waiting_count = 0; !full; waiting_count++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(waiting_count < CROWD);
        full = connect(fd, raw(&address), address.size) < 0;
        assert_true(!full || errno == EAGAIN);
        waiting[waiting_count] = fd;
    }
}

static void close_all(void)
{
    close(listener);
    while (waiting_count > 0) {
        close(waiting[--waiting_count]);
    }
}

/* A task that connects to a server without room. */
static eddy_task start_without_room(int64_t limit)
{
    listener = unix_listener(0);
    fill_backlog();
    testing.sys.table.connect = connect_and_log;
    return eddy_loop_spawn(testing.loop, connects, .to = &address, .limit = limit);
}

eddy_frame(makes_room) {
    eddy_coro co;
    int64_t when;
};

static void makes_room(eddy_coro *co)
{
    eddy_begin(makes_room);
    eddy_await(eddy_sleep(co, self->when));
    close(accept_client(listener));
    eddy_end;
}

test(a_server_without_room_is_asked_again_ever_more_seldom_and_times_out)
{
    eddy_task task = start_without_room(300 * MS);

    assert_int_equal(eddy_loop_run_until(testing.loop, task), -ETIMEDOUT);
    testing_assert_log("0 1 3 7 15 31 63 127 191 255 failed@300");
    assert_false(eddy_stream_is_open(&stream));
    close_all();
}

test(a_server_that_has_room_again_takes_the_client)
{
    eddy_task task = start_without_room(0);

    eddy_detach(eddy_loop_spawn(testing.loop, makes_room, .when = 20 * MS));
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
    testing_assert_log("0 1 3 7 15 31 connected@31");
    assert_talks_to(accept_client(listener));
    close_all();
}

test(a_cancel_ends_the_wait_for_room_and_leaves_no_fd)
{
    eddy_task task = start_without_room(0);

    assert_int_equal(testing_run_and_cancel(task, 10 * MS), -ECANCELED);
    testing_assert_log("0 1 3 7 failed@10");
    assert_false(eddy_stream_is_open(&stream));
    close_all();
}

test(a_server_that_closes_meanwhile_refuses_the_client)
{
    eddy_task task = start_without_room(0);

    testing_turns();
    close_all();
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -ECONNREFUSED);
    testing_assert_log("0 1 failed@1");
}

test(the_address_is_copied)
{
    static struct eddy_address short_lived;
    eddy_task task;

    short_lived = address;
    listener = unix_listener(0);
    fill_backlog();
    task = eddy_loop_spawn(testing.loop, connects, .to = &short_lived);
    testing_turns();
    memset(&short_lived, 0xff, sizeof short_lived);
    close(accept_client(listener));
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
    testing_assert_log("connected@1");
    close_all();
}

test(a_stream_that_another_opens_meanwhile_stays_open)
{
    eddy_task task = start_without_room(0);
    int fds[2];

    testing_turns();
    testing_socketpair(fds);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -EINVAL);
    assert_int_equal(eddy_stream_fd(&stream), fds[0]);
    testing_assert_log("0 failed@1");
    close(fds[1]);
    close_all();
}

test(a_connect_that_is_interrupted_is_tried_again)
{
    int here = unix_listener(1);

    testing_fail(connect, 1, -EINTR);
    assert_int_equal(testing_run_task(connects, .to = &address), 0);
    testing_assert_log("connected@1");
    assert_talks_to(accept_client(here));
    close(here);
}

test(to_tcp_a_system_that_says_again_means_that_it_has_no_ports)
{
    assert_int_equal(eddy_address_parse(&address, "127.0.0.1", 80), 0);
    testing_fail(connect, 1, -EAGAIN);
    assert_fails(&address, -EAGAIN);
}

/* Connects to a server that has room on the second try, while allocation k, or with `on` also each
 * that follows, fails; false if it needs less than k. */
static bool connects_in_spite_of(unsigned k, bool on)
{
    unsigned before;
    int64_t result;

    testing_reopen();
    testing_fail(connect, 1, -EAGAIN);
    before = testing.memory.calls;
    (on ? testing_fail_allocations_from : testing_fail_allocation)(k);
    result = connect_to(&address);
    testing_fail_allocation(0);
    assert_true(result == 0 || result == -ENOMEM);
    assert_int_equal(eddy_stream_is_open(&stream), result == 0);
    if (result == 0) {
        close(accept_client(listener));
        eddy_stream_close(&stream);
    }
    return testing.memory.calls - before >= k;
}

test(memory_that_fails_anywhere_is_enomem_and_leaks_nothing)
{
    unsigned k = 1;

    listener = unix_listener(CROWD);
    while (connects_in_spite_of(k, false)) {
        k++;
    }
    assert_in_range(k, 2, 50);
    while (--k > 0) {
        (void)connects_in_spite_of(k, true);
    }
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        connect_case(a_path_is_connected_to),
        connect_case(a_socket_is_not_connected_to_itself),
        connect_case(an_abstract_name_is_connected_to),
        connect_case(an_address_of_tcp_is_connected_to),
        connect_case(what_is_for_tcp_is_not_done_to_a_unix_socket),
        connect_case(a_stream_is_told_with_the_path_of_its_peer),
        connect_case(a_path_that_is_not_there_or_where_nobody_listens),
        connect_case(an_address_without_a_port_to_connect_to_is_invalid),
        connect_case(an_address_of_another_kind_is_not_supported),
        connect_case(a_stream_that_is_open_is_not_connected_again),
        connect_case(a_task_that_is_cancelled_already_connects_nowhere),
        connect_case(every_system_call_that_fails_is_the_result_and_leaks_no_fd),
        connect_case(a_server_without_room_is_asked_again_ever_more_seldom_and_times_out),
        connect_case(a_server_that_has_room_again_takes_the_client),
        connect_case(a_cancel_ends_the_wait_for_room_and_leaves_no_fd),
        connect_case(a_server_that_closes_meanwhile_refuses_the_client),
        connect_case(the_address_is_copied),
        connect_case(a_stream_that_another_opens_meanwhile_stays_open),
        connect_case(a_connect_that_is_interrupted_is_tried_again),
        connect_case(to_tcp_a_system_that_says_again_means_that_it_has_no_ports),
        connect_case(memory_that_fails_anywhere_is_enomem_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
