/*
 * Coroutines, tasks, waits and interrupts, as the files of this floor and those above it see each other.
 *
 * Circle: coro.c, deadline.c, done_callback.c, error.c, guard.c, interrupt.c, scope.c, select.c, share.c,
 * spread.c, task.c, unstarted.c, value.c and wait.c are one machine, cut into files by what they are about. A
 * frame (coro.c, scope.c) begins a wait (wait.c), for one operation or for the first of several (select.c), an
 * interrupt (interrupt.c, deadline.c) ends the wait and those that it waits for (spread.c), and the result goes up
 * the frames again, with an error's origin (error.c), until the last frame has left nothing open (guard.c) and
 * ends the task (task.c, its values: value.c), which wakes another, or several (share.c), or tells its callbacks
 * (done_callback.c); one that never began has nobody but the hook to tell (unstarted.c). Any of them may find a
 * mistake of the user's, and tells it by the frame, which coro.c asks where it is.
 *
 * What drives that machine stands above it: step.c runs the steps, spawn.c begins tasks, run.c waits for one.
 */
#ifndef EDDY_SRC_TASK_INTERNAL_H
#define EDDY_SRC_TASK_INTERNAL_H

#include "task/task_errors.h"
#include "task/task_interrupts.h"
#include "task/task_records.h"

#ifdef EDDY_HAVE_SDT
#include <sys/sdt.h>
#ifdef __clang__ /* its macros call variadic ones without a variable argument */
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif
#endif

/* ---- task_table.c: where the records of tasks lie */

/* Makes the table of a loop that has none yet: 0 or -ENOMEM. */
int eddy_task_table_make(eddy_loop *loop, const struct eddy_loop_task_class *task_class);
void eddy_task_table_free(eddy_loop *loop);

/* A record for a new task, cleared but for its number; NULL: no memory. */
struct eddy_task_record *eddy_task_record_new(eddy_loop *loop);

/* Frees the record of a task for another; stale handles find that out. */
void eddy_task_record_free(struct eddy_task_record *task);

/* Whether there is a record of the loop's at that address, in use or not. Never looks at it. */
bool eddy_task_record_at(const eddy_loop *loop, uintptr_t address);

/* Visits every task; or every record in use, branches of selects among them. */
void eddy_task_each(eddy_loop *loop, void (*visit)(struct eddy_task_record *task, void *context),
                    void *context);
void eddy_task_record_each(eddy_loop *loop,
                           void (*visit)(struct eddy_task_record *task, void *context),
                           void *context);

/* Until the await stores its line, the frame is known to have begun something. */
static inline void eddy_mark_begun(eddy_coro *co)
{
    co->state |= EDDY_STATE_BEGUN_;
}

static inline eddy_task eddy_handle(struct eddy_task_record *task)
{
    eddy_task handle = {task, task->timed.ready.generation};
    return handle;
}

/* ---- trace.c */

/* Probes cost one instruction that does nothing, until somebody attaches to them. */
#ifdef EDDY_HAVE_SDT
#define EDDY_PROBE(name, task) DTRACE_PROBE2(eddy, name, task, (task)->timed.ready.generation)
#else
#define EDDY_PROBE(name, task) ((void)(task))
#endif

/* The one place for what happens to tasks: it is counted, probed and traced here. (Steps: see step.c.) `kind`
 * is a constant. */
static inline void eddy_traced(eddy_loop *loop, struct eddy_task_record *task,
                               enum eddy_trace_kind kind)
{
    switch (kind) {
    case EDDY_TRACE_SPAWN:
        EDDY_PROBE(spawn, task);
        break;
    case EDDY_TRACE_WAKE:
        loop->counts.wakes++;
        EDDY_PROBE(wake, task);
        break;
    case EDDY_TRACE_CANCEL:
        EDDY_PROBE(cancel, task);
        break;
    case EDDY_TRACE_FINISH:
        EDDY_PROBE(finish, task);
        break;
    case EDDY_TRACE_RESUME:
    case EDDY_TRACE_SUSPEND:
        break; /* of steps: see the trampoline */
    }
    if (__builtin_expect(loop->trace != NULL, 0)) {
        loop->trace(loop, task, kind);
    }
}

/* ---- task.c */

/* The extra record, made if there is none; NULL: no memory. */
struct eddy_task_extra *eddy_extra_make(struct eddy_task_record *task);
struct eddy_task_rare *eddy_rare_make(struct eddy_task_record *task);
void eddy_owner_set(struct eddy_task_record *task, eddy_owner *owner);

