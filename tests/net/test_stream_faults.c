/* stream.h: what peers, kernel and users can do to a stream, and what it costs the kernel. */
#include "support/children.h"
#include "support/net.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/stream.h"

enum { BIG = 256 * 1024, MESSAGES = 1000 };

static eddy_stream stream;
static int peer;
static struct eddy_sys real; /* the kit's own functions, under those that a test puts in */

static int setup(void **state)
{
    int result = testing_setup(state);
    int fds[2];

    real = testing.sys.table;
    testing_socketpair(fds);
    memset(&stream, 0, sizeof stream);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    peer = fds[1];
    return result;
}

static int teardown(void **state)
{
    eddy_stream_close(&stream);
    if (peer >= 0) {
        close(peer);
    }
    return testing_teardown(state);
}

#define stream_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void close_peer(void)
{
    close(peer);
    peer = -1;
}

static void use_tcp(void)
{
    int fds[2];

    eddy_stream_close(&stream);
    close(peer);
    net_tcp_pair(fds);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    peer = fds[1];
}

/* ---- coroutines */

/* Reads until the end or an error, which it returns; logs every piece: "hello". */
eddy_frame(reads_all) {
    eddy_coro co;
    size_t wanted; /* ends after that many bytes; 0: at the end of the file */
    size_t got;
    size_t count;
    char buffer[64];
};

static void reads_all(eddy_coro *co)
{
    eddy_begin(reads_all);
    do {
        eddy_await(self->count, eddy_read(co, &stream, self->buffer, sizeof self->buffer));
        if (self->count > 0) {
            testing_log("%.*s", (int)self->count, self->buffer);
        }
        self->got += self->count;
    } while (self->count > 0 && (self->wanted == 0 || self->got < self->wanted));
    eddy_return((int64_t)self->got);
    eddy_end;
}

eddy_frame(writes_all) {
    eddy_coro co;
    const char *data;
    size_t size;
};

static void writes_all(eddy_coro *co)
{
    eddy_begin(writes_all);
    eddy_await(eddy_write(co, &stream, self->data, self->size));
    eddy_return((int64_t)eddy_stream_written(&stream));
    eddy_end;
}

static int64_t finish(eddy_task task)
{
    return eddy_loop_run_until(testing.loop, task);
}

static eddy_task start_reading(size_t wanted)
{
    return eddy_loop_spawn(testing.loop, reads_all, .wanted = wanted);
}

static eddy_task start_writing(const char *text)
{
    return eddy_loop_spawn(testing.loop, writes_all, .data = text, .size = strlen(text));
}

/* ---- peers that are gone */

static void assert_no_signal(int number)
{
    sigset_t pending;

    assert_int_equal(sigpending(&pending), 0);
    assert_false(sigismember(&pending, number));
}

test(writing_to_a_peer_that_is_gone_is_epipe_and_no_signal)
{
    sigset_t set;
    sigset_t old;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &set, &old); /* so that it would be seen instead of killing the test */
    close_peer();
    assert_int_equal(finish(start_writing("hello")), -EPIPE);
    assert_int_equal(eddy_try_write(&stream, "x", 1), -EPIPE);
    assert_no_signal(SIGPIPE);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

test(a_writer_that_waits_learns_that_the_peer_is_gone)
{
    static char big[BIG];
    eddy_task task;

    net_small_send_buffer(eddy_stream_fd(&stream));
    task = eddy_loop_spawn(testing.loop, writes_all, .data = big, .size = BIG);
    testing_turns();
    close_peer();
    assert_int_equal(finish(task), -EPIPE);
    assert_in_range(eddy_stream_written(&stream), 1, BIG - 1);
}

test(a_reader_that_waits_learns_of_a_reset)
{
    eddy_task task;

    use_tcp();
    task = start_reading(0);
    testing_turns();
    net_reset_on_close(peer);
    close_peer();
    assert_int_equal(finish(task), -ECONNRESET);
}

test(a_reset_is_the_error_of_the_next_read_and_then_the_end)
{
    use_tcp();
    net_reset_on_close(peer);
    close_peer();
    assert_int_equal(finish(start_reading(0)), -ECONNRESET);
    assert_int_equal(finish(start_reading(0)), 0);
    assert_int_equal(finish(start_writing("x")), -EPIPE);
}

/* ---- injected errors of the calls */

