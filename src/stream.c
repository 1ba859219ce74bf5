#include "eddy/stream.h"

#include <fcntl.h>
#include <netinet/in.h>

#include "stream_internal.h"

/* ---- idle time-outs */

/* A byte has moved. The timer is only put off: its entry in the heap is put right when it comes
 * up. */
static inline void moved(eddy_stream *stream)
{
    if (stream->idle != NULL) {
        stream->idle->timer.deadline =
            eddy_deadline_after(eddy_loop_now(stream->io.loop), stream->idle->timeout);
    }
}

/* ---- system calls */

/* What is left to do after a read that was not simply a short one. */
static int64_t read_odd(eddy_stream *stream, void *buffer, size_t size, int64_t count)
{
    const struct eddy_sys *sys = stream->io.loop->sys;

    while (count == -EINTR) {
        count = sys->read(sys, stream->io.fd, buffer, size);
    }
    stream->readable = count != -EAGAIN;
    if (count > 0) {
        stream->readable = (size_t)count == size || !stream->short_means_drained;
        moved(stream);
    }
    return count;
}

/* read(2); keeps track of whether there may be more. */
static inline int64_t read_some(eddy_stream *stream, void *buffer, size_t size)
{
    const struct eddy_sys *sys = stream->io.loop->sys;
    int64_t count = sys->read(sys, stream->io.fd, buffer, size);

    if ((uint64_t)(count - 1) < size - 1 && stream->idle == NULL) { /* 0 < count < size */
        /* What comes from now on is a new edge, if this read has emptied the socket. */
        stream->readable = !stream->short_means_drained;
        return count;
    }
    return read_odd(stream, buffer, size, count);
}

static int64_t write_odd(eddy_stream *stream, const void *data, size_t size, int64_t count)
{
    const struct eddy_sys *sys = stream->io.loop->sys;

    while (count == -EINTR) {
        count = sys->send(sys, stream->io.fd, data, size);
    }
    if (count == -EAGAIN) {
        stream->writable = false;
    } else {
        moved(stream);
    }
    return count;
}

static inline int64_t write_some(eddy_stream *stream, const void *data, size_t size)
{
    const struct eddy_sys *sys = stream->io.loop->sys;
    int64_t count = sys->send(sys, stream->io.fd, data, size);

    if (count >= 0 && stream->idle == NULL) {
        return count;
    }
    return write_odd(stream, data, size, count);
}

/* Goes on after a write that took `count` bytes, or failed: until all is with the kernel (the
 * total), it would block (EDDY_PENDING), or it fails. */
static int64_t write_rest(eddy_stream *stream, const char *data, int64_t count)
{
    while (count >= 0) {
        stream->written += (size_t)count;
        stream->write_left -= (size_t)count;
        if (stream->write_left == 0) {
            return (int64_t)stream->written;
        }
        count = write_some(stream, data + stream->written, stream->write_left);
    }
    return count == -EAGAIN ? EDDY_PENDING : count;
}

/* ---- waiting */

/* A task that waits on a stream is a reason for the loop to go on. */
static void read_over(eddy_stream *stream)
{
    stream->reader = NULL;
    stream->io.loop->references--;
}

static void write_over(eddy_stream *stream)
{
    stream->writer = NULL;
    stream->io.loop->references--;
}

static int abort_read(struct eddy_task_record *task)
{
    read_over(task->in.object);
    return 1;
}

static int abort_write(struct eddy_task_record *task)
{
    write_over(task->in.object);
    return 1;
}

static int64_t resume_read(struct eddy_task_record *task)
{
    eddy_stream *stream = task->in.object;
    int64_t count = read_some(stream, task->with.value, stream->read_size);

    if (count == -EAGAIN) {
        return EDDY_PENDING;
    }
    read_over(stream);
    return count;
}

static int64_t resume_write(struct eddy_task_record *task)
{
    eddy_stream *stream = task->in.object;
    int64_t result = write_rest(stream, task->with.value, 0);

    if (result != EDDY_PENDING) {
        write_over(stream);
    }
    return result;
}

