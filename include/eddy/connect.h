/* Connecting to a server. */
#ifndef EDDY_CONNECT_H
#define EDDY_CONNECT_H

#include "eddy/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Connects the stream (zeroed, or closed) to a TCP server. `host` is a numeric address,
 * "127.0.0.1" or "::1", or a name, which is copied; port 1..65535. The addresses of a name (see
 * eddy_resolve; 16 at most) are tried in turn, until one answers or the deadline of an
 * eddy_wait_for around it is over. Returns 0, and the stream is open; or an error, and it is not:
 * -EINVAL (neither an address nor a name, no such port, or the stream is open); that of
 * eddy_resolve (-ENOENT: no such host); of a name that of its first address: -ECONNREFUSED and
 * the like of connect(2), -EMFILE and the like of socket(2); -ENOMEM; -ECANCELED; -EBADF: the
 * stream was closed meanwhile. TCP_NODELAY is set. */
EDDY_API EDDY_MUST_USE int64_t eddy_connect(eddy_coro *co, eddy_stream *stream, const char *host,
                                            int port);

#ifdef __cplusplus
}
#endif

#endif
