/*
 * The test of transports: eddy_check_transport. A list of checks, each a coroutine on a pair of its own.
 *
 * All bytes are those of one sequence (check_parts.c), each direction from its beginning, so any byte
 * that is lost, doubled or out of order shows wherever it is read. What a check wants is a `want`: its text is
 * the promise, and the error says what came instead. A check that hangs is ended after MOST_TIME and told
 * too: a transport which forgets to say that it is ready does just that.
 */
#include "eddy/check_transport.h"

#include <stdio.h>
#include <string.h>

#include "eddy/deadline.h"
#include "eddy/reader.h"
#include "net/check_parts.h"
#include "task/task_internal.h"

enum { LONG = 20000, ROUNDS = 20, PIECES = 70 };

static const int64_t MOST_TIME = 30 * EDDY_SECOND;
static const int64_t A_WHILE = 20 * EDDY_MILLISECOND;

struct ends {
    const struct eddy_transport_pair *pair;
    eddy_stream one;
    eddy_stream other;
};

static bool lacks(const struct ends *ends, enum eddy_transport_lack lack)
{
    return (ends->pair->lacks & lack) != 0;
}

/* ---- the checks */

eddy_frame_of(both_ways, struct ends *ends, eddy_group group);

static void both_ways(eddy_coro *co)
{
    eddy_begin(both_ways);
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, eddy_check_sends, .stream = &self->ends->one,
                         .to = LONG);
        eddy_group_spawn(co, &self->group, eddy_check_receives, .stream = &self->ends->other,
                         .to = LONG);
        if (!lacks(self->ends, EDDY_LACKS_WAY_BACK)) {
            eddy_group_spawn(co, &self->group, eddy_check_sends, .stream = &self->ends->other,
                             .to = LONG);
            eddy_group_spawn(co, &self->group, eddy_check_receives, .stream = &self->ends->one,
                             .to = LONG);
        }
    }
    eddy_end;
}

/* Before each check, which finds a pair that talks. */
eddy_frame_of(to_and_fro, struct ends *ends, size_t i);

static void to_and_fro(eddy_coro *co)
{
    eddy_begin(to_and_fro);
    for (; self->i < ROUNDS; self->i++) {
        eddy_await(eddy_call(co, eddy_check_passes, .source = &self->ends->one,
                             .target = &self->ends->other, .from = self->i, .to = self->i + 1));
        if (!lacks(self->ends, EDDY_LACKS_WAY_BACK)) {
            eddy_await(eddy_call(co, eddy_check_passes, .source = &self->ends->other,
                                 .target = &self->ends->one, .from = self->i, .to = self->i + 1));
        }
    }
    eddy_end;
}

eddy_frame(a_cancelled_read) {
    eddy_coro co;
    struct ends *ends;
    int64_t rc;
    unsigned char data[8];
};

static void a_cancelled_read(eddy_coro *co)
{
    eddy_begin(a_cancelled_read);
    self->rc = eddy_try_read(&self->ends->other, self->data, sizeof self->data);
    want(self->rc == -EAGAIN, "eddy_try_read of nothing is -EAGAIN", self->rc);
    eddy_catch(self->rc,
               eddy_wait_for(co, A_WHILE,
                             eddy_read(co, &self->ends->other, self->data, sizeof self->data)));
    want(self->rc == -ETIMEDOUT, "a read of nothing waits until its time-out", self->rc);
    eddy_await(eddy_call(co, eddy_check_passes, .source = &self->ends->one,
                         .target = &self->ends->other, .to = EDDY_CHECK_PIECE));
    eddy_end;
}

eddy_frame(a_full_pair) {
    eddy_coro co;
    struct ends *ends;
    size_t sent;
    int64_t rc;
    int64_t room;
    eddy_group group;
    unsigned char data[EDDY_CHECK_PIECE];
};

static void a_full_pair(eddy_coro *co)
{
    eddy_begin(a_full_pair);
    eddy_await(self->sent, eddy_call(co, eddy_check_fills, .stream = &self->ends->one));
    eddy_check_fill(self->data, self->sent, EDDY_CHECK_PIECE);
    eddy_catch(
        self->rc,
        eddy_wait_for(co, A_WHILE, eddy_write(co, &self->ends->one, self->data, EDDY_CHECK_PIECE)));
    want(self->rc == -ETIMEDOUT || self->rc == EDDY_CHECK_PIECE, "a write without room waits",
         self->rc);
    self->sent += eddy_stream_written(&self->ends->one);
    self->room = EDDY_PENDING;
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, eddy_check_waits, .stream = &self->ends->one,
                         .operation = eddy_check_wait_writable, .result = &self->room);
        eddy_await(
            eddy_call(co, eddy_check_receives, .stream = &self->ends->other, .to = self->sent));
    }
    want(self->room == 1, "eddy_writable tells of room", self->room);
    eddy_await(eddy_call(co, eddy_check_passes, .source = &self->ends->one,
                         .target = &self->ends->other, .from = self->sent,
                         .to = self->sent + EDDY_CHECK_PIECE));
    eddy_end;
}

