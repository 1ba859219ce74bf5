/*
 * Events: a flag that tasks wait for.
 *
 *     eddy_await(eddy_event_wait(co, &self->server->ready));     // in any number of tasks
 *
 *     eddy_event_set(&server->ready);                            // anywhere on the loop's thread
 */
#ifndef EDDY_EVENT_H
#define EDDY_EVENT_H

#include <stdbool.h>

#include "eddy/wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The caller's, valid when zeroed: not set. All of it is private. */
typedef struct eddy_event {
    struct eddy_line waiters; /* not empty only while it is not set */
    bool set;
} eddy_event;

/* Makes the event not set, as zeroing it does. */
EDDY_API void eddy_event_init(eddy_event *event);

/* Before the event's memory goes: 0; -EBUSY: tasks wait for it. */
EDDY_API EDDY_MUST_USE int eddy_event_fini(const eddy_event *event);

/* Waits until the event is set; at once if it is. 0; -ECANCELED. Who was waiting when it was set
 * returns 0, whether it is cleared again or a cancel comes before the task runs. */
EDDY_API EDDY_MUST_USE int64_t eddy_event_wait(eddy_coro *co, eddy_event *event);

/* Sets the event, and wakes all who wait, in the order in which they came. From tasks and callbacks
 * alike; never suspends. */
EDDY_API void eddy_event_set(eddy_event *event);

/* Takes that back: who comes from now on waits. */
static inline void eddy_event_clear(eddy_event *event)
{
    event->set = false;
}

static inline bool eddy_event_is_set(const eddy_event *event)
{
    return event->set;
}

#ifdef __cplusplus
}
#endif

#endif
