/* stream.h: connected sockets that are read and written. What goes wrong is in
 * test_stream_faults.c. */
#include "support/children.h"
#include "support/net.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/deadline.h"
#include "eddy/stream.h"

enum { BIG = 256 * 1024, HUGE_SIZE = 8 * 1024 * 1024 };

/* One end is the loop's stream, the other a plain fd of the test's. */
static eddy_stream stream;
static int peer;

static unsigned char big[BIG];

static void open_stream(int fds[2])
{
    memset(&stream, 0, sizeof stream);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    peer = fds[1];
}

static int setup(void **state)
{
    int result = testing_setup(state);
    int fds[2];

    testing_socketpair(fds);
    open_stream(fds);
    return result;
}

static int teardown(void **state)
{
    eddy_stream_close(&stream);
    close(peer);
    return testing_teardown(state);
}

#define stream_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void use_tcp(void)
{
    int fds[2];

    eddy_stream_close(&stream);
    close(peer);
    net_tcp_pair(fds);
    open_stream(fds);
}

/* ---- coroutines */

/* Reads `times` times and logs what it got: "r:hello", or "r=0" at the end, or an error. */
eddy_frame(reads) {
    eddy_coro co;
    const char *name;
    int times;
    size_t size;   /* of its buffer; 0: all of it */
    int64_t limit; /* of each read; 0: none */
    int64_t rc;
    char buffer[64];
};

static void reads(eddy_coro *co)
{
    eddy_begin(reads);
    for (; self->times > 0; self->times--) {
        eddy_catch(self->rc,
                   eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                 eddy_read(co, &stream, self->buffer,
                                           self->size > 0 ? self->size : sizeof self->buffer)));
        if (self->rc > 0) {
            testing_log("%s:%.*s", self->name, (int)self->rc, self->buffer);
        } else {
            testing_log_result(self->name, self->rc);
        }
    }
    eddy_end;
}

eddy_frame(writes) {
    eddy_coro co;
    const char *name;
    const void *data;
    size_t size;
    int64_t limit;
    int64_t rc;
};

static void writes(eddy_coro *co)
{
    eddy_begin(writes);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                       eddy_write(co, &stream, self->data, self->size)));
    testing_log_result(self->name, self->rc);
    eddy_end;
}

eddy_frame(awaits_readable) {
    eddy_coro co;
    int64_t rc;
};

static void awaits_readable(eddy_coro *co)
{
    eddy_begin(awaits_readable);
    eddy_catch(self->rc, eddy_readable(co, &stream));
    testing_log_result("readable", self->rc);
    eddy_end;
}

static eddy_task start_reading(const char *name, int times)
{
    return eddy_loop_spawn(testing.loop, reads, .name = name, .times = times);
}

static eddy_task start_writing(const char *name, size_t size)
{
    net_fill(big, 0, BIG);
    return eddy_loop_spawn(testing.loop, writes, .name = name, .data = big, .size = size);
}

static void end(eddy_task task)
{
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
}

/* ---- reading */

test(a_read_returns_what_there_is)
{
    net_send(peer, "hello");
    end(start_reading("r", 1));
    testing_assert_log("r:hello");
}

test(a_read_waits_until_there_is_something)
{
    eddy_task task = start_reading("r", 2);

    testing_turns();
    testing_assert_log("");
    net_send(peer, "hello");
    testing_turns();
    testing_assert_log("r:hello");
    net_send(peer, "world");
    end(task);
    testing_assert_log("r:world");
}

test(a_read_takes_at_most_the_size_and_leaves_the_rest)
{
    net_send(peer, "hello");
    end(eddy_loop_spawn(testing.loop, reads, .name = "r", .times = 3, .size = 2));
    testing_assert_log("r:he r:ll r:o");
}

test(the_end_of_the_file_comes_after_the_data_and_stays)
{
    net_send(peer, "bye");
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    end(start_reading("r", 3));
    testing_assert_log("r:bye r=0 r=0");
}

test(a_reader_that_waits_sees_the_end_of_the_file)
{
    eddy_task task = start_reading("r", 2);

    testing_turns();
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    end(task);
    testing_assert_log("r=0 r=0");
}

