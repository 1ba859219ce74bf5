/*
 * Coroutines: frames, and the words to write them with.
 *
 *     eddy_frame(greet) {                     // arguments, and what outlives an await
 *         eddy_coro co;
 *         const char *name;                   // an argument
 *         int i;                              // a local
 *     };
 *
 *     static void greet(eddy_coro *co)
 *     {
 *         eddy_begin(greet);                  // declares `self`
 *         for (self->i = 0; self->i < 3; self->i++) {
 *             printf("hello %s\n", self->name);
 *             eddy_await(eddy_sleep(co, EDDY_SECOND));
 *         }
 *         eddy_end;
 *     }
 *
 * A coroutine is one switch over the frame's state (Duff's device); an await stores its line as
 * the state and returns to the loop, and the switch comes back to it. So:
 *
 *   - a plain local is lost at an await; what must outlive it is a field of the frame
 *   - one await a line; none inside a switch of your own; no variable-length array in scope of one
 *   - never a bare `return`, always eddy_return
 *   - an operation is only ever used inside an await
 *
 * An await that ends at once, with a value or an error, goes on without a return to the loop; but
 * after 128 of them, calls included, the task goes once through the ready list before it has the
 * result, so that no loop of awaits keeps others, or its own time-out, from their turn.
 *
 * What of this the compiler does not refuse, aborts the first time it happens, with function,
 * file and line. docs/guide.md, "Traps", has each with its mend.
 *
 * Names that end in an underscore, and the folder impl, are private.
 */
#ifndef EDDY_CORO_H
#define EDDY_CORO_H

#include "eddy/impl/coro.h"

/* A coroutine that runs, as operations see it: the head of its frame. All of it is private. */
typedef struct eddy_coro eddy_coro;

/* A coroutine, as eddy_frame declares it. */
typedef void eddy_coro_fn(eddy_coro *co);

/* ---- building frames */

/* What a field of a frame may be aligned to: what is aligned to more (__m256, a cache line) is kept
 * by a pointer. Checked by eddy_begin, as is the next one. */
#define EDDY_FRAME_ALIGNMENT 16

/* The most bytes that a frame may have. Until it is copied to where it stays, a new frame lies on
 * the C stack of who calls or spawns it, several if the compiler does not optimize: a thread with a
 * small stack has to be spared larger frames than that bears. Who knows its stacks may define
 * another limit, before including eddy. */
#ifndef EDDY_FRAME_MOST
#define EDDY_FRAME_MOST 1048576
#endif

/* Declares the coroutine `name` and begins its struct. A coroutine that is declared in a header is
 * declared by hand: struct name { eddy_coro co; ... }; void name(eddy_coro *co); */
#define eddy_frame(name)             \
    static void name(eddy_coro *co); \
    struct name

/*
 * eddy_frame_of(name, type field, ...); declares the coroutine and a frame with at most four
 * fields, in one line; for more, or where fields want comments, eddy_frame. So
 * eddy_frame_of(greet, const char *name, int i); is the frame of the example above.
 */
#define eddy_frame_of(...)                                                                         \
    EDDY_FRAME_OF_(EDDY_PICK_FIELDS_(__VA_ARGS__, EDDY_TOO_MANY_FIELDS_, EDDY_TOO_MANY_FIELDS_,    \
                                     EDDY_TOO_MANY_FIELDS_, EDDY_TOO_MANY_FIELDS_, EDDY_FIELDS_4_, \
                                     EDDY_FIELDS_3_, EDDY_FIELDS_2_, EDDY_FIELDS_1_,               \
                                     EDDY_FIELDS_0_, )(__VA_ARGS__),                               \
                   __VA_ARGS__, )

/*
 * eddy_call(co, name, .argument = value, ...): awaits the coroutine `name`; the result is what
 * it returns. Its frame comes from the loop's pool. -ENOMEM: no memory; -ECANCELED: a cancel was
 * pending and the coroutine never started; -ETIMEDOUT: likewise, inside an eddy_wait_for without
 * time.
 */
#define eddy_call(co, ...) EDDY_CALL_(co, __VA_ARGS__, )

/*
 * eddy_call_in(co, &self->child, name, .argument = value, ...): likewise, with the frame in
 * memory of the caller's (a struct name), which must stay until the call has returned. Allocates
 * nothing.
 */
