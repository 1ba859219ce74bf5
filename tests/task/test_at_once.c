/* Whoever tries what always ends at once, with a value or an error, starves neither others nor its
 * own deadline: of every operation there is. */
#include <dirent.h>

#include "support/tasks.h"

#include <eddy.h>
#include <eddy/check_transport.h>

enum { SHARE = 128, ROUNDS = 8, MOST_TEXT = 65536 };

/* ---- operations that end at once: each with the name that its header gives it */

static eddy_barrier barrier;
static eddy_cond cond; /* has no lock */
static eddy_dir dir;   /* not open, like the file */
static eddy_event event;
static eddy_fd no_fd;            /* not initialized */
static eddy_file_watch no_watch; /* not open */
static struct eddy_file_event no_event;
static eddy_file a_file;
static eddy_future future;
static eddy_group group;
static eddy_lock lock;
static const struct eddy_process_options none; /* no command */
static eddy_process process;                   /* not open */
static eddy_queue queue;                       /* shut down */
static eddy_reader reader;
static eddy_semaphore semaphore;
static eddy_server server;
static eddy_stream stream; /* not open */
static eddy_stream other;
static eddy_writer writer; /* likewise */
static eddy_task gone;
static struct eddy_address address;
static struct eddy_address unix_ones[2]; /* several are TCP's or fail */
static struct eddy_address resolved;
static struct eddy_fds no_fds;
static eddy_datagram no_socket; /* not open */
static struct eddy_packet packet;
static struct eddy_file_info info;
static struct eddy_file_data data = {.bytes = (char *)&data};
static char buffer[16];
static int item;
static int64_t value;
static struct returns returned;

eddy_frame(serves) {
    eddy_coro co;
    eddy_stream *stream;
};

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    eddy_end;
}

static bool never(void *argument)
{
    (void)argument;
    return false;
}

static int64_t no_work(eddy_job *job, void *argument)
{
    (void)job;
    (void)argument;
    return 0;
}

static int opens_no_pair(eddy_loop *loop, eddy_stream *one, eddy_stream *two, void *user)
{
    (void)loop;
    (void)one;
    (void)two;
    (void)user;
    return -EIO;
}

static const struct eddy_transport_pair no_pair = {.name = "none", .open = opens_no_pair};

/* An operation of a user's, without eddy_complete. */
EDDY_MUST_USE static int64_t plain(eddy_coro *co)
{
    int64_t result = eddy_check(co);

    return result < 0 ? result : 7;
}

struct operation {
    const char *name;
    int64_t (*begin)(eddy_coro *co);
    int64_t result;
};

