/* Handlers for servers in tests: three ways to echo. */
#ifndef EDDY_TESTING_ECHO_H
#define EDDY_TESTING_ECHO_H

#include "eddy/server.h"
#include "eddy/stream.h"
#include "eddy/writer.h"

struct echo {
    eddy_coro co;
    eddy_stream *stream;
    size_t most; /* that is read at once; 0: as much as the buffer holds */
    size_t count;
    char buffer[1024];
};

static inline void echo(eddy_coro *co)
{
    eddy_begin(echo);
    do {
        eddy_await(self->count, eddy_read(co, self->stream, self->buffer,
                                          self->most > 0 ? self->most : sizeof self->buffer));
        eddy_await(eddy_write(co, self->stream, self->buffer, self->count));
    } while (self->count > 0);
    eddy_end;
}

struct echo_by_copy {
    eddy_coro co;
    eddy_stream *stream;
};

static inline void echo_by_copy(eddy_coro *co)
{
    eddy_begin(echo_by_copy);
    eddy_await(eddy_copy(co, self->stream, self->stream, NULL));
    eddy_end;
}

struct echo_by_writer {
    eddy_coro co;
    eddy_stream *stream;
    size_t count;
    eddy_writer out;
    char buffer[3];
};

static inline void echo_by_writer(eddy_coro *co)
{
    eddy_begin(echo_by_writer);
    eddy_with_writer(&self->out, self->stream, NULL) {
        do {
            eddy_await(self->count, eddy_read(co, self->stream, self->buffer, sizeof self->buffer));
            eddy_await(eddy_writer_put(&self->out, self->buffer, self->count));
            eddy_await(eddy_writer_drain(co, &self->out));
        } while (self->count > 0);
    }
    eddy_end;
}

#endif
