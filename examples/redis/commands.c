/*
 * The commands on keys and strings, and how a command is found. A command replies exactly once, whatever happens.
 *
 * What changes the store is appended to the journal as the client has sent it, unless it depends on the time: that is
 * written as it was understood.
 */
#include "server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char WRONG_TYPE[] = "WRONGTYPE Operation against a key holding the wrong kind of value";
static const char NO_MEMORY[] = "OOM command not allowed: there is no memory";
static const char NO_INTEGER[] = "ERR value is not an integer or out of range";
static const char SYNTAX[] = "ERR syntax error";

#define ARGUMENT(i) (command->arguments[i])

bool is_word(struct bytes argument, const char *word)
{
    return strlen(word) == argument.size && strncasecmp(argument.data, word, argument.size) == 0;
}

bool to_integer(struct bytes argument, int64_t *value)
{
    bool negative = argument.size > 0 && argument.data[0] == '-';
    uint64_t most = negative ? UINT64_C(1) << 63 : INT64_MAX;
    uint64_t result = 0;

    if (argument.size == negative || argument.size > 20) {
        return false;
    }
    for (size_t i = negative; i < argument.size; i++) {
        unsigned digit = (unsigned)(argument.data[i] - '0');
        if (digit > 9 || result > (most - digit) / 10) {
            return false;
        }
        result = result * 10 + digit;
    }
    *value = negative ? (int64_t)(0 - result) : (int64_t)result;
    return true;
}

/* The string of a key; NULL: there is none, or (and then it was replied to) it is a list. */
static struct entry *find_string(struct client *client, struct bytes key, bool *wrong)
{
    struct entry *entry = store_find(&client->server->store, key);

    *wrong = entry != NULL && entry->kind != STRING;
    if (*wrong) {
        reply_error(&client->reply, WRONG_TYPE);
    }
    return *wrong ? NULL : entry;
}

/* ---- strings */

static void get(struct client *client, const struct command *command)
{
    bool wrong;
    struct entry *entry = find_string(client, ARGUMENT(1), &wrong);

    if (entry != NULL) {
        reply_bulk(&client->reply, entry->value.string->data, entry->value.string->size);
    } else if (!wrong) {
        reply_null(&client->reply);
    }
}

struct set_options {
    int64_t expires;
    bool if_new, if_there, keeps_time, gives_old;
};

/* A time as EX, PX, EXAT and PXAT have it, in milliseconds of the wall clock. */
static bool to_time(struct bytes unit, struct bytes value, int64_t *expires)
{
    int64_t scale = is_word(unit, "EX") || is_word(unit, "EXAT") ? 1000 : 1;
    int64_t begin = unit.size == 2 ? wall_now() : 0;

    if (!to_integer(value, expires) || *expires <= 0 || *expires > (INT64_MAX - begin) / scale) {
        return false;
    }
    *expires = begin + *expires * scale;
    return true;
}

static const char *parse_set(const struct command *command, struct set_options *options)
{
    for (int i = 3; i < command->count; i++) {
        if (is_word(ARGUMENT(i), "NX")) {
            options->if_new = true;
        } else if (is_word(ARGUMENT(i), "XX")) {
            options->if_there = true;
        } else if (is_word(ARGUMENT(i), "KEEPTTL")) {
            options->keeps_time = true;
        } else if (is_word(ARGUMENT(i), "GET")) {
            options->gives_old = true;
        } else if ((is_word(ARGUMENT(i), "EX") || is_word(ARGUMENT(i), "PX") ||
                    is_word(ARGUMENT(i), "EXAT") || is_word(ARGUMENT(i), "PXAT")) &&
                   i + 1 < command->count && options->expires == 0) {
            if (!to_time(ARGUMENT(i), ARGUMENT(i + 1), &options->expires)) {
                return "ERR invalid expire time in 'set' command";
            }
            i++;
        } else {
            return SYNTAX;
        }
    }
    return options->if_new && options->if_there ? SYNTAX : NULL;
}

