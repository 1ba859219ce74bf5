/*
 * All tasks at one moment: the tree of who spawned whom, and the graph of who must act.
 *
 * One block with a node a task, oldest first, so that a number is found by bisection; all links are
 * indices into it. Each step is linear or n log n, for a program of a million tasks is dumped, too.
 *
 *     parent, child, next       the tree; a parent that has ended is left out, its children are roots
 *     blocker                   the one task that must act: the holder of a lock, the joined task
 *     awaited, next_awaited     all that must act: the tasks of a gather, the clients of a server
 *     waiter, alike             how that list is made: what several wait for (the clients of a server) is
 *                               the list of the first, and becomes a node of its own between it, the
 *                               others, and the tasks: W waiters of C clients are W + C edges and not W * C
 *
 * A snapshot is taken and freed within one call, in which no task runs; what it points at does not
 * move. One may be taken while another is in use (the hook that is told of a leak may dump): they form
 * a stack, loop->snapshot being the newest.
 */
#include "look/snapshot.h"

#include <string.h>

/* ---- collecting */

/* How many tasks were spawned since: what is spawned first is oldest, also when the numbers have
 * begun anew. */
static uint32_t age_of(const struct eddy_task_record *task)
{
    return eddy_task_loop(task)->tasks->spawned - task->timed.ready.generation;
}

static void count_visitor(struct eddy_task_record *task, void *context)
{
    uint32_t *count = context;

    (void)task;
    ++*count;
}

static void clear_node(struct eddy_node *node)
{
    memset(node, 0, sizeof *node);
    node->parent = EDDY_NO_NODE;
    node->child = EDDY_NO_NODE;
    node->next = EDDY_NO_NODE;
    node->blocker = EDDY_NO_NODE;
    node->waiter = EDDY_NO_NODE;
    node->alike = EDDY_NO_NODE;
    node->awaited = EDDY_NO_NODE;
    node->next_awaited = EDDY_NO_NODE;
}

static void collect_visitor(struct eddy_task_record *task, void *context)
{
    struct eddy_snapshot *snapshot = context;
    struct eddy_node *node = &snapshot->nodes[snapshot->count++];

    clear_node(node);
    node->task = task;
}

/* Oldest first. Shell's sort: in place, for libc's may take memory behind the loop's back. Records
 * come nearly in order. */
static void sort(struct eddy_node *nodes, uint32_t count)
{
    for (uint32_t gap = count; gap > 1;) {
        gap = gap < 5 ? 1 : (uint32_t)((uint64_t)gap * 5 / 11);
        for (uint32_t i = gap; i < count; i++) {
            struct eddy_node node = nodes[i];
            uint32_t age = age_of(node.task);
            uint32_t j = i;
            for (; j >= gap && age_of(nodes[j - gap].task) < age; j -= gap) {
                nodes[j] = nodes[j - gap];
            }
            nodes[j] = node;
        }
    }
}

/* The node of the task that was `age` spawns ago. */
static uint32_t find(const struct eddy_snapshot *snapshot, uint32_t age)
{
    uint32_t low = 0;
    uint32_t high = snapshot->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (age_of(snapshot->nodes[middle].task) > age) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < snapshot->count && age_of(snapshot->nodes[low].task) == age ? low : EDDY_NO_NODE;
}

/* ---- the tree */

/* The node of the task's parent, if that lives. A parent is older than its child, or its number
 * belongs to another task by now. */
static uint32_t find_parent(const struct eddy_snapshot *snapshot,
                            const struct eddy_task_record *task)
{
    uint32_t age = eddy_task_loop(task)->tasks->spawned - task->parent;
    uint32_t parent = task->parent != 0 && age > age_of(task) ? find(snapshot, age) : EDDY_NO_NODE;

    if (parent != EDDY_NO_NODE &&
        snapshot->nodes[parent].task->timed.ready.state == EDDY_TASK_DONE_) {
        return EDDY_NO_NODE;
    }
    return parent;
}

