/* A whole echo conversation, server and client in one loop, from making the loop to freeing it,
 * while memory and system calls fail, are interrupted, or do less than they are asked for. */
#include "support/children.h"
#include "support/echo.h"
#include "support/net.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "eddy/deadline.h"
#include "eddy/server.h"
#include "eddy/signal.h"
#include "eddy/stream.h"

enum { MOST_FAILURES = 1000 /* of one call: a conversation makes far fewer */ };

static eddy_server server;
static enum { BY_WRITES, BY_COPY, BY_WRITER, BY_FILE } way; /* of the handler to echo */
static struct eddy_sys real; /* the kit's own functions, under those that a test puts in */

/* The case has its own loop for every conversation. */
static int setup(void **state)
{
    int result = testing_setup(state);

    real = testing.sys.table;
    testing_free();
    return result;
}

static int setup_copies(void **state)
{
    way = BY_COPY;
    return setup(state);
}

static int setup_echo(void **state)
{
    way = BY_WRITES;
    return setup(state);
}

static int setup_writer(void **state)
{
    way = BY_WRITER;
    return setup(state);
}

static int setup_file(void **state)
{
    way = BY_FILE;
    return setup(state);
}

/* A case for each handler. */
#define torture_cases(name)                                              \
    {#name, name, setup_echo, testing_teardown, NULL},                   \
        {#name "__by_copy", name, setup_copies, testing_teardown, NULL}, \
        {#name "__by_file", name, setup_file, testing_teardown, NULL},   \
    {                                                                    \
#name "__by_writer", name, setup_writer, testing_teardown, NULL  \
    }

/* ---- the conversation */

/* Whatever comes is a file, which is sent. */
eddy_frame(echo_by_file) {
    eddy_coro co;
    eddy_stream *stream;
    int file;
    size_t count;
    char buffer[1024];
};

static void echo_by_file(eddy_coro *co)
{
    eddy_begin(echo_by_file);
    self->file = memfd_create("eddy", MFD_CLOEXEC);
    assert_true(self->file >= 0);
    do {
        eddy_await(self->count, eddy_read(co, self->stream, self->buffer, sizeof self->buffer));
        assert_int_equal(pwrite(self->file, self->buffer, self->count, 0), self->count);
        eddy_await(eddy_send_file(co, self->stream, self->file, 0, (int64_t)self->count));
    } while (self->count > 0);
eddy_finally:
    close(self->file);
    eddy_end;
}

/* Reads until the text has come: 0, or -EPROTO if something else has. */
eddy_frame(expects) {
    eddy_coro co;
    eddy_stream *stream;
    const char *text;
    size_t got;
    size_t count;
    char buffer[16];
};

static void expects(eddy_coro *co)
{
    eddy_begin(expects);
    while (self->got < strlen(self->text)) {
        eddy_await(self->count, eddy_read(co, self->stream, self->buffer + self->got,
                                          sizeof self->buffer - self->got));
        if (self->count == 0) {
            eddy_return(-EPROTO);
        }
        self->got += self->count;
    }
    eddy_return(memcmp(self->buffer, self->text, self->got) == 0 ? 0 : -EPROTO);
    eddy_end;
}

/* As a client that ends by shutting its side. */
eddy_frame(talks) {
    eddy_coro co;
    eddy_stream stream;
    struct iovec pieces[2];
    int64_t rc;
    char byte;
};

static void talks(eddy_coro *co)
{
    static char first[] = "wor";
    static char second[] = "ld!";

    eddy_begin(talks);
    self->pieces[0] = (struct iovec){first, 3};
    self->pieces[1] = (struct iovec){second, 3};
    eddy_await(eddy_connect(co, &self->stream, "127.0.0.1", eddy_server_port(&server)));
    eddy_await(eddy_write(co, &self->stream, "hello, ", 7));
    eddy_await(eddy_call(co, expects, .stream = &self->stream, .text = "hello, "));
    eddy_await(eddy_writev(co, &self->stream, self->pieces, 2));
    eddy_await(eddy_call(co, expects, .stream = &self->stream, .text = "world!"));
    eddy_await(eddy_stream_shutdown_write(&self->stream));
    eddy_await(self->rc, eddy_read(co, &self->stream, &self->byte, 1));
    eddy_return(self->rc == 0 ? 0 : -EPROTO);
eddy_finally:
    eddy_stream_close(&self->stream);
    eddy_end;
}

eddy_frame(converses) {
    eddy_coro co;
    int64_t rc;
};

static int begun;
static int cleaned_up;

static void converses(eddy_coro *co)
{
    eddy_begin(converses);
    begun++;
    server.idle_timeout = EDDY_SECOND;
    eddy_await(eddy_signal_watch(eddy_loop_of(co), EDDY_SIGNAL(SIGUSR1)));
    if (way == BY_COPY) {
        eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, echo_by_copy));
    } else if (way == BY_FILE) {
        eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, echo_by_file));
    } else if (way == BY_WRITER) {
        eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, echo_by_writer));
    } else {
        eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, echo, .most = 3));
    }
    eddy_await(eddy_wait_for(co, 5 * EDDY_SECOND, eddy_call(co, talks)));
