/*
 * The deadlines of a task: a stack, which nests as the awaits do, and the task's one entry in the heap.
 *
 *     eddy_wait_for        pushes one before its operation is evaluated; it is dropped when that frame
 *                          goes on
 *     eddy_with_timeout    one that its scope closes (block)
 *     eddy_with_group      likewise, without a time: a child that fails strikes it
 *
 * Because it is pushed first, running out of memory is an error before anything was begun, a coroutine that
 * has no time never starts, and nested ones in one expression need no care.
 *
 * Each knows the earliest of itself and those below it with the same mask, so the heap needs one entry for
 * all: that of the innermost. An entry that is too early is left where it is, and put right when it comes up:
 * postponing is O(1), and the idle time-out of a busy connection costs nothing. A task with deadlines keeps
 * its entry until the last is gone, so that arming it later cannot fail.
 *
 * What becomes of one that has passed is said by the tables of interrupt.c.
 */
#include "eddy/deadline.h"

#include "base/duration.h"
#include "task/task_internal.h"

/* ---- the earliest */

struct eddy_deadline *eddy_deadline_innermost(const struct eddy_task_record *task)
{
    return eddy_has(task, EDDY_TASK_DEADLINES_) ? eddy_extra(task)->deadlines : NULL;
}

/* Once that of the one below is right. */
static void recompute(struct eddy_deadline *deadline)
{
    const struct eddy_deadline *below = deadline->below;
    int64_t outer = below != NULL && below->mask == deadline->mask ? below->earliest : EDDY_FOREVER;
    int64_t own = deadline->stage == EDDY_DEADLINE_SET ? deadline->at : EDDY_FOREVER;

    deadline->earliest = own < outer ? own : outer;
}

/* From the outermost inwards: the list is turned round and back. */
void eddy_deadline_recompute(struct eddy_task_record *task)
{
    struct eddy_deadline *inwards = NULL;
    struct eddy_deadline *deadline = eddy_deadline_innermost(task);

    if (deadline == NULL) {
        return;
    }
    while (deadline != NULL) {
        struct eddy_deadline *below = deadline->below;
        deadline->below = inwards;
        inwards = deadline;
        deadline = below;
    }
    while (inwards != NULL) {
        struct eddy_deadline *above = inwards->below;
        inwards->below = deadline;
        recompute(inwards);
        deadline = inwards;
        inwards = above;
    }
    eddy_extra(task)->deadlines = deadline;
}

int64_t eddy_deadline_next(const struct eddy_task_record *task)
{
    const struct eddy_deadline *deadline = eddy_deadline_innermost(task);

    if (deadline == NULL || deadline->mask != task->top->mask ||
        eddy_has(task, EDDY_TASK_PASSED_)) {
        return EDDY_FOREVER;
    }
    return deadline->earliest;
}

void eddy_deadline_look(struct eddy_task_record *task)
{
    if (eddy_has(task, EDDY_TASK_DEADLINES_) &&
        eddy_deadline_next(task) <= eddy_task_loop(task)->now) {
        eddy_set(task, EDDY_TASK_PASSED_);
    }
}

/* ---- the entry in the heap, which is also the end of a sleep */

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    eddy_duration_format_left(text, size, task->with.until,
                              eddy_loop_peek_clock(eddy_task_loop(task)));
}

const struct eddy_wait_kind eddy_sleep_kind = {.name = "sleep", .describe = describe};

/* The earliest deadline at which something is to happen to the task. */
static int64_t next_of(const struct eddy_task_record *task)
{
    int64_t next;

    if (task->timed.ready.state == EDDY_TASK_FREE_ || task->timed.ready.state == EDDY_TASK_DONE_) {
        return EDDY_FOREVER;
    }
    next = eddy_deadline_next(task);
    return task->wait == &eddy_sleep_kind && task->with.until < next ? task->with.until : next;
}

void eddy_deadline_arm(struct eddy_task_record *task)
{
    eddy_loop *loop = eddy_task_loop(task);
    int64_t deadline = next_of(task);

    if (deadline != EDDY_FOREVER) {
        (void)eddy_heap_start(&loop->heap, &task->timed.alarm, deadline);
    }
    if (deadline <= loop->now) { /* of a block without time */
        eddy_loop_ask_soon(loop);
    }
}

int64_t eddy_wait_armed(struct eddy_task_record *task)
{
    if (task->timed.ready.state == EDDY_TASK_WAITING_) {
        eddy_clear(task, EDDY_TASK_CASCADED_); /* an error that was caught is over */
    }
    eddy_deadline_arm(task);
    return EDDY_PENDING;
}

