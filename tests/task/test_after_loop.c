/* The structs of the caller may be used again after their loop has ended, whatever was left in
 * them. */
#include "support/tasks.h"

#include <unistd.h>

#include "eddy/error.h"
#include "eddy/event.h"
#include "eddy/group.h"
#include "eddy/lock.h"
#include "eddy/look.h"
#include "eddy/queue.h"
#include "eddy/server.h"
#include "eddy/stream.h"
#include "eddy/task.h"

#define MS EDDY_MILLISECOND

/* Frees the loop and makes a new one. */
static void next_loop(void)
{
    testing_reopen();
}

/* Likewise; the loop has cleanups that hang, and are told of. */
static void cut_off(int tasks)
{
    testing.options.shutdown_timeout = MS;
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    assert_int_equal(testing.errors.count, tasks);
    testing.errors.count = 0;
    assert_int_equal(testing.memory.bytes, 0);
    testing_reopen();
}

/* ---- groups */

static eddy_group group;

eddy_frame(child) {
    eddy_coro co;
    int64_t result;
};

static void child(eddy_coro *co)
{
    eddy_begin(child);
    if (self->result == -EIO) {
        eddy_fail(co, -EIO, "number %d", 5);
    }
    eddy_return(self->result);
    eddy_end;
}

eddy_frame(leaves_results) {
    eddy_coro co;
    int64_t result;
};

static void leaves_results(eddy_coro *co)
{
    eddy_begin(leaves_results);
    eddy_group_spawn(co, &group, child, .result = 7);
    eddy_group_spawn(co, &group, child, .result = self->result);
    eddy_await(eddy_sleep(co, 1));
    eddy_end;
}

eddy_frame(uses_the_group) {
    eddy_coro co;
    int more;
    int64_t result;
};

static void uses_the_group(eddy_coro *co)
{
    eddy_begin(uses_the_group);
    assert_int_equal(eddy_group_count(&group), 0);
    eddy_with_group(&group) {
        eddy_group_spawn(co, &group, child, .result = 1);
    }
    if (group.policy == EDDY_GROUP_KEEP) {
        eddy_await(self->more, eddy_group_next(co, &group, &self->result));
        assert_int_equal(self->more, 0);
        eddy_group_spawn(co, &group, child, .result = 3);
        eddy_await(self->more, eddy_group_next(co, &group, &self->result));
        testing_log("%d %d", self->more, (int)self->result);
        eddy_await(self->more, eddy_group_next(co, &group, &self->result));
        testing_log("%d", self->more);
    }
    eddy_await(eddy_group_wait(co, &group));
    eddy_end;
}

test(results_that_a_group_keeps_end_with_its_loop)
{
    group = (eddy_group){.policy = EDDY_GROUP_KEEP};
    assert_int_equal(run(leaves_results, .result = 8), 0);
    next_loop();
    assert_int_equal(run(uses_the_group), 0);
    testing_assert_log("1 3 0");
}

test(an_error_that_nobody_has_waited_for_is_told_and_ends_with_the_loop)
{
    for (int policy = 0; policy < EDDY_GROUP_KEEP; policy++) {
        group = (eddy_group){.policy = (enum eddy_group_policy)policy};
        assert_int_equal(run(leaves_results, .result = -EIO), 0);
        assert_int_equal(eddy_loop_free(testing.loop), 0);
        testing.loop = NULL;
        assert_told(-EIO, "number 5");
        testing_reopen();
        assert_int_equal(run(uses_the_group), 0);
    }
}

eddy_frame(hangs) {
    eddy_coro co;
};

static void hangs(eddy_coro *co)
{
    eddy_begin(hangs);
    eddy_await(eddy_sleep(co, EDDY_FOREVER));
eddy_finally:
    eddy_await(eddy_sleep(co, EDDY_FOREVER));
    eddy_end;
}

eddy_frame(hosts_the_group) {
    eddy_coro co;
};

static void hosts_the_group(eddy_coro *co)
{
    eddy_begin(hosts_the_group);
    eddy_with_group(&group) {
        eddy_group_spawn(co, &group, hangs);
        eddy_await(eddy_sleep(co, EDDY_FOREVER));
    }
    eddy_end;
}

test(a_group_whose_tasks_were_cut_off_is_as_new)
{
    for (int policy = 0; policy <= EDDY_GROUP_KEEP; policy++) {
        group = (eddy_group){.policy = (enum eddy_group_policy)policy};
        start(hosts_the_group);
        testing_turn();
        testing_turn();
        cut_off(2);
        assert_int_equal(run(uses_the_group), 0);
        testing_assert_log(policy == EDDY_GROUP_KEEP ? "1 3 0" : "");
        next_loop();
    }
}

/* ---- who looks at the tasks while the ends are told */

static eddy_group watched;
static int reports;

static void visit(const struct eddy_task_info *info, void *user)
{
    (void)user;
    if (info->waits_for != NULL) {
        testing_log("%s%s%s", info->waits_for, info->detail[0] != '\0' ? ": " : "", info->detail);
    }
}

