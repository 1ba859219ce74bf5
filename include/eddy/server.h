/*
 * Servers, of TCP or on Unix-domain sockets: a task for every client.
 *
 *     struct echo { eddy_coro co; eddy_stream *stream; ... };    // a handler has a field `stream`
 *
 *     eddy_await(eddy_serve(co, &self->server, "127.0.0.1", 8888, echo));
 *     eddy_await(eddy_server_wait_closed(co, &self->server));    // until it is closed
 *
 * and in the end, in another task:
 *
 *     eddy_await(eddy_server_drain(co, &self->server, 10 * EDDY_SECOND));
 */
#ifndef EDDY_SERVER_H
#define EDDY_SERVER_H

#include "eddy/address.h"
#include "eddy/callback.h"
#include "eddy/stream.h"
#include "eddy/task.h"
#include "eddy/timer.h"
#include "eddy/wait.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_server eddy_server;

/* Private: a socket that a server listens on. */
struct eddy_listener {
    eddy_io io; /* started: it listens */
    eddy_server *server;
    struct eddy_listener *next;    /* NULL: it is the last */
    struct eddy_socket_path *path; /* that is to be removed; NULL: there is none */
    unsigned pool_class;           /* of its block; the first has none */
    bool tcp;
    struct eddy_address address; /* where it listens, or did */
};

/* The caller owns it, zeroed before eddy_serve; it must stay until eddy_server_wait_closed or
 * eddy_server_drain has returned, and a coroutine must not end with a server in its frame that is
 * still in use: close it in eddy_finally. */
struct eddy_server {
    /* Set before eddy_serve; zero is the default. */
    int backlog; /* of listen(2); 0: SOMAXCONN */
    /* At once, those that linger among them; 0: any number. Further ones wait in the backlog. */
    uint32_t max_clients;
    /* A client that neither sends nor takes a byte for so long is closed, and what its handler
     * waits for on the stream is -ETIMEDOUT; 0: never. */
    int64_t idle_timeout;
    /* How long at most a client whose handler has ended is given to take the rest of the answer and
     * to send its own end, before it is closed (see below); 0: 30 s; negative: not at all. */
    int64_t linger_time;
    /* SO_REUSEPORT: several processes listen on one port and share its clients. Of TCP only. */
    bool reuse_port;
    /* An IPv6 address serves the clients of IPv4 too, who then are ::ffff:192.0.2.1 and the like.
     * Without it IPv6's only, whatever the system's default is (IPV6_V6ONLY of ipv6(7)). */
    bool dual_stack;
    /* Called for each socket that the server makes, before it is bound: for options that must be set
     * by then (setsockopt(2): SO_RCVBUF, IP_FREEBIND, TCP_FASTOPEN; MSS and buffers are inherited by
     * the clients' sockets). An error, < 0, is the result of eddy_serve. The fd stays the server's.
     * NULL: nobody is asked. */
    int (*prepare)(eddy_server *server, int fd, const struct eddy_address *address);
    /* Called for each client that was accepted, with its socket (for SO_PEERCRED and the like) and its
     * address, before it costs memory or a task: false closes it at once. It runs in the middle of the
     * loop's turn: it cannot wait, and it may close the server. NULL: all are welcome. */
    bool (*filter)(eddy_server *server, int fd, const struct eddy_address *peer);
    void *user; /* the caller's, for those two */

    /* Kept up to date, to be read. */
    uint64_t accepted;  /* clients so far */
    uint64_t refused;   /* by the filter, so far */
    uint32_t active;    /* clients whose handlers have not ended */
    uint32_t lingering; /* clients whose handlers have ended, and who have not */
    bool draining;      /* eddy_server_drain has begun, and not every client has ended */
    /* Where it listens, or did, with the port that the system has picked; of several the first. Valid
     * once opened. If eddy_serve has failed: the address that could not be had. */
    struct eddy_address address;

