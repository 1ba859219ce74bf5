/*
 * Open files: bytes at an offset, the size, what is on the disk.
 *
 * Offsets are the caller's and no file has a place of its own, so that several tasks may work on one file at
 * once, and what a cancel has cut off may simply be done again. A piece of a mebibyte or less is done or not
 * begun; the worker of a larger one looks in between whether it is to go on.
 */
#include "work/file_job.h"

#include <fcntl.h>
#include <sys/stat.h>

/* One call of at most a step, at `done` of the job. */
typedef ssize_t step_fn(struct eddy_file_job *job, size_t done, size_t size);

static ssize_t read_step(struct eddy_file_job *job, size_t done, size_t size)
{
    const struct eddy_sys *sys = eddy_file_sys(job);

    return sys->pread(sys, job->file->fd, (char *)job->memory + done, size,
                      job->offset + (int64_t)done);
}

/* A call that writes nothing and has no error would be made for ever. */
static ssize_t write_step(struct eddy_file_job *job, size_t done, size_t size)
{
    const struct eddy_sys *sys = eddy_file_sys(job);
    ssize_t count = sys->pwrite(sys, job->file->fd, (const char *)job->memory + done, size,
                                job->offset + (int64_t)done);

    return count == 0 ? -EIO : count;
}

/* All of it, or up to where there is no more. */
static int64_t do_steps(struct eddy_file_job *job, step_fn *step)
{
    size_t done = 0;

    while (done < job->size) {
        size_t left = job->size - done;
        ssize_t count = step(job, done, left < EDDY_FILE_STEP ? left : EDDY_FILE_STEP);
        if (count < 0 && count != -EINTR) {
            return count;
        }
        if (count == 0) {
            break;
        }
        done += count > 0 ? (size_t)count : 0;
        if (done < job->size && eddy_offload_cancelled(&job->job)) {
            return -ECANCELED;
        }
    }
    return (int64_t)done;
}

static int64_t read_work(struct eddy_file_job *job)
{
    return do_steps(job, read_step);
}

static int64_t write_work(struct eddy_file_job *job)
{
    return do_steps(job, write_step);
}

static int64_t at(eddy_coro *co, eddy_file *file, const char *verb, eddy_file_work_fn *work,
                  void *memory, size_t size, int64_t offset)
{
    int64_t result;
    struct eddy_file_job *job;

    result = eddy_check(co);
    if (result == 0 && (offset < 0 || size > (uint64_t)(INT64_MAX - offset))) {
        result = -EINVAL;
    }
    if (result < 0) {
        return result;
    }
    job = eddy_file_job_on(co, file, verb, work, &result);
    if (job == NULL) {
        return result;
    }
    job->memory = memory;
    job->size = size;
    job->offset = offset;
    return eddy_file_job_park(co, job);
}

int64_t eddy_file_read_at(eddy_coro *co, eddy_file *file, void *buffer, size_t size, int64_t offset)
{
    return at(co, file, "read", read_work, buffer, size, offset);
}

int64_t eddy_file_write_at(eddy_coro *co, eddy_file *file, const void *data, size_t size,
                           int64_t offset)
{
    return at(co, file, "write", write_work, (void *)(uintptr_t)data, size, offset);
}

static int64_t info_work(struct eddy_file_job *job)
{
    const struct eddy_sys *sys = eddy_file_sys(job);

    return sys->fstatat(sys, job->file->fd, "", job->memory, AT_EMPTY_PATH);
}

int64_t eddy_file_get_info(eddy_coro *co, eddy_file *file, struct eddy_file_info *info)
{
    return at(co, file, "ask of", info_work, info, 0, 0);
}

static int64_t truncate_work(struct eddy_file_job *job)
{
    const struct eddy_sys *sys = eddy_file_sys(job);
    int result;

    do {
        result = sys->ftruncate(sys, job->file->fd, job->offset);
    } while (result == -EINTR && !eddy_offload_cancelled(&job->job));
    return result == -EINTR ? -ECANCELED : result;
}

int64_t eddy_file_truncate(eddy_coro *co, eddy_file *file, int64_t size)
{
    return at(co, file, "truncate", truncate_work, NULL, 0, size);
}

static int64_t sync_work(struct eddy_file_job *job)
{
    const struct eddy_sys *sys = eddy_file_sys(job);

    return sys->fsync(sys, job->file->fd);
}

int64_t eddy_file_sync(eddy_coro *co, eddy_file *file)
{
    return at(co, file, "sync", sync_work, NULL, 0, 0);
}

static int64_t sync_data_work(struct eddy_file_job *job)
{
    const struct eddy_sys *sys = eddy_file_sys(job);

    return sys->fdatasync(sys, job->file->fd);
}

int64_t eddy_file_sync_data(eddy_coro *co, eddy_file *file)
{
    return at(co, file, "sync the data of", sync_data_work, NULL, 0, 0);
}
