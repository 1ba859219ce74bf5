/*
 * Watchers: a table of them by fd, and what becomes of the events of the kernel.
 *
 * A watcher never outlives its fd. Nobody tells the loop that an fd was closed, but epoll knows
 * whether the number is still the file that was registered; it is asked where that matters: when
 * somebody comes with a number that has a watcher, when the epoll set is made anew, and when
 * something that owns its fd is about to close it. A watcher that has lost its fd gives way, and the
 * error hook is told.
 *
 *     registered       the fd                                      leaves it when
 *     NOT              nobody asks about                           there is an interest
 *     IN_EPOLL         is in the epoll set                         there is none; it is lost
 *     ALWAYS_READY     epoll refuses: a regular file               it is stopped, or lost
 *     LOST             is somebody else's: not to be closed        it is stopped
 */
#include "eddy/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "loop/look.h"

enum {
    ALL_INTERESTS =
        EDDY_READ | EDDY_WRITE | EDDY_PRIORITY | EDDY_HANGUP | EDDY_PEER_CLOSED | EDDY_AS_IS,
    ALWAYS_TOLD = EDDY_HANGUP | EDDY_ERROR,
    FIRST_SLOTS = 64,
    NOT_REGISTERED = 0,
    IN_EPOLL = EDDY_IO_IN_EPOLL,
    ALWAYS_READY = 2, /* a regular file: in loop->always while there is an interest */
    LOST = 3
};

static int reserve_slot(eddy_loop *loop, int fd)
{
    int count = loop->slot_count == 0 ? FIRST_SLOTS : loop->slot_count;
    struct eddy_io_slot *slots;

    if (fd < loop->slot_count) {
        return 0;
    }
    /* Numbers beyond any limit on open files are not worth a table of their size. */
    if (loop->sys->fcntl(loop->sys, fd, F_GETFD, 0) == -EBADF || fd >= INT32_MAX / 2) {
        return -EBADF;
    }
    while (count <= fd) {
        count *= 2;
    }
    slots = eddy_pool_resize(&loop->pool, loop->slots, (size_t)loop->slot_count * sizeof *slots,
                             (size_t)count * sizeof *slots);
    if (slots == NULL) {
        return -ENOMEM;
    }
    memset(slots + loop->slot_count, 0, (size_t)(count - loop->slot_count) * sizeof *slots);
    loop->slots = slots;
    loop->slot_count = count;
    return 0;
}

/* A regular file is ready in every turn for what it is asked about, except urgent data. */
static void join_always(eddy_loop *loop, eddy_io *io)
{
    if ((io->interest & (EDDY_READ | EDDY_WRITE)) != 0) {
        eddy_list_append(&loop->always, &io->ready.link);
        eddy_loop_changed(loop);
    }
}

/* What epoll refuses counts as always ready, but for a directory, which nobody can read or write. */
static int begin_always(eddy_loop *loop, eddy_io *io)
{
    int64_t size;
    mode_t mode;

    if (loop->sys->fstat(loop->sys, io->fd, &size, &mode) == 0 && S_ISDIR(mode)) {
        return -EISDIR;
    }
    io->registered = ALWAYS_READY;
    join_always(loop, io);
    return 0;
}

/* Brings the kernel in line with the interest. An fd that nobody asks about is taken out of the
 * set, for epoll tells hangups and errors whether asked or not. */
static int apply(eddy_loop *loop, eddy_io *io)
{
    bool wanted = io->interest != 0 || io->mode >= EDDY_IO_KEPT;
    int result = 0;

    if (io->registered == ALWAYS_READY) {
        if (eddy_link_used(&io->ready.link)) {
            eddy_list_remove(&io->ready.link);
        }
        join_always(loop, io);
        return 0;
    }
    if (wanted && io->registered == LOST) {
        return -EBADF;
    }
    if (wanted && io->registered == IN_EPOLL) {
        return eddy_epoll_control(loop, io, EPOLL_CTL_MOD);
    }
    if (wanted) {
        result = eddy_epoll_control(loop, io, EPOLL_CTL_ADD);
        if (result == -EPERM) {
            return begin_always(loop, io);
        }
        if (result == 0) {
            io->registered = IN_EPOLL;
            loop->watched++;
        }
        return result;
    }
    if (io->registered == IN_EPOLL) {
        /* Fails only if the fd is closed already; then the kernel has taken it out, or, if a
         * duplicate is still open, the next event is stale and the set is made anew. */
        result = eddy_epoll_control(loop, io, EPOLL_CTL_DEL);
        io->registered = result == -EBADF ? LOST : NOT_REGISTERED;
        loop->left_behind |= result < 0;
        loop->watched--;
    }
    return 0;
}

