/* server.h: serving at an address, that of a Unix-domain socket above all. */
#include "support/text.h"
#include "support/unix.h"

#include <fcntl.h>

#include "eddy/server.h"
#include "net/stream_internal.h"

static eddy_server server;
static struct eddy_sys real; /* the kit's own functions, under those that a test puts in */

/* The pause was told, once. */
static void assert_pause_told(int64_t error)
{
    assert_int_equal(testing.errors.count, 1);
    assert_int_equal(testing.errors.code, error);
    assert_non_null(strstr(testing.errors.text, "accepts no clients for now: "));
    testing.errors.count = 0;
}

static int setup(void **state)
{
    int result = testing_setup(state);

    real = testing.sys.table;
    memset(&server, 0, sizeof server);
    return result != 0 ? result : open_directory();
}

static int teardown(void **state)
{
    int removed = close_directory();

    return testing_teardown(state) != 0 || removed != 0 ? -1 : 0;
}

#define serve_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

eddy_frame(greets) {
    eddy_coro co;
    eddy_stream *stream;
    int64_t rc;
    char buffer[64];
};

static void greets(eddy_coro *co)
{
    eddy_begin(greets);
    testing_log("%s", (self->stream->state & EDDY_STREAM_DRAINS) != 0 ? "tcp" : "other");
    eddy_await(eddy_write(co, self->stream, "hello", 5));
    do {
        eddy_catch(self->rc, eddy_read(co, self->stream, self->buffer, sizeof self->buffer));
    } while (self->rc > 0);
    testing_log_result("read", self->rc);
    eddy_end;
}

eddy_frame(serves) {
    eddy_coro co;
    eddy_server *server;
    struct eddy_address *at;
};

static void serves(eddy_coro *co)
{
    eddy_begin(serves);
    eddy_await(eddy_serve_at(co, self->server, self->at, greets));
    eddy_end;
}

static int64_t serve(void)
{
    return testing_run_task(serves, .server = &server, .at = &address);
}

eddy_frame(waits_until_closed) {
    eddy_coro co;
};

static void waits_until_closed(eddy_coro *co)
{
    eddy_begin(waits_until_closed);
    eddy_await(eddy_server_wait_closed(co, &server));
    eddy_end;
}

static void end(void)
{
    eddy_server_close(&server);
    assert_int_equal(testing_run_task(waits_until_closed), 0);
    assert_int_equal(server.active, 0);
}

static void assert_serve_fails(int error)
{
    assert_int_equal(serve(), error);
    assert_int_equal(eddy_server_port(&server), -EBADF);
}

static int greeted_client(void)
{
    int fd = unix_connect(&address);

    net_expect(fd, "hello");
    return fd;
}

/* ---- serving */

test(clients_of_a_path_are_served)
{
    int fds[2];

    assert_int_equal(serve(), 0);
    assert_int_equal(eddy_server_port(&server), -EINVAL);
    fds[0] = greeted_client();
    fds[1] = greeted_client();
    assert_int_equal(server.active, 2);
    close(fds[0]);
    close(fds[1]);
    end();
    assert_int_equal(server.accepted, 2);
    testing_assert_log("other other read=0 read=0");
}

test(clients_of_an_abstract_name_are_served_and_nothing_is_left_of_it)
{
    snprintf(path, sizeof path, "@%s", directory);
    assert_int_equal(eddy_address_unix(&address, path), 0);
    assert_int_equal(serve(), 0);
    close(greeted_client());
    end();
    unix_assert_fails(&address, -ECONNREFUSED);
    assert_int_equal(testing_calls(lstat), 0);
    testing_assert_log("other read=0");
}

test(an_address_of_tcp_is_served_and_the_system_has_picked_the_port)
{
    int fd;

    assert_int_equal(eddy_address_parse(&address, "127.0.0.1", 0), 0);
    assert_int_equal(serve(), 0);
    assert_in_range(eddy_server_port(&server), 1, 65535);
    fd = net_connect(eddy_server_port(&server));
    net_expect(fd, "hello");
    close(fd);
    end();
    assert_int_equal(testing_calls(lstat), 0);
    testing_assert_log("tcp read=0");
}

test(what_is_for_tcp_is_not_done_to_unix_sockets)
{
    assert_int_equal(serve(), 0);
    close(greeted_client());
    end();
    assert_int_equal(testing_calls(setsockopt), 0);
    testing_assert_log("other read=0");
}

test(the_sockets_are_nonblocking_and_close_on_exec)
{
    assert_int_equal(serve(), 0);
    assert_true((fcntl(server.first.io.fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(server.first.io.fd, F_GETFD) & FD_CLOEXEC) != 0);
    end();
}

test(the_path_has_the_permissions_that_the_umask_leaves)
{
    mode_t before = umask(077);
    struct stat status;

    assert_int_equal(serve(), 0);
    umask(before);
    assert_int_equal(lstat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    end();
}

test(the_address_is_copied)
{
    assert_int_equal(serve(), 0);
    memset(&address, 0xff, sizeof address);
    end();
    assert_false(is_there(path));
}

test(a_server_is_told_with_its_path)
{
    char expected[128];
    eddy_task task;

    assert_int_equal(serve(), 0);
    task = eddy_loop_spawn(testing.loop, waits_until_closed);
    testing_turns();
    snprintf(expected, sizeof expected, "for server: unix:%s, 0 clients\n", path);
    assert_dumped(expected);
    eddy_server_close(&server);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), 0);
}

