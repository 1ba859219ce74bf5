/* Every operation first delivers a pending cancel, before it looks at anything: also one that could
 * finish at once, and one that would be refused; and then it has done nothing. */
#include "support/tasks.h"

#include <unistd.h>

#include "eddy/address.h"
#include "eddy/datagram.h"
#include "eddy/event.h"
#include "eddy/file.h"
#include "eddy/file_watch.h"
#include "eddy/gather.h"
#include "eddy/group.h"
#include "eddy/io.h"
#include "eddy/lock.h"
#include "eddy/offload.h"
#include "eddy/queue.h"
#include "eddy/reader.h"
#include "eddy/select.h"
#include "eddy/server.h"
#include "eddy/signal.h"
#include "eddy/stream.h"
#include "eddy/unix.h"
#include "eddy/writer.h"

static eddy_stream stream; /* has a byte to be read */
static eddy_stream closed;
static struct eddy_address address;
static struct eddy_file_data data;
static eddy_server server;
static int peer;
static char buffer[8];
static struct iovec piece = {buffer, 1};

static eddy_task own;
static int64_t results[1];
static eddy_lock lock;
static eddy_cond cond;       /* has no lock */
static eddy_barrier barrier; /* of nobody */
static eddy_writer writer;   /* not open */
static eddy_queue queue;
static eddy_reader reader;
static eddy_reader of_closed;
static const struct eddy_address nowhere;
static struct eddy_fds no_fds;
static eddy_datagram no_socket;  /* not open */
static eddy_fd no_fd;            /* not initialized */
static eddy_file_watch no_watch; /* not open */
static struct eddy_file_event no_event;
static char line[16];

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
    eddy_lock_init(&lock);
    assert_int_equal(eddy_queue_init(testing.loop, &queue, int, .capacity = 1), 0);
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DRAIN);
    eddy_reader_init(&reader, &stream, line, sizeof line);
    eddy_reader_init(&of_closed, &closed, line, sizeof line);
    return result;
}

