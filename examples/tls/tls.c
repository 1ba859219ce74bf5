/*
 * TLS over a stream: a transport (eddy/transport.h) whose bytes OpenSSL turns into those of the stream below.
 *
 *     tls.stream -- SSL_read, SSL_write -- OpenSSL -- `in`, `out`: ciphertext in memory -- below
 *
 * OpenSSL never touches an fd: it takes ciphertext from `in` and puts it into `out`, so it never "wants to write", and a
 * write that was cancelled leaves no half record that would have to be written again by the same call. What `out` has is
 * sent first of all (flush); what the stream below does not take at once is sent when it has room, without any task
 * (tls_events). At most a record waits there, for nothing more is taken while something does.
 *
 * It may "want to read" in the midst of a write: in the handshake, when keys are renewed or renegotiated. Whoever reads
 * ciphertext, for whatever reason, tells the other direction that it may go on.
 *
 * The end is close_notify, and nothing else: a connection that ends without was cut, perhaps by somebody on the way,
 * and is -ECONNRESET.
 */
#include "tls.h"

#include <arpa/inet.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum { RECORD = 16384 };

static struct tls *tls_of(const eddy_transport *transport)
{
    return (struct tls *)(uintptr_t)transport;
}

/* ---- ciphertext */

/* Sends what is to go: 0, -EAGAIN if something is left, or an error, after which nothing goes any more. */
static int64_t flush(struct tls *tls)
{
    char *data;
    long size;

    while ((size = BIO_get_mem_data(tls->out, &data)) > 0) {
        char sent[RECORD];
        int64_t count =
            eddy_below_write(&tls->transport, data, (size_t)(size < RECORD ? size : RECORD));
        if (count < 0) {
            return count;
        }
        (void)BIO_read(tls->out, sent, (int)count); /* takes it out */
    }
    return 0;
}

/* Takes what has come: how many bytes; -EAGAIN; an error; -ECONNRESET: the end, without close_notify. */
static int64_t feed(struct tls *tls)
{
    char data[RECORD];
    int64_t count = eddy_below_read(&tls->transport, data, sizeof data);

    if (count == 0) {
        snprintf(tls->error, sizeof tls->error, "the connection was cut");
        return -ECONNRESET;
    }
    if (count > 0 && BIO_write(tls->in, data, (int)count) != (int)count) {
        return -ENOMEM;
    }
    return count;
}

/* ---- clear text */

static void note_error(struct tls *tls)
{
    long verified = SSL_get_verify_result(tls->ssl);
    unsigned long error = ERR_peek_last_error();

    if (verified != X509_V_OK) {
        snprintf(tls->error, sizeof tls->error, "%s", X509_verify_cert_error_string(verified));
    } else if (error != 0) {
        ERR_error_string_n(error, tls->error, sizeof tls->error);
    } else {
        snprintf(tls->error, sizeof tls->error, "the other side does not speak TLS");
    }
    ERR_clear_error(); /* the queue is the thread's: it must not be found by another connection */
}

/* What the next try is to do about a call of OpenSSL's that did not succeed: 1: try again, something has come; -EAGAIN;
 * 0: the peer has ended its direction; or an error. */
static int64_t go_on(struct tls *tls, int result)
{
    int64_t count;

    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        count = feed(tls);
        if (count > 0) {
            eddy_transport_ready(&tls->transport, (tls->read_waits ? EDDY_READ : 0u) |
                                                      (tls->write_waits ? EDDY_WRITE : 0u));
            return 1;
        }
        return count;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        note_error(tls);
        return -EPROTO;
    }
}

/* Does one thing until it is done (> 0), or cannot be for one of the reasons of go_on. Alerts, answers and keys that it
 * makes on the way are sent. */
static int64_t drive(struct tls *tls, int (*call)(struct tls *tls, void *data, int size),
                     void *data, size_t size)
{
    int64_t result = tls->failed != 0 ? tls->failed : 1;

    while (result == 1) {
        int64_t flushed;
        int done;
        ERR_clear_error();
        done = call(tls, data, size < INT_MAX ? (int)size : INT_MAX);
        result = done > 0 ? 0 : go_on(tls, done);
        flushed = flush(tls);
        if (done > 0) {
            return done; /* an error of the flush is the next one's */
        }
        result = result == -EAGAIN && flushed < 0 ? flushed : result;
    }
    if (result < 0 && result != -EAGAIN) {
        tls->failed = result;
    }
    return result;
}

