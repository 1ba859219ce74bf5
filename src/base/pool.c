/*
 * The loop's memory: classes of sizes, each with a free list.
 *
 *     size              lies in                                          given back, it goes
 *     up to 512         a chunk: blocks of these classes, one behind     to its free list, for good
 *                       the other | fresh ... fresh_end
 *     up to 128 KiB     a slab of its size (slab.c)                      to its slab, which is freed
 *                                                                        when it is empty
 *     more (OVERSIZE)   a slab of its own                                likewise: at once
 *
 * Small blocks go back to their free list and never to the allocator, for a frame that was needed once will
 * be needed again; so a call that returns costs two loads and two stores, and a loop that has warmed
 * up never allocates.
 *
 * A block does not know its class: whoever takes it keeps the class beside it, for a header would be 8
 * bytes or more a frame. What is given back is not checked; AddressSanitizer sees a free block
 * poisoned.
 *
 * Blocks of a multiple of 16 bytes are aligned to 16, as frames promise. Those of 8, 24, ... are not:
 * what is carved may leave the rest misaligned, and the next larger block skips 8 bytes.
 */
#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/chunk.h"
#include "base/slab.h"

enum {
    SMALL_CLASSES = EDDY_POOL_SMALL / EDDY_POOL_STEP,
    LARGEST_SHIFT = EDDY_POOL_SLABS - 1, /* doublings of EDDY_POOL_SMALL that are classes */
    FIRST_CHUNK = 4096,
    LAST_CHUNK = 256 * 1024,
    OVERSIZE = 255 /* the class of a block that is larger still: it has a slab of its own */
};

static void *allocate_with_libc(void *user, void *memory, size_t old_size, size_t new_size)
{
    (void)user;
    (void)old_size;
    if (new_size == 0) {
        free(memory);
        return NULL;
    }
    return realloc(memory, new_size);
}

void eddy_pool_init(struct eddy_pool *pool, eddy_allocate_fn *allocate, void *user)
{
    memset(pool, 0, sizeof *pool);
    pool->allocate = allocate != NULL ? allocate : allocate_with_libc;
    pool->allocate_user = user;
    pool->chunk_size = FIRST_CHUNK;
}

void eddy_pool_fini(struct eddy_pool *pool)
{
    eddy_chunks_free(pool);
}

void *eddy_pool_resize(struct eddy_pool *pool, void *memory, size_t old_size, size_t new_size)
{
    return pool->allocate(pool->allocate_user, memory, old_size, new_size);
}

/* 0 is no class, so that EDDY_POOL_CLASS can say with it "not a small one". */
unsigned eddy_pool_class_of(size_t size)
{
    unsigned doublings = 1;

    if (size <= EDDY_POOL_SMALL) {
        return size == 0 ? 1 : EDDY_POOL_CLASS(size);
    }
    while (doublings <= LARGEST_SHIFT && size > (size_t)EDDY_POOL_SMALL << doublings) {
        doublings++;
    }
    return doublings > LARGEST_SHIFT ? OVERSIZE : SMALL_CLASSES + doublings;
}

static size_t class_size(unsigned pool_class)
{
    return pool_class <= SMALL_CLASSES ? (size_t)pool_class * EDDY_POOL_STEP
                                       : (size_t)EDDY_POOL_SMALL << (pool_class - SMALL_CLASSES);
}

size_t eddy_pool_block_size(const void *block, unsigned pool_class)
{
    return pool_class == OVERSIZE ? eddy_slab_block_size(block) : class_size(pool_class);
}

/* Starts a new chunk that has room for at least one block of that size. */
static int refill(struct eddy_pool *pool, size_t size)
{
    size_t room = pool->chunk_size - eddy_chunk_overhead();
    struct eddy_pool_chunk *chunk;

    if (room < size) { /* a test wants each block to be a chunk */
        room = size;
    }
    chunk = eddy_chunk_new(pool, room);
    if (chunk == NULL && room > size) {
        room = size; /* memory is short: be modest */
        chunk = eddy_chunk_new(pool, room);
    }
    if (chunk == NULL) {
        return 0;
    }
    pool->fresh = eddy_chunk_room(chunk);
    pool->fresh_end = pool->fresh + room;
    if (pool->chunk_size < LAST_CHUNK) {
        pool->chunk_size *= 2;
    }
    ASAN_POISON_MEMORY_REGION(pool->fresh, room);
    return 1;
}

/* What is left of a chunk that is too small is given up: less than a block of that size. */
static void *carve(struct eddy_pool *pool, unsigned pool_class)
{
    size_t size = class_size(pool_class);
    uintptr_t misaligned = (uintptr_t)pool->fresh % EDDY_BLOCK_ALIGNMENT;
    size_t skip =
        misaligned != 0 && size % EDDY_BLOCK_ALIGNMENT == 0 ? EDDY_BLOCK_ALIGNMENT - misaligned : 0;
    char *block;

    if ((size_t)(pool->fresh_end - pool->fresh) < size + skip) {
        if (!refill(pool, size)) {
            return NULL;
        }
        skip = 0;
    }
    block = pool->fresh + skip;
    pool->fresh = block + size;
    ASAN_UNPOISON_MEMORY_REGION(block, size);
    return block;
}

static void *take_large(struct eddy_pool *pool, size_t size, unsigned pool_class)
{
    if (pool_class != OVERSIZE) {
        return eddy_slab_take(pool, class_size(pool_class), pool_class - SMALL_CLASSES - 1);
    }
    if (size > SIZE_MAX - EDDY_BLOCK_ALIGNMENT) {
        return NULL;
    }
    size = (size + EDDY_BLOCK_ALIGNMENT - 1) / EDDY_BLOCK_ALIGNMENT * EDDY_BLOCK_ALIGNMENT;
    return eddy_slab_take(pool, size, EDDY_POOL_OVERSIZE);
}

void *eddy_pool_take(struct eddy_pool *pool, size_t size, unsigned *pool_class)
{
    unsigned wanted = eddy_pool_class_of(size);
    struct eddy_pool_block *block;

    *pool_class = wanted;
    if (wanted > SMALL_CLASSES) {
        return take_large(pool, size, wanted);
    }
    block = pool->free[wanted];
    if (block == NULL) {
        return carve(pool, wanted);
    }
    ASAN_UNPOISON_MEMORY_REGION(block, class_size(wanted));
    pool->free[wanted] = block->next;
    return block;
}

void eddy_pool_give(struct eddy_pool *pool, void *memory, unsigned pool_class)
{
    struct eddy_pool_block *block = memory;

    if (pool_class > SMALL_CLASSES) {
        eddy_slab_give(pool, memory);
        return;
    }
    block->next = pool->free[pool_class];
    pool->free[pool_class] = block;
    ASAN_POISON_MEMORY_REGION(block, class_size(pool_class));
}
