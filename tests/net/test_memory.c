/* Pairs of streams in memory. */
#include "support/stream.h"
#include "support/text.h"

#include "eddy/memory.h"

static eddy_stream far;

static int setup_pair(void **state)
{
    int result = testing_setup(state);

    memset(&stream, 0, sizeof stream);
    memset(&far, 0, sizeof far);
    assert_int_equal(eddy_memory_pair(testing.loop, &stream, &far, 8), 0);
    return result;
}

static int teardown_pair(void **state)
{
    eddy_stream_close(&stream);
    eddy_stream_close(&far);
    return testing_teardown(state);
}

#define pair_case(name) cmocka_unit_test_setup_teardown(name, setup_pair, teardown_pair)

static void say(const char *text)
{
    assert_int_equal(eddy_try_write(&far, text, strlen(text)), (int64_t)strlen(text));
}

test(it_holds_as_much_as_was_said_and_no_byte_more)
{
    char buffer[16];

    assert_int_equal(eddy_try_write(&far, "0123456789", 10), 8);
    assert_int_equal(eddy_try_write(&far, "x", 1), -EAGAIN);
    assert_int_equal(eddy_try_read(&stream, buffer, 3), 3);
    assert_memory_equal(buffer, "012", 3);
    assert_int_equal(eddy_try_write(&far, "89ab", 4), 3); /* around the end of the ring */
    assert_int_equal(eddy_try_read(&stream, buffer, sizeof buffer), 8);
    assert_memory_equal(buffer, "3456789a", 8);
    assert_int_equal(eddy_try_read(&stream, buffer, sizeof buffer), -EAGAIN);
}

test(a_closed_end_leaves_its_bytes_and_then_the_end)
{
    say("bye");
    eddy_stream_close(&far);
    end(start_reading("r", 2));
    end(start_writing("w", 1));
    testing_assert_log("r:bye r=0 w=-EPIPE");
}

test(a_writer_that_waits_learns_that_the_other_end_is_closed)
{
    eddy_task task = start_writing("w", 100);

    testing_turns();
    eddy_stream_close(&far);
    end(task);
    testing_assert_log("w=-EPIPE");
    assert_int_equal(eddy_stream_written(&stream), 8);
}

test(one_direction_is_shut_and_the_other_goes_on)
{
    assert_int_equal(eddy_stream_shutdown_write(&stream), 0);
    assert_int_equal(eddy_stream_shutdown_write(&stream), 0);
    end(start_writing("w", 1));
    say("more");
    end(start_reading("r", 1));
    testing_assert_log("w=-EPIPE r:more");
}

/* Two tasks of which each waits for the other's bytes keep the loop from nothing. */
test(who_waits_on_it_in_vain_is_a_deadlock)
{
    (void)start_reading("r", 1);
    assert_int_equal(eddy_loop_run(testing.loop), -EDEADLK);
    testing_assert_error(-EDEADLK, "deadlock: 1 task waits, and nothing could wake any");
    testing_free();
    testing_assert_log("r=-ECANCELED");
}

test(no_time_passes_in_it)
{
    eddy_task task = start_reading("r", 1);

    end(eddy_loop_spawn(testing.loop, writes, .name = "w", .data = "now", .size = 0));
    assert_int_equal(eddy_loop_now(testing.loop), 0);
    say("now");
    end(task);
    testing_assert_log("w=0 r:now");
    assert_int_equal(eddy_loop_now(testing.loop), 0);
}

test(a_time_out_on_it_is_exact)
{
    end(eddy_loop_spawn(testing.loop, reads, .name = "r", .times = 1, .limit = EDDY_SECOND));
    testing_assert_log("r=-ETIMEDOUT");
    assert_int_equal(eddy_loop_now(testing.loop), EDDY_SECOND);
}

