/* A cancel or a deadline that is pending when a task begins to wait for other tasks: they are taken
 * over all the same, so that none runs on in a frame that ends. One table by hand, and a random
 * driver of trees of tasks in which interrupts come at any moment. */
#include "support/net.h"
#include "support/tasks.h"

#include <stdlib.h>
#include <unistd.h>

#include "eddy/event.h"
#include "eddy/gather.h"
#include "eddy/group.h"
#include "eddy/server.h"

/* ---- every wait that owns tasks, and how its tasks answer */

enum way { JOIN, GATHER, GATHER_ALL, GROUP, BLOCK, BLOCK_OF_MORE, SERVER, WAYS };
enum answer { OBEYS, SWALLOWS, HAS_ENDED, HAS_FAILED, WAS_CANCELLED, ANSWERS };

static const char *const way_names[] = {"join",  "gather",        "gather all", "group",
                                        "block", "block of more", "server"};
static const char *const answer_names[] = {"obeys", "swallows", "has ended", "has failed",
                                           "was cancelled"};

static eddy_event gate;
static eddy_server server;
static int peer;
static int runs; /* children that have begun and not ended */

/* Writes into its parent's frame when it ends, in its cleanup, a second after it was asked to. */
eddy_frame(child) {
    eddy_coro co;
    enum answer answer;
    int *written;
    int64_t rc;
};

static void child(eddy_coro *co)
{
    eddy_begin(child);
    runs++;
    if (self->answer == HAS_FAILED) {
        eddy_return(-EIO);
    } else if (self->answer == OBEYS) {
        eddy_await(eddy_sleep(co, 9 * EDDY_SECOND));
    } else if (self->answer == SWALLOWS) {
        eddy_catch(self->rc, eddy_sleep(co, 9 * EDDY_SECOND));
        eddy_return(7);
    }
    eddy_return(self->answer == WAS_CANCELLED ? -ECANCELED : 7);
eddy_finally:
    if (self->answer < HAS_ENDED) {
        eddy_await(eddy_sleep(co, EDDY_SECOND));
    }
    ++*self->written;
    runs--;
    eddy_end;
}

static enum answer of_clients;
static int written_by_clients;

eddy_frame(handler) {
    eddy_coro co;
    eddy_stream *stream;
};

static void handler(eddy_coro *co)
{
    eddy_begin(handler);
    eddy_await(eddy_call(co, child, .answer = of_clients, .written = &written_by_clients));
    eddy_end;
}

eddy_frame(parent) {
    eddy_coro co;
    enum way way;
    enum answer answer;
    int written;
    eddy_task task;
    int64_t result;
    eddy_group group;
    int64_t rc;
};

static void parent(eddy_coro *co)
{
    eddy_begin(parent);
    if (self->way == SERVER) {
        eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, handler));
        peer = net_connect(eddy_server_port(&server));
    } else if (self->way >= GROUP) {
        eddy_group_spawn(co, &self->group, child, .answer = self->answer,
                         .written = &self->written);
    } else {
        self->task = eddy_spawn(co, child, .answer = self->answer, .written = &self->written);
    }
    eddy_await(eddy_event_wait(co, &gate));
    if (self->way == JOIN) {
        eddy_await(self->rc, eddy_join(co, self->task));
    } else if (self->way == GATHER) {
        eddy_await(self->rc, eddy_gather(co, &self->task, 1));
    } else if (self->way == GATHER_ALL) {
        eddy_await(self->rc, eddy_gather_all(co, &self->task, 1, &self->result));
    } else if (self->way == GROUP) {
        eddy_await(self->rc, eddy_group_wait(co, &self->group));
    } else if (self->way == BLOCK) {
        eddy_with_group(&self->group) {}
    } else if (self->way == BLOCK_OF_MORE) {
        eddy_with_group(&self->group) {
            eddy_await(eddy_sleep(co, 5 * EDDY_SECOND));
        }
    } else {
        eddy_await(eddy_server_wait_closed(co, &server));
    }
    eddy_return(self->rc);
eddy_finally:
    assert_int_equal(runs, 0);
    assert_int_equal(self->way == SERVER ? written_by_clients : self->written, 1);
    eddy_end;
}

/* Goes on after it, to see whether anything is left to be delivered. */
eddy_frame(grandparent) {
    eddy_coro co;
    enum way way;
    enum answer answer;
    bool limited;
    int64_t rc;
};

