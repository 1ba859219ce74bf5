/* lock.h: one task at a time, handed over (rules 4, 5, 6 and 8). */
#include "support/tasks.h"

#include <inttypes.h>

#include "eddy/lock.h"

_Static_assert(sizeof(eddy_lock) <= 32, "a lock is small, in every build type");

static eddy_lock lock;

static void assert_free(void)
{
    assert_false(eddy_lock_locked(&lock));
    assert_null(eddy_lock_holder(&lock).record);
    assert_null(eddy_waiters_first(&lock.waiters));
    assert_int_equal(eddy_lock_fini(&lock), 0);
}

static void assert_taken(bool waited_for)
{
    assert_true(eddy_lock_locked(&lock));
    assert_int_equal(eddy_waiters_first(&lock.waiters) != NULL, waited_for);
    assert_int_equal(eddy_lock_fini(&lock), -EBUSY);
}

static int64_t take(eddy_coro *co)
{
    return eddy_lock_acquire(co, &lock);
}

static void give_back(eddy_coro *co)
{
    assert_int_equal(eddy_lock_release(co, &lock), 0);
}

static void assert_holder(eddy_task task)
{
    assert_true(eddy_lock_locked(&lock));
    assert_ptr_equal(eddy_lock_holder(&lock).record, task.record);
    assert_int_equal(eddy_lock_holder(&lock).generation, task.generation);
}

static int set_up(void **state)
{
    eddy_lock_init(&lock);
    return testing_setup(state);
}

#include "support/hand_over.h"

#define lock_case(name) cmocka_unit_test_setup_teardown(name, set_up, testing_teardown)

/* ---- taking turns */

test(a_free_lock_is_taken_without_suspending)
{
    eddy_task a = start(takes, .name = "a");

    assert_int_equal(testing_turn(), 1);
    testing_assert_log("a=0@0");
    assert_holder(a);
    testing_run();
    assert_free();
}

test(a_zeroed_lock_is_free)
{
    eddy_lock zeroed = {.holder = NULL};

    assert_int_equal(memcmp(&zeroed, &lock, sizeof lock), 0);
    assert_free();
}

test(the_lock_is_handed_over_at_the_release)
{
    eddy_task b;

    start(takes, .name = "a");
    b = start(takes, .name = "b");
    testing_turn();
    testing_assert_log("a=0@0");
    testing_turn(); /* a has released it, b has not run yet */
    testing_assert_log("");
    assert_holder(b);
    testing_turns();
    testing_assert_log("b=0@0");
}

eddy_frame(wants_it_again) {
    eddy_coro co;
};

static void wants_it_again(eddy_coro *co)
{
    eddy_begin(wants_it_again);
    eddy_await(eddy_lock_acquire(co, &lock));
    eddy_await(eddy_pause(co));
    eddy_await(eddy_lock_release(co, &lock));
    log_end("try", eddy_lock_try_acquire(co, &lock));
    eddy_await(eddy_lock_acquire(co, &lock));
    testing_log("again");
    eddy_await(eddy_lock_release(co, &lock));
    log_end("try", eddy_lock_try_acquire(co, &lock));
    log_end("try", eddy_lock_try_acquire(co, &lock));
    eddy_await(eddy_lock_release(co, &lock));
    eddy_end;
}

test(nobody_barges_in_not_even_the_task_that_releases_it)
{
    start(wants_it_again);
    start(takes, .name = "b");
    start(takes, .name = "c");
    testing_turns();
    testing_assert_log("try=EAGAIN@0 b=0@0 c=0@0 again try=0@0 try=EAGAIN@0");
    assert_free();
}

/* ---- misuse */

eddy_frame(releases) {
    eddy_coro co;
    int times;
};

static void releases(eddy_coro *co)
{
    eddy_begin(releases);
    while (self->times-- > 0) {
        log_end("release", eddy_lock_release(co, &lock));
    }
    eddy_end;
}

test(to_release_a_lock_that_is_not_held_is_an_error)
{
    start(releases, .times = 2);
    testing_turns();
    testing_assert_log("release=EPERM@0 release=EPERM@0");
    assert_free();
}

test(to_release_the_lock_of_another_is_an_error_and_changes_nothing)
{
    eddy_task a = start(takes, .name = "a", .keep = 1);

    start(releases, .times = 1);
    testing_turns();
    testing_assert_log("a=0@0 release=EPERM@0");
    assert_holder(a);
    testing_run();
}

eddy_frame(releases_twice) {
    eddy_coro co;
};

static void releases_twice(eddy_coro *co)
{
    eddy_begin(releases_twice);
    eddy_await(eddy_lock_acquire(co, &lock));
    eddy_await(eddy_pause(co));
    log_end("first", eddy_lock_release(co, &lock));
    log_end("second", eddy_lock_release(co, &lock));
    eddy_end;
}

test(to_release_it_twice_is_an_error_also_when_the_first_handed_it_over)
{
    eddy_task b;

    start(releases_twice);
    b = start(takes, .name = "b", .keep = 1);
    testing_turns();
    testing_assert_log("first=0@0 second=EPERM@0 b=0@0");
    assert_holder(b);
    testing_run();
    start(releases_twice);
    testing_turns();
    testing_assert_log("first=0@1 second=EPERM@1");
    assert_free();
}

eddy_frame(acquires_twice) {
    eddy_coro co;
    int64_t rc;
};

static void acquires_twice(eddy_coro *co)
{
    eddy_begin(acquires_twice);
    eddy_await(eddy_lock_acquire(co, &lock));
    eddy_catch(self->rc, eddy_lock_acquire(co, &lock));
    log_end("again", self->rc);
    log_end("try", eddy_lock_try_acquire(co, &lock));
    log_end("release", eddy_lock_release(co, &lock));
    eddy_end;
}

