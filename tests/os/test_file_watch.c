/* file_watch.h: being told of what happens to files and in directories. */
#include "support/fork.h"
#include "support/leaks.h"
#include "support/net.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eddy/error.h"
#include "eddy/file_watch.h"
#include "eddy/look.h"

enum { NAMES = 1u << 9 | 1u << 8 | 1u << 7 | 1u << 6 | 1u << 3 | 1u << 1 }; /* of a directory */

static eddy_file_watch watch; /* of nobody's frame */
static char root[] = "/tmp/eddy-watch-XXXXXX";
static char home[64]; /* a directory in it, which is watched */

/* ---- files */

static const char *in(const char *directory, const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int setup(void **state)
{
    int result = testing_setup(state);

    memset(&watch, 0, sizeof watch);
    memcpy(root + sizeof root - 7, "XXXXXX", 6);
    if (mkdtemp(root) == NULL) {
        return -1;
    }
    snprintf(home, sizeof home, "%s/home", root);
    return mkdir(home, 0700) == 0 ? result : -1;
}

static int teardown(void **state)
{
    eddy_file_watch_close(&watch);
    for (const char *name = "abc"; *name != '\0'; name++) {
        char one[] = {*name, '\0'};
        (void)unlink(in(home, one));
        (void)unlink(in(root, one));
        (void)rmdir(in(home, one));
    }
    (void)rmdir(home);
    return rmdir(root) == 0 ? testing_teardown(state) : -1;
}

#define watch_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- watching */

static unsigned cookie; /* of the last event */

static void log_event(const struct eddy_file_event *event)
{
    static const struct {
        unsigned what;
        const char *word;
    } words[] = {
        {EDDY_FILE_MODIFIED, "modified"},     {EDDY_FILE_ATTRIBUTES, "attributes"},
        {EDDY_FILE_WRITTEN, "written"},       {EDDY_FILE_MOVED_FROM, "from"},
        {EDDY_FILE_MOVED_TO, "to"},           {EDDY_FILE_CREATED, "created"},
        {EDDY_FILE_DELETED, "deleted"},       {EDDY_FILE_SELF_DELETED, "self-deleted"},
        {EDDY_FILE_SELF_MOVED, "self-moved"}, {EDDY_FILE_OVERFLOW, "overflow"},
        {EDDY_FILE_UNWATCHED, "unwatched"},   {EDDY_FILE_IS_DIRECTORY, "directory"},
        {EDDY_FILE_UNMOUNTED, "unmounted"},
    };
    char text[64] = "";

    cookie = event->cookie;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if ((event->what & words[i].what) != 0) {
            strcat(text, text[0] != '\0' ? "+" : "");
            strcat(text, words[i].word);
        }
    }
    testing_log("%d:%s%s%s", event->number, text, event->name[0] != '\0' ? ":" : "", event->name);
}

/* Opens it and watches a path. */
eddy_frame(opens) {
    eddy_coro co;
    const char *path;
    unsigned what;
    int64_t number;
};

static void opens(eddy_coro *co)
{
    eddy_begin(opens);
    if (!eddy_file_watch_is_open(&watch)) {
        eddy_await(eddy_file_watch_open(co, &watch));
    }
    eddy_await(self->number, eddy_file_watch_add(co, &watch, self->path, self->what));
    eddy_return(self->number);
    eddy_end;
}
enum { OPENED_AT = __LINE__ - 6 };

static int64_t add(const char *path, unsigned what)
{
    return run(opens, .path = path, .what = what);
}

static void watch_home(void)
{
    assert_int_equal(add(home, NAMES), 1);
    testing_forget_calls();
}

/* Logs so many events, or all that come; an error ends it. */
eddy_frame(listens) {
    eddy_coro co;
    int most;
    int64_t limit;
    int64_t rc;
    struct eddy_file_event event;
};

