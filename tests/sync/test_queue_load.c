/* queue.h: a million items through a small queue, and no memory for it. */
#include "support/queues.h"

#include <stdlib.h>

#include "eddy/group.h"

/* ---- a million items */

enum { TASKS = 100, ITEMS = 10000, ROOM = 16 }; /* ITEMS a producer */

struct product {
    int producer;
    int number;
};

static struct {
    eddy_group producers, consumers;
    unsigned char seen[TASKS][ITEMS];
    long consumed;
} load;

eddy_frame(produces) {
    eddy_coro co;
    struct product product;
};

static void produces(eddy_coro *co)
{
    eddy_begin(produces);
    for (; self->product.number < ITEMS; self->product.number++) {
        eddy_await(eddy_queue_put(co, &queue, &self->product));
    }
    eddy_end;
}

/* Sees the items of each producer in their order, others' in between. */
eddy_frame(consumes) {
    eddy_coro co;
    struct product product;
    int next[TASKS]; /* by producer: the least number that may come */
    int64_t rc;
};

static void consumes(eddy_coro *co)
{
    eddy_begin(consumes);
    for (;;) {
        eddy_except(-ESHUTDOWN, eddy_queue_get(co, &queue, &self->product)) {
            eddy_return(0);
        }
        assert_true(self->product.number >= self->next[self->product.producer]);
        self->next[self->product.producer] = self->product.number + 1;
        load.seen[self->product.producer][self->product.number]++;
        load.consumed++;
        assert_int_equal(eddy_queue_task_done(&queue), 0);
        assert_true(eddy_queue_count(&queue) <= ROOM);
    }
    eddy_end;
}

eddy_frame(runs_all) {
    eddy_coro co;
    int consumers;
};

static void runs_all(eddy_coro *co)
{
    eddy_begin(runs_all);
    for (int i = 0; i < TASKS; i++) {
        eddy_group_spawn(co, &load.producers, produces, .product = {.producer = i});
    }
    for (int i = 0; i < self->consumers; i++) {
        eddy_group_spawn(co, &load.consumers, consumes);
    }
    eddy_await(eddy_group_wait(co, &load.producers));
    eddy_await(eddy_queue_join(co, &queue));
    assert_int_equal(load.consumed, (long)TASKS * ITEMS);
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DRAIN);
    eddy_await(eddy_group_wait(co, &load.consumers));
    eddy_end;
}

/* Without what the kit does after each step and turn, of which there are too many here. */
static void run_load(int consumers)
{
    testing.options.flags = 0;
    testing_reopen();
    memset(&load, 0, sizeof load);
    init(struct product, .capacity = ROOM);
    assert_int_equal(run(runs_all, .consumers = consumers), 0);
    for (int i = 0; i < TASKS; i++) {
        for (int j = 0; j < ITEMS; j++) {
            assert_int_equal(load.seen[i][j], 1);
        }
    }
    eddy_queue_fini(&queue);
}

test(a_million_items_between_a_hundred_producers_and_a_hundred_consumers)
{
    run_load(TASKS);
}

test(one_consumer_sees_the_items_of_each_of_a_hundred_producers_in_order)
{
    run_load(1);
}

/* ---- no memory */

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Tries to put 1, 2, ... until `most` are in or memory has failed often; all that are in come
 * out, in order. */
static void fill_and_empty(int most)
{
    int number = 0;
    int result = 0;

    for (int failed = 0; number < most && failed < 3;) {
        number++;
        result = (int)eddy_queue_try_put(&queue, &number);
        assert_true(result == 0 || result == -ENOMEM);
        number -= result < 0;
        failed += result < 0;
    }
    assert_int_equal(eddy_queue_count(&queue), number);
    for (int i = 1; i <= number; i++) {
        assert_int_equal(try_get(), i);
    }
    assert_int_equal(try_get(), -1);
}

eddy_frame(makes_a_queue) {
    eddy_coro co;
    struct eddy_queue_options options;
    int64_t rc;
};

static void makes_a_queue(eddy_coro *co)
{
    eddy_begin(makes_a_queue);
    eddy_catch(self->rc,
               eddy_queue_init(eddy_loop_of(co), &queue, int, .capacity = self->options.capacity,
                               .kind = self->options.kind, .compare = self->options.compare));
    eddy_return(self->rc);
    eddy_end;
}

/* Whether the failing request was reached. */
static bool try_with_failing_memory(const struct eddy_queue_options *options, unsigned k, bool on)
{
    unsigned calls = testing.memory.calls;
    eddy_task task;
    int64_t result;

    memset(&queue, 0, sizeof queue);
    (on ? testing_fail_allocations_from : testing_fail_allocation)(k);
    task = start(makes_a_queue, .options = *options);
    result = finish(task);
    if (result == 0) {
        fill_and_empty(options->capacity != 0 ? (int)options->capacity : 30000);
    } else {
        assert_int_equal(result, -ENOMEM);
    }
    testing_fail_allocation(0);
    calls = testing.memory.calls - calls;
    if (result == 0) {
        fill_and_empty(options->capacity != 0 ? (int)options->capacity : 30000);
    }
    eddy_queue_fini(&queue);
    testing_reopen();
    return calls >= k;
}

static void sweep(const struct eddy_queue_options *options)
{
    unsigned k = 1;

    for (; try_with_failing_memory(options, k, false); k++) {}
    assert_true(k > 2);
    for (k = 1; try_with_failing_memory(options, k, true); k++) {}
    assert_true(k > 2);
}

test(whatever_allocation_fails_no_item_is_lost)
{
    const struct eddy_queue_options unbounded = {.capacity = 0};
    const struct eddy_queue_options bounded = {.capacity = 50000};
    const struct eddy_queue_options ordered = {.kind = EDDY_QUEUE_PRIORITY, .compare = by_number};

    sweep(&unbounded);
    sweep(&bounded);
    sweep(&ordered);
}

test(a_put_that_finds_no_memory_says_so_and_the_next_may_succeed)
{
    init(struct product);
    testing_fail_allocations_from(1);
    for (int i = 0; i < 100000; i++) {
        struct product product = {0, i};
        if (eddy_queue_try_put(&queue, &product) < 0) {
            testing_fail_allocation(0);
            assert_int_equal(eddy_queue_count(&queue), i);
            assert_int_equal(eddy_queue_try_put(&queue, &product), 0);
            assert_int_equal(eddy_queue_count(&queue), i + 1);
            return;
        }
    }
    fail_msg("memory was never short");
}

test(a_capacity_that_no_memory_could_hold_is_enomem)
{
    assert_int_equal(
        eddy_queue_init(testing.loop, &queue, struct product, .capacity = SIZE_MAX / 4), -ENOMEM);
    assert_int_equal(eddy_queue_init(testing.loop, &queue, struct product, .capacity = SIZE_MAX),
                     -ENOMEM);
    init(int, .capacity = 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        queue_case(a_million_items_between_a_hundred_producers_and_a_hundred_consumers),
        queue_case(one_consumer_sees_the_items_of_each_of_a_hundred_producers_in_order),
        queue_case(whatever_allocation_fails_no_item_is_lost),
        queue_case(a_put_that_finds_no_memory_says_so_and_the_next_may_succeed),
        queue_case(a_capacity_that_no_memory_could_hold_is_enomem),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