/* OPERATION(name, result, the operation) */
#define OPERATIONS                                                                                \
    OPERATION(eddy_datagram_receive, -EBADF,                                                      \
              eddy_datagram_receive(co, &no_socket, buffer, 1, NULL))                             \
    OPERATION(eddy_datagram_receive_many, -EBADF,                                                 \
              eddy_datagram_receive_many(co, &no_socket, &packet, 1))                             \
    OPERATION(eddy_datagram_send, -EBADF, eddy_datagram_send(co, &no_socket, buffer, 1, NULL))    \
    OPERATION(eddy_datagram_send_many, -EBADF,                                                    \
              eddy_datagram_send_many(co, &no_socket, &packet, 1))                                \
    OPERATION(eddy_receive_fds, -EBADF, eddy_receive_fds(co, &stream, buffer, 1, &no_fds))        \
    OPERATION(eddy_send_fds, -EBADF, eddy_send_fds(co, &stream, buffer, 1, &no_fds))              \
    OPERATION(eddy_barrier_wait, -ENOTRECOVERABLE, eddy_barrier_wait(co, &barrier))               \
    OPERATION(eddy_call, 0, eddy_call(co, returns))                                               \
    OPERATION(eddy_call_in, 0, eddy_call_in(co, &returned, returns))                              \
    OPERATION(eddy_check_transport, -EIO, eddy_check_transport(co, &no_pair))                     \
    OPERATION(eddy_cond_wait, -EINVAL, eddy_cond_wait(co, &cond))                                 \
    OPERATION(eddy_cond_wait_for, -EINVAL, eddy_cond_wait_for(co, &cond, never, NULL))            \
    OPERATION(eddy_connect, -EINVAL, eddy_connect(co, &stream, "127.1", 1))                       \
    OPERATION(eddy_connect_any, -EAFNOSUPPORT, eddy_connect_any(co, &stream, unix_ones, 2, NULL)) \
    OPERATION(eddy_connect_to, -ENOENT, eddy_connect_to(co, &stream, &address))                   \
    OPERATION(eddy_connect_with, -EINVAL, eddy_connect_with(co, &stream, "127.1", 1, NULL))       \
    OPERATION(eddy_copy, -EBADF, eddy_copy(co, &stream, &other, NULL))                            \
    OPERATION(eddy_copy_at_most, -EBADF, eddy_copy_at_most(co, &stream, &other, 1, NULL))         \
    OPERATION(eddy_dir_close, 0, eddy_dir_close(co, &dir))                                        \
    OPERATION(eddy_dir_next, -EBADF, eddy_dir_next(co, &dir))                                     \
    OPERATION(eddy_dir_open, -EAGAIN, eddy_dir_open(co, &dir, "x"))                               \
    OPERATION(eddy_event_wait, 0, eddy_event_wait(co, &event))                                    \
    OPERATION(eddy_fd_ready, -EBADF, eddy_fd_ready(co, &no_fd, EDDY_READ))                        \
    OPERATION(eddy_fd_wait, -EBADF, eddy_fd_wait(co, 999, EDDY_READ))                             \
    OPERATION(eddy_file_close, 0, eddy_file_close(co, &a_file))                                   \
    OPERATION(eddy_file_get_info, -EBADF, eddy_file_get_info(co, &a_file, &info))                 \
    OPERATION(eddy_file_open, -EAGAIN, eddy_file_open(co, &a_file, "x", 0, 0))                    \
    OPERATION(eddy_file_read, -EINVAL, eddy_file_read(co, "x", &data, 1))                         \
    OPERATION(eddy_file_read_at, -EBADF, eddy_file_read_at(co, &a_file, buffer, 1, 0))            \
    OPERATION(eddy_file_read_into, -EAGAIN, eddy_file_read_into(co, "x", buffer, 1))              \
    OPERATION(eddy_file_sync, -EBADF, eddy_file_sync(co, &a_file))                                \
    OPERATION(eddy_file_sync_data, -EBADF, eddy_file_sync_data(co, &a_file))                      \
    OPERATION(eddy_file_truncate, -EBADF, eddy_file_truncate(co, &a_file, 0))                     \
    OPERATION(eddy_file_watch_add, -EBADF, eddy_file_watch_add(co, &no_watch, "x", 1))            \
    OPERATION(eddy_file_watch_next, -EBADF, eddy_file_watch_next(co, &no_watch, &no_event))       \
    OPERATION(eddy_file_watch_open, -EMFILE, eddy_file_watch_open(co, &no_watch))                 \
    OPERATION(eddy_file_write, -EINVAL, eddy_file_write(co, "x", buffer, 1, ~0u))                 \
    OPERATION(eddy_file_write_at, -EBADF, eddy_file_write_at(co, &a_file, buffer, 1, 0))          \
    OPERATION(eddy_future_wait, 5, eddy_future_wait(co, &future))                                 \
    OPERATION(eddy_gather, 0, eddy_gather(co, NULL, 0))                                           \
    OPERATION(eddy_gather_all, 0, eddy_gather_all(co, NULL, 0, NULL))                             \
    OPERATION(eddy_group_next, -EINVAL, eddy_group_next(co, &group, &value))                      \
    OPERATION(eddy_group_wait, 0, eddy_group_wait(co, &group))                                    \
    OPERATION(eddy_join, -ESRCH, eddy_join(co, gone))                                             \
    OPERATION(eddy_lock_acquire, -EDEADLK, eddy_lock_acquire(co, &lock))                          \
    OPERATION(eddy_offload, -EAGAIN, eddy_offload(co, no_work, NULL))                             \
    OPERATION(eddy_offload_watched, -EAGAIN, eddy_offload_watched(co, no_work, NULL, NULL))       \
    OPERATION(eddy_path_get_info, -EAGAIN, eddy_path_get_info(co, "x", &info))                    \
    OPERATION(eddy_path_get_link_info, -EAGAIN, eddy_path_get_link_info(co, "x", &info))          \
    OPERATION(eddy_path_mkdir, -EAGAIN, eddy_path_mkdir(co, "x", 0))                              \
    OPERATION(eddy_path_rename, -EAGAIN, eddy_path_rename(co, "x", "y"))                          \
    OPERATION(eddy_path_rmdir, -EAGAIN, eddy_path_rmdir(co, "x"))                                 \
    OPERATION(eddy_path_unlink, -EAGAIN, eddy_path_unlink(co, "x"))                               \
    OPERATION(eddy_pause, 0, eddy_pause(co))                                                      \
    OPERATION(eddy_process_run, -EINVAL, eddy_process_run(co, &none, NULL, 0, NULL, NULL))        \
    OPERATION(eddy_process_spawn, -EINVAL, eddy_process_spawn(co, &process, &none))               \
    OPERATION(eddy_process_stop, -EBADF, eddy_process_stop(co, &process, 0))                      \
    OPERATION(eddy_process_wait, -EBADF, eddy_process_wait(co, &process))                         \
    OPERATION(eddy_queue_get, -ESHUTDOWN, eddy_queue_get(co, &queue, &item))                      \
    OPERATION(eddy_queue_join, 0, eddy_queue_join(co, &queue))                                    \
    OPERATION(eddy_queue_put, -ESHUTDOWN, eddy_queue_put(co, &queue, &item))                      \
    OPERATION(eddy_read, -EBADF, eddy_read(co, &stream, buffer, 1))                               \
    OPERATION(eddy_read_exactly, -EBADF, eddy_read_exactly(co, &reader, buffer, 1))               \
    OPERATION(eddy_read_line, -EINVAL, eddy_read_line(co, &reader, 0))                            \
    OPERATION(eddy_read_until, -EBADF, eddy_read_until(co, &reader, "x", 1, 9))                   \
    OPERATION(eddy_readable, -EBADF, eddy_readable(co, &stream))                                  \
    OPERATION(eddy_reader_peek, -EMSGSIZE, eddy_reader_peek(co, &reader, 99))                     \
    OPERATION(eddy_reader_read, 0, eddy_reader_read(co, &reader, buffer, 0))                      \
    OPERATION(eddy_reader_skip_line, -EBADF, eddy_reader_skip_line(co, &reader))                  \
    OPERATION(eddy_resolve, 1, eddy_resolve(co, "127.0.0.1", 80, AF_UNSPEC, &resolved, 1))        \
    OPERATION(eddy_select, 1,                                                                     \
              eddy_select(co, NULL, eddy_sleep(co, EDDY_SECOND), eddy_event_wait(co, &event)))    \
    OPERATION(eddy_semaphore_acquire, 0, eddy_semaphore_acquire(co, &semaphore))                  \
    OPERATION(eddy_send_file, -EBADF, eddy_send_file(co, &stream, 0, 0, 1))                       \
    OPERATION(eddy_serve, -EINVAL, eddy_serve(co, &server, "127.1", 1, serves))                   \
    OPERATION(eddy_serve_at, -ENOENT, eddy_serve_at(co, &server, &address, serves))               \
    OPERATION(eddy_server_drain, 0, eddy_server_drain(co, &server, 0))                            \
    OPERATION(eddy_server_wait_closed, 0, eddy_server_wait_closed(co, &server))                   \
    OPERATION(eddy_shield, -ESRCH, eddy_shield(co, gone))                                         \
    OPERATION(eddy_signal_wait, -EINVAL, eddy_signal_wait(co, 0))                                 \
    OPERATION(eddy_sleep, 0, eddy_sleep(co, 0))                                                   \
    OPERATION(eddy_task_wait, -ESRCH, eddy_task_wait(co, gone))                                   \
    OPERATION(eddy_wait_tasks, 0, eddy_wait_tasks(co, NULL, 0, EDDY_WAIT_ALL))                    \
    OPERATION(eddy_wait_for, 5, eddy_wait_for(co, EDDY_SECOND, eddy_future_wait(co, &future)))    \
    OPERATION(eddy_writable, -EBADF, eddy_writable(co, &stream))                                  \
    OPERATION(eddy_write, -EBADF, eddy_write(co, &stream, buffer, 1))                             \
    OPERATION(eddy_writer_close, 0, eddy_writer_close(co, &writer))                               \
    OPERATION(eddy_writer_drain, -EBADF, eddy_writer_drain(co, &writer))                          \
    OPERATION(eddy_writer_flush, -EBADF, eddy_writer_flush(co, &writer))                          \
    OPERATION(eddy_writer_write, -EBADF, eddy_writer_write(co, &writer, buffer, 1))               \
    OPERATION(eddy_writev, -EBADF, eddy_writev(co, &stream, NULL, 0))                             \
    OPERATION(plain, 7, plain(co))

