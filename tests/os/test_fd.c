/* io.h: waiting for any file descriptor. */
#include "support/children.h"
#include "support/net.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/deadline.h"
#include "eddy/io.h"

static int pipe_fds[2];

static int setup(void **state)
{
    int result = testing_setup(state);

    testing_pipe(pipe_fds);
    return result;
}

static int teardown(void **state)
{
    close(pipe_fds[0]);
    if (pipe_fds[1] >= 0) {
        close(pipe_fds[1]);
    }
    return testing_teardown(state);
}

#define fd_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

eddy_frame(waits_for_fd) {
    eddy_coro co;
    int fd;
    unsigned events;
    int times;
    int64_t limit;
    int64_t rc;
};

static void waits_for_fd(eddy_coro *co)
{
    eddy_begin(waits_for_fd);
    do {
        eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                           eddy_fd_wait(co, self->fd, self->events)));
        testing_log_result("fd", self->rc);
    } while (--self->times > 0);
    eddy_return(self->rc);
    eddy_end;
}

static eddy_task start_waiting(int fd, unsigned events, int times)
{
    return eddy_loop_spawn(testing.loop, waits_for_fd, .fd = fd, .events = events, .times = times);
}

static int64_t wait_for(int fd, unsigned events)
{
    int64_t result = eddy_loop_run_until(testing.loop, start_waiting(fd, events, 1));

    testing.log[0] = '\0';
    return result;
}

test(a_pipe_is_waited_for_until_it_is_readable)
{
    eddy_task task = start_waiting(pipe_fds[0], EDDY_READ, 1);

    testing_turns();
    testing_assert_log("");
    testing_poke(pipe_fds[1]);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), EDDY_READ);
}

test(what_stays_readable_is_told_again)
{
    testing_poke(pipe_fds[1]);
    assert_int_equal(wait_for(pipe_fds[0], EDDY_READ), EDDY_READ);
    assert_int_equal(wait_for(pipe_fds[0], EDDY_READ), EDDY_READ);
}

test(a_pipe_with_room_is_writable)
{
    assert_int_equal(wait_for(pipe_fds[1], EDDY_WRITE), EDDY_WRITE);
}

test(a_full_pipe_is_waited_for_until_it_has_room)
{
    static const char block[4096];
    eddy_task task;

    while (write(pipe_fds[1], block, sizeof block) > 0) {}
    task = start_waiting(pipe_fds[1], EDDY_WRITE, 1);
    testing_turns();
    testing_assert_log("");
    testing_drain(pipe_fds[0]);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), EDDY_WRITE);
}

test(a_hangup_is_told)
{
    eddy_task task = start_waiting(pipe_fds[0], EDDY_READ, 1);

    testing_turns();
    close(pipe_fds[1]);
    pipe_fds[1] = -1;
    assert_int_equal(eddy_loop_run_until(testing.loop, task), EDDY_HANGUP);
}

test(a_peer_that_has_shut_its_write_side_is_told)
{
    int fds[2];

    testing_socketpair(fds);
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    assert_int_equal(wait_for(fds[0], EDDY_READ), EDDY_READ | EDDY_PEER_CLOSED);
    close(fds[0]);
    close(fds[1]);
}

test(urgent_data_is_told_to_those_who_ask)
{
    int fds[2];

    net_tcp_pair(fds);
    assert_int_equal(send(fds[1], "!", 1, MSG_OOB), 1);
    assert_true((wait_for(fds[0], EDDY_PRIORITY) & EDDY_PRIORITY) != 0);
    close(fds[0]);
    close(fds[1]);
}

test(a_regular_file_is_always_ready_beside_other_tasks)
{
    FILE *file = tmpfile();
    eddy_task task;

    assert_non_null(file);
    task = start_waiting(fileno(file), EDDY_READ, 3);
    assert_int_equal(wait_for(fileno(file), EDDY_READ), -EEXIST);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), EDDY_READ);
    testing_assert_log("fd=1 fd=1 fd=1");
    assert_int_equal(wait_for(fileno(file), EDDY_READ | EDDY_WRITE), EDDY_READ | EDDY_WRITE);
    fclose(file);
}

