/* main.h: a coroutine as a program: its exit status, and what SIGINT and SIGTERM do. The programs run in
 * children, and send the signals to themselves: what has happened by then is always the same. */
#include "support/tasks.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "eddy/event.h"
#include "eddy/main.h"

/* What the child has come to, as its parent sees it. */
static struct {
    int cleaned;
    int went_on;
    int heard;
} * seen;

static int setup(void **state)
{
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return seen == MAP_FAILED ? -1 : testing_setup(state);
}

static int teardown(void **state)
{
    munmap(seen, sizeof *seen);
    return testing_teardown(state);
}

#define main_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* As waitpid says how the program has ended. */
static int status_of(int (*program)(void))
{
    pid_t child;
    int status;

    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(100);
        for (int number = 1; number < 32; number++) { /* cmocka catches some */
            if (number != SIGKILL && number != SIGSTOP) {
                signal(number, SIG_DFL);
            }
        }
        /* The fixture's loop is the parent's; the program has one of its own. */
        if (eddy_loop_after_fork(testing.loop) < 0 || eddy_loop_free(testing.loop) < 0) {
            _exit(99);
        }
        _exit(program());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

#define assert_exits(program, code)                                        \
    do {                                                                   \
        int status_ = status_of(program);                                  \
        assert_true(WIFEXITED(status_) && WEXITSTATUS(status_) == (code)); \
    } while (0)

#define assert_dies(program, number)                                        \
    do {                                                                    \
        int status_ = status_of(program);                                   \
        assert_true(WIFSIGNALED(status_) && WTERMSIG(status_) == (number)); \
    } while (0)

/* ---- without signals */

test(the_status_is_the_value_and_of_an_error_1)
{
    assert_int_equal(eddy_main(returns), 0);
    assert_int_equal(eddy_main(returns, .result = 3), 3);
    assert_int_equal(eddy_main(returns, .result = 1000), 255);
    assert_int_equal(eddy_main_with(&testing.options, returns, .result = -EIO), 1);
    assert_told(-EIO, "was run by eddy_main");
}

test(a_cancel_that_no_signal_has_caused_is_told)
{
    assert_int_equal(eddy_main_with(&testing.options, returns, .result = -ECANCELED), 1);
    assert_told(-ECANCELED, "was run by eddy_main");
}

eddy_frame_of(waits, eddy_event event);

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    eddy_await(eddy_event_wait(co, &self->event));
    eddy_end;
}

test(a_program_in_which_nothing_can_go_on_says_so_and_does_not_wait_for_a_signal)
{
    assert_int_equal(eddy_main_with(&testing.options, waits), 1);
    testing.errors.count = 1; /* the deadlock, and the cancel that follows */
    assert_told(-EDEADLK, "");
}

test(what_keeps_the_signals_from_being_watched_is_told_and_nothing_begins)
{
    testing_fail(signalfd, 1, -EMFILE);
    assert_int_equal(eddy_main_with(&testing.options, pauses, .name = "begun", .times = 1), 1);
    assert_told(-EMFILE, "the program could not be started");
    testing_assert_log("");
}

test(the_mask_is_as_it_was_and_no_leak_is_told)
{
    sigset_t before, after;

    testing.options.flags |= EDDY_LOOP_REPORT_LEAKS;
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &before), 0);
    assert_int_equal(eddy_main_with(&testing.options, returns), 0);
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &after), 0);
    for (int number = 1; number < 32; number++) {
        assert_int_equal(sigismember(&before, number), sigismember(&after, number));
    }
}

/* ---- one signal */

eddy_frame_of(is_told_to_end, int number, bool catches, int64_t rc);

static void is_told_to_end(eddy_coro *co)
{
    eddy_begin(is_told_to_end);
    raise(self->number);
    eddy_catch(self->rc, eddy_sleep(co, 100 * EDDY_SECOND));
    if (self->catches) {
        eddy_return(self->rc == -ECANCELED ? 4 : 5);
    }
    eddy_return(self->rc);
eddy_finally:
    eddy_await(eddy_sleep(co, EDDY_MILLISECOND));
    seen->cleaned++;
    eddy_end;
}

static int is_interrupted(void)
{
    return eddy_main(is_told_to_end, .number = SIGINT);
}

static int is_terminated(void)
{
    return eddy_main(is_told_to_end, .number = SIGTERM);
}

static int catches_cancel(void)
{
    return eddy_main(is_told_to_end, .number = SIGTERM, .catches = true);
}

test(a_signal_ends_the_program_through_its_cleanups_and_the_status_is_the_signals)
{
    assert_dies(is_interrupted, SIGINT);
    assert_int_equal(seen->cleaned, 1);
    assert_dies(is_terminated, SIGTERM);
    assert_int_equal(seen->cleaned, 2);
}

