/*
 * The clients of a server: a task for each, which the server owns as a group owns its own.
 *
 *     accepted  -- no memory ----------------------------------> the fd is accept.c's still
 *               -- a stream and a task are made ---------------> served
 *     served    -- the handler ends, and the client is to linger: linger.c has the fd
 *               -- the handler ends otherwise, or has closed it: closed
 *               -- the loop ends ------------------------------> closed; the task is the loop's to cut off
 *
 * One block holds all of a client but its task: the stream, and the idle time-out if the server has one. It
 * goes in the moment its handler has ended; what lingers has a smaller block of its own.
 *
 * Always: a client is in server->clients and counted in server->active from its start until client_done, so
 * that whoever goes through the list meets only tasks that have not ended.
 */
#include "net/server_internal.h"

#include <string.h>

#include "loop/look.h"
#include "net/address.h"
#include "net/linger.h"
#include "net/stream_internal.h"

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

static struct client *client_owned_by(struct eddy_owner *owner)
{
    return (struct client *)(void *)((char *)owner - offsetof(struct client, owner));
}

static struct client *client_of(struct eddy_link *link)
{
    return (struct client *)(void *)((char *)link - offsetof(struct client, link));
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
    eddy_server_one_less(server);
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
    eddy_look_note_place(server->loop, &client->stream.io, eddy_place_in(server->named_place));
    return client;
}

int eddy_client_start(eddy_server *server, int fd)
{
    struct client *client = client_new(server, fd);
    eddy_task task;

    if (client == NULL) {
        return -ENOMEM;
    }
    task = eddy_spawn_(server->loop, server->named_place, server->handler, server->handler_size);
    if (eddy_spawn_failed(task)) {
        eddy_stream_disown(&client->stream);
        client_free(client);
        return eddy_unstarted_take(task);
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

void eddy_clients_each(const eddy_server *server, eddy_blocker_fn *visit, void *context)
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

void eddy_clients_cancel(struct eddy_relay *relay)
{
    eddy_clients_each((eddy_server *)(void *)((char *)relay - offsetof(eddy_server, relay)),
                      cancel_visitor, NULL);
}

void eddy_clients_cut(eddy_server *server)
{
    struct eddy_link *link;

    while ((link = eddy_list_first(&server->clients)) != NULL) {
        struct client *client = client_of(link);
        eddy_clear(client->task, EDDY_TASK_OWNED_);
        eddy_owner_set(client->task, NULL);
        eddy_stream_close(&client->stream);
        eddy_list_remove(link);
        client_free(client);
    }
    server->active = 0;
}

bool eddy_client_is_of(const eddy_server *server, const struct eddy_task_record *task)
{
    const struct eddy_owner *owner = eddy_owner_of(task);

    return eddy_has(task, EDDY_TASK_OWNED_) && owner->child_done == client_done &&
           ((const struct client *)(const void *)owner)->server == server;
}

struct eddy_task_record *eddy_clients_first(const eddy_server *server)
{
    return client_of(eddy_list_front(&server->clients))->task;
}
