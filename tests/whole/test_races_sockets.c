/* What waits for a socket beside the reading and writing of streams: as there, the work is done in the
 * task's turn, so that until then a time-out or cancel takes nothing away. */
#include "support/races.h"

#include <sys/socket.h>
#include <unistd.h>

#include "support/datagrams.h"

#include "eddy/unix.h"

/* ---- fds that come with a byte */

static eddy_stream stream;
static eddy_stream peer;
static int received[2];
static struct eddy_fds fds;
static char byte;

static void open_streams(eddy_coro *co)
{
    int ends[2];

    (void)co;
    testing_socketpair(ends);
    memset(&stream, 0, sizeof stream);
    memset(&peer, 0, sizeof peer);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, ends[0]), 0);
    assert_int_equal(eddy_stream_open(testing.loop, &peer, ends[1]), 0);
}

static int64_t wait_fds(eddy_coro *co)
{
    fds = (struct eddy_fds){.fds = received, .room = 2};
    return eddy_receive_fds(co, &stream, &byte, 1, &fds);
}

/* sendmsg(2) of one fd, that of the standard error. */
static void send_fd(eddy_coro *co)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec piece = {&byte, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    const int number = STDERR_FILENO;

    (void)co;
    if (!eddy_stream_is_open(&stream)) {
        return;
    }
    control.header.cmsg_len = (__typeof__(control.header.cmsg_len))CMSG_LEN(sizeof number);
    memcpy(CMSG_DATA(&control.header), &number, sizeof number);
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    assert_int_equal(sendmsg(eddy_stream_fd(&peer), &message, MSG_NOSIGNAL), 1);
}

static void close_stream(eddy_coro *co)
{
    (void)co;
    eddy_stream_close(&stream);
}

static void log_fds(void)
{
    size_t left = eddy_stream_is_open(&stream) ? net_drain(eddy_stream_fd(&stream)) : 0;

    testing_log("%d fds %zu left", fds.count, left);
    while (fds.count > 0) {
        close(received[--fds.count]);
    }
}

static void close_streams(void)
{
    eddy_stream_close(&stream);
    eddy_stream_close(&peer);
}

static const struct race_table fds_races = {
    .operation = "receive fds",
    .set_up = open_streams,
    .wait = wait_fds,
    .wake = send_fd,
    .close = close_stream,
    .log_left = log_fds,
    .tear_down = close_streams,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 fds 0 left", "ECANCELED; 0 fds 0 left"},
    .cells =
        {
            [WAKE] = {"ok; 1 fds 1 left", "ETIMEDOUT; 0 fds 1 left", "ECANCELED; 0 fds 1 left",
                      "EBADF; 0 fds 0 left"},
            [TIME_OUT] = {"ETIMEDOUT; 0 fds 1 left", ONE_DEADLINE, "ECANCELED; 0 fds 0 left",
                          "ETIMEDOUT; 0 fds 0 left"},
            [CANCEL] = {"ECANCELED; 0 fds 1 left", "ECANCELED; 0 fds 0 left",
                        "ECANCELED; 0 fds 0 left", "ECANCELED; 0 fds 0 left"},
            [CLOSE] = {"EBADF; 0 fds 0 left", "EBADF; 0 fds 0 left",
                       "EBADF, then ECANCELED; 0 fds 0 left", "EBADF; 0 fds 0 left"},
        },
};

test(fds_that_come)
{
    run_race_table(&fds_races);
}

/* ---- datagrams that come */

static eddy_datagram here, there;
static struct eddy_address at_here, at_there;

static void open_sockets(eddy_coro *co)
{
    (void)co;
    memset(&here, 0, sizeof here);
    memset(&there, 0, sizeof there);
    datagram_open(&here, AF_INET, &at_here);
    datagram_open(&there, AF_INET, &at_there);
}

static int64_t wait_datagram(eddy_coro *co)
{
    return eddy_datagram_receive(co, &here, &byte, 1, NULL);
}

