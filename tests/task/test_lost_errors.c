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
    char bytes[1 << 19];
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

/* ---- errors in the cleanups on the way of another */

eddy_frame_of(fails_with, int code, const char *text);

static void fails_with(eddy_coro *co)
{
    eddy_begin(fails_with);
    eddy_await(eddy_pause(co));
    eddy_fail(co, -self->code, "%s of %d", self->text, self->code);
    eddy_end;
}

/* In its cleanup it fails, and in the cleanup of that it catches an error. */
eddy_frame_of(fails_deeply, int64_t rc);

static void fails_deeply(eddy_coro *co)
{
    eddy_begin(fails_deeply);
    eddy_await(eddy_call(co, fails_with, .code = EPIPE, .text = "deep"));
eddy_finally:
    eddy_catch(self->rc, eddy_call(co, fails_with, .code = ENOENT, .text = "deeper"));
    testing_log("%s;", eddy_error(co)->text);
    eddy_end;
}

eddy_frame_of(fails_at_its_exit, int code);

static void fails_at_its_exit(eddy_coro *co)
{
    eddy_begin(fails_at_its_exit);
    eddy_body;
eddy_finally:
    eddy_await(eddy_call(co, fails_with, .code = self->code, .text = "exit"));
    eddy_end;
}

/* How its cleanups go wrong, whose errors are told or caught. */
enum { AT_EXIT = 1, IN_FINALLY = 2, CAUGHT = 4, ALL_WAYS = 8 };

eddy_frame_of(fails_on_all_ways, int ways, int code, int64_t rc);

static void fails_on_all_ways(eddy_coro *co)
{
    eddy_begin(fails_on_all_ways);
    if ((self->ways & AT_EXIT) != 0) {
        eddy_with(fails_at_its_exit, .code = self->code) {
            eddy_await(eddy_call(co, fails_with, .code = EIO, .text = "body"));
        }
    }
    eddy_await(eddy_call(co, fails_with, .code = EIO, .text = "body"));
eddy_finally:
    if ((self->ways & CAUGHT) != 0) {
        eddy_catch(self->rc, eddy_call(co, fails_deeply));
        testing_log("%s;", eddy_error(co)->text);
    }
    if ((self->ways & IN_FINALLY) != 0) {
        eddy_await(eddy_call(co, fails_with, .code = self->code, .text = "finally"));
    }
    eddy_end;
}

eddy_frame_of(looks_at_the_error, int ways, int code, int64_t rc);

static void looks_at_the_error(eddy_coro *co)
{
    eddy_begin(looks_at_the_error);
    eddy_catch(self->rc, eddy_call(co, fails_on_all_ways, .ways = self->ways, .code = self->code));
    testing_log("%s", eddy_error(co)->text);
    eddy_return(self->rc);
    eddy_end;
}

/* With that code, the same as the body's or another. */
static void assert_the_text_is_kept(int code)
{
    for (int ways = 0; ways < ALL_WAYS; ways++) {
        int told = ((ways & AT_EXIT) != 0) + ((ways & IN_FINALLY) != 0);
        assert_int_equal(run(looks_at_the_error, .ways = ways, .code = code), -EIO);
        testing_assert_log((ways & CAUGHT) != 0 ? "deeper of 2; deep of 32; body of 5"
                                                : "body of 5");
        assert_int_equal(testing.errors.count, told);
        testing.errors.count = 0;
    }
}

test(an_error_keeps_its_text_whatever_fails_in_the_cleanups_on_its_way)
{
    assert_the_text_is_kept(EDOM);
    assert_the_text_is_kept(EIO);
}

/* Its block swallows the cancel that a failing task has brought, and fails with the same code. */
eddy_frame_of(fails_after_its_task, eddy_group group, int64_t rc);