test(an_interrupted_read_is_made_again)
{
    for (unsigned k = 1; k <= 3; k++) {
        net_send(peer, "hello");
        testing_fail(read, k, -EINTR);
        assert_int_equal(finish(start_reading(5)), 5);
        testing_assert_log("hello");
    }
}

test(a_read_that_is_interrupted_while_waiting_is_made_again)
{
    eddy_task task = start_reading(5);

    testing_turns();
    net_send(peer, "hello");
    testing_fail(read, 1, -EINTR);
    assert_int_equal(finish(task), 5);
    testing_assert_log("hello");
}

test(an_interrupted_send_is_made_again)
{
    for (unsigned k = 1; k <= 3; k++) {
        testing_fail(send, k, -EINTR);
        assert_int_equal(finish(start_writing("hello")), 5);
        assert_int_equal(finish(start_writing("world")), 5);
        net_expect(peer, "helloworld");
    }
}

test(an_error_of_read_is_the_result)
{
    eddy_task task = start_reading(0);

    testing_turns();
    net_send(peer, "hello");
    testing_fail(read, 1, -ENOBUFS);
    assert_int_equal(finish(task), -ENOBUFS);
    assert_int_equal(finish(start_reading(5)), 5);
    testing_assert_log("hello");
}

test(an_error_of_send_is_the_result_and_written_tells_what_went_before)
{
    testing_fail(send, 1, -ENOBUFS);
    assert_int_equal(finish(start_writing("hello")), -ENOBUFS);
    assert_int_equal(eddy_stream_written(&stream), 0);
    assert_int_equal(finish(start_writing("hello")), 5);
    net_expect(peer, "hello");
}

test(a_reader_that_is_woken_for_nothing_waits_on)
{
    eddy_task task = start_reading(2);

    testing_turns();
    net_send(peer, "a");
    testing_fail(read, 1, -EAGAIN);
    testing_turns();
    assert_false(eddy_task_done(task));
    testing_assert_log("");
    net_send(peer, "b");
    assert_int_equal(finish(task), 2);
    testing_assert_log("ab");
}

test(a_writer_that_is_woken_for_nothing_waits_on)
{
    eddy_task task;

    assert_int_equal(eddy_try_write(&stream, "a", 1), 1);
    testing_turns();
    task = start_writing("b");
    testing_fail(send, 1, -EAGAIN);
    testing_turns();
    testing_fail(send, 1, -EAGAIN);
    net_expect(peer, "a");
    testing_turns();
    assert_false(eddy_task_done(task));
    testing_fail(send, 0, 0);
    assert_int_equal(send(eddy_stream_fd(&stream), "+", 1, 0), 1); /* for another event */
    net_expect(peer, "+");
    assert_int_equal(finish(task), 1);
    net_expect(peer, "b");
}

static ssize_t read_one_byte(const struct eddy_sys *sys, int fd, void *buffer, size_t size)
{
    return real.read(sys, fd, buffer, size > 0);
}

test(short_reads_give_all_bytes_in_order)
{
    testing.sys.table.read = read_one_byte;
    net_send(peer, "hello");
    assert_int_equal(finish(start_reading(5)), 5);
    testing_assert_log("h e l l o");
}

static ssize_t send_two_bytes(const struct eddy_sys *sys, int fd, const void *buffer, size_t size)
{
    return real.send(sys, fd, buffer, size < 2 ? size : 2);
}

test(short_writes_are_gone_on_with)
{
    testing.sys.table.send = send_two_bytes;
    assert_int_equal(finish(start_writing("hello")), 5);
    net_expect(peer, "hello");
    assert_int_equal(testing_calls(send), 3);
}

test(an_error_after_a_short_write_tells_what_the_kernel_has)
{
    testing.sys.table.send = send_two_bytes;
    testing_fail(send, 3, -ECONNRESET);
    assert_int_equal(finish(start_writing("hello")), -ECONNRESET);
    assert_int_equal(eddy_stream_written(&stream), 4);
    net_expect(peer, "hell");
}

/* ---- what it costs */

eddy_frame(echoes) {
    eddy_coro co;
    size_t count;
    char buffer[64];
};

static void echoes(eddy_coro *co)
{
    eddy_begin(echoes);
    for (;;) {
        eddy_await(self->count, eddy_read(co, &stream, self->buffer, sizeof self->buffer));
        if (self->count == 0) {
            break;
        }
        eddy_await(eddy_write(co, &stream, self->buffer, self->count));
    }
    eddy_end;
}

static int messages_left;