    /* Private. */
    eddy_loop *loop;            /* NULL: never opened */
    struct eddy_listener first; /* the others are its chain, until all has ended */
    struct eddy_listener *turn; /* which may take a client first when there is room for one */
    unsigned listening;         /* how many of them do; 0: the server is closed */
    eddy_timer retry;           /* started until all has ended; due while accepting pauses for want
                                 * of fds or memory */
    int64_t retry_delay;        /* of the next pause: they double */
    eddy_timer grace;           /* started likewise; due when eddy_server_drain waits no more */
    eddy_hook idles;            /* started while it drains: whoever is idle is sent away */
    struct eddy_link guard;     /* linked until it is closed and its handlers have ended */
    struct eddy_loop_end end;   /* followed likewise */
    struct eddy_link clients;
    struct eddy_link lingers;
    struct eddy_waiters waiting; /* in eddy_server_wait_closed and eddy_server_drain */
    struct eddy_relay relay;     /* what a cancel of those goes on to: the clients */
    void *handler;               /* the frame of every handler, to be copied */
    int64_t client_timeout;      /* idle_timeout at the time of eddy_serve */
    int64_t lingers_for;         /* linger_time, likewise; 0: no client lingers (any more) */
    size_t handler_size;
    size_t stream_offset; /* of the handler's field `stream` */
    const char *named_place;
    unsigned handler_class;
    bool pause_told;  /* since no client waited */
    bool linger_told; /* since a client has lingered */
    uint32_t cut;     /* how many handlers had not ended when the grace was over */
    uint32_t parent;  /* the number of the task that serves: its clients' tasks stand below it */
};

/*
 * eddy_serve(co, &server, host, port, handler, .argument = value, ...): listens on an address and
 * port (0: the system picks, eddy_server_port tells), and runs the coroutine `handler` as a task
 * for every client, with its field `eddy_stream *stream` set to the client's open stream. `host`
 * is numeric ("127.0.0.1", "::1"; "0.0.0.0" or "::": all of the family), or "*": all of both families
 * that the host knows, or a name, which is copied: then it listens on all of its addresses (16 at most)
 * but for those that this host does not have (-EADDRNOTAVAIL, -EAFNOSUPPORT), which the error hook is
 * told of. If one of the others cannot be had, it listens on none. Several addresses have one port, also
 * if the system picks it. The stream belongs to the server, which
 * closes it when the handler has ended. An error of a handler goes to the error hook, unless it
 * is the client's doing (-ECONNRESET, -EPIPE, -ENOTCONN, -ETIMEDOUT) or -ECANCELED. Out of fds or
 * memory the server pauses, longer each time up to a second, and goes on; clients wait in the
 * backlog meanwhile. The error hook is told of it once, until no client waits any more.
 *
 * An answer that is written arrives, although its client still sends: to close a socket whose input
 * is unread would reset the connection. So the server shuts its sending side when a handler has
 * ended, and drops what comes until the client has sent its end; at most for linger_time, 64 MiB, and
 * 5 s in which the client neither sends nor takes a byte. A stream of which the handler has read the
 * end or an error is closed at once, and so is what a handler closes itself (eddy_stream_close), and
 * a client that has all of its answer when the server is closed, and
 * what is left when the server is cut off by a cancel or the end of the loop. So is a client for whose
 * lingering there is no memory: the error hook is told, once until one has lingered again.
 *
 * The server is bound when this returns 0. -EINVAL: neither an address nor a name, no such port,
 * or the server is open; that of eddy_resolve (-ENOENT: no such host); that of the
 * address that could not be had (server->address): -EADDRINUSE, -EACCES, -EADDRNOTAVAIL and the like of bind(2), -EMFILE and the like of
 * socket(2); -ENOMEM; -ECANCELED. SO_REUSEADDR is set, so that a port that was just left can be
 * bound again; one that is in use cannot.
 */
#define eddy_serve(co, server, host, port, ...) EDDY_SERVE_(co, server, host, port, __VA_ARGS__, )
#define EDDY_SERVE_(co, server, host, port, name, ...)                                             \
    eddy_serve_(co, server, host, port, EDDY_NAMED_PLACE_(name), EDDY_SPAWNED_(name, __VA_ARGS__), \
                sizeof(struct name), EDDY_STREAM_OFFSET_(name))

/*
 * eddy_serve_at(co, &server, &address, handler, .argument = value, ...): as eddy_serve, on an
 * address of eddy_address_parse, eddy_resolve or eddy_address_unix, which is copied. Never suspends.
 * -EINVAL: the server is open, or reuse_port is set and it is no address of TCP; -EAFNOSUPPORT: it
 * is neither TCP's nor Unix-domain. A program that serves by address alone is linked neither with
 * threads nor with the resolver.
 *
 * The path of a Unix-domain address must not be there: -EADDRINUSE, also if it was only left behind
 * by a server that has crashed (its clients get -ECONNREFUSED), for who may remove it only the
 * program knows. It is made with the permissions that umask(2) leaves; -EACCES, -ENOENT and the like
 * as bind(2) says. When the server is closed, the path is removed, before anything can listen there
 * anew, unless it is by now another file's. Only the process that has made it does so, no child
 * of fork(2) that has inherited the server; a relative path is one of the directory that is then the
 * current one. If it cannot be removed, the error goes to the error hook.
 */
