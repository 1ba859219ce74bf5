/* Cleanups inside each other, deeper than a frame can count: a cancel is held back in all of them. */
#include "support/tasks.h"

#include "eddy/group.h"
#include "eddy/lock.h"

enum { COUNTED = UINT16_MAX };

static eddy_lock lock;

/* What the innermost cleanup does. */
static int64_t (*innermost)(eddy_coro *co);
static int64_t innermost_result;
static uint16_t innermost_mask;

eddy_frame(destroys) {
    eddy_coro co;
    int depth; /* how many more there are inside of its own */
};

static void destroys(eddy_coro *co)
{
    eddy_begin(destroys);
eddy_finally:
    if (self->depth > 1) {
        eddy_await(eddy_call(co, destroys, .depth = self->depth - 1));
    } else {
        innermost_mask = co->mask;
        assert_int_equal(eddy_cancel(eddy_task_self(co)), 0);
        eddy_catch(innermost_result, innermost(co));
    }
    eddy_end;
}

/* The cancel comes when all cleanups are over. */
eddy_frame(begins) {
    eddy_coro co;
    int depth;
};

static void begins(eddy_coro *co)
{
    eddy_begin(begins);
    eddy_await(eddy_call(co, destroys, .depth = self->depth));
    assert_int_equal(co->mask, 0);
    eddy_await(eddy_pause(co));
    eddy_end;
}

/* So many steps are not the place to make each of them slow. */
static void open_fast_loop(void)
{
    testing.options.flags = 0;
    testing_reopen();
}

static void check(int depth, int mask, int64_t (*what)(eddy_coro *co))
{
    open_fast_loop();
    innermost = what;
    innermost_result = -EIO;
    assert_int_equal(run(begins, .depth = depth), -ECANCELED);
    assert_int_equal(innermost_mask, mask);
    assert_int_equal(innermost_result, 0);
}

static int64_t pauses_once(eddy_coro *co)
{
    return eddy_pause(co);
}

test(a_cancel_is_held_back_in_the_innermost_of_any_number_of_cleanups)
{
    check(1, 1, pauses_once);
    check(COUNTED - 1, COUNTED - 1, pauses_once);
    check(COUNTED, COUNTED, pauses_once);
    check(COUNTED + 1, COUNTED, pauses_once);
    check(COUNTED + 2, COUNTED, pauses_once);
    check(2 * COUNTED + 3, COUNTED, pauses_once);
}

/* ---- exits, which take back what they have added */

eddy_frame(leaves_often) {
    eddy_coro co;
    int i;
    uint16_t mask;
};

static void leaves_often(eddy_coro *co)
{
    eddy_begin(leaves_often);
    self->mask = co->mask;
    for (; self->i < 3; self->i++) {
        eddy_with_lock(&lock) {
            eddy_await(eddy_pause(co));
        }
        assert_int_equal(co->mask, self->mask);
    }
    eddy_await(eddy_pause(co));
    eddy_end;
}

static int64_t leaves(eddy_coro *co)
{
    return eddy_call(co, leaves_often);
}

test(an_exit_inside_of_them_takes_back_no_more_than_it_has_added)
{
    eddy_lock_init(&lock);
    check(COUNTED - 1, COUNTED - 1, leaves);
    check(COUNTED, COUNTED, leaves);
    check(COUNTED + 1, COUNTED, leaves);
}

/* ---- managers and generators, whose frames go on inside of another's cleanup */

eddy_frame(manages) {
    eddy_coro co;
};

static void manages(eddy_coro *co)
{
    eddy_begin(manages);
    eddy_body;
    eddy_await(eddy_pause(co));
eddy_finally:
    eddy_await(eddy_pause(co));
    eddy_end;
}

eddy_frame(is_managed) {
    eddy_coro co;
};

static void is_managed(eddy_coro *co)
{
    eddy_begin(is_managed);
    eddy_with(manages) {
        eddy_await(eddy_pause(co));
    }
    eddy_await(eddy_pause(co));
    eddy_end;
}

static int64_t manage(eddy_coro *co)
{
    return eddy_call(co, is_managed);
}

test(a_manager_exits_inside_of_them)
{
    check(COUNTED - 2, COUNTED - 2, manage);
    check(COUNTED - 1, COUNTED - 1, manage);
    check(COUNTED, COUNTED, manage);
    check(COUNTED + 1, COUNTED, manage);
}

/* ---- and groups, whose exit lets cancels in where there is no cleanup */

static eddy_group group;

eddy_frame(has_group) {
    eddy_coro co;
};

static void has_group(eddy_coro *co)
{
    eddy_begin(has_group);
    eddy_with_group(&group) {
        eddy_group_spawn(co, &group, returns);
    }
    eddy_await(eddy_pause(co));
    eddy_end;
}

static int64_t groups(eddy_coro *co)
{
    return eddy_call(co, has_group);
}

test(a_group_is_left_inside_of_them)
{
    group = (eddy_group){0};
    check(COUNTED - 1, COUNTED - 1, groups);
    check(COUNTED, COUNTED, groups);
    check(COUNTED + 1, COUNTED, groups);
}

/* ---- deadlines */

static int64_t times_out(eddy_coro *co)
{
    return eddy_wait_for(co, EDDY_SECOND, eddy_call(co, sleeps, .seconds = 2));
}

test(a_deadline_that_the_innermost_sets_strikes_in_it)
{
    open_fast_loop();
    innermost = times_out;
    assert_int_equal(run(begins, .depth = COUNTED + 1), -ECANCELED);
    assert_int_equal(innermost_result, -ETIMEDOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_cancel_is_held_back_in_the_innermost_of_any_number_of_cleanups),
        testing_case(an_exit_inside_of_them_takes_back_no_more_than_it_has_added),
        testing_case(a_manager_exits_inside_of_them),
        testing_case(a_group_is_left_inside_of_them),
        testing_case(a_deadline_that_the_innermost_sets_strikes_in_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
