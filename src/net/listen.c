/*
 * The sockets on which a server listens: making them, taking given ones, closing them.
 *
 * The first lies in the server, the others are blocks in its chain, which stays until all has ended, so that
 * it can be told where the server has listened. A server gets all of its addresses or none. So first every
 * socket is bound, which is where it turns out that an address is in use, and only then does the first
 * of them listen: nobody comes whom a later failure would send away again.
 *
 *     a listener is      io       path               its fd
 *     made, or bound     stopped  of a bound path    the caller's here, to be closed on an error
 *     listening          started  likewise           the watcher's
 *     closed             stopped  none               closed, unless somebody else has done that already
 *
 * Port 0 is the system's choice for the first of several, which the others take over; it may be in use
 * there, and then all begin anew. An address that this host does not have is an error, unless it is one of
 * many that a name has (or of "any"): what a host's table says of itself is often more than its
 * interfaces have.
 */
#include <netinet/in.h>
#include <string.h>

#include "loop/look.h"
#include "net/address.h"
#include "net/server_internal.h"
#include "net/socket_path.h"

enum { PORT_TRIES = 16 };

/* Binding several addresses. */
struct binding {
    eddy_server *server;
    const struct eddy_address *addresses;
    int count;
    enum eddy_listen_rule rule;
    struct eddy_listener *last; /* that is bound; NULL: none is */
    int left_out;               /* the first address that this host does not have */
    int error;                  /* of that; 0: there is none */
};

/* ---- a chain of listeners */

struct eddy_listener *eddy_listener_add(eddy_server *server, struct eddy_listener *last)
{
    struct eddy_listener *listener = &server->first;
    unsigned pool_class = 0;

    if (last != NULL) {
        listener = eddy_pool_take(&server->loop->pool, sizeof *listener, &pool_class);
        if (listener == NULL) {
            return NULL;
        }
    }
    memset(listener, 0, sizeof *listener);
    listener->server = server;
    listener->pool_class = pool_class;
    listener->io.fd = -1;
    listener->io.user = listener;
    if (last != NULL) {
        last->next = listener;
    }
    return listener;
}

void eddy_listeners_free(eddy_server *server)
{
    struct eddy_listener *first = &server->first; /* which lies in the server itself */
    struct eddy_listener *listener;

    while ((listener = first->next) != NULL) {
        first->next = listener->next;
        eddy_pool_give(&server->loop->pool, listener, listener->pool_class);
    }
    server->turn = NULL;
}

void eddy_listeners_give_up(eddy_server *server, struct eddy_listener *last, bool made)
{
    const struct eddy_sys *sys = server->loop->sys;

    for (struct eddy_listener *listener = last != NULL ? &server->first : NULL; listener != NULL;
         listener = listener->next) {
        bool open = !eddy_io_started(&listener->io) || eddy_io_release(&listener->io);
        eddy_socket_path_remove(listener->path);
        listener->path = NULL;
        if (made && open && listener->io.fd >= 0) {
            (void)sys->close(sys, listener->io.fd);
        }
    }
    eddy_listeners_free(server);
    server->listening = 0;
}

void eddy_listener_close(struct eddy_listener *listener)
{
    eddy_server *server = listener->server;
    const struct eddy_sys *sys = server->loop->sys;
    int fd = listener->io.fd;
    bool open;

    if (!eddy_io_started(&listener->io)) {
        return;
    }
    open = eddy_io_release(&listener->io);
    eddy_socket_path_remove(listener->path);
    listener->path = NULL;
    if (open) {
        (void)sys->close(sys, fd);
    }
    server->listening--;
}

/* ---- making them */

static int set_on(const struct eddy_server *server, int fd, int level, int name, int value)
{
    const struct eddy_sys *sys = server->loop->sys;

    return sys->setsockopt(sys, fd, level, name, &value, sizeof value);
}

