/* Sockets for addresses. */
#ifndef EDDY_SRC_ADDRESS_H
#define EDDY_SRC_ADDRESS_H

#include "eddy/address.h"
#include "eddy/loop.h"

/* The path of a Unix-domain address, an end of the string behind it; NULL if it has none. */
const char *eddy_address_path(const struct eddy_address *address);

/* Whether its stream sockets are TCP's. */
bool eddy_address_is_tcp(const struct eddy_address *address);

/* A nonblocking, close-on-exec stream socket for such an address, never one of the numbers 0 to 2,
 * which programs print to. -EAFNOSUPPORT: neither TCP nor Unix-domain; the errors of socket(2). */
int eddy_socket_new(eddy_loop *loop, const struct eddy_address *address);

/* How many bytes its peer has not taken yet of what was written (TIOCOUTQ of tcp(7), unix(7)): 0 if
 * the kernel does not say. */
int eddy_socket_unsent(eddy_loop *loop, int fd);

/* Small messages are sent at once. An error leaves the socket slower, not wrong. */
void eddy_socket_no_delay(eddy_loop *loop, int fd);

#endif
