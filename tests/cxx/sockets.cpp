/* Serving and connecting, by number and by address, as C++17: prints "4 5" and exits 0. */
#include <eddy.h>

#include <cstdio>

eddy_frame(greet) {
    eddy_coro co;
    eddy_stream *stream;
    const char *text;
    size_t length;
    eddy_writer out;
};

static void greet(eddy_coro *co)
{
    eddy_begin(greet);
    eddy_with_writer(&self->out, self->stream, nullptr) {
        eddy_await(eddy_writer_put(&self->out, self->text, self->length));
    }
    eddy_end;
}

eddy_frame(talk) {
    eddy_coro co;
    eddy_server by_number, by_address;
    struct eddy_address address;
    eddy_stream stream;
    eddy_reader in;
    int64_t count;
    char buffer[16];
};

static void talk(eddy_coro *co)
{
    eddy_begin(talk);
    eddy_await(
        eddy_serve(co, &self->by_number, "127.0.0.1", 0, greet, .text = "four", .length = 4));
    eddy_await(eddy_address_parse(&self->address, "127.0.0.1", 0));
    eddy_await(
        eddy_serve_at(co, &self->by_address, &self->address, greet, .text = "fives", .length = 5));
    eddy_with_stream(&self->stream, eddy_connect(co, &self->stream, "127.0.0.1",
                                                 eddy_server_port(&self->by_number))) {
        eddy_with_reader(&self->in, &self->stream, 100) {
            eddy_await(self->count, eddy_read_line(co, &self->in, 100));
        }
        std::printf("%d ", static_cast<int>(self->count));
    }
    eddy_with_stream(&self->stream, eddy_connect_to(co, &self->stream, &self->by_address.address)) {
        eddy_await(self->count, eddy_read(co, &self->stream, self->buffer, sizeof self->buffer));
        std::printf("%d\n", static_cast<int>(self->count));
    }
eddy_finally:
    eddy_server_close(&self->by_number);
    eddy_server_close(&self->by_address);
    eddy_except(-ECANCELED, eddy_server_wait_closed(co, &self->by_number)) {}
    eddy_except(-ECANCELED, eddy_server_wait_closed(co, &self->by_address)) {}
    eddy_end;
}

int main()
{
    return eddy_exit_status(eddy_run(talk));
}
