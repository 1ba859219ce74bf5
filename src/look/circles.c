/*
 * Tasks that wait for themselves, by way of others. An edge goes from a task to each one that must
 * act before its wait can end: to its one blocker, such as the holder of a lock, or to all that it
 * waits for the end of. A circle is a set of tasks each of which can be reached from each: Tarjan's
 * strongly connected components, in a loop and not by recursion, for chains may be long.
 *
 * What several tasks wait for is a node without a task in between (snapshot.c). It is in the search like any
 * other, and nowhere in what is told: whoever has it as the next on his circle gets the one behind it.
 */
#include "look/snapshot.h"

struct search {
    struct eddy_snapshot *snapshot;
    uint32_t seen; /* how many nodes have been */
    uint32_t path; /* the newest of those of which it is still open whether they are in a circle */
};

static void enter(struct search *search, uint32_t i, uint32_t from)
{
    struct eddy_node *node = &search->snapshot->nodes[i];

    node->seen = ++search->seen;
    node->low = node->seen;
    node->edge = node->blocker != EDDY_NO_NODE ? node->blocker : node->awaited;
    node->from = from;
    node->below = search->path;
    search->path = i;
}

/* The node at which the next edge ends, or EDDY_NO_NODE. */
static uint32_t next_edge(struct eddy_snapshot *snapshot, struct eddy_node *node)
{
    const struct eddy_node *nodes = snapshot->nodes;
    uint32_t edge = node->edge;

    if (edge != EDDY_NO_NODE) {
        snapshot->edges++;
        node->edge = node->blocker != EDDY_NO_NODE ? EDDY_NO_NODE : nodes[edge].next_awaited;
    }
    return edge;
}

/* Of several tasks that must act, one in the same circle is told. */
static void choose_blocker(struct eddy_node *nodes, struct eddy_node *node)
{
    uint32_t i = node->blocker;

    if (i == EDDY_NO_NODE) {
        for (i = node->awaited; nodes[i].circle != node->circle; i = nodes[i].next_awaited) {}
        node->blocker = i;
    }
}

/* Where the circle begins to be told: at the oldest of the tasks that are met again when one goes
 * from blocker to blocker, from any of its own. */
static void choose_begin(struct eddy_snapshot *snapshot, uint32_t i)
{
    struct eddy_node *nodes = snapshot->nodes;
    uint32_t begin;

    for (; nodes[i].edge == EDDY_NO_NODE; i = nodes[i].blocker) {
        nodes[i].edge = i; /* been here */
    }
    begin = i;
    for (uint32_t next = nodes[i].blocker; next != i; next = nodes[next].blocker) {
        begin = next < begin ? next : begin;
    }
    nodes[snapshot->circles - 1].begin = begin;
}

/* The nodes of the path down to that one reach each other, and none below them. */
static void close_component(struct search *search, uint32_t root)
{
    struct eddy_snapshot *snapshot = search->snapshot;
    struct eddy_node *nodes = snapshot->nodes;
    bool circle = search->path != root || nodes[root].blocker == root || nodes[root].waiter == root;
    uint32_t newest = search->path;
    uint32_t end = nodes[root].below;

    snapshot->circles += circle;
    for (uint32_t i = newest; i != end; i = nodes[i].below) {
        nodes[i].low = 0;
        nodes[i].circle = circle ? snapshot->circles : 0;
    }
    search->path = end;
    if (!circle) {
        return;
    }
    for (uint32_t i = newest; i != end; i = nodes[i].below) {
        choose_blocker(nodes, &nodes[i]);
    }
    choose_begin(snapshot, root);
}

static void search_from(struct search *search, uint32_t i)
{
    struct eddy_node *nodes = search->snapshot->nodes;

    enter(search, i, EDDY_NO_NODE);
    while (i != EDDY_NO_NODE) {
        struct eddy_node *node = &nodes[i];
        uint32_t next = next_edge(search->snapshot, node);
        if (next == EDDY_NO_NODE) {
            if (node->low == node->seen) {
                close_component(search, i);
            } else if (node->low < nodes[node->from].low) {
                nodes[node->from].low = node->low;
            }
            i = node->from;
        } else if (nodes[next].seen == 0) {
            enter(search, next, i);
            i = next;
        } else if (nodes[next].low > 0 && nodes[next].seen < node->low) {
            node->low = nodes[next].seen;
        }
    }
}

/* The nodes of lists have done what they were for. */
static void leave_lists_out(struct eddy_snapshot *snapshot)
{
    struct eddy_node *nodes = snapshot->nodes;

    for (uint32_t i = 0; i < snapshot->count; i++) {
        if (nodes[i].blocker != EDDY_NO_NODE && nodes[i].blocker >= snapshot->count) {
            nodes[i].blocker = nodes[i].circle > 0 ? nodes[nodes[i].blocker].blocker : EDDY_NO_NODE;
        }
    }
}

void eddy_snapshot_find_circles(struct eddy_snapshot *snapshot)
{
    struct search search = {.snapshot = snapshot, .path = EDDY_NO_NODE};

    for (uint32_t i = 0; i < snapshot->count; i++) {
        if (snapshot->nodes[i].seen == 0) {
            search_from(&search, i);
        }
    }
    leave_lists_out(snapshot);
}

void eddy_snapshot_each_in_circles(const struct eddy_snapshot *snapshot, eddy_circle_fn *found,
                                   void *context)
{
    for (uint32_t circle = 1; circle <= snapshot->circles; circle++) {
        uint32_t first = snapshot->nodes[circle - 1].begin;
        uint32_t i = first;
        do {
            found(snapshot->nodes[i].task, circle, context);
            i = snapshot->nodes[i].blocker;
        } while (i != first);
        found(snapshot->nodes[first].task, circle, context);
    }
}
