/* coro.h: context managers, eddy_body and eddy_with. */
#include "support/tasks.h"

/* Takes a second to enter and a second to exit; may fail in both. */
eddy_frame(resource) {
    eddy_coro co;
    const char *name;
    int64_t enter, exit;
};

static void resource(eddy_coro *co)
{
    eddy_begin(resource);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    log_end(self->name, self->enter);
    eddy_await(give(co, self->enter));
    eddy_body;
    testing_log("%s-ok", self->name);
eddy_finally:
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    testing_log("-%s@%d", self->name, seconds());
    eddy_await(give(co, self->exit));
    eddy_end;
}

/* Logs what it does, and does not wait. */
eddy_frame(brackets) {
    eddy_coro co;
    const char *name;
};

static void brackets(eddy_coro *co)
{
    eddy_begin(brackets);
    testing_log("+%s", self->name);
    eddy_body;
eddy_finally:
    testing_log("-%s", self->name);
    eddy_end;
}

/* ---- enter and exit */

eddy_frame(uses) {
    eddy_coro co;
    int64_t enter, body, exit;
};

static void uses(eddy_coro *co)
{
    eddy_begin(uses);
    eddy_with(resource, .name = "r", .enter = self->enter, .exit = self->exit) {
        testing_log("body");
        eddy_await(eddy_sleep(co, EDDY_SECOND));
        eddy_await(give(co, self->body));
        testing_log("end");
    }
    testing_log("after");
eddy_finally:
    testing_log("finally");
    eddy_end;
}

test(enter_block_and_exit_run_in_order_and_may_all_wait)
{
    assert_int_equal(run(uses), 0);
    testing_assert_log("r=0@1 body end r-ok -r@3 after finally");
}

test(an_error_in_the_block_runs_only_the_finally_of_the_manager_and_goes_on)
{
    assert_int_equal(run(uses, .body = -EIO), -EIO);
    testing_assert_log("r=0@1 body -r@3 finally");
}

test(an_error_in_the_enter_leaves_the_block_out_and_goes_on)
{
    assert_int_equal(run(uses, .enter = -EIO), -EIO);
    testing_assert_log("r=EIO@1 -r@2 finally");
}

test(an_error_in_the_exit_goes_on_if_the_block_had_succeeded)
{
    assert_int_equal(run(uses, .exit = -EIO), -EIO);
    testing_assert_log("r=0@1 body end r-ok -r@3 finally");
}

test(the_error_of_the_block_wins_and_that_of_the_exit_is_told)
{
    assert_int_equal(run(uses, .body = -EIO, .exit = -EPIPE), -EIO);
    testing_assert_log("r=0@1 body -r@3 finally");
    assert_told(-EPIPE, "was failing already");
}

test(a_cancel_in_the_enter_leaves_the_block_out)
{
    eddy_task task = start(uses);

    testing_turns();
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("-r@1 finally");
}

test(a_cancel_in_the_block_runs_the_exit)
{
    eddy_task task = start(uses);

    start(cancels, .task = task, .at = 1);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("r=0@1 body -r@2 finally");
}

eddy_frame(waits_after_with) {
    eddy_coro co;
    int64_t rc;
};

static void waits_after_with(eddy_coro *co)
{
    eddy_begin(waits_after_with);
    eddy_with(resource, .name = "r") {
        testing_log("body");
    }
    eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
    log_end("slept", self->rc);
    eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
    log_end("slept", self->rc);
    eddy_end;
}

test(a_cancel_in_the_exit_is_held_back_until_the_next_await)
{
    eddy_task task = start(waits_after_with);

    start(sleeps, .seconds = 1);
    while (seconds() < 1) {
        eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0);
    }
    testing_turns();
    testing_assert_log("r=0@1 body r-ok");
    eddy_cancel(task);
    assert_int_equal(finish(task), 0);
    testing_assert_log("-r@2 slept=ECANCELED@2 slept=0@3");
}