#define eddy_serve_at(co, server, address, ...) \
    EDDY_SERVE_ALL_(co, server, address, 1, __VA_ARGS__, )

/*
 * eddy_serve_all(co, &server, addresses, count, handler, .argument = value, ...): as eddy_serve_at, on
 * each of `count` (>= 1) addresses, of any families: all of them, or it fails with the error of one,
 * which is then server->address, and listens on none. Those of TCP with port 0 have one port, that the
 * system picks: it may take several tries until it is free on each, and is -EADDRINUSE after 16.
 */
#define eddy_serve_all(co, server, addresses, count, ...) \
    EDDY_SERVE_ALL_(co, server, addresses, count, __VA_ARGS__, )
#define EDDY_SERVE_ALL_(co, server, addresses, count, name, ...)           \
    eddy_serve_all_(co, server, addresses, count, EDDY_NAMED_PLACE_(name), \
                    EDDY_SPAWNED_(name, __VA_ARGS__), sizeof(struct name), \
                    EDDY_STREAM_OFFSET_(name))

/*
 * eddy_serve_fds(co, &server, fds, count, handler, .argument = value, ...): as eddy_serve_at, on
 * `count` (>= 1) sockets that listen already: those of eddy_listen_fds (activation.h), of a process that
 * this one replaces (eddy_server_hand_over), or of the caller's own making. On success they are the
 * server's, which closes them; on an error they are the caller's as they were. O_NONBLOCK is set, also
 * for other processes that have the same socket; FD_CLOEXEC stays as it is, and so does the path of a
 * Unix-domain socket when the server is closed: it is the business of who has made it. reuse_port,
 * dual_stack, backlog and `prepare` are not looked at.
 *
 * -EINVAL: none, or one does not listen; -EPROTOTYPE: a socket of another type than SOCK_STREAM;
 * -EEXIST: the fd has a watcher (a server, for one), or comes twice; -ENOTSOCK, -EBADF, -ENOMEM, -ENOSPC.
 */
#define eddy_serve_fds(co, server, fds, count, ...) \
    EDDY_SERVE_FDS_(co, server, fds, count, __VA_ARGS__, )
#define EDDY_SERVE_FDS_(co, server, fds, count, name, ...)                 \
    eddy_serve_fds_(co, server, fds, count, EDDY_NAMED_PLACE_(name),       \
                    EDDY_SPAWNED_(name, __VA_ARGS__), sizeof(struct name), \
                    EDDY_STREAM_OFFSET_(name))

/* The port that the server listens on, or did, of several the first's; -EBADF if it was never opened;
 * -EINVAL if that is a Unix-domain socket. */
EDDY_API int eddy_server_port(const eddy_server *server);

/* Where the server listens, in the order in which it was told: returns on how many addresses, of which
 * the first `most` are copied. 0 if it listens nowhere. */
EDDY_API int eddy_server_addresses(const eddy_server *server, struct eddy_address *addresses,
                                   int most);

/*
 * For a restart without a gap: gives the fds of the sockets on which the server listens (returns how
 * many, of which the first `most` are copied), for a process that is to serve on them from now on: it
 * inherits them (clear FD_CLOEXEC between fork(2) and exec(3): they have it) or gets them by SCM_RIGHTS,
 * and hands them to eddy_serve_fds. No client is turned away meanwhile: both accept from one backlog,
 * and when this server is closed or drained, the other has it. The fds stay the server's here, which
 * goes on. The paths of Unix-domain sockets are the other's from now on: this server removes them no
 * more, for they would go from under it.
 */
EDDY_API int eddy_server_hand_over(eddy_server *server, int *fds, int most);

/* Stops listening; clients that are there are served to their end, and those in the backlog, whom
 * nobody has accepted, are reset. Nothing if it does not listen. */
EDDY_API void eddy_server_close(eddy_server *server);

/* Waits until the server is closed, all its handlers have ended and none of its clients lingers: for
 * ever, if nobody closes it. A cancel or time-out, also one that was pending before, closes it,
 * cancels the handlers, and returns when those have ended; in a handler of this server at once, for
 * it is one of them. Returns 0, at once if the server is closed or was never open; -ECANCELED. */
EDDY_API EDDY_MUST_USE int64_t eddy_server_wait_closed(eddy_coro *co, eddy_server *server);

