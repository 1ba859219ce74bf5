/*
 * A small Redis: strings with expiry, lists with blocking pops, channels, pipelining, an append-only file; RESP2 and RESP3.
 *
 *     redis_server [--port PORT] [--journal FILE] [--max-clients N]
 *
 * Listens on 127.0.0.1:PORT (6379; 0: any that is free) and prints "listening on PORT". On SIGINT or SIGTERM it takes no
 * more commands and writes what is left of the journal. Its commands are in the tables of examples/redis/.
 *
 * A client is one coroutine: it waits until something is there, runs all commands that are, and puts the answers into its
 * writer, which sends them with one system call at the end of the turn. An idle client holds no buffer.
 */
#include "redis/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t SIGNALS = EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM);

enum {
    MOST_UNSENT = 64 * 1024 * 1024, /* a client with more answers than these does not read them */
    MOST_UNREAD = LONGEST_BULK + 64 * 1024,
    SWEPT_AT_ONCE = 4096
};

/* ---- a client */

/* Runs what is buffered. 1: the client is to go on; 0: it is to end. */
static int run_buffered(struct client *client, eddy_reader *in, size_t *wanted)
{
    static struct command command; /* used within this function only, and large */
    int64_t taken = 1;

    while (taken > 0 && !client->quits && !client->blocks && client->reply.error == 0) {
        taken = resp_parse(eddy_reader_unread(in), eddy_reader_buffered(in), &command, wanted);
        if (taken > 0 && command.count > 0) {
            command_run(client, &command);
        }
        if (taken > 0) {
            (void)eddy_reader_skip(in, (size_t)taken);
        }
    }
    if (taken < 0) {
        reply_error(&client->reply, "ERR Protocol error");
    }
    return taken >= 0 && !client->quits && client->reply.error == 0;
}

eddy_frame(serve_client) {
    eddy_coro co;
    eddy_stream *stream;
    struct server *server;
    struct client client;
    eddy_reader in;
    eddy_writer out;
    size_t wanted, available;
    int goes_on;
    int64_t rc;
};

static void serve_client(eddy_coro *co)
{
    static const struct eddy_writer_options options = {.limit = MOST_UNSENT,
                                                       .at_limit = EDDY_WRITER_CLOSE};
    static int64_t number;

    eddy_begin(serve_client);
    self->server->clients++;
    self->client.server = self->server;
    self->client.number = ++number;
    self->client.reply = (struct reply){.writer = &self->out, .version = 2};
    self->goes_on = 1;
    self->wanted = 1;
    eddy_with_writer(&self->out, self->stream, &options) {
        eddy_with_reader(&self->in, self->stream, MOST_UNREAD) {
            while (self->goes_on) {
                eddy_await(self->available, eddy_reader_peek(co, &self->in, self->wanted));
                if (self->available < self->wanted) {
                    break; /* the client has ended */
                }
                self->wanted = 1;
                self->goes_on = run_buffered(&self->client, &self->in, &self->wanted);
                if (self->client.blocks) {
                    self->client.blocks = false;
                    eddy_catch(self->rc, eddy_wait_for(co, self->client.timeout,
                                                       eddy_event_wait(co, &self->client.popped)));
                    client_unblock(&self->client);
                    client_reply_popped(&self->client);
                    self->wanted =
                        eddy_reader_buffered(&self->in) > 0 ? eddy_reader_buffered(&self->in) : 1;
                }
                eddy_await(eddy_writer_drain(co, &self->out));
            }
        }
    }
eddy_finally:
    client_unblock(&self->client);
    client_unsubscribe_all(&self->client);
    free(self->client.value);
    free(self->client.keys);
    self->server->clients--;
    eddy_end;
}

/* ---- the server */

/* What has expired goes by and by, also if nobody asks for it. */
eddy_frame(sweep) {
    eddy_coro co;
    struct store *store;
};

static void sweep(eddy_coro *co)
{
    eddy_begin(sweep);
    while (true) {
        eddy_await(eddy_sleep(co, EDDY_SECOND / 10));
        store_sweep(self->store,
                    SWEPT_AT_ONCE < self->store->size ? SWEPT_AT_ONCE : self->store->size);
    }
    eddy_end;
}

eddy_frame(program) {
    eddy_coro co;
    int port, max_clients;
    const char *journal;
    struct server server;
    eddy_server listener;
    eddy_task helpers[2];
    int64_t rc;
};

static void program(eddy_coro *co)
{
    eddy_begin(program);
    self->server.journal.fd = -1;
    eddy_await(store_init(&self->server.store, (uint64_t)wall_now() * 0x9E3779B97F4A7C15u));
    commands_init(&self->server);
    eddy_await(eddy_signal_watch(eddy_loop_of(co), SIGNALS));
    if (self->journal != NULL) {
        eddy_await(journal_open(co, &self->server, self->journal));
        self->helpers[0] = eddy_spawn(co, journal_writes, .server = &self->server);
    }
    self->helpers[1] = eddy_spawn(co, sweep, .store = &self->server.store);
    self->listener.max_clients = (unsigned)self->max_clients;
    eddy_await(eddy_serve(co, &self->listener, "127.0.0.1", self->port, serve_client,
                          .server = &self->server));
    printf("listening on %d\n", eddy_server_port(&self->listener));
    fflush(stdout);
    eddy_await(eddy_signal_wait(co, SIGNALS));
eddy_finally:
    eddy_server_close(&self->listener);
    /* Without time: whoever waits for his next command is cancelled. */
    eddy_catch(self->rc, eddy_wait_for(co, 0, eddy_server_wait_closed(co, &self->listener)));
    for (int i = 0; i < 2; i++) {
        (void)eddy_cancel(self->helpers[i]);
    }
    eddy_catch(self->rc, eddy_join(co, self->helpers[1]));
    eddy_catch(self->rc, eddy_join(co, self->helpers[0])); /* which writes the rest */
    store_fini(&self->server.store);
    eddy_end;
}

/* ---- the command line */

static int usage(void)
{
    fputs("usage: redis_server [--port PORT] [--journal FILE] [--max-clients N]\n", stderr);
    return 2;
}

static bool number(const char *text, long least, long most, int *value)
{
    char *end = NULL;
    long result = text != NULL ? strtol(text, &end, 10) : -1;

    if (text == NULL || end == text || *end != '\0' || result < least || result > most) {
        return false;
    }
    *value = (int)result;
    return true;
}

int main(int argc, char **argv)
{
    const char *journal = NULL;
    int port = 6379;
    int max_clients = 10000;

    for (int i = 1; i < argc; i += 2) {
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--help") == 0) {
            puts("usage: redis_server [--port PORT] [--journal FILE] [--max-clients N]");
            return 0;
        }
        if (!(strcmp(argv[i], "--port") == 0 ? number(value, 0, 65535, &port)
              : strcmp(argv[i], "--max-clients") == 0
                  ? number(value, 1, 1000000, &max_clients)
                  : strcmp(argv[i], "--journal") == 0 && (journal = value) != NULL)) {
            return usage();
        }
    }
    return eddy_run(program, .port = port, .journal = journal, .max_clients = max_clients) < 0;
}
