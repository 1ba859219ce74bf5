/*
 * The socket of a connect, until it has connected or begun to: made, prepared, on its way.
 *
 *     TCP_NODELAY, the options     before the bind, for some are about that (SO_REUSEADDR,
 *                                  SO_BINDTODEVICE); in their order, so the user's have the last word
 *     the local address            one without a port gets one with connect(2), when the peer is known:
 *                                  so as many connections have one port as there are peers, where
 *                                  bind(2) alone would take a port for each (IP_BIND_ADDRESS_NO_PORT)
 *     connect(2)                   last, and before the fd is registered: epoll would report a socket
 *                                  that was never connected as hung up
 *
 * What fails closes the fd: it is nobody's yet.
 */
#include <netinet/in.h>
#include <string.h>

#include "net/connect_internal.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24 /* Linux 4.2; libc's headers may be older */
#endif

/* ---- before the connect */

/* An option of IPv4 alone, or of IPv6 alone, is none of the other's sockets. */
static bool is_for(const struct eddy_socket_option *option, int family)
{
    return !(option->level == IPPROTO_IP && family != AF_INET) &&
           !(option->level == IPPROTO_IPV6 && family != AF_INET6);
}

int eddy_socket_set(eddy_loop *loop, int fd, int family, const struct eddy_socket_option *options,
                    int count)
{
    const struct eddy_sys *sys = loop->sys;
    int result = 0;

    for (int i = 0; i < count && result == 0; i++) {
        const struct eddy_socket_option *each = &options[i];
        bool has_data = each->data != NULL;
        if (is_for(each, family)) {
            result = sys->setsockopt(sys, fd, each->level, each->name,
                                     has_data ? each->data : &each->value,
                                     has_data ? each->size : (socklen_t)sizeof each->value);
        }
    }
    return result;
}

static int bind_to(eddy_loop *loop, int fd, const struct eddy_address *local, int family)
{
    const struct eddy_sys *sys = loop->sys;
    const int on = 1;

    if (local->storage.ss_family != family) {
        return -EAFNOSUPPORT;
    }
    if (eddy_address_port(local) ==
        0) { /* an old kernel picks it at once, and may run out of them */
        (void)sys->setsockopt(sys, fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    }
    return sys->bind(sys, fd, (const struct sockaddr *)&local->storage, local->size);
}

static int prepare(eddy_loop *loop, int fd, int family, const struct eddy_connect_options *options)
{
    int result;

    if (options == NULL) {
        return 0;
    }
    result = eddy_socket_set(loop, fd, family, options->socket_options, options->option_count);
    return result == 0 && options->local != NULL ? bind_to(loop, fd, options->local, family)
                                                 : result;
}

/* ---- connecting to oneself */

/* Whether an address is "any" one, by which connect(2) means the host itself. */
static bool is_any(const struct eddy_address *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address->storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&address->storage;

    return address->storage.ss_family == AF_INET ? in->sin_addr.s_addr == INADDR_ANY
                                                 : IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
}

static bool is_same(const struct eddy_address *one, const struct eddy_address *other)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&one->storage;
    const struct sockaddr_in *in2 = (const struct sockaddr_in *)(const void *)&other->storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&one->storage;
    const struct sockaddr_in6 *in62 = (const struct sockaddr_in6 *)(const void *)&other->storage;

    return one->storage.ss_family == AF_INET
               ? in->sin_addr.s_addr == in2->sin_addr.s_addr
               : memcmp(&in6->sin6_addr, &in62->sin6_addr, sizeof in6->sin6_addr) == 0;
}

/* Whether the system has picked as the socket's own port the very one that it is to connect to, of
 * this host: then nobody listens there, and TCP connects the socket to itself (simultaneous open). */
static bool is_to_itself(eddy_loop *loop, int fd, const struct eddy_address *address)
{
    const struct eddy_sys *sys = loop->sys;
    struct eddy_address own = {.size = sizeof own.storage};

    if (sys->getsockname(sys, fd, (struct sockaddr *)&own.storage, &own.size) < 0 ||
        eddy_address_port(&own) != eddy_address_port(address)) {
        return false;
    }
    return is_any(address) || is_same(&own, address);
}

/* ---- on the way */

static int start(eddy_loop *loop, int fd, const struct eddy_address *address,
                 const struct eddy_connect_options *options, bool *connecting)
{
    const struct eddy_sys *sys = loop->sys;
    bool tcp = eddy_address_is_tcp(address);
    int result;

    if (tcp) {
        eddy_socket_no_delay(loop, fd);
    }
    result = prepare(loop, fd, address->storage.ss_family, options);
    if (result < 0) {
        return result;
    }
    result = sys->connect(sys, fd, (const struct sockaddr *)&address->storage, address->size);
    /* interrupted, it goes on by itself; a Unix-domain socket connects at once or not at all */
    *connecting = tcp && (result == -EINPROGRESS || result == -EINTR);
    if (tcp && (result == 0 || *connecting) && is_to_itself(loop, fd, address)) {
        return -ECONNREFUSED;
    }
    return *connecting ? 0 : result;
}

int eddy_connect_begin(eddy_loop *loop, const struct eddy_address *address,
                       const struct eddy_connect_options *options, bool *connecting)
{
    int fd = eddy_socket_new(loop, address);
    int result;

    *connecting = false;
    if (fd < 0) {
        return fd;
    }
    result = start(loop, fd, address, options, connecting);
    if (result < 0) {
        (void)loop->sys->close(loop->sys, fd);
        return result;
    }
    return fd;
}

int eddy_connect_outcome(eddy_loop *loop, int fd)
{
    const struct eddy_sys *sys = loop->sys;
    int error = 0;
    socklen_t size = sizeof error;
    int result = sys->getsockopt(sys, fd, SOL_SOCKET, SO_ERROR, &error, &size);

    return result < 0 ? result : -error;
}

int eddy_connect_open(struct eddy_task_record *task, eddy_stream *stream, int fd,
                      const struct eddy_address *address, bool connecting)
{
    eddy_loop *loop = eddy_task_loop(task);
    int result = eddy_stream_adopt(loop, stream, fd, eddy_address_is_tcp(address));

    if (result < 0) {
        (void)loop->sys->close(loop->sys, fd);
        return result;
    }
    if (connecting) {
        stream->state &= ~(uint32_t)EDDY_WRITE; /* it is writable when it has connected */
    }
    result = eddy_guard_add(task, &stream->io.ready.link);
    if (result < 0) {
        eddy_stream_close(stream);
    }
    return result;
}
