/* The tasks of a loop at one moment, as a tree, with the circles in which they wait. */
#ifndef EDDY_SRC_SNAPSHOT_H
#define EDDY_SRC_SNAPSHOT_H

#include "eddy/look.h"
#include "loop/look.h"
#include "task/task_internal.h"

#define EDDY_NO_NODE UINT32_MAX

struct eddy_node {
    struct eddy_task_record *task;
    uint32_t parent; /* indices of nodes, or EDDY_NO_NODE */
    uint32_t child;
    uint32_t next;    /* sibling */
    uint32_t blocker; /* who must act before this one's wait can end */
    uint32_t waiter;  /* who waits for the end of this one and of others, the first of them */
    uint32_t alike;   /* an older one that waits for the end of the same; of the first of them the
                              node of their list */
    uint32_t awaited; /* the oldest of those for the end of all of which this one waits */
    uint32_t next_awaited; /* the next one that has the same waiter */
    uint32_t circle;       /* > 0: its number */
    uint32_t place;        /* in the line in which it waits, from 1 on; 0: nobody has asked yet */

    /* Of the search for circles: */
    uint32_t seen; /* as which it came to this node, from 1 on; 0: it has not */
    uint32_t low; /* the first seen that can be reached; 0: it is known whether it is in a circle */
    uint32_t edge;  /* where the next edge to follow ends */
    uint32_t from;  /* from where it came */
    uint32_t below; /* on its path */
    uint32_t begin; /* of the circle whose number is this node's index + 1: where that begins */
};

struct eddy_snapshot {
    struct eddy_node
        *nodes;       /* in the order in which they were spawned, and behind them the lists */
    uint32_t count;   /* of those of tasks */
    uint32_t lists;   /* what several tasks wait for is a node of its own, without a task */
    uint32_t first;   /* of the top level, or EDDY_NO_NODE */
    uint32_t circles; /* how many there are */
    uint32_t placed;  /* links of lines that were looked at to know the places in them */
    uint32_t told;    /* how often a wait has told of a task that must act */
    uint32_t edges;   /* how many were followed in search for circles */
    struct eddy_snapshot *outer; /* one that was taken before and is still in use, or NULL */
};

/* Takes the picture, which is valid until the next step: 0, or -ENOMEM, and then it is empty. Until
 * it is freed, the loop's eddy_waiters_ahead answers out of it. */
int eddy_snapshot_take(eddy_loop *loop, struct eddy_snapshot *snapshot);
void eddy_snapshot_free(eddy_loop *loop, struct eddy_snapshot *snapshot);

/* Calls the function while there is one, if there is memory for it. */
void eddy_snapshot_with_lines(eddy_loop *loop, void (*function)(eddy_loop *loop));

/* The place of a task in its line, from 1 on, by walking that line once for all who stand in it; 0: the
 * snapshot does not know the task. */
size_t eddy_snapshot_position(struct eddy_snapshot *snapshot, const struct eddy_waiters *line,
                              const struct eddy_task_record *task);

/* circles.c: finds the circles, and chooses the blocker of a task in one for whom several must act. */
void eddy_snapshot_find_circles(struct eddy_snapshot *snapshot);

/* Tells the members of each circle, see eddy_circle_fn. (Tasks for which others wait in more than one way
 * may be in a circle beside that.) */
void eddy_snapshot_each_in_circles(const struct eddy_snapshot *snapshot, eddy_circle_fn *found,
                                   void *context);

/* The same of the loop as it is; nothing is told without memory. */
void eddy_each_in_circles(eddy_loop *loop, eddy_circle_fn *found, void *context);

/* Visits the nodes of the tree. */
void eddy_snapshot_visit(const struct eddy_snapshot *snapshot, eddy_inspect_fn *visit, void *user);

/* Visits all tasks in no order: needs no memory. */
void eddy_visit_unordered(eddy_loop *loop, eddy_inspect_fn *visit, void *user);

#endif
