/* writer.h: putting without waiting, and what comes out. */
#include "support/writer.h"

#include <errno.h>
#include <stdio.h>
#include <wchar.h>

#include "eddy/callback.h"
#include "eddy/reader.h"

/* ---- batches */

enum { REQUESTS = 16 };

eddy_frame(answers) {
    eddy_coro co;
    eddy_reader in;
    size_t length;
    int id;
    char buffer[256];
};

/* Answers lines until the end of the file. */
static void answers(eddy_coro *co)
{
    eddy_begin(answers);
    eddy_reader_init(&self->in, &stream, self->buffer, sizeof self->buffer);
    for (;;) {
        eddy_await(self->length, eddy_read_line(co, &self->in, sizeof self->buffer));
        if (self->length == 0) {
            eddy_return(0);
        }
        eddy_await(
            eddy_writer_printf(&writer, "%d:%.*s", self->id++, (int)self->length, self->in.line));
        eddy_await(eddy_writer_drain(co, &writer));
    }
    eddy_end;
}

test(sixteen_pipelined_answers_are_one_system_call)
{
    eddy_task task = eddy_loop_spawn(testing.loop, answers);
    char expected[256] = "";
    size_t length = 0;

    for (int i = 0; i < REQUESTS; i++) {
        length += (size_t)snprintf(expected + length, sizeof expected - length, "%d:get\n", i);
        net_send(peer, "get\n");
    }
    testing_turns();
    testing_forget_calls();
    for (int i = 0; i < REQUESTS; i++) {
        net_send(peer, "get\n");
    }
    net_expect(peer, expected);
    testing_turns();
    assert_int_equal(calls_to_send(), 1);
    shutdown(peer, SHUT_WR);
    assert_int_equal(finish(task), 0);
}

eddy_frame_of(puts_text, const char *text, int times);

