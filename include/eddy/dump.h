/*
 * What is the program stuck on? The dump says it, for people:
 *
 *   eddy: 3 tasks: 3 waiting
 *   #1 bank waits 2 ms for gather: 2 of 2 tasks
 *         at bank (transfer.c:38)
 *   |-- #2 transfer waits 1 ms for lock: Bob's, held by task 3, transfer; #3 must act; in circle 1
 *   |         at transfer (transfer.c:18)
 *   `-- #3 transfer waits 1 ms for lock: Ann's, held by task 2, transfer; #2 must act; in circle 1
 *             at transfer (transfer.c:18)
 *   circle 1: #2 transfer -> #3 transfer -> #2 transfer
 *
 * A task stands below the one that spawned it, if that still lives; below each task stands its
 * stack of awaits, innermost first. docs/debugging.md explains every word.
 */
#ifndef EDDY_DUMP_H
#define EDDY_DUMP_H

#include <stdio.h>

#include "eddy/impl/ready.h"
#include "eddy/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Prints all tasks of the loop. May be called from where eddy_loop_inspect may, and changes
 * nothing either. Without memory it prints a list instead of a tree. Returns 0; -EIO: the file has
 * an error. */
EDDY_API int eddy_loop_dump(eddy_loop *loop, FILE *file);

#ifdef __cplusplus
}
#endif

#endif
