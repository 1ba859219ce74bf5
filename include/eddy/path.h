/*
 * Names of files, and what is in a directory, on the threads of files (file.h).
 *
 *     eddy_with_dir(&self->dir, "/srv/files") {
 *         for (;;) {
 *             eddy_await(self->more, eddy_dir_next(co, &self->dir));
 *             if (self->more == 0) {
 *                 break;
 *             }
 *             printf("%s\n", self->dir.entry.name);
 *         }
 *     }
 *
 * Paths must stay until the operation has returned: not on the C stack. A cancel or time-out takes back what
 * no thread has begun; a call that runs is waited for, and its result stands.
 */
#ifndef EDDY_PATH_H
#define EDDY_PATH_H

#include "eddy/file.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- names: each returns 0, an error of the call in its man page, or one of eddy_offload */

/* Fills the struct (sys.h) with what is there; the second looks at a symbolic link itself. fstatat(2). */
EDDY_API EDDY_MUST_USE int64_t eddy_path_get_info(eddy_coro *co, const char *path,
                                                  struct eddy_file_info *info);
EDDY_API EDDY_MUST_USE int64_t eddy_path_get_link_info(eddy_coro *co, const char *path,
                                                       struct eddy_file_info *info);

/* Gives a file another name, on the same file system (else -EXDEV), in place of what has it. rename(2). */
EDDY_API EDDY_MUST_USE int64_t eddy_path_rename(eddy_coro *co, const char *from, const char *to);

/* Takes a name away from a file. unlink(2). */
EDDY_API EDDY_MUST_USE int64_t eddy_path_unlink(eddy_coro *co, const char *path);

/* Makes a directory, such as with 0777 (less the umask); removes an empty one. mkdir(2), rmdir(2). */
EDDY_API EDDY_MUST_USE int64_t eddy_path_mkdir(eddy_coro *co, const char *path, mode_t mode);
EDDY_API EDDY_MUST_USE int64_t eddy_path_rmdir(eddy_coro *co, const char *path);

/* ---- directories */

/* One name in a directory. */
struct eddy_dir_entry {
    const char *name; /* stays until the next eddy_dir_next or the close */
    uint64_t inode;
    mode_t kind; /* S_ISREG(kind), S_ISDIR(kind); 0: the file system does not say */
};

/* A directory that is read. The caller owns the struct, zeroed before it is opened, as an eddy_file. It takes
 * 32 KiB of the loop's pool while it is open, however many names there are. */
typedef struct eddy_dir {
    eddy_file file;              /* private, first; of the next three, too */
    char *block;                 /* names as the kernel gave them; NULL: not open */
    size_t used;                 /* of it, bytes that were looked at */
    size_t size;                 /* of it */
    unsigned pool_class;         /* of it */
    struct eddy_dir_entry entry; /* the name that eddy_dir_next has found */
} eddy_dir;

/* Opens a directory: 0; -ENOTDIR; and as eddy_file_open. */
EDDY_API EDDY_MUST_USE int64_t eddy_dir_open(eddy_coro *co, eddy_dir *dir, const char *path);
#define eddy_dir_open(...) eddy_dir_open_(__VA_ARGS__, EDDY_PLACE_)

/* Finds the next name, in no order, without "." and "..": 1, and it is in `entry`; or 0: there are no more.
 * Most are there at once; every some hundreds a thread asks the kernel. What is made or removed
 * meanwhile is found or not; nothing else is found twice or left out (readdir(3)). -EBADF: it is not open;
 * -EBUSY: another task waits for a name; errors of getdents(2); and as eddy_file_read_at. */
EDDY_API EDDY_MUST_USE int64_t eddy_dir_next(eddy_coro *co, eddy_dir *dir);

/* As eddy_file_close. One whose close was cancelled can only be closed. */
EDDY_API EDDY_MUST_USE int64_t eddy_dir_close(eddy_coro *co, eddy_dir *dir);

/* eddy_with_dir(&dir, path) { ... }: as eddy_with_file. */
#define eddy_with_dir(dir, path)                              \
    EDDY_WITH_OBJECT_(eddy_dir_object_(dir), eddy_dir_leave_, \
                      eddy_dir_enter_(co, path, EDDY_PLACE_))

/* Private. */
EDDY_API EDDY_MUST_USE int64_t eddy_dir_open_(eddy_coro *co, eddy_dir *dir, const char *path,
                                              const char *place);
EDDY_API EDDY_MUST_USE int64_t eddy_dir_enter_(eddy_coro *co, const char *path, const char *place);
EDDY_API EDDY_MUST_USE int64_t eddy_dir_leave_(eddy_coro *co, struct eddy_scope *scope);
static inline void *eddy_dir_object_(eddy_dir *dir) /* checks the type */
{
    return dir;
}

#ifdef __cplusplus
}
#endif

#endif
