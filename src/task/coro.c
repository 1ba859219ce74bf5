/*
 * Frames: how they are called and end, how an outcome unwinds them, and the scopes inside of them. The
 * words of coro.h do the usual case inline; here is what is not.
 *
 * A frame's `state` is where its switch goes on; the lowest three bits tell points of one line apart:
 *
 *     EDDY_STATE_START_      it has not run
 *     line * 8               suspended in the await of that line
 *     line * 8 | BEGUN_      an operation was begun there, and the await has not stored its line: if the
 *                            frame does anything else now, the operation was not awaited
 *     scope->exit (+ 2)      at the exit of a scope (behind it, out of the user's loop)
 *     EDDY_STATE_FINALLY_    at eddy_finally
 *     EDDY_STATE_END_        at eddy_end
 *     EDDY_STATE_WHO_        it is only asked for its function and file, and returns at once
 *
 * Every way out takes the same stairs: unwind_on sets the state to the exit of the innermost open
 * scope, else to the finally, else to the end, and the switch goes there. `outcome` says with what. An
 * error of a cleanup does not replace the one that it cleans up after: the first is the cause.
 *
 * A scope is a block of the pool: the record, and behind it the frame of its manager or generator.
 *
 *     stage    ENTER   -> ENTERED -> BODY -> DONE
 *              ENTER   -> DONE            it could not be entered, or the generator yields nothing
 *
 * `leaving` says how the exit was come to:
 *
 *     NORMAL   behind the body, or the generator has ended
 *     BREAK    by break or continue of the loop that the words make
 *     UNWIND   by an outcome that goes further up
 *     CUT_OFF  the loop is freed, nobody runs any more: only what is held is let go
 *
 * The mask counts the cleanups that a frame runs in, its callers' too: an interrupt is delivered at
 * mask 0. It goes up by one at a scope's exit and in a finally, and frames that are called inherit it.
 *
 * What the compiler cannot see (an operation that was not awaited, a goto out of a scope, a
 * second await begun) is found here, and ends the program by the user's line: going on would write
 * into frames that are gone.
 */
#include "eddy/coro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task/task_internal.h"

/* ---- misuse: an abort that names function, file and line */

void eddy_misuse_(const char *function, const char *file, int line, const char *text)
{
    fprintf(stderr, "eddy: %s:%d: %s: %s\n", file, line, function, text);
    abort();
}

/* A frame has no name in it, which would be 16 bytes each: it is called with a state that no await has,
 * and the words at its beginning answer into the loop. */
struct eddy_where eddy_frame_where(eddy_coro *co)
{
    eddy_loop *loop = eddy_task_loop(co->task);
    uint32_t state = co->state;
    struct eddy_where where;

    loop->who_function = "?";
    loop->who_file = "?";
    co->state = EDDY_STATE_WHO_;
    co->fn(co);
    co->state = state;
    where.function = loop->who_function;
    where.file = loop->who_file;
    where.line = state / 8;
    return where;
}

void eddy_frame_misuse(eddy_coro *co, const char *text)
{
    struct eddy_where where = eddy_frame_where(co);

    eddy_misuse_(where.function, where.file, (int)where.line, text);
}

int eddy_strange_state_slow_(eddy_coro *co, const char *function, const char *file)
{
    if (co->state == EDDY_STATE_WHO_) {
        eddy_task_loop(co->task)->who_function = function;
        eddy_task_loop(co->task)->who_file = file;
        return 0;
    }
    if ((co->state & EDDY_STATE_BEGUN_) != 0) {
        eddy_misuse_(function, file, (int)(co->state / 8),
                     "an operation was begun and not awaited");
    }
    eddy_misuse_(function, file, (int)(co->state / 8),
                 "cannot go on at this line: an await inside a switch of your own?");
}

