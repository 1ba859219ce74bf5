/* callback.h: callbacks at the two fixed points of every turn. */
#include "support/testing.h"

#include <stdlib.h>

#include "eddy/callback.h"

static void log_name(eddy_hook *hook)
{
    testing_log("%s", (const char *)hook->user);
}

static void log_callback(eddy_callback *callback)
{
    testing_log("%s", (const char *)callback->user);
}

test(a_prepare_hook_runs_before_and_a_check_hook_after_what_is_ready)
{
    static eddy_hook prepare = {.user = "prepare"}, check = {.user = "check"};
    static eddy_callback callback = {.user = "step"};

    eddy_hook_start(testing.loop, &check, EDDY_HOOK_CHECK, log_name);
    eddy_hook_start(testing.loop, &prepare, EDDY_HOOK_PREPARE, log_name);
    eddy_callback_start(testing.loop, &callback, log_callback);
    assert_int_equal(testing_turn(), 1); /* hooks are no steps */
    testing_assert_log("prepare step check");
}

test(hooks_run_in_every_turn_until_they_are_stopped)
{
    static eddy_hook prepare = {.user = "prepare"}, check = {.user = "check"};

    eddy_hook_start(testing.loop, &prepare, EDDY_HOOK_PREPARE, log_name);
    eddy_hook_start(testing.loop, &check, EDDY_HOOK_CHECK, log_name);
    (void)testing_turn();
    (void)testing_turn();
    testing_assert_log("prepare check prepare check");
    eddy_hook_stop(&prepare);
    (void)testing_turn();
    testing_assert_log("check");
    eddy_hook_stop(&check);
    (void)testing_turn();
    testing_assert_log("");
}

test(hooks_of_a_point_run_in_the_order_in_which_they_were_started)
{
    static eddy_hook a = {.user = "a"}, b = {.user = "b"}, c = {.user = "c"};

    eddy_hook_start(testing.loop, &b, EDDY_HOOK_CHECK, log_name);
    eddy_hook_start(testing.loop, &a, EDDY_HOOK_CHECK, log_name);
    eddy_hook_start(testing.loop, &c, EDDY_HOOK_CHECK, log_name);
    (void)testing_turn();
    (void)testing_turn();
    testing_assert_log("b a c b a c");
}

test(one_that_is_started_again_moves_behind_the_others)
{
    static eddy_hook a = {.user = "a"}, b = {.user = "b"};

    eddy_hook_start(testing.loop, &a, EDDY_HOOK_CHECK, log_name);
    eddy_hook_start(testing.loop, &b, EDDY_HOOK_CHECK, log_name);
    eddy_hook_start(testing.loop, &a, EDDY_HOOK_CHECK, log_name);
    (void)testing_turn();
    testing_assert_log("b a");
}

test(one_that_is_started_again_may_change_its_point)
{
    static eddy_hook a = {.user = "a"}, b = {.user = "b"};

    eddy_hook_start(testing.loop, &a, EDDY_HOOK_PREPARE, log_name);
    eddy_hook_start(testing.loop, &b, EDDY_HOOK_PREPARE, log_name);
    eddy_hook_start(testing.loop, &a, EDDY_HOOK_CHECK, log_name);
    (void)testing_turn();
    testing_assert_log("b a");
}

test(stopping_what_is_stopped_does_nothing)
{
    static eddy_hook a = {.user = "a"};

    eddy_hook_stop(&a);
    eddy_hook_start(testing.loop, &a, EDDY_HOOK_CHECK, log_name);
    eddy_hook_stop(&a);
    eddy_hook_stop(&a);
    (void)testing_turn();
    testing_assert_log("");
}

static void stop_self(eddy_hook *hook)
{
    testing_log("self");
    eddy_hook_stop(hook);
}

test(a_hook_may_stop_itself)
{
    static eddy_hook self, next = {.user = "next"};

    eddy_hook_start(testing.loop, &self, EDDY_HOOK_PREPARE, stop_self);
    eddy_hook_start(testing.loop, &next, EDDY_HOOK_PREPARE, log_name);
    (void)testing_turn();
    (void)testing_turn();
    testing_assert_log("self next next");
}

static void free_self(eddy_hook *hook)
{
    testing_log("freed");
    eddy_hook_stop(hook);
    free(hook);
}

