/* look.h: which tasks wait for themselves, by way of others, where a task may wait for several. */
#include "support/net.h"
#include "support/text.h"
#include "support/things.h"

#include <inttypes.h>
#include <stdlib.h>

#include "eddy/gather.h"
#include "eddy/group.h"
#include "eddy/lock.h"
#include "eddy/look.h"
#include "eddy/server.h"
#include "look/snapshot.h"
#include "loop/loop_internal.h"

/* ---- graphs: what the dump must say of them is worked out in another way */

enum { MOST = 12 };

static struct thing ends[MOST]; /* held by the task of that number, from 0 on */

enum by { BY_GATHER, BY_GATHER_ALL, BY_WAIT_ALL, BY_WAIT_FIRST, BYS };

/* Holds its thing, and waits for that of another, or for tasks. */
eddy_frame(vertex) {
    eddy_coro co;
    int wants;
    enum by by;
    eddy_task awaited[MOST];
    int64_t results[MOST];
    size_t count;
};

static void vertex(eddy_coro *co)
{
    eddy_begin(vertex);
    eddy_await(eddy_pause(co)); /* until all are there */
    if (self->count == 0) {
        eddy_await(take_thing(co, &ends[self->wants]));
    } else if (self->by == BY_GATHER) {
        eddy_await(eddy_gather(co, self->awaited, self->count));
    } else if (self->by == BY_GATHER_ALL) {
        eddy_await(eddy_gather_all(co, self->awaited, self->count, self->results));
    } else {
        eddy_await(eddy_wait_tasks(co, self->awaited, self->count,
                                   self->by == BY_WAIT_ALL ? EDDY_WAIT_ALL : EDDY_WAIT_FIRST));
    }
    eddy_end;
}

static bool reaches[MOST][MOST];
static struct eddy_task_info infos[MOST];
static int info_count;

static void keep(const struct eddy_task_info *info, void *user)
{
    (void)user;
    infos[info_count++] = *info;
}

/* Warshall's closure. */
static void close_over(int count)
{
    for (int k = 0; k < count; k++) {
        for (int i = 0; i < count; i++) {
            for (int j = 0; j < count; j++) {
                reaches[i][j] |= reaches[i][k] && reaches[k][j];
            }
        }
    }
}

static void assert_circles(int count)
{
    info_count = 0;
    assert_int_equal(eddy_loop_inspect(testing.loop, keep, NULL), 0);
    assert_int_equal(info_count, count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(infos[i].circle != 0, reaches[i][i]);
        for (int j = 0; j < count && infos[i].circle != 0; j++) {
            assert_int_equal(infos[j].circle == infos[i].circle, reaches[i][j] && reaches[j][i]);
        }
        if (infos[i].circle != 0) {
            assert_int_equal(infos[infos[i].blocker - 1].circle, infos[i].circle);
        }
    }
}

static uint64_t random_state;

static int random_below(int end)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (int)((random_state >> 33) % (uint64_t)end);
}

/* Each task either wants the thing of another, or waits for some that nobody else waits for. */
static void random_graph(int count)
{
    bool awaited[MOST] = {false};
    eddy_task tasks[MOST];

    memset(ends, 0, sizeof ends);
    memset(reaches, 0, sizeof reaches);
    for (int i = 0; i < count; i++) {
        tasks[i] = start(vertex, .wants = random_below(count));
        ends[i].name = "end";
        ends[i].holder = tasks[i].record;
    }
    for (int i = 0; i < count; i++) {
        struct vertex *self = (struct vertex *)(void *)tasks[i].record->top;
        bool waits_for_all;
        self->by = (enum by)random_below(BYS);
        for (int j = 0; j < count && random_below(2) == 0; j++) {
            int child = random_below(count);
            if (child != i && !awaited[child]) {
                awaited[child] = true;
                self->awaited[self->count++] = tasks[child];
            }
        }
        waits_for_all = self->by != BY_WAIT_FIRST || self->count == 1;
        for (size_t j = 0; j < self->count && waits_for_all; j++) {
            reaches[i][self->awaited[j].generation - 1] = true;
        }
        if (self->count == 0) {
            reaches[i][self->wants] = true;
        }
    }
    testing_turns();
    close_over(count);
}

