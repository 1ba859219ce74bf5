/* server.h: where a server listens: on several addresses, on what a name has, on given sockets. */
#include "support/serve.h"

#include <fcntl.h>
#include <netinet/in.h>

static struct eddy_sys real; /* the kit's own functions, under those that a test puts in */

static int setup(void **state)
{
    int result = testing_setup(state);

    real = testing.sys.table;
    memset(&server, 0, sizeof server);
    return result != 0 ? result : open_directory();
}

static int teardown(void **state)
{
    int removed = close_directory();

    return testing_teardown(state) != 0 || removed != 0 ? -1 : 0;
}

#define listen_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static bool option(int fd, int level, int name)
{
    int value = 0;
    socklen_t size = sizeof value;

    assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
    return value != 0;
}

static void assert_serve_fails(int count, int error)
{
    assert_int_equal(serve_all(count), error);
    assert_int_equal(eddy_server_port(&server), -EBADF);
    assert_int_equal(eddy_server_addresses(&server, at, 0), 0);
}

/* ---- several addresses */

test(a_server_listens_on_all_of_several_addresses_of_any_family)
{
    struct eddy_address where[MOST];
    int fds[3];

    set_address(0, "127.0.0.1", 0);
    at[1] = address;
    set_address(2, "127.0.0.2", 0);
    assert_int_equal(serve_all(3), 0);
    assert_int_equal(eddy_server_addresses(&server, where, MOST), 3);
    assert_int_equal(eddy_server_addresses(&server, where, 1), 3);
    assert_memory_equal(&where[0], &server.address, sizeof where[0]);
    for (int i = 0; i < 3; i++) {
        fds[i] = greeted_at(i);
    }
    assert_int_equal(server.active, 3);
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
    end();
    assert_false(is_there(path));
    assert_int_equal(server.accepted, 3);
    assert_int_equal(eddy_server_addresses(&server, where, MOST), 0);
}

test(they_have_the_port_that_the_system_has_picked_for_the_first)
{
    struct eddy_address where[MOST];

    for (int i = 0; i < 3; i++) {
        set_address(i, i == 0 ? "127.0.0.1" : i == 1 ? "127.0.0.2" : "127.0.0.3", 0);
    }
    assert_int_equal(serve_all(3), 0);
    assert_int_equal(eddy_server_addresses(&server, where, MOST), 3);
    assert_in_range(eddy_server_port(&server), 1, 65535);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(eddy_address_port(&where[i]), eddy_server_port(&server));
    }
    end();
}

static int binds_that_fail;

/* The second address of each try finds its port in use. */
static int bind_but_not_the_second(const struct eddy_sys *sys, int fd, const struct sockaddr *name,
                                   socklen_t size)
{
    bool second =
        ((const struct sockaddr_in *)(const void *)name)->sin_addr.s_addr == htonl(0x7f000002);

    if (second && binds_that_fail > 0) {
        binds_that_fail--;
        return -EADDRINUSE;
    }
    return real.bind(sys, fd, name, size);
}

test(a_picked_port_that_is_in_use_elsewhere_is_picked_anew)
{
    set_address(0, "127.0.0.1", 0);
    set_address(1, "127.0.0.2", 0);
    testing.sys.table.bind = bind_but_not_the_second;
    binds_that_fail = 15;
    assert_int_equal(serve_all(2), 0);
    end();
    binds_that_fail = 16;
    assert_serve_fails(2, -EADDRINUSE);
    assert_int_equal(binds_that_fail, 0);
}

test(if_one_of_them_cannot_be_had_it_listens_on_none_and_says_which)
{
    int port;
    int fd = net_listener(&port);

    at[0] = address;
    set_address(1, "127.0.0.1", port);
    assert_serve_fails(2, -EADDRINUSE);
    assert_int_equal(eddy_address_port(&server.address), port);
    assert_int_equal(testing_calls(listen), 0); /* nobody was let in whom it sends away */
    assert_false(is_there(path));
    set_address(0, "127.0.0.1", 0);
    set_address(1, "192.0.2.1", 0); /* not of this host */
    assert_serve_fails(2, -EADDRNOTAVAIL);
    assert_int_equal(serve_all(0), -EINVAL);
    close(fd);
}

