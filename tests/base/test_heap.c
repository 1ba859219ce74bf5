/* src/base/heap.h: the timer heap, against a model that looks at every alarm. */
#include "support/testing.h"

#include <stdlib.h>
#include <string.h>

#include "base/heap.h"

enum { ALARMS = 300 };

/* An owner of an alarm, as a timer is; the model is its two last members. */
struct owner {
    struct eddy_alarm alarm; /* first: an alarm is its owner */
    int64_t deadline;
    uint64_t start; /* the number of its last start: the lower came first; 0: stopped */
};

static struct {
    struct eddy_pool pool;
    struct eddy_heap heap;
    struct owner owners[ALARMS];
    uint64_t starts;
} it;

static int setup(void **state)
{
    int result = testing_setup(state);

    memset(&it, 0, sizeof it);
    eddy_pool_init(&it.pool, testing_allocate, &testing.memory);
    eddy_heap_init(&it.heap, &it.pool);
    return result;
}

static int teardown(void **state)
{
    eddy_heap_fini(&it.heap);
    return testing_teardown(state);
}

#define heap_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- an owner does what a timer does */

static void start(struct owner *owner, int64_t deadline)
{
    assert_int_equal(eddy_heap_start(&it.heap, &owner->alarm, deadline), 0);
    owner->deadline = deadline;
    owner->start = ++it.starts;
}

static void stop(struct owner *owner)
{
    eddy_heap_remove(&it.heap, &owner->alarm);
    owner->start = 0;
}

/* The owner that is really the earliest: puts stale entries right on the way. */
static struct owner *earliest(void)
{
    while (it.heap.count > 0) {
        struct eddy_heap_entry *top = eddy_heap_top(&it.heap);
        struct owner *owner = (struct owner *)(void *)top->alarm;
        if (top->deadline == owner->deadline) {
            return owner;
        }
        eddy_heap_set(&it.heap, &owner->alarm, owner->deadline);
    }
    return NULL;
}

/* Logs the owners' numbers in the order in which they come up, and empties the heap. */
static void log_all(void)
{
    struct owner *owner;

    while ((owner = earliest()) != NULL) {
        testing_log("%d", (int)(owner - it.owners));
        stop(owner);
    }
}

/* ---- single promises */

test(an_empty_heap_is_sound)
{
    assert_int_equal(it.heap.count, 0);
    assert_int_equal(eddy_heap_check(&it.heap), 0);
}

test(an_alarm_knows_whether_it_is_in)
{
    struct owner *owner = &it.owners[0];

    assert_false(eddy_heap_has(&owner->alarm));
    start(owner, 5);
    assert_true(eddy_heap_has(&owner->alarm));
    assert_ptr_equal(eddy_heap_entry_of(&it.heap, &owner->alarm)->alarm, &owner->alarm);
    assert_int_equal(eddy_heap_entry_of(&it.heap, &owner->alarm)->deadline, 5);
    stop(owner);
    assert_false(eddy_heap_has(&owner->alarm));
    assert_int_equal(it.heap.count, 0);
}

test(the_earliest_deadline_comes_first)
{
    start(&it.owners[0], 30);
    start(&it.owners[1], 10);
    start(&it.owners[2], 20);
    log_all();
    testing_assert_log("1 2 0");
}

test(equal_deadlines_come_in_the_order_of_their_starts)
{
    for (int i = 0; i < 12; i++) {
        start(&it.owners[i], 7);
    }
    log_all();
    testing_assert_log("0 1 2 3 4 5 6 7 8 9 10 11");
}

test(a_restart_at_the_same_deadline_goes_to_the_end)
{
    for (int i = 0; i < 8; i++) {
        start(&it.owners[i], 7);
    }
    start(&it.owners[3], 7);
    start(&it.owners[0], 7);
    log_all();
    testing_assert_log("1 2 4 5 6 7 3 0");
}

test(an_earlier_restart_moves_the_entry_at_once)
{
    start(&it.owners[0], 10);
    start(&it.owners[1], 20);
    start(&it.owners[1], 5);
    assert_ptr_equal(eddy_heap_top(&it.heap)->alarm, &it.owners[1].alarm);
    log_all();
    testing_assert_log("1 0");
}

test(a_later_restart_leaves_the_entry_where_it_is)
{
    start(&it.owners[0], 10);
    start(&it.owners[1], 20);
    start(&it.owners[0], 30);
    assert_int_equal(eddy_heap_entry_of(&it.heap, &it.owners[0].alarm)->deadline, 10);
    assert_int_equal(it.heap.count, 2);
    log_all();
    testing_assert_log("1 0");
}

test(one_that_was_put_off_comes_behind_those_started_before_it)
{
    start(&it.owners[0], 10);
    start(&it.owners[1], 20);
    start(&it.owners[0], 20);
    start(&it.owners[2], 20);
    log_all();
    testing_assert_log("1 0 2");
}

