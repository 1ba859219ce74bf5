/* Random programs of supervisors, over simulated children and in virtual time. There is no model, but books: each
 * child is reaped once, with the status that it has ended with; what it has written is what was read; none outlives
 * what has spawned it, unless it was let go; nobody waits for ever; no fd is left; and the same seed is the same
 * story. EDDY_TEST_SEED repeats a failure, or tries what nobody has tried; EDDY_TEST_SEEDS says how many seeds from
 * there on; EDDY_TEST_VERBOSE prints what happens. */
#include "support/net.h"
#include "support/simulated_choice.h"
#include "support/tasks.h"

#include <stdlib.h>

#include "eddy/gather.h"
#include "eddy/look.h"

enum { KEEPERS = 4, ROUNDS = 5, SEEDS = 1500, INPUT = 300, MUCH = 100000, LIMIT = 200 };

/* What a keeper does with a child, when it has lived with it for a while. */
enum manner {
    IN_BLOCK, /* eddy_with_process */
    STOPS,
    CLOSES,
    DETACHES,
    RUNS_IT, /* eddy_process_run, and does not live with it */
    MANNERS
};

enum action { WAITS, READS, WRITES, SHUTS, SIGNALS, SLEEPS, ACTIONS };

static struct {
    uint64_t seed;
    eddy_task keepers[KEEPERS];
    int let_go; /* how many children */
    int lost;   /* of those, how many could not be watched, at most */
    bool poor;  /* memory may be out, at whomever's request it is */
    unsigned spawned, cancelled, killed;
} world;

#define check(condition)                                                                     \
    do {                                                                                     \
        if (!(condition)) {                                                                  \
            fail_msg("EDDY_TEST_SEED=%llu: %s", (unsigned long long)world.seed, #condition); \
        }                                                                                    \
    } while (0)

/* ---- keepers */

eddy_frame(keeper) {
    eddy_coro co;
    int rounds;
    enum manner manner;
    struct simulated_child *child;
    struct eddy_process_options options;
    eddy_process process;
    int actions;
    enum action action;
    int64_t limit;
    int64_t since; /* when it begins to be stopped; */
    bool ran;      /* it was not reaped then, */
    bool spared;   /* and nobody had killed it */
    bool stops;    /* what stops it has asked it to end, and so waits for its end in any case */
    int64_t rc;
    unsigned got;  /* bytes that were read of its output */
    unsigned sent; /* that were written to it */
    struct eddy_output output, error;
    size_t input_size; /* of what it runs */
    char bytes[64];
};

static void check_written(const struct simulated_child *child, int stream, unsigned at,
                          const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned n = at + (unsigned)i;
        bool echo = stream == 0 && child->script.echoes;
        check(bytes[i] == (echo ? (char)n : simulated_byte(stream, n)));
    }
}

/* An operation on the process has ended, with its result or an interruption. */
static bool is_interruption(int64_t rc)
{
    return rc == -ETIMEDOUT || rc == -ECANCELED;
}

static void check_status(const struct keeper *self)
{
    check(self->child->state == REAPED);
    check(self->rc == self->child->status);
}

/* What a child reads are the numbers from 0 on. */
static void fill(char *bytes, size_t size, unsigned from)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (char)(from + i);
    }
}

static int64_t begin_write(eddy_coro *co, struct keeper *self)
{
    fill(self->bytes, sizeof self->bytes, self->sent);
    return eddy_write(co, &self->process.input, self->bytes, sizeof self->bytes);
}

static int64_t begin_action(eddy_coro *co, struct keeper *self)
{
    static const int signals[] = {SIGTERM, SIGSTOP, SIGCONT, SIGKILL, SIGUSR1};
    int result;

    switch (self->action) {
    case WAITS:
        return eddy_process_wait(co, &self->process);
    case READS:
        return eddy_read(co, &self->process.output, self->bytes, sizeof self->bytes);
    case WRITES:
        return begin_write(co, self);
    case SHUTS:
        eddy_stream_close(&self->process.input);
        break;
    case SIGNALS:
        result = eddy_process_signal(&self->process, signals[below(5)]);
        check(result == 0 || (result == -ESRCH && self->child->state == REAPED) ||
              (result == -EPERM && self->child->script.untouchable));
        break;
    case SLEEPS:
    case ACTIONS:
        return eddy_sleep(co, below_time(50));
    }
    return eddy_pause(co);
}