eddy_frame(exits_behind_body) {
    eddy_coro co;
    int64_t rc;
};

static void exits_behind_body(eddy_coro *co)
{
    eddy_begin(exits_behind_body);
    eddy_body;
    eddy_catch(self->rc, eddy_sleep(co, EDDY_SECOND));
    log_end("exit", self->rc);
    eddy_end;
}

eddy_frame(waits_after_that) {
    eddy_coro co;
    int64_t rc;
};

static void waits_after_that(eddy_coro *co)
{
    eddy_begin(waits_after_that);
    eddy_with(exits_behind_body) {}
    eddy_catch(self->rc, eddy_pause(co));
    log_end("pause", self->rc);
    eddy_end;
}

test(a_cancel_is_held_back_in_an_exit_that_stands_behind_the_body_too)
{
    eddy_task task = start(waits_after_that);

    testing_turns();
    eddy_cancel(task);
    assert_int_equal(finish(task), 0);
    testing_assert_log("exit=0@1 pause=ECANCELED@1");
}

/* ---- every way out */

enum way { FALL, CONTINUE, BREAK, RETURN, FAIL, WAIT };

eddy_frame(leaves) {
    eddy_coro co;
    enum way way;
    int i;
};

static void leaves(eddy_coro *co)
{
    eddy_begin(leaves);
    for (self->i = 0; self->i < 2; self->i++) {
        eddy_with(brackets, .name = "a") {
            eddy_with(brackets, .name = "b") {
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
                    eddy_return(-EIO);
                }
                if (self->way == WAIT) {
                    eddy_await(eddy_sleep(co, EDDY_SECOND));
                }
                testing_log("end");
            }
            testing_log("between");
        }
        testing_log("next");
    }
    testing_log("after");
eddy_finally:
    testing_log("finally");
    eddy_end;
}

test(falling_out_runs_the_exits_from_the_innermost_outwards)
{
    assert_int_equal(run(leaves, .way = FALL), 0);
    testing_assert_log("+a +b end -b between -a next +a +b end -b between -a next after finally");
}

test(continue_ends_the_innermost_block)
{
    assert_int_equal(run(leaves, .way = CONTINUE), 0);
    testing_assert_log("+a +b -b between -a next +a +b -b between -a next after finally");
}

test(break_leaves_all_blocks_and_the_users_loop_around_them)
{
    assert_int_equal(run(leaves, .way = BREAK), 0);
    testing_assert_log("+a +b -b -a after finally");
}

test(return_leaves_all_blocks)
{
    assert_int_equal(run(leaves, .way = RETURN), 7);
    testing_assert_log("+a +b -b -a finally");
}

test(an_error_leaves_all_blocks)
{
    assert_int_equal(run(leaves, .way = FAIL), -EIO);
    testing_assert_log("+a +b -b -a finally");
}

test(a_cancel_leaves_all_blocks)
{
    eddy_task task = start(leaves, .way = WAIT);

    start(cancels, .task = task);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("+a +b -b -a finally");
}

eddy_frame(loops_inside) {
    eddy_coro co;
    int i, j;
};

static void loops_inside(eddy_coro *co)
{
    eddy_begin(loops_inside);
    for (self->i = 0; self->i < 2; self->i++) {
        eddy_with(brackets, .name = "a") {
            for (self->j = 0; self->j < 5; self->j++) {
                eddy_await(eddy_pause(co));
                if (self->j == 1) {
                    continue;
                }
                if (self->j == 3) {
                    break;
                }
                testing_log("%d", self->j);
            }
        }
    }
    eddy_end;
}

test(break_and_continue_of_a_loop_inside_the_block_are_that_loops)
{
    assert_int_equal(run(loops_inside), 0);
    testing_assert_log("+a 0 2 -a +a 0 2 -a");
}

eddy_frame(returns_value) {
    eddy_coro co;
};

