/*
 * Streams on Unix-domain sockets: the peer's credentials, and fds that go with bytes.
 *
 * Both operations are those of stream.c with another system call in the middle: the one text (check, try,
 * park), the same state word, and the work in the task's turn. So there is no moment at which fds have
 * arrived and nobody has them: a cancel before the turn leaves them in the socket.
 *
 * The buffer for what comes beside the bytes has room for all that the kernel sends at once, whatever the
 * caller has room for: what is too many is installed, and closed here, and so its number is known. Only
 * for want of fds does the kernel drop some and not say how many.
 *
 * TCP takes SCM_RIGHTS without a word and sends nothing, so the family is asked first.
 */
#include "eddy/unix.h"

#include <string.h>

#include "net/stream_internal.h"

/* Aligned as the kernel and CMSG_ macros want it. */
union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(EDDY_MOST_FDS * sizeof(int))];
};

static int check_family(const eddy_stream *stream)
{
    const struct eddy_sys *sys = stream->io.loop->sys;
    int family = AF_UNSPEC;
    socklen_t size = sizeof family;
    int result = (stream->state & EDDY_STREAM_TRANSPORT) != 0
                     ? -EOPNOTSUPP
                     : sys->getsockopt(sys, stream->io.fd, SOL_SOCKET, SO_DOMAIN, &family, &size);

    if (result == -ENOTSOCK) {
        return -EOPNOTSUPP;
    }
    return result < 0 || family == AF_UNIX ? result : -EOPNOTSUPP;
}

int eddy_stream_peer(eddy_stream *stream, struct eddy_credentials *peer)
{
    const struct eddy_sys *sys;
    struct { /* as struct ucred, which is no standard's */
        pid_t pid;
        uid_t uid;
        gid_t gid;
    } found = {0, 0, 0};
    socklen_t size = sizeof found;
    int result;

    if (!eddy_stream_is_open(stream)) {
        return eddy_stream_not_open(stream);
    }
    eddy_loop_here(stream->io.loop, __func__);
    sys = stream->io.loop->sys;
    result = check_family(stream);
    if (result == 0) {
        result = sys->getsockopt(sys, stream->io.fd, SOL_SOCKET, SO_PEERCRED, &found, &size);
    }
    if (result == 0) {
        *peer = (struct eddy_credentials){found.pid, found.uid, found.gid};
    }
    return result;
}

/* ---- sending */

/* The bytes with the fds; once some are with the kernel, those that are left without. */
static int64_t send_once(eddy_stream *stream, const struct eddy_fds *fds, size_t size)
{
    const struct eddy_sys *sys = stream->io.loop->sys;
    struct iovec piece = {(char *)fds->data + stream->written, size};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    size_t bytes = (size_t)fds->count * sizeof *fds->fds;
    union control control;

    if (stream->written == 0 && fds->count > 0) {
        memset(&control, 0, sizeof control);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = (__typeof__(control.header.cmsg_len))CMSG_LEN(bytes);
        memcpy(CMSG_DATA(&control.header), fds->fds, bytes);
        message.msg_control = control.bytes;
        message.msg_controllen = (__typeof__(message.msg_controllen))CMSG_SPACE(bytes);
    }
    stream->io.loop->counts.writes++;
    return sys->sendmsg(sys, stream->io.fd, &message, 0);
}

/* The total, an error, or EDDY_PENDING: it would block, or the step has had its share. */
static int64_t send_all(eddy_stream *stream, const struct eddy_fds *fds)
{
    struct eddy_write_share share = EDDY_WHOLE_WRITE_SHARE;

    while (stream->write_left > 0) {
        size_t size = eddy_write_share_of(&share, stream->write_left);
        int64_t count;
        if (size == 0 || (stream->state & EDDY_WRITE) == 0) {
            return EDDY_PENDING;
        }
        count = eddy_stream_has_written(stream, send_once(stream, fds, size));
        eddy_write_share_use(&share, count);
        if (count < 0 && count != -EINTR) {
            return count == -EAGAIN ? EDDY_PENDING : count;
        }
        stream->written += count > 0 ? (size_t)count : 0;
        stream->write_left -= count > 0 ? (size_t)count : 0;
    }
    return (int64_t)stream->written;
}

static int64_t resume_send(struct eddy_task_record *task)
{
    return eddy_stream_resumed_write(task, send_all(task->in.object, task->with.value));
}

static const struct eddy_wait_kind send_kind = {
    .name = "send fds",
    .abort = eddy_stream_abort_write,
    .resume = resume_send,
    .describe = eddy_stream_describe_write,
};

int64_t eddy_send_fds(eddy_coro *co, eddy_stream *stream, const void *data, size_t size,
                      struct eddy_fds *fds)
{
    int64_t result = eddy_stream_may_begin(co, stream, EDDY_STREAM_BUSY_WRITING);

