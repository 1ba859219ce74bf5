/*
 * Datagrams: sockets of UDP, and Unix-domain ones of that kind.
 *
 *     eddy_await(eddy_datagram_open(loop, &self->socket, AF_INET));
 *     eddy_await(eddy_datagram_bind(&self->socket, &self->address));
 *     while (true) {
 *         eddy_await(self->size, eddy_datagram_receive(co, &self->socket, self->buffer,
 *                                                      sizeof self->buffer, &self->from));
 *         eddy_await(eddy_datagram_send(co, &self->socket, self->buffer, self->size, &self->from));
 *     }
 *
 * The caller owns the struct, zeroed before it is opened; open it owns its fd until
 * eddy_datagram_close. A coroutine must not end with an open one in its frame: close it in eddy_finally.
 * The fd is registered with epoll once, edge-triggered: awaiting it again and again asks epoll for
 * nothing. One task receives and one sends at a time (-EBUSY); any operation on a socket that is not open
 * is -EBADF, and closing wakes whoever waits with that.
 *
 * A datagram is sent or received whole. Nothing says that it arrives, and whoever sends faster than the
 * peer's kernel has room for loses some there (SO_RCVBUF; /proc/net/snmp counts them as RcvbufErrors).
 *
 * Errors that come back (ICMP) are told as the kernel tells them by itself: on a connected socket the next
 * operation fails, once, with the error (-ECONNREFUSED: nobody has that port); on one that is not, nobody
 * is told, so that one peer that has gone fails no others. Who wants to know more sets IP_RECVERR.
 */
#ifndef EDDY_DATAGRAM_H
#define EDDY_DATAGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "eddy/address.h"
#include "eddy/coro.h"
#include "eddy/io.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One of several datagrams. */
struct eddy_packet {
    void *data;    /* the caller's */
    size_t size;   /* sending: of the data. Receiving: the room */
    size_t length; /* set by receiving: of the datagram; more than `size`: it was cut off */
    struct eddy_address *address; /* sending: to whom. Receiving: set to the sender. Or NULL */
};

/* The most that one call receives. */
enum { EDDY_PACKETS_AT_ONCE = 64 };

struct eddy_socket_path;

/* All of it is private. */
typedef struct eddy_datagram {
    eddy_io io;
    uint32_t state; /* what may be tried, and more (datagram.c); 0: closed */
    int family;
    struct eddy_task_record *reader; /* who waits to receive: valid if the state says so */
    struct eddy_task_record *writer; /* likewise to send */
    struct eddy_packet *in, *out;    /* theirs */
    int in_count, out_count;
    int sent; /* of the last sending: how many the kernel has */
    struct eddy_packet one_in, one_out;
    struct eddy_socket_path *path; /* that it is bound to; or NULL */
} eddy_datagram;

/* ---- opening and closing */

/* Opens a socket of AF_INET, AF_INET6 or AF_UNIX, nonblocking and close-on-exec. IPv6 ones take IPv4 too,
 * unless IPV6_V6ONLY is set before the bind. 0; -EINVAL: it is open; -EAFNOSUPPORT; -ENOMEM; the errors of
 * socket(2), such as -EMFILE, and -ENOSPC of epoll_ctl(2); -ECHILD in a child of fork(2). */
EDDY_API int eddy_datagram_open(eddy_loop *loop, eddy_datagram *socket, int family);
#define eddy_datagram_open(...) eddy_datagram_open_(__VA_ARGS__, EDDY_PLACE_)

/* Opens on a datagram socket of the caller's and takes it over; sets O_NONBLOCK. On an error it is still
 * his: -EINVAL: it is open; -EPROTOTYPE: a socket of another type; -EEXIST: the fd has a watcher; -ENOTSOCK,
 * -EBADF, -ENOMEM, -ENOSPC. */
EDDY_API int eddy_datagram_open_fd(eddy_loop *loop, eddy_datagram *socket, int fd);
#define eddy_datagram_open_fd(...) eddy_datagram_open_fd_(__VA_ARGS__, EDDY_PLACE_)

/* bind(2): where it receives. Port 0: the system picks one. The path of a Unix-domain address is removed
 * when the socket is closed, as eddy_serve_at has it. 0, -EBADF, or the errors of bind(2). */
EDDY_API int eddy_datagram_bind(eddy_datagram *socket, const struct eddy_address *address);

/* connect(2): what is sent without an address goes there, only what comes from there is received, and
 * errors that come back are told. Waits for nothing. NULL: for everybody again; a port that the
 * system has picked is given up then, so bind to one. 0, -EBADF, or the errors of connect(2). */
EDDY_API int eddy_datagram_connect(eddy_datagram *socket, const struct eddy_address *address);

/* Where it is bound: 0, -EBADF, or the errors of getsockname(2). */
EDDY_API int eddy_datagram_address(eddy_datagram *socket, struct eddy_address *address);