test(the_fd_stays_as_it_is)
{
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0); /* blocking */
    testing_poke(fds[1]);
    assert_int_equal(wait_for(fds[0], EDDY_READ), EDDY_READ);
    assert_int_equal(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
    close(fds[0]);
    close(fds[1]);
}

test(a_second_task_at_the_same_fd_is_refused)
{
    eddy_task first = start_waiting(pipe_fds[0], EDDY_READ, 1);

    testing_turns();
    assert_int_equal(wait_for(pipe_fds[0], EDDY_READ), -EEXIST);
    testing_poke(pipe_fds[1]);
    assert_int_equal(eddy_loop_run_until(testing.loop, first), EDDY_READ);
    assert_int_equal(wait_for(pipe_fds[0], EDDY_READ), EDDY_READ);
}

/* One to read and one to write, on an end of a pair whose other end takes no more. */
static eddy_task reader, writer;
static int ends[2];

static void start_both(void)
{
    static const char block[4096];

    testing_socketpair(ends);
    while (write(ends[0], block, sizeof block) > 0) {}
    reader = start_waiting(ends[0], EDDY_READ, 1);
    writer = start_waiting(ends[0], EDDY_WRITE, 1);
    testing_turns();
    testing_assert_log("");
}

static void close_ends(void)
{
    close(ends[0]);
    close(ends[1]);
    testing.log[0] = '\0';
}

test(one_task_reads_an_fd_and_another_writes_it)
{
    start_both();
    assert_int_equal(wait_for(ends[0], EDDY_WRITE), -EEXIST);
    assert_int_equal(wait_for(ends[0], EDDY_PRIORITY), -EEXIST);
    testing_poke(ends[1]);
    testing_turns();
    assert_int_equal(eddy_task_done(writer), 0);
    assert_int_equal(eddy_loop_run_until(testing.loop, reader), EDDY_READ);
    testing_drain(ends[0]);
    reader = start_waiting(ends[0], EDDY_READ, 1);
    testing_turns();
    net_drain(ends[1]);
    assert_int_equal(eddy_loop_run_until(testing.loop, writer), EDDY_WRITE);
    testing_turns();
    assert_int_equal(eddy_task_done(reader), 0);
    testing_poke(ends[1]);
    assert_int_equal(eddy_loop_run_until(testing.loop, reader), EDDY_READ);
    close_ends();
}

test(both_in_one_turn_have_each_what_it_asked_for)
{
    start_both();
    net_drain(ends[1]);
    testing_poke(ends[1]);
    assert_int_equal(eddy_loop_run_until(testing.loop, reader), EDDY_READ);
    assert_int_equal(eddy_loop_run_until(testing.loop, writer), EDDY_WRITE);
    close_ends();
}

test(a_cancel_of_one_leaves_the_other_waiting)
{
    start_both();
    eddy_cancel(writer);
    assert_int_equal(eddy_loop_run_until(testing.loop, writer), -ECANCELED);
    net_drain(ends[1]);
    testing_turns();
    assert_int_equal(eddy_task_done(reader), 0);
    testing_poke(ends[1]);
    assert_int_equal(eddy_loop_run_until(testing.loop, reader), EDDY_READ);
    close_ends();
}

test(a_hangup_and_a_lost_fd_are_told_to_both)
{
    int fd;

    start_both();
    close(ends[1]);
    assert_true((eddy_loop_run_until(testing.loop, reader) & EDDY_HANGUP) != 0);
    assert_true((eddy_loop_run_until(testing.loop, writer) & EDDY_HANGUP) != 0);
    close(ends[0]);
    testing.log[0] = '\0';
    start_both();
    fd = ends[0];
    close(fd);
    assert_int_equal(dup3(pipe_fds[0], fd, O_CLOEXEC), fd);
    testing_poke(pipe_fds[1]);
    assert_int_equal(wait_for(fd, EDDY_READ), EDDY_READ);
    assert_int_equal(testing.errors.code, -EBADF);
    testing.errors.count = 0;
    assert_int_equal(eddy_loop_run_until(testing.loop, reader), -EBADF);
    assert_int_equal(eddy_loop_run_until(testing.loop, writer), -EBADF);
    close_ends();
}