test(a_hook_may_free_itself)
{
    eddy_hook_start(testing.loop, calloc(1, sizeof(eddy_hook)), EDDY_HOOK_PREPARE, free_self);
    (void)testing_turn();
    (void)testing_turn();
    testing_assert_log("freed");
}

static void stop_friend(eddy_hook *hook)
{
    testing_log("first");
    eddy_hook_stop(hook->user);
}

test(a_hook_may_stop_the_next_one_which_then_does_not_run)
{
    static eddy_hook friend = {.user = "friend"}, first = {.user = &friend};

    eddy_hook_start(testing.loop, &first, EDDY_HOOK_PREPARE, stop_friend);
    eddy_hook_start(testing.loop, &friend, EDDY_HOOK_PREPARE, log_name);
    (void)testing_turn();
    testing_assert_log("first");
}

test(a_hook_may_stop_the_one_that_ran_before_it)
{
    static eddy_hook friend = {.user = "friend"}, first = {.user = &friend};

    eddy_hook_start(testing.loop, &friend, EDDY_HOOK_PREPARE, log_name);
    eddy_hook_start(testing.loop, &first, EDDY_HOOK_PREPARE, stop_friend);
    (void)testing_turn();
    (void)testing_turn();
    testing_assert_log("friend first first");
}

static void start_friend_once(eddy_hook *hook)
{
    testing_log("first");
    if (hook->user != NULL) {
        eddy_hook_start(testing.loop, hook->user, EDDY_HOOK_PREPARE, log_name);
        hook->user = NULL;
    }
}

test(one_that_is_started_inside_a_hook_of_its_point_runs_from_the_next_turn_on)
{
    static eddy_hook friend = {.user = "friend"}, first = {.user = &friend};

    eddy_hook_start(testing.loop, &first, EDDY_HOOK_PREPARE, start_friend_once);
    (void)testing_turn();
    testing_assert_log("first");
    (void)testing_turn();
    testing_assert_log("first friend");
}

static void start_again(eddy_hook *hook)
{
    log_name(hook);
    eddy_hook_start(testing.loop, hook, EDDY_HOOK_CHECK, start_again);
}

test(a_hook_that_starts_itself_anew_runs_once_a_turn)
{
    static eddy_hook a = {.user = "a"};

    eddy_hook_start(testing.loop, &a, EDDY_HOOK_CHECK, start_again);
    (void)testing_turn();
    testing_assert_log("a");
    (void)testing_turn();
    testing_assert_log("a");
}

static void start_callback(eddy_hook *hook)
{
    testing_log("prepare");
    eddy_callback_start(testing.loop, hook->user, log_callback);
    eddy_hook_stop(hook);
}

test(what_a_prepare_hook_makes_ready_runs_in_the_same_turn)
{
    static eddy_callback callback = {.user = "step"};
    static eddy_hook hook = {.user = &callback};

    eddy_hook_start(testing.loop, &hook, EDDY_HOOK_PREPARE, start_callback);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("prepare step");
}

test(what_a_check_hook_makes_ready_runs_in_the_next_turn)
{
    static eddy_callback callback = {.user = "step"};
    static eddy_hook hook = {.user = &callback};

    eddy_hook_start(testing.loop, &hook, EDDY_HOOK_CHECK, start_callback);
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("prepare step");
}

test(a_hook_keeps_no_loop_alive)
{
    static eddy_hook a = {.user = "a"};

    eddy_hook_start(testing.loop, &a, EDDY_HOOK_PREPARE, log_name);
    testing_run();
    testing_assert_log("");
}

test(hooks_that_are_left_when_the_loop_is_freed_may_be_used_again)
{
    static eddy_hook prepare = {.user = "prepare"}, check = {.user = "check"};

    eddy_hook_start(testing.loop, &prepare, EDDY_HOOK_PREPARE, log_name);
    eddy_hook_start(testing.loop, &check, EDDY_HOOK_CHECK, log_name);
    testing_reopen();
    (void)testing_turn();
    testing_assert_log("");
    eddy_hook_stop(&check);
    eddy_hook_start(testing.loop, &prepare, EDDY_HOOK_PREPARE, log_name);
    (void)testing_turn();
    testing_assert_log("prepare");
}

/* ---- in the middle of many that are ready, in a loop that runs several turns in one go */

