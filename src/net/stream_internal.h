/*
 * Streams, as the modules beside them see them.
 *
 * Circle: copy.c, stream.c, stream_calls.c, stream_close.c, transport.c and writer.c. A stream is one machine: an
 * operation (stream.c) makes a call (stream_calls.c), which may be a transport's (transport.c); what that
 * hears of comes back to the stream as an event, and so do the stream below it and its end
 * (stream_close.c). A copy (copy.c) is a reader and a writer that events may move without its task, and an
 * eddy_writer (writer.c) writes on an event without any.
 */
#ifndef EDDY_SRC_STREAM_INTERNAL_H
#define EDDY_SRC_STREAM_INTERNAL_H

#include <unistd.h>

#include "eddy/stream.h"
#include "eddy/transport.h"
#include "eddy/writer.h"
#include "net/address.h"
#include "task/task_internal.h"

/*
 * A stream's state: EDDY_READ and EDDY_WRITE while a read or a write may bring something, and these.
 *
 *     bit        set by                                  cleared by
 *     READ       an event that may be of data            a read that found nothing, or emptied it (DRAINS)
 *     WRITE      opening; an event of room or an end     a write that would block
 *     OPEN       opening                                 closing, also with the loop: then all is 0
 *     DIRECT     opening, if the table is libc's         an idle time-out
 *     DRAINS     opening, of plain TCP                   an event of an end, an error or urgent data;
 *                                                        whoever asks for the fd
 *     READING    a reader or a copy that parks           its result, its abort
 *     ASKED      eddy_readable that parks                with READING
 *     ASKED_ROOM eddy_writable that parks                with WRITING
 *     WRITING    a writer that parks, a copy with        its result, its abort
 *                bytes that were not taken
 *     TO_COPY    a copy that waits for bytes             an event that leaves more to do; its end
 *     COPIED_TO  a copy that begins                      its end
 *     BUFFERED   a writer that gets bytes                it has none any more
 *     ENDED      a read that found the end or an error   never
 *     GONE       an event of a hang-up                   never
 *     TRANSPORT  opening on a transport                  never
 *     INSIDE     likewise                                never
 *     UNDER      a stream that is opened over it         the end of either
 *     ANSWERED   opening; bytes that are written         bytes that are read
 *
 * ASKED and TO_COPY come only with READING; of UNDER, WRITING, COPIED_TO and BUFFERED only one comes at a
 * time, and UNDER never with READING.
 */
enum {
    EDDY_STREAM_OPEN = 0x100,
    /* its system calls are libc's, and no idle time-out watches it */
    EDDY_STREAM_DIRECT = 0x200,
    EDDY_STREAM_READING = 0x400, /* `reader` waits */
    EDDY_STREAM_WRITING = 0x800, /* `writer` waits */
    /* TCP, and no event told of more than data so far: a short read has emptied the socket */
    EDDY_STREAM_DRAINS = 0x1000,
    /* `reader` copies it, waits for bytes to copy, and has none that are still to be written */
    EDDY_STREAM_TO_COPY = 0x2000,
    EDDY_STREAM_COPIED_TO = 0x4000, /* `writer` copies another to it, and need not wait for it */
    EDDY_STREAM_ENDED = 0x8000,  /* a read has found the peer's end, or an error: no more comes */
    EDDY_STREAM_GONE = 0x10000,  /* both sides are shut: what is written is -EPIPE */
    EDDY_STREAM_ASKED = 0x20000, /* `reader` waits to hear that there is something to read */
    EDDY_STREAM_TRANSPORT = 0x40000,   /* io.user is its transport */
    EDDY_STREAM_UNDER = 0x80000,       /* `reader` is the transport of the stream above it */
    EDDY_STREAM_INSIDE = 0x100000,     /* only the loop's own tasks end its waits */
    EDDY_STREAM_ASKED_ROOM = 0x400000, /* `writer` waits to hear that there is room */
    EDDY_STREAM_ANSWERED = 0x800000,   /* nothing was read since something was written */
    EDDY_STREAM_BUSY_READING = EDDY_STREAM_READING | EDDY_STREAM_UNDER,
    EDDY_STREAM_BUFFERED = 0x200000, /* `writer` is an eddy_writer that has bytes for it */
    EDDY_STREAM_BUSY_WRITING =
        EDDY_STREAM_WRITING | EDDY_STREAM_COPIED_TO | EDDY_STREAM_UNDER | EDDY_STREAM_BUFFERED
};

/* A task that waits on a stream is a reason for the loop to go on, unless other tasks alone can end the
 * wait. */
static inline int eddy_stream_weight(const eddy_stream *stream)
{
    return (stream->state & EDDY_STREAM_INSIDE) == 0;
}

