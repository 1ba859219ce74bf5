/*
 * A proxy for TCP: SOCKS5 (RFC 1928, CONNECT without a password), and ports that are passed on.
 *
 *     proxy [--socks PORT] [--forward PORT:HOST:PORT]... [--status PORT] [--idle SECONDS]
 *
 * Listens on 127.0.0.1, and prints a line for each port: "socks on 1080", "8080 to example.org:80", "status on 9000"; port 0 is
 * any that is free. Whoever connects to the status port gets the counters as text. A connection on which no byte moves for so
 * long (300) is closed. On SIGINT or SIGTERM those that are open have five seconds.
 *
 * What one side has sent before it goes away still reaches the other; an end of one direction is passed on, and the other
 * goes on (half-close); a side that is gone ends the other at once, for nothing more can come of it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <eddy.h>

static const uint64_t SIGNALS = EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM);
static const int64_t SETUP_TIME = 10 * EDDY_SECOND; /* to say where to, and to connect */

enum { MOST_FORWARDS = 16 };

struct counters {
    int open;
    uint64_t accepted, refused, bytes_up, bytes_down;
};

/* What all connections share. */
struct proxy {
    struct counters counters;
    int64_t idle;
};

/* ---- the tunnel */

/* One direction, until its end, which it passes on: also after an error, for then nothing more comes. */
eddy_frame(copy_one_way) {
    eddy_coro co;
    eddy_stream *from, *to;
    uint64_t *count;
    int64_t rc;
};

static void copy_one_way(eddy_coro *co)
{
    eddy_begin(copy_one_way);
    eddy_catch(self->rc, eddy_copy(co, self->from, self->to, self->count));
    (void)eddy_stream_shutdown_write(self->to); /* it may be gone: then it knows */
    eddy_return(self->rc);
    eddy_end;
}

/* Both, until both have ended. */
eddy_frame(tunnel) {
    eddy_coro co;
    eddy_stream *client, *upstream;
    struct proxy *proxy;
    struct eddy_idle *idle; /* of the upstream; the server watches the client */
    eddy_group group;
};

static void tunnel(eddy_coro *co)
{
    eddy_begin(tunnel);
    eddy_await(eddy_stream_idle_timeout(self->upstream, self->idle, self->proxy->idle));
    self->group.policy = EDDY_GROUP_COLLECT; /* one that fails does not cancel the other */
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, copy_one_way, .from = self->client, .to = self->upstream,
                         .count = &self->proxy->counters.bytes_up);
        eddy_group_spawn(co, &self->group, copy_one_way, .from = self->upstream, .to = self->client,
                         .count = &self->proxy->counters.bytes_down);
    }
    eddy_end;
}

/* ---- forwarding */

eddy_frame(forward) {
    eddy_coro co;
    eddy_stream *stream;
    struct proxy *proxy;
    const char *host;
    int port;
    eddy_stream upstream;
    struct eddy_idle idle;
    int64_t rc;
};

static void forward(eddy_coro *co)
{
    eddy_begin(forward);
    self->proxy->counters.accepted++;
    self->proxy->counters.open++;
    eddy_catch(self->rc, eddy_wait_for(co, SETUP_TIME,
                                       eddy_connect(co, &self->upstream, self->host, self->port)));
    if (self->rc < 0) {
        self->proxy->counters.refused++;
        eddy_fail(co, self->rc, "%s:%d", self->host, self->port); /* told; the proxy goes on */
    }
    eddy_await(eddy_call(co, tunnel, .client = self->stream, .upstream = &self->upstream,
                         .proxy = self->proxy, .idle = &self->idle));
eddy_finally:
    eddy_stream_close(&self->upstream);
    self->proxy->counters.open--;
    eddy_end;
}

/* ---- SOCKS5 */

enum { VERSION = 5, NO_PASSWORD = 0, NONE_OF_THESE = 0xff, CONNECT = 1 };
enum { IPV4 = 1, NAME = 3, IPV6 = 4 };
enum {
    GRANTED = 0,
    FAILED = 1,
    UNREACHABLE = 4,
    REFUSED = 5,
    TIMED_OUT = 6,
    NO_SUCH_COMMAND = 7,
    NO_SUCH_TYPE = 8
};

static unsigned char reply_for(int64_t error)
{
    switch (error) {
    case -ECONNREFUSED:
        return REFUSED;
    case -ETIMEDOUT:
        return TIMED_OUT;
    case -ENOENT:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
        return UNREACHABLE;
    default:
        return FAILED;
    }
}

eddy_frame(socks) {
    eddy_coro co;
    eddy_stream *stream;
    struct proxy *proxy;
    eddy_reader in;
    char buffer[600]; /* more than the longest request */
    unsigned char head[262];
    unsigned char reply[10];
    char host[256];
    int port;
    size_t size;
    eddy_stream upstream;
    struct eddy_idle idle;
    int64_t rc;
};

