/* unix.h: who the peer is, and fds that go with bytes. */
#include "support/net.h"
#include "support/tasks.h"
#include "support/text.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/unix.h"

enum { MOST = EDDY_MOST_FDS, LONG = 1 << 20 };

static eddy_stream here, there;
static int numbers[MOST + 1];  /* that are sent */
static int received[MOST + 1]; /* that have come */
static struct eddy_fds out, in;
static char data[LONG];
static char buffer[LONG];
static int pipe_ends[2];
static struct eddy_sys real;

static int setup(void **state)
{
    int result = testing_setup(state);
    int fds[2];

    real = testing.sys.table;
    testing_socketpair(fds);
    testing_pipe(pipe_ends);
    memset(&here, 0, sizeof here);
    memset(&there, 0, sizeof there);
    assert_int_equal(eddy_stream_open(testing.loop, &here, fds[0]), 0);
    assert_int_equal(eddy_stream_open(testing.loop, &there, fds[1]), 0);
    out = (struct eddy_fds){.fds = numbers, .count = 1};
    in = (struct eddy_fds){.fds = received, .room = MOST};
    for (int i = 0; i <= MOST; i++) {
        numbers[i] = pipe_ends[1];
    }
    return result;
}

static void close_received(void)
{
    while (in.count > 0) {
        close(received[--in.count]);
    }
}

static int teardown(void **state)
{
    close_received();
    eddy_stream_close(&here);
    eddy_stream_close(&there);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return testing_teardown(state);
}

#define fds_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

eddy_frame_of(sends, size_t size, int64_t rc);

static void sends(eddy_coro *co)
{
    eddy_begin(sends);
    eddy_catch(self->rc, eddy_send_fds(co, &here, data, self->size, &out));
    log_end("sent", self->rc);
    eddy_return(self->rc);
    eddy_end;
}

eddy_frame_of(receives, size_t size, int64_t rc);

static void receives(eddy_coro *co)
{
    eddy_begin(receives);
    eddy_catch(self->rc, eddy_receive_fds(co, &there, buffer, self->size, &in));
    eddy_return(self->rc);
    eddy_end;
}

static int64_t receive(size_t size)
{
    return run(receives, .size = size);
}

static void send_one(size_t size)
{
    assert_int_equal(run(sends, .size = size), size);
    testing.log[0] = '\0';
}

/* ---- the peer */

test(the_peer_of_a_pair_is_this_process)
{
    struct eddy_credentials peer = {0};

    assert_int_equal(eddy_stream_peer(&here, &peer), 0);
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.uid, getuid());
    assert_int_equal(peer.gid, getgid());
}

test(a_stream_on_tcp_has_no_credentials_and_passes_nothing)
{
    struct eddy_credentials peer;
    int fds[2];

    eddy_stream_close(&here);
    assert_int_equal(eddy_stream_peer(&here, &peer), -EBADF);
    net_tcp_pair(fds);
    assert_int_equal(eddy_stream_open(testing.loop, &here, fds[0]), 0);
    assert_int_equal(eddy_stream_peer(&here, &peer), -EOPNOTSUPP);
    assert_int_equal(run(sends, .size = 1), -EOPNOTSUPP);
    eddy_stream_close(&there);
    assert_int_equal(eddy_stream_open(testing.loop, &there, fds[1]), 0);
    assert_int_equal(receive(1), -EOPNOTSUPP);
    assert_int_equal(testing_calls(sendmsg) + testing_calls(recvmsg), 0);
    testing.log[0] = '\0';
}

/* ---- success */

test(an_fd_arrives_with_its_byte_and_is_the_same_file)
{
    char byte = 0;

    data[0] = 'f';
    send_one(1);
    assert_int_equal(receive(sizeof buffer), 1);
    assert_int_equal(buffer[0], 'f');
    assert_int_equal(in.count, 1);
    assert_int_equal(in.lost, 0);
    assert_int_equal(write(received[0], "x", 1), 1);
    assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    assert_true((fcntl(received[0], F_GETFD) & FD_CLOEXEC) != 0);
}

