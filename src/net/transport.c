/*
 * Streams on transports: opening, calling, telling and closing them.
 *
 * A stream that has a transport is not EDDY_STREAM_DIRECT, so all its calls come here by stream_calls.c,
 * and every event is an odd one: a socket pays nothing for there being transports. The transport takes the
 * place of the opening in the stream's watcher (io.user), and the upper transport that of the reader in
 * the stream below, so a stream is no larger for them either.
 *
 *     EDDY_STREAM_TRANSPORT   io.user is the transport
 *     EDDY_STREAM_UNDER       `reader` is the transport of the stream above; tasks are refused
 *     EDDY_STREAM_INSIDE      waiting tasks are no reason for the loop to go on
 *
 * What is told while a function of a transport runs is kept until that function has returned and its
 * result is in the stream's state: a transport is never entered twice, and an -EAGAIN never overwrites
 * news that came during the call. Being told wakes tasks and moves no bytes, so that two transports which
 * write to each other do not recur.
 *
 * A stream without an fd is in no table of the loop's, so each transport follows the loop's end.
 */
#include "eddy/transport.h"

#include <stdio.h>

#include "loop/look.h"
#include "net/stream_internal.h"

/* ---- telling */

/* What events of the fd or of the stream below mean. */
static unsigned meaning_of(eddy_transport *transport, unsigned events)
{
    unsigned meaning = events;

    if (transport->kind->events != NULL) {
        transport->running++;
        meaning = transport->kind->events(transport, events);
        transport->running--;
    } else if (transport->stream->io.fd < 0) {
        meaning |= EDDY_READ | EDDY_WRITE;
    }
    return meaning;
}

/* Tells the stream all that has come, unless a function of the transport runs, which does it later. */
static void settle(eddy_transport *transport)
{
    while (transport->running == 0 && transport->stream != NULL &&
           (transport->pending | transport->told) != 0) {
        unsigned events = transport->pending;
        unsigned told = transport->told;
        transport->pending = 0;
        transport->told = 0;
        if (events != 0) {
            told |= meaning_of(transport, events);
        }
        if (told != 0) {
            eddy_stream_tell(transport->stream, told);
        }
    }
}

void eddy_transport_events(eddy_transport *transport, unsigned events)
{
    transport->pending |= events;
    settle(transport);
}

void eddy_transport_ready(eddy_transport *transport, unsigned events)
{
    if (transport->stream != NULL) {
        eddy_loop_here(transport->loop, __func__);
        transport->told |= events & (unsigned)(EDDY_READ | EDDY_WRITE | EDDY_HANGUP);
        settle(transport);
    }
}

/* ---- calling */

int64_t eddy_transport_read(eddy_stream *stream, void *buffer, size_t size)
{
    eddy_transport *transport = eddy_transport_of(stream);
    int64_t count;

    transport->running++;
    count = transport->kind->read(transport, buffer, size);
    transport->running--;
    return count;
}

int64_t eddy_transport_write(eddy_stream *stream, const void *data, size_t size)
{
    eddy_transport *transport = eddy_transport_of(stream);
    int64_t count;

    transport->running++;
    count = transport->kind->write(transport, data, size);
    transport->running--;
    return count;
}

int64_t eddy_transport_writev(eddy_stream *stream, struct iovec *pieces, int count)
{
    eddy_transport *transport = eddy_transport_of(stream);
    int64_t written;

    if (transport->kind->writev == NULL) { /* no piece is empty */
        return eddy_transport_write(stream, pieces->iov_base, pieces->iov_len);
    }
    transport->running++;
    written = transport->kind->writev(transport, pieces, count);
    transport->running--;
    return written;
}

void eddy_transport_settle(eddy_stream *stream)
{
    settle(eddy_transport_of(stream));
}

int eddy_transport_shutdown(eddy_stream *stream)
{
    eddy_transport *transport = eddy_transport_of(stream);
    int result = -EOPNOTSUPP;

    if (transport->kind->shutdown_write != NULL) {
        transport->running++;
        result = transport->kind->shutdown_write(transport);
        transport->running--;
    }
    if (result == -EAGAIN) {
        stream->state &= ~(uint32_t)EDDY_WRITE;
    }
    if (result == EDDY_TRANSPORT_ENDED) {
        stream->closed_with = -EPIPE;
        eddy_stream_close_with(stream, -EPIPE);
        return 0;
    }
    settle(transport);
    return result;
}

