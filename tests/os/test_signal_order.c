/* signal.h: in which order signals are returned that have come, and how many. */
#include "support/tasks.h"

#include <signal.h>
#include <unistd.h>

#include "eddy/signal.h"

static const uint64_t USR1 = EDDY_SIGNAL(SIGUSR1);
static const uint64_t TERM = EDDY_SIGNAL(SIGTERM);

/* Waits until it gets one that is not in `others`; how many of those it got before. */
eddy_frame(waits_for) {
    eddy_coro co;
    uint64_t others;
    uint64_t set;
    void (*before_each)(void);
    int64_t number;
    int64_t count;
};

static void waits_for(eddy_coro *co)
{
    eddy_begin(waits_for);
    for (;;) {
        self->before_each();
        eddy_await(eddy_pause(co));
        eddy_await(eddy_pause(co));
        eddy_await(self->number, eddy_signal_wait(co, self->set | self->others));
        if ((EDDY_SIGNAL(self->number) & self->others) == 0) {
            eddy_return(self->count);
        }
        self->count++;
        assert_true(self->count < 100);
    }
    eddy_end;
}

static void raise_nothing(void) {}

static void raise_usr1(void)
{
    assert_int_equal(raise(SIGUSR1), 0);
}

static void raise_both(void)
{
    raise_usr1();
    assert_int_equal(raise(SIGTERM), 0);
}

test(a_signal_that_comes_all_the_time_hides_no_other)
{
    assert_int_equal(eddy_signal_watch(testing.loop, USR1 | TERM), 0);
    raise_both();
    assert_int_equal(run(waits_for, .others = USR1, .set = TERM, .before_each = raise_usr1), 1);
    raise_both();
    assert_int_equal(run(waits_for, .others = TERM, .set = USR1, .before_each = raise_both), 0);
}

/* ---- one that comes faster than it is read */

static ssize_t (*real_read)(const struct eddy_sys *sys, int fd, void *buffer, size_t size);
static int flood; /* how often it comes again as soon as it is read */

static ssize_t read_and_raise(const struct eddy_sys *sys, int fd, void *buffer, size_t size)
{
    ssize_t count = real_read(sys, fd, buffer, size);

    if (count > 0 && flood > 0) {
        flood--;
        raise_usr1();
    }
    return count;
}

static void begin_flood(int times)
{
    real_read = testing.sys.table.read;
    testing.sys.table.read = read_and_raise;
    testing_reopen();
    flood = times;
}

test(one_that_comes_faster_than_it_is_read_hides_no_other_in_the_kernel)
{
    begin_flood(1000000);
    assert_int_equal(eddy_signal_watch(testing.loop, USR1 | TERM), 0);
    raise_both();
    assert_int_equal(run(waits_for, .others = USR1, .set = TERM, .before_each = raise_usr1), 1);
    assert_true(flood > 1000000 - 200); /* sixteen in a turn */
    flood = 0;
}

test(without_an_fd_to_spare_the_others_have_to_wait)
{
    begin_flood(40);
    assert_int_equal(eddy_signal_watch(testing.loop, USR1 | TERM), 0);
    raise_both();
    testing_fail_from(signalfd, 1, -EMFILE);
    testing_turn();
    assert_int_equal(flood, 40 - 16);
    assert_int_equal(run(waits_for, .others = USR1, .set = TERM, .before_each = raise_usr1), 1);
    assert_int_equal(flood, 0);
}

test(a_loop_can_be_freed_while_they_come)
{
    begin_flood(1000000);
    assert_int_equal(eddy_signal_watch(testing.loop, USR1), 0);
    assert_int_equal(signal(SIGUSR1, SIG_IGN) != SIG_ERR, 1); /* for what is left of them */
    raise_usr1();
    testing_free();
    assert_true(flood > 0);
    flood = 0;
    signal(SIGUSR1, SIG_DFL);
}

/* ---- real-time signals */

enum { MANY = 40 };

static void queue_signals(int number, int times)
{
    union sigval value = {0};

    for (int i = 0; i < times; i++) {
        assert_int_equal(sigqueue(getpid(), number, value), 0);
    }
}

eddy_frame(counts) {
    eddy_coro co;
    int number;
    int64_t rc;
    int64_t count;
};

static void counts(eddy_coro *co)
{
    eddy_begin(counts);
    for (;;) {
        eddy_catch(self->rc,
                   eddy_wait_for(co, EDDY_SECOND, eddy_signal_wait(co, EDDY_SIGNAL(self->number))));
        if (self->rc != self->number) {
            assert_int_equal(self->rc, -ETIMEDOUT);
            eddy_return(self->count);
        }
        self->count++;
    }
    eddy_end;
}

test(each_real_time_signal_counts_whether_somebody_waits_or_not)
{
    int number = SIGRTMIN + 3;
    eddy_task task = start(counts, .number = number);

    testing_turns();
    queue_signals(number, 1);
    testing_turns();
    queue_signals(number, MANY);
    assert_int_equal(finish(task), 1 + MANY);
    queue_signals(number, MANY);
    testing_turns();
    queue_signals(number, 2);
    testing_turns();
    assert_int_equal(run(counts, .number = number), MANY + 2);
}

test(a_standard_signal_that_comes_again_is_one)
{
    assert_int_equal(eddy_signal_watch(testing.loop, USR1), 0);
    raise_usr1();
    testing_turns();
    raise_usr1();
    testing_turns();
    assert_int_equal(run(counts, .number = SIGUSR1), 1);
}

test(many_of_one_real_time_signal_hide_no_other)
{
    uint64_t rt = EDDY_SIGNAL(SIGRTMIN + 1);

    assert_int_equal(eddy_signal_watch(testing.loop, rt | EDDY_SIGNAL(SIGRTMIN + 2)), 0);
    queue_signals(SIGRTMIN + 1, MANY);
    queue_signals(SIGRTMIN + 2, 1);
    assert_int_equal(run(waits_for, .others = rt, .set = EDDY_SIGNAL(SIGRTMIN + 2),
                         .before_each = raise_nothing),
                     1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_signal_that_comes_all_the_time_hides_no_other),
        testing_case(one_that_comes_faster_than_it_is_read_hides_no_other_in_the_kernel),
        testing_case(without_an_fd_to_spare_the_others_have_to_wait),
        testing_case(a_loop_can_be_freed_while_they_come),
        testing_case(each_real_time_signal_counts_whether_somebody_waits_or_not),
        testing_case(a_standard_signal_that_comes_again_is_one),
        testing_case(many_of_one_real_time_signal_hide_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