static void check_action(struct keeper *self)
{
    if (self->action == WAITS && !is_interruption(self->rc)) {
        check_status(self);
    } else if (self->action == READS && self->rc >= 0) {
        check_written(self->child, 0, self->got, self->bytes, (size_t)self->rc);
        self->got += (unsigned)self->rc;
        check(self->rc > 0 || self->got == self->child->sent[0]);
    } else if (self->action == READS) {
        check(is_interruption(self->rc) || self->rc == -EBADF);
    } else if (self->action == WRITES) {
        self->sent += (unsigned)eddy_stream_written(&self->process.input);
        check(self->rc == sizeof self->bytes || is_interruption(self->rc) || self->rc == -EBADF ||
              self->rc == -EPIPE);
    }
}

eddy_frame_of(lives, struct keeper *keeper);

static void lives(eddy_coro *co)
{
    eddy_begin(lives);
    for (self->keeper->actions = (int)below(6); self->keeper->actions > 0;
         self->keeper->actions--) {
        self->keeper->action = (enum action)below(ACTIONS);
        self->keeper->limit = 1 + below_time(80);
        eddy_catch(self->keeper->rc,
                   eddy_wait_for(co, self->keeper->limit, begin_action(co, self->keeper)));
        check_action(self->keeper);
        if (self->keeper->rc == -ECANCELED) {
            eddy_return(-ECANCELED);
        }
    }
    eddy_end;
}

/* Waits too, whatever else is done with the process. */
eddy_frame_of(witnesses, struct keeper *keeper, int64_t rc);

static void witnesses(eddy_coro *co)
{
    eddy_begin(witnesses);
    eddy_catch(self->rc, eddy_process_wait(co, &self->keeper->process));
    check(self->rc == -EBADF || self->rc == -ECANCELED ||
          (self->keeper->child->state == REAPED && self->rc == self->keeper->child->status));
    eddy_end;
}

static void begin_stop(struct keeper *self)
{
    self->since = eddy_loop_now(testing.loop);
    self->ran = self->child->state != REAPED;
    self->spared = self->child->killed == EDDY_FOREVER;
    self->child->asked = false;
}

/* It was stopped: it had its grace, and no more. */
static void check_stopped(const struct keeper *self, int64_t grace)
{
    check_status(self);
    if (self->child->script.untouchable) {
        return;
    }
    check(eddy_loop_now(testing.loop) - self->since <= grace + self->child->script.kill_delay);
    check(!self->spared || self->child->script.term == TERM_IGNORED ||
          self->child->script.term_delay >= grace || self->child->killed == EDDY_FOREVER);
    check(!self->child->group || !self->child->in_background || !self->ran);
}

eddy_frame_of(keeps, struct keeper *keeper, eddy_task witness, int64_t rc);

static void keeps(eddy_coro *co)
{
    eddy_begin(keeps);
    eddy_await(eddy_process_spawn(co, &self->keeper->process, &self->keeper->options));
    end_faults();
    check(self->keeper->child->state != NOT_SPAWNED);
    self->witness = eddy_spawn(co, witnesses, .keeper = self->keeper);
    eddy_await(eddy_call(co, lives, .keeper = self->keeper));
    if (self->keeper->manner == STOPS) {
        begin_stop(self->keeper);
        self->keeper->limit = below_time(80);
        eddy_catch(self->rc, eddy_process_stop(co, &self->keeper->process, self->keeper->limit));
        self->keeper->stops = self->keeper->child->asked;
        self->keeper->rc = self->rc;
        if (self->rc < 0) {
            eddy_return(self->rc);
        }
        check_stopped(self->keeper, self->keeper->limit);
    } else if (self->keeper->manner == DETACHES) {
        world.let_go++;
        check(eddy_process_detach(&self->keeper->process) == 0);
    }
eddy_finally:
    end_faults();
    eddy_process_close(&self->keeper->process);
    eddy_catch(self->rc, eddy_join(co, self->witness)); /* -ESRCH: there is none */
    eddy_end;
}

