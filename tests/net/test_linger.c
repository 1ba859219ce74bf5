/* server.h: how a server closes a client whose handler has ended. */
#include "support/linger.h"

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

static void assert_no_lingering_told(int64_t error)
{
    assert_int_equal(testing.errors.count, 1);
    assert_int_equal(testing.errors.code, error);
    assert_non_null(strstr(testing.errors.text, "closes clients without lingering for now: "));
    testing.errors.count = 0;
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
    assert_no_lingering_told(-ENOMEM);
    end(fd);
}

/* Two clients of one server, each in want of the same. */
test(that_clients_cannot_linger_is_told_once_until_one_has_lingered)
{
    int fds[4];

    assert_int_equal(testing_run_task(listens), 0);
    for (int i = 0; i < 4; i++) {
        fds[i] = net_connect(eddy_server_port(&server));
        assert_int_equal(send(fds[i], answer, 20000, 0), 20000);
        if (i != 2) { /* the third lingers */
            testing_fail(epoll_ctl, 3, -ENOSPC);
        }
        for (int turn = 0; turn < 1000 && (server.accepted <= (uint64_t)i || server.active > 0);
             turn++) {
            net_settle();
            testing_turn();
        }
        testing_fail(epoll_ctl, 0, 0);
        if (i == 0 || i == 3) {
            assert_no_lingering_told(-ENOSPC);
        } else {
            assert_int_equal(testing.errors.count, 0);
        }
    }
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
    end(fds[3]);
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
        linger_case(that_clients_cannot_linger_is_told_once_until_one_has_lingered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
