/* Streams, as the modules beside them see them. */
#ifndef EDDY_SRC_STREAM_INTERNAL_H
#define EDDY_SRC_STREAM_INTERNAL_H

#include <unistd.h>

#include "eddy/stream.h"
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
 *     WRITING    a writer that parks, a copy with        its result, its abort
 *                bytes that were not taken
 *     TO_COPY    a copy that waits for bytes             an event that leaves more to do; its end
 *     COPIED_TO  a copy that begins                      its end
 *     ENDED      a read that found the end or an error   never
 *     GONE       an event of a hang-up                   never
 *
 * ASKED and TO_COPY come only with READING.
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
    EDDY_STREAM_BUSY_WRITING = EDDY_STREAM_WRITING | EDDY_STREAM_COPIED_TO
};

/* A task that waits on a stream is a reason for the loop to go on. */
static inline void eddy_stream_read_begins(eddy_stream *stream, struct eddy_task_record *task)
{
    stream->reader = task;
    stream->state |= EDDY_STREAM_READING;
    stream->io.loop->references++;
}

static inline void eddy_stream_read_over(eddy_stream *stream)
{
    stream->state &= ~(uint32_t)(EDDY_STREAM_READING | EDDY_STREAM_ASKED);
    stream->io.loop->references--;
}

static inline void eddy_stream_write_begins(eddy_stream *stream, struct eddy_task_record *task)
{
    stream->writer = task;
    stream->state |= EDDY_STREAM_WRITING;
    stream->io.loop->references++;
}

static inline void eddy_stream_write_over(eddy_stream *stream)
{
    stream->state &= ~(uint32_t)EDDY_STREAM_WRITING;
    stream->io.loop->references--;
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
    return (uintptr_t)stream->io.user;
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

/* ---- stream_calls.c: the system calls, straight to libc where nobody can see the difference, for
 * they are on the path of every message */

/* Deal with what read(2) or send(2) returned that is not just some bytes. */
int64_t eddy_stream_read_odd(eddy_stream *stream, void *buffer, size_t size, int64_t count);
int64_t eddy_stream_write_odd(eddy_stream *stream, const void *data, size_t size, int64_t count);

/* Go through the loop's table. */
int64_t eddy_stream_read_by_table(eddy_stream *stream, void *buffer, size_t size);
int64_t eddy_stream_write_by_table(eddy_stream *stream, const void *data, size_t size);

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
        if ((stream->state & EDDY_STREAM_DRAINS) != 0) {
            stream->state &= ~(uint32_t)EDDY_READ;
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
        stream->idle->unsent = eddy_socket_unsent(stream->io.loop, stream->io.fd);
    }
}

/* ---- stream.c */

int eddy_stream_abort_write(struct eddy_task_record *task);

/* For kinds of wait whose object is a stream: its fd and its peer, and how much is written. */
void eddy_stream_describe(const struct eddy_task_record *task, char *text, size_t size);
void eddy_stream_describe_write(const struct eddy_task_record *task, char *text, size_t size);

/* Opens a stream on a nonblocking TCP or other stream socket. */
int eddy_stream_adopt(eddy_loop *loop, eddy_stream *stream, int fd, bool tcp);

/* Exchanges the fd of a stream on which nobody waits for that of another watcher, edge-triggered too.
 * The stream is as newly opened but for its room to write: what the watcher was told of by now is the
 * caller's to hand on. */
void eddy_stream_take(eddy_stream *stream, eddy_io *io, bool tcp);

/* Gives the fd of a stream on which nobody waits back to the caller. False if there is none: it is
 * not open, or somebody else has closed the fd. */
bool eddy_stream_disown(eddy_stream *stream);

/* ---- copy.c */

/* There are bytes in a stream that is EDDY_STREAM_TO_COPY. */
void eddy_copy_at_event(eddy_stream *from);

/* A stream that is EDDY_STREAM_COPIED_TO takes nothing any more. */
void eddy_copy_target_gone(eddy_stream *to);

#endif
