/*
 * A model of what tasks wait for, as simple as can be: it knows no coroutine and no loop, only who
 * waits for what since when, and what becomes of it. Actors are small numbers.
 *
 * An operation is begun with model_begin and one of the calls below it; from then on, what happens
 * to its actor decides its result, once. The model is told of all that happens, in order;
 * deadlines, of which no two are equal, it knows by itself, up to the time it is told.
 */
#ifndef EDDY_TESTING_MODEL_H
#define EDDY_TESTING_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum {
    MODEL_ACTORS = 7,
    MODEL_LOCKS = 2,
    MODEL_CAPACITY = 3, /* of the queue */
    MODEL_PARTIES = 3,  /* of the barrier */
    MODEL_PERMITS = 2,
    MODEL_NOBODY = -1
};

#define MODEL_UNDECIDED INT64_MIN

enum model_kind {
    MODEL_NOTHING,
    MODEL_SLEEP,
    MODEL_LOCK,
    MODEL_COND,
    MODEL_SEMAPHORE,
    MODEL_PUT,
    MODEL_GET,
    MODEL_EVENT,
    MODEL_FUTURE,
    MODEL_BARRIER,
    MODEL_JOIN, /* of one task or several */
    MODEL_ENDS, /* of tasks that do not end with the wait */
    MODEL_QUEUE_JOIN,
    MODEL_READ, /* of bytes in memory: what becomes of it is decided when it goes on */
    MODEL_WRITE
};

/* How a queue hands its items out. Of those of a priority queue, item % MODEL_PRIORITIES counts. */
enum model_order { MODEL_FIFO, MODEL_LIFO, MODEL_PRIORITY };
enum { MODEL_PRIORITIES = 3 };

struct model_line {
    int actors[MODEL_ACTORS];
    int count;
};

struct model_actor {
    enum model_kind kind; /* what it waits for, or has waited for */
    struct model_line *line;
    int64_t deadline; /* of a time-out */
    int64_t until;    /* of a sleep, of a call, or of the last child that it joins */
    int64_t decided;
    int64_t outcome;   /* of a condition, while it waits for the lock; of a call or a join */
    int item;          /* to put, or got; or of which tasks it awaits the ends, */
    int ends;          /* and of how many */
    bool in_condition; /* it waits for the lock again, deaf */
    bool child_runs;   /* a child that it joins has not ended */
    bool cancel;       /* a cancel is pending */
};

struct model {
    int64_t now;
    struct model_actor actors[MODEL_ACTORS];
    int holder[MODEL_LOCKS];
    struct model_line lock_line[MODEL_LOCKS];
    struct model_line cond_line; /* its lock is the first */
    int permits;
    struct model_line semaphore_line;
    enum model_order order;
    int items[MODEL_CAPACITY]; /* the first is the next, but for MODEL_LIFO the last */
    int count;
    int unfinished;
    bool shut;
    struct model_line queue_line; /* getters, or putters */
    struct model_line done_line;
    bool set;
    struct model_line event_line;
    bool done;
    int64_t value;
    struct model_line future_line;
    bool broken;
    struct model_line barrier_line;
    /* Told of each wait of MODEL_READ and MODEL_WRITE that is decided; NULL: nobody is. */
    void (*moved)(struct model *model, int actor);
};

void model_init(struct model *model, enum model_order order);

/* All deadlines up to that time strike. */
void model_time(struct model *model, int64_t now);

/* The actor begins an operation. Its result, if a pending cancel is that; else MODEL_UNDECIDED. */
int64_t model_begin(struct model *model, int actor, int64_t deadline);

/* What the operation is. */
void model_pause(struct model *model, int actor);
void model_sleep(struct model *model, int actor, int64_t until);
void model_acquire(struct model *model, int actor, int lock);
void model_wait_cond(struct model *model, int actor);
void model_take_permit(struct model *model, int actor);
void model_put(struct model *model, int actor, int item);
void model_get(struct model *model, int actor);
void model_join_queue(struct model *model, int actor);
void model_wait_event(struct model *model, int actor);
void model_wait_future(struct model *model, int actor);
void model_meet(struct model *model, int actor);
void model_call(struct model *model, int actor, int64_t until, int64_t outcome);
void model_join(struct model *model, int actor, int64_t until, int64_t outcome);
void model_await_ends(struct model *model, int actor, int item, int ends, int64_t outcome);
/* Another module knows what it waits for, and decides it, unless something has come first. */
void model_wait(struct model *model, int actor, enum model_kind kind);
void model_decide(struct model *model, int actor, int64_t result);

/* The actor goes on with another, under the same deadline. */
void model_go_on(struct model *model, int actor);

/* It has returned: what it must have returned. */
int64_t model_end(struct model *model, int actor, int64_t now);

/* What never waits. */
int model_release(struct model *model, int actor, int lock);
int model_notify(struct model *model, int actor, int most);
void model_give_permit(struct model *model);
int model_take(struct model *model); /* the next item, of a queue that has one */
int model_task_done(struct model *model);
void model_shut_down(struct model *model, bool drop);
void model_set_event(struct model *model);
int model_set_future(struct model *model, int64_t value);
void model_break(struct model *model, bool broken);
void model_child_ended(struct model *model, int actor);
void model_ended(struct model *model, int actor, int item); /* of those it may await */
void model_cancel(struct model *model, int actor);

#endif
