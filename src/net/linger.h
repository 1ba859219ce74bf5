/* Connections that a server has done with, and that are closed without a reset. A server has ended only
 * when nobody lingers: linger.c tells it of each that is closed. */
#ifndef EDDY_SRC_LINGER_H
#define EDDY_SRC_LINGER_H

#include "eddy/server.h"

/* Takes over the open stream of a client that has been served: its fd is closed when the peer has
 * sent its end, or after the server's time. 0 if it is to be closed at once, or the error that keeps it from
 * lingering: the caller closes the stream if it is still open. */
int eddy_linger_begin(eddy_server *server, eddy_stream *stream);

/* Tells the error hook of such an error, once until a client has lingered again. */
void eddy_linger_tell(eddy_server *server, int error);

/* The server listens no more: those to whom all is delivered need not be waited for. */
void eddy_linger_hurry(eddy_server *server);

/* Closes all that linger of a server at once. */
void eddy_linger_cut(eddy_server *server);

#endif
