/*
 * Races: two things that could end a wait happen before the task runs, in either order. A table
 * says what comes of each pair:
 *
 *     static const struct race races[] = {
 *         {"wake", "cancel", "ok then ECANCELED"},
 *     };
 *
 * "cancel" and "time-out" are known here; the other words are the operation's.
 */
#ifndef EDDY_TESTING_RACES_H
#define EDDY_TESTING_RACES_H

#include "support/tasks.h"

struct race {
    const char *first;
    const char *second;
    const char *outcome; /* of the wait, and of the await after it if that is no success */
};

/* What is raced for. */
struct race_operation {
    void (*set_up)(void);
    int64_t (*wait)(eddy_coro *co);
    void (*happen)(const char *event);
    void (*tear_down)(void); /* after the outcome was checked */
};

static struct {
    const struct race_operation *operation;
    const struct race *race;
    eddy_task task; /* it waits */
} racing;

eddy_frame(racer) {
    eddy_coro co;
    int64_t rc, after;
};

static inline const char *race_word(int64_t result)
{
    return result >= 0            ? "ok"
           : result == -ECANCELED ? "ECANCELED"
           : result == -ETIMEDOUT ? "ETIMEDOUT"
           : result == -ESHUTDOWN ? "ESHUTDOWN"
                                  : eddy_strerror(result);
}

static inline void racer(eddy_coro *co)
{
    eddy_begin(racer);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, racing.operation->wait(co)));
    testing_log("%s", race_word(self->rc));
    eddy_catch(self->after, give(co, 0));
    if (self->after < 0) {
        testing_log("then %s", race_word(self->after));
    }
    eddy_end;
}

static inline void race_happen(const char *event)
{
    if (strcmp(event, "cancel") == 0) {
        eddy_cancel(racing.task);
    } else if (strcmp(event, "time-out") == 0) {
        eddy_clock_advance(&testing.clock, EDDY_SECOND);
    } else {
        racing.operation->happen(event);
    }
}

/* Runs in the batch, but before the racer, whose time-out has made it ready. */
eddy_frame(happens) {
    eddy_coro co;
    const char *event;
};

static inline void happens(eddy_coro *co)
{
    eddy_begin(happens);
    race_happen(self->event);
    eddy_end;
}

/* Time-outs strike at the beginning of a turn; what comes after one is a task that is ready. */
static inline void run_race(const struct race_operation *operation, const struct race *race)
{
    racing.operation = operation;
    racing.race = race;
    operation->set_up();
    racing.task = start(racer);
    testing_turns();
    if (strcmp(race->first, "time-out") == 0) {
        start(happens, .event = race->second);
        race_happen(race->first);
    } else {
        race_happen(race->first);
        race_happen(race->second);
    }
    testing_turns();
    assert_true(eddy_task_done(racing.task));
    if (strcmp(testing.log, race->outcome) != 0) {
        fail_msg("%s, then %s: \"%s\" and not \"%s\"", race->first, race->second, testing.log,
                 race->outcome);
    }
    testing.log[0] = '\0';
    operation->tear_down();
    assert_int_equal(finish(racing.task), 0);
}

/* The wait of this race had a result. */
static inline bool race_succeeded(void)
{
    return strncmp(racing.race->outcome, "ok", 2) == 0;
}

/* On a manual clock: a time-out is at the moment that it says. */
static inline void run_races(const struct race_operation *operation, const struct race *races,
                             size_t count)
{
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    for (size_t i = 0; i < count; i++) {
        run_race(operation, &races[i]);
    }
}

#endif
