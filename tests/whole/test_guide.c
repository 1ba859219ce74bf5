/* What docs/guide.md quotes, chapter by chapter, and that it does what is said there. */
#include "support/tasks.h"

#include <eddy.h>

/* What the guide prints is what the test reads. */
#define printf testing_log

/* ---- frames and awaits */

eddy_frame(print_squares) {
    eddy_coro co;
    int from; /* an argument */
    int i;    /* a local that outlives an await */
};

static void print_squares(eddy_coro *co)
{
    eddy_begin(print_squares);
    for (self->i = self->from; self->i > 0; self->i--) {
        {
            int square = self->i * self->i; /* a plain local: its block has no await */
            printf("%d", square);
        }
        eddy_await(eddy_sleep(co, EDDY_SECOND));
    }
    eddy_return(self->from);
    eddy_end;
}

EDDY_MUST_USE static int64_t squares_from(eddy_coro *co, int from)
{
    return eddy_call(co, print_squares, .from = from);
}

eddy_frame(awaits_both) {
    eddy_coro co;
    int a, b;
};

static void awaits_both(eddy_coro *co)
{
    eddy_begin(awaits_both);
    eddy_await(self->a, eddy_call(co, print_squares, .from = 2));
    eddy_await(self->b, squares_from(co, 1));
    eddy_return(self->a + self->b);
    eddy_end;
}

test(a_call_and_a_function_that_calls)
{
    assert_int_equal(run(awaits_both), 3);
    testing_assert_log("4 1 1");
    assert_int_equal(seconds(), 3);
}

/* ---- tasks */

/* Takes `cost` seconds, and returns that. */
eddy_frame(work) {
    eddy_coro co;
    int cost;
};

static void work(eddy_coro *co)
{
    eddy_begin(work);
    eddy_await(eddy_sleep(co, self->cost * EDDY_SECOND));
    eddy_return(self->cost);
    eddy_end;
}

eddy_frame(joins_two) {
    eddy_coro co;
    eddy_task first, second;
    int a, b;
};

static void joins_two(eddy_coro *co)
{
    eddy_begin(joins_two);
    self->first = eddy_spawn(co, work, .cost = 3);
    self->second = eddy_spawn(co, work, .cost = 2);
    eddy_await(self->a, eddy_join(co, self->first));
    eddy_await(self->b, eddy_join(co, self->second));
    eddy_return(self->a + self->b); /* after three seconds, not five */
    eddy_end;
}

eddy_frame(takes_the_first) {
    eddy_coro co;
    eddy_task tasks[2];
    int i, winner;
};

static void takes_the_first(eddy_coro *co)
{
    eddy_begin(takes_the_first);
    self->tasks[0] = eddy_spawn(co, work, .cost = 3);
    self->tasks[1] = eddy_spawn(co, work, .cost = 2);
    eddy_await(eddy_wait_tasks(co, self->tasks, 2, EDDY_WAIT_FIRST));
    self->winner = eddy_task_done(self->tasks[0]) ? 0 : 1;
    for (self->i = 0; self->i < 2; self->i++) {
        eddy_cancel(self->tasks[self->i]); /* -ESRCH for the one that has ended: never mind */
        eddy_except(-ECANCELED, eddy_join(co, self->tasks[self->i])) {}
    }
    eddy_return(self->winner);
    eddy_end;
}

eddy_frame(takes_them_as_they_come) {
    eddy_coro co;
    eddy_task tasks[3];
    size_t i;
    int cost;
};

static void takes_them_as_they_come(eddy_coro *co)
{
    eddy_begin(takes_them_as_they_come);
    self->tasks[0] = eddy_spawn(co, work, .cost = 3);
    self->tasks[1] = eddy_spawn(co, work, .cost = 1);
    self->tasks[2] = eddy_spawn(co, work, .cost = 2);
    eddy_for_each(self->i, eddy_as_completed, .tasks = self->tasks, .count = 3) {
        eddy_await(self->cost, eddy_join(co, self->tasks[self->i])); /* at once: it has ended */
        printf("task %zu took %d s", self->i, self->cost);
    }
    eddy_end;
}

