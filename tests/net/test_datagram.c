/* datagram.h: sending and receiving, one and many. */
#include "support/datagrams.h"
#include "support/text.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 100, LARGEST = 65507 /* of IPv4 */ };

static eddy_datagram here, there;
static struct eddy_address at_here, at_there, from;
static char buffer[LARGEST + 1];
static char large[LARGEST + 1];
static struct eddy_packet packets[MANY];
static struct eddy_address senders[MANY];
static char bytes[MANY][8];

static int setup_family(void **state, int family)
{
    int result = testing_setup(state);

    memset(&here, 0, sizeof here);
    memset(&there, 0, sizeof there);
    memset(&from, 0, sizeof from);
    memset(buffer, 0, sizeof buffer);
    datagram_open(&here, family, &at_here);
    datagram_open(&there, family, &at_there);
    return result;
}

static int setup(void **state)
{
    return setup_family(state, AF_INET);
}

static int teardown(void **state)
{
    eddy_datagram_close(&here);
    eddy_datagram_close(&there);
    return testing_teardown(state);
}

#define datagram_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static int64_t send_text(const char *text)
{
    return run(sends_one, .by = &here, .text = text, .size = strlen(text), .to = &at_there);
}

static int64_t receive(size_t size)
{
    return run(receives_one, .by = &there, .buffer = buffer, .size = size, .from = &from);
}

static bool is(const struct eddy_address *one, const struct eddy_address *other)
{
    return one->size == other->size && memcmp(&one->storage, &other->storage, one->size) == 0;
}

/* ---- one */

test(a_datagram_arrives_whole_with_the_address_of_its_sender)
{
    assert_int_equal(send_text("hello"), 5);
    assert_int_equal(send_text("you"), 3);
    assert_int_equal(receive(sizeof buffer), 5);
    assert_memory_equal(buffer, "hello", 5);
    assert_true(is(&from, &at_here));
    assert_int_equal(receive(sizeof buffer), 3);
    assert_int_equal(eddy_datagram_sent(&here), 1);
}

test(an_ipv6_datagram_arrives)
{
    if (!net_has_ipv6()) {
        skip();
    }
    eddy_datagram_close(&here);
    eddy_datagram_close(&there);
    datagram_open(&here, AF_INET6, &at_here);
    datagram_open(&there, AF_INET6, &at_there);
    assert_int_equal(send_text("hello"), 5);
    assert_int_equal(receive(sizeof buffer), 5);
    assert_true(is(&from, &at_here));
}

test(an_empty_datagram_is_one_too)
{
    assert_int_equal(send_text(""), 0);
    assert_int_equal(send_text("x"), 1);
    from.size = 0;
    assert_int_equal(receive(sizeof buffer), 0);
    assert_true(is(&from, &at_here));
    assert_int_equal(receive(sizeof buffer), 1);
}

test(who_waits_gets_what_comes)
{
    eddy_task task =
        start(receives_one, .by = &there, .buffer = buffer, .size = sizeof buffer, .from = NULL);

    testing_turns();
    assert_int_equal(send_text("hello"), 5);
    assert_int_equal(finish(task), 5);
}

test(a_length_of_more_than_the_room_says_that_it_was_cut_off)
{
    assert_int_equal(send_text("hello"), 5);
    assert_int_equal(send_text("you"), 3);
    assert_int_equal(receive(2), 5);
    assert_memory_equal(buffer, "he\0", 3);
    assert_int_equal(receive(3), 3);
}

test(the_largest_is_sent_and_a_larger_one_is_emsgsize)
{
    memset(large, 'x', sizeof large);
    assert_int_equal(run(sends_one, .by = &here, .text = large, .size = LARGEST, .to = &at_there),
                     LARGEST);
    assert_int_equal(receive(sizeof buffer), LARGEST);
    assert_memory_equal(buffer, large, LARGEST);
    assert_int_equal(
        run(sends_one, .by = &here, .text = large, .size = LARGEST + 1, .to = &at_there),
        -EMSGSIZE);
    assert_int_equal(eddy_datagram_sent(&here), 0);
}

/* ---- connected */

test(a_connected_socket_needs_no_address_and_hears_of_nobody_else)
{
    eddy_datagram third = {0};
    struct eddy_address at_third;

    assert_int_equal(run(sends_one, .by = &here, .text = "x", .size = 1), -EDESTADDRREQ);
    eddy_datagram_close(&there); /* its port is to be one that was asked for */
    assert_int_equal(eddy_datagram_open(testing.loop, &there, AF_INET), 0);
    assert_int_equal(eddy_datagram_bind(&there, &at_there), 0);
    assert_int_equal(eddy_datagram_connect(&here, &at_there), 0);
    assert_int_equal(eddy_datagram_connect(&there, &at_here), 0);
    datagram_open(&third, AF_INET, &at_third);
    assert_int_equal(run(sends_one, .by = &third, .text = "third", .size = 5, .to = &at_there), 5);
    assert_int_equal(run(sends_one, .by = &here, .text = "x", .size = 1), 1);
    assert_int_equal(receive(8), 1);
    assert_int_equal(eddy_datagram_connect(&there, NULL), 0);
    assert_int_equal(run(sends_one, .by = &third, .text = "third", .size = 5, .to = &at_there), 5);
    assert_int_equal(receive(8), 5);
    eddy_datagram_close(&third);
}