static void grandparent(eddy_coro *co)
{
    eddy_begin(grandparent);
    eddy_with_timeout(self->limited ? 3 * EDDY_SECOND : EDDY_FOREVER) {
        eddy_catch(self->rc, eddy_call(co, parent, .way = self->way, .answer = self->answer));
        log_end("it", self->rc);
        eddy_catch(self->rc, give(co, 0));
        log_end("next", self->rc);
    }
    eddy_end;
}

static void begin_parent(enum way way, enum answer answer, bool limited, eddy_task *task)
{
    eddy_event_init(&gate);
    memset(&server, 0, sizeof server);
    peer = -1;
    written_by_clients = 0;
    of_clients = answer;
    *task = start(grandparent, .way = way, .answer = answer, .limited = limited);
    testing_turns();
    while (way == SERVER && server.accepted == 0) {
        testing_turns();
    }
    testing_turns();
}

/* The parent is woken with a result, and what interrupts it comes in the same turn. */
static void interrupt_parent(eddy_task task, bool limited)
{
    eddy_event_set(&gate);
    if (limited) {
        eddy_clock_advance(&testing.clock, 3 * EDDY_SECOND);
    } else {
        assert_int_equal(eddy_cancel(task), 0);
    }
    testing_turns();
    eddy_clock_advance(&testing.clock, EDDY_SECOND); /* for the cleanup of the child */
    testing_turns();
}

/* What it gets, and what the await after it gets. `at` is when an interrupt comes. */
static void expect(enum way way, enum answer answer, char *text, int at)
{
    static const char *const results[WAYS][ANSWERS] = {
        [JOIN] = {"ECANCELED", "7", "7", "EIO", "ECANCELED"},
        [GATHER] = {"ECANCELED", "0", "0", "EIO", "ECANCELED"},
        [GATHER_ALL] = {"ECANCELED", "0", "0", "1", "1"},
        [GROUP] = {"ECANCELED", "0", "0", "EIO", NULL},
        [BLOCK] = {"ECANCELED", "0", "0", "EIO", NULL},
        [BLOCK_OF_MORE] = {"ECANCELED", "ECANCELED", "ECANCELED", "ECANCELED", "ECANCELED"},
        [SERVER] = {"ECANCELED", "ECANCELED", NULL, NULL, NULL},
    };
    const char *result = results[way][answer];
    bool waits = answer < HAS_ENDED;

    text[0] = '\0';
    if (result != NULL) {
        const char *next = strcmp(result, "ECANCELED") == 0 ? "0" : "ECANCELED";
        int end = waits ? at + 1 : at;
        sprintf(text, "it=%s@%d next=%s@%d", result, end, next, end);
    }
}

static void interrupt_in_each_way(bool limited)
{
    char expected[80];
    eddy_task task;

    for (enum way way = JOIN; way < WAYS; way++) {
        for (enum answer answer = OBEYS; answer < ANSWERS; answer++) {
            testing_reopen_with(EDDY_CLOCK_MANUAL, EDDY_LOOP_POISON_STACK);
            expect(way, answer, expected, seconds() + (limited ? 3 : 0));
            if (expected[0] == '\0') {
                continue;
            }
            begin_parent(way, answer, limited, &task);
            interrupt_parent(task, limited);
            if (strcmp(testing.log + 1, expected) != 0 && strcmp(testing.log, expected) != 0) {
                fail_msg("%s whose task %s: \"%s\" and not \"%s\"", way_names[way],
                         answer_names[answer], testing.log, expected);
            }
            testing.log[0] = '\0';
            (void)finish(task);
            if (way == BLOCK_OF_MORE && answer == HAS_FAILED) {
                assert_told(-EIO, "failing already"); /* in the block a cancel goes first */
            }
            if (peer >= 0) {
                close(peer);
            }
        }
    }
}

test(a_pending_cancel_leaves_no_task_behind)
{
    interrupt_in_each_way(false);
}

test(a_pending_deadline_leaves_no_task_behind)
{
    interrupt_in_each_way(true);
}

/* ---- no memory for the deadline */

eddy_frame(limits_its_wait) {
    eddy_coro co;
    enum way way;
    enum answer answer;
    unsigned k; /* of the requests for memory fail */
    int written;
    eddy_task task;
    int64_t result;
    eddy_group group;
    int64_t rc;
};

/* Only what is asked for its two deadlines fails, from the k-th on. */
#define LIMITED(operation)                                    \
    (use_up_memory(), testing_fail_allocations_from(self->k), \
     eddy_wait_for(co, EDDY_FOREVER,                          \
                   eddy_wait_for(co, 3 * EDDY_SECOND, (testing_fail_allocation(0), operation))))