static int call_handshake(struct tls *tls, void *data, int size)
{
    (void)data;
    (void)size;
    return SSL_do_handshake(tls->ssl);
}

static int call_read(struct tls *tls, void *data, int size)
{
    return SSL_read(tls->ssl, data, size);
}

static int call_write(struct tls *tls, void *data, int size)
{
    return SSL_write(tls->ssl, data, size < RECORD ? size : RECORD);
}

/* ---- what a transport does */

static int64_t tls_read(eddy_transport *transport, void *buffer, size_t size)
{
    struct tls *tls = tls_of(transport);
    int64_t result;

    tls->read_waits = false;
    if (size == 0) { /* what comes before the first byte */
        result = drive(tls, call_handshake, NULL, 0);
        result = result > 0 ? 0 : result == 0 ? -ECONNRESET : result;
    } else {
        result = drive(tls, call_read, buffer, size);
    }
    tls->read_waits = result == -EAGAIN;
    return result;
}

static int64_t tls_write(eddy_transport *transport, const void *data, size_t size)
{
    struct tls *tls = tls_of(transport);
    int64_t result = tls->shut ? -EPIPE : flush(tls);

    tls->write_waits = false;
    if (result == 0) {
        result = drive(tls, call_write, (void *)(uintptr_t)data, size);
    }
    tls->write_waits = result == -EAGAIN;
    return result == 0 ? -EPIPE : result;
}

/* close_notify goes out behind all that was written, and not before both sides have agreed. */
static int tls_shutdown_write(eddy_transport *transport)
{
    struct tls *tls = tls_of(transport);
    int64_t result = 1;

    tls->write_waits = false;
    if (!tls->shut) {
        result = SSL_in_init(tls->ssl) ? drive(tls, call_handshake, NULL, 0) : 1;
        if (result > 0) {
            ERR_clear_error();
            (void)SSL_shutdown(tls->ssl);
            tls->shut = true;
        }
    }
    result = result > 0 ? flush(tls) : result == 0 ? -EPIPE : result;
    tls->write_waits = result == -EAGAIN;
    return (int)result;
}

/* What waits for room goes first. Either direction may wait for what has come. */
static unsigned tls_events(eddy_transport *transport, unsigned events)
{
    (void)flush(tls_of(transport));
    return events | EDDY_READ | EDDY_WRITE;
}

/* A peer that takes nothing at the moment does not get the close_notify: whoever must know that all has arrived
 * calls eddy_stream_shutdown_write before, and reads the peer's end. */
static void tls_close(eddy_transport *transport, int fd)
{
    struct tls *tls = tls_of(transport);

    (void)fd;
    if (tls->failed == 0 && !tls->shut && !SSL_in_init(tls->ssl)) {
        (void)SSL_shutdown(tls->ssl);
    }
    (void)flush(tls);
    SSL_free(tls->ssl);
    tls->ssl = NULL;
    ERR_clear_error();
    if (tls->owns_below && transport->below != NULL) {
        eddy_stream_close(transport->below);
    }
}

static const struct eddy_transport_kind tls_kind = {
    .name = "tls",
    .read = tls_read,
    .write = tls_write,
    .shutdown_write = tls_shutdown_write,
    .close = tls_close,
    .events = tls_events,
};

/* ---- opening */

static int tls_open(struct tls *tls, eddy_stream *below)
{
    int result;

    tls->transport = (eddy_transport){.kind = &tls_kind};
    tls->failed = 0;
    tls->shut = tls->read_waits = tls->write_waits = false;
    tls->error[0] = '\0';
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (tls->in == NULL || tls->out == NULL) {
        BIO_free(tls->in);
        BIO_free(tls->out);
        return -ENOMEM;
    }
    BIO_set_mem_eof_return(tls->in, -1); /* empty is "not yet" */
    BIO_set_mem_eof_return(tls->out, -1);
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    result = eddy_stream_open_over(below, &tls->stream, &tls->transport);
    return result;
}

