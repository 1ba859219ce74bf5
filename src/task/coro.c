/*
 * Frames: how they are called, end, and are asked where they stand. The words of coro.h do the usual case
 * inline; here is what is not. What is inside of a frame, its scopes and ways out, is in scope.c.
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
 * Its memory is by EDDY_FRAME_: a block of the pool, which goes when the frame has ended (no flag); the
 * caller's (BORROWED_); a scope's, which outlives the frame (SCOPED_, and FINISHED_ from its end on).
 *
 * What the compiler cannot see (an operation that was not awaited, a second await begun, a frame that ends
 * with something open in it) is found here, and ends the program by the user's line: going on would write
 * into frames that are gone.
 */
#include "eddy/coro.h"

#include <stdio.h>
#include <stdlib.h>

#include "task/task_internal.h"

/* ---- misuse: an abort that names function, file and line */

void eddy_misuse_(const char *function, const char *file, int line, const char *text)
{
    fprintf(stderr, "eddy: %s:%d: %s: %s\n", file, line, function, text);
    abort();
}

/* A frame has no name in it, which would be 16 bytes each: it is called with a state that no await has,
 * and the words at its beginning answer into the loop. */
struct eddy_frame_place eddy_frame_place(eddy_coro *co)
{
    eddy_loop *loop = eddy_task_loop(co->task);
    uint32_t state = co->state;
    struct eddy_frame_place place;

    loop->who_function = "?";
    loop->who_file = "?";
    co->state = EDDY_STATE_WHO_;
    co->fn(co);
    co->state = state;
    place.function = loop->who_function;
    place.file = loop->who_file;
    place.line = state / 8;
    return place;
}

void eddy_frame_misuse(eddy_coro *co, const char *text)
{
    struct eddy_frame_place place = eddy_frame_place(co);

    eddy_misuse_(place.function, place.file, (int)place.line, text);
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
    struct eddy_frame_place place = eddy_frame_place(co);

    eddy_misuse_(place.function, place.file, (int)(exit / 8),
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

    eddy_frame_check_idle(co);
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

    eddy_frame_check_idle(co);
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
    task->in.result =
        eddy_has(task, EDDY_TASK_DEADLINES_) ? eddy_deadline_drop(task, result) : result;
    eddy_deadline_look(task);
}
