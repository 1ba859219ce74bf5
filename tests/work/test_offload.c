/* offload.h: work in threads beside the loop: results, order, workers, progress, the clock. */
#include "support/net.h"
#include "support/threads.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "eddy/callback.h"
#include "eddy/loop.h"
#include "eddy/path.h"
#include "eddy/signal.h"

static struct gate gate;
static int ran[16]; /* which works have run, in order; count first */

static int setup(void **state)
{
    gate_init(&gate);
    memset(ran, 0, sizeof ran);
    return testing_setup(state);
}

#define offload_case(name) cmocka_unit_test_setup_teardown(name, setup, testing_teardown)

/* What a work is told to do. */
struct order {
    int number;
    bool gated; /* passes the gate */
    bool obeys; /* returns -ECANCELED if it is cancelled behind the gate */
    int64_t result;
};

static int64_t obey(eddy_job *job, void *argument)
{
    const struct order *order = argument;

    ran[1 + __atomic_fetch_add(&ran[0], 1, __ATOMIC_SEQ_CST)] = order->number;
    if (order->gated) {
        gate_pass(&gate);
    }
    return order->obeys && eddy_offload_cancelled(job) ? -ECANCELED : order->result;
}

eddy_frame(offloads) {
    eddy_coro co;
    const char *name; /* NULL: logs nothing */
    struct order order;
    int64_t rc;
};

static void offloads(eddy_coro *co)
{
    eddy_begin(offloads);
    eddy_catch(self->rc, eddy_offload(co, obey, &self->order));
    if (self->name != NULL) {
        log_end(self->name, self->rc);
    }
    eddy_return(self->rc);
    eddy_end;
}

/* ---- results */

test(the_result_of_the_work_is_that_of_the_await)
{
    assert_int_equal(run(offloads, .order = {.result = 0}), 0);
    assert_int_equal(run(offloads, .order = {.result = INT64_MAX}), INT64_MAX);
    assert_int_equal(run(offloads, .order = {.result = -EDOM}), -EDOM);
    assert_int_equal(run(offloads, .order = {.result = EDDY_ERROR_USER - 7}), EDDY_ERROR_USER - 7);
    assert_int_equal(ran[0], 4);
}

static int64_t look_at_thread(eddy_job *job, void *argument)
{
    sigset_t blocked;

    (void)job;
    *(pthread_t *)argument = pthread_self();
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    return sigismember(&blocked, SIGINT) * 1000 + sigismember(&blocked, SIGPIPE) * 100 +
           sigismember(&blocked, SIGSEGV) * 10 + sigismember(&blocked, SIGABRT);
}

eddy_frame(waits_for_signal) {
    eddy_coro co;
};

static void waits_for_signal(eddy_coro *co)
{
    int64_t rc;

    eddy_begin(waits_for_signal);
    eddy_await(rc, eddy_signal_wait(co, EDDY_SIGNAL(SIGUSR2)));
    eddy_return(rc);
    eddy_end;
}

eddy_frame(looks) {
    eddy_coro co;
    pthread_t thread;
    int64_t rc;
};

static void looks(eddy_coro *co)
{
    eddy_begin(looks);
    eddy_await(self->rc, eddy_offload(co, look_at_thread, &self->thread));
    if (pthread_equal(self->thread, pthread_self())) {
        eddy_return(-EDOM);
    }
    eddy_return(self->rc);
    eddy_end;
}

/* So that a process which it starts can be ended, as one that the loop's thread starts. */
test(work_runs_on_another_thread_with_the_signal_mask_of_the_loops)
{
    sigset_t mask;
    sigset_t before;

    assert_int_equal(run(looks), 0);
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGSEGV);
    pthread_sigmask(SIG_SETMASK, &mask, &before); /* the thread is there already */
    assert_int_equal(run(looks), 1010);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(run(looks), 0);
}

/* The kernel gives it to any thread that does not block it, with its default action. */
test(a_signal_that_is_watched_only_later_does_not_come_to_a_thread_that_waits_for_work)
{
    assert_int_equal(run(offloads), 0);
    assert_int_equal(eddy_signal_watch(testing.loop, EDDY_SIGNAL(SIGUSR2)), 0);
    kill(getpid(), SIGUSR2);
    assert_int_equal(run(waits_for_signal), SIGUSR2);
}

static pthread_t loops_thread;

static int signal_mask_of_the_loops_thread(const struct eddy_sys *sys, int how, const sigset_t *set,
                                           sigset_t *old)
{
    return pthread_equal(pthread_self(), loops_thread)
               ? eddy_sys_default()->signal_mask(sys, how, set, old)
               : -EINVAL;
}

