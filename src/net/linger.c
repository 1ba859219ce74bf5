/*
 * Lingering: how a server closes.
 *
 * Closing a socket whose input is unread, or for which input comes afterwards, resets the
 * connection, and a reset takes with it what the peer has not read of the answer. So the sending
 * side is shut, and what comes is read and dropped, until the peer has sent its end. A peer is not
 * trusted with that: time, silence and amount are bounded.
 *
 *     shut  -- the peer's end, an error ---------------------------------> closed
 *           -- MOST_SILENCE without a byte read, or taken by the peer ---> closed
 *           -- the server is closed, and all is delivered ---------------> closed
 *           -- the server's linger_time, or MOST_DROPPED bytes ----------> closed
 *
 * Handler, frame and stream are gone by then: there is one small block for a connection that
 * lingers, and none for one that is served. Without memory for that the client is closed at once, which may
 * cost it the end of its answer: so it is told. Its watcher is no stream's, since it is told again of
 * what it has not read: a fast sender gets a bounded share of every turn.
 */
#include "net/linger.h"

#include <string.h>

#include "loop/look.h"
#include "net/address.h"
#include "net/server_internal.h"
#include "net/stream_internal.h"

enum {
    PIECE = 16384,
    PIECES_A_TURN = 4,
    THE_END = 1, /* counts as a byte of TCP, and is acknowledged at leisure */
    MOST_DROPPED = 64 * 1024 * 1024,
};

static const int64_t MOST_SILENCE = 5 * EDDY_SECOND;
static const int64_t LOOK = 50 * EDDY_MILLISECOND; /* while the server waits for its end */

struct lingerer {
    struct eddy_attachment attachment; /* first: the end of the loop is its own; it has no key */
    eddy_io io;
    eddy_timer timer;      /* for the end of the silence, or of all */
    struct eddy_link link; /* in server->lingers */
    eddy_server *server;
    int64_t deadline;  /* of all */
    int64_t silent_at; /* the peer is silent for too long then */
    size_t left;       /* so much may still be dropped */
    int unsent;        /* what the kernel had not delivered at the last look */
    unsigned pool_class;
};

static void on_timer(eddy_timer *timer);

static struct lingerer *linger_of(struct eddy_link *link)
{
    return (struct lingerer *)(void *)((char *)link - offsetof(struct lingerer, link));
}

static void end(struct lingerer *linger)
{
    eddy_server *server = linger->server;
    eddy_loop *loop = server->loop;
    int fd = linger->io.fd;

    eddy_timer_stop(&linger->timer);
    if (eddy_io_release(&linger->io)) {
        (void)loop->sys->close(loop->sys, fd);
    }
    eddy_list_remove(&linger->link);
    if (eddy_link_used(&linger->attachment.link)) { /* not if the loop is being freed */
        eddy_list_remove(&linger->attachment.link);
    }
    eddy_pool_give(&loop->pool, linger, linger->pool_class);
    loop->references--;
    server->lingering--;
    eddy_server_one_less(server);
}

static void close_with_loop(eddy_loop *loop, struct eddy_attachment *attachment)
{
    (void)loop;
    end((struct lingerer *)(void *)attachment);
}

static bool is_closed(const eddy_server *server)
{
    return server->listening == 0;
}

static int set_timer(struct lingerer *linger)
{
    const eddy_server *server = linger->server;
    int64_t at = linger->deadline < linger->silent_at ? linger->deadline : linger->silent_at;
    int64_t left = at - eddy_loop_now(server->loop);

    if (is_closed(server) && left > LOOK) {
        left = LOOK;
    }
    return eddy_timer_start_own(server->loop, &linger->timer, left > 0 ? left : 0, on_timer);
}

static void is_not_silent(struct lingerer *linger)
{
    linger->silent_at = eddy_deadline_after(eddy_loop_now(linger->server->loop), MOST_SILENCE);
}

/* Reads and drops a bounded share: 0 at the end of the file, -EAGAIN if no more is there, 1 if more
 * may be, or an error. */
static int64_t drop_some(eddy_loop *loop, int fd, size_t *left)
{
    const struct eddy_sys *sys = loop->sys;
    char bytes[PIECE]; /* their content is nobody's */
    int64_t count = 1;

    for (int i = 0; i < PIECES_A_TURN && count > 0; i++) {
        loop->counts.reads++;
        count = sys->read(sys, fd, bytes, sizeof bytes);
        if (count > 0) {
            *left -= (size_t)count < *left ? (size_t)count : *left;
        }
    }
    return count > 0 || count == -EINTR ? 1 : count;
}

/* A silent peer may be taking what is on its way to it. When it has all, and the server is closed, it
 * has had its chance: whoever waits for the server's end waits for no peer that just keeps its
 * connection. */