int eddy_transport_unsent(eddy_stream *stream)
{
    eddy_transport *transport = eddy_transport_of(stream);
    int unsent = 0;

    if (transport->kind->unsent != NULL) {
        transport->running++;
        unsent = transport->kind->unsent(transport);
        transport->running--;
        settle(transport);
    }
    return unsent < 0 ? 0 : unsent;
}

void eddy_transport_describe(const eddy_stream *stream, char *text, size_t size)
{
    const eddy_transport *transport = eddy_transport_of(stream);
    char below[EDDY_FD_TEXT] = "nothing any more";

    if (transport->kind->describe != NULL) {
        transport->kind->describe(transport, text, size);
    } else if (stream->io.fd >= 0) {
        eddy_look_describe_fd(transport->loop, stream->io.fd, below, sizeof below);
        snprintf(text, size, "%s on %s", transport->kind->name, below);
    } else if (transport->below != NULL || transport->below_result != 0) {
        if (transport->below != NULL) {
            eddy_stream_name(transport->below, below, sizeof below);
        }
        snprintf(text, size, "%s over %s", transport->kind->name, below);
    } else {
        snprintf(text, size, "%s", transport->kind->name);
    }
}

/* ---- what is below */

int64_t eddy_below_read(eddy_transport *transport, void *buffer, size_t size)
{
    if (transport->below == NULL) {
        return transport->below_result;
    }
    return (transport->below->state & EDDY_READ) == 0
               ? -EAGAIN
               : eddy_stream_read_some(transport->below, buffer, size);
}

int64_t eddy_below_write(eddy_transport *transport, const void *data, size_t size)
{
    if (transport->below == NULL) {
        return transport->below_result;
    }
    if (size == 0) {
        return 0;
    }
    return (transport->below->state & EDDY_WRITE) == 0
               ? -EAGAIN
               : eddy_stream_write_some(transport->below, data, size);
}

void eddy_transport_below_gone(eddy_stream *below)
{
    eddy_transport *transport = eddy_transport_above(below);

    below->state &= ~(uint32_t)EDDY_STREAM_UNDER;
    transport->below = NULL;
    transport->below_result = eddy_stream_not_open(below);
    eddy_transport_events(transport, EDDY_READ | EDDY_WRITE | EDDY_HANGUP);
}

/* ---- closing */

/* The stream is closed already, or gives its transport up. */
static void let_go(eddy_transport *transport)
{
    if (transport->below != NULL) {
        transport->below->state &= ~(uint32_t)EDDY_STREAM_UNDER;
    }
    eddy_loop_end_leave(&transport->end);
    transport->stream = NULL;
}

void eddy_transport_close(eddy_stream *stream)
{
    eddy_transport *transport = eddy_transport_of(stream);
    int fd = stream->io.fd;

    if (!eddy_stream_disown(stream)) {
        fd = -1;
    }
    transport->kind->close(transport, fd); /* it may be gone afterwards */
}

void eddy_transport_disowned(eddy_stream *stream)
{
    let_go(eddy_transport_of(stream));
}

/* Tasks that waited were cut off: there is nobody to wake. */
static void told_of_end(struct eddy_loop_end *end, eddy_loop *loop)
{
    eddy_transport *transport =
        (eddy_transport *)(void *)((char *)end - offsetof(eddy_transport, end));

    (void)loop;
    transport->stream->state &= EDDY_STREAM_OPEN | EDDY_STREAM_TRANSPORT | EDDY_STREAM_UNDER;
    eddy_transport_close(transport->stream);
}

eddy_stream *eddy_transport_stream_of_end(const struct eddy_loop_end *end)
{
    const eddy_transport *transport =
        (const eddy_transport *)(const void *)((const char *)end - offsetof(eddy_transport, end));

    return end->told == told_of_end ? transport->stream : NULL;
}

