/*
 * Turns of the loop, and the ways to run them: once (eddy_loop_poll_once), until a time, until nothing
 * is left to do (eddy_loop_run). run.c adds "until a task has ended".
 *
 * A turn is: prepare hooks, asking (ask.c) if it must be, the batch, check hooks. The batch is what
 * was ready when it began; what becomes ready meanwhile waits for the next, so that two tasks which
 * wake each other keep nobody else from running. What a budget has left of a
 * batch stays in it, in front of what the next turn adds.
 *
 * Where nobody sees that a turn ends (is_seen), the next batch follows without a turn around it: the
 * same steps in the same order, without the hooks and checks, and never past the interval in which the
 * loop has to ask. The
 * trampoline does so by itself, from inside (eddy_batch_refill); run_batches does for callbacks.
 */
#include <stdio.h>
#include <stdlib.h>

#include "loop/loop_internal.h"

static void run_function(struct eddy_ready *ready)
{
    switch ((enum eddy_ready_kind)ready->kind) {
    case EDDY_READY_TASK:
    case EDDY_READY_BRANCH:
    case EDDY_READY_RELAY:
    case EDDY_READY_UNSTARTED:
        break;
    case EDDY_READY_CALLBACK:
        eddy_callback_run(ready);
        break;
    case EDDY_READY_IO:
        eddy_io_run(ready);
        break;
    case EDDY_READY_TIMER:
        eddy_timer_run(ready);
        break;
    }
}

void eddy_loop_run_ready(eddy_loop *loop, struct eddy_ready *ready)
{
    if (loop->run_callback != NULL) {
        loop->run_callback(loop, run_function, ready);
    } else {
        run_function(ready);
    }
}

/* How much real time a poll may take, from the end of its wait on. */
struct budget {
    int64_t duration;
    bool begun; /* the wait is over: `watch` counts */
    struct eddy_stopwatch watch;
};

static bool is_used_up(eddy_loop *loop, struct budget *budget)
{
    return budget != NULL && eddy_stopwatch_is_past(loop, &budget->watch, budget->duration);
}

/* Runs the batch until it is empty or the budget (NULL: without limit) is used up, which is looked
 * at after each step. Returns the number of steps. */
static int64_t run_batch(eddy_loop *loop, struct budget *budget)
{
    int most = budget == NULL ? INT32_MAX : 1;
    int64_t steps = 0;

    while (eddy_list_front(&loop->batch) != &loop->batch) {
        int ran = 1;
        if (eddy_ready_is_record((struct eddy_ready *)(void *)eddy_list_front(&loop->batch))) {
            ran = loop->task_class->run(loop, most);
        } else {
            eddy_loop_run_ready(loop, eddy_batch_take(loop));
        }
        loop->steps_left -= ran;
        steps += ran;
        if (is_used_up(loop, budget)) {
            break;
        }
    }
    loop->counts.steps += (uint64_t)steps;
    return steps;
}

static void check_or_abort(eddy_loop *loop)
{
    if ((loop->flags & EDDY_LOOP_CHECK) != 0 && eddy_loop_check(loop) < 0) {
        fputs("eddy: eddy_loop_check: an invariant of the loop is broken\n", stderr);
        abort();
    }
}

/* A manual clock was moved on since the loop has looked for what is due. */
static bool was_advanced(const eddy_loop *loop)
{
    return loop->clock->kind == EDDY_CLOCK_MANUAL && loop->clock->now != loop->asked_at;
}

/* While something is ready, a look at kernel and clock is put off, but never past the interval, and
 * never by what begins a poll. */
static bool has_to_ask(const eddy_loop *loop)
{
    return loop->must_ask || loop->steps_left <= 0 || !eddy_loop_has_ready(loop) ||
           was_advanced(loop);
}

/* Whether somebody sees where the turn that begins will end. */
static bool is_seen(const eddy_loop *loop, const struct budget *budget)
{
    return loop->stop || loop->awaited_ended || loop->one_turn || budget != NULL ||
           loop->clock->kind == EDDY_CLOCK_MANUAL || (loop->flags & EDDY_LOOP_CHECK) != 0 ||
           loop->shuffle != 0 || eddy_hooks_any(loop);
}

/* Step 7 and, while that makes no difference to anybody, the next turns' too. */
static int64_t run_batches(eddy_loop *loop, struct budget *budget)
{
    int64_t steps = 0;

    if (loop->leaving) { /* a hook said so */
        return 0;
    }
    loop->turn_seen = is_seen(loop, budget);
    if (loop->shuffle != 0) {
        eddy_loop_shuffle(loop);
    }
    eddy_list_splice(&loop->batch, &loop->ready);
    loop->counts.turns++;
    do {
        steps += run_batch(loop, budget);
    } while (eddy_batch_refill(loop, 0));
    return steps;
}

