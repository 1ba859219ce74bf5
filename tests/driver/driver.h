/*
 * The random driver: tasks that interpret random little programs over everything that tasks can do,
 * on a virtual clock. A seed is a world: a loop, a few shared things to wait for, and a number of steps
 * that all tasks together may take. Every random number comes from the seed, so that it repeats itself
 * to the byte, and a world with fewer steps is a prefix of the same one.
 *
 *   main.c     seeds, each in a child process; finds the fewest steps that still fail
 *   world.c    makes a world, runs its loop in one of several ways, ends it
 *   account.c  what must hold: tasks, cancels, deadlines, frames and what stands in them
 *   boxes.c    things to wait for, with a count of what they must have
 *   steps.c    one step: which, what comes just before it, and what its result must be
 *   on_*.c     the steps by what they are about
 *   frames.c   the coroutines that take steps, and how they clean up
 *
 * What a task does is not planned, only what must hold afterwards is known. So there is no model of the
 * library here (that is tests/whole/test_simulation.c), but books are kept, and each line of them is checked
 * where it can be broken.
 */
#ifndef EDDY_DRIVER_H
#define EDDY_DRIVER_H

#include "support/testing.h"

#include <stdio.h>
#include <string.h>

#include "eddy/callback.h"
#include "eddy/deadline.h"
#include "eddy/event.h"
#include "eddy/gather.h"
#include "eddy/group.h"
#include "eddy/lock.h"
#include "eddy/look.h"
#include "eddy/memory.h"
#include "eddy/queue.h"
#include "eddy/select.h"
#include "eddy/task.h"
#include "eddy/timer.h"

enum {
    TASKS = 160, /* of a world, at most */
    ITEMS = 512,
    KIDS = 4,  /* that a frame owns at a time */
    DEPTH = 6, /* of frames */
    PERMITS = 2,
    PARTIES = 2,
    CAPACITY = 2,
    BYTES = 5,     /* that a direction of a pair of streams holds */
    OUTSIDERS = 4, /* timers, and callbacks */
    VALUES = 1000, /* a task that succeeds returns this and its index */
    ROUNDS = 4000, /* of the supervisor, in which nothing happens; */
    BUSY = 5,      /* tasks that a world has while it has steps */
    TURNS = 100000 /* of a world; more is a hang */
};

#define CANARY 0x0C0FFEE0u

/* ---- things to wait for */

struct item {
    int number;
    int check; /* ~number */
};

/* One of each, and what must be true of them. */
struct box {
    eddy_lock lock;
    const struct tracked *holder; /* who must be the only one inside; NULL: nobody */
    eddy_cond cond;
    eddy_semaphore semaphore;
    uint32_t out; /* permits */
    eddy_event event;
    eddy_future future;
    eddy_barrier barrier;
    eddy_queue queue;
    eddy_stream ends[2]; /* of a pair in memory */
    unsigned sent[2];    /* bytes that went into each */
    unsigned came[2];    /* and came out of it */
    bool shut[2];
    int put, taken, done; /* items that are accepted, and taken, and said to be done */
    bool dropped;         /* some were given up */
};

/* ---- tasks */

enum known { NO, MAYBE, SURE };

/* A task of the world, for as long as the world lives. */
struct tracked {
    eddy_task task;
    int index;
    int seen; /* how often its end was told by an operation that tells it once */
    bool began, ended;
    bool entangled;    /* others may pass a cancel on to it */
    bool owned;        /* by a frame: it must end before that */
    bool by_group;     /* it cannot be joined */
    bool must_succeed; /* what it waits for has come, so no cancel may take it away */
    bool doomed;       /* it was cancelled before it began */
    bool must_be_told; /* the done callback is set */
    enum known cancel; /* whether one is pending */
    int64_t result;    /* once it has ended */
    int64_t deadline;  /* the earliest time-out of its frames */
    struct node *node; /* the frame that takes its steps */
    eddy_done_callback done;
};

/* ---- frames */

struct operation;

/* A coroutine that touches the frame which owns it: for memory inside of frames. */
struct leaf {
    eddy_coro co;
    struct node *home;
    struct tracked *me; /* NULL: it is called, and no task of its own */
    int64_t rc;
};
void leaf(eddy_coro *co);

