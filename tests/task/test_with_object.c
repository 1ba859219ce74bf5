/* eddy_with_lock and its like: scopes around an object instead of a context manager. */
#include "support/tasks.h"

#include "eddy/lock.h"

/* An object that logs what is done with it, and may fail or take a second in both. */
struct bracket {
    const char *name;
    int64_t enter, leave;
    bool slow;
};

static int64_t bracket_enter(eddy_coro *co)
{
    const struct bracket *bracket = co->scope->object;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (bracket->enter < 0) {
        return bracket->enter;
    }
    testing_log("+%s", bracket->name);
    return bracket->slow ? eddy_sleep(co, EDDY_SECOND) : eddy_complete(co, bracket->enter);
}

static int64_t bracket_leave(eddy_coro *co, struct eddy_scope *scope)
{
    const struct bracket *bracket = scope->object;

    testing_log("-%s@%d", bracket->name, seconds());
    return bracket->slow ? eddy_sleep(co, EDDY_SECOND) : bracket->leave;
}

#define eddy_with_bracket(bracket) EDDY_WITH_OBJECT_(bracket, bracket_leave, bracket_enter(co))

static struct bracket a, b;

static int set_up(void **state)
{
    a = (struct bracket){.name = "a"};
    b = (struct bracket){.name = "b"};
    return testing_setup(state);
}

