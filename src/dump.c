#include "eddy/dump.h"

#include <errno.h>

#include "describe.h"
#include "snapshot.h"

enum {
    DEEPEST = 24,     /* from here on tasks are not indented further */
    INNERMOST = 24,   /* frames of a stack that are printed */
    OUTERMOST = 8,    /* and of its other end */
    FRAME_INDENT = 6, /* columns, behind the bars */
};

struct dump {
    FILE *file;
    uint32_t count[EDDY_TASK_ENDED + 1]; /* by what they are doing */
    uint32_t more; /* bit n: at depth n a sibling of what is printed now will follow */
};

/* ---- the stack of awaits */

static uint32_t count_frames(struct eddy_frames frames)
{
    uint32_t count = 0;

    for (const eddy_coro *co = frames.next; co != NULL; co = co->parent) {
        count++;
    }
    return count;
}

/* Bars of the tree, down to a depth. */
static void print_bars(const struct dump *dump, uint32_t depth)
{
    for (uint32_t level = 1; level <= depth && level <= DEEPEST; level++) {
        fputs((dump->more >> level & 1) != 0 ? "|   " : "    ", dump->file);
    }
}

static void print_frame(const struct dump *dump, uint32_t depth,
                        const struct eddy_frame_info *frame)
{
    print_bars(dump, depth);
    fprintf(dump->file, "%*sat %s (%s", FRAME_INDENT, "", frame->function, frame->file);
    if (frame->line > 0) {
        fprintf(dump->file, ":%u", (unsigned)frame->line);
    }
    fputs(")\n", dump->file);
}

/* Of a stack that is very deep only the two ends. */
static void print_stack(const struct dump *dump, uint32_t depth, struct eddy_frames frames)
{
    uint32_t count = count_frames(frames);
    uint32_t left_out = count > INNERMOST + OUTERMOST + 1 ? count - INNERMOST - OUTERMOST : 0;
    struct eddy_frame_info frame;

    for (uint32_t i = 0; i < count; i++) {
        if (left_out > 0 && i == INNERMOST) {
            for (; i < INNERMOST + left_out; i++) {
                frames.next = frames.next->parent;
            }
            print_bars(dump, depth);
            fprintf(dump->file, "%*s... %u more ...\n", FRAME_INDENT, "", (unsigned)left_out);
        }
        (void)eddy_frames_next(&frames, &frame);
        print_frame(dump, depth, &frame);
    }
}

/* ---- one task */

static void print_wait(const struct dump *dump, const struct eddy_task_info *info)
{
    char age[EDDY_DURATION_TEXT];

    eddy_describe_duration(age, info->age);
    fprintf(dump->file, " waits %s for %s", age, info->waits_for);
    if (info->detail[0] != '\0') {
        fprintf(dump->file, ": %s", info->detail);
    }
    if (info->blocker != 0) {
        fprintf(dump->file, "; #%u must act", (unsigned)info->blocker);
    }
    if (info->circle != 0) {
        fprintf(dump->file, "; in circle %u", (unsigned)info->circle);
    }
}

static void print_end(const struct dump *dump, const struct eddy_task_info *info)
{
    if (info->result < 0) {
        fprintf(dump->file, " has ended: %s", eddy_strerror(info->result));
    } else {
        fprintf(dump->file, " has ended with %lld", (long long)info->result);
    }
    fprintf(dump->file, ", and waits to be joined; spawned at %s", info->site);
}

static void print_doing(const struct dump *dump, const struct eddy_task_info *info)
{
    switch (info->doing) {
    case EDDY_TASK_READY:
        fputs(" is ready", dump->file);
        break;
    case EDDY_TASK_RUNNING:
        fputs(" is running", dump->file);
        break;
    case EDDY_TASK_WAITING:
        print_wait(dump, info);
        break;
    case EDDY_TASK_ENDED:
        print_end(dump, info);
        break;
    }
}