eddy_frame(reads_no_bytes) {
    eddy_coro co;
    char byte;
};

static void reads_no_bytes(eddy_coro *co)
{
    eddy_begin(reads_no_bytes);
    eddy_await(eddy_read(co, &stream, &self->byte, 0));
    eddy_end;
}

test(a_read_of_no_bytes_is_done_at_once)
{
    end(eddy_loop_spawn(testing.loop, reads_no_bytes));
    net_send(peer, "x");
    end(eddy_loop_spawn(testing.loop, reads_no_bytes));
    end(start_reading("r", 1));
    testing_assert_log("r:x");
}

test(readable_tells_of_data_and_takes_none)
{
    eddy_task task = eddy_loop_spawn(testing.loop, awaits_readable);
    char buffer[8];

    testing_turns();
    testing_assert_log("");
    net_send(peer, "hello");
    end(task);
    end(eddy_loop_spawn(testing.loop, awaits_readable));
    testing_assert_log("readable=1 readable=1");
    assert_int_equal(eddy_try_read(&stream, buffer, sizeof buffer), 5);
    assert_memory_equal(buffer, "hello", 5);
}

test(readable_tells_of_the_end_of_the_file)
{
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    end(eddy_loop_spawn(testing.loop, awaits_readable));
    testing_assert_log("readable=1");
}

test(try_read_never_waits)
{
    char buffer[8];

    testing_turns();
    assert_int_equal(eddy_try_read(&stream, buffer, sizeof buffer), -EAGAIN);
    net_send(peer, "hello");
    testing_turns();
    assert_int_equal(eddy_try_read(&stream, buffer, 2), 2);
    assert_int_equal(eddy_try_read(&stream, buffer, sizeof buffer), 3);
    assert_int_equal(eddy_try_read(&stream, buffer, sizeof buffer), -EAGAIN);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    testing_turns();
    assert_int_equal(eddy_try_read(&stream, buffer, sizeof buffer), 0);
    assert_int_equal(eddy_try_read(&stream, buffer, sizeof buffer), 0);
}

/* ---- writing */

/* Reads all that comes, in slices, and lets the loop run after each; how many bytes matched. */
static size_t take_slowly(size_t wanted)
{
    unsigned char buffer[3000];
    size_t got = 0;
    ssize_t count = 1;

    while (got < wanted && count > 0) {
        count = recv(peer, buffer, sizeof buffer, MSG_DONTWAIT);
        if (count > 0) {
            assert_true(net_matches(buffer, got, (size_t)count));
            got += (size_t)count;
        }
        testing_turns();
    }
    return got;
}

test(a_write_of_what_the_kernel_takes_is_done_at_once)
{
    eddy_task task = start_writing("w", 100);

    assert_int_equal(testing_turn(), 1);
    testing_assert_log("w=100");
    end(task);
    assert_int_equal(eddy_stream_written(&stream), 100);
    assert_int_equal(take_slowly(100), 100);
}

test(a_write_of_no_bytes_is_done_at_once_also_when_the_kernel_takes_no_more)
{
    eddy_task task;

    end(start_writing("w", 0));
    testing_assert_log("w=0");
    while (eddy_try_write(&stream, big, BIG) > 0) {}
    task = start_writing("w", 0);
    testing_turns();
    testing_assert_log("w=0");
    net_drain(peer);
    end(task);
}

test(a_slow_reader_suspends_the_writer)
{
    eddy_task task = start_writing("w", BIG);
    size_t first;
    unsigned calls;

    net_small_send_buffer(eddy_stream_fd(&stream));
    testing_turns();
    first = eddy_stream_written(&stream);
    assert_in_range(first, 1, BIG / 4);
    calls = testing_calls(send);
    testing_turns(); /* nothing is tried while the peer does not read */
    assert_int_equal(testing_calls(send), calls);
    assert_int_equal(eddy_stream_written(&stream), first);
    assert_int_equal(take_slowly(BIG), BIG);
    testing_assert_log("w=262144");
    end(task);
}

