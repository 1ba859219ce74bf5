/* look.h: what is told of each kind of wait. */
#include "support/net.h"
#include "support/text.h"
#include "support/things.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>

#include "eddy/io.h"
#include "eddy/server.h"
#include "eddy/signal.h"
#include "eddy/stream.h"

eddy_frame(limited) {
    eddy_coro co;
    struct thing *thing;
};

static void limited(eddy_coro *co)
{
    eddy_begin(limited);
    eddy_await(eddy_wait_for(co, 5 * EDDY_SECOND, take_thing(co, self->thing)));
    eddy_end;
}

eddy_frame(ignores) {
    eddy_coro co;
    eddy_task task;
};

static void ignores(eddy_coro *co)
{
    eddy_begin(ignores);
    eddy_await(eddy_join(co, self->task));
    eddy_end;
}

test(a_time_out_and_a_cancel_are_told)
{
    static struct thing thing;
    eddy_task inner = start(cleans, .name = "c", .body = 9, .cleanup = 9);
    eddy_task joiner = start(ignores, .task = inner);

    thing = (struct thing){.name = "pen"};
    start(takes, .first = &thing, .second = &thing);
    testing_turns();
    start(limited, .thing = &thing);
    testing_turns();
    testing.clock.now += 2 * EDDY_SECOND;
    assert_dumped("limited waits 2.0 s for thing: pen; #3 must act; time-out: 3.0 s left\n");
    eddy_cancel(joiner);
    assert_dumped("; cancelled\n");
    testing_turns();
    testing.log[0] = '\0';
}

eddy_frame(joins_for_a_second) {
    eddy_coro co;
    eddy_task task;
};

static void joins_for_a_second(eddy_coro *co)
{
    eddy_begin(joins_for_a_second);
    eddy_await(eddy_wait_for(co, EDDY_SECOND, eddy_join(co, self->task)));
    eddy_end;
}

test(a_time_out_that_was_passed_on_is_told_as_a_cancel)
{
    start(joins_for_a_second, .task = start(cleans, .name = "c", .body = 9, .cleanup = 9));
    assert_int_equal(run(sleeps, .seconds = 2), 0);
    assert_dumped("#2 joins_for_a_second waits 2.0 s for join: cleans (" __FILE__);
    assert_dumped("; #1 must act; cancelled\n");
    testing_free();
    testing.log[0] = '\0';
}

eddy_frame(waits_for_fd) {
    eddy_coro co;
    int fd;
    unsigned events;
};

static void waits_for_fd(eddy_coro *co)
{
    eddy_begin(waits_for_fd);
    eddy_await(eddy_fd_wait(co, self->fd, self->events));
    eddy_end;
}

test(an_fd_is_told_with_its_events_and_what_it_is)
{
    int fds[2];
    int pair[2];
    char expected[128];

    testing_pipe(fds);
    testing_socketpair(pair);
    start(waits_for_fd, .fd = fds[0], .events = EDDY_READ);
    start(waits_for_fd, .fd = pair[0], .events = EDDY_READ | EDDY_PRIORITY);
    testing_turns();
    snprintf(expected, sizeof expected, "for fd: fd %d read\n", fds[0]);
    assert_dumped(expected);
    snprintf(expected, sizeof expected, "for fd: fd %d (unix) read priority\n", pair[0]);
    assert_dumped(expected);
    testing_free();
    for (int i = 0; i < 2; i++) {
        close(fds[i]);
        close(pair[i]);
    }
}

eddy_frame(waits_for_kept_fd) {
    eddy_coro co;
    eddy_fd *fd;
};

static void waits_for_kept_fd(eddy_coro *co)
{
    eddy_begin(waits_for_kept_fd);
    eddy_await(eddy_fd_ready(co, self->fd, EDDY_READ | EDDY_PRIORITY));
    eddy_end;
}

test(a_kept_fd_is_told_alike)
{
    static eddy_fd fd;
    int fds[2];
    char expected[128];

    testing_pipe(fds);
    assert_int_equal(eddy_fd_init(testing.loop, &fd, fds[0]), 0);
    start(waits_for_kept_fd, .fd = &fd);
    testing_turns();
    snprintf(expected, sizeof expected, "for fd: fd %d read priority\n", fds[0]);
    assert_dumped(expected);
    testing_free();
    close(fds[0]);
    close(fds[1]);
}

static char bytes[1 << 22];

enum stream_use { USE_READ, USE_READABLE, USE_WRITE };

eddy_frame(uses) {
    eddy_coro co;
    eddy_stream *stream;
    enum stream_use use;
};

static void uses(eddy_coro *co)
{
    eddy_begin(uses);
    if (self->use == USE_READ) {
        eddy_await(eddy_read(co, self->stream, bytes, 10));
    } else if (self->use == USE_READABLE) {
        eddy_await(eddy_readable(co, self->stream));
    } else {
        eddy_await(eddy_write(co, self->stream, bytes, sizeof bytes));
    }
    eddy_end;
}

