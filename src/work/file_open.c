/*
 * Open files: their beginning and end. The struct is the caller's.
 *
 *     loop   fd    closing
 *     NULL   -     -          not open: zeroed, or released
 *     set    -1    -          a worker opens it
 *     set    >= 0  -          open; `working` counts the jobs that have its fd
 *     set    >= 0  yes        a worker closes it; a withdrawn close makes it open again
 *
 * From the first to the last it is linked as a guard into the list of the task that opened it, and hears of the
 * loop's end, which comes when no worker works any more: an fd that is open then is closed, and told.
 */
#include "work/file_job.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "loop/look.h"

static void told_of_end(struct eddy_loop_end *end, eddy_loop *loop)
{
    eddy_file *file = (eddy_file *)(void *)((char *)end - offsetof(eddy_file, end));
    eddy_task none = {NULL, 0};

    if (file->fd >= 0) {
        if (eddy_loop_reports_leaks(loop)) {
            eddy_loop_report(loop, none, -EBUSY, "leak: a file is still open: %s (opened at %s)",
                             file->name, file->place != NULL ? file->place : "?");
        }
        (void)loop->sys->close(loop->sys, file->fd);
    }
    eddy_file_release(file);
}

/* The end of a path says most. */
static void set_name(eddy_file *file, const char *path)
{
    size_t length = strlen(path);
    bool whole = length < sizeof file->name;

    snprintf(file->name, sizeof file->name, "%s%s", whole ? "" : "...",
             whole ? path : path + length - sizeof file->name + sizeof "...");
}

int eddy_file_adopt(eddy_coro *co, eddy_file *file, const char *path, const char *place)
{
    if (file->loop != NULL) {
        return -EBUSY;
    }
    memset(file, 0, sizeof *file);
    if (eddy_guard_add(co->task, &file->guard) < 0) {
        return -ENOMEM;
    }
    file->loop = eddy_task_loop(co->task);
    file->fd = -1;
    file->place = place;
    set_name(file, path);
    eddy_loop_end_follow(file->loop, &file->end, told_of_end);
    return 0;
}

void eddy_file_release(eddy_file *file)
{
    eddy_loop_end_leave(&file->end);
    if (eddy_link_used(&file->guard)) {
        eddy_list_remove(&file->guard);
    }
    memset(file, 0, sizeof *file);
}

int64_t eddy_file_opened(eddy_file *file, int64_t result)
{
    if (result < 0) {
        eddy_file_release(file);
        return result;
    }
    file->fd = (int)result;
    return 0;
}

/* ---- opening */

static int64_t open_work(struct eddy_file_job *job)
{
    int64_t size;
    mode_t mode;

    return eddy_file_open_regular(job->loop, job->path, job->flags, job->mode, &size, &mode);
}

int64_t eddy_file_open_(eddy_coro *co, eddy_file *file, const char *path, int flags, mode_t mode,
                        const char *place)
{
    int64_t result = eddy_check(co);
    struct eddy_file_job *job;

    if (result < 0) {
        return result;
    }
    eddy_check_pointer(co, file);
    result = eddy_file_adopt(co, file, path, place);
    if (result < 0) {
        return result;
    }
    job = eddy_file_job_new(co, "open", path, open_work, &result);
    if (job != NULL) {
        job->file = file;
        job->flags = flags;
        job->mode = mode;
        job->ended = eddy_file_opened;
        result = eddy_file_job_park(co, job);
    }
    if (result != EDDY_PENDING) {
        eddy_file_release(file);
    }
    return result;
}

int64_t(eddy_file_open)(eddy_coro *co, eddy_file *file, const char *path, int flags, mode_t mode)
{
    return eddy_file_open_(co, file, path, flags, mode, NULL);
}

/* ---- closing */

/* Interrupted, it is closed (Linux). */
static int64_t close_fd(const struct eddy_sys *sys, int fd)
{
    int result = sys->close(sys, fd);

    return result == -EINTR ? 0 : result;
}

static int64_t close_work(struct eddy_file_job *job)
{
    return close_fd(eddy_file_sys(job), job->flags);
}

/* -ECANCELED comes of nothing but a close that was withdrawn. */
static int64_t closed(eddy_file *file, int64_t result)
{
    if (result == -ECANCELED) {
        file->closing = false;
    } else {
        eddy_file_release(file);
    }
    return result;
}

/* Without memory or a thread it is closed here: a cleanup must get rid of it. */
static int64_t close_here(eddy_file *file)
{
    int64_t result = close_fd(file->loop->sys, file->fd);

    eddy_file_release(file);
    return result;
}

int64_t eddy_file_begin_close(eddy_coro *co, eddy_file *file)
{
    struct eddy_file_job *job;
    int64_t result;

    if (file->loop == NULL) {
        return eddy_complete(co, 0);
    }
    if (file->fd < 0 || file->closing || file->working > 0) {
        return eddy_complete(co, -EBUSY);
    }
    job = eddy_file_job_on(co, file, "close", close_work, &result);
    if (job != NULL) {
        job->flags = file->fd;
        job->ended = closed;
        file->closing = true;
        result = eddy_file_job_park(co, job);
    }
    return result == EDDY_PENDING ? result : eddy_complete(co, close_here(file));
}

int64_t eddy_file_close(eddy_coro *co, eddy_file *file)
{
    int64_t result = eddy_check(co);

    return result < 0 ? result : eddy_file_begin_close(co, file);
}

/* ---- eddy_with_file */

int64_t eddy_file_enter_(eddy_coro *co, const char *path, int flags, mode_t mode, const char *place)
{
    return eddy_file_open_(co, co->scope->object, path, flags, mode, place);
}

int64_t eddy_file_leave_(eddy_coro *co, struct eddy_scope *scope)
{
    return scope->leaving == EDDY_LEAVE_CUT_OFF_ ? 0 : eddy_file_begin_close(co, scope->object);
}
