/* io.h: interests beside reading and writing, events as the kernel has them, the watcher of an fd. */
#include "support/io.h"

#include <sys/socket.h>
#include <unistd.h>

#include "eddy/server.h"

test(a_watcher_may_ask_for_a_hangup_alone)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    testing_socketpair(fds);
    start(&io, fds[0], EDDY_HANGUP, log_events);
    testing_poke(fds[1]); /* readable, and writable */
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0); /* half a close is none */
    assert_int_equal(testing_turn(), 0);
    close(fds[1]);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("a:H");
    assert_int_equal(testing_turn(), 1); /* for as long as it is so */
    testing_assert_log("a:H");
    eddy_io_stop(&io);
    close(fds[0]);
}

test(a_watcher_may_ask_for_the_end_of_the_peers_writing_alone)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    testing_socketpair(fds);
    start(&io, fds[0], EDDY_PEER_CLOSED, log_events);
    testing_poke(fds[1]);
    assert_int_equal(testing_turn(), 0);
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("a:C");
    eddy_io_stop(&io);
    close_both(fds);
}

test(a_hangup_wakes_readers_and_writers_unless_events_are_told_as_they_are)
{
    static eddy_io a = {.user = "a"}, b = {.user = "b"};
    int fds[2], others[2];

    testing_pipe(fds);
    testing_pipe(others);
    start(&a, fds[0], EDDY_READ, log_events);
    start(&b, others[0], EDDY_READ | EDDY_AS_IS, log_events);
    close(fds[1]);
    close(others[1]);
    (void)testing_turn();
    testing_assert_log("a:RH b:H");
    assert_int_equal(eddy_io_change(&b, EDDY_READ), 0);
    eddy_io_stop(&a);
    (void)testing_turn();
    testing_assert_log("b:RH");
    eddy_io_stop(&b);
    close(fds[0]);
    close(others[0]);
}

test(as_is_alone_asks_about_nothing_and_keeps_no_loop_going)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    testing_pipe(fds);
    start(&io, fds[0], EDDY_AS_IS, log_events);
    close(fds[1]);
    testing_run();
    testing_assert_log("");
    eddy_io_stop(&io);
    close(fds[0]);
}

test(a_watcher_that_asks_for_a_hangup_keeps_the_loop_going_until_it_comes)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    testing_pipe(fds);
    start(&io, fds[0], EDDY_HANGUP, log_events);
    assert_int_equal(eddy_loop_next_deadline(testing.loop), EDDY_FOREVER);
    close(fds[1]);
    assert_int_equal(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0), 1);
    testing_assert_log("a:H");
    eddy_io_stop(&io);
    testing_run(); /* nothing is left */
    close(fds[0]);
}

static void change_to_hangup(eddy_io *io, unsigned events)
{
    log_events(io, events);
    assert_int_equal(eddy_io_change(io, EDDY_HANGUP), 0);
}

test(what_was_fetched_and_is_not_asked_for_any_more_is_forgotten)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    testing_socketpair(fds);
    start(&io, fds[0], EDDY_WRITE, change_to_hangup);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("a:W");
    assert_int_equal(testing_turn(), 0);
    eddy_io_stop(&io);
    close_both(fds);
}

test(the_watcher_of_an_fd_is_found)
{
    static eddy_io io = {.user = "a"};
    int fds[2];

    testing_pipe(fds);
    assert_null(eddy_io_of(testing.loop, fds[0]));
    start(&io, fds[0], EDDY_READ, log_events);
    assert_ptr_equal(eddy_io_of(testing.loop, fds[0]), &io);
    assert_null(eddy_io_of(testing.loop, fds[1]));
    assert_null(eddy_io_of(testing.loop, -1));
    assert_null(eddy_io_of(testing.loop, 1 << 30));
    eddy_io_stop(&io);
    assert_null(eddy_io_of(testing.loop, fds[0]));
    close_both(fds);
}

test(the_librarys_own_watchers_are_nobodys)
{
    static eddy_stream stream;
    int fds[2];

    testing_socketpair(fds);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    assert_null(eddy_io_of(testing.loop, fds[0]));
    eddy_stream_close(&stream);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_watcher_may_ask_for_a_hangup_alone),
        testing_case(a_watcher_may_ask_for_the_end_of_the_peers_writing_alone),
        testing_case(a_hangup_wakes_readers_and_writers_unless_events_are_told_as_they_are),
        testing_case(as_is_alone_asks_about_nothing_and_keeps_no_loop_going),
        testing_case(a_watcher_that_asks_for_a_hangup_keeps_the_loop_going_until_it_comes),
        testing_case(what_was_fetched_and_is_not_asked_for_any_more_is_forgotten),
        testing_case(the_watcher_of_an_fd_is_found),
        testing_case(the_librarys_own_watchers_are_nobodys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