static inline void eddy_stream_read_begins(eddy_stream *stream, struct eddy_task_record *task)
{
    stream->reader = task;
    stream->state |= EDDY_STREAM_READING;
    stream->io.loop->references += eddy_stream_weight(stream);
}

static inline void eddy_stream_read_over(eddy_stream *stream)
{
    stream->state &= ~(uint32_t)(EDDY_STREAM_READING | EDDY_STREAM_ASKED);
    stream->io.loop->references -= eddy_stream_weight(stream);
}

static inline void eddy_stream_write_begins(eddy_stream *stream, struct eddy_task_record *task)
{
    stream->writer = task;
    stream->state |= EDDY_STREAM_WRITING;
    stream->io.loop->references += eddy_stream_weight(stream);
}

static inline void eddy_stream_write_over(eddy_stream *stream)
{
    stream->state &= ~(uint32_t)(EDDY_STREAM_WRITING | EDDY_STREAM_ASKED_ROOM);
    stream->io.loop->references -= eddy_stream_weight(stream);
}

/* So is a writer with bytes. */
static inline void eddy_stream_buffered_begins(eddy_stream *stream, eddy_writer *writer)
{
    stream->writer = (struct eddy_task_record *)(void *)writer;
    stream->state |= EDDY_STREAM_BUFFERED;
    stream->io.loop->references += eddy_stream_weight(stream);
}

static inline void eddy_stream_buffered_over(eddy_stream *stream)
{
    stream->state &= ~(uint32_t)EDDY_STREAM_BUFFERED;
    stream->io.loop->references -= eddy_stream_weight(stream);
}

/* The writer that has bytes for it, or NULL. */
static inline eddy_writer *eddy_stream_buffered_by(const eddy_stream *stream)
{
    return (stream->state & EDDY_STREAM_BUFFERED) != 0 ? (eddy_writer *)(void *)stream->writer
                                                       : NULL;
}

/* Of a stream that is EDDY_STREAM_TRANSPORT. */
static inline eddy_transport *eddy_transport_of(const eddy_stream *stream)
{
    return stream->io.user;
}

/* Of a stream that is EDDY_STREAM_UNDER. */
static inline eddy_transport *eddy_transport_above(const eddy_stream *stream)
{
    return (eddy_transport *)(void *)stream->reader;
}

/* Who connects a stream is its reader and its writer: what a read found, which has ended the socket's
 * error, the connect would not hear of. */
static inline void eddy_stream_connect_begins(eddy_stream *stream, struct eddy_task_record *task)
{
    eddy_stream_read_begins(stream, task);
    eddy_stream_write_begins(stream, task);
}

static inline void eddy_stream_connect_over(eddy_stream *stream)
{
    eddy_stream_read_over(stream);
    eddy_stream_write_over(stream);
}

/* Which of the loop's openings the stream's is, to tell one connection from the next of the same
 * struct; valid while it is open. A stream's watcher needs no pointer to its user. */
static inline uintptr_t eddy_stream_opening(const eddy_stream *stream)
{
    return (stream->state & EDDY_STREAM_TRANSPORT) != 0 ? eddy_transport_of(stream)->opening
                                                        : (uintptr_t)stream->io.user;
}

/* Why a stream is not open: its idle time-out has closed it, or -EBADF. */
static inline int eddy_stream_not_open(const eddy_stream *stream)
{
    return stream->closed_with != 0 ? stream->closed_with : -EBADF;
}

/* Why nothing may be begun or tried: not open, `busy` (a task does the same already), or else the
 * kernel would block. */
int64_t eddy_stream_refusal(const eddy_stream *stream, uint32_t busy);

static inline bool eddy_stream_is_free(const eddy_stream *stream, uint32_t busy)
{
    return (stream->state & (EDDY_STREAM_OPEN | busy)) == EDDY_STREAM_OPEN;
}

/* What every operation begins with. */
static inline int64_t eddy_stream_may_begin(eddy_coro *co, const eddy_stream *stream, uint32_t busy)
{
    int64_t result = eddy_check(co);

    if (result < 0 || eddy_stream_is_free(stream, busy)) {
        return result;
    }
    return eddy_complete(co, eddy_stream_refusal(stream, busy));
}

/* A write is not begun, with that result: none of it is written. */
int64_t eddy_stream_refuse_write(eddy_stream *stream, int64_t result) __attribute__((cold));

/* ---- stream_calls.c: the system calls, straight to libc where nobody can see the difference, for
 * they are on the path of every message */

/* What a call that was not interrupted has brought is in the stream's state; `size` was asked for. */
int64_t eddy_stream_has_read(eddy_stream *stream, size_t size, int64_t count);
int64_t eddy_stream_has_written(eddy_stream *stream, int64_t count);

