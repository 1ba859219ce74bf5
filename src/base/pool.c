/*
 * The loop's memory: classes of sizes, each with a free list, carved from chunks.
 *
 *     a chunk    header | blocks of any class, one behind the other | fresh ... fresh_end
 *     oversize   header | one block
 *
 * Blocks go back to their free list and never to the allocator, for a frame that was needed once will
 * be needed again; so a call that returns costs two loads and two stores, and a loop that has warmed up
 * never allocates. What is too large for that (more than 128 KiB, a buffer and no frame) is a chunk by
 * itself, in the same list, doubly linked so that it can be freed at once.
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

/* Under AddressSanitizer every free block is poisoned, so that a use after free is seen although
 * the memory never went back to malloc. */
#ifdef EDDY_POOL_POISONED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

enum {
    SMALL_CLASSES = EDDY_POOL_SMALL / EDDY_POOL_STEP,
    LARGEST_CLASS = EDDY_POOL_CLASSES - 1,
    LARGEST_SHIFT = LARGEST_CLASS - SMALL_CLASSES, /* doublings of EDDY_POOL_SMALL */
    BLOCK_ALIGNMENT = 16,
    /* What every malloc keeps at least: on machines of 32 bits that may be half of it. */
    ALLOCATOR_ALIGNMENT = 2 * sizeof(void *) < BLOCK_ALIGNMENT ? 8 : BLOCK_ALIGNMENT,
    /* room to move a chunk up to where its blocks are aligned */
    SLACK = BLOCK_ALIGNMENT - ALLOCATOR_ALIGNMENT,
    FIRST_CHUNK = 4096,
    LAST_CHUNK = 256 * 1024,
    OVERSIZE = 255 /* the class of a block too large for the pool: it has a header of its own */
};

struct eddy_pool_chunk {
    struct eddy_pool_chunk *next;
    struct eddy_pool_chunk *prev; /* only oversize blocks are freed one by one */
    size_t size;                  /* as it was asked for, all of it */
    size_t padding;               /* how far behind the allocator's block it begins */
};
enum { HEADER_SIZE = sizeof(struct eddy_pool_chunk) };
_Static_assert(HEADER_SIZE % BLOCK_ALIGNMENT == 0, "blocks behind the header keep their alignment");

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

static void give_to_allocator(struct eddy_pool *pool, struct eddy_pool_chunk *chunk)
{
    char *memory = (char *)chunk - chunk->padding;
    size_t size = chunk->size;

    ASAN_UNPOISON_MEMORY_REGION(memory, size);
    pool->allocate(pool->allocate_user, memory, size, 0);
}

void eddy_pool_fini(struct eddy_pool *pool)
{
    struct eddy_pool_chunk *chunk = pool->chunks;

    while (chunk != NULL) {
        struct eddy_pool_chunk *next = chunk->next;
        give_to_allocator(pool, chunk);
        chunk = next;
    }
    pool->chunks = NULL;
}

void *eddy_pool_resize(struct eddy_pool *pool, void *memory, size_t old_size, size_t new_size)
{
    return pool->allocate(pool->allocate_user, memory, old_size, new_size);
}

/* A chunk with room for `room` bytes behind its header, aligned and linked in. */
static void *chunk_new(struct eddy_pool *pool, size_t room)
{
    size_t size = HEADER_SIZE + SLACK + room;
    struct eddy_pool_chunk *chunk;
    size_t padding;
    char *memory;

    if (size < room) {
        return NULL;
    }
    memory = pool->allocate(pool->allocate_user, NULL, 0, size);
    if (memory == NULL) {
        return NULL;
    }
    padding = -(uintptr_t)memory & SLACK;
    chunk = (struct eddy_pool_chunk *)(void *)(memory + padding);
    chunk->padding = padding;
    chunk->next = pool->chunks;
    chunk->prev = NULL;
    chunk->size = size;
    if (pool->chunks != NULL) {
        pool->chunks->prev = chunk;
    }
    pool->chunks = chunk;
    return (char *)chunk + HEADER_SIZE;
}

static void chunk_free(struct eddy_pool *pool, struct eddy_pool_chunk *chunk)
{
    *(chunk->prev != NULL ? &chunk->prev->next : &pool->chunks) = chunk->next;
    if (chunk->next != NULL) {
        chunk->next->prev = chunk->prev;
    }
    give_to_allocator(pool, chunk);
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
    if (pool_class != OVERSIZE) {
        return class_size(pool_class);
    }
    return ((const struct eddy_pool_chunk *)(const void *)((const char *)block - HEADER_SIZE))
               ->size -
           (HEADER_SIZE + SLACK);
}

/* Starts a new chunk that has room for at least one block of that size. */
static int refill(struct eddy_pool *pool, size_t size)
{
    size_t room = pool->chunk_size - (HEADER_SIZE + SLACK);
    char *fresh;

    if (room < size) {
        room = size;
    }
    fresh = chunk_new(pool, room);
    if (fresh == NULL && room > size) {
        room = size; /* memory is short: be modest */
        fresh = chunk_new(pool, room);
    }
    if (fresh == NULL) {
        return 0;
    }
    pool->fresh = fresh;
    pool->fresh_end = fresh + room;
    if (pool->chunk_size < LAST_CHUNK) {
        pool->chunk_size *= 2;
    }
    ASAN_POISON_MEMORY_REGION(fresh, room);
    return 1;
}

/* What is left of a chunk that is too small is given up: less than a block of that size. */
static void *carve(struct eddy_pool *pool, unsigned pool_class)
{
    size_t size = class_size(pool_class);
    uintptr_t misaligned = (uintptr_t)pool->fresh % BLOCK_ALIGNMENT;
    size_t skip = misaligned != 0 && size % BLOCK_ALIGNMENT == 0 ? BLOCK_ALIGNMENT - misaligned : 0;
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

void *eddy_pool_take(struct eddy_pool *pool, size_t size, unsigned *pool_class)
{
    unsigned wanted = eddy_pool_class_of(size);
    struct eddy_pool_block *block;

    *pool_class = wanted;
    if (wanted == OVERSIZE) {
        return chunk_new(pool, size);
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

    if (pool_class == OVERSIZE) {
        chunk_free(pool, (struct eddy_pool_chunk *)(void *)((char *)memory - HEADER_SIZE));
        return;
    }
    block->next = pool->free[pool_class];
    pool->free[pool_class] = block;
    ASAN_POISON_MEMORY_REGION(block, class_size(pool_class));
}