static void describe_end(const struct eddy_loop_end *end, char *text, size_t size)
{
    eddy_stream_name(eddy_transport_stream_of_end(end), text, size);
}

/* ---- opening */

static int check(const eddy_stream *stream, const eddy_transport *transport)
{
    return eddy_stream_is_open(stream) || transport->kind == NULL || transport->stream != NULL
               ? -EINVAL
               : 0;
}

/* Of an fd that epoll knows the registration tells; anything else is tried at once. */
static uint32_t first_state(const eddy_transport *transport, bool is_told)
{
    bool inside = transport->below != NULL ? (transport->below->state & EDDY_STREAM_INSIDE) != 0
                                           : transport->kind->inside;

    return EDDY_STREAM_OPEN | EDDY_STREAM_TRANSPORT | EDDY_WRITE | EDDY_STREAM_ANSWERED |
           (is_told ? 0u : (unsigned)EDDY_READ) | (inside ? (uint32_t)EDDY_STREAM_INSIDE : 0u);
}

static int open_on(eddy_loop *loop, eddy_stream *stream, eddy_transport *transport, int fd,
                   const char *place)
{
    int result = fd >= 0 ? eddy_stream_watch(loop, stream, fd) : 0;

    if (result < 0) {
        return result;
    }
    if (fd < 0) {
        eddy_stream_without_fd(loop, stream);
    }
    if (loop->current != NULL && eddy_guard_add(loop->current, &stream->io.ready.link) < 0) {
        (void)eddy_stream_disown(stream);
        return -ENOMEM;
    }
    transport->stream = stream;
    transport->loop = loop;
    transport->opening = ++loop->openings;
    transport->pending = 0;
    transport->told = 0;
    transport->below_result = 0;
    stream->io.user = transport;
    stream->state = first_state(transport, stream->io.registered == EDDY_IO_IN_EPOLL);
    eddy_loop_end_follow(loop, &transport->end, told_of_end);
    transport->end.describe = fd < 0 ? describe_end : NULL;
    eddy_look_note_place(loop, fd < 0 ? (const void *)&transport->end : &stream->io, place);
    return 0;
}

int eddy_stream_open_transport_(eddy_loop *loop, eddy_stream *stream, eddy_transport *transport,
                                int fd, const char *place)
{
    int result = check(stream, transport);

    eddy_loop_here(loop, "eddy_stream_open_transport");
    if (result == 0 && fd >= 0) {
        result = eddy_io_make_way(loop, fd, false);
    }
    if (result == 0) {
        transport->below = NULL;
        result = open_on(loop, stream, transport, fd < 0 ? -1 : fd, place);
    }
    return result;
}

int(eddy_stream_open_transport)(eddy_loop *loop, eddy_stream *stream, eddy_transport *transport,
                                int fd)
{
    return eddy_stream_open_transport_(loop, stream, transport, fd, NULL);
}

int eddy_stream_open_over_(eddy_stream *below, eddy_stream *stream, eddy_transport *transport,
                           const char *place)
{
    int result = check(stream, transport);

    if (result < 0 || below == stream) {
        return -EINVAL;
    }
    if (!eddy_stream_is_open(below)) {
        return eddy_stream_not_open(below);
    }
    eddy_loop_here(below->io.loop, "eddy_stream_open_over");
    if ((below->state & (EDDY_STREAM_BUSY_READING | EDDY_STREAM_BUSY_WRITING)) != 0) {
        return -EBUSY;
    }
    transport->below = below;
    result = open_on(below->io.loop, stream, transport, -1, place);
    if (result < 0) {
        transport->below = NULL;
        return result;
    }
    below->state |= EDDY_STREAM_UNDER;
    below->reader = (struct eddy_task_record *)(void *)transport;
    return 0;
}

int(eddy_stream_open_over)(eddy_stream *below, eddy_stream *stream, eddy_transport *transport)
{
    return eddy_stream_open_over_(below, stream, transport, NULL);
}

eddy_transport *eddy_stream_transport(eddy_stream *stream)
{
    return (stream->state & EDDY_STREAM_TRANSPORT) != 0 ? eddy_transport_of(stream) : NULL;
}