static int teardown(void **state)
{
    eddy_queue_fini(&queue);
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
POINT(waiting_for_a_task, 0, eddy_task_wait(co, self->tasks[0]))
POINT(selecting, 1,
      eddy_select(co, NULL, eddy_sleep(co, EDDY_SECOND), eddy_read(co, &stream, buffer, 1)))
POINT(giving, 0, give(co, 0))
POINT(offloading, 3, eddy_offload(co, three, NULL))
POINT(resolving, 1, eddy_resolve(co, "127.0.0.1", 80, AF_UNSPEC, &address, 1))
POINT(reading_a_file, -ENOENT, eddy_file_read(co, "/nowhere/at/all", &data, 1))
POINT(reading_a_file_into, -ENOENT, eddy_file_read_into(co, "/nowhere/at/all", buffer, 1))
POINT(writing_a_file, -ENOENT, eddy_file_write(co, "/nowhere/at/all", buffer, 1, 0))

static int64_t twice(eddy_coro *co, eddy_lock *held)
{
    int result = eddy_lock_try_acquire(co, held);

    assert_true(result == 0 || result == -EAGAIN);
    return eddy_lock_acquire(co, held);
}

/* ---- what it would refuse is not looked at before, either */

POINT(joining_nobody, -ESRCH, eddy_join(co, own = (eddy_task){NULL, 0}))
POINT(waiting_for_no_task, -ESRCH, eddy_task_wait(co, own = (eddy_task){NULL, 0}))
POINT(shielding_itself, -EDEADLK, eddy_shield(co, eddy_task_self(co)))
POINT(gathering_itself, -EDEADLK, (own = eddy_task_self(co), eddy_gather(co, &own, 1)))
POINT(gathering_all_of_itself, -EDEADLK,
      (own = eddy_task_self(co), eddy_gather_all(co, &own, 1, results)))
POINT(waiting_for_itself, -EDEADLK,
      (own = eddy_task_self(co), eddy_wait_tasks(co, &own, 1, EDDY_WAIT_ALL)))
POINT(waiting_in_no_mode, -EINVAL, eddy_wait_tasks(co, self->tasks, 1, (enum eddy_wait_mode)7))
POINT(taking_the_next_of_a_group_that_keeps_none, -EINVAL,
      eddy_group_next(co, &self->group, results))
POINT(waiting_for_a_group_that_has_its_waiter, -EBUSY,
      (self->group.waiter = co->task, eddy_group_wait(co, &self->group)))
POINT(acquiring_a_lock_twice, -EDEADLK, twice(co, &lock))
POINT(waiting_for_a_condition_without_lock, -EINVAL, eddy_cond_wait(co, &cond))
POINT(waiting_for_a_barrier_of_nobody, -EINVAL, eddy_barrier_wait(co, &barrier))
POINT(putting_into_a_queue_that_is_shut, -ESHUTDOWN, eddy_queue_put(co, &queue, &(int){1}))
POINT(getting_from_a_queue_that_is_shut, -ESHUTDOWN, eddy_queue_get(co, &queue, &(int){1}))
POINT(reading_what_is_closed, -EBADF, eddy_read(co, &closed, buffer, 1))
POINT(becoming_readable_when_closed, -EBADF, eddy_readable(co, &closed))
POINT(writing_to_what_is_closed, -EBADF, eddy_write(co, &closed, buffer, 1))
POINT(writing_pieces_less_than_none, -EINVAL, eddy_writev(co, &stream, &piece, -1))
POINT(copying_a_part_of_what_is_closed, -EBADF, eddy_copy_at_most(co, &closed, &stream, 1, NULL))
POINT(copying_less_than_nothing, -EINVAL, eddy_copy_at_most(co, &stream, &stream, -1, NULL))
POINT(sending_no_file, -EBADF, eddy_send_file(co, &stream, -1, 0, 1))
POINT(sending_less_than_nothing, -EINVAL, eddy_send_file(co, &stream, 0, 0, -1))
POINT(dropping_a_line_of_what_is_closed, -EBADF, eddy_reader_skip_line(co, &of_closed))
POINT(draining_what_is_closed, -EBADF, eddy_writer_drain(co, &writer))
POINT(flushing_what_is_closed, -EBADF, eddy_writer_flush(co, &writer))
POINT(putting_into_what_is_closed, -EBADF, eddy_writer_write(co, &writer, buffer, 1))
POINT(closing_what_is_closed, 0, eddy_writer_close(co, &writer))
POINT(copying_what_is_closed, -EBADF, eddy_copy(co, &closed, &stream, NULL))
POINT(reading_a_line_of_nothing, -EINVAL, eddy_read_line(co, &reader, 0))
POINT(reading_until_more_than_all, -EINVAL, eddy_read_until(co, &reader, "ab", 2, 1))
POINT(peeking_at_too_much, -EMSGSIZE, eddy_reader_peek(co, &reader, 100))
POINT(reading_exactly_what_is_closed, -EBADF, eddy_read_exactly(co, &of_closed, buffer, 1))
POINT(reading_by_a_reader_what_is_closed, -EBADF, eddy_reader_read(co, &of_closed, buffer, 1))
POINT(connecting_what_is_open, -EINVAL, eddy_connect(co, &stream, "127.0.0.1", 1))
POINT(connecting_to_nowhere, -EAFNOSUPPORT, eddy_connect_to(co, &closed, &nowhere))
POINT(connecting_to_none, -EINVAL, eddy_connect_any(co, &closed, &nowhere, 0, NULL))
POINT(sending_fds_on_what_is_closed, -EBADF, eddy_send_fds(co, &closed, buffer, 1, &no_fds))
POINT(receiving_fds_on_what_is_closed, -EBADF, eddy_receive_fds(co, &closed, buffer, 1, &no_fds))
POINT(receiving_by_what_is_closed, -EBADF, eddy_datagram_receive(co, &no_socket, buffer, 1, NULL))
POINT(receiving_many_by_what_is_closed, -EBADF, eddy_datagram_receive_many(co, &no_socket, NULL, 1))
POINT(sending_by_what_is_closed, -EBADF, eddy_datagram_send(co, &no_socket, buffer, 1, NULL))
POINT(sending_many_by_what_is_closed, -EBADF, eddy_datagram_send_many(co, &no_socket, NULL, 1))
POINT(serving_at_no_port, -EINVAL, eddy_serve(co, &server, "127.0.0.1", -1, serves_client))
POINT(serving_at_nowhere, -EAFNOSUPPORT, eddy_serve_at(co, &server, &nowhere, serves_client))
POINT(waiting_for_no_signal, -EINVAL, eddy_signal_wait(co, 0))
POINT(waiting_for_nothing_of_an_fd, -EINVAL, eddy_fd_wait(co, peer, 0))
POINT(waiting_for_an_fd_that_is_not_kept, -EBADF, eddy_fd_ready(co, &no_fd, EDDY_READ))
POINT(watching_files_without_room, -EMFILE,
      (testing_fail_from(inotify_init, 1, -EMFILE), eddy_file_watch_open(co, &no_watch)))
POINT(watching_one_more_file_by_what_is_closed, -EBADF,
      eddy_file_watch_add(co, &no_watch, "/", EDDY_FILE_CREATED))
POINT(waiting_for_a_file_by_what_is_closed, -EBADF, eddy_file_watch_next(co, &no_watch, &no_event))
POINT(resolving_for_no_family, -EINVAL, eddy_resolve(co, "127.0.0.1", 80, 12345, &address, 1))
POINT(reading_too_large_a_file, -EINVAL, eddy_file_read(co, "/dev/null", &data, SIZE_MAX))
POINT(writing_a_file_in_no_way, -EINVAL, eddy_file_write(co, "/dev/null", buffer, 1, 1 << 20))

/* In blocks, too, and there also before want of memory. */
eddy_frame(opens_block) {
    eddy_coro co;
    int way;
    size_t index;
};

static void opens_block(eddy_coro *co)
{
    eddy_begin(opens_block);
    eddy_cancel(eddy_task_self(co));
    if (self->way == 0) {
        eddy_with_cond(&cond) {}
    } else if (self->way == 1) {
        use_up_memory();
        eddy_with_lock(&lock) {}
    } else if (self->way == 3) {
        use_up_memory();
        eddy_with_writer(&writer, &closed, NULL) {}
    } else if (self->way == 4) {
        use_up_memory();
        eddy_with_reader(&reader, &closed, 0) {}
    } else {
        use_up_memory();
        eddy_for_each(self->index, eddy_as_completed, .tasks = NULL, .count = 0) {}
    }
    eddy_return(1);
    eddy_end;
}

test(a_block_that_would_be_refused_delivers_a_pending_cancel_first)
{
    for (int way = 0; way < 5; way++) {
        assert_int_equal(run(opens_block, .way = way), -ECANCELED);
        testing_fail_allocation(0);
    }
}

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
        point_case(waiting_for_a_task_is_a_cancel_point),
        point_case(selecting_is_a_cancel_point),
        point_case(giving_is_a_cancel_point),
        point_case(offloading_is_a_cancel_point),
        point_case(resolving_is_a_cancel_point),
        point_case(reading_a_file_is_a_cancel_point),
        point_case(reading_a_file_into_is_a_cancel_point),
        point_case(writing_a_file_is_a_cancel_point),
        point_case(joining_nobody_is_a_cancel_point),
        point_case(waiting_for_no_task_is_a_cancel_point),
        point_case(shielding_itself_is_a_cancel_point),
        point_case(gathering_itself_is_a_cancel_point),
        point_case(gathering_all_of_itself_is_a_cancel_point),
        point_case(waiting_for_itself_is_a_cancel_point),
        point_case(waiting_in_no_mode_is_a_cancel_point),
        point_case(taking_the_next_of_a_group_that_keeps_none_is_a_cancel_point),
        point_case(waiting_for_a_group_that_has_its_waiter_is_a_cancel_point),
        point_case(acquiring_a_lock_twice_is_a_cancel_point),
        point_case(waiting_for_a_condition_without_lock_is_a_cancel_point),
        point_case(waiting_for_a_barrier_of_nobody_is_a_cancel_point),
        point_case(putting_into_a_queue_that_is_shut_is_a_cancel_point),
        point_case(getting_from_a_queue_that_is_shut_is_a_cancel_point),
        point_case(reading_what_is_closed_is_a_cancel_point),
        point_case(becoming_readable_when_closed_is_a_cancel_point),
        point_case(writing_to_what_is_closed_is_a_cancel_point),
        point_case(writing_pieces_less_than_none_is_a_cancel_point),
        point_case(copying_a_part_of_what_is_closed_is_a_cancel_point),
        point_case(copying_less_than_nothing_is_a_cancel_point),
        point_case(sending_no_file_is_a_cancel_point),
        point_case(sending_less_than_nothing_is_a_cancel_point),
        point_case(dropping_a_line_of_what_is_closed_is_a_cancel_point),
        point_case(draining_what_is_closed_is_a_cancel_point),
        point_case(flushing_what_is_closed_is_a_cancel_point),
        point_case(putting_into_what_is_closed_is_a_cancel_point),
        point_case(closing_what_is_closed_is_a_cancel_point),
        point_case(copying_what_is_closed_is_a_cancel_point),
        point_case(reading_a_line_of_nothing_is_a_cancel_point),
        point_case(reading_until_more_than_all_is_a_cancel_point),
        point_case(peeking_at_too_much_is_a_cancel_point),
        point_case(reading_exactly_what_is_closed_is_a_cancel_point),
        point_case(reading_by_a_reader_what_is_closed_is_a_cancel_point),
        point_case(connecting_what_is_open_is_a_cancel_point),
        point_case(connecting_to_nowhere_is_a_cancel_point),
        point_case(connecting_to_none_is_a_cancel_point),
        point_case(sending_fds_on_what_is_closed_is_a_cancel_point),
        point_case(receiving_fds_on_what_is_closed_is_a_cancel_point),
        point_case(receiving_by_what_is_closed_is_a_cancel_point),
        point_case(receiving_many_by_what_is_closed_is_a_cancel_point),
        point_case(sending_by_what_is_closed_is_a_cancel_point),
        point_case(sending_many_by_what_is_closed_is_a_cancel_point),
        point_case(serving_at_no_port_is_a_cancel_point),
        point_case(serving_at_nowhere_is_a_cancel_point),
        point_case(waiting_for_no_signal_is_a_cancel_point),
        point_case(waiting_for_nothing_of_an_fd_is_a_cancel_point),
        point_case(waiting_for_an_fd_that_is_not_kept_is_a_cancel_point),
        point_case(watching_files_without_room_is_a_cancel_point),
        point_case(watching_one_more_file_by_what_is_closed_is_a_cancel_point),
        point_case(waiting_for_a_file_by_what_is_closed_is_a_cancel_point),
        point_case(resolving_for_no_family_is_a_cancel_point),
        point_case(reading_too_large_a_file_is_a_cancel_point),
        point_case(writing_a_file_in_no_way_is_a_cancel_point),
        point_case(a_block_that_would_be_refused_delivers_a_pending_cancel_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
