/* queue.h: the kinds of queue, items of any size, and all of it against a model (rules 4 and 5). */
#include "support/queues.h"

#include <stdlib.h>

/* ---- the last first */

test(of_a_lifo_the_last_item_comes_out_first)
{
    init(int, .kind = EDDY_QUEUE_LIFO);
    for (int i = 0; i < 20; i++) {
        try_put(i);
    }
    for (int i = 19; i >= 0; i--) {
        assert_int_equal(try_get(), i);
    }
}

test(an_item_that_waits_for_room_in_a_lifo_goes_on_top_when_there_is_some)
{
    init(int, .capacity = 2, .kind = EDDY_QUEUE_LIFO);
    start(putter, .name = "p", .first = 1, .count = 4);
    testing_turns();
    testing_assert_log("p+1 p+2");
    assert_int_equal(try_get(), 2); /* what waits is not in yet */
    testing_turns();
    testing_assert_log("p+3");
    log_rest();
    testing_turns();
    testing_assert_log("< 3 4 1 > p+4");
}

test(a_getter_that_waits_for_a_lifo_is_given_the_next_item)
{
    init(int, .kind = EDDY_QUEUE_LIFO);
    start(getter, .name = "a");
    testing_turns();
    try_put(1);
    try_put(2);
    testing_turns();
    testing_assert_log("a-1");
    assert_int_equal(try_get(), 2);
}

/* ---- the least first */

/* Ordered by their tens only. */
static int by_tens(const void *a, const void *b)
{
    int left = *(const int *)a / 10;
    int right = *(const int *)b / 10;

    return (left > right) - (left < right);
}

test(of_a_priority_queue_the_least_comes_out_first)
{
    const int numbers[] = {50, 20, 90, 10, 70, 30, 80, 40, 60, 0};

    init(int, .kind = EDDY_QUEUE_PRIORITY, .compare = by_tens);
    for (int i = 0; i < 10; i++) {
        try_put(numbers[i]);
    }
    log_rest();
    testing_assert_log("< 0 10 20 30 40 50 60 70 80 90 >");
}

test(equal_items_of_a_priority_queue_come_out_in_the_order_in_which_they_went_in)
{
    init(int, .kind = EDDY_QUEUE_PRIORITY, .compare = by_tens);
    for (int i = 0; i < 8; i++) {
        try_put(27 - i);
        try_put(10 + i);
    }
    log_rest();
    testing_assert_log("< 10 11 12 13 14 15 16 17 27 26 25 24 23 22 21 20 >");
}

test(an_item_that_waits_for_room_in_a_priority_queue_is_in_its_place_when_there_is_some)
{
    init(int, .capacity = 2, .kind = EDDY_QUEUE_PRIORITY, .compare = by_tens);
    try_put(50);
    try_put(30);
    start(putter, .name = "p", .first = 10);
    start(putter, .name = "q", .first = 40);
    testing_turns();
    log_rest();
    testing_turns();
    testing_assert_log("< 30 10 40 50 > p+10 q+40");
}

test(kind_and_compare_must_fit)
{
    eddy_loop *loop = testing.loop;

    assert_int_equal(eddy_queue_init(loop, &queue, int, .kind = EDDY_QUEUE_PRIORITY), -EINVAL);
    assert_int_equal(eddy_queue_init(loop, &queue, int, .compare = by_tens), -EINVAL);
    assert_int_equal(
        eddy_queue_init(loop, &queue, int, .kind = EDDY_QUEUE_LIFO, .compare = by_tens), -EINVAL);
    assert_int_equal(eddy_queue_init(loop, &queue, int, .kind = (enum eddy_queue_kind)99), -EINVAL);
}

/* ---- items of any size */

static int by_first_byte(const void *a, const void *b)
{
    return *(const unsigned char *)a - *(const unsigned char *)b;
}

