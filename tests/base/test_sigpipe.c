/* sys.h: writes that raise no SIGPIPE, also if they have moved some bytes when their reader goes away. */
#include "support/testing.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/sys.h"

enum { SIZE = 1 << 20 };

static char bytes[SIZE];

static bool is_pending(void)
{
    sigset_t pending;

    sigpending(&pending);
    return sigismember(&pending, SIGPIPE) == 1;
}

/* Goes away when something has come: the rest is more than there is room for, so the write is in its midst. */
static void *go_away(void *argument)
{
    struct pollfd reader = {.fd = *(const int *)argument, .events = POLLIN};

    (void)poll(&reader, 1, -1);
    close(reader.fd);
    return NULL;
}

static ssize_t write_to(int fd, int file)
{
    const struct eddy_sys *sys = eddy_sys_default();
    struct iovec piece = {bytes, SIZE};

    return file >= 0 ? sys->sendfile(sys, fd, file, 0, SIZE)
                     : sys->writev_masked(sys, fd, &piece, 1);
}

/* A blocking write whose reader goes away in its midst: some bytes, and no signal. */
static void check_cut(int reader, int writer, int file)
{
    pthread_t thread;
    ssize_t count;

    assert_int_equal(pthread_create(&thread, NULL, go_away, &reader), 0);
    count = write_to(writer, file);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(count > 0 && count < SIZE);
    assert_false(is_pending());
    assert_int_equal(write_to(writer, file), -EPIPE);
    assert_false(is_pending());
    close(writer);
}

test(a_pipe_whose_reader_goes_away_in_the_midst_of_a_write_raises_no_signal)
{
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    check_cut(fds[0], fds[1], -1);
}

test(a_socket_whose_peer_goes_away_while_a_file_is_sent_raises_no_signal)
{
    char name[] = "/tmp/eddy-test-XXXXXX";
    int file = mkstemp(name);
    int fds[2];

    assert_true(file >= 0);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(ftruncate(file, SIZE), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    check_cut(fds[0], fds[1], file);
    close(file);
}

test(a_signal_that_was_pending_before_is_somebody_elses_and_stays)
{
    sigset_t set, old;
    int fds[2];
    int number;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGPIPE);
    assert_int_equal(pipe(fds), 0);
    close(fds[0]);
    assert_int_equal(write_to(fds[1], -1), -EPIPE);
    assert_true(is_pending());
    assert_int_equal(sigwait(&set, &number), 0);
    sigprocmask(SIG_SETMASK, &old, NULL);
    close(fds[1]);
}

/* ---- whatever the process does with the signal, it finds it so afterwards */

static volatile sig_atomic_t handled;

static void on_sigpipe(int number)
{
    (void)number;
    handled++;
}

static void check_as(void (*disposition)(int), int how)
{
    sigset_t set, before, after;
    void (*old)(int) = signal(SIGPIPE, disposition);
    int fds[2];

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    assert_int_equal(sigprocmask(how, &set, &before), 0);
    assert_int_equal(pipe(fds), 0);
    handled = 0;
    check_cut(fds[0], fds[1], -1);
    assert_int_equal(handled, 0);
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, &after), 0);
    assert_int_equal(sigismember(&after, SIGPIPE), how == SIG_BLOCK);
    assert_true(signal(SIGPIPE, old) == disposition);
}

test(a_process_that_ignores_blocks_or_handles_the_signal_finds_it_so_afterwards)
{
    check_as(SIG_IGN, SIG_UNBLOCK);
    check_as(SIG_DFL, SIG_BLOCK);
    check_as(SIG_DFL, SIG_UNBLOCK);
    check_as(on_sigpipe, SIG_UNBLOCK);
    check_as(on_sigpipe, SIG_BLOCK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_pipe_whose_reader_goes_away_in_the_midst_of_a_write_raises_no_signal),
        testing_case(a_socket_whose_peer_goes_away_while_a_file_is_sent_raises_no_signal),
        testing_case(a_process_that_ignores_blocks_or_handles_the_signal_finds_it_so_afterwards),
        testing_case(a_signal_that_was_pending_before_is_somebody_elses_and_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
