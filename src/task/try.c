/*
 * eddy_try: a block in which an error ends the block and not the coroutine. It is a scope whose exit stops the
 * unwinding:
 *
 *     how the body ends                  leaving    the exit
 *     by its end, break                  as it is   goes on behind the block; the variable is 0
 *     by an error                        UNWIND     takes the error: NORMAL, and it is in the variable
 *     by a cancel, unless it is named    UNWIND     as it is: the cancel goes on up
 *     by a return of a value             UNWIND     likewise
 *
 * In a finally the frame has an outcome already, which an error would replace, or, if it is one itself, be told
 * beside. So that is put aside while such a block is open, and is back behind it.
 */
#include "task/task_internal.h"

struct attempt {
    int64_t *variable; /* of the frame: where an error lands */
    int64_t aside;     /* in a finally: the frame's outcome */
    int64_t also;      /* -ECANCELED: a cancel lands, too */
    bool late;         /* it stands in a finally */
};

static bool takes(const struct attempt *attempt, int64_t outcome)
{
    return outcome < 0 && (outcome != -ECANCELED || attempt->also == -ECANCELED);
}

/* The error is known as one that eddy_catch has caught. */
static void take(eddy_coro *co, struct eddy_scope *scope, const struct attempt *attempt)
{
    int64_t error = co->outcome;

    eddy_error_replaced(co->task, scope);
    eddy_set(co->task, EDDY_TASK_CASCADED_);
    eddy_caught_(co, error, "", "", 0);
    *attempt->variable = error;
    co->outcome = 0;
    scope->leaving = EDDY_LEAVE_NORMAL_;
}

static int64_t leave(eddy_coro *co, struct eddy_scope *scope)
{
    const struct attempt *attempt = scope->object;
    int64_t outcome;

    if (scope->leaving == EDDY_LEAVE_UNWIND_ && takes(attempt, co->outcome)) {
        take(co, scope, attempt);
    }
    if (attempt->late) {
        outcome = co->outcome;
        co->outcome = attempt->aside;
        if (scope->leaving == EDDY_LEAVE_UNWIND_) {
            eddy_scope_fail(co, outcome);
        }
    }
    return 0;
}

int eddy_try_open_(eddy_coro *co, int64_t *variable, int64_t also, uint32_t exit)
{
    struct attempt *attempt = eddy_scope_open_(co, sizeof *attempt, exit, EDDY_SCOPE_BREAKS_);

    if (attempt == NULL) {
        return 0;
    }
    attempt->variable = variable;
    attempt->also = also;
    attempt->late = false;
    co->scope->leave = leave;
    return 1;
}

int64_t eddy_try_enter_(eddy_coro *co)
{
    struct attempt *attempt = co->scope->object;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    eddy_check_pointer(co, attempt->variable);
    *attempt->variable = 0;
    if ((co->flags & EDDY_FRAME_IN_FINALLY_) != 0) {
        attempt->late = true;
        attempt->aside = co->outcome;
        co->outcome = 0;
    }
    return eddy_complete(co, 0);
}

int64_t eddy_outcome_(const eddy_coro *co)
{
    int64_t outcome = co->outcome;

    for (const struct eddy_scope *scope = co->scope; scope != NULL; scope = scope->outer) {
        if (scope->leave == leave && ((const struct attempt *)scope->object)->late) {
            outcome = ((const struct attempt *)scope->object)->aside;
        }
    }
    return outcome;
}
