/* Races of what transports do, and of eddy_writable. */
#include "support/net.h"
#include "support/races.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "eddy/memory.h"
#include "eddy/stream.h"

enum { CAPACITY = 4 };

static eddy_stream stream, far;
static char buffer[8];

static void close_stream(eddy_coro *co)
{
    (void)co;
    eddy_stream_close(&stream);
}

static void close_both(void)
{
    eddy_stream_close(&stream);
    eddy_stream_close(&far);
}

static void begin(void)
{
    memset(&stream, 0, sizeof stream);
    memset(&far, 0, sizeof far);
    memset(buffer, 0, sizeof buffer);
}

/* ---- a pair in memory: read */

static void open_memory(eddy_coro *co)
{
    (void)co;
    begin();
    assert_int_equal(eddy_memory_pair(testing.loop, &stream, &far, CAPACITY), 0);
}

static int64_t wait_read(eddy_coro *co)
{
    return eddy_read(co, &stream, buffer, sizeof buffer);
}

static int64_t wait_readable(eddy_coro *co)
{
    return eddy_readable(co, &stream);
}

static void send_byte(eddy_coro *co)
{
    (void)co;
    (void)eddy_try_write(&far, "x", 1);
}

/* What was read, and what is still to be read. */
static void log_read(void)
{
    char rest[8];
    int64_t left = eddy_stream_is_open(&stream) ? eddy_try_read(&stream, rest, sizeof rest) : 0;

    testing_log("%zu read %d left", strlen(buffer), left > 0 ? (int)left : 0);
}

static const struct race_table memory_read_races = {
    .operation = "read from memory",
    .set_up = open_memory,
    .wait = wait_read,
    .wake = send_byte,
    .close = close_stream,
    .log_left = log_read,
    .tear_down = close_both,
    .pending = {"ECANCELED; 0 read 0 left", "ECANCELED; 0 read 0 left"},
    .cells =
        {
            [WAKE] = {"ok; 2 read 0 left", "ETIMEDOUT; 0 read 1 left", "ECANCELED; 0 read 1 left",
                      "EBADF; 0 read 0 left"},
            [TIME_OUT] = {"ETIMEDOUT; 0 read 1 left", ONE_DEADLINE, "ECANCELED; 0 read 0 left",
                          "ETIMEDOUT; 0 read 0 left"},
            [CANCEL] = {"ECANCELED; 0 read 1 left", "ECANCELED; 0 read 0 left",
                        "ECANCELED; 0 read 0 left", "ECANCELED; 0 read 0 left"},
            [CLOSE] = {"EBADF; 0 read 0 left", "EBADF; 0 read 0 left",
                       "EBADF, then ECANCELED; 0 read 0 left", "EBADF; 0 read 0 left"},
        },
};

test(a_read_from_memory)
{
    run_race_table(&memory_read_races);
}

static const struct race_table memory_readable_races = {
    .operation = "readable memory",
    .set_up = open_memory,
    .wait = wait_readable,
    .wake = send_byte,
    .close = close_stream,
    .log_left = log_read,
    .tear_down = close_both,
    .pending = {"ECANCELED; 0 read 0 left", "ECANCELED; 0 read 0 left"},
    .cells =
        {
            [WAKE] = {"ok; 0 read 2 left", "ok; 0 read 1 left", "ok, then ECANCELED; 0 read 1 left",
                      "ok; 0 read 0 left"},
            [TIME_OUT] = {"ETIMEDOUT; 0 read 1 left", ONE_DEADLINE, "ECANCELED; 0 read 0 left",
                          "ETIMEDOUT; 0 read 0 left"},
            [CANCEL] = {"ECANCELED; 0 read 1 left", "ECANCELED; 0 read 0 left",
                        "ECANCELED; 0 read 0 left", "ECANCELED; 0 read 0 left"},
            [CLOSE] = {"EBADF; 0 read 0 left", "EBADF; 0 read 0 left",
                       "EBADF, then ECANCELED; 0 read 0 left", "EBADF; 0 read 0 left"},
        },
};

test(memory_that_becomes_readable)
{
    run_race_table(&memory_readable_races);
}

/* ---- write, of two bytes more than there is room for */

static int64_t wait_write(eddy_coro *co)
{
    (void)eddy_try_write(&stream, "abcd", CAPACITY);
    return eddy_write(co, &stream, "ef", 2);
}

static int64_t wait_writable(eddy_coro *co)
{
    while (eddy_try_write(&stream, "abcd", CAPACITY) > 0) {}
    return eddy_writable(co, &stream);
}

