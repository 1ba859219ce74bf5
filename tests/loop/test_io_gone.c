/* Fds that are closed while a watcher or a task has them, and whose numbers come again: whatever had
 * them gives way, the error hook is told once, and nothing happens to the file that has the number now. */
#include "support/gone.h"

#include "eddy/io.h"
#include "support/fork.h"

/* ---- watchers */

test(a_watcher_gives_way_to_one_of_another_file_that_has_its_number_now)
{
    int end;

    watch_a_pipe(EDDY_READ);
    end = reuse(pair[0]);
    start(&young, pair[0], EDDY_READ, log_events);
    assert_told_gone(pair[0], "a watcher", "it gives way");
    assert_false(eddy_io_started(&old));
    assert_int_equal(eddy_io_change(&old, EDDY_READ), -EINVAL);
    testing_poke(end);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("young:R");
    eddy_io_stop(&old); /* nothing */
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("young:R");
    eddy_io_stop(&young);
    close(pair[0]);
    close(pair[1]);
    close(end);
}

test(it_is_told_with_the_place_where_it_was_started)
{
    int end;
    char *at;

    testing_reopen_with(EDDY_CLOCK_VIRTUAL, EDDY_LOOP_REPORT_LEAKS);
    watch_a_pipe(0);
    eddy_io_stop(&old);
    assert_int_equal(eddy_io_start(testing.loop, &old, pair[0], EDDY_READ, log_events), 0);
    end = reuse(pair[0]);
    start(&young, pair[0], EDDY_READ, log_events);
    at = strstr(testing.errors.text, "test_io_gone.c:");
    assert_non_null(at);
    testing.errors.count = 0;
    eddy_io_stop(&young);
    close(pair[0]);
    close(pair[1]);
    close(end);
}

test(an_event_that_was_fetched_for_the_old_one_is_not_the_new_ones)
{
    int end;

    watch_a_pipe(EDDY_READ);
    testing_poke(pair[1]);
    assert_int_equal(eddy_loop_prepare(testing.loop, 0), 0);
    assert_int_equal(eddy_loop_wait(testing.loop), 0);
    end = reuse(pair[0]);
    start(&young, pair[0], EDDY_READ, log_events);
    assert_told_gone(pair[0], "a watcher", "it gives way");
    assert_int_equal(testing_turn(), 0);
    testing_assert_log("");
    assert_int_equal(testing_calls(epoll_create), 0);
    eddy_io_stop(&young);
    close(pair[0]);
    close(pair[1]);
    close(end);
}

test(a_watcher_whose_fd_is_open_does_not_give_way)
{
    watch_a_pipe(EDDY_READ);
    assert_int_equal(eddy_io_start(testing.loop, &young, pair[0], EDDY_READ, log_events), -EEXIST);
    testing_poke(pair[1]);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("old:R");
    eddy_io_stop(&old);
    close_both(pair);
}

/* The file is the one that was registered: the watcher is as good as ever. */
test(nor_does_one_whose_fd_has_come_back_as_a_duplicate)
{
    int duplicate;

    watch_a_pipe(EDDY_READ);
    duplicate = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
    close(pair[0]);
    assert_int_equal(fcntl(duplicate, F_DUPFD_CLOEXEC, pair[0]), pair[0]);
    assert_int_equal(eddy_io_start(testing.loop, &young, pair[0], EDDY_READ, log_events), -EEXIST);
    testing_poke(pair[1]);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("old:R");
    eddy_io_stop(&old);
    close(duplicate);
    close_both(pair);
}

test(a_registration_that_was_left_behind_is_taken_over_if_its_file_comes_back)
{
    int duplicate;

    watch_a_pipe(EDDY_READ);
    duplicate = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
    close(pair[0]);
    eddy_io_stop(&old); /* which nobody can take out */
    assert_int_equal(fcntl(duplicate, F_DUPFD_CLOEXEC, pair[0]), pair[0]);
    start(&young, pair[0], EDDY_READ, log_events);
    testing_poke(pair[1]);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("young:R");
    assert_int_equal(testing_calls(epoll_create), 0);
    eddy_io_stop(&young);
    close(duplicate);
    close_both(pair);
}

test(changing_a_watcher_whose_fd_is_closed_or_another_file_is_ebadf)
{
    int end;

    watch_a_pipe(EDDY_READ);
    close(pair[0]);
    assert_int_equal(eddy_io_change(&old, EDDY_READ | EDDY_PRIORITY), -EBADF);
    end = reuse(pair[0]);
    assert_int_equal(eddy_io_change(&old, EDDY_READ | EDDY_PRIORITY), -EBADF);
    assert_int_equal(eddy_io_change(&old, 0), 0);
    assert_int_equal(eddy_io_change(&old, EDDY_READ), -EBADF); /* the other file's number */
    eddy_io_stop(&old);
    close(pair[0]);
    close(pair[1]);
    close(end);
}

test(a_regular_files_watcher_gives_way_to_what_is_none)
{
    FILE *file = tmpfile();
    int fd = fileno(file);
    int end;

    watch_a_pipe(0);
    eddy_io_stop(&old);
    start(&old, fd, EDDY_READ, log_events);
    assert_int_equal(eddy_io_start(testing.loop, &young, fd, EDDY_READ, log_events), -EEXIST);
    end = reuse(fd);
    start(&young, fd, EDDY_READ, log_events);
    assert_told_gone(fd, "a watcher", "it gives way");
    assert_int_equal(testing_turn(), 0);
    testing_poke(end);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("young:R");
    eddy_io_stop(&young);
    fclose(file);
    close(end);
    close_both(pair);
}

