/* The mistakes that the compiler does not see: each aborts the first time it happens, and names the
 * coroutine, its file and the line. Those with scopes: test_traps_scope.c; what the compiler sees:
 * compile_fail. */
#include "support/traps.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "eddy/stream.h"

/* ---- control flow that the words cannot follow */

TRAPS(awaits_in_a_switch);

static void awaits_in_a_switch(eddy_coro *co)
{
    eddy_begin(awaits_in_a_switch);
    switch (self->i) {
    case 0:
        TRAP eddy_await(eddy_pause(co));
        break;
    default:
        break;
    }
    eddy_end;
}

test(an_await_in_a_switch_of_ones_own)
{
    assert_traps_at(awaits_in_a_switch, "cannot go on at this line: an await inside a switch");
}

TRAPS(yields_in_a_switch);

static void yields_in_a_switch(eddy_coro *co)
{
    eddy_begin(yields_in_a_switch);
    switch (self->i) {
    default:
        TRAP eddy_yield(1);
    }
    eddy_end;
}

TRAPS(runs_yields_in_a_switch);

static void runs_yields_in_a_switch(eddy_coro *co)
{
    eddy_begin(runs_yields_in_a_switch);
    eddy_for_each(self->i, yields_in_a_switch) {}
    eddy_end;
}

test(a_yield_in_a_switch_of_ones_own)
{
    start(runs_yields_in_a_switch);
    assert_trap(AT, "yields_in_a_switch", "cannot go on at this line: an await inside a switch");
}

TRAPS(returns_barely);

static void returns_barely(eddy_coro *co)
{
    eddy_begin(returns_barely);
    TRAP eddy_await(eddy_pause(co));
    return;
    eddy_end;
}

test(a_bare_return)
{
    assert_traps_at(returns_barely, "the coroutine returned without eddy_return or eddy_end");
}

static void names_another(eddy_coro *co);
TRAPS(named_instead);

static void named_instead(eddy_coro *co)
{
    eddy_begin(named_instead);
    eddy_end;
}

struct names_another {
    eddy_coro co;
};

static void names_another(eddy_coro *co)
{
    TRAP eddy_begin(named_instead);
    eddy_end;
}

test(the_name_of_another_coroutine_in_begin)
{
    assert_traps_at(names_another, "eddy_begin names another coroutine than this one");
}

/* ---- operations that are begun and not awaited */

TRAPS(begins_and_awaits);

static void begins_and_awaits(eddy_coro *co)
{
    eddy_begin(begins_and_awaits);
    eddy_await(eddy_pause(co));
    self->rc = eddy_sleep(co, EDDY_SECOND);
    TRAP eddy_await(eddy_pause(co));
    eddy_end;
}

test(an_operation_begun_and_then_another)
{
    assert_traps_near(begins_and_awaits, "an operation was begun");
}

TRAPS(begins_and_calls);

static void begins_and_calls(eddy_coro *co)
{
    eddy_begin(begins_and_calls);
    eddy_await(eddy_pause(co));
    self->rc = eddy_pause(co);
    TRAP eddy_await(eddy_call(co, returns));
    eddy_end;
}

test(an_operation_begun_and_then_a_call)
{
    assert_traps_near(begins_and_calls, "an operation was begun");
}

TRAPS(calls_and_sleeps);

static void calls_and_sleeps(eddy_coro *co)
{
    eddy_begin(calls_and_sleeps);
    eddy_await(eddy_pause(co));
    self->rc = eddy_call(co, returns);
    TRAP eddy_await(eddy_sleep(co, EDDY_SECOND));
    eddy_end;
}

test(a_call_begun_and_then_another_operation)
{
    assert_traps_near(calls_and_sleeps, "an operation was begun");
}

TRAPS(begins_and_returns);

static void begins_and_returns(eddy_coro *co)
{
    eddy_begin(begins_and_returns);
    eddy_await(eddy_pause(co));
    self->rc = eddy_sleep(co, EDDY_SECOND);
    TRAP eddy_return(1);
    eddy_end;
}

test(an_operation_begun_and_then_a_return)
{
    assert_traps_near(begins_and_returns, "the coroutine ended although an operation");
}

TRAPS(pauses_and_returns);

