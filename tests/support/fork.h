/* For tests of fork(2). */
#ifndef EDDY_TESTING_FORK_H
#define EDDY_TESTING_FORK_H

#include "support/loop.h"

#include <stdio.h>
#include <string.h>

/* In a child there are no asserts: its function says what is wrong, and returns that line. */
#define CHECK(truth)                                                             \
    do {                                                                         \
        if (!(truth)) {                                                          \
            fprintf(stderr, "child: line %d: not true: %s\n", __LINE__, #truth); \
            return __LINE__;                                                     \
        }                                                                        \
    } while (0)

#define CHECK_LOG(expected)                        \
    do {                                           \
        CHECK(strcmp(testing.log, expected) == 0); \
        testing.log[0] = '\0';                     \
    } while (0)

/* The status of a child that a test forks itself, if something is wrong; valgrind has one of its own
 * for what leaks. */
enum { WRONG = 3 };

static inline void in_child(int (*function)(void *argument))
{
    testing_expect_in_child(function, NULL, 0);
}

static inline bool part(void)
{
    return eddy_loop_after_fork(testing.loop) == 0;
}

/* What the parent has: a watcher, and a timer an hour away. */
static eddy_timer far_timer = {.user = "far"};

static inline void start_all(void)
{
    start_watched();
    start_timer(&far_timer, 3600 * EDDY_SECOND);
    assert_int_equal(testing_turn(), 0);
    assert_false(loop_fd_is_readable());
}

static inline void assert_all_undisturbed(void)
{
    assert_false(loop_fd_is_readable());
    poke_watched();
    assert_true(loop_fd_is_readable());
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("io");
    assert_false(loop_fd_is_readable());
    assert_int_equal(eddy_loop_next_deadline(testing.loop), far_timer.deadline);
}

static inline void stop_all(void)
{
    eddy_timer_stop(&far_timer);
    stop_watched();
}

#endif
