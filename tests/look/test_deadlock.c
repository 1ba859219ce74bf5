/* loop.h and task.h: what is told when nothing can go on (rule 15), or a cleanup hangs (rule 9), and
 * what keeps that from being told. */
#include "support/net.h"
#include "support/text.h"
#include "support/things.h"

#include "eddy/event.h"
#include "eddy/group.h"
#include "eddy/io.h"
#include "eddy/lock.h"
#include "eddy/server.h"

/* A circle of three, each of which logs its end in its finally. */
static struct thing things[3];

eddy_frame(dines) {
    eddy_coro co;
    int seat;
};

static void dines(eddy_coro *co)
{
    eddy_begin(dines);
    eddy_await(eddy_call(co, takes, .first = &things[self->seat],
                         .second = &things[(self->seat + 1) % 3]));
eddy_finally:
    testing_log("%d", self->seat);
    eddy_end;
}

eddy_frame(dinner) {
    eddy_coro co;
    eddy_task seats[3];
    int i;
    int64_t rc;
};

static void dinner(eddy_coro *co)
{
    eddy_begin(dinner);
    memset(things, 0, sizeof things);
    for (self->i = 0; self->i < 3; self->i++) {
        things[self->i].name = "fork";
        self->seats[self->i] = eddy_spawn(co, dines, .seat = self->i);
    }
    for (self->i = 0; self->i < 3; self->i++) {
        eddy_catch(self->rc, eddy_join(co, self->seats[self->i]));
    }
    eddy_end;
}

#define TOLD                                                           \
    "deadlock: 4 tasks wait, and nothing could wake any: #2 dines -> " \
    "#3 dines -> #4 dines -> #2 dines"

/* A circle of joins: each joins the next, with a finally of its own. */
static eddy_task joined[3];

eddy_frame_of(joins_next, int number);

static void joins_next(eddy_coro *co)
{
    eddy_begin(joins_next);
    eddy_await(eddy_pause(co)); /* until all are there */
    eddy_await(eddy_join(co, joined[(self->number + 1) % 3]));
eddy_finally:
    testing_log("%d", self->number);
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    testing_log("%d:end", self->number);
    eddy_end;
}

static eddy_event never;

eddy_frame_of(joins_in_a_circle, int i);

static void joins_in_a_circle(eddy_coro *co)
{
    eddy_begin(joins_in_a_circle);
    for (self->i = 0; self->i < 3; self->i++) {
        joined[self->i] = eddy_spawn(co, joins_next, .number = self->i);
    }
    eddy_await(eddy_event_wait(co, &never));
    eddy_end;
}

test(a_circle_of_joins_ends_after_all_finallys)
{
    testing_free();
    assert_int_equal(eddy_run_with(&testing.options, joins_in_a_circle), -EDEADLK);
    testing_assert_error(-EDEADLK,
                         "deadlock: 4 tasks wait, and nothing could wake any: #2 joins_next -> "
                         "#3 joins_next -> #4 joins_next -> #2 joins_next");
    testing_assert_log("2 2:end 1 1:end 0 0:end"); /* who joins an older one gives up */
}

/* Has a lock in its frame, and a task that wants it, which it joins in the end. */
struct owner {
    eddy_coro co;
    eddy_lock lock;
    eddy_task child;
    int touched;
};
static void owner(eddy_coro *co);

eddy_frame(wants_lock) {
    eddy_coro co;
    struct owner *owner;
    int64_t rc;
};

static void wants_lock(eddy_coro *co)
{
    eddy_begin(wants_lock);
    eddy_catch(self->rc, eddy_event_wait(co, &never)); /* the cancel is lost here */
    eddy_catch(self->rc, eddy_lock_acquire(co, &self->owner->lock));
    self->owner->touched++;
    testing_log("child:%s", self->rc == 0 ? "lock" : "none");
    eddy_end;
}

static void owner(eddy_coro *co)
{
    eddy_begin(owner);
    eddy_await(eddy_lock_acquire(co, &self->lock));
    self->child = eddy_spawn(co, wants_lock, .owner = self);
    eddy_await(eddy_event_wait(co, &never));
eddy_finally:
    testing_log("finally");
    eddy_await(eddy_join(co, self->child));
    testing_log("end");
    eddy_end;
}

test(a_join_of_a_younger_task_never_ends_before_that_not_even_in_a_circle)
{
    start(owner);
    eddy_loop_poll_once(testing.loop, 0, 0);
    eddy_loop_poll_once(testing.loop, 0, 0);
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    testing_assert_log("finally");
    assert_int_equal(testing.errors.count, 2); /* both were cut off */
    testing.errors.count = 0;
}

