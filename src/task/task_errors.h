/*
 * Errors: where one began, as the files of this floor and those above hand it on (error.c), and what is told to
 * the hook of tasks (tell.c). It is a part of task/task_internal.h, which is what they include.
 */
#ifndef EDDY_SRC_TASK_ERRORS_H
#define EDDY_SRC_TASK_ERRORS_H

#include "task/task_records.h"

/* Where an error began: kept with the task, and handed on to the task that joins it. */
void eddy_error_note(struct eddy_task_record *task, int64_t error, const char *function,
                     const char *file, int line);
void eddy_error_forget(struct eddy_task_record *task);

/* An operation of the task is about to return the error: its text, formatted as that of eddy_fail. */
void eddy_error_say(struct eddy_task_record *task, int64_t error, const char *format, ...)
    __attribute__((cold, format(printf, 3, 4)));

/* The error on its way up has come from an operation to the await that began it. */
void eddy_error_place(struct eddy_task_record *task, const char *function, const char *file,
                      int line);

/* Whether it is known where the error began. */
bool eddy_error_known(const struct eddy_task_record *task, int64_t error);

/* A cleanup (a frame in its finally, a scope at its exit) begins because of an error, and has ended
 * with an outcome: if that is the same, where it began is known again, whatever was raised
 * meanwhile. In between, another outcome may take its place: then it is forgotten. */
void eddy_error_keep(struct eddy_task_record *task, int64_t error, const void *cleanup);
void eddy_error_restore(struct eddy_task_record *task, int64_t outcome, const void *cleanup);
void eddy_error_replaced(struct eddy_task_record *task, const void *cleanup);

/* Hands that on: out of a task, if it is known there, and into one, where the error now is on its
 * way up; or both at once. */
void eddy_error_take(struct eddy_task_record *task, int64_t error, struct eddy_error_info *taken);
void eddy_error_give(struct eddy_task_record *task, struct eddy_error_info *given);
void eddy_error_pass(struct eddy_task_record *from, struct eddy_task_record *to, int64_t error);

/* Likewise, and it stays where it was: for one of several who get it. */
void eddy_error_copy(struct eddy_task_record *from, struct eddy_task_record *to, int64_t error);

/* Likewise of an error that comes to `to` as a value: it counts as caught. `from` may be NULL. */
void eddy_error_hand_over(struct eddy_task_record *from, struct eddy_task_record *to,
                          int64_t error);

/* Tells the error hook of an error of a task that nobody collects; `what` as in "was detached". */
void eddy_error_report(struct eddy_task_record *task, int64_t error, const char *what);

/* Likewise of a task whose spawn has failed; `what` as in ", and was detached". Its place may be NULL. */
void eddy_error_report_spawn(eddy_loop *loop, const char *named_place, int64_t error,
                             const char *what);

/* Likewise of an error that comes when `first` has failed already; not told of two that both say
 * that a peer is gone: whoever goes away fails all that is in the air between the two. */
void eddy_error_report_second(struct eddy_task_record *task, int64_t error, int64_t first,
                              const char *what);

/* Ordinary network life, and what follows from it: an error that the peer has made, no bug of the program's. */
static inline bool eddy_is_a_lost_peer(int64_t error)
{
    return error == -ECONNRESET || error == -EPIPE || error == -ENOTCONN;
}

/* Likewise, or it was given up: what a server does not tell of its clients. */
static inline bool eddy_is_a_peers_doing(int64_t error)
{
    return eddy_is_a_lost_peer(error) || error == -ETIMEDOUT || error == -ECANCELED;
}

/* ---- tell.c */

/* -EDEADLK, told to the error hook, if tasks are left: nothing could wake any of them. */
int eddy_tell_deadlock(eddy_loop *loop);

/* With the default error hook: dumps all tasks. */
void eddy_tell_all(eddy_loop *loop);

/* With EDDY_LOOP_REPORT_LEAKS: tells of a task that nobody will join, though nobody has said so. */
void eddy_tell_leak(struct eddy_task_record *task);

#endif
