/* What waits for the outside world: a wait has its result when the task's turn comes and it has
 * read, so until then a time-out or cancel takes it, and the bytes stay where they are (rules 4, 16
 * and 17). */
#include "support/hosts.h"
#include "support/races.h"

#include <sys/socket.h>
#include <unistd.h>

#include "support/net.h"

#include "eddy/io.h"
#include "eddy/reader.h"
#include "eddy/server.h"
#include "eddy/stream.h"

/* ---- a stream, and its peer */

static eddy_stream stream;
static int peer;
static char buffer[16];

static void open_stream(eddy_coro *co)
{
    int fds[2];

    (void)co;
    testing_socketpair(fds);
    memset(&stream, 0, sizeof stream);
    memset(buffer, 0, sizeof buffer);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    peer = fds[1];
}

static void close_both(void)
{
    eddy_stream_close(&stream);
    close(peer);
}

static void close_stream(eddy_coro *co)
{
    (void)co;
    eddy_stream_close(&stream);
}

static void send_byte(eddy_coro *co)
{
    (void)co;
    if (eddy_stream_is_open(&stream)) {
        testing_poke(peer);
    }
}

/* What the stream still has; of a closed one the kernel says nothing. */
static size_t unread(void)
{
    return eddy_stream_is_open(&stream) ? net_drain(eddy_stream_fd(&stream)) : 0;
}

static void log_read(void)
{
    testing_log("%zu read %zu left", strlen(buffer), unread());
}

/* ---- read */

static int64_t wait_read(eddy_coro *co)
{
    return eddy_read(co, &stream, buffer, sizeof buffer);
}

