/*
 * Talks to an echo server: sends its arguments, joined by spaces, or else its standard input,
 * and prints what comes back, until all of it has.
 *
 *     echo_client [--host H] [--port P] [WORD ...]
 *
 * Sending and receiving are two tasks: an echo server that cannot get rid of its answers stops
 * reading.
 */
#include <eddy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>

/* ---- sending */

eddy_frame(send_input) {
    eddy_coro co;
    eddy_stream *stream;
    char **words; /* NULL-terminated; none: standard input */
    ssize_t count;
    char buffer[16384];
};

static void send_input(eddy_coro *co)
{
    eddy_begin(send_input);
    for (; *self->words != NULL; self->words++) {
        eddy_await(eddy_write(co, self->stream, *self->words, strlen(*self->words)));
        eddy_await(eddy_write(co, self->stream, self->words[1] != NULL ? " " : "\n", 1));
        if (self->words[1] == NULL) {
            eddy_return(eddy_stream_shutdown_write(self->stream));
        }
    }
    for (;;) {
        eddy_await(eddy_fd_wait(co, STDIN_FILENO, EDDY_READ));
        self->count = read(STDIN_FILENO, self->buffer, sizeof self->buffer);
        if (self->count < 0) {
            eddy_return(-errno);
        }
        if (self->count == 0) {
            break;
        }
        eddy_await(eddy_write(co, self->stream, self->buffer, (size_t)self->count));
    }
    eddy_await(eddy_stream_shutdown_write(self->stream));
    eddy_end;
}

/* ---- receiving */

eddy_frame(print_answers) {
    eddy_coro co;
    eddy_stream *stream;
    size_t count;
    char buffer[16384];
};

static void print_answers(eddy_coro *co)
{
    eddy_begin(print_answers);
    do {
        eddy_await(self->count, eddy_read(co, self->stream, self->buffer, sizeof self->buffer));
        if (fwrite(self->buffer, 1, self->count, stdout) != self->count || fflush(stdout) != 0) {
            eddy_return(-EIO);
        }
    } while (self->count > 0);
    eddy_end;
}

eddy_frame(talk) {
    eddy_coro co;
    const char *host;
    int port;
    char **words;
    eddy_stream stream;
    eddy_group group;
    int64_t rc;
};

static void talk(eddy_coro *co)
{
    eddy_begin(talk);
    eddy_catch(self->rc, eddy_connect(co, &self->stream, self->host, self->port));
    if (self->rc < 0) {
        eddy_fail(co, self->rc, "%s:%d", self->host, self->port);
    }
    eddy_group_spawn(co, &self->group, send_input, .stream = &self->stream, .words = self->words);
    eddy_group_spawn(co, &self->group, print_answers, .stream = &self->stream);
    eddy_await(eddy_group_wait(co, &self->group));
eddy_finally:
    eddy_stream_close(&self->stream);
    eddy_end;
}

/* ---- the command line */

static void usage_error(const char *what, const char *argument)
{
    fprintf(stderr, "echo_client: %s: %s (usage: echo_client [--host H] [--port P] [WORD ...])\n",
            what, argument);
    exit(2);
}

static int parse_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || port < 1 || port > 65535) {
        usage_error("not a port between 1 and 65535", text);
    }
    return (int)port;
}

static const char *parse_host(const char *text)
{
    char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, text, address) != 1 && inet_pton(AF_INET6, text, address) != 1) {
        usage_error("not a numeric address", text);
    }
    return text;
}

int main(int argc, char **argv)
{
    const char *host = "127.0.0.1";
    int port = 8888;
    int first = 1;

    while (first < argc && strncmp(argv[first], "--", 2) == 0) {
        if (strcmp(argv[first], "--host") != 0 && strcmp(argv[first], "--port") != 0) {
            usage_error("unknown option", argv[first]);
        }
        if (first + 1 == argc) {
            usage_error("missing value of", argv[first]);
        }
        if (strcmp(argv[first], "--host") == 0) {
            host = parse_host(argv[first + 1]);
        } else {
            port = parse_port(argv[first + 1]);
        }
        first += 2;
    }
    return eddy_exit_status(eddy_run(talk, .host = host, .port = port, .words = argv + first));
}
