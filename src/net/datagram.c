/*
 * Datagrams: sending and receiving.
 *
 * As with streams every operation is the one text of wait.h (check, try, park), the work is done in the
 * task's turn, and what is not known to be empty or full is tried: so nothing is taken by a cancel, and
 * no operation asks epoll for anything.
 *
 * One datagram and many are the same: a list of one, in the socket, for what is given as arguments. One call
 * of the kernel receives at most 64, so that an error between two calls is never taken away by what came
 * before it: what the second would have met is still there for the next operation.
 *
 * A socket of the Unix domain that is not connected hears nothing when a receiver has room again: it tries
 * anew after a while, as eddy_connect_to does, and is free for other senders in between.
 */
#include "eddy/datagram.h"

#include <string.h>

#include "eddy/deadline.h"
#include "loop/look.h"
#include "net/datagram_internal.h"

enum {
    AT_ONCE = EDDY_PACKETS_AT_ONCE,
    CALLS_A_STEP = 16,   /* of one sending, before others get their turn */
    PACKETS_AN_AWAIT = 8 /* take part of a step's share of awaits */
};

static const int64_t FIRST_RETRY = EDDY_MILLISECOND;
static const int64_t LAST_RETRY = 64 * EDDY_MILLISECOND;

/* ---- events */

void eddy_datagram_on_events(eddy_io *io, unsigned events)
{
    eddy_datagram *socket = (eddy_datagram *)(void *)io;

    if (events == 0) { /* the loop is being freed */
        socket->state = 0;
        return;
    }
    if ((events & EDDY_IO_GONE) != 0) {
        eddy_datagram_close_with(socket, -EBADF);
        return;
    }
    if ((events & ~(unsigned)EDDY_WRITE) != 0) {
        socket->state |= EDDY_READ;
        if ((socket->state & EDDY_DATAGRAM_READING) != 0) {
            eddy_wake_to_try(socket->reader);
        }
    }
    if ((events & (EDDY_WRITE | EDDY_ERROR | EDDY_HANGUP)) != 0) {
        socket->state |= EDDY_WRITE;
        if ((socket->state & EDDY_DATAGRAM_WRITING) != 0) {
            eddy_wake_to_try(socket->writer);
        }
    }
}

/* ---- messages, as the kernel has them */

static void to_message(struct msghdr *message, struct iovec *piece,
                       const struct eddy_packet *packet)
{
    memset(message, 0, sizeof *message);
    piece->iov_base = packet->data;
    piece->iov_len = packet->size;
    message->msg_iov = piece;
    message->msg_iovlen = 1;
    if (packet->address != NULL) {
        message->msg_name = &packet->address->storage;
        message->msg_namelen = packet->address->size;
    }
}

static void to_receive(struct msghdr *message, struct iovec *piece,
                       const struct eddy_packet *packet)
{
    to_message(message, piece, packet);
    if (packet->address != NULL) {
        message->msg_namelen = sizeof packet->address->storage;
    }
}

static void has_come(const eddy_datagram *socket, const struct msghdr *message, size_t length,
                     struct eddy_packet *packet)
{
    packet->length = length;
    if (packet->address == NULL) {
        return;
    }
    packet->address->size = message->msg_namelen;
    if (message->msg_namelen == 0) { /* of a Unix-domain socket without a name */
        packet->address->storage.ss_family = (sa_family_t)socket->family;
        packet->address->size = sizeof(sa_family_t);
    }
}

/* Those that moved take part of a step's share of awaits. */
static int64_t moved(const eddy_datagram *socket, int64_t count)
{
    if (count > PACKETS_AN_AWAIT) {
        socket->io.loop->awaits_left -= (int)(count / PACKETS_AN_AWAIT);
    }
    return count;
}

/* ---- receiving */

