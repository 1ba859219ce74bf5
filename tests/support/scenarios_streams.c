/* Scenarios of what goes to the outside world. */
#include "ends.h"
#include "scenarios.h"

#include <sys/socket.h>
#include <unistd.h>

#include "eddy/event.h"
#include "eddy/io.h"
#include "eddy/reader.h"
#include "eddy/server.h"
#include "eddy/stream.h"
#include "support/net.h"

eddy_stream ends[4];
static size_t sent, received; /* bytes, in order: each is the low byte of its offset */

void ends_open(void)
{
    int fds[2];

    memset(ends, 0, sizeof ends);
    for (int i = 0; i < 4; i += 2) {
        testing_socketpair(fds);
        for (int k = 0; k < 2; k++) {
            net_small_send_buffer(fds[k]);
            if (eddy_stream_open(testing.loop, &ends[i + k], fds[k]) < 0) {
                close(fds[k]);
            }
        }
    }
}

static void open_ends(void)
{
    ends_open();
    sent = received = 0;
}

static void receive(const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        scenario_assert((unsigned char)data[i] == (unsigned char)received++);
    }
}

/* What was sent and not received is still in the socket. */
static void receive_rest(eddy_stream *stream)
{
    char buffer[256];
    ssize_t count;

    while (eddy_stream_is_open(stream) &&
           (count = recv(eddy_stream_fd(stream), buffer, sizeof buffer, MSG_DONTWAIT)) > 0) {
        receive(buffer, (size_t)count);
    }
}

void ends_close(void)
{
    for (int i = 0; i < 4; i++) {
        eddy_stream_close(&ends[i]);
    }
}

/* ---- one writes, one reads */

enum { PIECE = 9000 };

eddy_frame(writes) {
    eddy_coro co;
    int id;
    int i;
    char data[PIECE];
};

static void writes(eddy_coro *co)
{
    eddy_begin(writes);
    for (; self->i < 2; self->i++) {
        for (size_t k = 0; k < sizeof self->data; k++) {
            self->data[k] = (char)(sent + k);
        }
        eddy_await(eddy_write(co, &ends[0], self->data, sizeof self->data));
        sent += sizeof self->data;
        self->data[0] = '\0';
    }
    eddy_stream_shutdown_write(&ends[0]);
    eddy_end;
}

/* What a write that failed has sent all the same is told by the stream. */
eddy_frame(writes_and_counts) {
    eddy_coro co;
    int id;
    int64_t rc;
};

static void writes_and_counts(eddy_coro *co)
{
    eddy_begin(writes_and_counts);
    eddy_catch(self->rc, eddy_call(co, writes));
    if (self->rc < 0 && sent < (size_t)2 * PIECE) {
        sent += eddy_stream_written(&ends[0]) % PIECE;
    }
    eddy_return(self->rc);
    eddy_end;
}
scenario_role(writes_and_counts);

eddy_frame(reads) {
    eddy_coro co;
    int id;
    int64_t count;
    char buffer[2000];
};

static void reads(eddy_coro *co)
{
    eddy_begin(reads);
    do {
        eddy_await(self->count, eddy_read(co, &ends[1], self->buffer, sizeof self->buffer));
        receive(self->buffer, (size_t)self->count);
    } while (self->count > 0);
    eddy_end;
}
scenario_role(reads);

static void check_bytes(void)
{
    receive_rest(&ends[1]);
    if (!scenario_lacks_memory()) {
        scenario_assert(received == sent);
    }
    ends_close();
}

/* ---- lines through a reader */

static int lines_sent, lines_read;
static eddy_reader reader;
static char reader_buffer[32];

static void open_lines(void)
{
    open_ends();
    lines_sent = lines_read = 0;
    eddy_reader_init(&reader, &ends[1], reader_buffer, sizeof reader_buffer);
}

eddy_frame(writes_lines) {
    eddy_coro co;
    int id;
    int i;
    int half;
};

/* In halves, with a pause between them. Half a line stays half, if it is cancelled there. */
static void writes_lines(eddy_coro *co)
{
    eddy_begin(writes_lines);
    for (; self->i < 5; self->i++) {
        for (self->half = 0; self->half < 2; self->half++) {
            eddy_await(eddy_write(co, &ends[0], self->half == 0 ? "line" : "end\n", 4));
            lines_sent += self->half;
            eddy_await(eddy_sleep(co, TICK));
        }
    }
eddy_finally:
    eddy_stream_shutdown_write(&ends[0]);
    eddy_end;
}
scenario_role(writes_lines);

eddy_frame(reads_lines) {
    eddy_coro co;
    int id;
    int64_t length;
    int waits; /* in vain: a writer that never began ends nothing */
};

