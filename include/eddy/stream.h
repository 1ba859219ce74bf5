/*
 * Streams: connected sockets, pipes, terminals and the like that are read and written, and whatever else
 * transport.h makes one.
 *
 * The caller owns the struct, zeroed before it is opened; opened by eddy_connect, eddy_serve or
 * eddy_stream_open it owns its fd until eddy_stream_close. A coroutine must not end with an open
 * stream in its frame: close it in eddy_finally.
 *
 * The fd is registered with epoll once, edge-triggered; every operation tries first and waits
 * only when the kernel would block, or others are to have their turn: no step writes more than a
 * mebibyte, however fast the peer takes it. One task reads and one writes at a time. Any operation on a
 * stream that is not open is -EBADF; closing wakes whoever waits on it with that.
 */
#ifndef EDDY_STREAM_H
#define EDDY_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/uio.h>

#include "eddy/address.h"
#include "eddy/coro.h"
#include "eddy/io.h"
#include "eddy/timer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All of it is private. */
typedef struct eddy_stream {
    eddy_io io;
    uint32_t state;                  /* what the fd is ready for, and more (stream.c); 0: closed */
    int closed_with;                 /* why it was closed, if not by its user: -ETIMEDOUT */
    struct eddy_task_record *reader; /* who waits to read: valid if the state says so */
    struct eddy_task_record *writer; /* who waits to write: likewise */
    size_t read_size;                /* room in the reader's buffer */
    size_t write_left;               /* what the writer has still to write */
    size_t written;                  /* of the last write: what the kernel has */
    struct eddy_idle *idle;          /* its idle time-out, or NULL */
} eddy_stream;

/* Opens a stream on a connected stream socket (any family; also one end of a socketpair), a pipe, a FIFO, a
 * terminal, a device or a regular file, such as standard input, and takes it over: it is closed in the
 * end. 0; -EINVAL: the stream is open already, or the socket listens; -EPROTOTYPE: it is a socket of another
 * type (datagrams); -EISDIR; -ENOTSOCK: it is nothing of all that; -EEXIST: the fd has a watcher; -EBADF,
 * -ENOMEM, -ENOSPC as getsockopt(2), fstat(2) and epoll_ctl(2) say. On an error the fd is still the
 * caller's.
 *
 * A socket is made nonblocking (O_NONBLOCK). What is none may be shared with programs that know nothing of
 * this one: a pipe or a terminal is opened once more for the stream alone (/proc/self/fd), and its own mode
 * stays. Only where that cannot be it gets O_NONBLOCK, until the last stream of the loop on it is closed.
 * Nothing else of a terminal is changed.
 *
 * What an fd was not opened for is -EBADF. The write end of a pipe that nobody reads is -EPIPE, and no
 * signal is raised. eddy_stream_shutdown_write of what is only written closes it. A FIFO or a terminal may
 * have more to read after an end. A regular file never waits, but for the disk.
 *
 * The fd is the stream's alone: if somebody else closes it, the number may be another file's by the
 * next turn. Once the loop finds that out, because the number comes again or the stream is closed,
 * the error hook is told (-EBADF), the stream is closed with -EBADF, and that file is left alone. */
EDDY_API int eddy_stream_open(eddy_loop *loop, eddy_stream *stream, int fd);
#define eddy_stream_open(...) eddy_stream_open_(__VA_ARGS__, EDDY_PLACE_)

/* Reads what there is, at most `size` bytes, waiting until there is something. Returns the
 * number of bytes; 0 at the end of the file (or if size is 0); the error of read(2)
 * (-ECONNRESET, ...); -EBUSY: another task reads; -ECANCELED: nothing was read. The buffer must
 * stay until then: not on the C stack. */
EDDY_API EDDY_MUST_USE int64_t eddy_read(eddy_coro *co, eddy_stream *stream, void *buffer,
                                         size_t size);

/* Writes all of it, waiting whenever the kernel takes no more, so that a slow reader slows its
 * writer down. Returns `size`; the error of send(2) (-EPIPE: the peer is gone; no signal is
 * raised); -EBUSY: another task writes; -ECANCELED. After an error eddy_stream_written tells how
 * much the kernel has. The data must stay until then. */
EDDY_API EDDY_MUST_USE int64_t eddy_write(eddy_coro *co, eddy_stream *stream, const void *data,
                                          size_t size);

/* As eddy_write, for `count` (at most 1024) pieces in a row; their array must stay too. -EINVAL:
 * more, or more bytes than a result can tell (writev(2)). */
EDDY_API EDDY_MUST_USE int64_t eddy_writev(eddy_coro *co, eddy_stream *stream,
                                           const struct iovec *pieces, int count);

