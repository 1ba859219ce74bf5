/*
 * Watching steps: tracing, and telling of slow ones.
 *
 * The usual trampoline is not made slower by that. While steps are watched, the loop has another table
 * of tasks (loop->task_class), equal but for `run`, which has the usual one run one step at a time and
 * looks before and after. Nobody else can tell the difference.
 *
 *     asked for outside of a poll    the table is exchanged at once
 *     asked for inside               at the beginning of the next turn, by a hook: the batch that runs
 *                                    is in the loop of the old `run`
 *     switched off                   nothing more is told, at once; the table goes with the next turn
 *
 * So steps are watched by whole turns, and none from its middle on. Durations are
 * of CLOCK_MONOTONIC, whatever clock the loop has: a virtual one stands still during a step.
 */
#include "eddy/look.h"

#include <string.h>

#include "base/duration.h"
#include "task/task_internal.h"

/* What a loop knows of its watchers of steps; made when the first is set. */
struct tracing {
    struct eddy_attachment attachment;
    struct eddy_loop_task_class task_class; /* as the usual one, but for `run` */
    eddy_trace_fn *trace;
    void *trace_user;
    eddy_slow_fn *slow;
    void *slow_user;
    int64_t slow_from; /* steps that take so long are told; 0: none */
    /* Since the last turn that began after they were set; while cleared, that turn goes on. */
    bool steps_traced;
    bool steps_timed;
    eddy_hook next_turn; /* started by a change inside a turn */
    unsigned pool_class;
};

static const char attachment_key;

static struct tracing *tracing_of(eddy_loop *loop)
{
    return (struct tracing *)(void *)eddy_loop_attachment(loop, &attachment_key);
}

static int64_t real_now(const eddy_loop *loop)
{
    return loop->sys->clock_now(loop->sys, CLOCK_MONOTONIC);
}

/* ---- telling */

static void call(eddy_loop *loop, const struct tracing *tracing, struct eddy_trace_event *event)
{
    event->by = loop->current != NULL ? loop->current->timed.ready.generation : 0;
    event->time = real_now(loop);
    tracing->trace(loop, event, tracing->trace_user);
}

static void tell(eddy_loop *loop, struct eddy_task_record *who, enum eddy_trace_kind kind)
{
    struct eddy_task_record *task = eddy_acting(who);
    const struct tracing *tracing = tracing_of(loop);
    struct eddy_trace_event event = {
        .kind = kind,
        .task = eddy_handle(task),
        .number = task->timed.ready.generation,
    };

    if (kind == EDDY_TRACE_FINISH) {
        event.result = task->in.result;
    } else {
        struct eddy_frame_place place = eddy_frame_place(task->top);
        event.function = place.function;
        event.file = place.file;
        event.line = place.line;
    }
    if (kind == EDDY_TRACE_SUSPEND && task->timed.ready.state == EDDY_TASK_WAITING_) {
        event.waits_for = task->wait->name;
    }
    call(loop, tracing, &event);
}

static void report_slow(eddy_loop *loop, const struct eddy_slow_step *step)
{
    char took[EDDY_DURATION_TEXT];

    eddy_duration_format(took, step->took);
    if (step->function == NULL) {
        eddy_loop_report(loop, step->task, -ETIME, "slow: a callback took %s", took);
    } else if (step->line == 0) {
        eddy_loop_report(loop, step->task, -ETIME,
                         "slow: a step of #%u took %s, from the beginning of %s on (%s)",
                         (unsigned)step->number, took, step->function, step->file);
    } else {
        eddy_loop_report(loop, step->task, -ETIME,
                         "slow: a step of #%u took %s, from %s:%u on (%s)", (unsigned)step->number,
                         took, step->file, (unsigned)step->line, step->function);
    }
}

static void tell_slow(eddy_loop *loop, const struct tracing *tracing, struct eddy_slow_step *step)
{
    if (step->took > loop->counts.longest_step) {
        loop->counts.longest_step = step->took;
    }
    if (step->took < tracing->slow_from) {
        return;
    }
    if (tracing->slow != NULL) {
        tracing->slow(loop, step, tracing->slow_user);
    } else {
        report_slow(loop, step);
    }
}

/* ---- steps */

/* Its frame may be gone after the step, so the function is asked beforehand. */
static void run_timed(eddy_loop *loop, const struct tracing *tracing, struct eddy_task_record *task)
{
    struct eddy_frame_place place = eddy_frame_place(task->top);
    struct eddy_slow_step step = {
        .task = eddy_handle(task),
        .number = task->timed.ready.generation,
        .function = place.function,
        .file = place.file,
        .line = place.line,
        .took = -real_now(loop),
    };

    (void)eddy_task_class.run(loop, 1);
    step.took += real_now(loop);
    if (tracing->slow_from > 0) {
        tell_slow(loop, tracing, &step);
    }
}