static int64_t resume_readable(struct eddy_task_record *task)
{
    read_over(task->in.object);
    return 1;
}

static const struct eddy_wait read_kind = {
    .name = "read",
    .abort = abort_read,
    .resume = resume_read,
};

static const struct eddy_wait readable_kind = {
    .name = "readable",
    .abort = abort_read,
    .resume = resume_readable,
};

static const struct eddy_wait write_kind = {
    .name = "write",
    .abort = abort_write,
    .resume = resume_write,
};

/* Events of the fd: they only say who may try now. */
static void on_events(eddy_io *io, unsigned events)
{
    eddy_stream *stream = (eddy_stream *)(void *)io;

    if ((events & ~(unsigned)(EDDY_READ | EDDY_WRITE)) != 0) {
        stream->short_means_drained = false; /* an end or urgent data may stand behind the bytes */
    }
    if ((events & ~(unsigned)(EDDY_WRITE)) != 0) {
        stream->readable = true;
        if (stream->reader != NULL) {
            eddy_wake_to_try_inline(stream->reader);
        }
    }
    if ((events & (EDDY_WRITE | EDDY_HANGUP | EDDY_ERROR)) != 0) {
        stream->writable = true;
        if (stream->writer != NULL) {
            eddy_wake_to_try_inline(stream->writer);
        }
    }
}

/* ---- the operations */

/* Why a stream is not open: its idle time-out has closed it, or -EBADF. */
static inline int not_open(const eddy_stream *stream)
{
    return stream->closed_with != 0 ? stream->closed_with : -EBADF;
}

/* What every operation begins with; `busy` is the task that does the same already. */
static inline int64_t may_begin(eddy_coro *co, const eddy_stream *stream,
                                const struct eddy_task_record *busy)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (!eddy_stream_is_open(stream)) {
        /* who tries for ever is not to starve others */
        return eddy_done_inline(co, not_open(stream));
    }
    return busy != NULL ? eddy_done_inline(co, -EBUSY) : 0;
}

int64_t eddy_read(eddy_coro *co, eddy_stream *stream, void *buffer, size_t size)
{
    int64_t result = may_begin(co, stream, stream->reader);

    if (result < 0) {
        return result;
    }
    if (size == 0) {
        return eddy_done_inline(co, 0);
    }
    if (stream->readable) {
        result = read_some(stream, buffer, size);
        if (result != -EAGAIN) {
            return eddy_done_inline(co, result);
        }
    }
    eddy_check_pointer_inline(co, buffer);
    stream->reader = co->task;
    stream->read_size = size;
    stream->io.loop->references++;
    co->task->with.value = buffer;
    return eddy_park_inline(co, &read_kind, stream);
}

int64_t eddy_readable(eddy_coro *co, eddy_stream *stream)
{
    int64_t result = may_begin(co, stream, stream->reader);

    if (result < 0) {
        return result;
    }
    if (stream->readable) {
        return eddy_done_inline(co, 1);
    }
    stream->reader = co->task;
    stream->io.loop->references++;
    return eddy_park_inline(co, &readable_kind, stream);
}

int64_t eddy_write(eddy_coro *co, eddy_stream *stream, const void *data, size_t size)
{
    int64_t result = may_begin(co, stream, stream->writer);

    if (result < 0) {
        return result;
    }
    stream->written = 0;
    stream->write_left = size;
    if (size == 0) {
        return eddy_done_inline(co, 0);
    }
    if (stream->writable) {
        result = write_some(stream, data, size);
        if (result == (int64_t)size) { /* nearly always */
            stream->written = size;
            return eddy_done_inline(co, result);
        }
        result = write_rest(stream, data, result);
        if (result != EDDY_PENDING) {
            return eddy_done_inline(co, result);
        }
    }
    eddy_check_pointer_inline(co, data);
    stream->writer = co->task;
    stream->io.loop->references++;
    co->task->with.value = (void *)(uintptr_t)data;
    return eddy_park_inline(co, &write_kind, stream);
}

