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
#include "eddy/writer.h"

#include <stdio.h>
#include <string.h>

#include "loop/look.h"
#include "net/chain.h"
#include "net/stream_internal.h"

enum {
    FLUSH_AT = 16 * 1024,
    HIGH = 64 * 1024,
    LIMIT = 1024 * 1024,
    PIECES_AT_ONCE = 64 /* that are handed to the kernel */
};

/* A task in eddy_writer_write that waits for room; the object of its wait. */
struct put {
    eddy_writer *writer;
    const void *data;
    size_t size;
    unsigned pool_class;
};

static struct eddy_pool *pool_of(const eddy_writer *writer)
{
    return &writer->loop->pool;
}

/* ---- whose the stream is */

static bool holds(const eddy_writer *writer)
{
    return eddy_stream_buffered_by(writer->stream) == writer;
}

static void let_go(eddy_writer *writer)
{
    eddy_callback_stop(&writer->flush);
    if (holds(writer)) {
        eddy_stream_buffered_over(writer->stream);
    }
}

/* ---- the end of the writer */

/* Everything of the loop's is given back; the struct is as new. The error hook may have done so already. */
static void release(eddy_writer *writer)
{
    if (writer->loop == NULL) {
        return;
    }
    let_go(writer);
    eddy_chain_drop(pool_of(writer), &writer->chain, writer->chain.size);
    eddy_loop_end_leave(&writer->end);
    if (eddy_link_used(&writer->guard)) {
        eddy_list_remove(&writer->guard);
    }
    memset(writer, 0, sizeof *writer);
}

static void tell(const eddy_writer *writer, int error, const char *what)
{
    eddy_task none = {NULL, 0};

    eddy_loop_report(
        writer->loop, none, error, "a writer%s%s%s %s", writer->place != NULL ? " (opened at " : "",
        writer->place != NULL ? writer->place : "", writer->place != NULL ? ")" : "", what);
}

static void tell_error(eddy_writer *writer)
{
    char text[96];

    if (writer->error != 0 && !writer->told) {
        writer->told = true;
        snprintf(text, sizeof text, "has failed, and nobody was told: %s",
                 eddy_strerror(writer->error));
        tell(writer, writer->error, text);
    }
}

/* ---- waking */

static void wake_put(struct eddy_task_record *task, int64_t result)
{
    struct put *put = task->in.object;

    eddy_pool_give(pool_of(put->writer), put, put->pool_class);
    eddy_wake(task, result);
}

/* Whether there was anybody. */
static bool wake_all(eddy_writer *writer, int64_t result)
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
static bool close_waited_for(eddy_writer *writer, int64_t result)
{
    struct eddy_task_record *closer = writer->closer;

    if (closer == NULL) {
        return false;
    }
    release(writer);
    eddy_wake(closer, result);
    return true;
}