eddy_frame(the_end) {
    eddy_coro co;
    struct ends *ends;
    bool half;
    int64_t rc;
    int i;
    unsigned char data[8];
};

static void the_end(eddy_coro *co)
{
    eddy_begin(the_end);
    self->half = !lacks(self->ends, EDDY_LACKS_HALF_CLOSE);
    eddy_await(eddy_call(co, eddy_check_passes, .source = &self->ends->one,
                         .target = &self->ends->other, .to = 3, .shut = self->half));
    if (!self->half) {
        eddy_stream_close(&self->ends->one);
    } else {
        eddy_catch(self->rc, eddy_write(co, &self->ends->one, "x", 1));
        want(self->rc == -EPIPE, "nothing is written behind one's end: -EPIPE", self->rc);
    }
    for (; self->i < 2; self->i++) {
        eddy_catch(self->rc, eddy_read(co, &self->ends->other, self->data, sizeof self->data));
        if (self->rc == -ECANCELED) {
            eddy_return(self->rc);
        }
        want(self->rc == 0 || (self->rc < 0 && lacks(self->ends, EDDY_LACKS_END)),
             "the end is read after the last byte, and again", self->rc);
    }
    if (self->half && !lacks(self->ends, EDDY_LACKS_WAY_BACK)) {
        eddy_await(eddy_call(co, eddy_check_passes, .source = &self->ends->other,
                             .target = &self->ends->one, .to = EDDY_CHECK_PIECE));
    }
    eddy_end;
}

/* The error of a write may come late, for the peer's end has to arrive. */
eddy_frame(a_peer_that_is_gone) {
    eddy_coro co;
    struct ends *ends;
    size_t sent;
    int64_t rc;
    int errors;
    unsigned char data[EDDY_CHECK_PIECE];
};

static void a_peer_that_is_gone(eddy_coro *co)
{
    eddy_begin(a_peer_that_is_gone);
    eddy_stream_close(&self->ends->other);
    while (self->errors < 2) {
        eddy_catch(self->rc, eddy_write(co, &self->ends->one, self->data, EDDY_CHECK_PIECE));
        if (self->rc == -ECANCELED) {
            eddy_return(self->rc);
        }
        self->errors += self->rc < 0;
        self->sent += EDDY_CHECK_PIECE;
        want(self->sent < EDDY_CHECK_MOST_BYTES, "a write to nobody is an error in the end",
             self->sent);
        want(self->rc > 0 || self->rc == -EPIPE || self->rc == -ECONNRESET ||
                 lacks(self->ends, EDDY_LACKS_END),
             "a write to nobody is -EPIPE or -ECONNRESET", self->rc);
        eddy_await(eddy_sleep(co, EDDY_MILLISECOND));
    }
    eddy_end;
}

eddy_frame(closing_under_who_waits) {
    eddy_coro co;
    struct ends *ends;
    int64_t read, second, written, after;
    eddy_group group;
    unsigned char data[8];
};

static void closing_under_who_waits(eddy_coro *co)
{
    eddy_begin(closing_under_who_waits);
    eddy_await(eddy_call(co, eddy_check_fills, .stream = &self->ends->one));
    self->read = self->second = self->written = EDDY_PENDING;
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, eddy_check_waits, .stream = &self->ends->one,
                         .operation = eddy_check_wait_write, .result = &self->written);
        if (!lacks(self->ends, EDDY_LACKS_WAY_BACK)) {
            eddy_group_spawn(co, &self->group, eddy_check_waits, .stream = &self->ends->one,
                             .operation = eddy_check_wait_read, .result = &self->read);
        }
        eddy_await(eddy_sleep(co, EDDY_MILLISECOND));
        eddy_group_spawn(co, &self->group, eddy_check_waits, .stream = &self->ends->one,
                         .operation = eddy_check_wait_write, .result = &self->second);
        eddy_await(eddy_sleep(co, EDDY_MILLISECOND));
        want(self->second == -EBUSY, "a second writer is -EBUSY", self->second);
        eddy_stream_close(&self->ends->one);
    }
    want(self->written == -EBADF, "a writer under whom a stream is closed gets -EBADF",
         self->written);
    want(self->read == -EBADF || lacks(self->ends, EDDY_LACKS_WAY_BACK),
         "a reader under whom a stream is closed gets -EBADF", self->read);
    eddy_catch(self->after, eddy_read(co, &self->ends->one, self->data, 8));
    want(self->after == -EBADF, "a closed stream is -EBADF", self->after);
    eddy_stream_close(&self->ends->one);
    eddy_end;
}

