/* io.h: an fd that is kept registered, and awaited again and again. */
#include "support/children.h"
#include "support/fork.h"
#include "support/leaks.h"
#include "support/net.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/deadline.h"
#include "eddy/look.h"

enum { ROUNDS = 50, TASKS = 2 };

/* The reading end of a pipe, or, as some cases have it, an end of a pair of sockets. */
static eddy_fd kept;
static int ends[2]; /* its fd; the other end */

static int setup(void **state)
{
    int result = testing_setup(state);

    memset(&kept, 0, sizeof kept);
    testing_pipe(ends);
    assert_int_equal(eddy_fd_init(testing.loop, &kept, ends[0]), 0);
    (void)loop_fd_is_readable(); /* the fd for others is made */
    testing_forget_calls();
    return result;
}

static int teardown(void **state)
{
    eddy_fd_fini(&kept);
    close(ends[0]);
    if (ends[1] >= 0) {
        close(ends[1]);
    }
    return testing_teardown(state);
}

#define kept_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void close_ends(void)
{
    close(ends[0]);
    close(ends[1]);
}

static void keep_a_pair(void)
{
    eddy_fd_fini(&kept);
    close_ends();
    testing_socketpair(ends);
    assert_int_equal(eddy_fd_init(testing.loop, &kept, ends[0]), 0);
    testing_forget_calls();
}

/* Of a pair: there is no room, until the other end is drained. */
static void fill(void)
{
    static const char block[4096];

    while (write(ends[0], block, sizeof block) > 0) {}
}

/* Waits so often, and takes a byte each time. */
eddy_frame(waits) {
    eddy_coro co;
    const char *name;
    unsigned events;
    int times;
    bool takes;
    int64_t limit;
    int64_t rc;
    char byte;
};

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    do {
        eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                           eddy_fd_ready(co, &kept, self->events)));
        if (self->name != NULL) {
            testing_log_result(self->name, self->rc);
        }
        if (self->takes && self->rc > 0) {
            assert_int_equal(read(ends[0], &self->byte, 1), 1);
        }
    } while (--self->times > 0);
    eddy_return(self->rc);
    eddy_end;
}

static eddy_task reads(int times)
{
    return start(waits, .name = "r", .events = EDDY_READ, .times = times, .takes = true);
}

static int64_t wait_for(unsigned events)
{
    return run(waits, .events = events);
}

/* Takes the byte, if there is one: nobody waits. */
static void take(void)
{
    char byte;

    assert_int_equal(read(ends[0], &byte, 1), 1);
}

/* ---- what it costs */

test(who_takes_what_comes_asks_epoll_once)
{
    eddy_task task = reads(ROUNDS);
    struct eddy_metrics before, after;

    eddy_loop_metrics(testing.loop, &before);
    for (int i = 0; i < ROUNDS; i++) {
        testing_turns();
        assert_int_equal(testing_calls(epoll_ctl), 1);
        testing_poke(ends[1]);
    }
    assert_int_equal(finish(task), EDDY_READ);
    assert_int_equal(testing_calls(epoll_ctl), 1);
    eddy_loop_metrics(testing.loop, &after);
    assert_int_equal(after.controls - before.controls, 1);
}

eddy_frame(waits_once_each) {
    eddy_coro co;
    int times;
    char byte;
};

static void waits_once_each(eddy_coro *co)
{
    eddy_begin(waits_once_each);
    for (; self->times > 0; self->times--) {
        eddy_await(eddy_fd_wait(co, ends[0], EDDY_READ));
        assert_int_equal(read(ends[0], &self->byte, 1), 1);
    }
    eddy_end;
}

/* What it is compared with. */
test(a_number_is_registered_for_each_wait)
{
    eddy_task task;

    eddy_fd_fini(&kept);
    testing_forget_calls();
    task = start(waits_once_each, .times = ROUNDS);
    for (int i = 0; i < ROUNDS; i++) {
        testing_turns();
        testing_poke(ends[1]);
    }
    assert_int_equal(finish(task), 0);
    assert_int_equal(testing_calls(epoll_ctl), 2 * ROUNDS);
}

