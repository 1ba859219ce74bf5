/*
 * Whole files, read by workers. Memory is the loop's, and only its thread may take it: so the reading
 * of a file into that goes back and forth, room here, bytes there, in a coroutine whose frame is what the
 * work works on. Into memory of the caller's it is one job.
 *
 * Only regular files: a FIFO or a terminal would hold a worker for ever, and has a stream.
 */
#include <fcntl.h>
#include <string.h>

#include "work/file_job.h"

static const size_t FIRST_ROOM = 4096; /* for files that do not know their size, as in /proc */
static const size_t LARGEST = SIZE_MAX / 2 - 2;

/* Reads on at buffer + *used. 1: that was the end of the file; 0: the buffer is full. */
static int64_t read_on(eddy_job *job, const struct eddy_sys *sys, int fd, char *buffer,
                       size_t *used, size_t room)
{
    while (*used < room) {
        size_t left = room - *used;
        ssize_t count =
            sys->read(sys, fd, buffer + *used, left < EDDY_FILE_STEP ? left : EDDY_FILE_STEP);
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

static int64_t read_into_work(struct eddy_file_job *job)
{
    const struct eddy_sys *sys = eddy_file_sys(job);
    size_t used = 0;
    size_t more = 0;
    char byte;
    int64_t result;
    int64_t size;
    mode_t mode;
    int fd = eddy_file_open_regular(job->loop, job->path, O_RDONLY, 0, &size, &mode);

    if (fd < 0) {
        return fd;
    }
    result = read_on(&job->job, sys, fd, job->memory, &used, job->size);
    if (result == 0) { /* full: there must not be another byte */
        result = read_on(&job->job, sys, fd, &byte, &more, 1);
        result = result == 0 ? -EFBIG : result;
    }
    (void)sys->close(sys, fd);
    return result < 0 ? result : (int64_t)used;
}

int64_t eddy_file_read_into(eddy_coro *co, const char *path, void *buffer, size_t size)
{
    int64_t result;
    struct eddy_file_job *job = eddy_file_job_new(co, "read", path, read_into_work, &result);

    if (job == NULL) {
        return result;
    }
    job->memory = buffer;
    job->size = size < LARGEST ? size : LARGEST;
    return eddy_file_job_park(co, job);
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

static int64_t open_work(struct eddy_file_job *job)
{
    struct read_file *self = job->memory;
    mode_t mode;

    self->fd = eddy_file_open_regular(self->loop, self->path, O_RDONLY, 0, &self->file_size, &mode);
    return self->fd < 0 ? self->fd : 0;
}

static int64_t read_work(struct eddy_file_job *job)
{
    const struct read_file *self = job->memory;
    struct eddy_file_data *data = self->data;

    return read_on(&job->job, self->loop->sys, self->fd, data->bytes, &data->size, data->room - 1);
}

/* The work on the frame, which stays until it has ended. */
static int64_t do_work(eddy_coro *co, struct read_file *self, eddy_file_work_fn *work)
{
    int64_t result;
    struct eddy_file_job *job = eddy_file_job_new(co, "read", self->path, work, &result);

    if (job == NULL) {
        return result;
    }
    job->memory = self;
    return eddy_file_job_park(co, job);
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
    eddy_await(do_work(co, self, open_work));
    while (self->ended == 0) {
        self->ended = grow(self);
        if (self->ended < 0) {
            eddy_return(self->ended);
        }
        eddy_await(self->ended, do_work(co, self, read_work));
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
