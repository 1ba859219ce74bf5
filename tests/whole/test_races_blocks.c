/* Blocks, and waits for several tasks of which the last ends in the very step before: what comes
 * first is the outcome, and no block leaves a task behind (rules 4, 6, 7 and 9). */
#include "support/race_children.h"

#include "eddy/gather.h"
#include "eddy/group.h"

/* ---- eddy_with_group, at its end */

static eddy_group group;
static eddy_event body_goes_on;

static void prepare_group(eddy_coro *co)
{
    prepare_children(co);
    memset(&group, 0, sizeof group);
    eddy_event_init(&body_goes_on);
}

eddy_frame_of(waits_at_its_end);

static void waits_at_its_end(eddy_coro *co)
{
    eddy_begin(waits_at_its_end);
    eddy_with_group(&group) {
        eddy_group_spawn(co, &group, child, .number = 0);
        eddy_group_spawn(co, &group, child, .number = 1);
    }
    eddy_end;
}

static int64_t wait_at_end(eddy_coro *co)
{
    return eddy_call(co, waits_at_its_end);
}

/* What was told to the error hook is a failure that another overtook. */
static void log_group(void)
{
    assert_int_equal(eddy_group_count(&group), 0);
    log_cleaned();
    testing_log("%d told", testing.errors.count);
    testing.errors.count = 0;
}

static const struct race_table group_end_races = {
    .operation = "end of a block with a group",
    .set_up = prepare_group,
    .wait = wait_at_end,
    .wake = end_children,
    .close = fail_child,
    .log_left = log_group,
    .pending = {"ECANCELED; 0 cleaned 0 told", "ECANCELED; 0 cleaned 0 told"},
    .cells =
        {
            /* a task whose own wait has its result is not stopped by what is passed on to it */
            [WAKE] = {"ok; 2 cleaned 0 told", "ok; 2 cleaned 0 told",
                      "ok, then ECANCELED; 2 cleaned 0 told", "EIO; 2 cleaned 0 told"},
            [TIME_OUT] = {"ETIMEDOUT; 2 cleaned 0 told", ONE_DEADLINE,
                          "ECANCELED; 2 cleaned 0 told", "ETIMEDOUT; 2 cleaned 0 told"},
            [CANCEL] = {"ECANCELED; 2 cleaned 0 told", "ECANCELED; 2 cleaned 0 told",
                        "ECANCELED; 2 cleaned 0 told", "ECANCELED; 2 cleaned 0 told"},
            [CLOSE] = {"EIO; 2 cleaned 0 told", "EIO; 2 cleaned 0 told",
                       "EIO, then ECANCELED; 2 cleaned 0 told", "EIO; 2 cleaned 0 told"},
        },
};

/* ---- eddy_with_group, while its body waits */

eddy_frame_of(waits_inside);

static void waits_inside(eddy_coro *co)
{
    eddy_begin(waits_inside);
    eddy_with_group(&group) {
        eddy_group_spawn(co, &group, child, .number = 0);
        eddy_await(eddy_event_wait(co, &body_goes_on));
    }
    eddy_end;
}

static int64_t wait_inside(eddy_coro *co)
{
    return eddy_call(co, waits_inside);
}

static void end_body_and_child(eddy_coro *co)
{
    end_children(co);
    eddy_event_set(&body_goes_on);
}

static const struct race_table group_body_races = {
    .operation = "body of a block with a group",
    .set_up = prepare_group,
    .wait = wait_inside,
    .wake = end_body_and_child,
    .close = fail_child,
    .log_left = log_group,
    .pending = {"ECANCELED; 0 cleaned 0 told", "ECANCELED; 0 cleaned 0 told"},
    .cells =
        {
            [WAKE] = {"ok; 1 cleaned 0 told", "ok; 1 cleaned 0 told",
                      "ok, then ECANCELED; 1 cleaned 0 told", "EIO; 1 cleaned 0 told"},
            /* what comes second reaches the end of the block, which waits for the task */
            [TIME_OUT] = {"ETIMEDOUT; 1 cleaned 0 told", ONE_DEADLINE,
                          "ECANCELED; 1 cleaned 0 told", "ETIMEDOUT; 1 cleaned 1 told"},
            [CANCEL] = {"ECANCELED; 1 cleaned 0 told", "ECANCELED; 1 cleaned 0 told",
                        "ECANCELED; 1 cleaned 0 told", "ECANCELED; 1 cleaned 1 told"},
            [CLOSE] = {"EIO; 1 cleaned 0 told", "ETIMEDOUT; 1 cleaned 1 told",
                       "ECANCELED; 1 cleaned 1 told", "EIO; 1 cleaned 0 told"},
        },
};

