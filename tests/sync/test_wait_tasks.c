/* gather.h: waiting for tasks without joining them. */
#include "support/children.h"

#include "eddy/gather.h"
#include "support/tasks.h"

#define count_of(array) ((int)(sizeof(array) / sizeof *(array)))

/* Spawns the children, waits for them once, logs how many had ended; then joins all in order. */
eddy_frame(waiting) {
    eddy_coro co;
    const struct child *children;
    int count;
    enum eddy_wait_mode mode;
    int64_t limit;
    eddy_task tasks[8];
    int i;
    int64_t rc;
};

static void waiting(eddy_coro *co)
{
    eddy_begin(waiting);
    for (self->i = 0; self->i < self->count; self->i++) {
        self->tasks[self->i] = eddy_spawn(co, CHILD_LIKE(&self->children[self->i]));
    }
    eddy_catch(self->rc,
               eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                             eddy_wait_tasks(co, self->tasks, (size_t)self->count, self->mode)));
    testing_log_result("wait", self->rc);
    testing_log_at("", "");
eddy_finally:
    for (self->i = 0; self->i < self->count; self->i++) {
        eddy_catch(self->rc, eddy_join(co, self->tasks[self->i]));
        testing_log_result(self->children[self->i].name, self->rc);
    }
    eddy_end;
}

static const struct child three[] = {
    {.name = "a", .sleep = 300 * MS, .result = 1},
    {.name = "b", .sleep = 100 * MS, .result = 2},
    {.name = "c", .sleep = 200 * MS, .result = -EPIPE},
};

#define run_waiting(array, ...) \
    testing_run_task(waiting, .children = array, .count = count_of(array), __VA_ARGS__)

test(a_wait_for_the_first_ends_with_the_first_and_consumes_nothing)
{
    assert_int_equal(run_waiting(three, .mode = EDDY_WAIT_FIRST), 0);
    testing_assert_log("b@100 wait=1 @100 c@200 a@300 a=1 b=2 c=-EPIPE");
}

test(a_wait_for_an_error_ends_with_the_first_that_fails)
{
    assert_int_equal(run_waiting(three, .mode = EDDY_WAIT_FIRST_ERROR), 0);
    testing_assert_log("b@100 c@200 wait=2 @200 a@300 a=1 b=2 c=-EPIPE");
}

test(a_wait_for_all_ends_with_the_last)
{
    assert_int_equal(run_waiting(three, .mode = EDDY_WAIT_ALL), 0);
    testing_assert_log("b@100 c@200 a@300 wait=3 @300 a=1 b=2 c=-EPIPE");
}

test(a_time_out_of_a_wait_cancels_no_task_and_consumes_none)
{
    assert_int_equal(run_waiting(three, .mode = EDDY_WAIT_ALL, .limit = 150 * MS), 0);
    testing_assert_log("b@100 wait=-ETIMEDOUT @150 c@200 a@300 a=1 b=2 c=-EPIPE");
}

test(a_cancel_of_a_wait_only_ends_it)
{
    eddy_task task = eddy_loop_spawn(testing.loop, waiting, .children = three, .count = 3,
                                     .mode = EDDY_WAIT_ALL);

    assert_int_equal(testing_run_and_cancel(task, 150 * MS), 0);
    testing_assert_log("b@100 wait=-ECANCELED @150 c@200 a@300 a=1 b=2 c=-EPIPE");
}

test(a_wait_for_an_error_that_does_not_come_ends_with_the_last)
{
    const struct child two[] = {{.name = "a", .sleep = 50 * MS},
                                {.name = "b", .result = -ECANCELED}};

    assert_int_equal(run_waiting(two, .mode = EDDY_WAIT_FIRST_ERROR), 0);
    testing_assert_log("b@0 a@50 wait=2 @50 a=0 b=-ECANCELED");
}

/* ---- what is there at the begin */

eddy_frame(waits_in_a_loop) {
    eddy_coro co;
    eddy_task tasks[4];
    int64_t ended;
    int i;
    int left;
};