static int64_t receive_one(eddy_datagram *socket, struct eddy_packet *packet)
{
    const struct eddy_sys *sys = socket->io.loop->sys;
    struct msghdr message;
    struct iovec piece;
    ssize_t length;

    to_receive(&message, &piece, packet);
    length = sys->recvmsg(sys, socket->io.fd, &message, MSG_TRUNC);
    if (length < 0) {
        return length;
    }
    has_come(socket, &message, (size_t)length, packet);
    return 1;
}

static int64_t receive_several(eddy_datagram *socket, struct eddy_packet *packets, unsigned count)
{
    const struct eddy_sys *sys = socket->io.loop->sys;
    struct mmsghdr messages[AT_ONCE];
    struct iovec pieces[AT_ONCE];
    int received;

    for (unsigned i = 0; i < count; i++) {
        to_receive(&messages[i].msg_hdr, &pieces[i], &packets[i]);
    }
    received = sys->recvmmsg(sys, socket->io.fd, messages, count, MSG_TRUNC);
    for (int i = 0; i < received; i++) {
        has_come(socket, &messages[i].msg_hdr, messages[i].msg_len, &packets[i]);
    }
    if (received > 0 && (unsigned)received < count && (socket->state & EDDY_DATAGRAM_DRAINS) != 0) {
        socket->state &= ~(uint32_t)EDDY_READ;
    }
    return moved(socket, received);
}

/* How many have come, or an error. */
static int64_t receive(eddy_datagram *socket)
{
    int count = socket->in_count < AT_ONCE ? socket->in_count : AT_ONCE;
    int64_t received;

    do {
        socket->io.loop->counts.reads++;
        received = count == 1 ? receive_one(socket, socket->in)
                              : receive_several(socket, socket->in, (unsigned)count);
    } while (received == -EINTR);
    if (received == -EAGAIN) {
        socket->state &= ~(uint32_t)EDDY_READ;
    }
    return received;
}

/* What an operation returns: of one it is the length. */
static int64_t received(const eddy_datagram *socket, int64_t result)
{
    return result > 0 && socket->in == &socket->one_in ? (int64_t)socket->one_in.length : result;
}

static void reading_is_over(eddy_datagram *socket)
{
    socket->state &= ~(uint32_t)EDDY_DATAGRAM_READING;
    socket->io.loop->references--;
}

static int abort_receive(struct eddy_task_record *task)
{
    reading_is_over(task->in.object);
    return 1;
}

static int64_t resume_receive(struct eddy_task_record *task)
{
    eddy_datagram *socket = task->in.object;
    int64_t result = receive(socket);

    if (result == -EAGAIN) {
        return EDDY_PENDING;
    }
    reading_is_over(socket);
    return received(socket, result);
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const eddy_datagram *socket = task->in.object;

    eddy_look_describe_fd(socket->io.loop, socket->io.fd, text, size);
}

static const struct eddy_wait_kind receive_kind = {
    .name = "receive",
    .abort = abort_receive,
    .resume = resume_receive,
    .describe = describe,
};

/* Why nothing may be begun: an interrupt, it is not open, or another task is at it. */
static int64_t may_begin(eddy_coro *co, const eddy_datagram *socket, uint32_t busy)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (!eddy_datagram_is_open(socket)) {
        return -EBADF;
    }
    return (socket->state & busy) != 0 ? -EBUSY : 0;
}

static void check_packets(eddy_coro *co, const struct eddy_packet *packets, int count)
{
    eddy_check_pointer(co, packets);
    for (int i = 0; i < count; i++) {
        eddy_check_pointer(co, packets[i].data);
        eddy_check_pointer(co, packets[i].address);
    }
}

static int64_t begin_receive(eddy_coro *co, eddy_datagram *socket, struct eddy_packet *packets,
                             int count)
{
    int64_t result = -EAGAIN;

    socket->in = packets;
    socket->in_count = count;
    if ((socket->state & EDDY_READ) != 0) {
        result = receive(socket);
    }
    if (result != -EAGAIN) {
        return eddy_complete(co, received(socket, result));
    }
    check_packets(co, packets, count);
    socket->reader = co->task;
    socket->state |= EDDY_DATAGRAM_READING;
    socket->io.loop->references++;
    return eddy_park(co, &receive_kind, socket, NULL);
}