static void limits_its_wait(eddy_coro *co)
{
    eddy_begin(limits_its_wait);
    if (self->way == SERVER) {
        eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, handler));
        peer = net_connect(eddy_server_port(&server));
    } else if (self->way >= GROUP) {
        eddy_group_spawn(co, &self->group, child, .answer = self->answer,
                         .written = &self->written);
    } else {
        self->task = eddy_spawn(co, child, .answer = self->answer, .written = &self->written);
    }
    eddy_await(eddy_event_wait(co, &gate));
    if (self->way == JOIN) {
        eddy_catch(self->rc, LIMITED(eddy_join(co, self->task)));
    } else if (self->way == GATHER) {
        eddy_catch(self->rc, LIMITED(eddy_gather(co, &self->task, 1)));
    } else if (self->way == GATHER_ALL) {
        eddy_catch(self->rc, LIMITED(eddy_gather_all(co, &self->task, 1, &self->result)));
    } else if (self->way == GROUP) {
        eddy_catch(self->rc, LIMITED(eddy_group_wait(co, &self->group)));
    } else {
        eddy_catch(self->rc, LIMITED(eddy_server_wait_closed(co, &server)));
    }
    log_end("it", self->rc);
    eddy_catch(self->rc, give(co, 0));
    log_end("next", self->rc);
    assert_int_equal(runs, 0);
    assert_int_equal(self->way == SERVER ? written_by_clients : self->written, 1);
    eddy_end;
}

/* True if the k-th request was one for the deadline. */
static bool fails_for_want_of_memory(enum way way, enum answer answer, unsigned k)
{
    const char *result = answer == OBEYS || way == SERVER ? "ENOMEM" : way == JOIN ? "7" : "0";
    char expected[80];
    eddy_task task;
    bool failed;

    testing_reopen_with(EDDY_CLOCK_MANUAL, EDDY_LOOP_POISON_STACK);
    eddy_event_init(&gate);
    memset(&server, 0, sizeof server);
    peer = -1;
    written_by_clients = 0;
    of_clients = answer;
    task = start(limits_its_wait, .way = way, .answer = answer, .k = k);
    testing_turns();
    while (way == SERVER && server.accepted == 0) {
        testing_turns();
    }
    testing_turns();
    sprintf(expected, "it=%s@%d next=0@%d", result, seconds() + 1, seconds() + 1);
    eddy_event_set(&gate);
    testing_turns();
    eddy_clock_advance(&testing.clock, EDDY_SECOND); /* for the cleanup of the child */
    testing_turns();
    failed = eddy_task_done(task);
    if (failed && strcmp(testing.log + (testing.log[0] == ' '), expected) != 0) {
        fail_msg("%s whose task %s, %u: \"%s\" and not \"%s\"", way_names[way],
                 answer_names[answer], k, testing.log, expected);
    }
    for (int i = 0; i < 20 && !eddy_task_done(task); i++) { /* with memory it goes on as ever */
        eddy_clock_advance(&testing.clock, EDDY_SECOND);
        testing_turns();
    }
    testing.log[0] = '\0';
    (void)finish(task);
    if (peer >= 0) {
        close(peer);
    }
    return failed;
}

eddy_frame(opens_the_block) {
    eddy_coro co;
    enum answer answer;
    int written;
    eddy_group group;
};

/* And none for a limit over its block. */
static void leave_memory_for_one_scope(void)
{
    struct eddy_pool *pool = (struct eddy_pool *)(void *)testing.loop; /* a loop begins with it */
    unsigned pool_class;
    void *block = eddy_pool_take(pool, sizeof(struct eddy_scope), &pool_class);

    use_up_memory();
    eddy_pool_give(pool, block, pool_class);
}

static void opens_the_block(eddy_coro *co)
{
    eddy_begin(opens_the_block);
    eddy_group_spawn(co, &self->group, child, .answer = self->answer, .written = &self->written);
    eddy_await(eddy_event_wait(co, &gate));
    leave_memory_for_one_scope();
    eddy_with_group(&self->group) {
        testing_log("body");
    }
eddy_finally:
    log_end("left", co->outcome);
    assert_int_equal(runs, 0);
    assert_int_equal(self->written, 1);
    eddy_end;
}

test(without_memory_for_its_block_no_task_of_a_group_is_left_behind)
{
    eddy_task task;

    for (enum answer answer = OBEYS; answer <= HAS_FAILED; answer++) {
        testing_reopen_with(EDDY_CLOCK_MANUAL, EDDY_LOOP_POISON_STACK);
        eddy_event_init(&gate);
        task = start(opens_the_block, .answer = answer);
        testing_turns();
        eddy_event_set(&gate);
        testing_turns();
        testing_fail_allocation(0);
        eddy_clock_advance(&testing.clock, EDDY_SECOND); /* for the cleanup of the child */
        testing_turns();
        assert_true(eddy_task_done(task));
        assert_int_equal(finish(task), answer == HAS_FAILED ? -EIO : -ENOMEM);
        testing.log[0] = '\0';
    }
}

