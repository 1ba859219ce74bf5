#include "eddy/deadline.h"

#include "task/task_internal.h"

/* The limit's effective deadline, once that of the one below it is right. */
static void recompute(struct eddy_limit *limit)
{
    const struct eddy_limit *below = limit->below;
    int64_t outer = below != NULL && below->mask == limit->mask ? below->effective : EDDY_FOREVER;
    int64_t own = limit->stage == EDDY_LIMIT_OPEN ? limit->deadline : EDDY_FOREVER;

    limit->effective = own < outer ? own : outer;
}

/* Recomputes all, from the outermost inwards: the list is turned round and back. */
static void recompute_all(struct eddy_limit **limits)
{
    struct eddy_limit *inwards = NULL;
    struct eddy_limit *limit = *limits;

    while (limit != NULL) {
        struct eddy_limit *below = limit->below;
        limit->below = inwards;
        inwards = limit;
        limit = below;
    }
    while (inwards != NULL) {
        struct eddy_limit *above = inwards->below;
        inwards->below = limit;
        recompute(inwards);
        limit = inwards;
        inwards = above;
    }
    *limits = limit;
}

static struct eddy_limit *innermost(const struct eddy_task_record *task)
{
    return eddy_has(task, EDDY_TASK_LIMITS_) ? eddy_extra(task)->limits : NULL;
}

int64_t eddy_limit_next(const struct eddy_task_record *task)
{
    const struct eddy_limit *limit = innermost(task);

    if (limit == NULL || limit->mask != task->top->mask || eddy_has(task, EDDY_TASK_LIMIT_)) {
        return EDDY_FOREVER;
    }
    return limit->effective;
}

void eddy_limit_look(struct eddy_task_record *task)
{
    if (eddy_has(task, EDDY_TASK_LIMITS_) && eddy_limit_next(task) <= eddy_task_loop(task)->now) {
        eddy_set(task, EDDY_TASK_LIMIT_);
    }
}

bool eddy_limit_strike(struct eddy_task_record *task)
{
    struct eddy_limit *first = innermost(task);
    int64_t deadline;

    if (first == NULL || first->mask != task->top->mask ||
        first->effective > eddy_task_loop(task)->now) {
        return false;
    }
    /* Of those with the earliest deadline the outermost: it was set first. */
    deadline = first->effective;
    for (struct eddy_limit *limit = first; limit != NULL && limit->mask == task->top->mask;
         limit = limit->below) {
        if (limit->stage == EDDY_LIMIT_OPEN && limit->deadline == deadline) {
            first = limit;
        }
    }
    first->stage = EDDY_LIMIT_PASSED;
    recompute_all(&eddy_extra(task)->limits);
    return true;
}

/* Moves all limits that have passed to another stage; whether there are any. */
static bool move_passed(struct eddy_task_record *task, enum eddy_limit_stage to)
{
    bool any = false;

    for (struct eddy_limit *limit = innermost(task); limit != NULL; limit = limit->below) {
        if (limit->stage == EDDY_LIMIT_PASSED) {
            limit->stage = (uint8_t)to;
            any = true;
        }
    }
    return any;
}

void eddy_limit_delivered(struct eddy_task_record *task)
{
    (void)move_passed(task, EDDY_LIMIT_STRUCK);
}

void eddy_limit_ignored(struct eddy_task_record *task)
{
    if (move_passed(task, EDDY_LIMIT_OPEN)) {
        recompute_all(&eddy_extra(task)->limits);
        eddy_set(task, EDDY_TASK_LIMIT_);
    }
}

void eddy_limit_disown(struct eddy_task_record *task)
{
    const int64_t now = eddy_task_loop(task)->now;
    bool changed = false;

    for (struct eddy_limit *limit = innermost(task); limit != NULL; limit = limit->below) {
        bool passed = limit->stage == EDDY_LIMIT_OPEN && limit->deadline <= now;
        if (passed || limit->stage == EDDY_LIMIT_PASSED || limit->stage == EDDY_LIMIT_STRUCK) {
            limit->stage = EDDY_LIMIT_SPENT;
            changed |= passed;
        }
    }
    if (changed) {
        recompute_all(&eddy_extra(task)->limits);
    }
    eddy_clear(task, EDDY_TASK_LIMIT_ | EDDY_TASK_UNLIMITED_);
}

void eddy_limit_reach(struct eddy_task_record *task)
{
    if (task->wait == NULL || eddy_has(task, EDDY_TASK_UNDER_WAY_)) {
        eddy_set(task, EDDY_TASK_LIMIT_); /* strikes at the next await */
    } else if (eddy_limit_strike(task)) {
        eddy_interrupt(task);
    }
}

static int64_t pop(struct eddy_task_record *task, int64_t result)
{
    struct eddy_task_extra *extra = eddy_extra(task);
    struct eddy_limit *limit = extra->limits;

    if (limit->stage == EDDY_LIMIT_STRUCK && result == -ECANCELED) {
        result = -ETIMEDOUT;
    }
    extra->limits = limit->below;
    eddy_clear(task, (limit->zero ? EDDY_TASK_ZERO_ : 0u) |
                         (limit->below == NULL ? EDDY_TASK_LIMITS_ | EDDY_TASK_LIMIT_ : 0u));
    eddy_pool_give(&eddy_task_loop(task)->pool, limit, limit->pool_class);
    return result;
}