int64_t eddy_datagram_receive(eddy_coro *co, eddy_datagram *socket, void *buffer, size_t size,
                              struct eddy_address *from)
{
    int64_t result = may_begin(co, socket, EDDY_DATAGRAM_READING);

    if (result < 0) {
        return result;
    }
    socket->one_in = (struct eddy_packet){buffer, size, 0, from};
    return begin_receive(co, socket, &socket->one_in, 1);
}

int64_t eddy_datagram_receive_many(eddy_coro *co, eddy_datagram *socket,
                                   struct eddy_packet *packets, int count)
{
    int64_t result = may_begin(co, socket, EDDY_DATAGRAM_READING);

    if (result < 0) {
        return result;
    }
    return count > 0 ? begin_receive(co, socket, packets, count) : -EINVAL;
}

/* ---- sending */

static int64_t send_one(const eddy_datagram *socket, const struct eddy_packet *packet)
{
    const struct eddy_sys *sys = socket->io.loop->sys;
    struct msghdr message;
    struct iovec piece;
    ssize_t length;

    to_message(&message, &piece, packet);
    length = sys->sendmsg(sys, socket->io.fd, &message, 0);
    return length < 0 ? length : 1;
}

static int64_t send_several(const eddy_datagram *socket, const struct eddy_packet *packets,
                            unsigned count)
{
    const struct eddy_sys *sys = socket->io.loop->sys;
    struct mmsghdr messages[AT_ONCE];
    struct iovec pieces[AT_ONCE];

    for (unsigned i = 0; i < count; i++) {
        to_message(&messages[i].msg_hdr, &pieces[i], &packets[i]);
        messages[i].msg_len = 0;
    }
    return moved(socket, sys->sendmmsg(sys, socket->io.fd, messages, count, 0));
}

/* All of them: how many, an error, or EDDY_PENDING: there is no room, or the step has had its share. */
static int64_t send_all(eddy_datagram *socket)
{
    int calls = CALLS_A_STEP;

    while (socket->sent < socket->out_count) {
        int left = socket->out_count - socket->sent;
        const struct eddy_packet *next = &socket->out[socket->sent];
        int64_t count;
        if (calls-- == 0 || (socket->state & EDDY_WRITE) == 0) {
            return EDDY_PENDING;
        }
        socket->io.loop->counts.writes++;
        count = left == 1 ? send_one(socket, next)
                          : send_several(socket, next, left < AT_ONCE ? (unsigned)left : AT_ONCE);
        if (count == -EAGAIN) {
            socket->state &= ~(uint32_t)EDDY_WRITE;
        } else if (count < 0 && count != -EINTR) {
            return count;
        }
        socket->sent += count > 0 ? (int)count : 0;
    }
    return socket->sent;
}

static int64_t sent(const eddy_datagram *socket, int64_t result)
{
    return result >= 0 && socket->out == &socket->one_out ? (int64_t)socket->one_out.size : result;
}

static void writing_is_over(eddy_datagram *socket)
{
    socket->state &= ~(uint32_t)EDDY_DATAGRAM_WRITING;
    socket->io.loop->references--;
}

static int abort_send(struct eddy_task_record *task)
{
    writing_is_over(task->in.object);
    return 1;
}

static int64_t resume_send(struct eddy_task_record *task)
{
    eddy_datagram *socket = task->in.object;
    int64_t result = send_all(socket);

    if (result != EDDY_PENDING) {
        writing_is_over(socket);
        return sent(socket, result);
    }
    return (socket->state & EDDY_WRITE) != 0 ? eddy_resume_later(task) : EDDY_PENDING;
}

static const struct eddy_wait_kind send_kind = {
    .name = "send",
    .abort = abort_send,
    .resume = resume_send,
    .describe = describe,
};

