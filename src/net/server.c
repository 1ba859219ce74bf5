#include "net/server_internal.h"

#include <stdio.h>
#include <string.h>

#include "loop/look.h"
#include "net/address.h"
#include "net/linger.h"
#include "net/socket_path.h"
#include "net/stream_internal.h"

static void pause_accepting(eddy_server *server, int error);
static void set_retry(eddy_server *server, int64_t delay);

enum { MOST_ACCEPTS = 64 }; /* in one turn: the clients that are there get their share too */

static const int64_t FIRST_RETRY = 10 * EDDY_MILLISECOND;
static const int64_t LAST_RETRY = EDDY_SECOND;
static const int64_t LINGER_TIME = 30 * EDDY_SECOND;

/* A client: owns the task that serves it. */
struct client {
    struct eddy_owner owner; /* of the task */
    struct eddy_link link;   /* eddy-gdb.py knows these three */
    eddy_server *server;
    struct eddy_task_record *task;
    eddy_stream stream;
    struct eddy_idle idle[]; /* one, if the server has an idle time-out */
};

static size_t client_size(const eddy_server *server)
{
    return sizeof(struct client) + (server->client_timeout > 0 ? sizeof(struct eddy_idle) : 0);
}

static void client_free(struct client *client)
{
    eddy_server *server = client->server;

    eddy_pool_give(&server->loop->pool, client, eddy_pool_class_of(client_size(server)));
}

/* ---- clients */

static bool is_full(const eddy_server *server)
{
    return server->max_clients > 0 && server->active + server->lingering >= server->max_clients;
}

/* A full server listens again when a client has gone, unless it pauses for another reason. */
static void accept_if_room(eddy_server *server)
{
    if (eddy_io_started(&server->io) && server->io.interest == 0 && !is_full(server) &&
        server->retry.deadline == EDDY_FOREVER) {
        int result = eddy_io_change(&server->io, EDDY_READ);
        if (result < 0) {
            pause_accepting(server, result);
        }
    }
}

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

static struct client *client_owned_by(struct eddy_owner *owner)
{
    return (struct client *)(void *)((char *)owner - offsetof(struct client, owner));
}

/* A client has gone, or its handler: somebody may wait for that, or for its place. */
static void one_less(eddy_server *server)
{
    wake_if_finished(server);
    if (eddy_io_started(&server->io) && server->retry.deadline != EDDY_FOREVER) {
        set_retry(server, 0); /* its fd or memory may be what is missing */
    } else {
        accept_if_room(server);
    }
}

void eddy_server_linger_over(eddy_server *server)
{
    one_less(server);
}

static void client_done(struct eddy_owner *owner, struct eddy_task_record *task, int64_t result)
{
    struct client *client = client_owned_by(owner);
    eddy_server *server = client->server;

    if (result < 0 && !eddy_is_a_peers_doing(result)) {
        eddy_error_report(task, result, "served a client");
    }
    eddy_task_release(task);
    if (!eddy_stream_is_open(&client->stream) || !eddy_linger_begin(server, &client->stream)) {
        eddy_stream_close(&client->stream);
    }
    eddy_list_remove(&client->link);
    client_free(client);
    server->active--;
    one_less(server);
}

static int open_client(struct client *client, int fd)
{
    const eddy_server *server = client->server;
    int64_t timeout = server->client_timeout;
    int result =
        eddy_stream_adopt(server->loop, &client->stream, fd, eddy_address_is_tcp(&server->address));

    if (result == 0 && timeout > 0) {
        result = eddy_stream_idle_timeout(&client->stream, client->idle, timeout);
        if (result < 0) {
            eddy_stream_disown(&client->stream);
        }
    }
    return result;
}

static struct client *client_new(eddy_server *server, int fd)
{
    unsigned pool_class;
    struct client *client = eddy_pool_take(&server->loop->pool, client_size(server), &pool_class);

    if (client == NULL) {
        return NULL;
    }
    memset(client, 0, client_size(server));
    client->owner.child_done = client_done;
    client->server = server;
    if (open_client(client, fd) < 0) {
        client_free(client);
        return NULL;
    }
    eddy_look_note_place(server->loop, &client->stream.io, eddy_site_place(server->site));
    return client;
}

/* Starts the handler of a client; -ENOMEM, and then the fd is still open. */
static int client_start(eddy_server *server, int fd)
{
    struct client *client = client_new(server, fd);
    eddy_task task;

    if (client == NULL) {
        return -ENOMEM;
    }
    task = eddy_spawn_(server->loop, server->site, server->handler, server->handler_size);
    if (task.record == NULL) {
        eddy_stream_disown(&client->stream);
        client_free(client);
        return -ENOMEM;
    }
    *(eddy_stream **)(void *)((char *)task.record->top + server->stream_offset) = &client->stream;
    client->task = task.record;
    task.record->parent = server->parent;
    eddy_set(task.record, EDDY_TASK_OWNED_);
    eddy_owner_set(task.record, &client->owner);
    eddy_list_append(&server->clients, &client->link);
    server->accepted++;
    server->active++;
    return 0;
}

