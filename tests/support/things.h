/* A thing that one task has at a time: a wait that can tell of itself, and of whom it waits for. */
#ifndef EDDY_TESTING_THINGS_H
#define EDDY_TESTING_THINGS_H

#include "support/tasks.h"

struct thing {
    const char *name;
    struct eddy_waiters line;
    struct eddy_task_record *holder; /* NULL: nobody */
};

static inline void describe_thing(const struct eddy_task_record *task, char *text, size_t size)
{
    snprintf(text, size, "%s", ((const struct thing *)task->in.object)->name);
}

static inline struct eddy_task_record *holder_of_thing(const struct eddy_task_record *task)
{
    return ((const struct thing *)task->in.object)->holder;
}

EDDY_MUST_USE static inline int64_t take_thing(eddy_coro *co, struct thing *thing)
{
    static const struct eddy_wait_kind thing_kind = {
        .name = "thing",
        .describe = describe_thing,
        .blocker = holder_of_thing,
    };
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (thing->holder == NULL) {
        thing->holder = co->task;
        return eddy_complete(co, 0);
    }
    return eddy_park(co, &thing_kind, thing, &thing->line);
}

/* Takes two things, one after the other: several of these may wait in a circle. */
struct takes {
    eddy_coro co;
    struct thing *first;
    struct thing *second;
};

/* So that a test may write down what is told of it. */
#line 47 "takes.c"
static inline void takes(eddy_coro *co)
{
    eddy_begin(takes);
    eddy_await(take_thing(co, self->first));
    eddy_await(eddy_pause(co));
    eddy_await(take_thing(co, self->second));
    eddy_end;
}

#endif
