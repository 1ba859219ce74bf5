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
 * Names that end in an underscore are private.
 */
#ifndef EDDY_CORO_H
#define EDDY_CORO_H

#include <stddef.h>
#include <stdint.h>

#include "eddy/pool.h"
#include "eddy/ready.h"
#include "eddy/result.h"

#ifdef __cplusplus
#include <type_traits>
extern "C" {
#endif

typedef struct eddy_coro eddy_coro;
typedef void eddy_coro_fn(eddy_coro *co);

struct eddy_scope;

/* The head of every frame. All of it is private: the words of this header keep it. */
struct eddy_coro {
    eddy_coro_fn *fn;              /* the coroutine */
    struct eddy_task_record *task; /* the task it runs in */
    eddy_coro *parent;             /* who awaits it; NULL: the task's first frame */
    struct eddy_scope *scope;      /* its innermost open eddy_with or eddy_for_each */
    int64_t outcome;               /* its result, once it returns or unwinds */
    uint32_t state;                /* where it goes on: EDDY_STATE_..., or line * 8 + k */
    uint16_t mask; /* how many cleanups, its own or callers', hold cancels back; at most 65,535 */
    uint8_t pool_class; /* of its memory */
    uint8_t flags;      /* EDDY_FRAME_... */
};

/* Resume points are line * 8 + 0..3. With the bit EDDY_STATE_BEGUN_ the frame is between the begin
 * of an operation and the return to the loop, and the line is that of the last await. */
enum {
    EDDY_STATE_START_,
    EDDY_STATE_FINALLY_,
    EDDY_STATE_END_,
    EDDY_STATE_WHO_,
    EDDY_STATE_BEGUN_
};

enum {
    EDDY_FRAME_IN_FINALLY_ = 1 << 0,
    EDDY_FRAME_BORROWED_ = 1 << 1, /* its memory is the caller's */
    EDDY_FRAME_SCOPED_ = 1 << 2,   /* its memory is a scope's: a generator or a context manager */
    EDDY_FRAME_MANAGER_ = 1 << 3,
    EDDY_FRAME_AT_BODY_ = 1 << 4, /* a manager that is entered */
    EDDY_FRAME_CLOSING_ = 1 << 5, /* a generator that is left early */
    EDDY_FRAME_FINISHED_ = 1 << 6,
    EDDY_FRAME_LARGE_ = 1 << 7 /* its memory is not of a small class */
};

/* Begins the exit of a scope: an operation, awaited by the frame. */
typedef int64_t eddy_scope_leave_fn(eddy_coro *co, struct eddy_scope *scope);

/* One open eddy_with or eddy_for_each of a frame. */
struct eddy_scope {
    struct eddy_scope *outer; /* the next one outwards in the same frame */
    eddy_scope_leave_fn *leave;
    void *object;       /* what is to be left: a frame, a lock, ... */
    uint32_t exit;      /* the resume point of the exit */
    uint8_t stage;      /* EDDY_STAGE_..._ */
    uint8_t leaving;    /* EDDY_LEAVE_..._ */
    uint8_t pool_class; /* of the scope's memory and its frame's */
    uint8_t flags;      /* EDDY_SCOPE_..._ */
};

enum {
    EDDY_SCOPE_BREAKS_ = 1 << 0,   /* `break` in the body leaves the loop around it too */
    EDDY_SCOPE_FRAME_ = 1 << 1,    /* its object is a frame, which lies behind it */
    EDDY_SCOPE_UNMASKED_ = 1 << 2, /* its exit adds nothing to the mask */
    EDDY_SCOPE_TURNED_ = 1 << 3,   /* the exit of its manager turns the body's error */
    /* it stands in the finally of a frame that has failed: the frame's outcome is older */
    EDDY_SCOPE_AFTER_ERROR_ = 1 << 4,
    EDDY_SCOPE_GENERATOR_ = EDDY_SCOPE_FRAME_,
    EDDY_SCOPE_MANAGER_ = EDDY_SCOPE_FRAME_ | EDDY_SCOPE_BREAKS_
};

/* the first is that of a scope which is zeroed */
enum { EDDY_STAGE_ENTER_, EDDY_STAGE_ENTERED_, EDDY_STAGE_BODY_, EDDY_STAGE_DONE_ };
enum {
    EDDY_LEAVE_NORMAL_,
    EDDY_LEAVE_BREAK_,
    EDDY_LEAVE_UNWIND_,
    /* the task was cut off with its loop: the object is let go, and nothing is begun */
    EDDY_LEAVE_CUT_OFF_
};

/* A task's record. Private, but the words look at it; see task.h for what users do with tasks.
 * Records lie in pages, which begin with their loop: see eddy_task_loop. */
struct eddy_task_record {
    struct eddy_timed timed; /* its place in the ready list or in a line, and in the heap */
    uint32_t parent; /* the number (its generation) of who spawned it, or serves its client; or 0 */
    uint32_t since;  /* while it waits: from when on, in EDDY_TASK_TICK_ of the loop's clock */
    eddy_coro *top;  /* the innermost frame: a wake-up resumes it directly */
    const struct eddy_wait *wait; /* what kind of operation it waits for; NULL: none */
    union {
        void *object;   /* while it waits: on what */
        int64_t result; /* afterwards: the operation's result; of a finished task: its own */
    } in;
    union {
        void *value;       /* while it waits: where a value goes, or whatever the operation needs */
        int64_t until;     /* while it sleeps: the deadline */
        uint32_t count[2]; /* while it gathers */
        int64_t outcome;   /* while it waits for a lock: what that wait is to return */
    } with;
    void *owner;      /* who is told of its end; with EDDY_TASK_EXTRA_ its extra record */
    const char *site; /* "coroutine\0file:line": what was spawned, and where */
};

enum eddy_task_state {
    EDDY_TASK_FREE_,
    EDDY_TASK_READY_,
    EDDY_TASK_RUNNING_,
    EDDY_TASK_WAITING_,
    EDDY_TASK_DONE_
};

enum {
    EDDY_TASK_NEW_ = 1 << 0,    /* has not taken its first step */
    EDDY_TASK_CANCEL_ = 1 << 1, /* a cancel from outside was not delivered yet */
    EDDY_TASK_LIMIT_ = 1 << 2,  /* a deadline has passed and waits to be delivered */
    EDDY_TASK_ZERO_ = 1 << 3,   /* an eddy_wait_for without time: no coroutine may start */
    EDDY_TASK_LIMITS_ = 1 << 4, /* has deadlines */
    /* a cancel or time-out was passed on to what it waits for, or is the result of its wait, which
     * it has not seen: see cancel.c */
    EDDY_TASK_UNDER_WAY_ = 1 << 5,
    EDDY_TASK_EXTRA_ = 1 << 6,          /* owner is an extra record */
    EDDY_TASK_DETACHED_ = 1 << 7,       /* nobody will join it */
    EDDY_TASK_FAILED_ = 1 << 8,         /* it was the first child of a gather that failed */
    EDDY_TASK_CASCADED_ = 1 << 9,       /* the error on its way up was noted where it began */
    EDDY_TASK_GATHER_FAILED_ = 1 << 10, /* it gathers, and a child has failed */
    /* owner is no task, but a struct eddy_owner: a group, a server */
    EDDY_TASK_OWNED_ = 1 << 11,
    /* has opened things that must not be left open in a dead frame */
    EDDY_TASK_GUARDS_ = 1 << 12,
    EDDY_TASK_TRY_ = 1 << 13,     /* woken to try: its wait goes on until `resume` has a result */
    EDDY_TASK_PASSING_ = 1 << 14, /* a cancel is just being passed on */
    EDDY_TASK_ENDING_ = 1 << 15,  /* it was cancelled because the loop ends */
    /* of one that has not ended: there was no memory for the deadline of what it waits for, or is to */
    EDDY_TASK_UNLIMITED_ = EDDY_TASK_FAILED_,
    EDDY_TASK_PREPARED_ = EDDY_TASK_NEW_ | EDDY_TASK_LIMITS_ | EDDY_TASK_TRY_ |
                          EDDY_TASK_UNDER_WAY_ | EDDY_TASK_UNLIMITED_,
    EDDY_TASK_INTERRUPTED_ = EDDY_TASK_CANCEL_ | EDDY_TASK_LIMIT_,
    EDDY_TASK_REFUSES_CALLS_ = EDDY_TASK_INTERRUPTED_ | EDDY_TASK_ZERO_
};

/* Records come in pages of this size, aligned to it, so that none has to keep its loop. */
#define EDDY_TASK_PAGE_ ((uintptr_t)4096)
#define EDDY_TASK_TICK_SHIFT_ 20 /* `since` counts 2^20 ns, about a millisecond, and wraps */

/* The loop of a task. */
static inline eddy_loop *eddy_task_loop(const struct eddy_task_record *task)
{
    return *(eddy_loop **)((uintptr_t)task & ~(EDDY_TASK_PAGE_ - 1));
}

/* ---- what the words call */

EDDY_API void *eddy_call_begin_slow_(eddy_coro *co, size_t size);
EDDY_API int64_t eddy_call_begin_in_(eddy_coro *co, void *memory);
EDDY_API int64_t eddy_call_refused_(eddy_coro *co);
EDDY_API void eddy_two_operations_(eddy_coro *co) __attribute__((noreturn, cold));
EDDY_API unsigned eddy_pool_class_of_(size_t size);
EDDY_API void eddy_finish_slow_(eddy_coro *co, int line);
EDDY_API void eddy_unwind_slow_(eddy_coro *co, int64_t result);
EDDY_API int eddy_strange_state_slow_(eddy_coro *co, const char *function, const char *file);
EDDY_API void eddy_enter_finally_(eddy_coro *co);
EDDY_API void eddy_yield_(eddy_coro *co);
EDDY_API void eddy_at_body_(eddy_coro *co);
EDDY_API void *eddy_scope_open_(eddy_coro *co, size_t size, uint32_t exit, int flags);
EDDY_API int eddy_scope_open_object_(eddy_coro *co, void *object, eddy_scope_leave_fn *leave,
                                     uint32_t exit);
EDDY_API int64_t eddy_scope_enter_(eddy_coro *co);
EDDY_API int64_t eddy_scope_leave_(eddy_coro *co);
EDDY_API int eddy_scope_left_(eddy_coro *co, int64_t result);
EDDY_API void eddy_lost_scope_(eddy_coro *co, uint32_t exit) __attribute__((noreturn, cold));
/* Notes where an error began, and unwinds. */
EDDY_API void eddy_raise_(eddy_coro *co, int64_t error, const char *function, const char *file,
                          int line) __attribute__((cold));
/* Notes what a catch has caught; returns 1. */
EDDY_API int eddy_caught_(eddy_coro *co, int64_t error, const char *function, const char *file,
                          int line) __attribute__((cold));
EDDY_API void eddy_misuse_(const char *function, const char *file, int line, const char *text)
    __attribute__((noreturn, cold));
/* The task has had its share: sends it once through the ready list, and the result comes then. */
EDDY_API void eddy_share_is_over_(eddy_coro *co, int64_t result) __attribute__((cold));

static inline int eddy_strange_state_(eddy_coro *co, const char *function, const char *file)
{
    if (co->state == EDDY_STATE_FINALLY_) { /* the coroutine has no eddy_finally: it ends */
        return 1;
    }
    return eddy_strange_state_slow_(co, function, file);
}

/* Sets the frame's result and where it goes on: an open scope's exit, its finally, or its end. */
static inline void eddy_unwind_(eddy_coro *co, int64_t result)
{
    if (co->scope != NULL || (co->flags & EDDY_FRAME_IN_FINALLY_) != 0 ||
        (co->state & EDDY_STATE_BEGUN_) != 0) {
        eddy_unwind_slow_(co, result);
        return;
    }
    co->outcome = result;
    co->state = EDDY_STATE_FINALLY_;
}

/* Ends the frame: its result goes to the parent, its memory back to the pool. The line is that of
 * its eddy_end, for a mistake in a frame that stands nowhere any more. */
static inline void eddy_finish_(eddy_coro *co, int line)
{
    struct eddy_task_record *task = co->task;
#ifndef EDDY_POOL_POISONED
    struct eddy_pool *pool = (struct eddy_pool *)(void *)eddy_task_loop(task);
    if (task->top == co && task->timed.ready.state == EDDY_TASK_RUNNING_ && co->parent != NULL &&
        co->scope == NULL && co->flags == 0 &&
        (task->timed.ready.bits & (EDDY_TASK_LIMITS_ | EDDY_TASK_GUARDS_)) == 0 &&
        co->outcome >= 0 && pool->lines[EDDY_POOL_MARK(co)] == 0) {
        struct eddy_pool_block *block = (struct eddy_pool_block *)(void *)co;
        struct eddy_pool_block **head = &pool->free[co->pool_class];
        task->top = co->parent;
        task->in.result = co->outcome;
        block->next = *head;
        *head = block;
        return;
    }
#else
    (void)task;
#endif
    eddy_finish_slow_(co, line);
}

/* Memory for a child's frame; NULL: refused. */
static inline void *eddy_call_begin_(eddy_coro *co, size_t size, unsigned pool_class)
{
#ifndef EDDY_POOL_POISONED
    const struct eddy_task_record *task = co->task;
    struct eddy_pool *pool = (struct eddy_pool *)(void *)eddy_task_loop(task);
    struct eddy_pool_block *block = pool->free[pool_class];

    if (block != NULL && (task->timed.ready.bits & EDDY_TASK_REFUSES_CALLS_) == 0) {
        pool->free[pool_class] = block->next;
        return block;
    }
#else
    (void)pool_class;
#endif
    return eddy_call_begin_slow_(co, size);
}

/* Makes the child's frame, which is written now, the task's innermost. Not before: whatever runs
 * while its arguments are worked out may look at the task, or begin another operation. */
static inline int64_t eddy_call_go_(eddy_coro *co, eddy_coro *child)
{
    struct eddy_task_record *task = co->task;

    if (task->top != co || task->timed.ready.state != EDDY_TASK_RUNNING_) {
        eddy_two_operations_(co);
    }
    task->top = child;
    return EDDY_PENDING;
}

/* Makes the compiler warn of an operation that nobody awaits, where it is no function call. */
EDDY_MUST_USE static inline int64_t eddy_operation_(int64_t result)
{
    return result;
}

/* An await that ends at once, with whatever result, takes part of the task's share of the step, which
 * the loop counts behind its pool. True: the result comes when the others have had their turn. */
static inline int eddy_takes_turns_(eddy_coro *co, int64_t result)
{
    struct eddy_pool *pool = (struct eddy_pool *)(void *)eddy_task_loop(co->task);
    int *awaits_left = (int *)(void *)(pool + 1);

    if (--*awaits_left > 0) {
        return 0;
    }
    if (result == -ECANCELED) { /* delivered now, so that a second cancel is not one with it */
        *awaits_left = 1;
        return 0;
    }
    eddy_share_is_over_(co, result);
    return 1;
}

static inline int64_t eddy_resumed_(const eddy_coro *co)
{
    return co->task->in.result;
}

/* The frame's innermost scope, which must be the one with that exit. */
static inline struct eddy_scope *eddy_scope_(eddy_coro *co, uint32_t exit)
{
    if (co->scope == NULL || co->scope->exit != exit) {
        eddy_lost_scope_(co, exit);
    }
    return co->scope;
}

#ifdef __cplusplus
}
#endif

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
#define EDDY_FRAME_OF_(fields, name, ...) \
    eddy_frame(name) {                    \
        eddy_coro co;                     \
        fields                            \
    }
