/* Memory from the loop's allocator, in pieces that the pool cuts up. */
#ifndef EDDY_SRC_CHUNK_H
#define EDDY_SRC_CHUNK_H

#include "eddy/impl/pool.h"

/* Under AddressSanitizer every free block is poisoned, so that a use after free is seen although
 * the memory never went back to malloc. */
#ifdef EDDY_POOL_POISONED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

enum { EDDY_BLOCK_ALIGNMENT = 16 };

/* The head of a chunk; its room is behind it, aligned to EDDY_BLOCK_ALIGNMENT. */
struct eddy_pool_chunk {
    struct eddy_pool_chunk *next, *prev; /* in the list of the pool's, newest first */
    size_t size;                         /* as it was asked for, all of it */
    size_t padding;                      /* how far behind the allocator's block it begins */
};

/* What a chunk takes besides its room. */
size_t eddy_chunk_overhead(void);

/* A chunk with that much room, or NULL. */
struct eddy_pool_chunk *eddy_chunk_new(struct eddy_pool *pool, size_t room);
void eddy_chunk_free(struct eddy_pool *pool, struct eddy_pool_chunk *chunk);

/* All that there are. */
void eddy_chunks_free(struct eddy_pool *pool);

static inline void *eddy_chunk_room(struct eddy_pool_chunk *chunk)
{
    return chunk + 1;
}

#endif
