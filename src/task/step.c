/*
 * The trampoline: runs a task's innermost frame, and whatever frame that makes the innermost,
 * until the task waits, pauses or ends. The C stack does not grow with the awaits.
 *
 * A task's state, and the only ways between:
 *
 *     READY      in the ready list or the batch    -> RUNNING   its turn has come (step)
 *     RUNNING    its frame is on the C stack       -> WAITING   an operation has parked it
 *                                                               (or goes on waiting: its resume
 *                                                               was in vain)
 *                                                  -> READY     it pauses, or has had its share
 *                                                  -> DONE      its last frame has ended
 *     WAITING    `wait` says for what              -> READY     eddy_wake, with the result, or
 *                                                               eddy_wake_to_try, without
 *     DONE       the result is in in.result        -> FREE      it was taken
 *
 * A step calls the frame without a look at anything if no bit of EDDY_TASK_PREPARED_ is set: new or to
 * try, under way, deadlines. So what is rare costs the usual step one test (prepare).
 *
 * A branch of a select is no task, but has its turn: what it waits for is tried, and if that is the end of the
 * select the task runs (step_branch).
 *
 * The table at the end is all that a loop knows of tasks. It is constant; tracing puts a copy with
 * another `run` in its place.
 */
#include <string.h>

#include "loop/look.h"
#include "task/task_internal.h"

/* ---- running */

static void __attribute__((noinline, no_sanitize("address"))) poison_stack(void)
{
    volatile unsigned char gone[16384];

    for (size_t i = 0; i < sizeof gone; i++) {
        gone[i] = 0xA5;
    }
}

/* A task that became ready to try: does the work that it waits for. False: it waits on. */
static inline bool try_to_finish_wait(struct eddy_task_record *task)
{
    int64_t result = task->wait->resume(task);

    if (result == EDDY_PENDING && task->wait != NULL) {
        if (task->timed.ready.state == EDDY_TASK_RUNNING_) { /* else it has asked to try again */
            task->timed.ready.state = EDDY_TASK_WAITING_;
        }
        return false;
    }
    if (result !=
        EDDY_PENDING) { /* else its wait was ended by what it has called, the error hook */
        task->wait = NULL;
        task->in.result = result;
    }
    return true;
}

/* Of the first step of a task: false if it was cancelled before. */
static bool may_begin(struct eddy_task_record *task)
{
    if (!eddy_has(task, EDDY_TASK_CANCEL_)) {
        return true;
    }
    eddy_frame_free(task, task->top);
    task->top = NULL;
    eddy_task_finish(task, -ECANCELED);
    return false;
}

/* No other step finds the first frame so: the await by which it has let go has written its line. */
static bool is_new(const struct eddy_task_record *task)
{
    return task->top->parent == NULL && task->top->state == EDDY_STATE_START_;
}

/* What only some steps begin with; false if the task does not run after all. */
static bool prepare(struct eddy_task_record *task)
{
    if (eddy_has(task, EDDY_TASK_TRY_)) {
        eddy_clear(task, EDDY_TASK_TRY_);
        if (task->wait != NULL ? !try_to_finish_wait(task) : is_new(task) && !may_begin(task)) {
            return false;
        }
    }
    if (eddy_has(task, EDDY_TASK_UNDER_WAY_ | EDDY_TASK_UNTIMED_ | EDDY_TASK_DEADLINES_)) {
        eddy_interrupt_settle(task);
    }
    return true;
}

/* Calls the innermost frame, and whatever frame that makes the innermost, until the task waits,
 * pauses or ends, or has had its share of calls. */
static inline void call_frames(eddy_loop *loop, struct eddy_task_record *task)
{
    do {
        eddy_coro *co = task->top;
        co->fn(co);
        if (__builtin_expect((loop->flags & EDDY_LOOP_POISON_STACK) != 0, 0)) {
            poison_stack();
        }
        if (task->timed.ready.state != EDDY_TASK_RUNNING_) {
            return;
        }
        if (task->top == co) {
            eddy_frame_misuse(co, "the coroutine returned without eddy_return or eddy_end");
        }
    } while (--loop->awaits_left >= 0);
    (void)eddy_requeue(task);
}

