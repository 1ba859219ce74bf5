#include "eddy/metrics.h"

#include "task_internal.h"

static uint64_t length(const struct eddy_link *list)
{
    uint64_t count = 0;

    for (const struct eddy_link *link = list->next; link != list; link = link->next) {
        count++;
    }
    return count;
}

void eddy_loop_metrics(const eddy_loop *loop, struct eddy_metrics *metrics)
{
    const struct eddy_counts *counts = &loop->counts;
    int64_t now = eddy_clock_read(loop->clock, loop->sys);

    *metrics = (struct eddy_metrics){
        .turns = counts->turns,
        .steps = counts->steps,
        .sleeps = counts->sleeps,
        .fd_events = counts->fd_events,
        .waits = counts->waits,
        .controls = counts->controls,
        .reads = counts->reads,
        .writes = counts->writes,
        .accepts = counts->accepts,
        .deadlines = counts->deadlines,
        .spawned = loop->tasks != NULL ? loop->tasks->spawned : 0,
        .idle = counts->idle,
        .busy = now - counts->made_at - counts->idle,
        .longest_step = counts->longest_step,
        .ready = length(&loop->ready) + length(&loop->batch),
        .live = loop->tasks != NULL ? loop->tasks->live : 0,
        .armed = loop->heap.count,
        .watched = (uint64_t)loop->watched,
    };
}
