/* Steps on time, and on what stands in boxes. */
#include "driver.h"

static struct box *box(struct node *node)
{
    return box_of(node, node->reach);
}

/* ---- time */

static int64_t begin_sleep(eddy_coro *co, struct node *node)
{
    return eddy_sleep(co, node->duration);
}

static void end_sleep(struct node *node)
{
    int64_t until = eddy_deadline_after(node->began, node->duration);

    if (node->rc == 0 && world.clock.now < until) {
        driver_fail("a sleep ends %lld ns early", (long long)(until - world.clock.now));
    }
    require(node->rc != 0 || world.jumps || world.clock.now == until);
}

static int64_t begin_pause(eddy_coro *co, struct node *node)
{
    (void)node;
    return eddy_pause(co);
}

const struct operation operations_on_time[] = {
    {"sleep", LEAF, begin_sleep, end_sleep},
    {"pause", LEAF, begin_pause, NULL},
    {NULL, INSTANT, NULL, NULL},
};

/* ---- locks and conditions */

static int64_t begin_acquire(eddy_coro *co, struct node *node)
{
    return eddy_lock_acquire(co, &box(node)->lock);
}

static void end_acquire(struct node *node)
{
    if (node->rc == 0) {
        gets_lock(box(node), node->me);
        node->holds[node->reach].lock = true;
    }
    require(node->rc != -EDEADLK || box(node)->holder == node->me);
}

static int64_t try_acquire(eddy_coro *co, struct node *node)
{
    node->rc = eddy_lock_try_acquire(co, &box(node)->lock);
    end_acquire(node);
    return 0;
}

/* Only what this frame holds: the frames that call it rely on theirs. */
static int64_t release(eddy_coro *co, struct node *node)
{
    if (node->holds[node->reach].lock) {
        gives_lock(box(node), node->me);
        node->holds[node->reach].lock = false;
        require(eddy_lock_release(co, &box(node)->lock) == 0);
    } else if (box(node)->holder != node->me) {
        require(eddy_lock_release(co, &box(node)->lock) == -EPERM);
    }
    return 0;
}

/* It gives the lock up meanwhile, if it has it; `mode` keeps that in mind. */
static void before_cond(struct node *node)
{
    node->mode = box(node)->holder == node->me;
    if (node->mode) {
        gives_lock(box(node), node->me);
    }
}

int64_t wait_for_cond(eddy_coro *co, struct node *node)
{
    int64_t rc;

    before_cond(node);
    rc = eddy_cond_wait(co, &box(node)->cond);
    require(rc != EDDY_PENDING || eddy_lock_holder(&box(node)->lock).record != co->task);
    return rc;
}

static bool event_is_set(void *argument)
{
    struct node *node = argument;

    touch(node);
    require(box(node)->holder == NULL);
    return eddy_event_is_set(&box(node)->event);
}

int64_t wait_for_predicate(eddy_coro *co, struct node *node)
{
    before_cond(node);
    return eddy_cond_wait_for(co, &box(node)->cond, event_is_set, node);
}

static void end_cond(struct node *node)
{
    if (node->mode) {
        require(node->rc != -EPERM);
        gets_lock(box(node), node->me); /* on every return */
    } else {
        require(node->rc < 0);
    }
}

static int64_t notify(eddy_coro *co, struct node *node)
{
    bool holds = box(node)->holder == node->me;
    int rc = eddy_cond_notify(co, &box(node)->cond, 1 + (int)below(2));

    require(holds ? rc >= 0 : rc == -EPERM);
    return 0;
}

/* ---- semaphores */

static int64_t begin_permit(eddy_coro *co, struct node *node)
{
    return eddy_semaphore_acquire(co, &box(node)->semaphore);
}

static void end_permit(struct node *node)
{
    if (node->rc == 0) {
        box(node)->out++;
        node->holds[node->reach].permits++;
        if (box(node)->out > PERMITS) {
            driver_fail("%u permits are out, of %d", box(node)->out, PERMITS);
        }
    }
}

static int64_t give_permit(eddy_coro *co, struct node *node)
{
    (void)co;
    if (node->holds[node->reach].permits > 0) {
        node->holds[node->reach].permits--;
        box(node)->out--;
        require(eddy_semaphore_release(&box(node)->semaphore) == 0);
    } else if (one_in(2)) {
        node->rc = eddy_semaphore_try_acquire(&box(node)->semaphore);
        end_permit(node);
    }
    return 0;
}

/* ---- events, futures, barriers */

int64_t wait_for_event(eddy_coro *co, struct node *node)
{
    return eddy_event_wait(co, &box(node)->event);
}

static int64_t set_event(eddy_coro *co, struct node *node)
{
    (void)co;
    if (!eddy_event_is_set(&box(node)->event)) {
        eddy_event_set(&box(node)->event);
        woken(box(node), wait_for_event);
    }
    if (!one_in(4)) {
        eddy_event_clear(&box(node)->event);
    }
    return 0;
}

int64_t wait_for_future(eddy_coro *co, struct node *node)
{
    return eddy_future_wait(co, &box(node)->future);
}

static int64_t set_future(eddy_coro *co, struct node *node)
{
    (void)co;
    if (eddy_future_set(&box(node)->future, VALUES) == 0) {
        woken(box(node), wait_for_future);
    }
    if (!one_in(4)) {
        eddy_future_reset(&box(node)->future);
    }
    return 0;
}