/* ---- several pieces at once */

/* IOV_MAX; what is handed to the kernel in one call */
enum { MOST_PIECES = 1024, PIECES_AT_ONCE = 64 };

/* The next pieces when `done` bytes are written and `more` (> 0) are left; the array ends with
 * those. */
static size_t pieces_left(const struct iovec *pieces, size_t done, size_t more, struct iovec *left)
{
    size_t n = 0;

    for (size_t i = 0; more > 0 && n < PIECES_AT_ONCE; i++) {
        if (done >= pieces[i].iov_len) {
            done -= pieces[i].iov_len;
            continue;
        }
        left[n].iov_base = (char *)pieces[i].iov_base + done;
        left[n].iov_len = pieces[i].iov_len - done;
        more -= left[n].iov_len;
        done = 0;
        n++;
    }
    return n;
}

/* Writes pieces until all are with the kernel (the total), it would block (EDDY_PENDING), or it
 * fails. */
static int64_t write_pieces(eddy_stream *stream, const struct iovec *pieces)
{
    const struct eddy_sys *sys = stream->io.loop->sys;
    struct iovec left[PIECES_AT_ONCE];

    while (stream->write_left > 0) {
        size_t n = pieces_left(pieces, stream->written, stream->write_left, left);
        int64_t wrote = sys->sendv(sys, stream->io.fd, left, (int)n);
        if (wrote == -EAGAIN) {
            stream->writable = false;
            return EDDY_PENDING;
        }
        if (wrote < 0 && wrote != -EINTR) {
            return wrote;
        }
        if (wrote > 0) {
            stream->written += (size_t)wrote;
            stream->write_left -= (size_t)wrote;
            moved(stream);
        }
    }
    return (int64_t)stream->written;
}

static int64_t resume_writev(struct eddy_task_record *task)
{
    eddy_stream *stream = task->in.object;
    int64_t result = write_pieces(stream, task->with.value);

    if (result != EDDY_PENDING) {
        write_over(stream);
    }
    return result;
}

static const struct eddy_wait writev_kind = {
    .name = "writev",
    .abort = abort_write,
    .resume = resume_writev,
};

int64_t eddy_writev(eddy_coro *co, eddy_stream *stream, const struct iovec *pieces, int count)
{
    int64_t result = may_begin(co, stream, stream->writer);

    if (result < 0) {
        return result;
    }
    if (count < 0 || count > MOST_PIECES) {
        return eddy_done_inline(co, -EINVAL);
    }
    stream->written = 0;
    stream->write_left = 0;
    for (int i = 0; i < count; i++) {
        stream->write_left += pieces[i].iov_len;
    }
    if (stream->writable || stream->write_left == 0) {
        result = write_pieces(stream, pieces);
        if (result != EDDY_PENDING) {
            return eddy_done_inline(co, result);
        }
    }
    eddy_check_pointer_inline(co, pieces);
    for (int i = 0; i < count; i++) {
        eddy_check_pointer_inline(co, pieces[i].iov_base);
    }
    stream->writer = co->task;
    stream->io.loop->references++;
    co->task->with.value = (void *)(uintptr_t)pieces;
    return eddy_park_inline(co, &writev_kind, stream);
}

/* ---- what never waits */

int64_t eddy_try_read(eddy_stream *stream, void *buffer, size_t size)
{
    if (!eddy_stream_is_open(stream)) {
        return not_open(stream);
    }
    if (stream->reader != NULL) {
        return -EBUSY;
    }
    return stream->readable ? read_some(stream, buffer, size) : -EAGAIN;
}

int64_t eddy_try_write(eddy_stream *stream, const void *data, size_t size)
{
    if (!eddy_stream_is_open(stream)) {
        return not_open(stream);
    }
    if (stream->writer != NULL) {
        return -EBUSY;
    }
    return stream->writable ? write_some(stream, data, size) : -EAGAIN;
}

