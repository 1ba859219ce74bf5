/* wait.h: one who is woken to try: resume, and eddy_wake_to_try. */
#include "support/tasks.h"

/* ---- a source whose reader tries when there may be something: resume, and eddy_wake_to_try */

struct source {
    int items;
    int tries;
    struct eddy_task_record *reader;
};

static int64_t source_take(struct source *source)
{
    source->tries++;
    return source->items > 0 ? source->items-- : EDDY_PENDING;
}

static int source_abort(struct eddy_task_record *task)
{
    ((struct source *)task->in.object)->reader = NULL;
    return 1;
}

static int64_t source_resume(struct eddy_task_record *task)
{
    struct source *from = task->in.object;
    int64_t result = source_take(from);

    from->reader = result == EDDY_PENDING ? task : NULL;
    return result;
}

static const struct eddy_wait_kind source_kind = {
    .name = "source",
    .abort = source_abort,
    .resume = source_resume,
};

static int64_t source_read(eddy_coro *co, struct source *source)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    result = source_take(source);
    if (result != EDDY_PENDING) {
        return eddy_complete(co, result);
    }
    source->reader = co->task;
    return eddy_park(co, &source_kind, source, NULL);
}

static struct source source;

eddy_frame(reads) {
    eddy_coro co;
    int64_t limit;
    int64_t rc, after;
};

static void reads(eddy_coro *co)
{
    eddy_begin(reads);
    self->limit = self->limit == 0 ? EDDY_FOREVER : self->limit;
    eddy_catch(self->rc, eddy_wait_for(co, self->limit, source_read(co, &source)));
    log_end("read", self->rc);
    eddy_catch(self->after, give(co, 0));
    if (self->after < 0) {
        log_end("then", self->after);
    }
    eddy_end;
}

static eddy_task start_reader(int64_t limit)
{
    eddy_task task;

    memset(&source, 0, sizeof source);
    task = start(reads, .limit = limit);
    testing_turn();
    assert_non_null(source.reader);
    return task;
}

static void refill(int items)
{
    source.items = items;
    eddy_wake_to_try(source.reader);
}

test(one_who_is_woken_to_try_does_the_work_when_his_turn_comes)
{
    start_reader(0);
    refill(3);
    assert_int_equal(source.tries, 1);
    assert_int_equal(testing_turn(), 1);
    assert_int_equal(source.tries, 2);
    testing_assert_log("read=3@0");
}

test(one_who_is_woken_to_try_twice_tries_once)
{
    start_reader(0);
    refill(3);
    refill(3);
    testing_turns();
    assert_int_equal(source.tries, 2);
    testing_assert_log("read=3@0");
}

test(one_who_tries_in_vain_waits_on)
{
    start_reader(0);
    refill(0);
    testing_turns();
    assert_int_equal(source.tries, 2);
    testing_assert_log("");
    refill(1);
    testing_turns();
    testing_assert_log("read=1@0");
}

test(a_cancel_of_one_who_was_woken_to_try_takes_nothing)
{
    eddy_task task = start_reader(0);

    refill(3);
    eddy_cancel(task);
    assert_null(source.reader);
    testing_turns();
    testing_assert_log("read=ECANCELED@0");
    assert_int_equal(source.items, 3);
}

test(a_deadline_of_one_who_was_woken_to_try_takes_nothing)
{
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start_reader(EDDY_SECOND);
    refill(3);
    eddy_clock_advance(&testing.clock, 5 * EDDY_SECOND);
    testing_turns();
    testing_assert_log("read=ETIMEDOUT@5");
    assert_int_equal(source.items, 3);
}

test(one_who_tries_in_vain_can_still_be_cancelled)
{
    eddy_task task = start_reader(0);

    refill(0);
    testing_turns();
    eddy_cancel(task);
    testing_turns();
    testing_assert_log("read=ECANCELED@0");
}

test(one_who_tries_in_vain_still_times_out)
{
    start_reader(EDDY_SECOND);
    refill(0);
    testing_turns();
    assert_int_equal(eddy_loop_run(testing.loop), 0);
    testing_assert_log("read=ETIMEDOUT@1");
}

test(a_result_that_was_taken_is_not_lost_to_a_later_cancel)
{
    eddy_task task = start_reader(0);

    refill(2);
    start(cancels, .task = task); /* runs behind the reader in the same turn */
    testing_turns();
    testing_assert_log("read=2@0");
    assert_int_equal(source.items, 1);
    testing_free();
    testing.errors.count = 0; /* the canceller's -ESRCH */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(one_who_is_woken_to_try_does_the_work_when_his_turn_comes),
        testing_case(one_who_is_woken_to_try_twice_tries_once),
        testing_case(one_who_tries_in_vain_waits_on),
        testing_case(a_cancel_of_one_who_was_woken_to_try_takes_nothing),
        testing_case(a_deadline_of_one_who_was_woken_to_try_takes_nothing),
        testing_case(one_who_tries_in_vain_can_still_be_cancelled),
        testing_case(one_who_tries_in_vain_still_times_out),
        testing_case(a_result_that_was_taken_is_not_lost_to_a_later_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
