/* Steps on tasks: those that the frame owns, those of its group, and those that nobody owns. */
#include "driver.h"

#include "task/task_internal.h"

/* ---- spawning */

/* The frame's next kid, which runs in memory of the frame's if it can; false: there is no room. */
static bool spawn_kid(eddy_coro *co, struct node *node)
{
    struct tracked *kid = node->kid_count < KIDS ? track() : NULL;
    int slot = node->kid_count;

    if (kid == NULL) {
        return false;
    }
    kid->entangled = kid->owned = true;
    if (!node->leaf_lives && one_in(3)) {
        node->leaf_lives = true;
        tracked_started(kid, eddy_spawn_in(co, &node->leaf, leaf, .home = node, .me = kid));
    } else {
        tracked_started(kid,
                        eddy_spawn(co, program, .node = TASK_OF(kid, node, slot, node->depth + 1)));
    }
    node->kids[node->kid_count++] = kid->task;
    return true;
}

/* Those that have ended are forgotten. */
static void forget_kids(struct node *node)
{
    int left = 0;
    bool leaf_lives = false;

    for (int i = 0; i < node->kid_count; i++) {
        if (!eddy_task_done(node->kids[i])) {
            leaf_lives = true;
            node->kids[left++] = node->kids[i];
        }
    }
    node->kid_count = left;
    node->leaf_lives = node->leaf_lives && leaf_lives;
}

static void spawn_kids(eddy_coro *co, struct node *node)
{
    forget_kids(node);
    for (unsigned i = 1 + below(KIDS); i > 0 && spawn_kid(co, node); i--) {}
    if (one_in(4)) {
        cancel(node->me); /* between the spawn and the wait */
    }
}

static int64_t spawn_one_kid(eddy_coro *co, struct node *node)
{
    forget_kids(node);
    spawn_kid(co, node);
    return 0;
}

static int64_t spawn_free(eddy_coro *co, struct node *node)
{
    struct tracked *task = track();

    (void)node;
    if (task != NULL) {
        tracked_started(task, eddy_spawn(co, program, .node = TASK_OF(task, NULL, -1, 0)));
    }
    return 0;
}

/* ---- owned tasks */

/* Whether the operation must refuse an array, and touch none of it: one is waited for by others or
 * detached, is gone, or stands in it twice. */
static bool are_taken(const struct node *node, const eddy_task *tasks, int count)
{
    bool taken = false;

    for (int i = 0; i < count; i++) {
        struct eddy_task_record *task = eddy_task_find(tasks[i]);
        taken |= eddy_record_of(tasks[i]) != NULL &&
                 eddy_task_claimable(node->me->task.record, task) < 0;
        for (int k = 0; k < i && task != NULL; k++) {
            taken |= tasks[k].record == tasks[i].record;
        }
    }
    return taken;
}

/* The operation is about to take over these tasks. If a cancel is pending it goes on to them: then those
 * that have not begun never do. */
static void take_over(struct node *node, const eddy_task *tasks, int count)
{
    node->refused = are_taken(node, tasks, count);
    if (node->me->cancel != SURE || node->masked || node->refused) {
        return;
    }
    for (int i = 0; i < count; i++) {
        struct tracked *task = task_of(tasks[i]);
        if (task != NULL && !task->began && eddy_record_of(tasks[i]) != NULL) {
            task->doomed = true;
        }
    }
}

static int64_t gather_kids(eddy_coro *co, struct node *node)
{
    spawn_kids(co, node);
    take_over(node, node->kids, node->kid_count);
    return eddy_gather(co, node->kids, (size_t)node->kid_count);
}

static void end_gather(struct node *node)
{
    if (!node->refused) {
        require_ended(node->kids, node->kid_count);
    }
    forget_kids(node);
}

static int64_t gather_all_kids(eddy_coro *co, struct node *node)
{
    spawn_kids(co, node);
    take_over(node, node->kids, node->kid_count);
    node->count = node->kid_count;
    memcpy(node->tasks, node->kids, sizeof node->tasks);
    return eddy_gather_all(co, node->kids, (size_t)node->kid_count, node->said);
}