eddy_frame(readiness) {
    eddy_coro co;
    struct ends *ends;
    int64_t bytes;
    eddy_group group;
    int64_t rc;
    unsigned char data[8];
};

static void readiness(eddy_coro *co)
{
    eddy_begin(readiness);
    (void)eddy_try_read(&self->ends->other, self->data, 1); /* so that it is known to be empty */
    self->bytes = EDDY_PENDING;
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, eddy_check_waits, .stream = &self->ends->other,
                         .operation = eddy_check_wait_readable, .result = &self->bytes);
        eddy_await(eddy_sleep(co, EDDY_MILLISECOND));
        eddy_await(eddy_call(co, eddy_check_sends, .stream = &self->ends->one, .to = 1));
    }
    want(self->bytes == 1, "eddy_readable tells of bytes", self->bytes);
    while ((self->rc = eddy_try_read(&self->ends->other, self->data, 5)) == -EAGAIN) {
        eddy_await(eddy_readable(co, &self->ends->other)); /* it was told in vain */
    }
    want(self->rc == 1 && eddy_check_matches(self->data, 0, 1),
         "eddy_try_read brings what eddy_readable has told of", self->rc);
    eddy_end;
}

eddy_frame(in_pieces) {
    eddy_coro co;
    struct ends *ends;
    eddy_group group;
    int64_t rc;
    struct iovec pieces[PIECES];
    unsigned char data[PIECES * (PIECES - 1) / 2];
};

static void cut_into_pieces(struct in_pieces *self)
{
    size_t offset = 0;

    eddy_check_fill(self->data, 0, sizeof self->data);
    for (size_t i = 0; i < PIECES; i++) { /* the first is empty */
        self->pieces[i] = (struct iovec){self->data + offset, i};
        offset += i;
    }
}

static void in_pieces(eddy_coro *co)
{
    eddy_begin(in_pieces);
    cut_into_pieces(self);
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, eddy_check_receives, .stream = &self->ends->other,
                         .to = sizeof self->data);
        eddy_await(self->rc, eddy_writev(co, &self->ends->one, self->pieces, PIECES));
    }
    want(self->rc == sizeof self->data, "eddy_writev writes all pieces", self->rc);
    eddy_catch(self->rc, eddy_write(co, &self->ends->one, "", 0));
    want(self->rc == 0, "nothing is written at once", self->rc);
    eddy_catch(self->rc, eddy_read(co, &self->ends->other, self->data, 0));
    want(self->rc == 0, "nothing is read at once", self->rc);
    eddy_end;
}

eddy_frame(lines) {
    eddy_coro co;
    struct ends *ends;
    eddy_reader reader;
    int64_t rc;
    size_t i;
    eddy_group group;
    char buffer[16];
};

eddy_frame_of(says, eddy_stream *stream, const char *text);

static void says(eddy_coro *co)
{
    eddy_begin(says);
    for (; *self->text != '\0'; self->text++) {
        eddy_await(eddy_write(co, self->stream, self->text, 1));
    }
    eddy_end;
}

static void lines(eddy_coro *co)
{
    eddy_begin(lines);
    eddy_reader_init(&self->reader, &self->ends->other, self->buffer, sizeof self->buffer);
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, says, .stream = &self->ends->one,
                         .text = "1\n22\n333\n4444\n");
        for (; self->i < 4; self->i++) {
            eddy_await(self->rc, eddy_read_line(co, &self->reader, sizeof self->buffer));
            want(self->rc == (int64_t)self->i + 2 && self->reader.line[0] == '1' + (char)self->i,
                 "a reader gets line by line", self->rc);
        }
    }
    eddy_end;
}

eddy_frame_of(echo, eddy_stream *stream, int64_t rc);

static void echo(eddy_coro *co)
{
    eddy_begin(echo);
    eddy_catch(self->rc, eddy_copy(co, self->stream, self->stream, NULL));
    want(self->rc == 0 || self->rc == -ECANCELED, "a copy ends at the end", self->rc);
    eddy_return(self->rc);
    eddy_end;
}

eddy_frame_of(a_copy, struct ends *ends, eddy_group group);

