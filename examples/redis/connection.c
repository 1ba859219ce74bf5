/*
 * The commands about the connection and the server itself. Much of it is what clients ask for when they begin, and do without:
 * it is answered so that they go on.
 */
#include "server.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ARGUMENT(i) (command->arguments[i])

static void ping(struct client *client, const struct command *command)
{
    if (command->count > 1) {
        reply_bulk(&client->reply, ARGUMENT(1).data, ARGUMENT(1).size);
    } else if (client->subscription_count > 0 && client->reply.version == 2) {
        reply_raw(&client->reply, "*2\r\n$4\r\npong\r\n$0\r\n\r\n", 20);
    } else {
        reply_raw(&client->reply, "+PONG\r\n", 7);
    }
}

static void echo(struct client *client, const struct command *command)
{
    reply_bulk(&client->reply, ARGUMENT(1).data, ARGUMENT(1).size);
}

static void bulk(struct reply *reply, const char *text)
{
    reply_bulk(reply, text, strlen(text));
}

static void hello(struct client *client, const struct command *command)
{
    struct reply *reply = &client->reply;
    int64_t version = reply->version;

    if (command->count > 1 && (!to_integer(ARGUMENT(1), &version) || version < 2 || version > 3)) {
        reply_error(reply, "NOPROTO unsupported protocol version");
        return;
    }
    reply->version = (int)version;
    reply_map(reply, 4);
    bulk(reply, "server");
    bulk(reply, "eddy");
    bulk(reply, "version");
    bulk(reply, "7.0.0"); /* the Redis that it speaks like */
    bulk(reply, "proto");
    reply_integer(reply, version);
    bulk(reply, "id");
    reply_integer(reply, client->number);
}

static void info(struct client *client, const struct command *command)
{
    char text[256];
    int length =
        snprintf(text, sizeof text,
                 "# Server\r\nredis_version:7.0.0\r\nserver_name:eddy\r\n# Clients\r\n"
                 "connected_clients:%d\r\n# Stats\r\ntotal_commands_processed:%" PRIu64 "\r\n",
                 client->server->clients, client->server->commands);

    (void)command;
    reply_bulk(&client->reply, text, (size_t)length);
}

/* What clients ask for when they begin, and do without. */
static void nothing(struct client *client, const struct command *command)
{
    (void)command;
    reply_array(&client->reply, 0);
}

/* Nothing can be set; whoever asks for a setting gets an empty one. */
static void config(struct client *client, const struct command *command)
{
    if (is_word(ARGUMENT(1), "GET") && command->count > 2) {
        reply_map(&client->reply, 1);
        reply_bulk(&client->reply, ARGUMENT(2).data, ARGUMENT(2).size);
        reply_bulk(&client->reply, "", 0);
    } else {
        reply_error(&client->reply, "ERR nothing can be configured");
    }
}

static void ok(struct client *client, const struct command *command)
{
    (void)command;
    reply_text(&client->reply, "OK");
}

static void quit(struct client *client, const struct command *command)
{
    ok(client, command);
    client->quits = true;
}

const struct command_kind connection_commands[] = {
    {"PING", 1, false, ping}, {"ECHO", -2, false, echo},      {"HELLO", 1, false, hello},
    {"INFO", 1, false, info}, {"COMMAND", 1, false, nothing}, {"CONFIG", 2, false, config},
    {"CLIENT", 2, false, ok}, {"SELECT", -2, false, ok},      {"QUIT", 1, false, quit},
    {NULL, 0, false, NULL},
};
