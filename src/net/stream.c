/*
 * Streams: reading, writing, and what the events of a socket do to those who wait for it.
 *
 * Every operation is the one text of wait.h: check, try, park. An event moves no bytes for a task: it
 * says in the state word who may try, and makes him ready; the work is done in his turn (`resume`), so
 * that a cancel before it takes nothing away. A stream is registered once for everything, edge-triggered,
 * and what is not known to be empty or full is tried: so no operation asks epoll for anything.
 *
 * Always: READING if and only if `reader` waits, and WRITING likewise; each of them is a reference of the
 * loop. With READ clear the kernel has said that there is nothing more, and will tell of the next byte.
 *
 * eddy_read does its check in a function of its own where it finds anything to check, and eddy_write its
 * first call without the loop that goes on with the rest. The text is the same; but where an argument
 * lives across a call, the compiler saves registers at the very beginning, for everybody.
 * docs/performance.md says what that is worth.
 */
#include "eddy/stream.h"

#include <stdio.h>

#include "loop/look.h"
#include "net/address.h"
#include "net/stream_internal.h"

/* Goes on after a call that took `count` bytes (0: there was none), or failed: until all is with the
 * kernel (the total), it would block or the step has had its share (EDDY_PENDING), or it fails. */
static int64_t write_rest(eddy_stream *stream, const char *data, int64_t count)
{
    struct eddy_write_share share = EDDY_WHOLE_WRITE_SHARE;

    if (count > 0) {
        eddy_write_share_use(&share, count);
    }
    while (count >= 0) {
        size_t size;
        stream->written += (size_t)count;
        stream->write_left -= (size_t)count;
        if (stream->write_left == 0) {
            return (int64_t)stream->written;
        }
        size = eddy_write_share_of(&share, stream->write_left);
        if (size == 0 || (stream->state & EDDY_WRITE) == 0) {
            return EDDY_PENDING;
        }
        count = eddy_stream_write_some(stream, data + stream->written, size);
        eddy_write_share_use(&share, count);
    }
    return count == -EAGAIN ? EDDY_PENDING : count;
}

/* ---- waiting */

static int abort_read(struct eddy_task_record *task)
{
    eddy_stream_read_over(task->in.object);
    return 1;
}

int eddy_stream_abort_write(struct eddy_task_record *task)
{
    eddy_stream_write_over(task->in.object);
    return 1;
}

/* The task that waits has read and found nothing; a transport may have told of something meanwhile. */
static int64_t __attribute__((noinline)) read_again(const eddy_stream *stream)
{
    return (stream->state & EDDY_READ) != 0 ? eddy_resume_later(stream->reader) : EDDY_PENDING;
}

static int64_t resume_read(struct eddy_task_record *task)
{
    eddy_stream *stream = task->in.object;
    int64_t count = eddy_stream_read_some(stream, task->with.value, stream->read_size);

    if (count == -EAGAIN) {
        return read_again(stream);
    }
    stream->state &= ~(uint32_t)EDDY_STREAM_READING; /* as eddy_stream_read_over */
    stream->io.loop->references--;
    return count;
}

static int64_t resume_read_inside(struct eddy_task_record *task)
{
    eddy_stream *stream = task->in.object;
    int64_t count = eddy_stream_read_some(stream, task->with.value, stream->read_size);

    if (count == -EAGAIN) {
        return read_again(stream);
    }
    eddy_stream_read_over(stream);
    return count;
}

static int64_t resume_write(struct eddy_task_record *task)
{
    eddy_stream *stream = task->in.object;

    return eddy_stream_resumed_write(task, write_rest(stream, task->with.value, 0));
}

int64_t eddy_stream_resumed_write(struct eddy_task_record *task, int64_t result)
{
    eddy_stream *stream = task->in.object;

    if (result != EDDY_PENDING) {
        eddy_stream_write_over(stream);
    } else if ((stream->state & EDDY_WRITE) != 0) { /* it has had its share */
        return eddy_resume_later(task);
    }
    return result;
}

int64_t eddy_stream_park_writer(eddy_coro *co, eddy_stream *stream,
                                const struct eddy_wait_kind *kind, const void *data)
{
    int64_t pending;

    eddy_check_pointer(co, data);
    eddy_stream_write_begins(stream, co->task);
    co->task->with.value = (void *)(uintptr_t)data;
    pending = eddy_park(co, kind, stream, NULL);
    if ((stream->state & EDDY_WRITE) != 0) {
        eddy_wake_to_try(co->task);
    }
    return pending;
}

