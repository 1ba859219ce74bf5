/*
 * What the checks of a transport (check_transport.c) are made of.
 *
 * The byte at an offset depends on that alone, and repeats itself only after a long while, so that what
 * arrives says by itself where it belongs. Sizes change from write to write and from read to read, and are never
 * the same on both sides: a transport that keeps pieces together has no luck with that.
 */
#include "net/check_parts.h"

#include <string.h>

#include "eddy/deadline.h"

void eddy_check_fill(unsigned char *data, size_t offset, size_t size)
{
    for (size_t i = 0; i < size; i++, offset++) {
        data[i] = (unsigned char)(offset * 131 + offset / 251);
    }
}

bool eddy_check_matches(const unsigned char *data, size_t offset, size_t size)
{
    for (size_t i = 0; i < size; i++, offset++) {
        if (data[i] != (unsigned char)(offset * 131 + offset / 251)) {
            return false;
        }
    }
    return true;
}

void eddy_check_sends(eddy_coro *co)
{
    eddy_begin(eddy_check_sends);
    while (self->from < self->to) {
        self->size = 1 + self->from * 7 % EDDY_CHECK_PIECE;
        if (self->size > self->to - self->from) {
            self->size = self->to - self->from;
        }
        eddy_check_fill(self->data, self->from, self->size);
        eddy_catch(self->rc, eddy_write(co, self->stream, self->data, self->size));
        if (self->rc == -ECANCELED) {
            eddy_return(self->rc);
        }
        want(self->rc == (int64_t)self->size, "a write writes all of it", self->rc);
        memset(self->data, 0, sizeof self->data); /* it has been taken over */
        self->from += self->size;
    }
    eddy_end;
}

void eddy_check_receives(eddy_coro *co)
{
    eddy_begin(eddy_check_receives);
    while (self->from < self->to) {
        self->size = 1 + self->from * 11 % EDDY_CHECK_PIECE;
        if (self->size > self->to - self->from) {
            self->size = self->to - self->from;
        }
        eddy_catch(self->rc, eddy_read(co, self->stream, self->data, self->size));
        if (self->rc == -ECANCELED) {
            eddy_return(self->rc);
        }
        want(self->rc > 0 && (size_t)self->rc <= self->size, "a read brings bytes", self->rc);
        want(eddy_check_matches(self->data, self->from, (size_t)self->rc),
             "bytes arrive as they were sent, in order", self->from);
        self->from += (size_t)self->rc;
    }
    eddy_end;
}

void eddy_check_waits(eddy_coro *co)
{
    eddy_begin(eddy_check_waits);
    eddy_catch(*self->result, self->operation(co, self->stream, self->data));
    eddy_end;
}

int64_t eddy_check_wait_read(eddy_coro *co, eddy_stream *stream, unsigned char *data)
{
    return eddy_read(co, stream, data, EDDY_CHECK_PIECE);
}

int64_t eddy_check_wait_write(eddy_coro *co, eddy_stream *stream, unsigned char *data)
{
    return eddy_write(co, stream, data, EDDY_CHECK_PIECE);
}

int64_t eddy_check_wait_readable(eddy_coro *co, eddy_stream *stream, unsigned char *data)
{
    (void)data;
    return eddy_readable(co, stream);
}

int64_t eddy_check_wait_writable(eddy_coro *co, eddy_stream *stream, unsigned char *data)
{
    (void)data;
    return eddy_writable(co, stream);
}

void eddy_check_shuts(eddy_coro *co)
{
    eddy_begin(eddy_check_shuts);
    while ((self->rc = eddy_stream_shutdown_write(self->stream)) == -EAGAIN) {
        eddy_await(eddy_writable(co, self->stream));
    }
    want(self->rc == 0, "the sending direction can be ended", self->rc);
    eddy_end;
}

void eddy_check_passes(eddy_coro *co)
{
    eddy_begin(eddy_check_passes);
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, eddy_check_receives, .stream = self->target,
                         .from = self->from, .to = self->to);
        eddy_await(eddy_call(co, eddy_check_sends, .stream = self->source, .from = self->from,
                             .to = self->to));
        if (self->shut) {
            eddy_await(eddy_call(co, eddy_check_shuts, .stream = self->source));
        }
    }
    eddy_end;
}

void eddy_check_fills(eddy_coro *co)
{
    eddy_begin(eddy_check_fills);
    while (self->calm < 3) {
        eddy_check_fill(self->data, self->from, EDDY_CHECK_PIECE);
        self->rc = eddy_try_write(self->stream, self->data, EDDY_CHECK_PIECE);
        want(self->rc > 0 || self->rc == -EAGAIN, "eddy_try_write takes bytes, or says -EAGAIN",
             self->rc);
        self->from += self->rc > 0 ? (size_t)self->rc : 0;
        self->calm = self->rc > 0 ? 0 : self->calm + 1;
        want(self->from < EDDY_CHECK_MOST_BYTES, "a writer whom nobody reads has to wait",
             self->from);
        if (self->rc < 0) {
            eddy_await(eddy_sleep(co, EDDY_MILLISECOND));
        }
    }
    eddy_return((int64_t)self->from);
    eddy_end;
}