static void pauses_and_returns(eddy_coro *co)
{
    eddy_begin(pauses_and_returns);
    eddy_await(eddy_pause(co));
    self->rc = eddy_pause(co);
    TRAP eddy_end;
}

test(a_pause_begun_and_then_the_end)
{
    assert_traps_near(pauses_and_returns, "the coroutine ended although an operation");
}

TRAPS(calls_and_returns);

static void calls_and_returns(eddy_coro *co)
{
    eddy_begin(calls_and_returns);
    eddy_await(eddy_pause(co));
    self->rc = eddy_call(co, returns);
    TRAP eddy_end;
}

test(a_call_begun_and_then_the_end)
{
    assert_traps_near(calls_and_returns, "the coroutine ended although an operation");
}

TRAPS(parent_of_begins_and_returns);

static void parent_of_begins_and_returns(eddy_coro *co)
{
    eddy_begin(parent_of_begins_and_returns);
    eddy_await(eddy_call(co, begins_and_returns));
    eddy_end;
}

test(an_operation_begun_in_a_called_coroutine_and_then_a_return)
{
    start(parent_of_begins_and_returns);
    assert_trap(NEAR, "begins_and_returns", "the coroutine ended although an operation");
}

TRAPS(parent_of_pauses_and_returns);

static void parent_of_pauses_and_returns(eddy_coro *co)
{
    eddy_begin(parent_of_pauses_and_returns);
    eddy_await(eddy_call(co, pauses_and_returns));
    eddy_end;
}

test(a_pause_begun_in_a_called_coroutine_and_then_the_end)
{
    start(parent_of_pauses_and_returns);
    assert_trap(NEAR, "pauses_and_returns", "the coroutine ended although an operation");
}

TRAPS(begins_and_returns_barely);

static void begins_and_returns_barely(eddy_coro *co)
{
    eddy_begin(begins_and_returns_barely);
    eddy_await(eddy_pause(co));
    self->rc = eddy_sleep(co, EDDY_SECOND);
    TRAP return;
    eddy_end;
}

test(an_operation_begun_and_then_a_bare_return)
{
    assert_traps_near(begins_and_returns_barely, "an operation was begun and not awaited");
}

static void begins_in_a_helper(eddy_coro *co)
{
    (void)!eddy_sleep(co, EDDY_SECOND); /* meant to sleep */
}

TRAPS(begins_in_a_function);

static void begins_in_a_function(eddy_coro *co)
{
    eddy_begin(begins_in_a_function);
    eddy_await(eddy_pause(co));
    begins_in_a_helper(co);
    TRAP eddy_for_each(self->i, yields_in_a_switch) {}
    eddy_end;
}

test(an_operation_begun_and_then_a_for_each)
{
    assert_traps_near(begins_in_a_function, "an operation was begun");
}

/* ---- the C stack */

static const struct eddy_wait_kind fetch_kind = {.name = "fetch"};

/* An operation that waits with a pointer. */
static int64_t fetch(eddy_coro *co, int *out)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    eddy_check_pointer(co, out);
    return eddy_park(co, &fetch_kind, out, NULL);
}

TRAPS(fetches_into_a_local);

static void fetches_into_a_local(eddy_coro *co)
{
    int local;

    eddy_begin(fetches_into_a_local);
    eddy_await(eddy_pause(co));
    TRAP eddy_await(fetch(co, &local));
    eddy_end;
}

test(a_pointer_to_a_local_in_a_parked_operation)
{
    assert_traps_near(fetches_into_a_local, "the task is to wait with a pointer to a local");
}

static eddy_stream pair_end;
static struct iovec far_piece;
static char filler[1 << 20];

/* A stream that takes no more; each of its tests has a process of its own. */
static int open_full(eddy_coro *co)
{
    int fds[2];

    testing_socketpair(fds);
    while (send(fds[0], filler, sizeof filler, MSG_DONTWAIT) > 0) {}
    return eddy_stream_open(eddy_loop_of(co), &pair_end, fds[0]);
}

TRAPS(writes_local_pieces);

static void writes_local_pieces(eddy_coro *co)
{
    struct iovec pieces[1];

    eddy_begin(writes_local_pieces);
    eddy_await(open_full(co));
    eddy_await(eddy_pause(co));
    pieces[0] = (struct iovec){filler, sizeof filler};
    TRAP eddy_await(eddy_writev(co, &pair_end, pieces, 1));
    eddy_end;
}

