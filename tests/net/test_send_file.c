/* stream.h: eddy_send_file, and corks. */
#include "support/children.h"
#include "support/net.h"
#include "support/tasks.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/stream.h"
#include "eddy/transport.h"
#include "eddy/writer.h"

enum { KIB = 1024, MIB = 1024 * KIB, SIZE = 300 * KIB };

static eddy_stream stream;
static int peer;
static int file;
static size_t taken; /* by the peer, since the case began */

static void open_stream(void)
{
    int fds[2];

    testing_socketpair(fds);
    net_small_send_buffer(fds[0]);
    memset(&stream, 0, sizeof stream);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    peer = fds[1];
}

/* A file without a name, of the pattern. */
static void open_file(size_t size)
{
    static unsigned char bytes[SIZE];
    char path[] = "/tmp/eddy_test_XXXXXX";

    file = mkostemp(path, O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(unlink(path), 0);
    net_fill(bytes, 0, size);
    assert_int_equal(write(file, bytes, size), size);
}

static int setup(void **state)
{
    int result = testing_setup(state);

    open_stream();
    open_file(SIZE);
    taken = 0;
    return result;
}

static int teardown(void **state)
{
    eddy_stream_close(&stream);
    if (peer >= 0) {
        close(peer);
    }
    close(file);
    return testing_teardown(state);
}

#define send_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void close_peer(void)
{
    close(peer);
    peer = -1;
}

eddy_frame(sends) {
    eddy_coro co;
    int fd; /* 0: the file */
    int64_t offset;
    int64_t count;
    int64_t rc;
};

/* Logs how it ended. */
static void sends(eddy_coro *co)
{
    eddy_begin(sends);
    eddy_catch(self->rc, eddy_send_file(co, &stream, self->fd > 0 ? self->fd : file, self->offset,
                                        self->count));
    testing_log_result("sent", self->rc);
    eddy_end;
}

#define begin(...) eddy_loop_spawn(testing.loop, sends, __VA_ARGS__)

static void end_of(eddy_task task)
{
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
}

/* The peer takes at most so many bytes, which go on with the pattern from `from` on; how many. */
static size_t take(size_t most, size_t from)
{
    static unsigned char buffer[64 * KIB];
    ssize_t count = recv(peer, buffer, most < sizeof buffer ? most : sizeof buffer, MSG_DONTWAIT);

    if (count <= 0) {
        return 0;
    }
    assert_true(net_matches(buffer, from + taken, (size_t)count));
    taken += (size_t)count;
    return (size_t)count;
}

static void take_all(size_t from)
{
    do {
        testing_turns();
    } while (take(64 * KIB, from) > 0);
}

/* ---- bytes */

test(a_file_is_sent_to_a_peer_that_takes_it_slowly)
{
    begin(.count = SIZE);
    testing_turns();
    testing_assert_log("");
    take_all(0);
    testing_assert_log("sent=307200");
    assert_int_equal(taken, SIZE);
    assert_int_equal(eddy_stream_written(&stream), SIZE);
    assert_int_equal(lseek(file, 0, SEEK_CUR), SIZE); /* its place is where it was */
}

test(a_part_of_a_file_is_sent)
{
    begin(.offset = 1000, .count = 5000);
    take_all(1000);
    testing_assert_log("sent=5000");
    assert_int_equal(taken, 5000);
}

test(a_file_is_sent_to_its_end_wherever_that_is)
{
    begin(.offset = 1000, .count = EDDY_TO_THE_END);
    take_all(1000);
    testing_assert_log("sent=306200");
    taken = 0;
    begin(.offset = SIZE + 10, .count = EDDY_TO_THE_END);
    begin(.count = 0);
    testing_turns();
    testing_assert_log("sent=0 sent=0");
}

test(what_lies_beyond_four_gibibytes_is_sent)
{
    const int64_t far = (int64_t)5 * 1024 * MIB;
    char bytes[11] = "";

    assert_int_equal(pwrite(file, "0123456789", 10, (off_t)far), 10);
    begin(.offset = far, .count = 10);
    testing_turns();
    testing_assert_log("sent=10");
    assert_int_equal(recv(peer, bytes, 10, MSG_DONTWAIT), 10);
    assert_string_equal(bytes, "0123456789");
}

test(a_large_file_takes_no_memory_and_a_peer_that_takes_it_is_not_idle)
{
    static unsigned char buffer[MIB];
    static struct eddy_idle idle;
    const int64_t size = 64 * MIB;
    size_t memory;
    int64_t got = 0;
    ssize_t count;

    assert_int_equal(ftruncate(file, (off_t)size), 0);
    assert_int_equal(eddy_stream_idle_timeout(&stream, &idle, EDDY_SECOND), 0);
    begin(.count = EDDY_TO_THE_END);
    testing_turns();
    memory = testing.memory.bytes;
    while (testing.log[0] == '\0') {
        count = recv(peer, buffer, sizeof buffer, MSG_DONTWAIT);
        got += count > 0 ? count : 0;
        testing.clock.now += 900 * MS; /* each time nearly too late */
        testing_turns();
    }
    testing_assert_log("sent=67108864");
    assert_int_equal(testing.memory.bytes, memory);
    while ((count = recv(peer, buffer, sizeof buffer, MSG_DONTWAIT)) > 0) {
        got += count;
    }
    assert_int_equal(got, size);
}

test(a_peer_that_stops_is_idle)
{
    static struct eddy_idle idle;

    assert_int_equal(eddy_stream_idle_timeout(&stream, &idle, EDDY_SECOND), 0);
    begin(.count = SIZE);
    testing_run();
    testing_assert_log("sent=-ETIMEDOUT");
}

/* ---- a file that changes, and what is no file */

test(a_file_that_shrinks_is_enodata_for_who_promised_more_and_the_end_for_who_did_not)
{
    begin(.count = SIZE);
    testing_turns();
    assert_int_equal(ftruncate(file, SIZE / 2), 0);
    take_all(0);
    testing_assert_log("sent=-61"); /* ENODATA */
    assert_int_equal(taken, SIZE / 2);
    assert_int_equal(eddy_stream_written(&stream), SIZE / 2);
    taken = 0;
    begin(.count = EDDY_TO_THE_END);
    testing_turns();
    assert_int_equal(ftruncate(file, SIZE / 4), 0);
    take_all(0);
    testing_assert_log("sent=76800");
}

test(what_cannot_be_sent_is_told_and_nothing_is_sent)
{
    int fds[2];
    int directory = open("/", O_RDONLY | O_CLOEXEC);

    testing_pipe(fds);
    end_of(begin(.fd = fds[0], .count = 5));
    end_of(begin(.fd = directory, .count = 5));
    end_of(begin(.fd = 9999, .count = 5));
    end_of(begin(.offset = -1, .count = 5));
    end_of(begin(.count = -1));
    end_of(begin(.offset = 2, .count = INT64_MAX - 2));
    testing_assert_log("sent=-29 sent=-21 sent=-EBADF sent=-22 sent=-22 sent=-22");
    assert_int_equal(take(1, 0), 0);
    assert_int_equal(eddy_stream_written(&stream), 0);
    close(fds[0]);
    close(fds[1]);
    close(directory);
    eddy_stream_close(&stream);
    end_of(begin(.count = 5));
    testing_assert_log("sent=-EBADF");
}

/* ---- where the kernel cannot */

test(where_the_kernel_has_no_sendfile_the_bytes_are_copied)
{
    static const int refusals[] = {-EINVAL, -ENOSYS, -EOPNOTSUPP, -EOVERFLOW};

    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        testing_fail(sendfile, 1 + (unsigned)i, refusals[i]); /* at once, or in the midst of it */
        taken = 0;
        begin(.offset = 7, .count = SIZE - 7);
        take_all(7);
        testing_assert_log("sent=307193");
        assert_int_equal(taken, SIZE - 7);
    }
}