/* The stream has failed, or was closed. */
static void fail(eddy_writer *writer, int error)
{
    let_go(writer);
    eddy_chain_drop(pool_of(writer), &writer->chain, writer->chain.size);
    writer->error = error;
    writer->told = wake_all(writer, error) || writer->told;
    (void)close_waited_for(writer, error);
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
        const struct put *put = task->in.object;
        int64_t size = (int64_t)put->size;
        if (!fits(writer, put->size)) {
            return;
        }
        if (eddy_chain_add(pool_of(writer), &writer->chain, put->data, put->size) < 0) {
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
        (void)close_waited_for(writer, 0);
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
static void write_share(eddy_writer *writer)
{
    struct eddy_write_share share = EDDY_WHOLE_WRITE_SHARE;

    while (holds(writer) && writer->chain.size > 0 && (writer->stream->state & EDDY_WRITE) != 0) {
        size_t size = eddy_write_share_of(&share, writer->chain.size);
        int64_t count;
        if (size == 0) {
            break;
        }
        count = write_once(writer, size);
        eddy_write_share_use(&share, count);
        if (count > 0) {
            writer->sent += (uint64_t)count;
            eddy_chain_drop(pool_of(writer), &writer->chain, (size_t)count);
        } else if (count != -EAGAIN && count != -EINTR) {
            fail(writer, (int)count);
            return;
        }
    }
    if (holds(writer)) {
        settle(writer);
    }
}

static void on_flush(eddy_callback *callback)
{
    write_share((eddy_writer *)(void *)((char *)callback - offsetof(eddy_writer, flush)));
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
    tell_error(writer);
    if (writer->loop == NULL) { /* the error hook has dropped it */
        return -EBADF;
    }
    writer->error = 0;
    writer->told = false;
    writer->opening = eddy_stream_opening(writer->stream);
    return 0;
}

/* What an operation begins with: 0, or why there is none. */
static int state_of(eddy_writer *writer)
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
static int may_put(eddy_writer *writer)
{
    int result = state_of(writer);

    if (result < 0) {
        return result;
    }
    if (writer->closer != NULL) {
        return -ESHUTDOWN;
    }
    if (!eddy_stream_is_open(writer->stream)) {
        return eddy_stream_not_open(writer->stream);
    }
    return (writer->stream->state & EDDY_STREAM_BUSY_WRITING) != 0 && !holds(writer) ? -EBUSY : 0;
}

/* 0; -EMSGSIZE; -ENOBUFS: it would have to wait. */
static int has_room(const eddy_writer *writer, size_t size)
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
        tell(writer, -ENOBUFS, text);
        if (writer->loop != NULL && holds(writer)) { /* the hook has closed neither */
            eddy_stream_give_up(writer->stream, -ENOBUFS);
        }
    }
    return -ENOBUFS;
}

/* There is a piece more. */
static void added(eddy_writer *writer)
{
    if (writer->chain.size > 0 && !holds(writer)) {
        eddy_stream_buffered_begins(writer->stream, writer);
    }
    if (writer->chain.size >= writer->options.flush_at) {
        write_share(writer);
    } else if (holds(writer) && (writer->stream->state & EDDY_WRITE) != 0) {
        eddy_callback_start(writer->loop, &writer->flush, on_flush);
    }
}

/* There is room for it. */
static int put_now(eddy_writer *writer, const void *data, size_t size)
{
    int result = size > 0 ? eddy_chain_add(pool_of(writer), &writer->chain, data, size) : 0;

    if (result == 0) {
        added(writer);
    }
    return result;
}

int eddy_writer_put(eddy_writer *writer, const void *data, size_t size)
{
    int result = may_put(writer);

    if (result < 0) {
        return result;
    }
    result = has_room(writer, size);
    if (result < 0) {
        return result == -ENOBUFS ? refuse(writer) : result;
    }
    return put_now(writer, data, size);
}

