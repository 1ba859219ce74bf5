/* Connecting to a server. */
#ifndef EDDY_CONNECT_H
#define EDDY_CONNECT_H

#include "eddy/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Connects the stream (zeroed, or closed) to a TCP server. `host` is a numeric address,
 * "127.0.0.1" or "::1"; port 1..65535. Returns 0, and the stream is open; or an error, and it is
 * not: -EINVAL (no such address, or the stream is open), -ECONNREFUSED and the like of
 * connect(2), -EMFILE and the like of socket(2), -ENOMEM, -ECANCELED. TCP_NODELAY is set. */
EDDY_API EDDY_MUST_USE int64_t eddy_connect(eddy_coro *co, eddy_stream *stream, const char *host,
                                            int port);

#ifdef __cplusplus
}
#endif

#endif