static void journal_set(struct client *client, const struct command *command, int64_t expires)
{
    char at[24];
    struct bytes words[] = {{"SET", 3}, ARGUMENT(1), ARGUMENT(2), {"PXAT", 4}, {at, 0}};

    if (expires == 0) {
        journal_append_words(client->server, 3, words);
    } else {
        words[4].size = (size_t)snprintf(at, sizeof at, "%" PRId64, expires);
        journal_append_words(client->server, 5, words);
    }
}

static void set(struct client *client, const struct command *command)
{
    struct set_options options = {0};
    const char *error = parse_set(command, &options);
    struct store *store = &client->server->store;
    struct entry *entry = error == NULL ? store_find(store, ARGUMENT(1)) : NULL;

    if (error != NULL || (options.gives_old && entry != NULL && entry->kind != STRING)) {
        reply_error(&client->reply, error != NULL ? error : WRONG_TYPE);
        return;
    }
    if ((options.if_new && entry != NULL) || (options.if_there && entry == NULL)) {
        if (options.gives_old && entry != NULL) {
            reply_bulk(&client->reply, entry->value.string->data, entry->value.string->size);
        } else {
            reply_null(&client->reply);
        }
        return;
    }
    if (options.gives_old && entry != NULL) {
        reply_bulk(&client->reply, entry->value.string->data, entry->value.string->size);
    } else if (options.gives_old) {
        reply_null(&client->reply);
    }
    entry = entry != NULL ? entry : store_make(store, ARGUMENT(1), STRING);
    if (entry == NULL || entry_set(entry, ARGUMENT(2).data, ARGUMENT(2).size) < 0) {
        reply_error(&client->reply, NO_MEMORY);
        return;
    }
    entry->expires = options.keeps_time ? entry->expires : options.expires;
    journal_set(client, command, entry->expires);
    if (!options.gives_old) {
        reply_text(&client->reply, "OK");
    }
}

static void add(struct client *client, struct bytes key, int64_t more)
{
    bool wrong;
    struct entry *entry = find_string(client, key, &wrong);
    int64_t value = 0;
    char digits[24];
    int length;

    if (wrong) {
        return;
    }
    if (entry != NULL &&
        !to_integer((struct bytes){entry->value.string->data, entry->value.string->size}, &value)) {
        reply_error(&client->reply, NO_INTEGER);
        return;
    }
    if (__builtin_add_overflow(value, more, &value)) {
        reply_error(&client->reply, "ERR increment or decrement would overflow");
        return;
    }
    entry = entry != NULL ? entry : store_make(&client->server->store, key, STRING);
    length = snprintf(digits, sizeof digits, "%" PRId64, value);
    if (entry == NULL || entry_set(entry, digits, (size_t)length) < 0) {
        reply_error(&client->reply, NO_MEMORY);
        return;
    }
    reply_integer(&client->reply, value);
}

static void incr(struct client *client, const struct command *command)
{
    add(client, ARGUMENT(1), 1);
}

static void decr(struct client *client, const struct command *command)
{
    add(client, ARGUMENT(1), -1);
}

static void incrby(struct client *client, const struct command *command)
{
    int64_t more;
    bool minus = is_word(ARGUMENT(0), "DECRBY");

    if (!to_integer(ARGUMENT(2), &more) || (minus && more == INT64_MIN)) {
        reply_error(&client->reply, NO_INTEGER);
        return;
    }
    add(client, ARGUMENT(1), minus ? -more : more);
}

static void append(struct client *client, const struct command *command)
{
    bool wrong;
    struct entry *entry = find_string(client, ARGUMENT(1), &wrong);
    struct text *text;
    size_t old;

    if (wrong) {
        return;
    }
    entry = entry != NULL ? entry : store_make(&client->server->store, ARGUMENT(1), STRING);
    old = entry != NULL && entry->value.string != NULL ? entry->value.string->size : 0;
    text =
        entry != NULL ? realloc(entry->value.string, sizeof *text + old + ARGUMENT(2).size) : NULL;
    if (text == NULL) {
        reply_error(&client->reply, NO_MEMORY);
        return;
    }
    memcpy(text->data + old, ARGUMENT(2).data, ARGUMENT(2).size);
    text->size = old + ARGUMENT(2).size;
    entry->value.string = text;
    reply_integer(&client->reply, (int64_t)text->size);
}

