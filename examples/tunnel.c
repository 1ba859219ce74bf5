/*
 * A TCP tunnel: passes every client on to another server, both ways.
 *
 *     tunnel PORT HOST HOSTS_PORT
 *
 * Listens on 127.0.0.1:PORT (0: the system picks) and prints "listening on PORT". On SIGINT or SIGTERM
 * it takes no more clients, and gives those that are there ten seconds.
 */
#include <eddy.h>
#include <stdio.h>
#include <stdlib.h>

static const uint64_t SIGNALS = EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM);

/* Copies one way until its end, and passes the end on; also if the way has failed, for then nothing
 * more comes. */
eddy_frame(copy_one_way) {
    eddy_coro co;
    eddy_stream *from, *to;
    int64_t rc;
};

static void copy_one_way(eddy_coro *co)
{
    eddy_begin(copy_one_way);
    eddy_catch(self->rc, eddy_copy(co, self->from, self->to, NULL));
    (void)eddy_stream_shutdown_write(self->to); /* it may be gone: then it knows */
    eddy_return(self->rc);
    eddy_end;
}

/* Copies both ways, until both have ended: what one side had sent before it went away still reaches
 * the other. */
eddy_frame(tunnel) {
    eddy_coro co;
    eddy_stream *stream; /* the client */
    const char *host;
    int port;
    eddy_stream upstream;
    eddy_group group;
    int64_t rc;
};

static void tunnel(eddy_coro *co)
{
    eddy_begin(tunnel);
    eddy_catch(self->rc, eddy_wait_for(co, 10 * EDDY_SECOND,
                                       eddy_connect(co, &self->upstream, self->host, self->port)));
    if (self->rc < 0) {
        eddy_fail(co, self->rc, "%s:%d", self->host, self->port); /* told; the server goes on */
    }
    self->group.policy = EDDY_GROUP_COLLECT; /* one that fails does not cancel the other */
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, copy_one_way, .from = self->stream,
                         .to = &self->upstream);
        eddy_group_spawn(co, &self->group, copy_one_way, .from = &self->upstream,
                         .to = self->stream);
    }
eddy_finally:
    eddy_stream_close(&self->upstream);
    eddy_end;
}

eddy_frame(serve) {
    eddy_coro co;
    int listen_port;
    const char *host;
    int port;
    eddy_server server;
};

static void serve(eddy_coro *co)
{
    eddy_begin(serve);
    eddy_await(eddy_signal_watch(eddy_loop_of(co), SIGNALS));
    eddy_await(eddy_serve(co, &self->server, "127.0.0.1", self->listen_port, tunnel,
                          .host = self->host, .port = self->port));
    printf("listening on %d\n", eddy_server_port(&self->server));
    fflush(stdout);
    eddy_await(eddy_signal_wait(co, SIGNALS));
eddy_finally:
    eddy_server_close(&self->server);
    eddy_except(-ETIMEDOUT,
                eddy_wait_for(co, 10 * EDDY_SECOND, eddy_server_wait_closed(co, &self->server))) {}
    eddy_end;
}

/* A port, or -1. */
static int parse_port(const char *text, int least)
{
    char *end;
    long port = strtol(text, &end, 10);

    return end != text && *end == '\0' && port >= least && port <= 65535 ? (int)port : -1;
}

int main(int argc, char **argv)
{
    int listen_port = argc == 4 ? parse_port(argv[1], 0) : -1;
    int port = argc == 4 ? parse_port(argv[3], 1) : -1;

    if (listen_port < 0 || port < 0) {
        fprintf(stderr, "usage: tunnel PORT HOST HOSTS_PORT\n");
        return 2;
    }
    /* An error is told with where it began. */
    return eddy_exit_status(
        eddy_run(serve, .listen_port = listen_port, .host = argv[2], .port = port));
}
