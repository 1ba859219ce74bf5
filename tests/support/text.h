/* For tests of what is printed: a file in memory, and what the process writes to standard error. */
#ifndef EDDY_TESTING_TEXT_H
#define EDDY_TESTING_TEXT_H

#include "support/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "eddy/look.h"

/* The dump of the fixture's loop; the caller frees it. */
static inline char *dumped(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    assert_non_null(file);
    assert_int_equal(eddy_loop_dump(testing.loop, file), 0);
    assert_int_equal(fclose(file), 0);
    return text;
}

/* Exactly that text, with this file's name for each %s. */
#define assert_dump(...)                                            \
    do {                                                            \
        char expected_[8192];                                       \
        char *text_ = dumped();                                     \
        snprintf(expected_, sizeof expected_, __VA_ARGS__);         \
        if (strcmp(text_, expected_) != 0) {                        \
            fail_msg("dumped:\n%sexpected:\n%s", text_, expected_); \
        }                                                           \
        free(text_);                                                \
    } while (0)

#define assert_contains(text, part)                        \
    do {                                                   \
        if (strstr(text, part) == NULL) {                  \
            fail_msg("\"%s\" is not in:\n%s", part, text); \
        }                                                  \
    } while (0)

/* The dump of the fixture's loop has that text somewhere. */
#define assert_dumped(part)            \
    do {                               \
        char *whole_ = dumped();       \
        assert_contains(whole_, part); \
        free(whole_);                  \
    } while (0)

/* From begin_stderr to end_stderr what is written to standard error is kept; the text is valid until the
 * next end_stderr. */
struct kept_stderr {
    int saved;
    int file;
};

static inline struct kept_stderr begin_stderr(void)
{
    struct kept_stderr kept = {dup(STDERR_FILENO), memfd_create("stderr", MFD_CLOEXEC)};

    assert_true(kept.saved >= 0 && kept.file >= 0);
    assert_true(dup2(kept.file, STDERR_FILENO) >= 0);
    return kept;
}

static inline const char *end_stderr(struct kept_stderr kept)
{
    static char text[65536];
    ssize_t size;

    assert_true(dup2(kept.saved, STDERR_FILENO) >= 0);
    size = pread(kept.file, text, sizeof text - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    close(kept.saved);
    close(kept.file);
    return text;
}

#endif
