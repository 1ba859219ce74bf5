/*
 * Words for people: what is behind an fd.
 *
 * A number says nothing, so the dump and the leak report name the peer. It is asked of the kernel when
 * somebody looks, not kept for each connection: that would cost each of a million idle clients its 28
 * bytes. Who is on its way to a peer is told by that (SO_PEERNAME answers before the connection
 * stands), a listener by its own address. If the kernel says nothing, the number has to do.
 */

#include "look/describe.h"

#include <stdio.h>
#include <string.h>

#include "net/address.h"

/* A stream socket that has no peer and does not listen is on its way to one: of whom its own address
 * says nothing, but the kernel knows. */
static int address_of(const struct eddy_sys *sys, int fd, struct eddy_address *address)
{
    struct sockaddr *raw = (struct sockaddr *)&address->storage;
    int type = 0;
    int listens = 0;
    socklen_t size = sizeof type;
    int result = sys->getsockname(sys, fd, raw, &address->size);

    if (result < 0 || sys->getsockopt(sys, fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
        sys->getsockopt(sys, fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0) {
        return -ENOTCONN;
    }
    return type == SOCK_STREAM && listens == 0
               ? sys->getsockopt(sys, fd, SOL_SOCKET, SO_PEERNAME, raw, &address->size)
               : 0;
}

void eddy_describe_fd(eddy_loop *loop, int fd, char *text, size_t size)
{
    const struct eddy_sys *sys = loop->sys;
    struct eddy_address address = {.size = sizeof address.storage};
    struct sockaddr *raw = (struct sockaddr *)&address.storage;
    char name[EDDY_FD_TEXT];
    int result = sys->getpeername(sys, fd, raw, &address.size);

    if (result < 0) {
        address.size = sizeof address.storage;
        result = address_of(sys, fd, &address);
    }
    if (result < 0 || !eddy_address_format(&address, name, sizeof name)) {
        snprintf(text, size, "fd %d", fd);
    } else {
        snprintf(text, size, "fd %d (%s)", fd, name);
    }
}
