/*
 * Servers: opening, closing, and when one has ended.
 *
 *     state        listening   handler kept   linked: guard, end
 *     never open   0           no             no
 *     beginning    0           yes            end
 *     listening    > 0         yes            both
 *     closed       0           yes            both      handlers run, or clients linger
 *     ended        0           no             no        who waits for that is woken; it may be opened anew
 *
 * So a server has ended when it does not listen, has no handlers and nobody lingers; whatever takes one of
 * these away looks whether it was the last (wake_if_finished). Each client's task is made of a copy of the
 * handler's frame with its arguments, which is kept until then.
 *
 * Its sockets are in listen.c, given ones in listen_fds.c, accepting in accept.c, the clients in client.c,
 * those that linger in linger.c, sending them away in drain.c, waiting for the end in server_wait.c. By name
 * serves server_name.c, apart, so that who serves by address alone is linked
 * neither with threads nor with the resolver.
 */
#include "net/server_internal.h"

#include <string.h>

#include "loop/look.h"
#include "net/linger.h"

static const int64_t LINGER_TIME = 30 * EDDY_SECOND;

static void wake_if_finished(eddy_server *server)
{
    if (server->active > 0 || server->lingering > 0 || server->listening > 0) {
        return;
    }
    if (server->handler != NULL) {
        eddy_pool_give(&server->loop->pool, server->handler, server->handler_class);
        server->handler = NULL;
    }
    if (eddy_link_used(&server->guard)) {
        eddy_list_remove(&server->guard);
    }
    eddy_loop_end_leave(&server->end);
    eddy_timer_stop(&server->retry);
    eddy_drain_over(server);
    eddy_listeners_free(server);
    eddy_server_wake(server);
}

void eddy_server_one_less(eddy_server *server)
{
    wake_if_finished(server);
    eddy_accept_one_less(server);
}

/* ---- opening */

/* Both timers are started from here on, for ever as yet: what sets them later cannot fail for want of
 * memory, since their entries in the heap are there. */
int eddy_server_open(eddy_coro *co, eddy_server *server)
{
    int result = eddy_accept_start(server);

    if (result == 0) {
        result = eddy_drain_start_timer(server);
    }
    if (result == 0) {
        result = eddy_guard_add(co->task, &server->guard);
    }
    if (result == 0) {
        server->address = server->first.address;
        server->loop->references++; /* a client may come */
    }
    return result;
}

/* The loop ends with a server that was left open, or whose handlers were cut off. */
static void told_of_end(struct eddy_loop_end *end, eddy_loop *loop)
{
    eddy_server *server = (eddy_server *)(void *)((char *)end - offsetof(eddy_server, end));

    (void)loop;
    eddy_linger_cut(server);
    eddy_clients_cut(server);
    for (struct eddy_listener *listener = &server->first; listener != NULL;
         listener = listener->next) {
        listener->path = NULL; /* it was removed with the attachments of the loop */
    }
    eddy_server_close(server);
    wake_if_finished(server); /* also if it was closed before */
}

/* Keeps a copy of the handler's frame with its arguments. */
static int keep_handler(eddy_server *server, const void *handler, size_t size)
{
    server->handler = eddy_pool_take(&server->loop->pool, size, &server->handler_class);
    if (server->handler == NULL) {
        return -ENOMEM;
    }
    memcpy(server->handler, handler, size);
    return 0;
}

int eddy_server_begin(eddy_coro *co, eddy_server *server, const char *named_place,
                      const void *handler, size_t handler_size, size_t stream_offset)
{
    if (server->handler != NULL) { /* until all has ended */
        return -EINVAL;
    }
    server->loop = eddy_task_loop(co->task);
    server->parent = eddy_acting(co->task)->timed.ready.generation;
    server->client_timeout = server->idle_timeout;
    server->lingers_for = server->linger_time != 0 ? server->linger_time : LINGER_TIME;
    server->linger_told = false;
    server->handler_size = handler_size;
    server->stream_offset = stream_offset;
    server->named_place = named_place;
    server->relay.ready.kind = EDDY_READY_RELAY;
    server->relay.pass_on = eddy_clients_cancel;
    if (keep_handler(server, handler, handler_size) < 0) {
        server->loop = NULL;
        return -ENOMEM;
    }
    eddy_loop_end_follow(server->loop, &server->end, told_of_end);
    return 0;
}

void eddy_server_forget(eddy_server *server)
{
    wake_if_finished(server); /* frees the handler */
    server->loop = NULL;
}

/* What every way to serve begins with; `count`: on how many sockets. */
static int64_t begin(eddy_coro *co, eddy_server *server, int count, const char *named_place,
                     const void *handler, size_t handler_size, size_t stream_offset)
{
    int64_t result = eddy_check(co);

    if (result < 0 || count <= 0) {
        return result < 0 ? result : -EINVAL;
    }
    return eddy_server_begin(co, server, named_place, handler, handler_size, stream_offset);
}

int64_t eddy_server_serve(eddy_coro *co, eddy_server *server, const struct eddy_address *addresses,
                          int count, enum eddy_listen_rule rule, const char *named_place,
                          const void *handler, size_t handler_size, size_t stream_offset)
{
    int64_t result = begin(co, server, count, named_place, handler, handler_size, stream_offset);

    if (result < 0) {
        return result;
    }
    result = eddy_server_listen(co, server, addresses, count, rule);
    if (result < 0) {
        eddy_server_forget(server);
        return result;
    }
    return eddy_complete(co, 0);
}

int64_t eddy_serve_all_(eddy_coro *co, eddy_server *server, const struct eddy_address *addresses,
                        int count, const char *named_place, const void *handler,
                        size_t handler_size, size_t stream_offset)
{
    return eddy_server_serve(co, server, addresses, count, EDDY_LISTEN_ALL, named_place, handler,
                             handler_size, stream_offset);
}

int64_t eddy_serve_fds_(eddy_coro *co, eddy_server *server, const int *fds, int count,
                        const char *named_place, const void *handler, size_t handler_size,
                        size_t stream_offset)
{
    int64_t result = begin(co, server, count, named_place, handler, handler_size, stream_offset);

    if (result < 0) {
        return result;
    }
    result = eddy_server_listen_fds(co, server, fds, count);
    if (result < 0) {
        eddy_server_forget(server);
        return result;
    }
    return eddy_complete(co, 0);
}

int eddy_server_port(const eddy_server *server)
{
    return server->loop != NULL ? eddy_address_port(&server->address) : -EBADF;
}

/* ---- closing */

/* Its last listener is closed. */
static void stopped(eddy_server *server)
{
    eddy_accept_stop(server);
    server->loop->references--;
    eddy_linger_hurry(server);
    wake_if_finished(server);
}

void eddy_server_close(eddy_server *server)
{
    if (server->listening == 0) {
        return;
    }
    eddy_loop_here(server->loop, __func__);
    for (struct eddy_listener *listener = &server->first; listener != NULL;
         listener = listener->next) {
        eddy_listener_close(listener);
    }
    stopped(server);
}

void eddy_server_lose(struct eddy_listener *listener)
{
    eddy_server *server = listener->server;

    eddy_listener_close(listener);
    if (server->listening == 0) {
        stopped(server);
    }
}
