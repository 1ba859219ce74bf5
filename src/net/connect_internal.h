/* Connecting: what its files do for each other. */
#ifndef EDDY_SRC_CONNECT_INTERNAL_H
#define EDDY_SRC_CONNECT_INTERNAL_H

#include "net/stream_internal.h"

/* ---- connect_socket.c */

/* Sets the options that a socket of such a family knows, in their order: 0, or the first error. */
int eddy_socket_set(eddy_loop *loop, int fd, int family, const struct eddy_socket_option *options,
                    int count);

/* A new socket that has connected to the address, or has begun to (*connecting); or an error. */
int eddy_connect_begin(eddy_loop *loop, const struct eddy_address *address,
                       const struct eddy_connect_options *options, bool *connecting);

/* How the connect of a socket went that is writable or hung up by now: 0, or the error. Of one that
 * still tries it is 0, too. */
int eddy_connect_outcome(eddy_loop *loop, int fd);

/* Opens the stream on such a socket, which it closes if it cannot. */
int eddy_connect_open(struct eddy_task_record *task, eddy_stream *stream, int fd,
                      const struct eddy_address *address, bool connecting);

/* ---- connect.c */

/* The text of an error that an operation is about to return: the address, and what is wrong. */
void eddy_connect_tell(struct eddy_task_record *task, const struct eddy_address *address,
                       int64_t error);

#endif
