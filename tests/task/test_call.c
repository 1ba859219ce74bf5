/* coro.h: calls. Arguments, frames and their memory, and how deep they may nest. */
#include "support/tasks.h"

/* ---- arguments and results */

eddy_frame(takes_arguments) {
    eddy_coro co;
    int a;
    const char *b;
    double c;
    struct {
        int x, y;
    } d;
};

static void takes_arguments(eddy_coro *co)
{
    eddy_begin(takes_arguments);
    testing_log("%d %s %.1f %d %d", self->a, self->b != NULL ? self->b : "none", self->c, self->d.x,
                self->d.y);
    eddy_return(self->a);
    eddy_end;
}

eddy_frame(passes_arguments) {
    eddy_coro co;
    int64_t sum;
    int64_t rc;
};

static void passes_arguments(eddy_coro *co)
{
    eddy_begin(passes_arguments);
    eddy_await(self->rc, eddy_call(co, takes_arguments, .b = "b", .a = 1, .d = {2, 3}, .c = 1.5));
    self->sum += self->rc;
    eddy_await(self->rc, eddy_call(co, takes_arguments));
    self->sum += self->rc;
    eddy_await(self->rc, eddy_call(co, takes_arguments, .d.y = 5, .a = 10));
    eddy_return(self->sum + self->rc);
    eddy_end;
}

test(a_call_passes_arguments_by_name_and_all_else_is_zero)
{
    assert_int_equal(run(passes_arguments), 11);
    testing_assert_log("1 b 1.5 2 3 0 none 0.0 0 0 10 none 0.0 0 5");
}

eddy_frame(counts_arguments) {
    eddy_coro co;
    int evaluated;
};

static void counts_arguments(eddy_coro *co)
{
    eddy_begin(counts_arguments);
    eddy_await(eddy_call(co, sleeps, .seconds = ++self->evaluated));
    eddy_await(eddy_wait_for(co, EDDY_SECOND * ++self->evaluated,
                             eddy_call(co, sleeps, .seconds = ++self->evaluated - 2)));
    eddy_return(self->evaluated);
    eddy_end;
}

test(arguments_are_evaluated_once)
{
    assert_int_equal(run(counts_arguments), 3);
    assert_int_equal(seconds(), 2);
}

eddy_frame(calls) {
    eddy_coro co;
    int64_t result;
    int64_t rc;
};

static void calls(eddy_coro *co)
{
    eddy_begin(calls);
    eddy_catch(self->rc, eddy_call(co, returns, .result = self->result));
    eddy_return(self->rc);
    eddy_end;
}

test(a_call_gives_the_result_of_the_called)
{
    assert_int_equal(run(calls, .result = INT64_MAX), INT64_MAX);
    assert_int_equal(run(calls, .result = -EIO), -EIO);
}

test(a_call_that_never_waits_takes_no_turn_of_its_own)
{
    start(calls, .result = 1);
    assert_int_equal(testing_turn(), 1);
    assert_int_equal(testing_turn(), 0);
}

/* ---- frames of any size */

