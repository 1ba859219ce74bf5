/* datagram.h: opening, options and groups, Unix-domain ones, and what fails. */
#include "support/datagrams.h"
#include "support/text.h"
#include "support/unix.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>

enum { CROWD = 4096 };

static eddy_datagram here, there;
static struct eddy_address at_here, at_there, from;
static char buffer[16];

static int setup(void **state)
{
    int result = testing_setup(state);

    memset(&here, 0, sizeof here);
    memset(&there, 0, sizeof there);
    return result != 0 ? result : open_directory();
}

static int teardown(void **state)
{
    eddy_datagram_close(&here);
    eddy_datagram_close(&there);
    return testing_teardown(state) != 0 || close_directory() != 0 ? -1 : 0;
}

#define datagram_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static int64_t send_to(eddy_datagram *by, struct eddy_address *to)
{
    return run(sends_one, .by = by, .text = "hello", .size = 5, .to = to);
}

static int64_t receive(eddy_datagram *by)
{
    return run(receives_one, .by = by, .buffer = buffer, .size = sizeof buffer, .from = &from);
}

/* ---- opening */

test(a_socket_is_nonblocking_close_on_exec_and_none_of_the_standard_fds)
{
    int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 100);

    assert_true(saved >= 0);
    close(STDIN_FILENO);
    assert_int_equal(eddy_datagram_open(testing.loop, &here, AF_INET), 0);
    assert_true(eddy_datagram_fd(&here) > 2);
    assert_true((fcntl(eddy_datagram_fd(&here), F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(eddy_datagram_fd(&here), F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    close(saved);
}

test(one_that_is_open_is_not_opened_again_and_other_families_are_not_known)
{
    assert_int_equal(eddy_datagram_open(testing.loop, &here, AF_UNSPEC), -EAFNOSUPPORT);
    assert_int_equal(eddy_datagram_open(testing.loop, &here, AF_INET), 0);
    assert_int_equal(eddy_datagram_open(testing.loop, &here, AF_INET), -EINVAL);
    eddy_datagram_close(&here);
    eddy_datagram_close(&here);
    assert_int_equal(eddy_datagram_fd(&here), -1);
    assert_int_equal(eddy_datagram_open(testing.loop, &here, AF_INET), 0);
}

test(a_socket_of_the_callers_is_taken_over_if_it_is_of_datagrams)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(eddy_datagram_open_fd(testing.loop, &here, other), -EPROTOTYPE);
    close(other);
    assert_int_equal(eddy_datagram_open_fd(testing.loop, &here, STDIN_FILENO), -ENOTSOCK);
    assert_int_equal(eddy_datagram_open_fd(testing.loop, &here, 999), -EBADF);
    assert_int_equal(eddy_datagram_open_fd(testing.loop, &here, fd), 0);
    assert_int_equal(eddy_datagram_open_fd(testing.loop, &there, fd), -EEXIST);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    datagram_open(&there, AF_INET, &at_there);
    assert_int_equal(send_to(&here, &at_there), 5);
    assert_int_equal(receive(&there), 5);
}

test(what_is_not_open_is_ebadf)
{
    assert_int_equal(eddy_datagram_bind(&here, &address), -EBADF);
    assert_int_equal(eddy_datagram_connect(&here, &address), -EBADF);
    assert_int_equal(eddy_datagram_address(&here, &from), -EBADF);
    assert_int_equal(eddy_datagram_broadcast(&here, true), -EBADF);
    assert_int_equal(eddy_datagram_join(&here, &address, 0), -EBADF);
    assert_int_equal(eddy_datagram_multicast_hops(&here, 1), -EBADF);
    assert_int_equal(send_to(&here, &address), -EBADF);
    assert_int_equal(receive(&here), -EBADF);
}

test(each_call_that_fails_is_the_result_and_leaks_no_fd)
{
    testing_fail(socket, 1, -EMFILE);
    assert_int_equal(eddy_datagram_open(testing.loop, &here, AF_INET), -EMFILE);
    testing_fail(epoll_ctl, 1, -ENOSPC);
    assert_int_equal(eddy_datagram_open(testing.loop, &here, AF_INET), -ENOSPC);
    assert_false(eddy_datagram_is_open(&here));
    assert_int_equal(eddy_datagram_open(testing.loop, &here, AF_INET), 0);
    testing_fail(bind, 1, -EACCES);
    assert_int_equal(eddy_datagram_bind(&here, &address), -EACCES);
    testing_fail(connect, 1, -ENETUNREACH);
    assert_int_equal(eddy_datagram_connect(&here, &address), -ENETUNREACH);
    testing_fail(setsockopt, 1, -ENODEV);
    assert_int_equal(eddy_datagram_broadcast(&here, true), -ENODEV);
}

test(one_that_is_left_open_is_closed_with_the_loop_and_told)
{
    testing.options.flags |= EDDY_LOOP_REPORT_LEAKS;
    testing_reopen();
    datagram_open(&here, AF_INET, &at_here);
    testing_free();
    assert_told(-EBUSY, "a datagram socket is still open on fd");
    assert_int_equal(here.state, 0);
}

test(whose_number_comes_again_gives_way)
{
    eddy_task task;
    int fd;

    datagram_open(&here, AF_INET, &at_here);
    fd = eddy_datagram_fd(&here);
    task = start(receives_one, .by = &here, .buffer = buffer, .size = sizeof buffer);
    testing_turns();
    close(fd);
    datagram_open(&there, AF_INET, &at_there);
    assert_int_equal(eddy_datagram_fd(&there), fd);
    assert_int_equal(finish(task), -EBADF);
    assert_told(-EBADF, "was closed while a datagram socket");
    assert_int_equal(send_to(&there, &at_there), 5);
}

/* ---- Unix-domain ones */

static void open_unix(void)
{
    assert_int_equal(eddy_datagram_open(testing.loop, &there, AF_UNIX), 0);
    assert_int_equal(eddy_datagram_bind(&there, &address), 0);
    assert_int_equal(eddy_datagram_open(testing.loop, &here, AF_UNIX), 0);
}

test(a_path_is_sent_to_and_goes_with_its_socket)
{
    char text[EDDY_ADDRESS_TEXT];

    open_unix();
    assert_int_equal(send_to(&here, &address), 5);
    assert_int_equal(receive(&there), 5);
    assert_true(eddy_address_format(&from, text, sizeof text));
    assert_string_equal(text, "unix"); /* who has no name */
    assert_true(is_there(path));
    eddy_datagram_close(&there);
    assert_false(is_there(path));
    assert_int_equal(send_to(&here, &address), -ENOENT);
}

eddy_frame_of(fills, int count, int64_t rc);

static void fills(eddy_coro *co)
{
    eddy_begin(fills);
    while (true) {
        eddy_catch(self->rc, eddy_wait_for(co, 100 * EDDY_MILLISECOND,
                                           eddy_datagram_send(co, &here, "hello", 5, &address)));
        if (self->rc < 0) {
            testing_log("%s", self->rc == -ETIMEDOUT ? "full" : "?");
            eddy_return(self->count);
        }
        self->count++;
        assert_true(self->count < CROWD);
    }
    eddy_end;
}

test(a_receiver_without_room_is_tried_again_until_it_has)
{
    eddy_task task;
    int64_t count;
    unsigned calls;

    open_unix();
    count = run(fills);
    testing_assert_log("full");
    assert_true(count > 0);
    calls = testing_calls(sendmsg);
    task = start(sends_one, .by = &here, .text = "last", .size = 4, .to = &address);
    testing_turns();
    assert_int_equal(eddy_datagram_sent(&here), 0);
    assert_int_equal(receive(&there), 5);
    assert_int_equal(finish(task), 4);
    assert_int_equal(testing_calls(sendmsg) - calls, 2); /* at once, and after a millisecond */
    for (int64_t i = 1; i < count; i++) {
        assert_int_equal(receive(&there), 5);
    }
    assert_int_equal(receive(&there), 4);
}

test(a_wait_for_room_ends_by_a_cancel_and_by_closing)
{
    eddy_task task;

    open_unix();
    (void)run(fills);
    task = start(sends_one, .by = &here, .text = "last", .size = 4, .to = &address);
    testing_turns();
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    task = start(sends_one, .by = &here, .text = "last", .size = 4, .to = &address);
    testing_turns();
    eddy_datagram_close(&here);
    assert_int_equal(finish(task), -EBADF);
    testing.log[0] = '\0';
}

test(a_connected_one_hears_of_room)
{
    eddy_task task;

    open_unix();
    (void)run(fills);
    assert_int_equal(eddy_datagram_connect(&here, &address), 0);
    task = start(sends_one, .by = &here, .text = "last", .size = 4, .to = NULL);
    testing_turns();
    testing_forget_calls();
    while (!eddy_task_done(task)) {
        assert_true(receive(&there) > 0);
        testing_turns();
    }
    assert_int_equal(finish(task), 4);
    testing.log[0] = '\0';
}

/* ---- to many */

test(a_group_is_joined_and_left)
{
    struct eddy_address group;

    datagram_open(&here, AF_INET, &at_here);
    assert_int_equal(eddy_datagram_open(testing.loop, &there, AF_INET), 0);
    assert_int_equal(eddy_address_parse(&group, "239.255.77.77", 0), 0);
    assert_int_equal(eddy_datagram_bind(&there, &group), 0);
    assert_int_equal(eddy_datagram_address(&there, &group), 0);
    if (eddy_datagram_join(&there, &group, if_nametoindex("lo")) != 0) {
        skip();
    }
    assert_int_equal(eddy_datagram_join(&there, &group, if_nametoindex("lo")), -EADDRINUSE);
    assert_int_equal(eddy_datagram_multicast_interface(&here, if_nametoindex("lo")), 0);
    assert_int_equal(eddy_datagram_multicast_hops(&here, 3), 0);
    assert_int_equal(eddy_datagram_multicast_loop(&here, true), 0);
    assert_int_equal(send_to(&here, &group), 5);
    assert_int_equal(receive(&there), 5);
    assert_int_equal(eddy_datagram_leave(&there, &group, if_nametoindex("lo")), 0);
    assert_int_equal(eddy_datagram_leave(&there, &group, if_nametoindex("lo")), -EADDRNOTAVAIL);
}

static int option(int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;

    assert_int_equal(getsockopt(eddy_datagram_fd(&here), level, name, &value, &size), 0);
    return value;
}

test(what_is_said_of_groups_is_said_in_the_words_of_the_family)
{
    struct eddy_address group;

    datagram_open(&here, AF_INET, &at_here);
    assert_int_equal(eddy_datagram_multicast_hops(&here, 7), 0);
    assert_int_equal(option(IPPROTO_IP, IP_MULTICAST_TTL), 7);
    assert_int_equal(eddy_datagram_multicast_loop(&here, false), 0);
    assert_int_equal(option(IPPROTO_IP, IP_MULTICAST_LOOP), 0);
    assert_int_equal(eddy_address_parse(&group, "ff02::1", 0), 0);
    assert_int_equal(eddy_datagram_join(&here, &group, 0), -EINVAL);
    assert_int_equal(eddy_address_parse(&group, "127.0.0.1", 0), 0);
    assert_int_equal(eddy_datagram_join(&here, &group, 0), -EINVAL);
    eddy_datagram_close(&here);
    if (net_has_ipv6()) {
        datagram_open(&here, AF_INET6, &at_here);
        assert_int_equal(eddy_datagram_multicast_hops(&here, 7), 0);
        assert_int_equal(option(IPPROTO_IPV6, IPV6_MULTICAST_HOPS), 7);
        eddy_datagram_close(&here);
    }
    assert_int_equal(eddy_datagram_open(testing.loop, &here, AF_UNIX), 0);
    assert_int_equal(eddy_datagram_multicast_hops(&here, 7), -EOPNOTSUPP);
}

test(a_broadcast_is_sent_if_it_may_be)
{
    struct eddy_address all;

    assert_int_equal(eddy_datagram_open(testing.loop, &here, AF_INET), 0);
    assert_int_equal(eddy_address_parse(&all, "127.255.255.255", 9), 0);
    assert_int_equal(send_to(&here, &all), -EACCES);
    assert_int_equal(eddy_datagram_broadcast(&here, true), 0);
    assert_int_equal(send_to(&here, &all), 5);
}

/* ---- memory that fails */

eddy_frame(talks) {
    eddy_coro co;
    eddy_datagram socket;
    struct eddy_address to;
    char byte;
};

static void talks(eddy_coro *co)
{
    eddy_begin(talks);
    eddy_await(eddy_datagram_open(eddy_loop_of(co), &self->socket, AF_UNIX));
    eddy_await(eddy_datagram_bind(&self->socket, &address));
    testing_fail(sendmsg, 1, -EAGAIN);
    eddy_await(eddy_datagram_send(co, &self->socket, "x", 1, &address));
    eddy_await(eddy_datagram_receive(co, &self->socket, &self->byte, 1, &self->to));
eddy_finally:
    eddy_datagram_close(&self->socket);
    eddy_end;
}

static bool talks_in_spite_of(unsigned k, bool on)
{
    unsigned before;
    int64_t result;

    testing_reopen();
    before = testing.memory.calls;
    (on ? testing_fail_allocations_from : testing_fail_allocation)(k);
    result = run(talks);
    testing_fail_allocation(0);
    testing_fail(sendmsg, 0, 0);
    assert_true(result == 0 || result == -ENOMEM);
    assert_false(is_there(path));
    return testing.memory.calls - before >= k;
}

test(memory_that_fails_anywhere_is_enomem_and_leaves_neither_fd_nor_path)
{
    unsigned k = 1;

    while (talks_in_spite_of(k, false)) {
        (void)talks_in_spite_of(k, true);
        k++;
    }
    assert_in_range(k, 2, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        datagram_case(a_socket_is_nonblocking_close_on_exec_and_none_of_the_standard_fds),
        datagram_case(one_that_is_open_is_not_opened_again_and_other_families_are_not_known),
        datagram_case(a_socket_of_the_callers_is_taken_over_if_it_is_of_datagrams),
        datagram_case(what_is_not_open_is_ebadf),
        datagram_case(each_call_that_fails_is_the_result_and_leaks_no_fd),
        datagram_case(one_that_is_left_open_is_closed_with_the_loop_and_told),
        datagram_case(whose_number_comes_again_gives_way),
        datagram_case(a_path_is_sent_to_and_goes_with_its_socket),
        datagram_case(a_receiver_without_room_is_tried_again_until_it_has),
        datagram_case(a_wait_for_room_ends_by_a_cancel_and_by_closing),
        datagram_case(a_connected_one_hears_of_room),
        datagram_case(a_group_is_joined_and_left),
        datagram_case(what_is_said_of_groups_is_said_in_the_words_of_the_family),
        datagram_case(a_broadcast_is_sent_if_it_may_be),
        datagram_case(memory_that_fails_anywhere_is_enomem_and_leaves_neither_fd_nor_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
