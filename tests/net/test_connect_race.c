/* stream.h: connecting to the first of several addresses that answers, and what is done to a socket
 * before it connects. */
#include "support/hosts.h"
#include "support/tasks.h"
#include "support/text.h"

#include <netinet/ip.h>

#include "eddy/error.h"
#include "eddy/stream.h"

enum { MOST = 17 };

static eddy_stream stream;
static struct eddy_address addresses[MOST];
static int count;
static struct eddy_connect_options options;
static struct eddy_sys real; /* the kit's own functions, under those that a test puts in */
static char text[512];       /* of the last error */

static int setup(void **state)
{
    int result = testing_setup(state);

    real = testing.sys.table;
    memset(&stream, 0, sizeof stream);
    memset(&options, 0, sizeof options);
    hosts_install();
    hosts_are_logged = true;
    return result;
}

static int teardown(void **state)
{
    eddy_stream_close(&stream);
    hosts_close();
    return testing_teardown(state);
}

#define race_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

eddy_frame(connects) {
    eddy_coro co;
    int64_t limit;
    int64_t rc;
};

static void connects(eddy_coro *co)
{
    eddy_begin(connects);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit * MS : EDDY_FOREVER,
                                       eddy_connect_any(co, &stream, addresses, count, &options)));
    if (self->rc < 0) {
        snprintf(text, sizeof text, "%s", eddy_error(co)->text);
    }
    testing_log_at(self->rc == 0 ? "open" : "failed", "");
    assert_int_equal(eddy_stream_is_open(&stream), self->rc == 0);
    eddy_return(self->rc);
    eddy_end;
}

/* The addresses are those of these hosts, each a digit. */
static void to(const char *of)
{
    count = (int)strlen(of);
    for (int i = 0; i < count; i++) {
        addresses[i] = host_address(of[i] - '0');
    }
}

static eddy_task start_to(const char *of)
{
    to(of);
    return start(connects);
}

eddy_frame(answers) {
    eddy_coro co;
    int host;
    int at;
    int error;
};

static void answers(eddy_coro *co)
{
    eddy_begin(answers);
    eddy_await(eddy_sleep(co, self->at * MS));
    host_answers(self->host, self->error);
    eddy_end;
}

#define answer(...) eddy_detach(start(answers, __VA_ARGS__))

eddy_frame_of(naps, int milliseconds);

static void naps(eddy_coro *co)
{
    eddy_begin(naps);
    eddy_await(eddy_sleep(co, self->milliseconds * MS));
    eddy_end;
}

static void pass(int milliseconds)
{
    assert_int_equal(run(naps, .milliseconds = milliseconds), 0);
}

static void assert_talks_to(int host)
{
    char buffer[8] = "";

    assert_int_equal(eddy_try_write(&stream, "hello", 5), 5);
    net_expect(hosts[host].far, "hello");
    net_send(hosts[host].far, "world");
    testing_turns();
    assert_int_equal(eddy_try_read(&stream, buffer, sizeof buffer), 5);
    assert_string_equal(buffer, "world");
}

/* ---- when who is tried */

test(beside_a_silent_address_the_next_is_tried_after_a_quarter_of_a_second)
{
    hosts[0].says = 0;
    assert_int_equal(finish(start_to("50")), 0);
    testing_assert_log("5@0 0@250 open@250");
    assert_true(host_has_lost(5));
    assert_talks_to(0);
}

test(families_take_turns_and_keep_their_order)
{
    to("567018");
    assert_int_equal(run(connects, .limit = 2000), -ETIMEDOUT);
    testing_assert_log("5@0 0@250 6@500 1@750 7@1000 8@1250 failed@2000");
    hosts_close();
    to("0156");
    assert_int_equal(run(connects, .limit = 900), -ETIMEDOUT);
    testing_assert_log("0@2000 5@2250 1@2500 6@2750 failed@2900");
}

test(behind_one_that_fails_at_once_the_next_is_tried_at_once)
{
    hosts[5].says = -ENETUNREACH;
    hosts[6].says = -ENETUNREACH;
    hosts[0].says = 0;
    assert_int_equal(finish(start_to("560")), 0);
    testing_assert_log("5@0 0@0 open@0");
    assert_talks_to(0);
}