static void listens(eddy_coro *co)
{
    eddy_begin(listens);
    do {
        eddy_catch(self->rc, eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                                           eddy_file_watch_next(co, &watch, &self->event)));
        if (self->rc == 0) {
            log_event(&self->event);
        }
    } while (self->rc == 0 && --self->most != 0);
    eddy_return(self->rc);
    eddy_end;
}

/* All that has come. */
static void hear(void)
{
    eddy_file_watch *open = &watch;

    assert_int_equal(run(listens, .limit = EDDY_MILLISECOND), -ETIMEDOUT);
    assert_int_equal(open->at, open->filled);
}

#define assert_heard(text)        \
    do {                          \
        hear();                   \
        testing_assert_log(text); \
    } while (0)

/* ---- what is told */

test(a_file_is_created_written_and_deleted)
{
    watch_home();
    write_file(in(home, "a"), "1");
    unlink(in(home, "a"));
    assert_heard("1:created:a 1:modified:a 1:written:a 1:deleted:a");
}

test(only_what_was_asked_for_is_told)
{
    assert_int_equal(add(home, EDDY_FILE_WRITTEN), 1);
    write_file(in(home, "a"), "1");
    unlink(in(home, "a"));
    assert_heard("1:written:a");
}

test(both_names_of_a_renamed_file_have_one_cookie)
{
    unsigned first;

    write_file(in(home, "a"), "1");
    watch_home();
    assert_int_equal(rename(in(home, "a"), in(home, "b")), 0);
    assert_int_equal(rename(in(home, "b"), in(home, "c")), 0);
    assert_int_equal(run(listens, .most = 1), 0);
    first = cookie;
    assert_int_not_equal(first, 0);
    assert_int_equal(run(listens, .most = 1), 0);
    assert_int_equal(cookie, first);
    assert_heard("1:from:a 1:to:b 1:from:b 1:to:c");
    assert_int_not_equal(cookie, first);
}

test(of_one_that_is_moved_in_or_out_there_is_one_name)
{
    write_file(in(root, "a"), "1");
    watch_home();
    assert_int_equal(rename(in(root, "a"), in(home, "b")), 0);
    assert_int_equal(rename(in(home, "b"), in(root, "c")), 0);
    assert_heard("1:to:b 1:from:b");
}

test(a_file_that_is_replaced_by_a_rename_is_told_in_its_directory)
{
    write_file(in(home, "a"), "old");
    watch_home();
    write_file(in(home, "b"), "new");
    assert_int_equal(rename(in(home, "b"), in(home, "a")), 0);
    assert_heard("1:created:b 1:modified:b 1:written:b 1:from:b 1:to:a");
}

test(and_a_watch_of_the_file_itself_ends_with_the_old_one)
{
    write_file(in(home, "a"), "old");
    assert_int_equal(add(in(home, "a"), EDDY_FILE_WRITTEN | EDDY_FILE_SELF_DELETED), 1);
    write_file(in(home, "b"), "new");
    assert_int_equal(rename(in(home, "b"), in(home, "a")), 0);
    write_file(in(home, "a"), "newer");
    assert_heard("1:self-deleted 1:unwatched");
}

test(a_file_that_is_watched_itself_is_followed_when_it_is_moved)
{
    write_file(in(home, "a"), "1");
    assert_int_equal(add(in(home, "a"), EDDY_FILE_WRITTEN | EDDY_FILE_SELF_MOVED), 1);
    assert_int_equal(rename(in(home, "a"), in(home, "b")), 0);
    write_file(in(home, "b"), "2");
    assert_heard("1:self-moved 1:written");
}