/* A watcher of the user's with an interest keeps the loop going; the library's own are counted
 * where a task waits for them. */
static void count_reference(eddy_loop *loop, const eddy_io *io, unsigned old_interest)
{
    if (io->mode == EDDY_IO_CALLBACK) {
        loop->references += (io->interest != 0) - (old_interest != 0);
    }
}

static uint8_t to_interest(unsigned events)
{
    if ((events & ~(unsigned)EDDY_AS_IS) == 0) {
        return 0;
    }
    return (uint8_t)(events | ((events & EDDY_PEER_CLOSED) != 0 ? EDDY_INTEREST_PEER_CLOSED : 0));
}

/* What a watcher with this interest may be told. */
static uint16_t tellable(uint8_t interest)
{
    if (interest == 0) {
        return 0;
    }
    return (uint16_t)((interest & (EDDY_READ | EDDY_WRITE | EDDY_PRIORITY)) | ALWAYS_TOLD |
                      ((interest & (EDDY_READ | EDDY_INTEREST_PEER_CLOSED)) != 0 ? EDDY_PEER_CLOSED
                                                                                 : 0));
}

/* What was fetched of an event that is not asked about any more is forgotten: nobody is told of what he
 * has just said that he does not want. */
static int change(eddy_io *io, unsigned events)
{
    uint8_t old = io->interest;
    int result;

    io->interest = to_interest(events);
    result = apply(io->loop, io);
    if (result < 0) {
        io->interest = old;
        return result;
    }
    count_reference(io->loop, io, old);
    io->fetched &= tellable(io->interest);
    return 0;
}

/* ---- fds that were closed while they were watched */

static void stop(eddy_loop *loop, eddy_io *io)
{
    struct eddy_io_slot *slot = &loop->slots[io->fd];

    io->mode = io->mode >= EDDY_IO_KEPT ? EDDY_IO_NOTIFY : io->mode;
    (void)change(io, 0); /* of which there is none now that needs the set */
    if (eddy_link_used(&io->ready.link)) {
        eddy_list_remove(&io->ready.link);
    }
    if (slot->ended_at != loop->asks) {
        slot->ended_at = loop->asks;
        slot->first_ended = (uint16_t)slot->generation;
    }
    slot->io = NULL;
    slot->generation++;
    io->loop = NULL;
}

/* Told by its own callback, and not by the user's: whatever it is part of ends, and stops it. */
static void tell_lost(eddy_loop *loop, const eddy_io *io, const char *end)
{
    static const char *const who[] = {
        [EDDY_IO_CALLBACK] = "a watcher",
        [EDDY_IO_NOTIFY] = "a task that waits for it",
        [EDDY_IO_OWN] = "the loop",
        [EDDY_IO_LISTENER] = "a server",
        [EDDY_IO_KEPT] = "an eddy_fd",
        [EDDY_IO_EDGE] = "a stream",
        [EDDY_IO_EDGE_DATAGRAM] = "a datagram socket",
        [EDDY_IO_EDGE_WATCH] = "a watch of files",
    };
    const char *place = eddy_look_place_of(loop, io);

    eddy_loop_report(loop, (eddy_task){0}, -EBADF, "fd %d was closed while %s%s%s%s had it: %s",
                     io->fd, who[io->mode], place != NULL ? " (" : "", place != NULL ? place : "",
                     place != NULL ? ")" : "", end);
}

/* A watcher whose fd is gone gives way. */
static void lose(eddy_loop *loop, eddy_io *io)
{
    if (!eddy_loop_forked(loop)) { /* a child may well close what it does not need */
        tell_lost(loop, io, "it gives way");
    }
    loop->watched -= io->registered == IN_EPOLL;
    loop->left_behind |= io->registered == IN_EPOLL;
    io->registered = LOST;
    if (io->mode == EDDY_IO_CALLBACK) {
        stop(loop, io);
    } else {
        io->callback(io, EDDY_IO_GONE);
    }
}

/* Whether a watcher has its fd still. One that is in no set cannot be told from one that was closed:
 * it has. */
