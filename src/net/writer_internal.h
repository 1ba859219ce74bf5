/* Writers, as their two files see them: writer.c has the bytes, writer_wait.c who waits, and the life. */
#ifndef EDDY_SRC_WRITER_INTERNAL_H
#define EDDY_SRC_WRITER_INTERNAL_H

#include "eddy/writer.h"
#include "net/chain.h"
#include "net/stream_internal.h"

/* A task in eddy_writer_write that waits for room; the object of its wait. */
struct eddy_writer_piece {
    eddy_writer *writer;
    const void *data;
    size_t size;
    unsigned pool_class;
};

static inline struct eddy_pool *eddy_writer_pool(const eddy_writer *writer)
{
    return &writer->loop->pool;
}

/* Whether it has bytes, and so the stream's sending side. */
static inline bool eddy_writer_holds(const eddy_writer *writer)
{
    return eddy_stream_buffered_by(writer->stream) == writer;
}

/* ---- writer.c */

/* Gives everything of the loop's back; the struct is as new. Nothing if it is not open: the error hook may
 * have dropped it. */
void eddy_writer_release(eddy_writer *writer);

/* Tells the error hook: "a writer (opened at FILE:LINE) WHAT". */
void eddy_writer_tell(const eddy_writer *writer, int error, const char *what);

/* Likewise of its error, if nobody has had it. */
void eddy_writer_tell_error(eddy_writer *writer);

/* Ends all waits in a line; whether there was any. */
bool eddy_writer_wake_all(eddy_writer *writer, int64_t result);

/* Ends with the writer whoever closes it; false if nobody does. */
bool eddy_writer_end_close(eddy_writer *writer, int64_t result);

/* Writes a step's share, or until the kernel takes no more. The writer may be closed afterwards. */
void eddy_writer_write_share(eddy_writer *writer);

/* What an operation begins with: 0, or why there is none. */
int eddy_writer_state(eddy_writer *writer);

/* Whether anything may be put, whatever its size. */
int eddy_writer_may_put(eddy_writer *writer);

/* 0; -EMSGSIZE; -ENOBUFS: it would have to wait. */
int eddy_writer_has_room(const eddy_writer *writer, size_t size);

/* Puts what there is room for. */
int eddy_writer_put_now(eddy_writer *writer, const void *data, size_t size);

#endif