static void reads_lines(eddy_coro *co)
{
    eddy_begin(reads_lines);
    for (;;) {
        eddy_catch(self->length, eddy_wait_for(co, 2 * TICK, eddy_read_line(co, &reader, 32)));
        if (self->length == -ETIMEDOUT && ++self->waits < 15) {
            continue;
        }
        if (self->length <= 0) {
            eddy_return(self->length == -ETIMEDOUT ? 0 : self->length);
        }
        if (self->length == 8) {
            scenario_assert(memcmp(reader.line, "lineend\n", 8) == 0);
            lines_read++;
        } else {
            scenario_assert(self->length == 4 && memcmp(reader.line, "line", 4) == 0);
        }
    }
    eddy_end;
}
scenario_role(reads_lines);

/* The lines that were not read are in the buffer and in the socket. */
static void check_lines(void)
{
    char rest[128];
    size_t size = eddy_reader_buffered(&reader);
    ssize_t count;

    memcpy(rest, eddy_reader_unread(&reader), size);
    count = eddy_stream_is_open(&ends[1])
                ? recv(eddy_stream_fd(&ends[1]), rest + size, sizeof rest - size, MSG_DONTWAIT)
                : 0;
    size += count > 0 ? (size_t)count : 0;
    for (size_t i = 0; i < size; i++) {
        lines_read += rest[i] == '\n';
    }
    scenario_assert(lines_read == lines_sent);
    ends_close();
}

/* ---- records that are longer than the reader's buffer */

enum { RECORD = 20, RECORDS = 3, BIT = 7, BITS = (RECORDS * RECORD + BIT - 1) / BIT };

static void open_records(void)
{
    open_ends();
    eddy_reader_init(&reader, &ends[1], reader_buffer, RECORD / 2);
}

eddy_frame_of(writes_bits, int id, int i, char bit[BIT]);

static void writes_bits(eddy_coro *co)
{
    eddy_begin(writes_bits);
    for (; self->i < BITS; self->i++) {
        for (size_t k = 0; k < sizeof self->bit; k++) {
            self->bit[k] = (char)(sent + k);
        }
        eddy_await(eddy_write(co, &ends[0], self->bit, sizeof self->bit));
        sent += sizeof self->bit;
        eddy_await(eddy_sleep(co, TICK));
    }
eddy_finally:
    eddy_stream_shutdown_write(&ends[0]);
    eddy_end;
}
scenario_role(writes_bits);

/* What came of a record that was not read to its end is told. */
eddy_frame_of(reads_records, int id, int i, int64_t rc, char record[RECORD]);

static void reads_records(eddy_coro *co)
{
    eddy_begin(reads_records);
    for (; self->i < RECORDS; self->i++) {
        eddy_catch(self->rc, eddy_read_exactly(co, &reader, self->record, sizeof self->record));
        if (self->rc < 0) {
            receive(self->record, eddy_reader_delivered(&reader));
            eddy_return(self->rc == -ENODATA ? 0 : self->rc);
        }
        receive(self->record, sizeof self->record);
    }
    eddy_end;
}
scenario_role(reads_records);

static void check_records(void)
{
    receive(eddy_reader_unread(&reader), eddy_reader_buffered(&reader));
    check_bytes();
}

/* ---- a proxy: from one pair to the other */

static uint64_t copied;
static bool cut; /* a copy that is cut off may have read what it has not written */

static void open_proxy(void)
{
    open_ends();
    copied = 0;
    cut = false;
}

eddy_frame(copies) {
    eddy_coro co;
    int id;
    int64_t rc;
};

static void copies(eddy_coro *co)
{
    eddy_begin(copies);
    eddy_catch(self->rc, eddy_copy(co, &ends[1], &ends[2], &copied));
    cut = self->rc < 0;
    eddy_stream_shutdown_write(&ends[2]);
    eddy_return(self->rc);
    eddy_end;
}
scenario_role(copies);

eddy_frame(reads_copy) {
    eddy_coro co;
    int id;
    int64_t count;
    char buffer[2000];
};

static void reads_copy(eddy_coro *co)
{
    eddy_begin(reads_copy);
    do {
        eddy_await(self->count, eddy_read(co, &ends[3], self->buffer, sizeof self->buffer));
        receive(self->buffer, (size_t)self->count);
        eddy_await(eddy_pause(co));
    } while (self->count > 0);
    eddy_end;
}
scenario_role(reads_copy);

/* The counter is right to the byte, and what was not read by the copy is still there. */
static void check_copy(void)
{
    receive_rest(&ends[3]);
    scenario_assert(received == copied);
    if (!cut && !scenario_lacks_memory()) {
        receive_rest(&ends[1]);
        scenario_assert(received == sent);
    }
    ends_close();
}

/* ---- an echo server and its clients (chapter 8) */

static eddy_server server;
static eddy_event listens;
static int clients;

static void no_server(void)
{
    memset(&server, 0, sizeof server);
    eddy_event_init(&listens);
    clients = 2;
}

eddy_frame(echoes) {
    eddy_coro co;
    eddy_stream *stream;
    int64_t count;
    char buffer[16];
};

static void echoes(eddy_coro *co)
{
    eddy_begin(echoes);
    scenario_opened();
    for (;;) {
        eddy_await(self->count, eddy_read(co, self->stream, self->buffer, sizeof self->buffer));
        if (self->count == 0) {
            break;
        }
        eddy_await(eddy_write(co, self->stream, self->buffer, (size_t)self->count));
    }
eddy_finally:
    eddy_await(eddy_pause(co));
    scenario_closed();
    eddy_end;
}