TRAPS(writes_a_local);

static void writes_a_local(eddy_coro *co)
{
    char local[64] = "";

    eddy_begin(writes_a_local);
    eddy_await(open_full(co));
    eddy_await(eddy_pause(co));
    far_piece = (struct iovec){local, sizeof local};
    TRAP eddy_await(eddy_writev(co, &pair_end, &far_piece, 1));
    eddy_end;
}

test(a_local_array_of_pieces_to_write)
{
    assert_traps_near(writes_local_pieces, "the task is to wait with a pointer to a local");
}

test(a_piece_to_write_that_is_a_local)
{
    assert_traps_near(writes_a_local, "the task is to wait with a pointer to a local");
}

static int static_integer;

TRAPS(fetches_elsewhere);

static void fetches_elsewhere(eddy_coro *co)
{
    eddy_begin(fetches_elsewhere);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, fetch(co, &self->i)));
    log_end("frame", self->rc);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, fetch(co, &static_integer)));
    log_end("static", self->rc);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, fetch(co, testing.options.user)));
    log_end("elsewhere", self->rc);
    eddy_end;
}

test(a_pointer_to_frames_statics_and_the_stack_below_the_loop_is_fine)
{
    int local = 0;

    testing.options.user = &local;
    assert_int_equal(run(fetches_elsewhere), 0);
    testing_assert_log("frame=ETIMEDOUT@1 static=ETIMEDOUT@2 elsewhere=ETIMEDOUT@3");
}

static void __attribute__((noinline)) fill(int *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        numbers[i] = 7;
    }
}

static int __attribute__((noinline)) sum(int *numbers, size_t count)
{
    unsigned total = 0; /* what is summed may be garbage */

    for (size_t i = 0; i < count; i++) {
        total += (unsigned)numbers[i];
    }
    return (int)total;
}

TRAPS(keeps_a_local);

static void keeps_a_local(eddy_coro *co)
{
    int numbers[10];

    eddy_begin(keeps_a_local);
    fill(numbers, 10);
    eddy_await(eddy_pause(co));
    if (sum(numbers, 10) != 70) {
        fputs("the local is gone\n", stderr);
        abort();
    }
    eddy_end;
}

test(a_poisoned_stack_shows_a_local_that_is_used_after_an_await)
{
    assert_true((testing.options.flags & EDDY_LOOP_POISON_STACK) != 0);
    start(keeps_a_local);
    testing_expect_abort(run_loop, NULL, "the local is gone");
}

/* ---- waking */

static void wake_twice(void *argument)
{
    eddy_loop_poll_once(testing.loop, 0, EDDY_FOREVER);
    eddy_wake(argument, 1);
    eddy_wake(argument, 2);
}

test(waking_a_task_that_does_not_wait)
{
    eddy_task task = start(fetches_elsewhere);

    testing_expect_abort(wake_twice, task.record, "eddy_wake of a task that does not wait");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(an_await_in_a_switch_of_ones_own),
        testing_case(a_yield_in_a_switch_of_ones_own),
        testing_case(a_bare_return),
        testing_case(the_name_of_another_coroutine_in_begin),
        testing_case(an_operation_begun_and_then_another),
        testing_case(an_operation_begun_and_then_a_call),
        testing_case(a_call_begun_and_then_another_operation),
        testing_case(an_operation_begun_and_then_a_return),
        testing_case(a_pause_begun_and_then_the_end),
        testing_case(a_call_begun_and_then_the_end),
        testing_case(an_operation_begun_in_a_called_coroutine_and_then_a_return),
        testing_case(a_pause_begun_in_a_called_coroutine_and_then_the_end),
        testing_case(an_operation_begun_and_then_a_bare_return),
        testing_case(an_operation_begun_and_then_a_for_each),
        testing_case(a_pointer_to_a_local_in_a_parked_operation),
        testing_case(a_local_array_of_pieces_to_write),
        testing_case(a_piece_to_write_that_is_a_local),
        testing_case(a_pointer_to_frames_statics_and_the_stack_below_the_loop_is_fine),
        testing_case(a_poisoned_stack_shows_a_local_that_is_used_after_an_await),
        testing_case(waking_a_task_that_does_not_wait),
    };

    return cmocka_run_group_tests(tests, set_up_traps, NULL);
}
