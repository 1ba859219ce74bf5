/* activation.h: sockets that the process was started with. */
#include "support/serve.h"

#include <fcntl.h>

#include "eddy/activation.h"

enum { MYSELF = 4711 };

static char set_on[64]; /* on which fds FD_CLOEXEC was set: "3 4" */
static int not_open;

static pid_t myself(const struct eddy_sys *sys)
{
    (void)sys;
    return MYSELF;
}

static int note_flag(const struct eddy_sys *sys, int fd, int command, int argument)
{
    size_t used = strlen(set_on);

    (void)sys;
    assert_int_equal(command, F_SETFD);
    assert_int_equal(argument, FD_CLOEXEC);
    if (fd == not_open) {
        return -EBADF;
    }
    snprintf(set_on + used, sizeof set_on - used, "%s%d", used > 0 ? " " : "", fd);
    return 0;
}

static int setup(void **state)
{
    int result = testing_setup(state);

    testing.sys.table.getpid = myself;
    testing.sys.table.fcntl = note_flag;
    not_open = -1;
    set_on[0] = '\0';
    memset(given, 0, sizeof given);
    return result;
}

static int teardown(void **state)
{
    eddy_listen_fds_forget();
    return testing_teardown(state);
}

#define activation_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void set(const char *pid, const char *fds, const char *names)
{
    eddy_listen_fds_forget();
    if (pid != NULL) {
        assert_int_equal(setenv("LISTEN_PID", pid, 1), 0);
    }
    if (fds != NULL) {
        assert_int_equal(setenv("LISTEN_FDS", fds, 1), 0);
    }
    if (names != NULL) {
        assert_int_equal(setenv("LISTEN_FDNAMES", names, 1), 0);
    }
    set_on[0] = '\0';
}

static int ask(const char *name)
{
    return eddy_listen_fds(testing.loop, name, given, MOST);
}

test(those_that_were_handed_over_are_told_in_order_and_are_no_childs)
{
    set("4711", "3", NULL);
    assert_int_equal(ask(NULL), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(given[i], 3 + i);
    }
    assert_string_equal(set_on, "3 4 5");
    assert_int_equal(ask("unknown"), 3);
    assert_int_equal(ask("web"), 0);
    assert_string_equal(getenv("LISTEN_FDS"), "3"); /* the environment is as it was */
    memset(given, 0, sizeof given);
    assert_int_equal(eddy_listen_fds(testing.loop, NULL, given, 1), 3);
    assert_int_equal(given[0], 3);
    assert_int_equal(given[1], 0);
}

test(they_are_told_by_name)
{
    set("4711", "4", "web:admin:web:we");
    assert_int_equal(ask("web"), 2);
    assert_int_equal(given[0], 3);
    assert_int_equal(given[1], 5);
    assert_string_equal(set_on, "3 4 5 6");
    assert_int_equal(ask("admin"), 1);
    assert_int_equal(given[0], 4);
    assert_int_equal(ask("we"), 1);
    assert_int_equal(given[0], 6);
    assert_int_equal(ask("w"), 0);
    assert_int_equal(ask(NULL), 4);
}

test(without_any_or_with_those_of_another_process_there_are_none)
{
    assert_int_equal(ask(NULL), 0);
    set("4712", "2", NULL); /* a parent's */
    assert_int_equal(ask(NULL), 0);
    set(NULL, "2", NULL);
    assert_int_equal(ask(NULL), 0);
    set("4711", NULL, NULL);
    assert_int_equal(ask(NULL), 0);
    set("4711", "0", NULL);
    assert_int_equal(ask(NULL), 0);
    assert_string_equal(set_on, "");
}

test(what_is_no_number_is_an_error_and_not_none)
{
    static const char *const bad[] = {"",          "x", "1x", "-1", " 1", "99999999999999999999",
                                      "2147483648"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        set(bad[i], "1", NULL);
        assert_int_equal(ask(NULL), -EINVAL);
        set("4711", bad[i], NULL);
        assert_int_equal(ask(NULL), -EINVAL);
    }
    set("4711", "2", "one");
    assert_int_equal(ask(NULL), -EINVAL);
    set("4711", "2", "one:two:three");
    assert_int_equal(ask(NULL), -EINVAL);
    set("4711", "2147483645", NULL); /* the last would be no fd */
    assert_int_equal(ask(NULL), -EINVAL);
    assert_string_equal(set_on, "");
}

test(one_that_is_not_open_is_an_error)
{
    not_open = 4;
    set("4711", "2", NULL);
    assert_int_equal(ask(NULL), -EBADF);
}

test(what_is_forgotten_is_in_no_childs_environment)
{
    set("4711", "1", "web");
    eddy_listen_fds_forget();
    assert_null(getenv("LISTEN_PID"));
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_FDNAMES"));
    assert_int_equal(ask(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        activation_case(those_that_were_handed_over_are_told_in_order_and_are_no_childs),
        activation_case(they_are_told_by_name),
        activation_case(without_any_or_with_those_of_another_process_there_are_none),
        activation_case(what_is_no_number_is_an_error_and_not_none),
        activation_case(one_that_is_not_open_is_an_error),
        activation_case(what_is_forgotten_is_in_no_childs_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
