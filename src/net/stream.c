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

    eddy_check_pointer(co, data);
    eddy_stream_write_begins(stream, co->task);
    co->task->with.value = (void *)(uintptr_t)data;
    pending = eddy_park(co, kind, stream, NULL);
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
            eddy_wake_to_try(stream->writer);
        }
    }
}

/* Events of the fd: they only say who may try now. None at all: the loop is being freed. */
static void on_events(eddy_io *io, unsigned events)
{
    eddy_stream *stream = (eddy_stream *)(void *)io;
    uint32_t state = stream->state;

    if (events != (EDDY_READ | EDDY_WRITE) ||
        (state & (EDDY_STREAM_WRITING | EDDY_STREAM_ASKED)) != 0) {
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
    eddy_stream_read_begins(stream, co->task);
    return eddy_park_inline(co, &read_kind, stream);
}

static int64_t __attribute__((noinline))
try_to_read(eddy_coro *co, eddy_stream *stream, void *buffer, size_t size)
{
    int64_t count = eddy_stream_read_some(stream, buffer, size);

    return count != -EAGAIN ? eddy_complete(co, count) : park_to_read(co, stream, buffer, size);
}

static inline int64_t read_or_park(eddy_coro *co, eddy_stream *stream, void *buffer, size_t size)
{
    if (size == 0) {
        return eddy_complete(co, 0);
    }
    return (stream->state & EDDY_READ) != 0 ? try_to_read(co, stream, buffer, size)
                                            : park_to_read(co, stream, buffer, size);
}

static int64_t __attribute__((noinline))
check_and_read(eddy_coro *co, eddy_stream *stream, void *buffer, size_t size)
{
    int64_t result = eddy_stream_may_begin(co, stream, EDDY_STREAM_READING);

    return result < 0 ? result : read_or_park(co, stream, buffer, size);
}

int64_t eddy_read(eddy_coro *co, eddy_stream *stream, void *buffer, size_t size)
{
    return eddy_is_clear_(co) && eddy_stream_is_free(stream, EDDY_STREAM_READING)
               ? read_or_park(co, stream, buffer, size)
               : check_and_read(co, stream, buffer, size);
}

int64_t eddy_readable(eddy_coro *co, eddy_stream *stream)
{
    int64_t result = eddy_stream_may_begin(co, stream, EDDY_STREAM_READING);

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

/* Goes on with what is left after one call. */
static int64_t __attribute__((noinline))
write_on(eddy_coro *co, eddy_stream *stream, const void *data, size_t size, int64_t count)
{
    int64_t result;

    stream->written = 0;
    stream->write_left = size;
    result = write_rest(stream, data, count);
    return result != EDDY_PENDING ? eddy_complete(co, result)
                                  : eddy_stream_park_writer(co, stream, &write_kind, data);
}

int64_t eddy_write(eddy_coro *co, eddy_stream *stream, const void *data, size_t size)
{
    int64_t count = eddy_stream_may_begin(co, stream, EDDY_STREAM_BUSY_WRITING);

    if (count < 0) {
        return count;
    }
    if ((stream->state & EDDY_WRITE) != 0 && size - 1 < EDDY_BYTES_A_STEP) { /* not of nothing */
        count = eddy_stream_write_some(stream, data, size);
    }
    if (count != (int64_t)size) {
        return write_on(co, stream, data, size, count);
    }
    stream->written = size;
    return eddy_complete(co, count);
}

/* ---- what never waits */

int64_t eddy_try_read(eddy_stream *stream, void *buffer, size_t size)
{
    if (eddy_stream_is_open(stream)) {
        eddy_loop_here(stream->io.loop, __func__);
    }
    if ((stream->state & (EDDY_STREAM_READING | EDDY_READ)) != EDDY_READ) {
        return eddy_stream_refusal(stream, EDDY_STREAM_READING);
    }
    return eddy_stream_read_some(stream, buffer, size);
}

int64_t eddy_try_write(eddy_stream *stream, const void *data, size_t size)
{
    if (eddy_stream_is_open(stream)) {
        eddy_loop_here(stream->io.loop, __func__);
    }
    if ((stream->state & (EDDY_STREAM_BUSY_WRITING | EDDY_WRITE)) != EDDY_WRITE) {
        return eddy_stream_refusal(stream, EDDY_STREAM_BUSY_WRITING);
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

void eddy_stream_take(eddy_stream *stream, eddy_io *io, bool tcp)
{
    eddy_io_exchange(&stream->io, io);
    stream->state =
        (stream->state & EDDY_STREAM_DIRECT) | EDDY_STREAM_OPEN | (tcp ? EDDY_STREAM_DRAINS : 0u);
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
