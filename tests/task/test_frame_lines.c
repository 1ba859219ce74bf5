/* A frame that ends while a task stands in a line that lies in it: it aborts, and says where. What
 * has no end of its own (a lock, an event) is held to that like a stream. */
#include "support/tasks.h"
#include "support/traps.h"

#include "eddy/event.h"
#include "eddy/lock.h"

enum thing { EVENT, LOCK, COND, LOCK_OF_COND, SEMAPHORE, BARRIER, FUTURE, GATE, THINGS };

/* A kind of wait of a user's own, made of eddy_park. */
struct gate {
    struct eddy_waiters line;
};

static const struct eddy_wait_kind gate_kind = {.name = "gate"};

static int64_t gate_wait(eddy_coro *co, struct gate *gate)
{
    int64_t result = eddy_check(co);

    return result < 0 ? result : eddy_park(co, &gate_kind, gate, &gate->line);
}

struct things {
    eddy_event event;
    eddy_lock lock;
    eddy_cond cond;
    eddy_semaphore semaphore;
    eddy_barrier barrier;
    eddy_future future;
    struct gate gate;
};

static const char *const names[THINGS] = {
    "event", "lock", "condition", "lock of a condition", "semaphore", "barrier", "future", "gate"};

eddy_frame(waits) {
    eddy_coro co;
    struct things *things;
    enum thing thing;
};

static int64_t wait_for(eddy_coro *co, struct things *things, enum thing thing)
{
    switch (thing) {
    case EVENT:
        return eddy_event_wait(co, &things->event);
    case LOCK:
        return eddy_lock_acquire(co, &things->lock);
    case COND:
    case LOCK_OF_COND:
        return eddy_cond_wait(co, &things->cond);
    case SEMAPHORE:
        return eddy_semaphore_acquire(co, &things->semaphore);
    case BARRIER:
        return eddy_barrier_wait(co, &things->barrier);
    case FUTURE:
        return eddy_future_wait(co, &things->future);
    case GATE:
    case THINGS:
        break;
    }
    return gate_wait(co, &things->gate);
}

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    if (self->thing == COND || self->thing == LOCK_OF_COND) {
        eddy_await(eddy_lock_acquire(co, &self->things->lock));
    }
    eddy_await(wait_for(co, self->things, self->thing));
    eddy_end;
}

/* The thing lies in a frame of any size, whose end may be reached in any way. */
#define LEAVES(name, more)                                                                 \
    eddy_frame(name) {                                                                     \
        eddy_coro co;                                                                      \
        enum thing thing;                                                                  \
        int64_t result;                                                                    \
        char before[more];                                                                 \
        struct things things;                                                              \
        char behind[more];                                                                 \
    };                                                                                     \
    static void name(eddy_coro *co)                                                        \
    {                                                                                      \
        eddy_begin(name);                                                                  \
        eddy_await(eddy_call(co, prepare, .things = &self->things, .thing = self->thing)); \
        TRAP eddy_return(self->result);                                                    \
        eddy_end;                                                                          \
    }

eddy_frame(prepare) {
    eddy_coro co;
    struct things *things;
    enum thing thing;
};

static void prepare(eddy_coro *co)
{
    eddy_begin(prepare);
    eddy_cond_init(&self->things->cond, &self->things->lock);
    eddy_barrier_init(&self->things->barrier, 3);
    if (self->thing == LOCK) {
        eddy_await(eddy_lock_acquire(co, &self->things->lock));
    }
    eddy_detach(eddy_spawn(co, waits, .things = self->things, .thing = self->thing));
    eddy_await(eddy_pause(co));
    if (self->thing == LOCK_OF_COND) {
        eddy_await(eddy_lock_acquire(co, &self->things->lock));
        assert_int_equal(eddy_cond_notify(co, &self->things->cond, 1), 1);
    }
    eddy_end;
}

LEAVES(leaves, 8)
LEAVES(leaves_in_a_large_one, 1500)
LEAVES(leaves_in_a_huge_one, 200000)

eddy_frame(calls) {
    eddy_coro co;
    enum thing thing;
    int i;
};

static void calls(eddy_coro *co)
{
    eddy_begin(calls);
    eddy_await(eddy_call(co, leaves, .thing = self->thing));
    eddy_end;
}

eddy_frame(yields) {
    eddy_coro co;
    int value;
    enum thing thing;
    struct things things;
};

static void yields(eddy_coro *co)
{
    eddy_begin(yields);
    eddy_await(eddy_call(co, prepare, .things = &self->things, .thing = self->thing));
    eddy_yield(1);
    TRAP eddy_end;
}

eddy_frame(generates) {
    eddy_coro co;
    enum thing thing;
    int i;
};