#define EDDY_PICK_FIELDS_(name, a, b, c, d, e, f, g, h, picked, ...) picked
#define EDDY_TOO_MANY_FIELDS_(...) \
    EDDY_STATIC_ASSERT_(0, "eddy_frame_of takes four fields at most: use eddy_frame");
#define EDDY_FIELDS_0_(name)
#define EDDY_FIELDS_1_(name, a) a;
#define EDDY_FIELDS_2_(name, a, b) \
    a;                             \
    b;
#define EDDY_FIELDS_3_(name, a, b, c) \
    a;                                \
    b;                                \
    c;
#define EDDY_FIELDS_4_(name, a, b, c, d) \
    a;                                   \
    b;                                   \
    c;                                   \
    d;

/* Where a task comes from, as one pointer: the coroutine's name, and behind its end "file:line". */
#define EDDY_SITE_(name) #name "\0" EDDY_PLACE_

/* A frame as a value; the arguments by name, all else zero. The last argument is always empty. In
 * C++ it is a statement, for only there g++ can be told that fields are left zero on purpose. */
#ifdef __cplusplus
/* clang-format off */
#define EDDY_FRAME_VALUE_(name, head, ...)                                       \
    ([&]() -> struct name {                                                      \
        _Pragma("GCC diagnostic push")                                           \
        _Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"")       \
        return (struct name){.co = head, __VA_ARGS__};                           \
        _Pragma("GCC diagnostic pop")                                            \
    }())