void eddy_stream_name(const eddy_stream *stream, char *text, size_t size)
{
    if ((stream->state & EDDY_STREAM_TRANSPORT) != 0) {
        eddy_transport_describe(stream, text, size);
    } else {
        eddy_look_describe_fd(stream->io.loop, stream->io.fd, text, size);
    }
}

void eddy_stream_describe(const struct eddy_task_record *task, char *text, size_t size)
{
    eddy_stream_name(task->in.object, text, size);
}

void eddy_stream_describe_write(const struct eddy_task_record *task, char *text, size_t size)
{
    const eddy_stream *stream = task->in.object;
    char fd[EDDY_FD_TEXT];

    eddy_stream_name(stream, fd, sizeof fd);
    snprintf(text, size, "%s, %zu of %zu bytes written", fd, stream->written,
             stream->written + stream->write_left);
}

static const struct eddy_wait_kind read_kind = {
    .name = "read",
    .abort = abort_read,
    .resume = resume_read,
    .describe = eddy_stream_describe,
};

/* Of streams that are EDDY_STREAM_INSIDE. */
static const struct eddy_wait_kind read_inside_kind = {
    .name = "read",
    .abort = abort_read,
    .resume = resume_read_inside,
    .describe = eddy_stream_describe,
};

static const struct eddy_wait_kind readable_kind = {
    .name = "readable",
    .abort = abort_read,
    .describe = eddy_stream_describe,
};

static const struct eddy_wait_kind writable_kind = {
    .name = "writable",
    .abort = eddy_stream_abort_write,
    .describe = eddy_stream_describe,
};

static const struct eddy_wait_kind write_kind = {
    .name = "write",
    .abort = eddy_stream_abort_write,
    .resume = resume_write,
    .describe = eddy_stream_describe_write,
};

/* Who only asks has what he waits for; who reads is to try. */
static void tell_reader(eddy_stream *stream)
{
    if ((stream->state & EDDY_STREAM_ASKED) != 0) {
        eddy_stream_read_over(stream);
        eddy_wake(stream->reader, 1);
    } else {
        eddy_wake_to_try(stream->reader);
    }
}

static void tell_writer(eddy_stream *stream)
{
    if ((stream->state & EDDY_STREAM_ASKED_ROOM) != 0) {
        eddy_stream_write_over(stream);
        eddy_wake(stream->writer, 1);
    } else {
        eddy_wake_to_try(stream->writer);
    }
}

/* What is rare: an end, an error, urgent data, room for a writer that waits, or a transport. */
static void __attribute__((noinline)) on_odd_events(eddy_stream *stream, unsigned events)
{
    if (events == 0) {
        stream->state = 0;
    } else if ((events & EDDY_IO_GONE) != 0) {
        eddy_stream_close_with(stream, -EBADF);
    } else if ((stream->state & EDDY_STREAM_TRANSPORT) != 0) {
        eddy_transport_events(eddy_transport_of(stream), events);
    } else {
        eddy_stream_tell(stream, events);
    }
}

void eddy_stream_tell(eddy_stream *stream, unsigned events)
{
    if ((events & EDDY_HANGUP) != 0) {
        stream->state |= EDDY_STREAM_GONE;
        if ((stream->state & EDDY_STREAM_COPIED_TO) != 0) {
            eddy_copy_target_gone(stream);
        }
    }
    if ((events & ~(unsigned)(EDDY_READ | EDDY_WRITE)) != 0) {
        stream->state &=
            ~(uint32_t)EDDY_STREAM_DRAINS; /* an end or urgent data may stand behind the bytes */
    }
    if ((events & ~(unsigned)EDDY_WRITE) != 0) {
        stream->state |= EDDY_READ;
        if ((stream->state & EDDY_STREAM_TO_COPY) != 0) {
            eddy_copy_at_event(stream);
        } else if ((stream->state & EDDY_STREAM_READING) != 0) {
            tell_reader(stream);
        }
    }
    if ((events & (EDDY_WRITE | EDDY_HANGUP | EDDY_ERROR)) != 0) {
        stream->state |= EDDY_WRITE;
        if ((stream->state & EDDY_STREAM_WRITING) != 0) {
            tell_writer(stream);
        } else if ((stream->state & EDDY_STREAM_BUFFERED) != 0) {
            eddy_writer_at_event(stream);
        }
    }
    if ((stream->state & EDDY_STREAM_UNDER) != 0) {
        eddy_transport_events(eddy_transport_above(stream), events);
    }
}

