/* offload.h and address.h in a child of fork(2), which has the tasks and none of the threads. */
#include "support/fork.h"
#include "support/net.h"
#include "support/threads.h"

#include "eddy/address.h"
#include "eddy/callback.h"
#include "eddy/loop.h"

static struct gate gate;
static eddy_task running[2], queued[2], ended, name;

static int setup(void **state)
{
    gate_init(&gate);
    return testing_setup(state);
}

#define fork_case(name) cmocka_unit_test_setup_teardown(name, setup, testing_teardown)

static int64_t work(eddy_job *job, void *argument)
{
    (void)job;
    if (argument == NULL) {
        return 8;
    }
    gate_pass(argument);
    return 7;
}

eddy_frame(offloads) {
    eddy_coro co;
    struct gate *gate;
    int64_t rc;
};

static void offloads(eddy_coro *co)
{
    eddy_begin(offloads);
    eddy_catch(self->rc, eddy_offload(co, work, self->gate));
    eddy_return(self->rc);
    eddy_end;
}

eddy_frame(resolves) {
    eddy_coro co;
    struct eddy_address address;
    int64_t rc;
};

static void resolves(eddy_coro *co)
{
    eddy_begin(resolves);
    eddy_catch(self->rc, eddy_resolve(co, "example", 80, AF_UNSPEC, &self->address, 1));
    eddy_return(self->rc);
    eddy_end;
}

/* Two works run, two wait in the queue, one has ended and the loop has not heard of it; and a name
 * is asked for. */
static void start_all_work(void)
{
    assert_int_equal(eddy_offload_workers(testing.loop, 2), 0);
    resolver_install();
    resolver.answers[0] = "192.0.2.1";
    resolver.gate = &gate;
    name = start(resolves);
    running[0] = start(offloads, &gate);
    testing_turn();
    gate_await(&gate);
    gate_await(&gate);
    ended = start(offloads);
    running[1] = start(offloads, &gate); /* by the worker that has told of that end */
    queued[0] = start(offloads, &gate);
    queued[1] = start(offloads, &gate);
    testing_turn();
    gate_await(&gate);
}

static void finish_all(void)
{
    for (int i = 0; i < 5; i++) {
        gate_open(&gate);
    }
    assert_int_equal(finish(running[0]), 7);
    assert_int_equal(finish(running[1]), 7);
    assert_int_equal(finish(queued[0]), 7);
    assert_int_equal(finish(queued[1]), 7);
    assert_int_equal(finish(name), 1);
    assert_int_equal(finish(ended), 8);
}

static int end_in_child(void *argument)
{
    (void)argument;
    CHECK(eddy_loop_after_fork(testing.loop) == 0);
    CHECK(finish(ended) == 8);
    CHECK(finish(running[0]) == -ECHILD);
    CHECK(finish(running[1]) == -ECHILD);
    CHECK(finish(queued[0]) == -ECHILD);
    CHECK(finish(queued[1]) == -ECHILD);
    CHECK(finish(name) == -ECHILD);
    gate_open(&gate);                /* a semaphore of the child's own */
    CHECK(run(offloads, NULL) == 8); /* and not what the parent has in its queue */
    CHECK(run(offloads, &gate) == 7);
    CHECK(testing_calls(thread_create) == 4);
    CHECK(eddy_loop_free(testing.loop) == 0);
    CHECK(testing.memory.bytes == 0);
    return 0;
}

test(what_had_not_ended_is_echild_in_a_child_which_can_have_threads_of_its_own)
{
    start_all_work();
    testing_expect_in_child(end_in_child, NULL, 0);
    finish_all();
}

static int cancel_in_child(void *argument)
{
    (void)argument;
    CHECK(eddy_cancel(running[0]) == 0);
    CHECK(eddy_cancel(queued[0]) == 0);
    CHECK(eddy_cancel(name) == 0);
    CHECK(eddy_loop_after_fork(testing.loop) == 0);
    CHECK(eddy_loop_after_fork(testing.loop) == 0);
    CHECK(finish(name) == -ECANCELED);
    CHECK(finish(running[0]) == -ECHILD);
    CHECK(finish(running[1]) == -ECHILD);
    CHECK(finish(queued[0]) == -ECHILD);
    CHECK(finish(queued[1]) == -ECHILD);
    CHECK(eddy_loop_free(testing.loop) == 0);
    CHECK(testing.memory.bytes == 0);
    return 0;
}

test(a_cancel_before_the_child_has_parted_waits_for_no_lock)
{
    start_all_work();
    testing_expect_in_child(cancel_in_child, NULL, 0);
    finish_all();
}

static int raise_in_child(void *argument)
{
    unsigned before = testing_calls(thread_create);

    (void)argument;
    CHECK(eddy_offload_workers(testing.loop, 8) == 0);
    CHECK(testing_calls(thread_create) == before);
    return end_in_child(NULL);
}

test(a_number_that_is_raised_before_the_child_has_parted_starts_nothing_for_the_parents_work)
{
    start_all_work();
    testing_expect_in_child(raise_in_child, NULL, 0);
    finish_all();
}

static int free_in_child(void *argument)
{
    (void)argument;
    CHECK(eddy_loop_free(testing.loop) == -ECHILD);
    CHECK(eddy_loop_after_fork(testing.loop) == 0);
    CHECK(eddy_loop_free(testing.loop) == 0); /* and waits for no thread that is not there */
    CHECK(testing.memory.bytes == 0);
    return 0;
}

test(a_child_can_free_the_loop_while_the_parents_threads_work)
{
    start_all_work();
    testing_expect_in_child(free_in_child, NULL, 0);
    finish_all();
}

/* A poll that had no time left has taken the messages and not run them. */
static int finish_in_child(void *argument)
{
    (void)argument;
    CHECK(eddy_loop_after_fork(testing.loop) == 0);
    CHECK(finish(ended) == 7);
    CHECK(eddy_loop_free(testing.loop) == 0);
    CHECK(testing.memory.bytes == 0);
    return 0;
}

static void take_no_time(eddy_callback *callback)
{
    (void)callback;
}

test(an_end_that_was_heard_of_and_not_seen_to_is_known_to_the_child)
{
    static eddy_callback first;

    ended = start(offloads, &gate);
    testing_turn();
    gate_await(&gate);
    gate_open(&gate);
    net_wait_readable(eddy_loop_fd(testing.loop)); /* the message has come */
    eddy_callback_start(testing.loop, &first, take_no_time);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 1), 1);
    assert_false(eddy_task_done(ended));
    testing_expect_in_child(finish_in_child, NULL, 0);
    assert_int_equal(finish(ended), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fork_case(what_had_not_ended_is_echild_in_a_child_which_can_have_threads_of_its_own),
        fork_case(a_cancel_before_the_child_has_parted_waits_for_no_lock),
        fork_case(
            a_number_that_is_raised_before_the_child_has_parted_starts_nothing_for_the_parents_work),
        fork_case(a_child_can_free_the_loop_while_the_parents_threads_work),
        fork_case(an_end_that_was_heard_of_and_not_seen_to_is_known_to_the_child),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
