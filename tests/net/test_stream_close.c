/* stream.h: who may use a stream, how it is shut and closed, and that no byte is lost to a race. */
#include "support/stream.h"

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
