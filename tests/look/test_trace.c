/* look.h: what is told of tasks, in which order. */
#include "support/things.h"

#include "eddy/callback.h"
#include "eddy/look.h"
#include "eddy/stream.h"

#include <unistd.h>

static void on_trace(eddy_loop *loop, const struct eddy_trace_event *event, void *user)
{
    static const char *const kinds[] = {"spawn", "resume", "suspend", "wake", "cancel", "finish"};
    char more[64] = "";

    assert_ptr_equal(loop, testing.loop);
    assert_string_equal(user, "user");
    if (event->kind == EDDY_TRACE_SUSPEND) {
        snprintf(more, sizeof more, ":%s", event->waits_for != NULL ? event->waits_for : "-");
    } else {
        assert_null(event->waits_for);
    }
    if (event->kind == EDDY_TRACE_FINISH) {
        snprintf(more, sizeof more, "=%d", (int)event->result);
        assert_null(event->function);
    }
    testing_log("%s%d%s%s", kinds[event->kind], (int)event->number, event->by != 0 ? "*" : "",
                more);
    if (event->by != 0 && event->by != event->number) {
        testing_log("by%d", (int)event->by);
    }
}

static void trace(void)
{
    static char user[] = "user";

    assert_int_equal(eddy_loop_trace(testing.loop, on_trace, user), 0);
}

/* A star stands for "in a step of". */

test(the_life_of_a_task_is_told)
{
    trace();
    assert_int_equal(run(sleeps, .seconds = 1, .result = 7), 7);
    testing_assert_log("spawn1 resume1 suspend1:sleep wake1 resume1 finish1*=7");
}

test(a_pause_waits_for_nothing)
{
    trace();
    assert_int_equal(run(pauses, .name = "p", .times = 1), 0);
    testing_assert_log("spawn1 resume1 p suspend1:- resume1 finish1*=0");
}

eddy_frame(boss) {
    eddy_coro co;
    eddy_task task;
    int64_t rc;
};

static void boss(eddy_coro *co)
{
    eddy_begin(boss);
    self->task = eddy_spawn(co, sleeps, .seconds = 9);
    eddy_await(eddy_pause(co));
    eddy_cancel(self->task);
    eddy_catch(self->rc, eddy_join(co, self->task));
    eddy_end;
}

test(who_spawned_cancelled_and_woke_is_told)
{
    trace();
    assert_int_equal(run(boss), 0);
    testing_assert_log("spawn1 resume1 spawn2* by1 suspend1:- resume2 suspend2:sleep "
                       "resume1 cancel2* by1 wake2* by1 suspend1:join "
                       "resume2 finish2*=-125 wake1* by2 resume1 finish1*=0");
}

test(a_task_that_is_cancelled_before_its_first_step_finishes)
{
    eddy_task task;

    trace();
    task = start(returns);
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("spawn1 cancel1 resume1 finish1*=-125");
}

eddy_frame(reads) {
    eddy_coro co;
    eddy_stream *stream;
    bool only_looks;
    char byte;
};

static void reads(eddy_coro *co)
{
    eddy_begin(reads);
    if (self->only_looks) {
        eddy_await(eddy_readable(co, self->stream));
        eddy_return(0);
    }
    eddy_await(eddy_read(co, self->stream, &self->byte, 1));
    eddy_end;
}

test(a_wake_by_an_fd_is_told)
{
    static eddy_stream stream;
    char byte;
    int fds[2];

    testing_socketpair(fds);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    trace();
    start(reads, .stream = &stream);
    testing_turns();
    testing_poke(fds[1]);
    testing_turns();
    testing_assert_log("spawn1 resume1 suspend1:read wake1 resume1 finish1*=0");
    assert_int_equal(eddy_try_read(&stream, &byte, 1), -EAGAIN);
    start(reads, .stream = &stream, .only_looks = true);
    testing_turns();
    testing_poke(fds[1]);
    testing_turns();
    testing_assert_log("spawn2 resume2 suspend2:readable wake2 resume2 finish2*=0");
    eddy_stream_close(&stream);
    close(fds[1]);
}

static struct eddy_trace_event last;

static void keep_last(eddy_loop *loop, const struct eddy_trace_event *event, void *user)
{
    (void)loop;
    (void)user;
    last = *event;
}

test(an_event_has_its_time_and_its_place)
{
    static struct thing thing;
    eddy_task task;

    thing = (struct thing){.name = "pen"};
    testing_fake_clock(77 * EDDY_SECOND);
    assert_int_equal(eddy_loop_trace(testing.loop, keep_last, NULL), 0);
    task = start(takes, .first = &thing, .second = &thing);
    assert_int_equal(last.kind, EDDY_TRACE_SPAWN);
    assert_int_equal(last.line, 0);
    testing_turns();
    assert_int_equal(last.kind, EDDY_TRACE_SUSPEND);
    assert_int_equal(last.time, 77 * EDDY_SECOND);
    assert_string_equal(last.function, "takes");
    assert_string_equal(last.file, "takes.c");
    assert_int_equal(last.line, 52);
    assert_string_equal(last.waits_for, "thing");
    assert_ptr_equal(last.task.record, task.record);
}

