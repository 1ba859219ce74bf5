/*
 * Transports: what streams move their bytes by.
 *
 * A stream is a socket, unless it has a transport: a table of functions that never wait. Then all that
 * works on streams works on it: eddy_read and its like, readers, copies, idle time-outs, the dump. The
 * library's own are those of pipes and terminals (eddy_stream_open makes them) and of memory
 * (eddy_memory_pair). One of yours embeds struct eddy_transport, is opened by
 * eddy_stream_open_transport or eddy_stream_open_over, and may rest on an fd, on another stream, or on
 * anything else of which it hears.
 *
 * A stream tries first and waits when its transport says -EAGAIN. From then on it does not try that
 * direction again before it is told that this may have changed: by an event of the fd, by one of the stream
 * below, or by eddy_transport_ready. So a transport must never say -EAGAIN unless one of these
 * follows. Being told in vain costs one try. docs/guide.md builds one step by step.
 */
#ifndef EDDY_TRANSPORT_H
#define EDDY_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "eddy/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_transport eddy_transport;

enum { EDDY_TRANSPORT_ENDED = 1 };

/* A kind of transport: static and constant. No function may wait, close its own stream or run the loop. Each
 * but `close` and `describe` returns a negated errno when it fails. */
struct eddy_transport_kind {
    const char *name; /* for people: "tls" */

    /* Takes at most `size` bytes of what has come: how many; 0 at the end; -EAGAIN: nothing is there. A
     * short count says nothing: it is called until it says -EAGAIN. `size` 0 asks for no byte, and may
     * bring about what comes before the first, such as a handshake: 0, or -EAGAIN while it goes on. */
    int64_t (*read)(eddy_transport *transport, void *buffer, size_t size);

    /* Takes over at most `size` (> 0) bytes: how many, at least 1; -EAGAIN: there is no room. What it has
     * taken counts as written, and need not stay where it was. -EPIPE: nobody will read it; raises no
     * signal. */
    int64_t (*write)(eddy_transport *transport, const void *data, size_t size);

    /* As `write`, for pieces of at least one byte together. NULL: `write` gets the first of them. */
    int64_t (*writev)(eddy_transport *transport, struct iovec *pieces, int count);

    /* Ends the sending direction: 0; -EAGAIN: not all is on its way yet, ask again when there is room
     * (eddy_writable). Called again after success it is 0. EDDY_TRANSPORT_ENDED: there is no other
     * direction, so the stream is closed, and what comes after is -EPIPE. NULL: it cannot be ended alone:
     * -EOPNOTSUPP. */
    int (*shutdown_write)(eddy_transport *transport);

    /* The stream ends: gives everything back, the transport's own memory too if it is to go. `fd` is what
     * it was opened on, for it to close; -1: there is none, or somebody else has closed it. The stream
     * below is free again and open, unless it was closed before (`below` is NULL). */
    void (*close)(eddy_transport *transport, int fd);

    /* The fd or the stream below has had events (enum eddy_io_event): what they mean for this
     * stream. Here a transport moves what it has kept back. Not called while another function of the same
     * transport runs, but right after. NULL: the same, and of a stream below EDDY_READ and EDDY_WRITE too,
     * since a read may have to write first, and a write to read. */
    unsigned (*events)(eddy_transport *transport, unsigned events);

    /* How many bytes it has taken that the peer has not, for idle time-outs. NULL: 0. */
    int (*unsent)(eddy_transport *transport);

    /* For people: writes what it leads to, such as "fd 7 (pipe)". NULL: its name, and what is below. */
    void (*describe)(const eddy_transport *transport, char *text, size_t size);

    /* Only tasks of the same loop end its waits, by eddy_transport_ready, such as those of a pair in
     * memory: tasks that wait on it do not keep the loop going, and a deadlock of them is told. A
     * stream below decides instead, if there is one. */
    bool inside;
};

/* The caller owns it, with `kind` set and the rest zeroed, until `close`. */
struct eddy_transport {
    const struct eddy_transport_kind *kind;
    eddy_stream *stream; /* whose it is; NULL while it is not open */
    eddy_stream *below;  /* on which it rests; NULL: on none, or that was closed */
    eddy_loop *loop;     /* valid while it is open, and in `close` */
    /* private */
    struct eddy_loop_end end;
    uintptr_t opening;
    unsigned pending; /* events that came while one of its functions ran */
    unsigned told;    /* likewise, what eddy_transport_ready was told */
    int running;      /* how many of its functions run */
    int below_result; /* why there is nothing below any more; 0: nothing ever was, or it is there */
};

/* Opens a stream on a transport. `fd` (>= 0) is watched for it, edge-triggered, and must not block (one
 * that epoll refuses, a file, is never told of); it is the transport's to close. -1: it has none. 0; -EINVAL: the stream or the transport is open already, or
 * there is no kind; -EEXIST, -EBADF, -ENOMEM, -ENOSPC as eddy_stream_open. After an error everything is as
 * it was. */
EDDY_API int eddy_stream_open_transport(eddy_loop *loop, eddy_stream *stream,
                                        eddy_transport *transport, int fd);
#define eddy_stream_open_transport(...) eddy_stream_open_transport_(__VA_ARGS__, EDDY_PLACE_)

/* Opens a stream on a transport that rests on another stream, which stays the caller's to close, and must
 * not move in memory. Until the upper one is closed, operations on the lower one that move bytes are
 * -EBUSY for everybody but the transport. When the lower one is closed, the upper one stays open and
 * eddy_below_read and eddy_below_write say why. 0; -EINVAL as above; -EBADF, -ETIMEDOUT: the lower one is
 * not open; -EBUSY: it has a transport above it already, or a task waits on it; -ENOMEM. */
EDDY_API int eddy_stream_open_over(eddy_stream *below, eddy_stream *stream,
                                   eddy_transport *transport);
#define eddy_stream_open_over(...) eddy_stream_open_over_(__VA_ARGS__, EDDY_PLACE_)

/* From a transport: as eddy_try_read and eddy_try_write of the stream below. */
EDDY_API int64_t eddy_below_read(eddy_transport *transport, void *buffer, size_t size);
EDDY_API int64_t eddy_below_write(eddy_transport *transport, const void *data, size_t size);

/* Tells the stream that a read (EDDY_READ) or a write (EDDY_WRITE) may do something now; EDDY_HANGUP: it
 * takes no bytes any more, and never will. On the loop's thread, from anywhere, also from the
 * transport's own functions. No task runs inside of it, and nobody reads or writes. Nothing if it is not open. */
EDDY_API void eddy_transport_ready(eddy_transport *transport, unsigned events);

/* The transport of a stream, or NULL: it is not open, or a socket without one. */
EDDY_API eddy_transport *eddy_stream_transport(eddy_stream *stream);

/* Private. */
EDDY_API int eddy_stream_open_transport_(eddy_loop *loop, eddy_stream *stream,
                                         eddy_transport *transport, int fd, const char *place);
EDDY_API int eddy_stream_open_over_(eddy_stream *below, eddy_stream *stream,
                                    eddy_transport *transport, const char *place);

#ifdef __cplusplus
}
#endif

#endif
