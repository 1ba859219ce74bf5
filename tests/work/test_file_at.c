/* file.h: files in pieces. EDDY_TEST_COPY_MIB=2048 copies two gibibytes where the tests copy four
 * mebibytes; it says how far it is. */
#include "support/files.h"
#include "support/leaks.h"
#include "support/text.h"
#include "support/threads.h"

#include "eddy/look.h"
#include "eddy/path.h"

/* ---- one operation as a task: what it does is in its function, with the file below */

typedef int64_t operation(eddy_coro *co);

eddy_frame_of(does, operation *operation, int64_t rc, int64_t after);

static void does(eddy_coro *co)
{
    eddy_begin(does);
    eddy_catch(self->rc, self->operation(co));
    eddy_catch(self->after, give(co, 0));
    if (self->after < 0) {
        testing_log("then %s", self->after == -ECANCELED ? "ECANCELED" : "?");
    }
    eddy_return(self->rc);
    eddy_end;
}

static eddy_file file;
static int64_t offset;
static size_t size;
static struct eddy_file_info info;

static int64_t opens(eddy_coro *co)
{
    return eddy_file_open(co, &file, path, O_RDWR | O_CREAT, 0640);
}

static int64_t reads_at(eddy_coro *co)
{
    return eddy_file_read_at(co, &file, buffer, size, offset);
}

static int64_t writes_at(eddy_coro *co)
{
    return eddy_file_write_at(co, &file, buffer, size, offset);
}

static int64_t truncates(eddy_coro *co)
{
    return eddy_file_truncate(co, &file, offset);
}

static int64_t syncs(eddy_coro *co)
{
    return eddy_file_sync(co, &file);
}

static int64_t syncs_data(eddy_coro *co)
{
    return eddy_file_sync_data(co, &file);
}

static int64_t asks(eddy_coro *co)
{
    return eddy_file_get_info(co, &file, &info);
}

static int64_t closes(eddy_coro *co)
{
    return eddy_file_close(co, &file);
}

static int64_t does_at(operation *what, size_t its_size, int64_t its_offset)
{
    size = its_size;
    offset = its_offset;
    return run(does, what);
}

static int64_t write_at(const char *text, int64_t its_offset)
{
    memcpy(buffer, text, strlen(text));
    return does_at(writes_at, strlen(text), its_offset);
}

static void open_it(void)
{
    memset(&file, 0, sizeof file);
    assert_int_equal(run(does, opens), 0);
    assert_true(eddy_file_is_open(&file));
}

static void close_it(void)
{
    assert_int_equal(run(does, closes), 0);
    assert_false(eddy_file_is_open(&file));
}

/* ---- what they do */

test(what_is_written_at_an_offset_is_read_there_and_a_hole_reads_as_zeros)
{
    open_it();
    assert_int_equal(mode_of(path), 0640);
    assert_int_equal(write_at("hello", 3), 5);
    assert_holds(path, "\0\0\0hello", 8);
    assert_int_equal(does_at(reads_at, 4, 4), 4);
    assert_memory_equal(buffer, "ello", 4);
    close_it();
}

test(a_read_is_short_only_at_the_end_of_the_file)
{
    open_it();
    assert_int_equal(write_at("hello", 0), 5);
    assert_int_equal(does_at(reads_at, 100, 2), 3);
    assert_int_equal(does_at(reads_at, 100, 5), 0);
    assert_int_equal(does_at(reads_at, 100, 500), 0);
    assert_int_equal(does_at(reads_at, 0, 0), 0);
    close_it();
}

test(a_piece_that_no_file_can_have_is_einval)
{
    open_it();
    assert_int_equal(does_at(reads_at, 1, -1), -EINVAL);
    assert_int_equal(does_at(writes_at, 2, INT64_MAX - 1), -EINVAL);
    assert_int_equal(does_at(truncates, 0, -1), -EINVAL);
    close_it();
}

test(a_file_is_cut_off_and_made_longer_and_says_its_size)
{
    open_it();
    assert_int_equal(write_at("hello", 0), 5);
    assert_int_equal(does_at(truncates, 0, 2), 0);
    assert_holds(path, "he", 2);
    assert_int_equal(does_at(truncates, 0, 4), 0);
    assert_holds(path, "he\0\0", 4);
    assert_int_equal(run(does, asks), 0);
    assert_int_equal(info.size, 4);
    assert_true(S_ISREG(info.mode));
    close_it();
}