static void string_length(struct client *client, const struct command *command)
{
    bool wrong;
    struct entry *entry = find_string(client, ARGUMENT(1), &wrong);

    if (!wrong) {
        reply_integer(&client->reply, entry != NULL ? (int64_t)entry->value.string->size : 0);
    }
}

static void mget(struct client *client, const struct command *command)
{
    reply_array(&client->reply, (size_t)command->count - 1);
    for (int i = 1; i < command->count; i++) {
        struct entry *entry = store_find(&client->server->store, ARGUMENT(i));
        if (entry != NULL && entry->kind == STRING) {
            reply_bulk(&client->reply, entry->value.string->data, entry->value.string->size);
        } else {
            reply_null(&client->reply);
        }
    }
}

static void mset(struct client *client, const struct command *command)
{
    if (command->count % 2 == 0) {
        reply_error(&client->reply, "ERR wrong number of arguments for 'mset' command");
        return;
    }
    for (int i = 1; i < command->count; i += 2) {
        struct entry *entry = store_make(&client->server->store, ARGUMENT(i), STRING);
        if (entry == NULL || entry_set(entry, ARGUMENT(i + 1).data, ARGUMENT(i + 1).size) < 0) {
            reply_error(&client->reply, NO_MEMORY);
            return;
        }
        entry->expires = 0;
    }
    reply_text(&client->reply, "OK");
}

/* ---- keys */

static void del(struct client *client, const struct command *command)
{
    int64_t count = 0;

    for (int i = 1; i < command->count; i++) {
        count += store_remove(&client->server->store, ARGUMENT(i));
    }
    reply_integer(&client->reply, count);
}

static void exists(struct client *client, const struct command *command)
{
    int64_t count = 0;

    for (int i = 1; i < command->count; i++) {
        count += store_find(&client->server->store, ARGUMENT(i)) != NULL;
    }
    reply_integer(&client->reply, count);
}

static void type(struct client *client, const struct command *command)
{
    struct entry *entry = store_find(&client->server->store, ARGUMENT(1));

    reply_text(&client->reply, entry == NULL ? "none" : entry->kind == STRING ? "string" : "list");
}

/* EXPIRE, PEXPIRE and PEXPIREAT; the last is what the journal has. */
static void expire(struct client *client, const struct command *command)
{
    bool seconds = is_word(ARGUMENT(0), "EXPIRE");
    int64_t begin = is_word(ARGUMENT(0), "PEXPIREAT") ? 0 : wall_now();
    struct entry *entry = store_find(&client->server->store, ARGUMENT(1));
    char at[24];
    struct bytes words[] = {{"PEXPIREAT", 9}, ARGUMENT(1), {at, 0}};
    int64_t value;

    if (!to_integer(ARGUMENT(2), &value) ||
        (seconds && __builtin_mul_overflow(value, 1000, &value)) ||
        __builtin_add_overflow(value, begin, &value)) {
        reply_error(&client->reply, "ERR invalid expire time in 'expire' command");
        return;
    }
    if (entry == NULL) {
        reply_integer(&client->reply, 0);
        return;
    }
    entry->expires = value > 0 ? value : 1;
    words[2].size = (size_t)snprintf(at, sizeof at, "%" PRId64, entry->expires);
    journal_append_words(client->server, 3, words);
    (void)store_find(&client->server->store, ARGUMENT(1)); /* it may be over by now */
    reply_integer(&client->reply, 1);
}