static void waits_in_a_loop(eddy_coro *co)
{
    eddy_begin(waits_in_a_loop);
    for (self->i = 0; self->i < 3; self->i++) {
        self->tasks[self->i] = eddy_spawn(co, child, .name = "", .sleep = (3 - self->i) * MS);
    }
    testing.log[0] = '\0';
    for (self->left = 3; self->left > 0; self->left--) {
        eddy_await(self->ended, eddy_wait_tasks(co, self->tasks, 4, EDDY_WAIT_FIRST));
        for (self->i = 0; self->i < 4; self->i++) {
            if (self->tasks[self->i].record != NULL && eddy_task_done(self->tasks[self->i])) {
                eddy_await(eddy_join(co, self->tasks[self->i]));
                testing_log("%d:%d", self->i, (int)self->ended);
                self->tasks[self->i] = (eddy_task){NULL, 0};
            }
        }
    }
    eddy_await(self->ended, eddy_wait_tasks(co, self->tasks, 4, EDDY_WAIT_ALL));
    testing_log("none:%d", (int)self->ended);
    eddy_end;
}

test(zeroed_elements_are_left_out_so_that_a_program_can_wait_in_a_loop)
{
    assert_int_equal(testing_run_task(waits_in_a_loop), 0);
    testing_assert_log("@1 2:1 @2 1:1 @3 0:1 none:0");
}

eddy_frame(waits_badly) {
    eddy_coro co;
    eddy_task tasks[2];
    int64_t rc;
};

static void waits_badly(eddy_coro *co)
{
    eddy_begin(waits_badly);
    self->tasks[0] = eddy_spawn(co, sleeps, .seconds = 1);
    self->tasks[1] = self->tasks[0];
    eddy_catch(self->rc, eddy_wait_tasks(co, self->tasks, 2, EDDY_WAIT_FIRST));
    log_end("twice", self->rc);
    self->tasks[1] = eddy_task_self(co);
    eddy_catch(self->rc, eddy_wait_tasks(co, self->tasks, 2, EDDY_WAIT_FIRST));
    testing_log("self=%d", self->rc == -EDEADLK);
    self->tasks[1] = (eddy_task){self->tasks[0].record, 77};
    eddy_catch(self->rc, eddy_wait_tasks(co, self->tasks, 2, EDDY_WAIT_FIRST));
    log_end("gone", self->rc);
    eddy_catch(self->rc, eddy_wait_tasks(co, self->tasks, 1, (enum eddy_wait_mode)3));
    testing_log("mode=%d", self->rc == -EINVAL);
    self->tasks[1] = testing_failed_spawn();
    eddy_catch(self->rc, eddy_wait_tasks(co, self->tasks, 2, EDDY_WAIT_FIRST_ERROR));
    log_end("unspawned", self->rc);
    assert_int_equal(eddy_spawn_error(self->tasks[1]), -ENOMEM); /* it stays */
    eddy_await(eddy_join(co, self->tasks[0]));                   /* each has given it back */
    eddy_end;
}

test(misuse_of_a_wait_is_an_error_that_touches_no_task)
{
    assert_int_equal(run(waits_badly), 0);
    testing_assert_log("twice=EBUSY@0 self=1 gone=ESRCH@0 mode=1 unspawned=1@0");
}

/* ---- one turn */

eddy_frame(waits_for_one) {
    eddy_coro co;
    eddy_task task;
    int64_t rc;
};

static void waits_for_one(eddy_coro *co)
{
    eddy_begin(waits_for_one);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND,
                                       eddy_wait_tasks(co, &self->task, 1, EDDY_WAIT_FIRST)));
    log_end("wait", self->rc);
    eddy_catch(self->rc, eddy_pause(co));
    log_end("pause", self->rc);
    eddy_catch(self->rc, eddy_join(co, self->task));
    log_end("join", self->rc);
    eddy_end;
}

static eddy_task to_cancel;

eddy_frame(cancels_after_pause) {
    eddy_coro co;
};

static void cancels_after_pause(eddy_coro *co)
{
    eddy_begin(cancels_after_pause);
    eddy_await(eddy_pause(co));
    eddy_return(eddy_cancel(to_cancel));
    eddy_end;
}

