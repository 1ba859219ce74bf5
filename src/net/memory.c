/*
 * Pairs of streams in memory: two rings of bytes, one a direction, and who has to be told of them.
 *
 * Both ends lie in one block with the rings, which goes with the second end. An end that was told -EAGAIN is
 * `hungry` or `full`, and is told when that changes, once: what nobody waits for costs nothing. Telling wakes
 * tasks and moves no bytes (transport.c), so ends that are copied to each other do not recur.
 *
 * Of the ring that leads to an end: `shut`, its writer has shut it or is closed; `deaf`, the end that reads
 * it is closed.
 */
#include "eddy/memory.h"

#include <stdio.h>
#include <string.h>

#include "net/stream_internal.h"

struct ring {
    char *bytes;
    size_t begin; /* of what is unread */
    size_t count;
    bool shut;
    bool deaf;
};

struct end {
    eddy_transport transport; /* first */
    struct pair *pair;
    struct ring in;
    bool hungry; /* it is told when something comes */
    bool full;   /* it is told when there is room in the other end's ring */
};

struct pair {
    struct end ends[2];
    int open;
    size_t capacity;
    unsigned pool_class;
    char bytes[];
};

static struct end *end_of(const eddy_transport *transport)
{
    return (struct end *)(uintptr_t)transport;
}

static struct end *other_of(struct end *end)
{
    return end == &end->pair->ends[0] ? &end->pair->ends[1] : &end->pair->ends[0];
}

/* ---- rings */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t take(struct ring *ring, size_t capacity, char *buffer, size_t size)
{
    size_t count = least(ring->count, size);
    size_t first = least(count, capacity - ring->begin);

    if (count > 0) {
        memcpy(buffer, ring->bytes + ring->begin, first);
        memcpy(buffer + first, ring->bytes, count - first);
        ring->begin = (ring->begin + count) % capacity;
        ring->count -= count;
    }
    return count;
}

static size_t put(struct ring *ring, size_t capacity, const char *data, size_t size)
{
    size_t count = least(capacity - ring->count, size);
    size_t at = (ring->begin + ring->count) % capacity;
    size_t first = least(count, capacity - at);

    memcpy(ring->bytes + at, data, first);
    memcpy(ring->bytes, data + first, count - first);
    ring->count += count;
    return count;
}

/* ---- what a transport does */

static void tell_of_bytes(struct end *end)
{
    if (end->hungry) {
        end->hungry = false;
        eddy_transport_ready(&end->transport, EDDY_READ);
    }
}

static void tell_of_room(struct end *end)
{
    if (end->full) {
        end->full = false;
        eddy_transport_ready(&end->transport, EDDY_WRITE);
    }
}

static int64_t memory_read(eddy_transport *transport, void *buffer, size_t size)
{
    struct end *end = end_of(transport);
    size_t count = take(&end->in, end->pair->capacity, buffer, size);

    if (count > 0) {
        tell_of_room(other_of(end));
    } else if (size > 0 && !end->in.shut) {
        end->hungry = true;
        return -EAGAIN;
    }
    return (int64_t)count;
}

static int64_t memory_write(eddy_transport *transport, const void *data, size_t size)
{
    struct end *end = end_of(transport);
    struct end *other = other_of(end);
    size_t count;

    if (other->in.shut || other->in.deaf) {
        return -EPIPE;
    }
    count = put(&other->in, end->pair->capacity, data, size);
    if (count == 0) {
        end->full = true;
        return -EAGAIN;
    }
    tell_of_bytes(other);
    return (int64_t)count;
}

static int memory_shutdown_write(eddy_transport *transport)
{
    struct end *other = other_of(end_of(transport));

    other->in.shut = true;
    tell_of_bytes(other);
    return 0;
}

static void memory_close(eddy_transport *transport, int fd)
{
    struct end *end = end_of(transport);
    struct end *other = other_of(end);
    struct pair *pair = end->pair;
    eddy_loop *loop = transport->loop;

    (void)fd;
    other->in.shut = true;
    end->in.deaf = true;
    pair->open--;
    if (pair->open == 0) {
        eddy_pool_give(&loop->pool, pair, pair->pool_class);
    } else {
        eddy_transport_ready(&other->transport, EDDY_READ | EDDY_WRITE | EDDY_HANGUP);
    }
}

static int memory_unsent(eddy_transport *transport)
{
    size_t count = other_of(end_of(transport))->in.count;

    return count < INT32_MAX ? (int)count : INT32_MAX;
}

static void memory_describe(const eddy_transport *transport, char *text, size_t size)
{
    struct end *end = end_of(transport);

    snprintf(text, size, "memory, %zu to read, %zu of %zu unread by the other end", end->in.count,
             other_of(end)->in.count, end->pair->capacity);
}

static const struct eddy_transport_kind memory_kind = {
    .name = "memory",
    .read = memory_read,
    .write = memory_write,
    .shutdown_write = memory_shutdown_write,
    .close = memory_close,
    .unsent = memory_unsent,
    .describe = memory_describe,
    .inside = true,
};

/* ---- opening */

static struct pair *pair_new(eddy_loop *loop, size_t capacity)
{
    unsigned pool_class;
    size_t size = sizeof(struct pair) + 2 * capacity;
    struct pair *pair = eddy_pool_take(&loop->pool, size, &pool_class);

    if (pair != NULL) {
        memset(pair, 0, sizeof *pair);
        pair->capacity = capacity;
        pair->pool_class = pool_class;
        for (int i = 0; i < 2; i++) {
            pair->ends[i].transport.kind = &memory_kind;
            pair->ends[i].pair = pair;
            pair->ends[i].hungry = true; /* it is known to be empty */
            pair->ends[i].in.bytes = pair->bytes + (size_t)i * capacity;
        }
    }
    return pair;
}

int eddy_memory_pair_(eddy_loop *loop, eddy_stream *one, eddy_stream *other, size_t capacity,
                      const char *place)
{
    struct pair *pair;
    int result;

    eddy_loop_here(loop, "eddy_memory_pair");
    if (one == other || eddy_stream_is_open(one) || eddy_stream_is_open(other) || capacity == 0 ||
        capacity > SIZE_MAX / 4) {
        return -EINVAL;
    }
    pair = pair_new(loop, capacity);
    if (pair == NULL) {
        return -ENOMEM;
    }
    pair->open = 2;
    result = eddy_stream_open_transport_(loop, one, &pair->ends[0].transport, -1, place);
    if (result == 0) {
        result = eddy_stream_open_transport_(loop, other, &pair->ends[1].transport, -1, place);
        if (result < 0) {
            (void)eddy_stream_disown(one);
        }
    }
    if (result < 0) {
        eddy_pool_give(&loop->pool, pair, pair->pool_class);
        return result;
    }
    one->state &= ~(uint32_t)EDDY_READ;
    other->state &= ~(uint32_t)EDDY_READ;
    return 0;
}

int(eddy_memory_pair)(eddy_loop *loop, eddy_stream *one, eddy_stream *other, size_t capacity)
{
    return eddy_memory_pair_(loop, one, other, capacity, NULL);
}