test(every_call_of_opening_that_fails_is_the_result_and_leaves_nothing)
{
    static const struct {
        size_t call;
        unsigned k;
    } cases[] = {
        {TESTING_CALL(socket), 2},      {TESTING_CALL(setsockopt), 2}, {TESTING_CALL(bind), 2},
        {TESTING_CALL(getsockname), 2}, {TESTING_CALL(listen), 1},     {TESTING_CALL(listen), 2},
        {TESTING_CALL(epoll_ctl), 1},   {TESTING_CALL(epoll_ctl), 2},
    };

    set_address(0, "127.0.0.1", 0);
    set_address(1, "127.0.0.2", 0);
    at[2] = address;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fds = net_count_open();
        testing_fail_call(cases[i].call, cases[i].k, -ENOBUFS, false);
        assert_serve_fails(3, -ENOBUFS);
        testing_fail_call(cases[i].call, 0, 0, false);
        assert_int_equal(net_count_open(), fds);
        assert_false(is_there(path));
    }
    assert_int_equal(serve_all(3), 0); /* it can be opened after each of them */
    end();
}

test(without_memory_for_it_it_does_not_open)
{
    set_address(0, "127.0.0.1", 0);
    at[1] = address;
    for (unsigned k = 1; k < 40; k++) {
        int64_t result;
        testing_reopen();
        memset(&server, 0, sizeof server);
        testing_fail_allocation(k);
        result = serve_all(2);
        testing_fail_allocation(0);
        if (result == 0) {
            end();
        } else {
            assert_int_equal(result, -ENOMEM);
            assert_int_equal(eddy_server_port(&server), -EBADF);
        }
        assert_false(is_there(path));
    }
}

/* ---- both families */

test(any_address_of_both_families_is_served_on_one_port)
{
    struct eddy_address where[MOST];
    int count;

    assert_int_equal(run(serves, .host = "*"), 0);
    count = eddy_server_addresses(&server, where, MOST);
    assert_int_equal(count, net_has_ipv6() ? 2 : 1);
    for (int i = 0; i < count; i++) {
        assert_int_equal(eddy_address_port(&where[i]), eddy_server_port(&server));
        close(greeted_at(i));
    }
    end();
}

test(a_family_that_the_host_does_not_have_is_no_error_of_any_address)
{
    testing_fail(socket, 2, -EAFNOSUPPORT);
    assert_int_equal(run(serves, .host = "*"), 0);
    assert_int_equal(eddy_server_addresses(&server, at, 0), 1);
    close(greeted_at(0));
    end();
    testing_fail_from(socket, 1, -EAFNOSUPPORT);
    assert_int_equal(run(serves, .host = "*"), -EAFNOSUPPORT);
    testing_fail(socket, 0, 0);
}

test(an_ipv6_address_serves_ipv6_only_unless_both_were_asked_for)
{
    if (!net_has_ipv6()) {
        skip();
    }
    assert_int_equal(run(serves, .host = "::"), 0);
    assert_true(option(server.first.io.fd, IPPROTO_IPV6, IPV6_V6ONLY));
    net_assert_refused(eddy_server_port(&server));
    end();
    server.dual_stack = true;
    assert_int_equal(run(serves, .host = "*"), 0);
    assert_int_equal(eddy_server_addresses(&server, at, 0), 1);
    assert_false(option(server.first.io.fd, IPPROTO_IPV6, IPV6_V6ONLY));
    close(net_connect(eddy_server_port(&server)));
    end();
}

/* ---- options before the socket is bound */

static int prepared;

static int set_a_buffer(eddy_server *of, int fd, const struct eddy_address *address_of_it)
{
    int size = 8192;

    assert_ptr_equal(of->user, &prepared);
    assert_int_equal(eddy_address_port(address_of_it) == 0, prepared == 0);
    assert_true(option(fd, SOL_SOCKET, SO_REUSEADDR));
    assert_false(option(fd, SOL_SOCKET, SO_ACCEPTCONN));
    prepared++;
    return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0 ? 0 : -errno;
}

static int refuse_options(eddy_server *of, int fd, const struct eddy_address *address_of_it)
{
    (void)of;
    (void)fd;
    return eddy_address_port(address_of_it) == 0 ? -EPERM : 0;
}

