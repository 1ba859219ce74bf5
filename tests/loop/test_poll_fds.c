/* loop.h: eddy_loop_poll_fds, which runs watchers and nothing else. */
#include "support/loop.h"

#include <stdlib.h>
#include <unistd.h>

#include "support/tasks.h"

test(only_watchers_run_and_all_else_runs_later_in_its_order)
{
    static eddy_timer timer = {.user = "timer"};
    static eddy_hook hooks[3] = {{.user = "prepare"}, {.user = "check"}, {.user = "awake"}};

    start_watched();
    start_letters(1, log_callback);
    start_timer(&timer, 0);
    poke_watched();
    for (int point = 0; point < 3; point++) {
        eddy_hook_start(testing.loop, &hooks[point], (enum eddy_hook_point)point, log_hook);
    }
    assert_int_equal(eddy_loop_poll_fds(testing.loop, 0), 1);
    testing_assert_log("io");
    for (int point = 0; point < 3; point++) {
        eddy_hook_stop(&hooks[point]);
    }
    assert_int_equal(testing_turns(), 2);
    testing_assert_log("a timer@0");
    stop_watched();
}

static int64_t inner;

static void answer_meanwhile(eddy_callback *callback)
{
    testing_log("%s(", (const char *)callback->user);
    poke_watched();
    inner = eddy_loop_poll_fds(testing.loop, 0);
    testing_log(")");
}

test(inside_a_callback_it_answers_and_the_rest_of_the_batch_follows)
{
    start_watched();
    start_letters(3, log_callback);
    eddy_callback_start(testing.loop, &letters[1], answer_meanwhile);
    assert_int_equal(testing_turns(), 3);
    assert_int_equal(inner, 1);
    testing_assert_log("a b( io ) c");
    stop_watched();
}

static void poll_inside(eddy_hook *hook)
{
    eddy_hook_stop(hook);
    poke_watched();
    testing_log("hook( %d", (int)eddy_loop_poll_fds(testing.loop, EDDY_FOREVER));
}

test(it_may_be_called_in_a_hook)
{
    static eddy_hook prepare;

    start_watched();
    eddy_hook_start(testing.loop, &prepare, EDDY_HOOK_PREPARE, poll_inside);
    (void)testing_turn();
    testing_assert_log("io hook( 1");
    stop_watched();
}

eddy_frame(polls) {
    eddy_coro co;
};

static void polls(eddy_coro *co)
{
    eddy_begin(polls);
    eddy_return(eddy_loop_poll_fds(testing.loop, 0));
    eddy_end;
}

test(inside_a_step_of_a_task_it_is_refused)
{
    assert_int_equal(run(polls), -EBUSY);
}

test(a_negative_wait_is_invalid)
{
    assert_int_equal(eddy_loop_poll_fds(testing.loop, -1), -EINVAL);
}

test(it_sleeps_for_an_fd_although_something_else_is_ready)
{
    real_time_loop(0);
    start_watched();
    start_letters(1, log_callback);
    assert_int_equal(eddy_loop_poll_fds(testing.loop, 30 * MS), 0);
    assert_int_equal(testing.sys.now, 30 * MS);
    testing_assert_log("");
    stop_watched();
    testing_turns();
    testing_assert_log("a");
}

test(it_returns_early_when_a_timer_falls_due_which_runs_later)
{
    static eddy_timer timer = {.user = "timer"};

    real_time_loop(0);
    start_watched();
    start_timer(&timer, 10 * MS);
    assert_int_equal(eddy_loop_poll_fds(testing.loop, 30 * MS), 0);
    assert_int_equal(testing.sys.now, 10 * MS);
    testing_assert_log("");
    stop_watched();
    testing_turns();
    testing_assert_log("timer@10000000");
}

test(virtual_time_stands_still_while_something_else_is_ready)
{
    start_letters(1, log_callback);
    assert_int_equal(eddy_loop_poll_fds(testing.loop, 30 * MS), 0);
    assert_int_equal(testing.clock.now, 0);
    testing_turns();
    assert_int_equal(eddy_loop_poll_fds(testing.loop, 30 * MS), 0);
    assert_int_equal(testing.clock.now, 30 * MS);
    testing_assert_log("a");
}

static void on_message(eddy_callback *callback)
{
    (void)callback;
    poke_watched();
    testing_log("%s", eddy_loop_poll_fds(testing.loop, 0) == -EBUSY ? "busy" : "polled");
}

test(while_the_loop_is_being_freed_it_is_refused)
{
    static eddy_callback message;

    start_watched();
    eddy_loop_call_threadsafe(testing.loop, &message, on_message);
    testing_free();
    testing_assert_log("busy"); /* and no watcher has run */
    close(watched.fds[0]);
    close(watched.fds[1]);
}

static void free_it(eddy_io *io, unsigned events)
{
    log_io(io, events);
    eddy_io_stop(io);
    free(io);
}

test(a_callback_may_free_its_watcher)
{
    eddy_io *io = calloc(1, sizeof *io);
    int fds[2];

    assert_non_null(io);
    io->user = "freed";
    testing_pipe(fds);
    assert_int_equal(eddy_io_start(testing.loop, io, fds[0], EDDY_READ, free_it), 0);
    testing_poke(fds[1]);
    assert_int_equal(eddy_loop_poll_fds(testing.loop, 0), 1);
    assert_int_equal(eddy_loop_poll_fds(testing.loop, 0), 0);
    testing_assert_log("freed");
    close(fds[0]);
    close(fds[1]);
}