/* What every frame that takes steps has in it. */
struct node {
    unsigned canary; /* CANARY while the frame lives */
    int depth;
    struct tracked *me;
    struct node *home;  /* a frame that must outlive this one; or NULL */
    int slot;           /* in what the home is told, or -1: nothing */
    int steps;          /* that are left */
    bool masked;        /* cancels are held back, */
    bool in_group;      /* but for those of a group whose block it is in */
    bool refused;       /* its call was not begun; it must not wait for those tasks */
    int64_t verdict;    /* what it is to end with; 0: it has not failed */
    struct node *outer; /* the frame of the same task that it is called from */
    struct box box;

    /* what it owns */
    eddy_task kids[KIDS];
    int kid_count;
    int64_t told[KIDS]; /* by kids, at their end */
    int64_t said[KIDS]; /* by eddy_gather_all */
    eddy_group group;
    eddy_group *siblings; /* the group that it is a task of; it is the home's */
    bool closing;         /* it was cancelled, and not waited for since */
    struct leaf leaf;
    bool leaf_lives;
    struct {
        bool lock;
        int permits;
    } holds[3]; /* of the boxes that it reaches */

    /* its step */
    const struct operation *operation;
    int64_t rc;
    int64_t limit;          /* EDDY_FOREVER: none */
    int64_t began;          /* when */
    int64_t outer_deadline; /* of the task, without this limit */
    enum known cancel;      /* before it */
    bool begun;
    int reach; /* 0: the world's box, 1: its own, 2: its home's */
    int64_t duration;
    struct item item;
    char text[5];
    struct tracked *other;
    eddy_task tasks[KIDS];
    int count;
    int mode;
    int64_t value;
    int first; /* of a select: which kind stands in front, */
    int64_t picked[4];
};

/* ---- the world */

struct world {
    uint64_t seed, random;
    long steps, steps_left;
    eddy_loop *loop;
    struct eddy_loop_options options;
    eddy_clock clock;
    struct testing_memory memory;
    struct box box;
    eddy_group group;
    struct tracked tasks[TASKS];
    int task_count;
    signed char items[ITEMS]; /* 0: unknown, 1: being put, 2: accepted, 3: taken */
    int item_count;
    eddy_timer supervisor;
    eddy_timer timers[OUTSIDERS];
    int64_t timer_due[OUTSIDERS];
    eddy_callback callbacks[OUTSIDERS];
    eddy_callback messages[OUTSIDERS];
    bool sent[OUTSIDERS]; /* and not run */
    eddy_hook hook;
    unsigned turns;
    unsigned weights[64]; /* of the operations */
    bool jumps;           /* steps may be slow */
    bool faults;          /* memory may be short */
    bool supervised;      /* who waits for too long is cancelled */
    bool slow_cleanups;   /* they may be cut off */
    bool runs;            /* the loop has begun to */
    bool ending;          /* it is being freed */
    bool circles;         /* anybody may wait for anybody, also for the tasks that others own */
    bool stopped;         /* eddy_loop_stop was called */
    int rounds;           /* of the supervisor, without a step */
    long steps_seen;      /* by it */
    bool stuck;           /* in a circle that no cancel ends */
    FILE *nowhere;        /* for dumps */
};

extern struct world world;
extern bool driver_verbose;
extern volatile long *driver_progress; /* shared with the parent: steps taken */

/* Runs the world of a seed, with so many steps. Aborts if anything is wrong. */
void world_run(uint64_t seed, long steps);

