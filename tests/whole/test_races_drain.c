/* Draining a server: nobody is left behind, counted twice or cut off too early (rules 9 and 18). */
#include "support/races.h"
#include "support/unix.h"

#include "eddy/event.h"
#include "eddy/server.h"

static eddy_server server;
static int client;        /* connected while it is >= 0 */
static eddy_event answer; /* that a handler waits for, which has a request */
static eddy_event clean;  /* that its finally waits for */
static int answered;
static int begun, ended; /* how many handlers */
static bool completed;   /* a request that was half there */

/* A request is two bytes. */
eddy_frame(handler) {
    eddy_coro co;
    eddy_stream *stream;
    size_t count;
    char bytes[2];
};

static void handler(eddy_coro *co)
{
    eddy_begin(handler);
    begun++;
    for (;;) {
        eddy_await(self->count, eddy_read(co, self->stream, self->bytes, 1));
        if (self->count > 0) {
            eddy_await(self->count, eddy_read(co, self->stream, self->bytes + 1, 1));
        }
        if (self->count == 0) {
            eddy_return(0);
        }
        eddy_await(eddy_event_wait(co, &answer));
        eddy_await(eddy_write(co, self->stream, "!", 1));
        answered++;
    }
eddy_finally:
    eddy_await(eddy_event_wait(co, &clean));
    eddy_await(eddy_pause(co));
    ended++;
    eddy_end;
}

/* ---- a second drain, by a task of its own */

static int64_t second_result;

eddy_frame(drains_too) {
    eddy_coro co;
};

static void drains_too(eddy_coro *co)
{
    eddy_begin(drains_too);
    eddy_catch(second_result, eddy_server_drain(co, &server, 0));
    eddy_end;
}

static void drain_too(eddy_coro *co)
{
    (void)co;
    (void)eddy_detach(start(drains_too));
}

/* ---- what all the tables share */

/* The client comes, and has sent that, before the drain can begin. */
eddy_frame(serves) {
    eddy_coro co;
    const char *sent;
};

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    eddy_await(eddy_serve_at(co, &server, &address, handler));
    client = unix_connect(&address);
    net_send(client, self->sent);
    eddy_end;
}

static void open_server(const char *sent)
{
    memset(&server, 0, sizeof server);
    server.linger_time = -1; /* who goes has gone, whether his peer reads or not */
    answered = begun = ended = 0;
    second_result = EDDY_PENDING;
    eddy_event_init(&answer);
    eddy_event_init(&clean);
    eddy_event_set(&clean);
    client = -1;
    (void)eddy_detach(start(serves, .sent = sent));
}

/* Each handler has ended with its finally, and nothing of the drain is left. */
static void log_drained(void)
{
    assert_int_equal(begun, 1);
    assert_int_equal(ended, 1);
    assert_int_equal(server.active, 0);
    assert_false(server.draining);
    assert_false(eddy_timer_started(&server.grace));
    assert_false(eddy_io_started(&server.first.io));
    testing_log("%d answered", answered);
    if (second_result != EDDY_PENDING) {
        testing_log("second %lld", (long long)second_result);
    }
}

static void close_client(void)
{
    if (client >= 0) {
        close(client);
    }
    client = -1;
}

static int64_t wait_drained(eddy_coro *co)
{
    return eddy_server_drain(co, &server, 100 * EDDY_SECOND);
}

static void close_server(eddy_coro *co)
{
    (void)co;
    eddy_server_close(&server);
}

/* What follows a cancel changes nothing. */
#define CANCELLED                                                                  \
    {                                                                              \
        "ECANCELED; 0 answered", "ECANCELED; 0 answered", "ECANCELED; 0 answered", \
            "ECANCELED; 0 answered"                                                \
    }

/* ---- who is busy when it begins */

static void open_busy(eddy_coro *co)
{
    (void)co;
    open_server("ab");
}

static void give_answer(eddy_coro *co)
{
    (void)co;
    eddy_event_set(&answer);
}