test(without_memory_for_a_deadline_no_task_is_left_behind)
{
    for (enum way way = JOIN; way < WAYS; way++) {
        for (enum answer answer = OBEYS; way != BLOCK && way != BLOCK_OF_MORE && answer < HAS_ENDED;
             answer++) {
            unsigned k = 1;
            while (fails_for_want_of_memory(way, answer, k)) {
                k++;
            }
            assert_true(k > 1);
        }
    }
}

/* ---- an operation of a user's own that owns what it waits for */

static struct eddy_task_record *owner; /* who waits for the work */

static int ask_to_end(struct eddy_task_record *task)
{
    (void)task;
    testing_log("asked");
    return 0;
}

static const struct eddy_wait_kind work_kind = {.name = "work", .abort = ask_to_end};

static int64_t wait_for_work(eddy_coro *co, bool any, bool ended)
{
    eddy_own_begin(co);
    if (!any) {
        return eddy_own_none(co, -EBUSY);
    }
    if (ended) {
        return eddy_own_complete(co, 5);
    }
    owner = co->task;
    return eddy_own_park(co, &work_kind, NULL, NULL);
}

eddy_frame(waits_for_work) {
    eddy_coro co;
    bool any, ended;
    int64_t rc;
};

static void waits_for_work(eddy_coro *co)
{
    eddy_begin(waits_for_work);
    (void)eddy_cancel(eddy_task_self(co));
    eddy_catch(self->rc, wait_for_work(co, self->any, self->ended));
    log_end("it", self->rc);
    eddy_catch(self->rc, give(co, 0));
    log_end("next", self->rc);
    eddy_end;
}

test(an_own_operation_that_owns_is_interrupted_when_its_wait_has_begun)
{
    eddy_task task;

    assert_int_equal(run(waits_for_work, .any = false), 0);
    testing_assert_log("it=ECANCELED@0 next=0@0");
    assert_int_equal(run(waits_for_work, .any = true, .ended = true), 0);
    testing_assert_log("it=5@0 next=ECANCELED@0");
    for (int obeys = 0; obeys <= 1; obeys++) {
        task = start(waits_for_work, .any = true);
        testing_turns();
        testing_assert_log("asked");
        eddy_wake(owner, obeys != 0 ? -ECANCELED : 6);
        assert_int_equal(finish(task), 0);
        testing_assert_log(obeys != 0 ? "it=ECANCELED@0 next=0@0" : "it=6@0 next=ECANCELED@0");
    }
}

/* ---- trees of tasks, interrupted at random */

enum { MOST_KIDS = 3, MOST_KNOWN = 64, ROUNDS = 3000, DEPTH = 3 };

static uint64_t random_state;
static eddy_task known[MOST_KNOWN]; /* of the tasks some, to be cancelled */
static unsigned spawned;
static uint64_t play_seed;

static unsigned below(unsigned n)
{
    return (unsigned)(testing_random(&random_state) % n);
}

static void know(eddy_task task)
{
    known[spawned++ % MOST_KNOWN] = task;
}

struct leaf {
    eddy_coro co;
    int *written;
    int64_t rc;
};

static void leaf(eddy_coro *co)
{
    eddy_begin(leaf);
    while (below(3) > 0) {
        eddy_catch(self->rc, eddy_sleep(co, below(4) * EDDY_MILLISECOND));
        if (self->rc < 0 && below(3) > 0) {
            eddy_return(below(5) == 0 ? -EIO : self->rc);
        }
    }
    eddy_return(below(5) == 0 ? -EIO : 0);
eddy_finally:
    if (below(2) == 0) {
        eddy_await(eddy_sleep(co, below(3) * EDDY_MILLISECOND));
    }
    ++*self->written;
    eddy_end;
}

eddy_frame(node) {
    eddy_coro co;
    int depth;
    int *written; /* of the one above */
    unsigned way, count, i;
    int of_kids; /* where the kids write */
    int64_t rc;
    int64_t results[MOST_KIDS];
    eddy_task kids[MOST_KIDS];
    struct leaf leaves[MOST_KIDS]; /* of those that run in this frame: their end is checked */
    eddy_group group;
};