#define OPERATION(name, expected, operation)   \
    static int64_t begin_##name(eddy_coro *co) \
    {                                          \
        return operation;                      \
    }
OPERATIONS
#undef OPERATION

#define OPERATION(name, expected, operation) {#name, begin_##name, expected},
static const struct operation operations[] = {OPERATIONS};
#undef OPERATION

enum { COUNT = sizeof operations / sizeof *operations };

static void set_up(void)
{
    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    barrier = (eddy_barrier){.parties = 2, .broken = true};
    event = (eddy_event){.set = true};
    group = (eddy_group){0};
    lock = (eddy_lock){0};
    future = (eddy_future){0};
    assert_int_equal(eddy_future_set(&future, 5), 0);
    assert_int_equal(eddy_queue_init(testing.loop, &queue, int), 0);
    eddy_queue_shutdown(&queue, EDDY_QUEUE_DRAIN);
    eddy_reader_init(&reader, &stream, buffer, sizeof buffer);
    eddy_semaphore_init(&semaphore, UINT32_MAX);
    assert_int_equal(eddy_address_unix(&address, "/no/such/directory/socket"), 0);
    unix_ones[0] = unix_ones[1] = address;
    testing_fail_from(thread_create, 1, -EAGAIN);
    testing_fail_from(inotify_init, 1, -EMFILE);
}