/* Looks at all that every task waits for, at each report. */
static void look_at_all(eddy_loop *loop, eddy_task task, int64_t code, const char *text)
{
    (void)task;
    (void)text;
    testing_log(code == -ETIMEDOUT ? "[cut off]" : code == -EIO ? "[failed]" : "[else]");
    (void)eddy_loop_inspect(loop, visit, NULL);
    reports++;
}

eddy_frame(fails_later) {
    eddy_coro co;
};

static void fails_later(eddy_coro *co)
{
    eddy_begin(fails_later);
    eddy_await(eddy_sleep(co, EDDY_FOREVER));
eddy_finally:
    eddy_await(eddy_sleep(co, 1));
    eddy_end;
}

eddy_frame(waits_for_the_watched) {
    eddy_coro co;
    int64_t rc;
};

static void waits_for_the_watched(eddy_coro *co)
{
    eddy_begin(waits_for_the_watched);
    eddy_group_spawn(co, &watched, child, .result = -EIO);
    eddy_group_spawn(co, &watched, hangs);
    eddy_group_spawn(co, &watched, fails_later);
    eddy_await(eddy_sleep(co, EDDY_FOREVER));
eddy_finally:
    eddy_catch(self->rc, eddy_group_wait(co, &watched));
    eddy_end;
}

test(no_task_that_was_cut_off_waits_for_anything_when_the_ends_are_told)
{
    eddy_clock clock;
    struct eddy_loop_options options = {
        .on_error = look_at_all, .shutdown_timeout = MS, .clock = &clock};
    eddy_loop *loop;

    eddy_clock_init(&clock, EDDY_CLOCK_VIRTUAL);
    reports = 0;
    watched = (eddy_group){.policy = EDDY_GROUP_COLLECT};
    assert_int_equal(eddy_loop_new(&loop, &options), 0);
    (void)eddy_loop_spawn(loop, waits_for_the_watched);
    while (eddy_loop_poll_once(loop, 0, 0) > 0) {}
    assert_int_equal(eddy_loop_free(loop), -ETIMEDOUT);
    assert_int_equal(reports, 3); /* the two that were cut off, and the error of the group */
    testing_assert_log(
        "[cut off] group: 1 task sleep: for ever [cut off] group: 1 task sleep: for ever [failed] "
        "nothing: it was cut off nothing: it was cut off");
}

/* ---- what tasks stand in line for, in cleanups that are cut off */

static struct {
    eddy_barrier barrier;
    eddy_event event;
    eddy_lock lock;
    eddy_lock other;
    eddy_cond cond;
    eddy_semaphore semaphore;
    eddy_future future;
    eddy_queue queue;
} things;

eddy_frame(stands_in_line) {
    eddy_coro co;
    int thing;
    int item;
};

static int64_t wait_for_thing(eddy_coro *co, int thing, int *item)
{
    switch (thing) {
    case 0:
        return eddy_barrier_wait(co, &things.barrier);
    case 1:
        return eddy_event_wait(co, &things.event);
    case 2:
        return eddy_lock_acquire(co, &things.lock);
    case 3:
        return eddy_cond_wait(co, &things.cond);
    case 4:
        return eddy_semaphore_acquire(co, &things.semaphore);
    case 5:
        return eddy_future_wait(co, &things.future);
    default:
        return eddy_queue_get(co, &things.queue, item);
    }
}

static void stands_in_line(eddy_coro *co)
{
    eddy_begin(stands_in_line);
    eddy_await(eddy_sleep(co, EDDY_FOREVER));
eddy_finally:
    if (self->thing == 3) {
        eddy_await(eddy_lock_acquire(co, &things.other));
    }
    eddy_await(wait_for_thing(co, self->thing, &self->item));
    eddy_end;
}

eddy_frame(holds) {
    eddy_coro co;
    int64_t rc;
};

static void holds(eddy_coro *co)
{
    eddy_begin(holds);
    eddy_with_lock(&things.lock) {
        eddy_with_semaphore(&things.semaphore) {
            eddy_catch(self->rc, eddy_sleep(co, EDDY_FOREVER));
            eddy_await(eddy_sleep(co, EDDY_FOREVER)); /* the cancel was delivered: it goes on */
        }
    }
    eddy_end;
}

eddy_frame(goes_on) {
    eddy_coro co;
    int64_t rc;
    int item;
};

static void goes_on(eddy_coro *co)
{
    eddy_begin(goes_on);
    eddy_catch(self->rc, eddy_wait_for(co, MS, eddy_barrier_wait(co, &things.barrier)));
    assert_int_equal(self->rc, -ETIMEDOUT);
    assert_int_equal(eddy_barrier_waiting(&things.barrier), 0);
    assert_int_equal(eddy_barrier_fini(&things.barrier), 0);
    assert_int_equal(eddy_event_fini(&things.event), 0);
    assert_int_equal(eddy_cond_fini(&things.cond), 0);
    assert_int_equal(eddy_future_fini(&things.future), 0);
    assert_int_equal(eddy_lock_fini(&things.lock), 0);
    assert_int_equal(eddy_semaphore_fini(&things.semaphore), 0);
    eddy_await(eddy_lock_acquire(co, &things.lock));
    assert_int_equal(eddy_lock_release(co, &things.lock), 0);
    eddy_await(eddy_semaphore_acquire(co, &things.semaphore));
    assert_int_equal(eddy_semaphore_release(&things.semaphore), 0);
    eddy_event_set(&things.event);
    eddy_await(eddy_event_wait(co, &things.event));
    assert_int_equal(eddy_future_set(&things.future, 5), 0);
    assert_int_equal(eddy_queue_init(eddy_loop_of(co), &things.queue, int), 0);
    assert_int_equal(eddy_queue_try_put(&things.queue, &self->item), 0);
    eddy_queue_fini(&things.queue);
    eddy_end;
}

