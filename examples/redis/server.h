/* The server's parts as they see each other. */
#ifndef REDIS_SERVER_H
#define REDIS_SERVER_H

#include "store.h"

struct client;
struct subscription;

/* Appends what changes the store to a file, on a worker's thread (journal.c). */
struct journal {
    int fd; /* -1: none */
    char *bytes;
    size_t size, room;
    char *writing; /* what the worker has: the other of two buffers */
    size_t writing_size, writing_room;
    int error; /* of the last write, told; it is tried again */
    eddy_event dirty;
};

enum { CHANNELS = 256 /* buckets */ };

struct server {
    struct store store;
    struct journal journal;
    struct client *blocked; /* clients in BLPOP and the like, oldest first */
    struct channel *channels[CHANNELS];
    const struct command_kind *kinds[256]; /* by a hash of the name */
    bool replaying;                        /* the journal is read: nothing is appended to it */
    int clients;
    uint64_t commands;
};

/* What a client's connection is, for its commands. */
struct client {
    struct server *server;
    struct reply reply;
    int64_t number;
    bool quits;
    struct subscription *subscriptions;
    int subscription_count;

    /* Set by BLPOP and BRPOP: the client waits; the coroutine does the waiting. */
    bool blocks;
    bool from_left;
    int64_t timeout; /* nanoseconds, or EDDY_FOREVER */
    char *keys;      /* copies: size, bytes, ... */
    int key_count;
    struct client *next_blocked;
    eddy_event popped; /* something was handed over: */
    struct text *value;
    struct bytes value_key; /* in `keys` */
};

typedef void command_fn(struct client *client, const struct command *command);

struct command_kind {
    const char *name; /* in capitals */
    int arguments;    /* how many at least, the name counted; negative: exactly */
    bool writes;      /* goes to the journal as it is */
    command_fn *run;
};

/* commands.c */
void commands_init(struct server *server);
void command_run(struct client *client, const struct command *command);
bool is_word(struct bytes argument, const char *word); /* whatever the case */
bool to_integer(struct bytes argument, int64_t *value);
extern const char WRONG_TYPE[];

/* connection.c */
extern const struct command_kind connection_commands[];

/* lists.c */
extern const struct command_kind list_commands[];
/* The client waits no longer. */
void client_unblock(struct client *client);
/* Replies with what was handed over, or with nothing if `value` is NULL. */
void client_reply_popped(struct client *client);

/* pubsub.c */
extern const struct command_kind pubsub_commands[];
void client_unsubscribe_all(struct client *client);

/* journal.c */
int64_t journal_open(eddy_coro *co, struct server *server, const char *path);
void journal_append(struct server *server, const struct command *command);
void journal_append_words(struct server *server, int count, const struct bytes *words);
/* A coroutine that writes what is appended, until it is cancelled; then it writes the rest. */
struct journal_writes {
    eddy_coro co;
    struct server *server;
    int64_t rc;
};
void journal_writes(eddy_coro *co);

#endif
