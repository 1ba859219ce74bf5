/*
 * Copying one stream to another until the end: eddy_copy of copy.h.
 *
 *     nothing kept, waiting for bytes    from: READING, TO_COPY    to: COPIED_TO
 *     bytes kept, waiting for room       from: READING             to: COPIED_TO, WRITING
 *     ready to try (more, or its turn)   from: READING             to: COPIED_TO
 *
 * The task is the reader of the one and the writer of the other all the time, so that nobody comes in
 * between. Bytes lie in the loop's one buffer only between a read and the write right behind it; what the
 * target does not take is kept in a block of its own, and nothing is read before that is gone: so a slow
 * target slows the source down, and a copy that waits for bytes has no memory but its record.
 *
 * A message that is read and written by one call each is moved at its event, without the task and the
 * ready list: eddy_copy_at_event. Everything else is the task's, in its turn, at most so many pieces; and all
 * of a copy that has a limit, so that the others need not look for one.
 */
#include "eddy/stream.h"

#include <stdio.h>
#include <string.h>

#include "loop/look.h"
#include "net/stream_internal.h"

enum { PIECES_A_TURN = 16 }; /* of a buffer's size, before others get their turn */

#define NO_LIMIT INT64_MAX

/* Through which the bytes of all copies of a loop go: between a read and the write of the same
 * bytes nobody else runs. */
struct buffer {
    struct eddy_attachment attachment;
    unsigned pool_class;
    char bytes[];
};

/* With its head just a block of the pool. */
enum { BLOCK_SIZE = 65536, BUFFER_SIZE = BLOCK_SIZE - sizeof(struct buffer) };

/* A copy that goes on; the object of its task's wait. */
struct copy {
    eddy_stream *from;
    eddy_stream *to;
    uint64_t *count; /* the caller's, or NULL */
    int64_t limit;   /* how much is to be copied; NO_LIMIT: all */
    int64_t left;    /* of that, what was not read yet */
    bool waits;      /* for bytes, and has a limit: events only wake its task */
    char *buffer;    /* the loop's */
    char *rest;      /* what `to` would not take at once, or NULL */
    size_t rest_size;
    size_t rest_done; /* of it, what `to` has taken since */
    unsigned rest_class;
    unsigned pool_class;
};

static const char attachment_key;

/* ---- the buffer */

static void close_buffer(eddy_loop *loop, struct eddy_attachment *attachment)
{
    eddy_pool_give(&loop->pool, attachment, ((struct buffer *)(void *)attachment)->pool_class);
}

static char *buffer_of(eddy_loop *loop)
{
    struct buffer *buffer = (struct buffer *)(void *)eddy_loop_attachment(loop, &attachment_key);
    unsigned pool_class;

    if (buffer != NULL) {
        return buffer->bytes;
    }
    buffer = eddy_pool_take(&loop->pool, BLOCK_SIZE, &pool_class);
    if (buffer == NULL) {
        return NULL;
    }
    memset(&buffer->attachment, 0, sizeof buffer->attachment);
    buffer->attachment.key = &attachment_key;
    buffer->attachment.close = close_buffer;
    buffer->pool_class = pool_class;
    eddy_list_append(&loop->attachments, &buffer->attachment.link);
    return buffer->bytes;
}

char *eddy_copy_buffer(eddy_loop *loop, size_t *size)
{
    *size = BUFFER_SIZE;
    return buffer_of(loop);
}

/* ---- moving bytes */

static inline void wrote(struct copy *copy, int64_t count)
{
    if (copy->count != NULL) {
        *copy->count += (uint64_t)count;
    }
}

/* Keeps what the kernel did not take of `size` bytes, and waits for it to take more. */
static int keep_rest(struct copy *copy, struct eddy_task_record *task, size_t done, size_t size)
{
    eddy_loop *loop = copy->from->io.loop;

    copy->rest = eddy_pool_take(&loop->pool, size - done, &copy->rest_class);
    if (copy->rest == NULL) {
        return -ENOMEM;
    }
    memcpy(copy->rest, copy->buffer + done, size - done);
    copy->rest_size = size - done;
    copy->rest_done = 0;
    eddy_stream_write_begins(copy->to, task);
    return 0;
}

static void drop_rest(struct copy *copy)
{
    if (copy->rest != NULL) {
        eddy_pool_give(&copy->from->io.loop->pool, copy->rest, copy->rest_class);
        copy->rest = NULL;
        eddy_stream_write_over(copy->to);
    }
}

/* After -EAGAIN: a transport may have told of more meanwhile. */
static int64_t again(const eddy_stream *stream, unsigned what)
{
    return (stream->state & what) != 0 ? 1 : EDDY_PENDING;
}

/* Writes once of what was kept: 1, EDDY_PENDING, or an error. */
static int64_t write_rest(struct copy *copy)
{
    int64_t count = (copy->to->state & EDDY_WRITE) == 0
                        ? -EAGAIN
                        : eddy_stream_write_some(copy->to, copy->rest + copy->rest_done,
                                                 copy->rest_size - copy->rest_done);

    if (count < 0) {
        return count == -EAGAIN ? again(copy->to, EDDY_WRITE) : count;
    }
    copy->rest_done += (size_t)count;
    wrote(copy, count);
    if (copy->rest_done == copy->rest_size) {
        drop_rest(copy);
    }
    return 1;
}

