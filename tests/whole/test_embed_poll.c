/* eddy inside a main loop around poll(2). */
#include "support/embed_rounds.h"

#include <poll.h>

static int watched_fd;

static void foreign_open(int fd)
{
    watched_fd = fd;
}

static bool foreign_sleep(bool may_wait)
{
    struct pollfd question = {.fd = watched_fd, .events = POLLIN};

    return poll(&question, 1, may_wait ? -1 : 0) == 1;
}

static void foreign_close(void) {}

/* ---- without a timerfd: the time-out is the foreign loop's */

/* Sleeps as poll(2) with a time-out would, on the fake clock; false: nothing more can happen. */
static bool sleep_until_next_deadline(void)
{
    int64_t deadline = eddy_loop_next_deadline(testing.loop);

    if (loop_fd_is_readable()) {
        return true;
    }
    if (deadline == EDDY_FOREVER) {
        return false;
    }
    if (deadline > testing.sys.now) {
        testing.sys.now = deadline;
    }
    return true;
}

test(without_a_timerfd_the_next_deadline_says_how_long_to_sleep)
{
    static eddy_timer first = {.user = "first"}, second = {.user = "second"};
    static eddy_callback callback = {.user = "callback"};

    real_time_loop(0);
    start_watched();
    start_timer(&first, 50);
    start_timer(&second, 120);
    eddy_callback_start(testing.loop, &callback, log_callback);
    poke_watched();
    while (sleep_until_next_deadline()) {
        testing_log("poll:%d", (int)eddy_loop_poll_once(testing.loop, 0, 0));
    }
    testing_assert_log("callback io poll:2 first@50 poll:1 second@120 poll:1");
    stop_watched();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EMBED_CASES,
        testing_case(without_a_timerfd_the_next_deadline_says_how_long_to_sleep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
