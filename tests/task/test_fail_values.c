/* error.h: the texts of errors that are values, of eddy_group_next and eddy_gather_all. */
#include "support/tasks.h"

#include "eddy/error.h"
#include "eddy/gather.h"
#include "eddy/group.h"

static const int64_t BAD = EDDY_ERROR_USER;

/* Fails, or (number 0) does not, after so many milliseconds. */
eddy_frame_of(fails, int number, int64_t after);

static void fails(eddy_coro *co)
{
    eddy_begin(fails);
    eddy_await(eddy_sleep(co, self->after * EDDY_MILLISECOND));
    if (self->number > 0) {
        eddy_fail(co, BAD, "number %d is bad", self->number);
    }
    eddy_end;
}

/* Without a text. */
eddy_frame_of(returns_error, int64_t result);

static void returns_error(eddy_coro *co)
{
    eddy_begin(returns_error);
    eddy_return(self->result);
    eddy_end;
}

static void assert_error(eddy_coro *co, int64_t code, const char *text, const char *function)
{
    assert_int_equal(eddy_error(co)->code, code);
    assert_string_equal(eddy_error(co)->text, text);
    assert_string_equal(eddy_error(co)->function, function);
    assert_string_equal(eddy_error(co)->file, function[0] != '\0' ? __FILE__ : "");
    assert_int_equal(eddy_error(co)->line > 0, function[0] != '\0');
}

/* ---- the next of a group */

eddy_frame(takes_next) {
    eddy_coro co;
    int64_t pause; /* before each is taken, in milliseconds */
    int64_t result;
    int64_t rc;
    eddy_group group;
};

static void takes_next(eddy_coro *co)
{
    eddy_begin(takes_next);
    self->group.policy = EDDY_GROUP_KEEP;
    eddy_group_spawn(co, &self->group, fails, .number = 1, .after = 1);
    eddy_group_spawn(co, &self->group, fails, .number = 0, .after = 2);
    eddy_group_spawn(co, &self->group, fails, .number = 2, .after = 3);
    eddy_group_spawn(co, &self->group, returns_error, .result = -EIO);
    eddy_await(eddy_sleep(co, self->pause * EDDY_MILLISECOND));
    eddy_await(eddy_group_next(co, &self->group, &self->result));
    assert_error(co, -EIO, strerror(EIO), "returns_error");
    eddy_await(eddy_group_next(co, &self->group, &self->result));
    assert_error(co, BAD, "number 1 is bad", "fails");
    eddy_await(self->rc, eddy_group_next(co, &self->group, &self->result));
    assert_int_equal(self->rc, 1);
    assert_int_equal(self->result, 0);
    assert_error(co, BAD, "number 1 is bad", "fails"); /* no error: the last one stays */
    eddy_await(eddy_group_next(co, &self->group, &self->result));
    assert_error(co, BAD, "number 2 is bad", "fails");
    eddy_await(self->rc, eddy_group_next(co, &self->group, &self->result));
    assert_int_equal(self->rc, 0);
    eddy_end;
}

test(the_error_that_a_group_gives_next_has_its_text_and_its_place)
{
    assert_int_equal(run(takes_next, .pause = 0), 0); /* each is waited for */
    assert_int_equal(run(takes_next, .pause = 9), 0); /* all have ended */
}

/* A cancel and failed spawns, which nobody has raised. */
eddy_frame(takes_unraised) {
    eddy_coro co;
    eddy_task task;
    int64_t result;
    int64_t rc;
    eddy_group group;
};

static void takes_unraised(eddy_coro *co)
{
    eddy_begin(takes_unraised);
    self->group.policy = EDDY_GROUP_KEEP;
    eddy_catch(self->rc, eddy_call(co, fails, .number = 5));
    self->task = eddy_group_spawn(co, &self->group, fails, .after = 9);
    eddy_await(eddy_pause(co));
    eddy_group_cancel(&self->group);
    (void)eddy_group_spawn(co, &self->group, fails);
    eddy_await(eddy_group_next(co, &self->group, &self->result));
    assert_int_equal(self->result, -ESHUTDOWN);
    assert_error(co, -ESHUTDOWN, strerror(ESHUTDOWN), "");
    eddy_await(eddy_group_next(co, &self->group, &self->result));
    assert_error(co, -ECANCELED, strerror(ECANCELED), "");
    eddy_await(self->rc, eddy_group_next(co, &self->group, &self->result));
    assert_int_equal(self->rc, 0);
    eddy_end;
}

test(what_nobody_has_raised_has_no_place)
{
    assert_int_equal(run(takes_unraised), 0);
}

/* It goes on as if it had been caught: with its text, to whoever awaits this. */
eddy_frame(raises_next) {
    eddy_coro co;
    int64_t result;
    eddy_group group;
};

static void raises_next(eddy_coro *co)
{
    eddy_begin(raises_next);
    self->group.policy = EDDY_GROUP_KEEP;
    eddy_group_spawn(co, &self->group, fails, .number = 7);
    eddy_await(eddy_group_next(co, &self->group, &self->result));
    eddy_return(self->result);
    eddy_end;
}

eddy_frame_of(catches_next, int64_t rc);