eddy_frame(works_in_a_group) {
    eddy_coro co;
    eddy_group group;
    int i;
};

static void works_in_a_group(eddy_coro *co)
{
    eddy_begin(works_in_a_group);
    eddy_with_group(&self->group) {
        for (self->i = 1; self->i <= 3; self->i++) {
            eddy_group_spawn(co, &self->group, work, .cost = self->i);
        }
    } /* goes on when all three have ended */
    printf("all done");
    eddy_end;
}

test(two_tasks_side_by_side)
{
    assert_int_equal(run(joins_two), 5);
    assert_int_equal(seconds(), 3);
}

test(the_first_of_two_tasks_and_a_cancel_for_the_other)
{
    assert_int_equal(run(takes_the_first), 1);
    assert_int_equal(seconds(), 2);
}

test(tasks_as_they_come)
{
    assert_int_equal(run(takes_them_as_they_come), 0);
    testing_assert_log("task 1 took 1 s task 2 took 2 s task 0 took 3 s");
}

test(a_group_of_three)
{
    assert_int_equal(run(works_in_a_group), 0);
    testing_assert_log("all done");
    assert_int_equal(seconds(), 3);
}

/* ---- errors and cleanup */

enum { BAD_LINE = EDDY_ERROR_USER };

eddy_frame(load) {
    eddy_coro co;
    int line;
};

static void load(eddy_coro *co)
{
    eddy_begin(load);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    if (self->line == 0) {
        eddy_return(-ENOENT);
    }
    if (self->line > 2) {
        eddy_fail(co, BAD_LINE, "line %d: no such key", self->line);
    }
    eddy_return(self->line);
    eddy_end;
}

eddy_frame(starts_up) {
    eddy_coro co;
    int line, result;
    bool defaults;
};

static void starts_up(eddy_coro *co)
{
    eddy_begin(starts_up);
    eddy_except(-ENOENT, eddy_call(co, load, .line = self->line)) {
        self->defaults = true; /* only this error; others go on, past here */
    }
    eddy_catch(self->result, eddy_call(co, load, .line = self->line + 2));
    if (self->result == BAD_LINE) {
        printf("bad: %s", eddy_error(co)->text);
    }
    eddy_return(self->defaults ? 1 : 0);
eddy_finally: /* reached by each way out, the cancel among them */
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    printf("closed");
    eddy_end;
}

test(an_error_that_is_expected_one_that_is_looked_at_and_a_cleanup)
{
    assert_int_equal(run(starts_up, .line = 0), 1);
    testing_assert_log("closed");
    assert_int_equal(run(starts_up, .line = 1), 0);
    testing_assert_log("bad: line 3: no such key closed");
    assert_int_equal(run(starts_up, .line = 3), BAD_LINE);
    testing_assert_log("closed");
}

eddy_frame(reads_config) {
    eddy_coro co;
    eddy_lock *lock;
    int64_t error;
    int lines;
};

static void reads_config(eddy_coro *co)
{
    eddy_begin(reads_config);
    eddy_try(self->error) {
        eddy_with_lock(self->lock) {
            eddy_await(self->lines, eddy_call(co, load, .line = 1));
            eddy_await(self->lines, eddy_call(co, load, .line = 9));
        }
    } /* the lock is free again, whatever came */
    if (self->error == BAD_LINE) {
        printf("bad: %s", eddy_error(co)->text);
    } else if (self->error < 0) {
        eddy_return(self->error); /* another: on, with where it began */
    }
    eddy_return(self->lines);
eddy_finally:
    if (eddy_outcome(co) == -ECANCELED) {
        printf("cancelled");
    }
    eddy_end;
}

