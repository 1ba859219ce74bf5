/* Queues and futures: what comes first is the outcome, and no item is lost to what comes second
 * (rules 4 to 8). */
#include "support/races.h"

#include "eddy/event.h"
#include "eddy/queue.h"

/* ---- queue */

static eddy_queue queue;
static int item;      /* of the racer: what it got, or puts */
static int put_count; /* how many items the rival has put */

static void open_queue(size_t capacity)
{
    memset(&queue, 0, sizeof queue);
    assert_int_equal(eddy_queue_init(testing.loop, &queue, int, .capacity = capacity), 0);
    item = 0;
    put_count = 0;
}

static void close_queue(void)
{
    eddy_queue_fini(&queue);
}

static void shut_down(eddy_coro *co)
{
    (void)co;
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DRAIN);
}

static void end_queue(eddy_coro *co)
{
    (void)co;
    eddy_queue_fini(&queue);
}

static void open_empty(eddy_coro *co)
{
    (void)co;
    open_queue(0);
}

static int64_t wait_get(eddy_coro *co)
{
    return eddy_queue_get(co, &queue, &item);
}

static void put_item(eddy_coro *co)
{
    int next = put_count + 1;

    (void)co;
    put_count += eddy_queue_try_put(&queue, &next) == 0;
}

static void log_get(void)
{
    testing_log("got %d of %d with %zu left", item, put_count, eddy_queue_count(&queue));
}

static const struct race_table get_races = {
    .operation = "queue get",
    .set_up = open_empty,
    .wait = wait_get,
    .wake = put_item,
    .close = shut_down,
    .log_left = log_get,
    .tear_down = close_queue,
    .pending = {"ECANCELED; got 0 of 0 with 0 left", "ECANCELED; got 0 of 0 with 0 left"},
    .cells =
        {
            [WAKE] = {"ok; got 1 of 2 with 1 left", "ok; got 1 of 1 with 0 left",
                      "ok, then ECANCELED; got 1 of 1 with 0 left", "ok; got 1 of 1 with 0 left"},
            [TIME_OUT] = {"ETIMEDOUT; got 0 of 1 with 1 left", ONE_DEADLINE,
                          "ECANCELED; got 0 of 0 with 0 left", "ETIMEDOUT; got 0 of 0 with 0 left"},
            [CANCEL] = {"ECANCELED; got 0 of 1 with 1 left", "ECANCELED; got 0 of 0 with 0 left",
                        "ECANCELED; got 0 of 0 with 0 left", "ECANCELED; got 0 of 0 with 0 left"},
            [CLOSE] = {"ESHUTDOWN; got 0 of 0 with 0 left", "ESHUTDOWN; got 0 of 0 with 0 left",
                       "ESHUTDOWN, then ECANCELED; got 0 of 0 with 0 left",
                       "ESHUTDOWN; got 0 of 0 with 0 left"},
        },
};

static void drop_all(eddy_coro *co)
{
    (void)co;
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DROP);
}

/* To who waits for an item, of which there is none, all ends of a queue are the same. */
test(a_get)
{
    struct race_table table = get_races;

    run_race_table(&table);
    table.close = drop_all;
    run_race_table(&table);
    table.close = end_queue;
    run_race_table(&table);
}

static int taken[4];
static int taken_count;

static void open_full(eddy_coro *co)
{
    int first = 1;

    (void)co;
    open_queue(1);
    assert_int_equal(eddy_queue_try_put(&queue, &first), 0);
    item = 2;
    taken_count = 0;
}

static int64_t wait_put(eddy_coro *co)
{
    return eddy_queue_put(co, &queue, &item);
}

static void take_item(eddy_coro *co)
{
    (void)co;
    taken_count += eddy_queue_try_get(&queue, &taken[taken_count]) == 0;
}

/* All items that went in, in the order in which they came out. */
static void log_put(void)
{
    while (eddy_queue_count(&queue) > 0) {
        take_item(NULL);
    }
    testing_log("<");
    for (int i = 0; i < taken_count; i++) {
        testing_log("%d", taken[i]);
    }
    testing_log(">");
}