/* R is the root; its children P and Q and P's child C have one deadline; C was started before Q. */
test(one_that_was_put_off_does_not_hold_up_those_below_it)
{
    enum { R, P, F1, F2, Q, C, LAST };

    start(&it.owners[R], 5);
    start(&it.owners[P], 10);
    start(&it.owners[F1], 11);
    start(&it.owners[F2], 12);
    start(&it.owners[Q], 13);
    start(&it.owners[C], 10);
    start(&it.owners[LAST], 50);
    start(&it.owners[Q], 10); /* after C */
    start(&it.owners[P], 20); /* stale now, and newer than all */
    log_all();
    testing_assert_log("0 5 4 2 3 1 6");
}

test(removing_any_entry_leaves_the_others_in_order)
{
    for (int gone = 0; gone < 9; gone++) {
        for (int i = 0; i < 9; i++) {
            start(&it.owners[i], (i * 5) % 9);
        }
        stop(&it.owners[gone]);
        assert_int_equal(eddy_heap_check(&it.heap), 0);
        for (int64_t deadline = 0; deadline < 9; deadline++) {
            struct owner *owner = &it.owners[deadline * 2 % 9]; /* 5 * 2 = 1 modulo 9 */
            if (owner != &it.owners[gone]) {
                assert_ptr_equal(earliest(), owner);
                stop(owner);
            }
        }
    }
}

/* ---- 32 bits of sequence */

test(the_sequence_starts_anew_without_changing_the_order)
{
    it.heap.sequence = UINT32_MAX - 3;
    for (int i = 0; i < 8; i++) {
        start(&it.owners[i], i % 2);
    }
    assert_int_equal(eddy_heap_check(&it.heap), 0);
    assert_true(it.heap.sequence < 100);
    log_all();
    testing_assert_log("0 2 4 6 1 3 5 7");
}

test(renumbering_an_empty_heap)
{
    it.heap.sequence = UINT32_MAX;
    start(&it.owners[0], 1);
    start(&it.owners[1], 1);
    log_all();
    testing_assert_log("0 1");
}

test(one_that_was_put_off_keeps_its_place_when_the_sequence_starts_anew)
{
    it.heap.sequence = UINT32_MAX - 3;
    start(&it.owners[0], 10);
    start(&it.owners[1], 20);
    start(&it.owners[0], 20); /* stale: its entry says 10, but it was started after owner 1 */
    start(&it.owners[2], 20); /* renumbers */
    assert_true(it.heap.sequence < 100);
    log_all();
    testing_assert_log("1 0 2");
}

/* ---- memory */

static void fill(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        start(&it.owners[i], (int64_t)(count - i));
    }
}

test(starting_fails_if_the_first_array_cannot_be_had)
{
    testing_fail_allocation(1);
    assert_int_equal(eddy_heap_start(&it.heap, &it.owners[0].alarm, 5), -ENOMEM);
    assert_false(eddy_heap_has(&it.owners[0].alarm));
    assert_int_equal(it.heap.count, 0);
    start(&it.owners[0], 5);
}

test(a_heap_that_cannot_grow_is_unchanged)
{
    uint32_t full;
    uint32_t sequence;

    fill(1);
    full = it.heap.capacity;
    assert_true(full < ALARMS);
    fill(full);
    sequence = it.heap.sequence;
    testing_fail_allocation(1);
    assert_int_equal(eddy_heap_start(&it.heap, &it.owners[full].alarm, 0), -ENOMEM);
    assert_false(eddy_heap_has(&it.owners[full].alarm));
    assert_int_equal(it.heap.count, full);
    assert_int_equal(it.heap.capacity, full);
    assert_int_equal(it.heap.sequence, sequence);
    assert_int_equal(eddy_heap_check(&it.heap), 0);
    assert_ptr_equal(earliest(), &it.owners[full - 1]);
}

test(a_restart_in_a_full_heap_needs_no_memory)
{
    fill(1);
    fill(it.heap.capacity);
    testing_fail_allocations_from(1);
    start(&it.owners[0], 0);
    start(&it.owners[1], 1000);
    assert_ptr_equal(earliest(), &it.owners[0]);
}

test(fini_gives_the_array_back)
{
    size_t before = testing.memory.bytes;

    fill(ALARMS);
    assert_true(testing.memory.bytes > before);
    eddy_heap_fini(&it.heap);
    assert_int_equal(testing.memory.bytes, before);
    assert_int_equal(it.heap.count, 0);
}

/* ---- the check itself */

test(the_check_finds_an_entry_before_its_parent)
{
    fill(10);
    it.heap.entries[9].deadline = -1;
    assert_int_equal(eddy_heap_check(&it.heap), -EINVAL);
}

