/* stream.h and server.h: streams on which no byte moves are closed. */
#include "support/children.h"
#include "support/net.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/server.h"
#include "eddy/stream.h"
#include "loop/loop_internal.h"

/* One end is the loop's stream, the other a plain fd of the test's. */
static eddy_stream stream;
static int peer;
static struct eddy_idle idle;
static struct eddy_idle other_idle;
static eddy_server server;

static char big[1 << 20];

static void open_stream(void)
{
    int fds[2];

    testing_socketpair(fds);
    memset(&stream, 0, sizeof stream);
    memset(&idle, 0, sizeof idle);
    memset(&other_idle, 0, sizeof other_idle);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    peer = fds[1];
}

static int setup(void **state)
{
    int result = testing_setup(state);

    memset(&server, 0, sizeof server);
    open_stream();
    return result;
}

static int teardown(void **state)
{
    eddy_stream_close(&stream);
    close(peer);
    return testing_teardown(state);
}

#define idle_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* A loop with a clock of another kind, and a new stream. */
static void reopen_with(enum eddy_clock_kind kind)
{
    eddy_stream_close(&stream);
    close(peer);
    testing_reopen_with(kind, 0);
    open_stream();
}

static void set_idle_timeout(int64_t timeout)
{
    assert_int_equal(eddy_stream_idle_timeout(&stream, &idle, timeout), 0);
}

/* ---- coroutines */

/* "r=1@50", "r=-ETIMEDOUT@100" */
static void log_result(const char *name, int64_t result)
{
    int ms = (int)(testing.clock.now / MS);

    if (result == -ETIMEDOUT) {
        testing_log("%s=-ETIMEDOUT@%d", name, ms);
    } else {
        testing_log("%s=%lld@%d", name, (long long)result, ms);
    }
}

/* Reads `times` times, and logs what and when: "r=1@50". */
eddy_frame(reads) {
    eddy_coro co;
    int times;
    int64_t rc;
    char buffer[64];
};

static void reads(eddy_coro *co)
{
    eddy_begin(reads);
    for (; self->times > 0; self->times--) {
        eddy_catch(self->rc, eddy_read(co, &stream, self->buffer, sizeof self->buffer));
        log_result("r", self->rc);
    }
    eddy_end;
}

eddy_frame(writes) {
    eddy_coro co;
    size_t size;
    int64_t rc;
};

static void writes(eddy_coro *co)
{
    eddy_begin(writes);
    eddy_catch(self->rc, eddy_write(co, &stream, big, self->size));
    log_result("w", self->rc);
    eddy_end;
}

/* At that time the peer sends a byte. */
eddy_frame(peer_sends) {
    eddy_coro co;
    int64_t at;
};

static void peer_sends(eddy_coro *co)
{
    eddy_begin(peer_sends);
    eddy_await(eddy_sleep(co, self->at));
    net_send(peer, "x");
    eddy_end;
}

eddy_frame(peer_takes) {
    eddy_coro co;
    int64_t at;
};

static void peer_takes(eddy_coro *co)
{
    eddy_begin(peer_takes);
    eddy_await(eddy_sleep(co, self->at));
    assert_true(net_drain(peer) > 0);
    eddy_end;
}

#define start(...) eddy_loop_spawn(testing.loop, __VA_ARGS__)

/* One of each operation, one after the other. */
eddy_frame(tries_all) {
    eddy_coro co;
    struct iovec piece;
    int64_t rc[4];
    char byte;
};

static void tries_all(eddy_coro *co)
{
    eddy_begin(tries_all);
    self->piece.iov_base = &self->byte;
    self->piece.iov_len = 1;
    eddy_catch(self->rc[0], eddy_read(co, &stream, &self->byte, 1));
    eddy_catch(self->rc[1], eddy_write(co, &stream, &self->byte, 1));
    eddy_catch(self->rc[2], eddy_writev(co, &stream, &self->piece, 1));
    eddy_catch(self->rc[3], eddy_readable(co, &stream));
    for (int i = 0; i < 4; i++) {
        testing_log_result("rc", self->rc[i]);
    }
    eddy_end;
}

