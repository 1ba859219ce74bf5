/*
 * Interrupts and deadlines, as the files of this floor and those above see them: what a task is told, how that
 * spreads, and which deadlines it has. It is a part of task/task_internal.h, which is what they include.
 */
#ifndef EDDY_SRC_TASK_INTERRUPTS_H
#define EDDY_SRC_TASK_INTERRUPTS_H

#include "task/task_records.h"

/* ---- interrupt.c */

/* Delivers what is pending, unless a cleanup holds it back: -ECANCELED, or 0. */
int64_t eddy_interrupt_deliver(struct eddy_task_record *task);

/* Whether that would deliver something. */
bool eddy_interrupt_is_pending(const struct eddy_task_record *task);

/* What is pending reaches the wait that has just begun. */
void eddy_interrupt_parked(struct eddy_task_record *task);

/* A deadline has passed: it is delivered to the wait, or pending. */
void eddy_interrupt_deadline(struct eddy_task_record *task);

/* Tells the wait: true, it ends; false, it passes the interrupt on. */
bool eddy_interrupt_wait(struct eddy_task_record *task);

/* Before a step, if EDDY_TASK_UNDER_WAY_, _UNTIMED_ or _DEADLINES_ is set: what has come is delivered or was
 * ignored, and the result becomes that of the innermost frame's operation. */
void eddy_interrupt_settle(struct eddy_task_record *task);

/* The deadline that was passed on is not what ended the wait: it will strike again. */
void eddy_interrupt_ignored(struct eddy_task_record *task);

/* Cancels a task. From an abort, which passes the cancel on, it is reached after the abort has
 * returned, so that no depth of tasks that wait for tasks uses the C stack. */
void eddy_cancel_record(struct eddy_task_record *task);

/* ---- spread.c */

/* An interrupt reaches a task that waits, and those that it waits for. */
void eddy_interrupt_spread(struct eddy_task_record *task);

/* Only from an abort: likewise, once a cancel, what the relay passes it on to. */
void eddy_cancel_relay(eddy_loop *loop, struct eddy_relay *relay);

/* What is cancelled between the two is one cancel: each task is reached once. May be nested. */
bool eddy_cancel_begin(eddy_loop *loop);
void eddy_cancel_end(eddy_loop *loop, bool first);

/* ---- deadline.c */

/* The task's innermost, or NULL. */
struct eddy_deadline *eddy_deadline_innermost(const struct eddy_task_record *task);

/* To be called when the time or stage of one has changed. */
void eddy_deadline_recompute(struct eddy_task_record *task);

/* The earliest that could strike now, or EDDY_FOREVER. */
int64_t eddy_deadline_next(const struct eddy_task_record *task);

/* If one has passed that a cleanup held back, or that the loop has not seen, it is pending. */
void eddy_deadline_look(struct eddy_task_record *task);

/* Arms the heap for the task's next deadline. It has an entry, or room for one. */
void eddy_deadline_arm(struct eddy_task_record *task);

/* Likewise of a task that is about to wait; returns EDDY_PENDING, so that waiting can end with it. */
int64_t eddy_wait_armed(struct eddy_task_record *task);

/* For the loop, of a task's entry in the heap: see struct eddy_loop_task_class. */
bool eddy_deadline_settled(eddy_loop *loop, struct eddy_timed *timed);
void eddy_deadline_due(eddy_loop *loop, struct eddy_timed *timed);

/* A wait until with.until, which ends by that entry. */
extern const struct eddy_wait_kind eddy_sleep_kind;

/* Drops those of the innermost frame, whose operation has ended, and turns the result. */
int64_t eddy_deadline_drop(struct eddy_task_record *task, int64_t result);

/* Likewise of an operation for whose deadline there was no memory: its -ECANCELED is -ENOMEM. */
int64_t eddy_deadline_missed(struct eddy_task_record *task, int64_t result);

/* Cancel scopes: a deadline over a block of a frame, in which object is the deadline. */

/* Opens one that strikes after `timeout`; NULL: no memory. */
struct eddy_deadline *eddy_deadline_open(eddy_coro *co, int64_t timeout);

/* Strikes it now; what it is turned into is for its scope to say. */
void eddy_deadline_strike(struct eddy_task_record *task, struct eddy_deadline *deadline);

/* Why that was done is over: a cancel on its way up is no longer its own. */
void eddy_deadline_reset(struct eddy_task_record *task, struct eddy_deadline *deadline);

/* Closes it, the frame's innermost, at the exit of its scope. True if the block was left by the
 * -ECANCELED that it has caused. */
bool eddy_deadline_close(eddy_coro *co, const struct eddy_scope *scope,
                         struct eddy_deadline *deadline);

/* The frame has such a scope open; that has struck. */
bool eddy_deadline_is_open(const eddy_coro *co);
bool eddy_deadline_has_struck(const eddy_coro *co);

#endif
