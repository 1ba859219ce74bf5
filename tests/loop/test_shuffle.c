/* loop.h: a loop with a shuffle_seed runs what is ready in a random order, and keeps all the other
 * promises. EDDY_TEST_SEED=n tries other seeds. */
#include "support/loop.h"
#include "support/tasks.h"

#include <stdlib.h>

enum { SEEDS = 100, TASKS = 5, TIMERS = 50, WAITERS = 20 };

static uint64_t first_seed(void)
{
    const char *text = getenv("EDDY_TEST_SEED");

    return text == NULL ? 1 : strtoull(text, NULL, 10);
}

static void reopen(uint64_t seed)
{
    testing.options.shuffle_seed = seed;
    testing_reopen();
}

/* Runs body(seed) on a loop with that seed, for many; prints the seed of what fails. */
static void with_seeds(void (*body)(uint64_t seed))
{
    for (uint64_t seed = first_seed(); seed < first_seed() + SEEDS; seed++) {
        printf("seed %llu\n", (unsigned long long)seed);
        reopen(seed);
        body(seed);
    }
}

/* Starts tasks "a", "b", ... that log their names and pause, that many times. */
static void start_pausing(int count, int times)
{
    static const char *const names[TASKS] = {"a", "b", "c", "d", "e"};

    for (int i = 0; i < count; i++) {
        eddy_detach(start(pauses, .name = names[i], .times = times));
    }
}

/* ---- the order */

test(without_a_seed_the_first_come_is_the_first_served)
{
    start_pausing(TASKS, 3);
    testing_turns();
    testing_assert_log("a b c d e a b c d e a b c d e");
}

test(the_order_depends_on_the_seed_alone)
{
    char first[64];

    reopen(7);
    start_pausing(TASKS, 3);
    testing_turns();
    strcpy(first, testing.log);
    reopen(7);
    testing.log[0] = '\0';
    start_pausing(TASKS, 3);
    testing_turns();
    testing_assert_log(first);
    reopen(8);
    start_pausing(TASKS, 3);
    testing_turns();
    assert_string_not_equal(testing.log, first);
}

test(every_order_comes_up_and_none_far_too_often)
{
    static const char *const orders[] = {"a b c", "a c b", "b a c", "b c a", "c a b", "c b a"};
    int seen[6] = {0};

    reopen(1);
    for (int i = 0; i < 600; i++) {
        start_pausing(3, 1);
        testing_turns();
        for (int k = 0; k < 6; k++) {
            seen[k] += strcmp(testing.log, orders[k]) == 0;
        }
        testing.log[0] = '\0';
    }
    for (int k = 0; k < 6; k++) {
        assert_in_range(seen[k], 70, 130); /* a hundred each; the seed is fixed */
    }
}

test(other_seeds_give_other_orders)
{
    int first[TASKS] = {0}; /* how often each task came first in a fresh loop */

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        reopen(seed);
        start_pausing(TASKS, 1);
        testing_turns();
        first[testing.log[0] - 'a']++;
        testing.log[0] = '\0';
    }
    for (int i = 0; i < TASKS; i++) {
        assert_in_range(first[i], SEEDS / TASKS / 2, SEEDS / TASKS * 2);
    }
}

/* ---- what holds all the same */

static void each_runs_once_a_turn(uint64_t seed)
{
    (void)seed;
    start_pausing(TASKS, 4);
    for (int turn = 0; turn < 4; turn++) {
        assert_int_equal(testing_turn(), TASKS);
        assert_int_equal(strlen(testing.log), 2 * TASKS - 1);
        for (char name = 'a'; name < 'a' + TASKS; name++) {
            assert_non_null(strchr(testing.log, name));
        }
        testing.log[0] = '\0';
    }
    testing_turns();
}

test(each_task_runs_once_a_turn)
{
    with_seeds(each_runs_once_a_turn);
}

static eddy_timer timers[TIMERS];
static int64_t deadlines[TIMERS];
static int fired;