test(a_time_out_of_a_write_tells_exactly_what_the_kernel_has)
{
    size_t written;

    net_small_send_buffer(eddy_stream_fd(&stream));
    net_fill(big, 0, BIG);
    end(eddy_loop_spawn(testing.loop, writes, .name = "w", .data = big, .size = BIG,
                        .limit = 100 * MS));
    testing_assert_log("w=-ETIMEDOUT");
    assert_int_equal(testing.clock.now, 100 * MS);
    written = eddy_stream_written(&stream);
    assert_in_range(written, 1, BIG - 1);
    assert_int_equal(take_slowly(BIG), written);
}

test(what_a_cancelled_write_has_left_can_be_written_afterwards)
{
    eddy_task task = start_writing("w", BIG);
    size_t written;

    net_small_send_buffer(eddy_stream_fd(&stream));
    assert_int_equal(testing_run_and_cancel(task, 10 * MS), 0);
    written = eddy_stream_written(&stream);
    task = eddy_loop_spawn(testing.loop, writes, .name = "w", .data = big + written,
                           .size = BIG - written);
    testing_turns();
    assert_int_equal(take_slowly(BIG), BIG);
    assert_int_equal(eddy_stream_written(&stream), BIG - written);
    end(task);
    assert_memory_equal(testing.log, "w=-ECANCELED w=", 15);
    testing.log[0] = '\0';
}

test(try_write_takes_what_fits_and_never_waits)
{
    int64_t count;

    net_small_send_buffer(eddy_stream_fd(&stream));
    net_fill(big, 0, BIG);
    count = eddy_try_write(&stream, big, BIG);
    assert_in_range(count, 1, BIG - 1);
    assert_int_equal(eddy_try_write(&stream, big, BIG), -EAGAIN);
    assert_int_equal(take_slowly((size_t)count), count);
    testing_turns();
    assert_true(eddy_try_write(&stream, big, BIG) > 0);
}

/* ---- much */

eddy_frame(writes_much) {
    eddy_coro co;
    eddy_stream *to;
    size_t done;
};

static void writes_much(eddy_coro *co)
{
    eddy_begin(writes_much);
    while (self->done < HUGE_SIZE) {
        net_fill(big, self->done, BIG);
        eddy_await(eddy_write(co, self->to, big, BIG));
        self->done += BIG;
    }
    eddy_await(eddy_stream_shutdown_write(self->to));
    eddy_end;
}

eddy_frame(reads_much) {
    eddy_coro co;
    size_t done;
    size_t count;
    unsigned char buffer[10007];
};

static void reads_much(eddy_coro *co)
{
    eddy_begin(reads_much);
    do {
        eddy_await(self->count, eddy_read(co, &stream, self->buffer, sizeof self->buffer));
        assert_true(net_matches(self->buffer, self->done, self->count));
        self->done += self->count;
    } while (self->count > 0);
    eddy_return((int64_t)self->done);
    eddy_end;
}

/* The peer becomes a stream too, and sends. */
static void send_much(void)
{
    eddy_stream sender = {0};
    eddy_task writer;

    assert_int_equal(eddy_stream_open(testing.loop, &sender, peer), 0);
    writer = eddy_loop_spawn(testing.loop, writes_much, .to = &sender);
    assert_int_equal(testing_run_task(reads_much), HUGE_SIZE);
    end(writer);
    peer = dup(peer);
    eddy_stream_close(&sender);
}

test(eight_mebibytes_come_through_a_socketpair)
{
    send_much();
}

test(eight_mebibytes_come_through_tcp)
{
    use_tcp();
    send_much();
}

/* ---- one reader, one writer */

test(a_second_reader_is_refused_while_one_waits)
{
    eddy_task first = start_reading("first", 1);
    char byte;

    testing_turns();
    end(start_reading("second", 1));
    end(eddy_loop_spawn(testing.loop, awaits_readable));
    assert_int_equal(eddy_try_read(&stream, &byte, 1), -EBUSY);
    testing_assert_log("second=-EBUSY readable=-EBUSY");
    net_send(peer, "hello");
    end(first);
    testing_assert_log("first:hello");
}

