#include "scenarios.h"

#include "support/net.h"
#include "task/task_internal.h"

enum { PATIENCE = 30 /* idle turns, until it is clear that those who wait do so for ever */ };
enum { MOST_TURNS = 2000 };
enum { MOST_CANCELS = 8 };
enum { TURNS_BETWEEN = 3 }; /* a deadline or cancel, and the cancel after it */

static struct {
    const struct scenario *scenario;
    struct disturbance disturbance;
    int opened, closed;
    uint32_t roles;
    bool running;
    bool carried_on; /* a role has caught the cancel */
    uint64_t chaos;
    int cancels;        /* that came after a first */
    bool stopped;       /* the tasks that were left have been cancelled */
    void (*work)(void); /* beside the loop; or NULL */
    void (*let_go)(void);
    int ended[MOST_ROLES];
    int64_t result[MOST_ROLES];
} play;

static const char *const kind_names[] = {"undisturbed",
                                         "a cancel",
                                         "two cancels",
                                         "a cancel and then another",
                                         "a cancel of two",
                                         "a deadline",
                                         "a cancel and a deadline",
                                         "a deadline and then a cancel",
                                         "chaos",
                                         "an allocation fails",
                                         "allocations fail"};

void scenario_failed(const char *what, const char *file, int line)
{
    if (play.let_go != NULL) {
        play.let_go();
    }
    fail_msg("%s:%d: EDDY_TEST_SEED=%llu: %s: %s, task %u, turn %u: %s", file, line,
             (unsigned long long)play.disturbance.chaos_seed, play.scenario->name,
             kind_names[play.disturbance.kind], play.disturbance.task, play.disturbance.turn, what);
}

void scenario_opened(void)
{
    play.opened++;
}

void scenario_closed(void)
{
    play.closed++;
    scenario_assert(play.closed <= play.opened);
}

void scenario_works_beside(void (*work)(void), void (*let_go)(void))
{
    play.work = work;
    play.let_go = let_go;
}

int64_t scenario_result(int id)
{
    return play.result[id];
}

bool scenario_cancels_again(void)
{
    return play.disturbance.kind == CANCEL_AGAIN && play.cancels > 0;
}

bool scenario_is_chaotic(void)
{
    return play.disturbance.kind == CHAOS;
}

bool scenario_deadline_is_last(void)
{
    return play.disturbance.kind == DEADLINE_AND_CANCEL;
}

void scenario_carries_on(void)
{
    play.carried_on = true;
}

bool scenario_lacks_memory(void)
{
    return play.disturbance.kind >= ALLOCATION;
}

/* ---- the tasks of the roles */

eddy_frame(actor) {
    eddy_coro co;
    int id;
    int64_t limit; /* 0: none */
    int64_t rc;
};

static void actor(eddy_coro *co)
{
    eddy_begin(actor);
    if (self->limit == 0) {
        eddy_catch(self->rc, play.scenario->roles[self->id](co, self->id));
    } else {
        eddy_catch(self->rc,
                   eddy_wait_for(co, self->limit, play.scenario->roles[self->id](co, self->id)));
    }
    play.ended[self->id]++;
    play.result[self->id] = self->rc;
    eddy_end;
}

static bool has_deadline(uint32_t task)
{
    return play.disturbance.kind >= DEADLINE && play.disturbance.kind < ALLOCATION &&
           play.disturbance.task == task;
}

static void start_roles(void)
{
    for (int id = 0; id < MOST_ROLES && play.scenario->roles[id] != NULL; id++) {
        int64_t limit = has_deadline((uint32_t)id + 1) ? play.disturbance.turn * TICK : 0;
        eddy_task task = start(actor, .id = id, .limit = limit);
        play.roles++;
        if (eddy_spawn_failed(task)) {
            scenario_assert(scenario_lacks_memory() && eddy_task_result(task) == -ENOMEM);
            play.ended[id]++;
            play.result[id] = -ENOMEM;
        } else {
            assert_int_equal(eddy_detach(task), 0);
        }
    }
}

/* ---- the disturbance */

struct search {
    uint32_t number; /* 0: all */
    struct eddy_task_record *found;
};

static void search_visitor(struct eddy_task_record *task, void *context)
{
    struct search *search = context;

    if (task->timed.ready.generation == search->number &&
        task->timed.ready.state != EDDY_TASK_DONE_) {
        search->found = task;
    }
}

