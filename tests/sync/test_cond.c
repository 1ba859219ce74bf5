/* lock.h: waiting until what a lock protects has changed (rule 8). */
#include "support/tasks.h"

#include "eddy/lock.h"

_Static_assert(sizeof(eddy_cond) <= 32, "a condition is small, in every build type");

static eddy_lock lock;
static eddy_cond cond;

static void release(eddy_coro *co)
{
    assert_int_equal(eddy_lock_release(co, &lock), 0); /* held on every return of a wait */
}

/* Waits to be notified, then keeps the lock for some seconds. */
eddy_frame(waits) {
    eddy_coro co;
    const char *name;
    int64_t limit; /* 0: none; < 0: no time */
    int hold;
    int64_t rc, then;
};

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    eddy_await(eddy_lock_acquire(co, &lock));
    eddy_catch(self->rc, eddy_wait_for(co, self->limit == 0 ? EDDY_FOREVER : self->limit,
                                       eddy_cond_wait(co, &cond)));
    log_end(self->name, self->rc);
    eddy_catch(self->then, eddy_sleep(co, self->hold * EDDY_SECOND));
    if (self->then < 0) {
        log_end("then", self->then);
    }
    release(co);
    eddy_end;
}

/* Takes the lock, notifies after `before` seconds, and keeps the lock for `after` more. */
eddy_frame(notifies) {
    eddy_coro co;
    int before, most, after;
};

static void notifies(eddy_coro *co)
{
    eddy_begin(notifies);
    eddy_await(eddy_lock_acquire(co, &lock));
    eddy_await(eddy_sleep(co, self->before * EDDY_SECOND));
    testing_log("notified=%d@%d", eddy_cond_notify(co, &cond, self->most), seconds());
    if (self->after > 0) {
        eddy_await(eddy_sleep(co, self->after * EDDY_SECOND));
    }
    release(co);
    eddy_end;
}

/* Holds the lock from now on, for some seconds. */
eddy_frame(holds) {
    eddy_coro co;
    const char *name;
    int hold;
};

static void holds(eddy_coro *co)
{
    eddy_begin(holds);
    eddy_await(eddy_lock_acquire(co, &lock));
    if (self->name != NULL) {
        log_end(self->name, 0);
    }
    eddy_await(eddy_sleep(co, self->hold * EDDY_SECOND));
    release(co);
    eddy_end;
}

static void assert_idle(void)
{
    assert_int_equal(eddy_cond_fini(&cond), 0);
    assert_int_equal(eddy_lock_fini(&lock), 0);
}

static int set_up(void **state)
{
    eddy_lock_init(&lock);
    eddy_cond_init(&cond, &lock);
    return testing_setup(state);
}

static int tear_down(void **state)
{
    if (!testing.failed) {
        assert_idle();
    }
    return testing_teardown(state);
}

#define cond_case(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* ---- notifying */

test(a_wait_gives_the_lock_up_and_has_it_again_afterwards)
{
    eddy_task a = start(waits, .name = "a", .hold = 1);

    testing_turns();
    assert_false(eddy_lock_locked(&lock));
    assert_int_equal(eddy_cond_fini(&cond), -EBUSY);
    start(notifies, .most = 1);
    testing_turns();
    testing_assert_log("notified=1@0 a=0@0");
    assert_ptr_equal(eddy_lock_holder(&lock).record, a.record);
    testing_run();
}

test(notify_wakes_that_many_of_those_who_have_waited_longest)
{
    start(waits, .name = "a");
    start(waits, .name = "b");
    start(waits, .name = "c");
    start(waits, .name = "d");
    start(notifies, .most = 0);
    start(notifies, .before = 1, .most = 2);
    start(notifies, .before = 1, .most = 1);
    start(notifies, .before = 1, .most = 9);
    start(notifies, .most = 9);
    testing_run();
    testing_assert_log("notified=0@0 notified=2@1 notified=1@2 notified=1@3 notified=0@3 "
                       "a=0@3 b=0@3 c=0@3 d=0@3");
}

test(those_notified_get_the_lock_one_after_the_other_in_order)
{
    start(waits, .name = "a", .hold = 1);
    start(waits, .name = "b", .hold = 1);
    start(waits, .name = "c", .hold = 1);
    start(notifies, .before = 1, .most = INT_MAX, .after = 1);
    testing_run();
    testing_assert_log("notified=3@1 a=0@2 b=0@3 c=0@4");
}

test(who_is_notified_stands_in_the_locks_line_from_then_on)
{
    start(waits, .name = "a");
    start(notifies, .before = 1, .most = 1, .after = 2);
    start(holds, .name = "before", .hold = 1); /* in line when a is notified at 1 */
    start(sleeps, .seconds = 2);
    while (seconds() < 2) {
        eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0);
    }
    start(holds, .name = "later");
    testing_run();
    testing_assert_log("notified=1@1 before=0@3 a=0@4 later=0@4");
}