#define eddy_call_in(co, memory, ...) EDDY_CALL_IN_(co, memory, __VA_ARGS__, )

/* ---- the words */

/* The first statement of a coroutine; declares `self`, the frame. */
#define eddy_begin(name)                                                                        \
    EDDY_STATIC_ASSERT_(offsetof(struct name, co) == 0, "a frame begins with `eddy_coro co;`"); \
    EDDY_FRAME_IS_PLAIN_(name);                                                                 \
    EDDY_STATIC_ASSERT_(EDDY_ALIGNMENT_(struct name) <= EDDY_FRAME_ALIGNMENT,                   \
                        "a field of the frame is aligned to more than EDDY_FRAME_ALIGNMENT");   \
    EDDY_STATIC_ASSERT_(sizeof(struct name) <= EDDY_FRAME_MOST,                                 \
                        "the frame is larger than EDDY_FRAME_MOST: keep a pointer in it");      \
    struct name *const self = (struct name *)(void *)co;                                        \
    int64_t eddy_rc_;                                                                           \
    (void)self;                                                                                 \
    eddy_again_:                                                                                \
    __attribute__((unused));                                                                    \
    switch (co->state) {                                                                        \
    default:                                                                                    \
        if (eddy_strange_state_(co, __func__, __FILE__)) {                                      \
            goto eddy_ending_;                                                                  \
        }                                                                                       \
        return;                                                                                 \
    case EDDY_STATE_START_:                                                                     \
        (void)eddy_rc_;                                                                         \
        if (co->fn != name) {                                                                   \
            eddy_misuse_(__func__, __FILE__, __LINE__,                                          \
                         "eddy_begin names another coroutine than this one");                   \
        }

/* The last word of a coroutine. Falling into it returns 0. */
#define eddy_end                                  \
    if (0) {                                      \
    case EDDY_STATE_END_:                         \
    eddy_ending_:;                                \
    }                                             \
    eddy_finish_(co, __LINE__);                   \
    return;                                       \
    }                                             \
    eddy_misuse_(                                 \
        __func__, __FILE__, (int)(co->state / 8), \
        "a break without a loop around it, as in the block of an eddy_with or eddy_except")

/* Ends the coroutine with a value or an error, through the exits of all scopes and eddy_finally. */
#define eddy_return(value)          \
    do {                            \
        eddy_rc_ = (value);         \
        if (eddy_rc_ < 0)           \
            EDDY_RAISE_(eddy_rc_)   \
        eddy_unwind_(co, eddy_rc_); \
        goto eddy_again_;           \
    } while (0)

/*
 * `eddy_finally:` - what stands between this label and eddy_end runs however the coroutine ends:
 * on success, error and cancel. It may await. While it runs, cancels and outer deadlines are
 * held back. An error in it ends it; the body's error wins, and the other goes to the error
 * hook. Cleanups may stand inside each other, calls among them, to any depth; but beyond 65,535 of
 * them a deadline that one sets is not held back in those inside it.
 */
#define eddy_finally           \
    if (0) {                   \
    case EDDY_STATE_FINALLY_:; \
    }                          \
    eddy_enter_finally_(co);   \
    goto eddy_finally_body_;   \
    eddy_finally_body_

/*
 * eddy_await(operation): awaits; an error goes on to eddy_finally, then to the caller.
 * eddy_await(variable, operation): likewise, and the value lands in the variable, any integer;
 * one that does not fit is the error -EOVERFLOW. On an error the variable stays as it was.
 */
#define eddy_await(...) EDDY_PICK_(__VA_ARGS__, EDDY_AWAIT_2_, EDDY_AWAIT_1_, )(__VA_ARGS__)

/* eddy_catch(variable, operation): awaits; value or error lands in the variable, nothing goes
 * on. It catches a cancel too: pass that on (eddy_return) unless there is a reason not to. */
