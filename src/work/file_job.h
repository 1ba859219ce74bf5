/* Jobs on files, and how files are opened: what all files of this folder share that are about files. */
#ifndef EDDY_SRC_FILE_JOB_H
#define EDDY_SRC_FILE_JOB_H

#include "eddy/file.h"
#include "work/workers.h"

/* Between two looks of a worker whether to go on. */
enum { EDDY_FILE_STEP = 1024 * 1024 };

struct eddy_file_job;
typedef int64_t eddy_file_work_fn(struct eddy_file_job *job);
typedef int64_t eddy_file_ended_fn(eddy_file *file, int64_t result);

/* An operation on a file, as it lies with its worker. Its maker sets what it needs of it between
 * eddy_file_job_new and eddy_file_job_park; the rest is zero. */
struct eddy_file_job {
    eddy_job job; /* first */
    eddy_loop *loop;
    const char *verb;          /* for people: "read"; always */
    const char *path;          /* the caller's, or the name of `file`; always */
    eddy_file_work_fn *work;   /* on a worker; always */
    eddy_file_ended_fn *ended; /* on the loop's thread, once, also if it was withdrawn:
                                   returns what the task gets; or NULL */
    eddy_file *file;           /* that it works on: counted there; or NULL */
    void *memory;              /* to be read into, or written from, or more of that kind */
    size_t size;               /* of it */
    int64_t offset;            /* in the file; or a size of it */
    int flags;
    mode_t mode;
};

/* One for the task of `co`, if nothing is pending. Else NULL, and *error says why. */
struct eddy_file_job *eddy_file_job_new(eddy_coro *co, const char *verb, const char *path,
                                        eddy_file_work_fn *work, int64_t *error);

/* Gives it to a worker, and waits: EDDY_PENDING, or why that cannot be; then it is gone, and has not ended. */
EDDY_MUST_USE int64_t eddy_file_job_park(eddy_coro *co, struct eddy_file_job *job);

/* The job of an operation on an open file; else NULL and -EBADF, or as eddy_file_job_new. */
struct eddy_file_job *eddy_file_job_on(eddy_coro *co, eddy_file *file, const char *verb,
                                       eddy_file_work_fn *work, int64_t *error);

static inline const struct eddy_sys *eddy_file_sys(const struct eddy_file_job *job)
{
    return job->loop->sys;
}

/* ---- opening, on a worker */

/* An fd that no program inherits, and none of those that programs print to. */
int eddy_file_open_fd(eddy_loop *loop, const char *path, int flags, mode_t mode);

/* Opens without waiting, whatever it is, but keeps only a regular file: else -EISDIR or -EINVAL. */
int eddy_file_open_regular(eddy_loop *loop, const char *path, int flags, mode_t create_mode,
                           int64_t *size, mode_t *mode);

/* ---- open files */

/* Closes it, when nothing is pending, as eddy_file_close does. */
int64_t eddy_file_begin_close(eddy_coro *co, eddy_file *file);

/* Makes a struct, which is zeroed, the file's that is about to be opened. -EBUSY: it is open. -ENOMEM. */
int eddy_file_adopt(eddy_coro *co, eddy_file *file, const char *path, const char *place);

/* Lets go of what is the loop's; the fd is closed, or there is none. */
void eddy_file_release(eddy_file *file);

/* The end of an open: the result is the fd, or why there is none. */
int64_t eddy_file_opened(eddy_file *file, int64_t result);

#endif