static void returns_value(eddy_coro *co)
{
    eddy_begin(returns_value);
    eddy_with(resource, .name = "r") {
        eddy_return(7);
    }
    eddy_end;
}

test(a_value_that_is_returned_from_the_block_is_a_success_to_the_manager)
{
    assert_int_equal(run(returns_value), 7);
    testing_assert_log("r=0@1 r-ok -r@2");
}

/* ---- mixtures */

eddy_frame(counts) {
    eddy_coro co;
    int i;
    int value;
};

static void counts(eddy_coro *co)
{
    eddy_begin(counts);
    for (self->i = 0; self->i < 3; self->i++) {
        eddy_yield(self->i);
    }
eddy_finally:
    testing_log("closed");
    eddy_end;
}

eddy_frame(mixes) {
    eddy_coro co;
    enum way way;
    int i;
};

static void mixes(eddy_coro *co)
{
    eddy_begin(mixes);
    eddy_with(brackets, .name = "outer") {
        eddy_for_each(self->i, counts) {
            eddy_with(brackets, .name = "inner") {
                testing_log("%d", self->i);
                if (self->way == BREAK) {
                    break;
                }
                if (self->way == RETURN) {
                    eddy_return(self->i);
                }
                eddy_await(eddy_sleep(co, self->way == WAIT ? EDDY_SECOND : 0));
            }
        }
        testing_log("rest");
    }
    eddy_end;
}

test(with_and_for_each_nest)
{
    assert_int_equal(run(mixes), 0);
    testing_assert_log("+outer +inner 0 -inner +inner 1 -inner +inner 2 -inner closed rest -outer");
}

test(break_in_a_with_inside_a_for_each_leaves_the_for_each)
{
    assert_int_equal(run(mixes, .way = BREAK), 0);
    testing_assert_log("+outer +inner 0 -inner closed rest -outer");
}

test(return_and_cancel_leave_every_scope_in_order)
{
    eddy_task task = start(mixes, .way = WAIT);

    start(cancels, .task = task);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("+outer +inner 0 -inner closed -outer");
    assert_int_equal(run(mixes, .way = RETURN), 0);
    testing_assert_log("+outer +inner 0 -inner closed -outer");
}

eddy_frame(composed) {
    eddy_coro co;
};

static void composed(eddy_coro *co)
{
    eddy_begin(composed);
    eddy_with(brackets, .name = "x") {
        eddy_with(brackets, .name = "y") {
            eddy_body;
            testing_log("ok");
        }
    }
eddy_finally:
    testing_log("composed");
    eddy_end;
}

eddy_frame(uses_composed) {
    eddy_coro co;
    int64_t body;
};

static void uses_composed(eddy_coro *co)
{
    eddy_begin(uses_composed);
    eddy_with(composed) {
        testing_log("body");
        eddy_await(give(co, self->body));
    }
    testing_log("after");
    eddy_end;
}

test(a_manager_may_be_composed_of_managers)
{
    assert_int_equal(run(uses_composed), 0);
    testing_assert_log("+x +y body ok -y -x composed after");
    assert_int_equal(run(uses_composed, .body = -EIO), -EIO);
    testing_assert_log("+x +y body -y -x composed");
}

eddy_frame(with_in_finally) {
    eddy_coro co;
    int i;
};

static void with_in_finally(eddy_coro *co)
{
    eddy_begin(with_in_finally);
    eddy_return(-EIO);
eddy_finally:
    eddy_with(brackets, .name = "a") {
        eddy_await(eddy_sleep(co, EDDY_SECOND));
        eddy_for_each(self->i, counts) {
            testing_log("%d", self->i);
        }
    }
    testing_log("end");
    eddy_end;
}

test(a_finally_may_use_scopes)
{
    assert_int_equal(run(with_in_finally), -EIO);
    testing_assert_log("+a 0 1 2 closed -a end");
}

eddy_frame(except_in_with) {
    eddy_coro co;
};

