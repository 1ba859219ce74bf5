#include "loop.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void log_callback(eddy_callback *callback)
{
    testing_log("%s", (const char *)callback->user);
}

void log_timer(eddy_timer *timer)
{
    testing_log("%s", (const char *)timer->user);
}

void log_timer_and_time(eddy_timer *timer)
{
    testing_log("%s@%lld", (const char *)timer->user, (long long)eddy_loop_now(testing.loop));
}

void log_hook(eddy_hook *hook)
{
    testing_log("%s", (const char *)hook->user);
}

void log_io(eddy_io *io, unsigned events)
{
    (void)events;
    testing_log("%s", (const char *)io->user);
    testing_drain(io->fd);
}

struct watched watched;

void start_watched(void)
{
    memset(&watched, 0, sizeof watched);
    watched.io.user = "io";
    testing_pipe(watched.fds);
    assert_int_equal(eddy_io_start(testing.loop, &watched.io, watched.fds[0], EDDY_READ, log_io),
                     0);
}

void stop_watched(void)
{
    eddy_io_stop(&watched.io);
    close(watched.fds[0]);
    close(watched.fds[1]);
}

void poke_watched(void)
{
    testing_poke(watched.fds[1]);
}

void start_timer(eddy_timer *timer, int64_t delay)
{
    assert_int_equal(eddy_timer_start(testing.loop, timer, delay, log_timer_and_time), 0);
}

void real_time_loop(unsigned flags)
{
    testing_fake_clock(0);
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, flags);
}

eddy_callback letters[8];

void start_letters(int count, eddy_callback_fn *function)
{
    static char names[][2] = {"a", "b", "c", "d", "e", "f", "g", "h"};

    memset(letters, 0, sizeof letters);
    for (int i = 0; i < count; i++) {
        letters[i].user = names[i];
        eddy_callback_start(testing.loop, &letters[i], function);
    }
}

struct busy busy;

static void be_busy(eddy_callback *callback)
{
    busy.steps++;
    testing.sys.now += busy.cost;
    if (busy.steps == WARM_UP && busy.after_warm_up != NULL) {
        busy.after_warm_up();
    }
    if (busy.steps == busy.last || testing.log[0] != '\0') {
        eddy_loop_stop(testing.loop);
    }
    eddy_callback_start(testing.loop, callback, be_busy);
}

void start_busy(unsigned last, int64_t cost, void (*after_warm_up)(void))
{
    memset(&busy, 0, sizeof busy);
    busy.last = last;
    busy.cost = cost;
    busy.after_warm_up = after_warm_up;
    eddy_callback_start(testing.loop, &busy.callback, be_busy);
}

void run_tests_nested(eddy_callback *callback)
{
    (void)callback;
    testing_log("poll:%d", (int)-eddy_loop_poll_once(testing.loop, 0, 0));
    testing_log("run:%d", -eddy_loop_run(testing.loop));
    testing_log("free:%d", -eddy_loop_free(testing.loop));
}

void assert_all_busy(void)
{
    char expected[64];

    snprintf(expected, sizeof expected, "poll:%d run:%d free:%d", EBUSY, EBUSY, EBUSY);
    testing_assert_log(expected);
}

void true_time_loop_with_timerfd(void)
{
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, EDDY_LOOP_TIMERFD);
}

static bool wait_for_loop_fd(int milliseconds)
{
    struct pollfd question = {.fd = eddy_loop_fd(testing.loop), .events = POLLIN};

    return poll(&question, 1, milliseconds) == 1;
}

bool loop_fd_is_readable(void)
{
    return wait_for_loop_fd(0);
}

bool loop_fd_becomes_readable(void)
{
    return wait_for_loop_fd(60 * 1000);
}
