/* The mistakes that the compiler does not see: each aborts the first time it happens, and names the
 * coroutine, its file and the line. What the compiler sees is in compile_fail. */
#include "support/tasks.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Shared with the child process that makes the mistake: */
static int *trap_line; /* its line, which the coroutine has noted */
static int told_fd;    /* what was told */

#define TRAP *trap_line = __LINE__;

static void run_loop(void *argument)
{
    (void)argument;
    eddy_loop_run(testing.loop);
}

static void run_loop_and_tell(void *argument)
{
    dup2(told_fd, STDERR_FILENO);
    run_loop(argument);
}

enum exactness { AT, NEAR };

/* Asserts that the coroutines which were started end in an abort that names file, line, function and
 * what is wrong. Some mistakes are found out only somewhat later than made: then the line is that of the
 * last await before. */
static void assert_trap(enum exactness exactness, const char *function, const char *text)
{
    char told[1024] = "";
    char expected[1024];
    int line = -1;

    *trap_line = 0;
    assert_int_equal(ftruncate(told_fd, 0), 0);
    assert_int_equal(lseek(told_fd, 0, SEEK_SET), 0);
    testing_expect_abort(run_loop_and_tell, NULL, "");
    assert_true(pread(told_fd, told, sizeof told - 1, 0) > 0);
    snprintf(expected, sizeof expected, "eddy: %s:%%d:", __FILE__);
    sscanf(told, expected, &line);
    snprintf(expected, sizeof expected, "eddy: %s:%d: %s: %s", __FILE__, line, function, text);
    if (strstr(told, expected) == NULL) {
        fail_msg("it did not say \"%s\" but: %s", expected, told);
    }
    if (line > *trap_line || line < *trap_line - (exactness == NEAR ? 10 : 0)) {
        fail_msg("the line is not %d: %s", *trap_line, told);
    }
}

