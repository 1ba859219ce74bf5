/* Races over TLS before the two ends have agreed (see test_races_tls.c): who reads, writes or ends has to wait for
 * that first, and what he wants to send goes after it. Of version 1.3, in which the client has agreed when it has heard
 * the server once. */
#include "support/races.h"
#include "support/tls_ends.h"

static void open_strangers(eddy_coro *co)
{
    (void)co;
    near_serves = false;
    open_ends(WIDE);
}

static int64_t wait_agreed(eddy_coro *co)
{
    return tls_handshake(co, &near);
}

/* ---- the handshake, of a client and of a server */

static const char *const handshake_apart[RACE_EVENTS][RACE_EVENTS] = {
    [WAKE] = {"ok; 0+0 open, +0 open", "ok; 0+0 open, +0 open", "ok; 0+0 open, +0 open",
              "ok; 0+0 closed, +0 ended"},
    [TIME_OUT] = {"ETIMEDOUT; 0+0 open, +0 open", ONE_DEADLINE, "ETIMEDOUT; 0+0 open, +0 open",
                  "ETIMEDOUT; 0+0 closed, +0 cut"},
    [CANCEL] = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open",
                "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, +0 cut"},
    [CLOSE] = {"EBADF; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut",
               "EBADF; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut"},
};

static const struct race_table handshake_races = {
    .operation = "handshake of TLS",
    .set_up = open_strangers,
    .wait = wait_agreed,
    .wake = take_all,
    .close = close_near,
    .settle = take_all,
    .log_left = log_left,
    .tear_down = close_pair,
    .apart = handshake_apart,
    .pending = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open"},
    .cells =
        {
            [WAKE] = {"ok; 0+0 open, +0 open", "ok; 0+0 open, +0 open",
                      "ok, then ECANCELED; 0+0 open, +0 open", "EBADF; 0+0 closed, +0 cut"},
            [TIME_OUT] = {"ETIMEDOUT; 0+0 open, +0 open", ONE_DEADLINE,
                          "ECANCELED; 0+0 open, +0 open", "ETIMEDOUT; 0+0 closed, +0 cut"},
            [CANCEL] = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open",
                        "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, +0 cut"},
            [CLOSE] = {"EBADF; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut",
                       "EBADF, then ECANCELED; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut"},
        },
};

test(a_handshake)
{
    run_race_table(&handshake_races);
}

/* The client, who has said nothing yet, has to speak twice: after the first wake they have not agreed. */
static void open_serving(eddy_coro *co)
{
    (void)co;
    near_serves = true;
    open_ends(WIDE);
}

static const struct race_table served_races = {
    .operation = "handshake of a server of TLS",
    .set_up = open_serving,
    .wait = wait_agreed,
    .wake = take_all,
    .close = close_near,
    .settle = take_all,
    .log_left = log_left,
    .tear_down = close_pair,
    .pending = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open"},
    .cells =
        {
            [WAKE] = {"ok; 0+0 open, +0 open", "ETIMEDOUT; 0+0 open, +0 open",
                      "ECANCELED; 0+0 open, +0 open", "EBADF; 0+0 closed, +0 cut"},
            [TIME_OUT] = {"ETIMEDOUT; 0+0 open, +0 open", ONE_DEADLINE,
                          "ECANCELED; 0+0 open, +0 open", "ETIMEDOUT; 0+0 closed, +0 cut"},
            [CANCEL] = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open",
                        "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, +0 cut"},
            [CLOSE] = {"EBADF; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut",
                       "EBADF, then ECANCELED; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut"},
        },
};

test(a_handshake_of_a_server)
{
    run_race_table(&served_races);
}

/* ---- who writes, reads or ends before it */

static int64_t wait_write(eddy_coro *co)
{
    return eddy_write(co, &near.stream, "ef", 2);
}