    if (result < 0) {
        return eddy_stream_refuse_write(stream, result);
    }
    if (size == 0 || fds->count < 0 || fds->count > EDDY_MOST_FDS) {
        return eddy_stream_refuse_write(stream, -EINVAL);
    }
    result = check_family(stream);
    if (result < 0) {
        return eddy_stream_refuse_write(stream, result);
    }
    stream->written = 0;
    stream->write_left = size;
    fds->data = (void *)(uintptr_t)data;
    result = send_all(stream, fds);
    if (result != EDDY_PENDING) {
        return eddy_complete(co, result);
    }
    eddy_check_pointer(co, data);
    eddy_check_pointer(co, fds->fds);
    return eddy_stream_park_writer(co, stream, &send_kind, fds);
}

/* ---- receiving */

/* One that has come: the caller's if there is room, and a number for it. */
static void keep(eddy_loop *loop, struct eddy_fds *fds, int fd)
{
    if (fds->count == fds->room) {
        (void)loop->sys->close(loop->sys, fd);
        fds->lost++;
        return;
    }
    fd = eddy_above_stdio(loop, fd);
    if (fd < 0) {
        fds->lost++;
    } else {
        fds->fds[fds->count++] = fd;
    }
}

/* The next of what came beside the bytes, or NULL. The macro of some libcs does not compile cleanly. */
static struct cmsghdr *next(const struct msghdr *message, struct cmsghdr *header)
{
    size_t at = (size_t)((char *)header - (char *)message->msg_control);
    size_t size = ((size_t)header->cmsg_len + sizeof(long) - 1) & ~(sizeof(long) - 1);

    return at + size + sizeof *header > (size_t)message->msg_controllen
               ? NULL
               : (struct cmsghdr *)(void *)((char *)header + size);
}

static void take(eddy_loop *loop, struct msghdr *message, struct eddy_fds *fds)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(message);

    for (; header != NULL; header = next(message, header)) {
        size_t bytes = (size_t)header->cmsg_len - CMSG_LEN(0);
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
            for (size_t i = 0; i < bytes / sizeof(int); i++) {
                int fd;
                memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
                keep(loop, fds, fd);
            }
        }
    }
    if ((message->msg_flags & MSG_CTRUNC) != 0) {
        fds->lost++;
    }
}

static int64_t receive(eddy_stream *stream, struct eddy_fds *fds, size_t size)
{
    eddy_loop *loop = stream->io.loop;
    struct iovec piece = {fds->data, size};
    union control control;
    struct msghdr message;
    int64_t count;

    fds->count = 0;
    fds->lost = 0;
    do {
        memset(&message, 0, sizeof message);
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        loop->counts.reads++;
        count = loop->sys->recvmsg(loop->sys, stream->io.fd, &message, MSG_CMSG_CLOEXEC);
    } while (count == -EINTR);
    if (count > 0) {
        take(loop, &message, fds);
    }
    return eddy_stream_has_read(stream, size, count);
}

static int abort_receive(struct eddy_task_record *task)
{
    eddy_stream_read_over(task->in.object);
    return 1;
}

static int64_t resume_receive(struct eddy_task_record *task)
{
    eddy_stream *stream = task->in.object;
    int64_t count = receive(stream, task->with.value, stream->read_size);

    if (count == -EAGAIN) {
        return EDDY_PENDING;
    }
    eddy_stream_read_over(stream);
    return count;
}

static const struct eddy_wait_kind receive_kind = {
    .name = "receive fds",
    .abort = abort_receive,
    .resume = resume_receive,
    .describe = eddy_stream_describe,
};

int64_t eddy_receive_fds(eddy_coro *co, eddy_stream *stream, void *buffer, size_t size,
                         struct eddy_fds *fds)
{
    int64_t result = eddy_stream_may_begin(co, stream, EDDY_STREAM_BUSY_READING);

    if (result < 0) {
        return result;
    }
    if (size == 0 || fds->room < 0 || fds->room > EDDY_MOST_FDS) {
        return eddy_complete(co, -EINVAL);
    }
    result = check_family(stream);
    if (result < 0) {
        return eddy_complete(co, result);
    }
    fds->data = buffer;
    result = (stream->state & EDDY_READ) != 0 ? receive(stream, fds, size) : -EAGAIN;
    if (result != -EAGAIN) {
        return eddy_complete(co, result);
    }
    eddy_check_pointer(co, buffer);
    eddy_check_pointer(co, fds);
    eddy_check_pointer(co, fds->fds);
    fds->count = 0;
    stream->read_size = size;
    co->task->with.value = fds;
    eddy_stream_read_begins(stream, co->task);
    return eddy_park(co, &receive_kind, stream, NULL);
}
