/*
 * Fetches a page by HTTPS and prints what comes, head and all.
 *
 *     https_get HOST PORT PATH [TRUSTED]
 *
 * The server's certificate must be good for HOST and signed by somebody whom the system trusts, or one of
 * the file TRUSTED. Exit status 1: it is not, or the connection was cut before its end.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tls.h"

eddy_frame(get) {
    eddy_coro co;
    const char *host, *path, *trusted;
    int port;
    SSL_CTX *context;
    eddy_stream tcp;
    struct tls tls;
    char request[512];
    int64_t count;
    char buffer[16384];
};

static void get(eddy_coro *co)
{
    eddy_begin(get);
    self->context = tls_client_context(self->trusted);
    if (self->context == NULL) {
        eddy_fail(co, -ENOENT, "there is nobody to trust");
    }
    self->tls.owns_below = true;
    eddy_await(eddy_connect(co, &self->tcp, self->host, self->port));
    eddy_await(tls_client(&self->tls, &self->tcp, self->context, self->host, "\010http/1.1"));
    eddy_await(eddy_wait_for(co, 10 * EDDY_SECOND, tls_handshake(co, &self->tls)));
    snprintf(self->request, sizeof self->request,
             "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", self->path, self->host);
    eddy_await(eddy_write(co, &self->tls.stream, self->request, strlen(self->request)));
    do {
        eddy_await(self->count,
                   eddy_read(co, &self->tls.stream, self->buffer, sizeof self->buffer));
        fwrite(self->buffer, 1, (size_t)self->count, stdout);
    } while (self->count > 0);
eddy_finally:
    eddy_stream_close(&self->tls.stream);
    eddy_stream_close(&self->tcp); /* also if there was no TLS over it */
    SSL_CTX_free(self->context);
    eddy_end;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: https_get HOST PORT PATH [TRUSTED]\n");
        return 2;
    }
    return eddy_exit_status(eddy_run(get, .host = argv[1], .port = atoi(argv[2]), .path = argv[3],
                                     .trusted = argc > 4 ? argv[4] : NULL));
}
