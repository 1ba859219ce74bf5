/*
 * The timer heap: 4-ary, with the deadline beside the pointer, so that sifting compares without
 * touching what the entries point to (but for equal deadlines, where the sequence decides).
 *
 * An entry may be *stale*: its owner has moved its deadline later without telling the heap. The
 * owner puts it right with eddy_heap_set when the entry comes up. That makes postponing O(1).
 */
#ifndef EDDY_SRC_HEAP_H
#define EDDY_SRC_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "eddy/timer.h"

struct eddy_heap_entry {
    int64_t deadline;         /* not after the owner's own deadline */
    struct eddy_alarm *alarm; /* its position says where this entry is */
};

struct eddy_heap {
    struct eddy_heap_entry *entries;
    uint32_t count;
    uint32_t capacity;
    uint32_t sequence; /* of the newest start */
    struct eddy_pool *pool;
    /* Before the sequences are numbered anew: writes what the owner knows better into an entry and
     * its alarm. NULL: nobody does. */
    void (*settle)(struct eddy_heap_entry *entry);
};

void eddy_heap_init(struct eddy_heap *heap, struct eddy_pool *pool);
void eddy_heap_fini(struct eddy_heap *heap);

static inline bool eddy_heap_has(const struct eddy_alarm *alarm)
{
    return alarm->position != 0;
}

/* The entry of an alarm that is in the heap. */
static inline struct eddy_heap_entry *eddy_heap_entry_of(const struct eddy_heap *heap,
                                                         const struct eddy_alarm *alarm)
{
    return &heap->entries[alarm->position - 1];
}

/* The earliest entry; the heap is not empty. */
static inline struct eddy_heap_entry *eddy_heap_top(const struct eddy_heap *heap)
{
    return &heap->entries[0];
}

/* Starts the alarm anew for that deadline, behind all others of the same deadline. If it is in
 * the heap already and the deadline is later than its entry's, the entry stays and is stale
 * (unless that would put it out of order among equal deadlines). -ENOMEM if the heap cannot
 * grow; then nothing has changed. */
int eddy_heap_start(struct eddy_heap *heap, struct eddy_alarm *alarm, int64_t deadline);

/* Puts a stale entry right: the owner's deadline, the sequence of its last start. */
void eddy_heap_set(struct eddy_heap *heap, struct eddy_alarm *alarm, int64_t deadline);

/* Takes the alarm out; it must be in. */
void eddy_heap_remove(struct eddy_heap *heap, struct eddy_alarm *alarm);

/* 0, or -EINVAL if an entry is before its parent or an alarm's position is wrong. */
int eddy_heap_check(const struct eddy_heap *heap);

#endif