/*
 * Closes the server as its clients would have it: it listens no more, whoever is idle (see below) is
 * sent away at once, and those whose request is being answered in the turn in which they have become
 * idle, or at their end. What is left `grace` nanoseconds later is cancelled, those that linger are cut
 * off, and it returns when their handlers have ended, however long their cleanups take. EDDY_FOREVER: no
 * such end; <= 0: it is there at once. Of several drains of one server the shortest grace counts, and what
 * is left at its end is the result of them all.
 *
 * Returns how many handlers had not ended when the grace was over, 0 at best, also if the server has
 * ended or was never open; -EDEADLK, and nothing was begun, in a handler of this server: it would wait
 * for itself (set a flag for another task); -ECANCELED: a cancel or time-out, also one that was pending
 * before, ends the grace, and it has returned when all handlers have ended.
 */
EDDY_API EDDY_MUST_USE int64_t eddy_server_drain(eddy_coro *co, eddy_server *server, int64_t grace);

/* ---- the clients of a server */

/* A client whose handler has not ended. It stays until that: where nothing is awaited, or in the handler
 * itself. */
typedef struct eddy_client eddy_client;

/* The client that the running task serves, also in what its handler has called; NULL: the task is no
 * server's handler. */
EDDY_API eddy_client *eddy_client_of(const eddy_coro *co);

/* Its address at the time when it came: of one that has reset the connection getpeername(2) knows none.
 * A Unix-domain client seldom has one that says more than the family. */
EDDY_API void eddy_client_peer(const eddy_client *client, struct eddy_address *peer);

/* What its handler has in its field `stream`. */
EDDY_API eddy_stream *eddy_client_stream(eddy_client *client);

/*
 * Goes through the clients of a server, in the order in which they have come:
 *
 *     self->last = (eddy_task){0};
 *     while ((client = eddy_server_next_client(&server, &self->last)) != NULL) { ... }
 *
 * NULL: there are no more. *last, zeroed at first, becomes the task that serves the client: it can be
 * cancelled (eddy_cancel), or named. Anything may happen meanwhile, also awaits: who has ended is passed
 * over, who has come is met too, and nobody is met twice. (It takes a look at each client that is there if
 * the last one has ended meanwhile, and else one step.)
 */
EDDY_API eddy_client *eddy_server_next_client(const eddy_server *server, eddy_task *last);

/*
 * Who is idle, for eddy_server_drain. Without a word of the handler a client is that while its task waits
 * for bytes of the client's own stream and has read none since it has last written some, or since the
 * client came: between an answer and the next request. In the midst of a request it has read some, also if
 * they are in a reader's buffer; and while it waits for anything else, it is busy.
 *
 * A handler for which that is not so says it, from then on: one that answers before it has read all of the
 * request, or that takes a request together with the end of the last one: EDDY_CLIENT_BUSY and _IDLE in
 * turn; one that waits for requests of others (of a queue, a group of tasks): EDDY_CLIENT_IDLE.
 */
enum eddy_client_activity {
    EDDY_CLIENT_BY_READS, /* what its reads say */
    EDDY_CLIENT_IDLE,
    EDDY_CLIENT_BUSY
};
EDDY_API void eddy_client_set_activity(eddy_client *client, enum eddy_client_activity activity);
EDDY_API bool eddy_client_is_idle(const eddy_client *client);

/* Private. */
#ifdef __cplusplus
#define EDDY_STREAM_OFFSET_(name) offsetof(struct name, stream)
#else
/* The selection refuses a field `stream` of another type. */
#define EDDY_STREAM_OFFSET_(name) \
    _Generic(((struct name *)0)->stream, eddy_stream * : offsetof(struct name, stream))
#endif
EDDY_API EDDY_MUST_USE int64_t eddy_serve_(eddy_coro *co, eddy_server *server, const char *host,
                                           int port, const char *named_place, const void *handler,
                                           size_t handler_size, size_t stream_offset);
EDDY_API EDDY_MUST_USE int64_t eddy_serve_all_(eddy_coro *co, eddy_server *server,
                                               const struct eddy_address *addresses, int count,
                                               const char *named_place, const void *handler,
                                               size_t handler_size, size_t stream_offset);
EDDY_API EDDY_MUST_USE int64_t eddy_serve_fds_(eddy_coro *co, eddy_server *server, const int *fds,
                                               int count, const char *named_place,
                                               const void *handler, size_t handler_size,
                                               size_t stream_offset);

#ifdef __cplusplus
}
#endif

#endif
