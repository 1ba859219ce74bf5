/* Mistakes with generators and context managers that abort; see test_traps.c. */
#include "support/traps.h"

#include "eddy/lock.h"

/* ---- generators */

TRAPS(yields_alone);

static void yields_alone(eddy_coro *co)
{
    eddy_begin(yields_alone);
    TRAP eddy_yield(1);
    eddy_end;
}

test(a_yield_in_a_task)
{
    assert_traps_at(yields_alone, "eddy_yield outside of a generator");
}

TRAPS(calls_a_generator);

static void calls_a_generator(eddy_coro *co)
{
    eddy_begin(calls_a_generator);
    eddy_await(eddy_call(co, yields_alone));
    eddy_end;
}

test(a_yield_in_a_called_coroutine)
{
    start(calls_a_generator);
    assert_trap(AT, "yields_alone", "eddy_yield outside of a generator");
}

TRAPS(enters_a_generator);

static void enters_a_generator(eddy_coro *co)
{
    eddy_begin(enters_a_generator);
    eddy_with(yields_alone) {}
    eddy_end;
}

test(a_yield_in_a_context_manager)
{
    start(enters_a_generator);
    assert_trap(AT, "yields_alone", "eddy_yield outside of a generator");
}

TRAPS(yields_while_closing);

static void yields_while_closing(eddy_coro *co)
{
    eddy_begin(yields_while_closing);
    eddy_yield(1);
eddy_finally:
    TRAP eddy_yield(2);
    eddy_end;
}

TRAPS(leaves_early);

static void leaves_early(eddy_coro *co)
{
    eddy_begin(leaves_early);
    eddy_for_each(self->i, yields_while_closing) {
        break;
    }
    eddy_end;
}

test(a_yield_while_the_generator_is_closed)
{
    start(leaves_early);
    assert_trap(AT, "yields_while_closing", "eddy_yield in a generator that is being closed");
}

TRAPS(leaves_by_goto);

static void leaves_by_goto(eddy_coro *co)
{
    eddy_begin(leaves_by_goto);
    TRAP eddy_for_each(self->i, yields_while_closing)
    {
        goto out;
    }
out:
    eddy_await(eddy_pause(co));
    TRAP eddy_end;
}

test(a_goto_out_of_for_each)
{
    assert_traps_near(leaves_by_goto, "the coroutine ended inside an eddy_with or eddy_for_each");
}

/* ---- context managers */

TRAPS(manages);

static void manages(eddy_coro *co)
{
    eddy_begin(manages);
    eddy_body;
    eddy_end;
}

TRAPS(has_a_body);

static void has_a_body(eddy_coro *co)
{
    eddy_begin(has_a_body);
    TRAP eddy_body;
    eddy_end;
}

TRAPS(has_no_body);

static void has_no_body(eddy_coro *co)
{
    eddy_begin(has_no_body);
    eddy_await(eddy_pause(co));
    TRAP eddy_end;
}

TRAPS(enters_no_body);

static void enters_no_body(eddy_coro *co)
{
    eddy_begin(enters_no_body);
    eddy_with(has_no_body) {}
    eddy_end;
}

test(a_manager_that_ends_before_its_body)
{
    start(enters_no_body);
    assert_trap(NEAR, "has_no_body", "the context manager ended before its eddy_body");
}

TRAPS(has_two_bodies);

static void has_two_bodies(eddy_coro *co)
{
    eddy_begin(has_two_bodies);
    eddy_body;
    TRAP eddy_body;
    eddy_end;
}

TRAPS(enters_two_bodies);

static void enters_two_bodies(eddy_coro *co)
{
    eddy_begin(enters_two_bodies);
    eddy_with(has_two_bodies) {}
    eddy_end;
}

test(a_second_body)
{
    start(enters_two_bodies);
    assert_trap(AT, "has_two_bodies", "a second eddy_body");
}

TRAPS(iterates_a_manager);

static void iterates_a_manager(eddy_coro *co)
{
    eddy_begin(iterates_a_manager);
    eddy_for_each(self->i, has_a_body) {}
    eddy_end;
}

test(a_body_in_a_task)
{
    assert_traps_at(has_a_body, "eddy_body outside of a context manager");
}