test(who_takes_a_part_is_told_again_and_that_asks_epoll_for_nothing)
{
    for (int i = 0; i < ROUNDS; i++) {
        testing_poke(ends[1]);
    }
    assert_int_equal(finish(reads(ROUNDS)), EDDY_READ);
    assert_int_equal(testing_calls(epoll_ctl), 1);
    testing.log[0] = '\0';
    testing_turns();
    assert_int_equal(testing_calls(epoll_ctl), 1);
}

test(what_comes_while_nobody_waits_is_turned_off_until_somebody_does)
{
    testing_poke(ends[1]);
    assert_int_equal(wait_for(EDDY_READ), EDDY_READ); /* and takes nothing */
    assert_int_equal(testing_calls(epoll_ctl), 1);
    assert_true(loop_fd_is_readable());
    assert_int_equal(testing_turn(), 0);
    testing_forget_calls();
    assert_false(loop_fd_is_readable()); /* nothing spins */
    testing_poke(ends[1]);
    assert_false(loop_fd_is_readable());
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(testing_calls(epoll_ctl), 0);
    assert_int_equal(wait_for(EDDY_READ), EDDY_READ);
    assert_int_equal(testing_calls(epoll_ctl), 1);
}

test(an_end_that_nobody_waits_for_wakes_nobody)
{
    close(ends[1]);
    ends[1] = -1;
    while (testing_turn() > 0) {}
    assert_false(loop_fd_is_readable());
    assert_int_equal(wait_for(EDDY_READ), EDDY_HANGUP);
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(testing_turn(), 0);
    assert_false(loop_fd_is_readable());
    assert_int_equal(wait_for(EDDY_READ), EDDY_HANGUP);
    assert_int_equal(wait_for(EDDY_PRIORITY), EDDY_HANGUP);
}

test(a_peer_that_sends_no_more_wakes_nobody_who_does_not_wait)
{
    keep_a_pair();
    assert_int_equal(shutdown(ends[1], SHUT_WR), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wait_for(EDDY_READ), EDDY_READ | EDDY_PEER_CLOSED);
    }
    assert_int_equal(testing_turn(), 0);
    assert_false(loop_fd_is_readable());
}

/* ---- one reads and one writes */

test(one_task_reads_and_another_writes_and_a_third_is_busy)
{
    eddy_task tasks[TASKS];

    keep_a_pair();
    fill();
    tasks[0] = start(waits, .events = EDDY_READ);
    tasks[1] = start(waits, .events = EDDY_WRITE);
    testing_turns();
    assert_int_equal(wait_for(EDDY_WRITE), -EBUSY);
    assert_int_equal(wait_for(EDDY_READ | EDDY_WRITE), -EBUSY);
    assert_int_equal(wait_for(EDDY_PRIORITY), -EBUSY);
    testing_poke(ends[1]);
    assert_int_equal(finish(tasks[0]), EDDY_READ);
    assert_int_equal(eddy_task_done(tasks[1]), 0);
    net_drain(ends[1]);
    assert_int_equal(finish(tasks[1]), EDDY_WRITE);
}

test(both_in_one_turn_have_each_what_it_asked_for)
{
    eddy_task tasks[TASKS];

    keep_a_pair();
    fill();
    tasks[0] = start(waits, .events = EDDY_READ);
    tasks[1] = start(waits, .events = EDDY_WRITE | EDDY_PRIORITY);
    testing_turns();
    testing_poke(ends[1]);
    net_drain(ends[1]);
    testing_turns();
    assert_int_equal(finish(tasks[0]), EDDY_READ);
    assert_int_equal(finish(tasks[1]), EDDY_WRITE);
}

