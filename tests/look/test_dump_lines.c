/* What a dump does for tasks in a line does not grow with the square of its length: each line is walked
 * once, however many stand in it, and in whatever order they are told of. */
#include "support/tasks.h"

#include "eddy/lock.h"
#include "eddy/look.h"
#include "look/snapshot.h"

enum { MANY = 4000, FEW = 5 };

static eddy_semaphore semaphore;
static eddy_lock lock;
static eddy_cond cond;

eddy_frame(stands_in_line) {
    eddy_coro co;
    bool notified;
};

static void stands_in_line(eddy_coro *co)
{
    eddy_begin(stands_in_line);
    if (self->notified) {
        eddy_await(eddy_lock_acquire(co, &lock));
        eddy_await(eddy_cond_wait(co, &cond));
    } else {
        eddy_await(eddy_semaphore_acquire(co, &semaphore));
    }
eddy_finally:
    (void)!eddy_lock_release(co, &lock); /* whoever waited for the condition has it again */
    eddy_end;
}

/* ---- what is told of each */

static uint32_t told;
static uint32_t first_number;

/* Tasks were spawned in the order of the line. */
static void check_place(const struct eddy_task_info *info, void *user)
{
    char expected[64];

    (void)user;
    snprintf(expected, sizeof expected, "%u in line before it", info->number - first_number);
    assert_string_equal(info->detail, expected);
    told++;
}

static void stand(uint32_t count, bool notified)
{
    eddy_semaphore_init(&semaphore, 0);
    eddy_lock_init(&lock);
    eddy_cond_init(&cond, &lock);
    told = 0;
    for (uint32_t i = 0; i < count; i++) {
        eddy_task task = start(stands_in_line, .notified = notified);
        first_number = i == 0 ? task.generation : first_number;
    }
    testing_turns();
}

test(a_line_is_walked_once_for_all_who_stand_in_it)
{
    struct eddy_snapshot snapshot;

    for (int notified = 0; notified < 2; notified++) {
        testing_reopen();
        stand(MANY, notified != 0);
        assert_int_equal(eddy_snapshot_take(testing.loop, &snapshot), 0);
        assert_int_equal(snapshot.placed, 0); /* nobody has asked */
        eddy_snapshot_visit(&snapshot, check_place, NULL);
        assert_int_equal(told, MANY);
        assert_int_equal(snapshot.placed, MANY);
        eddy_snapshot_free(testing.loop, &snapshot);
    }
}

/* The line and the tasks are in opposite orders: who has the oldest number stands last. */
static void check_place_from_behind(const struct eddy_task_info *info, void *user)
{
    char expected[64];

    (void)user;
    snprintf(expected, sizeof expected, "%u in line before it",
             MANY - 1 - (info->number - first_number));
    assert_string_equal(info->detail, expected);
    told++;
}

eddy_frame(comes_late) {
    eddy_coro co;
    int64_t after;
};

static void comes_late(eddy_coro *co)
{
    eddy_begin(comes_late);
    eddy_await(eddy_sleep(co, self->after));
    eddy_await(eddy_semaphore_acquire(co, &semaphore));
    eddy_end;
}

test(also_if_they_stand_in_it_the_other_way_round)
{
    struct eddy_snapshot snapshot;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    eddy_semaphore_init(&semaphore, 0);
    told = 0;
    for (int i = 0; i < MANY; i++) {
        eddy_task task = start(comes_late, .after = MANY - i);
        first_number = i == 0 ? task.generation : first_number;
    }
    testing_turns();
    eddy_clock_advance(&testing.clock, MANY);
    testing_turns();
    assert_int_equal(eddy_snapshot_take(testing.loop, &snapshot), 0);
    eddy_snapshot_visit(&snapshot, check_place_from_behind, NULL);
    assert_int_equal(told, MANY);
    assert_int_equal(snapshot.placed, MANY);
    eddy_snapshot_free(testing.loop, &snapshot);
}

/* ---- one inside another, or none */

static void dump_inside(const struct eddy_task_info *info, void *user)
{
    FILE *file = fopen("/dev/null", "w");

    assert_non_null(file);
    assert_int_equal(eddy_loop_dump(testing.loop, file), 0);
    fclose(file);
    check_place(info, user);
}

test(a_dump_while_tasks_are_looked_at_says_the_same)
{
    stand(FEW, false);
    assert_int_equal(eddy_loop_inspect(testing.loop, dump_inside, NULL), 0);
    assert_int_equal(told, FEW);
    assert_null(testing.loop->snapshot);
}

test(without_memory_the_places_are_told_all_the_same)
{
    stand(FEW, false);
    testing_fail_allocations_from(1);
    assert_int_equal(eddy_loop_inspect(testing.loop, check_place, NULL), -ENOMEM);
    testing_fail_allocation(0);
    assert_int_equal(told, FEW);
    assert_null(testing.loop->snapshot);
}

/* ---- leaks: each says where it stood when the loop was freed */

static void check_leak(eddy_loop *loop, eddy_task task, int64_t code, const char *text)
{
    char expected[64];

    snprintf(expected, sizeof expected, ": %u in line before it", task.generation - first_number);
    assert_non_null(strstr(text, expected));
    assert_int_equal(code, -EBUSY);
    assert_int_equal(loop->snapshot->placed, FEW);
    told++;
}

test(leaks_are_told_with_the_places_in_which_the_end_of_the_loop_has_found_them)
{
    testing.options.flags |= EDDY_LOOP_REPORT_LEAKS;
    testing.options.on_error = check_leak;
    testing_reopen();
    stand(FEW, false);
    testing_free();
    assert_int_equal(told, FEW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_line_is_walked_once_for_all_who_stand_in_it),
        testing_case(also_if_they_stand_in_it_the_other_way_round),
        testing_case(a_dump_while_tasks_are_looked_at_says_the_same),
        testing_case(without_memory_the_places_are_told_all_the_same),
        testing_case(leaks_are_told_with_the_places_in_which_the_end_of_the_loop_has_found_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
