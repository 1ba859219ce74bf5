/* What the server holds: keys with strings or lists, and perhaps a time at which they go. */
#ifndef REDIS_STORE_H
#define REDIS_STORE_H

#include "resp.h"

enum kind { STRING, LIST };

struct text {
    size_t size;
    char data[];
};

/* A ring of texts, which grows. */
struct list {
    struct text **ring;
    size_t room; /* a power of two, or 0 */
    size_t first, count;
};

struct entry {
    struct entry *next; /* in its bucket */
    uint64_t hash;
    int64_t expires; /* on the wall clock, in milliseconds; 0: never */
    enum kind kind;
    union {
        struct text *string;
        struct list list;
    } value;
    size_t key_size;
    char key[];
};

struct store {
    struct entry **buckets;
    size_t size; /* how many; a power of two */
    size_t count;
    size_t sweep; /* the bucket at which the next sweep begins */
    uint64_t seed;
};

/* 0 or -ENOMEM. */
int store_init(struct store *store, uint64_t seed);
void store_fini(struct store *store);
void store_clear(struct store *store);

/* Milliseconds of the wall clock, which is what a client means by a time. */
int64_t wall_now(void);

/* The entry of a key, or NULL; one whose time is over is gone. */
struct entry *store_find(struct store *store, struct bytes key);

/* Likewise, made if there is none: then it is of the kind, and empty. NULL: no memory. */
struct entry *store_make(struct store *store, struct bytes key, enum kind kind);

bool store_remove(struct store *store, struct bytes key);

/* Frees what has expired in some of the buckets; to be called now and then. */
void store_sweep(struct store *store, size_t buckets);

/* Makes it a string. 0 or -ENOMEM, and then it is as it was. */
int entry_set(struct entry *entry, const char *data, size_t size);

/* The text is the list's, or has left it. -ENOMEM. */
int list_push(struct list *list, struct bytes value, bool left);
struct text *list_pop(struct list *list, bool left);
const struct text *list_at(const struct list *list, size_t index);

#endif
