/* How far a cancel goes, and what it costs: each task is reached once, whatever ways lead to it, and
 * no depth of them uses the C stack. Counted are the tasks that are asked to end. */
#include "support/net.h"
#include "support/tasks.h"

#include <unistd.h>

#include "eddy/gather.h"
#include "eddy/group.h"
#include "eddy/look.h"
#include "eddy/server.h"

enum { MOST_SERVERS = 100, MOST_CLIENTS = 200, STACK = 8192 };

static eddy_server servers[MOST_SERVERS];
static int clients[MOST_CLIENTS];
static int client_count;
static int asked;                 /* how many tasks were asked to end */
static uintptr_t lowest, highest; /* where the C stack was then */

static void on_event(eddy_loop *loop, const struct eddy_trace_event *event, void *user)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    (void)loop;
    (void)user;
    if (event->kind == EDDY_TRACE_CANCEL) {
        asked++;
        lowest = here < lowest ? here : lowest;
        highest = here > highest ? here : highest;
    }
}

static void count_from_here(void)
{
    asked = 0;
    lowest = UINTPTR_MAX;
    highest = 0;
    assert_int_equal(eddy_loop_trace(testing.loop, on_event, NULL), 0);
}

/* Checking every turn of many tasks takes long. */
static void begin_case(void)
{
    testing.options.flags = 0;
    testing_reopen();
    memset(servers, 0, sizeof servers);
    client_count = 0;
}

static void close_clients(void)
{
    for (int i = 0; i < client_count; i++) {
        close(clients[i]);
    }
}

static void end_case(void)
{
    assert_int_equal(eddy_loop_trace(testing.loop, NULL, NULL), 0);
    close_clients();
}

/* ---- handlers that wait for servers */

static int handlers; /* that have begun */
static eddy_task handler_tasks[MOST_CLIENTS];
static int (*whom)(int i); /* the server for which the handler waits that has begun as the i-th */

eddy_frame(waits_for_server) {
    eddy_coro co;
    eddy_stream *stream;
};

static void waits_for_server(eddy_coro *co)
{
    eddy_begin(waits_for_server);
    handler_tasks[handlers++] = eddy_task_self(co);
    eddy_await(eddy_server_wait_closed(co, &servers[whom(handlers - 1)]));
    eddy_end;
}

eddy_frame(serves) {
    eddy_coro co;
    int i, count;
};

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    for (; self->i < self->count; self->i++) {
        servers[self->i].backlog = MOST_CLIENTS; /* SOMAXCONN is 128 in some libcs */
        eddy_await(eddy_serve(co, &servers[self->i], "127.0.0.1", 0, waits_for_server));
    }
    eddy_end;
}

/* Each of so many servers gets so many clients; its handlers begin before those of the next. */
static void serve(int server_count, int client_count_each, int (*wanted)(int i))
{
    handlers = 0;
    whom = wanted;
    assert_int_equal(run(serves, .count = server_count), 0);
    for (int i = 0; i < server_count; i++) {
        for (int j = 0; j < client_count_each; j++) {
            clients[client_count++] = net_connect(eddy_server_port(&servers[i]));
        }
        while (servers[i].active < (uint32_t)client_count_each) {
            testing_turns();
        }
    }
    testing_turns();
    assert_int_equal(handlers, server_count * client_count_each);
}

static void assert_all_ended(int server_count)
{
    testing_turns();
    for (int i = 0; i < server_count; i++) {
        assert_int_equal(servers[i].active, 0);
    }
    for (int i = 0; i < handlers; i++) {
        assert_true(eddy_task_done(handler_tasks[i]));
    }
}

static int the_first(int i)
{
    (void)i;
    return 0;
}

/* None of them can end before the others, so that none does; but with its loop. */
static void assert_none_ends(uint32_t active)
{
    testing_turns();
    assert_int_equal(servers[0].active, active);
    assert_int_equal(eddy_loop_trace(testing.loop, NULL, NULL), 0);
    testing_free();
}

test(handlers_that_wait_for_their_own_server_are_reached_once_each)
{
    begin_case();
    serve(1, 150, the_first);
    count_from_here();
    assert_int_equal(eddy_cancel(handler_tasks[70]), 0);
    assert_int_equal(asked, 1 + 150);
    assert_true(highest - lowest < STACK);
    assert_all_ended(1); /* none waits for itself */
    end_case();
}

static int the_next(int i)
{
    return (i + 1) % MOST_SERVERS;
}

