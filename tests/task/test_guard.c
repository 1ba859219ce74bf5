/* What must not be left open in a frame that ends: it aborts, and says what is to be done. */
#include "support/children.h"
#include "support/net.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "eddy/group.h"
#include "eddy/server.h"
#include "eddy/stream.h"

static int listener;
static int port;

static int setup(void **state)
{
    int result = testing_setup(state);

    listener = net_listener(&port);
    return result;
}

static int teardown(void **state)
{
    close(listener);
    return testing_teardown(state);
}

#define guard_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- things that are left open */

eddy_frame(leaves_a_group) {
    eddy_coro co;
    int64_t result;
    int value;
    eddy_group group;
};

static void leaves_a_group(eddy_coro *co)
{
    eddy_begin(leaves_a_group);
    eddy_group_spawn(co, &self->group, child, .name = "a", .sleep = 300 * MS);
    eddy_return(self->result);
    eddy_end;
}
enum { A_GROUP_WAS_LEFT = __LINE__ - 2 };

eddy_frame(leaves_a_stream) {
    eddy_coro co;
    int64_t result;
    int value;
    eddy_stream stream;
};

static void leaves_a_stream(eddy_coro *co)
{
    eddy_begin(leaves_a_stream);
    eddy_await(eddy_connect(co, &self->stream, "127.0.0.1", port));
    eddy_return(self->result);
    eddy_end;
}

eddy_frame(serves_nothing) {
    eddy_coro co;
    eddy_stream *stream;
};

static void serves_nothing(eddy_coro *co)
{
    eddy_begin(serves_nothing);
    eddy_end;
}

eddy_frame(leaves_a_server) {
    eddy_coro co;
    int64_t result;
    int value;
    eddy_server server;
};

static void leaves_a_server(eddy_coro *co)
{
    eddy_begin(leaves_a_server);
    eddy_await(eddy_serve(co, &self->server, "127.0.0.1", 0, serves_nothing));
    eddy_return(self->result);
    eddy_end;
}

eddy_frame(leaves_one_in_a_large_frame) {
    eddy_coro co;
    char much[5000];
    eddy_stream stream;
};

static void leaves_one_in_a_large_frame(eddy_coro *co)
{
    eddy_begin(leaves_one_in_a_large_frame);
    eddy_await(eddy_connect(co, &self->stream, "127.0.0.1", port));
    eddy_end;
}

eddy_frame(leaves_one_in_a_huge_frame) {
    eddy_coro co;
    char much[200000];
    eddy_stream stream;
};

static void leaves_one_in_a_huge_frame(eddy_coro *co)
{
    eddy_begin(leaves_one_in_a_huge_frame);
    eddy_await(eddy_connect(co, &self->stream, "127.0.0.1", port));
    eddy_end;
}

eddy_frame(runs_the_generator) {
    eddy_coro co;
    int i;
};

eddy_frame(yields_and_leaves) {
    eddy_coro co;
    int value;
    eddy_stream stream;
};

static void yields_and_leaves(eddy_coro *co)
{
    eddy_begin(yields_and_leaves);
    eddy_await(eddy_connect(co, &self->stream, "127.0.0.1", port));
    eddy_yield(1);
    eddy_end;
}

static void runs_the_generator(eddy_coro *co)
{
    eddy_begin(runs_the_generator);
    eddy_for_each(self->i, yields_and_leaves) {
        break;
    }
    eddy_end;
}

eddy_frame(calls_the_leaver) {
    eddy_coro co;
    int64_t rc;
};

static void calls_the_leaver(eddy_coro *co)
{
    eddy_begin(calls_the_leaver);
    eddy_catch(self->rc, eddy_call(co, leaves_a_stream));
    eddy_end;
}

/* A client is still being served when the frame with the closed server goes. */
eddy_frame(serves_slowly) {
    eddy_coro co;
    eddy_stream *stream;
};

static void serves_slowly(eddy_coro *co)
{
    eddy_begin(serves_slowly);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    eddy_end;
}

eddy_frame(leaves_clients) {
    eddy_coro co;
    eddy_server server;
    eddy_stream stream;
};

static void leaves_clients(eddy_coro *co)
{
    eddy_begin(leaves_clients);
    eddy_await(eddy_serve(co, &self->server, "127.0.0.1", 0, serves_slowly));
    eddy_await(eddy_connect(co, &self->stream, "127.0.0.1", eddy_server_port(&self->server)));
    while (self->server.active == 0) {
        eddy_await(eddy_pause(co));
    }
eddy_finally:
    eddy_stream_close(&self->stream);
    eddy_server_close(&self->server);
    eddy_end;
}