test(a_writer_that_has_done_does_not_wake_a_reader)
{
    eddy_task reader;

    keep_a_pair();
    reader = start(waits, .name = "r", .events = EDDY_READ);
    testing_turns();
    assert_int_equal(wait_for(EDDY_WRITE), EDDY_WRITE);
    assert_int_equal(testing_calls(epoll_ctl), 2); /* to read; to write, too */
    testing_turns();
    assert_int_equal(testing_calls(epoll_ctl), 3); /* there is room, and nobody wants to know */
    testing_turns();
    assert_false(loop_fd_is_readable());
    assert_int_equal(testing_calls(epoll_ctl), 3);
    testing_assert_log("");
    testing_poke(ends[1]);
    assert_int_equal(finish(reader), EDDY_READ);
    testing_assert_log("r=1");
}

test(what_a_reader_has_asked_about_outlasts_what_a_writer_asks)
{
    eddy_task reader;

    keep_a_pair();
    testing_poke(ends[1]);
    assert_int_equal(finish(reads(1)), EDDY_READ);
    assert_int_equal(wait_for(EDDY_WRITE), EDDY_WRITE);
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(testing_calls(epoll_ctl), 3); /* to read; to write, too; that no more */
    reader = reads(1);
    testing_turns();
    testing_poke(ends[1]);
    assert_int_equal(finish(reader), EDDY_READ);
    assert_int_equal(testing_calls(epoll_ctl), 3);
    testing.log[0] = '\0';
}

test(who_fills_it_again_and_again_asks_epoll_once)
{
    keep_a_pair();
    for (int i = 0; i < ROUNDS; i++) {
        eddy_task writer;
        fill();
        writer = start(waits, .events = EDDY_WRITE);
        testing_turns();
        net_drain(ends[1]);
        assert_int_equal(finish(writer), EDDY_WRITE);
    }
    assert_int_equal(testing_calls(epoll_ctl), 1);
}

test(urgent_data_is_told_to_those_who_ask)
{
    eddy_fd_fini(&kept);
    close_ends();
    net_tcp_pair(ends);
    assert_int_equal(eddy_fd_init(testing.loop, &kept, ends[0]), 0);
    assert_int_equal(send(ends[1], "!", 1, MSG_OOB), 1);
    assert_int_equal(wait_for(EDDY_PRIORITY), EDDY_PRIORITY);
}

test(a_regular_file_is_always_ready)
{
    FILE *file = tmpfile();
    eddy_task both[TASKS];

    eddy_fd_fini(&kept);
    assert_int_equal(eddy_fd_init(testing.loop, &kept, fileno(file)), 0);
    both[0] = start(waits, .name = "r", .events = EDDY_READ, .times = 3);
    both[1] = start(waits, .name = "w", .events = EDDY_WRITE, .times = 2);
    for (int i = 0; i < TASKS; i++) {
        assert_int_equal(finish(both[i]), i == 0 ? EDDY_READ : EDDY_WRITE);
    }
    testing_assert_log("r=1 w=4 r=1 w=4 r=1");
    assert_false(loop_fd_is_readable());
    eddy_fd_fini(&kept);
    fclose(file);
}

test(the_fd_stays_as_it_is)
{
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0); /* blocking */
    eddy_fd_fini(&kept);
    assert_int_equal(eddy_fd_init(testing.loop, &kept, fds[0]), 0);
    testing_poke(fds[1]);
    assert_int_equal(wait_for(EDDY_READ), EDDY_READ);
    eddy_fd_fini(&kept);
    assert_int_equal(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
    close(fds[0]);
    close(fds[1]);
}

/* ---- what ends a wait before its event */

test(a_cancel_ends_the_wait_and_takes_nothing)
{
    eddy_task task = reads(2);

    testing_turns();
    testing_poke(ends[1]);
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), EDDY_READ);
    testing_assert_log("r=-ECANCELED r=1");
}

