/*
 * Chains: bytes that wait, in blocks of the pool.
 *
 *     first -> | taken, bytes | -> | bytes | -> last | bytes, room |
 *
 * Bytes are added at the end and taken off at the front, and never move between. A piece that is added takes
 * one new block at most, as large as the rest of it needs, so that there is one place where memory can be
 * missing, before anything has changed. A chain that is empty holds nothing: a writer of which nothing is
 * left costs its struct. Only a block that was reserved and not used may be empty, at the end.
 */
#include "net/chain.h"

#include <errno.h>
#include <string.h>

enum { BLOCK_SIZE = 4096 }; /* at least, with its head */

static struct eddy_chain_block *block_new(struct eddy_pool *pool, size_t room)
{
    size_t size = sizeof(struct eddy_chain_block) + room;
    struct eddy_chain_block *block;
    unsigned pool_class;

    if (size < room) {
        return NULL;
    }
    block = eddy_pool_take(pool, size < BLOCK_SIZE ? BLOCK_SIZE : size, &pool_class);
    if (block != NULL) {
        block->next = NULL;
        block->begin = 0;
        block->end = 0;
        block->room = eddy_pool_block_size(block, pool_class) - sizeof *block;
        block->pool_class = pool_class;
    }
    return block;
}

static void link_last(struct eddy_chain *chain, struct eddy_chain_block *block)
{
    *(chain->last != NULL ? &chain->last->next : &chain->first) = block;
    chain->last = block;
}

size_t eddy_chain_room(const struct eddy_chain *chain)
{
    return chain->last != NULL ? chain->last->room - chain->last->end : 0;
}

char *eddy_chain_reserve(struct eddy_pool *pool, struct eddy_chain *chain, size_t size)
{
    if (eddy_chain_room(chain) < size || chain->last == NULL) {
        struct eddy_chain_block *block = block_new(pool, size);
        if (block == NULL) {
            return NULL;
        }
        link_last(chain, block);
    }
    return chain->last->bytes + chain->last->end;
}

void eddy_chain_added(struct eddy_chain *chain, size_t size)
{
    chain->last->end += size;
    chain->size += size;
}

static void copy(struct eddy_chain *chain, const char *data, size_t size)
{
    memcpy(chain->last->bytes + chain->last->end, data, size);
    eddy_chain_added(chain, size);
}

int eddy_chain_add(struct eddy_pool *pool, struct eddy_chain *chain, const void *data, size_t size)
{
    size_t head = eddy_chain_room(chain);
    struct eddy_chain_block *block = NULL;

    head = size < head ? size : head;
    if (size > head) {
        block = block_new(pool, size - head);
        if (block == NULL) {
            return -ENOMEM;
        }
    }
    if (head > 0) {
        copy(chain, data, head);
    }
    if (block != NULL) {
        link_last(chain, block);
        copy(chain, (const char *)data + head, size - head);
    }
    return 0;
}

int eddy_chain_pieces(const struct eddy_chain *chain, size_t bytes, struct iovec *pieces, int most)
{
    int count = 0;

    for (struct eddy_chain_block *block = chain->first; block != NULL && bytes > 0 && count < most;
         block = block->next) {
        size_t size = block->end - block->begin;
        size = size < bytes ? size : bytes;
        if (size > 0) {
            pieces[count].iov_base = block->bytes + block->begin;
            pieces[count].iov_len = size;
            count++;
            bytes -= size;
        }
    }
    return count;
}

static void drop_first(struct eddy_pool *pool, struct eddy_chain *chain)
{
    struct eddy_chain_block *block = chain->first;

    chain->first = block->next;
    if (chain->first == NULL) {
        chain->last = NULL;
    }
    eddy_pool_give(pool, block, block->pool_class);
}

void eddy_chain_drop(struct eddy_pool *pool, struct eddy_chain *chain, size_t size)
{
    chain->size -= size;
    while (chain->first != NULL) {
        struct eddy_chain_block *block = chain->first;
        size_t count = block->end - block->begin;
        if (size < count) {
            block->begin += size;
            return;
        }
        size -= count;
        drop_first(pool, chain);
    }
}