test(work_whose_mask_cannot_be_set_runs_with_all_signals_blocked_but_those_of_a_crash)
{
    loops_thread = pthread_self();
    testing.sys.table.signal_mask = signal_mask_of_the_loops_thread;
    assert_int_equal(run(looks), 1100);
}

test(the_signal_mask_of_the_loops_thread_is_as_it_was)
{
    sigset_t before;
    sigset_t mask;
    sigset_t after;

    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &mask, &before);
    assert_int_equal(run(offloads), 0);
    pthread_sigmask(SIG_SETMASK, &before, &after);
    for (int number = 1; number < 32; number++) {
        assert_int_equal(sigismember(&after, number), number == SIGUSR1);
    }
}

/* ---- workers */

test(no_thread_is_there_before_the_first_work)
{
    assert_int_equal(eddy_offload_workers(testing.loop, 2), 0);
    assert_int_equal(run(returns, .result = 1), 1);
    assert_int_equal(testing_calls(thread_create), 0);
}

test(one_worker_does_its_work_first_come_first_served)
{
    assert_int_equal(eddy_offload_workers(testing.loop, 1), 0);
    for (int i = 1; i <= 5; i++) {
        eddy_detach(start(offloads, .order = {.number = i}));
    }
    testing_run();
    assert_int_equal(ran[0], 5);
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(ran[i], i);
    }
    assert_int_equal(testing_calls(thread_create), 1);
}

test(a_worker_that_is_free_is_used_again)
{
    for (int i = 0; i < 8; i++) {
        assert_int_equal(run(offloads), 0);
    }
    assert_int_equal(testing_calls(thread_create), 1);
}

test(works_run_side_by_side_up_to_the_number_of_workers)
{
    assert_int_equal(eddy_offload_workers(testing.loop, 3), 0);
    for (int i = 0; i < 5; i++) {
        eddy_detach(start(offloads, .order = {.gated = true}));
    }
    testing_turn();
    for (int i = 0; i < 3; i++) {
        gate_await(&gate);
    }
    assert_int_equal(testing_calls(thread_create), 3);
    assert_int_equal(ran[0], 3);
    for (int i = 0; i < 5; i++) {
        gate_open(&gate);
    }
    testing_run();
    assert_int_equal(ran[0], 5);
    assert_int_equal(testing_calls(thread_create), 3);
}

test(without_a_number_there_are_four)
{
    for (int i = 0; i < 6; i++) {
        eddy_detach(start(offloads, .order = {.gated = true}));
    }
    testing_turn();
    assert_int_equal(testing_calls(thread_create), 4);
    for (int i = 0; i < 6; i++) {
        gate_open(&gate);
    }
    testing_run();
    assert_int_equal(ran[0], 6);
    assert_int_equal(testing_calls(thread_create), 4);
}

test(the_number_of_workers_is_1_to_1024_and_not_less_than_there_are)
{
    assert_int_equal(eddy_offload_workers(testing.loop, 0), -EINVAL);
    assert_int_equal(eddy_offload_workers(testing.loop, 1025), -EINVAL);
    assert_int_equal(eddy_offload_workers(testing.loop, 1024), 0);
    for (int i = 0; i < 2; i++) {
        eddy_detach(start(offloads, .order = {.gated = true}));
    }
    testing_turn();
    gate_await(&gate);
    gate_await(&gate);
    assert_int_equal(eddy_offload_workers(testing.loop, 1), -EBUSY);
    assert_int_equal(eddy_offload_workers(testing.loop, 2), 0);
    gate_open(&gate);
    gate_open(&gate);
    testing_run();
}

/* Works that stop at the gate, and the workers for the first of them, which are busy with that. */
static void start_gated(int busy, int works)
{
    assert_int_equal(eddy_offload_workers(testing.loop, (unsigned)busy), 0);
    for (int i = 0; i < works; i++) {
        eddy_detach(start(offloads, .order = {.gated = true}));
    }
    testing_turn();
    for (int i = 0; i < busy; i++) {
        gate_await(&gate);
    }
    assert_int_equal(testing_calls(thread_create), busy);
}

static void end_gated(int works)
{
    for (int i = 0; i < works; i++) {
        gate_open(&gate);
    }
    testing_run();
    assert_int_equal(ran[0], works);
}

test(a_number_that_is_raised_starts_threads_for_the_works_that_wait)
{
    start_gated(1, 4);
    assert_int_equal(eddy_offload_workers(testing.loop, 3), 0);
    assert_int_equal(testing_calls(thread_create), 3);
    gate_await(&gate);
    gate_await(&gate);
    assert_int_equal(ran[0], 3);
    assert_int_equal(eddy_offload_workers(testing.loop, 1024), 0); /* one work waits, no more */
    assert_int_equal(testing_calls(thread_create), 4);
    gate_await(&gate);
    assert_int_equal(ran[0], 4);
    assert_int_equal(eddy_offload_workers(testing.loop, 5), 0);
    assert_int_equal(testing_calls(thread_create), 4);
    end_gated(4);
}

