#include "eddy/io.h"

#include <fcntl.h>
#include <string.h>

#include "look.h"

enum {
    ALL_INTERESTS = EDDY_READ | EDDY_WRITE | EDDY_PRIORITY,
    ALWAYS_TOLD = EDDY_HANGUP | EDDY_ERROR,
    FIRST_SLOTS = 64,
    MOST_DOUBTS = 16, /* before the set is made anew, for there are worse things than to do that */
    NOT_REGISTERED = 0,
    IN_EPOLL = 1,
    ALWAYS_READY = 2 /* a regular file: in loop->always while there is an interest */
};

#define SAME(ours, epolls) _Static_assert((unsigned)(ours) == (unsigned)(epolls), "epoll's value")
SAME(EDDY_READ, EPOLLIN);
SAME(EDDY_PRIORITY, EPOLLPRI);
SAME(EDDY_WRITE, EPOLLOUT);
SAME(EDDY_ERROR, EPOLLERR);
SAME(EDDY_HANGUP, EPOLLHUP);
SAME(EDDY_PEER_CLOSED, EPOLLRDHUP);

static uint32_t to_epoll(const eddy_io *io)
{
    if (io->mode == EDDY_IO_EDGE) {
        return EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;
    }
    return io->interest | ((io->interest & EDDY_READ) != 0 ? (uint32_t)EPOLLRDHUP : 0);
}

/* epoll's data is slot and generation, never a pointer: an event of a watcher that is gone finds
 * that out. */
static int control(eddy_loop *loop, const eddy_io *io, int operation)
{
    struct epoll_event event = {0};

    if (eddy_loop_forked(loop)) {
        return -ECHILD;
    }
    event.events = to_epoll(io);
    event.data.u64 = (uint64_t)loop->slots[io->fd].generation << 32 | (uint32_t)io->fd;
    loop->counts.controls++;
    return loop->sys->epoll_ctl(loop->sys, loop->epoll, operation, io->fd, &event);
}

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

/* Brings the kernel in line with the interest. An fd that nobody asks about is taken out of the
 * set, for epoll tells hangups and errors whether asked or not. */