/* Makes the entry true. A task with deadlines keeps its entry. */
static void put_right(eddy_loop *loop, struct eddy_task_record *task)
{
    int64_t deadline = next_of(task);

    if (deadline == EDDY_FOREVER && !eddy_has(task, EDDY_TASK_DEADLINES_)) {
        eddy_heap_remove(&loop->heap, &task->timed.alarm);
    } else {
        eddy_heap_set(&loop->heap, &task->timed.alarm, deadline);
    }
}

bool eddy_deadline_settled(eddy_loop *loop, struct eddy_timed *timed)
{
    struct eddy_task_record *task = eddy_task_of(&timed->ready);
    int64_t deadline = next_of(task);
    bool needed = deadline != EDDY_FOREVER || eddy_has(task, EDDY_TASK_DEADLINES_);

    if (needed && deadline <= eddy_heap_entry_of(&loop->heap, &timed->alarm)->deadline) {
        return true;
    }
    put_right(loop, task);
    return false;
}

void eddy_deadline_due(eddy_loop *loop, struct eddy_timed *timed)
{
    struct eddy_task_record *task = eddy_task_of(&timed->ready);
    int64_t deadline = next_of(task);

    /* An entry that stands for an earlier deadline is only put right: others may come before it. */
    if (deadline <= eddy_heap_entry_of(&loop->heap, &timed->alarm)->deadline) {
        if (task->wait == &eddy_sleep_kind && task->with.until == deadline) {
            eddy_wake(task, 0);
        } else {
            eddy_interrupt_deadline(task);
        }
    }
    if (eddy_heap_has(&timed->alarm)) {
        put_right(loop, task);
    }
}

/* ---- the stack */

static int64_t pop(struct eddy_task_record *task, int64_t result)
{
    struct eddy_task_extra *extra = eddy_extra(task);
    struct eddy_deadline *deadline = extra->deadlines;

    if (deadline->stage == EDDY_DEADLINE_STRUCK && result == -ECANCELED) {
        result = -ETIMEDOUT;
    }
    extra->deadlines = deadline->below;
    eddy_clear(task, (deadline->zero ? EDDY_TASK_ZERO_ : 0u) |
                         (deadline->below == NULL ? EDDY_TASK_DEADLINES_ | EDDY_TASK_PASSED_ : 0u));
    eddy_pool_give(&eddy_task_loop(task)->pool, deadline, deadline->pool_class);
    return result;
}

int64_t eddy_deadline_drop(struct eddy_task_record *task, int64_t result)
{
    struct eddy_deadline *deadline;

    while ((deadline = eddy_deadline_innermost(task)) != NULL && deadline->frame == task->top &&
           !deadline->block) {
        result = pop(task, result);
    }
    return result;
}

/* Makes sure that arming the task later cannot fail: it has an entry in the heap from now on. */
static int reserve_entry(struct eddy_task_record *task, int64_t deadline)
{
    return eddy_heap_has(&task->timed.alarm)
               ? 0
               : eddy_heap_start(&eddy_task_loop(task)->heap, &task->timed.alarm, deadline);
}

static struct eddy_deadline *push(eddy_coro *co, int64_t timeout)
{
    struct eddy_task_record *task = co->task;
    struct eddy_task_extra *extra = eddy_extra_make(task);
    struct eddy_deadline *deadline;
    unsigned pool_class;

    if (extra == NULL) {
        return NULL;
    }
    deadline = eddy_pool_take(&eddy_task_loop(task)->pool, sizeof *deadline, &pool_class);
    if (deadline == NULL) {
        return NULL;
    }
    deadline->at = eddy_deadline_after(eddy_loop_update(eddy_task_loop(task)), timeout);
    if (reserve_entry(task, deadline->at) < 0) {
        eddy_pool_give(&eddy_task_loop(task)->pool, deadline, pool_class);
        return NULL;
    }
    deadline->below = extra->deadlines;
    deadline->frame = co;
    deadline->mask = co->mask;
    deadline->stage = EDDY_DEADLINE_SET;
    deadline->zero = false;
    deadline->block = false;
    deadline->pool_class = pool_class;
    recompute(deadline);
    extra->deadlines = deadline;
    eddy_set(task, EDDY_TASK_DEADLINES_);
    return deadline;
}

/* Without memory the operation is begun all the same, for it may be the only one that would wait for
 * the tasks it is given. It is interrupted at once. */