/* ---- what they do to others */

static int64_t tries;
static int64_t most; /* of them between two turns of another task */
static int rounds;

/* Takes its turns, and notes how long it waits for each; every turn is a millisecond. */
eddy_frame(takes_turns) {
    eddy_coro co;
    int64_t before;
};

static void takes_turns(eddy_coro *co)
{
    eddy_begin(takes_turns);
    while (rounds > 0) {
        self->before = tries;
        eddy_await(eddy_pause(co));
        eddy_clock_advance(&testing.clock, EDDY_MILLISECOND);
        most = tries - self->before > most ? tries - self->before : most;
        rounds--;
    }
    eddy_end;
}

/* The loop that anybody might write. */
eddy_frame(tries_again) {
    eddy_coro co;
    const struct operation *operation;
    int64_t rc;
};

static void tries_again(eddy_coro *co)
{
    eddy_begin(tries_again);
    (void)!eddy_lock_try_acquire(co, &lock);
    while (true) {
        tries++;
        assert_true(tries < 100000);
        eddy_catch(self->rc, self->operation->begin(co));
        if (self->rc == -ECANCELED) {
            eddy_return(self->rc);
        }
        if (self->rc != self->operation->result) {
            fail_msg("%s: %s", self->operation->name, eddy_strerror(self->rc));
        }
    }
    eddy_end;
}