test(a_time_out_ends_the_wait)
{
    assert_int_equal(run(waits, .events = EDDY_READ, .limit = 100 * MS), -ETIMEDOUT);
    assert_int_equal(testing.clock.now, 100 * MS);
    testing_poke(ends[1]);
    assert_int_equal(wait_for(EDDY_READ), EDDY_READ);
}

test(a_cancel_of_one_leaves_the_other_waiting)
{
    eddy_task reader, writer;

    keep_a_pair();
    fill();
    reader = reads(1);
    writer = start(waits, .name = "w", .events = EDDY_WRITE);
    testing_turns();
    eddy_cancel(writer);
    assert_int_equal(finish(writer), -ECANCELED);
    testing_poke(ends[1]);
    assert_int_equal(finish(reader), EDDY_READ);
    testing_assert_log("w=-ECANCELED r=1");
}

test(a_fini_lets_who_waits_go_at_once)
{
    eddy_task tasks[TASKS];

    keep_a_pair();
    fill();
    tasks[0] = reads(1);
    tasks[1] = start(waits, .name = "w", .events = EDDY_WRITE);
    testing_turns();
    testing_poke(ends[1]);
    assert_true(loop_fd_is_readable());
    eddy_fd_fini(&kept);
    memset(&kept, 0x55, sizeof kept); /* it is the caller's again */
    testing_turns();
    testing_assert_log("r=-EBADF w=-EBADF");
    for (int i = 0; i < TASKS; i++) {
        assert_int_equal(finish(tasks[i]), -EBADF);
    }
    memset(&kept, 0, sizeof kept);
    assert_int_equal(testing_calls(epoll_ctl), 3);
}

test(who_was_woken_and_let_go_before_its_turn_has_ebadf)
{
    eddy_task task = reads(1);
    eddy_task next;

    testing_turns();
    testing_poke(ends[1]);
    assert_int_equal(eddy_loop_prepare(testing.loop, 0), 0);
    assert_int_equal(eddy_loop_wait(testing.loop), 0);
    eddy_fd_fini(&kept);
    assert_int_equal(eddy_fd_init(testing.loop, &kept, ends[0]), 0);
    next = reads(1);
    assert_int_equal(finish(task), -EBADF);
    assert_int_equal(finish(next), EDDY_READ);
    testing_assert_log("r=-EBADF r=1");
}

/* ---- what is refused */

static void never_called(eddy_io *io, unsigned events)
{
    (void)io;
    (void)events;
}

test(what_cannot_be_waited_for_is_an_error)
{
    eddy_fd none = {0};
    eddy_io io = {0};
    int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(eddy_fd_init(testing.loop, &kept, ends[1]), -EINVAL);
    assert_int_equal(eddy_fd_init(testing.loop, &none, ends[0]), -EEXIST);
    assert_int_equal(eddy_io_start(testing.loop, &io, ends[0], EDDY_READ, never_called), -EEXIST);
    assert_int_equal(run(waits_once_each, .times = 1), -EEXIST);
    assert_null(eddy_io_of(testing.loop, ends[0]));
    assert_int_equal(eddy_fd_init(testing.loop, &none, -1), -EBADF);
    assert_int_equal(eddy_fd_init(testing.loop, &none, 9999), -EBADF);
    assert_int_equal(eddy_fd_init(testing.loop, &none, directory), -EISDIR);
    close(directory);
    testing_fail(epoll_ctl, 1, -ENOSPC);
    assert_int_equal(eddy_fd_init(testing.loop, &none, ends[1]), -ENOSPC);
    assert_int_equal((eddy_fd_init)(testing.loop, &none, ends[1]), 0);
    eddy_fd_fini(&none);
    assert_int_equal(wait_for(0), -EINVAL);
    assert_int_equal(wait_for(EDDY_HANGUP), -EINVAL);
    assert_int_equal(wait_for(EDDY_READ | EDDY_AS_IS), -EINVAL);
    eddy_fd_fini(&kept);
    eddy_fd_fini(&kept);
    assert_int_equal(wait_for(EDDY_READ), -EBADF);
}

