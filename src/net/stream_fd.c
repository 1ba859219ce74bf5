/*
 * Streams on fds that are no sockets: pipes, FIFOs, terminals, devices, regular files.
 *
 * Such an fd was mostly inherited, and its open file description is shared with others: the shell that
 * started the program, its brothers in a pipeline, a child. O_NONBLOCK is a mode of the description, so
 * setting it breaks programs that know nothing of this one, and goes on to do so if this one is killed.
 * Therefore
 *
 *     it does not block already         it is used as it is
 *     epoll refuses it: a file          never waits, and its mode does not matter
 *     a pipe, FIFO or terminal          is opened again by /proc/self/fd: a description of its own
 *     anything else, or that fails      gets O_NONBLOCK, until the last stream on it is closed
 *
 * The fd itself is what epoll watches: wake-ups are the file's, whichever description they come by. The
 * master's end of a terminal is not opened again, for that would make another terminal.
 *
 * A write to a pipe that nobody reads raises SIGPIPE, and there is no MSG_NOSIGNAL for pipes; nor may a
 * library change what the process does with a signal. Linux 6.18 can be asked not to raise it, call by
 * call. Before, the signal is blocked in the thread around the write, and taken if it has come.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "loop/look.h"
#include "net/stream_internal.h"

struct fd_transport {
    eddy_transport transport; /* first */
    const char *what;         /* "pipe" */
    int own;        /* the same file, opened again so that it does not block; -1: it was not */
    bool put_back;  /* the fd has been made nonblocking by a stream */
    bool waits;     /* epoll knows it */
    bool read_only; /* as it was opened */
    bool write_only;
    bool masks; /* the kernel cannot write without raising SIGPIPE */
    unsigned pool_class;
};

static struct fd_transport *fd_transport_of(const eddy_transport *transport)
{
    return (struct fd_transport *)(uintptr_t)transport;
}

/* By which bytes are moved. */
static int fd_of(const eddy_transport *transport)
{
    const struct fd_transport *self = fd_transport_of(transport);

    return self->own >= 0 ? self->own : transport->stream->io.fd;
}

/* ---- what a transport does */

static int64_t fd_read(eddy_transport *transport, void *buffer, size_t size)
{
    const struct eddy_sys *sys = transport->loop->sys;

    return sys->read(sys, fd_of(transport), buffer, size);
}

static int64_t fd_writev(eddy_transport *transport, struct iovec *pieces, int count)
{
    const struct eddy_sys *sys = transport->loop->sys;
    struct fd_transport *self = fd_transport_of(transport);
    int fd = fd_of(transport);

    if (!self->masks) {
        ssize_t result = sys->writev_nosignal(sys, fd, pieces, count);
        /* all that kernels say which do not know it; those of valgrind and qemu too */
        if (result != -EOPNOTSUPP && result != -EINVAL && result != -ENOSYS) {
            return result;
        }
        self->masks = true;
    }
    return sys->writev_masked(sys, fd, pieces, count);
}

static int64_t fd_write(eddy_transport *transport, const void *data, size_t size)
{
    struct iovec piece = {(void *)(uintptr_t)data, size};

    return fd_writev(transport, &piece, 1);
}

/* The end of what is only written is its close. */
static int fd_shutdown_write(eddy_transport *transport)
{
    const struct fd_transport *self = fd_transport_of(transport);

    if (self->read_only) {
        return -EBADF;
    }
    return self->write_only ? EDDY_TRANSPORT_ENDED : -EOPNOTSUPP;
}

/* What writes to a pipe hears of the end of its last reader as an error. */
static unsigned fd_events(eddy_transport *transport, unsigned events)
{
    bool gone = fd_transport_of(transport)->write_only && (events & EDDY_ERROR) != 0;

    return gone ? events | EDDY_HANGUP : events;
}

static int fd_unsent(eddy_transport *transport)
{
    const struct eddy_sys *sys = transport->loop->sys;
    int bytes = 0;

    if (fd_transport_of(transport)->read_only ||
        sys->unsent(sys, transport->stream->io.fd, &bytes) < 0) {
        return 0;
    }
    return bytes;
}

static void fd_describe(const eddy_transport *transport, char *text, size_t size)
{
    snprintf(text, size, "fd %d (%s)", transport->stream->io.fd, fd_transport_of(transport)->what);
}

/* ---- closing */

/* Another stream of the loop by the same description, which would block if that was put back; or one of
 * which the kernel does not say whether it is. */
static struct fd_transport *sharer_of(eddy_loop *loop, int fd);

static void put_back(eddy_loop *loop, int fd)
{
    const struct eddy_sys *sys = loop->sys;
    struct fd_transport *sharer = sharer_of(loop, fd);
    int flags;

    if (sharer != NULL) {
        sharer->put_back = true;
        return;
    }
    flags = sys->fcntl(sys, fd, F_GETFL, 0);
    if (flags >= 0) {
        flags = sys->fcntl(sys, fd, F_SETFL, flags & ~O_NONBLOCK);
    }
    if (flags < 0) {
        eddy_loop_report(loop, (eddy_task){0}, flags,
                         "fd %d was made nonblocking by a stream, and stays so: %s", fd,
                         eddy_strerror(flags));
    }
}

