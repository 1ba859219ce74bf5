/* examples/adapters/on_sdl: SDL's events as awaits, and a loop that sleeps while SDL does. */
#include "support/loop.h"
#include "support/tasks.h"

#include <pthread.h>
#include <stdlib.h>

#include "../examples/adapters/on_sdl.h"

static struct on_sdl sdl;

static void open_sdl(void)
{
    assert_int_equal(on_sdl_init(&sdl, testing.loop), 0);
}

/* Tasks wait in the line of `sdl`: the loop ends first. */
static void close_sdl(void)
{
    testing_free();
    on_sdl_fini(&sdl);
}

static void push(int code)
{
    SDL_Event event = {.type = SDL_USEREVENT};

    event.user.code = code;
    if (SDL_PushEvent(&event) != 1) {
        abort(); /* in a thread no assert may jump */
    }
}

static void assert_left(int code)
{
    SDL_Event event;

    assert_int_equal(SDL_PollEvent(&event), 1);
    assert_int_equal(event.type, SDL_USEREVENT);
    assert_int_equal(event.user.code, code);
}

static void assert_none_left(void)
{
    SDL_Event event;

    assert_int_equal(SDL_PeepEvents(&event, 1, SDL_PEEKEVENT, SDL_FIRSTEVENT, SDL_LASTEVENT), 0);
}

eddy_frame(takes) {
    eddy_coro co;
    const char *name;
    int events; /* how many */
    int64_t seconds;
    SDL_Event event;
    int64_t rc;
};

static void takes(eddy_coro *co)
{
    eddy_begin(takes);
    while (self->events-- > 0) {
        if (self->seconds > 0) {
            eddy_catch(self->rc, eddy_wait_for(co, self->seconds * EDDY_SECOND,
                                               on_sdl_next_event(co, &sdl, &self->event)));
        } else {
            eddy_catch(self->rc, on_sdl_next_event(co, &sdl, &self->event));
        }
        if (self->rc < 0) {
            log_end(self->name, self->rc);
            eddy_return(self->rc);
        }
        testing_log("%s:%d", self->name, self->event.user.code);
    }
    eddy_end;
}

/* ---- events */

test(an_event_that_is_there_is_had_at_once)
{
    open_sdl();
    push(1);
    push(2);
    push(3);
    assert_int_equal(run(takes, .name = "a", .events = 2), 0);
    testing_assert_log("a:1 a:2");
    assert_left(3);
    close_sdl();
}

test(those_who_wait_get_one_each_first_come_first_served)
{
    open_sdl();
    eddy_detach(start(takes, .name = "a", .events = 2));
    eddy_detach(start(takes, .name = "b", .events = 1));
    (void)testing_turns();
    push(1);
    push(2);
    push(3);
    (void)on_sdl_frame(&sdl, EDDY_FOREVER);
    testing_assert_log("a:1 a:3 b:2"); /* 3 was there when `a` came again */
    assert_none_left();
    close_sdl();
}

test(who_comes_does_not_overtake_who_waits)
{
    open_sdl();
    eddy_detach(start(takes, .name = "a", .events = 1));
    (void)testing_turns();
    push(1);
    eddy_detach(start(takes, .name = "b", .events = 1));
    (void)testing_turns();
    testing_assert_log("");
    push(2);
    (void)on_sdl_frame(&sdl, EDDY_FOREVER);
    testing_assert_log("a:1 b:2");
    close_sdl();
}

test(a_cancel_ends_the_wait_and_takes_no_event_with_it)
{
    eddy_task first;

    open_sdl();
    first = start(takes, .name = "a", .events = 1);
    eddy_detach(start(takes, .name = "b", .events = 1));
    (void)testing_turns();
    push(1);
    push(2);
    assert_int_equal(eddy_cancel(first), 0);
    eddy_detach(first);
    (void)on_sdl_frame(&sdl, EDDY_FOREVER);
    testing_assert_log("a=ECANCELED@0 b:1");
    assert_left(2);
    close_sdl();
}

