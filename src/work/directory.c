/*
 * Directories, a batch of names at a time: the kernel fills a block of the pool, on a worker, and names
 * are handed out of it at once until it is empty. So a directory of any size takes the same memory, and a
 * name costs a worker only once in some hundreds.
 *
 *     used < size     names are left in the block
 *     used == size    the next batch is to be asked for
 */
#include "eddy/path.h"

#include <fcntl.h>
#include <string.h>

#include "work/file_job.h"

enum { BLOCK = 32768 };

/* As the kernel has it (getdents64(2)), with the name behind it. */
struct record {
    uint64_t inode;
    int64_t offset;
    unsigned short length; /* of all of it */
    unsigned char kind;    /* DT_REG and the like of readdir(3) */
};
enum { NAME_AT = 19 };

static int64_t open_work(struct eddy_file_job *job)
{
    return eddy_file_open_fd(job->loop, job->path, O_RDONLY | O_DIRECTORY, 0);
}

static void give_block(eddy_dir *dir)
{
    if (dir->block != NULL) {
        eddy_pool_give(&dir->file.loop->pool, dir->block, dir->pool_class);
        dir->block = NULL;
    }
}

static eddy_dir *of_file(eddy_file *file)
{
    return (eddy_dir *)(void *)file;
}

static int64_t opened(eddy_file *file, int64_t result)
{
    if (result < 0) {
        give_block(of_file(file));
    }
    return eddy_file_opened(file, result);
}

/* The struct is the loop's already. */
static int64_t begin_open(eddy_coro *co, eddy_dir *dir, const char *path)
{
    struct eddy_file_job *job;
    int64_t result;

    dir->used = 0;
    dir->size = 0;
    dir->block = eddy_pool_take(&dir->file.loop->pool, BLOCK, &dir->pool_class);
    if (dir->block == NULL) {
        return -ENOMEM;
    }
    job = eddy_file_job_new(co, "open", path, open_work, &result);
    if (job == NULL) {
        return result;
    }
    job->file = &dir->file;
    job->ended = opened;
    return eddy_file_job_park(co, job);
}

int64_t eddy_dir_open_(eddy_coro *co, eddy_dir *dir, const char *path, const char *place)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    eddy_check_pointer(co, dir);
    result = eddy_file_adopt(co, &dir->file, path, place);
    if (result < 0) {
        return result;
    }
    result = begin_open(co, dir, path);
    if (result != EDDY_PENDING) {
        give_block(dir);
        eddy_file_release(&dir->file);
    }
    return result;
}

int64_t(eddy_dir_open)(eddy_coro *co, eddy_dir *dir, const char *path)
{
    return eddy_dir_open_(co, dir, path, NULL);
}

/* ---- reading */

/* The directory itself and the one above are in every directory, and nobody looks for them. */
static bool is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* The next name out of the block: 1, or 0 if it has none. */
static int64_t take(eddy_dir *dir)
{
    while (dir->used < dir->size) {
        const char *bytes = dir->block + dir->used;
        struct record record;
        memcpy(&record, bytes, sizeof record);
        dir->used += record.length;
        if (!is_dots(bytes + NAME_AT)) {
            dir->entry.name = bytes + NAME_AT;
            dir->entry.inode = record.inode;
            dir->entry.kind = (mode_t)record.kind << 12; /* DTTOIF of <dirent.h> */
            return 1;
        }
    }
    return 0;
}

/* On a worker, which has the block meanwhile: 1, or 0 at the end of the directory. */
static int64_t fill_work(struct eddy_file_job *job)
{
    const struct eddy_sys *sys = eddy_file_sys(job);
    eddy_dir *dir = of_file(job->file);
    int64_t result;

    do {
        ssize_t count = sys->getdents(sys, job->file->fd, dir->block, BLOCK);
        if (count <= 0) {
            return count;
        }
        dir->used = 0;
        dir->size = (size_t)count;
        result = take(dir);
    } while (result == 0);
    return result;
}

int64_t eddy_dir_next(eddy_coro *co, eddy_dir *dir)
{
    struct eddy_file_job *job;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (!eddy_file_is_open(&dir->file) || dir->block == NULL) {
        return eddy_complete(co, -EBADF);
    }
    if (dir->file.working > 0) { /* one block, one reader */
        return eddy_complete(co, -EBUSY);
    }
    result = take(dir);
    if (result == 1) {
        return eddy_complete(co, result);
    }
    job = eddy_file_job_on(co, &dir->file, "list", fill_work, &result);
    return job != NULL ? eddy_file_job_park(co, job) : result;
}

/* ---- closing */

/* Names that were not taken are dropped first: who has begun to close a directory wants no more of it. */
static int64_t begin_close(eddy_coro *co, eddy_dir *dir)
{
    if (eddy_file_is_open(&dir->file) && dir->file.working == 0) {
        give_block(dir);
    }
    return eddy_file_begin_close(co, &dir->file);
}

int64_t eddy_dir_close(eddy_coro *co, eddy_dir *dir)
{
    int64_t result = eddy_check(co);

    return result < 0 ? result : begin_close(co, dir);
}

int64_t eddy_dir_enter_(eddy_coro *co, const char *path, const char *place)
{
    return eddy_dir_open_(co, co->scope->object, path, place);
}

int64_t eddy_dir_leave_(eddy_coro *co, struct eddy_scope *scope)
{
    return scope->leaving == EDDY_LEAVE_CUT_OFF_ ? 0 : begin_close(co, scope->object);
}