static int tls_begin(struct tls *tls, eddy_stream *below, SSL *ssl)
{
    int result;

    tls->ssl = ssl;
    result = tls_open(tls, below);
    if (result < 0) {
        SSL_free(ssl);
        tls->ssl = NULL;
    }
    return result;
}

static bool is_numeric(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* Whom the client means: what it says to the server, and what must be in the certificate. */
static bool set_host(SSL *ssl, const char *host)
{
    if (is_numeric(host)) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    }
    return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

int tls_client(struct tls *tls, eddy_stream *below, SSL_CTX *context, const char *host,
               const char *protocols)
{
    SSL *ssl = eddy_stream_is_open(&tls->stream) ? NULL : SSL_new(context);

    if (ssl == NULL) {
        return eddy_stream_is_open(&tls->stream) ? -EINVAL : -ENOMEM;
    }
    if (!set_host(ssl, host) ||
        (protocols != NULL && SSL_set_alpn_protos(ssl, (const unsigned char *)protocols,
                                                  (unsigned)strlen(protocols)) != 0)) {
        SSL_free(ssl);
        return -EINVAL;
    }
    SSL_set_connect_state(ssl);
    return tls_begin(tls, below, ssl);
}

int tls_server(struct tls *tls, eddy_stream *below, SSL_CTX *context)
{
    SSL *ssl = eddy_stream_is_open(&tls->stream) ? NULL : SSL_new(context);

    if (ssl == NULL) {
        return eddy_stream_is_open(&tls->stream) ? -EINVAL : -ENOMEM;
    }
    SSL_set_accept_state(ssl);
    return tls_begin(tls, below, ssl);
}

/* ---- the handshake */

eddy_frame_of(shakes_hands, struct tls *tls, int64_t rc);

static void shakes_hands(eddy_coro *co)
{
    eddy_begin(shakes_hands);
    while ((self->rc = eddy_try_read(&self->tls->stream, NULL, 0)) == -EAGAIN) {
        eddy_await(eddy_readable(co, &self->tls->stream));
    }
    if (self->rc < 0) {
        eddy_fail(co, self->rc, "TLS: %s", self->tls->error);
    }
    eddy_end;
}

int64_t tls_handshake(eddy_coro *co, struct tls *tls)
{
    return eddy_call(co, shakes_hands, .tls = tls);
}

const char *tls_error(const struct tls *tls)
{
    return tls->error;
}

void tls_protocol(const struct tls *tls, char *text, size_t size)
{
    const unsigned char *name = NULL;
    unsigned length = 0;

    if (tls->ssl != NULL) {
        SSL_get0_alpn_selected(tls->ssl, &name, &length);
    }
    snprintf(text, size, "%.*s", (int)length, length > 0 ? (const char *)name : "");
}

/* ---- contexts */

static SSL_CTX *context_new(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);

    if (context != NULL) {
        (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
        (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                            SSL_MODE_RELEASE_BUFFERS);
    }
    return context;
}

SSL_CTX *tls_client_context(const char *trusted)
{
    SSL_CTX *context = context_new(TLS_client_method());
    int loaded;

    if (context == NULL) {
        return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    loaded = trusted == NULL ? SSL_CTX_set_default_verify_paths(context)
                             : SSL_CTX_load_verify_locations(context, trusted, NULL);
    if (loaded != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

/* The first of the server's protocols that the client speaks; a client that speaks none of them is refused. */
static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *size,
                           const unsigned char *theirs, unsigned theirs_size, void *ours)
{
    unsigned char *found;

    (void)ssl;
    if (SSL_select_next_proto(&found, size, ours, (unsigned)strlen(ours), theirs, theirs_size) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

SSL_CTX *tls_server_context(const char *certificate, const char *key, const char *protocols)
{
    SSL_CTX *context = context_new(TLS_server_method());

    if (context == NULL) {
        return NULL;
    }
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    if (protocols != NULL) {
        SSL_CTX_set_alpn_select_cb(context, choose_protocol, (void *)(uintptr_t)protocols);
    }
    return context;
}
