/* Steps that call other frames. */
#include "driver.h"

static int64_t call_program(eddy_coro *co, struct node *node)
{
    return eddy_call(co, program, .node = CALLED_BY(node));
}

/* In memory of the caller's, if that is free. */
static int64_t call_leaf(eddy_coro *co, struct node *node)
{
    node->mode = !node->leaf_lives;
    if (!node->mode) {
        return eddy_call(co, leaf, .home = node);
    }
    node->leaf_lives = true;
    return eddy_call_in(co, &node->leaf, leaf, .home = node);
}

static void end_call_leaf(struct node *node)
{
    if (node->mode) {
        node->leaf_lives = false;
    }
}

static int64_t call_grouping(eddy_coro *co, struct node *node)
{
    return eddy_call(co, grouping, .node = CALLED_BY(node));
}

static int64_t call_limited(eddy_coro *co, struct node *node)
{
    node->value = one_in(6) ? 0 : some_time();
    return eddy_call(co, limited, .node = CALLED_BY(node), .i = node->value);
}

static void end_call_limited(struct node *node)
{
    int64_t least = node->value < node->limit ? node->value : node->limit;

    require(node->rc != -ETIMEDOUT || world.clock.now >= eddy_deadline_after(node->began, least));
}

static int64_t call_holding(eddy_coro *co, struct node *node)
{
    return eddy_call(co, holding, .node = CALLED_BY(node), .box = box_of(node, node->reach),
                     .value = (int)below(3));
}

static int64_t call_looping(eddy_coro *co, struct node *node)
{
    return eddy_call(co, looping, .node = CALLED_BY(node));
}

static int64_t call_managed(eddy_coro *co, struct node *node)
{
    return eddy_call(co, managed, .node = CALLED_BY(node));
}

static int64_t call_completing(eddy_coro *co, struct node *node)
{
    return eddy_call(co, completing, .node = CALLED_BY(node));
}

/* No time-out comes out of a frame but out of the one with its block. */
static void no_time_out(struct node *node)
{
    require(node->rc != -ETIMEDOUT ||
            world.clock.now >= eddy_deadline_after(node->began, node->limit));
}

const struct operation operations_on_blocks[] = {
    {"a call", CALL, call_program, no_time_out},
    {"a call of a leaf", CALL, call_leaf, end_call_leaf},
    {"a block with a group", CALL, call_grouping, no_time_out},
    {"a block with a time-out", CALL, call_limited, end_call_limited},
    {"a block with a lock", CALL, call_holding, no_time_out},
    {"a loop over a generator", CALL, call_looping, no_time_out},
    {"a block with a manager", CALL, call_managed, no_time_out},
    {"a loop over ends", CALL, call_completing, no_time_out},
    {NULL, INSTANT, NULL, NULL},
};