/* Waits until a read would not block (1), be it for data, the end or an error. Otherwise as
 * eddy_read. With eddy_try_read an idle connection needs no buffer. Right after the opening, or a
 * read that filled its buffer, it may say so in vain: eddy_try_read gives -EAGAIN, and the next
 * one waits. */
EDDY_API EDDY_MUST_USE int64_t eddy_readable(eddy_coro *co, eddy_stream *stream);

/* Likewise waits until a write would not block (1), be it for room, or for an error. Right after the
 * opening it says so in vain: then eddy_try_write gives -EAGAIN, or takes less than it was given, and the
 * next one waits. With eddy_try_write a program makes what it sends when the peer takes it, and not
 * before. The kernel tells of room when a part of its buffer is free, not at once. */
EDDY_API EDDY_MUST_USE int64_t eddy_writable(eddy_coro *co, eddy_stream *stream);

/* As eddy_read and eddy_write, but never wait: -EAGAIN if nothing can be done at once.
 * eddy_try_write returns how many bytes the kernel took. -EBUSY while a task waits to do the
 * same. */
EDDY_API int64_t eddy_try_read(eddy_stream *stream, void *buffer, size_t size);
EDDY_API int64_t eddy_try_write(eddy_stream *stream, const void *data, size_t size);

/* Closes a stream on which no byte moves for `timeout` (> 0) nanoseconds; a read or write that
 * waits then, and any operation afterwards, returns -ETIMEDOUT. As long as bytes move it costs
 * nothing but noting the time. A peer that takes what the kernel holds for it (TIOCOUTQ) moves bytes
 * too, however slowly (on a Unix-domain
 * socket a piece that was written counts when all of it is taken): as that is only looked at when the time is over, a peer that has stopped in the
 * midst of it is closed after at most twice the time. The caller owns `idle`, zeroed, until the stream is closed: for a
 * server's client that is after its handler has ended, so it must not lie in the handler's frame
 * (rather set the server's idle_timeout). A second call replaces the first. 0; -EBADF; -EINVAL:
 * timeout <= 0; -ENOMEM. */
struct eddy_idle {
    eddy_timer timer; /* private, like the rest */
    eddy_stream *stream;
    int64_t timeout;
    int unsent; /* what the peer had not taken when it was looked at; -1: not since a byte moved */
};
EDDY_API int eddy_stream_idle_timeout(eddy_stream *stream, struct eddy_idle *idle, int64_t timeout);

/* How many bytes of the last (or running) eddy_write or eddy_writev the kernel has: 0 if it took none, be
 * it for an error or for a cancel that was pending before it. One that meets another task's write
 * (-EBUSY, or -ECANCELED before that is seen) is none: this goes on to count for that. */
static inline size_t eddy_stream_written(const eddy_stream *stream)
{
    return stream->written;
}

/* Ends the sending direction (shutdown(2)); the peer reads the end of the file, and can still
 * send. What has no other direction is closed, and what is written then is -EPIPE. 0; -EBUSY: an eddy_writer has bytes for it; -EBADF: it is not open,
 * or cannot be written; -EOPNOTSUPP: there are two directions and they end together (a terminal); -EAGAIN, of a
 * transport that has something to write before: call it again when there is room (eddy_writable). */
EDDY_API int eddy_stream_shutdown_write(eddy_stream *stream);

/* Closes the stream and its fd; who waits on it gets -EBADF first. Nothing if it is not open. */
EDDY_API void eddy_stream_close(eddy_stream *stream);

/*
 * eddy_with_stream(&stream, operation) { ... }: opens the stream by the operation, runs the block,
 * and closes the stream however the block is left. If the operation fails, its error goes on and
 * the block does not run.
 *
 *     eddy_with_stream(&self->stream, eddy_connect(co, &self->stream, "127.0.0.1", 80)) { ... }
 */
#define eddy_with_stream(stream, operation) EDDY_WITH_OBJECT_(stream, eddy_stream_leave_, operation)
EDDY_API EDDY_MUST_USE int64_t eddy_stream_leave_(eddy_coro *co, struct eddy_scope *scope);

static inline int eddy_stream_is_open(const eddy_stream *stream)
{
    return stream->io.loop != NULL;
}

/* The fd, for getpeername(2), setsockopt(2) and the like; it stays the stream's. -1 if it is not
 * open, or has none (transport.h). Whoever has it may put something on top of the socket (kTLS: TCP_ULP), where a short read
 * no longer means that there is nothing more: from now on each read that waits asks the kernel once
 * more before. (Of a socket that is handed to eddy_stream_open with such a layer it is known.) */
EDDY_API int eddy_stream_fd(eddy_stream *stream);

/* Private. */
EDDY_API int eddy_stream_open_(eddy_loop *loop, eddy_stream *stream, int fd, const char *place);

/* ---- connecting */

/* Connecting to a server. A program that connects by address alone (eddy_connect_to) is linked
 * neither with threads nor with the resolver. */

