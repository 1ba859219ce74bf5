/* Random programs of tasks over all primitives, in virtual time, agree in every result and in all
 * that is left with a simple model. EDDY_TEST_SEED repeats a failure, or tries what nobody has
 * tried; EDDY_TEST_SEEDS says how many seeds from there on. */
#include "support/model.h"
#include "support/tasks.h"

#include <stdlib.h>

#include "eddy/barrier.h"
#include "eddy/cond.h"
#include "eddy/event.h"
#include "eddy/future.h"
#include "eddy/gather.h"
#include "eddy/group.h"
#include "eddy/lock.h"
#include "eddy/queue.h"
#include "eddy/semaphore.h"

enum { STEPS = 25, SEEDS = 10000, CHILDREN = 2 };

static struct {
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
    bool runs[MODEL_ACTORS];
    int running;
    int next_item;
    int64_t next_nanosecond; /* makes all times different */
    unsigned operations, interrupted;
} sim;

static unsigned below(unsigned limit)
{
    return (unsigned)(testing_random(&sim.state) % limit);
}

#define check(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fail_msg("EDDY_TEST_SEED=%llu: %s", (unsigned long long)sim.seed, #condition); \
        }                                                                                  \
    } while (0)

/* A time from now on, that is no other's. */
static int64_t some_time(void)
{
    return (int64_t)(1 + below(40)) * EDDY_MILLISECOND + ++sim.next_nanosecond;
}

/* ---- both sides look the same */

static void check_line(const struct model_line *expected, const struct eddy_line *line)
{
    const struct eddy_link *link = line->tasks.next;

    for (int i = 0; i < expected->count; i++, link = link->next) {
        check(link != NULL);
        check(link == &sim.tasks[expected->actors[i]].record->timed.ready.link);
    }
    check(link == NULL || link == &line->tasks);
}

static void check_objects(void)
{
    const struct model *model = &sim.model;

    for (int i = 0; i < MODEL_LOCKS; i++) {
        int holder = model->holder[i];
        check(sim.locks[i].holder.record ==
              (holder != MODEL_NOBODY ? sim.tasks[holder].record : NULL));
        check_line(&model->lock_line[i], &sim.locks[i].waiters);
    }
    check_line(&model->cond_line, &sim.cond.waiters);
    check(sim.semaphore.permits == (uint32_t)model->permits);
    check_line(&model->semaphore_line, &sim.semaphore.waiters);
    check(eddy_queue_count(&sim.queue) == (size_t)model->count);
    check(sim.queue.unfinished == (uint64_t)model->unfinished);
    check_line(&model->queue_line, &sim.queue.waiting);
    check_line(&model->done_line, &sim.queue.joining);
    check(eddy_event_is_set(&sim.event) == model->set);
    check_line(&model->event_line, &sim.event.waiters);
    check(eddy_future_done(&sim.future) == model->done);
    check_line(&model->future_line, &sim.future.waiting);
    check(eddy_barrier_broken(&sim.barrier) == model->broken);
    check_line(&model->barrier_line, &sim.barrier.waiters);
}

/* ---- what actors do */

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
    CALL,
    JOIN,
    GATHER, /* of two tasks */
    WAIT_GROUP,
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
    CANCEL,
    OPERATIONS
};

eddy_frame(child) {
    eddy_coro co;
    int64_t duration;
    int64_t result;
};

static void child(eddy_coro *co)
{
    eddy_begin(child);
    eddy_await(eddy_sleep(co, self->duration));
    eddy_return(self->result);
    eddy_end;
}

eddy_frame(actor) {
    eddy_coro co;
    int number;
    int steps;
    int permits;
    enum operation operation;
    int lock;
    int item;
    int64_t limit;
    int64_t duration;
    int64_t other_duration; /* of the second task */
    int64_t rc;
    int64_t expected;
};

static void cancel_actor(int number)
{
    const eddy_task *its = sim.children[number];

    if (sim.runs[number]) {
        if (eddy_task_done(its[0]) && eddy_task_done(its[1])) {
            model_child_ended(&sim.model, number);
        }
        model_cancel(&sim.model, number);
        check(eddy_cancel(sim.tasks[number]) == 0);
    }
}