/* Puts and gets items that are filled with a byte, by way of a ring that goes round. */
#define ASSERT_WHOLE(type, ...)                                         \
    do {                                                                \
        static struct {                                                 \
            char before;                                                \
            type item;                                                  \
            char after;                                                 \
        } in, out;                                                      \
        init(type, __VA_ARGS__);                                        \
        for (int i = 0; i < 40; i++) {                                  \
            memset(&in, i, sizeof in);                                  \
            memset(&out, 0xEE, sizeof out);                             \
            assert_int_equal(eddy_queue_try_put(&queue, &in.item), 0);  \
            assert_int_equal(eddy_queue_try_put(&queue, &in.item), 0);  \
            assert_int_equal(eddy_queue_try_get(&queue, &out.item), 0); \
            memset(&in.item, i / 2, sizeof in.item);                    \
            assert_memory_equal(&out.item, &in.item, sizeof in.item);   \
            assert_int_equal((unsigned char)out.before, 0xEE);          \
            assert_int_equal((unsigned char)out.after, 0xEE);           \
        }                                                               \
        eddy_queue_fini(&queue);                                        \
    } while (0)

struct three {
    char bytes[3];
};

struct many {
    long double numbers[10];
};

struct huge {
    char bytes[200001];
};

test(items_of_any_size_go_through_whole)
{
    ASSERT_WHOLE(char, .kind = EDDY_QUEUE_FIFO);
    ASSERT_WHOLE(struct three, .kind = EDDY_QUEUE_FIFO);
    ASSERT_WHOLE(void *, .kind = EDDY_QUEUE_FIFO);
    ASSERT_WHOLE(struct many, .kind = EDDY_QUEUE_FIFO);
    ASSERT_WHOLE(struct huge, .capacity = 41);
    ASSERT_WHOLE(char, .kind = EDDY_QUEUE_PRIORITY, .compare = by_first_byte);
    ASSERT_WHOLE(struct three, .kind = EDDY_QUEUE_PRIORITY, .compare = by_first_byte);
    ASSERT_WHOLE(struct many, .kind = EDDY_QUEUE_PRIORITY, .compare = by_first_byte);
    ASSERT_WHOLE(struct huge, .kind = EDDY_QUEUE_PRIORITY, .compare = by_first_byte);
}

static int checks_alignment(const void *a, const void *b)
{
    assert_int_equal((uintptr_t)a % _Alignof(long double), 0);
    assert_int_equal((uintptr_t)b % _Alignof(long double), 0);
    return 0;
}

test(compare_sees_items_that_are_aligned)
{
    static struct many item;

    init(struct many, .kind = EDDY_QUEUE_PRIORITY, .compare = checks_alignment);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(eddy_queue_try_put(&queue, &item), 0);
    }
    for (int i = 0; i < 40; i++) {
        assert_int_equal(eddy_queue_try_get(&queue, &item), 0);
    }
}

/* ---- random operations against a model */

enum { WAITERS = 12, MOST_ITEMS = 200 };

struct item {
    int priority;
    int number; /* no two items have the same */
};

static int by_priority(const void *a, const void *b)
{
    return ((const struct item *)a)->priority - ((const struct item *)b)->priority;
}

/* A task that puts or gets one item, as it is and as it should be. */
struct waiter {
    eddy_task task;
    bool active; /* not known to have ended */
    bool puts;
    struct item item;
    int64_t result; /* EDDY_PENDING: it waits */
    int64_t expected;
    struct item expected_item;
};

static struct {
    uint64_t seed, random;
    enum eddy_queue_kind kind;
    int capacity;
    int number; /* of the newest item */
    struct waiter waiters[WAITERS];
    /* The model: */
    struct item items[MOST_ITEMS];
    int count;
    struct waiter *line[WAITERS];
    int waiting;
} model;

static int random_below(int limit)
{
    return (int)(testing_random(&model.random) % (unsigned)limit);
}

