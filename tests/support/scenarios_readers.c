/* Scenarios of what is read and written in pieces, and of streams that a block opens and closes. */
#include "ends.h"
#include "scenarios.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/io.h"
#include "eddy/reader.h"
#include "eddy/stream.h"
#include "support/net.h"

/* What goes from one end to the other: the same record again and again. */
static const char record[] = "abcdefgh\r\n";
enum { RECORD = sizeof record - 1 };
static size_t sent, received;

static void open_ends(void)
{
    ends_open();
    sent = received = 0;
}

static void fill(char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        data[i] = record[(sent + i) % RECORD];
    }
}

static void receive(const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        scenario_assert(data[i] == record[received++ % RECORD]);
    }
}

static void check_ends(void)
{
    char buffer[256];
    ssize_t count;

    while (eddy_stream_is_open(&ends[1]) &&
           (count = recv(eddy_stream_fd(&ends[1]), buffer, sizeof buffer, MSG_DONTWAIT)) > 0) {
        receive(buffer, (size_t)count);
    }
    scenario_assert(received == sent || scenario_lacks_memory());
    ends_close();
}

/* ---- one writes in pieces; the other has no buffer until there is something */

enum { PIECES = 3, PIECE = 3000, WHOLE = PIECES * PIECE };

eddy_frame(writes_pieces) {
    eddy_coro co;
    int id;
    int i;
    int64_t rc;
    struct iovec pieces[PIECES];
    char data[WHOLE];
};

/* What a write that failed has sent all the same is told by the stream. */
static void writes_pieces(eddy_coro *co)
{
    eddy_begin(writes_pieces);
    for (; self->i < 2; self->i++) {
        fill(self->data, WHOLE);
        for (size_t k = 0; k < PIECES; k++) {
            self->pieces[k] = (struct iovec){self->data + k * PIECE, PIECE};
        }
        eddy_catch(self->rc, eddy_writev(co, &ends[0], self->pieces, PIECES));
        if (self->rc < 0) {
            sent += eddy_stream_written(&ends[0]) % WHOLE;
            eddy_return(self->rc);
        }
        sent += WHOLE;
    }
    eddy_stream_shutdown_write(&ends[0]);
    eddy_end;
}
scenario_role(writes_pieces);

eddy_frame_of(awaits_readable, int id, int64_t rc, bool in_vain);

static void awaits_readable(eddy_coro *co)
{
    char buffer[2000];
    int64_t count;

    eddy_begin(awaits_readable);
    do {
        eddy_await(self->rc, eddy_readable(co, &ends[1]));
        scenario_assert(self->rc == 1);
        count = eddy_try_read(&ends[1], buffer, sizeof buffer);
        scenario_assert(count >= 0 || (count == -EAGAIN && !self->in_vain));
        self->in_vain = count < 0;
        receive(buffer, count > 0 ? (size_t)count : 0);
    } while (count != 0);
    eddy_end;
}
scenario_role(awaits_readable);

/* ---- a reader that looks ahead, takes a part, and the rest up to a delimiter */

enum { AHEAD = 5, PART = 3, BIT = 7, BITS = 7 /* four records, and the most of one */ };

static eddy_reader reader;
static char reader_buffer[16];

static void open_reader(void)
{
    open_ends();
    eddy_reader_init(&reader, &ends[1], reader_buffer, sizeof reader_buffer);
}

eddy_frame_of(writes_bits, int id, int i, char bit[BIT]);

static void writes_bits(eddy_coro *co)
{
    eddy_begin(writes_bits);
    for (; self->i < BITS; self->i++) {
        fill(self->bit, BIT);
        eddy_await(eddy_write(co, &ends[0], self->bit, BIT));
        sent += BIT;
        eddy_await(eddy_sleep(co, TICK));
    }
eddy_finally:
    eddy_stream_shutdown_write(&ends[0]);
    eddy_end;
}
scenario_role(writes_bits);

eddy_frame_of(reads_ahead, int id, int64_t count, char part[PART]);

/* Reads one record in its pieces; 1, or 0 at the end of the file. */
static void reads_ahead(eddy_coro *co)
{
    eddy_begin(reads_ahead);
    eddy_await(self->count, eddy_reader_peek(co, &reader, AHEAD));
    scenario_assert((size_t)self->count == eddy_reader_buffered(&reader));
    scenario_assert(memcmp(eddy_reader_unread(&reader), record,
                           (size_t)(self->count < AHEAD ? self->count : AHEAD)) == 0);
    if (self->count < AHEAD) { /* the last of the file */
        receive(eddy_reader_unread(&reader), (size_t)self->count);
        scenario_assert(eddy_reader_skip(&reader, AHEAD) == (size_t)self->count);
        eddy_return(0);
    }
    eddy_await(self->count, eddy_reader_read(co, &reader, self->part, PART));
    receive(self->part, (size_t)self->count);
    eddy_catch(self->count, eddy_read_until(co, &reader, "\r\n", 2, RECORD));
    if (self->count < 0) { /* nothing of it was taken */
        eddy_return(self->count == -ENODATA ? 0 : self->count);
    }
    scenario_assert(self->count == RECORD - PART);
    receive(reader.line, (size_t)self->count);
    eddy_return(1);
    eddy_end;
}

