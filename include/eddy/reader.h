/*
 * Readers: lines, records and other pieces of a stream, through a buffer.
 *
 *     eddy_stream *stream;                    // fields of the frame
 *     eddy_reader in;
 *     char buffer[1024];
 *     size_t length;
 *
 *     eddy_reader_init(&self->in, self->stream, self->buffer, sizeof self->buffer);
 *     for (;;) {
 *         eddy_await(self->length, eddy_read_line(co, &self->in, sizeof self->buffer));
 *         if (self->length == 0) {
 *             break;                          // the end of the file
 *         }
 *         printf("%.*s", (int)self->length, self->in.line);
 *     }
 *
 * The caller owns the struct and the buffer, which lie in a frame or where they stay as long; the
 * stream is not the reader's, and may be written meanwhile. Such a reader allocates nothing.
 *
 * A buffer that is a field holds its memory while the client is silent. A reader that is *opened* instead has
 * one of the loop's, only while there is something in it, and as large as its lines need:
 *
 *     eddy_with_reader(&self->in, self->stream, 65536) {
 *         for (;;) {
 *             eddy_await(self->length, eddy_read_line(co, &self->in, 65536));
 *             ...
 *         }
 *     }
 *
 * It is the same in all else, but that each operation may be -ENOMEM, and then has taken nothing. What is
 * buffered is given at once, without a system call, also after the stream was closed. When the
 * stream has been opened anew, the next operation begins with what that brings: what is buffered of
 * the old connection is dropped, and to want it is to read it before.
 *
 * Nothing that has arrived is ever lost. An operation that is cancelled, times out or fails has
 * taken nothing, and the next one begins at the same byte. The one exception is an
 * eddy_read_exactly of more than the buffer holds: see there.
 *
 * One task reads at a time; a second gets -EBUSY. Do not read the stream itself while the reader
 * has bytes of it buffered: those come before.
 */
#ifndef EDDY_READER_H
#define EDDY_READER_H

#include <stddef.h>
#include <stdint.h>

#include "eddy/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_reader {
    /* Set by eddy_read_line and eddy_read_until: what they have read, in the buffer; valid until
     * the next operation of the reader. May be written to. */
    char *line;

    /* Private. */
    eddy_stream *stream;
    char *buffer;
    size_t size;  /* of the buffer, as it is now; 0: there is none */
    size_t limit; /* of the buffer, as large as it may get */
    size_t begin; /* the unread bytes are buffer[begin] to buffer[end - 1] */
    size_t end;
    char *data;            /* where the bytes are to go; NULL: they stay in the buffer */
    size_t wanted;         /* how many the operation needs, or (a line) allows */
    size_t delivered;      /* how many of them are in `data` */
    const char *delimiter; /* what ends a line */
    size_t delimiter_size;
    size_t searched;     /* so many unread bytes are known to begin no delimiter */
    uintptr_t opening;   /* the stream's, of which the unread bytes are; 0: it was not open yet */
    eddy_loop *loop;     /* whose memory the buffer is; NULL: the caller's */
    unsigned pool_class; /* of that buffer */
    struct eddy_link guard;           /* in the list of the task that has opened it */
    struct eddy_loop_end end_of_loop; /* followed while it is open */
} eddy_reader;

/* Sets up a reader of a stream, which may be opened later, over a buffer of `size` bytes. */
EDDY_API void eddy_reader_init(eddy_reader *reader, eddy_stream *stream, void *buffer, size_t size);

/* Opens a reader (zeroed, or closed) of an open stream, with a buffer of the loop's memory of at most `limit`
 * bytes: a KiB at first, doubled when a line or record needs more, and given back when it is empty
 * and an operation waits, or has failed. From here to eddy_reader_close neither the reader nor the stream may
 * move; a coroutine must not end with an open reader in its frame. 0; -EINVAL: it is open, or the limit is 0;
 * -EBADF, -ETIMEDOUT: the stream is not open; -ENOMEM. */
EDDY_API int eddy_reader_open(eddy_reader *reader, eddy_stream *stream, size_t limit);

/* Gives the buffer back, and drops what is in it; a task that waits in an operation gets -EBADF. Nothing
 * if it is not open. The loop's end does it too. */
EDDY_API void eddy_reader_close(eddy_reader *reader);

/* eddy_with_reader(&reader, &stream, limit) { ... }: opens the reader, runs the block, and closes it however
 * the block is left. */