int eddy_stream_shutdown_write(eddy_stream *stream)
{
    const struct eddy_sys *sys;

    if (!eddy_stream_is_open(stream)) {
        return not_open(stream);
    }
    sys = stream->io.loop->sys;
    return sys->shutdown(sys, stream->io.fd, SHUT_WR);
}

/* ---- opening and closing */

int eddy_stream_adopt(eddy_loop *loop, eddy_stream *stream, int fd, bool tcp)
{
    if (eddy_stream_is_open(stream)) {
        return -EINVAL;
    }
    stream->reader = NULL;
    stream->writer = NULL;
    stream->written = 0;
    stream->idle = NULL;
    stream->closed_with = 0;
    stream->readable = false; /* the registration tells at once if it is */
    stream->writable = true;
    stream->short_means_drained = tcp;
    return eddy_io_watch(loop, &stream->io, fd, 0, EDDY_IO_EDGE, on_events);
}

int eddy_stream_open(eddy_loop *loop, eddy_stream *stream, int fd)
{
    const struct eddy_sys *sys = loop->sys;
    int protocol = 0;
    socklen_t size = sizeof protocol;
    int flags = sys->fcntl(sys, fd, F_GETFL, 0);
    int result =
        flags < 0 ? flags : sys->getsockopt(sys, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);

    if (result < 0) {
        return result;
    }
    result = eddy_stream_adopt(loop, stream, fd, protocol == IPPROTO_TCP);
    if (result < 0) {
        return result;
    }
    result = sys->fcntl(sys, fd, F_SETFL, flags | O_NONBLOCK);
    if (result == 0 && loop->current != NULL) {
        result = eddy_guard_add(loop->current, &stream->io.ready.link);
    }
    if (result < 0) {
        eddy_io_stop(&stream->io);
    }
    return result;
}

static void close_with(eddy_stream *stream, int64_t result)
{
    eddy_loop *loop = stream->io.loop;
    struct eddy_task_record *reader = stream->reader;
    struct eddy_task_record *writer = stream->writer;

    if (reader != NULL) {
        read_over(stream);
        eddy_wake(reader, result);
    }
    if (writer != NULL) {
        write_over(stream);
        eddy_wake(writer, result);
    }
    eddy_stream_disown(stream);
    /* its errors come too late to matter: close(2) */
    (void)loop->sys->close(loop->sys, stream->io.fd);
}

void eddy_stream_close(eddy_stream *stream)
{
    if (eddy_stream_is_open(stream)) {
        close_with(stream, -EBADF);
    }
}

void eddy_stream_disown(eddy_stream *stream)
{
    if (stream->idle != NULL) {
        eddy_timer_stop(&stream->idle->timer);
        stream->idle = NULL;
    }
    eddy_io_stop(&stream->io);
}

/* It was due when its turn came, but a byte may have moved since. */
static void on_idle(eddy_timer *timer)
{
    struct eddy_idle *idle = timer->user;
    eddy_stream *stream = idle->stream;
    int64_t left = timer->deadline - eddy_loop_update(stream->io.loop);

    if (left > 0 && eddy_timer_start(stream->io.loop, timer, left, on_idle) == 0) {
        return;
    }
    close_with(stream, -ETIMEDOUT);
    stream->closed_with = -ETIMEDOUT;
}

int eddy_stream_idle_timeout(eddy_stream *stream, struct eddy_idle *idle, int64_t timeout)
{
    int result;

    if (!eddy_stream_is_open(stream)) {
        return not_open(stream);
    }
    if (timeout <= 0) {
        return -EINVAL;
    }
    result = eddy_timer_start(stream->io.loop, &idle->timer, timeout, on_idle);
    if (result == 0) {
        idle->timer.user = idle;
        idle->stream = stream;
        idle->timeout = timeout;
        if (stream->idle != NULL && stream->idle != idle) {
            eddy_timer_stop(&stream->idle->timer);
        }
        stream->idle = idle;
    }
    return result;
}
