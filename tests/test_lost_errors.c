/* Errors that must not be lost, nor told of the wrong place, and streams that are left open. */
#include "support/tasks.h"

#include <unistd.h>

#include "eddy/gather.h"
#include "eddy/group.h"
#include "eddy/stream.h"

static eddy_stream stream;

static void run_loop(void *argument)
{
    (void)argument;
    eddy_loop_run(testing.loop);
}

/* ---- errors that were lost, or told of the wrong place */

eddy_frame(leaves_a_failed_group) {
    eddy_coro co;
    eddy_group group;
};

static void leaves_a_failed_group(eddy_coro *co)
{
    eddy_begin(leaves_a_failed_group);
    eddy_group_spawn(co, &self->group, returns, .result = -EIO);
    eddy_await(eddy_pause(co));
    eddy_await(eddy_pause(co));
    assert_int_equal(eddy_group_count(&self->group), 0);
    eddy_end;
}

test(a_group_whose_error_nobody_has_waited_for_is_still_open)
{
    start(leaves_a_failed_group);
    testing_expect_abort(run_loop, NULL, "leaves_a_failed_group: the coroutine ends although");
}

eddy_frame(waits_late) {
    eddy_coro co;
    eddy_group group;
};

static void waits_late(eddy_coro *co)
{
    eddy_begin(waits_late);
    eddy_group_spawn(co, &self->group, returns, .result = -EIO);
    eddy_await(eddy_pause(co));
    eddy_await(eddy_pause(co));
    eddy_except(-EIO, eddy_group_wait(co, &self->group)) {
        testing_log("EIO");
    }
    eddy_group_spawn(co, &self->group, returns);
    eddy_await(eddy_group_wait(co, &self->group));
    eddy_end;
}

test(a_group_tells_its_error_to_who_waits_late_and_may_be_used_again)
{
    assert_int_equal(run(waits_late), 0);
    testing_assert_log("EIO");
}

eddy_frame(times_out_over_swallowers) {
    eddy_coro co;
    eddy_group group;
    eddy_task task;
    int64_t rc;
};

static void times_out_over_swallowers(eddy_coro *co)
{
    eddy_begin(times_out_over_swallowers);
    eddy_group_spawn(co, &self->group, swallows_cancel, .sleep = 100);
    eddy_group_spawn(co, &self->group, swallows_cancel, .sleep = 100);
    eddy_catch(self->rc, eddy_wait_for(co, 5, eddy_group_wait(co, &self->group)));
    testing_log("group=%lld@%lld", (long long)self->rc, (long long)testing.clock.now);
    self->task = eddy_spawn(co, swallows_cancel, .sleep = 100);
    eddy_catch(self->rc, eddy_wait_for(co, 5, eddy_gather(co, &self->task, 1)));
    testing_log("gather=%lld@%lld", (long long)self->rc, (long long)testing.clock.now);
    eddy_group_spawn(co, &self->group, swallows_cancel, .sleep = 100);
    eddy_group_spawn(co, &self->group, sleeps, .seconds = 1);
    eddy_catch(self->rc, eddy_wait_for(co, 5, eddy_group_wait(co, &self->group)));
    testing_log("group=%lld@%lld", (long long)self->rc, (long long)testing.clock.now);
    eddy_end;
}

test(a_group_whose_tasks_have_all_swallowed_the_cancel_is_no_time_out)
{
    char expected[64];

    assert_int_equal(run(times_out_over_swallowers), 0);
    snprintf(expected, sizeof expected, "group=0@5 gather=0@10 group=%d@15", -ETIMEDOUT);
    testing_assert_log(expected);
}

eddy_frame(large) {
    eddy_coro co;
    char bytes[1 << 20];
};

static void large(eddy_coro *co)
{
    eddy_begin(large);
    eddy_end;
}

eddy_frame(gathers_two_failures) {
    eddy_coro co;
    eddy_task tasks[2];
};

static void gathers_two_failures(eddy_coro *co)
{
    eddy_begin(gathers_two_failures);
    self->tasks[0] = eddy_spawn(co, returns, .result = -EIO);
    eddy_await(eddy_pause(co));
    testing_fail_allocations_from(1);
    self->tasks[1] = eddy_spawn(co, large);
    testing_fail_allocation(0);
    eddy_await(eddy_gather(co, self->tasks, 2));
    eddy_end;
}

test(a_gather_tells_of_a_failed_child_beside_a_failed_spawn)
{
    assert_int_equal(run(gathers_two_failures), -ENOMEM);
    assert_told(-EIO, "failed when a gather was failing already");
}

static int line_of_the_error;

eddy_frame(fails_twice) {
    eddy_coro co;
    int64_t rc;
    char byte;
};

static void fails_twice(eddy_coro *co)
{
    eddy_begin(fails_twice);
    eddy_catch(self->rc, eddy_call(co, returns, .result = -EBADF));
    eddy_await(eddy_sleep(co, 1));
    line_of_the_error = __LINE__ + 1;
    eddy_await(eddy_read(co, &stream, &self->byte, 1));
    eddy_end;
}

test(the_origin_of_an_error_is_not_that_of_an_equal_one_that_was_caught)
{
    char place[64];

    memset(&stream, 0, sizeof stream);
    assert_int_equal(eddy_detach(start(fails_twice)), 0);
    testing_run();
    snprintf(place, sizeof place, "test_lost_errors.c:%d", line_of_the_error);
    assert_told(-EBADF, place);
}

/* ---- streams left open */

static int pair[2];

eddy_frame(leaves_a_stream_open) {
    eddy_coro co;
    eddy_stream stream;
};

static void leaves_a_stream_open(eddy_coro *co)
{
    eddy_begin(leaves_a_stream_open);
    eddy_await(eddy_stream_open(eddy_loop_of(co), &self->stream, pair[0]));
    eddy_end;
}

eddy_frame(calls_it) {
    eddy_coro co;
};

static void calls_it(eddy_coro *co)
{
    eddy_begin(calls_it);
    eddy_await(eddy_call(co, leaves_a_stream_open));
    eddy_end;
}

test(a_stream_from_stream_open_must_not_be_left_open_in_a_dying_frame)
{
    testing_socketpair(pair);
    start(calls_it);
    testing_expect_abort(run_loop, NULL, "leaves_a_stream_open: the coroutine ends although");
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_group_whose_error_nobody_has_waited_for_is_still_open),
        testing_case(a_group_tells_its_error_to_who_waits_late_and_may_be_used_again),
        testing_case(a_group_whose_tasks_have_all_swallowed_the_cancel_is_no_time_out),
        testing_case(a_gather_tells_of_a_failed_child_beside_a_failed_spawn),
        testing_case(the_origin_of_an_error_is_not_that_of_an_equal_one_that_was_caught),
        testing_case(a_stream_from_stream_open_must_not_be_left_open_in_a_dying_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
