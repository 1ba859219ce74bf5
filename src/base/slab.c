/*
 * Large blocks, several of one size in a slab, which goes back to the allocator when it is empty.
 *
 *     a slab     head | owner, block | owner, block | ... | what was never used
 *     `owner`    16 bytes in front of each block that lead back to its slab
 *
 *     a slab is    it is in        a take                   a give
 *     in use       `slabs`         from its free blocks     to them
 *     full         no list         -                        makes it in use, or empty
 *     empty        `empty_slabs`   if none is in use        -
 *     gone         -               -                        of the last block, if enough is kept empty
 *
 * Small frames stay in the pool for ever, for they are needed again. What is large has a buffer in it, and of
 * those ten thousand clients who have left must not hold 16 KiB each. Single blocks given to malloc
 * would not do: they lie between small ones, and malloc gives only the end of its heap back to the
 * system. A slab is as large as what every malloc maps by itself (LAST_SLAB, 256 KiB), so that it really goes.
 * Empty ones are kept up to a mebibyte, for a loop that is busy; no timer is needed, which would
 * have to wake an idle one.
 *
 * Those in use are filled before an empty one, so that others get empty. The first slabs of a loop are
 * small, and double, as chunks do.
 */
#include "base/slab.h"

#include "base/chunk.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FIRST_SLAB = 4096,
    LAST_SLAB = 256 * 1024,
    MOST_KEPT = 1024 * 1024, /* bytes of empty slabs */
    OWNER_SIZE = EDDY_BLOCK_ALIGNMENT
};

struct eddy_slab {
    struct eddy_pool_chunk chunk;  /* first: it is a chunk of the pool's */
    struct eddy_slab *next, *prev; /* in a list of its size, while it is not full */
    struct eddy_pool_block *free;  /* blocks that were given back */
    size_t block_size;
    uint32_t used;  /* blocks that were taken at least once */
    uint32_t taken; /* now */
    uint32_t count; /* of its blocks */
    uint32_t which;
};

static size_t head_size(void)
{
    return (sizeof(struct eddy_slab) + EDDY_BLOCK_ALIGNMENT - 1) / EDDY_BLOCK_ALIGNMENT *
           EDDY_BLOCK_ALIGNMENT;
}

static struct eddy_slab **owner_of(const void *block)
{
    return (struct eddy_slab **)(uintptr_t)((uintptr_t)block - OWNER_SIZE);
}

/* ---- the lists */

static void leave(struct eddy_slab **list, struct eddy_slab *slab)
{
    *(slab->prev != NULL ? &slab->prev->next : list) = slab->next;
    if (slab->next != NULL) {
        slab->next->prev = slab->prev;
    }
}

static void enter(struct eddy_slab **list, struct eddy_slab *slab)
{
    slab->prev = NULL;
    slab->next = *list;
    *list = slab;
    if (slab->next != NULL) {
        slab->next->prev = slab;
    }
}

/* ---- slabs */

static size_t bytes_of(const struct eddy_slab *slab)
{
    return slab->count * (slab->block_size + OWNER_SIZE);
}

static struct eddy_slab *slab_new(struct eddy_pool *pool, size_t size, unsigned which)
{
    size_t each = size + OWNER_SIZE;
    size_t wanted = pool->slab_size > 0 ? pool->slab_size : FIRST_SLAB;
    uint32_t count = which == EDDY_POOL_OVERSIZE || each >= wanted ? 1 : (uint32_t)(wanted / each);
    size_t head = head_size() - sizeof(struct eddy_pool_chunk);
    struct eddy_slab *slab = NULL;

    if (size <= SIZE_MAX - OWNER_SIZE - head) {
        slab = (struct eddy_slab *)(void *)eddy_chunk_new(pool, head + count * each);
        if (slab == NULL && count > 1) { /* memory is short: be modest */
            count = 1;
            slab = (struct eddy_slab *)(void *)eddy_chunk_new(pool, head + each);
        }
    }
    if (slab == NULL) {
        return NULL;
    }
    pool->slab_size = wanted < LAST_SLAB ? 2 * wanted : LAST_SLAB;
    slab->free = NULL;
    slab->block_size = size;
    slab->used = 0;
    slab->taken = 0;
    slab->count = count;
    slab->which = which;
    ASAN_POISON_MEMORY_REGION((char *)slab + head_size(), count * each);
    return slab;
}

static void *slab_take(struct eddy_slab *slab)
{
    struct eddy_pool_block *block = slab->free;
    char *fresh = (char *)slab + head_size() + slab->used * (slab->block_size + OWNER_SIZE);

    slab->taken++;
    if (block != NULL) {
        ASAN_UNPOISON_MEMORY_REGION(block, slab->block_size);
        slab->free = block->next;
        return block;
    }
    ASAN_UNPOISON_MEMORY_REGION(fresh, slab->block_size + OWNER_SIZE);
    slab->used++;
    *(struct eddy_slab **)(void *)fresh = slab;
    return fresh + OWNER_SIZE;
}

/* One with room, which is in its list, or in none yet; NULL: no memory. */
static struct eddy_slab *find(struct eddy_pool *pool, size_t size, unsigned which)
{
    struct eddy_slab *slab = pool->slabs[which];

    if (slab == NULL && pool->empty_slabs[which] != NULL) {
        slab = pool->empty_slabs[which];
        leave(&pool->empty_slabs[which], slab);
        pool->kept -= bytes_of(slab);
        enter(&pool->slabs[which], slab);
    }
    if (slab == NULL) {
        slab = slab_new(pool, size, which);
        if (slab != NULL) {
            enter(&pool->slabs[which], slab);
        }
    }
    return slab;
}

void *eddy_slab_take(struct eddy_pool *pool, size_t size, unsigned which)
{
    struct eddy_slab *slab = find(pool, size, which);

    if (slab == NULL) {
        return NULL;
    }
    if (slab->taken + 1 == slab->count) {
        leave(&pool->slabs[which], slab);
    }
    return slab_take(slab);
}

/* Its last block was given back; it is in no list. */
static void became_empty(struct eddy_pool *pool, struct eddy_slab *slab)
{
    if (slab->which == EDDY_POOL_OVERSIZE || pool->kept + bytes_of(slab) > MOST_KEPT) {
        eddy_chunk_free(pool, &slab->chunk);
        return;
    }
    pool->kept += bytes_of(slab);
    enter(&pool->empty_slabs[slab->which], slab);
}

void eddy_slab_give(struct eddy_pool *pool, void *memory)
{
    struct eddy_slab *slab = *owner_of(memory);
    struct eddy_pool_block *block = memory;
    bool was_full = slab->taken == slab->count;

    slab->taken--;
    block->next = slab->free;
    slab->free = block;
    ASAN_POISON_MEMORY_REGION(block, slab->block_size);
    if (slab->taken > 0 && was_full) {
        enter(&pool->slabs[slab->which], slab);
    } else if (slab->taken == 0) {
        if (!was_full) {
            leave(&pool->slabs[slab->which], slab);
        }
        became_empty(pool, slab);
    }
}

size_t eddy_slab_block_size(const void *block)
{
    return (*owner_of(block))->block_size;
}
