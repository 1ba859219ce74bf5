/* file.h: whole files. See test_file_faults.c for what goes wrong. */
#include "support/files.h"
#include "support/threads.h"

#include <sys/socket.h>
#include <sys/un.h>

/* ---- threads */

static struct gate gate;

static int64_t stands_at_the_gate(eddy_job *job, void *argument)
{
    (void)job;
    gate_pass(argument);
    return 0;
}

eddy_frame(computes_for_long) {
    eddy_coro co;
};

static void computes_for_long(eddy_coro *co)
{
    eddy_begin(computes_for_long);
    eddy_await(eddy_offload(co, stands_at_the_gate, &gate));
    eddy_end;
}

test(a_file_does_not_wait_behind_work_that_takes_long)
{
    enum { WORKERS = 4 };

    gate_init(&gate);
    put(path, "hello", 5);
    for (int i = 0; i < WORKERS + 1; i++) {
        eddy_detach(start(computes_for_long));
    }
    testing_turn();
    for (int i = 0; i < WORKERS; i++) {
        gate_await(&gate); /* all are busy */
    }
    assert_int_equal(read_all(100), 5);
    assert_int_equal(testing_calls(thread_create), WORKERS + 1);
    for (int i = 0; i < WORKERS + 1; i++) {
        gate_open(&gate);
    }
    testing_run();
}

test(how_many_threads_files_have_can_be_set)
{
    put(path, "hello", 5);
    assert_int_equal(eddy_file_workers(testing.loop, 0), -EINVAL);
    assert_int_equal(eddy_file_workers(testing.loop, 1025), -EINVAL);
    assert_int_equal(eddy_file_workers(testing.loop, 1), 0);
    assert_int_equal(testing_calls(thread_create), 0);
    assert_int_equal(read_all(100), 5);
    assert_int_equal(eddy_file_workers(testing.loop, 2), 0);
    eddy_file_free(testing.loop, &data);
    testing_reopen();
    testing_fail_allocations_from(1);
    assert_int_equal(eddy_file_workers(testing.loop, 2), -ENOMEM);
    testing_fail_allocation(0);
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

test(of_a_file_that_is_written_in_pieces_the_last_is_what_is_left)
{
    fill();
    assert_int_equal(run(writes, path, buffer, MEGABYTE + 17), MEGABYTE + 17);
    assert_holds(path, buffer, MEGABYTE + 17);
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
    assert_int_equal(unlink(path), 0);
    assert_int_equal(write_text("d", EDDY_FILE_SYNC | EDDY_FILE_APPEND), 1);
    assert_int_equal(testing_calls(fsync), 5);
    assert_text("d");
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

static void put_socket(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
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
    assert_int_equal(write_text("x", EDDY_FILE_IN_PLACE), -EINVAL);
    assert_int_equal(unlink(path), 0);
    put_socket(path);
    assert_int_equal(read_all(100), -EINVAL);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(run(writes, path, "x", 1, flags[i]), -EINVAL);
    }
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
    assert_int_equal(chdir(directory), 0); /* beside nothing: here, where anybody may write */
    assert_int_equal(run(writes, "", "x", 1), -ENOENT);
    assert_int_equal(chdir("/"), 0);
}

test(no_file_is_ever_one_of_the_standard_fds)
{
    int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 100);

    close(STDIN_FILENO);
    testing_forget_calls();
    assert_int_equal(write_text("hello", 0), 5);
    assert_int_equal(read_all(5), 5);
    assert_int_equal(testing_calls(fcntl), 1); /* the first was moved, and the gap filled */
    assert_true((fcntl(STDIN_FILENO, F_GETFL) & O_PATH) != 0);
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    close(saved);
    assert_text("hello");
}

static int inherited; /* fds that a program which is started meanwhile would have */

static int count_inherited(const struct eddy_sys *sys, const char *name, int flags, mode_t mode)
{
    inherited += (flags & O_CLOEXEC) == 0;
    return eddy_sys_default()->open(sys, name, flags, mode);
}

test(no_file_is_inherited_by_a_program_that_is_started_meanwhile)
{
    inherited = 0;
    testing.sys.table.open = count_inherited;
    assert_int_equal(write_text("hello", EDDY_FILE_SYNC), 5);
    assert_int_equal(write_text("hello", EDDY_FILE_IN_PLACE), 5);
    assert_int_equal(write_text(" you", EDDY_FILE_APPEND), 4);
    assert_int_equal(read_all(9), 9);
    assert_int_equal(run(reads_into, 9), 9);
    assert_int_equal(inherited, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        file_case(a_file_does_not_wait_behind_work_that_takes_long),
        file_case(how_many_threads_files_have_can_be_set),
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
        file_case(of_a_file_that_is_written_in_pieces_the_last_is_what_is_left),
        file_case(files_are_synced_only_if_asked_and_then_their_names_too),
        file_case(a_path_without_a_directory_is_in_the_working_directory),
        file_case(what_is_no_regular_file_is_not_written),
        file_case(a_path_that_is_too_long_or_nowhere_is_an_error),
        file_case(no_file_is_ever_one_of_the_standard_fds),
        file_case(no_file_is_inherited_by_a_program_that_is_started_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