static const struct race_table read_races = {
    .operation = "read",
    .set_up = open_stream,
    .wait = wait_read,
    .wake = send_byte,
    .close = close_stream,
    .log_left = log_read,
    .tear_down = close_both,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 read 0 left", "ECANCELED; 0 read 0 left"},
    .cells =
        {
            /* an event that is known is no result yet: the bytes are the next read's */
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

test(a_read)
{
    run_race_table(&read_races);
}

static int64_t wait_readable(eddy_coro *co)
{
    return eddy_readable(co, &stream);
}

static const struct race_table readable_races = {
    .operation = "readable",
    .set_up = open_stream,
    .wait = wait_readable,
    .wake = send_byte,
    .close = close_stream,
    .log_left = log_read,
    .tear_down = close_both,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 read 0 left", "ECANCELED; 0 read 0 left"},
    .cells =
        {
            /* here the event is the result */
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

test(becoming_readable)
{
    run_race_table(&readable_races);
}

/* ---- a line, of which the half has come */

static eddy_reader reader;
static char reader_buffer[32];

static void open_reader(eddy_coro *co)
{
    open_stream(co);
    eddy_reader_init(&reader, &stream, reader_buffer, sizeof reader_buffer);
    net_send(peer, "ha");
}

static int64_t wait_line(eddy_coro *co)
{
    return eddy_read_line(co, &reader, sizeof reader_buffer);
}

static void send_rest(eddy_coro *co)
{
    (void)co;
    if (eddy_stream_is_open(&stream)) {
        net_send(peer, "lf\n");
    }
}

static void log_line(void)
{
    testing_log("%.4s", reader.line != NULL ? reader.line : "none");
    testing_log("%zu buffered %zu left", eddy_reader_buffered(&reader), unread());
}

static const struct race_table line_races = {
    .operation = "line",
    .set_up = open_reader,
    .wait = wait_line,
    .wake = send_rest,
    .close = close_stream,
    .log_left = log_line,
    .tear_down = close_both,
    .wakes_by_event = true,
    .pending = {"ECANCELED; none 0 buffered 2 left", "ECANCELED; none 0 buffered 2 left"},
    .cells =
        {
            [WAKE] = {"ok; half 3 buffered 0 left", "ETIMEDOUT; none 2 buffered 3 left",
                      "ECANCELED; none 2 buffered 3 left", "EBADF; none 2 buffered 0 left"},
            [TIME_OUT] = {"ETIMEDOUT; none 2 buffered 3 left", ONE_DEADLINE,
                          "ECANCELED; none 2 buffered 0 left", "ETIMEDOUT; none 2 buffered 0 left"},
            [CANCEL] = {"ECANCELED; none 2 buffered 3 left", "ECANCELED; none 2 buffered 0 left",
                        "ECANCELED; none 2 buffered 0 left", "ECANCELED; none 2 buffered 0 left"},
            [CLOSE] = {"EBADF; none 2 buffered 0 left", "EBADF; none 2 buffered 0 left",
                       "EBADF, then ECANCELED; none 2 buffered 0 left",
                       "EBADF; none 2 buffered 0 left"},
        },
};

test(a_line)
{
    run_race_table(&line_races);
}

/* ---- a line that is dropped, of which the half has come and is gone */

static int64_t wait_skip(eddy_coro *co)
{
    return eddy_reader_skip_line(co, &reader);
}

static void log_skip(void)
{
    testing_log("%zu gone %zu left", eddy_reader_delivered(&reader), unread());
}

static const struct race_table skip_races = {
    .operation = "skip",
    .set_up = open_reader,
    .wait = wait_skip,
    .wake = send_rest,
    .close = close_stream,
    .log_left = log_skip,
    .tear_down = close_both,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 gone 2 left", "ECANCELED; 0 gone 2 left"},
    .cells =
        {
            [WAKE] = {"ok; 5 gone 0 left", "ETIMEDOUT; 2 gone 3 left", "ECANCELED; 2 gone 3 left",
                      "EBADF; 2 gone 0 left"},
            [TIME_OUT] = {"ETIMEDOUT; 2 gone 3 left", ONE_DEADLINE, "ECANCELED; 2 gone 0 left",
                          "ETIMEDOUT; 2 gone 0 left"},
            [CANCEL] = {"ECANCELED; 2 gone 3 left", "ECANCELED; 2 gone 0 left",
                        "ECANCELED; 2 gone 0 left", "ECANCELED; 2 gone 0 left"},
            [CLOSE] = {"EBADF; 2 gone 0 left", "EBADF; 2 gone 0 left",
                       "EBADF, then ECANCELED; 2 gone 0 left", "EBADF; 2 gone 0 left"},
        },
};

test(a_line_that_is_dropped)
{
    run_race_table(&skip_races);
}

/* ---- a record that is longer than the buffer, of which the half has come */

enum { RECORD = 8 };

static char record[RECORD + 1];

static void open_record(eddy_coro *co)
{
    open_stream(co);
    eddy_reader_init(&reader, &stream, reader_buffer, RECORD / 2);
    memset(record, 0, sizeof record);
    net_send(peer, "half");
}

static int64_t wait_record(eddy_coro *co)
{
    return eddy_read_exactly(co, &reader, record, RECORD);
}

static void send_other_half(eddy_coro *co)
{
    (void)co;
    if (eddy_stream_is_open(&stream)) {
        net_send(peer, "more");
    }
}

/* What it says that it has delivered, and no byte more, is in the record. */
static void log_record(void)
{
    assert_int_equal(strlen(record), eddy_reader_delivered(&reader));
    testing_log("%s", record);
    testing_log("%zu left", eddy_reader_buffered(&reader) + unread());
}

static const struct race_table record_races = {
    .operation = "record",
    .set_up = open_record,
    .wait = wait_record,
    .wake = send_other_half,
    .close = close_stream,
    .log_left = log_record,
    .tear_down = close_both,
    .wakes_by_event = true,
    .pending = {"ECANCELED;  4 left", "ECANCELED;  4 left"},
    .cells =
        {
            [WAKE] = {"ok; halfmore 4 left", "ETIMEDOUT; half 4 left", "ECANCELED; half 4 left",
                      "EBADF; half 0 left"},
            [TIME_OUT] = {"ETIMEDOUT; half 4 left", ONE_DEADLINE, "ECANCELED; half 0 left",
                          "ETIMEDOUT; half 0 left"},
            [CANCEL] = {"ECANCELED; half 4 left", "ECANCELED; half 0 left",
                        "ECANCELED; half 0 left", "ECANCELED; half 0 left"},
            [CLOSE] = {"EBADF; half 0 left", "EBADF; half 0 left",
                       "EBADF, then ECANCELED; half 0 left", "EBADF; half 0 left"},
        },
};

test(a_record)
{
    run_race_table(&record_races);
}

/* ---- write: of more than the kernel takes at once */

enum { BIG = 1 << 20 };

static unsigned char big[BIG];
static size_t arrived; /* at the peer, before the end of the race */

static void open_writer(eddy_coro *co)
{
    open_stream(co);
    net_small_send_buffer(eddy_stream_fd(&stream));
    net_fill(big, 0, BIG);
    arrived = 0;
}

enum { SOME = 100 };

static size_t to_write;

/* What the kernel takes for now and some bytes more, so that one look of the peer is enough. */
static int64_t wait_write(eddy_coro *co)
{
    int64_t taken = eddy_try_write(&stream, big, BIG);

    arrived = 0;
    to_write = (size_t)taken;
    return eddy_write(co, &stream, big + taken, SOME);
}

static void take_all(eddy_coro *co)
{
    static unsigned char got[BIG];
    ssize_t count;

    (void)co;
    while ((count = recv(peer, got, sizeof got, MSG_DONTWAIT)) > 0) {
        assert_true(net_matches(got, arrived, (size_t)count));
        arrived += (size_t)count;
    }
}

/* The peer has, byte for byte, what was written before and what the stream says of this write. */
static void log_write(void)
{
    take_all(NULL);
    assert_int_equal(arrived, to_write + eddy_stream_written(&stream));
    testing_log("%zu", eddy_stream_written(&stream));
}

static const struct race_table write_races = {
    .operation = "write",
    .set_up = open_writer,
    .wait = wait_write,
    .wake = take_all,
    .close = close_stream,
    .log_left = log_write,
    .tear_down = close_both,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0", "ECANCELED; 0"},
    .cells =
        {
            [WAKE] = {"ok; 100", "ETIMEDOUT; 0", "ECANCELED; 0", "EBADF; 0"},
            [TIME_OUT] = {"ETIMEDOUT; 0", ONE_DEADLINE, "ECANCELED; 0", "ETIMEDOUT; 0"},
            [CANCEL] = {"ECANCELED; 0", "ECANCELED; 0", "ECANCELED; 0", "ECANCELED; 0"},
            [CLOSE] = {"EBADF; 0", "EBADF; 0", "EBADF, then ECANCELED; 0", "EBADF; 0"},
        },
};

test(a_write)
{
    run_race_table(&write_races);
}

/* ---- copy: an echo */

static uint64_t copied;

static void open_echo(eddy_coro *co)
{
    open_stream(co);
    copied = 0;
}

static int64_t wait_copy(eddy_coro *co)
{
    return eddy_copy(co, &stream, &stream, &copied);
}

/* The end of the file, behind a byte. */
static void send_end(eddy_coro *co)
{
    send_byte(co);
    shutdown(peer, SHUT_WR);
}

static void log_copy(void)
{
    size_t echoed = net_drain(peer);

    assert_int_equal(echoed, copied);
    testing_log("%zu copied %zu left", echoed, unread());
}

static const struct race_table copy_races = {
    .operation = "copy",
    .set_up = open_echo,
    .wait = wait_copy,
    .wake = send_end,
    .close = close_stream,
    .log_left = log_copy,
    .tear_down = close_both,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 copied 0 left", "ECANCELED; 0 copied 0 left"},
    .cells =
        {
            /* a piece is copied when the loop hears of it; the end is for the task's turn */
            [WAKE] = {"- the file has one end", "ETIMEDOUT; 1 copied 0 left",
                      "ECANCELED; 1 copied 0 left", "EBADF; 1 copied 0 left"},
            [TIME_OUT] = {"ETIMEDOUT; 0 copied 1 left", ONE_DEADLINE, "ECANCELED; 0 copied 0 left",
                          "ETIMEDOUT; 0 copied 0 left"},
            [CANCEL] = {"ECANCELED; 0 copied 1 left", "ECANCELED; 0 copied 0 left",
                        "ECANCELED; 0 copied 0 left", "ECANCELED; 0 copied 0 left"},
            [CLOSE] = {"EBADF; 0 copied 0 left", "EBADF; 0 copied 0 left",
                       "EBADF, then ECANCELED; 0 copied 0 left", "EBADF; 0 copied 0 left"},
        },
};

test(a_copy)
{
    run_race_table(&copy_races);
}

/* ---- any fd */

static void open_fds(eddy_coro *co)
{
    int fds[2];

    (void)co;
    testing_socketpair(fds);
    stream.io.fd = fds[0];
    peer = fds[1];
}

static int64_t wait_fd(eddy_coro *co)
{
    return eddy_fd_wait(co, stream.io.fd, EDDY_READ);
}

static void poke_fd(eddy_coro *co)
{
    (void)co;
    testing_poke(peer);
}

static void log_fd(void)
{
    testing_log("%zu left", net_drain(stream.io.fd));
}

static void close_fds(void)
{
    close(stream.io.fd);
    close(peer);
}

static const struct race_table fd_races = {
    .operation = "fd",
    .set_up = open_fds,
    .wait = wait_fd,
    .wake = poke_fd,
    .log_left = log_fd,
    .tear_down = close_fds,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 left", "ECANCELED; 0 left"},
    .cells =
        {
            /* the watcher's callback ends the wait, and has its turn in the batch */
            [WAKE] = {"ok; 2 left", "ETIMEDOUT; 1 left", "ECANCELED; 1 left", NO_CLOSE},
            [TIME_OUT] = {"ETIMEDOUT; 1 left", ONE_DEADLINE, "ECANCELED; 0 left", NO_CLOSE},
            [CANCEL] = {"ECANCELED; 1 left", "ECANCELED; 0 left", "ECANCELED; 0 left", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

test(an_fd)
{
    run_race_table(&fd_races);
}

/* ---- connect: one whose end the loop has yet to hear of */

static struct eddy_sys real_calls; /* of the kit, under those of hosts */
static int listener;
static int port;

static void open_listener(eddy_coro *co)
{
    (void)co;
    memset(&stream, 0, sizeof stream);
    listener = net_listener(&port);
}

/* On the loopback a connect has ended as soon as it has begun; the loop hears of nothing until the
 * wake. */
static int64_t wait_connect(eddy_coro *co)
{
    int64_t result = eddy_connect(co, &stream, "127.0.0.1", port);

    testing_fail_from(epoll_wait, 1, -EINTR);
    return result;
}

/* Now the loop hears of it. */
static void hear(eddy_coro *co)
{
    (void)co;
    testing_fail(epoll_wait, 0, 0);
}

static void log_connect(void)
{
    testing_fail(epoll_wait, 0, 0);
    testing_log("%s", eddy_stream_is_open(&stream) ? "open" : "not open");
}

static void close_listener(void)
{
    eddy_stream_close(&stream);
    close(listener);
}

static const struct race_table connect_races = {
    .operation = "connect",
    .set_up = open_listener,
    .wait = wait_connect,
    .wake = hear,
    .close = close_stream,
    .log_left = log_connect,
    .tear_down = close_listener,
    .wakes_by_event = true,
    .pending = {"ECANCELED; not open", "ECANCELED; not open"},
    .cells =
        {
            /* a stream is open if the connect has said so, else nothing is left */
            [WAKE] = {"ok; open", "ETIMEDOUT; not open", "ECANCELED; not open", "EBADF; not open"},
            [TIME_OUT] = {"ETIMEDOUT; not open", ONE_DEADLINE, "ECANCELED; not open",
                          "ETIMEDOUT; not open"},
            [CANCEL] = {"ECANCELED; not open", "ECANCELED; not open", "ECANCELED; not open",
                        "ECANCELED; not open"},
            [CLOSE] = {"EBADF; not open", "EBADF; not open", "EBADF, then ECANCELED; not open",
                       "EBADF; not open"},
        },
};

test(a_connect)
{
    run_race_table(&connect_races);
}

/* ---- connect to any of several: two are silent, and the second answers with the wake */

static void open_hosts(eddy_coro *co)
{
    (void)co;
    memset(&stream, 0, sizeof stream);
    real_calls = testing.sys.table;
    hosts_install();
    hosts[1].says = -EPERM;
}

static int64_t wait_any(eddy_coro *co)
{
    const struct eddy_address to[] = {host_address(0), host_address(1), host_address(5)};

    return eddy_connect_any(co, &stream, to, 3, NULL);
}

static void first_host_answers(eddy_coro *co)
{
    (void)co;
    host_answers(0, 0);
}

static void close_hosts(void)
{
    eddy_stream_close(&stream);
    hosts_close();
    testing.sys.table = real_calls;
}

static const struct race_table any_races = {
    .operation = "connect_any",
    .set_up = open_hosts,
    .wait = wait_any,
    .wake = first_host_answers,
    .close = close_stream,
    .log_left = log_connect,
    .tear_down = close_hosts,
    .wakes_by_event = true,
    .pending = {"ECANCELED; not open", "ECANCELED; not open"},
    .cells =
        {
            [WAKE] = {"ok; open", "ETIMEDOUT; not open", "ECANCELED; not open", "EBADF; not open"},
            [TIME_OUT] = {"ETIMEDOUT; not open", ONE_DEADLINE, "ECANCELED; not open",
                          "ETIMEDOUT; not open"},
            [CANCEL] = {"ECANCELED; not open", "ECANCELED; not open", "ECANCELED; not open",
                        "ECANCELED; not open"},
            [CLOSE] = {"EBADF; not open", "EBADF; not open", "EBADF, then ECANCELED; not open",
                       "EBADF; not open"},
        },
};

test(a_connect_to_any)
{
    run_race_table(&any_races);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_read),    testing_case(becoming_readable),
        testing_case(a_line),    testing_case(a_line_that_is_dropped),
        testing_case(a_record),  testing_case(a_write),
        testing_case(a_copy),    testing_case(an_fd),
        testing_case(a_connect), testing_case(a_connect_to_any),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