static struct client *client_of(struct eddy_link *link)
{
    return (struct client *)(void *)((char *)link - offsetof(struct client, link));
}

static void each_client(const eddy_server *server, eddy_blocker_fn *visit, void *context)
{
    const struct eddy_link *clients = &server->clients;

    if (eddy_list_empty(clients)) {
        return;
    }
    for (struct eddy_link *link = clients->next; link != clients; link = link->next) {
        visit(client_of(link)->task, context);
    }
}

static void cancel_visitor(struct eddy_task_record *task, void *context)
{
    (void)context;
    eddy_cancel_record(task);
}

static void cancel_clients(struct eddy_relay *relay)
{
    each_client((eddy_server *)(void *)((char *)relay - offsetof(eddy_server, relay)),
                cancel_visitor, NULL);
}

/* ---- accepting */

/* Errors of accept(2) that are about the one connection, which is gone, and not about the
 * server. */
static bool is_about_one_connection(int error)
{
    switch (error) {
    case -EINTR:
    case -ECONNABORTED:
    case -EPERM:
    case -EPROTO:
    case -ENOPROTOOPT:
    case -ENETDOWN:
    case -ENETUNREACH:
    case -EHOSTDOWN:
    case -EHOSTUNREACH:
    case -ENONET:
    case -EOPNOTSUPP:
        return true;
    default:
        return false;
    }
}

static void on_retry(eddy_timer *timer)
{
    eddy_server *server = timer->user;

    set_retry(server, EDDY_FOREVER);
    accept_if_room(server);
}

/* The retry timer is always started, for EDDY_FOREVER while nothing is to be retried: so
 * starting it when memory is out cannot fail, for its entry in the heap is there. */
static void set_retry(eddy_server *server, int64_t delay)
{
    (void)eddy_timer_start_own(server->loop, &server->retry, delay, on_retry);
}

/* Told once, until no client waits any more. */
static void tell_pause(eddy_server *server, int error)
{
    const eddy_task none = {NULL, 0};
    char name[EDDY_FD_TEXT];

    if (!server->pause_told) {
        server->pause_told = true;
        if (!eddy_address_format(&server->address, name, sizeof name)) {
            name[0] = '\0';
        }
        eddy_loop_report(server->loop, none, error,
                         "server: %s (%s) accepts no clients for now: %s", name,
                         eddy_site_place(server->site), eddy_strerror(error));
    }
}

/* Out of fds or memory: accepting again at once would spin, for the client still waits. */
static void pause_accepting(eddy_server *server, int error)
{
    set_retry(server, server->retry_delay);
    (void)eddy_io_change(&server->io, 0); /* cannot fail: it only takes out */
    server->retry_delay =
        server->retry_delay * 2 < LAST_RETRY ? server->retry_delay * 2 : LAST_RETRY;
    tell_pause(server, error); /* last: the hook may close it */
}

/* Accepts one client: 0, or the error. */
static int accept_one(eddy_server *server)
{
    eddy_loop *loop = server->loop;
    int fd = eddy_above_stdio(
        loop, loop->sys->accept4(loop->sys, server->io.fd, SOCK_NONBLOCK | SOCK_CLOEXEC));
    int result;

    loop->counts.accepts++;
    if (fd < 0) {
        return fd;
    }
    if (eddy_address_is_tcp(&server->address)) {
        eddy_socket_no_delay(loop, fd);
    }
    result = client_start(server, fd);
    if (result < 0) {
        (void)loop->sys->close(loop->sys, fd);
    }
    return result;
}

static void on_listener(eddy_io *io, unsigned events)
{
    eddy_server *server = io->user;
    int failed = 0; /* a system that refuses one after the other might do so for ever */

    if (io->loop->closing || events == EDDY_IO_GONE) {
        eddy_server_close(server);
        return;
    }
    for (int i = 0; i < MOST_ACCEPTS; i++) {
        int result;
        if (is_full(server)) {
            (void)eddy_io_change(&server->io, 0); /* cannot fail: it only takes out */
            return;
        }
        result = accept_one(server);
        if (result == -EAGAIN) {
            server->pause_told = false;
            return;
        }
        if (result == 0) {
            server->retry_delay = FIRST_RETRY;
        } else if (!is_about_one_connection(result) || ++failed == MOST_ACCEPTS) {
            pause_accepting(server, result);
            return;
        }
    }
}

/* ---- opening and closing */

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
        result = eddy_timer_start_own(loop, &server->retry, EDDY_FOREVER, on_retry);
    }
    if (result == 0) {
        result = eddy_io_watch(loop, &server->io, fd, EDDY_READ, EDDY_IO_LISTENER, on_listener);
    }
    if (result == 0) {
        result = eddy_guard_add(co->task, &server->guard);
    }
    if (result < 0) {
        eddy_timer_stop(&server->retry);
        eddy_io_stop(&server->io);
        remove_path(server);
        (void)loop->sys->close(loop->sys, fd);
        return result;
    }
    eddy_look_note_place(loop, &server->io, eddy_site_place(server->site));
    loop->references++; /* a client may come */
    return 0;
}