static int64_t begin_send(eddy_coro *co, eddy_datagram *socket, struct eddy_packet *packets,
                          int count)
{
    int64_t result;

    socket->out = packets;
    socket->out_count = count;
    socket->sent = 0;
    result = send_all(socket);
    if (result != EDDY_PENDING) {
        return eddy_complete(co, sent(socket, result));
    }
    check_packets(co, packets, count);
    socket->writer = co->task;
    socket->state |= EDDY_DATAGRAM_WRITING;
    socket->io.loop->references++;
    result = eddy_park(co, &send_kind, socket, NULL);
    if ((socket->state & EDDY_WRITE) != 0) {
        eddy_wake_to_try(co->task);
    }
    return result;
}

/* ---- a receiver without room, of which no event tells */

eddy_frame(send_when_there_is_room) {
    eddy_coro co;
    eddy_datagram *socket;
    struct eddy_packet one; /* used if packets is NULL */
    struct eddy_packet *packets;
    int count;
    int sent;
    int64_t delay;
    int64_t rc;
};

/* Goes on with what is left; -EAGAIN if there is no room yet. */
static int64_t try_rest(eddy_coro *co, struct send_when_there_is_room *self)
{
    eddy_datagram *socket = self->socket;
    int64_t result = may_begin(co, socket, EDDY_DATAGRAM_WRITING);

    if (result < 0) {
        return result;
    }
    socket->out = self->packets != NULL ? self->packets : &self->one;
    socket->out_count = self->count;
    socket->sent = self->sent;
    socket->state |= EDDY_WRITE;
    result = send_all(socket);
    self->sent = socket->sent;
    return result == EDDY_PENDING ? -EAGAIN : result;
}

static void send_when_there_is_room(eddy_coro *co)
{
    eddy_begin(send_when_there_is_room);
    do {
        eddy_await(eddy_sleep(co, self->delay));
        self->delay = self->delay * 2 < LAST_RETRY ? self->delay * 2 : LAST_RETRY;
        eddy_catch(self->rc, try_rest(co, self));
    } while (self->rc == -EAGAIN);
    eddy_return(self->rc >= 0 && self->packets == NULL ? (int64_t)self->one.size : self->rc);
    eddy_end;
}

static bool hears_of_no_room(const eddy_datagram *socket, const struct eddy_packet *packet)
{
    return socket->family == AF_UNIX && packet->address != NULL;
}

static int64_t begin(eddy_coro *co, eddy_datagram *socket, struct eddy_packet *packets, int count)
{
    bool one = packets == &socket->one_out;
    int64_t result;

    if (count == 0 || !hears_of_no_room(socket, &packets[0])) {
        return begin_send(co, socket, packets, count);
    }
    socket->out = packets;
    socket->out_count = count;
    socket->sent = 0;
    socket->state |= EDDY_WRITE;
    result = send_all(socket);
    if (result != EDDY_PENDING) {
        return eddy_complete(co, sent(socket, result));
    }
    check_packets(co, packets, count);
    return eddy_call(co, send_when_there_is_room, .socket = socket, .one = socket->one_out,
                     .packets = one ? NULL : packets, .count = count, .sent = socket->sent,
                     .delay = FIRST_RETRY);
}

int64_t eddy_datagram_send(eddy_coro *co, eddy_datagram *socket, const void *data, size_t size,
                           const struct eddy_address *to)
{
    int64_t result = may_begin(co, socket, EDDY_DATAGRAM_WRITING);

    if (result < 0) {
        return result;
    }
    socket->one_out = (struct eddy_packet){(void *)(uintptr_t)data, size, 0,
                                           (struct eddy_address *)(uintptr_t)to};
    return begin(co, socket, &socket->one_out, 1);
}

int64_t eddy_datagram_send_many(eddy_coro *co, eddy_datagram *socket, struct eddy_packet *packets,
                                int count)
{
    int64_t result = may_begin(co, socket, EDDY_DATAGRAM_WRITING);

    if (result < 0) {
        return result;
    }
    return count >= 0 ? begin(co, socket, packets, count) : -EINVAL;
}
