/*
 * Writers: what writer.h promises.
 *
 *     no bytes             the stream is anybody's        nothing is ready
 *     bytes, room          the stream is BUFFERED, ours   `flush` is ready
 *     bytes, no room       likewise                       an event of the stream makes `flush` ready
 *     an error, no bytes   the stream is anybody's        nothing
 *
 * Always: there are bytes if and only if the stream is BUFFERED and its `writer` is this one, which it is as
 * a reason for the loop to go on, as a task that writes would be. Nobody waits in a line while there are no
 * bytes: a piece that is no larger than the limit fits then.
 *
 * "The end of the turn" is a callback, behind what was ready at the first put: so a loop without writers pays
 * nothing, a loop that is about to sleep does not, and a turn's budget holds as for everything else. A flush
 * that has written its share of a step goes once through the ready list.
 *
 * Whatever changes the bytes ends with settle: it alone wakes, lets the next ones put, and sees to the table
 * above.
 */
#include <stdio.h>
#include <string.h>

#include "loop/look.h"
#include "net/writer_internal.h"

enum { PIECES_AT_ONCE = 64 /* that are handed to the kernel */ };

/* ---- whose the stream is */

static void let_go(eddy_writer *writer)
{
    eddy_callback_stop(&writer->flush);
    if (eddy_writer_holds(writer)) {
        eddy_stream_buffered_over(writer->stream);
    }
}

/* ---- the end of the writer */

/* Everything of the loop's is given back; the struct is as new. The error hook may have done so already. */
void eddy_writer_release(eddy_writer *writer)
{
    if (writer->loop == NULL) {
        return;
    }
    let_go(writer);
    eddy_chain_drop(eddy_writer_pool(writer), &writer->chain, writer->chain.size);
    eddy_loop_end_leave(&writer->end);
    if (eddy_link_used(&writer->guard)) {
        eddy_list_remove(&writer->guard);
    }
    memset(writer, 0, sizeof *writer);
}

void eddy_writer_tell(const eddy_writer *writer, int error, const char *what)
{
    eddy_task none = {NULL, 0};

    eddy_loop_report(
        writer->loop, none, error, "a writer%s%s%s %s", writer->place != NULL ? " (opened at " : "",
        writer->place != NULL ? writer->place : "", writer->place != NULL ? ")" : "", what);
}

void eddy_writer_tell_error(eddy_writer *writer)
{
    char text[96];

    if (writer->error != 0 && !writer->told) {
        writer->told = true;
        snprintf(text, sizeof text, "has failed, and nobody was told: %s",
                 eddy_strerror(writer->error));
        eddy_writer_tell(writer, writer->error, text);
    }
}

/* ---- waking */

static void wake_put(struct eddy_task_record *task, int64_t result)
{
    struct eddy_writer_piece *piece = task->in.object;

    eddy_pool_give(eddy_writer_pool(piece->writer), piece, piece->pool_class);
    eddy_wake(task, result);
}

/* Whether there was anybody. */
bool eddy_writer_wake_all(eddy_writer *writer, int64_t result)
{
    bool any = eddy_waiters_first(&writer->draining) != NULL ||
               eddy_waiters_first(&writer->flushing) != NULL;
    struct eddy_task_record *task;

    eddy_wake_all(&writer->draining, result);
    eddy_wake_all(&writer->flushing, result);
    while ((task = eddy_waiters_first(&writer->putting)) != NULL) {
        wake_put(task, result);
        any = true;
    }
    return any;
}

/* Ends with it whoever closes the writer. */
bool eddy_writer_end_close(eddy_writer *writer, int64_t result)
{
    struct eddy_task_record *closer = writer->closer;

    if (closer == NULL) {
        return false;
    }
    eddy_writer_release(writer);
    eddy_wake(closer, result);
    return true;
}

/* The stream has failed, or was closed. */
static void fail(eddy_writer *writer, int error)
{
    let_go(writer);
    eddy_chain_drop(eddy_writer_pool(writer), &writer->chain, writer->chain.size);
    writer->error = error;
    writer->told = eddy_writer_wake_all(writer, error) || writer->told;
    (void)eddy_writer_end_close(writer, error);
}

void eddy_writer_lost(eddy_stream *stream, int error)
{
    fail(eddy_stream_buffered_by(stream), error);
}

/* ---- writing */

static bool fits(const eddy_writer *writer, size_t size)
{
    return size <= writer->options.limit - writer->chain.size;
}