test(a_block_with_one_place_for_its_errors)
{
    eddy_lock lock = {0};
    eddy_task task;

    assert_int_equal(run(reads_config, .lock = &lock), 1);
    testing_assert_log("bad: line 9: no such key");
    task = start(reads_config, .lock = &lock);
    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("cancelled");
}

test(a_cleanup_runs_for_a_cancel_too)
{
    eddy_task task = start(starts_up, .line = 1);

    testing_turns();
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("closed");
}

/* ---- time-outs and cancelling */

eddy_frame(tries_three_times) {
    eddy_coro co;
    int first_cost, try, result;
};

static void tries_three_times(eddy_coro *co)
{
    eddy_begin(tries_three_times);
    eddy_with_timeout(10 * EDDY_SECOND) { /* for all of it */
        for (self->try = 0; self->try < 3; self->try++) {
            eddy_catch(self->result,
                       eddy_wait_for(co, 2 * EDDY_SECOND,
                                     eddy_call(co, work, .cost = self->first_cost - self->try)));
            if (self->result != -ETIMEDOUT) {
                eddy_return(self->result); /* a value, another error, or a cancel */
            }
        }
    }
    eddy_return(-ETIMEDOUT);
    eddy_end;
}

test(a_time_out_for_each_try_and_one_for_all)
{
    assert_int_equal(run(tries_three_times, .first_cost = 3), 2);
    assert_int_equal(seconds(), 4);
    assert_int_equal(run(tries_three_times, .first_cost = 9), -ETIMEDOUT);
    assert_int_equal(seconds(), 10);
}

/* ---- generators and context managers */

eddy_frame(transaction) {
    eddy_coro co;
    bool committed;
};

static void transaction(eddy_coro *co)
{
    eddy_begin(transaction);
    printf("begin");
    eddy_body;
    printf("commit"); /* only if the block has succeeded */
    self->committed = true;
eddy_finally:
    if (!self->committed) {
        printf("rollback");
    }
    eddy_end;
}

eddy_frame(pays) {
    eddy_coro co;
    int cost;
};

static void pays(eddy_coro *co)
{
    eddy_begin(pays);
    eddy_with(transaction) {
        eddy_await(eddy_call(co, work, .cost = self->cost));
        if (self->cost > 1) {
            eddy_return(-EINVAL); /* leaves by the exit */
        }
    }
    printf("paid");
    eddy_end;
}

test(a_manager_that_knows_how_its_block_was_left)
{
    assert_int_equal(run(pays, .cost = 1), 0);
    testing_assert_log("begin commit paid");
    assert_int_equal(run(pays, .cost = 2), -EINVAL);
    testing_assert_log("begin rollback");
}

/* ---- synchronisation */

static eddy_semaphore slots = {.permits = 2};

eddy_frame(downloads) {
    eddy_coro co;
    int number;
};

static void downloads(eddy_coro *co)
{
    eddy_begin(downloads);
    eddy_with_semaphore(&slots) {
        eddy_await(eddy_call(co, work, .cost = 1)); /* two at a time */
    }
    printf("%d@%d", self->number, seconds());
    eddy_end;
}

struct box {
    eddy_lock lock;
    eddy_cond full;
    int count;
};

eddy_frame(takes_one) {
    eddy_coro co;
    struct box *box;
};

static void takes_one(eddy_coro *co)
{
    eddy_begin(takes_one);
    eddy_with_cond(&self->box->full) { /* holds its lock */
        while (self->box->count == 0) {
            eddy_await(eddy_cond_wait(co, &self->box->full));
        }
        self->box->count--;
    }
    printf("taken");
    eddy_end;
}

eddy_frame(puts_one) {
    eddy_coro co;
    struct box *box;
};

static void puts_one(eddy_coro *co)
{
    eddy_begin(puts_one);
    eddy_with_cond(&self->box->full) {
        self->box->count++;
        eddy_await(eddy_cond_notify(co, &self->box->full, 1));
    }
    printf("put");
    eddy_end;
}