/* ---- what is refused */

test(a_path_that_is_there_is_in_use_whatever_it_is)
{
    int fd = unix_listener(1);

    assert_serve_fails(-EADDRINUSE);
    close(unix_connect(&address)); /* it is still the other's */
    close(fd);
    assert_serve_fails(-EADDRINUSE); /* nobody listens any more */
    assert_true(is_there(path));
    assert_int_equal(unlink(path), 0);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_serve_fails(-EADDRINUSE);
    assert_true(is_there(path));
}

test(a_server_that_is_open_is_not_opened_again)
{
    assert_int_equal(serve(), 0);
    assert_int_equal(serve(), -EINVAL);
    close(greeted_client());
    end();
    testing_assert_log("other read=0");
}

test(several_cannot_share_a_unix_socket)
{
    server.reuse_port = true;
    assert_serve_fails(-EINVAL);
    assert_false(is_there(path));
}

test(an_address_of_another_kind_is_not_supported)
{
    memset(&address, 0, sizeof address);
    assert_serve_fails(-EAFNOSUPPORT);
    assert_int_equal(testing_calls(socket), 0);
}

test(a_task_that_is_cancelled_already_serves_nowhere)
{
    eddy_task task = eddy_loop_spawn(testing.loop, serves, .server = &server, .at = &address);

    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -ECANCELED);
    assert_int_equal(testing_calls(socket), 0);
}

/* ---- the path when the server closes */

static int unlink_and_log(const struct eddy_sys *sys, const char *name)
{
    testing_log("unlink");
    return real.unlink(sys, name);
}

static int close_and_log(const struct eddy_sys *sys, int fd)
{
    testing_log("close");
    return real.close(sys, fd);
}

test(the_path_is_removed_before_the_socket_is_closed)
{
    assert_int_equal(serve(), 0);
    assert_true(is_there(path));
    testing.sys.table.unlink = unlink_and_log;
    testing.sys.table.close = close_and_log;
    eddy_server_close(&server);
    testing_assert_log("unlink close");
    assert_false(is_there(path));
    assert_int_equal(serve(), 0);
    eddy_server_close(&server);
    testing_assert_log("unlink close");
}

test(a_path_that_is_another_files_by_now_stays)
{
    int other;

    assert_int_equal(serve(), 0);
    assert_int_equal(unlink(path), 0);
    other = unix_listener(1);
    end();
    close(unix_connect(&address));
    close(other);
    assert_int_equal(testing_calls(unlink), 0);
}

test(a_path_that_is_gone_already_is_nothing_to_speak_of)
{
    assert_int_equal(serve(), 0);
    assert_int_equal(unlink(path), 0);
    end();
    assert_int_equal(testing_calls(unlink), 0);
}

test(a_loop_that_is_freed_removes_the_path)
{
    assert_int_equal(serve(), 0);
    testing_free();
    assert_false(is_there(path));
}

static int close_in_child(void *argument)
{
    (void)argument;
    eddy_server_close(&server);
    return 0;
}

test(a_child_of_fork_leaves_the_path_to_its_parent)
{
    assert_int_equal(serve(), 0);
    testing_expect_return(close_in_child, NULL, 0);
    close(greeted_client());
    end();
    assert_false(is_there(path));
    testing_assert_log("other read=0");
}

test(a_path_that_cannot_be_removed_is_told_to_the_error_hook)
{
    char expected[128];

    snprintf(expected, sizeof expected, "server: removing %s: Permission denied", path);
    assert_int_equal(serve(), 0);
    testing_fail(unlink, 1, -EACCES);
    end();
    testing_assert_error(-EACCES, expected);
    assert_true(is_there(path));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(serve(), 0);
    testing_fail(lstat, 1, -EACCES);
    end();
    testing_assert_error(-EACCES, expected);
    assert_true(is_there(path));
}

test(a_relative_path_that_is_not_found_again_is_told)
{
    char before[256];
    char *name = strrchr(path, '/');

    assert_non_null(getcwd(before, sizeof before));
    *name = '\0';
    assert_int_equal(chdir(path), 0);
    *name = '/';
    assert_int_equal(eddy_address_unix(&address, name + 1), 0);
    assert_int_equal(serve(), 0);
    assert_int_equal(chdir("/"), 0);
    end();
    assert_int_equal(testing.errors.count, 1);
    assert_int_equal(testing.errors.code, -ENOENT);
    testing.errors.count = 0;
    assert_true(is_there(path));
    assert_int_equal(chdir(before), 0);
}

/* ---- system calls and memory that fail: nothing is left of the path */

static void assert_serve_fails_and_leaves_nothing(int error)
{
    assert_serve_fails(error);
    assert_false(is_there(path));
}

