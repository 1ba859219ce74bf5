/*
 * Whole files, written by workers, each in one job.
 *
 * Writing replaces the file, so that whoever reads finds the old or the new content, whatever
 * crashes meanwhile: a file of another name beside it, written, on the disk if asked for, renamed, and
 * with EDDY_FILE_SYNC its directory, too, for the name is in that. What fails removes it
 * again; only a crash leaves it.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "work/file_job.h"

enum { MOST_NAMES = 100 }; /* tried for a file beside another */

static int64_t write_all(struct eddy_file_job *job, int fd)
{
    const struct eddy_sys *sys = eddy_file_sys(job);
    size_t written = 0;

    while (written < job->size) {
        size_t left = job->size - written;
        ssize_t count = sys->write(sys, fd, (const char *)job->memory + written,
                                   left < EDDY_FILE_STEP ? left : EDDY_FILE_STEP);
        if (count < 0 && count != -EINTR) {
            return count;
        }
        written += count > 0 ? (size_t)count : 0;
        if (eddy_offload_cancelled(&job->job)) {
            return -ECANCELED;
        }
    }
    return ((unsigned)job->flags & EDDY_FILE_SYNC) != 0 ? sys->fsync(sys, fd) : 0;
}

/* Closes the file, which may be when the system tells that it could not write. */
static int64_t write_and_close(struct eddy_file_job *job, int fd)
{
    const struct eddy_sys *sys = eddy_file_sys(job);
    int64_t result = write_all(job, fd);
    int closed = sys->close(sys, fd);

    return result < 0 || closed == -EINTR ? result : closed; /* interrupted, it is closed */
}

/* The mode of the file that is to be replaced, with its kind; or 0 if there is none. */
static int old_mode(const struct eddy_file_job *job, mode_t *mode)
{
    int64_t size;
    int fd = eddy_file_open_regular(job->loop, job->path, O_PATH, 0, &size, mode);

    if (fd < 0) {
        *mode = 0;
        return fd == -ENOENT ? 0 : fd;
    }
    (void)eddy_file_sys(job)->close(eddy_file_sys(job), fd);
    return 0;
}

/* The length of the path's directory with its '/': 0 if it names none. */
static size_t directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? (size_t)(slash - path) + 1 : 0;
}

/* Makes a file of a new name beside `path`; its fd. */
static int open_beside(const struct eddy_file_job *job, mode_t mode, char name[PATH_MAX])
{
    const struct eddy_sys *sys = eddy_file_sys(job);
    size_t length = directory_length(job->path);
    int fd = -EEXIST;

    if (length >= PATH_MAX - sizeof ".eddy-0123456789abcdef.tmp") {
        return -ENAMETOOLONG;
    }
    for (unsigned i = 0; i < MOST_NAMES && fd == -EEXIST; i++) {
        uint64_t number = (uint64_t)sys->clock_now(sys, CLOCK_MONOTONIC) ^ (uintptr_t)job << 16;
        memcpy(name, job->path, length);
        snprintf(name + length, PATH_MAX - length, ".eddy-%016llx.tmp",
                 (unsigned long long)(number + i));
        fd = eddy_file_open_fd(job->loop, name, O_WRONLY | O_CREAT | O_EXCL, mode);
    }
    return fd;
}

/* Makes the file's name in its directory outlast a crash. */
static int sync_directory(const struct eddy_file_job *job)
{
    const struct eddy_sys *sys = eddy_file_sys(job);
    size_t length = directory_length(job->path);
    char name[PATH_MAX] = ".";
    int fd;
    int result;

    if (length > 0) {
        memcpy(name, job->path, length);
        name[length] = '\0';
    }
    fd = eddy_file_open_fd(job->loop, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        return fd;
    }
    result = sys->fsync(sys, fd);
    (void)sys->close(sys, fd);
    return result;
}

/* A file that this makes gets its name on the disk, too; of one that was there it is. */
static int64_t write_in_place(struct eddy_file_job *job)
{
    int how = O_WRONLY | (((unsigned)job->flags & EDDY_FILE_APPEND) != 0 ? O_APPEND : O_TRUNC);
    bool made = false;
    int64_t result;
    int64_t size;
    mode_t mode;
    int fd = eddy_file_open_regular(job->loop, job->path, how, 0, &size, &mode);

    if (fd == -ENOENT) {
        made = true;
        fd = eddy_file_open_regular(job->loop, job->path, how | O_CREAT, 0666, &size, &mode);
    }
    result = fd < 0 ? fd : write_and_close(job, fd);
    return result == 0 && made && ((unsigned)job->flags & EDDY_FILE_SYNC) != 0 ? sync_directory(job)
                                                                               : result;
}

static int64_t replace(struct eddy_file_job *job)
{
    const struct eddy_sys *sys = eddy_file_sys(job);
    char name[PATH_MAX];
    mode_t mode;
    int64_t result = old_mode(job, &mode);
    int fd = result < 0 ? (int)result : open_beside(job, mode != 0 ? 0600 : 0666, name);

    if (fd < 0) {
        return fd;
    }
    result = mode != 0 ? sys->fchmod(sys, fd, mode & 0777) : 0;
    if (result < 0) {
        (void)sys->close(sys, fd);
    } else {
        result = write_and_close(job, fd);
    }
    if (result == 0) {
        result = sys->rename(sys, name, job->path);
    }
    if (result < 0) {
        (void)sys->unlink(sys, name);
        return result;
    }
    return ((unsigned)job->flags & EDDY_FILE_SYNC) != 0 ? sync_directory(job) : 0;
}

static int64_t write_work(struct eddy_file_job *job)
{
    bool in_place = ((unsigned)job->flags & (EDDY_FILE_IN_PLACE | EDDY_FILE_APPEND)) != 0;
    int64_t result = in_place ? write_in_place(job) : replace(job);

    return result < 0 ? result : (int64_t)job->size;
}

int64_t eddy_file_write(eddy_coro *co, const char *path, const void *data, size_t size,
                        unsigned flags)
{
    const unsigned known = EDDY_FILE_SYNC | EDDY_FILE_IN_PLACE | EDDY_FILE_APPEND;
    int64_t result = eddy_check(co);
    struct eddy_file_job *job;

    if (result < 0 || (flags & ~known) != 0) {
        return result < 0 ? result : -EINVAL;
    }
    job = eddy_file_job_new(co, "write", path, write_work, &result);
    if (job == NULL) {
        return result;
    }
    job->memory = (void *)(uintptr_t)data; /* it is only read */
    job->size = size;
    job->flags = (int)flags;
    return eddy_file_job_park(co, job);
}
