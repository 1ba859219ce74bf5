/*
 * Servers: opening, closing, and when one has ended.
 *
 *     state        io started   handler kept   linked: guard, end
 *     never open   no           no             no
 *     beginning    no           yes            end
 *     listening    yes          yes            both
 *     closed       no           yes            both      handlers run, or clients linger
 *     ended        no           no             no        who waits for that is woken; it may be opened anew
 *
 * So a server has ended when it does not listen, has no handlers and nobody lingers; whatever takes one of
 * these away looks whether it was the last (wake_if_finished). Each client's task is made of a copy of the
 * handler's frame with its arguments, which is kept until then.
 *
 * Accepting is in accept.c, the clients in client.c, those that linger in linger.c, waiting for the end in
 * server_wait.c. By name serves server_name.c, apart, so that who serves by address alone is linked
 * neither with threads nor with the resolver.
 */
#include "net/server_internal.h"

#include <string.h>

#include "loop/look.h"
#include "net/address.h"
#include "net/linger.h"
#include "net/socket_path.h"

static const int64_t LINGER_TIME = 30 * EDDY_SECOND;

static void wake_if_finished(eddy_server *server)
{
    struct eddy_task_record *task;

    if (server->active > 0 || server->lingering > 0 || eddy_io_started(&server->io)) {
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
    while ((task = eddy_waiters_first(&server->waiting)) != NULL) {
        eddy_wake(task, eddy_has(task, EDDY_TASK_UNDER_WAY_) ? -ECANCELED : 0);
    }
}

void eddy_server_one_less(eddy_server *server)
{
    wake_if_finished(server);
    eddy_accept_one_less(server);
}

/* ---- opening */

static int set_options(const eddy_server *server, int fd)
{
    const struct eddy_sys *sys = server->loop->sys;
    const int on = 1;
    int result;

    if (!eddy_address_is_tcp(&server->address)) {
        return server->reuse_port ? -EINVAL : 0;
    }
    result = sys->setsockopt(sys, fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (result == 0 && server->reuse_port) {
        result = sys->setsockopt(sys, fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    }
    return result;
}

static int bind_and_listen(eddy_server *server, int fd)
{
    const struct eddy_sys *sys = server->loop->sys;
    struct sockaddr *raw = (struct sockaddr *)&server->address.storage;
    int result = set_options(server, fd);

    if (result == 0) {
        result = sys->bind(sys, fd, raw, server->address.size);
    }
    if (result == 0) {
        result = eddy_socket_path_keep(server->loop, &server->address, &server->path);
    }
    if (result == 0) {
        result = sys->listen(sys, fd, server->backlog > 0 ? server->backlog : SOMAXCONN);
    }
    if (result == 0) { /* the port may be the system's choice */
        server->address.size = sizeof server->address.storage;
        result = sys->getsockname(sys, fd, raw, &server->address.size);
    }
    return result;
}

static void remove_path(eddy_server *server)
{
    eddy_socket_path_remove(server->path);
    server->path = NULL;
}

int eddy_server_listen(eddy_coro *co, eddy_server *server, const struct eddy_address *address)
{
    eddy_loop *loop = server->loop;
    int fd = eddy_socket_new(loop, address);
    int result;

    if (fd < 0) {
        return fd;
    }
    server->address = *address;
    server->path = NULL;
    result = bind_and_listen(server, fd);
    if (result == 0) {
        result = eddy_accept_start(server, fd);
    }
    if (result == 0) {
        result = eddy_guard_add(co->task, &server->guard);
        if (result < 0) {
            (void)eddy_accept_stop(server);
        }
    }
    if (result < 0) {
        remove_path(server);
        (void)loop->sys->close(loop->sys, fd);
        return result;
    }
    eddy_look_note_place(loop, &server->io, eddy_place_in(server->named_place));
    loop->references++; /* a client may come */
    return 0;
}

/* The loop ends with a server that was left open, or whose handlers were cut off. */
static void told_of_end(struct eddy_loop_end *end, eddy_loop *loop)
{
    eddy_server *server = (eddy_server *)(void *)((char *)end - offsetof(eddy_server, end));

    (void)loop;
    eddy_linger_cut(server);
    eddy_clients_cut(server);
    server->path = NULL; /* it was removed with the attachments of the loop */
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
    if (eddy_io_started(&server->io) || server->active > 0 || server->lingering > 0 ||
        server->handler != NULL) {
        return -EINVAL;
    }
    server->loop = eddy_task_loop(co->task);
    server->parent = co->task->timed.ready.generation;
    server->client_timeout = server->idle_timeout;
    server->lingers_for = server->linger_time != 0 ? server->linger_time : LINGER_TIME;
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

int64_t eddy_serve_at_(eddy_coro *co, eddy_server *server, const struct eddy_address *address,
                       const char *named_place, const void *handler, size_t handler_size,
                       size_t stream_offset)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    result = eddy_server_begin(co, server, named_place, handler, handler_size, stream_offset);
    if (result < 0) {
        return result;
    }
    result = eddy_server_listen(co, server, address);
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

void eddy_server_close(eddy_server *server)
{
    const struct eddy_sys *sys;
    int fd = server->io.fd;
    bool open;

    if (!eddy_io_started(&server->io)) {
        return;
    }
    eddy_loop_here(server->loop, __func__);
    sys = server->loop->sys;
    open = eddy_accept_stop(server);
    remove_path(server);
    if (open) {
        (void)sys->close(sys, fd);
    }
    server->loop->references--;
    eddy_linger_hurry(server);
    wake_if_finished(server);
}