static bool cancel_number(uint32_t number)
{
    struct search search = {number, NULL};

    if (testing.loop->tasks == NULL) {
        return false;
    }
    eddy_task_each(testing.loop, search_visitor, &search);
    return search.found != NULL && eddy_cancel(eddy_handle(search.found)) == 0;
}

static bool disturb(void)
{
    uint32_t task = play.disturbance.task;
    bool done;

    switch (play.disturbance.kind) {
    case CANCEL_ONCE:
    case CANCEL_AGAIN:
    case DEADLINE_AND_CANCEL:
        return cancel_number(task);
    case CANCEL_TWICE:
        done = cancel_number(task);
        (void)cancel_number(task);
        return done;
    case CANCEL_NEIGHBOUR_TOO:
        done = cancel_number(task);
        return cancel_number(task + 1) || done;
    case DEADLINE:
    case DEADLINE_THEN_CANCEL:
    case CHAOS:
        return play.ended[task - 1] == 0;
    case UNDISTURBED:
    case ALLOCATION:
    case ALLOCATIONS:
        break;
    }
    return false;
}

/* None mostly, but often two or three in a turn; not for ever, so that the end comes. */
static bool cancel_some(void)
{
    bool done = false;

    while (play.cancels < MOST_CANCELS && testing_random(&play.chaos) % 4 == 0) {
        uint32_t spawned = testing.loop->tasks->spawned;
        play.cancels++;
        done |= cancel_number(1 + (uint32_t)(testing_random(&play.chaos) % spawned));
    }
    return done;
}

static bool has_second_cancel(void)
{
    return play.disturbance.kind == DEADLINE_THEN_CANCEL || play.disturbance.kind == CANCEL_AGAIN;
}

static void cancel_visitor(struct eddy_task_record *task, void *context)
{
    (void)context;
    (void)eddy_cancel(eddy_handle(task));
}

/* ---- running */

static uint32_t live(void)
{
    return testing.loop->tasks != NULL ? testing.loop->tasks->live : 0;
}

/* The head of a chunk of the pool. */
enum { CHUNK_HEAD = 4 * sizeof(void *) };

/* While a request is to fail, the pool asks for each block by itself: its next chunk has room for
 * one. (It doubles what it finds here when it has got a chunk.) */
static void *allocate(void *user, void *memory, size_t old_size, size_t new_size)
{
    void *result = testing_allocate(user, memory, old_size, new_size);

    if (play.running && scenario_lacks_memory()) {
        testing.loop->pool.chunk_size = result != NULL ? CHUNK_HEAD / 2 : CHUNK_HEAD;
        testing.loop->pool.slab_size = 1;
    }
    return result;
}

/* The pool has no block in store, so that the next of each class asks the allocator. */
static void empty_pool(void)
{
    struct eddy_pool *pool = &testing.loop->pool;

    memset(pool->free, 0, sizeof pool->free);
    pool->fresh = pool->fresh_end;
    memset(pool->slabs, 0, sizeof pool->slabs);
    memset(pool->empty_slabs, 0, sizeof pool->empty_slabs);
    pool->chunk_size = CHUNK_HEAD;
    pool->slab_size = 1;
}

/* Turns until all tasks have ended. Those that then wait for ever, because one that was to wake
 * them is gone, are cancelled. */
static struct scenario_end run_turns(void)
{
    struct scenario_end end = {0};
    int idle = 0;

    for (; live() > 0; end.turns++) {
        if (end.turns == MOST_TURNS) {
            scenario_failed("it never ends", __FILE__, __LINE__);
        }
        if (scenario_lacks_memory()) {
            empty_pool();
        }
        if (end.turns == play.disturbance.turn && disturb()) {
            end.disturbed = true;
        }
        if (has_second_cancel() && end.turns == play.disturbance.turn + TURNS_BETWEEN) {
            bool done = cancel_number(play.disturbance.task);
            play.cancels += done && end.disturbed;
            end.disturbed |= done;
        }
        if (play.disturbance.kind == CHAOS && cancel_some()) {
            end.disturbed = true;
        }
        idle = testing_turn() > 0 ? 0 : idle + 1;
        if (play.work != NULL) {
            play.work();
        }
        if (idle == PATIENCE) {
            scenario_assert(!play.stopped);
            play.stopped = true;
            eddy_task_each(testing.loop, cancel_visitor, NULL);
        }
        eddy_clock_advance(&testing.clock, TICK);
    }
    end.tasks = testing.loop->tasks != NULL ? testing.loop->tasks->spawned : 0;
    return end;
}

