/* event.h: tasks that go on together. */
#include "support/tasks.h"

#include "eddy/event.h"

static eddy_barrier barrier;

/* Comes at a time, waits, logs its index; comes again `times` times more. */
eddy_frame(comes) {
    eddy_coro co;
    const char *name;
    int64_t limit; /* 0: none; < 0: no time */
    int at, times;
    int64_t rc;
};

static void comes(eddy_coro *co)
{
    eddy_begin(comes);
    if (self->at > 0) {
        eddy_await(eddy_sleep(co, self->at * EDDY_SECOND));
    }
    do {
        eddy_catch(self->rc, eddy_wait_for(co, self->limit == 0 ? EDDY_FOREVER : self->limit,
                                           eddy_barrier_wait(co, &barrier)));
        log_end(self->name, self->rc);
    } while (self->rc >= 0 && self->times-- > 0);
    eddy_catch(self->rc, give(co, 0));
    if (self->rc < 0) {
        log_end("then", self->rc);
    }
    eddy_end;
}

static int set_up(void **state)
{
    eddy_barrier_init(&barrier, 3);
    return testing_setup(state);
}

#define barrier_case(name) cmocka_unit_test_setup_teardown(name, set_up, testing_teardown)

test(all_go_on_when_the_last_has_come_and_each_has_an_index)
{
    start(comes, .name = "a");
    start(comes, .name = "b", .at = 2);
    start(comes, .name = "c", .at = 1);
    testing_run();
    testing_assert_log("b=2@2 a=0@2 c=1@2");
    assert_int_equal(eddy_barrier_waiting(&barrier), 0);
}

test(the_last_does_not_suspend_even_without_time)
{
    start(comes, .name = "a");
    start(comes, .name = "b");
    start(comes, .name = "c", .limit = -1);
    start(comes, .name = "d", .limit = -1);
    testing_turn();
    testing_assert_log("c=2@0");
    testing_run();
    testing_assert_log("a=0@0 b=1@0 d=ETIMEDOUT@0");
}

test(a_barrier_for_one_holds_nobody_up)
{
    eddy_barrier_init(&barrier, 1);
    start(comes, .name = "a", .times = 2);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("a=0@0 a=0@0 a=0@0");
}

test(it_is_ready_for_the_next_round_at_once)
{
    start(comes, .name = "a", .times = 1);
    start(comes, .name = "b", .times = 1);
    start(comes, .name = "c", .times = 1);
    testing_run();
    testing_assert_log("c=2@0 a=0@0 b=1@0 b=2@0 c=0@0 a=1@0");
}

test(a_waiter_that_is_cancelled_or_times_out_just_leaves)
{
    eddy_task a = start(comes, .name = "a");

    start(comes, .name = "b");
    start(comes, .name = "t", .limit = EDDY_SECOND, .at = 1);
    testing_turn();
    assert_int_equal(eddy_barrier_waiting(&barrier), 2);
    assert_int_equal(eddy_barrier_fini(&barrier), -EBUSY);
    eddy_cancel(a);
    assert_int_equal(eddy_barrier_waiting(&barrier), 1);
    start(comes, .name = "c", .at = 3);
    start(comes, .name = "d", .at = 4);
    testing_run();
    testing_assert_log("a=ECANCELED@0 t=ETIMEDOUT@2 d=2@4 b=0@4 c=1@4");
    assert_false(eddy_barrier_broken(&barrier));
    assert_int_equal(eddy_barrier_fini(&barrier), 0);
}

/* ---- races */

test(let_go_and_then_cancelled_in_one_turn_is_let_go_and_the_cancel_comes_next)
{
    eddy_task a = start(comes, .name = "a");

    start(comes, .name = "b");
    start(comes, .name = "c");
    testing_turn();
    eddy_cancel(a);
    testing_turns();
    testing_assert_log("c=2@0 a=0@0 then=ECANCELED@0 b=1@0");
}

test(let_go_and_then_the_deadline_in_one_turn_is_let_go)
{
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start(comes, .name = "a", .limit = EDDY_SECOND);
    start(comes, .name = "b");
    start(comes, .name = "c");
    testing_turn();
    eddy_clock_advance(&testing.clock, 5 * EDDY_SECOND);
    testing_turns();
    testing_assert_log("c=2@0 a=0@5 b=1@5");
}

test(the_deadline_in_the_turn_in_which_the_last_comes_is_a_time_out_and_one_is_missing)
{
    start(comes, .name = "a", .limit = EDDY_SECOND);
    start(comes, .name = "b");
    start(comes, .name = "c", .at = 1);
    start(comes, .name = "d", .at = 2);
    testing_run();
    testing_assert_log("a=ETIMEDOUT@1 d=2@2 b=0@2 c=1@2");
}

eddy_frame(cancels_itself_first) {
    eddy_coro co;
};

static void cancels_itself_first(eddy_coro *co)
{
    eddy_begin(cancels_itself_first);
    eddy_cancel(eddy_task_self(co));
    eddy_await(eddy_barrier_wait(co, &barrier));
    eddy_end;
}

