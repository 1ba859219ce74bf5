/* path.h: directories in batches, and names. */
#include "support/files.h"
#include "support/threads.h"

#include "eddy/path.h"

enum { MANY = 100000 };

static unsigned char seen[MANY]; /* how often each name was found */
static unsigned found;
static eddy_dir dir;

eddy_frame_of(lists, const char *path, unsigned most, int64_t more);

/* Names are numbers. */
static void lists(eddy_coro *co)
{
    eddy_begin(lists);
    eddy_with_dir(&dir, self->path) {
        for (;;) {
            eddy_await(self->more, eddy_dir_next(co, &dir));
            if (self->more == 0 || found == self->most) {
                break;
            }
            seen[strtoul(dir.entry.name, NULL, 10) % MANY]++;
            found++;
        }
    }
    eddy_end;
}

static int64_t list(const char *name)
{
    memset(seen, 0, sizeof seen);
    memset(&dir, 0, sizeof dir);
    found = 0;
    return run(lists, name, MANY + 1);
}

static void assert_each_once(unsigned count)
{
    assert_int_equal(found, count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(seen[i], 1);
    }
}

test(each_name_of_a_directory_is_found_once_and_no_dots)
{
    char name[96];

    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%s/%d", directory, i);
        put(name, "", 0);
    }
    assert_int_equal(list(directory), 0);
    assert_each_once(1000);
    assert_true(dir.entry.kind == 0 || S_ISREG(dir.entry.kind));
}

test(an_empty_directory_has_no_names)
{
    assert_int_equal(list(directory), 0);
    assert_int_equal(found, 0);
}

test(what_is_no_directory_is_an_error)
{
    put(path, "x", 1);
    assert_int_equal(list(path), -ENOTDIR);
    assert_null(dir.file.loop);
    assert_int_equal(list("/tmp/eddy-is-not-there"), -ENOENT);
    assert_null(dir.file.loop);
}

/* A directory of a hundred thousand, as the kernel would tell of it. */
static unsigned told;

static ssize_t many(const struct eddy_sys *sys, int fd, void *bytes, size_t size)
{
    size_t used = 0;

    (void)sys;
    (void)fd;
    for (; told < MANY && size - used >= 32; told++) {
        char *record = (char *)bytes + used;
        unsigned short length = 32;
        memset(record, 0, length);
        memcpy(record + 16, &length, sizeof length);
        snprintf(record + 19, 12, "%u", told);
        used += length;
    }
    return (ssize_t)used;
}

test(a_hundred_thousand_names_take_one_block_and_a_hundred_calls)
{
    size_t before, calls;

    assert_int_equal(list(directory), 0); /* the pool, the threads */
    before = testing.memory.bytes;
    calls = testing.memory.calls;
    told = 0;
    testing.sys.table.getdents = many;
    assert_int_equal(list(directory), 0);
    assert_each_once(MANY);
    assert_int_equal(testing.memory.bytes, before);
    assert_int_equal(testing.memory.calls, calls);
}

test(who_lists_lets_others_run_and_may_leave_early)
{
    told = 0;
    testing.sys.table.getdents = many;
    memset(&dir, 0, sizeof dir);
    found = 0;
    start(pauses, "a", 3);
    assert_int_equal(run(lists, directory, 600), 0);
    testing_assert_log("a a a");
    assert_int_equal(found, 600);
    assert_null(dir.file.loop);
}

test(an_error_of_the_listing_is_told_and_the_directory_closed)
{
    testing_fail(getdents, 1, -EIO);
    assert_int_equal(list(directory), -EIO);
    assert_null(dir.file.loop);
}

test(memory_that_fails_anywhere_is_told_and_nothing_stays_open)
{
    int64_t result = -ENOMEM;

    put(path, "", 0);
    for (unsigned k = 1; result != 0; k++) {
        for (int on = 0; on < 2; on++) {
            testing_reopen();
            (on ? testing_fail_allocations_from : testing_fail_allocation)(k);
            result = list(directory);
            testing_fail_allocation(0);
            assert_true(result == -ENOMEM || result == 0);
            assert_null(dir.file.loop);
        }
        assert_true(k < 30);
    }
}

/* ---- two tasks, one directory */