static const char *const busy_apart[RACE_EVENTS][RACE_EVENTS] = {
    [WAKE] = {"0; 1 answered", "0; 1 answered", "0; 1 answered", "0; 1 answered"},
    [TIME_OUT] = {"ETIMEDOUT; 0 answered", ONE_DEADLINE, "ETIMEDOUT; 0 answered",
                  "ETIMEDOUT; 0 answered"},
    [CANCEL] = CANCELLED,
    [CLOSE] = {"0; 1 answered", "ETIMEDOUT; 0 answered", "ECANCELED; 0 answered", "0; 1 answered"},
};

static const struct race_table busy_races = {
    .operation = "drain with a busy client",
    .set_up = open_busy,
    .wait = wait_drained,
    .wake = give_answer,
    .close = close_server,
    .settle = give_answer,
    .log_left = log_drained,
    .tear_down = close_client,
    .tells_count = true,
    .apart = busy_apart,
    .pending = {"ECANCELED; 0 answered", "ECANCELED; 0 answered"},
    .cells =
        {
            [WAKE] = {"0; 1 answered", "ETIMEDOUT; 0 answered", "ECANCELED; 0 answered",
                      "0; 1 answered"},
            [TIME_OUT] = {"ETIMEDOUT; 0 answered", ONE_DEADLINE, "ECANCELED; 0 answered",
                          "ETIMEDOUT; 0 answered"},
            [CANCEL] = CANCELLED,
            [CLOSE] = {"0; 1 answered", "ETIMEDOUT; 0 answered", "ECANCELED; 0 answered",
                       "0; 1 answered"},
        },
};

test(a_busy_client)
{
    run_race_table(&busy_races);
}

/* ---- who is idle when it begins, is sent away at once, and has a cleanup that takes its time */

static void open_idle(eddy_coro *co)
{
    (void)co;
    open_server("");
    eddy_event_clear(&clean);
}

static void let_clean(eddy_coro *co)
{
    (void)co;
    eddy_event_set(&clean);
}

static const char *const idle_apart[RACE_EVENTS][RACE_EVENTS] = {
    [WAKE] = {"0; 0 answered", "0; 0 answered", "0; 0 answered", "0; 0 answered"},
    [TIME_OUT] = {"ETIMEDOUT; 0 answered", ONE_DEADLINE, "ECANCELED; 0 answered",
                  "ETIMEDOUT; 0 answered"},
    [CANCEL] = CANCELLED,
    [CLOSE] = {"0; 0 answered", "ETIMEDOUT; 0 answered", "ECANCELED; 0 answered", "0; 0 answered"},
};

static const struct race_table idle_races = {
    .operation = "drain with an idle client",
    .set_up = open_idle,
    .wait = wait_drained,
    .wake = let_clean,
    .close = close_server,
    .settle = let_clean,
    .log_left = log_drained,
    .tear_down = close_client,
    .tells_count = true,
    .apart = idle_apart,
    .pending = {"ECANCELED; 0 answered", "ECANCELED; 0 answered"},
    .cells =
        {
            [WAKE] = {"0; 0 answered", "ETIMEDOUT; 0 answered", "ECANCELED; 0 answered",
                      "0; 0 answered"},
            [TIME_OUT] = {"ETIMEDOUT; 0 answered", ONE_DEADLINE, "ECANCELED; 0 answered",
                          "ETIMEDOUT; 0 answered"},
            [CANCEL] = CANCELLED,
            [CLOSE] = {"0; 0 answered", "ETIMEDOUT; 0 answered", "ECANCELED; 0 answered",
                       "0; 0 answered"},
        },
};

test(an_idle_client_with_a_cleanup)
{
    run_race_table(&idle_races);
}

/* ---- who ends by himself in the midst of a request */

static void open_half(eddy_coro *co)
{
    (void)co;
    open_server("a");
    eddy_event_set(&answer);
    completed = false;
}

static void leave(eddy_coro *co)
{
    (void)co;
    close_client();
}