test(a_number_that_is_raised_where_no_thread_can_be_had_leaves_the_work_to_those_that_run)
{
    start_gated(1, 3);
    testing_fail_from(thread_create, 1, -EAGAIN);
    assert_int_equal(eddy_offload_workers(testing.loop, 3), 0);
    assert_int_equal(testing_calls(thread_create), 2); /* and is not asked again and again */
    testing_fail(thread_create, 0, 0);
    testing_fail_allocations_from(1);
    assert_int_equal(eddy_offload_workers(testing.loop, 3), 0);
    testing_fail_allocation(0);
    assert_int_equal(eddy_offload_workers(testing.loop, 3), 0);
    gate_await(&gate);
    gate_await(&gate);
    assert_int_equal(ran[0], 3);
    end_gated(3);
}

/* ---- progress */

struct report {
    int from, to; /* the values that it tells before it passes the gate; then ten times as much */
};

static int64_t tell(eddy_job *job, void *argument)
{
    const struct report *report = argument;

    for (int i = report->from; i <= report->to; i++) {
        eddy_offload_progress(job, i);
    }
    gate_pass(&gate);
    for (int i = report->from; i <= report->to; i++) {
        eddy_offload_progress(job, i * 10);
    }
    gate_pass(&gate);
    return 7;
}

static pthread_t loops_thread;

static void log_progress(eddy_progress *progress, int64_t value)
{
    assert_true(pthread_equal(pthread_self(), loops_thread));
    assert_int_equal(progress->value, value);
    testing_log("%s%lld", (const char *)progress->user, (long long)value);
}

eddy_frame(watches) {
    eddy_coro co;
    struct report report;
    eddy_progress progress;
    int64_t rc;
};

static void watches(eddy_coro *co)
{
    eddy_begin(watches);
    eddy_await(self->rc, eddy_offload_watched(co, tell, &self->report, &self->progress));
    testing_log("value=%lld result=%lld", (long long)self->progress.value, (long long)self->rc);
    eddy_end;
}

test(values_that_come_fast_are_merged_and_the_last_comes_before_the_result)
{
    eddy_task task = start(watches, .report = {1, 3},
                           .progress = {.callback = log_progress, .user = (void *)(uintptr_t) "p"});

    loops_thread = pthread_self();
    testing_turn();
    gate_await(&gate);
    testing_assert_log("");
    testing_turns();
    testing_assert_log("p3");
    gate_open(&gate);
    gate_await(&gate);
    gate_open(&gate);
    assert_int_equal(finish(task), 0);
    testing_assert_log("p30 value=30 result=7");
}

test(progress_can_be_looked_at_without_a_callback_and_need_not_be_watched)
{
    eddy_task task = start(watches, .report = {1, 2});

    gate_open(&gate);
    gate_open(&gate);
    assert_int_equal(finish(task), 0);
    testing_assert_log("value=20 result=7");
}

static int64_t tell_nobody(eddy_job *job, void *argument)
{
    (void)argument;
    eddy_offload_progress(job, 1);
    return eddy_offload_cancelled(job);
}

eddy_frame(unwatched) {
    eddy_coro co;
};

static void unwatched(eddy_coro *co)
{
    eddy_begin(unwatched);
    eddy_await(eddy_offload(co, tell_nobody, NULL));
    eddy_end;
}

test(what_nobody_watches_may_be_told)
{
    assert_int_equal(run(unwatched), 0);
}

/* ---- time */

static void open_gate(void)
{
    assert_int_equal(testing.clock.now, 0);
    testing.sys.on_wait = NULL;
    gate_await(&gate);
    gate_open(&gate);
}

test(a_virtual_clock_stands_still_while_work_runs)
{
    eddy_task sleeper = start(sleeps, .name = "sleep", .seconds = 3600);
    eddy_task worker = start(offloads, "work", {.gated = true});

    testing_turn();
    testing.sys.on_wait = open_gate; /* when the loop would rather sleep than let time jump */
    assert_int_equal(finish(worker), 0);
    assert_int_equal(finish(sleeper), 0);
    testing_assert_log("work=0@0 sleep=0@3600");
}

test(a_loop_in_which_only_work_runs_is_no_deadlock)
{
    eddy_task worker = start(offloads, .order = {.gated = true});

    testing_turn();
    testing.sys.on_wait = open_gate;
    testing_run();
    assert_int_equal(finish(worker), 0);
}