static void cancel_it(eddy_callback *callback)
{
    eddy_task *task = callback->user;

    (void)eddy_cancel(*task);
}

/* The callback runs before the task, which has its event already. */
test(a_cancel_that_comes_behind_the_event_waits_for_the_next_await)
{
    static eddy_task task;
    static eddy_callback callback = {.user = &task};

    open_sdl();
    task = start(takes, .name = "a", .events = 2);
    (void)testing_turns();
    push(1);
    push(2);
    eddy_callback_start(testing.loop, &callback, cancel_it);
    (void)on_sdl_frame(&sdl, EDDY_FOREVER);
    testing_assert_log("a:1 a=ECANCELED@0");
    eddy_detach(task);
    assert_left(2);
    close_sdl();
}

test(a_time_out_ends_the_wait_and_takes_no_event_with_it)
{
    open_sdl();
    assert_int_equal(run(takes, .name = "a", .events = 1, .seconds = 5), -ETIMEDOUT);
    push(1);
    assert_int_equal(run(takes, .name = "b", .events = 1, .seconds = 5), 0);
    testing_assert_log("a=ETIMEDOUT@5 b:1");
    close_sdl();
}

test(the_end_of_the_loop_leaves_events_where_they_are)
{
    open_sdl();
    eddy_detach(start(takes, .name = "a", .events = 1));
    (void)testing_turns();
    push(1);
    close_sdl();
    testing_assert_log("a=ECANCELED@0");
    assert_left(1);
}

eddy_frame(misplaces) {
    eddy_coro co;
};

static void misplaces(eddy_coro *co)
{
    SDL_Event event;

    eddy_begin(misplaces);
    eddy_await(on_sdl_next_event(co, &sdl, &event));
    eddy_end;
}

static void run_misplaced(void *argument)
{
    (void)argument;
    (void)run(misplaces);
}

test(an_event_on_the_stack_aborts)
{
    open_sdl();
    testing_expect_abort(run_misplaced, NULL, "misplaces");
    close_sdl();
}

/* ---- sleeping */

static eddy_callback message = {.user = "message"};

static void send_message(void)
{
    testing.sys.on_wait = NULL;
    eddy_loop_call_threadsafe(testing.loop, &message, log_callback);
}

static void push_one(void)
{
    testing.sys.on_wait = NULL;
    push(1);
}

/* What `on_wait` does happens in the other thread, just before it sleeps for the loop. */
static void sleep_until(void (*on_wait)(void))
{
    testing.sys.on_wait = on_wait;
    assert_true(on_sdl_wait(&sdl, EDDY_FOREVER) >= 0);
}

static void open_sleeping(void)
{
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    open_sdl();
}

static int count_wakes(void *count, SDL_Event *event)
{
    if (event->type == sdl.wake) {
        __atomic_add_fetch((int *)count, 1, __ATOMIC_RELAXED);
    }
    return 0;
}

test(a_message_of_another_thread_ends_the_sleep)
{
    int wakes = 0;

    open_sleeping();
    SDL_AddEventWatch(count_wakes, &wakes);
    sleep_until(send_message);
    SDL_DelEventWatch(count_wakes, &wakes);
    assert_int_equal(wakes, 1); /* or SDL would sleep on, for a second */
    testing_assert_log("message");
    assert_none_left();
    sleep_until(send_message); /* and again, with the same thread */
    testing_assert_log("message");
    assert_none_left();
    close_sdl();
}

test(an_event_ends_the_sleep)
{
    open_sleeping();
    eddy_detach(start(takes, .name = "a", .events = 1));
    (void)testing_turns();
    sleep_until(push_one);
    testing_assert_log("a:1");
    assert_none_left();
    close_sdl();
}

test(an_event_that_nobody_wants_ends_the_sleep_and_stays)
{
    open_sleeping();
    sleep_until(push_one);
    sleep_until(send_message); /* it sleeps for the loop alone */
    testing_assert_log("message");
    assert_left(1);
    assert_none_left();
    close_sdl();
}

