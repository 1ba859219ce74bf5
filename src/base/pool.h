/* The life of a pool; the loop owns one. */
#ifndef EDDY_SRC_POOL_H
#define EDDY_SRC_POOL_H

#include "eddy/impl/pool.h"

/* allocate NULL stands for realloc and free. */
void eddy_pool_init(struct eddy_pool *pool, eddy_allocate_fn *allocate, void *user);

/* Frees all chunks, whatever is still taken. */
void eddy_pool_fini(struct eddy_pool *pool);

/* The class of a block of that size; 255: it is too large for the pool, and is freed one by one. */
unsigned eddy_pool_class_of(size_t size);

/* The size of a block that was taken with that class. */
size_t eddy_pool_block_size(const void *block, unsigned pool_class);

/* Straight to the allocator, for arrays that grow. new_size 0 frees and returns NULL. */
void *eddy_pool_resize(struct eddy_pool *pool, void *memory, size_t old_size, size_t new_size);

#endif