test(a_kernel_that_has_refused_is_not_asked_again)
{
    testing_fail_from(sendfile, 1, -EINVAL);
    testing_forget_calls();
    begin(.count = SIZE);
    take_all(0);
    testing_assert_log("sent=307200");
    assert_int_equal(testing_calls(sendfile), 1);
}

static char written[SIZE];
static size_t written_size;

static int64_t no_bytes(eddy_transport *transport, void *buffer, size_t size)
{
    (void)transport;
    (void)buffer;
    (void)size;
    return -EAGAIN;
}

static int64_t keep(eddy_transport *transport, const void *data, size_t size)
{
    size = size < 10000 ? size : 10000;
    (void)transport;
    memcpy(written + written_size, data, size);
    written_size += size;
    return (int64_t)size;
}

static void end(eddy_transport *transport, int fd)
{
    (void)transport;
    (void)fd;
}

test(a_file_is_sent_to_a_transport)
{
    static const struct eddy_transport_kind kind = {
        .name = "keeper", .read = no_bytes, .write = keep, .close = end};
    static eddy_transport transport;

    transport = (eddy_transport){.kind = &kind};
    written_size = 0;
    eddy_stream_close(&stream);
    assert_int_equal(eddy_stream_open_transport(testing.loop, &stream, &transport, -1), 0);
    end_of(begin(.count = SIZE));
    testing_assert_log("sent=307200");
    assert_int_equal(written_size, SIZE);
    assert_true(net_matches((unsigned char *)written, 0, SIZE));
    assert_int_equal(testing_calls(sendfile), 0);
}

