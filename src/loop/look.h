/* What looks at a program, as the floors below it reach it: by one table, so that none of them needs
 * it, and a program can leave it out (eddy/look.h). */
#ifndef EDDY_SRC_LOOK_H
#define EDDY_SRC_LOOK_H

#include <stdio.h>

#include "eddy/look.h"
#include "loop/loop_internal.h"

enum { EDDY_FD_TEXT = 128 };

/* A task in a circle of tasks that wait for each other; `circle` counts from 1. Each circle is told in
 * its order, and at its end its first task again. */
typedef void eddy_circle_fn(struct eddy_task_record *task, uint32_t circle, void *context);

struct eddy_waiters;

struct eddy_look {
    void (*describe_fd)(eddy_loop *loop, int fd, char *text, size_t size);
    void (*note_place)(eddy_loop *loop, const void *object, const char *place);
    const char *(*place_of)(const eddy_loop *loop, const void *object);
    void (*forget_places)(eddy_loop *loop);
    void (*tell_leaks)(eddy_loop *loop);
    void (*each_in_circles)(eddy_loop *loop, eddy_circle_fn *found, void *context);
    void (*with_lines)(eddy_loop *loop, void (*function)(eddy_loop *loop));
    size_t (*position_in_line)(struct eddy_snapshot *snapshot, const struct eddy_waiters *line,
                               const struct eddy_task_record *task);
    int (*dump)(eddy_loop *loop, FILE *file);
};

/* "fd 7 (127.0.0.1:8888)": with the address of its peer, or, of a listener or a datagram socket, its
 * own; "fd 7" if it has neither. */
static inline void eddy_look_describe_fd(eddy_loop *loop, int fd, char *text, size_t size)
{
    if (eddy_look_ != NULL) {
        eddy_look_->describe_fd(loop, fd, text, size);
    } else {
        snprintf(text, size, "fd %d", fd);
    }
}

static inline bool eddy_loop_reports_leaks(const eddy_loop *loop)
{
    return __builtin_expect((loop->flags & EDDY_LOOP_REPORT_LEAKS) != 0, 0);
}

/* Notes where a watcher or timer was started that just was. Without memory, or with `place` NULL,
 * it is told without one. */
static inline void eddy_look_note_place(eddy_loop *loop, const void *object, const char *place)
{
    if (eddy_loop_reports_leaks(loop) && eddy_look_ != NULL) {
        eddy_look_->note_place(loop, object, place);
    }
}

/* Where it was started, or NULL: that is not known. */
static inline const char *eddy_look_place_of(const eddy_loop *loop, const void *object)
{
    return eddy_look_ != NULL ? eddy_look_->place_of(loop, object) : NULL;
}

static inline void eddy_look_forget_places(eddy_loop *loop)
{
    if (eddy_look_ != NULL) {
        eddy_look_->forget_places(loop);
    }
}

/* Tells the error hook of watchers, streams, servers and timers that nobody has stopped. */
static inline void eddy_look_tell_leaks(eddy_loop *loop)
{
    if (eddy_loop_reports_leaks(loop) && eddy_look_ != NULL) {
        eddy_look_->tell_leaks(loop);
    }
}

/* Nothing is found without memory. */
static inline void eddy_look_each_in_circles(eddy_loop *loop, eddy_circle_fn *found, void *context)
{
    if (eddy_look_ != NULL) {
        eddy_look_->each_in_circles(loop, found, context);
    }
}

/* Calls the function, in which each line of tasks is walked once however often one is asked where
 * it stands (eddy_waiters_ahead). */
static inline void eddy_look_with_lines(eddy_loop *loop, void (*function)(eddy_loop *loop))
{
    if (eddy_look_ != NULL) {
        eddy_look_->with_lines(loop, function);
    } else {
        function(loop);
    }
}

/* In such a call: which in the line the task is, from 1 on; 0: it is not known. */
static inline size_t eddy_look_position_in_line(const eddy_loop *loop,
                                                const struct eddy_waiters *line,
                                                const struct eddy_task_record *task)
{
    return loop->snapshot != NULL ? eddy_look_->position_in_line(loop->snapshot, line, task) : 0;
}

static inline void eddy_look_dump(eddy_loop *loop, FILE *file)
{
    if (eddy_look_ != NULL) {
        (void)eddy_look_->dump(loop, file);
    }
}

#endif
