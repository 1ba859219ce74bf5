/* file.h: calls that fail, cancels, memory, misuse. */
#include "support/files.h"
#include "support/threads.h"

/* ---- calls that fail, are interrupted or do little */

static ssize_t read_little(const struct eddy_sys *sys, int fd, void *bytes, size_t size)
{
    static unsigned turn;

    (void)size;
    return turn++ % 2 == 0 ? -EINTR : eddy_sys_default()->read(sys, fd, bytes, 1);
}

static ssize_t write_little(const struct eddy_sys *sys, int fd, const void *bytes, size_t size)
{
    static unsigned turn;

    (void)size;
    return turn++ % 2 == 0 ? -EINTR : eddy_sys_default()->write(sys, fd, bytes, 1);
}

/* Only files: the loop has an eventfd. */
static ssize_t read_files_little(const struct eddy_sys *sys, int fd, void *bytes, size_t size)
{
    mode_t mode = 0;
    int64_t length;

    (void)eddy_sys_default()->fstat(sys, fd, &length, &mode);
    return (S_ISREG(mode) ? read_little : eddy_sys_default()->read)(sys, fd, bytes, size);
}

static ssize_t write_files_little(const struct eddy_sys *sys, int fd, const void *bytes,
                                  size_t size)
{
    mode_t mode = 0;
    int64_t length;

    (void)eddy_sys_default()->fstat(sys, fd, &length, &mode);
    return (S_ISREG(mode) ? write_little : eddy_sys_default()->write)(sys, fd, bytes, size);
}

test(calls_that_are_interrupted_or_do_little_are_repeated)
{
    testing.sys.table.read = read_files_little;
    testing.sys.table.write = write_files_little;
    assert_int_equal(write_text("hello", 0), 5);
    assert_text("hello");
    assert_int_equal(read_all(5), 5);
    assert_string_equal(data.bytes, "hello");
    assert_int_equal(run(reads_into, 5), 5);
    assert_memory_equal(buffer, "hello", 5);
}

/* The old file stays whatever call fails, and nothing stays beside it. */
#define assert_write_fails(name, k, error, flags)          \
    do {                                                   \
        testing_fail(name, k, error);                      \
        assert_int_equal(write_text("new", flags), error); \
        assert_text("old");                                \
        assert_int_equal(files(), 1);                      \
    } while (0)

test(a_write_that_fails_anywhere_leaves_the_old_file)
{
    put(path, "old", 3);
    assert_write_fails(open, 1, -EACCES, 0);
    assert_write_fails(open, 2, -EROFS, 0);
    assert_write_fails(fstat, 1, -EIO, 0);
    assert_write_fails(fchmod, 1, -EPERM, 0);
    assert_write_fails(fsync, 1, -EIO, EDDY_FILE_SYNC);
    assert_write_fails(close, 2, -EDQUOT, 0); /* the first is of the look at the old one */
    assert_write_fails(rename, 1, -EBUSY, 0);
}

static ssize_t disk_is_full(const struct eddy_sys *sys, int fd, const void *bytes, size_t size)
{
    mode_t mode = 0;
    int64_t length;

    (void)eddy_sys_default()->fstat(sys, fd, &length, &mode);
    return S_ISREG(mode) ? -ENOSPC : eddy_sys_default()->write(sys, fd, bytes, size);
}

test(a_full_disk_leaves_the_old_file)
{
    put(path, "old", 3);
    testing.sys.table.write = disk_is_full;
    assert_int_equal(write_text("new", 0), -ENOSPC);
    assert_text("old");
    assert_int_equal(files(), 1);
    assert_int_equal(write_text("new", EDDY_FILE_IN_PLACE), -ENOSPC);
    assert_text("");
}

test(a_name_that_is_taken_is_followed_by_another)
{
    testing_fail(open, 2, -EEXIST);
    assert_int_equal(write_text("new", 0), 3);
    testing_fail_from(open, 2, -EEXIST);
    assert_int_equal(write_text("newer", 0), -EEXIST);
    assert_text("new");
}

test(an_interrupted_close_has_closed)
{
    testing_fail(close, 1, -EINTR);
    assert_int_equal(write_text("new", 0), 3);
    assert_text("new");
}

test(a_directory_that_cannot_be_synced_is_an_error_behind_the_replacing)
{
    testing_fail(fsync, 2, -EIO);
    assert_int_equal(write_text("new", EDDY_FILE_SYNC), -EIO);
    assert_text("new");
    testing_fail(open, 3, -EACCES);
    assert_int_equal(write_text("newer", EDDY_FILE_SYNC), -EACCES);
    assert_text("newer");
}

test(a_read_that_fails_leaves_nothing_open)
{
    put(path, "hello", 5);
    testing_fail(open, 1, -EMFILE);
    assert_int_equal(read_all(5), -EMFILE);
    testing_fail(fstat, 1, -EIO);
    assert_int_equal(read_all(5), -EIO);
    testing_fail(fstat, 1, -EIO);
    assert_int_equal(run(reads_into, 5), -EIO);
    assert_null(data.bytes);
}

/* ---- cancels */

static struct gate gate;
static bool gated;   /* the next call that writes to a file, or reads from it, passes the gate */
static size_t asked; /* for how many bytes such calls have asked, since gate_files */

