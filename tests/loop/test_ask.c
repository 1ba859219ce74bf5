/*
 * loop.h: how long a loop in which something is always ready goes on without asking the kernel. A
 * model of time (steps cost what the test says, on a clock that it moves) is driven with all ways to
 * poll; each look at the kernel is seen by the table of system calls.
 */
#include "support/loop.h"

#include <stdio.h>
#include <string.h>

#include "loop/loop_internal.h"

enum { MOST_STEPS = 128 };

static struct {
    eddy_callback callback; /* always ready */
    int64_t cost;           /* of its next step; chosen by `choose` if that is set */
    int64_t (*choose)(void);
    int64_t longest; /* step so far */
    int steps;       /* since the kernel was asked */
    int most;        /* of those, ever */
    int64_t asked_at;
    int64_t latest; /* the longest time between two looks */
    int left;       /* steps until it stops the loop */
} model;

static void on_ask(void)
{
    int64_t since = testing.sys.now - model.asked_at;

    model.most = model.steps > model.most ? model.steps : model.most;
    model.latest = since > model.latest ? since : model.latest;
    model.steps = 0;
    model.asked_at = testing.sys.now;
}

static void step(eddy_callback *callback)
{
    if (model.choose != NULL) {
        model.cost = model.choose();
    }
    testing.sys.now += model.cost;
    model.longest = model.cost > model.longest ? model.cost : model.longest;
    model.steps++;
    if (--model.left == 0) {
        eddy_loop_stop(testing.loop);
    }
    eddy_callback_start(testing.loop, callback, step);
}

/* A loop on a clock that only steps move, and whose looks all reach the kernel. */
static void open_model(unsigned flags)
{
    testing.options.flags = flags;
    real_time_loop(0);
    start_watched();
    memset(&model, 0, sizeof model);
    testing.sys.on_wait = on_ask;
    eddy_callback_start(testing.loop, &model.callback, step);
}

static void close_model(void)
{
    eddy_callback_stop(&model.callback);
    stop_watched();
}

static void run_steps(int steps, int64_t cost)
{
    model.left = steps;
    model.cost = cost;
    testing_run();
}

static void forget_looks(void)
{
    model.most = 0;
    model.latest = 0;
    model.longest = 0;
}

/* ---- a poll begins by asking */

static void poll_and_assert_asked(int64_t budget)
{
    unsigned before = testing_waits();

    assert_true(eddy_loop_poll_once(testing.loop, 0, budget) > 0);
    assert_true(testing_waits() > before);
}

static void poll_in_halves_and_assert_asked(int64_t budget)
{
    unsigned before = testing_waits();

    assert_int_equal(eddy_loop_prepare(testing.loop, 0), 0);
    assert_int_equal(eddy_loop_wait(testing.loop), 0);
    assert_int_equal(testing_waits(), before + 1);
    assert_true(eddy_loop_poll_once(testing.loop, 0, budget) > 0);
}

/* One that was prepared and not waited for. */
static void poll_after_all_and_assert_asked(int64_t budget)
{
    assert_int_equal(eddy_loop_prepare(testing.loop, 0), 0);
    poll_and_assert_asked(budget);
}

/* Whatever the interval was before, and however long the stretch before this poll has taken. */
test(from_any_interval_and_after_any_stretch_a_poll_begins_by_asking)
{
    static const int64_t stretches[] = {
        0,        1,          MS / 2,     MS / 2 + 1, MS - 1,      MS,
        MS + 1,   3 * MS / 2, 2 * MS - 1, 2 * MS,     2 * MS + 1,  127 * MS,
        128 * MS, 129 * MS,   1000 * MS,  INT32_MAX,  EDDY_SECOND, 3600 * EDDY_SECOND};

    open_model(0);
    for (int interval = 1; interval <= MOST_STEPS; interval++) {
        for (size_t i = 0; i < sizeof stretches / sizeof *stretches; i++) {
            testing.loop->ask_interval = interval;
            testing.loop->steps_left = interval;
            model.cost = stretches[i];
            poll_and_assert_asked(0);
            assert_in_range(testing.loop->ask_interval, 1, MOST_STEPS);
            model.cost = 0;
            poll_and_assert_asked(0);
            poll_in_halves_and_assert_asked(0);
            poll_after_all_and_assert_asked(0);
        }
    }
    close_model();
}