test(a_port_that_nobody_has_is_told_once_on_a_connected_socket)
{
    eddy_task task;

    assert_int_equal(eddy_datagram_connect(&here, &at_there), 0);
    eddy_datagram_close(&there);
    task = start(receives_one, .by = &here, .buffer = buffer, .size = 8);
    testing_turns();
    assert_int_equal(run(sends_one, .by = &here, .text = "x", .size = 1), 1);
    assert_int_equal(finish(task), -ECONNREFUSED);
    datagram_open(&there, AF_INET, &from);
    assert_int_equal(eddy_datagram_connect(&here, &from), 0);
    assert_int_equal(run(sends_one, .by = &here, .text = "x", .size = 1), 1);
}

test(a_port_that_nobody_has_is_not_told_to_a_socket_that_others_use_too)
{
    struct eddy_address gone = at_there;

    eddy_datagram_close(&there);
    datagram_open(&there, AF_INET, &at_there);
    assert_int_equal(run(sends_one, .by = &here, .text = "x", .size = 1, .to = &gone), 1);
    net_settle();
    assert_int_equal(send_text("hello"), 5);
    assert_int_equal(receive(8), 5);
}

/* ---- many */

static void prepare(int count, struct eddy_address *to)
{
    for (int i = 0; i < count; i++) {
        snprintf(bytes[i], sizeof bytes[i], "%d", i % 1000);
        packets[i] = (struct eddy_packet){bytes[i], to != NULL ? strlen(bytes[i]) : sizeof bytes[i],
                                          0, to != NULL ? to : &senders[i]};
    }
}

eddy_frame_of(sends_many, int count, int64_t rc);

static void sends_many(eddy_coro *co)
{
    eddy_begin(sends_many);
    eddy_catch(self->rc, eddy_datagram_send_many(co, &here, packets, self->count));
    eddy_return(self->rc);
    eddy_end;
}

eddy_frame_of(receives_many, int count, int64_t rc);

static void receives_many(eddy_coro *co)
{
    eddy_begin(receives_many);
    eddy_catch(self->rc, eddy_datagram_receive_many(co, &there, packets, self->count));
    eddy_return(self->rc);
    eddy_end;
}

test(many_are_sent_and_received_in_order_by_few_calls)
{
    char expected[8];
    int got = 0;

    prepare(MANY, &at_there);
    assert_int_equal(run(sends_many, .count = MANY), MANY);
    assert_int_equal(testing_calls(sendmmsg), 2);
    assert_int_equal(eddy_datagram_sent(&here), MANY);
    while (got < MANY) {
        int64_t count;
        prepare(MANY, NULL);
        count = run(receives_many, .count = MANY);
        assert_true(count > 0 && count <= EDDY_PACKETS_AT_ONCE);
        for (int i = 0; i < count; i++) {
            snprintf(expected, sizeof expected, "%d", got++);
            assert_int_equal(packets[i].length, strlen(expected));
            assert_memory_equal(bytes[i], expected, strlen(expected));
            assert_true(is(&senders[i], &at_here));
        }
    }
    assert_int_equal(testing_calls(recvmmsg), 2);
}

test(fewer_than_asked_for_are_received_at_once)
{
    assert_int_equal(send_text("1"), 1);
    assert_int_equal(send_text("22"), 2);
    prepare(MANY, NULL);
    assert_int_equal(run(receives_many, .count = 10), 2);
    assert_int_equal(packets[0].length, 1);
    assert_int_equal(packets[1].length, 2);
    assert_int_equal(testing_calls(recvmmsg), 1);
}

test(each_of_many_says_whether_it_was_cut_off)
{
    assert_int_equal(send_text("123456789012"), 12);
    assert_int_equal(send_text("22"), 2);
    prepare(2, NULL);
    assert_int_equal(run(receives_many, .count = 2), 2);
    assert_int_equal(packets[0].length, 12);
    assert_int_equal(packets[1].length, 2);
    assert_memory_equal(bytes[0], "12345678", 8);
}

test(a_batch_that_is_not_full_is_known_to_be_the_last_without_another_call)
{
    eddy_task task;

    assert_int_equal(send_text("1"), 1);
    prepare(10, NULL);
    assert_int_equal(run(receives_many, .count = 10), 1);
    testing_forget_calls();
    task = start(receives_many, .count = 10);
    testing_turns();
    assert_int_equal(testing_calls(recvmmsg), 0);
    assert_int_equal(send_text("22"), 2);
    assert_int_equal(finish(task), 1);
    assert_int_equal(packets[0].length, 2);
}