test(an_error_of_epoll_leaves_it_as_it_was)
{
    testing_fail(epoll_ctl, 1, -ENOMEM);
    assert_int_equal(wait_for(EDDY_READ), -ENOMEM);
    testing_poke(ends[1]);
    assert_int_equal(wait_for(EDDY_READ), EDDY_READ);
    testing_fail(epoll_ctl, 1, -ENOMEM); /* when it is turned off, which is tried again */
    assert_int_equal(testing_turn(), 0);
    assert_true(loop_fd_is_readable());
    assert_int_equal(testing_turn(), 0);
    assert_false(loop_fd_is_readable());
    assert_int_equal(wait_for(EDDY_READ), EDDY_READ);
}

test(a_wait_needs_no_memory)
{
    eddy_task task = reads(2);

    testing_turns();
    use_up_memory();
    testing_poke(ends[1]);
    testing_turns();
    testing_poke(ends[1]);
    testing_turns();
    testing_assert_log("r=1 r=1");
    testing_fail_allocation(0);
    assert_int_equal(finish(task), EDDY_READ);
}

/* ---- fds that are closed while it has them */

/* Closes its fd, and gives the number to an end of a new pipe; the other is returned. */
static int reuse(void)
{
    int fds[2];

    testing_pipe(fds);
    assert_int_equal(dup3(fds[0], ends[0], O_CLOEXEC), ends[0]);
    close(fds[0]);
    return fds[1];
}

test(it_gives_way_when_the_number_comes_again)
{
    eddy_task task = reads(2);
    eddy_fd fresh = {0};
    int end;

    testing_turns();
    end = reuse();
    assert_int_equal(eddy_fd_init(testing.loop, &fresh, ends[0]), 0);
    assert_told(-EBADF, "was closed while an eddy_fd had it: it gives way");
    assert_int_equal(finish(task), -EBADF);
    testing_assert_log("r=-EBADF r=-EBADF");
    eddy_fd_fini(&kept); /* nothing */
    eddy_fd_fini(&fresh);
    assert_int_equal(eddy_fd_init(testing.loop, &kept, ends[0]), 0);
    testing_poke(end);
    assert_int_equal(wait_for(EDDY_READ), EDDY_READ);
    close(end);
}

/* A watcher without an interest would be believed to have its fd still. */
test(also_one_that_nobody_has_ever_asked_about)
{
    eddy_fd fresh = {0};
    int end = reuse();

    assert_int_equal(eddy_fd_init(testing.loop, &fresh, ends[0]), 0);
    assert_told(-EBADF, "was closed while an eddy_fd had it: it gives way");
    eddy_fd_fini(&fresh);
    close(end);
}

test(a_wait_that_finds_its_fd_closed_has_ebadf)
{
    int fd = ends[0];

    close(fd);
    assert_int_equal(wait_for(EDDY_READ), -EBADF);
    assert_told(-EBADF, "was closed while an eddy_fd had it: it gives way");
    assert_int_equal(wait_for(EDDY_READ), -EBADF);
    assert_int_equal(fcntl(ends[1], F_DUPFD_CLOEXEC, fd), fd);
    assert_int_equal(eddy_fd_init(testing.loop, &kept, fd), 0);
    assert_int_equal(wait_for(EDDY_WRITE), EDDY_WRITE | EDDY_ERROR);
}

