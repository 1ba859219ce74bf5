/*
 * Files, whole and in pieces, read and written beside the loop, on threads of their own (see offload.h for what
 * is said of threads there): no work that the program offloads, however long, keeps a file waiting.
 * Where the loop's thread has the usual policy of the scheduler (SCHED_OTHER), theirs is SCHED_BATCH (sched(7)):
 * one that is woken does not take the processor from the loop in the middle of a turn.
 *
 *     struct eddy_file_data config;                              // a field of the frame, zeroed
 *     eddy_await(eddy_file_read(co, "config", &self->config, 65536));
 *     parse(self->config.bytes);
 *     ...
 *     eddy_file_free(eddy_loop_of(co), &self->config);           // in eddy_finally
 *
 *     eddy_with_file(&self->log, "log", O_WRONLY | O_CREAT | O_APPEND, 0666) {
 *         eddy_await(eddy_file_write_at(co, &self->log, self->line, self->size, 0));
 *         eddy_await(eddy_file_sync_data(co, &self->log));
 *     }
 *
 * Only regular files: another kind is -EINVAL (a directory -EISDIR), for a read of a pipe or a
 * terminal may never end, and nothing could interrupt it. Paths are as in open(2); path, data and
 * buffers must stay until the operation has returned: not on the C stack. No fd is inherited
 * (O_CLOEXEC), and none is one of the three that programs print to. A cancel or time-out takes back what
 * no thread has begun (nothing was done); what runs is waited for, as the thread uses the caller's memory,
 * and looks after each mebibyte whether it is to end. The dump says which file a task waits for.
 */
#ifndef EDDY_FILE_H
#define EDDY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "eddy/coro.h"
#include "eddy/sys.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- whole files */

/* What a file holds. The caller owns the struct, valid when zeroed, and frees the bytes with
 * eddy_file_free before the loop ends. */
struct eddy_file_data {
    char *bytes; /* with a '\0' behind the last; NULL: none yet */
    size_t size; /* without that */
    size_t room; /* private: what was allocated */
};

/* Reads a whole file of at most `limit` bytes into memory of the loop's allocator, and returns its
 * size. `data` must be empty (zeroed or freed), and is so after an error. A file that others write
 * to meanwhile is seen as read(2) sees it. Errors: -EFBIG: it has more than `limit` bytes;
 * -EINVAL: `data` is not empty, or it is no regular file; -EISDIR; -ENOMEM; -ENOENT, -EACCES and
 * the like of open(2); -EIO and the like of read(2); those of eddy_offload; -ECANCELED. */
EDDY_API EDDY_MUST_USE int64_t eddy_file_read(eddy_coro *co, const char *path,
                                              struct eddy_file_data *data, size_t limit);

/* Gives the bytes back to the loop's allocator; nothing if there are none. */
EDDY_API void eddy_file_free(eddy_loop *loop, struct eddy_file_data *data);

/* Likewise into memory of the caller's, `size` bytes; nothing is added behind the last. After an
 * error what it holds is undefined. */
EDDY_API EDDY_MUST_USE int64_t eddy_file_read_into(eddy_coro *co, const char *path, void *buffer,
                                                   size_t size);

enum eddy_file_flag {
    /* Return only when it is on the disk, and its name too (fsync(2)): it outlasts a crash of the
     * machine. Otherwise after such a crash there may be the old file, the new one, or, on some
     * file systems, an empty one. */
    EDDY_FILE_SYNC = 1 << 0,
    /* Write into the file that is there instead of replacing it: its owner, links and watchers
     * stay, but others can see it half-written, and after an error it may be so. */
    EDDY_FILE_IN_PLACE = 1 << 1,
    /* Likewise, behind what it has (O_APPEND). */
    EDDY_FILE_APPEND = 1 << 2
};

/*
 * Writes a whole file, and returns `size`. Without flags it is replaced as one (rename(2)): whoever
 * opens it finds the old content or the new one, never a part, and after an error it is as it was.
 * For that a file ".eddy-*.tmp" stands beside it meanwhile, which takes over the mode of the old
 * file; the owner, further hard links and what is added to the mode (ACLs) are not taken over, and
 * a symbolic link is itself replaced. It is the directory that must be writable, not the file. A
 * file that was not there gets the mode 0666 less the umask.
 *
 * Errors: -EINVAL: unknown flags, or what is there is no regular file; -EISDIR; -ENAMETOOLONG;
 * -EACCES, -EROFS, -ENOSPC and the like of open(2), write(2), close(2), fsync(2) and rename(2);
 * those of eddy_offload; -ECANCELED. With EDDY_FILE_SYNC the error may come after the file has been
 * replaced: that of syncing its directory.
 */
EDDY_API EDDY_MUST_USE int64_t eddy_file_write(eddy_coro *co, const char *path, const void *data,
                                               size_t size, unsigned flags);

/* ---- files in pieces */

/* An open file. The caller owns the struct, zeroed before it is opened; from then on until it is closed it
 * must stay where it is. A coroutine must not end with an open file in its frame. One that is open when the
 * loop ends is closed, and told as a leak (EDDY_LOOP_REPORT_LEAKS). All of it is private. */
