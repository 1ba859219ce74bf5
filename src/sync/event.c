/*
 * Events, and futures, which are events with a value: a line of tasks that all go on when it is set, each
 * with the value (an event's is 0).
 *
 *     not set    who waits stands in the line
 *     set        the line is empty; who waits has the value at once
 *
 * Who was woken has the value that was set then, whatever becomes of the event before he runs: the wake is
 * the hand-over, and nobody looks at the event again. So it may be set and cleared in one step, and its
 * memory may go once nobody stands in line.
 */
#include "eddy/event.h"

#include <string.h>

static const struct eddy_wait_kind event_kind = {.name = "event"};
static const struct eddy_wait_kind future_kind = {.name = "future"};

/* `value` counts if it is set. */
static int64_t wait_for(eddy_coro *co, const struct eddy_wait_kind *kind, eddy_event *event,
                        int64_t value)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    return event->set ? eddy_complete(co, value) : eddy_park(co, kind, event, &event->waiters);
}

static void set(eddy_event *event, int64_t value)
{
    event->set = true;
    eddy_wake_all(&event->waiters, value);
}

/* ---- events */

void eddy_event_init(eddy_event *event)
{
    memset(event, 0, sizeof *event);
}

int eddy_event_fini(const eddy_event *event)
{
    return eddy_waiters_first(&event->waiters) != NULL ? -EBUSY : 0;
}

int64_t eddy_event_wait(eddy_coro *co, eddy_event *event)
{
    return wait_for(co, &event_kind, event, 0);
}

void eddy_event_set(eddy_event *event)
{
    set(event, 0);
}

/* ---- futures */

int eddy_future_fini(const eddy_future *future)
{
    return eddy_event_fini(&future->event);
}

int64_t eddy_future_wait(eddy_coro *co, eddy_future *future)
{
    return wait_for(co, &future_kind, &future->event, future->result);
}

int eddy_future_set(eddy_future *future, int64_t result)
{
    if (result == EDDY_PENDING) {
        return -EINVAL;
    }
    if (future->event.set) {
        return -EALREADY;
    }
    future->result = result;
    set(&future->event, result);
    return 0;
}