test(run_tells_a_deadlock_with_its_circle_and_ends_it_after_all_finallys)
{
    testing_free();
    assert_int_equal(eddy_run_with(&testing.options, dinner), -EDEADLK);
    testing_assert_error(-EDEADLK, TOLD);
    testing_assert_log("0 1 2");
}

test(by_default_the_dump_follows_on_standard_error)
{
    struct kept_stderr kept;
    const char *text;

    testing.options.on_error = NULL;
    testing_free();
    kept = begin_stderr();
    assert_int_equal(eddy_run_with(&testing.options, dinner), -EDEADLK);
    text = end_stderr(kept);
    assert_contains(text,
                    "eddy: " TOLD "\neddy: 4 tasks: 4 waiting\n#1 dinner waits 0 ms for join");
    assert_contains(text, "\n|-- #2 dines waits 0 ms for thing: fork; #3 must act; in circle 1\n"
                          "|         at takes (takes.c:52)\n"
                          "|         at dines (");
    assert_contains(text, "\ncircle 1: #2 dines -> #3 dines -> #4 dines -> #2 dines\n");
    testing_assert_log("0 1 2");
}

eddy_frame(transfer) {
    eddy_coro co;
    eddy_lock *from;
    eddy_lock *to;
};

static void transfer(eddy_coro *co)
{
    eddy_begin(transfer);
    eddy_with_lock(self->from) {
        eddy_await(eddy_pause(co));
        eddy_with_lock(self->to) {}
    }
    eddy_end;
}

test(a_circle_of_locks_is_told)
{
    static eddy_lock locks[2];

    start(transfer, .from = &locks[0], .to = &locks[1]);
    start(transfer, .from = &locks[1], .to = &locks[0]);
    assert_int_equal(eddy_loop_run(testing.loop), -EDEADLK);
    testing_assert_error(-EDEADLK, "deadlock: 2 tasks wait, and nothing could wake any: "
                                   "#1 transfer -> #2 transfer -> #1 transfer");
}

static void dump_on_error(eddy_loop *loop, eddy_task task, int64_t code, const char *text)
{
    char *dump = dumped();

    (void)loop;
    (void)task;
    (void)code;
    testing_log("%.8s", text);
    testing_log("%.29s", dump);
    free(dump);
}

test(a_hook_of_the_users_may_dump_where_it_wants_to)
{
    struct kept_stderr kept;

    testing.options.on_error = dump_on_error;
    testing_reopen();
    start(dinner);
    kept = begin_stderr();
    assert_int_equal(eddy_loop_run(testing.loop), -EDEADLK);
    assert_string_equal(end_stderr(kept), "");
    testing_assert_log("deadlock eddy: 4 tasks: 4 waiting\n#1 d");
}

test(without_memory_the_deadlock_is_told_without_its_circle)
{
    start(dinner);
    testing_turns();
    testing_fail_allocations_from(1);
    assert_int_equal(eddy_loop_run(testing.loop), -EDEADLK);
    testing_assert_error(-EDEADLK, "deadlock: 4 tasks wait, and nothing could wake any");
    testing_fail_allocation(0);
}

test(of_a_circle_that_is_too_long_the_beginning_is_told)
{
    static struct thing many[100];
    size_t length;

    memset(many, 0, sizeof many);
    for (int i = 0; i < 100; i++) {
        many[i].name = "thing";
        start(takes, .first = &many[i], .second = &many[(i + 1) % 100]);
    }
    assert_int_equal(eddy_loop_run(testing.loop), -EDEADLK);
    assert_told(-EDEADLK, "any: #1 takes -> #2 takes -> ");
    length = strlen(testing.errors.text);
    assert_true(length < sizeof testing.errors.text);
    assert_string_equal(testing.errors.text + length - 3, "...");
}

/* ---- what could still wake somebody */

static int asked;

/* The loop sleeps in the kernel: it has seen a reason to. */
static void stop_when_asked(void)
{
    if (++asked == 2) {
        eddy_loop_stop(testing.loop);
        eddy_loop_wake(testing.loop);
    }
}

static void assert_goes_on(void)
{
    asked = 0;
    testing.sys.on_wait = stop_when_asked;
    assert_int_equal(eddy_loop_run(testing.loop), 0);
    testing.sys.on_wait = NULL;
    assert_int_equal(asked, 2);
    assert_int_equal(testing.errors.count, 0);
}

eddy_frame(serves_nobody) {
    eddy_coro co;
    eddy_stream *stream;
};

