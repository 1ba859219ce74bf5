/* file.h: whole files, read and written beside the loop. */
#include "support/threads.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eddy/file.h"
#include "eddy/loop.h"

enum { MEGABYTE = 1024 * 1024 };

static char directory[] = "/tmp/eddy-test-XXXXXX";
static char path[64];
static char buffer[4 * MEGABYTE];
static struct eddy_file_data data;
static mode_t old_umask;

static int setup(void **state)
{
    strcpy(directory + sizeof directory - 7, "XXXXXX");
    if (mkdtemp(directory) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/file", directory);
    old_umask = umask(022);
    memset(&data, 0, sizeof data);
    return testing_setup(state);
}

static int remove_all(void)
{
    DIR *entries = opendir(directory);
    const struct dirent *entry;
    char name[512];

    while ((entry = readdir(entries)) != NULL) {
        if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2) {
            snprintf(name, sizeof name, "%s/%s", directory, entry->d_name);
            remove(name);
        }
    }
    closedir(entries);
    return rmdir(directory);
}

static int teardown(void **state)
{
    int removed = remove_all();

    umask(old_umask);
    if (testing.loop != NULL) {
        eddy_file_free(testing.loop, &data);
    }
    return testing_teardown(state) != 0 || removed != 0 ? -1 : 0;
}

#define file_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- the files, as others see them */

