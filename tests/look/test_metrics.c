/* look.h: what a loop counts. */
#include "support/tasks.h"

#include <unistd.h>

#include "eddy/callback.h"
#include "eddy/io.h"
#include "eddy/look.h"
#include "eddy/server.h"
#include "eddy/stream.h"
#include "eddy/timer.h"

static struct eddy_metrics metrics(void)
{
    struct eddy_metrics result;

    eddy_loop_metrics(testing.loop, &result);
    return result;
}

test(a_new_loop_has_counted_nothing)
{
    static const struct eddy_metrics none;
    struct eddy_metrics now = metrics();

    assert_memory_equal(&now, &none, sizeof now);
}

test(turns_and_steps_are_counted)
{
    start(pauses, .name = "a", .times = 3);
    start(pauses, .name = "b", .times = 1);
    testing_run();
    /* a: 4 steps, b: 2, in 4 turns */
    assert_int_equal(metrics().turns, 4);
    assert_int_equal(metrics().steps, 6);
    testing_free();
    testing.log[0] = '\0';
}

static void on_callback(eddy_callback *callback)
{
    (void)callback;
}

test(turns_that_nobody_sees_are_counted_too)
{
    testing.options.flags = 0;
    testing_reopen();
    start(pauses, .name = "a", .times = 99);
    testing_run();
    testing.log[0] = '\0';
    assert_int_equal(metrics().turns, 100);
    assert_int_equal(metrics().steps, 100);
}

test(a_callback_is_a_step)
{
    static eddy_callback callback;

    eddy_callback_start(testing.loop, &callback, on_callback);
    testing_run();
    assert_int_equal(metrics().turns, 1);
    assert_int_equal(metrics().steps, 1);
}

test(tasks_are_counted_that_live_and_that_were_spawned)
{
    eddy_task first = start(sleeps, .seconds = 1, .result = 7);

    start(sleeps, .seconds = 5);
    testing_turns();
    assert_int_equal(finish(first), 7);
    assert_int_equal(metrics().spawned, 2);
    assert_int_equal(metrics().live, 1);
}

test(tasks_that_wait_are_counted_and_not_those_that_run_or_are_to)
{
    start(sleeps, .seconds = 1);
    start(sleeps, .seconds = 5);
    start(returns); /* ends, and is not joined */
    assert_int_equal(metrics().waiting, 0);
    testing_turns();
    start(returns);
    assert_int_equal(metrics().live, 3);
    assert_int_equal(metrics().waiting, 2);
    testing_free();
}

test(tasks_that_are_woken_are_counted_whatever_wakes_them)
{
    eddy_task cancelled = start(sleeps, .seconds = 9);

    start(sleeps, .seconds = 1);
    start(pauses, .name = "p", .times = 3); /* does not wait */
    testing_turns();
    testing.log[0] = '\0';
    assert_int_equal(metrics().wakes, 0);
    eddy_cancel(cancelled);
    assert_int_equal(metrics().wakes, 1);
    assert_int_equal(run(sleeps, .seconds = 2), 0);
    assert_int_equal(metrics().wakes, 3);
}

static void look_at_end(eddy_loop *loop, const struct eddy_trace_event *event, void *user)
{
    struct eddy_metrics now = metrics();

    (void)loop;
    (void)user;
    if (event->kind == EDDY_TRACE_FINISH) {
        testing_log("%d %d", (int)now.live, (int)now.waiting);
    }
}

test(a_task_whose_end_is_told_lives_no_more)
{
    assert_int_equal(eddy_loop_trace(testing.loop, look_at_end, NULL), 0);
    start(sleeps, .seconds = 1);
    start(returns);
    testing_turns();
    testing_assert_log("1 1");
    testing_run();
    testing_assert_log("0 0");
}

test(what_is_to_run_is_counted)
{
    static eddy_callback callback;

    start(returns);
    start(returns);
    eddy_callback_start(testing.loop, &callback, on_callback);
    assert_int_equal(metrics().ready, 3);
    testing_run();
    assert_int_equal(metrics().ready, 0);
}

static void on_timer(eddy_timer *timer)
{
    (void)timer;
}

test(deadlines_that_came_up_and_those_that_are_armed_are_counted)
{
    static eddy_timer timer;

    start(sleeps, .seconds = 1);
    start(sleeps, .seconds = 9);
    eddy_timer_start(testing.loop, &timer, 2 * EDDY_SECOND, on_timer);
    testing_turns();
    assert_int_equal(metrics().armed, 3);
    assert_int_equal(metrics().deadlines, 0);
    assert_int_equal(run(sleeps, .seconds = 3), 0);
    assert_int_equal(metrics().deadlines, 3);
    assert_int_equal(metrics().armed, 1);
}

static void on_io(eddy_io *io, unsigned events)
{
    (void)events;
    testing_drain(io->fd);
    eddy_io_stop(io);
}

test(events_of_fds_and_the_fds_are_counted)
{
    static eddy_io io;
    int fds[2];

    testing_pipe(fds);
    assert_int_equal(eddy_io_start(testing.loop, &io, fds[0], EDDY_READ, on_io), 0);
    assert_int_equal(metrics().watched, 1);
    testing_poke(fds[1]);
    testing_run();
    assert_int_equal(metrics().fd_events, 1);
    assert_int_equal(metrics().watched, 0);
    close(fds[0]);
    close(fds[1]);
}

