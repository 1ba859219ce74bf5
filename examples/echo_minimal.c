/* The smallest echo server, on 127.0.0.1:8888: twenty lines of coroutine. echo_server.c is the
 * grown one. */
#include <eddy.h>

eddy_frame(echo) { /* arguments, and what outlives an await */
    eddy_coro co;
    eddy_stream *stream; /* the client: set by eddy_serve */
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
    }
    eddy_end;
}

eddy_frame(serve) {
    eddy_coro co;
    eddy_server server;
};

static void serve(eddy_coro *co)
{
    eddy_begin(serve);
    eddy_await(eddy_serve(co, &self->server, "127.0.0.1", 8888, echo));
    eddy_await(eddy_server_wait_closed(co, &self->server)); /* for ever: nobody closes it */
    eddy_end;
}

int main(void)
{
    return eddy_main(serve);
}
