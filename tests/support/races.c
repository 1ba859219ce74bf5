#include "races.h"

#include "eddy/event.h"
#include "eddy/select.h"

eddy_task racer_task;

static const char *const event_names[RACE_EVENTS] = {"wake", "time-out", "cancel", "close"};

static struct {
    const struct race_table *table;
    eddy_event go;
    eddy_event gate;           /* before a wait that begins with something pending */
    enum race_event events[2]; /* what the rival does */
    int count;
    bool late;    /* the racer waits at the gate first */
    bool selects; /* it waits by a select, beside something that never comes */
    eddy_event never;
    int64_t results[2];
} race;

static const char *word(int64_t result)
{
    return result >= 0                  ? "ok"
           : result == -ECANCELED       ? "ECANCELED"
           : result == -ETIMEDOUT       ? "ETIMEDOUT"
           : result == -ESHUTDOWN       ? "ESHUTDOWN"
           : result == -EBADF           ? "EBADF"
           : result == -EPIPE           ? "EPIPE"
           : result == -ECONNRESET      ? "ECONNRESET"
           : result == -ENOTRECOVERABLE ? "BROKEN"
           : result == -EIO             ? "EIO"
                                        : eddy_strerror(result);
}

static void log_outcome(int64_t result, int64_t after)
{
    if (race.table->tells_count && result >= 0 && after >= 0) {
        testing_log("%lld;", (long long)result);
    } else if (race.table->tells_count && result >= 0) {
        testing_log("%lld, then %s;", (long long)result, word(after));
    } else if (after < 0) {
        testing_log("%s, then %s;", word(result), word(after));
    } else {
        testing_log("%s;", word(result));
    }
}

static int64_t wait_for_it(eddy_coro *co)
{
    return race.selects ? eddy_select(co, race.results, eddy_event_wait(co, &race.never),
                                      race.table->wait(co))
                        : race.table->wait(co);
}

/* Of a select that has a winner, its result. */
static int64_t result_of(int64_t rc)
{
    return race.selects && rc >= 0 ? race.results[rc] : rc;
}

eddy_frame(racer) {
    eddy_coro co;
    int64_t rc, after;
};

static void racer(eddy_coro *co)
{
    eddy_begin(racer);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, wait_for_it(co)));
    eddy_catch(self->after, give(co, 0));
    log_outcome(result_of(self->rc), self->after);
    eddy_end;
}

/* Comes to its wait with an interrupt pending. */
eddy_frame(comes_late) {
    eddy_coro co;
    int64_t rc, after;
};

static void comes_late(eddy_coro *co)
{
    eddy_begin(comes_late);
    eddy_await(eddy_event_wait(co, &race.gate));
    eddy_catch(self->rc, wait_for_it(co));
    eddy_catch(self->after, give(co, 0));
    log_outcome(result_of(self->rc), self->after);
    eddy_end;
}

eddy_frame(late_racer) {
    eddy_coro co;
};

static void late_racer(eddy_coro *co)
{
    eddy_begin(late_racer);
    eddy_await(eddy_wait_for(co, EDDY_SECOND, eddy_call(co, comes_late)));
    eddy_end;
}

static void happen(enum race_event event, eddy_coro *co)
{
    switch (event) {
    case WAKE:
        race.table->wake(co);
        break;
    case TIME_OUT:
        eddy_clock_advance(&testing.clock, EDDY_SECOND);
        break;
    case CANCEL:
        (void)eddy_cancel(racer_task);
        break;
    case CLOSE:
        race.table->close(co);
        break;
    case RACE_EVENTS:
        break;
    }
}

eddy_frame(rival) {
    eddy_coro co;
};

static void rival(eddy_coro *co)
{
    void (*prepare)(eddy_coro *);

    eddy_begin(rival);
    if (race.table->set_up != NULL) {
        race.table->set_up(co);
    }
    eddy_await(eddy_event_wait(co, &race.go));
    eddy_event_clear(&race.go);
    prepare = race.late ? race.table->prepare_late : race.table->prepare;
    if (prepare != NULL) {
        prepare(co);
    }
    eddy_await(eddy_event_wait(co, &race.go));
    for (int i = 0; i < race.count; i++) {
        happen(race.events[i], co);
    }
    eddy_await(eddy_pause(co));
    if (race.table->settle != NULL) {
        race.table->settle(co);
    }
    eddy_end;
}

/* What the loop hears of at the beginning of a turn happens before it; then the rival does the
 * rest, ahead of the racer. A time-out that comes second strikes in the next turn, before the
 * racer has run. */
static void let_happen(enum race_event first, enum race_event second)
{
    bool at_once = first == TIME_OUT || (first == WAKE && race.table->wakes_by_event);

    race.count = 0;
    if (!at_once) {
        race.events[race.count++] = first;
        race.events[race.count++] = second;
        eddy_event_set(&race.go);
        return;
    }
    if (first == WAKE) {
        happen(WAKE, NULL);
    }
    if (second == TIME_OUT) {
        happen(second, NULL);
    } else {
        race.events[race.count++] = second;
    }
    eddy_event_set(&race.go);
    if (first == TIME_OUT) {
        happen(first, NULL);
    }
}