/* clang-format on */
#else
#define EDDY_FRAME_VALUE_(name, head, ...) ((struct name){.co = head, __VA_ARGS__})
#endif

#define EDDY_CLASS_OF_(size) \
    ((uint8_t)(EDDY_POOL_CLASS(size) != 0 ? EDDY_POOL_CLASS(size) : eddy_pool_class_of_(size)))

#ifdef __cplusplus
static inline eddy_coro eddy_head_(eddy_coro_fn *fn, struct eddy_task_record *task,
                                   eddy_coro *parent, uint16_t mask, unsigned pool_class,
                                   unsigned flags)
{
    eddy_coro head = eddy_coro();
    head.fn = fn;
    head.task = task;
    head.parent = parent;
    head.mask = mask;
    head.pool_class = (uint8_t)pool_class;
    head.flags = (uint8_t)flags;
    return head;
}
#define EDDY_HEAD_(name, its_task, its_parent, its_mask, its_class, its_flags) \
    eddy_head_(name, its_task, its_parent, its_mask, its_class, its_flags)
/* The address of a temporary, which lives until the end of the full expression. */
template <class Frame> static inline const void *eddy_address_(const Frame &frame)
{
    return &frame;
}
#define EDDY_ADDRESS_(value) eddy_address_(value)
#define EDDY_STATIC_ASSERT_(condition, text) static_assert(condition, text)
#define EDDY_ALIGNMENT_(type) alignof(type)
#define EDDY_FRAME_IS_PLAIN_(name)                                        \
    static_assert(std::is_trivially_copyable<struct name>::value &&       \
                      std::is_trivially_destructible<struct name>::value, \
                  "a frame is copied and dropped as bytes: no constructors, no destructors")