/* Likewise, by the other word for it. */
eddy_frame(excepts) {
    eddy_coro co;
    const struct operation *operation;
    int64_t rc;
};

static void excepts(eddy_coro *co)
{
    eddy_begin(excepts);
    (void)!eddy_lock_try_acquire(co, &lock);
    while (true) {
        tries++;
        assert_true(tries < 100000);
        eddy_except(self->operation->result, self->operation->begin(co)) {
            continue;
        }
    }
    eddy_end;
}

eddy_frame(limits) {
    eddy_coro co;
    const struct operation *operation;
    bool excepts;
    int64_t rc;
};

static void limits(eddy_coro *co)
{
    eddy_begin(limits);
    if (self->excepts) {
        eddy_catch(self->rc, eddy_wait_for(co, ROUNDS * EDDY_MILLISECOND,
                                           eddy_call(co, excepts, .operation = self->operation)));
    } else {
        eddy_catch(self->rc,
                   eddy_wait_for(co, ROUNDS * EDDY_MILLISECOND,
                                 eddy_call(co, tries_again, .operation = self->operation)));
    }
    eddy_return(self->rc);
    eddy_end;
}

static void check(const struct operation *operation, bool with_except)
{
    int64_t result;

    set_up();
    tries = most = 0;
    rounds = 2 * ROUNDS;
    start(takes_turns);
    result = run(limits, .operation = operation, .excepts = with_except);
    if (result != -ETIMEDOUT || rounds == 0 || most > SHARE) {
        fail_msg("%s: %s, %d turns left, %lld tries in one", operation->name, eddy_strerror(result),
                 rounds, (long long)most);
    }
    rounds = 0;
    testing_run();
    eddy_queue_fini(&queue);
}

test(whoever_tries_it_again_and_again_gives_others_their_turns_and_meets_its_deadline)
{
    for (size_t i = 0; i < COUNT; i++) {
        check(&operations[i], false);
        check(&operations[i], true);
    }
}

/* ---- the table is whole */

static bool is_known(const char *name, size_t length)
{
    static const char *const others[] = {"eddy_check",         "eddy_complete",     "eddy_park",
                                         "eddy_own_none",      "eddy_own_complete", "eddy_own_park",
                                         "eddy_scope_leave_fn"};

    for (size_t i = 0; i < COUNT; i++) {
        if (strlen(operations[i].name) == length && memcmp(operations[i].name, name, length) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strlen(others[i]) == length && memcmp(others[i], name, length) == 0) {
            return true;
        }
    }
    return false;
}

/* What is private is part of a word that has a name of its own. */
static void look_for_operations(const char *text)
{
    static const char before[] = "int64_t eddy_";

    while ((text = strstr(text, before)) != NULL) {
        const char *name = text + strlen("int64_t ");
        size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
        text = name + length;
        if (strncmp(text, "(eddy_coro *co", strlen("(eddy_coro *co")) == 0 &&
            name[length - 1] != '_' && !is_known(name, length)) {
            fail_msg("%.*s is in no test of this file: OPERATIONS is the table", (int)length, name);
        }
    }
}

test(every_operation_of_the_headers_is_tried)
{
    static char text[MOST_TEXT];
    char path[512];
    const struct dirent *entry;
    int headers = 0;
    DIR *directory = opendir(TESTING_HEADERS);

    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL) {
        FILE *file;
        size_t size;
        if (strstr(entry->d_name, ".h") == NULL) { /* the folder impl, whose names are private */
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", TESTING_HEADERS, entry->d_name);
        file = fopen(path, "r");
        assert_non_null(file);
        size = fread(text, 1, sizeof text, file);
        assert_true(size < sizeof text);
        text[size] = '\0';
        fclose(file);
        look_for_operations(text);
        headers++;
    }
    closedir(directory);
    assert_true(headers > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(
            whoever_tries_it_again_and_again_gives_others_their_turns_and_meets_its_deadline),
        testing_case(every_operation_of_the_headers_is_tried),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
