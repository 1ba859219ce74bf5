/* Numeric addresses, and sockets for them. */
#ifndef EDDY_SRC_ADDRESS_H
#define EDDY_SRC_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "eddy/loop.h"

struct eddy_address {
    struct sockaddr_storage storage;
    socklen_t size;
};

/* Reads a numeric IPv4 or IPv6 address; -EINVAL if it is none, or the port is not 0..65535. */
int eddy_address_parse(struct eddy_address *address, const char *host, int port);

/* "127.0.0.1:80", "[::1]:80", "unix:/run/socket"; false if it is of no such family. */
bool eddy_address_format(const struct eddy_address *address, char *text, size_t size);

int eddy_address_port(const struct eddy_address *address);

/* A nonblocking, close-on-exec stream socket, never one of the numbers 0 to 2, which programs
 * print to. */
int eddy_socket_new(eddy_loop *loop, int family);

/* Small messages are sent at once. An error leaves the socket slower, not wrong. */
void eddy_socket_no_delay(eddy_loop *loop, int fd);

#endif