#else
#define EDDY_HEAD_(name, its_task, its_parent, its_mask, its_class, its_flags) \
    {                                                                          \
        .fn = name, .task = its_task, .parent = its_parent, .mask = its_mask,  \
        .pool_class = its_class, .flags = its_flags                            \
    }
#define EDDY_ADDRESS_(value) (&(value))
#define EDDY_STATIC_ASSERT_(condition, text) _Static_assert(condition, text)
#define EDDY_ALIGNMENT_(type) _Alignof(type)
#define EDDY_FRAME_IS_PLAIN_(name) EDDY_STATIC_ASSERT_(1, "")
#endif

/*
 * eddy_call(co, name, .argument = value, ...): awaits the coroutine `name`; the result is what
 * it returns. Its frame comes from the loop's pool. -ENOMEM: no memory; -ECANCELED: a cancel was
 * pending and the coroutine never started; -ETIMEDOUT: likewise, inside an eddy_wait_for without
 * time.
 */
#define eddy_call(co, ...) EDDY_CALL_(co, __VA_ARGS__, )
#define EDDY_CALL_(co, name, ...)                                                                 \
    eddy_operation_(__extension__({                                                               \
        struct name *eddy_child_ = (struct name *)eddy_call_begin_(                               \
            co, sizeof(struct name), EDDY_POOL_CLASS(sizeof(struct name)));                       \
        eddy_child_ != NULL                                                                       \
            ? (*eddy_child_ = EDDY_FRAME_VALUE_(                                                  \
                   name,                                                                          \
                   EDDY_HEAD_(name, (co)->task, co, (co)->mask,                                   \
                              EDDY_CLASS_OF_(sizeof(struct name)),                                \
                              EDDY_POOL_CLASS(sizeof(struct name)) == 0 ? EDDY_FRAME_LARGE_ : 0), \
                   __VA_ARGS__),                                                                  \
               eddy_call_go_(co, &eddy_child_->co))                                               \
            : eddy_call_refused_(co);                                                             \
    }))

