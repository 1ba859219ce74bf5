/* Loops in several threads of one process: each with a server, streams and timers of its own, and they
 * send each other messages. */
#include "support/tasks.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/callback.h"
#include "eddy/server.h"
#include "eddy/stream.h"
#include "eddy/timer.h"

enum { LOOPS = 2, ROUNDS = 200 };

/* A loop and what it serves. Everything but `loop` is the thread's own; that is set before the threads
 * start. */
struct worker {
    eddy_loop *loop;
    struct worker *other;
    pthread_t thread;
    eddy_server server;
    int other_port; /* told by the other's first message */
    int echoed;
    int received; /* messages of the other */
    int ticks;
    int result;
};

static struct worker workers[LOOPS];

/* A message on its way; the one who receives it sends it back, until it has gone all its rounds. */
struct ball {
    eddy_callback callback; /* first: a callback is its ball */
    struct worker *to;
    int port; /* of the sender's server */
    int rounds;
};

static struct ball balls[LOOPS];

struct echo {
    eddy_coro co;
    eddy_stream *stream;
    int64_t count;
    char buffer[64];
};

static void echo(eddy_coro *co)
{
    eddy_begin(echo);
    for (;;) {
        eddy_await(self->count, eddy_read(co, self->stream, self->buffer, sizeof self->buffer));
        if (self->count == 0) {
            eddy_return(0);
        }
        eddy_await(eddy_write(co, self->stream, self->buffer, (size_t)self->count));
    }
    eddy_end;
}

/* A client of the other thread's server. */
struct client {
    eddy_coro co;
    struct worker *worker;
    eddy_stream stream;
    char byte;
};

static void client(eddy_coro *co)
{
    eddy_begin(client);
    eddy_await(eddy_connect(co, &self->stream, "127.0.0.1", self->worker->other_port));
    while (self->worker->echoed < ROUNDS) {
        eddy_await(eddy_write(co, &self->stream, "x", 1));
        eddy_await(eddy_read(co, &self->stream, &self->byte, 1));
        self->worker->echoed += self->byte == 'x';
    }
eddy_finally:
    eddy_stream_close(&self->stream);
    eddy_end;
}

static void on_ball(eddy_callback *callback)
{
    struct ball *ball = (struct ball *)(void *)callback;
    struct worker *worker = ball->to;

    worker->received++;
    worker->other_port = ball->port;
    if (--ball->rounds > 0) {
        ball->to = worker->other;
        ball->port = eddy_server_port(&worker->server);
        eddy_loop_call_threadsafe(worker->other->loop, &ball->callback, on_ball);
    }
}

static void on_tick(eddy_timer *timer)
{
    struct worker *worker = timer->user;

    worker->ticks++;
}

/* The main task of each loop. */
struct works {
    eddy_coro co;
    struct worker *worker;
    eddy_timer ticker;
    eddy_task client;
};

static void works(eddy_coro *co)
{
    eddy_begin(works);
    eddy_await(eddy_serve(co, &self->worker->server, "127.0.0.1", 0, echo));
    self->ticker.user = self->worker;
    eddy_await(eddy_timer_start_periodic(self->worker->loop, &self->ticker, EDDY_MICROSECOND,
                                         EDDY_TIMER_FIXED_RATE, on_tick));
    balls[self->worker - workers].to = self->worker->other;
    balls[self->worker - workers].port = eddy_server_port(&self->worker->server);
    balls[self->worker - workers].rounds = ROUNDS;
    eddy_loop_call_threadsafe(self->worker->other->loop, &balls[self->worker - workers].callback,
                              on_ball);
    while (self->worker->other_port == 0) { /* until the other's ball has come */
        eddy_await(eddy_sleep(co, EDDY_MICROSECOND));
    }
    self->client = eddy_spawn(co, client, .worker = self->worker);
    eddy_await(eddy_join(co, self->client));
    /* Half of each ball's rounds end here, and so does the other's client. */
    while (self->worker->received < ROUNDS || self->worker->ticks == 0) {
        eddy_await(eddy_sleep(co, EDDY_MICROSECOND));
    }
    eddy_server_close(&self->worker->server);
    eddy_await(eddy_server_wait_closed(co, &self->worker->server));
eddy_finally:
    eddy_timer_stop(&self->ticker);
    eddy_end;
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;

    worker->result = (int)eddy_loop_run_until(
        worker->loop, eddy_loop_spawn(worker->loop, works, .worker = worker));
    return NULL;
}

/* Both loops are there before and after the threads: a message needs a loop to go to. */
test(two_loops_in_two_threads_serve_each_other_and_exchange_messages)
{
    memset(workers, 0, sizeof workers);
    memset(balls, 0, sizeof balls);
    for (int i = 0; i < LOOPS; i++) {
        workers[i].other = &workers[1 - i];
        assert_int_equal(eddy_loop_new(&workers[i].loop, NULL), 0);
    }
    for (int i = 0; i < LOOPS; i++) {
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]), 0);
    }
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    for (int i = 0; i < LOOPS; i++) {
        assert_int_equal(eddy_loop_free(workers[i].loop), 0);
        assert_int_equal(workers[i].result, 0);
        assert_int_equal(workers[i].echoed, ROUNDS);
        assert_int_equal(workers[i].received, ROUNDS);
        assert_true(workers[i].ticks > 0);
    }
}

/* ---- one loop that goes from thread to thread */

static void *run_fixture(void *argument)
{
    *(int64_t *)argument = run(sleeps, .seconds = 1, .result = 7);
    return NULL;
}

test(a_loop_may_be_handed_to_another_thread_between_polls)
{
    int64_t result = 0;
    pthread_t thread;

    assert_int_equal(run(sleeps, .seconds = 1, .result = 5), 5);
    assert_int_equal(pthread_create(&thread, NULL, run_fixture, &result), 0);
    pthread_join(thread, NULL);
    assert_int_equal(result, 7);
    assert_int_equal(run(sleeps, .seconds = 1, .result = 9), 9);
}

/* ---- wakers that never rest */

static int stop_waking;

static void *wake_without_rest(void *argument)
{
    while (__atomic_load_n(&stop_waking, __ATOMIC_RELAXED) == 0) {
        eddy_loop_wake(testing.loop);
    }
    return argument;
}

/* Every poll may wait for ever, and each returns: no wake-up is lost, whatever it meets. */
test(a_thread_that_wakes_without_rest_ends_every_poll)
{
    pthread_t threads[2];

    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    stop_waking = 0;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, wake_without_rest, NULL), 0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 0);
    }
    __atomic_store_n(&stop_waking, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(two_loops_in_two_threads_serve_each_other_and_exchange_messages),
        testing_case(a_loop_may_be_handed_to_another_thread_between_polls),
        testing_case(a_thread_that_wakes_without_rest_ends_every_poll),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
