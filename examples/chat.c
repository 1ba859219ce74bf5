/*
 * A chat by lines and by browsers: one room for both, on 127.0.0.1.
 *
 *     chat [OPTIONS] [PORT | PATH]
 *         PORT                  where lines are spoken: 8888; 0: any that is free
 *         PATH                  has a slash: there, on a Unix-domain socket
 *         --web PORT            where browsers find a page; else the next port, 8889; 0: any that is free
 *         --newcomer SECONDS    60: within which a guest must have said his name, and a browser what it wants
 *         --ping SECONDS        30: a browser that is silent for so long is asked, and is out after as long again
 *         --unread KIB          64: who leaves more than that unread is out
 *
 * It prints how to come in:
 *
 *     lines: nc 127.0.0.1 8888
 *     browsers: http://127.0.0.1:8889/
 *
 * The first line that a guest sends is his name; every further one goes to all others. Each guest is a coroutine, a loop around
 * a read; all of them run in one thread, so the room (chat/room.c) needs no lock. What they say is put into a writer for each,
 * which never waits; who does not read what he is sent is thrown out by his, so that nothing piles up, and the others hear of
 * it. A guest who is silent holds no buffer. Websockets are chat/websocket.h.
 */
#include <eddy.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>

#include "chat/guest.h"

#define ENDING (EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM))

/* Guests of each kind at once, and how long one that ends is given to take what he was told last. */
enum { MOST_GUESTS = 1000, FAREWELL_SECONDS = 5 };

/* What the command line says. */
struct options {
    const char *where; /* the port or the path, as it was given */
    struct eddy_address lines, web;
    int newcomer, ping; /* seconds */
    int unread;         /* KiB */
};

/* ---- a guest */

eddy_frame(serve_guest) {
    eddy_coro co;
    eddy_stream *stream; /* set by eddy_serve, which also closes it in the end */
    struct house *house; /* an argument, as the next one */
    bool by_web;
    struct guest guest;
    int64_t rc;      /* that the talk has ended with */
    int64_t flushed; /* < 0: he has not taken what he was told last */
};

/* How a guest ends is his business, but for what has gone wrong here: that he does not read was told by his writer. */
static int64_t how_it_ended(int64_t rc)
{
    return rc == -ENOBUFS ? 0 : rc;
}

static void serve_guest(eddy_coro *co)
{
    eddy_begin(serve_guest);
    self->guest.house = self->house;
    eddy_with_writer(&self->guest.member.out, self->stream, &self->house->reading) {
        eddy_with_reader(&self->guest.in, self->stream, LONGEST_HEAD) {
            eddy_catch(self->rc, self->by_web
                                     ? eddy_call(co, talk_by_web, .guest = &self->guest)
                                     : eddy_call(co, talk_by_lines, .guest = &self->guest));
        }
        room_leave(&self->guest.member, self->rc);
        if (self->rc != -ECANCELED) {
            eddy_catch(self->flushed,
                       eddy_wait_for(co, FAREWELL_SECONDS * EDDY_SECOND,
                                     eddy_writer_flush(co, &self->guest.member.out)));
            if (self->flushed < 0) {
                eddy_writer_drop(&self->guest.member.out);
                eddy_stream_close(self->stream);
            }
        }
        eddy_return(how_it_ended(self->rc));
    }
    eddy_end;
}

/* ---- the servers */

/* What the kernel holds for a guest counts too: without this it may be megabytes before the writer's limit is reached. */
static int hold_little(eddy_server *server, int fd, const struct eddy_address *address)
{
    int size = 65536;

    (void)server;
    (void)address;
    return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) < 0 ? -errno : 0;
}

eddy_frame(program) {
    eddy_coro co;
    const struct options *options;
    struct house house;
    eddy_server lines, web;
    int64_t rc;
};

static void prepare(struct program *self)
{
    room_init(&self->house.room);
    self->house.newcomer_time = self->options->newcomer * EDDY_SECOND;
    self->house.ping_after = self->options->ping * EDDY_SECOND;
    self->house.reading.limit = (size_t)self->options->unread * 1024;
    self->house.reading.high = self->house.reading.limit;
    self->house.reading.at_limit = EDDY_WRITER_CLOSE;
    self->lines.max_clients = MOST_GUESTS;
    self->lines.prepare = hold_little;
    self->web.max_clients = MOST_GUESTS;
    self->web.prepare = hold_little;
}