static const char *const write_apart[RACE_EVENTS][RACE_EVENTS] = {
    [WAKE] = {"ok; 0+0 open, +2 open", "ok; 0+0 open, +2 open", "ok; 0+0 open, +2 open",
              "ok; 0+0 closed, +2 ended"},
    [TIME_OUT] = {"ETIMEDOUT; 0+0 open, +0 open", ONE_DEADLINE, "ETIMEDOUT; 0+0 open, +0 open",
                  "ETIMEDOUT; 0+0 closed, +0 cut"},
    [CANCEL] = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open",
                "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, +0 cut"},
    [CLOSE] = {"EBADF; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut",
               "EBADF; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut"},
};

static const struct race_table write_races = {
    .operation = "write before the handshake",
    .set_up = open_strangers,
    .wait = wait_write,
    .wake = take_all,
    .close = close_near,
    .settle = take_all,
    .log_left = log_left,
    .tear_down = close_pair,
    .apart = write_apart,
    .pending = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open"},
    .cells =
        {
            [WAKE] = {"ok; 0+0 open, +2 open", "ETIMEDOUT; 0+0 open, +0 open",
                      "ECANCELED; 0+0 open, +0 open", "EBADF; 0+0 closed, +0 cut"},
            [TIME_OUT] = {"ETIMEDOUT; 0+0 open, +0 open", ONE_DEADLINE,
                          "ECANCELED; 0+0 open, +0 open", "ETIMEDOUT; 0+0 closed, +0 cut"},
            [CANCEL] = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open",
                        "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, +0 cut"},
            [CLOSE] = {"EBADF; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut",
                       "EBADF, then ECANCELED; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut"},
        },
};

test(a_write)
{
    run_race_table(&write_races);
}

static void take_and_send(eddy_coro *co)
{
    take_all(co);
    send_byte(co);
}

static const struct race_table read_races = {
    .operation = "read before the handshake",
    .set_up = open_strangers,
    .wait = wait_read,
    .wake = take_and_send,
    .close = close_near,
    .settle = take_and_send,
    .log_left = log_left,
    .tear_down = close_pair,
    .pending = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open"},
    .cells =
        {
            [WAKE] = {"ok; 1+0 open, +0 open", "ETIMEDOUT; 0+0 open, +0 open",
                      "ECANCELED; 0+0 open, +0 open", "EBADF; 0+0 closed, +0 cut"},
            [TIME_OUT] = {"ETIMEDOUT; 0+0 open, +0 open", ONE_DEADLINE,
                          "ECANCELED; 0+0 open, +0 open", "ETIMEDOUT; 0+0 closed, +0 cut"},
            [CANCEL] = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open",
                        "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, +0 cut"},
            [CLOSE] = {"EBADF; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut",
                       "EBADF, then ECANCELED; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut"},
        },
};

test(a_read)
{
    run_race_table(&read_races);
}

static const char *const end_apart[RACE_EVENTS][RACE_EVENTS] = {
    [WAKE] = {"ok; 0+0 open, +0 ended", "ok; 0+0 open, +0 ended", "ok; 0+0 open, +0 ended",
              "ok; 0+0 closed, +0 ended"},
    [TIME_OUT] = {"ETIMEDOUT; 0+0 open, +0 open", ONE_DEADLINE, "ETIMEDOUT; 0+0 open, +0 open",
                  "ETIMEDOUT; 0+0 closed, +0 cut"},
    [CANCEL] = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open",
                "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, +0 cut"},
    [CLOSE] = {"EBADF; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut",
               "EBADF; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut"},
};

static const struct race_table end_races = {
    .operation = "shutdown before the handshake",
    .set_up = open_strangers,
    .wait = wait_ended,
    .wake = take_all,
    .close = close_near,
    .settle = take_all,
    .log_left = log_left,
    .tear_down = close_pair,
    .apart = end_apart,
    .pending = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open"},
    .cells =
        {
            [WAKE] = {"ok; 0+0 open, +0 ended", "ok; 0+0 open, +0 ended",
                      "ok, then ECANCELED; 0+0 open, +0 ended", "EBADF; 0+0 closed, +0 cut"},
            [TIME_OUT] = {"ETIMEDOUT; 0+0 open, +0 open", ONE_DEADLINE,
                          "ECANCELED; 0+0 open, +0 open", "ETIMEDOUT; 0+0 closed, +0 cut"},
            [CANCEL] = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open",
                        "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, +0 cut"},
            [CLOSE] = {"EBADF; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut",
                       "EBADF, then ECANCELED; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut"},
        },
};

