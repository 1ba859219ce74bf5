/*
 * What holds for whatever one task has at a time and hands over to the next in line (rules 4, 5, 6
 * and 8): test cases for all of that kind. Before this, the test defines
 *
 *     static int64_t take(eddy_coro *co);      the operation that waits for it
 *     static void give_back(eddy_coro *co);
 *     static void assert_free(void);           nobody has it and nobody waits for it
 *     static void assert_taken(bool waited_for);
 */
#ifndef EDDY_TESTING_HAND_OVER_H
#define EDDY_TESTING_HAND_OVER_H

#include "support/tasks.h"

/* Takes it, keeps it for some seconds (none: a pause), gives it back; logs how it got it. */
eddy_frame(takes) {
    eddy_coro co;
    const char *name;
    int64_t limit; /* 0: none; < 0: no time */
    int keep;
    int64_t rc, then;
};

static void takes(eddy_coro *co)
{
    eddy_begin(takes);
    eddy_catch(self->rc,
               eddy_wait_for(co, self->limit == 0 ? EDDY_FOREVER : self->limit, take(co)));
    log_end(self->name, self->rc);
    eddy_catch(self->then, eddy_sleep(co, self->keep * EDDY_SECOND));
    if (self->then < 0) {
        log_end("then", self->then);
    }
    if (self->rc == 0) {
        give_back(co);
    }
    eddy_end;
}

test(those_who_wait_get_it_in_the_order_in_which_they_came)
{
    start(takes, .name = "a", .keep = 1);
    start(takes, .name = "b", .keep = 1);
    start(takes, .name = "c", .keep = 2);
    start(takes, .name = "d", .keep = 1);
    testing_run();
    testing_assert_log("a=0@0 b=0@1 c=0@2 d=0@4");
    assert_free();
}

test(a_waiter_that_is_cancelled_leaves_the_line_at_once)
{
    eddy_task b;

    start(takes, .name = "a", .keep = 1);
    b = start(takes, .name = "b");
    testing_turn();
    assert_taken(true);
    eddy_cancel(b);
    assert_taken(false);
    testing_run();
    testing_assert_log("a=0@0 b=ECANCELED@0");
    assert_free();
}

test(a_waiter_that_times_out_leaves_the_line)
{
    start(takes, .name = "a", .keep = 3);
    start(takes, .name = "b", .limit = EDDY_SECOND);
    start(takes, .name = "c");
    testing_run();
    testing_assert_log("a=0@0 b=ETIMEDOUT@1 c=0@3");
    assert_free();
}

test(what_is_free_is_taken_at_once_even_without_time)
{
    start(takes, .name = "a", .limit = -1, .keep = 1);
    start(takes, .name = "b", .limit = -1);
    testing_run();
    testing_assert_log("a=0@0 b=ETIMEDOUT@0");
    assert_free();
}

eddy_frame(cancels_itself_first) {
    eddy_coro co;
};

static void cancels_itself_first(eddy_coro *co)
{
    eddy_begin(cancels_itself_first);
    eddy_cancel(eddy_task_self(co));
    eddy_await(take(co));
    eddy_end;
}

test(a_pending_cancel_comes_first_free_or_taken)
{
    assert_int_equal(run(cancels_itself_first), -ECANCELED);
    assert_free();
    start(takes, .name = "a", .keep = 1);
    assert_int_equal(run(cancels_itself_first), -ECANCELED);
    assert_taken(false);
    testing_run();
    testing_assert_log("a=0@0");
}

/* ---- races in one turn: each has one right outcome */

/* Two turns: a takes it and gives it back, b, which waited for it, has not run yet. */
static eddy_task hand_over_to_b(int64_t limit)
{
    eddy_task b;

    start(takes, .name = "a");
    b = start(takes, .name = "b", .limit = limit);
    start(takes, .name = "c");
    testing_turn();
    testing_turn();
    assert_taken(true); /* c waits */
    return b;
}

test(what_was_handed_over_is_not_lost_to_a_cancel)
{
    eddy_cancel(hand_over_to_b(0));
    testing_turns();
    testing_assert_log("a=0@0 b=0@0 then=ECANCELED@0 c=0@0");
    assert_free();
}