/* From any interval, an interval that has taken so long makes one that is within the bounds, and at
 * the same speed takes a millisecond at most, or is one step. */
test(any_interval_that_has_run_makes_one_that_takes_a_millisecond_at_most)
{
    open_model(0);
    for (int interval = 1; interval <= MOST_STEPS; interval++) {
        for (int64_t cost = 0; cost <= 3 * MS; cost += cost < 4 ? 1 : cost / 2) {
            int next;
            testing.loop->ask_interval = interval;
            run_steps(2 * interval + MOST_STEPS, cost);
            next = testing.loop->ask_interval;
            assert_in_range(next, 1, MOST_STEPS);
            assert_true(next == 1 || next * cost <= MS);
        }
    }
    close_model();
}

static uint64_t random_state;

static int64_t choose_any_cost(void)
{
    static const int64_t costs[] = {0,      0,  0,       100,    7800,    10000,
                                    MS / 2, MS, 1500000, 2 * MS, 300 * MS};

    return costs[testing_random(&random_state) % (sizeof costs / sizeof *costs)];
}

static void poll_at_random(void)
{
    static const int64_t budgets[] = {0, 0, 1, MS, 5 * MS};
    int64_t budget = budgets[testing_random(&random_state) % 5];

    model.choose = testing_random(&random_state) % 8 == 0 ? choose_any_cost : NULL;
    model.cost = testing_random(&random_state) % 2 == 0 ? 10000 : 1500000;
    switch (testing_random(&random_state) % 4) {
    case 0:
        poll_in_halves_and_assert_asked(budget);
        break;
    case 1:
        poll_after_all_and_assert_asked(budget);
        break;
    case 2:
        run_steps(1 + (int)(testing_random(&random_state) % 300), model.cost);
        break;
    default:
        poll_and_assert_asked(budget);
        break;
    }
    testing.sys.now += (int64_t)(testing_random(&random_state) % 3) * 16 * MS; /* the host's */
}

test(no_mixture_of_polls_leaves_the_kernel_unasked)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        printf("seed %llu\n", (unsigned long long)seed);
        random_state = seed;
        open_model(seed % 2 == 0 ? EDDY_LOOP_CHECK : 0);
        for (int i = 0; i < 500; i++) {
            poll_at_random();
        }
        assert_in_range(model.most, 1, MOST_STEPS);
        close_model();
    }
}

/* ---- while it runs */

/* Of any speed, after the loop has run at any other. */
test(at_any_speed_a_loop_that_runs_asks_once_a_millisecond_or_a_step)
{
    static const int64_t costs[] = {10, 1000, 7800, 50000, MS / 3, MS / 2, MS, 3 * MS / 2, 40 * MS};
    const size_t count = sizeof costs / sizeof *costs;

    for (size_t i = 0; i < count * count; i++) {
        int64_t cost = costs[i % count];
        open_model(0);
        run_steps(2000, costs[i / count]);
        run_steps(2 * MOST_STEPS, cost); /* by now it knows */
        forget_looks();
        run_steps(2000, cost);
        assert_in_range(model.most, 1, MOST_STEPS);
        assert_true(model.latest <= MS + cost);
        close_model();
    }
}

test(whatever_the_steps_cost_it_asks_within_128_of_them)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        printf("seed %llu\n", (unsigned long long)seed);
        random_state = seed;
        open_model(0);
        model.choose = choose_any_cost;
        run_steps(20000, 0);
        assert_in_range(model.most, 1, MOST_STEPS);
        assert_true(model.latest <= MOST_STEPS * model.longest);
        close_model();
    }
}

/* The time of the host between its polls is not that of the loop's steps. */
test(polls_that_come_seldom_do_not_make_steps_look_slow)
{
    open_model(0);
    for (int i = 0; i < 20; i++) {
        model.left = 1000;
        model.cost = 100;
        assert_true(eddy_loop_poll_once(testing.loop, 0, EDDY_FOREVER) >= 1000);
        testing.sys.now += 16 * MS;
    }
    testing_forget_calls();
    model.left = 1280;
    assert_true(eddy_loop_poll_once(testing.loop, 0, EDDY_FOREVER) >= 1280);
    assert_in_range(testing_waits(), 10, 12);
    close_model();
}