typedef struct eddy_file {
    eddy_loop *loop;          /* NULL: not open */
    int fd;                   /* -1: it is being opened */
    unsigned working;         /* operations that workers have, or are to have */
    bool closing;             /* a worker has the fd to close it */
    char name[32];            /* the end of its path, for people */
    const char *place;        /* where it was opened; or NULL */
    struct eddy_link guard;   /* in the list of the task that has opened it */
    struct eddy_loop_end end; /* followed while it is open */
} eddy_file;

/* Opens a file: flags and mode as of open(2), such as O_RDWR | O_CREAT, 0666. Returns 0. Whether a cancel has
 * come too late is for it to say: then the file is open, and the cancel comes at the next await. Errors:
 * -EBUSY: the struct is open; -EISDIR, -EINVAL: it is no regular file; -ENOMEM; -ENOENT, -EACCES, -EEXIST and
 * the like of open(2); those of eddy_offload; -ECANCELED. */
EDDY_API EDDY_MUST_USE int64_t eddy_file_open(eddy_coro *co, eddy_file *file, const char *path,
                                              int flags, mode_t mode);
#define eddy_file_open(...) eddy_file_open_(__VA_ARGS__, EDDY_PLACE_)

/* Reads `size` bytes that begin at `offset`. Returns how many there were: fewer only if the file ends
 * there, 0 at its end and behind it. Several tasks may read and write one file at once; there is no place
 * that they share. Errors: -EBADF: it is not open, not to be read, or is being closed; -EINVAL: a negative
 * offset, or more than files can have; -EIO and the like of pread(2); those of eddy_offload; -ECANCELED:
 * what the buffer holds is undefined. */
EDDY_API EDDY_MUST_USE int64_t eddy_file_read_at(eddy_coro *co, eddy_file *file, void *buffer,
                                                 size_t size, int64_t offset);

/* Writes all of it there, and returns `size`; what lies between the end of the file and the offset reads
 * as zeros. With O_APPEND it goes behind the end, wherever the offset is (pwrite(2), Linux). After an error
 * such as -ENOSPC, -EFBIG, -EDQUOT or -EIO some of the bytes, from the first on, may be in the file, and the
 * rest is not. -ECANCELED: of up to a mebibyte nothing was written; of a larger piece, perhaps some
 * mebibytes: write pieces of at most that to know. As the offset is the caller's, it can be written again.
 * Others as above. What is written is in the file for all who read it; that it outlasts a crash of the
 * machine, eddy_file_sync says. */
EDDY_API EDDY_MUST_USE int64_t eddy_file_write_at(eddy_coro *co, eddy_file *file, const void *data,
                                                  size_t size, int64_t offset);

/* Fills the struct (sys.h): its size, kind, permissions, time. 0; errors of fstat(2), and as above. */
EDDY_API EDDY_MUST_USE int64_t eddy_file_get_info(eddy_coro *co, eddy_file *file,
                                                  struct eddy_file_info *info);

/* Makes the file that long: cut off, or with zeros at its end (ftruncate(2)). 0; as above. */
EDDY_API EDDY_MUST_USE int64_t eddy_file_truncate(eddy_coro *co, eddy_file *file, int64_t size);

/* Returns when all that was written before is on the disk (fsync(2)); the other one leaves out what is
 * not needed to read it, such as its time (fdatasync(2)). 0. An error means that some of it may be lost, and
 * a second call need not say so again. As above. */
EDDY_API EDDY_MUST_USE int64_t eddy_file_sync(eddy_coro *co, eddy_file *file);
EDDY_API EDDY_MUST_USE int64_t eddy_file_sync_data(eddy_coro *co, eddy_file *file);

/* Closes the file: 0, also if it is not open; or an error of close(2), by which some file systems tell that
 * they could not write; then it is closed all the same. -EBUSY: it is being opened or closed, or another
 * operation on it goes on: it stays open, as a thread uses it. -ECANCELED, and with a time-out -ETIMEDOUT:
 * likewise; a cleanup (eddy_finally) has neither. Without memory or a thread the loop's thread closes it. */
EDDY_API EDDY_MUST_USE int64_t eddy_file_close(eddy_coro *co, eddy_file *file);

/* Whether it is open, and not being closed. */
static inline bool eddy_file_is_open(const eddy_file *file)
{
    return file->loop != NULL && file->fd >= 0 && !file->closing;
}

/* eddy_with_file(&file, path, flags, mode) { ... }: opens the file, runs the block, and closes it however
 * the block is left. The error of the close goes on, if the block had none. */
#define eddy_with_file(file, path, flags, mode)                  \
    EDDY_WITH_OBJECT_(eddy_file_object_(file), eddy_file_leave_, \
                      eddy_file_enter_(co, path, flags, mode, EDDY_PLACE_))

/* Private. */
EDDY_API EDDY_MUST_USE int64_t eddy_file_open_(eddy_coro *co, eddy_file *file, const char *path,
                                               int flags, mode_t mode, const char *place);
EDDY_API EDDY_MUST_USE int64_t eddy_file_enter_(eddy_coro *co, const char *path, int flags,
                                                mode_t mode, const char *place);
EDDY_API EDDY_MUST_USE int64_t eddy_file_leave_(eddy_coro *co, struct eddy_scope *scope);
static inline void *eddy_file_object_(eddy_file *file) /* checks the type */
{
    return file;
}

/* Sets how many threads the loop may have for files; without it 4. As eddy_offload_workers. */
EDDY_API int eddy_file_workers(eddy_loop *loop, unsigned count);

#ifdef __cplusplus
}
#endif

#endif
