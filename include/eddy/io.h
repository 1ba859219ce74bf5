/*
 * Readiness of file descriptors, as callbacks. Level-triggered, as epoll(7) has it: as long as
 * the fd is ready and its interest is on, the callback runs once in every turn that asks the kernel
 * (loop.h says which those are).
 *
 * One watcher an fd and loop. Whoever closes an fd stops its watcher before. If he does not, the kernel
 * forgets the fd and no event comes; once its number is another file's and comes to the loop again (a
 * watcher, a stream, a client of a server), the old watcher gives way: it counts as stopped, a task
 * that waits by it has -EBADF, a stream or server is closed, and the error hook is told, once, with
 * -EBADF. (If a duplicate of the fd is open, the kernel goes on telling of it: the loop makes its epoll
 * set anew, and tells the hook of that.)
 *
 * A watcher may be stopped, changed, started anew or freed anywhere,
 * also inside its own callback: it never fires afterwards, not even for an event that was
 * fetched before, not even if its fd number is used again.
 */
#ifndef EDDY_IO_H
#define EDDY_IO_H

#include "eddy/coro.h"
#include "eddy/impl/ready.h"
#include "eddy/result.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The values are epoll's, so nothing has to be translated. */
enum eddy_io_event {
    EDDY_READ = 0x1,           /* readable, or at its end */
    EDDY_PRIORITY = 0x2,       /* urgent data */
    EDDY_WRITE = 0x4,          /* writable */
    EDDY_ERROR = 0x8,          /* an error is pending: told with any interest */
    EDDY_HANGUP = 0x10,        /* both sides are closed: likewise; may be the only interest */
    EDDY_PEER_CLOSED = 0x2000, /* the peer has shut its write side: told with EDDY_READ, or alone */
    /* Asked for beside an interest: events are told as the kernel has them. (Otherwise one of ERROR or
     * HANGUP also says READ and WRITE, as far as they are asked for: whoever waits finds out by
     * trying.) */
    EDDY_AS_IS = 0x20
};

typedef struct eddy_io eddy_io;
typedef void eddy_io_fn(eddy_io *io, unsigned events);

/* The caller owns it, zeroed before its first start. */
struct eddy_io {
    struct eddy_ready ready; /* private */
    eddy_loop *loop;         /* private: NULL while stopped */
    eddy_io_fn *callback;    /* private */
    int fd;                  /* valid while started */
    uint16_t fetched;        /* private: events that wait for the callback to run */
    uint8_t interest;        /* private: enum eddy_io_event, PEER_CLOSED otherwise (io.c) */
    uint8_t mode : 4;        /* private: how it is told */
    uint8_t registered : 4;  /* private: where the fd is */
    void *user;              /* the caller's */
};

/* Watches `fd` for `events` (EDDY_READ, EDDY_WRITE, EDDY_PRIORITY, EDDY_HANGUP, EDDY_PEER_CLOSED,
 * or-ed, and perhaps EDDY_AS_IS; 0: nothing for now). Hangups and errors are told with any interest, and
 * wake readers and writers alike; with EDDY_HANGUP alone nothing else is. A regular
 * file or a device that epoll refuses counts as always ready. The fd stays the caller's, who stops the
 * watcher before he closes it. Returns 0; -EEXIST: the fd has a watcher in this loop (one that asks
 * about nothing, or of a regular file, cannot be told from one whose fd was closed); -EINVAL:
 * unknown events, no callback, or started already; -EISDIR: a directory; -ELOOP: the loop's own fd;
 * -EBADF, -ENOMEM, -ENOSPC as epoll_ctl(2); -ECHILD in a child of fork(2). */
EDDY_API int eddy_io_start(eddy_loop *loop, eddy_io *io, int fd, unsigned events,
                           eddy_io_fn *callback);
#define eddy_io_start(...) eddy_io_start_(__VA_ARGS__, EDDY_PLACE_)

/* Changes what is watched for. Errors as eddy_io_start; -EINVAL if stopped; -EBADF also if the fd
 * was closed and its number is another file's. */
EDDY_API int eddy_io_change(eddy_io *io, unsigned events);

/* Stops; nothing if it is stopped. */
EDDY_API void eddy_io_stop(eddy_io *io);

/* The watcher that has an fd, or NULL: there is none, or it is the library's own (a stream's, a
 * server's, that of a task which waits for the fd). */