test(as_many_arrive_as_the_kernel_sends_at_once)
{
    out.count = MOST;
    send_one(3);
    assert_int_equal(receive(sizeof buffer), 3);
    assert_int_equal(in.count, MOST);
    assert_int_equal(in.lost, 0);
}

test(bytes_without_fds_bring_none)
{
    out.count = 0;
    send_one(3);
    in.count = 0;
    assert_int_equal(receive(sizeof buffer), 3);
    assert_int_equal(in.count, 0);
    assert_int_equal(in.lost, 0);
}

test(long_data_brings_its_fds_once_with_the_first_byte)
{
    size_t got = 0;
    int fds = 0;
    eddy_task task = start(sends, .size = LONG);

    while (got < LONG) {
        int64_t count = receive(LONG - got);
        assert_true(count > 0);
        assert_true(fds == 0 || in.count == 0);
        fds += in.count;
        close_received();
        got += (size_t)count;
    }
    assert_int_equal(fds, 1);
    assert_int_equal(finish(task), LONG);
    assert_true(testing_calls(sendmsg) > 1);
    testing.log[0] = '\0';
}

test(who_waits_gets_what_comes)
{
    eddy_task task = start(receives, .size = 8);

    testing_turns();
    send_one(2);
    assert_int_equal(finish(task), 2);
    assert_int_equal(in.count, 1);
}

/* ---- more than there is room for */

test(what_is_beyond_the_room_is_closed_and_counted)
{
    for (int room = 0; room < 4; room++) {
        in.room = room;
        out.count = 5;
        send_one(1);
        assert_int_equal(receive(8), 1);
        assert_int_equal(in.count, room);
        assert_int_equal(in.lost, 5 - room);
        close_received();
    }
}

static ssize_t cut_short(const struct eddy_sys *sys, int fd, struct msghdr *message, int flags)
{
    ssize_t count = real.recvmsg(sys, fd, message, flags);

    message->msg_flags |= MSG_CTRUNC;
    return count;
}

test(what_the_kernel_has_no_fds_for_is_told_as_lost)
{
    testing.sys.table.recvmsg = cut_short;
    send_one(1);
    assert_int_equal(receive(8), 1);
    assert_int_equal(in.count, 1);
    assert_int_equal(in.lost, 1);
}

/* The kernel gives the lowest number there is. */
static ssize_t receive_as_stdin(const struct eddy_sys *sys, int fd, struct msghdr *message,
                                int flags)
{
    ssize_t count;

    close(STDIN_FILENO);
    count = real.recvmsg(sys, fd, message, flags);
    return count;
}

test(none_that_arrives_is_one_of_the_standard_fds)
{
    int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 100);

    assert_true(saved >= 0);
    testing.sys.table.recvmsg = receive_as_stdin;
    out.count = 2;
    send_one(1);
    assert_int_equal(receive(8), 1);
    assert_int_equal(in.count, 2);
    assert_true(received[0] > 2 && received[1] > 2);
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    close(saved);
}

/* ---- cancels, and others at the same time */

test(a_cancel_before_the_turn_leaves_the_fds_in_the_socket)
{
    eddy_task task = start(receives, .size = 8);

    testing_turns();
    send_one(1);
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    assert_int_equal(in.count, 0);
    assert_int_equal(receive(8), 1);
    assert_int_equal(in.count, 1);
}

test(a_send_that_is_cancelled_while_there_is_no_room_has_sent_nothing)
{
    eddy_task task;

    while (eddy_try_write(&here, data, 4096) > 0) {}
    task = start(sends, .size = 1);
    testing_turns();
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    assert_int_equal(eddy_stream_written(&here), 0);
    while (recv(eddy_stream_fd(&there), data, 1, MSG_PEEK | MSG_DONTWAIT) == 1) {
        assert_true(receive(sizeof buffer) > 0);
        assert_int_equal(in.count + in.lost, 0);
    }
    testing.log[0] = '\0';
}

