/* Interrupts of waits of one's own, and of one that is on its way already: the rest of the table in
 * src/task/interrupt.c. */
#include "support/interrupts.h"

#include "eddy/group.h"

/* ---- waits of one's own */

/* Told of an interrupt it finds that it is done; or waits on, if it says so. */
static int finds_its_result(struct eddy_task_record *task)
{
    eddy_wake(task, 3);
    return 0;
}

/* What it calls (the user's error hook could) cancels the task; nothing is there to take. */
static int64_t is_cancelled(struct eddy_task_record *task)
{
    eddy_cancel(eddy_handle(task));
    testing_log("tries:%s", state_of(eddy_handle(task)));
    return EDDY_PENDING;
}

static const struct eddy_wait_kind done_kind = {.name = "done", .abort = finds_its_result};
static const struct eddy_wait_kind tries_kind = {.name = "tries", .resume = is_cancelled};

static int64_t own_wait(eddy_coro *co, const struct eddy_wait_kind *kind)
{
    int64_t result = eddy_check(co);

    return result < 0 ? result : eddy_park(co, kind, NULL, NULL);
}

eddy_frame(waits_for_own) {
    eddy_coro co;
    const struct eddy_wait_kind *kind;
    int64_t rc;
};

static void waits_for_own(eddy_coro *co)
{
    eddy_begin(waits_for_own);
    eddy_with_timeout(EDDY_SECOND) {
        eddy_catch(self->rc, own_wait(co, self->kind));
        log_end("own", self->rc);
        eddy_await(give(co, 9));
    }
    eddy_end;
}

test(a_wait_that_finds_its_result_when_it_is_told_keeps_it_and_the_interrupt_is_pending)
{
    eddy_task task = start(waits_for_own, .kind = &done_kind);

    (void)testing_turn();
    eddy_cancel(task);
    assert_string_equal(state_of(task), "pending/c");
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("own=3@0");

    task = start(waits_for_own, .kind = &done_kind);
    (void)testing_turn();
    second_passes(task.record);
    assert_string_equal(state_of(task), "pending/d");
    assert_int_equal(finish(task), -ETIMEDOUT);
    testing_assert_log("own=3@1");
}

test(a_wait_that_is_interrupted_while_it_tries_in_vain_is_over)
{
    eddy_task task = start(waits_for_own, .kind = &tries_kind);

    (void)testing_turn();
    eddy_wake_to_try(task.record);
    assert_int_equal(testing_turn(), 1);
    assert_string_equal(state_of(task), "ended");
    testing_assert_log("tries:come/c own=ECANCELED@0");
    assert_int_equal(finish(task), 0);
}

/* ---- passed on again, or not */

eddy_frame(joins_in_time) {
    eddy_coro co;
    eddy_task child;
    int64_t rc;
};

static void joins_in_time(eddy_coro *co)
{
    eddy_begin(joins_in_time);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_join(co, self->child)));
    log_end("join", self->rc);
    eddy_end;
}

test(a_cancel_behind_a_deadline_is_one_with_it_for_the_child_and_a_second_cancel_is_one_more)
{
    eddy_task task, its_child;

    init_events();
    its_child = start(child);
    task = start(joins_in_time, .child = its_child);
    (void)testing_turns();
    second_passes(task.record);
    (void)testing_turns(); /* the child is in its cleanup */
    eddy_cancel(task);
    assert_string_equal(state_of(task), "way/cd");
    assert_string_equal(state_of(its_child), "none");
    eddy_cancel(task);
    assert_string_equal(state_of(its_child), "pending/c");
    eddy_event_set(&child_end);
    assert_int_equal(finish(task), 0);
    testing_assert_log("join=ECANCELED@1");
}

/* ---- a deadline that passes while the -ECANCELED of another is on its way */

eddy_frame(in_a_group) {
    eddy_coro co;
    eddy_group group;
};

static void in_a_group(eddy_coro *co)
{
    eddy_begin(in_a_group);
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, child);
        eddy_await(eddy_event_wait(co, &never));
    }
    eddy_end;
}

eddy_frame(limits_twice) {
    eddy_coro co;
    int64_t rc;
};

static void limits_twice(eddy_coro *co)
{
    eddy_begin(limits_twice);
    eddy_with_timeout(2 * EDDY_SECOND) {
        eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_call(co, in_a_group)));
        log_end("inner", self->rc);
        eddy_await(eddy_event_wait(co, &gate));
    }
    eddy_end;
}

/* The exit of the group waits for the child, and may be interrupted. */
test(the_outer_deadline_is_not_lost_in_the_exit_through_which_the_inner_goes)
{
    eddy_task task;

    init_events();
    task = start(limits_twice);
    (void)testing_turns();
    second_passes(task.record); /* of the inner one */
    (void)testing_turns();
    second_passes(task.record); /* of the outer one, in the exit */
    assert_string_equal(state_of(task), "way/d");
    eddy_event_set(&child_end);
    assert_int_equal(finish(task), -ETIMEDOUT);
    testing_assert_log("inner=ETIMEDOUT@2");
}

/* ---- one that is kept */

eddy_frame(keeps) {
    eddy_coro co;
    int64_t rc;
    int64_t within;
};

/* Its cancel goes on when what is still to be done has had its own second. */
static void keeps(eddy_coro *co)
{
    eddy_begin(keeps);
    eddy_with_timeout(EDDY_SECOND) {
        eddy_catch(self->rc, eddy_event_wait(co, &never));
        eddy_catch(self->within, eddy_wait_for(co, EDDY_SECOND, eddy_event_wait(co, &never)));
        log_end("within", self->within);
        eddy_return(self->rc);
    }
    eddy_end;
}

test(a_cancel_that_is_kept_while_one_further_in_strikes_is_still_the_outer_deadlines)
{
    init_events();
    assert_int_equal(run(keeps), -ETIMEDOUT);
    testing_assert_log("within=ETIMEDOUT@2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(
            a_wait_that_finds_its_result_when_it_is_told_keeps_it_and_the_interrupt_is_pending),
        testing_case(a_wait_that_is_interrupted_while_it_tries_in_vain_is_over),
        testing_case(
            a_cancel_behind_a_deadline_is_one_with_it_for_the_child_and_a_second_cancel_is_one_more),
        testing_case(
            a_cancel_that_is_kept_while_one_further_in_strikes_is_still_the_outer_deadlines),
        testing_case(the_outer_deadline_is_not_lost_in_the_exit_through_which_the_inner_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
