/*
 * Races: two things that could end a wait happen before the task runs, in either order. A table
 * has the one right outcome of each pair: the cell [first][second].
 *
 *     static const struct race_table lock = {
 *         .operation = "lock", .set_up = take_lock, .wait = wait_for_lock, ...
 *         .cells = {[WAKE] = {[CANCEL] = "ok, then ECANCELED; held"},
 *                   [CANCEL] = {[WAKE] = "ECANCELED; free"}}};
 *
 * A cell says how the wait ended, then how the await after it did if that had no success, and then
 * what is left. One that begins with '-' says why the two cannot race.
 *
 * Every table is run twice: the second time the operation is one of two in a select, which must change nothing.
 *
 * The cells `pending` are of a cancel and of a deadline that were there before the wait begins: the
 * racer was ready with the result of another await when they came.
 */
#ifndef EDDY_TESTING_RACES_H
#define EDDY_TESTING_RACES_H

#include "support/tasks.h"

enum race_event { WAKE, TIME_OUT, CANCEL, CLOSE, RACE_EVENTS };

struct race_table {
    const char *operation;

    /* In a task of its own, the rival, which later does what is to happen: it may hold a lock.
     * NULL: nothing to do. */
    void (*set_up)(eddy_coro *co);

    /* What is raced for, begun by the racer, under a time-out of one second. */
    int64_t (*wait)(eddy_coro *co);

    /* By the rival: when the racer waits already, and in the turn after the two have happened.
     * NULL: nothing to do. */
    void (*prepare)(eddy_coro *co);
    void (*prepare_late)(eddy_coro *co); /* instead, for the cells `pending` */
    void (*settle)(eddy_coro *co);

    /* By the rival, whose `co` it is, or from outside of tasks if it is NULL. */
    void (*wake)(eddy_coro *co);
    void (*close)(eddy_coro *co);

    void (*log_left)(void);  /* logs what is left when the racer has ended */
    void (*tear_down)(void); /* gives back what there is; NULL: nothing */

    /* A wake only makes the loop hear of something (an fd, a task that is to end): so it is done
     * just before the turn in which the second event happens. */
    bool wakes_by_event;

    bool tells_count; /* a success is told by what it returns, and not by "ok" */

    const char *cells[RACE_EVENTS][RACE_EVENTS];
    const char *in_select[RACE_EVENTS][RACE_EVENTS]; /* what is otherwise there; else NULL */
    const char *pending[2];                          /* a cancel; a deadline */

    /* Likewise, but the second comes when everybody has acted upon the first: what one event leaves
     * the next one finds. Both are done from outside of tasks. Rows; NULL: not tried. */
    const char *const (*apart)[RACE_EVENTS];
};

/* Cells of many tables. */
#define NO_CLOSE "- it cannot be closed"
#define ONE_DEADLINE "- there is one deadline"
#define NEVER_CLOSED                           \
    {                                          \
        NO_CLOSE, NO_CLOSE, NO_CLOSE, NO_CLOSE \
    }

/* Runs all cells of the table, on a manual clock; fails unless each has the outcome it says. */
void run_race_table(const struct race_table *table);

/* The task that races, for events that need it. */
extern eddy_task racer_task;

#endif
