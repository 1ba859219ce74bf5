/* reader.h: readers that are opened, with a buffer of the loop's memory; and lines that are dropped. (What
 * all readers do the same is in test_reader.c, which is run with both.) */
#include "support/reader.h"

#include <stdio.h>
#include <stdlib.h>

#include "eddy/transport.h"

enum { KIB = 1024, LIMIT = 64 * KIB, CLIENTS = 10000 };

/* A line of that many bytes, its end among them. */
static const char *line_of(size_t size)
{
    static char text[2 * LIMIT];

    memset(text, 'x', size - 1);
    text[size - 1] = '\n';
    text[size] = '\0';
    return text;
}

static int setup_large(void **state)
{
    int result = setup(state);

    memset(&reader, 0, sizeof reader);
    assert_int_equal(eddy_reader_open(&reader, &stream, LIMIT), 0);
    by_loop = true;
    return result;
}

#define opened_case(name) cmocka_unit_test_setup_teardown(name, setup_large, teardown)

/* ---- the buffer */

eddy_frame_of(reads_lines, int64_t count, int times);

/* Logs the length of each line. */
static void reads_lines(eddy_coro *co)
{
    eddy_begin(reads_lines);
    for (; self->times > 0; self->times--) {
        eddy_catch(self->count, eddy_read_line(co, &reader, LIMIT));
        testing_log("%lld", (long long)self->count);
    }
    eddy_end;
}

test(a_reader_has_no_buffer_until_there_is_something_to_read_and_none_when_it_waits_again)
{
    eddy_task task = eddy_loop_spawn(testing.loop, reads_lines, .times = 3);

    assert_int_equal(reader.size, 0);
    testing_turns();
    assert_int_equal(reader.size, 0);
    net_send(peer, "half");
    testing_turns();
    assert_int_equal(reader.size, KIB);
    net_send(peer, " a line\n");
    testing_turns();
    testing_assert_log("12");
    assert_int_equal(reader.size, 0);
    net_send(peer, "two\nand a");
    testing_turns();
    assert_int_equal(reader.size, KIB);
    eddy_cancel(task);
    testing_turns();
    assert_int_equal(reader.size, KIB); /* there is something in it */
    testing.log[0] = '\0';
}

test(the_buffer_doubles_as_far_as_a_line_needs_it)
{
    eddy_task task = eddy_loop_spawn(testing.loop, reads_lines, .times = 4);

    net_send(peer, line_of(KIB));
    testing_turns();
    net_send(peer, line_of(3 * KIB));
    testing_turns();
    testing_assert_log("1024 3072");
    net_send(peer, "y");
    testing_turns();
    assert_int_equal(reader.size, KIB);
    net_send(peer, line_of(5 * KIB));
    testing_turns();
    testing_assert_log("5121");
    net_send(peer, line_of(LIMIT));
    finish(task);
    testing_assert_log("65536");
    assert_int_equal(reader.size, LIMIT);
}

test(no_line_is_longer_than_the_limit)
{
    eddy_task task = eddy_loop_spawn(testing.loop, reads_lines, .times = 1);

    net_send(peer, line_of(LIMIT + 1));
    finish(task);
    testing_assert_log("-90"); /* EMSGSIZE */
    assert_int_equal(eddy_reader_buffered(&reader), LIMIT);
}

test(without_memory_nothing_is_taken_and_the_line_can_be_read_afterwards)
{
    eddy_task task = eddy_loop_spawn(testing.loop, reads_lines, .times = 1);

    testing_turns();
    net_send(peer, line_of(20 * KIB));
    testing_fail_allocations_from(2); /* beyond the first buffer */
    testing_turns();
    testing_fail_allocation(0);
    finish(task);
    testing_assert_log("-12"); /* ENOMEM */
    finish(eddy_loop_spawn(testing.loop, reads_lines, .times = 1));
    testing_assert_log("20480");
}

test(the_buffer_is_never_larger_than_the_limit)
{
    eddy_reader_close(&reader);
    assert_int_equal(eddy_reader_open(&reader, &stream, 3000), 0);
    net_send(peer, line_of(3000));
    testing_run_task(reads_lines, .times = 1);
    assert_int_equal(reader.size, 3000);
    testing_assert_log("3000");
}