/* Deal with what read(2) or send(2) returned that is not just some bytes. */
int64_t eddy_stream_read_odd(eddy_stream *stream, void *buffer, size_t size, int64_t count);
int64_t eddy_stream_write_odd(eddy_stream *stream, const void *data, size_t size, int64_t count);

/* Go through the loop's table, or to the transport. */
int64_t eddy_stream_read_by_table(eddy_stream *stream, void *buffer, size_t size);
int64_t eddy_stream_write_by_table(eddy_stream *stream, const void *data, size_t size);

/* One writev(2), or what its transport does for it; keeps track of whether it may take more. */
int64_t eddy_stream_write_pieces(eddy_stream *stream, struct iovec *pieces, int count);

/* sendfile(2), of a stream without transport; likewise. */
int64_t eddy_stream_send_some(eddy_stream *stream, int file, int64_t offset, size_t size);

/* How many bytes that were written the peer has not taken. */
int eddy_stream_unsent(eddy_stream *stream);

/* Bytes that move take part of a step's share of awaits, so that a task which moves many in each gives
 * others their turn as often as one that moves few. */
enum { EDDY_BYTES_A_STEP = 1024 * 1024, EDDY_BYTES_AN_AWAIT = EDDY_BYTES_A_STEP / AWAITS_A_STEP };

static inline void eddy_stream_count(const eddy_stream *stream, int64_t count)
{
    if (count >= EDDY_BYTES_AN_AWAIT) {
        stream->io.loop->awaits_left -= (int)(count / EDDY_BYTES_AN_AWAIT);
    }
}

/* read(2); keeps track of whether there may be more. */
static inline int64_t eddy_stream_read_some(eddy_stream *stream, void *buffer, size_t size)
{
    ssize_t count;

    stream->io.loop->counts.reads++;
    if ((stream->state & EDDY_STREAM_DIRECT) == 0) {
        return eddy_stream_read_by_table(stream, buffer, size);
    }
    count = read(stream->io.fd, buffer, size);
    if ((size_t)count - 1 < size - 1) { /* 0 < count < size */
        /* What comes from now on is a new edge, if this read has emptied the socket. */
        if (__builtin_expect((stream->state & EDDY_STREAM_DRAINS) != 0, 1)) {
            stream->state &= ~(uint32_t)(EDDY_READ | EDDY_STREAM_ANSWERED);
        } else {
            __asm__ volatile(
                ""); /* a branch: selecting the mask costs everybody three instructions */
            stream->state &= ~(uint32_t)EDDY_STREAM_ANSWERED;
        }
        eddy_stream_count(stream, count);
        return count;
    }
    return eddy_stream_read_odd(stream, buffer, size, count);
}

/* send(2) that raises no signal; keeps track of whether the kernel may take more. */
static inline int64_t eddy_stream_write_some(eddy_stream *stream, const void *data, size_t size)
{
    ssize_t count;

    stream->io.loop->counts.writes++;
    if ((stream->state & EDDY_STREAM_DIRECT) == 0) {
        return eddy_stream_write_by_table(stream, data, size);
    }
    count = send(stream->io.fd, data, size, MSG_NOSIGNAL);
    if (count < 0) {
        return eddy_stream_write_odd(stream, data, size, count);
    }
    stream->state |= EDDY_STREAM_ANSWERED;
    eddy_stream_count(stream, count);
    return count;
}

/* A byte has moved: puts an idle time-out off. The timer's entry in the heap is put right when it
 * comes up. */
static inline void eddy_stream_moved(eddy_stream *stream)
{
    if (stream->idle != NULL) {
        stream->idle->unsent = -1;
        stream->idle->timer.deadline =
            eddy_deadline_after(eddy_loop_now(stream->io.loop), stream->idle->timeout);
    }
}

/* ---- what is written in one step, before others get their turn: EDDY_BYTES_A_STEP, in so many calls */

enum { EDDY_WRITES_A_STEP = 16 };

/* Keeps count of one step. */
struct eddy_write_share {
    int calls;
    size_t bytes; /* that are left of it */
};

#define EDDY_WHOLE_WRITE_SHARE                \
    {                                         \
        EDDY_WRITES_A_STEP, EDDY_BYTES_A_STEP \
    }

/* How many of `size` bytes the next call may write; 0: none, the step has had its share. */
static inline size_t eddy_write_share_of(const struct eddy_write_share *share, size_t size)
{
    if (share->calls == 0) {
        return 0;
    }
    return size < share->bytes ? size : share->bytes;
}

/* A call has taken so many bytes, which may be none. */
static inline void eddy_write_share_use(struct eddy_write_share *share, int64_t count)
{
    share->calls--;
    share->bytes -= count > 0 ? (size_t)count : 0;
}

/* Parks a task that writes. If the stream is still writable, it has only had its share. */
int64_t eddy_stream_park_writer(eddy_coro *co, eddy_stream *stream,
                                const struct eddy_wait_kind *kind, const void *data);