static void send_datagram(eddy_coro *co)
{
    (void)co;
    if (eddy_datagram_is_open(&here)) {
        assert_int_equal(sendto(eddy_datagram_fd(&there), "x", 1, 0,
                                (struct sockaddr *)&at_here.storage, at_here.size),
                         1);
    }
}

static void close_socket(eddy_coro *co)
{
    (void)co;
    eddy_datagram_close(&here);
}

static void log_datagrams(void)
{
    char dropped;
    int left = 0;

    while (eddy_datagram_is_open(&here) &&
           recv(eddy_datagram_fd(&here), &dropped, 1, MSG_DONTWAIT) == 1) {
        left++;
    }
    testing_log("%d left", left);
}

static void close_sockets(void)
{
    eddy_datagram_close(&here);
    eddy_datagram_close(&there);
}

static const struct race_table datagram_races = {
    .operation = "receive",
    .set_up = open_sockets,
    .wait = wait_datagram,
    .wake = send_datagram,
    .close = close_socket,
    .log_left = log_datagrams,
    .tear_down = close_sockets,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 left", "ECANCELED; 0 left"},
    .cells =
        {
            [WAKE] = {"ok; 1 left", "ETIMEDOUT; 1 left", "ECANCELED; 1 left", "EBADF; 0 left"},
            [TIME_OUT] = {"ETIMEDOUT; 1 left", ONE_DEADLINE, "ECANCELED; 0 left",
                          "ETIMEDOUT; 0 left"},
            [CANCEL] = {"ECANCELED; 1 left", "ECANCELED; 0 left", "ECANCELED; 0 left",
                        "ECANCELED; 0 left"},
            [CLOSE] = {"EBADF; 0 left", "EBADF; 0 left", "EBADF, then ECANCELED; 0 left",
                       "EBADF; 0 left"},
        },
};

test(a_datagram_that_comes)
{
    run_race_table(&datagram_races);
}

/* ---- a foreign fd that is kept */

static eddy_fd kept;
static int ends[2];

static void keep_fd(eddy_coro *co)
{
    (void)co;
    testing_socketpair(ends);
    memset(&kept, 0, sizeof kept);
    assert_int_equal(eddy_fd_init(testing.loop, &kept, ends[0]), 0);
}

static int64_t wait_kept(eddy_coro *co)
{
    return eddy_fd_ready(co, &kept, EDDY_READ);
}

static void poke_kept(eddy_coro *co)
{
    (void)co;
    testing_poke(ends[1]);
}

static void let_fd_go(eddy_coro *co)
{
    (void)co;
    eddy_fd_fini(&kept);
}

static void log_kept(void)
{
    testing_log("%zu left", net_drain(ends[0]));
}

static void close_ends(void)
{
    eddy_fd_fini(&kept);
    close(ends[0]);
    close(ends[1]);
}

static const struct race_table kept_races = {
    .operation = "fd",
    .set_up = keep_fd,
    .wait = wait_kept,
    .wake = poke_kept,
    .close = let_fd_go,
    .log_left = log_kept,
    .tear_down = close_ends,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 left", "ECANCELED; 0 left"},
    .cells =
        {
            [WAKE] = {"ok; 2 left", "ETIMEDOUT; 1 left", "ECANCELED; 1 left", "EBADF; 1 left"},
            [TIME_OUT] = {"ETIMEDOUT; 1 left", ONE_DEADLINE, "ECANCELED; 0 left",
                          "ETIMEDOUT; 0 left"},
            [CANCEL] = {"ECANCELED; 1 left", "ECANCELED; 0 left", "ECANCELED; 0 left",
                        "ECANCELED; 0 left"},
            [CLOSE] = {"EBADF; 1 left", "EBADF; 0 left", "EBADF, then ECANCELED; 0 left",
                       "EBADF; 0 left"},
        },
};

test(a_kept_fd)
{
    run_race_table(&kept_races);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(fds_that_come),
        testing_case(a_datagram_that_comes),
        testing_case(a_kept_fd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
