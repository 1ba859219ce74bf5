/*
 * Channels: a message is put into the writers of all who have subscribed, in the step of who publishes it. Nobody waits for
 * anybody: who does not read fills his writer, and is closed by that when it is full (redis_server.c).
 *
 * A channel is there while somebody has subscribed to it. A subscription is in two lists, its channel's and its client's.
 */
#include "server.h"

#include <stdlib.h>
#include <string.h>

#define ARGUMENT(i) (command->arguments[i])

struct channel {
    struct channel *next; /* in its bucket */
    struct subscription *first;
    size_t name_size;
    char name[];
};

struct subscription {
    struct client *client;
    struct channel *channel;
    struct subscription *next;           /* of the channel */
    struct subscription *next_of_client; /* newest first */
};

static struct channel **find(struct server *server, struct bytes name)
{
    unsigned hash = (unsigned)name.size;
    struct channel **link;

    for (size_t i = 0; i < name.size; i++) {
        hash = hash * 31 + (unsigned char)name.data[i];
    }
    link = &server->channels[hash % CHANNELS];
    while (*link != NULL &&
           ((*link)->name_size != name.size || memcmp((*link)->name, name.data, name.size) != 0)) {
        link = &(*link)->next;
    }
    return link;
}

static void confirm(struct client *client, const char *what, struct bytes name)
{
    reply_push(&client->reply, 3);
    reply_bulk(&client->reply, what, strlen(what));
    reply_bulk(&client->reply, name.data, name.size);
    reply_integer(&client->reply, client->subscription_count);
}

static struct channel *make(struct server *server, struct bytes name)
{
    struct channel **link = find(server, name);

    if (*link == NULL) {
        *link = calloc(1, sizeof **link + name.size);
        if (*link != NULL) {
            (*link)->name_size = name.size;
            memcpy((*link)->name, name.data, name.size);
        }
    }
    return *link;
}

static void leave(struct client *client, struct subscription **of_client)
{
    struct subscription *subscription = *of_client;
    struct channel *channel = subscription->channel;
    struct subscription **link = &channel->first;

    while (*link != subscription) {
        link = &(*link)->next;
    }
    *link = subscription->next;
    *of_client = subscription->next_of_client;
    client->subscription_count--;
    free(subscription);
    if (channel->first == NULL) {
        struct bytes name = {channel->name, channel->name_size};
        struct channel **place = find(client->server, name);
        *place = channel->next;
        free(channel);
    }
}

static struct subscription **find_of_client(struct client *client, struct bytes name)
{
    struct subscription **link = &client->subscriptions;

    while (*link != NULL && ((*link)->channel->name_size != name.size ||
                             memcmp((*link)->channel->name, name.data, name.size) != 0)) {
        link = &(*link)->next_of_client;
    }
    return link;
}

static void subscribe(struct client *client, const struct command *command)
{
    for (int i = 1; i < command->count; i++) {
        if (*find_of_client(client, ARGUMENT(i)) == NULL) {
            struct subscription *made = calloc(1, sizeof *made);
            struct channel *channel = made != NULL ? make(client->server, ARGUMENT(i)) : NULL;
            if (channel == NULL) {
                free(made);
                reply_error(&client->reply, "OOM command not allowed: there is no memory");
                return;
            }
            made->client = client;
            made->channel = channel;
            made->next = channel->first;
            channel->first = made;
            made->next_of_client = client->subscriptions;
            client->subscriptions = made;
            client->subscription_count++;
        }
        confirm(client, "subscribe", ARGUMENT(i));
    }
}

static void unsubscribe(struct client *client, const struct command *command)
{
    for (int i = 1; i < command->count; i++) {
        struct subscription **link = find_of_client(client, ARGUMENT(i));
        if (*link != NULL) {
            leave(client, link);
        }
        confirm(client, "unsubscribe", ARGUMENT(i));
    }
    if (command->count == 1) {
        client_unsubscribe_all(client);
        reply_push(&client->reply, 3);
        reply_bulk(&client->reply, "unsubscribe", 11);
        reply_null(&client->reply);
        reply_integer(&client->reply, 0);
    }
}

void client_unsubscribe_all(struct client *client)
{
    while (client->subscriptions != NULL) {
        leave(client, &client->subscriptions);
    }
}

static void publish(struct client *client, const struct command *command)
{
    struct channel *channel = *find(client->server, ARGUMENT(1));
    int64_t count = 0;

    for (struct subscription *to = channel != NULL ? channel->first : NULL; to != NULL;
         to = to->next) {
        struct reply *reply = &to->client->reply;
        reply_push(reply, 3);
        reply_bulk(reply, "message", 7);
        reply_bulk(reply, ARGUMENT(1).data, ARGUMENT(1).size);
        reply_bulk(reply, ARGUMENT(2).data, ARGUMENT(2).size);
        count++;
    }
    reply_integer(&client->reply, count);
}

const struct command_kind pubsub_commands[] = {
    {"SUBSCRIBE", 2, false, subscribe},
    {"UNSUBSCRIBE", 1, false, unsubscribe},
    {"PUBLISH", -3, false, publish},
    {NULL, 0, false, NULL},
};
