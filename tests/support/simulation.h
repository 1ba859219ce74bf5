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
#include "eddy/stream.h"

enum { CHILDREN = 2, PAIRS = 3, ENDS = 2 * PAIRS, MOST_BYTES = 4 };

/* An end of a pair in memory, as the model has it. The bytes that it writes are numbers, one after the
 * other. */
struct end {
    eddy_stream stream;
    unsigned sent; /* by writes that are over; of one that is not, eddy_stream_written says it */
    unsigned came; /* bytes that it has read */
    int reader, writer; /* who waits on it, or MODEL_NOBODY */
    bool full;          /* a write found no room, and none has come since */
    bool shut;          /* it writes no more */
    bool closed;
};

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
    struct end ends[ENDS]; /* the pairs, of different capacities */
    bool runs[MODEL_ACTORS];
    int running;
    int next_item;
    int64_t next_nanosecond; /* in its millisecond no other time has that */
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
    READ_BYTES,
    WRITE_BYTES,
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
    TRY_TO_READ,
    TRY_TO_WRITE,
    SHUT_END,
    CLOSE_END,
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
    int end;                         /* of which bytes are read or written, */
    unsigned size;                   /* so many, */
    unsigned char bytes[MOST_BYTES]; /* these */
    int64_t limit;
    bool in_block; /* the limit is a block's */
    int64_t duration;
    int64_t other_duration; /* of the second task */
    int64_t rc;
    int64_t expected;
};

/* The next random number, below the limit. */
unsigned below(unsigned limit);

/* How long it is until a time that is no other's, in about so many milliseconds. */
int64_t time_after(int64_t milliseconds);
int64_t some_time(void);

/* What never waits, in both. */
void act(eddy_coro *co, struct actor *self);
void cancel_actor(int number);

/* What may wait: in the model, after the tasks were started that it waits for; in the library,
 * within its limit. */
void begin_in_model(eddy_coro *co, struct actor *self, int64_t now);
EDDY_MUST_USE int64_t begin(eddy_coro *co, struct actor *self);

/* ---- simulation_memory.c: pairs of streams in memory */

void open_pairs(void);
void close_pairs(void);

/* Chooses which bytes an actor reads or writes. */
void choose_bytes(struct actor *self);

/* They begin in the model. */
void begin_read_in_model(struct actor *self);
void begin_write_in_model(struct actor *self);

/* A read or write that nothing has interrupted has gone on to its end: decides what it must have returned. */
void decide_bytes(const struct actor *self);

/* It has returned so many bytes, which are the next ones. */
void check_bytes(const struct actor *self);

/* What never waits, in both. */
void act_on_end(struct actor *self);

/* As many bytes lie in each ring as the model says. */
void check_pairs(void);

/* Time has passed: nobody waits for what is there. */
void check_idle_pairs(void);

/* It has ended: the tasks that it has not joined go on alone. */
void leave_children(struct actor *self);

#endif