test(a_program_that_catches_the_cancel_has_a_status_of_its_own)
{
    assert_exits(catches_cancel, 4);
    assert_int_equal(seen->cleaned, 1);
}

static int is_terminated_and_ignores_interrupts(void)
{
    signal(SIGINT, SIG_IGN);
    return eddy_main(is_told_to_end, .number = SIGTERM, .catches = true);
}

eddy_frame_of(ignores);

static void ignores(eddy_coro *co)
{
    eddy_begin(ignores);
    raise(SIGINT);
    eddy_await(eddy_sleep(co, EDDY_MILLISECOND));
    eddy_return(6);
    eddy_end;
}

static int ignores_interrupts(void)
{
    signal(SIGINT, SIG_IGN);
    return eddy_main(ignores);
}

test(a_signal_that_was_ignored_stays_so)
{
    assert_exits(ignores_interrupts, 6);
    assert_exits(is_terminated_and_ignores_interrupts, 4);
}

static void nothing(int number)
{
    (void)number;
}

static int has_a_handler(void)
{
    signal(SIGTERM, nothing);
    return eddy_main(is_told_to_end, .number = SIGTERM);
}

test(where_the_signal_cannot_end_the_process_the_status_says_which_it_was)
{
    assert_exits(has_a_handler, 128 + SIGTERM);
}

/* ---- two */

eddy_frame_of(is_stuck, int64_t rc);

/* After the first it never comes back to the loop. */
static void is_stuck(eddy_coro *co)
{
    eddy_begin(is_stuck);
    raise(SIGINT);
    eddy_catch(self->rc, eddy_sleep(co, 100 * EDDY_SECOND));
    raise(SIGTERM);
    seen->went_on = 1;
eddy_finally:
    seen->cleaned++;
    eddy_end;
}

static int gets_two(void)
{
    return eddy_main(is_stuck);
}

test(the_second_ends_the_process_at_once_also_in_a_step_that_does_not_end)
{
    assert_dies(gets_two, SIGTERM);
    assert_int_equal(seen->went_on, 0);
    assert_int_equal(seen->cleaned, 0);
}

eddy_frame_of(gets_both);

static void gets_both(eddy_coro *co)
{
    eddy_begin(gets_both);
    raise(SIGINT);
    raise(SIGTERM);
    eddy_await(eddy_sleep(co, 100 * EDDY_SECOND));
eddy_finally:
    seen->cleaned++;
    eddy_end;
}

static int gets_both_at_once(void)
{
    return eddy_main(gets_both);
}

test(two_that_come_together_are_a_first_and_a_second)
{
    assert_dies(gets_both_at_once, SIGTERM);
    assert_int_equal(seen->cleaned, 0);
}

eddy_frame_of(hears, int64_t number);

static void hears(eddy_coro *co)
{
    eddy_begin(hears);
    for (;;) {
        eddy_await(self->number, eddy_signal_wait(co, EDDY_SIGNAL(SIGTERM)));
        seen->heard++;
    }
    eddy_end;
}

eddy_frame_of(lets_others_hear, eddy_task task, int i, int64_t rc);

static void lets_others_hear(eddy_coro *co)
{
    eddy_begin(lets_others_hear);
    self->task = eddy_spawn(co, hears);
    eddy_await(eddy_pause(co));
    for (; self->i < 2; self->i++) {
        raise(SIGTERM);
        eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
    }
    seen->went_on = 1;
    eddy_end;
}

static int listens_itself(void)
{
    return eddy_main(lets_others_hear);
}

test(a_task_that_waits_for_the_signal_hears_it_too_and_the_second_ends_the_process)
{
    assert_dies(listens_itself, SIGTERM);
    assert_int_equal(seen->heard, 2); /* it is woken before the process ends */
    assert_int_equal(seen->went_on, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        main_case(the_status_is_the_value_and_of_an_error_1),
        main_case(a_cancel_that_no_signal_has_caused_is_told),
        main_case(a_program_in_which_nothing_can_go_on_says_so_and_does_not_wait_for_a_signal),
        main_case(what_keeps_the_signals_from_being_watched_is_told_and_nothing_begins),
        main_case(the_mask_is_as_it_was_and_no_leak_is_told),
        main_case(a_signal_ends_the_program_through_its_cleanups_and_the_status_is_the_signals),
        main_case(a_program_that_catches_the_cancel_has_a_status_of_its_own),
        main_case(a_signal_that_was_ignored_stays_so),
        main_case(where_the_signal_cannot_end_the_process_the_status_says_which_it_was),
        main_case(the_second_ends_the_process_at_once_also_in_a_step_that_does_not_end),
        main_case(two_that_come_together_are_a_first_and_a_second),
        main_case(a_task_that_waits_for_the_signal_hears_it_too_and_the_second_ends_the_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