/* The address behind the four bytes that say of which kind it is. */
static void take_address(struct socks *self)
{
    const unsigned char *at = self->head;

    if (self->head[3] == NAME) {
        memcpy(self->host, at + 5, at[4]);
        self->host[at[4]] = '\0';
    } else {
        (void)inet_ntop(at[3] == IPV4 ? AF_INET : AF_INET6, at + 4, self->host, sizeof self->host);
    }
    at += self->size;
    self->port = at[0] << 8 | at[1];
}

/* Agrees on "no password", and reads where the client wants to. Returns the reply that refuses it, or GRANTED. */
eddy_frame(read_request) {
    eddy_coro co;
    struct socks *client;
};

static void read_request(eddy_coro *co)
{
    eddy_begin(read_request);
    eddy_await(eddy_read_exactly(co, &self->client->in, self->client->head, 2));
    if (self->client->head[0] != VERSION) {
        eddy_return(-EPROTO);
    }
    self->client->size = self->client->head[1];
    eddy_await(eddy_read_exactly(co, &self->client->in, self->client->head, self->client->size));
    self->client->reply[0] = VERSION;
    self->client->reply[1] = memchr(self->client->head, NO_PASSWORD, self->client->size) != NULL
                                 ? NO_PASSWORD
                                 : NONE_OF_THESE;
    eddy_await(eddy_write(co, self->client->stream, self->client->reply, 2));
    if (self->client->reply[1] != NO_PASSWORD) {
        eddy_return(-EPROTO);
    }
    eddy_await(eddy_read_exactly(co, &self->client->in, self->client->head, 5));
    if (self->client->head[0] != VERSION) {
        eddy_return(-EPROTO);
    }
    if (self->client->head[1] != CONNECT) {
        eddy_return(NO_SUCH_COMMAND);
    }
    switch (self->client->head[3]) { /* no await in here */
    case IPV4:
        self->client->size = 4 + 4;
        break;
    case NAME:
        self->client->size = 4 + 1 + (size_t)self->client->head[4];
        break;
    case IPV6:
        self->client->size = 4 + 16;
        break;
    default:
        eddy_return(NO_SUCH_TYPE);
    }
    eddy_await(eddy_read_exactly(co, &self->client->in, self->client->head + 5,
                                 self->client->size + 2 - 5));
    take_address(self->client);
    eddy_return(GRANTED);
    eddy_end;
}

/* What the client has sent behind its request, before it had the reply. */
eddy_frame(pass_on) {
    eddy_coro co;
    struct socks *client;
};

static void pass_on(eddy_coro *co)
{
    eddy_begin(pass_on);
    eddy_await(eddy_write(co, &self->client->upstream, eddy_reader_unread(&self->client->in),
                          eddy_reader_buffered(&self->client->in)));
    eddy_end;
}

static void socks(eddy_coro *co)
{
    eddy_begin(socks);
    self->proxy->counters.accepted++;
    self->proxy->counters.open++;
    eddy_reader_init(&self->in, self->stream, self->buffer, sizeof self->buffer);
    eddy_catch(self->rc,
               eddy_wait_for(co, SETUP_TIME, eddy_call(co, read_request, .client = self)));
    if (self->rc < 0) {
        self->proxy->counters.refused++;
        eddy_return(
            self->rc == -EPROTO || self->rc == -ENODATA ? 0 : self->rc); /* no client of SOCKS5 */
    }
    if (self->rc == GRANTED) {
        eddy_catch(self->rc,
                   eddy_wait_for(co, SETUP_TIME,
                                 eddy_connect(co, &self->upstream, self->host, self->port)));
        self->rc = self->rc < 0 ? reply_for(self->rc) : GRANTED;
    }
    memset(self->reply, 0, sizeof self->reply); /* with the address 0.0.0.0:0, which nobody needs */
    self->reply[0] = VERSION;
    self->reply[1] = (unsigned char)self->rc;
    self->reply[3] = IPV4;
    eddy_await(eddy_write(co, self->stream, self->reply, sizeof self->reply));
    if (self->rc != GRANTED) {
        self->proxy->counters.refused++;
        eddy_return(0);
    }
    eddy_await(eddy_call(co, pass_on, .client = self));
    eddy_await(eddy_call(co, tunnel, .client = self->stream, .upstream = &self->upstream,
                         .proxy = self->proxy, .idle = &self->idle));
eddy_finally:
    eddy_stream_close(&self->upstream);
    self->proxy->counters.open--;
    eddy_end;
}

/* ---- the counters */

eddy_frame(status) {
    eddy_coro co;
    eddy_stream *stream;
    const struct counters *counters;
    char text[256];
};

static void status(eddy_coro *co)
{
    int length;

    eddy_begin(status);
    length = snprintf(self->text, sizeof self->text,
                      "open %d\naccepted %llu\nrefused %llu\nbytes_up %llu\nbytes_down %llu\n",
                      self->counters->open, (unsigned long long)self->counters->accepted,
                      (unsigned long long)self->counters->refused,
                      (unsigned long long)self->counters->bytes_up,
                      (unsigned long long)self->counters->bytes_down);
    eddy_await(eddy_write(co, self->stream, self->text, (size_t)length));
    eddy_end;
}

