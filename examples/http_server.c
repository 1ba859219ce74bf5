/*
 * An HTTP/1.1 server: files with ranges, an echo of bodies, keep-alive and pipelining, an access log, a gentle end; TLS where
 * OpenSSL is.
 *
 *     http_server [OPTIONS]
 *         --host HOST           127.0.0.1 unless it says otherwise; "*": all addresses
 *         --port PORT           8080; 0: any that is free
 *         --root FOLDER         the current one
 *         --log FILE            a line for each request; "-": to standard output; without it none
 *         --tls CERTIFICATE KEY
 *         --max-clients N       10000
 *         --head-time SECONDS   10: within which a request must have come, from its first byte on
 *
 *     GET /hello      is answered "hello", as fast as it goes
 *     POST /echo      is answered with its body, in chunks
 *     GET, HEAD       else files
 *
 * Prints "listening on PORT". On SIGINT or SIGTERM it takes no more clients; who is between two requests is sent away at
 * once, and whose request is being answered has ten seconds.
 *
 * What protects it: a head has 16 KiB and its time, a body 64 MiB, a client who neither sends nor takes a byte 30 s; answers
 * wait for who does not read them; what could be understood in two ways is refused (http/request.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/body.h"
#include "http/exchange.h"
#include "http/files.h"
#ifdef HTTP_TLS
#include "tls/tls.h"
#endif

static const uint64_t SIGNALS = EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM);

enum { LONGEST_HEAD = 16 * 1024, LONGEST_BODY = 64 * 1024 * 1024, MOST_BUFFERED = 64 * 1024 };

eddy_frame(send_a_file) {
    eddy_coro co;
    eddy_stream *stream;
    struct exchange *exchange;
    struct file file;
};

static void send_a_file(eddy_coro *co)
{
    char fields[320];
    char range[80] = "";
    int status;

    eddy_begin(send_a_file);
    status = file_open(&self->file, self->exchange->site->root, &self->exchange->request);
    if (self->file.fd < 0) {
        if (status == 416) {
            snprintf(range, sizeof range, "Content-Range: bytes */%lld\r\n",
                     (long long)self->file.size);
        } else if (status == 304) {
            snprintf(range, sizeof range, "ETag: %s\r\n", self->file.etag);
        }
        eddy_return(put_status(self->exchange, status, range));
    }
    if (status == 206) {
        snprintf(range, sizeof range, "Content-Range: bytes %lld-%lld/%lld\r\n",
                 (long long)self->file.offset,
                 (long long)(self->file.offset + self->file.count - 1), (long long)self->file.size);
    }
    snprintf(fields, sizeof fields,
             "Content-Type: %s\r\nAccept-Ranges: bytes\r\nLast-Modified: %s\r\nETag: %s\r\n%s",
             self->file.type, self->file.modified, self->file.etag, range);
    self->exchange->status = status;
    eddy_await(put_head(self->exchange, fields, self->file.count));
    if (self->exchange->request.method == METHOD_GET && self->file.count > 0) {
        eddy_with_cork(self->stream) { /* head and file share packets */
            eddy_await(
                eddy_writer_flush(co, self->exchange->out)); /* then the stream may be written */
            eddy_await(self->exchange->sent, eddy_send_file(co, self->stream, self->file.fd,
                                                            self->file.offset, self->file.count));
        }
    }
eddy_finally:
    if (self->file.fd >= 0) {
        close(self->file.fd);
    }
    eddy_end;
}

/* The body of the request, as it comes, in chunks. */
eddy_frame(echo_body) {
    eddy_coro co;
    struct exchange *exchange;
    eddy_reader *in;
    struct body *body;
    struct piece piece;
};

static void echo_body(eddy_coro *co)
{
    eddy_begin(echo_body);
    self->exchange->status = 200;
    eddy_await(body_ask_for(self->body, self->exchange->out));
    eddy_await(put_head(self->exchange, "Content-Type: application/octet-stream\r\n", -1));
    eddy_for_each(self->piece, body_pieces, .in = self->in, .body = self->body) {
        eddy_await(eddy_writer_printf(self->exchange->out, "%zx\r\n", self->piece.size));
        eddy_await(eddy_writer_write(co, self->exchange->out, self->piece.data, self->piece.size));
        eddy_await(eddy_writer_put(self->exchange->out, "\r\n", 2));
        self->exchange->sent += (int64_t)self->piece.size;
        eddy_await(
            eddy_writer_drain(co, self->exchange->out)); /* no faster than the client reads */
    }
    eddy_await(eddy_writer_put(self->exchange->out, "0\r\n\r\n", 5));
    eddy_end;
}

