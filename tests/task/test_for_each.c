/* coro.h: generators, eddy_yield and eddy_for_each. */
#include "support/tasks.h"

/* Yields `count` numbers from `from` on, `seconds` apart; then fails with `error`. Its finally takes a
 * second and ends with `cleanup`. */
eddy_frame(numbers) {
    eddy_coro co;
    int from, count, seconds;
    int64_t error;
    int64_t cleanup;
    int i;
    int value;
};

static void numbers(eddy_coro *co)
{
    eddy_begin(numbers);
    for (self->i = 0; self->i < self->count; self->i++) {
        eddy_await(eddy_sleep(co, self->seconds * EDDY_SECOND));
        eddy_yield(self->from + self->i);
    }
    eddy_return(self->error);
eddy_finally:
    testing_log("closing");
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    log_end("closed", 0);
    eddy_await(give(co, self->cleanup));
    eddy_end;
}

/* ---- values */

eddy_frame(logs_all) {
    eddy_coro co;
    int from, count, seconds;
    int64_t error;
    int i;
};

static void logs_all(eddy_coro *co)
{
    eddy_begin(logs_all);
    self->i = -1;
    eddy_for_each(self->i, numbers, .from = self->from, .count = self->count,
                  .seconds = self->seconds, .error = self->error) {
        log_end("got", self->i);
    }
    testing_log("after %d", self->i);
    eddy_end;
}

test(the_block_runs_for_every_value_when_it_is_yielded)
{
    assert_int_equal(run(logs_all, .from = 5, .count = 3, .seconds = 1), 0);
    testing_assert_log("got=5@1 got=6@2 got=7@3 closing closed=0@4 after 7");
}

test(a_generator_may_yield_nothing_and_the_variable_stays)
{
    assert_int_equal(run(logs_all), 0);
    testing_assert_log("closing closed=0@1 after -1");
}

test(an_error_of_the_generator_goes_on_as_that_of_an_await)
{
    assert_int_equal(run(logs_all, .count = 2, .error = -EIO), -EIO);
    testing_assert_log("got=0@0 got=1@0 closing closed=0@1");
}

test(a_value_that_a_generator_returns_only_ends_it)
{
    assert_int_equal(run(logs_all, .count = 1, .error = 99), 0);
    testing_assert_log("got=0@0 closing closed=0@1 after 0");
}

struct point {
    int x, y;
    const char *name;
};

eddy_frame(points) {
    eddy_coro co;
    struct point value;
};

static void points(eddy_coro *co)
{
    eddy_begin(points);
    eddy_yield(((struct point){1, 2, "a"}));
    eddy_yield(((struct point){-3, INT32_MIN, "b"}));
    eddy_end;
}

eddy_frame(halves) {
    eddy_coro co;
    double value;
};

static void halves(eddy_coro *co)
{
    eddy_begin(halves);
    eddy_yield(-0.5);
    eddy_yield(2.5);
    eddy_end;
}

eddy_frame(words) {
    eddy_coro co;
    const char *value;
};

static void words(eddy_coro *co)
{
    eddy_begin(words);
    eddy_yield("first");
    eddy_yield(NULL);
    eddy_end;
}

eddy_frame(logs_types) {
    eddy_coro co;
    struct point point;
    double number;
    const char *word;
};

static void logs_types(eddy_coro *co)
{
    eddy_begin(logs_types);
    eddy_for_each(self->point, points) {
        testing_log("%d/%d/%s", self->point.x, self->point.y, self->point.name);
    }
    eddy_for_each(self->number, halves) {
        testing_log("%.1f", self->number);
    }
    eddy_for_each(self->word, words) {
        testing_log("%s", self->word == NULL ? "NULL" : self->word);
    }
    eddy_end;
}

test(a_value_may_have_any_type)
{
    assert_int_equal(run(logs_types), 0);
    testing_assert_log("1/2/a -3/-2147483648/b -0.5 2.5 first NULL");
}

/* ---- leaving */

enum way { FALL, CONTINUE, BREAK, RETURN, FAIL };

/* Leaves the block at the second value, in that way. */
eddy_frame(leaves) {
    eddy_coro co;
    enum way way;
    int64_t cleanup;
    int i;
};

static void leaves(eddy_coro *co)
{
    eddy_begin(leaves);
    eddy_for_each(self->i, numbers, .count = 3, .cleanup = self->cleanup) {
        if (self->i == 1) {
            if (self->way == CONTINUE) {
                continue;
            }
            if (self->way == BREAK) {
                break;
            }
            if (self->way == RETURN) {
                eddy_return(7);
            }
            if (self->way == FAIL) {
                eddy_await(give(co, -EIO));
            }
        }
        testing_log("%d", self->i);
    }
    testing_log("after %d", self->i);
eddy_finally:
    testing_log("finally");
    eddy_end;
}

test(continue_goes_on_with_the_next_value)
{
    assert_int_equal(run(leaves, .way = CONTINUE), 0);
    testing_assert_log("0 2 closing closed=0@1 after 2 finally");
}

