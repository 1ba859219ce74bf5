/* Scenarios of what is put and written together, and of files that are sent. */
#include "ends.h"
#include "scenarios.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/writer.h"
#include "support/net.h"

enum { PUTTERS = 2, PIECES = 5, PIECE = 3000, LIMIT = 2 * PIECE };

static eddy_writer writer;
static int put[PUTTERS];  /* pieces that the writer has taken */
static int came[PUTTERS]; /* and those that have come, whole and in their order */
static int putting;       /* tasks that still put */
static char piece[PIECE]; /* as far as it has come */
static size_t piece_size;

static void open_writer(void)
{
    const struct eddy_writer_options options = {
        .flush_at = PIECE / 2, .high = PIECE, .low = PIECE / 2, .limit = LIMIT};

    ends_open();
    memset(&writer, 0, sizeof writer);
    memset(put, 0, sizeof put);
    memset(came, 0, sizeof came);
    putting = PUTTERS;
    piece_size = 0;
    if (eddy_stream_is_open(&ends[0])) {
        scenario_assert(eddy_writer_open(&writer, &ends[0], &options) == 0);
    }
}

/* A piece says whose it is, the how manieth, and repeats that. */
static void make_piece(char *data, int id, int number)
{
    for (size_t i = 0; i < PIECE; i++) {
        data[i] = (char)(i % 2 == 0 ? id : number);
    }
}

static void receive(const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        piece[piece_size++] = data[i];
        if (piece_size == PIECE) {
            char expected[PIECE];
            int id = piece[0];
            scenario_assert(id >= 0 && id < PUTTERS);
            make_piece(expected, id, came[id]++);
            scenario_assert(memcmp(piece, expected, PIECE) == 0);
            piece_size = 0;
        }
    }
}

static void put_no_more(void)
{
    if (--putting == 0 && eddy_writer_buffered(&writer) == 0) {
        eddy_stream_shutdown_write(&ends[0]);
    }
}

/* Puts, and slows down with the peer. */
eddy_frame_of(puts_pieces, int id);

static void puts_pieces(eddy_coro *co)
{
    char data[PIECE];
    int result;

    eddy_begin(puts_pieces);
    while (put[self->id] < PIECES) {
        make_piece(data, self->id, put[self->id]);
        result = eddy_writer_put(&writer, data, PIECE);
        put[self->id] += result == 0;
        if (result < 0 && result != -ENOBUFS) {
            eddy_return(result);
        }
        eddy_await(eddy_writer_drain(co, &writer));
        eddy_await(eddy_sleep(co, TICK));
    }
    eddy_await(eddy_writer_flush(co, &writer));
eddy_finally:
    put_no_more();
    eddy_end;
}
scenario_role(puts_pieces);

/* Waits for room. */
eddy_frame_of(writes_pieces, int id, int64_t rc, char data[PIECE]);

static void writes_pieces(eddy_coro *co)
{
    eddy_begin(writes_pieces);
    while (put[self->id] < PIECES) {
        make_piece(self->data, self->id, put[self->id]);
        eddy_catch(self->rc, eddy_writer_write(co, &writer, self->data, PIECE));
        memset(self->data, -1, PIECE); /* it was copied, or was not taken */
        put[self->id] += self->rc == PIECE;
        if (self->rc < 0) {
            eddy_return(self->rc);
        }
    }
    eddy_await(eddy_writer_flush(co, &writer));
eddy_finally:
    put_no_more();
    eddy_end;
}
scenario_role(writes_pieces);

eddy_frame_of(takes_pieces, int id, int64_t count, char buffer[2000]);

static void takes_pieces(eddy_coro *co)
{
    eddy_begin(takes_pieces);
    do {
        eddy_await(self->count, eddy_read(co, &ends[1], self->buffer, sizeof self->buffer));
        receive(self->buffer, (size_t)self->count);
    } while (self->count > 0);
    eddy_end;
}
scenario_role(takes_pieces);

