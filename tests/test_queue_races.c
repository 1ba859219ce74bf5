/* queue.h: what comes first is the outcome, and no item is lost to what comes second (rule 4). */
#include "support/queues.h"
#include "support/races.h"

#define count_of(array) (sizeof(array) / sizeof *(array))

/* The first event gives the result; a cancel that comes second stays for the next await. */
static const struct race races[] = {
    {"wake", "time-out", "ok"},
    {"wake", "cancel", "ok then ECANCELED"},
    {"wake", "shutdown", "ok"},
    {"time-out", "wake", "ETIMEDOUT"},
    {"time-out", "cancel", "ETIMEDOUT then ECANCELED"},
    {"time-out", "shutdown", "ETIMEDOUT"},
    {"cancel", "wake", "ECANCELED"},
    {"cancel", "time-out", "ECANCELED"},
    {"cancel", "shutdown", "ECANCELED"},
    {"shutdown", "wake", "ESHUTDOWN"},
    {"shutdown", "time-out", "ESHUTDOWN"},
    {"shutdown", "cancel", "ESHUTDOWN then ECANCELED"},
};

/* ---- a get */

static struct {
    int got; /* by the get that is raced for */
    int put; /* how many items went in */
} get_case;

static void set_up_get(void)
{
    memset(&get_case, 0, sizeof get_case);
    init(int);
}

static int64_t wait_get(eddy_coro *co)
{
    return eddy_queue_get(co, &queue, &get_case.got);
}

static void happen_to_get(const char *event)
{
    int number = 7;

    if (strcmp(event, "wake") == 0) {
        get_case.put += eddy_queue_try_put(&queue, &number) == 0;
    } else {
        eddy_queue_shutdown(&queue, EDDY_QUEUE_DRAIN);
    }
}

/* What was put is with the getter if it succeeded, and else in the queue. */
static void tear_down_get(void)
{
    assert_int_equal(get_case.got, race_succeeded() ? 7 : 0);
    assert_int_equal(get_case.put, race_succeeded() + (int)eddy_queue_count(&queue));
    eddy_queue_fini(&queue);
}

test(a_get_has_the_outcome_of_what_came_first_and_no_item_is_lost)
{
    const struct race_operation get = {set_up_get, wait_get, happen_to_get, tear_down_get};

    run_races(&get, races, count_of(races));
}

/* ---- a put */

static struct {
    int number;    /* of the put that is raced for */
    bool taken[2]; /* by number: what came out */
} put_case;

static void set_up_put(void)
{
    memset(&put_case, 0, sizeof put_case);
    init(int, .capacity = 1);
    try_put(0);
    put_case.number = 1;
}

static int64_t wait_put(eddy_coro *co)
{
    return eddy_queue_put(co, &queue, &put_case.number);
}

static bool take(void)
{
    int number = try_get();

    if (number >= 0) {
        assert_false(put_case.taken[number]);
        put_case.taken[number] = true;
    }
    return number >= 0;
}

static void happen_to_put(const char *event)
{
    if (strcmp(event, "wake") == 0) {
        take();
    } else {
        eddy_queue_shutdown(&queue, EDDY_QUEUE_DRAIN);
    }
}

/* The item is in the queue if the put succeeded, and only then. */
static void tear_down_put(void)
{
    while (take()) {}
    assert_true(put_case.taken[0]);
    assert_int_equal(put_case.taken[1], race_succeeded());
    eddy_queue_fini(&queue);
}

test(a_put_has_the_outcome_of_what_came_first_and_its_item_is_in_if_it_succeeded)
{
    const struct race_operation put = {set_up_put, wait_put, happen_to_put, tear_down_put};

    run_races(&put, races, count_of(races));
}

/* ---- a join */

static void set_up_join(void)
{
    init(int);
    try_put(1);
    assert_int_equal(try_get(), 1);
}

static int64_t wait_join(eddy_coro *co)
{
    return eddy_queue_join(co, &queue);
}

static void happen_to_join(const char *event)
{
    if (strcmp(event, "wake") == 0) {
        eddy_queue_task_done(&queue);
    } else {
        eddy_queue_fini(&queue); /* no other shutdown ends a join whose items were taken */
    }
}

static void tear_down_join(void)
{
    eddy_queue_fini(&queue);
}

test(a_join_has_the_outcome_of_what_came_first)
{
    const struct race_operation join = {set_up_join, wait_join, happen_to_join, tear_down_join};

    run_races(&join, races, count_of(races));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        queue_case(a_get_has_the_outcome_of_what_came_first_and_no_item_is_lost),
        queue_case(a_put_has_the_outcome_of_what_came_first_and_its_item_is_in_if_it_succeeded),
        queue_case(a_join_has_the_outcome_of_what_came_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
