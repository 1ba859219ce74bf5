/*
 * Lists, and clients who wait for them.
 *
 * BLPOP and BRPOP take at once what is there. If nothing is, the client stands in one line of all that wait, with copies of
 * the names of its lists. A push that makes a list not empty goes through that line, oldest first, and hands values over to
 * those who wait for that list: the value is out of the list and the client's before its task runs, so no time-out can lose
 * it (redis_server.c looks for it after every wait, however that has ended).
 *
 * A list without values is no key.
 */
#include "server.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ARGUMENT(i) (command->arguments[i])

/* ---- clients who wait */

static struct bytes next_key(const char **at)
{
    struct bytes key;

    memcpy(&key.size, *at, sizeof key.size);
    key.data = (char *)(uintptr_t)(*at + sizeof key.size);
    *at = key.data + key.size;
    return key;
}

/* Whether the client waits for that key: its copy of it. */
static bool waits_for(const struct client *client, struct bytes key, struct bytes *own)
{
    const char *at = client->keys;

    for (int i = 0; i < client->key_count; i++) {
        *own = next_key(&at);
        if (own->size == key.size && memcmp(own->data, key.data, key.size) == 0) {
            return true;
        }
    }
    return false;
}

void client_unblock(struct client *client)
{
    for (struct client **link = &client->server->blocked; *link != NULL;
         link = &(*link)->next_blocked) {
        if (*link == client) {
            *link = client->next_blocked;
            return;
        }
    }
}

static void journal_pop(struct server *server, struct bytes key, bool left)
{
    struct bytes words[] = {{left ? "LPOP" : "RPOP", 4}, key};

    journal_append_words(server, 2, words);
}

/* Hands out what is in a list that was pushed to. */
static void hand_over(struct server *server, struct bytes key, struct entry *entry)
{
    struct client **link = &server->blocked;

    while (*link != NULL && entry->value.list.count > 0) {
        struct client *client = *link;
        if (!waits_for(client, key, &client->value_key)) {
            link = &client->next_blocked;
            continue;
        }
        *link = client->next_blocked;
        client->value = list_pop(&entry->value.list, client->from_left);
        journal_pop(server, key, client->from_left);
        eddy_event_set(&client->popped);
    }
}

void client_reply_popped(struct client *client)
{
    struct text *value = client->value;

    if (value == NULL) {
        reply_null_array(&client->reply);
    } else {
        reply_array(&client->reply, 2);
        reply_bulk(&client->reply, client->value_key.data, client->value_key.size);
        reply_bulk(&client->reply, value->data, value->size);
    }
    free(value);
    client->value = NULL;
}

/* Copies the names: what the command points to is gone when the client waits. */
static int block(struct client *client, const struct command *command)
{
    size_t size = 0;
    char *at;

    for (int i = 1; i < command->count - 1; i++) {
        size += sizeof ARGUMENT(i).size + ARGUMENT(i).size;
    }
    at = realloc(client->keys, size);
    if (at == NULL) {
        return -ENOMEM;
    }
    client->keys = at;
    client->key_count = command->count - 2;
    for (int i = 1; i < command->count - 1; i++) {
        memcpy(at, &ARGUMENT(i).size, sizeof ARGUMENT(i).size);
        memcpy(at + sizeof ARGUMENT(i).size, ARGUMENT(i).data, ARGUMENT(i).size);
        at += sizeof ARGUMENT(i).size + ARGUMENT(i).size;
    }
    client->blocks = true;
    client->value = NULL;
    client->next_blocked = NULL;
    eddy_event_clear(&client->popped);
    for (struct client **link = &client->server->blocked;; link = &(*link)->next_blocked) {
        if (*link == NULL) {
            *link = client;
            return 0;
        }
    }
}

/* ---- commands */

/* The list of a key, or NULL; `wrong`: it is none, which was replied. */
static struct entry *find_list(struct client *client, struct bytes key, bool *wrong)
{
    struct entry *entry = store_find(&client->server->store, key);

    *wrong = entry != NULL && entry->kind != LIST;
    if (*wrong) {
        reply_error(&client->reply, WRONG_TYPE);
    }
    return *wrong ? NULL : entry;
}

