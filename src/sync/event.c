#include "eddy/event.h"

#include <string.h>

static const struct eddy_wait_kind event_kind = {.name = "event"};

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
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (event->set) {
        return eddy_complete(co, 0);
    }
    return eddy_park(co, &event_kind, event, &event->waiters);
}

void eddy_event_set(eddy_event *event)
{
    event->set = true;
    eddy_wake_all(&event->waiters, 0);
}