void eddy_deadline_begin_(eddy_coro *co, int64_t timeout)
{
    bool missed = eddy_has(co->task, EDDY_TASK_UNTIMED_); /* that of one around it */
    struct eddy_deadline *deadline = missed ? NULL : push(co, timeout);

    if (deadline == NULL) {
        eddy_set(co->task, EDDY_TASK_UNTIMED_);
    } else if (timeout <= 0) {
        deadline->zero = true;
        eddy_set(co->task, EDDY_TASK_ZERO_);
    }
}

int64_t eddy_deadline_missed(struct eddy_task_record *task, int64_t result)
{
    eddy_clear(task, EDDY_TASK_UNTIMED_);
    return result == -ECANCELED ? -ENOMEM : result;
}

/* Of nested ones that have a deadline are further out than those that have none. These count as one: the
 * others may be dropped too early then, which nobody sees, for the result is no -ECANCELED any more
 * unless it is one from outside. */
int64_t eddy_deadline_end_(eddy_coro *co, int64_t result)
{
    struct eddy_task_record *task = co->task;
    const struct eddy_deadline *deadline = eddy_deadline_innermost(task);

    if (result == EDDY_PENDING) {
        return result; /* dropped when the frame goes on */
    }
    if (eddy_has(task, EDDY_TASK_UNTIMED_)) {
        return eddy_deadline_missed(task, result);
    }
    return deadline != NULL && deadline->frame == co && !deadline->block ? pop(task, result)
                                                                         : result;
}

/* ---- over blocks: eddy_with_timeout, groups. (Over one operation, eddy_wait_for: eddy_deadline_begin_, _end_.) */

struct eddy_deadline *eddy_deadline_open(eddy_coro *co, int64_t timeout)
{
    struct eddy_deadline *deadline = push(co, timeout);

    if (deadline != NULL) {
        deadline->block = true;
    }
    return deadline;
}

void eddy_deadline_strike(struct eddy_task_record *task, struct eddy_deadline *deadline)
{
    if (deadline->stage == EDDY_DEADLINE_SET && deadline->at > eddy_task_loop(task)->now) {
        deadline->at = eddy_task_loop(task)->now;
        eddy_deadline_recompute(task);
        eddy_interrupt_deadline(task);
    }
}

void eddy_deadline_reset(struct eddy_task_record *task, struct eddy_deadline *deadline)
{
    deadline->stage = EDDY_DEADLINE_SET;
    deadline->at = EDDY_FOREVER;
    eddy_deadline_recompute(task);
}

bool eddy_deadline_is_open(const eddy_coro *co)
{
    const struct eddy_deadline *deadline = eddy_deadline_innermost(co->task);

    return deadline != NULL && deadline->frame == co && deadline->block;
}

bool eddy_deadline_has_struck(const eddy_coro *co)
{
    return eddy_deadline_is_open(co) &&
           eddy_deadline_innermost(co->task)->stage == EDDY_DEADLINE_STRUCK;
}

bool eddy_deadline_close(eddy_coro *co, const struct eddy_scope *scope,
                         struct eddy_deadline *deadline)
{
    bool struck = deadline->stage == EDDY_DEADLINE_STRUCK;

    if (deadline != eddy_deadline_innermost(co->task)) {
        eddy_frame_misuse(co, "a scope with a deadline or a group was left out of order");
    }
    (void)pop(co->task, 0);
    return struck && scope->leaving == EDDY_LEAVE_UNWIND_ && co->outcome == -ECANCELED &&
           (scope->flags & EDDY_SCOPE_AFTER_ERROR_) == 0;
}

int64_t eddy_timeout_enter_(eddy_coro *co, int64_t timeout)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    co->scope->object = eddy_deadline_open(co, timeout);
    return co->scope->object != NULL ? eddy_complete(co, 0) : -ENOMEM;
}

/* In a finally after an error, the time-out is not the frame's outcome: it is told. */
int64_t eddy_timeout_leave_(eddy_coro *co, struct eddy_scope *scope)
{
    struct eddy_frame_place place;
    bool told;

    if (scope->leaving == EDDY_LEAVE_CUT_OFF_) {
        return 0;
    }
    told = eddy_deadline_has_struck(co) && scope->leaving == EDDY_LEAVE_UNWIND_ &&
           (scope->flags & EDDY_SCOPE_AFTER_ERROR_) != 0;

    if (eddy_deadline_close(co, scope, scope->object)) {
        place = eddy_frame_place(co);
        eddy_scope_turn(co, -ETIMEDOUT);
        eddy_error_note(co->task, -ETIMEDOUT, place.function, place.file, (int)(scope->exit / 8));
    } else if (told) {
        eddy_error_report(co->task, -ETIMEDOUT, "was failing already");
    }
    return 0;
}