test(an_end)
{
    run_race_table(&end_races);
}

/* ---- who is no peer */

static void cut_far(eddy_coro *co)
{
    (void)co;
    eddy_stream_close(&far.stream);
}

static const struct race_table cut_races = {
    .operation = "handshake with who goes",
    .set_up = open_strangers,
    .wait = wait_agreed,
    .wake = cut_far,
    .close = close_near,
    .log_left = log_left,
    .tear_down = close_pair,
    .pending = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open"},
    .cells =
        {
            [WAKE] = {"ECONNRESET; 0+0 cut, +0 closed", "ECONNRESET; 0+0 cut, +0 closed",
                      "ECONNRESET, then ECANCELED; 0+0 cut, +0 closed",
                      "EBADF; 0+0 closed, +0 closed"},
            [TIME_OUT] = {"ETIMEDOUT; 0+0 cut, +0 closed", ONE_DEADLINE,
                          "ECANCELED; 0+0 open, +0 open", "ETIMEDOUT; 0+0 closed, +0 cut"},
            [CANCEL] = {"ECANCELED; 0+0 cut, +0 closed", "ECANCELED; 0+0 open, +0 open",
                        "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, +0 cut"},
            [CLOSE] = {"EBADF; 0+0 closed, +0 closed", "EBADF; 0+0 closed, +0 cut",
                       "EBADF, then ECANCELED; 0+0 closed, +0 cut", "EBADF; 0+0 closed, +0 cut"},
        },
};

test(a_cut)
{
    run_race_table(&cut_races);
}

/* It speaks something else. */
static void open_to_others(eddy_coro *co)
{
    open_strangers(co);
    far.owns_below = false;
    eddy_stream_close(&far.stream);
}

static void say_hello(eddy_coro *co)
{
    (void)co;
    (void)eddy_try_write(&low[1], "220 hello\r\n", 11);
}

static const struct race_table other_races = {
    .operation = "handshake with who does not speak TLS",
    .set_up = open_to_others,
    .wait = wait_agreed,
    .wake = say_hello,
    .close = close_near,
    .log_left = log_left,
    .tear_down = close_pair,
    .pending = {"ECANCELED; 0+0 open, +0 closed", "ECANCELED; 0+0 open, +0 closed"},
    .cells =
        {
            [WAKE] = {"Protocol error; 0+0 Protocol error, +0 closed",
                      "Protocol error; 0+0 Protocol error, +0 closed",
                      "Protocol error, then ECANCELED; 0+0 Protocol error, +0 closed",
                      "EBADF; 0+0 closed, +0 closed"},
            [TIME_OUT] = {"ETIMEDOUT; 0+0 Protocol error, +0 closed", ONE_DEADLINE,
                          "ECANCELED; 0+0 open, +0 closed", "ETIMEDOUT; 0+0 closed, +0 closed"},
            [CANCEL] = {"ECANCELED; 0+0 Protocol error, +0 closed",
                        "ECANCELED; 0+0 open, +0 closed", "ECANCELED; 0+0 open, +0 closed",
                        "ECANCELED; 0+0 closed, +0 closed"},
            [CLOSE] = {"EBADF; 0+0 closed, +0 closed", "EBADF; 0+0 closed, +0 closed",
                       "EBADF, then ECANCELED; 0+0 closed, +0 closed",
                       "EBADF; 0+0 closed, +0 closed"},
        },
};

test(who_does_not_speak_it)
{
    run_race_table(&other_races);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_handshake),
        testing_case(a_handshake_of_a_server),
        testing_case(a_write),
        testing_case(a_read),
        testing_case(an_end),
        testing_case(a_cut),
        testing_case(who_does_not_speak_it),
    };

    return cmocka_run_group_tests(tests, make_contexts, free_contexts);
}