test(behind_one_that_fails_late_the_next_is_tried_at_once_and_the_delay_begins_anew)
{
    eddy_task task = start_to("501");

    answer(.host = 5, .at = 100, .error = ECONNREFUSED);
    answer(.host = 1, .at = 500);
    assert_int_equal(finish(task), 0);
    testing_assert_log("5@0 0@100 1@350 open@500");
    assert_true(host_has_lost(0));
    assert_talks_to(1);
}

test(the_delay_is_the_callers)
{
    hosts[0].says = 0;
    options.next_after = 30 * MS;
    assert_int_equal(finish(start_to("50")), 0);
    testing_assert_log("5@0 0@30 open@30");
}

test(a_slow_step_does_not_pass_over_an_address_that_has_answered_by_then)
{
    eddy_task task;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    task = start_to("50");
    testing_turns();
    host_answers(5, 0);
    assert_int_equal(eddy_clock_advance(&testing.clock, EDDY_SECOND), EDDY_SECOND);
    assert_int_equal(finish(task), 0);
    testing_assert_log("5@0 open@1000");
    assert_talks_to(5);
}

/* ---- who wins */

test(an_address_that_answers_first_wins_whenever_it_was_tried)
{
    eddy_task task = start_to("501");

    answer(.host = 0, .at = 600);
    answer(.host = 5, .at = 700);
    assert_int_equal(finish(task), 0);
    testing_assert_log("5@0 0@250 1@500 open@600");
    assert_true(host_has_lost(5));
    assert_true(host_has_lost(1));
    assert_talks_to(0);
}

test(of_two_that_answer_in_one_turn_the_earlier_wins)
{
    eddy_task task = start_to("501");

    answer(.host = 1, .at = 600);
    answer(.host = 0, .at = 600);
    assert_int_equal(finish(task), 0);
    assert_true(host_has_lost(5));
    assert_true(host_has_lost(1));
    assert_talks_to(0);
}

test(one_that_was_tried_later_takes_the_place_of_one_that_fails)
{
    eddy_task task = start_to("501");

    answer(.host = 5, .at = 600, .error = EHOSTUNREACH);
    answer(.host = 0, .at = 700, .error = EHOSTUNREACH);
    answer(.host = 1, .at = 800);
    assert_int_equal(finish(task), 0);
    testing_assert_log("5@0 0@250 1@500 open@800");
    assert_talks_to(1);
}

test(one_that_answers_in_the_turn_in_which_that_before_it_fails_wins)
{
    eddy_task task = start_to("50");

    answer(.host = 0, .at = 600);
    answer(.host = 5, .at = 600, .error = EHOSTUNREACH);
    assert_int_equal(finish(task), 0);
    testing_assert_log("5@0 0@250 open@600");
    assert_talks_to(0);
}

test(what_the_winner_sent_at_once_is_read)
{
    eddy_task task = start_to("50");
    char buffer[8];

    answer(.host = 0, .at = 300);
    pass(299);
    net_send(hosts[0].far, "hello");
    assert_int_equal(finish(task), 0);
    assert_int_equal(eddy_try_read(&stream, buffer, sizeof buffer), 5);
    testing.log[0] = '\0';
}

test(a_socket_is_registered_once_whether_it_wins_or_loses)
{
    eddy_task task = start_to("50");

    answer(.host = 0, .at = 300);
    testing_forget_calls();
    assert_int_equal(finish(task), 0);
    assert_int_equal(testing_calls(epoll_ctl), 3); /* two join; the loser leaves */
    testing.log[0] = '\0';
}

/* ---- what is told when none answers */

static void assert_all_fail(const int errors[3], int most_telling)
{
    char expected[512];

    for (int i = 0; i < 3; i++) {
        hosts[i].says = -errors[i];
    }
    assert_int_equal(finish(start_to("012")), -most_telling);
    snprintf(expected, sizeof expected, "192.0.2.10:80: %s; 192.0.2.11:80: %s; 192.0.2.12:80: %s",
             eddy_strerror(-errors[0]), eddy_strerror(-errors[1]), eddy_strerror(-errors[2]));
    assert_string_equal(text, expected);
    testing.log[0] = '\0';
}

