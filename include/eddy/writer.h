/*
 * Writers: bytes that are put without waiting, and written together.
 *
 *     eddy_with_writer(&self->out, self->stream, NULL) {
 *         for (;;) {
 *             eddy_await(self->length, eddy_read_line(co, &self->in, LIMIT));
 *             if (self->length == 0) {
 *                 break;
 *             }
 *             eddy_await(eddy_writer_printf(&self->out, "%s %zu\n", "got", self->length));
 *             eddy_await(eddy_writer_drain(co, &self->out));      // slows down with a slow peer
 *         }
 *     }                                                           // here all is with the kernel
 *
 * What is put is copied, in the order of the puts, each piece whole, whichever task puts it. It is written
 * by one system call behind all that was ready when the first of it was put, so that what a turn puts goes
 * out with it; or as soon as there are `flush_at` bytes. What the kernel does not take goes on by itself
 * as the peer takes it: no task waits for that, unless it wants to.
 *
 * A peer that does not read must not fill the memory: whoever puts more than now and then awaits
 * eddy_writer_drain, and there is a limit past which a put is refused, or the stream closed (at_limit); or he
 * puts by eddy_writer_write, which waits for room.
 *
 * While bytes wait, the sending side of the stream is the writer's: who writes it himself gets -EBUSY, and so
 * does who puts while a task writes. When eddy_writer_flush has returned, the stream may be written.
 *
 * An error of the stream drops what waits, and is the result of whoever waits then, or else of the next
 * operation of the writer, and of all later ones, until the stream is opened anew. If nobody has had it when
 * the writer ends, the error hook is told.
 *
 * The caller owns the struct, zeroed before its opening; from then on until it is closed or dropped it must
 * stay where it is, and the stream must stay too, which is not closed with it. A coroutine must not end with
 * an open writer in its frame. The loop's end drops it. Its memory is blocks of the loop's pool; a writer
 * with nothing to write has none.
 */
#ifndef EDDY_WRITER_H
#define EDDY_WRITER_H

#include <stdarg.h>
#include <stdbool.h>

#include "eddy/callback.h"
#include "eddy/stream.h"
#include "eddy/wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a put that goes past the limit does. */
enum eddy_writer_at_limit {
    EDDY_WRITER_REFUSE, /* the put is -ENOBUFS, and nothing else happens */
    /* The stream is closed, since its peer does not read: the put, and from then on all that is done
     * with the stream, is -ENOBUFS, and the error hook is told. */
    EDDY_WRITER_CLOSE
};

/* Zeroed options are the defaults. All sizes are bytes that wait in the writer. */
struct eddy_writer_options {
    size_t flush_at; /* so many are written at once; 0: 16 KiB */
    size_t
        high;   /* with more than so many, a drain waits; 0: 64 KiB, or the limit if that is less */
    size_t low; /* until there are no more than these; 0: a quarter of `high` */
    size_t limit; /* never more than these; 0: 1 MiB, or `high` if that is more */
    enum eddy_writer_at_limit at_limit;
};

/* Private. */
struct eddy_chain {
    struct eddy_chain_block *first; /* NULL: no bytes */
    struct eddy_chain_block *last;
    size_t size; /* of all bytes in it */
};

/* All of it is private. */
typedef struct eddy_writer {
    eddy_loop *loop; /* NULL: not open */
    eddy_stream *stream;
    struct eddy_chain chain; /* what the kernel does not have yet */
    uint64_t sent;           /* of all that was put: what is with the kernel */
    struct eddy_writer_options options;
    eddy_callback flush;             /* ready while something is to be written */
    struct eddy_waiters putting;     /* eddy_writer_write: wait for room */
    struct eddy_waiters draining;    /* until no more than `low` bytes wait */
    struct eddy_waiters flushing;    /* each until `sent` has come to what its task's `with` says */
    struct eddy_task_record *closer; /* in eddy_writer_close; or NULL */
    uintptr_t opening;        /* of the stream: the one to which the bytes and the error belong */
    const char *place;        /* where it was opened; or NULL */
    int error;                /* that the stream ended with; 0: none */
    bool told;                /* somebody has had that */
    struct eddy_link guard;   /* in the list of the task that has opened it */
    struct eddy_loop_end end; /* followed while it is open */
} eddy_writer;

/* Opens a writer on an open stream. options NULL: the defaults. 0; -EINVAL: it is open already, or not
 * low <= high <= limit; -EBADF, -ETIMEDOUT: the stream is not open; -ENOMEM. */
