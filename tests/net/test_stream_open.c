/* stream.h: what eddy_stream_open takes, and what a short read says about it. */
#include "support/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define spawn(...) eddy_loop_spawn(testing.loop, __VA_ARGS__)

/* ---- what it takes */

static void assert_refused(int fd, int error)
{
    eddy_stream refused = {0};

    assert_int_equal(eddy_stream_open(testing.loop, &refused, fd), error);
    assert_false(eddy_stream_is_open(&refused));
    assert_int_equal(eddy_stream_fd(&refused), -1);
    if (fd >= 0) {
        assert_true(net_is_open(fd));
        close(fd);
    }
}

test(sockets_that_are_no_streams_are_refused_by_their_type)
{
    assert_refused(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), -EPROTOTYPE);
    assert_refused(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), -EPROTOTYPE);
    assert_refused(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), -EPROTOTYPE);
}

test(a_socket_that_listens_is_refused)
{
    int port;

    assert_refused(net_listener(&port), -EINVAL);
}

test(whatever_the_kernel_does_not_tell_about_it_is_an_error)
{
    for (unsigned k = 1; k <= 3; k++) { /* its type, whether it listens, its protocol */
        testing_fail(getsockopt, k, -EIO);
        assert_refused(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), -EIO);
    }
}

/* ---- short reads */

/* Reads twice while one byte is sent, and then the other; how many calls of read(2) it took. */
static unsigned calls_of_two_reads(void)
{
    eddy_task task;

    (void)testing_turns();
    testing_forget_calls();
    task = spawn(reads, .name = "r", .times = 2);
    (void)testing_turns();
    net_send(peer, "a");
    (void)testing_turns();
    net_send(peer, "b");
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
    testing_assert_log("r:a r:b");
    return testing_calls(read);
}

test(a_short_read_empties_a_tcp_socket_and_the_kernel_is_not_asked_again)
{
    use_tcp();
    assert_int_equal(calls_of_two_reads(), 2);
}

/* Nobody knows what becomes of it: kTLS is set up on a connection after its handshake. */
test(once_somebody_has_had_its_fd_it_is_asked)
{
    use_tcp();
    assert_true(eddy_stream_fd(&stream) >= 0);
    assert_int_equal(calls_of_two_reads(), 3);
}

static const char *layer;

static int getsockopt_(const struct eddy_sys *sys, int fd, int level, int name, void *value,
                       socklen_t *size)
{
    if (level == IPPROTO_TCP && name == TCP_ULP) {
        *size = (socklen_t)strlen(layer) + 1;
        memcpy(value, layer, *size);
        return 0;
    }
    return eddy_sys_default()->getsockopt(sys, fd, level, name, value, size);
}

test(so_it_is_if_there_is_something_on_top_of_it_already)
{
    layer = "tls";
    testing.sys.table.getsockopt = getsockopt_;
    use_tcp();
    assert_int_equal(calls_of_two_reads(), 3);
}

test(a_socket_that_is_not_tcp_is_asked_always)
{
    assert_int_equal(calls_of_two_reads(), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stream_case(sockets_that_are_no_streams_are_refused_by_their_type),
        stream_case(a_socket_that_listens_is_refused),
        stream_case(whatever_the_kernel_does_not_tell_about_it_is_an_error),
        stream_case(a_short_read_empties_a_tcp_socket_and_the_kernel_is_not_asked_again),
        stream_case(once_somebody_has_had_its_fd_it_is_asked),
        stream_case(so_it_is_if_there_is_something_on_top_of_it_already),
        stream_case(a_socket_that_is_not_tcp_is_asked_always),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
