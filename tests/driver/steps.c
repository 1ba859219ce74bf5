/*
 * A step: an operation is chosen, perhaps with a time-out, and perhaps with a cancel or another mishap
 * just before it. Afterwards its result is held against what is known of the task.
 */
#include "driver.h"

static const struct operation *const tables[] = {operations_on_time,   operations_on_boxes,
                                                 operations_on_memory, operations_on_tasks,
                                                 operations_on_blocks, operations_from_outside};

static bool possible(const struct node *node, const struct operation *operation)
{
    return operation->kind != CALL || node->depth < DEPTH;
}

/* Each world prefers other operations: its weights are part of its seed. */
static const struct operation *choose(const struct node *node)
{
    const struct operation *chosen = &operations_on_time[0];
    unsigned total = 0, i = 0;

    for (size_t table = 0; table < sizeof tables / sizeof *tables; table++) {
        for (const struct operation *at = tables[table]; at->name != NULL; at++, i++) {
            unsigned weight = possible(node, at) ? world.weights[i] : 0;
            total += weight;
            if (weight > 0 && below(total) < weight) {
                chosen = at;
            }
        }
    }
    return chosen;
}

bool goes_on(struct node *node)
{
    return node->steps > 0 && world.steps_left > 0 && node->verdict == 0;
}

/* What may come in the same turn, before the operation. */
static void mishap(struct node *node)
{
    if (one_in(6)) {
        cancel(node->me);
    }
    if (one_in(8)) {
        act();
    }
    if (world.jumps && one_in(8)) {
        world.clock.now += some_time();
    }
}

static int64_t begin(eddy_coro *co, struct node *node)
{
    node->begun = true;
    return node->operation->begin(co, node);
}

/* In a cleanup nobody else can end a wait. */
static int64_t some_limit(const struct node *node)
{
    if (node->operation->kind == INSTANT || !(node->masked || one_in(3))) {
        return EDDY_FOREVER;
    }
    return one_in(4) ? 0 : some_time();
}

int64_t step_begin(eddy_coro *co, struct node *node)
{
    struct tracked *me = node->me;
    int64_t deadline;

    touch(node);
    world.steps_left--;
    *driver_progress = world.steps - world.steps_left;
    node->steps--;
    node->operation = choose(node);
    node->begun = false;
    node->reach = (int)below(node->home != NULL ? 3 : 2);
    node->duration = some_time();
    node->limit = some_limit(node);
    mishap(node);
    node->began = world.clock.now;
    node->cancel = me->cancel;
    node->refused = true;
    node->outer_deadline = me->deadline;
    deadline = eddy_deadline_after(node->began, node->limit);
    me->deadline = deadline < me->deadline ? deadline : me->deadline;
    me->must_succeed = false;
    driver_trace("task %d.%d: %s, limit %lld%s", me->index, node->depth, node->operation->name,
                 node->limit == EDDY_FOREVER ? -1 : (long long)node->limit,
                 me->cancel == SURE ? ", cancelled" : "");
    return node->limit == EDDY_FOREVER ? begin(co, node)
                                       : eddy_wait_for(co, node->limit, begin(co, node));
}

/* ---- its result */

static bool gives_lock_back(const struct operation *operation)
{
    return operation->begin == wait_for_cond || operation->begin == wait_for_predicate;
}

static void check_time(const struct node *node)
{
    int64_t now = world.clock.now;
    int64_t deadline = eddy_deadline_after(node->began, node->limit);

    /* A block that is called may have a time-out of its own. */
    if (node->rc == -ETIMEDOUT && node->operation->kind != CALL) {
        if (node->limit == EDDY_FOREVER) {
            driver_fail("a time-out in a frame that has set none");
        }
        if (now < deadline) {
            driver_fail("a time-out %lld ns early", (long long)(deadline - now));
        }
    }
    /* Who takes a lock again waits as long as that takes. */
    if (node->operation->kind == LEAF && !world.jumps && now > deadline &&
        !gives_lock_back(node->operation)) {
        driver_fail("a time-out %lld ns late", (long long)(now - deadline));
    }
    if (node->operation->kind == LEAF && !world.jumps && now > node->outer_deadline &&
        node->began < node->outer_deadline && !gives_lock_back(node->operation)) {
        driver_fail("a time-out of a caller %lld ns late", (long long)(now - node->outer_deadline));
    }
}

/* The operation delivers the cancel that was pending before it, and none that there is not. */
static void check_leaf(struct node *node)
{
    struct tracked *me = node->me;
    bool pending = node->cancel == SURE && !node->masked;

    if (pending && node->rc != -ECANCELED && node->rc != -ENOMEM) {
        driver_fail("%s: a cancel was pending, and the result is %lld", node->operation->name,
                    (long long)node->rc);
    }
    if (node->rc == -ECANCELED && node->operation->kind == LEAF) {
        if (node->masked ? me->deadline > world.clock.now && !node->in_group
                         : !may_be_cancelled(me)) {
            driver_fail("%s: a cancel from nowhere", node->operation->name);
        }
    }
    if (node->rc == -ECANCELED && !node->masked) {
        me->cancel = node->operation->kind == ENDS && !pending ? MAYBE : NO;
    } else if (node->rc == -ETIMEDOUT && me->cancel == SURE && !node->masked) {
        driver_fail("%s: a time-out hides a cancel", node->operation->name);
    }
}

static void check_owning(struct node *node)
{
    struct tracked *me = node->me;

    if (node->rc < 0 && me->cancel == SURE && !node->masked) {
        me->cancel = MAYBE;
    }
}

static void check_call(struct node *node)
{
    struct tracked *me = node->me;

    if (!node->refused) {
        if (node->cancel == SURE && !node->masked) {
            driver_fail("%s has begun although a cancel was pending", node->operation->name);
        }
    } else if (node->rc == -ECANCELED) {
        require(me->cancel != NO || may_be_cancelled(me));
        me->cancel = node->masked ? me->cancel : NO;
    } else {
        require(node->rc == -ENOMEM || node->rc == -ETIMEDOUT);
    }
}

static void check_result(struct node *node)
{
    check_time(node);
    if (node->me->must_succeed && node->rc < 0) {
        driver_fail("%s: what it has waited for had come, and the result is %lld",
                    node->operation->name, (long long)node->rc);
    }
    node->me->must_succeed = false;
    switch (node->operation->kind) {
    case INSTANT:
        break;
    case LEAF:
    case ENDS:
        check_leaf(node);
        break;
    case OWNING:
        check_owning(node);
        break;
    case CALL:
        check_call(node);
        break;
    }
}

/* Some errors are caught, and some go on; each task has an error of its own. */
static int64_t verdict(const struct node *node)
{
    if (node->rc == -ECANCELED && one_in(2)) {
        return -ECANCELED;
    }
    if (node->rc < 0 && one_in(8)) {
        return EDDY_ERROR_USER - node->me->index;
    }
    return 0;
}

int64_t step_end(struct node *node)
{
    struct tracked *me = node->me;

    touch(node);
    driver_trace("task %d.%d: %s gives %lld", me->index, node->depth, node->operation->name,
                 (long long)node->rc);
    me->deadline = node->outer_deadline;
    check_result(node);
    if (node->begun && node->operation->end != NULL) {
        node->operation->end(node);
    }
    node->begun = false;
    node->verdict = verdict(node);
    return node->verdict;
}

int64_t outcome(struct node *node)
{
    return node->verdict < 0 ? node->verdict : VALUES + node->me->index;
}
