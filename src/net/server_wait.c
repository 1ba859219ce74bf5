/*
 * Waiting for the end of a server: eddy_server_wait_closed, and eddy_server_drain (drain.c), which brings it
 * about.
 *
 * Each is a wait for the end of tasks, the handlers', as a group's is, and so begins with eddy_own_begin: a
 * cancel that is pending, or comes, is passed on to them, and the wait goes on until they have ended. It
 * goes on by the server's relay, since handlers may wait here too, of this server or of each other's: a
 * cancel that went from handler to handler would recur on the C stack and reach them over and over. A
 * handler of this very server is among those whom it would wait for: its own wait is over at once.
 */
#include "net/server_internal.h"

#include <stdio.h>

#include "loop/look.h"
#include "net/address.h"
#include "net/linger.h"

/* A handler of the server would wait for itself. */
static int abort_wait(struct eddy_task_record *task)
{
    eddy_server *server = task->in.object;
    bool over = server->active == 0 || eddy_client_is_of(server, task);

    if (over) {
        /* Out of the line first, so that closing does not wake it with success. */
        eddy_list_remove(&task->timed.ready.link);
    }
    eddy_server_cut(server);
    eddy_cancel_relay(server->loop, &server->relay);
    return over;
}

static void give_up_wait(struct eddy_task_record *task)
{
    (void)task; /* it is in the server's line, and owns nothing */
}

/* Where it listens, or did: a port says all of one address of TCP. */
static void describe_addresses(const eddy_server *server, char *text, size_t size)
{
    const struct eddy_listener *listener = &server->first;
    size_t used = 0;

    if (listener->next == NULL && listener->tcp) {
        snprintf(text, size, "port %d", eddy_address_port(&server->address));
        return;
    }
    for (; listener != NULL && used < size; listener = listener->next) {
        char name[EDDY_FD_TEXT] = "";
        int count;
        if (!eddy_address_format(&listener->address, name, sizeof name)) {
            snprintf(name, sizeof name, "fd %d", listener->io.fd);
        }
        count = snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", name);
        used += count > 0 ? (size_t)count : 0;
    }
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const eddy_server *server = task->in.object;
    char more[96] = "";
    char names[256];

    describe_addresses(server, names, sizeof names);
    if (server->lingering > 0) {
        snprintf(more, sizeof more, ", %u lingering", (unsigned)server->lingering);
    }
    snprintf(text, size, "%s%s, %u client%s%s", names, server->listening > 0 ? "" : " is closed",
             (unsigned)server->active, server->active == 1 ? "" : "s", more);
}

/* A server that listens waits for more than its last client. */
static struct eddy_task_record *blocker(const struct eddy_task_record *task)
{
    const eddy_server *server = task->in.object;

    return server->active == 1 && server->lingering == 0 && server->listening == 0
               ? eddy_clients_first(server)
               : NULL;
}

static void blockers(const struct eddy_task_record *task, eddy_blocker_fn *found, void *context)
{
    eddy_clients_each(task->in.object, found, context);
}

static const struct eddy_wait_kind closed_kind = {
    .name = "server",
    .abort = abort_wait,
    .give_up = give_up_wait,
    .describe = describe,
    .blocker = blocker,
    .blockers = blockers,
};

static const struct eddy_wait_kind drain_kind = {
    .name = "drain",
    .abort = abort_wait,
    .give_up = give_up_wait,
    .describe = describe,
    .blocker = blocker,
    .blockers = blockers,
};

static bool has_ended(const eddy_server *server)
{
    return server->active == 0 && server->lingering == 0 && server->listening == 0;
}

void eddy_server_wake(eddy_server *server)
{
    struct eddy_task_record *task;

    while ((task = eddy_waiters_first(&server->waiting)) != NULL) {
        int64_t result = task->wait == &drain_kind ? (int64_t)server->cut : 0;
        eddy_wake(task, eddy_has(task, EDDY_TASK_UNDER_WAY_) ? -ECANCELED : result);
    }
}

int64_t eddy_server_wait_closed(eddy_coro *co, eddy_server *server)
{
    eddy_own_begin(co);
    if (has_ended(server)) {
        return eddy_own_none(co, 0);
    }
    return eddy_own_park(co, &closed_kind, server, &server->waiting);
}

int64_t eddy_server_drain(eddy_coro *co, eddy_server *server, int64_t grace)
{
    eddy_own_begin(co);
    if (has_ended(server)) {
        return eddy_own_none(co, 0);
    }
    if (eddy_client_is_of(server, eddy_acting(co->task))) {
        return eddy_own_none(co, -EDEADLK);
    }
    eddy_drain_begin(server, grace);
    if (has_ended(server)) {
        return eddy_own_complete(co, (int64_t)server->cut);
    }
    return eddy_own_park(co, &drain_kind, server, &server->waiting);
}