/* ---- the log */

/* Lines are written together. */
eddy_frame(flush_log) {
    eddy_coro co;
    FILE *log;
    bool told;
};

static void flush_log(eddy_coro *co)
{
    eddy_begin(flush_log);
    while (true) {
        eddy_await(eddy_sleep(co, EDDY_SECOND));
        if (fflush(self->log) != 0 && !self->told) {
            self->told = true; /* the server goes on */
            fprintf(stderr, "http_server: writing the log: %s\n", strerror(errno));
        }
    }
    eddy_end;
}

/* ---- a client */

/* Answers one request whose head has been read. */
eddy_frame(answer) {
    eddy_coro co;
    eddy_stream *stream;
    eddy_reader *in;
    struct exchange *exchange;
    struct body *body;
    struct piece piece;
};

static void answer(eddy_coro *co)
{
    eddy_begin(answer);
    if (piece_is(self->exchange->request.target, "/echo") &&
        self->exchange->request.method == METHOD_POST) {
        eddy_await(eddy_call(co, echo_body, .exchange = self->exchange, .in = self->in,
                             .body = self->body));
    } else if (self->exchange->request.method == METHOD_POST) {
        eddy_await(put_status(self->exchange, 405, "Allow: GET, HEAD\r\n"));
    } else if (self->exchange->request.method == METHOD_OTHER) {
        eddy_await(put_status(self->exchange, 501, ""));
    } else {
        eddy_await(eddy_call(co, send_a_file, .stream = self->stream, .exchange = self->exchange));
    }
    /* A body that nobody wanted: read to its end if that is near, or the connection ends. */
    if (!self->body->ended && !self->body->expects_continue && self->body->left <= MOST_BUFFERED &&
        self->exchange->request.keeps_alive) {
        self->body->longest = MOST_BUFFERED;
        eddy_for_each(self->piece, body_pieces, .in = self->in, .body = self->body) {}
    }
    eddy_end;
}

eddy_frame(serve_client) {
    eddy_coro co;
    eddy_stream *stream; /* the socket, which is the server's */
    struct site *site;
    eddy_stream *top; /* that, or TLS over it */
    eddy_reader in;
    eddy_writer out;
    struct exchange exchange;
    struct body body;
    int64_t rc;
    char peer[EDDY_ADDRESS_TEXT];
#ifdef HTTP_TLS
    struct tls tls;
    int shut;
#endif
};

/* A head of that length was read: the status with which it is refused, or 0. */
static int begin_exchange(struct serve_client *client, size_t length)
{
    struct request *request = &client->exchange.request;
    int status = request_parse(request, client->in.line, length, LONGEST_BODY);

    client->exchange.sent = 0;
    request->keeps_alive = request->keeps_alive && status == 0 && !client->site->draining;
    client->body = (struct body){
        .chunked = request->chunked,
        .expects_continue = request->expects_continue,
        .ended = !request->chunked && request->length == 0,
        .left = request->chunked ? 0 : request->length,
        .longest = LONGEST_BODY,
    };
    return status;
}

/* There is no head: it is too long, or too slow. */
static int refuse(struct serve_client *client, int status)
{
    memset(&client->exchange.request, 0, sizeof client->exchange.request);
    client->exchange.sent = 0;
    return put_status(&client->exchange, status, "");
}

static bool is_hello(const struct serve_client *client)
{
    return client->exchange.request.method <= METHOD_HEAD && client->body.ended &&
           piece_is(client->exchange.request.target, "/hello");
}

/* A head that is there as a whole, as most are, needs no deadline. */
static int64_t read_head(eddy_coro *co, struct serve_client *client, size_t there)
{
    if (memmem(eddy_reader_unread(&client->in), there, "\r\n\r\n", 4) != NULL) {
        return eddy_read_until(co, &client->in, "\r\n\r\n", 4, LONGEST_HEAD);
    }
    return eddy_wait_for(co, client->site->head_time * EDDY_SECOND,
                         eddy_read_until(co, &client->in, "\r\n\r\n", 4, LONGEST_HEAD));
}

