/* Scenarios of selects: whatever disturbs them, what did not win has taken nothing. */
#include "scenarios.h"

#include "eddy/lock.h"
#include "eddy/queue.h"
#include "eddy/select.h"

enum { PICKS = 8, ITEMS = 6 };

static eddy_queue boxes[2];
static eddy_lock lock;
static int put[2];
static int taken[2];
static int running; /* coroutines that a select has called */

static void reset(void)
{
    memset(boxes, 0, sizeof boxes);
    memset(put, 0, sizeof put);
    memset(taken, 0, sizeof taken);
    eddy_lock_init(&lock);
    running = 0;
    for (int i = 0; i < 2; i++) { /* without memory it is shut, and the roles find out */
        (void)eddy_queue_init(testing.loop, &boxes[i], int);
    }
}

static void check(void)
{
    for (int i = 0; i < 2; i++) {
        scenario_assert(put[i] == taken[i] + (int)eddy_queue_count(&boxes[i]));
        eddy_queue_fini(&boxes[i]);
    }
    scenario_assert(!eddy_lock_locked(&lock));
    scenario_assert(running == 0);
}

/* Sleeps, and takes a turn to clean up. */
eddy_frame_of(takes_long, int times);

static void takes_long(eddy_coro *co)
{
    eddy_begin(takes_long);
    scenario_opened();
    running++;
    while (self->times-- > 0) {
        eddy_await(eddy_sleep(co, TICK));
    }
eddy_finally:
    eddy_await(eddy_pause(co));
    running--;
    scenario_closed();
    eddy_end;
}

eddy_frame(picks) {
    eddy_coro co;
    int id;
    int i;
    int items[2];
    int64_t rc;
    int64_t results[4];
};

/* Of an error, too, one may know what came: each has its place in the results. */
static void note(struct picks *self)
{
    int got = 0;

    for (int i = 0; i < 2; i++) {
        taken[i] += self->results[i] == 0;
        got += self->results[i] == 0;
    }
    scenario_assert(got <= 1);
    scenario_assert(self->rc != 0 || self->results[0] == 0);
    scenario_assert(self->rc != 1 || self->results[1] == 0);
}

static void picks(eddy_coro *co)
{
    eddy_begin(picks);
    for (; self->i < PICKS; self->i++) {
        self->results[0] = -1;
        self->results[1] = -1;
        eddy_catch(self->rc,
                   eddy_select(co, self->results, eddy_queue_get(co, &boxes[0], &self->items[0]),
                               eddy_queue_get(co, &boxes[1], &self->items[1]),
                               eddy_lock_acquire(co, &lock),
                               eddy_call(co, takes_long, .times = 2 + self->id)));
        note(self);
        if (self->results[2] == 0) {
            eddy_catch(self->rc, eddy_sleep(co, TICK));
            scenario_assert(eddy_lock_release(co, &lock) == 0);
        }
        if (self->rc < 0) {
            eddy_return(self->rc);
        }
    }
    eddy_end;
}
scenario_role(picks);

eddy_frame_of(fills, int id, int i);

static void fills(eddy_coro *co)
{
    eddy_begin(fills);
    for (; self->i < ITEMS; self->i++) {
        for (int i = 0; i < 2; i++) { /* both in one turn */
            put[i] += eddy_queue_try_put(&boxes[i], &self->i) == 0;
        }
        eddy_await(eddy_sleep(co, TICK));
    }
    eddy_end;
}
scenario_role(fills);

/* Nothing comes: a deadline of its own, and one inside of another select. */
eddy_frame_of(nests, int id, int64_t rc, int64_t results[2]);

static void nests(eddy_coro *co)
{
    eddy_begin(nests);
    eddy_catch(self->rc,
               eddy_select(co, NULL, eddy_lock_acquire(co, &lock),
                           eddy_wait_for(co, 3 * TICK,
                                         eddy_select(co, self->results, eddy_sleep(co, EDDY_SECOND),
                                                     eddy_sleep(co, EDDY_SECOND)))));
    if (eddy_lock_release(co, &lock) < 0) {
        scenario_assert(self->rc < 0);
        eddy_return(self->rc == -ETIMEDOUT ? 0 : self->rc);
    }
    scenario_assert(self->rc == 0);
    eddy_end;
}
scenario_role(nests);

const struct scenario select_scenarios[] = {
    {"select", reset, {play_picks, play_fills, play_picks}, check},
    {"selects of a lock", reset, {play_nests, play_picks, play_nests, play_nests}, check},
    {NULL, NULL, {NULL}, NULL},
};
