/* Streams on pipes, FIFOs, terminals, devices and regular files. */
#include "support/stream.h"
#include "support/text.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>

static eddy_stream other;
static int fds[2]; /* what the test has; -1: closed, or a stream's */

static int setup_fds(void **state)
{
    memset(&stream, 0, sizeof stream);
    memset(&other, 0, sizeof other);
    fds[0] = fds[1] = -1;
    return testing_setup(state);
}

static int teardown_fds(void **state)
{
    eddy_stream_close(&stream);
    eddy_stream_close(&other);
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    return testing_teardown(state);
}

#define fd_case(name) cmocka_unit_test_setup_teardown(name, setup_fds, teardown_fds)

static int flags_of(int fd)
{
    return fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE | O_APPEND);
}

static void open_as(eddy_stream *opened, int fd)
{
    assert_int_equal(eddy_stream_open(testing.loop, opened, fd), 0);
    for (int i = 0; i < 2; i++) {
        fds[i] = fds[i] == fd ? -1 : fds[i];
    }
}

/* A pipe as programs inherit it: it blocks. */
static void blocking_pipe(void)
{
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
}

static void put(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* ---- pipes */

test(a_pipe_is_read_to_its_end)
{
    eddy_task task;

    blocking_pipe();
    open_as(&stream, fds[0]);
    task = start_reading("r", 3);
    testing_turns();
    put(fds[1], "hello");
    testing_turns();
    put(fds[1], "again");
    testing_turns();
    testing_assert_log("r:hello r:again");
    close(fds[1]);
    fds[1] = -1;
    end(task);
    testing_assert_log("r=0");
}

test(a_writer_waits_for_room_in_a_pipe)
{
    eddy_task task;
    unsigned char buffer[4096];
    size_t got = 0;

    blocking_pipe();
    open_as(&stream, fds[1]);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    task = start_writing("w", BIG);
    testing_turns();
    testing_assert_log("");
    while (got < BIG) {
        ssize_t count = read(fds[0], buffer, sizeof buffer);
        assert_true(count > 0);
        assert_true(net_matches(buffer, got, (size_t)count));
        got += (size_t)count;
        testing_turns();
    }
    end(task);
    testing_assert_log("w=262144");
}

/* The signal would end the process, for nothing is done about it here. */
test(a_pipe_that_nobody_reads_is_epipe_and_no_signal)
{
    for (int masked = 0; masked <= 1; masked++) {
        blocking_pipe();
        open_as(&stream, fds[1]);
        close(fds[0]);
        fds[0] = -1;
        testing_fail_from(writev_nosignal, masked == 1 ? 1 : 0, -EOPNOTSUPP);
        end(start_writing("w", 5));
        testing_assert_log("w=-EPIPE");
        end(start_writing("w", 5));
        testing_assert_log("w=-EPIPE");
        assert_int_equal(testing_calls(writev_masked) == 2, masked == 1);
        testing_fail_from(writev_nosignal, 0, 0);
        eddy_stream_close(&stream);
    }
}

test(a_kernel_that_cannot_is_asked_once)
{
    blocking_pipe();
    open_as(&stream, fds[1]);
    testing_fail_from(writev_nosignal, 1, -EOPNOTSUPP);
    end(start_writing("w", 5));
    end(start_writing("w", 5));
    assert_int_equal(testing_calls(writev_nosignal), 1);
    assert_int_equal(testing_calls(writev_masked), 2);
    testing_assert_log("w=5 w=5");
}

static sigset_t pipe_signal(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return set;
}

test(a_signal_of_somebody_else_stays_pending_and_the_mask_as_it_was)
{
    const struct timespec at_once = {0, 0};
    sigset_t set = pipe_signal();
    sigset_t now;

    blocking_pipe();
    open_as(&stream, fds[1]);
    close(fds[0]);
    fds[0] = -1;
    assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
    testing_fail_from(writev_nosignal, 1, -EOPNOTSUPP);
    end(start_writing("w", 5));
    assert_int_equal(sigpending(&now), 0);
    assert_int_equal(sigismember(&now, SIGPIPE), 0);
    raise(SIGPIPE);
    end(start_writing("w", 5));
    assert_int_equal(sigtimedwait(&set, NULL, &at_once), SIGPIPE);
    assert_int_equal(sigprocmask(SIG_UNBLOCK, &set, &now), 0);
    assert_int_equal(sigismember(&now, SIGPIPE), 1);
    testing_assert_log("w=-EPIPE w=-EPIPE");
}

test(the_other_direction_of_a_pipe_is_ebadf)
{
    char byte;

    blocking_pipe();
    open_as(&stream, fds[0]);
    open_as(&other, fds[1]);
    end(start_writing("w", 1));
    testing_assert_log("w=-EBADF");
    assert_int_equal(eddy_stream_shutdown_write(&stream), -EBADF);
    assert_int_equal(eddy_try_read(&other, &byte, 1), -EBADF);
    assert_true(eddy_stream_is_open(&other));
}

test(shutting_a_pipe_down_is_its_close)
{
    char byte;

    blocking_pipe();
    open_as(&stream, fds[1]);
    end(start_writing("w", 1));
    assert_int_equal(eddy_stream_shutdown_write(&stream), 0);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    assert_int_equal(read(fds[0], &byte, 1), 0);
    end(start_writing("w", 1));
    assert_int_equal(eddy_stream_shutdown_write(&stream), -EPIPE);
    testing_assert_log("w=1 w=-EPIPE");
}

eddy_frame_of(copies, int64_t rc, uint64_t count);

static void copies(eddy_coro *co)
{
    eddy_begin(copies);
    eddy_catch(self->rc, eddy_copy(co, &stream, &other, &self->count));
    testing_log("copied:%llu", (unsigned long long)self->count);
    testing_log_result("copy", self->rc);
    eddy_end;
}

test(a_copy_from_a_silent_source_ends_when_nobody_reads_its_pipe)
{
    int silent[2];
    char text[8];
    eddy_task task;

    blocking_pipe();
    assert_int_equal(pipe2(silent, O_CLOEXEC), 0);
    open_as(&stream, silent[0]);
    open_as(&other, fds[1]);
    task = eddy_loop_spawn(testing.loop, copies);
    put(silent[1], "hello");
    testing_turns();
    assert_int_equal(read(fds[0], text, sizeof text), 5);
    testing_assert_log("");
    close(fds[0]);
    fds[0] = -1;
    end(task);
    testing_assert_log("copied:5 copy=-EPIPE");
    close(silent[1]);
}

test(a_reader_that_takes_slowly_is_not_idle)
{
    static struct eddy_idle idle;
    eddy_task task;
    char buffer[4096];

    memset(&idle, 0, sizeof idle);
    blocking_pipe();
    open_as(&stream, fds[1]);
    assert_int_equal(eddy_stream_idle_timeout(&stream, &idle, EDDY_SECOND), 0);
    task = start_writing("w", BIG);
    testing_turns();
    for (int i = 0; i < 3; i++) { /* less than makes the kernel tell of room */
        assert_int_equal(read(fds[0], buffer, 100), 100);
        assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_SECOND, 0) >= 0, 1);
        testing_turns();
    }
    testing_assert_log("");
    end(task);
    testing_assert_log("w=-ETIMEDOUT");
}

