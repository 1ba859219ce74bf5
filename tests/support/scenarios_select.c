/* Scenarios of selects: whatever disturbs them, what did not win has taken nothing; and of tasks that are shared. */
#include "scenarios.h"

#include "eddy/lock.h"
#include "eddy/queue.h"
#include "eddy/select.h"
#include "eddy/task.h"
#include "eddy/value.h"

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

/* ---- a task that several wait for, whose result is kept, and who has inherited a value */

static const char key;
static eddy_task shared;

eddy_frame_of(gives_seven, bool inherits);

static void gives_seven(eddy_coro *co)
{
    eddy_begin(gives_seven);
    scenario_opened();
    running++;
    scenario_assert(eddy_value_get(co, &key) == (self->inherits ? &key : NULL));
    eddy_await(eddy_sleep(co, 3 * TICK));
    eddy_return(7);
eddy_finally:
    running--;
    scenario_closed();
    eddy_end;
}

eddy_frame_of(owns, int id, bool has_value, bool keeps, int64_t rc);

static void owns(eddy_coro *co)
{
    eddy_begin(owns);
    self->has_value = eddy_value_set(co, &key, (void *)(uintptr_t)&key) == 0;
    scenario_assert(self->has_value || scenario_lacks_memory());
    shared = eddy_spawn(co, gives_seven, .inherits = self->has_value);
    self->keeps = eddy_spawn_error(shared) == 0 && eddy_task_keep(shared) == 0;
    eddy_await(self->rc, eddy_join(co, shared));
    scenario_assert(self->rc == 7);
    scenario_assert(!self->keeps || eddy_task_result(shared) == 7);
    eddy_await(eddy_sleep(co, 2 * TICK));
    eddy_return(0);
eddy_finally:
    (void)eddy_cancel(shared);
    eddy_catch(self->rc, eddy_join(co, shared)); /* -ESRCH: it was */
    if (self->keeps) {
        scenario_assert(eddy_task_drop(shared) == 0);
    }
    scenario_assert(eddy_task_done(shared));
    eddy_end;
}
scenario_role(owns);

eddy_frame_of(shares, int id, int64_t rc);

static void shares(eddy_coro *co)
{
    eddy_begin(shares);
    eddy_await(eddy_pause(co)); /* the owner may never have run: then there is none */
    eddy_catch(self->rc, eddy_task_wait(co, shared));
    scenario_assert(self->rc == 7 || self->rc == -ECANCELED || self->rc == -ESRCH ||
                    (self->rc == -ENOMEM && scenario_lacks_memory()));
    if (self->rc == -ECANCELED && eddy_task_done(shared)) { /* so it may have ended itself */
        scenario_carries_on();
        eddy_return(0);
    }
    eddy_return(self->rc == 7 || self->rc == -ESRCH ? 0 : self->rc);
    eddy_end;
}
scenario_role(shares);

static void reset_shared(void)
{
    shared = (eddy_task){NULL, 0};
    running = 0;
}

static void check_shared(void)
{
    scenario_assert(running == 0);
    scenario_assert(shared.record == NULL || eddy_task_done(shared));
}

const struct scenario select_scenarios[] = {
    {"a shared task", reset_shared, {play_owns, play_shares, play_shares}, check_shared},
    {"select", reset, {play_picks, play_fills, play_picks}, check},
    {"selects of a lock", reset, {play_nests, play_picks, play_nests, play_nests}, check},
    {NULL, NULL, {NULL}, NULL},
};
