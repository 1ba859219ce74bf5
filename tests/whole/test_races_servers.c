/* Servers: who has come is served or sent away with all that was begun (rules 4, 9 and 18). */
#include "support/races.h"

#include <unistd.h>

#include "support/net.h"

#include "eddy/server.h"

/* ---- server: with no client, and with one that has just come */

static eddy_server server;
static int client; /* connected while it is >= 0 */
static int begun;  /* how many handlers have begun, and ended */
static int ended;

eddy_frame(handler) {
    eddy_coro co;
    eddy_stream *stream;
    char byte;
};

static void handler(eddy_coro *co)
{
    eddy_begin(handler);
    begun++;
    eddy_await(eddy_read(co, self->stream, &self->byte, 1));
eddy_finally:
    eddy_await(eddy_pause(co));
    ended++;
    eddy_end;
}

eddy_frame(serves) {
    eddy_coro co;
};

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, handler));
    eddy_end;
}

static void open_server(eddy_coro *co)
{
    (void)co;
    memset(&server, 0, sizeof server);
    begun = ended = 0;
    client = -1;
    (void)eddy_detach(start(serves));
}

static int64_t wait_closed(eddy_coro *co)
{
    return eddy_server_wait_closed(co, &server);
}

static void client_comes(eddy_coro *co)
{
    (void)co;
    if (client < 0 && eddy_io_started(&server.first.io)) {
        client = net_connect(eddy_server_port(&server));
    }
}

static void close_server(eddy_coro *co)
{
    (void)co;
    eddy_server_close(&server);
}

/* Every handler that has begun has ended with its finally, and no client is left open. */
static void log_server(void)
{
    assert_int_equal(begun, ended);
    assert_int_equal(server.active, 0);
    testing_log("%d came %d served", (int)server.accepted, ended);
}

static void close_client(void)
{
    if (client >= 0) {
        close(client);
    }
}

/* A client that is served stays: its handler waits for a byte. */
static void end_of_client(eddy_coro *co)
{
    (void)co;
    if (client >= 0) {
        close(client);
        client = -1;
    }
}

static const struct race_table server_races = {
    .operation = "server without clients",
    .set_up = open_server,
    .wait = wait_closed,
    .wake = client_comes, /* it does not end the wait */
    .close = close_server,
    .settle = end_of_client,
    .log_left = log_server,
    .tear_down = close_client,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 came 0 served", "ECANCELED; 0 came 0 served"},
    .cells =
        {
            /* who was heard of is accepted, and a handler that is cancelled before its first step
                   never begins */
            [WAKE] = {"- it goes on waiting", "ETIMEDOUT; 1 came 0 served",
                      "ECANCELED; 1 came 0 served", "ok; 1 came 1 served"},
            [TIME_OUT] = {"ETIMEDOUT; 0 came 0 served", ONE_DEADLINE, "ECANCELED; 0 came 0 served",
                          "ETIMEDOUT; 0 came 0 served"},
            [CANCEL] = {"ECANCELED; 0 came 0 served", "ECANCELED; 0 came 0 served",
                        "ECANCELED; 0 came 0 served", "ECANCELED; 0 came 0 served"},
            [CLOSE] = {"ok; 0 came 0 served", "ok; 0 came 0 served",
                       "ok, then ECANCELED; 0 came 0 served", "ok; 0 came 0 served"},
        },
};

static void connect_client(eddy_coro *co)
{
    client_comes(co);
}

/* The client was accepted in the turn before, and its handler waits. */
static const struct race_table busy_server_races = {
    .operation = "server with a client",
    .set_up = open_server,
    .prepare = connect_client,
    .prepare_late = connect_client,
    .wait = wait_closed,
    .wake = end_of_client,
    .close = close_server,
    .log_left = log_server,
    .tear_down = close_client,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 1 came 1 served", "ECANCELED; 1 came 1 served"},
    .cells =
        {
            [WAKE] = {"- it goes on waiting", "ETIMEDOUT; 1 came 1 served",
                      "ECANCELED; 1 came 1 served", "ok; 1 came 1 served"},
            [TIME_OUT] = {"ETIMEDOUT; 1 came 1 served", ONE_DEADLINE, "ECANCELED; 1 came 1 served",
                          "ETIMEDOUT; 1 came 1 served"},
            [CANCEL] = {"ECANCELED; 1 came 1 served", "ECANCELED; 1 came 1 served",
                        "ECANCELED; 1 came 1 served", "ECANCELED; 1 came 1 served"},
            [CLOSE] = {"ok; 1 came 1 served", "ETIMEDOUT; 1 came 1 served",
                       "ECANCELED; 1 came 1 served", "- it goes on waiting"},
        },
};

test(a_server)
{
    run_race_table(&server_races);
    run_race_table(&busy_server_races);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