test(a_pending_cancel_comes_first_also_for_the_last)
{
    start(comes, .name = "a");
    start(comes, .name = "b");
    testing_turn();
    assert_int_equal(run(cancels_itself_first), -ECANCELED);
    assert_int_equal(eddy_barrier_waiting(&barrier), 2);
    start(comes, .name = "c");
    testing_turns();
    testing_assert_log("c=2@0 a=0@0 b=1@0");
}

/* ---- broken */

test(abort_sends_all_away_and_whoever_comes_until_it_is_reset)
{
    start(comes, .name = "a");
    start(comes, .name = "b");
    testing_turn();
    eddy_barrier_abort(&barrier);
    assert_true(eddy_barrier_broken(&barrier));
    assert_int_equal(eddy_barrier_waiting(&barrier), 0);
    start(comes, .name = "c");
    testing_turns();
    testing_assert_log("a=BROKEN@0 b=BROKEN@0 c=BROKEN@0");
    eddy_barrier_reset(&barrier);
    assert_false(eddy_barrier_broken(&barrier));
    start(comes, .name = "a");
    start(comes, .name = "b");
    start(comes, .name = "c");
    testing_turns();
    testing_assert_log("c=2@0 a=0@0 b=1@0");
}

test(reset_sends_away_who_waits_and_begins_a_new_round)
{
    start(comes, .name = "a");
    start(comes, .name = "b");
    testing_turn();
    start(comes, .name = "c");
    start(comes, .name = "d");
    start(comes, .name = "e");
    eddy_barrier_reset(&barrier);
    testing_turns();
    testing_assert_log("e=2@0 a=BROKEN@0 b=BROKEN@0 c=0@0 d=1@0");
}

test(let_go_is_not_taken_back_by_an_abort_in_the_same_turn)
{
    start(comes, .name = "a");
    start(comes, .name = "b");
    start(comes, .name = "c");
    testing_turn();
    eddy_barrier_abort(&barrier);
    testing_turns();
    testing_assert_log("c=2@0 a=0@0 b=1@0");
}

test(a_barrier_without_parties_is_an_error)
{
    memset(&barrier, 0, sizeof barrier);
    start(comes, .name = "a");
    testing_turns();
    testing_assert_log("a=EINVAL@0");
}

test(one_who_waits_tells_how_many_are_there)
{
    char text[100];
    eddy_task a = start(comes, .name = "a");

    start(comes, .name = "b");
    testing_turn();
    assert_string_equal(a.record->wait->name, "barrier");
    a.record->wait->describe(a.record, text, sizeof text);
    assert_string_equal(text, "2 of 3 are here");
    testing_free();
    testing_assert_log("a=ECANCELED@0 b=ECANCELED@0");
    assert_int_equal(eddy_barrier_waiting(&barrier), 0);
}

/* ---- many */

enum { MANY = 1000, ROUNDS = 10 };

static int64_t sum;

eddy_frame(goes_round) {
    eddy_coro co;
    int round;
    int64_t index;
};

static void goes_round(eddy_coro *co)
{
    eddy_begin(goes_round);
    for (self->round = 0; self->round < ROUNDS; self->round++) {
        eddy_await(self->index, eddy_barrier_wait(co, &barrier));
        assert_int_equal(sum / ((int64_t)MANY * (MANY - 1) / 2), self->round);
        sum += self->index;
    }
    eddy_end;
}

test(a_thousand_tasks_go_ten_rounds_together_and_each_index_is_there_once)
{
    testing.options.flags = 0;
    testing_reopen();
    eddy_barrier_init(&barrier, MANY);
    sum = 0;
    for (int i = 0; i < MANY; i++) {
        start(goes_round);
    }
    testing_run();
    assert_int_equal(sum, (int64_t)ROUNDS * MANY * (MANY - 1) / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        barrier_case(all_go_on_when_the_last_has_come_and_each_has_an_index),
        barrier_case(the_last_does_not_suspend_even_without_time),
        barrier_case(a_barrier_for_one_holds_nobody_up),
        barrier_case(it_is_ready_for_the_next_round_at_once),
        barrier_case(a_waiter_that_is_cancelled_or_times_out_just_leaves),
        barrier_case(let_go_and_then_cancelled_in_one_turn_is_let_go_and_the_cancel_comes_next),
        barrier_case(let_go_and_then_the_deadline_in_one_turn_is_let_go),
        barrier_case(
            the_deadline_in_the_turn_in_which_the_last_comes_is_a_time_out_and_one_is_missing),
        barrier_case(a_pending_cancel_comes_first_also_for_the_last),
        barrier_case(abort_sends_all_away_and_whoever_comes_until_it_is_reset),
        barrier_case(reset_sends_away_who_waits_and_begins_a_new_round),
        barrier_case(let_go_is_not_taken_back_by_an_abort_in_the_same_turn),
        barrier_case(a_barrier_without_parties_is_an_error),
        barrier_case(one_who_waits_tells_how_many_are_there),
        barrier_case(a_thousand_tasks_go_ten_rounds_together_and_each_index_is_there_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