/* Requests, until one says that it is the last. */
eddy_frame(serve_requests) {
    eddy_coro co;
    struct serve_client *client;
    size_t length;
    int status;
    int64_t rc;
};

static void serve_requests(eddy_coro *co)
{
    eddy_begin(serve_requests);
    do {
        eddy_await(self->length,
                   eddy_reader_peek(co, &self->client->in, 1)); /* for as long as it is not idle */
        if (self->length == 0) {
            break;
        }
        eddy_catch(self->rc, read_head(co, self->client, self->length));
        if (self->rc == -EMSGSIZE || self->rc == -ETIMEDOUT) {
            eddy_await(refuse(self->client, self->rc == -EMSGSIZE ? 431 : 408));
        } else if (self->rc <= 0) {
            eddy_return(self->rc == -ENODATA ? 0 : self->rc); /* an end in the midst of a head */
        } else if ((self->status = begin_exchange(self->client, (size_t)self->rc)) != 0) {
            eddy_await(put_status(&self->client->exchange, self->status, ""));
        } else if (is_hello(self->client)) {
            eddy_await(put_hello(&self->client->exchange));
        } else {
            eddy_await(eddy_call(co, answer, .stream = self->client->top, .in = &self->client->in,
                                 .exchange = &self->client->exchange, .body = &self->client->body));
        }
        log_exchange(&self->client->exchange, self->client->peer);
        eddy_await(eddy_writer_drain(co, &self->client->out));
    } while (self->client->exchange.request.keeps_alive && self->client->body.ended);
    eddy_end;
}

static void serve_client(eddy_coro *co)
{
    struct eddy_address peer;

    eddy_begin(serve_client);
    eddy_client_peer(eddy_client_of(co), &peer);
    (void)eddy_address_format(&peer, self->peer, sizeof self->peer);
    self->top = self->stream;
#ifdef HTTP_TLS
    if (self->site->tls != NULL) {
        eddy_await(tls_server(&self->tls, self->stream, self->site->tls));
        eddy_await(
            eddy_wait_for(co, self->site->head_time * EDDY_SECOND, tls_handshake(co, &self->tls)));
        self->top = &self->tls.stream;
    }
#endif
    self->exchange.site = self->site;
    self->exchange.out = &self->out;
    eddy_with_writer(&self->out, self->top, NULL) {
        eddy_with_reader(&self->in, self->top, MOST_BUFFERED) {
            eddy_catch(self->rc, eddy_call(co, serve_requests, .client = self));
            if (self->rc == -EBADMSG || self->rc == -EMSGSIZE || self->rc == -ENODATA) {
                self->rc = 0; /* a body that is none: the connection ends, and that is all */
            }
        }
        if (self->rc < 0) {
            eddy_return(self->rc);
        }
    }
#ifdef HTTP_TLS
    while (self->site->tls != NULL &&
           (self->shut = eddy_stream_shutdown_write(self->top)) == -EAGAIN) {
        eddy_await(eddy_writable(co, self->top));
    }
#endif
eddy_finally:
#ifdef HTTP_TLS
    eddy_stream_close(&self->tls.stream);
#endif
    eddy_end;
}

/* ---- the server */

struct options {
    const char *host, *root, *log, *certificate, *key;
    int port, max_clients, head_time;
};

eddy_frame(program) {
    eddy_coro co;
    struct options *options;
    struct site site;
    eddy_server server;
    eddy_task flushes;
    int64_t rc;
};

