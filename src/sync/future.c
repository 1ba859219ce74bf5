#include "eddy/event.h"

static const struct eddy_wait_kind future_kind = {.name = "future"};

int eddy_future_fini(const eddy_future *future)
{
    return eddy_waiters_first(&future->waiting) != NULL ? -EBUSY : 0;
}

int64_t eddy_future_wait(eddy_coro *co, eddy_future *future)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (future->done) {
        return eddy_complete(co, future->result);
    }
    return eddy_park(co, &future_kind, future, &future->waiting);
}

int eddy_future_set(eddy_future *future, int64_t result)
{
    if (result == EDDY_PENDING) {
        return -EINVAL;
    }
    if (future->done) {
        return -EALREADY;
    }
    future->done = true;
    future->result = result;
    eddy_wake_all(&future->waiting, result);
    return 0;
}
