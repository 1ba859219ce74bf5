/*
 * A chat by lines, on 127.0.0.1: `line_chat [PORT]`, and talk to it with `nc 127.0.0.1 8888`. Or on
 * a Unix-domain socket: `line_chat ./chat`, and `nc -U ./chat`.
 *
 * The first line that a client sends is its name; every further one goes to all others. Each client
 * is a coroutine, a loop around eddy_read_line; all of them run in one thread, so the list of the
 * members needs no lock. What they say is put into a writer for each, which never waits; who does not read
 * what he is sent is thrown out by his, so that nothing piles up. A client who is silent holds no buffer.
 */
#include <eddy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NAME = 32, MOST_LINE = 1024 };

#define ENDING (EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM))

/* What the others see of a client. */
struct member {
    struct eddy_link link; /* first: a link of the list is a member */
    eddy_writer out;
};

static const struct eddy_writer_options options = {
    .high = 65536, .limit = 65536, .at_limit = EDDY_WRITER_CLOSE};

static struct eddy_link members; /* the list; valid when zeroed */

/* Sends a text to everybody but one. It is no coroutine: it never waits. */
static void tell_others(const struct member *from, const char *text, int length)
{
    for (struct eddy_link *link = members.next; link != &members; link = link->next) {
        struct member *to = (struct member *)(void *)link;
        if (to != from && eddy_writer_put(&to->out, text, (size_t)length) < 0) {
            continue; /* who is too slow, or gone, finds that out himself */
        }
    }
}

static void say(const struct member *from, const char *name, const char *line, size_t length)
{
    char text[MOST_NAME + MOST_LINE + 8];

    tell_others(from, text, snprintf(text, sizeof text, "%s: %.*s\n", name, (int)length, line));
}

eddy_frame(chat) { /* a client */
    eddy_coro co;
    eddy_stream *stream; /* set by eddy_serve, which also closes it in the end */
    struct member member;
    eddy_reader in;
    int64_t length;
    char name[MOST_NAME];
};

/* The first line. The frame began as zeros, so the name is terminated. */
static void come_in(struct chat *self, const char *line, size_t length)
{
    memcpy(self->name, line, length < MOST_NAME ? length : MOST_NAME - 1);
    eddy_list_append(&members, &self->member.link);
    say(&self->member, self->name, "(has come)", 10);
}

static void listen_to(struct chat *self, const char *line, size_t length)
{
    if (!eddy_link_used(&self->member.link)) {
        come_in(self, line, length);
    } else {
        say(&self->member, self->name, line, length);
    }
}

static void chat(eddy_coro *co)
{
    eddy_begin(chat);
    eddy_with_writer(&self->member.out, self->stream, &options) {
        eddy_await(eddy_writer_printf(&self->member.out, "Your name?\n"));
        eddy_with_reader(&self->in, self->stream, MOST_LINE) {
            for (;;) {
                eddy_catch(self->length, eddy_read_line(co, &self->in, MOST_LINE));
                if (self->length == -EMSGSIZE) {
                    eddy_await(eddy_reader_skip_line(co, &self->in));
                    eddy_await(eddy_writer_printf(&self->member.out, "Too long.\n"));
                    continue;
                }
                if (self->length <= 0) { /* the end of the file, or an error */
                    eddy_return(self->length);
                }
                self->length = (int64_t)eddy_line_strip(self->in.line, (size_t)self->length);
                listen_to(self, self->in.line, (size_t)self->length);
            }
        }
    }
eddy_finally: /* however it ends: also if his own writer has thrown him out */
    if (eddy_link_used(&self->member.link)) {
        eddy_list_remove(&self->member.link);
        say(&self->member, self->name, "(has gone)", 10);
    }
    eddy_end;
}

/* A port, or a path, which has a slash. */
static int find_address(struct eddy_address *address, const char *where)
{
    return strchr(where, '/') != NULL ? eddy_address_unix(address, where)
                                      : eddy_address_parse(address, "127.0.0.1", atoi(where));
}

eddy_frame(serve) {
    eddy_coro co;
    const char *where;
    struct eddy_address address;
    eddy_server server;
};

static void serve(eddy_coro *co)
{
    eddy_begin(serve);
    eddy_await(find_address(&self->address, self->where));
    eddy_await(eddy_signal_watch(eddy_loop_of(co), ENDING));
    eddy_await(eddy_serve_at(co, &self->server, &self->address, chat));
    if (eddy_server_port(&self->server) > 0) {
        printf("listening on 127.0.0.1:%d\n", eddy_server_port(&self->server));
    } else {
        printf("listening on %s\n", self->where);
    }
    fflush(stdout);
    eddy_await(eddy_signal_wait(co, ENDING));
eddy_finally:
    eddy_server_close(&self->server); /* the path goes, and then all members */
    eddy_except(-ETIMEDOUT, eddy_wait_for(co, 0, eddy_server_wait_closed(co, &self->server))) {}
    eddy_end;
}

int main(int argc, char **argv)
{
    eddy_list_init(&members);
    return eddy_exit_status(eddy_run(serve, .where = argc > 1 ? argv[1] : "8888"));
}
