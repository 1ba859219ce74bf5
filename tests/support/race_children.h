/* What races for coroutines and tasks share: children that wait for an event, and have a finally
 * that takes a turn. */
#ifndef EDDY_TESTING_RACE_CHILDREN_H
#define EDDY_TESTING_RACE_CHILDREN_H

#include "support/races.h"

#include "eddy/event.h"

enum { MOST_CHILDREN = 2 };

static eddy_event end_child[MOST_CHILDREN];
static int64_t child_result[MOST_CHILDREN];
static eddy_task children[MOST_CHILDREN];
static int cleaned; /* how many finallys have ended */

struct child {
    eddy_coro co;
    int number;
};

static inline void child(eddy_coro *co)
{
    eddy_begin(child);
    eddy_await(eddy_event_wait(co, &end_child[self->number]));
    eddy_return(child_result[self->number]);
eddy_finally:
    eddy_await(eddy_pause(co));
    cleaned++;
    eddy_end;
}

static inline void log_cleaned(void)
{
    testing_log("%d cleaned", cleaned);
}

static inline void prepare_children(eddy_coro *co)
{
    (void)co;
    cleaned = 0;
    for (int i = 0; i < MOST_CHILDREN; i++) {
        eddy_event_init(&end_child[i]);
        child_result[i] = 0;
    }
}

static inline void spawn_children(eddy_coro *co)
{
    prepare_children(co);
    children[0] = start(child, .number = 0);
    children[1] = start(child, .number = 1);
}

/* The events are set: the children are about to end. */
static inline void end_children(eddy_coro *co)
{
    (void)co;
    eddy_event_set(&end_child[0]);
    eddy_event_set(&end_child[1]);
}

/* As a gather and a group see it: one child fails. */
static inline void fail_child(eddy_coro *co)
{
    (void)co;
    child_result[0] = -EIO;
    eddy_event_set(&end_child[0]);
}

/* ---- one child, without a finally */

static inline void spawn_child_that_ends(eddy_coro *co)
{
    (void)co;
    cleaned = 0;
    eddy_event_init(&end_child[0]);
}

/* It ends in the step that follows end_it. */
struct ends_at_once {
    eddy_coro co;
};

static inline void ends_at_once(eddy_coro *co)
{
    eddy_begin(ends_at_once);
    eddy_await(eddy_event_wait(co, &end_child[0]));
    cleaned++;
    eddy_return(7);
    eddy_end;
}

static inline void end_it(eddy_coro *co)
{
    (void)co;
    eddy_event_set(&end_child[0]);
}

#endif