/* What the `resume` of such a task returns. */
int64_t eddy_stream_resumed_write(struct eddy_task_record *task, int64_t result);

/* The kernel takes no more: what the peer takes from now on is seen by what is left. */
static inline void eddy_stream_is_full(eddy_stream *stream)
{
    stream->state &= ~(uint32_t)EDDY_WRITE;
    if (stream->idle != NULL) {
        stream->idle->unsent = eddy_stream_unsent(stream);
    }
}

/* ---- stream.c */

int eddy_stream_abort_write(struct eddy_task_record *task);

/* For kinds of wait whose object is a stream: its fd and its peer, and how much is written. */
void eddy_stream_describe(const struct eddy_task_record *task, char *text, size_t size);
void eddy_stream_describe_write(const struct eddy_task_record *task, char *text, size_t size);

/* "fd 7 (127.0.0.1:80)", or what its transport says. */
void eddy_stream_name(const eddy_stream *stream, char *text, size_t size);

/* There may be bytes or room: wakes who waits for them, and tells the stream above. */
void eddy_stream_tell(eddy_stream *stream, unsigned events);

/* Begin to open a stream that is not open: with an fd that is watched, edge-triggered, or with none. What
 * its state is to be is the caller's. */
int eddy_stream_watch(eddy_loop *loop, eddy_stream *stream, int fd);
void eddy_stream_without_fd(eddy_loop *loop, eddy_stream *stream);

/* Opens a stream on a nonblocking TCP or other stream socket. */
int eddy_stream_adopt(eddy_loop *loop, eddy_stream *stream, int fd, bool tcp);

/* Exchanges the fd of a stream on which nobody waits for that of another watcher, edge-triggered too.
 * The stream is as newly opened but for its room to write: what the watcher was told of by now is the
 * caller's to hand on. */
void eddy_stream_take(eddy_stream *stream, eddy_io *io, bool tcp);

/* ---- stream_fd.c */

/* Opens a stream on what is no socket, whose file status flags are `flags`. */
int eddy_stream_open_fd(eddy_loop *loop, eddy_stream *stream, int fd, int flags, const char *place);

/* ---- stream_close.c */

/* Closes an open stream; who waits on it gets that result. */
void eddy_stream_close_with(eddy_stream *stream, int64_t result);

/* Gives the fd of a stream on which nobody waits back to the caller. False if there is none: it is
 * not open, or somebody else has closed the fd. */
bool eddy_stream_disown(eddy_stream *stream);

/* ---- transport.c, of a stream that is EDDY_STREAM_TRANSPORT or, `below`, EDDY_STREAM_UNDER */

/* Calls of its functions. News that come meanwhile wait for eddy_transport_settle. */
int64_t eddy_transport_read(eddy_stream *stream, void *buffer, size_t size);
int64_t eddy_transport_write(eddy_stream *stream, const void *data, size_t size);
int64_t eddy_transport_writev(eddy_stream *stream, struct iovec *pieces, int count);
void eddy_transport_settle(eddy_stream *stream);
int eddy_transport_shutdown(eddy_stream *stream);
int eddy_transport_unsent(eddy_stream *stream);
void eddy_transport_describe(const eddy_stream *stream, char *text, size_t size);

/* The fd, or the stream below, has had events. */
void eddy_transport_events(eddy_transport *transport, unsigned events);

/* The stream below is being closed. */
void eddy_transport_below_gone(eddy_stream *below);

/* Closes a stream on which nobody waits, and its transport. */
void eddy_transport_close(eddy_stream *stream);

/* The stream gives its transport up. */
void eddy_transport_disowned(eddy_stream *stream);

/* The stream of a transport that follows the loop's end; NULL: somebody else does. */
eddy_stream *eddy_transport_stream_of_end(const struct eddy_loop_end *end);

/* ---- writer.c, of a stream that is EDDY_STREAM_BUFFERED */

/* It may take bytes again. */
void eddy_writer_at_event(eddy_stream *stream);

/* It is being closed. */
void eddy_writer_lost(eddy_stream *stream, int error);

/* ---- copy.c */

/* Memory through which bytes go between a read and the write right behind it, one for the loop; NULL: there is
 * none. */
char *eddy_copy_buffer(eddy_loop *loop, size_t *size);

/* There are bytes in a stream that is EDDY_STREAM_TO_COPY. */
void eddy_copy_at_event(eddy_stream *from);

/* A stream that is EDDY_STREAM_COPIED_TO takes nothing any more. */
void eddy_copy_target_gone(eddy_stream *to);

/* ---- reader.c */

/* The task, which waits, is in an operation of a reader that has some of its bytes already. */
bool eddy_reader_has_some(const struct eddy_task_record *task);

#endif
