/*
 * The actors of the simulation: each operation of theirs is begun in the library and in the model
 * beside it.
 */
#ifndef EDDY_TESTING_SIMULATION_H
#define EDDY_TESTING_SIMULATION_H

#include "support/model.h"
#include "support/tasks.h"

#include "eddy/event.h"
#include "eddy/group.h"
#include "eddy/lock.h"
#include "eddy/queue.h"

enum { CHILDREN = 2 };

struct simulation {
    uint64_t seed, state;
    struct model model;
    eddy_lock locks[MODEL_LOCKS];
    eddy_cond cond;
    eddy_semaphore semaphore;
    eddy_queue queue;
    eddy_event event;
    eddy_future future;
    eddy_barrier barrier;
    eddy_task tasks[MODEL_ACTORS];
    eddy_task children[MODEL_ACTORS][CHILDREN]; /* that they join, or {0} */
    eddy_group groups[MODEL_ACTORS];
    bool runs[MODEL_ACTORS];
    int running;
    int next_item;
    int64_t next_nanosecond; /* makes all times different */
    unsigned operations, interrupted;
};

extern struct simulation sim;

#define check(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fail_msg("EDDY_TEST_SEED=%llu: %s", (unsigned long long)sim.seed, #condition); \
        }                                                                                  \
    } while (0)

/* What actors do; what comes from JOIN on has tasks. */
enum operation {
    PAUSE,
    SLEEP,
    ACQUIRE,
    WAIT_COND,
    TAKE_PERMIT,
    PUT,
    GET,
    WAIT_EVENT,
    WAIT_FUTURE,
    MEET,
    JOIN_QUEUE,
    CALL,
    HOLD, /* a lock, in a block */
    JOIN,
    GATHER, /* of two tasks */
    WAIT_GROUP,
    SHIELD, /* from here on the tasks outlive it, if it is interrupted */
    WAIT_FIRST,
    WAIT_ALL,
    AS_COMPLETED,
    WAITING_OPERATIONS,
    RELEASE = WAITING_OPERATIONS,
    NOTIFY,
    GIVE_PERMIT,
    TASK_DONE,
    SHUT_DOWN,
    SET_EVENT,
    CLEAR_EVENT,
    SET_FUTURE,
    RESET_FUTURE,
    BREAK,
    RESET_BARRIER,
    CANCEL,
    OPERATIONS
};

struct actor {
    eddy_coro co;
    int number;
    int steps;
    int permits;
    enum operation operation;
    int lock;
    int item;
    int64_t limit;
    bool in_block; /* the limit is a block's */
    int64_t duration;
    int64_t other_duration; /* of the second task */
    int64_t rc;
    int64_t expected;
};

/* The next random number, below the limit. */
unsigned below(unsigned limit);

/* What never waits, in both. */
void act(eddy_coro *co, struct actor *self);
void cancel_actor(int number);

/* What may wait: in the model, after the tasks were started that it waits for; in the library,
 * within its limit. */
void begin_in_model(eddy_coro *co, struct actor *self, int64_t now);
EDDY_MUST_USE int64_t begin(eddy_coro *co, struct actor *self);

/* It has ended: the tasks that it has not joined go on alone. */
void leave_children(struct actor *self);

#endif
