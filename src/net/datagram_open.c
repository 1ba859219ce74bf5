/*
 * Datagram sockets: opening, closing, and what is said of them in between without waiting.
 *
 * An error leaves the socket as it was before the call. What is bound to a path removes it as a server
 * does: before the fd is closed, and only if the file is still the same (socket_path.c).
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>

#include "loop/look.h"
#include "net/address.h"
#include "net/connect_internal.h"
#include "net/datagram_internal.h"
#include "net/socket_path.h"

/* ---- opening */

static int watch(eddy_loop *loop, eddy_datagram *socket, int fd, const char *place)
{
    int result;

    memset(socket, 0, sizeof *socket);
    result =
        eddy_io_watch(loop, &socket->io, fd, 0, EDDY_IO_EDGE_DATAGRAM, eddy_datagram_on_events);
    if (result == 0 && loop->current != NULL) {
        result = eddy_guard_add(loop->current, &socket->io.ready.link);
        if (result < 0) {
            (void)eddy_io_release(&socket->io);
        }
    }
    if (result == 0) {
        socket->state = EDDY_DATAGRAM_OPEN | EDDY_READ | EDDY_WRITE;
        eddy_look_note_place(loop, &socket->io, place);
    }
    return result;
}

int eddy_datagram_open_(eddy_loop *loop, eddy_datagram *socket, int family, const char *place)
{
    const struct eddy_sys *sys = loop->sys;
    int result;
    int fd;

    eddy_loop_here(loop, "eddy_datagram_open");
    if (eddy_datagram_is_open(socket)) {
        return -EINVAL;
    }
    if (family != AF_INET && family != AF_INET6 && family != AF_UNIX) {
        return -EAFNOSUPPORT;
    }
    fd = eddy_above_stdio(loop,
                          sys->socket(sys, family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    result = fd < 0 ? fd : watch(loop, socket, fd, place);
    if (result < 0) {
        if (fd >= 0) {
            (void)sys->close(sys, fd);
        }
        return result;
    }
    socket->family = family;
    socket->state |= EDDY_DATAGRAM_DRAINS;
    return 0;
}

int(eddy_datagram_open)(eddy_loop *loop, eddy_datagram *socket, int family)
{
    return eddy_datagram_open_(loop, socket, family, NULL);
}

static int ask(const struct eddy_sys *sys, int fd, int name, int *value)
{
    socklen_t size = sizeof *value;

    return sys->getsockopt(sys, fd, SOL_SOCKET, name, value, &size);
}

int eddy_datagram_open_fd_(eddy_loop *loop, eddy_datagram *socket, int fd, const char *place)
{
    const struct eddy_sys *sys = loop->sys;
    int type = 0;
    int family = 0;
    int flags = sys->fcntl(sys, fd, F_GETFL, 0);
    int result = flags < 0 ? flags : ask(sys, fd, SO_TYPE, &type);

    eddy_loop_here(loop, "eddy_datagram_open_fd");
    if (result == 0) {
        result = type == SOCK_DGRAM ? ask(sys, fd, SO_DOMAIN, &family) : -EPROTOTYPE;
    }
    if (result == 0) {
        result = eddy_datagram_is_open(socket) ? -EINVAL : eddy_io_make_way(loop, fd, false);
    }
    if (result == 0) {
        result = sys->fcntl(sys, fd, F_SETFL, flags | O_NONBLOCK);
    }
    if (result == 0) {
        result = watch(loop, socket, fd, place);
    }
    if (result == 0) {
        socket->family = family;
    }
    return result;
}

int(eddy_datagram_open_fd)(eddy_loop *loop, eddy_datagram *socket, int fd)
{
    return eddy_datagram_open_fd_(loop, socket, fd, NULL);
}

/* ---- closing */

static void end_wait(struct eddy_task_record *task, int64_t result)
{
    (void)task->wait->abort(task);
    eddy_wake(task, result);
}

void eddy_datagram_close_with(eddy_datagram *socket, int64_t result)
{
    const struct eddy_sys *sys = socket->io.loop->sys;

    if ((socket->state & EDDY_DATAGRAM_READING) != 0) {
        end_wait(socket->reader, result);
    }
    if ((socket->state & EDDY_DATAGRAM_WRITING) != 0) {
        end_wait(socket->writer, result);
    }
    eddy_socket_path_remove(socket->path);
    socket->path = NULL;
    socket->state = 0;
    if (eddy_io_release(&socket->io)) {
        (void)sys->close(sys, socket->io.fd);
    }
}

void eddy_datagram_close(eddy_datagram *socket)
{
    if (eddy_datagram_is_open(socket)) {
        eddy_loop_here(socket->io.loop, __func__);
        eddy_datagram_close_with(socket, -EBADF);
    }
}

int eddy_datagram_fd(eddy_datagram *socket)
{
    return eddy_datagram_is_open(socket) ? socket->io.fd : -1;
}

/* ---- addresses */

int eddy_datagram_bind(eddy_datagram *socket, const struct eddy_address *address)
{
    const struct eddy_sys *sys;
    int result;

    if (!eddy_datagram_is_open(socket)) {
        return -EBADF;
    }
    eddy_loop_here(socket->io.loop, __func__);
    sys = socket->io.loop->sys;
    result =
        sys->bind(sys, socket->io.fd, (const struct sockaddr *)&address->storage, address->size);
    return result < 0 ? result : eddy_socket_path_keep(socket->io.loop, address, &socket->path);
}

int eddy_datagram_connect(eddy_datagram *socket, const struct eddy_address *address)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    const struct eddy_sys *sys;

    if (!eddy_datagram_is_open(socket)) {
        return -EBADF;
    }
    eddy_loop_here(socket->io.loop, __func__);
    sys = socket->io.loop->sys;
    socket->state &= ~(uint32_t)EDDY_DATAGRAM_DRAINS;
    return address == NULL
               ? sys->connect(sys, socket->io.fd, &nobody, sizeof nobody)
               : sys->connect(sys, socket->io.fd, (const struct sockaddr *)&address->storage,
                              address->size);
}

int eddy_datagram_address(eddy_datagram *socket, struct eddy_address *address)
{
    const struct eddy_sys *sys;

    if (!eddy_datagram_is_open(socket)) {
        return -EBADF;
    }
    sys = socket->io.loop->sys;
    address->size = sizeof address->storage;
    return sys->getsockname(sys, socket->io.fd, (struct sockaddr *)&address->storage,
                            &address->size);
}

/* ---- options */

int eddy_datagram_set(eddy_datagram *socket, const struct eddy_socket_option *options, int count)
{
    if (!eddy_datagram_is_open(socket)) {
        return -EBADF;
    }
    eddy_loop_here(socket->io.loop, __func__);
    return eddy_socket_set(socket->io.loop, socket->io.fd, socket->family, options, count);
}

int eddy_datagram_broadcast(eddy_datagram *socket, bool on)
{
    const struct eddy_socket_option option = {
        .level = SOL_SOCKET, .name = SO_BROADCAST, .value = on};

    return eddy_datagram_set(socket, &option, 1);
}

/* IPv4's word for it, or IPv6's. */
static int set_either(eddy_datagram *socket, int name, int name6, int value)
{
    const struct eddy_socket_option options[] = {
        {.level = IPPROTO_IP, .name = name, .value = value},
        {.level = IPPROTO_IPV6, .name = name6, .value = value},
    };

    if (eddy_datagram_is_open(socket) && socket->family == AF_UNIX) {
        return -EOPNOTSUPP;
    }
    return eddy_datagram_set(socket, options, 2);
}

int eddy_datagram_multicast_hops(eddy_datagram *socket, int hops)
{
    return set_either(socket, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, hops);
}

int eddy_datagram_multicast_loop(eddy_datagram *socket, bool on)
{
    return set_either(socket, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, on);
}

int eddy_datagram_multicast_interface(eddy_datagram *socket, unsigned interface)
{
    const struct ip_mreqn by_number = {.imr_ifindex = (int)interface};
    const struct eddy_socket_option options[] = {
        {IPPROTO_IP, IP_MULTICAST_IF, 0, &by_number, sizeof by_number},
        {IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)interface, NULL, 0},
    };

    return eddy_datagram_set(socket, options, 2);
}

static int set_membership(eddy_datagram *socket, int name, const struct eddy_address *group,
                          unsigned interface)
{
    struct group_req request = {.gr_interface = interface};
    const struct eddy_socket_option options[] = {
        {IPPROTO_IP, name, 0, &request, sizeof request},
        {IPPROTO_IPV6, name, 0, &request, sizeof request},
    };

    if (eddy_datagram_is_open(socket) && group->storage.ss_family != socket->family) {
        return -EINVAL;
    }
    memcpy(&request.gr_group, &group->storage, sizeof request.gr_group);
    return eddy_datagram_set(socket, options, 2);
}

int eddy_datagram_join(eddy_datagram *socket, const struct eddy_address *group, unsigned interface)
{
    return set_membership(socket, MCAST_JOIN_GROUP, group, interface);
}

int eddy_datagram_leave(eddy_datagram *socket, const struct eddy_address *group, unsigned interface)
{
    return set_membership(socket, MCAST_LEAVE_GROUP, group, interface);
}