/* Sets options, in their order: 0, -EBADF, or the first error of setsockopt(2). */
EDDY_API int eddy_datagram_set(eddy_datagram *socket, const struct eddy_socket_option *options,
                               int count);

/* Closes; who waits on it gets -EBADF first. What was received and not taken is lost. Nothing if it is not
 * open. */
EDDY_API void eddy_datagram_close(eddy_datagram *socket);

static inline bool eddy_datagram_is_open(const eddy_datagram *socket)
{
    return socket->io.loop != NULL;
}

/* The fd, for setsockopt(2) and the like; it stays the socket's. -1 if it is not open. */
EDDY_API int eddy_datagram_fd(eddy_datagram *socket);

/* ---- to many: broadcast and multicast. Each 0, -EBADF, or the errors of setsockopt(2) */

/* Whether broadcast addresses may be sent to; otherwise that is -EACCES. */
EDDY_API int eddy_datagram_broadcast(eddy_datagram *socket, bool on);

/* Joins or leaves a group, on the interface of that number (if_nametoindex(3); 0: the system's choice).
 * -EADDRINUSE: joined already; -EADDRNOTAVAIL: not joined; -ENODEV: no such interface; -EINVAL: not a
 * group's address. The port does not matter: bind to it. */
EDDY_API int eddy_datagram_join(eddy_datagram *socket, const struct eddy_address *group,
                                unsigned interface);
EDDY_API int eddy_datagram_leave(eddy_datagram *socket, const struct eddy_address *group,
                                 unsigned interface);

/* Of what is sent to groups: how many routers it passes (1 at first: none), whether sockets of this host
 * get it (at first they do), and by which interface it goes. */
EDDY_API int eddy_datagram_multicast_hops(eddy_datagram *socket, int hops);
EDDY_API int eddy_datagram_multicast_loop(eddy_datagram *socket, bool on);
EDDY_API int eddy_datagram_multicast_interface(eddy_datagram *socket, unsigned interface);

/* ---- sending and receiving */

/* Receives one datagram, waiting until there is one; returns its length, which may be 0. A length of more
 * than `size` says that the rest was cut off and is lost. `from`: set to who sent it; or NULL. What is
 * pointed to must stay until then: not on the C stack. Errors: those of recvmsg(2), such as -ECONNREFUSED
 * (see above); -EBUSY: another task receives; -EBADF; -ECANCELED: nothing was received. */
EDDY_API EDDY_MUST_USE int64_t eddy_datagram_receive(eddy_coro *co, eddy_datagram *socket,
                                                     void *buffer, size_t size,
                                                     struct eddy_address *from);

/* Likewise as many as there are, at most `count` (> 0, else -EINVAL) and at most EDDY_PACKETS_AT_ONCE, by
 * one call of recvmmsg(2); returns how many, at least 1. */
EDDY_API EDDY_MUST_USE int64_t eddy_datagram_receive_many(eddy_coro *co, eddy_datagram *socket,
                                                          struct eddy_packet *packets, int count);

/* Sends one datagram, waiting while the kernel has no room; `to`: to whom, or NULL on a connected socket.
 * Both must stay until then. Returns `size`. Errors: those of sendmsg(2): -EMSGSIZE: too long for the
 * kind of socket; -EDESTADDRREQ: neither connected nor an address; -ECONNREFUSED; -ENETUNREACH; -EACCES: a
 * broadcast; -EBUSY: another task sends; -EBADF; -ECANCELED: it was not sent.
 *
 * Of a Unix-domain socket that is not connected no event tells when the receiver has room (unix(7)): it
 * tries again after 1 ms, 2, and so on up to 64. */
EDDY_API EDDY_MUST_USE int64_t eddy_datagram_send(eddy_coro *co, eddy_datagram *socket,
                                                  const void *data, size_t size,
                                                  const struct eddy_address *to);

/* Likewise `count` (>= 0) of them in their order, by as few calls of sendmmsg(2) as do. Returns `count`. An
 * error is that of the first that could not be sent: eddy_datagram_sent tells how many went before it, and
 * whoever wants to goes on behind it. After -ECANCELED, too. */
EDDY_API EDDY_MUST_USE int64_t eddy_datagram_send_many(eddy_coro *co, eddy_datagram *socket,
                                                       struct eddy_packet *packets, int count);

/* How many datagrams of the last (or running) sending the kernel has. */
static inline int eddy_datagram_sent(const eddy_datagram *socket)
{
    return socket->sent;
}

/* Private. */
EDDY_API int eddy_datagram_open_(eddy_loop *loop, eddy_datagram *socket, int family,
                                 const char *place);
EDDY_API int eddy_datagram_open_fd_(eddy_loop *loop, eddy_datagram *socket, int fd,
                                    const char *place);

#ifdef __cplusplus
}
#endif

#endif
