/* A world: its loop, how that is run, and how it ends. */
#include "driver.h"

#include <stdlib.h>
#include <unistd.h>

#include "loop/loop_internal.h"

struct world world;
bool driver_verbose;

enum way { TO_THE_END, SOME_TURNS, UNTIL_THE_FIRST, UNSUPERVISED, WAYS };

void driver_fail(const char *format, ...)
{
    va_list arguments;

    fflush(stdout);
    fprintf(stderr, "driver: seed %llu, step %ld: ", (unsigned long long)world.seed,
            world.steps - world.steps_left);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    if (driver_verbose && world.loop != NULL) {
        eddy_loop_dump(world.loop, stderr);
    }
    abort();
}

void driver_trace(const char *format, ...)
{
    va_list arguments;

    if (driver_verbose) {
        fprintf(stderr, "%8.3f ms  ", (double)world.clock.now / 1e6);
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fprintf(stderr, "\n");
    }
}

/* Often the same, so that much falls into one turn. */
int64_t some_time(void)
{
    static const int64_t times[] = {0, 1, 1, 2, 3, 5, 8, 20};

    return times[below(sizeof times / sizeof *times)] * EDDY_MILLISECOND;
}

/* ---- what the loop calls */

static void on_error(eddy_loop *loop, eddy_task task, int64_t code, const char *text)
{
    (void)task;
    require(code < 0 && text != NULL);
    driver_trace("told: %s", text);
    if (one_in(4)) {
        require(eddy_loop_dump(loop, world.nowhere) == 0);
    }
}

static void look_for_circle(const struct eddy_task_info *info, void *user)
{
    *(bool *)user |= info->circle != 0;
}

/* A program may be such that its cleanups wait for each other: then the loop's end cuts them off. */
static void give_up(void)
{
    bool circle = false;

    require(eddy_loop_inspect(world.loop, look_for_circle, &circle) == 0);
    if (!circle && !world.circles) { /* there cleanups may have to look again and again */
        driver_fail("it does not end");
    }
    world.stuck = true;
    eddy_loop_stop(world.loop);
}

/* Ends the waits that nobody else ends, until there are no tasks. */
static void supervise(eddy_timer *timer)
{
    struct eddy_metrics metrics;

    world.rounds = world.steps_left == world.steps_seen ? world.rounds + 1 : 0;
    world.steps_seen = world.steps_left;
    if (world.rounds == ROUNDS) {
        give_up();
        return;
    }
    world.memory.fail_at = 0;
    eddy_loop_metrics(world.loop, &metrics);
    if (metrics.live == 0) {
        return;
    }
    for (int i = 0; i < world.task_count; i++) {
        if (world.steps_left == 0 || one_in(16)) {
            cancel(&world.tasks[i]);
        }
    }
    require(eddy_timer_start(world.loop, timer, 25 * EDDY_MILLISECOND, supervise) == 0);
}

static void spawn_first(void)
{
    struct tracked *tracked = track();

    if (tracked != NULL) {
        tracked_started(
            tracked, eddy_loop_spawn(world.loop, program, .node = TASK_OF(tracked, NULL, -1, 0)));
    }
}

/* A world is busy until it has no steps left. */
static void after_a_turn(eddy_hook *hook)
{
    struct eddy_metrics metrics;

    (void)hook;
    world.memory.fail_at = 0;
    eddy_loop_metrics(world.loop, &metrics);
    if (world.steps_left > 0 && metrics.live < BUSY && !world.ending) {
        spawn_first();
    }
    if (++world.turns > TURNS) {
        driver_fail("it does not end");
    }
}

/* ---- a world begins */