/* ---- idle clients */

struct client {
    eddy_transport transport;
    eddy_stream stream;
    eddy_reader in;
    const char *text; /* that it still says */
};

static int64_t say(eddy_transport *transport, void *data, size_t size)
{
    struct client *client = (struct client *)(void *)transport;
    size_t length = strlen(client->text);

    length = length < size ? length : size;
    memcpy(data, client->text, length);
    client->text += length;
    return length > 0 ? (int64_t)length : -EAGAIN;
}

static int64_t hear(eddy_transport *transport, const void *data, size_t size)
{
    (void)transport;
    (void)data;
    return (int64_t)size;
}

static void leave(eddy_transport *transport, int fd)
{
    (void)transport;
    (void)fd;
}

static const struct eddy_transport_kind client_kind = {
    .name = "client", .read = say, .write = hear, .close = leave, .inside = true};

eddy_frame_of(serves, struct client *client, int64_t length, int lines);

static int lines_in_all;

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    eddy_with_reader(&self->client->in, &self->client->stream, LIMIT) {
        for (;;) {
            eddy_await(self->length, eddy_read_line(co, &self->client->in, LIMIT));
            lines_in_all++;
        }
    }
    eddy_end;
}

static void let_all_say(struct client *clients, const char *text)
{
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].text = text;
        eddy_transport_ready(&clients[i].transport, EDDY_READ);
    }
    testing_turns();
}

test(ten_thousand_idle_clients_of_a_line_protocol_hold_no_buffer)
{
    struct client *clients = calloc(CLIENTS, sizeof *clients);
    size_t before;

    assert_non_null(clients);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].transport.kind = &client_kind;
        clients[i].text = "";
        assert_int_equal(
            eddy_stream_open_transport(testing.loop, &clients[i].stream, &clients[i].transport, -1),
            0);
        eddy_detach(eddy_loop_spawn(testing.loop, serves, .client = &clients[i]));
    }
    testing_turns();
    before = testing.memory.bytes;
    lines_in_all = 0;
    let_all_say(clients, "hello\nhow are you?\n");
    assert_int_equal(lines_in_all, 2 * CLIENTS);
    assert_in_range(testing.memory.bytes, before, before + 64 * KIB); /* one after the other */
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(clients[i].in.size, 0);
    }
    let_all_say(clients, "half a line");
    assert_true(testing.memory.bytes > before + (size_t)CLIENTS * KIB);
    let_all_say(clients, "\n");
    assert_int_equal(lines_in_all, 3 * CLIENTS);
    assert_in_range(testing.memory.bytes, before,
                    before + 2 * 1024 * KIB); /* what the pool keeps */
    testing_free();
    free(clients);
    testing.options.clock = &testing.clock;
    assert_int_equal(eddy_loop_new(&testing.loop, &testing.options), 0);
}

/* ---- its life */

test(a_reader_is_opened_on_an_open_stream_and_has_a_limit)
{
    static eddy_reader other;

    assert_int_equal(eddy_reader_open(&reader, &stream, 10), -EINVAL);
    assert_int_equal(eddy_reader_open(&other, &stream, 0), -EINVAL);
    eddy_stream_close(&stream);
    assert_int_equal(eddy_reader_open(&other, &stream, 10), -EBADF);
}

test(a_reader_that_is_closed_wakes_who_reads_and_reads_no_more)
{
    eddy_task task = eddy_loop_spawn(testing.loop, reads_lines, .times = 3);

    net_send(peer, "half");
    testing_turns();
    eddy_reader_close(&reader);
    finish(task);
    testing_assert_log("-9 -22 -22"); /* EBADF, EINVAL */
    assert_int_equal(eddy_reader_buffered(&reader), 0);
    eddy_reader_close(&reader);
}

eddy_frame_of(leaves_a_reader, eddy_reader in);

static void leaves_a_reader(eddy_coro *co)
{
    eddy_begin(leaves_a_reader);
    eddy_await(eddy_reader_open(&self->in, &stream, LIMIT));
    eddy_end;
}