/* Guards: what must be closed before its memory goes. A task links into its list what it opens
 * in memory of the caller's; a frame that ends with such a link inside is a mistake that is told
 * at once. So is a frame with a line in it in which a task stands; see guard.c. */
int eddy_guard_add(struct eddy_task_record *opener, struct eddy_link *guard);
/* Aborts if a guard, or a line with a task in it, lies in the frame, which is about to go. */
void eddy_guard_check(eddy_coro *co);

/* A task is about to stand in the line. A frame of a small block begins in the step of the line or
 * in the one before it. */
static inline void eddy_guard_line(eddy_loop *loop, const struct eddy_waiters *line)
{
    loop->pool.lines[EDDY_POOL_MARK(line)] = 1;
    loop->pool.lines[EDDY_POOL_MARK((uintptr_t)line - EDDY_POOL_SMALL)] = 1;
}

/* The record of a handle, or NULL if the task is gone. */
struct eddy_task_record *eddy_task_find(eddy_task task);

/* A handle whose spawn has failed; it counts as a task that has ended. */
static inline bool eddy_spawn_failed(eddy_task handle)
{
    return handle.record != NULL && handle.record->timed.ready.kind == EDDY_READY_UNSTARTED;
}

/* The record that a task of this handle has, or had; NULL: there never was a task. */
static inline struct eddy_task_record *eddy_record_of(eddy_task handle)
{
    return eddy_spawn_failed(handle) ? NULL : handle.record;
}

/* Of a failed spawn. */
static inline int eddy_unstarted_error(eddy_task handle)
{
    return -(int)(handle.generation & EDDY_UNSTARTED_ERROR);
}

/* Whether a task has ended, whose record is held for the caller, and how. */
static inline bool eddy_task_ended(eddy_task handle)
{
    return eddy_spawn_failed(handle) ||
           (handle.record != NULL && handle.record->timed.ready.state == EDDY_TASK_DONE_);
}

static inline int64_t eddy_task_outcome(eddy_task handle)
{
    return eddy_spawn_failed(handle) ? eddy_unstarted_error(handle) : handle.record->in.result;
}

/* Ends a task whose last frame is gone: tells whoever waits for it. */
void eddy_task_finish(struct eddy_task_record *task, int64_t result);

/* Frees the record for another task; stale handles find that out. */
void eddy_task_release(struct eddy_task_record *task);

/* Checks that `self` may wait for the task and be told of its end: 0, -ESRCH, -EDEADLK, -EBUSY. */
int eddy_task_claimable(struct eddy_task_record *self, const struct eddy_task_record *task);

/* "file:line" of a named place (EDDY_NAMED_PLACE_). */
const char *eddy_place_in(const char *named_place);

/* The task's name: the one that was given, or the coroutine's; and "file:line" of its spawn. */
const char *eddy_task_display_name(const struct eddy_task_record *task);
const char *eddy_task_place(const struct eddy_task_record *task);

/* For `describe`: "name (file:line)". */
void eddy_task_describe(const struct eddy_task_record *task, char *text, size_t size);

/* Takes everything out of the lists that the task's records have. */
void eddy_task_forget_links(struct eddy_task_record *task);

/* ---- select.c: branches, the records that stand in for a task in each operation of a select */

/* A branch waits no longer: in.result is its result. */
void eddy_branch_ended(struct eddy_task_record *branch);

/* It was tried, and waits on. */
void eddy_branch_settle(struct eddy_task_record *branch);

/* Who selects: the task, or a branch of another select. */
struct eddy_task_record *eddy_selecting(const struct eddy_task_record *branch);

/* The task itself: whose a lock is that a branch is handed, say. */
struct eddy_task_record *eddy_acting_slow(struct eddy_task_record *branch) __attribute__((cold));

static inline bool eddy_is_branch(const struct eddy_task_record *task)
{
    return __builtin_expect(task->timed.ready.kind == EDDY_READY_BRANCH, 0);
}

static inline struct eddy_task_record *eddy_acting(struct eddy_task_record *task)
{
    return eddy_is_branch(task) ? eddy_acting_slow(task) : task;
}

/* ---- share.c: several who want the result of one task */

/* A task that has ended: wakes all that wait for it beside its owner. */
void eddy_share_tell(struct eddy_task_record *task);

