/* Streams on transports: what a transport is asked, what it may say, and when it is told. */
#include "support/stream.h"
#include "support/text.h"

#include <fcntl.h>
#include <stdio.h>

#include "eddy/transport.h"

/* A transport whose content the test decides, and which logs what it is asked. */
struct toy {
    eddy_transport transport;
    const char *content; /* what a read finds; NULL: nothing yet */
    size_t room;         /* what a write takes */
    bool tells; /* its read says that there is something to read, and that there is nothing */
};

static struct toy toy;
static eddy_stream upper;

static struct toy *toy_of(eddy_transport *transport)
{
    return (struct toy *)(void *)transport;
}

static int64_t toy_read(eddy_transport *transport, void *buffer, size_t size)
{
    struct toy *self = toy_of(transport);
    size_t count = self->content == NULL ? 0 : strlen(self->content);

    testing_log("read:%zu", size);
    if (self->tells) {
        self->tells = false;
        eddy_transport_ready(transport, EDDY_READ);
        return -EAGAIN;
    }
    if (self->content == NULL) {
        return -EAGAIN;
    }
    count = count < size ? count : size;
    memcpy(buffer, self->content, count);
    self->content += count;
    if (count > 0 && *self->content == '\0') {
        self->content = NULL;
    }
    return (int64_t)count;
}

static int64_t toy_write(eddy_transport *transport, const void *data, size_t size)
{
    struct toy *self = toy_of(transport);
    size_t count = size < self->room ? size : self->room;

    testing_log("write:%.*s", (int)count, (const char *)data);
    self->room -= count;
    return count == 0 ? -EAGAIN : (int64_t)count;
}

static int toy_shutdown_write(eddy_transport *transport)
{
    testing_log("shut");
    return toy_of(transport)->room == 0 ? -EAGAIN : 0;
}

static void toy_close(eddy_transport *transport, int fd)
{
    testing_log("close:%d", fd);
    assert_null(transport->stream);
    assert_non_null(transport->loop);
}

static const struct eddy_transport_kind toy_kind = {
    .name = "toy",
    .read = toy_read,
    .write = toy_write,
    .shutdown_write = toy_shutdown_write,
    .close = toy_close,
};

static int setup_toy(void **state)
{
    int result = testing_setup(state);

    memset(&toy, 0, sizeof toy);
    memset(&stream, 0, sizeof stream);
    memset(&upper, 0, sizeof upper);
    toy.transport.kind = &toy_kind;
    assert_int_equal(eddy_stream_open_transport(testing.loop, &stream, &toy.transport, -1), 0);
    return result;
}

static int teardown_toy(void **state)
{
    eddy_stream_close(&stream);
    return testing_teardown(state);
}

#define toy_case(name) cmocka_unit_test_setup_teardown(name, setup_toy, teardown_toy)

/* ---- reading and writing */

test(a_read_tries_waits_and_tries_again_when_it_is_told)
{
    eddy_task task = start_reading("r", 3);

    testing_turns();
    testing_assert_log("read:64");
    testing_turns(); /* it was not told: it does not try */
    testing_assert_log("");
    toy.content = "hello";
    eddy_transport_ready(&toy.transport, EDDY_READ);
    testing_turns();
    testing_assert_log("read:64 r:hello read:64");
    eddy_transport_ready(&toy.transport, EDDY_READ); /* in vain */
    testing_turns();
    testing_assert_log("read:64");
    toy.content = "";
    eddy_transport_ready(&toy.transport, EDDY_READ);
    testing_turns();
    testing_assert_log("read:64 r=0 read:64 r=0");
    end(task);
}

test(what_is_told_during_a_read_that_found_nothing_is_not_lost)
{
    toy.content = "late";
    toy.tells = true;
    end(start_reading("r", 1));
    testing_assert_log("read:64 read:64 r:late");
}

test(a_write_goes_on_where_there_is_room)
{
    eddy_task task;

    toy.room = 3;
    task = eddy_loop_spawn(testing.loop, writes, .name = "w", .data = "abcdefg", .size = 7);
    testing_turns();
    testing_assert_log("write:abc write:");
    toy.room = 100;
    eddy_transport_ready(&toy.transport, EDDY_READ); /* is no room */
    testing_turns();
    testing_assert_log("");
    eddy_transport_ready(&toy.transport, EDDY_WRITE);
    testing_turns();
    testing_assert_log("write:defg w=7");
    end(task);
}

eddy_frame_of(writes_pieces, int64_t rc, struct iovec pieces[3]);

static void writes_pieces(eddy_coro *co)
{
    eddy_begin(writes_pieces);
    self->pieces[0] = (struct iovec){"ab", 2};
    self->pieces[1] = (struct iovec){"", 0};
    self->pieces[2] = (struct iovec){"cde", 3};
    eddy_catch(self->rc, eddy_writev(co, &stream, self->pieces, 3));
    testing_log_result("v", self->rc);
    eddy_end;
}

test(a_transport_without_writev_gets_one_piece_after_the_other)
{
    toy.room = 100;
    end(eddy_loop_spawn(testing.loop, writes_pieces));
    testing_assert_log("write:ab write:cde v=5");
}