/* What was put comes, whoever was cancelled since. */
static void check_pieces(void)
{
    char buffer[2000];
    ssize_t count = 1;

    while (eddy_stream_is_open(&ends[1]) && (count > 0 || eddy_writer_buffered(&writer) > 0)) {
        count = recv(eddy_stream_fd(&ends[1]), buffer, sizeof buffer, MSG_DONTWAIT);
        receive(buffer, count > 0 ? (size_t)count : 0);
        testing_turns();
    }
    for (int id = 0; id < PUTTERS && eddy_stream_is_open(&ends[1]); id++) {
        scenario_assert(came[id] == put[id]);
    }
    scenario_assert(piece_size == 0);
    eddy_writer_drop(&writer);
    ends_close();
}

/* ---- a block with a writer: what it was left by decides what is written */

static size_t lines_put;

eddy_frame_of(batches, int id, int i, eddy_writer out);

static void batches(eddy_coro *co)
{
    eddy_begin(batches);
    eddy_with_writer(&self->out, &ends[0], NULL) {
        for (; self->i < PIECES; self->i++) {
            eddy_await(eddy_writer_printf(&self->out, "%5000d\n", self->i));
            lines_put++;
            eddy_await(eddy_sleep(co, TICK));
        }
    }
    eddy_stream_shutdown_write(&ends[0]);
    eddy_end;
}
scenario_role(batches);

eddy_frame_of(counts_bytes, int id, int64_t count, size_t bytes, char buffer[2000]);

static void counts_bytes(eddy_coro *co)
{
    eddy_begin(counts_bytes);
    do {
        eddy_await(self->count, eddy_read(co, &ends[1], self->buffer, sizeof self->buffer));
        self->bytes += (size_t)self->count;
    } while (self->count > 0);
    scenario_assert(self->bytes == lines_put * 5001);
    eddy_end;
}
scenario_role(counts_bytes);

/* ---- a file that is sent, and the most of it copied on */

enum { FILE_SIZE = 30000, COPIED = 20000 };

static uint64_t copied;

static void open_file(void)
{
    ends_open();
    copied = 0;
}

eddy_frame_of(sends_a_file, int id, int file);

/* In memory, so that it is gone with its fd. */
static void sends_a_file(eddy_coro *co)
{
    eddy_begin(sends_a_file);
    self->file = memfd_create("eddy", MFD_CLOEXEC);
    scenario_assert(self->file >= 0 && ftruncate(self->file, FILE_SIZE) == 0);
    eddy_await(eddy_send_file(co, &ends[0], self->file, 0, FILE_SIZE));
eddy_finally:
    close(self->file);
    eddy_stream_shutdown_write(&ends[0]);
    eddy_end;
}
scenario_role(sends_a_file);

eddy_frame_of(copies_the_most, int id, int64_t rc);

static void copies_the_most(eddy_coro *co)
{
    eddy_begin(copies_the_most);
    eddy_catch(self->rc, eddy_copy_at_most(co, &ends[1], &ends[2], COPIED, &copied));
    scenario_assert(copied <= COPIED && (self->rc < 0 || (uint64_t)self->rc == copied));
    eddy_return(self->rc < 0 ? self->rc : 0);
eddy_finally:
    eddy_stream_shutdown_write(&ends[2]);
    eddy_end;
}
scenario_role(copies_the_most);

eddy_frame_of(counts_copied, int id, int64_t count, uint64_t bytes, char buffer[2000]);

static void counts_copied(eddy_coro *co)
{
    eddy_begin(counts_copied);
    do {
        eddy_await(self->count, eddy_read(co, &ends[3], self->buffer, sizeof self->buffer));
        self->bytes += (uint64_t)self->count;
    } while (self->count > 0);
    scenario_assert(self->bytes == copied);
    eddy_end;
}
scenario_role(counts_copied);

static void open_block(void)
{
    ends_open();
    lines_put = 0;
}

const struct scenario writer_scenarios[] = {
    {"writers",
     open_writer,
     {play_puts_pieces, play_writes_pieces, play_takes_pieces},
     check_pieces},
    {"a block with a writer", open_block, {play_batches, play_counts_bytes}, ends_close},
    {"a file and a part of it",
     open_file,
     {play_sends_a_file, play_copies_the_most, play_counts_copied},
     ends_close},
    {NULL, NULL, {NULL}, NULL},
};
