/* queue.h: putting and getting, waiting for it, and giving that up (rules 4, 5, 6, 7 and 8). */
#include "support/queues.h"
#include "support/traps.h"

/* ---- without waiting */

test(items_come_out_in_the_order_in_which_they_went_in)
{
    init(int);
    try_put(1);
    try_put(2);
    assert_int_equal(try_get(), 1);
    try_put(3);
    assert_int_equal(try_get(), 2);
    assert_int_equal(try_get(), 3);
}

test(to_try_an_empty_or_a_full_queue_is_eagain)
{
    int number = 7;

    init(int, .capacity = 2);
    assert_int_equal(eddy_queue_try_get(&queue, &number), -EAGAIN);
    assert_int_equal(number, 7);
    try_put(1);
    try_put(2);
    assert_int_equal(eddy_queue_try_put(&queue, &number), -EAGAIN);
    assert_int_equal(eddy_queue_count(&queue), 2);
    log_rest();
    testing_assert_log("< 1 2 >");
}

test(a_queue_tells_how_full_it_is)
{
    init(int, .capacity = 2);
    assert_true(eddy_queue_empty(&queue));
    assert_false(eddy_queue_full(&queue));
    try_put(1);
    assert_false(eddy_queue_empty(&queue));
    assert_false(eddy_queue_full(&queue));
    assert_int_equal(eddy_queue_count(&queue), 1);
    try_put(2);
    assert_true(eddy_queue_full(&queue));
}

test(a_queue_without_a_capacity_is_never_full)
{
    init(int);
    for (int i = 0; i < 10000; i++) {
        try_put(i);
        assert_false(eddy_queue_full(&queue));
    }
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(try_get(), i);
    }
}

test(a_ring_that_grows_while_its_items_go_round_its_end_keeps_their_order)
{
    int in = 0, out = 0;

    init(int);
    for (int more = 5; more < 200; more++) {
        for (int i = 0; i < more; i++) {
            try_put(in++);
        }
        for (int i = 0; i < more / 2; i++) {
            assert_int_equal(try_get(), out++);
        }
    }
    while (out < in) {
        assert_int_equal(try_get(), out++);
    }
}

test(a_bounded_queue_allocates_only_when_it_is_made)
{
    unsigned calls;

    init(int, .capacity = 3000);
    calls = testing.memory.calls;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3000; i++) {
            try_put(i);
        }
        for (int i = 0; i < 3000; i++) {
            assert_int_equal(try_get(), i);
        }
    }
    assert_int_equal(testing.memory.calls, calls);
}

/* ---- waiting */

test(what_can_be_done_at_once_does_not_suspend)
{
    init(int, .capacity = 2);
    start(putter, .name = "p", .count = 2);
    start(getter, .name = "g", .count = 2);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("p+0 p+1 g-0 g-1");
}

test(a_get_waits_for_an_item)
{
    init(int);
    start(getter, .name = "g", .count = 2);
    testing_turns();
    testing_assert_log("");
    try_put(5);
    testing_assert_log("");
    testing_turns();
    testing_assert_log("g-5");
    try_put(6);
    testing_turns();
    testing_assert_log("g-6");
}

test(an_item_is_handed_to_the_one_that_has_waited_longest)
{
    init(int);
    start(getter, .name = "a");
    start(getter, .name = "b");
    start(getter, .name = "c");
    testing_turns();
    try_put(1);
    try_put(2);
    assert_int_equal(eddy_queue_count(&queue), 0);
    try_put(3);
    try_put(4);
    assert_int_equal(eddy_queue_count(&queue), 1);
    testing_turns();
    testing_assert_log("a-1 b-2 c-3");
    assert_int_equal(try_get(), 4);
}

test(nobody_takes_an_item_that_was_handed_over)
{
    init(int);
    start(getter, .name = "first");
    testing_turns();
    start(getter, .name = "barges"); /* stands in the ready list before the one that is woken */
    try_put(1);
    assert_int_equal(try_get(), -1);
    testing_turns();
    testing_assert_log("first-1");
    try_put(2);
    testing_turns();
    testing_assert_log("barges-2");
}

test(a_put_waits_for_room)
{
    init(int, .capacity = 1);
    start(putter, .name = "p", .first = 1, .count = 3);
    testing_turns();
    testing_assert_log("p+1");
    assert_int_equal(try_get(), 1);
    assert_int_equal(eddy_queue_count(&queue), 1); /* the item of the put that waited is in */
    testing_turns();
    testing_assert_log("p+2");
    assert_int_equal(try_get(), 2);
    testing_turns();
    testing_assert_log("p+3");
    assert_int_equal(try_get(), 3);
}