test(two_downloads_at_a_time)
{
    start(downloads, .number = 1);
    start(downloads, .number = 2);
    start(downloads, .number = 3);
    testing_run();
    testing_assert_log("1@1 2@1 3@2");
}

test(a_box_with_a_condition)
{
    static struct box box = {.full = {.lock = &box.lock}};

    start(takes_one, .box = &box);
    start(puts_one, .box = &box);
    testing_run();
    testing_assert_log("put taken");
}

/* ---- queues */

struct job {
    int number;
    int cost;
};

eddy_frame(worker) {
    eddy_coro co;
    eddy_queue *jobs;
    struct job job;
    int result;
};

static void worker(eddy_coro *co)
{
    eddy_begin(worker);
    for (;;) {
        eddy_catch(self->result, eddy_queue_get(co, self->jobs, &self->job));
        if (self->result == -ESHUTDOWN) {
            eddy_return(0); /* there is no more to do, and there never will be */
        }
        eddy_await(self->result); /* passes a cancel on */
        eddy_await(eddy_call(co, work, .cost = self->job.cost));
        printf("job %d", self->job.number);
    }
    eddy_end;
}

eddy_frame(two_workers) {
    eddy_coro co;
    eddy_queue jobs;
    eddy_group group;
    struct job job;
};

static void two_workers(eddy_coro *co)
{
    eddy_begin(two_workers);
    eddy_await(eddy_queue_init(eddy_loop_of(co), &self->jobs, struct job, .capacity = 2));
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, worker, .jobs = &self->jobs);
        eddy_group_spawn(co, &self->group, worker, .jobs = &self->jobs);
        for (self->job.number = 1; self->job.number <= 5; self->job.number++) {
            self->job.cost = self->job.number;
            eddy_await(eddy_queue_put(co, &self->jobs, &self->job)); /* waits while it is full */
        }
        eddy_queue_shutdown(&self->jobs, EDDY_QUEUE_DRAIN);
    }
eddy_finally:
    eddy_queue_fini(&self->jobs);
    eddy_end;
}

test(two_workers_that_end_when_the_queue_is_drained)
{
    assert_int_equal(run(two_workers), 0);
    testing_assert_log("job 1 job 2 job 3 job 4 job 5");
    assert_int_equal(seconds(), 9); /* 1 + 3 + 5 beside 2 + 4 */
}

/* ---- this or that */

eddy_frame(serves_a_player) {
    eddy_coro co;
    eddy_event *stop;
    eddy_queue *inbox;
    int message;
    int which;
};

static void serves_a_player(eddy_coro *co)
{
    eddy_begin(serves_a_player);
    do {
        eddy_await(self->which, eddy_select(co, NULL, eddy_event_wait(co, self->stop),
                                            eddy_queue_get(co, self->inbox, &self->message),
                                            eddy_sleep(co, 30 * EDDY_SECOND)));
        if (self->which == 1) {
            printf("message %d", self->message);
        }
    } while (self->which == 1);
    printf(self->which == 0 ? "stopped" : "silent for 30 s");
    eddy_end;
}

test(the_first_of_an_event_a_message_and_a_sleep)
{
    eddy_event stop = {0};
    eddy_queue inbox = {0};
    eddy_task task;

    assert_int_equal(eddy_queue_init(testing.loop, &inbox, int), 0);
    task = start(serves_a_player, .stop = &stop, .inbox = &inbox);
    testing_turns();
    assert_int_equal(eddy_queue_try_put(&inbox, &(int){7}), 0);
    assert_int_equal(finish(task), 0);
    testing_assert_log("message 7 silent for 30 s");
    assert_int_equal(seconds(), 30);
    task = start(serves_a_player, .stop = &stop, .inbox = &inbox);
    testing_turns();
    eddy_event_set(&stop);
    assert_int_equal(eddy_queue_try_put(&inbox, &(int){8}), 0);
    assert_int_equal(finish(task), 0);
    testing_assert_log("stopped");
    assert_int_equal(eddy_queue_count(&inbox), 1); /* what did not win took nothing */
    eddy_queue_fini(&inbox);
}