static void fails_after_its_task(eddy_coro *co)
{
    eddy_begin(fails_after_its_task);
    eddy_with_group(&self->group) {
        (void)eddy_group_spawn(co, &self->group, fails_with, .code = EIO, .text = "task");
        eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
        eddy_await(eddy_call(co, fails_with, .code = EIO, .text = "block"));
    }
    eddy_end;
}

/* Likewise around the block of its user. */
eddy_frame_of(is_entered_with_a_task, eddy_group group);

static void is_entered_with_a_task(eddy_coro *co)
{
    eddy_begin(is_entered_with_a_task);
    eddy_with_group(&self->group) {
        (void)eddy_group_spawn(co, &self->group, fails_with, .code = EIO, .text = "task");
        eddy_body;
    }
    eddy_end;
}

eddy_frame_of(fails_inside, int64_t rc);

static void fails_inside(eddy_coro *co)
{
    eddy_begin(fails_inside);
    eddy_with(is_entered_with_a_task) {
        eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
        eddy_await(eddy_call(co, fails_with, .code = EIO, .text = "block"));
    }
    eddy_end;
}

eddy_frame_of(looks_at_the_tasks, bool inside, int64_t rc);

static void looks_at_the_tasks(eddy_coro *co)
{
    eddy_begin(looks_at_the_tasks);
    if (self->inside) {
        eddy_catch(self->rc, eddy_call(co, fails_inside));
    } else {
        eddy_catch(self->rc, eddy_call(co, fails_after_its_task));
    }
    testing_log("%s", eddy_error(co)->text);
    eddy_return(self->rc);
    eddy_end;
}

test(the_text_of_the_error_that_goes_on_is_not_that_of_an_equal_one_that_was_told)
{
    for (int inside = 0; inside < 2; inside++) {
        assert_int_equal(run(looks_at_the_tasks, .inside = inside != 0), -EIO);
        testing_assert_log("task of 5");
        assert_told(-EIO, "block of 5");
    }
}

/* A cleanup that takes so long that it is cut off, while two errors wait for its end. */
eddy_frame_of(hangs_in_its_cleanup, int64_t rc);

static void hangs_in_its_cleanup(eddy_coro *co)
{
    eddy_begin(hangs_in_its_cleanup);
    eddy_await(eddy_call(co, fails_with, .code = EIO, .text = "body"));
eddy_finally:
    eddy_catch(self->rc, eddy_call(co, fails_deeply));
    eddy_await(eddy_sleep(co, EDDY_FOREVER));
    eddy_end;
}

test(texts_that_wait_for_a_cleanup_that_is_cut_off_are_given_back)
{
    start(hangs_in_its_cleanup);
    testing_turns();
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    assert_int_equal(testing.memory.bytes, 0);
    assert_told(-ETIMEDOUT, "was cut off in its cleanup");
    testing_assert_log("deeper of 2;");
}

eddy_frame_of(fails_without_memory, struct fails_with body, struct fails_with cleanup, int64_t rc);

static void fails_without_memory(eddy_coro *co)
{
    eddy_begin(fails_without_memory);
    eddy_await(eddy_call_in(co, &self->body, fails_with, .code = EIO, .text = "body"));
eddy_finally:
    use_up_memory();
    eddy_catch(self->rc, eddy_call_in(co, &self->cleanup, fails_with, .code = EPIPE));
    testing_fail_allocation(0);
    assert_int_equal(self->rc, -EPIPE);
    eddy_end;
}

test(without_memory_the_error_goes_on_without_its_text)
{
    assert_int_equal(run(fails_without_memory), -EIO);
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
        testing_case(an_error_keeps_its_text_whatever_fails_in_the_cleanups_on_its_way),
        testing_case(the_text_of_the_error_that_goes_on_is_not_that_of_an_equal_one_that_was_told),
        testing_case(texts_that_wait_for_a_cleanup_that_is_cut_off_are_given_back),
        testing_case(without_memory_the_error_goes_on_without_its_text),
        testing_case(a_stream_from_stream_open_must_not_be_left_open_in_a_dying_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