#define model_assert(condition)                                                    \
    do {                                                                           \
        if (!(condition)) {                                                        \
            fail_msg("seed %llu: %s", (unsigned long long)model.seed, #condition); \
        }                                                                          \
    } while (0)

static struct item new_item(void)
{
    struct item item = {random_below(4), ++model.number};

    return item;
}

static void remove_from_line(int index)
{
    model.waiting--;
    memmove(&model.line[index], &model.line[index + 1],
            (size_t)(model.waiting - index) * sizeof model.line[0]);
}

/* What is put goes to who waits for it, or to the end of the array. */
static bool model_put(struct item item)
{
    if (model.waiting > 0 && !model.line[0]->puts) {
        model.line[0]->expected = 0;
        model.line[0]->expected_item = item;
        remove_from_line(0);
        return true;
    }
    if (model.capacity != 0 && model.count == model.capacity) {
        return false;
    }
    model.items[model.count++] = item;
    return true;
}

static int next_out(void)
{
    int next = 0;

    if (model.kind == EDDY_QUEUE_LIFO) {
        return model.count - 1;
    }
    for (int i = 1; i < model.count && model.kind == EDDY_QUEUE_PRIORITY; i++) {
        next = model.items[i].priority < model.items[next].priority ? i : next;
    }
    return next;
}

static bool model_get(struct item *item)
{
    int next = next_out();

    if (model.count == 0) {
        return false;
    }
    *item = model.items[next];
    model.count--;
    memmove(&model.items[next], &model.items[next + 1],
            (size_t)(model.count - next) * sizeof model.items[0]);
    if (model.waiting > 0) {
        model.items[model.count++] = model.line[0]->item;
        model.line[0]->expected = 0;
        remove_from_line(0);
    }
    return true;
}

eddy_frame(operates) {
    eddy_coro co;
    struct waiter *waiter;
};

static void operates(eddy_coro *co)
{
    eddy_begin(operates);
    if (self->waiter->puts) {
        eddy_catch(self->waiter->result, eddy_queue_put(co, &queue, &self->waiter->item));
    } else {
        eddy_catch(self->waiter->result, eddy_queue_get(co, &queue, &self->waiter->item));
    }
    eddy_end;
}

static void start_waiter(struct waiter *waiter)
{
    memset(waiter, 0, sizeof *waiter);
    waiter->active = true;
    waiter->puts = random_below(2) == 0;
    waiter->result = EDDY_PENDING;
    waiter->expected = EDDY_PENDING;
    if (waiter->puts) {
        waiter->item = new_item();
        waiter->expected = model_put(waiter->item) ? 0 : EDDY_PENDING;
    } else {
        waiter->expected = model_get(&waiter->expected_item) ? 0 : EDDY_PENDING;
    }
    if (waiter->expected == EDDY_PENDING) {
        model.line[model.waiting++] = waiter;
    }
    waiter->task = start(operates, .waiter = waiter);
}

/* One that has its result already keeps it. */
static void cancel_waiter(struct waiter *waiter)
{
    eddy_cancel(waiter->task);
    for (int i = 0; i < model.waiting; i++) {
        if (model.line[i] == waiter) {
            waiter->expected = -ECANCELED;
            remove_from_line(i);
            return;
        }
    }
}

static void check_waiter(struct waiter *waiter)
{
    model_assert(waiter->result == waiter->expected);
    if (waiter->result == 0 && !waiter->puts) {
        model_assert(waiter->item.number == waiter->expected_item.number);
    }
    if (waiter->result != EDDY_PENDING) {
        model_assert(finish(waiter->task) == 0);
        waiter->active = false;
    }
}

static void try_to_put(void)
{
    struct item item = new_item();
    bool expected = model_put(item);

    model_assert(eddy_queue_try_put(&queue, &item) == (expected ? 0 : -EAGAIN));
}

static void try_to_get(void)
{
    struct item item;
    struct item expected_item;
    bool expected = model_get(&expected_item);

    model_assert(eddy_queue_try_get(&queue, &item) == (expected ? 0 : -EAGAIN));
    model_assert(!expected || item.number == expected_item.number);
}

/* One thing happens; often the tasks run only after several have. */
static void do_something(void)
{
    struct waiter *waiter = &model.waiters[random_below(WAITERS)];

    switch (random_below(5)) {
    case 0:
        if (model.count < MOST_ITEMS - WAITERS) {
            try_to_put();
        }
        break;
    case 1:
        try_to_get();
        break;
    case 2:
        if (waiter->active) {
            cancel_waiter(waiter);
        }
        break;
    default:
        if (!waiter->active && model.count < MOST_ITEMS - WAITERS) {
            testing_turns(); /* so that it is its turn at once */
            start_waiter(waiter);
            testing_turns();
        }
        break;
    }
    if (random_below(3) == 0) {
        testing_turns();
        for (int i = 0; i < WAITERS; i++) {
            if (model.waiters[i].active) {
                check_waiter(&model.waiters[i]);
            }
        }
    }
    model_assert((int)eddy_queue_count(&queue) == model.count);
    model_assert(eddy_queue_full(&queue) == (model.capacity != 0 && model.count == model.capacity));
}

static void end_model(void)
{
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DRAIN);
    while (model.waiting > 0) {
        model.line[0]->expected = -ESHUTDOWN;
        remove_from_line(0);
    }
    testing_turns();
    for (int i = 0; i < WAITERS; i++) {
        if (model.waiters[i].active) {
            check_waiter(&model.waiters[i]);
        }
    }
    while (model.count > 0) {
        try_to_get();
    }
    eddy_queue_fini(&queue);
}

