/*
 * Waiting for the end of a server: eddy_server_wait_closed.
 *
 * It is a wait for the end of tasks, the handlers', as a group's is, and so begins with eddy_own_begin: a
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

int64_t eddy_server_wait_closed(eddy_coro *co, eddy_server *server)
{
    eddy_own_begin(co);
    if (server->active == 0 && server->lingering == 0 && !eddy_io_started(&server->io)) {
        return eddy_own_none(co, 0);
    }
    return eddy_own_park(co, &closed_kind, server, &server->waiting);
}
