/* task.h: several who wait for one task, and who keeps its result. */
#include "support/children.h"

#include "eddy/error.h"
#include "eddy/gather.h"
#include "support/tasks.h"

static eddy_task shared;

eddy_frame_of(waits, const char *name, int64_t limit, int64_t rc);

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                       eddy_task_wait(co, shared)));
    testing_log_result(self->name, self->rc);
    if (self->rc < 0 && strcmp(eddy_error(co)->text, eddy_strerror(self->rc)) != 0) {
        testing_log("(%s)", eddy_error(co)->text); /* one of its own */
    }
    eddy_end;
}

static void share(int64_t result)
{
    shared = start(child, .name = "s", .sleep = 50 * MS, .result = result);
}

test(all_have_the_result_in_the_order_in_which_they_came)
{
    eddy_task a;
    eddy_task b;

    share(7);
    a = start(waits, .name = "a");
    b = start(waits, .name = "b");
    assert_int_equal(finish(shared), 7);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
    testing_assert_log("s@50 a=7 b=7");
    assert_int_equal(run(waits, .name = "c"), 0);
    testing_assert_log("c=-3");
}

test(a_cancel_or_a_deadline_ends_one_wait_and_no_other)
{
    eddy_task a;
    eddy_task b;
    eddy_task c;

    share(7);
    a = start(waits, .name = "a");
    b = start(waits, .name = "b", .limit = 20 * MS);
    c = start(waits, .name = "c");
    testing_turns();
    assert_int_equal(eddy_cancel(a), 0);
    assert_int_equal(finish(c), 0);
    testing_assert_log("a=-ECANCELED b=-ETIMEDOUT s@50 c=7");
    assert_int_equal(finish(shared), 7);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
}

eddy_frame_of(fails, int64_t rc);

static void fails(eddy_coro *co)
{
    eddy_begin(fails);
    eddy_await(eddy_sleep(co, 50 * MS));
    eddy_fail(co, -EIO, "disk %d is on fire", 3);
    eddy_end;
}

test(each_has_the_error_with_its_text_and_then_it_is_not_told)
{
    eddy_task a;
    eddy_task b;

    shared = start(fails);
    assert_int_equal(eddy_detach(shared), 0);
    a = start(waits, .name = "a");
    b = start(waits, .name = "b");
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
    testing_assert_log("a=-5 (disk 3 is on fire) b=-5 (disk 3 is on fire)");
    assert_int_equal(testing.errors.count, 0);
}

test(an_error_that_was_only_waited_for_is_not_told_at_the_end)
{
    shared = start(fails);
    assert_int_equal(run(waits, .name = "a"), 0);
    testing_free();
    testing_assert_log("a=-5 (disk 3 is on fire)");
    assert_int_equal(testing.errors.count, 0);
}

test(who_waits_first_does_not_take_it_from_who_joins)
{
    share(-EPIPE);
    assert_int_equal(run(waits, .name = "a"), 0);
    testing_assert_log("s@50 a=-EPIPE");
    assert_int_equal(run(waits, .name = "a"), 0);
    testing_assert_log("a=-EPIPE");
    assert_int_equal(finish(shared), -EPIPE);
}

static eddy_task itself;

eddy_frame_of(waits_for_itself, int64_t rc);

static void waits_for_itself(eddy_coro *co)
{
    eddy_begin(waits_for_itself);
    eddy_await(eddy_task_wait(co, itself));
    eddy_end;
}

test(a_task_cannot_wait_for_itself)
{
    itself = start(waits_for_itself);
    assert_int_equal(finish(itself), -EDEADLK);
}

test(a_wait_tells_for_whom)
{
    eddy_task task;
    char text[100];

    share(7);
    task = start(waits, .name = "a");
    testing_turns();
    assert_string_equal(task.record->wait->name, "task");
    task.record->wait->describe(task.record, text, sizeof text);
    assert_non_null(strstr(text, "child ("));
    assert_ptr_equal(task.record->wait->blocker(task.record), shared.record);
    assert_int_equal(finish(shared), 7);
    assert_int_equal(finish(task), 0);
    testing.log[0] = '\0';
}

