/* The end of a loop whose cleanups hang. */
#include "support/tasks.h"

#include <signal.h>
#include <unistd.h>

#include "eddy/signal.h"
#include "eddy/stream.h"

#define MS EDDY_MILLISECOND

static eddy_stream stream;

eddy_frame(hangs_in_its_finally) {
    eddy_coro co;
    char byte;
};

static void hangs_in_its_finally(eddy_coro *co)
{
    eddy_begin(hangs_in_its_finally);
    eddy_await(eddy_read(co, &stream, &self->byte, 1));
eddy_finally:
    eddy_await(eddy_read(co, &stream, &self->byte, 1));
    eddy_end;
}

test(the_shutdown_limit_on_a_manual_clock_is_real_time)
{
    int fds[2];

    testing_socketpair(fds);
    testing.options.shutdown_timeout = 100 * MS;
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    testing_fake_clock(EDDY_SECOND);
    memset(&stream, 0, sizeof stream);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    start(hangs_in_its_finally);
    testing_turn();
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    assert_int_equal(testing.sys.now, EDDY_SECOND + 100 * MS);
    assert_int_equal(testing.clock.now, 0);
    assert_told(-ETIMEDOUT, "");
    close(fds[0]);
    close(fds[1]);
}

eddy_frame(awaits_a_signal_in_its_finally) {
    eddy_coro co;
};

static void awaits_a_signal_in_its_finally(eddy_coro *co)
{
    eddy_begin(awaits_a_signal_in_its_finally);
    eddy_await(eddy_sleep(co, EDDY_FOREVER));
eddy_finally:
    eddy_await(eddy_signal_wait(co, EDDY_SIGNAL(SIGUSR1)));
    eddy_end;
}

test(a_cleanup_that_waits_for_a_signal_is_cut_off)
{
    testing.options.shutdown_timeout = 50 * MS;
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    testing_fake_clock(EDDY_SECOND);
    start(awaits_a_signal_in_its_finally);
    testing_turn();
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    assert_int_equal(testing.memory.bytes, 0);
    assert_told(-ETIMEDOUT, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(the_shutdown_limit_on_a_manual_clock_is_real_time),
        testing_case(a_cleanup_that_waits_for_a_signal_is_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