static void spawn_kid(eddy_coro *co, struct node *self, unsigned i)
{
    bool in_group = self->way >= GROUP;
    int *written = &self->of_kids;

    if (self->depth > 0 && below(2) == 0) {
        self->kids[i] = in_group
                            ? eddy_group_spawn(co, &self->group, node, .depth = self->depth - 1,
                                               .written = written)
                            : eddy_spawn(co, node, .depth = self->depth - 1, .written = written);
    } else if (in_group) {
        self->kids[i] = eddy_group_spawn(co, &self->group, leaf, .written = written);
    } else {
        self->kids[i] = eddy_spawn_in(co, &self->leaves[i], leaf, .written = written);
    }
    know(self->kids[i]);
}

static int64_t some_limit(void)
{
    return below(3) > 0 ? EDDY_FOREVER : (int64_t)below(4) * EDDY_MILLISECOND;
}

static void node(eddy_coro *co)
{
    eddy_begin(node);
    self->way = below(SERVER);
    self->count = 1 + below(MOST_KIDS);
    for (self->i = 0; self->i < self->count; self->i++) {
        spawn_kid(co, self, self->i);
    }
    while (below(2) == 0) { /* an interrupt that is caught here is gone, one behind it pending */
        eddy_catch(self->rc, eddy_sleep(co, below(3) * EDDY_MILLISECOND));
    }
    if (self->way == JOIN) {
        for (self->i = 0; self->i < self->count; self->i++) {
            eddy_catch(self->rc,
                       eddy_wait_for(co, some_limit(), eddy_join(co, self->kids[self->i])));
        }
    } else if (self->way == GATHER) {
        eddy_catch(self->rc,
                   eddy_wait_for(co, some_limit(), eddy_gather(co, self->kids, self->count)));
    } else if (self->way == GATHER_ALL) {
        eddy_catch(self->rc,
                   eddy_wait_for(co, some_limit(),
                                 eddy_gather_all(co, self->kids, self->count, self->results)));
    } else if (self->way == GROUP) {
        eddy_catch(self->rc, eddy_wait_for(co, some_limit(), eddy_group_wait(co, &self->group)));
    } else if (below(2) == 0) {
        eddy_with_group(&self->group) {}
    } else {
        eddy_with_group(&self->group) {
            eddy_await(eddy_sleep(co, below(3) * EDDY_MILLISECOND));
        }
    }
    eddy_return(self->rc < 0 ? self->rc : 0);
eddy_finally:
    for (unsigned i = 0; i < self->count; i++) {
        if (!eddy_task_done(self->kids[i])) {
            fail_msg("EDDY_TEST_SEED=%llu: way %u has left a task behind",
                     (unsigned long long)play_seed, self->way);
        }
    }
    ++*self->written;
    eddy_end;
}

static void let_run(void)
{
    switch (below(4)) {
    case 0: /* a slow step: deadlines pass while tasks are ready */
        eddy_clock_advance(&testing.clock, below(5) * EDDY_MILLISECOND);
        break;
    case 1:
        eddy_clock_advance(&testing.clock, EDDY_MILLISECOND);
        (void)testing_turn();
        break;
    default:
        (void)testing_turn();
        break;
    }
}

static void play(uint64_t seed)
{
    static int written;
    eddy_task root;
    unsigned steps = 0;

    play_seed = seed;
    random_state = seed;
    memset(known, 0, sizeof known);
    root = start(node, .depth = DEPTH, .written = &written);
    know(root);
    while (!eddy_task_done(root)) {
        if (steps < 100 && below(3) == 0) {
            (void)eddy_cancel(known[below(MOST_KNOWN)]);
        }
        let_run();
        if (++steps > 10000) {
            fail_msg("EDDY_TEST_SEED=%llu: it does not end", (unsigned long long)seed);
        }
    }
    (void)finish(root);
    testing.errors.count = 0; /* errors behind the first were told */
}

test(random_trees_leave_no_task_behind)
{
    const char *text = getenv("EDDY_TEST_SEED");
    uint64_t first = text != NULL ? strtoull(text, NULL, 10) : 1;

    testing_reopen_with(EDDY_CLOCK_MANUAL, EDDY_LOOP_CHECK | EDDY_LOOP_POISON_STACK);
    for (uint64_t seed = first; seed < first + (text != NULL ? 1 : ROUNDS); seed++) {
        play(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_pending_cancel_leaves_no_task_behind),
        testing_case(a_pending_deadline_leaves_no_task_behind),
        testing_case(without_memory_for_its_block_no_task_of_a_group_is_left_behind),
        testing_case(without_memory_for_a_deadline_no_task_is_left_behind),
        testing_case(an_own_operation_that_owns_is_interrupted_when_its_wait_has_begun),
        testing_case(random_trees_leave_no_task_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