test(the_program_sets_options_of_each_socket_before_it_is_bound)
{
    int size = 0;
    socklen_t length = sizeof size;

    prepared = 0;
    server.prepare = set_a_buffer;
    server.user = &prepared;
    set_address(0, "127.0.0.1", 0);
    set_address(1, "127.0.0.2", 0);
    assert_int_equal(serve_all(2), 0);
    assert_int_equal(prepared, 2);
    assert_int_equal(getsockopt(server.first.next->io.fd, SOL_SOCKET, SO_RCVBUF, &size, &length),
                     0);
    assert_int_equal(size, 2 * 8192);
    end();
    server.prepare = refuse_options;
    assert_serve_fails(1, -EPERM);
}

/* ---- clients of several sockets */

/* A server that has room for one takes in turn from all its sockets. */
test(no_socket_of_a_full_server_starves)
{
    struct eddy_address where[MOST];
    int fds[2][3];
    bool served[2][3] = {{false}};

    server.max_clients = 1;
    set_address(0, "127.0.0.1", 0);
    set_address(1, "127.0.0.2", 0);
    assert_int_equal(serve_all(2), 0);
    assert_int_equal(eddy_server_addresses(&server, where, MOST), 2);
    for (int i = 0; i < 6; i++) {
        fds[i % 2][i / 2] = connect_to(&where[i % 2]);
    }
    for (int turn = 0; turn < 6; turn++) {
        int k = turn % 2;
        int i = 0;
        for (int t = 0; t < 1000 && server.accepted < (uint64_t)turn + 1; t++) {
            net_settle();
            testing_turn();
        }
        testing_turns();
        assert_int_equal(server.accepted, turn + 1);
        while (i < 3 && (served[k][i] || recv(fds[k][i], &(char){0}, 1, MSG_DONTWAIT) != 1)) {
            i++;
        }
        assert_true(i < 3); /* the one whose turn it is was greeted */
        served[k][i] = true;
        close(fds[k][i]);
    }
    end();
}

test(a_pause_for_want_of_fds_is_one_for_all_sockets_and_told_once)
{
    int fds[2];

    set_address(0, "127.0.0.1", 0);
    set_address(1, "127.0.0.2", 0);
    assert_int_equal(serve_all(2), 0);
    testing_fail_from(accept4, 1, -EMFILE);
    for (int i = 0; i < 2; i++) {
        struct eddy_address where[MOST];
        assert_int_equal(eddy_server_addresses(&server, where, MOST), 2);
        fds[i] = connect_to(&where[i]);
    }
    net_settle();
    testing_turn();
    assert_int_equal(testing_calls(accept4), 1); /* the other event of the batch finds it paused */
    assert_told(-EMFILE, "accepts no clients for now");
    testing_turns();
    assert_int_equal(testing_calls(accept4), 1);
    testing_fail(accept4, 0, 0);
    assert_int_equal(run(sleeps, .seconds = 1), 0);
    net_expect(fds[0], "hello");
    net_expect(fds[1], "hello");
    close(fds[0]);
    close(fds[1]);
    end();
}

static void never(eddy_io *io, unsigned events)
{
    (void)io;
    (void)events;
    fail_msg("nothing happens there");
}

test(a_socket_that_somebody_else_closes_ends_and_the_others_go_on)
{
    static eddy_io io;
    int number;
    int fds[2];

    set_address(0, "127.0.0.1", 0);
    set_address(1, "127.0.0.2", 0);
    assert_int_equal(serve_all(2), 0);
    number = server.first.io.fd;
    testing_pipe(fds);
    close(number);
    assert_int_equal(dup3(fds[0], number, O_CLOEXEC), number);
    assert_int_equal(eddy_io_start(testing.loop, &io, number, EDDY_READ, never), 0);
    assert_told(-EBADF, "a server");
    eddy_io_stop(&io);
    assert_int_equal(eddy_server_addresses(&server, at, MOST), 1);
    close(greeted_at(0));
    end();
    assert_true(net_is_open(number));
    close(number);
    close(fds[0]);
    close(fds[1]);
}

/* ---- given sockets */