eddy_finally:
    eddy_server_close(&server);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_server_wait_closed(co, &server)));
    cleaned_up++;
    eddy_end;
}

/* Makes a loop, holds the conversation in it, and frees it; the first error. */
static int64_t hold_conversation(void)
{
    int64_t result;
    int freed;

    memset(&server, 0, sizeof server);
    memset(testing.sys.calls, 0, sizeof testing.sys.calls);
    eddy_clock_init(&testing.clock, EDDY_CLOCK_VIRTUAL);
    testing.memory.calls = 0;
    result = eddy_loop_new(&testing.loop, &testing.options);
    if (result == 0) {
        result = testing_run_task(converses);
        freed = eddy_loop_free(testing.loop);
        result = result == 0 ? freed : result;
    }
    testing.loop = NULL;
    testing.errors.count = 0; /* a handler that failed was told */
    return result;
}

/* ---- what must hold however it ends */

/* One side has failed: the other sees the connection end, or nothing more come. */
static bool is_clear(int64_t result, int error)
{
    return result == 0 || result == error || result == -EPROTO || result == -ECONNRESET ||
           result == -EPIPE || result == -ETIMEDOUT;
}

static void assert_clean(const char *what, unsigned k, bool on, int error, int64_t result, int fds)
{
    const char *from = on ? " and all after it" : "";

    if (!is_clear(result, error)) {
        fail_msg("%s %u%s failed with %d: the result is %lld", what, k, from, error,
                 (long long)result);
    }
    if (testing.memory.bytes != 0 || net_count_open() != fds) {
        fail_msg("%s %u%s failed with %d: %zu bytes and %d fds leaked", what, k, from, error,
                 testing.memory.bytes, net_count_open() - fds);
    }
    if (eddy_io_started(&server.first.io) || server.active != 0 || begun != cleaned_up) {
        fail_msg("%s %u%s failed with %d: not all was closed", what, k, from, error);
    }
}

test(the_conversation_is_held)
{
    assert_int_equal(hold_conversation(), 0);
    assert_int_equal(server.accepted, 1);
    assert_int_equal(testing.clock.now, 0);
}

/* ---- memory */

/* Fails allocation k, or with `on` all from it; false if there are fewer. */
static bool fail_allocation(unsigned k, bool on, int fds)
{
    int64_t result;

    testing.memory.fail_at = k;
    testing.memory.fail_on = on;
    result = hold_conversation();
    testing.memory.fail_at = 0;
    assert_clean("allocation", k, on, -ENOMEM, result, fds);
    return testing.memory.calls >= k;
}

static void fail_each_allocation(bool on)
{
    int fds = net_count_open();
    unsigned k = 1;

    while (fail_allocation(k, on, fds)) {
        k++;
    }
    assert_in_range(k, 6, MOST_FAILURES);
}

test(each_allocation_may_fail)
{
    fail_each_allocation(false);
}

test(each_allocation_and_all_after_it_may_fail)
{
    fail_each_allocation(true);
}

/* ---- system calls */

#define CALL(name)                \
    {                             \
#name, TESTING_CALL(name) \
    }
static const struct {
    const char *name;
    size_t call;
} calls[] = {
    /* all that the conversation makes but for clock_now, which has no errors */
    CALL(epoll_create), CALL(epoll_ctl), CALL(epoll_wait), CALL(eventfd),    CALL(signalfd),
    CALL(signal_mask),  CALL(socket),    CALL(bind),       CALL(listen),     CALL(accept4),
    CALL(connect),      CALL(shutdown),  CALL(getsockopt), CALL(setsockopt), CALL(getsockname),
    CALL(read),         CALL(send),      CALL(sendv),      CALL(fcntl),      CALL(close),
    CALL(sendfile),     CALL(pread),
};
enum { CALLS = sizeof calls / sizeof *calls };

static const int errors[] = {-EAGAIN,       -EMFILE,     -ENFILE, -ENOMEM, -ENOBUFS, -ECONNABORTED,
                             -ECONNREFUSED, -ECONNRESET, -EPIPE,  -ENOSPC, -EPERM,   -EACCES,
                             -EADDRINUSE,   -ETIMEDOUT,  -EIO,    -EINVAL, -ENOSYS};
enum { ERRORS = sizeof errors / sizeof *errors };

/* Fails call number k, or with `on` all from it; false if there are fewer. */
static bool fail_call(size_t which, unsigned k, bool on, int error, int64_t *result)
{
    size_t call = calls[which].call;

    memset(testing.sys.fail, 0, sizeof testing.sys.fail);
    testing.sys.fail[call].at = k;
    testing.sys.fail[call].on = on;
    testing.sys.fail[call].error = error;
    *result = hold_conversation();
    testing.sys.fail[call].at = 0;
    return testing_calls_of(call) >= k;
}