static struct gate gate;

static ssize_t at_gate(const struct eddy_sys *sys, int fd, void *bytes, size_t size)
{
    gate_pass(&gate);
    return eddy_sys_default()->getdents(sys, fd, bytes, size);
}

eddy_frame_of(takes_one, int64_t rc);

static void takes_one(eddy_coro *co)
{
    eddy_begin(takes_one);
    eddy_catch(self->rc, eddy_dir_next(co, &dir));
    eddy_return(self->rc);
    eddy_end;
}

eddy_frame_of(opens);

static void opens(eddy_coro *co)
{
    eddy_begin(opens);
    eddy_await(eddy_dir_open(co, &dir, directory));
    eddy_end;
}

eddy_frame_of(closes);

static void closes(eddy_coro *co)
{
    eddy_begin(closes);
    eddy_await(eddy_dir_close(co, &dir));
    eddy_end;
}

test(a_directory_is_listed_by_one_task_at_a_time_and_a_name_outlives_a_cancel)
{
    eddy_task task;

    put(path, "", 0);
    memset(&dir, 0, sizeof dir);
    assert_int_equal(run(opens), 0);
    gate_init(&gate);
    testing.sys.table.getdents = at_gate;
    task = start(takes_one);
    testing_turn();
    gate_await(&gate);
    assert_int_equal(run(takes_one), -EBUSY);
    assert_int_equal(run(closes), -EBUSY);
    assert_int_equal(eddy_cancel(task), 0);
    gate_open(&gate);
    assert_int_equal(finish(task), 1); /* it was found, so it is not lost */
    assert_string_equal(dir.entry.name, "file");
    assert_int_equal(run(closes), 0);
    assert_int_equal(run(takes_one), -EBADF);
    assert_int_equal(run(closes), 0);
}

/* ---- names */

eddy_frame(changes) {
    eddy_coro co;
    char from[96], to[96], link[96];
    struct eddy_file_info info;
    int64_t rc;
};

static void changes(eddy_coro *co)
{
    eddy_begin(changes);
    snprintf(self->from, sizeof self->from, "%s/made", directory);
    snprintf(self->to, sizeof self->to, "%s/moved", directory);
    snprintf(self->link, sizeof self->link, "%s/link", directory);
    eddy_await(eddy_path_mkdir(co, self->from, 0750));
    eddy_await(eddy_path_get_info(co, self->from, &self->info));
    assert_true(S_ISDIR(self->info.mode));
    assert_int_equal(self->info.mode & 0777, 0750);
    eddy_catch(self->rc, eddy_path_mkdir(co, self->from, 0750));
    assert_int_equal(self->rc, -EEXIST);
    eddy_await(eddy_path_rename(co, self->from, self->to));
    assert_int_equal(symlink("moved", self->link), 0);
    eddy_await(eddy_path_get_info(co, self->link, &self->info));
    assert_true(S_ISDIR(self->info.mode));
    eddy_await(eddy_path_get_link_info(co, self->link, &self->info));
    assert_true(S_ISLNK(self->info.mode));
    eddy_await(eddy_path_unlink(co, self->link));
    eddy_await(eddy_path_rmdir(co, self->to));
    eddy_catch(self->rc, eddy_path_get_info(co, self->to, &self->info));
    assert_int_equal(self->rc, -ENOENT);
    eddy_end;
}

test(names_are_made_changed_asked_for_and_removed)
{
    assert_int_equal(run(changes), 0);
    assert_int_equal(files(), 0);
    assert_int_equal(testing_calls(rename), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        file_case(each_name_of_a_directory_is_found_once_and_no_dots),
        file_case(an_empty_directory_has_no_names),
        file_case(what_is_no_directory_is_an_error),
        file_case(a_hundred_thousand_names_take_one_block_and_a_hundred_calls),
        file_case(who_lists_lets_others_run_and_may_leave_early),
        file_case(an_error_of_the_listing_is_told_and_the_directory_closed),
        file_case(memory_that_fails_anywhere_is_told_and_nothing_stays_open),
        file_case(a_directory_is_listed_by_one_task_at_a_time_and_a_name_outlives_a_cancel),
        file_case(names_are_made_changed_asked_for_and_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