static const struct race_table leaving_races = {
    .operation = "drain with a client who leaves",
    .set_up = open_half,
    .wait = wait_drained,
    .wake = leave,
    .close = close_server,
    .settle = leave,
    .log_left = log_drained,
    .tear_down = close_client,
    .tells_count = true,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 answered", "ECANCELED; 0 answered"},
    .cells =
        {
            [WAKE] = {"0; 0 answered", "ETIMEDOUT; 0 answered", "ECANCELED; 0 answered",
                      "0; 0 answered"},
            [TIME_OUT] = {"ETIMEDOUT; 0 answered", ONE_DEADLINE, "ECANCELED; 0 answered",
                          "ETIMEDOUT; 0 answered"},
            [CANCEL] = CANCELLED,
            [CLOSE] = {"0; 0 answered", "ETIMEDOUT; 0 answered", "ECANCELED; 0 answered",
                       "0; 0 answered"},
        },
};

test(a_client_who_leaves)
{
    run_race_table(&leaving_races);
}

/* ---- who becomes idle: his request is there, and is answered at once */

static void complete_request(eddy_coro *co)
{
    (void)co;
    if (!completed && ended == 0) {
        net_send(client, "b");
    }
    completed = true;
}

static const struct race_table answered_races = {
    .operation = "drain with a client who is answered",
    .set_up = open_half,
    .wait = wait_drained,
    .wake = complete_request,
    .close = close_server,
    .settle = complete_request,
    .log_left = log_drained,
    .tear_down = close_client,
    .tells_count = true,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 answered", "ECANCELED; 0 answered"},
    .cells =
        {
            [WAKE] = {"0; 1 answered", "ETIMEDOUT; 0 answered", "ECANCELED; 0 answered",
                      "0; 1 answered"},
            [TIME_OUT] = {"ETIMEDOUT; 0 answered", ONE_DEADLINE, "ECANCELED; 0 answered",
                          "ETIMEDOUT; 0 answered"},
            [CANCEL] = CANCELLED,
            [CLOSE] = {"0; 1 answered", "ETIMEDOUT; 0 answered", "ECANCELED; 0 answered",
                       "0; 1 answered"},
        },
};

test(a_client_who_becomes_idle)
{
    run_race_table(&answered_races);
}

/* ---- the grace is over; in place of a close the answer comes */

static int64_t wait_with_grace(eddy_coro *co)
{
    return eddy_server_drain(co, &server, EDDY_SECOND / 2);
}

static void end_grace(eddy_coro *co)
{
    (void)co;
    eddy_clock_advance(&testing.clock, EDDY_SECOND / 2);
}

static const char *const grace_apart[RACE_EVENTS][RACE_EVENTS] = {
    [WAKE] = {"1; 0 answered", "1; 0 answered", "1; 0 answered", "1; 0 answered"},
    [TIME_OUT] = {"ETIMEDOUT; 0 answered", ONE_DEADLINE, "ETIMEDOUT; 0 answered",
                  "ETIMEDOUT; 0 answered"},
    [CANCEL] = CANCELLED,
    [CLOSE] = {"0; 1 answered", "0; 1 answered", "0; 1 answered", "0; 1 answered"},
};

static const struct race_table grace_races = {
    .operation = "drain whose grace ends",
    .set_up = open_busy,
    .wait = wait_with_grace,
    .wake = end_grace,
    .close = give_answer,
    .settle = give_answer,
    .log_left = log_drained,
    .tear_down = close_client,
    .tells_count = true,
    .wakes_by_event = true,
    .apart = grace_apart,
    .pending = {"ECANCELED; 0 answered", "ECANCELED; 0 answered"},
    .cells =
        {
            [WAKE] = {"ETIMEDOUT; 0 answered", "ETIMEDOUT; 0 answered", "ECANCELED; 0 answered",
                      "1; 0 answered"},
            [TIME_OUT] = {"ETIMEDOUT; 0 answered", ONE_DEADLINE, "ECANCELED; 0 answered",
                          "ETIMEDOUT; 0 answered"},
            [CANCEL] = CANCELLED,
            [CLOSE] = {"1; 1 answered", "ETIMEDOUT; 0 answered", "ECANCELED; 0 answered",
                       "0; 1 answered"},
        },
};

test(the_grace_is_over)
{
    run_race_table(&grace_races);
}

