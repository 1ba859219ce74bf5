/*
 * Accepting the clients of a server, and when it does not.
 *
 *     its listeners are   because                               until
 *     watched             clients may come                      it is closed
 *     unwatched, full     max_clients are there                 one of them has gone
 *     unwatched, paused   there was no fd or memory for one     the retry timer; or a client has gone
 *
 * They are so all together: room, fds and memory are the server's. A client that cannot be taken stays in the
 * kernel's backlog, and so its listener stays readable: to go on watching it would spin. When there is room
 * again, the listener behind the one that took the last client comes first, or the clients of the others would
 * wait for ever at a server that is always full.
 *
 * Who may come in is asked by the filter, with the address that accept(2) gives, before anything else is
 * done for him. Errors of accept(2) that are about a connection that is gone already are passed
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

/* ---- watching the listeners, all together */

static struct eddy_listener *next_of(struct eddy_listener *listener)
{
    return listener->next != NULL ? listener->next : &listener->server->first;
}

static void watch_none(eddy_server *server)
{
    for (struct eddy_listener *listener = &server->first; listener != NULL;
         listener = listener->next) {
        if (eddy_io_started(&listener->io)) {
            (void)eddy_io_change(&listener->io, 0); /* cannot fail: it only takes out */
        }
    }
}

/* In the order in which they may take a client. 0, or the error for one. */
static int watch_all(eddy_server *server)
{
    struct eddy_listener *listener = server->turn;
    int result = 0;

    do {
        if (eddy_io_started(&listener->io) && listener->io.interest == 0) {
            result = eddy_io_change(&listener->io, EDDY_READ);
        }
        listener = next_of(listener);
    } while (result == 0 && listener != server->turn);
    return result;
}

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
    watch_none(server);
    server->retry_delay =
        server->retry_delay * 2 < LAST_RETRY ? server->retry_delay * 2 : LAST_RETRY;
    tell_pause(server, error); /* last: the hook may close it */
}

/* A full server listens again when a client has gone, unless it pauses for another reason. */
static void accept_if_room(eddy_server *server)
{
    if (server->listening > 0 && !is_full(server) && server->retry.deadline == EDDY_FOREVER) {
        int result = watch_all(server);
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
    if (server->listening > 0 && server->retry.deadline != EDDY_FOREVER) {
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

/* A client whom the filter does not want is closed, and was none. */
static int take_in(struct eddy_listener *listener, int fd, const struct eddy_address *peer)
{
    eddy_server *server = listener->server;

    if (server->filter != NULL && !server->filter(server, fd, peer)) {
        server->refused++;
        return -ECONNABORTED;
    }
    if (server->listening == 0) { /* the filter has closed it */
        return -ECONNABORTED;
    }
    if (listener->tcp) {
        eddy_socket_no_delay(server->loop, fd);
    }
    return eddy_client_start(listener, fd, peer);
}

/* Accepts one client: 0, or the error; -ECONNABORTED also if it was sent away. */
static int accept_one(struct eddy_listener *listener)
{
    eddy_loop *loop = listener->server->loop;
    const struct eddy_sys *sys = loop->sys;
    struct eddy_address peer = {.size = sizeof peer.storage};
    int fd =
        eddy_above_stdio(loop, sys->accept4(sys, listener->io.fd, (struct sockaddr *)&peer.storage,
                                            &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    int result;

    loop->counts.accepts++;
    if (fd < 0) {
        return fd;
    }
    result = take_in(listener, fd, &peer);
    if (result < 0) {
        (void)sys->close(sys, fd);
    }
    return result;
}

static void accept_some(struct eddy_listener *listener)
{
    eddy_server *server = listener->server;
    int failed = 0; /* a system that refuses one after the other might do so for ever */

    for (int i = 0; i < MOST_ACCEPTS && server->listening > 0; i++) {
        uint64_t refused = server->refused;
        int result;
        if (is_full(server)) {
            watch_none(server);
            return;
        }
        result = accept_one(listener);
        if (result == -EAGAIN) {
            server->pause_told = false;
            return;
        }
        if (result == 0) {
            server->retry_delay = FIRST_RETRY;
            server->turn = next_of(listener);
        } else if (refused == server->refused &&
                   (!is_about_one_connection(result) || ++failed == MOST_ACCEPTS)) {
            pause_accepting(server, result);
            return;
        }
    }
}

/* One that was told of in the same batch as another, which has found that there is no room, waits as all do. */
static void on_listener(eddy_io *io, unsigned events)
{
    struct eddy_listener *listener = io->user;

    if (io->loop->closing) {
        eddy_server_close(listener->server);
    } else if (events == EDDY_IO_GONE) {
        eddy_server_lose(listener);
    } else if (io->interest != 0) {
        accept_some(listener);
    }
}

static int start_listener(struct eddy_listener *listener)
{
    eddy_server *server = listener->server;
    int result = eddy_io_watch(server->loop, &listener->io, listener->io.fd, EDDY_READ,
                               EDDY_IO_LISTENER, on_listener);

    if (result == 0) {
        eddy_look_note_place(server->loop, &listener->io, eddy_place_in(server->named_place));
        server->listening++;
    }
    return result;
}

int eddy_accept_start(eddy_server *server)
{
    int result;

    server->retry_delay = FIRST_RETRY;
    server->retry.user = server;
    server->turn = &server->first;
    server->pause_told = false;
    result = eddy_timer_start_own(server->loop, &server->retry, EDDY_FOREVER, on_retry);
    for (struct eddy_listener *listener = &server->first; result == 0 && listener != NULL;
         listener = listener->next) {
        result = start_listener(listener);
    }
    return result;
}

void eddy_accept_stop(eddy_server *server)
{
    set_retry(server, EDDY_FOREVER);
}