/*
 * Connects the stream (zeroed, or closed) to a TCP server. `host` is a numeric address, "127.0.0.1" or
 * "::1", or a name, which is copied; port 1..65535. A name's addresses (see eddy_resolve; 16 at most) are
 * tried as eddy_connect_any does, so that one that is silent holds nobody up.
 *
 * Returns 0, and the stream is open; or an error, and it is not: -EINVAL (neither an address nor a
 * name, no such port, or the stream is open); that of eddy_resolve (-ENOENT: no such host);
 * -ECONNREFUSED and the like of connect(2), -EMFILE and the like of socket(2); -ENOMEM; -ECANCELED;
 * -EBADF: the stream was closed meanwhile. What eddy_error says of one of connect(2) or socket(2) names
 * the address. There is no limit but the kernel's, of minutes: an eddy_wait_for around it, or a block,
 * is over the name and all its addresses.
 *
 * TCP_NODELAY is set. A port of this host on which nobody listens is -ECONNREFUSED also when the system
 * picks that very port for the new socket. While it connects, the stream is open, but another task that
 * reads or writes it has -EBUSY.
 */
EDDY_API EDDY_MUST_USE int64_t eddy_connect(eddy_coro *co, eddy_stream *stream, const char *host,
                                            int port);
#define eddy_connect(...) eddy_connect_(__VA_ARGS__, NULL, EDDY_PLACE_)

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
#define eddy_connect_to(...) eddy_connect_to_(__VA_ARGS__, NULL, EDDY_PLACE_)

/* What is done to a socket before it connects, and when the next address has its turn. Zeroed it is as
 * without it. It must stay until the connect returns, and what it points to: not on the C stack. */
struct eddy_connect_options {
    /* bind(2): where the connection is to come from. Port 0: the system picks one. Addresses of another
     * family are not tried (-EAFNOSUPPORT). NULL: the system's choice. */
    const struct eddy_address *local;
    /* Set in their order before the bind. One that fails is the error of the address it was for. */
    const struct eddy_socket_option *socket_options;
    int option_count;
    int64_t next_after; /* nanoseconds; <= 0: EDDY_CONNECT_NEXT_AFTER */
};

/* The delay after which RFC 8305 (section 5) has the next address tried beside the one before. */
#define EDDY_CONNECT_NEXT_AFTER (250 * EDDY_MILLISECOND)

/* As eddy_connect, with options; NULL: none. */
EDDY_API EDDY_MUST_USE int64_t eddy_connect_with(eddy_coro *co, eddy_stream *stream,
                                                 const char *host, int port,
                                                 const struct eddy_connect_options *options);
#define eddy_connect_with(...) eddy_connect_(__VA_ARGS__, EDDY_PLACE_)

/*
 * Connects to the first of 1 to 16 addresses that answers ("happy eyeballs", RFC 8305): the first is
 * tried; the next as soon as one has failed, or beside those that are still under way when
 * EDDY_CONNECT_NEXT_AFTER has passed. The families take turns, beginning with that of the first address;
 * within a family the order is the caller's. The addresses are copied. The losers are closed before it
 * returns. Several must all be TCP's: another one's error is -EAFNOSUPPORT; one alone is as
 * eddy_connect_to has it.
 *
 * If all fail, the result is the most telling error: want of fds or memory, for then an address may
 * never have been asked; an answer (-ECONNREFUSED); silence and what forbids it; that there is no way
 * there (-EHOSTUNREACH, then -ENETUNREACH and the like). Of equals it is that of the address that was
 * tried first. eddy_error has a text that names each with its error. -EINVAL: the count, a port that is
 * 0, or the stream is open. Errors otherwise, and closing the stream meanwhile, as eddy_connect. The fd
 * (eddy_stream_fd) may be another's until it returns.
 */
EDDY_API EDDY_MUST_USE int64_t eddy_connect_any(eddy_coro *co, eddy_stream *stream,
                                                const struct eddy_address *addresses, int count,
                                                const struct eddy_connect_options *options);
#define eddy_connect_any(...) eddy_connect_any_(__VA_ARGS__, EDDY_PLACE_)

/* Private. */
EDDY_API EDDY_MUST_USE int64_t eddy_connect_(eddy_coro *co, eddy_stream *stream, const char *host,
                                             int port, const struct eddy_connect_options *options,
                                             const char *place);
EDDY_API EDDY_MUST_USE int64_t eddy_connect_to_(eddy_coro *co, eddy_stream *stream,
                                                const struct eddy_address *address,
                                                const struct eddy_connect_options *options,
                                                const char *place);
EDDY_API EDDY_MUST_USE int64_t eddy_connect_any_(eddy_coro *co, eddy_stream *stream,
                                                 const struct eddy_address *addresses, int count,
                                                 const struct eddy_connect_options *options,
                                                 const char *place);