/* The hot path. A task may be gone after its step, but its record never is. */
static inline void step(eddy_loop *loop, struct eddy_task_record *task)
{
    struct eddy_ready *ready = &task->timed.ready;

    ready->state = EDDY_TASK_RUNNING_;
    loop->current = task;
    loop->awaits_left = AWAITS_A_STEP - 1;
    EDDY_PROBE(resume, task);
    if ((ready->bits & EDDY_TASK_PREPARED_) == 0 || prepare(task)) {
        call_frames(loop, task);
    }
}

/* Of a branch, whose turn is its task's if the select is over with it. */
static void step_branch(eddy_loop *loop, struct eddy_task_record *branch)
{
    struct eddy_task_record *task = eddy_selecting(branch);
    bool tries = eddy_has(branch, EDDY_TASK_TRY_);

    branch->timed.ready.state = EDDY_TASK_RUNNING_;
    loop->current = eddy_acting(task);
    eddy_clear(branch, EDDY_TASK_TRY_);
    if (tries && branch->wait != NULL && !try_to_finish_wait(branch)) {
        eddy_branch_settle(branch);
        return;
    }
    eddy_branch_ended(branch);
    if (task->timed.ready.state == EDDY_TASK_READY_) { /* it is next */
        eddy_list_remove(&task->timed.ready.link);
        eddy_list_append(eddy_list_front(&loop->batch), &task->timed.ready.link);
    }
}

static int run(eddy_loop *loop, int most)
{
    int steps = 0;

    if (((struct eddy_ready *)(void *)eddy_list_front(&loop->batch))->kind == EDDY_READY_BRANCH) {
        step_branch(loop, eddy_task_of(eddy_batch_take(loop)));
        loop->current = NULL;
        return 1;
    }
    do {
        step(loop, eddy_task_of(eddy_batch_take(loop)));
        steps++;
    } while (steps < most &&
             (eddy_list_front(&loop->batch) != &loop->batch || eddy_batch_refill(loop, steps)) &&
             ((struct eddy_ready *)(void *)eddy_list_front(&loop->batch))->kind == EDDY_READY_TASK);
    loop->current = NULL;
    return steps;
}

/* ---- the end of a loop: each task is cancelled once (ENDING), with those that its cleanup spawns in a
 * round of their own; end.c runs turns in between */

static void cancel_visitor(struct eddy_task_record *task, void *context)
{
    (void)context;
    if (task->timed.ready.state != EDDY_TASK_DONE_) {
        eddy_tell_leak(task); /* now, while it still waits for what it has waited for */
        eddy_set(task, EDDY_TASK_ENDING_);
        eddy_task_loop(task)->tasks->ending++;
        eddy_cancel_record(task);
    }
}

/* All of them are one cancel, so that none is reached again by way of each that waits for it. */
static void cancel_each(eddy_loop *loop)
{
    bool first = eddy_cancel_begin(loop);

    eddy_task_each(loop, cancel_visitor, NULL);
    eddy_cancel_end(loop, first);
}

/* What is told of leaks says where in their lines they stand. */
static void cancel_all(eddy_loop *loop)
{
    if (eddy_loop_reports_leaks(loop)) {
        eddy_look_with_lines(loop, cancel_each);
    } else {
        cancel_each(loop);
    }
}

static void report_visitor(struct eddy_task_record *task, void *context)
{
    int64_t *error = context;

    if (task->timed.ready.state != EDDY_TASK_DONE_) {
        eddy_error_report(task, *error, "was cut off in its cleanup");
    } else if (eddy_task_is_taken(task)) {
        return;
    } else if (eddy_error_is_lost(task)) {
        eddy_error_report(task, task->in.result, "was never joined");
    } else {
        eddy_tell_leak(task);
    }
}