static void except_in_with(eddy_coro *co)
{
    eddy_begin(except_in_with);
    while (true) {
        eddy_with(brackets, .name = "a") {
            eddy_except(-EIO, eddy_call(co, uses, .body = -EIO)) {
                testing_log("caught");
                break;
            }
        }
    }
    testing_log("after");
    eddy_end;
}

test(break_in_an_except_block_inside_a_with_leaves_the_users_loop)
{
    assert_int_equal(run(except_in_with), 0);
    testing_assert_log("+a r=0@1 body -r@3 finally caught -a after");
}

/* ---- memory */

eddy_frame(bulky) {
    eddy_coro co;
    char bytes[1000000];
};

static void bulky(eddy_coro *co)
{
    eddy_begin(bulky);
    eddy_body;
    eddy_end;
}

eddy_frame(uses_bulky) {
    eddy_coro co;
};

static void uses_bulky(eddy_coro *co)
{
    eddy_begin(uses_bulky);
    testing_fail_allocation(1);
    eddy_with(bulky) {
        testing_log("never");
    }
    testing_log("never");
eddy_finally:
    testing_log("finally");
    eddy_end;
}

test(a_with_without_memory_is_an_error_and_leaves_the_block_out)
{
    assert_int_equal(run(uses_bulky), -ENOMEM);
    testing_assert_log("finally");
}

eddy_frame(enters_often) {
    eddy_coro co;
    int i, j;
    unsigned requests;
};

static void enters_often(eddy_coro *co)
{
    eddy_begin(enters_often);
    for (self->i = 0; self->i < 10000; self->i++) {
        eddy_with(brackets, .name = "") {
            eddy_for_each(self->j, counts) {
                testing.log[0] = '\0';
            }
        }
        if (self->i == 0) {
            self->requests = testing.memory.calls;
        }
    }
    testing.log[0] = '\0';
    eddy_return(testing.memory.calls - self->requests);
    eddy_end;
}

test(the_memory_of_scopes_is_used_again)
{
    testing.options.flags = 0;
    testing_reopen();
    assert_int_equal(run(enters_often), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(enter_block_and_exit_run_in_order_and_may_all_wait),
        testing_case(an_error_in_the_block_runs_only_the_finally_of_the_manager_and_goes_on),
        testing_case(an_error_in_the_enter_leaves_the_block_out_and_goes_on),
        testing_case(an_error_in_the_exit_goes_on_if_the_block_had_succeeded),
        testing_case(the_error_of_the_block_wins_and_that_of_the_exit_is_told),
        testing_case(a_cancel_in_the_enter_leaves_the_block_out),
        testing_case(a_cancel_in_the_block_runs_the_exit),
        testing_case(a_cancel_in_the_exit_is_held_back_until_the_next_await),
        testing_case(a_cancel_is_held_back_in_an_exit_that_stands_behind_the_body_too),
        testing_case(falling_out_runs_the_exits_from_the_innermost_outwards),
        testing_case(continue_ends_the_innermost_block),
        testing_case(break_leaves_all_blocks_and_the_users_loop_around_them),
        testing_case(return_leaves_all_blocks),
        testing_case(an_error_leaves_all_blocks),
        testing_case(a_cancel_leaves_all_blocks),
        testing_case(break_and_continue_of_a_loop_inside_the_block_are_that_loops),
        testing_case(a_value_that_is_returned_from_the_block_is_a_success_to_the_manager),
        testing_case(with_and_for_each_nest),
        testing_case(break_in_a_with_inside_a_for_each_leaves_the_for_each),
        testing_case(return_and_cancel_leave_every_scope_in_order),
        testing_case(a_manager_may_be_composed_of_managers),
        testing_case(a_finally_may_use_scopes),
        testing_case(break_in_an_except_block_inside_a_with_leaves_the_users_loop),
        testing_case(a_with_without_memory_is_an_error_and_leaves_the_block_out),
        testing_case(the_memory_of_scopes_is_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
