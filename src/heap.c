#include "heap.h"

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

static int compare_entries(const void *left, const void *right)
{
    const struct eddy_heap_entry *a = left;
    const struct eddy_heap_entry *b = right;

    return before(*a, *b) ? -1 : before(*b, *a);
}

/* The sequence has 32 bits: once in four thousand million starts the entries are numbered anew in
 * their order. A sorted array is a heap. */
static void renumber(struct eddy_heap *heap)
{
    if (heap->count > 0) {
        qsort(heap->entries, heap->count, sizeof *heap->entries, compare_entries);
    }
    for (uint32_t i = 0; i < heap->count; i++) {
        heap->entries[i].alarm->position = i + 1;
        heap->entries[i].alarm->sequence = i + 1;
    }
    heap->sequence = heap->count;
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
    if (!eddy_heap_has(alarm)) {
        sift_up(heap, heap->count++, entry);
        return 0;
    }
    if (deadline < eddy_heap_entry_of(heap, alarm)->deadline) {
        sift_up(heap, alarm->position - 1, entry);
    } else if (deadline == eddy_heap_entry_of(heap, alarm)->deadline) {
        sift_down(heap, alarm->position - 1, entry); /* now the last of its deadline */
    }
    return 0;
}

void eddy_heap_set(struct eddy_heap *heap, struct eddy_alarm *alarm, int64_t deadline)
{
    struct eddy_heap_entry entry = {deadline, alarm};

    sift_down(heap, alarm->position - 1, entry);
}

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
        /* Only the deadline: a stale parent may have a newer sequence than its child. */
        if (i > 0 && heap->entries[i].deadline < heap->entries[(i - 1) / ARITY].deadline) {
            return -EINVAL;
        }
    }
    return 0;
}
