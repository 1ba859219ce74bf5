/* What moves a number of bytes that is known: files that are sent, copies with a limit. The bytes move in the
 * task's turn, so until then a time-out or cancel takes it, and they stay where they are. So do events of files. */
#include "support/races.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/net.h"

#include "eddy/file_watch.h"
#include "eddy/stream.h"

static eddy_stream stream;
static int peer;

static void open_stream(void)
{
    int fds[2];

    testing_socketpair(fds);
    memset(&stream, 0, sizeof stream);
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

/* ---- a file, of which the kernel takes nothing for now */

enum { SIZE = 100 };

static int file;
static size_t before; /* bytes that were written before it */
static size_t came;

static void open_file(eddy_coro *co)
{
    static const char bytes[4096];
    char path[] = "/tmp/eddy_test_XXXXXX";

    (void)co;
    open_stream();
    file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(write(file, bytes, SIZE), SIZE);
    before = came = 0;
}

static int64_t wait_send(eddy_coro *co)
{
    static const char bytes[4096];
    int64_t count;

    while ((count = eddy_try_write(&stream, bytes, sizeof bytes)) > 0) {
        before += (size_t)count;
    }
    return eddy_send_file(co, &stream, file, 0, SIZE);
}

static void take_all(eddy_coro *co)
{
    (void)co;
    came += net_drain(peer);
}

static void log_sent(void)
{
    take_all(NULL);
    assert_int_equal(came, before + eddy_stream_written(&stream));
    testing_log("%zu", eddy_stream_written(&stream));
}

static void close_file(void)
{
    close_both();
    close(file);
}

static const struct race_table send_races = {
    .operation = "send_file",
    .set_up = open_file,
    .wait = wait_send,
    .wake = take_all,
    .close = close_stream,
    .log_left = log_sent,
    .tear_down = close_file,
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

test(a_file_that_is_sent)
{
    run_race_table(&send_races);
}

/* ---- an echo of one byte; two come */

static uint64_t copied;

static void open_echo(eddy_coro *co)
{
    (void)co;
    open_stream();
    copied = 0;
}

static int64_t wait_copy(eddy_coro *co)
{
    return eddy_copy_at_most(co, &stream, &stream, 1, &copied);
}

static void send_two(eddy_coro *co)
{
    (void)co;
    if (eddy_stream_is_open(&stream)) {
        testing_poke(peer);
        testing_poke(peer);
    }
}

static void log_copy(void)
{
    size_t echoed = net_drain(peer);

    assert_int_equal(echoed, copied);
    testing_log("%zu copied %zu left", echoed,
                eddy_stream_is_open(&stream) ? net_drain(eddy_stream_fd(&stream)) : 0);
}

static const struct race_table copy_races = {
    .operation = "copy_at_most",
    .set_up = open_echo,
    .wait = wait_copy,
    .wake = send_two,
    .close = close_stream,
    .log_left = log_copy,
    .tear_down = close_both,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 copied 0 left", "ECANCELED; 0 copied 0 left"},
    .cells =
        {
            [WAKE] = {"ok; 1 copied 3 left", "ETIMEDOUT; 0 copied 2 left",
                      "ECANCELED; 0 copied 2 left", "EBADF; 0 copied 0 left"},
            [TIME_OUT] = {"ETIMEDOUT; 0 copied 2 left", ONE_DEADLINE, "ECANCELED; 0 copied 0 left",
                          "ETIMEDOUT; 0 copied 0 left"},
            [CANCEL] = {"ECANCELED; 0 copied 2 left", "ECANCELED; 0 copied 0 left",
                        "ECANCELED; 0 copied 0 left", "ECANCELED; 0 copied 0 left"},
            [CLOSE] = {"EBADF; 0 copied 0 left", "EBADF; 0 copied 0 left",
                       "EBADF, then ECANCELED; 0 copied 0 left", "EBADF; 0 copied 0 left"},
        },
};

test(a_copy_with_a_limit)
{
    run_race_table(&copy_races);
}

/* ---- a file that is made in a directory that is watched */

static eddy_file_watch watch;
static char directory[] = "/tmp/eddy_test_XXXXXX";
static struct eddy_file_event event;

static void watch_directory(eddy_coro *co)
{
    memset(&watch, 0, sizeof watch);
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(directory));
    assert_int_equal(eddy_file_watch_open(co, &watch), 0);
    assert_int_equal(eddy_file_watch_add(co, &watch, directory, EDDY_FILE_ATTRIBUTES), 1);
}

static int64_t wait_event(eddy_coro *co)
{
    return eddy_file_watch_next(co, &watch, &event);
}

static void change_directory(eddy_coro *co)
{
    (void)co;
    assert_int_equal(chmod(directory, 0700), 0);
}

static void close_watch(eddy_coro *co)
{
    (void)co;
    eddy_file_watch_close(&watch);
}

/* Equal events are one, unless the first was read before the second came. */
static void log_events_left(void)
{
    char bytes[256];

    testing_log("%s", eddy_file_watch_is_open(&watch) && read(watch.io.fd, bytes, sizeof bytes) > 0
                          ? "more"
                          : "none");
}

static void remove_directory(void)
{
    eddy_file_watch_close(&watch);
    assert_int_equal(rmdir(directory), 0);
}

static const struct race_table watch_races = {
    .operation = "file event",
    .set_up = watch_directory,
    .wait = wait_event,
    .wake = change_directory,
    .close = close_watch,
    .log_left = log_events_left,
    .tear_down = remove_directory,
    .wakes_by_event = true,
    .pending = {"ECANCELED; none", "ECANCELED; none"},
    .cells =
        {
            [WAKE] = {"ok; none", "ETIMEDOUT; more", "ECANCELED; more", "EBADF; none"},
            [TIME_OUT] = {"ETIMEDOUT; more", ONE_DEADLINE, "ECANCELED; none", "ETIMEDOUT; none"},
            [CANCEL] = {"ECANCELED; more", "ECANCELED; none", "ECANCELED; none", "ECANCELED; none"},
            [CLOSE] = {"EBADF; none", "EBADF; none", "EBADF, then ECANCELED; none", "EBADF; none"},
        },
};

test(a_file_event)
{
    run_race_table(&watch_races);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_file_that_is_sent),
        testing_case(a_copy_with_a_limit),
        testing_case(a_file_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
