/* What docs/guide.md quotes of streams, files and blocking work; see test_guide.c. */
#include "support/net.h"
#include "support/tasks.h"

#include <eddy.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define printf testing_log

/* ---- streams */

/* Answers each line with itself, in brackets. */
eddy_frame(talk) {
    eddy_coro co;
    eddy_stream *stream; /* the client: set by eddy_serve */
    eddy_reader in;
    char buffer[1024];
    size_t length;
    struct iovec answer[3];
};

static void talk(eddy_coro *co)
{
    eddy_begin(talk);
    eddy_reader_init(&self->in, self->stream, self->buffer, sizeof self->buffer);
    for (;;) {
        eddy_await(self->length, eddy_read_line(co, &self->in, sizeof self->buffer));
        if (self->length == 0) {
            eddy_return(0); /* the client has said all it wants to */
        }
        self->length = eddy_line_strip(self->in.line, self->length);
        self->answer[0] = (struct iovec){"[", 1};
        self->answer[1] = (struct iovec){self->in.line, self->length};
        self->answer[2] = (struct iovec){"]\n", 2};
        eddy_await(eddy_writev(co, self->stream, self->answer, 3));
    }
    eddy_end;
}

eddy_frame(ask) {
    eddy_coro co;
    int port;
    eddy_stream stream;
    eddy_reader in;
    char buffer[1024];
    int length;
};

static void ask(eddy_coro *co)
{
    eddy_begin(ask);
    eddy_with_stream(&self->stream, eddy_connect(co, &self->stream, "127.0.0.1", self->port)) {
        eddy_reader_init(&self->in, &self->stream, self->buffer, sizeof self->buffer);
        eddy_await(eddy_write(co, &self->stream, "hello\n", 6));
        eddy_await(self->length, eddy_read_line(co, &self->in, sizeof self->buffer));
        printf("%.*s", (int)eddy_line_strip(self->in.line, (size_t)self->length), self->in.line);
    }
    eddy_end;
}

/* Likewise; the answers to lines that came together go out together. */
eddy_frame(answer_in_batches) {
    eddy_coro co;
    eddy_stream *stream;
    eddy_reader in;
    char buffer[1024];
    size_t length;
    eddy_writer out;
};

static void answer_in_batches(eddy_coro *co)
{
    eddy_begin(answer_in_batches);
    eddy_reader_init(&self->in, self->stream, self->buffer, sizeof self->buffer);
    eddy_with_writer(&self->out, self->stream, NULL) {
        for (;;) {
            eddy_await(self->length, eddy_read_line(co, &self->in, sizeof self->buffer));
            if (self->length == 0) {
                break; /* what is left goes out with the end of the block */
            }
            eddy_await(eddy_writer_printf(&self->out, "[%.*s]\n",
                                          (int)eddy_line_strip(self->in.line, self->length),
                                          self->in.line));
            eddy_await(eddy_writer_drain(co, &self->out)); /* waits for a client that is slow */
        }
    }
    eddy_end;
}

eddy_frame(serve_and_ask) {
    eddy_coro co;
    eddy_server server;
};

static void serve_and_ask(eddy_coro *co)
{
    eddy_begin(serve_and_ask);
    self->server.idle_timeout = 60 * EDDY_SECOND;
    self->server.max_clients = 1000;
    eddy_await(eddy_serve(co, &self->server, "127.0.0.1", 0, talk));
    eddy_await(eddy_call(co, ask, .port = eddy_server_port(&self->server)));
eddy_finally:
    eddy_await(eddy_server_drain(co, &self->server, EDDY_SECOND)); /* for those that are busy */
    eddy_end;
}

eddy_frame(ask_for_a_batch) {
    eddy_coro co;
    eddy_server server;
    eddy_stream stream;
    char answers[64];
    int64_t count;
};

static void ask_for_a_batch(eddy_coro *co)
{
    eddy_begin(ask_for_a_batch);
    eddy_await(eddy_serve(co, &self->server, "127.0.0.1", 0, answer_in_batches));
    eddy_with_stream(&self->stream, eddy_connect(co, &self->stream, "127.0.0.1",
                                                 eddy_server_port(&self->server))) {
        eddy_await(eddy_write(co, &self->stream, "one\ntwo\nthree\n", 14));
        eddy_await(self->count, eddy_read(co, &self->stream, self->answers, sizeof self->answers));
        printf("%.*s", (int)self->count, self->answers);
    }
eddy_finally:
    eddy_server_close(&self->server);
    eddy_await(eddy_server_wait_closed(co, &self->server));
    eddy_end;
}