static void pass_if_file(const struct eddy_sys *sys, int fd, size_t size)
{
    mode_t mode = 0;
    int64_t length;

    (void)eddy_sys_default()->fstat(sys, fd, &length, &mode);
    if (!S_ISREG(mode)) {
        return;
    }
    asked += size;
    if (gated) {
        gated = false;
        gate_pass(&gate);
    }
}

static ssize_t write_gated(const struct eddy_sys *sys, int fd, const void *bytes, size_t size)
{
    pass_if_file(sys, fd, size);
    return eddy_sys_default()->write(sys, fd, bytes, size);
}

static ssize_t read_gated(const struct eddy_sys *sys, int fd, void *bytes, size_t size)
{
    pass_if_file(sys, fd, size);
    return eddy_sys_default()->read(sys, fd, bytes, size);
}

/* Begins a task, cancels it when it has come to the gate, behind so many works that end before, and
 * returns its result. */
static int64_t cancel_at_gate(eddy_task task, int works)
{
    testing_turn();
    while (works-- > 0) {
        assert_true(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, EDDY_FOREVER) >= 0);
    }
    gate_await(&gate);
    assert_int_equal(eddy_cancel(task), 0);
    gate_open(&gate);
    return finish(task);
}

static void gate_files(void)
{
    gate_init(&gate);
    gated = true;
    asked = 0;
    testing.sys.table.read = read_gated;
    testing.sys.table.write = write_gated;
}

test(a_cancelled_write_is_seen_after_a_megabyte_and_leaves_the_old_file)
{
    put(path, "old", 3);
    gate_files();
    assert_int_equal(cancel_at_gate(start(writes, path, buffer, 3 * MEGABYTE), 0), -ECANCELED);
    assert_int_equal(asked, MEGABYTE); /* the cancel came while it was written */
    assert_text("old");
    assert_int_equal(files(), 1);
}

test(a_cancelled_read_is_seen_after_a_megabyte_and_leaves_nothing_behind)
{
    put(path, buffer, 3 * MEGABYTE);
    gate_files();
    assert_int_equal(cancel_at_gate(start(reads, path, SIZE_MAX), 1), -ECANCELED);
    assert_null(data.bytes);
    assert_int_equal(asked, MEGABYTE);
    gated = true;
    assert_int_equal(cancel_at_gate(start(reads_into, sizeof buffer), 0), -ECANCELED);
    assert_int_equal(asked, 2 * MEGABYTE);
}

test(the_end_of_the_loop_is_a_cancel)
{
    put(path, "old", 3);
    start(writes, path, buffer, sizeof buffer);
    start(reads, path, SIZE_MAX);
    testing_turn();
    testing_free();
    assert_int_equal(files(), 1);
    assert_null(data.bytes);
}

/* ---- memory, and misuse */

test(memory_that_fails_anywhere_is_enomem_and_leaks_nothing)
{
    int64_t result = -ENOMEM;

    put(path, "hello", 5);
    for (unsigned k = 1; result != 5; k++) {
        for (int on = 0; on < 2; on++) {
            testing_reopen();
            (on ? testing_fail_allocations_from : testing_fail_allocation)(k);
            result = read_all(100);
            testing_fail_allocation(0);
            assert_true(result == -ENOMEM || result == 5);
            assert_int_equal(data.bytes != NULL, result == 5);
            eddy_file_free(testing.loop, &data);
        }
        assert_true(k < 30);
    }
}

test(without_threads_it_is_an_error)
{
    testing_fail_from(thread_create, 1, -EAGAIN);
    assert_int_equal(read_all(100), -EAGAIN);
    assert_int_equal(run(reads_into, 100), -EAGAIN);
    assert_int_equal(write_text("x", 0), -EAGAIN);
    assert_int_equal(files(), 0);
}

eddy_frame(reads_onto_its_stack) {
    eddy_coro co;
};

static void reads_onto_its_stack(eddy_coro *co)
{
    char bytes[8];

    eddy_begin(reads_onto_its_stack);
    eddy_await(eddy_file_read_into(co, path, bytes, sizeof bytes));
    eddy_end;
}

static void run_onto_its_stack(void *argument)
{
    (void)argument;
    run(reads_onto_its_stack);
}

test(a_buffer_on_the_c_stack_aborts)
{
    testing_expect_abort(run_onto_its_stack, NULL, "a pointer to a local variable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        file_case(calls_that_are_interrupted_or_do_little_are_repeated),
        file_case(a_write_that_fails_anywhere_leaves_the_old_file),
        file_case(a_full_disk_leaves_the_old_file),
        file_case(a_name_that_is_taken_is_followed_by_another),
        file_case(an_interrupted_close_has_closed),
        file_case(a_directory_that_cannot_be_synced_is_an_error_behind_the_replacing),
        file_case(a_read_that_fails_leaves_nothing_open),
        file_case(a_cancelled_write_is_seen_after_a_megabyte_and_leaves_the_old_file),
        file_case(a_cancelled_read_is_seen_after_a_megabyte_and_leaves_nothing_behind),
        file_case(the_end_of_the_loop_is_a_cancel),
        file_case(memory_that_fails_anywhere_is_enomem_and_leaks_nothing),
        file_case(without_threads_it_is_an_error),
        file_case(a_buffer_on_the_c_stack_aborts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