eddy_frame_of(keeps_in_block, struct keeper *keeper);

static void keeps_in_block(eddy_coro *co)
{
    eddy_begin(keeps_in_block);
    eddy_with_process(&self->keeper->process,
                      eddy_process_spawn(co, &self->keeper->process, &self->keeper->options))
    {
        end_faults();
        eddy_await(eddy_call(co, lives, .keeper = self->keeper));
        begin_stop(self->keeper);
    }
    if (self->keeper->child->state == REAPED && self->keeper->rc >= 0) {
        self->keeper->rc = self->keeper->child->status;
        check_stopped(self->keeper, self->keeper->options.grace);
    }
eddy_finally:
    end_faults();
    eddy_end;
}

static int64_t begin_run(eddy_coro *co, struct keeper *self)
{
    static char input[MUCH]; /* more than a pipe takes */

    if (input[1] == 0) {
        fill(input, sizeof input, 0);
    }
    self->output = (struct eddy_output){.limit = below(3) == 0 ? 1 + below(LIMIT) : 10000};
    self->error = (struct eddy_output){.limit = 10000};
    self->input_size = below(2) == 0 ? 0 : below(4) > 0 ? INPUT : MUCH;
    return eddy_process_run(co, &self->options, self->input_size > 0 ? input : NULL,
                            self->input_size, &self->output, &self->error);
}

static int64_t begin_round(eddy_coro *co, struct keeper *self)
{
    return self->manner == RUNS_IT    ? begin_run(co, self)
           : self->manner == IN_BLOCK ? eddy_call(co, keeps_in_block, .keeper = self)
                                      : eddy_call(co, keeps, .keeper = self);
}

static void check_run(const struct keeper *self)
{
    const struct simulated_child *child = self->child;

    check_written(child, 0, 0, self->output.bytes, self->output.size);
    check_written(child, 1, 0, self->error.bytes, self->error.size);
    check(self->output.size <= child->sent[0] && self->output.size <= self->output.limit);
    check(self->error.size <= child->sent[1]);
    if (self->rc >= 0) {
        check_status(self);
        check(!child->at_end || child->script.appetite < UINT_MAX ||
              child->got == self->input_size);
        check(self->output.size == child->sent[0] && self->error.size == child->sent[1]);
    }
    check(self->rc != -EFBIG || self->output.size == self->output.limit);
}

/* Nothing is left of it, unless it was closed while it ran, or let go: then the loop has it alone. */
static void check_round(struct keeper *self)
{
    const struct simulated_child *child = self->child;

    simulated_trace(child, "round", self->rc);
    check(!eddy_process_is_open(&self->process));
    if (self->manner == RUNS_IT) {
        check_run(self);
    }
    if (child->script.untouchable) {
        world.let_go++;
        world.lost += child->state != NOT_SPAWNED && (self->rc == -ENOSPC || self->rc == -ENOMEM);
    } else if (child->state == RUNS && self->manner != DETACHES) {
        check(self->manner == CLOSES || (self->manner == STOPS && !self->stops));
        check(child->killed != EDDY_FOREVER);
    }
    check(self->rc >= 0 || is_interruption(self->rc) || self->rc == child->script.error ||
          self->rc == -EMFILE || self->rc == -ENOSPC || (world.poor && self->rc == -ENOMEM) ||
          (self->manner == RUNS_IT && self->rc == -EFBIG) ||
          (child->script.untouchable && self->rc == -EPERM));
    check(child->script.error == 0 || child->state == NOT_SPAWNED);
    world.spawned += child->state != NOT_SPAWNED;
    world.killed += child->killed != EDDY_FOREVER;
    world.cancelled += is_interruption(self->rc);
}

static void keeper(eddy_coro *co)
{
    eddy_begin(keeper);
    for (self->rounds = ROUNDS; self->rounds > 0; self->rounds--) {
        self->child = choose_child();
        self->options = choose_options(self->child);
        self->manner = (enum manner)below(MANNERS);
        self->got = self->sent = 0;
        self->stops = false;
        self->output = self->error = (struct eddy_output){0};
        world.poor = choose_fault() || world.poor;
        eddy_catch(self->rc, eddy_wait_for(co, 1 + below_time(600), begin_round(co, self)));
        end_faults();
        check_round(self);
        eddy_output_free(eddy_loop_of(co), &self->output);
        eddy_output_free(eddy_loop_of(co), &self->error);
    }
    eddy_end;
}

