/*
 * A hash table of chains. It doubles when there are as many keys as buckets, all at once: at a million keys that is some
 * 30 ms, in which nobody is served. (Redis moves them by and by. A server for more would do so too.)
 */
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FIRST_SIZE = 1024 };

int64_t wall_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int store_init(struct store *store, uint64_t seed)
{
    memset(store, 0, sizeof *store);
    store->buckets = calloc(FIRST_SIZE, sizeof *store->buckets);
    store->size = FIRST_SIZE;
    store->seed = seed;
    return store->buckets != NULL ? 0 : -ENOMEM;
}

static void empty(struct entry *entry)
{
    if (entry->kind == STRING) {
        free(entry->value.string);
        return;
    }
    for (struct text *text; (text = list_pop(&entry->value.list, true)) != NULL;) {
        free(text);
    }
    free(entry->value.list.ring);
}

static void unlink_entry(struct store *store, struct entry **link)
{
    struct entry *entry = *link;

    *link = entry->next;
    empty(entry);
    free(entry);
    store->count--;
}

void store_clear(struct store *store)
{
    for (size_t i = 0; i < store->size; i++) {
        while (store->buckets[i] != NULL) {
            unlink_entry(store, &store->buckets[i]);
        }
    }
}

void store_fini(struct store *store)
{
    if (store->buckets != NULL) {
        store_clear(store);
        free(store->buckets);
        store->buckets = NULL;
    }
}

/* Nobody who does not know the seed can make keys that all meet in one bucket. */
static uint64_t hash_of(const struct store *store, struct bytes key)
{
    uint64_t hash = store->seed ^ key.size;
    uint64_t word;

    for (size_t i = 0; i < key.size; i += sizeof word) {
        word = 0;
        memcpy(&word, key.data + i, key.size - i < sizeof word ? key.size - i : sizeof word);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    return hash;
}

static struct entry **find(struct store *store, struct bytes key, uint64_t hash)
{
    struct entry **link = &store->buckets[hash & (store->size - 1)];

    while (*link != NULL && ((*link)->hash != hash || (*link)->key_size != key.size ||
                             memcmp((*link)->key, key.data, key.size) != 0)) {
        link = &(*link)->next;
    }
    return link;
}

static bool is_over(const struct entry *entry)
{
    return entry->expires != 0 && entry->expires <= wall_now();
}

static struct entry *find_with(struct store *store, struct bytes key, uint64_t hash)
{
    struct entry **link = find(store, key, hash);

    if (*link != NULL && is_over(*link)) {
        unlink_entry(store, link);
        return NULL;
    }
    return *link;
}

struct entry *store_find(struct store *store, struct bytes key)
{
    return find_with(store, key, hash_of(store, key));
}

static void grow(struct store *store)
{
    struct entry **buckets = calloc(store->size * 2, sizeof *buckets);

    if (buckets == NULL) {
        return; /* the chains get longer */
    }
    for (size_t i = 0; i < store->size; i++) {
        while (store->buckets[i] != NULL) {
            struct entry *entry = store->buckets[i];
            struct entry **link = &buckets[entry->hash & (store->size * 2 - 1)];
            store->buckets[i] = entry->next;
            entry->next = *link;
            *link = entry;
        }
    }
    free(store->buckets);
    store->buckets = buckets;
    store->size *= 2;
}

struct entry *store_make(struct store *store, struct bytes key, enum kind kind)
{
    uint64_t hash = hash_of(store, key);
    struct entry *entry = find_with(store, key, hash);
    struct entry **link;

    if (entry != NULL) {
        return entry;
    }
    entry = calloc(1, sizeof *entry + key.size);
    if (entry == NULL) {
        return NULL;
    }
    entry->hash = hash;
    entry->kind = kind;
    entry->key_size = key.size;
    memcpy(entry->key, key.data, key.size);
    if (store->count >= store->size) {
        grow(store);
    }
    link = &store->buckets[hash & (store->size - 1)];
    entry->next = *link;
    *link = entry;
    store->count++;
    return entry;
}

bool store_remove(struct store *store, struct bytes key)
{
    struct entry **link = find(store, key, hash_of(store, key));
    bool there = *link != NULL && !is_over(*link);

    if (*link != NULL) {
        unlink_entry(store, link);
    }
    return there;
}

void store_sweep(struct store *store, size_t buckets)
{
    for (; buckets > 0; buckets--) {
        struct entry **link = &store->buckets[store->sweep++ & (store->size - 1)];
        while (*link != NULL) {
            if (is_over(*link)) {
                unlink_entry(store, link);
            } else {
                link = &(*link)->next;
            }
        }
    }
}

/* ---- values */

static struct text *text_new(const char *data, size_t size)
{
    struct text *text = malloc(sizeof *text + size);

    if (text != NULL) {
        text->size = size;
        memcpy(text->data, data, size);
    }
    return text;
}

int entry_set(struct entry *entry, const char *data, size_t size)
{
    struct text *text = text_new(data, size);

    if (text == NULL) {
        return -ENOMEM;
    }
    empty(entry);
    entry->kind = STRING;
    entry->value.string = text;
    return 0;
}

static int list_grow(struct list *list)
{
    size_t room = list->room > 0 ? list->room * 2 : 8;
    struct text **ring = malloc(room * sizeof *ring);

    if (ring == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < list->count; i++) {
        ring[i] = list->ring[(list->first + i) & (list->room - 1)];
    }
    free(list->ring);
    list->ring = ring;
    list->room = room;
    list->first = 0;
    return 0;
}

int list_push(struct list *list, struct bytes value, bool left)
{
    struct text *text =
        list->count < list->room || list_grow(list) == 0 ? text_new(value.data, value.size) : NULL;

    if (text == NULL) {
        return -ENOMEM;
    }
    if (left) {
        list->first = (list->first - 1) & (list->room - 1);
        list->ring[list->first] = text;
    } else {
        list->ring[(list->first + list->count) & (list->room - 1)] = text;
    }
    list->count++;
    return 0;
}

struct text *list_pop(struct list *list, bool left)
{
    struct text *text;

    if (list->count == 0) {
        return NULL;
    }
    list->count--;
    if (left) {
        text = list->ring[list->first];
        list->first = (list->first + 1) & (list->room - 1);
    } else {
        text = list->ring[(list->first + list->count) & (list->room - 1)];
    }
    return text;
}

const struct text *list_at(const struct list *list, size_t index)
{
    return list->ring[(list->first + index) & (list->room - 1)];
}
