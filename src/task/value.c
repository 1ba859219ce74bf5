/*
 * Values of a task, which its children inherit: a request's number for the log, a deadline for all that
 * it leads to, who is logged in.
 *
 * A task's values are a list, in its rare record. What a child inherits is the list as it was at the spawn, and not
 * a copy: the two share it, and neither changes what the other sees, for a link that has more than one user is
 * never written to. So inheriting takes no time, however many there are.
 *
 *     link           users                                        who sets a value
 *     of one list    1: the task, or the one link above it        writes it
 *     of several     a task each, and each link above it          puts new links in front: one with the value,
 *                                                                 and copies of those between, if it was set before
 *
 * A key stands in a list once, so a list is as long as there are keys, whatever is set how often.
 */
#include "eddy/value.h"

#include "task/task_internal.h"

struct eddy_value {
    struct eddy_value *below; /* or NULL */
    const void *key;
    void *value;
    uint32_t users; /* see the table */
    unsigned pool_class;
};

static struct eddy_value *head_of(const struct eddy_task_record *task)
{
    const struct eddy_task_rare *rare = eddy_rare(task);

    return rare != NULL ? rare->values : NULL;
}

/* ---- lists */

static struct eddy_value *use(struct eddy_value *list)
{
    if (list != NULL) {
        list->users++;
    }
    return list;
}

static void let_go(eddy_loop *loop, struct eddy_value *list)
{
    while (list != NULL && --list->users == 0) {
        struct eddy_value *below = list->below;
        eddy_pool_give(&loop->pool, list, list->pool_class);
        list = below;
    }
}

static struct eddy_value *find(struct eddy_value *list, const void *key)
{
    while (list != NULL && list->key != key) {
        list = list->below;
    }
    return list;
}

/* With one user. Takes over the caller's use of `below`; NULL: no memory, and that is let go. */
static struct eddy_value *link_onto(eddy_loop *loop, struct eddy_value *below, const void *key,
                                    void *value)
{
    unsigned pool_class;
    struct eddy_value *link = eddy_pool_take(&loop->pool, sizeof *link, &pool_class);

    if (link == NULL) {
        let_go(loop, below);
        return NULL;
    }
    *link = (struct eddy_value){below, key, value, 1, pool_class};
    return link;
}

/* The list without the key, which is in it, in a new order; false: no memory. */
static bool without(eddy_loop *loop, struct eddy_value *list, const struct eddy_value *found,
                    struct eddy_value **rest)
{
    *rest = use(found->below);
    for (; list != found; list = list->below) {
        *rest = link_onto(loop, *rest, list->key, list->value);
        if (*rest == NULL) {
            return false;
        }
    }
    return true;
}

/* ---- tasks */

int eddy_values_inherit(struct eddy_task_record *task, const struct eddy_task_record *from)
{
    struct eddy_value *values = head_of(from);
    struct eddy_task_rare *rare = values != NULL ? eddy_rare_make(task) : NULL;

    if (values == NULL) {
        return 0;
    }
    if (rare == NULL) {
        return -ENOMEM;
    }
    rare->values = use(values);
    return 0;
}

void eddy_values_drop(struct eddy_task_record *task)
{
    let_go(eddy_task_loop(task), eddy_rare(task)->values);
    eddy_rare(task)->values = NULL;
}

/* The link of the key, if nobody else would see it change. */
static struct eddy_value *own_link(struct eddy_value *list, const void *key)
{
    while (list != NULL && list->users == 1) {
        if (list->key == key) {
            return list;
        }
        list = list->below;
    }
    return NULL;
}

int eddy_value_set(eddy_coro *co, const void *key, void *value)
{
    struct eddy_task_record *task = eddy_acting(co->task);
    eddy_loop *loop = eddy_task_loop(task);
    struct eddy_task_rare *rare = eddy_rare_make(task);
    struct eddy_value *link = rare != NULL ? own_link(rare->values, key) : NULL;
    struct eddy_value *found;
    struct eddy_value *rest;

    eddy_loop_here(loop, __func__);
    if (rare == NULL) {
        return -ENOMEM;
    }
    if (link != NULL) {
        link->value = value;
        return 0;
    }
    found = find(rare->values, key);
    rest = use(rare->values);
    if (found != NULL) {
        let_go(loop, rest);
        if (!without(loop, rare->values, found, &rest)) {
            return -ENOMEM;
        }
    }
    link = link_onto(loop, rest, key, value);
    if (link == NULL) {
        return -ENOMEM;
    }
    let_go(loop, rare->values);
    rare->values = link;
    return 0;
}

void *eddy_value_get(const eddy_coro *co, const void *key)
{
    const struct eddy_value *found = find(head_of(eddy_acting(co->task)), key);

    return found != NULL ? found->value : NULL;
}