/* The open file lives on, and the kernel goes on telling of it. */
test(one_that_was_closed_and_is_open_as_a_duplicate_spins_for_nobody)
{
    int duplicate = fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
    int fd = ends[0];

    testing_poke(ends[1]);
    assert_int_equal(wait_for(EDDY_READ), EDDY_READ);
    close(fd);
    assert_int_equal(testing_turn(), 0);
    assert_told(-EBADF, "was closed while an eddy_fd had it: it gives way");
    assert_int_equal(testing_turn(), 0); /* the set is made anew */
    testing.errors.count = 0;
    assert_false(loop_fd_is_readable());
    assert_int_equal(wait_for(EDDY_READ), -EBADF);
    ends[0] = duplicate;
}

/* ---- where it lies */

eddy_frame(has_one) {
    eddy_coro co;
    bool leaves;
    bool lacks_memory;
    eddy_fd fd;
    int64_t rc;
};

static void has_one(eddy_coro *co)
{
    eddy_begin(has_one);
    if (self->lacks_memory) {
        use_up_memory();
    }
    self->rc = eddy_fd_init(eddy_loop_of(co), &self->fd, ends[1]);
    assert_int_equal(eddy_io_started(&self->fd.io), self->rc == 0);
    eddy_await(self->rc);
    eddy_await(self->rc, eddy_fd_ready(co, &self->fd, EDDY_WRITE));
    eddy_return(self->rc);
eddy_finally:
    if (!self->leaves) {
        eddy_fd_fini(&self->fd);
    }
    eddy_end;
}

static void leave_one(void *argument)
{
    (void)argument;
    (void)run(has_one, .leaves = true);
}

test(a_frame_that_ends_with_one_aborts)
{
    assert_int_equal(run(has_one), EDDY_WRITE);
    testing_expect_abort(leave_one, NULL, "has_one: ");
    testing_expect_abort(leave_one, NULL,
                         "file, watch of files, process, eddy_fd, queue or group in its frame");
}

/* Runs with allocation k failing; whether it needs so many. */
static bool has_one_in_spite_of(unsigned k)
{
    unsigned before;
    int64_t result;

    eddy_fd_fini(&kept);
    testing_reopen();
    before = testing.memory.calls;
    testing_fail_allocation(k);
    result = run(has_one);
    testing_fail_allocation(0);
    assert_true(result == EDDY_WRITE || result == -ENOMEM);
    return testing.memory.calls - before >= k;
}

test(memory_that_fails_anywhere_is_enomem)
{
    unsigned k = 1;

    while (has_one_in_spite_of(k)) {
        k++;
    }
    assert_in_range(k, 2, 50);
    assert_int_equal(run(has_one, .lacks_memory = true), -ENOMEM);
    testing_fail_allocation(0);
}

eddy_frame(opens_the_static_one) {
    eddy_coro co;
};

static void opens_the_static_one(eddy_coro *co)
{
    eddy_begin(opens_the_static_one);
    eddy_await(eddy_fd_init(eddy_loop_of(co), &kept, ends[0]));
    eddy_end;
}
enum { INITIALIZED_AT = __LINE__ - 3 };

test(one_in_static_memory_outlives_its_task_and_ends_with_the_loop)
{
    eddy_task task;

    eddy_fd_fini(&kept);
    report_leaks();
    assert_int_equal(run(opens_the_static_one), 0);
    task = reads(1);
    assert_int_equal(eddy_detach(task), 0);
    testing_turns();
    assert_leaks("leak: an eddy_fd still has fd %d (initialized at %s:%d)\n", ends[0], __FILE__,
                 INITIALIZED_AT);
    testing_assert_log("r=-ECANCELED");
    assert_true(net_is_open(ends[0]));
    testing_reopen();
    assert_int_equal(eddy_fd_init(testing.loop, &kept, ends[0]), 0);
    testing_poke(ends[1]);
    assert_int_equal(wait_for(EDDY_READ), EDDY_READ);
}

eddy_frame(cleans_by_waiting) {
    eddy_coro co;
};

static void cleans_by_waiting(eddy_coro *co)
{
    eddy_begin(cleans_by_waiting);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
eddy_finally:
    eddy_await(eddy_fd_ready(co, &kept, EDDY_READ));
    eddy_end;
}

