/*
 * The smallest HTTPS server: answers every GET with the path that was asked for, and counts the requests
 * of a connection.
 *
 *     https_server PORT CERTIFICATE KEY
 *
 * Listens on 127.0.0.1:PORT (0: the system picks) and prints "listening on PORT"; ends on SIGINT or SIGTERM.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls.h"

static const uint64_t SIGNALS = EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM);

static SSL_CTX *context; /* set before the server listens, and never changed */

eddy_frame(serve_client) {
    eddy_coro co;
    eddy_stream
        *stream; /* the client's socket: it is the server's, which closes it as it should be */
    struct tls tls;
    eddy_reader in;
    size_t length;
    int rc;
    int requests;
    bool last;
    char path[256];
    char answer[512];
    char buffer[4096];
};

/* The lines behind the first say only whether it is the last request. */
static void note_header(struct serve_client *self)
{
    if (strncasecmp(self->in.line, "Connection: close", strlen("Connection: close")) == 0) {
        self->last = true;
    }
}

static void note_request(struct serve_client *self)
{
    char line[256];

    snprintf(line, sizeof line, "%.*s", (int)self->length, self->in.line);
    self->path[0] = '\0';
    (void)sscanf(line, "GET %255s", self->path);
    self->last = strstr(line, "HTTP/1.1") == NULL;
}

static void serve_client(eddy_coro *co)
{
    eddy_begin(serve_client);
    eddy_await(tls_server(&self->tls, self->stream, context));
    eddy_await(eddy_wait_for(co, 10 * EDDY_SECOND, tls_handshake(co, &self->tls)));
    eddy_reader_init(&self->in, &self->tls.stream, self->buffer, sizeof self->buffer);
    while (!self->last) {
        eddy_await(self->length, eddy_read_line(co, &self->in, sizeof self->buffer));
        if (self->length == 0) {
            break;
        }
        note_request(self);
        do {
            eddy_await(self->length, eddy_read_line(co, &self->in, sizeof self->buffer));
            note_header(self);
        } while (self->length > 2);
        snprintf(self->answer, sizeof self->answer,
                 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s\r\n%d: %s\n", strlen(self->path) + 4,
                 self->last ? "Connection: close\r\n" : "", ++self->requests % 10, self->path);
        eddy_await(eddy_write(co, &self->tls.stream, self->answer, strlen(self->answer)));
    }
    /* Now the client knows that this was all, and that nobody has cut it short. */
    while ((self->rc = eddy_stream_shutdown_write(&self->tls.stream)) == -EAGAIN) {
        eddy_await(eddy_writable(co, &self->tls.stream));
    }
eddy_finally:
    eddy_stream_close(&self->tls.stream);
    eddy_end;
}

eddy_frame(serve) {
    eddy_coro co;
    int port;
    eddy_server server;
};

static void serve(eddy_coro *co)
{
    eddy_begin(serve);
    self->server.idle_timeout = 30 * EDDY_SECOND;
    eddy_await(eddy_serve(co, &self->server, "127.0.0.1", self->port, serve_client));
    printf("listening on %d\n", eddy_server_port(&self->server));
    fflush(stdout);
    eddy_await(eddy_signal_wait(co, SIGNALS));
eddy_finally:
    eddy_server_close(&self->server);
    eddy_except(-ETIMEDOUT,
                eddy_wait_for(co, EDDY_SECOND, eddy_server_wait_closed(co, &self->server))) {}
    eddy_end;
}

int main(int argc, char **argv)
{
    int64_t result;

    if (argc != 4) {
        fprintf(stderr, "usage: https_server PORT CERTIFICATE KEY\n");
        return 2;
    }
    context = tls_server_context(argv[2], argv[3], "\010http/1.1");
    if (context == NULL) {
        fprintf(stderr, "https_server: %s and %s are no certificate and its key\n", argv[2],
                argv[3]);
        return 1;
    }
    result = eddy_run(serve, .port = atoi(argv[1]));
    SSL_CTX_free(context);
    return eddy_exit_status(result < 0 ? result : 0);
}