eddy_frame(echoes) {
    eddy_coro co;
    eddy_stream *stream;
    char buffer[64];
    int64_t size;
};

static void echoes(eddy_coro *co)
{
    eddy_begin(echoes);
    eddy_await(self->size, eddy_read(co, self->stream, self->buffer, sizeof self->buffer));
    eddy_await(eddy_write(co, self->stream, self->buffer, (size_t)self->size));
    eddy_end;
}

eddy_frame(serves_one) {
    eddy_coro co;
    eddy_server server;
    eddy_stream stream;
    struct iovec pieces[2];
    char answer[64];
    int64_t size;
};

static void serves_one(eddy_coro *co)
{
    eddy_begin(serves_one);
    eddy_await(eddy_serve(co, &self->server, "127.0.0.1", 0, echoes));
    eddy_await(eddy_connect(co, &self->stream, "127.0.0.1", eddy_server_port(&self->server)));
    self->pieces[0] = (struct iovec){.iov_base = (char *)(uintptr_t) "hello ", .iov_len = 6};
    self->pieces[1] = (struct iovec){.iov_base = (char *)(uintptr_t) "world", .iov_len = 5};
    eddy_await(eddy_writev(co, &self->stream, self->pieces, 2));
    eddy_await(self->size, eddy_read(co, &self->stream, self->answer, sizeof self->answer));
eddy_finally:
    eddy_stream_close(&self->stream);
    eddy_server_close(&self->server);
    eddy_await(eddy_server_wait_closed(co, &self->server));
    eddy_end;
}

test(system_calls_are_counted)
{
    struct eddy_metrics now;

    testing_forget_calls();
    assert_int_equal(run(serves_one), 0);
    now = metrics();
    assert_int_equal(now.accepts, testing_calls(accept4));
    assert_int_equal(now.reads, testing_calls(read));
    assert_int_equal(now.reads, 3); /* one finds the end of a client that lingers */
    assert_int_equal(now.writes, testing_calls(send) + testing_calls(sendv));
    assert_int_equal(now.writes, 2);
    assert_int_equal(now.controls, testing_calls(epoll_ctl));
    assert_int_equal(now.controls, 8); /* a listener, two streams, one that lingers: in and out */
    assert_int_equal(now.waits, testing_calls(epoll_wait) + testing_calls(epoll_pwait2));
    assert_true(now.waits > 0);
}

test(virtual_time_that_is_jumped_over_is_idle)
{
    assert_int_equal(run(sleeps, .seconds = 5), 0);
    assert_int_equal(metrics().idle, 5 * EDDY_SECOND);
    assert_int_equal(metrics().busy, 0);
    assert_int_equal(metrics().sleeps, 0); /* the kernel was not asked to wait */
}

eddy_frame(works) {
    eddy_coro co;
};

/* Takes two seconds, sleeps three, takes four. */
static void works(eddy_coro *co)
{
    eddy_begin(works);
    testing.sys.now += 2 * EDDY_SECOND;
    eddy_await(eddy_sleep(co, 3 * EDDY_SECOND));
    testing.sys.now += 4 * EDDY_SECOND;
    eddy_end;
}

test(real_time_is_idle_in_the_kernel_and_busy_else)
{
    testing_free();
    testing_fake_clock(100 * EDDY_SECOND);
    testing.options.clock = NULL;
    testing_reopen();
    assert_int_equal(run(works), 0);
    assert_int_equal(metrics().idle, 3 * EDDY_SECOND);
    assert_int_equal(metrics().busy, 6 * EDDY_SECOND);
    assert_int_equal(metrics().sleeps, 1);
    testing.sys.now += EDDY_SECOND;
    assert_int_equal(metrics().busy, 7 * EDDY_SECOND); /* a foreign main loop's */
}

eddy_frame(looks) {
    eddy_coro co;
};

static void looks(eddy_coro *co)
{
    eddy_begin(looks);
    (void)eddy_spawn(co, returns);
    testing_log("%d %d %d", (int)metrics().ready, (int)metrics().live, (int)metrics().waiting);
    eddy_end;
}

test(it_may_be_asked_inside_a_step)
{
    start(looks);
    start(returns);
    testing_run();
    testing_assert_log("2 3 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_new_loop_has_counted_nothing),
        testing_case(turns_and_steps_are_counted),
        testing_case(turns_that_nobody_sees_are_counted_too),
        testing_case(a_callback_is_a_step),
        testing_case(tasks_are_counted_that_live_and_that_were_spawned),
        testing_case(tasks_that_wait_are_counted_and_not_those_that_run_or_are_to),
        testing_case(tasks_that_are_woken_are_counted_whatever_wakes_them),
        testing_case(a_task_whose_end_is_told_lives_no_more),
        testing_case(what_is_to_run_is_counted),
        testing_case(deadlines_that_came_up_and_those_that_are_armed_are_counted),
        testing_case(events_of_fds_and_the_fds_are_counted),
        testing_case(system_calls_are_counted),
        testing_case(virtual_time_that_is_jumped_over_is_idle),
        testing_case(real_time_is_idle_in_the_kernel_and_busy_else),
        testing_case(it_may_be_asked_inside_a_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