/* The client: sends a message whenever the loop asks the kernel for events, and gets its echo. */
static void play_the_client(void)
{
    static bool sent;

    if (sent) {
        net_expect(peer, "ping");
    }
    sent = messages_left > 0;
    if (sent) {
        net_send(peer, "ping");
        messages_left--;
    } else {
        testing.sys.on_wait = NULL;
        shutdown(peer, SHUT_WR);
    }
}

static unsigned all_calls(void)
{
    unsigned sum = 0;

    for (size_t i = 0; i < TESTING_CALLS; i++) {
        sum += testing_calls_of(i);
    }
    return sum;
}

test(a_message_over_tcp_costs_three_system_calls_and_no_memory)
{
    eddy_task task;
    unsigned allocations;

    use_tcp();
    task = eddy_loop_spawn(testing.loop, echoes);
    testing_turns();
    testing_forget_calls();
    allocations = testing.memory.calls;
    messages_left = MESSAGES;
    testing.sys.on_wait = play_the_client;
    assert_int_equal(finish(task), 0);
    assert_int_equal(testing.memory.calls, allocations);
    assert_int_equal(testing_calls(epoll_ctl), 0);
    assert_int_equal(testing_calls(send), MESSAGES);
    assert_in_range(testing_calls(read), MESSAGES, MESSAGES + 2);
    assert_in_range(testing_waits(), MESSAGES, MESSAGES + 3);
    assert_in_range(all_calls(), 3 * MESSAGES, 3 * MESSAGES + 6);
}

/* ---- urgent data */

static void send_urgent(const char *text)
{
    assert_int_equal(send(peer, text, strlen(text), MSG_OOB), strlen(text));
}

test(data_behind_urgent_data_is_read_although_the_read_before_was_short)
{
    eddy_task task;

    use_tcp();
    task = start_reading(6);
    testing_turns();
    net_send(peer, "abc");
    send_urgent("!");
    net_send(peer, "def");
    assert_int_equal(finish(task), 6); /* the kernel stops a read at the urgent byte */
    testing_assert_log("abc def");
}

test(urgent_data_that_comes_later_turns_the_short_cut_off)
{
    eddy_task task;

    use_tcp();
    task = start_reading(9);
    net_send(peer, "abc");
    net_wait_readable(eddy_stream_fd(&stream));
    testing_turns();
    testing_assert_log("abc");
    net_send(peer, "def");
    send_urgent("!");
    net_send(peer, "ghi");
    assert_int_equal(finish(task), 9);
    testing_assert_log("def ghi");
}

/* ---- opening */

static void assert_refuses(int fd, int error)
{
    static eddy_stream other;

    assert_int_equal(eddy_stream_open(testing.loop, &other, fd), error);
    assert_false(eddy_stream_is_open(&other));
}

test(what_is_no_stream_is_refused_and_stays_the_caller_s)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);

    assert_refuses(fd, -ENOTSOCK);
    assert_refuses(-1, -EBADF);
    assert_refuses(eddy_stream_fd(&stream), -EEXIST);
    assert_true(net_is_open(fd));
    close(fd);
}

test(an_open_stream_is_not_opened_again)
{
    int fds[2];
    int fd = eddy_stream_fd(&stream);

    testing_socketpair(fds);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), -EINVAL);
    assert_int_equal(eddy_stream_fd(&stream), fd);
    net_send(peer, "hello");
    assert_int_equal(finish(start_reading(5)), 5);
    testing_assert_log("hello");
    close(fds[0]);
    close(fds[1]);
}

test(opening_makes_the_fd_nonblocking)
{
    static eddy_stream other;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(eddy_stream_open(testing.loop, &other, fds[0]), 0);
    assert_true((fcntl(fds[0], F_GETFL) & O_NONBLOCK) != 0);
    eddy_stream_close(&other);
    close(fds[1]);
}

static void assert_left_to_the_caller(const int fds[2], int error)
{
    assert_refuses(fds[0], error);
    assert_true(net_is_open(fds[0]));
    assert_true((fcntl(fds[0], F_GETFL) & O_NONBLOCK) == 0);
}

test(a_call_that_fails_while_opening_leaves_the_fd_to_the_caller)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    testing_fail(getsockopt, 1, -ENOBUFS);
    assert_left_to_the_caller(fds, -ENOBUFS);
    testing_fail(epoll_ctl, 1, -ENOSPC);
    assert_left_to_the_caller(fds, -ENOSPC);
    testing_fail(fcntl, 1, -EPERM);
    assert_left_to_the_caller(fds, -EPERM);
    testing_fail(fcntl, 2, -EPERM);
    assert_left_to_the_caller(fds, -EPERM);
    close(fds[0]);
    close(fds[1]);
}