#define eddy_catch(variable, operation)                                            \
    do {                                                                           \
        EDDY_STATIC_ASSERT_((__typeof__(variable))-1 < 1,                          \
                            "eddy_catch needs a signed variable, for the errors"); \
        EDDY_RUN_(operation, 0)                                                    \
        if (eddy_rc_ < 0)                                                          \
            eddy_caught_(co, eddy_rc_, __func__, __FILE__, __LINE__);              \
        variable = (int64_t)(__typeof__(variable))eddy_rc_ == eddy_rc_             \
                       ? (__typeof__(variable))eddy_rc_                            \
                       : (__typeof__(variable))-EOVERFLOW;                         \
    } while (0)

/* eddy_except(-ETIMEDOUT, operation) { ... }: awaits; runs the block on that error, passes
 * others on, and drops a value. Put braces around it under an `if` of your own. */
#define eddy_except(code, operation) EDDY_EXCEPT_(code, operation, EDDY_LABEL_(eddy_caught_))

/*
 * eddy_try(variable) { ... }: runs the block. An error in it, of whichever await, call or inner block, by
 * eddy_return(error) or eddy_fail, ends the block, through the exits of the blocks inside, and lands in the
 * variable, an int64_t of the frame; eddy_error(co) has its text and where it began. If the block ends otherwise
 * the variable is 0. Then it goes on behind the block:
 *
 *     eddy_try(self->rc) {
 *         eddy_await(eddy_connect(co, &self->stream, self->host, 80));
 *         eddy_with_timeout(5 * EDDY_SECOND) {
 *             eddy_await(eddy_call(co, talk, .stream = &self->stream));
 *         }
 *     }
 *     if (self->rc == -ETIMEDOUT) {
 *         ...
 *     } else if (self->rc < 0) {
 *         eddy_return(self->rc);                  // raises it on, with where it began
 *     }
 *
 * A cancel is not caught: it passes through, the variable stays 0, and what stands behind the block does not
 * run. eddy_try(variable, -ECANCELED) { ... } catches it too; pass it on unless there is a reason not to.
 * `break`, and eddy_return of a value, leave the block as any other (eddy_with). In an eddy_finally it catches
 * what its own awaits raise, and the outcome of the coroutine stays what it was. -ENOMEM, if there is none
 * for the block, is raised and not caught.
 */
#define eddy_try(...) EDDY_TRY_PICKED_(__VA_ARGS__, 0, )
#define EDDY_TRY_PICKED_(variable, also, ...) EDDY_TRY_(variable, also, )

/* In eddy_finally, and behind an eddy_body: how it was reached: what the coroutine is to return: a value, an
 * error, or -ECANCELED; of a manager, what its block has raised. Before that 0. */
static inline int64_t eddy_outcome(const eddy_coro *co)
{
    return eddy_outcome_(co);
}

/* ---- generators and context managers: blocks with an exit that always runs, and may await */

/*
 * eddy_yield(value): in a generator, hands a value to the eddy_for_each that runs it, through
 * the field `value` of the frame, which may have any type; goes on when the next one is asked
 * for.
 */
#define eddy_yield(its_value)       \
    do {                            \
        self->value = (its_value);  \
        co->state = EDDY_POINT_(0); \
        eddy_yield_(co);            \
        return;                     \
    case EDDY_POINT_(0):;           \
    } while (0)

/*
 * eddy_for_each(variable, generator, .argument = value, ...) { ... }: runs the block for every
 * value that the generator yields. `break` and `continue` work; leaving early (break, error,
 * eddy_return) runs the generator's eddy_finally first. Errors of the generator go on as those
 * of an await.
 */
#define eddy_for_each(variable, ...) EDDY_FOR_EACH_(variable, __VA_ARGS__, )

/*
 * A context manager is a coroutine with one `eddy_body;`: before it stands the enter, behind it
 * and in eddy_finally the exit. An error of the block is raised there again, so that only
 * eddy_finally runs.
 */
#define eddy_body                   \
    do {                            \
        co->state = EDDY_POINT_(0); \
        eddy_at_body_(co);          \
        return;                     \
    case EDDY_POINT_(0):;           \
    } while (0)

/*
 * eddy_with(manager, .argument = value, ...) { ... }: enters the manager, runs the block, and
 * exits the manager however the block is left; the exit may await, and cancels are held back
 * while it runs. `break` leaves the loop around the eddy_with, after the exit; `continue` ends
 * the block only; a `goto` out aborts.
 */
#define eddy_with(...) EDDY_WITH_(__VA_ARGS__, )

#endif