eddy_frame(serves) {
    eddy_coro co;
    int id;
    int64_t rc;
};

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, echoes));
    eddy_event_set(&listens);
    eddy_await(eddy_server_wait_closed(co, &server));
eddy_finally:
    eddy_server_close(&server);
    eddy_catch(self->rc, eddy_wait_for(co, 5 * TICK, eddy_server_wait_closed(co, &server)));
    eddy_end;
}
scenario_role(serves);

/* Likewise on two addresses, and sends its clients away. */
eddy_frame(drains) {
    eddy_coro co;
    int id;
    int64_t rc;
    struct eddy_address addresses[2];
};

static void drains(eddy_coro *co)
{
    eddy_begin(drains);
    eddy_await(eddy_address_parse(&self->addresses[0], "127.0.0.1", 0));
    eddy_await(eddy_address_parse(&self->addresses[1], "127.0.0.2", 0));
    eddy_await(eddy_serve_all(co, &server, self->addresses, 2, echoes));
    eddy_event_set(&listens);
    eddy_await(eddy_sleep(co, TICK));
    eddy_await(eddy_server_drain(co, &server, 3 * TICK));
eddy_finally:
    eddy_server_close(&server);
    eddy_catch(self->rc, eddy_server_drain(co, &server, TICK));
    eddy_end;
}
scenario_role(drains);

/* Who has lost its server sees the end of the file. */
eddy_frame(asks_server) {
    eddy_coro co;
    int id;
    eddy_stream stream;
    int64_t count;
    int i;
    char buffer[8];
};

static void asks_server(eddy_coro *co)
{
    eddy_begin(asks_server);
    scenario_opened();
    eddy_await(eddy_event_wait(co, &listens));
    eddy_catch(self->count,
               eddy_connect(co, &self->stream, "127.0.0.1", eddy_server_port(&server)));
    for (; self->count >= 0 && self->i < 2; self->i++) {
        eddy_catch(self->count, eddy_write(co, &self->stream, "hello", 5));
        if (self->count == 5) {
            eddy_catch(self->count, eddy_read(co, &self->stream, self->buffer, 5));
        }
        scenario_assert(self->count <= 0 ||
                        memcmp(self->buffer, "hello", (size_t)self->count) == 0);
    }
    if (self->count == -ECANCELED || self->count == -ETIMEDOUT) {
        eddy_return(self->count);
    }
eddy_finally:
    eddy_stream_close(&self->stream);
    if (--clients == 0) {
        eddy_server_close(&server);
    }
    scenario_closed();
    eddy_end;
}
scenario_role(asks_server);

static void check_server(void)
{
    scenario_assert(server.active == 0);
    scenario_assert(!eddy_io_started(&server.first.io));
    scenario_assert(eddy_event_fini(&listens) == 0);
}

/* ---- any fd */

static int fds[2];

static void open_pipe(void)
{
    testing_pipe(fds);
    sent = received = 0;
}

eddy_frame(awaits_fd) {
    eddy_coro co;
    int id;
    int64_t events;
    char byte;
};

static void awaits_fd(eddy_coro *co)
{
    eddy_begin(awaits_fd);
    while (received < 3) {
        eddy_await(self->events, eddy_fd_wait(co, fds[0], EDDY_READ));
        scenario_assert((self->events & EDDY_READ) != 0);
        scenario_assert(read(fds[0], &self->byte, 1) == 1);
        received++;
    }
    eddy_end;
}
scenario_role(awaits_fd);

eddy_frame(pokes_fd) {
    eddy_coro co;
    int id;
};

static void pokes_fd(eddy_coro *co)
{
    eddy_begin(pokes_fd);
    while (sent < 3) {
        eddy_await(eddy_sleep(co, TICK));
        testing_poke(fds[1]);
        sent++;
    }
    eddy_end;
}
scenario_role(pokes_fd);

static void check_pipe(void)
{
    char byte;

    while (read(fds[0], &byte, 1) == 1) {
        received++;
    }
    scenario_assert(received == sent);
    close(fds[0]);
    close(fds[1]);
}

const struct scenario stream_scenarios[] = {
    {"streams", open_ends, {play_writes_and_counts, play_reads}, check_bytes},
    {"records", open_records, {play_writes_bits, play_reads_records}, check_records},
    {"lines", open_lines, {play_writes_lines, play_reads_lines}, check_lines},
    {"copy", open_proxy, {play_writes_and_counts, play_copies, play_reads_copy}, check_copy},
    {"server", no_server, {play_serves, play_asks_server, play_asks_server}, check_server},
    {"drain", no_server, {play_drains, play_asks_server, play_asks_server}, check_server},
    {"fd", open_pipe, {play_awaits_fd, play_pokes_fd}, check_pipe},
    {NULL, NULL, {NULL}, NULL},
};