int64_t eddy_limit_drop(struct eddy_task_record *task, int64_t result)
{
    struct eddy_limit *limit;

    while ((limit = innermost(task)) != NULL && limit->frame == task->top && !limit->block) {
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

static struct eddy_limit *push(eddy_coro *co, int64_t timeout)
{
    struct eddy_task_record *task = co->task;
    struct eddy_task_extra *extra = eddy_extra_make(task);
    struct eddy_limit *limit;
    unsigned pool_class;

    if (extra == NULL) {
        return NULL;
    }
    limit = eddy_pool_take(&eddy_task_loop(task)->pool, sizeof *limit, &pool_class);
    if (limit == NULL) {
        return NULL;
    }
    limit->deadline = eddy_deadline_after(eddy_loop_update(eddy_task_loop(task)), timeout);
    if (reserve_entry(task, limit->deadline) < 0) {
        eddy_pool_give(&eddy_task_loop(task)->pool, limit, pool_class);
        return NULL;
    }
    limit->below = extra->limits;
    limit->frame = co;
    limit->mask = co->mask;
    limit->stage = EDDY_LIMIT_OPEN;
    limit->zero = false;
    limit->block = false;
    limit->pool_class = pool_class;
    recompute(limit);
    extra->limits = limit;
    eddy_set(task, EDDY_TASK_LIMITS_);
    return limit;
}

/* Without memory the operation is begun all the same, for it may be the only one that would wait for
 * the tasks it is given. It is interrupted at once: EDDY_TASK_LIMIT_ sends it to where that is seen. */
void eddy_limit_begin_(eddy_coro *co, int64_t timeout)
{
    bool missed = eddy_has(co->task, EDDY_TASK_UNLIMITED_); /* that of one around it */
    struct eddy_limit *limit = missed ? NULL : push(co, timeout);

    if (limit == NULL) {
        eddy_set(co->task, EDDY_TASK_UNLIMITED_ | EDDY_TASK_LIMIT_);
    } else if (timeout <= 0) {
        limit->zero = true;
        eddy_set(co->task, EDDY_TASK_ZERO_);
    }
}

int64_t eddy_limit_missed(struct eddy_task_record *task, int64_t result)
{
    eddy_clear(task, EDDY_TASK_UNLIMITED_ |
                         (eddy_has(task, EDDY_TASK_LIMITS_) ? 0u : (unsigned)EDDY_TASK_LIMIT_));
    return result == -ECANCELED ? -ENOMEM : result;
}

/* Of nested ones that have a limit are further out than those that have none. These count as one: the
 * others may be dropped too early then, which nobody sees, for the result is no -ECANCELED any more
 * unless it is one from outside. */
int64_t eddy_limit_end_(eddy_coro *co, int64_t result)
{
    struct eddy_task_record *task = co->task;
    const struct eddy_limit *limit = innermost(task);

    if (result == EDDY_PENDING) {
        return result; /* dropped when the frame goes on */
    }
    if (eddy_has(task, EDDY_TASK_UNLIMITED_)) {
        return eddy_limit_missed(task, result);
    }
    return limit != NULL && limit->frame == co && !limit->block ? pop(task, result) : result;
}

/* ---- cancel scopes */

struct eddy_limit *eddy_limit_open(eddy_coro *co, int64_t timeout)
{
    struct eddy_limit *limit = push(co, timeout);

    if (limit != NULL) {
        limit->block = true;
    }
    return limit;
}

void eddy_limit_strike_by_hand(struct eddy_task_record *task, struct eddy_limit *limit)
{
    if (limit->stage == EDDY_LIMIT_OPEN && limit->deadline > eddy_task_loop(task)->now) {
        limit->deadline = eddy_task_loop(task)->now;
        recompute_all(&eddy_extra(task)->limits);
        eddy_limit_reach(task);
    }
}

void eddy_limit_reset(struct eddy_task_record *task, struct eddy_limit *limit)
{
    limit->stage = EDDY_LIMIT_OPEN;
    limit->deadline = EDDY_FOREVER;
    recompute_all(&eddy_extra(task)->limits);
}

bool eddy_limit_is_open(const eddy_coro *co)
{
    const struct eddy_limit *limit = innermost(co->task);

    return limit != NULL && limit->frame == co && limit->block;
}

bool eddy_limit_has_struck(const eddy_coro *co)
{
    return eddy_limit_is_open(co) && innermost(co->task)->stage == EDDY_LIMIT_STRUCK;
}

bool eddy_limit_any_struck(const struct eddy_task_record *task)
{
    const struct eddy_limit *limit = innermost(task);

    while (limit != NULL && limit->stage != EDDY_LIMIT_STRUCK) {
        limit = limit->below;
    }
    return limit != NULL;
}

bool eddy_limit_close(eddy_coro *co, const struct eddy_scope *scope, struct eddy_limit *limit)
{
    bool struck = limit->stage == EDDY_LIMIT_STRUCK;

    if (limit != innermost(co->task)) {
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
    co->scope->object = eddy_limit_open(co, timeout);
    return co->scope->object != NULL ? eddy_complete(co, 0) : -ENOMEM;
}

/* In a finally after an error, the time-out is not the frame's outcome: it is told. */
int64_t eddy_timeout_leave_(eddy_coro *co, struct eddy_scope *scope)
{
    struct eddy_where where;
    bool told;

    if (scope->leaving == EDDY_LEAVE_CUT_OFF_) {
        return 0;
    }
    told = eddy_limit_has_struck(co) && scope->leaving == EDDY_LEAVE_UNWIND_ &&
           (scope->flags & EDDY_SCOPE_AFTER_ERROR_) != 0;

    if (eddy_limit_close(co, scope, scope->object)) {
        where = eddy_frame_where(co);
        eddy_scope_turn(co, -ETIMEDOUT);
        eddy_error_note(co->task, -ETIMEDOUT, where.function, where.file, (int)(scope->exit / 8));
    } else if (told) {
        eddy_error_report(co->task, -ETIMEDOUT, "was failing already");
    }
    return 0;
}