static const struct race_table put_races = {
    .operation = "queue put",
    .set_up = open_full,
    .wait = wait_put,
    .wake = take_item,
    .close = shut_down,
    .log_left = log_put,
    .tear_down = close_queue,
    .pending = {"ECANCELED; < 1 >", "ECANCELED; < 1 >"},
    .cells =
        {
            [WAKE] = {"ok; < 1 2 >", "ok; < 1 2 >", "ok, then ECANCELED; < 1 2 >", "ok; < 1 2 >"},
            [TIME_OUT] = {"ETIMEDOUT; < 1 >", ONE_DEADLINE, "ECANCELED; < 1 >", "ETIMEDOUT; < 1 >"},
            [CANCEL] = {"ECANCELED; < 1 >", "ECANCELED; < 1 >", "ECANCELED; < 1 >",
                        "ECANCELED; < 1 >"},
            [CLOSE] = {"ESHUTDOWN; < 1 >", "ESHUTDOWN; < 1 >", "ESHUTDOWN, then ECANCELED; < 1 >",
                       "ESHUTDOWN; < 1 >"},
        },
};

test(a_put)
{
    run_race_table(&put_races);
}

static void open_taken(eddy_coro *co)
{
    open_full(co);
    take_item(co);
}

static int64_t wait_done(eddy_coro *co)
{
    return eddy_queue_join(co, &queue);
}

static void tell_done(eddy_coro *co)
{
    (void)co;
    (void)eddy_queue_task_done(&queue);
}

static void log_done(void)
{
    testing_log("%d to do", (int)queue.unfinished);
}

static const struct race_table done_races = {
    .operation = "queue join",
    .set_up = open_taken,
    .wait = wait_done,
    .wake = tell_done,
    .close = end_queue, /* no other end is one for a join whose items were taken */
    .log_left = log_done,
    .tear_down = close_queue,
    .pending = {"ECANCELED; 1 to do", "ECANCELED; 1 to do"},
    .cells =
        {
            [WAKE] = {"ok; 0 to do", "ok; 0 to do", "ok, then ECANCELED; 0 to do", "ok; 0 to do"},
            [TIME_OUT] = {"ETIMEDOUT; 0 to do", ONE_DEADLINE, "ECANCELED; 1 to do",
                          "ETIMEDOUT; 0 to do"},
            [CANCEL] = {"ECANCELED; 0 to do", "ECANCELED; 1 to do", "ECANCELED; 1 to do",
                        "ECANCELED; 0 to do"},
            [CLOSE] = {"ESHUTDOWN; 0 to do", "ESHUTDOWN; 0 to do",
                       "ESHUTDOWN, then ECANCELED; 0 to do", "ESHUTDOWN; 0 to do"},
        },
};

test(a_join_of_a_queue)
{
    run_race_table(&done_races);
}

/* ---- future */

static eddy_future future;

static void reset_future(eddy_coro *co)
{
    (void)co;
    memset(&future, 0, sizeof future);
}

static int64_t wait_future(eddy_coro *co)
{
    return eddy_future_wait(co, &future);
}

static void set_future(eddy_coro *co)
{
    (void)co;
    (void)eddy_future_set(&future, 7);
}

static void fail_future(eddy_coro *co)
{
    (void)co;
    (void)eddy_future_set(&future, -EIO);
}

static void log_future(void)
{
    testing_log("%d", (int)eddy_future_result(&future));
}

#define EMPTY "-11" /* -EAGAIN */
#define FAILED "-5" /* -EIO */

static const struct race_table future_races = {
    .operation = "future",
    .set_up = reset_future,
    .wait = wait_future,
    .wake = set_future,
    .close = fail_future,
    .log_left = log_future,
    .pending = {"ECANCELED; -11", "ECANCELED; -11"},
    .cells =
        {
            [WAKE] = {"ok; 7", "ok; 7", "ok, then ECANCELED; 7", "ok; 7"},
            [TIME_OUT] = {"ETIMEDOUT; 7", ONE_DEADLINE, "ECANCELED; " EMPTY, "ETIMEDOUT; " FAILED},
            [CANCEL] = {"ECANCELED; 7", "ECANCELED; " EMPTY, "ECANCELED; " EMPTY,
                        "ECANCELED; " FAILED},
            [CLOSE] = {"EIO; " FAILED, "EIO; " FAILED, "EIO, then ECANCELED; " FAILED,
                       "EIO; " FAILED},
        },
};

test(a_future)
{
    run_race_table(&future_races);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_get),
        testing_case(a_put),
        testing_case(a_join_of_a_queue),
        testing_case(a_future),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
