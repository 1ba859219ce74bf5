/* loop.h: EDDY_LOOP_REPORT_LEAKS, what is told when a loop is freed and something is left. */
#include "support/net.h"
#include "support/tasks.h"

#include <inttypes.h>
#include <unistd.h>

#include "eddy/group.h"
#include "eddy/io.h"
#include "eddy/lock.h"
#include "eddy/server.h"
#include "eddy/timer.h"

static char told[4096];

static void keep_errors(eddy_loop *loop, eddy_task task, int64_t code, const char *text)
{
    (void)loop;
    (void)task;
    assert_int_equal(code, -EBUSY);
    snprintf(told + strlen(told), sizeof told - strlen(told), "%s\n", text);
}

static void report_leaks(void)
{
    told[0] = '\0';
    testing.options.flags |= EDDY_LOOP_REPORT_LEAKS;
    testing.options.on_error = keep_errors;
    testing_reopen();
}

#define assert_leaks(...)                                   \
    do {                                                    \
        char expected_[1024];                               \
        testing_free();                                     \
        snprintf(expected_, sizeof expected_, __VA_ARGS__); \
        assert_string_equal(told, expected_);               \
    } while (0)

test(a_task_that_nobody_has_joined_is_told_with_its_spawn)
{
    int line = __LINE__ + 3;

    report_leaks();
    start(returns, .result = 7);
    start(sleeps, .seconds = 5);
    testing_turns();
    assert_leaks("leak: #2 sleeps was never joined, and still waits for sleep: 5.0 s left (spawned "
                 "at %s:%d)\n"
                 "leak: #1 returns was never joined, and has ended (spawned at %s:%d)\n",
                 __FILE__, line + 1, __FILE__, line);
}

static eddy_lock lock;

eddy_frame(locks) {
    eddy_coro co;
};

static void locks(eddy_coro *co)
{
    eddy_begin(locks);
    eddy_await(eddy_lock_acquire(co, &lock));
    eddy_await(eddy_pause(co));
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    eddy_end;
}

test(an_object_that_is_still_waited_on_is_told_with_who_waits)
{
    int line = __LINE__ + 4;

    eddy_lock_init(&lock);
    report_leaks();
    eddy_detach(start(locks));
    start(locks);
    testing_turns();
    assert_leaks("leak: #2 locks was never joined, and still waits for lock: 0x%" PRIxPTR
                 ", held by task 1, locks (spawned at %s:%d)\n",
                 (uintptr_t)&lock, __FILE__, line + 1);
}

test(what_is_told_is_one_line_whatever_a_task_is_called)
{
    int line = __LINE__ + 2;
    report_leaks();
    assert_int_equal(eddy_task_set_name(start(returns), "a\nb\033[1m\177 \303\266"), 0);
    testing_turns();
    assert_leaks("leak: #1 a?b?[1m? \303\266 was never joined, and has ended (spawned at %s:%d)\n",
                 __FILE__, line);
}

eddy_frame(tidy) {
    eddy_coro co;
    eddy_group group;
};

static void tidy(eddy_coro *co)
{
    eddy_begin(tidy);
    eddy_detach(eddy_spawn(co, sleeps, .seconds = 5));
    eddy_await(eddy_join(co, eddy_spawn(co, sleeps, .seconds = 1)));
    eddy_group_spawn(co, &self->group, sleeps, .seconds = 1);
    eddy_await(eddy_group_wait(co, &self->group));
    eddy_end;
}

test(what_is_joined_detached_or_of_a_group_is_no_leak)
{
    report_leaks();
    assert_int_equal(run(tidy), 0);
    assert_leaks("%s", "");
}

eddy_frame(joins) {
    eddy_coro co;
    eddy_task task;
};

static void joins(eddy_coro *co)
{
    eddy_begin(joins);
    eddy_await(eddy_join(co, self->task));
    eddy_end;
}

test(a_task_that_is_being_joined_is_no_leak)
{
    report_leaks();
    eddy_detach(start(joins, .task = start(sleeps, .seconds = 5)));
    testing_turns();
    assert_leaks("%s", "");
}

static void on_io(eddy_io *io, unsigned events)
{
    (void)io;
    (void)events;
}

static void on_timer(eddy_timer *timer)
{
    (void)timer;
}

test(watchers_and_timers_that_are_not_stopped_are_told)
{
    static eddy_io io;
    static eddy_timer once;
    static eddy_timer periodic;
    static eddy_timer stopped;
    int fds[2];

    testing_pipe(fds);
    report_leaks();
    assert_int_equal(eddy_io_start(testing.loop, &io, fds[0], EDDY_READ, on_io), 0);
    eddy_timer_start(testing.loop, &once, 3 * EDDY_SECOND, on_timer);
    eddy_timer_start_periodic(testing.loop, &periodic, 5 * EDDY_SECOND, EDDY_TIMER_FIXED_RATE,
                              on_timer);
    eddy_timer_start(testing.loop, &stopped, EDDY_SECOND, on_timer);
    eddy_timer_stop(&stopped);
    assert_leaks("leak: a watcher is still started on fd %d\n"
                 "leak: a timer is still started: 3.0 s left\n"
                 "leak: a periodic timer is still started: 5.0 s left\n",
                 fds[0]);
    close(fds[0]);
    close(fds[1]);
}

eddy_frame(handler) {
    eddy_coro co;
    eddy_stream *stream;
};

static void handler(eddy_coro *co)
{
    eddy_begin(handler);
    eddy_end;
}

static eddy_server server;

eddy_frame(opens) {
    eddy_coro co;
};

static void opens(eddy_coro *co)
{
    eddy_begin(opens);
    eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, handler));
    eddy_end;
}

test(a_server_and_a_stream_that_are_not_closed_are_told)
{
    static eddy_stream stream;
    char lines[2][64];
    int fds[2];

    memset(&server, 0, sizeof server);
    testing_socketpair(fds);
    report_leaks();
    assert_int_equal(run(opens), 0);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    snprintf(lines[0], sizeof lines[0], "leak: a stream is still open on fd %d (unix)\n", fds[0]);
    snprintf(lines[1], sizeof lines[1], "leak: a server still listens on fd %d (127.0.0.1:%d)\n",
             server.io.fd, eddy_server_port(&server));
    assert_leaks("%s%s", lines[server.io.fd < fds[0]], lines[server.io.fd > fds[0]]);
    close(fds[1]);
}

test(a_loop_that_leaves_nothing_tells_nothing_nor_does_one_without_the_flag)
{
    report_leaks();
    assert_leaks("%s", "");
    testing.options.flags &= ~(unsigned)EDDY_LOOP_REPORT_LEAKS;
    testing_reopen();
    start(sleeps, .seconds = 1);
    testing_turns();
    assert_leaks("%s", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_task_that_nobody_has_joined_is_told_with_its_spawn),
        testing_case(an_object_that_is_still_waited_on_is_told_with_who_waits),
        testing_case(what_is_told_is_one_line_whatever_a_task_is_called),
        testing_case(what_is_joined_detached_or_of_a_group_is_no_leak),
        testing_case(a_task_that_is_being_joined_is_no_leak),
        testing_case(watchers_and_timers_that_are_not_stopped_are_told),
        testing_case(a_server_and_a_stream_that_are_not_closed_are_told),
        testing_case(a_loop_that_leaves_nothing_tells_nothing_nor_does_one_without_the_flag),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
