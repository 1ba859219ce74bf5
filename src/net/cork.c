/*
 * Corks: TCP_CORK, for who writes in several calls what belongs into the same packets.
 *
 * The one thing that can go wrong is to forget to take it out, so it comes with a block that does. It is a
 * wish: a stream that has no packets has nothing to hold back, and says yes.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "net/stream_internal.h"

/* The stream that has the socket, or NULL: there is none. */
static const eddy_stream *lowest(const eddy_stream *stream)
{
    while (stream != NULL && (stream->state & EDDY_STREAM_TRANSPORT) != 0) {
        stream = eddy_transport_of(stream)->below;
    }
    return stream;
}

int eddy_stream_cork(eddy_stream *stream, bool corked)
{
    const int value = corked;
    const eddy_stream *socket;
    const struct eddy_sys *sys;

    if (!eddy_stream_is_open(stream)) {
        return eddy_stream_not_open(stream);
    }
    eddy_loop_here(stream->io.loop, __func__);
    sys = stream->io.loop->sys;
    socket = lowest(stream);
    if (socket != NULL) { /* what is no TCP refuses it */
        (void)sys->setsockopt(sys, socket->io.fd, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
    }
    return 0;
}

int64_t eddy_cork_leave_(eddy_coro *co, struct eddy_scope *scope)
{
    (void)co;
    (void)eddy_stream_cork(scope->object, false); /* it may be closed by now */
    return 0;
}