test(if_none_answers_it_is_the_most_telling_error_and_the_text_has_all)
{
    assert_all_fail((const int[]){ENETUNREACH, EADDRNOTAVAIL, ENETUNREACH}, ENETUNREACH);
    assert_all_fail((const int[]){ENETUNREACH, EHOSTUNREACH, EHOSTUNREACH}, EHOSTUNREACH);
    assert_all_fail((const int[]){EHOSTUNREACH, EPERM, EACCES}, EPERM);
    assert_all_fail((const int[]){ETIMEDOUT, ECONNREFUSED, ENETUNREACH}, ECONNREFUSED);
    assert_all_fail((const int[]){ECONNREFUSED, ENOBUFS, EPERM}, ENOBUFS);
}

test(errors_that_come_late_are_kept_too)
{
    eddy_task task = start_to("50");
    char expected[512];

    answer(.host = 0, .at = 300, .error = ECONNREFUSED);
    answer(.host = 5, .at = 400, .error = EHOSTUNREACH);
    assert_int_equal(finish(task), -ECONNREFUSED);
    testing_assert_log("5@0 0@250 failed@400");
    snprintf(expected, sizeof expected, "[2001:db8::5]:80: %s; 192.0.2.10:80: %s",
             eddy_strerror(-EHOSTUNREACH), eddy_strerror(-ECONNREFUSED));
    assert_string_equal(text, expected);
}

test(the_error_of_one_address_names_it_too)
{
    char expected[128];
    eddy_task task;

    snprintf(expected, sizeof expected, "192.0.2.10:80: %s", eddy_strerror(-ECONNREFUSED));
    hosts[0].says = -ECONNREFUSED;
    assert_int_equal(finish(start_to("0")), -ECONNREFUSED);
    assert_string_equal(text, expected);
    testing_reopen();
    testing.sys.table.connect = real.connect;
    testing.sys.table.getsockopt = real.getsockopt;
    assert_int_equal(eddy_address_parse(addresses, "127.0.0.1", net_unused_port()), 0);
    task = start(connects);
    assert_int_equal(finish(task), -ECONNREFUSED);
    assert_memory_equal(text, "127.0.0.1:", 10);
    testing.log[0] = '\0';
}

eddy_frame(lets_it_fail) {
    eddy_coro co;
};

static void lets_it_fail(eddy_coro *co)
{
    eddy_begin(lets_it_fail);
    eddy_await(eddy_connect_any(co, &stream, addresses, count, NULL));
    eddy_end;
}

test(an_error_that_nobody_catches_is_told_with_all_addresses_and_the_line_of_the_await)
{
    hosts[0].says = hosts[5].says = -ECONNREFUSED;
    to("05");
    eddy_detach(start(lets_it_fail));
    testing_run();
    assert_non_null(strstr(testing.errors.text, "test_connect_race.c:"));
    assert_non_null(strstr(testing.errors.text, "lets_it_fail: 192.0.2.10:80: "));
    assert_told(-ECONNREFUSED, "; [2001:db8::5]:80: ");
    testing.log[0] = '\0';
}

/* ---- cancels, closes and the like, at each stage */

test(a_cancel_before_it_tries_nothing)
{
    eddy_task task = start_to("50");

    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    assert_int_equal(testing_calls(socket), 0);
}

test(a_cancel_at_any_time_closes_all_at_once)
{
    for (int at = 0; at < 1100; at += 100) {
        eddy_task task = start_to("5061");
        pass(at);
        assert_int_equal(eddy_cancel(task), 0);
        for (int i = 0; i < HOSTS; i++) {
            assert_true(hosts[i].far < 0 || host_has_lost(i));
        }
        assert_int_equal(finish(task), -ECANCELED);
        hosts_close();
    }
    testing.log[0] = '\0';
}