/* Writes the text behind what is there, as yet for nobody to see; its length, or an error. */
static int64_t format_text(eddy_writer *writer, const char *format, va_list arguments)
{
    struct eddy_pool *pool = pool_of(writer);
    char *place = eddy_chain_reserve(pool, &writer->chain, 1);
    va_list again;
    int length;
    int result;

    if (place == NULL) {
        return -ENOMEM;
    }
    va_copy(again, arguments);
    length = vsnprintf(place, eddy_chain_room(&writer->chain), format, arguments);
    result = length < 0 ? -errno : has_room(writer, (size_t)length);
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
    int64_t length = may_put(writer);

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
        eddy_chain_drop(pool_of(writer), &writer->chain, 0);
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

/* ---- waiting */

static void describe(const eddy_writer *writer, const char *what, char *text, size_t size)
{
    char fd[EDDY_FD_TEXT];

    eddy_stream_name(writer->stream, fd, sizeof fd);
    snprintf(text, size, "%s, %zu bytes wait, %s", fd, writer->chain.size, what);
}

static void describe_put(const struct eddy_task_record *task, char *text, size_t size)
{
    const struct put *put = task->in.object;
    char what[48];

    snprintf(what, sizeof what, "to put %zu more", put->size);
    describe(put->writer, what, text, size);
}

static void describe_drain(const struct eddy_task_record *task, char *text, size_t size)
{
    describe(task->in.object, "to drain", text, size);
}

static void describe_flush(const struct eddy_task_record *task, char *text, size_t size)
{
    describe(task->in.object, "to flush", text, size);
}

static void describe_close(const struct eddy_task_record *task, char *text, size_t size)
{
    describe(task->in.object, "to close", text, size);
}

static int abort_put(struct eddy_task_record *task)
{
    struct put *put = task->in.object;

    eddy_pool_give(pool_of(put->writer), put, put->pool_class);
    return 1;
}

static int abort_close(struct eddy_task_record *task)
{
    ((eddy_writer *)task->in.object)->closer = NULL;
    return 1;
}

/* The loop has ended in the midst of it. */
static void cut_off_close(struct eddy_task_record *task)
{
    ((eddy_writer *)task->in.object)->closer = NULL;
}

static int abort_leave(struct eddy_task_record *task)
{
    eddy_writer *writer = task->in.object;

    writer->closer = NULL;
    eddy_writer_drop(writer);
    return 1;
}

static const struct eddy_wait_kind put_kind = {
    .name = "write", .abort = abort_put, .describe = describe_put};
static const struct eddy_wait_kind drain_kind = {.name = "drain", .describe = describe_drain};
static const struct eddy_wait_kind flush_kind = {.name = "flush", .describe = describe_flush};
static const struct eddy_wait_kind close_kind = {
    .name = "close", .abort = abort_close, .describe = describe_close, .cut_off = cut_off_close};
static const struct eddy_wait_kind leave_kind = {
    .name = "close", .abort = abort_leave, .describe = describe_close, .cut_off = cut_off_close};

static int64_t wait_for_room(eddy_coro *co, eddy_writer *writer, const void *data, size_t size)
{
    unsigned pool_class;
    struct put *put = eddy_pool_take(pool_of(writer), sizeof *put, &pool_class);

    if (put == NULL) {
        return eddy_complete(co, -ENOMEM);
    }
    eddy_check_pointer(co, data);
    *put = (struct put){writer, data, size, pool_class};
    return eddy_park(co, &put_kind, put, &writer->putting);
}

int64_t eddy_writer_write(eddy_coro *co, eddy_writer *writer, const void *data, size_t size)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    result = may_put(writer);
    if (result < 0) {
        return eddy_complete(co, result);
    }
    result = has_room(writer, size);
    if (result == -ENOBUFS) {
        return wait_for_room(co, writer, data, size);
    }
    if (result == 0) {
        result = put_now(writer, data, size);
    }
    return eddy_complete(co, result < 0 ? result : (int64_t)size);
}

int64_t eddy_writer_drain(eddy_coro *co, eddy_writer *writer)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    result = state_of(writer);
    if (result < 0 || writer->chain.size <= writer->options.high) {
        return eddy_complete(co, result);
    }
    return eddy_park(co, &drain_kind, writer, &writer->draining);
}

int64_t eddy_writer_flush(eddy_coro *co, eddy_writer *writer)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    result = state_of(writer);
    if (result < 0 || writer->chain.size == 0) {
        return eddy_complete(co, result);
    }
    result = eddy_park(co, &flush_kind, writer, &writer->flushing);
    co->task->with.until = (int64_t)(writer->sent + writer->chain.size);
    return result;
}

/* ---- opening and closing */

static void told_of_end(struct eddy_loop_end *end, eddy_loop *loop)
{
    eddy_writer *writer = (eddy_writer *)(void *)((char *)end - offsetof(eddy_writer, end));
    char text[80];

    (void)loop;
    if (holds(writer)) {
        write_share(writer);
    }
    if (writer->chain.size > 0) {
        snprintf(text, sizeof text, "still has %zu bytes when the loop ends: they are dropped",
                 writer->chain.size);
        tell(writer, -ECANCELED, text);
    }
    tell_error(writer);
    release(writer);
}

