/* server.h: who comes in, who he is, and going through those who are there. */
#include "support/serve.h"

#include <netinet/in.h>

static int setup(void **state)
{
    int result = testing_setup(state);

    memset(&server, 0, sizeof server);
    return result != 0 ? result : open_directory();
}

static int teardown(void **state)
{
    int removed = close_directory();

    return testing_teardown(state) != 0 || removed != 0 ? -1 : 0;
}

#define clients_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static struct eddy_address address_of(int fd)
{
    struct eddy_address own = {.size = sizeof own.storage};

    assert_int_equal(getsockname(fd, (struct sockaddr *)&own.storage, &own.size), 0);
    return own;
}

static void assert_same_address(const struct eddy_address *one, const struct eddy_address *other)
{
    assert_int_equal(one->size, other->size);
    assert_memory_equal(&one->storage, &other->storage, one->size);
}

/* ---- who he is */

/* Keeps the address of its client when it has had a turn; a call of it is as good. */
eddy_frame(asks_who) {
    eddy_coro co;
    eddy_stream *stream;
    int64_t rc;
    char byte;
};

static struct eddy_address peer;
static int64_t read_of_peer;
static bool peer_has_a_name; /* the kernel knows it still */

eddy_frame(notes_who) {
    eddy_coro co;
};

static void notes_who(eddy_coro *co)
{
    eddy_begin(notes_who);
    assert_non_null(eddy_client_of(co));
    eddy_client_peer(eddy_client_of(co), &peer);
    eddy_end;
}

static void asks_who(eddy_coro *co)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;

    eddy_begin(asks_who);
    assert_ptr_equal(eddy_client_stream(eddy_client_of(co)), self->stream);
    eddy_catch(self->rc, eddy_read(co, self->stream, &self->byte, 1));
    read_of_peer = self->rc;
    peer_has_a_name =
        getpeername(eddy_stream_fd(self->stream), (struct sockaddr *)&name, &size) == 0;
    eddy_await(eddy_call(co, notes_who));
    eddy_end;
}

eddy_frame(serves_who) {
    eddy_coro co;
    int64_t rc;
};

static void serves_who(eddy_coro *co)
{
    eddy_begin(serves_who);
    assert_null(eddy_client_of(co));
    eddy_await(eddy_serve_all(co, &server, at, 1, asks_who));
    eddy_end;
}

static void serve_until_all_have_gone(uint64_t accepted)
{
    for (int i = 0; i < 1000 && (server.accepted < accepted || server.active > 0); i++) {
        net_settle();
        testing_turn();
    }
    assert_int_equal(server.accepted, accepted);
    assert_int_equal(server.active, 0);
}

static void assert_peer_is_known(void)
{
    struct eddy_address own;
    int fd;

    assert_int_equal(run(serves_who), 0);
    fd = connect_to(&server.address);
    own = address_of(fd);
    net_send(fd, "x");
    serve_until_all_have_gone(1);
    assert_same_address(&peer, &own);
    close(fd);
    end();
}

test(a_handler_knows_the_address_of_its_client)
{
    set_address(0, "127.0.0.1", 0);
    assert_peer_is_known();
    memset(&server, 0, sizeof server);
    server.idle_timeout = EDDY_SECOND; /* it lies elsewhere then */
    assert_peer_is_known();
}

test(a_client_of_ipv6_has_the_whole_of_its_address)
{
    if (!net_has_ipv6()) {
        skip();
    }
    set_address(0, "::1", 0);
    assert_peer_is_known();
}

test(a_client_of_a_path_is_told_by_its_family)
{
    int fd;

    at[0] = address;
    assert_int_equal(run(serves_who), 0);
    fd = unix_connect(&address);
    net_send(fd, "x");
    serve_until_all_have_gone(1);
    assert_int_equal(peer.storage.ss_family, AF_UNIX);
    assert_int_equal(peer.size, sizeof(sa_family_t));
    close(fd);
    end();
}

test(the_address_is_known_also_of_a_client_that_has_reset)
{
    struct eddy_address own;
    int fd;

    set_address(0, "127.0.0.1", 0);
    assert_int_equal(run(serves_who), 0);
    fd = connect_to(&server.address);
    own = address_of(fd);
    net_reset_on_close(fd);
    close(fd);
    serve_until_all_have_gone(1);
    assert_int_equal(read_of_peer, -ECONNRESET);
    assert_false(peer_has_a_name); /* it cannot be asked */
    assert_same_address(&peer, &own);
    end();
}

/* ---- who comes in */

static struct eddy_address seen;
static bool welcome;

static bool is_welcome(eddy_server *of, int fd, const struct eddy_address *from)
{
    assert_ptr_equal(of, &server);
    assert_true(net_is_open(fd));
    assert_int_equal(of->active, 0);
    seen = *from;
    return welcome;
}

