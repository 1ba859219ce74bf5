/* Bytes that wait in blocks of the loop's pool, to be taken off at the front: what a writer holds. */
#ifndef EDDY_SRC_CHAIN_H
#define EDDY_SRC_CHAIN_H

#include <sys/uio.h>

#include "base/pool.h"
#include "eddy/writer.h"

struct eddy_chain_block {
    struct eddy_chain_block *next;
    size_t begin; /* the bytes are bytes[begin] to bytes[end - 1] */
    size_t end;
    size_t room; /* of `bytes` */
    unsigned pool_class;
    char bytes[];
};

/* Sees to it that `size` bytes in a row fit behind the last one: where they go, or NULL: no memory. Until
 * eddy_chain_added nothing has changed but memory. */
char *eddy_chain_reserve(struct eddy_pool *pool, struct eddy_chain *chain, size_t size);

/* How many fit there without any new memory. */
size_t eddy_chain_room(const struct eddy_chain *chain);

/* So many of the bytes that were reserved last are written. */
void eddy_chain_added(struct eddy_chain *chain, size_t size);

/* Adds a copy of all of it, or -ENOMEM. */
int eddy_chain_add(struct eddy_pool *pool, struct eddy_chain *chain, const void *data, size_t size);

/* The first bytes, `bytes` of them or fewer, in `most` pieces at most; how many pieces. */
int eddy_chain_pieces(const struct eddy_chain *chain, size_t bytes, struct iovec *pieces, int most);

/* Takes so many off at the front. A chain without bytes has no blocks. */
void eddy_chain_drop(struct eddy_pool *pool, struct eddy_chain *chain, size_t size);

#endif
