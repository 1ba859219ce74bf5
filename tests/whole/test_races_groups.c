/* Waits for several tasks: they return when all have ended, or leave them as they are (rules 4, 6,
 * 7 and 9). */
#include "support/race_children.h"

#include "eddy/gather.h"
#include "eddy/group.h"

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
    .pending = {"ECANCELED; 2 cleaned", "ECANCELED; 2 cleaned"},
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
    .pending = {"ECANCELED; 0 cleaned", "ECANCELED; 0 cleaned"},
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
    .pending = {"ECANCELED; 2 cleaned -125 -125", "ECANCELED; 2 cleaned -125 -125"},
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
    return eddy_wait_tasks(co, children, MOST_CHILDREN, EDDY_WAIT_ALL);
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
    .pending = {"ECANCELED; 0 done 2 cleaned", "ECANCELED; 0 done 2 cleaned"},
    .cells =
        {
            /* the tasks are only about to end: the wait is not over */
            [WAKE] = {"ok; 2 done 2 cleaned", "ETIMEDOUT; 2 done 2 cleaned",
                      "ECANCELED; 2 done 2 cleaned", "ok; 2 done 2 cleaned"},
            [TIME_OUT] = {"ETIMEDOUT; 2 done 2 cleaned", ONE_DEADLINE,
                          "ECANCELED; 0 done 2 cleaned", "ETIMEDOUT; 2 done 2 cleaned"},
            [CANCEL] = {"ECANCELED; 2 done 2 cleaned", "ECANCELED; 0 done 2 cleaned",
                        "ECANCELED; 0 done 2 cleaned", "ECANCELED; 2 done 2 cleaned"},
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
    .pending = {"ECANCELED; -1 taken 7 kept", "ECANCELED; -1 taken 7 kept"},
    .cells =
        {
            [WAKE] = {"ok; 7 taken", "ETIMEDOUT; -1 taken 7 kept", "ok, then ECANCELED; 7 taken",
                      "ok; 7 taken"},
            [TIME_OUT] = {"ETIMEDOUT; -1 taken 7 kept", ONE_DEADLINE, "ECANCELED; -1 taken 7 kept",
                          "ETIMEDOUT; -1 taken -125 kept"},
            [CANCEL] = {"ECANCELED; -1 taken 7 kept", "ECANCELED; -1 taken 7 kept",
                        "ECANCELED; -1 taken 7 kept", "ECANCELED; -1 taken -125 kept"},
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
        testing_case(a_gather),
        testing_case(a_group),
        testing_case(a_gather_of_all),
        testing_case(a_wait),
        testing_case(the_next_of_a_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