/* Events of the fd: they only say who may try now. None at all: the loop is being freed. */
static void on_events(eddy_io *io, unsigned events)
{
    eddy_stream *stream = (eddy_stream *)(void *)io;
    uint32_t state = stream->state;

    if (events != (EDDY_READ | EDDY_WRITE) ||
        (state & (EDDY_STREAM_WRITING | EDDY_STREAM_BUFFERED | EDDY_STREAM_ASKED |
                  EDDY_STREAM_TRANSPORT | EDDY_STREAM_UNDER)) != 0) {
        on_odd_events(stream, events);
        return;
    }
    stream->state = state | EDDY_READ | EDDY_WRITE;
    if ((state & EDDY_STREAM_TO_COPY) != 0) {
        eddy_copy_at_event(stream);
    } else if ((state & EDDY_STREAM_READING) != 0) {
        eddy_wake_to_try_inline(stream->reader);
    }
}

/* ---- the operations */

static inline int64_t park_to_read(eddy_coro *co, eddy_stream *stream, void *buffer, size_t size)
{
    stream->read_size = size;
    co->task->with.value = buffer;
    eddy_check_pointer_inline(co, buffer);
    stream->reader = co->task; /* as eddy_stream_read_begins */
    stream->state |= EDDY_STREAM_READING;
    eddy_task_loop(co->task)->references++;
    return eddy_park_inline(co, &read_kind, stream);
}

static int64_t __attribute__((noinline))
try_to_read(eddy_coro *co, eddy_stream *stream, void *buffer, size_t size)
{
    int64_t count = eddy_stream_read_some(stream, buffer, size);
    int64_t pending;

    if (count != -EAGAIN) {
        return eddy_complete(co, count);
    }
    pending = park_to_read(co, stream, buffer, size);
    if ((stream->state & EDDY_READ) != 0) { /* a transport has told of more meanwhile */
        eddy_wake_to_try(co->task);
    }
    return pending;
}

static inline int64_t read_or_park(eddy_coro *co, eddy_stream *stream, void *buffer, size_t size)
{
    if (size == 0) {
        return eddy_complete(co, 0);
    }
    return (stream->state & EDDY_READ) != 0 ? try_to_read(co, stream, buffer, size)
                                            : park_to_read(co, stream, buffer, size);
}

static int64_t read_inside(eddy_coro *co, eddy_stream *stream, void *buffer, size_t size)
{
    int64_t count = -EAGAIN;
    int64_t pending;

    if (size == 0 || (stream->state & EDDY_READ) != 0) {
        count = size == 0 ? 0 : eddy_stream_read_some(stream, buffer, size);
    }
    if (count != -EAGAIN) {
        return eddy_complete(co, count);
    }
    stream->read_size = size;
    co->task->with.value = buffer;
    eddy_check_pointer(co, buffer);
    eddy_stream_read_begins(stream, co->task);
    pending = eddy_park(co, &read_inside_kind, stream, NULL);
    if ((stream->state & EDDY_READ) != 0) {
        eddy_wake_to_try(co->task);
    }
    return pending;
}

static int64_t __attribute__((noinline))
check_and_read(eddy_coro *co, eddy_stream *stream, void *buffer, size_t size)
{
    int64_t result = eddy_stream_may_begin(co, stream, EDDY_STREAM_BUSY_READING);

    if (result < 0) {
        return result;
    }
    return (stream->state & EDDY_STREAM_INSIDE) != 0 ? read_inside(co, stream, buffer, size)
                                                     : read_or_park(co, stream, buffer, size);
}

int64_t eddy_read(eddy_coro *co, eddy_stream *stream, void *buffer, size_t size)
{
    return eddy_is_clear_(co) &&
                   eddy_stream_is_free(stream, EDDY_STREAM_BUSY_READING | EDDY_STREAM_INSIDE)
               ? read_or_park(co, stream, buffer, size)
               : check_and_read(co, stream, buffer, size);
}

int64_t eddy_readable(eddy_coro *co, eddy_stream *stream)
{
    int64_t result = eddy_stream_may_begin(co, stream, EDDY_STREAM_BUSY_READING);

    if (result < 0) {
        return result;
    }
    if ((stream->state & EDDY_READ) != 0) {
        return eddy_complete(co, 1);
    }
    eddy_stream_read_begins(stream, co->task);
    stream->state |= EDDY_STREAM_ASKED;
    return eddy_park(co, &readable_kind, stream, NULL);
}

int64_t eddy_writable(eddy_coro *co, eddy_stream *stream)
{
    int64_t result = eddy_stream_may_begin(co, stream, EDDY_STREAM_BUSY_WRITING);

    if (result < 0) {
        return result;
    }
    if ((stream->state & EDDY_WRITE) != 0) {
        return eddy_complete(co, 1);
    }
    eddy_stream_write_begins(stream, co->task);
    stream->state |= EDDY_STREAM_ASKED_ROOM;
    return eddy_park(co, &writable_kind, stream, NULL);
}

