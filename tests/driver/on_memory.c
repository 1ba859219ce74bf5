/* Steps on a pair of streams in memory: the bytes of each direction are counted, and each says which it is. */
#include "driver.h"

static struct box *box(struct node *node)
{
    return box_of(node, node->reach);
}

/* Which end; a box has none if there was no memory for it. */
static eddy_stream *end(struct node *node)
{
    return &box(node)->ends[node->mode];
}

static bool has_end(struct node *node)
{
    node->mode = (int)below(2);
    return eddy_stream_is_open(end(node));
}

/* ---- reading */

static void came(struct node *node, const char *text, int64_t count)
{
    unsigned *number = &box(node)->came[node->mode];

    for (int64_t i = 0; i < count; i++) {
        if ((unsigned char)text[i] != (unsigned char)*number) {
            driver_fail("byte %u came as %d", *number, (unsigned char)text[i]);
        }
        ++*number;
    }
}

static int64_t begin_read(eddy_coro *co, struct node *node)
{
    node->count = 1 + (int)below(sizeof node->text - 1);
    return has_end(node) ? eddy_read(co, end(node), node->text, (size_t)node->count)
                         : eddy_pause(co);
}

static void end_read(struct node *node)
{
    if (eddy_stream_is_open(end(node))) {
        came(node, node->text, node->rc);
        require(node->rc != 0 || box(node)->shut[1 - node->mode]);
    }
}

static int64_t try_read(eddy_coro *co, struct node *node)
{
    char text[3];
    int64_t count;

    (void)co;
    if (has_end(node)) {
        count = eddy_try_read(end(node), text, sizeof text);
        came(node, text, count);
        require(count > 0 || count == -EAGAIN || count == -EBUSY ||
                (count == 0 && box(node)->shut[1 - node->mode]));
    }
    return 0;
}

static int64_t wait_for_bytes(eddy_coro *co, struct node *node)
{
    return has_end(node) ? eddy_readable(co, end(node)) : eddy_pause(co);
}

/* ---- writing: what a write that is cancelled has written the next one makes forgotten, so nobody waits */

static int64_t try_write(eddy_coro *co, struct node *node)
{
    char text[4];
    int64_t count;

    (void)co;
    if (has_end(node)) {
        unsigned *sent = &box(node)->sent[node->mode];
        for (unsigned i = 0; i < sizeof text; i++) {
            text[i] = (char)(*sent + i);
        }
        count = eddy_try_write(end(node), text, 1 + below(sizeof text));
        require(count > 0 || count == -EAGAIN || count == -EBUSY ||
                (count == -EPIPE && box(node)->shut[node->mode]));
        *sent += count > 0 ? (unsigned)count : 0;
    }
    return 0;
}

static int64_t wait_for_room(eddy_coro *co, struct node *node)
{
    return has_end(node) ? eddy_writable(co, end(node)) : eddy_pause(co);
}

static int64_t shut_end(eddy_coro *co, struct node *node)
{
    (void)co;
    if (has_end(node) && one_in(8)) {
        require(eddy_stream_shutdown_write(end(node)) == 0);
        box(node)->shut[node->mode] = true;
    }
    return 0;
}

const struct operation operations_on_memory[] = {
    {"read", LEAF, begin_read, end_read},
    {"try to read", INSTANT, try_read, NULL},
    {"wait for bytes", LEAF, wait_for_bytes, NULL},
    {"try to write", INSTANT, try_write, NULL},
    {"wait for room", LEAF, wait_for_room, NULL},
    {"shut an end", INSTANT, shut_end, NULL},
    {NULL, INSTANT, NULL, NULL},
};