test(things_that_tasks_stood_in_line_for_when_cut_off_are_free)
{
    memset(&things, 0, sizeof things);
    eddy_barrier_init(&things.barrier, 9);
    eddy_cond_init(&things.cond, &things.other);
    eddy_semaphore_init_bounded(&things.semaphore, 1);
    assert_int_equal(eddy_queue_init(testing.loop, &things.queue, int), 0);
    start(holds);
    for (int thing = 0; thing < 7; thing++) {
        start(stands_in_line, .thing = thing);
        start(stands_in_line, .thing = thing);
    }
    testing_turn();
    cut_off(15);
    assert_int_equal(run(goes_on), 0);
}

eddy_frame(keeps_the_lock) {
    eddy_coro co;
};

static void keeps_the_lock(eddy_coro *co)
{
    eddy_begin(keeps_the_lock);
    eddy_await(eddy_lock_acquire(co, &things.lock));
    eddy_end;
}

eddy_frame(takes_the_lock) {
    eddy_coro co;
};

static void takes_the_lock(eddy_coro *co)
{
    eddy_begin(takes_the_lock);
    assert_int_equal(eddy_lock_release(co, &things.lock), -EPERM);
    assert_int_equal(eddy_lock_try_acquire(co, &things.lock), 0);
    assert_int_equal(eddy_lock_try_acquire(co, &things.lock), -EAGAIN);
    assert_int_equal(eddy_lock_release(co, &things.lock), 0);
    eddy_await(eddy_lock_acquire(co, &things.lock));
    eddy_end;
}

/* The record of the next holder may well lie where that of the last did, under the same number. */
test(a_lock_that_was_left_held_is_free_in_the_next_loop)
{
    memset(&things, 0, sizeof things);
    assert_int_equal(run(keeps_the_lock), 0);
    for (int i = 0; i < 3; i++) {
        next_loop();
        assert_int_equal(run(takes_the_lock), 0);
        assert_true(eddy_lock_locked(&things.lock));
    }
}

/* ---- servers and their clients */

static eddy_server server;
static eddy_stream client;

eddy_frame(hangs_with_a_client) {
    eddy_coro co;
    eddy_stream *stream;
    bool hangs;
};

static void hangs_with_a_client(eddy_coro *co)
{
    eddy_begin(hangs_with_a_client);
    eddy_await(eddy_sleep(co, EDDY_FOREVER));
eddy_finally:
    if (self->hangs) {
        eddy_await(eddy_sleep(co, EDDY_FOREVER));
    }
    eddy_end;
}

eddy_frame(opens) {
    eddy_coro co;
    bool hangs;
    bool closes;
};

static void opens(eddy_coro *co)
{
    eddy_begin(opens);
    eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, hangs_with_a_client, .hangs = self->hangs));
    eddy_await(eddy_connect(co, &client, "127.0.0.1", eddy_server_port(&server)));
    while (server.active == 0) {
        eddy_await(eddy_pause(co));
    }
    if (self->closes) {
        eddy_server_close(&server);
    }
    eddy_end;
}

test(a_server_and_a_stream_that_were_left_open_may_be_opened_again)
{
    memset(&server, 0, sizeof server);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(run(opens, .closes = i % 2 != 0), 0);
        next_loop();
        assert_int_equal(server.active, 0);
        assert_false(eddy_stream_is_open(&client));
    }
}

test(a_server_whose_handlers_were_cut_off_may_be_opened_again)
{
    memset(&server, 0, sizeof server);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(run(opens, .hangs = true, .closes = i % 2 != 0), 0);
        cut_off(1);
        assert_int_equal(server.active, 0);
        assert_false(eddy_stream_is_open(&client));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(results_that_a_group_keeps_end_with_its_loop),
        testing_case(an_error_that_nobody_has_waited_for_is_told_and_ends_with_the_loop),
        testing_case(a_group_whose_tasks_were_cut_off_is_as_new),
        testing_case(no_task_that_was_cut_off_waits_for_anything_when_the_ends_are_told),
        testing_case(things_that_tasks_stood_in_line_for_when_cut_off_are_free),
        testing_case(a_lock_that_was_left_held_is_free_in_the_next_loop),
        testing_case(a_server_and_a_stream_that_were_left_open_may_be_opened_again),
        testing_case(a_server_whose_handlers_were_cut_off_may_be_opened_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