void eddy_lost_scope_(eddy_coro *co, uint32_t exit)
{
    struct eddy_where where = eddy_frame_where(co);

    eddy_misuse_(where.function, where.file, (int)(exit / 8),
                 "an eddy_with or eddy_for_each was left by a goto");
}

/* ---- calling and finishing */

unsigned eddy_pool_class_of_(size_t size)
{
    return eddy_pool_class_of(size);
}

void eddy_two_operations_(eddy_coro *co)
{
    eddy_frame_misuse(co, "an operation was begun here and not awaited");
}

static void check_may_call(eddy_coro *co)
{
    struct eddy_task_record *task = co->task;

    if (task->top != co || task->timed.ready.state != EDDY_TASK_RUNNING_) {
        eddy_two_operations_(co);
    }
}

/* What forbids the call: a cancel, a deadline that has passed or never had time. */
static int64_t call_forbidden(eddy_coro *co)
{
    int64_t result = eddy_check(co);

    if (result == 0 && eddy_has(co->task, EDDY_TASK_ZERO_)) {
        result = -ETIMEDOUT;
    }
    return result;
}

void *eddy_call_begin_slow_(eddy_coro *co, size_t size)
{
    struct eddy_task_record *task = co->task;
    int64_t result;
    unsigned pool_class;
    void *memory;

    check_may_call(co);
    result = call_forbidden(co);
    if (result == 0) {
        memory = eddy_pool_take(&eddy_task_loop(task)->pool, size, &pool_class);
        if (memory != NULL) {
            return memory;
        }
        result = -ENOMEM;
    }
    task->in.result = result;
    return NULL;
}

int64_t eddy_call_refused_(eddy_coro *co)
{
    return co->task->in.result;
}

int64_t eddy_call_begin_in_(eddy_coro *co, void *memory)
{
    int64_t result;

    check_may_call(co);
    result = call_forbidden(co);
    if (result < 0) {
        return result;
    }
    co->task->top = memory;
    return EDDY_PENDING;
}

void eddy_frame_free(struct eddy_task_record *task, eddy_coro *co)
{
    if ((co->flags & EDDY_FRAME_BORROWED_) == 0) {
        eddy_pool_give(&eddy_task_loop(task)->pool, co, co->pool_class);
    }
}

static void check_may_finish(eddy_coro *co)
{
    if (co->task->top != co || co->task->timed.ready.state != EDDY_TASK_RUNNING_) {
        eddy_frame_misuse(co, "the coroutine ended although an operation that it began goes on");
    }
    if (co->scope != NULL) {
        eddy_frame_misuse(
            co, "the coroutine ended inside an eddy_with or eddy_for_each: left by goto?");
    }
    if ((co->flags & EDDY_FRAME_MANAGER_) != 0 && (co->flags & EDDY_FRAME_AT_BODY_) == 0 &&
        co->outcome >= 0) {
        eddy_frame_misuse(co, "the context manager ended before its eddy_body");
    }
}

/* What a parent sees of a child's outcome: a generator that has ended yields no more (0). */
static int64_t result_for_parent(const eddy_coro *co)
{
    bool generator = (co->flags & (EDDY_FRAME_SCOPED_ | EDDY_FRAME_MANAGER_)) == EDDY_FRAME_SCOPED_;

    return generator && co->outcome > 0 ? 0 : co->outcome;
}

/* A deadline that has passed during a cleanup, which held it back, strikes at the next await. */
static void cleanup_over(struct eddy_task_record *task)
{
    if (eddy_has(task, EDDY_TASK_LIMITS_) && eddy_limit_next(task) <= eddy_task_loop(task)->now) {
        eddy_set(task, EDDY_TASK_LIMIT_);
    }
}

/* A frame ends: to its parent goes the outcome, and the task runs on there; without one the task ends.
 * Guards are looked at while the memory is still the frame's. */
