/* For tests of mistakes that abort: what a child process, which makes the mistake, has told. */
#ifndef EDDY_TESTING_TRAPS_H
#define EDDY_TESTING_TRAPS_H

#include "support/tasks.h"

#include <sys/mman.h>
#include <unistd.h>

/* Shared with the child process that makes the mistake: */
static int *trap_line; /* its line, which the coroutine has noted */
static int told_fd;    /* what was told */

#define TRAP *trap_line = __LINE__;

static inline void run_loop(void *argument)
{
    (void)argument;
    eddy_loop_run(testing.loop);
}

static inline void run_loop_and_tell(void *argument)
{
    dup2(told_fd, STDERR_FILENO);
    run_loop(argument);
}

enum exactness { AT, NEAR };

/* Asserts that the coroutines which were started end in an abort that names file, line, function and
 * what is wrong. Some mistakes are found out only somewhat later than made: then the line is that of the
 * last await before. */
static inline void assert_trap_(enum exactness exactness, const char *file, const char *function,
                                const char *text)
{
    char told[1024] = "";
    char expected[1024];
    int line = -1;

    *trap_line = 0;
    assert_int_equal(ftruncate(told_fd, 0), 0);
    assert_int_equal(lseek(told_fd, 0, SEEK_SET), 0);
    testing_expect_abort(run_loop_and_tell, NULL, "");
    assert_true(pread(told_fd, told, sizeof told - 1, 0) > 0);
    snprintf(expected, sizeof expected, "eddy: %s:%%d:", file);
    sscanf(told, expected, &line);
    snprintf(expected, sizeof expected, "eddy: %s:%d: %s: %s", file, line, function, text);
    if (strstr(told, expected) == NULL) {
        fail_msg("it did not say \"%s\" but: %s", expected, told);
    }
    if (line > *trap_line || line < *trap_line - (exactness == NEAR ? 10 : 0)) {
        fail_msg("the line is not %d: %s", *trap_line, told);
    }
}

#define assert_trap(exactness, function, text) assert_trap_(exactness, __FILE__, function, text)

/* Starts the coroutine and asserts that. */
#define assert_traps_at(name, text)   \
    do {                              \
        start(name);                  \
        assert_trap(AT, #name, text); \
    } while (0)

#define assert_traps_near(name, text)   \
    do {                                \
        start(name);                    \
        assert_trap(NEAR, #name, text); \
    } while (0)

#define TRAPS(name)    \
    eddy_frame(name) { \
        eddy_coro co;  \
        int i;         \
        int value;     \
        int64_t rc;    \
    }

/* The set-up of the group of test cases. */
static inline int set_up_traps(void **state)
{
    (void)state;
    trap_line =
        mmap(NULL, sizeof *trap_line, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    told_fd = memfd_create("told", MFD_CLOEXEC);
    return trap_line == MAP_FAILED || told_fd < 0 ? -1 : 0;
}

#endif
