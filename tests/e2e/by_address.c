/* Serves and connects by addresses alone: prints what has come over a Unix-domain socket, whose path
 * is its argument, and over TCP. */
#include <eddy.h>
#include <stdio.h>

eddy_frame(greet) {
    eddy_coro co;
    eddy_stream *stream;
};

static void greet(eddy_coro *co)
{
    eddy_begin(greet);
    eddy_await(eddy_write(co, self->stream, "hello\n", 6));
    eddy_end;
}

eddy_frame(serve_and_connect) {
    eddy_coro co;
    struct eddy_address address;
    eddy_server server;
    eddy_stream stream;
    size_t count;
    char buffer[16];
};

static void serve_and_connect(eddy_coro *co)
{
    eddy_begin(serve_and_connect);
    eddy_await(eddy_serve_at(co, &self->server, &self->address, greet));
    eddy_with_stream(&self->stream, eddy_connect_to(co, &self->stream, &self->server.address)) {
        eddy_await(self->count, eddy_read(co, &self->stream, self->buffer, sizeof self->buffer));
        printf("%.*s", (int)self->count, self->buffer);
    }
eddy_finally:
    eddy_server_close(&self->server);
    eddy_except(-ECANCELED, eddy_server_wait_closed(co, &self->server)) {}
    eddy_end;
}

int main(int argc, char **argv)
{
    struct eddy_address address;
    int64_t result = argc == 2 ? eddy_address_unix(&address, argv[1]) : -EINVAL;

    if (result == 0) {
        result = eddy_run(serve_and_connect, .address = address);
    }
    if (result == 0) {
        result = eddy_address_parse(&address, "127.0.0.1", 0);
    }
    if (result == 0) {
        result = eddy_run(serve_and_connect, .address = address);
    }
    return eddy_exit_status(result);
}
