/*
 * Ways out of a frame, and the scopes that stand on them: eddy_with, eddy_for_each, eddy_finally.
 *
 * An error, eddy_return and a cancel take the same stairs: unwind_on sets the state to the exit of the
 * innermost open scope, else to the finally, else to the end, and the frame's switch goes there.
 * `outcome` says with what. An error of a cleanup does not replace the one that it cleans up after: the
 * first is the cause, and the other is told.
 *
 * A scope is a block of the pool: the record, and behind it the frame of its manager or generator.
 *
 *     stage    ENTER   -> ENTERED -> BODY -> DONE     with
 *              ENTER   -> ENTERED -> BODY -> ENTER    for each: the next value
 *              ENTER   -> DONE                        it could not be entered, or the generator yields
 *                                                     nothing
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
 * So "held back during cleanup" needs no list of who cleans up, and nobody who takes it back but the exit.
 */
#include <string.h>

#include "eddy/coro.h"
#include "task/task_internal.h"

/* ---- unwinding */

/* An error of a cleanup counts only if nothing went wrong before; otherwise it is told. */
void eddy_scope_fail(eddy_coro *co, int64_t result)
{
    if (co->outcome >= 0) {
        co->outcome = result;
    } else if (result < 0 && !(result == -ECANCELED && eddy_deadline_has_struck(co))) {
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
        eddy_scope_fail(co, result);
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
    if (noted) { /* it is only passing through */
        eddy_error_place(task, function, file, line);
    } else if (error != -ECANCELED) {
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

    eddy_frame_check_idle(co);
    if ((co->flags & (EDDY_FRAME_SCOPED_ | EDDY_FRAME_MANAGER_)) != EDDY_FRAME_SCOPED_) {
        eddy_frame_misuse(co, "eddy_yield outside of a generator: run it with eddy_for_each");
    }
    if ((co->flags & EDDY_FRAME_CLOSING_) != 0) {
        eddy_frame_misuse(co, "eddy_yield in a generator that is being closed");
    }
    if (eddy_deadline_is_open(co)) {
        eddy_frame_misuse(co, "eddy_yield inside an eddy_with_timeout or eddy_with_group");
    }
    task->top = co->parent;
    task->in.result = 1;
}

void eddy_at_body_(eddy_coro *co)
{
    struct eddy_task_record *task = co->task;

    eddy_frame_check_idle(co);
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

/* If it is another's, who may use it again. */
static bool return_memory(struct eddy_scope *scope)
{
    bool borrowed = (scope->flags & EDDY_SCOPE_BORROWED_) != 0;

    if (borrowed) {
        scope->leave = NULL;
    }
    return borrowed;
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
            (void)return_memory(scope);
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

static void push_scope(eddy_coro *co, struct eddy_scope *scope, uint32_t exit)
{
    memset(scope, 0, sizeof *scope);
    scope->outer = co->scope;
    scope->exit = exit;
    co->scope = scope;
}

/* A scope with room for `size` bytes behind it, or NULL. */
static struct eddy_scope *open_scope(eddy_coro *co, size_t size, uint32_t exit)
{
    unsigned pool_class;
    struct eddy_scope *scope;

    eddy_frame_check_idle(co);
    scope = eddy_pool_take(&eddy_task_loop(co->task)->pool, size, &pool_class);
    if (scope != NULL) {
        push_scope(co, scope, exit);
        scope->pool_class = (uint8_t)pool_class;
    }
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

static void set_object(eddy_coro *co, void *object, eddy_scope_leave_fn *leave)
{
    struct eddy_scope *scope = co->scope;

    scope->leave = leave;
    scope->object = object;
    scope->flags = EDDY_SCOPE_BREAKS_;
    if ((co->flags & EDDY_FRAME_IN_FINALLY_) != 0 && co->outcome < 0) {
        scope->flags |= EDDY_SCOPE_AFTER_ERROR_;
    }
}

int eddy_scope_open_object_(eddy_coro *co, void *object, eddy_scope_leave_fn *leave, uint32_t exit)
{
    if (open_scope(co, sizeof(struct eddy_scope), exit) == NULL) {
        return 0;
    }
    set_object(co, object, leave);
    return 1;
}

void eddy_scope_open_in(eddy_coro *co, struct eddy_scope *memory, void *object,
                        eddy_scope_leave_fn *leave, uint32_t exit)
{
    eddy_frame_check_idle(co);
    push_scope(co, memory, exit);
    set_object(co, object, leave);
    memory->flags |= EDDY_SCOPE_BORROWED_;
}

/* There was no memory for a scope: what is pending comes before that, too. */
int64_t eddy_scope_refused_(eddy_coro *co)
{
    int64_t result = eddy_check(co);

    return result < 0 ? result : -ENOMEM;
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
        eddy_deadline_look(co->task);
    }
    co->scope = left.outer;
    if (left.leaving == EDDY_LEAVE_UNWIND_) {
        if (result < 0 && (left.flags & EDDY_SCOPE_TURNED_) != 0) {
            eddy_scope_turn(co, result);
        } else if (result < 0 && result != co->outcome) {
            /* not the error that was raised in the manager */
            eddy_scope_fail(co, result);
        }
        eddy_error_restore(co->task, co->outcome, scope);
    }
    if (!return_memory(scope)) {
        eddy_pool_give(&eddy_task_loop(co->task)->pool, scope, left.pool_class);
    }
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