/*
 * eddy_call_in(co, &self->child, name, .argument = value, ...): likewise, with the frame in
 * memory of the caller's (a struct name), which must stay until the call has returned. Allocates
 * nothing.
 */
#define eddy_call_in(co, memory, ...) EDDY_CALL_IN_(co, memory, __VA_ARGS__, )
#define EDDY_CALL_IN_(co, memory, name, ...)                                              \
    eddy_operation_(                                                                      \
        (*(memory) = EDDY_FRAME_VALUE_(                                                   \
             name, EDDY_HEAD_(name, (co)->task, co, (co)->mask, 0, EDDY_FRAME_BORROWED_), \
             __VA_ARGS__),                                                                \
         eddy_call_begin_in_(co, memory)))

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

#define EDDY_POINT_(k) ((uint32_t)__LINE__ * 8u + (k))

/* Begins an operation: true if its result, which otherwise is in eddy_rc_, comes later. Every await
 * is made of this, so that none which ends at once goes uncounted. */
#define EDDY_WAITS_(operation) \
    ((eddy_rc_ = (operation)) == EDDY_PENDING || eddy_takes_turns_(co, eddy_rc_))

/* Where a frame goes on that waits, or has just begun to. */
#define EDDY_WAIT_HERE_(k)      \
    co->state = EDDY_POINT_(k); \
    return;                     \
    case EDDY_POINT_(k):        \
        eddy_rc_ = eddy_resumed_(co);

