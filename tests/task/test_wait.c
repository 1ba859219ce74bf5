/* wait.h: the wait primitive, as somebody uses it who writes operations of his own (rules 4, 5 and 8). */
#include "support/tasks.h"

/* ---- a gate: the example of wait.h */

struct gate {
    bool open;
    struct eddy_waiters line;
};

static const struct eddy_wait_kind gate_kind = {.name = "gate"};

static int64_t gate_wait(eddy_coro *co, struct gate *gate)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (gate->open) {
        return eddy_complete(co, 0);
    }
    return eddy_park(co, &gate_kind, gate, &gate->line);
}

static void gate_open(struct gate *gate)
{
    struct eddy_task_record *task;

    gate->open = true;
    while ((task = eddy_waiters_first(&gate->line)) != NULL) {
        eddy_wake(task, 0);
    }
}

static struct gate gate;

eddy_frame(passes) {
    eddy_coro co;
    const char *name;
    int64_t limit;
    int64_t rc, after;
};

static void passes(eddy_coro *co)
{
    eddy_begin(passes);
    self->limit = self->limit == 0 ? EDDY_FOREVER : self->limit;
    eddy_catch(self->rc, eddy_wait_for(co, self->limit, gate_wait(co, &gate)));
    log_end(self->name, self->rc);
    eddy_catch(self->after, give(co, 0));
    if (self->after < 0) {
        log_end("then", self->after);
    }
    eddy_end;
}

static void set_up_gate(void)
{
    memset(&gate, 0, sizeof gate);
}

test(an_open_gate_does_not_suspend)
{
    set_up_gate();
    gate_open(&gate);
    start(passes, .name = "a");
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("a=0@0");
}

test(those_who_wait_run_in_the_order_of_the_line)
{
    set_up_gate();
    start(passes, .name = "a");
    start(passes, .name = "b");
    start(passes, .name = "c");
    assert_int_equal(testing_turn(), 3);
    testing_assert_log("");
    gate_open(&gate);
    testing_assert_log("");
    assert_null(eddy_waiters_first(&gate.line));
    assert_int_equal(testing_turn(), 3);
    testing_assert_log("a=0@0 b=0@0 c=0@0");
}

test(a_waiter_that_is_cancelled_leaves_the_line_at_once)
{
    eddy_task a, b;

    set_up_gate();
    a = start(passes, .name = "a");
    b = start(passes, .name = "b");
    testing_turn();
    assert_ptr_equal(eddy_waiters_first(&gate.line), a.record);
    eddy_cancel(a);
    assert_ptr_equal(eddy_waiters_first(&gate.line), b.record);
    gate_open(&gate);
    testing_turns();
    testing_assert_log("a=ECANCELED@0 b=0@0");
}

test(a_waiter_that_times_out_leaves_the_line_at_once)
{
    set_up_gate();
    start(passes, .name = "a", .limit = EDDY_SECOND);
    start(sleeps, .name = "s", .seconds = 2);
    testing_run();
    testing_assert_log("a=ETIMEDOUT@1 s=0@2");
    assert_null(eddy_waiters_first(&gate.line));
}

test(a_wake_and_then_a_cancel_in_the_same_turn_is_a_wake_and_the_cancel_comes_next)
{
    eddy_task a;

    set_up_gate();
    a = start(passes, .name = "a");
    testing_turn();
    gate_open(&gate);
    eddy_cancel(a);
    testing_turns();
    testing_assert_log("a=0@0 then=ECANCELED@0");
}

test(a_cancel_and_then_a_wake_in_the_same_turn_is_a_cancel)
{
    eddy_task a;

    set_up_gate();
    a = start(passes, .name = "a");
    testing_turn();
    eddy_cancel(a);
    gate_open(&gate);
    testing_turns();
    testing_assert_log("a=ECANCELED@0");
}

test(a_wake_and_then_the_deadline_before_the_task_runs_is_a_wake)
{
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    set_up_gate();
    start(passes, .name = "a", .limit = EDDY_SECOND);
    testing_turn();
    gate_open(&gate);
    eddy_clock_advance(&testing.clock, 5 * EDDY_SECOND);
    testing_turns();
    testing_assert_log("a=0@5");
}

test(a_wake_a_cancel_and_the_deadline_before_the_task_runs_are_a_wake_and_then_a_cancel)
{
    eddy_task a;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    set_up_gate();
    a = start(passes, .name = "a", .limit = EDDY_SECOND);
    testing_turn();
    gate_open(&gate);
    eddy_cancel(a);
    eddy_clock_advance(&testing.clock, 5 * EDDY_SECOND);
    testing_turns();
    testing_assert_log("a=0@5 then=ECANCELED@5");
}

eddy_frame(opens) {
    eddy_coro co;
};

static void opens(eddy_coro *co)
{
    eddy_begin(opens);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    gate_open(&gate);
    eddy_end;
}

