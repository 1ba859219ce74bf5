/* Serving on a name. Apart from server.c, so that who serves by address alone is linked neither
 * with the resolver nor with threads. */
#include "net/resolve_internal.h"
#include "net/server_internal.h"
#include "task/task_internal.h"

eddy_frame(serve_name) {
    eddy_coro co;
    eddy_server *server;
    int port;
    struct eddy_name name;
    int i, count;
    int64_t rc;
    struct eddy_address addresses[MOST_ADDRESSES];
};

static void serve_name(eddy_coro *co)
{
    eddy_begin(serve_name);
    eddy_await(self->count, eddy_resolve(co, self->name.text, self->port, AF_UNSPEC,
                                         self->addresses, MOST_ADDRESSES));
    self->rc = eddy_server_listen(co, self->server, &self->addresses[0]);
    for (self->i = 1; self->rc < 0 && self->i < self->count; self->i++) {
        if (eddy_server_listen(co, self->server, &self->addresses[self->i]) == 0) {
            self->rc = 0;
        }
    }
    eddy_return(self->rc); /* an error is that of the first address */
eddy_finally:
    if (!eddy_io_started(&self->server->io)) {
        eddy_server_forget(self->server);
    }
    eddy_end;
}

int64_t eddy_serve_(eddy_coro *co, eddy_server *server, const char *host, int port,
                    const char *named_place, const void *handler, size_t handler_size,
                    size_t stream_offset)
{
    struct eddy_address address;
    struct eddy_name name;
    int64_t result;

    if (eddy_address_parse(&address, host, port) == 0) {
        return eddy_serve_at_(co, server, &address, named_place, handler, handler_size,
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