static void choose_options(void)
{
    world.options.allocate = testing_allocate;
    world.options.allocate_user = &world.memory;
    world.options.clock = &world.clock;
    world.options.on_error = on_error;
    world.options.flags = EDDY_LOOP_CHECK | (one_in(4) ? EDDY_LOOP_REPORT_LEAKS : 0u) |
                          (one_in(8) ? EDDY_LOOP_POISON_STACK : 0u);
    world.options.shuffle_seed = one_in(2) ? world.seed : 0;
    world.options.shutdown_timeout = one_in(2) ? EDDY_SECOND : 20 * EDDY_MILLISECOND;
    world.jumps = one_in(4);
    world.faults = one_in(3);
    world.circles = one_in(4);
    world.slow_cleanups = one_in(6);
    for (size_t i = 0; i < sizeof world.weights / sizeof *world.weights; i++) {
        world.weights[i] = one_in(3) ? 0 : 1 + below(4);
    }
}

static void begin(void)
{
    eddy_clock_init(&world.clock, EDDY_CLOCK_VIRTUAL);
    choose_options();
    require(eddy_loop_new(&world.loop, &world.options) == 0);
    eddy_hook_start(world.loop, &world.hook, EDDY_HOOK_CHECK, after_a_turn);
    box_open(&world.box);
    for (unsigned i = 1 + below(4); i > 0; i--) {
        spawn_first();
    }
    world.runs = true;
}

/* ---- it runs */

/* The supervisor leaves when there are no tasks; some may be started afterwards. */
static void run_to_the_end(void)
{
    bool again = true;

    while (again) {
        int rc;
        world.stopped = false;
        require(eddy_timer_start(world.loop, &world.supervisor, 25 * EDDY_MILLISECOND, supervise) ==
                0);
        rc = eddy_loop_run(world.loop);
        again = !world.stuck && (rc == -EDEADLK || world.stopped);
        require(rc == 0 || (rc == -EDEADLK && !eddy_timer_started(&world.supervisor)));
    }
}

/* A budget would be real time, and make no two runs alike. */
static void run_some_turns(void)
{
    for (unsigned turns = below(300); turns > 0; turns--) {
        int64_t wait = one_in(2) ? 0 : 5 * EDDY_MILLISECOND;
        require(eddy_loop_poll_once(world.loop, wait, one_in(2) ? 0 : EDDY_FOREVER) >= 0);
    }
}

static void run_until_the_first(void)
{
    int64_t rc;

    require(eddy_timer_start(world.loop, &world.supervisor, 25 * EDDY_MILLISECOND, supervise) == 0);
    rc = eddy_loop_run_until(world.loop, world.tasks[0].task);

    if (rc != -EBUSY && rc != -ESRCH && rc != -EDEADLK && rc != -EINTR) {
        require_result(&world.tasks[0], rc);
    }
}

/* The loop says of itself that nothing can happen, and is right. */
static void run_unsupervised(void)
{
    struct eddy_metrics metrics;
    int rc;

    do {
        world.stopped = false;
        rc = eddy_loop_run(world.loop);
    } while (rc == 0 && world.stopped);
    eddy_loop_metrics(world.loop, &metrics);
    require(rc == 0 || rc == -EDEADLK);
    require(metrics.ready == 0 && eddy_loop_next_deadline(world.loop) == EDDY_FOREVER);
    require(metrics.live == metrics.waiting && (metrics.live == 0) == (rc == 0));
}

/* ---- it ends */

#ifdef EDDY_POOL_POISONED
#include <sanitizer/asan_interface.h>

/* As src/base/chunk.h and slab.c have them, their first fields. */
struct chunk {
    struct chunk *next, *prev;
    size_t size, padding;
};

struct slab {
    struct chunk chunk;
    struct slab *next;
};

static bool is_an_empty_slab(const struct chunk *chunk)
{
    for (int size = 0; size < EDDY_POOL_SLABS; size++) {
        const struct slab *slab =
            (const struct slab *)(const void *)world.loop->pool.empty_slabs[size];
        while (slab != NULL && &slab->chunk != chunk) {
            slab = slab->next;
        }
        if (slab != NULL) {
            return true;
        }
    }
    return false;
}