/* ---- shares */

static ssize_t take_everything(const struct eddy_sys *sys, int to, int from, int64_t offset,
                               size_t size)
{
    (void)sys;
    (void)to;
    (void)from;
    (void)offset;
    testing_log("%zu", size);
    return (ssize_t)size;
}

eddy_frame_of(passes_by, int times);

static void passes_by(eddy_coro *co)
{
    eddy_begin(passes_by);
    while (self->times-- > 0) {
        testing_log("turn");
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

test(a_step_sends_a_mebibyte_and_then_others_have_their_turn)
{
    testing.sys.table.sendfile = take_everything;
    begin(.count = 5 * MIB / 2);
    eddy_loop_spawn(testing.loop, passes_by, .times = 3);
    testing_turns();
    testing_assert_log("1048576 turn 1048576 turn 524288 sent=2621440 turn");
}

test(a_call_that_is_interrupted_is_made_again)
{
    testing_fail(sendfile, 1, -EINTR);
    end_of(begin(.count = 100));
    testing_assert_log("sent=100");
}

/* ---- peers that are gone, cancels, others */

static bool is_pending(void)
{
    sigset_t pending;

    assert_int_equal(sigpending(&pending), 0);
    return sigismember(&pending, SIGPIPE) == 1;
}

test(a_peer_that_is_gone_is_epipe_and_raises_no_signal)
{
    close_peer();
    end_of(begin(.count = SIZE)); /* the signal would end the test */
    testing_assert_log("sent=-EPIPE");
    assert_false(is_pending());
}

test(a_signal_that_was_pending_before_stays_so)
{
    const struct timespec at_once = {0, 0};
    sigset_t set;
    sigset_t old;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    assert_int_equal(sigprocmask(SIG_BLOCK, &set, &old), 0);
    raise(SIGPIPE);
    close_peer();
    end_of(begin(.count = SIZE));
    testing_assert_log("sent=-EPIPE");
    assert_true(is_pending());
    assert_int_equal(sigtimedwait(&set, NULL, &at_once), SIGPIPE);
    assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
}

test(a_cancel_ends_it_at_once_tells_how_far_it_came_and_leaves_the_stream_to_others)
{
    eddy_task task = begin(.count = SIZE);
    size_t sent;

    testing_turns();
    take(5000, 0);
    testing_turns();
    sent = eddy_stream_written(&stream);
    eddy_cancel(task);
    end_of(task);
    testing_assert_log("sent=-ECANCELED");
    begin(.offset = (int64_t)sent, .count = SIZE - (int64_t)sent);
    take_all(0);
    assert_int_equal(taken, SIZE);
}

test(nobody_else_writes_meanwhile_and_closing_ends_it)
{
    static eddy_writer writer;

    begin(.count = SIZE);
    testing_turns();
    assert_int_equal(eddy_try_write(&stream, "x", 1), -EBUSY);
    end_of(begin(.count = SIZE));
    assert_int_equal(eddy_writer_open(&writer, &stream, NULL), 0);
    assert_int_equal(eddy_writer_put(&writer, "x", 1), -EBUSY);
    eddy_stream_close(&stream);
    testing_turns();
    testing_assert_log("sent=-EBUSY sent=-EBADF");
    eddy_writer_drop(&writer);
}

test(without_memory_it_tells_what_was_sent)
{
    eddy_task task = begin(.count = SIZE);

    use_up_memory();
    end_of(task);
    testing_fail_allocation(0);
    testing_assert_log("sent=-12");
    assert_true(eddy_stream_written(&stream) > 0);
}

/* ---- corks */

static int corked(void)
{
    int value = -1;
    socklen_t size = sizeof value;

    assert_int_equal(getsockopt(eddy_stream_fd(&stream), IPPROTO_TCP, TCP_CORK, &value, &size), 0);
    return value;
}

eddy_frame_of(sends_corked, int64_t result);

static void sends_corked(eddy_coro *co)
{
    eddy_begin(sends_corked);
    eddy_with_cork(&stream) {
        testing_log("%d", corked());
        eddy_await(eddy_write(co, &stream, "header:", 7));
        eddy_await(eddy_send_file(co, &stream, file, 0, 3));
        if (self->result < 0) {
            eddy_return(self->result);
        }
    }
    eddy_end;
}

test(a_block_with_a_cork_takes_it_out_however_it_is_left)
{
    int fds[2];

    eddy_stream_close(&stream);
    close(peer);
    net_tcp_pair(fds);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    peer = fds[1];
    assert_int_equal(testing_run_task(sends_corked), 0);
    assert_int_equal(corked(), 0);
    assert_int_equal(testing_run_task(sends_corked, .result = -EIO), -EIO);
    assert_int_equal(corked(), 0);
    testing_assert_log("1 1");
}

test(where_there_are_no_packets_a_cork_does_nothing)
{
    assert_int_equal(eddy_stream_cork(&stream, true), 0);
    assert_int_equal(eddy_stream_cork(&stream, false), 0);
    eddy_stream_close(&stream);
    assert_int_equal(eddy_stream_cork(&stream, true), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        send_case(a_file_is_sent_to_a_peer_that_takes_it_slowly),
        send_case(a_part_of_a_file_is_sent),
        send_case(a_file_is_sent_to_its_end_wherever_that_is),
        send_case(what_lies_beyond_four_gibibytes_is_sent),
        send_case(a_large_file_takes_no_memory_and_a_peer_that_takes_it_is_not_idle),
        send_case(a_peer_that_stops_is_idle),
        send_case(a_file_that_shrinks_is_enodata_for_who_promised_more_and_the_end_for_who_did_not),
        send_case(what_cannot_be_sent_is_told_and_nothing_is_sent),
        send_case(where_the_kernel_has_no_sendfile_the_bytes_are_copied),
        send_case(a_kernel_that_has_refused_is_not_asked_again),
        send_case(a_file_is_sent_to_a_transport),
        send_case(a_step_sends_a_mebibyte_and_then_others_have_their_turn),
        send_case(a_call_that_is_interrupted_is_made_again),
        send_case(a_peer_that_is_gone_is_epipe_and_raises_no_signal),
        send_case(a_signal_that_was_pending_before_stays_so),
        send_case(a_cancel_ends_it_at_once_tells_how_far_it_came_and_leaves_the_stream_to_others),
        send_case(nobody_else_writes_meanwhile_and_closing_ends_it),
        send_case(without_memory_it_tells_what_was_sent),
        send_case(a_block_with_a_cork_takes_it_out_however_it_is_left),
        send_case(where_there_are_no_packets_a_cork_does_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