test(a_fifo_is_a_pipe)
{
    char path[] = "/tmp/eddy-test-XXXXXX";
    char name[64];
    eddy_task task;

    assert_non_null(mkdtemp(path));
    snprintf(name, sizeof name, "%s/fifo", path);
    assert_int_equal(mkfifo(name, 0600), 0);
    fds[0] = open(name, O_RDWR | O_CLOEXEC);
    assert_true(fds[0] >= 0);
    open_as(&stream, fds[0]);
    task = start_reading("r", 1);
    testing_turns();
    end(eddy_loop_spawn(testing.loop, writes, .name = "w", .data = "echo", .size = 4));
    end(task);
    testing_assert_log("w=4 r:echo");
    assert_int_equal(eddy_stream_shutdown_write(&stream), -EOPNOTSUPP);
    unlink(name);
    rmdir(path);
}

test(the_dump_names_a_pipe)
{
    char text[2048];
    FILE *file = fmemopen(text, sizeof text, "w");
    char expected[64];
    eddy_task task;

    blocking_pipe();
    open_as(&stream, fds[0]);
    task = start_reading("r", 1);
    testing_turns();
    assert_int_equal(eddy_loop_dump(testing.loop, file), 0);
    fclose(file);
    snprintf(expected, sizeof expected, "fd %d (pipe)", eddy_stream_fd(&stream));
    assert_non_null(strstr(text, expected));
    eddy_cancel(task);
    end(task);
    testing_assert_log("r=-ECANCELED");
}

/* ---- O_NONBLOCK */

test(a_description_that_others_have_keeps_its_mode)
{
    int shared;

    blocking_pipe();
    shared = dup(fds[0]);
    open_as(&stream, fds[0]);
    assert_int_equal(flags_of(shared), O_RDONLY);
    eddy_stream_close(&stream);
    assert_int_equal(flags_of(shared), O_RDONLY);
    close(shared);
}

