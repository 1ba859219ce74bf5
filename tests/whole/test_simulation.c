/* Random programs of tasks over all primitives, in virtual time, agree in every result and in all
 * that is left with a simple model. EDDY_TEST_SEED repeats a failure, or tries what nobody has
 * tried; EDDY_TEST_SEEDS says how many seeds from there on. */
#include "support/simulation.h"

#include <stdlib.h>

enum { STEPS = 22, SEEDS = 10000 };

/* ---- both sides look the same */

static void check_line(const struct model_line *expected, const struct eddy_waiters *line)
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
        check(sim.locks[i].holder == (holder != MODEL_NOBODY ? sim.tasks[holder].record : NULL));
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
    check_line(&model->future_line, &sim.future.event.waiters);
    check(eddy_barrier_broken(&sim.barrier) == model->broken);
    check_line(&model->barrier_line, &sim.barrier.waiters);
    check_pairs();
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
    self->in_block = below(4) == 0;
    choose_bytes(self);
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
    begin_in_model(co, self, now);
}

static void compare(struct actor *self)
{
    bool cancelled = self->expected == -ECANCELED;

    sim.operations++;
    model_time(&sim.model, eddy_loop_now(testing.loop));
    if (!cancelled) {
        decide_bytes(self);
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
    check_bytes(self);
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
            eddy_catch(self->rc, begin(co, self));
            compare(self);
            leave_children(self);
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
        eddy_await(eddy_sleep(co, time_after(1000)));
        model_time(&sim.model, eddy_loop_now(testing.loop));
        check_idle_pairs();
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
    open_pairs();
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
    close_pairs();
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
