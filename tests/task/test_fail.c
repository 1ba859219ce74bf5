/* error.h: errors with a text, and who is told of them. */
#include "support/tasks.h"

#include "eddy/error.h"
#include "eddy/gather.h"
#include "eddy/group.h"

static const int64_t BAD = EDDY_ERROR_USER;
static int failing_line;

eddy_frame(fails) {
    eddy_coro co;
    int number;
};

static void fails(eddy_coro *co)
{
    eddy_begin(fails);
    eddy_await(eddy_pause(co));
    if (self->number == 0) {
        failing_line = __LINE__ + 1;
        eddy_fail(co, BAD, "Something bad happened!");
    }
    failing_line = __LINE__ + 1;
    eddy_fail(co, BAD, "number %d is %s", self->number, "bad");
eddy_finally:
    eddy_await(eddy_pause(co));
    eddy_end;
}

/* The coroutine's error is that one, with the text and its place. */
static void assert_caught(eddy_coro *co, const char *text)
{
    assert_int_equal(eddy_error(co)->code, BAD);
    assert_string_equal(eddy_error(co)->text, text);
    assert_string_equal(eddy_error(co)->function, "fails");
    assert_string_equal(eddy_error(co)->file, __FILE__);
    assert_int_equal(eddy_error(co)->line, failing_line);
}

enum way {
    CALL,
    DEEP_CALL,
    JOIN,
    SHIELD,
    LATE_JOIN, /* when the task has ended */
    GATHER,
    LATE_GATHER,
    GROUP,
    LATE_GROUP,
    WITH_GROUP,
    WAYS
};

eddy_frame(calls_fails) {
    eddy_coro co;
    int number;
};

static void calls_fails(eddy_coro *co)
{
    eddy_begin(calls_fails);
    eddy_await(eddy_call(co, fails, .number = self->number));
    eddy_end;
}

eddy_frame(opens_group) {
    eddy_coro co;
    eddy_group group;
    int number;
};

static void opens_group(eddy_coro *co)
{
    eddy_begin(opens_group);
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, fails, .number = self->number);
        eddy_await(eddy_sleep(co, EDDY_SECOND));
    }
    eddy_end;
}

eddy_frame(catches) {
    eddy_coro co;
    enum way way;
    int number;
    const char *text;
    eddy_task task;
    eddy_group group;
    int64_t rc;
};

static void catches(eddy_coro *co)
{
    eddy_begin(catches);
    if (self->way == CALL) {
        eddy_catch(self->rc, eddy_call(co, fails, .number = self->number));
    } else if (self->way == DEEP_CALL) {
        eddy_catch(self->rc, eddy_call(co, calls_fails, .number = self->number));
    } else if (self->way == JOIN) {
        eddy_catch(self->rc, eddy_join(co, eddy_spawn(co, fails, .number = self->number)));
    } else if (self->way == SHIELD) {
        eddy_catch(self->rc, eddy_shield(co, eddy_spawn(co, fails, .number = self->number)));
    } else if (self->way == LATE_JOIN) {
        self->task = eddy_spawn(co, fails, .number = self->number);
        eddy_await(eddy_sleep(co, EDDY_SECOND));
        eddy_catch(self->rc, eddy_join(co, self->task));
    } else if (self->way == GATHER || self->way == LATE_GATHER) {
        self->task = eddy_spawn(co, fails, .number = self->number);
        eddy_await(eddy_sleep(co, self->way == LATE_GATHER ? EDDY_SECOND : 0));
        eddy_catch(self->rc, eddy_gather(co, &self->task, 1));
    } else if (self->way == GROUP || self->way == LATE_GROUP) {
        eddy_group_spawn(co, &self->group, fails, .number = self->number);
        eddy_await(eddy_sleep(co, self->way == LATE_GROUP ? EDDY_SECOND : 0));
        eddy_catch(self->rc, eddy_group_wait(co, &self->group));
    } else {
        eddy_except(BAD, eddy_call(co, opens_group, .number = self->number)) {
            self->rc = BAD;
        }
    }
    assert_int_equal(self->rc, BAD);
    assert_caught(co, self->text);
    eddy_end;
}

test(the_text_and_the_place_go_with_the_error_to_whoever_catches_it)
{
    for (int way = CALL; way < WAYS; way++) {
        assert_int_equal(run(catches, .way = (enum way)way, .text = "Something bad happened!"), 0);
        assert_int_equal(run(catches, .way = (enum way)way, .number = 7, .text = "number 7 is bad"),
                         0);
    }
}

test(the_error_hook_is_told_the_text)
{
    char text[512];

    eddy_detach(start(calls_fails, .number = 5));
    testing_run();
    snprintf(text, sizeof text,
             "%s:%d: fails: number 5 is bad: application error (in task calls_fails (%s:%d), "
             "which was detached)",
             __FILE__, failing_line, __FILE__, __LINE__ - 5);
    testing_assert_error(BAD, text);
}