test(a_cancel_in_the_turn_of_the_answer_wins_as_everywhere)
{
    eddy_task task = start_to("50");

    testing_turns();
    host_answers(5, 0);
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    assert_true(host_has_lost(5));
    testing.log[0] = '\0';
}

test(closing_the_stream_meanwhile_ends_it_and_closes_all)
{
    eddy_task task = start_to("506");

    pass(600);
    eddy_stream_close(&stream);
    for (int i = 5; i < 7; i++) {
        assert_true(host_has_lost(i));
    }
    assert_true(host_has_lost(0));
    assert_int_equal(finish(task), -EBADF);
    testing_assert_log("5@0 0@250 6@500 failed@600");
}

test(another_task_neither_reads_nor_writes_meanwhile)
{
    char byte;
    eddy_task task = start_to("50");

    pass(300);
    assert_int_equal(eddy_try_read(&stream, &byte, 1), -EBUSY);
    assert_int_equal(eddy_try_write(&stream, "x", 1), -EBUSY);
    host_answers(0, 0);
    assert_int_equal(finish(task), 0);
    assert_talks_to(0);
    testing.log[0] = '\0';
}

test(the_end_of_the_loop_closes_all)
{
    (void)start_to("506");
    pass(600);
    testing_free();
    assert_true(host_has_lost(5));
    assert_true(host_has_lost(0));
    assert_true(host_has_lost(6));
    testing.log[0] = '\0';
}

test(the_dump_says_how_far_it_is)
{
    char expected[128];
    eddy_task task = start_to("50612");

    hosts[0].says = -EPERM;
    pass(400);
    snprintf(expected, sizeof expected,
             "for connect: fd %d (unix), 1 beside it, 1 failed, 2 to come\n",
             eddy_stream_fd(&stream));
    assert_dumped(expected);
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    testing.log[0] = '\0';
}

/* ---- what is invalid */

test(a_count_that_is_none_or_too_many_and_a_port_0_are_invalid)
{
    to("5");
    count = 0;
    assert_int_equal(run(connects), -EINVAL);
    to("01234012340123456");
    assert_int_equal(run(connects), -EINVAL);
    to("05");
    assert_int_equal(eddy_address_parse(&addresses[1], "::1", 0), 0);
    assert_int_equal(run(connects), -EINVAL);
    assert_int_equal(testing_calls(socket), 0);
    testing.log[0] = '\0';
}

test(among_several_a_unix_socket_is_not_supported)
{
    to("50");
    assert_int_equal(eddy_address_unix(&addresses[0], "/nowhere"), 0);
    hosts[0].says = 0;
    assert_int_equal(run(connects), 0);
    assert_talks_to(0);
    testing.log[0] = '\0';
}

/* ---- before the connect */

static void use_the_real_network(int *listener, int *port)
{
    testing.sys.table.connect = real.connect;
    testing.sys.table.getsockopt = real.getsockopt;
    *listener = net_listener(port);
    assert_int_equal(eddy_address_parse(&addresses[0], "127.0.0.1", *port), 0);
    count = 1;
}

test(a_local_address_is_where_the_connection_comes_from)
{
    static struct eddy_address local;
    struct sockaddr_in peer = {0};
    socklen_t size = sizeof peer;
    int listener;
    int port;
    int client;

    use_the_real_network(&listener, &port);
    assert_int_equal(eddy_address_parse(&local, "127.0.0.2", 0), 0);
    options.local = &local;
    assert_int_equal(run(connects), 0);
    net_wait_readable(listener);
    client = accept4(listener, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC);
    assert_int_equal(ntohl(peer.sin_addr.s_addr), INADDR_LOOPBACK + 1);
    close(client);
    close(listener);
    testing.log[0] = '\0';
}

test(a_local_address_that_cannot_be_bound_is_the_error)
{
    static struct eddy_address local;

    to("0");
    assert_int_equal(eddy_address_parse(&local, "192.0.2.77", 0), 0);
    options.local = &local;
    assert_int_equal(run(connects), -EADDRNOTAVAIL);
    testing_assert_log("failed@0");
}

