/*
 * The dump: the tasks as a tree, each with what it waits for and where its frames stand.
 *
 * It is read when something is wrong, maybe in a process that is short of memory and writes to a pipe
 * with others. So it takes no memory but the snapshot's, and says all it can without that, unsorted;
 * what is deep or long is cut in the middle or not indented further, and never left out in silence; and
 * lines go out whole (put). All names are the user's or the peer's, and made printable.
 */
#include "eddy/look.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "base/duration.h"
#include "look/snapshot.h"

enum {
    DEEPEST = 24,     /* from here on tasks are not indented further */
    INNERMOST = 24,   /* frames of a stack that are printed */
    OUTERMOST = 8,    /* and of its other end */
    FRAME_INDENT = 6, /* columns, behind the bars */
};

struct dump {
    FILE *file;
    char text[PIPE_BUF]; /* what is not yet in the file: its lines are put there whole */
    size_t length;       /* of the text */
    uint32_t count[EDDY_TASK_ENDED + 1]; /* by what they are doing */
    uint32_t more; /* bit n: at depth n a sibling of what is printed now will follow */
};

/* ---- the text */

/* The beginning of the text, whole lines where that can be. */
static void flush(struct dump *dump, size_t length)
{
    fwrite(dump->text, 1, length, dump->file);
    dump->length -= length;
    memmove(dump->text, dump->text + length, dump->length);
}

static size_t length_of_whole_lines(const struct dump *dump)
{
    size_t length = dump->length;

    while (length > 0 && dump->text[length - 1] != '\n') {
        length--;
    }
    return length;
}

/* Processes that share a file or a pipe (standard error, say) do not cut into each other's lines:
 * one write takes whole lines, as many as the system writes in one piece. */
__attribute__((format(printf, 2, 3))) static void put(struct dump *dump, const char *format, ...)
{
    va_list arguments;
    size_t needed;

    va_start(arguments, format);
    needed = (size_t)vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (needed >= sizeof dump->text - dump->length) {
        flush(dump, length_of_whole_lines(dump));
    }
    va_start(arguments, format);
    if (needed < sizeof dump->text - dump->length) {
        vsnprintf(dump->text + dump->length, sizeof dump->text - dump->length, format, arguments);
        dump->length += needed;
    } else { /* a line that is longer than that */
        flush(dump, dump->length);
        vfprintf(dump->file, format, arguments);
    }
    va_end(arguments);
}

/* A task's name is the user's. */
static void put_name(struct dump *dump, const char *name)
{
    char piece[128];

    do {
        size_t length = eddy_whole_characters(name, sizeof piece - 1);
        snprintf(piece, sizeof piece, "%.*s", (int)length, name);
        name += length;
        eddy_make_printable(piece);
        put(dump, "%s", piece);
    } while (*name != '\0');
}

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
static void print_bars(struct dump *dump, uint32_t depth)
{
    for (uint32_t level = 1; level <= depth && level <= DEEPEST; level++) {
        put(dump, "%s", (dump->more >> level & 1) != 0 ? "|   " : "    ");
    }
}

static void print_frame(struct dump *dump, uint32_t depth, const struct eddy_frame_info *frame)
{
    print_bars(dump, depth);
    put(dump, "%*sat %s (%s", FRAME_INDENT, "", frame->function, frame->file);
    if (frame->line > 0) {
        put(dump, ":%u", (unsigned)frame->line);
    }
    put(dump, ")\n");
}

/* Of a stack that is very deep only the two ends. */
static void print_stack(struct dump *dump, uint32_t depth, struct eddy_frames frames)
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
            put(dump, "%*s... %u more ...\n", FRAME_INDENT, "", (unsigned)left_out);
        }
        (void)eddy_frames_next(&frames, &frame);
        print_frame(dump, depth, &frame);
    }
}

/* ---- one task */

static void print_wait(struct dump *dump, const struct eddy_task_info *info)
{
    char age[EDDY_DURATION_TEXT];

    eddy_duration_format(age, info->age);
    put(dump, " waits %s for %s", age, info->waits_for);
    if (info->detail[0] != '\0') {
        put(dump, ": %s", info->detail);
    }
    if (info->blocker != 0) {
        put(dump, "; #%u must act", (unsigned)info->blocker);
    }
    if (info->circle != 0) {
        put(dump, "; in circle %u", (unsigned)info->circle);
    }
}

