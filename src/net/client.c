/*
 * The clients of a server: a task for each, which the server owns as a group owns its own.
 *
 *     accepted  -- no memory ----------------------------------> the fd is accept.c's still
 *               -- a stream and a task are made ---------------> served
 *     served    -- the handler ends, and the client is to linger: linger.c has the fd
 *               -- the handler ends otherwise, or has closed it: closed
 *               -- the loop ends ------------------------------> closed; the task is the loop's to cut off
 *
 * One block holds all of a client but its task: the stream, the idle time-out if the server has one, and its
 * address, as far as it says something: a million clients of IPv4 have eight bytes each for it. The block
 * goes in the moment its handler has ended; what lingers has a smaller block of its own.
 *
 * Always: a client is in server->clients and counted in server->active from its start until client_done, so
 * that whoever goes through the list meets only tasks that have not ended; and the list is in the order in
 * which the tasks were spawned, so that a place in it can be found again by the number of one that is gone.
 */
#include "net/server_internal.h"

#include <netinet/in.h>
#include <string.h>

#include "loop/look.h"
#include "net/address.h"
#include "net/linger.h"
#include "net/stream_internal.h"

enum { SAID_OF_IPV4 = offsetof(struct sockaddr_in, sin_zero) };

/* Owns the task that serves it. */
struct eddy_client {
    eddy_owner owner;      /* of the task */
    struct eddy_link link; /* eddy-gdb.py knows these three */
    eddy_server *server;
    struct eddy_task_record *task;
    eddy_stream stream;
    uint8_t peer_size;       /* of its address, that is kept behind the rest */
    uint8_t activity;        /* enum eddy_client_activity, as the handler says */
    bool sent_away;          /* its task was cancelled because the server drains */
    struct eddy_idle idle[]; /* one, if the server has an idle time-out */
};

static char *peer_of(const eddy_client *client)
{
    return (char *)(uintptr_t)(client->idle + (client->server->client_timeout > 0));
}

static size_t client_size(const eddy_server *server, size_t peer_size)
{
    return sizeof(eddy_client) + (server->client_timeout > 0 ? sizeof(struct eddy_idle) : 0) +
           peer_size;
}

/* Of an address of IPv4 the rest is zero; the others are kept as the kernel has told them. */
static size_t size_of_peer(const struct eddy_address *peer)
{
    return peer->storage.ss_family == AF_INET ? SAID_OF_IPV4 : peer->size;
}

static void client_free(eddy_client *client)
{
    eddy_server *server = client->server;

    eddy_pool_give(&server->loop->pool, client,
                   eddy_pool_class_of(client_size(server, client->peer_size)));
}

static eddy_client *client_owned_by(eddy_owner *owner)
{
    return (eddy_client *)(void *)((char *)owner - offsetof(eddy_client, owner));
}

static eddy_client *client_of(struct eddy_link *link)
{
    return (eddy_client *)(void *)((char *)link - offsetof(eddy_client, link));
}

static void client_done(eddy_owner *owner, struct eddy_task_record *task, int64_t result)
{
    eddy_client *client = client_owned_by(owner);
    eddy_server *server = client->server;
    int error = 0;

    if (result < 0 && !eddy_is_a_peers_doing(result)) {
        eddy_error_report(task, result, "served a client");
    }
    eddy_task_release(task);
    if (eddy_stream_is_open(&client->stream)) {
        error = eddy_linger_begin(server, &client->stream);
        eddy_stream_close(&client->stream); /* if it is still open */
    }
    eddy_list_remove(&client->link);
    client_free(client);
    server->active--;
    eddy_server_one_less(server);
    if (error < 0) {
        eddy_linger_tell(server, error); /* last: the hook may do anything */
    }
}

static const struct eddy_wait_kind client_kind = {.name = "client", .child_done = client_done};

/* The idle time-out stands before the handler's first step: a client that never says anything has it, too. */
static int open_client(eddy_client *client, int fd, bool tcp)
{
    const eddy_server *server = client->server;
    int64_t timeout = server->client_timeout;
    int result = eddy_stream_adopt(server->loop, &client->stream, fd, tcp);

    if (result == 0 && timeout > 0) {
        result = eddy_stream_idle_timeout(&client->stream, client->idle, timeout);
        if (result < 0) {
            eddy_stream_disown(&client->stream);
        }
    }
    return result;
}

static eddy_client *client_new(const struct eddy_listener *listener, int fd,
                               const struct eddy_address *peer)
{
    eddy_server *server = listener->server;
    size_t peer_size = size_of_peer(peer);
    size_t size = client_size(server, peer_size);
    unsigned pool_class;
    eddy_client *client = eddy_pool_take(&server->loop->pool, size, &pool_class);

    if (client == NULL) {
        return NULL;
    }
    memset(client, 0, size);
    client->owner = &client_kind;
    client->server = server;
    client->peer_size = (uint8_t)peer_size;
    memcpy(peer_of(client), &peer->storage, peer_size);
    if (open_client(client, fd, listener->tcp) < 0) {
        client_free(client);
        return NULL;
    }
    eddy_look_note_place(server->loop, &client->stream.io, eddy_place_in(server->named_place));
    return client;
}

int eddy_client_start(const struct eddy_listener *listener, int fd, const struct eddy_address *peer)
{
    eddy_server *server = listener->server;
    eddy_client *client = client_new(listener, fd, peer);
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
        if (!visit(client_of(link)->task, context)) {
            return;
        }
    }
}