/* ---- the program */

struct options {
    int socks, status; /* -1: none */
    int idle;
    int forwards;
    struct {
        int port, to_port;
        char host[256];
    } forward[MOST_FORWARDS];
};

eddy_frame(program) {
    eddy_coro co;
    struct options *options;
    struct proxy proxy;
    eddy_server servers[MOST_FORWARDS + 2];
    int used, i;
    int64_t until, rc;
};

static void program(eddy_coro *co)
{
    eddy_begin(program);
    eddy_await(eddy_signal_watch(eddy_loop_of(co), SIGNALS));
    self->proxy.idle = self->options->idle * EDDY_SECOND;
    for (self->i = 0; self->i < MOST_FORWARDS + 1; self->i++) {
        self->servers[self->i].idle_timeout = self->proxy.idle;
    }
    if (self->options->socks >= 0) {
        eddy_await(eddy_serve(co, &self->servers[self->used++], "127.0.0.1", self->options->socks,
                              socks, .proxy = &self->proxy));
        printf("socks on %d\n", eddy_server_port(&self->servers[self->used - 1]));
    }
    for (self->i = 0; self->i < self->options->forwards; self->i++) {
        eddy_await(eddy_serve(co, &self->servers[self->used++], "127.0.0.1",
                              self->options->forward[self->i].port, forward, .proxy = &self->proxy,
                              .host = self->options->forward[self->i].host,
                              .port = self->options->forward[self->i].to_port));
        printf("%d to %s:%d\n", eddy_server_port(&self->servers[self->used - 1]),
               self->options->forward[self->i].host, self->options->forward[self->i].to_port);
    }
    if (self->options->status >= 0) {
        eddy_await(eddy_serve(co, &self->servers[self->used++], "127.0.0.1", self->options->status,
                              status, .counters = &self->proxy.counters));
        printf("status on %d\n", eddy_server_port(&self->servers[self->used - 1]));
    }
    fflush(stdout);
    eddy_await(eddy_signal_wait(co, SIGNALS));
eddy_finally:
    self->until = eddy_loop_now(eddy_loop_of(co)) + 5 * EDDY_SECOND; /* for all of them together */
    for (self->i = 0; self->i < self->used; self->i++) {
        eddy_server_close(&self->servers[self->i]);
    }
    for (self->i = 0; self->i < self->used; self->i++) {
        eddy_catch(self->rc, eddy_server_drain(co, &self->servers[self->i],
                                               self->until - eddy_loop_now(eddy_loop_of(co))));
    }
    eddy_end;
}

/* ---- the command line */

static int usage(FILE *to)
{
    fputs("usage: proxy [--socks PORT] [--forward PORT:HOST:PORT]... [--status PORT] [--idle "
          "SECONDS]\n",
          to);
    return to == stdout ? 0 : 2;
}

static bool number(const char *text, int least, int most, int *value)
{
    char *end;
    long result = strtol(text, &end, 10);

    *value = (int)result;
    return end != text && *end == '\0' && result >= least && result <= most;
}

/* "8080:example.org:80", "0:::1:80": the host may have colons in it. */
static bool add_forward(struct options *options, const char *text)
{
    const char *host = strchr(text, ':');
    const char *port = strrchr(text, ':');
    char own[16];

    if (options->forwards == MOST_FORWARDS || host == NULL || port == host ||
        host - text >= (long)sizeof own ||
        (size_t)(port - host) > sizeof options->forward[0].host) {
        return false;
    }
    snprintf(own, sizeof own, "%.*s", (int)(host - text), text);
    snprintf(options->forward[options->forwards].host, sizeof options->forward[0].host, "%.*s",
             (int)(port - host - 1), host + 1);
    return number(own, 0, 65535, &options->forward[options->forwards].port) &&
           number(port + 1, 1, 65535, &options->forward[options->forwards++].to_port);
}

int main(int argc, char **argv)
{
    static struct options options = {.socks = -1, .status = -1, .idle = 300};

    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0) {
            return usage(stdout);
        }
        if (i + 1 == argc ||
            !(strcmp(argv[i], "--socks") == 0    ? number(argv[i + 1], 0, 65535, &options.socks)
              : strcmp(argv[i], "--status") == 0 ? number(argv[i + 1], 0, 65535, &options.status)
              : strcmp(argv[i], "--idle") == 0
                  ? number(argv[i + 1], 1, 86400, &options.idle)
                  : strcmp(argv[i], "--forward") == 0 && add_forward(&options, argv[i + 1]))) {
            return usage(stderr);
        }
    }
    if (options.socks < 0 && options.forwards == 0) {
        return usage(stderr);
    }
    return eddy_run(program, .options = &options) < 0;
}
