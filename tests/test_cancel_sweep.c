/* Whatever is cancelled, times out or both, at whatever point: nothing is lost (rules 4 to 9). */
#include "support/scenarios.h"

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
        for (enum disturbance_kind kind = CANCEL_ONCE; kind < ALLOCATION; kind++) {
            sweep(scenarios, kind, 0);
        }
        sweep(scenarios, CANCEL_ONCE, 1); /* and in another order */
    }
    print_message("%u points\n", points);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(nothing_that_tasks_wait_in_line_for_is_lost),
        testing_case(nothing_that_tasks_do_together_is_lost),
        testing_case(nothing_of_the_outside_world_is_lost),
        testing_case(nothing_of_blocks_and_groups_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