/* Deals with a piece of which not all was read and written at once. */
static int64_t __attribute__((noinline))
piece_odd(struct copy *copy, struct eddy_task_record *task, int64_t count, int64_t done)
{
    if (count <= 0) {
        return count == -EAGAIN ? again(copy->from, EDDY_READ) : count;
    }
    if (done < 0 && done != -EAGAIN) {
        return done;
    }
    done = done < 0 ? 0 : done;
    wrote(copy, done);
    return keep_rest(copy, task, (size_t)done, (size_t)count) < 0 ? -ENOMEM : 1;
}

/* Reads once and writes it: 1 if there may be more, 0 at the end of the file, EDDY_PENDING, or an
 * error. */
static int64_t copy_piece(struct copy *copy, struct eddy_task_record *task)
{
    int64_t count = -EAGAIN;
    int64_t done = -EAGAIN;

    if (copy->left == 0) {
        return 0;
    }
    if ((copy->from->state & EDDY_READ) != 0) {
        count = eddy_stream_read_some(copy->from, copy->buffer,
                                      copy->left < BUFFER_SIZE ? (size_t)copy->left : BUFFER_SIZE);
        copy->left -= count > 0 ? count : 0;
    }
    if (count > 0 && (copy->to->state & EDDY_WRITE) != 0) {
        done = eddy_stream_write_some(copy->to, copy->buffer, (size_t)count);
        if (done == count) {
            wrote(copy, count);
            return 1;
        }
    }
    return piece_odd(copy, task, count, done);
}

/* Copies at most so many pieces, or parts of them: 1 if there may be more, and else as copy_piece. */
static int64_t copy_pieces(struct copy *copy, struct eddy_task_record *task, int most)
{
    int64_t result = 1;

    for (int i = 0; i < most && result == 1; i++) {
        result = copy->rest != NULL ? write_rest(copy) : copy_piece(copy, task);
    }
    return result;
}

/* A copy that has nothing to write need not learn from a write that nobody takes it: EDDY_PENDING if
 * somebody does. The pending error is left to who reads the target. A copy back to the source ends
 * with what the source has to say. */
static int64_t target_state(const struct copy *copy)
{
    const struct eddy_sys *sys = copy->to->io.loop->sys;
    int error = 0;
    socklen_t size = sizeof error;

    if ((copy->to->state & EDDY_STREAM_GONE) == 0 || copy->to == copy->from) {
        return EDDY_PENDING;
    }
    if ((copy->to->state & (EDDY_STREAM_READING | EDDY_STREAM_TRANSPORT)) != 0 ||
        sys->getsockopt(sys, copy->to->io.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) {
        error = 0;
    }
    return error != 0 ? -error : -EPIPE;
}

/* ---- waiting */

/* Lets go of the streams; the result of the operation. */
static int64_t finish(struct copy *copy, int64_t result)
{
    eddy_loop *loop = copy->from->io.loop;
    int64_t copied = copy->limit - copy->left;

    if (result == 0 && copy->limit != NO_LIMIT) {
        result = copied;
    }
    drop_rest(copy);
    eddy_stream_read_over(copy->from);
    copy->from->state &= ~(uint32_t)EDDY_STREAM_TO_COPY;
    copy->to->state &= ~(uint32_t)EDDY_STREAM_COPIED_TO;
    eddy_pool_give(&loop->pool, copy, copy->pool_class);
    return result;
}

static int abort_copy(struct eddy_task_record *task)
{
    (void)finish(task->in.object, -ECANCELED);
    return 1;
}

/* From here on an event may move them, unless older ones are to be written before. */
static void wait_for_bytes(struct copy *copy)
{
    if (copy->rest != NULL) {
        return;
    }
    if (copy->limit == NO_LIMIT) {
        copy->from->state |= EDDY_STREAM_TO_COPY;
    } else {
        copy->waits = true;
    }
}

static int64_t resume_copy(struct eddy_task_record *task)
{
    struct copy *copy = task->in.object;
    int64_t result;

    copy->waits = false;
    result = copy_pieces(copy, task, PIECES_A_TURN);
    if (result == EDDY_PENDING) {
        result = target_state(copy);
    }
    if (result == 1) { /* it has had its share */
        return eddy_resume_later(task);
    }
    if (result == EDDY_PENDING) {
        wait_for_bytes(copy);
        return result;
    }
    return finish(copy, result);
}

/* "fd 7 (127.0.0.1:80) to fd 8 (127.0.0.1:81)", or "to itself". */
static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const struct copy *copy = task->in.object;
    char from[EDDY_FD_TEXT];
    char to[EDDY_FD_TEXT];

    eddy_stream_name(copy->from, from, sizeof from);
    if (copy->to != copy->from) {
        eddy_stream_name(copy->to, to, sizeof to);
    }
    snprintf(text, size, "%s to %s%s", from, copy->to != copy->from ? to : "itself",
             copy->rest != NULL ? ", which takes no more" : "");
}

