/*
 * The life of a writer, and who waits for it.
 *
 *     wait                      until                               an abort
 *     eddy_writer_write         there is room, in line              drops the piece, which nobody has seen
 *     eddy_writer_drain         no more than `low` bytes wait       changes nothing
 *     eddy_writer_flush         `sent` has come to its mark         changes nothing
 *     eddy_writer_close         no bytes wait                       the writer is open as before
 *     the end of a block        no bytes wait                       drops the writer
 *
 * The bytes are the writer's from the put on, so no wait has anything to undo but itself. All of them are
 * ended by what writer.c does to the bytes.
 */
#include <stdio.h>
#include <string.h>

#include "loop/look.h"
#include "net/writer_internal.h"

enum { FLUSH_AT = 16 * 1024, HIGH = 64 * 1024, LIMIT = 1024 * 1024 };

/* ---- waiting */

static void describe(const eddy_writer *writer, const char *what, char *text, size_t size)
{
    char fd[EDDY_FD_TEXT];

    eddy_stream_name(writer->stream, fd, sizeof fd);
    snprintf(text, size, "%s, %zu bytes wait, %s", fd, writer->chain.size, what);
}

static void describe_put(const struct eddy_task_record *task, char *text, size_t size)
{
    const struct eddy_writer_piece *piece = task->in.object;
    char what[48];

    snprintf(what, sizeof what, "to put %zu more", piece->size);
    describe(piece->writer, what, text, size);
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
    struct eddy_writer_piece *piece = task->in.object;

    eddy_pool_give(eddy_writer_pool(piece->writer), piece, piece->pool_class);
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
    struct eddy_writer_piece *piece =
        eddy_pool_take(eddy_writer_pool(writer), sizeof *piece, &pool_class);

    if (piece == NULL) {
        return eddy_complete(co, -ENOMEM);
    }
    eddy_check_pointer(co, data);
    *piece = (struct eddy_writer_piece){writer, data, size, pool_class};
    return eddy_park(co, &put_kind, piece, &writer->putting);
}

int64_t eddy_writer_write(eddy_coro *co, eddy_writer *writer, const void *data, size_t size)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    result = eddy_writer_may_put(writer);
    if (result < 0) {
        return eddy_complete(co, result);
    }
    result = eddy_writer_has_room(writer, size);
    if (result == -ENOBUFS) {
        return wait_for_room(co, writer, data, size);
    }
    if (result == 0) {
        result = eddy_writer_put_now(writer, data, size);
    }
    return eddy_complete(co, result < 0 ? result : (int64_t)size);
}

int64_t eddy_writer_drain(eddy_coro *co, eddy_writer *writer)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    result = eddy_writer_state(writer);
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
    result = eddy_writer_state(writer);
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
    if (eddy_writer_holds(writer)) {
        eddy_writer_write_share(writer);
    }
    if (writer->chain.size > 0) {
        snprintf(text, sizeof text, "still has %zu bytes when the loop ends: they are dropped",
                 writer->chain.size);
        eddy_writer_tell(writer, -ECANCELED, text);
    }
    eddy_writer_tell_error(writer);
    eddy_writer_release(writer);
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
    eddy_writer_tell_error(writer);
    if (writer->loop == NULL) { /* by the error hook */
        return;
    }
    (void)eddy_writer_wake_all(writer, -EBADF);
    if (!eddy_writer_end_close(writer, -EBADF)) {
        eddy_writer_release(writer);
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
    result = eddy_writer_state(writer);
    if (result == 0 && writer->chain.size > 0) {
        writer->closer = co->task;
        return eddy_park(co, kind, writer, NULL);
    }
    eddy_writer_release(writer);
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

    if (eddy_writer_holds(writer)) {
        eddy_writer_write_share(writer);
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