/* ---- what else is caught */

eddy_frame(catches_others) {
    eddy_coro co;
    int64_t rc;
    int line;
    char text[300];
};

static void catches_others(eddy_coro *co)
{
    eddy_begin(catches_others);
    assert_int_equal(eddy_error(co)->code, 0);
    assert_string_equal(eddy_error(co)->text, "no error was caught");
    eddy_catch(self->rc, eddy_call(co, fails));
    self->line = __LINE__ + 1;
    eddy_catch(self->rc, give(co, -EPIPE)); /* an operation's own: not the text of the other */
    assert_int_equal(eddy_error(co)->code, -EPIPE);
    assert_string_equal(eddy_error(co)->text, strerror(EPIPE));
    assert_string_equal(eddy_error(co)->function, "catches_others");
    assert_int_equal(eddy_error(co)->line, self->line);
    eddy_catch(self->rc, eddy_call(co, fails, .number = 3));
    eddy_catch(self->rc, eddy_call(co, returns, .result = -EIO));
    assert_string_equal(eddy_error(co)->text, strerror(EIO));
    assert_string_equal(eddy_error(co)->function, "returns");
    eddy_catch(self->rc, eddy_call(co, fails, .number = 3));
    eddy_catch(self->rc, give(co, 1)); /* no error: the last one stays */
    assert_string_equal(eddy_error(co)->text, "number 3 is bad");
    eddy_end;
}

test(an_operations_own_error_is_caught_with_its_place_and_the_systems_text)
{
    assert_int_equal(run(catches_others), 0);
}

eddy_frame(fails_at_length) {
    eddy_coro co;
};

static void fails_at_length(eddy_coro *co)
{
    eddy_begin(fails_at_length);
    eddy_fail(co, -EIO, "%0600d", 1);
    eddy_end;
}

eddy_frame(catches_length) {
    eddy_coro co;
    int64_t rc;
};

static void catches_length(eddy_coro *co)
{
    eddy_begin(catches_length);
    eddy_catch(self->rc, eddy_call(co, fails_at_length));
    assert_int_equal(self->rc, -EIO);
    eddy_return((int64_t)strlen(eddy_error(co)->text));
    eddy_end;
}

test(a_long_text_is_cut_off)
{
    assert_int_equal(run(catches_length), 511);
}

/* ---- memory */

eddy_frame(fails_often) {
    eddy_coro co;
    int i;
    int64_t rc;
    unsigned requests;
};

static void fails_often(eddy_coro *co)
{
    eddy_begin(fails_often);
    for (self->i = 1; self->i < 10000; self->i++) {
        eddy_catch(self->rc, eddy_join(co, eddy_spawn(co, fails, .number = self->i)));
        if (self->i == 1) {
            self->requests = testing.memory.calls;
        }
    }
    eddy_return(testing.memory.calls - self->requests);
    eddy_end;
}

test(the_memory_of_texts_is_used_again)
{
    testing.options.flags = 0;
    testing_reopen();
    assert_int_equal(run(fails_often), 0);
}

eddy_frame(fails_without_memory) {
    eddy_coro co;
    int64_t rc;
    struct returns child;
};

static void fails_without_memory(eddy_coro *co)
{
    eddy_begin(fails_without_memory);
    use_up_memory();
    eddy_fail(co, BAD, "number %d", 3);
    eddy_end;
}

test(without_memory_the_error_itself_goes_on)
{
    int64_t result = run(fails_without_memory);

    testing_fail_allocation(0);
    assert_int_equal(result, BAD);
}

/* ---- misuse */

static void run_loop(void *argument)
{
    (void)argument;
    eddy_loop_run(testing.loop);
}

eddy_frame(fails_with_success) {
    eddy_coro co;
};

static void fails_with_success(eddy_coro *co)
{
    eddy_begin(fails_with_success);
    eddy_fail(co, EIO, "it should have been -EIO");
    eddy_end;
}

test(a_code_that_is_no_error_aborts)
{
    start(fails_with_success);
    testing_expect_abort(run_loop, NULL,
                         "fails_with_success: eddy_fail with a code that is no error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(the_text_and_the_place_go_with_the_error_to_whoever_catches_it),
        testing_case(the_error_hook_is_told_the_text),
        testing_case(an_operations_own_error_is_caught_with_its_place_and_the_systems_text),
        testing_case(a_long_text_is_cut_off),
        testing_case(the_memory_of_texts_is_used_again),
        testing_case(without_memory_the_error_itself_goes_on),
        testing_case(a_code_that_is_no_error_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
