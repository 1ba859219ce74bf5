/*
 * A bare HTTP server on libuv, beside which examples/http_server is held: it looks for the end of a request's head
 * and nothing else, and answers each with the same bytes as that answers /hello with.
 *
 *     bench_http_uv PORT
 *
 * Prints "listening on PORT". It takes what wrk sends: a request begins where the last has ended, and has no body.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

enum { MOST = 16384 };

struct client {
    uv_tcp_t tcp; /* first */
    size_t size;  /* of what has come of a request */
    char bytes[MOST];
};

/* What did not go out at once, which hardly happens. */
struct rest {
    uv_write_t request; /* first */
    char bytes[512];
};

static const char *date(void)
{
    static char text[64];
    static time_t told;
    time_t now = time(NULL);
    struct tm parts;

    if (now != told) {
        told = now;
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &parts));
    }
    return text;
}

static void on_close(uv_handle_t *handle)
{
    free(handle);
}

static void on_written(uv_write_t *request, int status)
{
    (void)status;
    free(request);
}

static void answer(struct client *client)
{
    char text[sizeof((struct rest *)NULL)->bytes];
    int size = snprintf(text, sizeof text,
                        "HTTP/1.1 %d %s\r\nServer: eddy\r\nDate: %s\r\nContent-Length: %d\r\n"
                        "Content-Type: text/plain\r\n\r\nhello\n",
                        200, "OK", date(), 6);
    uv_buf_t piece = uv_buf_init(text, (unsigned)size);
    int sent = uv_try_write((uv_stream_t *)&client->tcp, &piece, 1);
    struct rest *rest;

    if (sent == size || (sent < 0 && sent != UV_EAGAIN)) {
        return;
    }
    sent = sent < 0 ? 0 : sent;
    rest = malloc(sizeof *rest);
    if (rest == NULL) {
        return;
    }
    memcpy(rest->bytes, text + sent, (size_t)(size - sent));
    piece = uv_buf_init(rest->bytes, (unsigned)(size - sent));
    if (uv_write(&rest->request, (uv_stream_t *)&client->tcp, &piece, 1, on_written) < 0) {
        free(rest);
    }
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct client *client = (struct client *)(void *)handle;

    (void)suggested;
    *room = uv_buf_init(client->bytes + client->size, (unsigned)(MOST - client->size));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *room)
{
    struct client *client = (struct client *)(void *)stream;
    char *begin = client->bytes;
    char *end;

    (void)room;
    if (count < 0) {
        uv_close((uv_handle_t *)stream, on_close);
        return;
    }
    client->size += (size_t)count;
    while ((end = memmem(begin, client->size, "\r\n\r\n", 4)) != NULL) {
        client->size -= (size_t)(end + 4 - begin);
        begin = end + 4;
        answer(client);
    }
    memmove(client->bytes, begin, client->size);
}

static void on_client(uv_stream_t *server, int status)
{
    struct client *client = status < 0 ? NULL : malloc(sizeof *client);

    if (client == NULL) {
        return;
    }
    client->size = 0;
    uv_tcp_init(server->loop, &client->tcp);
    if (uv_accept(server, (uv_stream_t *)&client->tcp) < 0 || uv_tcp_nodelay(&client->tcp, 1) < 0 ||
        uv_read_start((uv_stream_t *)&client->tcp, on_room, on_read) < 0) {
        uv_close((uv_handle_t *)&client->tcp, on_close);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address;
    uv_tcp_t server;
    int result;

    if (argc != 2) {
        fprintf(stderr, "usage: bench_http_uv PORT\n");
        return 2;
    }
    uv_ip4_addr("127.0.0.1", atoi(argv[1]), &address);
    uv_tcp_init(uv_default_loop(), &server);
    result = uv_tcp_bind(&server, (const struct sockaddr *)&address, 0);
    if (result == 0) {
        result = uv_listen((uv_stream_t *)&server, 1024, on_client);
    }
    if (result < 0) {
        fprintf(stderr, "bench_http_uv: %s\n", uv_strerror(result));
        return 1;
    }
    printf("listening on %s\n", argv[1]);
    fflush(stdout);
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
