/*
 * A 4-ary heap of deadlines; heap.h says what is in an entry and when one is stale.
 *
 * What holds between calls: no entry comes before its parent, by deadline and then by the sequence of
 * its last start, and an alarm's `position` is the index of its entry plus 1, or 0: it is in none.
 *
 * Four children and not two: half the levels, and the four entries of 16 bytes that are compared on
 * the way down lie in one or two lines of the cache. Sifting moves a hole and writes the entry once at
 * its end, for each write of an entry is one of its alarm's position, too: a miss of the cache.
 *
 * The sequence makes equal deadlines fire in the order of their starts, as promised. It lies in the
 * alarm, not in the entry, which would be 24 bytes with it. So a start anew changes what an entry
 * compares by while it lies in the heap. That is good as long as the deadline differs from those of its
 * children; where one ties, the entry has to go down (ties_with_child).
 */
#include "base/heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ARITY = 4, FIRST_CAPACITY = 32 };

void eddy_heap_init(struct eddy_heap *heap, struct eddy_pool *pool)
{
    memset(heap, 0, sizeof *heap);
    heap->pool = pool;
}

void eddy_heap_fini(struct eddy_heap *heap)
{
    if (heap->entries != NULL) {
        eddy_pool_resize(heap->pool, heap->entries, heap->capacity * sizeof *heap->entries, 0);
    }
    heap->entries = NULL;
    heap->count = 0;
    heap->capacity = 0;
}

static bool before(struct eddy_heap_entry a, struct eddy_heap_entry b)
{
    if (a.deadline != b.deadline) {
        return a.deadline < b.deadline;
    }
    return a.alarm->sequence < b.alarm->sequence;
}

static void place(struct eddy_heap *heap, uint32_t index, struct eddy_heap_entry entry)
{
    heap->entries[index] = entry;
    entry.alarm->position = index + 1;
}

/* `entry` is not in the array: index is a hole, which moves towards the top. */
static void sift_up(struct eddy_heap *heap, uint32_t index, struct eddy_heap_entry entry)
{
    while (index > 0) {
        uint32_t parent = (index - 1) / ARITY;
        if (!before(entry, heap->entries[parent])) {
            break;
        }
        place(heap, index, heap->entries[parent]);
        index = parent;
    }
    place(heap, index, entry);
}

/* The earliest child of `index`, or 0 if it has none. */
static uint32_t earliest_child(const struct eddy_heap *heap, uint32_t index)
{
    uint64_t first = (uint64_t)index * ARITY + 1;
    uint64_t end = first + ARITY < heap->count ? first + ARITY : heap->count;
    uint32_t best = 0;

    for (uint64_t child = first; child < end; child++) {
        if (best == 0 || before(heap->entries[child], heap->entries[best])) {
            best = (uint32_t)child;
        }
    }
    return best;
}

/* Likewise, away from it. */
static void sift_down(struct eddy_heap *heap, uint32_t index, struct eddy_heap_entry entry)
{
    uint32_t child;

    while ((child = earliest_child(heap, index)) != 0 && before(heap->entries[child], entry)) {
        place(heap, index, heap->entries[child]);
        index = child;
    }
    place(heap, index, entry);
}

static int grow(struct eddy_heap *heap)
{
    uint32_t capacity = heap->capacity == 0 ? FIRST_CAPACITY : heap->capacity * 2;
    struct eddy_heap_entry *entries;

    if (capacity <= heap->capacity) {
        return -ENOMEM;
    }
    entries = eddy_pool_resize(heap->pool, heap->entries, heap->capacity * sizeof *entries,
                               capacity * sizeof *entries);
    if (entries == NULL) {
        return -ENOMEM;
    }
    heap->entries = entries;
    heap->capacity = capacity;
    return 0;
}

static int compare_sequences(const void *left, const void *right)
{
    const struct eddy_heap_entry *a = left;
    const struct eddy_heap_entry *b = right;

    return a->alarm->sequence < b->alarm->sequence ? -1 : a->alarm->sequence > b->alarm->sequence;
}