/* A function of its own, whatever the compiler thinks of it: steps lie below the base of the stack. */
static int64_t __attribute__((noinline))
turn(eddy_loop *loop, int64_t max_wait, struct budget *budget)
{
    int64_t result = 0;
    int64_t steps;

    if (eddy_loop_forked(loop)) { /* a child has returned from a step of its parent */
        return -ECHILD;
    }
    if (!loop->waited) { /* or they ran before that */
        eddy_hooks_run(loop, EDDY_HOOK_PREPARE);
    }
    if (!loop->leaving && has_to_ask(loop)) {
        loop->in_turn = false; /* a loop that sleeps in the kernel is between two times */
        result = eddy_loop_ask(loop, eddy_ask_limited(loop, max_wait));
        loop->in_turn = true;
        eddy_hooks_run(loop, EDDY_HOOK_AWAKE);
    }
    if (budget != NULL && !budget->begun) {
        budget->begun = true;
        budget->watch = eddy_stopwatch_begin(loop);
    }
    steps = run_batches(loop, budget); /* what is ready needs nothing of the kernel */
    eddy_hooks_run(loop, EDDY_HOOK_CHECK);
    check_or_abort(loop);
    return result < 0 ? result : steps;
}

int eddy_loop_turn(eddy_loop *loop, int64_t max_wait)
{
    int64_t result = turn(loop, max_wait, NULL);

    return result < 0 ? (int)result : 0;
}

/* A manual clock moves by others only: a deadline of its future keeps nobody waiting here. */
bool eddy_loop_alive(eddy_loop *loop)
{
    return eddy_loop_has_ready(loop) || loop->references > 0 || loop->holds > 0 ||
           eddy_messages_waiting(loop) ||
           (loop->clock->kind != EDDY_CLOCK_MANUAL && eddy_timers_next(loop) != EDDY_FOREVER) ||
           (loop->clock->kind == EDDY_CLOCK_MANUAL && eddy_timers_next(loop) <= loop->clock->now);
}

int64_t eddy_loop_poll_once(eddy_loop *loop, int64_t max_wait, int64_t duration)
{
    struct budget limited = {.duration = duration};
    struct budget *budget = duration > 0 && duration != EDDY_FOREVER ? &limited : NULL;
    int64_t steps = 0;
    int64_t result;

    if (max_wait < 0 || duration < 0) {
        return -EINVAL;
    }
    result = eddy_loop_enter(loop);
    if (result < 0) {
        return result;
    }
    loop->one_turn = duration == 0;
    loop->in_a_hurry = budget != NULL;
    while (!loop->stop) {
        result = turn(loop, max_wait, budget);
        steps += result > 0 ? result : 0;
        max_wait = 0;
        if (result < 0 || duration == 0 || !(eddy_loop_has_ready(loop) || loop->more_to_tell) ||
            is_used_up(loop, budget)) {
            break;
        }
    }
    loop->stop = false;
    eddy_loop_leave(loop);
    return result < 0 ? result : steps;
}

int eddy_loop_run(eddy_loop *loop)
{
    int result = eddy_loop_enter(loop);

    if (result < 0) {
        return result;
    }
    while (result == 0 && !loop->stop && eddy_loop_alive(loop)) {
        result = eddy_loop_turn(loop, EDDY_FOREVER);
    }
    if (result == 0 && !loop->stop && loop->task_class != NULL) {
        result = loop->task_class->stuck(loop);
    }
    loop->stop = false;
    eddy_loop_leave(loop);
    return result;
}

void eddy_loop_stop(eddy_loop *loop)
{
    eddy_loop_here(loop, __func__);
    loop->stop = true;
    loop->turn_seen = true;
}

/* Where the batch is empty, and the turn is seen, nobody's loop of steps goes on: so no step has to look at
 * a flag. What was in it is the first of what the next turn runs. */
void eddy_loop_break(eddy_loop *loop)
{
    eddy_loop_stop(loop);
    if (loop->running && !loop->closing) { /* an end goes on to its end */
        loop->leaving = true;
        eddy_list_splice(&loop->batch, &loop->ready);
        eddy_list_splice(&loop->ready, &loop->batch);
    }
}

void eddy_loop_limit_wait(eddy_loop *loop, int64_t duration)
{
    eddy_loop_here(loop, __func__);
    duration = duration > 0 ? duration : 0;
    loop->wait_limit = duration < loop->wait_limit ? duration : loop->wait_limit;
}
