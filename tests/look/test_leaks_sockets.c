/* loop.h: EDDY_LOOP_REPORT_LEAKS, of streams and servers: told with the call that opened them. */
#include "support/leaks.h"
#include "support/net.h"
#include "support/threads.h"
#include "support/unix.h"

#include <unistd.h>

#include "eddy/event.h"
#include "eddy/server.h"
#include "eddy/stream.h"

static struct gate gate;
static eddy_server server;
static eddy_stream stream;

static int setup(void **state)
{
    gate_init(&gate);
    memset(&server, 0, sizeof server);
    memset(&stream, 0, sizeof stream);
    return testing_setup(state) == 0 ? open_directory() : -1;
}

static int teardown(void **state)
{
    int result = testing_teardown(state);

    return close_directory() == 0 ? result : -1;
}

#define leaks_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- streams */

test(an_open_stream_is_told_and_its_idle_timeout_is_not_told_beside_it)
{
    static struct eddy_idle idle;
    int line = __LINE__ + 5;
    int fds[2];

    testing_socketpair(fds);
    report_leaks();
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    assert_int_equal(eddy_stream_idle_timeout(&stream, &idle, EDDY_SECOND), 0);
    assert_leaks("leak: a stream is still open on fd %d (unix) (opened at %s:%d)\n", fds[0],
                 __FILE__, line);
    close(fds[1]);
}

eddy_frame(connects) {
    eddy_coro co;
    const char *host; /* NULL: to `to` */
    int port;
    const struct eddy_address *to;
    bool by_function; /* which has no place */
};

static int line_of_connect;

static void connects(eddy_coro *co)
{
    eddy_begin(connects);
    if (self->by_function && self->host != NULL) {
        eddy_await((eddy_connect)(co, &stream, self->host, self->port));
    } else if (self->by_function) {
        eddy_await((eddy_connect_to)(co, &stream, self->to));
    } else if (self->host != NULL) {
        line_of_connect = __LINE__ + 1;
        eddy_await(eddy_connect(co, &stream, self->host, self->port));
    } else {
        line_of_connect = __LINE__ + 1;
        eddy_await(eddy_connect_to(co, &stream, self->to));
    }
    eddy_end;
}

/* Of the stream that was connected; with the line, or 0. */
static void assert_stream_leaks(const char *peer, int line)
{
    char place[128] = "";
    int fd = eddy_stream_fd(&stream);

    if (line > 0) {
        snprintf(place, sizeof place, " (opened at %s:%d)", __FILE__, line);
    }
    assert_leaks("leak: a stream is still open on fd %d (%s)%s\n", fd, peer, place);
}

test(a_stream_that_was_connected_is_told_with_the_call)
{
    char peer[64];
    int port;
    int listener = net_listener(&port);

    snprintf(peer, sizeof peer, "127.0.0.1:%d", port);
    report_leaks();
    assert_int_equal(run(connects, .host = "127.0.0.1", .port = port), 0);
    assert_stream_leaks(peer, line_of_connect);

    resolver_install();
    resolver.answers[0] = "127.0.0.1";
    report_leaks();
    assert_int_equal(run(connects, .host = "example", .port = port), 0);
    assert_stream_leaks(peer, line_of_connect);

    report_leaks();
    assert_int_equal(run(connects, .host = "127.0.0.1", .port = port, .by_function = true), 0);
    assert_stream_leaks(peer, 0);
    close(listener);
}

test(a_stream_that_was_connected_to_an_address_is_told_with_the_call)
{
    char peer[80];
    int listener = unix_listener(3);

    snprintf(peer, sizeof peer, "unix:%s", path);
    report_leaks();
    assert_int_equal(run(connects, .to = &address), 0);
    assert_stream_leaks(peer, line_of_connect);

    report_leaks();
    testing_fail(connect, 1, -EAGAIN); /* no room: it tries again */
    assert_int_equal(run(connects, .to = &address), 0);
    assert_stream_leaks(peer, line_of_connect);

    report_leaks();
    assert_int_equal(run(connects, .to = &address, .by_function = true), 0);
    assert_stream_leaks(peer, 0);
    close(listener);
}

/* ---- servers */

eddy_frame(handler) {
    eddy_coro co;
    eddy_stream *stream;
    eddy_event never;
};

static void handler(eddy_coro *co)
{
    eddy_begin(handler);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
eddy_finally:
    eddy_await(eddy_event_wait(co, &self->never));
    eddy_end;
}

eddy_frame(serves) {
    eddy_coro co;
    bool at_path;
};

static int line_of_serve;

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    if (self->at_path) {
        line_of_serve = __LINE__ + 1;
        eddy_await(eddy_serve_at(co, &server, &address, handler));
    } else {
        line_of_serve = __LINE__ + 1;
        eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, handler));
    }
    eddy_end;
}

/* Nor is the timer told with which a server tries again, here because it has no fds. */
test(a_server_that_listens_is_told_with_the_call_that_opened_it)
{
    int client;

    report_leaks();
    assert_int_equal(run(serves), 0);
    client = net_connect(eddy_server_port(&server));
    testing_fail(accept4, 1, -EMFILE);
    testing_turns();
    assert_non_null(strstr(told, "accepts no clients for now"));
    told[0] = '\0';
    assert_leaks("leak: a server still listens on fd %d (127.0.0.1:%d) (opened at %s:%d)\n",
                 server.first.io.fd, eddy_server_port(&server), __FILE__, line_of_serve);
    close(client);

    memset(&server, 0, sizeof server);
    report_leaks();
    assert_int_equal(run(serves, .at_path = true), 0);
    assert_leaks("leak: a server still listens on fd %d (unix:%s) (opened at %s:%d)\n",
                 server.first.io.fd, path, __FILE__, line_of_serve);
}

/* Its handler is cut off in its cleanup, which is told, too. */
test(the_stream_of_a_client_is_told_with_the_call_that_opened_the_server)
{
    char expected[256];
    int client;

    testing.options.shutdown_timeout = 1;
    report_leaks();
    assert_int_equal(run(serves), 0);
    client = net_connect(eddy_server_port(&server));
    testing_turns();
    eddy_server_close(&server);
    (void)eddy_loop_free(testing.loop);
    testing.loop = NULL;
    snprintf(expected, sizeof expected, " (opened at %s:%d)\n", __FILE__, line_of_serve);
    assert_non_null(strstr(told, "\nleak: a stream is still open on fd "));
    assert_non_null(strstr(told, expected));
    close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leaks_case(an_open_stream_is_told_and_its_idle_timeout_is_not_told_beside_it),
        leaks_case(a_stream_that_was_connected_is_told_with_the_call),
        leaks_case(a_stream_that_was_connected_to_an_address_is_told_with_the_call),
        leaks_case(a_server_that_listens_is_told_with_the_call_that_opened_it),
        leaks_case(the_stream_of_a_client_is_told_with_the_call_that_opened_the_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