/* The rival is there, and the racer waits, for the gate or for what is raced for. */
static eddy_task begin_race(bool late)
{
    eddy_task rival_task;

    race.late = late;
    eddy_event_init(&race.go);
    eddy_event_init(&race.gate);
    rival_task = start(rival);
    testing_turns();
    testing_turns(); /* who comes to what was set up has come */
    racer_task = late ? start(late_racer) : start(racer);
    testing_turns();
    assert_false(eddy_task_done(racer_task));
    eddy_event_set(&race.go);
    testing_turns();
    testing_turns();
    return rival_task;
}

/* `what` has happened; the racer ends, and what it leaves is what is expected. */
static void end_race(eddy_task rival_task, const char *what, const char *expected)
{
    const char *how = race.selects ? " in a select" : "";

    testing_turns();
    testing_turns(); /* the loop may hear of the second only now */
    if (!eddy_task_done(racer_task)) {
        fail_msg("%s%s: %s: it still waits", race.table->operation, how, what);
    }
    race.table->log_left();
    if (strcmp(testing.log, expected) != 0) {
        fail_msg("%s%s: %s: \"%s\" and not \"%s\"", race.table->operation, how, what, testing.log,
                 expected);
    }
    testing.log[0] = '\0';
    assert_int_equal(finish(racer_task), 0);
    assert_int_equal(finish(rival_task), 0);
    if (race.table->tear_down != NULL) {
        race.table->tear_down();
    }
    testing_turns();
}

static void run_cell(enum race_event first, enum race_event second)
{
    const char *in_select = race.selects ? race.table->in_select[first][second] : NULL;
    const char *expected = in_select != NULL ? in_select : race.table->cells[first][second];
    eddy_task rival_task = begin_race(false);
    char what[64];

    snprintf(what, sizeof what, "%s, then %s", event_names[first], event_names[second]);
    let_happen(first, second);
    end_race(rival_task, what, expected);
}

static void run_apart(enum race_event first, enum race_event second, const char *expected)
{
    eddy_task rival_task = begin_race(false);
    char what[64];

    snprintf(what, sizeof what, "%s, and later %s", event_names[first], event_names[second]);
    happen(first, NULL);
    testing_turns();
    testing_turns();
    happen(second, NULL);
    testing_turns();
    race.count = 0;
    eddy_event_set(&race.go);
    end_race(rival_task, what, expected);
}

static void run_all_apart(const struct race_table *table)
{
    for (enum race_event first = 0; table->apart != NULL && first < RACE_EVENTS; first++) {
        for (enum race_event second = 0; second < RACE_EVENTS; second++) {
            const char *cell = table->apart[first][second];
            if (cell == NULL) {
                fail_msg("%s: %s, and later %s: the table does not say", table->operation,
                         event_names[first], event_names[second]);
            }
            if (cell[0] != '-') {
                run_apart(first, second, cell);
            }
        }
    }
}

/* The gate opens, and in the same turn the event comes, before the racer runs. */
static void run_pending(enum race_event event, const char *expected)
{
    eddy_task rival_task = begin_race(true);
    char what[64];

    snprintf(what, sizeof what, "%s, pending before", event_names[event]);
    eddy_event_set(&race.gate);
    happen(event, NULL);
    race.count = 0;
    eddy_event_set(&race.go);
    end_race(rival_task, what, expected);
}

static void run_all_pending(const struct race_table *table)
{
    static const enum race_event events[] = {CANCEL, TIME_OUT};

    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (table->pending[i] == NULL) {
            fail_msg("%s: %s, pending before: the table does not say", table->operation,
                     event_names[events[i]]);
        }
        if (table->pending[i][0] != '-') {
            run_pending(events[i], table->pending[i]);
        }
    }
}

static void run_all_cells(const struct race_table *table)
{
    for (enum race_event first = 0; first < RACE_EVENTS; first++) {
        for (enum race_event second = 0; second < RACE_EVENTS; second++) {
            const char *cell = table->cells[first][second];
            if (cell == NULL) {
                fail_msg("%s: %s, then %s: the table does not say", table->operation,
                         event_names[first], event_names[second]);
            }
            if (cell[0] != '-') {
                run_cell(first, second);
            }
        }
    }
    run_all_pending(table);
    run_all_apart(table);
}

/* As it is, and once more as one of two operations of a select, which must change nothing. */
void run_race_table(const struct race_table *table)
{
    race.table = table;
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    eddy_event_init(&race.never);
    for (int i = 0; i < 2; i++) {
        race.selects = i == 1;
        run_all_cells(table);
    }
}
