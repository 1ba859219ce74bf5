/*
 * A TCP echo server: sends back what it gets, to any number of clients at once.
 *
 *     echo_server [--host H] [--port P]
 *
 * Prints "listening on HOST:PORT" when it is ready. On SIGINT or SIGTERM it stops listening, gives its
 * clients a second to finish, and prints what it has served.
 */
#include <eddy.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

/* ---- the server: one coroutine a client */

struct totals {
    uint64_t bytes;
};

eddy_frame(echo) {
    eddy_coro co;
    eddy_stream *stream; /* the client: set by eddy_serve */
    struct totals *totals;
    size_t count;
    char buffer[16384];
};

static void echo(eddy_coro *co)
{
    eddy_begin(echo);
    for (;;) {
        eddy_await(self->count, eddy_read(co, self->stream, self->buffer, sizeof self->buffer));
        if (self->count == 0) {
            eddy_return(0); /* the client has sent all it wants to */
        }
        eddy_await(eddy_write(co, self->stream, self->buffer, self->count));
        self->totals->bytes += self->count;
    }
    eddy_end;
}

eddy_frame(serve) {
    eddy_coro co;
    const char *host;
    int port;
    eddy_server server;
    struct totals totals;
};

static void serve(eddy_coro *co)
{
    eddy_begin(serve);
    eddy_await(eddy_serve(co, &self->server, self->host, self->port, echo, .totals = &self->totals));
    printf("listening on %s:%d\n", self->host, eddy_server_port(&self->server));
    fflush(stdout);

    eddy_await(eddy_signal_wait(co, EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM)));

    eddy_server_close(&self->server);
    eddy_except(-ETIMEDOUT,
                eddy_wait_for(co, EDDY_SECOND, eddy_server_wait_closed(co, &self->server))) {
        fprintf(stderr, "echo_server: cut off clients that did not finish\n");
    }
    printf("served %" PRIu64 " connections, %" PRIu64 " bytes\n", self->server.accepted,
           self->totals.bytes);
    eddy_finally:
    eddy_server_close(&self->server);
    eddy_end;
}

/* ---- the command line */

static void usage_error(const char *what, const char *argument)
{
    fprintf(stderr, "echo_server: %s: %s (usage: echo_server [--host H] [--port P])\n", what,
            argument);
    exit(2);
}

static int parse_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || port < 0 || port > 65535) {
        usage_error("not a port between 0 and 65535", text);
    }
    return (int)port;
}

static const char *parse_host(const char *text)
{
    char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, text, address) != 1 && inet_pton(AF_INET6, text, address) != 1) {
        usage_error("not a numeric address", text);
    }
    return text;
}

int main(int argc, char **argv)
{
    const char *host = "127.0.0.1";
    int port = 8888;
    int64_t result;

    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--host") != 0 && strcmp(argv[i], "--port") != 0) {
            usage_error("unknown option", argv[i]);
        }
        if (i + 1 == argc) {
            usage_error("missing value of", argv[i]);
        }
        if (strcmp(argv[i], "--host") == 0) {
            host = parse_host(argv[i + 1]);
        } else {
            port = parse_port(argv[i + 1]);
        }
    }
    result = eddy_run(serve, .host = host, .port = port);
    if (result < 0) {
        fprintf(stderr, "echo_server: %s:%d: %s\n", host, port, eddy_strerror(result));
    }
    return eddy_exit_status(result);
}
