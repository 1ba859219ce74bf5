/*
 *     Content-Length    the bytes
 *     chunked           size line CRLF, bytes, CRLF; ...; "0" CRLF, trailer lines, CRLF
 *
 * Trailers are read and dropped. Sizes are counted before anything is given out, so that a body never has more
 * bytes than it may.
 */
#include "body.h"

#include <errno.h>

enum { LONGEST_LINE = 256, MOST_TRAILERS = 32 };

static const char CONTINUE[] = "HTTP/1.1 100 Continue\r\n\r\n";

int body_ask_for(struct body *body, eddy_writer *out)
{
    bool waits = body->expects_continue && !body->ended;

    body->expects_continue = false;
    return waits ? eddy_writer_put(out, CONTINUE, sizeof CONTINUE - 1) : 0;
}

/* A line that must be there, without its end; its length. */
eddy_frame(read_line) {
    eddy_coro co;
    eddy_reader *in;
    size_t length;
};

static void read_line(eddy_coro *co)
{
    eddy_begin(read_line);
    eddy_await(self->length, eddy_read_until(co, self->in, "\r\n", 2, LONGEST_LINE));
    if (self->length == 0) {
        eddy_return(-ENODATA);
    }
    eddy_return((int64_t)self->length - 2);
    eddy_end;
}

#define LINE(self) ((struct piece){(self)->in->line, (self)->length})

void body_pieces(eddy_coro *co)
{
    eddy_begin(body_pieces);
    while (!self->body->ended) {
        if (self->body->chunked) {
            eddy_await(self->length, eddy_call(co, read_line, .in = self->in));
            self->body->left = chunk_size(LINE(self));
            if (self->body->left < 0) {
                eddy_return(-EBADMSG);
            }
        }
        if (self->body->left > self->body->longest) {
            eddy_return(-EMSGSIZE);
        }
        self->body->longest -= self->body->left;
        if (self->body->left == 0) {
            break;
        }
        while (self->body->left > 0) {
            eddy_await(self->length, eddy_reader_peek(co, self->in, 1));
            if (self->length == 0) {
                eddy_return(-ENODATA);
            }
            self->value.data = eddy_reader_unread(self->in);
            self->value.size = eddy_reader_buffered(self->in);
            if ((int64_t)self->value.size > self->body->left) {
                self->value.size = (size_t)self->body->left;
            }
            eddy_yield(self->value);
            self->body->left -= (int64_t)eddy_reader_skip(self->in, self->value.size);
        }
        if (!self->body->chunked) {
            break;
        }
        eddy_await(self->length, eddy_call(co, read_line, .in = self->in));
        if (self->length != 0) {
            eddy_return(-EBADMSG);
        }
    }
    for (self->value.size = 0; self->body->chunked && !self->body->ended; self->value.size++) {
        eddy_await(self->length,
                   eddy_call(co, read_line, .in = self->in)); /* a trailer, or the end */
        if (self->value.size == MOST_TRAILERS) {
            eddy_return(-EMSGSIZE);
        }
        self->body->ended = self->length == 0;
    }
    self->body->ended = true;
    eddy_end;
}