/* EDDY_TEST_SEED repeats a failure, or tries what nobody has tried. */
test(in_any_graph_those_are_in_a_circle_that_wait_for_themselves)
{
    const char *seed = getenv("EDDY_TEST_SEED");

    random_state = seed != NULL ? strtoull(seed, NULL, 10) : 20260301;
    printf("EDDY_TEST_SEED=%llu\n", (unsigned long long)random_state);
    testing.options.shutdown_timeout = 1;
    for (int i = 0; i < 1000; i++) {
        int count = 2 + random_below(MOST - 1);
        testing_reopen();
        random_graph(count);
        assert_circles(count);
        (void)eddy_loop_free(testing.loop); /* circles of joins are cut off */
        testing.loop = NULL;
        testing.errors.count = 0;
    }
}

test(a_circle_is_told_from_its_oldest_on_also_if_an_older_task_waits_for_another_of_it)
{
    struct thing a = {.name = "a"};
    struct thing b = {.name = "b"};
    struct thing own = {.name = "own"};
    char *text;

    start(takes, .first = &own, .second = &b); /* b is that of the third */
    start(takes, .first = &a, .second = &b);
    start(takes, .first = &b, .second = &a);
    testing_turns();
    text = dumped();
    assert_contains(text, "\ncircle 1: #2 takes -> #3 takes -> #2 takes\n");
    free(text);
    testing_free();
}

/* ---- through the end of several tasks */

static eddy_lock door;

eddy_frame(opens) {
    eddy_coro co;
};

static int line_of_opens;

static void opens(eddy_coro *co)
{
    eddy_begin(opens);
    line_of_opens = __LINE__ + 1;
    eddy_await(eddy_lock_acquire(co, &door));
    eddy_end;
}

eddy_frame(locks_and_waits) {
    eddy_coro co;
    eddy_group group;
};

static int line_of_group;

static void locks_and_waits(eddy_coro *co)
{
    eddy_begin(locks_and_waits);
    eddy_with_lock(&door) {
        line_of_group = __LINE__ + 1;
        eddy_with_group(&self->group) {
            eddy_group_spawn(co, &self->group, opens);
            eddy_group_spawn(co, &self->group, opens);
        }
    }
    eddy_end;
}

test(a_lock_that_is_held_around_a_group_whose_tasks_want_it_is_a_circle)
{
    const char *const f = __FILE__;

    eddy_lock_init(&door);
    start(locks_and_waits);
    testing_turns();
    assert_dump(
        "eddy: 3 tasks: 3 waiting\n"
        "#1 locks_and_waits waits 0 ms for group: 2 tasks; #2 must act; in circle 1\n"
        "      at locks_and_waits (%s:%d)\n"
        "|-- #2 opens waits 0 ms for lock: 0x%" PRIxPTR ", held by task 1, locks_and_waits; "
        "#1 must act; in circle 1\n"
        "|         at opens (%s:%d)\n"
        "`-- #3 opens waits 0 ms for lock: 0x%" PRIxPTR ", held by task 1, locks_and_waits; "
        "#1 must act; in circle 1\n"
        "          at opens (%s:%d)\n"
        "circle 1: #1 locks_and_waits -> #2 opens -> #1 locks_and_waits\n",
        f, line_of_group, (uintptr_t)&door, f, line_of_opens, (uintptr_t)&door, f, line_of_opens);
    assert_int_equal(eddy_loop_run(testing.loop), -EDEADLK);
    testing_assert_error(-EDEADLK, "deadlock: 3 tasks wait, and nothing could wake any: "
                                   "#1 locks_and_waits -> #2 opens -> #1 locks_and_waits");
}

/* ---- through the end of a server's clients */

static eddy_server server;

eddy_frame(enters) {
    eddy_coro co;
    eddy_stream *stream;
};

static int line_of_enters;

static void enters(eddy_coro *co)
{
    eddy_begin(enters);
    line_of_enters = __LINE__ + 1;
    eddy_await(eddy_lock_acquire(co, &door));
    eddy_end;
}

eddy_frame(serves) {
    eddy_coro co;
};

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, enters));
    eddy_end;
}

eddy_frame(sees_it_closed) {
    eddy_coro co;
    bool locks;
};

static int line_of_closed;

static void sees_it_closed(eddy_coro *co)
{
    eddy_begin(sees_it_closed);
    if (self->locks) {
        eddy_await(eddy_lock_acquire(co, &door));
    }
    line_of_closed = __LINE__ + 1;
    eddy_await(eddy_server_wait_closed(co, &server));
    eddy_end;
}

static void open_server(void)
{
    memset(&server, 0, sizeof server);
    eddy_lock_init(&door);
    assert_int_equal(run(serves), 0);
}