static int compare_entries(const void *left, const void *right)
{
    const struct eddy_heap_entry *a = left;
    const struct eddy_heap_entry *b = right;

    return before(*a, *b) ? -1 : before(*b, *a);
}

/* The sequence has 32 bits: once in four thousand million starts the alarms are numbered anew,
 * in the order of their starts. Then the entries are sorted again, for a sorted array is a heap. */
static void renumber(struct eddy_heap *heap)
{
    heap->sequence = heap->count;
    if (heap->count == 0) {
        return;
    }
    for (uint32_t i = 0; i < heap->count && heap->settle != NULL; i++) {
        heap->settle(&heap->entries[i]);
    }
    qsort(heap->entries, heap->count, sizeof *heap->entries, compare_sequences);
    for (uint32_t i = 0; i < heap->count; i++) {
        heap->entries[i].alarm->sequence = i + 1;
    }
    qsort(heap->entries, heap->count, sizeof *heap->entries, compare_entries);
    for (uint32_t i = 0; i < heap->count; i++) {
        heap->entries[i].alarm->position = i + 1;
    }
}

/* A child has the same deadline as the entry, so that their order hangs on the sequence. */
static bool ties_with_child(const struct eddy_heap *heap, uint32_t index)
{
    uint64_t first = (uint64_t)index * ARITY + 1;
    uint64_t end = first + ARITY < heap->count ? first + ARITY : heap->count;

    for (uint64_t child = first; child < end; child++) {
        if (heap->entries[child].deadline == heap->entries[index].deadline) {
            return true;
        }
    }
    return false;
}

static void restart(struct eddy_heap *heap, uint32_t index, struct eddy_heap_entry entry)
{
    int64_t old = heap->entries[index].deadline;

    if (entry.deadline < old) {
        sift_up(heap, index, entry);
    } else if (entry.deadline == old || ties_with_child(heap, index)) {
        sift_down(heap, index, entry); /* its new sequence would stand before those below it */
    }
    /* Otherwise it only stays, stale, until it comes up. */
}

int eddy_heap_start(struct eddy_heap *heap, struct eddy_alarm *alarm, int64_t deadline)
{
    struct eddy_heap_entry entry = {deadline, alarm};

    if (!eddy_heap_has(alarm) && heap->count == heap->capacity && grow(heap) < 0) {
        return -ENOMEM;
    }
    if (heap->sequence == UINT32_MAX) {
        renumber(heap);
    }
    alarm->sequence = ++heap->sequence;
    if (eddy_heap_has(alarm)) {
        restart(heap, alarm->position - 1, entry);
    } else {
        sift_up(heap, heap->count++, entry);
    }
    return 0;
}

/* Only down: an entry that is put right stood too early. */
void eddy_heap_set(struct eddy_heap *heap, struct eddy_alarm *alarm, int64_t deadline)
{
    struct eddy_heap_entry entry = {deadline, alarm};

    sift_down(heap, alarm->position - 1, entry);
}

/* The last entry fills the hole, from where it may have to go either way: it need not be of the same
 * branch. */
void eddy_heap_remove(struct eddy_heap *heap, struct eddy_alarm *alarm)
{
    uint32_t index = alarm->position - 1;
    struct eddy_heap_entry last = heap->entries[--heap->count];

    alarm->position = 0;
    if (last.alarm == alarm) {
        return;
    }
    if (index > 0 && before(last, heap->entries[(index - 1) / ARITY])) {
        sift_up(heap, index, last);
    } else {
        sift_down(heap, index, last);
    }
}

int eddy_heap_check(const struct eddy_heap *heap)
{
    for (uint32_t i = 0; i < heap->count; i++) {
        if (heap->entries[i].alarm->position != i + 1) {
            return -EINVAL;
        }
        if (i > 0 && before(heap->entries[i], heap->entries[(i - 1) / ARITY])) {
            return -EINVAL;
        }
    }
    return 0;
}