eddy_frame(notifies_all) {
    eddy_coro co;
};

static void notifies_all(eddy_coro *co)
{
    eddy_begin(notifies_all);
    eddy_await(eddy_lock_acquire(co, &lock));
    testing_log("%d", eddy_cond_notify_all(co, &cond));
    testing_log("%d", eddy_cond_notify_all(co, &cond));
    release(co);
    eddy_end;
}

test(notify_all_notifies_all_once)
{
    start(waits, .name = "a");
    start(waits, .name = "b");
    start(notifies_all);
    testing_run();
    testing_assert_log("2 0 a=0@0 b=0@0");
}

test(a_notification_that_nobody_waits_for_is_not_kept)
{
    start(notifies_all);
    start(waits, .name = "a", .limit = EDDY_SECOND);
    testing_run();
    testing_assert_log("0 0 a=ETIMEDOUT@1");
}

/* ---- cancels and time-outs */

test(a_waiter_that_is_cancelled_leaves_the_line_at_once_and_has_the_lock)
{
    eddy_task a = start(waits, .name = "a", .hold = 1);

    testing_turns();
    eddy_cancel(a);
    assert_int_equal(eddy_cond_fini(&cond), 0);
    assert_ptr_equal(eddy_lock_holder(&lock).record, a.record);
    testing_run();
    testing_assert_log("a=ECANCELED@0");
}

test(a_waiter_that_is_cancelled_waits_for_the_lock_and_then_returns_the_cancel_once)
{
    eddy_task a = start(waits, .name = "a", .hold = 1);

    start(holds, .hold = 2);
    start(holds, .name = "h", .hold = 1);
    testing_turns();
    eddy_cancel(a);
    assert_int_equal(eddy_cond_fini(&cond), 0);
    testing_run();
    testing_assert_log("h=0@2 a=ECANCELED@3");
}

test(a_waiter_that_times_out_waits_for_the_lock_and_then_returns_the_time_out)
{
    start(waits, .name = "a", .limit = EDDY_SECOND, .hold = 1);
    start(waits, .name = "b", .limit = EDDY_SECOND);
    start(holds, .hold = 3);
    testing_run();
    testing_assert_log("a=ETIMEDOUT@3 b=ETIMEDOUT@4");
}

test(a_wait_without_time_gives_the_lock_up_once)
{
    start(waits, .name = "a", .limit = -1);
    start(holds, .name = "h", .hold = 1);
    testing_run();
    testing_assert_log("h=0@0 a=ETIMEDOUT@1");
}

test(further_cancels_while_the_lock_is_awaited_are_one)
{
    eddy_task a = start(waits, .name = "a", .hold = 1);

    start(holds, .hold = 2);
    testing_turns();
    eddy_cancel(a);
    eddy_cancel(a);
    start(cancels, .task = a, .at = 1);
    testing_run();
    testing_assert_log("a=ECANCELED@2");
}

test(a_cancel_after_the_time_out_but_before_the_lock_makes_it_a_cancel)
{
    eddy_task a = start(waits, .name = "a", .limit = EDDY_SECOND, .hold = 1);

    start(holds, .hold = 3);
    start(cancels, .task = a, .at = 2);
    testing_run();
    testing_assert_log("a=ECANCELED@3");
}

test(a_time_out_after_the_cancel_but_before_the_lock_leaves_it_a_cancel)
{
    eddy_task a = start(waits, .name = "a", .limit = 2 * EDDY_SECOND, .hold = 1);

    start(holds, .hold = 3);
    start(cancels, .task = a, .at = 1);
    testing_run();
    testing_assert_log("a=ECANCELED@3");
}

/* ---- races: a notification is never lost, and has one outcome */

test(a_cancel_behind_the_notification_takes_nothing_away_and_comes_next)
{
    eddy_task a = start(waits, .name = "a", .hold = 1);

    start(waits, .name = "b");
    start(notifies, .before = 1, .most = 1, .after = 2);
    start(cancels, .task = a, .at = 2);
    assert_int_equal(finish(a), 0);
    testing_assert_log("notified=1@1 a=0@3 then=ECANCELED@3");
    start(notifies, .before = 5, .most = 1);
    testing_run();
    testing_assert_log("notified=1@8 b=0@8");
}

test(a_deadline_behind_the_notification_takes_nothing_away)
{
    start(waits, .name = "a", .limit = 2 * EDDY_SECOND, .hold = 1);
    start(notifies, .before = 1, .most = 1, .after = 2);
    testing_run();
    testing_assert_log("notified=1@1 a=0@3");
}