static int port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

test(a_stream_is_told_with_its_peer_and_how_much_is_written)
{
    static eddy_stream stream;
    char expected[160];
    int fds[2];

    net_tcp_pair(fds);
    net_small_send_buffer(fds[0]); /* the kernel does not take it all */
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    start(uses, .stream = &stream, .use = USE_READ);
    start(uses, .stream = &stream, .use = USE_WRITE);
    testing_turns();
    snprintf(expected, sizeof expected, "for read: fd %d (127.0.0.1:%d)\n", fds[0],
             port_of(fds[1]));
    assert_dumped(expected);
    snprintf(expected, sizeof expected,
             "for write: fd %d (127.0.0.1:%d), %zu of %zu bytes written\n", fds[0], port_of(fds[1]),
             eddy_stream_written(&stream), sizeof bytes);
    assert_dumped(expected);
    eddy_stream_close(&stream);
    testing_free();
    close(fds[1]);
    testing.errors.count = 0;
}

test(an_fd_of_which_the_system_tells_nothing_is_a_number)
{
    static eddy_stream stream;
    char expected[64];
    int fds[2];

    net_tcp_pair(fds);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    start(uses, .stream = &stream, .use = USE_READABLE);
    testing_turns();
    testing_fail_from(getpeername, 1, -ENOTCONN);
    testing_fail_from(getsockname, 1, -ENOBUFS);
    snprintf(expected, sizeof expected, "for readable: fd %d\n", fds[0]);
    assert_dumped(expected);
    eddy_stream_close(&stream);
    testing_free();
    close(fds[1]);
    testing.errors.count = 0;
}

eddy_frame(waits_for_signals) {
    eddy_coro co;
};

static void waits_for_signals(eddy_coro *co)
{
    eddy_begin(waits_for_signals);
    eddy_await(eddy_signal_wait(co, EDDY_SIGNAL(SIGUSR2) | EDDY_SIGNAL(SIGTERM) | EDDY_SIGNAL(40)));
    eddy_end;
}

test(signals_are_told_by_name)
{
    start(waits_for_signals);
    testing_turns();
    assert_dumped("waits 0 ms for signal: SIGUSR2, SIGTERM, 40\n");
}

eddy_frame(serves_nobody) {
    eddy_coro co;
    eddy_stream *stream;
};

static void serves_nobody(eddy_coro *co)
{
    eddy_begin(serves_nobody);
    eddy_await(eddy_sleep(co, 100 * EDDY_SECOND));
    eddy_end;
}

eddy_frame(serves) {
    eddy_coro co;
    eddy_server server;
};

static int server_port;

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    eddy_await(eddy_serve(co, &self->server, "127.0.0.1", 0, serves_nobody));
    server_port = eddy_server_port(&self->server);
    eddy_await(eddy_server_wait_closed(co, &self->server));
    eddy_end;
}

test(a_server_is_told_with_its_port_and_its_clients)
{
    char expected[64];
    int fd;

    start(serves);
    testing_turns();
    fd = net_connect(server_port);
    testing_turns();
    snprintf(expected, sizeof expected, "for server: port %d, 1 client\n", server_port);
    assert_dumped(expected);
    close(fd);
}

static eddy_server lasting;

eddy_frame(serves_for_a_second) {
    eddy_coro co;
};

static void serves_for_a_second(eddy_coro *co)
{
    eddy_begin(serves_for_a_second);
    eddy_await(eddy_serve(co, &lasting, "127.0.0.1", 0, serves_nobody));
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    eddy_end;
}

test(the_tasks_of_clients_stand_below_the_one_that_serves_while_it_lives)
{
    eddy_task task;
    int fd;

    memset(&lasting, 0, sizeof lasting);
    start(sleeps, .seconds = 9);
    task = start(serves_for_a_second);
    testing_turns();
    fd = net_connect(eddy_server_port(&lasting));
    testing_turns();
    assert_dumped("\n#2 serves_for_a_second waits 0 ms for sleep: 1.0 s left\n");
    assert_dumped("\n`-- #3 serves_nobody waits 0 ms for sleep: 1 min 40 s left\n");
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
    assert_dumped("\n#3 serves_nobody waits 1.0 s for sleep: 1 min 39 s left\n");
    eddy_server_close(&lasting);
    testing_free();
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_time_out_and_a_cancel_are_told),
        testing_case(a_time_out_that_was_passed_on_is_told_as_a_cancel),
        testing_case(an_fd_is_told_with_its_events_and_what_it_is),
        testing_case(a_kept_fd_is_told_alike),
        testing_case(a_stream_is_told_with_its_peer_and_how_much_is_written),
        testing_case(an_fd_of_which_the_system_tells_nothing_is_a_number),
        testing_case(signals_are_told_by_name),
        testing_case(a_server_is_told_with_its_port_and_its_clients),
        testing_case(the_tasks_of_clients_stand_below_the_one_that_serves_while_it_lives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
