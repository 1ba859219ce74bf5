/* Streams, as connect and server see them. */
#ifndef EDDY_SRC_STREAM_INTERNAL_H
#define EDDY_SRC_STREAM_INTERNAL_H

#include "eddy/stream.h"
#include "task_internal.h"

/* Opens a stream on a nonblocking TCP or other stream socket. */
int eddy_stream_adopt(eddy_loop *loop, eddy_stream *stream, int fd, bool tcp);

/* Gives the fd of an open stream on which nobody waits back to the caller. */
void eddy_stream_disown(eddy_stream *stream);

#endif
