/*
 * The books: what each task and each frame is known to be, and what must follow from it.
 *
 * What is known of a cancel is SURE after eddy_cancel, until an operation has returned it, and NO then;
 * MAYBE where the library may have merged it into something else. A task that is `entangled` is owned
 * or joined by others, who may cancel it when they like: only of the rest can be said that a cancel came
 * from nowhere.
 */
#include "driver.h"

#include "task/task_internal.h"

void touch(const struct node *node)
{
    for (; node != NULL; node = node->home) {
        if (node->canary != CANARY) {
            driver_fail("a task runs although the frame that owns it is gone");
        }
    }
}

void node_open(struct node *node)
{
    struct tracked *me = node->me;

    node->canary = CANARY;
    touch(node);
    node->steps = 1 + (int)below(10);
    if (node->outer != NULL) {
        node->outer->refused = false;
    } else {
        require(!me->began && !me->ended);
        if (me->cancel == SURE || me->doomed) {
            driver_fail("task %d has begun although it was cancelled before", me->index);
        }
        me->began = true;
    }
    me->node = node;
    box_open(&node->box);
}

void node_close(struct node *node)
{
    touch(node);
    require_ended(node->kids, node->kid_count);
    if (node->group.count != 0) {
        driver_fail("a frame ends, and its group has tasks");
    }
    box_close(&node->box, true);
    node->me->node = node->outer;
    if (node->outer == NULL) {
        if (node->home != NULL && node->slot >= 0) {
            node->home->told[node->slot] = outcome(node);
        }
        tracked_ended(node->me, outcome(node));
    }
    node->canary = 0;
}

/* ---- tasks */

struct tracked *track(void)
{
    struct tracked *tracked;

    if (world.task_count == TASKS) {
        return NULL;
    }
    tracked = &world.tasks[world.task_count];
    tracked->index = world.task_count++;
    tracked->deadline = EDDY_FOREVER;
    return tracked;
}

void tracked_started(struct tracked *tracked, eddy_task task)
{
    tracked->task = task;
    driver_trace("task %d is #%u", tracked->index,
                 eddy_record_of(task) != NULL ? task.generation : 0);
}

void tracked_ended(struct tracked *tracked, int64_t result)
{
    require(tracked->began);
    if (tracked->ended) {
        driver_fail("task %d has ended twice", tracked->index);
    }
    tracked->ended = true;
    tracked->result = result;
    driver_trace("task %d ends with %lld", tracked->index, (long long)result);
}

struct tracked *some_task(void)
{
    return &world.tasks[below((unsigned)world.task_count)];
}

/* Waits for younger ones make no circle. (Not by index: one may be spawned while another is.) */
bool is_younger(const struct tracked *tracked, const struct tracked *me)
{
    return eddy_record_of(tracked->task) != NULL && tracked->task.generation > me->task.generation;
}

eddy_task some_stranger(const struct tracked *me)
{
    struct tracked *tracked = some_task();
    bool allowed = world.circles || (!tracked->owned && is_younger(tracked, me));

    return allowed ? tracked->task : (eddy_task){NULL, 0};
}

struct tracked *task_of(eddy_task task)
{
    for (int i = 0; i < world.task_count; i++) {
        if (world.tasks[i].task.record == task.record &&
            world.tasks[i].task.generation == task.generation) {
            return &world.tasks[i];
        }
    }
    return NULL;
}

void cancel(struct tracked *tracked)
{
    int rc = eddy_cancel(tracked->task);

    driver_trace("cancel of task %d: %d", tracked->index, rc);
    if (rc == 0) {
        require(!tracked->ended);
        tracked->cancel = SURE;
    } else {
        require(rc == -ESRCH && eddy_task_done(tracked->task));
        require(tracked->ended || !tracked->began);
    }
}

bool may_be_cancelled(const struct tracked *tracked)
{
    return tracked->cancel != NO || tracked->entangled || world.ending ||
           tracked->deadline <= world.clock.now;
}

/* The result of a task, as it was told to who has waited for its end. */
void require_result(struct tracked *tracked, int64_t rc)
{
    if (tracked->ended) {
        if (rc != tracked->result) {
            driver_fail("task %d has ended with %lld, told was %lld", tracked->index,
                        (long long)tracked->result, (long long)rc);
        }
        return;
    }
    if (tracked->began) {
        driver_fail("task %d is told to have ended, and has not", tracked->index);
    }
    require(rc == -ECANCELED || rc == -ENOMEM || rc == -ESHUTDOWN);
}

void require_ended(const eddy_task *tasks, int count)
{
    for (int i = 0; i < count; i++) {
        if (!eddy_task_done(tasks[i])) {
            driver_fail("a task runs on behind the back of the one that owns it");
        }
    }
}
