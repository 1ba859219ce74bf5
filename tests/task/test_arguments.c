/* What may happen while the arguments of a call, a block or a spawn are worked out. */
#include "support/tasks.h"
#include "support/traps.h"

#include "eddy/deadline.h"
#include "eddy/group.h"
#include "eddy/look.h"

static void note_frames(const struct eddy_task_info *info, void *user)
{
    struct eddy_frames frames = info->frames;
    struct eddy_frame_info frame;

    (void)user;
    while (eddy_frames_next(&frames, &frame)) {
        testing_log("%s", frame.function);
    }
}

/* Looks at all tasks, and cancels and spawns into the bargain. */
static int look(eddy_coro *co)
{
    FILE *file = fopen("/dev/null", "w");

    assert_non_null(file);
    assert_int_equal(eddy_loop_dump(eddy_loop_of(co), file), 0);
    fclose(file);
    assert_int_equal(eddy_loop_check(eddy_loop_of(co)), 0);
    assert_int_equal(eddy_loop_inspect(eddy_loop_of(co), note_frames, NULL), 0);
    return 1;
}

eddy_frame(dirties) {
    eddy_coro co;
    char bytes[64];
};

static void dirties(eddy_coro *co)
{
    eddy_begin(dirties);
    memset(self->bytes, 0x41, sizeof self->bytes);
    eddy_end;
}

eddy_frame(child) {
    eddy_coro co;
    int looked;
    int value;
    char bytes[56];
};

static void child(eddy_coro *co)
{
    eddy_begin(child);
    eddy_return(self->looked);
    eddy_end;
}

eddy_frame(yields_it) {
    eddy_coro co;
    int looked;
    int value;
    char bytes[56];
};

static void yields_it(eddy_coro *co)
{
    eddy_begin(yields_it);
    eddy_yield(self->looked);
    eddy_end;
}

eddy_frame(manages) {
    eddy_coro co;
    int looked;
    char bytes[56];
};

static void manages(eddy_coro *co)
{
    eddy_begin(manages);
    eddy_body;
    eddy_end;
}

eddy_frame(parent) {
    eddy_coro co;
    int got;
    struct child memory;
    eddy_group group;
    eddy_task task;
};

static void parent(eddy_coro *co)
{
    eddy_begin(parent);
    eddy_await(eddy_call(co, dirties));
    eddy_await(self->got, eddy_call(co, child, .looked = look(co)));
    testing_log("%d", self->got);
    eddy_await(eddy_wait_for(co, EDDY_SECOND, eddy_call(co, child, .looked = look(co))));
    eddy_await(eddy_call_in(co, &self->memory, child, .looked = look(co)));
    eddy_for_each(self->got, yields_it, .looked = look(co)) {
        testing_log("%d", self->got);
    }
    eddy_with(manages, .looked = look(co)) {
        testing_log("body");
    }
    self->task = eddy_spawn(co, child, .looked = look(co));
    eddy_await(eddy_join(co, self->task));
    self->task = eddy_spawn_in(co, &self->memory, child, .looked = look(co));
    eddy_await(eddy_join(co, self->task));
    eddy_with_group(&self->group) {
        eddy_group_spawn(co, &self->group, child, .looked = look(co));
    }
    eddy_end;
}

test(one_may_look_at_all_tasks_while_arguments_are_worked_out)
{
    assert_int_equal(run(parent), 0);
    testing_assert_log("parent 1 parent parent parent 1 parent body parent parent parent");
}

static int cancel_me(eddy_coro *co)
{
    eddy_cancel(eddy_task_self(co));
    return 1;
}

eddy_frame(cancels_itself) {
    eddy_coro co;
    int64_t got;
};

static void cancels_itself(eddy_coro *co)
{
    eddy_begin(cancels_itself);
    eddy_catch(self->got,
               eddy_wait_for(co, EDDY_SECOND, eddy_call(co, child, .looked = cancel_me(co))));
    log_end("call", self->got);
    eddy_catch(self->got, eddy_sleep(co, 1));
    log_end("sleep", self->got);
    eddy_end;
}

test(a_cancel_among_the_arguments_comes_at_the_next_await)
{
    assert_int_equal(run(cancels_itself), 0);
    testing_assert_log("call=1@0 sleep=ECANCELED@0");
}

static int begin(int64_t result)
{
    return result == EDDY_PENDING;
}

TRAPS(calls_in_arguments);

static void calls_in_arguments(eddy_coro *co)
{
    eddy_begin(calls_in_arguments);
    eddy_await(eddy_pause(co));
    TRAP eddy_await(eddy_call(co, child, .looked = begin(eddy_sleep(co, 1))));
    eddy_end;
}

TRAPS(nests_calls);

static int64_t call(eddy_coro *co)
{
    return eddy_call(co, child, .looked = 1);
}

static void nests_calls(eddy_coro *co)
{
    eddy_begin(nests_calls);
    eddy_await(eddy_pause(co));
    TRAP eddy_await(eddy_call(co, child, .looked = begin(call(co))));
    eddy_end;
}

TRAPS(blocks_in_arguments);

static void blocks_in_arguments(eddy_coro *co)
{
    eddy_begin(blocks_in_arguments);
    eddy_await(eddy_pause(co));
    TRAP eddy_with(manages, .looked = begin(eddy_sleep(co, 1)))
    {
        testing_log("never");
    }
    eddy_end;
}

test(an_operation_among_the_arguments_aborts)
{
    const char *text = "an operation was begun here and not awaited";

    assert_traps_near(calls_in_arguments, text);
    testing_reopen();
    assert_traps_near(nests_calls, text);
    testing_reopen();
    assert_traps_near(blocks_in_arguments, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(one_may_look_at_all_tasks_while_arguments_are_worked_out),
        testing_case(a_cancel_among_the_arguments_comes_at_the_next_await),
        testing_case(an_operation_among_the_arguments_aborts),
    };

    return cmocka_run_group_tests(tests, set_up_traps, NULL);
}
