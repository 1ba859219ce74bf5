/*
 * Servers, of TCP or on Unix-domain sockets: a task for every client.
 *
 *     struct echo { eddy_coro co; eddy_stream *stream; ... };    // a handler has a field `stream`
 *
 *     eddy_await(eddy_serve(co, &self->server, "127.0.0.1", 8888, echo));
 *     eddy_await(eddy_server_wait_closed(co, &self->server));    // until it is closed
 */
#ifndef EDDY_SERVER_H
#define EDDY_SERVER_H

#include "eddy/address.h"
#include "eddy/stream.h"
#include "eddy/task.h"
#include "eddy/timer.h"
#include "eddy/wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The caller owns it, zeroed before eddy_serve; it must stay until eddy_server_wait_closed has
 * returned, and a coroutine must not end with a server in its frame that is still in use: close
 * it in eddy_finally. */
typedef struct eddy_server {
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

    /* Kept up to date, to be read. */
    uint64_t accepted;  /* clients so far */
    uint32_t active;    /* clients whose handlers have not ended */
    uint32_t lingering; /* clients whose handlers have ended, and who have not */
    /* Where it listens, or did, with the port that the system has picked; valid once opened. */
    struct eddy_address address;

    /* Private. */
    eddy_io io;               /* the listener; started: the server listens */
    eddy_loop *loop;          /* NULL: never opened */
    eddy_timer retry;         /* runs while accepting pauses for want of fds or memory */
    int64_t retry_delay;      /* of the next pause: they double */
    struct eddy_link guard;   /* linked until it is closed and its handlers have ended */
    struct eddy_loop_end end; /* followed likewise */
    struct eddy_link clients;
    struct eddy_link lingers;
    struct eddy_waiters waiting; /* in eddy_server_wait_closed */
    struct eddy_relay relay;     /* what a cancel of those goes on to: the clients */
    void *handler;               /* the frame of every handler, to be copied */
    int64_t client_timeout;      /* idle_timeout at the time of eddy_serve */
    int64_t lingers_for;         /* linger_time, likewise; 0: no client lingers (any more) */
    size_t handler_size;
    size_t stream_offset; /* of the handler's field `stream` */
    const char *named_place;
    unsigned handler_class;
    bool pause_told; /* since no client waited */
    uint32_t parent; /* the number of the task that serves: its clients' tasks stand below it */
    struct eddy_socket_path *path; /* that is to be removed; NULL: there is none */
} eddy_server;

/*
 * eddy_serve(co, &server, host, port, handler, .argument = value, ...): listens on an address and
 * port (0: the system picks, eddy_server_port tells), and runs the coroutine `handler` as a task
 * for every client, with its field `eddy_stream *stream` set to the client's open stream. `host`
 * is numeric ("127.0.0.1", "::1"; "0.0.0.0": all), or a name, which is copied: then it listens on
 * the first of its addresses that can be bound. The stream belongs to the server, which
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
 * what is left when the server is cut off by a cancel or the end of the loop.
 *
 * The server is bound when this returns 0. -EINVAL: neither an address nor a name, no such port,
 * or the server is open; that of eddy_resolve (-ENOENT: no such host); of a name that of its first
 * address: -EADDRINUSE, -EACCES, -EADDRNOTAVAIL and the like of bind(2), -EMFILE and the like of
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
#define eddy_serve_at(co, server, address, ...) EDDY_SERVE_AT_(co, server, address, __VA_ARGS__, )
#define EDDY_SERVE_AT_(co, server, address, name, ...)                                             \
    eddy_serve_at_(co, server, address, EDDY_NAMED_PLACE_(name), EDDY_SPAWNED_(name, __VA_ARGS__), \
                   sizeof(struct name), EDDY_STREAM_OFFSET_(name))

/* The port that the server listens on, or did; -EBADF if it was never opened; -EINVAL if it is on a
 * Unix-domain socket. */
EDDY_API int eddy_server_port(const eddy_server *server);

/* Stops listening; clients that are there are served to their end. Nothing if it does not
 * listen. */
EDDY_API void eddy_server_close(eddy_server *server);

/* Waits until the server is closed, all its handlers have ended and none of its clients lingers: for
 * ever, if nobody closes it. A cancel or time-out, also one that was pending before, closes it,
 * cancels the handlers, and returns when those have ended; in a handler of this server at once, for
 * it is one of them. So
 *
 *     eddy_server_close(&server);
 *     eddy_wait_for(co, EDDY_SECOND, eddy_server_wait_closed(co, &server))
 *
 * gives the clients a second to finish. Returns 0, at once if the server is closed or was never
 * open; -ECANCELED. */
EDDY_API EDDY_MUST_USE int64_t eddy_server_wait_closed(eddy_coro *co, eddy_server *server);

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
EDDY_API EDDY_MUST_USE int64_t eddy_serve_at_(eddy_coro *co, eddy_server *server,
                                              const struct eddy_address *address,
                                              const char *named_place, const void *handler,
                                              size_t handler_size, size_t stream_offset);

#ifdef __cplusplus
}
#endif

#endif