test(a_send_that_waits_for_room_is_whole)
{
    eddy_task task;

    while (eddy_try_write(&here, data, 4096) > 0) {}
    task = start(sends, .size = 1);
    testing_turns();
    testing_assert_log("");
    while (in.count == 0) {
        assert_true(receive(sizeof buffer) > 0);
    }
    assert_int_equal(in.count, 1);
    assert_int_equal(finish(task), 1);
    testing_assert_log("sent=1@0");
}

test(one_receives_at_a_time_and_closing_wakes_him)
{
    eddy_task task = start(receives, .size = 8);
    char byte;

    testing_turns();
    assert_int_equal(receive(8), -EBUSY);
    assert_int_equal(eddy_try_read(&there, &byte, 1), -EBUSY);
    assert_dumped("for receive fds: fd");
    eddy_stream_close(&there);
    assert_int_equal(finish(task), -EBADF);
}

test(the_end_and_errors_bring_no_fds)
{
    in.count = 7;
    eddy_stream_close(&here);
    assert_int_equal(receive(8), 0);
    assert_int_equal(in.count, 0);
    eddy_stream_close(&there);
    assert_int_equal(receive(8), -EBADF);
}

test(errors_of_sendmsg_and_recvmsg_are_the_result)
{
    testing_fail(sendmsg, 1, -ETOOMANYREFS);
    assert_int_equal(run(sends, .size = 1), -ETOOMANYREFS);
    testing_fail(sendmsg, 1, -EINTR);
    send_one(1);
    testing_fail(recvmsg, 1, -EINTR);
    assert_int_equal(receive(8), 1);
    close_received();
    numbers[0] = 999;
    assert_int_equal(run(sends, .size = 1), -EBADF);
    numbers[0] = pipe_ends[1];
    send_one(1);
    testing_fail(recvmsg, 1, -ECONNRESET);
    assert_int_equal(receive(8), -ECONNRESET);
    assert_int_equal(in.count, 0);
    testing.log[0] = '\0';
}

test(what_is_invalid_is_refused_before_anything_is_sent)
{
    assert_int_equal(run(sends, .size = 0), -EINVAL);
    out.count = MOST + 1;
    assert_int_equal(run(sends, .size = 1), -EINVAL);
    out.count = -1;
    assert_int_equal(run(sends, .size = 1), -EINVAL);
    assert_int_equal(receive(0), -EINVAL);
    in.room = MOST + 1;
    assert_int_equal(receive(1), -EINVAL);
    assert_int_equal(testing_calls(sendmsg) + testing_calls(recvmsg), 0);
    testing.log[0] = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fds_case(the_peer_of_a_pair_is_this_process),
        fds_case(a_stream_on_tcp_has_no_credentials_and_passes_nothing),
        fds_case(an_fd_arrives_with_its_byte_and_is_the_same_file),
        fds_case(as_many_arrive_as_the_kernel_sends_at_once),
        fds_case(bytes_without_fds_bring_none),
        fds_case(long_data_brings_its_fds_once_with_the_first_byte),
        fds_case(who_waits_gets_what_comes),
        fds_case(what_is_beyond_the_room_is_closed_and_counted),
        fds_case(what_the_kernel_has_no_fds_for_is_told_as_lost),
        fds_case(none_that_arrives_is_one_of_the_standard_fds),
        fds_case(a_cancel_before_the_turn_leaves_the_fds_in_the_socket),
        fds_case(a_send_that_is_cancelled_while_there_is_no_room_has_sent_nothing),
        fds_case(a_send_that_waits_for_room_is_whole),
        fds_case(one_receives_at_a_time_and_closing_wakes_him),
        fds_case(the_end_and_errors_bring_no_fds),
        fds_case(errors_of_sendmsg_and_recvmsg_are_the_result),
        fds_case(what_is_invalid_is_refused_before_anything_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
