/* foreign.h: the callback floor as a binding uses it, with memory of its own and numbers only. */
#include "support/testing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "eddy/callback.h"
#include "eddy/foreign.h"
#include "eddy/io.h"
#include "eddy/signal.h"
#include "eddy/timer.h"

static void *make(int which)
{
    void *object = calloc(1, eddy_struct_size(which));

    assert_non_null(object);
    *(const char **)(void *)((char *)object + eddy_struct_user(which)) = "mine";
    return object;
}

static void on_timer(eddy_timer *timer)
{
    testing_log("timer %s",
                *(const char **)(void *)((char *)timer + eddy_struct_user(EDDY_STRUCT_TIMER)));
}

test(a_binding_makes_structs_by_their_numbers)
{
    eddy_timer *timer = make(EDDY_STRUCT_TIMER);

    assert_int_equal(eddy_struct_started(EDDY_STRUCT_TIMER, timer), 0);
    assert_int_equal((eddy_timer_start)(testing.loop, timer, EDDY_SECOND, on_timer), 0);
    assert_int_equal(eddy_struct_started(EDDY_STRUCT_TIMER, timer), 1);
    testing_run();
    testing_assert_log("timer mine");
    assert_int_equal(eddy_struct_started(EDDY_STRUCT_TIMER, timer), 0);
    free(timer);
}

static void no_io(eddy_io *io, unsigned events)
{
    (void)io;
    (void)events;
}

static void no_callback(eddy_callback *callback)
{
    (void)callback;
}

static void no_hook(eddy_hook *hook)
{
    (void)hook;
}

static void no_signal(eddy_signal *signal, int number)
{
    (void)signal;
    (void)number;
}

test(each_kind_says_whether_it_is_started)
{
    eddy_io *io = make(EDDY_STRUCT_IO);
    eddy_callback *callback = make(EDDY_STRUCT_CALLBACK);
    eddy_hook *hook = make(EDDY_STRUCT_HOOK);
    eddy_signal *signal = make(EDDY_STRUCT_SIGNAL);
    int fds[2];

    testing_pipe(fds);
    assert_int_equal((eddy_io_start)(testing.loop, io, fds[0], EDDY_READ, no_io), 0);
    eddy_callback_start(testing.loop, callback, no_callback);
    eddy_hook_start(testing.loop, hook, EDDY_HOOK_CHECK, no_hook);
    assert_int_equal((eddy_signal_start)(testing.loop, signal, EDDY_SIGNAL(SIGUSR1), no_signal), 0);
    assert_int_equal(eddy_struct_started(EDDY_STRUCT_IO, io), 1);
    assert_int_equal(eddy_struct_started(EDDY_STRUCT_CALLBACK, callback), 1);
    assert_int_equal(eddy_struct_started(EDDY_STRUCT_HOOK, hook), 1);
    assert_int_equal(eddy_struct_started(EDDY_STRUCT_SIGNAL, signal), 1);
    eddy_io_stop(io);
    eddy_callback_stop(callback);
    eddy_hook_stop(hook);
    eddy_signal_stop(signal);
    assert_int_equal(eddy_struct_started(EDDY_STRUCT_IO, io), 0);
    assert_int_equal(eddy_struct_started(EDDY_STRUCT_CALLBACK, callback), 0);
    assert_int_equal(eddy_struct_started(EDDY_STRUCT_HOOK, hook), 0);
    assert_int_equal(eddy_struct_started(EDDY_STRUCT_SIGNAL, signal), 0);
    close(fds[0]);
    close(fds[1]);
    free(io);
    free(callback);
    free(hook);
    free(signal);
}

test(a_number_that_is_none_has_no_size)
{
    assert_int_equal(eddy_struct_size(-1), 0);
    assert_int_equal(eddy_struct_size(6), 0);
    assert_int_equal(eddy_struct_user(6), 0);
    assert_int_equal(eddy_struct_started(6, NULL), -EINVAL);
}

test(a_loop_is_made_by_a_function)
{
    struct eddy_loop_options *options = make(EDDY_STRUCT_LOOP_OPTIONS);
    size_t size = eddy_struct_size(EDDY_STRUCT_LOOP_OPTIONS);
    eddy_loop *loop;

    assert_int_equal(eddy_loop_new_foreign(&loop, options, size), 0);
    assert_string_equal(eddy_loop_user(loop), "mine");
    assert_int_equal(eddy_loop_free(loop), 0);
    assert_int_equal(eddy_loop_new_foreign(&loop, NULL, 0), 0);
    assert_int_equal(eddy_loop_free(loop), 0);
    assert_int_equal(eddy_loop_new_foreign(&loop, options, size - 1), -EINVAL);
    free(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_binding_makes_structs_by_their_numbers),
        testing_case(each_kind_says_whether_it_is_started),
        testing_case(a_number_that_is_none_has_no_size),
        testing_case(a_loop_is_made_by_a_function),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
