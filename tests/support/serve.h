/* What the tests of servers on several sockets share: a greeting handler, and ways to serve by it. */
#ifndef EDDY_TESTING_SERVE_H
#define EDDY_TESTING_SERVE_H

#include "support/tasks.h"
#include "support/unix.h"

#include "eddy/server.h"

enum { MOST = 8 };

static eddy_server server;
static struct eddy_address at[MOST]; /* where it is to listen */
static int given[MOST];

/* Says hello, and waits for the client's end. */
eddy_frame(greets) {
    eddy_coro co;
    eddy_stream *stream;
    int64_t rc;
    char buffer[64];
};

static inline void greets(eddy_coro *co)
{
    eddy_begin(greets);
    eddy_await(eddy_write(co, self->stream, "hello", 5));
    do {
        eddy_await(self->rc, eddy_read(co, self->stream, self->buffer, sizeof self->buffer));
    } while (self->rc > 0);
    eddy_end;
}

/* By `host`; or else on `fds` given sockets; or else on `count` addresses. */
eddy_frame(serves) {
    eddy_coro co;
    const char *host;
    int fds;
    int count;
};

static inline void serves(eddy_coro *co)
{
    eddy_begin(serves);
    if (self->host != NULL) {
        eddy_await(eddy_serve(co, &server, self->host, 0, greets));
    } else if (self->fds > 0) {
        eddy_await(eddy_serve_fds(co, &server, given, self->fds, greets));
    } else {
        eddy_await(eddy_serve_all(co, &server, at, self->count, greets));
    }
    eddy_end;
}

eddy_frame(waits_until_closed) {
    eddy_coro co;
};

static inline void waits_until_closed(eddy_coro *co)
{
    eddy_begin(waits_until_closed);
    eddy_await(eddy_server_wait_closed(co, &server));
    eddy_end;
}

static inline void set_address(int i, const char *host, int port)
{
    assert_int_equal(eddy_address_parse(&at[i], host, port), 0);
}

static inline int64_t serve_all(int count)
{
    return run(serves, .count = count);
}

static inline void end(void)
{
    eddy_server_close(&server);
    assert_int_equal(run(waits_until_closed), 0);
    assert_int_equal(server.active, 0);
    assert_int_equal(server.lingering, 0);
}

/* A blocking client of any family, whom the server may not have accepted yet. */
static inline int connect_to(const struct eddy_address *to)
{
    int fd = socket(to->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    testing.sys.internet = true;
    assert_int_equal(connect(fd, raw(to), to->size), 0);
    return fd;
}

/* A client is greeted at the k-th of the server's addresses. */
static inline int greeted_at(int k)
{
    struct eddy_address where[MOST];
    int fd;

    assert_true(eddy_server_addresses(&server, where, MOST) > k);
    fd = connect_to(&where[k]);
    net_expect(fd, "hello");
    return fd;
}

#endif