test(the_loop_fd_is_readable_when_work_has_ended)
{
    eddy_task worker = start(offloads, "work", {.gated = true});

    testing_turn();
    gate_await(&gate);
    testing_turns();
    testing_assert_log("");
    gate_open(&gate);
    net_wait_readable(eddy_loop_fd(testing.loop));
    testing_turns();
    testing_assert_log("work=0@0");
    assert_int_equal(finish(worker), 0);
}

/* ---- misuse */

static int64_t nothing(eddy_job *job, void *argument)
{
    (void)job;
    (void)argument;
    return 0;
}

eddy_frame(offloads_its_stack) {
    eddy_coro co;
};

static void offloads_its_stack(eddy_coro *co)
{
    int local = 0;

    eddy_begin(offloads_its_stack);
    eddy_await(eddy_offload(co, nothing, &local));
    eddy_end;
}

static void run_offloads_its_stack(void *argument)
{
    (void)argument;
    run(offloads_its_stack);
}

test(an_argument_on_the_c_stack_aborts)
{
    testing_expect_abort(run_offloads_its_stack, NULL, "a pointer to a local variable");
}

/* ---- policies of the scheduler */

/* Of a thread, 0: this one. (musl's sched_getscheduler is -ENOSYS.) */
static int policy_of(pid_t thread)
{
    return (int)syscall(SYS_sched_getscheduler, thread);
}

static int64_t ask_policy(eddy_job *job, void *argument)
{
    (void)job;
    (void)argument;
    return policy_of(0);
}

eddy_frame(asks_policy) {
    eddy_coro co;
    int64_t policy;
};

static void asks_policy(eddy_coro *co)
{
    eddy_begin(asks_policy);
    eddy_await(self->policy, eddy_offload(co, ask_policy, NULL));
    eddy_return(self->policy);
    eddy_end;
}

eddy_frame(looks_at_file) {
    eddy_coro co;
    struct eddy_file_info info;
};

static void looks_at_file(eddy_coro *co)
{
    eddy_begin(looks_at_file);
    eddy_await(eddy_path_get_info(co, "/", &self->info));
    eddy_end;
}

static int threads_of_policy(int policy)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;
    int count = 0;

    assert_non_null(tasks);
    while ((entry = readdir(tasks)) != NULL) {
        if (entry->d_name[0] != '.') {
            count += policy_of((pid_t)strtol(entry->d_name, NULL, 10)) == policy;
        }
    }
    closedir(tasks);
    return count;
}

test(workers_of_files_let_the_loop_go_on_and_those_of_work_are_as_the_loop_is)
{
    int before = threads_of_policy(SCHED_BATCH);

    assert_int_equal(run(asks_policy), policy_of(0));
    assert_int_equal(threads_of_policy(SCHED_BATCH), before);
    assert_int_equal(run(looks_at_file), 0);
    assert_int_equal(threads_of_policy(SCHED_BATCH), before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        offload_case(the_result_of_the_work_is_that_of_the_await),
        offload_case(work_runs_on_another_thread_with_the_signal_mask_of_the_loops),
        offload_case(
            a_signal_that_is_watched_only_later_does_not_come_to_a_thread_that_waits_for_work),
        offload_case(
            work_whose_mask_cannot_be_set_runs_with_all_signals_blocked_but_those_of_a_crash),
        offload_case(the_signal_mask_of_the_loops_thread_is_as_it_was),
        offload_case(no_thread_is_there_before_the_first_work),
        offload_case(one_worker_does_its_work_first_come_first_served),
        offload_case(a_worker_that_is_free_is_used_again),
        offload_case(works_run_side_by_side_up_to_the_number_of_workers),
        offload_case(without_a_number_there_are_four),
        offload_case(the_number_of_workers_is_1_to_1024_and_not_less_than_there_are),
        offload_case(a_number_that_is_raised_starts_threads_for_the_works_that_wait),
        offload_case(
            a_number_that_is_raised_where_no_thread_can_be_had_leaves_the_work_to_those_that_run),
        offload_case(values_that_come_fast_are_merged_and_the_last_comes_before_the_result),
        offload_case(progress_can_be_looked_at_without_a_callback_and_need_not_be_watched),
        offload_case(what_nobody_watches_may_be_told),
        offload_case(a_virtual_clock_stands_still_while_work_runs),
        offload_case(a_loop_in_which_only_work_runs_is_no_deadlock),
        offload_case(the_loop_fd_is_readable_when_work_has_ended),
        offload_case(an_argument_on_the_c_stack_aborts),
        offload_case(workers_of_files_let_the_loop_go_on_and_those_of_work_are_as_the_loop_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