EDDY_API int eddy_writer_open(eddy_writer *writer, eddy_stream *stream,
                              const struct eddy_writer_options *options);
#define eddy_writer_open(...) eddy_writer_open_(__VA_ARGS__, EDDY_PLACE_)

/*
 * Puts a copy of `size` bytes. Never waits, nor delivers a cancel: also outside of tasks, in callbacks.
 * Returns 0, or an error, and then nothing was put: -ENOBUFS: the limit does not allow it, or tasks wait in
 * eddy_writer_write; -EMSGSIZE: it is larger than the limit; -EBUSY: a task writes the stream itself, or
 * another writer of it has bytes; -ESHUTDOWN: it is being closed; -ENOMEM; -EBADF: it is not open; the error
 * of the stream, as far as it is known: one that this very piece meets is the next operation's.
 */
EDDY_API EDDY_MUST_USE int eddy_writer_put(eddy_writer *writer, const void *data, size_t size);

/* Likewise what printf(3) would write. -EILSEQ, -EOVERFLOW: as printf(3) says. */
EDDY_API EDDY_MUST_USE int eddy_writer_printf(eddy_writer *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
EDDY_API EDDY_MUST_USE int eddy_writer_vprintf(eddy_writer *writer, const char *format,
                                               va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* Puts as eddy_writer_put, but where that is past the limit waits for room, in the order of the calls.
 * Returns `size`; else as eddy_writer_put. -ECANCELED: nothing was put. The data must stay until then: not on
 * the C stack. */
EDDY_API EDDY_MUST_USE int64_t eddy_writer_write(eddy_coro *co, eddy_writer *writer,
                                                 const void *data, size_t size);

/* If more than `high` bytes wait, waits until no more than `low` do. 0; the error of the stream;
 * -ECANCELED, -EBADF. A cancel takes nothing back: what was put is written. */
EDDY_API EDDY_MUST_USE int64_t eddy_writer_drain(eddy_coro *co, eddy_writer *writer);

/* Waits until all that was put before is with the kernel. Likewise. */
EDDY_API EDDY_MUST_USE int64_t eddy_writer_flush(eddy_coro *co, eddy_writer *writer);

/* Waits until all is with the kernel, also of those who wait in eddy_writer_write, and closes the writer; it
 * takes no more meanwhile. 0, also if it is not open; the error of the stream: the writer is closed all the
 * same. -EBUSY: another task closes it. -ECANCELED, and with a time-out -ETIMEDOUT: it is open as
 * before, and goes on writing; drop it, or close it again. */
EDDY_API EDDY_MUST_USE int64_t eddy_writer_close(eddy_coro *co, eddy_writer *writer);

/* Closes the writer at once: what waits is dropped, and who waits gets -EBADF. Never waits. Nothing if
 * it is not open. The stream may have got a part of a piece: it is of no more use, unless nothing
 * waited. */
EDDY_API void eddy_writer_drop(eddy_writer *writer);

/* How many bytes wait. */
static inline size_t eddy_writer_buffered(const eddy_writer *writer)
{
    return writer->chain.size;
}

static inline bool eddy_writer_is_open(const eddy_writer *writer)
{
    return writer->loop != NULL;
}

/*
 * eddy_with_writer(&writer, &stream, options) { ... }: opens the writer, runs the block, and closes it however
 * the block is left: by its end or an error as eddy_writer_close, which a cancel or an outer time-out may cut
 * off; then, and when the block is left by a cancel, what the kernel takes at once is written, and the
 * rest dropped: a peer that does not read holds nobody who is to end.
 */
#define eddy_with_writer(writer, stream, options)                      \
    EDDY_WITH_OBJECT_(eddy_writer_object_(writer), eddy_writer_leave_, \
                      eddy_writer_enter_(co, stream, options, EDDY_PLACE_))

/* Private. */
EDDY_API int eddy_writer_open_(eddy_writer *writer, eddy_stream *stream,
                               const struct eddy_writer_options *options, const char *place);
EDDY_API EDDY_MUST_USE int64_t eddy_writer_enter_(eddy_coro *co, eddy_stream *stream,
                                                  const struct eddy_writer_options *options,
                                                  const char *place);
EDDY_API int64_t eddy_writer_leave_(eddy_coro *co, struct eddy_scope *scope);
static inline void *eddy_writer_object_(eddy_writer *writer) /* checks the type */
{
    return writer;
}

#ifdef __cplusplus
}
#endif

#endif
