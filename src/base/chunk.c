/*
 * Chunks: what the pool has of the loop's allocator.
 *
 *     allocator's block    padding | head | room
 *
 * The head is in front, in the chunk itself: nothing else is allocated to keep track of it, and all are in one
 * list, so that the end of the pool frees whatever is still taken. The room is aligned to 16, as
 * frames are promised to be. Every malloc of a machine of 64 bits gives that; on those of 32 it may be
 * half, and then the head moves up by the padding.
 */
#include "base/chunk.h"

#include <stdint.h>

enum {
    /* What every malloc keeps at least: on machines of 32 bits that may be half of it. */
    ALLOCATOR_ALIGNMENT = 2 * sizeof(void *) < EDDY_BLOCK_ALIGNMENT ? 8 : EDDY_BLOCK_ALIGNMENT,
    /* room to move a chunk up to where its room is aligned */
    SLACK = EDDY_BLOCK_ALIGNMENT - ALLOCATOR_ALIGNMENT,
    HEAD_SIZE = sizeof(struct eddy_pool_chunk)
};
_Static_assert(HEAD_SIZE % EDDY_BLOCK_ALIGNMENT == 0,
               "the room behind the head keeps its alignment");

size_t eddy_chunk_overhead(void)
{
    return HEAD_SIZE + SLACK;
}

struct eddy_pool_chunk *eddy_chunk_new(struct eddy_pool *pool, size_t room)
{
    size_t size = HEAD_SIZE + SLACK + room;
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
    return chunk;
}

static void give_to_allocator(struct eddy_pool *pool, struct eddy_pool_chunk *chunk)
{
    char *memory = (char *)chunk - chunk->padding;
    size_t size = chunk->size;

    ASAN_UNPOISON_MEMORY_REGION(memory, size);
    pool->allocate(pool->allocate_user, memory, size, 0);
}

void eddy_chunk_free(struct eddy_pool *pool, struct eddy_pool_chunk *chunk)
{
    *(chunk->prev != NULL ? &chunk->prev->next : &pool->chunks) = chunk->next;
    if (chunk->next != NULL) {
        chunk->next->prev = chunk->prev;
    }
    give_to_allocator(pool, chunk);
}

void eddy_chunks_free(struct eddy_pool *pool)
{
    struct eddy_pool_chunk *chunk = pool->chunks;

    while (chunk != NULL) {
        struct eddy_pool_chunk *next = chunk->next;
        give_to_allocator(pool, chunk);
        chunk = next;
    }
    pool->chunks = NULL;
}
