/*
 * What only Unix-domain sockets can (unix(7)): who the peer is, and handing over fds.
 *
 *     eddy_await(eddy_send_fds(co, &self->stream, "f", 1, &self->fds));
 *
 *     eddy_await(self->count, eddy_receive_fds(co, &self->stream, self->buffer, sizeof self->buffer,
 *                                              &self->fds));
 *
 * fds go with bytes, and belong to the first of those they are sent with: what reads that byte in another
 * way (eddy_read, a reader, a copy) loses them, for the kernel closes what nobody takes. So a protocol
 * says where fds come, or who receives them is the only one who reads.
 */
#ifndef EDDY_UNIX_H
#define EDDY_UNIX_H

#include <sys/types.h>

#include "eddy/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A process, and on whose behalf it runs. */
struct eddy_credentials {
    pid_t pid; /* 0: one that this process cannot see, of another pid namespace */
    uid_t uid;
    gid_t gid;
};

/* Who the peer of a stream is: the process that connected, listened or made the pair, as it was then
 * (SO_PEERCRED). It may have handed its end to another since. 0; -EBADF: the stream is not open;
 * -EOPNOTSUPP: it is not on a Unix-domain socket. */
EDDY_API int eddy_stream_peer(eddy_stream *stream, struct eddy_credentials *peer);

/* The most fds that go with one piece of data: one less than the kernel allows (SCM_MAX_FD), for musl does not pass on
 * more. */
enum { EDDY_MOST_FDS = 252 };

/* fds to be sent, or to be received. The caller's, also where it points to, until the operation has
 * returned: not on the C stack. */
struct eddy_fds {
    int *fds;
    int room; /* receiving: how many fit, 0 to EDDY_MOST_FDS */
    int count; /* sending: how many, 0 to EDDY_MOST_FDS. Receiving: how many have come, and are there */
    int lost;   /* set by receiving: how many more came and were closed */
    void *data; /* private */
};

/* Writes all of the data (size >= 1) as eddy_write does, and the fds with its first byte: they arrive
 * with it or not at all. They stay the caller's, too, who may close his as soon as eddy_stream_written is
 * not 0: what is on its way is a duplicate. Returns `size`; errors and a cancel as eddy_write;
 * -EOPNOTSUPP: not a Unix-domain socket; -EINVAL: no data, or too many fds; -EBADF also: one of the fds is
 * not open; -ETOOMANYREFS: too many are on their way (unix(7)). */
EDDY_API EDDY_MUST_USE int64_t eddy_send_fds(eddy_coro *co, eddy_stream *stream, const void *data,
                                             size_t size, struct eddy_fds *fds);

/* Reads what there is as eddy_read does (size >= 1), and the fds that came with the first of it, all of
 * them close-on-exec and none of them 0 to 2. They are the caller's, who closes them; if the result is an
 * error, or 0 for the end, there are none. What comes beyond the room is closed and counted as lost; so is
 * what does not fit into the process (RLIMIT_NOFILE), of which the kernel says only that it was one or
 * more. -ECANCELED: nothing was read, and the fds are still in the socket. Errors as eddy_read;
 * -EOPNOTSUPP: not a Unix-domain socket; -EINVAL: no size, or too much room. */
EDDY_API EDDY_MUST_USE int64_t eddy_receive_fds(eddy_coro *co, eddy_stream *stream, void *buffer,
                                                size_t size, struct eddy_fds *fds);

#ifdef __cplusplus
}
#endif

#endif