eddy_frame(waits_within) {
    eddy_coro co;
    int limit;
    int64_t rc;
};

static void waits_within(eddy_coro *co)
{
    eddy_begin(waits_within);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit * EDDY_SECOND,
                                       eddy_call(co, waits, .name = "a", .hold = 1)));
    log_end("outer", self->rc);
    eddy_end;
}

test(an_outer_deadline_behind_the_notification_strikes_at_the_next_await)
{
    start(waits_within, .limit = 2);
    start(notifies, .before = 1, .most = 1, .after = 2);
    testing_run();
    testing_assert_log("notified=1@1 a=0@3 then=ECANCELED@3 outer=0@3");
}

test(a_cancel_in_front_of_the_notification_leaves_it_to_the_next_in_line)
{
    eddy_task a = start(waits, .name = "a");

    start(waits, .name = "b");
    start(cancels, .task = a, .at = 1);
    start(notifies, .before = 1, .most = 1);
    testing_run();
    testing_assert_log("notified=1@1 a=ECANCELED@1 b=0@1");
}

test(a_deadline_in_the_turn_of_the_notification_leaves_it_to_the_next_in_line)
{
    start(waits, .name = "a", .limit = EDDY_SECOND);
    start(waits, .name = "b");
    start(notifies, .before = 1, .most = 1);
    testing_run();
    testing_assert_log("notified=1@1 a=ETIMEDOUT@1 b=0@1");
}

test(notified_cancelled_and_past_the_deadline_is_notified_and_the_cancel_comes_next)
{
    eddy_task a;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    a = start(waits, .name = "a", .limit = EDDY_SECOND);
    testing_turn();
    start(notifies, .most = 1);
    testing_turn(); /* it has the lock */
    testing_turn(); /* it has notified and released: a has the lock and has not run yet */
    assert_ptr_equal(eddy_lock_holder(&lock).record, a.record);
    eddy_clock_advance(&testing.clock, 5 * EDDY_SECOND);
    eddy_cancel(a);
    testing_turns();
    testing_assert_log("notified=1@0 a=0@5 then=ECANCELED@5");
}

test(all_who_wait_are_cancelled_when_the_loop_is_freed_each_with_the_lock)
{
    start(waits, .name = "a");
    start(waits, .name = "b", .limit = 50 * EDDY_SECOND);
    start(waits, .name = "c");
    testing_turns();
    testing_free();
    testing_assert_log("a=ECANCELED@0 b=ECANCELED@0 c=ECANCELED@0");
}

eddy_frame(waits_in_finally) {
    eddy_coro co;
};

static void waits_in_finally(eddy_coro *co)
{
    eddy_begin(waits_in_finally);
    eddy_await(eddy_lock_acquire(co, &lock));
eddy_finally:
    eddy_await(eddy_cond_wait(co, &cond));
    log_end("cleaned", 0);
    release(co);
    eddy_end;
}

test(a_cancel_during_a_wait_in_a_cleanup_is_held_back)
{
    eddy_task a = start(waits_in_finally);

    testing_turns();
    eddy_cancel(a);
    assert_int_equal(eddy_cond_fini(&cond), -EBUSY);
    start(notifies, .before = 1, .most = 1);
    testing_run();
    testing_assert_log("notified=1@1 cleaned=0@1");
}

/* ---- misuse */

static bool never_asked(void *argument)
{
    (void)argument;
    fail_msg("the predicate was asked");
    return true;
}

eddy_frame(misuses) {
    eddy_coro co;
    eddy_cond *cond;
    bool locked;
    int64_t rc;
};

static void misuses(eddy_coro *co)
{
    eddy_begin(misuses);
    if (self->locked) {
        eddy_await(eddy_lock_acquire(co, &lock));
    }
    eddy_catch(self->rc, eddy_cond_wait(co, self->cond));
    log_end("wait", self->rc);
    eddy_catch(self->rc, eddy_cond_wait_for(co, self->cond, never_asked, NULL));
    log_end("for", self->rc);
    log_end("notify", eddy_cond_notify(co, self->cond, 1));
    log_end("all", eddy_cond_notify_all(co, self->cond));
    if (self->locked) {
        release(co);
    }
    eddy_end;
}

test(to_wait_or_notify_without_the_lock_is_an_error)
{
    start(misuses, .cond = &cond);
    testing_turns();
    testing_assert_log("wait=EPERM@0 for=EPERM@0 notify=EPERM@0 all=EPERM@0");
    start(holds, .hold = 1);
    start(misuses, .cond = &cond);
    testing_run();
    testing_assert_log("wait=EPERM@0 for=EPERM@0 notify=EPERM@0 all=EPERM@0");
}

