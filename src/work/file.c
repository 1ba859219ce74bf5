/*
 * Files, read and written by workers: a regular file is always "ready", and its read may take as long as
 * the disk does, which would be a turn of the loop.
 *
 * Each operation is a coroutine around work of its own (*_work): it runs on a worker with the frame as
 * its argument, which stays until the work has ended, cancelled or not. Memory is the loop's and
 * only its thread may take it: so reading a whole file goes back and forth, room here, bytes there. The
 * work looks after each mebibyte whether it was cancelled.
 *
 * Only regular files: a FIFO or a terminal would hold a worker for ever, and has a stream.
 *
 * Writing replaces the file, so that whoever reads finds the old or the new content, whatever
 * crashes meanwhile: a file of another name beside it, written, on the disk if asked for, renamed, and
 * with EDDY_FILE_SYNC its directory, too, for the name is in that. What fails removes it
 * again; only a crash leaves it.
 */
#include "eddy/file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "work/workers.h"

/* What this module offloads works on the frame that awaits it, which stays until it has ended. */

static const size_t STEP = 1024 * 1024; /* between two looks whether to go on */
static const size_t FIRST_ROOM = 4096;  /* for files that do not know their size, as in /proc */
static const size_t LARGEST = SIZE_MAX / 2 - 2;
enum { MOST_NAMES = 100 }; /* tried for a file beside another */

/* ---- opening */

/* It is never one of the fds that programs print to. Any thread may call it. */
static int open_file(eddy_loop *loop, const char *path, int flags, mode_t mode)
{
    const struct eddy_sys *sys = loop->sys;

    return eddy_above_stdio(loop, sys->open(sys, path, flags | O_CLOEXEC | O_NOCTTY, mode));
}

static int check_regular(const struct eddy_sys *sys, int fd, int64_t *size, mode_t *mode)
{
    int result = sys->fstat(sys, fd, size, mode);

    return result < 0 || S_ISREG(*mode) ? result : S_ISDIR(*mode) ? -EISDIR : -EINVAL;
}

/* Opens without waiting, whatever it is, but keeps only a regular file. -ENXIO is of sockets, and of
 * pipes that nobody reads. */
static int open_regular(eddy_loop *loop, const char *path, int flags, int64_t *size, mode_t *mode)
{
    int fd = open_file(loop, path, flags | O_NONBLOCK, 0666);
    int result;

    if (fd < 0) {
        return fd == -ENXIO ? -EINVAL : fd;
    }
    result = check_regular(loop->sys, fd, size, mode);
    if (result < 0) {
        (void)loop->sys->close(loop->sys, fd);
        return result;
    }
    return fd;
}

/* ---- reading */

/* Reads on at buffer + *used. 1: that was the end of the file; 0: the buffer is full. */
static int64_t read_on(eddy_job *job, const struct eddy_sys *sys, int fd, char *buffer,
                       size_t *used, size_t room)
{
    while (*used < room) {
        size_t left = room - *used;
        ssize_t count = sys->read(sys, fd, buffer + *used, left < STEP ? left : STEP);
        if (count < 0 && count != -EINTR) {
            return count;
        }
        if (count == 0) {
            return 1;
        }
        *used += count > 0 ? (size_t)count : 0;
        if (eddy_offload_cancelled(job)) {
            return -ECANCELED;
        }
    }
    return 0;
}

eddy_frame(read_into) {
    eddy_coro co;
    eddy_loop *loop;
    const char *path;
    void *buffer;
    size_t size;
};

static int64_t read_into_work(eddy_job *job, void *argument)
{
    const struct read_into *self = argument;
    const struct eddy_sys *sys = self->loop->sys;
    size_t used = 0;
    size_t more = 0;
    char byte;
    int64_t result;
    int64_t size;
    mode_t mode;
    int fd = open_regular(self->loop, self->path, O_RDONLY, &size, &mode);

    if (fd < 0) {
        return fd;
    }
    result = read_on(job, sys, fd, self->buffer, &used, self->size);
    if (result == 0) { /* full: there must not be another byte */
        result = read_on(job, sys, fd, &byte, &more, 1);
        result = result == 0 ? -EFBIG : result;
    }
    (void)sys->close(sys, fd);
    return result < 0 ? result : (int64_t)used;
}

static void read_into(eddy_coro *co)
{
    int64_t result;

    eddy_begin(read_into);
    eddy_catch(result, eddy_offload_file(co, read_into_work, self));
    eddy_return(result);
    eddy_end;
}

int64_t eddy_file_read_into(eddy_coro *co, const char *path, void *buffer, size_t size)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    eddy_check_pointer(co, path);
    eddy_check_pointer(co, buffer);
    return eddy_call(co, read_into, .loop = eddy_task_loop(co->task), .path = path,
                     .buffer = buffer, .size = size < LARGEST ? size : LARGEST);
}