/* ---- what must hold */

/* Whether a cancel may reach the role: it is the one that was cancelled, or may wait for that. */
static bool is_cancelled(uint32_t role)
{
    uint32_t task = play.disturbance.task;

    return role == task || task > play.roles || play.disturbance.kind == CHAOS ||
           (play.disturbance.kind == CANCEL_NEIGHBOUR_TOO &&
            (role == task + 1 || task == play.roles));
}

static bool result_is_right(uint32_t role, int64_t result, bool disturbed)
{
    switch (result) {
    case 0:
        return true;
    case -ENOMEM:
        return scenario_lacks_memory();
    case -ETIMEDOUT: /* a cancel that came first is none */
        return disturbed && has_deadline(role) && (!scenario_deadline_is_last() || play.carried_on);
    case -ECANCELED:
        /* a deadline is never a cancel, neither of its own task nor of another */
        return play.stopped || scenario_lacks_memory() ||
               (disturbed && play.disturbance.kind != DEADLINE && is_cancelled(role));
    default:
        return false;
    }
}

static void check_end(bool disturbed)
{
    for (int id = 0; id < MOST_ROLES && play.scenario->roles[id] != NULL; id++) {
        bool never_began = play.ended[id] == 0 && disturbed &&
                           (play.disturbance.turn == 0 || play.disturbance.kind == CHAOS);
        scenario_assert(play.ended[id] == 1 || never_began);
        if (play.ended[id] == 1 && !result_is_right((uint32_t)id + 1, play.result[id], disturbed)) {
            char text[64];
            snprintf(text, sizeof text, "role %d ended with %s", id,
                     eddy_strerror(play.result[id]));
            scenario_failed(text, __FILE__, __LINE__);
        }
    }
    scenario_assert(play.opened == play.closed);
    scenario_assert(!play.stopped || disturbed || scenario_lacks_memory());
    play.scenario->check();
    scenario_assert(testing.loop->holds == 0 && testing.loop->references == 0);
    if (testing.errors.count != 0 && !scenario_lacks_memory()) {
        scenario_failed(testing.errors.text, __FILE__, __LINE__);
    }
    testing.errors.count = 0;
}

/* Signals and threads are the loop's as long as it lives: what is left open shows afterwards. */
static void free_loop(int fds)
{
    if (play.let_go != NULL) {
        play.let_go();
    }
    testing_free();
    scenario_assert(net_count_open() == fds);
}

struct scenario_end scenario_run(const struct scenario *scenario, struct disturbance disturbance)
{
    struct scenario_end end;
    unsigned calls;
    int fds;

    testing_free();
    fds = net_count_open();
    memset(&play, 0, sizeof play);
    play.scenario = scenario;
    play.disturbance = disturbance;
    play.chaos = disturbance.chaos_seed;
    testing.clock.now = 0;
    testing.options.flags = EDDY_LOOP_CHECK; /* poisoning the stack takes most of the time */
    testing.options.shuffle_seed = disturbance.shuffle_seed;
    testing.options.allocate = allocate;
    assert_int_equal(eddy_loop_new(&testing.loop, &testing.options), 0);
    scenario->set_up();
    calls = testing.memory.calls;
    if (disturbance.kind == ALLOCATION) {
        testing_fail_allocation(disturbance.turn);
    } else if (disturbance.kind == ALLOCATIONS) {
        testing_fail_allocations_from(disturbance.turn);
    }
    if (scenario_lacks_memory()) {
        empty_pool();
    }
    play.running = true;
    start_roles();
    end = run_turns();
    end.allocations = testing.memory.calls - calls;
    end.disturbed =
        end.disturbed || (disturbance.kind >= ALLOCATION && end.allocations >= disturbance.turn);
    play.running = false;
    testing_fail_allocation(0);
    check_end(end.disturbed);
    free_loop(fds);
    assert_int_equal(eddy_loop_new(&testing.loop, &testing.options), 0);
    return end;
}
