/*
 * How streams close: by their user, because nothing moves for too long, or because somebody else has closed
 * the fd.
 *
 * Who waits is woken first, with the reason, and then the fd goes, or the transport. A stream above it is
 * told, and stays open: what it has read before is its user's to take. Giving the fd away
 * (eddy_stream_disown) is the same without the close.
 *
 * An idle time-out is one timer that is set when it begins and otherwise only noted to be late: a byte that
 * moves changes its deadline and not its place in the heap, which is put right when it comes up.
 */
#include "net/stream_internal.h"

static void end_wait(struct eddy_task_record *task, int64_t result)
{
    (void)task->wait->abort(task);
    eddy_wake(task, result);
}

void eddy_stream_close_with(eddy_stream *stream, int64_t result)
{
    const struct eddy_sys *sys = stream->io.loop->sys;

    if ((stream->state & EDDY_STREAM_READING) != 0) {
        end_wait(stream->reader, result);
    }
    if ((stream->state & (EDDY_STREAM_WRITING | EDDY_STREAM_COPIED_TO)) != 0) {
        end_wait(stream->writer, result);
    }
    if ((stream->state & EDDY_STREAM_BUFFERED) != 0) {
        eddy_writer_lost(stream, (int)result);
    }
    if ((stream->state & EDDY_STREAM_TRANSPORT) != 0) {
        eddy_transport_close(stream);
    } else if (eddy_stream_disown(stream)) { /* unless a connect that ends has closed it */
        /* its errors come too late to matter: close(2) */
        (void)sys->close(sys, stream->io.fd);
    }
}

void eddy_stream_close(eddy_stream *stream)
{
    if (eddy_stream_is_open(stream)) {
        eddy_loop_here(stream->io.loop, __func__);
        eddy_stream_close_with(stream, -EBADF);
    }
}

int64_t eddy_stream_leave_(eddy_coro *co, struct eddy_scope *scope)
{
    (void)co;
    eddy_stream_close(scope->object);
    return 0;
}

/* Of a watcher that watches nothing; false: there is no fd. */
static bool forget_io(eddy_io *io)
{
    if (eddy_link_used(&io->ready.link)) {
        eddy_list_remove(&io->ready.link);
    }
    io->loop = NULL;
    return false;
}

bool eddy_stream_disown(eddy_stream *stream)
{
    if (stream->idle != NULL) {
        eddy_timer_stop(&stream->idle->timer);
        stream->idle = NULL;
    }
    if ((stream->state & EDDY_STREAM_UNDER) != 0) {
        eddy_transport_below_gone(stream);
    }
    if ((stream->state & EDDY_STREAM_TRANSPORT) != 0) {
        eddy_transport_disowned(stream);
    }
    stream->state = 0;
    return stream->io.fd < 0 ? forget_io(&stream->io) : eddy_io_release(&stream->io);
}

/* Whether the peer has taken bytes since the last look, or may have, as nobody has looked yet. The
 * kernel tells of room only when a third of its buffer is free. */
static bool peer_takes(eddy_stream *stream, struct eddy_idle *idle)
{
    int before = idle->unsent;

    idle->unsent = eddy_stream_unsent(stream);
    return before < 0 ? idle->unsent > 0 : idle->unsent < before;
}

/* It was due when its turn came, but a byte may have moved since. */
static void on_idle(eddy_timer *timer)
{
    struct eddy_idle *idle = timer->user;
    eddy_stream *stream = idle->stream;
    int64_t left = timer->deadline - eddy_loop_update(stream->io.loop);
    bool takes = peer_takes(stream, idle);

    if (left <= 0 && takes) {
        left = idle->timeout;
    }
    if (left > 0 && eddy_timer_start_own(stream->io.loop, timer, left, on_idle) == 0) {
        return;
    }
    stream->closed_with = -ETIMEDOUT; /* first: a stream above is told why */
    eddy_stream_close_with(stream, -ETIMEDOUT);
}

int eddy_stream_idle_timeout(eddy_stream *stream, struct eddy_idle *idle, int64_t timeout)
{
    int result;

    if (!eddy_stream_is_open(stream)) {
        return eddy_stream_not_open(stream);
    }
    if (timeout <= 0) {
        return -EINVAL;
    }
    result = eddy_timer_start_own(stream->io.loop, &idle->timer, timeout, on_idle);
    if (result == 0) {
        idle->timer.user = idle;
        idle->stream = stream;
        idle->timeout = timeout;
        idle->unsent = -1;
        if (stream->idle != NULL && stream->idle != idle) {
            eddy_timer_stop(&stream->idle->timer);
        }
        stream->idle = idle;
        stream->state &= ~(uint32_t)EDDY_STREAM_DIRECT; /* every byte that moves is to be noted */
    }
    return result;
}