static void catches_next(eddy_coro *co)
{
    eddy_begin(catches_next);
    eddy_catch(self->rc, eddy_call(co, raises_next));
    assert_error(co, BAD, "number 7 is bad", "fails");
    eddy_catch(self->rc, give(co, -EPIPE));
    assert_error(co, -EPIPE, strerror(EPIPE), "catches_next");
    eddy_end;
}

test(returned_at_once_it_keeps_its_text)
{
    assert_int_equal(run(catches_next), 0);
}

/* ---- gathered */

enum { COUNT = 4 };

eddy_frame(gathers) {
    eddy_coro co;
    bool late;
    eddy_task tasks[COUNT];
    int64_t results[COUNT];
    int64_t failed;
};

static void gathers(eddy_coro *co)
{
    eddy_begin(gathers);
    self->tasks[0] = eddy_spawn(co, fails, .number = 0);
    self->tasks[1] = eddy_spawn(co, fails, .number = 1, .after = 2);
    self->tasks[2] = eddy_spawn(co, fails, .number = 2, .after = 1);
    self->tasks[3] = eddy_spawn(co, returns_error, .result = -EIO);
    if (self->late) {
        eddy_await(eddy_sleep(co, EDDY_SECOND));
    }
    eddy_await(self->failed, eddy_gather_all(co, self->tasks, COUNT, self->results));
    assert_int_equal(self->failed, 3);
    assert_int_equal(self->results[1], BAD);
    assert_error(co, BAD, "number 1 is bad", "fails");
    eddy_end;
}

test(the_first_failure_in_the_array_of_a_gather_all_has_its_text)
{
    assert_int_equal(run(gathers, .late = false), 0);
    assert_int_equal(run(gathers, .late = true), 0);
}

/* A time-out is the gather's own error, whatever the tasks have failed with. */
eddy_frame(times_out) {
    eddy_coro co;
    eddy_task tasks[2];
    int64_t results[2];
    int64_t rc;
};

static void times_out(eddy_coro *co)
{
    eddy_begin(times_out);
    self->tasks[0] = eddy_spawn(co, returns_error, .result = -ETIMEDOUT);
    self->tasks[1] = eddy_spawn(co, fails, .after = 9);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_MILLISECOND,
                                       eddy_gather_all(co, self->tasks, 2, self->results)));
    assert_int_equal(self->rc, -ETIMEDOUT);
    assert_error(co, -ETIMEDOUT, strerror(ETIMEDOUT), "times_out");
    eddy_end;
}

test(a_time_out_of_a_gather_all_is_no_failure_of_a_task)
{
    assert_int_equal(run(times_out), 0);
}

/* As the header says. */
eddy_frame(waits_and_joins) {
    eddy_coro co;
    eddy_task tasks[COUNT];
    int64_t rc;
    int i;
};

static void waits_and_joins(eddy_coro *co)
{
    eddy_begin(waits_and_joins);
    for (self->i = 0; self->i < COUNT; self->i++) {
        self->tasks[self->i] = eddy_spawn(co, fails, .number = self->i, .after = 9 - self->i);
    }
    eddy_await(eddy_wait_tasks(co, self->tasks, COUNT, EDDY_WAIT_ALL));
    for (self->i = 0; self->i < COUNT; self->i++) {
        eddy_catch(self->rc, eddy_join(co, self->tasks[self->i]));
        testing_log("%s", self->rc < 0 ? eddy_error(co)->text : "good");
    }
    eddy_end;
}

test(the_texts_of_all_come_by_a_wait_and_joins)
{
    assert_int_equal(run(waits_and_joins), 0);
    testing_assert_log("good number 1 is bad number 2 is bad number 3 is bad");
}

/* ---- memory */

eddy_frame(takes_without_memory) {
    eddy_coro co;
    int64_t result;
    int64_t rc;
    eddy_group group;
};

static void takes_without_memory(eddy_coro *co)
{
    eddy_begin(takes_without_memory);
    self->group.policy = EDDY_GROUP_KEEP;
    eddy_group_spawn(co, &self->group, fails, .number = 1);
    eddy_await(eddy_sleep(co, EDDY_MILLISECOND));
    use_up_memory();
    eddy_catch(self->rc, eddy_group_next(co, &self->group, &self->result));
    assert_int_equal(self->rc, 1);
    assert_int_equal(self->result, BAD);
    assert_int_equal(eddy_error(co)->code, 0);
    testing_fail_allocation(0);
    eddy_catch(self->rc, eddy_group_next(co, &self->group, &self->result));
    assert_int_equal(self->rc, 0);
    eddy_end;
}

test(without_memory_the_value_itself_comes)
{
    assert_int_equal(run(takes_without_memory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(the_error_that_a_group_gives_next_has_its_text_and_its_place),
        testing_case(what_nobody_has_raised_has_no_place),
        testing_case(returned_at_once_it_keeps_its_text),
        testing_case(the_first_failure_in_the_array_of_a_gather_all_has_its_text),
        testing_case(a_time_out_of_a_gather_all_is_no_failure_of_a_task),
        testing_case(the_texts_of_all_come_by_a_wait_and_joins),
        testing_case(without_memory_the_value_itself_comes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
