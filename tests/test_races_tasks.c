/* Sleeps, calls, and waits for other tasks: what comes first is the outcome. A wait for tasks passes
 * a cancel or time-out on, and returns when they have ended (rules 4, 6, 7 and 9). */
#include "support/races.h"

#include "eddy/event.h"
#include "eddy/gather.h"
#include "eddy/group.h"
#include "eddy/wait_tasks.h"

#define NO_CLOSE "- it cannot be closed"
#define ONE_DEADLINE "- there is one deadline"
#define NEVER_CLOSED                           \
    {                                          \
        NO_CLOSE, NO_CLOSE, NO_CLOSE, NO_CLOSE \
    }

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
    .cells =
        {
            [WAKE] = {"ok; -", "ok; -", "ok, then ECANCELED; -", NO_CLOSE},
            [TIME_OUT] = {"- its end is before the deadline", ONE_DEADLINE, "- likewise", NO_CLOSE},
            [CANCEL] = {"ECANCELED; -", "ECANCELED; -", "ECANCELED, then ECANCELED; -", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

static const struct race_table equal_sleep_races = {
    .operation = "sleep that ends at the deadline",
    .wait = sleep_as_long,
    .wake = pass_a_second,
    .log_left = log_nothing,
    .wakes_by_event = true,
    .cells =
        {
            [WAKE] = {"ok; -", "ok; -", "ok, then ECANCELED; -", NO_CLOSE},
            [TIME_OUT] = {"ok; -", ONE_DEADLINE, "ok, then ECANCELED; -", NO_CLOSE},
            [CANCEL] = {"ECANCELED; -", "ECANCELED; -", "ECANCELED, then ECANCELED; -", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

static const struct race_table long_sleep_races = {
    .operation = "sleep that ends after the deadline",
    .wait = sleep_long,
    .wake = pass_two_seconds,
    .log_left = log_nothing,
    .wakes_by_event = true,
    .cells =
        {
            [WAKE] = {"- its end is after the deadline", "- likewise", "- likewise", NO_CLOSE},
            [TIME_OUT] = {"ETIMEDOUT; -", ONE_DEADLINE, "ETIMEDOUT, then ECANCELED; -", NO_CLOSE},
            [CANCEL] = {"ECANCELED; -", "ECANCELED; -", "ECANCELED, then ECANCELED; -", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

test(a_sleep)
{
    run_race_table(&short_sleep_races);
    run_race_table(&equal_sleep_races);
    run_race_table(&long_sleep_races);
}

/* ---- what waits for coroutines: they wait for an event, and have a finally that takes a turn */

enum { MOST_CHILDREN = 2 };

static eddy_event end_child[MOST_CHILDREN];
static int64_t child_result[MOST_CHILDREN];
static eddy_task children[MOST_CHILDREN];
static int cleaned; /* how many finallys have ended */

eddy_frame(child) {
    eddy_coro co;
    int number;
};

static void child(eddy_coro *co)
{
    eddy_begin(child);
    eddy_await(eddy_event_wait(co, &end_child[self->number]));
    eddy_return(child_result[self->number]);
eddy_finally:
    eddy_await(eddy_pause(co));
    cleaned++;
    eddy_end;
}

static void log_cleaned(void)
{
    testing_log("%d cleaned", cleaned);
}

static void prepare_children(eddy_coro *co)
{
    (void)co;
    cleaned = 0;
    for (int i = 0; i < MOST_CHILDREN; i++) {
        eddy_event_init(&end_child[i]);
        child_result[i] = 0;
    }
}

static void spawn_children(eddy_coro *co)
{
    prepare_children(co);
    children[0] = start(child, .number = 0);
    children[1] = start(child, .number = 1);
}

/* The events are set: the children are about to end. */
static void end_children(eddy_coro *co)
{
    (void)co;
    eddy_event_set(&end_child[0]);
    eddy_event_set(&end_child[1]);
}

/* As a gather and a group see it: one child fails. */
static void fail_child(eddy_coro *co)
{
    (void)co;
    child_result[0] = -EIO;
    eddy_event_set(&end_child[0]);
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
    .cells =
        {
            /* the finally holds back what comes when the event's wait has its result */
            [WAKE] = {"ok; 1 cleaned", "ok; 1 cleaned", "ok, then ECANCELED; 1 cleaned",
                      "EIO; 1 cleaned"},
            [TIME_OUT] = {"ETIMEDOUT; 1 cleaned", ONE_DEADLINE,
                          "ETIMEDOUT, then ECANCELED; 1 cleaned", "ETIMEDOUT; 1 cleaned"},
            [CANCEL] = {"ECANCELED; 1 cleaned", "ECANCELED; 1 cleaned",
                        "ECANCELED, then ECANCELED; 1 cleaned", "ECANCELED; 1 cleaned"},
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
    .cells =
        {
            /* a wake only lets the child end, some turns later */
            [WAKE] = {"ok; 1 cleaned", "ETIMEDOUT; it has ended 1 cleaned",
                      "ECANCELED; it has ended 1 cleaned", "ok; 1 cleaned"},
            [TIME_OUT] = {"ETIMEDOUT; it has ended 1 cleaned", ONE_DEADLINE,
                          "ETIMEDOUT, then ECANCELED; it goes on 1 cleaned",
                          "ETIMEDOUT; it has ended 1 cleaned"},
            [CANCEL] = {"ECANCELED; it has ended 1 cleaned", "ECANCELED; it goes on 1 cleaned",
                        "ECANCELED, then ECANCELED; it goes on 1 cleaned",
                        "ECANCELED; it has ended 1 cleaned"},
            [CLOSE] = {"ECANCELED; 1 cleaned", "ETIMEDOUT; it has ended 1 cleaned",
                       "ECANCELED; it has ended 1 cleaned", "ECANCELED; 1 cleaned"},
        },
};

test(a_shield)
{
    run_race_table(&shield_races);
}

/* The child ends in the very step before: the wait has its result. */

static void spawn_child_that_ends(eddy_coro *co)
{
    (void)co;
    cleaned = 0;
    eddy_event_init(&end_child[0]);
}

eddy_frame(ends_at_once) {
    eddy_coro co;
};

static void ends_at_once(eddy_coro *co)
{
    eddy_begin(ends_at_once);
    eddy_await(eddy_event_wait(co, &end_child[0]));
    cleaned++;
    eddy_return(7);
    eddy_end;
}

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

static void end_it(eddy_coro *co)
{
    (void)co;
    eddy_event_set(&end_child[0]);
}

static const struct race_table ended_join_races = {
    .operation = "join of a task that ends in the step before",
    .set_up = spawn_child_that_ends,
    .wait = join_one_that_ends,
    .wake = end_it,
    .close = cancel_child,
    .log_left = log_cleaned,
    .wakes_by_event = true,
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

/* ---- gather */

static int64_t gather_children(eddy_coro *co)
{
    return eddy_gather(co, children, MOST_CHILDREN);
}

static const struct race_table gather_races = {
    .operation = "gather",
    .set_up = spawn_children,
    .wait = gather_children,
    .wake = end_children,
    .close = fail_child,
    .log_left = log_cleaned,
    .cells =
        {
            [WAKE] = {"ok; 2 cleaned", "ok; 2 cleaned", "ok, then ECANCELED; 2 cleaned",
                      "EIO; 2 cleaned"},
            [TIME_OUT] = {"ETIMEDOUT; 2 cleaned", ONE_DEADLINE, "ECANCELED; 2 cleaned",
                          "ETIMEDOUT; 2 cleaned"},
            [CANCEL] = {"ECANCELED; 2 cleaned", "ECANCELED; 2 cleaned", "ECANCELED; 2 cleaned",
                        "ECANCELED; 2 cleaned"},
            /* its own wait has its result already, so the failure stands */
            [CLOSE] = {"EIO; 2 cleaned", "EIO; 2 cleaned", "EIO, then ECANCELED; 2 cleaned",
                       "EIO; 2 cleaned"},
        },
};

test(a_gather)
{
    run_race_table(&gather_races);
}

/* ---- group */

static eddy_group group;

static int64_t wait_group(eddy_coro *co)
{
    (void)eddy_group_spawn(co, &group, child, .number = 0);
    (void)eddy_group_spawn(co, &group, child, .number = 1);
    return eddy_group_wait(co, &group);
}

static void cancel_group(eddy_coro *co)
{
    (void)co;
    eddy_group_cancel(&group);
}

static void log_group(void)
{
    assert_int_equal(eddy_group_count(&group), 0);
    log_cleaned();
}

static const struct race_table group_races = {
    .operation = "group",
    .set_up = prepare_children,
    .wait = wait_group,
    .wake = end_children,
    .close = cancel_group,
    .log_left = log_group,
    .cells =
        {
            [WAKE] = {"ok; 2 cleaned", "ok; 2 cleaned", "ok, then ECANCELED; 2 cleaned",
                      "ok; 2 cleaned"},
            [TIME_OUT] = {"ETIMEDOUT; 2 cleaned", ONE_DEADLINE, "ECANCELED; 2 cleaned",
                          "ETIMEDOUT; 2 cleaned"},
            [CANCEL] = {"ECANCELED; 2 cleaned", "ECANCELED; 2 cleaned", "ECANCELED; 2 cleaned",
                        "ECANCELED; 2 cleaned"},
            /* a task that was cancelled on its own is no failure */
            [CLOSE] = {"ok; 2 cleaned", "ETIMEDOUT; 2 cleaned", "ECANCELED; 2 cleaned",
                       "ok; 2 cleaned"},
        },
};

test(a_group)
{
    run_race_table(&group_races);
}

/* ---- gather all */

static int64_t results[MOST_CHILDREN];

static int64_t gather_all_children(eddy_coro *co)
{
    return eddy_gather_all(co, children, MOST_CHILDREN, results);
}

/* Every result is there, whatever the gather returned. */
static void log_results(void)
{
    log_cleaned();
    testing_log("%d %d", (int)results[0], (int)results[1]);
}

#define GONE "-125" /* -ECANCELED */

static const struct race_table gather_all_races = {
    .operation = "gather all",
    .set_up = spawn_children,
    .wait = gather_all_children,
    .wake = end_children,
    .close = fail_child,
    .log_left = log_results,
    .settle = end_children,
    .cells =
        {
            [WAKE] = {"ok; 2 cleaned 0 0", "ok; 2 cleaned 0 0", "ok, then ECANCELED; 2 cleaned 0 0",
                      "ok; 2 cleaned -5 0"},
            [TIME_OUT] = {"ETIMEDOUT; 2 cleaned " GONE " " GONE, ONE_DEADLINE,
                          "ECANCELED; 2 cleaned " GONE " " GONE,
                          "ETIMEDOUT; 2 cleaned " GONE " " GONE},
            [CANCEL] = {"ECANCELED; 2 cleaned " GONE " " GONE,
                        "ECANCELED; 2 cleaned " GONE " " GONE,
                        "ECANCELED; 2 cleaned " GONE " " GONE,
                        "ECANCELED; 2 cleaned " GONE " " GONE},
            /* a failure cancels no other; the child that failed keeps its result */
            [CLOSE] = {"ok; 2 cleaned -5 0", "ETIMEDOUT; 2 cleaned -5 " GONE,
                       "ECANCELED; 2 cleaned -5 " GONE, "ok; 2 cleaned -5 0"},
        },
};

test(a_gather_of_all)
{
    run_race_table(&gather_all_races);
}

/* ---- wait */

static int64_t wait_for_children(eddy_coro *co)
{
    return eddy_wait(co, children, MOST_CHILDREN, EDDY_WAIT_ALL);
}

/* The tasks know nothing of a wait that was given up, and can be joined. */
static void log_waited(void)
{
    testing_log("%d done", eddy_task_done(children[0]) + eddy_task_done(children[1]));
    end_children(NULL);
    (void)finish(children[0]);
    (void)finish(children[1]);
    log_cleaned();
}

static void cancel_children(eddy_coro *co)
{
    (void)co;
    (void)eddy_cancel(children[0]);
    (void)eddy_cancel(children[1]);
}

static const struct race_table wait_races = {
    .operation = "wait",
    .set_up = spawn_children,
    .wait = wait_for_children,
    .wake = end_children,
    .close = cancel_children,
    .log_left = log_waited,
    .cells =
        {
            /* the tasks are only about to end: the wait is not over */
            [WAKE] = {"ok; 2 done 2 cleaned", "ETIMEDOUT; 2 done 2 cleaned",
                      "ECANCELED; 2 done 2 cleaned", "ok; 2 done 2 cleaned"},
            [TIME_OUT] = {"ETIMEDOUT; 2 done 2 cleaned", ONE_DEADLINE,
                          "ETIMEDOUT, then ECANCELED; 0 done 2 cleaned",
                          "ETIMEDOUT; 2 done 2 cleaned"},
            [CANCEL] = {"ECANCELED; 2 done 2 cleaned", "ECANCELED; 0 done 2 cleaned",
                        "ECANCELED, then ECANCELED; 0 done 2 cleaned",
                        "ECANCELED; 2 done 2 cleaned"},
            [CLOSE] = {"ok; 2 done 2 cleaned", "ETIMEDOUT; 2 done 2 cleaned",
                       "ECANCELED; 2 done 2 cleaned", "ok; 2 done 2 cleaned"},
        },
};

test(a_wait)
{
    run_race_table(&wait_races);
}

/* ---- the next of a group */

static int64_t next_result;

/* Its child ends in the step before, as that of a join above. */
static int64_t next_of_group(eddy_coro *co)
{
    memset(&group, 0, sizeof group);
    group.policy = EDDY_GROUP_KEEP;
    next_result = -1;
    (void)eddy_group_spawn(co, &group, ends_at_once);
    return eddy_group_next(co, &group, &next_result);
}

static void end_group(eddy_coro *co)
{
    (void)co;
    eddy_group_cancel(&group);
}

eddy_frame(takes_rest) {
    eddy_coro co;
    int64_t rc;
    int64_t result;
};

static void takes_rest(eddy_coro *co)
{
    eddy_begin(takes_rest);
    for (;;) {
        eddy_await(self->rc, eddy_group_next(co, &group, &self->result));
        if (self->rc == 0) {
            break;
        }
        testing_log("%d kept", (int)self->result);
    }
    eddy_end;
}

/* A result that was not taken is kept for the next who asks. */
static void log_next(void)
{
    testing_log("%d taken", (int)next_result);
    end_it(NULL);
    assert_int_equal(run(takes_rest), 0);
}

static const struct race_table next_races = {
    .operation = "next of a group",
    .set_up = spawn_child_that_ends,
    .wait = next_of_group,
    .wake = end_it,
    .close = end_group,
    .log_left = log_next,
    .wakes_by_event = true,
    .cells =
        {
            [WAKE] = {"ok; 7 taken", "ETIMEDOUT; -1 taken 7 kept", "ok, then ECANCELED; 7 taken",
                      "ok; 7 taken"},
            [TIME_OUT] = {"ETIMEDOUT; -1 taken 7 kept", ONE_DEADLINE,
                          "ETIMEDOUT, then ECANCELED; -1 taken 7 kept",
                          "ETIMEDOUT; -1 taken -125 kept"},
            [CANCEL] = {"ECANCELED; -1 taken 7 kept", "ECANCELED; -1 taken 7 kept",
                        "ECANCELED, then ECANCELED; -1 taken 7 kept",
                        "ECANCELED; -1 taken -125 kept"},
            [CLOSE] = {"ok; -125 taken", "ETIMEDOUT; -1 taken -125 kept",
                       "ECANCELED; -1 taken -125 kept", "ok; -125 taken"},
        },
};

test(the_next_of_a_group)
{
    run_race_table(&next_races);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_sleep),
        testing_case(a_call),
        testing_case(a_join),
        testing_case(a_shield),
        testing_case(a_wait_for_a_task_that_ends_in_the_step_before),
        testing_case(a_gather),
        testing_case(a_group),
        testing_case(a_gather_of_all),
        testing_case(a_wait),
        testing_case(the_next_of_a_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