test(the_check_finds_a_wrong_position)
{
    fill(10);
    it.heap.entries[4].alarm->position = 1;
    assert_int_equal(eddy_heap_check(&it.heap), -EINVAL);
}

/* ---- against the model */

/* What earliest() must say: the oldest start among those of the earliest deadline. */
static struct owner *model_earliest(void)
{
    struct owner *best = NULL;

    for (int i = 0; i < ALARMS; i++) {
        struct owner *owner = &it.owners[i];
        if (owner->start != 0 &&
            (best == NULL || owner->deadline < best->deadline ||
             (owner->deadline == best->deadline && owner->start < best->start))) {
            best = owner;
        }
    }
    return best;
}

/* One random operation: start, postpone, put right, remove, or take the earliest. */
static void step(uint64_t *random, int64_t deadlines)
{
    struct owner *owner = &it.owners[testing_random(random) % ALARMS];
    int64_t deadline = (int64_t)(testing_random(random) % (uint64_t)deadlines);

    switch (testing_random(random) % 8) {
    default:
        start(owner, deadline);
        break;
    case 3:
        start(owner, owner->deadline + deadline / 8);
        break;
    case 4:
        if (owner->start != 0) {
            eddy_heap_set(&it.heap, &owner->alarm, owner->deadline);
        }
        break;
    case 5:
        if (owner->start != 0) {
            stop(owner);
        }
        break;
    case 6:
    case 7:
        if ((owner = earliest()) != NULL) {
            stop(owner);
        }
        break;
    }
}

/* `deadlines`: how many there are; few make many equal ones. */
static void compare_with_model(uint64_t seed, int64_t deadlines, uint32_t first_sequence)
{
    uint64_t random = seed;

    it.heap.sequence = first_sequence;
    for (int i = 0; i < 4000; i++) {
        struct owner *expected;
        step(&random, deadlines);
        expected = model_earliest();
        if (eddy_heap_check(&it.heap) < 0 || earliest() != expected) {
            fail_msg("seed %llu, step %d: the heap is wrong", (unsigned long long)seed, i);
        }
    }
    while (it.heap.count > 0) {
        if (earliest() != model_earliest()) {
            fail_msg("seed %llu, at the end: the heap is wrong", (unsigned long long)seed);
        }
        stop(earliest());
    }
}

/* EDDY_TEST_SEED repeats a failure, or tries what nobody has tried. */
static uint64_t first_seed(void)
{
    const char *seed = getenv("EDDY_TEST_SEED");

    return seed != NULL ? strtoull(seed, NULL, 10) : 1;
}

test(random_operations_agree_with_a_model)
{
    for (uint64_t seed = first_seed(); seed < first_seed() + 10; seed++) {
        compare_with_model(seed, 1000000, 0);
    }
}

test(random_operations_with_many_equal_deadlines_agree_with_a_model)
{
    for (uint64_t seed = first_seed(); seed < first_seed() + 10; seed++) {
        compare_with_model(seed, 20, 0);
    }
}

test(random_operations_across_the_end_of_the_sequence_agree_with_a_model)
{
    for (uint64_t seed = first_seed(); seed < first_seed() + 10; seed++) {
        compare_with_model(seed, 20, UINT32_MAX - 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        heap_case(an_empty_heap_is_sound),
        heap_case(an_alarm_knows_whether_it_is_in),
        heap_case(the_earliest_deadline_comes_first),
        heap_case(equal_deadlines_come_in_the_order_of_their_starts),
        heap_case(a_restart_at_the_same_deadline_goes_to_the_end),
        heap_case(an_earlier_restart_moves_the_entry_at_once),
        heap_case(a_later_restart_leaves_the_entry_where_it_is),
        heap_case(one_that_was_put_off_comes_behind_those_started_before_it),
        heap_case(one_that_was_put_off_does_not_hold_up_those_below_it),
        heap_case(removing_any_entry_leaves_the_others_in_order),
        heap_case(the_sequence_starts_anew_without_changing_the_order),
        heap_case(renumbering_an_empty_heap),
        heap_case(one_that_was_put_off_keeps_its_place_when_the_sequence_starts_anew),
        heap_case(starting_fails_if_the_first_array_cannot_be_had),
        heap_case(a_heap_that_cannot_grow_is_unchanged),
        heap_case(a_restart_in_a_full_heap_needs_no_memory),
        heap_case(fini_gives_the_array_back),
        heap_case(the_check_finds_an_entry_before_its_parent),
        heap_case(the_check_finds_a_wrong_position),
        heap_case(random_operations_agree_with_a_model),
        heap_case(random_operations_with_many_equal_deadlines_agree_with_a_model),
        heap_case(random_operations_across_the_end_of_the_sequence_agree_with_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