test(a_cleanup_that_waits_for_one_is_cut_off_and_leaves_it_as_new)
{
    assert_int_equal(eddy_detach(start(cleans_by_waiting)), 0);
    testing_turns();
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    assert_int_equal(testing.errors.code, -ETIMEDOUT);
    testing.errors.count = 0;
    testing_reopen();
    assert_int_equal(eddy_fd_init(testing.loop, &kept, ends[0]), 0);
    testing_poke(ends[1]);
    assert_int_equal(wait_for(EDDY_READ), EDDY_READ);
}

/* ---- fork(2) */

static int child_waits(void *argument)
{
    eddy_fd fresh = {0};
    char byte;

    (void)argument;
    CHECK(eddy_fd_init(testing.loop, &fresh, ends[1]) == -ECHILD);
    CHECK(part());
    CHECK(testing_turns() == 0);
    testing_poke(ends[1]);
    CHECK(testing_turns() == 1);
    CHECK_LOG("r=1");
    CHECK(read(ends[0], &byte, 1) < 0);
    testing_poke(ends[1]);
    CHECK(wait_for(EDDY_READ) == EDDY_READ);
    eddy_fd_fini(&kept);
    return 0;
}

test(a_child_has_it_too_when_it_has_said_so)
{
    eddy_task task = reads(1);

    testing_turns();
    in_child(child_waits);
    take(); /* that the child has left */
    testing_poke(ends[1]);
    assert_int_equal(finish(task), EDDY_READ);
    testing_assert_log("r=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        kept_case(who_takes_what_comes_asks_epoll_once),
        kept_case(a_number_is_registered_for_each_wait),
        kept_case(who_takes_a_part_is_told_again_and_that_asks_epoll_for_nothing),
        kept_case(what_comes_while_nobody_waits_is_turned_off_until_somebody_does),
        kept_case(an_end_that_nobody_waits_for_wakes_nobody),
        kept_case(a_peer_that_sends_no_more_wakes_nobody_who_does_not_wait),
        kept_case(one_task_reads_and_another_writes_and_a_third_is_busy),
        kept_case(both_in_one_turn_have_each_what_it_asked_for),
        kept_case(a_writer_that_has_done_does_not_wake_a_reader),
        kept_case(what_a_reader_has_asked_about_outlasts_what_a_writer_asks),
        kept_case(who_fills_it_again_and_again_asks_epoll_once),
        kept_case(urgent_data_is_told_to_those_who_ask),
        kept_case(a_regular_file_is_always_ready),
        kept_case(the_fd_stays_as_it_is),
        kept_case(a_cancel_ends_the_wait_and_takes_nothing),
        kept_case(a_time_out_ends_the_wait),
        kept_case(a_cancel_of_one_leaves_the_other_waiting),
        kept_case(a_fini_lets_who_waits_go_at_once),
        kept_case(who_was_woken_and_let_go_before_its_turn_has_ebadf),
        kept_case(what_cannot_be_waited_for_is_an_error),
        kept_case(an_error_of_epoll_leaves_it_as_it_was),
        kept_case(a_wait_needs_no_memory),
        kept_case(it_gives_way_when_the_number_comes_again),
        kept_case(also_one_that_nobody_has_ever_asked_about),
        kept_case(a_wait_that_finds_its_fd_closed_has_ebadf),
        kept_case(one_that_was_closed_and_is_open_as_a_duplicate_spins_for_nobody),
        kept_case(a_frame_that_ends_with_one_aborts),
        kept_case(memory_that_fails_anywhere_is_enomem),
        kept_case(one_in_static_memory_outlives_its_task_and_ends_with_the_loop),
        kept_case(a_cleanup_that_waits_for_one_is_cut_off_and_leaves_it_as_new),
        kept_case(a_child_has_it_too_when_it_has_said_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