test(what_cannot_be_sent_ends_the_sending_behind_what_was)
{
    prepare(5, &at_there);
    packets[3].data = large;
    packets[3].size = LARGEST + 1;
    assert_int_equal(run(sends_many, .count = 5), -EMSGSIZE);
    assert_int_equal(eddy_datagram_sent(&here), 3);
    assert_int_equal(receive(8), 1);
    assert_int_equal(receive(8), 1);
    assert_int_equal(receive(8), 1);
}

test(none_are_sent_at_once_and_none_are_not_received)
{
    assert_int_equal(run(sends_many, .count = 0), 0);
    assert_int_equal(run(sends_many, .count = -1), -EINVAL);
    assert_int_equal(run(receives_many, .count = 0), -EINVAL);
}

/* ---- epoll, others, the dump */

eddy_frame_of(echoes, eddy_datagram *by, int times, int64_t rc);

static void echoes(eddy_coro *co)
{
    eddy_begin(echoes);
    while (self->times-- > 0) {
        eddy_await(eddy_datagram_receive(co, self->by, buffer, 8, &from));
        eddy_await(eddy_datagram_send(co, self->by, buffer, 1, &from));
    }
    eddy_end;
}

test(a_socket_is_registered_once_however_often_it_is_awaited)
{
    eddy_task task = start(echoes, .by = &there, .times = 50);
    char byte;

    testing_turns();
    testing_forget_calls();
    for (int i = 0; i < 50; i++) {
        assert_int_equal(send_text("x"), 1);
        assert_int_equal(run(receives_one, .by = &here, .buffer = &byte, .size = 1, .from = NULL),
                         1);
    }
    assert_int_equal(finish(task), 0);
    assert_int_equal(testing_calls(epoll_ctl), 0);
}

test(one_receives_while_another_sends_and_a_second_is_refused)
{
    eddy_task task = start(receives_one, .by = &here, .buffer = buffer, .size = 8);

    testing_turns();
    assert_int_equal(run(receives_one, .by = &here, .buffer = buffer, .size = 8, .from = NULL),
                     -EBUSY);
    assert_int_equal(send_text("x"), 1);
    assert_int_equal(run(sends_one, .by = &there, .text = "y", .size = 1, .to = &at_here), 1);
    assert_int_equal(finish(task), 1);
}

test(the_dump_says_on_which_socket_a_task_waits_and_since_when)
{
    eddy_task task = start(receives_one, .by = &here, .buffer = buffer, .size = 8);
    char expected[128];

    testing_turns();
    snprintf(expected, sizeof expected, "waits 0 ms for receive: fd %d (127.0.0.1:%d)\n",
             eddy_datagram_fd(&here), eddy_address_port(&at_here));
    assert_dumped(expected);
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
}

test(a_cancel_before_the_turn_leaves_the_datagram_in_the_socket)
{
    eddy_task task = start(receives_one, .by = &there, .buffer = buffer, .size = 8);

    testing_turns();
    assert_int_equal(send_text("hello"), 5);
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    assert_int_equal(receive(8), 5);
}

test(closing_wakes_both_who_wait)
{
    eddy_task reader = start(receives_one, .by = &here, .buffer = buffer, .size = 8);
    eddy_task writer;

    testing_turns();
    here.state &= ~(uint32_t)EDDY_WRITE;
    writer = start(sends_one, .by = &here, .text = "x", .size = 1, .to = &at_there);
    testing_turns();
    eddy_datagram_close(&here);
    assert_int_equal(finish(reader), -EBADF);
    assert_int_equal(finish(writer), -EBADF);
    assert_int_equal(send_text("x"), -EBADF);
}

static int no_room_at;

static ssize_t sometimes_full(const struct eddy_sys *sys, int fd, const struct msghdr *message,
                              int flags)
{
    (void)sys;
    return no_room_at-- > 0 ? -EAGAIN : sendmsg(fd, message, flags);
}

test(who_has_no_room_to_send_waits_for_the_event_of_room)
{
    eddy_task task;

    no_room_at = 1;
    testing.sys.table.sendmsg = sometimes_full;
    task = start(sends_one, .by = &here, .text = "x", .size = 1, .to = &at_there);
    testing_turns();
    assert_int_equal(eddy_task_done(task), 0);
    here.io.callback(&here.io, EDDY_WRITE);
    assert_int_equal(finish(task), 1);
    assert_int_equal(receive(8), 1);
}

