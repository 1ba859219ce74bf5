/*
 * What is the program stuck on? The dump says it, for people:
 *
 *     eddy: 3 tasks, 2 of them wait
 *     #1 serve waits for signal (SIGINT, SIGTERM), 12.0 s
 *     |     serve at echo_server.c:131
 *     |-- #2 echo waits for readable (fd 9 (127.0.0.1:53122)), 3.2 s
 *     |     echo at echo_server.c:72
 *     `-- #3 echo is running
 *           echo at echo_server.c:72
 *
 * A task stands below the one that spawned it, if that still lives; below each task stands its
 * stack of awaits, innermost first. docs/debugging.md explains every word.
 */
#ifndef EDDY_DUMP_H
#define EDDY_DUMP_H

#include <stdio.h>

#include "eddy/ready.h"
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
