/* Rule 6: every operation first delivers a pending cancel, also one that could finish at once, and
 * then it has done nothing. */
#include "support/tasks.h"

#include <unistd.h>

#include "eddy/address.h"
#include "eddy/file.h"
#include "eddy/gather.h"
#include "eddy/group.h"
#include "eddy/io.h"
#include "eddy/offload.h"
#include "eddy/server.h"
#include "eddy/signal.h"
#include "eddy/stream.h"

static eddy_stream stream; /* has a byte to be read */
static eddy_stream closed;
static struct eddy_address address;
static struct eddy_file_data data;
static eddy_server server;
static int peer;
static char buffer[8];
static struct iovec piece = {buffer, 1};

static int setup(void **state)
{
    int result = testing_setup(state);
    int fds[2];

    testing_socketpair(fds);
    memset(&stream, 0, sizeof stream);
    memset(&closed, 0, sizeof closed);
    memset(&server, 0, sizeof server);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    peer = fds[1];
    testing_poke(peer);
    return result;
}

static int teardown(void **state)
{
    eddy_stream_close(&stream);
    close(peer);
    return testing_teardown(state);
}

#define point_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

eddy_frame(serves_client) {
    eddy_coro co;
    eddy_stream *stream;
};

static void serves_client(eddy_coro *co)
{
    eddy_begin(serves_client);
    eddy_end;
}

static int64_t three(eddy_job *job, void *argument)
{
    (void)job;
    (void)argument;
    return 3;
}

/* An operation that is begun with a cancel pending, and does not own what it waits for, returns
 * that, and has done nothing: done again it has the result that it would have had. */
#define POINT(name, wanted, operation)                                          \
    eddy_frame(name) {                                                          \
        eddy_coro co;                                                           \
        int64_t rc;                                                             \
        int times;                                                              \
        eddy_group group;                                                       \
        eddy_task tasks[1];                                                     \
    };                                                                          \
    static void name(eddy_coro *co)                                             \
    {                                                                           \
        eddy_begin(name);                                                       \
        self->tasks[0] = eddy_spawn(co, returns);                               \
        assert_int_equal(eddy_cancel(eddy_task_self(co)), 0);                   \
        for (; self->times < 2; self->times++) {                                \
            eddy_catch(self->rc, operation);                                    \
            assert_int_equal(self->rc, self->times == 0 ? -ECANCELED : wanted); \
        }                                                                       \
        (void)eddy_detach(self->tasks[0]);                                      \
        eddy_server_close(&server);                                             \
        eddy_end;                                                               \
    }                                                                           \
    test(name##_is_a_cancel_point)                                              \
    {                                                                           \
        assert_int_equal(run(name), 0);                                         \
    }

#define AT_ONCE(operation) eddy_wait_for(co, EDDY_SECOND, operation)

POINT(sleeping, 0, eddy_sleep(co, EDDY_SECOND))
POINT(sleeping_not_at_all, 0, eddy_sleep(co, 0))
POINT(pausing, 0, eddy_pause(co))
POINT(reading, 1, eddy_read(co, &stream, buffer, sizeof buffer))
POINT(reading_nothing, 0, eddy_read(co, &stream, buffer, 0))
POINT(becoming_readable, 1, eddy_readable(co, &stream))
POINT(writing, 1, eddy_write(co, &stream, buffer, 1))
POINT(writing_nothing, 0, eddy_write(co, &stream, buffer, 0))
POINT(writing_pieces, 1, eddy_writev(co, &stream, &piece, 1))
POINT(copying, -ETIMEDOUT, AT_ONCE(eddy_copy(co, &stream, &stream, NULL)))
POINT(connecting, -EINVAL, eddy_connect(co, &closed, "no where", 1))
POINT(serving, 0, eddy_serve(co, &server, "127.0.0.1", 0, serves_client))
POINT(waiting_for_a_server, 0, eddy_server_wait_closed(co, &server))
POINT(waiting_for_a_signal, -ETIMEDOUT, AT_ONCE(eddy_signal_wait(co, EDDY_SIGNAL(SIGUSR1))))
POINT(waiting_for_an_fd, EDDY_WRITE, eddy_fd_wait(co, peer, EDDY_WRITE))
POINT(gathering, 0, eddy_gather(co, self->tasks, 0))
POINT(gathering_all, 0, eddy_gather_all(co, self->tasks, 0, NULL))
POINT(waiting_for_a_group, 0, eddy_group_wait(co, &self->group))
POINT(joining_what_cannot_be, -EDEADLK, eddy_join(co, eddy_task_self(co)))
POINT(shielding, 0, eddy_shield(co, self->tasks[0]))
POINT(giving, 0, give(co, 0))
POINT(offloading, 3, eddy_offload(co, three, NULL))
POINT(resolving, 1, eddy_resolve(co, "127.0.0.1", 80, AF_UNSPEC, &address, 1))
POINT(reading_a_file, -ENOENT, eddy_file_read(co, "/nowhere/at/all", &data, 1))
POINT(reading_a_file_into, -ENOENT, eddy_file_read_into(co, "/nowhere/at/all", buffer, 1))
POINT(writing_a_file, -ENOENT, eddy_file_write(co, "/nowhere/at/all", buffer, 1, 0))

int main(void)
{
    const struct CMUnitTest tests[] = {
        point_case(sleeping_is_a_cancel_point),
        point_case(sleeping_not_at_all_is_a_cancel_point),
        point_case(pausing_is_a_cancel_point),
        point_case(reading_is_a_cancel_point),
        point_case(reading_nothing_is_a_cancel_point),
        point_case(becoming_readable_is_a_cancel_point),
        point_case(writing_is_a_cancel_point),
        point_case(writing_nothing_is_a_cancel_point),
        point_case(writing_pieces_is_a_cancel_point),
        point_case(copying_is_a_cancel_point),
        point_case(connecting_is_a_cancel_point),
        point_case(serving_is_a_cancel_point),
        point_case(waiting_for_a_server_is_a_cancel_point),
        point_case(waiting_for_a_signal_is_a_cancel_point),
        point_case(waiting_for_an_fd_is_a_cancel_point),
        point_case(gathering_is_a_cancel_point),
        point_case(gathering_all_is_a_cancel_point),
        point_case(waiting_for_a_group_is_a_cancel_point),
        point_case(joining_what_cannot_be_is_a_cancel_point),
        point_case(shielding_is_a_cancel_point),
        point_case(giving_is_a_cancel_point),
        point_case(offloading_is_a_cancel_point),
        point_case(resolving_is_a_cancel_point),
        point_case(reading_a_file_is_a_cancel_point),
        point_case(reading_a_file_into_is_a_cancel_point),
        point_case(writing_a_file_is_a_cancel_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
