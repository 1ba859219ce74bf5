/* Races over TLS (examples/tls), a transport that reads to write and writes to read: no byte of either direction
 * is lost or there twice, whatever comes in between. What a cell says of the two ends: log_left in tls_ends.h. */
#include "support/races.h"
#include "support/tls_ends.h"

static void open_pair(eddy_coro *co)
{
    (void)co;
    open_ends(WIDE);
    shake_hands();
}

/* In both versions: 1.2 renegotiates, 1.3 has new keys and tickets. */
static void run_in_both(const struct race_table *table)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_CTX_set_max_proto_version(server_context, version);
        run_race_table(table);
    }
    SSL_CTX_set_max_proto_version(server_context, 0);
}

/* ---- a read */

static const char *const read_apart[RACE_EVENTS][RACE_EVENTS] = {
    [WAKE] = {"ok; 1+1 open, +0 open", "ok; 1+0 open, +0 open", "ok; 1+0 open, +0 open",
              "ok; 1+0 closed, +0 ended"},
    [TIME_OUT] = {"ETIMEDOUT; 0+1 open, +0 open", ONE_DEADLINE, "ETIMEDOUT; 0+0 open, +0 open",
                  "ETIMEDOUT; 0+0 closed, +0 ended"},
    [CANCEL] = {"ECANCELED; 0+1 open, +0 open", "ECANCELED; 0+0 open, +0 open",
                "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, +0 ended"},
    [CLOSE] = {"EBADF; 0+0 closed, +0 ended", "EBADF; 0+0 closed, +0 ended",
               "EBADF; 0+0 closed, +0 ended", "EBADF; 0+0 closed, +0 ended"},
};

static const struct race_table read_races = {
    .operation = "read over TLS",
    .set_up = open_pair,
    .wait = wait_read,
    .wake = send_byte,
    .close = close_near,
    .log_left = log_left,
    .tear_down = close_pair,
    .apart = read_apart,
    .pending = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open"},
    .cells =
        {
            [WAKE] = {"ok; 1+1 open, +0 open", "ETIMEDOUT; 0+1 open, +0 open",
                      "ECANCELED; 0+1 open, +0 open", "EBADF; 0+0 closed, +0 ended"},
            [TIME_OUT] = {"ETIMEDOUT; 0+1 open, +0 open", ONE_DEADLINE,
                          "ECANCELED; 0+0 open, +0 open", "ETIMEDOUT; 0+0 closed, +0 ended"},
            [CANCEL] = {"ECANCELED; 0+1 open, +0 open", "ECANCELED; 0+0 open, +0 open",
                        "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, +0 ended"},
            [CLOSE] = {"EBADF; 0+0 closed, +0 ended", "EBADF; 0+0 closed, +0 ended",
                       "EBADF, then ECANCELED; 0+0 closed, +0 ended",
                       "EBADF; 0+0 closed, +0 ended"},
        },
};

test(a_read)
{
    run_in_both(&read_races);
}

/* ---- the peer's end: told by close_notify, or not */

static void end_far(eddy_coro *co)
{
    (void)co;
    (void)eddy_stream_shutdown_write(&far.stream);
}

static const char *const end_apart[RACE_EVENTS][RACE_EVENTS] = {
    [WAKE] = {"ok; 0+0 ended, +0 open", "ok; 0+0 ended, +0 open", "ok; 0+0 ended, +0 open",
              "ok; 0+0 closed, +0 ended"},
    [TIME_OUT] = {"ETIMEDOUT; 0+0 ended, +0 open", ONE_DEADLINE, "ETIMEDOUT; 0+0 open, +0 open",
                  "ETIMEDOUT; 0+0 closed, +0 ended"},
    [CANCEL] = {"ECANCELED; 0+0 ended, +0 open", "ECANCELED; 0+0 open, +0 open",
                "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, +0 ended"},
    [CLOSE] = {"EBADF; 0+0 closed, +0 ended", "EBADF; 0+0 closed, +0 ended",
               "EBADF; 0+0 closed, +0 ended", "EBADF; 0+0 closed, +0 ended"},
};