static void generates(eddy_coro *co)
{
    eddy_begin(generates);
    eddy_for_each(self->i, yields, .thing = self->thing) {}
    eddy_end;
}

static void assert_is_told(const char *function, enum thing thing)
{
    char text[128];

    snprintf(text, sizeof text,
             "the coroutine ends although a task still waits for something in its frame (%s)",
             names[thing]);
    assert_trap(NEAR, function, text);
    testing_reopen();
}

/* The last argument names the fields of the frame. */
#define assert_every_thing(coroutine, function, ...) \
    for (int thing = 0; thing < THINGS; thing++) {   \
        start(coroutine, __VA_ARGS__);               \
        assert_is_told(function, (enum thing)thing); \
    }

#define THING .thing = (enum thing)thing

test(a_frame_with_a_line_in_which_a_task_stands_must_not_end)
{
    assert_every_thing(leaves, "leaves", THING);
}

test(nor_by_an_error)
{
    assert_every_thing(leaves, "leaves", THING, .result = -EIO);
}

test(nor_when_it_was_called)
{
    assert_every_thing(calls, "leaves", THING);
}

test(nor_if_it_is_large)
{
    assert_every_thing(leaves_in_a_large_one, "leaves_in_a_large_one", THING);
    assert_every_thing(leaves_in_a_huge_one, "leaves_in_a_huge_one", THING);
}

test(nor_if_it_is_that_of_a_generator)
{
    assert_every_thing(generates, "yields", THING);
}

/* ---- what is no mistake */

eddy_frame(lets_go) {
    eddy_coro co;
    eddy_event event;
    eddy_task task;
};

eddy_frame(waits_for_event) {
    eddy_coro co;
    eddy_event *event;
};

static void waits_for_event(eddy_coro *co)
{
    eddy_begin(waits_for_event);
    eddy_await(eddy_event_wait(co, self->event));
    eddy_end;
}

static void lets_go(eddy_coro *co)
{
    eddy_begin(lets_go);
    eddy_detach(eddy_spawn(co, waits_for_event, .event = &self->event));
    self->task = eddy_spawn(co, waits_for_event, .event = &self->event);
    eddy_await(eddy_pause(co));
    eddy_cancel(self->task);
    eddy_event_set(&self->event);
    eddy_end;
}

test(who_was_woken_or_cancelled_stands_in_no_line)
{
    assert_int_equal(run(lets_go), 0);
    testing_run();
}

eddy_frame(nothing) {
    eddy_coro co;
    int64_t words[4];
};

static void nothing(eddy_coro *co)
{
    eddy_begin(nothing);
    eddy_end;
}

eddy_frame(many_calls) {
    eddy_coro co;
    eddy_event event;
    eddy_task task;
    int i;
};

static void many_calls(eddy_coro *co)
{
    eddy_begin(many_calls);
    self->task = eddy_spawn(co, waits_for_event, .event = &self->event);
    eddy_await(eddy_pause(co));
    for (self->i = 0; self->i < 2000; self->i++) {
        eddy_await(eddy_call(co, nothing, .words = {(int64_t)(uintptr_t)self->task.record}));
    }
    eddy_event_set(&self->event);
    eddy_await(eddy_join(co, self->task));
    eddy_end;
}

/* Also a pointer to the waiter in such a frame is no line: the waiter does not point back. */
test(frames_near_a_line_may_end)
{
    assert_int_equal(run(many_calls), 0);
}

/* Marks that have misled too often are made anew, and those of a line that is still used stay. */
eddy_frame(leaves_late) {
    eddy_coro co;
    eddy_event event;
    int i;
};

static void leaves_late(eddy_coro *co)
{
    eddy_begin(leaves_late);
    eddy_detach(eddy_spawn(co, waits_for_event, .event = &self->event));
    eddy_await(eddy_pause(co));
    for (self->i = 0; self->i < 2000; self->i++) {
        eddy_await(eddy_call(co, nothing));
    }
    TRAP eddy_end;
}

test(a_line_is_found_however_often_a_mark_has_misled)
{
    assert_traps_near(leaves_late,
                      "the coroutine ends although a task still waits for something in its frame "
                      "(event)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_frame_with_a_line_in_which_a_task_stands_must_not_end),
        testing_case(nor_by_an_error),
        testing_case(nor_when_it_was_called),
        testing_case(nor_if_it_is_large),
        testing_case(nor_if_it_is_that_of_a_generator),
        testing_case(who_was_woken_or_cancelled_stands_in_no_line),
        testing_case(frames_near_a_line_may_end),
        testing_case(a_line_is_found_however_often_a_mark_has_misled),
    };

    return cmocka_run_group_tests(tests, set_up_traps, NULL);
}