test(what_does_not_block_already_is_not_opened_again)
{
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    testing_forget_calls();
    open_as(&stream, fds[0]);
    assert_int_equal(testing_calls(open), 0);
    eddy_stream_close(&stream);
    assert_int_equal(testing_calls(close), 1);
    assert_int_equal(testing_calls(fcntl), 1);
}

/* As without /proc, or where others own the terminal. */
test(what_cannot_be_opened_again_blocks_again_at_the_close)
{
    int shared;

    blocking_pipe();
    shared = dup(fds[0]);
    testing_fail(open, 1, -EACCES);
    open_as(&stream, fds[0]);
    assert_int_equal(flags_of(shared), O_RDONLY | O_NONBLOCK);
    eddy_stream_close(&stream);
    assert_int_equal(flags_of(shared), O_RDONLY);
    close(shared);
}

test(of_two_streams_on_one_description_the_last_puts_it_back)
{
    for (int unknown = 0; unknown <= 1; unknown++) { /* the kernel may not say that it is one */
        int shared;
        blocking_pipe();
        shared = dup(fds[0]);
        testing_fail_from(open, 1, -EACCES);
        testing_fail_from(kcmp_file, (unsigned)unknown, -EPERM);
        open_as(&stream, fds[0]);
        open_as(&other, dup(shared));
        eddy_stream_close(&stream);
        assert_int_equal(flags_of(shared), O_RDONLY | O_NONBLOCK);
        eddy_stream_close(&other);
        assert_int_equal(flags_of(shared), O_RDONLY);
        testing_fail_from(open, 0, 0);
        close(shared);
        close(fds[1]);
        fds[1] = -1;
    }
}

test(the_end_of_the_loop_puts_it_back)
{
    int shared;

    blocking_pipe();
    shared = dup(fds[0]);
    testing_fail(open, 1, -EACCES);
    open_as(&stream, fds[0]);
    (void)start_reading("r", 1);
    testing_turns();
    testing_free();
    testing_assert_log("r=-ECANCELED");
    assert_int_equal(flags_of(shared), O_RDONLY);
    close(shared);
}

test(what_cannot_be_put_back_is_told)
{
    char expected[128];

    blocking_pipe();
    testing_fail(open, 1, -EACCES);
    snprintf(expected, sizeof expected, "fd %d was made nonblocking by a stream, and stays so: %s",
             fds[0], eddy_strerror(-EPERM));
    open_as(&stream, fds[0]);
    testing_fail(fcntl, 2, -EPERM);
    eddy_stream_close(&stream);
    testing_assert_error(-EPERM, expected);
}

static void assert_refused(int fd, int error)
{
    int flags = flags_of(fd);

    assert_int_equal(eddy_stream_open(testing.loop, &stream, fd), error);
    assert_false(eddy_stream_is_open(&stream));
    assert_int_equal(flags_of(fd), flags);
    assert_true(net_is_open(fd));
}

test(what_fails_leaves_the_fd_as_it_was)
{
    blocking_pipe();
    testing_fail(fstat, 1, -EIO);
    assert_refused(fds[0], -EIO);
    testing_fail(epoll_ctl, 1, -ENOSPC);
    assert_refused(fds[0], -ENOSPC);
    testing_fail(open, 1, -EMFILE);
    testing_fail(fcntl, 2, -EPERM); /* F_SETFL */
    assert_refused(fds[0], -EPERM);
    open_as(&stream, fds[0]);
}

/* ---- regular files and devices, which epoll does not know */

static int file_of(const char *content)
{
    char path[] = "/tmp/eddy-test-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

test(a_regular_file_is_read_without_waiting)
{
    fds[0] = file_of("two\nlines\n");
    open_as(&stream, fds[0]);
    end(eddy_loop_spawn(testing.loop, awaits_readable));
    end(start_reading("r", 3));
    testing_assert_log("readable=1 r:two\nlines\n r=0 r=0");
}

test(a_regular_file_is_written_and_read_on)
{
    int file = file_of("");

    fds[0] = dup(file);
    open_as(&stream, fds[0]);
    end(start_writing("w", BIG));
    testing_assert_log("w=262144");
    assert_int_equal(lseek(file, 0, SEEK_END), BIG);
    close(file);
}

test(a_directory_is_refused)
{
    fds[0] = open("/", O_RDONLY | O_CLOEXEC);
    assert_refused(fds[0], -EISDIR);
}

test(the_null_device_takes_all_and_is_at_its_end)
{
    fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
    open_as(&stream, fds[0]);
    end(start_writing("w", BIG));
    end(start_reading("r", 1));
    testing_assert_log("w=262144 r=0");
}

/* ---- terminals */

static int open_terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    fds[0] = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(fds[0] >= 0);
    fds[1] = master;
    return fds[0];
}

