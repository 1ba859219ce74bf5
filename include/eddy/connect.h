/* Connecting to a server. A program that connects by address alone (eddy_connect_to) is linked
 * neither with threads nor with the resolver. */
#ifndef EDDY_CONNECT_H
#define EDDY_CONNECT_H

#include "eddy/address.h"
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
 * stream was closed meanwhile. TCP_NODELAY is set. A port of this host on which nobody listens is
 * -ECONNREFUSED also when the system picks that very port for the new socket. */
EDDY_API EDDY_MUST_USE int64_t eddy_connect(eddy_coro *co, eddy_stream *stream, const char *host,
                                            int port);
#define eddy_connect(...) eddy_connect_(__VA_ARGS__, EDDY_PLACE_)

/*
 * As eddy_connect, to an address of eddy_address_parse, eddy_resolve or eddy_address_unix, which is
 * copied. -EINVAL: its port is 0, or the stream is open; -EAFNOSUPPORT: it is neither TCP's nor
 * Unix-domain.
 *
 * Of a Unix-domain address: -ENOENT: there is no such path; -ECONNREFUSED: nobody listens there
 * (any more); -EACCES: the path may not be written to. If the server's backlog is full, as it may be
 * while that has all the clients it takes, connect(2) is -EAGAIN, and no event tells when there is
 * room. As a client of TCP waits for it, this one does too: it tries again after 1 ms, 2, and so
 * on up to 64, until there is room or a cancel or time-out ends it. Who comes first is not first
 * served. Between two tries the stream is not open.
 */
EDDY_API EDDY_MUST_USE int64_t eddy_connect_to(eddy_coro *co, eddy_stream *stream,
                                               const struct eddy_address *address);
#define eddy_connect_to(...) eddy_connect_to_(__VA_ARGS__, EDDY_PLACE_)

/* Private. */
EDDY_API EDDY_MUST_USE int64_t eddy_connect_(eddy_coro *co, eddy_stream *stream, const char *host,
                                             int port, const char *place);
EDDY_API EDDY_MUST_USE int64_t eddy_connect_to_(eddy_coro *co, eddy_stream *stream,
                                                const struct eddy_address *address,
                                                const char *place);

#ifdef __cplusplus
}
#endif

#endif