test(a_lock_that_is_held_while_a_server_ends_whose_handler_wants_it_is_a_circle)
{
    static const char *const states[] = {"", " is closed"};
    const char *const f = __FILE__;
    int fd;

    open_server();
    start(sees_it_closed, .locks = true);
    testing_turns();
    fd = net_connect(eddy_server_port(&server));
    testing_turns();
    for (int i = 0; i < 2; i++) {
        assert_dump("eddy: 2 tasks: 2 waiting\n"
                    "#2 sees_it_closed waits 0 ms for server: port %d%s, 1 client; #3 must act; "
                    "in circle 1\n"
                    "      at sees_it_closed (%s:%d)\n"
                    "#3 enters waits 0 ms for lock: 0x%" PRIxPTR
                    ", held by task 2, sees_it_closed; "
                    "#2 must act; in circle 1\n"
                    "      at enters (%s:%d)\n"
                    "circle 1: #2 sees_it_closed -> #3 enters -> #2 sees_it_closed\n",
                    eddy_server_port(&server), states[i], f, line_of_closed, (uintptr_t)&door, f,
                    line_of_enters);
        eddy_server_close(&server);
    }
    assert_int_equal(eddy_loop_run(testing.loop), -EDEADLK);
    testing_assert_error(-EDEADLK, "deadlock: 2 tasks wait, and nothing could wake any: "
                                   "#2 sees_it_closed -> #3 enters -> #2 sees_it_closed");
    testing_free();
    testing.errors.count = 0;
    close(fd);
}

test(a_server_that_listens_does_not_wait_for_its_one_client)
{
    char expected[128];
    eddy_task holder;
    int fd;

    open_server();
    holder = start(sleeps, .seconds = 9);
    door = (eddy_lock){
        .holder = holder.record, .number = holder.generation, .epoch = testing.loop->epoch};
    start(sees_it_closed);
    testing_turns();
    fd = net_connect(eddy_server_port(&server));
    testing_turns();
    snprintf(expected, sizeof expected, "for server: port %d, 1 client\n",
             eddy_server_port(&server));
    assert_dumped(expected);
    eddy_server_close(&server);
    assert_dumped("is closed, 1 client; #4 must act\n");
    door.holder = NULL;
    testing_free();
    close(fd);
}

/* The server's clients are in the circle of the one that holds the door, and not of the other. */
static void two_wait_for_one_server(bool first_locks)
{
    int fds[2];

    testing_reopen();
    open_server();
    start(sees_it_closed, .locks = first_locks);
    start(sees_it_closed, .locks = !first_locks);
    testing_turns();
    for (int i = 0; i < 2; i++) {
        fds[i] = net_connect(eddy_server_port(&server));
        testing_turns();
    }
    eddy_server_close(&server);
    info_count = 0;
    assert_int_equal(eddy_loop_inspect(testing.loop, keep, NULL), 0);
    assert_int_equal(info_count, 4);
    assert_int_equal(infos[0].circle, first_locks);
    assert_int_equal(infos[1].circle, !first_locks);
    assert_int_equal(infos[first_locks ? 0 : 1].blocker, 4);
    assert_int_equal(infos[2].circle, 1);
    assert_int_equal(infos[3].circle, 1);
    testing_free();
    testing.errors.count = 0;
    close(fds[0]);
    close(fds[1]);
}

test(of_two_that_wait_for_one_server_the_one_that_holds_the_lock_is_in_the_circle)
{
    two_wait_for_one_server(true);
    two_wait_for_one_server(false);
}

/* ---- a handler that waits for the end of its own server, among others */

eddy_frame(waits_for_itself) {
    eddy_coro co;
    eddy_stream *stream;
    char byte;
};

static int waits_of_itself; /* handlers that still may */

static void waits_for_itself(eddy_coro *co)
{
    eddy_begin(waits_for_itself);
    if (waits_of_itself > 0) {
        waits_of_itself--;
        eddy_await(eddy_server_wait_closed(co, &server));
    } else {
        eddy_await(eddy_read(co, self->stream, &self->byte, 1));
    }
    eddy_end;
}

eddy_frame(serves_such) {
    eddy_coro co;
};

static void serves_such(eddy_coro *co)
{
    eddy_begin(serves_such);
    eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, waits_for_itself));
    eddy_end;
}

enum { CLIENTS = 30, WAITERS = 40 };

static int fds_of_clients[CLIENTS];

/* So many clients, of which the first `waiting` wait for the server, and as many other tasks. */
static void serve_such(int waiting, int clients, int waiters)
{
    memset(&server, 0, sizeof server);
    waits_of_itself = waiting;
    assert_int_equal(run(serves_such), 0);
    for (int i = 0; i < clients; i++) {
        fds_of_clients[i] = net_connect(eddy_server_port(&server));
        net_wait_readable(server.first.io.fd);
        testing_turns();
    }
    eddy_server_close(&server);
    for (int i = 0; i < waiters; i++) {
        start(sees_it_closed);
    }
    testing_turns();
}

