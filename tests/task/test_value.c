/* value.h: values of a task, and what its children inherit. */
#include "support/children.h"

#include "eddy/select.h"
#include "eddy/value.h"
#include "support/tasks.h"

static const char keys[4];

static void log_values(const eddy_coro *co, const char *name)
{
    char text[8] = "";

    for (int i = 0; i < 4; i++) {
        const char *value = eddy_value_get(co, &keys[i]);
        strcat(text, value != NULL ? value : "-");
    }
    testing_log("%s:%s", name, text);
}

static int set(eddy_coro *co, int key, const char *value)
{
    return eddy_value_set(co, &keys[key], (void *)(uintptr_t)value);
}

eddy_frame_of(shows, const char *name, int key, const char *value);

static void shows(eddy_coro *co)
{
    eddy_begin(shows);
    log_values(co, self->name);
    if (self->value != NULL) {
        assert_int_equal(set(co, self->key, self->value), 0);
        log_values(co, self->name);
    }
    eddy_await(eddy_pause(co));
    log_values(co, self->name);
    eddy_end;
}

eddy_frame_of(spawns, eddy_task a, eddy_task b);

static void spawns(eddy_coro *co)
{
    eddy_begin(spawns);
    log_values(co, "me");
    assert_int_equal(set(co, 0, "x"), 0);
    assert_int_equal(set(co, 1, "y"), 0);
    self->a = eddy_spawn(co, shows, .name = "a", .key = 0, .value = "A");
    assert_int_equal(set(co, 0, "z"), 0);
    self->b = eddy_spawn(co, shows, .name = "b", .key = 3, .value = "B");
    assert_int_equal(set(co, 1, NULL), 0);
    log_values(co, "me");
    eddy_await(eddy_call(co, shows, .name = "called", .key = 2, .value = "c"));
    log_values(co, "me");
    eddy_await(eddy_join(co, self->a));
    eddy_await(eddy_join(co, self->b));
    log_values(co, "me");
    eddy_end;
}

test(children_inherit_what_there_is_when_they_are_spawned_and_each_sets_its_own)
{
    assert_int_equal(run(spawns), 0);
    testing_assert_log("me:---- me:z--- called:z--- called:z-c- a:xy-- a:Ay-- b:zy-- b:zy-B "
                       "called:z-c- me:z-c- a:Ay-- b:zy-B me:z-c-");
}

/* Sets two keys again and again; there is always a child that shares what was set before. */
eddy_frame_of(sets_often, int i, eddy_task before, eddy_task now);

static void sets_often(eddy_coro *co)
{
    eddy_begin(sets_often);
    for (self->i = 0; self->i < 10000; self->i++) {
        assert_int_equal(set(co, 0, self->i % 2 == 0 ? "x" : "z"), 0);
        assert_int_equal(set(co, 2, "c"), 0);
        self->now = eddy_spawn(co, sleeps, .seconds = 0);
        if (self->i > 0) {
            eddy_await(eddy_join(co, self->before));
        }
        self->before = self->now;
    }
    eddy_await(eddy_join(co, self->before));
    log_values(co, "me");
    eddy_end;
}

test(a_list_is_as_long_as_there_are_keys)
{
    size_t bytes;

    assert_int_equal(run(returns), 0);
    bytes = testing.memory.bytes;
    assert_int_equal(run(sets_often), 0);
    testing_assert_log("me:z-c-");
    assert_in_range(testing.memory.bytes - bytes, 0, 16384);
}

eddy_frame_of(selects, int64_t rc);

static void selects(eddy_coro *co)
{
    eddy_begin(selects);
    assert_int_equal(set(co, 0, "x"), 0);
    eddy_await(eddy_select(co, NULL, eddy_call(co, shows, .name = "branch"),
                           (log_values(co, "argument"), eddy_sleep(co, EDDY_SECOND))));
    eddy_end;
}

test(a_coroutine_of_a_select_inherits_and_an_argument_sees_the_tasks)
{
    assert_int_equal(run(selects), 0);
    testing_assert_log("argument:x--- branch:x--- branch:x---");
}

eddy_frame_of(has_no_memory, eddy_task task);

static void has_no_memory(eddy_coro *co)
{
    eddy_begin(has_no_memory);
    assert_int_equal(set(co, 0, "x"), 0);
    self->task = eddy_spawn(co, returns);
    assert_int_equal(eddy_spawn_error(self->task), 0);
    use_up_memory();
    assert_int_equal(set(co, 0, "y"), -ENOMEM); /* shared with the child by now */
    assert_int_equal(set(co, 1, "y"), -ENOMEM);
    testing_fail_allocation(0);
    log_values(co, "me");
    eddy_await(eddy_join(co, self->task));
    eddy_end;
}

test(without_memory_it_is_as_before)
{
    assert_int_equal(run(has_no_memory), 0);
    testing_assert_log("me:x---");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(children_inherit_what_there_is_when_they_are_spawned_and_each_sets_its_own),
        testing_case(a_list_is_as_long_as_there_are_keys),
        testing_case(a_coroutine_of_a_select_inherits_and_an_argument_sees_the_tasks),
        testing_case(without_memory_it_is_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
