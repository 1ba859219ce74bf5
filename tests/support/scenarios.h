/*
 * Scenarios: small programs of several tasks over all that tasks can wait for, made to be
 * disturbed: run again with a cancel, a deadline or a failing allocation at every point, after
 * which nothing may be lost.
 *
 * Time is a manual clock that moves by TICK after every turn, so that a deadline can be set to pass
 * in any turn.
 */
#ifndef EDDY_TESTING_SCENARIOS_H
#define EDDY_TESTING_SCENARIOS_H

#include "support/tasks.h"

enum { MOST_ROLES = 5 };

#define TICK EDDY_MILLISECOND

struct scenario {
    const char *name;
    void (*set_up)(void); /* makes the world that the roles share as new */
    /* What its tasks do, each an operation; `id` counts from 0. */
    int64_t (*roles[MOST_ROLES])(eddy_coro *co, int id);
    void (*check)(void); /* all tasks have ended: nothing is lost */
};

extern const struct scenario line_scenarios[];
extern const struct scenario task_scenarios[];
extern const struct scenario compose_scenarios[];
extern const struct scenario select_scenarios[];
extern const struct scenario stream_scenarios[];
extern const struct scenario reader_scenarios[];
extern const struct scenario fd_scenarios[];
extern const struct scenario socket_scenarios[];
extern const struct scenario writer_scenarios[];
extern const struct scenario transport_scenarios[];
extern const struct scenario beside_scenarios[];
extern const struct scenario child_scenarios[];

/* What a scenario's frame has to clean up: opened when it begins, closed in its finally. */
void scenario_opened(void);
void scenario_closed(void);

/* Fails the test case, if a scenario finds something wrong. */
#define scenario_assert(condition)                           \
    do {                                                     \
        if (!(condition)) {                                  \
            scenario_failed(#condition, __FILE__, __LINE__); \
        }                                                    \
    } while (0)
void scenario_failed(const char *what, const char *file, int line);

/* To be called by a set_up: `work` runs after every turn, and does what threads do meanwhile;
 * `let_go` when the scenario is over, or has failed: then no thread waits for it any more. */
void scenario_works_beside(void (*work)(void), void (*let_go)(void));

/* To be called where a role has caught a cancel and goes on: a deadline may strike afterwards. */
void scenario_carries_on(void);

/* Whether an allocation is to fail in this run: then any operation may return -ENOMEM. */
bool scenario_lacks_memory(void);

/* What the role ended with. */
int64_t scenario_result(int id);

/* Whether a task was cancelled, and some turns later again. */
bool scenario_cancels_again(void);

/* Whether nobody can say what came when. */
bool scenario_is_chaotic(void);

/* Whether a cancel comes first and then, in the same turn, the deadline. */
bool scenario_deadline_is_last(void);

/* Makes an operation of a coroutine with a field `id`. */
#define scenario_role(name)                               \
    static int64_t play_##name(eddy_coro *co, int number) \
    {                                                     \
        return eddy_call(co, name, .id = number);         \
    }                                                     \
    EDDY_STATIC_ASSERT_(1, "")

/* ---- running them */

enum disturbance_kind {
    UNDISTURBED,
    CANCEL_ONCE,
    CANCEL_TWICE,         /* in one turn */
    CANCEL_AGAIN,         /* some turns later */
    CANCEL_NEIGHBOUR_TOO, /* it, and the task that was spawned after it, in one turn */
    DEADLINE,             /* around all that a role does; the turn is the deadline */
    DEADLINE_AND_CANCEL,  /* in one turn, the cancel first */
    DEADLINE_THEN_CANCEL, /* the cancel some turns later */
    CHAOS,                /* a deadline, and any tasks are cancelled at random, by `chaos_seed` */
    ALLOCATION,           /* the `turn`th request for memory fails, */
    ALLOCATIONS           /* or all from it on */
};

struct disturbance {
    enum disturbance_kind kind;
    uint32_t task; /* its number: roles are the first, from 1 on */
    unsigned turn;
    uint64_t shuffle_seed;
    uint64_t chaos_seed;
};

/* Runs it to its end and checks all that must hold. Whether the disturbance came to be: false if
 * the scenario had ended before, or (a cancel) the task has. */
struct scenario_end {
    bool disturbed;
    unsigned turns; /* how many it took */
    uint32_t tasks; /* how many were spawned */
    unsigned allocations;
};
struct scenario_end scenario_run(const struct scenario *scenario, struct disturbance disturbance);

#endif