/* ---- the time-out of a stream */

test(a_read_that_waits_when_the_time_is_up_is_etimedout)
{
    set_idle_timeout(100 * MS);
    start(reads, .times = 1);
    testing_run();
    testing_assert_log("r=-ETIMEDOUT@100");
    assert_false(eddy_stream_is_open(&stream));
    net_expect_end(peer);
}

test(a_byte_that_is_read_puts_it_off)
{
    set_idle_timeout(100 * MS);
    start(reads, .times = 3);
    start(peer_sends, .at = 60 * MS);
    start(peer_sends, .at = 159 * MS);
    testing_run();
    testing_assert_log("r=1@60 r=1@159 r=-ETIMEDOUT@259");
}

test(a_write_that_waits_when_the_time_is_up_is_etimedout)
{
    set_idle_timeout(100 * MS);
    start(writes, .size = sizeof big);
    testing_run();
    testing_assert_log("w=-ETIMEDOUT@100");
    assert_int_equal(net_drain(peer), eddy_stream_written(&stream));
}

test(a_byte_that_is_written_puts_it_off)
{
    set_idle_timeout(100 * MS);
    start(writes, .size = sizeof big);
    start(peer_takes, .at = 70 * MS);
    testing_run();
    testing_assert_log("w=-ETIMEDOUT@170");
}

test(a_reader_and_a_writer_both_learn_of_it)
{
    set_idle_timeout(100 * MS);
    start(reads, .times = 1);
    start(writes, .size = sizeof big);
    testing_run();
    testing_assert_log("r=-ETIMEDOUT@100 w=-ETIMEDOUT@100");
}

test(a_byte_that_has_come_and_is_not_read_does_not_count)
{
    set_idle_timeout(100 * MS);
    start(peer_sends, .at = 60 * MS);
    testing_run();
    assert_int_equal(testing.clock.now, 100 * MS);
    assert_false(eddy_stream_is_open(&stream));
}

test(after_an_idle_close_every_operation_is_etimedout)
{
    char byte;

    set_idle_timeout(100 * MS);
    testing_run();
    assert_int_equal(testing.clock.now, 100 * MS);
    assert_int_equal(testing_run_task(tries_all), 0);
    testing_assert_log("rc=-ETIMEDOUT rc=-ETIMEDOUT rc=-ETIMEDOUT rc=-ETIMEDOUT");
    assert_int_equal(eddy_try_read(&stream, &byte, 1), -ETIMEDOUT);
    assert_int_equal(eddy_try_write(&stream, "x", 1), -ETIMEDOUT);
    assert_int_equal(eddy_stream_fd(&stream), -1);
    eddy_stream_close(&stream); /* nothing */
    assert_int_equal(eddy_try_read(&stream, &byte, 1), -ETIMEDOUT);
}

test(a_stream_that_is_opened_again_knows_nothing_of_the_last_time)
{
    char byte;

    set_idle_timeout(100 * MS);
    testing_run();
    close(peer);
    open_stream();
    testing_turns();
    assert_int_equal(eddy_try_read(&stream, &byte, 1), -EAGAIN);
    eddy_stream_close(&stream);
    assert_int_equal(eddy_try_read(&stream, &byte, 1), -EBADF);
}

test(closing_stops_it)
{
    set_idle_timeout(100 * MS);
    eddy_stream_close(&stream);
    memset(&idle, 0xA5, sizeof idle); /* it is the caller's again */
    testing_run();
    assert_int_equal(testing.clock.now, 0);
}

test(a_second_call_replaces_the_first)
{
    set_idle_timeout(50 * MS);
    assert_int_equal(eddy_stream_idle_timeout(&stream, &other_idle, 200 * MS), 0);
    memset(&idle, 0, sizeof idle);
    start(reads, .times = 1);
    testing_run();
    testing_assert_log("r=-ETIMEDOUT@200");
}