test(a_trace_ends_when_it_is_taken_away)
{
    trace();
    assert_int_equal(eddy_loop_trace(testing.loop, NULL, NULL), 0);
    assert_int_equal(run(boss), 0);
    testing_assert_log("");
}

eddy_frame(switches) {
    eddy_coro co;
};

static void switches(eddy_coro *co)
{
    eddy_begin(switches);
    trace();
    eddy_await(eddy_pause(co));
    assert_int_equal(eddy_loop_trace(testing.loop, NULL, NULL), 0);
    eddy_await(eddy_pause(co));
    eddy_end;
}

test(it_may_be_set_and_taken_away_inside_a_step)
{
    assert_int_equal(run(switches), 0);
    testing_assert_log("resume1");
}

static void on_slow(eddy_loop *loop, const struct eddy_slow_step *step, void *user)
{
    (void)loop;
    (void)user;
    testing_log("slow%d", (int)step->number);
}

test(a_trace_and_slow_steps_go_together)
{
    assert_int_equal(eddy_loop_slow_steps(testing.loop, 1, on_slow, NULL), 0);
    trace();
    assert_int_equal(run(returns, .result = 7), 7);
    testing_assert_log("spawn1 resume1 finish1*=7 slow1");
    assert_int_equal(eddy_loop_trace(testing.loop, NULL, NULL), 0);
    assert_int_equal(run(returns, .result = 7), 7);
    testing_assert_log("slow2");
}

test(a_trace_is_told_to_the_end_of_its_loop)
{
    trace();
    start(cleans, .name = "c", .body = 9, .cleanup = 1);
    testing_turns();
    testing_free();
    testing_assert_log("spawn1 resume1 suspend1:sleep cancel1 wake1 resume1 c=ECANCELED@0 "
                       "suspend1:sleep wake1 resume1 c.clean@1 finish1*=-125");
}

/* ---- it changes nothing */

static void ignore(eddy_loop *loop, const struct eddy_trace_event *event, void *user)
{
    (void)loop;
    (void)event;
    (void)user;
}

static void on_callback(eddy_callback *callback)
{
    (void)callback;
    testing_log("callback");
}

static void scenario(char *log)
{
    static eddy_callback callback;

    start(pauses, .name = "p", .times = 3);
    eddy_callback_start(testing.loop, &callback, on_callback);
    start(pauses, .name = "q", .times = 4);
    start(cancels, .task = start(cleans, .name = "c", .body = 9, .cleanup = 1), .at = 2);
    start(cleans, .name = "d", .body = 2, .cleanup = 1);
    testing_run();
    strcpy(log, testing.log);
    testing.log[0] = '\0';
}

test(a_traced_run_goes_as_an_untraced_one)
{
    static char traced[sizeof testing.log];
    static char untraced[sizeof testing.log];

    scenario(untraced);
    testing_reopen();
    testing.clock.now = 0;
    assert_int_equal(eddy_loop_trace(testing.loop, ignore, NULL), 0);
    scenario(traced);
    assert_string_equal(traced, untraced);
}

eddy_frame(takes_a_second) {
    eddy_coro co;
};

static void takes_a_second(eddy_coro *co)
{
    eddy_begin(takes_a_second);
    testing.sys.now += EDDY_SECOND;
    eddy_end;
}

test(a_traced_poll_keeps_to_its_budget)
{
    testing_fake_clock(100 * EDDY_SECOND);
    assert_int_equal(eddy_loop_trace(testing.loop, ignore, NULL), 0);
    for (int i = 0; i < 3; i++) {
        eddy_detach(start(takes_a_second));
    }
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, EDDY_MILLISECOND), 1);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 3 * EDDY_SECOND), 2);
}

test(without_memory_there_is_no_trace)
{
    for (unsigned k = 1; k <= 2; k++) {
        testing_fail_allocations_from(k);
        assert_int_equal(eddy_loop_trace(testing.loop, on_trace, NULL), -ENOMEM);
    }
    testing_fail_allocation(0);
    assert_int_equal(run(returns, .result = 7), 7);
    testing_assert_log("");
}

/* ---- from the next turn on */

eddy_frame(begins_to_trace) {
    eddy_coro co;
};

static void begins_to_trace(eddy_coro *co)
{
    eddy_begin(begins_to_trace);
    trace();
    eddy_end;
}

eddy_frame(pauses_twice) {
    eddy_coro co;
};

static void pauses_twice(eddy_coro *co)
{
    eddy_begin(pauses_twice);
    eddy_await(eddy_pause(co));
    eddy_await(eddy_pause(co));
    eddy_end;
}

static void spawn_around_tracing(unsigned flags)
{
    testing.options.flags = flags;
    testing_reopen();
    eddy_detach(start(pauses_twice));
    eddy_detach(start(begins_to_trace));
    eddy_detach(start(pauses_twice));
}

/* What is told of the middle one are no steps. */
static const char from_the_second_turn_on[] = "finish2*=0 resume1 suspend1:- resume3 suspend3:- "
                                              "resume1 finish1*=0 resume3 finish3*=0";