test(a_shutdown_that_has_no_room_is_asked_again)
{
    assert_int_equal(eddy_stream_shutdown_write(&stream), -EAGAIN);
    assert_int_equal(eddy_try_write(&stream, "x", 1), -EAGAIN); /* unasked */
    testing_assert_log("shut");
    toy.room = 1;
    eddy_transport_ready(&toy.transport, EDDY_WRITE);
    assert_int_equal(eddy_stream_shutdown_write(&stream), 0);
    testing_assert_log("shut");
}

test(a_read_of_no_byte_asks_the_transport)
{
    char byte;

    assert_int_equal(eddy_try_read(&stream, &byte, 0), -EAGAIN);
    testing_assert_log("read:0");
}

/* ---- closing */

test(closing_wakes_who_waits_and_then_closes_the_transport)
{
    eddy_task task = start_reading("r", 1);

    testing_turns();
    testing_assert_log("read:64");
    eddy_stream_close(&stream);
    testing_assert_log("close:-1");
    end(task);
    testing_assert_log("r=-EBADF");
    eddy_transport_ready(&toy.transport, EDDY_READ); /* nothing */
    assert_null(eddy_stream_transport(&stream));
    assert_int_equal(eddy_stream_open_transport(testing.loop, &stream, &toy.transport, -1), 0);
    assert_ptr_equal(eddy_stream_transport(&stream), &toy.transport);
    assert_int_equal(eddy_stream_fd(&stream), -1);
    eddy_stream_close(&stream);
    testing_assert_log("close:-1");
}

test(what_is_left_open_is_closed_with_the_loop)
{
    (void)start_reading("r", 1);
    testing_turns();
    testing_assert_log("read:64");
    testing_free();
    testing_assert_log("r=-ECANCELED close:-1");
    assert_false(eddy_stream_is_open(&stream));
}

test(an_idle_time_out_closes_it)
{
    static struct eddy_idle idle;
    eddy_task task = start_reading("r", 2);

    memset(&idle, 0, sizeof idle);
    assert_int_equal(eddy_stream_idle_timeout(&stream, &idle, EDDY_SECOND), 0);
    testing_turns();
    toy.content = "x";
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_SECOND / 2, 0), 0);
    eddy_transport_ready(&toy.transport, EDDY_READ);
    end(task);
    assert_int_equal(eddy_loop_now(testing.loop), 1500 * EDDY_MILLISECOND);
    testing_assert_log("read:64 read:64 r:x read:64 close:-1 r=-ETIMEDOUT");
}

test(it_is_refused_what_is_open_or_has_no_kind)
{
    struct toy other = {.room = 0};

    assert_int_equal(eddy_stream_open_transport(testing.loop, &stream, &other.transport, -1),
                     -EINVAL);
    assert_int_equal(eddy_stream_open_transport(testing.loop, &upper, &other.transport, -1),
                     -EINVAL);
    assert_int_equal(eddy_stream_open_transport(testing.loop, &upper, &toy.transport, -1), -EINVAL);
    other.transport.kind = &toy_kind;
    assert_int_equal(eddy_stream_open_transport(testing.loop, &upper, &other.transport, 4094),
                     -EBADF);
    assert_false(eddy_stream_is_open(&upper));
}

/* ---- on an fd */

test(events_of_its_fd_make_it_try)
{
    int fds[2];
    eddy_task task;

    eddy_stream_close(&stream);
    testing_assert_log("close:-1");
    testing_pipe(fds);
    assert_int_equal(eddy_stream_open_transport(testing.loop, &stream, &toy.transport, fds[0]), 0);
    assert_int_equal(eddy_stream_fd(&stream), fds[0]);
    task = start_reading("r", 1);
    testing_turns();
    testing_assert_log("");
    toy.content = "hello";
    testing_poke(fds[1]);
    end(task);
    testing_assert_log("read:64 r:hello");
    eddy_stream_close(&stream);
    assert_int_equal(close(fds[0]), 0); /* it was told which, and has left it open */
    close(fds[1]);
    testing.log[0] = '\0';
}

test(an_fd_that_epoll_refuses_is_tried_at_once)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    eddy_stream_close(&stream);
    testing_assert_log("close:-1");
    assert_int_equal(eddy_stream_open_transport(testing.loop, &stream, &toy.transport, fd), 0);
    toy.content = "hello";
    end(start_reading("r", 1));
    testing_assert_log("read:64 r:hello");
    eddy_stream_close(&stream);
    close(fd);
    testing.log[0] = '\0';
}

/* ---- on another stream: letters become capitals on their way up */

static int64_t capital_read(eddy_transport *transport, void *buffer, size_t size)
{
    int64_t count = eddy_below_read(transport, buffer, size);

    for (int64_t i = 0; i < count; i++) {
        ((char *)buffer)[i] = (char)(((char *)buffer)[i] & ~0x20);
    }
    return count;
}

static const struct eddy_transport_kind capital_kind = {
    .name = "capitals",
    .read = capital_read,
    .write = eddy_below_write,
    .close = toy_close,
};

static struct toy capitals;