/* The loop ends with a server that was left open, or whose handlers were cut off. */
static void told_of_end(struct eddy_loop_end *end, eddy_loop *loop)
{
    eddy_server *server = (eddy_server *)(void *)((char *)end - offsetof(eddy_server, end));
    struct eddy_link *link;

    (void)loop;
    eddy_linger_cut(server);
    while ((link = eddy_list_first(&server->clients)) != NULL) {
        struct client *client = client_of(link);
        eddy_clear(client->task, EDDY_TASK_OWNED_);
        eddy_owner_set(client->task, NULL);
        eddy_stream_close(&client->stream);
        eddy_list_remove(link);
        client_free(client);
    }
    server->active = 0;
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

int eddy_server_begin(eddy_coro *co, eddy_server *server, const char *site, const void *handler,
                      size_t handler_size, size_t stream_offset)
{
    if (eddy_io_started(&server->io) || server->active > 0 || server->lingering > 0 ||
        server->handler != NULL) {
        return -EINVAL;
    }
    server->loop = eddy_task_loop(co->task);
    server->parent = co->task->timed.ready.generation;
    server->retry_delay = FIRST_RETRY;
    server->retry.user = server;
    server->io.user = server;
    server->client_timeout = server->idle_timeout;
    server->lingers_for = server->linger_time != 0 ? server->linger_time : LINGER_TIME;
    server->pause_told = false;
    server->handler_size = handler_size;
    server->stream_offset = stream_offset;
    server->site = site;
    server->relay.ready.kind = EDDY_READY_RELAY;
    server->relay.pass_on = cancel_clients;
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
                       const char *site, const void *handler, size_t handler_size,
                       size_t stream_offset)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    result = eddy_server_begin(co, server, site, handler, handler_size, stream_offset);
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
    eddy_timer_stop(&server->retry);
    open = eddy_io_release(&server->io);
    remove_path(server);
    if (open) {
        (void)sys->close(sys, fd);
    }
    server->loop->references--;
    eddy_linger_hurry(server);
    wake_if_finished(server);
}

static bool is_handler_of(const eddy_server *server, const struct eddy_task_record *task)
{
    const struct eddy_owner *owner = eddy_owner_of(task);

    return eddy_has(task, EDDY_TASK_OWNED_) && owner->child_done == client_done &&
           ((const struct client *)(const void *)owner)->server == server;
}

/* A handler of the server would wait for itself. */
static int abort_wait(struct eddy_task_record *task)
{
    eddy_server *server = task->in.object;
    bool over = server->active == 0 || is_handler_of(server, task);

    server->lingers_for = 0; /* also of those whose handlers end now */
    if (over) {
        /* Out of the line first, so that closing does not wake it with success. */
        eddy_list_remove(&task->timed.ready.link);
    }
    eddy_server_close(server);
    eddy_linger_cut(server);
    eddy_cancel_relay(server->loop, &server->relay);
    return over;
}

static void give_up_wait(struct eddy_task_record *task)
{
    (void)task; /* it is in the server's line, and owns nothing */
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const eddy_server *server = task->in.object;
    char name[EDDY_FD_TEXT];
    char lingering[32] = "";

    if (eddy_address_is_tcp(&server->address)) {
        snprintf(name, sizeof name, "port %d", eddy_address_port(&server->address));
    } else {
        (void)eddy_address_format(&server->address, name, sizeof name);
    }
    if (server->lingering > 0) {
        snprintf(lingering, sizeof lingering, ", %u lingering", (unsigned)server->lingering);
    }
    snprintf(text, size, "%s%s, %u client%s%s", name,
             eddy_io_started(&server->io) ? "" : " is closed", (unsigned)server->active,
             server->active == 1 ? "" : "s", lingering);
}

/* A server that listens waits for more than its last client. */
static struct eddy_task_record *blocker(const struct eddy_task_record *task)
{
    const eddy_server *server = task->in.object;

    return server->active == 1 && server->lingering == 0 && !eddy_io_started(&server->io)
               ? client_of(eddy_list_front(&server->clients))->task
               : NULL;
}

static void blockers(const struct eddy_task_record *task, eddy_blocker_fn *found, void *context)
{
    each_client(task->in.object, found, context);
}

static const struct eddy_wait_kind closed_kind = {
    .name = "server",
    .abort = abort_wait,
    .give_up = give_up_wait,
    .describe = describe,
    .blocker = blocker,
    .blockers = blockers,
};

int64_t eddy_server_wait_closed(eddy_coro *co, eddy_server *server)
{
    eddy_own_begin(co);
    if (server->active == 0 && server->lingering == 0 && !eddy_io_started(&server->io)) {
        return eddy_own_none(co, 0);
    }
    return eddy_own_park(co, &closed_kind, server, &server->waiting);
}