test(a_sync_is_asked_of_the_disk)
{
    open_it();
    assert_int_equal(run(does, syncs), 0);
    assert_int_equal(testing_calls(fsync), 1);
    assert_int_equal(run(does, syncs_data), 0);
    assert_int_equal(testing_calls(fdatasync), 1);
    testing_fail(fsync, 1, -EIO);
    assert_int_equal(run(does, syncs), -EIO);
    close_it();
}

test(what_is_not_open_is_ebadf_and_closing_it_is_nothing)
{
    memset(&file, 0, sizeof file);
    assert_int_equal(does_at(reads_at, 1, 0), -EBADF);
    assert_int_equal(does_at(writes_at, 1, 0), -EBADF);
    assert_int_equal(run(does, syncs), -EBADF);
    assert_int_equal(run(does, closes), 0);
    assert_int_equal(testing_calls(thread_create), 0);
}

test(what_cannot_be_opened_leaves_the_struct_as_new)
{
    char name[sizeof path];

    memset(&file, 0, sizeof file);
    memcpy(name, path, sizeof path);
    snprintf(path, sizeof path, "%s", directory);
    assert_int_equal(run(does, opens), -EISDIR);
    memcpy(path, name, sizeof path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(run(does, opens), -EINVAL);
    assert_int_equal(unlink(path), 0);
    testing_fail(open, 1, -EMFILE);
    assert_int_equal(run(does, opens), -EMFILE);
    assert_null(file.loop);
    open_it();
    assert_int_equal(run(does, opens), -EBUSY);
    close_it();
}

static ssize_t little(const struct eddy_sys *sys, int fd, void *bytes, size_t count, int64_t at)
{
    static unsigned turn;

    (void)count;
    return turn++ % 2 == 0 ? -EINTR : eddy_sys_default()->pread(sys, fd, bytes, 1, at);
}

test(calls_that_are_interrupted_or_do_little_are_repeated)
{
    open_it();
    assert_int_equal(write_at("hello", 0), 5);
    testing.sys.table.pread = little;
    memset(buffer, 0, 5);
    assert_int_equal(does_at(reads_at, 5, 0), 5);
    assert_memory_equal(buffer, "hello", 5);
    close_it();
}

/* ---- a disk that is full, a file that shrinks */

static ssize_t room_for_a_megabyte(const struct eddy_sys *sys, int fd, const void *bytes,
                                   size_t count, int64_t at)
{
    return at >= MEGABYTE ? -ENOSPC : eddy_sys_default()->pwrite(sys, fd, bytes, count, at);
}

test(on_a_full_disk_the_first_bytes_are_there_and_the_file_can_be_used_on)
{
    open_it();
    testing.sys.table.pwrite = room_for_a_megabyte;
    assert_int_equal(does_at(writes_at, 3 * MEGABYTE, 0), -ENOSPC);
    assert_int_equal(run(does, asks), 0);
    assert_int_equal(info.size, MEGABYTE);
    assert_int_equal(write_at("x", 0), 1);
    close_it();
}

static ssize_t nothing_written(const struct eddy_sys *sys, int fd, const void *bytes, size_t count,
                               int64_t at)
{
    (void)sys;
    (void)fd;
    (void)bytes;
    (void)count;
    (void)at;
    return 0;
}

test(a_call_that_writes_nothing_is_an_error_and_not_made_for_ever)
{
    open_it();
    testing.sys.table.pwrite = nothing_written;
    assert_int_equal(write_at("x", 0), -EIO);
    close_it();
}

static ssize_t shrinks(const struct eddy_sys *sys, int fd, void *bytes, size_t count, int64_t at)
{
    ssize_t result = eddy_sys_default()->pread(sys, fd, bytes, count, at);

    return at == 0 && truncate(path, 100) < 0 ? -errno : result;
}

test(a_file_that_shrinks_while_it_is_read_ends_there)
{
    put(path, buffer, 3 * MEGABYTE);
    open_it();
    testing.sys.table.pread = shrinks;
    assert_int_equal(does_at(reads_at, 3 * MEGABYTE, 0), MEGABYTE);
    close_it();
}

/* ---- cancels: a worker stands at a gate in the call */

static struct gate gate;
static bool gated; /* the next call passes the gate */

static void pass(void)
{
    if (gated) {
        gated = false;
        gate_pass(&gate);
    }
}

static ssize_t write_gated(const struct eddy_sys *sys, int fd, const void *bytes, size_t count,
                           int64_t at)
{
    pass();
    return eddy_sys_default()->pwrite(sys, fd, bytes, count, at);
}

static int close_gated(const struct eddy_sys *sys, int fd)
{
    pass();
    return eddy_sys_default()->close(sys, fd);
}

/* An open file, one worker, and a gate in its next write or close. */
static void open_gated(void)
{
    open_it();
    assert_int_equal(eddy_file_workers(testing.loop, 1), 0);
    gate_init(&gate);
    gated = true;
    testing.sys.table.pwrite = write_gated;
    testing.sys.table.close = close_gated;
}

static eddy_task begin(operation *what, size_t its_size)
{
    eddy_task task;

    size = its_size;
    offset = 0;
    task = start(does, what);
    testing_turn();
    return task;
}

static int64_t let_go(eddy_task task)
{
    gate_open(&gate);
    return finish(task);
}

test(a_piece_of_a_megabyte_that_has_begun_is_written_whole_and_the_cancel_comes_next)
{
    eddy_task task;

    open_gated();
    task = begin(writes_at, MEGABYTE);
    gate_await(&gate);
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(let_go(task), MEGABYTE);
    testing_assert_log("then ECANCELED");
    assert_int_equal(run(does, asks), 0);
    assert_int_equal(info.size, MEGABYTE);
    close_it();
}

test(a_larger_one_ends_behind_the_megabyte_in_which_the_cancel_came)
{
    eddy_task task;

    open_gated();
    task = begin(writes_at, 3 * MEGABYTE);
    gate_await(&gate);
    assert_int_equal(eddy_cancel(task), 0);
    testing_turns();
    assert_false(eddy_task_done(task)); /* the worker has the buffer */
    assert_int_equal(let_go(task), -ECANCELED);
    assert_int_equal(run(does, asks), 0);
    assert_int_equal(info.size, MEGABYTE);
    close_it();
}

test(what_no_worker_has_begun_is_taken_back_and_nothing_was_done)
{
    eddy_task first, second;

    open_gated();
    first = begin(writes_at, 1);
    gate_await(&gate);
    second = begin(truncates, 0);
    assert_int_equal(file.working, 2);
    assert_int_equal(eddy_cancel(second), 0);
    assert_int_equal(file.working, 1);
    assert_int_equal(finish(second), -ECANCELED);
    assert_int_equal(let_go(first), 1);
    assert_int_equal(testing_calls(ftruncate), 0);
    close_it();
}

test(a_file_on_which_a_worker_works_is_not_closed)
{
    eddy_task task;

    open_gated();
    task = begin(writes_at, 1);
    gate_await(&gate);
    assert_int_equal(run(does, closes), -EBUSY);
    assert_true(eddy_file_is_open(&file));
    assert_int_equal(let_go(task), 1);
    close_it();
}

test(a_file_that_is_being_closed_is_not_open_and_is_closed_whatever_comes)
{
    eddy_task task;

    open_gated();
    task = begin(closes, 0);
    gate_await(&gate);
    assert_int_equal(does_at(reads_at, 1, 0), -EBADF);
    assert_int_equal(run(does, closes), -EBUSY);
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(let_go(task), 0);
    testing_assert_log("then ECANCELED");
    assert_null(file.loop);
}

eddy_frame_of(keeps_worker, char name[96]);

/* Another file's, at the gate. */
static void keeps_worker(eddy_coro *co)
{
    eddy_begin(keeps_worker);
    snprintf(self->name, sizeof self->name, "%s.other", path);
    eddy_await(eddy_path_mkdir(co, self->name, 0700));
    eddy_end;
}

static int mkdir_gated(const struct eddy_sys *sys, const char *name, mode_t mode)
{
    pass();
    return eddy_sys_default()->mkdir(sys, name, mode);
}

test(a_close_that_is_taken_back_leaves_the_file_open)
{
    eddy_task first, second;

    open_gated();
    testing.sys.table.mkdir = mkdir_gated;
    first = start(keeps_worker);
    testing_turn();
    gate_await(&gate);
    second = begin(closes, 0);
    assert_false(eddy_file_is_open(&file));
    assert_int_equal(eddy_cancel(second), 0);
    assert_int_equal(finish(second), -ECANCELED);
    assert_true(eddy_file_is_open(&file));
    assert_int_equal(let_go(first), 0);
    close_it();
}

test(an_error_of_the_close_is_told_and_the_file_is_closed)
{
    int error[] = {-EDQUOT, -EINTR};

    for (int i = 0; i < 2; i++) {
        open_it();
        testing_fail(close, 1, error[i]);
        assert_int_equal(run(does, closes), i == 0 ? error[i] : 0);
        assert_null(file.loop);
    }
}

/* ---- the loop goes on */

eddy_frame_of(ticks, int *count);

static void ticks(eddy_coro *co)
{
    eddy_begin(ticks);
    for (;;) {
        ++*self->count;
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

test(while_a_disk_is_slow_each_poll_comes_back_and_has_run_the_others)
{
    int count = 0;
    eddy_task task, ticker;

    open_gated();
    task = begin(writes_at, MEGABYTE);
    gate_await(&gate);
    ticker = start(ticks, &count);
    for (int frame = 1; frame <= 60; frame++) {
        testing_turn();
        assert_int_equal(count, frame);
    }
    assert_false(eddy_task_done(task));
    assert_int_equal(eddy_cancel(ticker), 0);
    assert_int_equal(finish(ticker), -ECANCELED);
    assert_int_equal(let_go(task), MEGABYTE);
    close_it();
}

test(the_dump_says_which_file_and_the_metrics_how_often)
{
    struct eddy_metrics metrics;
    eddy_task task;

    open_gated();
    task = begin(writes_at, 5);
    gate_await(&gate);
    assert_dumped("for file: to write /tmp/eddy-test-");
    assert_dumped("/file, 5 bytes at 0");
    eddy_loop_metrics(testing.loop, &metrics);
    assert_int_equal(metrics.file_jobs, 2);
    assert_int_equal(let_go(task), 5);
    close_it();
}

/* ---- what is left open */

test(a_file_that_is_open_when_the_loop_ends_is_closed_and_told)
{
    report_leaks();
    open_it();
    testing_free();
    assert_non_null(strstr(told, "leak: a file is still open: /tmp/eddy-test-"));
    assert_non_null(strstr(told, "test_file_at.c:"));
    assert_null(file.loop);
}

test(the_loop_may_end_in_the_middle_of_an_open)
{
    memset(&file, 0, sizeof file);
    start(does, opens);
    testing_turn();
    testing_free();
    assert_null(file.loop);
}

eddy_frame_of(forgets, eddy_file file);

static void forgets(eddy_coro *co)
{
    eddy_begin(forgets);
    eddy_await(eddy_file_open(co, &self->file, path, O_RDWR | O_CREAT, 0600));
    eddy_end;
}

static void run_forgets(void *argument)
{
    (void)argument;
    run(forgets);
}

test(an_open_file_in_a_frame_that_ends_aborts)
{
    testing_expect_abort(
        run_forgets, NULL,
        "file, watch of files, process, eddy_fd, queue or group in its frame is still open");
}

eddy_frame_of(keeps_block, eddy_file file, int64_t result, char byte);

static void keeps_block(eddy_coro *co)
{
    eddy_begin(keeps_block);
    eddy_with_file(&self->file, path, O_RDWR | O_CREAT, 0600) {
        eddy_await(eddy_file_write_at(co, &self->file, "x", 1, 0));
        eddy_await(eddy_file_read_at(co, &self->file, &self->byte, 1, 0));
        eddy_await(give(co, self->result));
    }
    eddy_end;
}

test(a_block_closes_its_file_however_it_is_left)
{
    assert_int_equal(run(keeps_block, .result = 0), 0);
    assert_int_equal(run(keeps_block, .result = -EPERM), -EPERM);
}

test(memory_that_fails_anywhere_is_told_and_nothing_stays_open)
{
    int64_t result = -ENOMEM;

    for (unsigned k = 1; result != 0; k++) {
        for (int on = 0; on < 2; on++) {
            testing_reopen();
            (on ? testing_fail_allocations_from : testing_fail_allocation)(k);
            result = run(keeps_block, .result = 0);
            testing_fail_allocation(0);
            assert_true(result == -ENOMEM || result == 0);
        }
        assert_true(k < 30);
    }
}

eddy_frame_of(closes_without_memory, int64_t rc);

static void closes_without_memory(eddy_coro *co)
{
    eddy_begin(closes_without_memory);
    use_up_memory();
    eddy_catch(self->rc, eddy_file_close(co, &file));
    testing_fail_allocation(0);
    eddy_return(self->rc);
    eddy_end;
}

test(without_memory_a_file_is_closed_by_the_loops_thread)
{
    open_it();
    assert_int_equal(run(closes_without_memory), 0);
    assert_null(file.loop);
}

static int read_in_child(void *argument)
{
    (void)argument;
    memset(buffer, 0, 5);
    return does_at(reads_at, 5, 0) == 5 && memcmp(buffer, "hello", 5) == 0 ? (int)run(does, closes)
                                                                           : 1;
}

test(a_child_of_fork_has_the_file_too_by_threads_of_its_own)
{
    open_it();
    assert_int_equal(write_at("hello", 0), 5);
    testing_expect_return(read_in_child, NULL, 0);
    assert_int_equal(does_at(reads_at, 5, 0), 5);
    close_it();
}

/* ---- a large file, copied in pieces */

eddy_frame(copies) {
    eddy_coro co;
    const char *to;
    eddy_file from, into;
    int64_t at;
    size_t count;
    int64_t *copied;
};

static char piece[MEGABYTE];

static void copies(eddy_coro *co)
{
    eddy_begin(copies);
    eddy_with_file(&self->from, path, O_RDONLY, 0) {
        eddy_with_file(&self->into, self->to, O_WRONLY | O_CREAT | O_TRUNC, 0600) {
            do {
                eddy_await(self->count,
                           eddy_file_read_at(co, &self->from, piece, sizeof piece, self->at));
                eddy_await(eddy_file_write_at(co, &self->into, piece, self->count, self->at));
                self->at += (int64_t)self->count;
                *self->copied = self->at;
            } while (self->count > 0);
        }
    }
    eddy_end;
}

static int64_t megabytes(void)
{
    const char *text = getenv("EDDY_TEST_COPY_MIB");

    return text != NULL ? atoll(text) : 4;
}

static int64_t size_of(const char *name)
{
    struct stat status;

    assert_int_equal(stat(name, &status), 0);
    return status.st_size;
}

test(a_file_that_is_copied_in_pieces_is_whole_and_one_that_is_cancelled_has_whole_pieces)
{
    char to[sizeof path + 4];
    int64_t copied = 0;
    int64_t all = megabytes() * MEGABYTE;
    eddy_task task;

    snprintf(to, sizeof to, "%s.to", path);
    put(path, "end", 3);
    assert_int_equal(truncate(path, all), 0);
    assert_int_equal(run(copies, .to = to, .copied = &copied), 0);
    assert_int_equal(size_of(to), all);
    copied = 0;
    task = start(copies, .to = to, .copied = &copied);
    while (copied < all / 2) {
        assert_true(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0) >= 0);
        if (all > 4 * MEGABYTE) {
            printf("\r%lld MiB", (long long)copied / MEGABYTE);
            fflush(stdout);
        }
    }
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    assert_true(size_of(to) >= copied);
    assert_true(size_of(to) <= copied + MEGABYTE);
    assert_int_equal(size_of(to) % MEGABYTE, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        file_case(what_is_written_at_an_offset_is_read_there_and_a_hole_reads_as_zeros),
        file_case(a_read_is_short_only_at_the_end_of_the_file),
        file_case(a_piece_that_no_file_can_have_is_einval),
        file_case(a_file_is_cut_off_and_made_longer_and_says_its_size),
        file_case(a_sync_is_asked_of_the_disk),
        file_case(what_is_not_open_is_ebadf_and_closing_it_is_nothing),
        file_case(what_cannot_be_opened_leaves_the_struct_as_new),
        file_case(calls_that_are_interrupted_or_do_little_are_repeated),
        file_case(on_a_full_disk_the_first_bytes_are_there_and_the_file_can_be_used_on),
        file_case(a_call_that_writes_nothing_is_an_error_and_not_made_for_ever),
        file_case(a_file_that_shrinks_while_it_is_read_ends_there),
        file_case(a_piece_of_a_megabyte_that_has_begun_is_written_whole_and_the_cancel_comes_next),
        file_case(a_larger_one_ends_behind_the_megabyte_in_which_the_cancel_came),
        file_case(what_no_worker_has_begun_is_taken_back_and_nothing_was_done),
        file_case(a_file_on_which_a_worker_works_is_not_closed),
        file_case(a_file_that_is_being_closed_is_not_open_and_is_closed_whatever_comes),
        file_case(a_close_that_is_taken_back_leaves_the_file_open),
        file_case(an_error_of_the_close_is_told_and_the_file_is_closed),
        file_case(while_a_disk_is_slow_each_poll_comes_back_and_has_run_the_others),
        file_case(the_dump_says_which_file_and_the_metrics_how_often),
        file_case(a_file_that_is_open_when_the_loop_ends_is_closed_and_told),
        file_case(the_loop_may_end_in_the_middle_of_an_open),
        file_case(an_open_file_in_a_frame_that_ends_aborts),
        file_case(a_block_closes_its_file_however_it_is_left),
        file_case(memory_that_fails_anywhere_is_told_and_nothing_stays_open),
        file_case(without_memory_a_file_is_closed_by_the_loops_thread),
        file_case(a_child_of_fork_has_the_file_too_by_threads_of_its_own),
        file_case(
            a_file_that_is_copied_in_pieces_is_whole_and_one_that_is_cancelled_has_whole_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