/* ---- each in its own way out */

static void leave_a_group(void *result)
{
    (void)testing_run_task(leaves_a_group, .result = *(int64_t *)result);
}

static void leave_a_stream(void *result)
{
    (void)testing_run_task(leaves_a_stream, .result = *(int64_t *)result);
}

static void leave_a_server(void *result)
{
    (void)testing_run_task(leaves_a_server, .result = *(int64_t *)result);
}

static void leave_one_in_a_large_frame(void *unused)
{
    (void)unused;
    (void)testing_run_task(leaves_one_in_a_large_frame);
}

static void leave_one_in_a_huge_frame(void *unused)
{
    (void)unused;
    (void)testing_run_task(leaves_one_in_a_huge_frame);
}

static void leave_one_in_a_generator(void *unused)
{
    (void)unused;
    (void)testing_run_task(runs_the_generator);
}

static void leave_one_in_a_call(void *unused)
{
    (void)unused;
    (void)testing_run_task(calls_the_leaver);
}

static void leave_clients(void *unused)
{
    (void)unused;
    (void)testing_run_task(leaves_clients);
}

static const char *const STILL_OPEN =
    "although a stream, reader, writer, server, file, watch of files, process, eddy_fd, queue "
    "or group in its frame is still open: "
    "close it in eddy_finally";

static void assert_aborts(void (*function)(void *argument), const char *coroutine)
{
    int64_t results[] = {0, -EIO};

    for (int i = 0; i < 2; i++) {
        testing_expect_abort(function, &results[i], STILL_OPEN);
        testing_expect_abort(function, &results[i], coroutine);
        testing_expect_abort(function, &results[i], "test_guard.c:");
    }
}

test(a_group_with_tasks_in_a_frame_that_ends_aborts)
{
    assert_aborts(leave_a_group, "leaves_a_group: ");
}

test(a_frame_that_has_ended_is_told_with_the_line_of_its_end)
{
    int64_t result = 0;
    char place[64];

    snprintf(place, sizeof place, "test_guard.c:%d: leaves_a_group: ", A_GROUP_WAS_LEFT);
    testing_expect_abort(leave_a_group, &result, place);
}

test(an_open_stream_in_a_frame_that_ends_aborts)
{
    assert_aborts(leave_a_stream, "leaves_a_stream: ");
}

test(a_listening_server_in_a_frame_that_ends_aborts)
{
    assert_aborts(leave_a_server, "leaves_a_server: ");
}

test(frames_of_any_size_are_guarded)
{
    assert_aborts(leave_one_in_a_large_frame, "leaves_one_in_a_large_frame: ");
    assert_aborts(leave_one_in_a_huge_frame, "leaves_one_in_a_huge_frame: ");
}

test(the_frame_of_a_generator_is_guarded)
{
    assert_aborts(leave_one_in_a_generator, "yields_and_leaves: ");
}

test(the_frame_of_a_call_is_guarded)
{
    assert_aborts(leave_one_in_a_call, "leaves_a_stream: ");
}

test(a_closed_server_whose_clients_are_still_served_in_a_frame_that_ends_aborts)
{
    assert_aborts(leave_clients, "leaves_clients: ");
}

/* ---- what is no mistake */

eddy_frame(closes_in_its_finally) {
    eddy_coro co;
    int64_t result;
    eddy_group group;
    eddy_stream stream;
    eddy_server server;
};

static void closes_in_its_finally(eddy_coro *co)
{
    eddy_begin(closes_in_its_finally);
    eddy_await(eddy_connect(co, &self->stream, "127.0.0.1", port));
    eddy_await(eddy_serve(co, &self->server, "127.0.0.1", 0, serves_nothing));
    eddy_group_spawn(co, &self->group, child, .name = "a", .sleep = 300 * MS);
    eddy_return(self->result);
eddy_finally:
    eddy_stream_close(&self->stream);
    eddy_server_close(&self->server);
    eddy_await(eddy_server_wait_closed(co, &self->server));
    eddy_group_cancel(&self->group);
    eddy_await(eddy_group_wait(co, &self->group));
    eddy_end;
}

test(what_is_closed_in_finally_is_fine)
{
    assert_int_equal(testing_run_task(closes_in_its_finally), 0);
    assert_int_equal(testing_run_task(closes_in_its_finally, .result = -EIO), -EIO);
    testing_assert_log(""); /* cancelled before their first step */
}