/* Youngest first, each in front of its siblings, so that they stand in order. */
static void link_tree(struct eddy_snapshot *snapshot)
{
    struct eddy_node *nodes = snapshot->nodes;

    snapshot->first = EDDY_NO_NODE;
    for (uint32_t i = snapshot->count; i-- > 0;) {
        uint32_t *head;
        nodes[i].parent = find_parent(snapshot, nodes[i].task);
        head = nodes[i].parent == EDDY_NO_NODE ? &snapshot->first : &nodes[nodes[i].parent].child;
        nodes[i].next = *head;
        *head = i;
    }
}

/* ---- who must act: the waits themselves say, by `blocker` and `blockers` of their kind */

struct waiter {
    struct eddy_snapshot *snapshot;
    uint32_t node;
};

/* The record that a wait names may be gone already, while its end is told of. */
static uint32_t find_task(const struct eddy_snapshot *snapshot, const struct eddy_task_record *task)
{
    uint32_t i = find(snapshot, age_of(task));

    return i != EDDY_NO_NODE && snapshot->nodes[i].task == task ? i : EDDY_NO_NODE;
}

/* Of one that is another's already, all others are, too: there is no need to hear of them. */
static int found(struct eddy_task_record *task, void *context)
{
    const struct waiter *waiter = context;
    struct eddy_node *nodes = waiter->snapshot->nodes;
    uint32_t i = find_task(waiter->snapshot, task);

    waiter->snapshot->told++;
    if (i == EDDY_NO_NODE) {
        return 1;
    }
    if (nodes[i].waiter != EDDY_NO_NODE) {
        nodes[waiter->node].alike = nodes[i].waiter;
        return 0;
    }
    nodes[i].waiter = waiter->node;
    return 1;
}

static void link_blocker(struct eddy_snapshot *snapshot, uint32_t i)
{
    const struct eddy_task_record *task = snapshot->nodes[i].task;
    const struct eddy_wait_kind *wait = task->wait;
    const struct eddy_task_record *blocker;
    struct waiter waiter = {snapshot, i};

    if (task->timed.ready.state != EDDY_TASK_WAITING_) {
        return;
    }
    blocker = wait->blocker != NULL ? wait->blocker(task) : NULL;
    if (blocker != NULL) {
        snapshot->nodes[i].blocker = find_task(snapshot, blocker);
    } else if (wait->blockers != NULL) {
        wait->blockers(task, found, &waiter);
    }
}