eddy_frame(send_page) {
    eddy_coro co;
    eddy_stream *stream;
    int file;
    int64_t size;
    eddy_writer out;
};

static void send_page(eddy_coro *co)
{
    eddy_begin(send_page);
    eddy_with_cork(self->stream) { /* the header and the file share packets */
        eddy_with_writer(&self->out, self->stream, NULL) {
            eddy_await(eddy_writer_printf(&self->out, "Content-Length: %lld\r\n\r\n",
                                          (long long)self->size));
        }
        eddy_await(eddy_send_file(co, self->stream, self->file, 0, self->size));
    }
    eddy_end;
}

eddy_frame(get_page) {
    eddy_coro co;
    eddy_server server;
    eddy_stream stream;
    FILE *page;
    char text[64];
    int64_t count;
};

static void get_page(eddy_coro *co)
{
    eddy_begin(get_page);
    self->page = tmpfile();
    assert_non_null(self->page);
    fputs("hello, world", self->page);
    fflush(self->page);
    eddy_await(eddy_serve(co, &self->server, "127.0.0.1", 0, send_page, .file = fileno(self->page),
                          .size = 12));
    eddy_with_stream(&self->stream, eddy_connect(co, &self->stream, "127.0.0.1",
                                                 eddy_server_port(&self->server))) {
        do {
            eddy_await(self->count, eddy_read(co, &self->stream, self->text, sizeof self->text));
            printf("%.*s", (int)self->count, self->text);
        } while (self->count > 0);
    }
eddy_finally:
    fclose(self->page);
    eddy_server_close(&self->server);
    eddy_await(eddy_server_wait_closed(co, &self->server));
    eddy_end;
}

test(a_page_is_sent)
{
    assert_int_equal(run(get_page), 0);
    testing_assert_log("Content-Length: 12\r\n\r\nhello, world ");
}

test(answers_in_batches)
{
    assert_int_equal(run(ask_for_a_batch), 0);
    testing_assert_log("[one]\n[two]\n[three]\n");
    assert_int_equal(testing_calls(send), 2); /* the questions, and the answers */
}

test(lines_between_a_client_and_a_server)
{
    assert_int_equal(run(serve_and_ask), 0);
    testing_assert_log("[hello]");
}

/* ---- an address */

eddy_frame(say_hello) {
    eddy_coro co;
    eddy_stream *stream;
    eddy_reader in;
    char buffer[64];
    int length;
};

static void say_hello(eddy_coro *co)
{
    eddy_begin(say_hello);
    eddy_reader_init(&self->in, self->stream, self->buffer, sizeof self->buffer);
    eddy_await(eddy_write(co, self->stream, "hello\n", 6));
    eddy_await(self->length, eddy_read_line(co, &self->in, sizeof self->buffer));
    printf("%.*s", (int)eddy_line_strip(self->in.line, (size_t)self->length), self->in.line);
    eddy_end;
}

eddy_frame(serve_and_ask_locally) {
    eddy_coro co;
    const char *path; /* "/run/talk.sock"; "@talk" is an abstract name, and no file */
    struct eddy_address address;
    eddy_server server;
    eddy_stream stream;
};

static void serve_and_ask_locally(eddy_coro *co)
{
    eddy_begin(serve_and_ask_locally);
    eddy_await(eddy_address_unix(&self->address, self->path));
    eddy_await(eddy_serve_at(co, &self->server, &self->address, talk));
    eddy_with_stream(&self->stream, eddy_connect_to(co, &self->stream, &self->address)) {
        eddy_await(eddy_call(co, say_hello, .stream = &self->stream));
    }
eddy_finally:
    eddy_server_close(&self->server); /* removes the path */
    eddy_except(-ECANCELED, eddy_server_wait_closed(co, &self->server)) {}
    eddy_end;
}

test(a_client_and_a_server_on_a_unix_socket)
{
    char directory[] = "/tmp/eddy_guide_XXXXXX";
    char path[64];

    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/talk", directory);
    assert_int_equal(run(serve_and_ask_locally, path), 0);
    testing_assert_log("[hello]");
    assert_int_equal(rmdir(directory), 0);
}