/* ---- values of a task */

static const char request_key; /* its address is the key */

static void log_line(const eddy_coro *co, const char *text)
{
    const char *request = eddy_value_get(co, &request_key);

    printf("[%s] %s", request != NULL ? request : "-", text);
}

eddy_frame_of(looks_up, const char *name);

static void looks_up(eddy_coro *co)
{
    eddy_begin(looks_up);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    log_line(co, self->name);
    eddy_end;
}

eddy_frame_of(answers, char *request, eddy_task both[2]);

static void answers(eddy_coro *co)
{
    eddy_begin(answers);
    if (eddy_value_set(co, &request_key, self->request) < 0) {
        eddy_return(-ENOMEM);
    }
    self->both[0] = eddy_spawn(co, looks_up, .name = "the user");
    self->both[1] = eddy_spawn(co, looks_up, .name = "the price");
    eddy_await(eddy_gather(co, self->both, 2));
    log_line(co, "answered");
    eddy_end;
}

test(values_that_children_inherit)
{
    char one[] = "17";

    assert_int_equal(run(answers, .request = one), 0);
    testing_assert_log("[17] the user [17] the price [17] answered");
}

/* ---- operations of one's own */

struct gate {
    bool open;
    struct eddy_waiters line; /* zeroed: nobody waits */
};

static const struct eddy_wait_kind gate_kind = {.name = "gate"};

EDDY_MUST_USE static int64_t gate_wait(eddy_coro *co, struct gate *gate)
{
    int64_t result = eddy_check(co); /* a pending cancel comes first */

    if (result < 0) {
        return result;
    }
    if (gate->open) {
        return eddy_complete(co, 0); /* at once, if that is possible */
    }
    return eddy_park(co, &gate_kind, gate, &gate->line); /* otherwise wait in line */
}

static void gate_open(struct gate *gate)
{
    gate->open = true;
    eddy_wake_all(&gate->line, 0); /* the result is final: completion wins */
}

eddy_frame(passes) {
    eddy_coro co;
    struct gate *gate;
    const char *name;
};

static void passes(eddy_coro *co)
{
    eddy_begin(passes);
    eddy_await(gate_wait(co, self->gate));
    printf("%s", self->name);
    eddy_end;
}

test(a_gate_made_of_the_one_wait_primitive)
{
    static struct gate gate;

    start(passes, .gate = &gate, .name = "a");
    start(passes, .gate = &gate, .name = "b");
    testing_turns();
    testing_assert_log("");
    gate_open(&gate);
    start(passes, .gate = &gate, .name = "c");
    testing_run();
    testing_assert_log("a b c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_call_and_a_function_that_calls),
        testing_case(two_tasks_side_by_side),
        testing_case(the_first_of_two_tasks_and_a_cancel_for_the_other),
        testing_case(tasks_as_they_come),
        testing_case(a_group_of_three),
        testing_case(an_error_that_is_expected_one_that_is_looked_at_and_a_cleanup),
        testing_case(a_block_with_one_place_for_its_errors),
        testing_case(a_cleanup_runs_for_a_cancel_too),
        testing_case(a_time_out_for_each_try_and_one_for_all),
        testing_case(a_manager_that_knows_how_its_block_was_left),
        testing_case(two_downloads_at_a_time),
        testing_case(a_box_with_a_condition),
        testing_case(two_workers_that_end_when_the_queue_is_drained),
        testing_case(the_first_of_an_event_a_message_and_a_sleep),
        testing_case(values_that_children_inherit),
        testing_case(a_gate_made_of_the_one_wait_primitive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