/* Of a task that has ended with an error which nobody has, and that is no cancel. */
static inline bool eddy_error_is_lost(const struct eddy_task_record *task)
{
    const struct eddy_task_rare *rare = eddy_rare(task);

    return task->in.result < 0 && task->in.result != -ECANCELED && (rare == NULL || !rare->seen);
}

/* Its owner has the result. */
static inline bool eddy_task_is_taken(const struct eddy_task_record *task)
{
    const struct eddy_task_rare *rare = eddy_rare(task);

    return rare != NULL && rare->taken;
}

/* Its result was taken: true if the record is to stay, for those who keep it. */
bool eddy_share_keeps(struct eddy_task_record *task);

/* ---- value.c */

/* A new task has the values of another: 0, -ENOMEM. */
int eddy_values_inherit(struct eddy_task_record *task, const struct eddy_task_record *from);

/* Its rare record is about to go. */
void eddy_values_drop(struct eddy_task_record *task);

/* ---- unstarted.c: spawns that failed */

/* The handle of one. */
eddy_task eddy_unstarted(eddy_loop *loop, const char *named_place, int64_t error);

/* It is a group's, as its tasks are. */
eddy_task eddy_unstarted_owned(eddy_task handle);

/* Takes the error, which is told no more. */
int eddy_unstarted_take(eddy_task handle);

/* As eddy_detach and eddy_task_on_done. */
int eddy_unstarted_detach(eddy_task handle);
int eddy_unstarted_on_done(eddy_task handle, eddy_done_callback *callback,
                           eddy_callback_fn *function);

/* ---- done_callback.c */

/* Makes the callbacks of a task that has ended ready. */
void eddy_done_tell(struct eddy_task_record *task);

/* ---- join.c */

/* At the end of a loop: a cancel that goes round a circle of waits for tasks ends none of them. Gives
 * one of each up, so that the cleanups run; whether there was any. */
bool eddy_join_break_circles(eddy_loop *loop);

/* ---- step.c (the trampoline) */

extern const struct eddy_loop_task_class eddy_task_class;

/* Sends a running task through the ready list; returns EDDY_PENDING. */
static inline int64_t eddy_requeue(struct eddy_task_record *task)
{
    task->timed.ready.state = EDDY_TASK_READY_;
    eddy_loop_append(eddy_task_loop(task), &task->timed.ready);
    EDDY_PROBE(suspend, task);
    return __builtin_expect(eddy_has(task, EDDY_TASK_DEADLINES_), 0) ? eddy_wait_armed(task)
                                                                     : EDDY_PENDING;
}

/* Where a frame stands; asks the coroutine for its function and file. */
struct eddy_frame_place {
    const char *function;
    const char *file;
    uint32_t line; /* of the await in which it is, or was last */
};
struct eddy_frame_place eddy_frame_place(eddy_coro *co);

void eddy_frame_misuse(eddy_coro *co, const char *text) __attribute__((noreturn, cold));

/* ---- wait.c */

/* What has `inline` in its name is the text of what wait.h declares without, for those on the path of every
 * message: docs/performance.md says what each buys. */

static inline int64_t eddy_park_inline(eddy_coro *co, const struct eddy_wait_kind *wait,
                                       void *object)
{
    struct eddy_task_record *task = co->task;

    eddy_mark_begun(co);
    task->since = (uint32_t)(eddy_task_loop(task)->now >> EDDY_TASK_TICK_SHIFT_);
    task->wait = wait;
    task->in.object = object;
    task->timed.ready.state = EDDY_TASK_WAITING_;
    EDDY_PROBE(suspend, task);
    return __builtin_expect(eddy_has(task, EDDY_TASK_DEADLINES_ | EDDY_TASK_CASCADED_), 0)
               ? eddy_wait_armed(task)
               : EDDY_PENDING;
}

/* A record that has all but a frame becomes a task, which runs from the next turn on. */
static inline void eddy_task_start(struct eddy_task_record *task, eddy_coro *frame)
{
    eddy_loop *loop = eddy_task_loop(task);

    task->timed.ready.kind = EDDY_READY_TASK;
    task->timed.ready.state = EDDY_TASK_READY_;
    eddy_set(task, EDDY_TASK_TRY_);
    task->top = frame;
    frame->task = task;
    loop->tasks->live++;
    eddy_loop_append(loop, &task->timed.ready);
    eddy_traced(loop, task, EDDY_TRACE_SPAWN);
    eddy_loop_changed(loop);
}