EDDY_API eddy_io *eddy_io_of(eddy_loop *loop, int fd);

static inline int eddy_io_started(const eddy_io *io)
{
    return io->loop != NULL;
}

/* Private. */
EDDY_API int eddy_io_start_(eddy_loop *loop, eddy_io *io, int fd, unsigned events,
                            eddy_io_fn *callback, const char *place);

/* ---- waiting for any file descriptor, such as standard input or one of another library */

/* Waits until the fd is ready for one of `events` (EDDY_READ, EDDY_WRITE, EDDY_PRIORITY, or-ed;
 * not 0) and returns which (also EDDY_HANGUP, EDDY_ERROR, EDDY_PEER_CLOSED). A regular file is
 * always ready. The fd stays the caller's, as it is: nothing is set on it, and it must not be
 * closed meanwhile: -EBADF if that shows. One task may wait to read and another to write. Errors as
 * eddy_io_start (-EEXIST: a watcher has the fd, or a task that waits for one of the same events, or two
 * tasks); -EINVAL also without any events; -ECANCELED. */
EDDY_API EDDY_MUST_USE int64_t eddy_fd_wait(eddy_coro *co, int fd, unsigned events);

/*
 * One that is awaited again and again: eddy_fd_wait makes two epoll_ctl(2) each time, an eddy_fd as a rule
 * none.
 *
 *     eddy_await(eddy_fd_init(eddy_loop_of(co), &self->socket, PQsocket(self->connection)));
 *     for (;;) {
 *         eddy_await(eddy_fd_ready(co, &self->socket, EDDY_READ));
 *         ...reads, all or a part of it...
 *     }
 * eddy_finally:
 *     eddy_fd_fini(&self->socket);
 *     ...closes...
 *
 * It stays registered, level-triggered, and what was asked about stays asked about. Only if that comes while
 * nobody waits for it is it turned off, by one epoll_ctl(2), until somebody does, by one more: so an fd that is
 * ready and that nobody waits for wakes nobody, and who leaves a part unread hears of it again. There is no word
 * for "it would have blocked", as an edge-triggered registration needs one: whoever calls a library's
 * function does not know, and to forget it is to spin, to say it too early is to hang.
 *
 * The caller owns the struct, zeroed before its first init, and the fd, on which nothing is set. He finishes it
 * before he closes the fd; a coroutine must not end with one in its frame that is not finished. If the fd was
 * closed all the same, it gives way as a watcher does: then it, and who waits, has -EBADF. One that is
 * not finished when the loop ends is finished by that, and is told with EDDY_LOOP_REPORT_LEAKS.
 */

/* Private: a task that waits, or none. */
struct eddy_fd_waiter {
    struct eddy_task_record *task; /* NULL: there is none */
    unsigned events;               /* that it asks about */
    int result;                    /* the events that came, or that the fd is gone */
};

/* All of it is private. */
typedef struct eddy_fd {
    eddy_io io; /* started from init to fini, or until the fd is gone */
    struct eddy_fd_waiter waiters[2];
    struct eddy_link guard; /* in the list of the task that has initialized it, if it was one */
} eddy_fd;

/* Registers the fd, and asks about nothing yet. Errors as eddy_io_start, also -EINVAL: it is initialized
 * already; -EEXIST: something has the fd. From anywhere on the loop's thread. */
EDDY_API int eddy_fd_init(eddy_loop *loop, eddy_fd *fd, int number);
#define eddy_fd_init(...) eddy_fd_init_(__VA_ARGS__, EDDY_PLACE_)

/* Waits as eddy_fd_wait does, and returns the same. Needs no memory. One task may wait to read and another to
 * write. -EBUSY: a task waits for one of these events, or two tasks do; -EINVAL: none of the three, or others
 * too; -EBADF: it is not initialized, or the fd is gone; -ECHILD in a child of fork(2). A cancel ends the
 * wait: what has come is still in the fd. */
EDDY_API EDDY_MUST_USE int64_t eddy_fd_ready(eddy_coro *co, eddy_fd *fd, unsigned events);

/* Lets the fd go, by one epoll_ctl(2); who waits has -EBADF. Nothing if it is not initialized. */
EDDY_API void eddy_fd_fini(eddy_fd *fd);

/* Private. */
EDDY_API int eddy_fd_init_(eddy_loop *loop, eddy_fd *fd, int number, const char *place);

#ifdef __cplusplus
}
#endif

#endif
