/*
 * A task as it shows itself to a program: struct eddy_task_info, in the order of the tree of a snapshot,
 * or without memory in the order of the records.
 *
 * The tree is walked without recursion, by the links of the snapshot: a chain of tasks may be as long as
 * memory allows. What is shown is made for one task at a time, on the stack, and is gone when the
 * visitor returns. Nothing here is kept while a program runs: who looks pays.
 */
#include "eddy/look.h"

#include <string.h>

#include "look/snapshot.h"

enum { DETAIL_TEXT = 192 };

/* ---- frames */

bool eddy_frames_next(struct eddy_frames *frames, struct eddy_frame_info *info)
{
    struct eddy_frame_place place;

    if (frames->next == NULL) {
        return false;
    }
    place = eddy_frame_place(frames->next);
    info->function = place.function;
    info->file = place.file;
    info->line = place.line;
    frames->next = frames->next->parent;
    return true;
}

/* ---- tasks */

static enum eddy_task_doing doing_of(const struct eddy_task_record *task)
{
    switch ((enum eddy_task_state)task->timed.ready.state) {
    case EDDY_TASK_RUNNING_:
        return EDDY_TASK_RUNNING;
    case EDDY_TASK_WAITING_:
        return EDDY_TASK_WAITING;
    case EDDY_TASK_DONE_:
    case EDDY_TASK_FREE_:
        return EDDY_TASK_ENDED;
    case EDDY_TASK_READY_:
        break;
    }
    return EDDY_TASK_READY;
}

/* How long a task has waited. Its record keeps the lower bits of when that began. */
static int64_t age_of(const struct eddy_task_record *task)
{
    int64_t now = eddy_loop_peek_clock(eddy_task_loop(task));
    uint32_t ticks = (uint32_t)(now >> EDDY_TASK_TICK_SHIFT_) - task->since;
    int64_t begun =
        ((now >> EDDY_TASK_TICK_SHIFT_) - ticks) * (INT64_C(1) << EDDY_TASK_TICK_SHIFT_);

    return now - begun;
}

static void fill_wait(struct eddy_task_info *info, struct eddy_task_record *task, char *detail)
{
    const struct eddy_wait_kind *wait = task->wait;

    info->waits_for = wait->name;
    info->age = age_of(task);
    if (wait->describe != NULL) {
        wait->describe(task, detail, DETAIL_TEXT);
        eddy_make_printable(detail);
        info->detail = detail;
    }
}

static void fill(struct eddy_task_info *info, struct eddy_task_record *task, char *detail)
{
    memset(info, 0, sizeof *info);
    info->task = eddy_handle(task);
    info->number = task->timed.ready.generation;
    info->parent = task->parent;
    info->name = eddy_task_display_name(task);
    info->place = eddy_task_place(task);
    info->doing = doing_of(task);
    info->cancelled = eddy_has(task, EDDY_TASK_CANCEL_ | EDDY_TASK_UNDER_WAY_);
    info->deadline = EDDY_FOREVER;
    info->frames.next = task->top;
    info->detail = "";
    if (info->doing == EDDY_TASK_ENDED) {
        info->result = task->in.result;
    } else {
        info->deadline = eddy_deadline_next(task);
    }
    if (info->doing == EDDY_TASK_WAITING) {
        fill_wait(info, task, detail);
    }
}

static void visit_node(const struct eddy_snapshot *snapshot, const struct eddy_node *node,
                       uint32_t depth, eddy_inspect_fn *visit, void *user)
{
    struct eddy_task_info info;
    char detail[DETAIL_TEXT];

    fill(&info, node->task, detail);
    info.depth = depth;
    info.last = node->next == EDDY_NO_NODE;
    info.circle = node->circle;
    if (node->blocker != EDDY_NO_NODE) {
        info.blocker = snapshot->nodes[node->blocker].task->timed.ready.generation;
    }
    visit(&info, user);
}

void eddy_snapshot_visit(const struct eddy_snapshot *snapshot, eddy_inspect_fn *visit, void *user)
{
    uint32_t i = snapshot->first;
    uint32_t depth = 0;

    while (i != EDDY_NO_NODE) {
        const struct eddy_node *node = &snapshot->nodes[i];
        visit_node(snapshot, node, depth, visit, user);
        if (node->child != EDDY_NO_NODE) {
            i = node->child;
            depth++;
            continue;
        }
        while (node->next == EDDY_NO_NODE && node->parent != EDDY_NO_NODE) {
            node = &snapshot->nodes[node->parent];
            depth--;
        }
        i = node->next;
    }
}

/* ---- without memory */

struct unordered {
    eddy_inspect_fn *visit;
    void *user;
};

static void unordered_visitor(struct eddy_task_record *task, void *context)
{
    const struct unordered *unordered = context;
    struct eddy_task_info info;
    char detail[DETAIL_TEXT];

    fill(&info, task, detail);
    unordered->visit(&info, unordered->user);
}

void eddy_visit_unordered(eddy_loop *loop, eddy_inspect_fn *visit, void *user)
{
    struct unordered unordered = {visit, user};

    eddy_task_each(loop, unordered_visitor, &unordered);
}

int eddy_loop_inspect(eddy_loop *loop, eddy_inspect_fn *visit, void *user)
{
    struct eddy_snapshot snapshot;
    int result = eddy_snapshot_take(loop, &snapshot);

    if (result == 0) {
        eddy_snapshot_visit(&snapshot, visit, user);
        eddy_snapshot_free(loop, &snapshot);
    } else {
        eddy_visit_unordered(loop, visit, user);
    }
    return result;
}