static const struct race_table end_races = {
    .operation = "read of an end over TLS",
    .set_up = open_pair,
    .wait = wait_read,
    .wake = end_far,
    .close = close_near,
    .log_left = log_left,
    .tear_down = close_pair,
    .apart = end_apart,
    .pending = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open"},
    .cells =
        {
            [WAKE] = {"ok; 0+0 ended, +0 open", "ETIMEDOUT; 0+0 ended, +0 open",
                      "ECANCELED; 0+0 ended, +0 open", "EBADF; 0+0 closed, +0 ended"},
            [TIME_OUT] = {"ETIMEDOUT; 0+0 ended, +0 open", ONE_DEADLINE,
                          "ECANCELED; 0+0 open, +0 open", "ETIMEDOUT; 0+0 closed, +0 ended"},
            [CANCEL] = {"ECANCELED; 0+0 ended, +0 open", "ECANCELED; 0+0 open, +0 open",
                        "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, +0 ended"},
            [CLOSE] = {"EBADF; 0+0 closed, +0 ended", "EBADF; 0+0 closed, +0 ended",
                       "EBADF, then ECANCELED; 0+0 closed, +0 ended",
                       "EBADF; 0+0 closed, +0 ended"},
        },
};

test(an_end)
{
    run_in_both(&end_races);
}

static void cut_far(eddy_coro *co)
{
    (void)co;
    eddy_stream_close(&low[1]);
}

/* A byte came before the cut, in the same turn. */
static void send_and_cut(eddy_coro *co)
{
    send_byte(co);
    cut_far(co);
}

static const struct race_table cut_races = {
    .operation = "read of a cut over TLS",
    .set_up = open_pair,
    .wait = wait_read,
    .wake = cut_far,
    .close = close_near,
    .log_left = log_left,
    .tear_down = close_pair,
    .pending = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open"},
    .cells =
        {
            [WAKE] = {"ECONNRESET; 0+0 cut, +0 closed", "ETIMEDOUT; 0+0 cut, +0 closed",
                      "ECANCELED; 0+0 cut, +0 closed", "EBADF; 0+0 closed, +0 closed"},
            [TIME_OUT] = {"ETIMEDOUT; 0+0 cut, +0 closed", ONE_DEADLINE,
                          "ECANCELED; 0+0 open, +0 open", "ETIMEDOUT; 0+0 closed, +0 ended"},
            [CANCEL] = {"ECANCELED; 0+0 cut, +0 closed", "ECANCELED; 0+0 open, +0 open",
                        "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, +0 ended"},
            [CLOSE] = {"EBADF; 0+0 closed, +0 closed", "EBADF; 0+0 closed, +0 ended",
                       "EBADF, then ECANCELED; 0+0 closed, +0 ended",
                       "EBADF; 0+0 closed, +0 ended"},
        },
};

test(a_cut)
{
    run_in_both(&cut_races);
}

static const struct race_table byte_and_cut_races = {
    .operation = "read of a byte and a cut over TLS",
    .set_up = open_pair,
    .wait = wait_read,
    .wake = send_and_cut,
    .close = close_near,
    .log_left = log_left,
    .tear_down = close_pair,
    .pending = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open"},
    .cells =
        {
            [WAKE] = {"ok; 1+0 cut, +0 closed", "ETIMEDOUT; 0+1 cut, +0 closed",
                      "ECANCELED; 0+1 cut, +0 closed", "EBADF; 0+0 closed, +0 closed"},
            [TIME_OUT] = {"ETIMEDOUT; 0+1 cut, +0 closed", ONE_DEADLINE,
                          "ECANCELED; 0+0 open, +0 open", "ETIMEDOUT; 0+0 closed, +0 ended"},
            [CANCEL] = {"ECANCELED; 0+1 cut, +0 closed", "ECANCELED; 0+0 open, +0 open",
                        "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, +0 ended"},
            [CLOSE] = {"EBADF; 0+0 closed, +0 closed", "EBADF; 0+0 closed, +0 ended",
                       "EBADF, then ECANCELED; 0+0 closed, +0 ended",
                       "EBADF; 0+0 closed, +0 ended"},
        },
};

test(a_byte_and_a_cut)
{
    run_in_both(&byte_and_cut_races);
}

/* ---- our own end, in place of a close: what comes is still read */

static void end_near(eddy_coro *co)
{
    (void)co;
    assert_int_equal(eddy_stream_shutdown_write(&near.stream), 0);
}

static const struct race_table own_end_races = {
    .operation = "read after our own end over TLS",
    .set_up = open_pair,
    .wait = wait_read,
    .wake = send_byte,
    .close = end_near,
    .settle = send_byte,
    .log_left = log_left,
    .tear_down = close_pair,
    .pending = {"ECANCELED; 0+1 open, +0 open", "ECANCELED; 0+1 open, +0 open"},
    .cells =
        {
            [WAKE] = {"ok; 1+2 open, +0 open", "ETIMEDOUT; 0+2 open, +0 open",
                      "ECANCELED; 0+2 open, +0 open", "ok; 1+1 open, +0 ended"},
            [TIME_OUT] = {"ETIMEDOUT; 0+2 open, +0 open", ONE_DEADLINE,
                          "ECANCELED; 0+1 open, +0 open", "ETIMEDOUT; 0+1 open, +0 ended"},
            [CANCEL] = {"ECANCELED; 0+2 open, +0 open", "ECANCELED; 0+1 open, +0 open",
                        "ECANCELED; 0+1 open, +0 open", "ECANCELED; 0+1 open, +0 ended"},
            [CLOSE] = {"ok; 1+1 open, +0 ended", "ETIMEDOUT; 0+1 open, +0 ended",
                       "ECANCELED; 0+1 open, +0 ended", "ok; 1+0 open, +0 ended"},
        },
};

