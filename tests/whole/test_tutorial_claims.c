/*
 * What the tutorial claims of its programs, claim by claim (P01 to P20), in virtual time. That the
 * programs themselves print what they should is e2e/tutorial.sh; here stand their coroutines, with
 * something beside them that shows the claim.
 */
#include "support/net.h"
#include "support/tasks.h"

#include <dirent.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <eddy.h>

/* ---- sleeping, P01 and P02 */

/* Logs "name0", "name1", ... each with its time in tenths of a second, and sleeps after each. */
eddy_frame(counts) {
    eddy_coro co;
    const char *name;
    int times;
    int64_t pause;
    int i;
};

static int tenths(void)
{
    return (int)(testing.clock.now / (EDDY_SECOND / 10));
}

static void counts(eddy_coro *co)
{
    eddy_begin(counts);
    for (self->i = 0; self->i < self->times; self->i++) {
        testing_log("%s%d@%d", self->name, self->i, tenths());
        eddy_await(eddy_sleep(co, self->pause));
    }
    eddy_end;
}

test(p01_the_numbers_appear_one_second_apart)
{
    assert_int_equal(run(counts, .name = "", .times = 10, .pause = EDDY_SECOND), 0);
    testing_assert_log("0@0 1@10 2@20 3@30 4@40 5@50 6@60 7@70 8@80 9@90");
    assert_int_equal(tenths(), 100);
}

test(p02_a_sleeping_coroutine_does_not_block_the_others)
{
    start(counts, .name = "sleeper", .times = 1, .pause = EDDY_SECOND);
    start(counts, .name = "t", .times = 10, .pause = EDDY_SECOND / 10);
    testing_run();
    testing_assert_log("sleeper0@0 t0@0 t1@1 t2@2 t3@3 t4@4 t5@5 t6@6 t7@7 t8@8 t9@9");
}

/* ---- gathering, P03 and P04 */

eddy_frame(gathers_both) {
    eddy_coro co;
    eddy_task tasks[2];
};

static void gathers_both(eddy_coro *co)
{
    eddy_begin(gathers_both);
    self->tasks[0] = eddy_spawn(co, counts, .name = "n", .times = 10, .pause = EDDY_SECOND);
    self->tasks[1] = eddy_spawn(co, counts, .name = "l", .times = 10, .pause = EDDY_SECOND / 2);
    eddy_await(eddy_gather(co, self->tasks, 2));
    testing_log("both@%d", tenths());
    eddy_end;
}

test(p03_gather_runs_both_at_once_and_waits_for_both)
{
    assert_int_equal(run(gathers_both), 0);
    assert_int_equal(tenths(), 100); /* 10 s, not 15 */
    assert_non_null(strstr(testing.log, "n9@90 both@100"));
    testing.log[0] = '\0';
}

test(p04_two_letters_appear_between_two_numbers)
{
    assert_int_equal(run(gathers_both), 0);
    testing_assert_log("n0@0 l0@0 l1@5 n1@10 l2@10 l3@15 n2@20 l4@20 l5@25 n3@30 l6@30 l7@35 "
                       "n4@40 l8@40 l9@45 n5@50 n6@60 n7@70 n8@80 n9@90 both@100");
}

/* ---- a task that is cancelled by a time-out, P05 and P06; a coroutine, P16 and P17 */

eddy_frame(eternity) {
    eddy_coro co;
};

static void eternity(eddy_coro *co)
{
    eddy_begin(eternity);
    eddy_await(eddy_sleep(co, 3600 * EDDY_SECOND));
    testing_log("yay!");
eddy_finally:
    testing_log("gone@%d", tenths());
    eddy_end;
}

eddy_frame(waits_a_second) {
    eddy_coro co;
    eddy_task task; /* zeroed: calls eternity itself */
    int64_t rc;
};

static void waits_a_second(eddy_coro *co)
{
    eddy_begin(waits_a_second);
    if (self->task.record != NULL) {
        eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_join(co, self->task)));
    } else {
        eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_call(co, eternity)));
    }
    testing_log("timeout@%d", tenths());
    eddy_return(self->rc);
    eddy_end;
}

test(p05_the_time_out_appears_after_one_second)
{
    assert_int_equal(run(waits_a_second, .task = start(eternity)), -ETIMEDOUT);
    testing_assert_log("gone@10 timeout@10");
}

static eddy_task eternal;

/* Sees how eternity ends before the one who joins it does. */
static void on_done(eddy_done_callback *callback)
{
    testing_log("%s", callback->result == -ECANCELED ? "cancelled" : "not cancelled");
}