/* ---- a tunnel */

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
    eddy_stream *a, *b;
    eddy_group group;
};

static void tunnel(eddy_coro *co)
{
    eddy_begin(tunnel);
    self->group.policy = EDDY_GROUP_COLLECT; /* one that fails does not cancel the other */
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, copy_one_way, .from = self->a, .to = self->b);
        eddy_group_spawn(co, &self->group, copy_one_way, .from = self->b, .to = self->a);
    }
    eddy_end;
}

eddy_frame(talks_through) {
    eddy_coro co;
    eddy_stream *near, *far;
    char buffer[16];
    int count;
};

static void talks_through(eddy_coro *co)
{
    eddy_begin(talks_through);
    eddy_await(eddy_write(co, self->near, "ping", 4));
    eddy_await(self->count, eddy_read(co, self->far, self->buffer, sizeof self->buffer));
    printf("%.*s", self->count, self->buffer);
    eddy_await(eddy_stream_shutdown_write(self->near));
    eddy_await(self->count, eddy_read(co, self->far, self->buffer, sizeof self->buffer));
    printf("end=%d", self->count);
    eddy_await(eddy_write(co, self->far, "pong", 4));
    eddy_await(eddy_stream_shutdown_write(self->far));
    eddy_await(self->count, eddy_read(co, self->near, self->buffer, sizeof self->buffer));
    printf("%.*s", self->count, self->buffer);
    eddy_end;
}

test(a_tunnel_of_two_copies)
{
    static eddy_stream streams[4]; /* near - [a  b] - far */
    int fds[2];
    eddy_task task;

    for (int i = 0; i < 4; i += 2) {
        testing_socketpair(fds);
        assert_int_equal(eddy_stream_open(testing.loop, &streams[i], fds[0]), 0);
        assert_int_equal(eddy_stream_open(testing.loop, &streams[i + 1], fds[1]), 0);
    }
    task = start(tunnel, .a = &streams[1], .b = &streams[2]);
    assert_int_equal(run(talks_through, .near = &streams[0], .far = &streams[3]), 0);
    assert_int_equal(finish(task), 0);
    testing_assert_log("ping end=0 pong");
    for (int i = 0; i < 4; i++) {
        eddy_stream_close(&streams[i]);
    }
}

/* As one would write it at first: the way that fails takes the other with it. */
eddy_frame(naive_tunnel) {
    eddy_coro co;
    eddy_stream *a, *b;
    eddy_group group;
};

static void naive_tunnel(eddy_coro *co)
{
    eddy_begin(naive_tunnel);
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, copy_one_way, .from = self->a, .to = self->b);
        eddy_group_spawn(co, &self->group, copy_one_way, .from = self->b, .to = self->a);
    }
    eddy_end;
}

enum { SENT = 100000 };

/* The backend sends a lot and resets, before its slow client has read anything; how much that gets. */
static size_t through_a_tunnel(bool naive)
{
    static eddy_stream a, b;
    static char bytes[SENT];
    int near[2];
    int far[2];
    size_t got = 0;
    ssize_t count;
    eddy_task task;
    int64_t rc;

    testing_socketpair(near);
    net_small_send_buffer(near[1]);
    net_tcp_pair(far);
    assert_int_equal(eddy_stream_open(testing.loop, &a, near[1]), 0);
    assert_int_equal(eddy_stream_open(testing.loop, &b, far[0]), 0);
    task = naive ? start(naive_tunnel, .a = &a, .b = &b) : start(tunnel, .a = &a, .b = &b);
    testing_turns();
    assert_int_equal(send(far[1], bytes, SENT, 0), SENT);
    net_settle();
    testing_turns();
    net_reset_on_close(far[1]);
    close(far[1]);
    net_settle();
    testing_turns();
    do {
        count = recv(near[0], bytes, sizeof bytes, MSG_DONTWAIT);
        got += count > 0 ? (size_t)count : 0;
        testing_turns();
    } while (count > 0);
    shutdown(near[0], SHUT_WR); /* the client is done, too */
    rc = finish(task);
    assert_true(rc == -ECONNRESET || rc == -EPIPE); /* whichever way has heard of it first */
    eddy_stream_close(&a);
    eddy_stream_close(&b);
    close(near[0]);
    return got;
}

