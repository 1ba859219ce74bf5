/* What waits for a writer: its result is there when the bytes are with the kernel, and stands; whatever ends
 * the wait before, what was put goes on. */
#include "support/races.h"

#include <sys/socket.h>
#include <unistd.h>

#include "support/net.h"

#include "eddy/writer.h"

enum { HIGH = 20 * 1024, PIECE = 1000 };

static eddy_stream stream;
static eddy_writer writer;
static int peer;
static char data[HIGH];
static size_t put, got;

/* The kernel takes no more, and more than `high` bytes wait. */
static void open_writer(eddy_coro *co)
{
    const struct eddy_writer_options options = {.high = HIGH - 1, .low = HIGH / 2, .limit = HIGH};
    int fds[2];
    int64_t count;

    (void)co;
    testing_socketpair(fds);
    memset(&stream, 0, sizeof stream);
    memset(&writer, 0, sizeof writer);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    assert_int_equal(eddy_writer_open(&writer, &stream, &options), 0);
    peer = fds[1];
    put = got = 0;
    while ((count = eddy_try_write(&stream, data, sizeof data)) > 0) {
        put += (size_t)count;
    }
    assert_int_equal(eddy_writer_put(&writer, data, HIGH), 0);
    put += HIGH;
}

static void close_both(void)
{
    eddy_writer_drop(&writer);
    testing.errors.count = 0; /* it tells of a stream that was closed when nobody waited any more */
    eddy_stream_close(&stream);
    close(peer);
}

static void close_stream(eddy_coro *co)
{
    (void)co;
    eddy_stream_close(&stream);
}

/* The kernel takes all that waits, as a peer that takes all makes it. */
static void take_all(eddy_coro *co)
{
    (void)co;
    got += net_drain(peer);
}

static void log_left(void)
{
    size_t more;

    do {
        testing_turns();
        more = net_drain(peer);
        got += more;
    } while (more > 0);
    testing_log("%s, %s", eddy_writer_is_open(&writer) ? "open" : "closed",
                got == put           ? "all came"
                : got == put + PIECE ? "all and the piece came"
                                     : "a part came");
}

static int64_t wait_drain(eddy_coro *co)
{
    return eddy_writer_drain(co, &writer);
}

static int64_t wait_flush(eddy_coro *co)
{
    return eddy_writer_flush(co, &writer);
}

static int64_t wait_write(eddy_coro *co)
{
    return eddy_writer_write(co, &writer, data, PIECE);
}

static int64_t wait_close(eddy_coro *co)
{
    return eddy_writer_close(co, &writer);
}

#define WAITS(its_wait)                                                               \
    .set_up = open_writer, .wait = its_wait, .wake = take_all, .close = close_stream, \
    .log_left = log_left, .tear_down = close_both, .wakes_by_event = true

/* Room that the loop has heard of is no result yet, until the flush has filled it. */
#define CELLS(done, not_done, left, failed)                                                 \
    .pending = {"ECANCELED; " not_done, "ECANCELED; " not_done},                            \
    .cells = {                                                                              \
        [WAKE] = {done, "ETIMEDOUT; " not_done, "ECANCELED; " not_done, "EBADF; " failed},  \
        [TIME_OUT] = {"ETIMEDOUT; " not_done, ONE_DEADLINE, "ECANCELED; " not_done,         \
                      "ETIMEDOUT; " left},                                                  \
        [CANCEL] = {"ECANCELED; " not_done, "ECANCELED; " not_done, "ECANCELED; " not_done, \
                    "ECANCELED; " left},                                                    \
        [CLOSE] = {"EBADF; " failed, "EBADF; " failed, "EBADF, then ECANCELED; " failed,    \
                   "EBADF; " failed},                                                       \
    }

static const struct race_table drain_races = {
    .operation = "drain",
    WAITS(wait_drain),
    CELLS("ok; open, all came", "open, all came", "open, a part came", "open, a part came")};

test(a_drain)
{
    run_race_table(&drain_races);
}

static const struct race_table flush_races = {
    .operation = "flush",
    WAITS(wait_flush),
    CELLS("ok; open, all came", "open, all came", "open, a part came", "open, a part came")};

test(a_flush)
{
    run_race_table(&flush_races);
}

static const struct race_table write_races = {.operation = "write",
                                              WAITS(wait_write),
                                              CELLS("ok; open, all and the piece came",
                                                    "open, all came", "open, a part came",
                                                    "open, a part came")};

test(a_write_that_waits_for_room)
{
    run_race_table(&write_races);
}

static const struct race_table close_races = {
    .operation = "close",
    WAITS(wait_close),
    CELLS("ok; closed, all came", "open, all came", "open, a part came", "closed, a part came")};

test(a_close)
{
    run_race_table(&close_races);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_drain),
        testing_case(a_flush),
        testing_case(a_write_that_waits_for_room),
        testing_case(a_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
