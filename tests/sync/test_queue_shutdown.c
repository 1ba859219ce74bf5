/* queue.h: the end of a queue: join, shutdown, fini, and the end of its loop. */
#include "support/queues.h"

static int put_result(void)
{
    int number = 9;

    return (int)eddy_queue_try_put(&queue, &number);
}

static int get_result(void)
{
    int number;

    return (int)eddy_queue_try_get(&queue, &number);
}

/* ---- join and task_done */

test(a_join_of_a_queue_that_never_had_an_item_does_not_wait)
{
    init(int);
    start(joiner, .name = "j");
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("j:ok");
}

test(a_join_waits_until_every_item_is_done)
{
    init(int);
    try_put(1);
    try_put(2);
    start(joiner, .name = "a");
    start(joiner, .name = "b");
    testing_turns();
    assert_int_equal(try_get(), 1);
    assert_int_equal(try_get(), 2);
    assert_int_equal(eddy_queue_task_done(&queue), 0);
    testing_turns();
    testing_assert_log("");
    assert_int_equal(eddy_queue_task_done(&queue), 0);
    testing_turns();
    testing_assert_log("a:ok b:ok");
}

test(an_item_that_is_handed_over_is_to_be_done_too)
{
    init(int);
    start(getter, .name = "g");
    testing_turns();
    try_put(1);
    start(joiner, .name = "j");
    testing_turns();
    testing_assert_log("g-1");
    assert_int_equal(eddy_queue_task_done(&queue), 0);
    testing_turns();
    testing_assert_log("j:ok");
}

test(an_item_counts_from_when_it_is_in_the_queue)
{
    init(int, .capacity = 1);
    try_put(0);
    start(putter, .name = "p", .first = 1);
    testing_turns();
    assert_int_equal(eddy_queue_task_done(&queue), 0);
    start(joiner, .name = "a");
    testing_turns();
    testing_assert_log("a:ok"); /* of all that was put so far */
    assert_int_equal(try_get(), 0);
    start(joiner, .name = "b");
    testing_turns();
    testing_assert_log("p+1");
    assert_int_equal(try_get(), 1);
    assert_int_equal(eddy_queue_task_done(&queue), 0);
    testing_turns();
    testing_assert_log("b:ok");
}

test(a_join_whose_time_is_up_leaves_the_queue_as_it_is)
{
    init(int);
    try_put(1);
    assert_int_equal(run(joiner, .name = "a", .limit = EDDY_SECOND), 0);
    assert_int_equal(try_get(), 1);
    assert_int_equal(eddy_queue_task_done(&queue), 0);
    assert_int_equal(run(joiner, .name = "b", .limit = -1), 0);
    testing_assert_log("a:ETIMEDOUT b:ok");
}

test(more_done_than_put_is_einval)
{
    init(int);
    assert_int_equal(eddy_queue_task_done(&queue), -EINVAL);
    try_put(1);
    assert_int_equal(eddy_queue_task_done(&queue), 0);
    assert_int_equal(eddy_queue_task_done(&queue), -EINVAL);
    assert_int_equal(run(joiner, .name = "j"), 0);
    testing_assert_log("j:ok");
}

/* ---- shutdown, and what is in it can still be taken */

test(a_queue_that_drains_gives_what_it_has_and_takes_no_more)
{
    init(int);
    try_put(1);
    try_put(2);
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DRAIN);
    assert_int_equal(put_result(), -ESHUTDOWN);
    start(putter, .name = "p");
    start(getter, .name = "g", .count = 5);
    testing_turns();
    testing_assert_log("p:ESHUTDOWN g-1 g-2 g:ESHUTDOWN");
    assert_int_equal(get_result(), -ESHUTDOWN);
}

test(puts_that_wait_when_a_queue_is_shut_down_fail_and_their_items_are_not_in)
{
    init(int, .capacity = 1);
    try_put(0);
    start(putter, .name = "p", .first = 1);
    start(putter, .name = "q", .first = 2);
    testing_turns();
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DRAIN);
    log_rest();
    testing_turns();
    testing_assert_log("< 0 > p:ESHUTDOWN q:ESHUTDOWN");
}

test(gets_that_wait_when_a_queue_is_shut_down_fail)
{
    init(int);
    start(getter, .name = "a");
    start(getter, .name = "b");
    testing_turns();
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DRAIN);
    testing_turns();
    testing_assert_log("a:ESHUTDOWN b:ESHUTDOWN");
}