static void end_gather_all(struct node *node)
{
    int failed = 0;

    if (!node->refused) {
        require_ended(node->kids, node->kid_count);
        for (int i = 0; i < node->count; i++) {
            struct tracked *kid = task_of(node->tasks[i]);
            failed += node->said[i] < 0;
            if (kid != NULL) {
                require_result(kid, node->said[i]);
            }
        }
        require(node->rc < 0 || node->rc == failed);
    }
    forget_kids(node);
}

static int64_t join_kid(eddy_coro *co, struct node *node)
{
    spawn_kids(co, node);
    node->tasks[0] = node->kid_count > 0 ? node->kids[0] : (eddy_task){NULL, 0};
    take_over(node, node->tasks, 1);
    return eddy_join(co, node->tasks[0]);
}

static void end_join(struct node *node)
{
    struct tracked *task = task_of(node->tasks[0]);

    if (node->rc >= 0 && task != NULL) {
        require_result(task, node->rc);
    }
    if (!node->refused) {
        require_ended(node->tasks, 1);
    }
    forget_kids(node);
}

/* ---- groups: that of the frame, or the world's, which all use at the same time */

static eddy_group *group_of(struct node *node)
{
    return node->reach == 0 ? &world.group : &node->group;
}

void spawn_sibling(eddy_coro *co, eddy_group *group, struct node *home)
{
    struct tracked *task = track();
    struct program frame = {.node = TASK_OF(task, home, -1, home != NULL ? home->depth + 1 : 0)};

    if (task == NULL) {
        return;
    }
    task->entangled = task->by_group = true;
    frame.node.siblings = home != NULL ? group : NULL;
    tracked_started(task, eddy_group_spawn(co, group, program, .node = frame.node));
    if (home != NULL && group == &home->group && home->closing && !eddy_spawn_failed(task->task)) {
        driver_fail("a group that is cancelled takes a task");
    }
}

static int64_t spawn_in_group(eddy_coro *co, struct node *node)
{
    eddy_group *group = group_of(node);

    if (node->siblings != NULL && one_in(2)) {
        spawn_sibling(co, node->siblings, node->home);
        return 0;
    }
    if (group->count == 0 && group->guard.next == NULL) {
        group->policy = (enum eddy_group_policy)below(3);
    }
    spawn_sibling(co, group, group == &node->group ? node : NULL);
    return 0;
}

static int64_t wait_for_group(eddy_coro *co, struct node *node)
{
    if (one_in(2)) {
        spawn_in_group(co, node);
    }
    return eddy_group_wait(co, group_of(node));
}

static void end_wait_for_group(struct node *node)
{
    if (node->reach == 0) {
        return; /* others may have used it again */
    }
    node->closing = false;
    if (node->rc != -EBUSY && node->group.count != 0) {
        driver_fail("a group is waited for, and %u tasks of it run", node->group.count);
    }
}

static int64_t next_of_group(eddy_coro *co, struct node *node)
{
    return eddy_group_next(co, group_of(node), &node->value);
}

static void end_next_of_group(struct node *node)
{
    int64_t index = node->value >= VALUES ? node->value - VALUES : EDDY_ERROR_USER - node->value;

    if (node->rc == 1 && (node->value >= VALUES || node->value <= EDDY_ERROR_USER)) {
        require(index < world.task_count);
        require(world.tasks[index].by_group && world.tasks[index].ended);
        if (++world.tasks[index].seen > 1) {
            driver_fail("the result of task %d was told twice", (int)index);
        }
    }
    node->closing = node->closing && (node->reach == 0 || node->rc != 0);
}

static int64_t cancel_group(eddy_coro *co, struct node *node)
{
    (void)co;
    eddy_group_cancel(group_of(node));
    node->closing |= node->reach != 0;
    return 0;
}

/* ---- tasks that nobody owns; whoever joins waits for younger ones only, so that not all wait for all */

static struct tracked *some_other(const struct node *node, bool to_join)
{
    struct tracked *task = some_task();

    if (world.circles && !to_join) {
        return task;
    }
    return is_younger(task, node->me) && !task->owned ? task : NULL;
}

static void choose_tasks(struct node *node, bool to_join)
{
    node->count = 0;
    for (unsigned i = below(KIDS + 1); i > 0; i--) {
        struct tracked *task = some_other(node, to_join);
        if (task != NULL) {
            task->entangled |= to_join;
            node->tasks[node->count++] = task->task;
        }
    }
}