#define eddy_with_reader(reader, stream, limit)                        \
    EDDY_WITH_OBJECT_(eddy_reader_object_(reader), eddy_reader_leave_, \
                      eddy_reader_enter_(co, stream, limit))

/* Private. */
EDDY_API EDDY_MUST_USE int64_t eddy_reader_enter_(eddy_coro *co, eddy_stream *stream, size_t limit);
EDDY_API int64_t eddy_reader_leave_(eddy_coro *co, struct eddy_scope *scope);
static inline void *eddy_reader_object_(eddy_reader *reader) /* checks the type */
{
    return reader;
}

/* Reads a line, up to and with its '\n'. Returns its length, and reader->line is the line: not
 * copied, not terminated; eddy_line_strip takes the '\n' or "\r\n" off. The last line of a file
 * may lack its '\n'. 0: the end of the file.
 *
 * -EMSGSIZE: the line, with its '\n', has more than `limit` bytes (or than the buffer holds, if
 * that is less), however they arrive. It is left unread, for eddy_reader_skip_line or eddy_reader_read.
 * -EINVAL: the limit is 0. Else as eddy_read. */
EDDY_API EDDY_MUST_USE int64_t eddy_read_line(eddy_coro *co, eddy_reader *reader, size_t limit);

/* Likewise up to and with a delimiter of `length` (> 0) bytes, which must stay until then: not on
 * the C stack. -ENODATA: the file ends before the delimiter; what there is of the line stays
 * unread. -EINVAL: a limit below the length. */
EDDY_API EDDY_MUST_USE int64_t eddy_read_until(eddy_coro *co, eddy_reader *reader,
                                               const void *delimiter, size_t length, size_t limit);

/* Reads exactly `size` bytes into `data`, which must stay until then: not on the C stack. Returns
 * `size`. -ENODATA: the file ends before that; eddy_reader_buffered tells how many bytes there
 * are: none, if it ends between two records. Else as eddy_read.
 *
 * If `size` is more than the buffer holds, the bytes go to `data` as they come, and after an error
 * eddy_reader_delivered tells how many are there: those are read, and to go on is to ask for the
 * rest behind them. */
EDDY_API EDDY_MUST_USE int64_t eddy_read_exactly(eddy_coro *co, eddy_reader *reader, void *data,
                                                 size_t size);

/* As eddy_read, through the buffer: at most `size` bytes, first those that are buffered. */
EDDY_API EDDY_MUST_USE int64_t eddy_reader_read(eddy_coro *co, eddy_reader *reader, void *data,
                                                size_t size);

/* Waits until `size` bytes are buffered, or the end of the file. Returns how many there are, at
 * eddy_reader_unread; fewer than `size` (0: none) are the last of the file. Reads none of them.
 * -EMSGSIZE: `size` is more than the buffer holds. Else as eddy_read. */
EDDY_API EDDY_MUST_USE int64_t eddy_reader_peek(eddy_coro *co, eddy_reader *reader, size_t size);

/* Reads and drops a line up to and with its '\n', however long it is, in no more than the buffer: what is to
 * be done with one that was -EMSGSIZE, if the next one is wanted. How many bytes were dropped; 0: the end of
 * the file. Else as eddy_read. A cancel drops nothing more: eddy_reader_delivered tells how many bytes
 * are gone, and another skip goes on with the line. */
EDDY_API EDDY_MUST_USE int64_t eddy_reader_skip_line(eddy_coro *co, eddy_reader *reader);

/* Reads and drops `size` bytes of the buffered ones, or all, if they are fewer; how many. Never
 * waits. */
EDDY_API size_t eddy_reader_skip(eddy_reader *reader, size_t size);

/* How many bytes are buffered and unread, and where; valid until the next operation. */
static inline size_t eddy_reader_buffered(const eddy_reader *reader)
{
    return reader->end - reader->begin;
}

static inline char *eddy_reader_unread(const eddy_reader *reader)
{
    return reader->buffer + reader->begin;
}

/* After an eddy_read_exactly that failed, but not with -EBUSY: how many bytes are in its `data`; after an
 * eddy_reader_skip_line how many are dropped. */
static inline size_t eddy_reader_delivered(const eddy_reader *reader)
{
    return reader->delivered;
}

/* The length of a line without the '\n' or "\r\n" at its end, if there is one. */
static inline size_t eddy_line_strip(const char *line, size_t length)
{
    if (length > 0 && line[length - 1] == '\n') {
        length--;
        if (length > 0 && line[length - 1] == '\r') {
            length--;
        }
    }
    return length;
}

#ifdef __cplusplus
}
#endif

#endif