test(p06_eternity_is_cancelled_before_it_can_say_yay)
{
    static eddy_done_callback done;

    eternal = start(eternity);
    assert_int_equal(eddy_task_on_done(eternal, &done, on_done), 0);
    assert_int_equal(run(waits_a_second, .task = eternal), -ETIMEDOUT);
    testing_assert_log("gone@10 cancelled timeout@10");
    assert_true(eddy_task_done(eternal));
    testing_run(); /* nothing is left */
    assert_int_equal(tenths(), 10);
}

test(p16_a_coroutine_that_runs_too_long_is_stopped_and_gone)
{
    assert_int_equal(run(waits_a_second), -ETIMEDOUT);
    testing_assert_log("gone@10 timeout@10");
    testing_run();
    assert_int_equal(tenths(), 10);
}

test(p17_past_the_limit_it_is_a_time_out_and_no_cancel)
{
    eddy_task task = start(waits_a_second);

    assert_int_equal(run(waits_a_second), -ETIMEDOUT);
    assert_int_equal(finish(task), -ETIMEDOUT);
    testing_assert_log("gone@10 timeout@10 gone@10 timeout@10");
    task = start(waits_a_second);
    testing_turns();
    eddy_cancel(task); /* the other way round a cancel is no time-out */
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("gone@10 timeout@10");
}

/* ---- iterating, P07, P08 and P10 */

eddy_frame(range) {
    eddy_coro co;
    int end;
    bool sleeps_first; /* before each value; else after it */
    int i;
    int value;
};

static void range(eddy_coro *co)
{
    eddy_begin(range);
    for (; self->i < self->end; self->i++) {
        if (self->sleeps_first) {
            eddy_await(eddy_sleep(co, EDDY_SECOND));
        }
        eddy_yield(self->i);
        if (!self->sleeps_first) {
            eddy_await(eddy_sleep(co, EDDY_SECOND));
        }
    }
    eddy_end;
}

eddy_frame(prints_range) {
    eddy_coro co;
    bool sleeps_first;
    int i;
};

static void prints_range(eddy_coro *co)
{
    eddy_begin(prints_range);
    eddy_for_each(self->i, range, .end = 3, .sleeps_first = self->sleeps_first) {
        testing_log("%d@%d", self->i, tenths());
    }
    testing_log("end@%d", tenths());
    eddy_end;
}

test(p07_the_iterator_gives_three_numbers_a_second_apart_and_ends)
{
    assert_int_equal(run(prints_range, .sleeps_first = true), 0);
    testing_assert_log("0@10 1@20 2@30 end@30");
}

test(p08_an_iteration_waits_beside_other_tasks)
{
    eddy_task iteration = start(prints_range, .sleeps_first = true);

    start(counts, .name = "t", .times = 7, .pause = EDDY_SECOND / 2);
    assert_int_equal(finish(iteration), 0);
    testing_assert_log("t0@0 t1@5 0@10 t2@10 t3@15 1@20 t4@20 t5@25 2@30 end@30 t6@30");
}

test(p10_the_generator_waits_a_second_between_its_yields)
{
    assert_int_equal(run(prints_range), 0);
    testing_assert_log("0@0 1@10 2@20 end@30");
}

/* ---- a context manager, P09 */

eddy_frame(context) {
    eddy_coro co;
};

static void context(eddy_coro *co)
{
    eddy_begin(context);
    testing_log("entering");
    eddy_body;
eddy_finally:
    testing_log("exiting");
    eddy_end;
}

eddy_frame(uses_context) {
    eddy_coro co;
    int64_t result;
};

static void uses_context(eddy_coro *co)
{
    eddy_begin(uses_context);
    eddy_with(context) {
        testing_log("inside");
        eddy_await(give(co, self->result));
    }
    eddy_end;
}

test(p09_entering_inside_exiting_also_if_the_body_fails)
{
    assert_int_equal(run(uses_context), 0);
    testing_assert_log("entering inside exiting");
    assert_int_equal(run(uses_context, .result = -EIO), -EIO);
    testing_assert_log("entering inside exiting");
}

/* ---- a queue, P11 and P12 */

static eddy_queue queue;

eddy_frame(produces) {
    eddy_coro co;
    int i;
};

static void produces(eddy_coro *co)
{
    eddy_begin(produces);
    for (self->i = 0; self->i < 5; self->i++) {
        eddy_await(eddy_sleep(co, EDDY_SECOND));
        eddy_await(eddy_queue_put(co, &queue, &self->i));
        testing_log("p%d@%d", self->i, tenths());
    }
    eddy_end;
}

eddy_frame(consumes) {
    eddy_coro co;
    int product;
};

static void consumes(eddy_coro *co)
{
    eddy_begin(consumes);
    for (;;) {
        eddy_await(eddy_queue_get(co, &queue, &self->product));
        testing_log("c%d@%d", self->product, tenths());
        eddy_queue_task_done(&queue);
    }
    eddy_end;
}