test(a_second_call_may_shorten_it)
{
    set_idle_timeout(200 * MS);
    assert_int_equal(eddy_stream_idle_timeout(&stream, &other_idle, 50 * MS), 0);
    start(reads, .times = 1);
    testing_run();
    testing_assert_log("r=-ETIMEDOUT@50");
}

test(a_second_call_with_the_same_struct)
{
    set_idle_timeout(50 * MS);
    set_idle_timeout(200 * MS);
    start(reads, .times = 1);
    testing_run();
    testing_assert_log("r=-ETIMEDOUT@200");
}

test(what_it_refuses)
{
    assert_int_equal(eddy_stream_idle_timeout(&stream, &idle, 0), -EINVAL);
    assert_int_equal(eddy_stream_idle_timeout(&stream, &idle, -1), -EINVAL);
    testing_fail_allocation(1);
    assert_int_equal(eddy_stream_idle_timeout(&stream, &idle, MS), -ENOMEM);
    testing_fail_allocation(0);
    testing_run(); /* it was not set */
    assert_true(eddy_stream_is_open(&stream));
    eddy_stream_close(&stream);
    assert_int_equal(eddy_stream_idle_timeout(&stream, &idle, MS), -EBADF);
}

test(a_time_out_that_is_refused_leaves_the_one_before)
{
    set_idle_timeout(50 * MS);
    assert_int_equal(eddy_stream_idle_timeout(&stream, &other_idle, 0), -EINVAL);
    start(reads, .times = 1);
    testing_run();
    testing_assert_log("r=-ETIMEDOUT@50");
}

/* ---- bytes that have just moved */

test(a_byte_that_is_read_in_the_turn_in_which_the_time_is_up_counts)
{
    reopen_with(EDDY_CLOCK_MANUAL);
    set_idle_timeout(100 * MS);
    start(reads, .times = 2);
    testing_turn();
    eddy_clock_advance(&testing.clock, 50 * MS);
    net_send(peer, "x");
    eddy_clock_advance(&testing.clock, 60 * MS);
    testing_turns(); /* only now the loop learns of the byte, and of the time */
    testing_assert_log("r=1@110");
    net_send(peer, "y");
    testing_turns();
    testing_assert_log("r=1@110");
    eddy_clock_advance(&testing.clock, 99 * MS);
    testing_turns();
    assert_true(eddy_stream_is_open(&stream));
    eddy_clock_advance(&testing.clock, MS);
    testing_turns();
    assert_false(eddy_stream_is_open(&stream));
}

test(bytes_that_move_between_polls_count)
{
    reopen_with(EDDY_CLOCK_MONOTONIC);
    testing_fake_clock(EDDY_SECOND);
    set_idle_timeout(100 * MS);
    for (int i = 0; i < 5; i++) {
        testing_turn();
        testing.sys.now += 60 * MS; /* a frame of a game's */
        assert_int_equal(eddy_try_write(&stream, "x", 1), 1);
        testing.sys.now += 60 * MS;
        assert_int_equal(eddy_try_write(&stream, "x", 1), 1);
    }
    testing.sys.now += 99 * MS;
    testing_turns();
    assert_int_equal(eddy_try_write(&stream, "", 0), 0); /* no byte, and open */
    assert_true(net_drain(peer) > 0);                    /* for it may be about to take them */
    testing.sys.now += 101 * MS;
    testing_turns();
    assert_int_equal(eddy_try_write(&stream, "x", 1), -ETIMEDOUT);
}

eddy_frame(takes_slowly) {
    eddy_coro co;
    int times;
    char bytes[40000];
};

/* More than the kernel takes. */
eddy_frame(writes_much) {
    eddy_coro co;
    int64_t rc;
};

static void writes_much(eddy_coro *co)
{
    static const char much[1 << 20];

    eddy_begin(writes_much);
    eddy_catch(self->rc, eddy_write(co, &stream, much, sizeof much));
    testing_log("w=%lld", (long long)self->rc);
    eddy_end;
}

/* Takes a little every 60 ms: too little for the kernel to tell the writer of room. */
static void takes_slowly(eddy_coro *co)
{
    eddy_begin(takes_slowly);
    for (; self->times > 0; self->times--) {
        eddy_await(eddy_sleep(co, 60 * MS));
        assert_true(recv(peer, self->bytes, sizeof self->bytes, MSG_DONTWAIT) > 0);
    }
    eddy_end;
}

