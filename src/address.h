/* Sockets for addresses. */
#ifndef EDDY_SRC_ADDRESS_H
#define EDDY_SRC_ADDRESS_H

#include "eddy/address.h"
#include "eddy/loop.h"

/* "127.0.0.1:80", "[::1]:80", "unix:/run/socket"; false if it is of no such family. */
bool eddy_address_format(const struct eddy_address *address, char *text, size_t size);

/* A nonblocking, close-on-exec stream socket, never one of the numbers 0 to 2, which programs
 * print to. */
int eddy_socket_new(eddy_loop *loop, int family);

/* Small messages are sent at once. An error leaves the socket slower, not wrong. */
void eddy_socket_no_delay(eddy_loop *loop, int fd);

#endif
