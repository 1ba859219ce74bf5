/* What the tests of files share: a folder of their own, and coroutines that read and write. */
#ifndef EDDY_TESTING_FILES_H
#define EDDY_TESTING_FILES_H

#include "support/tasks.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eddy/file.h"
#include "eddy/loop.h"

enum { MEGABYTE = 1024 * 1024 };

static char directory[] = "/tmp/eddy-test-XXXXXX";
static char path[64];
static char buffer[4 * MEGABYTE];
static struct eddy_file_data data;
static mode_t old_umask;

static inline int setup(void **state)
{
    strcpy(directory + sizeof directory - 7, "XXXXXX");
    if (mkdtemp(directory) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/file", directory);
    old_umask = umask(022);
    memset(&data, 0, sizeof data);
    return testing_setup(state);
}

static inline int remove_all(void)
{
    DIR *entries = opendir(directory);
    const struct dirent *entry;
    char name[512];

    while ((entry = readdir(entries)) != NULL) {
        if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2) {
            snprintf(name, sizeof name, "%s/%s", directory, entry->d_name);
            remove(name);
        }
    }
    closedir(entries);
    return rmdir(directory);
}

static inline int teardown(void **state)
{
    int removed = remove_all();

    umask(old_umask);
    if (testing.loop != NULL) {
        eddy_file_free(testing.loop, &data);
    }
    return testing_teardown(state) != 0 || removed != 0 ? -1 : 0;
}

#define file_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- the files, as others see them */

static inline void put(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(name, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline void assert_holds(const char *name, const void *bytes, size_t size)
{
    static char found[sizeof buffer + 1];
    FILE *file = fopen(name, "re");

    assert_non_null(file);
    assert_int_equal(fread(found, 1, sizeof found, file), size);
    assert_memory_equal(found, bytes, size);
    fclose(file);
}

static inline void assert_text(const char *text)
{
    assert_holds(path, text, strlen(text));
}

static inline int mode_of(const char *name)
{
    struct stat status;

    assert_int_equal(stat(name, &status), 0);
    return status.st_mode & 07777;
}

/* How many files there are; what is written beside another must not stay. */
static inline int files(void)
{
    DIR *entries = opendir(directory);
    int count = 0;

    while (readdir(entries) != NULL) {
        count++;
    }
    closedir(entries);
    return count - 2;
}

static inline void fill(void)
{
    uint64_t random = 1;

    for (size_t i = 0; i + 8 <= sizeof buffer; i += 8) {
        uint64_t value = testing_random(&random);
        memcpy(buffer + i, &value, 8);
    }
}

/* ---- coroutines */

struct reads {
    eddy_coro co;
    const char *path;
    size_t limit;
};

static inline void reads(eddy_coro *co)
{
    int64_t result;

    eddy_begin(reads);
    eddy_catch(result, eddy_file_read(co, self->path, &data, self->limit));
    eddy_return(result);
    eddy_end;
}

struct reads_into {
    eddy_coro co;
    size_t size;
};

static inline void reads_into(eddy_coro *co)
{
    int64_t result;

    eddy_begin(reads_into);
    eddy_catch(result, eddy_file_read_into(co, path, buffer, self->size));
    eddy_return(result);
    eddy_end;
}

struct writes {
    eddy_coro co;
    const char *path;
    const char *data;
    size_t size;
    unsigned flags;
};

static inline void writes(eddy_coro *co)
{
    int64_t result;

    eddy_begin(writes);
    eddy_catch(result, eddy_file_write(co, self->path, self->data, self->size, self->flags));
    eddy_return(result);
    eddy_end;
}

static inline int64_t read_all(size_t limit)
{
    return run(reads, path, limit);
}

static inline int64_t write_text(const char *text, unsigned flags)
{
    return run(writes, path, text, strlen(text), flags);
}

#endif