test(a_join_goes_on_while_a_queue_drains)
{
    init(int);
    try_put(1);
    try_put(2);
    start(joiner, .name = "j");
    testing_turns();
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DRAIN);
    for (int i = 1; i <= 2; i++) {
        testing_turns();
        testing_assert_log("");
        assert_int_equal(try_get(), i);
        assert_int_equal(eddy_queue_task_done(&queue), 0);
    }
    testing_turns();
    testing_assert_log("j:ok");
}

/* ---- shutdown, and what is in it is dropped */

test(a_queue_that_is_dropped_is_empty_at_once)
{
    init(int, .capacity = 2);
    try_put(1);
    try_put(2);
    start(putter, .name = "p");
    testing_turns();
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DROP);
    assert_true(eddy_queue_empty(&queue));
    assert_int_equal(put_result(), -ESHUTDOWN);
    assert_int_equal(get_result(), -ESHUTDOWN);
    start(getter, .name = "g");
    testing_turns();
    testing_assert_log("p:ESHUTDOWN g:ESHUTDOWN");
}

test(what_is_dropped_is_done)
{
    init(int);
    try_put(1);
    try_put(2);
    start(joiner, .name = "j");
    testing_turns();
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DROP);
    testing_turns();
    testing_assert_log("j:ok");
    assert_int_equal(eddy_queue_task_done(&queue), -EINVAL);
}

test(a_join_waits_for_what_was_taken_before_the_rest_was_dropped)
{
    init(int);
    try_put(1);
    try_put(2);
    assert_int_equal(try_get(), 1);
    start(joiner, .name = "j");
    testing_turns();
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DROP);
    testing_turns();
    testing_assert_log("");
    assert_int_equal(eddy_queue_task_done(&queue), 0);
    testing_turns();
    testing_assert_log("j:ok");
}

test(what_drains_can_still_be_dropped)
{
    init(int);
    try_put(1);
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DRAIN);
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DROP);
    assert_int_equal(get_result(), -ESHUTDOWN);
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DRAIN);
    assert_int_equal(get_result(), -ESHUTDOWN);
}

/* ---- fini */

test(fini_wakes_all_who_wait)
{
    init(int);
    try_put(1);
    assert_int_equal(try_get(), 1);
    start(getter, .name = "g");
    start(joiner, .name = "j");
    testing_turns();
    eddy_queue_fini(&queue);
    testing_turns();
    testing_assert_log("g:ESHUTDOWN j:ESHUTDOWN");
}

test(who_comes_after_fini_gets_the_same)
{
    init(int);
    try_put(1);
    eddy_queue_fini(&queue);
    assert_int_equal(put_result(), -ESHUTDOWN);
    assert_int_equal(get_result(), -ESHUTDOWN);
    assert_int_equal(eddy_queue_task_done(&queue), -EINVAL);
    start(putter, .name = "p");
    start(getter, .name = "g");
    start(joiner, .name = "j");
    testing_turns();
    testing_assert_log("p:ESHUTDOWN g:ESHUTDOWN j:ESHUTDOWN");
}

test(fini_of_what_is_not_initialized_does_nothing)
{
    eddy_queue_fini(&queue);
    init(int);
    eddy_queue_fini(&queue);
    eddy_queue_fini(&queue);
}

test(a_queue_can_be_initialized_again_after_fini_only)
{
    init(int);
    try_put(1);
    assert_int_equal(eddy_queue_init(testing.loop, &queue, int), -EINVAL);
    assert_int_equal(try_get(), 1);
    eddy_queue_fini(&queue);
    init(char, .capacity = 1);
    assert_int_equal(eddy_queue_count(&queue), 0);
}

test(a_queue_gives_its_memory_back_to_its_loop)
{
    size_t bytes;

    for (int round = 0; round < 100; round++) {
        init(int);
        for (int i = 0; i < 3000; i++) {
            try_put(i);
        }
        eddy_queue_fini(&queue);
        bytes = round == 0 ? testing.memory.bytes : bytes;
        assert_int_equal(testing.memory.bytes, bytes);
    }
}

/* ---- the end of the loop */