/* ---- copying */

/*
 * Copying a stream to another: what a proxy, a tunnel or an echo server does all day.
 *
 *     eddy_await(eddy_copy(co, &self->client, &self->upstream, &self->bytes));
 *
 * costs less than reading and writing in a coroutine: as long as both sides keep up, the bytes go
 * from one fd to the other when the loop hears of them, and the task sleeps on. A copy that waits
 * for its source holds no buffer; the buffer of 64 KiB through which bytes go is one for the whole
 * loop.
 */

/* Copies what `from` brings to `to` (which may be the same stream: an echo), until the end of the
 * file; `to` is left open, also for writing. When `to` hangs up (a reset; both its sides are shut), it
 * ends with the error of `to`, also while `from` is silent. It reads no more before `to` has taken all it has
 * read, so a slow reader slows the sender down. Returns 0 at the end of the file; the error of
 * read(2) or send(2); -EBADF: one of the streams is not open, or was closed meanwhile; -EBUSY:
 * another task reads `from` or writes `to`; -ENOMEM; -ECANCELED.
 *
 * *count (NULL: nobody counts) grows by every byte that was written, as it is written, so it tells
 * also after an error or a cancel how far the copy came. Then up to 64 KiB that were read may not
 * have been written. The counter must stay until the copy returns, and several copies may share
 * one. A cancel takes effect at once. */
EDDY_API EDDY_MUST_USE int64_t eddy_copy(eddy_coro *co, eddy_stream *from, eddy_stream *to,
                                         uint64_t *count);

/* Likewise at most `limit` (>= 0) bytes, such as the body of a message whose length is known: not a byte more is
 * taken from `from`. Returns how many were copied: fewer than the limit, if the file ends before. Costs a
 * turn of the task for what eddy_copy moves at once. -EINVAL: limit < 0. */
EDDY_API EDDY_MUST_USE int64_t eddy_copy_at_most(eddy_coro *co, eddy_stream *from, eddy_stream *to,
                                                 int64_t limit, uint64_t *count);

/* ---- files */

#define EDDY_TO_THE_END INT64_MAX

/*
 * Sends `count` bytes of a file, from `offset` on, by sendfile(2): they do not pass through the program, and
 * whatever the size, it takes no memory. EDDY_TO_THE_END: to the end of the file, wherever that is. `fd` is a
 * file that can be sought; its own place does not count and stays. It stays the caller's, and must stay open.
 *
 *     eddy_await(eddy_send_file(co, self->stream, self->fd, 0, EDDY_TO_THE_END));
 *
 * Returns how many bytes are with the kernel: `count`. -ENODATA: the file ends before that, for it has shrunk
 * since its size was looked at: what was promised to the peer cannot be kept. Else as eddy_write (-EPIPE: no
 * signal is raised), and -EINVAL: offset or count < 0; -ESPIPE, -EISDIR, -EBADF: it is no such file;
 * -ENOMEM. After an error eddy_stream_written tells how much the kernel has (SIZE_MAX at most). A cancel ends
 * it at once.
 *
 * A step sends a mebibyte at most, as all writes do; an idle time-out sees each byte. The file is read in
 * the loop's thread: bytes that are in no cache keep the loop waiting for the disk, a step's share at a
 * time. Where the kernel has no sendfile for it (a transport, a file of an odd kind) the bytes are read into a
 * buffer that the loop has for copies.
 */
EDDY_API EDDY_MUST_USE int64_t eddy_send_file(eddy_coro *co, eddy_stream *stream, int fd,
                                              int64_t offset, int64_t count);

/* ---- packets */

/* Lets the kernel send full packets only (TCP_CORK), or no longer: so a header that is written, and a file that
 * is sent behind it, share packets although TCP_NODELAY is set. Taking the cork out sends what is left;
 * forgotten, it delays that by 200 ms each time. Of a stream over another it is that one's; where there are no
 * packets it does nothing. 0; -EBADF, -ETIMEDOUT: it is not open. What an eddy_writer puts together needs
 * none. */
EDDY_API int eddy_stream_cork(eddy_stream *stream, bool corked);

/* eddy_with_cork(stream) { ... }: corks the stream, runs the block, and takes the cork out however it is
 * left. */
#define eddy_with_cork(stream)                                       \
    EDDY_WITH_OBJECT_(eddy_stream_object_(stream), eddy_cork_leave_, \
                      eddy_stream_cork((eddy_stream *)co->scope->object, true))
EDDY_API int64_t eddy_cork_leave_(eddy_coro *co, struct eddy_scope *scope);
static inline void *eddy_stream_object_(eddy_stream *stream) /* checks the type */
{
    return stream;
}

#ifdef __cplusplus
}
#endif

#endif