void eddy_finish_slow_(eddy_coro *co, int line)
{
    struct eddy_task_record *task = co->task;
    eddy_coro *parent = co->parent;
    int64_t result = result_for_parent(co);

    if (co->state / 8 == 0) {
        co->state = (uint32_t)line * 8; /* where a mistake is told to be */
    }
    check_may_finish(co);
    eddy_guard_check(co);
    if ((co->flags & EDDY_FRAME_IN_FINALLY_) != 0) {
        eddy_error_restore(task, co->outcome, co);
    }
    if ((co->flags & EDDY_FRAME_SCOPED_) != 0) {
        co->flags |= EDDY_FRAME_FINISHED_; /* the scope frees it */
    } else {
        eddy_frame_free(task, co);
    }
    task->top = parent;
    if (parent == NULL) {
        eddy_task_finish(task, result);
        return;
    }
    if (result < 0) {
        eddy_set(task, EDDY_TASK_CASCADED_);
    }
    task->in.result = eddy_has(task, EDDY_TASK_LIMITS_) ? eddy_limit_drop(task, result) : result;
    cleanup_over(task);
}

/* ---- unwinding */

/* An error of a cleanup counts only if nothing went wrong before; otherwise it is told. */
static void set_outcome_of_cleanup(eddy_coro *co, int64_t result)
{
    if (co->outcome >= 0) {
        co->outcome = result;
    } else if (result < 0 && !(result == -ECANCELED && eddy_limit_has_struck(co))) {
        eddy_error_report_second(co->task, result, co->outcome, "was failing already");
    }
}

/* Goes on at the exit of the innermost scope, at the finally, or at the end. */
static void unwind_on(eddy_coro *co)
{
    if (co->scope != NULL) {
        co->scope->leaving = EDDY_LEAVE_UNWIND_;
        co->state = co->scope->exit;
    } else {
        co->state =
            (co->flags & EDDY_FRAME_IN_FINALLY_) != 0 ? EDDY_STATE_END_ : EDDY_STATE_FINALLY_;
    }
}

void eddy_unwind_slow_(eddy_coro *co, int64_t result)
{
    if ((co->state & EDDY_STATE_BEGUN_) != 0) {
        eddy_frame_misuse(co, "the coroutine ended although an operation that it began goes on");
    }
    if ((co->flags & EDDY_FRAME_IN_FINALLY_) != 0) {
        set_outcome_of_cleanup(co, result);
    } else {
        co->outcome = result;
    }
    unwind_on(co);
}

/* An error of an operation comes up, or goes up further: it is noted where it was first raised. */
void eddy_raise_(eddy_coro *co, int64_t error, const char *function, const char *file, int line)
{
    struct eddy_task_record *task = co->task;
    bool noted = eddy_has(task, EDDY_TASK_CASCADED_) && eddy_error_known(task, error);

    eddy_clear(task, EDDY_TASK_CASCADED_);
    if (error != -ECANCELED && !noted) { /* else it is only passing through */
        eddy_error_note(task, error, function, file, line);
    }
    eddy_unwind_(co, error);
}

/* A mask of one more cleanup. Beyond what the frame can count, those further in share the last. */
static uint16_t one_more(uint16_t mask)
{
    return mask < UINT16_MAX ? (uint16_t)(mask + 1) : mask;
}

void eddy_enter_finally_(eddy_coro *co)
{
    if (co->scope != NULL) {
        eddy_frame_misuse(co,
                          "eddy_finally was reached inside an eddy_with or eddy_for_each: a goto?");
    }
    co->flags |= EDDY_FRAME_IN_FINALLY_;
    co->mask = one_more(co->mask);
    if (co->outcome < 0) {
        eddy_error_keep(co->task, co->outcome, co);
    }
}

/* ---- generators and context managers */