test(tracing_that_begins_in_a_step_tells_of_steps_from_the_next_turn_on)
{
    spawn_around_tracing(0);
    testing_run();
    testing_assert_log(from_the_second_turn_on);
    spawn_around_tracing(EDDY_LOOP_CHECK);
    testing_run();
    testing_assert_log(from_the_second_turn_on);
}

static void trace_in_hook(eddy_hook *hook)
{
    eddy_hook_stop(hook);
    trace();
}

static eddy_callback friend;

static void trace_in_callback(eddy_callback *callback)
{
    (void)callback;
    trace();
}

test(in_the_middle_of_a_batch_of_callbacks_and_tasks_too)
{
    testing.options.flags = 0;
    testing_reopen();
    eddy_callback_start(testing.loop, &friend, trace_in_callback);
    eddy_detach(start(pauses_twice));
    testing_run();
    testing_assert_log("resume1 suspend1:- resume1 finish1*=0");
}

test(in_a_hook_too)
{
    static eddy_hook hook;

    for (int point = EDDY_HOOK_PREPARE; point <= EDDY_HOOK_CHECK; point++) {
        testing.options.flags = 0;
        testing_reopen();
        eddy_detach(start(pauses_twice));
        eddy_hook_start(testing.loop, &hook, (enum eddy_hook_point)point, trace_in_hook);
        testing_run();
        testing_assert_log("resume1 suspend1:- resume1 finish1*=0");
    }
}

static int slow_steps;

static void count_slow(eddy_loop *loop, const struct eddy_slow_step *step, void *user)
{
    (void)loop;
    (void)step;
    (void)user;
    slow_steps++;
}

eddy_frame(looks_for_slow_steps) {
    eddy_coro co;
};

static void looks_for_slow_steps(eddy_coro *co)
{
    eddy_begin(looks_for_slow_steps);
    assert_int_equal(eddy_loop_slow_steps(testing.loop, EDDY_NANOSECOND, count_slow, NULL), 0);
    eddy_await(eddy_pause(co));
    assert_int_equal(eddy_loop_slow_steps(testing.loop, 0, NULL, NULL), 0);
    eddy_end;
}

eddy_frame(takes_its_time) {
    eddy_coro co;
};

static void takes_its_time(eddy_coro *co)
{
    eddy_begin(takes_its_time);
    while (testing.sys.now < 10) {
        testing.sys.now++;
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

/* Also if the steps are traced already; and that they are no longer looked for holds at once. */
test(slow_steps_are_looked_for_from_the_next_turn_on_and_no_longer_at_once)
{
    for (int traced = 0; traced < 2; traced++) {
        testing.options.flags = 0;
        testing_reopen();
        testing_fake_clock(0);
        slow_steps = 0;
        if (traced == 1) {
            trace();
        }
        eddy_detach(start(takes_its_time));
        eddy_detach(start(looks_for_slow_steps));
        eddy_detach(start(takes_its_time));
        testing_run();
        assert_int_equal(slow_steps, 1); /* in the second turn before it ended */
        testing.log[0] = '\0';
    }
}

static void take_long(eddy_callback *callback)
{
    testing.sys.now += EDDY_SECOND;
    if (callback->user != NULL) {
        assert_int_equal(eddy_loop_slow_steps(testing.loop, 0, NULL, NULL), 0);
    }
}

test(callbacks_behind_the_end_of_that_are_not_told_in_the_same_turn)
{
    static eddy_callback told, ends = {.user = "ends"}, behind;

    testing_fake_clock(0);
    slow_steps = 0;
    assert_int_equal(eddy_loop_slow_steps(testing.loop, EDDY_SECOND, count_slow, NULL), 0);
    eddy_callback_start(testing.loop, &told, take_long);
    eddy_callback_start(testing.loop, &ends, take_long);
    eddy_callback_start(testing.loop, &behind, take_long);
    assert_int_equal(testing_turn(), 3);
    assert_int_equal(slow_steps, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(the_life_of_a_task_is_told),
        testing_case(a_pause_waits_for_nothing),
        testing_case(who_spawned_cancelled_and_woke_is_told),
        testing_case(a_task_that_is_cancelled_before_its_first_step_finishes),
        testing_case(a_wake_by_an_fd_is_told),
        testing_case(an_event_has_its_time_and_its_place),
        testing_case(a_trace_ends_when_it_is_taken_away),
        testing_case(it_may_be_set_and_taken_away_inside_a_step),
        testing_case(a_trace_and_slow_steps_go_together),
        testing_case(a_trace_is_told_to_the_end_of_its_loop),
        testing_case(a_traced_run_goes_as_an_untraced_one),
        testing_case(a_traced_poll_keeps_to_its_budget),
        testing_case(without_memory_there_is_no_trace),
        testing_case(tracing_that_begins_in_a_step_tells_of_steps_from_the_next_turn_on),
        testing_case(in_the_middle_of_a_batch_of_callbacks_and_tasks_too),
        testing_case(in_a_hook_too),
        testing_case(slow_steps_are_looked_for_from_the_next_turn_on_and_no_longer_at_once),
        testing_case(callbacks_behind_the_end_of_that_are_not_told_in_the_same_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