static bool are_valid(struct eddy_writer_options *options)
{
    if (options->high == 0) {
        options->high = options->limit != 0 && options->limit < HIGH ? options->limit : HIGH;
    }
    if (options->low == 0) {
        options->low = options->high / 4;
    }
    if (options->limit == 0) {
        options->limit = options->high > LIMIT ? options->high : LIMIT;
    }
    if (options->flush_at == 0) {
        options->flush_at = FLUSH_AT;
    }
    return options->low <= options->high && options->high <= options->limit &&
           options->at_limit <= EDDY_WRITER_CLOSE;
}

int eddy_writer_open_(eddy_writer *writer, eddy_stream *stream,
                      const struct eddy_writer_options *options, const char *place)
{
    struct eddy_writer_options chosen = {0};
    eddy_loop *loop = stream->io.loop;

    if (options != NULL) {
        chosen = *options;
    }
    if (writer->loop != NULL || !are_valid(&chosen)) {
        return -EINVAL;
    }
    if (!eddy_stream_is_open(stream)) {
        return eddy_stream_not_open(stream);
    }
    eddy_loop_here(loop, "eddy_writer_open");
    memset(writer, 0, sizeof *writer);
    if (loop->current != NULL && eddy_guard_add(loop->current, &writer->guard) < 0) {
        return -ENOMEM;
    }
    writer->loop = loop;
    writer->stream = stream;
    writer->options = chosen;
    writer->opening = eddy_stream_opening(stream);
    writer->place = place;
    eddy_loop_end_follow(loop, &writer->end, told_of_end);
    return 0;
}

int(eddy_writer_open)(eddy_writer *writer, eddy_stream *stream,
                      const struct eddy_writer_options *options)
{
    return eddy_writer_open_(writer, stream, options, NULL);
}

void eddy_writer_drop(eddy_writer *writer)
{
    if (writer->loop == NULL) {
        return;
    }
    eddy_loop_here(writer->loop, __func__);
    tell_error(writer);
    if (writer->loop == NULL) { /* by the error hook */
        return;
    }
    (void)wake_all(writer, -EBADF);
    if (!close_waited_for(writer, -EBADF)) {
        release(writer);
    }
}

/* There is no pending interrupt. */
static int64_t begin_close(eddy_coro *co, eddy_writer *writer, const struct eddy_wait_kind *kind)
{
    int result;

    if (writer->loop == NULL) {
        return eddy_complete(co, 0);
    }
    if (writer->closer != NULL) {
        return eddy_complete(co, -EBUSY);
    }
    result = state_of(writer);
    if (result == 0 && writer->chain.size > 0) {
        writer->closer = co->task;
        return eddy_park(co, kind, writer, NULL);
    }
    release(writer);
    return eddy_complete(co, result);
}

int64_t eddy_writer_close(eddy_coro *co, eddy_writer *writer)
{
    int64_t result = eddy_check(co);

    return result < 0 ? result : begin_close(co, writer, &close_kind);
}

/* ---- eddy_with_writer */

int64_t eddy_writer_enter_(eddy_coro *co, eddy_stream *stream,
                           const struct eddy_writer_options *options, const char *place)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    eddy_check_pointer(co, co->scope->object);
    return eddy_complete(co, eddy_writer_open_(co->scope->object, stream, options, place));
}

/* What the kernel takes at once is written, and the rest dropped: 0, or an error of the stream that nobody
 * has had. */
static int64_t write_and_drop(eddy_writer *writer)
{
    int error = 0;

    if (holds(writer)) {
        write_share(writer);
    }
    if (writer->error != 0 && !writer->told) {
        error = writer->error;
        writer->told = true;
    }
    eddy_writer_drop(writer);
    return error;
}

int64_t eddy_writer_leave_(eddy_coro *co, struct eddy_scope *scope)
{
    eddy_writer *writer = scope->object;
    int64_t result;

    if (scope->leaving == EDDY_LEAVE_CUT_OFF_ || writer->loop == NULL) {
        return 0;
    }
    if (scope->leaving == EDDY_LEAVE_UNWIND_ && co->outcome == -ECANCELED) {
        return write_and_drop(writer);
    }
    eddy_scope_unmask(co, scope);
    result = eddy_check(co);
    if (result < 0) {
        (void)write_and_drop(writer);
        return result;
    }
    return begin_close(co, writer, &leave_kind);
}