/* Runs an operation until it has a result, which lands in eddy_rc_. */
#define EDDY_RUN_(operation, k)   \
    if (EDDY_WAITS_(operation)) { \
        EDDY_WAIT_HERE_(k)        \
    }

#define EDDY_RAISE_(error)                                    \
    {                                                         \
        eddy_raise_(co, error, __func__, __FILE__, __LINE__); \
        goto eddy_again_;                                     \
    }

/*
 * eddy_await(operation): awaits; an error goes on to eddy_finally, then to the caller.
 * eddy_await(variable, operation): likewise, and the value lands in the variable, any integer;
 * one that does not fit is the error -EOVERFLOW. On an error the variable stays as it was.
 */
#define eddy_await(...) EDDY_PICK_(__VA_ARGS__, EDDY_AWAIT_2_, EDDY_AWAIT_1_, )(__VA_ARGS__)
#define EDDY_PICK_(first, second, picked, ...) picked

#define EDDY_AWAIT_1_(operation)  \
    do {                          \
        EDDY_RUN_(operation, 0)   \
        if (eddy_rc_ < 0)         \
            EDDY_RAISE_(eddy_rc_) \
    } while (0)

#define EDDY_AWAIT_2_(variable, operation)                       \
    do {                                                         \
        EDDY_RUN_(operation, 0)                                  \
        if (eddy_rc_ < 0)                                        \
            EDDY_RAISE_(eddy_rc_)                                \
        if ((int64_t)(__typeof__(variable))eddy_rc_ != eddy_rc_) \
            EDDY_RAISE_(-EOVERFLOW)                              \
        variable = (__typeof__(variable))eddy_rc_;               \
    } while (0)

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
#define EDDY_PASTE_2_(a, b) a##b
#define EDDY_PASTE_(a, b) EDDY_PASTE_2_(a, b)
#define EDDY_LABEL_(name) EDDY_PASTE_(name, __LINE__)

#define EDDY_EXCEPT_(code, operation, caught)   \
    if (EDDY_WAITS_(operation)) {               \
        co->state = EDDY_POINT_(0);             \
        return;                                 \
    case EDDY_POINT_(0):                        \
        eddy_rc_ = eddy_resumed_(co);           \
        goto caught;                            \
    } else                                      \
    caught:                                     \
        if (eddy_rc_ < 0 && eddy_rc_ != (code)) \
            EDDY_RAISE_(eddy_rc_)               \
        else if (eddy_rc_ == (code) && eddy_caught_(co, eddy_rc_, __func__, __FILE__, __LINE__))

#include "eddy/scope.h"

#endif