test(items_that_wait_to_be_put_go_in_in_the_order_in_which_they_came)
{
    init(int, .capacity = 1);
    try_put(0);
    start(putter, .name = "a", .first = 1);
    start(putter, .name = "b", .first = 2);
    start(putter, .name = "c", .first = 3);
    testing_turns();
    log_rest();
    testing_assert_log("< 0 1 2 3 >");
    testing_turns();
    testing_assert_log("a+1 b+2 c+3");
}

test(nobody_takes_the_room_of_a_put_that_waits)
{
    int number = 9;

    init(int, .capacity = 1);
    try_put(0);
    start(putter, .name = "first", .first = 1);
    testing_turns();
    assert_int_equal(try_get(), 0);
    assert_int_equal(eddy_queue_try_put(&queue, &number), -EAGAIN);
    assert_int_equal(try_get(), 1);
    testing_turns();
    testing_assert_log("first+1");
}

test(a_producer_is_as_slow_as_its_consumer)
{
    init(int, .capacity = 2);
    start(putter, .name = "p", .count = 6);
    start(getter, .name = "g", .count = 6);
    testing_turns();
    testing_assert_log("p+0 p+1 g-0 g-1 g-2 p+2 p+3 p+4 p+5 g-3 g-4 g-5");
}

test(who_never_has_to_wait_still_lets_others_run)
{
    init(int);
    start(putter, .name = "p", .count = 300);
    start(pauses, .name = "other", .times = 1);
    testing_turn();
    assert_true(eddy_queue_count(&queue) < 300);
    assert_non_null(strstr(testing.log, "other"));
    testing_turns();
    assert_int_equal(eddy_queue_count(&queue), 300);
}

/* ---- giving up */

test(a_get_that_is_cancelled_leaves_the_line_at_once)
{
    eddy_task a;

    init(int);
    a = start(getter, .name = "a");
    start(getter, .name = "b");
    testing_turns();
    eddy_cancel(a);
    try_put(1);
    testing_turns();
    testing_assert_log("a:ECANCELED b-1");
}

test(a_put_that_is_cancelled_leaves_the_line_and_its_item_is_not_in)
{
    eddy_task a;

    init(int, .capacity = 1);
    try_put(0);
    a = start(putter, .name = "a", .first = 1);
    start(putter, .name = "b", .first = 2);
    testing_turns();
    eddy_cancel(a);
    log_rest();
    testing_turns();
    testing_assert_log("< 0 2 > a:ECANCELED b+2");
}

test(a_time_out_of_a_get_takes_nothing)
{
    init(int);
    assert_int_equal(run(getter, .name = "g", .limit = EDDY_SECOND), 0);
    try_put(1);
    log_rest();
    testing_assert_log("g:ETIMEDOUT < 1 >");
}

test(a_time_out_of_a_put_puts_nothing)
{
    init(int, .capacity = 1);
    try_put(0);
    assert_int_equal(run(putter, .name = "p", .first = 1, .limit = EDDY_SECOND), 0);
    log_rest();
    testing_assert_log("p:ETIMEDOUT < 0 >");
}

test(without_time_what_can_be_done_at_once_is_done)
{
    init(int, .capacity = 1);
    assert_int_equal(run(putter, .name = "p", .first = 1, .limit = -1), 0);
    assert_int_equal(run(putter, .name = "p", .first = 2, .limit = -1), 0);
    assert_int_equal(run(getter, .name = "g", .limit = -1), 0);
    assert_int_equal(run(getter, .name = "g", .limit = -1), 0);
    testing_assert_log("p+1 p:ETIMEDOUT g-1 g:ETIMEDOUT");
}

/* Cancels itself, and then puts or gets, which could be done at once. */
eddy_frame(cancelled_before) {
    eddy_coro co;
    bool puts;
    int number;
    int64_t rc;
};

static void cancelled_before(eddy_coro *co)
{
    eddy_begin(cancelled_before);
    eddy_cancel(eddy_task_self(co));
    if (self->puts) {
        eddy_catch(self->rc, eddy_queue_put(co, &queue, &self->number));
    } else {
        eddy_catch(self->rc, eddy_queue_get(co, &queue, &self->number));
    }
    assert_int_equal(self->rc, -ECANCELED);
    eddy_end;
}

test(a_pending_cancel_comes_before_anything_is_taken_or_put)
{
    init(int);
    try_put(1);
    assert_int_equal(run(cancelled_before, .puts = false), 0);
    assert_int_equal(run(cancelled_before, .puts = true), 0);
    log_rest();
    testing_assert_log("< 1 >");
}

/* ---- for people */

static void assert_describes(eddy_task task, const char *expected)
{
    char text[64];

    task.record->wait->describe(task.record, text, sizeof text);
    assert_string_equal(task.record->wait->name, "queue");
    assert_string_equal(text, expected);
    task.record->wait->describe(task.record, text, 4);
    assert_int_equal(strlen(text), 3);
}