test(a_condition_without_a_lock_is_an_error)
{
    static eddy_cond without;

    start(misuses, .cond = &without, .locked = true);
    testing_turns();
    testing_assert_log("wait=EINVAL@0 for=EINVAL@0 notify=EINVAL@0 all=EINVAL@0");
}

test(to_notify_a_negative_number_is_an_error)
{
    start(notifies, .most = -1);
    testing_turns();
    testing_assert_log("notified=-22@0");
}

eddy_frame(cancels_itself_first) {
    eddy_coro co;
    int64_t rc;
};

static void cancels_itself_first(eddy_coro *co)
{
    eddy_begin(cancels_itself_first);
    eddy_await(eddy_lock_acquire(co, &lock));
    eddy_cancel(eddy_task_self(co));
    eddy_catch(self->rc, eddy_cond_wait(co, &cond));
    log_end("wait", self->rc);
    eddy_cancel(eddy_task_self(co));
    eddy_catch(self->rc, eddy_cond_wait_for(co, &cond, never_asked, NULL));
    log_end("for", self->rc);
    release(co);
    eddy_end;
}

test(a_pending_cancel_comes_first_and_the_lock_is_not_given_up)
{
    start(cancels_itself_first);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("wait=ECANCELED@0 for=ECANCELED@0");
}

/* ---- what a wait tells of itself */

test(a_wait_tells_of_the_line_and_then_of_the_lock)
{
    char text[100];
    char expected[100];
    eddy_task a = start(waits, .name = "a");
    eddy_task b = start(waits, .name = "b");
    eddy_task n;

    testing_turns();
    assert_string_equal(b.record->wait->name, "condition");
    assert_null(b.record->wait->blocker);
    b.record->wait->describe(b.record, text, sizeof text);
    assert_string_equal(text, "1 in line before it");
    n = start(notifies, .most = INT_MAX, .after = 1);
    testing_turns();
    assert_string_equal(a.record->wait->name, "lock of a condition");
    assert_ptr_equal(a.record->wait->blocker(a.record), n.record);
    a.record->wait->describe(a.record, text, sizeof text);
    snprintf(expected, sizeof expected, ", held by task %u,", n.generation);
    assert_non_null(strstr(text, expected));
    testing_run();
    testing_assert_log("notified=2@0 a=0@1 b=0@1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cond_case(a_wait_gives_the_lock_up_and_has_it_again_afterwards),
        cond_case(notify_wakes_that_many_of_those_who_have_waited_longest),
        cond_case(those_notified_get_the_lock_one_after_the_other_in_order),
        cond_case(who_is_notified_stands_in_the_locks_line_from_then_on),
        cond_case(notify_all_notifies_all_once),
        cond_case(a_notification_that_nobody_waits_for_is_not_kept),
        cond_case(a_waiter_that_is_cancelled_leaves_the_line_at_once_and_has_the_lock),
        cond_case(a_waiter_that_is_cancelled_waits_for_the_lock_and_then_returns_the_cancel_once),
        cond_case(a_waiter_that_times_out_waits_for_the_lock_and_then_returns_the_time_out),
        cond_case(a_wait_without_time_gives_the_lock_up_once),
        cond_case(further_cancels_while_the_lock_is_awaited_are_one),
        cond_case(a_cancel_after_the_time_out_but_before_the_lock_makes_it_a_cancel),
        cond_case(a_time_out_after_the_cancel_but_before_the_lock_leaves_it_a_cancel),
        cond_case(a_cancel_behind_the_notification_takes_nothing_away_and_comes_next),
        cond_case(a_deadline_behind_the_notification_takes_nothing_away),
        cond_case(an_outer_deadline_behind_the_notification_strikes_at_the_next_await),
        cond_case(a_cancel_in_front_of_the_notification_leaves_it_to_the_next_in_line),
        cond_case(a_deadline_in_the_turn_of_the_notification_leaves_it_to_the_next_in_line),
        cond_case(notified_cancelled_and_past_the_deadline_is_notified_and_the_cancel_comes_next),
        cond_case(all_who_wait_are_cancelled_when_the_loop_is_freed_each_with_the_lock),
        cond_case(a_cancel_during_a_wait_in_a_cleanup_is_held_back),
        cond_case(to_wait_or_notify_without_the_lock_is_an_error),
        cond_case(a_condition_without_a_lock_is_an_error),
        cond_case(to_notify_a_negative_number_is_an_error),
        cond_case(a_pending_cancel_comes_first_and_the_lock_is_not_given_up),
        cond_case(a_wait_tells_of_the_line_and_then_of_the_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
