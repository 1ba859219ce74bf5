/*
 * Accepting the clients of a server, and when it does not.
 *
 *     the listener is     because                               until
 *     watched             clients may come                      it is closed
 *     unwatched, full     max_clients are there                 one of them has gone
 *     unwatched, paused   there was no fd or memory for one     the retry timer; or a client has gone
 *
 * A client that cannot be taken stays in the kernel's backlog, and so the listener stays readable: to go on
 * watching it would spin. Errors of accept(2) that are about a connection that is gone already are passed
 * over, but no more than MOST_ACCEPTS of them in a turn, for a system may refuse everything.
 *
 * Always: while the server listens the retry timer is started (see set_retry), and its deadline is
 * EDDY_FOREVER unless accepting pauses. A pause is told once, until no client waits any more.
 */
#include "net/server_internal.h"

#include "loop/look.h"
#include "net/address.h"

enum { MOST_ACCEPTS = 64 }; /* in one turn: the clients that are there get their share too */

static const int64_t FIRST_RETRY = 10 * EDDY_MILLISECOND;
static const int64_t LAST_RETRY = EDDY_SECOND;

static bool is_full(const eddy_server *server)
{
    return server->max_clients > 0 && server->active + server->lingering >= server->max_clients;
}

/* ---- pauses */

static void on_retry(eddy_timer *timer);

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
                         eddy_place_in(server->named_place), eddy_strerror(error));
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

static void on_retry(eddy_timer *timer)
{
    eddy_server *server = timer->user;

    set_retry(server, EDDY_FOREVER);
    accept_if_room(server);
}

void eddy_accept_one_less(eddy_server *server)
{
    if (eddy_io_started(&server->io) && server->retry.deadline != EDDY_FOREVER) {
        set_retry(server, 0); /* its fd or memory may be what is missing */
    } else {
        accept_if_room(server);
    }
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
    result = eddy_client_start(server, fd);
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

int eddy_accept_start(eddy_server *server, int fd)
{
    eddy_loop *loop = server->loop;
    int result;

    server->retry_delay = FIRST_RETRY;
    server->retry.user = server;
    server->io.user = server;
    server->pause_told = false;
    result = eddy_timer_start_own(loop, &server->retry, EDDY_FOREVER, on_retry);
    if (result == 0) {
        result = eddy_io_watch(loop, &server->io, fd, EDDY_READ, EDDY_IO_LISTENER, on_listener);
    }
    if (result < 0) {
        eddy_timer_stop(&server->retry);
    }
    return result;
}

bool eddy_accept_stop(eddy_server *server)
{
    eddy_timer_stop(&server->retry);
    return eddy_io_release(&server->io);
}
