/* A group, as the block around it sees it: group.c is below with_group.c. */
#ifndef EDDY_SRC_GROUP_H
#define EDDY_SRC_GROUP_H

#include "eddy/group.h"
#include "task/task_internal.h"

/* A wait until all tasks have ended, of the group's waiter; a cancel goes on to them. */
extern const struct eddy_wait_kind eddy_group_kind;

/* It has no tasks, and no outcome of any that it had. */
static inline bool eddy_group_is_empty(const eddy_group *group)
{
    return !group->used && group->error == 0 && group->unstarted == 0;
}

/* Makes the group as new and returns its result to the task that waited. */
int64_t eddy_group_finish(eddy_group *group, struct eddy_task_record *waiter);

/* Nobody has taken the results that are kept: they are as those of policy COLLECT. */
void eddy_group_collect_kept(eddy_group *group);

/* It has something of the loop's from here on, and is told of its end. */
void eddy_group_follow_end(eddy_loop *loop, eddy_group *group);

#endif
