/* Whatever is cancelled, times out or both, at whatever point: nothing is lost (rules 4 to 9). */
#include "support/scenarios.h"

#include "support/process.h"

#include <stdlib.h>

enum { SEEDS = 300 };

static unsigned points; /* at which something was disturbed */

/* Every task, in every turn in which it lives. */
static void sweep(const struct scenario *scenario, enum disturbance_kind kind, uint64_t seed)
{
    struct disturbance disturbance = {.kind = UNDISTURBED, .shuffle_seed = seed};
    struct scenario_end plain = scenario_run(scenario, disturbance);

    disturbance.kind = kind;
    for (uint32_t task = 1; task <= plain.tasks; task++) {
        if (kind >= DEADLINE && (task > MOST_ROLES || scenario->roles[task - 1] == NULL)) {
            break; /* only roles have one */
        }
        disturbance.task = task;
        for (unsigned turn = kind >= DEADLINE; turn < plain.turns; turn++) {
            disturbance.turn = turn;
            points += scenario_run(scenario, disturbance).disturbed;
        }
    }
}

static void sweep_all(const struct scenario *scenarios)
{
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    points = 0;
    for (; scenarios->name != NULL; scenarios++) {
        for (enum disturbance_kind kind = CANCEL_ONCE; kind < CHAOS; kind++) {
            sweep(scenarios, kind, 0);
        }
        sweep(scenarios, CANCEL_ONCE, 1); /* and in another order */
    }
    printf("%u points\n", points);
}

test(nothing_that_tasks_wait_in_line_for_is_lost)
{
    sweep_all(line_scenarios);
}

test(nothing_that_tasks_do_together_is_lost)
{
    sweep_all(task_scenarios);
}

test(nothing_of_the_outside_world_is_lost)
{
    sweep_all(stream_scenarios);
}

test(nothing_of_blocks_and_groups_is_lost)
{
    sweep_all(compose_scenarios);
}

test(nothing_that_a_select_did_not_pick_is_lost)
{
    sweep_all(select_scenarios);
}

test(nothing_of_readers_and_blocks_with_streams_is_lost)
{
    sweep_all(reader_scenarios);
}

test(nothing_of_foreign_fds_and_files_is_lost)
{
    sweep_all(fd_scenarios);
}

test(nothing_of_connects_and_messages_is_lost)
{
    sweep_all(socket_scenarios);
}

test(nothing_that_is_put_into_writers_is_lost)
{
    sweep_all(writer_scenarios);
}

test(nothing_of_transports_is_lost)
{
    sweep_all(transport_scenarios);
}

test(nothing_beside_the_loop_is_lost)
{
    sweep_all(beside_scenarios);
}

test(nothing_of_child_processes_is_lost)
{
    sweep_all(child_scenarios);
    testing_free();
    assert_no_children();
}

/* ---- any number of cancels at any points; EDDY_TEST_SEED repeats a failure */

static void disturb_at_random(const struct scenario *scenarios, uint64_t seed)
{
    uint64_t state = seed;

    for (; scenarios->name != NULL; scenarios++) {
        struct disturbance disturbance = {.kind = CHAOS, .chaos_seed = seed};
        disturbance.task = 1 + (uint32_t)(testing_random(&state) % 3);
        disturbance.turn = 1 + (unsigned)(testing_random(&state) % 30);
        disturbance.shuffle_seed = testing_random(&state) % 2;
        (void)scenario_run(scenarios, disturbance);
    }
}

test(whatever_is_cancelled_at_random_nothing_is_lost)
{
    const char *text = getenv("EDDY_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 1;
    uint64_t end = seed + (text != NULL ? 1 : SEEDS);

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    for (; seed < end; seed++) {
        disturb_at_random(line_scenarios, seed);
        disturb_at_random(task_scenarios, seed);
        disturb_at_random(compose_scenarios, seed);
        disturb_at_random(select_scenarios, seed);
        disturb_at_random(stream_scenarios, seed);
        disturb_at_random(reader_scenarios, seed);
        disturb_at_random(socket_scenarios, seed);
        disturb_at_random(writer_scenarios, seed);
        disturb_at_random(transport_scenarios, seed);
        if (seed % 4 == 0) { /* threads take their time, and so does closing a watch of files */
            disturb_at_random(fd_scenarios, seed);
            disturb_at_random(beside_scenarios, seed);
            disturb_at_random(child_scenarios, seed);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(nothing_that_tasks_wait_in_line_for_is_lost),
        testing_case(nothing_that_tasks_do_together_is_lost),
        testing_case(nothing_of_the_outside_world_is_lost),
        testing_case(nothing_of_blocks_and_groups_is_lost),
        testing_case(nothing_that_a_select_did_not_pick_is_lost),
        testing_case(nothing_of_readers_and_blocks_with_streams_is_lost),
        testing_case(nothing_of_foreign_fds_and_files_is_lost),
        testing_case(nothing_of_connects_and_messages_is_lost),
        testing_case(nothing_that_is_put_into_writers_is_lost),
        testing_case(nothing_of_transports_is_lost),
        testing_case(nothing_beside_the_loop_is_lost),
        testing_case(nothing_of_child_processes_is_lost),
        testing_case(whatever_is_cancelled_at_random_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