test(a_block_with_a_group)
{
    run_race_table(&group_end_races);
    run_race_table(&group_body_races);
}

/* ---- eddy_with_timeout: its own deadline, and what it waits for */

static int64_t inner_limit;

eddy_frame_of(waits_with_timeout);

static void waits_with_timeout(eddy_coro *co)
{
    eddy_begin(waits_with_timeout);
    eddy_with_timeout(inner_limit) {
        eddy_await(eddy_event_wait(co, &body_goes_on));
    }
    eddy_end;
}

eddy_frame_of(tells_of_its_own);

static void tells_of_its_own(eddy_coro *co)
{
    eddy_begin(tells_of_its_own);
    eddy_except(-ETIMEDOUT, eddy_call(co, waits_with_timeout)) {
        testing_log("its own,");
    }
    eddy_end;
}

static int64_t wait_with_timeout(eddy_coro *co)
{
    return eddy_call(co, tells_of_its_own);
}

static void pass_a_second(eddy_coro *co)
{
    (void)co;
    eddy_clock_advance(&testing.clock, EDDY_SECOND);
}

static void end_body(eddy_coro *co)
{
    (void)co;
    eddy_event_set(&body_goes_on);
}

static void log_nothing(void)
{
    testing_log("-");
}

/* Here the wake is that the deadline of the block passes, and the close what the body waits for. */
static const struct race_table earlier_races = {
    .operation = "block with an earlier deadline",
    .set_up = prepare_group,
    .wait = wait_with_timeout,
    .wake = pass_a_second,
    .close = end_body,
    .log_left = log_nothing,
    .wakes_by_event = true,
    .pending = {"ECANCELED; -", "ECANCELED; -"},
    /* there it is a task of its own, to which the outer deadline is a cancel from outside */
    .in_select = {[WAKE] = {"ETIMEDOUT; -", "ETIMEDOUT; -", NULL, "ETIMEDOUT; -"}},
    .cells =
        {
            /* the outer deadline passes too, but the block was struck by its own; a cancel that
             * comes before it runs takes that over */
            [WAKE] = {"its own, ok; -", "its own, ok; -", "ECANCELED; -", "its own, ok; -"},
            [TIME_OUT] = {"- it is after that of the block", ONE_DEADLINE, "- likewise",
                          "- likewise"},
            [CANCEL] = {"ECANCELED; -", "ECANCELED; -", "ECANCELED; -", "ECANCELED; -"},
            [CLOSE] = {"ok; -", "ok; -", "ok, then ECANCELED; -", "ok; -"},
        },
};

static void pass_two_seconds(eddy_coro *co)
{
    (void)co;
    eddy_clock_advance(&testing.clock, 2 * EDDY_SECOND);
}

static const struct race_table later_races = {
    .operation = "block with a later deadline",
    .set_up = prepare_group,
    .wait = wait_with_timeout,
    .wake = pass_two_seconds,
    .close = end_body,
    .log_left = log_nothing,
    .wakes_by_event = true,
    .pending = {"ECANCELED; -", "ECANCELED; -"},
    .cells =
        {
            [WAKE] = {"- it is after the other", "- likewise", "- likewise", "- likewise"},
            [TIME_OUT] = {"ETIMEDOUT; -", ONE_DEADLINE, "ECANCELED; -", "ETIMEDOUT; -"},
            [CANCEL] = {"ECANCELED; -", "ECANCELED; -", "ECANCELED; -", "ECANCELED; -"},
            [CLOSE] = {"ok; -", "ok; -", "ok, then ECANCELED; -", "ok; -"},
        },
};