test(an_end_before_a_cancel_in_one_turn_is_the_result_and_the_cancel_comes_next)
{
    eddy_task child_task = start(pauses, .name = "x", .times = 1);
    eddy_task task = start(waits_for_one, .task = child_task);

    testing_turn(); /* x pauses, the wait begins */
    start(cancels, .task = task);
    assert_int_equal(finish(task), 0);
    testing_assert_log("x wait=1@0 pause=ECANCELED@0 join=0@0");
}

test(a_cancel_before_an_end_in_one_turn_ends_the_wait_and_leaves_the_task)
{
    eddy_task canceller = start(cancels_after_pause);
    eddy_task child_task = start(sleeps, .seconds = 0, .result = 4); /* ends after a pause */
    eddy_task task = start(waits_for_one, .task = child_task);

    to_cancel = task;
    assert_int_equal(finish(task), 0);
    assert_int_equal(finish(canceller), 0);
    testing_assert_log("wait=ECANCELED@0 pause=0@0 join=4@0");
}

test(a_time_out_before_an_end_in_one_turn_leaves_the_task)
{
    eddy_task child_task = start(sleeps, .seconds = 1, .result = 4);
    eddy_task task;

    testing_turn(); /* it sleeps until the second, before the deadline */
    task = start(waits_for_one, .task = child_task);
    assert_int_equal(finish(task), 0);
    testing_assert_log("wait=ETIMEDOUT@1 pause=0@1 join=4@1"); /* timers come before steps */
}

/* ---- many, and from the C stack */

static void run_loop(void *argument)
{
    (void)argument;
    eddy_loop_run(testing.loop);
}

eddy_frame(waits_on_the_stack) {
    eddy_coro co;
};

static void waits_on_the_stack(eddy_coro *co)
{
    eddy_task tasks[1] = {start(sleeps, .seconds = 1)};

    eddy_begin(waits_on_the_stack);
    eddy_await(eddy_wait_tasks(co, tasks, 1, EDDY_WAIT_ALL));
    eddy_end;
}

test(an_array_on_the_c_stack_aborts)
{
    start(waits_on_the_stack);
    testing_expect_abort(run_loop, NULL, "waits_on_the_stack: the task is to wait with a pointer");
}

/* ---- what it says of itself */

test(a_wait_tells_what_it_waits_for)
{
    eddy_task task = eddy_loop_spawn(testing.loop, waiting, .children = three, .count = 3,
                                     .mode = EDDY_WAIT_ALL);
    const struct eddy_wait_kind *wait;
    char text[64];

    while (testing.clock.now < 100 * MS) {
        eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0);
    }
    testing_turns();
    wait = task.record->wait;
    assert_string_equal(wait->name, "wait for all");
    wait->describe(task.record, text, sizeof text);
    assert_string_equal(text, "3 tasks, 1 ended");
    assert_null(wait->blocker(task.record));
    while (testing.clock.now < 200 * MS) {
        eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0);
    }
    testing_turns();
    assert_string_equal(
        eddy_task_name((eddy_task){wait->blocker(task.record),
                                   wait->blocker(task.record)->timed.ready.generation}),
        "child");
    assert_int_equal(finish(task), 0);
    testing.log[0] = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_wait_for_the_first_ends_with_the_first_and_consumes_nothing),
        testing_case(a_wait_for_an_error_ends_with_the_first_that_fails),
        testing_case(a_wait_for_all_ends_with_the_last),
        testing_case(a_time_out_of_a_wait_cancels_no_task_and_consumes_none),
        testing_case(a_cancel_of_a_wait_only_ends_it),
        testing_case(a_wait_for_an_error_that_does_not_come_ends_with_the_last),
        testing_case(zeroed_elements_are_left_out_so_that_a_program_can_wait_in_a_loop),
        testing_case(misuse_of_a_wait_is_an_error_that_touches_no_task),
        testing_case(an_end_before_a_cancel_in_one_turn_is_the_result_and_the_cancel_comes_next),
        testing_case(a_cancel_before_an_end_in_one_turn_ends_the_wait_and_leaves_the_task),
        testing_case(a_time_out_before_an_end_in_one_turn_leaves_the_task),
        testing_case(an_array_on_the_c_stack_aborts),
        testing_case(a_wait_tells_what_it_waits_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
