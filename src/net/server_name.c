/*
 * Serving on a name: on all of its addresses that this host has.
 *
 * Apart from server.c, so that who serves by address alone is linked neither with the resolver nor with
 * threads. The server is in use from the call on, before it is known where it will listen, so that nobody
 * opens it a second time meanwhile.
 */
#include <string.h>

#include "net/resolve_internal.h"
#include "net/server_internal.h"
#include "task/task_internal.h"

eddy_frame(serve_name) {
    eddy_coro co;
    eddy_server *server;
    int port;
    struct eddy_name name;
    int count;
    struct eddy_address addresses[MOST_ADDRESSES];
};

static void serve_name(eddy_coro *co)
{
    eddy_begin(serve_name);
    eddy_await(self->count, eddy_resolve(co, self->name.text, self->port, AF_UNSPEC,
                                         self->addresses, MOST_ADDRESSES));
    eddy_return(
        eddy_server_listen(co, self->server, self->addresses, self->count, EDDY_LISTEN_SOME));
eddy_finally:
    if (self->server->listening == 0) {
        eddy_server_forget(self->server);
    }
    eddy_end;
}

/* Both families have a socket of their own, or, with dual_stack, IPv6's is for both. */
static int any_addresses(const eddy_server *server, int port, struct eddy_address addresses[2])
{
    int count = 0;

    if (!server->dual_stack) {
        count += eddy_address_parse(&addresses[count], "0.0.0.0", port) == 0;
    }
    count += eddy_address_parse(&addresses[count], "::", port) == 0;
    return count; /* 0: there is no such port */
}

int64_t eddy_serve_(eddy_coro *co, eddy_server *server, const char *host, int port,
                    const char *named_place, const void *handler, size_t handler_size,
                    size_t stream_offset)
{
    struct eddy_address addresses[2];
    struct eddy_name name;
    int64_t result;

    if (strcmp(host, "*") == 0) {
        return eddy_server_serve(co, server, addresses, any_addresses(server, port, addresses),
                                 EDDY_LISTEN_ANY, named_place, handler, handler_size,
                                 stream_offset);
    }
    if (eddy_address_parse(&addresses[0], host, port) == 0) {
        return eddy_serve_all_(co, server, addresses, 1, named_place, handler, handler_size,
                               stream_offset);
    }
    result = eddy_check(co);
    if (result < 0) {
        return result;
    }
    if (port < 0 || port > 65535 || eddy_name_copy(&name, host) < 0) {
        return -EINVAL;
    }
    result = eddy_server_begin(co, server, named_place, handler, handler_size, stream_offset);
    if (result < 0) {
        return result;
    }
    result = eddy_call(co, serve_name, .server = server, .port = port, .name = name);
    if (result < 0 && result != EDDY_PENDING) {
        eddy_server_forget(server);
    }
    return result;
}
