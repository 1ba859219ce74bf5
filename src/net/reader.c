/*
 * Readers: lines, records and exact numbers of bytes, out of a buffer (reader_buffer.c).
 *
 *     buffer   ... taken | begin: unread, of it `searched` in vain | end: free ... size
 *
 * Every operation is a wait that fills the buffer until it can be completed (struct operation): it needs
 * no frame, and a cancel finds all bytes in the buffer. Only what takes more bytes than the buffer holds is
 * read straight to the caller, who is told by `delivered` how many he has when it fails.
 *
 * An operation begins with what is in the buffer, also when the stream is at its end or closed; and a
 * delimiter is never looked for twice in the same bytes, so that a line that comes byte by byte costs no
 * more than its length.
 */
#include <string.h>

#include "net/reader_buffer.h"

enum { READS_A_STEP = 16 /* before others get their turn */ };

struct operation {
    struct eddy_wait_kind wait; /* first: the wait of a task that is in the operation is this */

    /* With the bytes that are there: the result, or EDDY_PENDING if it takes more. */
    int64_t (*complete)(eddy_reader *reader);

    /* The result if no more will come. */
    int64_t (*at_end)(eddy_reader *reader);
};

/* ---- filling the buffer */

/* One read: straight to the caller if that takes more than the buffer holds. */
static int64_t fill(eddy_reader *reader)
{
    int64_t count;

    if (reader->data != NULL && reader->wanted > reader->limit) {
        count = eddy_stream_read_some(reader->stream, reader->data + reader->delivered,
                                      reader->wanted - reader->delivered);
        reader->delivered += count > 0 ? (size_t)count : 0;
    } else {
        count = eddy_reader_make_room(reader);
        if (count < 0) {
            return count;
        }
        count = eddy_stream_read_some(reader->stream, reader->buffer + reader->end,
                                      reader->size - reader->end);
        reader->end += count > 0 ? (size_t)count : 0;
    }
    return count;
}

/* The operation's result; EDDY_PENDING if the kernel has no more for now, or others are to have
 * their turn: then the stream is still readable. */
static int64_t try_all(eddy_reader *reader, const struct operation *operation)
{
    for (int reads = 0;; reads++) {
        int64_t result = operation->complete(reader);
        if (result != EDDY_PENDING) {
            return result;
        }
        if ((reader->stream->state & EDDY_STREAM_OPEN) == 0) {
            return eddy_stream_not_open(reader->stream);
        }
        if ((reader->stream->state & EDDY_READ) == 0 || reads == READS_A_STEP) {
            return EDDY_PENDING;
        }
        result = fill(reader);
        if (result <= 0 && result != -EAGAIN) {
            return result == 0 ? operation->at_end(reader) : result;
        }
    }
}

/* Likewise; what was read stays where it is only for who has a result. */
static int64_t advance(eddy_reader *reader, const struct operation *operation)
{
    int64_t result = try_all(reader, operation);

    if (result <= 0) { /* EDDY_PENDING among them */
        eddy_reader_rest(reader);
    }
    return result;
}

/* ---- waiting */

static int abort_wait(struct eddy_task_record *task)
{
    eddy_stream_read_over(((eddy_reader *)task->in.object)->stream);
    return 1;
}

static int64_t resume(struct eddy_task_record *task)
{
    eddy_reader *reader = task->in.object;
    int64_t result = advance(reader, (const struct operation *)(const void *)task->wait);

    if (result != EDDY_PENDING) {
        eddy_stream_read_over(reader->stream);
    } else if ((reader->stream->state & EDDY_READ) != 0) { /* it has had its share of reads */
        return eddy_resume_later(task);
    }
    return result;
}

#define WAIT(its_name)                                          \
    {                                                           \
        .name = its_name, .abort = abort_wait, .resume = resume \
    }