test(break_runs_the_finally_of_the_generator_before_what_follows)
{
    assert_int_equal(run(leaves, .way = BREAK), 0);
    testing_assert_log("0 closing closed=0@1 after 1 finally");
}

test(return_runs_the_finally_of_the_generator_before_ones_own)
{
    assert_int_equal(run(leaves, .way = RETURN), 7);
    testing_assert_log("0 closing closed=0@1 finally");
}

test(an_error_in_the_block_runs_the_finally_of_the_generator_and_goes_on)
{
    assert_int_equal(run(leaves, .way = FAIL), -EIO);
    testing_assert_log("0 closing closed=0@1 finally");
}

test(an_error_of_the_generators_finally_goes_on_after_a_break_or_a_return)
{
    assert_int_equal(run(leaves, .way = BREAK, .cleanup = -EPIPE), -EPIPE);
    testing_assert_log("0 closing closed=0@1 finally");
    assert_int_equal(run(leaves, .way = RETURN, .cleanup = -EPIPE), -EPIPE);
    testing_assert_log("0 closing closed=0@2 finally");
}

test(an_error_of_the_generators_finally_is_told_if_the_block_has_failed)
{
    assert_int_equal(run(leaves, .way = FAIL, .cleanup = -EPIPE), -EIO);
    testing_assert_log("0 closing closed=0@1 finally");
    assert_told(-EPIPE, "was failing already");
}

eddy_frame(leaves_twice) {
    eddy_coro co;
    int times;
    int i;
};

static void leaves_twice(eddy_coro *co)
{
    eddy_begin(leaves_twice);
    while (self->times++ < 2) {
        eddy_for_each(self->i, numbers, .from = self->times * 10, .count = 3) {
            testing_log("%d", self->i);
            break;
        }
    }
    eddy_end;
}

test(break_leaves_the_for_each_and_no_more)
{
    assert_int_equal(run(leaves_twice), 0);
    testing_assert_log("10 closing closed=0@1 20 closing closed=0@2");
}

/* ---- nesting */

eddy_frame(multiplies) {
    eddy_coro co;
    enum way way;
    int a, b;
};

static void multiplies(eddy_coro *co)
{
    eddy_begin(multiplies);
    eddy_for_each(self->a, numbers, .from = 1, .count = 2) {
        eddy_for_each(self->b, numbers, .from = 10, .count = 3) {
            if (self->b == 11 && self->way == BREAK) {
                break;
            }
            if (self->b == 11 && self->way == RETURN) {
                eddy_return(self->a * self->b);
            }
            testing_log("%d", self->a * self->b);
        }
    }
    eddy_end;
}

test(for_each_nests)
{
    assert_int_equal(run(multiplies), 0);
    testing_assert_log(
        "10 11 12 closing closed=0@1 20 22 24 closing closed=0@2 closing closed=0@3");
}

test(break_leaves_the_innermost_for_each)
{
    assert_int_equal(run(multiplies, .way = BREAK), 0);
    testing_assert_log("10 closing closed=0@1 20 closing closed=0@2 closing closed=0@3");
}

test(return_leaves_all_from_the_innermost_outwards)
{
    assert_int_equal(run(multiplies, .way = RETURN), 11);
    testing_assert_log("10 closing closed=0@1 closing closed=0@2");
}

eddy_frame(doubles) {
    eddy_coro co;
    int count;
    int i;
    int value;
};

static void doubles(eddy_coro *co)
{
    eddy_begin(doubles);
    eddy_for_each(self->i, numbers, .count = self->count) {
        eddy_yield(self->i * 2);
    }
eddy_finally:
    testing_log("doubles closed");
    eddy_end;
}

eddy_frame(logs_doubles) {
    eddy_coro co;
    int at_most;
    int i;
};

static void logs_doubles(eddy_coro *co)
{
    eddy_begin(logs_doubles);
    eddy_for_each(self->i, doubles, .count = 3) {
        testing_log("%d", self->i);
        if (self->i == self->at_most) {
            break;
        }
    }
    testing_log("after");
    eddy_end;
}

test(a_generator_may_run_another)
{
    assert_int_equal(run(logs_doubles, .at_most = 100), 0);
    testing_assert_log("0 2 4 closing closed=0@1 doubles closed after");
}

test(leaving_a_generator_closes_the_one_that_it_runs_first)
{
    assert_int_equal(run(logs_doubles, .at_most = 2), 0);
    testing_assert_log("0 2 closing closed=0@1 doubles closed after");
}

eddy_frame(resource) {
    eddy_coro co;
};

static void resource(eddy_coro *co)
{
    eddy_begin(resource);
    testing_log("enter");
    eddy_body;
eddy_finally:
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    log_end("exit", 0);
    eddy_end;
}

eddy_frame(rows) {
    eddy_coro co;
    int value;
};

static void rows(eddy_coro *co)
{
    eddy_begin(rows);
    eddy_with(resource) {
        eddy_yield(1);
        eddy_yield(2);
    }
eddy_finally:
    testing_log("rows closed");
    eddy_end;
}

