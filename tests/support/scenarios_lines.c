/* Scenarios of what tasks wait in line for. */
#include "scenarios.h"

#include "eddy/event.h"
#include "eddy/lock.h"
#include "eddy/queue.h"

static eddy_lock lock, inner;
static eddy_semaphore semaphore;
static int inside, most_inside;

/* Where only so many may be at a time. */
eddy_frame(critical) {
    eddy_coro co;
};

static void critical(eddy_coro *co)
{
    eddy_begin(critical);
    scenario_opened();
    inside++;
    scenario_assert(inside <= most_inside);
    eddy_await(eddy_sleep(co, TICK));
eddy_finally:
    eddy_await(eddy_pause(co));
    inside--;
    scenario_closed();
    eddy_end;
}

/* ---- a lock around a block (chapter 9 of the tutorial) */

static void reset_locks(void)
{
    eddy_lock_init(&lock);
    eddy_lock_init(&inner);
    inside = 0;
    most_inside = 1;
}

static void check_locks(void)
{
    scenario_assert(inside == 0);
    scenario_assert(eddy_lock_fini(&lock) == 0);
    scenario_assert(eddy_lock_fini(&inner) == 0);
}

eddy_frame(locks) {
    eddy_coro co;
    int id;
    int times;
};

static void locks(eddy_coro *co)
{
    eddy_begin(locks);
    for (; self->times < 2; self->times++) {
        eddy_with_lock(&lock) {
            eddy_await(eddy_call(co, critical));
        }
    }
    eddy_end;
}
scenario_role(locks);

/* ---- a lock in another, with little time for it */

eddy_frame(nests_locks) {
    eddy_coro co;
    int id;
    int64_t rc;
};

static void nests_locks(eddy_coro *co)
{
    eddy_begin(nests_locks);
    eddy_with_lock(&lock) {
        eddy_catch(self->rc, eddy_wait_for(co, 3 * TICK, eddy_lock_acquire(co, &inner)));
        if (self->rc == 0) {
            eddy_catch(self->rc, eddy_call(co, critical));
            scenario_assert(eddy_lock_release(co, &inner) == 0);
        }
        if (self->rc == -ETIMEDOUT) {
            self->rc = 0;
        }
    }
    eddy_return(self->rc);
    eddy_end;
}
scenario_role(nests_locks);

eddy_frame(holds_inner) {
    eddy_coro co;
    int id;
};

static void holds_inner(eddy_coro *co)
{
    eddy_begin(holds_inner);
    eddy_with_lock(&inner) {
        eddy_await(eddy_sleep(co, 5 * TICK));
    }
    eddy_end;
}
scenario_role(holds_inner);

/* ---- an event */

static eddy_event event;
static bool was_set;

static void reset_event(void)
{
    eddy_event_init(&event);
    was_set = false;
}

static void check_event(void)
{
    scenario_assert(eddy_event_fini(&event) == 0);
}

eddy_frame(awaits_event) {
    eddy_coro co;
    int id;
};

static void awaits_event(eddy_coro *co)
{
    eddy_begin(awaits_event);
    scenario_opened();
    eddy_await(eddy_event_wait(co, &event));
    scenario_assert(was_set);
    eddy_await(eddy_pause(co));
eddy_finally:
    eddy_await(eddy_pause(co));
    scenario_closed();
    eddy_end;
}
scenario_role(awaits_event);

eddy_frame(sets_event) {
    eddy_coro co;
    int id;
};

static void sets_event(eddy_coro *co)
{
    eddy_begin(sets_event);
    eddy_await(eddy_sleep(co, 3 * TICK));
    was_set = true;
    eddy_event_set(&event);
    eddy_event_clear(&event);
    eddy_end;
}
scenario_role(sets_event);

/* ---- conditions: a box for one thing (chapter 11) */

static eddy_cond full, empty;
static int produced, consumed, in_box;

static void reset_box(void)
{
    reset_locks();
    eddy_cond_init(&full, &lock);
    eddy_cond_init(&empty, &lock);
    produced = consumed = in_box = 0;
}

static void check_box(void)
{
    check_locks();
    scenario_assert(produced == consumed + in_box);
    scenario_assert(eddy_cond_fini(&full) == 0);
    scenario_assert(eddy_cond_fini(&empty) == 0);
}

eddy_frame(produces) {
    eddy_coro co;
    int id;
    int i;
};

