/*
 * The counters of a loop, in one look.
 *
 * Three sorts: what was counted as it happened (struct eddy_counts), a turn or a system call at a time
 * and not a step; what the loop has anyway (the heap's size, the number of tasks); and what is counted
 * now, by walking the ready list. What can be had from the others is not counted: `waiting` is what
 * lives and is neither ready nor running, `busy` is the time that was not slept through.
 */
#include "eddy/look.h"

#include "task/task_internal.h"

struct ready {
    uint64_t all;
    uint64_t tasks;
};

static void count(const struct eddy_link *list, struct ready *ready)
{
    for (const struct eddy_link *link = list->next; link != list; link = link->next) {
        ready->all++;
        ready->tasks +=
            (uint64_t)eddy_ready_is_record((const struct eddy_ready *)(const void *)link);
    }
}

void eddy_loop_metrics(const eddy_loop *loop, struct eddy_metrics *metrics)
{
    const struct eddy_counts *counts = &loop->counts;
    int64_t now = eddy_loop_peek_clock(loop);
    uint64_t live = loop->tasks != NULL ? loop->tasks->live : 0;
    bool running = loop->current != NULL && loop->current->timed.ready.state == EDDY_TASK_RUNNING_;
    struct ready ready = {0, 0};

    eddy_loop_here(loop, __func__);
    count(&loop->ready, &ready);
    count(&loop->batch, &ready);
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
        .file_jobs = counts->file_jobs,
        .deadlines = counts->deadlines,
        .children_spawned = counts->children_spawned,
        .spawned = loop->tasks != NULL ? loop->tasks->spawned : 0,
        .idle = counts->idle,
        .busy = now - counts->made_at - counts->idle,
        .longest_step = counts->longest_step,
        .wakes = counts->wakes,
        .ready = ready.all,
        .live = live,
        .waiting = live - ready.tasks - running,
        .armed = loop->heap.count,
        .watched = (uint64_t)loop->watched,
        .children = counts->children,
    };
}
