/* The tasks of a loop at one moment, as a tree, with the circles in which they wait. */
#ifndef EDDY_SRC_SNAPSHOT_H
#define EDDY_SRC_SNAPSHOT_H

#include "eddy/inspect.h"
#include "task_internal.h"

#define EDDY_NO_NODE UINT32_MAX

struct eddy_node {
    struct eddy_task_record *task;
    uint32_t parent; /* indices of nodes, or EDDY_NO_NODE */
    uint32_t child;
    uint32_t next;    /* sibling */
    uint32_t blocker; /* who must act before this one's wait can end */
    uint32_t circle;  /* > 0: its number */
    uint32_t seen;    /* by which search for circles: 1 + the index at which that began */
};

struct eddy_snapshot {
    struct eddy_node *nodes; /* in the order in which they were spawned */
    uint32_t count;
    uint32_t first;   /* of the top level, or EDDY_NO_NODE */
    uint32_t circles; /* how many there are */
};

/* Takes the picture, which is valid until the next step: 0, or -ENOMEM. */
int eddy_snapshot_take(eddy_loop *loop, struct eddy_snapshot *snapshot);
void eddy_snapshot_free(eddy_loop *loop, struct eddy_snapshot *snapshot);

/* A member of a circle; the others follow by `blocker`. */
uint32_t eddy_snapshot_circle(const struct eddy_snapshot *snapshot, uint32_t circle);

/* Visits the nodes of the tree. */
void eddy_snapshot_visit(const struct eddy_snapshot *snapshot, eddy_inspect_fn *visit, void *user);

/* Visits all tasks in no order: needs no memory. */
void eddy_visit_unordered(eddy_loop *loop, eddy_inspect_fn *visit, void *user);

#endif
