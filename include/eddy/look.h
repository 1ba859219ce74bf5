/*
 * Leaving out what looks at a program.
 *
 * By default a program tells by itself of a deadlock with the circle of those who wait for each other, of
 * leaks (EDDY_LOOP_REPORT_LEAKS), and dumps all tasks when a cleanup is cut off; and what it prints of an
 * fd has the address of its peer. A program that links the static library and wants to be small
 * can do without:
 *
 *     EDDY_LEAVE_OUT_LOOK;
 *
 * once in one file of it, outside of functions. Deadlocks and cut-off cleanups are then told in one
 * line each, leaks of watchers and timers are not, and a circle of tasks that join each other is cut off at the end of
 * its loop instead of cancelled. What the program calls itself (eddy_loop_dump, say) is there all the same. With the
 * shared library it has no effect.
 */
#ifndef EDDY_LOOK_H
#define EDDY_LOOK_H

#include "eddy/version.h"

#ifdef __cplusplus
extern "C" {
#endif

struct eddy_look;

/* Private: the table by which the library reaches it; NULL: it is left out. */
extern const struct eddy_look *const eddy_look_;

#define EDDY_LEAVE_OUT_LOOK const struct eddy_look *const eddy_look_ = 0

#ifdef __cplusplus
}
#endif

#endif
