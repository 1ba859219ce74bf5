/* A program between two pipes, as `a | program | b` has it, while each of its system calls fails, is
 * interrupted, or does less than it is asked for: it ends with a result, and what shares the pipes finds them as they
 * were. */
#include "support/children.h"
#include "support/net.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "eddy/reader.h"
#include "eddy/stream.h"

enum { MOST_FAILURES = 100 };

static const char text[] = "one\ntwo\nthree\n";

eddy_frame(numbers_lines) {
    eddy_coro co;
    int in, out; /* -1 when a stream has them */
    eddy_stream from, to;
    eddy_reader reader;
    size_t length;
    struct iovec pieces[2];
    char buffer[64];
};

static bool began; /* else its fds are still the test's */

static void numbers_lines(eddy_coro *co)
{
    eddy_begin(numbers_lines);
    began = true;
    eddy_await(eddy_stream_open(eddy_loop_of(co), &self->from, self->in));
    self->in = -1;
    eddy_await(eddy_stream_open(eddy_loop_of(co), &self->to, self->out));
    self->out = -1;
    eddy_reader_init(&self->reader, &self->from, self->buffer, sizeof self->buffer);
    for (;;) {
        eddy_await(self->length, eddy_read_line(co, &self->reader, sizeof self->buffer));
        if (self->length == 0) {
            break;
        }
        self->pieces[0] = (struct iovec){"> ", 2};
        self->pieces[1] = (struct iovec){self->reader.line, self->length};
        eddy_await(eddy_writev(co, &self->to, self->pieces, 2));
    }
    eddy_await(eddy_stream_shutdown_write(&self->to));
eddy_finally:
    eddy_stream_close(&self->from);
    eddy_stream_close(&self->to);
    if (self->in >= 0) {
        close(self->in);
    }
    if (self->out >= 0) {
        close(self->out);
    }
    eddy_end;
}

static int shared[2]; /* the same descriptions, as another program of the pipeline has them */
static char got[128];

static int64_t run(void)
{
    int before[2];
    int after[2];
    eddy_task task;
    int64_t result;
    ssize_t count;

    assert_int_equal(pipe2(before, O_CLOEXEC), 0);
    assert_int_equal(pipe2(after, O_CLOEXEC), 0);
    assert_int_equal(write(before[1], text, strlen(text)), (ssize_t)strlen(text));
    close(before[1]);
    shared[0] = dup(before[0]);
    shared[1] = dup(after[1]);
    began = false;
    task = eddy_loop_spawn(testing.loop, numbers_lines, .in = before[0], .out = after[1]);
    result = eddy_loop_run_until(testing.loop, task);
    memset(testing.sys.fail, 0, sizeof testing.sys.fail);
    if (task.record != NULL && !eddy_task_done(task)) { /* the kernel could not be asked */
        testing_fail_allocation(0);
        result = eddy_loop_run_until(testing.loop, task);
    }
    if (!began) {
        close(before[0]);
        close(after[1]);
    }
    close(shared[1]);
    assert_int_equal(fcntl(after[0], F_SETFL, O_NONBLOCK), 0);
    count = read(after[0], got, sizeof got - 1); /* all of it, as nobody writes any more */
    got[count > 0 ? count : 0] = '\0';
    close(after[0]);
    return result;
}

static bool ended_as_before(int64_t result)
{
    return result != 0 || strcmp(got, "> one\n> two\n> three\n") == 0;
}

#define CALL(name)                \
    {                             \
#name, TESTING_CALL(name) \
    }
static const struct {
    const char *name;
    size_t call;
} calls[] = {
    CALL(fcntl),           CALL(getsockopt),    CALL(fstat), CALL(terminal),  CALL(open),
    CALL(epoll_ctl),       CALL(read),          CALL(close), CALL(kcmp_file), CALL(epoll_wait),
    CALL(writev_nosignal), CALL(writev_masked),
};
enum { CALLS = sizeof calls / sizeof *calls };

