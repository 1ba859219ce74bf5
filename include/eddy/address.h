/* Addresses of sockets. */
#ifndef EDDY_ADDRESS_H
#define EDDY_ADDRESS_H

#include <sys/socket.h>

#include "eddy/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An IPv4 or IPv6 address with its port, or a Unix-domain address, as bind(2) and connect(2) take
 * it. */
struct eddy_address {
    struct sockaddr_storage storage;
    socklen_t size; /* of what is used of it */
};

/* Reads a numeric address, "127.0.0.1", "::1" or "fe80::1%eth0": a link-local one is of an
 * interface, whose name or number stands behind the % (ipv6(7), sin6_scope_id; of other addresses a
 * number only). 0; -EINVAL if it is none, there is no such interface, or the port is not 0..65535.
 * Wherever a host is given it may be such an address. */
EDDY_API int eddy_address_parse(struct eddy_address *address, const char *host, int port);

/* A Unix-domain address (unix(7)): a path; or, if it begins with '@', an abstract name, which is
 * what follows. (A file whose name begins so is "./@...".) An abstract name is no file: it goes with
 * the socket, and knows no permissions: every process of the network namespace may connect to it.
 * Names that other programs pad with zero bytes are others. 0; -EINVAL: there is no path or no name;
 * -ENAMETOOLONG: it has more than 107 bytes. */
EDDY_API int eddy_address_unix(struct eddy_address *address, const char *path);

/* The port; -EINVAL if it is an address without one. */
EDDY_API int eddy_address_port(const struct eddy_address *address);

#ifdef __cplusplus
}
#endif

#endif
