/*
 * Writing several pieces at once: eddy_writev of stream.h.
 *
 * As eddy_write with a list of pieces in the place of one. The list is the caller's and stays as it is: how
 * far the write has come is one number (`written`), from which each call works out its pieces anew, so
 * that a write that was cut short anywhere, in the middle of a piece too, goes on there. A piece that lies on
 * the C stack is found out before the task parks, as its list is.
 */
#include <limits.h>

#include "net/stream_internal.h"

/* IOV_MAX; what is handed to the kernel in one call */
enum { MOST_PIECES = 1024, PIECES_AT_ONCE = 64 };

/* The next pieces of `more` (> 0) bytes when `done` are written; so many there are. */
static size_t pieces_left(const struct iovec *pieces, size_t done, size_t more, struct iovec *left)
{
    size_t n = 0;

    for (size_t i = 0; more > 0 && n < PIECES_AT_ONCE; i++) {
        if (done >= pieces[i].iov_len) {
            done -= pieces[i].iov_len;
            continue;
        }
        left[n].iov_base = (char *)pieces[i].iov_base + done;
        left[n].iov_len = pieces[i].iov_len - done < more ? pieces[i].iov_len - done : more;
        more -= left[n].iov_len;
        done = 0;
        n++;
    }
    return n;
}

/* Writes pieces until all are with the kernel (the total), it would block or the step has had its
 * share (EDDY_PENDING), or it fails. */
static int64_t write_pieces(eddy_stream *stream, const struct iovec *pieces)
{
    struct eddy_write_share share = EDDY_WHOLE_WRITE_SHARE;
    struct iovec left[PIECES_AT_ONCE];

    while (stream->write_left > 0) {
        size_t size = eddy_write_share_of(&share, stream->write_left);
        int64_t wrote;
        if (size == 0) {
            return EDDY_PENDING;
        }
        wrote = eddy_stream_write_pieces(stream, left,
                                         (int)pieces_left(pieces, stream->written, size, left));
        eddy_write_share_use(&share, wrote);
        if (wrote == -EAGAIN) {
            return EDDY_PENDING;
        }
        if (wrote < 0 && wrote != -EINTR) {
            return wrote;
        }
        if (wrote > 0) {
            stream->written += (size_t)wrote;
            stream->write_left -= (size_t)wrote;
        }
    }
    return (int64_t)stream->written;
}

static int64_t resume_writev(struct eddy_task_record *task)
{
    return eddy_stream_resumed_write(task, write_pieces(task->in.object, task->with.value));
}

static const struct eddy_wait_kind writev_kind = {
    .name = "writev",
    .abort = eddy_stream_abort_write,
    .resume = resume_writev,
    .describe = eddy_stream_describe_write,
};

int64_t eddy_writev(eddy_coro *co, eddy_stream *stream, const struct iovec *pieces, int count)
{
    int64_t result = eddy_stream_may_begin(co, stream, EDDY_STREAM_BUSY_WRITING);

    if (result < 0) {
        return eddy_stream_refuse_write(stream, result);
    }
    stream->written = 0;
    stream->write_left = 0;
    if (count < 0 || count > MOST_PIECES) {
        return eddy_complete(co, -EINVAL);
    }
    for (int i = 0; i < count; i++) {
        if (pieces[i].iov_len > SSIZE_MAX - stream->write_left) {
            return eddy_complete(co, -EINVAL);
        }
        stream->write_left += pieces[i].iov_len;
    }
    if ((stream->state & EDDY_WRITE) != 0 || stream->write_left == 0) {
        result = write_pieces(stream, pieces);
        if (result != EDDY_PENDING) {
            return eddy_complete(co, result);
        }
    }
    for (int i = 0; i < count; i++) {
        eddy_check_pointer(co, pieces[i].iov_base);
    }
    return eddy_stream_park_writer(co, stream, &writev_kind, pieces);
}
