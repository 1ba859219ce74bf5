/*
 * TLS for eddy's streams, on OpenSSL 1.1.1 or newer: copy tls.h and tls.c, and make them yours.
 *
 *     eddy_await(eddy_connect(co, &self->tcp, host, 443));
 *     eddy_await(tls_client(&self->tls, &self->tcp, context, host, NULL));
 *     eddy_await(tls_handshake(co, &self->tls));
 *     eddy_await(eddy_write(co, &self->tls.stream, request, size));
 *
 * From then on `tls.stream` is a stream as any: readers, writers, copies, idle time-outs. The stream below may be a
 * socket, a pipe, or a pair in memory; it must stay where it is until the upper one is closed.
 */
#ifndef TLS_H
#define TLS_H

#include <eddy.h>
#include <openssl/ssl.h>

/* The caller owns it, zeroed, until `stream` is closed. */
struct tls {
    eddy_transport transport; /* first: what tls.c gets is this */
    eddy_stream stream;       /* to be read and written in clear */
    bool owns_below;          /* to be set before: closing `stream` closes the one below, too */

    /* Private. */
    SSL *ssl;
    BIO *in, *out;    /* ciphertext that came, and that is to go; the SSL's */
    int64_t failed;   /* why nothing goes on any more; 0: it does */
    bool shut;        /* close_notify was made */
    bool read_waits;  /* was told -EAGAIN */
    bool write_waits; /* likewise */
    char error[160];  /* what is wrong, for people; tls_error */
};

/* A context for clients: TLS 1.2 or newer, and servers are verified with the certificates that the system trusts, or
 * those of the file. NULL: no memory, or there is no such file. SSL_CTX_free gives it back. */
SSL_CTX *tls_client_context(const char *trusted);

/* Likewise for servers, with a certificate chain and its key, as PEM files. `protocols` are what it speaks, for ALPN: a
 * list as in SSL_CTX_set_alpn_protos(3), such as "\010http/1.1", static; NULL: it does not say. */
SSL_CTX *tls_server_context(const char *certificate, const char *key, const char *protocols);

/* Opens tls->stream over the stream below, as a client of `host`: the name is sent (SNI) and must be in the server's
 * certificate. `protocols` as above, or NULL. 0; -ENOMEM; -EINVAL; the errors of eddy_stream_open_over. */
int tls_client(struct tls *tls, eddy_stream *below, SSL_CTX *context, const char *host,
               const char *protocols);

/* Likewise, as a server. */
int tls_server(struct tls *tls, eddy_stream *below, SSL_CTX *context);

/* Waits until both sides have agreed; without it the first read or write does. 0; -EPROTO: they cannot agree, or the
 * certificate is not accepted (tls_error says why); the errors of eddy_read. */
EDDY_MUST_USE int64_t tls_handshake(eddy_coro *co, struct tls *tls);

/* What went wrong, or "". */
const char *tls_error(const struct tls *tls);

/* The protocol that was agreed on by ALPN, or "". */
void tls_protocol(const struct tls *tls, char *text, size_t size);

#endif