static void a_copy(eddy_coro *co)
{
    eddy_begin(a_copy);
    if (lacks(self->ends, EDDY_LACKS_WAY_BACK) || lacks(self->ends, EDDY_LACKS_HALF_CLOSE)) {
        eddy_return(0);
    }
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, echo, .stream = &self->ends->other);
        eddy_group_spawn(co, &self->group, eddy_check_receives, .stream = &self->ends->one,
                         .to = LONG);
        eddy_await(eddy_call(co, eddy_check_sends, .stream = &self->ends->one, .to = LONG));
        eddy_await(eddy_call(co, eddy_check_shuts, .stream = &self->ends->one));
    }
    eddy_end;
}

eddy_frame(silence) {
    eddy_coro co;
    struct ends *ends;
    struct eddy_idle idle;
    int64_t rc;
    unsigned char data[8];
};

static void silence(eddy_coro *co)
{
    eddy_begin(silence);
    eddy_await(eddy_stream_idle_timeout(&self->ends->other, &self->idle, A_WHILE));
    eddy_catch(self->rc, eddy_read(co, &self->ends->other, self->data, 8));
    want(self->rc == -ETIMEDOUT, "an idle time-out closes the stream", self->rc);
    eddy_catch(self->rc, eddy_read(co, &self->ends->other, self->data, 8));
    want(self->rc == -ETIMEDOUT, "afterwards it says why it is closed", self->rc);
eddy_finally:
    eddy_stream_close(&self->ends->other); /* before its time-out's memory goes */
    eddy_end;
}

/* ---- running them */

#define CHECK(name)                                              \
    static int64_t check_##name(eddy_coro *co, struct ends *its) \
    {                                                            \
        return eddy_call(co, name, .ends = its);                 \
    }
CHECK(to_and_fro)
CHECK(both_ways)
CHECK(a_cancelled_read)
CHECK(a_full_pair)
CHECK(the_end)
CHECK(a_peer_that_is_gone)
CHECK(closing_under_who_waits)
CHECK(readiness)
CHECK(in_pieces)
CHECK(lines)
CHECK(a_copy)
CHECK(silence)

static const struct {
    const char *name;
    int64_t (*run)(eddy_coro *co, struct ends *ends);
} checks[] = {
    {"both ways", check_both_ways},
    {"a cancelled read", check_a_cancelled_read},
    {"a full pair", check_a_full_pair},
    {"the end", check_the_end},
    {"a peer that is gone", check_a_peer_that_is_gone},
    {"closing under who waits", check_closing_under_who_waits},
    {"readiness", check_readiness},
    {"in pieces", check_in_pieces},
    {"lines", check_lines},
    {"a copy", check_a_copy},
    {"silence", check_silence},
};

eddy_frame(run_check) {
    eddy_coro co;
    const struct eddy_transport_pair *pair;
    size_t check;
    int64_t rc;
    char text[128]; /* of the error, which is told anew */
    struct ends ends;
};

static void run_check(eddy_coro *co)
{
    eddy_begin(run_check);
    self->ends.pair = self->pair;
    eddy_await(self->pair->open(eddy_task_loop(co->task), &self->ends.one, &self->ends.other,
                                self->pair->user));
    eddy_catch(self->rc, eddy_wait_for(co, MOST_TIME, check_to_and_fro(co, &self->ends)));
    if (self->rc >= 0) { /* a handshake is over */
        eddy_catch(self->rc,
                   eddy_wait_for(co, MOST_TIME, checks[self->check].run(co, &self->ends)));
    }
    if (self->rc < 0 && self->rc != -ECANCELED) {
        snprintf(self->text, sizeof self->text, "%s",
                 self->rc == -ETIMEDOUT ? "it hangs" : eddy_error(co)->text);
        eddy_fail(co, self->rc == -ETIMEDOUT ? -EPROTO : self->rc, "%s: %s: %s", self->pair->name,
                  checks[self->check].name, self->text);
    }
    eddy_return(self->rc < 0 ? self->rc : 0);
eddy_finally:
    eddy_stream_close(&self->ends.one);
    eddy_stream_close(&self->ends.other);
    if (self->pair->close != NULL) {
        self->pair->close(eddy_task_loop(co->task), self->pair->user);
    }
    eddy_end;
}

eddy_frame_of(run_checks, const struct eddy_transport_pair *pair, size_t i);

static void run_checks(eddy_coro *co)
{
    eddy_begin(run_checks);
    for (; self->i < sizeof checks / sizeof checks[0]; self->i++) {
        eddy_await(eddy_call(co, run_check, .pair = self->pair, .check = self->i));
    }
    eddy_end;
}

int64_t eddy_check_transport(eddy_coro *co, const struct eddy_transport_pair *pair)
{
    return eddy_call(co, run_checks, .pair = pair);
}
