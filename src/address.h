/* Sockets for addresses. */
#ifndef EDDY_SRC_ADDRESS_H
#define EDDY_SRC_ADDRESS_H

#include "eddy/address.h"
#include "eddy/loop.h"

/* A nonblocking, close-on-exec stream socket, never one of the numbers 0 to 2, which programs
 * print to. */
int eddy_socket_new(eddy_loop *loop, int family);

/* Small messages are sent at once. An error leaves the socket slower, not wrong. */
void eddy_socket_no_delay(eddy_loop *loop, int fd);

#endif