test(a_client_that_the_filter_refuses_is_closed_and_costs_nothing)
{
    struct eddy_address own;
    size_t bytes;
    int fd;

    set_address(0, "127.0.0.1", 0);
    server.filter = is_welcome;
    welcome = false;
    assert_int_equal(serve_all(1), 0);
    bytes = testing.memory.calls;
    fd = connect_to(&server.address);
    own = address_of(fd);
    net_expect_end(fd);
    assert_same_address(&seen, &own);
    assert_int_equal(testing.memory.calls, bytes);
    assert_int_equal(server.refused, 1);
    assert_int_equal(server.accepted, 0);
    close(fd);
    welcome = true;
    close(greeted_at(0));
    assert_int_equal(server.refused, 1);
    end();
}

static bool is_welcome_in_closing(eddy_server *of, int fd, const struct eddy_address *from)
{
    (void)fd;
    (void)from;
    eddy_server_close(of);
    return welcome;
}

test(the_filter_may_close_the_server)
{
    for (int i = 0; i < 2; i++) {
        int fd;
        memset(&server, 0, sizeof server);
        set_address(0, "127.0.0.1", 0);
        set_address(1, "127.0.0.2", 0); /* its memory goes while it accepts */
        server.filter = is_welcome_in_closing;
        welcome = i == 0;
        assert_int_equal(serve_all(2), 0);
        fd = connect_to(&server.address);
        net_expect_end(fd);
        assert_int_equal(server.accepted, 0);
        assert_int_equal(run(waits_until_closed), 0);
        close(fd);
    }
}

test(a_crowd_that_is_refused_gets_no_more_of_a_turn_than_one_that_is_served)
{
    enum { CROWD = 100 };
    int fds[CROWD];

    at[0] = address;
    server.filter = is_welcome;
    welcome = false;
    assert_int_equal(serve_all(1), 0);
    for (int i = 0; i < CROWD; i++) {
        fds[i] = unix_connect(&address);
    }
    testing_turn();
    assert_int_equal(server.refused, 64);
    testing_turn();
    assert_int_equal(server.refused, CROWD);
    for (int i = 0; i < CROWD; i++) {
        close(fds[i]);
    }
    end();
}

/* ---- going through them */

enum { THREE = 3 };

static int fds_of[2 * THREE];
static eddy_client *met[2 * THREE];

static void three_come(int from)
{
    for (int i = from; i < from + THREE; i++) {
        fds_of[i] = unix_connect(&address);
        net_expect(fds_of[i], "hello");
    }
}

static void goes(int i)
{
    uint32_t before = server.active;

    close(fds_of[i]);
    for (int t = 0; t < 1000 && server.active == before; t++) {
        testing_turn();
    }
}

static void serve_the_path(void)
{
    at[0] = address;
    assert_int_equal(serve_all(1), 0);
    three_come(0);
}

test(the_clients_of_a_server_are_met_in_the_order_in_which_they_came)
{
    eddy_task last = {NULL, 0};
    int count = 0;

    assert_null(eddy_server_next_client(&server, &last)); /* it was never open */
    serve_the_path();
    while ((met[count] = eddy_server_next_client(&server, &last)) != NULL) {
        assert_non_null(last.record);
        count++;
    }
    assert_int_equal(count, THREE);
    assert_null(eddy_server_next_client(&server, &last));
    last = (eddy_task){NULL, 0};
    for (int i = 0; i < THREE; i++) {
        assert_ptr_equal(eddy_server_next_client(&server, &last), met[i]);
        assert_int_equal(eddy_cancel(last), 0);
    }
    testing_turns();
    assert_int_equal(server.active, 0);
    for (int i = 0; i < THREE; i++) {
        close(fds_of[i]);
    }
    end();
}

test(clients_may_end_and_come_while_one_goes_through_them)
{
    eddy_task last = {NULL, 0};

    serve_the_path();
    assert_non_null(eddy_server_next_client(&server, &last));
    met[0] = eddy_server_next_client(&server, &last);
    assert_non_null(met[0]);
    goes(0);
    goes(1); /* the one that was met last */
    three_come(THREE);
    met[1] = eddy_server_next_client(&server, &last); /* the third */
    assert_non_null(met[1]);
    goes(2);
    goes(3);
    met[2] = eddy_server_next_client(&server, &last);
    met[3] = eddy_server_next_client(&server, &last);
    assert_non_null(met[2]);
    assert_non_null(met[3]);
    assert_true(met[2] != met[3]);
    assert_null(eddy_server_next_client(&server, &last));
    goes(4);
    goes(5);
    assert_null(eddy_server_next_client(&server, &last));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        clients_case(a_handler_knows_the_address_of_its_client),
        clients_case(a_client_of_ipv6_has_the_whole_of_its_address),
        clients_case(a_client_of_a_path_is_told_by_its_family),
        clients_case(the_address_is_known_also_of_a_client_that_has_reset),
        clients_case(a_client_that_the_filter_refuses_is_closed_and_costs_nothing),
        clients_case(the_filter_may_close_the_server),
        clients_case(a_crowd_that_is_refused_gets_no_more_of_a_turn_than_one_that_is_served),
        clients_case(the_clients_of_a_server_are_met_in_the_order_in_which_they_came),
        clients_case(clients_may_end_and_come_while_one_goes_through_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
