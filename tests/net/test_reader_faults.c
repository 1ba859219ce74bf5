/* reader.h: cancels, time-outs, errors and mistakes lose no byte. */
#include "support/reader.h"

#include <stdio.h>

/* ---- cancels and time-outs lose nothing */

static const struct asked six_bytes[] = {
    {LINE, ROOM, NULL}, {UNTIL, ROOM, "ef"}, {EXACTLY, 6, NULL}, {PEEK, 6, NULL}};

enum { SIX_BYTES = sizeof six_bytes / sizeof six_bytes[0] };

/* Stops the operation, which has been given `given` of the six bytes, and begins it anew. */
static void stop_and_begin_again(struct asked asked, size_t given, bool by_cancel)
{
    const char *text = asked.kind == LINE ? "abcde\n" : "abcdef";
    char part[8] = "";
    eddy_task task = start(asked, .limit = by_cancel ? 0 : EDDY_SECOND);

    testing_turns();
    memcpy(part, text, given);
    net_send(peer, part);
    testing_turns();
    if (by_cancel) {
        eddy_cancel(task);
    }
    assert_int_equal(finish(task), by_cancel ? -ECANCELED : -ETIMEDOUT);
    testing_assert_log(by_cancel ? "-ECANCELED" : "-ETIMEDOUT");
    assert_int_equal(eddy_reader_buffered(&reader), given);
    task = start(asked);
    testing_turns();
    net_send(peer, text + given);
    assert_int_equal(finish(task), 6);
    testing_assert_log(asked.kind == LINE ? "abcde/" : "abcdef");
    if (asked.kind == PEEK) {
        eddy_reader_skip(&reader, 6);
    }
}

test(a_cancel_loses_nothing_wherever_it_comes)
{
    for (size_t i = 0; i < SIX_BYTES; i++) {
        for (size_t given = 0; given < 6; given++) {
            stop_and_begin_again(six_bytes[i], given, true);
        }
    }
}

test(a_time_out_loses_nothing_wherever_it_comes)
{
    for (size_t i = 0; i < SIX_BYTES; i++) {
        for (size_t given = 0; given < 6; given++) {
            stop_and_begin_again(six_bytes[i], given, false);
        }
    }
}

test(a_cancel_that_comes_with_the_bytes_leaves_them_unread)
{
    eddy_task task = start(LINE(ROOM));

    testing_turns();
    net_send(peer, "one\n");
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    assert_int_equal(ask(LINE(ROOM)), 4);
    testing_assert_log("-ECANCELED one/");
}

/* A large record, in two calls, the first of which times out. */
eddy_frame(goes_on) {
    eddy_coro co;
    size_t size;
    int64_t rc;
};

static void goes_on(eddy_coro *co)
{
    eddy_begin(goes_on);
    eddy_catch(self->rc,
               eddy_wait_for(co, EDDY_SECOND, eddy_read_exactly(co, &reader, record, self->size)));
    testing_log("-%s", name_of(self->rc));
    testing_log("%zu", eddy_reader_delivered(&reader));
    eddy_await(eddy_read_exactly(co, &reader, record + eddy_reader_delivered(&reader),
                                 self->size - eddy_reader_delivered(&reader)));
    log_bytes(EXACTLY(0), (int64_t)self->size);
    eddy_end;
}

eddy_frame(sleeps_two_seconds) {
    eddy_coro co;
};

static void sleeps_two_seconds(eddy_coro *co)
{
    eddy_begin(sleeps_two_seconds);
    eddy_await(eddy_sleep(co, 2 * EDDY_SECOND));
    eddy_end;
}

test(a_large_record_that_timed_out_can_be_gone_on_with)
{
    const char *text = "abcdefghijklmnopqrstuvwxyz";
    char expected[64];

    for (size_t given = 1; given < strlen(text); given++) {
        eddy_task task = eddy_loop_spawn(testing.loop, goes_on, .size = strlen(text));
        char part[32] = "";
        memcpy(part, text, given);
        net_send(peer, part);
        assert_int_equal(testing_run_task(sleeps_two_seconds), 0);
        net_send(peer, text + given);
        assert_int_equal(finish(task), 0);
        snprintf(expected, sizeof expected, "-ETIMEDOUT %zu %s", given, text);
        testing_assert_log(expected);
    }
}

test(an_operation_that_never_began_has_delivered_nothing)
{
    eddy_task task;

    net_send(peer, "abcdefghijklmnopqrst");
    ask(EXACTLY(20));
    task = start(EXACTLY(20), .times = 2);
    testing_turns();
    eddy_cancel(task);
    testing_turns();
    assert_int_equal(eddy_reader_delivered(&reader), 0);
    net_send(peer, "abcdefghijklmnopqrst");
    finish(task);
    testing_assert_log("abcdefghijklmnopqrst -ECANCELED abcdefghijklmnopqrst");
}

/* ---- errors */