static void let_put(eddy_writer *writer)
{
    struct eddy_task_record *task;

    while ((task = eddy_waiters_first(&writer->putting)) != NULL) {
        const struct eddy_writer_piece *piece = task->in.object;
        int64_t size = (int64_t)piece->size;
        if (!fits(writer, piece->size)) {
            return;
        }
        if (eddy_chain_add(eddy_writer_pool(writer), &writer->chain, piece->data, piece->size) <
            0) {
            size = -ENOMEM;
        }
        wake_put(task, size);
    }
}

static void on_flush(eddy_callback *callback);

static void settle(eddy_writer *writer)
{
    struct eddy_task_record *task;

    let_put(writer);
    if (writer->chain.size <= writer->options.low) {
        eddy_wake_all(&writer->draining, 0);
    }
    while ((task = eddy_waiters_first(&writer->flushing)) != NULL &&
           (uint64_t)task->with.until <= writer->sent) {
        eddy_wake(task, 0);
    }
    if (writer->chain.size == 0) {
        let_go(writer);
        (void)eddy_writer_end_close(writer, 0);
    } else if ((writer->stream->state & EDDY_WRITE) != 0) {
        eddy_callback_start(writer->loop, &writer->flush, on_flush);
    }
}

/* One call of at most `size` bytes; one piece goes the stream's short way. */
static int64_t write_once(eddy_writer *writer, size_t size)
{
    struct iovec pieces[PIECES_AT_ONCE];
    int count = eddy_chain_pieces(&writer->chain, size, pieces, PIECES_AT_ONCE);

    return count == 1
               ? eddy_stream_write_some(writer->stream, pieces[0].iov_base, pieces[0].iov_len)
               : eddy_stream_write_pieces(writer->stream, pieces, count);
}

/* Writes a step's share, or until the kernel takes no more. */
void eddy_writer_write_share(eddy_writer *writer)
{
    struct eddy_write_share share = EDDY_WHOLE_WRITE_SHARE;

    while (eddy_writer_holds(writer) && writer->chain.size > 0 &&
           (writer->stream->state & EDDY_WRITE) != 0) {
        size_t size = eddy_write_share_of(&share, writer->chain.size);
        int64_t count;
        if (size == 0) {
            break;
        }
        count = write_once(writer, size);
        eddy_write_share_use(&share, count);
        if (count > 0) {
            writer->sent += (uint64_t)count;
            eddy_chain_drop(eddy_writer_pool(writer), &writer->chain, (size_t)count);
        } else if (count != -EAGAIN && count != -EINTR) {
            fail(writer, (int)count);
            return;
        }
    }
    if (eddy_writer_holds(writer)) {
        settle(writer);
    }
}

static void on_flush(eddy_callback *callback)
{
    eddy_writer_write_share(
        (eddy_writer *)(void *)((char *)callback - offsetof(eddy_writer, flush)));
}

void eddy_writer_at_event(eddy_stream *stream)
{
    eddy_writer *writer = eddy_stream_buffered_by(stream);

    eddy_callback_start(writer->loop, &writer->flush, on_flush);
}

/* ---- putting */

/* The stream was opened anew since the writer was last used. */
static int begin_anew(eddy_writer *writer)
{
    eddy_writer_tell_error(writer);
    if (writer->loop == NULL) { /* the error hook has dropped it */
        return -EBADF;
    }
    writer->error = 0;
    writer->told = false;
    writer->opening = eddy_stream_opening(writer->stream);
    return 0;
}

/* What an operation begins with: 0, or why there is none. */
int eddy_writer_state(eddy_writer *writer)
{
    if (writer->loop == NULL) {
        return -EBADF;
    }
    eddy_loop_here(writer->loop, "a writer");
    if (eddy_stream_is_open(writer->stream) &&
        eddy_stream_opening(writer->stream) != writer->opening) {
        return begin_anew(writer);
    }
    writer->told = writer->told || writer->error != 0;
    return writer->error;
}

/* Whether anything may be put, whatever its size. */
int eddy_writer_may_put(eddy_writer *writer)
{
    int result = eddy_writer_state(writer);

    if (result < 0) {
        return result;
    }
    if (writer->closer != NULL) {
        return -ESHUTDOWN;
    }
    if (!eddy_stream_is_open(writer->stream)) {
        return eddy_stream_not_open(writer->stream);
    }
    return (writer->stream->state & EDDY_STREAM_BUSY_WRITING) != 0 && !eddy_writer_holds(writer)
               ? -EBUSY
               : 0;
}