test(a_directory_is_no_regular_file)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    watch_a_pipe(0);
    assert_int_equal(eddy_io_start(testing.loop, &young, fd, EDDY_READ, log_events), -EISDIR);
    eddy_io_stop(&old);
    close(fd);
    close_both(pair);
}

test(what_has_no_callback_or_would_watch_the_loop_itself_is_refused)
{
    watch_a_pipe(0);
    assert_int_equal(eddy_io_start(testing.loop, &young, pair[1], EDDY_READ, NULL), -EINVAL);
    assert_int_equal(
        eddy_io_start(testing.loop, &young, eddy_loop_fd(testing.loop), EDDY_READ, log_events),
        -ELOOP);
    eddy_io_stop(&old);
    close_both(pair);
}

/* ---- making the set anew */

static int leave_a_stale_registration(int *write_end)
{
    static eddy_io io = {.user = "gone"};
    int fds[2];
    int duplicate;

    testing_pipe(fds);
    duplicate = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
    start(&io, fds[0], EDDY_READ, log_events);
    close(fds[0]);
    eddy_io_stop(&io);
    testing_poke(fds[1]);
    *write_end = fds[1];
    return duplicate;
}

test(a_new_set_has_no_watcher_whose_number_is_another_files_now)
{
    int write_end;
    int duplicate;
    int end;

    watch_a_pipe(EDDY_READ);
    end = reuse(pair[0]);
    testing_poke(end);
    duplicate = leave_a_stale_registration(&write_end);
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(testing.errors.count, 2); /* of the watcher and of the set */
    testing.errors.count = 0;
    assert_int_equal(testing_turn(), 0);
    testing_assert_log("");
    assert_false(eddy_io_started(&old));
    close(pair[0]);
    close(pair[1]);
    close(end);
    close(duplicate);
    close(write_end);
}

static int child_reuses_the_number(void *argument)
{
    int end = reuse(pair[0]);

    (void)argument;
    testing_poke(end);
    CHECK(part());
    CHECK(testing_turn() == 0);
    CHECK_LOG("");
    CHECK(!eddy_io_started(&old));
    CHECK(testing.errors.count == 0); /* a child may close what it does not need */
    return 0;
}

test(nor_has_that_of_a_child_which_has_given_a_number_to_another_file)
{
    watch_a_pipe(EDDY_READ);
    in_child(child_reuses_the_number);
    testing_poke(pair[1]);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("old:R");
    eddy_io_stop(&old);
    close_both(pair);
}

/* As before such kernels were. */
static int child_cannot_ask(void *argument)
{
    (void)argument;
    testing_fail_from(kcmp_epoll, 1, -ENOSYS);
    CHECK(part());
    testing_poke(pair[1]);
    CHECK(testing_turn() == 1);
    CHECK_LOG("old:R");
    return 0;
}

test(where_the_kernel_cannot_tell_a_child_believes_its_fds)
{
    watch_a_pipe(EDDY_READ);
    in_child(child_cannot_ask);
    eddy_io_stop(&old);
    close_both(pair);
}

/* ---- tasks that wait for an fd */

eddy_frame(waits_for_fd) {
    eddy_coro co;
    int fd;
    int64_t rc;
};

static void waits_for_fd(eddy_coro *co)
{
    eddy_begin(waits_for_fd);
    eddy_catch(self->rc, eddy_fd_wait(co, self->fd, EDDY_READ));
    testing_log_result("fd", self->rc);
    eddy_end;
}

test(a_task_that_waits_for_an_fd_is_told_ebadf_when_its_number_comes_again)
{
    eddy_task first;
    int end;

    watch_a_pipe(0);
    eddy_io_stop(&old);
    first = spawn(waits_for_fd, .fd = pair[0]);
    (void)testing_turns();
    end = reuse(pair[0]);
    start(&young, pair[0], EDDY_READ, log_events);
    assert_told_gone(pair[0], "a task that waits for it", "it gives way");
    assert_int_equal(finish(first), 0);
    testing_assert_log("fd=-EBADF");
    eddy_io_stop(&young);
    close(pair[0]);
    close(pair[1]);
    close(end);
}

test(and_a_task_that_comes_to_wait_for_it_does)
{
    eddy_task task;
    int end;

    watch_a_pipe(EDDY_READ);
    end = reuse(pair[0]);
    testing_poke(end);
    task = spawn(waits_for_fd, .fd = pair[0]);
    assert_int_equal(finish(task), 0);
    testing_assert_log("fd=1");
    assert_told_gone(pair[0], "a watcher", "it gives way");
    close(pair[0]);
    close(pair[1]);
    close(end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_watcher_gives_way_to_one_of_another_file_that_has_its_number_now),
        testing_case(it_is_told_with_the_place_where_it_was_started),
        testing_case(an_event_that_was_fetched_for_the_old_one_is_not_the_new_ones),
        testing_case(a_watcher_whose_fd_is_open_does_not_give_way),
        testing_case(nor_does_one_whose_fd_has_come_back_as_a_duplicate),
        testing_case(a_registration_that_was_left_behind_is_taken_over_if_its_file_comes_back),
        testing_case(changing_a_watcher_whose_fd_is_closed_or_another_file_is_ebadf),
        testing_case(a_regular_files_watcher_gives_way_to_what_is_none),
        testing_case(a_directory_is_no_regular_file),
        testing_case(what_has_no_callback_or_would_watch_the_loop_itself_is_refused),
        testing_case(a_new_set_has_no_watcher_whose_number_is_another_files_now),
        testing_case(nor_has_that_of_a_child_which_has_given_a_number_to_another_file),
        testing_case(where_the_kernel_cannot_tell_a_child_believes_its_fds),
        testing_case(a_task_that_waits_for_an_fd_is_told_ebadf_when_its_number_comes_again),
        testing_case(and_a_task_that_comes_to_wait_for_it_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