test(closing_wakes_who_reads_and_leaves_the_buffered_to_be_read)
{
    eddy_task task;

    net_send(peer, "one\ntwo\nthr");
    ask(LINE(ROOM));
    task = start(EXACTLY(8));
    testing_turns();
    eddy_stream_close(&stream);
    assert_int_equal(finish(task), -EBADF);
    ask(LINE(ROOM), .times = 2);
    ask(READ(ROOM), .times = 2);
    testing_assert_log("one/ -EBADF two/ -EBADF thr -EBADF");
}

test(an_idle_time_out_is_etimedout)
{
    static struct eddy_idle idle;
    eddy_task task = start(LINE(ROOM), .times = 2);

    memset(&idle, 0, sizeof idle);
    assert_int_equal(eddy_stream_idle_timeout(&stream, &idle, EDDY_SECOND), 0);
    net_send(peer, "on");
    finish(task);
    assert_int_equal(eddy_reader_buffered(&reader), 2);
    testing_assert_log("-ETIMEDOUT -ETIMEDOUT");
}

test(an_error_of_the_read_leaves_what_came_before)
{
    for (size_t i = 0; i < SIX_BYTES; i++) {
        eddy_task task = start(six_bytes[i], .times = 2);
        const char *text = six_bytes[i].kind == LINE ? "abcde\n" : "abcdef";
        char part[4] = "";
        memcpy(part, text, 3);
        net_send(peer, part);
        testing_turns();
        testing_fail(read, 1, -EIO);
        net_send(peer, text + 3);
        assert_int_equal(finish(task), 6);
        testing_assert_log(six_bytes[i].kind == LINE ? "-EIO abcde/" : "-EIO abcdef");
        eddy_reader_skip(&reader, 6);
    }
}

test(an_interrupted_read_is_made_again)
{
    net_send(peer, "abc\n");
    testing_fail(read, 1, -EINTR);
    ask(LINE(ROOM));
    testing_assert_log("abc/");
}

test(a_second_reader_is_refused_and_does_the_first_no_harm)
{
    eddy_task task = start(UNTIL(";", ROOM));

    net_send(peer, "abc");
    testing_turns();
    ask(LINE(ROOM));
    ask(EXACTLY(20));
    ask(READ(1));
    ask(PEEK(1));
    ask(UNTIL("b", ROOM));
    testing_assert_log("-EBUSY -EBUSY -EBUSY -EBUSY -EBUSY");
    net_send(peer, ";");
    finish(task);
    testing_assert_log("abc;");
}

test(the_stream_cannot_be_read_while_a_reader_waits)
{
    eddy_task task = start(LINE(ROOM));
    char byte;

    testing_turns();
    assert_int_equal(eddy_try_read(&stream, &byte, 1), -EBUSY);
    net_send(peer, "a\n");
    finish(task);
    testing_assert_log("a/");
}

/* ---- what must not lie on the C stack */

enum { THE_READER, THE_BUFFER, THE_DATA, THE_DELIMITER };

eddy_frame(uses_the_stack) {
    eddy_coro co;
    int what;
    eddy_reader reader;
};

static void uses_the_stack(eddy_coro *co)
{
    eddy_reader local_reader;
    char local[ROOM] = "x";

    eddy_begin(uses_the_stack);
    eddy_reader_init(&local_reader, &stream, buffer, ROOM);
    eddy_reader_init(&self->reader, &stream, self->what == THE_BUFFER ? local : buffer, ROOM);
    if (self->what == THE_READER) {
        eddy_await(eddy_read_line(co, &local_reader, ROOM));
    } else if (self->what == THE_DATA) {
        eddy_await(eddy_read_exactly(co, &self->reader, local, 2));
    } else if (self->what == THE_DELIMITER) {
        eddy_await(eddy_read_until(co, &self->reader, local, 1, ROOM));
    } else {
        eddy_await(eddy_read_line(co, &self->reader, ROOM));
    }
    eddy_end;
}

static void run_loop(void *argument)
{
    (void)argument;
    (void)eddy_loop_run(testing.loop);
}

test(buffers_on_the_stack_abort)
{
    for (int what = THE_READER; what <= THE_DELIMITER; what++) {
        eddy_task task = eddy_loop_spawn(testing.loop, uses_the_stack, .what = what);
        testing_expect_abort(run_loop, NULL, "with a pointer to a local variable");
        eddy_cancel(task);
        testing_turns();
        assert_int_equal(finish(task), -ECANCELED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reader_cases(a_cancel_loses_nothing_wherever_it_comes),
        reader_cases(a_time_out_loses_nothing_wherever_it_comes),
        reader_cases(a_cancel_that_comes_with_the_bytes_leaves_them_unread),
        reader_cases(a_large_record_that_timed_out_can_be_gone_on_with),
        reader_cases(an_operation_that_never_began_has_delivered_nothing),
        reader_cases(closing_wakes_who_reads_and_leaves_the_buffered_to_be_read),
        reader_cases(an_idle_time_out_is_etimedout),
        reader_cases(an_error_of_the_read_leaves_what_came_before),
        reader_cases(an_interrupted_read_is_made_again),
        reader_cases(a_second_reader_is_refused_and_does_the_first_no_harm),
        reader_cases(the_stream_cannot_be_read_while_a_reader_waits),
        reader_case(buffers_on_the_stack_abort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
