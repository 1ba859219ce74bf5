/*
 * Streams on sockets of the caller's: what they must be, and what a short read says about them.
 *
 * The kernel tells of each new edge, so a read that has emptied the socket need not be followed by one
 * that finds nothing. Only of TCP, and with nothing above it in the kernel, is a short read known to have
 * emptied it; everything else is read until -EAGAIN. The fd is looked at before it is touched: a refused one
 * is as it was.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "loop/look.h"
#include "net/stream_internal.h"

static int ask(const struct eddy_sys *sys, int fd, int level, int name, int *value)
{
    socklen_t size = sizeof *value;

    *value = 0;
    return sys->getsockopt(sys, fd, level, name, value, &size);
}

/* Something stands between the socket and its reader, such as kTLS, which hands out record by
 * record. */
static bool has_upper_layer(const struct eddy_sys *sys, int fd)
{
    char name[16] = ""; /* as long as they get: TCP_ULP_NAME_MAX */
    socklen_t size = sizeof name;

    return sys->getsockopt(sys, fd, IPPROTO_TCP, TCP_ULP, name, &size) == 0 && size > 0 &&
           name[0] != '\0';
}

/* Whether it is a stream socket that does not listen, and whether a short read empties it. */
static int examine(const struct eddy_sys *sys, int fd, bool *drains)
{
    int type;
    int listens;
    int protocol;
    int result = ask(sys, fd, SOL_SOCKET, SO_TYPE, &type);

    if (result == 0) {
        result =
            type == SOCK_STREAM ? ask(sys, fd, SOL_SOCKET, SO_ACCEPTCONN, &listens) : -EPROTOTYPE;
    }
    if (result == 0) {
        result = listens == 0 ? ask(sys, fd, SOL_SOCKET, SO_PROTOCOL, &protocol) : -EINVAL;
    }
    if (result == 0) {
        *drains = protocol == IPPROTO_TCP && !has_upper_layer(sys, fd);
    }
    return result;
}

int eddy_stream_open_(eddy_loop *loop, eddy_stream *stream, int fd, const char *place)
{
    const struct eddy_sys *sys = loop->sys;
    int flags = sys->fcntl(sys, fd, F_GETFL, 0);
    bool drains = false;
    int result = flags < 0 ? flags : examine(sys, fd, &drains);

    eddy_loop_here(loop, "eddy_stream_open");
    if (result == -ENOTSOCK) {
        return eddy_stream_is_open(stream) ? -EINVAL
                                           : eddy_stream_open_fd(loop, stream, fd, flags, place);
    }
    if (result == 0) {
        result = eddy_stream_is_open(stream) ? -EINVAL : eddy_io_make_way(loop, fd, false);
    }
    if (result == 0) {
        result = eddy_stream_adopt(loop, stream, fd, drains);
    }
    if (result < 0) {
        return result;
    }
    result = sys->fcntl(sys, fd, F_SETFL, flags | O_NONBLOCK);
    if (result == 0 && loop->current != NULL) {
        result = eddy_guard_add(loop->current, &stream->io.ready.link);
    }
    if (result < 0) {
        (void)eddy_stream_disown(stream);
        return result;
    }
    eddy_look_note_place(loop, &stream->io, place);
    return 0;
}

int(eddy_stream_open)(eddy_loop *loop, eddy_stream *stream, int fd)
{
    return eddy_stream_open_(loop, stream, fd, NULL);
}

int eddy_stream_fd(eddy_stream *stream)
{
    if (!eddy_stream_is_open(stream)) {
        return -1;
    }
    eddy_loop_here(stream->io.loop, __func__);
    stream->state &= ~(uint32_t)EDDY_STREAM_DRAINS;
    return stream->io.fd;
}