#define with_case(name) cmocka_unit_test_setup_teardown(name, set_up, testing_teardown)

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
        eddy_with_bracket(&a) {
            eddy_with_bracket(&b) {
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

test(falling_out_leaves_from_the_innermost_outwards)
{
    assert_int_equal(run(leaves, .way = FALL), 0);
    testing_assert_log("+a +b end -b@0 between -a@0 next "
                       "+a +b end -b@0 between -a@0 next after finally");
}

test(continue_ends_the_innermost_block)
{
    assert_int_equal(run(leaves, .way = CONTINUE), 0);
    testing_assert_log("+a +b -b@0 between -a@0 next +a +b -b@0 between -a@0 next after finally");
}

test(break_leaves_all_blocks_and_the_users_loop_around_them)
{
    assert_int_equal(run(leaves, .way = BREAK), 0);
    testing_assert_log("+a +b -b@0 -a@0 after finally");
}

test(return_leaves_all_blocks)
{
    assert_int_equal(run(leaves, .way = RETURN), 7);
    testing_assert_log("+a +b -b@0 -a@0 finally");
}

test(an_error_leaves_all_blocks)
{
    assert_int_equal(run(leaves, .way = FAIL), -EIO);
    testing_assert_log("+a +b -b@0 -a@0 finally");
}

test(a_cancel_leaves_all_blocks)
{
    eddy_task task = start(leaves, .way = WAIT);

    start(cancels, .task = task);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("+a +b -b@0 -a@0 finally");
}

test(enter_and_exit_may_take_their_time)
{
    a.slow = b.slow = true;
    assert_int_equal(run(leaves, .way = BREAK), 0);
    testing_assert_log("+a +b -b@2 -a@3 after finally");
    assert_int_equal(seconds(), 4);
}

test(a_cancel_in_an_exit_is_held_back_until_it_is_over)
{
    eddy_task task = start(leaves, .way = CONTINUE);

    b.slow = true;
    start(cancels, .task = task, .at = 1); /* runs behind the task, which is leaving b by then */
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("+a +b -b@1 between -a@2 next finally");
}

test(an_enter_that_fails_leaves_the_block_out_and_nothing_to_leave)
{
    b.enter = -EIO;
    assert_int_equal(run(leaves), -EIO);
    testing_assert_log("+a -a@0 finally");
}

test(an_enter_that_is_cancelled_leaves_nothing_to_leave)
{
    eddy_task task = start(leaves);

    b.slow = true;
    testing_turn();
    testing_assert_log("+a +b");
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("-a@0 finally");
}

test(an_enter_may_return_a_value)
{
    a.enter = b.enter = 5;
    assert_int_equal(run(leaves, .way = BREAK), 0);
    testing_assert_log("+a +b -b@0 -a@0 after finally");
}

test(an_exit_that_fails_after_a_good_block_is_the_error_and_the_outer_ones_are_left)
{
    b.leave = -EPIPE;
    assert_int_equal(run(leaves, .way = BREAK), -EPIPE);
    testing_assert_log("+a +b -b@0 -a@0 finally");
}

test(the_error_of_the_block_wins_and_that_of_the_exit_is_told)
{
    b.leave = -EPIPE;
    assert_int_equal(run(leaves, .way = FAIL), -EIO);
    testing_assert_log("+a +b -b@0 -a@0 finally");
    assert_told(-EPIPE, "was failing already");
}

eddy_frame(under_if) {
    eddy_coro co;
    bool yes;
};

static void under_if(eddy_coro *co)
{
    eddy_begin(under_if);
    if (self->yes)
        eddy_with_bracket(&a) {
            testing_log("yes");
        }
    else
        testing_log("no");
    testing_log("after");
    eddy_end;
}

test(under_an_if_without_braces_the_else_is_the_ifs)
{
    assert_int_equal(run(under_if, .yes = true), 0);
    testing_assert_log("+a yes -a@0 after");
    assert_int_equal(run(under_if), 0);
    testing_assert_log("no after");
}

eddy_frame(loops_inside) {
    eddy_coro co;
    int i, j;
};

static void loops_inside(eddy_coro *co)
{
    eddy_begin(loops_inside);
    for (self->i = 0; self->i < 2; self->i++) {
        eddy_with_bracket(&a) {
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
    testing_assert_log("+a 0 2 -a@0 +a 0 2 -a@0");
}

/* ---- with managers and generators */

eddy_frame(manages) {
    eddy_coro co;
};

static void manages(eddy_coro *co)
{
    eddy_begin(manages);
    eddy_with_bracket(&a) {
        eddy_body;
    }
eddy_finally:
    testing_log("managed");
    eddy_end;
}

eddy_frame(counts) {
    eddy_coro co;
    int i, value;
};

static void counts(eddy_coro *co)
{
    eddy_begin(counts);
    for (self->i = 0; self->i < 3; self->i++) {
        eddy_with_bracket(&b) {
            eddy_yield(self->i);
        }
    }
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
    eddy_with(manages) {
        eddy_for_each(self->i, counts) {
            testing_log("%d", self->i);
            if (self->way == BREAK) {
                break;
            }
            if (self->way == FAIL) {
                eddy_return(-EIO);
            }
        }
        testing_log("rest");
    }
    eddy_end;
}

test(managers_and_generators_may_be_made_of_them)
{
    assert_int_equal(run(mixes), 0);
    testing_assert_log("+a +b 0 -b@0 +b 1 -b@0 +b 2 -b@0 rest -a@0 managed");
    assert_int_equal(run(mixes, .way = BREAK), 0);
    testing_assert_log("+a +b 0 -b@0 rest -a@0 managed");
    assert_int_equal(run(mixes, .way = FAIL), -EIO);
    testing_assert_log("+a +b 0 -b@0 -a@0 managed");
}

eddy_frame(in_finally) {
    eddy_coro co;
};

static void in_finally(eddy_coro *co)
{
    eddy_begin(in_finally);
    eddy_return(-EIO);
eddy_finally:
    eddy_with_bracket(&a) {
        eddy_await(eddy_sleep(co, EDDY_SECOND));
    }
    testing_log("end");
    eddy_end;
}

test(a_finally_may_use_them)
{
    assert_int_equal(run(in_finally), -EIO);
    testing_assert_log("+a -a@1 end");
}

/* ---- the words */

static eddy_lock lock;
static eddy_cond cond = {.lock = &lock};
static eddy_semaphore semaphore = {.permits = 1, .bound = 1};

static void assert_all_free(void)
{
    assert_false(eddy_lock_locked(&lock));
    assert_int_equal(eddy_cond_fini(&cond), 0);
    assert_int_equal(eddy_semaphore_fini(&semaphore), 0);
}

eddy_frame(uses_all) {
    eddy_coro co;
    const char *name;
    enum way way;
    int i;
};

static void uses_all(eddy_coro *co)
{
    eddy_begin(uses_all);
    for (self->i = 0; self->i < 2; self->i++) {
        eddy_with_semaphore(&semaphore) {
            eddy_with_lock(&lock) {
                testing_log("%s-lock", self->name);
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
                eddy_await(eddy_pause(co));
            }
            eddy_with_cond(&cond) {
                testing_log("%s-cond", self->name);
                assert_true(eddy_lock_locked(&lock));
                eddy_await(eddy_pause(co));
            }
        }
    }
    assert_false(self->way == RETURN);
    eddy_end;
}

test(the_words_hold_what_they_say_and_let_it_go_on_every_way_out)
{
    static const struct {
        enum way way;
        int64_t result;
    } ways[] = {{FALL, 0}, {CONTINUE, 0}, {BREAK, 0}, {RETURN, 7}, {FAIL, -EIO}};

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        assert_int_equal(run(uses_all, .name = "x", .way = ways[i].way), ways[i].result);
        assert_all_free();
    }
    testing.log[0] = '\0';
}

test(two_tasks_in_the_words_take_turns)
{
    start(uses_all, .name = "x");
    start(uses_all, .name = "y");
    testing_run();
    testing_assert_log("x-lock x-cond y-lock y-cond x-lock x-cond y-lock y-cond");
    assert_all_free();
}

test(a_cancel_anywhere_in_the_words_leaves_everything_free)
{
    for (int at = 0; at < 8; at++) {
        eddy_task x = start(uses_all, .name = "x");

        start(uses_all, .name = "y");
        for (int i = 0; i < at; i++) {
            testing_turn();
        }
        (void)eddy_cancel(x);
        testing_run();
        assert_all_free();
        (void)eddy_detach(x);
    }
    testing.log[0] = '\0';
}

eddy_frame(releases_inside) {
    eddy_coro co;
    bool permit;
};

static void releases_inside(eddy_coro *co)
{
    eddy_begin(releases_inside);
    if (self->permit) {
        eddy_with_semaphore(&semaphore) {
            eddy_await(eddy_semaphore_release(&semaphore));
        }
    } else {
        eddy_with_lock(&lock) {
            eddy_await(eddy_lock_release(co, &lock));
        }
    }
    eddy_end;
}

test(a_block_that_lets_go_itself_is_an_error)
{
    assert_int_equal(run(releases_inside), -EPERM);
    assert_int_equal(run(releases_inside, .permit = true), -EOVERFLOW);
    assert_all_free();
}

eddy_frame(enters_twice) {
    eddy_coro co;
};

static void enters_twice(eddy_coro *co)
{
    eddy_begin(enters_twice);
    eddy_with_lock(&lock) {
        eddy_with_cond(&cond) {
            testing_log("never");
        }
    }
    eddy_end;
}

test(an_enter_that_would_wait_for_itself_is_an_error_and_the_outer_one_lets_go)
{
    assert_int_equal(run(enters_twice), -EDEADLK);
    assert_all_free();
}

eddy_frame(enters_without_lock) {
    eddy_coro co;
    eddy_cond cond;
};

static void enters_without_lock(eddy_coro *co)
{
    eddy_begin(enters_without_lock);
    eddy_with_cond(&self->cond) {
        testing_log("never");
    }
    eddy_end;
}

test(a_condition_without_a_lock_cannot_be_entered)
{
    assert_int_equal(run(enters_without_lock), -EINVAL);
}

/* ---- memory */

eddy_frame(nests) {
    eddy_coro co;
    bool fail;
};

static void nests(eddy_coro *co)
{
    eddy_begin(nests);
    eddy_with_bracket(&a) {
        eddy_with_lock(&lock) {
            if (self->fail) {
                eddy_return(-EIO);
            }
            eddy_await(eddy_pause(co));
        }
    }
    eddy_end;
}

eddy_frame(without_memory) {
    eddy_coro co;
    int which;
};

static void without_memory(eddy_coro *co)
{
    eddy_begin(without_memory);
    eddy_with_bracket(&a) {
        use_up_memory();
        if (self->which == 0) {
            eddy_with_lock(&lock) {
                testing_log("never");
            }
        } else if (self->which == 1) {
            eddy_with_cond(&cond) {
                testing_log("never");
            }
        } else {
            eddy_with_semaphore(&semaphore) {
                testing_log("never");
            }
        }
    }
eddy_finally:
    testing_log("finally");
    testing_fail_allocation(0);
    eddy_end;
}

test(without_memory_for_the_scope_nothing_is_entered_and_the_outer_one_is_left)
{
    for (int which = 0; which < 3; which++) {
        assert_int_equal(run(without_memory, .which = which), -ENOMEM);
        testing_assert_log("+a -a@0 finally");
        assert_all_free();
        testing_reopen();
    }
}

test(the_memory_of_scopes_is_used_again)
{
    unsigned calls;

    testing.options.flags = 0;
    testing_reopen();
    assert_int_equal(run(nests), 0);
    calls = testing.memory.calls;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(run(nests, .fail = i % 2 != 0), i % 2 != 0 ? -EIO : 0);
    }
    assert_int_equal(testing.memory.calls, calls);
    testing.log[0] = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_case(falling_out_leaves_from_the_innermost_outwards),
        with_case(continue_ends_the_innermost_block),
        with_case(break_leaves_all_blocks_and_the_users_loop_around_them),
        with_case(return_leaves_all_blocks),
        with_case(an_error_leaves_all_blocks),
        with_case(a_cancel_leaves_all_blocks),
        with_case(enter_and_exit_may_take_their_time),
        with_case(a_cancel_in_an_exit_is_held_back_until_it_is_over),
        with_case(an_enter_that_fails_leaves_the_block_out_and_nothing_to_leave),
        with_case(an_enter_that_is_cancelled_leaves_nothing_to_leave),
        with_case(an_enter_may_return_a_value),
        with_case(an_exit_that_fails_after_a_good_block_is_the_error_and_the_outer_ones_are_left),
        with_case(the_error_of_the_block_wins_and_that_of_the_exit_is_told),
        with_case(under_an_if_without_braces_the_else_is_the_ifs),
        with_case(break_and_continue_of_a_loop_inside_the_block_are_that_loops),
        with_case(managers_and_generators_may_be_made_of_them),
        with_case(a_finally_may_use_them),
        with_case(the_words_hold_what_they_say_and_let_it_go_on_every_way_out),
        with_case(two_tasks_in_the_words_take_turns),
        with_case(a_cancel_anywhere_in_the_words_leaves_everything_free),
        with_case(a_block_that_lets_go_itself_is_an_error),
        with_case(an_enter_that_would_wait_for_itself_is_an_error_and_the_outer_one_lets_go),
        with_case(a_condition_without_a_lock_cannot_be_entered),
        with_case(without_memory_for_the_scope_nothing_is_entered_and_the_outer_one_is_left),
        with_case(the_memory_of_scopes_is_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