static void puts_text(eddy_coro *co)
{
    eddy_begin(puts_text);
    for (; self->times > 0; self->times--) {
        eddy_await(eddy_writer_put(&writer, self->text, strlen(self->text)));
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

test(what_several_tasks_put_in_a_turn_goes_out_together_in_the_order_of_the_puts)
{
    eddy_loop_spawn(testing.loop, puts_text, .text = "one ", .times = 1);
    eddy_loop_spawn(testing.loop, puts_text, .text = "two ", .times = 1);
    eddy_loop_spawn(testing.loop, puts_text, .text = "three ", .times = 1);
    testing_turns();
    assert_int_equal(calls_to_send(), 1);
    net_expect(peer, "one two three ");
}

test(each_turn_that_puts_writes_once)
{
    eddy_loop_spawn(testing.loop, puts_text, .text = "a", .times = 3);
    eddy_loop_spawn(testing.loop, puts_text, .text = "b", .times = 3);
    testing_turns();
    assert_int_equal(calls_to_send(), 3);
    net_expect(peer, "ababab");
}

test(what_is_put_outside_of_tasks_goes_out_when_the_loop_runs_and_keeps_it_running)
{
    assert_int_equal(eddy_writer_put(&writer, "hello", 5), 0);
    assert_int_equal(calls_to_send(), 0);
    testing_run();
    net_expect(peer, "hello");
}

test(so_many_bytes_are_written_at_once)
{
    reopen_writer(.flush_at = 100);
    put(60);
    put(39);
    assert_int_equal(calls_to_send(), 0);
    put(1);
    assert_int_equal(calls_to_send(), 1);
    assert_int_equal(eddy_writer_buffered(&writer), 0);
    assert_int_equal(take(MOST), 100);
}

test(nothing_is_no_system_call)
{
    assert_int_equal(eddy_writer_put(&writer, NULL, 0), 0);
    assert_int_equal(eddy_writer_printf(&writer, "%s", ""), 0);
    testing_turns();
    assert_int_equal(calls_to_send(), 0);
    assert_null(writer.chain.first);
}

/* ---- formats */

test(what_is_formatted_fits_behind_what_is_there_or_in_a_block_of_its_own)
{
    static char expected[3 * MIB];
    static char wide[20001];
    static char came[MIB];
    size_t length = 0;
    ssize_t count;

    reopen_writer(.flush_at = MIB);
    memset(wide, 'x', sizeof wide - 1);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(eddy_writer_printf(&writer, "%d %s|", i, i % 100 == 99 ? wide : "y"), 0);
        length += (size_t)sprintf(expected + length, "%d %s|", i, i % 100 == 99 ? wide : "y");
    }
    assert_int_equal(eddy_writer_buffered(&writer), length);
    for (size_t got = 0; got < length; got += (size_t)count) {
        testing_turns();
        count = recv(peer, came, sizeof came, MSG_DONTWAIT);
        assert_true(count > 0);
        assert_memory_equal(came, expected + got, (size_t)count);
    }
    assert_int_equal(eddy_writer_buffered(&writer), 0);
}

test(a_format_that_cannot_be_written_puts_nothing)
{
    assert_int_equal(eddy_writer_printf(&writer, "%lc", (wint_t)0xD800), -EILSEQ);
    assert_int_equal(eddy_writer_buffered(&writer), 0);
    assert_null(writer.chain.first);
}

/* ---- a peer that is slow */

test(what_the_kernel_does_not_take_goes_on_without_a_task)
{
    size_t total = 300 * KIB;

    put(total);
    testing_turns();
    assert_true(eddy_writer_buffered(&writer) > 0);
    take_all();
    assert_int_equal(got_so_far, total);
    assert_int_equal(eddy_writer_buffered(&writer), 0);
    assert_null(writer.chain.first);
}

test(a_drain_waits_above_the_high_mark_until_the_low_one)
{
    reopen_writer(.high = 10 * KIB, .low = 4 * KIB);
    fill_up(10 * KIB);
    finish(start("at_high", DRAIN));
    testing_assert_log("at_high=0");
    put(1);
    start("above", DRAIN);
    testing_turns();
    testing_assert_log("");
    while (testing.log[0] == '\0') {
        assert_true(eddy_writer_buffered(&writer) > 4 * KIB);
        take(1 * KIB);
        testing_turns();
    }
    assert_true(eddy_writer_buffered(&writer) <= 4 * KIB);
    testing_assert_log("above=0");
}

test(a_flush_waits_for_what_was_put_before_it_and_no_more)
{
    fill_up(20 * KIB);
    start("first", FLUSH);
    testing_turns();
    put(30 * KIB);
    start("second", FLUSH);
    testing_turns();
    while (testing.log[0] == '\0') {
        assert_true(eddy_writer_buffered(&writer) > 30 * KIB);
        take(KIB);
        testing_turns();
    }
    assert_in_range(eddy_writer_buffered(&writer), 1, 30 * KIB);
    testing_assert_log("first=0");
    while (testing.log[0] == '\0') {
        assert_true(eddy_writer_buffered(&writer) > 0);
        take(KIB);
        testing_turns();
    }
    testing_assert_log("second=0");
    assert_int_equal(eddy_writer_buffered(&writer), 0);
    take_all();
    assert_int_equal(got_so_far, put_so_far);
}

test(nothing_to_write_is_drained_and_flushed_at_once)
{
    finish(start("drain", DRAIN));
    finish(start("flush", FLUSH));
    testing_assert_log("drain=0 flush=0");
}

/* ---- the limit */

test(a_put_past_the_limit_is_refused_and_puts_nothing)
{
    reopen_writer(.high = 10 * KIB, .limit = 20 * KIB);
    fill_up(19 * KIB);
    assert_int_equal(eddy_writer_put(&writer, pattern, KIB + 1), -ENOBUFS);
    assert_int_equal(eddy_writer_printf(&writer, "%1025d", 1), -ENOBUFS);
    assert_int_equal(eddy_writer_buffered(&writer), 19 * KIB);
    put(KIB);
    assert_int_equal(eddy_writer_put(&writer, "x", 1), -ENOBUFS);
    assert_int_equal(eddy_writer_put(&writer, "", 0), 0);
    take_all();
    assert_int_equal(got_so_far, put_so_far);
    assert_int_equal(eddy_writer_put(&writer, pattern, 20 * KIB + 1), -EMSGSIZE);
    put(20 * KIB);
    take_all();
    assert_int_equal(got_so_far, put_so_far);
}

test(a_put_past_the_limit_closes_the_stream_if_it_is_to_and_tells)
{
    reopen_writer(.high = 10 * KIB, .limit = 10 * KIB, .at_limit = EDDY_WRITER_CLOSE);
    fill_up(10 * KIB);
    start("flush", FLUSH);
    testing_turns();
    assert_int_equal(eddy_writer_put(&writer, "x", 1), -ENOBUFS);
    assert_int_equal(testing.errors.count, 1);
    assert_int_equal(testing.errors.code, -ENOBUFS);
    assert_non_null(strstr(testing.errors.text, "10240 bytes wait, which it does not take"));
    testing.errors.count = 0;
    assert_false(eddy_stream_is_open(&stream));
    testing_turns();
    testing_assert_log("flush=-105");
    assert_int_equal(eddy_writer_put(&writer, "x", 1), -ENOBUFS);
    assert_int_equal(eddy_try_write(&stream, "x", 1), -ENOBUFS);
}

eddy_frame_of(writes, const char *name, const void *data, size_t size);

static void writes(eddy_coro *co)
{
    eddy_begin(writes);
    eddy_await(eddy_writer_write(co, &writer, self->data, self->size));
    testing_log("%s", self->name);
    eddy_end;
}

test(a_write_waits_for_room_in_line_and_nobody_barges_in)
{
    static unsigned char all[MOST];
    eddy_task last;

    reopen_writer(.high = 10 * KIB, .limit = 10 * KIB);
    fill_up(10 * KIB);
    net_fill(all, 0, put_so_far + 12 * KIB);
    eddy_loop_spawn(testing.loop, writes, .name = "large", .data = all + put_so_far,
                    .size = 9 * KIB);
    eddy_loop_spawn(testing.loop, writes, .name = "small", .data = all + put_so_far + 9 * KIB,
                    .size = 1);
    last = eddy_loop_spawn(testing.loop, writes, .name = "last",
                           .data = all + put_so_far + 9 * KIB + 1, .size = 3 * KIB - 1);
    testing_turns();
    while (eddy_writer_buffered(&writer) > 9 * KIB) {
        take(KIB / 2);
        testing_turns();
        testing_assert_log("");
    }
    assert_int_equal(eddy_writer_put(&writer, "x", 1), -ENOBUFS); /* though there is room */
    take_all();
    assert_int_equal(finish(last), 0);
    take_all();
    testing_assert_log("large small last");
    assert_int_equal(got_so_far, put_so_far + 12 * KIB);
}

test(a_write_with_room_is_done_at_once)
{
    net_fill(pattern, 0, 10);
    eddy_loop_spawn(testing.loop, does, .name = "write", .deed = WRITE, .size = 10);
    testing_turn();
    testing_assert_log("write=10");
    take_all();
    assert_int_equal(got_so_far, 10);
}

/* ---- whose the stream is */

eddy_frame_of(writes_directly, size_t size, int64_t rc);

static void writes_directly(eddy_coro *co)
{
    eddy_begin(writes_directly);
    eddy_catch(self->rc, eddy_write(co, &stream, pattern, self->size));
    testing_log_result("direct", self->rc);
    eddy_end;
}

test(while_bytes_wait_the_stream_is_the_writers_and_then_anybodys)
{
    static eddy_writer other;

    eddy_loop_spawn(testing.loop, writes_directly, .size = 5);
    put(10);
    testing_turn();
    testing_assert_log("direct=-EBUSY");
    put(0);
    assert_int_equal(take(MOST), 10);
    put(10);
    assert_int_equal(eddy_try_write(&stream, "x", 1), -EBUSY);
    assert_int_equal(eddy_stream_shutdown_write(&stream), -EBUSY);
    assert_int_equal(eddy_writer_open(&other, &stream, NULL), 0);
    assert_int_equal(eddy_writer_put(&other, "x", 1), -EBUSY);
    finish(start("flush", FLUSH));
    net_fill(pattern, put_so_far, 5);
    testing_run_task(writes_directly, .size = 5);
    testing_assert_log("flush=0 direct=5");
    put_so_far += 5;
    assert_int_equal(eddy_writer_put(&other, next_bytes(1), 1), 0);
    put_so_far++;
    take_all();
    assert_int_equal(got_so_far, 26);
    eddy_writer_drop(&other);
}

test(a_put_while_a_task_writes_the_stream_is_ebusy)
{
    net_fill(pattern, 0, MIB);
    eddy_loop_spawn(testing.loop, writes_directly, .size = MIB);
    testing_turns();
    assert_int_equal(eddy_writer_put(&writer, "x", 1), -EBUSY);
    take_all();
    testing_assert_log("direct=1048576");
    assert_int_equal(eddy_writer_put(&writer, "", 0), 0);
}

/* ---- shares and memory */

static ssize_t take_everything(const struct eddy_sys *sys, int fd, const void *data, size_t size)
{
    (void)sys;
    (void)fd;
    (void)data;
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

test(a_flush_writes_a_mebibyte_and_then_others_have_their_turn)
{
    testing.sys.table.send = take_everything;
    reopen_writer(.flush_at = MOST, .limit = MOST);
    put(2 * MIB + MIB / 2);
    eddy_loop_spawn(testing.loop, passes_by, .times = 4);
    testing_turns();
    testing_assert_log("1048576 turn 1048576 turn 524288 turn turn");
}

test(a_writer_that_was_emptied_has_no_memory_and_a_thousand_take_no_more_than_one)
{
    size_t bytes = 0;

    for (int i = 0; i < 1000; i++) {
        put(10 * KIB);
        testing_turns();
        take_all();
        assert_null(writer.chain.first);
        bytes = i == 0 ? testing.memory.bytes : bytes;
    }
    assert_int_equal(testing.memory.bytes, bytes);
}

test(without_memory_a_put_is_enomem_and_puts_nothing)
{
    put(100);
    testing_fail_allocations_from(1);
    assert_int_equal(eddy_writer_put(&writer, pattern, MIB - 100), -ENOMEM);
    assert_int_equal(eddy_writer_printf(&writer, "%200000d", 1), -ENOMEM);
    assert_int_equal(eddy_writer_buffered(&writer), 100);
    testing_fail_allocation(0);
    put(100);
    take_all();
    assert_int_equal(got_so_far, 200);
}

/* ---- random puts, takes and short writes */

static uint64_t random_state;

static struct eddy_sys real;

static size_t random_below(size_t limit)
{
    return (size_t)(testing_random(&random_state) % limit);
}

static size_t shortened(size_t size)
{
    return random_below(3) == 0 ? 1 + random_below(size) : size;
}

static ssize_t short_send(const struct eddy_sys *sys, int fd, const void *data, size_t size)
{
    return random_below(8) == 0 ? -EINTR : real.send(sys, fd, data, shortened(size));
}

static ssize_t short_sendv(const struct eddy_sys *sys, int fd, struct iovec *pieces, int count)
{
    if (random_below(8) == 0) {
        return -EINTR;
    }
    pieces[count - 1].iov_len = shortened(pieces[count - 1].iov_len);
    return real.sendv(sys, fd, pieces, count);
}

test(whatever_is_put_comes_out_in_order)
{
    random_state = 12;
    printf("seed %llu\n", (unsigned long long)random_state);
    real = testing.sys.table;
    testing.sys.table.send = short_send;
    testing.sys.table.sendv = short_sendv;
    for (int round = 0; round < 3000; round++) {
        size_t size = random_below(random_below(10) == 0 ? 100 * KIB : 500);
        if (eddy_writer_buffered(&writer) + size <= MIB) {
            put(size);
        }
        if (random_below(3) == 0) {
            testing_turn();
        }
        if (random_below(4) == 0) {
            take(random_below(64 * KIB));
        }
    }
    take_all();
    assert_int_equal(got_so_far, put_so_far);
    assert_int_equal(eddy_writer_buffered(&writer), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        writer_case(sixteen_pipelined_answers_are_one_system_call),
        writer_case(what_several_tasks_put_in_a_turn_goes_out_together_in_the_order_of_the_puts),
        writer_case(each_turn_that_puts_writes_once),
        writer_case(what_is_put_outside_of_tasks_goes_out_when_the_loop_runs_and_keeps_it_running),
        writer_case(so_many_bytes_are_written_at_once),
        writer_case(nothing_is_no_system_call),
        writer_case(what_is_formatted_fits_behind_what_is_there_or_in_a_block_of_its_own),
        writer_case(a_format_that_cannot_be_written_puts_nothing),
        writer_case(what_the_kernel_does_not_take_goes_on_without_a_task),
        writer_case(a_drain_waits_above_the_high_mark_until_the_low_one),
        writer_case(a_flush_waits_for_what_was_put_before_it_and_no_more),
        writer_case(nothing_to_write_is_drained_and_flushed_at_once),
        writer_case(a_put_past_the_limit_is_refused_and_puts_nothing),
        writer_case(a_put_past_the_limit_closes_the_stream_if_it_is_to_and_tells),
        writer_case(a_write_waits_for_room_in_line_and_nobody_barges_in),
        writer_case(a_write_with_room_is_done_at_once),
        writer_case(while_bytes_wait_the_stream_is_the_writers_and_then_anybodys),
        writer_case(a_put_while_a_task_writes_the_stream_is_ebusy),
        writer_case(a_flush_writes_a_mebibyte_and_then_others_have_their_turn),
        writer_case(a_writer_that_was_emptied_has_no_memory_and_a_thousand_take_no_more_than_one),
        writer_case(without_memory_a_put_is_enomem_and_puts_nothing),
        writer_case(whatever_is_put_comes_out_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
