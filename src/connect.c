#include "eddy/connect.h"

#include "address.h"
#include "resolve_internal.h"
#include "stream_internal.h"

/* While it connects, a task is the stream's writer: a socket that has connected, or failed to,
 * becomes writable. */

static int abort_connect(struct eddy_task_record *task)
{
    eddy_stream_write_over(task->in.object);
    eddy_stream_close(task->in.object);
    return 1;
}

/* How the attempt went; SO_ERROR of a socket that still tries is 0, so it is asked only when
 * writable. */
static int64_t resume_connect(struct eddy_task_record *task)
{
    eddy_stream *stream = task->in.object;
    const struct eddy_sys *sys = stream->io.loop->sys;
    int error = 0;
    socklen_t size = sizeof error;
    int result = sys->getsockopt(sys, stream->io.fd, SOL_SOCKET, SO_ERROR, &error, &size);

    eddy_stream_write_over(stream);
    if (result == 0) {
        result = -error;
    }
    if (result < 0) {
        eddy_stream_close(stream);
    }
    return result;
}

static const struct eddy_wait connect_kind = {
    .name = "connect",
    .abort = abort_connect,
    .resume = resume_connect,
    .describe = eddy_stream_describe,
};

/* A socket that has connected, or has begun to (*connecting), or an error. It is registered only
 * afterwards: epoll would report one that was never connected as hung up. */
static int begin_connect(eddy_loop *loop, const struct eddy_address *address, bool *connecting)
{
    const struct eddy_sys *sys = loop->sys;
    int fd = eddy_socket_new(loop, address->storage.ss_family);
    int result;

    if (fd < 0) {
        return fd;
    }
    eddy_socket_no_delay(loop, fd);
    result = sys->connect(sys, fd, (const struct sockaddr *)&address->storage, address->size);
    /* interrupted, it goes on by itself */
    *connecting = result == -EINPROGRESS || result == -EINTR;
    if (result < 0 && !*connecting) {
        (void)sys->close(sys, fd);
        return result;
    }
    return fd;
}

static int open_stream(eddy_coro *co, eddy_stream *stream, int fd)
{
    eddy_loop *loop = eddy_task_loop(co->task);
    int result = eddy_stream_adopt(loop, stream, fd, true);

    if (result < 0) {
        (void)loop->sys->close(loop->sys, fd);
        return result;
    }
    result = eddy_guard_add(co->task, &stream->io.ready.link);
    if (result < 0) {
        eddy_stream_close(stream);
    }
    return result;
}

static int64_t connect_to_address(eddy_coro *co, eddy_stream *stream,
                                  const struct eddy_address *address)
{
    bool connecting = false;
    int64_t result = eddy_check(co);
    int fd;

    if (result < 0) {
        return result;
    }
    if (eddy_stream_is_open(stream)) {
        return -EINVAL;
    }
    fd = begin_connect(eddy_task_loop(co->task), address, &connecting);
    result = fd < 0 ? fd : open_stream(co, stream, fd);
    if (result < 0) {
        return result;
    }
    if (!connecting) {
        return eddy_done(co, 0);
    }
    stream->state &= ~(uint32_t)EDDY_WRITE;
    eddy_stream_write_begins(stream, co->task);
    return eddy_park(co, &connect_kind, stream, NULL);
}

eddy_frame(connect_to_name) {
    eddy_coro co;
    eddy_stream *stream;
    int port;
    struct eddy_name name;
    int i, count;
    int64_t rc;
    int64_t first_error;
    struct eddy_address addresses[MOST_ADDRESSES];
};

static void connect_to_name(eddy_coro *co)
{
    eddy_begin(connect_to_name);
    eddy_await(self->count, eddy_resolve(co, self->name.text, self->port, AF_UNSPEC,
                                         self->addresses, MOST_ADDRESSES));
    for (self->i = 0; self->i < self->count; self->i++) {
        eddy_catch(self->rc, connect_to_address(co, self->stream, &self->addresses[self->i]));
        if (self->rc == 0 || self->rc == -ECANCELED || self->rc == -EBADF) {
            eddy_return(self->rc); /* -EBADF: another has closed the stream meanwhile */
        }
        self->first_error = self->first_error < 0 ? self->first_error : self->rc;
    }
    eddy_return(self->first_error);
    eddy_end;
}

int64_t eddy_connect(eddy_coro *co, eddy_stream *stream, const char *host, int port)
{
    struct eddy_address address;
    struct eddy_name name;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (eddy_stream_is_open(stream) || port < 1 || port > 65535) {
        return -EINVAL;
    }
    if (eddy_address_parse(&address, host, port) == 0) {
        return connect_to_address(co, stream, &address);
    }
    result = eddy_name_copy(&name, host);
    return result < 0
               ? result
               : eddy_call(co, connect_to_name, .stream = stream, .port = port, .name = name);
}