static const struct eddy_wait_kind copy_kind = {
    .name = "copy",
    .abort = abort_copy,
    .resume = resume_copy,
    .describe = describe,
};

/* What is not just one piece, read and written at once. */
static void __attribute__((noinline)) at_event_odd(struct copy *copy, int64_t count, int64_t done)
{
    struct eddy_task_record *task = copy->from->reader;
    int64_t result = piece_odd(copy, task, count, done);

    if (result == EDDY_PENDING) {
        return;
    }
    if (result != 1) {
        eddy_wake(task, finish(copy, result));
        return;
    }
    copy->from->state &= ~(uint32_t)EDDY_STREAM_TO_COPY;
    eddy_wake_to_try(task);
}

/* One piece is copied at once, which is all there is of a message. More is for the task's turn; and
 * so is everything in a poll that has only so much time, and what a transport brings, which may be told
 * of in the midst of another's write. */
void eddy_copy_at_event(eddy_stream *from)
{
    struct copy *copy = from->reader->in.object;
    int64_t count;
    int64_t done;

    if (!from->io.loop->in_a_hurry && (from->state & EDDY_STREAM_TRANSPORT) == 0) {
        count = eddy_stream_read_some(from, copy->buffer, BUFFER_SIZE);
        if (count <= 0 || (copy->to->state & EDDY_WRITE) == 0) {
            at_event_odd(copy, count, -EAGAIN);
            return;
        }
        done = eddy_stream_write_some(copy->to, copy->buffer, (size_t)count);
        if (done != count) {
            at_event_odd(copy, count, done);
            return;
        }
        wrote(copy, count);
        if ((from->state & EDDY_READ) == 0) {
            return;
        }
    }
    from->state &= ~(uint32_t)EDDY_STREAM_TO_COPY;
    eddy_wake_to_try(from->reader);
}

void eddy_copy_target_gone(eddy_stream *to)
{
    struct copy *copy = to->writer->in.object;

    if (copy->from != to && (copy->waits || (copy->from->state & EDDY_STREAM_TO_COPY) != 0)) {
        copy->waits = false;
        copy->from->state &= ~(uint32_t)EDDY_STREAM_TO_COPY;
        eddy_wake_to_try(to->writer);
    }
}

/* ---- the operation */

static struct copy *copy_new(eddy_loop *loop, eddy_stream *from, eddy_stream *to, uint64_t *count)
{
    char *buffer = buffer_of(loop);
    struct copy *copy;
    unsigned pool_class;

    if (buffer == NULL) {
        return NULL;
    }
    copy = eddy_pool_take(&loop->pool, sizeof *copy, &pool_class);
    if (copy != NULL) {
        memset(copy, 0, sizeof *copy);
        copy->from = from;
        copy->to = to;
        copy->count = count;
        copy->buffer = buffer;
        copy->pool_class = pool_class;
    }
    return copy;
}

static int64_t begin(eddy_coro *co, eddy_stream *from, eddy_stream *to, int64_t limit,
                     uint64_t *count)
{
    int64_t result = eddy_stream_may_begin(co, from, EDDY_STREAM_BUSY_READING);
    struct copy *copy;
    int64_t parked;

    if (result == 0) {
        result = eddy_stream_may_begin(co, to, EDDY_STREAM_BUSY_WRITING);
    }
    if (result < 0) {
        return result;
    }
    if (count != NULL) {
        eddy_check_pointer(co, count);
    }
    copy = copy_new(eddy_task_loop(co->task), from, to, count);
    if (copy == NULL) {
        return eddy_complete(co, -ENOMEM);
    }
    copy->limit = limit;
    copy->left = limit;
    eddy_stream_read_begins(from, co->task);
    to->writer = co->task;
    to->state |= EDDY_STREAM_COPIED_TO;
    result = copy_pieces(copy, co->task, PIECES_A_TURN);
    if (result == EDDY_PENDING) {
        result = target_state(copy);
    }
    if (result != 1 && result != EDDY_PENDING) {
        return eddy_complete(co, finish(copy, result));
    }
    parked = eddy_park(co, &copy_kind, copy, NULL);
    if (result == 1) {
        eddy_wake_to_try(co->task);
    } else {
        wait_for_bytes(copy);
    }
    return parked;
}

int64_t eddy_copy(eddy_coro *co, eddy_stream *from, eddy_stream *to, uint64_t *count)
{
    return begin(co, from, to, NO_LIMIT, count);
}

int64_t eddy_copy_at_most(eddy_coro *co, eddy_stream *from, eddy_stream *to, int64_t limit,
                          uint64_t *count)
{
    int64_t result;

    if (limit < 0) {
        result = eddy_check(co);
        return result < 0 ? result : eddy_complete(co, -EINVAL);
    }
    return begin(co, from, to, limit < NO_LIMIT ? limit : NO_LIMIT - 1, count);
}
