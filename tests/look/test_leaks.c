/* loop.h: EDDY_LOOP_REPORT_LEAKS, what is told when a loop is freed and something is left. */
#include "support/leaks.h"

#include <inttypes.h>
#include <unistd.h>

#include "eddy/group.h"
#include "eddy/io.h"
#include "eddy/lock.h"
#include "eddy/stream.h"
#include "eddy/timer.h"
#include "loop/loop_internal.h"

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
    assert_int_equal(eddy_task_set_name(start(returns), "a\nb\033[1m\177\2331m \303\266"), 0);
    testing_turns();
    assert_leaks(
        "leak: #1 a?b?[1m??1m \303\266 was never joined, and has ended (spawned at %s:%d)\n",
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

test(watchers_and_timers_that_are_not_stopped_are_told_with_their_starts)
{
    static eddy_io io;
    static eddy_timer once;
    static eddy_timer periodic;
    static eddy_timer never;
    static eddy_timer stopped;
    eddy_timer_fn *fn = on_timer;
    int line = __LINE__ + 5;
    int fds[2];

    testing_pipe(fds);
    report_leaks();
    assert_int_equal(eddy_io_start(testing.loop, &io, fds[0], EDDY_READ, on_io), 0);
    eddy_timer_start(testing.loop, &once, 3 * EDDY_SECOND, fn);
    eddy_timer_start_periodic(testing.loop, &periodic, 5 * EDDY_SECOND, EDDY_TIMER_FIXED_RATE, fn);
    eddy_timer_start(testing.loop, &never, EDDY_FOREVER, fn);
    eddy_timer_start(testing.loop, &stopped, EDDY_SECOND, fn);
    eddy_timer_stop(&stopped);
    assert_leaks("leak: a watcher is still started on fd %d (started at %s:%d)\n"
                 "leak: a timer is still started: 3.0 s left (started at %s:%d)\n"
                 "leak: a periodic timer is still started: 5.0 s left (started at %s:%d)\n"
                 "leak: a timer is still started: for ever (started at %s:%d)\n",
                 fds[0], __FILE__, line, __FILE__, line + 1, __FILE__, line + 2, __FILE__,
                 line + 3);
    close(fds[0]);
    close(fds[1]);
}

static eddy_timer anew;
static int line_of_anew;

static void start_anew(eddy_callback *callback)
{
    (void)callback;
    line_of_anew = __LINE__ + 1;
    eddy_timer_start(testing.loop, &anew, 7 * EDDY_SECOND, on_timer);
}

test(a_timer_that_was_put_off_is_told_with_its_last_start)
{
    static eddy_callback callback;

    memset(&anew, 0, sizeof anew);
    report_leaks();
    eddy_timer_start(testing.loop, &anew, EDDY_SECOND, on_timer);
    eddy_callback_start(testing.loop, &callback, start_anew);
    testing_turns();
    assert_leaks("leak: a timer is still started: 7.0 s left (started at %s:%d)\n", __FILE__,
                 line_of_anew);
}

test(what_is_started_by_the_functions_themselves_is_told_without_a_place)
{
    static eddy_io io;
    static eddy_timer timers[2];
    static eddy_stream stream;
    int (*start_timer)(eddy_loop *, eddy_timer *, int64_t, eddy_timer_fn *) = eddy_timer_start;
    int fds[2];
    int pair[2];

    testing_pipe(fds);
    testing_socketpair(pair);
    report_leaks();
    eddy_timer_start(testing.loop, &timers[0], EDDY_SECOND, on_timer);
    assert_int_equal(start_timer(testing.loop, &timers[0], 2 * EDDY_SECOND, on_timer), 0);
    assert_int_equal((eddy_timer_start_periodic)(testing.loop, &timers[1], 3 * EDDY_SECOND,
                                                 EDDY_TIMER_FIXED_DELAY, on_timer),
                     0);
    assert_int_equal((eddy_io_start)(testing.loop, &io, fds[0], EDDY_READ, on_io), 0);
    assert_int_equal((eddy_stream_open)(testing.loop, &stream, pair[0]), 0);
    assert_leaks("leak: a watcher is still started on fd %d\n"
                 "leak: a stream is still open on fd %d (unix)\n"
                 "leak: a timer is still started: 2.0 s left\n"
                 "leak: a periodic timer is still started: 3.0 s left\n",
                 fds[0], pair[0]);
    close(fds[0]);
    close(fds[1]);
    close(pair[1]);
}

/* ---- the table of places */

enum { ROOM = 48, MANY = 3000 }; /* the table's first size has room for so many */

static eddy_timer many[MANY];
static int line_of_many;

static void start_many(int count)
{
    memset(many, 0, sizeof many);
    report_leaks();
    line_of_many = __LINE__ + 2;
    for (int i = 0; i < count; i++) {
        assert_int_equal(eddy_timer_start(testing.loop, &many[i], EDDY_SECOND + i, on_timer), 0);
    }
}

static void stop_all_but(int count, int kept)
{
    for (int i = 0; i < count; i++) {
        if (i != kept) {
            eddy_timer_stop(&many[i]);
        }
    }
}

test(among_many_each_is_told_with_its_own_start)
{
    int line = __LINE__ + 4;

    start_many(MANY);
    eddy_timer_stop(&many[1]);
    assert_int_equal(eddy_timer_start(testing.loop, &many[1], EDDY_SECOND, on_timer), 0);
    stop_all_but(MANY, 1);
    assert_leaks("leak: a timer is still started: 1.0 s left (started at %s:%d)\n", __FILE__, line);

    start_many(MANY);
    stop_all_but(MANY, MANY - 1);
    assert_leaks("leak: a timer is still started: 1.0 s left (started at %s:%d)\n", __FILE__,
                 line_of_many);
}

test(what_was_stopped_takes_no_room_for_long)
{
    static eddy_io io;
    int line = __LINE__ + 7;
    int fds[2];

    memset(&anew, 0, sizeof anew);
    testing_pipe(fds);
    start_many(0);
    assert_int_equal(eddy_timer_start(testing.loop, &anew, 2 * EDDY_SECOND, on_timer), 0);
    assert_int_equal(eddy_io_start(testing.loop, &io, fds[0], 0, on_io), 0);
    for (int i = 0; i < MANY; i++) {
        eddy_timer_start(testing.loop, &many[i], EDDY_SECOND, on_timer);
        eddy_timer_stop(&many[i]);
    }
    assert_int_equal(testing.loop->places.size, 64);
    assert_leaks("leak: a watcher is still started on fd %d (started at %s:%d)\n"
                 "leak: a timer is still started: 2.0 s left (started at %s:%d)\n",
                 fds[0], __FILE__, line, __FILE__, line - 1);
    close(fds[0]);
    close(fds[1]);
}

test(without_memory_for_its_place_a_timer_starts_and_is_told_without_one)
{
    start_many(0);
    testing_fail_allocation(2); /* the first is the heap's */
    assert_int_equal(eddy_timer_start(testing.loop, &many[0], EDDY_SECOND, on_timer), 0);
    assert_leaks("leak: a timer is still started: 1.0 s left\n");
}

/* In the heap's order. */
test(without_memory_for_more_places_those_that_are_known_are_told)
{
    int line = __LINE__ + 6;

    start_many(ROOM);
    testing_fail_allocation(1);
    assert_int_equal(eddy_timer_start(testing.loop, &many[ROOM], 2 * EDDY_SECOND, on_timer), 0);
    testing_fail_allocation(0);
    assert_int_equal(eddy_timer_start(testing.loop, &many[ROOM + 1], 3 * EDDY_SECOND, on_timer), 0);
    stop_all_but(ROOM, 0);
    assert_leaks("leak: a timer is still started: 1.0 s left (started at %s:%d)\n"
                 "leak: a timer is still started: 3.0 s left (started at %s:%d)\n"
                 "leak: a timer is still started: 2.0 s left\n",
                 __FILE__, line_of_many, __FILE__, line);
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
        testing_case(watchers_and_timers_that_are_not_stopped_are_told_with_their_starts),
        testing_case(a_timer_that_was_put_off_is_told_with_its_last_start),
        testing_case(what_is_started_by_the_functions_themselves_is_told_without_a_place),
        testing_case(among_many_each_is_told_with_its_own_start),
        testing_case(what_was_stopped_takes_no_room_for_long),
        testing_case(without_memory_for_its_place_a_timer_starts_and_is_told_without_one),
        testing_case(without_memory_for_more_places_those_that_are_known_are_told),
        testing_case(a_loop_that_leaves_nothing_tells_nothing_nor_does_one_without_the_flag),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