/* What several tasks wait for becomes a node behind those of the tasks: 0, -ENOMEM. */
static int link_lists(struct eddy_snapshot *snapshot)
{
    struct eddy_pool *pool = &eddy_task_loop(snapshot->nodes[0].task)->pool;
    struct eddy_node *nodes = snapshot->nodes;
    uint32_t count = snapshot->count;
    uint32_t lists = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (nodes[i].alike != EDDY_NO_NODE && nodes[nodes[i].alike].alike == EDDY_NO_NODE) {
            nodes[nodes[i].alike].alike = count + lists++;
        }
    }
    if (lists == 0) {
        return 0;
    }
    nodes = eddy_pool_resize(pool, nodes, (size_t)count * sizeof *nodes,
                             ((size_t)count + lists) * sizeof *nodes);
    if (nodes == NULL) {
        return -ENOMEM;
    }
    snapshot->nodes = nodes;
    snapshot->lists = lists;
    for (uint32_t i = count; i < count + lists; i++) {
        clear_node(&nodes[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (nodes[i].alike != EDDY_NO_NODE) {
            bool first = nodes[i].alike >= count;
            nodes[i].blocker = first ? nodes[i].alike : nodes[nodes[i].alike].alike;
            if (first) {
                nodes[nodes[i].alike].awaited = nodes[i].awaited;
            }
        }
    }
    return 0;
}

/* Youngest first, each in front of the others of its waiter. 0, -ENOMEM. */
static int link_blockers(struct eddy_snapshot *snapshot)
{
    struct eddy_node *nodes = snapshot->nodes;

    for (uint32_t i = 0; i < snapshot->count; i++) {
        link_blocker(snapshot, i);
    }
    for (uint32_t i = snapshot->count; i-- > 0;) {
        if (nodes[i].waiter != EDDY_NO_NODE) {
            nodes[i].next_awaited = nodes[nodes[i].waiter].awaited;
            nodes[nodes[i].waiter].awaited = i;
        }
    }
    return link_lists(snapshot);
}

/* ---- who stands where in a line */

/* The whole line is numbered when the first in it is asked for, so that a thousand waiters of one lock are
 * walked once and not a thousand times. */
size_t eddy_snapshot_position(struct eddy_snapshot *snapshot, const struct eddy_waiters *line,
                              const struct eddy_task_record *task)
{
    uint32_t asked = find_task(snapshot, task);
    uint32_t place = 0;

    if (asked == EDDY_NO_NODE || snapshot->nodes[asked].place != 0) {
        return asked == EDDY_NO_NODE ? 0 : snapshot->nodes[asked].place;
    }
    for (const struct eddy_link *link = eddy_list_front(&line->tasks); link != &line->tasks;
         link = link->next) {
        uint32_t i = find_task(snapshot, (const struct eddy_task_record *)(const void *)link);
        place++;
        snapshot->placed++;
        if (i != EDDY_NO_NODE) {
            snapshot->nodes[i].place = place;
        }
    }
    return snapshot->nodes[asked].place;
}

/* ---- taking it */

int eddy_snapshot_take(eddy_loop *loop, struct eddy_snapshot *snapshot)
{
    uint32_t count = 0;

    eddy_loop_here(loop, "a dump or a look at the tasks");
    memset(snapshot, 0, sizeof *snapshot);
    snapshot->first = EDDY_NO_NODE;
    snapshot->outer = loop->snapshot;
    loop->snapshot = snapshot;
    if (loop->tasks != NULL) {
        eddy_task_each(loop, count_visitor, &count);
    }
    if (count == 0) {
        return 0;
    }
    snapshot->nodes =
        eddy_pool_resize(&loop->pool, NULL, 0, (size_t)count * sizeof *snapshot->nodes);
    if (snapshot->nodes == NULL) {
        loop->snapshot = snapshot->outer;
        return -ENOMEM;
    }
    eddy_task_each(loop, collect_visitor, snapshot);
    sort(snapshot->nodes, count);
    link_tree(snapshot);
    if (link_blockers(snapshot) < 0) {
        eddy_snapshot_free(loop, snapshot);
        snapshot->nodes = NULL;
        snapshot->count = 0;
        snapshot->first = EDDY_NO_NODE;
        return -ENOMEM;
    }
    eddy_snapshot_find_circles(snapshot);
    return 0;
}

void eddy_snapshot_free(eddy_loop *loop, struct eddy_snapshot *snapshot)
{
    loop->snapshot = snapshot->outer;
    if (snapshot->nodes != NULL) {
        eddy_pool_resize(&loop->pool, snapshot->nodes,
                         ((size_t)snapshot->count + snapshot->lists) * sizeof *snapshot->nodes, 0);
    }
}

void eddy_snapshot_with_lines(eddy_loop *loop, void (*function)(eddy_loop *loop))
{
    struct eddy_snapshot snapshot;
    bool taken = eddy_snapshot_take(loop, &snapshot) == 0;

    function(loop);
    if (taken) {
        eddy_snapshot_free(loop, &snapshot);
    }
}

void eddy_each_in_circles(eddy_loop *loop, eddy_circle_fn *visit, void *context)
{
    struct eddy_snapshot snapshot;

    if (eddy_snapshot_take(loop, &snapshot) == 0) {
        eddy_snapshot_each_in_circles(&snapshot, visit, context);
        eddy_snapshot_free(loop, &snapshot);
    }
}