/* The item is in the frame already: the parent runs, and finds it there. */
void eddy_yield_(eddy_coro *co)
{
    struct eddy_task_record *task = co->task;

    check_may_call(co);
    if ((co->flags & (EDDY_FRAME_SCOPED_ | EDDY_FRAME_MANAGER_)) != EDDY_FRAME_SCOPED_) {
        eddy_frame_misuse(co, "eddy_yield outside of a generator: run it with eddy_for_each");
    }
    if ((co->flags & EDDY_FRAME_CLOSING_) != 0) {
        eddy_frame_misuse(co, "eddy_yield in a generator that is being closed");
    }
    if (eddy_limit_is_open(co)) {
        eddy_frame_misuse(co, "eddy_yield inside an eddy_with_timeout or eddy_with_group");
    }
    task->top = co->parent;
    task->in.result = 1;
}

void eddy_at_body_(eddy_coro *co)
{
    struct eddy_task_record *task = co->task;

    check_may_call(co);
    if ((co->flags & EDDY_FRAME_MANAGER_) == 0) {
        eddy_frame_misuse(co, "eddy_body outside of a context manager: run it with eddy_with");
    }
    if ((co->flags & EDDY_FRAME_AT_BODY_) != 0) {
        eddy_frame_misuse(co, "a second eddy_body in a context manager");
    }
    co->flags |= EDDY_FRAME_AT_BODY_;
    task->top = co->parent;
    task->in.result = 1;
}

/* The frames of managers and generators lie in scopes of the frame that runs them, and may have
 * scopes themselves. */
static void cut_off_frame(eddy_coro *co)
{
    for (struct eddy_scope *scope = co->scope; scope != NULL; scope = scope->outer) {
        if ((scope->flags & EDDY_SCOPE_FRAME_) != 0) {
            cut_off_frame(scope->object);
        } else {
            scope->leaving = EDDY_LEAVE_CUT_OFF_;
            (void)scope->leave(co, scope);
        }
    }
    co->scope = NULL;
}

void eddy_scopes_cut_off(struct eddy_task_record *task)
{
    for (eddy_coro *co = task->top; co != NULL; co = co->parent) {
        cut_off_frame(co);
    }
}

static void resume_scoped(eddy_coro *co, eddy_coro *frame)
{
    /* Also one that has yielded in its own cleanup keeps cancels back. */
    frame->mask = (frame->flags & EDDY_FRAME_IN_FINALLY_) != 0 ? one_more(co->mask) : co->mask;
    co->task->top = frame;
}

/* Begins the exit of a context manager, or closes a generator. */
static int64_t leave_frame(eddy_coro *co, struct eddy_scope *scope)
{
    eddy_coro *frame = scope->object;

    if ((frame->flags & EDDY_FRAME_FINISHED_) != 0 || frame->state == EDDY_STATE_START_) {
        return 0;
    }
    resume_scoped(co, frame);
    if ((frame->flags & EDDY_FRAME_MANAGER_) == 0) {
        frame->flags |= EDDY_FRAME_CLOSING_;
        eddy_unwind_(frame, 0);
    } else if (scope->leaving == EDDY_LEAVE_UNWIND_ && co->outcome < 0) {
        eddy_unwind_(frame, co->outcome); /* the body's error, raised at eddy_body */
    }
    return EDDY_PENDING;
}

/* A scope with room for `size` bytes behind it, or NULL. */
static struct eddy_scope *open_scope(eddy_coro *co, size_t size, uint32_t exit)
{
    unsigned pool_class;
    struct eddy_scope *scope;

    check_may_call(co);
    scope = eddy_pool_take(&eddy_task_loop(co->task)->pool, size, &pool_class);
    if (scope == NULL) {
        return NULL;
    }
    memset(scope, 0, sizeof *scope);
    scope->outer = co->scope;
    scope->exit = exit;
    scope->pool_class = (uint8_t)pool_class;
    co->scope = scope;
    return scope;
}

void *eddy_scope_open_(eddy_coro *co, size_t size, uint32_t exit, int flags)
{
    struct eddy_scope *scope = open_scope(co, EDDY_SCOPE_SIZE + size, exit);

    if (scope == NULL) {
        return NULL;
    }
    scope->leave = leave_frame;
    scope->object = (char *)scope + EDDY_SCOPE_SIZE;
    scope->flags = (uint8_t)flags;
    return scope->object;
}