static void serves_nobody(eddy_coro *co)
{
    eddy_begin(serves_nobody);
    eddy_end;
}

static eddy_server server;

eddy_frame(serves) {
    eddy_coro co;
};

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, serves_nobody));
    eddy_end;
}

test(while_a_server_listens_nothing_is_a_deadlock)
{
    memset(&server, 0, sizeof server);
    assert_int_equal(run(serves), 0);
    start(dinner);
    assert_goes_on();
    eddy_server_close(&server);
    assert_int_equal(eddy_loop_run(testing.loop), -EDEADLK);
    testing_assert_error(-EDEADLK,
                         "deadlock: 4 tasks wait, and nothing could wake any: #3 dines -> "
                         "#4 dines -> #5 dines -> #3 dines");
}

static void on_io(eddy_io *io, unsigned events)
{
    (void)io;
    (void)events;
}

test(while_an_fd_is_watched_nothing_is_a_deadlock)
{
    static eddy_io io;
    int fds[2];

    testing_pipe(fds);
    assert_int_equal(eddy_io_start(testing.loop, &io, fds[0], EDDY_READ, on_io), 0);
    start(dinner);
    assert_goes_on();
    eddy_io_stop(&io);
    assert_int_equal(eddy_loop_run(testing.loop), -EDEADLK);
    testing_assert_error(-EDEADLK, TOLD);
    close(fds[0]);
    close(fds[1]);
}

/* ---- a cleanup that hangs */

eddy_frame(hangs) {
    eddy_coro co;
};

static void hangs(eddy_coro *co)
{
    eddy_begin(hangs);
    eddy_await(eddy_sleep(co, 100 * EDDY_SECOND));
eddy_finally:
    eddy_await(eddy_sleep(co, 1000 * EDDY_SECOND));
    eddy_end;
}

test(a_cleanup_that_is_cut_off_is_told_with_the_dump)
{
    struct kept_stderr kept;
    const char *text;

    testing.options.on_error = NULL;
    testing_reopen();
    start(hangs);
    testing_turns();
    kept = begin_stderr();
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    text = end_stderr(kept);
    assert_contains(text, " timed out\neddy: 1 task: 1 "
                          "waiting\n#1 hangs waits 10.0 s for "
                          "sleep: 16 min 30 s left\n      at hangs (");
}

/* Two groups that the end of the loop finds in use: the later one, of tasks that are cut off, is as new
 * when the other tells of its error. */
static eddy_group failing, hanging;

eddy_frame(fails) {
    eddy_coro co;
};

static void fails(eddy_coro *co)
{
    eddy_begin(fails);
    eddy_return(-EIO);
    eddy_end;
}

eddy_frame(waits_for_the_hanging) {
    eddy_coro co;
};

static void waits_for_the_hanging(eddy_coro *co)
{
    eddy_begin(waits_for_the_hanging);
    eddy_group_spawn(co, &failing, fails);
    eddy_group_spawn(co, &hanging, hangs);
    eddy_group_spawn(co, &hanging, hangs);
    eddy_await(eddy_event_wait(co, &never));
eddy_finally:
    eddy_await(eddy_group_wait(co, &hanging));
    eddy_end;
}

test(a_hook_may_dump_when_the_end_of_the_loop_has_told_some_of_it)
{
    memset(&failing, 0, sizeof failing);
    memset(&hanging, 0, sizeof hanging);
    testing.options.on_error = dump_on_error;
    testing_reopen();
    start(waits_for_the_hanging);
    testing_turns();
    testing.log[0] = '\0';
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    assert_non_null(strstr(testing.log, "a group "));
    testing.log[0] = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_circle_of_joins_ends_after_all_finallys),
        testing_case(a_join_of_a_younger_task_never_ends_before_that_not_even_in_a_circle),
        testing_case(run_tells_a_deadlock_with_its_circle_and_ends_it_after_all_finallys),
        testing_case(by_default_the_dump_follows_on_standard_error),
        testing_case(a_circle_of_locks_is_told),
        testing_case(a_hook_of_the_users_may_dump_where_it_wants_to),
        testing_case(without_memory_the_deadlock_is_told_without_its_circle),
        testing_case(of_a_circle_that_is_too_long_the_beginning_is_told),
        testing_case(while_a_server_listens_nothing_is_a_deadlock),
        testing_case(while_an_fd_is_watched_nothing_is_a_deadlock),
        testing_case(a_cleanup_that_is_cut_off_is_told_with_the_dump),
        testing_case(a_hook_may_dump_when_the_end_of_the_loop_has_told_some_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