test(our_own_end)
{
    run_in_both(&own_end_races);
}

/* ---- a write that there is no room for: all that was taken arrives, once; but a close drops the record that
 * waits for room (tls_close) */

static void open_full(eddy_coro *co)
{
    (void)co;
    open_ends(FULL);
    shake_hands();
    while (eddy_try_write(&near.stream, "abcd", 4) > 0) {
        filled += 4;
    }
}

static int64_t wait_write(eddy_coro *co)
{
    return eddy_write(co, &near.stream, "ef", 2);
}

static const char *const write_apart[RACE_EVENTS][RACE_EVENTS] = {
    [WAKE] = {"ok; 0+0 open, +2 open", "ok; 0+0 open, +2 open", "ok; 0+0 open, +2 open",
              "ok; 0+0 closed, +2 ended"},
    [TIME_OUT] = {"ETIMEDOUT; 0+0 open, +0 open", ONE_DEADLINE, "ETIMEDOUT; 0+0 open, +0 open",
                  "ETIMEDOUT; 0+0 closed, -4 cut"},
    [CANCEL] = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open",
                "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, -4 cut"},
    [CLOSE] = {"EBADF; 0+0 closed, -4 cut", "EBADF; 0+0 closed, -4 cut",
               "EBADF; 0+0 closed, -4 cut", "EBADF; 0+0 closed, -4 cut"},
};

static const struct race_table write_races = {
    .operation = "write over TLS",
    .set_up = open_full,
    .wait = wait_write,
    .wake = take_all,
    .close = close_near,
    .log_left = log_left,
    .tear_down = close_pair,
    .apart = write_apart,
    .pending = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open"},
    .cells =
        {
            [WAKE] = {"ok; 0+0 open, +2 open", "ETIMEDOUT; 0+0 open, +0 open",
                      "ECANCELED; 0+0 open, +0 open", "EBADF; 0+0 closed, +0 ended"},
            [TIME_OUT] = {"ETIMEDOUT; 0+0 open, +0 open", ONE_DEADLINE,
                          "ECANCELED; 0+0 open, +0 open", "ETIMEDOUT; 0+0 closed, -4 cut"},
            [CANCEL] = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open",
                        "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, -4 cut"},
            [CLOSE] = {"EBADF; 0+0 closed, -4 cut", "EBADF; 0+0 closed, -4 cut",
                       "EBADF, then ECANCELED; 0+0 closed, -4 cut", "EBADF; 0+0 closed, -4 cut"},
        },
};

test(a_write)
{
    run_in_both(&write_races);
}

/* ---- close_notify waits for room behind what was written */

static const char *const full_end_apart[RACE_EVENTS][RACE_EVENTS] = {
    [WAKE] = {"ok; 0+0 open, +0 ended", "ok; 0+0 open, +0 ended", "ok; 0+0 open, +0 ended",
              "ok; 0+0 closed, +0 ended"},
    [TIME_OUT] = {"ETIMEDOUT; 0+0 open, +0 ended", ONE_DEADLINE, "ETIMEDOUT; 0+0 open, +0 ended",
                  "ETIMEDOUT; 0+0 closed, -4 cut"},
    [CANCEL] = {"ECANCELED; 0+0 open, +0 ended", "ECANCELED; 0+0 open, +0 ended",
                "ECANCELED; 0+0 open, +0 ended", "ECANCELED; 0+0 closed, -4 cut"},
    [CLOSE] = {"EBADF; 0+0 closed, -4 cut", "EBADF; 0+0 closed, -4 cut",
               "EBADF; 0+0 closed, -4 cut", "EBADF; 0+0 closed, -4 cut"},
};

