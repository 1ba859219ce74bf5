/*
 * Children, as the files of this floor see them.
 *
 * children.c keeps the loop's list, process.c the life of one child, spawn_child.c begins it,
 * stop_child.c ends it.
 */
#ifndef EDDY_SRC_CHILD_INTERNAL_H
#define EDDY_SRC_CHILD_INTERNAL_H

#include "eddy/io.h"
#include "eddy/process.h"
#include "task/task_internal.h"

enum { EDDY_CHILD_NAME = 48 };

/* How it has ended is a status (>= 0), or the error of asking for it. */
#define EDDY_CHILD_RUNS EDDY_PENDING

/* What the loop has of a child; from its pool, for it may outlive the process that it is of. */
struct eddy_child {
    struct eddy_link link; /* in struct eddy_children.list */
    eddy_io io;            /* of its pidfd: started while it runs */
    eddy_loop *loop;
    eddy_process *process; /* whose it is; NULL: closed, the loop's alone */
    struct eddy_waiters waiting;
    int64_t status; /* EDDY_CHILD_RUNS until it is reaped */
    int64_t since;  /* when it was spawned, on the loop's clock */
    int64_t grace;
    pid_t pid;
    bool group;  /* signals go to its process group */
    bool doomed; /* it was sent SIGKILL: it ends by itself, and what is left of its group with it */
    bool let_go; /* detached: it outlives the loop */
    unsigned pool_class;
    char name[EDDY_CHILD_NAME]; /* of its command, cut off, printable */
};

/* The children of a loop. */
struct eddy_children {
    struct eddy_attachment attachment;
    struct eddy_link list; /* oldest first */
    unsigned pool_class;
};

/* ---- children.c */

/* Made if there is none; NULL: no memory. */
struct eddy_children *eddy_children_of(eddy_loop *loop);

/* ---- spawn_child.c */

/* eddy_process_spawn, of an operation that has begun: 0, or EDDY_PENDING if its error has a text. */
int64_t eddy_child_spawn(eddy_coro *co, eddy_process *process,
                         const struct eddy_process_options *options);

/* ---- process.c */

void eddy_child_close_streams(eddy_process *process);

void eddy_child_free(struct eddy_child *child);

/* It runs from now on, and its end is heard of: 0, or an error of that. */
int eddy_child_begin(struct eddy_child *child, int pidfd);

/* Sends a signal, to its group if it has one; 0 or an error. It must run. */
int eddy_child_signal(struct eddy_child *child, int signal);

/* SIGKILL. 0; or the error, which the error hook is told of. */
int eddy_child_kill(struct eddy_child *child);

/* Waits on the loop's thread for the end of a child that was killed, and for nobody else. */
void eddy_child_reap(struct eddy_child *child);

/* It has ended, or is none of this loop's any more: its status is known, and all who wait are told. */
void eddy_child_ended(struct eddy_child *child, int64_t status);

/* The process is not its any more. */
void eddy_child_part(struct eddy_child *child);

#endif