static void run_one(eddy_loop *loop, const struct tracing *tracing, struct eddy_task_record *task)
{
    uint32_t number = task->timed.ready.generation;

    if (tracing->steps_traced && tracing->trace != NULL) {
        tell(loop, task, EDDY_TRACE_RESUME);
    }
    if (tracing->steps_timed) {
        run_timed(loop, tracing, task);
    } else {
        (void)eddy_task_class.run(loop, 1);
    }
    if (tracing->steps_traced && tracing->trace != NULL && task->timed.ready.generation == number &&
        (task->timed.ready.state == EDDY_TASK_WAITING_ ||
         task->timed.ready.state == EDDY_TASK_READY_)) {
        tell(loop, task, EDDY_TRACE_SUSPEND);
    }
}

static int run(eddy_loop *loop, int most)
{
    const struct tracing *tracing = tracing_of(loop);
    int steps = 0;

    do {
        run_one(
            loop, tracing,
            eddy_acting(eddy_task_of((struct eddy_ready *)(void *)eddy_list_front(&loop->batch))));
        steps++;
    } while (steps < most && eddy_list_front(&loop->batch) != &loop->batch &&
             eddy_ready_is_record((struct eddy_ready *)(void *)eddy_list_front(&loop->batch)));
    return steps;
}

static void run_callback(eddy_loop *loop, void (*function)(struct eddy_ready *ready),
                         struct eddy_ready *ready)
{
    const struct tracing *tracing = tracing_of(loop);
    struct eddy_slow_step step = {.took = -real_now(loop)};

    function(ready);
    step.took += real_now(loop);
    if (tracing->slow_from > 0) {
        tell_slow(loop, tracing, &step);
    }
}

/* ---- setting */

/* Takes the usual way to run tasks, or the one that watches them. */
static void choose(eddy_loop *loop, struct tracing *tracing)
{
    tracing->steps_traced = tracing->trace != NULL;
    tracing->steps_timed = tracing->slow_from > 0;
    loop->task_class =
        tracing->steps_traced || tracing->steps_timed ? &tracing->task_class : &eddy_task_class;
    loop->run_callback = tracing->steps_timed ? run_callback : NULL;
}

static void on_next_turn(eddy_hook *hook)
{
    eddy_loop *loop = hook->loop;

    eddy_hook_stop(hook);
    choose(loop, hook->user);
}

/* Steps are watched from the next turn on, whole turns; all else, and that it ends, at once. */
static void change(eddy_loop *loop, struct tracing *tracing)
{
    loop->trace = tracing->trace != NULL ? tell : NULL;
    if (loop->running) {
        eddy_hook_start(loop, &tracing->next_turn, EDDY_HOOK_PREPARE, on_next_turn);
    } else {
        choose(loop, tracing);
    }
}

static void close_tracing(eddy_loop *loop, struct eddy_attachment *attachment)
{
    struct tracing *tracing = (struct tracing *)(void *)attachment;

    eddy_hook_stop(&tracing->next_turn);
    tracing->trace = NULL;
    tracing->slow_from = 0;
    loop->trace = NULL;
    choose(loop, tracing);
    eddy_pool_give(&loop->pool, tracing, tracing->pool_class);
}

static struct tracing *tracing_make(eddy_loop *loop)
{
    struct tracing *tracing = tracing_of(loop);
    unsigned pool_class;

    if (tracing != NULL) {
        return tracing;
    }
    /* The class stands for tasks: a loop that has one has a table. */
    if (eddy_task_table_make(loop, &eddy_task_class) < 0) {
        return NULL;
    }
    tracing = eddy_pool_take(&loop->pool, sizeof *tracing, &pool_class);
    if (tracing == NULL) {
        return NULL;
    }
    memset(tracing, 0, sizeof *tracing);
    tracing->attachment.key = &attachment_key;
    tracing->attachment.close = close_tracing;
    tracing->task_class = eddy_task_class;
    tracing->task_class.run = run;
    tracing->pool_class = pool_class;
    tracing->next_turn.user = tracing;
    eddy_list_append(&loop->attachments, &tracing->attachment.link);
    return tracing;
}

int eddy_loop_slow_steps(eddy_loop *loop, int64_t duration, eddy_slow_fn *slow, void *user)
{
    struct tracing *tracing;

    eddy_loop_here(loop, __func__);
    if (duration < 0) {
        return -EINVAL;
    }
    tracing = tracing_make(loop);
    if (tracing == NULL) {
        return -ENOMEM;
    }
    tracing->slow_from = duration;
    tracing->slow = slow;
    tracing->slow_user = user;
    change(loop, tracing);
    return 0;
}

int eddy_loop_trace(eddy_loop *loop, eddy_trace_fn *trace, void *user)
{
    struct tracing *tracing;

    eddy_loop_here(loop, __func__);
    tracing = tracing_make(loop);
    if (tracing == NULL) {
        return -ENOMEM;
    }
    tracing->trace = trace;
    tracing->trace_user = user;
    change(loop, tracing);
    return 0;
}
