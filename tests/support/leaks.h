/* For tests of EDDY_LOOP_REPORT_LEAKS: what the error hook is told when the loop is freed. */
#ifndef EDDY_TESTING_LEAKS_H
#define EDDY_TESTING_LEAKS_H

#include "support/tasks.h"

#include <stdio.h>
#include <string.h>

static char told[4096];

static inline void keep_errors(eddy_loop *loop, eddy_task task, int64_t code, const char *text)
{
    (void)loop;
    (void)task;
    assert_true(code == -EBUSY || code == -ETIMEDOUT || /* a cleanup that was cut off */
                code == -EMFILE);
    snprintf(told + strlen(told), sizeof told - strlen(told), "%s\n", text);
}

/* Makes the loop anew, with the flag. */
static inline void report_leaks(void)
{
    told[0] = '\0';
    testing.options.flags |= EDDY_LOOP_REPORT_LEAKS;
    testing.options.on_error = keep_errors;
    testing_reopen();
}

/* Frees the loop, which tells exactly that. */
#define assert_leaks(...)                                   \
    do {                                                    \
        char expected_[1024];                               \
        testing_free();                                     \
        snprintf(expected_, sizeof expected_, __VA_ARGS__); \
        assert_string_equal(told, expected_);               \
    } while (0)

#endif
