/* Connecting to a name. Apart from the rest, so that who connects by address alone is linked neither
 * with the resolver nor with threads. The frame holds the addresses until they are tried, and no
 * longer than that: those that race have copies. */
#include "eddy/stream.h"
#include "net/resolve_internal.h"
#include "task/task_internal.h"

eddy_frame(connect_to_name) {
    eddy_coro co;
    eddy_stream *stream;
    const struct eddy_connect_options *options;
    const char *place;
    int port;
    struct eddy_name name;
    int count;
    struct eddy_address addresses[MOST_ADDRESSES];
};

static void connect_to_name(eddy_coro *co)
{
    eddy_begin(connect_to_name);
    eddy_await(self->count, eddy_resolve(co, self->name.text, self->port, AF_UNSPEC,
                                         self->addresses, MOST_ADDRESSES));
    eddy_await(eddy_connect_any_(co, self->stream, self->addresses, self->count, self->options,
                                 self->place));
    eddy_end;
}

int64_t eddy_connect_(eddy_coro *co, eddy_stream *stream, const char *host, int port,
                      const struct eddy_connect_options *options, const char *place)
{
    struct eddy_address address;
    struct eddy_name name;
    int64_t result;

    if (eddy_address_parse(&address, host, port) == 0) {
        return eddy_connect_to_(co, stream, &address, options, place);
    }
    result = eddy_check(co);
    if (result < 0) {
        return result;
    }
    if (eddy_stream_is_open(stream) || port < 1 || port > 65535) {
        return -EINVAL;
    }
    result = eddy_name_copy(&name, host);
    if (result < 0) {
        return result;
    }
    eddy_check_pointer(co, options);
    return eddy_call(co, connect_to_name, .stream = stream, .options = options, .place = place,
                     .port = port, .name = name);
}

int64_t(eddy_connect)(eddy_coro *co, eddy_stream *stream, const char *host, int port)
{
    return eddy_connect_(co, stream, host, port, NULL, NULL);
}

int64_t(eddy_connect_with)(eddy_coro *co, eddy_stream *stream, const char *host, int port,
                           const struct eddy_connect_options *options)
{
    return eddy_connect_(co, stream, host, port, options, NULL);
}