static void fd_free(struct fd_transport *self, eddy_loop *loop, int fd)
{
    if (self->own >= 0) {
        (void)loop->sys->close(loop->sys, self->own);
    }
    if (self->put_back && fd >= 0) {
        put_back(loop, fd);
    }
    eddy_pool_give(&loop->pool, self, self->pool_class);
}

static void fd_close(eddy_transport *transport, int fd)
{
    eddy_loop *loop = transport->loop;

    fd_free(fd_transport_of(transport), loop, fd);
    if (fd >= 0) {
        (void)loop->sys->close(loop->sys, fd);
    }
}

static const struct eddy_transport_kind fd_kind = {
    .name = "fd",
    .read = fd_read,
    .write = fd_write,
    .writev = fd_writev,
    .shutdown_write = fd_shutdown_write,
    .close = fd_close,
    .events = fd_events,
    .unsent = fd_unsent,
    .describe = fd_describe,
};

static struct fd_transport *sharer_of(eddy_loop *loop, int fd)
{
    const struct eddy_link *ends = &loop->ends;

    for (struct eddy_link *link = eddy_list_first(ends); link != NULL && link != ends;
         link = link->next) {
        const eddy_stream *stream =
            eddy_transport_stream_of_end((const struct eddy_loop_end *)(const void *)link);
        struct fd_transport *self;
        if (stream == NULL || eddy_transport_of(stream)->kind != &fd_kind) {
            continue;
        }
        self = fd_transport_of(eddy_transport_of(stream));
        if (self->waits && self->own < 0 &&
            loop->sys->kcmp_file(loop->sys, fd, stream->io.fd) <= 0) {
            return self;
        }
    }
    return NULL;
}

/* ---- opening */

/* The same file by a description of its own that does not block; an error if there is no way. */
static int open_again(eddy_loop *loop, int fd, int flags, mode_t mode)
{
    const struct eddy_sys *sys = loop->sys;
    char path[32];

    if ((!S_ISFIFO(mode) && sys->terminal(sys, fd) < 0) || (flags & O_DIRECT) != 0) {
        return -ENOTTY; /* a pipe of packets would be one of bytes */
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return eddy_above_stdio(
        loop, sys->open(sys, path,
                        (flags & (O_ACCMODE | O_APPEND)) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0));
}

static int make_nonblocking(eddy_loop *loop, struct fd_transport *self, int fd, int flags,
                            mode_t mode)
{
    int result = 0;

    if ((flags & O_NONBLOCK) == 0) {
        self->own = open_again(loop, fd, flags, mode);
        if (self->own < 0) {
            result = loop->sys->fcntl(loop->sys, fd, F_SETFL, flags | O_NONBLOCK);
            self->put_back = result == 0;
        }
    }
    return result;
}

static const char *name_of(mode_t mode, bool waits)
{
    if (S_ISFIFO(mode)) {
        return "pipe";
    }
    return S_ISREG(mode) ? "file" : S_ISCHR(mode) && waits ? "terminal" : "device";
}

static struct fd_transport *fd_new(eddy_loop *loop, int flags)
{
    unsigned pool_class;
    struct fd_transport *self = eddy_pool_take(&loop->pool, sizeof *self, &pool_class);

    if (self != NULL) {
        memset(self, 0, sizeof *self);
        self->transport.kind = &fd_kind;
        self->own = -1;
        self->read_only = (flags & O_ACCMODE) == O_RDONLY;
        self->write_only = (flags & O_ACCMODE) == O_WRONLY;
        self->pool_class = pool_class;
    }
    return self;
}

/* An fd of a kind that nobody reads or writes bytes of. */
static int refusal(mode_t mode)
{
    if (S_ISDIR(mode)) {
        return -EISDIR;
    }
    return S_ISFIFO(mode) || S_ISCHR(mode) || S_ISREG(mode) || S_ISBLK(mode) ? 0 : -ENOTSOCK;
}

int eddy_stream_open_fd(eddy_loop *loop, eddy_stream *stream, int fd, int flags, const char *place)
{
    struct fd_transport *self;
    int64_t size;
    mode_t mode = 0;
    int result = loop->sys->fstat(loop->sys, fd, &size, &mode);

    if (result == 0) {
        result = refusal(mode);
    }
    if (result < 0) {
        return result;
    }
    self = fd_new(loop, flags);
    if (self == NULL) {
        return -ENOMEM;
    }
    result = eddy_stream_open_transport_(loop, stream, &self->transport, fd, place);
    if (result < 0) {
        fd_free(self, loop, -1);
        return result;
    }
    self->waits = stream->io.registered == EDDY_IO_IN_EPOLL;
    self->what = name_of(mode, self->waits);
    if (self->waits) {
        result = make_nonblocking(loop, self, fd, flags, mode);
    }
    if (result < 0) {
        (void)eddy_stream_disown(stream);
        fd_free(self, loop, -1);
        return result;
    }
    /* what it is not opened for the kernel refuses, and does not tell of */
    stream->state |= self->write_only ? (unsigned)EDDY_READ : 0u;
    return 0;
}