/* Operations that never wait. */
static void act(eddy_coro *co, struct actor *self)
{
    struct model *model = &sim.model;
    int most = (int)below(3);

    switch (self->operation) {
    case RELEASE:
        check(eddy_lock_release(co, &sim.locks[self->lock]) ==
              model_release(model, self->number, self->lock));
        break;
    case NOTIFY:
        check(eddy_cond_notify(co, &sim.cond, most) == model_notify(model, self->number, most));
        break;
    case GIVE_PERMIT:
        if (self->permits > 0) {
            self->permits--;
            model_give_permit(model);
            check(eddy_semaphore_release(&sim.semaphore) == 0);
        }
        break;
    case TASK_DONE:
        check(eddy_queue_task_done(&sim.queue) == model_task_done(model));
        break;
    case SHUT_DOWN:
        if (below(20) == 0) {
            bool drop = below(2) == 0;
            model_shut_down(model, drop);
            eddy_queue_shutdown(&sim.queue, drop ? EDDY_QUEUE_DROP : EDDY_QUEUE_DRAIN);
        }
        break;
    case SET_EVENT:
        model_set_event(model);
        eddy_event_set(&sim.event);
        break;
    case CLEAR_EVENT:
        model->set = false;
        eddy_event_clear(&sim.event);
        break;
    case SET_FUTURE:
        check(eddy_future_set(&sim.future, self->item) == model_set_future(model, self->item));
        break;
    case RESET_FUTURE:
        model->done = false;
        eddy_future_reset(&sim.future);
        break;
    case BREAK:
        if (below(5) == 0) {
            model_break(model, true);
            eddy_barrier_abort(&sim.barrier);
        }
        break;
    case RESET_BARRIER:
        model_break(model, false);
        eddy_barrier_reset(&sim.barrier);
        break;
    case CANCEL:
        cancel_actor((int)below(MODEL_ACTORS));
        break;
    default:
        break;
    }
}

static int64_t later(const struct actor *self)
{
    return self->duration > self->other_duration ? self->duration : self->other_duration;
}

static void begin_in_model(struct actor *self, int64_t now)
{
    struct model *model = &sim.model;
    int number = self->number;

    switch (self->operation) {
    case SLEEP:
        model_sleep(model, number, now + self->duration);
        break;
    case ACQUIRE:
        model_acquire(model, number, self->lock);
        break;
    case WAIT_COND:
        model_wait_cond(model, number);
        break;
    case TAKE_PERMIT:
        model_take_permit(model, number);
        break;
    case PUT:
        model_put(model, number, self->item);
        break;
    case GET:
        model_get(model, number);
        break;
    case WAIT_EVENT:
        model_wait_event(model, number);
        break;
    case WAIT_FUTURE:
        model_wait_future(model, number);
        break;
    case MEET:
        model_meet(model, number);
        break;
    case JOIN_QUEUE:
        model_join_queue(model, number);
        break;
    case CALL:
        model_call(model, number, now + self->duration, self->item);
        break;
    case JOIN:
        model_join(model, number, now + self->duration, self->item);
        break;
    case GATHER:
    case WAIT_GROUP:
        model_join(model, number, now + later(self), 0);
        break;
    default:
        model_pause(model, number);
        break;
    }
}

static int64_t begin(eddy_coro *co, struct actor *self)
{
    switch (self->operation) {
    case SLEEP:
        return eddy_sleep(co, self->duration);
    case ACQUIRE:
        return eddy_lock_acquire(co, &sim.locks[self->lock]);
    case WAIT_COND:
        return eddy_cond_wait(co, &sim.cond);
    case TAKE_PERMIT:
        return eddy_semaphore_acquire(co, &sim.semaphore);
    case PUT:
        return eddy_queue_put(co, &sim.queue, &self->item);
    case GET:
        return eddy_queue_get(co, &sim.queue, &self->item);
    case WAIT_EVENT:
        return eddy_event_wait(co, &sim.event);
    case WAIT_FUTURE:
        return eddy_future_wait(co, &sim.future);
    case MEET:
        return eddy_barrier_wait(co, &sim.barrier);
    case JOIN_QUEUE:
        return eddy_queue_join(co, &sim.queue);
    case CALL:
        return eddy_call(co, child, .duration = self->duration, .result = self->item);
    case JOIN:
        return eddy_join(co, sim.children[self->number][0]);
    case GATHER:
        return eddy_gather(co, sim.children[self->number], CHILDREN);
    case WAIT_GROUP:
        return eddy_group_wait(co, &sim.groups[self->number]);
    default:
        return eddy_pause(co);
    }
}