test(a_second_writer_is_refused_while_one_waits)
{
    eddy_task first = start_writing("first", BIG);
    size_t written;

    net_small_send_buffer(eddy_stream_fd(&stream));
    testing_turns();
    written = eddy_stream_written(&stream);
    end(start_writing("second", 10));
    assert_int_equal(eddy_try_write(&stream, "x", 1), -EBUSY);
    testing_assert_log("second=-EBUSY");
    assert_int_equal(eddy_stream_written(&stream), written); /* is still the first's */
    assert_int_equal(take_slowly(BIG), BIG);
    end(first);
    testing_assert_log("first=262144");
}

test(reader_and_writer_do_not_disturb_each_other)
{
    eddy_task reader = start_reading("r", 1);
    eddy_task writer = start_writing("w", BIG);

    net_small_send_buffer(eddy_stream_fd(&stream));
    testing_turns();
    net_send(peer, "hello");
    end(reader);
    testing_assert_log("r:hello");
    assert_int_equal(take_slowly(BIG), BIG);
    end(writer);
    testing_assert_log("w=262144");
}

/* ---- shutting and closing */

test(shutting_the_write_side_leaves_the_read_side_open)
{
    end(start_writing("w", 5));
    assert_int_equal(eddy_stream_shutdown_write(&stream), 0);
    assert_int_equal(take_slowly(5), 5);
    net_expect_end(peer);
    net_send(peer, "still here");
    end(start_reading("r", 1));
    end(start_writing("w", 5));
    testing_assert_log("w=5 r:still here w=-EPIPE");
}

test(closing_wakes_who_waits_and_closes_the_fd)
{
    eddy_task reader = start_reading("r", 1);
    eddy_task writer = start_writing("w", BIG);
    int fd = eddy_stream_fd(&stream);

    testing_turns();
    eddy_stream_close(&stream);
    assert_false(net_is_open(fd));
    end(reader);
    end(writer);
    testing_assert_log("r=-EBADF w=-EBADF");
}

eddy_frame(closes) {
    eddy_coro co;
};

static void closes(eddy_coro *co)
{
    eddy_begin(closes);
    eddy_await(eddy_pause(co));
    eddy_stream_close(&stream);
    eddy_end;
}

test(closing_wakes_who_is_about_to_try)
{
    eddy_task task = start_reading("r", 2);
    eddy_task closer;

    testing_turns();
    closer = eddy_loop_spawn(testing.loop, closes);
    testing_turn(); /* it pauses, and stands in the ready list */
    net_send(peer, "x");
    end(task); /* the byte's event comes, the closer runs first */
    end(closer);
    testing_assert_log("r=-EBADF r=-EBADF");
}

test(a_stream_that_is_not_open_refuses_everything)
{
    char byte;

    eddy_stream_close(&stream);
    eddy_stream_close(&stream);
    assert_false(eddy_stream_is_open(&stream));
    assert_int_equal(eddy_stream_fd(&stream), -1);
    assert_int_equal(eddy_try_read(&stream, &byte, 1), -EBADF);
    assert_int_equal(eddy_try_write(&stream, "x", 1), -EBADF);
    assert_int_equal(eddy_stream_shutdown_write(&stream), -EBADF);
    end(start_reading("r", 1));
    end(start_writing("w", 1));
    end(eddy_loop_spawn(testing.loop, awaits_readable));
    testing_assert_log("r=-EBADF w=-EBADF readable=-EBADF");
}

test(a_closed_stream_can_be_opened_again)
{
    int fds[2];

    eddy_stream_close(&stream);
    close(peer);
    testing_socketpair(fds);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    peer = fds[1];
    net_send(peer, "again");
    end(start_reading("r", 1));
    testing_assert_log("r:again");
}

/* ---- completion wins, and no byte is lost */

test(a_byte_that_comes_after_the_cancel_is_there_for_the_next_read)
{
    eddy_task task = start_reading("r", 2);

    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    net_send(peer, "x");
    end(task);
    testing_assert_log("r=-ECANCELED r:x");
}

