/*
 * Sending files: eddy_send_file of stream.h.
 *
 *     way         when                                     a byte goes
 *     sendfile    the stream is a socket                   from the page cache to the socket
 *     by_copy     a transport; or sendfile has refused     through the buffer of copies
 *
 * How far it has come is one number, from which each call begins, so that nothing is ever held in between: what
 * a full socket did not take of the buffer is read again. A file that ends early is seen by a call
 * that brings nothing; there is no mapping, so no SIGBUS.
 *
 * The calls, their share of a step, and what they tell the stream are those of all writes.
 */
#include <stdio.h>

#include "loop/look.h"
#include "net/stream_internal.h"

struct sending {
    eddy_stream *stream;
    int64_t offset; /* of the file: where it began */
    int64_t count;  /* how many bytes are wanted; EDDY_TO_THE_END */
    int64_t sent;
    int fd;
    bool by_copy;
    unsigned pool_class;
};

/* Reads a piece and writes it: what the stream took; 0: the file ends there. */
static int64_t copy_some(struct sending *sending, size_t size)
{
    eddy_loop *loop = sending->stream->io.loop;
    const struct eddy_sys *sys = loop->sys;
    size_t room;
    char *buffer = eddy_copy_buffer(loop, &room);
    int64_t count;

    if (buffer == NULL) {
        return -ENOMEM;
    }
    count = sys->pread(sys, sending->fd, buffer, size < room ? size : room,
                       sending->offset + sending->sent);
    if (count == -EAGAIN) {
        return -EINVAL; /* nobody would tell of more: it is no file */
    }
    return count > 0 ? eddy_stream_write_some(sending->stream, buffer, (size_t)count) : count;
}

/* The kernel has no sendfile for this file, or none at all. */
static bool is_refusal(int64_t error)
{
    return error == -EINVAL || error == -ENOSYS || error == -EOPNOTSUPP || error == -EOVERFLOW;
}

static int64_t send_some(struct sending *sending, size_t size)
{
    int64_t count;

    if (!sending->by_copy) {
        count = eddy_stream_send_some(sending->stream, sending->fd, sending->offset + sending->sent,
                                      size);
        if (!is_refusal(count)) {
            return count;
        }
        sending->by_copy = true;
    }
    return copy_some(sending, size);
}

/* What the operation has come to: its result, or EDDY_PENDING while there is more. */
static int64_t outcome(const struct sending *sending, int64_t count)
{
    if (count == 0) {
        return sending->count == EDDY_TO_THE_END ? sending->sent : -ENODATA;
    }
    if (count == -EAGAIN || count == -EINTR) {
        return EDDY_PENDING;
    }
    if (count < 0) {
        return count;
    }
    return sending->sent == sending->count ? sending->sent : EDDY_PENDING;
}

static void note(struct sending *sending, int64_t count)
{
    sending->sent += count;
    sending->stream->written =
        (uint64_t)sending->sent < SIZE_MAX ? (size_t)sending->sent : SIZE_MAX;
}

/* Sends a step's share: the result, or EDDY_PENDING; then the stream is still writable if it has only had
 * that. */
static int64_t send_share(struct sending *sending)
{
    struct eddy_write_share share = EDDY_WHOLE_WRITE_SHARE;
    int64_t result = EDDY_PENDING;

    while (result == EDDY_PENDING && (sending->stream->state & EDDY_WRITE) != 0) {
        int64_t left = sending->count - sending->sent;
        size_t most = left < EDDY_BYTES_A_STEP ? (size_t)left : EDDY_BYTES_A_STEP;
        size_t size = eddy_write_share_of(&share, most);
        int64_t count;
        if (size == 0) {
            break;
        }
        count = send_some(sending, size);
        eddy_write_share_use(&share, count);
        if (count > 0) {
            note(sending, count);
        }
        result = outcome(sending, count);
    }
    return result;
}

/* ---- waiting */

static void give_back(struct sending *sending)
{
    eddy_pool_give(&sending->stream->io.loop->pool, sending, sending->pool_class);
}

static int abort_sending(struct eddy_task_record *task)
{
    struct sending *sending = task->in.object;

    eddy_stream_write_over(sending->stream);
    give_back(sending);
    return 1;
}

static int64_t resume_sending(struct eddy_task_record *task)
{
    struct sending *sending = task->in.object;
    int64_t result = send_share(sending);

    if (result != EDDY_PENDING) {
        eddy_stream_write_over(sending->stream);
        give_back(sending);
    } else if ((sending->stream->state & EDDY_WRITE) != 0) { /* it has had its share */
        return eddy_resume_later(task);
    }
    return result;
}

/* "fd 7 (127.0.0.1:80), 5 of 9 bytes of fd 8 sent" */
static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const struct sending *sending = task->in.object;
    char name[EDDY_FD_TEXT];
    char count[32] = "all";

    if (sending->count != EDDY_TO_THE_END) {
        snprintf(count, sizeof count, "%lld", (long long)sending->count);
    }
    eddy_stream_name(sending->stream, name, sizeof name);
    snprintf(text, size, "%s, %lld of %s bytes of fd %d sent", name, (long long)sending->sent,
             count, sending->fd);
}

static const struct eddy_wait_kind send_kind = {
    .name = "send_file",
    .abort = abort_sending,
    .resume = resume_sending,
    .describe = describe,
};

/* There is more to send. */
static int64_t park(eddy_coro *co, const struct sending *begun)
{
    unsigned pool_class;
    struct sending *sending =
        eddy_pool_take(&begun->stream->io.loop->pool, sizeof *sending, &pool_class);
    int64_t pending;

    if (sending == NULL) {
        return eddy_complete(co, -ENOMEM);
    }
    *sending = *begun;
    sending->pool_class = pool_class;
    eddy_stream_write_begins(sending->stream, co->task);
    pending = eddy_park(co, &send_kind, sending, NULL);
    if ((sending->stream->state & EDDY_WRITE) != 0) { /* it has had its share */
        eddy_wake_to_try(co->task);
    }
    return pending;
}

int64_t eddy_send_file(eddy_coro *co, eddy_stream *stream, int fd, int64_t offset, int64_t count)
{
    struct sending sending = {.stream = stream, .offset = offset, .count = count, .fd = fd};
    int64_t result = eddy_stream_may_begin(co, stream, EDDY_STREAM_BUSY_WRITING);

    if (result < 0) {
        return eddy_stream_refuse_write(stream, result);
    }
    stream->written = 0;
    if (offset < 0 || count < 0 || (count != EDDY_TO_THE_END && count > INT64_MAX - 1 - offset)) {
        return eddy_complete(co, -EINVAL);
    }
    if (count == 0) {
        return eddy_complete(co, 0);
    }
    sending.by_copy = (stream->state & EDDY_STREAM_TRANSPORT) != 0;
    result = send_share(&sending);
    return result != EDDY_PENDING ? eddy_complete(co, result) : park(co, &sending);
}
