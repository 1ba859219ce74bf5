/* look.h: steps that take too long. */
#include "support/tasks.h"

#include "eddy/callback.h"
#include "eddy/look.h"

static void on_slow(eddy_loop *loop, const struct eddy_slow_step *step, void *user)
{
    assert_ptr_equal(loop, testing.loop);
    assert_string_equal(user, "user");
    testing_log("#%d %s:%d %dms", (int)step->number, step->function != NULL ? step->function : "-",
                (int)step->line, (int)(step->took / EDDY_MILLISECOND));
}

static void look_for_slow(int64_t limit)
{
    static char user[] = "user";

    testing_fake_clock(100 * EDDY_SECOND);
    assert_int_equal(eddy_loop_slow_steps(testing.loop, limit, on_slow, user), 0);
}

/* Takes some time before and some after an await. */
eddy_frame(takes_long) {
    eddy_coro co;
    int before;
    int after;
};

static int line_of_await;

static void takes_long(eddy_coro *co)
{
    eddy_begin(takes_long);
    testing.sys.now += self->before * EDDY_MILLISECOND;
    line_of_await = __LINE__ + 1;
    eddy_await(eddy_pause(co));
    testing.sys.now += self->after * EDDY_MILLISECOND;
    eddy_end;
}

static void assert_slow_at(const char *format)
{
    char expected[128];

    snprintf(expected, sizeof expected, format, line_of_await);
    testing_assert_log(expected);
}

test(a_step_that_reaches_the_limit_is_told_with_where_it_was_resumed)
{
    look_for_slow(100 * EDDY_MILLISECOND);
    assert_int_equal(run(takes_long, .before = 99, .after = 150), 0);
    assert_slow_at("#1 takes_long:%d 150ms");
    assert_int_equal(run(takes_long, .before = 100, .after = 99), 0);
    testing_assert_log("#2 takes_long:0 100ms");
}

eddy_frame(calls) {
    eddy_coro co;
};

static void calls(eddy_coro *co)
{
    eddy_begin(calls);
    eddy_await(eddy_call(co, takes_long, .after = 200));
    eddy_end;
}

test(it_is_the_innermost_coroutine_that_is_named)
{
    look_for_slow(100 * EDDY_MILLISECOND);
    assert_int_equal(run(calls), 0);
    assert_slow_at("#1 takes_long:%d 200ms");
}

static void on_callback(eddy_callback *callback)
{
    (void)callback;
    testing.sys.now += 300 * EDDY_MILLISECOND;
}

test(a_slow_callback_is_told_too)
{
    static eddy_callback callback;

    look_for_slow(100 * EDDY_MILLISECOND);
    eddy_callback_start(testing.loop, &callback, on_callback);
    testing_run();
    testing_assert_log("#0 -:0 300ms");
}

test(without_a_hook_the_error_hook_is_told)
{
    static eddy_callback callback;
    char text[256];

    look_for_slow(0);
    assert_int_equal(eddy_loop_slow_steps(testing.loop, 100 * EDDY_MILLISECOND, NULL, NULL), 0);
    assert_int_equal(run(takes_long, .after = 150), 0);
    snprintf(text, sizeof text, "slow: a step of #1 took 150 ms, from %s:%d on (takes_long)",
             __FILE__, line_of_await);
    testing_assert_error(-ETIME, text);
    assert_int_equal(run(takes_long, .before = 150), 0);
    testing_assert_error(-ETIME, "slow: a step of #2 took 150 ms, from the beginning of takes_long "
                                 "on (" __FILE__ ")");
    eddy_callback_start(testing.loop, &callback, on_callback);
    testing_run();
    testing_assert_error(-ETIME, "slow: a callback took 300 ms");
}

test(the_longest_step_is_kept_also_below_the_limit)
{
    struct eddy_metrics metrics;

    look_for_slow(EDDY_SECOND);
    assert_int_equal(run(takes_long, .before = 70, .after = 20), 0);
    eddy_loop_metrics(testing.loop, &metrics);
    assert_int_equal(metrics.longest_step, 70 * EDDY_MILLISECOND);
    testing_assert_log("");
}

test(a_limit_of_0_ends_it_and_the_clock_is_left_alone)
{
    unsigned looks;

    look_for_slow(EDDY_MILLISECOND);
    look_for_slow(0);
    start(pauses, .name = "p", .times = 10);
    testing_turn();
    looks = testing_calls(clock_now);
    testing_turn();
    assert_int_equal(testing_calls(clock_now), looks);
    testing_run();
    testing.log[0] = '\0';
    assert_int_equal(run(takes_long, .after = 150), 0);
    testing_assert_log("");
}

test(a_negative_limit_is_refused_and_so_is_one_without_memory)
{
    assert_int_equal(eddy_loop_slow_steps(testing.loop, -1, on_slow, NULL), -EINVAL);
    testing_fail_allocations_from(1);
    assert_int_equal(eddy_loop_slow_steps(testing.loop, 1, on_slow, NULL), -ENOMEM);
    testing_fail_allocations_from(2);
    assert_int_equal(eddy_loop_slow_steps(testing.loop, 1, on_slow, NULL), -ENOMEM);
    testing_fail_allocation(0);
    assert_int_equal(run(takes_long, .after = 150), 0);
}

test(a_task_that_ends_in_its_slow_step_may_be_looked_up_no_more)
{
    look_for_slow(100 * EDDY_MILLISECOND);
    eddy_detach(start(takes_long, .after = 150));
    testing_run();
    assert_slow_at("#1 takes_long:%d 150ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_step_that_reaches_the_limit_is_told_with_where_it_was_resumed),
        testing_case(it_is_the_innermost_coroutine_that_is_named),
        testing_case(a_slow_callback_is_told_too),
        testing_case(without_a_hook_the_error_hook_is_told),
        testing_case(the_longest_step_is_kept_also_below_the_limit),
        testing_case(a_limit_of_0_ends_it_and_the_clock_is_left_alone),
        testing_case(a_negative_limit_is_refused_and_so_is_one_without_memory),
        testing_case(a_task_that_ends_in_its_slow_step_may_be_looked_up_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