test(a_byte_that_comes_before_the_cancel_is_there_for_the_next_read)
{
    eddy_task task = start_reading("r", 2);

    testing_turns();
    net_send(peer, "x");
    assert_int_equal(eddy_cancel(task), 0);
    end(task);
    testing_assert_log("r=-ECANCELED r:x");
}

test(a_cancel_that_runs_just_before_the_reader_takes_no_byte)
{
    eddy_task task = start_reading("r", 2);
    eddy_task canceller;

    testing_turns();
    canceller = eddy_loop_spawn(testing.loop, cancel_later, .task = task);
    testing_turn(); /* it pauses, and stands in the ready list */
    net_send(peer, "x");
    assert_int_equal(testing_turn(), 2); /* the byte's event comes, the canceller runs first */
    end(task);
    end(canceller);
    testing_assert_log("r=-ECANCELED r:x");
}

test(a_cancel_that_runs_just_after_the_reader_is_delivered_at_the_next_await)
{
    eddy_task task = start_reading("r", 3);
    eddy_task canceller = eddy_loop_spawn(testing.loop, cancel_later, .task = task, .sleep = MS);

    testing_turns();
    net_send(peer, "x");
    testing.clock.now = MS; /* timers come after the events of fds */
    testing_turn();
    net_send(peer, "y");
    end(task);
    end(canceller);
    testing_assert_log("r:x r=-ECANCELED r:y");
}

test(a_time_out_in_the_turn_of_the_byte_takes_no_byte)
{
    eddy_task task =
        eddy_loop_spawn(testing.loop, reads, .name = "r", .times = 2, .limit = 100 * MS);

    testing_turns();
    net_send(peer, "x");
    testing.clock.now = 100 * MS; /* fd events first: the reader is about to try */
    end(task);
    testing_assert_log("r=-ETIMEDOUT r:x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stream_case(a_read_returns_what_there_is),
        stream_case(a_read_waits_until_there_is_something),
        stream_case(a_read_takes_at_most_the_size_and_leaves_the_rest),
        stream_case(the_end_of_the_file_comes_after_the_data_and_stays),
        stream_case(a_reader_that_waits_sees_the_end_of_the_file),
        stream_case(a_read_of_no_bytes_is_done_at_once),
        stream_case(readable_tells_of_data_and_takes_none),
        stream_case(readable_tells_of_the_end_of_the_file),
        stream_case(try_read_never_waits),
        stream_case(a_write_of_what_the_kernel_takes_is_done_at_once),
        stream_case(a_write_of_no_bytes_is_done_at_once_also_when_the_kernel_takes_no_more),
        stream_case(a_slow_reader_suspends_the_writer),
        stream_case(a_time_out_of_a_write_tells_exactly_what_the_kernel_has),
        stream_case(what_a_cancelled_write_has_left_can_be_written_afterwards),
        stream_case(try_write_takes_what_fits_and_never_waits),
        stream_case(eight_mebibytes_come_through_a_socketpair),
        stream_case(eight_mebibytes_come_through_tcp),
        stream_case(a_second_reader_is_refused_while_one_waits),
        stream_case(a_second_writer_is_refused_while_one_waits),
        stream_case(reader_and_writer_do_not_disturb_each_other),
        stream_case(shutting_the_write_side_leaves_the_read_side_open),
        stream_case(closing_wakes_who_waits_and_closes_the_fd),
        stream_case(closing_wakes_who_is_about_to_try),
        stream_case(a_stream_that_is_not_open_refuses_everything),
        stream_case(a_closed_stream_can_be_opened_again),
        stream_case(a_byte_that_comes_after_the_cancel_is_there_for_the_next_read),
        stream_case(a_byte_that_comes_before_the_cancel_is_there_for_the_next_read),
        stream_case(a_cancel_that_runs_just_before_the_reader_takes_no_byte),
        stream_case(a_cancel_that_runs_just_after_the_reader_is_delivered_at_the_next_await),
        stream_case(a_time_out_in_the_turn_of_the_byte_takes_no_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
