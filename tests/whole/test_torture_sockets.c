/* Datagrams, an fd that is passed, and a connect to one of two addresses, in one coroutine, while each
 * system call that these make fails with each error it may give: nothing leaks, and it ends. */
#include "support/net.h"
#include "support/tasks.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/datagram.h"
#include "eddy/unix.h"

static struct eddy_address nobody, somebody;
static int listener;

eddy_frame(does_all) {
    eddy_coro co;
    eddy_datagram one, two;
    struct eddy_address here, there;
    struct eddy_packet packets[3];
    char bytes[3][4];
    eddy_stream ends[2];
    struct eddy_fds fds;
    int numbers[1];
    int pair[2];
    char byte;
    eddy_stream stream;
    struct eddy_address to[2];
};

static void does_all(eddy_coro *co)
{
    eddy_begin(does_all);
    /* datagrams */
    eddy_await(eddy_datagram_open(eddy_loop_of(co), &self->one, AF_INET));
    eddy_await(eddy_datagram_open(eddy_loop_of(co), &self->two, AF_INET));
    eddy_await(eddy_address_parse(&self->here, "127.0.0.1", 0));
    eddy_await(eddy_datagram_bind(&self->one, &self->here));
    eddy_await(eddy_datagram_address(&self->one, &self->there));
    for (int i = 0; i < 3; i++) {
        self->packets[i] = (struct eddy_packet){self->bytes[i], 4, 0, &self->there};
    }
    eddy_await(eddy_datagram_send_many(co, &self->two, self->packets, 3));
    eddy_await(eddy_datagram_send(co, &self->two, "x", 1, &self->there));
    eddy_await(eddy_datagram_receive(co, &self->one, &self->byte, 1, &self->here));
    for (int i = 0; i < 3; i++) {
        self->packets[i].address = NULL;
    }
    eddy_await(eddy_datagram_receive_many(co, &self->one, self->packets, 3));
    /* an fd */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, self->pair), 0);
    for (int i = 0; i < 2; i++) {
        int result = eddy_stream_open(eddy_loop_of(co), &self->ends[i], self->pair[i]);
        if (result < 0) {
            close(self->pair[i]);
            if (i == 0) {
                close(self->pair[1]);
            }
            eddy_return(result);
        }
    }
    self->numbers[0] = STDERR_FILENO;
    self->fds = (struct eddy_fds){.fds = self->numbers, .count = 1, .room = 1};
    eddy_await(eddy_send_fds(co, &self->ends[0], "f", 1, &self->fds));
    eddy_await(eddy_receive_fds(co, &self->ends[1], &self->byte, 1, &self->fds));
    while (self->fds.count > 0) {
        close(self->numbers[--self->fds.count]);
    }
    /* two addresses, of which one refuses */
    self->to[0] = nobody;
    self->to[1] = somebody;
    eddy_await(eddy_connect_any(co, &self->stream, self->to, 2, NULL));
eddy_finally:
    eddy_datagram_close(&self->one);
    eddy_datagram_close(&self->two);
    eddy_stream_close(&self->ends[0]);
    eddy_stream_close(&self->ends[1]);
    eddy_stream_close(&self->stream);
    eddy_end;
}

eddy_frame_of(tries, int64_t rc);

static void tries(eddy_coro *co)
{
    eddy_begin(tries);
    eddy_catch(self->rc, eddy_wait_for(co, 5 * EDDY_SECOND, eddy_call(co, does_all)));
    eddy_return(self->rc);
    eddy_end;
}

#define CALL(name)                \
    {                             \
#name, TESTING_CALL(name) \
    }
static const struct {
    const char *name;
    size_t call;
} calls[] = {
    CALL(socket),     CALL(bind),    CALL(epoll_ctl),   CALL(connect), CALL(getsockopt),
    CALL(setsockopt), CALL(sendmsg), CALL(getsockname), CALL(recvmsg), CALL(sendmmsg),
    CALL(recvmmsg),   CALL(fcntl),   CALL(close),
};

static const int errors[] = {-EAGAIN,     -EINTR,  -EMFILE, -ENOMEM, -ENOBUFS,    -ECONNREFUSED,
                             -ECONNRESET, -ENOSPC, -EPERM,  -EINVAL, -ENETUNREACH};

/* Whether there was a k-th. */
static bool fails(size_t which, unsigned k, bool on, int error)
{
    unsigned before = testing_calls_of(calls[which].call);
    int fds = net_count_open();
    int64_t result;
    int client;

    testing_fail_call(calls[which].call, k, error, on);
    result = run(tries);
    testing_fail_call(calls[which].call, 0, 0, false);
    testing.errors.count = 0;
    while ((client = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        close(client);
    }
    /* an address that could not be tried is not always the one that tells most */
    if (result != 0 && result != error && result != -ETIMEDOUT && result != -ECONNREFUSED) {
        fail_msg("%s %u failed with %d: the result is %lld", calls[which].name, k, error,
                 (long long)result);
    }
    if (net_count_open() != fds) {
        fail_msg("%s %u failed with %d: %d fds leaked", calls[which].name, k, error,
                 net_count_open() - fds);
    }
    return testing_calls_of(calls[which].call) - before >= k;
}

static void fail_each(bool on)
{
    int port;

    listener = net_listener(&port);
    assert_int_equal(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(eddy_address_parse(&somebody, "127.0.0.1", port), 0);
    assert_int_equal(eddy_address_parse(&nobody, "127.0.0.1", 1), 0);
    assert_int_equal(run(tries), 0);
    for (size_t which = 0; which < sizeof calls / sizeof *calls; which++) {
        for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
            if (on && errors[i] == -EINTR) {
                continue; /* no kernel interrupts for ever */
            }
            for (unsigned k = 1; fails(which, k, on, errors[i]); k++) {
                assert_true(k < 100);
            }
        }
    }
    close(listener);
}

test(each_call_may_fail_with_each_error)
{
    fail_each(false);
}

test(each_call_and_all_after_it_may_fail_with_each_error)
{
    fail_each(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(each_call_may_fail_with_each_error),
        testing_case(each_call_and_all_after_it_may_fail_with_each_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
