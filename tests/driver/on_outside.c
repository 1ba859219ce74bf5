/*
 * What comes from outside of a task: acts that need no coroutine, by timers, callbacks, the callbacks of
 * ended tasks, a hook of every turn, or by a task in the middle of its step.
 */
#include "driver.h"

/* ---- acts */

static void cancel_some(void)
{
    if (world.task_count > 0) {
        cancel(some_task());
    }
}

static void set_something(void)
{
    if (one_in(2)) {
        eddy_event_set(&world.box.event);
        woken(&world.box, wait_for_event);
        eddy_event_clear(&world.box.event);
    } else if (eddy_future_set(&world.box.future, VALUES) == 0) {
        woken(&world.box, wait_for_future);
    } else {
        eddy_future_reset(&world.box.future);
    }
}

static void use_the_queue(void)
{
    struct item item;

    if (world.box.queue.loop == NULL) {
        return;
    }
    if (one_in(2)) {
        if (eddy_queue_try_get(&world.box.queue, &item) == 0) {
            item_taken(&world.box, &item);
        }
    } else if (new_item(&item)) {
        item_put(&world.box, &item, eddy_queue_try_put(&world.box.queue, &item));
    }
}

static void break_something(void)
{
    eddy_barrier_abort(&world.box.barrier);
    eddy_barrier_reset(&world.box.barrier);
}

static void visit(const struct eddy_task_info *info, void *user)
{
    struct eddy_frames frames = info->frames;
    struct eddy_frame_info frame;
    int *count = user;

    require(info->name != NULL && info->place != NULL);
    while (eddy_frames_next(&frames, &frame)) {
        require(frame.function != NULL);
    }
    ++*count;
}

static void look(void)
{
    struct eddy_metrics metrics;
    int count = 0;

    eddy_loop_metrics(world.loop, &metrics);
    if (one_in(2)) {
        require(eddy_loop_check(world.loop) == 0);
    } else if (one_in(2)) {
        require(eddy_loop_dump(world.loop, world.nowhere) == 0);
    } else {
        int rc = eddy_loop_inspect(world.loop, visit, &count);
        require(rc == 0 || rc == -ENOMEM);
        require((uint64_t)count >= metrics.live);
    }
}

/* Memory is short, for the next request or some later one. */
static void starve(void)
{
    if (world.faults) {
        world.memory.fail_at = world.memory.calls + 1 + below(3);
        world.memory.fail_on = one_in(4);
    }
}

static void name_some(void)
{
    if (world.task_count > 0) {
        int rc = eddy_task_set_name(some_task()->task, one_in(2) ? "a name" : NULL);
        require(rc == 0 || rc == -ESRCH || rc == -ENOMEM);
    }
}

static void stop_the_loop(void)
{
    if (one_in(8)) {
        world.stopped = true;
        eddy_loop_stop(world.loop);
    }
}

/* ---- who is told of ends */

static void on_done(eddy_done_callback *callback)
{
    struct tracked *tracked = callback->user;

    require(tracked->must_be_told);
    tracked->must_be_told = false;
    require_result(tracked, callback->result);
    if (one_in(3)) {
        act();
    }
}

static void watch_some(void)
{
    struct tracked *tracked;

    if (world.task_count == 0) {
        return;
    }
    tracked = some_task();
    if (tracked->must_be_told && one_in(2)) {
        eddy_done_callback_stop(&tracked->done);
        tracked->must_be_told = false;
    } else {
        int rc = eddy_task_on_done(tracked->task, &tracked->done, on_done);
        require(rc == 0 || rc == -ESRCH || rc == -EBUSY || rc == -ENOMEM);
        require(rc != -EBUSY || tracked->must_be_told);
        tracked->done.user = tracked;
        tracked->must_be_told |= rc == 0;
    }
}

/* ---- timers and callbacks */

static void on_timer(eddy_timer *timer)
{
    int i = (int)(timer - world.timers);

    if (world.clock.now < world.timer_due[i]) {
        driver_fail("a timer fires %lld ns early",
                    (long long)(world.timer_due[i] - world.clock.now));
    }
    act();
}

static void start_some_timer(void)
{
    unsigned i = below(OUTSIDERS);
    int64_t delay = some_time();
    int64_t due = eddy_deadline_after(eddy_loop_now(world.loop), delay);

    if (eddy_timer_start(world.loop, &world.timers[i], delay, on_timer) == 0) {
        world.timer_due[i] = due;
    } else {
        require(world.faults);
    }
}

static void on_callback(eddy_callback *callback)
{
    (void)callback;
    act();
}

static void start_some_callback(void)
{
    eddy_callback *callback = &world.callbacks[below(OUTSIDERS)];

    if (one_in(4)) {
        eddy_callback_stop(callback);
    } else {
        eddy_callback_start(world.loop, callback, on_callback);
    }
}

/* As another thread does. */
static void on_message(eddy_callback *message)
{
    size_t i = (size_t)(message - world.messages);

    require(world.sent[i]);
    world.sent[i] = false;
    act();
}

static void send_some_message(void)
{
    unsigned i = below(OUTSIDERS);

    if (!world.sent[i]) {
        world.sent[i] = true;
        eddy_loop_call_threadsafe(world.loop, &world.messages[i], on_message);
    }
}

static void use_the_group(void)
{
    if (one_in(8)) {
        eddy_group_cancel(&world.group);
    }
}

/* Only what runs the loop may do these. */
static void try_the_forbidden(void)
{
    require(eddy_loop_run(world.loop) == -EBUSY);
    require(eddy_loop_poll_once(world.loop, 0, 0) == -EBUSY);
    require(eddy_loop_free(world.loop) == -EBUSY);
    eddy_loop_wake(world.loop);
}

static void spawn_some(void)
{
    struct tracked *tracked = track();

    if (tracked != NULL) {
        tracked_started(
            tracked, eddy_loop_spawn(world.loop, program, .node = TASK_OF(tracked, NULL, -1, 0)));
    }
}

void act(void)
{
    static void (*const acts[])(void) = {
        cancel_some,         cancel_some,   cancel_some,
        cancel_some,         set_something, use_the_queue,
        break_something,     look,          starve,
        name_some,           watch_some,    start_some_timer,
        start_some_callback, stop_the_loop, spawn_some,
        send_some_message,   use_the_group, try_the_forbidden,
    };

    if (world.steps_left > 0 && world.runs && !world.ending) {
        world.steps_left--;
        acts[below(sizeof acts / sizeof *acts)]();
    }
}

int in_arguments(void)
{
    if (one_in(8)) {
        act();
    }
    return 0;
}

/* ---- as steps of a task */

static int64_t act_inside(eddy_coro *co, struct node *node)
{
    (void)co;
    (void)node;
    act();
    return 0;
}

const struct operation operations_from_outside[] = {
    {"act", INSTANT, act_inside, NULL},
    {"act", INSTANT, act_inside, NULL},
    {NULL, INSTANT, NULL, NULL},
};