test(a_ring_of_servers_is_gone_round_once)
{
    begin_case();
    serve(MOST_SERVERS, 1, the_next);
    count_from_here();
    assert_int_equal(eddy_cancel(handler_tasks[7]), 0);
    assert_int_equal(asked, 1 + MOST_SERVERS);
    assert_true(highest - lowest < STACK);
    assert_none_ends(1);
    close_clients();
}

static int each_of_ten(int i)
{
    return i % 10;
}

test(servers_each_of_which_is_waited_for_by_a_handler_of_each_are_gone_through_once)
{
    begin_case();
    serve(10, 10, each_of_ten);
    count_from_here();
    assert_int_equal(eddy_cancel(handler_tasks[0]), 0);
    assert_int_equal(asked, 1 + 100);
    assert_true(highest - lowest < STACK);
    assert_none_ends(9); /* one handler of each would wait for itself */
    close_clients();
}

/* ---- tasks that wait for one server */

eddy_frame(waits_for_the_first) {
    eddy_coro co;
};

static void waits_for_the_first(eddy_coro *co)
{
    eddy_begin(waits_for_the_first);
    eddy_await(eddy_server_wait_closed(co, &servers[0]));
    eddy_end;
}

static eddy_group group;

eddy_frame(has_group) {
    eddy_coro co;
    int i;
};

static void has_group(eddy_coro *co)
{
    eddy_begin(has_group);
    memset(&group, 0, sizeof group);
    for (self->i = 0; self->i < 100; self->i++) {
        eddy_group_spawn(co, &group, waits_for_the_first);
    }
    eddy_await(eddy_group_wait(co, &group));
    eddy_end;
}

/* A handler that ends when it is cancelled. */
static int nobody(int i)
{
    (void)i;
    return 1;
}

eddy_frame(reads) {
    eddy_coro co;
    eddy_stream *stream;
    char byte;
};

static void reads(eddy_coro *co)
{
    eddy_begin(reads);
    eddy_await(eddy_read(co, self->stream, &self->byte, 1));
    eddy_end;
}

eddy_frame(serves_readers) {
    eddy_coro co;
};

static void serves_readers(eddy_coro *co)
{
    eddy_begin(serves_readers);
    eddy_await(eddy_serve(co, &servers[0], "127.0.0.1", 0, reads));
    eddy_end;
}

static void serve_readers(int count)
{
    handlers = 0;
    whom = nobody;
    assert_int_equal(run(serves_readers), 0);
    for (int i = 0; i < count; i++) {
        clients[client_count++] = net_connect(eddy_server_port(&servers[0]));
    }
    while (servers[0].active < (uint32_t)count) {
        testing_turns();
    }
    testing_turns();
}

test(the_cancel_of_a_group_whose_tasks_wait_for_one_server_reaches_its_clients_once)
{
    eddy_task task;

    begin_case();
    serve_readers(50);
    task = start(has_group);
    testing_turns();
    count_from_here();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(asked, 1 + 100 + 50);
    assert_int_equal(finish(task), -ECANCELED);
    assert_all_ended(1);
    end_case();
}

test(a_group_that_is_cancelled_by_hand_is_one_cancel_too)
{
    eddy_task task;

    begin_case();
    serve_readers(50);
    task = start(has_group);
    testing_turns();
    count_from_here();
    eddy_group_cancel(&group);
    assert_int_equal(asked, 100 + 50);
    assert_int_equal(finish(task), 0);
    assert_all_ended(1);
    end_case();
}

/* ---- tasks that wait for tasks in all ways, and at the end for a server */

enum way { JOIN, GATHER, GATHER_ALL, GROUP, BLOCK, WAYS };

eddy_frame(link_of_chain) {
    eddy_coro co;
    int depth;
    eddy_task next;
    int64_t result;
    eddy_group group;
};

static void link_of_chain(eddy_coro *co)
{
    eddy_begin(link_of_chain);
    if (self->depth == 0) {
        eddy_await(eddy_server_wait_closed(co, &servers[0]));
        eddy_return(0);
    }
    if (self->depth % WAYS == GROUP || self->depth % WAYS == BLOCK) {
        eddy_group_spawn(co, &self->group, link_of_chain, .depth = self->depth - 1);
    } else {
        self->next = eddy_spawn(co, link_of_chain, .depth = self->depth - 1);
    }
    if (self->depth % WAYS == JOIN) {
        eddy_await(eddy_join(co, self->next));
    } else if (self->depth % WAYS == GATHER) {
        eddy_await(eddy_gather(co, &self->next, 1));
    } else if (self->depth % WAYS == GATHER_ALL) {
        eddy_await(eddy_gather_all(co, &self->next, 1, &self->result));
    } else if (self->depth % WAYS == GROUP) {
        eddy_await(eddy_group_wait(co, &self->group));
    } else {
        eddy_with_group(&self->group) {}
    }
    eddy_end;
}