#define FRAME_OF(size)                            \
    eddy_frame(frame_of_##size) {                 \
        eddy_coro co;                             \
        unsigned char bytes[size];                \
        unsigned char pattern;                    \
    };                                            \
    static void frame_of_##size(eddy_coro *co)    \
    {                                             \
        eddy_begin(frame_of_##size);              \
        memset(self->bytes, self->pattern, size); \
        eddy_await(eddy_pause(co));               \
        for (size_t i = 0; i < size; i++) {       \
            if (self->bytes[i] != self->pattern)  \
                eddy_return(-EIO);                \
        }                                         \
        eddy_return(self->pattern);               \
        eddy_end;                                 \
    }

FRAME_OF(1)
FRAME_OF(100)
FRAME_OF(512)
FRAME_OF(5000)
FRAME_OF(1000000)

eddy_frame(calls_all_sizes) {
    eddy_coro co;
    unsigned char pattern;
    int64_t sum;
    int64_t rc;
};

static void calls_all_sizes(eddy_coro *co)
{
    eddy_begin(calls_all_sizes);
    eddy_await(self->rc, eddy_call(co, frame_of_1, .pattern = self->pattern));
    self->sum += self->rc;
    eddy_await(self->rc, eddy_call(co, frame_of_100, .pattern = self->pattern));
    self->sum += self->rc;
    eddy_await(self->rc, eddy_call(co, frame_of_512, .pattern = self->pattern));
    self->sum += self->rc;
    eddy_await(self->rc, eddy_call(co, frame_of_5000, .pattern = self->pattern));
    self->sum += self->rc;
    eddy_await(self->rc, eddy_call(co, frame_of_1000000, .pattern = self->pattern));
    eddy_return(self->sum + self->rc);
    eddy_end;
}

test(a_frame_may_have_any_size)
{
    eddy_task first = start(calls_all_sizes, .pattern = 1);
    eddy_task second = start(calls_all_sizes, .pattern = 2);

    assert_int_equal(finish(first), 5);
    assert_int_equal(finish(second), 10);
}

/* ---- memory */

eddy_frame(calls_large) {
    eddy_coro co;
    int64_t rc;
};

static void calls_large(eddy_coro *co)
{
    eddy_begin(calls_large);
    testing_fail_allocation(1);
    eddy_catch(self->rc, eddy_call(co, frame_of_1000000));
    log_end("first", self->rc);
    eddy_catch(self->rc, eddy_call(co, frame_of_1000000, .pattern = 1));
    log_end("second", self->rc);
    eddy_end;
}

test(a_call_without_memory_is_an_error_that_can_be_caught)
{
    assert_int_equal(run(calls_large), 0);
    testing_assert_log("first=ENOMEM@0 second=1@0");
}

eddy_frame(calls_often) {
    eddy_coro co;
    int i;
    unsigned requests;
};

static void calls_often(eddy_coro *co)
{
    eddy_begin(calls_often);
    for (self->i = 0; self->i < 10000; self->i++) {
        eddy_await(eddy_call(co, frame_of_100));
        eddy_await(eddy_call(co, frame_of_512));
        eddy_await(eddy_call(co, frame_of_5000));
        if (self->i == 0) {
            self->requests = testing.memory.calls;
        }
    }
    eddy_return(testing.memory.calls - self->requests);
    eddy_end;
}

test(the_frames_of_calls_are_used_again)
{
    testing.options.flags = 0;
    testing_reopen();
    assert_int_equal(run(calls_often), 0);
}

static struct frame_of_1000000 mine;

eddy_frame(calls_in) {
    eddy_coro co;
    int i;
    int64_t rc;
    struct sleeps child;
};

static void calls_in(eddy_coro *co)
{
    eddy_begin(calls_in);
    testing_fail_allocations_from(1);
    for (self->i = 0; self->i < 3; self->i++) {
        eddy_await(self->rc, eddy_call_in(co, &mine, frame_of_1000000, .pattern = 5));
        log_end("large", self->rc);
        eddy_catch(self->rc, eddy_call_in(co, &self->child, sleeps, .seconds = 1, .result = -EIO));
        log_end("child", self->rc);
    }
    testing_fail_allocation(0);
    eddy_end;
}

test(a_call_in_memory_of_the_callers_allocates_nothing)
{
    assert_int_equal(run(sleeps, .seconds = 1),
                     0); /* the heap has room for one sleep from now on */
    assert_int_equal(run(calls_in), 0);
    testing_assert_log("large=5@1 child=EIO@2 large=5@2 child=EIO@3 large=5@3 child=EIO@4");
}

eddy_frame(reads_frame) {
    eddy_coro co;
    struct takes_arguments child;
};

static void reads_frame(eddy_coro *co)
{
    eddy_begin(reads_frame);
    self->child.a = 77;
    eddy_await(eddy_call_in(co, &self->child, takes_arguments, .b = "b"));
    testing_log("%s %d", self->child.b, self->child.a);
    eddy_end;
}

test(memory_of_the_callers_is_zeroed_first_and_keeps_the_frame_afterwards)
{
    assert_int_equal(run(reads_frame), 0);
    testing_assert_log("0 b 0.0 0 0 b 0");
}

/* ---- depth */

static struct {
    const char *lowest;
    const char *highest;
    int deepest;
    int cleaned;
} stack;

static void note_stack(void)
{
    const char *here = __builtin_frame_address(0);

    stack.lowest = stack.lowest == NULL || here < stack.lowest ? here : stack.lowest;
    stack.highest = here > stack.highest ? here : stack.highest;
}

eddy_frame(descends) {
    eddy_coro co;
    int depth;
    int deepest;
    int64_t result;
    bool fails;
};

static void descends(eddy_coro *co)
{
    note_stack();
    eddy_begin(descends);
    if (self->depth == self->deepest) {
        stack.deepest = self->depth;
        eddy_await(eddy_sleep(co, EDDY_SECOND));
        eddy_return(self->fails ? -EIO : 1);
    }
    eddy_await(self->result, eddy_call(co, descends, .depth = self->depth + 1,
                                       .deepest = self->deepest, .fails = self->fails));
    eddy_return(self->result + 1);
eddy_finally:
    stack.cleaned++;
    eddy_end;
}

/* Without the flags that make each step slow. */
static eddy_task start_a_million(bool fails)
{
    memset(&stack, 0, sizeof stack);
    testing.options.flags = 0;
    testing_reopen();
    return start(descends, .depth = 1, .deepest = 1000000, .fails = fails);
}

static void assert_a_million_on_a_constant_stack(void)
{
    assert_int_equal(stack.deepest, 1000000);
    assert_int_equal(stack.cleaned, 1000000);
    assert_true(stack.highest - stack.lowest < 1024);
}

test(a_million_nested_calls_take_no_c_stack)
{
    eddy_task task = start_a_million(false);

    assert_int_equal(finish(task), 1000000);
    assert_a_million_on_a_constant_stack();
}

test(an_error_rises_through_a_million_calls)
{
    eddy_task task = start_a_million(true);

    assert_int_equal(finish(task), -EIO);
    assert_a_million_on_a_constant_stack();
}

test(a_cancel_rises_through_a_million_calls)
{
    eddy_task task = start_a_million(false);

    testing_turns();
    assert_int_equal(stack.deepest, 1000000);
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    assert_a_million_on_a_constant_stack();
}

eddy_frame(fibonacci) {
    eddy_coro co;
    int n;
    int64_t a, b;
};

static void fibonacci(eddy_coro *co)
{
    eddy_begin(fibonacci);
    if (self->n < 2) {
        eddy_return(self->n);
    }
    eddy_await(self->a, eddy_call(co, fibonacci, .n = self->n - 1));
    eddy_await(self->b, eddy_call(co, fibonacci, .n = self->n - 2));
    eddy_return(self->a + self->b);
    eddy_end;
}

test(recursion_just_works)
{
    assert_int_equal(run(fibonacci, .n = 15), 610);
}

static int entries[4]; /* how often the frame of each depth was entered */

eddy_frame(counts_entries) {
    eddy_coro co;
    int depth;
    int i;
};

static void counts_entries(eddy_coro *co)
{
    entries[((struct counts_entries *)(void *)co)->depth]++;
    eddy_begin(counts_entries);
    if (self->depth > 0) {
        eddy_await(eddy_call(co, counts_entries, .depth = self->depth - 1));
        eddy_return(0);
    }
    for (self->i = 0; self->i < 10; self->i++) {
        eddy_await(eddy_sleep(co, EDDY_SECOND));
    }
    eddy_end;
}

test(a_wake_up_enters_the_innermost_frame_alone)
{
    memset(entries, 0, sizeof entries);
    start(counts_entries, .depth = 3);
    testing_run();
    assert_int_equal(entries[0], 11);
    assert_int_equal(entries[1], 2);
    assert_int_equal(entries[2], 2);
    assert_int_equal(entries[3], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_call_passes_arguments_by_name_and_all_else_is_zero),
        testing_case(arguments_are_evaluated_once),
        testing_case(a_call_gives_the_result_of_the_called),
        testing_case(a_call_that_never_waits_takes_no_turn_of_its_own),
        testing_case(a_frame_may_have_any_size),
        testing_case(a_call_without_memory_is_an_error_that_can_be_caught),
        testing_case(the_frames_of_calls_are_used_again),
        testing_case(a_call_in_memory_of_the_callers_allocates_nothing),
        testing_case(memory_of_the_callers_is_zeroed_first_and_keeps_the_frame_afterwards),
        testing_case(a_million_nested_calls_take_no_c_stack),
        testing_case(an_error_rises_through_a_million_calls),
        testing_case(a_cancel_rises_through_a_million_calls),
        testing_case(recursion_just_works),
        testing_case(a_wake_up_enters_the_innermost_frame_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
