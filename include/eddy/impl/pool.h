/*
 * The frame pool: memory in size classes, each with a free list. What is given back is kept for the next
 * frame of its class: small blocks until the loop is freed, larger ones up to a mebibyte of them.
 *
 * Only the words of coro.h use what is declared here.
 */
#ifndef EDDY_IMPL_POOL_H
#define EDDY_IMPL_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "eddy/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The loop's allocator: loop.h says what it promises. */
typedef void *eddy_allocate_fn(void *user, void *memory, size_t old_size, size_t new_size);

/* Classes 1..64 hold blocks of 8, 16, ... 512 bytes; what is larger has a class of its own size
 * doublings. A block of a class whose size is a multiple of 16 is aligned to 16, also where malloc's
 * are to 8 only. */
#define EDDY_POOL_STEP 8u
#define EDDY_POOL_SMALL 512u
#define EDDY_POOL_CLASSES (EDDY_POOL_SMALL / EDDY_POOL_STEP + 1)
#define EDDY_POOL_SLABS 9 /* the larger sizes; the last is any that is larger still, by itself */
#define EDDY_POOL_OVERSIZE (EDDY_POOL_SLABS - 1)

/* The class of a block, or 0 if it is not one of the small ones. A constant for a constant size. */
#define EDDY_POOL_CLASS(size) \
    ((size) <= EDDY_POOL_SMALL ? ((unsigned)(size) + EDDY_POOL_STEP - 1u) / EDDY_POOL_STEP : 0u)

struct eddy_pool_block {
    struct eddy_pool_block *next; /* the next free block of the class */
};

/* Where lines of tasks may lie that somebody stands in: by address, in steps of the largest small
 * block, so that a small frame looks at one mark. */
#define EDDY_POOL_MARKS 256u
#define EDDY_POOL_MARK(address) (((uintptr_t)(address) / EDDY_POOL_SMALL) % EDDY_POOL_MARKS)

struct eddy_pool {
    struct eddy_pool_block *free[EDDY_POOL_CLASSES]; /* by small class; [0] stays empty */
    uint8_t lines[EDDY_POOL_MARKS]; /* 0: no frame that begins there has a line with a task */
    char *fresh;                    /* what is left of the newest chunk */
    char *fresh_end;
    struct eddy_pool_chunk *chunks; /* all chunks and slabs, to be freed with the loop */
    /* of large blocks, by size: those with room that are in use, and empty ones */
    struct eddy_slab *slabs[EDDY_POOL_SLABS];
    struct eddy_slab *empty_slabs[EDDY_POOL_SLABS];
    size_t slab_size;  /* of the next slab: they double, too; 0: none yet */
    size_t kept;       /* bytes of empty slabs */
    size_t chunk_size; /* of the next chunk: they double, up to a limit */
    eddy_allocate_fn *allocate;
    void *allocate_user;
};

/* Set where AddressSanitizer is on: then no free list is touched outside the library. */
#if defined(__SANITIZE_ADDRESS__)
#define EDDY_POOL_POISONED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EDDY_POOL_POISONED 1
#endif
#endif

/* A block of at least `size` bytes, not cleared, or NULL if there is no memory. */
EDDY_API void *eddy_pool_take(struct eddy_pool *pool, size_t size, unsigned *pool_class);

/* Gives a block back that eddy_pool_take returned with that class. */
EDDY_API void eddy_pool_give(struct eddy_pool *pool, void *block, unsigned pool_class);

#ifdef __cplusplus
}
#endif

#endif
