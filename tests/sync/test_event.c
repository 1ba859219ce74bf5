/* event.h: a flag that tasks wait for. */
#include "support/tasks.h"
#include "support/traps.h"

#include "eddy/callback.h"
#include "eddy/event.h"

_Static_assert(sizeof(eddy_event) <= 32, "an event is small, in every build type");

static eddy_event event;

eddy_frame(waits) {
    eddy_coro co;
    const char *name;
    int64_t limit; /* 0: none; < 0: no time */
    int64_t rc;
};

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit == 0 ? EDDY_FOREVER : self->limit,
                                       eddy_event_wait(co, &event)));
    log_end(self->name, self->rc);
    eddy_catch(self->rc, give(co, 0));
    if (self->rc < 0) {
        log_end("then", self->rc);
    }
    eddy_end;
}

eddy_frame(sets) {
    eddy_coro co;
    int at;
};

static void sets(eddy_coro *co)
{
    eddy_begin(sets);
    eddy_await(eddy_sleep(co, self->at * EDDY_SECOND));
    eddy_event_set(&event);
    eddy_end;
}

static int set_up(void **state)
{
    eddy_event_init(&event);
    return testing_setup(state);
}

#define event_case(name) cmocka_unit_test_setup_teardown(name, set_up, testing_teardown)

test(a_zeroed_event_is_not_set)
{
    static const eddy_event zeroed;

    assert_false(eddy_event_is_set(&zeroed));
    assert_int_equal(memcmp(&zeroed, &event, sizeof event), 0);
}

test(who_waits_is_woken_in_the_order_in_which_they_came)
{
    start(waits, .name = "a");
    start(waits, .name = "b");
    start(sets, .at = 2);
    start(waits, .name = "c");
    testing_run();
    testing_assert_log("a=0@2 b=0@2 c=0@2");
    assert_true(eddy_event_is_set(&event));
}

test(an_event_that_is_set_does_not_suspend_even_without_time)
{
    eddy_event_set(&event);
    eddy_event_set(&event);
    start(waits, .name = "a");
    start(waits, .name = "b", .limit = -1);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("a=0@0 b=0@0");
}

test(who_comes_after_the_clear_waits_again)
{
    eddy_event_set(&event);
    eddy_event_clear(&event);
    assert_false(eddy_event_is_set(&event));
    start(waits, .name = "a", .limit = EDDY_SECOND);
    start(waits, .name = "b", .limit = -1);
    testing_run();
    testing_assert_log("b=ETIMEDOUT@0 a=ETIMEDOUT@1");
    assert_int_equal(eddy_event_fini(&event), 0);
}

test(set_and_cleared_at_once_still_wakes_those_who_waited_and_no_later_ones)
{
    start(waits, .name = "a");
    testing_turn();
    start(waits, .name = "late");
    eddy_event_set(&event);
    eddy_event_clear(&event);
    testing_turns();
    testing_assert_log("a=0@0");
    eddy_event_set(&event);
    testing_turns();
    testing_assert_log("late=0@0");
}

static void set_by_callback(eddy_callback *callback)
{
    (void)callback;
    eddy_event_set(&event);
}

test(a_callback_may_set_it)
{
    static eddy_callback callback;

    start(waits, .name = "a");
    testing_turn();
    eddy_callback_start(testing.loop, &callback, set_by_callback);
    testing_turns();
    testing_assert_log("a=0@0");
}

test(a_cancel_or_a_time_out_leaves_the_line_at_once)
{
    eddy_task a = start(waits, .name = "a");

    start(waits, .name = "b", .limit = EDDY_SECOND);
    testing_turn();
    assert_int_equal(eddy_event_fini(&event), -EBUSY);
    eddy_cancel(a);
    testing_run();
    testing_assert_log("a=ECANCELED@0 b=ETIMEDOUT@1");
    assert_int_equal(eddy_event_fini(&event), 0);
}

test(set_and_then_a_cancel_in_one_turn_is_a_wake_and_the_cancel_comes_next)
{
    eddy_task a = start(waits, .name = "a");

    testing_turn();
    eddy_event_set(&event);
    eddy_cancel(a);
    testing_turns();
    testing_assert_log("a=0@0 then=ECANCELED@0");
}

test(a_cancel_and_then_set_in_one_turn_is_a_cancel)
{
    eddy_task a = start(waits, .name = "a");

    testing_turn();
    eddy_cancel(a);
    eddy_event_set(&event);
    testing_turns();
    testing_assert_log("a=ECANCELED@0");
}

test(set_and_then_the_deadline_in_one_turn_is_a_wake)
{
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start(waits, .name = "a", .limit = EDDY_SECOND);
    testing_turn();
    eddy_event_set(&event);
    eddy_clock_advance(&testing.clock, 5 * EDDY_SECOND);
    testing_turns();
    testing_assert_log("a=0@5");
}

test(the_deadline_and_then_set_in_one_turn_is_a_time_out)
{
    start(waits, .name = "a", .limit = EDDY_SECOND);
    start(sets, .at = 1);
    testing_run();
    testing_assert_log("a=ETIMEDOUT@1");
}

eddy_frame(cancels_itself_first) {
    eddy_coro co;
};

static void cancels_itself_first(eddy_coro *co)
{
    eddy_begin(cancels_itself_first);
    eddy_cancel(eddy_task_self(co));
    eddy_await(eddy_event_wait(co, &event));
    eddy_end;
}

test(a_pending_cancel_comes_first_set_or_not)
{
    assert_int_equal(run(cancels_itself_first), -ECANCELED);
    eddy_event_set(&event);
    assert_int_equal(run(cancels_itself_first), -ECANCELED);
}

TRAPS(waits_on_its_stack);

static void waits_on_its_stack(eddy_coro *co)
{
    eddy_event local;

    eddy_begin(waits_on_its_stack);
    eddy_event_init(&local);
    eddy_await(eddy_pause(co));
    TRAP eddy_await(eddy_event_wait(co, memset(&local, 0, sizeof local)));
    eddy_end;
}

test(to_wait_on_an_event_on_the_c_stack_aborts)
{
    assert_traps_near(waits_on_its_stack, "the task is to wait with a pointer to a local variable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        event_case(a_zeroed_event_is_not_set),
        event_case(who_waits_is_woken_in_the_order_in_which_they_came),
        event_case(an_event_that_is_set_does_not_suspend_even_without_time),
        event_case(who_comes_after_the_clear_waits_again),
        event_case(set_and_cleared_at_once_still_wakes_those_who_waited_and_no_later_ones),
        event_case(a_callback_may_set_it),
        event_case(a_cancel_or_a_time_out_leaves_the_line_at_once),
        event_case(set_and_then_a_cancel_in_one_turn_is_a_wake_and_the_cancel_comes_next),
        event_case(a_cancel_and_then_set_in_one_turn_is_a_cancel),
        event_case(set_and_then_the_deadline_in_one_turn_is_a_wake),
        event_case(the_deadline_and_then_set_in_one_turn_is_a_time_out),
        event_case(a_pending_cancel_comes_first_set_or_not),
        event_case(to_wait_on_an_event_on_the_c_stack_aborts),
    };

    return cmocka_run_group_tests(tests, set_up_traps, NULL);
}
