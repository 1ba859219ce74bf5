#include "eddy/stream.h"

#include <netinet/in.h>
#include <string.h>

#include "eddy/deadline.h"
#include "loop/look.h"
#include "net/address.h"
#include "net/stream_internal.h"

static const int64_t FIRST_RETRY = EDDY_MILLISECOND;
static const int64_t LAST_RETRY = 64 * EDDY_MILLISECOND;

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

static const struct eddy_wait_kind connect_kind = {
    .name = "connect",
    .abort = abort_connect,
    .resume = resume_connect,
    .describe = eddy_stream_describe,
};

/* Whether an address is "any" one, by which connect(2) means the host itself. */
static bool is_any(const struct eddy_address *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address->storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&address->storage;

    return address->storage.ss_family == AF_INET ? in->sin_addr.s_addr == INADDR_ANY
                                                 : IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
}

static bool is_same(const struct eddy_address *one, const struct eddy_address *other)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&one->storage;
    const struct sockaddr_in *in2 = (const struct sockaddr_in *)(const void *)&other->storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&one->storage;
    const struct sockaddr_in6 *in62 = (const struct sockaddr_in6 *)(const void *)&other->storage;

    return one->storage.ss_family == AF_INET
               ? in->sin_addr.s_addr == in2->sin_addr.s_addr
               : memcmp(&in6->sin6_addr, &in62->sin6_addr, sizeof in6->sin6_addr) == 0;
}

/* Whether the system has picked as the socket's own port the very one that it is to connect to, of
 * this host: then nobody listens there, and TCP connects the socket to itself (simultaneous open). */
static bool is_to_itself(eddy_loop *loop, int fd, const struct eddy_address *address)
{
    const struct eddy_sys *sys = loop->sys;
    struct eddy_address own = {.size = sizeof own.storage};

    if (sys->getsockname(sys, fd, (struct sockaddr *)&own.storage, &own.size) < 0 ||
        eddy_address_port(&own) != eddy_address_port(address)) {
        return false;
    }
    return is_any(address) || is_same(&own, address);
}

/* A socket that has connected, or has begun to (*connecting), or an error. It is registered only
 * afterwards: epoll would report one that was never connected as hung up. */
static int begin_connect(eddy_loop *loop, const struct eddy_address *address, bool *connecting)
{
    const struct eddy_sys *sys = loop->sys;
    bool tcp = eddy_address_is_tcp(address);
    int fd = eddy_socket_new(loop, address);
    int result;

    if (fd < 0) {
        return fd;
    }
    if (tcp) {
        eddy_socket_no_delay(loop, fd);
    }
    result = sys->connect(sys, fd, (const struct sockaddr *)&address->storage, address->size);
    /* interrupted, it goes on by itself; a Unix-domain socket connects at once or not at all */
    *connecting = tcp && (result == -EINPROGRESS || result == -EINTR);
    if (tcp && (result == 0 || *connecting) && is_to_itself(loop, fd, address)) {
        result = -ECONNREFUSED;
        *connecting = false;
    }
    if (result < 0 && !*connecting) {
        (void)sys->close(sys, fd);
        return result;
    }
    return fd;
}

static int open_stream(eddy_coro *co, eddy_stream *stream, int fd, bool tcp)
{
    eddy_loop *loop = eddy_task_loop(co->task);
    int result = eddy_stream_adopt(loop, stream, fd, tcp);

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

static int64_t try_to_connect(eddy_coro *co, eddy_stream *stream,
                              const struct eddy_address *address, const char *place)
{
    bool connecting = false;
    int64_t result = eddy_check(co);
    int fd;

    if (result < 0) {
        return result;
    }
    if (eddy_stream_is_open(stream) || eddy_address_port(address) == 0) {
        return -EINVAL;
    }
    fd = begin_connect(eddy_task_loop(co->task), address, &connecting);
    result = fd < 0 ? fd : open_stream(co, stream, fd, eddy_address_is_tcp(address));
    if (result < 0) {
        return result;
    }
    eddy_look_note_place(stream->io.loop, &stream->io, place);
    if (!connecting) {
        return eddy_complete(co, 0);
    }
    stream->state &= ~(uint32_t)EDDY_WRITE;
    eddy_stream_write_begins(stream, co->task);
    return eddy_park(co, &connect_kind, stream, NULL);
}

/* ---- a Unix-domain server whose backlog is full, of which no event tells when it has room: a
 * socket that is not connected counts as writable, and as hung up */

static bool has_no_room(const struct eddy_address *address, int64_t result)
{
    return (result == -EAGAIN || result == -EINTR) && !eddy_address_is_tcp(address);
}

eddy_frame(connect_when_it_has_room) {
    eddy_coro co;
    eddy_stream *stream;
    struct eddy_address address;
    const char *place;
    int64_t delay;
    int64_t rc;
};

static void connect_when_it_has_room(eddy_coro *co)
{
    eddy_begin(connect_when_it_has_room);
    do {
        eddy_await(eddy_sleep(co, self->delay));
        self->delay = self->delay * 2 < LAST_RETRY ? self->delay * 2 : LAST_RETRY;
        eddy_catch(self->rc, try_to_connect(co, self->stream, &self->address, self->place));
    } while (has_no_room(&self->address, self->rc));
    eddy_return(self->rc);
    eddy_end;
}

int64_t eddy_connect_to_(eddy_coro *co, eddy_stream *stream, const struct eddy_address *address,
                         const char *place)
{
    int64_t result = try_to_connect(co, stream, address, place);

    return has_no_room(address, result)
               ? eddy_call(co, connect_when_it_has_room, .stream = stream, .address = *address,
                           .place = place, .delay = FIRST_RETRY)
               : result;
}

int64_t(eddy_connect_to)(eddy_coro *co, eddy_stream *stream, const struct eddy_address *address)
{
    return eddy_connect_to_(co, stream, address, NULL);
}