/* What it is to join. */
static void spawn_children(eddy_coro *co, struct actor *self)
{
    eddy_task *its = sim.children[self->number];
    eddy_group *group = &sim.groups[self->number];

    memset(its, 0, sizeof sim.children[self->number]);
    if (self->operation == WAIT_GROUP) {
        its[0] = eddy_group_spawn(co, group, child, .duration = self->duration);
        its[1] = eddy_group_spawn(co, group, child, .duration = self->other_duration);
        return;
    }
    if (self->operation == JOIN || self->operation == GATHER) {
        its[0] = eddy_spawn(co, child, .duration = self->duration, .result = self->item);
    }
    if (self->operation == GATHER) {
        its[1] = eddy_spawn(co, child, .duration = self->other_duration);
    }
}

/* Chooses what to do next, and begins it in the model. */
static void choose(eddy_coro *co, struct actor *self)
{
    int64_t now = eddy_loop_now(testing.loop);

    model_time(&sim.model, now);
    self->operation = (enum operation)below(OPERATIONS);
    self->lock = (int)below(MODEL_LOCKS);
    if ((self->operation == WAIT_COND || self->operation == NOTIFY) &&
        sim.model.holder[0] != self->number && below(4) > 0) {
        self->operation = ACQUIRE; /* first the lock that those need */
        self->lock = 0;
    }
    self->item = ++sim.next_item;
    self->duration = some_time();
    self->other_duration = some_time();
    self->limit = below(4) > 0 ? some_time() : EDDY_FOREVER;
    if (self->operation >= WAITING_OPERATIONS) {
        act(co, self);
        return;
    }
    self->expected = model_begin(&sim.model, self->number,
                                 self->limit == EDDY_FOREVER ? INT64_MAX : now + self->limit);
    if (self->expected != MODEL_UNDECIDED) {
        self->operation = self->operation >= JOIN ? PAUSE : self->operation; /* spawns nothing */
        return;
    }
    spawn_children(co, self);
    begin_in_model(self, now);
}

static void compare(struct actor *self)
{
    bool cancelled = self->expected == -ECANCELED;

    sim.operations++;
    model_time(&sim.model, eddy_loop_now(testing.loop));
    if (!cancelled) {
        self->expected = model_end(&sim.model, self->number, eddy_loop_now(testing.loop));
    }
    if (self->rc != self->expected) {
        fail_msg("EDDY_TEST_SEED=%llu: operation %d of actor %d gave %s and not %s",
                 (unsigned long long)sim.seed, (int)self->operation, self->number,
                 eddy_strerror(self->rc), eddy_strerror(self->expected));
    }
    sim.interrupted += self->rc == -ECANCELED || self->rc == -ETIMEDOUT;
    if (self->operation == GET && self->rc == 0) {
        check(self->item == sim.model.actors[self->number].item);
    }
    if (self->operation == TAKE_PERMIT && self->rc == 0) {
        self->permits++;
    }
}

/* What it holds goes to others. */
static void give_back(eddy_coro *co, struct actor *self)
{
    model_time(&sim.model, eddy_loop_now(testing.loop));
    for (self->lock = 0; self->lock < MODEL_LOCKS; self->lock++) {
        self->operation = RELEASE;
        act(co, self);
    }
    while (self->permits > 0) {
        self->operation = GIVE_PERMIT;
        act(co, self);
    }
}