static void print_end(struct dump *dump, const struct eddy_task_info *info)
{
    if (info->result < 0) {
        put(dump, " has ended: %s", eddy_strerror(info->result));
    } else {
        put(dump, " has ended with %lld", (long long)info->result);
    }
    put(dump, ", and waits to be joined; spawned at %s", info->place);
}

static void print_doing(struct dump *dump, const struct eddy_task_info *info)
{
    switch (info->doing) {
    case EDDY_TASK_READY:
        put(dump, " is ready");
        break;
    case EDDY_TASK_RUNNING:
        put(dump, " is running");
        break;
    case EDDY_TASK_WAITING:
        print_wait(dump, info);
        break;
    case EDDY_TASK_ENDED:
        print_end(dump, info);
        break;
    }
}

static void print_limits(struct dump *dump, const struct eddy_task_info *info)
{
    char left[EDDY_DURATION_TEXT + 8];

    if (info->deadline != EDDY_FOREVER) {
        eddy_duration_format_left(left, sizeof left, info->deadline,
                                  eddy_loop_peek_clock(eddy_task_loop(info->task.record)));
        put(dump, "; time-out: %s", left);
    }
    if (info->cancelled) {
        put(dump, "; cancelled");
    }
}

static void print_task(const struct eddy_task_info *info, void *user)
{
    struct dump *dump = user;

    if (info->depth > 0) {
        print_bars(dump, info->depth - 1);
        put(dump, "%s", info->last ? "`-- " : "|-- ");
    }
    if (info->depth > DEEPEST) {
        put(dump, "(depth %u) ", (unsigned)info->depth);
    } else if (info->last) {
        dump->more &= ~(UINT32_C(1) << info->depth);
    } else {
        dump->more |= UINT32_C(1) << info->depth;
    }
    put(dump, "#%u ", (unsigned)info->number);
    put_name(dump, info->name);
    print_doing(dump, info);
    print_limits(dump, info);
    put(dump, "\n");
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
    put(dump, "eddy: %u task%s", (unsigned)all, all == 1 ? "" : "s");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (dump->count[i] > 0) {
            put(dump, "%s%u %s", before, (unsigned)dump->count[i], words[i]);
            before = ", ";
        }
    }
    put(dump, "\n");
}

struct circles {
    struct dump *dump;
    uint32_t circle; /* that is being printed; 0: none yet */
};

static void print_member(struct eddy_task_record *task, uint32_t circle, void *context)
{
    struct circles *circles = context;

    if (circle != circles->circle) {
        put(circles->dump, circles->circle > 0 ? "\ncircle %u: " : "circle %u: ", (unsigned)circle);
        circles->circle = circle;
    } else {
        put(circles->dump, " -> ");
    }
    put(circles->dump, "#%u ", (unsigned)task->timed.ready.generation);
    put_name(circles->dump, eddy_task_display_name(task));
}

static void print_circles(struct dump *dump, const struct eddy_snapshot *snapshot)
{
    struct circles circles = {dump, 0};

    eddy_snapshot_each_in_circles(snapshot, print_member, &circles);
    if (circles.circle > 0) {
        put(dump, "\n");
    }
}

static void print_line(const char *text, void *context)
{
    put(context, "%s\n", text);
}

/* What runs beside the tasks: child processes. */
static void print_attachments(struct dump *dump, eddy_loop *loop)
{
    for (struct eddy_link *link = eddy_list_first(&loop->attachments);
         link != NULL && link != &loop->attachments; link = link->next) {
        struct eddy_attachment *attachment = (struct eddy_attachment *)(void *)link;
        if (attachment->describe != NULL) {
            attachment->describe(loop, attachment, print_line, dump);
        }
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
        put(&dump, "(no memory to sort them)\n");
        eddy_visit_unordered(loop, print_task, &dump);
    }
    print_attachments(&dump, loop);
    flush(&dump, dump.length);
    return ferror(file) != 0 ? -EIO : 0;
}
