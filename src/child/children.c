/*
 * The children of a loop: what is done about all of them, at its end, in a child of fork(2), and when
 * somebody looks.
 *
 * At the end of the loop no task is left that could wait. Those whose process is still open are told,
 * for nobody has closed it, and killed; all that were killed are waited for, which takes as long as the
 * kernel needs to end a process. Those that were detached, or could not be killed, are left.
 */
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "child/child_internal.h"

static const char attachment_key;

static struct eddy_child *first(const struct eddy_children *children)
{
    return (struct eddy_child *)(void *)eddy_list_first(&children->list);
}

static void kill_unclosed(struct eddy_child *child)
{
    if (child->process == NULL || child->status != EDDY_CHILD_RUNS) {
        return;
    }
    eddy_loop_report(child->loop, (eddy_task){0}, -ECANCELED,
                     "child %d (%s) is killed: its process is open at the end of the loop",
                     (int)child->pid, child->name);
    (void)eddy_child_kill(child);
}

/* Tasks that were cut off in the middle of a wait; their records are taken apart later. */
static void forget_waiters(struct eddy_child *child)
{
    struct eddy_task_record *task;

    while ((task = eddy_waiters_first(&child->waiting)) != NULL) {
        eddy_list_remove(&task->timed.ready.link);
    }
}

static void close_children(eddy_loop *loop, struct eddy_attachment *attachment)
{
    struct eddy_children *children = (struct eddy_children *)(void *)attachment;
    struct eddy_child *child;

    for (struct eddy_link *link = eddy_list_first(&children->list);
         link != NULL && link != &children->list; link = link->next) {
        child = (struct eddy_child *)(void *)link;
        forget_waiters(child);
        kill_unclosed(child);
    }
    while ((child = first(children)) != NULL) {
        eddy_child_part(child);
        if (child->status != EDDY_CHILD_RUNS) {
            eddy_child_free(child);
        } else if (child->doomed) {
            eddy_child_reap(child);
        } else {
            eddy_child_ended(child, -ECHILD);
        }
    }
    eddy_pool_give(&loop->pool, children, children->pool_class);
}

/* Children of the parent, of whom this process cannot hear. */
static int part_children(eddy_loop *loop, struct eddy_attachment *attachment)
{
    struct eddy_children *children = (struct eddy_children *)(void *)attachment;
    struct eddy_link *link = eddy_list_first(&children->list);

    (void)loop;
    while (link != NULL && link != &children->list) {
        struct eddy_child *child = (struct eddy_child *)(void *)link;
        link = link->next;
        if (child->status == EDDY_CHILD_RUNS) {
            eddy_child_ended(child, -ECHILD);
        }
    }
    return 0;
}

static void describe(eddy_loop *loop, struct eddy_attachment *attachment,
                     void (*line)(const char *text, void *context), void *context)
{
    struct eddy_children *children = (struct eddy_children *)(void *)attachment;
    char text[EDDY_CHILD_NAME + EDDY_DURATION_TEXT + 64];
    char age[EDDY_DURATION_TEXT];

    for (struct eddy_link *link = eddy_list_first(&children->list);
         link != NULL && link != &children->list; link = link->next) {
        const struct eddy_child *child = (const struct eddy_child *)(const void *)link;
        if (child->status == EDDY_CHILD_RUNS) {
            eddy_duration_format(age, eddy_loop_peek_clock(loop) - child->since);
            snprintf(text, sizeof text, "child %d (%s) runs for %s%s", (int)child->pid, child->name,
                     age,
                     child->doomed   ? "; killed"
                     : child->let_go ? "; detached"
                                     : "");
            line(text, context);
        }
    }
}

struct eddy_children *eddy_children_of(eddy_loop *loop)
{
    struct eddy_children *children =
        (struct eddy_children *)(void *)eddy_loop_attachment(loop, &attachment_key);
    unsigned pool_class;

    if (children != NULL) {
        return children;
    }
    children = eddy_pool_take(&loop->pool, sizeof *children, &pool_class);
    if (children == NULL) {
        return NULL;
    }
    memset(children, 0, sizeof *children);
    children->attachment.key = &attachment_key;
    children->attachment.close = close_children;
    children->attachment.after_fork = part_children;
    children->attachment.describe = describe;
    children->pool_class = pool_class;
    eddy_list_init(&children->list);
    eddy_list_append(&loop->attachments, &children->attachment.link);
    return children;
}
