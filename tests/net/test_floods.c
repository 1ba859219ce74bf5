/* Rule 3: a flood takes no timer's turn. On a clock on which every call or step of the flood costs
 * ten microseconds, a timer of 20 ms fires within a share of the flood. */
#include "support/net.h"
#include "support/tasks.h"

#include <sys/socket.h>
#include <unistd.h>

#include "eddy/server.h"
#include "eddy/stream.h"
#include "eddy/timer.h"

enum { COST = 10 /* microseconds */, SHARE = 128 /* awaits */, ACCEPTS = 64 /* a turn */ };

static eddy_timer timer;
static struct eddy_sys real; /* the kit's own functions, under those that a test puts in */
static uint64_t flood;       /* what it has done so far */

static void cost(void)
{
    flood++;
    testing.sys.now += COST * EDDY_MICROSECOND;
    assert_true(testing.sys.now < EDDY_SECOND);
}

static void on_timer(eddy_timer *fired)
{
    (void)fired;
    testing_log("timer@%lld", (long long)(testing.sys.now / EDDY_MICROSECOND));
    eddy_loop_stop(testing.loop);
}

/* As it is in use: with checks after every turn the loop takes other ways. */
static int setup(void **state)
{
    int result = testing_setup(state);

    flood = 0;
    testing.options.flags = 0;
    testing_fake_clock(0);
    testing_reopen_with(EDDY_CLOCK_MONOTONIC, 0);
    real = testing.sys.table;
    return result;
}

#define flood_case(name) cmocka_unit_test_setup_teardown(name, setup, testing_teardown)

/* Runs until the timer has fired; when, in microseconds. */
static int64_t fires_at(void)
{
    assert_int_equal(eddy_timer_start(testing.loop, &timer, 20 * EDDY_MILLISECOND, on_timer), 0);
    assert_int_equal(eddy_loop_run(testing.loop), 0);
    assert_memory_equal(testing.log, "timer@", 6);
    testing.log[0] = '\0';
    return testing.sys.now / EDDY_MICROSECOND;
}

/* A share takes longer than a millisecond, so the loop looks after each: the time is up in the
 * sixteenth, and the timer stands behind the flood, which has one more. */
enum { AFTER_SHARES = (20000 / (SHARE * COST) + 1 + 1) * SHARE * COST };

/* How late it may be. */
static void assert_fires_within(int64_t microseconds)
{
    int64_t late = fires_at() - 20000;

    assert_true(late >= 0 && late <= microseconds);
}

/* ---- a task whose awaits are always ready */

eddy_frame(gives) {
    eddy_coro co;
};

static void gives(eddy_coro *co)
{
    eddy_begin(gives);
    while (true) {
        cost();
        eddy_await(give(co, 0));
    }
    eddy_end;
}

test(an_await_that_is_always_ready)
{
    start(gives);
    assert_int_equal(fires_at(), AFTER_SHARES);
}

/* ---- two tasks that hand over to each other */

struct gate {
    struct eddy_waiters line;
};

static const struct eddy_wait_kind gate_kind = {.name = "gate"};

EDDY_MUST_USE static int64_t gate_wait(eddy_coro *co, struct gate *gate)
{
    int64_t result = eddy_check(co);

    return result < 0 ? result : eddy_park(co, &gate_kind, gate, &gate->line);
}

static void gate_open(struct gate *gate)
{
    struct eddy_task_record *task = eddy_waiters_first(&gate->line);

    if (task != NULL) {
        eddy_wake(task, 0);
    }
}

eddy_frame(plays) {
    eddy_coro co;
    struct gate *mine;
    struct gate *other;
};

static void plays(eddy_coro *co)
{
    eddy_begin(plays);
    while (true) {
        cost();
        gate_open(self->other);
        eddy_await(gate_wait(co, self->mine));
    }
    eddy_end;
}

test(two_tasks_that_play_ping_pong)
{
    static struct gate gates[2];

    memset(gates, 0, sizeof gates);
    start(plays, .mine = &gates[0], .other = &gates[1]);
    start(plays, .mine = &gates[1], .other = &gates[0]);
    assert_fires_within(1000); /* the loop looks once a millisecond */
}

/* ---- a client that sends all the time */

static eddy_stream stream;
static eddy_stream sink;
static int peer;