test(a_chain_of_all_ways_to_wait_for_tasks_is_gone_down_without_the_stack)
{
    eddy_task task;

    begin_case();
    serve_readers(3);
    task = start(link_of_chain, .depth = 5000);
    testing_turns();
    count_from_here();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(asked, 5001 + 3);
    assert_true(highest - lowest < STACK);
    assert_int_equal(finish(task), -ECANCELED);
    assert_all_ended(1);
    end_case();
}

test(the_end_of_a_loop_is_one_cancel_of_all_its_tasks)
{
    begin_case();
    serve_readers(3);
    start(link_of_chain, .depth = 5000);
    testing_turns();
    count_from_here();
    assert_int_equal(eddy_loop_free(testing.loop), 0);
    testing.loop = NULL;
    assert_in_range(asked, 5001 + 3, 2 * (5001 + 3)); /* by itself, and by who waits for it */
    close_clients();
}

/* ---- operations of a user's own */

static struct eddy_waiters line;
static eddy_task other; /* that an abort cancels */

static int cancel_other(struct eddy_task_record *task)
{
    (void)task;
    testing_log("abort");
    (void)eddy_cancel(other);
    return 1;
}

static const struct eddy_wait_kind own_kind = {.name = "own", .abort = cancel_other};
static const struct eddy_wait_kind leaf_kind = {.name = "leaf"};

eddy_frame(waits) {
    eddy_coro co;
    const struct eddy_wait_kind *kind;
    bool in_line;
    const char *name;
};

static int64_t wait_for_it(eddy_coro *co, const struct eddy_wait_kind *kind, bool in_line)
{
    int64_t result = eddy_check(co);

    return result < 0 ? result : eddy_park(co, kind, NULL, in_line ? &line : NULL);
}

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    eddy_await(wait_for_it(co, self->kind, self->in_line));
eddy_finally:
    log_end(self->name, co->outcome);
    eddy_end;
}

test(the_abort_of_an_own_wait_may_cancel_any_task_if_it_stands_in_no_line)
{
    for (int in_line = 0; in_line <= 1; in_line++) {
        eddy_task task = start(waits, .kind = &own_kind, .name = "one");
        other = start(waits, .kind = &leaf_kind, .in_line = in_line != 0, .name = "other");
        testing_turns();
        assert_int_equal(eddy_cancel(task), 0);
        assert_int_equal(finish(task), -ECANCELED);
        assert_int_equal(finish(other), -ECANCELED);
        testing_assert_log(in_line != 0 ? "abort other=ECANCELED@0 one=ECANCELED@0"
                                        : "abort one=ECANCELED@0 other=ECANCELED@0");
    }
}

test(that_of_one_in_a_line_may_cancel_tasks_that_stand_in_none)
{
    eddy_task task = start(waits, .kind = &own_kind, .in_line = true, .name = "one");

    other = start(waits, .kind = &own_kind, .name = "other");
    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    assert_int_equal(finish(other), -ECANCELED);
    testing_assert_log("abort abort one=ECANCELED@0 other=ECANCELED@0");
}

static void cancel_in_line(void *argument)
{
    eddy_task task = start(waits, .kind = &own_kind, .in_line = true, .name = "one");

    (void)argument;
    other = start(waits, .kind = &leaf_kind, .in_line = true, .name = "other");
    testing_turns();
    (void)eddy_cancel(task);
}

test(that_of_one_in_a_line_that_cancels_one_in_a_line_aborts_by_name)
{
    testing_expect_abort(cancel_in_line, NULL,
                         "waits: the abort of a wait that stands in a line has cancelled this "
                         "task, which stands in one, too");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(handlers_that_wait_for_their_own_server_are_reached_once_each),
        testing_case(a_ring_of_servers_is_gone_round_once),
        testing_case(
            servers_each_of_which_is_waited_for_by_a_handler_of_each_are_gone_through_once),
        testing_case(
            the_cancel_of_a_group_whose_tasks_wait_for_one_server_reaches_its_clients_once),
        testing_case(a_group_that_is_cancelled_by_hand_is_one_cancel_too),
        testing_case(a_chain_of_all_ways_to_wait_for_tasks_is_gone_down_without_the_stack),
        testing_case(the_end_of_a_loop_is_one_cancel_of_all_its_tasks),
        testing_case(the_abort_of_an_own_wait_may_cancel_any_task_if_it_stands_in_no_line),
        testing_case(that_of_one_in_a_line_may_cancel_tasks_that_stand_in_none),
        testing_case(that_of_one_in_a_line_that_cancels_one_in_a_line_aborts_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