test(a_wait_tells_for_what)
{
    eddy_task task;

    init(int, .capacity = 3);
    task = start(getter, .name = "g");
    testing_turns();
    assert_describes(task, "0 of 3 items, to get");
    start(putter, .name = "p", .count = 4);
    testing_turns();
    task = start(putter, .name = "q");
    testing_turns();
    assert_describes(task, "3 of 3 items, to put");
    task = start(joiner, .name = "j");
    testing_turns();
    assert_describes(task, "4 items not done, to join");
    eddy_queue_fini(&queue);
    testing_turns();
    init(int);
    task = start(getter, .name = "g");
    testing_turns();
    assert_describes(task, "0 items, to get");
    eddy_queue_fini(&queue);
    testing_turns();
    testing_assert_log("p+0 p+1 p+2 p+3 g-0 q:ESHUTDOWN j:ESHUTDOWN g:ESHUTDOWN");
}

/* ---- misuse */

TRAPS(puts_from_the_stack);

static void puts_from_the_stack(eddy_coro *co)
{
    int number;

    eddy_begin(puts_from_the_stack);
    TRAP eddy_await(eddy_pause(co));
    number = 1;
    eddy_await(eddy_queue_put(co, &queue, &number));
    eddy_end;
}

TRAPS(gets_to_the_stack);

static void gets_to_the_stack(eddy_coro *co)
{
    int number;

    eddy_begin(gets_to_the_stack);
    TRAP eddy_await(eddy_pause(co));
    eddy_await(eddy_queue_get(co, &queue, &number));
    eddy_end;
}

TRAPS(gets_another_type);

static void gets_another_type(eddy_coro *co)
{
    eddy_begin(gets_another_type);
    TRAP eddy_await(eddy_queue_get(co, &queue, &self->rc));
    eddy_end;
}

TRAPS(puts_before_init);

static void puts_before_init(eddy_coro *co)
{
    eddy_begin(puts_before_init);
    TRAP eddy_await(eddy_queue_put(co, &queue, &self->value));
    eddy_end;
}

test(an_item_on_the_stack_of_a_task_that_is_to_wait_aborts)
{
    init(int, .capacity = 1);
    assert_traps_near(gets_to_the_stack, "the task is to wait with a pointer to a local variable");
}

test(an_item_on_the_stack_of_a_task_that_is_to_wait_for_room_aborts)
{
    init(int, .capacity = 1);
    try_put(1);
    assert_traps_near(puts_from_the_stack,
                      "the task is to wait with a pointer to a local variable");
}

test(an_item_of_another_size_aborts)
{
    init(int);
    assert_traps_at(gets_another_type, "the item is not of the size of the queue's items");
}

test(a_queue_that_was_never_initialized_aborts)
{
    assert_traps_at(puts_before_init, "the queue is not initialized");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        queue_case(items_come_out_in_the_order_in_which_they_went_in),
        queue_case(to_try_an_empty_or_a_full_queue_is_eagain),
        queue_case(a_queue_tells_how_full_it_is),
        queue_case(a_queue_without_a_capacity_is_never_full),
        queue_case(a_ring_that_grows_while_its_items_go_round_its_end_keeps_their_order),
        queue_case(a_bounded_queue_allocates_only_when_it_is_made),
        queue_case(what_can_be_done_at_once_does_not_suspend),
        queue_case(a_get_waits_for_an_item),
        queue_case(an_item_is_handed_to_the_one_that_has_waited_longest),
        queue_case(nobody_takes_an_item_that_was_handed_over),
        queue_case(a_put_waits_for_room),
        queue_case(items_that_wait_to_be_put_go_in_in_the_order_in_which_they_came),
        queue_case(nobody_takes_the_room_of_a_put_that_waits),
        queue_case(a_producer_is_as_slow_as_its_consumer),
        queue_case(who_never_has_to_wait_still_lets_others_run),
        queue_case(a_get_that_is_cancelled_leaves_the_line_at_once),
        queue_case(a_put_that_is_cancelled_leaves_the_line_and_its_item_is_not_in),
        queue_case(a_time_out_of_a_get_takes_nothing),
        queue_case(a_time_out_of_a_put_puts_nothing),
        queue_case(without_time_what_can_be_done_at_once_is_done),
        queue_case(a_pending_cancel_comes_before_anything_is_taken_or_put),
        queue_case(a_wait_tells_for_what),
        queue_case(an_item_on_the_stack_of_a_task_that_is_to_wait_aborts),
        queue_case(an_item_on_the_stack_of_a_task_that_is_to_wait_for_room_aborts),
        queue_case(an_item_of_another_size_aborts),
        queue_case(a_queue_that_was_never_initialized_aborts),
    };

    return cmocka_run_group_tests(tests, set_up_traps, NULL);
}