static int apply(eddy_loop *loop, eddy_io *io)
{
    bool wanted = io->interest != 0 || io->mode == EDDY_IO_EDGE;
    int result = 0;

    if (io->registered == ALWAYS_READY) {
        if (eddy_link_used(&io->ready.link)) {
            eddy_list_remove(&io->ready.link);
        }
        join_always(loop, io);
        return 0;
    }
    if (wanted && io->registered == IN_EPOLL) {
        return control(loop, io, EPOLL_CTL_MOD);
    }
    if (wanted) {
        result = control(loop, io, EPOLL_CTL_ADD);
        if (result == -EPERM && io->mode != EDDY_IO_EDGE) {
            io->registered = ALWAYS_READY;
            join_always(loop, io);
            return 0;
        }
        if (result == 0) {
            io->registered = IN_EPOLL;
            loop->watched++;
        }
        return result;
    }
    if (io->registered == IN_EPOLL) {
        /* Fails only if the fd is closed already; then the kernel has taken it out, or, if a
         * duplicate is still open, the next event is stale and the set is rebuilt. */
        (void)control(loop, io, EPOLL_CTL_DEL);
        io->registered = NOT_REGISTERED;
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

static int change(eddy_io *io, unsigned events)
{
    uint8_t old = io->interest;
    int result;

    io->interest = (uint8_t)events;
    result = apply(io->loop, io);
    if (result < 0) {
        io->interest = old;
        return result;
    }
    count_reference(io->loop, io, old);
    io->fetched &= (uint16_t)(events == 0 ? 0
                                          : events | ALWAYS_TOLD |
                                                ((events & EDDY_READ) != 0 ? EDDY_PEER_CLOSED : 0));
    return 0;
}

int eddy_io_watch(eddy_loop *loop, eddy_io *io, int fd, unsigned events, enum eddy_io_mode mode,
                  eddy_io_fn *callback)
{
    int result;

    if (io->loop != NULL || (events & ~(unsigned)ALL_INTERESTS) != 0) {
        return -EINVAL;
    }
    if (fd < 0) {
        return -EBADF;
    }
    result = reserve_slot(loop, fd);
    if (result < 0) {
        return result;
    }
    if (loop->slots[fd].io != NULL) {
        return -EEXIST;
    }
    io->ready.kind = EDDY_READY_IO;
    io->ready.link.next = NULL;
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
    return change(io, events);
}

void eddy_io_stop(eddy_io *io)
{
    eddy_loop *loop = io->loop;

    if (loop == NULL) {
        return;
    }
    /* so that no interest is none */
    io->mode = io->mode == EDDY_IO_EDGE ? EDDY_IO_NOTIFY : io->mode;
    (void)change(io, 0);
    if (eddy_link_used(&io->ready.link)) {
        eddy_list_remove(&io->ready.link);
    }
    loop->slots[io->fd].io = NULL;
    loop->slots[io->fd].generation++;
    loop->stopped_since_asked = true;
    io->loop = NULL;
}

/* Registers all watchers with a new set. One whose fd was closed behind our back is forgotten,
 * also if its number is something else by now (the new set's own, for example); want of memory
 * is returned. */
static int register_all(eddy_loop *loop)
{
    for (int fd = 0; fd < loop->slot_count; fd++) {
        eddy_io *io = loop->slots[fd].io;
        int result =
            io != NULL && io->registered == IN_EPOLL ? control(loop, io, EPOLL_CTL_ADD) : 0;
        if (result == -ENOMEM || result == -ENOSPC) {
            return result;
        }
        if (result < 0) {
            io->registered = NOT_REGISTERED;
            loop->watched--;
        }
    }
    return 0;
}

/* The new set takes over the number of the old, which a foreign poller may know. */
int eddy_io_rebuild(eddy_loop *loop)
{
    const struct eddy_sys *sys = loop->sys;
    int old = loop->epoll;
    int epoll = sys->epoll_create(sys);
    int result;

    if (epoll < 0) {
        return epoll;
    }
    loop->epoll = epoll;
    result = register_all(loop);
    if (epoll == old) { /* a child that has closed all fds may get it anew */
        return result;
    }
    if (result == 0 && sys->dup3(sys, epoll, old) < 0) {
        (void)sys->close(sys, old); /* better another number than the old set */
        return 0;
    }
    loop->epoll = old;
    (void)sys->close(sys, epoll);
    return result;
}

static void tell(eddy_loop *loop, eddy_io *io, unsigned events)
{
    if (io->mode != EDDY_IO_CALLBACK) {
        io->callback(io, events);
        return;
    }
    if ((events & ALWAYS_TOLD) != 0) {
        /* whoever waits is to find out by trying */
        events |= io->interest & (EDDY_READ | EDDY_WRITE);
    }
    io->fetched |= (uint16_t)events;
    if (!eddy_link_used(&io->ready.link)) {
        eddy_loop_append(loop, &io->ready);
    }
}

/* An event for a watcher that is gone: either it was stopped after the kernel was asked, or its fd
 * was closed while a duplicate of it lives on, and epoll goes on about it for ever. Then there is
 * no way to take it out but to make the set anew; if that fails, the next such event tries again. */
static void __attribute__((noinline)) on_stale_event(eddy_loop *loop)
{
    if (loop->stopped_since_asked && loop->doubts < MOST_DOUBTS) {
        loop->doubts++;
        return;
    }
    loop->doubts = 0;
    (void)eddy_io_rebuild(loop);
}

/* The slot exists, for it was registered once. Its generation has changed if that watcher is
 * gone. */
void eddy_io_dispatch(eddy_loop *loop, int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t data = loop->events[i].data.u64;
        const struct eddy_io_slot *slot = &loop->slots[(uint32_t)data];
        if (slot->generation == (uint32_t)(data >> 32)) {
            tell(loop, slot->io, loop->events[i].events);
        } else {
            on_stale_event(loop);
        }
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
            bool edge = io->mode == EDDY_IO_EDGE;
            bool owned = io->mode == EDDY_IO_LISTENER || edge;
            eddy_io_stop(io);
            if (edge) {
                io->callback(io, 0);
            }
            if (owned) { /* of a server or stream that was left open outside of any frame */
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
