/*
 * Stands in for cmocka where there is none: for i386 and for musl. It has what eddy's unit tests use of
 * it and no more, and prints only what fails.
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
};

#define cmocka_unit_test(run) {#run, run, NULL, NULL}
#define cmocka_unit_test_setup_teardown(run, setup, teardown) {#run, run, setup, teardown}

/* Where a case is left, with 1 if it has failed and 2 if it is skipped. Weak: one for all files. */
__attribute__((weak)) jmp_buf cmocka_leave;

#define fail_msg(...)                            \
    do {                                         \
        printf("%s:%d: ", __FILE__, __LINE__);   \
        printf(__VA_ARGS__);                     \
        printf("\n");                            \
        longjmp(cmocka_leave, 1);                \
    } while (0)
#define skip() longjmp(cmocka_leave, 2)

#define assert_true(x)                 \
    do {                               \
        if (!(x)) {                    \
            fail_msg("not %s", #x);    \
        }                              \
    } while (0)
#define assert_false(x) assert_true(!(x))
#define assert_null(x) assert_true((x) == NULL)
#define assert_non_null(x) assert_true((x) != NULL)
#define assert_ptr_equal(a, b) assert_true((const void *)(a) == (const void *)(b))
#define assert_ptr_not_equal(a, b) assert_true((const void *)(a) != (const void *)(b))
#define assert_memory_equal(a, b, size) assert_true(memcmp(a, b, size) == 0)
#define assert_string_not_equal(a, b) assert_true(strcmp(a, b) != 0)

/* Both are widened as their own types say, where cmocka makes both unsigned: so -1 is not 4294967295. */
#define assert_int_equal(a, b) cmocka_compare((int64_t)(a), (int64_t)(b), 1, __FILE__, __LINE__)
#define assert_int_not_equal(a, b) cmocka_compare((int64_t)(a), (int64_t)(b), 0, __FILE__, __LINE__)
#define assert_in_range(x, least, most) \
    assert_true((int64_t)(x) >= (int64_t)(least) && (int64_t)(x) <= (int64_t)(most))
#define assert_string_equal(a, b) cmocka_compare_strings(a, b, __FILE__, __LINE__)

static inline void cmocka_compare(int64_t a, int64_t b, int equal, const char *file, int line)
{
    if ((a == b) != equal) {
        printf("%s:%d: %lld %s %lld\n", file, line, (long long)a, equal ? "!=" : "==",
               (long long)b);
        longjmp(cmocka_leave, 1);
    }
}

static inline void cmocka_compare_strings(const char *a, const char *b, const char *file, int line)
{
    if (strcmp(a, b) != 0) {
        printf("%s:%d: \"%s\" != \"%s\"\n", file, line, a, b);
        longjmp(cmocka_leave, 1);
    }
}

static inline int cmocka_run(const struct CMUnitTest *test)
{
    void *state = NULL;
    int result = 0;

    if (test->setup != NULL && test->setup(&state) != 0) {
        result = 1;
    } else {
        result = setjmp(cmocka_leave);
        if (result == 0) {
            test->run(&state);
        }
    }
    return result;
}
#endif