static void leave_a_reader(void *unused)
{
    (void)unused;
    (void)testing_run_task(leaves_a_reader);
}

test(an_open_reader_in_a_frame_that_ends_aborts)
{
    testing_expect_abort(leave_a_reader, NULL,
                         "leaves_a_reader: the coroutine ends although a stream, reader, writer");
}

test(the_loops_end_closes_a_reader)
{
    eddy_task task = eddy_loop_spawn(testing.loop, reads_lines, .times = 1);

    net_send(peer, "half");
    testing_turns();
    eddy_detach(task);
    testing_free();
    assert_int_equal(reader.size, 0);
    assert_int_equal(eddy_reader_buffered(&reader), 0);
    testing_assert_log("-125"); /* ECANCELED */
    assert_int_equal(eddy_loop_new(&testing.loop, &testing.options), 0);
}

/* ---- dropping a line */

eddy_frame_of(skips, int64_t count, int times);

static void skips(eddy_coro *co)
{
    eddy_begin(skips);
    for (; self->times > 0; self->times--) {
        eddy_catch(self->count, eddy_reader_skip_line(co, &reader));
        testing_log("%lld", (long long)self->count);
    }
    eddy_end;
}

test(a_line_that_is_too_long_can_be_dropped_and_the_next_one_read)
{
    net_send(peer, "a line that is longer than the buffer\nnext\n");
    assert_int_equal(ask(LINE(ROOM)), -EMSGSIZE);
    testing_run_task(skips, .times = 1);
    assert_int_equal(ask(LINE(ROOM)), 5);
    testing_assert_log("-EMSGSIZE 38 next/");
}

test(a_skip_waits_for_the_end_of_the_line_in_no_memory)
{
    eddy_task task = eddy_loop_spawn(testing.loop, skips, .times = 2);

    for (int i = 0; i < 100; i++) {
        net_send(peer, "0123456789");
        testing_turns();
        assert_int_equal(reader.size, 0);
    }
    net_send(peer, "\n\n");
    finish(task);
    testing_assert_log("1001 1");
}

test(a_skip_that_is_cancelled_tells_what_is_gone_and_the_next_goes_on_with_the_line)
{
    eddy_task task = eddy_loop_spawn(testing.loop, skips, .times = 1);

    net_send(peer, "0123");
    testing_turns();
    eddy_cancel(task);
    finish(task);
    testing_assert_log("-125");
    assert_int_equal(eddy_reader_delivered(&reader), 4);
    net_send(peer, "4\nnext\n");
    testing_run_task(skips, .times = 1);
    assert_int_equal(ask(LINE(ROOM)), 5);
    testing_assert_log("2 next/");
}

test(a_skip_at_the_end_of_the_file_drops_what_there_is)
{
    net_send(peer, "half");
    end_of_file();
    testing_run_task(skips, .times = 2);
    testing_assert_log("4 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        opened_case(
            a_reader_has_no_buffer_until_there_is_something_to_read_and_none_when_it_waits_again),
        opened_case(the_buffer_doubles_as_far_as_a_line_needs_it),
        opened_case(no_line_is_longer_than_the_limit),
        opened_case(the_buffer_is_never_larger_than_the_limit),
        opened_case(without_memory_nothing_is_taken_and_the_line_can_be_read_afterwards),
        testing_case(ten_thousand_idle_clients_of_a_line_protocol_hold_no_buffer),
        opened_case(a_reader_is_opened_on_an_open_stream_and_has_a_limit),
        opened_case(a_reader_that_is_closed_wakes_who_reads_and_reads_no_more),
        opened_case(an_open_reader_in_a_frame_that_ends_aborts),
        opened_case(the_loops_end_closes_a_reader),
        reader_cases(a_line_that_is_too_long_can_be_dropped_and_the_next_one_read),
        opened_case(a_skip_waits_for_the_end_of_the_line_in_no_memory),
        reader_cases(
            a_skip_that_is_cancelled_tells_what_is_gone_and_the_next_goes_on_with_the_line),
        reader_cases(a_skip_at_the_end_of_the_file_drops_what_there_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