test(who_takes_bytes_slowly_is_not_idle_and_who_stops_is)
{
    eddy_task task;

    set_idle_timeout(100 * MS);
    task = eddy_loop_spawn(testing.loop, writes_much);
    assert_int_equal(testing_run_task(takes_slowly, .times = 3), 0);
    assert_true(eddy_stream_is_open(&stream));
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
    testing_assert_log("w=-110");
    assert_int_equal(testing.clock.now, 300 * MS);
}

test(a_busy_stream_pays_nothing_for_it)
{
    const struct eddy_heap *heap;
    unsigned allocations;
    uint32_t sequence;
    eddy_task task;

    reopen_with(EDDY_CLOCK_MANUAL);
    set_idle_timeout(EDDY_SECOND);
    task = eddy_loop_spawn(testing.loop, reads, .times = 900);
    testing_turns();
    heap = &testing.loop->heap;
    sequence = heap->sequence;
    allocations = testing.memory.calls;
    testing_forget_calls();
    for (int i = 0; i < 900; i++) {
        eddy_clock_advance(&testing.clock, MS);
        testing_poke(peer);
        testing_turns();
        testing.log[0] = '\0';
    }
    assert_int_equal(idle.timer.deadline, 1900 * MS); /* put off with every byte */
    assert_int_equal(eddy_heap_entry_of(heap, &idle.timer.timed.alarm)->deadline, 1000 * MS);
    assert_int_equal(heap->sequence, sequence); /* and the heap was never told */
    assert_int_equal(testing.memory.calls, allocations);
    assert_int_equal(testing_calls(epoll_ctl), 0);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
}

/* ---- the time-out of a server */

/* Reads until the client is gone or silent; logs the error. */
eddy_frame(serves_client) {
    eddy_coro co;
    eddy_stream *stream;
    int64_t works;   /* for so long, before it writes */
    int64_t timeout; /* another than the server's */
    int64_t rc;
    char buffer[16];
};

static void serves_client(eddy_coro *co)
{
    eddy_begin(serves_client);
    if (self->timeout > 0) {
        eddy_await(eddy_stream_idle_timeout(self->stream, &idle, self->timeout));
    }
    if (self->works > 0) {
        eddy_await(eddy_sleep(co, self->works));
        eddy_catch(self->rc, eddy_write(co, self->stream, "x", 1));
        testing_log_result("write", self->rc);
        eddy_return(self->rc);
    }
    do {
        eddy_catch(self->rc, eddy_read(co, self->stream, self->buffer, sizeof self->buffer));
    } while (self->rc > 0);
    testing_log_result("read", self->rc);
    eddy_return(self->rc);
    eddy_end;
}

eddy_frame(listens) {
    eddy_coro co;
    int64_t works;
    int64_t timeout;
};

static void listens(eddy_coro *co)
{
    eddy_begin(listens);
    eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, serves_client, .works = self->works,
                          .timeout = self->timeout));
    eddy_end;
}

eddy_frame(waits) {
    eddy_coro co;
    int64_t until;
};

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    eddy_await(eddy_sleep(co, self->until - testing.clock.now));
    eddy_end;
}

static void wait_until(int64_t time)
{
    assert_int_equal(testing_run_task(waits, .until = time), 0);
    testing_turns();
}

static int accepted_client(void)
{
    int fd = net_connect(eddy_server_port(&server));
    uint64_t before = server.accepted;

    net_wait_readable(server.first.io.fd);
    testing_turns();
    assert_int_equal(server.accepted, before + 1);
    return fd;
}

test(a_silent_client_is_closed)
{
    int fd;

    server.idle_timeout = 50 * MS;
    assert_int_equal(testing_run_task(listens), 0);
    fd = accepted_client();
    wait_until(49 * MS);
    assert_int_equal(server.active, 1);
    wait_until(50 * MS);
    assert_int_equal(server.active, 0); /* and its handler's -ETIMEDOUT is no error */
    testing_assert_log("read=-ETIMEDOUT");
    net_expect_end(fd);
    close(fd);
    eddy_server_close(&server);
    testing_run();
}

