/* io.h: regular files. */
#include "support/io.h"

#include <fcntl.h>
#include <unistd.h>

/* ---- regular files */

static int open_file(void)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {
        fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    }
    assert_true(fd >= 0);
    return fd;
}

test(a_regular_file_is_always_ready)
{
    static eddy_io io = {.user = "file"};
    int fd = open_file();

    start(&io, fd, EDDY_READ, log_events);
    assert_int_equal(testing_turn(), 1);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("file:R file:R");
    assert_int_equal(eddy_io_change(&io, EDDY_READ | EDDY_WRITE), 0);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("file:RW");
    eddy_io_stop(&io);
    assert_int_equal(testing_turn(), 0);
    close(fd);
}

test(a_regular_file_without_interest_is_not_told)
{
    static eddy_io io = {.user = "file"};
    int fd = open_file();

    start(&io, fd, 0, log_events);
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(eddy_io_change(&io, EDDY_WRITE), 0);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("file:W");
    assert_int_equal(eddy_io_change(&io, 0), 0);
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(eddy_io_change(&io, EDDY_READ), 0);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("file:R");
    eddy_io_stop(&io);
    close(fd);
}

test(a_regular_file_keeps_the_loop_from_sleeping)
{
    static eddy_io io = {.user = "file"};
    int fd = open_file();

    testing_fake_clock(0);
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    start(&io, fd, EDDY_READ, log_events);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("file:R");
    assert_int_equal(testing.sys.now, 0);
    assert_int_equal(eddy_loop_next_deadline(testing.loop), 0);
    eddy_io_stop(&io);
    assert_int_equal(eddy_loop_next_deadline(testing.loop), EDDY_FOREVER);
    close(fd);
}

static void stop_in_callback(eddy_io *io, unsigned events)
{
    log_events(io, events);
    eddy_io_stop(io);
}

/* poll(2) says so too: it is readable and writable, but has no urgent data. */
test(a_regular_file_has_no_urgent_data_and_does_not_spin_for_it)
{
    static eddy_io io = {.user = "file"};
    int fd = open_file();

    testing_fake_clock(0);
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    start(&io, fd, EDDY_PRIORITY, log_events);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_SECOND, 0), 0);
    assert_int_equal(testing.sys.now, EDDY_SECOND); /* it slept */
    eddy_io_stop(&io);
    close(fd);
}

test(a_regular_file_may_be_stopped_in_its_callback)
{
    static eddy_io io = {.user = "file"};
    int fd = open_file();

    start(&io, fd, EDDY_READ, stop_in_callback);
    testing_run();
    testing_assert_log("file:R");
    close(fd);
}

test(a_regular_file_does_not_keep_others_from_running)
{
    static eddy_io file = {.user = "file"}, other = {.user = "pipe"};
    int fd = open_file();
    int fds[2];

    testing_pipe(fds);
    start(&file, fd, EDDY_READ, log_events);
    start(&other, fds[0], EDDY_READ, log_events);
    testing_poke(fds[1]);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("pipe:R file:R");
    eddy_io_stop(&file);
    eddy_io_stop(&other);
    close(fd);
    close_both(fds);
}

test(a_regular_file_that_is_left_when_the_loop_is_freed_may_be_used_again)
{
    static eddy_io io = {.user = "file"};
    int fd = open_file();

    start(&io, fd, EDDY_READ, log_events);
    testing_reopen();
    assert_false(eddy_io_started(&io));
    start(&io, fd, EDDY_READ, log_events);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("file:R");
    eddy_io_stop(&io);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_regular_file_is_always_ready),
        testing_case(a_regular_file_without_interest_is_not_told),
        testing_case(a_regular_file_keeps_the_loop_from_sleeping),
        testing_case(a_regular_file_has_no_urgent_data_and_does_not_spin_for_it),
        testing_case(a_regular_file_may_be_stopped_in_its_callback),
        testing_case(a_regular_file_does_not_keep_others_from_running),
        testing_case(a_regular_file_that_is_left_when_the_loop_is_freed_may_be_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