static void produces(eddy_coro *co)
{
    eddy_begin(produces);
    for (; self->i < 4; self->i++) {
        eddy_with_cond(&empty) {
            while (in_box == 1) {
                eddy_await(eddy_cond_wait(co, &empty));
                scenario_assert(eddy_lock_holder(&lock).record == co->task);
            }
            in_box++;
            produced++;
            scenario_assert(eddy_cond_notify(co, &full, 1) >= 0);
        }
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}
scenario_role(produces);

eddy_frame(consumes) {
    eddy_coro co;
    int id;
    int i;
    int64_t rc;
};

static bool box_is_full(void *argument)
{
    (void)argument;
    return in_box == 1;
}

/* What the wait returns, the lock is held. */
static void consumes(eddy_coro *co)
{
    eddy_begin(consumes);
    for (; self->i < 2; self->i++) {
        eddy_with_cond(&full) {
            eddy_catch(self->rc, eddy_cond_wait_for(co, &full, box_is_full, NULL));
            scenario_assert(eddy_lock_holder(&lock).record == co->task);
            if (self->rc < 0) {
                eddy_return(self->rc);
            }
            in_box--;
            consumed++;
            scenario_assert(eddy_cond_notify(co, &empty, 1) >= 0);
        }
        eddy_await(eddy_sleep(co, TICK));
    }
    eddy_end;
}
scenario_role(consumes);

/* ---- a semaphore: two at a time */

static void reset_semaphore(void)
{
    eddy_semaphore_init_bounded(&semaphore, 2);
    inside = 0;
    most_inside = 2;
}

static void check_semaphore(void)
{
    scenario_assert(inside == 0);
    scenario_assert(semaphore.permits == 2);
    scenario_assert(eddy_semaphore_fini(&semaphore) == 0);
}

eddy_frame(enters) {
    eddy_coro co;
    int id;
};

static void enters(eddy_coro *co)
{
    eddy_begin(enters);
    eddy_with_semaphore(&semaphore) {
        eddy_await(eddy_call(co, critical));
    }
    eddy_await(eddy_wait_for(co, 50 * TICK, eddy_semaphore_acquire(co, &semaphore)));
    scenario_assert(eddy_semaphore_release(&semaphore) == 0);
    eddy_end;
}
scenario_role(enters);

/* ---- a barrier, twice; who cannot come breaks it */

static eddy_barrier barrier;
static int rounds[3];

static void reset_barrier(void)
{
    eddy_barrier_init(&barrier, 3);
    memset(rounds, 0, sizeof rounds);
}

static void check_barrier(void)
{
    scenario_assert(eddy_barrier_fini(&barrier) == 0);
    /* Who was sent away in the second round has been through the first. */
    for (int i = 0; i < 3; i++) {
        scenario_assert(rounds[i] - rounds[0] <= 1 && rounds[0] - rounds[i] <= 1);
    }
}

eddy_frame(meets) {
    eddy_coro co;
    int id;
    int64_t rc;
};

static void meets(eddy_coro *co)
{
    eddy_begin(meets);
    scenario_opened();
    while (rounds[self->id] < 2) {
        eddy_await(eddy_sleep(co, self->id * TICK));
        eddy_catch(self->rc, eddy_barrier_wait(co, &barrier));
        if (self->rc == -ENOTRECOVERABLE) {
            eddy_return(0);
        }
        if (self->rc < 0) {
            eddy_return(self->rc);
        }
        scenario_assert(self->rc < 3);
        rounds[self->id]++;
    }
eddy_finally:
    eddy_await(eddy_pause(co));
    if (rounds[self->id] < 2) {
        eddy_barrier_abort(&barrier);
    }
    scenario_closed();
    eddy_end;
}
scenario_role(meets);

/* ---- a queue: two that put, two that get until it is shut down (chapter 7) */

enum { MOST_ITEMS = 8 };

static eddy_queue queue;
static int put_times[MOST_ITEMS], got_times[MOST_ITEMS];
static int putters;

static void reset_counts(void)
{
    memset(put_times, 0, sizeof put_times);
    memset(got_times, 0, sizeof got_times);
    putters = 2;
}

static void open_queue(void)
{
    memset(&queue, 0, sizeof queue);
    reset_counts();
    assert_int_equal(eddy_queue_init(testing.loop, &queue, int, .capacity = 1), 0);
}

/* Every item that went in came out, once. */
static void check_queue(void)
{
    int item;

    while (eddy_queue_try_get(&queue, &item) == 0) {
        got_times[item]++;
    }
    for (int i = 0; i < MOST_ITEMS; i++) {
        scenario_assert(put_times[i] <= 1);
        scenario_assert(got_times[i] == put_times[i]);
    }
    eddy_queue_fini(&queue);
}

eddy_frame(puts_items) {
    eddy_coro co;
    int id;
    int item;
    int i;
};

static void puts_items(eddy_coro *co)
{
    eddy_begin(puts_items);
    scenario_opened();
    for (; self->i < 3; self->i++) {
        self->item = self->id * 4 + self->i;
        eddy_await(eddy_queue_put(co, &queue, &self->item));
        put_times[self->item]++;
    }
eddy_finally:
    scenario_closed();
    if (--putters == 0) {
        eddy_queue_shutdown(&queue, EDDY_QUEUE_DRAIN);
    }
    eddy_end;
}
scenario_role(puts_items);

eddy_frame(gets_items) {
    eddy_coro co;
    int id;
    int item;
    int64_t rc;
};

static void gets_items(eddy_coro *co)
{
    eddy_begin(gets_items);
    for (;;) {
        eddy_catch(self->rc, eddy_queue_get(co, &queue, &self->item));
        if (self->rc < 0) {
            eddy_return(self->rc == -ESHUTDOWN ? 0 : self->rc);
        }
        got_times[self->item]++;
        eddy_await(eddy_sleep(co, TICK));
    }
    eddy_end;
}
scenario_role(gets_items);

/* ---- a queue of jobs that is joined (chapter 7b) */

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void open_jobs(void)
{
    memset(&queue, 0, sizeof queue);
    reset_counts();
    assert_int_equal(eddy_queue_init(testing.loop, &queue, int, .kind = EDDY_QUEUE_PRIORITY,
                                     .compare = by_number),
                     0);
}

eddy_frame(hands_out) {
    eddy_coro co;
    int id;
    int item;
};

static void hands_out(eddy_coro *co)
{
    eddy_begin(hands_out);
    for (self->item = 5; self->item > 0; self->item--) {
        eddy_await(eddy_queue_put(co, &queue, &self->item));
        put_times[self->item]++;
    }
    eddy_await(eddy_queue_join(co, &queue));
    scenario_assert(eddy_queue_count(&queue) == 0);
    for (int i = 1; i <= 5; i++) {
        scenario_assert(got_times[i] == 1);
    }
eddy_finally:
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DRAIN);
    eddy_end;
}
scenario_role(hands_out);