/* ---- reading into memory of the loop's, which only the loop's thread may allocate */

eddy_frame(read_file) {
    eddy_coro co;
    eddy_loop *loop;
    const char *path;
    struct eddy_file_data *data;
    size_t limit;
    int fd; /* -1 until it is open */
    int64_t file_size;
    int64_t ended;
};

static int64_t open_work(eddy_job *job, void *argument)
{
    struct read_file *self = argument;
    mode_t mode;

    (void)job;
    self->fd = open_regular(self->loop, self->path, O_RDONLY, &self->file_size, &mode);
    return self->fd < 0 ? self->fd : 0;
}

static int64_t read_work(eddy_job *job, void *argument)
{
    const struct read_file *self = argument;
    struct eddy_file_data *data = self->data;

    return read_on(job, self->loop->sys, self->fd, data->bytes, &data->size, data->room - 1);
}

/* Room for the first time, or for more: one byte beyond what is expected, so that the end of the
 * file is seen, and one for the '\0'. */
static int64_t grow(const struct read_file *self)
{
    struct eddy_file_data *data = self->data;
    size_t wanted;
    char *bytes;

    if (data->size > self->limit || self->file_size > (int64_t)self->limit) {
        return -EFBIG;
    }
    wanted = data->bytes != NULL   ? data->size * 2
             : self->file_size > 0 ? (size_t)self->file_size
                                   : FIRST_ROOM;
    wanted = (wanted < self->limit ? wanted : self->limit) + 2;
    bytes = eddy_pool_resize(&self->loop->pool, data->bytes, data->room, wanted);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    data->bytes = bytes;
    data->room = wanted;
    return 0;
}

static void read_file(eddy_coro *co)
{
    eddy_begin(read_file);
    eddy_await(eddy_offload_file(co, open_work, self));
    while (self->ended == 0) {
        self->ended = grow(self);
        if (self->ended < 0) {
            eddy_return(self->ended);
        }
        eddy_await(self->ended, eddy_offload_file(co, read_work, self));
    }
    self->data->bytes[self->data->size] = '\0';
    eddy_return((int64_t)self->data->size);
eddy_finally:
    if (self->fd >= 0) { /* of a file that was only read: nothing that could wait */
        (void)self->loop->sys->close(self->loop->sys, self->fd);
    }
    if (co->outcome < 0) {
        eddy_file_free(self->loop, self->data);
    }
    eddy_end;
}

int64_t eddy_file_read(eddy_coro *co, const char *path, struct eddy_file_data *data, size_t limit)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (data->bytes != NULL) {
        return -EINVAL;
    }
    eddy_check_pointer(co, path);
    eddy_check_pointer(co, data);
    data->size = 0;
    data->room = 0;
    return eddy_call(co, read_file, .loop = eddy_task_loop(co->task), .path = path, .data = data,
                     .limit = limit < LARGEST ? limit : LARGEST, .fd = -1);
}

void eddy_file_free(eddy_loop *loop, struct eddy_file_data *data)
{
    if (data->bytes != NULL) {
        eddy_pool_resize(&loop->pool, data->bytes, data->room, 0);
    }
    memset(data, 0, sizeof *data);
}

/* ---- writing */

eddy_frame(write_file) {
    eddy_coro co;
    eddy_loop *loop;
    const char *path;
    const char *data;
    size_t size;
    unsigned flags;
};

static int64_t write_all(eddy_job *job, const struct write_file *self, int fd)
{
    const struct eddy_sys *sys = self->loop->sys;
    size_t written = 0;

    while (written < self->size) {
        size_t left = self->size - written;
        ssize_t count = sys->write(sys, fd, self->data + written, left < STEP ? left : STEP);
        if (count < 0 && count != -EINTR) {
            return count;
        }
        written += count > 0 ? (size_t)count : 0;
        if (eddy_offload_cancelled(job)) {
            return -ECANCELED;
        }
    }
    return (self->flags & EDDY_FILE_SYNC) != 0 ? sys->fsync(sys, fd) : 0;
}

/* Closes the file, which may be when the system tells that it could not write. */
static int64_t write_and_close(eddy_job *job, const struct write_file *self, int fd)
{
    const struct eddy_sys *sys = self->loop->sys;
    int64_t result = write_all(job, self, fd);
    int closed = sys->close(sys, fd);

    return result < 0 || closed == -EINTR ? result : closed; /* interrupted, it is closed */
}

/* The mode of the file that is to be replaced, with its kind; or 0 if there is none. */
static int old_mode(const struct write_file *self, mode_t *mode)
{
    int64_t size;
    int fd = open_regular(self->loop, self->path, O_PATH, &size, mode);

    if (fd < 0) {
        *mode = 0;
        return fd == -ENOENT ? 0 : fd;
    }
    (void)self->loop->sys->close(self->loop->sys, fd);
    return 0;
}