test(a_tunnel_whose_backend_resets_passes_on_what_it_had_sent)
{
    assert_int_equal(through_a_tunnel(false), SENT);
    assert_in_range(through_a_tunnel(true), 0, SENT / 2);
}

/* ---- blocking work */

struct numbers {
    int count;
    int64_t sum;
};

/* Runs on a thread of its own, and touches nothing of the loop. */
static int64_t add_up(eddy_job *job, void *argument)
{
    struct numbers *numbers = argument;

    for (int i = 1; i <= numbers->count; i++) {
        if (eddy_offload_cancelled(job)) {
            return -ECANCELED;
        }
        numbers->sum += i;
    }
    return numbers->sum;
}

eddy_frame(computes) {
    eddy_coro co;
    struct numbers numbers;
    int64_t sum;
};

static void computes(eddy_coro *co)
{
    eddy_begin(computes);
    self->numbers.count = 1000;
    eddy_await(self->sum, eddy_offload(co, add_up, &self->numbers));
    eddy_return(self->sum);
    eddy_end;
}

test(work_on_a_thread)
{
    assert_int_equal(run(computes), 500500);
}

/* ---- files */

eddy_frame(copies_a_file) {
    eddy_coro co;
    const char *from, *to;
    struct eddy_file_data data;
};

static void copies_a_file(eddy_coro *co)
{
    eddy_begin(copies_a_file);
    eddy_await(eddy_file_read(co, self->from, &self->data, 1 << 20)); /* at most a megabyte */
    eddy_await(eddy_file_write(co, self->to, self->data.bytes, self->data.size, 0));
eddy_finally:
    eddy_file_free(eddy_loop_of(co), &self->data);
    eddy_end;
}

eddy_frame(copies_in_pieces) {
    eddy_coro co;
    const char *from, *to;
    eddy_file in, out;
    eddy_buffer piece;
    size_t count;
    int64_t at;
};

static void copies_in_pieces(eddy_coro *co)
{
    eddy_begin(copies_in_pieces);
    eddy_with_buffer(&self->piece, 1 << 20) {
        eddy_with_file(&self->in, self->from, O_RDONLY, 0) {
            eddy_with_file(&self->out, self->to, O_WRONLY | O_CREAT | O_TRUNC, 0666) {
                do {
                    eddy_await(self->count, eddy_file_read_at(co, &self->in, self->piece.data,
                                                              self->piece.size, self->at));
                    eddy_await(eddy_file_write_at(co, &self->out, self->piece.data, self->count,
                                                  self->at));
                    self->at += (int64_t)self->count;
                } while (self->count > 0);
                eddy_await(eddy_file_sync(co, &self->out));
            }
        }
    }
    eddy_end;
}

eddy_frame(writes_and_copies) {
    eddy_coro co;
    const char *from, *to;
    char bytes[8];
};

static void writes_and_copies(eddy_coro *co)
{
    eddy_begin(writes_and_copies);
    eddy_await(eddy_file_write(co, self->from, "hello", 5, 0));
    eddy_await(eddy_call(co, copies_a_file, .from = self->from, .to = self->to));
    eddy_await(eddy_file_read_into(co, self->to, self->bytes, sizeof self->bytes));
    printf("%s", self->bytes);
    eddy_await(eddy_path_unlink(co, self->to));
    eddy_await(eddy_call(co, copies_in_pieces, .from = self->from, .to = self->to));
    eddy_await(eddy_file_read_into(co, self->to, self->bytes, sizeof self->bytes));
    printf("%s", self->bytes);
    eddy_end;
}

test(a_file_is_copied)
{
    char directory[] = "/tmp/eddy_guide_XXXXXX";
    char from[64];
    char to[64];

    assert_non_null(mkdtemp(directory));
    snprintf(from, sizeof from, "%s/from", directory);
    snprintf(to, sizeof to, "%s/to", directory);
    assert_int_equal(run(writes_and_copies, .from = from, .to = to), 0);
    testing_assert_log("hello hello");
    unlink(from);
    unlink(to);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(lines_between_a_client_and_a_server),
        testing_case(answers_in_batches),
        testing_case(a_page_is_sent),
        testing_case(a_client_and_a_server_on_a_unix_socket),
        testing_case(a_tunnel_of_two_copies),
        testing_case(a_tunnel_whose_backend_resets_passes_on_what_it_had_sent),
        testing_case(work_on_a_thread),
        testing_case(a_file_is_copied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