static bool has_its_fd(eddy_loop *loop, eddy_io *io)
{
    switch (io->registered) {
    case IN_EPOLL:
        return eddy_epoll_has(loop, io);
    case ALWAYS_READY: /* what epoll takes is another file */
        if (eddy_epoll_control(loop, io, EPOLL_CTL_ADD) == 0) {
            (void)eddy_epoll_control(loop, io, EPOLL_CTL_DEL);
            return false;
        }
        return true;
    case LOST:
        return false;
    default:
        return true;
    }
}

int eddy_io_make_way(eddy_loop *loop, int fd, bool fresh)
{
    eddy_io *io = fd >= 0 && fd < loop->slot_count ? loop->slots[fd].io : NULL;

    if (io == NULL) {
        return 0;
    }
    if (eddy_loop_forked(loop)) {
        return -ECHILD;
    }
    if (!fresh && has_its_fd(loop, io)) {
        return -EEXIST;
    }
    lose(loop, io);
    return 0;
}

void eddy_io_lose_closed(eddy_loop *loop)
{
    for (int fd = 0; fd < loop->slot_count; fd++) {
        eddy_io *io = loop->slots[fd].io;
        /* Those of the loop's own that a child has not exchanged yet are the parent's. */
        if (io != NULL && io->registered == IN_EPOLL &&
            !(io->mode == EDDY_IO_OWN && eddy_loop_forked(loop)) && !eddy_epoll_has(loop, io)) {
            lose(loop, io);
        }
    }
}

/* ---- starting and stopping */

int eddy_io_watch(eddy_loop *loop, eddy_io *io, int fd, unsigned events, enum eddy_io_mode mode,
                  eddy_io_fn *callback)
{
    bool fresh = mode == EDDY_IO_OWN || mode == EDDY_IO_LISTENER || mode >= EDDY_IO_EDGE;
    int result;

    eddy_loop_here(loop, mode == EDDY_IO_CALLBACK ? "eddy_io_start" : "an operation on an fd");
    if (io->loop != NULL || callback == NULL || (events & ~(unsigned)ALL_INTERESTS) != 0) {
        return -EINVAL;
    }
    if (fd < 0) {
        return -EBADF;
    }
    result = eddy_io_make_way(loop, fd, fresh);
    if (result == 0) {
        result = reserve_slot(loop, fd);
    }
    if (result < 0) {
        return result;
    }
    io->ready.kind = EDDY_READY_IO;
    io->ready.link = (struct eddy_link){NULL, NULL};
    io->loop = loop;
    io->callback = callback;
    io->fd = fd;
    io->interest = 0;
    io->fetched = 0;
    io->mode = (unsigned)mode & 0xFu;
    io->registered = NOT_REGISTERED;
    loop->slots[fd].io = io;
    loop->slots[fd].generation++;
    result = change(io, events);
    if (result < 0) {
        loop->slots[fd].io = NULL;
        io->loop = NULL;
    }
    return result;
}

int eddy_io_start_(eddy_loop *loop, eddy_io *io, int fd, unsigned events, eddy_io_fn *callback,
                   const char *place)
{
    int result = eddy_io_watch(loop, io, fd, events, EDDY_IO_CALLBACK, callback);

    if (result == 0) {
        eddy_look_note_place(loop, io, place);
    }
    return result;
}

int(eddy_io_start)(eddy_loop *loop, eddy_io *io, int fd, unsigned events, eddy_io_fn *callback)
{
    return eddy_io_start_(loop, io, fd, events, callback, NULL);
}

int eddy_io_change(eddy_io *io, unsigned events)
{
    if (io->loop == NULL || (events & ~(unsigned)ALL_INTERESTS) != 0) {
        return -EINVAL;
    }
    eddy_loop_here(io->loop, __func__);
    return change(io, events);
}

void eddy_io_stop(eddy_io *io)
{
    if (io->loop != NULL) {
        eddy_loop_here(io->loop, __func__);
        stop(io->loop, io);
    }
}

eddy_io *eddy_io_of(eddy_loop *loop, int fd)
{
    eddy_io *io = fd >= 0 && fd < loop->slot_count ? loop->slots[fd].io : NULL;

    eddy_loop_here(loop, __func__);
    return io != NULL && io->mode == EDDY_IO_CALLBACK ? io : NULL;
}

bool eddy_io_release(eddy_io *io)
{
    eddy_loop *loop = io->loop;
    unsigned mode = io->mode;
    bool told = io->registered == LOST;

    if (loop == NULL) {
        return false;
    }
    stop(loop, io);
    if (io->registered == LOST && !told) {
        io->mode = mode & 0xFu;
        tell_lost(loop, io, "it is not closed again");
    }
    return io->registered != LOST;
}