/* Makes a task ready that waits, and stands in no line. */
static inline void eddy_make_ready(struct eddy_task_record *task)
{
    task->timed.ready.state = EDDY_TASK_READY_;
    eddy_loop_append(eddy_task_loop(task), &task->timed.ready);
    eddy_traced(eddy_task_loop(task), task, EDDY_TRACE_WAKE);
}

/* eddy_wake_to_try for a task that waits in no line, from inside a turn: then there is nothing else to
 * look at. */
static inline void eddy_wake_to_try_inline(struct eddy_task_record *task)
{
    eddy_set(task, EDDY_TASK_TRY_);
    if (task->timed.ready.state == EDDY_TASK_WAITING_) {
        eddy_make_ready(task);
    }
}

/* For a `resume` that has had its share of system calls: it goes on when others had their turn. */
static inline int64_t eddy_resume_later(struct eddy_task_record *task)
{
    task->timed.ready.state = EDDY_TASK_WAITING_;
    eddy_wake_to_try(task);
    return EDDY_PENDING;
}

void eddy_stack_pointer_misuse(eddy_coro *co) __attribute__((noreturn, cold));

/* The end of the C stack that is in use: nothing lives below. The address of this frame would not do:
 * where a coroutine and what it calls have become one function, its locals lie below that. The pointer
 * is named so that the look comes when it is there, and not before the function has its frame. */
static inline uintptr_t eddy_stack_end(const void *pointer)
{
    uintptr_t end;

#if defined(__x86_64__) && defined(__LP64__)
    __asm__ volatile("mov %%rsp, %0" : "=&r"(end) : "r"(pointer));
#elif defined(__i386__)
    __asm__ volatile("mov %%esp, %0" : "=&r"(end) : "r"(pointer));
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("mov %0, sp" : "=&r"(end) : "r"(pointer));
#elif defined(__riscv)
    __asm__ volatile("mv %0, sp" : "=&r"(end) : "r"(pointer));
#else
    (void)pointer;
    end = (uintptr_t)__builtin_frame_address(0);
#endif
    return end;
}

static inline void eddy_check_pointer_inline(eddy_coro *co, const void *pointer)
{
    uintptr_t here = eddy_stack_end(pointer);
    uintptr_t base = (uintptr_t)eddy_task_loop(co->task)->stack_base;

    if ((uintptr_t)pointer - here < base - here) { /* between the two: gone after this step */
        eddy_stack_pointer_misuse(co);
    }
}

/* ---- coro.c */

void eddy_frame_free(struct eddy_task_record *task, eddy_coro *co);

/* Aborts unless the frame may begin something: it is the task's innermost, and has begun nothing else. */
static inline void eddy_frame_check_idle(eddy_coro *co)
{
    if (co->task->top != co || co->task->timed.ready.state != EDDY_TASK_RUNNING_) {
        eddy_two_operations_(co);
    }
}

/* ---- scope.c */

/* What a scope takes in front of its frame, which keeps the alignment of the block. */
#define EDDY_SCOPE_SIZE ((sizeof(struct eddy_scope) + 15) / 16 * 16)

/* As eddy_scope_open_object_, in memory of the object's, which cannot fail. That must not be in use: its
 * `leave` is NULL. */
void eddy_scope_open_in(eddy_coro *co, struct eddy_scope *memory, void *object,
                        eddy_scope_leave_fn *leave, uint32_t exit);

/* Lets the objects go that a task which was cut off holds by its scopes. It waits no longer. */
void eddy_scopes_cut_off(struct eddy_task_record *task);

/* For a scope's `leave`: its exit waits for something that a cancel is to reach. */
static inline void eddy_scope_unmask(eddy_coro *co, struct eddy_scope *scope)
{
    co->mask = (uint16_t)(co->mask - ((scope->flags & EDDY_SCOPE_UNMASKED_) == 0));
    scope->flags |= EDDY_SCOPE_UNMASKED_;
}

/* A cleanup has ended so: the frame's outcome, unless it has failed before; then an error is told. */
void eddy_scope_fail(eddy_coro *co, int64_t result);
/* For a scope's `leave`: the error of its body becomes another (0: that of `leave`, if any). */
void eddy_scope_turn(eddy_coro *co, int64_t outcome);

#endif
