/*
 * Tasks for tests: a way to run a coroutine, and children whose life can be read in the log.
 *
 *     const struct child two[] = {{.name = "a", .sleep = 100 * MS}, {.name = "b"}};
 *
 *     ... eddy_group_spawn(co, &self->group, CHILD_LIKE(&two[i])); ...
 *     testing_assert_log("b@0 a@100");
 */
#ifndef EDDY_TESTING_CHILDREN_H
#define EDDY_TESTING_CHILDREN_H

#include "eddy/coro.h"
#include "eddy/deadline.h"
#include "eddy/task.h"
#include "testing.h"

#define MS EDDY_MILLISECOND

/* Runs the coroutine as a task until it has ended; its result. */
#define testing_run_task(...) \
    eddy_loop_run_until(testing.loop, eddy_loop_spawn(testing.loop, __VA_ARGS__))

/* Logs the word, the mark, and the loop's time in milliseconds: "a!@50". */
void testing_log_at(const char *word, const char *mark);

/* Logs a result: "name=5", "name=-EBADF". */
void testing_log_result(const char *name, int64_t result);

/* Sleeps and returns `result`. Logs when that is over: "a@100"; when it is cancelled: "a!@50"; and
 * when its cleanup, if it takes time, is done: "a~@70". With `stubborn` it swallows the cancel,
 * sleeps that much longer and returns `result` all the same. */
struct child {
    eddy_coro co;
    const char *name;
    int64_t sleep;
    int64_t result;
    int64_t cleanup;
    int64_t stubborn;
    int64_t rc; /* private */
};

void child(eddy_coro *co);

/* The arguments of a child, as in the array element that `it` points at. */
#define CHILD_LIKE(it)                                                       \
    child, .name = (it)->name, .sleep = (it)->sleep, .result = (it)->result, \
           .cleanup = (it)->cleanup, .stubborn = (it)->stubborn

/* Sleeps, then cancels the task. */
struct cancel_later {
    eddy_coro co;
    eddy_task task;
    int64_t sleep;
};

void cancel_later(eddy_coro *co);

/* Runs the task to its end, and cancels it after `delay`; its result. */
int64_t testing_run_and_cancel(eddy_task task, int64_t delay);

#endif
