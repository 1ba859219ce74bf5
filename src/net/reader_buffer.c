/*
 * The buffers of readers: the caller's, which stay, and the loop's, which come and go.
 *
 *     a reader that was    buffer               room at most
 *     set up (init)        the caller's         size
 *     opened               none: size 0         limit
 *                          a block of the pool, of a size that has doubled since
 *
 * An opened reader takes its block just before a read that may bring something, and gives it back where its
 * operation is about to wait, or has failed, with nothing buffered: so what was read last, the line too,
 * stays until the next operation, and who waits for the first byte of a line holds nothing. A block is
 * replaced by one of twice the size only when it is full of unread bytes, which are moved once for each
 * doubling.
 *
 * Without a block `buffer` is no null pointer, so that what adds 0 to it need not ask.
 */
#include "net/reader_buffer.h"

#include <string.h>

enum { FIRST_SIZE = 1024 };

static const char no_buffer[1];

static void have_none(eddy_reader *reader)
{
    reader->buffer = (char *)(uintptr_t)no_buffer;
    reader->size = 0;
    reader->begin = 0;
    reader->end = 0;
}

static void give_block(eddy_reader *reader)
{
    if (reader->size > 0) {
        eddy_pool_give(&reader->loop->pool, reader->buffer, reader->pool_class);
    }
}

void eddy_reader_rest(eddy_reader *reader)
{
    if (reader->loop != NULL && eddy_reader_buffered(reader) == 0) {
        give_block(reader);
        have_none(reader);
    }
}

/* The unread bytes fill the buffer, or there is none. */
static int grow(eddy_reader *reader)
{
    size_t unread = eddy_reader_buffered(reader);
    size_t size = reader->size == 0 ? FIRST_SIZE : reader->size * 2;
    unsigned pool_class;
    char *block;

    size = size < reader->limit && size >= reader->size ? size : reader->limit;
    block = eddy_pool_take(&reader->loop->pool, size, &pool_class);
    if (block == NULL) {
        return -ENOMEM;
    }
    memcpy(block, eddy_reader_unread(reader), unread);
    give_block(reader);
    reader->buffer = block;
    reader->size = size;
    reader->pool_class = pool_class;
    reader->begin = 0;
    reader->end = unread;
    return 0;
}

/* A byte that is waited for finds room. Bytes are moved only if at least as many were read since,
 * or what is wanted would not fit where it begins: then it is moved once, and not again. */
int eddy_reader_make_room(eddy_reader *reader)
{
    size_t unread = eddy_reader_buffered(reader);

    if (reader->loop != NULL && unread == reader->size) {
        return grow(reader);
    }
    if (unread <= reader->begin || reader->wanted > reader->size - reader->begin) {
        memmove(reader->buffer, eddy_reader_unread(reader), unread);
        reader->begin = 0;
        reader->end = unread;
    }
    return 0;
}

/* ---- a reader's life */

void eddy_reader_init(eddy_reader *reader, eddy_stream *stream, void *buffer, size_t size)
{
    memset(reader, 0, sizeof *reader);
    reader->stream = stream;
    reader->buffer = buffer;
    reader->size = size;
    reader->limit = size;
}

static void release(eddy_reader *reader)
{
    eddy_stream *stream = reader->stream;

    give_block(reader);
    eddy_loop_end_leave(&reader->end_of_loop);
    if (eddy_link_used(&reader->guard)) {
        eddy_list_remove(&reader->guard);
    }
    memset(reader, 0, sizeof *reader);
    reader->stream = stream; /* it reads no more, but may be asked */
}

static void told_of_end(struct eddy_loop_end *end, eddy_loop *loop)
{
    (void)loop;
    release((eddy_reader *)(void *)((char *)end - offsetof(eddy_reader, end_of_loop)));
}

int eddy_reader_open(eddy_reader *reader, eddy_stream *stream, size_t limit)
{
    eddy_loop *loop = stream->io.loop;

    if (reader->loop != NULL || limit == 0) {
        return -EINVAL;
    }
    if (!eddy_stream_is_open(stream)) {
        return eddy_stream_not_open(stream);
    }
    eddy_loop_here(loop, __func__);
    memset(reader, 0, sizeof *reader);
    if (loop->current != NULL && eddy_guard_add(loop->current, &reader->guard) < 0) {
        return -ENOMEM;
    }
    reader->loop = loop;
    reader->stream = stream;
    reader->limit = limit;
    reader->opening = eddy_stream_opening(stream);
    have_none(reader);
    eddy_loop_end_follow(loop, &reader->end_of_loop, told_of_end);
    return 0;
}

void eddy_reader_close(eddy_reader *reader)
{
    eddy_stream *stream = reader->stream;

    if (reader->loop == NULL) {
        return;
    }
    eddy_loop_here(reader->loop, __func__);
    if ((stream->state & EDDY_STREAM_READING) != 0 && stream->reader->in.object == reader) {
        struct eddy_task_record *task = stream->reader;
        (void)task->wait->abort(task);
        eddy_wake(task, -EBADF);
    }
    release(reader);
}

int64_t eddy_reader_enter_(eddy_coro *co, eddy_stream *stream, size_t limit)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    eddy_check_pointer(co, co->scope->object);
    return eddy_complete(co, eddy_reader_open(co->scope->object, stream, limit));
}

int64_t eddy_reader_leave_(eddy_coro *co, struct eddy_scope *scope)
{
    (void)co;
    eddy_reader_close(scope->object);
    return 0;
}