/* As long as somebody has it open, only a name of it is gone. */
test(a_file_that_is_watched_itself_is_deleted_when_nobody_has_it_open)
{
    int fd;

    write_file(in(home, "a"), "1");
    fd = open(in(home, "a"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(add(in(home, "a"), EDDY_FILE_ATTRIBUTES | EDDY_FILE_SELF_DELETED), 1);
    unlink(in(home, "a"));
    assert_heard("1:attributes");
    close(fd);
    assert_heard("1:self-deleted 1:unwatched");
}

test(directories_are_told_as_such_and_what_is_in_them_is_not)
{
    watch_home();
    assert_int_equal(mkdir(in(home, "a"), 0700), 0);
    write_file(in(home, "a/b"), "1");
    unlink(in(home, "a/b"));
    rmdir(in(home, "a"));
    assert_heard("1:created+directory:a 1:deleted+directory:a");
}

test(a_directory_that_is_deleted_is_not_watched_any_more)
{
    watch_home();
    rmdir(home);
    assert_heard("1:unwatched");
    assert_int_equal(eddy_file_watch_remove(&watch, 1), -EINVAL);
    mkdir(home, 0700);
    assert_int_equal(add(home, NAMES), 2); /* numbers do not come again */
}

test(what_has_come_of_a_removed_one_is_told_before_its_end)
{
    watch_home();
    write_file(in(home, "a"), "1");
    assert_int_equal(eddy_file_watch_remove(&watch, 1), 0);
    unlink(in(home, "a"));
    assert_heard("1:created:a 1:modified:a 1:written:a 1:unwatched");
    assert_int_equal(eddy_file_watch_remove(&watch, 1), -EINVAL);
}

test(several_are_told_by_their_numbers)
{
    watch_home();
    assert_int_equal(add(root, EDDY_FILE_CREATED), 2);
    write_file(in(root, "a"), "1");
    write_file(in(home, "b"), "1");
    assert_heard("2:created:a 1:created:b 1:modified:b 1:written:b");
}

test(the_longest_of_names_fits)
{
    char name[256];

    memset(name, 'x', 255);
    name[255] = '\0';
    assert_int_equal(add(home, EDDY_FILE_CREATED), 1);
    for (int i = 0; i < 5; i++) {
        char path[512];
        name[0] = (char)('0' + i);
        snprintf(path, sizeof path, "%s/%s", home, name);
        write_file(path, "");
        unlink(path);
    }
    assert_int_equal(run(listens, .most = 5), 0);
    assert_int_equal(strlen(testing.log), 5 * (strlen("1:created:") + 255) + 4);
    assert_string_equal(strrchr(testing.log, ':') + 1, name);
    testing.log[0] = '\0';
}

/* ---- waiting */

test(events_are_read_many_at_once)
{
    watch_home();
    for (int i = 0; i < 5; i++) {
        write_file(in(home, "a"), "1");
        unlink(in(home, "a"));
    }
    assert_int_equal(run(listens, .most = 20), 0);
    assert_int_equal(testing_calls(read), 1);
    assert_int_equal(testing_calls(epoll_ctl), 0);
    testing.log[0] = '\0';
}

test(a_task_waits_until_something_happens)
{
    eddy_task task;

    watch_home();
    task = start(listens, .most = 2);
    testing_turns();
    testing_assert_log("");
    assert_int_equal(mkdir(in(home, "a"), 0700), 0);
    testing_turns();
    testing_assert_log("1:created+directory:a");
    rmdir(in(home, "a"));
    assert_int_equal(finish(task), 0);
    testing_assert_log("1:deleted+directory:a");
}

/* Before the event is read, and afterwards, when the rest is in the buffer. */
test(a_cancel_takes_no_event_away)
{
    eddy_task task;

    watch_home();
    task = start(listens);
    testing_turns();
    write_file(in(home, "a"), "1");
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("");
    assert_int_equal(run(listens, .most = 1), 0);
    testing_assert_log("1:created:a");
    task = start(listens);
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    assert_heard("1:modified:a 1:written:a");
}

test(a_read_that_has_found_nothing_is_not_tried_again_before_an_event)
{
    watch_home();
    for (int i = 0; i < 3; i++) {
        hear();
    }
    assert_int_equal(testing_calls(read), 1);
    write_file(in(home, "a"), "");
    assert_heard("1:created:a 1:written:a");
    assert_int_equal(testing_calls(read), 3);
    assert_int_equal(testing_calls(epoll_ctl), 0);
}

test(one_task_waits_and_another_is_busy)
{
    eddy_task task;

    watch_home();
    task = start(listens, .most = 1);
    testing_turns();
    assert_int_equal(run(listens), -EBUSY);
    write_file(in(home, "a"), "");
    assert_int_equal(finish(task), 0);
    testing_assert_log("1:created:a");
}

test(closing_lets_who_waits_go)
{
    eddy_task task;

    watch_home();
    task = start(listens);
    testing_turns();
    write_file(in(home, "a"), "");
    eddy_file_watch_close(&watch);
    memset(&watch, 0, sizeof watch);
    assert_int_equal(finish(task), -EBADF);
    testing_assert_log("");
}

test(a_dump_says_that_a_task_waits_for_it)
{
    char text[4096] = "";
    FILE *file = fmemopen(text, sizeof text, "w");

    watch_home();
    start(listens);
    testing_turns();
    assert_int_equal(eddy_loop_dump(testing.loop, file), 0);
    fclose(file);
    assert_non_null(strstr(text, "listens waits 0 ms for file event"));
    testing_free();
}

/* ---- what is refused */

eddy_frame(fails) {
    eddy_coro co;
    const char *path;
    int64_t rc;
};

static void fails(eddy_coro *co)
{
    eddy_begin(fails);
    eddy_catch(self->rc, eddy_call(co, opens, .path = self->path, .what = EDDY_FILE_CREATED));
    testing_log("%s", eddy_error(co)->text);
    eddy_return(self->rc);
    eddy_end;
}

/* In the words of whichever libc. */
static void __attribute__((format(printf, 2, 0))) assert_said(int64_t error, const char *format)
{
    char text[256];

    snprintf(text, sizeof text, format, eddy_strerror(error));
    testing_assert_log(text);
}

test(what_cannot_be_watched_is_an_error_that_says_what_and_why)
{
    testing_fail(inotify_init, 1, -EMFILE);
    assert_int_equal(run(fails, .path = home), -EMFILE);
    assert_said(-EMFILE, "%s: fds, or /proc/sys/fs/inotify/max_user_instances");
    testing_fail(inotify_init, 1, -ENFILE);
    assert_int_equal(run(fails, .path = home), -ENFILE);
    testing.log[0] = '\0';
    testing_fail(epoll_ctl, 1, -ENOSPC); /* nothing leaks */
    assert_int_equal(run(fails, .path = home), -ENOSPC);
    testing.log[0] = '\0';
    assert_int_equal(run(fails, .path = "/no/such/file"), -ENOENT);
    assert_said(-ENOENT, "/no/such/file: %s");
    testing_fail(inotify_add_watch, 1, -ENOSPC);
    assert_int_equal(run(fails, .path = "/x"), -ENOSPC);
    testing_assert_log("/x: no more than /proc/sys/fs/inotify/max_user_watches");
}

test(what_is_no_question_is_refused)
{
    watch_home();
    assert_int_equal(add(home, EDDY_FILE_CREATED), -EEXIST);
    assert_int_equal(add(root, 0), -EINVAL);
    assert_int_equal(add(root, EDDY_FILE_UNWATCHED), -EINVAL);
    assert_int_equal(add(root, 1u << 24), -EINVAL); /* IN_ONLYDIR */
    assert_int_equal(eddy_file_watch_remove(&watch, 7), -EINVAL);
    eddy_file_watch_close(&watch);
    eddy_file_watch_close(&watch);
    assert_int_equal(eddy_file_watch_remove(&watch, 1), -EBADF);
    assert_int_equal(run(listens), -EBADF);
}

eddy_frame(opens_twice) {
    eddy_coro co;
};

static void opens_twice(eddy_coro *co)
{
    eddy_begin(opens_twice);
    eddy_await(eddy_file_watch_open(co, &watch));
    eddy_await((eddy_file_watch_open)(co, &watch));
    eddy_end;
}

test(what_is_open_is_not_opened)
{
    assert_int_equal(run(opens_twice), -EINVAL);
    assert_true(eddy_file_watch_is_open(&watch));
}

/* ---- what the kernel says seldom: by the table */

static char given[64];
static size_t given_size;

static ssize_t read_given(const struct eddy_sys *sys, int fd, void *buffer, size_t size)
{
    size_t count = given_size;

    if (fd != watch.io.fd) {
        return eddy_sys_default()->read(sys, fd, buffer, size);
    }
    given_size = 0;
    memcpy(buffer, given, count);
    return count > 0 ? (ssize_t)count : -EAGAIN;
}

static void give_event(int number, uint32_t mask, uint32_t size, size_t bytes)
{
    struct inotify_event event = {.wd = number, .mask = mask, .len = size};

    testing.sys.table.read = read_given;
    memset(given, 0, sizeof given);
    memcpy(given, &event, sizeof event);
    given_size = bytes;
}

test(an_overflow_is_told_and_of_no_number)
{
    watch_home();
    give_event(-1, IN_Q_OVERFLOW, 0, sizeof(struct inotify_event));
    assert_int_equal(run(listens, .most = 1), 0);
    testing_assert_log("-1:overflow");
}

eddy_frame(listens_for_overflow) {
    eddy_coro co;
    struct eddy_file_event event;
};

static void listens_for_overflow(eddy_coro *co)
{
    eddy_begin(listens_for_overflow);
    while ((self->event.what & EDDY_FILE_OVERFLOW) == 0) {
        eddy_await(eddy_file_watch_next(co, &watch, &self->event));
    }
    eddy_return(self->event.number);
    eddy_end;
}

/* Of a queue that nobody reads: the kernel's limit is the machine's, and large. */
test(the_kernel_tells_of_a_true_one)
{
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
    int limit = 0;
    int fds[2];

    if (file != NULL) {
        assert_true(fscanf(file, "%d", &limit) >= 0);
        fclose(file);
    }
    if (limit <= 0 || limit > 20000) {
        skip();
    }
    for (int i = 0; i < 2; i++) {
        fds[i] = open(in(home, i == 0 ? "a" : "b"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    }
    assert_int_equal(add(home, EDDY_FILE_ATTRIBUTES), 1);
    for (int i = 0; i <= limit; i++) { /* equal ones in a row are one */
        assert_int_equal(fchmod(fds[i % 2], 0600), 0);
    }
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(run(listens_for_overflow), -1);
}

test(a_read_that_was_interrupted_is_done_again_and_an_error_is_told)
{
    watch_home();
    write_file(in(home, "a"), "");
    testing_fail(read, 1, -EINTR);
    assert_int_equal(run(listens, .most = 1), 0);
    testing_assert_log("1:created:a");
    assert_heard("1:written:a");
    write_file(in(home, "b"), "");
    testing_fail(read, 1, -EIO);
    assert_int_equal(run(listens), -EIO);
    assert_heard("1:created:b 1:written:b");
}

test(what_is_no_event_is_an_error_and_forgotten)
{
    watch_home();
    give_event(1, IN_CREATE, 0, 8);
    assert_int_equal(run(listens), -EIO);
    give_event(1, IN_CREATE, 32, sizeof(struct inotify_event) + 16);
    assert_int_equal(run(listens), -EIO);
    give_event(1, IN_CREATE, 0, sizeof(struct inotify_event));
    assert_int_equal(run(listens, .most = 1), 0);
    testing_assert_log("1:created");
}

eddy_frame(does_all) {
    eddy_coro co;
    eddy_file_watch own;
    struct eddy_file_event event;
    int number;
};

static void does_all(eddy_coro *co)
{
    eddy_begin(does_all);
    eddy_await(eddy_file_watch_open(co, &self->own));
    eddy_await(self->number, eddy_file_watch_add(co, &self->own, home, EDDY_FILE_CREATED));
    write_file(in(home, "a"), "");
    eddy_await(eddy_file_watch_next(co, &self->own, &self->event));
    eddy_await(eddy_file_watch_remove(&self->own, self->number));
    do {
        eddy_await(eddy_file_watch_next(co, &self->own, &self->event));
    } while ((self->event.what & EDDY_FILE_UNWATCHED) == 0);
eddy_finally:
    (void)unlink(in(home, "a"));
    eddy_file_watch_close(&self->own);
    eddy_end;
}

eddy_frame_of(tries_all, int64_t rc);

static void tries_all(eddy_coro *co)
{
    eddy_begin(tries_all);
    eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_call(co, does_all)));
    eddy_return(self->rc);
    eddy_end;
}

/* The k-th such call fails, or all from it on; whether there is a k-th. */
static bool fails_at(size_t call, unsigned k, bool on, int error)
{
    unsigned before = testing_calls_of(call);
    int fds = net_count_open();
    int64_t result;

    testing_fail_call(call, k, error, on);
    result = run(tries_all);
    testing_fail_call(call, 0, 0, false);
    assert_true(result == 0 || result == error || result == -ETIMEDOUT);
    assert_int_equal(net_count_open(), fds);
    return testing_calls_of(call) - before >= k;
}

test(each_system_call_may_fail_with_anything)
{
    static const size_t calls[] = {
        TESTING_CALL(inotify_init), TESTING_CALL(inotify_add_watch), TESTING_CALL(inotify_rm_watch),
        TESTING_CALL(read),         TESTING_CALL(epoll_ctl),
    };
    static const int errors[] = {-EAGAIN, -EINTR, -ENOMEM, -EIO};

    for (size_t i = 0; i < sizeof calls / sizeof *calls * 2; i++) {
        for (size_t j = 0; j < sizeof errors / sizeof *errors; j++) {
            bool on = i % 2 != 0 && errors[j] != -EINTR; /* for ever would be for ever */
            unsigned k = 1;
            while (fails_at(calls[i / 2], k, on, errors[j])) {
                k++;
            }
            assert_in_range(k, 2, 10);
        }
    }
}

/* ---- where it lies, and its fd */

eddy_frame(has_one) {
    eddy_coro co;
    bool leaves;
    bool lacks_memory;
    int64_t rc;
    eddy_file_watch own;
};

static void has_one(eddy_coro *co)
{
    eddy_begin(has_one);
    if (self->lacks_memory) {
        use_up_memory();
    }
    eddy_catch(self->rc, eddy_file_watch_open(co, &self->own));
    assert_int_equal(eddy_file_watch_is_open(&self->own), self->rc == 0);
    eddy_return(self->rc);
eddy_finally:
    if (!self->leaves) {
        eddy_file_watch_close(&self->own);
    }
    eddy_end;
}

static void leave_one(void *argument)
{
    (void)argument;
    (void)run(has_one, .leaves = true);
}

test(a_frame_that_ends_with_an_open_one_aborts)
{
    assert_int_equal(run(has_one), 0);
    testing_expect_abort(leave_one, NULL, "has_one: ");
    testing_expect_abort(leave_one, NULL, "a stream, reader, writer, server, file, watch of files");
}

test(without_memory_it_is_not_open)
{
    assert_int_equal(run(has_one), 0);
    assert_int_equal(run(has_one, .lacks_memory = true), -ENOMEM);
    testing_fail_allocation(0);
}

test(one_that_is_open_when_the_loop_ends_is_closed_and_told)
{
    int fd;

    report_leaks();
    watch_home();
    assert_int_equal(eddy_detach(start(listens)), 0);
    testing_turns();
    fd = watch.io.fd;
    assert_leaks("leak: a watch of files is still open on fd %d (opened at %s:%d)\n", fd, __FILE__,
                 OPENED_AT);
    assert_false(net_is_open(fd));
    assert_false(eddy_file_watch_is_open(&watch));
}

test(its_fd_is_none_of_the_standard_ones_and_not_inherited)
{
    int kept = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);

    close(STDIN_FILENO);
    watch_home();
    assert_true(watch.io.fd > STDERR_FILENO);
    assert_int_equal(fcntl(watch.io.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(dup2(kept, STDIN_FILENO), STDIN_FILENO);
    close(kept);
}

test(one_whose_fd_somebody_closes_gives_way)
{
    eddy_task task;
    eddy_io io = {0};
    int fds[2];
    int fd;

    watch_home();
    task = start(listens);
    testing_turns();
    fd = watch.io.fd;
    testing_pipe(fds);
    assert_int_equal(dup3(fds[0], fd, O_CLOEXEC), fd);
    assert_int_equal(eddy_io_start(testing.loop, &io, fd, EDDY_READ, log_io), 0);
    assert_told(-EBADF, "was closed while a watch of files had it: it gives way");
    assert_int_equal(finish(task), -EBADF);
    assert_false(eddy_file_watch_is_open(&watch));
    eddy_io_stop(&io);
    assert_true(net_is_open(fd));
    close(fd);
    close(fds[0]);
    close(fds[1]);
}

static int child_uses_it(void *argument)
{
    (void)argument;
    CHECK(eddy_file_watch_remove(&watch, 1) == -ECHILD);
    CHECK(part());
    CHECK(run(listens) == -ECHILD);
    CHECK(add(root, EDDY_FILE_CREATED) == -ECHILD);
    CHECK(eddy_file_watch_remove(&watch, 1) == -ECHILD);
    eddy_file_watch_close(&watch);
    CHECK(add(root, EDDY_FILE_CREATED) == 1);
    return 0;
}

test(a_child_takes_nothing_from_its_parents_queue)
{
    watch_home();
    write_file(in(home, "a"), "1");
    in_child(child_uses_it);
    assert_heard("1:created:a 1:modified:a 1:written:a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        watch_case(a_file_is_created_written_and_deleted),
        watch_case(only_what_was_asked_for_is_told),
        watch_case(both_names_of_a_renamed_file_have_one_cookie),
        watch_case(of_one_that_is_moved_in_or_out_there_is_one_name),
        watch_case(a_file_that_is_replaced_by_a_rename_is_told_in_its_directory),
        watch_case(and_a_watch_of_the_file_itself_ends_with_the_old_one),
        watch_case(a_file_that_is_watched_itself_is_followed_when_it_is_moved),
        watch_case(a_file_that_is_watched_itself_is_deleted_when_nobody_has_it_open),
        watch_case(directories_are_told_as_such_and_what_is_in_them_is_not),
        watch_case(a_directory_that_is_deleted_is_not_watched_any_more),
        watch_case(what_has_come_of_a_removed_one_is_told_before_its_end),
        watch_case(several_are_told_by_their_numbers),
        watch_case(the_longest_of_names_fits),
        watch_case(events_are_read_many_at_once),
        watch_case(a_task_waits_until_something_happens),
        watch_case(a_cancel_takes_no_event_away),
        watch_case(a_read_that_has_found_nothing_is_not_tried_again_before_an_event),
        watch_case(one_task_waits_and_another_is_busy),
        watch_case(closing_lets_who_waits_go),
        watch_case(a_dump_says_that_a_task_waits_for_it),
        watch_case(what_cannot_be_watched_is_an_error_that_says_what_and_why),
        watch_case(what_is_no_question_is_refused),
        watch_case(what_is_open_is_not_opened),
        watch_case(an_overflow_is_told_and_of_no_number),
        watch_case(the_kernel_tells_of_a_true_one),
        watch_case(a_read_that_was_interrupted_is_done_again_and_an_error_is_told),
        watch_case(what_is_no_event_is_an_error_and_forgotten),
        watch_case(each_system_call_may_fail_with_anything),
        watch_case(a_frame_that_ends_with_an_open_one_aborts),
        watch_case(without_memory_it_is_not_open),
        watch_case(one_that_is_open_when_the_loop_ends_is_closed_and_told),
        watch_case(its_fd_is_none_of_the_standard_ones_and_not_inherited),
        watch_case(one_whose_fd_somebody_closes_gives_way),
        watch_case(a_child_takes_nothing_from_its_parents_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