/* The length of the path's directory with its '/': 0 if it names none. */
static size_t directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? (size_t)(slash - path) + 1 : 0;
}

/* Makes a file of a new name beside `path`; its fd. */
static int open_beside(const struct write_file *self, mode_t mode, char name[PATH_MAX])
{
    const struct eddy_sys *sys = self->loop->sys;
    size_t length = directory_length(self->path);
    int fd = -EEXIST;

    if (length >= PATH_MAX - sizeof ".eddy-0123456789abcdef.tmp") {
        return -ENAMETOOLONG;
    }
    for (unsigned i = 0; i < MOST_NAMES && fd == -EEXIST; i++) {
        uint64_t number = (uint64_t)sys->clock_now(sys, CLOCK_MONOTONIC) ^ (uintptr_t)self << 16;
        memcpy(name, self->path, length);
        snprintf(name + length, PATH_MAX - length, ".eddy-%016llx.tmp",
                 (unsigned long long)(number + i));
        fd = open_file(self->loop, name, O_WRONLY | O_CREAT | O_EXCL, mode);
    }
    return fd;
}

/* Makes the file's name in its directory outlast a crash. */
static int sync_directory(const struct write_file *self)
{
    const struct eddy_sys *sys = self->loop->sys;
    size_t length = directory_length(self->path);
    char name[PATH_MAX] = ".";
    int fd;
    int result;

    if (length > 0) {
        memcpy(name, self->path, length);
        name[length] = '\0';
    }
    fd = open_file(self->loop, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        return fd;
    }
    result = sys->fsync(sys, fd);
    (void)sys->close(sys, fd);
    return result;
}

/* A file that this makes gets its name on the disk, too; of one that was there it is. */
static int64_t write_in_place(eddy_job *job, const struct write_file *self)
{
    int how = O_WRONLY | ((self->flags & EDDY_FILE_APPEND) != 0 ? O_APPEND : O_TRUNC);
    bool made = false;
    int64_t result;
    int64_t size;
    mode_t mode;
    int fd = open_regular(self->loop, self->path, how, &size, &mode);

    if (fd == -ENOENT) {
        made = true;
        fd = open_regular(self->loop, self->path, how | O_CREAT, &size, &mode);
    }
    result = fd < 0 ? fd : write_and_close(job, self, fd);
    return result == 0 && made && (self->flags & EDDY_FILE_SYNC) != 0 ? sync_directory(self)
                                                                      : result;
}

static int64_t replace(eddy_job *job, const struct write_file *self)
{
    const struct eddy_sys *sys = self->loop->sys;
    char name[PATH_MAX];
    mode_t mode;
    int64_t result = old_mode(self, &mode);
    int fd = result < 0 ? (int)result : open_beside(self, mode != 0 ? 0600 : 0666, name);

    if (fd < 0) {
        return fd;
    }
    result = mode != 0 ? sys->fchmod(sys, fd, mode & 0777) : 0;
    if (result < 0) {
        (void)sys->close(sys, fd);
    } else {
        result = write_and_close(job, self, fd);
    }
    if (result == 0) {
        result = sys->rename(sys, name, self->path);
    }
    if (result < 0) {
        (void)sys->unlink(sys, name);
        return result;
    }
    return (self->flags & EDDY_FILE_SYNC) != 0 ? sync_directory(self) : 0;
}

static int64_t write_work(eddy_job *job, void *argument)
{
    const struct write_file *self = argument;
    bool in_place = (self->flags & (EDDY_FILE_IN_PLACE | EDDY_FILE_APPEND)) != 0;
    int64_t result = in_place ? write_in_place(job, self) : replace(job, self);

    return result < 0 ? result : (int64_t)self->size;
}

static void write_file(eddy_coro *co)
{
    int64_t result;

    eddy_begin(write_file);
    eddy_catch(result, eddy_offload_file(co, write_work, self));
    eddy_return(result);
    eddy_end;
}

int64_t eddy_file_write(eddy_coro *co, const char *path, const void *data, size_t size,
                        unsigned flags)
{
    const unsigned known = EDDY_FILE_SYNC | EDDY_FILE_IN_PLACE | EDDY_FILE_APPEND;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if ((flags & ~known) != 0) {
        return -EINVAL;
    }
    eddy_check_pointer(co, path);
    eddy_check_pointer(co, data);
    return eddy_call(co, write_file, .loop = eddy_task_loop(co->task), .path = path, .data = data,
                     .size = size, .flags = flags);
}

int eddy_file_workers(eddy_loop *loop, unsigned count)
{
    return eddy_workers_limit(loop, &eddy_file_jobs, count);
}