test(addresses_of_another_family_than_the_local_one_are_not_tried)
{
    static struct eddy_address local;

    to("50");
    assert_int_equal(eddy_address_parse(&local, "127.0.0.1", 0), 0);
    options.local = &local;
    hosts[0].says = 0;
    assert_int_equal(run(connects), 0);
    testing_assert_log("0@0 open@0");
}

test(socket_options_are_set_before_the_bind_and_the_connect)
{
    static const struct linger linger = {.l_onoff = 1, .l_linger = 7};
    static const struct eddy_socket_option list[] = {
        {.level = IPPROTO_IP, .name = IP_TOS, .value = IPTOS_LOWDELAY},
        {.level = IPPROTO_IPV6, .name = IPV6_TCLASS, .value = IPTOS_LOWDELAY},
        {.level = SOL_SOCKET, .name = SO_LINGER, .data = &linger, .size = sizeof linger},
    };
    struct linger got = {0};
    int tos = 0;
    socklen_t size = sizeof tos;
    int listener;
    int port;

    use_the_real_network(&listener, &port);
    options.socket_options = list;
    options.option_count = 3;
    assert_int_equal(run(connects), 0);
    assert_int_equal(getsockopt(eddy_stream_fd(&stream), IPPROTO_IP, IP_TOS, &tos, &size), 0);
    assert_int_equal(tos, IPTOS_LOWDELAY);
    size = sizeof got;
    assert_int_equal(getsockopt(eddy_stream_fd(&stream), SOL_SOCKET, SO_LINGER, &got, &size), 0);
    assert_int_equal(got.l_linger, 7);
    close(listener);
    testing.log[0] = '\0';
}

test(options_may_be_constants)
{
    static const struct eddy_socket_option marked[] = {
        {.level = IPPROTO_IP, .name = IP_TOS, .value = IPTOS_LOWDELAY},
        {.level = IPPROTO_IPV6, .name = IPV6_TCLASS, .value = IPTOS_LOWDELAY},
    };
    static const struct eddy_connect_options urgent = {.socket_options = marked, .option_count = 2};

    options = urgent;
    hosts[0].says = 0;
    assert_int_equal(finish(start_to("50")), 0);
    testing_assert_log("5@0 0@250 open@250");
    assert_int_equal(testing_calls(setsockopt), 4); /* TCP_NODELAY, and one for each */
}

test(a_socket_option_that_fails_is_the_error_of_its_address)
{
    static const struct eddy_socket_option wrong = {.level = SOL_SOCKET, .name = -1};

    to("50");
    options.socket_options = &wrong;
    options.option_count = 1;
    assert_int_equal(run(connects), -ENOPROTOOPT);
    testing_assert_log("failed@0");
}

static int connect_or_silence(const struct eddy_sys *sys, int fd, const struct sockaddr *address,
                              socklen_t size)
{
    return ((const struct sockaddr_in *)(const void *)address)->sin_port == htons(HOSTS_PORT)
               ? host_connect(sys, fd, address, size)
               : real.connect(sys, fd, address, size);
}

test(a_real_listener_is_reached_past_a_silent_address)
{
    int listener;
    int port;

    to("50");
    use_the_real_network(&listener, &port);
    testing.sys.table.connect = connect_or_silence;
    addresses[1] = addresses[0];
    addresses[0] = host_address(5);
    count = 2;
    assert_int_equal(run(connects), 0);
    testing_assert_log("5@0 open@250");
    net_wait_readable(listener);
    close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    close(listener);
}

/* ---- system calls and memory that fail */

/* Two are silent and the third answers, while the k-th call fails; whether there was a k-th. */
static bool connects_in_spite_of_call(size_t call, unsigned k)
{
    int64_t result;
    unsigned before;

    testing_reopen();
    hosts_close();
    hosts[1].says = 0;
    before = testing_calls_of(call);
    testing_fail_call(call, k, -ENOBUFS, false);
    to("501");
    result = run(connects, .limit = 2000);
    testing_fail_call(call, 0, 0, false);
    assert_true(result == 0 || result == -ETIMEDOUT || result == -ENOBUFS);
    eddy_stream_close(&stream);
    testing.log[0] = '\0';
    return testing_calls_of(call) - before >= k;
}