static void say_how_to_come_in(const struct program *self)
{
    if (eddy_server_port(&self->lines) > 0) {
        printf("lines: nc 127.0.0.1 %d\n", eddy_server_port(&self->lines));
    } else {
        printf("lines: nc -U %s\n", self->options->where);
    }
    printf("browsers: http://127.0.0.1:%d/\n", eddy_server_port(&self->web));
    fflush(stdout);
}

static void program(eddy_coro *co)
{
    eddy_begin(program);
    prepare(self);
    eddy_await(eddy_signal_watch(eddy_loop_of(co), ENDING));
    eddy_catch(self->rc, eddy_serve_at(co, &self->lines, &self->options->lines, serve_guest,
                                       .house = &self->house));
    if (self->rc < 0) {
        eddy_fail(co, self->rc, "lines at %s", self->options->where);
    }
    eddy_catch(self->rc, eddy_serve_at(co, &self->web, &self->options->web, serve_guest,
                                       .house = &self->house, .by_web = true));
    if (self->rc < 0) {
        eddy_fail(co, self->rc, "browsers at port %d", eddy_address_port(&self->options->web));
    }
    say_how_to_come_in(self);
    eddy_await(eddy_signal_wait(co, ENDING));
eddy_finally:
    eddy_server_close(&self->lines); /* the path goes, and then all guests */
    eddy_server_close(&self->web);
    eddy_catch(self->rc, eddy_wait_for(co, 0, eddy_server_wait_closed(co, &self->lines)));
    eddy_catch(self->rc, eddy_wait_for(co, 0, eddy_server_wait_closed(co, &self->web)));
    eddy_end;
}

/* ---- the command line */

static int usage(FILE *to)
{
    fputs("usage: chat [--web PORT] [--newcomer SECONDS] [--ping SECONDS] [--unread KIB] "
          "[PORT | PATH]\n",
          to);
    return to == stdout ? 0 : 2;
}

static bool number(const char *text, long least, long most, int *value)
{
    char *end;
    long result = strtol(text, &end, 10);

    *value = (int)result;
    return end != text && *end == '\0' && result >= least && result <= most;
}

/* Takes the option at `argv`, whose value is behind it. */
static bool take_option(struct options *options, int *web_port, char **argv)
{
    const struct {
        const char *name;
        int *value;
        int least, most;
    } known[] = {{"--web", web_port, 0, 65535},
                 {"--newcomer", &options->newcomer, 1, 86400},
                 {"--ping", &options->ping, 1, 86400},
                 {"--unread", &options->unread, 8, 1048576}};

    for (size_t i = 0; i < sizeof known / sizeof *known && argv[1] != NULL; i++) {
        if (strcmp(argv[0], known[i].name) == 0) {
            return number(argv[1], known[i].least, known[i].most, known[i].value);
        }
    }
    return false;
}

/* Both addresses; web_port -1: the port behind that for lines. */
static bool find_addresses(struct options *options, int web_port)
{
    bool by_path = strchr(options->where, '/') != NULL;
    int port = 8888;

    if (!by_path && !number(options->where, 0, 65535, &port)) {
        return false;
    }
    web_port = web_port >= 0 ? web_port : port > 0 ? port + 1 : 0;
    return (by_path ? eddy_address_unix(&options->lines, options->where)
                    : eddy_address_parse(&options->lines, "127.0.0.1", port)) == 0 &&
           eddy_address_parse(&options->web, "127.0.0.1", web_port) == 0;
}

int main(int argc, char **argv)
{
    struct options options = {.newcomer = 60, .ping = 30, .unread = 64};
    int web_port = -1;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            return usage(stdout);
        }
        if (argv[i][0] != '-' && options.where == NULL) {
            options.where = argv[i];
        } else if (take_option(&options, &web_port, argv + i)) {
            i++;
        } else {
            return usage(stderr);
        }
    }
    if (options.where == NULL) {
        options.where = "8888";
    }
    if (!find_addresses(&options, web_port)) {
        return usage(stderr);
    }
    return eddy_exit_status(eddy_run(program, .options = &options));
}