static void push(struct client *client, const struct command *command)
{
    bool left = (ARGUMENT(0).data[0] & 0xDF) == 'L';
    struct entry *entry = store_make(&client->server->store, ARGUMENT(1), LIST);
    int result = entry != NULL ? 0 : -ENOMEM;

    if (entry != NULL && entry->kind != LIST) {
        reply_error(&client->reply, WRONG_TYPE);
        return;
    }
    for (int i = 2; i < command->count && result == 0; i++) {
        result = list_push(&entry->value.list, ARGUMENT(i), left);
    }
    if (result < 0) {
        reply_error(&client->reply, "OOM command not allowed: there is no memory");
        return;
    }
    reply_integer(&client->reply, (int64_t)entry->value.list.count);
    journal_append(client->server, command); /* before what is handed over, which is a pop */
    if (client->server->blocked != NULL) {
        hand_over(client->server, ARGUMENT(1), entry);
        if (entry->value.list.count == 0) {
            (void)store_remove(&client->server->store, ARGUMENT(1));
        }
    }
}

static void pop(struct client *client, const struct command *command)
{
    bool left = (ARGUMENT(0).data[0] & 0xDF) == 'L';
    bool wrong;
    struct entry *entry = find_list(client, ARGUMENT(1), &wrong);
    struct text *value;

    if (entry == NULL) {
        if (!wrong) {
            reply_null(&client->reply);
        }
        return;
    }
    value = list_pop(&entry->value.list, left);
    reply_bulk(&client->reply, value->data, value->size);
    free(value);
    if (entry->value.list.count == 0) {
        (void)store_remove(&client->server->store, ARGUMENT(1));
    }
}

/* "0.5": seconds; 0 is for ever. */
static bool to_timeout(struct bytes argument, int64_t *timeout)
{
    char text[32];
    char *end;
    double seconds;

    if (argument.size == 0 || argument.size >= sizeof text) {
        return false;
    }
    memcpy(text, argument.data, argument.size);
    text[argument.size] = '\0';
    seconds = strtod(text, &end);
    if (*end != '\0' || !isfinite(seconds) || seconds < 0 || seconds > 1e9) {
        return false;
    }
    *timeout = seconds > 0 ? (int64_t)(seconds * 1e9) + 1 : EDDY_FOREVER;
    return true;
}

static void blocking_pop(struct client *client, const struct command *command)
{
    bool left = is_word(ARGUMENT(0), "BLPOP");

    if (!to_timeout(ARGUMENT(command->count - 1), &client->timeout)) {
        reply_error(&client->reply, "ERR timeout is not a float or out of range");
        return;
    }
    for (int i = 1; i < command->count - 1; i++) {
        bool wrong;
        struct entry *entry = find_list(client, ARGUMENT(i), &wrong);
        if (wrong) {
            return;
        }
        if (entry != NULL) {
            client->value = list_pop(&entry->value.list, left);
            client->value_key = ARGUMENT(i);
            journal_pop(client->server, ARGUMENT(i), left);
            client_reply_popped(client);
            if (entry->value.list.count == 0) {
                (void)store_remove(&client->server->store, ARGUMENT(i));
            }
            return;
        }
    }
    client->from_left = left;
    if (block(client, command) < 0) {
        reply_error(&client->reply, "OOM command not allowed: there is no memory");
    }
}

static void llen(struct client *client, const struct command *command)
{
    bool wrong;
    struct entry *entry = find_list(client, ARGUMENT(1), &wrong);

    if (!wrong) {
        reply_integer(&client->reply, entry != NULL ? (int64_t)entry->value.list.count : 0);
    }
}

static void lrange(struct client *client, const struct command *command)
{
    bool wrong;
    struct entry *entry;
    int64_t first, last, count;

    if (!to_integer(ARGUMENT(2), &first) || !to_integer(ARGUMENT(3), &last)) {
        reply_error(&client->reply, "ERR value is not an integer or out of range");
        return;
    }
    entry = find_list(client, ARGUMENT(1), &wrong);
    if (wrong) {
        return;
    }
    count = entry != NULL ? (int64_t)entry->value.list.count : 0;
    first = first < 0 ? (first + count < 0 ? 0 : first + count) : first;
    last = last < 0 ? last + count : last >= count ? count - 1 : last;
    if (first > last) {
        reply_array(&client->reply, 0);
        return;
    }
    reply_array(&client->reply, (size_t)(last - first + 1));
    for (int64_t i = first; i <= last; i++) {
        const struct text *value = list_at(&entry->value.list, (size_t)i);
        reply_bulk(&client->reply, value->data, value->size);
    }
}

const struct command_kind list_commands[] = {
    {"LPUSH", 3, false, push}, {"RPUSH", 3, false, push},         {"LPOP", -2, true, pop},
    {"RPOP", -2, true, pop},   {"BLPOP", 3, false, blocking_pop}, {"BRPOP", 3, false, blocking_pop},
    {"LLEN", -2, false, llen}, {"LRANGE", -4, false, lrange},     {NULL, 0, false, NULL},
};