test(who_takes_slowly_is_not_idle)
{
    static struct eddy_idle idle;
    eddy_task task;
    char byte;

    memset(&idle, 0, sizeof idle);
    assert_int_equal(eddy_stream_idle_timeout(&stream, &idle, EDDY_SECOND), 0);
    assert_int_equal(eddy_try_write(&stream, "12345678", 8), 8);
    task = start_reading("r", 1);
    for (int i = 0; i < 8; i++) {
        assert_true(eddy_loop_poll_once(testing.loop, EDDY_SECOND / 2, 0) >= 0);
        assert_int_equal(eddy_try_read(&far, &byte, 1), 1);
    }
    testing_assert_log("");
    end(task);
    testing_assert_log("r=-ETIMEDOUT");
}

/* Each echoes to the other, for ever: turn by turn, and not deeper and deeper. */
eddy_frame_of(echoes, eddy_stream *stream, uint64_t *count);

static void echoes(eddy_coro *co)
{
    eddy_begin(echoes);
    eddy_await(eddy_copy(co, self->stream, self->stream, self->count));
    eddy_end;
}

test(ends_that_are_copied_to_each_other_go_on_turn_by_turn)
{
    static uint64_t counts[2];
    eddy_task tasks[2];

    counts[0] = counts[1] = 0;
    say("x");
    tasks[0] = eddy_loop_spawn(testing.loop, echoes, .stream = &stream, .count = &counts[0]);
    tasks[1] = eddy_loop_spawn(testing.loop, echoes, .stream = &far, .count = &counts[1]);
    for (int i = 0; i < 10000; i++) {
        testing_turn();
    }
    assert_in_range(counts[0], 4000, 10000);
    for (int i = 0; i < 2; i++) {
        eddy_cancel(tasks[i]);
        assert_int_equal(eddy_loop_run_until(testing.loop, tasks[i]), -ECANCELED);
    }
}

test(it_is_refused_what_is_open_and_what_holds_nothing)
{
    eddy_stream one = {0};
    eddy_stream other = {0};

    assert_int_equal(eddy_memory_pair(testing.loop, &stream, &other, 8), -EINVAL);
    assert_int_equal(eddy_memory_pair(testing.loop, &one, &far, 8), -EINVAL);
    assert_int_equal(eddy_memory_pair(testing.loop, &one, &one, 8), -EINVAL);
    assert_int_equal(eddy_memory_pair(testing.loop, &one, &other, 0), -EINVAL);
    assert_int_equal(eddy_memory_pair(testing.loop, &one, &other, SIZE_MAX / 2), -EINVAL);
    testing_fail_allocations_from(1);
    assert_int_equal(eddy_memory_pair(testing.loop, &one, &other, 1 << 20), -ENOMEM);
    testing_fail_allocation(0);
    assert_false(eddy_stream_is_open(&one));
    assert_false(eddy_stream_is_open(&other));
}

test(the_loop_tells_of_an_end_that_is_left_open)
{
    testing_reopen_with(EDDY_CLOCK_VIRTUAL, EDDY_LOOP_REPORT_LEAKS);
    memset(&stream, 0, sizeof stream);
    memset(&far, 0, sizeof far);
    assert_int_equal((eddy_memory_pair)(testing.loop, &stream, &far, 8), 0);
    eddy_stream_close(&far);
    testing_free();
    testing_assert_error(-EBUSY, "leak: a stream is still open on memory, 0 to read, 0 of 8 unread "
                                 "by the other end");
    assert_false(eddy_stream_is_open(&stream));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        pair_case(it_holds_as_much_as_was_said_and_no_byte_more),
        pair_case(a_closed_end_leaves_its_bytes_and_then_the_end),
        pair_case(a_writer_that_waits_learns_that_the_other_end_is_closed),
        pair_case(one_direction_is_shut_and_the_other_goes_on),
        pair_case(who_waits_on_it_in_vain_is_a_deadlock),
        pair_case(no_time_passes_in_it),
        pair_case(a_time_out_on_it_is_exact),
        pair_case(who_takes_slowly_is_not_idle),
        pair_case(ends_that_are_copied_to_each_other_go_on_turn_by_turn),
        pair_case(it_is_refused_what_is_open_and_what_holds_nothing),
        pair_case(the_loop_tells_of_an_end_that_is_left_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
