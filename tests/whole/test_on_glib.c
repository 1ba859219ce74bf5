/* examples/adapters/on_glib: a loop inside GLib's, and calls of GIO's as awaits. The calls are GTasks that the test
 * ends when it likes. */
#include "support/loop.h"
#include "support/tasks.h"

#include <pthread.h>

#include "../examples/adapters/on_glib.h"

static struct on_glib glib;
static GTask *asked; /* by the task, for the test to answer; or NULL */

/* As a function of GIO's whose name ends in _async. */
static void ask_async(GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user)
{
    asked = g_task_new(NULL, cancellable, callback, user);
    g_task_set_check_cancellable(asked, FALSE);
}

static void answer(int value)
{
    if (value < 0) {
        g_task_return_new_error(asked, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
    } else {
        g_task_return_int(asked, value);
    }
    g_clear_object(&asked);
}

eddy_frame(asks) {
    eddy_coro co;
    struct on_glib_call call;
    int pauses; /* between asking and waiting */
    bool own;   /* what is cancelled is this task, before it waits */
    int64_t rc;
};

static void asks(eddy_coro *co)
{
    eddy_begin(asks);
    ask_async(on_glib_begin(&glib, &self->call), on_glib_called, &self->call);
    while (self->pauses-- > 0) {
        eddy_await(eddy_pause(co));
    }
    if (self->own) {
        (void)eddy_cancel(eddy_task_self(co));
    }
    eddy_catch(self->rc, on_glib_wait(co, &self->call));
    if (self->rc == 0) {
        testing_log("%d", (int)g_task_propagate_int(G_TASK(self->call.result), NULL));
    } else {
        log_end("asks", self->rc);
    }
    eddy_catch(self->rc, eddy_pause(co));
    log_end("then", self->rc);
eddy_finally:
    on_glib_end(&self->call);
    testing_log("end");
    eddy_end;
}

static void iterate(void)
{
    while (g_main_context_iteration(NULL, FALSE)) {}
}

static void open_glib(void)
{
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    assert_int_equal(on_glib_init(&glib, testing.loop, NULL, EDDY_FOREVER), 0);
}

static void close_glib(void)
{
    on_glib_fini(&glib);
    testing_free();
}

/* ---- the loop inside GLib's */

test(what_is_ready_runs_in_the_main_loop)
{
    static eddy_callback callback = {.user = "callback"};

    open_glib();
    eddy_callback_start(testing.loop, &callback, log_callback);
    iterate();
    testing_assert_log("callback");
    assert_false(
        g_main_context_iteration(NULL, FALSE)); /* and no more: it is not due without end */
    close_glib();
}

test(a_deadline_wakes_the_main_loop_which_does_not_go_round_until_then)
{
    static eddy_timer timer = {.user = "timer"};
    int rounds = 0;

    open_glib();
    eddy_timer_start(testing.loop, &timer, 3 * EDDY_MILLISECOND, log_timer);
    while (eddy_timer_started(&timer)) {
        (void)g_main_context_iteration(NULL, TRUE);
        rounds++;
    }
    testing_assert_log("timer");
    assert_in_range(rounds, 1, 3);
    close_glib();
}

static eddy_callback message = {.user = "message"};

static void *send_message(void *argument)
{
    eddy_loop_call_threadsafe(testing.loop, &message, log_callback);
    return argument;
}

test(a_message_of_another_thread_wakes_the_main_loop)
{
    pthread_t thread;

    open_glib();
    assert_int_equal(pthread_create(&thread, NULL, send_message, NULL), 0);
    while (testing.log[0] == '\0') {
        (void)g_main_context_iteration(NULL, TRUE);
    }
    testing_assert_log("message");
    assert_int_equal(pthread_join(thread, NULL), 0);
    close_glib();
}

static void run_main_loop_inside(eddy_callback *callback)
{
    static eddy_callback inner = {.user = "inner"};

    eddy_callback_start(testing.loop, &inner, log_callback);
    assert_false(g_main_context_iteration(NULL, FALSE));
    log_callback(callback);
}

test(a_main_loop_inside_of_a_step_does_not_poll_in_vain)
{
    static eddy_callback callback = {.user = "outer"};

    open_glib();
    eddy_callback_start(testing.loop, &callback, run_main_loop_inside);
    iterate();
    testing_assert_log("outer inner");
    close_glib();
}

test(without_an_fd_nothing_has_begun)
{
    testing_fail(epoll_create, 1, -EMFILE);
    assert_int_equal(on_glib_init(&glib, testing.loop, NULL, 0), -EMFILE);
}

/* ---- calls */

test(a_call_is_waited_for_and_has_its_result)
{
    open_glib();
    eddy_detach(start(asks));
    iterate();
    testing_assert_log("");
    answer(7);
    iterate();
    testing_assert_log("7 then=0@0 end");
    close_glib();
}

test(a_call_may_have_ended_before_it_is_waited_for)
{
    open_glib();
    eddy_detach(start(asks, .pauses = 1));
    (void)testing_turn();
    answer(7);
    while (g_main_context_iteration(NULL, FALSE)) {}
    testing_assert_log("7 then=0@0 end");
    close_glib();
}

test(a_cancel_is_passed_on_and_the_call_waited_for)
{
    eddy_task task;

    open_glib();
    task = start(asks);
    iterate();
    assert_int_equal(eddy_cancel(task), 0);
    eddy_detach(task);
    iterate();
    testing_assert_log(""); /* GIO still has the frame's memory */
    assert_true(g_cancellable_is_cancelled(g_task_get_cancellable(asked)));
    answer(-1);
    iterate();
    testing_assert_log("asks=ECANCELED@0 then=0@0 end");
    close_glib();
}

test(what_has_ended_in_spite_of_a_cancel_has_its_result_and_the_cancel_comes_next)
{
    eddy_task task;

    open_glib();
    task = start(asks);
    iterate();
    assert_int_equal(eddy_cancel(task), 0);
    eddy_detach(task);
    answer(7);
    iterate();
    testing_assert_log("7 then=ECANCELED@0 end");
    close_glib();
}

test(a_cancel_that_is_pending_is_passed_on_too)
{
    open_glib();
    eddy_detach(start(asks, .own = true));
    iterate();
    testing_assert_log("");
    assert_true(g_cancellable_is_cancelled(g_task_get_cancellable(asked)));
    answer(-1);
    iterate();
    testing_assert_log("asks=ECANCELED@0 then=0@0 end");
    close_glib();
}

eddy_frame(waits_for_nothing) {
    eddy_coro co;
    struct on_glib_call call;
};

static void waits_for_nothing(eddy_coro *co)
{
    eddy_begin(waits_for_nothing);
    eddy_await(on_glib_wait(co, &self->call));
    eddy_end;
}

test(without_a_call_there_is_nothing_to_wait_for)
{
    assert_int_equal(run(waits_for_nothing), -EINVAL);
}

/* ---- the end */

static void answer_cancelled(GCancellable *cancellable, gpointer user)
{
    (void)cancellable;
    (void)user;
    answer(-1); /* GLib tells of it later */
}

test(the_end_of_the_loop_cancels_a_call_and_waits_for_it)
{
    open_glib();
    eddy_detach(start(asks));
    iterate();
    g_signal_connect(g_task_get_cancellable(asked), "cancelled", G_CALLBACK(answer_cancelled),
                     NULL);
    close_glib();
    testing_assert_log("asks=ECANCELED@0 then=0@0 end");
    assert_int_equal(glib.calls, 0);
}

static gboolean answer_late(gpointer user)
{
    (void)user;
    answer(7);
    return G_SOURCE_REMOVE;
}

/* The frame is gone behind it, so that a sanitizer finds out whether GIO has written to it. */
test(a_task_that_is_cut_off_goes_no_sooner_than_its_call)
{
    testing.options.shutdown_timeout = 1;
    open_glib();
    eddy_detach(start(asks));
    iterate();
    g_timeout_add(20, answer_late, NULL);
    on_glib_fini(&glib);
    assert_int_equal(eddy_loop_free(testing.loop), -ETIMEDOUT);
    testing.loop = NULL;
    testing.errors.count = 0;
    assert_null(asked);
    assert_int_equal(glib.calls, 0);
    testing_assert_log("");
}

static void on_answer(GObject *source, GAsyncResult *result, gpointer user)
{
    (void)source;
    (void)result;
    *(bool *)user = true;
}

/* GLib opens fds for the process at the first use of a context and of a GTask, and keeps them. */
static int set_up_glib(void **state)
{
    bool answered = false;

    (void)state;
    ask_async(NULL, on_answer, &answered);
    answer(0);
    while (!answered) {
        (void)g_main_context_iteration(NULL, TRUE);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(what_is_ready_runs_in_the_main_loop),
        testing_case(a_deadline_wakes_the_main_loop_which_does_not_go_round_until_then),
        testing_case(a_message_of_another_thread_wakes_the_main_loop),
        testing_case(a_main_loop_inside_of_a_step_does_not_poll_in_vain),
        testing_case(without_an_fd_nothing_has_begun),
        testing_case(a_call_is_waited_for_and_has_its_result),
        testing_case(a_call_may_have_ended_before_it_is_waited_for),
        testing_case(a_cancel_is_passed_on_and_the_call_waited_for),
        testing_case(what_has_ended_in_spite_of_a_cancel_has_its_result_and_the_cancel_comes_next),
        testing_case(a_cancel_that_is_pending_is_passed_on_too),
        testing_case(without_a_call_there_is_nothing_to_wait_for),
        testing_case(the_end_of_the_loop_cancels_a_call_and_waits_for_it),
        testing_case(a_task_that_is_cut_off_goes_no_sooner_than_its_call),
    };

    return cmocka_run_group_tests(tests, set_up_glib, NULL);
}
