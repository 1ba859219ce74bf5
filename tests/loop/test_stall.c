/* loop.h and clock.h: a virtual clock that cannot jump, because something is always ready. */
#include "support/loop.h"
#include "support/tasks.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int steps;

/* A step of a test that hangs takes some real time, and at last somebody looks. */
static void take_real_time(void)
{
    testing.sys.now += MS;
    if (++steps == 20000) {
        eddy_loop_stop(testing.loop);
    }
}

static void open_stall(void)
{
    steps = 0;
    testing.options.flags = 0;
    testing_fake_clock(EDDY_SECOND);
    testing_reopen();
}

eddy_frame(polls_for_ever) {
    eddy_coro co;
    int64_t since;
};

static void polls_for_ever(eddy_coro *co)
{
    eddy_begin(polls_for_ever);
    while (true) {
        take_real_time();
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

test(a_task_that_polls_with_pauses_while_a_deadline_waits_is_told_once)
{
    static eddy_timer timer = {.user = "timer"};
    eddy_task task;

    open_stall();
    start_timer(&timer, 3 * EDDY_SECOND);
    task = start(polls_for_ever);
    testing_run();
    testing_assert_error(-EDEADLK,
                         "virtual time stands still at 0 ms, and the deadline at 3.0 s never "
                         "comes: something is always ready, now task #1");
    assert_ptr_equal(testing.errors.task.record, task.record);
    assert_int_equal(testing.errors.task.generation, task.generation);
    eddy_timer_stop(&timer);
}

static void on_file(eddy_io *io, unsigned events)
{
    (void)io;
    (void)events;
    take_real_time();
}

test(the_watcher_of_a_regular_file_is_told)
{
    static eddy_timer timer = {.user = "timer"};
    static eddy_io io;
    char expected[256];
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    open_stall();
    start_timer(&timer, 3 * EDDY_SECOND);
    assert_int_equal(eddy_io_start(testing.loop, &io, fd, EDDY_READ, on_file), 0);
    testing_run();
    snprintf(
        expected, sizeof expected,
        "virtual time stands still at 0 ms, and the deadline at 3.0 s never comes: something is "
        "always ready, now the watcher of fd %d",
        fd);
    testing_assert_error(-EDEADLK, expected);
    eddy_io_stop(&io);
    eddy_timer_stop(&timer);
    close(fd);
}

static void again(eddy_callback *callback)
{
    take_real_time();
    eddy_callback_start(testing.loop, callback, again);
}

static void run_callback_for_ever(enum eddy_clock_kind kind, int64_t delay)
{
    static eddy_timer timer = {.user = "timer"};
    static eddy_callback callback;

    open_stall();
    testing_reopen_with(kind, 0);
    if (delay > 0) {
        start_timer(&timer, delay);
    }
    eddy_callback_start(testing.loop, &callback, again);
    testing_run();
    eddy_callback_stop(&callback);
    eddy_timer_stop(&timer);
}

test(a_callback_that_starts_itself_anew_is_told)
{
    run_callback_for_ever(EDDY_CLOCK_VIRTUAL, EDDY_SECOND);
    testing_assert_error(-EDEADLK,
                         "virtual time stands still at 0 ms, and the deadline at 1.0 s never "
                         "comes: something is always ready, now a callback");
}

test(nothing_is_told_without_a_deadline_nor_on_other_clocks)
{
    run_callback_for_ever(EDDY_CLOCK_VIRTUAL, 0);
    run_callback_for_ever(EDDY_CLOCK_MANUAL, EDDY_SECOND);
    run_callback_for_ever(EDDY_CLOCK_MONOTONIC, 100000 * EDDY_SECOND);
    assert_int_equal(testing.errors.count, 0);
}

/* Much work at each of several times is slow, and no hang. */
eddy_frame(works) {
    eddy_coro co;
    int i, j;
    int much;
};

static void works(eddy_coro *co)
{
    eddy_begin(works);
    for (self->i = 0; self->i < 5; self->i++) {
        for (self->j = 0; self->j < self->much; self->j++) {
            take_real_time();
            eddy_await(eddy_pause(co));
        }
        eddy_await(eddy_sleep(co, EDDY_SECOND));
    }
    eddy_end;
}

static void run_works(int much)
{
    static eddy_timer timer = {.user = "timer"};

    open_stall();
    start_timer(&timer, 3600 * EDDY_SECOND);
    assert_int_equal(run(works, .much = much), 0);
    eddy_timer_stop(&timer);
}

test(as_long_as_the_clock_moves_on_every_now_and_then_nothing_is_told)
{
    run_works(1500);
    assert_int_equal(testing.errors.count, 0);
}

test(each_time_that_it_stands_still_for_long_is_told)
{
    run_works(3000);
    assert_int_equal(testing.errors.count, 5);
    testing.errors.count = 0;
}

/* The host of a poll that may not wait has said so. */
test(polls_that_may_not_wait_are_not_told)
{
    static eddy_timer timer = {.user = "timer"};
    static eddy_callback callback;

    open_stall();
    start_timer(&timer, EDDY_SECOND);
    eddy_callback_start(testing.loop, &callback, again);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 0), 1);
    }
    assert_int_equal(testing.errors.count, 0);
    eddy_callback_stop(&callback);
    eddy_timer_stop(&timer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_task_that_polls_with_pauses_while_a_deadline_waits_is_told_once),
        testing_case(the_watcher_of_a_regular_file_is_told),
        testing_case(a_callback_that_starts_itself_anew_is_told),
        testing_case(nothing_is_told_without_a_deadline_nor_on_other_clocks),
        testing_case(as_long_as_the_clock_moves_on_every_now_and_then_nothing_is_told),
        testing_case(each_time_that_it_stands_still_for_long_is_told),
        testing_case(polls_that_may_not_wait_are_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