static void take_all(eddy_coro *co)
{
    char got[8];

    (void)co;
    (void)eddy_try_read(&far, got, sizeof got);
}

static void log_write(void)
{
    testing_log("%zu", eddy_stream_written(&stream));
}

static const struct race_table memory_write_races = {
    .operation = "write to memory",
    .set_up = open_memory,
    .wait = wait_write,
    .wake = take_all,
    .close = close_stream,
    .log_left = log_write,
    .tear_down = close_both,
    .pending = {"ECANCELED; 0", "ECANCELED; 0"},
    .cells =
        {
            [WAKE] = {"ok; 2", "ETIMEDOUT; 0", "ECANCELED; 0", "EBADF; 0"},
            [TIME_OUT] = {"ETIMEDOUT; 0", ONE_DEADLINE, "ECANCELED; 0", "ETIMEDOUT; 0"},
            [CANCEL] = {"ECANCELED; 0", "ECANCELED; 0", "ECANCELED; 0", "ECANCELED; 0"},
            [CLOSE] = {"EBADF; 0", "EBADF; 0", "EBADF, then ECANCELED; 0", "EBADF; 0"},
        },
};

test(a_write_to_memory)
{
    run_race_table(&memory_write_races);
}

static void log_open(void)
{
    testing_log("%s", eddy_stream_is_open(&stream) ? "open" : "closed");
}

static const struct race_table writable_races = {
    .operation = "writable",
    .set_up = open_memory,
    .wait = wait_writable,
    .wake = take_all,
    .close = close_stream,
    .log_left = log_open,
    .tear_down = close_both,
    .pending = {"ECANCELED; open", "ECANCELED; open"},
    .cells =
        {
            [WAKE] = {"ok; open", "ok; open", "ok, then ECANCELED; open", "ok; closed"},
            [TIME_OUT] = {"ETIMEDOUT; open", ONE_DEADLINE, "ECANCELED; open", "ETIMEDOUT; closed"},
            [CANCEL] = {"ECANCELED; open", "ECANCELED; open", "ECANCELED; open",
                        "ECANCELED; closed"},
            [CLOSE] = {"EBADF; closed", "EBADF; closed", "EBADF, then ECANCELED; closed",
                       "EBADF; closed"},
        },
};

test(becoming_writable)
{
    run_race_table(&writable_races);
}

/* ---- a pipe: the loop has to hear of it */

static int write_end;

static void open_pipe(eddy_coro *co)
{
    int fds[2];

    (void)co;
    begin();
    testing_pipe(fds);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    write_end = fds[1];
}

static void poke_pipe(eddy_coro *co)
{
    (void)co;
    if (eddy_stream_is_open(&stream)) {
        testing_poke(write_end);
    }
}

static void close_pipe(void)
{
    close_both();
    close(write_end);
}

static void log_pipe(void)
{
    char rest[8];
    int64_t left = 0;

    if (eddy_stream_is_open(&stream)) {
        left = read(eddy_stream_fd(&stream), rest, sizeof rest);
    }
    testing_log("%s %d left", buffer[0] != '\0' || buffer[1] != '\0' ? "read" : "none",
                left > 0 ? (int)left : 0);
}

static const struct race_table pipe_races = {
    .operation = "pipe",
    .set_up = open_pipe,
    .wait = wait_read,
    .wake = poke_pipe,
    .close = close_stream,
    .log_left = log_pipe,
    .tear_down = close_pipe,
    .wakes_by_event = true,
    .pending = {"ECANCELED; none 0 left", "ECANCELED; none 0 left"},
    .cells =
        {
            [WAKE] = {"ok; read 0 left", "ETIMEDOUT; none 1 left", "ECANCELED; none 1 left",
                      "EBADF; none 0 left"},
            [TIME_OUT] = {"ETIMEDOUT; none 1 left", ONE_DEADLINE, "ECANCELED; none 0 left",
                          "ETIMEDOUT; none 0 left"},
            [CANCEL] = {"ECANCELED; none 1 left", "ECANCELED; none 0 left",
                        "ECANCELED; none 0 left", "ECANCELED; none 0 left"},
            [CLOSE] = {"EBADF; none 0 left", "EBADF; none 0 left",
                       "EBADF, then ECANCELED; none 0 left", "EBADF; none 0 left"},
        },
};

test(a_read_from_a_pipe)
{
    run_race_table(&pipe_races);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_read_from_memory), testing_case(memory_that_becomes_readable),
        testing_case(a_write_to_memory),  testing_case(becoming_writable),
        testing_case(a_read_from_a_pipe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