static void actor(eddy_coro *co)
{
    eddy_begin(actor);
    sim.runs[self->number] = true;
    for (; self->steps > 0; self->steps--) {
        choose(co, self);
        if (self->operation < WAITING_OPERATIONS) {
            if (self->limit == EDDY_FOREVER) {
                eddy_catch(self->rc, begin(co, self));
            } else {
                eddy_catch(self->rc, eddy_wait_for(co, self->limit, begin(co, self)));
            }
            compare(self);
        }
        check_objects();
    }
    give_back(co, self);
    sim.runs[self->number] = false;
    sim.running--;
    check_objects();
    eddy_end;
}

/* Frees those who would wait for ever: the others have ended, or wait too. */
eddy_frame(supervisor) {
    eddy_coro co;
};

static void supervisor(eddy_coro *co)
{
    eddy_begin(supervisor);
    while (sim.running > 0) {
        eddy_await(eddy_sleep(co, EDDY_SECOND + ++sim.next_nanosecond));
        model_time(&sim.model, eddy_loop_now(testing.loop));
        for (int i = 0; i < MODEL_ACTORS; i++) {
            cancel_actor(i);
        }
        check_objects();
    }
    eddy_end;
}

/* ---- running them */

static int by_priority(const void *a, const void *b)
{
    return *(const int *)a % MODEL_PRIORITIES - *(const int *)b % MODEL_PRIORITIES;
}

static void init_objects(void)
{
    static const enum eddy_queue_kind kinds[] = {
        [MODEL_FIFO] = EDDY_QUEUE_FIFO,
        [MODEL_LIFO] = EDDY_QUEUE_LIFO,
        [MODEL_PRIORITY] = EDDY_QUEUE_PRIORITY,
    };
    enum model_order order = (enum model_order)(sim.seed % 3);

    model_init(&sim.model, order);
    eddy_cond_init(&sim.cond, &sim.locks[0]);
    eddy_semaphore_init(&sim.semaphore, MODEL_PERMITS);
    eddy_barrier_init(&sim.barrier, MODEL_PARTIES);
    assert_int_equal(eddy_queue_init(testing.loop, &sim.queue, int, .capacity = MODEL_CAPACITY,
                                     .kind = kinds[order],
                                     .compare = order == MODEL_PRIORITY ? by_priority : NULL),
                     0);
}

static void check_items(void)
{
    int item;

    while (sim.model.count > 0) {
        check(eddy_queue_try_get(&sim.queue, &item) == 0);
        check(item == model_take(&sim.model));
    }
}

static void simulate(uint64_t seed)
{
    unsigned operations = sim.operations, interrupted = sim.interrupted;

    memset(&sim, 0, sizeof sim);
    sim.operations = operations;
    sim.interrupted = interrupted;
    sim.seed = seed;
    sim.state = seed;
    testing.clock.now = 0;
    testing.options.flags = EDDY_LOOP_CHECK; /* poisoning the stack takes most of the time */
    testing.options.shuffle_seed = seed % 2 == 0 ? seed : 0;
    testing_reopen();
    init_objects();
    sim.running = MODEL_ACTORS;
    for (int i = 0; i < MODEL_ACTORS; i++) {
        sim.tasks[i] = start(actor, .number = i, .steps = STEPS);
    }
    check(run(supervisor) == 0);
    for (int i = 0; i < MODEL_ACTORS; i++) {
        check(finish(sim.tasks[i]) == 0);
        check(sim.model.holder[i % MODEL_LOCKS] == MODEL_NOBODY);
    }
    check(sim.model.permits == MODEL_PERMITS);
    check_items();
    check(testing.errors.count == 0);
    eddy_queue_fini(&sim.queue);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

test(random_programs_agree_with_a_model)
{
    uint64_t seed = number_of("EDDY_TEST_SEED", 1);
    uint64_t end =
        seed + number_of("EDDY_TEST_SEEDS", getenv("EDDY_TEST_SEED") != NULL ? 1 : SEEDS);

    for (; seed < end; seed++) {
        simulate(seed);
    }
    printf("%u operations, %u cancelled or timed out\n", sim.operations, sim.interrupted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(random_programs_agree_with_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