/* IPV6_V6ONLY is set either way: what it is without depends on the system (net.ipv6.bindv6only). */
static int set_options(const eddy_server *server, const struct eddy_listener *listener)
{
    int fd = listener->io.fd;
    int result;

    if (!listener->tcp) {
        return server->reuse_port ? -EINVAL : 0;
    }
    result = set_on(server, fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (result == 0 && server->reuse_port) {
        result = set_on(server, fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (result == 0 && listener->address.storage.ss_family == AF_INET6) {
        result = set_on(server, fd, IPPROTO_IPV6, IPV6_V6ONLY, !server->dual_stack);
    }
    return result;
}

/* The port may be the system's choice. */
int eddy_listener_ask_address(struct eddy_listener *listener)
{
    const struct eddy_sys *sys = listener->server->loop->sys;
    struct eddy_address *address = &listener->address;
    int result;

    address->size = sizeof address->storage;
    result = sys->getsockname(sys, listener->io.fd, (struct sockaddr *)&address->storage,
                              &address->size);
    listener->tcp = eddy_address_is_tcp(address);
    return result;
}

/* Makes the socket and binds it; an error leaves none. */
static int bind_listener(struct eddy_listener *listener, const struct eddy_address *address)
{
    eddy_server *server = listener->server;
    const struct eddy_sys *sys = server->loop->sys;
    int fd = eddy_socket_new(server->loop, address);
    int result;

    if (fd < 0) {
        return fd;
    }
    listener->io.fd = fd;
    listener->address = *address;
    listener->tcp = eddy_address_is_tcp(address);
    result = set_options(server, listener);
    if (result == 0 && server->prepare != NULL) {
        result = server->prepare(server, fd, address);
    }
    if (result == 0) {
        result = sys->bind(sys, fd, (const struct sockaddr *)&address->storage, address->size);
    }
    if (result == 0) {
        result = eddy_socket_path_keep(server->loop, address, &listener->path);
    }
    if (result == 0) {
        result = eddy_listener_ask_address(listener);
    }
    return result;
}

static void set_port(struct eddy_address *address, int port)
{
    if (port > 0 && eddy_address_port(address) == 0) {
        if (address->storage.ss_family == AF_INET) {
            ((struct sockaddr_in *)(void *)&address->storage)->sin_port = htons((uint16_t)port);
        } else {
            ((struct sockaddr_in6 *)(void *)&address->storage)->sin6_port = htons((uint16_t)port);
        }
    }
}

/* A name may have an address twice, by two lines of hosts(5); a list of the program's may not. */
static bool is_repeated(const struct binding *binding, int i)
{
    const struct eddy_address *address = &binding->addresses[i];

    for (int k = 0; binding->rule != EDDY_LISTEN_ALL && k < i; k++) {
        if (binding->addresses[k].size == address->size &&
            memcmp(&binding->addresses[k].storage, &address->storage, address->size) == 0) {
            return true;
        }
    }
    return false;
}

static bool may_be_left_out(const struct binding *binding, int error)
{
    return binding->rule != EDDY_LISTEN_ALL && (error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT);
}

/* Takes back a listener of which nothing came but perhaps a socket. */
static void drop(struct binding *binding, struct eddy_listener *listener)
{
    eddy_server *server = binding->server;
    const struct eddy_sys *sys = server->loop->sys;

    eddy_socket_path_remove(listener->path);
    listener->path = NULL;
    if (listener->io.fd >= 0) {
        (void)sys->close(sys, listener->io.fd);
    }
    if (binding->last != NULL) {
        binding->last->next = NULL;
        eddy_pool_give(&server->loop->pool, listener, listener->pool_class);
    }
}

/* The next address gets a listener, or is left out: 0. Else the error, and where it was is noted for who asks
 * (server->address). */
static int bind_next(struct binding *binding, struct eddy_address *address, int i)
{
    struct eddy_listener *listener = eddy_listener_add(binding->server, binding->last);
    int result = listener != NULL ? bind_listener(listener, address) : -ENOMEM;

    if (result == 0) {
        binding->last = listener;
        return 0;
    }
    if (listener != NULL) {
        drop(binding, listener);
    }
    if (may_be_left_out(binding, result)) {
        binding->left_out = binding->error == 0 ? i : binding->left_out;
        binding->error = binding->error == 0 ? result : binding->error;
        return 0;
    }
    binding->server->address = *address;
    return result;
}

/* 0; 1: the port that the system has picked for one is in use for another; or an error. */
static int bind_once(struct binding *binding)
{
    int port = 0;
    int result = 0;

    binding->last = NULL;
    binding->error = 0;
    for (int i = 0; result == 0 && i < binding->count; i++) {
        struct eddy_address address = binding->addresses[i];
        bool picks = eddy_address_port(&address) == 0;
        if (is_repeated(binding, i)) {
            continue;
        }
        set_port(&address, port);
        result = bind_next(binding, &address, i);
        if (result == -EADDRINUSE && picks && port > 0) {
            result = 1;
        } else if (result == 0 && picks && port == 0 && binding->last != NULL) {
            port = eddy_address_port(&binding->last->address);
        }
    }
    if (result == 0 && binding->last == NULL) {
        binding->server->address = binding->addresses[binding->left_out];
        result = binding->error;
    }
    return result;
}

static int bind_all(struct binding *binding)
{
    int result = 1;

    for (int tries = 0; result == 1 && tries < PORT_TRIES; tries++) {
        result = bind_once(binding);
        if (result != 0) {
            eddy_listeners_give_up(binding->server, binding->last, true);
        }
    }
    return result == 1 ? -EADDRINUSE : result;
}

/* What is left out was not asked for by its name, so the program goes on; but it is not silent. */
static void tell_left_out(const struct binding *binding)
{
    const eddy_task none = {NULL, 0};
    char name[EDDY_FD_TEXT];

    if (binding->rule == EDDY_LISTEN_SOME && binding->error != 0) {
        (void)eddy_address_format(&binding->addresses[binding->left_out], name, sizeof name);
        eddy_loop_report(
            binding->server->loop, none, binding->error, "server: %s (%s) is left out: %s", name,
            eddy_place_in(binding->server->named_place), eddy_strerror(binding->error));
    }
}

/* ---- listening */

static int listen_on_all(eddy_server *server)
{
    const struct eddy_sys *sys = server->loop->sys;
    int backlog = server->backlog > 0 ? server->backlog : SOMAXCONN;
    int result = 0;

    for (struct eddy_listener *listener = &server->first; result == 0 && listener != NULL;
         listener = listener->next) {
        result = sys->listen(sys, listener->io.fd, backlog);
        if (result < 0) {
            server->address = listener->address;
        }
    }
    return result;
}

int eddy_server_listen(eddy_coro *co, eddy_server *server, const struct eddy_address *addresses,
                       int count, enum eddy_listen_rule rule)
{
    struct binding binding = {server, addresses, count, rule, NULL, 0, 0};
    int result = bind_all(&binding);

    if (result < 0) {
        return result;
    }
    result = listen_on_all(server);
    if (result == 0) {
        result = eddy_server_open(co, server);
    }
    if (result < 0) {
        eddy_listeners_give_up(server, &server->first, true);
        return result;
    }
    tell_left_out(&binding); /* last: the hook may close it */
    return 0;
}

/* ---- what is known of them */

int eddy_server_addresses(const eddy_server *server, struct eddy_address *addresses, int most)
{
    int count = 0;

    for (const struct eddy_listener *listener = &server->first;
         server->listening > 0 && listener != NULL; listener = listener->next) {
        if (eddy_io_started(&listener->io)) {
            if (count < most) {
                addresses[count] = listener->address;
            }
            count++;
        }
    }
    return count;
}
