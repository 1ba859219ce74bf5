/*
 * The system calls of streams, where something else happens than that bytes move: a call that was
 * interrupted, would block, has failed or has met the end; a table of system calls that is not libc's; a
 * transport; an idle time-out that is to be put off. Also why no call is made.
 *
 * The inline halves, eddy_stream_read_some and eddy_stream_write_some, call libc and deal with bytes. Who
 * tests with a table of his own, has set an idle time-out or a transport, is not EDDY_STREAM_DIRECT, and
 * every call goes through here. Both halves leave the same state behind.
 */
#include "net/stream_internal.h"

int64_t eddy_stream_refusal(const eddy_stream *stream, uint32_t busy)
{
    if (!eddy_stream_is_open(stream)) {
        return eddy_stream_not_open(stream);
    }
    return (stream->state & busy) != 0 ? -EBUSY : -EAGAIN;
}

static int64_t call_read(eddy_stream *stream, void *buffer, size_t size)
{
    const struct eddy_sys *sys = stream->io.loop->sys;

    return (stream->state & EDDY_STREAM_TRANSPORT) != 0
               ? eddy_transport_read(stream, buffer, size)
               : sys->read(sys, stream->io.fd, buffer, size);
}

static int64_t call_write(eddy_stream *stream, const void *data, size_t size)
{
    const struct eddy_sys *sys = stream->io.loop->sys;

    return (stream->state & EDDY_STREAM_TRANSPORT) != 0 ? eddy_transport_write(stream, data, size)
                                                        : sys->send(sys, stream->io.fd, data, size);
}

/* The result of a call is in the stream's state. */
static inline int64_t settled(eddy_stream *stream, int64_t count)
{
    if ((stream->state & EDDY_STREAM_TRANSPORT) != 0) {
        eddy_transport_settle(stream);
    }
    return count;
}

int64_t eddy_stream_has_read(eddy_stream *stream, size_t size, int64_t count)
{
    if (count == -EAGAIN ||
        (count > 0 && (size_t)count < size && (stream->state & EDDY_STREAM_DRAINS) != 0)) {
        stream->state &= ~(uint32_t)EDDY_READ;
    }
    if (count > 0) {
        stream->state &= ~(uint32_t)EDDY_STREAM_ANSWERED;
        eddy_stream_moved(stream);
    } else if (count != -EAGAIN && size > 0) {
        stream->state |= EDDY_STREAM_ENDED;
    }
    eddy_stream_count(stream, count);
    return count;
}

static int64_t after_read(eddy_stream *stream, void *buffer, size_t size, int64_t count)
{
    while (count == -EINTR) {
        stream->io.loop->counts.reads++;
        count = call_read(stream, buffer, size);
    }
    return eddy_stream_has_read(stream, size, count);
}

int64_t eddy_stream_read_odd(eddy_stream *stream, void *buffer, size_t size, int64_t count)
{
    return after_read(stream, buffer, size, count < 0 ? -errno : count);
}

int64_t eddy_stream_read_by_table(eddy_stream *stream, void *buffer, size_t size)
{
    return settled(stream, after_read(stream, buffer, size, call_read(stream, buffer, size)));
}

int64_t eddy_stream_has_written(eddy_stream *stream, int64_t count)
{
    if (count == -EAGAIN) {
        eddy_stream_is_full(stream);
    } else if (count > 0) {
        stream->state |= EDDY_STREAM_ANSWERED;
        eddy_stream_moved(stream);
    }
    eddy_stream_count(stream, count);
    return count;
}

static int64_t after_write(eddy_stream *stream, const void *data, size_t size, int64_t count)
{
    while (count == -EINTR) {
        stream->io.loop->counts.writes++;
        count = call_write(stream, data, size);
    }
    return eddy_stream_has_written(stream, count);
}

int64_t eddy_stream_write_odd(eddy_stream *stream, const void *data, size_t size, int64_t count)
{
    return after_write(stream, data, size, count < 0 ? -errno : count);
}

int64_t eddy_stream_write_by_table(eddy_stream *stream, const void *data, size_t size)
{
    return settled(stream, after_write(stream, data, size, call_write(stream, data, size)));
}

int64_t eddy_stream_write_pieces(eddy_stream *stream, struct iovec *pieces, int count)
{
    const struct eddy_sys *sys = stream->io.loop->sys;

    stream->io.loop->counts.writes++;
    if ((stream->state & EDDY_STREAM_TRANSPORT) == 0) {
        return eddy_stream_has_written(stream, sys->sendv(sys, stream->io.fd, pieces, count));
    }
    return settled(stream,
                   eddy_stream_has_written(stream, eddy_transport_writev(stream, pieces, count)));
}

int64_t eddy_stream_send_some(eddy_stream *stream, int file, int64_t offset, size_t size)
{
    const struct eddy_sys *sys = stream->io.loop->sys;

    stream->io.loop->counts.writes++;
    return eddy_stream_has_written(stream, sys->sendfile(sys, stream->io.fd, file, offset, size));
}

int eddy_stream_unsent(eddy_stream *stream)
{
    return (stream->state & EDDY_STREAM_TRANSPORT) != 0
               ? eddy_transport_unsent(stream)
               : eddy_socket_unsent(stream->io.loop, stream->io.fd);
}

/* ---- what never waits */

int64_t eddy_try_read(eddy_stream *stream, void *buffer, size_t size)
{
    if (eddy_stream_is_open(stream)) {
        eddy_loop_here(stream->io.loop, __func__);
    }
    if ((stream->state & (EDDY_STREAM_BUSY_READING | EDDY_READ)) != EDDY_READ) {
        return eddy_stream_refusal(stream, EDDY_STREAM_BUSY_READING);
    }
    return eddy_stream_read_some(stream, buffer, size);
}

int64_t eddy_try_write(eddy_stream *stream, const void *data, size_t size)
{
    if (eddy_stream_is_open(stream)) {
        eddy_loop_here(stream->io.loop, __func__);
    }
    if ((stream->state & (EDDY_STREAM_BUSY_WRITING | EDDY_WRITE)) != EDDY_WRITE) {
        return eddy_stream_refusal(stream, EDDY_STREAM_BUSY_WRITING);
    }
    return eddy_stream_write_some(stream, data, size);
}