eddy_frame(reads_rows) {
    eddy_coro co;
    enum way way;
    int row;
};

static void reads_rows(eddy_coro *co)
{
    eddy_begin(reads_rows);
    eddy_for_each(self->row, rows) {
        testing_log("row %d", self->row);
        if (self->way == BREAK) {
            break;
        }
        if (self->way == FAIL) {
            eddy_return(-EIO);
        }
    }
    eddy_end;
}

test(a_generator_may_yield_inside_a_with_whose_exit_runs_when_it_ends_or_is_left)
{
    assert_int_equal(run(reads_rows), 0);
    testing_assert_log("enter row 1 row 2 exit=0@1 rows closed");
    assert_int_equal(run(reads_rows, .way = BREAK), 0);
    testing_assert_log("enter row 1 exit=0@2 rows closed");
    assert_int_equal(run(reads_rows, .way = FAIL), -EIO);
    testing_assert_log("enter row 1 exit=0@3 rows closed");
}

/* ---- cancelling */

eddy_frame(consumes) {
    eddy_coro co;
    int generator_seconds, block_seconds;
    int i;
};

static void consumes(eddy_coro *co)
{
    eddy_begin(consumes);
    eddy_for_each(self->i, numbers, .count = 3, .seconds = self->generator_seconds) {
        log_end("got", self->i);
        eddy_await(eddy_sleep(co, self->block_seconds * EDDY_SECOND));
    }
eddy_finally:
    testing_log("finally");
    eddy_end;
}

test(a_cancel_while_the_generator_waits_unwinds_it_and_then_the_block)
{
    eddy_task task = start(consumes, .generator_seconds = 2);

    start(cancels, .task = task, .at = 3);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("got=0@2 closing closed=0@4 finally");
}

test(a_cancel_while_the_block_waits_closes_the_generator)
{
    eddy_task task = start(consumes, .block_seconds = 2);

    start(cancels, .task = task, .at = 3);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("got=0@0 got=1@2 closing closed=0@4 finally");
}

test(a_cancel_while_the_generator_is_closed_is_held_back)
{
    eddy_task task = start(leaves, .way = BREAK);

    testing_turns();
    eddy_cancel(task);
    assert_int_equal(finish(task), 0);
    testing_assert_log("0 closing closed=0@1 after 1 finally");
}

test(a_cancel_that_is_pending_starts_no_generator)
{
    eddy_task task = start(logs_all, .count = 3);

    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("");
}

/* ---- memory */

eddy_frame(bulky) {
    eddy_coro co;
    char bytes[1000000];
    int value;
};

static void bulky(eddy_coro *co)
{
    eddy_begin(bulky);
    eddy_yield(1);
    eddy_end;
}

eddy_frame(consumes_bulky) {
    eddy_coro co;
    int i;
};

static void consumes_bulky(eddy_coro *co)
{
    eddy_begin(consumes_bulky);
    testing_fail_allocation(1);
    eddy_for_each(self->i, bulky) {
        testing_log("never");
    }
    testing_log("never");
eddy_finally:
    testing_log("finally");
    eddy_end;
}

test(a_for_each_without_memory_is_an_error)
{
    assert_int_equal(run(consumes_bulky), -ENOMEM);
    testing_assert_log("finally");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(the_block_runs_for_every_value_when_it_is_yielded),
        testing_case(a_generator_may_yield_nothing_and_the_variable_stays),
        testing_case(an_error_of_the_generator_goes_on_as_that_of_an_await),
        testing_case(a_value_that_a_generator_returns_only_ends_it),
        testing_case(a_value_may_have_any_type),
        testing_case(continue_goes_on_with_the_next_value),
        testing_case(break_runs_the_finally_of_the_generator_before_what_follows),
        testing_case(return_runs_the_finally_of_the_generator_before_ones_own),
        testing_case(an_error_in_the_block_runs_the_finally_of_the_generator_and_goes_on),
        testing_case(an_error_of_the_generators_finally_goes_on_after_a_break_or_a_return),
        testing_case(an_error_of_the_generators_finally_is_told_if_the_block_has_failed),
        testing_case(break_leaves_the_for_each_and_no_more),
        testing_case(for_each_nests),
        testing_case(break_leaves_the_innermost_for_each),
        testing_case(return_leaves_all_from_the_innermost_outwards),
        testing_case(a_generator_may_run_another),
        testing_case(leaving_a_generator_closes_the_one_that_it_runs_first),
        testing_case(a_generator_may_yield_inside_a_with_whose_exit_runs_when_it_ends_or_is_left),
        testing_case(a_cancel_while_the_generator_waits_unwinds_it_and_then_the_block),
        testing_case(a_cancel_while_the_block_waits_closes_the_generator),
        testing_case(a_cancel_while_the_generator_is_closed_is_held_back),
        testing_case(a_cancel_that_is_pending_starts_no_generator),
        testing_case(a_for_each_without_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