static eddy_callback crowd[20];
static eddy_hook late = {.user = "late"};
static enum eddy_hook_point late_point;
static int turns_left;

static void run_once_a_turn(eddy_callback *callback)
{
    long i = callback - crowd;

    if (i == 0) {
        testing_log("%d", turns_left--);
    }
    if (i == 7 && turns_left == 3) {
        eddy_hook_start(testing.loop, &late, late_point, log_name);
    }
    if (turns_left > 0) {
        eddy_callback_start(testing.loop, callback, run_once_a_turn);
    }
}

static void warm_up(eddy_callback *callback)
{
    int *left = callback->user;

    if (--*left > 0) {
        eddy_callback_start(testing.loop, callback, warm_up);
    }
}

/* After fast steps the kernel is asked seldom, in the middle of whatever turn. */
static void start_in_crowd(enum eddy_hook_point point)
{
    static eddy_callback warm;
    int left = 1000;

    testing.options.flags = 0;
    testing_reopen();
    warm.user = &left;
    eddy_callback_start(testing.loop, &warm, warm_up);
    testing_run();
    late_point = point;
    turns_left = 5;
    for (int i = 0; i < 20; i++) {
        eddy_callback_start(testing.loop, &crowd[i], run_once_a_turn);
    }
    testing_run();
    eddy_hook_stop(&late);
}

test(one_that_is_started_in_the_middle_of_a_batch_runs_whenever_its_point_comes_from_there_on)
{
    start_in_crowd(EDDY_HOOK_PREPARE);
    testing_assert_log("5 4 late 3 late 2 late 1");
    start_in_crowd(EDDY_HOOK_CHECK);
    testing_assert_log("5 4 late 3 late 2 late 1 late");
}

static void start_the_other(eddy_hook *hook)
{
    static eddy_hook other = {.user = "other"};

    if (hook->user != NULL) {
        hook->user = NULL;
        eddy_hook_start(testing.loop, &other, late_point, log_name);
    } else {
        eddy_hook_stop(&other);
    }
    testing_log("hook");
}

test(one_that_a_hook_of_the_other_point_starts_runs_when_its_own_comes)
{
    static eddy_hook prepare = {.user = ""}, check = {.user = ""};

    late_point = EDDY_HOOK_CHECK;
    eddy_hook_start(testing.loop, &prepare, EDDY_HOOK_PREPARE, start_the_other);
    (void)testing_turn();
    (void)testing_turn();
    testing_assert_log("hook other hook");
    eddy_hook_stop(&prepare);
    late_point = EDDY_HOOK_PREPARE;
    eddy_hook_start(testing.loop, &check, EDDY_HOOK_CHECK, start_the_other);
    (void)testing_turn();
    (void)testing_turn();
    (void)testing_turn();
    testing_assert_log("hook other hook hook");
    eddy_hook_stop(&check);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_prepare_hook_runs_before_and_a_check_hook_after_what_is_ready),
        testing_case(hooks_run_in_every_turn_until_they_are_stopped),
        testing_case(hooks_of_a_point_run_in_the_order_in_which_they_were_started),
        testing_case(one_that_is_started_again_moves_behind_the_others),
        testing_case(one_that_is_started_again_may_change_its_point),
        testing_case(stopping_what_is_stopped_does_nothing),
        testing_case(a_hook_may_stop_itself),
        testing_case(a_hook_may_free_itself),
        testing_case(a_hook_may_stop_the_next_one_which_then_does_not_run),
        testing_case(a_hook_may_stop_the_one_that_ran_before_it),
        testing_case(one_that_is_started_inside_a_hook_of_its_point_runs_from_the_next_turn_on),
        testing_case(a_hook_that_starts_itself_anew_runs_once_a_turn),
        testing_case(what_a_prepare_hook_makes_ready_runs_in_the_same_turn),
        testing_case(what_a_check_hook_makes_ready_runs_in_the_next_turn),
        testing_case(a_hook_keeps_no_loop_alive),
        testing_case(hooks_that_are_left_when_the_loop_is_freed_may_be_used_again),
        testing_case(
            one_that_is_started_in_the_middle_of_a_batch_runs_whenever_its_point_comes_from_there_on),
        testing_case(one_that_a_hook_of_the_other_point_starts_runs_when_its_own_comes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
