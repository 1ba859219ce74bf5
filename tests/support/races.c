#include "races.h"

#include "eddy/event.h"

eddy_task racer_task;

static const char *const event_names[RACE_EVENTS] = {"wake", "time-out", "cancel", "close"};

static struct {
    const struct race_table *table;
    eddy_event go;
    enum race_event events[2]; /* what the rival does */
    int count;
} race;

static const char *word(int64_t result)
{
    return result >= 0                  ? "ok"
           : result == -ECANCELED       ? "ECANCELED"
           : result == -ETIMEDOUT       ? "ETIMEDOUT"
           : result == -ESHUTDOWN       ? "ESHUTDOWN"
           : result == -EBADF           ? "EBADF"
           : result == -ENOTRECOVERABLE ? "BROKEN"
           : result == -EIO             ? "EIO"
                                        : eddy_strerror(result);
}

eddy_frame(racer) {
    eddy_coro co;
    int64_t rc, after;
};

static void racer(eddy_coro *co)
{
    eddy_begin(racer);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, race.table->wait(co)));
    eddy_catch(self->after, give(co, 0));
    if (self->after < 0) {
        testing_log("%s, then %s;", word(self->rc), word(self->after));
    } else {
        testing_log("%s;", word(self->rc));
    }
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
    eddy_begin(rival);
    if (race.table->set_up != NULL) {
        race.table->set_up(co);
    }
    eddy_await(eddy_event_wait(co, &race.go));
    eddy_event_clear(&race.go);
    if (race.table->prepare != NULL) {
        race.table->prepare(co);
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

static void run_cell(enum race_event first, enum race_event second)
{
    const char *expected = race.table->cells[first][second];
    eddy_task rival_task;

    eddy_event_init(&race.go);
    rival_task = start(rival);
    testing_turns();
    racer_task = start(racer);
    testing_turns();
    assert_false(eddy_task_done(racer_task));
    eddy_event_set(&race.go);
    testing_turns();
    testing_turns();
    let_happen(first, second);
    testing_turns();
    testing_turns(); /* the loop may hear of the second only now */
    if (!eddy_task_done(racer_task)) {
        fail_msg("%s: %s, then %s: it still waits", race.table->operation, event_names[first],
                 event_names[second]);
    }
    race.table->log_left();
    if (strcmp(testing.log, expected) != 0) {
        fail_msg("%s: %s, then %s: \"%s\" and not \"%s\"", race.table->operation,
                 event_names[first], event_names[second], testing.log, expected);
    }
    testing.log[0] = '\0';
    assert_int_equal(finish(racer_task), 0);
    assert_int_equal(finish(rival_task), 0);
    if (race.table->tear_down != NULL) {
        race.table->tear_down();
    }
    testing_turns();
}

void run_race_table(const struct race_table *table)
{
    race.table = table;
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
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
}
