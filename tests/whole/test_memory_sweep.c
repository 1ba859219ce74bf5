/* Whatever request for memory fails, alone or with all after it: every error is told, all cleanups
 * run, and nothing is lost. */
#include "support/scenarios.h"

static unsigned points; /* requests that were made to fail */

static void sweep(const struct scenario *scenario, enum disturbance_kind kind)
{
    struct disturbance disturbance = {.kind = kind};
    unsigned allocations = scenario_run(scenario, disturbance).allocations;

    for (disturbance.turn = 1; disturbance.turn <= allocations; disturbance.turn++) {
        points += scenario_run(scenario, disturbance).disturbed;
    }
}

static void sweep_all(const struct scenario *scenarios)
{
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    points = 0;
    for (; scenarios->name != NULL; scenarios++) {
        sweep(scenarios, ALLOCATION);
        sweep(scenarios, ALLOCATIONS);
    }
    printf("%u points\n", points);
}

test(without_memory_nothing_that_tasks_wait_in_line_for_is_lost)
{
    sweep_all(line_scenarios);
}

test(without_memory_nothing_that_tasks_do_together_is_lost)
{
    sweep_all(task_scenarios);
}

test(without_memory_nothing_of_the_outside_world_is_lost)
{
    sweep_all(stream_scenarios);
}

test(without_memory_nothing_of_blocks_and_groups_is_lost)
{
    sweep_all(compose_scenarios);
}

test(without_memory_nothing_that_a_select_did_not_pick_is_lost)
{
    sweep_all(select_scenarios);
}

test(without_memory_nothing_of_readers_and_blocks_with_streams_is_lost)
{
    sweep_all(reader_scenarios);
}

test(without_memory_nothing_of_foreign_fds_and_files_is_lost)
{
    sweep_all(fd_scenarios);
}

test(without_memory_nothing_of_connects_and_messages_is_lost)
{
    sweep_all(socket_scenarios);
}

test(without_memory_nothing_that_is_put_into_writers_is_lost)
{
    sweep_all(writer_scenarios);
}

test(without_memory_nothing_of_transports_is_lost)
{
    sweep_all(transport_scenarios);
}

test(without_memory_nothing_beside_the_loop_is_lost)
{
    sweep_all(beside_scenarios);
}

test(without_memory_nothing_of_child_processes_is_lost)
{
    sweep_all(child_scenarios);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(without_memory_nothing_that_tasks_wait_in_line_for_is_lost),
        testing_case(without_memory_nothing_that_tasks_do_together_is_lost),
        testing_case(without_memory_nothing_of_the_outside_world_is_lost),
        testing_case(without_memory_nothing_of_blocks_and_groups_is_lost),
        testing_case(without_memory_nothing_that_a_select_did_not_pick_is_lost),
        testing_case(without_memory_nothing_of_readers_and_blocks_with_streams_is_lost),
        testing_case(without_memory_nothing_of_foreign_fds_and_files_is_lost),
        testing_case(without_memory_nothing_of_connects_and_messages_is_lost),
        testing_case(without_memory_nothing_that_is_put_into_writers_is_lost),
        testing_case(without_memory_nothing_of_transports_is_lost),
        testing_case(without_memory_nothing_beside_the_loop_is_lost),
        testing_case(without_memory_nothing_of_child_processes_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
