/* Connecting to a name. Apart from connect.c, so that who connects by address alone is linked
 * neither with the resolver nor with threads. */
#include "eddy/stream.h"
#include "net/resolve_internal.h"
#include "task/task_internal.h"

eddy_frame(connect_to_name) {
    eddy_coro co;
    eddy_stream *stream;
    const char *place;
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
        eddy_catch(self->rc,
                   eddy_connect_to_(co, self->stream, &self->addresses[self->i], self->place));
        if (self->rc == 0 || self->rc == -ECANCELED || self->rc == -EBADF) {
            eddy_return(self->rc); /* -EBADF: another has closed the stream meanwhile */
        }
        self->first_error = self->first_error < 0 ? self->first_error : self->rc;
    }
    eddy_return(self->first_error);
    eddy_end;
}

int64_t eddy_connect_(eddy_coro *co, eddy_stream *stream, const char *host, int port,
                      const char *place)
{
    struct eddy_address address;
    struct eddy_name name;
    int64_t result;

    if (eddy_address_parse(&address, host, port) == 0) {
        return eddy_connect_to_(co, stream, &address, place);
    }
    result = eddy_check(co);
    if (result < 0) {
        return result;
    }
    if (eddy_stream_is_open(stream) || port < 1 || port > 65535) {
        return -EINVAL;
    }
    result = eddy_name_copy(&name, host);
    return result < 0 ? result
                      : eddy_call(co, connect_to_name, .stream = stream, .place = place,
                                  .port = port, .name = name);
}

int64_t(eddy_connect)(eddy_coro *co, eddy_stream *stream, const char *host, int port)
{
    return eddy_connect_(co, stream, host, port, NULL);
}
