/*
 * What the words of coro.h are made of: the head of a frame, the functions that they call, and the
 * macros in which they are written. A user meets none of it but in what a compiler or a debugger
 * shows.
 *
 * The code that is here as inline functions is what a call costs: it touches the task, the pool and
 * the frame, and calls the library where something is unusual.
 */
#ifndef EDDY_IMPL_CORO_H
#define EDDY_IMPL_CORO_H

#include <stddef.h>
#include <stdint.h>

#include "eddy/impl/pool.h"
#include "eddy/impl/task.h"
#include "eddy/result.h"

#ifdef __cplusplus
#include <type_traits>
extern "C" {
#endif

typedef void eddy_coro_fn(eddy_coro *co);

struct eddy_scope;

/* The head of every frame, which the words keep. */
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
    EDDY_SCOPE_BORROWED_ = 1 << 5, /* its memory is its object's; `leave` is NULL when it is left */
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
EDDY_API int eddy_try_open_(eddy_coro *co, int64_t *variable, int64_t also, uint32_t exit);
EDDY_API int64_t eddy_try_enter_(eddy_coro *co);
EDDY_API int64_t eddy_outcome_(const eddy_coro *co);
EDDY_API int64_t eddy_scope_refused_(eddy_coro *co) __attribute__((cold));
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
        (task->timed.ready.bits & (EDDY_TASK_DEADLINES_ | EDDY_TASK_GUARDS_)) == 0 &&
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
 * the loop counts behind its pool: below 0 it is used up, for then the count and the test are one
 * instruction each. True: the result comes when the others have had their turn. */
static inline int eddy_takes_turns_(eddy_coro *co, int64_t result)
{
    struct eddy_pool *pool = (struct eddy_pool *)(void *)eddy_task_loop(co->task);
    int *awaits_left = (int *)(void *)(pool + 1);

    if (--*awaits_left >= 0) {
        return 0;
    }
    if (result == -ECANCELED) { /* delivered now, so that a second cancel is not one with it */
        *awaits_left = 0;
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

/* ---- frames as values */

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
#define EDDY_NAMED_PLACE_(name) #name "\0" EDDY_PLACE_

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

/* The first frame of a task, before it has one: copied when the task is made. */
#define EDDY_SPAWNED_(name, ...) \
    EDDY_ADDRESS_(EDDY_FRAME_VALUE_(name, EDDY_HEAD_(name, NULL, NULL, 0, 0, 0), __VA_ARGS__))

/* ---- calls */

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

#define EDDY_CALL_IN_(co, memory, name, ...)                                              \
    eddy_operation_(                                                                      \
        (*(memory) = EDDY_FRAME_VALUE_(                                                   \
             name, EDDY_HEAD_(name, (co)->task, co, (co)->mask, 0, EDDY_FRAME_BORROWED_), \
             __VA_ARGS__),                                                                \
         eddy_call_begin_in_(co, memory)))

/* ---- awaits */

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

#include "eddy/impl/scope.h"

#endif