static int64_t park(eddy_coro *co, eddy_reader *reader, const struct operation *operation)
{
    int64_t pending;

    eddy_check_pointer(co, reader);
    eddy_check_pointer(co, reader->buffer);
    eddy_check_pointer(co, reader->data);
    eddy_stream_read_begins(reader->stream, co->task);
    pending = eddy_park(co, &operation->wait, reader, NULL);
    if ((reader->stream->state & EDDY_READ) != 0) { /* it has had its share of reads */
        eddy_wake_to_try(co->task);
    }
    return pending;
}

/* Who reads now must not find his operation changed by another. */
static bool is_busy(const eddy_reader *reader)
{
    return (reader->stream->state & EDDY_STREAM_BUSY_READING) != 0;
}

/* What is left of an older connection does not belong in front of what a new one brings. */
static void begin_anew(eddy_reader *reader)
{
    reader->opening = eddy_stream_opening(reader->stream);
    reader->begin = 0;
    reader->end = 0;
}

static inline bool is_of_another(const eddy_reader *reader)
{
    return eddy_stream_is_open(reader->stream) &&
           eddy_stream_opening(reader->stream) != reader->opening;
}

static int64_t begin(eddy_coro *co, eddy_reader *reader, const struct operation *operation,
                     void *data, size_t wanted)
{
    bool busy = is_busy(reader);
    int64_t result;

    if (!busy) {
        if (is_of_another(reader)) {
            begin_anew(reader);
        }
        reader->data = data;
        reader->wanted = wanted;
        reader->delivered = 0;
        reader->searched = 0;
    }
    result = eddy_check(co);
    if (result < 0) {
        return result;
    }
    result = busy ? -EBUSY : advance(reader, operation);
    return result == EDDY_PENDING ? park(co, reader, operation) : eddy_complete(co, result);
}

/* An operation that was asked for in a way that cannot be. */
static int64_t refuse(eddy_coro *co, int64_t error)
{
    int64_t result = eddy_check(co);

    return result < 0 ? result : eddy_complete(co, error);
}

/* ---- lines */

static int64_t take_line(eddy_reader *reader, size_t length)
{
    reader->line = eddy_reader_unread(reader);
    reader->begin += length;
    return (int64_t)length;
}

/* Only a delimiter that has begun at the end of what was searched is looked at again. */
static int64_t complete_line(eddy_reader *reader)
{
    char *unread = eddy_reader_unread(reader);
    size_t count = eddy_reader_buffered(reader);
    char *found;

    if (count > reader->wanted) {
        count = reader->wanted;
    }
    found = memmem(unread + reader->searched, count - reader->searched, reader->delimiter,
                   reader->delimiter_size);
    if (found != NULL) {
        return take_line(reader, (size_t)(found - unread) + reader->delimiter_size);
    }
    if (count == reader->wanted) {
        return -EMSGSIZE;
    }
    reader->searched = count < reader->delimiter_size ? 0 : count - reader->delimiter_size + 1;
    return EDDY_PENDING;
}

static int64_t no_data(eddy_reader *reader)
{
    (void)reader;
    return -ENODATA;
}

static int64_t last_line(eddy_reader *reader)
{
    return take_line(reader, eddy_reader_buffered(reader));
}

static const struct operation until_operation = {WAIT("read_until"), complete_line, no_data};
static const struct operation line_operation = {WAIT("read_line"), complete_line, last_line};

static int64_t begin_line(eddy_coro *co, eddy_reader *reader, const struct operation *operation,
                          const char *delimiter, size_t length, size_t limit)
{
    if (limit > reader->limit) {
        limit = reader->limit;
    }
    if (length == 0 || limit < length) {
        return refuse(co, -EINVAL);
    }
    eddy_check_pointer(co, delimiter);
    if (!is_busy(reader)) {
        reader->delimiter = delimiter;
        reader->delimiter_size = length;
    }
    return begin(co, reader, operation, NULL, limit);
}

int64_t eddy_read_line(eddy_coro *co, eddy_reader *reader, size_t limit)
{
    return begin_line(co, reader, &line_operation, "\n", 1, limit);
}