static uint32_t end(eddy_loop *loop)
{
    if (loop->tasks->live > 0 && loop->tasks->ending == 0) {
        cancel_all(loop); /* at first, and for what cleanups have left behind */
    }
    return loop->tasks->live;
}

static int cut_off(eddy_loop *loop)
{
    int64_t error = -ETIMEDOUT;

    loop->tasks->closed = true; /* also for what the error hook spawns */
    eddy_task_each(loop, report_visitor, &error);
    if (loop->tasks->live == 0) {
        return 0;
    }
    eddy_tell_all(loop);
    return -ETIMEDOUT;
}

/* What a task waits for that was cut off: nothing that could be looked at. */
static const struct eddy_wait_kind cut_off_kind = {.name = "nothing: it was cut off"};

/* Tasks that were cut off must not be found by what is still to be closed, and what is the caller's
 * must not go on counting with them; nor may who looks at them look at that, which is as new when it
 * has been told of the end. */
static void forget_wait(struct eddy_task_record *task, void *context)
{
    eddy_loop *loop = context;

    if (eddy_heap_has(&task->timed.alarm)) {
        eddy_heap_remove(&loop->heap, &task->timed.alarm);
    }
    if (eddy_link_used(&task->timed.ready.link)) {
        eddy_list_remove(&task->timed.ready.link);
    }
    if (task->wait != NULL && task->wait->cut_off != NULL) {
        task->wait->cut_off(task);
    }
    if (task->wait != NULL) {
        task->wait = &cut_off_kind;
    }
}

static void forget_waits(eddy_loop *loop)
{
    eddy_task_record_each(loop, forget_wait, loop);
}

static void forget_visitor(struct eddy_task_record *task, void *context)
{
    forget_wait(task, context); /* it may have been woken since */
    eddy_task_forget_links(task);
}

/* When none stands in a line any more, to whom something could be handed over. */
static void scopes_visitor(struct eddy_task_record *task, void *context)
{
    (void)context;
    eddy_scopes_cut_off(task);
}

static void fini(eddy_loop *loop)
{
    eddy_task_record_each(loop, forget_visitor, loop);
    eddy_task_each(loop, scopes_visitor, NULL);
    eddy_task_table_free(loop);
}

/* ---- checking */

static void check_visitor(struct eddy_task_record *task, void *context)
{
    int *result = context;
    const struct eddy_link *link = &task->timed.ready.link;
    bool linked = eddy_link_used(link);
    bool good = true;

    switch ((enum eddy_task_state)task->timed.ready.state) {
    case EDDY_TASK_READY_:
        good = linked && task->top != NULL;
        break;
    case EDDY_TASK_WAITING_:
        good = task->wait != NULL && task->top != NULL && task->top->task == task &&
               (!linked || link->next->prev == link);
        break;
    case EDDY_TASK_DONE_:
        good = !linked && task->top == NULL && !eddy_heap_has(&task->timed.alarm) &&
               !eddy_has(task, EDDY_TASK_DEADLINES_); /* its frames have dropped theirs */
        break;
    case EDDY_TASK_RUNNING_:
    case EDDY_TASK_FREE_:
        break;
    }
    if (!good) {
        *result = -EINVAL;
    }
}

static int check(eddy_loop *loop)
{
    int result = 0;

    eddy_task_each(loop, check_visitor, &result);
    return result;
}

const struct eddy_loop_task_class eddy_task_class = {
    .run = run,
    .due = eddy_deadline_due,
    .settled = eddy_deadline_settled,
    .stuck = eddy_tell_deadlock,
    .end = end,
    .break_circles = eddy_join_break_circles,
    .cut_off = cut_off,
    .forget_waits = forget_waits,
    .fini = fini,
    .check = check,
};
