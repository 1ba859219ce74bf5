/* Addresses of sockets. */
#ifndef EDDY_ADDRESS_H
#define EDDY_ADDRESS_H

#include <sys/socket.h>

#include "eddy/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An IPv4 or IPv6 address with its port, as bind(2) and connect(2) take it. */
struct eddy_address {
    struct sockaddr_storage storage;
    socklen_t size; /* of what is used of it */
};

/* Reads a numeric address, "127.0.0.1" or "::1". 0; -EINVAL if it is none, or the port is not
 * 0..65535. */
EDDY_API int eddy_address_parse(struct eddy_address *address, const char *host, int port);

EDDY_API int eddy_address_port(const struct eddy_address *address);

#ifdef __cplusplus
}
#endif

#endif
