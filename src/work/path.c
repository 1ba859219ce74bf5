/*
 * Names of files, changed and asked for by workers: each is one system call, which a cancel cannot cut off.
 */
#include "eddy/path.h"

#include <fcntl.h>

#include "work/file_job.h"

/* `path` first, and what else the call takes. */
static int64_t call(eddy_coro *co, const char *verb, const char *path, eddy_file_work_fn *work,
                    void *memory, int flags, mode_t mode)
{
    int64_t result;
    struct eddy_file_job *job = eddy_file_job_new(co, verb, path, work, &result);

    if (job == NULL) {
        return result;
    }
    job->memory = memory;
    job->flags = flags;
    job->mode = mode;
    return eddy_file_job_park(co, job);
}

static int64_t info_work(struct eddy_file_job *job)
{
    const struct eddy_sys *sys = eddy_file_sys(job);

    return sys->fstatat(sys, AT_FDCWD, job->path, job->memory, job->flags);
}

int64_t eddy_path_get_info(eddy_coro *co, const char *path, struct eddy_file_info *info)
{
    return call(co, "ask of", path, info_work, info, 0, 0);
}

int64_t eddy_path_get_link_info(eddy_coro *co, const char *path, struct eddy_file_info *info)
{
    return call(co, "ask of", path, info_work, info, AT_SYMLINK_NOFOLLOW, 0);
}

static int64_t rename_work(struct eddy_file_job *job)
{
    const struct eddy_sys *sys = eddy_file_sys(job);

    return sys->rename(sys, job->path, job->memory);
}

int64_t eddy_path_rename(eddy_coro *co, const char *from, const char *to)
{
    return call(co, "rename", from, rename_work, (void *)(uintptr_t)to, 0, 0);
}

static int64_t unlink_work(struct eddy_file_job *job)
{
    const struct eddy_sys *sys = eddy_file_sys(job);

    return sys->unlink(sys, job->path);
}

int64_t eddy_path_unlink(eddy_coro *co, const char *path)
{
    return call(co, "unlink", path, unlink_work, NULL, 0, 0);
}

static int64_t mkdir_work(struct eddy_file_job *job)
{
    const struct eddy_sys *sys = eddy_file_sys(job);

    return sys->mkdir(sys, job->path, job->mode);
}

int64_t eddy_path_mkdir(eddy_coro *co, const char *path, mode_t mode)
{
    return call(co, "make", path, mkdir_work, NULL, 0, mode);
}

static int64_t rmdir_work(struct eddy_file_job *job)
{
    const struct eddy_sys *sys = eddy_file_sys(job);

    return sys->rmdir(sys, job->path);
}

int64_t eddy_path_rmdir(eddy_coro *co, const char *path)
{
    return call(co, "remove", path, rmdir_work, NULL, 0, 0);
}