static void ttl(struct client *client, const struct command *command)
{
    struct entry *entry = store_find(&client->server->store, ARGUMENT(1));
    int64_t left = entry == NULL ? -2 : entry->expires == 0 ? -1 : entry->expires - wall_now();

    reply_integer(&client->reply,
                  left >= 0 && is_word(ARGUMENT(0), "TTL") ? (left + 500) / 1000 : left);
}

static void persist(struct client *client, const struct command *command)
{
    struct entry *entry = store_find(&client->server->store, ARGUMENT(1));
    bool had = entry != NULL && entry->expires != 0;

    if (had) {
        entry->expires = 0;
    }
    reply_integer(&client->reply, had);
}

static void dbsize(struct client *client, const struct command *command)
{
    (void)command;
    reply_integer(&client->reply, (int64_t)client->server->store.count);
}

static void flushall(struct client *client, const struct command *command)
{
    (void)command;
    store_clear(&client->server->store);
    reply_text(&client->reply, "OK");
}

static const struct command_kind commands[] = {
    {"GET", -2, false, get},
    {"SET", 3, false, set},
    {"INCR", -2, true, incr},
    {"DECR", -2, true, decr},
    {"INCRBY", -3, true, incrby},
    {"DECRBY", -3, true, incrby},
    {"APPEND", -3, true, append},
    {"STRLEN", -2, false, string_length},
    {"MGET", 2, false, mget},
    {"MSET", 3, true, mset},
    {"DEL", 2, true, del},
    {"UNLINK", 2, true, del},
    {"EXISTS", 2, false, exists},
    {"TYPE", -2, false, type},
    {"EXPIRE", -3, false, expire},
    {"PEXPIRE", -3, false, expire},
    {"PEXPIREAT", -3, false, expire},
    {"TTL", -2, false, ttl},
    {"PTTL", -2, false, ttl},
    {"PERSIST", -2, true, persist},
    {"DBSIZE", -1, false, dbsize},
    {"FLUSHALL", 1, true, flushall},
    {"FLUSHDB", 1, true, flushall},

    {NULL, 0, false, NULL},
};

/* ---- finding and running */

static unsigned hash_of(const char *name, size_t size)
{
    unsigned hash = (unsigned)size;

    for (size_t i = 0; i < size && i < 12; i++) {
        hash =
            hash * 31 + ((unsigned char)name[i] & 0xDFu); /* capitals and small letters are one */
    }
    return hash * 2654435761u >> 24;
}

static void enter(struct server *server, const struct command_kind *kinds)
{
    for (const struct command_kind *kind = kinds; kind->name != NULL; kind++) {
        unsigned at = hash_of(kind->name, strlen(kind->name));
        while (server->kinds[at] != NULL) {
            at = (at + 1) % 256;
        }
        server->kinds[at] = kind;
    }
}

void commands_init(struct server *server)
{
    enter(server, commands);
    enter(server, connection_commands);
    enter(server, list_commands);
    enter(server, pubsub_commands);
}

static const struct command_kind *find(const struct server *server, struct bytes name)
{
    unsigned at = hash_of(name.data, name.size);

    while (server->kinds[at] != NULL && !is_word(name, server->kinds[at]->name)) {
        at = (at + 1) % 256;
    }
    return server->kinds[at];
}

void command_run(struct client *client, const struct command *command)
{
    const struct command_kind *kind = find(client->server, ARGUMENT(0));
    char error[160];

    client->server->commands++;
    if (kind == NULL) {
        snprintf(error, sizeof error, "ERR unknown command '%.*s'",
                 (int)(ARGUMENT(0).size < 64 ? ARGUMENT(0).size : 64), ARGUMENT(0).data);
        reply_error(&client->reply, error);
    } else if (kind->arguments < 0 ? command->count != -kind->arguments
                                   : command->count < kind->arguments) {
        snprintf(error, sizeof error, "ERR wrong number of arguments for '%s' command", kind->name);
        reply_error(&client->reply, error);
    } else {
        kind->run(client, command);
        if (kind->writes) {
            journal_append(client->server, command);
        }
    }
}