static void put(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(name, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void assert_holds(const char *name, const void *bytes, size_t size)
{
    static char found[sizeof buffer + 1];
    FILE *file = fopen(name, "re");

    assert_non_null(file);
    assert_int_equal(fread(found, 1, sizeof found, file), size);
    assert_memory_equal(found, bytes, size);
    fclose(file);
}

static void assert_text(const char *text)
{
    assert_holds(path, text, strlen(text));
}

static int mode_of(const char *name)
{
    struct stat status;

    assert_int_equal(stat(name, &status), 0);
    return status.st_mode & 07777;
}

/* How many files there are; what is written beside another must not stay. */
static int files(void)
{
    DIR *entries = opendir(directory);
    int count = 0;

    while (readdir(entries) != NULL) {
        count++;
    }
    closedir(entries);
    return count - 2;
}

static void fill(void)
{
    uint64_t random = 1;

    for (size_t i = 0; i + 8 <= sizeof buffer; i += 8) {
        uint64_t value = testing_random(&random);
        memcpy(buffer + i, &value, 8);
    }
}

/* ---- coroutines */

eddy_frame(reads) {
    eddy_coro co;
    const char *path;
    size_t limit;
};

static void reads(eddy_coro *co)
{
    int64_t result;

    eddy_begin(reads);
    eddy_catch(result, eddy_file_read(co, self->path, &data, self->limit));
    eddy_return(result);
    eddy_end;
}

eddy_frame(reads_into) {
    eddy_coro co;
    size_t size;
};

static void reads_into(eddy_coro *co)
{
    int64_t result;

    eddy_begin(reads_into);
    eddy_catch(result, eddy_file_read_into(co, path, buffer, self->size));
    eddy_return(result);
    eddy_end;
}

eddy_frame(writes) {
    eddy_coro co;
    const char *path;
    const char *data;
    size_t size;
    unsigned flags;
};

static void writes(eddy_coro *co)
{
    int64_t result;

    eddy_begin(writes);
    eddy_catch(result, eddy_file_write(co, self->path, self->data, self->size, self->flags));
    eddy_return(result);
    eddy_end;
}

static int64_t read_all(size_t limit)
{
    return run(reads, path, limit);
}

static int64_t write_text(const char *text, unsigned flags)
{
    return run(writes, path, text, strlen(text), flags);
}

/* ---- reading */

test(a_file_is_read_whole_with_a_zero_behind_it)
{
    put(path, "hello", 5);
    assert_int_equal(read_all(100), 5);
    assert_int_equal(data.size, 5);
    assert_string_equal(data.bytes, "hello");
}

test(an_empty_file_is_read)
{
    put(path, "", 0);
    assert_int_equal(read_all(0), 0);
    assert_string_equal(data.bytes, "");
}

test(a_large_file_is_read)
{
    fill();
    put(path, buffer, 3 * MEGABYTE + 17);
    assert_int_equal(read_all(SIZE_MAX), 3 * MEGABYTE + 17);
    assert_memory_equal(data.bytes, buffer, data.size);
}

test(a_file_as_large_as_the_limit_is_read_and_a_larger_one_is_not)
{
    put(path, "hello", 5);
    assert_int_equal(read_all(4), -EFBIG);
    assert_null(data.bytes);
    assert_int_equal(read_all(5), 5);
}

test(a_file_that_does_not_know_its_size_is_read)
{
    assert_int_equal(run(reads, "/proc/sys/kernel/ostype", 100), 6);
    assert_string_equal(data.bytes, "Linux\n");
    eddy_file_free(testing.loop, &data);
    assert_int_equal(run(reads, "/proc/sys/kernel/ostype", 5), -EFBIG);
}

/* A file that grows or shrinks while it is read: its size was told wrong. */
static int64_t told_size;

static int tell_wrong_size(const struct eddy_sys *sys, int fd, int64_t *size, mode_t *mode)
{
    int result = eddy_sys_default()->fstat(sys, fd, size, mode);

    *size = told_size;
    return result;
}

test(a_file_that_grows_or_shrinks_meanwhile_is_read_as_it_is_then)
{
    fill();
    put(path, buffer, 100000);
    testing.sys.table.fstat = tell_wrong_size;
    for (told_size = 1; told_size < 1000000; told_size *= 10) {
        assert_int_equal(read_all(100000), 100000);
        assert_memory_equal(data.bytes, buffer, 100000);
        eddy_file_free(testing.loop, &data);
        assert_int_equal(read_all(99999), -EFBIG);
        assert_null(data.bytes);
        if (told_size == 100000) {
            return; /* one that claims to have more than the limit is refused */
        }
    }
}

test(what_is_no_regular_file_is_not_read)
{
    assert_int_equal(run(reads, directory, 100), -EISDIR);
    assert_int_equal(run(reads, "/dev/null", 100), -EINVAL);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(read_all(100), -EINVAL); /* and does not wait for a writer */
    assert_int_equal(run(reads_into, 100), -EINVAL);
}

test(a_file_that_is_not_there_is_enoent)
{
    assert_int_equal(read_all(100), -ENOENT);
    assert_int_equal(run(reads_into, 100), -ENOENT);
}

test(data_that_is_not_empty_is_not_read_into)
{
    put(path, "hello", 5);
    assert_int_equal(read_all(100), 5);
    assert_int_equal(read_all(100), -EINVAL);
    assert_string_equal(data.bytes, "hello");
    eddy_file_free(testing.loop, &data);
    eddy_file_free(testing.loop, &data);
    assert_int_equal(read_all(100), 5);
}

test(a_file_is_read_into_the_callers_memory_if_it_fits)
{
    put(path, "hello", 5);
    memset(buffer, 'x', 10);
    assert_int_equal(run(reads_into, 10), 5);
    assert_memory_equal(buffer, "helloxxxxx", 10);
    assert_int_equal(run(reads_into, 5), 5);
    assert_int_equal(run(reads_into, 4), -EFBIG);
    assert_int_equal(run(reads_into, 0), -EFBIG);
    put(path, "", 0);
    assert_int_equal(run(reads_into, 0), 0);
}

/* ---- writing */

test(a_new_file_is_written_with_the_mode_that_the_umask_leaves)
{
    assert_int_equal(write_text("hello", 0), 5);
    assert_text("hello");
    assert_int_equal(mode_of(path), 0644);
    umask(077);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(write_text("", 0), 0);
    assert_text("");
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(files(), 1);
}

test(a_file_is_replaced_as_one_and_keeps_its_mode)
{
    static const mode_t modes[] = {0640, 0666, 0755, 0000};
    char other[80];

    snprintf(other, sizeof other, "%s/link", directory);
    put(path, "old content", 11);
    assert_int_equal(link(path, other), 0);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_int_equal(write_text("new", 0), 3);
        assert_int_equal(mode_of(path), modes[i]);
        assert_int_equal(files(), 2);
    }
    assert_holds(other, "old content", 11);
    chmod(path, 0600);
    assert_text("new");
}

static mode_t mode_at_first;

static int note_mode(const struct eddy_sys *sys, const char *name, int flags, mode_t mode)
{
    if ((flags & O_EXCL) != 0) {
        mode_at_first = mode;
    }
    return eddy_sys_default()->open(sys, name, flags, mode);
}

test(what_replaces_a_file_is_the_owners_alone_until_it_has_its_mode)
{
    put(path, "secret", 6);
    assert_int_equal(chmod(path, 0600), 0);
    testing.sys.table.open = note_mode;
    assert_int_equal(write_text("new", 0), 3);
    assert_int_equal(mode_at_first, 0600);
}

test(a_file_is_written_in_place_or_appended_to)
{
    char other[80];

    snprintf(other, sizeof other, "%s/link", directory);
    put(path, "old content", 11);
    assert_int_equal(link(path, other), 0);
    assert_int_equal(write_text("new", EDDY_FILE_IN_PLACE), 3);
    assert_holds(other, "new", 3);
    assert_int_equal(write_text(" one", EDDY_FILE_APPEND), 4);
    assert_holds(other, "new one", 7);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(write_text("made", EDDY_FILE_APPEND), 4);
    assert_text("made");
    assert_int_equal(mode_of(path), 0644);
}

test(a_large_file_is_written)
{
    fill();
    assert_int_equal(run(writes, path, buffer, sizeof buffer), sizeof buffer);
    assert_holds(path, buffer, sizeof buffer);
}

test(files_are_synced_only_if_asked_and_then_their_names_too)
{
    assert_int_equal(write_text("a", 0), 1);
    assert_int_equal(testing_calls(fsync), 0);
    assert_int_equal(write_text("b", EDDY_FILE_SYNC), 1);
    assert_int_equal(testing_calls(fsync), 2);
    assert_int_equal(write_text("c", EDDY_FILE_SYNC | EDDY_FILE_IN_PLACE), 1);
    assert_int_equal(testing_calls(fsync), 3);
    assert_text("c");
}

test(a_path_without_a_directory_is_in_the_working_directory)
{
    int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(chdir(directory), 0);
    assert_int_equal(run(writes, "file", "hello", 5, EDDY_FILE_SYNC), 5);
    assert_int_equal(fchdir(before), 0);
    close(before);
    assert_text("hello");
    assert_int_equal(files(), 1);
}

test(what_is_no_regular_file_is_not_written)
{
    static const unsigned flags[] = {0, EDDY_FILE_IN_PLACE, EDDY_FILE_APPEND};

    assert_int_equal(mkfifo(path, 0600), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(run(writes, directory, "x", 1, flags[i]), -EISDIR);
        assert_int_equal(run(writes, "/dev/null", "x", 1, flags[i]), -EINVAL);
    }
    assert_int_equal(write_text("x", 0), -EINVAL);
    assert_int_equal(write_text("x", EDDY_FILE_IN_PLACE), -ENXIO);
    assert_int_equal(write_text("x", 1 << 3), -EINVAL);
    assert_int_equal(files(), 1);
}

test(a_path_that_is_too_long_or_nowhere_is_an_error)
{
    static char longest[5000];

    memset(longest, '/', sizeof longest - 1);
    assert_int_equal(run(writes, longest, "x", 1), -ENAMETOOLONG);
    assert_int_equal(run(writes, "/nowhere/at/all", "x", 1), -ENOENT);
    assert_int_equal(run(writes, "/nowhere/at/all", "x", 1, EDDY_FILE_IN_PLACE), -ENOENT);
    assert_int_equal(run(writes, "", "x", 1), -ENOENT);
}

test(no_file_is_ever_one_of_the_standard_fds)
{
    int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 100);

    close(STDIN_FILENO);
    assert_int_equal(write_text("hello", 0), 5);
    assert_int_equal(read_all(5), 5);
    assert_true(testing_calls(fcntl) >= 2);
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    close(saved);
    assert_text("hello");
}

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
static bool gated; /* the next call that writes to a file, or reads from it, passes the gate */

