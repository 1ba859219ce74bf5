/* A TCP echo server and its client, in one program. */
#include <eddy.h>
#include <stdio.h>
#include <string.h>

eddy_frame(echo) {
    eddy_coro co;
    eddy_stream *stream; /* the client: set by eddy_serve */
    size_t count;
    char data[100];
};

static void echo(eddy_coro *co)
{
    eddy_begin(echo);
    eddy_await(self->count, eddy_read(co, self->stream, self->data, sizeof self->data));
    eddy_await(eddy_write(co, self->stream, self->data, self->count));
    eddy_end;
}

eddy_frame(echo_client) {
    eddy_coro co;
    const char *message;
    int port;
    eddy_stream stream;
    int count;
    char data[100];
};

static void echo_client(eddy_coro *co)
{
    eddy_begin(echo_client);
    eddy_await(eddy_connect(co, &self->stream, "127.0.0.1", self->port));
    printf("Sending: %s\n", self->message);
    eddy_await(eddy_write(co, &self->stream, self->message, strlen(self->message)));
    eddy_await(self->count, eddy_read(co, &self->stream, self->data, sizeof self->data));
    printf("Received: %.*s\n", self->count, self->data);
eddy_finally:
    eddy_stream_close(&self->stream);
    eddy_end;
}

eddy_frame_of(server_and_client, eddy_server server);

static void server_and_client(eddy_coro *co)
{
    eddy_begin(server_and_client);
    eddy_await(eddy_serve(co, &self->server, "127.0.0.1", 0, echo));
    eddy_await(eddy_call(co, echo_client, .message = "Hello World!",
                         .port = eddy_server_port(&self->server)));
eddy_finally:
    eddy_server_close(&self->server);
    eddy_await(eddy_server_wait_closed(co, &self->server));
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(server_and_client));
}
