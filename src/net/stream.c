#include "eddy/stream.h"

#include <stdio.h>

#include "loop/look.h"
#include "net/address.h"
#include "net/stream_internal.h"

/* Goes on after a write that took `count` bytes, or failed: until all is with the kernel (the
 * total), it would block or the step has had its share (EDDY_PENDING), or it fails. */
static int64_t write_rest(eddy_stream *stream, const char *data, int64_t count)
{
    struct eddy_write_share share = EDDY_WHOLE_WRITE_SHARE;

    while (count >= 0) {
        size_t size;
        stream->written += (size_t)count;
        stream->write_left -= (size_t)count;
        if (stream->write_left == 0) {
            return (int64_t)stream->written;
        }
        size = eddy_write_share_of(&share, stream->write_left);
        if (size == 0) {
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

static int64_t resume_read(struct eddy_task_record *task)
{
    eddy_stream *stream = task->in.object;
    int64_t count = eddy_stream_read_some(stream, task->with.value, stream->read_size);

    if (count == -EAGAIN) {
        return EDDY_PENDING;
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

    eddy_check_pointer_inline(co, data);
    eddy_stream_write_begins(stream, co->task);
    co->task->with.value = (void *)(uintptr_t)data;
    pending = eddy_park_inline(co, kind, stream);
    if ((stream->state & EDDY_WRITE) != 0) {
        eddy_wake_to_try(co->task);
    }
    return pending;
}

void eddy_stream_describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const eddy_stream *stream = task->in.object;

    eddy_look_describe_fd(stream->io.loop, stream->io.fd, text, size);
}

void eddy_stream_describe_write(const struct eddy_task_record *task, char *text, size_t size)
{
    const eddy_stream *stream = task->in.object;
    char fd[EDDY_FD_TEXT];

    eddy_look_describe_fd(stream->io.loop, stream->io.fd, fd, sizeof fd);
    snprintf(text, size, "%s, %zu of %zu bytes written", fd, stream->written,
             stream->written + stream->write_left);
}

static const struct eddy_wait_kind read_kind = {
    .name = "read",
    .abort = abort_read,
    .resume = resume_read,
    .describe = eddy_stream_describe,
};

static const struct eddy_wait_kind readable_kind = {
    .name = "readable",
    .abort = abort_read,
    .describe = eddy_stream_describe,
};

static const struct eddy_wait_kind write_kind = {
    .name = "write",
    .abort = eddy_stream_abort_write,
    .resume = resume_write,
    .describe = eddy_stream_describe_write,
};

/* Who only waits for the stream to be readable has what he waits for; who reads is to try. */
static inline void tell_reader(eddy_stream *stream)
{
    struct eddy_task_record *reader = stream->reader;

    if (reader->wait == &readable_kind) {
        eddy_stream_read_over(stream);
        eddy_wake_inline(stream->io.loop, reader, 1);
    } else {
        eddy_wake_to_try_inline(reader);
    }
}

static void close_with(eddy_stream *stream, int64_t result);

/* What is rare: an end, an error, urgent data, or room for a writer that waits. */
static void __attribute__((noinline)) on_odd_events(eddy_stream *stream, unsigned events)
{
    if (events == 0) {
        stream->state = 0;
    }
    if ((events & EDDY_IO_GONE) != 0) {
        close_with(stream, -EBADF);
        return;
    }
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
            eddy_wake_to_try_inline(stream->writer);
        }
    }
}

/* Events of the fd: they only say who may try now. None at all: the loop is being freed. */
static void on_events(eddy_io *io, unsigned events)
{
    eddy_stream *stream = (eddy_stream *)(void *)io;
    uint32_t state = stream->state;

    if (events != (EDDY_READ | EDDY_WRITE) || (state & EDDY_STREAM_WRITING) != 0) {
        on_odd_events(stream, events);
        return;
    }
    stream->state = state | EDDY_READ | EDDY_WRITE;
    if ((state & EDDY_STREAM_TO_COPY) != 0) {
        eddy_copy_at_event(stream);
    } else if ((state & EDDY_STREAM_READING) != 0) {
        tell_reader(stream);
    }
}

/* ---- the operations */

/* What comes next is an edge that is told of. */
static inline bool nothing_to_read(const eddy_stream *stream)
{
    const uint32_t mask = EDDY_STREAM_OPEN | EDDY_STREAM_READING | EDDY_READ;

    return (stream->state & mask) == EDDY_STREAM_OPEN;
}

static int64_t __attribute__((noinline))
read_slow(eddy_coro *co, eddy_stream *stream, void *buffer, size_t size)
{
    int64_t result = eddy_stream_may_begin(co, stream, EDDY_STREAM_READING);

    if (result < 0) {
        return result;
    }
    if (size == 0) {
        return eddy_complete(co, 0);
    }
    if ((stream->state & EDDY_READ) != 0) {
        result = eddy_stream_read_some(stream, buffer, size);
        if (result != -EAGAIN) {
            return eddy_complete(co, result);
        }
    }
    eddy_check_pointer_inline(co, buffer);
    eddy_stream_read_begins(stream, co->task);
    stream->read_size = size;
    co->task->with.value = buffer;
    return eddy_park_inline(co, &read_kind, stream);
}

int64_t eddy_read(eddy_coro *co, eddy_stream *stream, void *buffer, size_t size)
{
    if (!eddy_is_plain(co) || !nothing_to_read(stream) || size == 0) {
        return read_slow(co, stream, buffer, size);
    }
    eddy_check_pointer_inline(co, buffer);
    eddy_stream_read_begins(stream, co->task);
    stream->read_size = size;
    co->task->with.value = buffer;
    return eddy_park_plainly(stream->io.loop, co, &read_kind, stream);
}

static int64_t __attribute__((noinline)) readable_slow(eddy_coro *co, eddy_stream *stream)
{
    int64_t result = eddy_stream_may_begin(co, stream, EDDY_STREAM_READING);

    if (result < 0) {
        return result;
    }
    if ((stream->state & EDDY_READ) != 0) {
        return eddy_complete(co, 1);
    }
    eddy_stream_read_begins(stream, co->task);
    return eddy_park_inline(co, &readable_kind, stream);
}

int64_t eddy_readable(eddy_coro *co, eddy_stream *stream)
{
    if (!eddy_is_plain(co) || !nothing_to_read(stream)) {
        return readable_slow(co, stream);
    }
    eddy_stream_read_begins(stream, co->task);
    return eddy_park_plainly(stream->io.loop, co, &readable_kind, stream);
}

/* Goes on with a write that took `count` bytes, or failed. */
static int64_t __attribute__((noinline))
write_on(eddy_coro *co, eddy_stream *stream, const void *data, size_t size, int64_t count)
{
    int64_t result;

    stream->written = 0;
    stream->write_left = size;
    result = write_rest(stream, data, count);
    if (result != EDDY_PENDING) {
        return eddy_complete(co, result);
    }
    return eddy_stream_park_writer(co, stream, &write_kind, data);
}

static int64_t __attribute__((noinline))
write_slow(eddy_coro *co, eddy_stream *stream, const void *data, size_t size)
{
    int64_t result = eddy_stream_may_begin(co, stream, EDDY_STREAM_BUSY_WRITING);

    if (result < 0) {
        return result;
    }
    if (size == 0) {
        stream->written = 0;
        return eddy_complete(co, 0);
    }
    return write_on(co, stream, data, size, (stream->state & EDDY_WRITE) != 0 ? 0 : -EAGAIN);
}

int64_t eddy_write(eddy_coro *co, eddy_stream *stream, const void *data, size_t size)
{
    const uint32_t mask = EDDY_STREAM_DIRECT | EDDY_STREAM_BUSY_WRITING | EDDY_WRITE;
    int64_t count;

    if (!eddy_is_plain(co) || (stream->state & mask) != (EDDY_STREAM_DIRECT | EDDY_WRITE) ||
        size - 1 >= EDDY_BYTES_A_STEP) { /* nothing, or more than one step writes */
        return write_slow(co, stream, data, size);
    }
    count = eddy_stream_write_some(stream, data, size);
    if (count != (int64_t)size) {
        return write_on(co, stream, data, size, count);
    }
    stream->written = size;
    return eddy_complete(co, count);
}

/* ---- what never waits */

/* Why nothing may be tried: not open, another task does the same, or the kernel would block. */
static int64_t __attribute__((noinline)) not_now(const eddy_stream *stream, unsigned busy)
{
    if (!eddy_stream_is_open(stream)) {
        return eddy_stream_not_open(stream);
    }
    return (stream->state & busy) != 0 ? -EBUSY : -EAGAIN;
}

int64_t eddy_try_read(eddy_stream *stream, void *buffer, size_t size)
{
    if (eddy_stream_is_open(stream)) {
        eddy_loop_here(stream->io.loop, __func__);
    }
    if ((stream->state & (EDDY_STREAM_READING | EDDY_READ)) != EDDY_READ) {
        return not_now(stream, EDDY_STREAM_READING);
    }
    return eddy_stream_read_some(stream, buffer, size);
}

int64_t eddy_try_write(eddy_stream *stream, const void *data, size_t size)
{
    if (eddy_stream_is_open(stream)) {
        eddy_loop_here(stream->io.loop, __func__);
    }
    if ((stream->state & (EDDY_STREAM_BUSY_WRITING | EDDY_WRITE)) != EDDY_WRITE) {
        return not_now(stream, EDDY_STREAM_BUSY_WRITING);
    }
    return eddy_stream_write_some(stream, data, size);
}

int eddy_stream_shutdown_write(eddy_stream *stream)
{
    const struct eddy_sys *sys;

    if (!eddy_stream_is_open(stream)) {
        return eddy_stream_not_open(stream);
    }
    eddy_loop_here(stream->io.loop, __func__);
    sys = stream->io.loop->sys;
    return sys->shutdown(sys, stream->io.fd, SHUT_WR);
}

/* ---- opening and closing */

int eddy_stream_adopt(eddy_loop *loop, eddy_stream *stream, int fd, bool tcp)
{
    int result;

    if (eddy_stream_is_open(stream)) {
        return -EINVAL;
    }
    stream->written = 0;
    stream->idle = NULL;
    stream->closed_with = 0;
    result = eddy_io_watch(loop, &stream->io, fd, 0, EDDY_IO_EDGE, on_events);
    if (result == 0) {
        stream->io.user = (void *)++loop->openings;
        /* the registration tells at once if it is readable */
        stream->state = EDDY_STREAM_OPEN | EDDY_WRITE | (tcp ? EDDY_STREAM_DRAINS : 0u) |
                        (loop->sys == eddy_sys_default() ? EDDY_STREAM_DIRECT : 0u);
    }
    return result;
}

static void end_wait(struct eddy_task_record *task, int64_t result)
{
    (void)task->wait->abort(task);
    eddy_wake(task, result);
}

static void close_with(eddy_stream *stream, int64_t result)
{
    const struct eddy_sys *sys = stream->io.loop->sys;

    if ((stream->state & EDDY_STREAM_READING) != 0) {
        end_wait(stream->reader, result);
    }
    if ((stream->state & (EDDY_STREAM_WRITING | EDDY_STREAM_COPIED_TO)) != 0) {
        end_wait(stream->writer, result);
    }
    if (eddy_stream_disown(stream)) { /* unless a connect that ends has closed it */
        /* its errors come too late to matter: close(2) */
        (void)sys->close(sys, stream->io.fd);
    }
}

void eddy_stream_close(eddy_stream *stream)
{
    if (eddy_stream_is_open(stream)) {
        eddy_loop_here(stream->io.loop, __func__);
        close_with(stream, -EBADF);
    }
}

int64_t eddy_stream_leave_(eddy_coro *co, struct eddy_scope *scope)
{
    (void)co;
    eddy_stream_close(scope->object);
    return 0;
}

bool eddy_stream_disown(eddy_stream *stream)
{
    if (stream->idle != NULL) {
        eddy_timer_stop(&stream->idle->timer);
        stream->idle = NULL;
    }
    stream->state = 0;
    return eddy_io_release(&stream->io);
}

/* Whether the peer has taken bytes since the last look, or may have, as nobody has looked yet. The
 * kernel tells of room only when a third of its buffer is free. */
static bool peer_takes(eddy_stream *stream, struct eddy_idle *idle)
{
    int before = idle->unsent;

    idle->unsent = eddy_socket_unsent(stream->io.loop, stream->io.fd);
    return before < 0 ? idle->unsent > 0 : idle->unsent < before;
}

/* It was due when its turn came, but a byte may have moved since. */
static void on_idle(eddy_timer *timer)
{
    struct eddy_idle *idle = timer->user;
    eddy_stream *stream = idle->stream;
    int64_t left = timer->deadline - eddy_loop_update(stream->io.loop);
    bool takes = peer_takes(stream, idle);

    if (left <= 0 && takes) {
        left = idle->timeout;
    }
    if (left > 0 && eddy_timer_start_own(stream->io.loop, timer, left, on_idle) == 0) {
        return;
    }
    close_with(stream, -ETIMEDOUT);
    stream->closed_with = -ETIMEDOUT;
}

int eddy_stream_idle_timeout(eddy_stream *stream, struct eddy_idle *idle, int64_t timeout)
{
    int result;

    if (!eddy_stream_is_open(stream)) {
        return eddy_stream_not_open(stream);
    }
    if (timeout <= 0) {
        return -EINVAL;
    }
    result = eddy_timer_start_own(stream->io.loop, &idle->timer, timeout, on_idle);
    if (result == 0) {
        idle->timer.user = idle;
        idle->stream = stream;
        idle->timeout = timeout;
        idle->unsent = -1;
        if (stream->idle != NULL && stream->idle != idle) {
            eddy_timer_stop(&stream->idle->timer);
        }
        stream->idle = idle;
        stream->state &= ~(uint32_t)EDDY_STREAM_DIRECT; /* every byte that moves is to be noted */
    }
    return result;
}
