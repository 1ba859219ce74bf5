/*
 * As completed: a generator of tasks in the order in which they end.
 *
 * Each task of the array has a place of its own (struct eddy_ending), which owns it: the end of the
 * task finds its place, and that goes to the end of the list. So what the generator yields is an index
 * into the caller's array, the order is that of the ends, and a step costs the same however many tasks
 * there are. (A wait for several, several.c, has one answer and can do without memory; this one has
 * `count` of them, and takes 32 bytes for each.)
 *
 *     a place       task    in the list   counted in `left`
 *     a gap         NULL    no            no                  a zeroed handle: nothing is yielded
 *     runs          its     no            yes
 *     has ended     NULL    yes           yes                 also a spawn that has failed
 *     was yielded   NULL    no            no
 *
 * The tasks stay the caller's: a generator that is ended early gives those that run back, and they run
 * on. Those that were yielded still have their results.
 */
#include "eddy/gather.h"

#include <stdio.h>
#include <string.h>

#include "task/task_internal.h"

/* The owner of one task: it is told of its end, and knows so its place in the array. */
struct eddy_ending {
    eddy_owner owner;
    struct eddy_as_completed *generator;
    struct eddy_ending *next;      /* the one that ended after it */
    struct eddy_task_record *task; /* that it owns; NULL: ended, or never was */
};

static const struct eddy_wait_kind as_completed_kind;

static void append(struct eddy_as_completed *generator, struct eddy_ending *ending)
{
    if (generator->first == NULL) {
        generator->first = ending;
    } else {
        generator->last->next = ending;
    }
    generator->last = ending;
}

/* The task is nobody's again. */
static void give_back(struct eddy_ending *ending)
{
    eddy_owner_set(ending->task, NULL);
    ending->task = NULL;
}

static void child_done(eddy_owner *owner, struct eddy_task_record *child, int64_t result)
{
    struct eddy_ending *ending = (struct eddy_ending *)(void *)owner;
    struct eddy_task_record *task = ending->generator->co.task;

    (void)child;
    (void)result;
    give_back(ending);
    append(ending->generator, ending);
    if (task->wait == &as_completed_kind && task->in.object == ending->generator) {
        eddy_wake(task, 0);
    }
}

static void give_all_back(struct eddy_as_completed *generator)
{
    for (size_t i = 0; i < generator->count; i++) {
        if (generator->endings[i].task != NULL) {
            give_back(&generator->endings[i]);
        }
    }
}

/* Takes on one element: 0 or an error. */
static int watch_one(struct eddy_as_completed *generator, size_t i)
{
    struct eddy_ending *ending = &generator->endings[i];
    struct eddy_task_record *task = eddy_task_find(generator->tasks[i]);
    int result;

    if (eddy_record_of(generator->tasks[i]) == NULL) {
        if (eddy_spawn_failed(generator->tasks[i])) {
            append(generator, ending);
            generator->left++;
        }
        return 0;
    }
    result = eddy_task_claimable(generator->co.task, task);
    if (result < 0) {
        return result;
    }
    generator->left++;
    if (task->timed.ready.state == EDDY_TASK_DONE_) {
        append(generator, ending);
        return 0;
    }
    ending->owner = &as_completed_kind;
    ending->generator = generator;
    ending->task = task;
    eddy_owner_set(task, &ending->owner);
    return 0;
}

/* Takes on all, or none. */
static int64_t watch_all(eddy_coro *co, struct eddy_as_completed *generator)
{
    size_t size = generator->count * sizeof *generator->endings;
    int64_t result = eddy_check(co);

    if (result < 0 || generator->count == 0) {
        return result;
    }
    if (generator->count > UINT32_MAX || size / generator->count != sizeof *generator->endings) {
        return -EINVAL;
    }
    generator->endings =
        eddy_pool_take(&eddy_task_loop(co->task)->pool, size, &generator->pool_class);
    if (generator->endings == NULL) {
        return -ENOMEM;
    }
    memset(generator->endings, 0, size);
    for (size_t i = 0; i < generator->count && result == 0; i++) {
        result = watch_one(generator, i);
    }
    return result; /* the finally gives back what was taken on */
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const struct eddy_as_completed *generator = task->in.object;

    snprintf(text, size, "%zu of %zu tasks", generator->left, generator->count);
}

static struct eddy_task_record *blocker(const struct eddy_task_record *task)
{
    const struct eddy_as_completed *generator = task->in.object;
    size_t i = 0;

    while (generator->left == 1 && generator->endings[i].task == NULL) {
        i++;
    }
    return generator->left == 1 ? generator->endings[i].task : NULL;
}

static const struct eddy_wait_kind as_completed_kind = {
    .name = "as completed",
    .child_done = child_done,
    .describe = describe,
    .blocker = blocker,
};

static int64_t wait_for_one(eddy_coro *co, struct eddy_as_completed *generator)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    return generator->first != NULL ? eddy_complete(co, 0)
                                    : eddy_park(co, &as_completed_kind, generator, NULL);
}

static size_t take_first(struct eddy_as_completed *generator)
{
    struct eddy_ending *ending = generator->first;

    generator->first = ending->next;
    generator->left--;
    return (size_t)(ending - generator->endings);
}

void eddy_as_completed(eddy_coro *co)
{
    eddy_begin(eddy_as_completed);
    eddy_await(watch_all(co, self));
    while (self->left > 0) {
        eddy_await(wait_for_one(co, self));
        eddy_yield(take_first(self));
    }
eddy_finally:
    if (self->endings != NULL) {
        give_all_back(self);
        eddy_pool_give(&eddy_task_loop(co->task)->pool, self->endings, self->pool_class);
    }
    eddy_end;
}