test(a_terminal_gives_lines_and_an_end_that_is_not_the_last_word)
{
    eddy_task task;
    int shared = dup(open_terminal());
    struct termios before;
    struct termios after;

    memset(&before, 0, sizeof before); /* its gaps */
    memset(&after, 0, sizeof after);
    assert_int_equal(tcgetattr(shared, &before), 0);
    open_as(&stream, fds[0]);
    task = start_reading("r", 4);
    testing_turns();
    put(fds[1], "one\ntwo\n");
    net_wait_readable(shared); /* what goes through a terminal takes its time */
    testing_turns();
    testing_assert_log("r:one\n r:two\n");
    put(fds[1], "\004"); /* ctrl-D */
    net_wait_readable(shared);
    testing_turns();
    testing_assert_log("r=0");
    put(fds[1], "three\n");
    end(task);
    testing_assert_log("r:three\n");
    assert_int_equal(flags_of(shared), O_RDWR);
    eddy_stream_close(&stream);
    assert_int_equal(flags_of(shared), O_RDWR);
    assert_int_equal(tcgetattr(shared, &after), 0);
    assert_memory_equal(&before, &after, sizeof before);
    close(shared);
}

test(a_terminal_that_hangs_up_is_told_as_the_kernel_does)
{
    eddy_task task;
    char byte;
    ssize_t kernels;
    int error;
    int shared = dup(open_terminal());

    open_as(&stream, fds[0]);
    task = start_reading("r", 1);
    testing_turns();
    close(fds[1]);
    fds[1] = -1;
    end(task);
    kernels = read(shared, &byte, 1);
    error = errno;
    if (kernels == 0) {
        testing_assert_log("r=0");
    } else {
        assert_int_equal(error, EIO);
        testing_assert_log("r=-5");
    }
    end(start_writing("w", 1));
    testing_assert_log("w=-5");
    close(shared);
}

test(the_masters_end_is_not_opened_again_but_made_nonblocking_meanwhile)
{
    eddy_task task;
    int slave = open_terminal();
    int shared = dup(fds[1]);
    char before[64];
    char after[64];

    assert_int_equal(ptsname_r(shared, before, sizeof before), 0);
    testing_forget_calls();
    open_as(&stream, fds[1]);
    assert_int_equal(testing_calls(open), 0);
    assert_int_equal(ptsname_r(eddy_stream_fd(&stream), after, sizeof after), 0);
    assert_string_equal(before, after);
    task = start_reading("r", 2);
    testing_turns();
    put(slave, "x");
    net_wait_readable(shared);
    testing_turns();
    testing_assert_log("r:x");
    close(slave);
    fds[0] = -1;
    end(task);
    testing_assert_log("r=-5"); /* EIO: nobody has the terminal open */
    eddy_stream_close(&stream);
    assert_int_equal(flags_of(shared), O_RDWR);
    close(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fd_case(a_pipe_is_read_to_its_end),
        fd_case(a_writer_waits_for_room_in_a_pipe),
        fd_case(a_pipe_that_nobody_reads_is_epipe_and_no_signal),
        fd_case(a_kernel_that_cannot_is_asked_once),
        fd_case(a_signal_of_somebody_else_stays_pending_and_the_mask_as_it_was),
        fd_case(the_other_direction_of_a_pipe_is_ebadf),
        fd_case(shutting_a_pipe_down_is_its_close),
        fd_case(a_copy_from_a_silent_source_ends_when_nobody_reads_its_pipe),
        fd_case(a_reader_that_takes_slowly_is_not_idle),
        fd_case(a_fifo_is_a_pipe),
        fd_case(the_dump_names_a_pipe),
        fd_case(a_description_that_others_have_keeps_its_mode),
        fd_case(what_does_not_block_already_is_not_opened_again),
        fd_case(what_cannot_be_opened_again_blocks_again_at_the_close),
        fd_case(of_two_streams_on_one_description_the_last_puts_it_back),
        fd_case(the_end_of_the_loop_puts_it_back),
        fd_case(what_cannot_be_put_back_is_told),
        fd_case(what_fails_leaves_the_fd_as_it_was),
        fd_case(a_regular_file_is_read_without_waiting),
        fd_case(a_regular_file_is_written_and_read_on),
        fd_case(a_directory_is_refused),
        fd_case(the_null_device_takes_all_and_is_at_its_end),
        fd_case(a_terminal_gives_lines_and_an_end_that_is_not_the_last_word),
        fd_case(a_terminal_that_hangs_up_is_told_as_the_kernel_does),
        fd_case(the_masters_end_is_not_opened_again_but_made_nonblocking_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