static const int errors[] = {-EMFILE, -ENFILE, -ENOMEM, -EIO,    -EPIPE,     -EPERM,
                             -EACCES, -ENOSPC, -EINVAL, -ENOSYS, -EOPNOTSUPP};
enum { ERRORS = sizeof errors / sizeof *errors };

/* How often each was made without any failure says how often it may fail. */
static void fail_each(int error, bool on, bool without_proc)
{
    for (size_t which = 0; which < CALLS; which++) {
        for (unsigned k = 1; k < MOST_FAILURES; k++) {
            int fds = net_count_open();
            unsigned before = testing_calls_of(calls[which].call);
            int64_t result;
            bool restorable = calls[which].call != TESTING_CALL(fcntl);
            if (without_proc) {
                testing_fail_from(open, 1, -ENOENT);
            }
            testing_fail_call(calls[which].call, k, error, on);
            result = run();
            if ((restorable && (fcntl(shared[0], F_GETFL) & O_NONBLOCK) != 0) ||
                !ended_as_before(result) || result == -EDEADLK) {
                fail_msg("%s %u%s, %d: %lld, %s", calls[which].name, k, on ? " and on" : "", error,
                         (long long)result, got);
            }
            close(shared[0]);
            assert_int_equal(net_count_open(), fds);
            testing.errors.count =
                0; /* what is told is told: by fcntl, that it could not be put back */
            if (testing_calls_of(calls[which].call) - before < k) {
                break;
            }
        }
    }
}

test(each_call_of_a_filter_may_fail)
{
    for (size_t i = 0; i < ERRORS; i++) {
        fail_each(errors[i], false, false);
        fail_each(errors[i], true, false);
    }
}

test(likewise_without_proc)
{
    for (size_t i = 0; i < ERRORS; i++) {
        fail_each(errors[i], false, true);
        fail_each(errors[i], true, true);
    }
}

test(what_is_interrupted_goes_on)
{
    static const size_t may_be[] = {TESTING_CALL(read), TESTING_CALL(writev_nosignal),
                                    TESTING_CALL(epoll_wait)};

    for (size_t i = 0; i < 3; i++) {
        for (unsigned k = 1; k < 8; k++) {
            testing_fail_call(may_be[i], k, -EINTR, false);
            assert_int_equal(run(), 0);
            assert_string_equal(got, "> one\n> two\n> three\n");
            close(shared[0]);
        }
    }
}

test(memory_may_fail_anywhere)
{
    for (unsigned k = 1; k < 20; k++) {
        int64_t result;
        testing_free();
        testing_reopen();
        testing_fail_allocations_from(k);
        result = run();
        testing_fail_allocation(0);
        assert_true(result == 0 || result == -ENOMEM || result == -ESRCH);
        assert_true(ended_as_before(result));
        assert_int_equal(fcntl(shared[0], F_GETFL) & O_NONBLOCK, 0);
        close(shared[0]);
        testing.errors.count = 0;
    }
}

/* Bytes one by one. */
static ssize_t read_a_byte(const struct eddy_sys *sys, int fd, void *buffer, size_t size)
{
    return eddy_sys_default()->read(sys, fd, buffer, size < 1 ? size : 1);
}

static ssize_t write_a_byte(const struct eddy_sys *sys, int fd, const struct iovec *pieces,
                            int count)
{
    struct iovec one = {pieces->iov_base, 1};

    (void)count;
    return eddy_sys_default()->writev_nosignal(sys, fd, &one, 1) == 1
               ? 1
               : eddy_sys_default()->writev_masked(sys, fd, &one, 1);
}

test(a_kernel_that_moves_byte_by_byte_loses_none)
{
    testing.sys.table.read = read_a_byte;
    testing.sys.table.writev_nosignal = write_a_byte;
    assert_int_equal(run(), 0);
    assert_string_equal(got, "> one\n> two\n> three\n");
    close(shared[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(each_call_of_a_filter_may_fail),
        testing_case(likewise_without_proc),
        testing_case(what_is_interrupted_goes_on),
        testing_case(memory_may_fail_anywhere),
        testing_case(a_kernel_that_moves_byte_by_byte_loses_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