test(calls_that_fail_are_the_result_and_interrupted_ones_are_made_again)
{
    testing_fail(sendmsg, 1, -EINTR);
    assert_int_equal(send_text("x"), 1);
    testing_fail(recvmsg, 1, -EINTR);
    assert_int_equal(receive(8), 1);
    testing_fail(sendmsg, 1, -ENETUNREACH);
    assert_int_equal(send_text("x"), -ENETUNREACH);
    testing_fail(recvmsg, 1, -ENOMEM);
    assert_int_equal(receive(8), -ENOMEM);
    prepare(3, &at_there);
    testing_fail(sendmmsg, 1, -EPERM);
    assert_int_equal(run(sends_many, .count = 3), -EPERM);
    assert_int_equal(eddy_datagram_sent(&here), 0);
    testing_fail(recvmmsg, 1, -ENOBUFS);
    assert_int_equal(run(receives_many, .count = 3), -ENOBUFS);
}

/* Nobody who sends without end keeps others from their turn. */
eddy_frame_of(sends_for_ever, int rounds, int64_t rc);

static void sends_for_ever(eddy_coro *co)
{
    eddy_begin(sends_for_ever);
    while (true) {
        self->rounds++;
        eddy_await(eddy_datagram_send_many(co, &here, packets, MANY));
    }
    eddy_end;
}

test(one_that_sends_without_end_gives_others_their_turns)
{
    eddy_task task;

    prepare(MANY, &at_there);
    task = start(sends_for_ever);
    assert_true(testing_turn() > 0);
    assert_in_range(testing_calls(sendmmsg), 2, 2 * 128);
    assert_true(testing_turn() > 0);
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
}

/* ---- many thousands: none is lost to the library, as those tell who count */

enum { THOUSANDS = 20000 };

eddy_frame_of(counts, int *count, int64_t rc);

static void counts(eddy_coro *co)
{
    eddy_begin(counts);
    while (*self->count < THOUSANDS) {
        eddy_await(self->rc, eddy_datagram_receive_many(co, &there, packets, MANY));
        *self->count += (int)self->rc;
    }
    eddy_end;
}

test(none_of_many_thousands_is_lost_to_the_library)
{
    static int count;
    const int roomy = 8 << 20;
    eddy_task task;
    int sent = 0;

    count = 0;
    (void)setsockopt(eddy_datagram_fd(&there), SOL_SOCKET, SO_RCVBUF, &roomy, sizeof roomy);
    prepare(MANY, NULL);
    task = start(counts, .count = &count);
    while (sent < THOUSANDS) { /* never more than the buffer has room for */
        for (int i = 0; i < 50; i++, sent++) {
            assert_int_equal(sendto(eddy_datagram_fd(&here), large, 1, 0,
                                    (struct sockaddr *)&at_there.storage, at_there.size),
                             1);
        }
        net_settle();
        testing_turns();
        assert_int_equal(count, sent);
    }
    assert_int_equal(finish(task), 0);
    assert_int_equal(testing_calls(epoll_ctl), 2); /* a socket each */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        datagram_case(a_datagram_arrives_whole_with_the_address_of_its_sender),
        datagram_case(an_ipv6_datagram_arrives),
        datagram_case(an_empty_datagram_is_one_too),
        datagram_case(who_waits_gets_what_comes),
        datagram_case(a_length_of_more_than_the_room_says_that_it_was_cut_off),
        datagram_case(the_largest_is_sent_and_a_larger_one_is_emsgsize),
        datagram_case(a_connected_socket_needs_no_address_and_hears_of_nobody_else),
        datagram_case(a_port_that_nobody_has_is_told_once_on_a_connected_socket),
        datagram_case(a_port_that_nobody_has_is_not_told_to_a_socket_that_others_use_too),
        datagram_case(many_are_sent_and_received_in_order_by_few_calls),
        datagram_case(fewer_than_asked_for_are_received_at_once),
        datagram_case(each_of_many_says_whether_it_was_cut_off),
        datagram_case(a_batch_that_is_not_full_is_known_to_be_the_last_without_another_call),
        datagram_case(what_cannot_be_sent_ends_the_sending_behind_what_was),
        datagram_case(none_are_sent_at_once_and_none_are_not_received),
        datagram_case(a_socket_is_registered_once_however_often_it_is_awaited),
        datagram_case(one_receives_while_another_sends_and_a_second_is_refused),
        datagram_case(the_dump_says_on_which_socket_a_task_waits_and_since_when),
        datagram_case(a_cancel_before_the_turn_leaves_the_datagram_in_the_socket),
        datagram_case(closing_wakes_both_who_wait),
        datagram_case(who_has_no_room_to_send_waits_for_the_event_of_room),
        datagram_case(calls_that_fail_are_the_result_and_interrupted_ones_are_made_again),
        datagram_case(one_that_sends_without_end_gives_others_their_turns),
        datagram_case(none_of_many_thousands_is_lost_to_the_library),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