static void refill(void)
{
    static const char block[1024];

    (void)send(peer, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t read_and_cost(const struct eddy_sys *sys, int fd, void *buffer, size_t size)
{
    cost();
    refill();
    return real.read(sys, fd, buffer, size);
}

eddy_frame(reads) {
    eddy_coro co;
    char buffer[64];
};

static void reads(eddy_coro *co)
{
    eddy_begin(reads);
    while (true) {
        eddy_await(eddy_read(co, &stream, self->buffer, sizeof self->buffer));
    }
    eddy_end;
}

static ssize_t send_nowhere(const struct eddy_sys *sys, int fd, const void *buffer, size_t size)
{
    (void)sys;
    (void)fd;
    (void)buffer;
    return (ssize_t)size;
}

static ssize_t read_endlessly(const struct eddy_sys *sys, int fd, void *buffer, size_t size)
{
    (void)sys;
    (void)fd;
    (void)buffer;
    cost();
    return (ssize_t)size;
}

static void open_flooded_stream(int fds[2])
{
    testing_socketpair(fds);
    memset(&stream, 0, sizeof stream);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    peer = fds[1];
    refill();
    testing.sys.table.read = read_and_cost;
}

test(a_client_that_sends_all_the_time)
{
    int fds[2];

    open_flooded_stream(fds);
    start(reads);
    assert_int_equal(fires_at(), AFTER_SHARES);
    eddy_stream_close(&stream);
    close(peer);
    testing_free();
}

eddy_frame(copies) {
    eddy_coro co;
};

static void copies(eddy_coro *co)
{
    eddy_begin(copies);
    eddy_await(eddy_copy(co, &stream, &sink, NULL));
    eddy_end;
}

test(a_client_that_sends_all_the_time_to_another)
{
    int fds[2];
    int null_fds[2];
    eddy_task task;

    open_flooded_stream(fds);
    testing_socketpair(null_fds);
    memset(&sink, 0, sizeof sink);
    assert_int_equal(eddy_stream_open(testing.loop, &sink, null_fds[0]), 0);
    testing.sys.table.read = read_endlessly;
    testing.sys.table.send = send_nowhere;
    task = start(copies);
    /* Sixteen pieces are a copy's share, and it has one more. */
    assert_fires_within(1000 + 2 * 16 * COST);
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    eddy_stream_close(&sink);
    eddy_stream_close(&stream);
    close(null_fds[1]);
    close(peer);
    testing_free();
}

/* ---- clients without end */

static eddy_server server;

/* A client that has hung up already; the one in the backlog stays there. */
static int accept_and_cost(const struct eddy_sys *sys, int fd, struct sockaddr *address,
                           socklen_t *size, int flags)
{
    int fds[2];

    (void)sys;
    (void)fd;
    (void)address;
    (void)flags;
    *size = 0;
    cost();
    testing_socketpair(fds);
    close(fds[1]);
    return fds[0];
}

eddy_frame(sees_off) {
    eddy_coro co;
    eddy_stream *stream;
    char byte;
};

static void sees_off(eddy_coro *co)
{
    eddy_begin(sees_off);
    eddy_await(eddy_read(co, self->stream, &self->byte, 1));
    eddy_end;
}

eddy_frame(serves) {
    eddy_coro co;
};

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, sees_off));
    eddy_end;
}

test(clients_without_end)
{
    int fd;

    memset(&server, 0, sizeof server);
    assert_int_equal(run(serves), 0);
    testing.sys.table.accept4 = accept_and_cost;
    fd = net_connect(eddy_server_port(&server));
    net_wait_readable(server.first.io.fd);
    /* The clock is read before a turn's accepts: the first turn that begins after the time. */
    assert_int_equal(fires_at(), (20000 / COST / ACCEPTS + 2) * ACCEPTS * COST);
    assert_int_equal(server.accepted, flood);
    assert_true(server.active <= 2 * ACCEPTS);
    close(fd);
    eddy_server_close(&server);
    testing_free();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        flood_case(an_await_that_is_always_ready),
        flood_case(two_tasks_that_play_ping_pong),
        flood_case(a_client_that_sends_all_the_time),
        flood_case(a_client_that_sends_all_the_time_to_another),
        flood_case(clients_without_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