/* 0; -EMSGSIZE; -ENOBUFS: it would have to wait. */
int eddy_writer_has_room(const eddy_writer *writer, size_t size)
{
    if (size > writer->options.limit) {
        return -EMSGSIZE;
    }
    return fits(writer, size) && eddy_waiters_first(&writer->putting) == NULL ? 0 : -ENOBUFS;
}

/* A put that has no room. */
static int refuse(eddy_writer *writer)
{
    char fd[EDDY_FD_TEXT];
    char text[EDDY_FD_TEXT + 80];

    if (writer->options.at_limit == EDDY_WRITER_CLOSE) {
        eddy_stream_name(writer->stream, fd, sizeof fd);
        snprintf(text, sizeof text, "closes its stream, %s: %zu bytes wait, which it does not take",
                 fd, writer->chain.size);
        writer->told = true;
        eddy_writer_tell(writer, -ENOBUFS, text);
        if (writer->loop != NULL && eddy_writer_holds(writer)) { /* the hook has closed neither */
            writer->stream->closed_with = -ENOBUFS;
            eddy_stream_close_with(writer->stream, -ENOBUFS);
        }
    }
    return -ENOBUFS;
}

/* There is a piece more. */
static void added(eddy_writer *writer)
{
    if (writer->chain.size > 0 && !eddy_writer_holds(writer)) {
        eddy_stream_buffered_begins(writer->stream, writer);
    }
    if (writer->chain.size >= writer->options.flush_at) {
        eddy_writer_write_share(writer);
    } else if (eddy_writer_holds(writer) && (writer->stream->state & EDDY_WRITE) != 0) {
        eddy_callback_start(writer->loop, &writer->flush, on_flush);
    }
}

/* There is room for it. */
int eddy_writer_put_now(eddy_writer *writer, const void *data, size_t size)
{
    int result =
        size > 0 ? eddy_chain_add(eddy_writer_pool(writer), &writer->chain, data, size) : 0;

    if (result == 0) {
        added(writer);
    }
    return result;
}

int eddy_writer_put(eddy_writer *writer, const void *data, size_t size)
{
    int result = eddy_writer_may_put(writer);

    if (result < 0) {
        return result;
    }
    result = eddy_writer_has_room(writer, size);
    if (result < 0) {
        return result == -ENOBUFS ? refuse(writer) : result;
    }
    return eddy_writer_put_now(writer, data, size);
}

/* Writes the text behind what is there, as yet for nobody to see; its length, or an error. */
static int64_t format_text(eddy_writer *writer, const char *format, va_list arguments)
{
    struct eddy_pool *pool = eddy_writer_pool(writer);
    char *place = eddy_chain_reserve(pool, &writer->chain, 1);
    va_list again;
    int length;
    int result;

    if (place == NULL) {
        return -ENOMEM;
    }
    va_copy(again, arguments);
    length = vsnprintf(place, eddy_chain_room(&writer->chain), format, arguments);
    result = length < 0 ? -errno : eddy_writer_has_room(writer, (size_t)length);
    if (result == 0 && (size_t)length >= eddy_chain_room(&writer->chain)) {
        place = eddy_chain_reserve(pool, &writer->chain, (size_t)length + 1);
        result = place == NULL ? -ENOMEM : 0;
        if (result == 0) {
            (void)vsnprintf(place, (size_t)length + 1, format, again);
        }
    }
    va_end(again);
    return result < 0 ? result : length;
}

int eddy_writer_vprintf(eddy_writer *writer, const char *format, va_list arguments)
{
    int64_t length = eddy_writer_may_put(writer);

    if (length < 0) {
        return (int)length;
    }
    length = format_text(writer, format, arguments);
    if (length > 0) {
        eddy_chain_added(&writer->chain, (size_t)length);
        added(writer);
        return 0;
    }
    if (writer->chain.size == 0) {
        eddy_chain_drop(eddy_writer_pool(writer), &writer->chain, 0);
    }
    return length == -ENOBUFS ? refuse(writer) : (int)length;
}

int eddy_writer_printf(eddy_writer *writer, const char *format, ...)
{
    va_list arguments;
    int result;

    va_start(arguments, format);
    result = eddy_writer_vprintf(writer, format, arguments);
    va_end(arguments);
    return result;
}