test(an_fd_beyond_the_table_needs_memory_and_says_so)
{
    int fd = fcntl(eddy_stream_fd(&stream), F_DUPFD_CLOEXEC, 500);

    testing_fail_allocation(1);
    assert_refuses(fd, -ENOMEM);
    assert_true(net_is_open(fd));
    close(fd);
}

/* ---- misuse */

eddy_frame(reads_to_the_stack) {
    eddy_coro co;
};

static void reads_to_the_stack(eddy_coro *co)
{
    char buffer[8];

    eddy_begin(reads_to_the_stack);
    eddy_await(eddy_read(co, &stream, buffer, sizeof buffer));
    eddy_end;
}

eddy_frame(writes_from_the_stack) {
    eddy_coro co;
};

static void writes_from_the_stack(eddy_coro *co)
{
    char buffer[8] = "abcdefg";

    eddy_begin(writes_from_the_stack);
    eddy_await(eddy_write(co, &stream, buffer, sizeof buffer));
    eddy_end;
}

static void read_to_the_stack(void *unused)
{
    (void)unused;
    (void)testing_run_task(reads_to_the_stack);
}

static void write_from_the_stack(void *unused)
{
    (void)unused;
    (void)testing_run_task(writes_from_the_stack);
}

test(waiting_with_a_buffer_on_the_c_stack_aborts)
{
    const char *text = "the task is to wait with a pointer to a local variable";

    testing_expect_abort(read_to_the_stack, NULL, text);
    testing_fail_from(send, 1, -EAGAIN);
    testing_expect_abort(write_from_the_stack, NULL, text);
}

test(a_buffer_on_the_c_stack_is_fine_where_nothing_waits)
{
    net_send(peer, "hello");
    testing_turns();
    assert_int_equal(testing_run_task(reads_to_the_stack), 0);
    assert_int_equal(testing_run_task(writes_from_the_stack), 0);
    net_expect(peer, "abcdefg");
}

test(freeing_the_loop_closes_a_stream_that_was_left_open)
{
    int fd = eddy_stream_fd(&stream);
    eddy_task task = start_reading(0);

    assert_int_equal(eddy_detach(task), 0);
    testing_turns();
    testing_free();
    assert_false(net_is_open(fd));
    assert_false(eddy_stream_is_open(&stream));
    net_expect_end(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stream_case(writing_to_a_peer_that_is_gone_is_epipe_and_no_signal),
        stream_case(a_writer_that_waits_learns_that_the_peer_is_gone),
        stream_case(a_reader_that_waits_learns_of_a_reset),
        stream_case(a_reset_is_the_error_of_the_next_read_and_then_the_end),
        stream_case(an_interrupted_read_is_made_again),
        stream_case(a_read_that_is_interrupted_while_waiting_is_made_again),
        stream_case(an_interrupted_send_is_made_again),
        stream_case(an_error_of_read_is_the_result),
        stream_case(an_error_of_send_is_the_result_and_written_tells_what_went_before),
        stream_case(a_reader_that_is_woken_for_nothing_waits_on),
        stream_case(a_writer_that_is_woken_for_nothing_waits_on),
        stream_case(short_reads_give_all_bytes_in_order),
        stream_case(short_writes_are_gone_on_with),
        stream_case(an_error_after_a_short_write_tells_what_the_kernel_has),
        stream_case(a_message_over_tcp_costs_three_system_calls_and_no_memory),
        stream_case(data_behind_urgent_data_is_read_although_the_read_before_was_short),
        stream_case(urgent_data_that_comes_later_turns_the_short_cut_off),
        stream_case(what_is_no_stream_is_refused_and_stays_the_caller_s),
        stream_case(an_open_stream_is_not_opened_again),
        stream_case(opening_makes_the_fd_nonblocking),
        stream_case(a_call_that_fails_while_opening_leaves_the_fd_to_the_caller),
        stream_case(an_fd_beyond_the_table_needs_memory_and_says_so),
        stream_case(waiting_with_a_buffer_on_the_c_stack_aborts),
        stream_case(a_buffer_on_the_c_stack_is_fine_where_nothing_waits),
        stream_case(freeing_the_loop_closes_a_stream_that_was_left_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