test(a_block_with_a_timeout)
{
    inner_limit = EDDY_SECOND / 2;
    run_race_table(&earlier_races);
    inner_limit = 2 * EDDY_SECOND;
    run_race_table(&later_races);
}

/* ---- as completed, and all that waits for several: the last ends in the step before */

eddy_frame_of(takes_completed, size_t i, int64_t rc);

static void takes_completed(eddy_coro *co)
{
    eddy_begin(takes_completed);
    eddy_for_each(self->i, eddy_as_completed, .tasks = children, .count = 1) {
        eddy_await(self->rc, eddy_join(co, children[self->i]));
    }
    eddy_return(self->rc);
    eddy_end;
}

static int64_t wait_completed(eddy_coro *co)
{
    children[0] = eddy_spawn(co, ends_at_once);
    return eddy_call(co, takes_completed);
}

static void cancel_child(eddy_coro *co)
{
    (void)co;
    (void)eddy_cancel(children[0]);
}

/* A task that was not joined is nobody's again, and its result is still to be had. */
static void log_child(void)
{
    int64_t result = eddy_task_result(children[0]);

    testing_log("%s", result == -EAGAIN  ? "it goes on"
                      : result == -ESRCH ? "it is joined"
                                         : "it has ended");
    end_it(NULL);
    if (result != -ESRCH) {
        (void)finish(children[0]);
    }
    log_cleaned();
}

static const struct race_table as_completed_races = {
    .operation = "as completed",
    .set_up = spawn_child_that_ends,
    .wait = wait_completed,
    .wake = end_it,
    .close = cancel_child,
    .log_left = log_child,
    .wakes_by_event = true,
    .pending = {"ECANCELED; it goes on 1 cleaned", "ECANCELED; it goes on 1 cleaned"},
    .cells =
        {
            /* it has its result; the join that follows takes the task in any case */
            [WAKE] = {"ok; it is joined 1 cleaned", "ETIMEDOUT; it has ended 1 cleaned",
                      "ECANCELED; it is joined 1 cleaned", "ok; it is joined 1 cleaned"},
            [TIME_OUT] = {"ETIMEDOUT; it has ended 1 cleaned", ONE_DEADLINE,
                          "ECANCELED; it goes on 1 cleaned", "ETIMEDOUT; it has ended 0 cleaned"},
            [CANCEL] = {"ECANCELED; it has ended 1 cleaned", "ECANCELED; it goes on 1 cleaned",
                        "ECANCELED; it goes on 1 cleaned", "ECANCELED; it has ended 0 cleaned"},
            [CLOSE] = {"ECANCELED; it is joined 0 cleaned", "ETIMEDOUT; it has ended 0 cleaned",
                       "ECANCELED; it has ended 0 cleaned", "ECANCELED; it is joined 0 cleaned"},
        },
};

test(as_completed)
{
    run_race_table(&as_completed_races);
}

static int64_t gather_one(eddy_coro *co)
{
    children[0] = eddy_spawn(co, ends_at_once);
    return eddy_gather(co, children, 1);
}

static int64_t gather_all_of_one(eddy_coro *co)
{
    children[0] = eddy_spawn(co, ends_at_once);
    return eddy_gather_all(co, children, 1, child_result);
}

static int64_t group_of_one(eddy_coro *co)
{
    memset(&group, 0, sizeof group);
    children[0] = eddy_group_spawn(co, &group, ends_at_once);
    return eddy_group_wait(co, &group);
}

/* They pass on what comes before the end, so that the task has none. */
#define PASSED_ON                                                                       \
    [TIME_OUT] = {"ETIMEDOUT; 0 cleaned", ONE_DEADLINE, "ECANCELED; 0 cleaned",         \
                  "ETIMEDOUT; 0 cleaned"},                                              \
    [CANCEL] = {"ECANCELED; 0 cleaned", "ECANCELED; 0 cleaned", "ECANCELED; 0 cleaned", \
                "ECANCELED; 0 cleaned"}