test(what_is_ready_is_run_without_a_sleep)
{
    static eddy_callback callback = {.user = "callback"};

    open_sleeping();
    eddy_callback_start(testing.loop, &callback, log_callback);
    assert_int_equal(on_sdl_wait(&sdl, EDDY_FOREVER), 1);
    testing_assert_log("callback");
    assert_null(sdl.thread);
    close_sdl();
}

test(a_timer_ends_the_sleep)
{
    static eddy_timer timer = {.user = "timer"};
    int rounds = 0;

    open_sleeping();
    eddy_timer_start(testing.loop, &timer, EDDY_MILLISECOND, log_timer);
    while (eddy_timer_started(&timer)) {
        assert_true(on_sdl_wait(&sdl, EDDY_FOREVER) >= 0);
        rounds++;
    }
    assert_in_range(rounds, 1, 3); /* it sleeps until then, and does not go round */
    close_sdl();
}

/* ---- a thousand events of another thread, for a task that gives up all the time */

enum { MANY = 1000 };

static void *push_many(void *argument)
{
    for (int i = 0; i < MANY; i++) {
        push(i);
    }
    return argument;
}

eddy_frame(gives_up) {
    eddy_coro co;
    SDL_Event event;
    int next;
    uint64_t state;
    int64_t rc;
};

static void gives_up(eddy_coro *co)
{
    eddy_begin(gives_up);
    while (self->next < MANY) {
        eddy_catch(self->rc,
                   eddy_wait_for(co, (int64_t)(testing_random(&self->state) % 3) * EDDY_MICROSECOND,
                                 on_sdl_next_event(co, &sdl, &self->event)));
        if (self->rc == 0 && self->event.user.code != self->next++) {
            eddy_return(-EILSEQ);
        }
        if (self->rc < 0 && self->rc != -ETIMEDOUT) {
            eddy_return(self->rc);
        }
    }
    eddy_end;
}

static void lose_none(int64_t (*round)(struct on_sdl *, int64_t))
{
    pthread_t thread;
    eddy_task task;

    open_sleeping();
    task = start(gives_up);
    assert_int_equal(pthread_create(&thread, NULL, push_many, NULL), 0);
    while (!eddy_task_done(task)) {
        assert_true(round(&sdl, 0) >= 0);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(finish(task), 0);
    assert_none_left();
    close_sdl();
}

test(none_of_many_events_is_lost_by_frames)
{
    lose_none(on_sdl_frame);
}

test(none_of_many_events_is_lost_in_sleeps)
{
    lose_none(on_sdl_wait);
}

/* The events alone, without a window: nobody else makes any. */
static int set_up_sdl(void **state)
{
    (void)state;
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1"); /* a test that hangs can be ended */
    return SDL_Init(SDL_INIT_EVENTS);
}

static int tear_down_sdl(void **state)
{
    (void)state;
    SDL_Quit();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(an_event_that_is_there_is_had_at_once),
        testing_case(those_who_wait_get_one_each_first_come_first_served),
        testing_case(who_comes_does_not_overtake_who_waits),
        testing_case(a_cancel_ends_the_wait_and_takes_no_event_with_it),
        testing_case(a_cancel_that_comes_behind_the_event_waits_for_the_next_await),
        testing_case(a_time_out_ends_the_wait_and_takes_no_event_with_it),
        testing_case(the_end_of_the_loop_leaves_events_where_they_are),
        testing_case(an_event_on_the_stack_aborts),
        testing_case(a_message_of_another_thread_ends_the_sleep),
        testing_case(an_event_ends_the_sleep),
        testing_case(an_event_that_nobody_wants_ends_the_sleep_and_stays),
        testing_case(what_is_ready_is_run_without_a_sleep),
        testing_case(a_timer_ends_the_sleep),
        testing_case(none_of_many_events_is_lost_by_frames),
        testing_case(none_of_many_events_is_lost_in_sleeps),
    };

    return cmocka_run_group_tests(tests, set_up_sdl, tear_down_sdl);
}
