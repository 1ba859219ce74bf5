/* Large blocks of the pool: those of frames with buffers in them, and buffers. */
#ifndef EDDY_SRC_SLAB_H
#define EDDY_SRC_SLAB_H

#include "eddy/impl/pool.h"

/* A block of that size, a multiple of 16, from the slabs `which`: each has one size, but for
 * EDDY_POOL_OVERSIZE: any, and each block is freed by itself. NULL: no memory. */
void *eddy_slab_take(struct eddy_pool *pool, size_t size, unsigned which);
void eddy_slab_give(struct eddy_pool *pool, void *block);
size_t eddy_slab_block_size(const void *block);

#endif