/* Starts the coroutine and asserts that. */
#define assert_traps_at(name, text)   \
    do {                              \
        start(name);                  \
        assert_trap(AT, #name, text); \
    } while (0)

#define assert_traps_near(name, text)   \
    do {                                \
        start(name);                    \
        assert_trap(NEAR, #name, text); \
    } while (0)

#define TRAPS(name)     \
    eddy_frame(name) {  \
        eddy_coro co;   \
        int i;          \
        int value;      \
        int64_t rc;     \
    }

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
    eddy_for_each(self->i, yields_in_a_switch) {
    }
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
    TRAP eddy_for_each(self->i, yields_in_a_switch) {
    }
    eddy_end;
}

test(an_operation_begun_and_then_a_for_each)
{
    assert_traps_near(begins_in_a_function, "an operation was begun");
}

/* ---- generators */

TRAPS(yields_alone);

static void yields_alone(eddy_coro *co)
{
    eddy_begin(yields_alone);
    TRAP eddy_yield(1);
    eddy_end;
}

test(a_yield_in_a_task)
{
    assert_traps_at(yields_alone, "eddy_yield outside of a generator");
}

TRAPS(calls_a_generator);

static void calls_a_generator(eddy_coro *co)
{
    eddy_begin(calls_a_generator);
    eddy_await(eddy_call(co, yields_alone));
    eddy_end;
}

test(a_yield_in_a_called_coroutine)
{
    start(calls_a_generator);
    assert_trap(AT, "yields_alone", "eddy_yield outside of a generator");
}

TRAPS(enters_a_generator);

static void enters_a_generator(eddy_coro *co)
{
    eddy_begin(enters_a_generator);
    eddy_with(yields_alone) {
    }
    eddy_end;
}

test(a_yield_in_a_context_manager)
{
    start(enters_a_generator);
    assert_trap(AT, "yields_alone", "eddy_yield outside of a generator");
}

TRAPS(yields_while_closing);

static void yields_while_closing(eddy_coro *co)
{
    eddy_begin(yields_while_closing);
    eddy_yield(1);
    eddy_finally:
    TRAP eddy_yield(2);
    eddy_end;
}

TRAPS(leaves_early);

static void leaves_early(eddy_coro *co)
{
    eddy_begin(leaves_early);
    eddy_for_each(self->i, yields_while_closing) {
        break;
    }
    eddy_end;
}

test(a_yield_while_the_generator_is_closed)
{
    start(leaves_early);
    assert_trap(AT, "yields_while_closing", "eddy_yield in a generator that is being closed");
}

TRAPS(leaves_by_goto);

static void leaves_by_goto(eddy_coro *co)
{
    eddy_begin(leaves_by_goto);
    TRAP eddy_for_each(self->i, yields_while_closing) {
        goto out;
    }
out:
    eddy_await(eddy_pause(co));
    TRAP eddy_end;
}

test(a_goto_out_of_for_each)
{
    assert_traps_near(leaves_by_goto, "the coroutine ended inside an eddy_with or eddy_for_each");
}

/* ---- context managers */

TRAPS(manages);

static void manages(eddy_coro *co)
{
    eddy_begin(manages);
    eddy_body;
    eddy_end;
}

TRAPS(has_a_body);

static void has_a_body(eddy_coro *co)
{
    eddy_begin(has_a_body);
    TRAP eddy_body;
    eddy_end;
}

TRAPS(has_no_body);

static void has_no_body(eddy_coro *co)
{
    eddy_begin(has_no_body);
    eddy_await(eddy_pause(co));
    TRAP eddy_end;
}

TRAPS(enters_no_body);

static void enters_no_body(eddy_coro *co)
{
    eddy_begin(enters_no_body);
    eddy_with(has_no_body) {
    }
    eddy_end;
}

test(a_manager_that_ends_before_its_body)
{
    start(enters_no_body);
    assert_trap(NEAR, "has_no_body", "the context manager ended before its eddy_body");
}

TRAPS(has_two_bodies);

static void has_two_bodies(eddy_coro *co)
{
    eddy_begin(has_two_bodies);
    eddy_body;
    TRAP eddy_body;
    eddy_end;
}

TRAPS(enters_two_bodies);

static void enters_two_bodies(eddy_coro *co)
{
    eddy_begin(enters_two_bodies);
    eddy_with(has_two_bodies) {
    }
    eddy_end;
}

test(a_second_body)
{
    start(enters_two_bodies);
    assert_trap(AT, "has_two_bodies", "a second eddy_body");
}

TRAPS(iterates_a_manager);

static void iterates_a_manager(eddy_coro *co)
{
    eddy_begin(iterates_a_manager);
    eddy_for_each(self->i, has_a_body) {
    }
    eddy_end;
}

test(a_body_in_a_task)
{
    assert_traps_at(has_a_body, "eddy_body outside of a context manager");
}

test(a_body_in_a_generator)
{
    start(iterates_a_manager);
    assert_trap(AT, "has_a_body", "eddy_body outside of a context manager");
}

TRAPS(goes_out_of_with);

static void goes_out_of_with(eddy_coro *co)
{
    eddy_begin(goes_out_of_with);
    eddy_with(manages) {
        goto out;
    }
out:
    TRAP eddy_end;
}

test(a_goto_out_of_with_and_the_end)
{
    assert_traps_near(goes_out_of_with, "the coroutine ended inside an eddy_with");
}

TRAPS(goes_out_to_another_with);

static void goes_out_to_another_with(eddy_coro *co)
{
    eddy_begin(goes_out_to_another_with);
    eddy_with(manages) {
        eddy_with(manages) {
            TRAP goto out;
        }
    out:
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

test(a_goto_out_of_the_inner_of_two_withs)
{
    assert_traps_near(goes_out_to_another_with, "an eddy_with or eddy_for_each was left by a goto");
}

TRAPS(goes_to_finally);

static void goes_to_finally(eddy_coro *co)
{
    eddy_begin(goes_to_finally);
    eddy_with(manages) {
        TRAP goto out;
    }
out:
    eddy_finally:
    eddy_await(eddy_pause(co));
    eddy_end;
}

test(a_goto_out_of_with_into_finally)
{
    assert_traps_near(goes_to_finally, "eddy_finally was reached inside an eddy_with");
}

TRAPS(breaks_without_a_loop);

static void breaks_without_a_loop(eddy_coro *co)
{
    eddy_begin(breaks_without_a_loop);
    eddy_with(manages) {
        TRAP break;
    }
    eddy_end;
}

test(a_break_in_with_without_a_loop_around_it)
{
    assert_traps_near(breaks_without_a_loop, "a break in eddy_with without a loop around it");
}

/* ---- the C stack */

static const struct eddy_wait fetch_kind = {.name = "fetch"};

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
    int total = 0;

    for (size_t i = 0; i < count; i++) {
        total += numbers[i];
    }
    return total;
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

static int set_up(void **state)
{
    (void)state;
    trap_line = mmap(NULL, sizeof *trap_line, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                     0);
    told_fd = memfd_create("told", MFD_CLOEXEC);
    return trap_line == MAP_FAILED || told_fd < 0 ? -1 : 0;
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
        testing_case(a_yield_in_a_task),
        testing_case(a_yield_in_a_called_coroutine),
        testing_case(a_yield_in_a_context_manager),
        testing_case(a_yield_while_the_generator_is_closed),
        testing_case(a_goto_out_of_for_each),
        testing_case(a_manager_that_ends_before_its_body),
        testing_case(a_second_body),
        testing_case(a_body_in_a_task),
        testing_case(a_body_in_a_generator),
        testing_case(a_goto_out_of_with_and_the_end),
        testing_case(a_goto_out_of_the_inner_of_two_withs),
        testing_case(a_goto_out_of_with_into_finally),
        testing_case(a_break_in_with_without_a_loop_around_it),
        testing_case(a_pointer_to_a_local_in_a_parked_operation),
        testing_case(a_pointer_to_frames_statics_and_the_stack_below_the_loop_is_fine),
        testing_case(a_poisoned_stack_shows_a_local_that_is_used_after_an_await),
        testing_case(waking_a_task_that_does_not_wait),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