static void end_such(int clients)
{
    for (int i = 0; i < clients; i++) {
        close(fds_of_clients[i]);
    }
    testing_free();
    testing.errors.count = 0;
}

static void assert_circles_of_servers(int waiting, int clients, int waiters)
{
    int in_circles = 0;

    serve_such(waiting, clients, waiters);
    info_count = 0;
    assert_int_equal(eddy_loop_inspect(testing.loop, keep, NULL), 0);
    assert_int_equal(info_count, clients + waiters);
    for (int i = 0; i < info_count; i++) {
        in_circles += infos[i].circle > 0;
        if (infos[i].circle > 0) { /* told by way of a task, and never of a list */
            assert_in_range(infos[i].blocker, 1, 100);
        }
    }
    assert_int_equal(in_circles, waiting);
    end_such(clients);
    testing_reopen();
}

test(handlers_that_wait_for_their_own_server_are_in_a_circle_and_who_waits_beside_is_not)
{
    assert_circles_of_servers(1, 2, 0);
    assert_circles_of_servers(1, 3, 2);
    assert_circles_of_servers(2, 4, 0);
    assert_circles_of_servers(2, 4, 3);
    assert_circles_of_servers(0, 3, 3);
}

test(who_waits_for_a_server_costs_one_edge_however_many_clients_it_has)
{
    struct eddy_snapshot snapshot;

    serve_such(0, CLIENTS, WAITERS);
    assert_int_equal(eddy_snapshot_take(testing.loop, &snapshot), 0);
    assert_int_equal(snapshot.count, CLIENTS + WAITERS);
    assert_int_equal(snapshot.lists, 1);
    assert_int_equal(snapshot.told, CLIENTS + WAITERS - 1);
    assert_int_equal(snapshot.edges, CLIENTS + WAITERS);
    eddy_snapshot_free(testing.loop, &snapshot);
    end_such(CLIENTS);
}

test(without_memory_for_the_list_there_is_no_snapshot)
{
    struct eddy_snapshot snapshot;

    serve_such(0, 2, 2);
    testing_fail_allocation(2);
    assert_int_equal(eddy_snapshot_take(testing.loop, &snapshot), -ENOMEM);
    assert_int_equal(snapshot.count, 0);
    assert_null(testing.loop->snapshot);
    testing_fail_allocation(0);
    end_such(2);
}

/* ---- in the error hook the children of a gather are gone one by one */

static void dump_on_error(eddy_loop *loop, eddy_task task, int64_t code, const char *text)
{
    (void)loop;
    (void)task;
    (void)code;
    (void)text;
    free(dumped());
    testing_log("dumped");
}

eddy_frame(gathers_failures) {
    eddy_coro co;
    eddy_task tasks[4];
};

static void gathers_failures(eddy_coro *co)
{
    eddy_begin(gathers_failures);
    for (int i = 0; i < 3; i++) {
        self->tasks[i] = eddy_spawn(co, returns, .result = -EIO);
    }
    self->tasks[3] = eddy_spawn(co, sleeps, .seconds = 1);
    eddy_await(eddy_pause(co));
    eddy_await(eddy_gather(co, self->tasks, 4));
    eddy_end;
}

test(a_dump_of_a_gather_that_is_collecting_its_tasks_names_none_that_are_gone)
{
    testing.options.on_error = dump_on_error;
    testing_reopen();
    assert_int_equal(run(gathers_failures), -EIO);
    testing_assert_log("dumped dumped");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(in_any_graph_those_are_in_a_circle_that_wait_for_themselves),
        testing_case(
            a_circle_is_told_from_its_oldest_on_also_if_an_older_task_waits_for_another_of_it),
        testing_case(a_lock_that_is_held_around_a_group_whose_tasks_want_it_is_a_circle),
        testing_case(a_lock_that_is_held_while_a_server_ends_whose_handler_wants_it_is_a_circle),
        testing_case(a_server_that_listens_does_not_wait_for_its_one_client),
        testing_case(of_two_that_wait_for_one_server_the_one_that_holds_the_lock_is_in_the_circle),
        testing_case(
            handlers_that_wait_for_their_own_server_are_in_a_circle_and_who_waits_beside_is_not),
        testing_case(who_waits_for_a_server_costs_one_edge_however_many_clients_it_has),
        testing_case(without_memory_for_the_list_there_is_no_snapshot),
        testing_case(a_dump_of_a_gather_that_is_collecting_its_tasks_names_none_that_are_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
