/*
 * Addresses as text and as what the kernel takes, and what is the same for every socket of a stream.
 *
 *     is shown as          is given as     how the kernel has it
 *     192.0.2.1:80         192.0.2.1       inet_pton(3): four numbers, none of the old short forms
 *     [fe80::1%eth0]:80    fe80::1%eth0    a scope by the name or number of its interface
 *     unix:/run/x          /run/x          the path and a zero byte behind it
 *     unix:@name           @name           abstract: a zero byte in place of the @
 *
 * What is parsed here never asks a name server, so an address given as text connects and is served
 * without threads. The short forms ("127.1") are refused rather than guessed, here and by the resolver
 * (resolve.c). An address that comes from a peer is made printable: a path may hold any byte.
 *
 * Every socket is made non-blocking and close-on-exec in the call that makes it, and never as fd 0 to 2:
 * what a program prints would go to a peer.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "loop/loop_internal.h"

/* "eth0", or "2": the scope of an address that is link-local (the interface's name or number, as
 * getaddrinfo(3) reads it), and of others a number only. 0: there is no such. */
static uint32_t parse_scope(const struct in6_addr *address, const char *text)
{
    bool is_local = IN6_IS_ADDR_LINKLOCAL(address) || IN6_IS_ADDR_MC_LINKLOCAL(address);
    uint32_t scope = is_local ? if_nametoindex(text) : 0;
    uint64_t number = 0;

    for (size_t i = 0; scope == 0 && text[i] != '\0'; i++) {
        number = number * 10 + (uint64_t)(text[i] - '0');
        if (text[i] < '0' || text[i] > '9' || number > UINT32_MAX) {
            return 0;
        }
    }
    return scope != 0 ? scope : (uint32_t)number;
}

/* "::1", or "fe80::1%eth0". */
static bool parse_ipv6(struct sockaddr_in6 *in6, const char *host)
{
    const char *scope = strchr(host, '%');
    size_t length = scope != NULL ? (size_t)(scope - host) : strlen(host);
    char address[INET6_ADDRSTRLEN];

    if (length >= sizeof address) {
        return false;
    }
    memcpy(address, host, length);
    address[length] = '\0';
    if (inet_pton(AF_INET6, address, &in6->sin6_addr) != 1) {
        return false;
    }
    in6->sin6_scope_id = scope != NULL ? parse_scope(&in6->sin6_addr, scope + 1) : 0;
    return scope == NULL || in6->sin6_scope_id != 0;
}

int eddy_address_parse(struct eddy_address *address, const char *host, int port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&address->storage;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&address->storage;

    memset(address, 0, sizeof *address);
    if (port < 0 || port > 65535) {
        return -EINVAL;
    }
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        address->size = sizeof *in;
        return 0;
    }
    if (parse_ipv6(in6, host)) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        address->size = sizeof *in6;
        return 0;
    }
    return -EINVAL;
}

int eddy_address_unix(struct eddy_address *address, const char *path)
{
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)&address->storage;
    bool is_abstract = path[0] == '@';
    const char *name = is_abstract ? path + 1 : path;
    size_t length = strlen(name);

    memset(address, 0, sizeof *address);
    if (length == 0) {
        return -EINVAL;
    }
    if (length >= sizeof un->sun_path) { /* beside it there is a zero byte, in front or behind */
        return -ENAMETOOLONG;
    }
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + is_abstract, name, length);
    address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return 0;
}

const char *eddy_address_path(const struct eddy_address *address)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&address->storage;

    return address->storage.ss_family == AF_UNIX &&
                   address->size > offsetof(struct sockaddr_un, sun_path) && un->sun_path[0] != '\0'
               ? un->sun_path
               : NULL;
}

/* An abstract name begins with a zero byte, which is written as @; one end of a socketpair has no
 * name. */
static void format_unix(const struct eddy_address *address, char *text, size_t size)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&address->storage;
    size_t length = address->size > offsetof(struct sockaddr_un, sun_path)
                        ? address->size - offsetof(struct sockaddr_un, sun_path)
                        : 0;

    if (length == 0) {
        snprintf(text, size, "unix");
    } else if (un->sun_path[0] == '\0') {
        snprintf(text, size, "unix:@%.*s", (int)length - 1, un->sun_path + 1);
    } else {
        snprintf(text, size, "unix:%.*s", (int)length, un->sun_path);
    }
    eddy_make_printable(text);
}

/* The interface of an address that has one, "%eth0", by its number if it is gone. */
static void format_scope(uint32_t scope, char text[IF_NAMESIZE + 1])
{
    text[0] = scope != 0 ? '%' : '\0';
    if (scope != 0 && if_indextoname(scope, text + 1) == NULL) {
        snprintf(text + 1, IF_NAMESIZE, "%u", (unsigned)scope);
    }
    eddy_make_printable(text);
}

bool eddy_address_format(const struct eddy_address *address, char *text, size_t size)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address->storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&address->storage;
    char host[INET6_ADDRSTRLEN] = "";
    char scope[IF_NAMESIZE + 1];

    switch (address->storage.ss_family) {
    case AF_INET:
        (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(text, size, "%s:%d", host, eddy_address_port(address));
        return true;
    case AF_INET6:
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        format_scope(in6->sin6_scope_id, scope);
        snprintf(text, size, "[%s%s]:%d", host, scope, eddy_address_port(address));
        return true;
    case AF_UNIX:
        format_unix(address, text, size);
        return true;
    default:
        return false;
    }
}

int eddy_address_port(const struct eddy_address *address)
{
    switch (address->storage.ss_family) {
    case AF_INET:
        return ntohs(((const struct sockaddr_in *)(const void *)&address->storage)->sin_port);
    case AF_INET6:
        return ntohs(((const struct sockaddr_in6 *)(const void *)&address->storage)->sin6_port);
    default:
        return -EINVAL;
    }
}

bool eddy_address_is_tcp(const struct eddy_address *address)
{
    return address->storage.ss_family == AF_INET || address->storage.ss_family == AF_INET6;
}

int eddy_socket_new(eddy_loop *loop, const struct eddy_address *address)
{
    const struct eddy_sys *sys = loop->sys;
    int family = address->storage.ss_family;

    if (!eddy_address_is_tcp(address) && family != AF_UNIX) {
        return -EAFNOSUPPORT;
    }
    return eddy_above_stdio(
        loop, sys->socket(sys, family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

int eddy_socket_unsent(eddy_loop *loop, int fd)
{
    int unsent = 0;

    return loop->sys->unsent(loop->sys, fd, &unsent) == 0 ? unsent : 0;
}

void eddy_socket_no_delay(eddy_loop *loop, int fd)
{
    const int on = 1;

    (void)loop->sys->setsockopt(loop->sys, fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}