eddy_frame(works_on) {
    eddy_coro co;
};

static void works_on(eddy_coro *co)
{
    eddy_begin(works_on);
    scenario_opened();
    eddy_await(eddy_sleep(co, 2 * TICK));
eddy_finally:
    scenario_closed();
    scenario_assert(eddy_queue_task_done(&queue) == 0);
    eddy_end;
}

eddy_frame(works) {
    eddy_coro co;
    int id;
    int item;
    int64_t rc;
};

static void works(eddy_coro *co)
{
    eddy_begin(works);
    for (;;) {
        eddy_catch(self->rc, eddy_queue_get(co, &queue, &self->item));
        if (self->rc < 0) {
            eddy_return(self->rc == -ESHUTDOWN ? 0 : self->rc);
        }
        got_times[self->item]++;
        eddy_await(eddy_call(co, works_on));
    }
    eddy_end;
}
scenario_role(works);

/* ---- a future */

static eddy_future future;

static void reset_future(void)
{
    memset(&future, 0, sizeof future);
}

static void check_future(void)
{
    scenario_assert(eddy_waiters_first(&future.event.waiters) == NULL);
}

eddy_frame(asks) {
    eddy_coro co;
    int id;
    int64_t rc;
};

static void asks(eddy_coro *co)
{
    eddy_begin(asks);
    eddy_catch(self->rc, eddy_wait_for(co, self->id == 0 ? 2 * TICK : EDDY_FOREVER,
                                       eddy_future_wait(co, &future)));
    if (self->rc == -ETIMEDOUT && self->id == 0) {
        eddy_await(self->rc, eddy_future_wait(co, &future));
    }
    if (self->rc < 0) {
        eddy_return(self->rc);
    }
    scenario_assert(self->rc == 42 && eddy_future_result(&future) == 42);
    eddy_end;
}
scenario_role(asks);

eddy_frame(answers) {
    eddy_coro co;
    int id;
};

static void answers(eddy_coro *co)
{
    eddy_begin(answers);
    eddy_await(eddy_sleep(co, 4 * TICK));
    scenario_assert(eddy_future_set(&future, 42) == 0);
    eddy_end;
}
scenario_role(answers);

const struct scenario line_scenarios[] = {
    {"lock", reset_locks, {play_locks, play_locks, play_locks}, check_locks},
    {"two locks", reset_locks, {play_holds_inner, play_nests_locks, play_nests_locks}, check_locks},
    {"event", reset_event, {play_awaits_event, play_awaits_event, play_sets_event}, check_event},
    {"conditions", reset_box, {play_consumes, play_produces, play_consumes}, check_box},
    {"semaphore",
     reset_semaphore,
     {play_enters, play_enters, play_enters, play_enters},
     check_semaphore},
    {"barrier", reset_barrier, {play_meets, play_meets, play_meets}, check_barrier},
    {"queue",
     open_queue,
     {play_puts_items, play_puts_items, play_gets_items, play_gets_items},
     check_queue},
    {"jobs", open_jobs, {play_works, play_hands_out, play_works}, check_queue},
    {"future", reset_future, {play_asks, play_asks, play_answers}, check_future},
    {NULL, NULL, {NULL}, NULL},
};