static void compare_with_model(enum eddy_queue_kind kind, uint64_t seed)
{
    memset(&model, 0, sizeof model);
    model.seed = seed;
    model.random = seed;
    model.kind = kind;
    model.capacity = random_below(6);
    init(struct item, .capacity = (size_t)model.capacity, .kind = kind,
         .compare = kind == EDDY_QUEUE_PRIORITY ? by_priority : NULL);
    for (int i = 0; i < 600; i++) {
        do_something();
    }
    end_model();
}

/* EDDY_TEST_SEED repeats a failure, or tries what nobody has tried. */
static void compare_with_model_often(enum eddy_queue_kind kind)
{
    const char *text = getenv("EDDY_TEST_SEED");
    uint64_t first = text != NULL ? strtoull(text, NULL, 10) : 1;

    for (uint64_t seed = first; seed < first + 30; seed++) {
        compare_with_model(kind, seed);
    }
}

test(random_operations_on_a_fifo_agree_with_a_model)
{
    compare_with_model_often(EDDY_QUEUE_FIFO);
}

test(random_operations_on_a_lifo_agree_with_a_model)
{
    compare_with_model_often(EDDY_QUEUE_LIFO);
}

test(random_operations_on_a_priority_queue_agree_with_a_model)
{
    compare_with_model_often(EDDY_QUEUE_PRIORITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        queue_case(of_a_lifo_the_last_item_comes_out_first),
        queue_case(an_item_that_waits_for_room_in_a_lifo_goes_on_top_when_there_is_some),
        queue_case(a_getter_that_waits_for_a_lifo_is_given_the_next_item),
        queue_case(of_a_priority_queue_the_least_comes_out_first),
        queue_case(equal_items_of_a_priority_queue_come_out_in_the_order_in_which_they_went_in),
        queue_case(
            an_item_that_waits_for_room_in_a_priority_queue_is_in_its_place_when_there_is_some),
        queue_case(kind_and_compare_must_fit),
        queue_case(items_of_any_size_go_through_whole),
        queue_case(compare_sees_items_that_are_aligned),
        queue_case(random_operations_on_a_fifo_agree_with_a_model),
        queue_case(random_operations_on_a_lifo_agree_with_a_model),
        queue_case(random_operations_on_a_priority_queue_agree_with_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