static void look(struct lingerer *linger)
{
    eddy_loop *loop = linger->server->loop;
    int64_t now = eddy_loop_now(loop);
    int unsent = eddy_socket_unsent(loop, linger->io.fd);

    if (unsent < linger->unsent && linger->unsent > THE_END) {
        is_not_silent(linger);
    }
    linger->unsent = unsent;
    if (is_closed(linger->server)) {
        (void)drop_some(loop, linger->io.fd, &linger->left); /* what is unread would reset it */
    }
    if (linger->deadline <= now || linger->silent_at <= now ||
        (is_closed(linger->server) && unsent <= THE_END) || set_timer(linger) < 0) {
        end(linger);
    }
}

static void on_timer(eddy_timer *timer)
{
    look(timer->user);
}

static void on_input(eddy_io *io, unsigned events)
{
    struct lingerer *linger = io->user;
    int64_t result;

    if ((events & EDDY_IO_GONE) != 0) {
        end(linger);
        return;
    }
    result = drop_some(io->loop, io->fd, &linger->left);
    is_not_silent(linger);
    if ((result <= 0 && result != -EAGAIN) || linger->left == 0 || set_timer(linger) < 0) {
        end(linger);
    }
}

/* Watches the fd, which is no stream's any more. */
static int watch(struct lingerer *linger, eddy_loop *loop, int fd)
{
    int result;

    linger->io.user = linger;
    linger->timer.user = linger;
    is_not_silent(linger);
    result = set_timer(linger);
    if (result == 0) {
        result = eddy_io_watch(loop, &linger->io, fd, EDDY_READ, EDDY_IO_NOTIFY, on_input);
        if (result < 0) {
            eddy_timer_stop(&linger->timer);
        }
    }
    return result;
}

/* Shuts the sending side; whether the peer may still send, or take what was sent. */
static bool shut(struct lingerer *linger, int fd, bool readable)
{
    eddy_loop *loop = linger->server->loop;
    int64_t result = loop->sys->shutdown(loop->sys, fd, SHUT_WR);

    if (result == 0) {
        result = readable ? drop_some(loop, fd, &linger->left) : -EAGAIN;
    }
    return result == 1 || result == -EAGAIN;
}

static struct lingerer *linger_new(eddy_server *server)
{
    unsigned pool_class;
    struct lingerer *linger = eddy_pool_take(&server->loop->pool, sizeof *linger, &pool_class);

    if (linger != NULL) {
        memset(linger, 0, sizeof *linger);
        linger->attachment.close = close_with_loop;
        linger->server = server;
        linger->pool_class = pool_class;
        linger->left = MOST_DROPPED;
        linger->deadline = eddy_deadline_after(eddy_loop_now(server->loop), server->lingers_for);
    }
    return linger;
}

static void begin(struct lingerer *linger, int fd)
{
    eddy_server *server = linger->server;

    eddy_list_append(&server->lingers, &linger->link);
    eddy_list_append(&server->loop->attachments, &linger->attachment.link);
    server->loop->references++;
    server->lingering++;
    linger->unsent = eddy_socket_unsent(server->loop, fd);
    if (is_closed(server)) {
        look(linger);
    }
}

int eddy_linger_begin(eddy_server *server, eddy_stream *stream)
{
    eddy_loop *loop = server->loop;
    int result = 0;
    bool readable = (stream->state & EDDY_READ) != 0;
    int fd = stream->io.fd;
    struct lingerer *linger;

    if (server->lingers_for <= 0 || (stream->state & EDDY_STREAM_ENDED) != 0 || loop->closing ||
        eddy_loop_forked(loop)) {
        return 0;
    }
    linger = linger_new(server);
    if (linger == NULL) {
        return -ENOMEM;
    }
    if (!eddy_stream_disown(stream)) { /* somebody else has closed the fd */
        eddy_pool_give(&loop->pool, linger, linger->pool_class);
        return 0;
    }
    if (shut(linger, fd, readable)) {
        result = watch(linger, loop, fd);
        if (result == 0) {
            server->linger_told = false;
            begin(linger, fd);
            return 0;
        }
    }
    eddy_pool_give(&loop->pool, linger, linger->pool_class);
    (void)loop->sys->close(loop->sys, fd);
    return result;
}

void eddy_linger_tell(eddy_server *server, int error)
{
    const eddy_task none = {NULL, 0};
    char name[EDDY_FD_TEXT];

    if (!server->linger_told) {
        server->linger_told = true;
        if (!eddy_address_format(&server->address, name, sizeof name)) {
            name[0] = '\0';
        }
        eddy_loop_report(server->loop, none, error,
                         "server: %s (%s) closes clients without lingering for now: %s", name,
                         eddy_place_in(server->named_place), eddy_strerror(error));
    }
}

void eddy_linger_hurry(eddy_server *server)
{
    struct eddy_link *next;

    if (eddy_list_empty(&server->lingers)) {
        return;
    }
    for (struct eddy_link *link = eddy_list_front(&server->lingers); link != &server->lingers;
         link = next) {
        next = link->next;
        look(linger_of(link));
    }
}

void eddy_linger_cut(eddy_server *server)
{
    struct eddy_link *link;

    while ((link = eddy_list_first(&server->lingers)) != NULL) {
        end(linger_of(link));
    }
}
