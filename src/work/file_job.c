/*
 * What workers do with files: one kind of jobs, with threads of its own, so that no work that the program
 * offloads, however long, keeps a file waiting.
 *
 * An operation is a record in the pool and no coroutine: what its worker reads and writes is in the record
 * or is the caller's. The await does not return while a worker has it:
 *
 *     withdrawn      no worker has begun          -ECANCELED; nothing was done
 *     told           a worker works               it looks after each mebibyte, and ends then or is done
 *     done           the message is on its way    the result stands
 *
 * `ended` runs once in each of them, on the loop's thread: an open file counts there who works on it, so
 * that nobody closes an fd whose number a worker is about to use.
 */
#include "work/file_job.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int64_t tell_end(eddy_file *file, eddy_file_ended_fn *ended, int64_t result)
{
    if (file != NULL) {
        file->working--;
    }
    return ended != NULL ? ended(file, result) : result;
}

static int64_t work(eddy_job *job)
{
    struct eddy_file_job *file_job = (struct eddy_file_job *)(void *)job;

    return file_job->work(file_job);
}

static int64_t finish(eddy_job *job)
{
    const struct eddy_file_job *file_job = (const struct eddy_file_job *)(const void *)job;

    return tell_end(file_job->file, file_job->ended, job->result);
}

static const struct eddy_job_kind file_jobs = {
    .size = sizeof(struct eddy_file_job),
    .workers = 4,
    .work = work,
    .finish = finish,
};

int eddy_file_workers(eddy_loop *loop, unsigned count)
{
    return eddy_workers_limit(loop, &file_jobs, count);
}

/* ---- waiting */

static int abort_wait(struct eddy_task_record *task)
{
    struct eddy_file_job *job = task->in.object;
    eddy_file *file = job->file;
    eddy_file_ended_fn *ended = job->ended;

    if (eddy_job_withdraw(&job->job)) {
        (void)tell_end(file, ended, -ECANCELED);
        return 1;
    }
    eddy_job_tell(&job->job);
    return 0;
}

/* Of what a worker has it reads only what is not changed. */
static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const struct eddy_file_job *job = task->in.object;

    if (job->size > 0) {
        snprintf(text, size, "to %s %s, %zu bytes at %lld", job->verb, job->path, job->size,
                 (long long)job->offset);
    } else {
        snprintf(text, size, "to %s %s", job->verb, job->path);
    }
}

static const struct eddy_wait_kind file_kind = {
    .name = "file", .abort = abort_wait, .describe = describe};

struct eddy_file_job *eddy_file_job_new(eddy_coro *co, const char *verb, const char *path,
                                        eddy_file_work_fn *function, int64_t *error)
{
    struct eddy_file_job *job;

    *error = eddy_check(co);
    if (*error < 0) {
        return NULL;
    }
    eddy_check_pointer(co, path);
    job = (struct eddy_file_job *)(void *)eddy_job_new(co, &file_jobs);
    if (job == NULL) {
        *error = -ENOMEM;
        return NULL;
    }
    job->loop = eddy_task_loop(co->task);
    job->verb = verb;
    job->path = path;
    job->work = function;
    return job;
}

int64_t eddy_file_job_park(eddy_coro *co, struct eddy_file_job *job)
{
    int64_t result;

    eddy_check_pointer(co, job->memory);
    result = eddy_job_start(&job->job);
    if (result < 0) {
        return result;
    }
    job->loop->counts.file_jobs++;
    if (job->file != NULL) {
        job->file->working++;
    }
    return eddy_park(co, &file_kind, job, NULL);
}

struct eddy_file_job *eddy_file_job_on(eddy_coro *co, eddy_file *file, const char *verb,
                                       eddy_file_work_fn *function, int64_t *error)
{
    struct eddy_file_job *job;

    *error = eddy_check(co);
    if (*error < 0) {
        return NULL;
    }
    if (!eddy_file_is_open(file)) {
        *error = -EBADF;
        return NULL;
    }
    job = eddy_file_job_new(co, verb, file->name, function, error);
    if (job != NULL) {
        job->file = file;
    }
    return job;
}

/* ---- opening: any thread may call these */

int eddy_file_open_fd(eddy_loop *loop, const char *path, int flags, mode_t mode)
{
    const struct eddy_sys *sys = loop->sys;

    return eddy_above_stdio(loop, sys->open(sys, path, flags | O_CLOEXEC | O_NOCTTY, mode));
}

static int check_regular(const struct eddy_sys *sys, int fd, int64_t *size, mode_t *mode)
{
    int result = sys->fstat(sys, fd, size, mode);

    return result < 0 || S_ISREG(*mode) ? result : S_ISDIR(*mode) ? -EISDIR : -EINVAL;
}

/* -ENXIO is of sockets, and of pipes that nobody reads. */
int eddy_file_open_regular(eddy_loop *loop, const char *path, int flags, mode_t create_mode,
                           int64_t *size, mode_t *mode)
{
    int fd = eddy_file_open_fd(loop, path, flags | O_NONBLOCK, create_mode);
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