static void pass_if_file(const struct eddy_sys *sys, int fd)
{
    mode_t mode = 0;
    int64_t length;

    (void)eddy_sys_default()->fstat(sys, fd, &length, &mode);
    if (S_ISREG(mode) && gated) {
        gated = false;
        gate_pass(&gate);
    }
}

static ssize_t write_gated(const struct eddy_sys *sys, int fd, const void *bytes, size_t size)
{
    pass_if_file(sys, fd);
    return eddy_sys_default()->write(sys, fd, bytes, size);
}

static ssize_t read_gated(const struct eddy_sys *sys, int fd, void *bytes, size_t size)
{
    pass_if_file(sys, fd);
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
    testing.sys.table.read = read_gated;
    testing.sys.table.write = write_gated;
}

test(a_cancelled_write_leaves_the_old_file)
{
    put(path, "old", 3);
    gate_files();
    assert_int_equal(cancel_at_gate(start(writes, path, buffer, 3 * MEGABYTE), 0), -ECANCELED);
    assert_text("old");
    assert_int_equal(files(), 1);
}

test(a_cancelled_read_leaves_nothing_behind)
{
    put(path, buffer, 3 * MEGABYTE);
    gate_files();
    assert_int_equal(cancel_at_gate(start(reads, path, SIZE_MAX), 1), -ECANCELED);
    assert_null(data.bytes);
    gated = true;
    assert_int_equal(cancel_at_gate(start(reads_into, sizeof buffer), 0), -ECANCELED);
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
        file_case(a_file_is_read_whole_with_a_zero_behind_it),
        file_case(an_empty_file_is_read),
        file_case(a_large_file_is_read),
        file_case(a_file_as_large_as_the_limit_is_read_and_a_larger_one_is_not),
        file_case(a_file_that_does_not_know_its_size_is_read),
        file_case(a_file_that_grows_or_shrinks_meanwhile_is_read_as_it_is_then),
        file_case(what_is_no_regular_file_is_not_read),
        file_case(a_file_that_is_not_there_is_enoent),
        file_case(data_that_is_not_empty_is_not_read_into),
        file_case(a_file_is_read_into_the_callers_memory_if_it_fits),
        file_case(a_new_file_is_written_with_the_mode_that_the_umask_leaves),
        file_case(a_file_is_replaced_as_one_and_keeps_its_mode),
        file_case(what_replaces_a_file_is_the_owners_alone_until_it_has_its_mode),
        file_case(a_file_is_written_in_place_or_appended_to),
        file_case(a_large_file_is_written),
        file_case(files_are_synced_only_if_asked_and_then_their_names_too),
        file_case(a_path_without_a_directory_is_in_the_working_directory),
        file_case(what_is_no_regular_file_is_not_written),
        file_case(a_path_that_is_too_long_or_nowhere_is_an_error),
        file_case(no_file_is_ever_one_of_the_standard_fds),
        file_case(calls_that_are_interrupted_or_do_little_are_repeated),
        file_case(a_write_that_fails_anywhere_leaves_the_old_file),
        file_case(a_full_disk_leaves_the_old_file),
        file_case(a_name_that_is_taken_is_followed_by_another),
        file_case(an_interrupted_close_has_closed),
        file_case(a_directory_that_cannot_be_synced_is_an_error_behind_the_replacing),
        file_case(a_read_that_fails_leaves_nothing_open),
        file_case(a_cancelled_write_leaves_the_old_file),
        file_case(a_cancelled_read_leaves_nothing_behind),
        file_case(the_end_of_the_loop_is_a_cancel),
        file_case(memory_that_fails_anywhere_is_enomem_and_leaks_nothing),
        file_case(without_threads_it_is_an_error),
        file_case(a_buffer_on_the_c_stack_aborts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