/* The bytes of the pool that are taken. Only AddressSanitizer knows. */
static size_t pool_taken(void)
{
    const struct chunk *chunk = (const struct chunk *)(const void *)world.loop->pool.chunks;
    size_t taken = 0;

    for (; chunk != NULL; chunk = chunk->next) {
        const char *at = (const char *)(chunk + 1);
        const char *end = is_an_empty_slab(chunk) ? at : (const char *)chunk + chunk->size;
        for (; at < end; at += EDDY_POOL_STEP) {
            taken += __asan_address_is_poisoned(at) ? 0 : EDDY_POOL_STEP;
        }
    }
    return taken;
}
#else
static size_t pool_taken(void)
{
    return 0;
}
#endif

eddy_frame_of(closing, int64_t rc);

static void closing(eddy_coro *co)
{
    eddy_begin(closing);
    eddy_catch(self->rc, eddy_group_wait(co, &world.group));
    eddy_end;
}

/* All tasks have ended, and the group's results are taken: nothing is left of them. */
static void check_end(void)
{
    size_t lost;

    world.steps_left = 0;
    require(eddy_loop_run_until(world.loop, eddy_loop_spawn(world.loop, closing)) == 0);
    for (int i = 0; i < world.task_count; i++) {
        struct tracked *tracked = &world.tasks[i];
        require(eddy_task_done(tracked->task));
        require(tracked->ended || !tracked->began);
        require(tracked->node == NULL && !tracked->must_be_told);
        eddy_detach(tracked->task);
    }
    require(world.group.count == 0);
    for (int i = 0; i < OUTSIDERS; i++) {
        require(!world.sent[i]);
    }
    box_close(&world.box, true);
    lost = pool_taken();
    if (lost > 0) {
        driver_fail("%zu bytes of the pool are lost", lost);
    }
}

/* After the loop's end all structs are the caller's again. */
static void use_again(void)
{
    require(!eddy_timer_started(&world.supervisor));
    for (int i = 0; i < OUTSIDERS; i++) {
        require(!eddy_timer_started(&world.timers[i]));
        eddy_timer_stop(&world.timers[i]);
        eddy_callback_stop(&world.callbacks[i]);
    }
    for (int i = 0; i < world.task_count; i++) {
        eddy_done_callback_stop(&world.tasks[i].done);
    }
    eddy_group_cancel(&world.group);

    require(eddy_group_count(&world.group) == 0);
    eddy_event_set(&world.box.event);
    eddy_future_set(&world.box.future, 0);
    eddy_barrier_abort(&world.box.barrier);
    eddy_semaphore_release(&world.box.semaphore);
    eddy_queue_fini(&world.box.queue);
}

static void end(void)
{
    struct eddy_metrics metrics;
    int rc;

    eddy_loop_metrics(world.loop, &metrics);
    if (metrics.live == 0 && metrics.ready == 0) {
        check_end();
    }
    world.ending = true;
    world.memory.fail_at = 0;
    rc = eddy_loop_free(world.loop);
    world.loop = NULL;
    driver_trace("the loop ends: %d", rc);
    require(rc == 0 || rc == -ETIMEDOUT);
    for (int i = 0; i < world.task_count && rc == 0; i++) {
        require(world.tasks[i].ended || !world.tasks[i].began);
    }
    if (world.memory.bytes != 0) {
        driver_fail("%zu bytes are lost", world.memory.bytes);
    }
    use_again();
}

void world_run(uint64_t seed, long steps)
{
    static FILE *nowhere;
    enum way way;

    if (nowhere == NULL) {
        nowhere = fopen("/dev/null", "w");
    }
    memset(&world, 0, sizeof world);
    world.nowhere = nowhere;
    world.seed = seed;
    world.random = seed;
    world.steps = world.steps_left = steps;
    begin();
    way = (enum way)below(WAYS);
    if (world.circles && way == UNSUPERVISED) {
        way = TO_THE_END; /* cleanups may look for ever whether others have let go */
    }
    switch (way) {
    case TO_THE_END:
        run_to_the_end();
        break;
    case SOME_TURNS:
        run_some_turns();
        break;
    case UNTIL_THE_FIRST:
        run_until_the_first();
        break;
    case UNSUPERVISED:
    case WAYS:
        run_unsupervised();
        break;
    }
    end();
}
