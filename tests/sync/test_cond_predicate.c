/* lock.h: waits for predicates, and two conditions of one lock. */
#include "support/tasks.h"

#include <stdlib.h>

#include "eddy/lock.h"

static eddy_lock lock;
static eddy_cond cond;

static void release(eddy_coro *co)
{
    assert_int_equal(eddy_lock_release(co, &lock), 0); /* held on every return of a wait */
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

/* ---- predicates */

static int items, looks;

static bool has_items(void *argument)
{
    looks++;
    assert_ptr_equal(argument, &items);
    assert_true(eddy_lock_locked(&lock));
    return items > 0;
}

eddy_frame(waits_for_items) {
    eddy_coro co;
    const char *name;
    int64_t limit;
    int64_t rc;
};

static void waits_for_items(eddy_coro *co)
{
    eddy_begin(waits_for_items);
    eddy_await(eddy_lock_acquire(co, &lock));
    eddy_catch(self->rc, eddy_wait_for(co, self->limit == 0 ? EDDY_FOREVER : self->limit,
                                       eddy_cond_wait_for(co, &cond, has_items, &items)));
    if (self->rc == 0) {
        items--;
    }
    log_end(self->name, self->rc);
    release(co);
    eddy_end;
}

eddy_frame(adds_items) {
    eddy_coro co;
    int at, count;
};

static void adds_items(eddy_coro *co)
{
    eddy_begin(adds_items);
    eddy_await(eddy_sleep(co, self->at * EDDY_SECOND));
    eddy_await(eddy_lock_acquire(co, &lock));
    items += self->count;
    (void)eddy_cond_notify_all(co, &cond);
    release(co);
    eddy_end;
}

static void set_items(int count)
{
    items = count;
    looks = 0;
}

test(a_predicate_that_holds_does_not_suspend_even_without_time)
{
    set_items(2);
    start(waits_for_items, .name = "a");
    start(waits_for_items, .name = "b", .limit = -1);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("a=0@0 b=0@0");
    assert_int_equal(looks, 2);
}

test(a_predicate_is_looked_at_at_every_notification_until_it_holds)
{
    set_items(0);
    start(waits_for_items, .name = "a");
    start(waits_for_items, .name = "b");
    start(waits_for_items, .name = "c");
    start(adds_items, .at = 1, .count = 0);
    start(adds_items, .at = 2, .count = 1);
    start(adds_items, .at = 3, .count = 2);
    testing_run();
    testing_assert_log("a=0@2 b=0@3 c=0@3");
    assert_int_equal(looks, 3 + 3 + 3 + 2);
    assert_int_equal(items, 0);
}

test(a_predicate_that_does_not_hold_in_time_is_a_time_out)
{
    set_items(0);
    start(waits_for_items, .name = "a", .limit = 2 * EDDY_SECOND);
    start(waits_for_items, .name = "b", .limit = -1);
    start(adds_items, .at = 1, .count = 0);
    start(adds_items, .at = 3, .count = 1);
    testing_run();
    testing_assert_log("b=ETIMEDOUT@0 a=ETIMEDOUT@2");
    assert_int_equal(items, 1);
}

test(a_cancel_while_a_predicate_does_not_hold_returns_with_the_lock)
{
    eddy_task a;

    set_items(0);
    a = start(waits_for_items, .name = "a");
    start(cancels, .task = a, .at = 1);
    testing_run();
    testing_assert_log("a=ECANCELED@1");
}

eddy_frame(waits_without_memory) {
    eddy_coro co;
    int64_t rc;
};

static void waits_without_memory(eddy_coro *co)
{
    eddy_begin(waits_without_memory);
    eddy_await(eddy_lock_acquire(co, &lock));
    use_up_memory();
    eddy_catch(self->rc, eddy_cond_wait_for(co, &cond, has_items, &items));
    log_end("for", self->rc);
    eddy_catch(self->rc, eddy_cond_wait(co, &cond)); /* needs none */
    log_end("wait", self->rc);
    testing_fail_allocation(0);
    release(co);
    eddy_end;
}

test(without_memory_the_wait_for_a_predicate_fails_and_the_lock_is_still_held)
{
    set_items(0);
    start(waits_without_memory);
    start(adds_items);
    testing_turns();
    testing_assert_log("for=ENOMEM@0 wait=0@0");
}

/* ---- two conditions of one lock, and chance */

enum { ROOM = 3, ITEMS = 400, PRODUCERS = 4, CONSUMERS = 5 };

static struct {
    eddy_cond full, empty;
    int count, made, used, interrupted;
    uint64_t random;
} box;

/* Pauses now and then, so that chance decides who meets whom. */
static int64_t stumble(eddy_coro *co)
{
    return testing_random(&box.random) % 2 != 0 ? eddy_pause(co) : give(co, 0);
}

eddy_frame(makes) {
    eddy_coro co;
};

static void makes(eddy_coro *co)
{
    eddy_begin(makes);
    while (box.made < ITEMS) {
        eddy_with_cond(&box.empty) {
            while (box.count == ROOM) {
                eddy_await(eddy_cond_wait(co, &box.empty));
            }
            if (box.made < ITEMS) {
                box.count++;
                box.made++;
                eddy_await(stumble(co));
            }
            eddy_await(eddy_cond_notify(co, &box.full, 1));
        }
        eddy_await(stumble(co));
    }
    eddy_end;
}

eddy_frame(uses_once) {
    eddy_coro co;
    int64_t rc;
};

/* Is cancelled, or times out: what it was notified of must not be lost. */
static void uses_once(eddy_coro *co)
{
    static const int64_t limits[] = {-1, 1, EDDY_FOREVER};

    eddy_begin(uses_once);
    eddy_with_cond(&box.full) {
        while (box.count == 0 && box.used < ITEMS && self->rc == 0) {
            eddy_catch(self->rc, eddy_wait_for(co, limits[testing_random(&box.random) % 3],
                                               eddy_cond_wait(co, &box.full)));
            box.interrupted += self->rc < 0;
        }
        assert_ptr_equal(eddy_lock_holder(&lock).record, co->task);
        if (box.count > 0) {
            box.count--;
            box.used++;
            (void)eddy_cond_notify(co, &box.empty, 1);
        }
        if (box.used == ITEMS) {
            (void)eddy_cond_notify_all(co, &box.full);
            (void)eddy_cond_notify_all(co, &box.empty);
        }
    }
    eddy_end;
}

eddy_frame(uses) {
    eddy_coro co;
    int64_t rc;
};

static void uses(eddy_coro *co)
{
    eddy_begin(uses);
    while (box.used < ITEMS) {
        eddy_catch(self->rc, eddy_call(co, uses_once));
        eddy_catch(self->rc, stumble(co));
    }
    eddy_end;
}

static eddy_task users[CONSUMERS];

eddy_frame(disturbs) {
    eddy_coro co;
};

static void disturbs(eddy_coro *co)
{
    eddy_begin(disturbs);
    while (box.used < ITEMS) {
        if (testing_random(&box.random) % 8 == 0) {
            (void)eddy_cancel(users[testing_random(&box.random) % CONSUMERS]);
        }
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

/* EDDY_TEST_SEED repeats a failure, or tries what nobody has tried. */
static uint64_t first_seed(void)
{
    const char *seed = getenv("EDDY_TEST_SEED");

    return seed != NULL ? strtoull(seed, NULL, 10) : 1;
}

static void use_box(uint64_t seed)
{
    printf("EDDY_TEST_SEED=%llu\n", (unsigned long long)seed);
    memset(&box, 0, sizeof box);
    box.random = seed;
    eddy_cond_init(&box.full, &lock);
    eddy_cond_init(&box.empty, &lock);
    for (int i = 0; i < CONSUMERS; i++) {
        users[i] = start(uses);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        start(makes);
    }
    start(disturbs);
    testing_run();
    assert_int_equal(box.made, ITEMS);
    assert_int_equal(box.used, ITEMS);
    assert_int_equal(box.count, 0);
    assert_true(box.interrupted > 0);
    assert_int_equal(eddy_cond_fini(&box.full), 0);
    assert_int_equal(eddy_cond_fini(&box.empty), 0);
    assert_int_equal(eddy_lock_fini(&lock), 0);
}

test(a_box_with_two_conditions_loses_nothing_whatever_chance_does)
{
    for (uint64_t seed = first_seed(); seed < first_seed() + 10; seed++) {
        use_box(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cond_case(a_predicate_that_holds_does_not_suspend_even_without_time),
        cond_case(a_predicate_is_looked_at_at_every_notification_until_it_holds),
        cond_case(a_predicate_that_does_not_hold_in_time_is_a_time_out),
        cond_case(a_cancel_while_a_predicate_does_not_hold_returns_with_the_lock),
        cond_case(without_memory_the_wait_for_a_predicate_fails_and_the_lock_is_still_held),
        cond_case(a_box_with_two_conditions_loses_nothing_whatever_chance_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
