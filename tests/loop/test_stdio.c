/* Fds 0, 1 and 2, which a program may have been started without: they are never the library's. */
#include "support/tasks.h"

#include <fcntl.h>
#include <unistd.h>

#include "support/net.h"

static int saved[3];

/* The program goes on without them; with a new loop, as one that was started so. */
static void close_all(void)
{
    for (int fd = 0; fd < 3; fd++) {
        saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
        close(fd);
    }
}

static void restore_all(void)
{
    for (int fd = 0; fd < 3; fd++) {
        if (saved[fd] >= 0) {
            dup2(saved[fd], fd);
            close(saved[fd]);
        }
    }
}

static bool is_held(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_PATH) != 0;
}

/* cmocka's reports go to one of them: what is found is asserted when they are back. */
struct found {
    int held[3], written[3], after[3];
};

static void look(struct found *found)
{
    for (int fd = 0; fd < 3; fd++) {
        found->held[fd] = is_held(fd);
        found->written[fd] = (int)write(fd, "x", 1) < 0 ? -errno : 1;
    }
}

static void look_after(struct found *found)
{
    for (int fd = 0; fd < 3; fd++) {
        found->after[fd] = net_is_open(fd);
    }
}

test(a_loop_that_is_made_without_them_fills_the_gaps_before_it_makes_anything)
{
    struct found found;

    close_all();
    testing_reopen();
    look(&found);
    testing_free();
    look_after(&found);
    restore_all();
    for (int fd = 0; fd < 3; fd++) {
        assert_true(found.held[fd]);
        assert_int_equal(found.written[fd], -EBADF); /* as if it were closed */
        assert_false(found.after[fd]);
    }
    assert_int_equal(testing_calls(dup3), 0);
}

static int lowest; /* number that the kernel gave out, but for those that fill the gaps */

static int note_lowest(int fd)
{
    lowest = fd >= 0 && fd < lowest ? fd : lowest;
    return fd;
}

static int open_(const struct eddy_sys *sys, const char *path, int flags, mode_t mode)
{
    int fd = eddy_sys_default()->open(sys, path, flags, mode);

    return (flags & O_PATH) != 0 ? fd : note_lowest(fd);
}

static int epoll_create_(const struct eddy_sys *sys)
{
    return note_lowest(eddy_sys_default()->epoll_create(sys));
}

static int eventfd_(const struct eddy_sys *sys)
{
    return note_lowest(eddy_sys_default()->eventfd(sys));
}

test(so_that_the_kernel_gives_none_of_them_to_the_loop_not_even_for_a_moment)
{
    close_all();
    lowest = 1000;
    testing.sys.table.open = open_;
    testing.sys.table.epoll_create = epoll_create_;
    testing.sys.table.eventfd = eventfd_;
    testing_reopen();
    (void)eddy_loop_fd(testing.loop);
    testing_free();
    restore_all();
    assert_true(lowest > 2);
    assert_true(lowest < 1000);
}

test(one_that_the_program_has_taken_over_meanwhile_stays_its)
{
    struct found found;

    close_all();
    testing_reopen();
    dup2(saved[1], 1);
    testing_free();
    look_after(&found);
    restore_all();
    assert_false(found.after[0]);
    assert_true(found.after[1]);
    assert_false(found.after[2]);
}

test(a_gap_that_comes_later_is_filled_when_the_loop_is_given_its_number)
{
    struct found found;
    int fd;

    close_all();
    fd = eddy_loop_fd(testing.loop); /* the first fd that this loop makes since */
    look(&found);
    testing_free();
    look_after(&found);
    restore_all();
    assert_true(fd > 2);
    for (int i = 0; i < 3; i++) {
        assert_true(found.held[i]);
        assert_false(found.after[i]);
    }
}

test(a_gap_that_cannot_be_filled_is_an_error_and_leaves_nothing)
{
    struct found found;
    int result;

    testing_free();
    close_all();
    testing_fail(open, 2, -ENFILE);
    result = eddy_loop_new(&testing.loop, &testing.options);
    look_after(&found);
    restore_all();
    assert_int_equal(result, -ENFILE);
    assert_null(testing.loop);
    for (int fd = 0; fd < 3; fd++) {
        assert_false(found.after[fd]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_loop_that_is_made_without_them_fills_the_gaps_before_it_makes_anything),
        testing_case(so_that_the_kernel_gives_none_of_them_to_the_loop_not_even_for_a_moment),
        testing_case(one_that_the_program_has_taken_over_meanwhile_stays_its),
        testing_case(a_gap_that_comes_later_is_filled_when_the_loop_is_given_its_number),
        testing_case(a_gap_that_cannot_be_filled_is_an_error_and_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