static const struct race_table gather_races = {
    .operation = "gather of a task that ends in the step before",
    .set_up = spawn_child_that_ends,
    .wait = gather_one,
    .wake = end_it,
    .close = cancel_child,
    .log_left = log_cleaned,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 cleaned", "ECANCELED; 0 cleaned"},
    .cells =
        {
            [WAKE] = {"ok; 1 cleaned", "ok; 1 cleaned", "ok, then ECANCELED; 1 cleaned",
                      "ok; 1 cleaned"},
            PASSED_ON,
            [CLOSE] = {"ECANCELED; 0 cleaned", "ETIMEDOUT; 0 cleaned", "ECANCELED; 0 cleaned",
                       "ECANCELED; 0 cleaned"},
        },
};

static const struct race_table gather_all_races = {
    .operation = "gather of all of a task that ends in the step before",
    .set_up = spawn_child_that_ends,
    .wait = gather_all_of_one,
    .wake = end_it,
    .close = cancel_child,
    .log_left = log_cleaned,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 cleaned", "ECANCELED; 0 cleaned"},
    .cells =
        {
            [WAKE] = {"ok; 1 cleaned", "ok; 1 cleaned", "ok, then ECANCELED; 1 cleaned",
                      "ok; 1 cleaned"},
            PASSED_ON,
            /* one failure is the result, unless the wait itself was given up */
            [CLOSE] = {"ok; 0 cleaned", "ETIMEDOUT; 0 cleaned", "ECANCELED; 0 cleaned",
                       "ok; 0 cleaned"},
        },
};

static const struct race_table group_races = {
    .operation = "group of a task that ends in the step before",
    .set_up = spawn_child_that_ends,
    .wait = group_of_one,
    .wake = end_it,
    .close = cancel_child,
    .log_left = log_cleaned,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 cleaned", "ECANCELED; 0 cleaned"},
    .cells =
        {
            [WAKE] = {"ok; 1 cleaned", "ok; 1 cleaned", "ok, then ECANCELED; 1 cleaned",
                      "ok; 1 cleaned"},
            PASSED_ON,
            /* a task that was cancelled on its own is no failure */
            [CLOSE] = {"ok; 0 cleaned", "ETIMEDOUT; 0 cleaned", "ECANCELED; 0 cleaned",
                       "ok; 0 cleaned"},
        },
};

static int64_t wait_for_one(eddy_coro *co)
{
    children[0] = eddy_spawn(co, ends_at_once);
    return eddy_wait_tasks(co, children, 1, EDDY_WAIT_ALL);
}

static const struct race_table wait_races = {
    .operation = "wait for a task that ends in the step before",
    .set_up = spawn_child_that_ends,
    .wait = wait_for_one,
    .wake = end_it,
    .close = cancel_child,
    .log_left = log_child,
    .wakes_by_event = true,
    .pending = {"ECANCELED; it goes on 1 cleaned", "ECANCELED; it goes on 1 cleaned"},
    .cells =
        {
            [WAKE] = {"ok; it has ended 1 cleaned", "ETIMEDOUT; it has ended 1 cleaned",
                      "ok, then ECANCELED; it has ended 1 cleaned", "ok; it has ended 1 cleaned"},
            [TIME_OUT] = {"ETIMEDOUT; it has ended 1 cleaned", ONE_DEADLINE,
                          "ECANCELED; it goes on 1 cleaned", "ETIMEDOUT; it has ended 0 cleaned"},
            [CANCEL] = {"ECANCELED; it has ended 1 cleaned", "ECANCELED; it goes on 1 cleaned",
                        "ECANCELED; it goes on 1 cleaned", "ECANCELED; it has ended 0 cleaned"},
            [CLOSE] = {"ok; it has ended 0 cleaned", "ETIMEDOUT; it has ended 0 cleaned",
                       "ECANCELED; it has ended 0 cleaned", "ok; it has ended 0 cleaned"},
        },
};

test(waits_for_tasks_of_which_the_last_ends_in_the_step_before)
{
    run_race_table(&gather_races);
    run_race_table(&gather_all_races);
    run_race_table(&group_races);
    run_race_table(&wait_races);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_block_with_a_group),
        testing_case(a_block_with_a_timeout),
        testing_case(as_completed),
        testing_case(waits_for_tasks_of_which_the_last_ends_in_the_step_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