static void fail_each_call(int error, bool on)
{
    int fds = net_count_open();
    int64_t result;

    for (size_t which = 0; which < CALLS; which++) {
        if (on && error == -EAGAIN && calls[which].call == TESTING_CALL(accept4)) {
            continue; /* no kernel tells of clients for ever and has none */
        }
        for (unsigned k = 1; fail_call(which, k, on, error, &result); k++) {
            assert_clean(calls[which].name, k, on, error, result, fds);
            assert_true(k < MOST_FAILURES);
        }
        assert_clean(calls[which].name, 0, on, error, result, fds);
    }
}

test(each_call_may_fail_with_each_error)
{
    for (size_t i = 0; i < ERRORS; i++) {
        fail_each_call(errors[i], false);
    }
}

test(each_call_and_all_after_it_may_fail_with_each_error)
{
    for (size_t i = 0; i < ERRORS; i++) {
        fail_each_call(errors[i], true);
    }
}

/* Of those that may wait, or that a signal may meet. */
test(a_call_that_is_interrupted_changes_nothing)
{
    for (size_t which = 0; which < CALLS; which++) {
        const char *name = calls[which].name;
        int64_t result = 0;
        if (strcmp(name, "epoll_wait") != 0 && strcmp(name, "accept4") != 0 &&
            strcmp(name, "read") != 0 && strcmp(name, "send") != 0 && strcmp(name, "sendv") != 0 &&
            strcmp(name, "close") != 0) {
            continue;
        }
        for (unsigned k = 1; fail_call(which, k, false, -EINTR, &result); k++) {
            if (result != 0) {
                fail_msg("%s %u was interrupted: the result is %lld", name, k, (long long)result);
            }
        }
    }
}

/* ---- a kernel that does as little as it may */

static bool interrupted; /* every other call is */

static bool is_interrupted(void)
{
    interrupted = !interrupted;
    return interrupted;
}

static ssize_t read_if_not_interrupted(const struct eddy_sys *sys, int fd, void *buffer,
                                       size_t size)
{
    return is_interrupted() ? -EINTR : real.read(sys, fd, buffer, size);
}

static ssize_t send_a_byte(const struct eddy_sys *sys, int fd, const void *buffer, size_t size)
{
    return is_interrupted() ? -EINTR : real.send(sys, fd, buffer, size > 0 ? 1 : 0);
}

static ssize_t send_a_byte_of_pieces(const struct eddy_sys *sys, int fd, struct iovec *pieces,
                                     int count)
{
    return count == 0 ? real.sendv(sys, fd, pieces, count)
                      : send_a_byte(sys, fd, pieces[0].iov_base, pieces[0].iov_len);
}

static ssize_t send_a_byte_of_a_file(const struct eddy_sys *sys, int to, int from, int64_t offset,
                                     size_t size)
{
    return is_interrupted() ? -EINTR : real.sendfile(sys, to, from, offset, size > 0 ? 1 : 0);
}

static int accept_if_not_interrupted(const struct eddy_sys *sys, int fd, struct sockaddr *address,
                                     socklen_t *size, int flags)
{
    return is_interrupted() ? -EINTR : real.accept4(sys, fd, address, size, flags);
}

static int wait_if_not_interrupted(const struct eddy_sys *sys, int epoll,
                                   struct epoll_event *events, int most, int milliseconds)
{
    return is_interrupted()
               ? -EINTR
               : real.epoll_wait(sys, epoll, events, most > 1 ? 1 : most, milliseconds);
}

test(interrupted_every_other_time_one_byte_and_one_event_at_a_time)
{
    testing.sys.table.read = read_if_not_interrupted;
    testing.sys.table.send = send_a_byte;
    testing.sys.table.sendv = send_a_byte_of_pieces;
    testing.sys.table.sendfile = send_a_byte_of_a_file;
    testing.sys.table.accept4 = accept_if_not_interrupted;
    testing.sys.table.epoll_wait = wait_if_not_interrupted;
    assert_int_equal(hold_conversation(), 0);
    assert_int_equal(testing_calls(send) + testing_calls(sendfile),
                     2 * 13); /* "hello, world!", there and back */
    assert_int_equal(testing_calls(sendv), 0);
}

test(a_kernel_without_epoll_pwait2)
{
    testing.options.clock = NULL; /* a real clock: it waits with a time-out */
    for (int i = 0; i < 2; i++) {
        testing_forget_calls();
        testing_fail_from(epoll_pwait2, 1, i == 0 ? -ENOSYS : -EPERM);
        assert_int_equal(hold_conversation(), 0);
        assert_int_equal(testing_calls(epoll_pwait2), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        torture_cases(the_conversation_is_held),
        torture_cases(each_allocation_may_fail),
        torture_cases(each_allocation_and_all_after_it_may_fail),
        torture_cases(each_call_may_fail_with_each_error),
        torture_cases(each_call_and_all_after_it_may_fail_with_each_error),
        torture_cases(a_call_that_is_interrupted_changes_nothing),
        torture_cases(interrupted_every_other_time_one_byte_and_one_event_at_a_time),
        torture_cases(a_kernel_without_epoll_pwait2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