/* ---- a second drain, without a grace, in place of a close */

static const char *const second_apart[RACE_EVENTS][RACE_EVENTS] = {
    [WAKE] = {"0; 1 answered", "0; 1 answered", "0; 1 answered", "0; 1 answered second 0"},
    [TIME_OUT] = {"ETIMEDOUT; 0 answered", ONE_DEADLINE, "ETIMEDOUT; 0 answered",
                  "ETIMEDOUT; 0 answered second 0"},
    [CANCEL] = {"ECANCELED; 0 answered", "ECANCELED; 0 answered", "ECANCELED; 0 answered",
                "ECANCELED; 0 answered second 0"},
    [CLOSE] = {"1; 0 answered second 1", "1; 0 answered second 1", "1; 0 answered second 1",
               "1; 0 answered second 0"},
};

static const struct race_table second_races = {
    .operation = "two drains",
    .set_up = open_busy,
    .wait = wait_drained,
    .wake = give_answer,
    .close = drain_too,
    .settle = give_answer,
    .log_left = log_drained,
    .tear_down = close_client,
    .tells_count = true,
    .apart = second_apart,
    .pending = {"ECANCELED; 0 answered", "ECANCELED; 0 answered"},
    .cells =
        {
            [WAKE] = {"0; 1 answered", "ETIMEDOUT; 0 answered", "ECANCELED; 0 answered",
                      "1; 1 answered second 1"},
            [TIME_OUT] = {"ETIMEDOUT; 0 answered", ONE_DEADLINE, "ECANCELED; 0 answered",
                          "ETIMEDOUT; 0 answered second 1"},
            [CANCEL] = {"ECANCELED; 0 answered", "ECANCELED; 0 answered", "ECANCELED; 0 answered",
                        "ECANCELED; 0 answered second 1"},
            [CLOSE] = {"1; 0 answered second 1", "ETIMEDOUT; 0 answered second 1",
                       "ECANCELED; 0 answered second 1", "1; 0 answered second 1"},
        },
};

test(a_second_drain)
{
    run_race_table(&second_races);
}

/* ---- the loop's end, in the same turn as something else */

eddy_frame(drains_first) {
    eddy_coro co;
    int64_t rc;
};

static void drains_first(eddy_coro *co)
{
    eddy_begin(drains_first);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, wait_drained(co)));
    log_end("drain", self->rc);
    eddy_end;
}

static eddy_task first;

static void cancel_first(eddy_coro *co)
{
    (void)co;
    assert_int_equal(eddy_cancel(first), 0);
}

static void time_out(eddy_coro *co)
{
    (void)co;
    eddy_clock_advance(&testing.clock, EDDY_SECOND);
}

static void end_loop_after(void (*event)(eddy_coro *), const char *expected)
{
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    testing.clock.now = 0;
    open_server("ab");
    testing_turns();
    testing_turns();
    first = start(drains_first);
    testing_turns();
    event(NULL); /* and in the same turn, the end */
    testing_free();
    log_drained();
    testing_assert_log(expected);
    close_client();
}

test(the_end_of_the_loop)
{
    end_loop_after(close_server, "drain=ECANCELED@0 0 answered");
    end_loop_after(give_answer, "drain=ECANCELED@0 0 answered");
    end_loop_after(time_out, "drain=ECANCELED@1 0 answered");
    end_loop_after(cancel_first, "drain=ECANCELED@0 0 answered");
    end_loop_after(drain_too, "drain=ECANCELED@0 0 answered");
}

static int setup(void **state)
{
    int result = testing_setup(state);

    return result != 0 ? result : open_directory();
}

static int teardown(void **state)
{
    int removed = close_directory();

    return testing_teardown(state) != 0 || removed != 0 ? -1 : 0;
}

#define drain_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        drain_case(a_busy_client),       drain_case(an_idle_client_with_a_cleanup),
        drain_case(a_client_who_leaves), drain_case(a_client_who_becomes_idle),
        drain_case(the_grace_is_over),   drain_case(a_second_drain),
        drain_case(the_end_of_the_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