test(a_queue_ends_with_its_loop)
{
    init(int);
    try_put(1);
    testing_free();
    assert_int_equal(put_result(), -ESHUTDOWN);
    assert_int_equal(get_result(), -ESHUTDOWN);
    eddy_queue_fini(&queue);
    testing_reopen();
    init(int);
    try_put(2);
    assert_int_equal(try_get(), 2);
}

/* In its finally it waits for ever, so that it is cut off. */
eddy_frame(waits_in_finally) {
    eddy_coro co;
    int number;
};

static void waits_in_finally(eddy_coro *co)
{
    eddy_begin(waits_in_finally);
    eddy_await(eddy_queue_get(co, &queue, &self->number));
eddy_finally:
    eddy_catch(self->number, eddy_queue_get(co, &queue, &self->number));
    testing_log("not reached");
    eddy_end;
}

test(a_task_that_is_cut_off_while_it_waits_does_not_run_again)
{
    init(int);
    start(waits_in_finally);
    testing_turns();
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    assert_told(-ETIMEDOUT, "was cut off in its cleanup");
    testing_assert_log("");
    assert_int_equal(put_result(), -ESHUTDOWN);
}

/* ---- in a frame */

eddy_frame(has_a_queue) {
    eddy_coro co;
    eddy_queue queue;
    bool forgets;
};

static void has_a_queue(eddy_coro *co)
{
    eddy_begin(has_a_queue);
    eddy_await(eddy_queue_init(eddy_loop_of(co), &self->queue, int));
    eddy_return(5);
eddy_finally:
    if (!self->forgets) {
        eddy_queue_fini(&self->queue);
    }
    eddy_end;
}

static void forget_a_queue(void *unused)
{
    (void)unused;
    (void)run(has_a_queue, .forgets = true);
}

test(a_queue_in_a_frame_that_ends_aborts)
{
    testing_expect_abort(forget_a_queue, NULL,
                         "has_a_queue: the coroutine ends although a stream, reader, writer, "
                         "server, file, watch of files, process, eddy_fd, queue or "
                         "group in its frame is still open");
}

test(a_queue_in_a_frame_that_ends_it_is_fine)
{
    assert_int_equal(run(has_a_queue), 5);
}

eddy_frame(makes_a_queue_for_others) {
    eddy_coro co;
};

static void makes_a_queue_for_others(eddy_coro *co)
{
    eddy_begin(makes_a_queue_for_others);
    eddy_await(eddy_queue_init(eddy_loop_of(co), &queue, int));
    eddy_end;
}

test(a_queue_elsewhere_outlives_the_task_that_made_it)
{
    assert_int_equal(run(makes_a_queue_for_others), 0);
    try_put(1);
    assert_int_equal(try_get(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        queue_case(a_join_of_a_queue_that_never_had_an_item_does_not_wait),
        queue_case(a_join_waits_until_every_item_is_done),
        queue_case(an_item_that_is_handed_over_is_to_be_done_too),
        queue_case(an_item_counts_from_when_it_is_in_the_queue),
        queue_case(a_join_whose_time_is_up_leaves_the_queue_as_it_is),
        queue_case(more_done_than_put_is_einval),
        queue_case(a_queue_that_drains_gives_what_it_has_and_takes_no_more),
        queue_case(puts_that_wait_when_a_queue_is_shut_down_fail_and_their_items_are_not_in),
        queue_case(gets_that_wait_when_a_queue_is_shut_down_fail),
        queue_case(a_join_goes_on_while_a_queue_drains),
        queue_case(a_queue_that_is_dropped_is_empty_at_once),
        queue_case(what_is_dropped_is_done),
        queue_case(a_join_waits_for_what_was_taken_before_the_rest_was_dropped),
        queue_case(what_drains_can_still_be_dropped),
        queue_case(fini_wakes_all_who_wait),
        queue_case(who_comes_after_fini_gets_the_same),
        queue_case(fini_of_what_is_not_initialized_does_nothing),
        queue_case(a_queue_can_be_initialized_again_after_fini_only),
        queue_case(a_queue_gives_its_memory_back_to_its_loop),
        queue_case(a_queue_ends_with_its_loop),
        queue_case(a_task_that_is_cut_off_while_it_waits_does_not_run_again),
        queue_case(a_queue_in_a_frame_that_ends_aborts),
        queue_case(a_queue_in_a_frame_that_ends_it_is_fine),
        queue_case(a_queue_elsewhere_outlives_the_task_that_made_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