eddy_frame(produces_and_consumes) {
    eddy_coro co;
    eddy_task consumer;
};

static void produces_and_consumes(eddy_coro *co)
{
    eddy_begin(produces_and_consumes);
    self->consumer = eddy_spawn(co, consumes);
    eddy_await(eddy_call(co, produces));
    eddy_await(eddy_queue_join(co, &queue));
    eddy_cancel(self->consumer);
    eddy_except(-ECANCELED, eddy_join(co, self->consumer)) {}
    eddy_end;
}

static void run_queue(void)
{
    assert_int_equal(eddy_queue_init(testing.loop, &queue, int), 0);
    assert_int_equal(run(produces_and_consumes), 0);
    eddy_queue_fini(&queue);
}

/* Takes the words away that do not begin with that letter. */
static void keep_words(char letter)
{
    char kept[sizeof testing.log] = "";
    char *rest = NULL;

    for (char *word = strtok_r(testing.log, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        if (word[0] == letter) {
            strcat(strcat(kept, kept[0] != '\0' ? " " : ""), word);
        }
    }
    strcpy(testing.log, kept);
}

test(p11_five_products_are_produced_and_consumed_each_once_and_in_order)
{
    run_queue();
    keep_words('p');
    testing_assert_log("p0@10 p1@20 p2@30 p3@40 p4@50");
    run_queue();
    keep_words('c');
    testing_assert_log("c0@60 c1@70 c2@80 c3@90 c4@100");
}

test(p12_a_product_is_consumed_when_it_was_produced_and_not_at_the_end)
{
    run_queue();
    testing_assert_log("p0@10 c0@10 p1@20 c1@20 p2@30 c2@30 p3@40 c3@40 p4@50 c4@50");
}

/* ---- streams, P13 and P14 */

eddy_frame(echo) {
    eddy_coro co;
    eddy_stream *stream;
    size_t count;
    char data[100];
};

static void echo(eddy_coro *co)
{
    eddy_begin(echo);
    eddy_await(self->count, eddy_read(co, self->stream, self->data, sizeof self->data));
    eddy_await(eddy_write(co, self->stream, self->data, self->count));
    eddy_end;
}

eddy_frame(serves_echo) {
    eddy_coro co;
    eddy_server *server;
};

static void serves_echo(eddy_coro *co)
{
    eddy_begin(serves_echo);
    eddy_await(eddy_serve(co, self->server, "127.0.0.1", 0, echo));
    eddy_end;
}

static eddy_server server;

static int start_echo_server(void)
{
    memset(&server, 0, sizeof server);
    assert_int_equal(run(serves_echo, .server = &server), 0);
    return eddy_server_port(&server);
}

test(p13_the_server_sends_the_twelve_bytes_back)
{
    int fd = net_connect(start_echo_server());

    net_send(fd, "Hello World!");
    net_expect(fd, "Hello World!");
    net_expect_end(fd);
    close(fd);
    eddy_server_close(&server);
    testing_run();
}

test(p14_a_silent_client_holds_up_no_other)
{
    int port = start_echo_server();
    int silent = net_connect(port);
    int other = net_connect(port);

    net_send(other, "Hello World!");
    net_expect(other, "Hello World!");
    assert_int_equal(server.accepted, 2);
    assert_int_equal(server.active, 1);
    close(other);
    close(silent);
    eddy_server_close(&server);
    testing_run();
}

/* ---- a lock, P15 */

static eddy_lock lock;

eddy_frame(uses_resource) {
    eddy_coro co;
    int number;
};

static void uses_resource(eddy_coro *co)
{
    eddy_begin(uses_resource);
    eddy_with_lock(&lock) {
        testing_log("+%d@%d", self->number, tenths());
        eddy_await(eddy_sleep(co, EDDY_SECOND));
        testing_log("-%d@%d", self->number, tenths());
    }
    eddy_end;
}

test(p15_one_task_at_a_time_holds_the_lock)
{
    start(uses_resource, .number = 1);
    start(uses_resource, .number = 2);
    start(uses_resource, .number = 3);
    testing_run();
    testing_assert_log("+1@0 -1@10 +2@10 -2@20 +3@20 -3@30");
}

/* ---- a condition, P18 */

static eddy_cond condition = {.lock = &lock};

eddy_frame(waits) {
    eddy_coro co;
    int number;
};

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    eddy_with_cond(&condition) {
        testing_log("waits%d@%d", self->number, tenths());
        eddy_await(eddy_cond_wait(co, &condition));
        testing_log("triggered%d@%d", self->number, tenths());
    }
    eddy_end;
}

eddy_frame(notifies) {
    eddy_coro co;
};