test(sockets_that_listen_already_are_served_and_closed_with_the_server)
{
    int port;
    int fd;

    given[0] = net_listener(&port);
    given[1] = unix_listener(4);
    fd = net_connect(port); /* who has come before is served too */
    assert_int_equal(run(serves, .fds = 2), 0);
    assert_int_equal(eddy_server_port(&server), port);
    assert_int_equal(testing_calls(bind) + testing_calls(listen) + testing_calls(socket), 0);
    assert_true((fcntl(given[0], F_GETFL) & O_NONBLOCK) != 0);
    net_expect(fd, "hello");
    close(fd);
    close(greeted_at(1));
    end();
    assert_false(net_is_open(given[0]));
    assert_false(net_is_open(given[1]));
    assert_true(is_there(path)); /* whose it is knows who has made it */
}

static void assert_fds_refused(int count, int error)
{
    int fds = net_count_open();

    assert_int_equal(run(serves, .fds = count), error);
    assert_int_equal(eddy_server_port(&server), -EBADF);
    assert_int_equal(net_count_open(), fds);
}

test(what_does_not_listen_is_refused_and_left_as_it_was)
{
    int port;
    int fds[2];

    given[0] = net_listener(&port);
    given[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_fds_refused(2, -EINVAL);
    close(given[1]);
    given[1] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_fds_refused(2, -EPROTOTYPE);
    close(given[1]);
    testing_pipe(fds);
    given[1] = fds[0];
    assert_fds_refused(2, -ENOTSOCK);
    close(fds[0]);
    close(fds[1]);
    assert_fds_refused(2, -EBADF);
    given[1] = given[0];
    assert_fds_refused(2, -EEXIST);
    testing_fail(epoll_ctl, 1, -ENOSPC);
    assert_fds_refused(1, -ENOSPC);
    testing_fail(fcntl, 1, -EPERM);
    assert_fds_refused(1, -EPERM);
    testing_fail(fcntl, 0, 0);
    assert_int_equal(fcntl(given[0], F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(run(serves, .fds = 1), 0); /* it can be served after all of that */
    end();
}

/* ---- handing over */

test(a_successor_serves_on_the_same_sockets_and_no_client_is_lost)
{
    static eddy_server before;
    int fds[MOST];
    int fd;

    memset(&before, 0, sizeof before);
    set_address(0, "127.0.0.1", 0);
    at[1] = address;
    assert_int_equal(serve_all(2), 0);
    assert_int_equal(eddy_server_hand_over(&server, fds, 1), 2);
    assert_int_equal(eddy_server_hand_over(&server, fds, MOST), 2);
    for (int i = 0; i < 2; i++) { /* as another process has them */
        given[i] = dup(fds[i]);
        assert_int_equal(fcntl(given[i], F_SETFD, FD_CLOEXEC), 0);
    }
    fd = connect_to(&server.address); /* in the backlog of both */
    eddy_server_close(&server);
    assert_int_equal(run(waits_until_closed), 0);
    assert_true(is_there(path));
    assert_int_equal(run(serves, .fds = 2), 0);
    net_expect(fd, "hello");
    close(fd);
    close(greeted_at(1));
    end();
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        listen_case(a_server_listens_on_all_of_several_addresses_of_any_family),
        listen_case(they_have_the_port_that_the_system_has_picked_for_the_first),
        listen_case(a_picked_port_that_is_in_use_elsewhere_is_picked_anew),
        listen_case(if_one_of_them_cannot_be_had_it_listens_on_none_and_says_which),
        listen_case(every_call_of_opening_that_fails_is_the_result_and_leaves_nothing),
        listen_case(without_memory_for_it_it_does_not_open),
        listen_case(any_address_of_both_families_is_served_on_one_port),
        listen_case(a_family_that_the_host_does_not_have_is_no_error_of_any_address),
        listen_case(an_ipv6_address_serves_ipv6_only_unless_both_were_asked_for),
        listen_case(the_program_sets_options_of_each_socket_before_it_is_bound),
        listen_case(no_socket_of_a_full_server_starves),
        listen_case(a_pause_for_want_of_fds_is_one_for_all_sockets_and_told_once),
        listen_case(a_socket_that_somebody_else_closes_ends_and_the_others_go_on),
        listen_case(sockets_that_listen_already_are_served_and_closed_with_the_server),
        listen_case(what_does_not_listen_is_refused_and_left_as_it_was),
        listen_case(a_successor_serves_on_the_same_sockets_and_no_client_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