test(a_system_call_that_fails_anywhere_is_one_addresss_error_and_leaks_nothing)
{
    const size_t calls[] = {TESTING_CALL(socket), TESTING_CALL(epoll_ctl), TESTING_CALL(setsockopt),
                            TESTING_CALL(getsockname)};

    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        unsigned k = 1;
        while (connects_in_spite_of_call(calls[i], k)) {
            k++;
        }
        assert_in_range(k, 3, 20);
    }
}

static bool connects_in_spite_of(unsigned k, bool on)
{
    unsigned before;
    int64_t result;

    testing_reopen();
    hosts_close();
    before = testing.memory.calls;
    hosts[1].says = 0;
    (on ? testing_fail_allocations_from : testing_fail_allocation)(k);
    to("501");
    result = run(connects);
    testing_fail_allocation(0);
    assert_true(result == 0 || result == -ENOMEM);
    eddy_stream_close(&stream);
    testing.log[0] = '\0';
    return testing.memory.calls - before >= k;
}

test(memory_that_fails_anywhere_is_enomem_and_leaks_nothing)
{
    unsigned k = 1;

    while (connects_in_spite_of(k, false)) {
        k++;
    }
    assert_in_range(k, 2, 50);
    while (--k > 0) {
        (void)connects_in_spite_of(k, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        race_case(beside_a_silent_address_the_next_is_tried_after_a_quarter_of_a_second),
        race_case(families_take_turns_and_keep_their_order),
        race_case(behind_one_that_fails_at_once_the_next_is_tried_at_once),
        race_case(behind_one_that_fails_late_the_next_is_tried_at_once_and_the_delay_begins_anew),
        race_case(the_delay_is_the_callers),
        race_case(a_slow_step_does_not_pass_over_an_address_that_has_answered_by_then),
        race_case(an_address_that_answers_first_wins_whenever_it_was_tried),
        race_case(of_two_that_answer_in_one_turn_the_earlier_wins),
        race_case(one_that_was_tried_later_takes_the_place_of_one_that_fails),
        race_case(one_that_answers_in_the_turn_in_which_that_before_it_fails_wins),
        race_case(what_the_winner_sent_at_once_is_read),
        race_case(a_socket_is_registered_once_whether_it_wins_or_loses),
        race_case(if_none_answers_it_is_the_most_telling_error_and_the_text_has_all),
        race_case(errors_that_come_late_are_kept_too),
        race_case(the_error_of_one_address_names_it_too),
        race_case(
            an_error_that_nobody_catches_is_told_with_all_addresses_and_the_line_of_the_await),
        race_case(a_cancel_before_it_tries_nothing),
        race_case(a_cancel_at_any_time_closes_all_at_once),
        race_case(a_cancel_in_the_turn_of_the_answer_wins_as_everywhere),
        race_case(closing_the_stream_meanwhile_ends_it_and_closes_all),
        race_case(another_task_neither_reads_nor_writes_meanwhile),
        race_case(the_end_of_the_loop_closes_all),
        race_case(the_dump_says_how_far_it_is),
        race_case(a_count_that_is_none_or_too_many_and_a_port_0_are_invalid),
        race_case(among_several_a_unix_socket_is_not_supported),
        race_case(a_local_address_is_where_the_connection_comes_from),
        race_case(a_local_address_that_cannot_be_bound_is_the_error),
        race_case(addresses_of_another_family_than_the_local_one_are_not_tried),
        race_case(socket_options_are_set_before_the_bind_and_the_connect),
        race_case(options_may_be_constants),
        race_case(a_socket_option_that_fails_is_the_error_of_its_address),
        race_case(a_real_listener_is_reached_past_a_silent_address),
        race_case(a_system_call_that_fails_anywhere_is_one_addresss_error_and_leaks_nothing),
        race_case(memory_that_fails_anywhere_is_enomem_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