/* Cancels somebody now and then. */
eddy_frame_of(troubles, int times);

static void troubles(eddy_coro *co)
{
    eddy_begin(troubles);
    for (self->times = (int)below(8); self->times > 0; self->times--) {
        eddy_await(eddy_sleep(co, below_time(200)));
        (void)eddy_cancel(world.keepers[below(KEEPERS)]);
    }
    eddy_end;
}

eddy_frame_of(supervises, int64_t rc);

static void supervises(eddy_coro *co)
{
    eddy_begin(supervises);
    (void)eddy_detach(eddy_spawn(co, troubles));
    eddy_catch(self->rc, eddy_wait_for(co, 3600 * EDDY_SECOND,
                                       eddy_wait_tasks(co, world.keepers, KEEPERS, EDDY_WAIT_ALL)));
    check(self->rc != -ETIMEDOUT); /* nobody waits for ever */
    eddy_end;
}

/* ---- worlds */

/* Nobody has a child any more but the loop, which has those that were let go, and reaps what was killed. */
static void check_left(void)
{
    struct eddy_metrics metrics;

    check(run(sleeps, .seconds = 1) == 0);
    eddy_loop_metrics(testing.loop, &metrics);
    check(metrics.children <= (uint64_t)simulated_left() &&
          metrics.children + (uint64_t)world.lost >= (uint64_t)simulated_left());
    check(simulated_left() <= world.let_go);
}

static void end_well(void)
{
    check(run(supervises) == 0);
    for (int i = 0; i < KEEPERS; i++) {
        check(finish(world.keepers[i]) == 0);
    }
    check_left();
}

eddy_frame_of(waits_a_while, int64_t duration);

static void waits_a_while(eddy_coro *co)
{
    eddy_begin(waits_a_while);
    eddy_await(eddy_sleep(co, self->duration));
    eddy_end;
}

/* The loop ends in the midst of it: all are cancelled, and end their children. */
static void end_early(void)
{
    (void)eddy_detach(start(supervises));
    check(run(waits_a_while, .duration = below_time(300)) == 0);
}

static uint64_t live_through(uint64_t seed)
{
    int before;

    testing_free();
    before = net_count_open();
    world.seed = chosen = seed;
    world.let_go = world.lost = 0;
    world.poor = false;
    testing.clock.now = 0;
    testing.options.flags = EDDY_LOOP_CHECK;
    testing.options.shuffle_seed = seed % 2 == 0 ? seed : 0;
    testing_reopen();
    simulate_children(seed);
    for (int i = 0; i < KEEPERS; i++) {
        world.keepers[i] = start(keeper);
    }
    if (seed % 7 == 0) {
        end_early();
    } else {
        end_well();
    }
    testing_free();
    check(testing.errors.count == 0 || world.let_go > 0);
    testing.errors.count = 0;
    check(simulated_left() <= world.let_go);
    forget_simulated_children();
    check(net_count_open() == before);
    return simulated.trace;
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

test(random_supervisors_lose_no_child)
{
    uint64_t seed = number_of("EDDY_TEST_SEED", 1);
    uint64_t end =
        seed + number_of("EDDY_TEST_SEEDS", getenv("EDDY_TEST_SEED") != NULL ? 1 : SEEDS);

    for (; seed < end; seed++) {
        uint64_t trace = live_through(seed);
        check(seed % 16 > 0 || live_through(seed) == trace);
    }
    printf("%u children, %u killed; %u times cancelled or timed out\n", world.spawned, world.killed,
           world.cancelled);
}

/* Also of what is no check of a world's. */
static int teardown(void **state)
{
    if (testing.failed) {
        fprintf(stderr, "failed with EDDY_TEST_SEED=%llu\n", (unsigned long long)world.seed);
    }
    return testing_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_supervisors_lose_no_child, testing_setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