/* Two watchers that are both ready. */
static struct {
    eddy_io io;
    int fds[2];
} both[2];

static void open_both(eddy_io_fn *callback)
{
    static char names[2][2] = {"a", "b"};

    memset(both, 0, sizeof both);
    for (int i = 0; i < 2; i++) {
        both[i].io.user = names[i];
        testing_pipe(both[i].fds);
        assert_int_equal(
            eddy_io_start(testing.loop, &both[i].io, both[i].fds[0], EDDY_READ, callback), 0);
        testing_poke(both[i].fds[1]);
    }
}

static void close_them(void)
{
    for (int i = 0; i < 2; i++) {
        eddy_io_stop(&both[i].io);
        close(both[i].fds[0]);
        close(both[i].fds[1]);
    }
}

static void stop_the_other(eddy_io *io, unsigned events)
{
    log_io(io, events);
    eddy_io_stop(&both[io == &both[0].io].io);
}

test(a_callback_may_stop_a_watcher_that_is_still_to_run)
{
    open_both(stop_the_other);
    assert_int_equal(eddy_loop_poll_fds(testing.loop, 0), 1);
    testing_assert_log("a");
    close_them();
}

static void stop_it(eddy_io *io, unsigned events)
{
    log_io(io, events);
    eddy_loop_stop(testing.loop);
}

test(a_stop_ends_it_and_what_is_left_runs_first_afterwards)
{
    open_both(stop_it);
    assert_int_equal(eddy_loop_poll_fds(testing.loop, 0), 1);
    testing_assert_log("a");
    start_letters(1, log_callback);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 0), 2);
    testing_assert_log("b a");
    close_them();
}

static void poll_and_log(eddy_callback *callback)
{
    (void)callback;
    testing_log("%d", (int)eddy_loop_poll_fds(testing.loop, 0));
}

test(a_stop_inside_of_a_callback_ends_that_poll_and_the_turn_goes_on_with_what_is_left)
{
    static eddy_callback callback;

    open_both(stop_it);
    start_letters(1, log_callback);
    eddy_callback_start(testing.loop, &callback, poll_and_log);
    /* a poll looks at the kernel first, so the watchers stand behind what was ready */
    testing_run();
    testing_assert_log("a a 1 b");
    close_them();
}

static void break_it(eddy_io *io, unsigned events)
{
    log_io(io, events);
    eddy_loop_break(testing.loop);
}

test(a_break_inside_leaves_the_batch_behind_the_watchers_that_are_left)
{
    static eddy_callback callback;

    open_both(break_it);
    eddy_callback_start(testing.loop, &callback, poll_and_log);
    start_letters(1, log_callback);
    testing_run();
    testing_assert_log("a 1");
    eddy_io_stop(&both[0].io);
    eddy_callback_stop(&letters[0]);
    eddy_callback_start(testing.loop, &letters[0], log_callback);
    testing_run();
    testing_assert_log("b");
    testing_turns();
    testing_assert_log("a");
    close_them();
}

test(an_error_of_the_kernel_is_returned_and_nothing_is_lost)
{
    start_watched();
    start_letters(1, log_callback);
    poke_watched();
    testing_fail(epoll_wait, 1, -EBADF);
    assert_int_equal(eddy_loop_poll_fds(testing.loop, 0), -EBADF);
    testing_assert_log("");
    testing_turns();
    testing_assert_log("a io");
    stop_watched();
}

eddy_frame(waits) {
    eddy_coro co;
    int fd;
};

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    eddy_await(eddy_fd_wait(co, self->fd, EDDY_READ));
    testing_log("task");
    eddy_end;
}

test(a_task_that_waits_for_an_fd_is_woken_and_runs_later)
{
    int fds[2];
    eddy_task task;

    testing_pipe(fds);
    task = start(waits, .fd = fds[0]);
    testing_turns();
    testing_poke(fds[1]);
    assert_int_equal(eddy_loop_poll_fds(testing.loop, 0), 0);
    testing_assert_log("");
    assert_int_equal(finish(task), 0);
    testing_assert_log("task");
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(only_watchers_run_and_all_else_runs_later_in_its_order),
        testing_case(inside_a_callback_it_answers_and_the_rest_of_the_batch_follows),
        testing_case(it_may_be_called_in_a_hook),
        testing_case(inside_a_step_of_a_task_it_is_refused),
        testing_case(a_negative_wait_is_invalid),
        testing_case(it_sleeps_for_an_fd_although_something_else_is_ready),
        testing_case(it_returns_early_when_a_timer_falls_due_which_runs_later),
        testing_case(virtual_time_stands_still_while_something_else_is_ready),
        testing_case(while_the_loop_is_being_freed_it_is_refused),
        testing_case(a_callback_may_free_its_watcher),
        testing_case(a_callback_may_stop_a_watcher_that_is_still_to_run),
        testing_case(a_stop_ends_it_and_what_is_left_runs_first_afterwards),
        testing_case(
            a_stop_inside_of_a_callback_ends_that_poll_and_the_turn_goes_on_with_what_is_left),
        testing_case(a_break_inside_leaves_the_batch_behind_the_watchers_that_are_left),
        testing_case(an_error_of_the_kernel_is_returned_and_nothing_is_lost),
        testing_case(a_task_that_waits_for_an_fd_is_woken_and_runs_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
