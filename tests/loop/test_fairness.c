/* Rule 3: neither ready tasks nor timers are starved by a task whose awaits always finish at once. */
#include "support/tasks.h"

enum { BUDGET = 128, ROUNDS = 20 };

static int64_t work;   /* awaits that finished at once so far */
static int64_t rounds; /* turns that the other task has had */
static int64_t most;   /* work between two of them */

static void note_work(void)
{
    work++;
    assert_true(work < 1000000);
}

/* Takes its turns, and notes how long it waits for each. */
eddy_frame(takes_turns) {
    eddy_coro co;
    int64_t before;
};

static void takes_turns(eddy_coro *co)
{
    eddy_begin(takes_turns);
    for (rounds = 0; rounds < ROUNDS; rounds++) {
        self->before = work;
        eddy_await(eddy_pause(co));
        most = work - self->before > most ? work - self->before : most;
    }
    eddy_end;
}

static bool others_wait(void)
{
    return rounds < ROUNDS;
}

/* Asserts that a task which goes on until the other has had its turns gives it each of them soon. */
#define assert_gives_turns(name)                 \
    do {                                         \
        work = rounds = most = 0;                \
        testing.options.flags = EDDY_LOOP_CHECK; \
        testing_reopen();                        \
        start(takes_turns);                      \
        assert_int_equal(run(name), 0);          \
        assert_int_equal(rounds, ROUNDS);        \
        assert_true(most > 0 && most <= BUDGET); \
    } while (0)

eddy_frame(gives) {
    eddy_coro co;
    int64_t rc;
};

static void gives(eddy_coro *co)
{
    eddy_begin(gives);
    while (others_wait()) {
        note_work();
        eddy_await(self->rc, give(co, work));
        assert_int_equal(self->rc, work); /* also when it came later */
    }
    eddy_end;
}

test(a_task_whose_operations_finish_at_once)
{
    assert_gives_turns(gives);
}

eddy_frame(catches) {
    eddy_coro co;
    int64_t rc;
};

static void catches(eddy_coro *co)
{
    eddy_begin(catches);
    while (others_wait()) {
        note_work();
        eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, give(co, -EIO)));
        assert_int_equal(self->rc, -EIO);
    }
    eddy_end;
}

test(a_task_whose_operations_fail_at_once_under_a_deadline)
{
    assert_gives_turns(catches);
}

eddy_frame(calls) {
    eddy_coro co;
    int64_t rc;
};

static void calls(eddy_coro *co)
{
    eddy_begin(calls);
    while (others_wait()) {
        note_work();
        eddy_await(self->rc, eddy_call(co, returns, .result = work));
        assert_int_equal(self->rc, work);
    }
    eddy_end;
}

test(a_task_whose_calls_return_at_once)
{
    assert_gives_turns(calls);
}

eddy_frame(descends) {
    eddy_coro co;
};

static void descends(eddy_coro *co)
{
    eddy_begin(descends);
    if (others_wait()) {
        note_work();
        eddy_await(eddy_call(co, descends));
    }
    eddy_end;
}

test(a_task_that_calls_ever_deeper)
{
    assert_gives_turns(descends);
}

eddy_frame(naturals) {
    eddy_coro co;
    int64_t value;
};

static void naturals(eddy_coro *co)
{
    eddy_begin(naturals);
    while (true) {
        eddy_yield(self->value + 1);
    }
    eddy_end;
}

eddy_frame(iterates) {
    eddy_coro co;
    int64_t i;
};

static void iterates(eddy_coro *co)
{
    eddy_begin(iterates);
    eddy_for_each(self->i, naturals) {
        note_work();
        assert_int_equal(self->i, work);
        if (!others_wait()) {
            break;
        }
    }
    eddy_end;
}

test(a_task_that_takes_values_from_a_generator)
{
    assert_gives_turns(iterates);
}

eddy_frame(manages) {
    eddy_coro co;
};

static void manages(eddy_coro *co)
{
    eddy_begin(manages);
    eddy_body;
    eddy_end;
}

eddy_frame(enters) {
    eddy_coro co;
};

static void enters(eddy_coro *co)
{
    eddy_begin(enters);
    while (others_wait()) {
        eddy_with(manages) {
            note_work();
        }
    }
    eddy_end;
}

test(a_task_that_enters_and_leaves)
{
    assert_gives_turns(enters);
}

eddy_frame(joins) {
    eddy_coro co;
    eddy_task task;
};

static void joins(eddy_coro *co)
{
    eddy_begin(joins);
    while (others_wait()) {
        note_work();
        self->task = eddy_spawn(co, returns);
        eddy_await(eddy_join(co, self->task));
    }
    eddy_end;
}

test(a_task_that_joins)
{
    assert_gives_turns(joins);
}

/* ---- timers */

static bool rung;

eddy_frame(rings) {
    eddy_coro co;
};

static void rings(eddy_coro *co)
{
    eddy_begin(rings);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    rung = true;
    eddy_end;
}

eddy_frame(works_until_it_rings) {
    eddy_coro co;
};

static void works_until_it_rings(eddy_coro *co)
{
    eddy_begin(works_until_it_rings);
    eddy_await(eddy_pause(co));
    eddy_clock_advance(&testing.clock, EDDY_SECOND);
    while (!rung) {
        note_work();
        eddy_await(give(co, 0));
    }
    eddy_end;
}

test(a_timer_that_is_due_fires_while_tasks_are_always_ready)
{
    work = 0;
    rung = false;
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    start(rings);
    assert_int_equal(run(works_until_it_rings), 0);
    assert_true(work <= 130 * BUDGET); /* the clock is read every 128 steps at least */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_task_whose_operations_finish_at_once),
        testing_case(a_task_whose_operations_fail_at_once_under_a_deadline),
        testing_case(a_task_whose_calls_return_at_once),
        testing_case(a_task_that_calls_ever_deeper),
        testing_case(a_task_that_takes_values_from_a_generator),
        testing_case(a_task_that_enters_and_leaves),
        testing_case(a_task_that_joins),
        testing_case(a_timer_that_is_due_fires_while_tasks_are_always_ready),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
