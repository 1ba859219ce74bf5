/* stream.h: connected sockets that are read and written. How they end is in test_stream_close.c, what
 * goes wrong in test_stream_faults.c. */
#include "support/stream.h"

enum { HUGE_SIZE = 8 * 1024 * 1024 };

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

/* Writes 100 bytes, and then, when it is cancelled or may not, in each of the ways. */
eddy_frame(writes_in_vain) {
    eddy_coro co;
    bool cancelled;
    int way;
    struct iovec piece;
    int64_t rc;
};

static void writes_in_vain(eddy_coro *co)
{
    eddy_begin(writes_in_vain);
    self->piece = (struct iovec){big, 200};
    for (; self->way < 3; self->way++) {
        eddy_await(eddy_write(co, &stream, big, 100));
        assert_int_equal(eddy_stream_written(&stream), 100);
        if (self->cancelled) {
            eddy_cancel(eddy_task_self(co));
        }
        if (self->way == 0 && self->cancelled) {
            eddy_catch(self->rc, eddy_write(co, &stream, big, 200));
        } else if (self->way == 1 && self->cancelled) {
            eddy_catch(self->rc, eddy_writev(co, &stream, &self->piece, 1));
        } else {
            eddy_catch(self->rc, eddy_writev(co, &stream, &self->piece, -1));
        }
        assert_int_equal(self->rc, self->cancelled ? -ECANCELED : -EINVAL);
        assert_int_equal(eddy_stream_written(&stream), 0);
    }
    eddy_end;
}

test(of_a_write_that_is_not_begun_nothing_is_written)
{
    end(eddy_loop_spawn(testing.loop, writes_in_vain, .cancelled = true));
    end(eddy_loop_spawn(testing.loop, writes_in_vain));
    end(start_writing("w", 100));
    eddy_stream_close(&stream);
    end(start_writing("w", 100));
    assert_int_equal(eddy_stream_written(&stream), 0);
    testing_assert_log("w=100 w=-EBADF");
}

test(a_write_that_meets_anothers_leaves_alone_what_that_has_written)
{
    eddy_task first = start_writing("first", BIG);
    eddy_task second;
    size_t written;

    net_small_send_buffer(eddy_stream_fd(&stream));
    testing_turns();
    written = eddy_stream_written(&stream);
    assert_in_range(written, 1, BIG / 4);
    second = start_writing("second", 100);
    end(second);
    assert_int_equal(eddy_stream_written(&stream), written);
    assert_int_equal(take_slowly(BIG), BIG);
    end(first);
    testing_assert_log("second=-EBUSY first=262144");
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
        stream_case(of_a_write_that_is_not_begun_nothing_is_written),
        stream_case(a_write_that_meets_anothers_leaves_alone_what_that_has_written),
        stream_case(try_write_takes_what_fits_and_never_waits),
        stream_case(eight_mebibytes_come_through_a_socketpair),
        stream_case(eight_mebibytes_come_through_tcp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
