/* stream.h: eddy_with_stream. */
#include "support/net.h"
#include "support/tasks.h"

#include <unistd.h>

#include "eddy/stream.h"

static int fds[2];

enum way { FALL, BREAK, RETURN, WAIT };

eddy_frame(uses_stream) {
    eddy_coro co;
    enum way way;
    eddy_stream stream;
    char byte;
};

static void uses_stream(eddy_coro *co)
{
    eddy_begin(uses_stream);
    while (true) {
        eddy_with_stream(&self->stream, eddy_stream_open(eddy_loop_of(co), &self->stream, fds[0])) {
            assert_true(eddy_stream_is_open(&self->stream));
            if (self->way == BREAK) {
                break;
            }
            if (self->way == RETURN) {
                eddy_return(7);
            }
            if (self->way == WAIT) {
                eddy_await(eddy_read(co, &self->stream, &self->byte, 1));
            }
        }
        eddy_return(1);
    }
    eddy_return(2);
eddy_finally:
    assert_false(eddy_stream_is_open(&self->stream));
    eddy_end;
}

static int64_t run_and_close(enum way way)
{
    int64_t result;

    testing_socketpair(fds);
    result = run(uses_stream, .way = way);
    close(fds[1]);
    return result;
}

test(every_way_out_of_the_block_closes_the_stream)
{
    eddy_task task;

    assert_int_equal(run_and_close(FALL), 1);
    assert_int_equal(run_and_close(BREAK), 2);
    assert_int_equal(run_and_close(RETURN), 7);
    testing_socketpair(fds);
    task = start(uses_stream, .way = WAIT);
    testing_turns();
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    close(fds[1]);
}

eddy_frame(connects) {
    eddy_coro co;
    int port;
    eddy_stream stream;
};

static void connects(eddy_coro *co)
{
    eddy_begin(connects);
    eddy_with_stream(&self->stream, eddy_connect(co, &self->stream, "127.0.0.1", self->port)) {
        testing_log("connected");
        eddy_await(eddy_write(co, &self->stream, "x", 1));
    }
    eddy_end;
}

test(the_operation_may_wait_and_if_it_fails_the_block_does_not_run)
{
    int port;
    int listener = net_listener(&port);

    assert_int_equal(run(connects, .port = port), 0);
    testing_assert_log("connected");
    close(listener);
    assert_int_equal(run(connects, .port = port), -ECONNREFUSED);
    testing_assert_log("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(every_way_out_of_the_block_closes_the_stream),
        testing_case(the_operation_may_wait_and_if_it_fails_the_block_does_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
