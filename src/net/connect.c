/*
 * Connecting to one address.
 *
 *     the socket             the stream     the task
 *     connects at once       open           has its result
 *     is on its way          open           waits, as the stream's reader and writer in one: a socket
 *                                           that has connected, or failed to, becomes writable
 *     has no room (Unix)     not open       sleeps, and tries anew
 *
 * A cancel and any error close the stream at once. An error says of which address it is, for what is
 * connected to may come from a configuration, and its number alone helps nobody.
 */
#include "eddy/stream.h"

#include "eddy/deadline.h"
#include "loop/look.h"
#include "net/address.h"
#include "net/connect_internal.h"

static const int64_t FIRST_RETRY = EDDY_MILLISECOND;
static const int64_t LAST_RETRY = 64 * EDDY_MILLISECOND;

void eddy_connect_tell(struct eddy_task_record *task, const struct eddy_address *address,
                       int64_t error)
{
    char text[EDDY_ADDRESS_TEXT];

    if (eddy_address_format(address, text, sizeof text)) {
        eddy_error_say(task, error, "%s: %s", text, eddy_strerror(error));
    }
}

/* ---- a socket on its way */

static int abort_connect(struct eddy_task_record *task)
{
    eddy_stream_connect_over(task->in.object);
    eddy_stream_close(task->in.object);
    return 1;
}

/* To whom it was, the kernel knows as long as the socket is open. It wants to be asked for no more bytes
 * than an address of the family has, which the socket's own says. */
static void tell_peer(struct eddy_task_record *task, const eddy_stream *stream, int64_t error)
{
    const struct eddy_sys *sys = stream->io.loop->sys;
    struct eddy_address address = {.size = sizeof address.storage};
    struct sockaddr *raw = (struct sockaddr *)&address.storage;

    if (sys->getsockname(sys, stream->io.fd, raw, &address.size) == 0 &&
        sys->getsockopt(sys, stream->io.fd, SOL_SOCKET, SO_PEERNAME, raw, &address.size) == 0) {
        eddy_connect_tell(task, &address, error);
    }
}

static int64_t resume_connect(struct eddy_task_record *task)
{
    eddy_stream *stream = task->in.object;
    int64_t result;

    if ((stream->state & EDDY_WRITE) == 0) {
        return EDDY_PENDING;
    }
    result = eddy_connect_outcome(stream->io.loop, stream->io.fd);
    eddy_stream_connect_over(stream);
    if (result < 0) {
        tell_peer(task, stream, result);
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

static bool has_no_room(const struct eddy_address *address, int64_t result)
{
    return (result == -EAGAIN || result == -EINTR) && !eddy_address_is_tcp(address);
}

static int64_t connect_now(eddy_coro *co, eddy_stream *stream, const struct eddy_address *address,
                           const struct eddy_connect_options *options, const char *place)
{
    bool connecting;
    int fd = eddy_connect_begin(eddy_task_loop(co->task), address, options, &connecting);
    int result = fd < 0 ? fd : eddy_connect_open(co->task, stream, fd, address, connecting);

    if (result < 0) {
        if (!has_no_room(address, result)) {
            eddy_connect_tell(co->task, address, result);
        }
        return result;
    }
    eddy_look_note_place(stream->io.loop, &stream->io, place);
    if (!connecting) {
        return eddy_complete(co, 0);
    }
    eddy_stream_connect_begins(stream, co->task);
    return eddy_park(co, &connect_kind, stream, NULL);
}

static int64_t try_to_connect(eddy_coro *co, eddy_stream *stream,
                              const struct eddy_address *address,
                              const struct eddy_connect_options *options, const char *place)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (eddy_stream_is_open(stream) || eddy_address_port(address) == 0) {
        return -EINVAL;
    }
    return connect_now(co, stream, address, options, place);
}

/* ---- a Unix-domain server whose backlog is full, of which no event tells when it has room: a
 * socket that is not connected counts as writable, and as hung up */

eddy_frame(connect_when_it_has_room) {
    eddy_coro co;
    eddy_stream *stream;
    struct eddy_address address;
    const struct eddy_connect_options *options;
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
        eddy_catch(self->rc,
                   try_to_connect(co, self->stream, &self->address, self->options, self->place));
    } while (has_no_room(&self->address, self->rc));
    eddy_return(self->rc);
    eddy_end;
}

int64_t eddy_connect_to_(eddy_coro *co, eddy_stream *stream, const struct eddy_address *address,
                         const struct eddy_connect_options *options, const char *place)
{
    int64_t result = try_to_connect(co, stream, address, options, place);

    if (!has_no_room(address, result)) {
        return result;
    }
    eddy_check_pointer(co, options);
    return eddy_call(co, connect_when_it_has_room, .stream = stream, .address = *address,
                     .options = options, .place = place, .delay = FIRST_RETRY);
}

int64_t(eddy_connect_to)(eddy_coro *co, eddy_stream *stream, const struct eddy_address *address)
{
    return eddy_connect_to_(co, stream, address, NULL, NULL);
}
