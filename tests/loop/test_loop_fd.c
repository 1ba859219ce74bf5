/* eddy_loop_fd: what a foreign epoll set, which knows files and not numbers, hears of the loop, whatever
 * becomes of the loop's own set. */
#include "support/io.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "support/fork.h"
#include "support/loop.h"

static int host;

static int setup(void **state)
{
    int result = testing_setup(state);
    struct epoll_event event = {.events = EPOLLIN};

    host = epoll_create1(EPOLL_CLOEXEC);
    assert_int_equal(epoll_ctl(host, EPOLL_CTL_ADD, eddy_loop_fd(testing.loop), &event), 0);
    testing_forget_calls();
    return result;
}

static int teardown(void **state)
{
    close(host);
    return testing_teardown(state);
}

#define host_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static bool host_is_told(void)
{
    struct epoll_event event;

    return epoll_wait(host, &event, 1, 0) == 1;
}

/* Nothing is left to tell, and what comes is told, once. */
static void assert_host_hears(void)
{
    assert_false(host_is_told());
    assert_int_equal(testing_turn(), 0);
    eddy_loop_wake(testing.loop);
    assert_true(host_is_told());
    assert_int_equal(testing_turn(), 0);
    assert_false(host_is_told());
    poke_watched();
    assert_true(host_is_told());
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("io");
    assert_false(host_is_told());
}

/* An fd is closed before its watcher is stopped, while a duplicate is open. */
static void make_the_set_anew(void)
{
    static eddy_io io;
    int fds[2];
    int duplicate;

    testing_pipe(fds);
    start(&io, fds[0], EDDY_READ, log_events);
    duplicate = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
    close(fds[0]);
    eddy_io_stop(&io);
    testing_poke(fds[1]);
    assert_true(host_is_told());
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(testing.errors.count, 1);
    testing.errors.count = 0;
    assert_int_equal(testing_calls(epoll_create), 1);
    testing_forget_calls();
    close(duplicate);
    close(fds[1]);
}

test(a_host_hears_of_a_loop_whose_set_was_made_anew_several_times)
{
    int fd = eddy_loop_fd(testing.loop);

    start_watched();
    assert_host_hears();
    for (int i = 0; i < 3; i++) {
        make_the_set_anew();
        assert_host_hears();
    }
    assert_int_equal(eddy_loop_fd(testing.loop), fd);
    stop_watched();
}

/* With nothing else to ask about, a turn that does not wait must ask all the same, or the host spins. */
test(a_loop_that_has_no_other_watcher_finds_what_was_left_behind)
{
    make_the_set_anew();
    assert_false(host_is_told());
}

/* 17 were too many, once. */
test(a_host_hears_of_a_loop_whatever_is_stopped_between_its_wait_and_its_poll)
{
    static eddy_io io = {.user = "late"};
    int fds[2];

    start_watched();
    for (int i = 0; i < 50; i++) {
        testing_pipe(fds);
        start(&io, fds[0], EDDY_READ, log_events);
        testing_poke(fds[1]);
        assert_int_equal(eddy_loop_prepare(testing.loop, 0), 0);
        assert_int_equal(eddy_loop_wait(testing.loop), 0);
        eddy_io_stop(&io);
        close_both(fds);
        assert_int_equal(testing_turn(), 0);
        assert_host_hears();
    }
    assert_int_equal(testing_calls(epoll_create), 0);
    stop_watched();
}

static int child_hears(void *argument)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = eddy_loop_fd(testing.loop);

    (void)argument;
    CHECK(part());
    CHECK(eddy_loop_fd(testing.loop) == fd);
    host = epoll_create1(EPOLL_CLOEXEC); /* the other is the parent's */
    CHECK(epoll_ctl(host, EPOLL_CTL_ADD, fd, &event) == 0);
    CHECK(!host_is_told());
    poke_watched();
    CHECK(host_is_told());
    CHECK(testing_turn() == 1);
    CHECK_LOG("io");
    CHECK(!host_is_told());
    eddy_io_stop(&watched.io);
    return 0;
}

test(a_child_has_one_of_its_own_and_the_parents_host_hears_on)
{
    start_watched();
    in_child(child_hears);
    assert_host_hears();
    make_the_set_anew();
    assert_host_hears();
    stop_watched();
}

static int child_cannot(void *argument)
{
    (void)argument;
    CHECK(eddy_loop_fd(testing.loop) == -ECHILD);
    CHECK(part());
    CHECK(eddy_loop_fd(testing.loop) > 2);
    return 0;
}

test(in_a_child_it_is_echild_before_the_child_has_parted)
{
    testing_reopen();
    in_child(child_cannot);
}

test(a_loop_inside_a_loop_inside_a_host)
{
    static eddy_io io = {.user = "inner"};
    eddy_loop *inner;

    assert_int_equal(eddy_loop_new(&inner, &testing.options), 0);
    start(&io, eddy_loop_fd(inner), EDDY_READ, log_events);
    assert_false(host_is_told());
    eddy_loop_wake(inner);
    assert_true(host_is_told());
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("inner:R");
    assert_int_equal(eddy_loop_poll_once(inner, 0, 0), 0);
    assert_false(host_is_told());
    eddy_io_stop(&io);
    assert_int_equal(eddy_loop_free(inner), 0);
}

test(it_is_made_when_it_is_asked_for_and_may_fail_then)
{
    testing_reopen();
    testing_forget_calls();
    start_watched();
    poke_watched();
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("io");
    assert_int_equal(testing_calls(epoll_create), 0);
    testing_fail(epoll_create, 1, -EMFILE);
    assert_int_equal(eddy_loop_fd(testing.loop), -EMFILE);
    testing_fail(epoll_ctl, 1, -ENOMEM);
    assert_int_equal(eddy_loop_fd(testing.loop), -ENOMEM);
    assert_true(eddy_loop_fd(testing.loop) > 2);
    assert_false(loop_fd_is_readable());
    stop_watched();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        host_case(a_host_hears_of_a_loop_whose_set_was_made_anew_several_times),
        host_case(a_loop_that_has_no_other_watcher_finds_what_was_left_behind),
        host_case(a_host_hears_of_a_loop_whatever_is_stopped_between_its_wait_and_its_poll),
        host_case(a_child_has_one_of_its_own_and_the_parents_host_hears_on),
        host_case(in_a_child_it_is_echild_before_the_child_has_parted),
        host_case(a_loop_inside_a_loop_inside_a_host),
        host_case(it_is_made_when_it_is_asked_for_and_may_fail_then),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
