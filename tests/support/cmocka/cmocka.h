/*
 * Stands in for cmocka where there is none, for i386 and for musl: has what eddy's unit tests use of it
 * and no more, and prints only what fails.
 */
#ifndef EDDY_TESTING_CMOCKA_H
#define EDDY_TESTING_CMOCKA_H

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
    int (*setup)(void **state);
    int (*teardown)(void **state);
    void *initial_state; /* not used here */
};

#define cmocka_unit_test(run)       \
    {                               \
#run, run, NULL, NULL, NULL \
    }
#define cmocka_unit_test_setup_teardown(run, setup, teardown) \
    {                                                         \
#run, run, setup, teardown, NULL                      \
    }
#define cmocka_run_group_tests(tests, setup, teardown) \
    cmocka_run_group(tests, sizeof(tests) / sizeof(tests)[0], setup, teardown)

/* Where an assert jumps to, out of whatever file it is in. Weak: one for the whole program. */
__attribute__((weak)) jmp_buf cmocka_leave;

enum { CMOCKA_FAILED = 1, CMOCKA_SKIPPED };

#define skip() longjmp(cmocka_leave, CMOCKA_SKIPPED)
#define fail_msg(...)                          \
    do {                                       \
        printf("%s:%d: ", __FILE__, __LINE__); \
        printf(__VA_ARGS__);                   \
        printf("\n");                          \
        longjmp(cmocka_leave, CMOCKA_FAILED);  \
    } while (0)

#define assert_true(x)                   \
    do {                                 \
        if (!(x)) {                      \
            fail_msg("%s is false", #x); \
        }                                \
    } while (0)
#define assert_false(x) assert_true(!(x))
#define assert_null(x) assert_true((x) == NULL)
#define assert_non_null(x) assert_true((x) != NULL)
#define assert_ptr_equal(a, b) assert_true((const void *)(a) == (const void *)(b))
#define assert_ptr_not_equal(a, b) assert_true((const void *)(a) != (const void *)(b))
#define assert_memory_equal(a, b, size) assert_true(memcmp(a, b, size) == 0)
#define assert_string_not_equal(a, b) assert_true(strcmp(a, b) != 0)
#define assert_in_range(x, least, most) \
    cmocka_range((uint64_t)(x), (uint64_t)(least), (uint64_t)(most), __FILE__, __LINE__)

#define assert_string_equal(a, b) cmocka_strings(a, b, __FILE__, __LINE__)
#define assert_int_equal(a, b) cmocka_numbers((int64_t)(a), (int64_t)(b), 1, __FILE__, __LINE__)
#define assert_int_not_equal(a, b) cmocka_numbers((int64_t)(a), (int64_t)(b), 0, __FILE__, __LINE__)

static inline void cmocka_strings(const char *a, const char *b, const char *file, int line)
{
    if (strcmp(a, b) != 0) {
        printf("%s:%d: \"%s\" != \"%s\"\n", file, line, a, b);
        longjmp(cmocka_leave, CMOCKA_FAILED);
    }
}

static inline void cmocka_numbers(int64_t a, int64_t b, int equal, const char *file, int line)
{
    if ((a == b) != equal) {
        printf("%s:%d: %lld %s %lld\n", file, line, (long long)a,
               equal ? "!=" : "==", (long long)b);
        longjmp(cmocka_leave, CMOCKA_FAILED);
    }
}

static inline void cmocka_range(uint64_t x, uint64_t least, uint64_t most, const char *file,
                                int line)
{
    if (x < least || x > most) {
        printf("%s:%d: %llu is not in %llu..%llu\n", file, line, (unsigned long long)x,
               (unsigned long long)least, (unsigned long long)most);
        longjmp(cmocka_leave, CMOCKA_FAILED);
    }
}

/* Runs one of the steps of a case or of the group; an assert in it ends it. */
static inline int cmocka_step(int (*fixture)(void **), void (*run)(void **), void **state)
{
    int left = setjmp(cmocka_leave);

    if (left == 0 && fixture != NULL) {
        return fixture(state) != 0 ? CMOCKA_FAILED : 0;
    }
    if (left == 0 && run != NULL) {
        run(state);
    }
    return left;
}

/* Returns how many have failed. */
static inline int cmocka_run_group(const struct CMUnitTest *tests, size_t count,
                                   int (*setup)(void **), int (*teardown)(void **))
{
    void *state = NULL;
    int failed = cmocka_step(setup, NULL, &state) != 0;

    for (size_t i = 0; i < count; i++) {
        int result = cmocka_step(tests[i].setup, NULL, &state);

        if (result == 0) {
            result = cmocka_step(NULL, tests[i].run, &state);
        }
        if (cmocka_step(tests[i].teardown, NULL, &state) == CMOCKA_FAILED) {
            result = CMOCKA_FAILED;
        }
        if (result != 0) {
            printf("%s %s\n", result == CMOCKA_FAILED ? "FAILED:" : "skipped:", tests[i].name);
        }
        failed += result == CMOCKA_FAILED;
    }
    failed += cmocka_step(teardown, NULL, &state) != 0;
    fflush(stdout);
    return failed;
}

#endif