test(every_client_has_its_own_time)
{
    int fds[2];

    server.idle_timeout = 50 * MS;
    assert_int_equal(testing_run_task(listens), 0);
    fds[0] = accepted_client();
    wait_until(30 * MS);
    fds[1] = accepted_client();
    wait_until(50 * MS);
    assert_int_equal(server.active, 1);
    net_expect_end(fds[0]);
    net_send(fds[1], "x");
    testing_turns();
    wait_until(99 * MS);
    assert_int_equal(server.active, 1);
    wait_until(100 * MS);
    assert_int_equal(server.active, 0);
    testing_assert_log("read=-ETIMEDOUT read=-ETIMEDOUT");
    close(fds[0]);
    close(fds[1]);
    eddy_server_close(&server);
    testing_run();
}

test(a_handler_that_comes_back_to_a_closed_client_learns_why)
{
    int fd;

    server.idle_timeout = 50 * MS;
    assert_int_equal(testing_run_task(listens, .works = 100 * MS), 0);
    fd = accepted_client();
    wait_until(200 * MS);
    testing_assert_log("write=-ETIMEDOUT");
    assert_int_equal(server.active, 0); /* not told to the error hook: it is the client's doing */
    net_expect_end(fd);
    close(fd);
    eddy_server_close(&server);
    testing_run();
}

test(a_handler_may_give_its_client_more_time_than_the_server)
{
    int fd;

    server.idle_timeout = 50 * MS;
    assert_int_equal(testing_run_task(listens, .timeout = 500 * MS), 0);
    fd = accepted_client();
    wait_until(499 * MS);
    assert_int_equal(server.active, 1);
    wait_until(500 * MS);
    assert_int_equal(server.active, 0);
    testing_assert_log("read=-ETIMEDOUT");
    close(fd);
    eddy_server_close(&server);
    testing_run();
}

test(a_client_that_ends_in_time_leaves_no_timer)
{
    int fd;

    server.idle_timeout = 50 * MS;
    assert_int_equal(testing_run_task(listens), 0);
    fd = accepted_client();
    close(fd);
    while (server.active > 0) {
        testing_turns();
    }
    testing_assert_log("read=0");
    eddy_server_close(&server);
    testing_run();
    assert_int_equal(testing.clock.now, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        idle_case(a_read_that_waits_when_the_time_is_up_is_etimedout),
        idle_case(a_byte_that_is_read_puts_it_off),
        idle_case(a_write_that_waits_when_the_time_is_up_is_etimedout),
        idle_case(a_byte_that_is_written_puts_it_off),
        idle_case(a_reader_and_a_writer_both_learn_of_it),
        idle_case(a_byte_that_has_come_and_is_not_read_does_not_count),
        idle_case(after_an_idle_close_every_operation_is_etimedout),
        idle_case(a_stream_that_is_opened_again_knows_nothing_of_the_last_time),
        idle_case(closing_stops_it),
        idle_case(a_second_call_replaces_the_first),
        idle_case(a_second_call_may_shorten_it),
        idle_case(a_second_call_with_the_same_struct),
        idle_case(what_it_refuses),
        idle_case(a_time_out_that_is_refused_leaves_the_one_before),
        idle_case(a_byte_that_is_read_in_the_turn_in_which_the_time_is_up_counts),
        idle_case(bytes_that_move_between_polls_count),
        idle_case(who_takes_bytes_slowly_is_not_idle_and_who_stops_is),
        idle_case(a_busy_stream_pays_nothing_for_it),
        idle_case(a_silent_client_is_closed),
        idle_case(every_client_has_its_own_time),
        idle_case(a_handler_that_comes_back_to_a_closed_client_learns_why),
        idle_case(a_handler_may_give_its_client_more_time_than_the_server),
        idle_case(a_client_that_ends_in_time_leaves_no_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