static int64_t join_another(eddy_coro *co, struct node *node)
{
    struct tracked *task = some_other(node, true);

    if (task == NULL) {
        node->begun = false;
        return eddy_pause(co);
    }
    task->entangled = true;
    node->tasks[0] = task->task;
    take_over(node, node->tasks, 1);
    return eddy_join(co, task->task);
}

static int64_t gather_others(eddy_coro *co, struct node *node)
{
    choose_tasks(node, true);
    take_over(node, node->tasks, node->count);
    node->mode = one_in(2);
    return node->mode ? eddy_gather(co, node->tasks, (size_t)node->count)
                      : eddy_gather_all(co, node->tasks, (size_t)node->count, node->said);
}

static void end_gather_others(struct node *node)
{
    if (!node->refused) {
        require_ended(node->tasks, node->count);
    }
}

static int64_t shield(eddy_coro *co, struct node *node)
{
    node->other = some_other(node, false);
    if (node->other == NULL) {
        node->begun = false;
        return eddy_pause(co);
    }
    return eddy_shield(co, node->other->task);
}

static void end_shield(struct node *node)
{
    if (node->rc >= 0) {
        require_result(node->other, node->rc);
    }
}

static int64_t wait_for_tasks(eddy_coro *co, struct node *node)
{
    choose_tasks(node, false);
    node->mode = (int)below(3);
    return eddy_wait_tasks(co, node->tasks, (size_t)node->count, (enum eddy_wait_mode)node->mode);
}

/* A failed spawn counts, and so may a task that is gone. */
static bool any_failed(const struct node *node)
{
    bool failed = false;

    for (int i = 0; i < node->count; i++) {
        const struct tracked *task = task_of(node->tasks[i]);
        failed |= task == NULL || eddy_record_of(task->task) == NULL ||
                  (task->ended && task->result < 0 && task->result != -ECANCELED);
    }
    return failed;
}

static void end_wait_for_tasks(struct node *node)
{
    if (node->rc >= 0 && node->mode == EDDY_WAIT_ALL) {
        require_ended(node->tasks, node->count);
    }
    if (node->rc >= 0 && node->mode == EDDY_WAIT_FIRST_ERROR && !any_failed(node)) {
        require_ended(node->tasks, node->count);
    }
    if (node->rc >= 0 && node->mode == EDDY_WAIT_FIRST) {
        require(node->rc > 0 || node->count == 0);
    }
}

static int64_t detach(eddy_coro *co, struct node *node)
{
    struct tracked *task = some_other(node, false);
    int rc = task != NULL && one_in(4) ? eddy_detach(task->task) : 0;

    (void)co;
    require(rc == 0 || rc == -ESRCH || rc == -EBUSY);
    return 0;
}

static int64_t look_at_result(eddy_coro *co, struct node *node)
{
    struct tracked *task = some_task();
    int64_t rc = eddy_task_result(task->task);

    (void)co;
    (void)node;
    if (rc != -EAGAIN && rc != -ESRCH) {
        require_result(task, rc);
    }
    require(rc != -EAGAIN || !task->ended);
    return 0;
}

const struct operation operations_on_tasks[] = {
    {"gather kids", OWNING, gather_kids, end_gather},
    {"gather all kids", OWNING, gather_all_kids, end_gather_all},
    {"join a kid", OWNING, join_kid, end_join},
    {"spawn a kid", INSTANT, spawn_one_kid, NULL},
    {"spawn in the group", INSTANT, spawn_in_group, NULL},
    {"wait for the group", OWNING, wait_for_group, end_wait_for_group},
    {"the next of the group", LEAF, next_of_group, end_next_of_group},
    {"cancel the group", INSTANT, cancel_group, NULL},
    {"spawn", INSTANT, spawn_free, NULL},
    {"join", OWNING, join_another, end_join},
    {"gather", OWNING, gather_others, end_gather_others},
    {"shield", ENDS, shield, end_shield},
    {"wait", LEAF, wait_for_tasks, end_wait_for_tasks},
    {"detach", INSTANT, detach, NULL},
    {"look at a result", INSTANT, look_at_result, NULL},
    {NULL, INSTANT, NULL, NULL},
};