/* ---- keeping */

test(what_is_kept_stays_when_it_was_joined)
{
    share(7);
    assert_int_equal(eddy_task_keep(shared), 0);
    assert_int_equal(eddy_task_keep(shared), 0);
    assert_int_equal(finish(shared), 7);
    assert_int_equal(eddy_task_result(shared), 7);
    assert_int_equal(run(waits, .name = "a"), 0);
    testing_assert_log("s@50 a=7");
    assert_int_equal(finish(shared), -ESRCH);
    assert_int_equal(eddy_detach(shared), -ESRCH);
    assert_int_equal(eddy_cancel(shared), -ESRCH);
    assert_int_equal(eddy_task_drop(shared), 0);
    assert_int_equal(eddy_task_result(shared), 7);
    assert_int_equal(eddy_task_drop(shared), 0);
    assert_int_equal(eddy_task_result(shared), -ESRCH);
    assert_int_equal(eddy_task_drop(shared), -ESRCH);
}

test(what_is_kept_stays_when_it_was_detached)
{
    share(7);
    assert_int_equal(eddy_task_keep(shared), 0);
    assert_int_equal(eddy_detach(shared), 0);
    assert_int_equal(run(waits, .name = "a"), 0);
    assert_int_equal(eddy_task_result(shared), 7);
    testing_assert_log("s@50 a=7");
    assert_int_equal(eddy_task_drop(shared), 0);
    assert_int_equal(eddy_task_result(shared), -ESRCH);
}

test(what_is_dropped_before_it_was_taken_is_its_owners)
{
    share(7);
    assert_int_equal(eddy_task_drop(shared), -EINVAL);
    assert_int_equal(eddy_task_keep(shared), 0);
    assert_int_equal(eddy_task_drop(shared), 0);
    assert_int_equal(finish(shared), 7);
    assert_int_equal(eddy_task_result(shared), -ESRCH);
    testing.log[0] = '\0';
}

test(what_is_kept_at_the_end_is_no_leak)
{
    testing_reopen_with(EDDY_CLOCK_VIRTUAL, EDDY_LOOP_REPORT_LEAKS);
    share(-EPIPE);
    assert_int_equal(eddy_task_keep(shared), 0);
    assert_int_equal(finish(shared), -EPIPE);
    testing_free();
    testing.log[0] = '\0';
    assert_int_equal(testing.errors.count, 0);
}

test(without_memory_neither_is_begun)
{
    share(7);
    use_up_memory();
    assert_int_equal(eddy_task_keep(shared), -ENOMEM);
    testing_fail_allocation(0);
    assert_int_equal(finish(shared), 7);
    testing.log[0] = '\0';
}

test(a_failed_spawn_gives_its_error_to_all)
{
    use_up_memory();
    shared = start(child, .name = "s");
    testing_fail_allocation(0);
    assert_int_equal(eddy_task_keep(shared), 0);
    assert_int_equal(run(waits, .name = "a"), 0);
    assert_int_equal(run(waits, .name = "b"), 0);
    assert_int_equal(eddy_task_drop(shared), 0);
    testing_assert_log("a=-12 b=-12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(all_have_the_result_in_the_order_in_which_they_came),
        testing_case(a_cancel_or_a_deadline_ends_one_wait_and_no_other),
        testing_case(each_has_the_error_with_its_text_and_then_it_is_not_told),
        testing_case(an_error_that_was_only_waited_for_is_not_told_at_the_end),
        testing_case(who_waits_first_does_not_take_it_from_who_joins),
        testing_case(a_task_cannot_wait_for_itself),
        testing_case(a_wait_tells_for_whom),
        testing_case(what_is_kept_stays_when_it_was_joined),
        testing_case(what_is_kept_stays_when_it_was_detached),
        testing_case(what_is_dropped_before_it_was_taken_is_its_owners),
        testing_case(what_is_kept_at_the_end_is_no_leak),
        testing_case(without_memory_neither_is_begun),
        testing_case(a_failed_spawn_gives_its_error_to_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
