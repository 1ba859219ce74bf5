/*
 * The test kit: one fixture, `testing`, which every test case starts with afresh.
 *
 *     test(a_timer_fires)
 *     {
 *         eddy_timer_start(testing.loop, &timer, EDDY_SECOND, on_timer);   // on a virtual clock
 *         testing_run();
 *         testing_assert_log("fired");                                     // on_timer logged that
 *     }
 *
 *     int main(void)
 *     {
 *         const struct CMUnitTest tests[] = {testing_case(a_timer_fires)};
 *         return cmocka_run_group_tests(tests, NULL, NULL);
 *     }
 *
 * After every test case the loop is freed, and the case fails unless every byte went back to the
 * allocator, no fd is left open and every report to the error hook was asserted.
 *
 * cmocka's asserts jump out of whatever runs. Inside a callback that is fine: the case has failed,
 * and its loop is left as it is. Timers, watchers and the like are best static in their test case:
 * the loop still knows them when a failed case has lost its stack.
 */
#ifndef EDDY_TESTING_H
#define EDDY_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "eddy/loop.h"
#include "eddy/sys.h"

/* ---- test cases */

#define test(name)                  \
    static void name##_body_(void); \
    static void name(void **state)  \
    {                               \
        (void)state;                \
        testing.failed = true;      \
        name##_body_();             \
        testing.failed = false;     \
    }                               \
    static void name##_body_(void)

#define testing_case(name) cmocka_unit_test_setup_teardown(name, testing_setup, testing_teardown)

int testing_setup(void **state);
int testing_teardown(void **state);

/* ---- the fixture */

/* Counts what the loop has; checks the sizes it is told; moves a block whenever it is resized. */
struct testing_memory {
    size_t bytes;   /* that are not given back yet */
    unsigned calls; /* requests for memory so far; giving back is none */
    unsigned fail_at;
    bool fail_on;
};

/* The system calls of the loop: the default table, counted and made to fail at will. */
enum { TESTING_CALLS = sizeof(struct eddy_sys) / sizeof(void (*)(void)) };

struct testing_sys {
    struct eddy_sys table; /* first: the functions find the rest through it */
    unsigned calls[TESTING_CALLS];
    struct {
        unsigned at; /* 0: does not fail */
        bool on;
        int error;
    } fail[TESTING_CALLS];

    bool fake_clock; /* the real clocks say `now`; CLOCK_BOOTTIME says now + suspended */
    int64_t now;
    int64_t suspended;
    bool internet; /* sockets of it were made: what is on its way arrives before each wait */

    int milliseconds;      /* the time-out of the last epoll_wait */
    int64_t nanoseconds;   /* the time-out of the last epoll_pwait2 */
    void (*on_wait)(void); /* called just before the kernel is asked for events */
};

struct testing_errors {
    int count; /* reports that were not asserted yet */
    int64_t code;
    eddy_task task;
    char text[512];
};

struct testing {
    eddy_loop *loop;                  /* freed by the teardown; NULL if the test has freed it */
    struct eddy_loop_options options; /* what the loop was made with; see testing_reopen */
    eddy_clock clock;                 /* virtual, unless the test says otherwise */
    struct testing_memory memory;
    struct testing_sys sys;
    struct testing_errors errors;
    char log[8192];
    char open_fds[4096]; /* at the start of the case */
    bool failed;         /* an assert left the case: what it leaves behind says nothing more */
};

extern struct testing testing;

/* Frees the loop and makes it anew with testing.options, as the test has changed them. */
void testing_reopen(void);

/* Likewise, with a clock of another kind, and more flags. */
void testing_reopen_with(enum eddy_clock_kind kind, unsigned more_flags);

/* Frees the loop in the middle of a test, and asserts that it has returned all memory. */
void testing_free(void);

/* Asserts that eddy_loop_run returns 0. */
#define testing_run() assert_int_equal(eddy_loop_run(testing.loop), 0)

/* Exactly one turn that does not wait (nor lets a virtual clock jump); returns its steps. */
int64_t testing_turn(void);

/* Turns that do not wait until nothing is ready; returns their steps. */
int64_t testing_turns(void);

/* ---- failing memory */

void *testing_allocate(void *user, void *memory, size_t old_size, size_t new_size);

/* The k-th request for memory from here (1: the next) fails; 0: none does. */
void testing_fail_allocation(unsigned k);

/* That one and all after it. */
void testing_fail_allocations_from(unsigned k);

/* A task that could not be started, with -ENOMEM; that ends what the two above have asked for. */
eddy_task testing_failed_spawn(void);

/* ---- failing system calls: testing_fail(epoll_ctl, 1, -ENOMEM) */

#define TESTING_CALL(name) (offsetof(struct eddy_sys, name) / sizeof(void (*)(void)))

/* How often the loop has made that call since the case began, or since the calls were forgotten. */
#define testing_calls(name) testing_calls_of(TESTING_CALL(name))
#define testing_forget_calls() memset(testing.sys.calls, 0, sizeof testing.sys.calls)

/* The k-th such call from here (1: the next) fails with that negated errno, unmade; 0: none. */
#define testing_fail(name, k, error) testing_fail_call(TESTING_CALL(name), k, error, false)

/* That one and all after it. */
#define testing_fail_from(name, k, error) testing_fail_call(TESTING_CALL(name), k, error, true)

unsigned testing_calls_of(size_t call);
void testing_fail_call(size_t call, unsigned k, int error, bool on);

/* How often the kernel was asked for events, by either call. */
unsigned testing_waits(void);

/* From here on the real clocks stand at `now`; testing.sys.now moves them. The kernel then sleeps
 * through a time-out by moving them, in no time. */
void testing_fake_clock(int64_t now);

/* ---- what was reported and what happened */

void testing_on_error(eddy_loop *loop, eddy_task task, int64_t code, const char *text);

/* Exactly one report came since the last assert, with that code and text. */
#define testing_assert_error(expected_code, expected_text)       \
    do {                                                         \
        assert_int_equal(testing.errors.count, 1);               \
        assert_int_equal(testing.errors.code, expected_code);    \
        assert_string_equal(testing.errors.text, expected_text); \
        testing.errors.count = 0;                                \
    } while (0)

/* Appends a word to the log, behind a space. */
void testing_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The whole log since the last assert: "a b c". */
#define testing_assert_log(expected)                \
    do {                                            \
        assert_string_equal(testing.log, expected); \
        testing.log[0] = '\0';                      \
    } while (0)

/* ---- misuse */

/* Asserts that function(argument) ends the process by abort, after it has written that text, among
 * others, to standard error. It runs in a forked child, where no cmocka assert may be used, and
 * where the loop of the fixture works. */
void testing_expect_abort(void (*function)(void *argument), void *argument, const char *text);

/* Asserts that function(argument) returns that value, and within twenty seconds: for what might hang.
 * It runs in a forked child too. */
void testing_expect_return(int (*function)(void *argument), void *argument, int value);

/* Likewise, but the loop of the fixture is still the parent's (eddy_loop_after_fork). */
void testing_expect_in_child(int (*function)(void *argument), void *argument, int value);

/* ---- fds and random numbers */

/* A connected pair of stream sockets, or a pipe {read end, write end}; nonblocking, close-on-exec.
 * The test closes them. */
void testing_socketpair(int fds[2]);
void testing_pipe(int fds[2]);

/* Writes one byte; reads and drops what there is. */
void testing_poke(int fd);
void testing_drain(int fd);

/* The next of a sequence of random numbers that depends on *state alone (SplitMix64). */
uint64_t testing_random(uint64_t *state);

#endif