eddy_frame_of(reads_all, int id, int64_t more);

static void reads_all(eddy_coro *co)
{
    eddy_begin(reads_all);
    do {
        eddy_await(self->more, eddy_call(co, reads_ahead));
    } while (self->more > 0);
    eddy_end;
}
scenario_role(reads_all);

static void check_reader(void)
{
    receive(eddy_reader_unread(&reader), eddy_reader_buffered(&reader));
    check_ends();
}

/* ---- the same with a buffer of the loop's; and lines that are dropped */

static void open_by_loop(void)
{
    open_ends();
    memset(&reader, 0, sizeof reader);
    if (eddy_reader_open(&reader, &ends[1], sizeof reader_buffer) < 0) { /* there was no memory */
        eddy_reader_init(&reader, &ends[1], reader_buffer, sizeof reader_buffer);
    }
}

static void check_by_loop(void)
{
    receive(eddy_reader_unread(&reader), eddy_reader_buffered(&reader));
    eddy_reader_close(&reader);
    check_ends();
}

static size_t dropped;

static void open_to_drop(void)
{
    open_by_loop();
    dropped = 0;
}

eddy_frame_of(drops_lines, int id, int64_t count);

/* However often it is cancelled, each byte counts once. */
static void drops_lines(eddy_coro *co)
{
    eddy_begin(drops_lines);
    do {
        eddy_catch(self->count, eddy_reader_skip_line(co, &reader));
        dropped += eddy_reader_delivered(&reader);
        if (self->count < 0) {
            eddy_return(self->count);
        }
        scenario_assert(self->count <= RECORD);
    } while (self->count > 0);
    eddy_end;
}
scenario_role(drops_lines);

static void check_dropped(void)
{
    received += dropped;
    check_by_loop();
}

/* ---- blocks with streams: two clients, whom one serves one after the other */

static int listener, port;

static void open_listener(void)
{
    listener = net_listener(&port);
    assert_int_equal(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
}

static void close_listener(void)
{
    close(listener);
}

eddy_frame_of(accepts, eddy_stream *stream);

static void accepts(eddy_coro *co)
{
    int fd, result;

    eddy_begin(accepts);
    eddy_await(eddy_fd_wait(co, listener, EDDY_READ));
    fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    scenario_assert(fd >= 0);
    result = eddy_stream_open(testing.loop, self->stream, fd);
    if (result < 0) {
        close(fd);
    }
    eddy_return(result);
    eddy_end;
}

eddy_frame(serves_two) {
    eddy_coro co;
    int id;
    int i;
    int64_t count;
    eddy_stream stream;
    char buffer[5];
};

static void serves_two(eddy_coro *co)
{
    eddy_begin(serves_two);
    for (; self->i < 2; self->i++) {
        eddy_with_stream(&self->stream, eddy_call(co, accepts, .stream = &self->stream)) {
            eddy_await(self->count, eddy_read(co, &self->stream, self->buffer, 5));
            if (self->count == 0) { /* its client was cancelled */
                continue;
            }
            eddy_await(eddy_write(co, &self->stream, self->buffer, 5));
        }
        scenario_assert(!eddy_stream_is_open(&self->stream));
    }
eddy_finally:
    scenario_assert(!eddy_stream_is_open(&self->stream));
    eddy_end;
}
scenario_role(serves_two);

eddy_frame(connects) {
    eddy_coro co;
    int64_t count;
    eddy_stream stream;
    char buffer[5];
};

static void connects(eddy_coro *co)
{
    eddy_begin(connects);
    scenario_opened();
    eddy_with_stream(&self->stream, eddy_connect(co, &self->stream, "127.0.0.1", port)) {
        eddy_await(eddy_write(co, &self->stream, "hello", 5));
        eddy_await(self->count, eddy_read(co, &self->stream, self->buffer, 5));
        scenario_assert(self->count == 0 || memcmp(self->buffer, "hello", 5) == 0);
    }
eddy_finally:
    scenario_assert(!eddy_stream_is_open(&self->stream));
    eddy_await(eddy_pause(co));
    scenario_closed();
    eddy_end;
}

/* Whose server was cancelled with something unread is reset. */
eddy_frame_of(asks, int id, int64_t rc);

static void asks(eddy_coro *co)
{
    eddy_begin(asks);
    eddy_catch(self->rc, eddy_call(co, connects));
    eddy_return(self->rc == -ECONNRESET || self->rc == -EPIPE ? 0 : self->rc);
    eddy_end;
}
scenario_role(asks);

const struct scenario reader_scenarios[] = {
    {"pieces", open_ends, {play_writes_pieces, play_awaits_readable}, check_ends},
    {"reader", open_reader, {play_writes_bits, play_reads_all}, check_reader},
    {"reader of the loop's memory",
     open_by_loop,
     {play_writes_bits, play_reads_all},
     check_by_loop},
    {"dropped lines", open_to_drop, {play_writes_bits, play_drops_lines}, check_dropped},
    {"blocks with streams", open_listener, {play_serves_two, play_asks, play_asks}, close_listener},
    {NULL, NULL, {NULL}, NULL},
};