test(a_deadline_and_then_a_wake_in_the_same_turn_is_a_time_out)
{
    set_up_gate();
    start(passes, .name = "a", .limit = EDDY_SECOND);
    start(opens);
    testing_run();
    testing_assert_log("a=ETIMEDOUT@1");
}

eddy_frame(cancels_itself_and_passes) {
    eddy_coro co;
};

static void cancels_itself_and_passes(eddy_coro *co)
{
    eddy_begin(cancels_itself_and_passes);
    eddy_cancel(eddy_task_self(co));
    eddy_await(gate_wait(co, &gate));
    eddy_end;
}

test(a_pending_cancel_comes_before_the_operation_open_or_shut)
{
    set_up_gate();
    assert_int_equal(run(cancels_itself_and_passes), -ECANCELED);
    assert_null(eddy_waiters_first(&gate.line));
    gate_open(&gate);
    assert_int_equal(run(cancels_itself_and_passes), -ECANCELED);
}

/* ---- a queue that hands over, and counts who waits: its abort takes that back */

struct queue {
    int items[8];
    int count;
    int waiting;
    struct eddy_waiters getters;
};

static int queue_abort(struct eddy_task_record *task)
{
    ((struct queue *)task->in.object)->waiting--;
    return 1;
}

static const struct eddy_wait_kind queue_kind = {.name = "get", .abort = queue_abort};

static int64_t queue_get(eddy_coro *co, struct queue *queue, int *item)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (queue->count > 0) {
        *item = queue->items[0];
        memmove(queue->items, queue->items + 1, sizeof queue->items - sizeof queue->items[0]);
        queue->count--;
        return eddy_complete(co, 0);
    }
    eddy_check_pointer(co, item);
    result = eddy_park(co, &queue_kind, queue, &queue->getters);
    co->task->with.value = item;
    queue->waiting++;
    return result;
}

static void queue_put(struct queue *queue, int item)
{
    struct eddy_task_record *getter = eddy_waiters_first(&queue->getters);

    if (getter == NULL) {
        queue->items[queue->count++] = item;
        return;
    }
    *(int *)getter->with.value = item;
    queue->waiting--;
    eddy_wake(getter, 0);
}

static struct queue queue;

eddy_frame(gets) {
    eddy_coro co;
    const char *name;
    int64_t limit;
    int times;
    int item;
    int64_t rc;
};

static void gets(eddy_coro *co)
{
    eddy_begin(gets);
    do {
        eddy_catch(self->rc, eddy_wait_for(co, self->limit == 0 ? EDDY_FOREVER : self->limit,
                                           queue_get(co, &queue, &self->item)));
        log_end(self->name, self->rc < 0 ? self->rc : self->item);
    } while (--self->times > 0);
    eddy_end;
}

static eddy_task start_getter(const char *name, int64_t limit)
{
    eddy_task task = start(gets, .name = name, .limit = limit);

    testing_turn();
    return task;
}

static void assert_queue(int count, int waiting)
{
    assert_int_equal(queue.count, count);
    assert_int_equal(queue.waiting, waiting);
    assert_int_equal(eddy_waiters_first(&queue.getters) != NULL, waiting > 0);
}

static void set_up_queue(void)
{
    memset(&queue, 0, sizeof queue);
}

test(items_are_handed_to_the_first_in_line_and_nobody_barges_in)
{
    set_up_queue();
    start_getter("a", 0);
    start_getter("b", 0);
    queue_put(&queue, 1);
    start_getter("late", 0);
    testing_assert_log("a=1@0");
    queue_put(&queue, 2);
    queue_put(&queue, 3);
    queue_put(&queue, 4);
    start_getter("last", 0);
    testing_assert_log("b=2@0 late=3@0 last=4@0");
    assert_queue(0, 0);
}

test(a_cancel_runs_the_abort_at_once)
{
    eddy_task a;

    set_up_queue();
    a = start_getter("a", 0);
    assert_queue(0, 1);
    eddy_cancel(a);
    assert_queue(0, 0);
    testing_turns();
    testing_assert_log("a=ECANCELED@0");
}

test(a_time_out_runs_the_abort)
{
    set_up_queue();
    start_getter("a", EDDY_SECOND);
    testing_run();
    assert_queue(0, 0);
    testing_assert_log("a=ETIMEDOUT@1");
}

test(an_item_that_was_handed_over_is_not_lost_to_a_cancel)
{
    eddy_task a;

    set_up_queue();
    a = start_getter("a", 0);
    queue_put(&queue, 1);
    eddy_cancel(a);
    testing_turns();
    testing_assert_log("a=1@0");
    assert_queue(0, 0);
}

test(an_item_is_not_handed_to_one_who_was_cancelled)
{
    eddy_task a;

    set_up_queue();
    a = start_getter("a", 0);
    start_getter("b", 0);
    eddy_cancel(a);
    queue_put(&queue, 1);
    queue_put(&queue, 2);
    testing_turns();
    testing_assert_log("a=ECANCELED@0 b=1@0");
    assert_queue(1, 0);
}