static void on_timer(eddy_timer *timer)
{
    assert_int_equal(testing.clock.now, deadlines[timer - timers]);
    deadlines[timer - timers] = -1; /* not a second time */
    fired++;
}

static void timers_fire_when_they_are_due(uint64_t seed)
{
    fired = 0;
    for (int i = 0; i < TIMERS; i++) {
        int64_t delay = (int64_t)(testing_random(&seed) % 10) * MS;
        deadlines[i] = testing.clock.now + delay;
        assert_int_equal(eddy_timer_start(testing.loop, &timers[i], delay, on_timer), 0);
    }
    testing_run();
    assert_int_equal(fired, TIMERS);
}

test(a_timer_fires_once_and_neither_early_nor_late)
{
    with_seeds(timers_fire_when_they_are_due);
}

/* A line, in which tasks stand in the order in which they have come, and get what is handed over. */
static struct eddy_waiters line;
static int came;

static const struct eddy_wait_kind line_kind = {.name = "line"};

EDDY_MUST_USE static int64_t wait_in_line(eddy_coro *co)
{
    int64_t result = eddy_check(co);

    return result < 0 ? result : eddy_park(co, &line_kind, &line, &line);
}

eddy_frame(waits_in_line) {
    eddy_coro co;
    int place;
    int64_t got;
};

static void waits_in_line(eddy_coro *co)
{
    eddy_begin(waits_in_line);
    self->place = came++;
    eddy_await(self->got, wait_in_line(co));
    assert_int_equal(self->got, self->place);
    fired++;
    eddy_end;
}

static void who_came_first_is_handed_the_first(uint64_t seed)
{
    (void)seed;
    came = 0;
    fired = 0;
    for (int i = 0; i < WAITERS; i++) {
        eddy_detach(start(waits_in_line));
    }
    testing_turns();
    for (int i = 0; i < WAITERS; i++) {
        eddy_wake(eddy_waiters_first(&line), i);
    }
    testing_turns();
    assert_int_equal(fired, WAITERS);
}

test(a_line_is_served_first_come_first_served)
{
    with_seeds(who_came_first_is_handed_the_first);
}

static eddy_callback messages[8];

static void on_message(eddy_callback *callback)
{
    assert_int_equal(callback - messages, fired);
    fired++;
}

static void messages_keep_their_order(uint64_t seed)
{
    (void)seed;
    fired = 0;
    start_pausing(TASKS, 1);
    for (int i = 0; i < 4; i++) {
        eddy_callback_start(testing.loop, &messages[i], on_message);
    }
    for (int i = 4; i < 8; i++) {
        eddy_loop_call_threadsafe(testing.loop, &messages[i], on_message);
    }
    testing_turns();
    assert_int_equal(fired, 8);
    testing.log[0] = '\0';
}

test(callbacks_and_messages_keep_their_order)
{
    with_seeds(messages_keep_their_order);
}

static void a_cancel_finds_its_task(uint64_t seed)
{
    eddy_task task = start(sleeps, .seconds = 1);
    eddy_task other = start(sleeps, .seconds = 1);

    (void)seed;
    eddy_detach(start(cancels, .task = task, .at = 0));
    start_pausing(TASKS, 2);
    assert_int_equal(finish(task), -ECANCELED);
    assert_int_equal(finish(other), 0);
    testing.log[0] = '\0';
}

test(a_cancel_works_in_whatever_order)
{
    with_seeds(a_cancel_finds_its_task);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(without_a_seed_the_first_come_is_the_first_served),
        testing_case(the_order_depends_on_the_seed_alone),
        testing_case(every_order_comes_up_and_none_far_too_often),
        testing_case(other_seeds_give_other_orders),
        testing_case(each_task_runs_once_a_turn),
        testing_case(a_timer_fires_once_and_neither_early_nor_late),
        testing_case(a_line_is_served_first_come_first_served),
        testing_case(callbacks_and_messages_keep_their_order),
        testing_case(a_cancel_works_in_whatever_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
