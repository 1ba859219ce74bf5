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
        [BLOCK_OF_MORE] = {"ECANCELED", "ECANCELED", "ECANCELED", "EIO", "ECANCELED"},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_pending_cancel_leaves_no_task_behind),
        testing_case(a_pending_deadline_leaves_no_task_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