static int open_site(struct site *site, const struct options *options)
{
    site->head_time = options->head_time;
    site->root = open(options->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (site->root < 0) {
        return -errno;
    }
    if (options->log != NULL) {
        site->log = strcmp(options->log, "-") == 0 ? stdout : fopen(options->log, "ae");
    }
    return options->log != NULL && site->log == NULL ? -errno : 0;
}

static void program(eddy_coro *co)
{
    eddy_begin(program);
    self->site.root = -1;
    eddy_await(eddy_signal_watch(eddy_loop_of(co), SIGNALS));
    eddy_catch(self->rc, open_site(&self->site, self->options));
    if (self->rc < 0) {
        eddy_fail(co, self->rc, "%s",
                  self->site.root < 0 ? self->options->root : self->options->log);
    }
#ifdef HTTP_TLS
    if (self->options->certificate != NULL) {
        self->site.tls =
            tls_server_context(self->options->certificate, self->options->key, "\010http/1.1");
        if (self->site.tls == NULL) {
            eddy_fail(co, -EINVAL, "%s and %s are no certificate and its key",
                      self->options->certificate, self->options->key);
        }
    }
#endif
    self->server.max_clients = (uint32_t)self->options->max_clients;
    self->server.idle_timeout = 30 * EDDY_SECOND;
    eddy_await(eddy_serve(co, &self->server, self->options->host, self->options->port, serve_client,
                          .site = &self->site));
    printf("listening on %d\n", eddy_server_port(&self->server));
    fflush(stdout);
    if (self->site.log != NULL) {
        self->flushes = eddy_spawn(co, flush_log, .log = self->site.log);
    }
    eddy_await(eddy_signal_wait(co, SIGNALS));
    self->site.draining = true;
    eddy_await(eddy_server_drain(co, &self->server, 10 * EDDY_SECOND));
eddy_finally:
    eddy_server_close(&self->server);
    eddy_catch(self->rc, eddy_wait_for(co, 0, eddy_server_wait_closed(co, &self->server)));
    (void)eddy_cancel(self->flushes);
    eddy_catch(self->rc, eddy_join(co, self->flushes));
    if (self->site.log != NULL) {
        (void)(self->site.log == stdout ? fflush(stdout) : fclose(self->site.log));
    }
    if (self->site.root >= 0) {
        close(self->site.root);
    }
#ifdef HTTP_TLS
    SSL_CTX_free(self->site.tls);
#endif
    eddy_end;
}

/* ---- the command line */

static int usage(FILE *to)
{
    fputs("usage: http_server [--host HOST] [--port PORT] [--root FOLDER] [--log FILE] [--tls "
          "CERTIFICATE KEY]\n"
          "                   [--max-clients N] [--head-time SECONDS]\n",
          to);
    return to == stdout ? 0 : 2;
}

static bool number(const char *text, long least, long most, int *value)
{
    char *end;
    long result = strtol(text, &end, 10);

    *value = (int)result;
    return end != text && *end == '\0' && result >= least && result <= most;
}

/* Takes the option at `argv` with its value; how many words that were; 0: it is none. */
static int take_option(struct options *options, char **argv)
{
    const struct {
        const char *name;
        const char **text;
        int *value;
        int least, most;
    } known[] = {{"--host", &options->host, NULL, 0, 0},
                 {"--root", &options->root, NULL, 0, 0},
                 {"--log", &options->log, NULL, 0, 0},
                 {"--port", NULL, &options->port, 0, 65535},
                 {"--max-clients", NULL, &options->max_clients, 1, 1000000},
                 {"--head-time", NULL, &options->head_time, 1, 3600}};

    for (size_t i = 0; i < sizeof known / sizeof *known && argv[1] != NULL; i++) {
        if (strcmp(argv[0], known[i].name) != 0) {
            continue;
        }
        if (known[i].text != NULL) {
            *known[i].text = argv[1];
            return 2;
        }
        return number(argv[1], known[i].least, known[i].most, known[i].value) ? 2 : 0;
    }
#ifdef HTTP_TLS
    if (strcmp(argv[0], "--tls") == 0 && argv[1] != NULL && argv[2] != NULL) {
        options->certificate = argv[1];
        options->key = argv[2];
        return 3;
    }
#endif
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = {
        .host = "127.0.0.1", .root = ".", .port = 8080, .max_clients = 10000, .head_time = 10};

    for (int i = 1; i < argc;) {
        int words = take_option(&options, argv + i);
        if (words == 0) {
            return usage(strcmp(argv[i], "--help") == 0 ? stdout : stderr);
        }
        i += words;
    }
    signal(SIGPIPE,
           SIG_IGN); /* who is gone is -EPIPE anyway; so eddy need not hold it back at each file */
    return eddy_run(program, .options = &options) < 0;
}