/* ---- events */

static void tell(eddy_loop *loop, eddy_io *io, unsigned events)
{
    if (io->mode != EDDY_IO_CALLBACK) {
        io->callback(io, events);
        return;
    }
    if ((events & ALWAYS_TOLD) != 0 && (io->interest & EDDY_AS_IS) == 0) {
        /* whoever waits is to find out by trying */
        events |= io->interest & (EDDY_READ | EDDY_WRITE);
    }
    io->fetched |= (uint16_t)events;
    if (!eddy_link_used(&io->ready.link)) {
        eddy_loop_append(loop, &io->ready);
    }
}

/* The event is of a watcher that is gone, and was there when the kernel was asked: of the first of
 * its fd that has ended since, or of a later one. */
static bool ended_since_asked(const eddy_loop *loop, const struct eddy_io_slot *slot,
                              uint32_t generation)
{
    return slot->ended_at == loop->asks &&
           (uint16_t)(generation - slot->first_ended) <= UINT16_MAX / 2;
}

/* epoll goes on for ever about an fd that was closed while a duplicate of it lives on. If the set
 * cannot be made anew, the next such event tries again. */
static void __attribute__((noinline)) on_stale_event(eddy_loop *loop, int fd)
{
    int result;

    eddy_io_lose_closed(loop);
    result = eddy_epoll_renew(loop);
    if (result == 0 || !loop->renewal_failed) {
        eddy_loop_report(loop, (eddy_task){0}, result < 0 ? result : -EBADF,
                         "fd %d was closed before its watcher was stopped, and is open as a "
                         "duplicate: the epoll set %s made anew",
                         fd, result < 0 ? "cannot be" : "was");
    }
    loop->renewal_failed = result < 0;
}

/* The slot exists, for it was registered once. Its generation has changed if that watcher is
 * gone. */
void eddy_io_dispatch(eddy_loop *loop, int count)
{
    int stale = -1;

    for (int i = 0; i < count; i++) {
        uint64_t data = loop->events[i].data.u64;
        const struct eddy_io_slot *slot = &loop->slots[(uint32_t)data];
        if (slot->generation == (uint32_t)(data >> 32)) {
            tell(loop, slot->io, loop->events[i].events);
        } else if (!ended_since_asked(loop, slot, (uint32_t)(data >> 32))) {
            stale = (int)(uint32_t)data;
        }
    }
    if (stale >= 0) { /* once, however many there are */
        on_stale_event(loop, stale);
    }
}

void eddy_io_dispatch_always(eddy_loop *loop)
{
    struct eddy_link *link;

    while ((link = eddy_list_first(&loop->always)) != NULL) {
        eddy_io *io = (eddy_io *)(void *)link;
        eddy_list_remove(link);
        tell(loop, io, io->interest & (EDDY_READ | EDDY_WRITE));
    }
}

/* The fetched events are taken before the callback, which may stop or free its watcher. */
void eddy_io_run(struct eddy_ready *ready)
{
    eddy_io *io = (eddy_io *)(void *)ready;
    unsigned events = io->fetched;

    io->fetched = 0;
    if (io->registered == ALWAYS_READY) {
        join_always(io->loop, io); /* ready again in the next turn */
    }
    if (events != 0) {
        io->callback(io, events);
    }
}

void eddy_io_fini(eddy_loop *loop)
{
    for (int fd = 0; fd < loop->slot_count; fd++) {
        eddy_io *io = loop->slots[fd].io;
        if (io != NULL) {
            bool edge = io->mode >= EDDY_IO_EDGE;
            bool owned = io->mode == EDDY_IO_LISTENER || edge;
            bool open = eddy_io_release(io);
            if (edge) {
                io->callback(io, 0);
            }
            if (owned && open) { /* of a server or stream that was left open outside of any frame */
                (void)loop->sys->close(loop->sys, fd);
            }
        }
    }
    if (loop->slots != NULL) {
        eddy_pool_resize(&loop->pool, loop->slots, (size_t)loop->slot_count * sizeof *loop->slots,
                         0);
    }
    loop->slots = NULL;
    loop->slot_count = 0;
}

int eddy_io_check(eddy_loop *loop)
{
    for (int fd = 0; fd < loop->slot_count; fd++) {
        const eddy_io *io = loop->slots[fd].io;
        if (io != NULL && (io->loop != loop || io->fd != fd || io->ready.kind != EDDY_READY_IO)) {
            return -EINVAL;
        }
    }
    return 0;
}