static void put_over(void)
{
    memset(&capitals, 0, sizeof capitals);
    capitals.transport.kind = &capital_kind;
    assert_int_equal(eddy_stream_open_over(&stream, &upper, &capitals.transport), 0);
}

eddy_frame(talks_above) {
    eddy_coro co;
    int64_t rc;
    char buffer[8];
};

static void talks_above(eddy_coro *co)
{
    eddy_begin(talks_above);
    eddy_catch(self->rc, eddy_read(co, &upper, self->buffer, sizeof self->buffer));
    if (self->rc > 0) {
        testing_log("%.*s", (int)self->rc, self->buffer);
        eddy_catch(self->rc, eddy_write(co, &upper, self->buffer, (size_t)self->rc));
    }
    testing_log_result("above", self->rc);
    eddy_end;
}

test(a_stream_over_another_hears_of_its_events)
{
    eddy_task task;
    char buffer[8];

    put_over();
    task = eddy_loop_spawn(testing.loop, talks_above);
    testing_turns();
    net_send(peer, "hello");
    end(task);
    testing_assert_log("HELLO above=5");
    assert_int_equal(read(peer, buffer, sizeof buffer), 5);
    eddy_stream_close(&upper);
    testing_assert_log("close:-1");
    assert_true(eddy_stream_is_open(&stream));
    start_reading("r", 1); /* it is free again */
    net_send(peer, "low");
    testing_run();
    testing_assert_log("r:low");
}

test(nobody_else_moves_bytes_of_the_stream_below)
{
    char byte;

    put_over();
    end(start_reading("r", 1));
    end(start_writing("w", 1));
    testing_assert_log("r=-EBUSY w=-EBUSY");
    assert_int_equal(eddy_try_read(&stream, &byte, 1), -EBUSY);
    assert_int_equal(eddy_try_write(&stream, "x", 1), -EBUSY);
    assert_int_equal(eddy_stream_open_over(&stream, &upper, &toy.transport), -EINVAL);
    eddy_stream_close(&upper);
    testing_assert_log("close:-1");
}

test(a_stream_above_learns_why_the_one_below_is_closed)
{
    static struct eddy_idle idle;
    eddy_task task;

    memset(&idle, 0, sizeof idle);
    put_over();
    assert_int_equal(eddy_stream_idle_timeout(&stream, &idle, EDDY_SECOND), 0);
    task = eddy_loop_spawn(testing.loop, talks_above);
    end(task);
    testing_assert_log("above=-ETIMEDOUT");
    assert_true(eddy_stream_is_open(&upper));
    eddy_stream_close(&upper);
    testing_assert_log("close:-1");
}

test(a_stream_that_is_waited_on_or_closed_gets_nothing_above_it)
{
    eddy_task task = start_reading("r", 1);

    memset(&capitals, 0, sizeof capitals);
    capitals.transport.kind = &capital_kind;
    testing_turns();
    assert_int_equal(eddy_stream_open_over(&stream, &upper, &capitals.transport), -EBUSY);
    eddy_stream_close(&stream);
    end(task);
    testing_assert_log("r=-EBADF");
    assert_int_equal(eddy_stream_open_over(&stream, &upper, &capitals.transport), -EBADF);
    assert_false(eddy_stream_is_open(&upper));
}

test(the_dump_names_the_transport_and_what_is_below)
{
    eddy_task task;
    char text[2048];
    FILE *file = fmemopen(text, sizeof text, "w");
    char expected[64];

    put_over();
    task = eddy_loop_spawn(testing.loop, talks_above);
    testing_turns();
    assert_int_equal(eddy_loop_dump(testing.loop, file), 0);
    fclose(file);
    snprintf(expected, sizeof expected, "capitals over fd %d", eddy_stream_fd(&stream));
    assert_non_null(strstr(text, expected));
    eddy_cancel(task);
    end(task);
    eddy_stream_close(&upper);
    testing_assert_log("above=-ECANCELED close:-1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        toy_case(a_read_tries_waits_and_tries_again_when_it_is_told),
        toy_case(what_is_told_during_a_read_that_found_nothing_is_not_lost),
        toy_case(a_write_goes_on_where_there_is_room),
        toy_case(a_transport_without_writev_gets_one_piece_after_the_other),
        toy_case(a_shutdown_that_has_no_room_is_asked_again),
        toy_case(a_read_of_no_byte_asks_the_transport),
        toy_case(closing_wakes_who_waits_and_then_closes_the_transport),
        toy_case(what_is_left_open_is_closed_with_the_loop),
        toy_case(an_idle_time_out_closes_it),
        toy_case(it_is_refused_what_is_open_or_has_no_kind),
        toy_case(events_of_its_fd_make_it_try),
        toy_case(an_fd_that_epoll_refuses_is_tried_at_once),
        stream_case(a_stream_over_another_hears_of_its_events),
        stream_case(nobody_else_moves_bytes_of_the_stream_below),
        stream_case(a_stream_above_learns_why_the_one_below_is_closed),
        stream_case(a_stream_that_is_waited_on_or_closed_gets_nothing_above_it),
        stream_case(the_dump_names_the_transport_and_what_is_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
