/*
 * Whole files, read and written beside the loop, on threads of their own (see offload.h for what is
 * said of threads there): no work that the program offloads, however long, keeps a file waiting.
 *
 *     struct eddy_file_data config;                              // a field of the frame, zeroed
 *     eddy_await(eddy_file_read(co, "config", &self->config, 65536));
 *     parse(self->config.bytes);
 *     ...
 *     eddy_file_free(eddy_loop_of(co), &self->config);           // in eddy_finally
 *
 * Only regular files: another kind is -EINVAL (a directory -EISDIR), for a read of a pipe or a
 * terminal may never end, and nothing could interrupt it. Paths are as in open(2); path, data and
 * buffers must stay until the operation has returned: not on the C stack. No fd is inherited
 * (O_CLOEXEC). A cancel or time-out is seen after each megabyte.
 */
#ifndef EDDY_FILE_H
#define EDDY_FILE_H

#include <stddef.h>

#include "eddy/coro.h"

#ifdef __cplusplus
extern "C" {
#endif

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

/* Sets how many threads the loop may have for files; without it 4. As eddy_offload_workers. */
EDDY_API int eddy_file_workers(eddy_loop *loop, unsigned count);

#ifdef __cplusplus
}
#endif

#endif