test(a_cancel_just_before_lets_the_next_in_line_have_it)
{
    eddy_task b;

    start(takes, .name = "a");
    b = start(takes, .name = "b");
    start(takes, .name = "c");
    testing_turn();
    eddy_cancel(b);
    testing_turns();
    testing_assert_log("a=0@0 b=ECANCELED@0 c=0@0");
    assert_free();
}

test(what_was_handed_over_is_not_lost_to_a_deadline)
{
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    hand_over_to_b(EDDY_SECOND);
    eddy_clock_advance(&testing.clock, 5 * EDDY_SECOND);
    testing_turns();
    testing_assert_log("a=0@0 b=0@5 c=0@5");
    assert_free();
}

test(what_was_handed_over_is_not_lost_to_both)
{
    eddy_task b;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    b = hand_over_to_b(EDDY_SECOND);
    eddy_clock_advance(&testing.clock, 5 * EDDY_SECOND);
    eddy_cancel(b);
    testing_turns();
    testing_assert_log("a=0@0 b=0@5 then=ECANCELED@5 c=0@5");
    assert_free();
}

test(a_deadline_in_the_turn_of_the_hand_over_is_a_time_out)
{
    start(takes, .name = "a", .keep = 1);
    start(takes, .name = "b", .limit = EDDY_SECOND);
    start(takes, .name = "c");
    testing_run();
    testing_assert_log("a=0@0 b=ETIMEDOUT@1 c=0@1");
    assert_free();
}

test(a_cancel_in_the_turn_of_the_deadline_but_before_it_stays_a_cancel)
{
    eddy_task b;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start(takes, .name = "a", .keep = 9);
    b = start(takes, .name = "b", .limit = EDDY_SECOND);
    testing_turn();
    eddy_clock_advance(&testing.clock, EDDY_SECOND);
    eddy_cancel(b);
    testing_turns();
    testing_assert_log("a=0@0 b=ECANCELED@1");
    eddy_clock_advance(&testing.clock, 9 * EDDY_SECOND);
    testing_turns();
    assert_free();
}

eddy_frame(cancels_b) {
    eddy_coro co;
    const eddy_task *b;
};

static void cancels_b(eddy_coro *co)
{
    eddy_begin(cancels_b);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    eddy_cancel(*self->b);
    eddy_end;
}

test(a_cancel_in_the_turn_of_the_deadline_but_behind_it_is_one_with_it_and_stays_a_cancel)
{
    static eddy_task b;

    start(takes, .name = "a", .keep = 9);
    start(cancels_b, .b = &b);
    b = start(takes, .name = "b", .limit = EDDY_SECOND);
    testing_run();
    testing_assert_log("a=0@0 b=ECANCELED@1");
    assert_free();
}

test(all_who_wait_are_cancelled_when_the_loop_is_freed)
{
    start(takes, .name = "a", .keep = 100);
    start(takes, .name = "b");
    start(takes, .name = "c", .limit = 50 * EDDY_SECOND);
    testing_turn();
    testing_free();
    testing_assert_log("a=0@0 then=ECANCELED@0 b=ECANCELED@0 c=ECANCELED@0");
    assert_free();
}

#define HAND_OVER_CASES(one)                                                                       \
    one(those_who_wait_get_it_in_the_order_in_which_they_came),                                    \
        one(a_waiter_that_is_cancelled_leaves_the_line_at_once),                                   \
        one(a_waiter_that_times_out_leaves_the_line),                                              \
        one(what_is_free_is_taken_at_once_even_without_time),                                      \
        one(a_pending_cancel_comes_first_free_or_taken),                                           \
        one(what_was_handed_over_is_not_lost_to_a_cancel),                                         \
        one(a_cancel_just_before_lets_the_next_in_line_have_it),                                   \
        one(what_was_handed_over_is_not_lost_to_a_deadline),                                       \
        one(what_was_handed_over_is_not_lost_to_both),                                             \
        one(a_deadline_in_the_turn_of_the_hand_over_is_a_time_out),                                \
        one(a_cancel_in_the_turn_of_the_deadline_but_before_it_stays_a_cancel),                    \
        one(a_cancel_in_the_turn_of_the_deadline_but_behind_it_is_one_with_it_and_stays_a_cancel), \
        one(all_who_wait_are_cancelled_when_the_loop_is_freed)

#endif