void driver_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void driver_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define require(condition)                                                    \
    do {                                                                      \
        if (!(condition)) {                                                   \
            driver_fail("%s:%d: not so: %s", __FILE__, __LINE__, #condition); \
        }                                                                     \
    } while (0)

static inline unsigned below(unsigned limit)
{
    return (unsigned)(testing_random(&world.random) % limit);
}

static inline bool one_in(unsigned n)
{
    return below(n) == 0;
}

int64_t some_time(void);

/* ---- account.c */

void touch(const struct node *node);
void node_open(struct node *node);
void node_close(struct node *node);
struct tracked *track(void); /* NULL: there are enough */
void tracked_started(struct tracked *tracked, eddy_task task);
void tracked_ended(struct tracked *tracked, int64_t result);
struct tracked *some_task(void);
bool is_younger(const struct tracked *tracked, const struct tracked *me);
eddy_task some_stranger(const struct tracked *me); /* zeroed: none that it may wait for */
struct tracked *task_of(eddy_task task);
void cancel(struct tracked *tracked);
bool may_be_cancelled(const struct tracked *tracked);
void require_result(struct tracked *tracked, int64_t rc);
void require_ended(const eddy_task *tasks, int count);

/* ---- boxes.c */

void box_open(struct box *box);
void box_close(struct box *box, bool clean);
struct box *box_of(struct node *node, int reach);
void gets_lock(struct box *box, const struct tracked *tracked);
void gives_lock(struct box *box, const struct tracked *tracked);
void let_go(eddy_coro *co, struct node *node);
void woken(const struct box *box, int64_t (*begin)(eddy_coro *co, struct node *node));
bool new_item(struct item *item); /* false: there are enough */
void item_put(struct box *box, const struct item *item, int64_t rc);
void item_taken(struct box *box, const struct item *item);

/* ---- steps.c */

/* What an operation does with a cancel that is pending before it: nothing; returns it at once; passes it
 * on to the tasks that it owns; is not begun. ENDS is a LEAF that may return the -ECANCELED of a task. */
enum kind { INSTANT, LEAF, ENDS, OWNING, CALL };

struct operation {
    const char *name;
    enum kind kind;
    int64_t (*begin)(eddy_coro *co, struct node *node);
    void (*end)(struct node *node); /* or NULL */
};

/* Ended by a NULL name. */
extern const struct operation operations_on_time[], operations_on_boxes[], operations_on_memory[],
    operations_on_tasks[], operations_on_blocks[], operations_from_outside[];

int64_t wait_for_event(eddy_coro *co, struct node *node);
int64_t wait_for_future(eddy_coro *co, struct node *node);
int64_t wait_for_cond(eddy_coro *co, struct node *node);
int64_t wait_for_predicate(eddy_coro *co, struct node *node);

bool goes_on(struct node *node);
EDDY_MUST_USE int64_t step_begin(eddy_coro *co, struct node *node);
int64_t step_end(struct node *node); /* < 0: the frame is to end with it */
int64_t outcome(struct node *node);  /* what the frame returns */

/* ---- on_tasks.c */

/* Starts a task of a group that lies in the home; or of the world's: NULL. */
void spawn_sibling(eddy_coro *co, eddy_group *group, struct node *home);

/* ---- on_outside.c: what anybody may do, at any time */

void act(void);
int in_arguments(void); /* now and then likewise, while a frame is being made; returns 0 */

/* ---- frames.c */

/* Of a frame that another one calls; of a new task's first frame. */
#define CALLED_BY(caller)                                                                        \
    {                                                                                            \
        .steps = in_arguments(), .home = (caller), .outer = (caller), .me = (caller)->me,        \
        .depth = (caller)->depth + 1, .masked = (caller)->masked, .in_group = (caller)->in_group \
    }
#define TASK_OF(tracked, its_home, its_slot, its_depth)                                   \
    {                                                                                     \
        .steps = in_arguments(), .home = (its_home), .me = (tracked), .slot = (its_slot), \
        .depth = (its_depth),                                                             \
    }

struct clean {
    eddy_coro co;
    struct node *node;
    int i;
    int64_t rc;
    int64_t deadline; /* of the task, which is held back */
    bool was_masked, was_in_group;
};
void clean(eddy_coro *co);

#define FRAME(name)         \
    struct name {           \
        eddy_coro co;       \
        struct node node;   \
        struct clean clean; \
        int value;          \
        int turns;          \
        bool left;          \
        int64_t rc;         \
        int64_t i;          \
        size_t at;          \
        int64_t deadline;   \
        eddy_group group;   \
        struct box *box;    \
    };                      \
    void name(eddy_coro *co)

FRAME(program);    /* steps */
FRAME(grouping);   /* steps inside eddy_with_group */
FRAME(limited);    /* eddy_with_timeout */
FRAME(holding);    /* eddy_with_lock */
FRAME(counting);   /* a generator that takes steps */
FRAME(looping);    /* over that */
FRAME(managing);   /* a context manager */
FRAME(managed);    /* inside of that */
FRAME(completing); /* eddy_as_completed */

#endif