static int64_t meet(eddy_coro *co, struct node *node)
{
    return eddy_barrier_wait(co, &box(node)->barrier);
}

static int64_t abort_barrier(eddy_coro *co, struct node *node)
{
    (void)co;
    eddy_barrier_abort(&box(node)->barrier);
    if (!one_in(4)) {
        eddy_barrier_reset(&box(node)->barrier);
    }
    return 0;
}

/* ---- queues; a box has none if there was no memory for it */

static bool has_queue(struct node *node)
{
    return box(node)->queue.loop != NULL;
}

static int64_t begin_put(eddy_coro *co, struct node *node)
{
    node->mode = has_queue(node) && new_item(&node->item);
    return node->mode ? eddy_queue_put(co, &box(node)->queue, &node->item) : eddy_pause(co);
}

static void end_put(struct node *node)
{
    if (node->mode) {
        item_put(box(node), &node->item, node->rc);
    }
}

static int64_t begin_get(eddy_coro *co, struct node *node)
{
    node->mode = has_queue(node);
    return node->mode ? eddy_queue_get(co, &box(node)->queue, &node->item) : eddy_pause(co);
}

static void end_get(struct node *node)
{
    if (node->mode && node->rc == 0) {
        item_taken(box(node), &node->item);
        if (!one_in(4)) {
            require(eddy_queue_task_done(&box(node)->queue) == 0 || box(node)->dropped);
            box(node)->done++;
        }
    }
}

static int64_t try_queue(eddy_coro *co, struct node *node)
{
    struct item item;

    (void)co;
    if (!has_queue(node)) {
        return 0;
    }
    if (one_in(2)) {
        if (eddy_queue_try_get(&box(node)->queue, &item) == 0) {
            item_taken(box(node), &item);
        }
    } else if (new_item(&item)) {
        item_put(box(node), &item, eddy_queue_try_put(&box(node)->queue, &item));
    }
    return 0;
}

static int64_t join_queue(eddy_coro *co, struct node *node)
{
    return has_queue(node) ? eddy_queue_join(co, &box(node)->queue) : eddy_pause(co);
}

static int64_t shut_down(eddy_coro *co, struct node *node)
{
    bool drop = one_in(2);

    (void)co;
    if (has_queue(node) && one_in(4)) {
        box(node)->dropped |= drop;
        eddy_queue_shutdown(&box(node)->queue, drop ? EDDY_QUEUE_DROP : EDDY_QUEUE_DRAIN);
    }
    return 0;
}

/* ---- the first of several; each of another kind, for a frame has room for one of each */

static const struct {
    int64_t (*begin)(eddy_coro *co, struct node *node);
    void (*end)(struct node *node);
} pickable[] = {
    {begin_get, end_get},
    {begin_acquire, end_acquire},
    {begin_permit, end_permit},
    {wait_for_event, NULL},
};

enum { PICKABLE = sizeof pickable / sizeof *pickable };

/* Where in the select the k-th of those stands. */
static int place_of(const struct node *node, int k)
{
    return (k + PICKABLE - node->first) % PICKABLE;
}

static int64_t pick(eddy_coro *co, struct node *node, int place)
{
    return pickable[(place + node->first) % PICKABLE].begin(co, node);
}

static int64_t begin_select(eddy_coro *co, struct node *node)
{
    node->first = (int)below(PICKABLE);
    node->mode = has_queue(node);
    return eddy_select(co, node->picked, pick(co, node, 0), pick(co, node, 1), pick(co, node, 2),
                       pick(co, node, 3));
}

/* Whatever the outcome, one at most has its result, and that is the one which is told. */
static void end_select(struct node *node)
{
    int64_t rc = node->rc;
    int got = 0;

    for (int k = 0; k < PICKABLE; k++) {
        node->rc = node->picked[place_of(node, k)];
        got += node->rc >= 0;
        require(node->rc < 0 || rc == place_of(node, k));
        if (pickable[k].end != NULL) {
            pickable[k].end(node);
        }
    }
    node->rc = rc;
    require(got == (rc >= 0));
}

const struct operation operations_on_boxes[] = {
    {"select", LEAF, begin_select, end_select},
    {"acquire", LEAF, begin_acquire, end_acquire},
    {"try to acquire", INSTANT, try_acquire, NULL},
    {"release", INSTANT, release, NULL},
    {"wait for a condition", LEAF, wait_for_cond, end_cond},
    {"wait for a predicate", LEAF, wait_for_predicate, end_cond},
    {"notify", INSTANT, notify, NULL},
    {"take a permit", LEAF, begin_permit, end_permit},
    {"give a permit", INSTANT, give_permit, NULL},
    {"wait for an event", LEAF, wait_for_event, NULL},
    {"set an event", INSTANT, set_event, NULL},
    {"wait for a future", LEAF, wait_for_future, NULL},
    {"set a future", INSTANT, set_future, NULL},
    {"meet", LEAF, meet, NULL},
    {"abort a barrier", INSTANT, abort_barrier, NULL},
    {"put", LEAF, begin_put, end_put},
    {"get", LEAF, begin_get, end_get},
    {"try a queue", INSTANT, try_queue, NULL},
    {"join a queue", LEAF, join_queue, NULL},
    {"shut a queue down", INSTANT, shut_down, NULL},
    {NULL, INSTANT, NULL, NULL},
};
