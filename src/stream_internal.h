/* Streams, as connect and server see them. */
#ifndef EDDY_SRC_STREAM_INTERNAL_H
#define EDDY_SRC_STREAM_INTERNAL_H

#include "eddy/stream.h"
#include "task_internal.h"

/* A stream's state: EDDY_READ and EDDY_WRITE while a read or a write may bring something, and
 * these. */
enum {
    EDDY_STREAM_OPEN = 0x100,
    /* its system calls are libc's, and no idle time-out watches it */
    EDDY_STREAM_DIRECT = 0x200,
    EDDY_STREAM_READING = 0x400, /* `reader` waits */
    EDDY_STREAM_WRITING = 0x800, /* `writer` waits */
    /* TCP, and no event told of more than data so far: a short read has emptied the socket */
    EDDY_STREAM_DRAINS = 0x1000
};

/* A task that waits on a stream is a reason for the loop to go on. */
static inline void eddy_stream_read_begins(eddy_stream *stream, struct eddy_task_record *task)
{
    stream->reader = task;
    stream->state |= EDDY_STREAM_READING;
    stream->io.loop->references++;
}

static inline void eddy_stream_read_over(eddy_stream *stream)
{
    stream->state &= ~(uint32_t)EDDY_STREAM_READING;
    stream->io.loop->references--;
}

static inline void eddy_stream_write_begins(eddy_stream *stream, struct eddy_task_record *task)
{
    stream->writer = task;
    stream->state |= EDDY_STREAM_WRITING;
    stream->io.loop->references++;
}

static inline void eddy_stream_write_over(eddy_stream *stream)
{
    stream->state &= ~(uint32_t)EDDY_STREAM_WRITING;
    stream->io.loop->references--;
}

/* Opens a stream on a nonblocking TCP or other stream socket. */
int eddy_stream_adopt(eddy_loop *loop, eddy_stream *stream, int fd, bool tcp);

/* Gives the fd of an open stream on which nobody waits back to the caller. */
void eddy_stream_disown(eddy_stream *stream);

#endif