static void notifies(eddy_coro *co)
{
    eddy_begin(notifies);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    eddy_with_cond(&condition) {
        eddy_await(eddy_cond_notify_all(co, &condition));
    }
    eddy_end;
}

test(p18_the_consumers_wait_until_they_are_notified_all_at_once)
{
    for (int i = 0; i < 5; i++) {
        start(waits, .number = i);
    }
    start(notifies);
    testing_run();
    testing_assert_log("waits0@0 waits1@0 waits2@0 waits3@0 waits4@0 triggered0@10 triggered1@10 "
                       "triggered2@10 triggered3@10 triggered4@10");
}

/* ---- an error, P19 */

enum { SOMETHING_BAD = EDDY_ERROR_USER };

eddy_frame(fails) {
    eddy_coro co;
};

static void fails(eddy_coro *co)
{
    eddy_begin(fails);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    eddy_fail(co, SOMETHING_BAD, "Something bad happened!");
    eddy_end;
}

eddy_frame(catches) {
    eddy_coro co;
};

static void catches(eddy_coro *co)
{
    eddy_begin(catches);
    eddy_except(SOMETHING_BAD, eddy_call(co, fails)) {
        testing_log("%s@%d", eddy_error(co)->text, tenths());
    }
    eddy_end;
}

test(p19_an_error_in_a_coroutine_is_caught_by_its_awaiter_after_a_second)
{
    int64_t result = run(catches);

    testing_assert_log("Something bad happened!@10");
    assert_int_equal(eddy_exit_status(result), 0);
}

/* ---- one thread, P20 */

static int count_threads(void)
{
    DIR *directory = opendir("/proc/self/task");
    const struct dirent *entry;
    int count = 0;

    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    return count;
}

static int threads_before;

/* Looks, again and again, whether there is a thread that was not there before the loop. */
eddy_frame(counts_threads) {
    eddy_coro co;
    int times;
};

static void counts_threads(eddy_coro *co)
{
    eddy_begin(counts_threads);
    while (self->times-- > 0) {
        assert_int_equal(count_threads(), threads_before);
        eddy_await(eddy_sleep(co, EDDY_SECOND / 10));
    }
    eddy_end;
}

test(p20_one_thread_does_all_of_it)
{
    eddy_task task;
    eddy_task late;
    int fd;

    threads_before = count_threads(); /* a sanitizer may have one of its own */
    task = start(counts_threads, .times = 150);
    start(counts, .name = "", .times = 10, .pause = EDDY_SECOND);
    start(gathers_both);
    late = start(waits_a_second, .task = start(eternity));
    start(prints_range);
    start(uses_context);
    start(uses_resource, .number = 1);
    start(uses_resource, .number = 2);
    start(waits, .number = 0);
    start(notifies);
    start(catches);
    run_queue();
    assert_int_equal(finish(task), 0);
    assert_int_equal(finish(late), -ETIMEDOUT);
    testing.log[0] = '\0';
    fd = net_connect(start_echo_server());
    task = start(counts_threads, .times = 1);
    net_send(fd, "Hello World!");
    net_expect(fd, "Hello World!");
    assert_int_equal(finish(task), 0);
    close(fd);
    eddy_server_close(&server);
    testing_run();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(p01_the_numbers_appear_one_second_apart),
        testing_case(p02_a_sleeping_coroutine_does_not_block_the_others),
        testing_case(p03_gather_runs_both_at_once_and_waits_for_both),
        testing_case(p04_two_letters_appear_between_two_numbers),
        testing_case(p05_the_time_out_appears_after_one_second),
        testing_case(p06_eternity_is_cancelled_before_it_can_say_yay),
        testing_case(p07_the_iterator_gives_three_numbers_a_second_apart_and_ends),
        testing_case(p08_an_iteration_waits_beside_other_tasks),
        testing_case(p09_entering_inside_exiting_also_if_the_body_fails),
        testing_case(p10_the_generator_waits_a_second_between_its_yields),
        testing_case(p11_five_products_are_produced_and_consumed_each_once_and_in_order),
        testing_case(p12_a_product_is_consumed_when_it_was_produced_and_not_at_the_end),
        testing_case(p13_the_server_sends_the_twelve_bytes_back),
        testing_case(p14_a_silent_client_holds_up_no_other),
        testing_case(p15_one_task_at_a_time_holds_the_lock),
        testing_case(p16_a_coroutine_that_runs_too_long_is_stopped_and_gone),
        testing_case(p17_past_the_limit_it_is_a_time_out_and_no_cancel),
        testing_case(p18_the_consumers_wait_until_they_are_notified_all_at_once),
        testing_case(p19_an_error_in_a_coroutine_is_caught_by_its_awaiter_after_a_second),
        testing_case(p20_one_thread_does_all_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