int eddy_scope_open_object_(eddy_coro *co, void *object, eddy_scope_leave_fn *leave, uint32_t exit)
{
    struct eddy_scope *scope = open_scope(co, sizeof *scope, exit);

    if (scope == NULL) {
        return 0;
    }
    scope->leave = leave;
    scope->object = object;
    scope->flags = EDDY_SCOPE_BREAKS_;
    if ((co->flags & EDDY_FRAME_IN_FINALLY_) != 0 && co->outcome < 0) {
        scope->flags |= EDDY_SCOPE_AFTER_ERROR_;
    }
    return 1;
}

/* In a manager that may be the error of its body, raised at eddy_body: then it is another one out there,
 * too. */
void eddy_scope_turn(eddy_coro *co, int64_t outcome)
{
    co->outcome = outcome;
    eddy_error_replaced(co->task, co->scope);
    if ((co->flags & EDDY_FRAME_MANAGER_) != 0) {
        co->parent->scope->flags |= EDDY_SCOPE_TURNED_;
        eddy_error_replaced(co->task, co->parent->scope);
    }
}

int64_t eddy_scope_enter_(eddy_coro *co)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    resume_scoped(co, co->scope->object);
    return EDDY_PENDING;
}

/* The exit begins, by whichever way: whatever it awaits is a cleanup. */
int64_t eddy_scope_leave_(eddy_coro *co)
{
    struct eddy_scope *scope = co->scope;
    bool entered = scope->stage != EDDY_STAGE_ENTER_ || (scope->flags & EDDY_SCOPE_FRAME_) != 0;

    if (scope->leaving != EDDY_LEAVE_UNWIND_) {
        scope->leaving = scope->stage == EDDY_STAGE_BODY_ ? EDDY_LEAVE_BREAK_ : EDDY_LEAVE_NORMAL_;
    }
    if (scope->leaving == EDDY_LEAVE_UNWIND_ && co->outcome < 0) {
        eddy_error_keep(co->task, co->outcome, scope);
    }
    if (co->mask == UINT16_MAX) {
        scope->flags |= EDDY_SCOPE_UNMASKED_; /* there is nothing to take back, then */
    } else {
        co->mask++;
    }
    return entered ? scope->leave(co, scope) : 0;
}

/* The exit has ended: 1, the frame goes on elsewhere, since the block was not left by its end; 0, it goes
 * on behind it. */
int eddy_scope_left_(eddy_coro *co, int64_t result)
{
    struct eddy_scope *scope = co->scope;
    struct eddy_scope left = *scope;

    if ((left.flags & EDDY_SCOPE_UNMASKED_) == 0) {
        co->mask--;
        cleanup_over(co->task);
    }
    co->scope = left.outer;
    if (left.leaving == EDDY_LEAVE_UNWIND_) {
        if (result < 0 && (left.flags & EDDY_SCOPE_TURNED_) != 0) {
            eddy_scope_turn(co, result);
        } else if (result < 0 && result != co->outcome) {
            /* not the error that was raised in the manager */
            set_outcome_of_cleanup(co, result);
        }
        eddy_error_restore(co->task, co->outcome, scope);
    }
    eddy_pool_give(&eddy_task_loop(co->task)->pool, scope, left.pool_class);
    if (left.leaving == EDDY_LEAVE_UNWIND_) {
        unwind_on(co);
        return 1;
    }
    if (result < 0) {
        eddy_unwind_(co, result);
        return 1;
    }
    if (left.leaving == EDDY_LEAVE_BREAK_ && (left.flags & EDDY_SCOPE_BREAKS_) != 0) {
        co->state = left.exit + 2; /* where the macro breaks out of the user's loop */
        return 1;
    }
    return 0;
}