test(every_system_call_of_opening_that_fails_is_the_result_and_leaves_no_path)
{
    testing_fail(socket, 1, -EMFILE);
    assert_serve_fails_and_leaves_nothing(-EMFILE);
    testing_fail(bind, 1, -EACCES);
    assert_serve_fails_and_leaves_nothing(-EACCES);
    testing_fail(lstat, 1, -EIO);
    assert_serve_fails_and_leaves_nothing(-EIO);
    testing_fail(listen, 1, -EADDRINUSE);
    assert_serve_fails_and_leaves_nothing(-EADDRINUSE);
    testing_fail(getsockname, 1, -ENOBUFS);
    assert_serve_fails_and_leaves_nothing(-ENOBUFS);
    testing_fail(epoll_ctl, 1, -ENOSPC);
    assert_serve_fails_and_leaves_nothing(-ENOSPC);
    assert_int_equal(serve(), 0);
    end();
}

/* Opens while allocation k, or with `on` also each that follows, fails; false if it needs less. */
static bool opens_in_spite_of(unsigned k, bool on)
{
    unsigned before;
    int64_t result;

    testing_reopen();
    memset(&server, 0, sizeof server);
    before = testing.memory.calls;
    (on ? testing_fail_allocations_from : testing_fail_allocation)(k);
    result = serve();
    testing_fail_allocation(0);
    assert_true(result == 0 || result == -ENOMEM);
    assert_int_equal(is_there(path), result == 0);
    eddy_server_close(&server);
    assert_false(is_there(path));
    return testing.memory.calls - before >= k;
}

test(memory_that_fails_anywhere_is_enomem_and_leaves_no_path)
{
    unsigned k = 1;

    while (opens_in_spite_of(k, false)) {
        k++;
    }
    assert_in_range(k, 2, 50);
    while (--k > 0) {
        (void)opens_in_spite_of(k, true);
    }
}

/* ---- limits, as with TCP */

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

test(with_max_clients_the_next_waits_until_one_has_gone)
{
    int fds[2];

    server.max_clients = 1;
    assert_int_equal(serve(), 0);
    fds[0] = greeted_client();
    fds[1] = unix_connect(&address);
    testing_turns();
    assert_int_equal(server.accepted, 1);
    assert_int_equal(net_drain(fds[1]), 0);
    close(fds[0]);
    net_expect(fds[1], "hello");
    close(fds[1]);
    end();
    testing_assert_log("other read=0 other read=0");
}

test(a_client_that_is_idle_is_timed_out)
{
    int fd;

    server.idle_timeout = 50 * MS;
    assert_int_equal(serve(), 0);
    fd = greeted_client();
    assert_int_equal(testing_run_task(sleeps, .duration = 50 * MS), 0);
    net_expect_end(fd);
    close(fd);
    end();
    testing_assert_log("other read=-ETIMEDOUT");
}

test(a_server_without_fds_pauses_and_goes_on)
{
    int fd;

    assert_int_equal(serve(), 0);
    testing_fail(accept4, 1, -EMFILE);
    fd = unix_connect(&address);
    testing_turns();
    assert_int_equal(server.accepted, 0);
    assert_pause_told(-EMFILE);
    assert_int_equal(testing_run_task(sleeps, .duration = 10 * MS), 0);
    net_expect(fd, "hello");
    close(fd);
    end();
    testing_assert_log("other read=0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        serve_case(clients_of_a_path_are_served),
        serve_case(clients_of_an_abstract_name_are_served_and_nothing_is_left_of_it),
        serve_case(an_address_of_tcp_is_served_and_the_system_has_picked_the_port),
        serve_case(what_is_for_tcp_is_not_done_to_unix_sockets),
        serve_case(the_sockets_are_nonblocking_and_close_on_exec),
        serve_case(the_path_has_the_permissions_that_the_umask_leaves),
        serve_case(the_address_is_copied),
        serve_case(a_server_is_told_with_its_path),
        serve_case(a_path_that_is_there_is_in_use_whatever_it_is),
        serve_case(a_server_that_is_open_is_not_opened_again),
        serve_case(several_cannot_share_a_unix_socket),
        serve_case(an_address_of_another_kind_is_not_supported),
        serve_case(a_task_that_is_cancelled_already_serves_nowhere),
        serve_case(the_path_is_removed_before_the_socket_is_closed),
        serve_case(a_path_that_is_another_files_by_now_stays),
        serve_case(a_path_that_is_gone_already_is_nothing_to_speak_of),
        serve_case(a_loop_that_is_freed_removes_the_path),
        serve_case(a_child_of_fork_leaves_the_path_to_its_parent),
        serve_case(a_path_that_cannot_be_removed_is_told_to_the_error_hook),
        serve_case(a_relative_path_that_is_not_found_again_is_told),
        serve_case(every_system_call_of_opening_that_fails_is_the_result_and_leaves_no_path),
        serve_case(memory_that_fails_anywhere_is_enomem_and_leaves_no_path),
        serve_case(with_max_clients_the_next_waits_until_one_has_gone),
        serve_case(a_client_that_is_idle_is_timed_out),
        serve_case(a_server_without_fds_pauses_and_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
