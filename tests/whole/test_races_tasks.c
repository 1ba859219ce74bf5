/* Sleeps, calls, and waits for other tasks: what comes first is the outcome. A wait for tasks
 * passes a cancel or time-out on, and returns when they have ended (rules 4, 6, 7 and 9). */
#include "support/race_children.h"

static void log_nothing(void)
{
    testing_log("-");
}

/* ---- sleep */

static int64_t sleep_long(eddy_coro *co)
{
    return eddy_sleep(co, 2 * EDDY_SECOND);
}

/* Both deadlines lie behind. */
static void pass_two_seconds(eddy_coro *co)
{
    (void)co;
    eddy_clock_advance(&testing.clock, 2 * EDDY_SECOND);
}

static int64_t sleep_short(eddy_coro *co)
{
    return eddy_sleep(co, EDDY_SECOND / 2);
}

static int64_t sleep_as_long(eddy_coro *co)
{
    return eddy_sleep(co, EDDY_SECOND);
}

static void pass_a_second(eddy_coro *co)
{
    (void)co;
    eddy_clock_advance(&testing.clock, EDDY_SECOND);
}

static const struct race_table short_sleep_races = {
    .operation = "sleep that ends before the deadline",
    .wait = sleep_short,
    .wake = pass_a_second,
    .log_left = log_nothing,
    .wakes_by_event = true,
    .pending = {"ECANCELED; -", "ECANCELED; -"},
    .cells =
        {
            [WAKE] = {"ok; -", "ok; -", "ok, then ECANCELED; -", NO_CLOSE},
            [TIME_OUT] = {"- its end is before the deadline", ONE_DEADLINE, "- likewise", NO_CLOSE},
            [CANCEL] = {"ECANCELED; -", "ECANCELED; -", "ECANCELED; -", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

static const struct race_table equal_sleep_races = {
    .operation = "sleep that ends at the deadline",
    .wait = sleep_as_long,
    .wake = pass_a_second,
    .log_left = log_nothing,
    .wakes_by_event = true,
    .pending = {"ECANCELED; -", "ECANCELED; -"},
    .cells =
        {
            [WAKE] = {"ok; -", "ok; -", "ok, then ECANCELED; -", NO_CLOSE},
            [TIME_OUT] = {"ok; -", ONE_DEADLINE, "ok, then ECANCELED; -", NO_CLOSE},
            [CANCEL] = {"ECANCELED; -", "ECANCELED; -", "ECANCELED; -", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

static const struct race_table long_sleep_races = {
    .operation = "sleep that ends after the deadline",
    .wait = sleep_long,
    .wake = pass_two_seconds,
    .log_left = log_nothing,
    .wakes_by_event = true,
    .pending = {"ECANCELED; -", "ECANCELED; -"},
    .cells =
        {
            [WAKE] = {"- its end is after the deadline", "- likewise", "- likewise", NO_CLOSE},
            [TIME_OUT] = {"ETIMEDOUT; -", ONE_DEADLINE, "ECANCELED; -", NO_CLOSE},
            [CANCEL] = {"ECANCELED; -", "ECANCELED; -", "ECANCELED; -", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

test(a_sleep)
{
    run_race_table(&short_sleep_races);
    run_race_table(&equal_sleep_races);
    run_race_table(&long_sleep_races);
}

/* ---- call */

static int64_t call_child(eddy_coro *co)
{
    return eddy_call(co, child, .number = 0);
}

static const struct race_table call_races = {
    .operation = "call",
    .set_up = prepare_children,
    .wait = call_child,
    .wake = end_children,
    .close = fail_child,
    .log_left = log_cleaned,
    .pending = {"ECANCELED; 0 cleaned", "ECANCELED; 0 cleaned"},
    .cells =
        {
            /* the finally holds back what comes when the event's wait has its result */
            [WAKE] = {"ok; 1 cleaned", "ok; 1 cleaned", "ok, then ECANCELED; 1 cleaned",
                      "EIO; 1 cleaned"},
            [TIME_OUT] = {"ETIMEDOUT; 1 cleaned", ONE_DEADLINE, "ECANCELED; 1 cleaned",
                          "ETIMEDOUT; 1 cleaned"},
            [CANCEL] = {"ECANCELED; 1 cleaned", "ECANCELED; 1 cleaned", "ECANCELED; 1 cleaned",
                        "ECANCELED; 1 cleaned"},
            [CLOSE] = {"EIO; 1 cleaned", "EIO; 1 cleaned", "EIO, then ECANCELED; 1 cleaned",
                       "EIO; 1 cleaned"},
        },
};

test(a_call)
{
    run_race_table(&call_races);
}

/* ---- join */

static void spawn_child(eddy_coro *co)
{
    prepare_children(co);
    children[0] = start(child, .number = 0);
}

static int64_t join_child(eddy_coro *co)
{
    return eddy_join(co, children[0]);
}

static void cancel_child(eddy_coro *co)
{
    (void)co;
    (void)eddy_cancel(children[0]);
}

static const struct race_table join_races = {
    .operation = "join",
    .set_up = spawn_child,
    .wait = join_child,
    .wake = end_children,
    .close = cancel_child,
    .log_left = log_cleaned,
    .pending = {"ECANCELED; 1 cleaned", "ECANCELED; 1 cleaned"},
    .cells =
        {
            /* a child whose own wait has its result is not stopped by what is passed on to it */
            [WAKE] = {"ok; 1 cleaned", "ok; 1 cleaned", "ok, then ECANCELED; 1 cleaned",
                      "ok; 1 cleaned"},
            /* one wait, which goes on: a cancel overtakes a time-out, and two are one */
            [TIME_OUT] = {"ETIMEDOUT; 1 cleaned", ONE_DEADLINE, "ECANCELED; 1 cleaned",
                          "ETIMEDOUT; 1 cleaned"},
            [CANCEL] = {"ECANCELED; 1 cleaned", "ECANCELED; 1 cleaned", "ECANCELED; 1 cleaned",
                        "ECANCELED; 1 cleaned"},
            [CLOSE] = {"ECANCELED; 1 cleaned", "ETIMEDOUT; 1 cleaned", "ECANCELED; 1 cleaned",
                       "ECANCELED; 1 cleaned"},
        },
};

test(a_join)
{
    run_race_table(&join_races);
}

/* ---- shield */

static int64_t shield_child(eddy_coro *co)
{
    return eddy_shield(co, children[0]);
}

/* The child goes on if the wait was given up. */
static void log_shielded(void)
{
    if (eddy_task_result(children[0]) == -EAGAIN) {
        testing_log("it goes on");
        end_children(NULL);
        assert_int_equal(finish(children[0]), 0);
    } else if (eddy_task_result(children[0]) != -ESRCH) {
        testing_log("it has ended");
        (void)finish(children[0]);
    }
    log_cleaned();
}

static const struct race_table shield_races = {
    .operation = "shield",
    .set_up = spawn_child,
    .wait = shield_child,
    .wake = end_children,
    .close = cancel_child,
    .log_left = log_shielded,
    .pending = {"ECANCELED; it goes on 1 cleaned", "ECANCELED; it goes on 1 cleaned"},
    .cells =
        {
            /* a wake only lets the child end, some turns later */
            [WAKE] = {"ok; 1 cleaned", "ETIMEDOUT; it has ended 1 cleaned",
                      "ECANCELED; it has ended 1 cleaned", "ok; 1 cleaned"},
            [TIME_OUT] = {"ETIMEDOUT; it has ended 1 cleaned", ONE_DEADLINE,
                          "ECANCELED; it goes on 1 cleaned", "ETIMEDOUT; it has ended 1 cleaned"},
            [CANCEL] = {"ECANCELED; it has ended 1 cleaned", "ECANCELED; it goes on 1 cleaned",
                        "ECANCELED; it goes on 1 cleaned", "ECANCELED; it has ended 1 cleaned"},
            [CLOSE] = {"ECANCELED; 1 cleaned", "ETIMEDOUT; it has ended 1 cleaned",
                       "ECANCELED; it has ended 1 cleaned", "ECANCELED; 1 cleaned"},
        },
};

test(a_shield)
{
    run_race_table(&shield_races);
}

/* ---- a wait that takes nothing */

static int64_t wait_for_child(eddy_coro *co)
{
    return eddy_task_wait(co, children[0]);
}

static const struct race_table shared_races = {
    .operation = "wait for a task",
    .set_up = spawn_child,
    .wait = wait_for_child,
    .wake = end_children,
    .close = cancel_child,
    .log_left = log_shielded,
    .pending = {"ECANCELED; it goes on 1 cleaned", "ECANCELED; it goes on 1 cleaned"},
    .cells =
        {
            [WAKE] = {"ok; it has ended 1 cleaned", "ETIMEDOUT; it has ended 1 cleaned",
                      "ECANCELED; it has ended 1 cleaned", "ok; it has ended 1 cleaned"},
            [TIME_OUT] = {"ETIMEDOUT; it has ended 1 cleaned", ONE_DEADLINE,
                          "ECANCELED; it goes on 1 cleaned", "ETIMEDOUT; it has ended 1 cleaned"},
            [CANCEL] = {"ECANCELED; it has ended 1 cleaned", "ECANCELED; it goes on 1 cleaned",
                        "ECANCELED; it goes on 1 cleaned", "ECANCELED; it has ended 1 cleaned"},
            [CLOSE] = {"ECANCELED; it has ended 1 cleaned", "ETIMEDOUT; it has ended 1 cleaned",
                       "ECANCELED; it has ended 1 cleaned", "ECANCELED; it has ended 1 cleaned"},
        },
};

test(a_wait_that_takes_nothing)
{
    run_race_table(&shared_races);
}

/* ---- the child ends in the very step before: the wait has its result */

static int64_t join_one_that_ends(eddy_coro *co)
{
    children[0] = eddy_spawn(co, ends_at_once);
    return eddy_join(co, children[0]);
}

static int64_t shield_one_that_ends(eddy_coro *co)
{
    children[0] = eddy_spawn(co, ends_at_once);
    return eddy_shield(co, children[0]);
}

static const struct race_table ended_join_races = {
    .operation = "join of a task that ends in the step before",
    .set_up = spawn_child_that_ends,
    .wait = join_one_that_ends,
    .wake = end_it,
    .close = cancel_child,
    .log_left = log_cleaned,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 cleaned", "ECANCELED; 0 cleaned"},
    .cells =
        {
            [WAKE] = {"ok; 1 cleaned", "ok; 1 cleaned", "ok, then ECANCELED; 1 cleaned",
                      "ok; 1 cleaned"},
            [TIME_OUT] = {"ETIMEDOUT; 0 cleaned", ONE_DEADLINE, "ECANCELED; 0 cleaned",
                          "ETIMEDOUT; 0 cleaned"},
            [CANCEL] = {"ECANCELED; 0 cleaned", "ECANCELED; 0 cleaned", "ECANCELED; 0 cleaned",
                        "ECANCELED; 0 cleaned"},
            [CLOSE] = {"ECANCELED; 0 cleaned", "ETIMEDOUT; 0 cleaned", "ECANCELED; 0 cleaned",
                       "ECANCELED; 0 cleaned"},
        },
};

static const struct race_table ended_shield_races = {
    .operation = "shield of a task that ends in the step before",
    .set_up = spawn_child_that_ends,
    .wait = shield_one_that_ends,
    .wake = end_it,
    .close = cancel_child,
    .log_left = log_shielded,
    .wakes_by_event = true,
    .pending = {"- as a shield", "- as a shield"},
    .cells =
        {
            [WAKE] = {"ok; 1 cleaned", "ETIMEDOUT; it has ended 1 cleaned",
                      "ok, then ECANCELED; 1 cleaned", "ok; 1 cleaned"},
            [TIME_OUT] = {"- as a shield", ONE_DEADLINE, "- as a shield", "- as a shield"},
            [CANCEL] = {"- as a shield", "- as a shield", "- as a shield", "- as a shield"},
            [CLOSE] = {"- as a shield", "- as a shield", "- as a shield", "- as a shield"},
        },
};

test(a_wait_for_a_task_that_ends_in_the_step_before)
{
    run_race_table(&ended_join_races);
    run_race_table(&ended_shield_races);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_sleep),
        testing_case(a_call),
        testing_case(a_join),
        testing_case(a_shield),
        testing_case(a_wait_that_takes_nothing),
        testing_case(a_wait_for_a_task_that_ends_in_the_step_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