static int cancel_visitor(struct eddy_task_record *task, void *context)
{
    (void)context;
    eddy_cancel_record(task);
    return 1;
}

void eddy_clients_cancel(struct eddy_relay *relay)
{
    eddy_clients_each((eddy_server *)(void *)((char *)relay - offsetof(eddy_server, relay)),
                      cancel_visitor, NULL);
}

/* Who waits to read is the handler's task itself, perhaps in a select. One that was woken to try is about to
 * read: what it waited for has come, and is a request. */
static bool reads(struct eddy_task_record *reader, const struct eddy_task_record *task)
{
    return eddy_acting(reader) == task && reader->timed.ready.state == EDDY_TASK_WAITING_ &&
           !eddy_has(reader, EDDY_TASK_TRY_) && !eddy_reader_has_some(reader);
}

bool eddy_client_is_idle(const eddy_client *client)
{
    const uint32_t waits = EDDY_STREAM_READING | EDDY_STREAM_ANSWERED;
    const eddy_stream *stream = &client->stream;

    if (client->activity != EDDY_CLIENT_BY_READS) {
        return client->activity == EDDY_CLIENT_IDLE;
    }
    while ((stream->state & EDDY_STREAM_UNDER) != 0) { /* such as TLS: what the handler reads */
        stream = eddy_transport_above(stream)->stream;
    }
    return (stream->state & (waits | EDDY_STREAM_TO_COPY | EDDY_STREAM_BUSY_WRITING)) == waits &&
           reads(stream->reader, client->task);
}

void eddy_client_set_activity(eddy_client *client, enum eddy_client_activity activity)
{
    client->activity = (uint8_t)activity;
}

/* One cancel for all of them: whoever waits for another of them is reached once (spread.c). Nobody runs before
 * it is over, so the list stays as it is. */
uint32_t eddy_clients_send_away(eddy_server *server, bool all)
{
    bool first = eddy_cancel_begin(server->loop);
    uint32_t count = 0;

    for (struct eddy_link *link = eddy_list_first(&server->clients);
         link != NULL && link != &server->clients; link = link->next) {
        eddy_client *client = client_of(link);
        if (all || (!client->sent_away && eddy_client_is_idle(client))) {
            client->sent_away = true;
            eddy_cancel_record(client->task);
            count++;
        }
    }
    eddy_cancel_end(server->loop, first);
    return count;
}

void eddy_clients_cut(eddy_server *server)
{
    struct eddy_link *link;

    while ((link = eddy_list_first(&server->clients)) != NULL) {
        eddy_client *client = client_of(link);
        eddy_owner_set(client->task, NULL);
        eddy_stream_close(&client->stream);
        eddy_list_remove(link);
        client_free(client);
    }
    server->active = 0;
}

/* ---- what others see of them */

/* The owner of a task is another kind of object for a group's; the function that is told of its end says
 * which it is. */
static eddy_client *served_by(const struct eddy_task_record *task)
{
    eddy_owner *owner = eddy_owner_of(task);

    return owner != NULL && *owner == &client_kind ? client_owned_by(owner) : NULL;
}

bool eddy_client_is_of(const eddy_server *server, const struct eddy_task_record *task)
{
    const eddy_client *client = served_by(task);

    return client != NULL && client->server == server;
}

eddy_client *eddy_client_of(const eddy_coro *co)
{
    return served_by(eddy_acting(co->task));
}

void eddy_client_peer(const eddy_client *client, struct eddy_address *peer)
{
    memset(peer, 0, sizeof *peer);
    memcpy(&peer->storage, peer_of(client), client->peer_size);
    peer->size =
        peer->storage.ss_family == AF_INET ? sizeof(struct sockaddr_in) : client->peer_size;
}

eddy_stream *eddy_client_stream(eddy_client *client)
{
    return &client->stream;
}

/* How many tasks were spawned since: it grows towards the front of the list, whatever the numbers, which
 * begin anew some day. */
static uint32_t age_of(const eddy_server *server, uint32_t number)
{
    return server->loop->tasks->spawned - number;
}

/* The first that came after the one with that number. */
static struct eddy_link *behind(const eddy_server *server, uint32_t number)
{
    struct eddy_link *link = eddy_list_front(&server->clients);

    while (link != &server->clients &&
           age_of(server, client_of(link)->task->timed.ready.generation) >=
               age_of(server, number)) {
        link = link->next;
    }
    return link;
}

eddy_client *eddy_server_next_client(const eddy_server *server, eddy_task *last)
{
    const struct eddy_task_record *task = eddy_task_find(*last);
    struct eddy_link *link;
    eddy_client *client;

    if (server->active == 0) {
        return NULL;
    }
    if (task != NULL && eddy_client_is_of(server, task)) {
        link = eddy_list_front(&served_by(task)->link); /* the one behind it */
    } else {
        link = last->record != NULL ? behind(server, last->generation)
                                    : eddy_list_front(&server->clients);
    }
    if (link == &server->clients) {
        return NULL;
    }
    client = client_of(link);
    *last = eddy_handle(client->task);
    return client;
}

struct eddy_task_record *eddy_clients_first(const eddy_server *server)
{
    return client_of(eddy_list_front(&server->clients))->task;
}
