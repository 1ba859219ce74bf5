/* server.h: how a server closes a client whose handler has ended. */
#include "support/children.h"
#include "support/net.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/deadline.h"
#include "eddy/server.h"

enum { ANSWER = 60000 };

static eddy_server server;
static char answer[ANSWER];

static int setup(void **state)
{
    int result = testing_setup(state);

    memset(&server, 0, sizeof server);
    return result;
}

#define linger_case(name) cmocka_unit_test_setup_teardown(name, setup, testing_teardown)

/* Answers without having read the question; with `to_the_end` after all of it. */
eddy_frame(answers) {
    eddy_coro co;
    eddy_stream *stream;
    bool to_the_end;
    int64_t rc;
    char buffer[1000];
};

static void answers(eddy_coro *co)
{
    eddy_begin(answers);
    do {
        eddy_await(self->rc, eddy_read(co, self->stream, self->buffer, sizeof self->buffer));
    } while (self->to_the_end && self->rc > 0);
    eddy_await(eddy_write(co, self->stream, answer, sizeof answer));
    eddy_end;
}

eddy_frame(listens) {
    eddy_coro co;
    bool to_the_end;
};

static void listens(eddy_coro *co)
{
    eddy_begin(listens);
    eddy_await(eddy_serve(co, &server, "127.0.0.1", 0, answers, .to_the_end = self->to_the_end));
    eddy_end;
}

eddy_frame(waits_until_closed) {
    eddy_coro co;
    int64_t limit;
    int64_t rc;
};

static void waits_until_closed(eddy_coro *co)
{
    eddy_begin(waits_until_closed);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit, eddy_server_wait_closed(co, &server)));
    testing_log_result("closed", self->rc);
    eddy_end;
}

eddy_frame(sleeps) {
    eddy_coro co;
    int64_t duration;
};

static void sleeps(eddy_coro *co)
{
    eddy_begin(sleeps);
    eddy_await(eddy_sleep(co, self->duration));
    eddy_end;
}

static void serve_it(void)
{
    for (int i = 0; i < 1000 && (server.accepted == 0 || server.active > 0); i++) {
        net_settle();
        testing_turn();
    }
}

/* A client who has asked more than the handler reads, and whose handler has ended. */
static int asking_client(void)
{
    int fd;

    assert_int_equal(testing_run_task(listens), 0);
    fd = net_connect(eddy_server_port(&server));
    memset(answer, 'a', sizeof answer);
    assert_int_equal(send(fd, answer, 20000, 0), 20000);
    serve_it();
    return fd;
}

static void expect_answer(int fd)
{
    static char got[ANSWER];

    assert_int_equal(recv(fd, got, sizeof got, MSG_WAITALL), ANSWER);
    assert_memory_equal(got, answer, ANSWER);
}

static void end(int fd)
{
    close(fd);
    eddy_server_close(&server);
    testing_run();
    assert_int_equal(server.lingering, 0);
}

test(an_answer_arrives_although_the_question_is_unread)
{
    int fd = asking_client();

    assert_int_equal(server.lingering, 1);
    assert_int_equal(send(fd, answer, 20000, 0), 20000); /* still at it */
    net_settle();
    testing_turn();
    expect_answer(fd);
    net_expect_end(fd);
    assert_int_equal(server.lingering, 1);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    net_settle();
    testing_turns();
    assert_int_equal(server.lingering, 0);
    end(fd);
}

test(who_has_been_read_to_his_end_is_closed_without_a_further_call)
{
    int fd;

    assert_int_equal(testing_run_task(listens, .to_the_end = true), 0);
    fd = net_connect(eddy_server_port(&server));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    serve_it();
    expect_answer(fd);
    assert_int_equal(server.lingering, 0);
    assert_int_equal(testing_calls(shutdown), 0);
    end(fd);
}

test(who_is_silent_is_closed_after_five_seconds)
{
    int fd;

    testing_fail_from(unsent, 1,
                      -ENOTTY); /* when the kernel hears of what was taken is its own affair */
    fd = asking_client();
    expect_answer(fd);
    assert_int_equal(testing_run_task(sleeps, .duration = 5 * EDDY_SECOND - 1), 0);
    assert_int_equal(server.lingering, 1);
    assert_int_equal(testing_run_task(sleeps, .duration = 2), 0);
    assert_int_equal(server.lingering, 0);
    end(fd);
}

test(a_server_that_does_not_linger_closes_at_once)
{
    int fd;

    server.linger_time = -1;
    fd = asking_client();
    assert_int_equal(server.lingering, 0);
    assert_int_equal(testing_calls(shutdown), 0);
    end(fd);
}

test(who_lingers_counts_among_the_clients)
{
    int fd;
    int next;

    server.max_clients = 1;
    fd = asking_client();
    next = net_connect(eddy_server_port(&server));
    net_settle();
    testing_turn();
    testing_turn();
    assert_int_equal(server.accepted, 1);
    close(fd);
    for (int i = 0; i < 1000 && server.accepted == 1; i++) {
        net_settle();
        testing_turn();
    }
    assert_int_equal(server.accepted, 2);
    end(next);
}

test(a_cancelled_wait_for_the_end_cuts_off_who_lingers)
{
    int fd = asking_client();

    assert_int_equal(send(fd, "more", 4, 0), 4);
    eddy_server_close(&server);
    (void)testing_run_task(waits_until_closed, .limit = 1);
    assert_int_equal(server.lingering, 0);
    testing.log[0] = '\0';
    end(fd);
}

test(a_loop_may_be_freed_while_clients_linger)
{
    int fd = asking_client();

    assert_int_equal(server.lingering, 1);
    testing_free();
    assert_int_equal(server.lingering, 0);
    close(fd);
}

test(without_memory_it_closes_at_once)
{
    int fd;

    assert_int_equal(testing_run_task(listens), 0);
    fd = net_connect(eddy_server_port(&server));
    assert_int_equal(send(fd, answer, 20000, 0), 20000);
    testing_fail(epoll_ctl, 3, -ENOMEM); /* client in, client out, linger in */
    serve_it();
    assert_int_equal(server.lingering, 0);
    end(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        linger_case(an_answer_arrives_although_the_question_is_unread),
        linger_case(who_has_been_read_to_his_end_is_closed_without_a_further_call),
        linger_case(who_is_silent_is_closed_after_five_seconds),
        linger_case(a_server_that_does_not_linger_closes_at_once),
        linger_case(who_lingers_counts_among_the_clients),
        linger_case(a_cancelled_wait_for_the_end_cuts_off_who_lingers),
        linger_case(a_loop_may_be_freed_while_clients_linger),
        linger_case(without_memory_it_closes_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