test(a_body_in_a_generator)
{
    start(iterates_a_manager);
    assert_trap(AT, "has_a_body", "eddy_body outside of a context manager");
}

TRAPS(goes_out_of_with);

static void goes_out_of_with(eddy_coro *co)
{
    eddy_begin(goes_out_of_with);
    eddy_with(manages) {
        goto out;
    }
out:
    TRAP eddy_end;
}

test(a_goto_out_of_with_and_the_end)
{
    assert_traps_near(goes_out_of_with, "the coroutine ended inside an eddy_with");
}

TRAPS(goes_out_to_another_with);

static void goes_out_to_another_with(eddy_coro *co)
{
    eddy_begin(goes_out_to_another_with);
    eddy_with(manages) {
        eddy_with(manages) {
            TRAP goto out;
        }
    out:
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

test(a_goto_out_of_the_inner_of_two_withs)
{
    assert_traps_near(goes_out_to_another_with, "an eddy_with or eddy_for_each was left by a goto");
}

TRAPS(goes_to_finally);

static void goes_to_finally(eddy_coro *co)
{
    eddy_begin(goes_to_finally);
    eddy_with(manages) {
        TRAP goto out;
    }
out:
eddy_finally:
    eddy_await(eddy_pause(co));
    eddy_end;
}

test(a_goto_out_of_with_into_finally)
{
    assert_traps_near(goes_to_finally, "eddy_finally was reached inside an eddy_with");
}

TRAPS(breaks_without_a_loop);

static void breaks_without_a_loop(eddy_coro *co)
{
    eddy_begin(breaks_without_a_loop);
    eddy_with(manages) {
        TRAP break;
    }
    eddy_end;
}

test(a_break_in_with_without_a_loop_around_it)
{
    assert_traps_near(breaks_without_a_loop, "a break without a loop around it");
}

TRAPS(breaks_in_except);

static void breaks_in_except(eddy_coro *co)
{
    eddy_begin(breaks_in_except);
    eddy_except(-ETIMEDOUT, eddy_wait_for(co, 1, eddy_sleep(co, 2))) {
        TRAP break;
    }
    eddy_end;
}

test(a_break_in_except_without_a_loop_around_it)
{
    assert_traps_near(breaks_in_except, "a break without a loop around it, as in the block of an "
                                        "eddy_with or eddy_except");
}

/* ---- objects */

static eddy_lock lock;

TRAPS(goes_out_of_with_lock);

static void goes_out_of_with_lock(eddy_coro *co)
{
    eddy_begin(goes_out_of_with_lock);
    eddy_with_lock(&lock) {
        eddy_await(eddy_pause(co)); /* its line is what is told */
        goto out;
    }
out:
    TRAP eddy_end;
}

test(a_goto_out_of_with_lock)
{
    assert_traps_near(goes_out_of_with_lock, "the coroutine ended inside an eddy_with");
}

TRAPS(breaks_out_of_nothing);

static void breaks_out_of_nothing(eddy_coro *co)
{
    eddy_begin(breaks_out_of_nothing);
    eddy_with_lock(&lock) {
        TRAP break;
    }
    eddy_end;
}

test(a_break_in_with_lock_without_a_loop_around_it)
{
    assert_traps_near(breaks_out_of_nothing, "a break without a loop around it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_yield_in_a_task),
        testing_case(a_yield_in_a_called_coroutine),
        testing_case(a_yield_in_a_context_manager),
        testing_case(a_yield_while_the_generator_is_closed),
        testing_case(a_goto_out_of_for_each),
        testing_case(a_manager_that_ends_before_its_body),
        testing_case(a_second_body),
        testing_case(a_body_in_a_task),
        testing_case(a_body_in_a_generator),
        testing_case(a_goto_out_of_with_and_the_end),
        testing_case(a_goto_out_of_the_inner_of_two_withs),
        testing_case(a_goto_out_of_with_into_finally),
        testing_case(a_break_in_with_without_a_loop_around_it),
        testing_case(a_break_in_except_without_a_loop_around_it),
        testing_case(a_goto_out_of_with_lock),
        testing_case(a_break_in_with_lock_without_a_loop_around_it),
    };

    return cmocka_run_group_tests(tests, set_up_traps, NULL);
}