test(a_second_task_that_cannot_be_registered_leaves_the_first_waiting)
{
    static const char block[4096];

    testing_socketpair(ends);
    while (write(ends[0], block, sizeof block) > 0) {}
    reader = start_waiting(ends[0], EDDY_READ, 1);
    testing_turns();
    testing_fail(epoll_ctl, 2, -ENOMEM); /* the first asks whether it is the same file */
    assert_int_equal(wait_for(ends[0], EDDY_WRITE), -ENOMEM);
    testing_poke(ends[1]);
    assert_int_equal(eddy_loop_run_until(testing.loop, reader), EDDY_READ);
    close_ends();
}

test(what_cannot_be_waited_for_is_an_error)
{
    assert_int_equal(wait_for(-1, EDDY_READ), -EBADF);
    assert_int_equal(wait_for(9999, EDDY_READ), -EBADF);
    assert_int_equal(wait_for(pipe_fds[0], 0), -EINVAL);
    assert_int_equal(wait_for(pipe_fds[0], 1u << 20), -EINVAL);
    testing_fail(epoll_ctl, 1, -ENOSPC);
    assert_int_equal(wait_for(pipe_fds[0], EDDY_READ), -ENOSPC);
}

test(a_cancel_ends_the_wait_and_frees_the_fd)
{
    eddy_task task = start_waiting(pipe_fds[0], EDDY_READ, 2);

    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    testing_turns();
    testing_assert_log("fd=-ECANCELED");
    testing_poke(pipe_fds[1]);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), EDDY_READ);
}

test(a_time_out_ends_the_wait)
{
    assert_int_equal(
        testing_run_task(waits_for_fd, .fd = pipe_fds[0], .events = EDDY_READ, .limit = 100 * MS),
        -ETIMEDOUT);
    assert_int_equal(testing.clock.now, 100 * MS);
    testing.log[0] = '\0';
}

/* Waits while allocation k fails; false if it needs less than k. */
static bool waits_in_spite_of(unsigned k)
{
    unsigned before;
    int64_t result;

    testing_reopen();
    before = testing.memory.calls;
    testing_fail_allocation(k);
    result = wait_for(pipe_fds[0], EDDY_READ);
    testing_fail_allocation(0);
    assert_true(result == EDDY_READ || result == -ENOMEM);
    return testing.memory.calls - before >= k;
}

test(memory_that_fails_anywhere_is_enomem)
{
    unsigned k = 1;

    testing_poke(pipe_fds[1]);
    while (waits_in_spite_of(k)) {
        k++;
    }
    assert_in_range(k, 2, 50);
}

test(a_task_that_waits_for_an_fd_keeps_the_loop_going_and_freeing_it_ends_the_wait)
{
    eddy_task task = start_waiting(pipe_fds[0], EDDY_READ, 1);

    assert_int_equal(eddy_detach(task), 0);
    testing_turns();
    testing_free();
    testing_assert_log("fd=-ECANCELED");
    assert_true(net_is_open(pipe_fds[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fd_case(a_pipe_is_waited_for_until_it_is_readable),
        fd_case(what_stays_readable_is_told_again),
        fd_case(a_pipe_with_room_is_writable),
        fd_case(a_full_pipe_is_waited_for_until_it_has_room),
        fd_case(a_hangup_is_told),
        fd_case(a_peer_that_has_shut_its_write_side_is_told),
        fd_case(urgent_data_is_told_to_those_who_ask),
        fd_case(a_regular_file_is_always_ready_beside_other_tasks),
        fd_case(the_fd_stays_as_it_is),
        fd_case(a_second_task_at_the_same_fd_is_refused),
        fd_case(one_task_reads_an_fd_and_another_writes_it),
        fd_case(both_in_one_turn_have_each_what_it_asked_for),
        fd_case(a_cancel_of_one_leaves_the_other_waiting),
        fd_case(a_hangup_and_a_lost_fd_are_told_to_both),
        fd_case(a_second_task_that_cannot_be_registered_leaves_the_first_waiting),
        fd_case(what_cannot_be_waited_for_is_an_error),
        fd_case(a_cancel_ends_the_wait_and_frees_the_fd),
        fd_case(a_time_out_ends_the_wait),
        fd_case(memory_that_fails_anywhere_is_enomem),
        fd_case(a_task_that_waits_for_an_fd_keeps_the_loop_going_and_freeing_it_ends_the_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