eddy_frame(connects_for_its_caller) {
    eddy_coro co;
    eddy_stream *stream;
};

static void connects_for_its_caller(eddy_coro *co)
{
    eddy_begin(connects_for_its_caller);
    eddy_await(eddy_connect(co, self->stream, "127.0.0.1", port));
    eddy_end;
}

eddy_frame(keeps_what_it_gets) {
    eddy_coro co;
    bool in_a_task;
    eddy_stream stream;
    eddy_task task;
};

static void keeps_what_it_gets(eddy_coro *co)
{
    eddy_begin(keeps_what_it_gets);
    if (self->in_a_task) {
        self->task = eddy_spawn(co, connects_for_its_caller, .stream = &self->stream);
        eddy_await(eddy_join(co, self->task));
    } else {
        eddy_await(eddy_call(co, connects_for_its_caller, .stream = &self->stream));
    }
    assert_true(eddy_stream_is_open(&self->stream));
eddy_finally:
    eddy_stream_close(&self->stream);
    eddy_end;
}

test(a_stream_in_the_caller_s_frame_may_be_opened_by_a_call_or_a_task)
{
    assert_int_equal(testing_run_task(keeps_what_it_gets, .in_a_task = false), 0);
    assert_int_equal(testing_run_task(keeps_what_it_gets, .in_a_task = true), 0);
}

test(a_stream_outside_of_any_frame_may_outlive_the_task_that_opened_it)
{
    static eddy_stream stream;

    assert_int_equal(testing_run_task(connects_for_its_caller, .stream = &stream), 0);
    assert_true(eddy_stream_is_open(&stream));
    eddy_stream_close(&stream);
}

/* ---- frames that are lent to a task */

eddy_frame(lends_its_frame) {
    eddy_coro co;
    bool join, briefly;
    eddy_task task;
    struct child child;
};

static void lends_its_frame(eddy_coro *co)
{
    eddy_begin(lends_its_frame);
    self->task = eddy_spawn_in(co, &self->child, child, .name = "a",
                               .sleep = self->briefly ? 50 * MS : 300 * MS);
    eddy_await(eddy_sleep(co, 100 * MS));
    if (self->join) {
        eddy_await(eddy_join(co, self->task));
    }
    eddy_end;
}

eddy_frame(calls_the_lender) {
    eddy_coro co;
    bool join, briefly;
};

static void calls_the_lender(eddy_coro *co)
{
    eddy_begin(calls_the_lender);
    eddy_await(eddy_call(co, lends_its_frame, .join = self->join, .briefly = self->briefly));
    eddy_await(eddy_sleep(co, 500 * MS));
    eddy_end;
}

static void lend(void *unused)
{
    (void)unused;
    (void)testing_run_task(lends_its_frame);
}

static void call_the_lender(void *unused)
{
    (void)unused;
    (void)testing_run_task(calls_the_lender);
}

test(a_frame_that_ends_while_a_task_runs_in_it_aborts)
{
    const char *text = "lends_its_frame: the coroutine ends although a task of eddy_spawn_in";

    testing_expect_abort(lend, NULL, text);
    testing_expect_abort(call_the_lender, NULL, text);
}

test(a_frame_whose_task_has_ended_may_end)
{
    assert_int_equal(testing_run_task(calls_the_lender, .join = true), 0);
    testing_assert_log("a@300");
    assert_int_equal(testing_run_task(calls_the_lender, .briefly = true), 0); /* not joined */
    testing_assert_log("a@850");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        guard_case(a_group_with_tasks_in_a_frame_that_ends_aborts),
        guard_case(a_frame_that_has_ended_is_told_with_the_line_of_its_end),
        guard_case(an_open_stream_in_a_frame_that_ends_aborts),
        guard_case(a_listening_server_in_a_frame_that_ends_aborts),
        guard_case(frames_of_any_size_are_guarded),
        guard_case(the_frame_of_a_generator_is_guarded),
        guard_case(the_frame_of_a_call_is_guarded),
        guard_case(a_closed_server_whose_clients_are_still_served_in_a_frame_that_ends_aborts),
        guard_case(a_frame_that_ends_while_a_task_runs_in_it_aborts),
        guard_case(a_frame_whose_task_has_ended_may_end),
        guard_case(what_is_closed_in_finally_is_fine),
        guard_case(a_stream_in_the_caller_s_frame_may_be_opened_by_a_call_or_a_task),
        guard_case(a_stream_outside_of_any_frame_may_outlive_the_task_that_opened_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