test(to_acquire_a_lock_that_one_holds_is_an_error_and_it_stays_held)
{
    start(acquires_twice);
    testing_turns();
    testing_assert_log("again=EDEADLK@0 try=EAGAIN@0 release=0@0");
    assert_free();
}

test(a_lock_that_is_held_or_waited_for_is_not_to_be_freed)
{
    start(takes, .name = "a");
    testing_turn();
    assert_int_equal(eddy_lock_fini(&lock), -EBUSY);
    start(takes, .name = "b");
    testing_turn();
    assert_int_equal(eddy_lock_fini(&lock), -EBUSY);
    testing_turns();
    assert_int_equal(eddy_lock_fini(&lock), 0);
    testing_assert_log("a=0@0 b=0@0");
}

/* ---- who has it */

/* What the wait of a task tells of itself. */
static const char *told_by(eddy_task task)
{
    static char text[200];

    task.record->wait->describe(task.record, text, sizeof text);
    return text;
}

test(one_who_waits_tells_who_holds_the_lock)
{
    eddy_task a = start(takes, .name = "a", .keep = 1);
    eddy_task b = start(takes, .name = "b");
    char expected[200];

    testing_turn();
    assert_string_equal(b.record->wait->name, "lock");
    assert_ptr_equal(b.record->wait->blocker(b.record), a.record);
    snprintf(expected, sizeof expected, "0x%" PRIxPTR ", held by task %u, takes", (uintptr_t)&lock,
             a.generation);
    assert_string_equal(told_by(b), expected);
    testing_run();
    testing_assert_log("a=0@0 b=0@1");
}

eddy_frame(keeps) {
    eddy_coro co;
};

static void keeps(eddy_coro *co)
{
    eddy_begin(keeps);
    eddy_await(eddy_lock_acquire(co, &lock));
    eddy_end;
}

test(a_task_in_the_record_of_a_holder_that_has_ended_is_not_taken_for_it)
{
    eddy_task keeper = start(keeps);
    eddy_task b, c;
    char expected[200];

    assert_int_equal(finish(keeper), 0);
    b = start(takes, .name = "b");
    assert_ptr_equal(b.record, keeper.record);
    testing_turns();
    testing_assert_log(""); /* waits: neither EDEADLK nor free */
    assert_null(b.record->wait->blocker(b.record));
    snprintf(expected, sizeof expected, "0x%" PRIxPTR ", held by task %u, which has ended",
             (uintptr_t)&lock, keeper.generation);
    assert_string_equal(told_by(b), expected);
    c = start(releases, .times = 1);
    testing_turns();
    testing_assert_log("release=EPERM@0");
    (void)c;
    assert_int_equal(eddy_loop_run(testing.loop), -EDEADLK);
    assert_told(-EDEADLK, "1 task waits");
    eddy_cancel(b);
    testing_turns();
    testing_assert_log("b=ECANCELED@0");
}

/* ---- many */

enum { MANY = 10000 };

static int inside, passed;

eddy_frame(passes_it_on) {
    eddy_coro co;
    int number;
};

static void passes_it_on(eddy_coro *co)
{
    eddy_begin(passes_it_on);
    eddy_await(eddy_lock_acquire(co, &lock));
    assert_int_equal(inside++, 0);
    assert_int_equal(passed++, self->number);
    eddy_await(eddy_pause(co));
    inside--;
    eddy_await(eddy_lock_release(co, &lock));
    eddy_end;
}

test(ten_thousand_tasks_hand_it_round_in_order_one_at_a_time)
{
    testing.options.flags = 0;
    testing_reopen();
    inside = passed = 0;
    for (int i = 0; i < MANY; i++) {
        start(passes_it_on, .number = i);
    }
    testing_run();
    assert_int_equal(passed, MANY);
    assert_int_equal(inside, 0);
    assert_free();
}

eddy_frame(takes_often) {
    eddy_coro co;
    int *count;
    int i;
};

static void takes_often(eddy_coro *co)
{
    eddy_begin(takes_often);
    for (self->i = 0; self->i < 1000; self->i++) {
        eddy_await(eddy_lock_acquire(co, &lock));
        eddy_await(eddy_lock_release(co, &lock));
        ++*self->count;
    }
    eddy_end;
}

test(a_task_that_always_gets_it_at_once_starves_nobody)
{
    static int count;

    count = 0;
    start(takes_often, .count = &count);
    assert_int_equal(testing_turn(), 1);
    assert_in_range(count, 1, 999);
    testing_run();
    assert_int_equal(count, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HAND_OVER_CASES(lock_case),
        lock_case(a_free_lock_is_taken_without_suspending),
        lock_case(a_zeroed_lock_is_free),
        lock_case(the_lock_is_handed_over_at_the_release),
        lock_case(nobody_barges_in_not_even_the_task_that_releases_it),
        lock_case(to_release_a_lock_that_is_not_held_is_an_error),
        lock_case(to_release_the_lock_of_another_is_an_error_and_changes_nothing),
        lock_case(to_release_it_twice_is_an_error_also_when_the_first_handed_it_over),
        lock_case(to_acquire_a_lock_that_one_holds_is_an_error_and_it_stays_held),
        lock_case(a_lock_that_is_held_or_waited_for_is_not_to_be_freed),
        lock_case(one_who_waits_tells_who_holds_the_lock),
        lock_case(a_task_in_the_record_of_a_holder_that_has_ended_is_not_taken_for_it),
        lock_case(ten_thousand_tasks_hand_it_round_in_order_one_at_a_time),
        lock_case(a_task_that_always_gets_it_at_once_starves_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