/* ---- what is due by the next turn is told there */

enum { MANY = 1000 };

static int fired_at_step;

static void on_due(eddy_timer *timer)
{
    (void)timer;
    fired_at_step = model.left;
}

static void assert_fires_in_the_next_turn(int warm_up, int64_t delay)
{
    static eddy_timer timer;

    open_model(0);
    run_steps(warm_up, 0);
    fired_at_step = 0;
    assert_int_equal(eddy_timer_start(testing.loop, &timer, EDDY_SECOND, on_due), 0);
    model.choose = NULL;
    model.left = MANY;
    (void)eddy_loop_poll_once(testing.loop, 0, 0);
    assert_int_equal(eddy_timer_start(testing.loop, &timer, delay, on_due), 0);
    testing_run();
    assert_int_equal(fired_at_step, MANY - 2); /* the step before the timer's in its batch */
    close_model();
}

test(a_timer_without_delay_fires_in_the_next_turn)
{
    for (int warm_up = 1; warm_up <= 300; warm_up += 13) {
        assert_fires_in_the_next_turn(warm_up, 0);
        assert_fires_in_the_next_turn(warm_up, -5);
    }
}

static eddy_timer step_timer;
static bool started_before;
static int turns_until_fired;

/* Perhaps anew, and for a time later than before, but not later than now. */
static void start_timer_in_step(eddy_callback *callback)
{
    (void)callback;
    fired_at_step = 0;
    turns_until_fired = model.left;
    if (started_before) {
        assert_int_equal(eddy_timer_start(testing.loop, &step_timer, 1, on_due), 0);
        testing.sys.now += 5;
        (void)eddy_loop_update(testing.loop);
    }
    assert_int_equal(eddy_timer_start(testing.loop, &step_timer, 0, on_due), 0);
}

static void assert_fires_after_a_turn(int warm_up)
{
    static eddy_callback starter;

    open_model(0);
    run_steps(warm_up, 0);
    eddy_callback_start(testing.loop, &starter, start_timer_in_step);
    run_steps(MANY, 0);
    assert_int_equal(turns_until_fired - fired_at_step, 1);
    close_model();
}

test(so_does_one_that_is_started_in_a_step_also_one_that_was_started_already)
{
    for (int warm_up = 1; warm_up <= 300; warm_up += 13) {
        started_before = false;
        assert_fires_after_a_turn(warm_up);
        started_before = true;
        assert_fires_after_a_turn(warm_up);
    }
}

static int chained;

static void chain_timer(eddy_timer *timer)
{
    if (++chained < 10) {
        assert_int_equal(eddy_timer_start(testing.loop, timer, 0, chain_timer), 0);
    } else {
        eddy_loop_stop(testing.loop);
    }
}

test(one_that_starts_itself_anew_without_delay_fires_once_a_turn)
{
    static eddy_timer timer;

    open_model(0);
    run_steps(1000, 0);
    chained = 0;
    model.left = MANY;
    assert_int_equal(eddy_timer_start(testing.loop, &timer, 0, chain_timer), 0);
    testing_run();
    assert_int_equal(chained, 10);
    assert_int_equal(MANY - model.left, 10);
    close_model();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(from_any_interval_and_after_any_stretch_a_poll_begins_by_asking),
        testing_case(any_interval_that_has_run_makes_one_that_takes_a_millisecond_at_most),
        testing_case(no_mixture_of_polls_leaves_the_kernel_unasked),
        testing_case(at_any_speed_a_loop_that_runs_asks_once_a_millisecond_or_a_step),
        testing_case(whatever_the_steps_cost_it_asks_within_128_of_them),
        testing_case(polls_that_come_seldom_do_not_make_steps_look_slow),
        testing_case(a_timer_without_delay_fires_in_the_next_turn),
        testing_case(so_does_one_that_is_started_in_a_step_also_one_that_was_started_already),
        testing_case(one_that_starts_itself_anew_without_delay_fires_once_a_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