static const struct race_table full_end_races = {
    .operation = "shutdown over TLS",
    .set_up = open_full,
    .wait = wait_ended,
    .wake = take_all,
    .close = close_near,
    .log_left = log_left,
    .tear_down = close_pair,
    .apart = full_end_apart,
    .pending = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open"},
    .cells =
        {
            [WAKE] = {"ok; 0+0 open, +0 ended", "ok; 0+0 open, +0 ended",
                      "ok, then ECANCELED; 0+0 open, +0 ended", "EBADF; 0+0 closed, +0 ended"},
            [TIME_OUT] = {"ETIMEDOUT; 0+0 open, +0 ended", ONE_DEADLINE,
                          "ECANCELED; 0+0 open, +0 ended", "ETIMEDOUT; 0+0 closed, -4 cut"},
            [CANCEL] = {"ECANCELED; 0+0 open, +0 ended", "ECANCELED; 0+0 open, +0 ended",
                        "ECANCELED; 0+0 open, +0 ended", "ECANCELED; 0+0 closed, -4 cut"},
            [CLOSE] = {"EBADF; 0+0 closed, -4 cut", "EBADF; 0+0 closed, -4 cut",
                       "EBADF, then ECANCELED; 0+0 closed, -4 cut", "EBADF; 0+0 closed, -4 cut"},
        },
};

test(an_end_that_waits_for_room)
{
    run_in_both(&full_end_races);
}

/* ---- the far end renews the keys, and sends a byte with the new ones: a read has to write */

static void renew_keys(eddy_coro *co)
{
    (void)co;
    if (!eddy_stream_is_open(&far.stream)) {
        return;
    }
    if (SSL_version(far.ssl) == TLS1_3_VERSION) {
        assert_int_equal(SSL_key_update(far.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    } else if (!SSL_in_init(far.ssl)) {
        assert_int_equal(SSL_renegotiate(far.ssl), 1);
    }
    (void)eddy_try_write(&far.stream, "x", 1);
}

static const struct race_table keys_races = {
    .operation = "read of a byte with new keys",
    .set_up = open_pair,
    .wait = wait_read,
    .wake = renew_keys,
    .close = close_near,
    .settle = take_all,
    .log_left = log_left,
    .tear_down = close_pair,
    .pending = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open"},
    .cells =
        {
            [WAKE] = {"ok; 1+1 open, +0 open", "ETIMEDOUT; 0+1 open, +0 open",
                      "ECANCELED; 0+1 open, +0 open", "EBADF; 0+0 closed, +0 ended"},
            [TIME_OUT] = {"ETIMEDOUT; 0+1 open, +0 open", ONE_DEADLINE,
                          "ECANCELED; 0+0 open, +0 open", "ETIMEDOUT; 0+0 closed, +0 ended"},
            [CANCEL] = {"ECANCELED; 0+1 open, +0 open", "ECANCELED; 0+0 open, +0 open",
                        "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, +0 ended"},
            [CLOSE] = {"EBADF; 0+0 closed, +0 ended", "EBADF; 0+0 closed, +0 ended",
                       "EBADF, then ECANCELED; 0+0 closed, +0 ended",
                       "EBADF; 0+0 closed, +0 ended"},
        },
};

test(new_keys)
{
    run_in_both(&keys_races);
}

/* Our own answer to it finds no room. */
static const struct race_table full_keys_races = {
    .operation = "read of new keys without room",
    .set_up = open_full,
    .wait = wait_read,
    .wake = renew_keys,
    .close = close_near,
    .log_left = log_left,
    .tear_down = close_pair,
    .pending = {"ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 open, +0 open"},
    .cells =
        {
            [WAKE] = {"ok; 1+1 open, +0 open", "ETIMEDOUT; 0+1 open, +0 open",
                      "ECANCELED; 0+1 open, +0 open", "EBADF; 0+0 closed, -4 cut"},
            [TIME_OUT] = {"ETIMEDOUT; 0+1 open, +0 open", ONE_DEADLINE,
                          "ECANCELED; 0+0 open, +0 open", "ETIMEDOUT; 0+0 closed, -4 cut"},
            [CANCEL] = {"ECANCELED; 0+1 open, +0 open", "ECANCELED; 0+0 open, +0 open",
                        "ECANCELED; 0+0 open, +0 open", "ECANCELED; 0+0 closed, -4 cut"},
            [CLOSE] = {"EBADF; 0+0 closed, -4 cut", "EBADF; 0+0 closed, -4 cut",
                       "EBADF, then ECANCELED; 0+0 closed, -4 cut", "EBADF; 0+0 closed, -4 cut"},
        },
};

test(new_keys_without_room_to_answer)
{
    run_in_both(&full_keys_races);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_read),
        testing_case(an_end),
        testing_case(a_cut),
        testing_case(a_byte_and_a_cut),
        testing_case(our_own_end),
        testing_case(a_write),
        testing_case(an_end_that_waits_for_room),
        testing_case(new_keys),
        testing_case(new_keys_without_room_to_answer),
    };

    return cmocka_run_group_tests(tests, make_contexts, free_contexts);
}