test(an_item_that_was_handed_over_is_not_lost_to_a_deadline)
{
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    set_up_queue();
    start_getter("a", EDDY_SECOND);
    queue_put(&queue, 1);
    eddy_clock_advance(&testing.clock, 5 * EDDY_SECOND);
    testing_turns();
    testing_assert_log("a=1@5");
    assert_queue(0, 0);
}

test(an_item_put_in_the_turn_of_the_time_out_stays_in_the_queue)
{
    set_up_queue();
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start_getter("a", EDDY_SECOND);
    eddy_clock_advance(&testing.clock, EDDY_SECOND);
    testing_turn(); /* the deadline strikes and the task runs */
    queue_put(&queue, 1);
    testing_turns();
    testing_assert_log("a=ETIMEDOUT@1");
    assert_queue(1, 0);
}

test(the_tasks_that_wait_are_cancelled_when_the_loop_is_freed)
{
    set_up_queue();
    start_getter("a", 0);
    start_getter("b", 100 * EDDY_SECOND);
    testing_free();
    testing_assert_log("a=ECANCELED@0 b=ECANCELED@0");
    assert_queue(0, 0);
}

/* ---- waits of several stages */

static const struct eddy_wait_kind second_kind = {.name = "second gate"};

test(a_parked_task_may_wait_on_for_something_else_and_goes_to_the_end_of_that_line)
{
    static struct gate second;
    eddy_task a, b, c;

    set_up_gate();
    memset(&second, 0, sizeof second);
    a = start(passes, .name = "a", .limit = 5 * EDDY_SECOND);
    b = start(passes, .name = "b");
    c = start(passes, .name = "c");
    testing_turn();
    assert_int_equal(eddy_waiters_ahead(&gate.line, a.record), 0);
    assert_int_equal(eddy_waiters_ahead(&gate.line, c.record), 2);
    eddy_repark(b.record, &second_kind, &second, &second.line);
    eddy_repark(a.record, &second_kind, &second, &second.line);
    assert_int_equal(eddy_waiters_ahead(&gate.line, c.record), 0);
    assert_int_equal(eddy_waiters_ahead(&second.line, a.record), 1);
    assert_ptr_equal(a.record->wait, &second_kind);
    assert_ptr_equal(a.record->in.object, &second);
    gate_open(&gate);
    testing_turns();
    testing_assert_log("c=0@0");
    start(sleeps, .name = "s", .seconds = 6);
    while (seconds() < 6) {
        eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0);
    }
    testing_turns();
    testing_assert_log("a=ETIMEDOUT@5 s=0@6"); /* its deadline goes with it */
    assert_ptr_equal(eddy_waiters_first(&second.line), b.record);
    eddy_repark(b.record, &second_kind, &second, NULL);
    assert_null(eddy_waiters_first(&second.line));
    eddy_wake(b.record, 3);
    testing_turns();
    testing_assert_log("b=3@6");
}

test(to_wake_all_wakes_them_in_the_order_of_the_line)
{
    set_up_gate();
    eddy_wake_all(&gate.line, 0);
    start(passes, .name = "a");
    start(passes, .name = "b");
    testing_turn();
    eddy_wake_all(&gate.line, 7);
    assert_null(eddy_waiters_first(&gate.line));
    testing_turns();
    testing_assert_log("a=7@0 b=7@0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(an_open_gate_does_not_suspend),
        testing_case(those_who_wait_run_in_the_order_of_the_line),
        testing_case(a_waiter_that_is_cancelled_leaves_the_line_at_once),
        testing_case(a_waiter_that_times_out_leaves_the_line_at_once),
        testing_case(a_wake_and_then_a_cancel_in_the_same_turn_is_a_wake_and_the_cancel_comes_next),
        testing_case(a_cancel_and_then_a_wake_in_the_same_turn_is_a_cancel),
        testing_case(a_wake_and_then_the_deadline_before_the_task_runs_is_a_wake),
        testing_case(
            a_wake_a_cancel_and_the_deadline_before_the_task_runs_are_a_wake_and_then_a_cancel),
        testing_case(a_deadline_and_then_a_wake_in_the_same_turn_is_a_time_out),
        testing_case(a_pending_cancel_comes_before_the_operation_open_or_shut),
        testing_case(items_are_handed_to_the_first_in_line_and_nobody_barges_in),
        testing_case(a_cancel_runs_the_abort_at_once),
        testing_case(a_time_out_runs_the_abort),
        testing_case(an_item_that_was_handed_over_is_not_lost_to_a_cancel),
        testing_case(an_item_is_not_handed_to_one_who_was_cancelled),
        testing_case(an_item_that_was_handed_over_is_not_lost_to_a_deadline),
        testing_case(an_item_put_in_the_turn_of_the_time_out_stays_in_the_queue),
        testing_case(the_tasks_that_wait_are_cancelled_when_the_loop_is_freed),
        testing_case(a_parked_task_may_wait_on_for_something_else_and_goes_to_the_end_of_that_line),
        testing_case(to_wake_all_wakes_them_in_the_order_of_the_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