/* Goes on with what is left after one call. Who writes is the innermost frame of the task that runs, also in a
 * branch of a select: if eddy_write kept its `co` for this, a message would take five instructions more. */
static int64_t __attribute__((noinline))
write_on(eddy_stream *stream, const void *data, size_t size, int64_t count)
{
    eddy_coro *co = stream->io.loop->current->top;
    int64_t result;

    stream->written = 0;
    stream->write_left = size;
    result = write_rest(stream, data, count);
    return result != EDDY_PENDING ? eddy_complete(co, result)
                                  : eddy_stream_park_writer(co, stream, &write_kind, data);
}

int64_t eddy_stream_refuse_write(eddy_stream *stream, int64_t result)
{
    if ((stream->state & EDDY_STREAM_BUSY_WRITING) == 0) { /* else it counts for another task */
        stream->written = 0;
    }
    return result;
}

/* What every write begins with, where there is anything to check. */
static int64_t __attribute__((noinline)) check_write(eddy_coro *co, eddy_stream *stream)
{
    int64_t result = eddy_stream_may_begin(co, stream, EDDY_STREAM_BUSY_WRITING);

    return result < 0 ? eddy_stream_refuse_write(stream, result) : 0;
}

int64_t eddy_write(eddy_coro *co, eddy_stream *stream, const void *data, size_t size)
{
    int64_t count = 0;

    if (!eddy_is_clear_(co) || !eddy_stream_is_free(stream, EDDY_STREAM_BUSY_WRITING)) {
        count = check_write(co, stream);
        if (count < 0) {
            return count;
        }
    }
    if ((stream->state & EDDY_WRITE) != 0 && size - 1 < EDDY_BYTES_A_STEP) { /* not of nothing */
        count = eddy_stream_write_some(stream, data, size);
    }
    if (count != (int64_t)size) {
        return write_on(stream, data, size, count);
    }
    stream->written = size;
    return eddy_complete(co, count);
}

int eddy_stream_shutdown_write(eddy_stream *stream)
{
    const struct eddy_sys *sys;

    if (!eddy_stream_is_open(stream)) {
        return eddy_stream_not_open(stream);
    }
    eddy_loop_here(stream->io.loop, __func__);
    if ((stream->state & EDDY_STREAM_BUFFERED) != 0) {
        return -EBUSY;
    }
    if ((stream->state & EDDY_STREAM_TRANSPORT) != 0) {
        return eddy_transport_shutdown(stream);
    }
    sys = stream->io.loop->sys;
    return sys->shutdown(sys, stream->io.fd, SHUT_WR);
}

/* ---- opening */

static void begin_anew(eddy_stream *stream)
{
    stream->written = 0;
    stream->idle = NULL;
    stream->closed_with = 0;
}

int eddy_stream_watch(eddy_loop *loop, eddy_stream *stream, int fd)
{
    begin_anew(stream);
    return eddy_io_watch(loop, &stream->io, fd, 0, EDDY_IO_EDGE, on_events);
}

void eddy_stream_without_fd(eddy_loop *loop, eddy_stream *stream)
{
    begin_anew(stream);
    stream->io = (eddy_io){.loop = loop, .callback = on_events, .fd = -1, .mode = EDDY_IO_EDGE};
    stream->io.ready.kind = EDDY_READY_IO;
}

int eddy_stream_adopt(eddy_loop *loop, eddy_stream *stream, int fd, bool tcp)
{
    int result = eddy_stream_is_open(stream) ? -EINVAL : eddy_stream_watch(loop, stream, fd);

    if (result == 0) {
        stream->io.user = (void *)++loop->openings;
        /* the registration tells at once if it is readable */
        stream->state = EDDY_STREAM_OPEN | EDDY_WRITE | EDDY_STREAM_ANSWERED |
                        (tcp ? EDDY_STREAM_DRAINS : 0u) |
                        (loop->sys == eddy_sys_default() ? EDDY_STREAM_DIRECT : 0u);
    }
    return result;
}

void eddy_stream_take(eddy_stream *stream, eddy_io *io, bool tcp)
{
    eddy_io_exchange(&stream->io, io);
    stream->state =
        (stream->state & EDDY_STREAM_DIRECT) | EDDY_STREAM_OPEN | (tcp ? EDDY_STREAM_DRAINS : 0u);
}