static void print_limits(const struct dump *dump, const struct eddy_task_info *info)
{
    char left[EDDY_DURATION_TEXT + 8];

    if (info->deadline != EDDY_FOREVER) {
        eddy_describe_left(eddy_task_loop(info->task.record), info->deadline, left, sizeof left);
        fprintf(dump->file, "; time-out: %s", left);
    }
    if (info->cancelled) {
        fputs("; cancelled", dump->file);
    }
}

static void print_task(const struct eddy_task_info *info, void *user)
{
    struct dump *dump = user;

    if (info->depth > 0) {
        print_bars(dump, info->depth - 1);
        fputs(info->last ? "`-- " : "|-- ", dump->file);
    }
    if (info->depth > DEEPEST) {
        fprintf(dump->file, "(depth %u) ", (unsigned)info->depth);
    } else if (info->last) {
        dump->more &= ~(UINT32_C(1) << info->depth);
    } else {
        dump->more |= UINT32_C(1) << info->depth;
    }
    fprintf(dump->file, "#%u %s", (unsigned)info->number, info->name);
    print_doing(dump, info);
    print_limits(dump, info);
    fputc('\n', dump->file);
    print_stack(dump, info->depth, info->frames);
}

/* ---- the whole */

static void count_task(struct eddy_task_record *task, void *context)
{
    struct dump *dump = context;

    switch ((enum eddy_task_state)task->timed.ready.state) {
    case EDDY_TASK_RUNNING_:
        dump->count[EDDY_TASK_RUNNING]++;
        break;
    case EDDY_TASK_WAITING_:
        dump->count[EDDY_TASK_WAITING]++;
        break;
    case EDDY_TASK_DONE_:
        dump->count[EDDY_TASK_ENDED]++;
        break;
    case EDDY_TASK_READY_:
    case EDDY_TASK_FREE_:
        dump->count[EDDY_TASK_READY]++;
        break;
    }
}

static void print_head(struct dump *dump, eddy_loop *loop)
{
    static const char *const words[] = {"ready", "running", "waiting", "ended"};
    uint32_t all = 0;
    const char *before = ": ";

    if (loop->tasks != NULL) {
        eddy_task_each(loop, count_task, dump);
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        all += dump->count[i];
    }
    fprintf(dump->file, "eddy: %u task%s", (unsigned)all, all == 1 ? "" : "s");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (dump->count[i] > 0) {
            fprintf(dump->file, "%s%u %s", before, (unsigned)dump->count[i], words[i]);
            before = ", ";
        }
    }
    fputc('\n', dump->file);
}

static void print_member(const struct dump *dump, const struct eddy_snapshot *snapshot, uint32_t i)
{
    const struct eddy_task_record *task = snapshot->nodes[i].task;

    fprintf(dump->file, "#%u %s", (unsigned)task->timed.ready.generation,
            eddy_task_display_name(task));
}

static void print_circles(const struct dump *dump, const struct eddy_snapshot *snapshot)
{
    for (uint32_t circle = 1; circle <= snapshot->circles; circle++) {
        uint32_t first = eddy_snapshot_circle(snapshot, circle);
        uint32_t i = first;
        fprintf(dump->file, "circle %u: ", (unsigned)circle);
        do {
            print_member(dump, snapshot, i);
            fputs(" -> ", dump->file);
            i = snapshot->nodes[i].blocker;
        } while (i != first);
        print_member(dump, snapshot, first);
        fputc('\n', dump->file);
    }
}

int eddy_loop_dump(eddy_loop *loop, FILE *file)
{
    struct dump dump = {.file = file};
    struct eddy_snapshot snapshot;
    int result = eddy_snapshot_take(loop, &snapshot);

    print_head(&dump, loop);
    if (result == 0) {
        eddy_snapshot_visit(&snapshot, print_task, &dump);
        print_circles(&dump, &snapshot);
        eddy_snapshot_free(loop, &snapshot);
    } else {
        fputs("(no memory to sort them)\n", file);
        eddy_visit_unordered(loop, print_task, &dump);
    }
    return ferror(file) != 0 ? -EIO : 0;
}