int64_t eddy_read_until(eddy_coro *co, eddy_reader *reader, const void *delimiter, size_t length,
                        size_t limit)
{
    return begin_line(co, reader, &until_operation, delimiter, length, limit);
}

/* ---- bytes */

static void deliver(eddy_reader *reader)
{
    size_t count = eddy_reader_buffered(reader);

    if (count > reader->wanted - reader->delivered) {
        count = reader->wanted - reader->delivered;
    }
    if (count > 0) {
        memcpy(reader->data + reader->delivered, eddy_reader_unread(reader), count);
        reader->begin += count;
        reader->delivered += count;
    }
}

static int64_t complete_exactly(eddy_reader *reader)
{
    if (reader->wanted > reader->limit || reader->wanted <= eddy_reader_buffered(reader)) {
        deliver(reader);
    }
    return reader->delivered == reader->wanted ? (int64_t)reader->wanted : EDDY_PENDING;
}

static int64_t complete_read(eddy_reader *reader)
{
    deliver(reader);
    return reader->delivered > 0 || reader->wanted == 0 ? (int64_t)reader->delivered : EDDY_PENDING;
}

static int64_t nothing(eddy_reader *reader)
{
    (void)reader;
    return 0;
}

static int64_t complete_peek(eddy_reader *reader)
{
    size_t count = eddy_reader_buffered(reader);

    return count >= reader->wanted ? (int64_t)count : EDDY_PENDING;
}

static int64_t what_is_left(eddy_reader *reader)
{
    return (int64_t)eddy_reader_buffered(reader);
}

static const struct operation exactly_operation = {WAIT("read_exactly"), complete_exactly, no_data};
static const struct operation read_operation = {WAIT("read"), complete_read, nothing};
static const struct operation peek_operation = {WAIT("peek"), complete_peek, what_is_left};

int64_t eddy_read_exactly(eddy_coro *co, eddy_reader *reader, void *data, size_t size)
{
    return begin(co, reader, &exactly_operation, data, size);
}

int64_t eddy_reader_read(eddy_coro *co, eddy_reader *reader, void *data, size_t size)
{
    return begin(co, reader, &read_operation, data, size);
}

int64_t eddy_reader_peek(eddy_coro *co, eddy_reader *reader, size_t size)
{
    return size > reader->limit ? refuse(co, -EMSGSIZE)
                                : begin(co, reader, &peek_operation, NULL, size);
}

/* ---- dropping a line */

/* Counts what it drops in `delivered`. */
static int64_t complete_skip(eddy_reader *reader)
{
    const char *unread = eddy_reader_unread(reader);
    size_t count = eddy_reader_buffered(reader);
    const char *found = memchr(unread, '\n', count);

    if (found != NULL) {
        count = (size_t)(found - unread) + 1;
    }
    reader->begin += count;
    reader->delivered +=
        count < SIZE_MAX - reader->delivered ? count : SIZE_MAX - reader->delivered;
    return found != NULL ? (int64_t)reader->delivered : EDDY_PENDING;
}

static int64_t what_was_dropped(eddy_reader *reader)
{
    return (int64_t)reader->delivered;
}

static const struct operation skip_operation = {WAIT("skip_line"), complete_skip, what_was_dropped};

int64_t eddy_reader_skip_line(eddy_coro *co, eddy_reader *reader)
{
    return reader->limit == 0 ? refuse(co, -EBADF) : begin(co, reader, &skip_operation, NULL, 1);
}

/* ---- what never waits */

size_t eddy_reader_skip(eddy_reader *reader, size_t size)
{
    size_t count = eddy_reader_buffered(reader);

    if (count > size) {
        count = size;
    }
    reader->begin += count;
    reader->searched = 0;
    return count;
}

bool eddy_reader_has_some(const struct eddy_task_record *task)
{
    const eddy_reader *reader = task->in.object;

    return task->wait->resume == resume &&
           (eddy_reader_buffered(reader) > 0 || reader->delivered > 0);
}
