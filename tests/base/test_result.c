/* result.h: results, their names, and the arithmetic of deadlines. */
#include "support/testing.h"

#include <string.h>

#include "eddy/result.h"

test(a_value_is_named_success)
{
    assert_string_equal(eddy_strerror(0), "success");
    assert_string_equal(eddy_strerror(1), "success");
    assert_string_equal(eddy_strerror(INT64_MAX), "success");
}

test(a_negated_errno_has_the_name_that_the_system_gives_it)
{
    assert_string_equal(eddy_strerror(-ECANCELED), strerror(ECANCELED));
    assert_string_equal(eddy_strerror(-ETIMEDOUT), strerror(ETIMEDOUT));
    assert_string_equal(eddy_strerror(-EPIPE), strerror(EPIPE));
}

test(a_code_below_minus_4095_is_an_application_error)
{
    assert_int_equal(EDDY_ERROR_USER, -4096);
    assert_string_equal(eddy_strerror(EDDY_ERROR_USER), "application error");
    assert_string_equal(eddy_strerror(EDDY_ERROR_USER - 1), "application error");
    assert_string_equal(eddy_strerror(INT64_MIN + 1), "application error");
}

test(the_last_errno_is_still_the_systems)
{
    assert_string_not_equal(eddy_strerror(-4095), "application error");
    assert_string_not_equal(eddy_strerror(-4095), "success");
}

test(a_value_becomes_itself_as_an_exit_status)
{
    assert_int_equal(eddy_exit_status(0), 0);
    assert_int_equal(eddy_exit_status(1), 1);
    assert_int_equal(eddy_exit_status(255), 255);
}

test(a_large_value_becomes_255_as_an_exit_status_and_never_success)
{
    assert_int_equal(eddy_exit_status(256), 255);
    assert_int_equal(eddy_exit_status(INT64_C(1) << 32), 255);
    assert_int_equal(eddy_exit_status(INT64_MAX), 255);
}

test(an_error_becomes_1_as_an_exit_status)
{
    assert_int_equal(eddy_exit_status(-1), 1);
    assert_int_equal(eddy_exit_status(-ECANCELED), 1);
    assert_int_equal(eddy_exit_status(EDDY_ERROR_USER), 1);
    assert_int_equal(eddy_exit_status(INT64_MIN), 1);
}

test(a_deadline_lies_the_duration_after_now)
{
    assert_int_equal(eddy_deadline_after(5, 7), 12);
    assert_int_equal(eddy_deadline_after(0, EDDY_SECOND), INT64_C(1000000000));
}

test(a_negative_duration_is_now)
{
    assert_int_equal(eddy_deadline_after(5, 0), 5);
    assert_int_equal(eddy_deadline_after(5, -7), 5);
    assert_int_equal(eddy_deadline_after(5, INT64_MIN), 5);
}

test(a_deadline_that_is_too_far_is_for_ever)
{
    assert_int_equal(eddy_deadline_after(5, EDDY_FOREVER), EDDY_FOREVER);
    assert_int_equal(eddy_deadline_after(5, EDDY_FOREVER - 5), EDDY_FOREVER);
    assert_int_equal(eddy_deadline_after(5, EDDY_FOREVER - 6), EDDY_FOREVER - 1);
    assert_int_equal(eddy_deadline_after(0, EDDY_FOREVER), EDDY_FOREVER);
    assert_int_equal(eddy_deadline_after(EDDY_FOREVER, 1), EDDY_FOREVER);
}

test(the_units_of_time_are_nanoseconds)
{
    assert_int_equal(EDDY_NANOSECOND, 1);
    assert_int_equal(EDDY_MICROSECOND, 1000 * EDDY_NANOSECOND);
    assert_int_equal(EDDY_MILLISECOND, 1000 * EDDY_MICROSECOND);
    assert_int_equal(EDDY_SECOND, 1000 * EDDY_MILLISECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_value_is_named_success),
        testing_case(a_negated_errno_has_the_name_that_the_system_gives_it),
        testing_case(a_code_below_minus_4095_is_an_application_error),
        testing_case(the_last_errno_is_still_the_systems),
        testing_case(a_value_becomes_itself_as_an_exit_status),
        testing_case(a_large_value_becomes_255_as_an_exit_status_and_never_success),
        testing_case(an_error_becomes_1_as_an_exit_status),
        testing_case(a_deadline_lies_the_duration_after_now),
        testing_case(a_negative_duration_is_now),
        testing_case(a_deadline_that_is_too_far_is_for_ever),
        testing_case(the_units_of_time_are_nanoseconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
